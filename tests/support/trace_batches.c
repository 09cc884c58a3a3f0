#include "tests/support/trace_batches.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"
#include "editor/rope.h"
#include "sync/document.h"

enum { BYTES_MAX = BATCH_BYTES_MAX - 4096, OP_BYTES = 20 };

struct maker {
    struct trace_batches *batches;
    struct trace *trace;
    uint64_t *seqs; /* of each agent: the next */
    size_t bytes;   /* about how big the present batch is */
};

struct agent_id trace_agent(size_t agent)
{
    struct agent_id id = {{0}};
    for (int i = 0; i < 8; i++) /* the most significant first: bytes in the order of numbers */
        id.bytes[i] = (unsigned char)((uint64_t)agent >> (56 - 8 * i));
    return id;
}

static struct batch *present(struct maker *maker)
{
    return &maker->batches->list.items[maker->batches->list.count - 1];
}

static struct batch *begin(struct maker *maker, size_t agent)
{
    struct batch *batch = batch_list_add(&maker->batches->list);
    batch->agent = trace_agent(agent);
    batch->seq0 = maker->seqs[agent];
    maker->bytes = 0;
    return batch;
}

static void finish(struct maker *maker, size_t agent)
{
    batch_end(present(maker));
    maker->seqs[agent] += present(maker)->count;
}

static void make_room(struct maker *maker, size_t agent, size_t bytes)
{
    if (maker->bytes + bytes > BYTES_MAX || present(maker)->op_count + 1 >= BATCH_OPS_MAX) {
        finish(maker, agent);
        begin(maker, agent)->flags |= BATCH_FLAG_SELF;
    }
    maker->bytes += bytes;
}

static void add_patch(struct maker *maker, size_t agent, const struct trace_patch *patch)
{
    if (patch->deleted > 0) {
        make_room(maker, agent, OP_BYTES);
        batch_add_delete(present(maker), patch->pos, patch->deleted);
    }
    struct bytes text = patch->text;
    for (uint64_t pos = patch->pos; text.len > 0;) {
        size_t len = text.len < BYTES_MAX / 2 ? text.len : BYTES_MAX / 2;
        make_room(maker, agent, OP_BYTES + len);
        batch_add_insert(present(maker), pos, bytes_slice(text, 0, len));
        text = bytes_slice(text, len, text.len - len);
        pos += len;
    }
}

static void add_txn(struct maker *maker, size_t index)
{
    const struct trace_txn *txn = &maker->trace->txns[index];
    struct trace_batches *batches = maker->batches;
    batches->first[index] = batches->list.count;
    struct batch *batch = begin(maker, txn->agent);
    for (size_t p = 0; p < txn->parent_count; p++)
        batch_add_parent(batch, batches->last[txn->parents[p]]);
    for (size_t p = 0; p < txn->patch_count; p++)
        add_patch(maker, txn->agent, &txn->patches[p]);
    if (present(maker)->op_count == 0)
        batch_add_nop(present(maker));
    finish(maker, txn->agent);
    batches->last[index] = (struct event_id){trace_agent(txn->agent), maker->seqs[txn->agent] - 1};
}

/* --- code points to bytes --- */

/* An author as he was then: what he had seen, and the text he saw. Made when he first writes. */
struct author {
    struct document *document;
    struct rope *text;
    bool *seen; /* transactions */
};

static void author_begin(struct author *author, size_t count)
{
    struct rope *base = rope_new();
    author->document = document_new(base);
    author->seen = xcalloc(count, sizeof *author->seen);
    author->text = base;
}

static void author_end(struct author *author)
{
    document_free(author->document);
    rope_free(author->text);
    free(author->seen);
}

static void see(const struct maker *maker, struct author *author, size_t txn, size_t end)
{
    const struct trace_batches *batches = maker->batches;
    struct error err = {0};
    for (size_t i = batches->first[txn]; i < end; i++)
        ensure(document_add(author->document, &batches->list.items[i], &err) == DOCUMENT_ADDED);
    author->seen[txn] = true;
}

static int compare_sizes(const void *a, const void *b)
{
    size_t left = *(const size_t *)a, right = *(const size_t *)b;
    return (left > right) - (left < right);
}

/* Everything that a transaction builds on and its author has not seen, parents first. */
static void see_ancestors(const struct maker *maker, struct author *author, const struct trace_txn *txn)
{
    size_t *missing = NULL, count = 0, cap = 0;
    for (size_t next = 0; txn; txn = next < count ? &maker->trace->txns[missing[next++]] : NULL) {
        for (size_t p = 0; p < txn->parent_count; p++) {
            if (author->seen[txn->parents[p]])
                continue;
            author->seen[txn->parents[p]] = true;
            missing = xgrow(missing, &cap, count + 1, sizeof *missing);
            missing[count++] = txn->parents[p];
        }
    }
    if (count > 1)
        qsort(missing, count, sizeof *missing, compare_sizes);
    for (size_t i = 0; i < count; i++)
        see(maker, author, missing[i], maker->batches->first[missing[i] + 1]);
    free(missing);
}

static void author_update(struct author *author)
{
    struct patch patch = {0};
    document_update(author->document, &patch);
    rope_apply(author->text, &patch);
    patch_release(&patch);
}

static void convert_places(const struct author *author, const struct trace_txn *txn)
{
    struct rope *text = rope_snapshot(author->text);
    for (size_t i = 0; i < txn->patch_count; i++) {
        struct trace_patch *patch = &txn->patches[i];
        uint64_t start = rope_codepoint_start(text, patch->pos);
        patch->deleted = rope_codepoint_start(text, patch->pos + patch->deleted) - start;
        patch->pos = start;
        rope_delete(text, start, patch->deleted);
        rope_insert(text, start, patch->text);
    }
    rope_free(text);
}

static void play_txn(struct maker *maker, struct author *authors, size_t index)
{
    const struct trace_txn *txn = &maker->trace->txns[index];
    struct author *author = &authors[txn->agent];
    if (!author->document)
        author_begin(author, maker->trace->count);
    see_ancestors(maker, author, txn);
    author_update(author);
    convert_places(author, txn);
    add_txn(maker, index);
    see(maker, author, index, maker->batches->list.count);
    author_update(author);
}

/* A transaction's batches end where the next one's begin, so each is told where that is as soon as it is made. */
static void play(struct maker *maker)
{
    struct trace *trace = maker->trace;
    struct author *authors = xcalloc(trace->agents, sizeof *authors);
    for (size_t i = 0; i < trace->count; i++) {
        ensure(trace->txns[i].agent < trace->agents);
        play_txn(maker, authors, i);
        maker->batches->first[i + 1] = maker->batches->list.count;
    }
    for (size_t i = 0; i < trace->agents; i++)
        author_end(&authors[i]);
    free(authors);
    trace->in_codepoints = false;
}

void trace_batches_make(struct trace_batches *batches, struct trace *trace)
{
    struct maker maker = {batches, trace, xcalloc(trace->agents + 1, sizeof(uint64_t)), 0};
    *batches = (struct trace_batches){0};
    batches->first = xcalloc(trace->count + 1, sizeof *batches->first);
    batches->last = xcalloc(trace->count, sizeof *batches->last);
    if (trace->in_codepoints)
        play(&maker);
    else
        for (size_t i = 0; i < trace->count; i++)
            add_txn(&maker, i);
    batches->first[trace->count] = batches->list.count;
    free(maker.seqs);
}

void trace_batches_release(struct trace_batches *batches)
{
    batch_list_release(&batches->list);
    free(batches->first);
    free(batches->last);
    *batches = (struct trace_batches){0};
}
