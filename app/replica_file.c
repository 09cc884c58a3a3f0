#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_parts.h"
#include "app/replica_restored.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "editor/base/xalloc.h"

enum { HASH_AT_ONCE_BYTES_MAX = 4 << 20 };

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
