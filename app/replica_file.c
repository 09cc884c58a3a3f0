#include "app/replica_parts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "editor/base/xalloc.h"

enum {
    STABLE_MS = 200, /* a file is read once it has not changed for so long */
    MERGE_COMMON_PERCENT = 50,
};

void replica_hash_text(const struct rope *text, struct digest *out)
{
    struct blake2b hash;
    blake2b_init(&hash);
    for (uint64_t at = 0; at < rope_len(text);) {
        struct bytes chunk = rope_chunk(text, at);
        blake2b_add(&hash, chunk.data, chunk.len);
        at += chunk.len;
    }
    blake2b_digest(&hash, out);
}

void replica_file_release(struct file_side *file)
{
    free(file->path);
    rope_free(file->text);
    rope_free(file->other);
    version_release(&file->version);
    file_watch_free(file->watch);
    *file = (struct file_side){0};
}

void replica_file_loaded(struct replica *replica, struct rope *text, struct file_stamp stamp)
{
    rope_free(replica->file.text);
    replica->file.text = text;
    replica->file.stamp = stamp;
    replica->file.hash_known = false;
    document_version(replica->document, &replica->file.version);
}

void replica_file_watch(struct replica *replica)
{
    struct error err = {0};
    file_watch_free(replica->file.watch);
    replica->file.watch = replica->file.path ? file_watch_new(replica->file.path, &err) : NULL;
    if (replica->file.watch)
        replica_watch_fd(replica, file_watch_fd(replica->file.watch));
}

/* --- remembering what is in the file --- */

void replica_put_saved(struct replica *replica)
{
    struct file_side *file = &replica->file;
    if (!replica->writer || !file->path || !file->text)
        return;
    if (!file->hash_known) {
        replica_hash_text(file->text, &file->hash);
        file->hash_known = true;
    }
    struct buf version = {0};
    replica_encode_version(replica, &file->version, &version);
    struct journal_saved saved = {
        .path = file->path, .dev = file->stamp.dev, .ino = file->stamp.ino,
        .size = file->stamp.exists ? file->stamp.size : 0, .mtime_ns = file->stamp.mtime_ns,
        .time_s = (uint64_t)time(NULL), .hash = file->hash, .version = buf_view(&version)};
    journal_writer_saved(replica->writer, &saved, (struct journal_done){0});
    buf_release(&version);
}

static void disk_changed(struct replica *replica, struct rope *disk, struct file_stamp stamp);

/* --- saving --- */

struct save_job {
    struct replica *replica;
    struct rope *text;
    char *path;
    struct file_stamp expected;
    bool has_expected;
    struct version version;
    struct digest hash;
    struct file_stamp stamp;
    enum file_saved saved;
    struct error err;
    char *backup_dir;
};

static void save_run(void *self)
{
    struct save_job *job = self;
    struct file_save save = {.path = job->path, .text = job->text,
                             .expected = job->has_expected ? &job->expected : NULL, .backup_dir = job->backup_dir};
    replica_hash_text(job->text, &job->hash);
    job->saved = file_save(&save, &job->stamp, &job->err);
}

static void say_saved(struct replica *replica, const struct save_job *job)
{
    const char *slash = strrchr(job->path, '/');
    uint64_t len = rope_len(job->text);
    bool ended = len == 0 || rope_byte(job->text, len - 1) == '\n'; /* then the last line is none of the file's */
    unsigned long long lines = rope_lines(job->text) - ended;
    if (replica->entry.role == DOC_GUEST && replica_is_shared(replica))
        replica_say(replica, "Saved your copy: %s. The host's file is written by the host.", job->path);
    else
        replica_say(replica, "Saved %s: %llu line%s.", slash ? slash + 1 : job->path, lines, lines == 1 ? "" : "s");
}

void replica_bind_path(struct replica *replica)
{
    struct doc_index *index;
    struct error err = {0};
    if (replica->is_private || !replica->indexed)
        return;
    free(replica->entry.path);
    replica->entry.path = xstrdup(replica->file.path);
    if (!replica_open_index(replica, DOC_INDEX_CREATE, &index, &err))
        return;
    if (!doc_index_bind_path(index, &replica->entry.doc, replica->file.path, replica->file.stamp.dev,
                             replica->file.stamp.ino, &replica->file.hash, (uint64_t)time(NULL), &err))
        replica_say(replica, "This file's history may not be found again: %s", err.text);
    doc_index_close(index);
}

