#include "sync/graph.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"
#include "sync/agent_index.h"
#include "sync/column.h"

/* --- columns --- */

struct run {
    uint64_t first;
    uint64_t shadow; /* every event from here to `first` is an ancestor of the run */
    size_t parents_at;
    size_t parent_count;
};

struct author_run { /* by LV */
    uint64_t first;
    uint64_t seq;
    size_t agent;
};

struct seq_run { /* of one agent, by seq */
    uint64_t seq, len, lv;
};

enum { NO_AGENT = -1 };

struct agent {
    struct agent_id id;
    size_t from; /* a branch: what it leaves; else NO_AGENT */
    uint64_t seq0;
    struct agent_id rival; /* see struct agent_fork */
    struct seq_run *runs;
    size_t count, cap;
};

/* The runs that a walk down the graph still has to visit, newest on top. */
struct heap {
    size_t *items;
    size_t count, cap;
};

enum { SIDE_A, SIDE_B, SIDE_COUNT };

/* How far a walk has come into a run from each of two sides: the LV after the newest event there; 0: not at all. */
struct reach {
    uint64_t upto[SIDE_COUNT];
};

struct graph {
    uint64_t len;
    struct run *runs;
    size_t run_count, run_cap;
    struct lv_list parents; /* of all runs, one after another */
    size_t *parent_runs;    /* in which run each of them is */
    size_t parent_run_cap;
    struct author_run *authors;
    size_t author_count, author_cap;
    struct agent *agents;
    size_t agent_count, agent_cap;
    struct agent_index by_id;
    struct lv_list frontier;
    /* Who wrote the newest event, if it is the only head and the last of that agent's newest run; else NO_AGENT. */
    size_t tip;
    struct agent_id tip_id;
    struct seq_run *tip_run; /* that run; NULL: there is no tip */
    struct heap heap; /* scratch of walks; the runs in it are those with a reach */
    struct reach *reach;
    size_t reach_cap;
    uint64_t visits;
    struct hints *hints;
};

/* Where look-ups in the columns were last, and which agent was asked for. */
struct hints {
    size_t run, author, compared, agent;
};

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

/* --- agents --- */

size_t graph_agents(const struct graph *graph)
{
    return graph->agent_count;
}

static bool is_last_agent(const struct graph *graph, const struct agent_id *id)
{
    size_t last = graph->hints->agent;
    return last < graph->agent_count && agent_id_equal(&graph->agents[last].id, id);
}

bool graph_find_agent(const struct graph *graph, const struct agent_id *id, size_t *agent)
{
    if (!is_last_agent(graph, id) && !agent_index_find(&graph->by_id, id, &graph->hints->agent))
        return false;
    *agent = graph->hints->agent;
    return true;
}

size_t graph_agent(struct graph *graph, const struct agent_id *id)
{
    size_t agent;
    if (graph_find_agent(graph, id, &agent))
        return agent;
    agent = graph->agent_count++;
    graph->agents = xgrow(graph->agents, &graph->agent_cap, graph->agent_count, sizeof *graph->agents);
    graph->agents[agent] = (struct agent){.id = *id, .from = (size_t)NO_AGENT};
    agent_index_add(&graph->by_id, id, agent);
    return agent;
}

/* Whether the agent is that one or leaves it, directly or by others. */
static bool comes_from(const struct graph *graph, size_t agent, size_t other)
{
    while (agent != other && agent != (size_t)NO_AGENT)
        agent = graph->agents[agent].from;
    return agent == other;
}

bool graph_branch(struct graph *graph, const struct agent_fork *fork)
{
    size_t from = graph_agent(graph, &fork->from), agent = graph_agent(graph, &fork->branch);
    struct agent *branch = &graph->agents[agent];
    if (branch->from != (size_t)NO_AGENT)
        return true;
    if (branch->count > 0 || comes_from(graph, from, agent))
        return false;
    branch->from = from;
    branch->seq0 = fork->seq;
    branch->rival = fork->rival;
    return true;
}

uint64_t graph_first_seq(const struct graph *graph, size_t agent)
{
    ensure(agent < graph->agent_count);
    return graph->agents[agent].seq0;
}

bool graph_fork_of(const struct graph *graph, size_t agent, struct agent_fork *fork)
{
    ensure(agent < graph->agent_count);
    const struct agent *who = &graph->agents[agent];
    if (who->from == (size_t)NO_AGENT)
        return false;
    *fork = (struct agent_fork){who->id, graph->agents[who->from].id, who->seq0, who->rival};
    return true;
}

const struct agent_id *graph_agent_id(const struct graph *graph, size_t agent)
{
    ensure(agent < graph->agent_count);
    return &graph->agents[agent].id;
}

uint64_t graph_next_seq(const struct graph *graph, size_t agent)
{
    ensure(agent < graph->agent_count);
    const struct agent *who = &graph->agents[agent];
    return who->count ? who->runs[who->count - 1].seq + who->runs[who->count - 1].len : who->seq0;
}

bool graph_newest(const struct graph *graph, size_t agent, uint64_t *lv)
{
    const struct agent *who = &graph->agents[agent];
    if (who->count > 0) {
        *lv = who->runs[who->count - 1].lv + who->runs[who->count - 1].len - 1;
        return true;
    }
    return who->seq0 > 0 && graph_find(graph, agent, who->seq0 - 1, lv, NULL);
}

