/*
 * Saving, under another name too, and over a file that is there.
 */
#include "app/editor_parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

static void say_not_saved(struct editor *editor, const struct error *err)
{
    editor_sayf(editor, err->code == ERR_BUSY ? "%s" : "Not saved: %s. The text is still here.", err->text);
    editor_stop_leaving(editor);
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

void editor_ask_save_as(struct editor *editor)
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

void editor_save(struct editor *editor)
{
    if (replica_path(editor_replica(editor)))
        save_to(editor, NULL);
    else
        editor_ask_save_as(editor);
}

void editor_answer_save_as(struct editor *editor, const char *path)
{
    struct stat st;
    const char *own = replica_path(editor_replica(editor));
    bool other = !own || strcmp(own, path) != 0;
    struct error err = {0};
    if (!*path) {
        editor_stop_leaving(editor);
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
void editor_answer_overwrite(struct editor *editor, const char *typed)
{
    struct error err = {0};
    if (strcasecmp(typed, "yes") != 0) {
        editor_stop_leaving(editor);
        editor_sayf(editor, "Not saved: %s is as it was.", editor->save_path);
        return;
    }
    if (back_up(editor->save_path, &err)) {
        save_to(editor, editor->save_path);
        return;
    }
    editor_stop_leaving(editor);
    editor_sayf(editor, "Not saved, for the old file could not be copied first: %s", err.text);
}
