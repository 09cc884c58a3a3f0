/*
 * replica_tail - what is typed and the journal does not have yet: files in front of it, for the files that make up a replica.
 *
 *   replica_tail.c     while the journal is being made
 *   replica_advance.c    and later, before the journal has committed it
 */
#ifndef WEFT_APP_REPLICA_TAIL_H
#define WEFT_APP_REPLICA_TAIL_H

#include "app/replica.h"
#include "sync/journal_writer.h"
#include "sync/tail.h"

struct replica;

/* replica_tail.c */
/* In the course of beginning to write, when the journal has been given its founding and has still to be made. */
void replica_tail_begin(struct replica *replica);
/* Gives the journal's thread an edit, and the tail if there is one. The ticket. */
uint64_t replica_give_row(struct replica *replica, const struct journal_local *row, struct journal_done done);
/* True: every row since the beginning is in the tail's file, so kill -9 does it no harm. */
MUST_USE bool replica_tail_hold(struct replica *replica);
/* On the journal's thread: it has committed so far. */
void replica_tail_committed(struct replica *replica, uint64_t ticket);
/* The writer has stopped. What it did not keep stays in the tail's file for the next start. */
void replica_tail_leave(struct replica *replica, bool kept);
/* Takes the tail away from the replica: for the caller to end once what is in it is elsewhere. May be NULL. */
struct tail *replica_tail_take(struct replica *replica);
/* The row as a frame. */
void replica_put_row_frame(struct tail *tail, const struct journal_local *row);

/* replica_advance.c */
/* The row that is given to the journal's thread next. */
void replica_advance_put(struct replica *replica, const struct journal_local *row);
/* Nobody types: what was staged, and the journal has by now, goes. */
void replica_advance_rest(struct replica *replica);
/* True: all that the journal has not committed is in the tail's file, so kill -9 does it no harm. */
MUST_USE bool replica_advance_hold(struct replica *replica);
/* True: every row of this process that the journal has not committed is in the tail's file, where the journal could not be waited
   for any longer. What others wrote may be in neither. */
MUST_USE bool replica_advance_keep(struct replica *replica);
/* It is painted, or was waited for: the journal's thread goes on. Again is free. */
void replica_advance_go(struct replica *replica);
/* At each turn: what was not painted in the one before need not be waited for. */
void replica_advance_handle(struct replica *replica);
uint64_t replica_advance_next_ms(const struct replica *replica);
/* The writer has stopped; as replica_tail_leave(). */
void replica_advance_leave(struct replica *replica, bool kept);

#endif
