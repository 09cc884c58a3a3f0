/*
 * weft diff: what changed between two versions, by lines as `diff -u` writes it, or edit by edit as JSON. It leaves no trace.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/json.h"
#include "app/line_changes.h"
#include "app/past_columns.h"
#include "app/target.h"
#include "app/verb_list.h"
#include "app/verbs.h"
#include "editor/base/bisect.h"
#include "editor/base/unicode.h"

/* As diff has it: 1 is no failure. */
enum { EXIT_SAME = 0, EXIT_DIFFERENT = 1, EXIT_TROUBLE = 2, CONTEXT_LINES = 3, NAME_CELLS_MAX = 1024 };

struct diff {
    struct replica *replica;
    struct version version[2];     /* from, to */
    struct rope *text[2];
    struct patch patch;
    struct change_list changes;
    struct line_changes lines;
    bool who, colours;
};

static void release(struct diff *diff)
{
    for (int side = 0; side < 2; side++) {
        version_release(&diff->version[side]);
        if (diff->text[side])
            rope_free(diff->text[side]);
    }
    patch_release(&diff->patch);
    change_list_release(&diff->changes);
    line_changes_release(&diff->lines);
}

static bool find(struct diff *diff, const char *from, const char *to, struct error *err)
{
    if (!replica_find_version(diff->replica, from, &diff->version[0], err) ||
        !replica_find_version(diff->replica, to, &diff->version[1], err))
        return false;
    diff->text[0] = replica_text_at(diff->replica, &diff->version[0]);
    diff->text[1] = rope_snapshot(diff->text[0]);
    replica_changes(diff->replica, &diff->version[0], &diff->version[1], &diff->patch, &diff->changes);
    rope_apply(diff->text[1], &diff->patch);
    return true;
}

/* --- whose a changed line is --- */

/* Where a change is in the text of a side; *len 0: it is what the other side has there. */
static uint64_t place_of(const struct change *change, int side, uint64_t *len)
{
    *len = change->inserted == (side == 1) ? change->len : 0;
    return side == 1 ? change->to_at : change->from_at;
}

static bool ends_before(const struct change *change, int side, uint64_t at)
{
    uint64_t len, place = place_of(change, side, &len);
    return place + len < at;
}

/* The newest change of bytes [at, end) of a side; where that has none of its own, of what the other side has there. */
static const struct change *newest_change(const struct diff *diff, int side, uint64_t at, uint64_t end)
{
    const struct change *newest = NULL;
    bool newest_own = false;
    size_t i;
    BISECT(i, diff->changes.count, ends_before(&diff->changes.items[i], side, at));
    for (; i < diff->changes.count; i++) {
        const struct change *change = &diff->changes.items[i];
        uint64_t len, place = place_of(change, side, &len);
        if (place > end)
            break;
        bool own = len > 0 && place < end && place + len > at;
        if (len > 0 && !own)
            continue;
        if (!newest || (own && !newest_own) || (own == newest_own && change->time_s >= newest->time_s)) {
            newest = change;
            newest_own = own;
        }
    }
    return newest;
}

/* --- by lines --- */

static void add_colour(const struct diff *diff, const char *code, struct buf *out)
{
    if (diff->colours)
        buf_addf(out, "\033[%sm", code);
}

static void add_line(const struct diff *diff, int side, uint64_t line, char sign, struct buf *out)
{
    const struct rope *text = diff->text[side];
    uint64_t at = line_start(text, line), end = line_end(text, line);
    const struct change *change = sign == ' ' ? NULL : newest_change(diff, side, at, end);
    if (diff->who && change)
        past_add_who(diff->replica, &change->author, change->label, change->time_s, out);
    else if (diff->who)
        past_add_nobody(out);
    bool ends = rope_byte(text, end - 1) == '\n';
    if (sign != ' ')
        add_colour(diff, sign == '-' ? "31" : "32", out);
    buf_add_byte(out, (unsigned char)sign);
    rope_append_to(text, at, end - at - ends, out);
    if (sign != ' ')
        add_colour(diff, "0", out);
    buf_add_string(out, ends ? "\n" : "\n\\ No newline at end of file\n");
}

