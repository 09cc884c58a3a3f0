/*
 * The verbs with a screen: edit, share, join.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "app/editor.h"
#include "app/file_kind.h"
#include "app/moment.h"
#include "app/own_relay.h"
#include "app/retention.h"
#include "app/target.h"
#include "app/verb_list.h"
#include "app/verbs.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

/* --- standard input as text --- */

static bool read_stdin(struct buf *out, struct error *err)
{
    enum { PIECE = 1 << 16, STDIN_BYTES_MAX = 1 << 30 };
    for (;;) {
        unsigned char *into = buf_extend(out, PIECE);
        ssize_t got = read(STDIN_FILENO, into, PIECE);
        out->len -= PIECE - (got > 0 ? (size_t)got : 0);
        if (got == 0)
            return true;
        if (got < 0)
            return error_errno(err, "cannot read standard input");
        if (out->len > STDIN_BYTES_MAX)
            return error_set(err, ERR_LIMIT, 0, "standard input is longer than 1 GiB; save it to a file first");
    }
}

/* --- opening --- */

struct opening {
    struct env *env;
    struct editor *editor;
    struct replica_options options;
};

static void go_to(struct replica *replica, uint64_t line, uint64_t column)
{
    const struct rope *text = replica_buffer(replica)->text;
    if (line == 0)
        return;
    uint64_t target = line > rope_lines(text) ? rope_lines(text) - 1 : line - 1;
    uint64_t at = rope_line_start(text, target), end = rope_line_end(text, target);
    for (uint64_t i = 1; i < column && at < end; i++)
        at = rope_cluster_next(text, at);
    replica_select(replica, selection_at(at));
}

/* Once in a while: who opens the file every hour knows. */
static void say_shared_since(struct opening *opening, struct replica *replica, uint64_t opened_before_s)
{
    enum { A_WHILE_S = 24 * 3600 };
    const struct doc_entry *entry = replica_entry(replica);
    if ((uint64_t)time(NULL) < opened_before_s + A_WHILE_S)
        return;
    struct buf since = {0};
    moment_add_day(&since, entry->shared_s);
    const char *links = entry->keys.access == ACCESS_READ ? "1 link" : "2 links";
    char *text = xformat("%s is shared since %s (%s). Online now; Alt+A works alone, weft unshare stops it.",
                         replica_label(replica), buf_string(&since), links);
    editor_say(opening->editor, text);
    buf_release(&since);
    free(text);
}

static bool open_one(struct opening *opening, const char *word, uint64_t line, uint64_t column, struct error *err)
{
    struct buf text = {0};
    bool from_stdin = strcmp(word, "-") == 0;
    if (from_stdin && !read_stdin(&text, err))
        return false;
    uint64_t at_line = 0, at_column = 0;
    char *path = from_stdin ? NULL : target_path(word, &at_line, &at_column);
    struct replica_options options = opening->options;
    options.short_lived = path && file_kind_is_short_lived(path);
    options.is_private = options.is_private || (path && file_kind_is_secret(path));
    struct replica *replica = replica_open(opening->env, path, buf_view(&text), &options, err);
    buf_release(&text);
    free(path);
    if (!replica)
        return false;
    go_to(replica, at_line ? at_line : line, at_line ? at_column : column);
    editor_add(opening->editor, replica);
    if (replica_is_shared(replica)) {
        struct error offline = {0};
        uint64_t opened_before_s = replica_entry(replica)->opened_s;
        if (own_relay_revive(opening->env, replica_entry(replica)->relay, &offline) &&
            replica_share(replica, NULL, &offline))
            say_shared_since(opening, replica, opened_before_s);
        else
            editor_say(opening->editor, offline.text);
    }
    return true;
}

/* "+12:3" in front of a file. */
static bool parse_plus(const char *word, uint64_t *line, uint64_t *column)
{
    char *end;
    if (word[0] != '+' || word[1] < '0' || word[1] > '9')
        return false;
    *line = strtoull(word + 1, &end, 10);
    *column = *end == ':' || *end == ',' ? strtoull(end + 1, &end, 10) : 0;
    return *end == '\0';
}

