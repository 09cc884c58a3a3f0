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
enum { LEAVES_KEPT_MAX = 4 };

#define OLD_TEXT ((uint64_t)1 << 62)

struct piece {
    uint64_t from; /* where it is in the caller's text, or OLD_TEXT and where it is in the old text */
    uint64_t len;
};

/*
 * A row of pieces with a gap where it was edited last. Who looks for a place in it moves pieces over the gap until it is there:
 * then an insert is put down on the one side, and a delete takes away from the other.
 *
 *      [ a  b  c  .  .  .  d  e ]       low 3, high LEAF_MAX - 2, begin: the bytes of a, b and c
 */
struct delta_leaf {
    uint32_t low, high;
    uint64_t begin;
    struct piece pieces[LEAF_MAX];
};

void delta_release(struct delta *delta)
{
    sum_tree_release(&delta->tree);
    gap_text_release(&delta->new_text);
    free(delta->leaves);
    *delta = (struct delta){0};
}

void delta_begin(struct delta *delta, uint64_t len, const struct buf *text)
{
    delta->text = text;
    delta->edits = DELTA_NONE;
    delta->old_len = len;
}

void delta_end(struct delta *delta)
{
    if (delta->leaf_cap > LEAVES_KEPT_MAX || delta->new_text.leaf_cap > LEAVES_KEPT_MAX)
        delta_release(delta);
}

uint64_t delta_len_counted(const struct delta *delta)
{
    const struct delta_edit *only = &delta->only;
    if (delta->edits == DELTA_NONE)
        return delta->old_len;
    if (delta->edits == DELTA_ONE)
        return only->deletes ? delta->old_len - only->len : delta->old_len + only->len;
    return delta->tree.total.of[LENGTH];
}

/* --- leaves --- */

static void leaf_begin(struct delta_leaf *leaf)
{
    leaf->low = 0;
    leaf->high = LEAF_MAX;
    leaf->begin = 0;
}

static void move_gap_down(struct delta_leaf *leaf)
{
    leaf->begin -= leaf->pieces[--leaf->low].len;
    leaf->pieces[--leaf->high] = leaf->pieces[leaf->low];
}

static void move_gap_up(struct delta_leaf *leaf)
{
    leaf->begin += leaf->pieces[leaf->high].len;
    leaf->pieces[leaf->low++] = leaf->pieces[leaf->high++];
}

/* The upper half of the pieces becomes a leaf of its own behind this one; both gaps are at the end. */
static uint32_t split_leaf(struct delta *delta, uint32_t number)
{
    uint32_t other = delta->tree.leaf_count;
    delta->leaves = xgrow(delta->leaves, &delta->leaf_cap, (size_t)other + 1, sizeof *delta->leaves);
    struct delta_leaf *from = &delta->leaves[number], *to = &delta->leaves[other];
    while (from->high < LEAF_MAX)
        move_gap_up(from);
    uint32_t kept = from->low / 2;
    leaf_begin(to);
    for (uint32_t at = kept; at < from->low; at++) {
        to->pieces[to->low++] = from->pieces[at];
        to->begin += from->pieces[at].len;
    }
    from->low = kept;
    from->begin -= to->begin;
    ensure(sum_tree_split(&delta->tree, number, &(struct sums){{[LENGTH] = to->begin}}) == other);
    return other;
}

/* --- places --- */

/* Before byte number `inside` of a leaf. */
struct place {
    uint32_t leaf;
    uint64_t inside;
};

/* Before byte `pos`, which is there. */
static struct place place_of(const struct delta *delta, uint64_t pos)
{
    struct place place;
    place.leaf = sum_tree_find(&delta->tree, LENGTH, pos, &place.inside);
    return place;
}

/* Behind the byte before pos, in the same leaf. */
static struct place place_behind(const struct delta *delta, uint64_t pos)
{
    if (pos == 0)
        return (struct place){.leaf = sum_tree_first(&delta->tree)};
    struct place place = place_of(delta, pos - 1);
    place.inside++;
    return place;
}

/* The leaf of a place, with the gap right there, and room for another piece. */
static struct delta_leaf *open_leaf(struct delta *delta, struct place *place)
{
    struct delta_leaf *leaf = &delta->leaves[place->leaf];
    if (leaf->high - leaf->low < 2) {
        uint32_t other = split_leaf(delta, place->leaf);
        uint64_t kept = delta->leaves[place->leaf].begin;
        if (place->inside > kept)
            *place = (struct place){other, place->inside - kept};
        leaf = &delta->leaves[place->leaf];
    }
    while (leaf->begin > place->inside)
        move_gap_down(leaf);
    while (leaf->high < LEAF_MAX && leaf->begin + leaf->pieces[leaf->high].len <= place->inside)
        move_gap_up(leaf);
    uint64_t within = place->inside - leaf->begin;
    if (within > 0) { /* the first part of the piece to this side of the gap */
        struct piece *whole = &leaf->pieces[leaf->high];
        leaf->pieces[leaf->low++] = (struct piece){whole->from, within};
        *whole = (struct piece){whole->from + within, whole->len - within};
        leaf->begin += within;
    }
    return leaf;
}

/* --- edits --- */

static void insert_piece(struct delta *delta, uint64_t pos, struct piece piece)
{
    struct place place = place_behind(delta, pos);
    struct delta_leaf *leaf = open_leaf(delta, &place);
    struct piece *before = leaf->low > 0 ? &leaf->pieces[leaf->low - 1] : NULL;
    if (before && before->from + before->len == piece.from) /* typed on */
        before->len += piece.len;
    else
        leaf->pieces[leaf->low++] = piece;
    leaf->begin += piece.len;
    sum_tree_add_kind(&delta->tree, place.leaf, LENGTH, piece.len);
}

