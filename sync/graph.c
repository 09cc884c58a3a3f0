#include "sync/graph_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"

struct graph *graph_new(void)
{
    struct graph *graph = xcalloc(1, sizeof *graph);
    graph->tip = (size_t)NO_AGENT;
    graph->hints = xcalloc(1, sizeof *graph->hints);
    struct lv_list *parents = &graph->parents; /* never NULL: a root's empty view points into it */
    parents->items = xgrow(NULL, &parents->cap, 1, sizeof *parents->items);
    return graph;
}

void graph_free(struct graph *graph)
{
    if (!graph)
        return;
    for (size_t i = 0; i < graph->agent_count; i++)
        free(graph->agents[i].runs);
    free(graph->agents);
    agent_index_release(&graph->by_id);
    free(graph->authors);
    free(graph->runs);
    lv_list_release(&graph->parents);
    lv_list_release(&graph->frontier);
    free(graph->heap.items);
    free(graph->reach);
    free(graph->parent_runs);
    free(graph->hints);
    free(graph);
}

static void set_tip(struct graph *graph, size_t agent)
{
    graph->tip = agent;
    graph->tip_run = NULL;
    if (agent == (size_t)NO_AGENT)
        return;
    const struct agent *who = &graph->agents[agent];
    graph->tip_id = who->id;
    graph->tip_run = &who->runs[who->count - 1];
}

void graph_fit(struct graph *graph)
{
    struct lv_list *parents = &graph->parents;
    graph->runs = xfit(graph->runs, &graph->run_cap, graph->run_count, sizeof *graph->runs);
    graph->parent_runs = xfit(graph->parent_runs, &graph->parent_run_cap, parents->count, sizeof *graph->parent_runs);
    parents->items = xfit(parents->items, &parents->cap, parents->count, sizeof *parents->items);
    graph->authors = xfit(graph->authors, &graph->author_cap, graph->author_count, sizeof *graph->authors);
    for (size_t i = 0; i < graph->agent_count; i++) {
        struct agent *agent = &graph->agents[i];
        agent->runs = xfit(agent->runs, &agent->cap, agent->count, sizeof *agent->runs);
    }
    set_tip(graph, graph->tip);
}

uint64_t graph_len(const struct graph *graph)
{
    return graph->len;
}

size_t graph_runs(const struct graph *graph)
{
    return graph->run_count;
}

const struct lv_list *graph_frontier(const struct graph *graph)
{
    return &graph->frontier;
}

/* --- runs --- */

static struct graph_run run_view(const struct graph *graph, size_t index)
{
    const struct run *run = &graph->runs[index];
    uint64_t end = index + 1 < graph->run_count ? run[1].first : graph->len;
    return (struct graph_run){run->first, end, graph->parents.items + run->parents_at, run->parent_count};
}

struct graph_run graph_run_of(const struct graph *graph, uint64_t lv)
{
    return run_view(graph, run_index(graph, lv));
}

size_t graph_runs_in(const struct graph *graph, uint64_t first, uint64_t end)
{
    if (first == end)
        return 0;
    size_t last = run_index(graph, end - 1);
    return last - run_index(graph, first) + 1;
}

bool graph_parent_is_inside(const struct graph *graph, const uint64_t *parent)
{
    size_t at = (size_t)(parent - graph->parents.items);
    ensure(at < graph->parents.count);
    size_t next = graph->parent_runs[at] + 1;
    return *parent + 1 != (next < graph->run_count ? graph->runs[next].first : graph->len);
}

/* --- adding --- */

static bool has_item(const uint64_t *items, size_t count, uint64_t lv)
{
    for (size_t i = 0; i < count; i++)
        if (items[i] == lv)
            return true;
    return false;
}

/* The shadow grows over a whole earlier run when the event just below it is a parent. */
static uint64_t shadow_of(const struct graph *graph, uint64_t first, const uint64_t *parents, size_t parent_count)
{
    uint64_t shadow = first;
    while (shadow > 0 && has_item(parents, parent_count, shadow - 1))
        shadow = graph->runs[run_index(graph, shadow - 1)].shadow;
    return shadow;
}

