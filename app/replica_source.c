/* What a checkpoint has left out: all rows of the journal once more, into a chain and a document of their own. */
#include "app/replica_parts.h"
#include "app/replica_row.h"
#include "app/replica_rows.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

/* Rows go into a chain alone, or with a document; what is early waits for the others. */
struct digesting {
    const struct doc_keys *keys;
    struct chain *chain;
    struct document *document; /* NULL: only the digests are asked for */
    struct early *early;
    size_t early_count, early_cap;
    size_t weave_at; /* when there are so many, they may need pieces of each other */
};

/* The way that leads to the digest that the row names; a RECEIVED one names none. */
static enum chain_link find_way(const struct digesting *digesting, const struct opened_row *opened, unsigned *way)
{
    size_t count = opened->run.count;
    bool names = opened->row->form != JOURNAL_RECEIVED;
    enum chain_link link = CHAIN_NO_WAY;
    for (*way = 0; *way < CHAIN_WAYS_MAX; ++*way) {
        link = chain_check_run(digesting->chain, &opened->run, *way, opened->digests);
        if (link == CHAIN_EARLY || link == CHAIN_NO_WAY || !names || digest_equal(&opened->digests[count - 1], &opened->row->digest))
            return link;
    }
    return link;
}

/* What the document refuses it has refused before; whether all is there that should be, it finds out itself. */
static void add_part(const struct digesting *digesting, const struct batch_run *part, const struct agent_fork *fork)
{
    struct error ignored = {0};
    if (fork)
        document_fork(digesting->document, fork);
    bool takes = true;
    struct batch_cursor cursor = batch_cursor_of(part);
    while (takes && batch_cursor_next(&cursor))
        takes = document_add(digesting->document, cursor.batch, &ignored) != DOCUMENT_REFUSED;
    batch_cursor_release(&cursor);
}

static void take_new(const struct digesting *digesting, struct batch_run *run, const struct chain_taken *taken)
{
    batch_run_drop(run, taken->known);
    add_part(digesting, run, taken->forked ? &taken->fork : NULL);
}

static enum chain_link digest_row(const struct digesting *digesting, const struct journal_row *row)
{
    struct opened_row opened = {0};
    struct chain_taken taken;
    struct error ignored = {0};
    enum chain_link link = CHAIN_NO_WAY;
    if (row_open(digesting->keys, row, &opened, &ignored)) {
        size_t count = opened.run.count;
        opened.digests = xmalloc((count + 1) * sizeof *opened.digests);
        unsigned way;
        link = find_way(digesting, &opened, &way);
        struct digest last = opened.digests[count - 1];
        bool takes = link == CHAIN_NEXT || link == CHAIN_FORKED;
        if (takes)
            link = chain_take_run(digesting->chain, &opened.run, way, &last, opened.digests, &taken);
        if (takes && digesting->document && (link == CHAIN_NEXT || link == CHAIN_FORKED))
            take_new(digesting, &opened.run, &taken);
    }
    row_release(&opened);
    return link;
}

/* Those whose turn has come; the others stay, in their order. Returns whether there were any. */
static bool digest_early(struct digesting *digesting)
{
    size_t kept = 0, before = digesting->early_count;
    for (size_t i = 0; i < before; i++) {
        if (digest_row(digesting, &digesting->early[i].row) == CHAIN_EARLY)
            digesting->early[kept++] = digesting->early[i];
        else
            buf_release(&digesting->early[i].body);
    }
    digesting->early_count = kept;
    return kept < before;
}

static bool is_its_end(void *self, size_t row, const struct opened_row *opened, const struct digest *last)
{
    (void)self;
    (void)row;
    return opened->row->form == JOURNAL_RECEIVED || digest_equal(last, &opened->row->digest);
}

static void take_part(void *self, const struct batch_run *part, const struct agent_fork *fork)
{
    const struct digesting *digesting = self;
    if (digesting->document)
        add_part(digesting, part, fork);
}

static bool weave_early(struct digesting *digesting)
{
    size_t kept = 0, count = digesting->early_count;
    const struct journal_row **rows = xcalloc(count, sizeof(struct journal_row *));
    bool *taken = xcalloc(count + 1, sizeof *taken);
    for (size_t i = 0; i < count; i++)
        rows[i] = &digesting->early[i].row;
    bool any = rows_weave(digesting->keys, digesting->chain, rows, count,
                          &(struct row_weaver){digesting, is_its_end, take_part}, taken);
    for (size_t i = 0; i < count; i++) {
        if (taken[i])
            buf_release(&digesting->early[i].body);
        else
            digesting->early[kept++] = digesting->early[i];
    }
    digesting->early_count = kept;
    free(rows);
    free(taken);
    return any;
}

static void take_early(struct digesting *digesting)
{
    enum { FEW = 64 };
    while (digesting->early_count > 0 && (digest_early(digesting) || weave_early(digesting)))
        ;
    digesting->weave_at = 2 * digesting->early_count + FEW; /* what did not go together is not tried for each row again */
}

static bool visit_digest(void *self, const struct journal_row *row)
{
    struct digesting *digesting = self;
    bool has_events = row->form != JOURNAL_RECEIVED || record_kind_has_events(row->kind);
    if (!has_events || digest_row(digesting, row) != CHAIN_EARLY)
        return true;
    digesting->early = xgrow(digesting->early, &digesting->early_cap, digesting->early_count + 1, sizeof *digesting->early);
    struct early *early = &digesting->early[digesting->early_count++];
    *early = (struct early){.row = *row};
    buf_add_bytes(&early->body, row->body);
    early->row.body = buf_view(&early->body);
    if (digesting->early_count >= digesting->weave_at)
        take_early(digesting);
    return true;
}

/* On any thread, so with a journal of its own. What is wrong with the rows shows in what comes out. */
static bool read_source(const struct row_source *source, struct chain *chain, struct document *document, struct error *err)
{
    struct journal_read read = {0};
    struct digesting digesting = {.keys = &source->keys, .chain = chain, .document = document};
    struct journal_spec spec = {.path = source->path, .mode = JOURNAL_READ, .doc = source->keys.doc};
    struct journal *journal = journal_open_on(&source->device, spec, err);
    bool good = journal && journal_rows(journal, 0, (struct journal_visitor){&digesting, visit_digest}, &read, err);
    if (good)
        take_early(&digesting);
    for (size_t i = 0; i < digesting.early_count; i++)
        buf_release(&digesting.early[i].body);
    free(digesting.early);
    journal_close(journal);
    return good;
}

bool replica_read_digests(void *self, struct chain *whole)
{
    struct error ignored = {0};
    return read_source(self, whole, NULL, &ignored);
}

bool replica_read_history(void *self, struct document *whole, struct error *err)
{
    const struct row_source *source = self;
    struct chain *chain = chain_new(&source->keys.doc);
    bool good = read_source(source, chain, whole, err);
    chain_free(chain);
    return good;
}
