/*
 * gap_text - a text that is written from nothing by edits at any place: its bytes, and no more.
 *
 * Whoever makes the text of a whole history needs not know which edit a byte came with. So bytes are put where they belong and
 * taken away again, in the leaves of a sum_tree, each with a gap where it was edited last:
 *
 *      [ t h e .  .  .  .  t e x t ]       low: where the gap begins; high: what comes behind it
 *
 * Edits are small and near the last one. The few bytes between two of them go over the gap in one copy of GAP_TEXT_NEAR bytes,
 * however many they are, so there is nothing to be guessed about their number; a gap is never smaller than that.
 *
 *   Units      bytes of the text as the edits before left it.
 *   Ownership  zero-initialised it is empty and ready; gap_text_release().
 *   Errors     none; places beyond its length are bugs (ensure).
 *   Bounds     O(log text + bytes of the edit) each. Leaves are small with WEFT_SMALL_NODES.
 */
#ifndef WEFT_SYNC_GAP_TEXT_H
#define WEFT_SYNC_GAP_TEXT_H

#include <string.h>

#include "editor/patch.h"
#include "sync/sum_tree.h"

enum { GAP_TEXT_NEAR = 32 };

#ifdef WEFT_SMALL_NODES
enum { GAP_TEXT_LEAF_BYTES = GAP_TEXT_NEAR + 12 };
#else
enum { GAP_TEXT_LEAF_BYTES = 8192 };
#endif

/* A leaf's bytes have a margin on either side, which a copy at its edges looks at for nothing. */
enum { GAP_TEXT_FIRST = GAP_TEXT_NEAR, GAP_TEXT_END = GAP_TEXT_NEAR + GAP_TEXT_LEAF_BYTES };

struct gap_text_leaf {
    uint32_t low, high; /* the gap is bytes[low] to bytes[high - 1] */
    unsigned char bytes[GAP_TEXT_NEAR + GAP_TEXT_LEAF_BYTES + GAP_TEXT_NEAR];
};

struct gap_text {
    uint64_t len;
    struct sum_tree tree; /* of what was in the leaves when they were left; the present one may have changed since */
    struct gap_text_leaf *leaves;
    size_t leaf_cap;
    uint32_t number; /* of the present leaf: the one that was edited last */
    uint64_t begin;  /* where it begins */
    uint64_t noted;  /* its length, as the tree has it */
};

void gap_text_release(struct gap_text *text);
void gap_text_begin(struct gap_text *text); /* empty, whatever it was */
/*
 * In place of `gone` bytes from pos on come bytes [from, from + len) of `source`. What is copied at once may look beyond
 * those, but not beyond the end of the source.
 */
void gap_text_replace_far(struct gap_text *text, uint64_t pos, uint64_t gone, struct bytes source, size_t from, size_t len);
static inline void gap_text_replace(struct gap_text *text, uint64_t pos, uint64_t gone, struct bytes source, size_t from,
                                    size_t len);
void gap_text_patch(const struct gap_text *text, struct patch *out); /* adds it to the end, as one insert */
void gap_text_check(struct gap_text *text);

/* --- what every edit asks; here, so that it becomes part of it --- */

static inline uint32_t gap_text_leaf_len(const struct gap_text_leaf *leaf)
{
    return leaf->low - GAP_TEXT_FIRST + (GAP_TEXT_END - leaf->high);
}

static inline void gap_text_copy_near(unsigned char *to, const unsigned char *from)
{
    unsigned char bytes[GAP_TEXT_NEAR];
    memcpy(bytes, from, GAP_TEXT_NEAR);
    memcpy(to, bytes, GAP_TEXT_NEAR);
}

/* Puts the gap to bytes[at], as it is or will be. Which way it goes is worked out: nobody could foresee it. */
static inline void gap_text_move_gap(struct gap_text_leaf *leaf, uint32_t at)
{
    bool down = at < leaf->low;
    uint32_t by = at - leaf->low, moved = down ? 0 - by : by; /* less than 0 is the complement */
    uint32_t from = down ? at : leaf->high, to = down ? leaf->high - moved : leaf->low;
    if (moved <= GAP_TEXT_NEAR) {
        uint32_t more = down ? GAP_TEXT_NEAR - moved : 0; /* is copied too, and comes to lie in the gap */
        gap_text_copy_near(leaf->bytes + to - more, leaf->bytes + from - more);
    } else {
        memmove(leaf->bytes + to, leaf->bytes + from, moved);
    }
    leaf->low += by;
    leaf->high += by;
}

/* What is to go comes to lie at the gap; from where it is, the gap goes no farther than that takes. */
static inline void gap_text_take(struct gap_text_leaf *leaf, uint32_t first, uint32_t gone)
{
    uint32_t end = first + gone, at = leaf->low > first ? leaf->low : first;
    at = at < end ? at : end;
    gap_text_move_gap(leaf, at);
    leaf->low = first;
    leaf->high += end - at;
}

/* Few bytes in the leaf of the last edit: whether some go or some come makes no difference. */
static inline void gap_text_replace(struct gap_text *text, uint64_t pos, uint64_t gone, struct bytes source, size_t from,
                                    size_t len)
{
    struct gap_text_leaf *leaf = &text->leaves[text->number];
    uint64_t first = pos - text->begin, leaf_len = gap_text_leaf_len(leaf); /* less than 0 is much more */
    bool near = first <= leaf_len && gone <= leaf_len - first && leaf->high - leaf->low >= 2 * GAP_TEXT_NEAR;
    if (!near || len > GAP_TEXT_NEAR || from > source.len || source.len - from < GAP_TEXT_NEAR) {
        gap_text_replace_far(text, pos, gone, source, from, len);
        return;
    }
    gap_text_take(leaf, GAP_TEXT_FIRST + (uint32_t)first, (uint32_t)gone);
    gap_text_copy_near(leaf->bytes + leaf->low, source.data + from);
    leaf->low += (uint32_t)len;
    text->len += len - gone;
}

#endif
