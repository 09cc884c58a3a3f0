/*
 * Who merges a change of the file, when several processes of ours see it: whoever gets the claim in the journal.
 *
 *   1  what the journal says of the file is taken over first: its newest saved state is what a change is found against
 *   2  the claim (saved version, new bytes), a transaction of its own
 *   3  the import's rows, the new saved state (of what the path has) and "done", in one transaction
 *
 * Killed between 2 and 3, whoever finds the claim of a dead owner takes it over and does 3; killed later, all is there.
 */
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "editor/base/xalloc.h"
#include "editor/patch_doubled.h"

enum { FLUSH_MS = 3000 };

/* --- what the journal says --- */

bool replica_flush(struct replica *replica, struct error *err)
{
    if (!replica->writer)
        return true;
    uint64_t ticket = journal_writer_run(replica->writer, replica_nothing, NULL, (struct journal_done){0});
    if (journal_writer_outwait(replica->writer, ticket, FLUSH_MS * 1000) == JOURNAL_WAIT_DONE)
        return true;
    struct journal_writer_state state;
    journal_writer_state(replica->writer, &state);
    return error_set(err, ERR_BUSY, 0, "the journal does not take it%s%s", state.failing ? ": " : "",
                     state.failing ? state.why.text : "");
}

/* Takes over the state of the file that a row tells. False: it speaks of rows that are not read yet, or cannot be now: *err. */
static bool take_saved_row(struct replica *replica, const struct journal_saved *saved, struct error *err)
{
    struct file_side *file = &replica->file;
    struct version version = {0};
    bool known = replica_decode_version(replica, saved->version, &version);
    bool ours = file->hash_known && digest_equal(&file->hash, &saved->hash) && version_equal(&file->version, &version);
    bool at_hand = !known || ours || document_is_at(replica->document, &version);
    bool readable = at_hand || document_read_history(replica->document, err);
    if (known && !ours && readable) {
        version_copy(&file->version, &version);
        file->hash = saved->hash;
        file->hash_known = true;
        file->origin_unknown = false;
        replica_rebuild_file_text(replica);
    }
    version_release(&version);
    return readable && (known || ours);
}

bool replica_take_pending_save(struct replica *replica, const struct digest *hash)
{
    struct journal_saved saved = {0};
    struct buf memory = {0};
    struct error ignored = {0}; /* not known to be ours: then it is another program's */
    bool found = false;
    bool opened = replica->journal_found || (replica->indexed && replica_open_reader(replica, &ignored));
    struct journal *journal = replica->journal_found ? replica->journal_found : replica->reader;
    if (opened && !replica->is_private && replica->file.path)
        found = journal_saved_pending(journal, replica_known_path(replica), hash, &saved, &memory, &found, &ignored) && found;
    if (found && journal == replica->reader)
        replica_catch_up(replica);
    found = found && take_saved_row(replica, &saved, &ignored);
    buf_release(&memory);
    return found;
}

bool replica_catch_up_file(struct replica *replica, struct error *err)
{
    struct journal_saved saved = {0};
    struct buf memory = {0};
    bool found = false;
    if (!replica->indexed || replica->is_private)
        return true;
    /* Or the newest saved state there might be older than ours. */
    if (!replica_flush(replica, err) || !replica_open_reader(replica, err))
        return false;
    /* The saved state before the rows: it then speaks of no row that is not read. */
    bool good = journal_saved_get(replica->reader, replica->file.path, &saved, &memory, &found, err);
    if (good) {
        replica_catch_up(replica);
        good = !found || take_saved_row(replica, &saved, err);
        good |= replica->file.origin_unknown && replica->merging.agent_count == 0; /* else it may be of what is held */
    }
    buf_release(&memory);
    return good;
}

/* --- the claim --- */