static bool open_all(struct opening *opening, const struct args *args, struct error *err)
{
    uint64_t line = 0, column = 0;
    bool any = false;
    for (size_t i = 0; i < args->positional_count; i++) {
        if (parse_plus(args->positional[i], &line, &column))
            continue;
        if (!open_one(opening, args->positional[i], line, column, err))
            return false;
        line = column = 0;
        any = true;
    }
    if (any)
        return true;
    struct replica *replica = replica_open(opening->env, NULL, (struct bytes){0}, &opening->options, err);
    if (!replica)
        return false;
    editor_add(opening->editor, replica);
    return true;
}

static int run_and_free(struct editor *editor, const char *verb, bool opened, const struct error *err)
{
    int status = opened ? editor_run(editor) : 0;
    struct error kept = *err;
    int closed = editor_free(editor);
    if (!opened)
        return verb_fail(verb, &kept);
    return status ? status : closed;
}

int verb_edit_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    struct opening opening = {.env = env};
    struct editor_options editor_options = {.terminal_fd = -1, .shows_start = args->positional_count == 0};
    opening.editor = editor_new(env, &editor_options, &err);
    if (!opening.editor)
        return verb_fail("", &err);
    opening.options = (struct replica_options){.port = editor_port(opening.editor),
                                               .is_private = args_flag(args, "--private"),
                                               .name = args_value(args, "--name"), .name_lasts = true};
    bool opened = open_all(&opening, args, &err);
    int status = run_and_free(opening.editor, "", opened, &err);
    if (status < 128) /* not when a signal ended it: somebody is in a hurry then */
        retention_at_exit(env, (uint64_t)time(NULL));
    return status;
}

/* --- share --- */

static int print_links(struct replica *replica)
{
    char *edit = replica_link(replica, ACCESS_WRITE), *view = replica_link(replica, ACCESS_READ);
    if (edit)
        printf("edit %s\n", edit);
    if (view)
        printf("view %s\n", view);
    fflush(stdout);
    free(edit);
    free(view);
    return EXIT_OK;
}

/* Guests see the name; one that nobody chose for this is told before it goes. */
static void say_name(const struct replica *replica)
{
    struct buf name = {0};
    enum { NAME_CELLS = 64 };
    unicode_safe_label(bytes_of_string(replica_person(replica)), NAME_CELLS, &name);
    if (replica_name_is_found(replica))
        fprintf(stderr, "weft share: you appear as \"%s\" (from %s; `weft config name` changes it)\n", buf_string(&name),
                replica_person_source(replica));
    buf_release(&name);
}

/* Why the relay does not have it, and what that means; what was not shared before is not shared afterwards either. */
static void end_unarrived(struct replica *replica, enum target_wait ended, bool was_shared, const char *path, struct error *err)
{
    struct error why = *err, unsharing = {0};
    bool undone = !was_shared && replica_unshare(replica, false, &unsharing);
    struct buf text = {0};
    buf_addf(&text, "%s; ", why.text);
    if (undone)
        buf_addf(&text, "%s is not shared", path);
    else if (was_shared)
        buf_addf(&text, "%s is still shared, and sent when the relay takes it", path);
    else
        buf_addf(&text, "%s is shared, for that cannot be taken back: %s", path, unsharing.text);
    if (undone && ended == TARGET_TIMED_OUT)
        buf_add_string(&text, ". `weft relay` starts a relay; then share it again");
    error_set(err, why.code, why.sys, "%s", buf_string(&text));
    buf_release(&text);
}

static bool share_and_arrive(struct replica *replica, const char *path, const char *relay, struct error *err)
{
    bool was_shared = replica_is_shared(replica);
    enum target_wait ended = TARGET_REFUSED;
    if (replica_share(replica, relay, err))
        ended = target_arrive(replica, err);
    if (ended != TARGET_DONE && replica_is_shared(replica))
        end_unarrived(replica, ended, was_shared, path, err);
    return ended == TARGET_DONE;
}

/* Shares without a screen: done when the relay has everything. */
static int share_no_edit(struct env *env, const char *path, const char *relay, struct replica_options options)
{
    struct error err = {0}, closing = {0};
    options.port = target_port("share");
    options.scripted = true;
    options.awaited = true;
    struct replica *replica = replica_open(env, path, (struct bytes){0}, &options, &err);
    if (!replica)
        return verb_fail("share", &err);
    bool good = own_relay_revive(env, replica_entry(replica)->relay, &err);
    if (good && !replica_is_shared(replica))
        say_name(replica);
    good = good && share_and_arrive(replica, path, relay, &err);
    int status = good ? print_links(replica) : verb_fail("share", &err);
    if (!replica_close(replica, 1000, NULL, &closing))
        status = verb_fail("share", &closing);
    return status;
}

