/*
 * weft docs, weft forget: what is kept on this machine, and removing it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/moment.h"
#include "app/replica.h"
#include "app/retention.h"
#include "app/verb_list.h"
#include "app/verbs.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"
#include "editor/file.h"
#include "sync/doc_index.h"
#include "sync/journal.h"

#define DOC_WORD "doc:"

enum { SHORT_ID_BYTES = 4 };

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

/* A document that was shared begins with the text of then; what was before is kept as another one. */
struct shared_file {
    char *name;
    uint64_t created_s;
};

struct docs {
    struct env *env;
    struct doc_index *index; /* NULL: there is none */
    struct shared_file *shared;
    size_t shared_count, shared_cap;
    bool any_in_no_file, any_from_before; /* one was printed */
};

static bool note_shared(void *self, const struct doc_entry *entry)
{
    struct docs *docs = self;
    if (entry->role != DOC_HOST || entry->state == DOC_PRIVATE || !entry->name)
        return true;
    docs->shared = xgrow(docs->shared, &docs->shared_cap, docs->shared_count + 1, sizeof *docs->shared);
    docs->shared[docs->shared_count++] = (struct shared_file){xstrdup(entry->name), entry->created_s};
    return true;
}

static bool is_from_before(const struct docs *docs, const struct doc_entry *entry)
{
    if (entry->path || !entry->name || entry->state != DOC_PRIVATE)
        return false;
    for (size_t i = 0; i < docs->shared_count; i++)
        if (strcmp(docs->shared[i].name, entry->name) == 0 && docs->shared[i].created_s >= entry->created_s)
            return true;
    return false;
}

static void docs_release(struct docs *docs)
{
    for (size_t i = 0; i < docs->shared_count; i++)
        free(docs->shared[i].name);
    free(docs->shared);
    doc_index_close(docs->index);
}

static void add_when(struct env *env, const struct doc_entry *entry, struct buf *out)
{
    if (replica_is_open_anywhere(env, &entry->doc))
        buf_add_string(out, "open now");
    else
        moment_add(out, entry->opened_s);
}

/* "doc:1a2b3c4d": by which what has no path is named. */
static void add_short_id(const struct doc_id *doc, struct buf *out)
{
    char hex[2 * SHORT_ID_BYTES + 1];
    id_hex(doc->bytes, SHORT_ID_BYTES, hex);
    buf_addf(out, DOC_WORD "%s", hex);
}

/* Safe to show. `where`: of what has no path. */
static void add_name(const struct doc_entry *entry, const char *where, struct buf *out)
{
    enum { NAME_CELLS = 200 };
    unicode_safe_label(bytes_of_string(entry->path ? entry->path : entry->name ? entry->name : "new buffer"), NAME_CELLS, out);
    if (entry->path)
        return;
    buf_addf(out, " (%s: ", where);
    add_short_id(&entry->doc, out);
    buf_add_string(out, ")");
}

static bool print_entry(void *self, const struct doc_entry *entry)
{
    struct docs *docs = self;
    struct buf name = {0}, when = {0};
    bool from_before = is_from_before(docs, entry);
    char *path = env_journal_path(docs->env, &entry->doc);
    add_name(entry, from_before ? "before it was shared" : "in no file", &name);
    add_when(docs->env, entry, &when);
    printf("%-10s %8.1f kB  %-16s  %s\n", state_word(entry), (double)journal_file_bytes(path) / 1000, buf_string(&when),
           buf_string(&name));
    docs->any_in_no_file |= !entry->path && !from_before;
    docs->any_from_before |= from_before;
    buf_release(&name);
    buf_release(&when);
    free(path);
    return true;
}

/* What a weft has begun to keep, and the index does not know yet. */
static void print_left(void *self, const struct doc_entry *entry, bool takes_path)
{
    struct docs *docs = self;
    struct doc_entry known = {0};
    struct error ignored = {0};
    bool found = false;
    (void)takes_path;
    bool asked = docs->index && doc_index_find_doc(docs->index, &entry->doc, &known, &found, &ignored);
    if (!asked || !found)
        print_entry(docs, entry);
    doc_entry_release(&known);
}

/* The last that was typed before a power cut, say: nobody else would ever tell of it. */
static bool print_aside(void *self, const struct replica_aside *aside)
{
    enum { NAME_CELLS = 60, TYPED_CELLS = 200 };
    struct buf name = {0}, typed = {0};
    (void)self;
    if (!aside->doc) {
        printf("Set aside, for it cannot be read: %s. weft forget --all removes it.\n", aside->path);
        return false;
    }
    unicode_safe_label(bytes_of_string(aside->name), NAME_CELLS, &name);
    unicode_safe_label(aside->typed, TYPED_CELLS, &typed);
    printf("Set aside: %llu edit%s of %s, whose place in the text was lost with what came before: \"%s\" (%s). "
           "weft forget --force removes %s with the document.\n", (unsigned long long)aside->edits, aside->edits == 1 ? "" : "s",
           buf_string(&name), buf_string(&typed), aside->path, aside->edits == 1 ? "it" : "them");
    buf_release(&name);
    buf_release(&typed);
    return false;
}

