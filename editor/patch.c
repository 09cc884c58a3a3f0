#include "editor/patch.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

/* --- memory --- */

void patch_release(struct patch *patch)
{
    free(patch->parts);
    buf_release(&patch->text);
    *patch = (struct patch){0};
}

void patch_clear(struct patch *patch)
{
    patch->count = 0;
    patch->pending = 0;
    patch->replaces = false;
    buf_clear(&patch->text);
}

void patch_move(struct patch *out, struct patch *from)
{
    ensure(out != from);
    patch_release(out);
    *out = *from;
    *from = (struct patch){0};
}

/* --- builders --- */

/* Opens a place for one part at `index`, which is the end or the last part: the cost does not grow with the patch. */
static void parts_put(struct patch *patch, size_t index, struct part part)
{
    patch->parts = xgrow(patch->parts, &patch->cap, patch->count + 1, sizeof *patch->parts);
    if (index < patch->count)
        patch->parts[index + 1] = patch->parts[index];
    patch->parts[index] = part;
    patch->count++;
}

static bool part_is(const struct patch *patch, size_t index, enum part_kind kind)
{
    return index < patch->count && patch->parts[index].kind == kind;
}

/* Something follows. */
static void flush_pending(struct patch *patch)
{
    patch->replaces = false;
    if (patch->pending)
        parts_put(patch, patch->count, (struct part){.kind = PART_RETAIN, .len = patch->pending});
    patch->pending = 0;
}

void patch_retain(struct patch *patch, uint64_t len)
{
    patch->pending += len;
}

void patch_insert(struct patch *patch, struct bytes text)
{
    if (text.len == 0)
        return;
    flush_pending(patch);
    size_t index = patch->count;
    if (index && part_is(patch, index - 1, PART_DELETE))
        index--; /* at one place the insert stands before the delete */
    if (index && part_is(patch, index - 1, PART_INSERT))
        patch->parts[index - 1].len += text.len; /* its bytes are the last of patch->text */
    else
        parts_put(patch, index, (struct part){.kind = PART_INSERT, .len = text.len, .text_at = patch->text.len});
    buf_add_bytes(&patch->text, text);
}

void patch_delete(struct patch *patch, uint64_t len)
{
    if (len == 0)
        return;
    flush_pending(patch);
    if (patch->count && part_is(patch, patch->count - 1, PART_DELETE))
        patch->parts[patch->count - 1].len += len;
    else
        parts_put(patch, patch->count, (struct part){.kind = PART_DELETE, .len = len});
}

enum { REPLACE_PARTS = 3 };

/* What the builders would make, put down at once. Its text is there, and room for the parts. */
static void set_parts(struct patch *patch, uint64_t at, uint64_t deleted, size_t inserted)
{
    size_t count = 0;
    if (at > 0)
        patch->parts[count++] = (struct part){.kind = PART_RETAIN, .len = at};
    if (inserted > 0)
        patch->parts[count++] = (struct part){.kind = PART_INSERT, .len = inserted};
    if (deleted > 0)
        patch->parts[count++] = (struct part){.kind = PART_DELETE, .len = deleted};
    patch->count = count;
    patch->pending = 0;
    patch->replaces = true;
    patch->at = at;
    patch->deleted = deleted;
}

OUT_OF_LINE void patch_replace_any(struct patch *patch, uint64_t at, uint64_t deleted, struct bytes text)
{
    patch_clear(patch);
    if (text.len == 0 && deleted == 0) {
        patch->pending = at;
        return;
    }
    patch->parts = xgrow(patch->parts, &patch->cap, REPLACE_PARTS, sizeof *patch->parts);
    buf_add_bytes(&patch->text, text);
    set_parts(patch, at, deleted, text.len);
}

bool patch_read_replacement(const struct patch *patch, struct replacement *out)
{
    *out = (struct replacement){.text = buf_view(&patch->text)};
    if (patch->count == 0)
        return false;
    const struct part *part = patch->parts, *end = part + patch->count;
    if (part->kind == PART_RETAIN)
        out->at = part++->len;
    if (part < end && part->kind == PART_INSERT)
        part++;
    if (part < end && part->kind == PART_DELETE)
        out->deleted = part++->len;
    return part == end;
}

