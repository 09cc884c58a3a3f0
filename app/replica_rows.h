/*
 * replica_rows - rows of the journal, and batches from the room, into hash chain and document: for the files that make up a
 * replica.
 */
#ifndef WEFT_APP_REPLICA_ROWS_H
#define WEFT_APP_REPLICA_ROWS_H

#include "sync/chain.h"
#include "sync/document.h"
#include "sync/journal.h"

struct local_batch;
struct replica;

/* All rows above replica->place_read. Early ones are kept; *news: the text is behind. */
MUST_USE bool replica_read_rows_of(struct replica *replica, struct journal *journal, bool *news, struct error *err);
/* What the journal does not have yet, read from where it waits; what it has is known already. */
MUST_USE bool replica_read_left(struct replica *replica, struct journal *left, struct error *err);
/* To the document, with what is known of a branch that begins with the first of them; what is early there is kept. Batches of
   the hash chain, with the ids that agents have here. True when the document got something. */
bool replica_add_batches(struct replica *replica, const struct batch_run *run, const struct agent_fork *fork);
bool replica_add_batch(struct replica *replica, const struct batch *batch);
/* One whose turn it is (app/replica_merge.h); what is early is not kept. */
enum document_added replica_add_now(struct replica *replica, const struct batch *batch);
/* What a batch takes of memory, about. */
uint64_t replica_bytes_of(const struct batch *batch);
/* Keeps a batch that the hash chain has and the document not yet. */
void replica_keep_early(struct replica *replica, const struct batch *batch);
/* What comes after that of an agent neither waits for the document nor is held; 0: nothing does. */
uint64_t replica_early_upto(const struct replica *replica, const struct agent_id *agent);
/* Offers what was early again until nothing moves any more, or for some ms where there is a loop, which goes on with it in its
   next turn; true when the document got something. */
bool replica_take_early(struct replica *replica);
/* So much waits for something that is on its way that no more is taken on. */
bool replica_early_is_full(const struct replica *replica);
void replica_forget_early(struct replica *replica);
/* A stored MEMBER record, checked against the genesis and added. */
MUST_USE bool replica_read_member(struct replica *replica, struct bytes stored, struct error *err);
/*
 * `take` is shown every batch of a LOCAL or PACKED row from next_seq on, as a session is handed it: of what is packed the digests
 * follow from the chain. False: they do not, so the chain lacks what came before; nothing was shown. From any thread.
 */
struct batch_taker {
    void *self;
    void (*take)(void *self, const struct local_batch *batch);
};
MUST_USE bool replica_row_batches(struct chain *chain, const struct journal_row *row, uint64_t next_seq,
                                  struct batch_taker taker);
/* chain_source's and document_source's: `self` is a struct row_source. */
bool replica_read_digests(void *self, struct chain *whole);
bool replica_read_history(void *self, struct document *whole, struct error *err);

#endif
