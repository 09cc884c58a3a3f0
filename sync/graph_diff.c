#include "sync/graph_parts.h"

#include <string.h>

#include "editor/base/xalloc.h"

/* --- walking down --- */

static void heap_push(struct heap *heap, size_t run)
{
    heap->items = xgrow(heap->items, &heap->cap, heap->count + 1, sizeof *heap->items);
    size_t at = heap->count++;
    for (; at > 0 && heap->items[(at - 1) / 2] < run; at = (at - 1) / 2)
        heap->items[at] = heap->items[(at - 1) / 2];
    heap->items[at] = run;
}

static size_t heap_pop(struct heap *heap)
{
    size_t top = heap->items[0], last = heap->items[--heap->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->items[child + 1] > heap->items[child])
            child++;
        if (heap->items[child] <= last)
            break;
        heap->items[at] = heap->items[child];
        at = child;
    }
    if (heap->count)
        heap->items[at] = last;
    return top;
}

static void walk_begin(struct graph *graph)
{
    size_t before = graph->reach_cap;
    graph->reach = xgrow(graph->reach, &graph->reach_cap, graph->run_count, sizeof *graph->reach);
    if (graph->reach_cap > before)
        memset(graph->reach + before, 0, (graph->reach_cap - before) * sizeof *graph->reach);
}

/* An event and its run. */
struct point {
    uint64_t lv;
    size_t run;
};

static struct point point_at(const struct graph *graph, uint64_t lv)
{
    return (struct point){lv, run_index(graph, lv)};
}

static struct point parent_of(const struct graph *graph, const struct run *run, size_t parent)
{
    size_t at = run->parents_at + parent;
    return (struct point){graph->parents.items[at], graph->parent_runs[at]};
}

/*
 * Comes to an event from a side. However many ways lead to a run, it is visited once: when many people type at once,
 * every event has many parents, and they are nearly always the same ones.
 */
static void walk_reach(struct graph *graph, struct point point, unsigned side)
{
    struct reach *reach = &graph->reach[point.run];
    if (reach->upto[SIDE_A] == 0 && reach->upto[SIDE_B] == 0)
        heap_push(&graph->heap, point.run);
    if (reach->upto[side] <= point.lv)
        reach->upto[side] = point.lv + 1;
}

/* The newest run that is left to visit. */
static const struct run *walk_next(struct graph *graph, struct reach *reach)
{
    size_t index = heap_pop(&graph->heap);
    *reach = graph->reach[index];
    graph->reach[index] = (struct reach){{0}};
    return &graph->runs[index];
}

static void walk_end(struct graph *graph)
{
    for (size_t i = 0; i < graph->heap.count; i++)
        graph->reach[graph->heap.items[i]] = (struct reach){{0}};
    graph->heap.count = 0;
}

bool graph_contains(struct graph *graph, const uint64_t *version, size_t count, uint64_t lv)
{
    bool found = false;
    walk_begin(graph);
    for (size_t i = 0; i < count; i++)
        if (version[i] >= lv)
            walk_reach(graph, point_at(graph, version[i]), SIDE_A);
    while (!found && graph->heap.count > 0) {
        struct reach reach;
        const struct run *run = walk_next(graph, &reach);
        found = run->shadow <= lv;
        for (size_t i = 0; !found && i < run->parent_count; i++) {
            struct point parent = parent_of(graph, run, i);
            if (parent.lv >= lv)
                walk_reach(graph, parent, SIDE_A);
        }
    }
    walk_end(graph);
    return found;
}

enum { HOPS_MAX = 8 };

/*
 * Two heads, mostly: whether the older one is surely not among what the newer one comes from. Goes down from run to run as long as
 * there is one way only that leads to anything as new as the older one: mostly what its author wrote meanwhile.
 */
static bool are_apart(const struct graph *graph, uint64_t older, uint64_t newer)
{
    size_t near = graph->run_count; /* it is one of the newest, mostly */
    size_t at = column_find(graph->runs, sizeof *graph->runs, graph->run_count, newer, &near);
    for (int hops = 0; hops < HOPS_MAX; hops++) {
        const struct run *run = &graph->runs[at];
        const uint64_t *parents = graph->parents.items + run->parents_at;
        size_t count = run->parent_count;
        if (run->first <= older || (count > 1 && parents[count - 2] >= older))
            return false;
        if (count == 0 || parents[count - 1] < older)
            return true;
        at = graph->parent_runs[run->parents_at + count - 1];
    }
    return false;
}

