#include "sync/between.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

void between_release(struct between *between)
{
    free(between->items);
    *between = (struct between){0};
}

static void add_row(struct between *between, struct between_row row)
{
    struct between_row *last = between->count > 0 ? &between->items[between->count - 1] : NULL;
    if (last && last->id + last->len == row.id && last->in_from == row.in_from && last->in_to == row.in_to) {
        last->len += row.len;
        return;
    }
    between->items = xgrow(between->items, &between->cap, between->count + 1, sizeof *between->items);
    between->items[between->count++] = row;
}

/* What the tracker's prepare version has. */
static void collect_there(const struct tracker *tracker, struct between *out)
{
    struct span_place place = spans_start(&tracker->spans);
    for (const struct span *span; (span = spans_peek(&tracker->spans, &place)); spans_next(&place))
        if (span->state == SPAN_THERE)
            add_row(out, (struct between_row){.id = span->id, .len = span->len, .in_from = true});
}

/* The rows of version `from`, taken one after the other in the order in which they were collected. */
struct taking {
    const struct between *from;
    size_t at;
    uint64_t done; /* of the row */
};

/*
 * Units [id, id + *len) stand next in the order: whether `from` has them. *len is cut to as many as that is true of. The order of
 * units never changes, so the next one that it has is that of its rows, however spans were cut or joined since.
 */
static bool take(struct taking *taking, uint64_t id, uint64_t *len)
{
    if (taking->at == taking->from->count)
        return false;
    const struct between_row *row = &taking->from->items[taking->at];
    uint64_t next = row->id + taking->done, left = row->len - taking->done;
    if (next < id || next >= id + *len)
        return false;
    if (next > id) {
        *len = next - id;
        return false;
    }
    *len = *len < left ? *len : left;
    taking->done = *len < left ? taking->done + *len : 0;
    taking->at += *len == left;
    return true;
}

static void add_span(struct between *out, struct taking *taking, const struct span *span)
{
    bool in_to = span->state == SPAN_THERE;
    for (uint64_t done = 0, len; done < span->len; done += len) {
        len = span->len - done;
        bool in_from = take(taking, span->id + done, &len);
        if (in_from || in_to)
            add_row(out, (struct between_row){span->id + done, len, in_from, in_to});
    }
}

/* The tracker has both and stands at `from`. */
static void find_rows(struct walker *walker, const struct lv_list *to, struct between *out)
{
    struct between before = {0};
    struct taking taking = {.from = &before};
    out->count = 0;
    collect_there(out->tracker, &before);
    out->tracker = walker_stand_at(walker, to);
    struct span_place place = spans_start(&out->tracker->spans);
    for (const struct span *span; (span = spans_peek(&out->tracker->spans, &place)); spans_next(&place))
        add_span(out, &taking, span);
    ensure(taking.at == before.count);
    between_release(&before);
}

void between_find(struct walker *walker, const struct lv_list *from, const struct lv_list *to, struct between *out)
{
    out->tracker = walker_both(walker, from, to, &out->base);
    find_rows(walker, to, out);
}

void between_find_from(struct walker *walker, const struct lv_list *cut, uint64_t len, const struct lv_list *from,
                       const struct lv_list *to, struct between *out)
{
    out->base = LV_NONE;
    out->tracker = walker_both_from(walker, cut, len, from, to);
    find_rows(walker, to, out);
}