/* --- questions --- */

bool patch_is_empty(const struct patch *patch)
{
    return patch->count == 0;
}

bool patch_equal(const struct patch *a, const struct patch *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->parts[i].kind != b->parts[i].kind || a->parts[i].len != b->parts[i].len)
            return false;
    }
    return bytes_equal(buf_view(&a->text), buf_view(&b->text));
}

struct bytes patch_part_text(const struct patch *patch, const struct part *part)
{
    ensure(part->kind == PART_INSERT);
    return bytes_slice(buf_view(&patch->text), part->text_at, part->len);
}

static uint64_t patch_sum(const struct patch *patch, enum part_kind kind)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < patch->count; i++) {
        if (patch->parts[i].kind == kind)
            sum += patch->parts[i].len;
    }
    return sum;
}

uint64_t patch_old_len(const struct patch *patch)
{
    return patch_sum(patch, PART_RETAIN) + patch_sum(patch, PART_DELETE);
}

uint64_t patch_inserted(const struct patch *patch)
{
    return patch->text.len;
}

uint64_t patch_deleted(const struct patch *patch)
{
    return patch_sum(patch, PART_DELETE);
}

void patch_check(const struct patch *patch)
{
    size_t text_at = 0;
    for (size_t i = 0; i < patch->count; i++) {
        const struct part *part = &patch->parts[i];
        ensure(part->len > 0);
        ensure(i == 0 || part->kind != part[-1].kind);
        ensure(i == 0 || part->kind != PART_INSERT || part[-1].kind != PART_DELETE);
        if (part->kind == PART_INSERT) {
            ensure(part->text_at == text_at);
            text_at += part->len;
        }
    }
    ensure(text_at == patch->text.len);
    ensure(patch->count == 0 || patch->parts[patch->count - 1].kind != PART_RETAIN);
}

/* --- one patch and a text --- */

void patch_apply(const struct patch *patch, struct bytes old, struct buf *out)
{
    uint64_t at = 0;
    for (size_t i = 0; i < patch->count; i++) {
        const struct part *part = &patch->parts[i];
        switch (part->kind) {
        case PART_RETAIN:
            buf_add_bytes(out, bytes_slice(old, at, part->len));
            at += part->len;
            break;
        case PART_INSERT:
            buf_add_bytes(out, patch_part_text(patch, part));
            break;
        case PART_DELETE:
            ensure(part->len <= old.len - at);
            at += part->len;
            break;
        }
    }
    buf_add_bytes(out, bytes_slice(old, at, old.len - at));
}

void patch_invert(struct patch *out, const struct patch *a, struct bytes old)
{
    ensure(out != a);
    patch_clear(out);
    uint64_t at = 0;
    for (size_t i = 0; i < a->count; i++) {
        const struct part *part = &a->parts[i];
        switch (part->kind) {
        case PART_RETAIN:
            patch_retain(out, part->len);
            at += part->len;
            break;
        case PART_INSERT:
            patch_delete(out, part->len);
            break;
        case PART_DELETE:
            patch_insert(out, bytes_slice(old, at, part->len));
            at += part->len;
            break;
        }
    }
}

uint64_t patch_map(const struct patch *patch, uint64_t at, enum gravity gravity)
{
    uint64_t left = at; /* bytes of old text from here to the place */
    uint64_t mapped = 0;
    for (size_t i = 0; i < patch->count; i++) {
        const struct part *part = &patch->parts[i];
        if (part->kind == PART_INSERT) {
            if (left == 0 && gravity == GRAVITY_LEFT)
                break;
            mapped += part->len;
            continue;
        }
        if (left < part->len)
            return part->kind == PART_RETAIN ? mapped + left : mapped;
        left -= part->len;
        if (part->kind == PART_RETAIN)
            mapped += part->len;
    }
    return mapped + left;
}

/* --- two patches, walked side by side --- */

