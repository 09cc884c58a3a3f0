/*
 * The end of a joiner's text ahead of its history (replica_ahead.c): the history is here, and says whether it was true.
 */
#include "app/replica_ahead.h"
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"

#include <stdlib.h>
#include <time.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum {
    NAME_CELLS = 16,   /* of a name, in a sentence */
    MISSING_MS = 5000, /* so long after all has come a version that is not there is taken to be none */
};

/* What was typed, on its way into rows. */
struct landing {
    struct outgoing **items;
    size_t count;
};

static bool land(void *self, struct journal *journal, struct error *err)
{
    const struct landing *landing = self;
    for (size_t i = 0; i < landing->count; i++) {
        const struct local_batch *batch = &landing->items[i]->batch;
        struct journal_local row = {.agent = batch->agent, .seq0 = batch->seq0, .count = batch->count,
                                    .plain = batch->plain, .digest = batch->digest};
        if (journal_add_local(journal, &row, NULL, err) == JOURNAL_FAILED)
            return false;
    }
    return journal_notes_drop(journal, REPLICA_AHEAD_NOTE, err);
}

static void landed(void *self, const struct journal_result *result)
{
    struct landing *landing = self;
    for (size_t i = 0; i < landing->count; i++)
        replica_hand_on(landing->items[i], result->ok);
    free(landing->items);
    free(landing);
}

/* Batches that the document has by now: into the chain, the journal and the room. */
static void give(struct replica *replica, const struct batch_list *batches)
{
    struct landing *landing = xcalloc(1, sizeof *landing);
    landing->items = xcalloc(batches->count + 1, sizeof(struct outgoing *));
    landing->count = batches->count;
    for (size_t i = 0; i < batches->count; i++)
        landing->items[i] = replica_outgoing(replica, &batches->items[i]);
    if (!replica->writer)
        landed(landing, &(struct journal_result){.ok = false});
    else
        replica->last_ticket = journal_writer_run(replica->writer, land, landing, (struct journal_done){landed, landing});
}

/* The history's document takes over; `ahead` stays for the caller to free. */
static void leave(struct replica *replica)
{
    rope_free(replica->base);
    replica->document = replica->history;
    replica->base = replica->history_base;
    replica->ahead = NULL;
    replica->history = NULL;
    replica->history_base = NULL;
    replica->gesture.open = false;
    replica->merging.live = false; /* until the next turn: the text that is shown is not yet this document's */
}

/* The text, which was that one at the last update. */
static struct rope *brought_up(struct replica *replica, const struct rope *before)
{
    struct patch patch = {0};
    struct rope *text = rope_snapshot(before);
    document_update(replica->document, &patch);
    rope_apply(text, &patch);
    patch_release(&patch);
    return text;
}

/* `now`: the history's text, which it has been brought up to. */
static void take_over(struct replica *replica, const struct rope *now)
{
    struct ahead *ahead = replica->ahead;
    const struct batch_list *typed = ahead_batches(ahead);
    leave(replica);
    for (size_t i = 0; i < typed->count; i++)
        (void)replica_add_batch(replica, &typed->items[i]);
    struct rope *text = brought_up(replica, now);
    replica_show_text(replica, text);
    give(replica, typed);
    rope_free(text);
    ahead_free(ahead);
}

static void say_false(struct replica *replica, const struct ahead *ahead, const struct error *why)
{
    struct buf name = {0};
    unicode_safe_label(bytes_of_string(replica_name_of(replica, ahead_by(ahead), "somebody")), NAME_CELLS, &name);
    const char *typed = ahead_batches(ahead)->count > 0 ? " What you typed is in it." : "";
    if (why->code == ERR_MISSING) /* he may have told the truth, and the relay does not give it */
        replica_say(replica, "%s's copy of this text is of edits that the relay does not have: this is what it has.%s",
                    buf_string(&name), typed);
    else
        replica_say(replica, "%s's copy of this text was false (%s): this is what was written.%s", buf_string(&name), why->text,
                    typed);
    buf_release(&name);
}

/* What was typed on a false text is an edit of the true one. */
static void take_over_from_false(struct replica *replica, const struct rope *now, const struct error *why)
{
    struct ahead *ahead = replica->ahead;
    struct batch_list batches = {0};
    leave(replica);
    struct edit_mark mark = {.gesture = true, .time_s = (uint64_t)time(NULL)};
    ahead_write(ahead, replica->document, replica->base, now, &replica->agent, mark, &batches);
    struct rope *text = brought_up(replica, now);
    replica_show_text(replica, text);
    give(replica, &batches);
    replica_note_fault(replica, why);
    say_false(replica, ahead, why);
    if (!replica->file.origin_unknown && !document_knows(replica->document, &replica->file.version))
        replica_file_is_no_version(&replica->file);
    batch_list_release(&batches);
    rope_free(text);
    ahead_free(ahead);
}

