#include "sync/sum_tree.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"

#define NONE SUM_TREE_NONE

struct sum_leaf {
    uint32_t parent, slot; /* which of the parent's children it is */
    uint32_t next;
};

struct sum_node {
    uint32_t count;
    uint32_t parent, slot;
    uint32_t level; /* 1: the children are leaves */
    uint32_t child[SUM_TREE_FAN];
    uint64_t sums[SUM_TREE_KINDS][SUM_TREE_FAN];
};

/* --- life --- */

void sum_tree_release(struct sum_tree *tree)
{
    free(tree->leaves);
    free(tree->nodes);
    free(tree->near);
    *tree = (struct sum_tree){0};
}

static uint32_t add_leaf(struct sum_tree *tree)
{
    ensure(tree->leaf_count < NONE);
    tree->leaves = xgrow(tree->leaves, &tree->leaf_cap, (size_t)tree->leaf_count + 1, sizeof *tree->leaves);
    tree->leaves[tree->leaf_count] = (struct sum_leaf){NONE, 0, NONE};
    return tree->leaf_count++;
}

static uint32_t add_node(struct sum_tree *tree, uint32_t level)
{
    ensure(tree->node_count < NONE);
    tree->nodes = xgrow(tree->nodes, &tree->node_cap, (size_t)tree->node_count + 1, sizeof *tree->nodes);
    struct sum_node *node = &tree->nodes[tree->node_count];
    node->count = 0;
    node->parent = NONE;
    node->slot = 0;
    node->level = level;
    return tree->node_count++;
}

void sum_tree_reset(struct sum_tree *tree, unsigned kinds)
{
    ensure(kinds > 0 && kinds <= SUM_TREE_KINDS);
    tree->leaf_count = tree->node_count = 0;
    tree->depth = 0;
    tree->kinds = kinds;
    tree->total = (struct sums){{0}};
    tree->root = add_leaf(tree);
    if (!tree->near)
        tree->near = xcalloc(1, sizeof *tree->near);
    tree->near->leaf = tree->near->changed = NONE;
}

void sum_tree_copy(struct sum_tree *to, const struct sum_tree *from)
{
    sum_tree_reset(to, from->kinds);
    to->leaves = xgrow_copy(to->leaves, &to->leaf_cap, from->leaves, from->leaf_count, sizeof *to->leaves);
    to->nodes = xgrow_copy(to->nodes, &to->node_cap, from->nodes, from->node_count, sizeof *to->nodes);
    to->leaf_count = from->leaf_count;
    to->node_count = from->node_count;
    to->root = from->root;
    to->depth = from->depth;
    to->total = from->total;
    *to->near = *from->near;
}

/* --- sums --- */

/* Tells all nodes above what changed in a leaf; comes before any of their sums is read. */
static void settle(const struct sum_tree *tree)
{
    struct sum_near *near = tree->near;
    if (near->changed == NONE)
        return;
    uint32_t slot = tree->leaves[near->changed].slot;
    for (uint32_t up = tree->leaves[near->changed].parent; up != NONE;) {
        struct sum_node *node = &tree->nodes[up];
        for (unsigned kind = 0; kind < tree->kinds; kind++)
            node->sums[kind][slot] += near->changes.of[kind];
        slot = node->slot;
        up = node->parent;
    }
    near->changed = NONE;
}

void sum_tree_turn_to(struct sum_tree *tree, uint32_t leaf)
{
    struct sum_near *near = tree->near;
    if (near->leaf != leaf)
        near->leaf = NONE; /* what stands before it may be something else then */
    if (near->changed == leaf)
        return;
    settle(tree);
    near->changed = leaf;
    near->changes = (struct sums){{0}};
}

static struct sums node_sums(const struct sum_tree *tree, const struct sum_node *node)
{
    struct sums sums = {{0}};
    for (unsigned kind = 0; kind < tree->kinds; kind++)
        for (uint32_t slot = 0; slot < node->count; slot++)
            sums.of[kind] += node->sums[kind][slot];
    return sums;
}

/* --- finding --- */

