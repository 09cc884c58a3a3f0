/*
 * weft config, weft key, weft doctor: how this weft is set up, and whether it works here.
 */
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/target.h"
#include "app/verb_list.h"
#include "app/verbs.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"
#include "sync/relay/relay_server.h"

/* --- config --- */

static void print_name(const struct env *env)
{
    enum { NAME_CELLS = 200 };
    const char *source;
    struct buf safe = {0};
    char *person = config_person(&env->config, &source);
    unicode_safe_label(bytes_of_string(person), NAME_CELLS, &safe);
    printf("%s  (from %s)\n", buf_string(&safe), source);
    buf_release(&safe);
    free(person);
}

static void print_config(const struct env *env)
{
    const struct config *config = &env->config;
    printf("%s%s\n", env->paths.config, access(env->paths.config, F_OK) == 0 ? "" : "  (not there: the defaults hold)");
    printf("name          ");
    print_name(env);
    printf("relay         %s\n", config->relay ? config->relay : "-");
    printf("tab_width     %d\n", config->tab_width);
    printf("indent_spaces %d\n", config->indent_spaces);
    printf("merge_ms      %d\n", config->merge_ms);
    printf("line_numbers  %s\n", config->line_numbers ? "true" : "false");
    printf("keys          %s\n", config->vim_keys ? "vim" : "weft");
}

int verb_config_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    bool names = args->positional_count > 0 && strcmp(args->positional[0], "name") == 0;
    bool prints = args->positional_count == (names ? 1 : 0);
    if (prints) {
        if (names)
            print_name(env);
        else
            print_config(env);
        return env->config_error.code == ERR_NONE ? EXIT_OK : EXIT_FAILED;
    }
    if (!names || args->positional_count != 2) {
        fputs("weft config: it knows `weft config`, `weft config name` and `weft config name NAME`; other settings "
              "are in the file\n", stderr);
        return EXIT_USAGE;
    }
    return config_set_name(env->paths.config, args->positional[1], &err) ? EXIT_OK : verb_fail("config", &err);
}

/* --- key --- */

static int show_key(struct env *env)
{
    struct error err = {0};
    char fingerprint[FINGERPRINT_TEXT_BYTES];
    if (!env_device(env, &err))
        return verb_fail("key", &err);
    device_fingerprint(&env->device.key.public_key, fingerprint);
    printf("%s\n", fingerprint);
    return EXIT_OK;
}

static int export_key(struct env *env, const char *path)
{
    struct error err = {0};
    struct replica_options options = {.port = target_port("key"), .reads_only = true, .alone = true};
    struct replica *replica = replica_open(env, path, (struct bytes){0}, &options, &err);
    char *link = replica ? replica_link(replica, ACCESS_ADMIN) : NULL;
    if (link)
        printf("admin %s\n", link);
    else if (replica)
        error_set(&err, ERR_AUTH, 0, "%s is not shared from here; only who shared it has its admin key", path);
    bool good = link != NULL;
    if (link)
        crypto_wipe(link, strlen(link));
    free(link);
    struct error closing = {0};
    if (replica && !replica_close(replica, 0, NULL, &closing))
        return verb_fail("key", &closing);
    return good ? EXIT_OK : verb_fail("key", &err);
}

int verb_key_run(struct env *env, const struct args *args)
{
    if (args->positional_count == 1 && strcmp(args->positional[0], "show") == 0)
        return show_key(env);
    if (args->positional_count == 2 && strcmp(args->positional[0], "export") == 0)
        return export_key(env, args->positional[1]);
    fputs("weft key: it knows `weft key show` and `weft key export FILE`\n", stderr);
    return EXIT_USAGE;
}

/* --- doctor --- */

struct check {
    bool all_good;
};

static void report(struct check *check, bool good, const char *what, const char *detail)
{
    printf("%-8s %s: %s\n", good ? "ok" : "problem", what, detail);
    check->all_good &= good;
}

