/*
 * replica_tidy - what keeps a journal quick to open and small, for the files that make up a replica: checkpoints, and rows put
 * together.
 */
#ifndef WEFT_APP_REPLICA_TIDY_H
#define WEFT_APP_REPLICA_TIDY_H

#include <stdint.h>

#include "editor/base/bytes.h"
#include "editor/base/error.h"

struct journal_checkpoint;
struct replica;
struct row_source;

/* replica_checkpoint.c */
/* Loads the newest checkpoint into document, chain, buffer and members; *found == false: there is none that opens. */
MUST_USE bool replica_load_checkpoint(struct replica *replica, bool *found, struct error *err);
/* Gives the writer a checkpoint of all rows so far, when enough of them have come since the last one; before it ends. */
void replica_checkpoint(struct replica *replica);
/* So many operations are in no checkpoint that opening the document is slow, however few rows they lie in. */
bool replica_has_many_ops(const struct replica *replica);
/* All rows that it has read are in the document: a checkpoint may stand for them. */
bool replica_has_all_rows(const struct replica *replica);
void replica_source_release(struct row_source *source);
/* The rows in the journal become what chain and document ask when they need what was left out. */
void replica_set_source(struct replica *replica);

/* replica_tidy.c */
/* While nobody types: a checkpoint, rows it covers put together, room given back. */
void replica_tidy_handle(struct replica *replica, uint64_t now_ms);
uint64_t replica_tidy_next_ms(const struct replica *replica);
/* Before the writer ends: what is left to do is bounded from here on, for a person waits. */
void replica_tidy_end(struct replica *replica);
/* The same with a last checkpoint, and what follows from it. */
void replica_tidy_last(struct replica *replica);
void replica_tidy_release(struct replica *replica); /* the writer has ended */
/* The document as a replica that was restored from its journal has it, in bytes for a checkpoint. */
struct encoded_checkpoint {
    struct buf front;   /* what is read to show it */
    struct buf history; /* what is behind that, where it is long */
};
void encoded_checkpoint_release(struct encoded_checkpoint *encoded);
/* False: it is not to be trusted. */
MUST_USE bool replica_encode_checkpoint(struct replica *replica, struct encoded_checkpoint *out);
/* Appends the document in it, as document_save() gave it. */
void replica_saved_document(const struct encoded_checkpoint *encoded, struct buf *out);
/*
 * Into the journal, as of the rows up to `place`; what is in front is taken. `written` (may be NULL): which one it has become, on
 * the journal's thread; not found: it was not written.
 */
void replica_put_checkpoint(struct replica *replica, uint64_t place, struct encoded_checkpoint *encoded,
                            struct journal_checkpoint *written);

#endif
