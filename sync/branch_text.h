/*
 * branch_text - what one branch of history, replayed alone, made of the text at its beginning: a row of pieces in text order.
 *
 * In a branch every event was made in the very text that the events before it had made, so its positions are looked up as they
 * are. What was deleted stays in the row: the other branch may have typed beside it (sync/apart.h).
 *
 *      base "hat", "c" at 0, "s" at 4, delete 1 at 1          c [h] at s          [h]: not in the text any more
 *
 * Of each piece it is known in which of two texts it is: the one of the events that were replayed as *old* ones, and that of all.
 *
 *   Units      bytes. `text_at`: where inserted bytes stand in the log's text (sync/oplog.h), which also is the order in which
 *              they came.
 *   Ownership  zero-initialised, then branch_text_begin(); branch_text_release().
 *   Errors     none; positions beyond the text are bugs (ensure).
 *   Bounds     O(log pieces) an edit and each piece that a delete touches. All bytes that ever were in it are fewer than
 *              BRANCH_TEXT_MAX.
 */
#ifndef WEFT_SYNC_BRANCH_TEXT_H
#define WEFT_SYNC_BRANCH_TEXT_H

#include <stdbool.h>

#include "sync/sum_tree.h"

#define BRANCH_TEXT_MAX ((uint64_t)1 << 31)
#define BRANCH_BASE ((uint64_t)1 << 62) /* as a place in the log's text: this and n is byte n of the base */

enum { IN_OLD = 1, IN_NEW = 2 };

struct branch_piece {
    uint64_t from; /* text_at; of the base, BRANCH_BASE and where in it */
    uint32_t len;
    uint32_t in; /* IN_* */
};

struct branch_leaf;

struct branch_text {
    struct sum_tree tree; /* one kind: bytes in the new text */
    struct branch_leaf *leaves;
    size_t leaf_cap;
    uint64_t edits; /* inserts, and pieces deleted */
};

void branch_text_release(struct branch_text *text);
void branch_text_begin(struct branch_text *text, uint64_t base_len);

uint64_t branch_text_len(const struct branch_text *text); /* of the new text */
/* `old`: whether the event that does it is one of the old ones. */
void branch_text_insert(struct branch_text *text, uint64_t pos, uint64_t text_at, uint64_t len, bool old);
void branch_text_delete(struct branch_text *text, uint64_t pos, uint64_t len, bool old);

/* Goes over the pieces, or parts of them, from the start. */
struct branch_cursor {
    const struct branch_text *text;
    uint32_t leaf, at;
    struct branch_piece piece; /* what is left of the present one; len is 0 at the end */
};
struct branch_cursor branch_cursor_of(const struct branch_text *text);
void branch_cursor_skip(struct branch_cursor *cursor, uint32_t len); /* <= piece.len */

void branch_text_check(const struct branch_text *text);

#endif
