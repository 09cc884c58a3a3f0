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
    spans_reset(&delta->spans);
    if (len > 0)
        put_span(delta, spans_start(&delta->spans), OLD_TEXT, len);
}

uint64_t delta_len(const struct delta *delta)
{
    return delta->spans.total.of[SUM_SHOWN];
}

void delta_insert(struct delta *delta, uint64_t pos, size_t text_at, uint64_t len)
{
    struct span_place place = spans_start(&delta->spans);
    if (pos > 0) {
        place = spans_find(&delta->spans, SUM_SHOWN, pos - 1);
        place.offset++;
    }
    put_span(delta, place, text_at, len);
}

void delta_delete(struct delta *delta, uint64_t pos, uint64_t len)
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

void delta_patch(const struct delta *delta, struct bytes text, struct patch *out)
{
    patch_clear(out);
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
