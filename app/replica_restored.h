/*
 * replica_restored - what is said of edits that are not in the file, when a document is opened again; for the files that make up
 * a replica.
 */
#ifndef WEFT_APP_REPLICA_RESTORED_H
#define WEFT_APP_REPLICA_RESTORED_H

#include "editor/base/bytes.h"

struct replica;

/* Appends the sentence, or nothing: there are none, or it is said by itself when they have been counted. */
void replica_add_restored(struct replica *replica, struct buf *out);
void replica_restored_handle(struct replica *replica);
void replica_restored_release(struct replica *replica); /* waits for a count that runs; before anything else of it goes */

#endif
