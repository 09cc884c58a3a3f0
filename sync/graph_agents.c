#include "sync/graph_parts.h"

#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"

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
void graph_agent_add_seqs(struct agent *who, struct seq_run run)
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