static void take_saved(struct replica *replica, struct save_job *job)
{
    struct file_side *file = &replica->file;
    bool other_path = !file->path || strcmp(file->path, job->path) != 0;
    rope_free(file->text);
    file->text = job->text;
    job->text = NULL;
    file->stamp = job->stamp;
    file->hash = job->hash;
    file->hash_known = true;
    file->gone_said = false;
    version_copy(&file->version, &job->version);
    if (other_path) {
        free(file->path);
        file->path = xstrdup(job->path);
        const char *slash = strrchr(job->path, '/');
        free(replica->label);
        replica->label = xstrdup(slash ? slash + 1 : job->path);
        replica_file_watch(replica);
        replica_bind_path(replica);
    }
    replica_put_saved(replica);
}

static void save_job_free(struct save_job *job)
{
    rope_free(job->text);
    version_release(&job->version);
    free(job->path);
    free(job->backup_dir);
    free(job);
}

static void save_done(void *self)
{
    struct save_job *job = self;
    struct replica *replica = job->replica;
    replica->file.saving = false;
    switch (job->saved) {
    case FILE_SAVED:
        say_saved(replica, job);
        take_saved(replica, job);
        break;
    case FILE_CHANGED_MEANWHILE:
        replica_say(replica, "%s was changed by another program meanwhile: nothing was written. ^S again writes the merged text.",
                    replica->label);
        replica->file.look_ms = net_now_ms();
        break;
    case FILE_SAVE_FAILED:
        replica_say(replica, "Not saved: %s. The text is still here; Alt+S writes it elsewhere.", job->err.text);
        break;
    }
    replica_touch(replica);
    save_job_free(job);
}

static struct save_job *save_job_new(struct replica *replica, const char *path, struct error *err)
{
    char *resolved = NULL;
    if (path && !file_resolve(path, &resolved, err))
        return NULL;
    if (!path && !replica->file.path) {
        error_set(err, ERR_USAGE, 0, "This buffer has no file name yet.");
        return NULL;
    }
    struct save_job *job = xcalloc(1, sizeof *job);
    job->replica = replica;
    job->path = resolved ? resolved : xstrdup(replica->file.path);
    job->text = rope_snapshot(replica->buffer.text);
    document_version(replica->document, &job->version);
    bool own_file = replica->file.path && strcmp(replica->file.path, job->path) == 0;
    job->has_expected = own_file;
    job->expected = replica->file.stamp;
    job->backup_dir = replica->is_private ? NULL : xstrdup(replica->env->paths.state);
    return job;
}

bool replica_save(struct replica *replica, const char *path, struct error *err)
{
    if (replica->joining)
        return error_set(err, ERR_BUSY, 0, "The text is still on its way.");
    if (replica->file.saving)
        return error_set(err, ERR_BUSY, 0, "A save is running already.");
    struct save_job *job = save_job_new(replica, path, err);
    if (!job)
        return false;
    replica->file.saving = true;
    worker_give(replica->worker, (struct worker_job){save_run, save_done, job});
    return true;
}

/* Looks at once, without waiting for the file to be stable: what is read is compared with itself by file_load(). */
static void look_now(struct replica *replica)
{
    struct rope *disk;
    struct file_stamp stamp;
    struct error err = {0};
    if (file_load(replica->file.path, &disk, &stamp, &err))
        disk_changed(replica, disk, stamp);
}

bool replica_save_now(struct replica *replica, const char *path, struct error *err)
{
    enum { TRIES = 5 };
    worker_drain(replica->worker);
    struct save_job *job = save_job_new(replica, path, err);
    for (int i = 0; job; i++) {
        save_run(job);
        if (path || job->saved != FILE_CHANGED_MEANWHILE || i == TRIES)
            break;
        look_now(replica); /* merged, or written by another process of ours: the next try has it */
        save_job_free(job);
        job = save_job_new(replica, path, err);
    }
    if (!job)
        return false;
    bool saved = job->saved == FILE_SAVED;
    if (saved)
        take_saved(replica, job);
    else if (job->saved == FILE_CHANGED_MEANWHILE)
        error_set(err, ERR_BUSY, 0, "%s was changed by another program meanwhile; nothing was written", job->path);
    else
        *err = job->err;
    save_job_free(job);
    return saved;
}

