#include "sync/spans.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

#define NO_NODE UINT32_MAX

struct span_leaf {
    uint32_t count;
    uint32_t parent, slot; /* which of the parent's children it is */
    uint32_t next;         /* in text order */
    struct span spans[SPANS_LEAF_MAX];
};

struct span_node {
    uint32_t count;
    uint32_t parent, slot;
    uint32_t level; /* 1: the children are leaves */
    uint32_t child[SPANS_NODE_MAX];
    uint64_t sums[SUM_COUNT][SPANS_NODE_MAX];
};

/* Where the last look-up was, and the last change: what comes next is mostly there too. */
struct span_near {
    uint32_t leaf; /* NO_NODE: nowhere */
    struct span_sums before, inside;
    uint32_t changed_leaf;    /* NO_NODE: none */
    struct span_sums changes; /* of it, which no node above knows yet */
};

/* --- life --- */

void spans_release(struct spans *spans)
{
    free(spans->leaves);
    free(spans->nodes);
    free(spans->near);
    *spans = (struct spans){0};
}

static uint32_t add_leaf(struct spans *spans)
{
    ensure(spans->leaf_count < NO_NODE);
    spans->leaves = xgrow(spans->leaves, &spans->leaf_cap, (size_t)spans->leaf_count + 1, sizeof *spans->leaves);
    struct span_leaf *leaf = &spans->leaves[spans->leaf_count];
    leaf->count = 0;
    leaf->parent = leaf->next = NO_NODE;
    leaf->slot = 0;
    return spans->leaf_count++;
}

static uint32_t add_node(struct spans *spans, uint32_t level)
{
    ensure(spans->node_count < NO_NODE);
    spans->nodes = xgrow(spans->nodes, &spans->node_cap, (size_t)spans->node_count + 1, sizeof *spans->nodes);
    struct span_node *node = &spans->nodes[spans->node_count];
    node->count = 0;
    node->parent = NO_NODE;
    node->slot = 0;
    node->level = level;
    return spans->node_count++;
}

void spans_reset(struct spans *spans)
{
    spans->leaf_count = spans->node_count = 0;
    spans->depth = 0;
    spans->total = (struct span_sums){{0}};
    spans->root = add_leaf(spans);
    if (!spans->near)
        spans->near = xcalloc(1, sizeof *spans->near);
    spans->near->leaf = spans->near->changed_leaf = NO_NODE;
}

/* --- sums --- */

static struct span_sums sums_of(const struct span *span)
{
    return (struct span_sums){{
        [SUM_PREPARED] = span->state == SPAN_THERE ? span->len : 0,
        [SUM_SHOWN] = span->gone ? 0 : span->len,
        [SUM_KNOWN] = span->state != SPAN_NOT_YET,
    }};
}

static void sums_add(struct span_sums *sums, const struct span_sums *more)
{
    for (int i = 0; i < SUM_COUNT; i++)
        sums->of[i] += more->of[i];
}

static void sums_subtract(struct span_sums *sums, const struct span_sums *less)
{
    for (int i = 0; i < SUM_COUNT; i++)
        sums->of[i] -= less->of[i];
}

/* The sums of a leaf change; what stands before the one that was looked at last is then no longer known, if it is
 * another. */
static void update_near(struct span_near *near, uint32_t leaf, const struct span_sums *more)
{
    if (leaf == near->leaf)
        sums_add(&near->inside, more);
    else if (more->of[SUM_PREPARED] || more->of[SUM_SHOWN])
        near->leaf = NO_NODE;
}

/* Tells all nodes above; comes before any of their sums is read. */
static void settle(const struct spans *spans)
{
    struct span_near *near = spans->near;
    if (near->changed_leaf == NO_NODE)
        return;
    uint32_t slot = spans->leaves[near->changed_leaf].slot;
    for (uint32_t up = spans->leaves[near->changed_leaf].parent; up != NO_NODE;) {
        struct span_node *node = &spans->nodes[up];
        for (int i = 0; i < SUM_COUNT; i++)
            node->sums[i][slot] += near->changes.of[i];
        slot = node->slot;
        up = node->parent;
    }
    near->changed_leaf = NO_NODE;
}

