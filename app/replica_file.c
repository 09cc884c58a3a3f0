#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_parts.h"
#include "app/replica_restored.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/moment.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum { HASH_AT_ONCE_BYTES_MAX = 4 << 20 };

static const char *name_in(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

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
    version_release(&file->counted);
    file_watch_free(file->watch);
    *file = (struct file_side){0};
}

void replica_file_loaded(struct replica *replica, struct rope *text, struct file_stamp stamp)
{
    rope_free(replica->file.text);
    replica->file.text = text;
    replica->file.stamp = stamp;
    replica->file.hash_known = false;
    replica->file.origin_unknown = replica->file.differs = false;
    document_version(replica->document, &replica->file.version);
}

void replica_file_is_no_version(struct file_side *file)
{
    struct event_id nowhere = {.seq = 0};
    crypto_random(&nowhere.agent, sizeof nowhere.agent);
    version_set(&file->version, nowhere);
    file->origin_unknown = true;
}

void replica_file_watch(struct replica *replica)
{
    struct error err = {0};
    file_watch_free(replica->file.watch);
    replica->file.watch = replica->file.path ? file_watch_new(replica->file.path, &err) : NULL;
    replica->file.look_ms = replica->file.path ? net_now_ms() : 0;
    if (replica->file.watch)
        replica_watch_fd(replica, file_watch_fd(replica->file.watch));
}

/* --- remembering what is in the file --- */

/* The hash of a large file takes longer than a key may. */
struct hash_job {
    struct replica *replica;
    struct rope *text;
    struct file_stamp stamp;
    struct doc_id doc;
    struct digest hash;
};

static void hash_run(void *self)
{
    struct hash_job *job = self;
    replica_hash_text(job->text, &job->hash);
}

static void hash_done(void *self)
{
    struct hash_job *job = self;
    struct replica *replica = job->replica;
    struct file_side *file = &replica->file;
    bool same = !file->hash_known && file_stamp_equal(file->stamp, job->stamp) &&
                memcmp(&job->doc, &replica->entry.doc, sizeof job->doc) == 0;
    if (same) {
        file->hash = job->hash;
        file->hash_known = true;
        replica_put_saved(replica);
    }
    rope_free(job->text);
    free(job);
}

static void hash_file(struct replica *replica)
{
    struct file_side *file = &replica->file;
    if (rope_len(file->text) <= HASH_AT_ONCE_BYTES_MAX) {
        replica_hash_text(file->text, &file->hash);
        file->hash_known = true;
        return;
    }
    struct hash_job *job = xcalloc(1, sizeof *job);
    *job = (struct hash_job){replica, rope_snapshot(file->text), file->stamp, replica->entry.doc, {{0}}};
    worker_give(replica->worker, (struct worker_job){hash_run, hash_done, job});
}

void replica_put_saved(struct replica *replica)
{
    struct file_side *file = &replica->file;
    if (!replica->writer || !file->path || !file->text)
        return;
    if (!file->hash_known)
        hash_file(replica);
    if (!file->hash_known)
        return; /* it is put once that is known */
    struct buf version = {0};
    replica_encode_version(replica, &file->version, &version);
    struct journal_saved saved = {
        .path = file->path, .dev = file->stamp.dev, .ino = file->stamp.ino,
        .size = file->stamp.exists ? file->stamp.size : 0, .mtime_ns = file->stamp.mtime_ns,
        .time_s = (uint64_t)time(NULL), .hash = file->hash, .version = buf_view(&version)};
    journal_writer_saved(replica->writer, &saved, (struct journal_done){0});
    buf_release(&version);
    replica_refer_to_file(replica);
    replica_note_file(replica);
}

/* --- saving --- */

