#include "editor/rope_tree.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

/* An edit adds two entries to a node at most (it cuts a piece and puts one between); the node is split afterwards. */
enum { ENTRIES_ROOM = ROPE_FANOUT + 2 };

struct kid {
    struct rope_node *node;
    struct rope_sums sums;
};

/* What a node lists: pieces when it is a leaf, nodes otherwise. Moving entries about is the same for both. */
union entry {
    struct rope_piece piece;
    struct kid kid;
};

static_assert(sizeof(union entry) == 32, "two entries a cache line");

struct rope_node {
    atomic_uint refs;
    uint16_t height; /* 0: a leaf */
    uint16_t count;
    union entry entries[ENTRIES_ROOM];
};

/*
 * The piece that was edited last, and the way to it. Who types on at its end, or takes back what stands there, moves
 * `tail` and the sums of the tree: no look-up, no node that moves. What piece and nodes on the way do not know yet is
 * the tree's sums less `known`; they are told (settled) before anybody looks into the tree.
 *
 *     t h e   p i e c e . . . .
 *       ^               ^       ^
 *       start         tail    stop       how far tail may go back and on without anything else being touched
 *
 * That is so while the finger is open: nodes and piece are this tree's alone. Sharing the tree closes it (tail is
 * NULL); it is opened again when it is used next, if the other tree is gone by then. Whatever else changes the tree
 * moves it.
 */
enum { FINGER_NODES = 24 };  /* no tree is so high: invariant 3 */
#define NO_FINGER UINT64_MAX /* no text is so long */

struct rope_finger {
    uint64_t end; /* where the piece ends in the text; NO_FINGER: it is nowhere */
    unsigned char *tail;
    const unsigned char *start,
        *stop; /* stop is start, in front of tail, when nothing can be written behind the piece */
    struct rope_sums known;
    struct rope_ink ink;
    struct rope_node *nodes[FINGER_NODES]; /* by height */
    unsigned char at[FINGER_NODES];        /* which of its entries */
};

/* --- nodes and references --- */

static struct rope_node *node_new(uint16_t height)
{
    struct rope_node *node = xmalloc(sizeof *node);
    atomic_init(&node->refs, 1);
    node->height = height;
    node->count = 0;
    return node;
}

static void node_keep(struct rope_node *node)
{
    atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
}

static void node_drop(struct rope_node *node);

static void entry_keep(const struct rope_node *node, size_t i)
{
    if (node->height == 0)
        rope_piece_keep(node->entries[i].piece);
    else
        node_keep(node->entries[i].kid.node);
}

static void entry_drop(const struct rope_node *node, size_t i)
{
    if (node->height == 0)
        rope_piece_drop(node->entries[i].piece);
    else
        node_drop(node->entries[i].kid.node);
}

/* Recursion is as deep as the tree is high. */
static void node_drop(struct rope_node *node)
{
    if (atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < node->count; i++)
        entry_drop(node, i);
    free(node);
}

/* Acquire: whoever dropped the other reference is done reading before we write. */
static bool node_is_ours(struct rope_node *node)
{
    return atomic_load_explicit(&node->refs, memory_order_acquire) == 1;
}

/* Makes the node at *place ours alone, to be changed in place. The path above is ours already. */
static struct rope_node *node_own(struct rope_node **place)
{
    struct rope_node *shared = *place;
    if (node_is_ours(shared))
        return shared;
    struct rope_node *copy = node_new(shared->height);
    copy->count = shared->count;
    memcpy(copy->entries, shared->entries, shared->count * sizeof *shared->entries);
    for (size_t i = 0; i < copy->count; i++)
        entry_keep(copy, i);
    node_drop(shared);
    return *place = copy;
}

/* --- entries of one node --- */

static struct rope_sums entry_sums(const struct rope_node *node, size_t i)
{
    return node->height ? node->entries[i].kid.sums : rope_piece_sums(&node->entries[i].piece);
}

static uint64_t entry_bytes(const struct rope_node *node, size_t i)
{
    return node->height ? node->entries[i].kid.sums.of[ROPE_BYTES] : node->entries[i].piece.of[ROPE_BYTES];
}

