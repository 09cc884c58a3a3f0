#include "editor/rope_node.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

/* --- nodes and references --- */

struct rope_node *rope_node_new(uint16_t height)
{
    struct rope_node *node = xmalloc(sizeof *node);
    atomic_init(&node->refs, 1);
    node->height = height;
    node->count = 0;
    return node;
}

void rope_node_keep(struct rope_node *node)
{
    atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
}

static void entry_keep(const struct rope_node *node, size_t i)
{
    if (node->height == 0)
        rope_piece_keep(node->entries[i].piece);
    else
        rope_node_keep(node->entries[i].kid.node);
}

static void entry_drop(const struct rope_node *node, size_t i)
{
    if (node->height == 0)
        rope_piece_drop(node->entries[i].piece);
    else
        rope_node_drop(node->entries[i].kid.node);
}

/* Recursion is as deep as the tree is high. */
void rope_node_drop(struct rope_node *node)
{
    if (atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < node->count; i++)
        entry_drop(node, i);
    free(node);
}

/* Acquire: whoever dropped the other reference is done reading before we write. */
bool rope_node_is_ours(struct rope_node *node)
{
    return atomic_load_explicit(&node->refs, memory_order_acquire) == 1;
}

struct rope_node *rope_node_own(struct rope_node **place)
{
    struct rope_node *shared = *place;
    if (rope_node_is_ours(shared))
        return shared;
    struct rope_node *copy = rope_node_new(shared->height);
    copy->count = shared->count;
    memcpy(copy->entries, shared->entries, shared->count * sizeof *shared->entries);
    for (size_t i = 0; i < copy->count; i++)
        entry_keep(copy, i);
    rope_node_drop(shared);
    return *place = copy;
}

/* --- entries of one node --- */

struct rope_sums rope_entry_sums(const struct rope_node *node, size_t i)
{
    return node->height ? node->entries[i].kid.sums : rope_piece_sums(&node->entries[i].piece);
}

uint64_t rope_entry_bytes(const struct rope_node *node, size_t i)
{
    return node->height ? node->entries[i].kid.sums.of[ROPE_BYTES] : node->entries[i].piece.of[ROPE_BYTES];
}

struct rope_sums rope_node_sums(const struct rope_node *node)
{
    struct rope_sums sums = {{0}};
    for (size_t i = 0; i < node->count; i++)
        sums = rope_sums_add(sums, rope_entry_sums(node, i));
    return sums;
}

union rope_entry rope_entry_of_node(struct rope_node *node)
{
    return (union rope_entry){.kid = {.node = node, .sums = rope_node_sums(node)}};
}

void rope_entries_insert(struct rope_node *node, size_t i, union rope_entry entry)
{
    ensure(node->count < ROPE_ENTRIES_ROOM);
    memmove(node->entries + i + 1, node->entries + i, (node->count - i) * sizeof entry);
    node->entries[i] = entry;
    node->count++;
}

void rope_entries_remove(struct rope_node *node, size_t i, size_t count)
{
    memmove(node->entries + i, node->entries + i + count, (node->count - i - count) * sizeof *node->entries);
    node->count = (uint16_t)(node->count - count);
}

void rope_entries_drop(struct rope_node *node, size_t i, size_t count)
{
    for (size_t k = i; k < i + count; k++)
        entry_drop(node, k);
    rope_entries_remove(node, i, count);
}

struct rope_node *rope_node_split(struct rope_node *node)
{
    if (node->count <= ROPE_FANOUT)
        return NULL;
    struct rope_node *right = rope_node_new(node->height);
    size_t left_count = (node->count + 1) / 2;
    right->count = (uint16_t)(node->count - left_count);
    memcpy(right->entries, node->entries + left_count, right->count * sizeof *node->entries);
    node->count = (uint16_t)left_count;
    return right;
}

/* Appends the entries of `right`, whose reference is used up. */
static void node_absorb(struct rope_node *node, struct rope_node *right)
{
    right = rope_node_own(&right);
    memcpy(node->entries + node->count, right->entries, right->count * sizeof *node->entries);
    node->count = (uint16_t)(node->count + right->count);
    right->count = 0;
    rope_node_drop(right);
}

/* --- keeping invariant 3 --- */

/* Merges child i with the one to its right if they are small, then the two below that became neighbours by it. */
static void node_merge(struct rope_node *node, size_t i)
{
    struct rope_kid *left = &node->entries[i].kid;
    struct rope_kid *right = &node->entries[i + 1].kid;
    if (left->node->count + right->node->count > ROPE_MERGE_MAX)
        return;
    struct rope_node *merged = rope_node_own(&left->node);
    size_t seam = merged->count - 1U;
    left->sums = rope_sums_add(left->sums, right->sums);
    node_absorb(merged, right->node);
    rope_entries_remove(node, i + 1, 1);
    if (merged->height > 0)
        node_merge(merged, seam);
}

void rope_node_tidy(struct rope_node *node, size_t first, size_t last)
{
    size_t from = first > 0 ? first - 1 : 0;
    size_t to = last + 1 < node->count ? last + 1 : node->count - 1U;
    for (size_t i = to; i > from; i--)
        node_merge(node, i - 1);
}

void rope_node_settle(struct rope_node *node, size_t i, struct rope_node *split)
{
    node->entries[i].kid.sums = rope_node_sums(node->entries[i].kid.node);
    if (split)
        rope_entries_insert(node, i + 1, rope_entry_of_node(split));
}

/* --- checking --- */

void rope_sums_check(struct rope_sums known, struct rope_sums real)
{
    for (size_t i = 0; i < ROPE_MEASURES; i++)
        ensure(known.of[i] == real.of[i]);
}

static void piece_check(const struct rope_piece *piece)
{
    ensure(piece->of[ROPE_BYTES] > 0 && piece->of[ROPE_BYTES] <= ROPE_PIECE_BYTES_MAX);
    rope_sums_check(rope_piece_sums(piece), rope_sums_of(rope_piece_text(piece)));
}

void rope_node_check(struct rope_node *node)
{
    ensure(atomic_load(&node->refs) > 0);
    ensure(node->count > 0 && node->count <= ROPE_FANOUT);
    for (size_t i = 0; i < node->count; i++) {
        const struct rope_kid *kid = &node->entries[i].kid;
        if (node->height == 0) {
            piece_check(&node->entries[i].piece);
            continue;
        }
        ensure(kid->node->height + 1 == node->height);
        ensure(i == 0 || kid[0].node->count + kid[-1].node->count > ROPE_MERGE_MAX);
        rope_sums_check(kid->sums, rope_node_sums(kid->node));
        rope_node_check(kid->node);
    }
}
