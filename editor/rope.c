#include "editor/rope.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"
#include "editor/rope_finger.h"
#include "editor/rope_tree.h"

struct rope {
    struct rope_tree tree;
};

/* --- life --- */

static struct rope *rope_of_tree(struct rope_tree tree)
{
    struct rope *rope = xcalloc(1, sizeof *rope);
    rope->tree = tree;
    return rope;
}

struct rope *rope_new(void)
{
    return rope_of_tree(rope_tree_build(NULL, 0));
}

struct rope *rope_from_memory(struct bytes text, void (*release)(void *context, struct bytes text), void *context)
{
    size_t count = text.len / ROPE_PIECE_BYTES_MAX + (text.len % ROPE_PIECE_BYTES_MAX != 0);
    struct rope_piece *pieces = xcalloc(count, sizeof *pieces);
    struct rope_source *source = rope_source_of(text, release, context);

    for (size_t i = 0, at = 0; i < count; i++, at += ROPE_PIECE_BYTES_MAX) {
        size_t left = text.len - at;
        size_t len = left < ROPE_PIECE_BYTES_MAX ? left : ROPE_PIECE_BYTES_MAX;
        pieces[i] = rope_piece_of(source, bytes_slice(text, at, len));
    }
    struct rope *rope = rope_of_tree(rope_tree_build(pieces, count));
    rope_source_drop(source);
    free(pieces);
    return rope;
}

static void copy_release(void *copy, struct bytes text)
{
    (void)text;
    free(copy);
}

struct rope *rope_from_bytes(struct bytes text)
{
    void *copy = xmemdup(text.data, text.len);
    return rope_from_memory(bytes_of(copy, text.len), copy_release, copy);
}

void rope_free(struct rope *rope)
{
    if (!rope)
        return;
    rope_tree_release(&rope->tree);
    free(rope);
}

struct rope *rope_snapshot(const struct rope *rope)
{
    return rope_of_tree(rope_tree_share(&rope->tree));
}

/* --- edits --- */

static OUT_OF_LINE void insert_any(struct rope *rope, uint64_t at, struct bytes text)
{
    ensure(at <= rope_len(rope));
    if (rope_finger_insert(&rope->tree, at, text))
        return;
    while (text.len > 0) {
        size_t len = text.len < ROPE_PIECE_BYTES_MAX ? text.len : ROPE_PIECE_BYTES_MAX;
        rope_tree_insert(&rope->tree, at, bytes_slice(text, 0, len));
        text = bytes_slice(text, len, text.len - len);
        at += len;
    }
}

void rope_insert(struct rope *rope, uint64_t at, struct bytes text)
{
    if (text.len != 1 || !rope_finger_type(&rope->tree, at, text.data[0]))
        insert_any(rope, at, text);
}

void rope_delete(struct rope *rope, uint64_t at, uint64_t len)
{
    rope_tree_delete(&rope->tree, at, len);
}

/* --- fewer pieces --- */

enum {
    SMALL_BYTES = ROPE_PIECE_BYTES_MAX / 16,
    SMALL_COSTS = 48, /* what a piece takes in a leaf and above, nodes being two thirds full */
    WORTH_PART = 16,  /* of the text's length */
};

struct compacting {
    struct rope_piece *pieces;
    size_t count, cap;
    struct rope_source *source; /* of all small ones, in their order */
    unsigned char *small;
    size_t written, pieced; /* of it: bytes, and those that are in pieces */
};

/* How many small pieces there are, and their bytes. */
static size_t count_small(const struct rope_tree *tree, size_t *bytes)
{
    size_t count = 0;
    *bytes = 0;
    for (uint64_t at = 0; at < tree->sums.of[ROPE_BYTES];) {
        uint32_t len = rope_tree_seek(tree, ROPE_BYTES, at).piece->of[ROPE_BYTES];
        if (len < SMALL_BYTES) {
            count++;
            *bytes += len;
        }
        at += len;
    }
    return count;
}

static void add_piece(struct compacting *compacting, struct rope_piece piece)
{
    compacting->pieces = xgrow(compacting->pieces, &compacting->cap, compacting->count + 1, sizeof *compacting->pieces);
    compacting->pieces[compacting->count++] = piece;
}