static uint32_t first_below(const struct sum_tree *tree, uint32_t number, uint32_t level)
{
    for (; level > 0; level--)
        number = tree->nodes[number].child[0];
    return number;
}

uint32_t sum_tree_first(const struct sum_tree *tree)
{
    return first_below(tree, tree->root, tree->depth);
}

uint32_t sum_tree_next(const struct sum_tree *tree, uint32_t leaf)
{
    return tree->leaves[leaf].next;
}

static uint32_t last_below(const struct sum_tree *tree, uint32_t number, uint32_t level)
{
    for (; level > 0; level--)
        number = tree->nodes[number].child[tree->nodes[number].count - 1];
    return number;
}

uint32_t sum_tree_last(const struct sum_tree *tree)
{
    return last_below(tree, tree->root, tree->depth);
}

uint32_t sum_tree_previous(const struct sum_tree *tree, uint32_t leaf)
{
    uint32_t slot = tree->leaves[leaf].slot, up = tree->leaves[leaf].parent;
    while (up != NONE && slot == 0) {
        slot = tree->nodes[up].slot;
        up = tree->nodes[up].parent;
    }
    return up == NONE ? NONE : last_below(tree, tree->nodes[up].child[slot - 1], tree->nodes[up].level - 1);
}

static uint32_t first_with(const struct sum_tree *tree, unsigned kind, uint32_t number, uint32_t level)
{
    for (; level > 0; level--) {
        const struct sum_node *node = &tree->nodes[number];
        uint32_t slot = 0;
        while (node->sums[kind][slot] == 0)
            slot++;
        number = node->child[slot];
    }
    return number;
}

uint32_t sum_tree_next_with(const struct sum_tree *tree, unsigned kind, uint32_t leaf)
{
    settle(tree);
    uint32_t from = tree->leaves[leaf].slot;
    for (uint32_t up = tree->leaves[leaf].parent; up != NONE;) {
        const struct sum_node *node = &tree->nodes[up];
        for (uint32_t slot = from + 1; slot < node->count; slot++)
            if (node->sums[kind][slot] > 0)
                return first_with(tree, kind, node->child[slot], node->level - 1);
        from = node->slot;
        up = node->parent;
    }
    return NONE;
}

/* The node that is `level` above a leaf; 0: the leaf itself. */
static uint32_t node_above(const struct sum_tree *tree, uint32_t leaf, uint32_t level)
{
    uint32_t number = leaf;
    ensure(level <= tree->depth);
    for (uint32_t up = 1; up <= level; up++)
        number = up == 1 ? tree->leaves[number].parent : tree->nodes[number].parent;
    return number;
}

uint32_t sum_tree_last_below(const struct sum_tree *tree, uint32_t leaf, uint32_t level)
{
    return last_below(tree, node_above(tree, leaf, level), level);
}

uint32_t sum_tree_slot(const struct sum_tree *tree, uint32_t leaf, uint32_t level)
{
    ensure(level > 0);
    uint32_t below = node_above(tree, leaf, level - 1);
    return level == 1 ? tree->leaves[below].slot : tree->nodes[below].slot;
}

uint32_t sum_tree_children(const struct sum_tree *tree, uint32_t leaf, uint32_t level)
{
    ensure(level > 0);
    return tree->nodes[node_above(tree, leaf, level)].count;
}

uint32_t sum_tree_last_of_child(const struct sum_tree *tree, uint32_t leaf, uint32_t level, uint32_t slot)
{
    ensure(level > 0);
    const struct sum_node *node = &tree->nodes[node_above(tree, leaf, level)];
    ensure(slot < node->count);
    return last_below(tree, node->child[slot], level - 1);
}

/* Climbs from both leaves, which are equally deep, to the node where their ways part. */
int sum_tree_compare(const struct sum_tree *tree, uint32_t a, uint32_t b)
{
    if (a == b)
        return 0;
    uint32_t up_a = tree->leaves[a].parent, up_b = tree->leaves[b].parent;
    uint32_t slot_a = tree->leaves[a].slot, slot_b = tree->leaves[b].slot;
    while (up_a != up_b) {
        slot_a = tree->nodes[up_a].slot;
        slot_b = tree->nodes[up_b].slot;
        up_a = tree->nodes[up_a].parent;
        up_b = tree->nodes[up_b].parent;
    }
    return slot_a < slot_b ? -1 : 1;
}

