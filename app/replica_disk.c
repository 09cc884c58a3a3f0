/*
 * Changes of the file by other programs: noticing them, merging them once among all processes of ours, asking where merging
 * unasked would be wrong.
 *
 * An import is claimed in the journal first (replica_import.c); only then does the document change. Whoever cannot tell yet
 * whose change it is leaves everything as it was and looks again: what is taken as known without being in the document would
 * be written over by the next save.
 */
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/moment.h"
#include "editor/base/xalloc.h"

enum {
    STABLE_MS = 200,        /* a file is read once it has not changed for so long */
    EMPTY_STABLE_MS = 2000, /* ... and an empty one only then: most are about to be written */
    AGAIN_MS = 250,         /* until the next look, when another process of ours is at it */
    TROUBLE_MS = 2000,      /* ... and when something fails */
    ON_ITS_WAY_MS = 1000,   /* what somebody typed before writing the file has come by then */
    CATCH_UP_MS = 3000,     /* ... and there is a connection over which it can come */
    LOOK_NOW_MS = 5000,
    ALIKE_PERCENT = 50,
};

bool replica_are_alike(const struct rope *a, const struct rope *b)
{
    struct patch patch = {0};
    struct line_diff diff;
    line_diff(a, b, &patch, &diff);
    patch_release(&patch);
    return diff.common_percent >= ALIKE_PERCENT;
}

/* --- taking what is on disk --- */

/* What is in the file from now on; which version of the document that is has been said before. Takes the rope. */
static void take_file_text(struct replica *replica, struct rope *disk, struct file_stamp stamp, const struct digest *hash)
{
    struct file_side *file = &replica->file;
    rope_free(file->text);
    file->text = disk;
    file->stamp = stamp;
    file->hash = *hash;
    file->hash_known = true;
    file->differs = file->text_guessed = file->replaced = false;
    file->trouble_said = file->merge_agreed = false;
    file->look_ms = 0;
    replica_refer_to_file(replica);
    replica_note_file(replica);
}

/* Nothing is taken: the next look sees the same change. */
static void look_again(struct replica *replica, struct file_stamp stamp, const struct error *why)
{
    struct file_side *file = &replica->file;
    file->looked = stamp;
    file->look_ms = net_now_ms() + (why->code ? TROUBLE_MS : AGAIN_MS);
    if (!why->code || file->trouble_said)
        return;
    file->trouble_said = true;
    replica_say(replica, "%s changed on disk and is not merged yet: %s. Trying again.", replica->label, why->text);
}

/* Merges what is on disk. Takes the rope. */
static void import_disk(struct replica *replica, struct rope *disk, struct file_stamp stamp, const struct digest *hash)
{
    struct line_diff summary;
    struct error err = {0};
    struct import import = {.disk = disk, .stamp = stamp, .hash = *hash};
    if (!replica->writing) {
        replica_begin_writing(replica);
        replica_await_journal(replica); /* it may turn out that another process has begun this file's document */
        replica_disk_changed(replica, disk, stamp);
        return;
    }
    switch (replica_import(replica, &import, &summary, &err)) {
    case IMPORT_DONE:
        take_file_text(replica, disk, stamp, hash);
        replica_say(replica, "Another program changed %s: +%llu -%llu lines merged.%s", replica->label,
                    (unsigned long long)summary.lines_added, (unsigned long long)summary.lines_removed,
                    replica_key_hint(replica, " ^Z takes it back."));
        return;
    case IMPORT_KNOWN:
        take_file_text(replica, disk, stamp, hash);
        return;
    case IMPORT_LATER:
        look_again(replica, stamp, &err);
        break;
    }
    rope_free(disk);
}

/* --- what a change means --- */

/* It was about bytes that are not in the file any more. */
static void forget_question(struct file_side *file)
{
    rope_free(file->other);
    file->other = NULL;
    file->question = DISK_QUESTION_NONE;
}

