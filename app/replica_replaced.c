/*
 * What a save took the place of. Another program may have written to it after weft looked at it last, or have put another file
 * there; and one that had it open before goes on writing to it under no name: `echo >> file` is such a program for a moment, a
 * log is for longer. So the replaced file is held open for HOLD_MS, looked at at once and then now and again, and what came to it
 * is merged as a change by another program to the text that the file had; where the text was all in the file, the file is
 * written again.
 *
 * What is not merged unasked anywhere else (an empty file, one that has less than half of its lines) is not merged here either:
 * at the last look it is put beside the file. Lost is what comes later than HOLD_MS or after REPLACED_MAX further saves, and what
 * came when weft is killed.
 */
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_parts.h"

#include <stdlib.h>
#include <string.h>

enum {
    HOLD_MS = 5000,
    LOOK_MIN_MS = 20,   /* an `echo` is done by then */
    LOOK_MAX_MS = 1000, /* a look at twice the time, at least so often */
    ALIKE_PERCENT = 50,
};

/* --- one of them --- */

static void release(struct replaced_file *replaced)
{
    rope_free(replaced->text);
    version_release(&replaced->version);
    file_replaced_release(&replaced->file);
    *replaced = (struct replaced_file){.file.fd = -1};
}

/* The replica's file is the replaced one while this goes on. */
static void change_places(struct file_side *file, struct replaced_file *replaced)
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

static void say_merged(struct replica *replica, const struct line_diff *summary)
{
    replica_say(replica, "Another program wrote to the %s that was saved over: +%llu -%llu lines merged.", replica->label,
                (unsigned long long)summary->lines_added, (unsigned long long)summary->lines_removed);
}

/* False: not now. */
static bool merge(struct replica *replica, struct replaced_file *replaced, struct rope *now)
{
    struct import import = {.disk = now, .replaced = true, .stamp = replaced->file.stamp};
    struct line_diff summary;
    struct error err = {0};
    replica_hash_text(now, &import.hash);
    change_places(&replica->file, replaced);
    bool known = replica_take_pending_save(replica, &import.hash); /* another process of ours was saving it too */
    enum imported imported = known ? IMPORT_KNOWN : replica_import(replica, &import, &summary, &err);
    change_places(&replica->file, replaced);
    if (imported == IMPORT_LATER)
        return false;
    rope_free(replaced->text);
    replaced->text = rope_snapshot(now);
    replaced->hash = import.hash;
    if (imported == IMPORT_DONE)
        say_merged(replica, &summary);
    return true;
}

static void put_beside(struct replica *replica, const char *path, const struct rope *now)
{
    char *written = NULL;
    struct error err = {0};
    if (rope_len(now) == 0)
        return;
    if (replica_write_beside(path, now, &written, &err))
        replica_say(replica, "Another program wrote to what was saved over: its text is in %s.", written);
    else
        replica_say(replica, "What another program wrote to %s, which was saved over, could not be kept: %s", path, err.text);
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
    return replica->replaced_count > 0;
}

/*
 * True: it was written to, and that is in the document. It may turn out that the file is another document's, which is adopted
 * then: afterwards none is held.
 */
static bool look_at(struct replica *replica, struct replaced_file *replaced, bool last)
{
    struct rope *now;
    if (!file_replaced_look(&replaced->file, &now))
        return false;
    bool same = rope_equal(replaced->text, now);
    bool merged = !same && is_alike(replaced->text, now) && may_merge(replica) && merge(replica, replaced, now);
    bool left = !same && !merged, dropped = replica->replaced_count == 0; /* what it was before is no version of this document */
    if (left && (last || dropped))
        put_beside(replica, replica->file.path, now);
    else if (left)
        replaced->file.stamp = (struct file_stamp){0}; /* so that the next look reads it again */
    rope_free(now);
    return merged;
}

/* --- all of them --- */

void replica_drop_replaced(struct replica *replica)
{
    for (size_t i = 0; i < replica->replaced_count; i++)
        release(&replica->replaced[i]);
    replica->replaced_count = 0;
}

static void drop_first(struct replica *replica)
{
    release(&replica->replaced[0]);
    replica->replaced_count--;
    memmove(&replica->replaced[0], &replica->replaced[1], replica->replaced_count * sizeof replica->replaced[0]);
}

static bool look_at_all(struct replica *replica, bool last)
{
    bool any = false;
    for (size_t i = 0; i < replica->replaced_count; i++)
        any |= look_at(replica, &replica->replaced[i], last);
    return any;
}

bool replica_look_at_replaced(struct replica *replica)
{
    return look_at_all(replica, false);
}

/* What it was before is no version of the document: whatever came to it goes beside. */
static void look_once(struct replica *replica, const char *path, struct file_replaced *taken)
{
    struct rope *now;
    if (!file_replaced_look(taken, &now))
        return;
    put_beside(replica, path, now);
    rope_free(now);
}

