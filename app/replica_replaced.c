/*
 * What a save took the place of. A program that had opened the file before goes on writing to it under no name, and nobody would
 * ever read that: `echo >> file` is such a program for a moment, a log is for longer. So the replaced file is held open for
 * HOLD_MS, looked at now and then, and what comes to it is merged as a change by another program to the text that the file had;
 * where the text was all in the file, the file is written again.
 *
 * What is not merged unasked anywhere else (an empty file, one that has less than half of its lines) is not merged here either:
 * at the last look it is put beside the file. Lost is what comes later than HOLD_MS, and what comes after weft has ended.
 */
#include "app/replica_parts.h"

#include <stdlib.h>

enum {
    HOLD_MS = 5000,
    LOOK_MIN_MS = 20,   /* an `echo` is done by then */
    LOOK_MAX_MS = 1000, /* a look at twice the time, at least so often */
    ALIKE_PERCENT = 50,
};

void replica_drop_replaced(struct replica *replica)
{
    struct replaced_side *replaced = &replica->replaced;
    if (!replaced->text)
        return;
    rope_free(replaced->text);
    version_release(&replaced->version);
    file_replaced_release(&replaced->file);
    *replaced = (struct replaced_side){0};
}

void replica_hold_replaced(struct replica *replica, struct file_replaced *taken)
{
    struct replaced_side *replaced = &replica->replaced;
    const struct file_side *file = &replica->file;
    bool known = taken->fd >= 0 && file->text && file->hash_known && !file->origin_unknown && !file->text_guessed;
    (void)replica_look_at_replaced(replica, true);
    replica_drop_replaced(replica);
    if (!known)
        return;
    replaced->file = *taken;
    taken->fd = -1;
    replaced->text = rope_snapshot(file->text);
    version_copy(&replaced->version, &file->version);
    replaced->hash = file->hash;
    replaced->since_ms = net_now_ms();
    replaced->look_ms = replaced->since_ms + LOOK_MIN_MS;
}

/* The replica's file is the replaced one while this goes on. */
static void exchange_files(struct file_side *file, struct replaced_side *replaced)
{
    struct rope *text = file->text;
    struct version version = file->version;
    struct digest hash = file->hash;
    file->text = replaced->text;
    file->version = replaced->version;
    file->hash = replaced->hash;
    replaced->text = text;
    replaced->version = version;
    replaced->hash = hash;
}

/* False: not now. */
static bool merge(struct replica *replica, struct rope *now)
{
    struct replaced_side *replaced = &replica->replaced;
    struct import import = {.disk = now, .stamp = replaced->file.stamp};
    struct line_diff summary;
    struct error err = {0};
    replica_hash_text(now, &import.hash);
    exchange_files(&replica->file, replaced);
    enum imported imported = replica_import(replica, &import, &summary, &err);
    exchange_files(&replica->file, replaced);
    if (imported == IMPORT_LATER)
        return false;
    rope_free(replaced->text);
    replaced->text = rope_snapshot(now);
    replaced->hash = import.hash;
    replica_put_saved(replica); /* the import spoke of bytes that no file has by name */
    if (imported == IMPORT_DONE)
        replica_say(replica, "Another program went on writing to the %s that was saved over: +%llu -%llu lines merged.",
                    replica->label, (unsigned long long)summary.lines_added, (unsigned long long)summary.lines_removed);
    return imported == IMPORT_DONE;
}

static void put_beside(struct replica *replica, const struct rope *now)
{
    char *written = NULL;
    struct error err = {0};
    if (rope_len(now) == 0)
        return;
    if (replica_write_beside(replica->file.path, now, &written, &err))
        replica_say(replica, "Another program went on writing to the %s that was saved over: its text is in %s.",
                    replica->label, written);
    else
        replica_say(replica, "What another program wrote to the %s that was saved over could not be kept: %s", replica->label,
                    err.text);
    free(written);
}

static bool is_alike(const struct rope *before, const struct rope *now)
{
    struct patch patch = {0};
    struct line_diff summary;
    line_diff(before, now, &patch, &summary);
    patch_release(&patch);
    return rope_len(now) > 0 && summary.kept_percent >= ALIKE_PERCENT;
}

/* A save that nothing was typed for has begun no journal. False: the file turned out to be another document's. */
static bool may_merge(struct replica *replica)
{
    if (!replica->writing) {
        replica_begin_writing(replica);
        replica_await_journal(replica);
    }
    return replica->replaced.text != NULL;
}

bool replica_look_at_replaced(struct replica *replica, bool last)
{
    struct replaced_side *replaced = &replica->replaced;
    struct rope *now;
    if (!replaced->text || !file_replaced_look(&replaced->file, &now))
        return false;
    bool merged = may_merge(replica) && is_alike(replaced->text, now) && merge(replica, now);
    if (!merged && last && replaced->text && !rope_equal(replaced->text, now))
        put_beside(replica, now);
    else if (!merged)
        replaced->file.stamp = (struct file_stamp){0}; /* so that the next look reads it again */
    rope_free(now);
    return merged;
}

void replica_replaced_handle(struct replica *replica, uint64_t now_ms)
{
    struct replaced_side *replaced = &replica->replaced;
    struct error err = {0};
    if (!replaced->text || now_ms < replaced->look_ms || replica->file.saving)
        return;
    bool in_file = replica_same_text(replica->file.text, replica->buffer.text);
    uint64_t held_ms = now_ms - replaced->since_ms;
    if (replica_look_at_replaced(replica, held_ms >= HOLD_MS) && in_file && !replica_save(replica, NULL, &err))
        replica_say(replica, "Not saved: %s", err.text);
    if (held_ms >= HOLD_MS)
        replica_drop_replaced(replica);
    else
        replaced->look_ms = now_ms + (held_ms < LOOK_MIN_MS ? LOOK_MIN_MS : held_ms > LOOK_MAX_MS ? LOOK_MAX_MS : held_ms);
}

uint64_t replica_replaced_next_ms(const struct replica *replica)
{
    return replica->replaced.text && !replica->file.saving ? replica->replaced.look_ms : UINT64_MAX;
}

void replica_end_replaced(struct replica *replica)
{
    struct error err = {0};
    bool in_file = replica->replaced.text && replica_same_text(replica->file.text, replica->buffer.text);
    if (replica_look_at_replaced(replica, true) && in_file && !replica_save_now(replica, NULL, &err))
        replica_say(replica, "Not saved: %s", err.text);
    replica_drop_replaced(replica);
}
