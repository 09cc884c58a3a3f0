#include "app/retention.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/replica_journal.h"
#include "app/replica_parts.h"
#include "editor/base/xalloc.h"
#include "sync/journal_compact.h"

enum { DAY_S = 24 * 3600 };

/* --- which may go --- */

struct candidate {
    struct doc_id doc;
    uint64_t opened_s, bytes;
    bool was_shared; /* and may be again: what is not sealed in its outbox is sealed from its rows then */
};

struct candidates {
    struct env *env;
    struct candidate *items; /* longest unused first, once sorted */
    size_t count, cap;
    uint64_t bytes;
};

static bool collect(void *self, const struct doc_entry *entry)
{
    struct candidates *all = self;
    if (entry->state == DOC_SHARED)
        return true;
    char *path = env_journal_path(all->env, &entry->doc);
    struct candidate candidate = {entry->doc, entry->opened_s, journal_file_bytes(path), entry->state != DOC_PRIVATE};
    free(path);
    all->items = xgrow(all->items, &all->cap, all->count + 1, sizeof *all->items);
    all->items[all->count++] = candidate;
    all->bytes += candidate.bytes;
    return true;
}

static int compare(uint64_t left_s, const struct doc_id *left, uint64_t right_s, const struct doc_id *right)
{
    return left_s != right_s ? (left_s < right_s ? -1 : 1) : memcmp(left, right, sizeof *left);
}

static int by_age(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    return compare(left->opened_s, &left->doc, right->opened_s, &right->doc);
}

/* The first one that the last run did not come to. */
static size_t first_after(const struct candidates *all, const struct retention_place *place)
{
    size_t i = 0;
    while (i < all->count && compare(all->items[i].opened_s, &all->items[i].doc, place->opened_s, &place->doc) <= 0)
        i++;
    return i < all->count ? i : 0;
}

/* --- whether everything of it is in a file --- */

struct looked {
    bool in_file;
    uint64_t newest_place;
    uint64_t used_s; /* when it was last written to or saved; 0: not known */
};

static bool file_exists(const struct replica *replica)
{
    struct stat st;
    /*
     * Without a path it has been superseded: the file shows another document now, which began from its bytes. Where it did
     * not, the newest saved state says so.
     */
    return !replica->entry.path || stat(replica->entry.path, &st) == 0;
}

static bool is_in_file(struct replica *replica, struct looked *looked, struct error *err)
{
    struct journal_saved saved = {0};
    struct buf memory = {0};
    struct version now = {0}, then = {0}, nothing = {0};
    bool found = false;
    bool good = journal_saved_newest(replica->journal_found, &saved, &memory, &found, err);
    document_version(replica->document, &now);
    looked->in_file = good && found && replica->faults == 0 && replica_decode_version(replica, saved.version, &then) &&
                      version_equal(&now, &then) && file_exists(replica);
    looked->used_s = document_newest_s(replica->document, &nothing);
    if (found && saved.time_s > looked->used_s)
        looked->used_s = saved.time_s;
    version_release(&now);
    version_release(&then);
    buf_release(&memory);
    return good;
}

static bool look(struct env *env, const struct doc_id *doc, struct looked *looked, struct error *err)
{
    struct replica *replica = replica_new(env, &(struct replica_options){.reads_only = true, .alone = true});
    struct journal_stats stats;
    bool good = replica_find_doc(replica, doc, err) && replica_restore(replica, err) &&
                journal_stats(replica->journal_found, &stats, err) && is_in_file(replica, looked, err);
    if (good)
        looked->newest_place = stats.newest_place;
    replica_free(replica);
    return good;
}

static bool is_in_its_file(struct env *env, const char *path, bool *in_file, struct error *err)
{
    struct replica_options options = {.reads_only = true, .alone = true};
    struct replica_status status;
    struct error closing = {0};
    struct replica *replica = replica_open(env, path, (struct bytes){0}, &options, err);
    if (!replica)
        return false;
    replica_status(replica, net_now_ms(), &status);
    *in_file = status.in_file;
    return replica_close(replica, 0, NULL, &closing) || error_set(err, closing.code, closing.sys, "%s", closing.text);
}

bool retention_is_in_file(struct env *env, const struct doc_entry *entry, bool *in_file, struct error *err)
{
    struct looked looked = {0};
    if (entry->path)
        return is_in_its_file(env, entry->path, in_file, err);
    bool good = look(env, &entry->doc, &looked, err);
    *in_file = looked.in_file;
    return good;
}

/* --- making room --- */

/* What has edits in no file keeps them, in less space. */
static bool compact(struct env *env, const struct candidate *candidate, struct error *err)
{
    const struct doc_id *doc = &candidate->doc;
    char *path = env_journal_path(env, doc);
    struct journal *journal =
        journal_open_on(&env->device, (struct journal_spec){.path = path, .mode = JOURNAL_WRITE, .doc = *doc}, err);
    bool lives = false; /* then it is for who writes */
    bool good = journal && replica_writer_lives(env, journal, &lives, err) &&
                (lives || journal_compact_all(journal, candidate->was_shared, err));
    journal_close(journal);
    free(path);
    return good;
}

/* The journal first: an entry without one is harmless, the text is in the file. */
static bool forget(struct env *env, const struct doc_id *doc, const struct looked *looked, struct error *err)
{
    char *path = env_journal_path(env, doc), *index_path = paths_state_file(&env->paths, "index.db");
    bool good = journal_forget_unchanged(path, looked->newest_place, err);
    struct doc_index *index = good ? doc_index_open(index_path, DOC_INDEX_CREATE, &env->device, err) : NULL;
    good = index && doc_index_forget(index, doc, err);
    doc_index_close(index);
    free(index_path);
    free(path);
    return good;
}

