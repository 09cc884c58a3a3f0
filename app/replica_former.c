/*
 * What is typed into the document before this one (replica_succession.c), after this one began with its text: brought over, piece
 * by piece, by whoever has this one open. A claim in the journal here, then the edit's rows and the origin's next versions in one
 * transaction. The claim is by the origin as it was, so of several processes one brings a piece over, and one that dies between
 * claim and rows is followed by another.
 *
 * That ends: once a minute has gone by since the beginning and no process that wrote to the former is alive, nothing can come any
 * more. Then the former's journal hears that its text is in another place, so that it need not be kept for it.
 */
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_parts.h"
#include "app/replica_succession.h"

#include <stdlib.h>
#include <time.h>

#include "app/origin.h"
#include "editor/base/xalloc.h"

enum {
    STARTING_S = 60, /* from having looked into the index to looking again after the first frame takes no process so long */
    SOON_MS = 50,
    PIECES_MAX = 16, /* brought over in one turn */
};

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
    bool good = origin_read_encoded(journal, &is, &found, err);
    bool as_was = good && found && bytes_equal(buf_view(&is), buf_view(&job->was));
    buf_release(&is);
    if (!good || (!as_was && !job->rows.count))
        return good;
    return (!job->rows.count || put_brought(job, journal, err)) && origin_put(journal, buf_view(&job->next), err);
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
    origin_encode(next, &job->next);
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
        struct origin next = {.doc = origin->doc, .place = former->place, .there = buf_view(&there_now),
                              .here = buf_view(&here_now)};
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
        replica_catch_up(replica);
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
        if (document_read_history(former->replica->document, err))
            error_set(err, ERR_MISSING, 0, "its journal has lost rows");
        brought = BROUGHT_NOT;
    } else if (!replica_decode_version(replica, origin->here, &here)) {
        replica_catch_up(replica); /* another process has brought over the piece before */
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
    struct journal *journal = replica_journal_here(replica, err);
    bool read = journal && origin_read(journal, &origin, &found, err);
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
        replica_succession_again(replica);
    if (brought != BROUGHT_NOT || replica->succession_said)
        return;
    replica->succession_said = true;
    replica_say(replica, "What another window typed into %s before it went over here cannot be brought over yet: %s. "
                         "weft docs lists it.", replica->label, err.text);
}

void replica_look_at_former(struct replica *replica)
{
    if (replica->may_have_former && !replica->succession_ms)
        replica->succession_ms = net_now_ms() + SOON_MS;
}

/* --- places in the former document --- */

/* All that the former has must have been brought over. */
static bool patch_in_former(struct replica *replica, const struct origin *origin, struct bytes version, struct patch *there)
{
    struct error ignored = {0};
    struct former former = {0};
    struct version was = {0}, brought = {0};
    bool found = false;
    bool known = find_former(replica, &origin->doc, &former, &found, &ignored) && found &&
                 load_former(replica, &former, &ignored) && replica_decode_version(former.replica, version, &was) &&
                 replica_decode_version(former.replica, origin->there, &brought) &&
                 document_is_at(former.replica->document, &brought) &&
                 document_patch_since(former.replica->document, &was, there);
    version_release(&was);
    version_release(&brought);
    former_release(&former);
    return known;
}

static bool patch_here(struct replica *replica, const struct origin *origin, struct patch *here)
{
    struct version same = {0};
    bool known = replica_decode_version(replica, origin->here, &same) && document_patch_since(replica->document, &same, here);
    version_release(&same);
    return known;
}

bool replica_patches_from_former(struct replica *replica, struct bytes version, struct patch *there, struct patch *here)
{
    struct error ignored = {0};
    struct origin origin = {0};
    bool found = false;
    /* what was brought over a moment ago moves the origin on */
    bool flushed = !replica->writer || replica_flush(replica, &ignored);
    struct journal *journal = flushed ? replica_journal_here(replica, &ignored) : NULL;
    bool known = journal && origin_read(journal, &origin, &found, &ignored) && found &&
                 (bytes_equal(version, origin.there) || patch_in_former(replica, &origin, version, there)) &&
                 patch_here(replica, &origin, here);
    origin_release(&origin);
    return known;
}
