/*
 * roster - the members of one document: which agent writes under which key.
 *
 *   Ownership  zero-initialised it is empty; roster_release().
 *   Bounds     ROSTER_MAX members, whatever a relay allows: what is kept and done for each writer is done so many times at
 *              most. The first MEMBER of an agent stays.
 */
#ifndef WEFT_SYNC_ROSTER_H
#define WEFT_SYNC_ROSTER_H

#include "sync/record.h"

enum { ROSTER_MAX = 65536 };

struct roster_entry {
    struct member member;
    struct buf stored; /* the MEMBER record */
};

struct roster {
    struct roster_entry **items; /* by agent */
    size_t count, cap;
};

void roster_release(struct roster *roster);
const struct roster_entry *roster_find(const struct roster *roster, const struct agent_id *agent); /* NULL: unknown */
bool roster_is_full(const struct roster *roster);
/* False: the agent is known already (under whatever key) or there is no room. */
bool roster_add(struct roster *roster, const struct member *member, struct bytes stored);

#endif
