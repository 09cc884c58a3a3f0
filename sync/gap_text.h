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

#include <stddef.h>
#include <string.h>

#include "editor/patch.h"
#include "sync/sum_tree.h"

enum { GAP_TEXT_NEAR = 32 };

#ifdef WEFT_SMALL_NODES
enum { GAP_TEXT_LEAF_BYTES = 3 * GAP_TEXT_NEAR + 12, GAP_TEXT_FAR = 2 * GAP_TEXT_NEAR };
#else
enum { GAP_TEXT_LEAF_BYTES = 8192, GAP_TEXT_FAR = 256 };
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
    struct gap_text_leaf *present;
    uint64_t begin; /* where it begins */
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
    return GAP_TEXT_LEAF_BYTES - (leaf->high - leaf->low);
}

/* In two registers of 16 bytes, both read before either is written. */
static inline void gap_text_copy_near(unsigned char *to, const unsigned char *from)
{
    unsigned char first[GAP_TEXT_NEAR / 2], second[GAP_TEXT_NEAR / 2];
    memcpy(first, from, sizeof first);
    memcpy(second, from + sizeof first, sizeof second);
    memcpy(to, first, sizeof first);
    memcpy(to + sizeof first, second, sizeof second);
}

/* What lies between goes over the gap at once. For gap_text_take() */
void gap_text_move_far(struct gap_text_leaf *leaf, uint32_t first, uint32_t end);

/*
 * Takes bytes[first] to bytes[end - 1] out, as they are or will be: they come to lie at the gap, which goes no farther than
 * it must.
 * Which way it goes is worked out, nobody could foresee it. What lies between goes over it in parts of GAP_TEXT_NEAR bytes, those
 * next to the gap first, so no part is overwritten before it was copied; the last one takes more than it must along, which comes
 * to lie in the gap.
 */
static inline void gap_text_take(struct gap_text_leaf *leaf, uint32_t first, uint32_t end)
{
    uint32_t low = leaf->low, high = leaf->high;
    int32_t up = (int32_t)(first - low), down = (int32_t)(low - end), by = up > down ? up : down;
    uint32_t goes_down = down > 0 ? UINT32_MAX : 0; /* all bits */
    uint32_t other = (low ^ high) & goes_down, back = GAP_TEXT_NEAR & goes_down;
    const unsigned char *from = leaf->bytes + ((high ^ other) - back);
    unsigned char *to = leaf->bytes + ((low ^ other) - back);
    gap_text_copy_near(to, from);
    if (by > GAP_TEXT_FAR)
        gap_text_move_far(leaf, first, end);
    for (int32_t step = GAP_TEXT_NEAR - 2 * (int32_t)back; by > GAP_TEXT_NEAR && by <= GAP_TEXT_FAR; by -= GAP_TEXT_NEAR)
        gap_text_copy_near(to += step, from += step);
    leaf->low = first;
    leaf->high = high + (end - low);
}

/*
 * The same as gap_text_replace() for few bytes in the leaf of the last edit: whether some go or some come makes no difference.
 * False, and nothing was done: they are not.
 */
static inline bool gap_text_replace_near(struct gap_text *text, uint64_t pos, uint64_t gone, struct bytes source, size_t from,
                                         size_t len)
{
    struct gap_text_leaf *leaf = text->present;
    uint64_t first = pos - text->begin; /* less than 0 is much more */
    uint32_t gap = leaf->high - leaf->low, leaf_len = GAP_TEXT_LEAF_BYTES - gap;
    if (first > leaf_len || gone > leaf_len - first || gap < 2 * GAP_TEXT_NEAR || len > GAP_TEXT_NEAR || from > source.len ||
        source.len - from < GAP_TEXT_NEAR)
        return false;
    uint32_t at = GAP_TEXT_FIRST + (uint32_t)first;
    gap_text_take(leaf, at, at + (uint32_t)gone);
    gap_text_copy_near(leaf->bytes + at, source.data + from);
    leaf->low = at + (uint32_t)len;
    text->len += len - gone;
    return true;
}

static inline void gap_text_replace(struct gap_text *text, uint64_t pos, uint64_t gone, struct bytes source, size_t from,
                                    size_t len)
{
    if (!gap_text_replace_near(text, pos, gone, source, from, len))
        gap_text_replace_far(text, pos, gone, source, from, len);
}

#endif
