#include "sync/walker_parts.h"

#include <stdlib.h>

#include "editor/base/least.h"
#include "editor/base/xalloc.h"

struct walker *walker_new(struct graph *graph, struct oplog *log, struct critical *critical, uint64_t base_len)
{
    struct walker *walker = xcalloc(1, sizeof *walker);
    walker->graph = graph;
    walker->log = log;
    walker->critical = critical;
    walker->base_len = base_len;
    walker->fast_path = true;
    walker->tracker = walker->trackers[0] = xcalloc(1, sizeof *walker->tracker);
    return walker;
}

void walker_free(struct walker *walker)
{
    if (!walker)
        return;
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++) {
        if (walker->trackers[i])
            tracker_release(walker->trackers[i]);
        free(walker->trackers[i]);
    }
    tracker_list_release(&walker->list);
    walker_stands_release(&walker->stands);
    walker_cost_release(&walker->cost);
    delta_release(&walker->delta);
    walker_plan_release(&walker->plan);
    lv_ranges_release(&walker->old);
    lv_ranges_release(&walker->fresh);
    lv_ranges_release(&walker->gone);
    lv_ranges_release(&walker->leave);
    lv_ranges_release(&walker->enter);
    walker_approach_release(&walker->approach);
    lv_list_release(&walker->seen);
    free(walker);
}

void walker_set_fast_path(struct walker *walker, bool on)
{
    walker->fast_path = on;
}

uint64_t walker_steps(const struct walker *walker)
{
    return walker->steps;
}

uint64_t walker_work(const struct walker *walker)
{
    uint64_t work = walker->list.steps + walker->apart_steps;
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++)
        work += walker->trackers[i] ? walker->trackers[i]->steps : 0;
    return work;
}

uint64_t walker_looks(const struct walker *walker)
{
    uint64_t looks = 0;
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++)
        looks += walker->trackers[i] ? walker->trackers[i]->looks : 0;
    return looks;
}

uint64_t walker_copies(const struct walker *walker)
{
    return walker->copies;
}

/* --- applying events --- */

static void sum_insert(struct walker *walker, uint64_t at, const struct op_piece *op)
{
    if (walker->summing)
        delta_insert(&walker->delta, at, op->text_at, op->len);
}

/* The other trackers get what the present one has applied. */
static struct tracker *other_tracker(struct walker *walker, size_t stand)
{
    return stand != walker->stand && walker->stands.items[stand].live ? walker->trackers[stand] : NULL;
}

void walker_use_stand(struct walker *walker, size_t stand, size_t from)
{
    if (!walker->trackers[stand])
        walker->trackers[stand] = xcalloc(1, sizeof *walker->trackers[stand]);
    if (stand != from) {
        tracker_copy(walker->trackers[stand], walker->trackers[from]);
        walker->copies++;
    }
    walker->stand = stand;
    walker->tracker = walker->trackers[stand];
    walker->turn++;
}

/* From here on the block needs a tracker. */
static void leave_list(struct walker *walker)
{
    tracker_begin(walker->tracker, walker->graph, 0);
    tracker_list_move_to(&walker->list, walker->tracker);
    walker->listed = false;
}

static uint64_t prepared(const struct walker *walker)
{
    return walker->listed ? walker->list.prepared : tracker_len(walker->tracker);
}

static uint64_t shown(const struct walker *walker)
{
    return walker->listed ? walker->list.shown : tracker_shown(walker->tracker);
}

static void repeat_insert(struct walker *walker, const struct op_piece *op)
{
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++)
        if (other_tracker(walker, i))
            tracker_repeat_insert(walker->trackers[i], walker->tracker, op->lv, op->len);
}

static void repeat_delete(struct walker *walker, const struct tracker_deleted *deleted, uint64_t lv, bool back)
{
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++)
        if (other_tracker(walker, i))
            tracker_repeat_delete(walker->trackers[i], deleted, lv, back);
}