/* Takes up to `len` bytes from behind the gap; gives how many there were. */
static uint64_t take_from(struct delta_leaf *leaf, uint64_t len)
{
    uint64_t left = len;
    while (leaf->high < LEAF_MAX && leaf->pieces[leaf->high].len <= left)
        left -= leaf->pieces[leaf->high++].len;
    if (leaf->high == LEAF_MAX)
        return len - left;
    leaf->pieces[leaf->high].from += left;
    leaf->pieces[leaf->high].len -= left;
    return len;
}

static void delete_bytes(struct delta *delta, uint64_t pos, uint64_t len)
{
    while (len > 0) {
        struct place place = place_of(delta, pos);
        uint64_t gone = take_from(open_leaf(delta, &place), len);
        sum_tree_add_kind(&delta->tree, place.leaf, LENGTH, 0 - gone);
        len -= gone;
    }
}

static void apply_insert(struct delta *delta, uint64_t pos, size_t text_at, uint64_t len)
{
    if (delta->edits == DELTA_TEXT)
        gap_text_replace(&delta->new_text, pos, 0, buf_view(delta->text), text_at, (size_t)len);
    else
        insert_piece(delta, pos, (struct piece){text_at, len});
}

static void apply_delete(struct delta *delta, uint64_t pos, uint64_t len)
{
    if (delta->edits == DELTA_TEXT)
        gap_text_replace(&delta->new_text, pos, len, buf_view(delta->text), 0, 0);
    else
        delete_bytes(delta, pos, len);
}

/* Of an empty text nothing can stand in the new one, so which byte is whose need not be known. */
static void plant(struct delta *delta)
{
    const struct delta_edit *only = &delta->only;
    if (delta->old_len == 0) {
        delta->edits = DELTA_TEXT;
        gap_text_begin(&delta->new_text);
    } else {
        delta->edits = DELTA_MANY;
        sum_tree_reset(&delta->tree, 1);
        delta->leaves = xgrow(delta->leaves, &delta->leaf_cap, 1, sizeof *delta->leaves);
        leaf_begin(&delta->leaves[0]);
        insert_piece(delta, 0, (struct piece){OLD_TEXT, delta->old_len});
    }
    if (only->deletes)
        apply_delete(delta, only->pos, only->len);
    else
        apply_insert(delta, only->pos, only->text_at, only->len);
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
    if (delta->edits >= DELTA_MANY || !keep_edit(delta, (struct delta_edit){.pos = pos, .len = len, .text_at = text_at}))
        apply_insert(delta, pos, text_at, len);
}

void delta_delete(struct delta *delta, uint64_t pos, uint64_t len)
{
    ensure(pos <= delta_len(delta) && len <= delta_len(delta) - pos);
    if (delta->edits >= DELTA_MANY || !keep_edit(delta, (struct delta_edit){.pos = pos, .len = len, .deletes = true}))
        apply_delete(delta, pos, len);
}

bool delta_replace_any(struct delta *delta, uint64_t pos, uint64_t gone, size_t text_at, uint64_t len)
{
    uint64_t before = delta_len(delta);
    if (pos > before || gone > before - pos)
        return false;
    if (delta->edits == DELTA_TEXT) {
        gap_text_replace(&delta->new_text, pos, gone, buf_view(delta->text), text_at, (size_t)len);
        return true;
    }
    if (gone > 0)
        delta_delete(delta, pos, gone);
    if (len > 0)
        delta_insert(delta, pos, text_at, len);
    return true;
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

void delta_patch(const struct delta *delta, struct patch *out)
{
    struct bytes text = buf_view(delta->text);
    patch_clear(out);
    if (delta->edits == DELTA_NONE)
        patch_retain(out, delta->old_len);
    if (delta->edits == DELTA_ONE)
        patch_of_one(delta, text, out);
    if (delta->edits == DELTA_TEXT)
        gap_text_patch(&delta->new_text, out);
    if (delta->edits != DELTA_MANY)
        return;
    uint64_t old = 0;
    for (uint32_t number = sum_tree_first(&delta->tree); number != SUM_TREE_NONE;
         number = sum_tree_next(&delta->tree, number)) {
        const struct delta_leaf *leaf = &delta->leaves[number];
        for (uint32_t at = 0; at < leaf->low; at++)
            patch_piece(&leaf->pieces[at], text, &old, out);
        for (uint32_t at = leaf->high; at < LEAF_MAX; at++)
            patch_piece(&leaf->pieces[at], text, &old, out);
    }
    patch_delete(out, delta->old_len - old);
}

/* --- invariants --- */

static uint64_t lengths(const struct delta_leaf *leaf, uint32_t from, uint32_t end)
{
    uint64_t sum = 0;
    for (uint32_t at = from; at < end; at++) {
        ensure(leaf->pieces[at].len > 0);
        sum += leaf->pieces[at].len;
    }
    return sum;
}

static struct sums leaf_sums(const void *self, uint32_t number)
{
    const struct delta *delta = self;
    const struct delta_leaf *leaf = &delta->leaves[number];
    ensure(leaf->low <= leaf->high && leaf->high <= LEAF_MAX && leaf->begin == lengths(leaf, 0, leaf->low));
    return (struct sums){{[LENGTH] = leaf->begin + lengths(leaf, leaf->high, LEAF_MAX)}};
}

void delta_check(struct delta *delta)
{
    if (delta->edits == DELTA_TEXT)
        gap_text_check(&delta->new_text);
    if (delta->edits != DELTA_MANY)
        return;
    sum_tree_check(&delta->tree, leaf_sums, delta);
}
