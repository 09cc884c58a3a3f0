/*
 * weft diff: what changed between two versions, by lines as `diff -u` writes it, or edit by edit as JSON. It leaves no trace.
 */
#include <stdlib.h>

#include "app/json.h"
#include "app/past_columns.h"
#include "app/replica_version.h"
#include "app/target.h"
#include "app/unified.h"
#include "app/verb_list.h"
#include "app/verbs.h"
#include "editor/base/bisect.h"

/* As diff has it: 1 is no failure. */
enum { EXIT_SAME = 0, EXIT_DIFFERENT = 1, EXIT_TROUBLE = 2 };

struct diff {
    struct replica *replica;
    struct version version[2];     /* from, to */
    struct rope *text[2];
    struct patch patch;
    struct change_list changes;
    bool who;
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
}

static bool find(struct diff *diff, const char *from, const char *to, struct error *err)
{
    if (!replica_find_version(diff->replica, from, &diff->version[0], err) ||
        !replica_find_version(diff->replica, to, &diff->version[1], err) || !replica_read_past(diff->replica, err))
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

static void add_who(const void *self, int side, uint64_t at, uint64_t end, bool changed, struct buf *out)
{
    const struct diff *diff = self;
    const struct change *change = changed ? newest_change(diff, side, at, end) : NULL;
    if (change)
        past_add_who(diff->replica, &change->author, change->label, change->time_s, out);
    else
        past_add_nobody(out);
}

static bool print_lines(const struct diff *diff, const char *from, const char *to, struct error *err)
{
    struct line_changes lines = {0};
    struct unified unified = {.text = {diff->text[0], diff->text[1]}, .colours = unified_shows_colours(),
                              .add_who = diff->who ? add_who : NULL, .self = diff};
    line_changes_find(diff->text[0], diff->text[1], &diff->patch, &lines);
    const char *const words[2] = {from, to}; /* as it was asked for */
    bool good = unified_print_heading(&unified, &lines, replica_label(diff->replica), words, err) &&
                unified_print(&unified, &lines, err);
    line_changes_release(&lines);
    return good;
}

/* --- edit by edit --- */

static bool print_change(const struct diff *diff, const struct change *change, struct error *err)
{
    struct buf line = {0}, text = {0};
    uint64_t at = change->inserted ? change->to_at : change->from_at;
    rope_append_to(diff->text[change->inserted], at, change->len, &text);
    buf_addf(&line, "{\"from\": %llu, \"to\": %llu, \"%s\": ", (unsigned long long)change->from_at,
             (unsigned long long)change->to_at, change->inserted ? "insert" : "delete");
    json_add_text(buf_view(&text), &line);
    buf_addf(&line, ", \"bytes\": %llu, \"by\": \"%s\", ", (unsigned long long)change->len,
             change->wrote ? "writing" : "deleting");
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

int verb_diff_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    struct diff diff = {.who = args_flag(args, "--who")};
    const char *from = args_value(args, "--from") ? args_value(args, "--from") : "base";
    const char *to = args_value(args, "--to") ? args_value(args, "--to") : "now";
    diff.replica = target_open_only(env, "diff", args, &err);
    bool good = diff.replica && find(&diff, from, to, &err);
    bool same = good && rope_equal(diff.text[0], diff.text[1]);
    if (good)
        good = args_flag(args, "--json") ? print_changes(&diff, &err) : print_lines(&diff, from, to, &err);
    release(&diff);
    int status = target_finish(diff.replica, "diff", good, &err);
    return status != EXIT_OK ? EXIT_TROUBLE : same ? EXIT_SAME : EXIT_DIFFERENT;
}