/* Nothing of ours is there yet, so that what was typed can go where it says that it belongs. */
static bool has_room_for_typed(const struct replica *replica)
{
    const struct batch_list *typed = ahead_batches(replica->ahead);
    for (size_t i = 0; i < typed->count; i++) {
        const struct batch *batch = &typed->items[i];
        if (batch->seq0 == 0 && (document_next_seq(replica->history, &batch->agent) > 0 ||
                                 chain_next_seq(replica->chain, &batch->agent) > 0))
            return false;
    }
    return true;
}

static bool all_is_here(struct replica *replica)
{
    struct session_status status;
    if (!replica->net)
        return false;
    replica_net_status(replica, &status);
    return status.state == SESSION_ONLINE && status.caught_up;
}

/* A relay that was put back to an older state gets what it lacks from others, some seconds after they have come. */
static bool nothing_more_comes(struct replica *replica, uint64_t now_ms)
{
    if (!all_is_here(replica)) {
        replica->ahead_missing_ms = 0;
        return false;
    }
    if (!replica->ahead_missing_ms)
        replica->ahead_missing_ms = now_ms;
    return now_ms - replica->ahead_missing_ms >= MISSING_MS;
}

uint64_t replica_ahead_next_ms(const struct replica *replica)
{
    bool waits = replica->ahead && replica->ahead_missing_ms && !replica->comparing;
    return waits ? replica->ahead_missing_ms + MISSING_MS : UINT64_MAX;
}

/* --- on the worker's thread --- */

/* Reading a long history to its end takes longer than a key may have to wait: meanwhile it belongs to the worker. */
struct comparing {
    struct replica *replica;
    bool complete;
    enum ahead_state state;
    struct error why;
    struct rope *text; /* the history's, when it is not waited for any more */
};

static void compare(void *self)
{
    struct comparing *comparing = self;
    struct replica *replica = comparing->replica;
    struct patch patch = {0};
    comparing->state = ahead_compare(replica->ahead, replica->history, replica->history_base, replica->chain, comparing->complete,
                                     &comparing->why);
    if (comparing->state == AHEAD_WAITS)
        return;
    document_update(replica->history, &patch);
    comparing->text = rope_snapshot(replica->history_base);
    rope_apply(comparing->text, &patch);
    patch_release(&patch);
}

static void conclude(struct replica *replica, struct comparing *comparing)
{
    if (comparing->state == AHEAD_RIGHT && !has_room_for_typed(replica)) {
        error_set(&comparing->why, ERR_FORMAT, 0, "somebody writes under our name");
        comparing->state = AHEAD_WRONG;
    }
    replica_begin_writing(replica);
    if (comparing->state == AHEAD_RIGHT)
        take_over(replica, comparing->text);
    else
        take_over_from_false(replica, comparing->text, &comparing->why);
    people_locate(&replica->people, replica->document);
    replica_present_soon(replica);
    replica_touch(replica);
}

static void compared(void *self)
{
    struct comparing *comparing = self;
    struct replica *replica = comparing->replica;
    replica->comparing = false;
    if (comparing->state != AHEAD_WAITS)
        conclude(replica, comparing);
    rope_free(comparing->text);
    free(comparing);
}

struct document *replica_history(struct replica *replica)
{
    if (replica->comparing)
        worker_drain(replica->worker);
    return replica->ahead ? replica->history : replica->document;
}

void replica_ahead_handle(struct replica *replica, uint64_t now_ms)
{
    struct version version = {0};
    if (!replica->ahead || replica->joining || replica->arrived || replica->comparing)
        return;
    bool complete = nothing_more_comes(replica, now_ms);
    checkpoint_version(ahead_checkpoint(replica->ahead), &version);
    replica->comparing = complete || document_knows(replica->history, &version);
    version_release(&version);
    if (!replica->comparing)
        return;
    struct comparing *comparing = xcalloc(1, sizeof *comparing);
    *comparing = (struct comparing){.replica = replica, .complete = complete};
    worker_give(replica->worker, (struct worker_job){compare, compared, comparing});
}
