#include "sync/delta.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"

#ifdef WEFT_SMALL_NODES
enum { LEAF_MAX = 4 };
#else
enum { LEAF_MAX = 64 };
#endif

enum { LENGTH }; /* the one kind of sum */

#define OLD_TEXT ((uint64_t)1 << 62)

struct piece {
    uint64_t from; /* where it is in the caller's text, or OLD_TEXT and where it is in the old text */
    uint64_t len;
};

struct delta_leaf {
    uint32_t count;
    uint32_t at;    /* the piece where the last edit in it was: who types goes on there, also when others type elsewhere */
    uint64_t begin; /* at which byte of the leaf that piece begins */
    struct piece pieces[LEAF_MAX];
};

void delta_release(struct delta *delta)
{
    sum_tree_release(&delta->tree);
    free(delta->leaves);
    *delta = (struct delta){0};
}

void delta_begin(struct delta *delta, uint64_t len)
{
    delta->edits = DELTA_NONE;
    delta->old_len = len;
}

uint64_t delta_len(const struct delta *delta)
{
    const struct delta_edit *only = &delta->only;
    if (delta->edits == DELTA_NONE)
        return delta->old_len;
    if (delta->edits == DELTA_ONE)
        return only->deletes ? delta->old_len - only->len : delta->old_len + only->len;
    return delta->tree.total.of[LENGTH];
}

/* --- leaves --- */

/* Before byte number `inside` of a leaf: in piece `at`, which begins at byte `begin` of the leaf. */
struct place {
    uint32_t leaf, at;
    uint64_t begin, inside;
};

/* An edit has made the leaf of its place so much longer; of what became shorter, the complement. */
static void leaf_grew(struct delta *delta, const struct place *place, uint64_t by)
{
    delta->leaves[place->leaf].at = place->at;
    delta->leaves[place->leaf].begin = place->begin;
    sum_tree_add_kind(&delta->tree, place->leaf, LENGTH, by);
}

static uint64_t lengths(const struct delta_leaf *leaf, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t at = 0; at < count; at++)
        sum += leaf->pieces[at].len;
    return sum;
}

static void open_gap(struct delta_leaf *leaf, uint32_t at, uint32_t count)
{
    memmove(leaf->pieces + at + count, leaf->pieces + at, (leaf->count - at) * sizeof *leaf->pieces);
    leaf->count += count;
}

static void take_out(struct delta_leaf *leaf, uint32_t at, uint32_t count)
{
    leaf->count -= count;
    memmove(leaf->pieces + at, leaf->pieces + at + count, (leaf->count - at) * sizeof *leaf->pieces);
}

static uint32_t split_leaf(struct delta *delta, uint32_t number)
{
    uint32_t other = delta->tree.leaf_count;
    delta->leaves = xgrow(delta->leaves, &delta->leaf_cap, (size_t)other + 1, sizeof *delta->leaves);
    struct delta_leaf *from = &delta->leaves[number], *to = &delta->leaves[other];
    uint32_t kept = from->count / 2;
    to->count = from->count - kept;
    from->count = kept;
    memcpy(to->pieces, from->pieces + kept, to->count * sizeof *to->pieces);
    from->at = to->at = 0;
    from->begin = to->begin = 0;
    uint64_t moved = lengths(to, to->count);
    ensure(sum_tree_split(&delta->tree, number, &(struct sums){{[LENGTH] = moved}}) == other);
    return other;
}

/* Afterwards two more pieces fit into the place's leaf. */
static void make_room(struct delta *delta, struct place *place)
{
    if (delta->leaves[place->leaf].count + 2 <= LEAF_MAX)
        return;
    uint32_t other = split_leaf(delta, place->leaf);
    const struct delta_leaf *leaf = &delta->leaves[place->leaf];
    if (place->at < leaf->count)
        return;
    uint64_t kept = lengths(leaf, leaf->count);
    *place = (struct place){other, place->at - leaf->count, place->begin - kept, place->inside - kept};
}

/* --- places --- */

