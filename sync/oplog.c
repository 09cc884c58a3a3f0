#include "sync/oplog.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/least.h"
#include "editor/base/xalloc.h"

void oplog_release(struct oplog *log)
{
    free(log->runs);
    buf_release(&log->text);
    lv_ranges_release(&log->invalid);
    *log = (struct oplog){0};
}

/* --- adding --- */

static int64_t net_of(enum op_shape shape, uint64_t len)
{
    return (int64_t)((len & op_masks[shape].inserts) - (len & op_masks[shape].deletes));
}

static void add_run(struct oplog *log, enum op_shape shape, uint64_t pos)
{
    int64_t net_before = 0;
    if (log->count > 0) {
        const struct op_run *last = &log->runs[log->count - 1];
        net_before = last->net_before + net_of(last->shape, log->len - last->first);
    }
    log->runs = xgrow(log->runs, &log->cap, log->count + 1, sizeof *log->runs);
    ensure(pos >> OPLOG_POS_BITS == 0);
    log->typed_upto = 0;
    log->runs[log->count++] = (struct op_run){
        .first = log->len, .pos = pos, .shape = shape, .text_at = log->text.len, .net_before = net_before};
}

void oplog_reserve(struct oplog *log, size_t runs)
{
    if (log->count + runs <= log->cap)
        return;
    log->cap = log->count + runs;
    log->runs = xrealloc_array(log->runs, log->cap, sizeof *log->runs);
}

void oplog_add_run(struct oplog *log, enum op_shape shape, uint64_t pos, uint64_t len, size_t text_at)
{
    ensure(len > 0 && (len <= pos + 1 || shape != SHAPE_BACKSPACE));
    add_run(log, shape, pos);
    log->runs[log->count - 1].text_at = text_at;
    log->len += len;
}

static struct op_run *last_run(struct oplog *log, uint64_t *len)
{
    if (log->count == 0)
        return NULL;
    struct op_run *last = &log->runs[log->count - 1];
    *len = log->len - last->first;
    return last;
}

void oplog_add_insert(struct oplog *log, uint64_t pos, struct bytes text)
{
    uint64_t len;
    const struct op_run *last = last_run(log, &len);
    if (!last || last->shape != SHAPE_INSERT || last->pos + len != pos)
        add_run(log, SHAPE_INSERT, pos);
    buf_add_bytes(&log->text, text);
    log->len += text.len;
    log->typed_upto = pos + text.len + 1;
}

/* Whether a delete of one byte goes on with the run; a run of one byte has no direction until then. */
static bool joins_deletes(struct op_run *run, uint64_t len, uint64_t pos)
{
    if (run->shape == SHAPE_DELETE_EACH)
        return pos == run->pos;
    if (run->shape == SHAPE_BACKSPACE)
        return pos + len == run->pos;
    if (run->shape != SHAPE_DELETE || len != 1)
        return false;
    if (pos == run->pos)
        run->shape = SHAPE_DELETE_EACH;
    else if (pos + 1 == run->pos)
        run->shape = SHAPE_BACKSPACE;
    return run->shape != SHAPE_DELETE;
}

void oplog_add_delete(struct oplog *log, uint64_t pos, uint64_t len)
{
    uint64_t run_len;
    struct op_run *last = last_run(log, &run_len);
    if (!last || len != 1 || !joins_deletes(last, run_len, pos))
        add_run(log, SHAPE_DELETE, pos);
    log->len += len;
}

void oplog_add_nop(struct oplog *log)
{
    uint64_t len;
    const struct op_run *last = last_run(log, &len);
    if (!last || last->shape != SHAPE_NOP)
        add_run(log, SHAPE_NOP, 0);
    log->len++;
}

/* --- reading --- */

static size_t run_index(const struct oplog *log, uint64_t lv)
{
    size_t hint = log->count - 1;
    return column_find(log->runs, sizeof *log->runs, log->count, lv, &hint);
}

size_t oplog_runs(const struct oplog *log)
{
    return log->count;
}

struct op_piece oplog_run(const struct oplog *log, size_t index)
{
    ensure(index < log->count);
    return oplog_piece_near(log, &index, log->runs[index].first, log->len);
}

struct op_piece oplog_piece(const struct oplog *log, uint64_t lv, uint64_t end)
{
    size_t hint = log->count - 1;
    return oplog_piece_near(log, &hint, lv, end);
}

struct bytes oplog_text(const struct oplog *log, size_t text_at, uint64_t len)
{
    return bytes_slice(buf_view(&log->text), text_at, (size_t)len);
}

/* Of the runs that begin at or before the byte the last one is an insert: what inserts nothing has the place of the next one. */
uint64_t oplog_typed(const struct oplog *log, size_t text_at)
{
    size_t after;
    ensure(text_at < log->text.len);
    BISECT(after, log->count, log->runs[after].text_at <= text_at);
    const struct op_run *run = &log->runs[after - 1];
    ensure(run->shape == SHAPE_INSERT);
    return run->first + (text_at - run->text_at);
}