enum import_turn replica_claim_import(struct replica *replica, const struct journal_import *import, struct error *err)
{
    struct agent_id owner;
    bool done = false;
    if (replica->is_private)
        return TURN_OURS; /* its journal is in memory: nobody else sees it */
    if (!replica_open_reader(replica, err))
        return TURN_LATER;
    enum journal_claim got =
        journal_import_claim(replica->reader, import, &replica->agent, NULL, &owner, &done, err);
    bool ours = got == JOURNAL_TAKEN && agent_id_equal(&owner, &replica->agent);
    if (got == JOURNAL_TAKEN && !done && !ours && !replica_agent_lives(replica, &owner))
        got = journal_import_claim(replica->reader, import, &replica->agent, &owner, &owner, &done, err);
    switch (got) {
    case JOURNAL_CLAIMED:
        return TURN_OURS;
    case JOURNAL_TAKEN:
        if (done)
            return TURN_TAKEN;
        return ours ? TURN_OURS : TURN_LATER; /* its owner is at it: its rows come */
    case JOURNAL_CLAIM_FAILED:
        break;
    }
    return TURN_LATER;
}

/* --- the rows --- */

/* One transaction of the writer's thread. */
struct import_job {
    struct outgoing_rows rows;
    struct journal_import import;
    struct buf import_version;
    struct journal_saved saved;
    struct buf saved_version;
    char *path;
    bool is_file;
};

static bool import_run(void *self, struct journal *journal, struct error *err)
{
    struct import_job *job = self;
    return outgoing_rows_put(&job->rows, journal, job->saved.time_s, err) &&
           (!job->is_file || journal_saved_put(journal, &job->saved, err)) && journal_import_done(journal, &job->import, err);
}

static void import_committed(void *self, const struct journal_result *result)
{
    struct import_job *job = self;
    outgoing_rows_hand_on(&job->rows, result->ok);
    buf_release(&job->import_version);
    buf_release(&job->saved_version);
    free(job->path);
    free(job);
}

static void journal_import(struct replica *replica, const struct import *import, const struct journal_import *claimed,
                           const struct agent_id *agent, const struct batch_list *batches)
{
    struct import_job *job = xcalloc(1, sizeof *job);
    job->rows = outgoing_rows_of(replica, agent, batches);
    buf_add_bytes(&job->import_version, claimed->version);
    job->import = (struct journal_import){buf_view(&job->import_version), claimed->hash};
    replica_encode_version(replica, &replica->file.version, &job->saved_version);
    job->path = xstrdup(replica->file.path);
    job->is_file = !import->replaced;
    job->saved = (struct journal_saved){
        .path = job->path, .dev = import->stamp.dev, .ino = import->stamp.ino, .size = import->stamp.size,
        .mtime_ns = import->stamp.mtime_ns, .time_s = (uint64_t)time(NULL), .hash = import->hash,
        .version = buf_view(&job->saved_version)};
    replica->last_ticket =
        journal_writer_run(replica->writer, import_run, job, (struct journal_done){import_committed, job});
}

/*
 * The patch that brings the change in, and the version it stands on. Where the file's text was never a version of this
 * document (shared before it was saved) the change is carried over to the text the document began with.
 */
static void find_change(struct replica *replica, const struct rope *disk, struct version *at, struct patch *patch,
                        struct line_diff *summary)
{
    struct file_side *file = &replica->file;
    line_diff(file->text, disk, patch, summary);
    if (!file->origin_unknown) {
        version_copy(at, &file->version);
        return;
    }
    struct patch to_base = {0}, carried = {0};
    struct line_diff ignored;
    line_diff(file->text, replica->base, &to_base, &ignored);
    patch_transform(&carried, patch, &to_base, PATCH_RIGHT);
    patch_move(patch, &carried);
    patch_release(&carried);
    patch_release(&to_base);
}

/*
 * The import has brought in `patch` by changing the text from `before` on by `merged`. What stands there twice now, because it
 * had come over the network or from another process as well, goes again, in the same step. False: nothing new is left of it.
 */
