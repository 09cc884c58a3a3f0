#include "sync/tracker_list.h"

#include <stdlib.h>

#include "editor/base/least.h"
#include "editor/base/xalloc.h"

#ifdef WEFT_SMALL_NODES
enum { TRACKER_LIST_SPANS_MAX = 12 };
#else
enum { TRACKER_LIST_SPANS_MAX = 256 }; /* from then on trees find a place sooner */
#endif

#define NOWHERE UINT32_MAX /* no knot: the end of the list, or an event that did nothing */

/* A span's place in the list, with what is asked of every span on the way. */
struct tracker_knot {
    uint32_t next;
    uint32_t prepared, shown; /* units that are */
};

/* What an event did. */
struct tracker_done {
    uint64_t unit; /* that it inserted (its own LV) or deleted */
    uint32_t knot; /* where that was; when the span was cut since, it may be in a piece further on */
};

/* Before unit `offset` of a knot's span. */
struct spot {
    uint32_t knot;
    uint64_t offset;
    uint64_t shown; /* before the knot */
};

void tracker_list_release(struct tracker_list *list)
{
    free(list->knots);
    free(list->spans);
    free(list->done);
    *list = (struct tracker_list){0};
}

/* --- knots --- */

static uint32_t prepared_of(const struct span *span)
{
    return span->state == SPAN_THERE ? span->len : 0;
}

static uint32_t shown_of(const struct span *span)
{
    return span->gone ? 0 : span->len;
}

/* After a span was changed. */
static void note_span(struct tracker_list *list, uint32_t knot)
{
    list->knots[knot].prepared = prepared_of(&list->spans[knot]);
    list->knots[knot].shown = shown_of(&list->spans[knot]);
}

/* A new knot behind another one. */
static uint32_t add_knot(struct tracker_list *list, uint32_t before, const struct span *span)
{
    uint32_t knot = list->count++;
    list->knots = xgrow(list->knots, &list->knot_cap, list->count, sizeof *list->knots);
    list->spans = xgrow(list->spans, &list->span_cap, list->count, sizeof *list->spans);
    list->spans[knot] = *span;
    list->knots[knot].next = list->knots[before].next;
    list->knots[before].next = knot;
    note_span(list, knot);
    return knot;
}

static void note_events(struct tracker_list *list, uint64_t lv, uint64_t len, uint32_t knot)
{
    for (uint64_t i = 0; i < len; i++)
        list->done[lv - list->first + i] = (struct tracker_done){lv + i, knot};
}

/* Makes a span end before its unit `offset`; the rest becomes a knot of its own behind it, and the events that inserted it say so. */
static uint32_t cut(struct tracker_list *list, uint32_t knot, uint64_t offset)
{
    struct span tail = list->spans[knot];
    tail.id += offset;
    tail.left = tail.id - 1;
    tail.len -= (uint32_t)offset;
    list->spans[knot].len = (uint32_t)offset;
    note_span(list, knot);
    uint32_t behind = add_knot(list, knot, &tail);
    for (uint64_t i = 0; tail.id < TRACKER_BASE && i < tail.len; i++)
        list->done[tail.id - list->first + i].knot = behind;
    return behind;
}

/* Makes units [offset, offset + len) of a span a span of their own. */
static uint32_t isolate(struct tracker_list *list, uint32_t knot, uint64_t offset, uint64_t len)
{
    ensure(len > 0 && offset + len <= list->spans[knot].len);
    if (offset + len < list->spans[knot].len)
        (void)cut(list, knot, offset + len);
    return offset > 0 ? cut(list, knot, offset) : knot;
}

static void set_span(struct tracker_list *list, uint32_t knot, uint32_t state, bool gone)
{
    struct tracker_knot before = list->knots[knot];
    ensure(state >> SPAN_STATE_BITS == 0);
    list->spans[knot].state = state;
    list->spans[knot].gone = gone;
    note_span(list, knot);
    list->prepared = list->prepared - before.prepared + list->knots[knot].prepared;
    list->shown = list->shown - before.shown + list->knots[knot].shown;
    list->steps++;
}

