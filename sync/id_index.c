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

/* What an entry says of its keys. */
struct id_fact {
    uint64_t value;
    uint64_t note;
    uint32_t len;
    enum id_kind kind;
};

struct id_leaf {
    uint32_t count;
    uint32_t next;
    uint64_t keys[LEAF_MAX]; /* the first of each entry */
    struct id_fact facts[LEAF_MAX];
};

struct id_node {
    uint32_t count;
    uint32_t child[NODE_MAX];
    uint64_t first[NODE_MAX]; /* no key of the child is less; the first child also takes what is less than all */
};

/* Where the last look-up was: keys [low, high) belong into that leaf. Ranges are gone through key by key, so the next one is
 * mostly in the same entry or in the one after it. */
struct id_near {
    uint32_t leaf; /* NO_NODE: none */
    uint32_t upto; /* how many entries of it began at or before the key; any number */
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

void id_index_copy(struct id_index *to, const struct id_index *from)
{
    id_index_reset(to);
    to->leaves = xgrow_copy(to->leaves, &to->leaf_cap, from->leaves, from->leaf_count, sizeof *to->leaves);
    to->nodes = xgrow_copy(to->nodes, &to->node_cap, from->nodes, from->node_count, sizeof *to->nodes);
    to->leaf_count = from->leaf_count;
    to->node_count = from->node_count;
    to->root = from->root;
    to->depth = from->depth;
}

uint64_t id_index_entries_max(const struct id_index *index)
{
    return (uint64_t)index->leaf_count * LEAF_MAX;
}

/* --- finding --- */

/* How many of some ascending keys are at or before one. Halves without branches, of which nobody could tell where they go. */
static uint32_t keys_upto(const uint64_t *keys, uint32_t count, uint64_t key)
{
    uint32_t upto = 0;
    while (count > 0) {
        uint32_t half = (count + 1) / 2;
        upto += half & (0 - (uint32_t)(keys[upto + half - 1] <= key));
        count -= half;
    }
    return upto;
}

static uint32_t slot_for(const struct id_node *node, uint64_t key)
{
    return keys_upto(node->first + 1, node->count - 1, key);
}

static void descend(const struct id_index *index, uint64_t key)
{
    struct id_near near = {index->root, 0, 0, UINT64_MAX};
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

static bool is_upto(const struct id_leaf *leaf, uint32_t upto, uint64_t key)
{
    return upto <= leaf->count && (upto == 0 || leaf->keys[upto - 1] <= key) &&
           (upto == leaf->count || leaf->keys[upto] > key);
}

/* The leaf where the key belongs, and how many of its entries begin at or before key. */
static struct id_leaf *look_up(const struct id_index *index, uint64_t key, uint32_t *upto)
{
    struct id_near *near = index->near;
    struct id_leaf *leaf = &index->leaves[leaf_for(index, key)];
    if (is_upto(leaf, near->upto + 1, key))
        near->upto++;
    else if (!is_upto(leaf, near->upto, key))
        near->upto = keys_upto(leaf->keys, leaf->count, key);
    *upto = near->upto;
    return leaf;
}

static struct id_entry entry_at(const struct id_leaf *leaf, uint32_t at)
{
    const struct id_fact *fact = &leaf->facts[at];
    return (struct id_entry){leaf->keys[at], fact->len, fact->value, fact->kind};
}

/* An entry without its first keys. */
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
    return leaf->keys[at];
}

struct id_entry id_index_get_noted(const struct id_index *index, uint64_t key, uint64_t **note)
{
    uint32_t upto;
    struct id_leaf *leaf = look_up(index, key, &upto);
    if (upto > 0 && key - leaf->keys[upto - 1] < leaf->facts[upto - 1].len) {
        struct id_entry entry = entry_at(leaf, upto - 1);
        *note = &leaf->facts[upto - 1].note;
        return entry_from(&entry, key - entry.key);
    }
    *note = NULL;
    return (struct id_entry){key, next_key(index, leaf, upto) - key, 0, ID_NOTHING};
}

struct id_entry id_index_get(const struct id_index *index, uint64_t key)
{
    uint64_t *note;
    return id_index_get_noted(index, key, &note);
}

uint64_t *id_index_note(const struct id_index *index, uint64_t key)
{
    uint32_t upto;
    struct id_leaf *leaf = look_up(index, key, &upto);
    ensure(upto > 0 && key - leaf->keys[upto - 1] < leaf->facts[upto - 1].len);
    return &leaf->facts[upto - 1].note;
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
    uint32_t kept = kept_in_split(from->count, from->keys[from->count - 1], key);
    if (index->near->leaf == number)
        index->near->leaf = NO_NODE;
    to->count = from->count - kept;
    from->count = kept;
    memcpy(to->keys, from->keys + kept, to->count * sizeof *to->keys);
    memcpy(to->facts, from->facts + kept, to->count * sizeof *to->facts);
    to->next = from->next;
    from->next = other;
    return (struct split){other, to->keys[0]};
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
    uint32_t at = keys_upto(leaf->keys, leaf->count, entry->key), after = leaf->count - at;
    memmove(leaf->keys + at + 1, leaf->keys + at, after * sizeof *leaf->keys);
    memmove(leaf->facts + at + 1, leaf->facts + at, after * sizeof *leaf->facts);
    leaf->keys[at] = entry->key;
    leaf->facts[at] = (struct id_fact){.value = entry->value, .len = (uint32_t)entry->len, .kind = entry->kind};
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
    if (before->key + before->len != entry->key || before->kind != entry->kind || entry->len > UINT32_MAX - before->len)
        return false;
    return entry_from(before, before->len).value == entry->value;
}

void id_index_put(struct id_index *index, struct id_entry entry)
{
    uint32_t upto;
    struct id_leaf *leaf = look_up(index, entry.key, &upto);
    ensure(entry.len <= UINT32_MAX);
    if (upto > 0) {
        struct id_entry before = entry_at(leaf, upto - 1);
        if (goes_on(&before, &entry)) {
            leaf->facts[upto - 1].len += (uint32_t)entry.len;
            return;
        }
    }
    put_entry(index, &entry);
}

/* Makes an entry begin at key, which must be inside one; gives its fact. */
static struct id_fact *cut_entry(struct id_index *index, uint64_t key)
{
    uint32_t upto;
    struct id_leaf *leaf = look_up(index, key, &upto);
    ensure(upto > 0 && key - leaf->keys[upto - 1] < leaf->facts[upto - 1].len);
    uint64_t offset = key - leaf->keys[upto - 1];
    if (offset > 0) {
        struct id_entry whole = entry_at(leaf, upto - 1), tail = entry_from(&whole, offset);
        leaf->facts[upto - 1].len = (uint32_t)offset;
        put_entry(index, &tail);
        leaf = look_up(index, key, &upto);
    }
    return &leaf->facts[upto - 1];
}

void id_index_move(struct id_index *index, uint64_t key, uint64_t len, uint64_t value)
{
    for (uint64_t end = key + len; key < end;) {
        struct id_fact *fact = cut_entry(index, key);
        if (fact->len > end - key) {
            (void)cut_entry(index, end);
            fact = cut_entry(index, key);
        }
        ensure(fact->kind == ID_UNITS);
        fact->value = value;
        key += fact->len;
    }
}