int verb_docs_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    if (!verb_has_no_words("docs", args))
        return EXIT_USAGE;
    struct docs docs = {.env = env, .index = open_index(env, DOC_INDEX_READ, &err)};
    bool good = docs.index || err.code == ERR_MISSING; /* then the list is empty */
    good = good && (!docs.index || doc_index_recent(docs.index, 0, note_shared, &docs, &err));
    if (good)
        replica_visit_left(env, &(struct replica_left_visitor){&docs, print_left});
    good = good && (!docs.index || doc_index_recent(docs.index, 0, print_entry, &docs, &err));
    if (docs.any_from_before)
        puts("Before it was shared: how the text came to be until then. Nobody else gets that. "
             "weft forget " DOC_WORD "... removes it.");
    if (docs.any_in_no_file)
        puts("In no file: a buffer or a joined text that was never saved, or what a file had before another text took its place. "
             "weft forget " DOC_WORD "... removes one.");
    if (good)
        replica_visit_aside(env, &(struct replica_aside_visitor){.aside = print_aside});
    docs_release(&docs);
    return good ? EXIT_OK : verb_fail("docs", &err);
}

/* --- forget --- */

struct forgetting {
    struct env *env;
    struct doc_index *index;
    bool forced;    /* also what is shared or in no file */
    bool every_one; /* --all: also what was set aside and is nobody's */
    struct doc_entry *entries;
    bool *gone;     /* of each, once it is forgotten */
    size_t count, cap;
    struct buf kept; /* a line each: what is not taken, and why */
    bool any_open;   /* of that */
};

static void forgetting_release(struct forgetting *all)
{
    for (size_t i = 0; i < all->count; i++)
        doc_entry_release(&all->entries[i]);
    free(all->entries);
    free(all->gone);
    buf_release(&all->kept);
}

/* What cannot be read may be forgotten: nothing else would help. */
static bool is_in_file(struct env *env, const struct doc_entry *entry)
{
    struct error unreadable = {0};
    bool in_file = false;
    return !retention_is_in_file(env, entry, &in_file, &unreadable) || in_file;
}

static void take(struct forgetting *all, const struct doc_entry *entry)
{
    all->entries = xgrow(all->entries, &all->cap, all->count + 1, sizeof *all->entries);
    doc_entry_copy(&all->entries[all->count++], entry);
}

enum obstacle { FREE_TO_GO, IS_OPEN, IS_SHARED, HAS_ASIDE, HAS_EDITS };

static enum obstacle obstacle_of(const struct forgetting *all, const struct doc_entry *entry)
{
    if (replica_is_open_anywhere(all->env, &entry->doc))
        return IS_OPEN;
    if (all->forced)
        return FREE_TO_GO;
    if (entry->state == DOC_SHARED)
        return IS_SHARED;
    if (replica_has_aside(all->env, &entry->doc))
        return HAS_ASIDE;
    return is_in_file(all->env, entry) ? FREE_TO_GO : HAS_EDITS;
}

/* `word` is what a person called it, or what it is listed as. */
static char *why_kept(enum obstacle obstacle, const struct doc_entry *entry, const char *word)
{
    switch (obstacle) {
    case FREE_TO_GO:
        break;
    case IS_OPEN:
        return xformat("%s is open in another weft; leave that one first", word);
    case IS_SHARED:
        return xformat("%s is shared; weft unshare it first, or --force", word);
    case HAS_ASIDE:
        return xformat("%s has edits that were set aside and are in no file; weft docs shows them, --force forgets them", word);
    case HAS_EDITS:
        return entry->path ? xformat("%s has edits that are not in the file; weft %s shows them, --force forgets them",
                                     word, word)
                           : xformat("%s has edits that are in no file; --force forgets them", word);
    }
    return NULL;
}

static void note_kept(struct forgetting *all, enum obstacle obstacle, const struct doc_entry *entry)
{
    struct buf name = {0};
    add_name(entry, "in no file", &name);
    char *why = why_kept(obstacle, entry, buf_string(&name));
    buf_addf(&all->kept, "still here: %s\n", why);
    all->any_open |= obstacle == IS_OPEN;
    free(why);
    buf_release(&name);
}

static bool collect(void *self, const struct doc_entry *entry)
{
    struct forgetting *all = self;
    enum obstacle obstacle = obstacle_of(all, entry);
    if (obstacle == FREE_TO_GO)
        take(all, entry);
    else
        note_kept(all, obstacle, entry);
    return true;
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
    enum obstacle obstacle = obstacle_of(all, entry);
    char *why = why_kept(obstacle, entry, word), *question = NULL;
    if (obstacle == IS_SHARED)
        question = xformat("%s is shared: its keys and what was not sent go too. Forget it?", word);
    else if (obstacle == HAS_ASIDE)
        question = xformat("%s has edits that were set aside and are in no file. Forget all that is kept of it?", word);
    else if (obstacle == HAS_EDITS)
        question = xformat("%s has edits that are %s. Forget them?", word, entry->path ? "not in the file" : "in no file");
    bool may = obstacle == FREE_TO_GO || (question && confirm(question)) ||
               error_set(err, obstacle == IS_OPEN ? ERR_BUSY : ERR_USAGE, 0, "%s", why);
    free(question);
    free(why);
    return may;
}