/* Where a walk stands in a patch: what is left of the current part; behind the last part an endless retain. */
struct cursor {
    const struct patch *patch;
    size_t index;
    struct part part;
};

static bool cursor_ended(const struct cursor *cursor)
{
    return cursor->index == cursor->patch->count;
}

static void cursor_load(struct cursor *cursor)
{
    static const struct part rest = {.kind = PART_RETAIN, .len = UINT64_MAX};
    cursor->part = cursor_ended(cursor) ? rest : cursor->patch->parts[cursor->index];
}

static struct cursor cursor_of(const struct patch *patch)
{
    struct cursor cursor = {.patch = patch};
    cursor_load(&cursor);
    return cursor;
}

static void cursor_skip(struct cursor *cursor, uint64_t len)
{
    if (cursor_ended(cursor))
        return;
    cursor->part.len -= len;
    cursor->part.text_at += len;
    if (cursor->part.len == 0) {
        cursor->index++;
        cursor_load(cursor);
    }
}

/* Adds the next `len` units of the current part to `out` and goes past them. */
static void cursor_copy(struct cursor *cursor, uint64_t len, struct patch *out)
{
    switch (cursor->part.kind) {
    case PART_RETAIN:
        patch_retain(out, len);
        break;
    case PART_INSERT:
        patch_insert(out, bytes_slice(buf_view(&cursor->patch->text), cursor->part.text_at, len));
        break;
    case PART_DELETE:
        patch_delete(out, len);
        break;
    }
    cursor_skip(cursor, len);
}

static uint64_t cursor_common(const struct cursor *a, const struct cursor *b)
{
    return a->part.len < b->part.len ? a->part.len : b->part.len;
}

/* A stretch of the text between: a retained or inserted it, b retains or deletes it. */
static void compose_stretch(struct patch *out, struct cursor *a, struct cursor *b)
{
    uint64_t len = cursor_common(a, b);
    if (b->part.kind == PART_RETAIN) {
        cursor_copy(a, len, out);
        cursor_skip(b, len);
    } else if (a->part.kind == PART_RETAIN) {
        cursor_copy(b, len, out);
        cursor_skip(a, len);
    } else { /* a inserted what b deletes */
        cursor_skip(a, len);
        cursor_skip(b, len);
    }
}

void patch_compose(struct patch *out, const struct patch *a, const struct patch *b)
{
    ensure(out != a && out != b);
    patch_clear(out);
    struct cursor first = cursor_of(a);
    struct cursor second = cursor_of(b);
    while (!cursor_ended(&first) || !cursor_ended(&second)) {
        if (first.part.kind == PART_DELETE)
            cursor_copy(&first, first.part.len, out);
        else if (second.part.kind == PART_INSERT)
            cursor_copy(&second, second.part.len, out);
        else
            compose_stretch(out, &first, &second);
    }
}

/* A stretch of the old text, which both retain or delete: only what b leaves is there for a. */
static void transform_stretch(struct patch *out, struct cursor *a, struct cursor *b)
{
    uint64_t len = cursor_common(a, b);
    if (b->part.kind == PART_RETAIN)
        cursor_copy(a, len, out);
    else
        cursor_skip(a, len);
    cursor_skip(b, len);
}

void patch_transform(struct patch *out, const struct patch *a, const struct patch *b, enum patch_side side)
{
    ensure(out != a && out != b);
    patch_clear(out);
    struct cursor mine = cursor_of(a);
    struct cursor theirs = cursor_of(b);
    while (!cursor_ended(&mine)) {
        bool mine_inserts = mine.part.kind == PART_INSERT;
        bool theirs_inserts = theirs.part.kind == PART_INSERT;
        if (mine_inserts && (side == PATCH_LEFT || !theirs_inserts)) {
            cursor_copy(&mine, mine.part.len, out);
        } else if (theirs_inserts) {
            patch_retain(out, theirs.part.len);
            cursor_skip(&theirs, theirs.part.len);
        } else {
            transform_stretch(out, &mine, &theirs);
        }
    }
}
