/*
 * A document that goes on with another one's text: sharing begins one (replica_share.c), and every window of this person that has
 * the file open goes over into it by itself.
 *
 * The new document's journal says where it comes from (app/origin.h): which document was before, and at which version of that one
 * the text was that the new one began with. What is typed into the former one after that, by a window that has not heard yet or
 * was killed before it had, is a branch: whoever has the new document open brings it over (replica_former.c), as an edit made at
 * the version here that has the same text. So both versions of the origin move on together.
 *
 *      the former   ------- V ----- "and" ---- W          by a window that had not heard
 *                           :                  :
 *      the new one        base ---- "and" ---- X
 *                             \---- "now" ------\-----    by those who had
 *
 *   1  all that the window which shares has typed is in the former's journal
 *   2  the new journal: base text, genesis, what is in the file, origin; one transaction, synced
 *   3  the index: all paths of the former show the new one; one transaction
 *   4  the doorbell is rung; who hears it, or looks at the index after its opening, writes what it has to the former's journal
 *      and goes over
 *   5  bringing over
 *
 * Killed before 3, the file has its old document still, and a journal that nobody knows lies among the others. Killed later,
 * everything is in one of the two journals, and the next opening does 5.
 *
 * A window that was stopped may find that the document which goes on with its own has a successor in its turn (shared, unshared,
 * shared again). It goes over from one to the next, so that what it typed goes all the way along.
 */
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_parts.h"
#include "app/replica_succession.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/origin.h"
#include "editor/base/xalloc.h"

enum {
    AGAIN_MS = 250,
    SUCCESSORS_MAX = 64, /* followed from one to the next */
};

/* --- making the successor --- */

struct founding {
    struct replica *replica;
    struct journal *former; /* NULL: it has none yet */
    struct journal *journal;
    struct error *err;
    bool failed; /* at one of the paths */
};

static bool is_in_file(const struct replica *replica)
{
    const struct file_side *file = &replica->file;
    struct version now = {0};
    document_version(replica->document, &now);
    bool in_file = !file->origin_unknown && (version_equal(&now, &file->version) ||
                                             replica_same_text(replica->buffer.text, file->text));
    version_release(&now);
    return in_file;
}

/* A name of the file that is saved with the text that ours has there. */
static bool put_saved(const struct founding *founding, const char *path)
{
    const struct file_side *file = &founding->replica->file;
    struct version version = {0}; /* the base text's */
    struct file_side nowhere = {0};
    struct buf encoded = {0};
    if (!is_in_file(founding->replica)) {
        replica_file_is_no_version(&nowhere);
        version_copy(&version, &nowhere.version);
    }
    version_encode(&version, &encoded);
    struct journal_saved saved = {.path = path, .dev = file->stamp.dev, .ino = file->stamp.ino,
                                  .size = file->stamp.exists ? file->stamp.size : 0, .mtime_ns = file->stamp.mtime_ns,
                                  .time_s = (uint64_t)time(NULL), .hash = file->hash, .version = buf_view(&encoded)};
    bool good = journal_saved_put(founding->journal, &saved, founding->err);
    version_release(&version);
    version_release(&nowhere.version);
    buf_release(&encoded);
    return good;
}

/* A name of another file that the document was saved to: what was saved there is no version of the new one. */
static bool put_saved_elsewhere(const struct founding *founding, const char *path)
{
    struct journal_saved saved = {0};
    struct buf memory = {0}, encoded = {0};
    struct file_side nowhere = {0};
    bool found = false;
    bool good = !founding->former || journal_saved_get(founding->former, path, &saved, &memory, &found, founding->err);
    if (good && found) {
        replica_file_is_no_version(&nowhere);
        version_encode(&nowhere.version, &encoded);
        saved.path = path;
        saved.version = buf_view(&encoded);
        good = journal_saved_put(founding->journal, &saved, founding->err);
    }
    version_release(&nowhere.version);
    buf_release(&memory);
    buf_release(&encoded);
    return good;
}

static bool put_saved_of_path(void *self, const char *path, uint64_t dev, uint64_t ino)
{
    struct founding *founding = self;
    const struct file_side *file = &founding->replica->file;
    bool own = file->path && strcmp(path, file->path) == 0;
    bool linked = ino && dev == file->stamp.dev && ino == file->stamp.ino;
    founding->failed = !own && !(linked ? put_saved(founding, path) : put_saved_elsewhere(founding, path));
    return !founding->failed;
}

