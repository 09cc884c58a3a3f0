#include "sync/spans.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

struct span_leaf {
    uint32_t count;
    uint32_t prepared[SPANS_LEAF_MAX], shown[SPANS_LEAF_MAX]; /* units of each span that are */
    struct span spans[SPANS_LEAF_MAX];
};

/* --- life --- */

void spans_release(struct spans *spans)
{
    sum_tree_release(&spans->tree);
    free(spans->leaves);
    *spans = (struct spans){0};
}

/* Room for the leaf that the tree numbers next. */
static void add_leaf(struct spans *spans, uint32_t number)
{
    spans->leaves = xgrow(spans->leaves, &spans->leaf_cap, (size_t)number + 1, sizeof *spans->leaves);
    spans->leaves[number].count = 0;
}

void spans_reset(struct spans *spans)
{
    sum_tree_reset(&spans->tree, SUM_KNOWN + 1);
    add_leaf(spans, sum_tree_first(&spans->tree));
}

void spans_copy(struct spans *to, const struct spans *from)
{
    sum_tree_copy(&to->tree, &from->tree);
    to->leaves = xgrow_copy(to->leaves, &to->leaf_cap, from->leaves, from->tree.leaf_count, sizeof *to->leaves);
}

/* --- leaves --- */

static uint32_t prepared_of(const struct span *span)
{
    return span->state == SPAN_THERE ? span->len : 0;
}

static uint32_t shown_of(const struct span *span)
{
    return span->gone ? 0 : span->len;
}

static struct sums sums_of(const struct span *span)
{
    return (struct sums){{
        [SUM_PREPARED] = prepared_of(span),
        [SUM_SHOWN] = shown_of(span),
        [SUM_KNOWN] = span->state != SPAN_NOT_YET ? span->len : 0,
    }};
}

/* What is said of a span beside it. */
static void leaf_note(struct span_leaf *leaf, uint32_t at)
{
    leaf->prepared[at] = prepared_of(&leaf->spans[at]);
    leaf->shown[at] = shown_of(&leaf->spans[at]);
}

static void leaf_open(struct span_leaf *leaf, uint32_t at, uint32_t count)
{
    uint32_t after = leaf->count - at, to = at + count;
    memmove(leaf->spans + to, leaf->spans + at, after * sizeof *leaf->spans);
    memmove(leaf->prepared + to, leaf->prepared + at, after * sizeof *leaf->prepared);
    memmove(leaf->shown + to, leaf->shown + at, after * sizeof *leaf->shown);
    leaf->count += count;
}

/* Says where the spans of a new leaf are now. */
static void tell_moved(const struct spans *spans, uint32_t number)
{
    const struct span_leaf *leaf = &spans->leaves[number];
    uint64_t len;
    for (uint32_t first = 0, end; spans->moved && first < leaf->count; first = end) {
        const struct span *span = &leaf->spans[first];
        len = span->len;
        for (end = first + 1; end < leaf->count && leaf->spans[end].id == span->id + len; end++)
            len += leaf->spans[end].len;
        spans->moved(spans->self, span->id, len, (struct span_place){number, first, 0});
    }
}