/* From the root to the leaf that holds a unit, summing up what stands before. */
void sum_tree_descend(const struct sum_tree *tree, unsigned kind, uint64_t pos)
{
    struct sum_near *near = tree->near;
    uint32_t number = tree->root;
    ensure(pos < tree->total.of[kind]);
    settle(tree);
    near->before = (struct sums){{0}};
    near->inside = tree->total;
    for (uint32_t level = tree->depth; level > 0; level--) {
        const struct sum_node *node = &tree->nodes[number];
        uint32_t slot = 0;
        for (uint64_t left = pos - near->before.of[kind]; left >= node->sums[kind][slot]; slot++)
            left -= node->sums[kind][slot];
        for (unsigned any = 0; any < tree->kinds; any++) {
            uint64_t before = 0;
            for (uint32_t i = 0; i < slot; i++)
                before += node->sums[any][i];
            near->before.of[any] += before;
            near->inside.of[any] = node->sums[any][slot];
        }
        number = node->child[slot];
    }
    near->leaf = number;
}

uint64_t sum_tree_before(const struct sum_tree *tree, unsigned kind, uint32_t leaf)
{
    if (leaf == tree->near->leaf)
        return tree->near->before.of[kind];
    settle(tree);
    uint64_t before = 0;
    uint32_t until = tree->leaves[leaf].slot;
    for (uint32_t up = tree->leaves[leaf].parent; up != NONE;) {
        const struct sum_node *node = &tree->nodes[up];
        for (uint32_t slot = 0; slot < until; slot++)
            before += node->sums[kind][slot];
        until = node->slot;
        up = node->parent;
    }
    return before;
}

/* --- splitting --- */

/* Tells the children from `slot` on whose they are. */
static void set_parents(struct sum_tree *tree, uint32_t number, uint32_t slot)
{
    const struct sum_node *node = &tree->nodes[number];
    for (; slot < node->count; slot++) {
        uint32_t child = node->child[slot];
        if (node->level == 1) {
            tree->leaves[child].parent = number;
            tree->leaves[child].slot = slot;
        } else {
            tree->nodes[child].parent = number;
            tree->nodes[child].slot = slot;
        }
    }
}

static void node_put(struct sum_tree *tree, uint32_t number, uint32_t slot, uint32_t child, const struct sums *sums)
{
    struct sum_node *node = &tree->nodes[number];
    size_t after = node->count - slot;
    memmove(node->child + slot + 1, node->child + slot, after * sizeof *node->child);
    node->child[slot] = child;
    for (unsigned kind = 0; kind < tree->kinds; kind++) {
        memmove(node->sums[kind] + slot + 1, node->sums[kind] + slot, after * sizeof *node->sums[kind]);
        node->sums[kind][slot] = sums->of[kind];
    }
    node->count++;
    set_parents(tree, number, slot);
}

static void grow_root(struct sum_tree *tree, uint32_t left, uint32_t right, uint32_t level, const struct sums *moved)
{
    uint32_t root = add_node(tree, level);
    struct sums kept = tree->total;
    sums_subtract(&kept, moved);
    node_put(tree, root, 0, left, &kept);
    node_put(tree, root, 1, right, moved);
    tree->root = root;
    tree->depth = level;
}

static void node_add_after(struct sum_tree *tree, uint32_t number, uint32_t left, uint32_t right, const struct sums *moved);