static uint64_t track_insert(struct walker *walker, const struct op_piece *op)
{
    uint64_t at;
    if (walker->listed && tracker_list_insert(&walker->list, op->lv, op->pos, op->len, &at))
        return at;
    if (walker->listed)
        leave_list(walker);
    at = tracker_insert(walker->tracker, op->lv, op->pos, op->len);
    repeat_insert(walker, op);
    return at;
}

static struct tracker_deleted track_delete(struct walker *walker, const struct op_piece *op, bool back)
{
    if (walker->listed)
        return tracker_list_delete(&walker->list, op->lv, op->pos, op->len, back);
    struct tracker_deleted deleted = tracker_delete(walker->tracker, op->lv, op->pos, op->len, back);
    repeat_delete(walker, &deleted, op->lv, back);
    return deleted;
}

static void skip_deleted(struct op_piece *op, const struct tracker_deleted *deleted, bool back)
{
    op->lv += deleted->len;
    op->len -= deleted->len;
    op->pos -= back ? deleted->len : 0;
}

static void track_deletes(struct walker *walker, struct op_piece op)
{
    bool back = op.shape == SHAPE_BACKSPACE;
    while (op.len > 0) {
        struct tracker_deleted deleted = track_delete(walker, &op, back);
        if (walker->summing && deleted.shown)
            delta_delete(&walker->delta, deleted.at, deleted.len);
        skip_deleted(&op, &deleted, back);
    }
}

void walker_track_op(struct walker *walker, const struct op_piece *op)
{
    if (walker->listed && tracker_list_is_full(&walker->list))
        leave_list(walker);
    switch (op->shape) {
    case SHAPE_INSERT:
        sum_insert(walker, track_insert(walker, op), op);
        break;
    case SHAPE_DELETE:
    case SHAPE_DELETE_EACH:
    case SHAPE_BACKSPACE:
        track_deletes(walker, *op);
        break;
    case SHAPE_NOP:
        break;
    }
}

void walker_track_shown(struct walker *walker, const struct op_piece *op)
{
    if (op->shape == SHAPE_NOP)
        return;
    if (op->shape == SHAPE_INSERT) {
        tracker_insert_shown(walker->tracker, op->lv, op->pos, op->len);
        repeat_insert(walker, op);
        return;
    }
    struct op_piece rest = *op;
    for (bool back = op->shape == SHAPE_BACKSPACE; rest.len > 0;) {
        struct tracker_deleted deleted = tracker_delete_shown(walker->tracker, rest.lv, rest.pos, rest.len, back);
        repeat_delete(walker, &deleted, rest.lv, back);
        skip_deleted(&rest, &deleted, back);
    }
}

static void track_events(struct walker *walker, uint64_t first, uint64_t end)
{
    while (first < end) {
        bool valid;
        uint64_t upto = end - first < SPAN_LEN_MAX ? end : first + SPAN_LEN_MAX;
        struct op_piece op = oplog_next(walker->log, &walker->op_hint, first, upto, prepared(walker), &valid);
        if (valid)
            walker_track_op(walker, &op);
        first += op.len;
        walker->steps += op.len;
    }
}

static void retreat(struct walker *walker, struct lv_range range)
{
    if (walker->listed)
        tracker_list_retreat(&walker->list, range.first, range.end);
    else
        tracker_retreat(walker->tracker, range.first, range.end);
}

static void advance(struct walker *walker, struct lv_range range)
{
    if (walker->listed)
        tracker_list_advance(&walker->list, range.first, range.end);
    else
        tracker_advance(walker->tracker, range.first, range.end);
}

static void shift(struct walker *walker, const struct lv_ranges *leave, const struct lv_ranges *enter)
{
    for (size_t i = 0; i < leave->count; i++)
        retreat(walker, leave->items[i]);
    for (size_t i = enter->count; i > 0; i--)
        advance(walker, enter->items[i - 1]);
}

/* Retreats and advances the tracker that is nearest, until it stands where the next event was made. */
static void prepare(struct walker *walker, const uint64_t *version, size_t count)
{
    struct walker_move move = walker_stands_move(&walker->stands, walker->graph, version, count);
    walker_use_stand(walker, move.to, move.from);
    shift(walker, move.leave, move.enter);
}