static char *relay_to_use(struct env *env, const struct args *args, bool may_ask, struct error *err)
{
    const char *named = args_value(args, "--relay");
    if (!named)
        named = env->config.relay;
    return named ? xstrdup(named) : own_relay_ensure(env, may_ask, err);
}

/* Before a relay is looked for, or even started: is there such a file (a new one only where it is edited), and is it in a
   room? */
static bool look_at_file(struct env *env, const char *path, bool must_exist, bool *shared, struct error *err)
{
    struct replica_options options = {.reads_only = true, .alone = true};
    struct replica *replica = replica_open(env, path, (struct bytes){0}, &options, err);
    *shared = replica && replica_is_shared(replica);
    if (!replica)
        return false;
    struct error closing = {0};
    bool good = !must_exist || target_exists(replica, path, err);
    return replica_close(replica, 0, NULL, &closing) && good;
}

static int share_in_editor(struct env *env, const char *path, const char *relay, bool was_shared, struct replica_options options)
{
    struct error err = {0};
    struct editor_options editor_options = {.terminal_fd = -1, .show_links = true};
    struct editor *editor = editor_new(env, &editor_options, &err);
    if (!editor)
        return verb_fail("share", &err);
    options.port = editor_port(editor);
    struct replica *replica = replica_open(env, path, (struct bytes){0}, &options, &err);
    bool opened = replica && own_relay_revive(env, replica_entry(replica)->relay, &err) &&
                  replica_share(replica, relay, &err);
    if (replica)
        editor_add(editor, replica);
    if (opened && !was_shared)
        editor_say_what_links_show(editor);
    return run_and_free(editor, "share", opened, &err);
}

int verb_share_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    bool no_edit = args_flag(args, "--no-edit"), shared;
    if (args->positional_count != 1) {
        fputs("weft share: name one file: weft share FILE\n", stderr);
        return EXIT_USAGE;
    }
    const char *path = args->positional[0];
    struct replica_options options = {.name = args_value(args, "--name"), .name_lasts = true,
                                      .token_file = args_value(args, "--token-file"), .insecure = args_flag(args, "--insecure")};
    if (!look_at_file(env, path, no_edit, &shared, &err))
        return verb_fail("share", &err);
    bool stays = shared && !args_value(args, "--relay");
    char *relay = stays ? NULL : relay_to_use(env, args, !no_edit, &err);
    if (!shared && !relay)
        return verb_fail("share", &err);
    int status = no_edit ? share_no_edit(env, path, relay, options) : share_in_editor(env, path, relay, shared, options);
    free(relay);
    return status;
}

/* --- join --- */

/* Reads a line without showing it: what is typed here is a secret. */
static bool read_link_line(char *line, size_t size)
{
    struct termios shown, hidden;
    bool terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
    if (terminal) { /* hidden before it is asked for: what is pasted at the sight of the question is neither shown nor dropped */
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
        fputs("Link (not shown; Enter alone lists what you joined before): ", stderr);
    }
    bool got = fgets(line, (int)size, stdin) != NULL;
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        fputc('\n', stderr);
    }
    return got;
}

/* To read. NULL, without an error: nothing was ever kept here, and nothing is made on disk for that answer. */
static struct doc_index *open_index(struct env *env, struct error *err)
{
    char *path = paths_state_file(&env->paths, "index.db");
    bool any = access(path, F_OK) == 0;
    struct doc_index *index = any && env_device(env, err) ? doc_index_open(path, DOC_INDEX_READ, &env->device, err) : NULL;
    free(path);
    return index;
}

struct listing {
    struct doc_id docs[9];
    size_t count;
};

static bool list_joined(void *self, const struct doc_entry *entry)
{
    struct listing *listing = self;
    struct buf label = {0};
    if (entry->state != DOC_SHARED)
        return true;
    unicode_safe_label(bytes_of_string(entry->name ? entry->name : "shared text"), 48, &label);
    listing->docs[listing->count++] = entry->doc;
    fprintf(stderr, "  [%zu] %s%s%s\n", listing->count, buf_string(&label), entry->path ? "  " : "",
            entry->path ? entry->path : "");
    buf_release(&label);
    return listing->count < sizeof listing->docs / sizeof *listing->docs;
}