struct save_job {
    struct replica *replica;
    struct rope *text;
    char *path;
    bool own_file;              /* the replica's, not one to be saved under another name */
    struct file_stamp expected; /* own: as it was read last; another: as it was when this was asked for */
    bool has_expected;
    struct version version;
    struct buf encoded_version;
    struct journal_writer *writer; /* outlives the job: who stops it has drained the worker; NULL: nothing was typed */
    struct digest hash;
    struct file_stamp stamp;
    struct file_replaced replaced;
    enum file_saved saved;
    unsigned tries;
    struct error err;
    char *backup_dir;
    uint64_t reference; /* replica_refer_to_save() */
};

/*
 * Told to the journal before the file has these bytes: who is killed in between must know his own save again. A journal
 * that does not take it is no reason not to save.
 */
static void note_pending(const struct save_job *job)
{
    enum { PATIENCE_US = 2000000 };
    if (!job->writer)
        return;
    struct journal_saved saved = {.path = job->path, .hash = job->hash, .version = buf_view(&job->encoded_version)};
    uint64_t ticket = journal_writer_saved(job->writer, &saved, (struct journal_done){0});
    (void)journal_writer_wait(job->writer, ticket, PATIENCE_US);
}

static void save_run(void *self)
{
    struct save_job *job = self;
    struct file_save save = {.path = job->path, .text = job->text,
                             .expected = job->has_expected ? &job->expected : NULL, .backup_dir = job->backup_dir,
                             .replaced = &job->replaced};
    replica_hash_text(job->text, &job->hash);
    replica_await_reference(job->replica, job->reference);
    note_pending(job);
    job->saved = file_save(&save, &job->stamp, &job->err);
}

static void say_copy(struct replica *replica, const char *path)
{
    const char *host = replica->people.host;
    if (host[0])
        replica_say(replica, "Saved your copy: %s. %s's file is written by %s.", path, host, host);
    else
        replica_say(replica, "Saved your copy: %s. The host's file is written by the host.", path);
}

/* Both files show it from now on, which nobody expects who knows "save as" from elsewhere. */
static void say_two_names(struct replica *replica, const char *path)
{
    replica_say(replica, "Saved %s. %s and %s are two names of one shared document now.", path, name_in(replica->file.path),
                name_in(path));
}

static void say_saved(struct replica *replica, const struct save_job *job)
{
    uint64_t len = rope_len(job->text);
    bool ended = len == 0 || rope_byte(job->text, len - 1) == '\n'; /* then the last line is none of the file's */
    unsigned long long lines = rope_lines(job->text) - ended;
    bool shared = replica_is_shared(replica), own_copy = replica->entry.role == DOC_GUEST && shared;
    if (shared && replica->file.path && strcmp(replica->file.path, job->path) != 0)
        say_two_names(replica, job->path);
    else if (own_copy && !replica->file.copy_said)
        say_copy(replica, job->path);
    else
        replica_say(replica, "Saved %s: %llu line%s.", name_in(job->path), lines, lines == 1 ? "" : "s");
    replica->file.copy_said |= own_copy;
}

void replica_move_file(struct replica *replica, const char *path, bool leaves_old)
{
    char *old = replica->file.path;
    replica->file.path = xstrdup(path);
    free(replica->label);
    replica->label = replica_label_of_path(path);
    replica_file_watch(replica);
    (void)replica_bind_path(replica, leaves_old ? old : NULL);
    free(old);
    neighbours_meet(replica);
}

/* True: another program wrote at the same moment, and the text has more now than the file. */
static bool take_saved(struct replica *replica, struct save_job *job)
{
    struct file_side *file = &replica->file;
    struct doc_id doc = replica->entry.doc;
    bool other_path = !file->path || strcmp(file->path, job->path) != 0;
    bool more = replica_hold_replaced(replica, job->path, &job->replaced);
    if (!doc_id_equal(&doc, &replica->entry.doc))
        return false; /* the file turned out to be another document's: what was saved is no version of that one */
    rope_free(file->text);
    file->text = job->text;
    job->text = NULL;
    file->stamp = job->stamp;
    file->hash = job->hash;
    file->hash_known = true;
    file->gone_said = file->trouble_said = file->origin_unknown = file->text_guessed = file->differs = false;
    version_copy(&file->version, &job->version);
    if (other_path) /* what is shared is found by both names; else the old name is that of a file that goes on without us */
        replica_move_file(replica, job->path, !replica_is_shared(replica));
    replica_put_saved(replica);
    return more;
}