static void prepare_piece(struct walker *walker, const struct walker_piece *piece)
{
    uint64_t before;
    size_t count;
    const uint64_t *parents = walker_plan_parents(piece, &count, &before);
    bool told = walker_plan_move(&walker->plan, piece, &walker->leave, &walker->enter);
    if (walker->listed && !told)
        leave_list(walker);
    if (told)
        shift(walker, &walker->leave, &walker->enter);
    else
        prepare(walker, parents, count);
}

static void visit(struct walker *walker, const struct walker_piece *piece)
{
    if (piece->critical)
        critical_note(walker->critical, piece->first, shown(walker));
    prepare_piece(walker, piece);
    track_events(walker, piece->first, piece->end);
    walker_stands_add(&walker->stands, walker->stand, piece->end - 1, piece->end - piece->first);
}

static void apply_op(struct walker *walker, const struct op_piece *op)
{
    switch (op->shape) {
    case SHAPE_INSERT:
        delta_insert(&walker->delta, op->pos, op->text_at, op->len);
        break;
    case SHAPE_DELETE:
    case SHAPE_DELETE_EACH:
        delta_delete(&walker->delta, op->pos, op->len);
        break;
    case SHAPE_BACKSPACE:
        delta_delete(&walker->delta, op->pos - (op->len - 1), op->len);
        break;
    case SHAPE_NOP:
        break;
    }
}

/* The fast path: every event was made in the very text that it is applied to. */
static void apply_as_they_are(struct walker *walker, const struct walker_piece *piece)
{
    critical_note(walker->critical, piece->first, delta_len(&walker->delta));
    for (uint64_t lv = piece->first; lv < piece->end;) {
        bool valid;
        struct op_piece op = oplog_next(walker->log, &walker->op_hint, lv, piece->end, delta_len(&walker->delta), &valid);
        if (valid)
            apply_op(walker, &op);
        lv += op.len;
    }
}

static void begin_sum(struct walker *walker, uint64_t len)
{
    delta_begin(&walker->delta, len, &walker->log->text);
    walker->summing = true;
}

/* The last block may be gone on in with the next update, so it has a tracker. */
static bool begin_list(struct walker *walker, uint64_t len)
{
    const struct walker_plan *plan = &walker->plan;
    return plan->is_short && plan->high < plan->count &&
           tracker_list_begin(&walker->list, plan->pieces[plan->low].first, plan->pieces[plan->high - 1].end, len);
}

static void begin_block(struct walker *walker, uint64_t len, bool may_list)
{
    walker_use_stand(walker, 0, 0);
    walker->listed = may_list && begin_list(walker, len);
    if (!walker->listed)
        tracker_begin(walker->tracker, walker->graph, len);
    if (walker->cut)
        walker_stands_begin(&walker->stands, walker->cut->items, walker->cut->count);
    else
        walker_stands_begin(&walker->stands, &walker->start, walker->start != LV_NONE);
    walker->kept.from = walker->kept.must = walker->start;
    walker->kept.end = 0;
}

void walker_begin_block(struct walker *walker, uint64_t len)
{
    begin_block(walker, len, false);
}

/* The way over the plan. `len`: of the text where the walk begins, unless it is warm. */
static void go(struct walker *walker, uint64_t len)
{
    const struct walker_piece *piece;
    struct walker_plan *plan = &walker->plan;
    for (enum walker_stop stop; (stop = walker_plan_go(plan, &piece)) != WALKER_END;) {
        switch (stop) {
        case WALKER_FAST:
            apply_as_they_are(walker, piece);
            break;
        case WALKER_BLOCK:
            if (plan->low > 0) {
                walker->start = plan->pieces[plan->low - 1].end - 1;
                walker->cut = NULL;
            }
            begin_block(walker, walker->summing ? delta_len(&walker->delta) : len, true);
            break;
        case WALKER_PIECE:
            walker->kept.end = walker->listed ? 0 : plan->pieces[plan->high - 1].end;
            visit(walker, piece);
            break;
        case WALKER_SUM:
            begin_sum(walker, shown(walker));
            break;
        case WALKER_END:
            break;
        }
    }
}