static void check_terminal(struct check *check)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    setlocale(LC_CTYPE, "");
    report(check, term && *term, "terminal", term && *term ? term : "TERM is not set; taken for xterm-256color");
    report(check, true, "colours", no_colour && *no_colour ? "off (NO_COLOR)" : "on");
    report(check, true, "characters", strcmp(nl_langinfo(CODESET), "UTF-8") == 0
                                          ? "UTF-8"
                                          : "the locale is not UTF-8; weft uses UTF-8 all the same");
}

static void check_config(struct check *check, const struct env *env)
{
    bool good = env->config_error.code == ERR_NONE;
    report(check, good, "configuration", good ? env->paths.config : env->config_error.text);
}

static void check_state(struct check *check, struct env *env)
{
    struct error err = {0};
    bool good = env_device(env, &err);
    report(check, good, "state directory", good ? env->paths.state : err.text);
    char fingerprint[FINGERPRINT_TEXT_BYTES];
    if (good) {
        device_fingerprint(&env->device.key.public_key, fingerprint);
        report(check, true, "device key", fingerprint);
    }
    if (env->paths.state_moved)
        report(check, true, "state directory", "the wanted one is on a network file system; "
                                               "a private one on this machine is used");
}

/* A journal like any other: made, written, read, removed. */
static void check_journal(struct check *check, struct env *env)
{
    struct error err = {0};
    struct seal_key key = {{1}};
    struct journal_spec spec = {.mode = JOURNAL_CREATE, .key = &key};
    char *path = paths_state_file(&env->paths, "doctor.journal");
    spec.path = path;
    crypto_random(&spec.doc, sizeof spec.doc);
    struct journal *journal = journal_open(&spec, &err);
    bool good = journal && journal_note_put(journal, "doctor", bytes_of_string("well"), &err) && journal_sync(journal, &err);
    journal_close(journal);
    struct error forgetting = {0};
    good = journal_forget(path, &forgetting) && good;
    report(check, good, "journal", good ? "can be written, synced and removed" : err.text[0] ? err.text : forgetting.text);
    free(path);
}

/* A relay of this process's own, a document, one edit, its acknowledgement. */
static bool round_trip(struct env *env, const char *dir, struct error *err)
{
    char *store = xformat("%s/relay.db", dir);
    struct relay_server_options options = relay_server_options_default();
    options.listen = "127.0.0.1:0";
    options.store = store;
    struct relay_server *server = relay_server_start(&options, err);
    bool good = server != NULL;
    if (good) {
        char *relay = xformat("ws://127.0.0.1:%d", relay_server_port(server));
        struct replica_options replica_options = {.port = target_port("doctor"), .is_private = true, .name = "doctor"};
        struct replica *replica = replica_open(env, NULL, bytes_of_string("well\n"), &replica_options, err);
        struct error closing = {0};
        good = replica && replica_share(replica, relay, err) && target_settle(replica, 5000, err) == TARGET_DONE;
        if (replica && !replica_close(replica, 0, NULL, &closing) && good)
            good = error_set(err, closing.code, closing.sys, "%s", closing.text);
        free(relay);
    }
    relay_server_stop(server);
    free(store);
    return good;
}

static void remove_store(const char *dir)
{
    static const char *const names[] = {"relay.db", "relay.db-wal", "relay.db-shm", "relay.db.key", "relay.db.lock"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = xformat("%s/%s", dir, names[i]);
        unlink(path);
        free(path);
    }
    rmdir(dir);
}

static void check_relay(struct check *check, struct env *env)
{
    struct error err = {0};
    char *dir = paths_state_file(&env->paths, "doctor-XXXXXX");
    bool good = mkdtemp(dir) ? round_trip(env, dir, &err) : error_errno(&err, "cannot make %s", dir);
    remove_store(dir);
    report(check, good, "relay", good ? "an edit went to one on this machine and was acknowledged" : err.text);
    free(dir);
}

int verb_doctor_run(struct env *env, const struct args *args)
{
    struct check check = {.all_good = true};
    if (!verb_has_no_words("doctor", args))
        return EXIT_USAGE;
    check_terminal(&check);
    check_config(&check, env);
    check_state(&check, env);
    if (env->has_device) {
        check_journal(&check, env);
        check_relay(&check, env);
    }
    return check.all_good ? EXIT_OK : EXIT_FAILED;
}
