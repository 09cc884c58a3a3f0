#include "editor/rope_tree.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "editor/rope_finger.h"
#include "editor/rope_leaf.h"

/* --- growing and shrinking --- */

/* A level more when the root was split. */
static void tree_grow(struct rope_tree *tree, struct rope_node *split)
{
    if (!split)
        return;
    struct rope_node *root = rope_node_new((uint16_t)(tree->root->height + 1));
    ensure(root->height < ROPE_FINGER_NODES);
    rope_entries_insert(root, 0, rope_entry_of_node(tree->root));
    rope_entries_insert(root, 1, rope_entry_of_node(split));
    tree->root = root;
}

static void tree_shrink(struct rope_tree *tree)
{
    while (tree->root->height > 0 && tree->root->count == 1) {
        struct rope_node *root = tree->root;
        tree->root = root->entries[0].kid.node;
        rope_node_keep(tree->root);
        rope_node_drop(root);
    }
}

/* The finger's leaf has got entries, perhaps too many, or lost some: what follows from it on the way up. The finger is
 * nowhere when a node was split or merged. */
static void rebalance(struct rope_tree *tree)
{
    struct rope_finger *finger = tree->finger;
    struct rope_node *split = rope_node_split(finger->nodes[0]);
    for (size_t height = 1; height <= tree->root->height; height++) {
        struct rope_node *parent = finger->nodes[height];
        size_t i = finger->entries[height], count_before = parent->count;
        if (split)
            rope_node_settle(parent, i, split);
        rope_node_tidy(parent, i, split ? i + 1 : i);
        if (!split && parent->count == count_before)
            return;
        rope_finger_stand(finger, ROPE_NO_FINGER);
        split = rope_node_split(parent);
    }
    if (split)
        rope_finger_stand(finger, ROPE_NO_FINGER);
    tree_grow(tree, split);
    tree_shrink(tree);
}

/* --- insert --- */

/* The entry that `*at` lies in or at the end of, so that text typed on joins what was typed before; *at becomes
 * relative. */
static size_t kid_before(const struct rope_node *node, uint64_t *at)
{
    size_t i = 0;
    for (; i + 1U < node->count && *at > node->entries[i].kid.sums.of[ROPE_BYTES]; i++)
        *at -= node->entries[i].kid.sums.of[ROPE_BYTES];
    return i;
}

static size_t piece_before(const struct rope_node *leaf, uint64_t *at)
{
    size_t i = 0;
    for (; i + 1U < leaf->count && *at > leaf->entries[i].piece.of[ROPE_BYTES]; i++)
        *at -= leaf->entries[i].piece.of[ROPE_BYTES];
    return i;
}

/*
 * Whether the text was edited there just now: what is near is copied into a page, so that who works at one place finds a gap
 * buffer there, also when he comes back; and who edits all over a long text copies nothing.
 */
static bool is_near(const struct rope_finger *finger, uint64_t at)
{
    enum { NEAR_MAX = ROPE_PAGE_BYTES_MAX / 2 };
    return at < finger->last + NEAR_MAX && finger->last < at + NEAR_MAX;
}

/* The way to the leaf and piece that the place is in or at the end of. */
static struct rope_insertion enter_for_insert(struct rope_tree *tree, uint64_t at, struct bytes text)
{
    struct rope_node *node = rope_node_own(&tree->root);
    while (node->height > 0) {
        size_t i = kid_before(node, &at);
        rope_finger_put(tree->finger, node, i);
        node = rope_node_own(&node->entries[i].kid.node);
    }
    size_t i = piece_before(node, &at);
    return (struct rope_insertion){.leaf = node, .i = i, .at = at, .text = text};
}

static bool insert_in_piece(struct rope_tree *tree, uint64_t at, struct bytes text, size_t i, uint64_t begin)
{
    rope_finger_put(tree->finger, tree->finger->nodes[0], i);
    rope_finger_stand(tree->finger, begin);
    if (rope_finger_insert(tree, at, text))
        return true;
    rope_finger_close(tree);
    return false;
}

/* Whether it fits into a page that is there: the piece's, or that of the one which begins there. */
static bool insert_in_page(struct rope_tree *tree, uint64_t at, const struct rope_insertion *insertion)
{
    const struct rope_node *leaf = insertion->leaf;
    size_t i = insertion->i;
    if (leaf->count == 0)
        return false;
    if (insert_in_piece(tree, at, insertion->text, i, at - insertion->at))
        return true;
    return insertion->at == leaf->entries[i].piece.of[ROPE_BYTES] && i + 1U < leaf->count &&
           insert_in_piece(tree, at, insertion->text, i + 1, at);
}

