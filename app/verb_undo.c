/*
 * weft undo: takes back all that somebody wrote, or wrote since a version. Undo in the editor is each person's own; this is for
 * who looks after a document.
 */
#include <stdio.h>
#include <stdlib.h>

#include "app/replica_past.h"
#include "app/replica_version.h"
#include "app/target.h"
#include "app/unified.h"
#include "app/verb_list.h"
#include "app/verbs.h"

static bool find_edits(const struct replica *replica, const struct args *args, struct event_span_list *edits, struct error *err)
{
    const char *by = args_value(args, "--by"), *since = args_value(args, "--since");
    struct version version = {0};
    bool good = replica_find_version(replica, since ? since : "base", &version, err) &&
                replica_written_by(replica, by, &version, edits, err);
    version_release(&version);
    return good;
}

/* What the text would be: nothing is written. */
static bool print_preview(const struct replica *replica, const struct event_span_list *edits, struct error *err)
{
    struct patch patch = {0};
    struct line_changes lines = {0};
    struct rope *text = rope_snapshot(replica_buffer(replica)->text);
    static const char *const words[2] = {"now", "without"};
    replica_preview_undo(replica, edits, &patch);
    rope_apply(text, &patch);
    struct unified unified = {.text = {replica_buffer(replica)->text, text}, .colours = unified_shows_colours()};
    line_changes_find(unified.text[0], text, &patch, &lines);
    bool good = unified_print_heading(&unified, &lines, replica_label(replica), words, err) &&
                unified_print(&unified, &lines, err);
    line_changes_release(&lines);
    patch_release(&patch);
    rope_free(text);
    return good;
}

static int preview(struct env *env, const struct args *args)
{
    struct error err = {0};
    struct event_span_list edits = {0};
    struct replica *replica = target_open_only(env, "undo", args, &err);
    bool good = replica && find_edits(replica, args, &edits, &err) && print_preview(replica, &edits, &err);
    event_span_list_release(&edits);
    return target_finish(replica, "undo", good, &err);
}

static bool take_back(struct replica *replica, const struct args *args, struct error *err)
{
    struct event_span_list edits = {0};
    bool good = find_edits(replica, args, &edits, err) && replica_undo_events(replica, &edits, err);
    event_span_list_release(&edits);
    return good;
}

int verb_undo_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    if (args->positional_count != 1 || !args_value(args, "--by")) {
        fputs("weft undo: name one, and whose edits: weft undo LINK|FILE --by NAME\n", stderr);
        return EXIT_USAGE;
    }
    if (args_flag(args, "--dry-run"))
        return preview(env, args);
    struct target target = {.verb = "undo", .word = args->positional[0], .insecure = args_flag(args, "--insecure"),
                            .name = args_value(args, "--name"), .no_save = args_flag(args, "--no-save")};
    struct replica *replica = target_open_to_write(env, &target, &err);
    bool good = replica && take_back(replica, args, &err) && target_settle_written(replica, &target, &err);
    return target_finish(replica, "undo", good, &err);
}