static struct rope_sums node_sums(const struct rope_node *node)
{
    struct rope_sums sums = {{0}};
    for (size_t i = 0; i < node->count; i++)
        sums = rope_sums_add(sums, entry_sums(node, i));
    return sums;
}

static union entry entry_of_node(struct rope_node *node)
{
    return (union entry){.kid = {.node = node, .sums = node_sums(node)}};
}

static void entries_insert(struct rope_node *node, size_t i, union entry entry)
{
    ensure(node->count < ENTRIES_ROOM);
    memmove(node->entries + i + 1, node->entries + i, (node->count - i) * sizeof entry);
    node->entries[i] = entry;
    node->count++;
}

/* Their references are the caller's to drop or keep. */
static void entries_remove(struct rope_node *node, size_t i, size_t count)
{
    memmove(node->entries + i, node->entries + i + count, (node->count - i - count) * sizeof *node->entries);
    node->count = (uint16_t)(node->count - count);
}

static void entries_drop(struct rope_node *node, size_t i, size_t count)
{
    for (size_t k = i; k < i + count; k++)
        entry_drop(node, k);
    entries_remove(node, i, count);
}

/* The new right half of a node that has too many entries, else NULL. */
static struct rope_node *node_split(struct rope_node *node)
{
    if (node->count <= ROPE_FANOUT)
        return NULL;
    struct rope_node *right = node_new(node->height);
    size_t left_count = (node->count + 1) / 2;
    right->count = (uint16_t)(node->count - left_count);
    memcpy(right->entries, node->entries + left_count, right->count * sizeof *node->entries);
    node->count = (uint16_t)left_count;
    return right;
}

/* Appends the entries of `right`, whose reference is used up. */
static void node_absorb(struct rope_node *node, struct rope_node *right)
{
    right = node_own(&right);
    memcpy(node->entries + node->count, right->entries, right->count * sizeof *node->entries);
    node->count = (uint16_t)(node->count + right->count);
    right->count = 0;
    node_drop(right);
}

/* --- keeping invariant 3 --- */

/* Merges child i with the one to its right if they are small, then the two below that became neighbours by it. */
static void node_merge(struct rope_node *node, size_t i)
{
    struct kid *left = &node->entries[i].kid;
    struct kid *right = &node->entries[i + 1].kid;
    if (left->node->count + right->node->count > ROPE_MERGE_MAX)
        return;
    struct rope_node *merged = node_own(&left->node);
    size_t seam = merged->count - 1U;
    left->sums = rope_sums_add(left->sums, right->sums);
    node_absorb(merged, right->node);
    entries_remove(node, i + 1, 1);
    if (merged->height > 0)
        node_merge(merged, seam);
}

/* Children first .. last changed their size: they and their neighbours may now fit together. */
static void node_tidy(struct rope_node *node, size_t first, size_t last)
{
    size_t from = first > 0 ? first - 1 : 0;
    size_t to = last + 1 < node->count ? last + 1 : node->count - 1U;
    for (size_t i = to; i > from; i--)
        node_merge(node, i - 1);
}

/* Child i was changed below and perhaps split in two. */
static void node_settle(struct rope_node *node, size_t i, struct rope_node *split)
{
    node->entries[i].kid.sums = node_sums(node->entries[i].kid.node);
    if (split)
        entries_insert(node, i + 1, entry_of_node(split));
}

/* --- the finger --- */

static void finger_put(struct rope_finger *finger, struct rope_node *node, size_t at)
{
    finger->nodes[node->height] = node;
    finger->at[node->height] = (unsigned char)at;
}

static struct rope_piece *finger_piece(const struct rope_finger *finger)
{
    return &finger->nodes[0]->entries[finger->at[0]].piece;
}

static bool finger_is_open(const struct rope_finger *finger)
{
    return finger->tail != NULL;
}

static bool finger_writes(const struct rope_finger *finger)
{
    return finger->stop != finger->start;
}

/* The nodes above the piece: their sums for what is below are this much larger. */
static void finger_raise(const struct rope_tree *tree, struct rope_sums sums)
{
    const struct rope_finger *finger = tree->finger;
    for (size_t height = 1; height <= tree->root->height; height++) {
        struct rope_sums *above = &finger->nodes[height]->entries[finger->at[height]].kid.sums;
        *above = rope_sums_add(*above, sums);
    }
}