static void tree_insert(struct rope_tree *tree, uint64_t at, struct bytes text)
{
    rope_finger_close(tree);
    struct rope_finger *finger = rope_finger_of(tree);
    struct rope_insertion insertion = enter_for_insert(tree, at, text);
    struct rope_node *leaf = insertion.leaf;
    rope_finger_put(finger, leaf, insertion.i);
    if (insert_in_page(tree, at, &insertion))
        return;
    insertion.sums = rope_sums_of(text);
    if (is_near(finger, at) && rope_leaf_fits_in_page(&insertion))
        rope_leaf_put_in_page(&insertion);
    else
        rope_leaf_put_alone(&insertion, &finger->ink);
    rope_finger_put(finger, leaf, insertion.i);
    rope_finger_stand(finger, at - insertion.at);
    rope_finger_add(tree, insertion.sums);
    finger->last = at;
    if (leaf->count > ROPE_FANOUT)
        rebalance(tree);
}

/* --- delete --- */

/* Entries whose bytes are partly or wholly in [from, to): what inner nodes and leaves have in common. */
struct range {
    size_t i;          /* the first entry touched */
    uint64_t from, to; /* relative to its start */
};

static struct range range_in(const struct rope_node *node, uint64_t from, uint64_t to)
{
    size_t i = 0;
    for (uint64_t len; from >= (len = rope_entry_bytes(node, i)); i++) {
        from -= len;
        to -= len;
    }
    return (struct range){i, from, to};
}

/* Drops the entries from i on that lie in the first `*len` bytes as a whole; *len becomes what is left. Gives their
 * sums. */
static struct rope_sums entries_drop_covered(struct rope_node *node, size_t i, uint64_t *len)
{
    struct rope_sums gone = {{0}};
    size_t end = i;
    for (; end < node->count && *len >= rope_entry_bytes(node, end); end++) {
        *len -= rope_entry_bytes(node, end);
        gone = rope_sums_add(gone, rope_entry_sums(node, end));
    }
    if (end > i)
        rope_entries_drop(node, i, end - i);
    return gone;
}

/* Forgets the first `len` bytes, or all but the first; gives the sums of what goes. */
static struct rope_sums piece_drop_head(struct rope_piece *piece, size_t len)
{
    struct rope_piece rest = rope_piece_split(piece, len);
    struct rope_sums gone = rope_piece_sums(piece);
    rope_piece_drop(*piece);
    *piece = rest;
    return gone;
}

static struct rope_sums piece_drop_tail(struct rope_piece *piece, size_t len)
{
    struct rope_piece rest = rope_piece_split(piece, len);
    rope_piece_drop(rest);
    return rope_piece_sums(&rest);
}

/* Gives the sums of what goes. *behind is the entry behind it, 0 when the leaf has none in front that ends there. */
static struct rope_sums leaf_delete(struct rope_node *leaf, uint64_t from, uint64_t to, size_t *behind)
{
    struct range range = range_in(leaf, from, to);
    size_t i = range.i;
    uint64_t len = range.to - range.from;
    struct rope_piece *first = &leaf->entries[i].piece;
    struct rope_sums gone = {{0}};

    if (range.from > 0 && range.to < first->of[ROPE_BYTES])
        rope_entries_insert(leaf, i + 1, (union rope_entry){.piece = rope_piece_split(first, range.to)});
    if (range.from > 0) {
        gone = piece_drop_tail(first, range.from);
        len -= gone.of[ROPE_BYTES];
        i++;
    }
    gone = rope_sums_add(gone, entries_drop_covered(leaf, i, &len));
    if (len > 0)
        gone = rope_sums_add(gone, piece_drop_head(&leaf->entries[i].piece, len));
    *behind = i;
    if (i > 0 && i < leaf->count && rope_piece_join(&leaf->entries[i - 1].piece, &leaf->entries[i].piece)) {
        rope_entries_remove(leaf, i, 1);
        *behind = 0;
    }
    return gone;
}

static struct rope_node *node_delete(struct rope_node *node, uint64_t from, uint64_t to, struct rope_sums *gone);

/* Deletes a part, not the whole, of child i. */
static void kid_delete(struct rope_node *node, size_t i, uint64_t from, uint64_t to, struct rope_sums *gone)
{
    struct rope_kid *kid = &node->entries[i].kid;
    struct rope_sums here = {{0}};
    struct rope_node *split = node_delete(rope_node_own(&kid->node), from, to, &here);
    kid->sums = rope_sums_subtract(kid->sums, here);
    *gone = rope_sums_add(*gone, here);
    if (split)
        rope_node_settle(node, i, split);
}

