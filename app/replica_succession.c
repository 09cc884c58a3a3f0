/*
 * A document that goes on with another one's text: sharing begins one (replica_share.c), and every window of this person that has
 * the file open goes over into it by itself.
 *
 * The new document's journal says where it comes from (struct origin): which document was before, and at which version of that one
 * the text was that the new one began with. What is typed into the former one after that, by a window that has not heard yet or was
 * killed before it had, is a branch: whoever has the new document open brings it over, as an edit made at the version here that
 * has the same text. So both versions of the origin move on together.
 *
 *      the former   ------- V ----- "and" ---- W          by a window that had not heard
 *                           :                  :
 *      the new one        base ---- "and" ---- X
 *                             \---- "now" ------\-----    by those who had
 *
 *   1  all that the window which shares has typed is in the former's journal
 *   2  the new journal: base text, genesis, what is in the file, origin; one transaction, synced
 *   3  the index: all paths of the former show the new one; one transaction
 *   4  the doorbell is rung; who hears it, or looks at the index after its opening, writes what it has to the former's journal and
 *      goes over
 *   5  bringing over: a claim in the new journal, then the edit's rows and the origin's next versions in one transaction
 *
 * Killed before 3, the file has its old document still, and a journal that nobody knows lies among the others. Killed later,
 * everything is in one of the two journals, and the next opening does 5. The claim is by the origin as it was, so of several
 * processes one brings a piece over, and one that dies between claim and rows is followed by another.
 *
 * That ends: once a minute has gone by since the beginning and no process that wrote to the former is alive, nothing can come any
 * more. Then the former's journal hears that its text is in another place, so that it need not be kept for it.
 */
#include "app/replica_parts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

enum {
    ORIGIN_FORMAT = 1,
    STARTING_S = 60, /* from having looked into the index to looking again after the first frame takes no process so long */
    AGAIN_MS = 250,
    SOON_MS = 50,
    PIECES_MAX = 16, /* brought over in one turn */
};

static const char note_name[] = "origin";

/* --- the origin --- */

struct origin {
    struct doc_id doc;  /* the former one */
    bool is_over;       /* nothing comes from there any more */
    uint64_t place;     /* the rows of its journal up to here have been looked at */
    struct bytes there; /* its version that has been brought over, as others name it; a view into `encoded` */
    struct bytes here;  /* our version with the same text; likewise */
    struct buf encoded;
};

static void encode_origin(const struct origin *origin, struct buf *out)
{
    buf_add_byte(out, ORIGIN_FORMAT);
    buf_add(out, origin->doc.bytes, sizeof origin->doc.bytes);
    buf_add_byte(out, origin->is_over);
    buf_add_varint(out, origin->place);
    buf_add_sized(out, origin->there);
    buf_add_sized(out, origin->here);
}

/* What is in origin->encoded. */
static bool decode_origin(struct origin *origin, struct error *err)
{
    struct reader reader = reader_of(buf_view(&origin->encoded));
    unsigned char format = read_byte(&reader);
    read_into(&reader, origin->doc.bytes, sizeof origin->doc.bytes);
    origin->is_over = read_byte(&reader);
    origin->place = read_varint(&reader);
    origin->there = read_sized(&reader, JOURNAL_VERSION_BYTES_MAX);
    origin->here = read_sized(&reader, JOURNAL_VERSION_BYTES_MAX);
    return (format == ORIGIN_FORMAT && reader_done(&reader)) ||
           error_set(err, ERR_FORMAT, 0, "what it says of the document before it is damaged");
}

/* *origin is zero; release it in any case. */
static bool read_origin(struct journal *journal, struct origin *origin, bool *found, struct error *err)
{
    return journal_note_get(journal, note_name, &origin->encoded, found, err) && (!*found || decode_origin(origin, err));
}

static void origin_release(struct origin *origin)
{
    buf_release(&origin->encoded);
}

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
    bool in_file = !file->origin_unknown && (version_equal(&now, &file->version) || replica_same_text(replica->buffer.text, file->text));
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
    encode_origin(&origin, &encoded);
    bool good = journal_note_put(founding->journal, note_name, buf_view(&encoded), founding->err);
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

/* The journal to read our document's rows and notes from; NULL: there is none yet, or *err. */
static struct journal *journal_here(struct replica *replica, struct error *err)
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
    founding.former = good ? journal_here(replica, err) : NULL;
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