static bool choose_recent(struct env *env, struct doc_id *doc, struct error *err)
{
    struct listing listing = {0};
    struct doc_index *index = open_index(env, err);
    bool good = index ? doc_index_recent(index, 0, list_joined, &listing, err) : err->code == ERR_NONE;
    doc_index_close(index);
    if (good && listing.count == 0)
        good = error_set(err, ERR_MISSING, 0, "no link was given, and nothing was joined here before; ask somebody for a link");
    if (!good)
        return false;
    fputs("Which? ", stderr);
    char line[16];
    unsigned long choice = fgets(line, sizeof line, stdin) ? strtoul(line, NULL, 10) : 0;
    if (choice < 1 || choice > listing.count)
        return error_set(err, ERR_USAGE, 0, "nothing chosen");
    *doc = listing.docs[choice - 1];
    return true;
}

/* What is joined: one of the documents that are known here, or a link's. */
struct joining {
    bool known;
    struct doc_id doc;
    struct share_link link;
};

static struct replica *join_one(struct env *env, const struct joining *joining, const char *save_as,
                                const struct replica_options *options, struct error *err)
{
    return joining->known ? replica_open_known(env, &joining->doc, save_as, options, err)
                          : replica_join(env, &joining->link, save_as, options, err);
}

/* Whether the file at `path` shows the document already: it was joined with that name before. */
static bool shows(struct env *env, const char *path, const struct doc_id *doc)
{
    struct error ignored = {0}; /* what is not known shows nothing */
    struct doc_entry entry = {0};
    bool found = false;
    char *resolved = NULL;
    struct doc_index *index = open_index(env, &ignored);
    bool is_it = index && file_resolve(path, &resolved, &ignored) &&
                 replica_index_find(env, index, resolved, &entry, &found, &ignored) && found && doc_id_equal(&entry.doc, doc);
    doc_index_close(index);
    doc_entry_release(&entry);
    free(resolved);
    return is_it;
}

/* A file with another text is never written over without a question: joining with --save-as refuses it, ^S asks. */
static bool check_save_as(struct env *env, const char *path, const struct joining *joining, struct error *err)
{
    return !path || access(path, F_OK) != 0 || shows(env, path, joining->known ? &joining->doc : &joining->link.doc) ||
           error_set(err, ERR_USAGE, 0, "%s exists already and is not this document; name another file, or save in the editor "
                                        "with ^S, which asks and keeps a copy", path);
}

/* From the command line, else asked for; an empty answer lists what was joined before. */
static bool what_to_join(struct env *env, const struct args *args, struct joining *joining, struct error *err)
{
    char line[SHARE_LINK_BYTES_MAX] = "";
    const char *word = args->positional_count ? args->positional[0] : line;
    if (!args->positional_count) {
        (void)read_link_line(line, sizeof line);
        joining->known = line[strspn(line, " \t\r\n")] == '\0';
    }
    bool good = joining->known ? choose_recent(env, &joining->doc, err)
                               : target_parse_link(word, args_flag(args, "--insecure"), &joining->link, err);
    crypto_wipe(line, sizeof line);
    return good;
}

int verb_join_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    struct joining joining = {0};
    const char *save_as = args_value(args, "--save-as");
    if (args->positional_count > 1) {
        fputs("weft join: name one link: weft join LINK\n", stderr);
        return EXIT_USAGE;
    }
    if (!what_to_join(env, args, &joining, &err))
        return verb_fail("join", &err);
    if (!check_save_as(env, save_as, &joining, &err)) {
        share_link_wipe(&joining.link);
        return verb_fail("join", &err);
    }
    struct editor_options editor_options = {.terminal_fd = -1, .greets = true};
    struct editor *editor = editor_new(env, &editor_options, &err);
    if (!editor)
        return verb_fail("join", &err);
    struct replica_options options = {.port = editor_port(editor), .name = args_value(args, "--name"), .name_lasts = true,
                                      .insecure = args_flag(args, "--insecure")};
    struct replica *replica = join_one(env, &joining, save_as, &options, &err);
    share_link_wipe(&joining.link);
    if (replica)
        editor_add(editor, replica);
    return run_and_free(editor, "join", replica != NULL, &err);
}
