/*
 * walker_plan - which events a walk goes over, cut into pieces, and in which order: a pure function of the graph.
 *
 * A walk (sync/walker.h) is given two sets of events: the old ones, of which the text has the effects already, and the fresh
 * ones. The plan cuts them into pieces: events in a row that are walked together, because nobody goes on from the middle of
 * a piece, and because all of its events are old or all fresh, and all critical versions of this walk or none.
 *
 *      events     0 1 2 3 4 5 6 7 8 9        parents: of 4 it is 1, of 7 it is 3, of 9 they are 6 and 8
 *
 *                      2-3 ---- 7-8
 *                     /            \                pieces  [0 1] [2 3] [4 5 6] [7 8] [9]
 *      base --- 0-1 -+              +-- 9           critical: 0, 1 and 9; so [0 1] and [9] can be applied as they are,
 *                     \            /                and what lies between is a block, for which a tracker is needed
 *                      4-5-6 -----+
 *
 * Within a block a branch is followed to its end before the next one is begun, the lighter one first, because going from one
 * branch to another costs as much as they are long. The old pieces come first, in a pass of their own; then the fresh ones:
 *
 *      [4 5 6] [2 3] [7 8]     the lighter branch, then the other one; never   [2 3] [4 5 6] [7 8]
 *
 *   Units      local versions (LV); pieces by their index.
 *   Ownership  zero-initialised it is empty; walker_plan_release(). It keeps its memory from one plan to the next. The
 *              parents of pieces are views of the graph: events may not be added to it while a plan is in use.
 *   Errors     none.
 *   Bounds     r runs with p parents: O((r + p) log r) for the plan, and for the order of all its blocks.
 *   Source     Gentle & Kleppmann (sync/document.h), section 3.7.
 */
#ifndef WEFT_SYNC_WALKER_PLAN_H
#define WEFT_SYNC_WALKER_PLAN_H

#include <assert.h>

#include "sync/critical.h"
#include "sync/graph.h"
#include "sync/walker_seen.h"

struct walker_piece {
    uint64_t first, end;
    uint64_t critical_end;   /* while planning: its events before this one are critical versions of this walk */
    uint64_t weight;         /* of a piece of the present block: about how many events come after it */
    const uint64_t *parents; /* of its first event, in the graph; NULL: the event before it */
    uint32_t parent_count;
    uint32_t waits; /* parents of its pass not yet visited */
    uint32_t edges; /* first of the edges to its children, or none */
    bool fresh;     /* not in the old text: what it does goes out */
    bool critical;  /* all of its events are */
    bool has_child; /* while planning: its last event is somebody's parent */
};
static_assert(sizeof(struct walker_piece) == 56, "they are the most that loading a history takes for a while");

struct walker_edge;
struct walker_choice;

struct walker_plan {
    struct graph *graph;
    struct walker_piece *pieces; /* ascending */
    size_t count, cap;

    enum walker_stage { STAGE_BLOCK, STAGE_OLD, STAGE_FRESH } stage; /* of the walk, in the present block */
    bool fast_path, warm, summing;
    size_t low, high; /* the present block */
    bool is_short;    /* the present block: `seen` is what its pieces have seen */
    struct walker_seen *seen;
    uint64_t moved, visited; /* events of the present block: taken out or put back so far; come to so far */

    struct walker_edge *edges; /* of the present block */
    size_t edge_count, edge_cap;
    struct walker_choice *ready; /* a stack: what can be visited next */
    size_t ready_count, ready_cap;
    struct lv_list cuts; /* scratch */
};

void walker_plan_release(struct walker_plan *plan);

/*
 * A plan for old and fresh events; both ascending, disjoint, and with whatever of their ancestors comes after the beginning of
 * the walk. With `critical` the walk leads to all events of the graph, and what is critical then is looked up there; NULL: it
 * leads to the version of just these events, and the critical versions of that are worked out.
 */
void walker_plan_make(struct walker_plan *plan, struct graph *graph, const struct lv_ranges *old,
                      const struct lv_ranges *fresh, const struct critical *critical);

/* The version at which a piece begins; `before` is room for the one parent of a piece that goes on with its run. */
const uint64_t *walker_plan_parents(const struct walker_piece *piece, size_t *count, uint64_t *before);

/*
 * The way of a walk over its plan, stop by stop. Who walks does what each of them says; who only wants to know what that will
 * cost adds it up (sync/walker_cost.h).
 *
 *   WALKER_FAST    apply the events of a piece as they are, without a tracker
 *   WALKER_BLOCK   begin a tracker where piece plan->low begins
 *   WALKER_PIECE   bring it to the version of a piece, and apply its events
 *   WALKER_SUM     the old text is reached: what happens from here on goes out
 *   WALKER_END
 *
 * Without the fast path nothing is applied as it is. Warm: the first block goes on in the tracker that there is. In a walk that
 * has no old events the sum begins before the first stop.
 */
enum walker_stop { WALKER_FAST, WALKER_BLOCK, WALKER_PIECE, WALKER_SUM, WALKER_END };
struct walker_way {
    bool fast_path, warm, summing;
};
void walker_plan_start(struct walker_plan *plan, struct walker_way way);
enum walker_stop walker_plan_go(struct walker_plan *plan, const struct walker_piece **piece);
/*
 * How a tracker comes from the piece before, or from where the block begins, to where this one begins, newest first. Once for
 * each piece at which there was a stop. False, and so from then on to the end of the block: it is long, goes on in the warm
 * tracker, or has cost several times what is in it; then the graph has to be asked, and there may be several trackers
 * (sync/walker_stands.h).
 */
bool walker_plan_move(struct walker_plan *plan, const struct walker_piece *piece, struct lv_ranges *leave,
                      struct lv_ranges *enter);

#endif
