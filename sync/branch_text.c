#include "sync/branch_text.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/ensure.h"
#include "editor/base/least.h"
#include "editor/base/xalloc.h"

#ifdef WEFT_SMALL_NODES
enum { LEAF_MAX = 4 };
#else
enum { LEAF_MAX = 64 };
#endif

enum { LENGTH }; /* the one kind of sum */

struct branch_leaf {
    uint32_t count;
    uint32_t shown[LEAF_MAX]; /* bytes of each piece that are in the new text: who looks for a position goes over these */
    struct branch_piece pieces[LEAF_MAX];
};

/* Before byte `offset` of a piece, or behind its last one. */
struct place {
    uint32_t leaf, at, offset;
};

void branch_text_release(struct branch_text *text)
{
    sum_tree_release(&text->tree);
    free(text->leaves);
    *text = (struct branch_text){0};
}

uint64_t branch_text_len(const struct branch_text *text)
{
    return text->tree.total.of[LENGTH];
}

/* --- leaves --- */

static struct branch_leaf *leaf_add(struct branch_text *text, uint32_t number)
{
    text->leaves = xgrow(text->leaves, &text->leaf_cap, (size_t)number + 1, sizeof *text->leaves);
    text->leaves[number].count = 0;
    return &text->leaves[number];
}

static void leaf_grew(struct branch_text *text, uint32_t leaf, uint64_t by)
{
    sum_tree_add(&text->tree, leaf, &(struct sums){{[LENGTH] = by}});
}

static void leaf_set(struct branch_leaf *leaf, uint32_t at, struct branch_piece piece)
{
    leaf->pieces[at] = piece;
    leaf->shown[at] = piece.in & IN_NEW ? piece.len : 0;
}

static void leaf_open(struct branch_leaf *leaf, uint32_t at, uint32_t count)
{
    uint32_t after = leaf->count - at;
    memmove(leaf->pieces + at + count, leaf->pieces + at, after * sizeof *leaf->pieces);
    memmove(leaf->shown + at + count, leaf->shown + at, after * sizeof *leaf->shown);
    leaf->count += count;
}

static uint32_t leaf_split(struct branch_text *text, uint32_t number)
{
    uint32_t other = text->tree.leaf_count;
    struct branch_leaf *to = leaf_add(text, other), *from = &text->leaves[number];
    uint64_t moved = 0;
    uint32_t kept = from->count / 2;
    to->count = from->count - kept;
    from->count = kept;
    memcpy(to->pieces, from->pieces + kept, to->count * sizeof *to->pieces);
    memcpy(to->shown, from->shown + kept, to->count * sizeof *to->shown);
    for (uint32_t at = 0; at < to->count; at++)
        moved += to->shown[at];
    ensure(sum_tree_split(&text->tree, number, &(struct sums){{[LENGTH] = moved}}) == other);
    return other;
}

/* Afterwards two more pieces fit into the place's leaf. */
static void make_room(struct branch_text *text, struct place *place)
{
    if (text->leaves[place->leaf].count + 2 <= LEAF_MAX)
        return;
    uint32_t other = leaf_split(text, place->leaf), kept = text->leaves[place->leaf].count;
    if (place->at >= kept)
        *place = (struct place){other, place->at - kept, place->offset};
}

/* Makes the piece end at the place, and the rest of it piece at + by; there is room. */
static void cut(struct branch_leaf *leaf, struct place place, uint32_t by)
{
    struct branch_piece head = leaf->pieces[place.at], tail = head;
    leaf_open(leaf, place.at + 1, by);
    head.len = place.offset;
    tail.from += head.len;
    tail.len -= head.len;
    leaf_set(leaf, place.at, head);
    leaf_set(leaf, place.at + by, tail);
}

/* --- edits --- */

/* Before byte `pos` of the new text, which is there. */
static struct place place_of(const struct branch_text *text, uint64_t pos)
{
    uint64_t inside;
    struct place place = {.leaf = sum_tree_find(&text->tree, LENGTH, pos, &inside)};
    const uint32_t *shown = text->leaves[place.leaf].shown;
    while (inside >= shown[place.at])
        inside -= shown[place.at++];
    place.offset = (uint32_t)inside;
    return place;
}

void branch_text_begin(struct branch_text *text, uint64_t base_len)
{
    ensure(base_len < BRANCH_TEXT_MAX);
    sum_tree_reset(&text->tree, 1);
    struct branch_leaf *leaf = leaf_add(text, 0);
    text->edits = 0;
    if (base_len == 0)
        return;
    leaf->count = 1;
    leaf_set(leaf, 0, (struct branch_piece){BRANCH_BASE, (uint32_t)base_len, IN_OLD | IN_NEW});
    leaf_grew(text, 0, base_len);
}

