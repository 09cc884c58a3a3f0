#include "tests/support/history.h"

void history_init(struct history *history, struct bytes base)
{
    *history = (struct history){.graph = graph_new()};
    history->walker = walker_new(history->graph, &history->log, &history->critical, base.len);
    buf_add_bytes(&history->text, base);
}

void history_release(struct history *history)
{
    walker_free(history->walker);
    critical_release(&history->critical);
    oplog_release(&history->log);
    graph_free(history->graph);
    buf_release(&history->text);
}

uint64_t history_op_len(const struct history_op *op)
{
    return op->kind == OP_INSERT ? op->text.len : op->kind == OP_DELETE ? op->len : 1;
}

static void add_op(struct oplog *log, const struct history_op *op)
{
    switch (op->kind) {
    case OP_INSERT:
        oplog_add_insert(log, op->pos, op->text);
        break;
    case OP_DELETE:
        oplog_add_delete(log, op->pos, op->len);
        break;
    case OP_NOP:
        oplog_add_nop(log);
        break;
    }
}

uint64_t history_add(struct history *history, const struct agent_id *agent, uint64_t seq, const uint64_t *parents,
                     size_t parent_count, const struct history_op *ops, size_t op_count)
{
    uint64_t len = 0;
    for (size_t i = 0; i < op_count; i++) {
        add_op(&history->log, &ops[i]);
        len += history_op_len(&ops[i]);
    }
    size_t number = graph_agent(history->graph, agent);
    uint64_t first = graph_add(history->graph, number, seq, len, parents, parent_count);
    critical_add(&history->critical, history->graph, first, first + len - 1, parents, parent_count);
    return first + len;
}

/* Checking takes as long as the history is: a long one is checked now and then. */
enum { SHORT = 1000, NOW_AND_THEN = 64 };

void history_update(struct history *history)
{
    struct patch patch = {0};
    struct buf text = {0};
    uint64_t most = walker_cost(history->walker, history->merged, UINT64_MAX), before = walker_work(history->walker);
    if (!walker_update_seen(history->walker, history->merged, history->text.len, &patch))
        walker_update(history->walker, history->merged, &patch);
    ensure(walker_work(history->walker) - before <= most); /* [23] */
    patch_apply(&patch, buf_view(&history->text), &text);
    buf_release(&history->text);
    history->text = text;
    history->merged = graph_len(history->graph);
    patch_release(&patch);
    if (history->merged <= SHORT || history->updates++ % NOW_AND_THEN == 0)
        history_check(history);
}

void history_check(struct history *history)
{
    graph_check(history->graph);
    oplog_check(&history->log);
    ensure(history->log.len == graph_len(history->graph));
    walker_check(history->walker);
}

void history_text_at(struct history *history, const struct lv_list *version, struct bytes base, struct buf *out)
{
    struct patch patch = {0};
    walker_to(history->walker, version, &patch);
    patch_apply(&patch, base, out);
    patch_release(&patch);
}