/* `node` is ours and keeps some bytes. Cutting inside one piece adds an entry: then it may return a new right
 * neighbour. Adds the sums of what goes. */
static struct rope_node *node_delete(struct rope_node *node, uint64_t from, uint64_t to, struct rope_sums *gone)
{
    if (node->height == 0) {
        size_t behind;
        *gone = rope_sums_add(*gone, leaf_delete(node, from, to, &behind));
        return rope_node_split(node);
    }
    struct range range = range_in(node, from, to);
    size_t i = range.i;
    uint64_t kid_bytes = rope_entry_bytes(node, i);
    uint64_t len = range.to - range.from;

    if (range.from > 0) {
        uint64_t end = range.to < kid_bytes ? range.to : kid_bytes;
        kid_delete(node, i, range.from, end, gone);
        len -= end - range.from;
        i++;
    }
    if (len > 0) {
        *gone = rope_sums_add(*gone, entries_drop_covered(node, i, &len));
        if (len > 0)
            kid_delete(node, i, 0, len, gone);
    }
    rope_node_tidy(node, range.i, i);
    return rope_node_split(node);
}

/* Moves the finger to the leaf that has the range and more besides, and makes it relative to that. False: there is
 * none. */
static bool finger_enter(struct rope_tree *tree, uint64_t *from, uint64_t *to)
{
    struct rope_finger *finger = tree->finger;
    struct rope_node *node = rope_node_own(&tree->root);
    while (node->height > 0) {
        struct range range = range_in(node, *from, *to);
        uint64_t kid_bytes = node->entries[range.i].kid.sums.of[ROPE_BYTES];
        if (range.to > kid_bytes || range.to - range.from == kid_bytes)
            return false;
        rope_finger_put(finger, node, range.i);
        node = rope_node_own(&node->entries[range.i].kid.node);
        *from = range.from;
        *to = range.to;
    }
    rope_finger_put(finger, node, 0);
    return true;
}

/* What goes, and more, is in one piece: that of a page, or one that becomes a page. */
static bool delete_in_piece(struct rope_tree *tree, uint64_t at, uint64_t from, uint64_t len)
{
    struct rope_finger *finger = tree->finger;
    struct rope_node *leaf = finger->nodes[0];
    struct range range = range_in(leaf, from, from + len);
    const struct rope_piece *piece = &leaf->entries[range.i].piece;
    if (range.to > piece->of[ROPE_BYTES] || len == piece->of[ROPE_BYTES])
        return false;
    rope_finger_put(finger, leaf, range.i);
    rope_finger_stand(finger, at - range.from);
    if (rope_finger_delete(tree, at, len))
        return true;
    bool is_worth_a_page = piece->of[ROPE_BYTES] <= ROPE_PAGE_BYTES_MAX && is_near(finger, at);
    finger->last = at;
    if (!is_worth_a_page)
        return false;
    rope_leaf_make_page(leaf, range.i);
    return rope_finger_delete(tree, at, len);
}

/* Nearly always: what goes lies in one leaf. The finger stays at the piece in front of it. */
static bool tree_delete_in_leaf(struct rope_tree *tree, uint64_t at, uint64_t len)
{
    uint64_t from = at, to = at + len;
    size_t behind;
    if (!finger_enter(tree, &from, &to))
        return false;
    if (delete_in_piece(tree, at, from, len))
        return true;
    struct rope_finger *finger = tree->finger;
    struct rope_node *leaf = finger->nodes[0];
    size_t count_before = leaf->count;
    rope_finger_stand(finger, ROPE_NO_FINGER);
    struct rope_sums gone = leaf_delete(leaf, from, to, &behind);
    if (behind > 0) {
        rope_finger_put(finger, leaf, behind - 1);
        rope_finger_stand(finger, at - leaf->entries[behind - 1].piece.of[ROPE_BYTES]);
    }
    rope_finger_add(tree, rope_sums_subtract((struct rope_sums){{0}}, gone));
    if (leaf->count < count_before || leaf->count > ROPE_FANOUT)
        rebalance(tree);
    return true;
}

static void tree_delete(struct rope_tree *tree, uint64_t at, uint64_t len)
{
    rope_finger_close(tree);
    rope_finger_stand(rope_finger_of(tree), ROPE_NO_FINGER);
    if (tree_delete_in_leaf(tree, at, len))
        return;
    struct rope_sums gone = {{0}};
    tree_grow(tree, node_delete(rope_node_own(&tree->root), at, at + len, &gone));
    tree_shrink(tree);
    tree->sums = rope_sums_subtract(tree->sums, gone);
}

