#include "app/editor_parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "app/file_kind.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

/* Paths below the home are short in both: what comes back from a prompt for one is made whole by path_of_typed(). */
void editor_ask_line(struct editor *editor, enum asking asking, const char *label, const char *suggestion)
{
    char *short_label = paths_shorten(&editor->env->paths, label), *short_one = paths_shorten(&editor->env->paths, suggestion);
    prompt_open_line(&editor->prompt, short_label, short_one);
    editor->asking = asking;
    free(short_label);
    free(short_one);
}

static void ask_find(struct editor *editor)
{
    prompt_open_again(&editor->prompt, "Find:", buf_string(&editor->needle));
    editor->asking = ASKING_FIND;
}

static void ask_choice(struct editor *editor, enum asking asking, const char *label, const char *choices)
{
    prompt_open_choice(&editor->prompt, label, choices);
    editor->asking = asking;
    editor->dirty = true; /* it may come up without a key */
}

static char *safe_label(struct editor *editor)
{
    struct buf safe = {0};
    unicode_safe_label(bytes_of_string(replica_label(editor_replica(editor))), 64, &safe);
    char *label = xstrdup(buf_string(&safe));
    buf_release(&safe);
    return label;
}

/* --- leaving --- */

/* The next file that is not in its file, or NULL: the person decides for each. */
static bool find_unsaved(struct editor *editor)
{
    struct replica_status status;
    for (size_t n = 0; n < editor->count; n++) {
        size_t i = (editor->current + n) % editor->count;
        struct replica *replica = editor->windows[i].replica;
        replica_status(replica, net_now_ms(), &status);
        bool guest = replica_entry(replica)->role == DOC_GUEST;
        if (!status.in_file && !guest && !editor->windows[i].decided) {
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
    ask_choice(editor, ASKING_QUIT, buf_string(&question), ways.choices);
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
    ask_choice(editor, ASKING_NOT_KEPT, buf_string(&question), "sl");
    buf_release(&question);
    free(label);
}

/* What was answered for one file holds for this time of leaving only. */
static void stop_leaving(struct editor *editor)
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

static void quit(struct editor *editor)
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
    editor_leave(editor, 0);
}

/* What nobody keeps goes with this process, and is still there when the person stays after all. */
static bool discard(struct replica *replica, struct error *err)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    return status.is_private || replica_discard(replica, err);
}

static void answer_quit(struct editor *editor, char choice)
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
            stop_leaving(editor);
            return;
        }
        break;
    }
    quit(editor);
}

static void ask_save_as(struct editor *editor);

static void answer_not_kept(struct editor *editor, char choice)
{
    if (choice == 'l') {
        editor_window(editor)->decided = true;
        quit(editor);
        return;
    }
    editor->quit_after_save = true;
    ask_save_as(editor);
}

void editor_save_ended(struct editor *editor)
{
    struct replica_status status;
    bool goes_on = editor->quit_after_save || editor->quit_again;
    if (!goes_on || editor->prompt.open || is_saving(editor))
        return;
    if (editor->quit_again) {
        editor->quit_again = false;
        quit(editor);
        return;
    }
    replica_status(editor_replica(editor), net_now_ms(), &status);
    editor->quit_after_save = false;
    editor_window(editor)->decided = true;
    if (status.in_file)
        quit(editor);
    else
        stop_leaving(editor);
}

/* --- saving --- */

static void say_not_saved(struct editor *editor, const struct error *err)
{
    editor_sayf(editor, err->code == ERR_BUSY ? "%s" : "Not saved: %s. The text is still here.", err->text);
    stop_leaving(editor);
}

static void save_to(struct editor *editor, const char *path)
{
    struct error err = {0};
    if (!replica_save(editor_replica(editor), path, &err))
        say_not_saved(editor, &err);
}

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* A copy's name that no file has: in the same directory it is the host's own. */
static void make_free(struct buf *name)
{
    enum { TRIES = 99 };
    const char *dot = strrchr(buf_string(name), '.');
    size_t stem = dot ? (size_t)(dot - buf_string(name)) : name->len;
    char *whole = xstrdup(buf_string(name));
    for (int i = 2; name->len && is_there(buf_string(name)) && i <= TRIES; i++) {
        buf_clear(name);
        buf_addf(name, "%.*s-%d%s", (int)stem, whole, i, whole + stem);
    }
    free(whole);
}

