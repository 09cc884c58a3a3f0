/*
 * Leaving: what is in no file, or kept nowhere, is asked about first, file by file.
 */
#include "app/editor_parts.h"

#include <stdlib.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

static char *safe_label(struct editor *editor)
{
    struct buf safe = {0};
    unicode_safe_label(bytes_of_string(replica_label(editor_replica(editor))), 64, &safe);
    char *label = xstrdup(buf_string(&safe));
    buf_release(&safe);
    return label;
}

/* Whether leaving needs a word about a text that is not in its file. Where another window has it, it stays there. */
static bool is_to_be_decided(const struct editor *editor, struct replica *replica)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    bool goes = status.is_private || status.short_lived;
    bool asked = editor->quit_status == 0 || goes; /* who leaves with a failure takes no thought for what is kept */
    return !status.in_file && replica_entry(replica)->role != DOC_GUEST && asked && !replica_is_open_elsewhere(replica);
}

/* The next file that is to be decided about becomes the current one; false: there is none. */
static bool find_unsaved(struct editor *editor)
{
    for (size_t n = 0; n < editor->count; n++) {
        size_t i = (editor->current + n) % editor->count;
        if (!editor->windows[i].decided && is_to_be_decided(editor, editor->windows[i].replica)) {
            editor->current = i;
            return true;
        }
    }
    return false;
}

/* What may become of a text that is not in its file. */
struct ways_out {
    const char *words, *choices;
};

static struct ways_out ways_out(const struct replica_status *status)
{
    if (status->is_private)
        return (struct ways_out){"; PRIVATE: nothing is kept. [S]ave [D]iscard Esc", "sd"};
    if (status->shared)
        return (struct ways_out){". [S]ave [K]eep for later Esc", "sk"};
    if (status->short_lived)
        return (struct ways_out){". [S]ave [D]iscard Esc", "sd"};
    return (struct ways_out){". [S]ave [K]eep for later [D]iscard Esc", "skd"};
}

static void ask_quit(struct editor *editor)
{
    struct replica_status status;
    struct buf question = {0};
    char *label = safe_label(editor);
    replica_status(editor_replica(editor), net_now_ms(), &status);
    uint64_t edits = replica_edits_not_in_file(editor_replica(editor));
    if (replica_disk_question(editor_replica(editor), NULL) == DISK_QUESTION_DIFFERENT)
        buf_addf(&question, "%s on disk is different from the %s", label, status.shared ? "shared text" : "text that is kept");
    else if (edits)
        buf_addf(&question, "%s has %llu edit%s not in the file", label, (unsigned long long)edits, edits == 1 ? "" : "s");
    else
        buf_addf(&question, "%s is not in %s file", label, replica_path(editor_replica(editor)) ? "the" : "any");
    struct ways_out ways = ways_out(&status);
    buf_add_string(&question, ways.words);
    editor_ask_choice(editor, ASKING_QUIT, buf_string(&question), ways.choices);
    buf_release(&question);
    free(label);
}

static void say_goodbye(struct editor *editor)
{
    for (size_t i = 0; i < editor->count; i++) {
        struct replica *replica = editor->windows[i].replica;
        if (replica_entry(replica)->role == DOC_GUEST && !replica_path(replica))
            buf_add_string(&editor->farewell, "The text is kept; weft join lists it.\n");
    }
}

/*
 * What the journal does not take is lost with this process: where that is more than the undo of a saved text, it is not left
 * behind unasked, and "keep for later" would be a lie.
 */
static bool is_not_kept(struct replica *replica, struct replica_status *status)
{
    replica_status(replica, net_now_ms(), status);
    return status->edits_in_memory > 0 && (!status->in_file || status->shared);
}

static bool find_not_kept(struct editor *editor)
{
    struct replica_status status;
    for (size_t i = 0; i < editor->count; i++) {
        if (!editor->windows[i].decided && is_not_kept(editor->windows[i].replica, &status)) {
            editor->current = i;
            return true;
        }
    }
    return false;
}

static void ask_not_kept(struct editor *editor)
{
    struct replica_status status;
    struct buf question = {0};
    char *label = safe_label(editor);
    replica_status(editor_replica(editor), net_now_ms(), &status);
    unsigned long long edits = status.edits_in_memory;
    buf_addf(&question, "%s: %llu edit%s of %s cannot be kept and would be lost. [S]ave elsewhere [L]eave without %s Esc",
             status.disk_full ? "DISK FULL" : "NOT KEPT", edits, edits == 1 ? "" : "s", label, edits == 1 ? "it" : "them");
    editor_ask_choice(editor, ASKING_NOT_KEPT, buf_string(&question), "sl");
    buf_release(&question);
    free(label);
}

void editor_stop_leaving(struct editor *editor)
{
    editor->quit_after_save = false;
    for (size_t i = 0; i < editor->count; i++)
        editor->windows[i].decided = false;
}

static bool is_saving(const struct editor *editor)
{
    struct replica_status status = {0};
    for (size_t i = 0; i < editor->count && !status.saving; i++)
        replica_status(editor->windows[i].replica, net_now_ms(), &status);
    return status.saving;
}

static void go_on_leaving(struct editor *editor)
{
    if (find_not_kept(editor)) {
        ask_not_kept(editor);
        return;
    }
    if (find_unsaved(editor)) {
        editor->quit_again = is_saving(editor); /* ^S ^Q: in a moment there may be nothing to ask */
        if (!editor->quit_again)
            ask_quit(editor);
        return;
    }
    say_goodbye(editor);
    editor_leave(editor, editor->quit_status);
}

void editor_quit(struct editor *editor, int exit_status)
{
    editor->quit_status = exit_status;
    go_on_leaving(editor);
}

/* What nobody keeps goes with this process, and is still there when the person stays after all. */
static bool discard(struct replica *replica, struct error *err)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    return status.is_private || replica_discard(replica, err);
}

void editor_answer_quit(struct editor *editor, char choice)
{
    struct error err = {0};
    struct window *window = editor_window(editor);
    switch (choice) {
    case 's':
        editor->quit_after_save = true;
        editor_request(editor, REQUEST_SAVE);
        return;
    case 'k':
        window->decided = true;
        break;
    case 'd':
        window->decided = discard(window->replica, &err);
        if (!window->decided) {
            editor_say(editor, err.text);
            editor_stop_leaving(editor);
            return;
        }
        break;
    }
    go_on_leaving(editor);
}

void editor_answer_not_kept(struct editor *editor, char choice)
{
    if (choice == 'l') {
        editor_window(editor)->decided = true;
        go_on_leaving(editor);
        return;
    }
    editor->quit_after_save = true;
    editor_ask_save_as(editor);
}

void editor_save_ended(struct editor *editor)
{
    struct replica_status status;
    bool goes_on = editor->quit_after_save || editor->quit_again;
    if (!goes_on || editor->prompt.open || is_saving(editor))
        return;
    if (editor->quit_again) {
        editor->quit_again = false;
        go_on_leaving(editor);
        return;
    }
    replica_status(editor_replica(editor), net_now_ms(), &status);
    editor->quit_after_save = false;
    editor_window(editor)->decided = true;
    if (status.in_file)
        go_on_leaving(editor);
    else
        editor_stop_leaving(editor);
}