bool tracker_list_begin(struct tracker_list *list, uint64_t first, uint64_t end, uint64_t len)
{
    if (end - first > TRACKER_LIST_EVENTS_MAX || len > SPAN_LEN_MAX)
        return false;
    struct span head = {.id = TRACKER_EDGE, .left = TRACKER_EDGE, .right = TRACKER_EDGE, .state = SPAN_THERE};
    struct span base = {.id = TRACKER_BASE, .len = (uint32_t)len, .left = TRACKER_EDGE, .right = TRACKER_EDGE,
                        .state = SPAN_THERE};
    list->first = first;
    list->events = end - first;
    list->prepared = list->shown = len;
    list->done = xgrow(list->done, &list->done_cap, list->events, sizeof *list->done);
    for (uint64_t i = 0; i < list->events; i++)
        list->done[i].knot = NOWHERE;
    list->knots = xgrow(list->knots, &list->knot_cap, 1, sizeof *list->knots);
    list->spans = xgrow(list->spans, &list->span_cap, 1, sizeof *list->spans);
    list->count = 1;
    list->spans[0] = head;
    list->knots[0] = (struct tracker_knot){NOWHERE, 0, 0};
    if (len > 0)
        add_knot(list, 0, &base);
    return true;
}

bool tracker_list_is_full(const struct tracker_list *list)
{
    return list->count > TRACKER_LIST_SPANS_MAX;
}

/* --- applying --- */

/* Before unit number `pos` of the prepare version, which is there. */
static struct spot spot_of(const struct tracker_list *list, uint64_t pos)
{
    const struct tracker_knot *knots = list->knots, *knot = knots;
    uint64_t shown = 0;
    ensure(pos < list->prepared);
    while (pos >= knot->prepared) {
        pos -= knot->prepared;
        shown += knot->shown;
        knot = &knots[knot->next];
    }
    return (struct spot){(uint32_t)(knot - knots), pos, shown};
}

static uint64_t shown_at(const struct tracker_list *list, const struct spot *spot)
{
    return spot->shown + (list->spans[spot->knot].gone ? 0 : spot->offset);
}

/* Whether a new span goes on with the one it stands behind: a run typed on. */
static bool goes_on(const struct span *before, const struct span *span)
{
    return before->id + before->len == span->id && span->left == span->id - 1 && before->right == span->right &&
           before->state == span->state && !before->gone && span->len <= SPAN_LEN_MAX - before->len;
}

bool tracker_list_insert(struct tracker_list *list, uint64_t lv, uint64_t pos, uint64_t len, uint64_t *at)
{
    struct span span = {
        .id = lv, .len = (uint32_t)len, .left = TRACKER_EDGE, .right = TRACKER_EDGE, .state = SPAN_THERE};
    struct spot spot = {0};
    if (pos > 0) {
        spot = spot_of(list, pos - 1);
        span.left = list->spans[spot.knot].id + spot.offset++;
    }
    uint32_t next = list->knots[spot.knot].next;
    bool inside = spot.offset < list->spans[spot.knot].len;
    if (!inside && next != NOWHERE && list->spans[next].state == SPAN_NOT_YET)
        return false;
    if (inside)
        span.right = span.left + 1;
    else if (next != NOWHERE)
        span.right = list->spans[next].id;
    *at = shown_at(list, &spot);
    if (inside)
        (void)cut(list, spot.knot, spot.offset);
    if (goes_on(&list->spans[spot.knot], &span)) {
        list->spans[spot.knot].len += span.len;
        note_span(list, spot.knot);
    } else {
        spot.knot = add_knot(list, spot.knot, &span);
    }
    note_events(list, lv, len, spot.knot);
    list->prepared += len;
    list->shown += len;
    list->steps++;
    return true;
}

struct tracker_deleted tracker_list_delete(struct tracker_list *list, uint64_t lv, uint64_t pos, uint64_t len, bool back)
{
    struct spot spot = spot_of(list, pos);
    const struct span *span = &list->spans[spot.knot];
    len = back ? least(len, spot.offset + 1) : least(len, span->len - spot.offset);
    if (back)
        spot.offset -= len - 1;
    struct tracker_deleted deleted = {len, span->id + spot.offset, shown_at(list, &spot), !span->gone};
    uint32_t knot = isolate(list, spot.knot, spot.offset, len);
    set_span(list, knot, SPAN_THERE + 1, true);
    for (uint64_t i = 0; i < len; i++)
        list->done[lv - list->first + i] = (struct tracker_done){deleted.id + (back ? len - 1 - i : i), knot};
    return deleted;
}

/* --- moving the prepare version --- */

/* From a deleted span to the piece of it that has a unit: pieces stand behind each other. */
static uint32_t knot_with(const struct tracker_list *list, uint32_t knot, uint64_t unit)
{
    while (unit - list->spans[knot].id >= list->spans[knot].len)
        knot = list->knots[knot].next;
    return knot;
}

