/*
 * weft docs, weft forget: what is kept on this machine, and removing it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/replica.h"
#include "app/retention.h"
#include "app/verb_list.h"
#include "app/verbs.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"
#include "editor/file.h"
#include "sync/doc_index.h"
#include "sync/journal.h"

/* The index, or NULL: nothing was ever kept (*err has ERR_MISSING), or it cannot be read. */
static struct doc_index *open_index(struct env *env, enum doc_index_mode mode, struct error *err)
{
    char *path = paths_state_file(&env->paths, "index.db");
    bool there = access(path, F_OK) == 0 || error_set(err, ERR_MISSING, 0, "nothing is kept on this machine");
    struct doc_index *index = there && env_device(env, err) ? doc_index_open(path, mode, &env->device, err) : NULL;
    free(path);
    return index;
}

/* --- docs --- */

static const char *state_word(const struct doc_entry *entry)
{
    switch (entry->state) {
    case DOC_PRIVATE: return "not shared";
    case DOC_SHARED: return entry->role == DOC_HOST ? "shared" : "joined";
    case DOC_UNSHARED: return "unshared";
    }
    return "";
}

static bool print_entry(void *self, const struct doc_entry *entry)
{
    struct env *env = self;
    struct buf name = {0};
    char opened[32] = "-", *path = env_journal_path(env, &entry->doc);
    struct tm local;
    time_t at = (time_t)entry->opened_s;
    if (at)
        strftime(opened, sizeof opened, "%Y-%m-%d %H:%M", localtime_r(&at, &local));
    enum { NAME_CELLS = 200 };
    unicode_safe_label(bytes_of_string(entry->path ? entry->path : entry->name ? entry->name : "new buffer"), NAME_CELLS,
                       &name);
    printf("%-10s %8.1f kB  %s  %s\n", state_word(entry), (double)journal_file_bytes(path) / 1000, opened,
           buf_string(&name));
    buf_release(&name);
    free(path);
    return true;
}

struct docs {
    struct env *env;
    struct doc_index *index; /* NULL: there is none */
};

/* What a weft has begun to keep, and the index does not know yet. */
static void print_left(void *self, const struct doc_entry *entry, bool takes_path)
{
    const struct docs *docs = self;
    struct doc_entry known = {0};
    struct error ignored = {0};
    bool found = false;
    (void)takes_path;
    bool asked = docs->index && doc_index_find_doc(docs->index, &entry->doc, &known, &found, &ignored);
    if (!asked || !found)
        print_entry(docs->env, entry);
    doc_entry_release(&known);
}

int verb_docs_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    if (!verb_has_no_words("docs", args))
        return EXIT_USAGE;
    struct docs docs = {env, open_index(env, DOC_INDEX_READ, &err)};
    bool good = docs.index || err.code == ERR_MISSING; /* then the list is empty */
    if (good)
        replica_visit_left(env, &(struct replica_left_visitor){&docs, print_left});
    good = good && (!docs.index || doc_index_recent(docs.index, 0, print_entry, env, &err));
    doc_index_close(docs.index);
    return good ? EXIT_OK : verb_fail("docs", &err);
}

/* --- forget --- */

struct forgetting {
    struct doc_id *docs;
    size_t count, cap;
    size_t left; /* not taken, for they are shared or are in no file */
    bool forced; /* these too */
    struct env *env;
};

/* What cannot be read may be forgotten: nothing else would help. */
static bool is_in_file(struct env *env, const struct doc_entry *entry)
{
    struct error unreadable = {0};
    bool in_file = false;
    return !retention_is_in_file(env, entry, &in_file, &unreadable) || in_file;
}

static void take(struct forgetting *all, const struct doc_entry *entry)
{
    all->docs = xgrow(all->docs, &all->cap, all->count + 1, sizeof *all->docs);
    all->docs[all->count++] = entry->doc;
}

static bool collect(void *self, const struct doc_entry *entry)
{
    struct forgetting *all = self;
    if (!all->forced && (entry->state == DOC_SHARED || !is_in_file(all->env, entry))) {
        all->left++;
        return true;
    }
    take(all, entry);
    return true;
}

static bool forget_one(struct env *env, struct doc_index *index, const struct doc_id *doc, struct error *err)
{
    char *path = env_journal_path(env, doc);
    bool good = journal_forget(path, err) && doc_index_forget(index, doc, err);
    free(path);
    if (!good && err->code == ERR_BUSY)
        error_set(err, ERR_BUSY, 0, "it is open in another weft; leave that one first");
    return good;
}

static bool confirm(const char *question)
{
    char answer[16];
    if (!isatty(STDIN_FILENO))
        return false;
    fprintf(stderr, "%s [y/N] ", question);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* What would be lost with it may be lost if the person says so. */
static bool may_take(const struct forgetting *all, const char *word, const struct doc_entry *entry, struct error *err)
{
    bool shared = entry->state == DOC_SHARED;
    if (all->forced || (!shared && is_in_file(all->env, entry)))
        return true;
    char *question = xformat(shared ? "%s is shared: its keys and what was not sent go too. Forget it?"
                                    : "%s has edits that are not in the file. Forget them?",
                             word);
    bool said = confirm(question);
    free(question);
    return said || error_set(err, ERR_USAGE, 0, shared ? "%s is shared; weft unshare it first, or --force"
                                                       : "%s has edits that are not in the file; weft %s shows them, --force forgets them",
                             word, word);
}

static bool collect_file(struct doc_index *index, const char *word, struct forgetting *all, struct error *err)
{
    struct doc_entry entry = {0};
    char *path = NULL;
    bool found = false;
    bool good = file_resolve(word, &path, err) && replica_index_find(all->env, index, path, &entry, &found, err);
    if (good && !found)
        good = error_set(err, ERR_MISSING, 0, "nothing is kept of %s", word);
    good = good && may_take(all, word, &entry, err);
    if (good)
        take(all, &entry);
    doc_entry_release(&entry);
    free(path);
    return good;
}

static bool forget(struct env *env, const struct args *args, struct doc_index *index, struct error *err)
{
    struct forgetting all = {.forced = args_flag(args, "--force"), .env = env};
    bool good = true;
    if (args_flag(args, "--all"))
        good = doc_index_recent(index, 0, collect, &all, err);
    for (size_t i = 0; good && i < args->positional_count; i++)
        good = collect_file(index, args->positional[i], &all, err);
    for (size_t i = 0; good && i < all.count; i++)
        good = forget_one(env, index, &all.docs[i], err);
    good = good && doc_index_vacuum(index, err);
    if (good)
        printf("forgot %zu document%s%s\n", all.count, all.count == 1 ? "" : "s",
               all.left ? "; shared ones, and those with edits in no file, are still here (--force takes them too)" : "");
    free(all.docs);
    return good;
}

int verb_forget_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    bool names = args->positional_count > 0;
    if (names == args_flag(args, "--all")) {
        fputs(names ? "weft forget: name files, or --all, not both\n" : "weft forget: name files, or --all\n", stderr);
        return EXIT_USAGE;
    }
    replica_fold_left(env, (struct replica_port){0}); /* or it would come back with the next start */
    struct doc_index *index = open_index(env, DOC_INDEX_CREATE, &err);
    bool good = index && forget(env, args, index, &err);
    doc_index_close(index);
    return good ? EXIT_OK : verb_fail("forget", &err);
}
