/*
 * delta - many edits of a text, one after another at any place, summed up to one patch.
 *
 * The new text is a row of pieces, each a stretch of the old text or of what was inserted; edits cut pieces and take them
 * out. What a merge does to the text in a million steps comes out as one patch from the old text to the new one: old pieces
 * stand in their old order, and what is missing between two of them was deleted.
 *
 *      old text  abcdefgh      insert "xy" at 3, delete 2 at 4:   <old 0..3> <x> <old 4..8>
 *
 * Pieces stand in the leaves of a sum_tree. Each leaf remembers where it was edited last: who types goes on there. A single edit
 * is its own sum and needs no tree: most keys of others are that. Where the old text is empty, as for a whole history, it is
 * no matter which byte comes from where: then the new text itself is kept, which is quicker (sync/gap_text.h).
 *
 *   Units      bytes of the text as the edits before left it. Inserted text is named by where it begins in a text that
 *              the caller keeps (sync/oplog.h), and may add to.
 *   Ownership  zero-initialised, then delta_begin(), which keeps memory, as delta_end() does; delta_release().
 *   Errors     none; positions beyond delta_len() are bugs (ensure).
 *   Bounds     O(log pieces) an edit, linear for the patch; 16 bytes a piece. Leaves are small with WEFT_SMALL_NODES.
 */
#ifndef WEFT_SYNC_DELTA_H
#define WEFT_SYNC_DELTA_H

#include "editor/patch.h"
#include "sync/gap_text.h"

enum delta_edits { DELTA_NONE, DELTA_ONE, DELTA_MANY, DELTA_TEXT };

struct delta_edit {
    uint64_t pos, len;
    size_t text_at; /* of an insert */
    bool deletes;
};

struct delta_leaf;

struct delta {
    enum delta_edits edits;
    uint64_t old_len;
    struct delta_edit only; /* DELTA_ONE */
    struct sum_tree tree;   /* DELTA_MANY, as all that follows */
    struct delta_leaf *leaves;
    size_t leaf_cap;
    const struct buf *text;   /* which the inserts are named in */
    struct gap_text new_text; /* DELTA_TEXT: all there is */
};

void delta_release(struct delta *delta);
void delta_begin(struct delta *delta, uint64_t len, const struct buf *text);
void delta_insert(struct delta *delta, uint64_t pos, size_t text_at, uint64_t len);
void delta_delete(struct delta *delta, uint64_t pos, uint64_t len);
void delta_patch(const struct delta *delta, struct patch *out);
void delta_end(struct delta *delta); /* keeps no more memory than a few edits take */
void delta_check(struct delta *delta);

/* --- what is asked for every edit; here, so that it becomes part of it --- */

uint64_t delta_len_counted(const struct delta *delta); /* for delta_len() */
static inline uint64_t delta_len(const struct delta *delta) /* of the new text */
{
    return delta->edits == DELTA_TEXT ? delta->new_text.len : delta_len_counted(delta);
}

/*
 * Delete and insert at one place; either may be nothing. For who makes a text from nothing, edit by edit, it is all the same then
 * which of both they are. False, and nothing was done: it lies beyond the text.
 */
/* For delta_replace() */
MUST_USE bool delta_replace_any(struct delta *delta, uint64_t pos, uint64_t gone, size_t text_at, uint64_t len);
MUST_USE static inline bool delta_replace(struct delta *delta, uint64_t pos, uint64_t gone, size_t text_at, uint64_t len)
{
    return (delta->edits == DELTA_TEXT && /* and in the leaf of the edit before, so within the text */
            gap_text_replace_near(&delta->new_text, pos, gone, buf_view(delta->text), text_at, (size_t)len)) ||
           delta_replace_any(delta, pos, gone, text_at, len);
}

#endif