void replica_file_ask_again(struct replica *replica)
{
    forget_question(&replica->file);
    replica->file.look_ms = replica->file.path ? net_now_ms() : 0;
}

static bool must_ask(const struct replica *replica, const struct rope *disk, const struct digest *hash,
                     const struct line_diff *summary)
{
    const struct file_side *file = &replica->file;
    if (file->merge_agreed && digest_equal(&file->agreed_hash, hash))
        return false;
    /* Measured by what would be lost: a short text to which much was appended is there as it was. */
    bool different = rope_len(disk) == 0 || summary->kept_percent < ALIKE_PERCENT || file->text_guessed;
    return different && (replica_is_shared(replica) || file->replaced);
}

/* True when it is asked; the rope is then taken. Until the answer no bytes are known that may be written over. */
static bool asks(struct replica *replica, struct rope *disk, struct file_stamp stamp, const struct digest *hash)
{
    struct file_side *file = &replica->file;
    struct line_diff summary;
    struct patch patch = {0};
    line_diff(file->text, disk, &patch, &summary);
    patch_release(&patch);
    if (!must_ask(replica, disk, hash, &summary))
        return false;
    file->other = disk;
    file->other_hash = *hash;
    file->other_stamp = stamp;
    file->other_diff = summary;
    file->question = DISK_QUESTION_DIFFERENT;
    file->differs = true;
    file->look_ms = 0;
    return true;
}

/* Somebody wrote just what is on the screen. */
static void take_same(struct replica *replica, struct rope *disk, struct file_stamp stamp, const struct digest *hash)
{
    document_version(replica->document, &replica->file.version);
    replica->file.origin_unknown = false;
    take_file_text(replica, disk, stamp, hash);
    replica_put_saved(replica);
}

/* Another replica of this document has written the file, a guest's for one: its text is a version that went by. */
static bool take_version(struct replica *replica, struct rope *disk, struct file_stamp stamp, const struct digest *hash)
{
    struct file_side *file = &replica->file;
    struct version found = {0}, base = {0};
    replica_update_text(replica);
    bool known = document_find_text(replica->document, file->origin_unknown ? &base : &file->version, replica->buffer.text,
                                    disk, &found);
    if (known) {
        version_copy(&file->version, &found);
        file->origin_unknown = false;
        take_file_text(replica, disk, stamp, hash);
        replica_put_saved(replica);
    }
    version_release(&found);
    return known;
}

/* Whether the document has these bytes; then they are taken. After catching up. */
static bool take_known(struct replica *replica, struct rope *disk, struct file_stamp stamp, const struct digest *hash)
{
    struct file_side *file = &replica->file;
    if (file->text && !file->hash_known) {
        replica_hash_text(file->text, &file->hash);
        file->hash_known = true;
    }
    if (!file->text || digest_equal(hash, &file->hash))
        take_file_text(replica, disk, stamp, hash); /* touched, or written by another process of ours */
    else if (rope_equal(disk, replica->buffer.text))
        take_same(replica, disk, stamp, hash);
    else
        return take_version(replica, disk, stamp, hash);
    return true;
}

/*
 * Whether these bytes may turn out to be a version of this document once everything has come: merged as a change by another
 * program, words that are on their way here would come in twice.
 */
static bool may_still_come(struct replica *replica, struct file_stamp stamp)
{
    struct file_side *file = &replica->file;
    uint64_t now_ms = net_now_ms();
    struct replica_status status;
    replica_status(replica, now_ms, &status);
    bool current = status.net.state == SESSION_ONLINE && status.net.caught_up;
    bool is_news = !file_stamp_equal(file->strange, stamp);
    file->strange = stamp;
    if (is_news)
        file->strange_ms = now_ms;
    if (is_news || !current)
        file->behind_ms = now_ms;
    bool waits = current ? now_ms - file->behind_ms < ON_ITS_WAY_MS : now_ms - file->strange_ms < CATCH_UP_MS;
    return waits && replica_is_shared(replica) && !replica->work_alone;
}