/* What is known of the file, by all its names. */
static bool put_files(struct founding *founding)
{
    struct replica *replica = founding->replica;
    struct file_side *file = &replica->file;
    struct doc_index *index;
    if (file->text && !file->hash_known) {
        replica_hash_text(file->text, &file->hash);
        file->hash_known = true;
    }
    if (file->path && file->text && !put_saved(founding, file->path))
        return false;
    if (!replica->indexed)
        return true;
    if (!replica_open_index(replica, DOC_INDEX_READ, &index, founding->err))
        return false;
    bool good = doc_index_paths(index, &replica->entry.doc, put_saved_of_path, founding, founding->err);
    doc_index_close(index);
    return good && !founding->failed;
}

/* Nothing comes from a document that nothing was ever typed into. */
static bool put_origin(const struct founding *founding)
{
    const struct replica *replica = founding->replica;
    struct version now = {0}, nothing = {0};
    struct buf there = {0}, here = {0}, encoded = {0};
    if (!replica->indexed)
        return true;
    document_version(replica->document, &now);
    replica_encode_version(replica, &now, &there);
    version_encode(&nothing, &here);
    struct origin origin = {.doc = replica->entry.doc, .there = buf_view(&there), .here = buf_view(&here)};
    origin_encode(&origin, &encoded);
    bool good = origin_put(founding->journal, buf_view(&encoded), founding->err);
    version_release(&now);
    buf_release(&there);
    buf_release(&here);
    buf_release(&encoded);
    return good;
}

static bool found_all(struct founding *founding, struct bytes genesis)
{
    struct journal *journal = founding->journal;
    if (!journal_begin(journal, founding->err))
        return false;
    if (replica_put_base(journal, founding->replica->buffer.text, founding->err) &&
        journal_note_put(journal, "genesis", genesis, founding->err) && put_files(founding) && put_origin(founding))
        return journal_commit(journal, founding->err) && journal_sync(journal, founding->err);
    journal_rollback(journal);
    return false;
}

struct journal *replica_journal_here(struct replica *replica, struct error *err)
{
    if (replica->journal_found)
        return replica->journal_found;
    return replica->indexed && replica_open_reader(replica, err) ? replica->reader : NULL;
}

static bool make_journal(struct replica *replica, const struct doc_entry *next, const char *path, struct bytes genesis,
                         struct error *err)
{
    char *dir = paths_state_file(&replica->env->paths, "docs");
    struct journal_spec spec = {.path = path, .mode = JOURNAL_CREATE, .doc = next->doc, .now_s = next->created_s};
    struct founding founding = {.replica = replica, .err = err};
    bool good = env_device(replica->env, err) && file_make_dirs(dir, err);
    founding.former = good ? replica_journal_here(replica, err) : NULL;
    good = good && (founding.former || !replica->indexed);
    founding.journal = good ? journal_open_on(&replica->env->device, spec, err) : NULL;
    good = founding.journal && found_all(&founding, genesis);
    journal_close(founding.journal);
    free(dir);
    return good;
}

static enum doc_index_put enter(struct replica *replica, const struct doc_entry *next, struct doc_id *other, struct error *err)
{
    struct doc_index *index;
    if (!replica_open_index(replica, DOC_INDEX_CREATE, &index, err))
        return DOC_INDEX_FAILED;
    enum doc_index_put put = doc_index_succeed(index, &replica->entry.doc, next, other, err);
    doc_index_close(index);
    return put;
}

enum doc_index_put replica_succeed(struct replica *replica, const struct doc_entry *next, struct bytes genesis,
                                   struct doc_id *other, struct error *err)
{
    struct error ignored = {0};
    const struct file_side *file = &replica->file;
    struct doc_entry entry;
    doc_entry_copy(&entry, next);
    entry.dev = file->stamp.dev;
    entry.ino = file->stamp.ino;
    char *path = env_journal_path(replica->env, &next->doc);
    enum doc_index_put put = DOC_INDEX_FAILED;
    if (make_journal(replica, next, path, genesis, err)) {
        entry.content_known = file->hash_known;
        entry.content = file->hash;
        put = enter(replica, &entry, other, err);
    }
    bool removed = put == DOC_INDEX_PUT || journal_forget(path, &ignored);
    (void)removed; /* nobody knows of it */
    doc_entry_release(&entry);
    free(path);
    return put;
}

/* --- going over --- */

