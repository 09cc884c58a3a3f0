/*
 * document_undo_plan - what taking back some events means, byte by byte. Inside of sync/document.h: for
 * sync/document_undo_steps.h alone.
 *
 * They are taken back by looking at every byte that the text has, or had since they were written. What an undo brought back
 * is a byte of its own, a copy; and that may have copies again, several when it was brought back more than once. What would be
 * there, had the events not been written, is told of each byte that they did not insert themselves:
 *
 *   it would be there   when nobody else deleted it, nor what the events brought back of it, and nobody else brought it back:
 *                       then the copy is what would be there
 *   it comes back       when it would be there, is not, and no copy that the events made is there instead
 *   what they inserted  stays when it is the one copy that is there instead of such a byte; else it goes, and so do copies that
 *                       others made of it
 *
 * A copy that an undo of what had made it has deleted again (a redo) is as good as never made.
 *
 *   Units      ids of the tracker: all that is asked of a unit is told for it and up to *len that follow, which is cut to that.
 *   Ownership  zero-initialised with document, tracker and spans, then undo_plan_collect(); undo_plan_release(). The tracker
 *              stands at all events and is not moved meanwhile.
 *   Bounds     O(n log n) for n rows that the events and all undos since then inserted or deleted, UNDO_COPIES_MAX times as many
 *              where copies overlap; look-ups are logarithmic for each copy of a row, of which there are as many as times that it
 *              was taken back and done again. No more than UNDO_LOOKS_MAX copies are looked at for a row; of what has more,
 *              nothing comes back.
 */
#ifndef WEFT_SYNC_DOCUMENT_UNDO_PLAN_H
#define WEFT_SYNC_DOCUMENT_UNDO_PLAN_H

#include "sync/document_copies.h"

/*
 * Of one unit's copies so many are looked at, in the order in which they begin: as many as there are people who bring the same
 * back at once. More are somebody's who makes them up.
 */
enum { UNDO_COPIES_MAX = 64 };

/* Copies of copies are looked at no further than that: no honest question needs as many looks. */
#ifdef WEFT_SMALL_NODES
enum { UNDO_LOOKS_MAX = 256 };
#else
enum { UNDO_LOOKS_MAX = 4096 };
#endif

/* Units [id, id + len) of the tracker that the events inserted or deleted. */
struct undo_target {
    uint64_t id, len;
    uint64_t by;         /* the event that deleted unit `id`, one of them */
    bool back;           /* and the units after it by the events before that one */
    uint32_t times;      /* how many of the events deleted each */
};

struct undo_targets {
    struct undo_target *items; /* once collected: ascending, disjoint */
    size_t count, cap;
};

struct undo_plan {
    const struct document *document;
    const struct tracker *tracker;
    const struct agent_span *spans; /* the events */
    size_t span_count;
    struct undo_targets inserted, deleted;
    struct undo_targets unmade; /* what undos of others than us deleted of what the edits that they take back had written */
    struct undo_targets copied; /* units that there are copies of, `by` the first copy; once for each copy */
    struct copies copies;
};

/* `from`: the first of the events. */
void undo_plan_collect(struct undo_plan *plan, uint64_t from);
void undo_plan_release(struct undo_plan *plan);

/* The target that holds a unit, or NULL. */
const struct undo_target *undo_find_target(const struct undo_targets *targets, uint64_t id, uint64_t *len);
/* The part of it from unit `id` up to `end`. */
struct undo_target undo_target_from(const struct undo_target *target, uint64_t id, uint64_t end);

/* Which row of the events inserted a unit; 0 also when none did: what others made of it goes for all of them. */
size_t undo_row_of(const struct undo_plan *plan, uint64_t id, uint64_t *len);

/* Whether a unit that is there stays. */
bool undo_keeps(const struct undo_plan *plan, uint64_t id, uint64_t *len);
/* Whether one that the events deleted comes back. */
bool undo_restores(const struct undo_plan *plan, uint64_t id, uint64_t *len);

#endif
