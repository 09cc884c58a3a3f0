/*
 * weft cat, weft verify: the newest text, or an older one, and whether everything that made it is authentic. Neither leaves a
 * trace.
 */
#include <stdio.h>
#include <stdlib.h>

#include "app/replica_past.h"
#include "app/replica_version.h"
#include "app/target.h"
#include "app/verb_list.h"
#include "app/verbs.h"
#include "sync/wal_guard.h"

static bool print_file(const char *path, struct error *err)
{
    struct rope *text;
    struct file_stamp stamp;
    if (!file_load(path, &text, &stamp, err))
        return false;
    bool good = stamp.exists ? target_print_text(text, err) : error_set(err, ERR_MISSING, 0, "there is no file %s", path);
    rope_free(text);
    return good;
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

static bool print_then(const struct replica *replica, const char *then, struct error *err)
{
    struct version version = {0};
    bool good = replica_find_version(replica, then, &version, err);
    if (good) {
        struct rope *text = replica_text_at(replica, &version);
        good = target_print_text(text, err);
        rope_free(text);
    }
    version_release(&version);
    return good;
}

static bool print_now(const struct replica *replica, const char *word, struct error *err)
{
    if (!target_is_link(word))
        warn_of_difference(replica, word);
    return target_print_text(replica_buffer(replica)->text, err);
}

int verb_cat_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    const char *then = args_value(args, "--at"), *word = args->positional_count == 1 ? args->positional[0] : NULL;
    bool good;
    if (word && !target_is_link(word) && args_flag(args, "--disk")) {
        good = print_file(word, &err);
        return target_finish(NULL, "cat", good, &err);
    }
    struct replica *replica = target_open_only(env, "cat", args, &err);
    good = replica && (then ? print_then(replica, then, &err) : print_now(replica, word, &err));
    return target_finish(replica, "cat", good, &err);
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

/* What was typed in this document and is in none of what was checked. */
static bool print_aside(void *self, const struct replica_aside *aside)
{
    const struct doc_id *doc = self;
    if (aside->doc && doc_id_equal(aside->doc, doc))
        printf("aside   %llu edit%s whose place in the text was lost with what came before; weft docs shows what was typed\n",
               (unsigned long long)aside->edits, aside->edits == 1 ? "" : "s");
    return false;
}

/* Whether something of what was written is not to be had: a log that was damaged, or torn by a power cut. */
static bool print_damaged(const struct env *env, const struct doc_id *doc)
{
    struct wal_damage damage;
    bool lost = false;
    char *path = env_journal_path(env, doc);
    for (unsigned number = 0; wal_damage_get(path, number, &damage); number++) {
        struct wal_verdict verdict = {.state = WAL_CUT};
        struct error err = {0};
        bool read = wal_damage_judge(&damage, &verdict, &err);
        if (!read)
            printf("damaged: %s\n", err.text);
        else if (verdict.state == WAL_CUT)
            printf("damaged, or the machine stopped before it was written: the last %llu step%s written then cannot be read "
                   "(look whether what was typed last is there); what is left is kept as %s\n",
                   (unsigned long long)verdict.lost, verdict.lost == 1 ? "" : "s", damage.path);
        else
            printf("damaged and mended, nothing is lost; what was damaged is kept as %s\n", damage.path);
        lost |= verdict.state == WAL_CUT;
        wal_damage_release(&damage);
    }
    free(path);
    return lost;
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
    return status.known ||
           error_set(err, ERR_MISSING, 0,
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
    bool said = false;
    struct target target = {.verb = "verify", .word = args->positional[0], .insecure = args_flag(args, "--insecure"),
                            .audits = true, .port = {.self = &said, .said = say_and_note}};
    struct replica *replica = target_open(env, &target, &err);
    bool good = replica != NULL;
    struct replica_audit audit;
    good = good && (target_is_link(target.word) || has_history(replica, target.word, said, &err));
    good = good && replica_audit(replica, &audit, &err);
    if (good) {
        struct doc_id doc = replica_entry(replica)->doc;
        bool lost = !target_is_link(target.word) && print_damaged(env, &doc);
        printf("checked %llu batch%s of %llu agent%s, %llu signature%s: %s\n", (unsigned long long)audit.batches,
               audit.batches == 1 ? "" : "es", (unsigned long long)audit.agents, audit.agents == 1 ? "" : "s",
               (unsigned long long)audit.signatures, audit.signatures == 1 ? "" : "s",
               lost ? "what is here is right" : "all right");
        good = !lost; /* with no error: it is said */
        print_version(replica);
        replica_visit_aside(env, &(struct replica_aside_visitor){&doc, print_aside});
    }
    return target_finish(replica, "verify", good, &err);
}