/*
 * What was caught up with may be a save of another process of ours that came after these bytes were read: taken for a change to
 * that, they would take its words back. They are not, while they are still in the file: a save is told after it is there.
 */
static bool is_still_there(const struct replica *replica, struct file_stamp stamp)
{
    struct file_stamp now;
    struct error ignored = {0}; /* then it is looked at again, and that says why */
    return file_stat(replica->file.path, &now, &ignored) && file_stamp_equal(now, stamp);
}

void replica_disk_changed(struct replica *replica, struct rope *disk, struct file_stamp stamp)
{
    struct error err = {0};
    struct digest hash;
    replica->file.gone_said = false;
    forget_question(&replica->file);
    if (!replica_catch_up_file(replica, &err) || !is_still_there(replica, stamp)) {
        look_again(replica, stamp, &err);
        rope_free(disk);
        return;
    }
    replica_hash_text(disk, &hash);
    (void)replica_take_pending_save(replica, &hash);
    if (take_known(replica, disk, stamp, &hash))
        return;
    /* Where the history cannot be read now, it may be one of its versions. */
    if (!document_read_history(replica->document, &err) || may_still_come(replica, stamp)) {
        look_again(replica, stamp, &err);
        rope_free(disk);
    } else if (!asks(replica, disk, stamp, &hash)) {
        import_disk(replica, disk, stamp, &hash);
    }
}

/* --- the questions --- */

static void add_gone(const struct replica *replica, struct buf *out)
{
    buf_addf(out, "%s is gone from disk; its %stext is kept", replica->label, replica_is_shared(replica) ? "shared " : "");
    if (replica->file.last_open_s) {
        buf_add_string(out, " (");
        moment_add_day(out, replica->file.last_open_s);
        buf_add_string(out, ")");
    }
}

static void add_different(const struct replica *replica, struct buf *out)
{
    int percent = replica->file.other_diff.kept_percent;
    unsigned long long edits = replica_edits_not_in_file(replica);
    if (replica_is_shared(replica))
        buf_addf(out, "%s on disk is nearly all different (%d %% in common)", replica->label, percent);
    else
        buf_addf(out, "%s is another file now (%d %% in common); %llu edit%s kept of the one before", replica->label, percent,
                 edits, edits == 1 ? " is" : "s are");
}

void replica_disk_answers(const struct replica *replica, struct buf *answers)
{
    bool shared = replica_is_shared(replica);
    switch (replica->file.question) {
    case DISK_QUESTION_NONE:
        break;
    case DISK_QUESTION_DIFFERENT:
        buf_add_string(answers, shared ? "[K]eep shared text [M]erge for everybody [O]pen the file alone, unshared"
                                       : "[K]eep that text [M]erge [O]pen the file");
        break;
    case DISK_QUESTION_GONE:
        buf_addf(answers, "[R]estore [N]ew empty file%s  Esc", shared ? ", not shared" : "");
        break;
    }
}

enum disk_question replica_disk_question(const struct replica *replica, struct buf *sentence)
{
    if (!sentence)
        return replica->file.question;
    switch (replica->file.question) {
    case DISK_QUESTION_NONE:
        break;
    case DISK_QUESTION_DIFFERENT:
        add_different(replica, sentence);
        break;
    case DISK_QUESTION_GONE:
        add_gone(replica, sentence);
        break;
    }
    return replica->file.question;
}

/*
 * The journal is told that this document's text is in no file, whatever was saved before: the file begins another one, and
 * not from its bytes.
 */
