/*
 * The part of a walk that comes before its new events, in portions: walker_approach().
 *
 * It goes over the old events in the order of their LVs, which is that in which they came, not by a plan: so it can stop
 * anywhere, and what is written meanwhile is just what comes next. Then it goes to the version that is wanted; what is written
 * during that is put in where it shows (tracker_insert_shown()), for its author had seen everything, and to go back to there
 * would be to never arrive.
 *
 *      old events     0 1 2 ............ 97 98 99   100 101      100 and 101 are typed meanwhile
 *                     |                        |    |
 *                     tracker goes over them   |    put in where they show
 *                                 wanted <-----+
 *                                 what its author had not seen is taken out
 */
#include "sync/walker_parts.h"

#include "editor/base/least.h"

#ifdef WEFT_SMALL_NODES
enum { CHUNK = 3 };
#else
enum { CHUNK = 4096 }; /* events of a run after which it may stop */
#endif
enum {
    HEADS_MAX = 64, /* nobody names more (BATCH_PARENTS_MAX) */
    HEADS_UNKNOWN,  /* in place of their number: nobody has seen just these, as far as is known */
};

void walker_approach_release(struct approach *approach)
{
    lv_list_release(&approach->target);
    lv_list_release(&approach->heads);
    lv_ranges_release(&approach->leave);
    lv_ranges_release(&approach->enter);
}

static uint64_t spent(const struct walker *walker)
{
    const struct approach *approach = &walker->approach;
    return walker_work(walker) - approach->work + approach->ops;
}

/* --- as far as history is a line --- */

static void pass(struct walker *walker, uint64_t end)
{
    struct approach *approach = &walker->approach;
    bool valid;
    struct op_piece op = oplog_next(walker->log, &walker->op_hint, approach->at, end, approach->len, &valid);
    if (valid && op.shape == SHAPE_INSERT)
        approach->len += op.len;
    else if (valid && op.shape != SHAPE_NOP)
        approach->len -= op.len;
    approach->at += op.len;
    approach->ops++;
}

/* Up to where all events from approach->at on are critical versions of the walk; that itself: none of them is. */
static uint64_t line_end(const struct walker *walker)
{
    const struct approach *approach = &walker->approach;
    const struct critical_range *range = critical_find(walker->critical, approach->at);
    if (!range || approach->from == LV_NONE || approach->at > approach->from || approach->at > range->last)
        return approach->at;
    return least(range->last, approach->from) + 1;
}

static void pass_line(struct walker *walker, uint64_t end, uint64_t steps)
{
    struct approach *approach = &walker->approach;
    if (approach->tracking)
        approach->len = tracker_shown(walker->tracker);
    approach->tracking = false;
    critical_note(walker->critical, approach->at, approach->len); /* does nothing but where a range begins */
    while (approach->at < end && spent(walker) < steps)
        pass(walker, end);
}

/* --- going from version to version --- */

static uint64_t events_in(const struct lv_ranges *ranges)
{
    uint64_t events = 0;
    for (size_t i = 0; i < ranges->count; i++)
        events += ranges->items[i].end - ranges->items[i].first;
    return events;
}

static void copy_ranges(struct lv_ranges *to, const struct lv_ranges *from, bool backwards)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        const struct lv_range *range = &from->items[backwards ? from->count - 1 - i : i];
        lv_ranges_add(to, range->first, range->end);
    }
}

static void begin_move(struct walker *walker, const uint64_t *version, size_t count)
{
    struct approach *approach = &walker->approach;
    struct walker_move move = walker_stands_move(&walker->stands, walker->graph, version, count);
    walker_use_stand(walker, move.to, move.from);
    copy_ranges(&approach->leave, move.leave, true);
    copy_ranges(&approach->enter, move.enter, false);
    approach->stand = move.to;
    approach->moving = true;
}

static bool move_some(struct walker *walker, struct lv_ranges *ranges, int by, uint64_t steps)
{
    struct approach *approach = &walker->approach;
    while (ranges->count > 0) {
        uint64_t done = spent(walker);
        if (done >= steps)
            return false;
        struct lv_range *range = &ranges->items[ranges->count - 1];
        uint64_t first = range->first;
        bool all = tracker_move_some(walker->tracker, &range->first, range->end, by, walker->tracker->steps + (steps - done));
        approach->gone += range->first - first;
        if (all)
            ranges->count--;
    }
    return true;
}

static bool go_on_moving(struct walker *walker, uint64_t steps)
{
    struct approach *approach = &walker->approach;
    walker_use_stand(walker, approach->stand, approach->stand);
    approach->moving = !move_some(walker, &approach->leave, -1, steps) || !move_some(walker, &approach->enter, 1, steps);
    return !approach->moving;
}

