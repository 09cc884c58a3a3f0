#include "sync/apart.h"

#include "editor/base/least.h"

enum { ANA, BEN };

enum { OPS_MIN = 16 }; /* with fewer a tracker costs little, and it is kept for what comes next */

void apart_release(struct apart *apart)
{
    for (size_t side = 0; side < APART_SIDES; side++) {
        lv_ranges_release(&apart->events[side]);
        branch_text_release(&apart->text[side]);
    }
}

/* --- which events --- */

/* The only parent of an event; *one is false when it has several. */
static uint64_t parent_of(const struct graph_run *run, uint64_t lv, bool *one)
{
    *one = lv > run->first || run->parent_count <= 1;
    if (lv > run->first)
        return lv - 1;
    return run->parent_count == 0 ? LV_NONE : run->parents[0];
}

bool apart_find(struct apart *apart, const struct graph *graph, const struct oplog *log, uint64_t start, uint64_t len)
{
    uint64_t tips[APART_SIDES] = {start, start}, first = start == LV_NONE ? 0 : start + 1, end = graph_len(graph);
    apart->events[ANA].count = apart->events[BEN].count = 0;
    if (end - first < OPS_MIN || oplog_ops(log, first, end) < OPS_MIN)
        return false;
    if (len >= BRANCH_TEXT_MAX || log->text.len >= BRANCH_TEXT_MAX)
        return false;
    for (uint64_t lv = first; lv < end;) {
        bool one;
        struct graph_run run = graph_run_of(graph, lv);
        uint64_t parent = parent_of(&run, lv, &one);
        size_t side = parent == tips[ANA] ? ANA : BEN;
        if (!one || parent != tips[side])
            return false;
        lv_ranges_add(&apart->events[side], lv, run.end);
        tips[side] = run.end - 1;
        lv = run.end;
    }
    return apart->events[ANA].count > 0 && apart->events[BEN].count > 0;
}

/* --- each by itself --- */

static void apply(struct branch_text *text, const struct op_piece *op, bool old)
{
    switch (op->shape) {
    case SHAPE_INSERT:
        branch_text_insert(text, op->pos, op->text_at, op->len, old);
        break;
    case SHAPE_DELETE:
    case SHAPE_DELETE_EACH:
        branch_text_delete(text, op->pos, op->len, old);
        break;
    case SHAPE_BACKSPACE:
        branch_text_delete(text, op->pos - (op->len - 1), op->len, old);
        break;
    case SHAPE_NOP:
        break;
    }
}

static void replay(struct branch_text *text, const struct lv_ranges *events, struct oplog *log, uint64_t merged)
{
    size_t hint = 0;
    for (size_t i = 0; i < events->count; i++) {
        for (uint64_t lv = events->items[i].first, end = events->items[i].end; lv < end;) {
            bool valid, old = lv < merged;
            struct op_piece op = oplog_next(log, &hint, lv, old ? least(end, merged) : end, branch_text_len(text), &valid);
            if (valid)
                apply(text, &op, old);
            lv += op.len;
        }
    }
}

/* --- side by side --- */

struct merge {
    const struct graph *graph;
    const struct oplog *log;
    struct patch *out;
};

static bool is_typed(const struct branch_cursor *cursor)
{
    return cursor->piece.len > 0 && cursor->piece.from < BRANCH_BASE;
}

static void put_out(const struct merge *merge, uint32_t in, const struct branch_piece *piece, uint32_t len)
{
    if (in == (IN_OLD | IN_NEW))
        patch_retain(merge->out, len);
    else if (in == IN_OLD)
        patch_delete(merge->out, len);
    else if (in == IN_NEW)
        patch_insert(merge->out, oplog_text(merge->log, (size_t)piece->from, len));
}

/* Up to the next byte of the base. */
static void put_gap(const struct merge *merge, struct branch_cursor *cursor)
{
    for (; is_typed(cursor); branch_cursor_skip(cursor, cursor->piece.len))
        put_out(merge, cursor->piece.in, &cursor->piece, cursor->piece.len);
}

/* The event that typed into a gap first. */
static uint64_t first_in_gap(const struct merge *merge, struct branch_cursor cursor)
{
    uint64_t first = cursor.piece.from;
    for (; is_typed(&cursor); branch_cursor_skip(&cursor, cursor.piece.len))
        first = least(first, cursor.piece.from);
    return oplog_typed(merge->log, (size_t)first);
}

static void go_through(const struct merge *merge, struct branch_cursor *ana, struct branch_cursor *ben)
{
    while (ana->piece.len > 0 || ben->piece.len > 0) {
        if (is_typed(ana) && is_typed(ben) &&
            graph_compare(merge->graph, first_in_gap(merge, *ben), first_in_gap(merge, *ana)) < 0)
            put_gap(merge, ben);
        put_gap(merge, ana);
        put_gap(merge, ben);
        uint32_t len = (uint32_t)least(ana->piece.len, ben->piece.len);
        ensure(ana->piece.from == ben->piece.from);
        put_out(merge, ana->piece.in & ben->piece.in, &ana->piece, len);
        if (len > 0) {
            branch_cursor_skip(ana, len);
            branch_cursor_skip(ben, len);
        }
    }
}

uint64_t apart_merge(struct apart *apart, const struct graph *graph, struct oplog *log, uint64_t len, uint64_t merged,
                     struct patch *out)
{
    uint64_t steps = 0;
    for (size_t side = 0; side < APART_SIDES; side++) {
        branch_text_begin(&apart->text[side], len);
        replay(&apart->text[side], &apart->events[side], log, merged);
        steps += apart->text[side].edits;
    }
    patch_clear(out);
    struct branch_cursor ana = branch_cursor_of(&apart->text[ANA]), ben = branch_cursor_of(&apart->text[BEN]);
    go_through(&(struct merge){graph, log, out}, &ana, &ben);
    return steps;
}
