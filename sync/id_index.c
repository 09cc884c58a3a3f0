#include "sync/id_index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"

#define NO_NODE UINT32_MAX

#ifdef WEFT_SMALL_NODES
enum { LEAF_MAX = 4, NODE_MAX = 4 };
#else
enum { LEAF_MAX = 32, NODE_MAX = 32 };
#endif

struct id_leaf {
    uint32_t count;
    uint32_t next;
    struct id_entry entries[LEAF_MAX];
};

struct id_node {
    uint32_t count;
    uint32_t child[NODE_MAX];
    uint64_t first[NODE_MAX]; /* no key of the child is less; the first child also takes what is less than all */
};

/* The leaf that was looked at last: keys [low, high) belong into it. */
struct id_near {
    uint32_t leaf; /* NO_NODE: none */
    uint64_t low, high;
};

void id_index_release(struct id_index *index)
{
    free(index->leaves);
    free(index->nodes);
    free(index->near);
    *index = (struct id_index){0};
}

static uint32_t add_leaf(struct id_index *index)
{
    ensure(index->leaf_count < NO_NODE);
    index->leaves = xgrow(index->leaves, &index->leaf_cap, (size_t)index->leaf_count + 1, sizeof *index->leaves);
    index->leaves[index->leaf_count].count = 0;
    index->leaves[index->leaf_count].next = NO_NODE;
    return index->leaf_count++;
}

static uint32_t add_node(struct id_index *index)
{
    ensure(index->node_count < NO_NODE);
    index->nodes = xgrow(index->nodes, &index->node_cap, (size_t)index->node_count + 1, sizeof *index->nodes);
    index->nodes[index->node_count].count = 0;
    return index->node_count++;
}

void id_index_reset(struct id_index *index)
{
    index->leaf_count = index->node_count = 0;
    index->depth = 0;
    index->root = add_leaf(index);
    if (!index->near)
        index->near = xcalloc(1, sizeof *index->near);
    index->near->leaf = NO_NODE;
}

/* --- finding --- */