/* --- the old events --- */

/* The run from approach->at on; *before is room for the one parent of what goes on with its run. */
static struct graph_run next_run(const struct walker *walker, uint64_t *before)
{
    uint64_t lv = walker->approach.at;
    struct graph_run run = graph_run_of(walker->graph, lv);
    if (lv == run.first)
        return run;
    *before = lv - 1;
    return (struct graph_run){lv, run.end, before, 1};
}

/* Some of a run, at the version where it was made: the present stand's. */
static void put_in(struct walker *walker, uint64_t end, uint64_t steps)
{
    struct approach *approach = &walker->approach;
    uint64_t first = approach->at;
    while (approach->at < end && spent(walker) < steps) {
        bool valid;
        uint64_t upto = approach->at + least(end - approach->at, CHUNK);
        struct op_piece op = oplog_next(walker->log, &walker->op_hint, approach->at, upto, tracker_len(walker->tracker), &valid);
        if (valid)
            walker_track_op(walker, &op);
        approach->at += op.len;
        approach->ops += !valid;
        walker->steps += op.len;
    }
    if (approach->at > first)
        walker_stands_add(&walker->stands, walker->stand, approach->at - 1, approach->at - first);
}

/* Whoever wrote the next events had seen all before. */
static bool has_seen_all(const struct approach *approach, const struct graph_run *run)
{
    return approach->heads.count != HEADS_UNKNOWN && lv_list_is(&approach->heads, run->parents, run->parent_count);
}

static void put_in_shown(struct walker *walker, uint64_t end, uint64_t steps)
{
    struct approach *approach = &walker->approach;
    uint64_t first = approach->at;
    while (approach->at < end && spent(walker) < steps) {
        bool valid;
        uint64_t upto = approach->at + least(end - approach->at, CHUNK);
        struct op_piece op = oplog_next(walker->log, &walker->op_hint, approach->at, upto, tracker_shown(walker->tracker),
                                        &valid);
        if (valid)
            walker_track_shown(walker, &op);
        approach->at += op.len;
        approach->ops += !valid;
        walker->steps += op.len;
    }
    walker_stands_saw(&walker->stands, approach->at - first);
}

/* After events from `first` on were put in. */
static void set_heads(struct approach *approach, uint64_t first, bool seen_all)
{
    uint64_t last = approach->at - 1;
    if (!seen_all)
        approach->heads.count = HEADS_UNKNOWN;
    else if (approach->at > first)
        lv_list_set(&approach->heads, &last, 1);
}

static void begin_tracker(struct walker *walker)
{
    struct approach *approach = &walker->approach;
    walker->start = approach->at > 0 ? approach->at - 1 : LV_NONE;
    walker_begin_block(walker, approach->len);
    if (walker->start == approach->from)
        walker->kept.must = approach->must;
    approach->tracking = true;
}

static void go_over(struct walker *walker, uint64_t steps)
{
    struct approach *approach = &walker->approach;
    uint64_t first = approach->at, end = line_end(walker), before;
    if (end > first) {
        pass_line(walker, end, steps);
        return;
    }
    if (!approach->tracking)
        begin_tracker(walker);
    struct graph_run run = next_run(walker, &before);
    bool shown = has_seen_all(approach, &run);
    if (shown && !walker_stands_are_at(&walker->stands, run.parents, run.parent_count)) {
        put_in_shown(walker, run.end, steps);
    } else {
        begin_move(walker, run.parents, run.parent_count);
        if (go_on_moving(walker, steps))
            put_in(walker, run.end, steps);
    }
    set_heads(approach, first, shown);
}

/* False: the steps are done before all old events are in. */
static bool go_over_old(struct walker *walker, uint64_t steps)
{
    struct approach *approach = &walker->approach;
    while (approach->at < graph_len(walker->graph)) {
        if (spent(walker) >= steps || (approach->moving && !go_on_moving(walker, steps)))
            return false;
        go_over(walker, steps);
    }
    return true;
}

/* --- what is written meanwhile --- */

/* False: it was written by somebody who had not seen everything. */
static bool put_in_written(struct walker *walker)
{
    struct approach *approach = &walker->approach;
    while (approach->at < graph_len(walker->graph)) {
        uint64_t first = approach->at, before;
        struct graph_run run = next_run(walker, &before);
        if (!has_seen_all(approach, &run))
            return false;
        walker_use_stand(walker, approach->stand, approach->stand);
        put_in_shown(walker, run.end, UINT64_MAX);
        set_heads(approach, first, true);
    }
    return true;
}

/* --- all of it --- */