/* --- from where to where --- */

enum { PIECES_KEPT_MAX = 1 << 12 };

/* Memory is kept for the next walk, which is mostly a key or a few; not what loading a whole history took. */
static void let_go(struct walker *walker)
{
    delta_end(&walker->delta);
    if (walker->plan.cap > PIECES_KEPT_MAX)
        walker_plan_release(&walker->plan);
}

static struct walker_way way_of(const struct walker *walker)
{
    return (struct walker_way){walker->fast_path, walker->warm, walker->old.count == 0};
}

static void walk(struct walker *walker, uint64_t len, const struct lv_ranges *old, const struct lv_ranges *fresh,
                 const struct critical *critical, struct patch *out)
{
    walker_plan_make(&walker->plan, walker->graph, old, fresh, critical);
    walker_plan_start(&walker->plan, way_of(walker));
    walker->summing = false;
    if (old->count == 0)
        begin_sum(walker, len);
    go(walker, len);
    if (walker->summing)
        delta_patch(&walker->delta, out);
    else
        patch_clear(out);
    walker->warm = false;
    let_go(walker);
}

/* Walks everything for what it finds out on the way: lengths at critical versions, operations without effect. */
static void measure(struct walker *walker)
{
    struct patch text = {0};
    walker->start = LV_NONE;
    walker->warm = false;
    walker->old.count = walker->fresh.count = 0;
    lv_ranges_add(&walker->fresh, 0, graph_len(walker->graph));
    walk(walker, walker->base_len, &walker->old, &walker->fresh, walker->critical, &text);
    walker->kept.end = walker->kept.low_by = 0; /* nobody who is told a cost before knows what this leaves behind */
    patch_release(&text);
}

const struct critical_range *walker_set_start(struct walker *walker, uint64_t lv)
{
    const struct critical_range *range = lv == LV_NONE ? NULL : critical_find(walker->critical, lv);
    walker->start = !range ? LV_NONE : lv < range->last ? lv : range->last;
    return range;
}

bool walker_is_measured(const struct critical_range *range) /* or the text was loaded, not made */
{
    return !range || range->len_before != UINT64_MAX;
}

/* Of the text at a critical version in that range. */
static uint64_t len_at(const struct walker *walker, const struct critical_range *range, uint64_t version)
{
    return range ? range->len_before + (uint64_t)oplog_net(walker->log, range->first, version + 1) : walker->base_len;
}

uint64_t walker_len_at(const struct walker *walker, uint64_t version)
{
    return len_at(walker, version == LV_NONE ? NULL : critical_find(walker->critical, version), version);
}

/* The same, and gives the length of its text. */
static uint64_t find_start(struct walker *walker, uint64_t lv)
{
    const struct critical_range *range = walker_set_start(walker, lv);
    if (!walker_is_measured(range)) {
        measure(walker);
        range = walker_set_start(walker, lv);
    }
    return len_at(walker, range, walker->start);
}

static uint64_t event_after(uint64_t lv)
{
    return lv == LV_NONE ? 0 : lv + 1;
}

struct walker_low walker_lower(const struct walker *walker)
{
    struct walker_low low = {walker->start, 0};
    uint64_t must = event_after(walker->start);
    if (walker->kept.end == 0)
        low.by = walker->kept.low_by;
    else if (event_after(walker->kept.from) > must)
        low.by = 2 * walker->kept.low_by + 1;
    low.by = least(low.by, graph_len(walker->graph) - must);
    if (low.by >= must)
        low.from = LV_NONE;
    if (low.by == 0 || low.by >= must)
        return low;
    const struct critical_range *range = critical_find_from(walker->critical, must - 1 - low.by);
    if (range && walker_is_measured(range))
        low.from = range->first + low.by > must - 1 ? range->first : must - 1 - low.by;
    return low;
}

