/*
 * critical - the versions at which the whole history passes through one event, and how long the text was there.
 *
 * A version {v} is critical when every event is either v or an ancestor of it, or has v among its ancestors. A merge
 * of new events can then begin at v: nothing before it matters. Events are added in the order of LVs with reduced
 * parents, so an event whose least parent is p ends what was critical above p, and what is lost never comes back: a
 * stack of ranges.
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
};

void critical_release(struct critical *critical);
/* After [first, last] were added to the graph: a row of events whose first one has these parents. */
void critical_add(struct critical *critical, uint64_t first, uint64_t last, const uint64_t *parents,
                  size_t parent_count, const struct lv_list *frontier);
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

#endif