/* Adds to every sum that a leaf is part of; subtracting is adding the complement. */
static void add_up(struct spans *spans, uint32_t leaf, const struct span_sums *more)
{
    struct span_near *near = spans->near;
    sums_add(&spans->total, more);
    update_near(near, leaf, more);
    if (near->changed_leaf != leaf) {
        settle(spans);
        near->changed_leaf = leaf;
        near->changes = (struct span_sums){{0}};
    }
    sums_add(&near->changes, more);
}

static struct span_sums node_sums(const struct span_node *node)
{
    struct span_sums sums = {{0}};
    for (int i = 0; i < SUM_COUNT; i++)
        for (uint32_t slot = 0; slot < node->count; slot++)
            sums.of[i] += node->sums[i][slot];
    return sums;
}

/* --- splitting --- */

/* Tells the children from `slot` on whose they are. */
static void set_parents(struct spans *spans, uint32_t number, uint32_t slot)
{
    const struct span_node *node = &spans->nodes[number];
    for (; slot < node->count; slot++) {
        uint32_t child = node->child[slot];
        if (node->level == 1) {
            spans->leaves[child].parent = number;
            spans->leaves[child].slot = slot;
        } else {
            spans->nodes[child].parent = number;
            spans->nodes[child].slot = slot;
        }
    }
}

static void node_put(struct spans *spans, uint32_t number, uint32_t slot, uint32_t child, const struct span_sums *sums)
{
    struct span_node *node = &spans->nodes[number];
    size_t after = node->count - slot;
    memmove(node->child + slot + 1, node->child + slot, after * sizeof *node->child);
    node->child[slot] = child;
    for (int i = 0; i < SUM_COUNT; i++) {
        memmove(node->sums[i] + slot + 1, node->sums[i] + slot, after * sizeof *node->sums[i]);
        node->sums[i][slot] = sums->of[i];
    }
    node->count++;
    set_parents(spans, number, slot);
}

static void grow_root(struct spans *spans, uint32_t left, uint32_t right, uint32_t level, const struct span_sums *moved)
{
    uint32_t root = add_node(spans, level);
    struct span_sums kept = spans->total;
    sums_subtract(&kept, moved);
    node_put(spans, root, 0, left, &kept);
    node_put(spans, root, 1, right, moved);
    spans->root = root;
    spans->depth = level;
}

static void node_add_after(struct spans *spans, uint32_t number, uint32_t left, uint32_t right,
                           const struct span_sums *moved);

/* Moves the upper half of a node's children to a new node beside it. */
static void node_split(struct spans *spans, uint32_t number)
{
    uint32_t other = add_node(spans, spans->nodes[number].level);
    struct span_node *from = &spans->nodes[number], *to = &spans->nodes[other];
    uint32_t kept = from->count / 2;
    to->count = from->count - kept;
    from->count = kept;
    memcpy(to->child, from->child + kept, to->count * sizeof *to->child);
    for (int i = 0; i < SUM_COUNT; i++)
        memcpy(to->sums[i], from->sums[i] + kept, to->count * sizeof *to->sums[i]);
    set_parents(spans, other, 0);

    struct span_sums moved = node_sums(to);
    if (from->parent == NO_NODE)
        grow_root(spans, number, other, from->level + 1, &moved);
    else
        node_add_after(spans, from->parent, number, other, &moved);
}

/* `right` becomes the neighbour of `left`, from which it took `moved`. */
static void node_add_after(struct spans *spans, uint32_t number, uint32_t left, uint32_t right,
                           const struct span_sums *moved)
{
    uint32_t level = spans->nodes[number].level;
    if (spans->nodes[number].count == SPANS_NODE_MAX) {
        node_split(spans, number);
        number = level == 1 ? spans->leaves[left].parent : spans->nodes[left].parent;
    }
    struct span_node *node = &spans->nodes[number];
    uint32_t slot = level == 1 ? spans->leaves[left].slot : spans->nodes[left].slot;
    for (int i = 0; i < SUM_COUNT; i++)
        node->sums[i][slot] -= moved->of[i];
    node_put(spans, number, slot + 1, right, moved);
}