/* For the check: whether there is such a piece, counted in steps that end in every case. */
static bool is_from(const struct tracker_list *list, uint32_t knot, uint64_t unit)
{
    for (uint32_t steps = 0; knot < list->count && steps < list->count; knot = list->knots[knot].next, steps++)
        if (unit - list->spans[knot].id < list->spans[knot].len)
            return true;
    return false;
}

/* How many events from `done` on, at most `max`, did the same to units one after the other, or (step -1) one before the other. */
static uint64_t in_a_row(const struct tracker_done *done, uint64_t max, uint64_t step)
{
    uint64_t count = 1;
    while (count < max && done[count].knot != NOWHERE && done[count].unit == done->unit + count * step)
        count++;
    return count;
}

/* Events that inserted or deleted units in a row; of one span as many as there are. Gives how many events that were. */
static uint64_t shift_row(struct tracker_list *list, const struct tracker_done *done, uint64_t max, int by)
{
    uint32_t knot = knot_with(list, done->knot, done->unit);
    const struct span *span = &list->spans[knot];
    bool inserted = done->unit - list->first == (uint64_t)(done - list->done);
    uint64_t offset = done->unit - span->id, count = least(max, span->len - offset);
    if (!inserted)
        count = in_a_row(done, count, 1);
    if (!inserted && count == 1) {
        count = in_a_row(done, least(max, offset + 1), UINT64_MAX);
        offset -= count - 1;
    }
    uint32_t state = span->state + (uint32_t)by;
    bool gone = span->gone;
    knot = isolate(list, knot, offset, count);
    set_span(list, knot, state, gone);
    return count;
}

static void shift_events(struct tracker_list *list, uint64_t first, uint64_t end, int by)
{
    const struct tracker_done *done = list->done + (first - list->first), *stop = list->done + (end - list->first);
    ensure(first >= list->first && first <= end && end - list->first <= list->events);
    while (done < stop)
        done += done->knot == NOWHERE ? 1 : shift_row(list, done, (uint64_t)(stop - done), by);
}

void tracker_list_retreat(struct tracker_list *list, uint64_t first, uint64_t end)
{
    shift_events(list, first, end, -1);
}

void tracker_list_advance(struct tracker_list *list, uint64_t first, uint64_t end)
{
    shift_events(list, first, end, 1);
}

/* --- to a tracker --- */

/* As many in a row as there are, so that they are taken out and put back together there too. Gives how many. */
static uint64_t move_deletes(const struct tracker_list *list, uint64_t event, struct tracker *tracker)
{
    const struct tracker_done *done = list->done + event;
    uint64_t max = list->events - event, forward = in_a_row(done, max, 1), back = in_a_row(done, max, UINT64_MAX);
    uint64_t count = forward > back ? forward : back;
    tracker_append_deletes(tracker, list->first + event, done->unit - (back > forward ? back - 1 : 0), count, back > forward);
    return count;
}

void tracker_list_move_to(const struct tracker_list *list, struct tracker *tracker)
{
    for (uint32_t knot = list->knots[0].next; knot != NOWHERE; knot = list->knots[knot].next)
        tracker_append(tracker, &list->spans[knot]);
    for (uint64_t i = 0, count = 1; i < list->events; i += count, count = 1)
        if (list->done[i].knot != NOWHERE && list->done[i].unit != list->first + i)
            count = move_deletes(list, i, tracker);
}

/* The numbers are those of tracker.h. */
void tracker_list_check(const struct tracker_list *list)
{
    uint64_t prepared = 0, shown = 0;
    uint32_t count = 1;
    for (uint32_t knot = list->knots[0].next; knot != NOWHERE; knot = list->knots[knot].next, count++) {
        const struct span *span = &list->spans[knot];
        ensure(span->len > 0 && list->knots[knot].prepared == prepared_of(span) && list->knots[knot].shown == shown_of(span));
        ensure(span->state <= SPAN_THERE || span->gone); /* [10] */
        for (uint64_t i = 0; span->id < TRACKER_BASE && i < span->len; i++)
            ensure(list->done[span->id + i - list->first].knot == knot); /* [9] */
        prepared += prepared_of(span);
        shown += shown_of(span);
    }
    ensure(count == list->count && prepared == list->prepared && shown == list->shown); /* [8] */
    for (uint64_t i = 0; i < list->events; i++)
        ensure(list->done[i].knot == NOWHERE || is_from(list, list->done[i].knot, list->done[i].unit)); /* [9] */
}