static uint32_t leaf_split(struct spans *spans, uint32_t number)
{
    uint32_t other = spans->tree.leaf_count;
    add_leaf(spans, other);
    struct span_leaf *from = &spans->leaves[number], *to = &spans->leaves[other];
    struct sums moved = {{0}};
    uint32_t kept = from->count / 2;
    to->count = from->count - kept;
    from->count = kept;
    memcpy(to->spans, from->spans + kept, to->count * sizeof *to->spans);
    memcpy(to->prepared, from->prepared + kept, to->count * sizeof *to->prepared);
    memcpy(to->shown, from->shown + kept, to->count * sizeof *to->shown);
    for (uint32_t at = 0; at < to->count; at++) {
        struct sums sums = sums_of(&to->spans[at]);
        sums_add(&moved, &sums);
    }
    tell_moved(spans, other);
    ensure(sum_tree_split(&spans->tree, number, &moved) == other);
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

/* Span `at` ends before its unit `offset`, and what is cut off is span `to`, for which there is room. */
static void cut_span(struct span_leaf *leaf, uint32_t at, uint32_t to, uint64_t offset)
{
    struct span *head = &leaf->spans[at], tail = *head;
    head->len = (uint32_t)offset;
    tail.id += offset;
    tail.len -= head->len;
    tail.left = tail.id - 1;
    leaf->spans[to] = tail;
    leaf_note(leaf, at);
    leaf_note(leaf, to);
}

/* --- finding --- */

uint64_t spans_total(const struct spans *spans, enum span_sum sum)
{
    return spans->tree.total.of[sum];
}

struct span_place spans_start(const struct spans *spans)
{
    return (struct span_place){sum_tree_first(&spans->tree), 0, 0};
}

struct span_place spans_find(const struct spans *spans, enum span_sum sum, uint64_t pos)
{
    struct span_place place = {0};
    place.leaf = sum_tree_find(&spans->tree, sum, pos, &place.offset);
    const struct span_leaf *leaf = &spans->leaves[place.leaf];
    const uint32_t *units = sum == SUM_PREPARED ? leaf->prepared : leaf->shown;
    while (place.offset >= units[place.at])
        place.offset -= units[place.at++];
    return place;
}

bool spans_find_id(const struct spans *spans, uint32_t number, uint32_t at, uint64_t id, struct span_place *place)
{
    if (number >= spans->tree.leaf_count)
        return false;
    const struct span_leaf *leaf = &spans->leaves[number];
    uint32_t left = leaf->count;
    for (at = at < left ? at : 0; left > 0; left--) {
        if (id - leaf->spans[at].id < leaf->spans[at].len) {
            *place = (struct span_place){number, at, id - leaf->spans[at].id};
            return true;
        }
        at = at + 1 < leaf->count ? at + 1 : 0;
    }
    return false;
}

uint64_t spans_shown_before(const struct spans *spans, struct span_place place)
{
    const struct span_leaf *leaf = &spans->leaves[place.leaf];
    uint64_t shown = sum_tree_before(&spans->tree, SUM_SHOWN, place.leaf);
    for (uint32_t at = 0; at < place.at; at++)
        shown += leaf->shown[at];
    return place.offset > 0 && !leaf->spans[place.at].gone ? shown + place.offset : shown;
}

int spans_compare(const struct spans *spans, struct span_place a, struct span_place b)
{
    if (a.leaf != b.leaf)
        return sum_tree_compare(&spans->tree, a.leaf, b.leaf);
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
        next = (struct span_place){sum_tree_next(&spans->tree, next.leaf), 0, 0};
        if (next.leaf == SUM_TREE_NONE)
            return NULL;
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

struct span_place spans_end(const struct spans *spans)
{
    uint32_t number = sum_tree_last(&spans->tree);
    return (struct span_place){number, spans->leaves[number].count, 0};
}

const struct span *spans_previous(const struct spans *spans, struct span_place *place)
{
    uint32_t number = place->leaf, at = place->at;
    while (at == 0) {
        number = sum_tree_previous(&spans->tree, number);
        if (number == SUM_TREE_NONE)
            return NULL;
        at = spans->leaves[number].count;
    }
    *place = (struct span_place){number, at - 1, 0};
    return &spans->leaves[number].spans[at - 1];
}

bool spans_unit_before(const struct spans *spans, struct span_place place, uint64_t *id)
{
    const struct span_leaf *leaf = &spans->leaves[place.leaf];
    if (place.offset == 0 && place.at == 0)
        return false;
    const struct span *span = place.offset > 0 ? &leaf->spans[place.at] : &leaf->spans[place.at - 1];
    *id = span->id + (place.offset > 0 ? place.offset : span->len) - 1;
    return true;
}

static struct span_place last_in_leaf(const struct spans *spans, uint32_t number)
{
    ensure(spans->leaves[number].count > 0);
    return (struct span_place){number, spans->leaves[number].count - 1, 0};
}

const struct span *spans_last_below(const struct spans *spans, struct span_place *place, uint32_t level)
{
    if (level > spans->tree.depth)
        return NULL;
    *place = last_in_leaf(spans, sum_tree_last_below(&spans->tree, place->leaf, level));
    return &spans->leaves[place->leaf].spans[place->at];
}

uint32_t spans_part(const struct spans *spans, struct span_place place, uint32_t level)
{
    return level == 0 ? place.at : sum_tree_slot(&spans->tree, place.leaf, level);
}

uint32_t spans_parts(const struct spans *spans, struct span_place place, uint32_t level)
{
    return level == 0 ? spans->leaves[place.leaf].count : sum_tree_children(&spans->tree, place.leaf, level);
}

struct span_place spans_last_in_part(const struct spans *spans, struct span_place place, uint32_t level, uint32_t part)
{
    if (level == 0)
        return (struct span_place){place.leaf, part, 0};
    return last_in_leaf(spans, sum_tree_last_of_child(&spans->tree, place.leaf, level, part));
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

const struct span *spans_next_known(const struct spans *spans, struct span_place *place)
{
    if (!spans_peek(spans, place))
        return NULL;
    const struct span *here = known_in_leaf(spans, place);
    if (here)
        return here;
    uint32_t leaf = sum_tree_next_with(&spans->tree, SUM_KNOWN, place->leaf);
    if (leaf == SUM_TREE_NONE)
        return NULL;
    *place = (struct span_place){leaf, 0, 0};
    return known_in_leaf(spans, place);
}

/* --- changing --- */

struct span_place spans_insert(struct spans *spans, struct span_place place, const struct span *span)
{
    make_room(spans, &place);
    struct span_leaf *leaf = &spans->leaves[place.leaf];
    if (place.offset > 0 && place.offset < leaf->spans[place.at].len) {
        leaf_open(leaf, place.at + 1, 2);
        cut_span(leaf, place.at, place.at + 2, place.offset);
    } else {
        leaf_open(leaf, place.at + (place.offset > 0), 1);
    }
    place = (struct span_place){place.leaf, place.at + (place.offset > 0), 0};
    ensure(place.at < leaf->count);
    leaf->spans[place.at] = *span;
    leaf_note(leaf, place.at);
    struct sums sums = sums_of(span);
    sum_tree_add(&spans->tree, place.leaf, &sums);
    return place;
}

static struct span *span_before(struct span_leaf *leaf, struct span_place place)
{
    if (place.offset > 0)
        return place.offset == leaf->spans[place.at].len ? &leaf->spans[place.at] : NULL;
    return place.at > 0 ? &leaf->spans[place.at - 1] : NULL;
}

bool spans_append(struct spans *spans, struct span_place place, const struct span *span)
{
    struct span_leaf *leaf = &spans->leaves[place.leaf];
    struct span *before = span_before(leaf, place);
    if (!before || before->id + before->len != span->id || span->left != span->id - 1)
        return false;
    if (before->right != span->right || before->state != span->state || before->gone != span->gone)
        return false;
    if (span->len > SPAN_LEN_MAX - before->len)
        return false;
    before->len += span->len;
    leaf_note(leaf, (uint32_t)(before - leaf->spans));
    struct sums sums = sums_of(span);
    sum_tree_add(&spans->tree, place.leaf, &sums);
    return true;
}

struct span_place spans_isolate(struct spans *spans, struct span_place place, uint64_t len)
{
    const struct span *span = &spans->leaves[place.leaf].spans[place.at];
    ensure(len > 0 && place.offset + len <= span->len);
    if (len == span->len)
        return place;
    make_room(spans, &place);
    struct span_leaf *leaf = &spans->leaves[place.leaf];
    uint32_t before = place.offset > 0, after = place.offset + len < leaf->spans[place.at].len;
    leaf_open(leaf, place.at + 1, before + after);
    if (after)
        cut_span(leaf, place.at, place.at + before + 1, place.offset + len);
    if (before)
        cut_span(leaf, place.at, place.at + 1, place.offset);
    return (struct span_place){place.leaf, place.at + before, 0};
}

void spans_set(struct spans *spans, struct span_place place, uint32_t state, bool gone)
{
    struct span_leaf *leaf = &spans->leaves[place.leaf];
    struct span *span = &leaf->spans[place.at];
    uint64_t len = span->len;
    ensure(state >> SPAN_STATE_BITS == 0);
    struct sums change = {{ /* so much more or, as the complement, less */
        [SUM_PREPARED] = len * (uint64_t)((state == SPAN_THERE) - (span->state == SPAN_THERE)),
        [SUM_SHOWN] = len * (uint64_t)(span->gone - gone),
        [SUM_KNOWN] = len * (uint64_t)((state != SPAN_NOT_YET) - (span->state != SPAN_NOT_YET)),
    }};
    span->state = state;
    span->gone = gone;
    leaf_note(leaf, place.at);
    sum_tree_add(&spans->tree, place.leaf, &change);
}

/* --- invariants --- */

static struct sums check_leaf(const void *self, uint32_t number)
{
    const struct spans *spans = self;
    const struct span_leaf *leaf = &spans->leaves[number];
    struct sums sums = {{0}};
    ensure(leaf->count <= SPANS_LEAF_MAX);
    for (uint32_t at = 0; at < leaf->count; at++) {
        const struct span *span = &leaf->spans[at];
        struct sums more = sums_of(span);
        ensure(span->len > 0 && leaf->prepared[at] == prepared_of(span) && leaf->shown[at] == shown_of(span));
        sums_add(&sums, &more);
    }
    return sums;
}

void spans_check(const struct spans *spans)
{
    sum_tree_check(&spans->tree, check_leaf, spans);
}
