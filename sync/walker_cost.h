/*
 * walker_cost - what a walk will do at most, told from its plan before it runs.
 *
 * What a walk costs is how many spans it puts into its trackers, takes out of the prepare version and puts back. Which events
 * those are follows from the plan and from where the trackers stand (sync/walker_plan.h, sync/walker_stands.h), so both are gone
 * through here as the walk will, with a copy of the stands and without a tracker. How many spans the events lie in is not known
 * before; but no more than there are events, and for each operation no more than there are spans in all, with what may be cut
 * right before it in the same move or piece.
 *
 *      estimate  =  sum over all moves and pieces of   min(events, operations x spans)   >=   what the walk does   [23]
 *
 * It is far more than what will be done where long runs were cut into many pieces, and close to it where people type.
 *
 *   Units      steps: a span that is put in, taken out or put back. A step takes about 100 ns, some of them a microsecond.
 *   Ownership  zero-initialised it is empty; walker_cost_release().
 *   Errors     none.
 *   Bounds     counting ends soon after `limit`, so it costs no more than that either: runs of the graph that had to be looked at
 *              are counted too, and a way over more runs than that is not even planned.
 */
#ifndef WEFT_SYNC_WALKER_COST_H
#define WEFT_SYNC_WALKER_COST_H

#include "sync/oplog.h"
#include "sync/walker_plan.h"
#include "sync/walker_stands.h"

struct walker_cost {
    struct graph *graph;
    const struct oplog *log;
    struct walker_stands stands; /* as they will stand */
    uint64_t spans;              /* at most, in a tracker */
    uint64_t steps, limit;
};

void walker_cost_release(struct walker_cost *cost);
/* With trackers that stand like this and hold at most so many spans. */
void walker_cost_begin(struct walker_cost *cost, struct graph *graph, const struct oplog *log,
                       const struct walker_stands *stands, uint64_t spans, uint64_t limit);
/* The next block has a tracker of its own, which begins at a version. */
void walker_cost_block(struct walker_cost *cost, const uint64_t *version, size_t count);
/* To a version, without applying anything there. */
void walker_cost_move(struct walker_cost *cost, const uint64_t *version, size_t count);
void walker_cost_piece(struct walker_cost *cost, struct walker_plan *plan, const struct walker_piece *piece);
/* Before a way over so many runs of the graph is planned: each is a step at least, so it may be over already. */
void walker_cost_runs(struct walker_cost *cost, uint64_t runs);
/* Events that are applied as they are. */
void walker_cost_fast(struct walker_cost *cost, const struct walker_piece *piece);
bool walker_cost_is_over(const struct walker_cost *cost); /* more than the limit already */

#endif
