#include "sync/tracker_list.h"

#include <stdlib.h>

#include "editor/base/least.h"
#include "editor/base/xalloc.h"

#ifdef WEFT_SMALL_NODES
enum { TRACKER_LIST_SPANS_MAX = 12 };
#else
enum { TRACKER_LIST_SPANS_MAX = 256 }; /* from then on trees find a place sooner */
#endif

#define NOWHERE UINT32_MAX /* no span: an event that did nothing */

/* A place of the list: which span stands there, with what is asked of every span on the way. */
struct tracker_place {
    uint32_t span;
    uint32_t prepared, shown; /* units that are */
};

/* What an event did. */
struct tracker_done {
    uint64_t unit; /* that it inserted (its own LV) or deleted */
    uint32_t span; /* that has it; when it was cut since, it may be in a piece further on */
};

/* Before unit `offset` of the span at a place. */
struct spot {
    uint32_t place;
    uint64_t offset;
    uint64_t shown; /* before the span */
};

void tracker_list_release(struct tracker_list *list)
{
    free(list->places);
    free(list->spans);
    free(list->place_of);
    free(list->done);
    *list = (struct tracker_list){0};
}

/* --- places --- */

static struct span *span_at(const struct tracker_list *list, uint32_t place)
{
    return &list->spans[list->places[place].span];
}

static uint32_t prepared_of(const struct span *span)
{
    return span->state == SPAN_THERE ? span->len : 0;
}

static uint32_t shown_of(const struct span *span)
{
    return span->gone ? 0 : span->len;
}

/* After a span was changed. */
static void note_span(struct tracker_list *list, uint32_t place)
{
    const struct span *span = span_at(list, place);
    list->places[place].prepared = prepared_of(span);
    list->places[place].shown = shown_of(span);
}

static void make_room(struct tracker_list *list)
{
    size_t wanted = (size_t)list->count + 1, cap[3] = {list->cap, list->cap, list->cap};
    if (wanted <= list->cap)
        return;
    list->places = xgrow(list->places, &cap[0], wanted, sizeof *list->places);
    list->spans = xgrow(list->spans, &cap[1], wanted, sizeof *list->spans);
    list->place_of = xgrow(list->place_of, &cap[2], wanted, sizeof *list->place_of);
    list->cap = cap[0] < cap[1] ? cap[0] : cap[1];
    list->cap = list->cap < cap[2] ? list->cap : cap[2];
}

/* A new span at a place; what stood there, and all behind it, moves on. */
static void put_span(struct tracker_list *list, uint32_t place, const struct span *span)
{
    make_room(list);
    uint32_t number = list->count++;
    struct tracker_place *places = list->places;
    for (uint32_t i = number; i > place; i--) {
        places[i] = places[i - 1];
        list->place_of[places[i].span] = i;
    }
    places[place].span = number;
    list->place_of[number] = place;
    list->spans[number] = *span;
    note_span(list, place);
}

static void note_events(struct tracker_list *list, uint64_t lv, uint64_t len, uint32_t span)
{
    for (uint64_t i = 0; i < len; i++)
        list->done[lv - list->first + i] = (struct tracker_done){lv + i, span};
}

/* Makes a span end before its unit `offset`; the rest becomes one of its own behind it, as the events that inserted it note. */
static uint32_t cut(struct tracker_list *list, uint32_t place, uint64_t offset)
{
    struct span *span = span_at(list, place), tail = *span;
    uint32_t behind = list->count;
    tail.id += offset;
    tail.left = tail.id - 1;
    tail.len -= (uint32_t)offset;
    span->len = (uint32_t)offset;
    note_span(list, place);
    put_span(list, place + 1, &tail);
    for (uint64_t i = 0; tail.id < TRACKER_BASE && i < tail.len; i++)
        list->done[tail.id - list->first + i].span = behind;
    return place + 1;
}

/* Makes units [offset, offset + len) of a span a span of their own. Gives its place. */
static uint32_t isolate(struct tracker_list *list, uint32_t place, uint64_t offset, uint64_t len)
{
    uint32_t span_len = span_at(list, place)->len;
    ensure(len > 0 && offset + len <= span_len);
    if (offset + len < span_len)
        (void)cut(list, place, offset + len);
    return offset > 0 ? cut(list, place, offset) : place;
}

static void set_span(struct tracker_list *list, uint32_t place, uint32_t state, bool gone)
{
    struct tracker_place before = list->places[place];
    struct span *span = &list->spans[before.span];
    ensure(state >> SPAN_STATE_BITS == 0);
    span->state = state;
    span->gone = gone;
    note_span(list, place);
    list->prepared = list->prepared - before.prepared + list->places[place].prepared;
    list->shown = list->shown - before.shown + list->places[place].shown;
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
        list->done[i].span = NOWHERE;
    list->count = 0;
    put_span(list, 0, &head);
    if (len > 0)
        put_span(list, 1, &base);
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
    const struct tracker_place *place = list->places + 1;
    uint64_t shown = 0;
    ensure(pos < list->prepared);
    for (; pos >= place->prepared; place++) {
        pos -= place->prepared;
        shown += place->shown;
    }
    return (struct spot){(uint32_t)(place - list->places), pos, shown};
}

