/*
 * replica_version - the versions of a replica's document by the names that people and others' machines know.
 *
 *   Errors     a version or moment that is none, or is not known here, is said in one sentence.
 */
#ifndef WEFT_APP_REPLICA_VERSION_H
#define WEFT_APP_REPLICA_VERSION_H

#include "app/replica.h"
#include "sync/document.h"

/*
 * VERSION or TIME: "198edb96:200" as `weft log` prints it (an event, by at least 8 digits of its agent: it, and all that its
 * author had seen), several of them with blanks between as `weft verify` prints them (what all of them have), "base", "now", or a
 * moment (app/moment.h). *err is empty before.
 */
MUST_USE bool replica_find_version(const struct replica *replica, const char *word, struct version *version, struct error *err);
/* "198edb96:200" of an event by its local id. Appended. */
void replica_add_event(const struct replica *replica, struct event_id event, struct buf *out);

#endif
