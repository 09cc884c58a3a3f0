/*
 * graph - the event graph: who wrote which event, and what its author had seen. It only ever grows.
 *
 * An event has an id (agent, seq) everywhere and a local version (LV) here: the place at which it arrived. Its parents are the
 * newest events that its author had seen. They arrive first, so LVs are a topological order. LVs never leave this machine.
 *
 *      base --- 0 - 1 - 2 - 3 - 4 ----- 8 - 9         runs      parents
 *                    \                 /               0 to 4    none: the base text
 *                     5 --- 6 --- 7 --                 5 to 7    1
 *                                                      8 to 9    4 and 7
 *
 * A run is events in a row, each the only parent of the next, whoever wrote them; parents are kept per run, authors in a
 * column of their own.
 *
 * A version is a set of LVs, ascending, none an ancestor of another: its events are those and all their ancestors. {4, 7} is
 * what the author of 8 had seen; {} is the root, the base text. The frontier is the version of all events: {9}. What a merge
 * asks is how two versions differ: of {4} and {7} one has 2 3 4, the other 5 6 7. The graph knows nothing of text or
 * operations (sync/oplog.h).
 *
 *   Invariants (the numbers are those of assets/doc/engine.md; graph_check() walks them)
 *     [1] the parents of an event are below it
 *     [2] the frontier is the events that are nobody's parent; none of them is an ancestor of another
 *     [6] runs follow each other without a gap; what is said to be an ancestor of a whole run is one
 *     [7] from an LV to its (agent, seq) and back is the same LV
 *
 *   Units      LVs and seqs count events, from 0.
 *   Ownership  opaque; graph_new(), graph_free(). Views of parents and of the frontier live until the next graph_add().
 *   Errors     none: whoever takes events from outside checks them first (sync/document.h). An agent may fork here.
 *   Bounds     columns are run-length coded; look-ups O(log runs); contains and diff visit only the runs between the
 *              versions they compare (and may visit all runs newer than the older one).
 *   Threads    one at a time, also for reading: look-ups move a hint, walks share one scratch heap.
 *   Source     Gentle & Kleppmann, "Collaborative Text Editing with Eg-walker", EuroSys 2025, section 2.2.
 */
#ifndef WEFT_SYNC_GRAPH_H
#define WEFT_SYNC_GRAPH_H

#include <stddef.h>

#include "sync/id.h"
#include "sync/lv_list.h"

struct graph;

struct graph *graph_new(void);
void graph_free(struct graph *graph);
void graph_fit(struct graph *graph); /* gives back what it has room for and does not need */

uint64_t graph_len(const struct graph *graph);  /* how many events; the next LV */
size_t graph_runs(const struct graph *graph);
const struct lv_list *graph_frontier(const struct graph *graph); /* the version of all events */

/* Agents have small numbers here, in the order they were first named. */
size_t graph_agents(const struct graph *graph);
size_t graph_agent(struct graph *graph, const struct agent_id *id); /* its number; a new one when it is unknown */
bool graph_find_agent(const struct graph *graph, const struct agent_id *id, size_t *agent);
/*
 * A branch of an agent, or of a branch of it, as an agent with a number of its own. Known is fine, also as a name without events:
 * anybody may have named it before it came. False, and nothing is changed: somebody wrote under that name, or it would leave
 * itself.
 */
bool graph_branch(struct graph *graph, const struct agent_fork *fork);
uint64_t graph_first_seq(const struct graph *graph, size_t agent); /* 0 unless it is a branch */
bool graph_fork_of(const struct graph *graph, size_t agent, struct agent_fork *fork); /* false: it is no branch */
const struct agent_id *graph_agent_id(const struct graph *graph, size_t agent);
uint64_t graph_next_seq(const struct graph *graph, size_t agent); /* above all that are here */

/* Room for so many more runs of one author each, and their parents. */
void graph_reserve(struct graph *graph, size_t runs, size_t parents);
/* Appends `len` events of an agent in a row. Parents: ascending LVs below graph_len(). Gives the LV of the first. */
uint64_t graph_add(struct graph *graph, size_t agent, uint64_t seq, uint64_t len, const uint64_t *parents,
                   size_t parent_count);

/*
 * The same for an agent who goes on after the newest event, which it wrote itself and which is the only head: nearly every key.
 * False, and nothing is changed, when it is not so.
 */
bool graph_write_on(struct graph *graph, const struct agent_id *id, uint64_t len);
/* Who may, and the event that would be the next one. False: nobody. */
bool graph_next(const struct graph *graph, struct event_id *next);

/* Events in a row: [first, end). The first has these parents, each other one the event before it. */
struct graph_run {
    uint64_t first, end;
    const uint64_t *parents;
    size_t parent_count;
};
struct graph_run graph_run_of(const struct graph *graph, uint64_t lv);
/* How many of them the events of [first, end) are in. */
size_t graph_runs_in(const struct graph *graph, uint64_t first, uint64_t end);
/* Whether a parent, one of those of a run, is not the last event of the run that it is in itself. */
bool graph_parent_is_inside(const struct graph *graph, const uint64_t *parent);

/* Whose event it is, and how many events from here on are that agent's with consecutive seqs. */
struct graph_author {
    size_t agent;
    uint64_t seq, len;
};
struct graph_author graph_author_of(const struct graph *graph, uint64_t lv);
/* The newest event of an agent, or where a branch that has none yet leaves; false: that is not here. */
bool graph_newest(const struct graph *graph, size_t agent, uint64_t *lv);
/* The LV of an agent's event, and how many LVs from there on are its next seqs. False when it is not here. What is before a
   branch's beginning is that of the branch it leaves. */
bool graph_find(const struct graph *graph, size_t agent, uint64_t seq, uint64_t *lv, uint64_t *len);
/*
 * The order of two different events between concurrent inserts: by agent id, then seq, then, where both are one agent's, by
 * what the branches are called at which their ways part. < 0: a first. It follows from the events alone.
 */
int graph_compare(const struct graph *graph, uint64_t a, uint64_t b);

/* Whether an event is in a version. */
bool graph_contains(struct graph *graph, const uint64_t *version, size_t count, uint64_t lv);
/* Whether no item of a sorted set is an ancestor of another (or there twice). */
bool graph_is_reduced(struct graph *graph, const uint64_t *version, size_t count);
/* What is only in version a and only in version b: disjoint ranges, newest first. The outputs are emptied first. */
void graph_diff(struct graph *graph, const struct lv_list *a, const struct lv_list *b, struct lv_ranges *only_a,
                struct lv_ranges *only_b);
/* The same, unless they differ by more than `limit` events, or more than so many runs would have to be looked at: then false. */
bool graph_diff_within(struct graph *graph, const struct lv_list *a, const struct lv_list *b, uint64_t limit,
                       struct lv_ranges *only_a, struct lv_ranges *only_b);
uint64_t graph_visits(const struct graph *graph); /* runs that graph_diff() looked at so far */

void graph_check(struct graph *graph); /* walks every invariant; stops the program when one is broken */

#endif
