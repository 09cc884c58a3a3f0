#include "sync/delta.h"

/* Spans of the old text have ids from here on; those of inserted text, where it begins in the caller's text. */
#define OLD_TEXT ((uint64_t)1 << 62)

void delta_release(struct delta *delta)
{
    spans_release(&delta->spans);
}

static void put_span(struct delta *delta, struct span_place place, uint64_t id, uint64_t len)
{
    struct span span = {id, len, id - 1, 0, SPAN_THERE, false};
    if (!spans_append(&delta->spans, place, &span))
        spans_insert(&delta->spans, place, &span);
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
    return delta->spans.total.of[SUM_SHOWN];
}

static void insert_span(struct delta *delta, uint64_t pos, size_t text_at, uint64_t len)
{
    struct span_place place = spans_start(&delta->spans);
    if (pos > 0) {
        place = spans_find(&delta->spans, SUM_SHOWN, pos - 1);
        place.offset++;
    }
    put_span(delta, place, text_at, len);
}

static void delete_spans(struct delta *delta, uint64_t pos, uint64_t len)
{
    while (len > 0) {
        struct span_place place = spans_find(&delta->spans, SUM_SHOWN, pos);
        const struct span *span = spans_peek(&delta->spans, &place);
        uint64_t step = span->len - place.offset < len ? span->len - place.offset : len;
        bool old = span->id >= OLD_TEXT;
        place = spans_isolate(&delta->spans, place, step);
        if (old)
            spans_set(&delta->spans, place, SPAN_THERE + 1, true);
        else
            spans_remove(&delta->spans, place);
        len -= step;
    }
}

static void edit_spans(struct delta *delta, const struct delta_edit *edit)
{
    if (edit->deletes)
        delete_spans(delta, edit->pos, edit->len);
    else
        insert_span(delta, edit->pos, edit->text_at, edit->len);
}

static void plant(struct delta *delta)
{
    spans_reset(&delta->spans);
    if (delta->old_len > 0)
        put_span(delta, spans_start(&delta->spans), OLD_TEXT, delta->old_len);
    edit_spans(delta, &delta->only);
    delta->edits = DELTA_MANY;
}

static void add_edit(struct delta *delta, struct delta_edit edit)
{
    if (delta->edits == DELTA_NONE) {
        ensure(edit.deletes ? edit.len <= delta->old_len && edit.pos <= delta->old_len - edit.len
                            : edit.pos <= delta->old_len);
        delta->only = edit;
        delta->edits = DELTA_ONE;
        return;
    }
    if (delta->edits == DELTA_ONE)
        plant(delta);
    edit_spans(delta, &edit);
}

void delta_insert(struct delta *delta, uint64_t pos, size_t text_at, uint64_t len)
{
    add_edit(delta, (struct delta_edit){.pos = pos, .len = len, .text_at = text_at});
}

void delta_delete(struct delta *delta, uint64_t pos, uint64_t len)
{
    add_edit(delta, (struct delta_edit){.pos = pos, .len = len, .deletes = true});
}

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

void delta_patch(const struct delta *delta, struct bytes text, struct patch *out)
{
    patch_clear(out);
    if (delta->edits == DELTA_NONE)
        patch_retain(out, delta->old_len);
    if (delta->edits == DELTA_ONE)
        patch_of_one(delta, text, out);
    if (delta->edits != DELTA_MANY)
        return;
    struct span_place place = spans_start(&delta->spans);
    for (const struct span *span; (span = spans_peek(&delta->spans, &place)); spans_next(&place)) {
        if (span->id < OLD_TEXT)
            patch_insert(out, bytes_slice(text, (size_t)span->id, (size_t)span->len));
        else if (span->gone)
            patch_delete(out, span->len);
        else
            patch_retain(out, span->len);
    }
}