static uint32_t slot_for(const struct id_node *node, uint64_t key)
{
    uint32_t low = 0, high = node->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (node->first[middle] <= key)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void descend(const struct id_index *index, uint64_t key)
{
    struct id_near near = {index->root, 0, UINT64_MAX};
    for (uint32_t level = index->depth; level > 0; level--) {
        const struct id_node *node = &index->nodes[near.leaf];
        uint32_t slot = slot_for(node, key);
        near.leaf = node->child[slot];
        near.low = slot > 0 ? node->first[slot] : near.low;
        near.high = slot + 1 < node->count ? node->first[slot + 1] : near.high;
    }
    *index->near = near;
}

static bool is_near(const struct id_index *index, uint64_t key)
{
    return index->near->leaf != NO_NODE && index->near->low <= key && key < index->near->high;
}

static uint32_t leaf_for(const struct id_index *index, uint64_t key)
{
    if (!is_near(index, key))
        descend(index, key);
    return index->near->leaf;
}

/* How many entries of a leaf begin at or before key. */
static uint32_t entries_upto(const struct id_leaf *leaf, uint64_t key)
{
    uint32_t low = 0, high = leaf->count;
    if (high > 0 && leaf->entries[high - 1].key <= key) /* what is new comes last */
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (leaf->entries[middle].key <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The entry that begins at or before key, if that is in the leaf where the key belongs. */
static struct id_entry *entry_before(const struct id_index *index, uint64_t key)
{
    struct id_leaf *leaf = &index->leaves[leaf_for(index, key)];
    uint32_t upto = entries_upto(leaf, key);
    return upto > 0 ? &leaf->entries[upto - 1] : NULL;
}

static struct id_entry entry_from(const struct id_entry *entry, uint64_t offset)
{
    struct id_entry rest = {entry->key + offset, entry->len - offset, entry->value, entry->kind};
    if (entry->kind == ID_DELETES)
        rest.value += offset;
    if (entry->kind == ID_DELETES_BACK)
        rest.value -= offset;
    return rest;
}

static uint64_t next_key(const struct id_index *index, const struct id_leaf *leaf, uint32_t at)
{
    while (at >= leaf->count) {
        if (leaf->next == NO_NODE)
            return UINT64_MAX;
        leaf = &index->leaves[leaf->next];
        at = 0;
    }
    return leaf->entries[at].key;
}

struct id_entry id_index_get(const struct id_index *index, uint64_t key)
{
    const struct id_leaf *leaf = &index->leaves[leaf_for(index, key)];
    uint32_t upto = entries_upto(leaf, key);
    if (upto > 0 && key - leaf->entries[upto - 1].key < leaf->entries[upto - 1].len)
        return entry_from(&leaf->entries[upto - 1], key - leaf->entries[upto - 1].key);
    return (struct id_entry){key, next_key(index, leaf, upto) - key, 0, ID_NOTHING};
}

/* --- changing --- */

/* What a full node or leaf hands up: its new right neighbour and that one's first key. */
struct split {
    uint32_t number;
    uint64_t first;
};

/* Keys mostly come in their order: what a new one is put behind stays full. */
static uint32_t kept_in_split(uint32_t count, uint64_t last, uint64_t key)
{
    return key > last ? count - 1 : count / 2;
}

static struct split leaf_split(struct id_index *index, uint32_t number, uint64_t key)
{
    uint32_t other = add_leaf(index);
    struct id_leaf *from = &index->leaves[number], *to = &index->leaves[other];
    uint32_t kept = kept_in_split(from->count, from->entries[from->count - 1].key, key);
    if (index->near->leaf == number)
        index->near->leaf = NO_NODE;
    to->count = from->count - kept;
    from->count = kept;
    memcpy(to->entries, from->entries + kept, to->count * sizeof *to->entries);
    to->next = from->next;
    from->next = other;
    return (struct split){other, to->entries[0].key};
}

static struct split node_split(struct id_index *index, uint32_t number, uint64_t key)
{
    uint32_t other = add_node(index);
    struct id_node *from = &index->nodes[number], *to = &index->nodes[other];
    uint32_t kept = kept_in_split(from->count, from->first[from->count - 1], key);
    to->count = from->count - kept;
    from->count = kept;
    memcpy(to->child, from->child + kept, to->count * sizeof *to->child);
    memcpy(to->first, from->first + kept, to->count * sizeof *to->first);
    return (struct split){other, to->first[0]};
}

static bool leaf_put(struct id_index *index, uint32_t number, const struct id_entry *entry, struct split *split)
{
    bool full = index->leaves[number].count == LEAF_MAX;
    if (full) {
        *split = leaf_split(index, number, entry->key);
        if (entry->key > split->first)
            number = split->number;
    }
    struct id_leaf *leaf = &index->leaves[number];
    uint32_t at = entries_upto(leaf, entry->key);
    memmove(leaf->entries + at + 1, leaf->entries + at, (leaf->count - at) * sizeof *leaf->entries);
    leaf->entries[at] = *entry;
    leaf->count++;
    return full;
}

static bool node_put(struct id_index *index, uint32_t number, const struct split *child, struct split *split)
{
    bool full = index->nodes[number].count == NODE_MAX;
    if (full) {
        *split = node_split(index, number, child->first);
        if (child->first > split->first)
            number = split->number;
    }
    struct id_node *node = &index->nodes[number];
    uint32_t slot = node->count == 0 ? 0 : slot_for(node, child->first) + 1;
    memmove(node->child + slot + 1, node->child + slot, (node->count - slot) * sizeof *node->child);
    memmove(node->first + slot + 1, node->first + slot, (node->count - slot) * sizeof *node->first);
    node->child[slot] = child->number;
    node->first[slot] = child->first;
    node->count++;
    return full;
}

/* As deep as the tree is high. True: the node was split. */
static bool put_below(struct id_index *index, uint32_t number, uint32_t level, const struct id_entry *entry,
                      struct split *split)
{
    if (level == 0)
        return leaf_put(index, number, entry, split);
    const struct id_node *node = &index->nodes[number];
    struct split child;
    if (!put_below(index, node->child[slot_for(node, entry->key)], level - 1, entry, &child))
        return false;
    return node_put(index, number, &child, split);
}

static void put_entry(struct id_index *index, const struct id_entry *entry)
{
    ensure(index->leaves); /* id_index_reset() comes first */
    struct split right, ignored;
    uint32_t left = index->root;
    if (is_near(index, entry->key) && index->leaves[index->near->leaf].count < LEAF_MAX) {
        leaf_put(index, index->near->leaf, entry, &ignored);
        return;
    }
    if (!put_below(index, left, index->depth, entry, &right))
        return;
    index->root = add_node(index);
    index->depth++;
    node_put(index, index->root, &(struct split){left, 0}, &ignored);
    node_put(index, index->root, &right, &ignored);
}

static bool goes_on(const struct id_entry *before, const struct id_entry *entry)
{
    if (before->key + before->len != entry->key || before->kind != entry->kind)
        return false;
    return entry_from(before, before->len).value == entry->value;
}

void id_index_put(struct id_index *index, struct id_entry entry)
{
    struct id_entry *before = entry_before(index, entry.key);
    if (before && goes_on(before, &entry))
        before->len += entry.len;
    else
        put_entry(index, &entry);
}

/* Makes an entry begin at key, which must be inside one. */
static void cut_entry(struct id_index *index, uint64_t key)
{
    struct id_entry *entry = entry_before(index, key);
    ensure(entry && key - entry->key < entry->len);
    if (entry->key == key)
        return;
    struct id_entry tail = entry_from(entry, key - entry->key);
    entry->len = key - entry->key;
    put_entry(index, &tail);
}

void id_index_move(struct id_index *index, uint64_t key, uint64_t len, uint32_t leaf)
{
    for (uint64_t end = key + len; key < end;) {
        cut_entry(index, key);
        struct id_entry *entry = entry_before(index, key);
        if (entry->len > end - key) {
            cut_entry(index, end);
            entry = entry_before(index, key);
        }
        ensure(entry->kind == ID_UNITS);
        entry->value = leaf;
        key += entry->len;
    }
}
