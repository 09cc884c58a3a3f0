/*
 * rope_finger - where a rope was edited last, so that typing on costs no look-up.
 *
 * Internal to the rope (rope_tree.h). A finger is the piece that was edited last, and the way to it. Who types on at its end, or takes
 * back what stands there, moves `tail` and the sums of the tree: no look-up, no node that moves. What piece and nodes on the way
 * do not know yet is the tree's sums less `known`; they are told (settled) before anybody looks into the tree.
 *
 *     t h e   p i e c e . . . .
 *       ^               ^       ^
 *       start         tail    stop       how far tail may go back and on without anything else being touched
 *
 * That is so while the finger is open: nodes and piece are this tree's alone. Sharing the tree closes it (tail is NULL); it is opened
 * again when it is used next, if the other tree is gone by then. Whatever else changes the tree moves it.
 *
 *   Ownership  the tree's, with the ink that is written with; made by the first edit.
 *   Bounds     O(1), but O(height) to open it and to settle.
 */
#ifndef WEFT_EDITOR_ROPE_FINGER_H
#define WEFT_EDITOR_ROPE_FINGER_H

#include "editor/rope_node.h"
#include "editor/rope_tree.h"

enum { ROPE_FINGER_NODES = 24 };  /* no tree is so high: invariant 3 */
#define ROPE_NO_FINGER UINT64_MAX /* no text is so long */

struct rope_finger {
    uint64_t end; /* where the piece ends in the text; ROPE_NO_FINGER: it is nowhere */
    unsigned char *tail;
    const unsigned char *start, *stop; /* stop is start, in front of tail, when nothing can be written behind the piece */
    struct rope_sums known;
    struct rope_ink ink;
    struct rope_node *nodes[ROPE_FINGER_NODES]; /* by height */
    unsigned char at[ROPE_FINGER_NODES];        /* which of its entries */
};

struct rope_finger *rope_finger_of(struct rope_tree *tree); /* a new one is nowhere */
/* The way to the piece goes through that entry. */
void rope_finger_put(struct rope_finger *finger, struct rope_node *node, size_t at);
/* So much was put into the finger's leaf, which knows it. */
void rope_finger_add(struct rope_tree *tree, struct rope_sums sums);

/* Piece and nodes come to know what was done at the finger. */
void rope_finger_settle(const struct rope_tree *tree);
/* Before anything is done elsewhere in the tree, or by others to what it holds. */
void rope_finger_close(const struct rope_tree *tree);

/* Typing on. False, and nothing is changed: there is no finger, or no room. */
bool rope_finger_type(struct rope_tree *tree, uint64_t at, struct bytes text);
/* Backspacing. False: there is no finger, or nothing of the piece would be left. */
bool rope_finger_take_back(struct rope_tree *tree, uint64_t at, uint64_t len);
/* A new piece right behind the finger's, in the same leaf. False: there is no finger, or the leaf is full. */
bool rope_finger_add_piece(struct rope_tree *tree, uint64_t at, struct bytes text);

void rope_finger_check(const struct rope_tree *tree); /* settled, it is at a piece that ends where it says */

#endif