bool replica_discard(struct replica *replica, struct error *err)
{
    if (!replica->file.text)
        return error_set(err, ERR_MISSING, 0, "What is in the file is not known.");
    struct patch back = {0};
    struct line_diff summary;
    line_diff(replica->buffer.text, replica->file.text, &back, &summary);
    bool good = replica_edit(replica, &back, selection_at(0), EDIT_WHOLE, err);
    patch_release(&back);
    return good;
}

/* --- changes by other programs --- */

/* The claim is a transaction of its own, on a connection of this thread: of all processes exactly one imports. */
static bool claim_import(struct replica *replica, const struct digest *hash)
{
    struct error err = {0};
    if (!replica->writer)
        return true;
    replica_read_rows(replica); /* opens the connection; and what the winner wrote may be there already */
    if (!replica->reader)
        return true;
    struct buf version = {0};
    replica_encode_version(replica, &replica->file.version, &version);
    struct journal_import import = {.version = buf_view(&version), .hash = *hash};
    struct agent_id owner;
    bool done = false;
    enum journal_claim claim =
        journal_import_claim(replica->reader, &import, &replica->agent, NULL, &owner, &done, &err);
    buf_release(&version);
    return claim == JOURNAL_CLAIMED;
}

/* The change as events of a fresh agent that had seen what was saved: concurrent with everything typed since. */
static bool record_import(struct replica *replica, const struct rope *disk, struct line_diff *summary, struct error *err)
{
    struct patch patch = {0};
    struct batch_list batches = {0};
    struct agent_id agent;
    crypto_random(&agent, sizeof agent);
    line_diff(replica->file.text, disk, &patch, summary);
    struct edit_mark mark = {.gesture = true, .time_s = (uint64_t)time(NULL), .label = "disk"};
    bool good = document_local_at(replica->document, &agent, &replica->file.version, &patch, mark, &batches, err);
    if (good && batches.count) {
        replica->mine = xgrow(replica->mine, &replica->mine_cap, replica->mine_count + 1, sizeof *replica->mine);
        replica->mine[replica->mine_count++] = agent;
        const struct batch *last = &batches.items[batches.count - 1];
        version_release(&replica->file.version);
        replica->file.version.heads = xgrow(NULL, &replica->file.version.cap, 1, sizeof(struct event_id));
        replica->file.version.heads[0] = (struct event_id){agent, last->seq0 + last->count - 1};
        replica->file.version.count = 1;
        replica_commit(replica, &batches);
        replica_update_text(replica);
    }
    patch_release(&patch);
    batch_list_release(&batches);
    return good;
}

static void take_disk_text(struct replica *replica, struct rope *disk, struct file_stamp stamp, const struct digest *hash)
{
    rope_free(replica->file.text);
    replica->file.text = disk;
    replica->file.stamp = stamp;
    replica->file.hash = *hash;
    replica->file.hash_known = true;
    replica_put_saved(replica);
}

/* Merges what is on disk. Takes the rope. */
static void import_disk(struct replica *replica, struct rope *disk, struct file_stamp stamp)
{
    struct digest hash;
    struct line_diff summary;
    struct error err = {0};
    replica_hash_text(disk, &hash);
    replica_begin_writing(replica);
    replica_await_journal(replica); /* several processes may see the change before any of them has written */
    if (!claim_import(replica, &hash)) {
        /* Another process of ours has it; its rows bring the change. */
        replica_read_rows(replica);
        take_disk_text(replica, disk, stamp, &hash);
        return;
    }
    if (!record_import(replica, disk, &summary, &err)) {
        replica_say(replica, "The change of %s on disk could not be merged: %s", replica->label, err.text);
        rope_free(disk);
        return;
    }
    take_disk_text(replica, disk, stamp, &hash);
    replica_say(replica, "Another program changed %s: +%llu -%llu lines merged. ^Z takes it back.", replica->label,
                (unsigned long long)summary.lines_added, (unsigned long long)summary.lines_removed);
}

static bool must_ask(const struct replica *replica, const struct rope *disk, const struct line_diff *summary)
{
    return replica_is_shared(replica) && (rope_len(disk) == 0 || summary->common_percent < MERGE_COMMON_PERCENT);
}

