/*
 * Finding in a file, opening others, going from one to the next.
 */
#include "app/editor_parts.h"

#include <stdlib.h>
#include <string.h>

#include "app/file_kind.h"

void editor_ask_find(struct editor *editor)
{
    prompt_open_again(&editor->prompt, "Find:", buf_string(&editor->needle));
    editor->asking = ASKING_FIND;
}

void editor_find_again(struct editor *editor, bool back)
{
    if (editor->needle.len == 0)
        editor_ask_find(editor);
    else
        editor_command(editor, back ? COMMAND_FIND_BACK : COMMAND_FIND, false, buf_view(&editor->needle));
}

void editor_answer_find(struct editor *editor, const char *typed)
{
    if (*typed) { /* nothing typed: what was searched for last */
        buf_clear(&editor->needle);
        buf_add_string(&editor->needle, typed);
    }
    if (editor->needle.len)
        editor_find_again(editor, false);
}

/* A file that is open already is looked at where it is: twice, it would be somebody else's in one's own eyes. */
static bool show_open_file(struct editor *editor, const char *path)
{
    struct error err = {0}; /* a path that leads nowhere is reported by opening it */
    char *resolved = NULL;
    bool shown = false;
    if (!file_resolve(path, &resolved, &err))
        return false;
    for (size_t i = 0; i < editor->count && !shown; i++) {
        const char *open = replica_path(editor->windows[i].replica);
        shown = open && strcmp(open, resolved) == 0;
        if (shown)
            editor->current = i;
    }
    free(resolved);
    return shown;
}

void editor_answer_open(struct editor *editor, const char *path)
{
    struct error err = {0};
    struct replica_options options = {.port = editor_port(editor)};
    if (!*path || show_open_file(editor, path))
        return;
    if (editor->count == FILES_MAX) {
        editor_sayf(editor, "%d files are open: that is as many as there can be.", FILES_MAX);
        return;
    }
    const struct recent *recent = editor_recent(editor, path);
    const char *chosen = recent ? recent->path : path; /* NULL: what has no file */
    options.short_lived = chosen && file_kind_is_short_lived(chosen);
    options.is_private = chosen && file_kind_is_secret(chosen);
    struct replica *replica = chosen ? replica_open(editor->env, chosen, (struct bytes){0}, &options, &err)
                                     : replica_open_known(editor->env, &recent->doc, NULL, &options, &err);
    if (!replica) {
        editor_say(editor, err.text);
        return;
    }
    editor_add(editor, replica);
    editor->current = editor->count - 1;
    if (replica_is_shared(replica) && !replica_share(replica, NULL, &err))
        editor_say(editor, err.text);
}

void editor_switch_file(struct editor *editor, size_t by)
{
    if (editor->count > 1)
        editor->current = (editor->current + by) % editor->count;
    else
        editor_say(editor, "Only one file is open. ^O opens another.");
}
