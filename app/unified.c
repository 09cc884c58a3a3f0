#include "app/unified.h"

#include <stdlib.h>
#include <unistd.h>

#include "app/target.h"
#include "editor/base/least.h"
#include "editor/base/unicode.h"

enum { CONTEXT_LINES = 3, NAME_CELLS_MAX = 1024 };

bool unified_shows_colours(void)
{
    const char *no_colour = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
}

static void add_colour(const struct unified *unified, const char *code, struct buf *out)
{
    if (unified->colours)
        buf_addf(out, "\033[%sm", code);
}

static void add_line(const struct unified *unified, int side, uint64_t line, char sign, struct buf *out)
{
    const struct rope *text = unified->text[side];
    uint64_t at = line_start(text, line), end = line_end(text, line);
    if (unified->add_who)
        unified->add_who(unified->self, side, at, end, sign != ' ', out);
    bool ends = rope_byte(text, end - 1) == '\n';
    if (sign != ' ')
        add_colour(unified, sign == '-' ? "31" : "32", out);
    buf_add_byte(out, (unsigned char)sign);
    rope_append_to(text, at, end - at - ends, out);
    if (sign != ' ')
        add_colour(unified, "0", out);
    buf_add_string(out, ends ? "\n" : "\n\\ No newline at end of file\n");
}

/* "12,3"; a range without lines is named by the line before it. */
static void add_range(uint64_t first, uint64_t end, struct buf *out)
{
    buf_addf(out, "%llu", (unsigned long long)(end > first ? first + 1 : first));
    if (end - first != 1)
        buf_addf(out, ",%llu", (unsigned long long)(end - first));
}

/* The changes from `first` on that stand so near that their contexts meet. */
static size_t end_of_hunk(const struct line_changes *changes, size_t first)
{
    size_t end = first + 1;
    while (end < changes->count && changes->items[end].from - changes->items[end - 1].from_end <= 2 * (uint64_t)CONTEXT_LINES)
        end++;
    return end;
}

static bool print_hunk(const struct unified *unified, const struct line_change *changes, size_t first, size_t end,
                       struct error *err)
{
    uint64_t before = least(changes[first].from, CONTEXT_LINES);
    uint64_t behind = least(line_count(unified->text[0]) - changes[end - 1].from_end, CONTEXT_LINES);
    uint64_t at = changes[first].from - before;
    struct buf out = {0};
    add_colour(unified, "36", &out);
    buf_add_string(&out, "@@ -");
    add_range(at, changes[end - 1].from_end + behind, &out);
    buf_add_string(&out, " +");
    add_range(changes[first].to - before, changes[end - 1].to_end + behind, &out);
    buf_add_string(&out, " @@");
    add_colour(unified, "0", &out);
    buf_add_byte(&out, '\n');
    for (size_t i = first; i < end; i++) {
        for (; at < changes[i].from; at++)
            add_line(unified, 0, at, ' ', &out);
        for (; at < changes[i].from_end; at++)
            add_line(unified, 0, at, '-', &out);
        for (uint64_t line = changes[i].to; line < changes[i].to_end; line++)
            add_line(unified, 1, line, '+', &out);
    }
    for (uint64_t stop = at + behind; at < stop; at++)
        add_line(unified, 0, at, ' ', &out);
    bool good = target_print(buf_view(&out), err);
    buf_release(&out);
    return good;
}

static void add_heading(const struct unified *unified, const char *sign, const char *label, const char *word, struct buf *out)
{
    add_colour(unified, "1", out);
    buf_addf(out, "%s ", sign);
    unicode_safe_label(bytes_of_string(label), NAME_CELLS_MAX, out);
    buf_addf(out, "\t%s", word);
    add_colour(unified, "0", out);
    buf_add_byte(out, '\n');
}

bool unified_print_heading(const struct unified *unified, const struct line_changes *changes, const char *label,
                           const char *const words[2], struct error *err)
{
    struct buf heading = {0};
    if (changes->count == 0)
        return true;
    add_heading(unified, "---", label, words[0], &heading);
    add_heading(unified, "+++", label, words[1], &heading);
    bool good = target_print(buf_view(&heading), err);
    buf_release(&heading);
    return good;
}

bool unified_print(const struct unified *unified, const struct line_changes *changes, struct error *err)
{
    bool good = true;
    for (size_t first = 0, end; first < changes->count && good; first = end) {
        end = end_of_hunk(changes, first);
        good = print_hunk(unified, changes->items, first, end, err);
    }
    return good;
}