bool walker_is_warm(const struct walker *walker, uint64_t merged)
{
    uint64_t must = event_after(walker->start);
    return walker->kept.end > 0 && walker->kept.end <= merged && event_after(walker->kept.from) <= must &&
           must <= event_after(walker->kept.must);
}

/* What a walk from walker->start to all events goes over when the text is that of those before `merged`. */
static void plan_update(struct walker *walker, uint64_t merged)
{
    uint64_t first = walker->warm ? walker->kept.end : event_after(walker->start);
    walker->old.count = walker->fresh.count = 0;
    lv_ranges_add(&walker->old, first, merged);
    lv_ranges_add(&walker->fresh, merged, graph_len(walker->graph));
}

static uint64_t last_merged(uint64_t merged)
{
    return merged > 0 ? merged - 1 : LV_NONE;
}

/* Sets walker->start to where the tracker will begin; `len`: of the text where it must. Gives that of the text there. */
static uint64_t begin_low(struct walker *walker, uint64_t len)
{
    struct walker_low low = walker_lower(walker);
    walker->kept.low_by = low.by;
    if (low.from == walker->start)
        return len;
    walker->start = low.from;
    return walker_len_at(walker, low.from);
}

/*
 * Two branches need no tracker. But who goes on in them with another update does: it is made then, and kept. False: this is
 * not about two branches, or such an update.
 */
static bool merge_apart(struct walker *walker, uint64_t len, uint64_t merged, struct patch *out)
{
    struct apart apart = {0};
    bool again = walker->were_apart && walker->apart_from == walker->start;
    bool found = walker->fast_path && !again && apart_find(&apart, walker->graph, walker->log, walker->start, len);
    if (found) {
        walker->apart_steps += apart_merge(&apart, walker->graph, walker->log, len, merged, out);
        walker->apart_from = walker->start;
        walker->were_apart = true;
    }
    apart_release(&apart);
    return found;
}

void walker_update(struct walker *walker, uint64_t merged, struct patch *out)
{
    if (merged < graph_len(walker->graph)) /* whichever way is gone below */
        walker->turn++;
    uint64_t len = find_start(walker, last_merged(merged)), must = walker->start;
    walker->warm = walker_is_warm(walker, merged);
    if (walker->warm)
        len = tracker_shown(walker->tracker);
    else if (merge_apart(walker, len, merged, out))
        return;
    else
        len = begin_low(walker, len);
    uint64_t begins = walker->start;
    plan_update(walker, merged);
    walk(walker, len, &walker->old, &walker->fresh, walker->critical, out);
    if (begins != must && walker->kept.from == begins)
        walker->kept.must = must;
    walker_see_all(walker);
}

/* They are one run, and all there is now is before its end: so all that there was is before its beginning. */
static bool is_by_who_saw_all(const struct walker *walker, uint64_t merged)
{
    uint64_t end = graph_len(walker->graph);
    const struct lv_list *heads = graph_frontier(walker->graph);
    return merged < end && heads->count == 1 && heads->items[0] == end - 1 && graph_run_of(walker->graph, merged).end == end;
}

bool walker_update_seen(struct walker *walker, uint64_t merged, uint64_t len, struct patch *out)
{
    if (!walker->approach.on || !is_by_who_saw_all(walker, merged))
        return false;
    struct walker_piece piece = {.first = merged, .end = graph_len(walker->graph)};
    begin_sum(walker, len);
    apply_as_they_are(walker, &piece);
    delta_patch(&walker->delta, out);
    delta_end(&walker->delta);
    walker->summing = false;
    return true;
}

/* --- what it will cost --- */

static uint64_t spans_max(const struct walker *walker)
{
    uint64_t most = 1;
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++) {
        uint64_t spans = walker->stands.items[i].live ? tracker_spans_max(walker->trackers[i]) : 0;
        most = spans > most ? spans : most;
    }
    return most;
}