/* So much was put into the finger's leaf, which knows it. */
static void tree_add(struct rope_tree *tree, struct rope_sums sums)
{
    finger_raise(tree, sums);
    tree->sums = rope_sums_add(tree->sums, sums);
}

/* Piece and nodes come to know what was done at the finger. */
static void settle(const struct rope_tree *tree)
{
    struct rope_finger *finger = tree->finger;
    if (!finger || !finger_is_open(finger) || memcmp(&finger->known, &tree->sums, sizeof tree->sums) == 0)
        return;
    struct rope_sums lag = rope_sums_subtract(tree->sums, finger->known);
    rope_piece_adjust(finger_piece(finger), lag);
    finger_raise(tree, lag);
    finger->known = tree->sums;
}

/* Before anything is done elsewhere in the tree, or by others to what it holds. */
static void finger_close(const struct rope_tree *tree)
{
    struct rope_finger *finger = tree->finger;
    if (!finger || !finger_is_open(finger))
        return;
    settle(tree);
    if (finger_writes(finger))
        finger->ink.free = finger->tail;
    finger->tail = NULL;
    finger->start = finger->stop = NULL;
}

/* False: something on the way is shared. */
static OUT_OF_LINE bool finger_open(const struct rope_tree *tree, struct rope_finger *finger)
{
    for (size_t height = 0; height <= tree->root->height; height++)
        if (!node_is_ours(finger->nodes[height]))
            return false;
    const struct rope_piece *piece = finger_piece(finger);
    size_t room = rope_ink_room(&finger->ink, piece);
    finger->start = piece->data + 1;                                     /* a piece is not empty */
    finger->tail = (unsigned char *)piece->data + piece->of[ROPE_BYTES]; /* written to when it is in the ink only */
    finger->stop = room > 0 ? finger->tail + room : finger->start;
    finger->known = tree->sums;
    return true;
}

/* The finger, open, when the piece ends at that place; else NULL. */
static struct rope_finger *finger_at(const struct rope_tree *tree, uint64_t place)
{
    struct rope_finger *finger = tree->finger;
    if (!finger || finger->end != place)
        return NULL;
    return finger_is_open(finger) || finger_open(tree, finger) ? finger : NULL;
}

static struct rope_finger *finger_of(struct rope_tree *tree)
{
    if (!tree->finger) {
        tree->finger = xcalloc(1, sizeof *tree->finger);
        tree->finger->end = NO_FINGER;
    }
    return tree->finger;
}

bool rope_tree_type(struct rope_tree *tree, uint64_t at, struct bytes text)
{
    struct rope_finger *finger = finger_at(tree, at);
    if (!finger || finger->stop - finger->tail < (ptrdiff_t)text.len)
        return false;
    if (text.len == 1) { /* worth no call */
        *finger->tail = *text.data;
        tree->sums = rope_sums_add(tree->sums, rope_sums_of_byte(*text.data));
    } else {
        tree->sums = rope_sums_add(tree->sums, rope_sums_of(text));
        if (text.len > 0)
            memcpy(finger->tail, text.data, text.len);
    }
    finger->tail += text.len;
    finger->end += text.len;
    return true;
}

/* Backspacing. False: there is no finger, or nothing of the piece would be left. */
static bool finger_take_back(struct rope_tree *tree, uint64_t at, uint64_t len)
{
    struct rope_finger *finger = finger_at(tree, at + len);
    if (!finger || len > (size_t)(finger->tail - finger->start))
        return false;
    finger->tail -= len;
    finger->end -= len;
    tree->sums = rope_sums_subtract(tree->sums, rope_sums_of(bytes_of(finger->tail, (size_t)len)));
    if (finger_writes(finger) && finger->tail < finger->ink.floor) { /* a snapshot may have what is behind it */
        finger->ink.free = finger->ink.floor;
        finger->stop = finger->start;
    }
    return true;
}

