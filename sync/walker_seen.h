/*
 * walker_seen - what each piece of a short block has seen, as sets of bits: the moves within it without asking the graph.
 *
 * Pieces (sync/walker_plan.h) end where somebody goes on from them, so every version within a block is a union of whole pieces.
 * In a block of few pieces one bit stands for each:
 *
 *      piece       0   1   2   3 = merge of 1 and 2           seen by 3, itself included: 0 1 2 3
 *                                                             by 1: 0 1;  by 2: 0 2
 *      now at 1, next is a piece that goes on from 2:         leave {0 1} - {0 2} = {1}, enter {0 2} - {0 1} = {2}
 *
 * People who type at once make blocks of a dozen pieces, each of which is a move: the difference of two versions was a sixth of
 * what merging them took.
 *
 *   Units      pieces by their number in the block, from 0.
 *   Ownership  none: it is plain memory, 8 KiB. walker_seen_begin() makes it ready.
 *   Errors     none.
 *   Bounds     WALKER_SEEN_MAX pieces; a move looks at a word for each 64.
 */
#ifndef WEFT_SYNC_WALKER_SEEN_H
#define WEFT_SYNC_WALKER_SEEN_H

#include <stddef.h>
#include <stdint.h>

enum { WALKER_SEEN_MAX = 256, WALKER_WORD_BITS = 64, WALKER_SEEN_WORDS = WALKER_SEEN_MAX / WALKER_WORD_BITS };

struct walker_set {
    uint64_t words[WALKER_SEEN_WORDS];
};

struct walker_seen {
    size_t words; /* that are in use */
    struct walker_set now; /* what is in the prepare version */
    struct walker_set of[WALKER_SEEN_MAX];
};

/* A block of so many pieces; nothing of it is in the prepare version. */
void walker_seen_begin(struct walker_seen *seen, size_t pieces);
/* The next piece, in their order, and then each of its parents in the block. */
void walker_seen_piece(struct walker_seen *seen, size_t piece);
void walker_seen_parent(struct walker_seen *seen, size_t piece, size_t parent);
/* From what is prepared to where a piece begins; then that piece is in the prepare version too. */
void walker_seen_move(struct walker_seen *seen, size_t piece, struct walker_set *leave, struct walker_set *enter);
/* Takes the highest number out of a word of a set, which has one. */
static inline size_t walker_set_take(uint64_t *word)
{
    size_t highest = WALKER_WORD_BITS - 1 - (size_t)__builtin_clzll(*word);
    *word &= ~((uint64_t)1 << highest);
    return highest;
}

#endif
