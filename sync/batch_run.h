/*
 * batch_run - consecutive batches of one agent as they stand in a record or a row: read once, so that they are known to be
 * sound, then gone over batch by batch, as often as it takes. Many small batches are many times as long decoded as in
 * bytes, so no more than one of them is decoded at a time.
 *
 *   batch_run_read(plain)  ->  run  ->  batch_cursor_of(run), batch_cursor_next() ...  ->  cursor.batch, cursor.plain
 *
 *   Ownership  a run is a view of its plaintext, which must outlive it, and owns `local`: batch_run_release().
 *              Zero-initialised it is empty. A cursor owns the batch it stands at: batch_cursor_release().
 *   Errors     only reading fails; a run that was read is sound, and going over it cannot fail.
 *   Bounds     BATCH_RUN_MAX batches. Reading and going over it need what the largest batch needs (sync/batch.h): at most 8 x
 *              the plaintext, and BATCH_DECODE_BYTES besides.
 */
#ifndef WEFT_SYNC_BATCH_RUN_H
#define WEFT_SYNC_BATCH_RUN_H

#include "editor/base/varint.h"
#include "sync/batch.h"

enum { BATCH_RUN_MAX = 4096 };

struct batch_run {
    struct bytes plain; /* canonical forms, each sized */
    bool bare;          /* there is one, and it is not sized */
    struct agent_id agent;
    uint64_t seq0;
    size_t count;              /* batches */
    const struct batch *given; /* NULL, or the only one, decoded already */
    /* NULL, or what agents are called here (sync/chain.h): of each batch its own, those of its parents, then of its spans. */
    struct agent_id *local;
    size_t local_at; /* where those of the first batch begin */
};

/*
 * The whole of `plain` is batches of `agent` that fill the events [seq0, seq0 + events), at least one. *run is overwritten;
 * on failure it is empty.
 */
MUST_USE bool batch_run_read(struct bytes plain, const struct agent_id *agent, uint64_t seq0, uint64_t events,
                             struct batch_run *run, struct error *err);
/* The same of one batch, which is not sized: a row of the journal. */
MUST_USE bool batch_run_read_one(struct bytes plain, const struct agent_id *agent, uint64_t seq0, struct batch_run *run,
                                 struct error *err);
/* Of one that is decoded already, and its canonical form. Both must outlive the run. */
struct batch_run batch_run_of(const struct batch *batch, struct bytes plain);
void batch_run_release(struct batch_run *run);
/* The first `count` go. */
void batch_run_drop(struct batch_run *run, size_t count);

struct batch_cursor {
    const struct batch_run *run;
    struct reader reader;
    uint64_t seq;    /* where the next one begins */
    size_t left;     /* how many there are after this one */
    size_t local_at; /* where the names of this one begin, and of */
    size_t local_end; /* the next one */
    struct batch memory;
    const struct batch *batch; /* the one it stands at, with its names here, */
    struct bytes plain;        /* and its canonical form */
};

struct batch_cursor batch_cursor_of(const struct batch_run *run); /* in front of the first */
bool batch_cursor_next(struct batch_cursor *cursor);
void batch_cursor_release(struct batch_cursor *cursor);

#endif