/* --- what a word names --- */

struct by_id {
    const char *hex;
    struct doc_entry entry;
    size_t count; /* of those that begin so */
};

static bool match_id(void *self, const struct doc_entry *entry)
{
    struct by_id *search = self;
    char hex[2 * sizeof entry->doc.bytes + 1];
    id_hex(entry->doc.bytes, sizeof entry->doc.bytes, hex);
    if (strncmp(hex, search->hex, strlen(search->hex)) != 0)
        return true;
    if (search->count++ == 0)
        doc_entry_copy(&search->entry, entry);
    return true;
}

/* By "doc:1a2b3c4d", of as many digits as it takes. */
static bool find_by_id(struct doc_index *index, const char *word, struct doc_entry *entry, struct error *err)
{
    struct by_id search = {.hex = word + strlen(DOC_WORD)};
    bool good = doc_index_recent(index, 0, match_id, &search, err);
    *entry = search.entry;
    if (good && search.count == 0)
        return error_set(err, ERR_MISSING, 0, "no document here is %s; weft docs lists them", word);
    if (good && search.count > 1)
        return error_set(err, ERR_USAGE, 0, "%zu documents here begin with %s; name more of it", search.count, word);
    return good;
}

static bool find_by_path(struct forgetting *all, const char *word, struct doc_entry *entry, struct error *err)
{
    char *path = NULL;
    bool found = false;
    bool good = file_resolve(word, &path, err) && replica_index_find(all->env, all->index, path, entry, &found, err);
    free(path);
    return good && (found || error_set(err, ERR_MISSING, 0, "nothing is kept of %s", word));
}

static bool collect_word(struct forgetting *all, const char *word, struct error *err)
{
    struct doc_entry entry = {0};
    bool by_id = strncmp(word, DOC_WORD, strlen(DOC_WORD)) == 0 && word[strlen(DOC_WORD)];
    bool good = (by_id ? find_by_id(all->index, word, &entry, err) : find_by_path(all, word, &entry, err)) &&
                may_take(all, word, &entry, err);
    if (good)
        take(all, &entry);
    doc_entry_release(&entry);
    return good;
}

/* --- forgetting --- */

/* False and ERR_BUSY: somebody has opened it since it was looked at. */
static bool forget_one(struct forgetting *all, const struct doc_entry *entry, struct error *err)
{
    char *path = env_journal_path(all->env, &entry->doc);
    bool good = journal_forget(path, err) && doc_index_forget(all->index, &entry->doc, err);
    free(path);
    return good;
}

static bool is_known(const struct forgetting *all, const struct doc_id *doc)
{
    struct doc_entry entry = {0};
    struct error ignored = {0};
    bool found = false;
    bool asked = doc_index_find_doc(all->index, doc, &entry, &found, &ignored);
    doc_entry_release(&entry);
    return found || !asked;
}

static bool forget_aside(void *self, const struct replica_aside *aside)
{
    const struct forgetting *all = self;
    for (size_t i = 0; aside->doc && i < all->count; i++)
        if (all->gone[i] && doc_id_equal(&all->entries[i].doc, aside->doc))
            return true;
    return all->every_one && (!aside->doc || !is_known(all, aside->doc));
}

static bool forget_taken(struct forgetting *all, size_t *forgotten, struct error *err)
{
    all->gone = xcalloc(all->count + 1, sizeof *all->gone);
    for (size_t i = 0; i < all->count; i++) {
        const struct doc_entry *entry = &all->entries[i];
        if (forget_one(all, entry, err)) {
            all->gone[i] = true;
            ++*forgotten;
        } else if (err->code == ERR_BUSY) {
            note_kept(all, IS_OPEN, entry);
            *err = (struct error){0};
        } else {
            return false;
        }
    }
    replica_visit_aside(all->env, &(struct replica_aside_visitor){all, forget_aside});
    return doc_index_vacuum(all->index, err);
}

static bool forget(struct forgetting *all, const struct args *args, struct error *err)
{
    size_t forgotten = 0;
    bool good = true;
    all->every_one = args_flag(args, "--all");
    if (all->every_one)
        good = doc_index_recent(all->index, 0, collect, all, err);
    for (size_t i = 0; good && i < args->positional_count; i++)
        good = collect_word(all, args->positional[i], err);
    good = good && forget_taken(all, &forgotten, err);
    if (!good)
        return false;
    printf("forgot %zu document%s\n", forgotten, forgotten == 1 ? "" : "s");
    fputs(buf_string(&all->kept), stdout);
    return !all->any_open || error_set(err, ERR_BUSY, 0, "what is open in another weft is still here; leave that one first");
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
    struct forgetting all = {.env = env, .index = open_index(env, DOC_INDEX_CREATE, &err), .forced = args_flag(args, "--force")};
    bool good = all.index && forget(&all, args, &err);
    doc_index_close(all.index);
    forgetting_release(&all);
    return good ? EXIT_OK : verb_fail("forget", &err);
}
