/*
 * rope_tree - the copy-on-write B+-tree of pieces inside a rope.
 *
 * Internal to the rope. All leaves are equally deep. A node with one reference, below nodes with one reference, is
 * changed in place; any other is copied first, so that trees which share it never notice.
 *
 * What is typed on, or taken back, where the text was edited last does not go into the tree at once: a finger stays
 * there (rope_finger.h), and the piece and the sums above it are told when somebody looks, shares the tree or edits elsewhere.
 *
 * Invariants (rope_tree_check):
 *   1  a parent's entry for a child holds the child's true sums; a piece's counts are true of its bytes
 *   2  no empty node (but the root of an empty text), none with more than ROPE_FANOUT entries
 *   3  two neighbours under one parent have more than ROPE_MERGE_MAX entries together: few nodes are nearly empty
 *   4  the root is a leaf or has two children at least
 *
 *   Threads  references are atomic: trees that share nodes may live on different threads. A tree is one thread's, also
 * for looking: a look may settle what was typed. Bounds   O(1) for an edit at the finger; O(log pieces) for everything
 * else but build (linear) and check.
 */
#ifndef WEFT_EDITOR_ROPE_TREE_H
#define WEFT_EDITOR_ROPE_TREE_H

#include "editor/rope_piece.h"

struct rope_node;
struct rope_finger;

struct rope_tree {
    struct rope_node *root;
    struct rope_sums sums;      /* of the text */
    struct rope_finger *finger; /* where it was edited last (rope_finger.h); NULL: it never was */
};

/* A tree of `count` pieces, whose references it takes over; 0 makes the empty text. */
struct rope_tree rope_tree_build(const struct rope_piece *pieces, size_t count);
struct rope_tree rope_tree_share(const struct rope_tree *tree);
void rope_tree_release(struct rope_tree *tree);

/* What rope_finger_insert() could not. 1 .. ROPE_PIECE_BYTES_MAX bytes; they are copied. */
void rope_tree_insert(struct rope_tree *tree, uint64_t at, struct bytes text);
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
