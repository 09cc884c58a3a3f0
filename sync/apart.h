/*
 * apart - the merge of two branches that know nothing of each other, without a tracker.
 *
 * Two people were apart for a day, or one of them was offline: all events since a critical version are in two chains.
 *
 *      critical --+-- ana -- ana -- ana -- ...
 *                  \
 *                   +-- ben -- ben -- ...
 *
 * Each is replayed by itself (sync/branch_text.h): its positions are what its author saw, whatever the other one did. Then both
 * have the same bytes of the text at the beginning, deleted or not, in the same order, and what was typed stands in the gaps
 * between two of them. So the two rows are gone through side by side, and what is in either comes out in its order:
 *
 *      ana    h   a  [t] s            h: both, in both texts
 *      ben    h c a   t     !         in the last gap ana's s and ben's ! meet
 *      out    h c a  [t] s  !
 *
 * In a gap that both typed into, all of one stands in front of all of the other, in the order of the bytes that each of them
 * typed there first. That is the order of sync/tracker.h: of what was typed in the gap only that byte hangs on the byte before
 * the gap and stands before the byte behind it; for everything else its author knew a byte of the gap on the one side or the
 * other, and goes where that goes.
 *
 *   Units      local versions, bytes.
 *   Ownership  zero-initialised it is empty; apart_release().
 *   Bounds     O(n log n) for n operations; two look-ups each where a tracker needs ten, all in one tree.
 */
#ifndef WEFT_SYNC_APART_H
#define WEFT_SYNC_APART_H

#include "editor/patch.h"
#include "sync/branch_text.h"
#include "sync/oplog.h"

enum { APART_SIDES = 2 };

struct apart {
    struct lv_ranges events[APART_SIDES]; /* of each branch, parents first */
    struct branch_text text[APART_SIDES];
};

void apart_release(struct apart *apart);

/*
 * Whether the events after `start` (a critical version; LV_NONE: the root), where the text was `len` bytes long, are two such
 * branches, with enough in them to be worth it.
 */
bool apart_find(struct apart *apart, const struct graph *graph, const struct oplog *log, uint64_t start, uint64_t len);

/*
 * Of the branches that were found: the patch from the text of the events before `merged` to that of all. What it finds to be
 * invalid is noted in the log. Gives how many steps it took (walker_cost()).
 */
uint64_t apart_merge(struct apart *apart, const struct graph *graph, struct oplog *log, uint64_t len, uint64_t merged,
                     struct patch *out);

#endif