/* Whether that document goes on with ours. One that cannot be read now does not, for now. */
static bool goes_on_with(const struct replica *replica, const struct doc_entry *next)
{
    struct error ignored = {0};
    struct origin origin = {0};
    bool found = false;
    char *path = env_journal_path(replica->env, &next->doc);
    struct journal *journal = journal_open_on(&replica->env->device,
                                              (struct journal_spec){.path = path, .mode = JOURNAL_READ, .doc = next->doc}, &ignored);
    bool goes_on = journal && read_origin(journal, &origin, &found, &ignored) && found &&
                   doc_id_equal(&origin.doc, &replica->entry.doc);
    journal_close(journal);
    origin_release(&origin);
    free(path);
    return goes_on;
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

bool replica_follow_path(struct replica *replica, struct error *err)
{
    struct doc_entry other = {0};
    bool found = false;
    bool good = find_other(replica, &other, &found, err);
    if (good && found && replica->indexed && goes_on_with(replica, &other)) {
        replica_go_over(replica, &other);
        replica_enter_room(replica);
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

static void look_again(struct replica *replica)
{
    replica->succession_ms = net_now_ms() + AGAIN_MS;
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
    if (is_all_in_journal(replica)) {
        replica_go_over(replica, &other);
        replica_enter_room(replica);
    } else {
        look_again(replica);
    }
    doc_entry_release(&other);
}

/* --- bringing over --- */

/* The former document as it is now. */
struct former {
    struct doc_entry entry;
    struct replica *replica; /* read-only */
    uint64_t place;          /* its newest row; what is in `replica` is at least as new */
};

static void former_release(struct former *former)
{
    if (former->replica)
        replica_free(former->replica);
    doc_entry_release(&former->entry);
}

static bool find_former(struct replica *replica, const struct doc_id *doc, struct former *former, bool *found, struct error *err)
{
    struct doc_index *index;
    if (!replica_open_index(replica, DOC_INDEX_READ, &index, err))
        return false;
    bool good = doc_index_find_doc(index, doc, &former->entry, found, err);
    doc_index_close(index);
    return good;
}

static struct journal *open_former(const struct replica *replica, const struct former *former, enum journal_mode mode,
                                   struct error *err)
{
    char *path = env_journal_path(replica->env, &former->entry.doc);
    struct journal_spec spec = {.path = path, .mode = mode, .doc = former->entry.doc};
    struct journal *journal = journal_open_on(&replica->env->device, spec, err);
    free(path);
    return journal;
}

/* What its newest row is, and whether a process that has written to it is alive. */
static bool look_at_former(const struct replica *replica, struct former *former, bool *lives, struct error *err)
{
    struct journal_stats stats = {0};
    struct journal *journal = open_former(replica, former, JOURNAL_READ, err);
    bool good = journal && replica_writer_lives(replica->env, journal, lives, err) && journal_stats(journal, &stats, err);
    former->place = stats.newest_place;
    journal_close(journal);
    return good;
}

static bool load_former(const struct replica *replica, struct former *former, struct error *err)
{
    former->replica = replica_new(replica->env, &(struct replica_options){.reads_only = true, .alone = true});
    doc_entry_copy(&former->replica->entry, &former->entry);
    former->replica->indexed = true;
    return replica_restore(former->replica, err) &&
           (!former->replica->base_lost || error_set(err, ERR_MISSING, 0, "the text it began with is gone"));
}

/* One transaction of the writer's thread. */
struct origin_job {
    struct buf was, next; /* of the note */
    struct outgoing_rows rows; /* what is brought over; count 0: nothing */
    uint64_t now_s;
};

static bool put_brought(const struct origin_job *job, struct journal *journal, struct error *err)
{
    struct journal_import import = {.version = buf_view(&job->was)};
    if (!outgoing_rows_put(&job->rows, journal, job->now_s, err))
        return false;
    return journal_import_done(journal, &import, err);
}

/* The note is another one by now where another process was faster, which with rows cannot be: they are claimed. */
static bool run_origin_job(void *self, struct journal *journal, struct error *err)
{
    const struct origin_job *job = self;
    struct buf is = {0};
    bool found = false;
    bool good = journal_note_get(journal, note_name, &is, &found, err);
    bool as_was = good && found && bytes_equal(buf_view(&is), buf_view(&job->was));
    buf_release(&is);
    if (!good || (!as_was && !job->rows.count))
        return good;
    return (!job->rows.count || put_brought(job, journal, err)) && journal_note_put(journal, note_name, buf_view(&job->next), err);
}

static void origin_job_done(void *self, const struct journal_result *result)
{
    struct origin_job *job = self;
    outgoing_rows_hand_on(&job->rows, result->ok);
    buf_release(&job->was);
    buf_release(&job->next);
    free(job);
}

static struct origin_job *origin_job_new(const struct origin *was, const struct origin *next)
{
    struct origin_job *job = xcalloc(1, sizeof *job);
    buf_add_bytes(&job->was, buf_view(&was->encoded));
    encode_origin(next, &job->next);
    job->now_s = (uint64_t)time(NULL);
    return job;
}

static void give_origin_job(struct replica *replica, struct origin_job *job)
{
    replica_begin_writing(replica);
    replica->last_ticket = journal_writer_run(replica->writer, run_origin_job, job, (struct journal_done){origin_job_done, job});
}

/* The same origin, further on in what was looked at. */
static void note_looked_at(struct replica *replica, const struct origin *origin, uint64_t place, bool is_over)
{
    struct origin next = *origin;
    next.place = place;
    next.is_over = is_over;
    give_origin_job(replica, origin_job_new(origin, &next));
}

/* `patch`, from the text of `at` on, as events of a fresh agent that had seen nothing else of this document. */
static bool record(struct replica *replica, const struct origin *origin, const struct former *former, const struct version *at,
                   const struct patch *patch, struct error *err)
{
    struct version now = {0}, here = {0};
    struct batch_list batches = {0};
    struct buf there_now = {0}, here_now = {0};
    struct agent_id agent;
    struct edit_mark mark = {.gesture = true, .time_s = (uint64_t)time(NULL)};
    crypto_random(&agent, sizeof agent);
    replica_update_text(replica);
    bool good = document_local_at(replica->document, &agent, at, patch, mark, &batches, err);
    if (good) {
        ensure(batches.count > 0);
        const struct batch *last = &batches.items[batches.count - 1];
        replica_add_mine(replica, &agent);
        replica_update_text(replica);
        version_set(&here, (struct event_id){agent, last->seq0 + last->count - 1});
        document_version(former->replica->document, &now);
        replica_encode_version(former->replica, &now, &there_now);
        version_encode(&here, &here_now);
        struct origin next = {.doc = origin->doc, .place = former->place, .there = buf_view(&there_now), .here = buf_view(&here_now)};
        struct origin_job *job = origin_job_new(origin, &next);
        job->rows = outgoing_rows_of(replica, &agent, &batches);
        give_origin_job(replica, job);
    }
    version_release(&now);
    version_release(&here);
    buf_release(&there_now);
    buf_release(&here_now);
    batch_list_release(&batches);
    return good;
}

enum brought {
    BROUGHT_ALL,
    BROUGHT_PIECE, /* there may be more */
    BROUGHT_LATER, /* another process is at it */
    BROUGHT_NOT,   /* *err says why */
};

/* In turn with other processes of ours. */
static enum brought bring_claimed(struct replica *replica, const struct origin *origin, const struct former *former,
                                  const struct version *at, const struct patch *patch, struct error *err)
{
    struct journal_import import = {.version = buf_view(&origin->encoded)};
    switch (replica_claim_import(replica, &import, err)) {
    case TURN_OURS:
        return record(replica, origin, former, at, patch, err) ? BROUGHT_PIECE : BROUGHT_NOT;
    case TURN_TAKEN:
        replica_read_rows(replica);
        return BROUGHT_PIECE;
    case TURN_LATER:
        break;
    }
    return BROUGHT_LATER;
}

/* There is something new in the former document. */
static enum brought bring_piece(struct replica *replica, const struct origin *origin, const struct former *former,
                                struct error *err)
{
    struct version there = {0}, here = {0};
    struct patch patch = {0};
    enum brought brought = BROUGHT_ALL;
    bool known = replica_decode_version(former->replica, origin->there, &there) &&
                 document_patch_since(former->replica->document, &there, &patch);
    if (!known) {
        error_set(err, ERR_MISSING, 0, "its journal has lost rows");
        brought = BROUGHT_NOT;
    } else if (!replica_decode_version(replica, origin->here, &here)) {
        replica_read_rows(replica); /* another process has brought over the piece before */
        brought = BROUGHT_LATER;
    } else if (patch_is_empty(&patch)) {
        note_looked_at(replica, origin, former->place, false);
    } else {
        brought = bring_claimed(replica, origin, former, &here, &patch, err);
    }
    version_release(&there);
    version_release(&here);
    patch_release(&patch);
    return brought;
}

/* What it had goes on here: it need not be kept for its text (app/retention.h). */
static void release_former(const struct replica *replica, const struct origin *origin, const struct former *former)
{
    struct error ignored = {0}; /* then it is kept */
    struct journal *journal = open_former(replica, former, JOURNAL_WRITE, &ignored);
    struct journal_saved saved = {.path = "", .time_s = (uint64_t)time(NULL), .version = origin->there};
    bool put = journal && journal_saved_put(journal, &saved, &ignored);
    (void)put;
    journal_close(journal);
}

static bool may_be_over(const struct replica *replica, bool lives)
{
    return !lives && (uint64_t)time(NULL) > replica->entry.shared_s + STARTING_S;
}

static enum brought bring_from(struct replica *replica, const struct origin *origin, struct former *former, bool came,
                               struct error *err)
{
    bool lives;
    if (!look_at_former(replica, former, &lives, err))
        return err->code == ERR_MISSING ? BROUGHT_ALL : BROUGHT_NOT; /* nothing was written to it, or it is forgotten */
    if (former->place > origin->place) {
        replica_begin_writing(replica);
        if (!replica_flush(replica, err) || !load_former(replica, former, err))
            return BROUGHT_NOT;
        return bring_piece(replica, origin, former, err);
    }
    if (!came && may_be_over(replica, lives)) {
        release_former(replica, origin, former);
        note_looked_at(replica, origin, former->place, true);
        replica->may_have_former = false;
    }
    return BROUGHT_ALL;
}

static enum brought bring(struct replica *replica, bool came, struct error *err)
{
    struct origin origin = {0};
    struct former former = {0};
    bool found = false;
    enum brought brought = BROUGHT_NOT;
    struct journal *journal = journal_here(replica, err);
    bool read = journal && read_origin(journal, &origin, &found, err);
    if (!read && err->code == ERR_MISSING)
        brought = BROUGHT_LATER; /* another process is just making it */
    if (read) {
        bool is_over = !found || (origin.is_over && !came);
        if (!is_over && find_former(replica, &origin.doc, &former, &found, err)) {
            /* Back in a room of its own it is nothing of ours any more. */
            is_over = !found || former.entry.state == DOC_SHARED;
            brought = is_over ? BROUGHT_ALL : bring_from(replica, &origin, &former, came, err);
        }
        if (is_over) {
            brought = BROUGHT_ALL;
            replica->may_have_former = false;
        }
    }
    origin_release(&origin);
    former_release(&former);
    return brought;
}

void replica_bring_over(struct replica *replica, bool came)
{
    struct error err = {0};
    enum brought brought = BROUGHT_PIECE;
    for (int i = 0; brought == BROUGHT_PIECE && i < PIECES_MAX; i++)
        brought = bring(replica, came, &err);
    if (brought != BROUGHT_ALL)
        look_again(replica);
    if (brought != BROUGHT_NOT || replica->succession_said)
        return;
    replica->succession_said = true;
    replica_say(replica, "What another window typed into %s before it went over here cannot be brought over yet: %s. weft docs lists "
                         "it.", replica->label, err.text);
}

/* --- when --- */

void replica_look_for_successor(struct replica *replica)
{
    replica->succession_due = true;
}

void replica_look_at_former(struct replica *replica)
{
    if (replica->may_have_former && !replica->succession_ms)
        replica->succession_ms = net_now_ms() + SOON_MS;
}

void replica_succession_handle(struct replica *replica, uint64_t now_ms)
{
    bool due = replica->succession_due || (replica->succession_ms && now_ms >= replica->succession_ms);
    if (!due)
        return;
    replica->succession_due = false;
    replica->succession_ms = 0;
    if (replica->is_private || replica->reads_only || !replica->indexed || replica->joining || replica->ahead || replica->moving || replica->closing)
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