static uint32_t leaf_split(struct spans *spans, uint32_t number)
{
    settle(spans);
    uint32_t other = add_leaf(spans);
    struct span_leaf *from = &spans->leaves[number], *to = &spans->leaves[other];
    struct span_sums moved = {{0}};
    uint32_t kept = from->count / 2;
    to->count = from->count - kept;
    from->count = kept;
    to->next = from->next;
    from->next = other;
    spans->near->leaf = NO_NODE;
    memcpy(to->spans, from->spans + kept, to->count * sizeof *to->spans);
    for (uint32_t at = 0; at < to->count; at++) {
        struct span_sums sums = sums_of(&to->spans[at]);
        sums_add(&moved, &sums);
        if (spans->moved)
            spans->moved(spans->self, &to->spans[at], other);
    }
    if (from->parent == NO_NODE)
        grow_root(spans, number, other, 1, &moved);
    else
        node_add_after(spans, from->parent, number, other, &moved);
    return other;
}

/* Afterwards two more spans fit into the place's leaf. */
static void make_room(struct spans *spans, struct span_place *place)
{
    if (spans->leaves[place->leaf].count + 2 <= SPANS_LEAF_MAX)
        return;
    uint32_t other = leaf_split(spans, place->leaf);
    uint32_t kept = spans->leaves[place->leaf].count;
    if (place->at >= kept) {
        place->at -= kept;
        place->leaf = other;
    }
}

static void leaf_put(struct span_leaf *leaf, uint32_t at, const struct span *span)
{
    memmove(leaf->spans + at + 1, leaf->spans + at, (leaf->count - at) * sizeof *leaf->spans);
    leaf->spans[at] = *span;
    leaf->count++;
}

/* Cuts a span before its unit `offset`, both halves staying in the leaf, where there must be room. */
static void cut_span(struct spans *spans, uint32_t number, uint32_t at, uint64_t offset)
{
    struct span_leaf *leaf = &spans->leaves[number];
    struct span *head = &leaf->spans[at], tail = *head;
    head->len = offset;
    tail.id += offset;
    tail.len -= offset;
    tail.left = tail.id - 1;
    leaf_put(leaf, at + 1, &tail);
    if (tail.state != SPAN_NOT_YET)
        add_up(spans, number, &(struct span_sums){{[SUM_KNOWN] = 1}});
}

/* --- finding --- */

struct span_place spans_start(const struct spans *spans)
{
    uint32_t number = spans->root;
    for (uint32_t level = spans->depth; level > 0; level--)
        number = spans->nodes[number].child[0];
    return (struct span_place){number, 0, 0};
}

static uint64_t units_of(const struct span *span, enum span_sum sum)
{
    bool counts = sum == SUM_PREPARED ? span->state == SPAN_THERE : !span->gone;
    return counts ? span->len : 0;
}

static inline struct span_place scan_leaf(const struct spans *spans, uint32_t number, enum span_sum sum, uint64_t pos)
{
    const struct span_leaf *leaf = &spans->leaves[number];
    uint32_t at = 0;
    for (uint64_t units; at < leaf->count && pos >= (units = units_of(&leaf->spans[at], sum)); at++)
        pos -= units;
    ensure(at < leaf->count);
    return (struct span_place){number, at, pos};
}

/* One loop for each sum. */
static struct span_place find_in_leaf(const struct spans *spans, uint32_t number, enum span_sum sum, uint64_t pos)
{
    return sum == SUM_PREPARED ? scan_leaf(spans, number, SUM_PREPARED, pos) : scan_leaf(spans, number, SUM_SHOWN, pos);
}

