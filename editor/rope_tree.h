/*
 * rope_tree - the copy-on-write B+-tree of pieces inside a rope.
 *
 * Internal to the rope. All leaves are equally deep. A node with one reference, below nodes with one reference, is
 * changed in place; any other is copied first, so that trees which share it never notice.
 *
 * Invariants (rope_tree_check):
 *   1  a parent's entry for a child holds the child's true sums; a piece's counts are true of its bytes
 *   2  no empty node (but the root of an empty text), none with more than ROPE_FANOUT entries
 *   3  two neighbours under one parent have more than ROPE_MERGE_MAX entries together: few nodes are nearly empty
 *   4  the root is a leaf or has two children at least
 *
 *   Threads  references are atomic: trees that share nodes may live on different threads.
 *   Bounds   O(log pieces) for everything but build (linear) and check.
 */
#ifndef WEFT_EDITOR_ROPE_TREE_H
#define WEFT_EDITOR_ROPE_TREE_H

#include "editor/rope_piece.h"

#ifdef WEFT_SMALL_NODES
enum { ROPE_FANOUT = 4 };
#else
enum { ROPE_FANOUT = 16 };
#endif
enum { ROPE_MERGE_MAX = ROPE_FANOUT * 3 / 4 /* less than a node holds, so that typing at a border does not flap */ };

struct rope_node;

/*
 * The way to the piece that text was put into last. Who types on, or takes back what was just typed, changes that piece
 * and the sums above it, and nothing else: no look-up, no node that moves. Whatever else changes the tree forgets it;
 * where a node on it has come to be shared it is of no use.
 */
enum { ROPE_FINGER_NODES = 24 };
struct rope_finger {
    uint64_t end;                               /* where the piece ends in the text; ROPE_NO_FINGER: there is none */
    struct rope_node *nodes[ROPE_FINGER_NODES]; /* by height */
    unsigned char at[ROPE_FINGER_NODES];        /* which of its entries */
};
#define ROPE_NO_FINGER UINT64_MAX

struct rope_tree {
    struct rope_node *root;
    struct rope_sums sums;
    struct rope_finger finger;
};

/* A tree of `count` pieces, whose references it takes over; 0 makes the empty text. */
struct rope_tree rope_tree_build(const struct rope_piece *pieces, size_t count);
struct rope_tree rope_tree_share(const struct rope_tree *tree);
void rope_tree_release(struct rope_tree *tree);

/* Takes over the piece's reference. */
void rope_tree_insert(struct rope_tree *tree, uint64_t at, struct rope_piece piece);
/* The same for text that is typed on where the last piece ends, in the same ink. False: it is not, and nothing has
 * happened. */
bool rope_tree_extend(struct rope_tree *tree, uint64_t at, struct rope_ink *ink, struct bytes text);
void rope_tree_delete(struct rope_tree *tree, uint64_t at, uint64_t len);

/* A piece and everything counted in front of it. Lives until the tree is next changed. */
struct rope_place {
    const struct rope_piece *piece;
    struct rope_sums before;
};

/* The piece that has unit number `unit` (from 0) of a measure: a byte, a newline, a code point. */
struct rope_place rope_tree_seek(const struct rope_tree *tree, enum rope_measure measure, uint64_t unit);

void rope_tree_check(const struct rope_tree *tree);

#endif
