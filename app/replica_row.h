/*
 * replica_row - one row of a journal opened, and several that need pieces of each other (sync/weave.h): for the files that read
 * them.
 */
#ifndef WEFT_APP_REPLICA_ROW_H
#define WEFT_APP_REPLICA_ROW_H

#include "sync/chain.h"
#include "sync/journal.h"

/* A row's batches. row_release(). */
struct opened_row {
    const struct journal_row *row;
    struct record record; /* of a RECEIVED row */
    struct buf plain;
    struct batch_run run;
    struct digest *digests;
};
MUST_USE bool row_open(const struct doc_keys *keys, const struct journal_row *row, struct opened_row *opened, struct error *err);
void row_release(struct opened_row *opened);

struct row_weaver {
    void *self;
    /* Whether that is the digest which the row has to end in. */
    bool (*accepts)(void *self, size_t row, const struct opened_row *opened, const struct digest *last);
    /* Batches that are in the chain now, with the names that agents have here; the first may begin a branch (else NULL). */
    void (*take)(void *self, const struct batch_run *part, const struct agent_fork *fork);
};
/* Rows that none of them can be taken before the others. taken[i] is set for each that was; false: none was. */
bool rows_weave(const struct doc_keys *keys, struct chain *chain, const struct journal_row *const *rows, size_t count,
                const struct row_weaver *weaver, bool *taken);

#endif
