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
 *   Errors     none; places beyond gap_text_len() are bugs (ensure).
 *   Bounds     O(log text + bytes of the edit) each. Leaves are small with WEFT_SMALL_NODES.
 */
#ifndef WEFT_SYNC_GAP_TEXT_H
#define WEFT_SYNC_GAP_TEXT_H

#include "editor/patch.h"
#include "sync/sum_tree.h"

enum { GAP_TEXT_NEAR = 32 };

struct gap_text_leaf;

struct gap_text {
    struct sum_tree tree;
    struct gap_text_leaf *leaves;
    size_t leaf_cap;
};

void gap_text_release(struct gap_text *text);
void gap_text_begin(struct gap_text *text); /* empty, whatever it was */
uint64_t gap_text_len(const struct gap_text *text);
/* Bytes [from, from + len) of `source`, which what is copied at once may look beyond, but not beyond its end. */
void gap_text_insert(struct gap_text *text, uint64_t pos, struct bytes source, size_t from, size_t len);
void gap_text_delete(struct gap_text *text, uint64_t pos, uint64_t len);
void gap_text_patch(const struct gap_text *text, struct patch *out); /* adds it to the end, as one insert */
void gap_text_check(const struct gap_text *text);

#endif