static void ask_save_as(struct editor *editor)
{
    struct replica *replica = editor_replica(editor);
    const char *path = replica_path(replica);
    bool shared_name = !path && replica_entry(replica)->role == DOC_GUEST;
    struct buf name = {0};
    if (shared_name) /* the name somebody else gave: a suggestion without directories, dots in front or controls */
        unicode_safe_label(bytes_of_string(replica_label(replica)), 64, &name);
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] == '/' || ((name.data[i] == '.' || name.data[i] == '-') && i == 0))
            name.data[i] = '_';
    make_free(&name);
    editor_ask_line(editor, ASKING_SAVE_AS, "Write to file:", path ? path : buf_string(&name));
    buf_release(&name);
}

static void save(struct editor *editor)
{
    if (replica_path(editor_replica(editor)))
        save_to(editor, NULL);
    else
        ask_save_as(editor);
}

static void answer_save_as(struct editor *editor, const char *path)
{
    struct stat st;
    const char *own = replica_path(editor_replica(editor));
    bool other = !own || strcmp(own, path) != 0;
    struct error err = {0};
    if (!*path) {
        stop_leaving(editor);
        return;
    }
    if (!replica_may_save(editor_replica(editor), path, &err)) {
        say_not_saved(editor, &err);
        return;
    }
    if (other && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        free(editor->save_path);
        editor->save_path = xstrdup(path);
        struct buf question = {0};
        buf_addf(&question, "%s exists. \"yes\" writes over it (a copy is kept as %s~):", path, path);
        editor_ask_line(editor, ASKING_OVERWRITE, buf_string(&question), "");
        buf_release(&question);
        return;
    }
    save_to(editor, path);
}

/* What was there is kept beside it first. */
static bool back_up(const char *path, struct error *err)
{
    struct rope *old;
    struct file_stamp stamp;
    if (!file_load(path, &old, &stamp, err))
        return false;
    char *resolved = NULL, *backup = xformat("%s~", path);
    struct file_save save = {.text = old};
    bool good = file_resolve(backup, &resolved, err);
    save.path = resolved;
    good = good && file_save(&save, &stamp, err) == FILE_SAVED;
    rope_free(old);
    free(backup);
    free(resolved);
    return good;
}

/* A whole word, for a letter is too easily meant for the name that was asked for before. */
static void answer_overwrite(struct editor *editor, const char *typed)
{
    struct error err = {0};
    if (strcasecmp(typed, "yes") != 0) {
        stop_leaving(editor);
        editor_sayf(editor, "Not saved: %s is as it was.", editor->save_path);
        return;
    }
    if (back_up(editor->save_path, &err)) {
        save_to(editor, editor->save_path);
        return;
    }
    stop_leaving(editor);
    editor_sayf(editor, "Not saved, for the old file could not be copied first: %s", err.text);
}

/* --- finding, opening --- */

static void find_again(struct editor *editor, bool back)
{
    if (editor->needle.len == 0)
        ask_find(editor);
    else
        editor_command(editor, back ? COMMAND_FIND_BACK : COMMAND_FIND, false, buf_view(&editor->needle));
}

static void answer_find(struct editor *editor, const char *typed)
{
    if (*typed) { /* nothing typed: what was searched for last */
        buf_clear(&editor->needle);
        buf_add_string(&editor->needle, typed);
    }
    if (editor->needle.len)
        find_again(editor, false);
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

static void answer_open(struct editor *editor, const char *path)
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
                                     : replica_open_known(editor->env, &recent->doc, &options, &err);
    if (!replica) {
        editor_say(editor, err.text);
        return;
    }
    editor_add(editor, replica);
    editor->current = editor->count - 1;
    if (replica_is_shared(replica) && !replica_share(replica, NULL, &err))
        editor_say(editor, err.text);
}

static void switch_file(struct editor *editor, size_t by)
{
    if (editor->count > 1)
        editor->current = (editor->current + by) % editor->count;
    else
        editor_say(editor, "Only one file is open. ^O opens another.");
}

/* --- a file that changed on disk --- */

/* True when there is a question; the answer comes through answer_disk(). */
static bool ask_disk(struct editor *editor)
{
    struct buf question = {0};
    enum disk_question kind = replica_disk_question(editor_replica(editor), &question);
    buf_add_string(&question, ". ");
    replica_disk_answers(editor_replica(editor), &question);
    switch (kind) {
    case DISK_QUESTION_NONE:
        break;
    case DISK_QUESTION_DIFFERENT:
        ask_choice(editor, ASKING_DISK, buf_string(&question), "kmo");
        break;
    case DISK_QUESTION_GONE:
        ask_choice(editor, ASKING_GONE, buf_string(&question), "rn");
        break;
    }
    buf_release(&question);
    return kind != DISK_QUESTION_NONE;
}