static bool drop_doubled(struct replica *replica, const struct agent_id *agent, const struct patch *patch,
                         const struct rope *before, const struct patch *merged, struct batch_list *batches,
                         struct line_diff *summary)
{
    struct file_side *file = &replica->file;
    struct patch mine = {0}, doubled = {0}, rest = {0};
    struct line_diff ignored;
    line_diff(file->origin_unknown ? replica->base : file->text, before, &mine, &ignored);
    patch_doubled(&doubled, patch, &mine, merged);
    bool any = !patch_is_empty(&doubled);
    if (any) {
        document_local(replica->document, agent, &doubled, (struct edit_mark){.time_s = (uint64_t)time(NULL)}, batches);
        replica_note_away(replica, &doubled, false);
        buffer_apply(&replica->buffer, &doubled, ORIGIN_REMOTE);
        replica_update_text(replica); /* carets move with it */
        line_diff(before, replica->buffer.text, &rest, summary);
    }
    bool news = !any || !patch_is_empty(&rest);
    patch_release(&mine);
    patch_release(&doubled);
    patch_release(&rest);
    return news;
}

/* The change as events of a fresh agent that had seen what was saved: concurrent with everything typed since. */
static bool record_import(struct replica *replica, const struct import *import, const struct journal_import *claimed,
                          struct line_diff *summary, bool *news, struct error *err)
{
    struct file_side *file = &replica->file;
    struct patch patch = {0}, merged = {0};
    struct version at = {0};
    struct batch_list batches = {0};
    struct agent_id agent;
    crypto_random(&agent, sizeof agent);
    find_change(replica, import->disk, &at, &patch, summary);
    replica_update_text(replica);
    struct rope *before = rope_snapshot(replica->buffer.text);
    struct edit_mark mark = {.gesture = true, .time_s = (uint64_t)time(NULL), .label = "disk"};
    bool good = document_local_at(replica->document, &agent, &at, &patch, mark, &batches, err);
    if (good && batches.count) {
        const struct batch *last = &batches.items[batches.count - 1];
        replica_add_mine(replica, &agent);
        if (!file->origin_unknown)
            version_set(&file->version, (struct event_id){agent, last->seq0 + last->count - 1});
    }
    if (good) {
        replica_update_text_by(replica, &merged);
        *news = drop_doubled(replica, &agent, &patch, before, &merged, &batches, summary);
        journal_import(replica, import, claimed, &agent, &batches);
    }
    rope_free(before);
    version_release(&at);
    patch_release(&patch);
    patch_release(&merged);
    batch_list_release(&batches);
    return good;
}

/* It is in the rows already; which version of the document those bytes are, the saved states tell. */
static bool find_imported(struct replica *replica, const struct digest *hash, struct error *err)
{
    struct journal_saved saved = {0};
    struct buf memory = {0};
    bool found = false;
    bool good = journal_saved_find(replica->reader, replica->file.path, hash, &saved, &memory, &found, err);
    if (good) {
        replica_catch_up(replica);
        good = found && (replica->file.origin_unknown || take_saved_row(replica, &saved, err));
    }
    buf_release(&memory);
    return good;
}

enum imported replica_import(struct replica *replica, const struct import *import, struct line_diff *summary,
                             struct error *err)
{
    struct buf version = {0};
    enum imported imported = IMPORT_LATER;
    bool news = false;
    if (!replica_flush(replica, err))
        return IMPORT_LATER;
    replica_encode_version(replica, &replica->file.version, &version);
    struct journal_import claimed = {.version = buf_view(&version), .hash = import->hash};
    switch (replica_claim_import(replica, &claimed, err)) {
    case TURN_OURS:
        if (record_import(replica, import, &claimed, summary, &news, err))
            imported = news ? IMPORT_DONE : IMPORT_KNOWN;
        break;
    case TURN_TAKEN:
        if (find_imported(replica, &import->hash, err))
            imported = IMPORT_KNOWN;
        break;
    case TURN_LATER:
        break;
    }
    buf_release(&version);
    return imported;
}
