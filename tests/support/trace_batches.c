#include "tests/support/trace_batches.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

enum { BYTES_MAX = BATCH_BYTES_MAX - 4096, OP_BYTES = 20 };

struct maker {
    struct trace_batches *batches;
    const struct trace *trace;
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

void trace_batches_make(struct trace_batches *batches, const struct trace *trace)
{
    struct maker maker = {batches, trace, xcalloc(trace->agents + 1, sizeof(uint64_t)), 0};
    *batches = (struct trace_batches){0};
    batches->first = xcalloc(trace->count + 1, sizeof *batches->first);
    batches->last = xcalloc(trace->count, sizeof *batches->last);
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
