/*
 * critical - the versions at which the whole history passes through one event, and how long the text was there.
 *
 * A version {v} is critical when every event is either v or an ancestor of it, or has v among its ancestors. A merge
 * of new events can then begin at v: nothing before it matters. Events are added in the order of LVs with reduced
 * parents, so an event whose least parent is p ends what was critical above p, and what is lost never comes back: a
 * stack of ranges.
 *
 * Two who never stop typing but hear each other now and then leave no such event. But where both went on from the same version of
 * several events, all that came before it is behind both, and is all that the LVs below tell: a *meet*. So
 *
 *      a0 a1 --+-- a4 a5 --+-- a8                     critical: none
 *            \/          \/                          meets: before 4, the version {1 3}; before 8, the version {5 7}
 *            /\          /\
 *      b2 b3 --+-- b6 b7 --+-- b9
 *
 * Merging begins at critical events alone, but a text of the past is made from either (sync/keyframes.h): a *cut* is a number of
 * events, all that come first, whose version everything else has seen.
 *
 * The text's length at v is what the walk needs to know of everything before v (the exact length of its placeholder).
 * Each range keeps the length right before its first event; the operations since give the rest.
 *
 *   Ownership  zero-initialised it is empty; critical_release().
 *   Bounds     amortised O(1) an added run; look-ups O(log ranges).
 */
#ifndef WEFT_SYNC_CRITICAL_H
#define WEFT_SYNC_CRITICAL_H

#include <stddef.h>

#include "editor/base/ensure.h"
#include "sync/graph.h"

struct critical_range {
    uint64_t first, last;
    uint64_t len_before; /* of the text, before `first`; UINT64_MAX until it is noted */
};

struct critical {
    struct critical_range *ranges;
    size_t count, cap;
    uint64_t *meets; /* ascending: the first event after the meet, which has its several events as parents */
    size_t meet_count, meet_cap;
};

void critical_release(struct critical *critical);
/* After [first, last] were added to the graph: a row of events whose first one has these parents. */
void critical_add(struct critical *critical, const struct graph *graph, uint64_t first, uint64_t last, const uint64_t *parents,
                  size_t parent_count);
/* The same for `count` events that go on after the newest one, which is critical. */
static inline void critical_go_on(struct critical *critical, uint64_t first, uint64_t count)
{
    ensure(critical->count > 0);
    struct critical_range *top = &critical->ranges[critical->count - 1];
    ensure(top->last + 1 == first);
    top->last += count;
}
/* The text had this length before `first`. Nothing happens when no range begins there. */
void critical_note(struct critical *critical, uint64_t first, uint64_t len_before);
/* The range with the newest critical version at or before lv; NULL: only the base text. */
const struct critical_range *critical_find(const struct critical *critical, uint64_t lv);
/* The range with the first critical version at or after lv; NULL: there is none. */
const struct critical_range *critical_find_from(const struct critical *critical, uint64_t lv);
/* critical_find() for who asks again and again: *hint, any number, is which one it was and is looked at first. */
const struct critical_range *critical_find_near(const struct critical *critical, uint64_t lv, size_t *hint);

/* The newest cut of at most so many events, 0 if there is no other; and the first of at least so many, UINT64_MAX: none. */
uint64_t critical_cut_upto(const struct critical *critical, uint64_t events);
uint64_t critical_cut_from(const struct critical *critical, uint64_t events);
/* The version of a cut: its heads. */
void critical_cut_version(const struct critical *critical, const struct graph *graph, uint64_t cut, struct lv_list *out);

#endif