/* Pieces of the small ones that are not in any. */
static void end_row(struct compacting *compacting)
{
    while (compacting->pieced < compacting->written) {
        size_t left = compacting->written - compacting->pieced, len = left < ROPE_PIECE_BYTES_MAX ? left : ROPE_PIECE_BYTES_MAX;
        add_piece(compacting, rope_piece_of(compacting->source, bytes_of(compacting->small + compacting->pieced, len)));
        compacting->pieced += len;
    }
}

static void collect_pieces(const struct rope_tree *tree, struct compacting *compacting)
{
    for (uint64_t at = 0; at < tree->sums.of[ROPE_BYTES];) {
        const struct rope_piece *piece = rope_tree_seek(tree, ROPE_BYTES, at).piece;
        uint32_t len = piece->of[ROPE_BYTES];
        if (len < SMALL_BYTES) {
            memcpy(compacting->small + compacting->written, piece->data, len);
            compacting->written += len;
        } else {
            end_row(compacting);
            add_piece(compacting, rope_piece_keep(*piece));
        }
        at += len;
    }
    end_row(compacting);
}

bool rope_compact(struct rope *rope)
{
    size_t bytes, count = count_small(&rope->tree, &bytes);
    if (count < 2 || (uint64_t)count * SMALL_COSTS < rope_len(rope) / WORTH_PART)
        return false;
    struct compacting compacting = {.small = xmalloc(bytes)};
    compacting.source = rope_source_of(bytes_of(compacting.small, bytes), copy_release, compacting.small);
    struct rope_tree before = rope_tree_share(&rope->tree); /* nothing in it is edited any more */
    collect_pieces(&before, &compacting);
    rope_tree_release(&before);
    rope_tree_release(&rope->tree);
    rope->tree = rope_tree_build(compacting.pieces, compacting.count);
    rope_source_drop(compacting.source);
    free(compacting.pieces);
    return true;
}

static void invert_delete(const struct rope *rope, uint64_t at, uint64_t len, struct patch *out)
{
    while (len > 0) {
        struct bytes chunk = rope_chunk(rope, at);
        ensure(chunk.len > 0);
        if (chunk.len > len)
            chunk.len = len;
        patch_insert(out, chunk);
        at += chunk.len;
        len -= chunk.len;
    }
}

void rope_invert(const struct rope *rope, const struct patch *patch, struct patch *out)
{
    uint64_t at = 0; /* in the text as it is */
    patch_clear(out);
    for (size_t i = 0; i < patch->count; i++) {
        const struct part *part = &patch->parts[i];
        switch (part->kind) {
        case PART_RETAIN:
            patch_retain(out, part->len);
            at += part->len;
            break;
        case PART_INSERT:
            patch_delete(out, part->len);
            break;
        case PART_DELETE:
            invert_delete(rope, at, part->len, out);
            at += part->len;
            break;
        }
    }
}

/* --- reading --- */

uint64_t rope_len(const struct rope *rope)
{
    return rope->tree.sums.of[ROPE_BYTES];
}

struct bytes rope_chunk(const struct rope *rope, uint64_t at)
{
    ensure(at <= rope_len(rope));
    if (at == rope_len(rope))
        return bytes_of(NULL, 0);
    struct rope_place place = rope_tree_seek(&rope->tree, ROPE_BYTES, at);
    struct bytes text = rope_piece_text(place.piece);
    size_t skip = at - place.before.of[ROPE_BYTES];
    return bytes_slice(text, skip, text.len - skip);
}

struct bytes rope_chunk_before(const struct rope *rope, uint64_t at)
{
    ensure(at <= rope_len(rope));
    if (at == 0)
        return bytes_of(NULL, 0);
    struct rope_place place = rope_tree_seek(&rope->tree, ROPE_BYTES, at - 1);
    return bytes_slice(rope_piece_text(place.piece), 0, at - place.before.of[ROPE_BYTES]);
}

void rope_read(const struct rope *rope, uint64_t at, size_t len, void *out)
{
    ensure(at <= rope_len(rope) && len <= rope_len(rope) - at);
    unsigned char *to = out;
    while (len > 0) {
        struct bytes chunk = rope_chunk(rope, at);
        ensure(chunk.len > 0);
        size_t n = chunk.len < len ? chunk.len : len;
        memcpy(to, chunk.data, n);
        to += n;
        at += n;
        len -= n;
    }
}

void rope_append_to(const struct rope *rope, uint64_t at, uint64_t len, struct buf *out)
{
    ensure(at <= rope_len(rope) && len <= rope_len(rope) - at);
    if (len > 0)
        rope_read(rope, at, len, buf_extend(out, len));
}

