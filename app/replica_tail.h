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

/* What a tail holds of that document, as a journal in memory. NULL: there is no such tail. */
struct journal *replica_left_journal(struct env *env, const struct doc_id *doc);
/* A row as a frame, and what was one into a journal. */
void replica_put_row_frame(struct tail *tail, const struct journal_local *row);
MUST_USE bool replica_fold_row(struct journal *journal, const struct agent_id *agent, struct bytes frame, struct error *err);
/* Whether what the agent had written in front of that row is in the journal. */
MUST_USE bool replica_row_follows(struct journal *journal, const struct agent_id *agent, struct bytes frame, bool *follows,
                                  struct error *err);
/* Whom folding belongs to. With replica_left_is_dead() and replica_left_trouble() as a visitor's `self`. */
struct folding {
    struct env *env;
    struct replica_port port;
};
bool replica_left_is_dead(void *self, const struct agent_id *agent);
void replica_left_trouble(void *self, enum tail_trouble trouble, const char *path);
void replica_left_say(const struct folding *folding, char *sentence); /* frees it */
/* tail_visit_dead() or tail_visit_all(), with this device's key. */
typedef void replica_tail_visit(const char *dir, const struct seal_key *key, struct tail_visitor visitor);
void replica_visit_tails(struct env *env, const char *dir, replica_tail_visit *visit, struct tail_visitor visitor);

/* replica_advance.c */
/* The row that is given to the journal's thread next. */
void replica_advance_put(struct replica *replica, const struct journal_local *row);
/* True: all that the journal has not committed is in the tail's file, so kill -9 does it no harm. */
MUST_USE bool replica_advance_hold(struct replica *replica);
/* It is painted, or was waited for: the journal's thread goes on. Again is free. */
void replica_advance_go(struct replica *replica);
/* At each turn: what was not painted in the one before need not be waited for. */
void replica_advance_handle(struct replica *replica);
uint64_t replica_advance_next_ms(const struct replica *replica);
/* The writer has stopped; as replica_tail_leave(). */
void replica_advance_leave(struct replica *replica, bool kept);
/* What killed processes had in front of the journals goes into them. */
void replica_fold_advance(struct env *env, struct replica_port port);
/* Whether this agent's process, dead by its lock, is still ending, or has left what nobody has folded yet. */
bool replica_advance_left(const struct env *env, const struct agent_id *agent);
/* As replica_left_journal(): rows alone, without what the journal is founded on. */
struct journal *replica_advance_journal(struct env *env, const struct doc_id *doc);

#endif
