/*
 * Saving: the text goes into the file on another thread, the journal knows of it before and after.
 */
#include "app/replica_file.h"
#include "app/replica_held.h"
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_parts.h"
#include "app/replica_unmerged.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

static const char *name_in(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

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

static void say_copy(struct replica *replica, const char *path, const char *held)
{
    const char *host = replica->people.host;
    if (host[0])
        replica_say(replica, "Saved your copy: %s. %s's file is written by %s.%s", path, host, host, held);
    else
        replica_say(replica, "Saved your copy: %s. The host's file is written by the host.%s", path, held);
}

/* Both files show it from now on, which nobody expects who knows "save as" from elsewhere. */
static void say_two_names(struct replica *replica, const char *path, const char *held)
{
    replica_say(replica, "Saved %s. %s and %s are two names of one shared document now.%s", path, name_in(replica->file.path),
                name_in(path), held);
}

/* What is held is not in the text, so it is not in the file either. */
static void add_held(const struct replica *replica, struct buf *sentence)
{
    buf_add_byte(sentence, ' ');
    if (replica_name_held(replica, sentence))
        buf_add_string(sentence, " held and not in it.");
    else
        buf_clear(sentence);
}

static void say_saved(struct replica *replica, const struct save_job *job)
{
    struct buf held = {0};
    uint64_t len = rope_len(job->text);
    bool ended = len == 0 || rope_byte(job->text, len - 1) == '\n'; /* then the last line is none of the file's */
    unsigned long long lines = rope_lines(job->text) - ended;
    add_held(replica, &held);
    bool shared = replica_is_shared(replica), own_copy = replica->entry.role == DOC_GUEST && shared;
    if (shared && replica->file.path && strcmp(replica->file.path, job->path) != 0)
        say_two_names(replica, job->path, buf_string(&held));
    else if (own_copy && !replica->file.copy_said)
        say_copy(replica, job->path, buf_string(&held));
    else
        replica_say(replica, "Saved %s: %llu line%s.%s", name_in(job->path), lines, lines == 1 ? "" : "s", buf_string(&held));
    replica->file.copy_said |= own_copy;
    buf_release(&held);
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
    if (replica->unmerged)
        return path ? replica_unmerged_refuse(replica, err) : replica_unmerged_save(replica, err);
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
    if (replica->unmerged)
        return replica_unmerged_refuse(replica, err);
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
