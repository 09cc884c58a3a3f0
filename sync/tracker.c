#include "sync/tracker.h"

#include "editor/base/least.h"

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

static void join(struct tracker *tracker, const struct graph *graph)
{
    tracker->graph = graph;
    tracker->spans.moved = units_moved;
    tracker->spans.self = tracker;
}

void tracker_begin(struct tracker *tracker, const struct graph *graph, uint64_t len)
{
    join(tracker, graph);
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

/* What was deleted and then taken out may lie in one span; put back it is cut at both ends. */
uint64_t tracker_spans_max(const struct tracker *tracker)
{
    uint64_t spans = (uint64_t)tracker->spans.tree.leaf_count * SPANS_LEAF_MAX;
    return spans + id_index_entries_max(&tracker->units) + 2 * id_index_entries_max(&tracker->deletes);
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

static bool find_there(const struct tracker *tracker, uint64_t whereabouts, uint64_t id, struct span_place *place)
{
    return spans_find_id(&tracker->spans, (uint32_t)whereabouts, (uint32_t)(whereabouts >> 32), id, place);
}

static struct span_place place_of(const struct tracker *tracker, uint64_t id)
{
    struct id_entry entry = id_index_get(&tracker->units, id);
    struct span_place place;
    ensure(entry.kind == ID_UNITS && find_there(tracker, entry.value, id, &place));
    return place;
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

#ifdef WEFT_SMALL_NODES
enum { PATIENCE = 1, HOPS_MAX = 4 };
#else
enum {
    PATIENCE = 8,  /* spans that are looked at one after the other before it is looked ahead */
    HOPS_MAX = 16, /* from a span to what it hangs on, or to its right origin */
};
#endif

enum beside { BESIDE_STOP, BESIDE_AFTER, BESIDE_UNDECIDED };

/* Where a new span stands to one that its author did not know and that has the same left origin. */
static enum beside siblings(const struct tracker *tracker, const struct span *span, const struct span *other)
{
    if (span->right == other->right)
        return graph_compare(tracker->graph, span->id, other->id) < 0 ? BESIDE_STOP : BESIDE_AFTER;
    return compare_right_origins(tracker, other->right, span->right) < 0 ? BESIDE_UNDECIDED : BESIDE_AFTER;
}

/* What the search for the place of a new span goes over: all spans from where it could stand up to the first known one. */
struct search {
    struct tracker *tracker;
    const struct span *span;
    struct span_place end; /* the first known span */
    bool open;             /* there is none: up to the end of the text */
};

static bool is_before_end(const struct search *search, struct span_place place)
{
    place.offset = 0;
    return search->open || spans_compare(&search->tracker->spans, place, search->end) < 0;
}

/*
 * Whether the new span goes behind this one and behind all that is in front of it. So it does when this one, or what it hangs on,
 * is a sibling that comes first: nothing that would stop the search stands in front of such a sibling, for what does so
 * has come to stand behind it. A sibling that does not decide (its right origin was not known to the new one's author)
 * stands in front of its right origin, which is a sibling too: *place then becomes that one's.
 */
static bool goes_behind(const struct search *search, struct span_place *place)
{
    struct tracker *tracker = search->tracker;
    struct span_place at = *place;
    for (int hops = 0; hops < HOPS_MAX; hops++) {
        const struct span *other = spans_peek(&tracker->spans, &at);
        tracker->looks++;
        if (other->state != SPAN_NOT_YET)
            return false;
        if (other->left != search->span->left) {
            if (other->left == TRACKER_EDGE)
                return false;
            at = place_of(tracker, other->left); /* which it hangs on */
            continue;
        }
        enum beside beside = siblings(tracker, search->span, other);
        if (beside != BESIDE_UNDECIDED)
            return beside == BESIDE_AFTER && (other->right == search->span->right || is_before_end(search, at));
        *place = at = place_of(tracker, other->right);
    }
    return false;
}

/*
 * By halves over those parts of a node of which it is known that all of them is in front of the new span. The node is so far
 * above *place, in front of which everything is; its own last span is not known to be. False: that is all there is to find.
 */
static bool skip_parts(const struct search *search, struct span_place *place, uint32_t level)
{
    const struct spans *spans = &search->tracker->spans;
    struct span_place inside = *place;
    if (!spans_peek(spans, &inside))
        return false;
    uint32_t low = spans_part(spans, inside, level), high = spans_parts(spans, inside, level) - 1;
    while (low < high) {
        uint32_t part = low + (high - low) / 2;
        struct span_place last = spans_last_in_part(spans, inside, level, part), far = last;
        if (!goes_behind(search, &far)) {
            high = part;
            continue;
        }
        low = part + 1;
        *place = far;
        spans_next(place);
        if (far.leaf != last.leaf || far.at != last.at)
            return false;
    }
    return level > 0;
}

/*
 * Goes ahead over what is known to stand in front of the new span: all that is concurrent; else up the tree, as long as the
 * last span below is in front, and down again by halves. False: there is nothing of that.
 */
static bool skip(const struct search *search, struct span_place *place, bool to_end)
{
    const struct spans *spans = &search->tracker->spans;
    struct span_place from = *place, last = search->end;
    if (to_end && spans_previous(spans, &last) && goes_behind(search, &last)) {
        *place = last;
        spans_next(place);
        return true;
    }
    uint32_t level = 0;
    for (last = from; spans_last_below(spans, &last, level); level++) {
        struct span_place far = last;
        if (!goes_behind(search, &far))
            break;
        *place = last = far;
        spans_next(place);
    }
    if (level > 0) /* of one leaf it is no dearer to look at all */
        while (skip_parts(search, place, level))
            level--;
    return place->leaf != from.leaf || place->at != from.at;
}

/*
 * Looks from `place` over the spans that the new one's author did not know, up to the first one known, for where it
 * goes: behind the last sibling that comes before it, and behind everything below that sibling. Of a span only the
 * first unit need be looked at: the others hang on it. Where there are many it looks ahead.
 */
static struct span_place integrate(const struct search *search, struct span_place place)
{
    struct tracker *tracker = search->tracker;
    const struct span *span = search->span;
    struct span_place found = place;
    bool undecided = false;
    for (int seen = 0;; seen++) {
        if (!undecided)
            found = place;
        const struct span *other = spans_peek(&tracker->spans, &place);
        if (!other || other->state != SPAN_NOT_YET)
            return found;
        bool far = seen == PATIENCE || (seen > PATIENCE && place.at == 0);
        if (far && skip(search, &place, seen == PATIENCE)) {
            undecided = false;
            continue;
        }
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

/* Behind which unit something of position `pos` in that version goes, and what it has in front of it: its left origin. */
static struct span_place place_of_insert(const struct spans *spans, enum span_sum version, uint64_t pos, struct span *span)
{
    if (pos == 0)
        return spans_start(spans);
    struct span_place place = spans_find(spans, version, pos - 1);
    span->left = spans_peek(spans, &place)->id + place.offset;
    place.offset++;
    return place;
}

uint64_t tracker_insert(struct tracker *tracker, uint64_t lv, uint64_t pos, uint64_t len)
{
    const struct spans *spans = &tracker->spans;
    struct span span = {
        .id = lv, .len = (uint32_t)len, .left = TRACKER_EDGE, .right = TRACKER_EDGE, .state = SPAN_THERE};
    ensure(len <= SPAN_LEN_MAX);
    struct span_place place = place_of_insert(spans, SUM_PREPARED, pos, &span);
    struct span_place next = place;
    const struct span *right = spans_next_known(spans, &next);
    if (right)
        span.right = right->id + next.offset;
    struct search search = {tracker, &span, right ? next : spans_end(spans), !right};
    place = integrate(&search, place);
    if (!spans_unit_before(spans, place, &tracker->after))
        tracker->after = TRACKER_EDGE;
    tracker->steps++;
    uint64_t at = spans_shown_before(spans, place);
    put_span(tracker, place, &span);
    return at;
}

static void put_delete(struct tracker *tracker, const struct tracker_deleted *deleted, uint64_t lv, bool back)
{
    uint64_t first = back ? deleted->id + deleted->len - 1 : deleted->id;
    struct id_entry entry = {lv, deleted->len, first, back ? ID_DELETES_BACK : ID_DELETES};
    id_index_put(&tracker->deletes, entry);
}

/* As much of a delete as is in the span of its first unit; the place becomes that of the lowest one. */
static uint64_t part_of_delete(const struct span *span, struct span_place *place, uint64_t len, bool back)
{
    if (!back)
        return least(len, span->len - place->offset);
    len = least(len, place->offset + 1);
    place->offset -= len - 1;
    return len;
}

struct tracker_deleted tracker_delete(struct tracker *tracker, uint64_t lv, uint64_t pos, uint64_t len, bool back)
{
    struct span_place place = spans_find(&tracker->spans, SUM_PREPARED, pos);
    const struct span *span = spans_peek(&tracker->spans, &place);
    len = part_of_delete(span, &place, len, back);
    uint64_t id = span->id + place.offset;
    struct tracker_deleted deleted = {len, id, spans_shown_before(&tracker->spans, place), !span->gone};
    place = spans_isolate(&tracker->spans, place, len);
    spans_set(&tracker->spans, place, SPAN_THERE + 1, true);
    put_delete(tracker, &deleted, lv, back);
    *id_index_note(&tracker->deletes, lv) = whereabouts(place);
    tracker->steps++;
    return deleted;
}

/* Nothing is concurrent to it: it goes right behind the unit before it, whatever has become of what follows. */
void tracker_insert_shown(struct tracker *tracker, uint64_t lv, uint64_t pos, uint64_t len)
{
    const struct spans *spans = &tracker->spans;
    struct span span = {
        .id = lv, .len = (uint32_t)len, .left = TRACKER_EDGE, .right = TRACKER_EDGE, .state = SPAN_NOT_YET};
    ensure(len <= SPAN_LEN_MAX);
    struct span_place place = place_of_insert(spans, SUM_SHOWN, pos, &span);
    struct span_place next = place;
    const struct span *right = spans_peek(spans, &next);
    if (right)
        span.right = right->id + next.offset;
    tracker->after = span.left;
    tracker->steps++;
    put_span(tracker, place, &span);
}

struct tracker_deleted tracker_delete_shown(struct tracker *tracker, uint64_t lv, uint64_t pos, uint64_t len, bool back)
{
    struct span_place place = spans_find(&tracker->spans, SUM_SHOWN, pos);
    const struct span *span = spans_peek(&tracker->spans, &place);
    len = part_of_delete(span, &place, len, back);
    struct tracker_deleted deleted = {len, span->id + place.offset, back ? pos + 1 - len : pos, true};
    uint32_t state = span->state;
    place = spans_isolate(&tracker->spans, place, len);
    spans_set(&tracker->spans, place, state, true);
    put_delete(tracker, &deleted, lv, back);
    *id_index_note(&tracker->deletes, lv) = whereabouts(place);
    tracker->steps++;
    return deleted;
}

/* --- moving the prepare version --- */

/* *note: of deletes, where their units are. */
static struct id_entry event_noted(const struct tracker *tracker, uint64_t lv, uint64_t **note)
{
    struct id_entry deletes = id_index_get_noted(&tracker->deletes, lv, note);
    if (deletes.kind != ID_NOTHING)
        return deletes;
    struct id_entry units = id_index_get(&tracker->units, lv);
    units.len = least(units.len, deletes.len);
    return units;
}

struct id_entry tracker_event(const struct tracker *tracker, uint64_t lv)
{
    uint64_t *note;
    return event_noted(tracker, lv, &note);
}

/*
 * Inserting and deleting both raise a unit's state by one, so the order in which a range is gone through is free. Where the
 * range is in several spans, the next one mostly stands right behind. *where is where the first one was when it was looked for
 * last, and becomes where it is. Gives how many units were done when the steps were.
 */
static uint64_t shift_units(struct tracker *tracker, uint64_t id, uint64_t len, int by, uint64_t steps, uint64_t *where)
{
    struct span_place place;
    uint64_t end = id + len;
    if (!find_there(tracker, *where, id, &place))
        place = place_of(tracker, id);
    *where = whereabouts(place);
    while (id < end && tracker->steps < steps) {
        const struct span *span = spans_peek(&tracker->spans, &place);
        if (!span || id - span->id >= span->len) {
            place = place_of(tracker, id);
            continue;
        }
        place.offset = id - span->id;
        uint64_t step = least(end - id, span->len - place.offset);
        uint32_t state = span->state + (uint32_t)by;
        bool gone = span->gone;
        if (step < span->len)
            place = spans_isolate(&tracker->spans, place, step);
        spans_set(&tracker->spans, place, state, gone);
        spans_next(&place);
        tracker->steps++;
        id += step;
    }
    return len - (end - id);
}

#ifdef WEFT_SMALL_NODES
enum { BACK_MAX = 3 };
#else
enum { BACK_MAX = 4096 }; /* of deletes from the end on that are moved at once: these are gone through from the last one on */
#endif

/* The first of these events that do the same. Gives how many of them were done. Deletes are of units from anywhere: where these
   are is noted with the delete. */
static uint64_t shift_first(struct tracker *tracker, uint64_t first, uint64_t end, int by, uint64_t steps)
{
    uint64_t *note;
    struct id_entry entry = event_noted(tracker, first, &note);
    uint64_t len = least(entry.len, end - first);
    switch (entry.kind) {
    case ID_NOTHING:
        break;
    case ID_UNITS:
        return shift_units(tracker, first, len, by, steps, &entry.value);
    case ID_DELETES:
        return shift_units(tracker, entry.value, len, by, steps, note);
    case ID_DELETES_BACK:
        len = steps == UINT64_MAX ? len : least(len, BACK_MAX);
        return shift_units(tracker, entry.value - (len - 1), len, by, UINT64_MAX, note);
    }
    return len;
}

bool tracker_move_some(struct tracker *tracker, uint64_t *first, uint64_t end, int by, uint64_t steps)
{
    while (*first < end && tracker->steps < steps)
        *first += shift_first(tracker, *first, end, by, steps);
    return *first == end;
}

void tracker_retreat(struct tracker *tracker, uint64_t first, uint64_t end)
{
    (void)tracker_move_some(tracker, &first, end, -1, UINT64_MAX);
}

void tracker_advance(struct tracker *tracker, uint64_t first, uint64_t end)
{
    (void)tracker_move_some(tracker, &first, end, 1, UINT64_MAX);
}

/* --- two trackers --- */

void tracker_copy(struct tracker *to, const struct tracker *from)
{
    join(to, from->graph);
    spans_copy(&to->spans, &from->spans);
    id_index_copy(&to->units, &from->units);
    id_index_copy(&to->deletes, &from->deletes);
}

void tracker_append(struct tracker *tracker, const struct span *span)
{
    put_span(tracker, spans_end(&tracker->spans), span);
}

void tracker_append_deletes(struct tracker *tracker, uint64_t lv, uint64_t first, uint64_t len, bool back)
{
    put_delete(tracker, &(struct tracker_deleted){.len = len, .id = first}, lv, back);
}

void tracker_repeat_insert(struct tracker *to, const struct tracker *from, uint64_t lv, uint64_t len)
{
    struct span_place place = place_of(from, lv);
    const struct span *span = spans_peek(&from->spans, &place);
    struct span same = {.id = lv, .len = (uint32_t)len, .left = place.offset > 0 ? lv - 1 : span->left, .right = span->right,
                        .state = SPAN_NOT_YET};
    place = spans_start(&to->spans);
    if (from->after != TRACKER_EDGE) {
        place = place_of(to, from->after);
        place.offset++;
    }
    put_span(to, place, &same);
}

void tracker_repeat_delete(struct tracker *to, const struct tracker_deleted *deleted, uint64_t lv, bool back)
{
    uint64_t id = deleted->id, end = id + deleted->len;
    while (id < end) {
        struct span_place place = place_of(to, id);
        const struct span *span = spans_peek(&to->spans, &place);
        uint64_t len = least(end - id, span->len - place.offset);
        uint32_t state = span->state;
        place = spans_isolate(&to->spans, place, len);
        spans_set(&to->spans, place, state, true);
        id += len;
    }
    put_delete(to, deleted, lv, back);
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
