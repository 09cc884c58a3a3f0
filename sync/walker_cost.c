#include "sync/walker_cost.h"

enum {
    SPANS_OF_OP = 6,    /* an operation may be put in in two parts, each of which cuts a span at both its ends */
    SPANS_OF_RANGE = 2, /* and so does each end of a range of events that is taken out or put back */
};

void walker_cost_release(struct walker_cost *cost)
{
    walker_stands_release(&cost->stands);
}

void walker_cost_begin(struct walker_cost *cost, struct graph *graph, const struct oplog *log,
                       const struct walker_stands *stands, uint64_t spans, uint64_t limit)
{
    cost->graph = graph;
    cost->log = log;
    cost->spans = spans;
    cost->limit = limit;
    cost->steps = 0;
    walker_stands_copy(&cost->stands, stands);
}

void walker_cost_block(struct walker_cost *cost, const uint64_t *version, size_t count)
{
    walker_stands_begin(&cost->stands, version, count);
    cost->spans = 1;
}

bool walker_cost_is_over(const struct walker_cost *cost)
{
    return cost->steps > cost->limit;
}

static void add_steps(struct walker_cost *cost, uint64_t steps)
{
    cost->steps = steps > UINT64_MAX - cost->steps ? UINT64_MAX : cost->steps + steps;
}

/* Events that are put in, taken out or put back. cost->spans has what that cuts: it may be gone over at once. */
static uint64_t steps_of(const struct walker_cost *cost, uint64_t ops, uint64_t events)
{
    return ops > events / (cost->spans + 1) ? events : ops * (cost->spans + 1);
}

static void add_ranges(struct walker_cost *cost, const struct lv_ranges *ranges)
{
    for (size_t i = 0; i < ranges->count; i++) {
        struct lv_range range = ranges->items[i];
        cost->spans += SPANS_OF_RANGE;
        add_steps(cost, steps_of(cost, oplog_ops(cost->log, range.first, range.end), range.end - range.first));
    }
}

/* In a short block there is one stand, and the graph is not asked. */
static bool move_in_block(struct walker_cost *cost, struct walker_plan *plan, const struct walker_piece *piece)
{
    if (!walker_plan_move(plan, piece, &cost->stands.leave, &cost->stands.enter))
        return false;
    add_ranges(cost, &cost->stands.leave);
    add_ranges(cost, &cost->stands.enter);
    return true;
}

static size_t move_to(struct walker_cost *cost, const uint64_t *version, size_t count)
{
    uint64_t visits = graph_visits(cost->graph);
    struct walker_move move = walker_stands_move(&cost->stands, cost->graph, version, count);
    add_ranges(cost, move.leave);
    add_ranges(cost, move.enter);
    if (move.to != move.from)
        add_steps(cost, cost->spans);
    add_steps(cost, graph_visits(cost->graph) - visits);
    return move.to;
}

void walker_cost_move(struct walker_cost *cost, const uint64_t *version, size_t count)
{
    (void)move_to(cost, version, count);
}

void walker_cost_piece(struct walker_cost *cost, struct walker_plan *plan, const struct walker_piece *piece)
{
    uint64_t before, events = piece->end - piece->first;
    size_t count;
    const uint64_t *parents = walker_plan_parents(piece, &count, &before);
    size_t stand = move_in_block(cost, plan, piece) ? 0 : move_to(cost, parents, count);
    uint64_t ops = oplog_ops(cost->log, piece->first, piece->end);
    cost->spans += SPANS_OF_OP * ops;
    add_steps(cost, steps_of(cost, ops, events));
    walker_stands_add(&cost->stands, stand, piece->end - 1, events);
}

void walker_cost_runs(struct walker_cost *cost, uint64_t runs)
{
    if (!walker_cost_is_over(cost) && runs > cost->limit - cost->steps)
        add_steps(cost, runs);
}

void walker_cost_fast(struct walker_cost *cost, const struct walker_piece *piece)
{
    add_steps(cost, oplog_ops(cost->log, piece->first, piece->end));
}