/*
 * Another process of ours on this document wrote the file: the journal says which version it wrote. Taken for a change by
 * another program, its words would come in twice.
 */
static bool saved_by_us(struct replica *replica, const struct rope *disk, struct version *version)
{
    struct journal_saved saved = {0};
    struct buf memory = {0};
    struct error err = {0};
    struct digest hash;
    bool found = false;
    if (!replica->indexed || replica->is_private || !replica_open_reader(replica, &err))
        return false;
    replica_read_rows(replica);
    replica_hash_text(disk, &hash);
    bool ours = journal_saved_get(replica->reader, replica->file.path, &saved, &memory, &found, &err) && found &&
                digest_equal(&saved.hash, &hash);
    ours = ours && replica_decode_version(replica, saved.version, version);
    buf_release(&memory);
    return ours;
}

/* The file holds a version of this document. Takes the rope. */
static void take_our_version(struct replica *replica, struct rope *disk, struct file_stamp stamp, const struct version *version)
{
    rope_free(replica->file.text);
    replica->file.text = disk;
    replica->file.stamp = stamp;
    replica_hash_text(disk, &replica->file.hash);
    replica->file.hash_known = true;
    version_copy(&replica->file.version, version);
}

/* It was about bytes that are not in the file any more. */
static void forget_question(struct file_side *file)
{
    rope_free(file->other);
    file->other = NULL;
    file->question = DISK_QUESTION_NONE;
}

/* What the file's new bytes mean for the text. Takes the rope. */
static void disk_changed(struct replica *replica, struct rope *disk, struct file_stamp stamp)
{
    struct file_side *file = &replica->file;
    struct line_diff summary;
    struct patch patch = {0};
    struct version version = {0};
    file->gone_said = false;
    forget_question(file);
    bool ours = saved_by_us(replica, disk, &version);
    if (ours)
        take_our_version(replica, disk, stamp, &version);
    version_release(&version);
    if (ours)
        return;
    if (!file->text || replica_same_text(disk, file->text) || replica_same_text(disk, replica->buffer.text)) {
        bool is_ours = file->text && !replica_same_text(disk, file->text);
        rope_free(file->text);
        file->text = disk;
        file->stamp = stamp;
        file->hash_known = false;
        if (is_ours)
            document_version(replica->document, &file->version);
        return;
    }
    line_diff(file->text, disk, &patch, &summary);
    patch_release(&patch);
    if (must_ask(replica, disk, &summary)) {
        rope_free(file->other);
        file->other = disk;
        file->other_diff = summary;
        file->question = DISK_QUESTION_DIFFERENT;
        file->stamp = stamp;
        return;
    }
    import_disk(replica, disk, stamp);
}

enum disk_question replica_disk_question(const struct replica *replica, struct buf *sentence)
{
    if (replica->file.question == DISK_QUESTION_DIFFERENT && sentence)
        buf_addf(sentence, "%s on disk is nearly all different (%d %% in common). [K]eep shared text [M]erge for everybody "
                           "[O]pen the file alone, unshared",
                 replica->label, replica->file.other_diff.common_percent);
    return replica->file.question;
}

bool replica_disk_answer(struct replica *replica, enum disk_answer answer, struct error *err)
{
    struct file_side *file = &replica->file;
    struct rope *other = file->other;
    if (file->question == DISK_QUESTION_NONE)
        return true;
    file->question = DISK_QUESTION_NONE;
    file->other = NULL;
    switch (answer) {
    case DISK_KEEP_SHARED: /* ^S will write the shared text over what is there now: that is what was asked for */
        rope_free(other);
        return true;
    case DISK_MERGE:
        import_disk(replica, other, file->stamp);
        return true;
    case DISK_OPEN_ALONE: {
        bool good = replica_unshare(replica, false, err);
        if (good)
            import_disk(replica, other, file->stamp);
        else
            rope_free(other);
        return good;
    }
    }
    return true;
}

static void file_is_gone(struct replica *replica)
{
    struct file_side *file = &replica->file;
    file->stamp.exists = false;
    if (file->gone_said)
        return;
    file->gone_said = true;
    replica_say(replica, "%s was deleted on disk. The text is kept%s; ^S writes it again.", replica->label,
                replica_is_shared(replica) ? " and still shared" : "");
    replica_touch(replica);
}

