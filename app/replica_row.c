#include "app/replica_row.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/weave.h"

bool row_open(const struct doc_keys *keys, const struct journal_row *row, struct opened_row *opened, struct error *err)
{
    opened->row = row;
    if (row->form == JOURNAL_RECEIVED)
        return record_decode(row->body, &opened->record, err) &&
               record_open_events(&opened->record, keys, &opened->plain, &opened->run, err);
    if (row->form == JOURNAL_PACKED)
        return batch_run_read(row->body, &row->agent, row->seq0, row->count, &opened->run, err);
    return batch_run_read_one(row->body, &row->agent, row->seq0, &opened->run, err);
}

void row_release(struct opened_row *opened)
{
    batch_run_release(&opened->run);
    buf_release(&opened->plain);
    free(opened->digests);
}

/* Those that open, as runs. */
struct opened_rows {
    struct opened_row *items;
    struct weave_run *runs;
    size_t *row; /* which one each of them is */
    size_t count;
    const struct row_weaver *weaver;
};

static bool accepts(void *self, size_t run, const struct digest *last)
{
    struct opened_rows *opened = self;
    const struct row_weaver *weaver = opened->weaver;
    return weaver->accepts(weaver->self, opened->row[run], &opened->items[run], last);
}

static void take_piece(const struct row_weaver *weaver, struct chain *chain, const struct weave_piece *piece)
{
    struct batch_run part = piece->part;
    struct chain_taken taken;
    struct digest *digests = xcalloc(part.count, sizeof *digests);
    enum chain_link link = chain_take_run(chain, &part, 0, &piece->last, digests, &taken);
    if (link == CHAIN_NEXT || link == CHAIN_FORKED || link == CHAIN_KNOWN)
        weaver->take(weaver->self, &part, taken.forked ? &taken.fork : NULL);
    batch_run_release(&part);
    free(digests);
}

bool rows_weave(const struct doc_keys *keys, struct chain *chain, const struct journal_row *const *rows, size_t count,
                const struct row_weaver *weaver, bool *taken)
{
    struct error ignored = {0}; /* it was said when the row was read */
    struct weave weave = {0};
    count = count < WEAVE_RUNS_MAX ? count : WEAVE_RUNS_MAX;
    struct opened_rows opened = {.items = xcalloc(count, sizeof *opened.items), .runs = xcalloc(count, sizeof *opened.runs),
                                 .row = xcalloc(count, sizeof *opened.row), .weaver = weaver};
    for (size_t i = 0; i < count; i++) {
        struct opened_row *item = &opened.items[opened.count];
        *item = (struct opened_row){0};
        if (row_open(keys, rows[i], item, &ignored)) {
            opened.runs[opened.count] = (struct weave_run){item->run, rows[i]->seq0 + rows[i]->count};
            opened.row[opened.count++] = i;
        } else {
            row_release(item);
        }
    }
    bool any = weave_runs(&weave, chain, &keys->doc, opened.runs, opened.count, (struct weave_judge){&opened, accepts});
    for (size_t i = 0; any && i < opened.count; i++)
        taken[opened.row[i]] = weave.taken[i];
    for (size_t i = 0; any && i < weave.piece_count; i++)
        take_piece(weaver, chain, &weave.pieces[i]);
    weave_release(&weave);
    for (size_t i = 0; i < opened.count; i++)
        row_release(&opened.items[i]);
    free(opened.items);
    free(opened.runs);
    free(opened.row);
    return any;
}
