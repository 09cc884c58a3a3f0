/*
 * graph_parts - the inside of struct graph, for the files that implement sync/graph.h; nobody else includes it.
 *
 *   graph.c         runs of events, adding, the invariants
 *   graph_agents.c  who wrote what: agents, their branches, look-ups by (agent, seq), the order of concurrent inserts
 *   graph_diff.c    walking down from versions: contains, difference
 *
 * Everything is in columns, run-length coded; what the picture of graph.h has is, 0 to 4 and 8 on being ana's, 5 to 7 ben's:
 *
 *      event                0   1   2   3   4   5   6   7   8   9
 *      runs                 first 0             first 5     first 8          parents: none; 1; 4 and 7
 *      authors              ana from seq 0      ben from 0  ana from 5
 *      ana's runs of seqs   seqs 0 to 4                     seqs 5 and 6     found by seq
 *      ben's                                    seqs 0 to 2
 */
#ifndef WEFT_SYNC_GRAPH_PARTS_H
#define WEFT_SYNC_GRAPH_PARTS_H

#include "editor/base/ensure.h"
#include "sync/agent_index.h"
#include "sync/column.h"
#include "sync/graph.h"

/* Events in a row, see struct graph_run; it ends where the next one begins. */
struct run {
    uint64_t first;
    uint64_t shadow; /* every event from here to `first` is an ancestor of the run */
    size_t parents_at;
    size_t parent_count;
};

/* Events of one agent with consecutive seqs, by LV; */
struct author_run {
    uint64_t first;
    uint64_t seq;
    size_t agent;
};

/* and of one agent, by seq. */
struct seq_run {
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

/* In which run an event is. */
static inline size_t run_index(const struct graph *graph, uint64_t lv)
{
    ensure(lv < graph->len);
    return column_find(graph->runs, sizeof *graph->runs, graph->run_count, lv, &graph->hints->run);
}

/* Notes that these events are that agent's, where its seqs are looked up. */
void graph_agent_add_seqs(struct agent *who, struct seq_run run);

#endif