static uint64_t runs_in(const struct graph *graph, const struct lv_ranges *ranges)
{
    uint64_t runs = 0;
    for (size_t i = 0; i < ranges->count; i++)
        runs += graph_runs_in(graph, ranges->items[i].first, ranges->items[i].end);
    return runs;
}

/* The way over a plan for walker->old and walker->fresh, as go() will go it. */
static void count_way(struct walker *walker)
{
    walker_cost_runs(&walker->cost, runs_in(walker->graph, &walker->old) + runs_in(walker->graph, &walker->fresh));
    if (walker_cost_is_over(&walker->cost))
        return;
    walker_plan_make(&walker->plan, walker->graph, &walker->old, &walker->fresh, walker->critical);
    walker_plan_start(&walker->plan, way_of(walker));
    const struct walker_piece *piece;
    struct walker_plan *plan = &walker->plan;
    struct walker_cost *cost = &walker->cost;
    uint64_t start = walker->start;
    for (enum walker_stop stop; !walker_cost_is_over(cost) && (stop = walker_plan_go(plan, &piece)) != WALKER_END;) {
        if (stop == WALKER_FAST)
            walker_cost_fast(cost, piece);
        else if (stop == WALKER_PIECE)
            walker_cost_piece(cost, plan, piece);
        if (stop == WALKER_BLOCK) {
            start = plan->low > 0 ? plan->pieces[plan->low - 1].end - 1 : start;
            walker_cost_block(cost, &start, start != LV_NONE);
        }
    }
}

uint64_t walker_cost(struct walker *walker, uint64_t merged, uint64_t limit)
{
    walker_cost_begin(&walker->cost, walker->graph, walker->log, &walker->stands, spans_max(walker), limit);
    bool measured = walker_is_measured(walker_set_start(walker, last_merged(merged)));
    if (!measured) { /* as measure() will; what it leaves in the tracker is not counted on */
        walker->start = LV_NONE;
        walker->warm = false;
        plan_update(walker, 0);
        count_way(walker);
        walker_set_start(walker, last_merged(merged));
    }
    walker->warm = measured && walker_is_warm(walker, merged);
    if (measured && !walker->warm)
        walker->start = walker_lower(walker).from;
    plan_update(walker, merged);
    count_way(walker);
    walker->warm = false;
    let_go(walker);
    return walker->cost.steps;
}

void walker_since(struct walker *walker, const struct lv_list *version, struct patch *out)
{
    struct lv_list start = {0};
    uint64_t len = find_start(walker, version->count ? version->items[version->count - 1] : LV_NONE);
    lv_list_set(&start, &walker->start, walker->start != LV_NONE);
    graph_diff(walker->graph, version, &start, &walker->old, &walker->gone);
    graph_diff(walker->graph, graph_frontier(walker->graph), version, &walker->fresh, &walker->gone);
    lv_ranges_sort(&walker->old);
    lv_ranges_sort(&walker->fresh);
    walk(walker, len, &walker->old, &walker->fresh, walker->critical, out);
    lv_list_release(&start);
}

/* The events of walker->old in a tracker that begins at walker->start with a text of `len` bytes, or in the warm one. */
static void track(struct walker *walker, uint64_t len)
{
    walker->fresh.count = 0;
    walker_plan_make(&walker->plan, walker->graph, &walker->old, &walker->fresh, walker->critical);
    walker_plan_start(&walker->plan, (struct walker_way){.warm = walker->warm});
    walker->summing = false;
    if (walker->plan.count == 0 && !walker->warm)
        walker_begin_block(walker, len);
    walker->warm = false;
    go(walker, len);
}

/* All events that the warm tracker lacks. */
static void catch_up(struct walker *walker)
{
    walker->old.count = 0;
    lv_ranges_add(&walker->old, walker->kept.end, graph_len(walker->graph));
    walker->warm = true;
    track(walker, 0);
}