void editor_ask_pending(struct editor *editor)
{
    struct buf question = {0};
    struct window *window = editor_window(editor);
    if (editor->prompt.open || editor->leaving)
        return;
    switch (replica_disk_question(window->replica, &question)) {
    case DISK_QUESTION_NONE:
        window->asked_disk = false;
        break;
    case DISK_QUESTION_DIFFERENT:
        /* Not a prompt, for it would take a key that is being typed; nor are answers named, for they would be typed. */
        buf_add_string(&question, ": ^S asks what to do.");
        if (!window->asked_disk)
            editor_say_kind(editor, VIEW_MESSAGE_WARNING, buf_string(&question));
        window->asked_disk = true;
        break;
    case DISK_QUESTION_GONE: /* comes up at opening only */
        if (!window->asked_disk)
            ask_disk(editor);
        window->asked_disk = true;
        break;
    }
    buf_release(&question);
}

static void answer_disk(struct editor *editor, char choice)
{
    struct error err = {0};
    enum disk_answer answer = choice == 'k'   ? DISK_KEEP_SHARED
                              : choice == 'm' ? DISK_MERGE
                              : choice == 'o' ? DISK_OPEN_ALONE
                              : choice == 'r' ? DISK_RESTORE
                                              : DISK_NEW_EMPTY;
    bool answered = replica_disk_answer(editor_replica(editor), answer, &err);
    editor_window(editor)->asked_disk = replica_disk_question(editor_replica(editor), NULL) != DISK_QUESTION_NONE;
    if (!answered)
        editor_say(editor, err.text);
    else if (answer == DISK_KEEP_SHARED)
        save(editor);
}

/* --- answers --- */

static void answer(struct editor *editor, enum asking asking, const char *typed, char choice)
{
    switch (asking) {
    case ASKING_NOTHING: break;
    case ASKING_FIND: answer_find(editor, typed); break;
    case ASKING_GO_LINE:
        if (*typed)
            editor_command(editor, COMMAND_GO_LINE, false, bytes_of_string(typed));
        break;
    case ASKING_OPEN: answer_open(editor, typed); break;
    case ASKING_SAVE_AS: answer_save_as(editor, typed); break;
    case ASKING_OVERWRITE: answer_overwrite(editor, typed); break;
    case ASKING_QUIT: answer_quit(editor, choice); break;
    case ASKING_NOT_KEPT: answer_not_kept(editor, choice); break;
    case ASKING_DISK:
    case ASKING_GONE: answer_disk(editor, choice); break;
    case ASKING_RELAY: editor_answer_relay(editor, typed); break;
    }
}

/* No shell stands between a prompt and a file: the home directory's sign is understood here. Heap string. */
static char *path_of_typed(const char *typed)
{
    const char *home = getenv("HOME");
    bool at_home = typed[0] == '~' && (typed[1] == '/' || typed[1] == '\0');
    return at_home && home && *home ? xformat("%s%s", home, typed + 1) : xstrdup(typed);
}

static void end_prompt(struct editor *editor, enum prompt_answer ended, char choice)
{
    enum asking asking = editor->asking;
    if (ended == PROMPT_GOES_ON)
        return;
    prompt_close(&editor->prompt);
    editor->asking = ASKING_NOTHING;
    if (ended == PROMPT_CANCELLED) {
        stop_leaving(editor);
        if (asking == ASKING_GONE)
            replica_disk_leave(editor_replica(editor));
        return;
    }
    bool is_path = asking == ASKING_OPEN || asking == ASKING_SAVE_AS;
    const char *line = buf_string(&editor->prompt.typed);
    char *typed = is_path ? path_of_typed(line) : xstrdup(line);
    answer(editor, asking, typed, choice);
    free(typed);
}

void editor_prompt_pause(struct editor *editor)
{
    char choice = 0;
    enum prompt_answer ended = prompt_pause(&editor->prompt, net_now_ms(), &choice);
    end_prompt(editor, ended, choice);
    editor->dirty |= ended != PROMPT_GOES_ON;
}