/* Parents are mostly in one of the newest runs, so they are looked for from there, the newest first. */
static void add_parents(struct graph *graph, uint64_t first, const uint64_t *parents, size_t count)
{
    size_t at = graph->parents.count, near = graph->run_count;
    graph->parent_runs = xgrow(graph->parent_runs, &graph->parent_run_cap, at + count, sizeof *graph->parent_runs);
    graph->parents.items = xgrow(graph->parents.items, &graph->parents.cap, at + count, sizeof *graph->parents.items);
    for (size_t i = count; i > 0; i--) {
        uint64_t lv = parents[i - 1];
        ensure(lv < first && (i == count || lv < parents[i]));
        graph->parents.items[at + i - 1] = lv;
        graph->parent_runs[at + i - 1] = column_find(graph->runs, sizeof *graph->runs, graph->run_count, lv, &near);
    }
    graph->parents.count += count;
}

static void add_run(struct graph *graph, uint64_t first, const uint64_t *parents, size_t parent_count)
{
    bool goes_on = first > 0 && parent_count == 1 && parents[0] == first - 1;
    if (goes_on)
        return;
    struct run run = {first, first, graph->parents.count, parent_count};
    if (first > 0)
        run.shadow = shadow_of(graph, first, parents, parent_count);
    add_parents(graph, first, parents, parent_count);
    graph->runs = xgrow(graph->runs, &graph->run_cap, graph->run_count + 1, sizeof *graph->runs);
    graph->runs[graph->run_count++] = run;
}

static void add_author(struct graph *graph, size_t agent, uint64_t seq, uint64_t first, uint64_t len)
{
    graph_agent_add_seqs(&graph->agents[agent], (struct seq_run){seq, len, first});
    if (graph->author_count > 0) {
        const struct author_run *last = &graph->authors[graph->author_count - 1];
        if (last->agent == agent && last->seq + (first - last->first) == seq)
            return;
    }
    graph->authors = xgrow(graph->authors, &graph->author_cap, graph->author_count + 1, sizeof *graph->authors);
    graph->authors[graph->author_count++] = (struct author_run){first, seq, agent};
}

/* There may be thousands of heads, and few of them are parents. */
static void advance_frontier(struct lv_list *frontier, const uint64_t *parents, size_t parent_count, uint64_t last)
{
    for (size_t i = 0; i < parent_count; i++) {
        size_t at;
        BISECT(at, frontier->count, frontier->items[at] < parents[i]);
        if (at == frontier->count || frontier->items[at] != parents[i])
            continue;
        frontier->count--;
        memmove(frontier->items + at, frontier->items + at + 1, (frontier->count - at) * sizeof *frontier->items);
    }
    lv_list_add(frontier, last);
}

/* Whether events go on after the newest one, which is the only head, by the agent that wrote it: nearly every key. */
static bool goes_on(const struct graph *graph, size_t agent, uint64_t seq, const uint64_t *parents, size_t parent_count)
{
    if (graph->tip != agent || parent_count != 1 || parents[0] + 1 != graph->len)
        return false;
    return graph->tip_run->seq + graph->tip_run->len == seq;
}

static size_t find_tip(const struct graph *graph, size_t agent)
{
    const struct agent *who = &graph->agents[agent];
    const struct seq_run *newest = &who->runs[who->count - 1];
    return graph->frontier.count == 1 && newest->lv + newest->len == graph->len ? agent : (size_t)NO_AGENT;
}

/* The newest events, which are of one run, become more. */
static inline void go_on(struct graph *graph, uint64_t len)
{
    graph->tip_run->len += len;
    graph->len += len;
    graph->frontier.items[0] = graph->len - 1;
}

bool graph_write_on(struct graph *graph, const struct agent_id *id, uint64_t len)
{
    if (!graph->tip_run || !agent_id_equal(&graph->tip_id, id))
        return false;
    go_on(graph, len);
    return true;
}

bool graph_next(const struct graph *graph, struct event_id *next)
{
    if (!graph->tip_run)
        return false;
    *next = (struct event_id){graph->tip_id, graph->tip_run->seq + graph->tip_run->len};
    return true;
}