/* How many of an agent's runs begin at or before seq. */
static size_t seq_runs_upto(const struct agent *who, uint64_t seq)
{
    size_t at;
    if (who->count > 0 && who->runs[who->count - 1].seq <= seq) /* mostly it is one of the newest */
        return who->count;
    BISECT(at, who->count, who->runs[at].seq <= seq);
    return at;
}

/* In the order of seqs, which is the order of arrival unless an agent forks. */
static void agent_add_seqs(struct agent *who, struct seq_run run)
{
    size_t at = seq_runs_upto(who, run.seq);
    ensure(at == 0 || who->runs);
    struct seq_run *before = at > 0 ? who->runs + at - 1 : NULL;
    const struct seq_run *after = at < who->count ? who->runs + at : NULL;
    ensure(!before || before->seq + before->len <= run.seq);
    ensure(!after || run.seq + run.len <= after->seq);
    if (before && before->seq + before->len == run.seq && before->lv + before->len == run.lv) {
        before->len += run.len;
        return;
    }
    who->runs = xgrow(who->runs, &who->cap, who->count + 1, sizeof *who->runs);
    memmove(who->runs + at + 1, who->runs + at, (who->count - at) * sizeof *who->runs);
    who->runs[at] = run;
    who->count++;
}

bool graph_find(const struct graph *graph, size_t agent, uint64_t seq, uint64_t *lv, uint64_t *len)
{
    ensure(agent < graph->agent_count);
    const struct agent *who = &graph->agents[agent];
    while (seq < who->seq0)
        who = &graph->agents[who->from];
    size_t upto = seq_runs_upto(who, seq);
    if (upto == 0)
        return false;
    const struct seq_run *run = &who->runs[upto - 1];
    uint64_t offset = seq - run->seq;
    if (offset >= run->len)
        return false;
    *lv = run->lv + offset;
    if (len)
        *len = run->len - offset;
    return true;
}

static struct graph_author author_near(const struct graph *graph, uint64_t lv, size_t *hint)
{
    ensure(lv < graph->len);
    size_t low = column_find(graph->authors, sizeof *graph->authors, graph->author_count, lv, hint);
    const struct author_run *run = &graph->authors[low];
    uint64_t end = low + 1 < graph->author_count ? run[1].first : graph->len;
    return (struct graph_author){run->agent, run->seq + (lv - run->first), end - lv};
}

struct graph_author graph_author_of(const struct graph *graph, uint64_t lv)
{
    return author_near(graph, lv, &graph->hints->author);
}

/* --- the order of events --- */

static size_t first_branch(const struct graph *graph, size_t agent)
{
    while (graph->agents[agent].from != (size_t)NO_AGENT)
        agent = graph->agents[agent].from;
    return agent;
}

static unsigned depth_of(const struct graph *graph, size_t agent)
{
    unsigned depth = 0;
    for (; graph->agents[agent].from != (size_t)NO_AGENT; agent = graph->agents[agent].from)
        depth++;
    return depth;
}

/* Goes down to what both leave; *child is the branch by which one of them left it, NO_AGENT when it is that itself. */
static void step_down(const struct graph *graph, size_t *at, size_t *child)
{
    *child = *at;
    *at = graph->agents[*at].from;
}

/* Two branches of one agent: the names of the two ways where they part. */
static int compare_branches(const struct graph *graph, size_t left, size_t right)
{
    size_t from_left = (size_t)NO_AGENT, from_right = (size_t)NO_AGENT;
    unsigned left_depth = depth_of(graph, left), right_depth = depth_of(graph, right);
    for (; left_depth > right_depth; left_depth--)
        step_down(graph, &left, &from_left);
    for (; right_depth > left_depth; right_depth--)
        step_down(graph, &right, &from_right);
    while (left != right) {
        step_down(graph, &left, &from_left);
        step_down(graph, &right, &from_right);
    }
    const struct agent *a = from_left == (size_t)NO_AGENT ? NULL : &graph->agents[from_left];
    const struct agent *b = from_right == (size_t)NO_AGENT ? NULL : &graph->agents[from_right];
    if (a && b && a->seq0 == b->seq0)
        return agent_id_compare(&a->id, &b->id);
    bool left_first = a && (!b || a->seq0 < b->seq0); /* who leaves first parts from what the other still goes along */
    return left_first ? agent_id_compare(&a->id, &a->rival) : agent_id_compare(&b->rival, &b->id);
}

/* Where the author of an event would stand if all runs were equally long: the event need not be near the one looked for last. */
static size_t author_guess(const struct graph *graph, uint64_t lv)
{
    return (size_t)((double)lv / (double)graph->len * (double)graph->author_count);
}

int graph_compare(const struct graph *graph, uint64_t a, uint64_t b)
{
    size_t guess = author_guess(graph, b);
    struct graph_author left = author_near(graph, a, &graph->hints->compared); /* mostly the one as before */
    struct graph_author right = author_near(graph, b, &guess);
    if (left.agent != right.agent) {
        size_t one = first_branch(graph, left.agent), other = first_branch(graph, right.agent);
        if (one != other)
            return agent_id_compare(&graph->agents[one].id, &graph->agents[other].id);
        if (left.seq == right.seq)
            return compare_branches(graph, left.agent, right.agent);
    }
    return (left.seq > right.seq) - (left.seq < right.seq);
}

/* --- runs --- */

static size_t run_index(const struct graph *graph, uint64_t lv)
{
    ensure(lv < graph->len);
    return column_find(graph->runs, sizeof *graph->runs, graph->run_count, lv, &graph->hints->run);
}

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
    agent_add_seqs(&graph->agents[agent], (struct seq_run){seq, len, first});
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
