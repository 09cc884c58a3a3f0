/*
 * replica_merge - whose turn it is to be merged: in portions what takes long, not at all what is absurd (app/replica_merge.c). For the
 * files that make up a replica.
 */
#ifndef WEFT_APP_REPLICA_MERGE_H
#define WEFT_APP_REPLICA_MERGE_H

#include "sync/document.h"

struct replica;

enum { MERGE_STEPS_PER_MS = 10000 }; /* about, where caches hold what a step looks at */

enum merge_turn {
    MERGE_NOW,   /* add it, and bring the text up to date */
    MERGE_LATER, /* in a later turn */
    MERGE_HELD,  /* not at all: it was kept */
};
enum merge_turn replica_merge_turn(struct replica *replica, const struct batch *batch);
void replica_merge_begin_turn(struct replica *replica, uint64_t until_ms);
/* It was its turn; with `news` it is in the document now: brings the text up to date, people later. */
void replica_merged(struct replica *replica, const struct batch *batch, bool news);
/* Something came, and is not in the document yet; what is held does not count. */
bool replica_is_merging(const struct replica *replica);
/* A person wants what that agent wrote, whatever it takes: all of it in this run, in later ones what ends before upto_seq. */
void replica_merge_grant(struct replica *replica, const struct agent_id *agent, uint64_t upto_seq);
/* That was so in an earlier run. */
void replica_merge_want(struct replica *replica, const struct agent_id *agent, uint64_t upto_seq);

#endif