/* Which document that one goes on with. False: none, or it cannot be read now. */
static bool origin_of(const struct replica *replica, const struct doc_id *doc, struct doc_id *former)
{
    struct error ignored = {0};
    struct origin origin = {0};
    bool found = false;
    char *path = env_journal_path(replica->env, doc);
    struct journal *journal = journal_open_on(&replica->env->device,
                                              (struct journal_spec){.path = path, .mode = JOURNAL_READ, .doc = *doc}, &ignored);
    bool has = journal && origin_read(journal, &origin, &found, &ignored) && found;
    *former = origin.doc;
    journal_close(journal);
    origin_release(&origin);
    free(path);
    return has;
}

static bool find_entry(struct replica *replica, const struct doc_id *doc, struct doc_entry *entry)
{
    struct doc_index *index;
    struct error ignored = {0};
    bool found = false;
    if (!replica_open_index(replica, DOC_INDEX_READ, &index, &ignored))
        return false;
    bool good = doc_index_find_doc(index, doc, entry, &found, &ignored);
    doc_index_close(index);
    return good && found;
}

/*
 * Whether *last, which our path shows, goes on with our document, be it by way of others: *last becomes the first of them. One
 * that cannot be read now does not, for now.
 */
static bool goes_on_with(struct replica *replica, struct doc_entry *last)
{
    struct doc_id next = last->doc, former;
    for (int i = 0; i < SUCCESSORS_MAX && origin_of(replica, &next, &former); i++) {
        if (doc_id_equal(&former, &replica->entry.doc))
            return doc_id_equal(&next, &last->doc) || find_entry(replica, &next, last);
        next = former;
    }
    return false;
}

/* The entry that our path shows, if it is another document's. */
static bool find_other(struct replica *replica, struct doc_entry *entry, bool *found, struct error *err)
{
    struct doc_index *index;
    *found = false;
    if (!replica->file.path || !replica_open_index(replica, DOC_INDEX_READ, &index, err))
        return !replica->file.path;
    bool good = doc_index_find_path(index, replica->file.path, entry, found, err);
    doc_index_close(index);
    *found = *found && !doc_id_equal(&entry->doc, &replica->entry.doc);
    return good;
}

/* What it came to may not be what the path shows yet, so that is looked at again. Takes the entry. */
static void go_over(struct replica *replica, struct doc_entry *next)
{
    replica_go_over(replica, next);
    replica_enter_room(replica);
    replica_look_for_successor(replica);
}

bool replica_follow_path(struct replica *replica, struct error *err)
{
    struct doc_entry other = {0};
    bool found = false;
    bool good = find_other(replica, &other, &found, err);
    if (good && found && replica->indexed && goes_on_with(replica, &other)) {
        go_over(replica, &other);
    } else if (good && found) {
        struct doc_id doc = other.doc;
        replica_adopt(replica, &doc);
    }
    doc_entry_release(&other);
    return good;
}

/* Without waiting for it: keys are. */
static bool is_all_in_journal(struct replica *replica)
{
    struct journal_writer_state state;
    if (!replica->writer)
        return true;
    journal_writer_state(replica->writer, &state);
    return state.committed >= state.issued && !replica->file.saving;
}

static void go_where_the_path_leads(struct replica *replica)
{
    struct doc_entry other = {0};
    struct error ignored = {0}; /* nothing is lost by not knowing: what is typed here is brought over all the same */
    bool found = false;
    if (!find_other(replica, &other, &found, &ignored) || !found || !goes_on_with(replica, &other)) {
        doc_entry_release(&other);
        return;
    }
    if (is_all_in_journal(replica))
        go_over(replica, &other);
    else
        replica_succession_again(replica);
    doc_entry_release(&other);
}

/* --- when --- */

void replica_look_for_successor(struct replica *replica)
{
    replica->succession_due = true;
}

void replica_succession_again(struct replica *replica)
{
    replica->succession_ms = net_now_ms() + AGAIN_MS;
}

void replica_succession_handle(struct replica *replica, uint64_t now_ms)
{
    bool due = replica->succession_due || (replica->succession_ms && now_ms >= replica->succession_ms);
    if (!due)
        return;
    replica->succession_due = false;
    replica->succession_ms = 0;
    if (replica->is_private || replica->reads_only || !replica->indexed || replica->joining || replica->ahead ||
        replica->unmerged || replica->moving || replica->closing)
        return;
    go_where_the_path_leads(replica);
    if (replica->may_have_former)
        replica_bring_over(replica, false);
}

uint64_t replica_succession_next_ms(const struct replica *replica)
{
    if (replica->succession_due)
        return 0;
    return replica->succession_ms ? replica->succession_ms : UINT64_MAX;
}
