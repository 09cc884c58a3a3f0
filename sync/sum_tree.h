/*
 * sum_tree - the nodes of a B+-tree: the order of numbered leaves, and sums of what they hold.
 *
 * What is in a leaf is its owner's business (sync/spans.h, sync/delta.h), who tells the tree how much of each kind that is. The
 * tree finds the leaf that holds unit n of a kind, and says how much stands before a leaf.
 *
 *            [12 10 3 | 7 7 1]        sums of each child, one for each kind
 *             /             \
 *          leaf 0          leaf 1     leaves in their order, which is not that of their numbers
 *
 * Who edits stays at one place for a while. So the leaf that was asked for last is remembered with what stands before it,
 * and what changed in a leaf is told to the nodes above only when another leaf changes or when their sums are read.
 *
 *   Units      as the owner counts.
 *   Ownership  zero-initialised it is empty; sum_tree_reset() makes it ready in O(1) and keeps the memory; sum_tree_release().
 *              Leaves are numbered from 0 in the order in which they came to be.
 *   Errors     none; a leaf that is not there or a unit beyond the total is a bug (ensure).
 *   Bounds     O(log leaves) each; in the leaf of the last look-up, O(1). Fan-out is 4 with WEFT_SMALL_NODES.
 *   Threads    one at a time, also for reading: look-ups move what is remembered.
 */
#ifndef WEFT_SYNC_SUM_TREE_H
#define WEFT_SYNC_SUM_TREE_H

#include <stddef.h>
#include <stdint.h>

#ifdef WEFT_SMALL_NODES
enum { SUM_TREE_FAN = 4 };
#else
enum { SUM_TREE_FAN = 16 };
#endif

enum { SUM_TREE_KINDS = 3 };

#define SUM_TREE_NONE UINT32_MAX /* no leaf */

struct sums {
    uint64_t of[SUM_TREE_KINDS];
};

static inline void sums_add(struct sums *sums, const struct sums *more)
{
    for (unsigned kind = 0; kind < SUM_TREE_KINDS; kind++)
        sums->of[kind] += more->of[kind];
}

static inline void sums_subtract(struct sums *sums, const struct sums *less)
{
    for (unsigned kind = 0; kind < SUM_TREE_KINDS; kind++)
        sums->of[kind] -= less->of[kind];
}

struct sum_leaf;
struct sum_node;

/* Where the last look-up was, and the last change: what comes next is mostly there too. */
struct sum_near {
    uint32_t leaf; /* SUM_TREE_NONE: nowhere */
    struct sums before, inside;
    uint32_t changed;    /* a leaf; SUM_TREE_NONE: none */
    struct sums changes; /* of it, which no node above knows yet */
};

struct sum_tree {
    struct sum_leaf *leaves;
    struct sum_node *nodes;
    size_t leaf_cap, node_cap;
    uint32_t leaf_count, node_count;
    uint32_t root; /* a leaf while depth is 0 */
    uint32_t depth;
    unsigned kinds; /* those after are 0 everywhere */
    struct sums total;
    struct sum_near *near;
};

void sum_tree_release(struct sum_tree *tree);
void sum_tree_reset(struct sum_tree *tree, unsigned kinds); /* one leaf, 0, which holds nothing */
void sum_tree_copy(struct sum_tree *to, const struct sum_tree *from);

uint32_t sum_tree_first(const struct sum_tree *tree);
uint32_t sum_tree_next(const struct sum_tree *tree, uint32_t leaf);
/* The next one after a leaf that holds something of a kind. */
uint32_t sum_tree_next_with(const struct sum_tree *tree, unsigned kind, uint32_t leaf);
/* The one before, and the last of all. SUM_TREE_NONE: there is none. */
uint32_t sum_tree_previous(const struct sum_tree *tree, uint32_t leaf);
uint32_t sum_tree_last(const struct sum_tree *tree);
/* The last leaf below the node that is `level` above a leaf; level <= depth. */
uint32_t sum_tree_last_below(const struct sum_tree *tree, uint32_t leaf, uint32_t level);
/* Of that node, `level` > 0: which of its children holds the leaf, how many it has, and the last leaf below one of them. */
uint32_t sum_tree_slot(const struct sum_tree *tree, uint32_t leaf, uint32_t level);
uint32_t sum_tree_children(const struct sum_tree *tree, uint32_t leaf, uint32_t level);
uint32_t sum_tree_last_of_child(const struct sum_tree *tree, uint32_t leaf, uint32_t level, uint32_t slot);
/* < 0: a stands before b. */
int sum_tree_compare(const struct sum_tree *tree, uint32_t a, uint32_t b);

uint64_t sum_tree_before(const struct sum_tree *tree, unsigned kind, uint32_t leaf);

/* A new leaf right behind this one takes so much from it. */
uint32_t sum_tree_split(struct sum_tree *tree, uint32_t leaf, const struct sums *moved);

/* Checks the nodes against what the owner says is in each leaf. */
void sum_tree_check(const struct sum_tree *tree, struct sums (*leaf_sums)(const void *self, uint32_t leaf), const void *self);

/* --- what every edit asks; here, so that it becomes part of it --- */

void sum_tree_descend(const struct sum_tree *tree, unsigned kind, uint64_t pos); /* for sum_tree_find() */
void sum_tree_turn_to(struct sum_tree *tree, uint32_t leaf);                     /* for sum_tree_add() */

/* The leaf that holds unit number `pos` of a kind; *inside is its number in the leaf. pos < the total. */
static inline uint32_t sum_tree_find(const struct sum_tree *tree, unsigned kind, uint64_t pos, uint64_t *inside)
{
    const struct sum_near *near = tree->near;
    if (near->leaf == SUM_TREE_NONE || pos - near->before.of[kind] >= near->inside.of[kind]) /* less than 0 is much more */
        sum_tree_descend(tree, kind, pos);
    *inside = pos - near->before.of[kind];
    return near->leaf;
}

/* A leaf holds so much more of a kind; of what becomes less, the complement. */
static inline void sum_tree_add_kind(struct sum_tree *tree, uint32_t leaf, unsigned kind, uint64_t more)
{
    struct sum_near *near = tree->near;
    if (near->leaf != leaf || near->changed != leaf)
        sum_tree_turn_to(tree, leaf);
    tree->total.of[kind] += more;
    near->inside.of[kind] += more; /* of nobody when near->leaf is none */
    near->changes.of[kind] += more;
}

static inline void sum_tree_add(struct sum_tree *tree, uint32_t leaf, const struct sums *more)
{
    struct sum_near *near = tree->near;
    if (near->leaf != leaf || near->changed != leaf)
        sum_tree_turn_to(tree, leaf);
    sums_add(&tree->total, more);
    sums_add(&near->inside, more);
    sums_add(&near->changes, more);
}

#endif