/* How many invalid ranges begin at or before lv. */
static size_t invalid_upto(const struct oplog *log, uint64_t lv)
{
    size_t at;
    BISECT(at, log->invalid.count, log->invalid.items[at].first <= lv);
    return at;
}

bool oplog_is_void(const struct oplog *log, uint64_t lv)
{
    size_t upto = invalid_upto(log, lv);
    return upto > 0 && lv < log->invalid.items[upto - 1].end;
}

uint64_t oplog_void_events(const struct oplog *log)
{
    uint64_t count = 0;
    for (size_t i = 0; i < log->invalid.count; i++)
        count += log->invalid.items[i].end - log->invalid.items[i].first;
    return count;
}

/* What is noted twice, or side by side, becomes one range, so that a later replay with other cuts finds it covered. */
void oplog_note_invalid(struct oplog *log, uint64_t first, uint64_t end)
{
    struct lv_ranges *ranges = &log->invalid;
    size_t low = invalid_upto(log, first), high = low;
    if (low > 0 && end <= ranges->items[low - 1].end)
        return;
    if (low > 0 && ranges->items[low - 1].end >= first)
        first = ranges->items[--low].first;
    for (; high < ranges->count && ranges->items[high].first <= end; high++)
        end = end > ranges->items[high].end ? end : ranges->items[high].end;
    if (low == high)
        lv_ranges_add(ranges, first, end);
    else
        ranges->count -= high - low - 1;
    size_t moved = ranges->count - low - 1;
    if (low == high)
        memmove(ranges->items + low + 1, ranges->items + low, moved * sizeof *ranges->items);
    else
        memmove(ranges->items + low + 1, ranges->items + high, moved * sizeof *ranges->items);
    ranges->items[low] = (struct lv_range){first, end};
}

void oplog_note_piece(struct oplog *log, const struct op_piece *op)
{
    if (op->shape != SHAPE_DELETE)
        oplog_note_invalid(log, op->lv, op->lv + op->len);
    else if (op->lv == op->op_first)
        oplog_note_invalid(log, op->lv, op->lv + op->op_len);
}

static int64_t nominal_before(const struct oplog *log, uint64_t lv)
{
    if (log->count == 0)
        return 0;
    const struct op_run *run = &log->runs[run_index(log, lv)];
    return run->net_before + net_of(run->shape, lv - run->first);
}

int64_t oplog_net(const struct oplog *log, uint64_t first, uint64_t end)
{
    int64_t net = nominal_before(log, end) - nominal_before(log, first);
    size_t at = invalid_upto(log, first);
    for (at -= at > 0; at < log->invalid.count && log->invalid.items[at].first < end; at++) {
        struct lv_range range = log->invalid.items[at];
        uint64_t from = range.first > first ? range.first : first, upto = least(range.end, end);
        if (from < upto)
            net -= nominal_before(log, upto) - nominal_before(log, from);
    }
    return net;
}

size_t oplog_ops(const struct oplog *log, uint64_t first, uint64_t end)
{
    return first < end ? run_index(log, end - 1) - run_index(log, first) + 1 : 0;
}

uint64_t oplog_void(const struct oplog *log, uint64_t first, uint64_t end)
{
    uint64_t count = 0;
    size_t at = invalid_upto(log, first);
    for (at -= at > 0; at < log->invalid.count && log->invalid.items[at].first < end; at++) {
        struct lv_range range = log->invalid.items[at];
        uint64_t from = range.first > first ? range.first : first, upto = least(range.end, end);
        count += from < upto ? upto - from : 0;
    }
    return count;
}

void oplog_check(const struct oplog *log)
{
    int64_t net = 0;
    size_t text_at = 0;
    for (size_t i = 0; i < log->count; i++) {
        const struct op_run *run = &log->runs[i];
        uint64_t end = i + 1 < log->count ? run[1].first : log->len;
        ensure(run->first < end && run->net_before == net);
        ensure(run->text_at == text_at);
        ensure(run->shape != SHAPE_BACKSPACE || end - run->first <= run->pos + 1);
        net += net_of(run->shape, end - run->first);
        if (run->shape == SHAPE_INSERT)
            text_at += (size_t)(end - run->first);
    }
    ensure(text_at == log->text.len);
    if (log->typed_upto > 0) {
        const struct op_run *last = &log->runs[log->count - 1];
        ensure(last->shape == SHAPE_INSERT && log->typed_upto == 1 + last->pos + (log->len - last->first));
    }
    for (size_t i = 1; i < log->invalid.count; i++)
        ensure(log->invalid.items[i - 1].end <= log->invalid.items[i].first);
}