/* As far as they are noted. */
static void know_heads(struct walker *walker)
{
    struct approach *approach = &walker->approach;
    approach->heads.count = HEADS_UNKNOWN;
    if (walker->seen_end == approach->at)
        lv_list_set(&approach->heads, walker->seen.items, walker->seen.count);
}

static void begin(struct walker *walker)
{
    struct approach *approach = &walker->approach;
    uint64_t events = graph_len(walker->graph);
    bool measured =
        walker_is_measured(walker_set_start(walker, approach->target.count > 0 ? approach->target.items[0] : LV_NONE));
    approach->must = approach->from = walker->start;
    approach->tracking = measured && walker_is_warm(walker, events);
    if (approach->tracking) {
        approach->at = walker->kept.end;
    } else if (measured) {
        struct walker_low low = walker_lower(walker);
        walker->kept.low_by = low.by;
        approach->from = low.from;
        approach->at = low.from == LV_NONE ? 0 : low.from + 1;
        approach->len = walker_len_at(walker, low.from);
    } else {
        approach->at = 0;
        approach->len = walker->base_len;
    }
    approach->moving = approach->last = false;
    approach->heads.count = HEADS_UNKNOWN;
    if (approach->tracking)
        know_heads(walker);
    approach->first = approach->at;
}

static bool is_target(const struct approach *approach, const uint64_t *version, size_t count)
{
    return lv_list_is(&approach->target, version, count);
}

static void begin_last_way(struct walker *walker)
{
    struct approach *approach = &walker->approach;
    walker_see_all(walker);
    know_heads(walker);
    begin_move(walker, approach->target.items, approach->target.count);
    approach->way = events_in(&approach->leave) + events_in(&approach->enter);
    approach->gone = 0;
    approach->last = true;
}

static bool go(struct walker *walker, uint64_t steps)
{
    struct approach *approach = &walker->approach;
    if (approach->last && !put_in_written(walker))
        begin(walker);
    if (!approach->last) {
        if (!go_over_old(walker, steps))
            return false;
        if (!approach->tracking) /* history is a line up to there */
            return true;
        begin_last_way(walker);
    }
    return !approach->moving || go_on_moving(walker, steps);
}

void walker_see_all(struct walker *walker)
{
    const struct lv_list *heads = graph_frontier(walker->graph);
    walker->seen_end = 0;
    if (heads->count > HEADS_MAX)
        return;
    lv_list_set(&walker->seen, heads->items, heads->count);
    walker->seen_end = graph_len(walker->graph);
}

bool walker_approach(struct walker *walker, const uint64_t *version, size_t count, uint64_t steps)
{
    struct approach *approach = &walker->approach;
    if (!approach->on || !is_target(approach, version, count)) {
        lv_list_set(&approach->target, version, count);
        approach->work = walker_work(walker);
        approach->ops = 0;
        begin(walker);
    } else if (approach->turn != walker->turn) {
        begin(walker); /* the trackers were used, or something was merged that may be concurrent to where they begin */
    }
    uint64_t done = spent(walker);
    walker->summing = walker->warm = walker->listed = false;
    walker->kept.end = 0; /* until it is done the trackers are of no use to anybody else */
    bool there = go(walker, steps > UINT64_MAX - done ? UINT64_MAX : done + steps);
    if (there && approach->tracking) {
        walker->kept.end = approach->at;
        walker_see_all(walker);
    }
    approach->on = !there;
    approach->turn = walker->turn;
    return there;
}

void walker_approach_stop(struct walker *walker)
{
    walker->approach.on = false;
}

uint64_t walker_approach_steps(const struct walker *walker)
{
    return walker->approach.on ? spent(walker) : 0;
}

/* Every operation has to be put in, and takes a step at least. */
uint64_t walker_approach_least(const struct walker *walker)
{
    const struct approach *approach = &walker->approach;
    uint64_t events = graph_len(walker->graph);
    return approach->on && approach->first < events ? oplog_ops(walker->log, approach->first, events) : 0;
}

unsigned walker_approach_percent(const struct walker *walker)
{
    enum { OLD = 80, ALL = 100 }; /* the last way is mostly the shorter part */
    const struct approach *approach = &walker->approach;
    uint64_t events = graph_len(walker->graph) - approach->first, done = approach->at - approach->first;
    unsigned old = events > 0 && approach->first < approach->at ? OLD : 0;
    if (!approach->on)
        return 0;
    if (!approach->last)
        return events > 0 ? (unsigned)((double)done / (double)events * OLD) : 0;
    return old + (unsigned)(approach->way > 0 ? (double)approach->gone / (double)approach->way * (ALL - old) : 0);
}