static void save_job_free(struct save_job *job)
{
    rope_free(job->text);
    file_replaced_release(&job->replaced);
    version_release(&job->version);
    buf_release(&job->encoded_version);
    free(job->path);
    free(job->backup_dir);
    free(job);
}

static void save_done(void *self);
static struct save_job *save_job_new(struct replica *replica, const char *path, struct error *err);

static bool save_again(struct replica *replica, const struct save_job *before)
{
    enum { TRIES = 5 };
    struct error err = {0};
    if (!before->own_file || before->tries == TRIES)
        return false;
    struct save_job *job = save_job_new(replica, NULL, &err);
    if (!job)
        return false;
    job->tries = before->tries + 1;
    replica->file.saving = true;
    worker_give(replica->worker, (struct worker_job){save_run, save_done, job});
    return true;
}

static void say_changed_meanwhile(struct replica *replica, const struct save_job *job)
{
    const char *hint = job->own_file ? " ^S again writes the merged text." : " Save again to write over it.";
    replica_say(replica, "%s was changed by another program meanwhile: nothing was written.%s", name_in(job->path),
                replica_key_hint(replica, hint));
    if (job->own_file)
        replica->file.look_ms = net_now_ms();
}

static void save_done(void *self)
{
    struct save_job *job = self;
    struct replica *replica = job->replica;
    replica->file.saving = false;
    switch (job->saved) {
    case FILE_SAVED:
        say_saved(replica, job);
        if (take_saved(replica, job))
            (void)save_again(replica, job); /* what is left then is not in the file, as the screen says */
        break;
    case FILE_CHANGED_MEANWHILE:
        /* Written by another process of ours, whose text is in the document: then it is no other program's. */
        if (job->own_file && replica_file_is_known(replica) && save_again(replica, job))
            break;
        say_changed_meanwhile(replica, job);
        break;
    case FILE_SAVE_FAILED:
        replica_say(replica, "Not saved: %s. The text is still here; Alt+S writes it elsewhere.", job->err.text);
        break;
    }
    replica_touch(replica);
    save_job_free(job);
}

static bool is_like_text(const struct replica *replica, const char *path)
{
    struct rope *there;
    struct file_stamp stamp;
    struct error ignored = {0}; /* what cannot be read is not written over either: saving says why */
    if (!file_load(path, &there, &stamp, &ignored))
        return false;
    bool like = stamp.exists && replica_are_alike(there, replica->buffer.text);
    rope_free(there);
    return like;
}

/* `path` is resolved. */
static bool may_write(struct replica *replica, const char *path, struct error *err)
{
    struct replica_status status;
    const char *name = name_in(path);
    if (replica->file.path && strcmp(replica->file.path, path) == 0)
        return true;
    if (neighbours_have_open(replica, path))
        return error_set(err, ERR_BUSY, 0, "Not saved: %s is open in another weft, which writes it. Save under another name.",
                         name);
    replica_status(replica, net_now_ms(), &status);
    unsigned long long unsent = status.net.state == SESSION_ONLINE ? 0 : status.net.unacked_edits;
    if (replica->entry.role == DOC_GUEST && status.shared && unsent > 0 && is_like_text(replica, path))
        return error_set(err, ERR_BUSY, 0, "Not saved: %s may be the host's own file, and %llu edit%s not sent yet would come in "
                                           "twice there. Save under another name.", name, unsent, unsent == 1 ? "" : "s");
    return true;
}

bool replica_may_save(struct replica *replica, const char *path, struct error *err)
{
    char *resolved = NULL;
    bool may = file_resolve(path, &resolved, err) && may_write(replica, resolved, err);
    free(resolved);
    return may;
}

