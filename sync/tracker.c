#include "sync/tracker.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What the index says of units: their leaf and, as far as nothing has moved there since, where in it their span is. */
static uint64_t whereabouts(struct span_place place)
{
    return (uint64_t)place.at << 32 | place.leaf;
}

static void units_moved(void *self, uint64_t id, uint64_t len, struct span_place place)
{
    struct tracker *tracker = self;
    id_index_move(&tracker->units, id, len, whereabouts(place));
}

void tracker_release(struct tracker *tracker)
{
    spans_release(&tracker->spans);
    id_index_release(&tracker->units);
    id_index_release(&tracker->deletes);
}

static void put_span(struct tracker *tracker, struct span_place place, const struct span *span)
{
    if (!spans_append(&tracker->spans, place, span))
        place = spans_insert(&tracker->spans, place, span);
    id_index_put(&tracker->units, (struct id_entry){span->id, span->len, whereabouts(place), ID_UNITS});
}

void tracker_begin(struct tracker *tracker, const struct graph *graph, uint64_t len)
{
    tracker->graph = graph;
    tracker->spans.moved = units_moved;
    tracker->spans.self = tracker;
    spans_reset(&tracker->spans);
    id_index_reset(&tracker->units);
    id_index_reset(&tracker->deletes);
    struct span base = {.id = TRACKER_BASE, .left = TRACKER_EDGE, .right = TRACKER_EDGE, .state = SPAN_THERE};
    for (struct span_place end = spans_start(&tracker->spans); len > 0; len -= base.len, base.id += base.len) {
        base.len = (uint32_t)least(len, SPAN_LEN_MAX);
        put_span(tracker, end, &base);
        end.at += spans_peek(&tracker->spans, &end) != NULL;
    }
}

uint64_t tracker_len(const struct tracker *tracker)
{
    return spans_total(&tracker->spans, SUM_PREPARED);
}

uint64_t tracker_shown(const struct tracker *tracker)
{
    return spans_total(&tracker->spans, SUM_SHOWN);
}

uint64_t tracker_map(const struct tracker *tracker, uint64_t pos)
{
    if (pos == 0)
        return 0;
    if (pos > tracker_len(tracker))
        return tracker_shown(tracker);
    struct span_place place = spans_find(&tracker->spans, SUM_PREPARED, pos - 1);
    bool gone = spans_peek(&tracker->spans, &place)->gone;
    return spans_shown_before(&tracker->spans, place) + !gone;
}

/* --- the order of concurrent inserts --- */

static struct span_place place_of(const struct tracker *tracker, uint64_t id)
{
    struct id_entry entry = id_index_get(&tracker->units, id);
    ensure(entry.kind == ID_UNITS);
    return spans_find_id(&tracker->spans, (uint32_t)entry.value, (uint32_t)(entry.value >> 32), id);
}

const struct span *tracker_find(const struct tracker *tracker, uint64_t id)
{
    struct span_place place = place_of(tracker, id);
    return spans_peek(&tracker->spans, &place);
}

int tracker_compare(const struct tracker *tracker, uint64_t a, uint64_t b)
{
    return spans_compare(&tracker->spans, place_of(tracker, a), place_of(tracker, b));
}

static int compare_left_origins(const struct tracker *tracker, uint64_t a, uint64_t b)
{
    if (a == b)
        return 0;
    if (a == TRACKER_EDGE || b == TRACKER_EDGE)
        return a == TRACKER_EDGE ? -1 : 1;
    return tracker_compare(tracker, a, b);
}

static int compare_right_origins(const struct tracker *tracker, uint64_t a, uint64_t b)
{
    if (a == b)
        return 0;
    if (a == TRACKER_EDGE || b == TRACKER_EDGE)
        return a == TRACKER_EDGE ? 1 : -1;
    return tracker_compare(tracker, a, b);
}

enum beside { BESIDE_STOP, BESIDE_AFTER, BESIDE_UNDECIDED };

/* Where a new span stands to one that its author did not know and that has the same left origin. */
static enum beside siblings(const struct tracker *tracker, const struct span *span, const struct span *other)
{
    if (span->right == other->right)
        return graph_compare(tracker->graph, span->id, other->id) < 0 ? BESIDE_STOP : BESIDE_AFTER;
    return compare_right_origins(tracker, other->right, span->right) < 0 ? BESIDE_UNDECIDED : BESIDE_AFTER;
}

/*
 * Of siblings with the same two origins those with the lesser id stand first, and nothing that would stop the search
 * stands between two of them: what is between is below them. So where the last span of a leaf is one that the new one
 * goes behind, the rest of the leaf need not be looked at; and likewise for every node above.
 */
static const struct span *skip(struct tracker *tracker, struct span_place *place, const struct span *span,
                               const struct span *other)
{
    struct span_place end = *place;
    const struct span *last;
    for (uint32_t level = 0; (last = spans_last_below(&tracker->spans, &end, level)); level++) {
        tracker->looks++;
        if (last->state != SPAN_NOT_YET || last->left != span->left || last->right != span->right ||
            graph_compare(tracker->graph, span->id, last->id) < 0)
            return other;
        *place = end;
        other = last;
    }
    return other;
}

/*
 * Looks from `place` over the spans that the new one's author did not know, up to the first one known, for where it
 * goes: behind the last sibling that comes before it, and behind everything below that sibling. Of a span only the
 * first unit need be looked at: the others hang on it.
 */