/* A new piece right behind the finger's, in the same leaf. False: there is no finger, or the leaf is full. */
static bool finger_add_piece(struct rope_tree *tree, uint64_t at, struct bytes text)
{
    struct rope_finger *finger = finger_at(tree, at);
    if (!finger || finger->nodes[0]->count >= ROPE_FANOUT)
        return false;
    finger_close(tree);
    union entry entry = {.piece = rope_ink_write(&finger->ink, text)};
    struct rope_sums sums = rope_piece_sums(&entry.piece);
    entries_insert(finger->nodes[0], ++finger->at[0], entry);
    finger->end += text.len;
    tree_add(tree, sums);
    return true;
}

/* --- growing and shrinking --- */

/* A level more when the root was split. */
static void tree_grow(struct rope_tree *tree, struct rope_node *split)
{
    if (!split)
        return;
    struct rope_node *root = node_new((uint16_t)(tree->root->height + 1));
    ensure(root->height < FINGER_NODES);
    entries_insert(root, 0, entry_of_node(tree->root));
    entries_insert(root, 1, entry_of_node(split));
    tree->root = root;
}

static void tree_shrink(struct rope_tree *tree)
{
    while (tree->root->height > 0 && tree->root->count == 1) {
        struct rope_node *root = tree->root;
        tree->root = root->entries[0].kid.node;
        node_keep(tree->root);
        node_drop(root);
    }
}

/* The finger's leaf has got entries, perhaps too many, or lost some: what follows from it on the way up. The finger is
 * nowhere when a node was split or merged. */