/* From the root to the leaf that holds a unit, summing up what stands before. */
static void descend(const struct spans *spans, enum span_sum sum, uint64_t pos)
{
    struct span_near *near = spans->near;
    uint32_t number = spans->root;
    settle(spans);
    near->before = (struct span_sums){{0}};
    near->inside = spans->total;
    for (uint32_t level = spans->depth; level > 0; level--) {
        const struct span_node *node = &spans->nodes[number];
        uint32_t slot = 0;
        for (uint64_t left = pos - near->before.of[sum]; left >= node->sums[sum][slot]; slot++)
            left -= node->sums[sum][slot];
        for (uint32_t i = 0; i < slot; i++) {
            near->before.of[SUM_PREPARED] += node->sums[SUM_PREPARED][i];
            near->before.of[SUM_SHOWN] += node->sums[SUM_SHOWN][i];
        }
        near->inside.of[SUM_PREPARED] = node->sums[SUM_PREPARED][slot];
        near->inside.of[SUM_SHOWN] = node->sums[SUM_SHOWN][slot];
        number = node->child[slot];
    }
    near->leaf = number;
}

struct span_place spans_find(const struct spans *spans, enum span_sum sum, uint64_t pos)
{
    const struct span_near *near = spans->near;
    ensure(pos < spans->total.of[sum]);
    if (near->leaf == NO_NODE || pos - near->before.of[sum] >= near->inside.of[sum]) /* less than 0 is much more */
        descend(spans, sum, pos);
    return find_in_leaf(spans, near->leaf, sum, pos - near->before.of[sum]);
}

struct span_place spans_find_id(const struct spans *spans, uint32_t number, uint64_t id)
{
    const struct span_leaf *leaf = &spans->leaves[number];
    for (uint32_t at = 0; at < leaf->count; at++)
        if (id - leaf->spans[at].id < leaf->spans[at].len)
            return (struct span_place){number, at, id - leaf->spans[at].id};
    ensure(false);
    return (struct span_place){0};
}

uint64_t spans_shown_before(const struct spans *spans, struct span_place place)
{
    const struct span_leaf *leaf = &spans->leaves[place.leaf];
    uint64_t shown = 0;
    for (uint32_t at = 0; at < place.at; at++)
        shown += leaf->spans[at].gone ? 0 : leaf->spans[at].len;
    if (place.offset > 0 && !leaf->spans[place.at].gone)
        shown += place.offset;
    if (place.leaf == spans->near->leaf)
        return shown + spans->near->before.of[SUM_SHOWN];
    settle(spans);
    uint32_t until = leaf->slot;
    for (uint32_t up = leaf->parent; up != NO_NODE;) {
        const struct span_node *node = &spans->nodes[up];
        for (uint32_t slot = 0; slot < until; slot++)
            shown += node->sums[SUM_SHOWN][slot];
        until = node->slot;
        up = node->parent;
    }
    return shown;
}

/* Climbs from both leaves, which are equally deep, to the node where their ways part. */
static int compare_leaves(const struct spans *spans, uint32_t a, uint32_t b)
{
    uint32_t up_a = spans->leaves[a].parent, up_b = spans->leaves[b].parent;
    uint32_t slot_a = spans->leaves[a].slot, slot_b = spans->leaves[b].slot;
    while (up_a != up_b) {
        slot_a = spans->nodes[up_a].slot;
        slot_b = spans->nodes[up_b].slot;
        up_a = spans->nodes[up_a].parent;
        up_b = spans->nodes[up_b].parent;
    }
    return slot_a < slot_b ? -1 : 1;
}

int spans_compare(const struct spans *spans, struct span_place a, struct span_place b)
{
    if (a.leaf != b.leaf)
        return compare_leaves(spans, a.leaf, b.leaf);
    if (a.at != b.at)
        return a.at < b.at ? -1 : 1;
    return (a.offset > b.offset) - (a.offset < b.offset);
}

const struct span *spans_peek(const struct spans *spans, struct span_place *place)
{
    const struct span_leaf *leaf = &spans->leaves[place->leaf];
    if (place->at < leaf->count && place->offset < leaf->spans[place->at].len)
        return &leaf->spans[place->at];
    struct span_place next = {place->leaf, place->offset > 0 ? place->at + 1 : place->at, 0};
    while (next.at >= leaf->count) {
        if (leaf->next == NO_NODE)
            return NULL;
        next = (struct span_place){leaf->next, 0, 0};
        leaf = &spans->leaves[next.leaf];
    }
    *place = next;
    return &leaf->spans[next.at];
}