void graph_reserve(struct graph *graph, size_t runs, size_t parents)
{
    struct lv_list *list = &graph->parents;
    list->items = xgrow(list->items, &list->cap, list->count + parents, sizeof *list->items);
    graph->parent_runs = xgrow(graph->parent_runs, &graph->parent_run_cap, list->count + parents, sizeof *graph->parent_runs);
    graph->runs = xgrow(graph->runs, &graph->run_cap, graph->run_count + runs, sizeof *graph->runs);
    graph->authors = xgrow(graph->authors, &graph->author_cap, graph->author_count + runs, sizeof *graph->authors);
}

uint64_t graph_add(struct graph *graph, size_t agent, uint64_t seq, uint64_t len, const uint64_t *parents,
                   size_t parent_count)
{
    uint64_t first = graph->len;
    ensure(len > 0 && agent < graph->agent_count);
    if (goes_on(graph, agent, seq, parents, parent_count)) {
        go_on(graph, len);
        return first;
    }
    add_run(graph, first, parents, parent_count);
    add_author(graph, agent, seq, first, len);
    advance_frontier(&graph->frontier, parents, parent_count, first + len - 1);
    graph->len += len;
    set_tip(graph, find_tip(graph, agent));
    return first;
}

/* --- invariants: the numbers of graph.h --- */

static void check_runs(struct graph *graph)
{
    uint64_t first = 0;
    for (size_t i = 0; i < graph->run_count; i++) {
        struct graph_run run = run_view(graph, i);
        ensure(run.first == first && run.first < run.end); /* [6] */
        ensure(graph->runs[i].shadow <= run.first);
        for (size_t p = 0; p < run.parent_count; p++)
            ensure(run.parents[p] < run.first && /* [1] */
                   run_index(graph, run.parents[p]) == graph->parent_runs[graph->runs[i].parents_at + p]);
        if (graph->runs[i].shadow < run.first)
            ensure(graph_contains(graph, run.parents, run.parent_count, graph->runs[i].shadow)); /* [6] */
        first = run.end;
    }
    ensure(first == graph->len);
}

static void check_authors(const struct graph *graph)
{
    for (uint64_t lv = 0; lv < graph->len;) {
        struct graph_author author = graph_author_of(graph, lv);
        uint64_t back, len;
        ensure(author.len > 0 && graph_find(graph, author.agent, author.seq, &back, &len) && back == lv); /* [7] */
        ensure(len >= author.len);
        lv += author.len;
    }
}

static void check_tip(const struct graph *graph)
{
    size_t tip = (size_t)NO_AGENT;
    if (graph->author_count > 0)
        tip = find_tip(graph, graph->authors[graph->author_count - 1].agent);
    ensure(graph->tip == tip && (tip == (size_t)NO_AGENT) == !graph->tip_run);
    if (!graph->tip_run)
        return;
    const struct agent *who = &graph->agents[tip];
    ensure(agent_id_equal(&graph->tip_id, &who->id) && graph->tip_run == &who->runs[who->count - 1]);
}

static void check_frontier(struct graph *graph) /* [2] */
{
    struct lv_list parents = {0}, heads = {0};
    for (size_t i = 0; i < graph->run_count; i++) {
        struct graph_run run = run_view(graph, i);
        for (size_t p = 0; p < run.parent_count; p++)
            lv_list_add(&parents, run.parents[p]);
    }
    lv_list_sort(&parents);
    for (size_t i = 0; i < graph->run_count; i++) {
        uint64_t last = run_view(graph, i).end - 1;
        if (!lv_list_has(&parents, last))
            lv_list_add(&heads, last);
    }
    ensure(lv_list_is(&graph->frontier, heads.items, heads.count));
    ensure(graph_is_reduced(graph, heads.items, heads.count));
    lv_list_release(&parents);
    lv_list_release(&heads);
}

void graph_check(struct graph *graph)
{
    check_runs(graph);
    check_authors(graph);
    check_frontier(graph);
    check_tip(graph);
    agent_index_check(&graph->by_id, graph->agent_count);
}
