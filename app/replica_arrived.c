/*
 * What has come from the room: into the journal at once, into the text in its turn (app/replica_merge.c).
 */
#include "app/replica_ahead.h"
#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_unmerged.h"
#include "app/replica_rows.h"

#include "editor/base/xalloc.h"

enum {
    MERGE_MS = 4,     /* a key waits for so much of it on its way into the text */
    ARRIVED_BYTES_MAX = 4 << 20, /* wait to be taken into the text */
    LEAVING_MS = 100, /* what came last is still taken into the text, where that takes no longer */
};

static void journal_received(struct replica *replica, const struct received *received)
{
    struct journal_received row = {.kind = received->kind, .agent = received->agent, .seq0 = received->seq0,
                                   .count = received->count, .relay_place = received->place, .hash = received->hash,
                                   .stored = buf_view(&received->stored)};
    struct journal_relay relay = {.log = received->resume.log, .place = received->resume.place,
                                  .hash = received->resume.hash};
    if (received->kind == RECORD_CHECKPOINT) /* of no use later: there is a newer one then */
        replica_hear_posted(replica, row.stored);
    else
        journal_writer_received(replica->writer, &row, (struct journal_done){0});
    journal_writer_relay(replica->writer, &relay);
}

/* Before the first of its batches is added. */
static void begin_received(struct replica *replica, const struct received *received)
{
    replica->signatures_checked += received->checked; /* by the session, which lets out nothing that none vouches for */
    if (received->forked)
        document_fork(replica_history(replica), &received->fork);
}

/* After `before` events and `early_before` early ones. */
static void note_news(struct replica *replica, uint64_t before, size_t early_before)
{
    if (replica->early_count > early_before) /* what it builds on may be in rows of another process, read in a moment */
        replica->neighbour_rows_due = true;
    if (document_events(replica_history(replica)) == before)
        return;
    replica->merging.pending |= replica->early_count > 0; /* it may be what those build on */
    replica->text_due |= !replica->ahead;
    replica_post_soon(replica, net_now_ms());
}

void replica_take_received(struct replica *replica, const struct received *received)
{
    size_t early_before = replica->early_count;
    uint64_t before = document_events(replica_history(replica));
    journal_received(replica, received);
    begin_received(replica, received);
    (void)replica_add_batches(replica, &received->run, NULL);
    (void)replica_take_early(replica);
    note_news(replica, before, early_before);
}

static void drop_first(struct replica *replica)
{
    struct net_event *event = replica->arrived;
    replica->arrived = event->next;
    replica->arrived_begun = false;
    replica->arrived_bytes -= net_event_cost(event);
    batch_cursor_release(&replica->arrived_at);
    net_event_free(event);
}

/* The next batch of what has arrived, and of that the next one, to its end. */
static const struct batch *first_arrived(struct replica *replica)
{
    while (replica->arrived) {
        const struct received *received = &replica->arrived->received;
        if (replica->arrived_begun)
            return replica->arrived_at.batch;
        begin_received(replica, received);
        replica->arrived_at = batch_cursor_of(&received->run);
        replica->arrived_begun = true;
        if (!batch_cursor_next(&replica->arrived_at))
            drop_first(replica);
    }
    return NULL;
}

static void go_to_next(struct replica *replica)
{
    if (!batch_cursor_next(&replica->arrived_at))
        drop_first(replica);
}

/* False: there is none, or no room for what waits for something that is on its way. */
static bool take_next(struct replica *replica)
{
    size_t early_before = replica->early_count;
    uint64_t before = document_events(replica_history(replica));
    const struct batch *batch = first_arrived(replica);
    if (!batch || replica_early_is_full(replica))
        return false;
    enum merge_turn turn = replica_merge_turn(replica, batch);
    if (turn == MERGE_LATER) { /* others may go first */
        replica_keep_early(replica, batch);
        replica->merging.pending = true;
        go_to_next(replica);
        return true;
    }
    if (turn == MERGE_NOW && replica_add_now(replica, batch) == DOCUMENT_EARLY)
        replica_keep_early(replica, batch);
    replica->received_edits += document_events(replica_history(replica)) > before;
    go_to_next(replica);
    note_news(replica, before, early_before);
    return true;
}

static void take_all(struct replica *replica, uint64_t until_ms)
{
    replica_merge_begin_turn(replica, until_ms);
    if (replica->merging.pending) { /* before what arrived after it */
        replica->merging.pending = false;
        replica->text_due |= replica_take_early(replica) && !replica->ahead;
    }
    bool waits = replica_unmerged_comes(replica);
    while (replica->arrived && !waits && net_now_ms() < until_ms && take_next(replica))
        ;
}

void replica_take_some_arrived(struct replica *replica)
{
    take_all(replica, net_now_ms() + MERGE_MS);
}

/* What takes longer is kept: it is in the journal, and in the hash chain. */
void replica_take_arrived(struct replica *replica)
{
    if (!replica->arrived)
        return;
    take_all(replica, net_now_ms() + LEAVING_MS);
    for (const struct batch *batch; (batch = first_arrived(replica)); go_to_next(replica)) {
        replica_keep_early(replica, batch);
        replica->merging.pending = true;
    }
    if (replica->text_due)
        replica_update_text(replica);
    replica->text_due = false;
}

void replica_arrive(struct replica *replica, struct net_event *event)
{
    journal_received(replica, &event->received);
    *(replica->arrived ? replica->arrived_end : &replica->arrived) = event;
    replica->arrived_end = &event->next;
    replica->arrived_bytes += net_event_cost(event);
}

bool replica_arrived_enough(const struct replica *replica)
{
    bool needs_base = replica->joining && !replica->ahead;
    return !needs_base && replica->arrived_bytes >= ARRIVED_BYTES_MAX;
}