/* Once the file has been the same for STABLE_MS it is read. */
static void look_at_file(struct replica *replica, uint64_t now_ms)
{
    struct file_side *file = &replica->file;
    struct file_stamp stamp;
    struct error err = {0};
    if (!file_stat(file->path, &stamp, &err))
        return;
    if (file_stamp_equal(stamp, file->stamp)) {
        file->look_ms = 0;
        return;
    }
    if (!file_stamp_equal(stamp, file->looked)) {
        file->looked = stamp;
        file->look_ms = now_ms + STABLE_MS;
        return;
    }
    file->look_ms = 0;
    if (!stamp.exists) {
        file_is_gone(replica);
        return;
    }
    struct rope *disk;
    if (!file_load(file->path, &disk, &stamp, &err)) {
        replica_say(replica, "%s changed on disk and cannot be read: %s", replica->label, err.text);
        file->stamp = stamp;
        return;
    }
    disk_changed(replica, disk, stamp);
    replica_touch(replica);
}

void replica_file_handle(struct replica *replica, uint64_t now_ms)
{
    struct file_side *file = &replica->file;
    if (file->watch && file_watch_happened(file->watch)) {
        file->look_ms = now_ms + STABLE_MS;
        file->looked = (struct file_stamp){.size = UINT64_MAX, .exists = true}; /* no file is so: it is looked at twice */
    }
    if (file->look_ms && now_ms >= file->look_ms && !file->saving && !replica->joining)
        look_at_file(replica, now_ms);
}

uint64_t replica_file_next_ms(const struct replica *replica)
{
    bool waits = replica->file.look_ms && !replica->file.saving && !replica->joining;
    return waits ? replica->file.look_ms : UINT64_MAX;
}

/* --- opening again --- */

static void say_restored(struct replica *replica)
{
    uint64_t edits = document_edits_since(replica->document, &replica->file.version, NULL, 0);
    if (edits)
        replica_say(replica, "Restored %llu edit%s not yet in %s. ^S writes %s.", (unsigned long long)edits,
                    edits == 1 ? "" : "s", replica->label, edits == 1 ? "it" : "them");
}

/* The file was written by somebody else and nothing of ours is unsaved: its bytes begin a new document. */
static void begin_anew(struct replica *replica, struct rope *disk, struct file_stamp stamp)
{
    char *path = replica->file.path;
    struct journal *old = replica->journal_found;
    replica->journal_found = NULL;
    journal_close(old);
    doc_entry_release(&replica->entry);
    version_release(&replica->file.version);
    doc_keys_new(&replica->entry.keys);
    replica->entry.doc = replica->entry.keys.doc;
    replica->entry.name = xstrdup(replica->label);
    replica->entry.path = xstrdup(path);
    replica->indexed = false;
    replica->takes_path = true;
    replica->place_read = 0;
    buf_clear(&replica->genesis);
    replica_begin_document(replica, rope_snapshot(disk));
    replica_file_loaded(replica, disk, stamp);
}

void replica_file_reconcile(struct replica *replica, struct rope *disk)
{
    struct file_side *file = &replica->file;
    struct file_stamp stamp = {0};
    struct error err = {0};
    if (!file_stat(file->path, &stamp, &err))
        replica_say(replica, "%s", err.text);
    if (!stamp.exists && file->hash_known && rope_len(replica->buffer.text) > 0) {
        rope_free(disk);
        file->stamp = stamp;
        replica_say(replica, "%s is gone from disk; its text is kept. ^S writes it again.", replica->label);
        return;
    }
    struct digest hash;
    replica_hash_text(disk, &hash);
    bool as_saved = file->hash_known && digest_equal(&hash, &file->hash);
    if (as_saved || replica_same_text(disk, replica->buffer.text)) {
        rope_free(file->text);
        file->text = disk;
        file->stamp = stamp;
        file->hash = hash;
        file->hash_known = true;
        if (!as_saved)
            document_version(replica->document, &file->version);
        else
            say_restored(replica);
        return;
    }
    bool unsaved = !file->text || !replica_same_text(file->text, replica->buffer.text);
    if (!unsaved && !replica_is_shared(replica)) {
        begin_anew(replica, disk, stamp);
        return;
    }
    if (!file->text)
        file->text = rope_snapshot(replica->base);
    disk_changed(replica, disk, stamp);
}