static void rebalance(struct rope_tree *tree)
{
    struct rope_finger *finger = tree->finger;
    struct rope_node *split = node_split(finger->nodes[0]);
    for (size_t height = 1; height <= tree->root->height; height++) {
        struct rope_node *parent = finger->nodes[height];
        size_t i = finger->at[height], count_before = parent->count;
        if (split)
            node_settle(parent, i, split);
        node_tidy(parent, i, split ? i + 1 : i);
        if (!split && parent->count == count_before)
            return;
        finger->end = NO_FINGER;
        split = node_split(parent);
    }
    if (split)
        finger->end = NO_FINGER;
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

/* Gives the entry the piece is in now. */
static size_t leaf_insert(struct rope_node *leaf, uint64_t at, struct rope_piece piece)
{
    size_t i = piece_before(leaf, &at);
    if (at == 0) {
        entries_insert(leaf, i, (union entry){.piece = piece}); /* at the start of the text */
        return i;
    }
    struct rope_piece *before = &leaf->entries[i].piece;
    if (at < before->of[ROPE_BYTES])
        entries_insert(leaf, i + 1, (union entry){.piece = rope_piece_split(before, at)});
    else if (rope_piece_join(before, &piece))
        return i;
    entries_insert(leaf, i + 1, (union entry){.piece = piece});
    return i + 1;
}

static void tree_insert(struct rope_tree *tree, uint64_t at, struct bytes text)
{
    finger_close(tree);
    struct rope_finger *finger = finger_of(tree);
    struct rope_piece piece = rope_ink_write(&finger->ink, text);
    struct rope_sums sums = rope_piece_sums(&piece);
    struct rope_node *node = node_own(&tree->root);
    finger->end = at + text.len;
    while (node->height > 0) {
        size_t i = kid_before(node, &at);
        finger_put(finger, node, i);
        node = node_own(&node->entries[i].kid.node);
    }
    finger_put(finger, node, leaf_insert(node, at, piece));
    tree_add(tree, sums);
    if (node->count > ROPE_FANOUT)
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
    for (uint64_t len; from >= (len = entry_bytes(node, i)); i++) {
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
    for (; end < node->count && *len >= entry_bytes(node, end); end++) {
        *len -= entry_bytes(node, end);
        gone = rope_sums_add(gone, entry_sums(node, end));
    }
    if (end > i)
        entries_drop(node, i, end - i);
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
        entries_insert(leaf, i + 1, (union entry){.piece = rope_piece_split(first, range.to)});
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
        entries_remove(leaf, i, 1);
        *behind = 0;
    }
    return gone;
}

static struct rope_node *node_delete(struct rope_node *node, uint64_t from, uint64_t to, struct rope_sums *gone);

/* Deletes a part, not the whole, of child i. */
static void kid_delete(struct rope_node *node, size_t i, uint64_t from, uint64_t to, struct rope_sums *gone)
{
    struct kid *kid = &node->entries[i].kid;
    struct rope_sums here = {{0}};
    struct rope_node *split = node_delete(node_own(&kid->node), from, to, &here);
    kid->sums = rope_sums_subtract(kid->sums, here);
    *gone = rope_sums_add(*gone, here);
    if (split)
        node_settle(node, i, split);
}

/* `node` is ours and keeps some bytes. Cutting inside one piece adds an entry: then it may return a new right
 * neighbour. Adds the sums of what goes. */
static struct rope_node *node_delete(struct rope_node *node, uint64_t from, uint64_t to, struct rope_sums *gone)
{
    if (node->height == 0) {
        size_t behind;
        *gone = rope_sums_add(*gone, leaf_delete(node, from, to, &behind));
        return node_split(node);
    }
    struct range range = range_in(node, from, to);
    size_t i = range.i;
    uint64_t kid_bytes = entry_bytes(node, i);
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
    node_tidy(node, range.i, i);
    return node_split(node);
}

/* Moves the finger to the leaf that has the range and more besides, and makes it relative to that. False: there is
 * none. */
static bool finger_enter(struct rope_tree *tree, uint64_t *from, uint64_t *to)
{
    struct rope_finger *finger = tree->finger;
    struct rope_node *node = node_own(&tree->root);
    while (node->height > 0) {
        struct range range = range_in(node, *from, *to);
        uint64_t kid_bytes = node->entries[range.i].kid.sums.of[ROPE_BYTES];
        if (range.to > kid_bytes || range.to - range.from == kid_bytes)
            return false;
        finger_put(finger, node, range.i);
        node = node_own(&node->entries[range.i].kid.node);
        *from = range.from;
        *to = range.to;
    }
    finger_put(finger, node, 0);
    return true;
}

/* Nearly always: what goes lies in one leaf. The finger stays at the piece in front of it. */
static bool tree_delete_in_leaf(struct rope_tree *tree, uint64_t at, uint64_t len)
{
    uint64_t from = at, to = at + len;
    size_t behind;
    if (!finger_enter(tree, &from, &to))
        return false;
    struct rope_finger *finger = tree->finger;
    struct rope_node *leaf = finger->nodes[0];
    size_t count_before = leaf->count;
    struct rope_sums gone = leaf_delete(leaf, from, to, &behind);
    if (behind > 0) {
        finger_put(finger, leaf, behind - 1);
        finger->end = at;
    }
    tree_add(tree, rope_sums_subtract((struct rope_sums){{0}}, gone));
    if (leaf->count < count_before || leaf->count > ROPE_FANOUT)
        rebalance(tree);
    return true;
}

static void tree_delete(struct rope_tree *tree, uint64_t at, uint64_t len)
{
    finger_close(tree);
    finger_of(tree)->end = NO_FINGER;
    if (tree_delete_in_leaf(tree, at, len))
        return;
    struct rope_sums gone = {{0}};
    tree_grow(tree, node_delete(node_own(&tree->root), at, at + len, &gone));
    tree_shrink(tree);
    tree->sums = rope_sums_subtract(tree->sums, gone);
}

static void tree_delete_all(struct rope_tree *tree)
{
    finger_close(tree);
    if (tree->finger)
        tree->finger->end = NO_FINGER;
    node_drop(tree->root);
    tree->root = node_new(0);
    tree->sums = (struct rope_sums){{0}};
}

/* --- trees --- */

/* Replaces `count` nodes of one level by their parents; returns how many those are. */
static size_t level_raise(struct rope_node **nodes, size_t count)
{
    size_t parents = 0;
    for (size_t i = 0; i < count;) {
        struct rope_node *parent = node_new((uint16_t)(nodes[i]->height + 1));
        while (i < count && parent->count < ROPE_FANOUT)
            parent->entries[parent->count++] = entry_of_node(nodes[i++]);
        nodes[parents++] = parent;
    }
    return parents;
}

static struct rope_node *leaf_of(const struct rope_piece *pieces, size_t count)
{
    struct rope_node *leaf = node_new(0);
    for (size_t i = 0; i < count; i++)
        leaf->entries[leaf->count++].piece = pieces[i];
    return leaf;
}

static struct rope_tree tree_of(struct rope_node *root)
{
    return (struct rope_tree){.root = root, .sums = node_sums(root)};
}

struct rope_tree rope_tree_build(const struct rope_piece *pieces, size_t count)
{
    if (count == 0)
        return tree_of(node_new(0));
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
    finger_close(tree);
    if (tree->finger)
        tree->finger->ink.floor = tree->finger->ink.free;
    node_keep(tree->root);
    return (struct rope_tree){.root = tree->root, .sums = tree->sums};
}

void rope_tree_release(struct rope_tree *tree)
{
    node_drop(tree->root);
    if (tree->finger)
        rope_ink_release(&tree->finger->ink);
    free(tree->finger);
    *tree = (struct rope_tree){0};
}

void rope_tree_insert(struct rope_tree *tree, uint64_t at, struct bytes text)
{
    ensure(at <= tree->sums.of[ROPE_BYTES]);
    if (!finger_add_piece(tree, at, text))
        tree_insert(tree, at, text);
}

void rope_tree_delete(struct rope_tree *tree, uint64_t at, uint64_t len)
{
    uint64_t total = tree->sums.of[ROPE_BYTES];
    ensure(at <= total && len <= total - at);
    if (len == 0 || finger_take_back(tree, at, len))
        return;
    if (len == total)
        tree_delete_all(tree);
    else
        tree_delete(tree, at, len);
}

struct rope_place rope_tree_seek(const struct rope_tree *tree, enum rope_measure measure, uint64_t unit)
{
    ensure(unit < tree->sums.of[measure]);
    settle(tree);
    const struct rope_node *node = tree->root;
    struct rope_place place = {0};
    for (;;) {
        size_t i = 0;
        for (;; i++) {
            struct rope_sums after = rope_sums_add(place.before, entry_sums(node, i));
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

static void sums_check(struct rope_sums known, struct rope_sums real)
{
    for (size_t i = 0; i < ROPE_MEASURES; i++)
        ensure(known.of[i] == real.of[i]);
}

static void piece_check(const struct rope_piece *piece)
{
    ensure(piece->of[ROPE_BYTES] > 0 && piece->of[ROPE_BYTES] <= ROPE_PIECE_BYTES_MAX);
    sums_check(rope_piece_sums(piece), rope_sums_of(rope_piece_text(piece)));
}

static void node_check(struct rope_node *node)
{
    ensure(atomic_load(&node->refs) > 0);
    ensure(node->count > 0 && node->count <= ROPE_FANOUT);
    for (size_t i = 0; i < node->count; i++) {
        const struct kid *kid = &node->entries[i].kid;
        if (node->height == 0) {
            piece_check(&node->entries[i].piece);
            continue;
        }
        ensure(kid->node->height + 1 == node->height);
        ensure(i == 0 || kid[0].node->count + kid[-1].node->count > ROPE_MERGE_MAX);
        sums_check(kid->sums, node_sums(kid->node));
        node_check(kid->node);
    }
}

/* Settled, the finger is at a piece that ends where it says. */
static void finger_check(const struct rope_tree *tree)
{
    const struct rope_finger *finger = tree->finger;
    if (!finger || finger->end == NO_FINGER) {
        ensure(!finger || !finger_is_open(finger));
        return;
    }
    uint64_t end = 0;
    struct rope_node *node = tree->root;
    for (size_t height = node->height;; height--) {
        ensure(finger->nodes[height] == node && finger->at[height] < node->count);
        for (size_t i = 0; i < finger->at[height]; i++)
            end += entry_bytes(node, i);
        if (height == 0)
            break;
        node = node->entries[finger->at[height]].kid.node;
    }
    const struct rope_piece *piece = finger_piece(finger);
    ensure(end + piece->of[ROPE_BYTES] == finger->end);
    ensure(!finger_is_open(finger) || finger->tail == piece->data + piece->of[ROPE_BYTES]);
}

void rope_tree_check(const struct rope_tree *tree)
{
    settle(tree);
    finger_check(tree);
    sums_check(tree->sums, node_sums(tree->root));
    if (tree->sums.of[ROPE_BYTES] == 0) {
        ensure(tree->root->height == 0 && tree->root->count == 0);
        return;
    }
    ensure(tree->root->height == 0 || tree->root->count > 1);
    node_check(tree->root);
}