/* Behind the byte before pos, and in front of what was deleted there. */
static void put(struct branch_text *text, uint64_t pos, struct branch_piece piece)
{
    struct place place = {.leaf = sum_tree_first(&text->tree)};
    if (pos > 0) {
        place = place_of(text, pos - 1);
        place.offset++;
    }
    struct branch_leaf *leaf = &text->leaves[place.leaf];
    struct branch_piece *before = &leaf->pieces[place.at];
    if (pos > 0 && place.offset == before->len && before->from + before->len == piece.from && before->in == piece.in) {
        before->len += piece.len; /* typed on */
        leaf->shown[place.at] += piece.len;
    } else {
        make_room(text, &place);
        leaf = &text->leaves[place.leaf];
        if (pos > 0 && place.offset < leaf->pieces[place.at].len)
            cut(leaf, place, 2);
        else
            leaf_open(leaf, place.at + (pos > 0), 1);
        leaf_set(leaf, place.at + (pos > 0), piece);
    }
    leaf_grew(text, place.leaf, piece.len);
}

void branch_text_insert(struct branch_text *text, uint64_t pos, uint64_t text_at, uint64_t len, bool old)
{
    ensure(pos <= branch_text_len(text) && len < BRANCH_TEXT_MAX);
    put(text, pos, (struct branch_piece){text_at, (uint32_t)len, old ? IN_OLD | IN_NEW : IN_NEW});
    text->edits++;
}

/* Deletes as many of `len` bytes as the piece at the place has; gives how many. */
static uint32_t take(struct branch_text *text, struct place place, uint64_t len, bool old)
{
    make_room(text, &place);
    struct branch_leaf *leaf = &text->leaves[place.leaf];
    if (place.offset > 0) {
        cut(leaf, place, 1);
        place = (struct place){place.leaf, place.at + 1, 0};
    }
    struct branch_piece piece = leaf->pieces[place.at];
    if (len < piece.len) {
        cut(leaf, (struct place){place.leaf, place.at, (uint32_t)len}, 1);
        piece.len = (uint32_t)len;
    }
    piece.in &= old ? 0 : ~(uint32_t)IN_NEW;
    leaf_set(leaf, place.at, piece);
    leaf_grew(text, place.leaf, 0 - (uint64_t)piece.len);
    return piece.len;
}

void branch_text_delete(struct branch_text *text, uint64_t pos, uint64_t len, bool old)
{
    ensure(pos <= branch_text_len(text) && len <= branch_text_len(text) - pos);
    for (; len > 0; text->edits++)
        len -= take(text, place_of(text, pos), len, old);
}

/* --- going over it --- */

static void cursor_load(struct branch_cursor *cursor)
{
    const struct branch_text *text = cursor->text;
    while (cursor->leaf != SUM_TREE_NONE && cursor->at == text->leaves[cursor->leaf].count) {
        cursor->leaf = sum_tree_next(&text->tree, cursor->leaf);
        cursor->at = 0;
    }
    cursor->piece = cursor->leaf == SUM_TREE_NONE ? (struct branch_piece){0} : text->leaves[cursor->leaf].pieces[cursor->at];
}

struct branch_cursor branch_cursor_of(const struct branch_text *text)
{
    struct branch_cursor cursor = {.text = text, .leaf = sum_tree_first(&text->tree)};
    cursor_load(&cursor);
    return cursor;
}

void branch_cursor_skip(struct branch_cursor *cursor, uint32_t len)
{
    cursor->piece.from += len;
    cursor->piece.len -= len;
    if (cursor->piece.len > 0)
        return;
    cursor->at++;
    cursor_load(cursor);
}

/* --- invariants --- */

static struct sums check_leaf(const void *self, uint32_t number)
{
    const struct branch_text *text = self;
    const struct branch_leaf *leaf = &text->leaves[number];
    uint64_t shown = 0;
    ensure(leaf->count <= LEAF_MAX);
    for (uint32_t at = 0; at < leaf->count; at++) {
        const struct branch_piece *piece = &leaf->pieces[at];
        ensure(piece->len > 0 && leaf->shown[at] == (piece->in & IN_NEW ? piece->len : 0));
        shown += leaf->shown[at];
    }
    return (struct sums){{[LENGTH] = shown}};
}

void branch_text_check(const struct branch_text *text)
{
    sum_tree_check(&text->tree, check_leaf, text);
}
