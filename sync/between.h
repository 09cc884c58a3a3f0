/*
 * between - the texts of two versions as one row of bytes: which of them both have, and which only one of them.
 *
 *      from    t h e   c a t           rows    [t h e _] both   [b i g _] only `to`   [c] both   [a t] only `from`
 *      to      t h e   b i g   c
 *
 * A byte is the same in both when the same event inserted it, whatever it looks like. So rows say what was done, and not
 * what a comparison of the texts would guess.
 *
 *   Units      ids of a tracker (sync/tracker.h) that begins at the critical version `base`, or at the cut that is given.
 *   Ownership  zero-initialised it is empty; between_release(). The tracker is the walker's and lives until its next call.
 *   Bounds     what a walk over the events after `base` takes that one of the versions has; `base` is the last critical version
 *              below both. Not the age of the document.
 */
#ifndef WEFT_SYNC_BETWEEN_H
#define WEFT_SYNC_BETWEEN_H

#include "sync/walker.h"

/* Bytes with consecutive ids that one of the versions has, or both. */
struct between_row {
    uint64_t id, len;
    bool in_from, in_to;
};

struct between {
    struct between_row *items; /* in the order of the text; neighbours differ */
    size_t count, cap;
    const struct tracker *tracker; /* with the events of both versions */
    uint64_t base;                 /* LV_NONE: the root, or what was given */
};

void between_find(struct walker *walker, const struct lv_list *from, const struct lv_list *to, struct between *out);
/* The same with a tracker that begins at the version of a cut (sync/critical.h) that both have, whose text has `len` bytes. */
void between_find_from(struct walker *walker, const struct lv_list *cut, uint64_t len, const struct lv_list *from,
                       const struct lv_list *to, struct between *out);
void between_release(struct between *between);

#endif