int rope_byte(const struct rope *rope, uint64_t at)
{
    struct bytes chunk = rope_chunk(rope, at);
    return chunk.len ? chunk.data[0] : -1;
}

bool rope_equal(const struct rope *a, const struct rope *b)
{
    if (rope_len(a) != rope_len(b))
        return false;
    if (a->tree.root == b->tree.root)
        return true;
    for (uint64_t at = 0, len = rope_len(a); at < len;) {
        struct bytes left = rope_chunk(a, at);
        struct bytes right = rope_chunk(b, at);
        size_t n = left.len < right.len ? left.len : right.len;
        ensure(n > 0);
        if (left.data != right.data && memcmp(left.data, right.data, n) != 0)
            return false;
        at += n;
    }
    return true;
}

/* --- lines and code points --- */

uint64_t rope_lines(const struct rope *rope)
{
    return rope->tree.sums.of[ROPE_NEWLINES] + 1;
}

uint64_t rope_codepoints(const struct rope *rope)
{
    return rope->tree.sums.of[ROPE_CODEPOINTS];
}

/* Where unit number `unit` of a measure is. */
static uint64_t rope_place_of(const struct rope *rope, enum rope_measure measure, uint64_t unit)
{
    struct rope_place place = rope_tree_seek(&rope->tree, measure, unit);
    uint32_t inside = (uint32_t)(unit - place.before.of[measure]);
    return place.before.of[ROPE_BYTES] + rope_piece_find(place.piece, measure, inside);
}

/* How many units of a measure are in front of `at`. */
static uint64_t rope_units_before(const struct rope *rope, enum rope_measure measure, uint64_t at)
{
    ensure(at <= rope_len(rope));
    if (at == rope_len(rope))
        return rope->tree.sums.of[measure];
    struct rope_place place = rope_tree_seek(&rope->tree, ROPE_BYTES, at);
    struct rope_sums inside = rope_piece_sums_before(place.piece, at - place.before.of[ROPE_BYTES]);
    return place.before.of[measure] + inside.of[measure];
}

uint64_t rope_line_start(const struct rope *rope, uint64_t line)
{
    return line == 0 ? 0 : rope_place_of(rope, ROPE_NEWLINES, line - 1) + 1;
}

uint64_t rope_line_end(const struct rope *rope, uint64_t line)
{
    ensure(line < rope_lines(rope));
    return line + 1 == rope_lines(rope) ? rope_len(rope) : rope_place_of(rope, ROPE_NEWLINES, line);
}

uint64_t rope_line_at(const struct rope *rope, uint64_t at)
{
    return rope_units_before(rope, ROPE_NEWLINES, at);
}

uint64_t rope_codepoints_before(const struct rope *rope, uint64_t at)
{
    return rope_units_before(rope, ROPE_CODEPOINTS, at);
}

uint64_t rope_codepoint_start(const struct rope *rope, uint64_t codepoint)
{
    if (codepoint == rope_codepoints(rope))
        return rope_len(rope);
    return rope_place_of(rope, ROPE_CODEPOINTS, codepoint);
}

/* --- grapheme clusters --- */

/* As far as a cluster is looked at, and the rest of a code point that begins there. */
enum { CLUSTER_VIEW = CLUSTER_BYTES_MAX + UTF8_BYTES_MAX };

uint64_t rope_cluster_next(const struct rope *rope, uint64_t at)
{
    unsigned char copy[CLUSTER_VIEW];
    uint64_t left = rope_len(rope) - at;
    size_t len = left < CLUSTER_VIEW ? left : CLUSTER_VIEW;
    struct bytes view = rope_chunk(rope, at);

    if (view.len < len) {
        rope_read(rope, at, len, copy);
        view = bytes_of(copy, len);
    }
    return at + cluster_next(bytes_slice(view, 0, len));
}

uint64_t rope_cluster_prev(const struct rope *rope, uint64_t at)
{
    unsigned char copy[CLUSTER_VIEW];
    size_t len = at < CLUSTER_VIEW ? at : CLUSTER_VIEW;
    struct bytes view = rope_chunk_before(rope, at);

    if (view.len < len) {
        rope_read(rope, at - len, len, copy);
        view = bytes_of(copy, len);
    }
    return at - cluster_prev(bytes_slice(view, view.len - len, len));
}

void rope_check(const struct rope *rope)
{
    rope_tree_check(&rope->tree);
}