static bool list(struct env *env, struct candidates *all, struct error *err)
{
    char *path = paths_state_file(&env->paths, "index.db");
    bool there = access(path, F_OK) == 0;
    struct doc_index *index = there && env_device(env, err) ? doc_index_open(path, DOC_INDEX_READ, &env->device, err) : NULL;
    bool good = !there || (index && doc_index_recent(index, 0, collect, all, err));
    doc_index_close(index);
    free(path);
    if (all->count)
        qsort(all->items, all->count, sizeof *all->items, by_age);
    return good;
}

/* The index did not hear of it: the next run knows how old it is. */
static void put_right(struct env *env, const struct doc_id *doc, uint64_t used_s)
{
    struct error err = {0};
    char *path = paths_state_file(&env->paths, "index.db");
    struct doc_index *index = doc_index_open(path, DOC_INDEX_CREATE, &env->device, &err);
    bool good = index && doc_index_touch(index, doc, used_s, &err);
    (void)good; /* then it is looked at again */
    doc_index_close(index);
    free(path);
}

static bool is_old(const struct retention *retention, uint64_t used_s)
{
    return used_s + retention->seconds_max < retention->now_s;
}

/* True when the document is gone. */
static bool treat(struct candidates *all, const struct candidate *candidate, const struct retention *retention)
{
    struct env *env = all->env;
    struct looked looked;
    struct error why = {0}; /* open elsewhere, damaged: it stays, the others may go */
    if (!look(env, &candidate->doc, &looked, &why))
        return false;
    if (is_old(retention, candidate->opened_s) && !is_old(retention, looked.used_s)) {
        put_right(env, &candidate->doc, looked.used_s);
        return false;
    }
    bool goes = looked.in_file && !replica_has_aside(env, &candidate->doc);
    if (!(goes ? forget(env, &candidate->doc, &looked, &why) : compact(env, candidate, &why)))
        return false;
    char *path = env_journal_path(env, &candidate->doc);
    all->bytes -= candidate->bytes - journal_file_bytes(path);
    free(path);
    return goes;
}

bool retention_run(struct env *env, const struct retention *retention, struct retention_place *place, size_t *forgotten,
                   struct error *err)
{
    struct candidates all = {.env = env};
    size_t looked_at = 0, n = 0;
    *forgotten = 0;
    bool good = list(env, &all, err);
    size_t first = first_after(&all, place);
    for (; good && n < all.count && looked_at < retention->documents_max; n++) {
        const struct candidate *candidate = &all.items[(first + n) % all.count];
        if (!is_old(retention, candidate->opened_s) && all.bytes <= retention->bytes_max)
            continue;
        looked_at++;
        *place = (struct retention_place){candidate->opened_s, candidate->doc};
        *forgotten += treat(&all, candidate, retention);
    }
    if (n == all.count)
        *place = (struct retention_place){0};
    free(all.items);
    return good;
}

/* --- once a day --- */

/* Where the last run stopped; a file that says nothing, or nonsense: at the beginning. */
static void read_place(const char *mark, struct retention_place *place)
{
    enum { PLACE_BYTES_MAX = 64 };
    struct buf content = {0};
    struct error ignored = {0};
    *place = (struct retention_place){0};
    if (file_read_small(mark, PLACE_BYTES_MAX, &content, &ignored)) {
        struct reader reader = reader_of(buf_view(&content));
        place->opened_s = read_varint(&reader);
        read_into(&reader, &place->doc, sizeof place->doc);
        if (!reader_done(&reader))
            *place = (struct retention_place){0};
    }
    buf_release(&content);
}

static bool write_place(const char *mark, const struct retention_place *place, struct error *err)
{
    struct buf content = {0};
    buf_add_varint(&content, place->opened_s);
    buf_add(&content, &place->doc, sizeof place->doc);
    bool good = file_write_private(mark, buf_view(&content), err);
    buf_release(&content);
    return good;
}

/* The time of the mark tells when it was done last. */
static bool is_due(const char *mark, uint64_t now_s)
{
    struct stat st;
    return stat(mark, &st) != 0 || (uint64_t)st.st_mtime + DAY_S <= now_s || (uint64_t)st.st_mtime > now_s;
}

void retention_at_exit(struct env *env, uint64_t now_s)
{
    struct error err = {0};
    struct retention retention = {.now_s = now_s, .seconds_max = (uint64_t)RETENTION_DAYS * DAY_S,
                                  .bytes_max = (uint64_t)RETENTION_MEGABYTES << 20,
                                  .documents_max = RETENTION_DOCUMENTS_A_RUN};
    struct retention_place place;
    size_t forgotten;
    char *docs = paths_state_file(&env->paths, "docs"), *mark = paths_state_file(&env->paths, "swept");
    bool kept_anything = access(docs, F_OK) == 0;
    read_place(mark, &place);
    if (kept_anything && is_due(mark, now_s) && write_place(mark, &place, &err)) { /* first: another one ends just now */
        bool good = retention_run(env, &retention, &place, &forgotten, &err) && write_place(mark, &place, &err);
        (void)good; /* tomorrow again */
        char *agents = paths_state_file(&env->paths, "agents");
        agent_lock_sweep(agents);
        free(agents);
    }
    free(docs);
    free(mark);
}
