#include "editor/line_diff.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

/* --- what the texts have in common at both ends --- */

static size_t common_prefix(struct bytes a, struct bytes b)
{
    size_t max = a.len < b.len ? a.len : b.len;
    size_t len = 0;
    if (max > 0 && memcmp(a.data, b.data, max) == 0)
        return max;
    while (len < max && a.data[len] == b.data[len])
        len++;
    return len;
}

static size_t common_suffix(struct bytes a, struct bytes b)
{
    size_t max = a.len < b.len ? a.len : b.len;
    size_t len = 0;
    if (max > 0 && memcmp(a.data + a.len - max, b.data + b.len - max, max) == 0)
        return max;
    while (len < max && a.data[a.len - 1 - len] == b.data[b.len - 1 - len])
        len++;
    return len;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t rope_common_head(const struct rope *a, const struct rope *b)
{
    uint64_t max = min_u64(rope_len(a), rope_len(b));
    uint64_t at = 0;
    while (at < max) {
        struct bytes left = rope_chunk(a, at);
        struct bytes right = rope_chunk(b, at);
        size_t len = left.len < right.len ? left.len : right.len;
        size_t same = left.data == right.data ? len : common_prefix(left, right); /* snapshots share pieces */
        at += same;
        if (same < len)
            break;
    }
    return at;
}

/* At most `max` bytes. */
static uint64_t rope_common_tail(const struct rope *a, const struct rope *b, uint64_t max)
{
    uint64_t tail = 0;
    while (tail < max) {
        struct bytes left = rope_chunk_before(a, rope_len(a) - tail);
        struct bytes right = rope_chunk_before(b, rope_len(b) - tail);
        size_t len = left.len < right.len ? left.len : right.len;
        size_t same = common_suffix(left, right);
        tail += same;
        if (same < len)
            break;
    }
    return min_u64(tail, max);
}

/* The whole lines that differ: bytes [head, len - tail) of either text. */
struct middle {
    uint64_t head, tail;
};

static struct middle middle_of(const struct rope *from, const struct rope *to)
{
    uint64_t head = rope_common_head(from, to);
    head = rope_line_start(from, rope_line_at(from, head));
    uint64_t room = min_u64(rope_len(from), rope_len(to)) - head;
    uint64_t tail = rope_common_tail(from, to, room);

    /* What follows a newline inside the tail begins a line in both texts. */
    uint64_t line = rope_line_at(from, rope_len(from) - tail) + 1;
    tail = line < rope_lines(from) ? rope_len(from) - rope_line_start(from, line) : 0;
    return (struct middle){head, tail};
}

/* --- lines --- */

/*
 * Lines are compared by a hash while they are matched and by their bytes when the patch is written; should a hash have
 * lied, everything is one region.
 */
struct lines {
    struct buf text;
    uint64_t *hashes;
    size_t *starts; /* count + 1 of them: the last is where the text ends */
    bool *changed;  /* what the search finds out: this line has no partner */
    size_t count;
};

static uint64_t line_hash(struct bytes line)
{
    uint64_t hash = line.len;
    for (size_t i = 0; i < line.len; i++)
        hash = (hash ^ line.data[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

static struct bytes lines_text(const struct lines *lines, size_t first, size_t end)
{
    size_t start = lines->starts[first];
    return bytes_slice(buf_view(&lines->text), start, lines->starts[end] - start);
}

static void lines_read(struct lines *lines, const struct rope *rope, struct middle middle, size_t count)
{
    rope_append_to(rope, middle.head, rope_len(rope) - middle.head - middle.tail, &lines->text);
    lines->hashes = xcalloc(count, sizeof *lines->hashes);
    lines->starts = xcalloc(count + 1, sizeof *lines->starts);
    lines->changed = xcalloc(count, sizeof *lines->changed);
    lines->count = count;
    for (size_t i = 0, at = 0; i < count; i++) {
        const unsigned char *start = lines->text.data + at;
        const unsigned char *newline = memchr(start, '\n', lines->text.len - at);
        at = newline ? (size_t)(newline - lines->text.data) + 1 : lines->text.len;
        lines->starts[i + 1] = at;
        lines->hashes[i] = line_hash(lines_text(lines, i, i + 1));
    }
}

static void lines_release(struct lines *lines)
{
    buf_release(&lines->text);
    free(lines->hashes);
    free(lines->starts);
    free(lines->changed);
}

/* --- Myers' search ---
 *
 * Lines of `from` lie along x, lines of `to` along y; a step right drops a line, a step down adds one, a step along a
 * diagonal k = x - y keeps one. A front knows, for each diagonal, how far one can come with `edits` steps right or
 * down. One front starts at the top left and one at the bottom right of a box; where they meet, the box is cut in two.
 */
typedef int32_t line_no;

enum { NOWHERE = -1 };

struct box {
    line_no x0, y0, x1, y1;
};

struct front {
    line_no *reached; /* x by diagonal; NOWHERE when it cannot be got to */
    line_no start;    /* the diagonal it began on */
    line_no edits;
};

struct search {
    struct lines *from, *to;
    struct front forward, backward;
    uint64_t steps;
};

static bool same_line(const struct search *search, line_no x, line_no y)
{
    return search->from->hashes[x] == search->to->hashes[y];
}

static bool box_has_diagonal(struct box box, line_no k)
{
    return k >= box.x0 - box.y1 && k <= box.x1 - box.y0;
}

/* Only diagonals that the front met in its latest round, every second one, have a meaning. */
static line_no front_at(const struct front *front, struct box box, line_no k)
{
    if (k < front->start - front->edits || k > front->start + front->edits || !box_has_diagonal(box, k))
        return NOWHERE;
    return front->reached[k];
}

static line_no forward_reach(struct search *search, struct box box, line_no k)
{
    line_no right = front_at(&search->forward, box, k - 1);
    line_no x = front_at(&search->forward, box, k + 1);
    if (x == NOWHERE || x - k > box.y1)
        x = NOWHERE;
    if (right != NOWHERE && right < box.x1 && right + 1 > x)
        x = right + 1;
    if (x == NOWHERE)
        return NOWHERE;
    line_no start = x;
    while (x < box.x1 && x - k < box.y1 && same_line(search, x, x - k))
        x++;
    search->steps += 1 + (uint64_t)(x - start);
    return x;
}

static line_no backward_reach(struct search *search, struct box box, line_no k)
{
    line_no left = front_at(&search->backward, box, k + 1);
    line_no x = front_at(&search->backward, box, k - 1);
    if (x == NOWHERE || x - k < box.y0)
        x = NOWHERE;
    if (left != NOWHERE && left > box.x0 && (x == NOWHERE || left - 1 < x))
        x = left - 1;
    if (x == NOWHERE)
        return NOWHERE;
    line_no start = x;
    while (x > box.x0 && x - k > box.y0 && same_line(search, x - 1, x - k - 1))
        x--;
    search->steps += 1 + (uint64_t)(start - x);
    return x;
}

struct meeting {
    bool found;
    line_no x, y;
};

typedef line_no reach_fn(struct search *search, struct box box, line_no k);

/* One more edit for `front`. Rounds write only diagonals that the round before did not, so nothing is overwritten
 * early. */
static struct meeting front_advance(struct search *search, struct box box, struct front *front, reach_fn *reach)
{
    bool is_forward = front == &search->forward;
    const struct front *other = is_forward ? &search->backward : &search->forward;
    line_no edits = front->edits + 1;

    for (line_no k = front->start - edits; k <= front->start + edits; k += 2) {
        if (!box_has_diagonal(box, k))
            continue;
        line_no x = reach(search, box, k);
        front->reached[k] = x;
        bool is_met_round = ((k - other->start - other->edits) & 1) == 0;
        line_no opposite = is_met_round ? front_at(other, box, k) : NOWHERE;
        if (x != NOWHERE && opposite != NOWHERE && (is_forward ? opposite <= x : x <= opposite))
            return (struct meeting){true, x, x - k};
    }
    front->edits = edits;
    return (struct meeting){0};
}

static struct meeting search_middle(struct search *search, struct box box)
{
    struct meeting meeting = {0};
    struct front *forward = &search->forward;
    struct front *backward = &search->backward;
    forward->start = box.x0 - box.y0;
    backward->start = box.x1 - box.y1;
    forward->edits = backward->edits = 0;
    forward->reached[forward->start] = box.x0;
    backward->reached[backward->start] = box.x1;
    while (forward->edits + backward->edits < LINE_DIFF_EDITS_MAX && search->steps < LINE_DIFF_STEPS_MAX) {
        meeting = front_advance(search, box, forward, forward_reach);
        if (!meeting.found)
            meeting = front_advance(search, box, backward, backward_reach);
        if (meeting.found)
            break;
    }
    return meeting;
}

static struct box box_trim(const struct search *search, struct box box)
{
    while (box.x0 < box.x1 && box.y0 < box.y1 && same_line(search, box.x0, box.y0)) {
        box.x0++;
        box.y0++;
    }
    while (box.x0 < box.x1 && box.y0 < box.y1 && same_line(search, box.x1 - 1, box.y1 - 1)) {
        box.x1--;
        box.y1--;
    }
    return box;
}

/* Marks the lines in a box that changed; false when that costs too much. Each half has half the edits: recursion is
 * flat. */
static bool search_box(struct search *search, struct box box)
{
    box = box_trim(search, box);
    if (box.x0 == box.x1 || box.y0 == box.y1) {
        memset(search->from->changed + box.x0, true, (size_t)(box.x1 - box.x0));
        memset(search->to->changed + box.y0, true, (size_t)(box.y1 - box.y0));
        return true;
    }
    struct meeting at = search_middle(search, box);
    return at.found && search_box(search, (struct box){box.x0, box.y0, at.x, at.y}) &&
           search_box(search, (struct box){at.x, at.y, box.x1, box.y1});
}

static bool lines_match(struct lines *from, struct lines *to)
{
    struct search search = {.from = from, .to = to};
    struct box whole = {0, 0, (line_no)from->count, (line_no)to->count};
    size_t diagonals = from->count + to->count + 1;
    line_no *forward = xcalloc(diagonals, sizeof *forward);
    line_no *backward = xcalloc(diagonals, sizeof *backward);

    search.forward.reached = forward + to->count; /* diagonals count from -to->count */
    search.backward.reached = backward + to->count;
    bool good = search_box(&search, whole);
    free(forward);
    free(backward);
    return good;
}

/* --- writing the patch --- */

struct writer {
    struct patch *out;
    const struct lines *from, *to;
    uint64_t retained; /* not yet written to `out` */
};

static bool is_inside_sequence(struct bytes text, size_t at)
{
    return at < text.len && utf8_is_continuation(text.data[at]);
}

/* Replaces `old` by `new`, less what they have in common at both ends, cut between code points. */
static void write_replaced(struct writer *writer, struct bytes old, struct bytes new)
{
    size_t head = common_prefix(old, new);
    while (head > 0 && (is_inside_sequence(old, head) || is_inside_sequence(new, head)))
        head--;
    old = bytes_slice(old, head, old.len - head);
    new = bytes_slice(new, head, new.len - head);

    size_t tail = common_suffix(old, new);
    while (tail > 0 && is_inside_sequence(old, old.len - tail))
        tail--;
    old = bytes_slice(old, 0, old.len - tail);
    new = bytes_slice(new, 0, new.len - tail);

    patch_retain(writer->out, writer->retained + head);
    patch_delete(writer->out, old.len);
    patch_insert(writer->out, new);
    writer->retained = tail;
}

/* As many lines as before were probably edited one by one. */
static void write_region(struct writer *writer, struct box region)
{
    bool is_paired = region.x1 - region.x0 == region.y1 - region.y0;
    for (; is_paired && region.x0 + 1 < region.x1; region.x0++, region.y0++)
        write_replaced(writer, lines_text(writer->from, region.x0, region.x0 + 1),
                       lines_text(writer->to, region.y0, region.y0 + 1));
    write_replaced(writer, lines_text(writer->from, region.x0, region.x1),
                   lines_text(writer->to, region.y0, region.y1));
}

static line_no changed_end(const struct lines *lines, line_no at)
{
    while (at < (line_no)lines->count && lines->changed[at])
        at++;
    return at;
}

/* Keeps line x, which is line y. False when they only had the same hash. */
static bool write_kept(struct writer *writer, line_no x, line_no y)
{
    struct bytes line = lines_text(writer->from, x, x + 1);
    writer->retained += line.len;
    return bytes_equal(line, lines_text(writer->to, y, y + 1));
}

static bool write_lines(struct writer *writer, struct line_diff *summary)
{
    struct box at = {0};
    for (;;) {
        at.x1 = changed_end(writer->from, at.x0);
        at.y1 = changed_end(writer->to, at.y0);
        if (at.x1 > at.x0 || at.y1 > at.y0)
            write_region(writer, at);
        summary->lines_removed += (uint64_t)(at.x1 - at.x0);
        summary->lines_added += (uint64_t)(at.y1 - at.y0);
        if (at.x1 == (line_no)writer->from->count)
            return true;
        if (!write_kept(writer, at.x1, at.y1))
            return false;
        summary->lines_common++;
        at = (struct box){at.x1 + 1, at.y1 + 1, 0, 0};
    }
}

/* --- both --- */

static uint64_t lines_in(const struct rope *rope)
{
    uint64_t last = rope_line_start(rope, rope_lines(rope) - 1);
    return rope_lines(rope) - (last == rope_len(rope));
}

/* Lines before and after the middle. */
static uint64_t lines_around(const struct rope *rope, struct middle middle)
{
    uint64_t tail_at = rope_len(rope) - middle.tail;
    uint64_t after = middle.tail ? lines_in(rope) - rope_line_at(rope, tail_at) : 0;
    return rope_line_at(rope, middle.head) + after;
}

static bool is_too_large(const struct rope *rope, struct middle middle, uint64_t lines)
{
    return lines > LINE_DIFF_LINES_MAX || rope_len(rope) - middle.head - middle.tail > LINE_DIFF_BYTES_MAX;
}

static void diff_middle(const struct rope *from, const struct rope *to, struct middle middle, struct patch *out,
                        struct line_diff *summary)
{
    uint64_t around = lines_around(from, middle);
    struct line_diff whole = {
        .lines_common = around, .lines_removed = lines_in(from) - around, .lines_added = lines_in(to) - around};
    bool is_large = is_too_large(from, middle, whole.lines_removed) || is_too_large(to, middle, whole.lines_added);
    struct lines a = {0};
    struct lines b = {0};
    struct writer writer = {.out = out, .from = &a, .to = &b, .retained = middle.head};

    lines_read(&a, from, middle, is_large ? 0 : whole.lines_removed);
    lines_read(&b, to, middle, is_large ? 0 : whole.lines_added);
    *summary = (struct line_diff){.lines_common = around};
    if (is_large || !lines_match(&a, &b) || !write_lines(&writer, summary)) {
        patch_clear(out);
        writer.retained = middle.head;
        write_replaced(&writer, buf_view(&a.text), buf_view(&b.text));
        *summary = whole;
    }
    lines_release(&a);
    lines_release(&b);
}

static int percent_of(uint64_t lines, uint64_t all)
{
    return all ? (int)(lines * 100 / all) : 100;
}

void line_diff(const struct rope *from, const struct rope *to, struct patch *out, struct line_diff *summary)
{
    uint64_t lines_from = lines_in(from);
    uint64_t lines_to = lines_in(to);
    uint64_t longer = lines_from > lines_to ? lines_from : lines_to;

    patch_clear(out);
    if (rope_equal(from, to))
        *summary = (struct line_diff){.lines_common = lines_from};
    else
        diff_middle(from, to, middle_of(from, to), out, summary);
    summary->common_percent = percent_of(summary->lines_common, longer);
    summary->kept_percent = percent_of(summary->lines_common, lines_from);
}