static void put_in_no_file(struct replica *replica)
{
    struct event_id nowhere = {.seq = 0};
    struct version version = {0};
    struct buf encoded = {0};
    replica_begin_writing(replica);
    crypto_random(&nowhere.agent, sizeof nowhere.agent);
    version_set(&version, nowhere);
    version_encode(&version, &encoded);
    struct journal_saved saved = {.path = "", .time_s = (uint64_t)time(NULL), .version = buf_view(&encoded)};
    journal_writer_saved(replica->writer, &saved, (struct journal_done){0});
    version_release(&version);
    buf_release(&encoded);
}

/* The file alone, from `text` on: the document it had goes on without it, shared as it is. Takes the rope. */
static void open_alone(struct replica *replica, struct rope *text, struct file_stamp stamp)
{
    bool all_sent;
    worker_drain(replica->worker);
    put_in_no_file(replica);
    replica_go_offline(replica, 0, &all_sent);
    replica_stop_writing(replica);
    neighbours_close(replica);
    replica_begin_anew(replica, text, stamp);
    replica->file.differs = false;
    neighbours_open(replica);
    replica_begin_writing(replica); /* so that the path shows the new document from now on */
    replica_touch(replica);
}

void replica_disk_leave(struct replica *replica)
{
    if (replica->file.question == DISK_QUESTION_GONE)
        forget_question(&replica->file);
}

/* The path gets another document: not while another process of ours is in this one. */
static bool may_begin(const struct replica *replica, enum disk_answer answer, struct error *err)
{
    bool begins = answer == DISK_OPEN_ALONE || answer == DISK_NEW_EMPTY;
    return !begins || !neighbours_meet_us(replica) ||
           error_set(err, ERR_BUSY, 0, "%s is open in another window of yours: close it there first.", replica->label);
}

bool replica_disk_answer(struct replica *replica, enum disk_answer answer, struct error *err)
{
    struct file_side *file = &replica->file;
    struct rope *other = file->other;
    if (file->question == DISK_QUESTION_NONE)
        return true;
    if (!may_begin(replica, answer, err)) {
        replica_disk_leave(replica);
        return false;
    }
    file->question = DISK_QUESTION_NONE;
    file->other = NULL;
    switch (answer) {
    case DISK_KEEP_SHARED: /* ^S will write the shared text over what is there now: that is what was asked for */
        file->stamp = file->other_stamp;
        rope_free(other);
        return true;
    case DISK_MERGE: /* what cannot be merged now is merged at a later look, without another question */
        file->merge_agreed = true;
        file->agreed_hash = file->other_hash;
        import_disk(replica, other, file->other_stamp, &file->other_hash);
        return true;
    case DISK_OPEN_ALONE:
        open_alone(replica, other, file->other_stamp);
        return true;
    case DISK_RESTORE:
        return replica_save(replica, NULL, err);
    case DISK_NEW_EMPTY:
        open_alone(replica, rope_new(), file->stamp);
        return true;
    }
    return true;
}

/* --- noticing --- */

static void file_is_gone(struct replica *replica)
{
    struct file_side *file = &replica->file;
    file->stamp.exists = false;
    if (file->gone_said)
        return;
    file->gone_said = true;
    replica_say(replica, "%s was deleted on disk. The text is kept%s%s.", replica->label,
                replica_is_shared(replica) ? " and still shared" : "", replica_key_hint(replica, "; ^S writes it again"));
    replica_touch(replica);
}

/* A file that was thrown away is deleted, even where that is done by moving it. */
static bool is_trash(const char *path)
{
    return strstr(path, "/Trash/") || strstr(path, "/.Trash");
}

/* True: the file has another name now, and that is where it is written from here on. */
static bool was_renamed(struct replica *replica)
{
    struct file_side *file = &replica->file;
    struct file_stamp stamp;
    struct error err = {0};
    char *path = file->watch && file->stamp.exists ? file_watch_find(file->watch) : NULL;
    bool renamed = path && !is_trash(path) && file_stat(path, &stamp, &err) && stamp.exists &&
                   stamp.dev == file->stamp.dev && stamp.ino == file->stamp.ino;
    if (renamed) {
        char *before = xstrdup(replica->label);
        replica_move_file(replica, path, true);
        replica_put_saved(replica);
        replica_say(replica, "%s was renamed: it is %s now%s.", before, path,
                    replica_key_hint(replica, ", and ^S writes it there"));
        free(before);
    }
    free(path);
    return renamed;
}