bool walker_map(struct walker *walker, const struct lv_list *version, uint64_t *positions, size_t count)
{
    find_start(walker, version->count ? version->items[version->count - 1] : LV_NONE);
    if (!walker_is_warm(walker, graph_len(walker->graph)))
        return false;
    catch_up(walker);
    prepare(walker, version->items, version->count);
    for (size_t i = 0; i < count; i++)
        positions[i] = tracker_map(walker->tracker, positions[i]);
    return true;
}

/* Where the present block begins is that version, until it is dropped. */
static void start_at(struct walker *walker, const struct lv_list *cut)
{
    walker->start = cut->count == 1 ? cut->items[0] : LV_NONE;
    walker->cut = cut->count > 1 ? cut : NULL;
}

void walker_from(struct walker *walker, const struct lv_list *cut, uint64_t len, const struct lv_list *version,
                 struct patch *out)
{
    start_at(walker, cut);
    graph_diff(walker->graph, version, cut, &walker->fresh, &walker->gone);
    ensure(walker->gone.count == 0);
    lv_ranges_sort(&walker->fresh);
    walker->old.count = 0;
    walk(walker, len, &walker->old, &walker->fresh, NULL, out);
    walker->cut = NULL;
    walker->kept.end = 0;
}

void walker_to(struct walker *walker, const struct lv_list *version, struct patch *out)
{
    const struct lv_list root = {0};
    walker_from(walker, &root, walker->base_len, version, out);
}

const struct tracker *walker_stand_at(struct walker *walker, const struct lv_list *version)
{
    prepare(walker, version->items, version->count);
    return walker->tracker;
}

const struct tracker *walker_track(struct walker *walker, uint64_t from, uint64_t *base)
{
    uint64_t len = find_start(walker, from > 0 ? from - 1 : LV_NONE);
    walker->warm = walker_is_warm(walker, graph_len(walker->graph));
    *base = walker->warm ? walker->kept.from : walker->start;
    walker->old.count = 0;
    lv_ranges_add(&walker->old, walker->warm ? walker->kept.end : event_after(walker->start), graph_len(walker->graph));
    track(walker, len);
    return walker_stand_at(walker, graph_frontier(walker->graph));
}

const struct tracker *walker_both_from(struct walker *walker, const struct lv_list *cut, uint64_t len, const struct lv_list *a,
                                       const struct lv_list *b)
{
    start_at(walker, cut);
    graph_diff(walker->graph, a, cut, &walker->old, &walker->gone);
    ensure(walker->gone.count == 0);
    graph_diff(walker->graph, b, a, &walker->fresh, &walker->gone);
    for (size_t i = 0; i < walker->fresh.count; i++)
        lv_ranges_add(&walker->old, walker->fresh.items[i].first, walker->fresh.items[i].end);
    lv_ranges_sort(&walker->old);
    track(walker, len);
    walker->cut = NULL;
    walker->kept.end = 0;
    return walker_stand_at(walker, a);
}

const struct tracker *walker_both(struct walker *walker, const struct lv_list *a, const struct lv_list *b, uint64_t *base)
{
    struct lv_list start = {0};
    uint64_t last = LV_NONE;
    if (a->count > 0 && b->count > 0)
        last = least(a->items[a->count - 1], b->items[b->count - 1]);
    uint64_t len = find_start(walker, last);
    *base = walker->start;
    lv_list_set(&start, &walker->start, walker->start != LV_NONE);
    const struct tracker *tracker = walker_both_from(walker, &start, len, a, b);
    lv_list_release(&start);
    return tracker;
}

void walker_check(struct walker *walker)
{
    delta_check(&walker->delta);
    if (walker->list.count > 0)
        tracker_list_check(&walker->list);
    if (walker->kept.end == 0)
        return;
    ensure(walker->kept.end <= graph_len(walker->graph));
    ensure(walker->kept.from == LV_NONE || walker->kept.from < walker->kept.end);
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++) {
        if (!walker->stands.items[i].live)
            continue;
        tracker_check(walker->trackers[i]);
        ensure(tracker_shown(walker->trackers[i]) == tracker_shown(walker->tracker));
    }
}