static struct save_job *save_job_new(struct replica *replica, const char *path, struct error *err)
{
    char *resolved = NULL;
    if (path && (!file_resolve(path, &resolved, err) || !may_write(replica, resolved, err))) {
        free(resolved);
        return NULL;
    }
    if (!path && !replica->file.path) {
        error_set(err, ERR_USAGE, 0, "This buffer has no file name yet.");
        return NULL;
    }
    (void)replica_look_at_replaced(replica); /* what came there since the last look is saved too */
    if (replica->journal_found)
        replica_begin_writing(replica); /* saved without a key typed in this run: the journal is to know all the same */
    struct save_job *job = xcalloc(1, sizeof *job);
    job->replica = replica;
    job->replaced.fd = -1;
    job->path = resolved ? resolved : xstrdup(replica->file.path);
    job->text = rope_snapshot(replica->buffer.text);
    replica->gesture.open = false; /* undo stops at what is in the file */
    document_version(replica->document, &job->version);
    replica_encode_version(replica, &job->version, &job->encoded_version);
    job->writer = replica->writer;
    job->own_file = replica->file.path && strcmp(replica->file.path, job->path) == 0;
    job->expected = replica->file.stamp;
    struct error ignored = {0}; /* what cannot be looked at cannot be written: saving says why */
    job->has_expected = job->own_file || file_stat(job->path, &job->expected, &ignored);
    job->reference = replica_refer_to_save(replica, job->path, &job->version, job->text);
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

/* *more: as take_saved(). */
static bool save_now(struct replica *replica, const char *path, bool *more, struct error *err)
{
    enum { TRIES = 5 };
    worker_drain(replica->worker);
    struct save_job *job = save_job_new(replica, path, err);
    *more = false;
    for (int i = 0; job; i++) {
        save_run(job);
        if (path || job->saved != FILE_CHANGED_MEANWHILE || i == TRIES)
            break;
        replica_look_now(replica); /* merged, or written by another process of ours: the next try has it */
        save_job_free(job);
        job = save_job_new(replica, path, err);
    }
    if (!job)
        return false;
    bool saved = job->saved == FILE_SAVED;
    if (saved)
        *more = take_saved(replica, job);
    else if (job->saved == FILE_CHANGED_MEANWHILE)
        error_set(err, ERR_BUSY, 0, "%s was changed by another program meanwhile; nothing was written", job->path);
    else
        *err = job->err;
    save_job_free(job);
    return saved;
}

bool replica_save_now(struct replica *replica, const char *path, struct error *err)
{
    enum { TRIES = 5 };
    bool more, saved = save_now(replica, path, &more, err);
    for (int i = 0; saved && more && i < TRIES; i++)
        saved = save_now(replica, NULL, &more, err);
    return saved;
}

bool replica_discard(struct replica *replica, struct error *err)
{
    if (!replica->file.text)
        return error_set(err, ERR_MISSING, 0, "What is in the file is not known.");
    if (replica_is_open_elsewhere(replica))
        return error_set(err, ERR_BUSY, 0, "%s is open in another window; left as it is.", replica->label);
    struct patch back = {0};
    struct line_diff summary;
    line_diff(replica->buffer.text, replica->file.text, &back, &summary);
    bool good = replica_edit(replica, &back, selection_at(0), EDIT_WHOLE, err);
    patch_release(&back);
    return good;
}

/* --- opening again --- */

static void say_if_any(struct replica *replica, struct buf *text)
{
    if (text->len)
        replica_say(replica, "%s", buf_string(text));
}

static void say_restored(struct replica *replica)
{
    struct buf text = {0};
    replica_add_restored(replica, &text);
    say_if_any(replica, &text);
    buf_release(&text);
}

void replica_begin_anew(struct replica *replica, struct rope *disk, struct file_stamp stamp)
{
    char *path = replica->file.path;
    struct journal *old = replica->journal_found;
    replica_drop_replaced(replica);
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
    replica->name_kept = false;
    replica->place_read = 0;
    buf_clear(&replica->genesis);
    replica_begin_document(replica, rope_snapshot(disk));
    replica_file_loaded(replica, disk, stamp);
    neighbours_meet(replica);
}

static void ask_gone(struct replica *replica)
{
    replica->file.question = DISK_QUESTION_GONE;
    replica->file.last_open_s = replica->entry.opened_s;
}

/* Never written yet, or gone since: then the text is here and nowhere else, and a person is asked. */
static void file_is_missing(struct replica *replica)
{
    bool was_there = replica->file.hash_known && replica->file.stamp.exists;
    replica->file.stamp = (struct file_stamp){0};
    if (was_there && replica->entry.role == DOC_HOST)
        ask_gone(replica);
    else
        say_restored(replica);
}

bool replica_file_reopen(struct replica *replica, struct error *err)
{
    struct rope *disk;
    struct file_stamp stamp;
    if (!replica->file.path)
        return true;
    if (!file_load(replica->file.path, &disk, &stamp, err))
        return false;
    replica_file_reconcile(replica, disk, stamp);
    replica_file_watch(replica);
    return true;
}

/* The next look finds out: one of the versions that have come, or else a person is asked. */
void replica_file_rejoin(struct replica *replica)
{
    struct file_side *file = &replica->file;
    struct file_stamp there;
    struct error ignored = {0}; /* what cannot be looked at cannot be saved over either */
    if (!file->path || file->text || !file_stat(file->path, &there, &ignored) || !there.exists)
        return;
    file->text = rope_snapshot(replica->base);
    file->text_guessed = file->differs = true;
    file->look_ms = net_now_ms();
}

/* Without a saved state in the journal (killed right after the first edit) the file held the text of the beginning. */
static bool is_as_saved(struct replica *replica, const struct rope *disk, struct file_stamp stamp)
{
    struct file_side *file = &replica->file;
    bool as_begun = !file->hash_known && stamp.exists && file->version.count == 0 && rope_equal(disk, replica->base);
    if (as_begun || (file->hash_known && stamp.exists && file_stamp_equal(stamp, file->stamp)))
        return true;
    struct digest hash;
    replica_hash_text(disk, &hash);
    return (file->hash_known && digest_equal(&hash, &file->hash)) || replica_take_pending_save(replica, &hash);
}

void replica_file_reconcile(struct replica *replica, struct rope *disk, struct file_stamp stamp)
{
    struct file_side *file = &replica->file;
    if (!stamp.exists && rope_len(replica->buffer.text) > 0) {
        rope_free(disk);
        file_is_missing(replica);
        return;
    }
    bool as_saved = is_as_saved(replica, disk, stamp);
    bool saved = file->text && rope_equal(file->text, replica->buffer.text);
    if (!as_saved && saved && !replica_is_shared(replica) && !replica_others_write(replica) && !neighbours_meet_us(replica)) {
        /* Written by somebody else and nothing of ours is unsaved nor open: its bytes begin a new document. */
        replica_begin_anew(replica, disk, stamp);
        return;
    }
    file->replaced = !as_saved && file->stamp.exists && replica_is_another_file(replica, file->stamp, stamp) &&
                     !replica_others_write(replica);
    struct buf said = {0};
    replica_take_name(replica, &said);
    if (as_saved) {
        rope_free(saved ? disk : file->text); /* what the text has already is not in memory twice */
        file->text = saved ? file->text : disk;
        file->stamp = stamp;
        replica_note_file(replica);
        replica_add_restored(replica, &said); /* one sentence would hide the other */
    }
    say_if_any(replica, &said);
    buf_release(&said);
    if (as_saved)
        return;
    if (!file->text) {
        file->text = rope_snapshot(replica->base);
        file->text_guessed = file->origin_unknown;
    }
    replica_disk_changed(replica, disk, stamp);
}
