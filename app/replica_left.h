/*
 * replica_left - what processes have in files in front of the journals (replica_tail.h), for the files that make up a replica:
 * folding what killed ones left, and reading it.
 */
#ifndef WEFT_APP_REPLICA_LEFT_H
#define WEFT_APP_REPLICA_LEFT_H

#include "app/replica.h"

/* Where those files are, in the state directory: of journals that are still being made, and of those that are there. */
#define LEFT_FOUNDING_DIR "tails"
#define LEFT_ADVANCE_DIR "advance"

/* What killed processes had in front of the journals goes into them. replica_fold_left() does that, and makes missing ones. */
void replica_fold_advance(struct env *env, struct replica_port port);
/* Whether this agent's process, dead by its lock, is still ending, or has left in front of a journal what nobody has folded. */
bool replica_advance_left(const struct env *env, const struct agent_id *agent);

/* What is to be read of that document where its journal is still being made, as a journal in memory. NULL: nothing. */
struct journal *replica_left_journal(struct env *env, const struct doc_id *doc);
/* The same of what is in front of its journal: rows alone, without what that is founded on. */
struct journal *replica_advance_journal(struct env *env, const struct doc_id *doc);

#endif