static struct span_place integrate(struct tracker *tracker, struct span_place place, const struct span *span)
{
    struct span_place found = place;
    bool undecided = false;
    for (bool first = true;; first = false) {
        if (!undecided)
            found = place;
        const struct span *other = spans_peek(&tracker->spans, &place);
        if (!other || other->state != SPAN_NOT_YET)
            return found;
        if (first || place.at == 0)
            other = skip(tracker, &place, span, other);
        tracker->looks++;
        int order = compare_left_origins(tracker, other->left, span->left);
        if (order < 0)
            return found;
        if (order == 0) {
            enum beside beside = siblings(tracker, span, other);
            if (beside == BESIDE_STOP)
                return found;
            undecided = beside == BESIDE_UNDECIDED;
        }
        spans_next(&place);
    }
}

/* --- applying --- */

uint64_t tracker_insert(struct tracker *tracker, uint64_t lv, uint64_t pos, uint64_t len)
{
    const struct spans *spans = &tracker->spans;
    struct span span = {
        .id = lv, .len = (uint32_t)len, .left = TRACKER_EDGE, .right = TRACKER_EDGE, .state = SPAN_THERE};
    ensure(len <= SPAN_LEN_MAX);
    struct span_place place = spans_start(spans);
    if (pos > 0) {
        place = spans_find(spans, SUM_PREPARED, pos - 1);
        span.left = spans_peek(spans, &place)->id + place.offset;
        place.offset++;
    }
    struct span_place next = place;
    const struct span *right = spans_next_known(spans, &next);
    if (right)
        span.right = right->id + next.offset;
    place = integrate(tracker, place, &span);
    uint64_t at = spans_shown_before(spans, place);
    put_span(tracker, place, &span);
    return at;
}

struct tracker_deleted tracker_delete(struct tracker *tracker, uint64_t lv, uint64_t pos, uint64_t len, bool back)
{
    struct span_place place = spans_find(&tracker->spans, SUM_PREPARED, pos);
    const struct span *span = spans_peek(&tracker->spans, &place);
    len = back ? least(len, place.offset + 1) : least(len, span->len - place.offset);
    if (back)
        place.offset -= len - 1;
    struct tracker_deleted deleted = {len, spans_shown_before(&tracker->spans, place), !span->gone};
    uint64_t id = span->id + place.offset;
    place = spans_isolate(&tracker->spans, place, len);
    spans_set(&tracker->spans, place, SPAN_THERE + 1, true);
    struct id_entry entry = {lv, len, back ? id + len - 1 : id, back ? ID_DELETES_BACK : ID_DELETES};
    id_index_put(&tracker->deletes, entry);
    return deleted;
}

/* --- moving the prepare version --- */

struct id_entry tracker_event(const struct tracker *tracker, uint64_t lv)
{
    struct id_entry deletes = id_index_get(&tracker->deletes, lv);
    if (deletes.kind != ID_NOTHING)
        return deletes;
    struct id_entry units = id_index_get(&tracker->units, lv);
    units.len = least(units.len, deletes.len);
    return units;
}

/*
 * Inserting and deleting both raise a unit's state by one, so the order in which a range is gone through is free. Where the
 * range is in several spans, the next one mostly stands right behind.
 */
static void shift_units(struct tracker *tracker, uint64_t id, uint64_t len, int by)
{
    struct span_place place = place_of(tracker, id);
    while (len > 0) {
        const struct span *span = spans_peek(&tracker->spans, &place);
        if (!span || id - span->id >= span->len) {
            place = place_of(tracker, id);
            continue;
        }
        place.offset = id - span->id;
        uint64_t step = least(len, span->len - place.offset);
        uint32_t state = span->state + (uint32_t)by;
        bool gone = span->gone;
        place = spans_isolate(&tracker->spans, place, step);
        spans_set(&tracker->spans, place, state, gone);
        spans_next(&place);
        id += step;
        len -= step;
    }
}

static void shift_events(struct tracker *tracker, uint64_t first, uint64_t end, int by)
{
    while (first < end) {
        struct id_entry entry = tracker_event(tracker, first);
        uint64_t len = least(entry.len, end - first);
        switch (entry.kind) {
        case ID_NOTHING:
            break;
        case ID_UNITS:
            shift_units(tracker, first, len, by);
            break;
        case ID_DELETES:
            shift_units(tracker, entry.value, len, by);
            break;
        case ID_DELETES_BACK:
            shift_units(tracker, entry.value - (len - 1), len, by);
            break;
        }
        first += len;
    }
}

void tracker_retreat(struct tracker *tracker, uint64_t first, uint64_t end)
{
    shift_events(tracker, first, end, -1);
}

void tracker_advance(struct tracker *tracker, uint64_t first, uint64_t end)
{
    shift_events(tracker, first, end, 1);
}

/* The numbers are those of tracker.h. */
void tracker_check(const struct tracker *tracker)
{
    spans_check(&tracker->spans); /* [8] */
    struct span_place place = spans_start(&tracker->spans);
    for (const struct span *span; (span = spans_peek(&tracker->spans, &place)); spans_next(&place)) {
        struct id_entry entry = id_index_get(&tracker->units, span->id);
        ensure(entry.kind == ID_UNITS && (uint32_t)entry.value == place.leaf); /* [9] */
        entry = id_index_get(&tracker->units, span->id + span->len - 1);
        ensure(entry.kind == ID_UNITS && (uint32_t)entry.value == place.leaf); /* [9] */
        ensure(span->state <= SPAN_THERE || span->gone); /* [10] */
    }
}