static void tree_delete_all(struct rope_tree *tree)
{
    rope_finger_close(tree);
    if (tree->finger)
        rope_finger_stand(tree->finger, ROPE_NO_FINGER);
    rope_node_drop(tree->root);
    tree->root = rope_node_new(0);
    tree->sums = (struct rope_sums){{0}};
}

/* --- trees --- */

/* Replaces `count` nodes of one level by their parents; returns how many those are. */
static size_t level_raise(struct rope_node **nodes, size_t count)
{
    size_t parents = 0;
    for (size_t i = 0; i < count;) {
        struct rope_node *parent = rope_node_new((uint16_t)(nodes[i]->height + 1));
        while (i < count && parent->count < ROPE_FANOUT)
            parent->entries[parent->count++] = rope_entry_of_node(nodes[i++]);
        nodes[parents++] = parent;
    }
    return parents;
}

static struct rope_node *leaf_of(const struct rope_piece *pieces, size_t count)
{
    struct rope_node *leaf = rope_node_new(0);
    for (size_t i = 0; i < count; i++)
        leaf->entries[leaf->count++].piece = pieces[i];
    return leaf;
}

static struct rope_tree tree_of(struct rope_node *root)
{
    return (struct rope_tree){.root = root, .sums = rope_node_sums(root)};
}

struct rope_tree rope_tree_build(const struct rope_piece *pieces, size_t count)
{
    if (count == 0)
        return tree_of(rope_node_new(0));
    size_t level = 0;
    struct rope_node **nodes = xcalloc(count / ROPE_FANOUT + 1, sizeof(struct rope_node *));
    for (size_t at = 0; at < count; at += ROPE_FANOUT)
        nodes[level++] = leaf_of(pieces + at, count - at < ROPE_FANOUT ? count - at : ROPE_FANOUT);
    while (level > 1)
        level = level_raise(nodes, level);
    struct rope_node *root = nodes[0];
    free(nodes);
    return tree_of(root);
}

struct rope_tree rope_tree_share(const struct rope_tree *tree)
{
    rope_finger_close(tree);
    if (tree->finger)
        tree->finger->ink.floor = tree->finger->ink.free;
    rope_node_keep(tree->root);
    return (struct rope_tree){.root = tree->root, .sums = tree->sums};
}

void rope_tree_release(struct rope_tree *tree)
{
    rope_node_drop(tree->root);
    if (tree->finger)
        rope_ink_release(&tree->finger->ink);
    free(tree->finger);
    *tree = (struct rope_tree){0};
}

void rope_tree_insert(struct rope_tree *tree, uint64_t at, struct bytes text)
{
    ensure(at <= tree->sums.of[ROPE_BYTES]);
    tree_insert(tree, at, text);
}

void rope_tree_delete(struct rope_tree *tree, uint64_t at, uint64_t len)
{
    uint64_t total = tree->sums.of[ROPE_BYTES];
    ensure(at <= total && len <= total - at);
    if (len == 0 || rope_finger_delete(tree, at, len))
        return;
    if (len == total)
        tree_delete_all(tree);
    else
        tree_delete(tree, at, len);
}

struct rope_place rope_tree_seek(const struct rope_tree *tree, enum rope_measure measure, uint64_t unit)
{
    ensure(unit < tree->sums.of[measure]);
    rope_finger_settle(tree);
    const struct rope_node *node = tree->root;
    struct rope_place place = {0};
    for (;;) {
        size_t i = 0;
        for (;; i++) {
            struct rope_sums after = rope_sums_add(place.before, rope_entry_sums(node, i));
            if (unit < after.of[measure])
                break;
            place.before = after;
        }
        if (node->height == 0) {
            place.piece = &node->entries[i].piece;
            return place;
        }
        node = node->entries[i].kid.node;
    }
}

/* --- checking --- */

void rope_tree_check(const struct rope_tree *tree)
{
    rope_finger_settle(tree);
    rope_finger_check(tree);
    rope_sums_check(tree->sums, rope_node_sums(tree->root));
    if (tree->sums.of[ROPE_BYTES] == 0) {
        ensure(tree->root->height == 0 && tree->root->count == 0);
        return;
    }
    ensure(tree->root->height == 0 || tree->root->count > 1);
    rope_node_check(tree->root);
}