/* "12,3"; a range without lines is named by the line before it. */
static void add_range(uint64_t first, uint64_t end, struct buf *out)
{
    buf_addf(out, "%llu", (unsigned long long)(end > first ? first + 1 : first));
    if (end - first != 1)
        buf_addf(out, ",%llu", (unsigned long long)(end - first));
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The changes from `first` on that stand so near that their contexts meet. */
static size_t end_of_hunk(const struct diff *diff, size_t first)
{
    size_t end = first + 1;
    while (end < diff->lines.count && diff->lines.items[end].from - diff->lines.items[end - 1].from_end <= 2 * (uint64_t)CONTEXT_LINES)
        end++;
    return end;
}

static bool print_hunk(const struct diff *diff, size_t first, size_t end, struct error *err)
{
    const struct line_change *changes = diff->lines.items;
    uint64_t before = least(changes[first].from, CONTEXT_LINES);
    uint64_t behind = least(line_count(diff->text[0]) - changes[end - 1].from_end, CONTEXT_LINES);
    uint64_t at = changes[first].from - before;
    struct buf out = {0};
    add_colour(diff, "36", &out);
    buf_add_string(&out, "@@ -");
    add_range(at, changes[end - 1].from_end + behind, &out);
    buf_add_string(&out, " +");
    add_range(changes[first].to - before, changes[end - 1].to_end + behind, &out);
    buf_add_string(&out, " @@");
    add_colour(diff, "0", &out);
    buf_add_byte(&out, '\n');
    for (size_t i = first; i < end; i++) {
        for (; at < changes[i].from; at++)
            add_line(diff, 0, at, ' ', &out);
        for (; at < changes[i].from_end; at++)
            add_line(diff, 0, at, '-', &out);
        for (uint64_t line = changes[i].to; line < changes[i].to_end; line++)
            add_line(diff, 1, line, '+', &out);
    }
    for (uint64_t stop = at + behind; at < stop; at++)
        add_line(diff, 0, at, ' ', &out);
    bool good = target_print(buf_view(&out), err);
    buf_release(&out);
    return good;
}

/* "--- notes.md	198edb96:200": as it was asked for. */
static void add_heading(const struct diff *diff, const char *sign, const char *word, struct buf *out)
{
    add_colour(diff, "1", out);
    buf_addf(out, "%s ", sign);
    unicode_safe_label(bytes_of_string(replica_label(diff->replica)), NAME_CELLS_MAX, out);
    buf_addf(out, "\t%s", word);
    add_colour(diff, "0", out);
    buf_add_byte(out, '\n');
}

static bool print_lines(const struct diff *diff, const char *from, const char *to, struct error *err)
{
    struct buf heading = {0};
    bool good = true;
    if (diff->lines.count > 0) {
        add_heading(diff, "---", from, &heading);
        add_heading(diff, "+++", to, &heading);
        good = target_print(buf_view(&heading), err);
    }
    for (size_t first = 0, end; first < diff->lines.count && good; first = end) {
        end = end_of_hunk(diff, first);
        good = print_hunk(diff, first, end, err);
    }
    buf_release(&heading);
    return good;
}

/* --- edit by edit --- */

static bool print_change(const struct diff *diff, const struct change *change, struct error *err)
{
    struct buf line = {0}, text = {0};
    uint64_t at = change->inserted ? change->to_at : change->from_at;
    rope_append_to(diff->text[change->inserted], at, change->len, &text);
    buf_addf(&line, "{\"from\": %llu, \"to\": %llu, \"%s\": ", (unsigned long long)change->from_at, (unsigned long long)change->to_at,
             change->inserted ? "insert" : "delete");
    json_add_text(buf_view(&text), &line);
    buf_addf(&line, ", \"bytes\": %llu, \"by\": \"%s\", ", (unsigned long long)change->len, change->wrote ? "writing" : "deleting");
    past_add_json_who(diff->replica, &change->author, change->label, change->time_s, &line);
    buf_add_string(&line, "}\n");
    bool good = target_print(buf_view(&line), err);
    buf_release(&line);
    buf_release(&text);
    return good;
}

static bool print_changes(const struct diff *diff, struct error *err)
{
    bool good = true;
    for (size_t i = 0; i < diff->changes.count && good; i++)
        good = print_change(diff, &diff->changes.items[i], err);
    return good;
}

static bool shows_colours(void)
{
    const char *no_colour = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
}

int verb_diff_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    struct diff diff = {.who = args_flag(args, "--who"), .colours = shows_colours()};
    const char *from = args_value(args, "--from") ? args_value(args, "--from") : "base";
    const char *to = args_value(args, "--to") ? args_value(args, "--to") : "now";
    diff.replica = target_open_only(env, "diff", args, &err);
    bool good = diff.replica && find(&diff, from, to, &err);
    bool same = good && rope_equal(diff.text[0], diff.text[1]);
    if (good && args_flag(args, "--json")) {
        good = print_changes(&diff, &err);
    } else if (good) {
        line_changes_find(diff.text[0], diff.text[1], &diff.patch, &diff.lines);
        good = print_lines(&diff, from, to, &err);
    }
    release(&diff);
    int status = target_finish(diff.replica, "diff", good, &err);
    return status != EXIT_OK ? EXIT_TROUBLE : same ? EXIT_SAME : EXIT_DIFFERENT;
}
