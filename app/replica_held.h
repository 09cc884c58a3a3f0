/*
 * replica_held - what is not merged because that would take too long, and what builds on it; and the journal's note of it
 * (app/replica_held.c). For the files that make up a replica.
 *
 *   Bounds   HELD_MAX batches of HELD_BYTES_MAX in memory, the others in the journal alone; HELD_AGENTS_MAX agents by name.
 *   Errors   a note that cannot be read or written costs time at the next opening, and nothing else.
 */
#ifndef WEFT_APP_REPLICA_HELD_H
#define WEFT_APP_REPLICA_HELD_H

#include "sync/document.h"

struct replica;

/* Its author's earlier ones are held, or something that it builds on: then it is held too. */
bool replica_hold_behind(struct replica *replica, const struct batch *batch);
/* From this one on what its author wrote is held: it would take too long. Says so. */
void replica_hold_costly(struct replica *replica, const struct batch *batch);
/* Offers it again, as what is early; with `keep_costly` not that of those whose it is, unless they are this device's. */
void replica_offer_held(struct replica *replica, bool keep_costly);
/* Whose it is and that it is held goes into the journal; with `slow` also what is on its way just now. */
void replica_note_held(struct replica *replica, bool slow);
/* What comes after that of an agent is not held; 0: nothing is. */
uint64_t replica_held_upto(const struct replica *replica, const struct agent_id *agent);
/* Who was held when weft ended, but for what another window has put into the checkpoint since; before rows are read. */
MUST_USE bool replica_restore_held(struct replica *replica, struct error *err);
/* "ada's edits are", "edits of ada and 2 others are"; false: nothing is held, nothing is appended. Safe to show. */
bool replica_name_held(const struct replica *replica, struct buf *out);
void replica_forget_held(struct replica *replica);

#endif