/* One walk down from all items (side A) over their ancestors (side B), to the oldest item. */
bool graph_is_reduced(struct graph *graph, const uint64_t *version, size_t count)
{
    bool reduced = true;
    if (count < 2 || (count == 2 && are_apart(graph, version[0], version[1])))
        return true;
    walk_begin(graph);
    for (size_t i = count; reduced && i > 0; i--) { /* of two in one run, the older is the newer one's ancestor */
        size_t before = graph->heap.count;
        walk_reach(graph, point_at(graph, version[i - 1]), SIDE_A);
        reduced = graph->heap.count > before;
    }
    for (size_t items = count; reduced && items > 0;) {
        struct reach reach;
        const struct run *run = walk_next(graph, &reach);
        bool has_item = reach.upto[SIDE_A] > 0;
        reduced = !has_item || reach.upto[SIDE_B] < reach.upto[SIDE_A];
        items -= has_item;
        for (size_t i = 0; items > 0 && i < run->parent_count; i++) {
            struct point parent = parent_of(graph, run, i);
            if (parent.lv >= version[0])
                walk_reach(graph, parent, SIDE_B);
        }
    }
    walk_end(graph);
    return reduced;
}

/* The state of graph_diff(): how many of the runs to visit are not reached equally far from both sides. */
struct diff {
    struct graph *graph;
    size_t open;
    uint64_t events; /* found so far that are only in one of the versions */
};

static bool is_open(const struct reach *reach)
{
    return reach->upto[SIDE_A] != reach->upto[SIDE_B];
}

static void diff_reach(struct diff *diff, struct point point, unsigned side)
{
    const struct reach *reach = &diff->graph->reach[point.run];
    diff->open -= is_open(reach);
    walk_reach(diff->graph, point, side);
    diff->open += is_open(reach);
}

/* What both sides reach equally far they also leave alike. While many type at once nearly all runs are of that kind. */
static void diff_pass(struct diff *diff, const struct run *run)
{
    for (size_t i = 0; i < run->parent_count; i++) {
        struct point parent = parent_of(diff->graph, run, i);
        struct reach *reach = &diff->graph->reach[parent.run];
        uint64_t upto = parent.lv + 1;
        if (reach->upto[SIDE_A] >= upto && reach->upto[SIDE_B] >= upto)
            continue;
        diff_reach(diff, parent, SIDE_A);
        diff_reach(diff, parent, SIDE_B);
    }
}

/* Takes the newest run: what only one side reaches there is only in that version. */
static void diff_visit(struct diff *diff, struct lv_ranges *const only[SIDE_COUNT])
{
    struct reach reach;
    const struct run *run = walk_next(diff->graph, &reach);
    if (!is_open(&reach)) {
        diff_pass(diff, run);
        return;
    }
    diff->open--;
    for (unsigned side = SIDE_A; side < SIDE_COUNT; side++) {
        uint64_t upto = reach.upto[side], other = reach.upto[SIDE_B - side];
        if (upto > other) {
            uint64_t first = other ? other : run->first;
            lv_ranges_add(only[side], first, upto);
            diff->events += upto - first;
        }
        for (size_t i = 0; upto > 0 && i < run->parent_count; i++)
            diff_reach(diff, parent_of(diff->graph, run, i), side);
    }
}

bool graph_diff_within(struct graph *graph, const struct lv_list *a, const struct lv_list *b, uint64_t limit,
                       struct lv_ranges *only_a, struct lv_ranges *only_b)
{
    struct diff diff = {.graph = graph};
    struct lv_ranges *const only[SIDE_COUNT] = {only_a, only_b};
    uint64_t runs = 0;
    only_a->count = only_b->count = 0;
    walk_begin(graph);
    for (size_t i = 0; i < a->count; i++)
        diff_reach(&diff, point_at(graph, a->items[i]), SIDE_A);
    for (size_t i = 0; i < b->count; i++)
        diff_reach(&diff, point_at(graph, b->items[i]), SIDE_B);
    for (; diff.open > 0 && runs <= limit && diff.events <= limit; runs++)
        diff_visit(&diff, only);
    walk_end(graph);
    graph->visits += runs;
    return diff.open == 0 && diff.events <= limit;
}

void graph_diff(struct graph *graph, const struct lv_list *a, const struct lv_list *b, struct lv_ranges *only_a,
                struct lv_ranges *only_b)
{
    (void)graph_diff_within(graph, a, b, UINT64_MAX, only_a, only_b);
}

uint64_t graph_visits(const struct graph *graph)
{
    return graph->visits;
}
