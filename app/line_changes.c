#include "app/line_changes.h"

#include <stdlib.h>

#include "editor/base/least.h"
#include "editor/base/xalloc.h"
#include "editor/line_diff.h"

void line_changes_release(struct line_changes *changes)
{
    free(changes->items);
    *changes = (struct line_changes){0};
}

/* --- lines of a text --- */

uint64_t line_count(const struct rope *text)
{
    uint64_t lines = rope_lines(text);
    return lines - (rope_line_start(text, lines - 1) == rope_len(text));
}

uint64_t line_start(const struct rope *text, uint64_t line)
{
    return line < rope_lines(text) ? rope_line_start(text, line) : rope_len(text);
}

uint64_t line_end(const struct rope *text, uint64_t line)
{
    return line_start(text, line + 1);
}

static bool begins_line(const struct rope *text, uint64_t at)
{
    return rope_line_start(text, rope_line_at(text, at)) == at;
}

/* --- what a patch changes --- */

/* Bytes [from, from_end) became [to, to_end). */
struct byte_change {
    uint64_t from, from_end, to, to_end;
};

/* What follows is retained: where the change does not end with a line in both texts, the lines that it ends in are changed. */
static struct line_change lines_of(const struct rope *from, const struct rope *to, const struct byte_change *bytes)
{
    bool whole = begins_line(from, bytes->from_end) && begins_line(to, bytes->to_end);
    struct line_change lines = {.from = rope_line_at(from, bytes->from), .to = rope_line_at(to, bytes->to)};
    lines.from_end = least(rope_line_at(from, bytes->from_end) + !whole, line_count(from));
    lines.to_end = least(rope_line_at(to, bytes->to_end) + !whole, line_count(to));
    return lines;
}

static void push(struct line_changes *out, struct line_change lines)
{
    out->items = xgrow(out->items, &out->cap, out->count + 1, sizeof *out->items);
    out->items[out->count++] = lines;
}

static void add_lines(struct line_changes *out, struct line_change lines)
{
    struct line_change *last = out->count > 0 ? &out->items[out->count - 1] : NULL;
    if (last && (lines.from <= last->from_end || lines.to <= last->to_end)) {
        last->from_end = lines.from_end;
        last->to_end = lines.to_end;
        return;
    }
    push(out, lines);
}

/* The next change of the patch from part *i on, `bytes` being the end of the one before. False: there is none. */
static bool next_change(const struct patch *patch, size_t *i, struct byte_change *bytes)
{
    bytes->from = bytes->from_end;
    bytes->to = bytes->to_end;
    if (*i < patch->count && patch->parts[*i].kind == PART_RETAIN) {
        bytes->from += patch->parts[*i].len;
        bytes->to += patch->parts[*i].len;
        ++*i;
    }
    bytes->from_end = bytes->from;
    bytes->to_end = bytes->to;
    bool found = *i < patch->count;
    for (; *i < patch->count && patch->parts[*i].kind != PART_RETAIN; ++*i) {
        bool inserted = patch->parts[*i].kind == PART_INSERT;
        bytes->from_end += inserted ? 0 : patch->parts[*i].len;
        bytes->to_end += inserted ? patch->parts[*i].len : 0;
    }
    return found;
}

/* --- taking off what is equal --- */

struct comparing {
    const struct rope *from, *to;
    struct buf a, b;
};

static bool lines_equal(struct comparing *comparing, uint64_t from, uint64_t to)
{
    uint64_t a = line_start(comparing->from, from), b = line_start(comparing->to, to);
    uint64_t len = line_end(comparing->from, from) - a;
    if (line_end(comparing->to, to) - b != len)
        return false;
    buf_clear(&comparing->a);
    buf_clear(&comparing->b);
    rope_append_to(comparing->from, a, len, &comparing->a);
    rope_append_to(comparing->to, b, len, &comparing->b);
    return bytes_equal(buf_view(&comparing->a), buf_view(&comparing->b));
}

static void trim(struct comparing *comparing, struct line_change *lines)
{
    while (lines->from < lines->from_end && lines->to < lines->to_end && lines_equal(comparing, lines->from, lines->to)) {
        lines->from++;
        lines->to++;
    }
    while (lines->from < lines->from_end && lines->to < lines->to_end &&
           lines_equal(comparing, lines->from_end - 1, lines->to_end - 1)) {
        lines->from_end--;
        lines->to_end--;
    }
}

/* The changes as the patch has them, less what is equal at their ends. */
static void find_rough(const struct rope *from, const struct rope *to, const struct patch *patch, struct line_changes *out)
{
    struct comparing comparing = {.from = from, .to = to};
    struct byte_change bytes = {0};
    size_t kept = 0;
    out->count = 0;
    for (size_t i = 0; next_change(patch, &i, &bytes);)
        add_lines(out, lines_of(from, to, &bytes));
    for (size_t i = 0; i < out->count; i++) {
        struct line_change lines = out->items[i];
        trim(&comparing, &lines);
        if (lines.from < lines.from_end || lines.to < lines.to_end)
            out->items[kept++] = lines;
    }
    out->count = kept;
    buf_release(&comparing.a);
    buf_release(&comparing.b);
}

/* --- and in the middle --- */

static struct rope *text_of(const struct rope *text, uint64_t line, uint64_t end)
{
    struct buf bytes = {0};
    uint64_t at = line_start(text, line);
    rope_append_to(text, at, line_start(text, end) - at, &bytes);
    struct rope *part = rope_from_bytes(buf_view(&bytes));
    buf_release(&bytes);
    return part;
}

/* What differs by lines in a change, where the patch went across lines that are equal. */
static void refine(const struct rope *from, const struct rope *to, struct line_change lines, struct line_changes *out)
{
    struct patch patch = {0};
    struct line_changes parts = {0};
    struct line_diff summary;
    struct rope *a = text_of(from, lines.from, lines.from_end), *b = text_of(to, lines.to, lines.to_end);
    line_diff(a, b, &patch, &summary);
    if (summary.lines_common > 0)
        find_rough(a, b, &patch, &parts);
    for (size_t i = 0; i < parts.count; i++)
        push(out, (struct line_change){lines.from + parts.items[i].from, lines.from + parts.items[i].from_end,
                                       lines.to + parts.items[i].to, lines.to + parts.items[i].to_end});
    if (parts.count == 0)
        push(out, lines);
    line_changes_release(&parts);
    patch_release(&patch);
    rope_free(a);
    rope_free(b);
}

/* After trimming, only a change of several lines on a side and some on the other can have an equal one within. */
static bool may_have_equal_lines(struct line_change lines)
{
    uint64_t less = least(lines.from_end - lines.from, lines.to_end - lines.to);
    return less > 0 && lines.from_end - lines.from + lines.to_end - lines.to > 3;
}

void line_changes_find(const struct rope *from, const struct rope *to, const struct patch *patch, struct line_changes *out)
{
    struct line_changes rough = {0};
    find_rough(from, to, patch, &rough);
    out->count = 0;
    for (size_t i = 0; i < rough.count; i++) {
        if (may_have_equal_lines(rough.items[i]))
            refine(from, to, rough.items[i], out);
        else
            push(out, rough.items[i]);
    }
    line_changes_release(&rough);
}