/* False: the oldest one, looked at for the last time, has brought us another document. */
static bool make_room(struct replica *replica)
{
    if (replica->replaced_count < REPLACED_MAX)
        return true;
    (void)look_at(replica, &replica->replaced[0], true);
    if (replica->replaced_count == 0)
        return false;
    drop_first(replica);
    return true;
}

/* Takes the descriptor. */
static struct replaced_file *hold(struct replica *replica, struct file_replaced *taken)
{
    const struct file_side *file = &replica->file;
    uint64_t now_ms = net_now_ms();
    struct replaced_file *replaced = &replica->replaced[replica->replaced_count++];
    *replaced = (struct replaced_file){.file = *taken, .text = rope_snapshot(file->text), .hash = file->hash,
                                       .since_ms = now_ms, .look_ms = now_ms + LOOK_MIN_MS};
    version_copy(&replaced->version, &file->version);
    taken->fd = -1;
    return replaced;
}

/* Whether `now` is a smaller change to a than to b: nothing that a has and b lacks is to be taken for deleted. */
static bool is_nearer(const struct rope *a, const struct rope *b, const struct rope *now)
{
    struct patch patch = {0};
    struct line_diff to_a, to_b;
    line_diff(a, now, &patch, &to_a);
    patch_clear(&patch);
    line_diff(b, now, &patch, &to_b);
    patch_release(&patch);
    return to_a.lines_removed < to_b.lines_removed ||
           (to_a.lines_removed == to_b.lines_removed && to_a.lines_added < to_b.lines_added);
}

/*
 * Another process of ours may have saved just before, and what came out have its text, and more: then it is a change to that
 * one, and not to what was read here. Afterwards the newest state that the journal knows is our own.
 */
static void find_origin(struct replica *replica, struct replaced_file *replaced)
{
    const struct file_side *file = &replica->file;
    struct error ignored = {0}; /* then it is a change to what was read here */
    struct rope *now;
    if (!file_replaced_look(&replaced->file, &now))
        return;
    replaced->file.stamp = (struct file_stamp){0}; /* to be read again */
    if (replica_catch_up_file(replica, &ignored) && is_nearer(file->text, replaced->text, now)) {
        rope_free(replaced->text);
        replaced->text = rope_snapshot(file->text);
        replaced->hash = file->hash;
        version_copy(&replaced->version, &file->version);
    }
    rope_free(now);
}

bool replica_hold_replaced(struct replica *replica, const char *path, struct file_replaced *taken)
{
    const struct file_side *file = &replica->file;
    bool own_file = file->path && strcmp(file->path, path) == 0;
    if (taken->fd < 0)
        return false;
    if (!own_file || !file->text || file->origin_unknown || file->text_guessed || !make_room(replica)) {
        look_once(replica, path, taken);
        return false;
    }
    struct replaced_file *replaced = hold(replica, taken);
    find_origin(replica, replaced);
    return look_at(replica, replaced, false);
}

static uint64_t next_look_ms(uint64_t now_ms, uint64_t held_ms)
{
    return now_ms + (held_ms < LOOK_MIN_MS ? LOOK_MIN_MS : held_ms > LOOK_MAX_MS ? LOOK_MAX_MS : held_ms);
}

/* Those that are due, oldest first. True as look_at(). */
static bool look_at_due(struct replica *replica, uint64_t now_ms)
{
    bool any = false;
    for (size_t i = 0; i < replica->replaced_count; i++) {
        struct replaced_file *replaced = &replica->replaced[i];
        uint64_t held_ms = now_ms - replaced->since_ms;
        if (now_ms < replaced->look_ms)
            continue;
        any |= look_at(replica, replaced, held_ms >= HOLD_MS);
        replaced->look_ms = next_look_ms(now_ms, held_ms);
    }
    while (replica->replaced_count > 0 && now_ms - replica->replaced[0].since_ms >= HOLD_MS)
        drop_first(replica);
    return any;
}

void replica_replaced_handle(struct replica *replica, uint64_t now_ms)
{
    struct error err = {0};
    if (now_ms < replica_replaced_next_ms(replica))
        return;
    bool in_file = replica_same_text(replica->file.text, replica->buffer.text);
    if (look_at_due(replica, now_ms) && in_file && !replica_save(replica, NULL, &err))
        replica_say(replica, "Not saved: %s", err.text);
}

uint64_t replica_replaced_next_ms(const struct replica *replica)
{
    uint64_t next_ms = UINT64_MAX;
    for (size_t i = 0; i < replica->replaced_count && !replica->file.saving; i++)
        if (replica->replaced[i].look_ms < next_ms)
            next_ms = replica->replaced[i].look_ms;
    return next_ms;
}

void replica_end_replaced(struct replica *replica)
{
    struct error err = {0};
    bool in_file = replica->replaced_count > 0 && replica_same_text(replica->file.text, replica->buffer.text);
    if (look_at_all(replica, true) && in_file && !replica_save_now(replica, NULL, &err))
        replica_say(replica, "Not saved: %s", err.text);
    replica_drop_replaced(replica);
}