static uint64_t shown_at(const struct tracker_list *list, const struct spot *spot)
{
    return spot->shown + (span_at(list, spot->place)->gone ? 0 : spot->offset);
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
        span.left = span_at(list, spot.place)->id + spot.offset++;
    }
    const struct span *next = spot.place + 1 < list->count ? span_at(list, spot.place + 1) : NULL;
    bool inside = spot.offset < span_at(list, spot.place)->len;
    if (!inside && next && next->state == SPAN_NOT_YET)
        return false;
    if (inside)
        span.right = span.left + 1;
    else if (next)
        span.right = next->id;
    *at = shown_at(list, &spot);
    if (inside)
        (void)cut(list, spot.place, spot.offset);
    struct span *before = span_at(list, spot.place);
    if (goes_on(before, &span)) {
        before->len += span.len;
        note_span(list, spot.place);
    } else {
        put_span(list, ++spot.place, &span);
    }
    note_events(list, lv, len, list->places[spot.place].span);
    list->prepared += len;
    list->shown += len;
    list->steps++;
    return true;
}

struct tracker_deleted tracker_list_delete(struct tracker_list *list, uint64_t lv, uint64_t pos, uint64_t len, bool back)
{
    struct spot spot = spot_of(list, pos);
    const struct span *span = span_at(list, spot.place);
    len = back ? least(len, spot.offset + 1) : least(len, span->len - spot.offset);
    if (back)
        spot.offset -= len - 1;
    struct tracker_deleted deleted = {len, span->id + spot.offset, shown_at(list, &spot), !span->gone};
    uint32_t place = isolate(list, spot.place, spot.offset, len), number = list->places[place].span;
    set_span(list, place, SPAN_THERE + 1, true);
    for (uint64_t i = 0; i < len; i++)
        list->done[lv - list->first + i] = (struct tracker_done){deleted.id + (back ? len - 1 - i : i), number};
    return deleted;
}

/* --- moving the prepare version --- */

/* Where the piece of a deleted span is that has a unit: pieces stand behind each other. */
static uint32_t place_with(const struct tracker_list *list, uint32_t number, uint64_t unit)
{
    uint32_t place = list->place_of[number];
    while (unit - span_at(list, place)->id >= span_at(list, place)->len)
        place++;
    return place;
}

/* For the check: whether there is such a piece. */
static bool is_from(const struct tracker_list *list, uint32_t number, uint64_t unit)
{
    for (uint32_t place = number < list->count ? list->place_of[number] : list->count; place < list->count; place++)
        if (unit - span_at(list, place)->id < span_at(list, place)->len)
            return true;
    return false;
}

/* How many events from `done` on, at most `max`, did the same to units one after the other, or (step -1) one before the other. */
static uint64_t in_a_row(const struct tracker_done *done, uint64_t max, uint64_t step)
{
    uint64_t count = 1;
    while (count < max && done[count].span != NOWHERE && done[count].unit == done->unit + count * step)
        count++;
    return count;
}

/* Events that inserted or deleted units in a row; of one span as many as there are. Gives how many events that were. */
static uint64_t shift_row(struct tracker_list *list, const struct tracker_done *done, uint64_t max, int by)
{
    uint32_t place = place_with(list, done->span, done->unit);
    const struct span *span = span_at(list, place);
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
    set_span(list, isolate(list, place, offset, count), state, gone);
    return count;
}

static void shift_events(struct tracker_list *list, uint64_t first, uint64_t end, int by)
{
    const struct tracker_done *done = list->done + (first - list->first), *stop = list->done + (end - list->first);
    ensure(first >= list->first && first <= end && end - list->first <= list->events);
    while (done < stop)
        done += done->span == NOWHERE ? 1 : shift_row(list, done, (uint64_t)(stop - done), by);
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
    for (uint32_t place = 1; place < list->count; place++)
        tracker_append(tracker, span_at(list, place));
    for (uint64_t i = 0, count = 1; i < list->events; i += count, count = 1)
        if (list->done[i].span != NOWHERE && list->done[i].unit != list->first + i)
            count = move_deletes(list, i, tracker);
}

/* The numbers are those of tracker.h. */
void tracker_list_check(const struct tracker_list *list)
{
    uint64_t prepared = 0, shown = 0;
    for (uint32_t place = 0; place < list->count; place++) {
        const struct tracker_place *at = &list->places[place];
        const struct span *span = span_at(list, place);
        ensure(at->span < list->count && list->place_of[at->span] == place);
        ensure((span->len > 0) == (place > 0) && at->prepared == prepared_of(span) && at->shown == shown_of(span));
        ensure(span->state <= SPAN_THERE || span->gone); /* [10] */
        for (uint64_t i = 0; span->id < TRACKER_BASE && i < span->len; i++)
            ensure(list->done[span->id + i - list->first].span == at->span); /* [9] */
        prepared += prepared_of(span);
        shown += shown_of(span);
    }
    ensure(prepared == list->prepared && shown == list->shown); /* [8] */
    for (uint64_t i = 0; i < list->events; i++)
        ensure(list->done[i].span == NOWHERE || is_from(list, list->done[i].span, list->done[i].unit)); /* [9] */
}