void editor_prompt_paste(struct editor *editor, struct bytes text)
{
    if (!prompt_paste(&editor->prompt, text))
        editor_sayf(editor, "Nothing was pasted: this line takes %d bytes, and the paste has %zu.", PROMPT_BYTES_MAX, text.len);
}

void editor_prompt_key(struct editor *editor, struct key key)
{
    char choice = 0;
    bool pastes = (key.code == 'v' && key.mods == KEY_CTRL) || (key.code == KEY_INSERT && key.mods == KEY_SHIFT);
    if (pastes) {
        editor_prompt_paste(editor, buf_view(&editor->clip));
        return;
    }
    enum prompt_answer ended = prompt_key(&editor->prompt, key, net_now_ms(), &choice);
    end_prompt(editor, ended, choice);
}

/* --- requests --- */

static void undo(struct editor *editor, enum undo_direction direction)
{
    struct error err = {0};
    switch (replica_undo(editor_replica(editor), direction, &err)) {
    case REPLICA_UNDONE:
        editor_window(editor)->scrolled = false;
        break;
    case REPLICA_NOTHING_TO_UNDO:
        editor_say(editor, direction == UNDO_BACK ? "No changes of yours left to undo." : "Nothing to redo.");
        break;
    case REPLICA_UNDO_REFUSED:
        editor_say_refused(editor, &err);
        break;
    }
}

static void paste_clip(struct editor *editor)
{
    if (editor->clip.len)
        editor_paste(editor, buf_view(&editor->clip));
    else
        editor_say(editor, "Nothing was cut or copied yet.");
}

static void show_panel(struct editor *editor, enum panel_kind kind)
{
    editor->panel_scroll = kind == PANEL_MESSAGES ? SIZE_MAX : 0; /* the newest is at the end */
    editor->link_copied = editor->view_copied = false;
    editor->panel_kind = kind;
}

static void toggle_panel(struct editor *editor, enum panel_kind kind)
{
    show_panel(editor, editor->panel_kind == kind ? PANEL_NONE : kind);
}

static void escape(struct editor *editor)
{
    struct replica *replica = editor_replica(editor);
    struct selection selection = replica_buffer(replica)->selection;
    editor->following = false;
    if (!selection_is_empty(selection))
        replica_select(replica, selection_at(selection.head));
}

void editor_request(struct editor *editor, enum request request)
{
    switch (request) {
    case REQUEST_NONE: break;
    case REQUEST_SAVE:
        if (!ask_disk(editor))
            save(editor);
        break;
    case REQUEST_SAVE_AS: ask_save_as(editor); break;
    case REQUEST_QUIT: quit(editor); break;
    case REQUEST_QUIT_FAILURE: editor_leave(editor, 1); break;
    case REQUEST_UNDO: undo(editor, UNDO_BACK); break;
    case REQUEST_REDO: undo(editor, UNDO_AGAIN); break;
    case REQUEST_PASTE: paste_clip(editor); break;
    case REQUEST_OPEN: editor_ask_line(editor, ASKING_OPEN, "Open file:", ""); break;
    case REQUEST_FIND: ask_find(editor); break;
    case REQUEST_FIND_NEXT: find_again(editor, false); break;
    case REQUEST_FIND_PREVIOUS: find_again(editor, true); break;
    case REQUEST_GO_LINE: editor_ask_line(editor, ASKING_GO_LINE, "Go to line:", ""); break;
    case REQUEST_HELP: toggle_panel(editor, PANEL_HELP); break;
    case REQUEST_PEOPLE: toggle_panel(editor, PANEL_PEOPLE); break;
    case REQUEST_LINKS:
    case REQUEST_SHARE: editor_show_links(editor); break;
    case REQUEST_MESSAGES: toggle_panel(editor, PANEL_MESSAGES); break;
    case REQUEST_FOLLOW: editor_follow(editor); break;
    case REQUEST_ALONE: editor_toggle_alone(editor); break;
    case REQUEST_SUSPEND: editor_suspend(editor); break;
    case REQUEST_NEXT_FILE: switch_file(editor, 1); break;
    case REQUEST_PREVIOUS_FILE: switch_file(editor, editor->count - 1); break;
    case REQUEST_LINE_NUMBERS: editor->line_numbers = !editor->line_numbers; break;
    case REQUEST_REDRAW: term_redraw(editor->term); break;
    case REQUEST_ESCAPE: escape(editor); break;
    }
}
