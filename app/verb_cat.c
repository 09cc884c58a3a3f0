/*
 * weft cat, weft verify: the newest text, and whether everything that made it is authentic. Neither leaves a trace.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/target.h"
#include "app/verb_list.h"
#include "app/verbs.h"
#include "editor/base/xalloc.h"

/* False with ERR_NONE: who read the pipe has seen enough, and there is nothing to tell. */
static bool write_out(struct bytes bytes, struct error *err)
{
    while (bytes.len) {
        ssize_t wrote = write(STDOUT_FILENO, bytes.data, bytes.len);
        if (wrote < 0 && errno == EPIPE)
            return false;
        if (wrote < 0)
            return error_errno(err, "cannot write to standard output");
        bytes = bytes_slice(bytes, (size_t)wrote, bytes.len - (size_t)wrote);
    }
    return true;
}

static bool print_text(const struct rope *text, struct error *err)
{
    for (uint64_t at = 0; at < rope_len(text);) {
        struct bytes chunk = rope_chunk(text, at);
        if (!write_out(chunk, err))
            return false;
        at += chunk.len;
    }
    return true;
}

static int fail(const char *verb, const struct error *err)
{
    return err->code == ERR_NONE ? EXIT_FAILED : verb_fail(verb, err);
}

static bool print_file(const char *path, struct error *err)
{
    struct rope *text;
    struct file_stamp stamp;
    if (!file_load(path, &text, &stamp, err))
        return false;
    bool good = stamp.exists ? print_text(text, err) : error_set(err, ERR_MISSING, 0, "there is no file %s", path);
    rope_free(text);
    return good;
}

/* A replica of a link in memory alone, brought up to what the relay has. */
static struct replica *open_link(struct env *env, const char *verb, const char *word, bool insecure, struct error *err)
{
    struct share_link link;
    if (!target_parse_link(word, insecure, &link, err))
        return NULL;
    struct replica_options options = {.port = target_port(verb), .is_private = true, .unseen = true, .scripted = true,
                                      .awaited = true, .name = verb, .insecure = insecure};
    struct replica *replica = replica_join(env, &link, NULL, &options, err);
    share_link_wipe(&link);
    if (!replica || target_arrive(replica, err) == TARGET_DONE)
        return replica;
    struct error closing = {0};
    if (!replica_close(replica, 0, NULL, &closing))
        error_wrap(err, "%s", closing.text);
    return NULL;
}

static struct replica *open_file(struct env *env, struct replica_port port, const char *path, bool audits, struct error *err)
{
    struct replica_options options = {.port = port, .reads_only = true, .alone = true, .audits = audits};
    return replica_open(env, path, (struct bytes){0}, &options, err);
}

static int finish(struct replica *replica, const char *verb, bool good, struct error *err)
{
    struct error closing = {0};
    bool closed = !replica || replica_close(replica, 0, NULL, &closing);
    if (!good)
        return fail(verb, err);
    return closed ? EXIT_OK : verb_fail(verb, &closing);
}

/* The journal may hold what the file does not, and the file what the journal never saw. */
static void warn_of_difference(const struct replica *replica, const char *path)
{
    struct rope *disk;
    struct file_stamp stamp;
    struct error err = {0};
    if (!replica_entry(replica)->path || !file_load(path, &disk, &stamp, &err))
        return;
    const struct rope *saved = replica_saved_text(replica);
    if (saved && !rope_equal(saved, disk))
        fprintf(stderr, "weft cat: %s was changed by another program since weft wrote it; --disk prints the file\n", path);
    rope_free(disk);
}

int verb_cat_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    if (args->positional_count != 1) {
        fputs("weft cat: name one: weft cat LINK|FILE\n", stderr);
        return EXIT_USAGE;
    }
    const char *word = args->positional[0];
    bool is_link = target_is_link(word);
    if (!is_link && args_flag(args, "--disk"))
        return print_file(word, &err) ? EXIT_OK : fail("cat", &err);
    struct replica *replica = is_link ? open_link(env, "cat", word, args_flag(args, "--insecure"), &err)
                                      : open_file(env, target_port("cat"), word, false, &err);
    bool good = replica != NULL;
    if (good && !is_link) {
        good = target_exists(replica, word, &err);
        if (good)
            warn_of_difference(replica, word);
    }
    good = good && print_text(replica_buffer(replica)->text, &err);
    return finish(replica, "cat", good, &err);
}

/* --- verify --- */

static void print_version(const struct replica *replica)
{
    struct version version = {0};
    struct digest hash;
    char hex[2 * DIGEST_BYTES + 1];
    replica_version(replica, &version, &hash);
    id_hex(hash.bytes, DIGEST_BYTES, hex);
    printf("text    %s  (BLAKE2b-256, %llu bytes)\n", hex, (unsigned long long)rope_len(replica_buffer(replica)->text));
    fputs("version", stdout);
    for (size_t i = 0; i < version.count; i++) {
        id_hex(version.heads[i].agent.bytes, 8, hex);
        printf(" %s:%llu", hex, (unsigned long long)version.heads[i].seq);
    }
    puts(version.count ? "" : " base");
    version_release(&version);
}

/* Whether anything was said: what then is not known may be there all the same. */
static void say_and_note(void *self, const char *text)
{
    bool *said = self;
    *said = true;
    verb_say("verify", text);
}

/* "All is right" about something that nobody knows would be no check at all. */
static bool has_history(struct replica *replica, const char *word, bool said, struct error *err)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    if (!target_exists(replica, word, err) || status.known)
        return status.known;
    return error_set(err, ERR_MISSING, 0,
                     said ? "so the history of %s cannot be checked"
                          : "nothing is kept of %s: it was never edited with weft, there is no history to check",
                     word);
}

int verb_verify_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    if (args->positional_count != 1) {
        fputs("weft verify: name one: weft verify LINK|FILE\n", stderr);
        return EXIT_USAGE;
    }
    const char *word = args->positional[0];
    bool is_link = target_is_link(word), said = false;
    struct replica_port port = {.self = &said, .said = say_and_note};
    struct replica *replica = is_link ? open_link(env, "verify", word, args_flag(args, "--insecure"), &err)
                                      : open_file(env, port, word, true, &err);
    bool good = replica != NULL;
    struct replica_audit audit;
    good = good && (is_link || has_history(replica, word, said, &err));
    good = good && replica_audit(replica, &audit, &err);
    if (good) {
        printf("checked %llu batch%s of %llu agent%s, %llu signature%s: all right\n", (unsigned long long)audit.batches,
               audit.batches == 1 ? "" : "es", (unsigned long long)audit.agents, audit.agents == 1 ? "" : "s",
               (unsigned long long)audit.signatures, audit.signatures == 1 ? "" : "s");
        print_version(replica);
    }
    return finish(replica, "verify", good, &err);
}
