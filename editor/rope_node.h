/*
 * rope_node - the nodes of a rope's tree and what they list: references, copies, splits and merges.
 *
 * Internal to the rope (rope_tree.h, whose invariants these are). A node is changed only by who has it alone: rope_node_own()
 * makes that so. Sums of a child stand in its parent's entry; a node does not know its own.
 *
 *   Ownership  a node owns a reference on all that it lists. rope_node_keep() and rope_node_drop() count; they may run on any
 *              thread.
 *   Bounds     O(fan-out), but drop (all that nobody else has), tidy (down along one seam) and check.
 */
#ifndef WEFT_EDITOR_ROPE_NODE_H
#define WEFT_EDITOR_ROPE_NODE_H

#include <assert.h>
#include <stdatomic.h>

#include "editor/rope_piece.h"

#ifdef WEFT_SMALL_NODES
enum { ROPE_FANOUT = 4 };
#else
enum { ROPE_FANOUT = 16 };
#endif
enum { ROPE_MERGE_MAX = ROPE_FANOUT * 3 / 4 /* less than a node holds, so that typing at a border does not flap */ };

/* An edit adds two entries to a node at most (it cuts a piece and puts one between); the node is split afterwards. */
enum { ROPE_ENTRIES_ROOM = ROPE_FANOUT + 2 };

struct rope_kid {
    struct rope_node *node;
    struct rope_sums sums;
};

/* What a node lists: pieces when it is a leaf, nodes otherwise. Moving entries about is the same for both. */
union rope_entry {
    struct rope_piece piece;
    struct rope_kid kid;
};

static_assert(sizeof(union rope_entry) == 32, "two entries a cache line");

struct rope_node {
    atomic_uint refs;
    uint16_t height; /* 0: a leaf */
    uint16_t count;
    union rope_entry entries[ROPE_ENTRIES_ROOM];
};

struct rope_node *rope_node_new(uint16_t height); /* lists nothing yet */
void rope_node_keep(struct rope_node *node);
void rope_node_drop(struct rope_node *node);
bool rope_node_is_ours(struct rope_node *node); /* nobody else has it */
/* Makes the node at *place ours alone, to be changed in place. The path above is ours already. */
struct rope_node *rope_node_own(struct rope_node **place);
struct rope_sums rope_node_sums(const struct rope_node *node);

struct rope_sums rope_entry_sums(const struct rope_node *node, size_t i);
uint64_t rope_entry_bytes(const struct rope_node *node, size_t i);
union rope_entry rope_entry_of_node(struct rope_node *node); /* whose reference it takes over */
void rope_entries_insert(struct rope_node *node, size_t i, union rope_entry entry);
void rope_entries_remove(struct rope_node *node, size_t i, size_t count); /* their references are the caller's to drop or keep */
void rope_entries_drop(struct rope_node *node, size_t i, size_t count);

/* The new right half of a node that has too many entries, else NULL. */
struct rope_node *rope_node_split(struct rope_node *node);
/* Children first .. last changed their size: they and their neighbours may now fit together. */
void rope_node_tidy(struct rope_node *node, size_t first, size_t last);
/* Child i was changed below and perhaps split in two. */
void rope_node_settle(struct rope_node *node, size_t i, struct rope_node *split);

void rope_sums_check(struct rope_sums known, struct rope_sums real);
void rope_node_check(struct rope_node *node); /* of a text that is not empty */

#endif