/* Before byte `pos`, which is there. Looks from the place of the last edit in the leaf on. */
static struct place place_of(const struct delta *delta, uint64_t pos)
{
    struct place place;
    place.leaf = sum_tree_find(&delta->tree, LENGTH, pos, &place.inside);
    place.at = delta->leaves[place.leaf].at;
    place.begin = delta->leaves[place.leaf].begin;
    const struct piece *pieces = delta->leaves[place.leaf].pieces;
    while (place.inside < place.begin)
        place.begin -= pieces[--place.at].len;
    while (place.inside - place.begin >= pieces[place.at].len)
        place.begin += pieces[place.at++].len;
    return place;
}

/* Behind the byte before pos, at the end of its piece if that is its last one. */
static struct place place_behind(const struct delta *delta, uint64_t pos)
{
    if (pos == 0)
        return (struct place){.leaf = sum_tree_first(&delta->tree)};
    struct place place = place_of(delta, pos - 1);
    place.inside++;
    return place;
}

/* --- edits --- */

/* Makes a piece end at the place and another begin there, and moves the place to between them. */
static void cut_piece(struct delta *delta, struct place *place, uint32_t room)
{
    struct delta_leaf *leaf = &delta->leaves[place->leaf];
    struct piece whole = leaf->pieces[place->at];
    uint64_t kept = place->inside - place->begin;
    open_gap(leaf, place->at, 1 + room);
    leaf->pieces[place->at] = (struct piece){whole.from, kept};
    leaf->pieces[place->at + 1 + room] = (struct piece){whole.from + kept, whole.len - kept};
    place->at++;
    place->begin = place->inside;
}

static void insert_piece(struct delta *delta, uint64_t pos, struct piece piece)
{
    struct place place = place_behind(delta, pos);
    struct piece *here = &delta->leaves[place.leaf].pieces[place.at];
    uint64_t within = place.inside - place.begin;
    if (within > 0 && within == here->len && here->from + here->len == piece.from) { /* typed on */
        here->len += piece.len;
    } else {
        make_room(delta, &place);
        struct delta_leaf *leaf = &delta->leaves[place.leaf];
        if (within > 0 && within < leaf->pieces[place.at].len) {
            cut_piece(delta, &place, 1);
        } else {
            place.at += within > 0;
            place.begin = place.inside;
            open_gap(leaf, place.at, 1);
        }
        leaf->pieces[place.at] = piece;
    }
    leaf_grew(delta, &place, piece.len);
}

/* Deletes up to `len` bytes from the place on, where a piece begins, in its leaf; gives how many. */
static uint64_t delete_from(struct delta *delta, const struct place *place, uint64_t len)
{
    struct delta_leaf *leaf = &delta->leaves[place->leaf];
    uint64_t gone = 0;
    uint32_t end = place->at;
    for (; end < leaf->count && leaf->pieces[end].len <= len - gone; end++)
        gone += leaf->pieces[end].len;
    if (end < leaf->count) {
        leaf->pieces[end].from += len - gone;
        leaf->pieces[end].len -= len - gone;
        gone = len;
    }
    if (end > place->at)
        take_out(leaf, place->at, end - place->at);
    return gone;
}

static void delete_bytes(struct delta *delta, uint64_t pos, uint64_t len)
{
    while (len > 0) {
        struct place place = place_of(delta, pos);
        uint64_t gone, within = place.inside - place.begin;
        struct piece *piece = &delta->leaves[place.leaf].pieces[place.at];
        if (within == 0) {
            gone = delete_from(delta, &place, len);
        } else if (piece->len - within <= len) {
            gone = piece->len - within;
            piece->len = within;
        } else {
            make_room(delta, &place);
            cut_piece(delta, &place, 0);
            gone = delete_from(delta, &place, len);
        }
        leaf_grew(delta, &place, 0 - gone);
        len -= gone;
    }
}