/* Moves the upper half of a node's children to a new node beside it. */
static void node_split(struct sum_tree *tree, uint32_t number)
{
    uint32_t other = add_node(tree, tree->nodes[number].level);
    struct sum_node *from = &tree->nodes[number], *to = &tree->nodes[other];
    uint32_t kept = from->count / 2;
    to->count = from->count - kept;
    from->count = kept;
    memcpy(to->child, from->child + kept, to->count * sizeof *to->child);
    for (unsigned kind = 0; kind < tree->kinds; kind++)
        memcpy(to->sums[kind], from->sums[kind] + kept, to->count * sizeof *to->sums[kind]);
    set_parents(tree, other, 0);

    struct sums moved = node_sums(tree, to);
    if (from->parent == NONE)
        grow_root(tree, number, other, from->level + 1, &moved);
    else
        node_add_after(tree, from->parent, number, other, &moved);
}

/* `right` becomes the neighbour of `left`, from which it took `moved`. */
static void node_add_after(struct sum_tree *tree, uint32_t number, uint32_t left, uint32_t right, const struct sums *moved)
{
    uint32_t level = tree->nodes[number].level;
    if (tree->nodes[number].count == SUM_TREE_FAN) {
        node_split(tree, number);
        number = level == 1 ? tree->leaves[left].parent : tree->nodes[left].parent;
    }
    struct sum_node *node = &tree->nodes[number];
    uint32_t slot = level == 1 ? tree->leaves[left].slot : tree->nodes[left].slot;
    for (unsigned kind = 0; kind < tree->kinds; kind++)
        node->sums[kind][slot] -= moved->of[kind];
    node_put(tree, number, slot + 1, right, moved);
}

uint32_t sum_tree_split(struct sum_tree *tree, uint32_t leaf, const struct sums *moved)
{
    settle(tree);
    uint32_t other = add_leaf(tree);
    tree->leaves[other].next = tree->leaves[leaf].next;
    tree->leaves[leaf].next = other;
    if (tree->near->leaf == leaf)
        sums_subtract(&tree->near->inside, moved);
    if (tree->leaves[leaf].parent == NONE)
        grow_root(tree, leaf, other, 1, moved);
    else
        node_add_after(tree, tree->leaves[leaf].parent, leaf, other, moved);
    return other;
}

/* --- invariants --- */

struct checker {
    const struct sum_tree *tree;
    struct sums (*leaf_sums)(const void *self, uint32_t leaf);
    const void *self;
    struct sums before; /* of what was gone over so far */
    uint32_t leaf;      /* the one that has to come now */
};

static bool sums_equal(const struct sums *a, const struct sums *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static struct sums check_leaf(struct checker *checker, uint32_t leaf, uint32_t parent, uint32_t slot)
{
    const struct sum_tree *tree = checker->tree;
    struct sums sums = checker->leaf_sums(checker->self, leaf);
    ensure(leaf == checker->leaf && tree->leaves[leaf].parent == parent && tree->leaves[leaf].slot == slot);
    if (leaf == tree->near->leaf)
        ensure(sums_equal(&tree->near->before, &checker->before) && sums_equal(&tree->near->inside, &sums));
    checker->leaf = tree->leaves[leaf].next;
    sums_add(&checker->before, &sums);
    return sums;
}

static struct sums check_node(struct checker *checker, uint32_t number, uint32_t level, uint32_t parent, uint32_t slot)
{
    if (level == 0)
        return check_leaf(checker, number, parent, slot);
    const struct sum_node *node = &checker->tree->nodes[number];
    struct sums sums = {{0}};
    ensure(node->parent == parent && node->slot == slot && node->level == level);
    ensure(node->count > 0 && node->count <= SUM_TREE_FAN);
    for (uint32_t child = 0; child < node->count; child++) {
        struct sums below = check_node(checker, node->child[child], level - 1, number, child);
        for (unsigned kind = 0; kind < checker->tree->kinds; kind++)
            ensure(node->sums[kind][child] == below.of[kind]);
        sums_add(&sums, &below);
    }
    return sums;
}

void sum_tree_check(const struct sum_tree *tree, struct sums (*leaf_sums)(const void *self, uint32_t leaf), const void *self)
{
    struct checker checker = {tree, leaf_sums, self, {{0}}, sum_tree_first(tree)};
    settle(tree);
    struct sums sums = check_node(&checker, tree->root, tree->depth, NONE, 0);
    ensure(sums_equal(&sums, &tree->total) && checker.leaf == NONE);
}