void spans_next(struct span_place *place)
{
    place->at++;
    place->offset = 0;
}

const struct span *spans_last_below(const struct spans *spans, struct span_place *place, uint32_t level)
{
    uint32_t number = place->leaf;
    if (level > spans->depth)
        return NULL;
    for (uint32_t up = 1; up <= level; up++)
        number = up == 1 ? spans->leaves[number].parent : spans->nodes[number].parent;
    for (uint32_t down = level; down > 0; down--)
        number = spans->nodes[number].child[spans->nodes[number].count - 1];
    const struct span_leaf *leaf = &spans->leaves[number];
    ensure(leaf->count > 0);
    *place = (struct span_place){number, leaf->count - 1, 0};
    return &leaf->spans[place->at];
}

static const struct span *known_in_leaf(const struct spans *spans, struct span_place *place)
{
    const struct span_leaf *leaf = &spans->leaves[place->leaf];
    for (uint32_t at = place->at; at < leaf->count; at++) {
        if (leaf->spans[at].state != SPAN_NOT_YET) {
            if (at != place->at)
                *place = (struct span_place){place->leaf, at, 0};
            return &leaf->spans[at];
        }
    }
    return NULL;
}

static uint32_t descend_to_known(const struct spans *spans, uint32_t number, uint32_t level)
{
    for (; level > 0; level--) {
        const struct span_node *node = &spans->nodes[number];
        uint32_t slot = 0;
        while (node->sums[SUM_KNOWN][slot] == 0)
            slot++;
        number = node->child[slot];
    }
    return number;
}

/* The next leaf after this one that holds a known span, or NO_NODE. */
static uint32_t next_known_leaf(const struct spans *spans, uint32_t leaf)
{
    settle(spans);
    uint32_t from = spans->leaves[leaf].slot;
    for (uint32_t up = spans->leaves[leaf].parent; up != NO_NODE;) {
        const struct span_node *node = &spans->nodes[up];
        for (uint32_t slot = from + 1; slot < node->count; slot++)
            if (node->sums[SUM_KNOWN][slot] > 0)
                return descend_to_known(spans, node->child[slot], node->level - 1);
        from = node->slot;
        up = node->parent;
    }
    return NO_NODE;
}

const struct span *spans_next_known(const struct spans *spans, struct span_place *place)
{
    if (!spans_peek(spans, place))
        return NULL;
    const struct span *here = known_in_leaf(spans, place);
    if (here)
        return here;
    uint32_t leaf = next_known_leaf(spans, place->leaf);
    if (leaf == NO_NODE)
        return NULL;
    *place = (struct span_place){leaf, 0, 0};
    return known_in_leaf(spans, place);
}

/* --- changing --- */

struct span_place spans_insert(struct spans *spans, struct span_place place, const struct span *span)
{
    make_room(spans, &place);
    struct span_leaf *leaf = &spans->leaves[place.leaf];
    if (place.offset > 0) {
        if (place.offset < leaf->spans[place.at].len)
            cut_span(spans, place.leaf, place.at, place.offset);
        place = (struct span_place){place.leaf, place.at + 1, 0};
    }
    ensure(place.at <= leaf->count);
    leaf_put(leaf, place.at, span);
    struct span_sums sums = sums_of(span);
    add_up(spans, place.leaf, &sums);
    return place;
}

static struct span *span_before(struct spans *spans, struct span_place place)
{
    struct span_leaf *leaf = &spans->leaves[place.leaf];
    if (place.offset > 0)
        return place.offset == leaf->spans[place.at].len ? &leaf->spans[place.at] : NULL;
    return place.at > 0 ? &leaf->spans[place.at - 1] : NULL;
}