static void plant(struct delta *delta)
{
    const struct delta_edit *only = &delta->only;
    sum_tree_reset(&delta->tree, 1);
    delta->leaves = xgrow(delta->leaves, &delta->leaf_cap, 1, sizeof *delta->leaves);
    delta->leaves[0].count = delta->leaves[0].at = 0;
    delta->leaves[0].begin = 0;
    if (delta->old_len > 0)
        insert_piece(delta, 0, (struct piece){OLD_TEXT, delta->old_len});
    if (only->deletes)
        delete_bytes(delta, only->pos, only->len);
    else
        insert_piece(delta, only->pos, (struct piece){only->text_at, only->len});
    delta->edits = DELTA_MANY;
}

/* Whether it is the first edit, which is kept as it is. */
static bool keep_edit(struct delta *delta, struct delta_edit edit)
{
    if (delta->edits == DELTA_NONE) {
        delta->only = edit;
        delta->edits = DELTA_ONE;
        return true;
    }
    if (delta->edits == DELTA_ONE)
        plant(delta);
    return false;
}

void delta_insert(struct delta *delta, uint64_t pos, size_t text_at, uint64_t len)
{
    ensure(pos <= delta_len(delta));
    if (delta->edits == DELTA_MANY || !keep_edit(delta, (struct delta_edit){.pos = pos, .len = len, .text_at = text_at}))
        insert_piece(delta, pos, (struct piece){text_at, len});
}

void delta_delete(struct delta *delta, uint64_t pos, uint64_t len)
{
    ensure(pos <= delta_len(delta) && len <= delta_len(delta) - pos);
    if (delta->edits == DELTA_MANY || !keep_edit(delta, (struct delta_edit){.pos = pos, .len = len, .deletes = true}))
        delete_bytes(delta, pos, len);
}

/* --- the patch --- */

static void patch_of_one(const struct delta *delta, struct bytes text, struct patch *out)
{
    const struct delta_edit *only = &delta->only;
    patch_retain(out, only->pos);
    if (only->deletes)
        patch_delete(out, only->len);
    else
        patch_insert(out, bytes_slice(text, only->text_at, (size_t)only->len));
    patch_retain(out, delta->old_len - only->pos - (only->deletes ? only->len : 0));
}

/* *old: how much of the old text was spoken of. */
static void patch_piece(const struct piece *piece, struct bytes text, uint64_t *old, struct patch *out)
{
    if (piece->from < OLD_TEXT) {
        patch_insert(out, bytes_slice(text, (size_t)piece->from, (size_t)piece->len));
        return;
    }
    patch_delete(out, piece->from - OLD_TEXT - *old);
    patch_retain(out, piece->len);
    *old = piece->from - OLD_TEXT + piece->len;
}

void delta_patch(const struct delta *delta, struct bytes text, struct patch *out)
{
    patch_clear(out);
    if (delta->edits == DELTA_NONE)
        patch_retain(out, delta->old_len);
    if (delta->edits == DELTA_ONE)
        patch_of_one(delta, text, out);
    if (delta->edits != DELTA_MANY)
        return;
    uint64_t old = 0;
    for (uint32_t number = sum_tree_first(&delta->tree); number != SUM_TREE_NONE;
         number = sum_tree_next(&delta->tree, number)) {
        const struct delta_leaf *leaf = &delta->leaves[number];
        for (uint32_t at = 0; at < leaf->count; at++)
            patch_piece(&leaf->pieces[at], text, &old, out);
    }
    patch_delete(out, delta->old_len - old);
}

/* --- invariants --- */

static struct sums leaf_sums(const void *self, uint32_t number)
{
    const struct delta *delta = self;
    const struct delta_leaf *leaf = &delta->leaves[number];
    ensure(leaf->count <= LEAF_MAX && leaf->at <= leaf->count && leaf->begin == lengths(leaf, leaf->at));
    for (uint32_t at = 0; at < leaf->count; at++)
        ensure(leaf->pieces[at].len > 0);
    return (struct sums){{[LENGTH] = lengths(leaf, leaf->count)}};
}

void delta_check(const struct delta *delta)
{
    if (delta->edits != DELTA_MANY)
        return;
    sum_tree_check(&delta->tree, leaf_sums, delta);
}
