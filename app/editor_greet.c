#include "app/editor_parts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/moment.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"
#include "sync/doc_index.h"

/* --- to a guest --- */

enum {
    GREET_WAIT_MS = 1000, /* for the others to be heard */
    GREET_SOON_MS = 400,  /* the first of them is rarely the only one */
    GREET_MORE_MS = 4000, /* where the relay counts others of whom nothing is heard yet, or not their names */
    GREET_GAP_MS = 2000,  /* what was said just now can be read first */
    NAME_CELLS = 24,
};

/* The end of a sentence. */
static void add_nobody(const struct replica *replica, struct buf *out)
{
    struct buf last = {0};
    replica_last_here(replica, &last);
    buf_addf(out, " Nobody else is here now%s%s. What you type waits for them.", last.len ? "; " : "", buf_string(&last));
    buf_release(&last);
}

static void add_others(const struct replica *replica, struct buf *out)
{
    if (replica_people(replica)->count > 0)
        people_add_here(replica_people(replica), buffer_text(replica_buffer(replica)), out);
    else
        add_nobody(replica, out);
}

/* Until when another message has the line for itself. */
static uint64_t other_until_ms(const struct editor *editor)
{
    return editor->message_ms ? editor->message_ms + GREET_GAP_MS : 0;
}

uint64_t editor_greet_next_ms(const struct editor *editor, uint64_t now_ms)
{
    uint64_t soon_ms = editor->greet_ms - GREET_WAIT_MS + GREET_SOON_MS;
    if (!editor->greets || !editor->greet_ms)
        return UINT64_MAX; /* said, or waiting for the link */
    if (other_until_ms(editor) > now_ms)
        return other_until_ms(editor);
    if (editor->greet_ms <= now_ms)
        return editor->greet_ms + GREET_MORE_MS > now_ms ? editor->greet_ms + GREET_MORE_MS : UINT64_MAX;
    return soon_ms > now_ms ? soon_ms : editor->greet_ms;
}

/* Whoever has a cursor in the text is worth waiting for, and then all of them are named at once. */
static bool all_are_located(const struct people *people)
{
    for (size_t i = 0; i < people->count; i++)
        if (!people->items[i].located)
            return false;
    return people->count > 0;
}

void editor_greet(struct editor *editor)
{
    if (!editor->greets || editor->count == 0)
        return;
    struct replica *replica = editor->windows[0].replica;
    struct replica_status status;
    uint64_t now_ms = net_now_ms();
    replica_status(replica, now_ms, &status);
    if (status.joining || status.net.state != SESSION_ONLINE)
        return;
    if (!editor->greet_ms)
        editor->greet_ms = now_ms + GREET_WAIT_MS;
    bool early = now_ms < editor->greet_ms - GREET_WAIT_MS + GREET_SOON_MS;
    if (now_ms < other_until_ms(editor))
        return;
    if (early || (now_ms < editor->greet_ms && !all_are_located(replica_people(replica))))
        return;
    if (status.net.peers > 1 && !people_are_named(replica_people(replica)) && now_ms < editor->greet_ms + GREET_MORE_MS)
        return; /* "nobody" would not be true, and who has no name yet is about to say it */
    struct buf text = {0};
    buf_add_string(&text, "You are ");
    unicode_safe_label(bytes_of_string(replica_person(replica)), NAME_CELLS, &text);
    if (replica_name_is_found(replica))
        buf_addf(&text, " (from %s)", replica_person_source(replica));
    buf_add_byte(&text, '.');
    add_others(replica, &text);
    buf_add_string(&text, " F2 people, F1 help, ^Q leave.");
    editor_say(editor, buf_string(&text));
    buf_release(&text);
    editor->greets = false;
}

/* --- to who named no file --- */

enum { PATH_CELLS = 52 };

/* Of a long path its end: the file's name is what people look for. Bytes, for it has no more cells than those. */
static void add_path(const char *path, struct buf *out)
{
    static const char cut[] = "...";
    const char *end = path, *next;
    size_t bytes_max = PATH_CELLS;
    while (strlen(end) > bytes_max && (next = strchr(end + 1, '/'))) {
        end = next;
        bytes_max = PATH_CELLS - strlen(cut);
    }
    buf_add_string(out, end == path ? "" : cut);
    unicode_safe_label(bytes_of_string(end), (int)bytes_max, out);
}

static bool add_recent(void *self, const struct doc_entry *entry)
{
    struct editor *editor = self;
    struct recent *recent = &editor->recents[editor->recent_count++];
    struct buf name = {0}, opened = {0};
    const char *kind = entry->state != DOC_SHARED ? "" : entry->role == DOC_HOST ? "  shared" : "  joined";
    moment_add_listed(&opened, entry->opened_s);
    char *path = entry->path ? paths_shorten(&editor->env->paths, entry->path) : NULL;
    if (path)
        add_path(path, &name);
    else
        unicode_safe_label(bytes_of_string(entry->name ? entry->name : "new buffer"), PATH_CELLS, &name);
    free(path);
    *recent = (struct recent){entry->doc, entry->path ? xstrdup(entry->path) : NULL};
    panel_add(&editor->panel, VIEW_LINE_TEXT, "[%zu]  %s  %s%s", editor->recent_count, buf_string(&opened), buf_string(&name),
              kind);
    buf_release(&opened);
    buf_release(&name);
    return true;
}

/* Without an index there is nothing to list, and nothing is made on disk for saying so. */
static void add_recents(struct editor *editor)
{
    struct error err = {0};
    char *path = paths_state_file(&editor->env->paths, "index.db");
    bool any = access(path, F_OK) == 0 && env_device(editor->env, &err);
    struct doc_index *index = any ? doc_index_open(path, DOC_INDEX_READ, &editor->env->device, &err) : NULL;
    free(path);
    if (index) {
        if (!doc_index_recent(index, RECENT_MAX, add_recent, editor, &err))
            panel_add(&editor->panel, VIEW_LINE_WARNING, "%s", err.text);
    }
    doc_index_close(index);
    if (editor->recent_count)
        panel_add(&editor->panel, VIEW_LINE_DIM, "^O with 1 opens the first of them again. weft docs lists all that is kept.");
}

const struct recent *editor_recent(const struct editor *editor, const char *word)
{
    bool bracketed = word[0] == '[';
    const char *digit = word + bracketed;
    bool is_number = *digit >= '1' && *digit <= '9' && strcmp(digit + 1, bracketed ? "]" : "") == 0;
    size_t number = is_number && (bracketed || access(word, F_OK) != 0) ? (size_t)(*digit - '0') : 0;
    return number >= 1 && number <= editor->recent_count ? &editor->recents[number - 1] : NULL;
}

void editor_fill_start(struct editor *editor)
{
    panel_clear(&editor->panel);
    panel_add(&editor->panel, VIEW_LINE_TITLE, "^S save  ^Q quit  ^Z undo mine  ^F find  ^O open  ^G or F1 help");
    add_recents(editor);
    editor->panel_kind = PANEL_START;
}