/* Nothing has happened to the file since it was read, or since it was asked about. */
static bool is_as_known(const struct file_side *file, struct file_stamp stamp)
{
    return file_stamp_equal(stamp, file->question == DISK_QUESTION_DIFFERENT ? file->other_stamp : file->stamp);
}

static void look_at_file(struct replica *replica, uint64_t now_ms)
{
    struct file_side *file = &replica->file;
    struct file_stamp stamp;
    struct error err = {0};
    if (!file_stat(file->path, &stamp, &err)) {
        look_again(replica, file->looked, &err);
        return;
    }
    if (is_as_known(file, stamp)) {
        file->look_ms = 0;
        if (file->watch)
            file_watch_hold(file->watch);
        return;
    }
    if (!file_stamp_equal(stamp, file->looked)) {
        file->looked = stamp;
        file->look_ms = now_ms + (stamp.exists && stamp.size == 0 ? EMPTY_STABLE_MS : STABLE_MS);
        return;
    }
    file->look_ms = 0;
    if (!stamp.exists) {
        if (!was_renamed(replica))
            file_is_gone(replica);
        replica_touch(replica);
        return;
    }
    struct rope *disk;
    if (file_load(file->path, &disk, &stamp, &err))
        replica_disk_changed(replica, disk, stamp);
    else
        look_again(replica, stamp, &err);
    if (file->watch)
        file_watch_hold(file->watch);
    replica_touch(replica);
}

/* Else what is in the file cannot be compared with anything yet. */
static bool has_whole_text(const struct replica *replica)
{
    return !replica->joining && !replica->ahead && !replica->unmerged;
}

void replica_file_handle(struct replica *replica, uint64_t now_ms)
{
    struct file_side *file = &replica->file;
    if (file->watch && file_watch_happened(file->watch)) {
        file->look_ms = now_ms + STABLE_MS;
        file->looked = (struct file_stamp){.size = UINT64_MAX, .exists = true}; /* no file is so: it is looked at twice */
    }
    if (file->look_ms && now_ms >= file->look_ms && !file->saving && has_whole_text(replica))
        look_at_file(replica, now_ms);
}

uint64_t replica_file_next_ms(const struct replica *replica)
{
    bool waits = replica->file.look_ms && !replica->file.saving && has_whole_text(replica);
    return waits ? replica->file.look_ms : UINT64_MAX;
}

bool replica_looks_at_file(const struct replica *replica)
{
    return replica->file.look_ms != 0;
}

bool replica_file_is_known(struct replica *replica)
{
    struct rope *disk;
    struct file_stamp stamp;
    struct error err = {0};
    struct digest hash;
    if (replica->file.question != DISK_QUESTION_NONE || !file_load(replica->file.path, &disk, &stamp, &err))
        return false;
    replica_hash_text(disk, &hash);
    if (stamp.exists && replica_catch_up_file(replica, &err) && take_known(replica, disk, stamp, &hash))
        return true;
    rope_free(disk);
    return false;
}

/* What is read is compared with itself by file_load(), so the file need not have been stable before. */
void replica_look_now(struct replica *replica)
{
    struct rope *disk;
    struct file_stamp stamp;
    struct error err = {0};
    for (uint64_t until_ms = net_now_ms() + LOOK_NOW_MS; file_load(replica->file.path, &disk, &stamp, &err);) {
        replica_disk_changed(replica, disk, stamp);
        if (!replica->file.look_ms || net_now_ms() >= until_ms)
            return;
        replica_wait(replica, AGAIN_MS); /* another process of ours is at it, or what is in the file is on its way */
    }
}