bool spans_append(struct spans *spans, struct span_place place, const struct span *span)
{
    struct span *before = span_before(spans, place);
    if (!before || before->id + before->len != span->id || span->left != span->id - 1)
        return false;
    if (before->right != span->right || before->state != span->state || before->gone != span->gone)
        return false;
    before->len += span->len;
    struct span_sums sums = sums_of(span);
    sums.of[SUM_KNOWN] = 0;
    add_up(spans, place.leaf, &sums);
    return true;
}

struct span_place spans_isolate(struct spans *spans, struct span_place place, uint64_t len)
{
    struct span *span = &spans->leaves[place.leaf].spans[place.at];
    ensure(len > 0 && place.offset + len <= span->len);
    if (len == span->len)
        return place;
    make_room(spans, &place);
    span = &spans->leaves[place.leaf].spans[place.at];
    if (place.offset + len < span->len)
        cut_span(spans, place.leaf, place.at, place.offset + len);
    if (place.offset > 0) {
        cut_span(spans, place.leaf, place.at, place.offset);
        place = (struct span_place){place.leaf, place.at + 1, 0};
    }
    return place;
}

void spans_set(struct spans *spans, struct span_place place, uint32_t state, bool gone)
{
    struct span *span = &spans->leaves[place.leaf].spans[place.at];
    struct span_sums before = sums_of(span);
    span->state = state;
    span->gone = gone;
    struct span_sums change = sums_of(span);
    sums_subtract(&change, &before);
    add_up(spans, place.leaf, &change);
}

void spans_remove(struct spans *spans, struct span_place place)
{
    struct span_leaf *leaf = &spans->leaves[place.leaf];
    struct span_sums less = sums_of(&leaf->spans[place.at]), change = {{0}};
    sums_subtract(&change, &less);
    leaf->count--;
    memmove(leaf->spans + place.at, leaf->spans + place.at + 1, (leaf->count - place.at) * sizeof *leaf->spans);
    add_up(spans, place.leaf, &change);
}

/* --- invariants --- */

static struct span_sums check_leaf(const struct spans *spans, uint32_t number, uint32_t parent)
{
    const struct span_leaf *leaf = &spans->leaves[number];
    struct span_sums sums = {{0}};
    ensure(leaf->parent == parent && leaf->count <= SPANS_LEAF_MAX);
    for (uint32_t at = 0; at < leaf->count; at++) {
        struct span_sums more = sums_of(&leaf->spans[at]);
        ensure(leaf->spans[at].len > 0);
        sums_add(&sums, &more);
    }
    return sums;
}

/* `before`: what stands before the node, for the leaf that was looked at last. */
static struct span_sums check_node(const struct spans *spans, uint32_t number, uint32_t level, uint32_t parent,
                                   struct span_sums before)
{
    struct span_sums sums = {{0}};
    if (level == 0) {
        sums = check_leaf(spans, number, parent);
        const struct span_near *near = spans->near;
        for (int i = SUM_PREPARED; number == near->leaf && i <= SUM_SHOWN; i++)
            ensure(near->before.of[i] == before.of[i] && near->inside.of[i] == sums.of[i]);
        return sums;
    }
    const struct span_node *node = &spans->nodes[number];
    ensure(node->parent == parent && node->level == level && node->count > 0 && node->count <= SPANS_NODE_MAX);
    for (uint32_t slot = 0; slot < node->count; slot++) {
        struct span_sums below = check_node(spans, node->child[slot], level - 1, number, before);
        ensure((level == 1 ? spans->leaves[node->child[slot]].slot : spans->nodes[node->child[slot]].slot) == slot);
        sums_add(&before, &below);
        for (int i = 0; i < SUM_COUNT; i++)
            ensure(node->sums[i][slot] == below.of[i]);
        sums_add(&sums, &below);
    }
    return sums;
}

void spans_check(const struct spans *spans)
{
    settle(spans);
    struct span_sums sums = check_node(spans, spans->root, spans->depth, NO_NODE, (struct span_sums){{0}});
    for (int i = 0; i < SUM_COUNT; i++)
        ensure(sums.of[i] == spans->total.of[i]);
}
