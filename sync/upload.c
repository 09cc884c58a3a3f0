#include "sync/upload_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

/* --- life --- */

struct upload *upload_new(const struct upload_config *config, const struct upload_port *port)
{
    struct upload *upload = xcalloc(1, sizeof *upload);
    upload->config = *config;
    upload->port = *port;
    upload->random = random_of(config->seed);
    upload->next_ticket = 1;
    upload->next_counter = config->first_counter ? config->first_counter : 1; /* 0 is its MEMBER's */
    upload->reoffer_ms = UINT64_MAX;
    return upload;
}

void upload_relay_reaches(struct upload *upload, uint64_t place)
{
    if (place > upload->relay_head)
        upload->relay_head = place;
}

void upload_free(struct upload *upload)
{
    if (!upload)
        return;
    for (size_t i = 0; i < upload->stream_count; i++)
        upload_stream_free(upload->streams[i]);
    upload_pack_release(&upload->packing);
    upload_post_drop(upload);
    free(upload->lacking);
    free(upload->streams);
    free(upload->sent);
    free(upload);
}

/* What an agent writes first says what it stands for, where that is not the person. */
static void note_label(struct stream *stream, const struct batch *first)
{
    if (first->seq0 == 0 && first->flags & BATCH_FLAG_LABEL)
        memcpy(stream->label, first->label, sizeof stream->label);
}

static void read_label(struct stream *stream, const struct local_batch *first)
{
    struct batch batch = {0};
    struct error ignored = {0}; /* the chain has taken it */
    if (batch_decode(first->plain, &first->agent, first->seq0, &batch, &ignored))
        note_label(stream, &batch);
    batch_release(&batch);
}

static bool count_inside(struct upload *upload, const struct record *view, struct upload_record *record,
                         struct error *err)
{
    struct buf plain = {0};
    struct batch_run run;
    bool opened = record_open_events(view, upload->config.keys, &plain, &run, err);
    if (opened) {
        record->batches = run.count;
        record->edits = run.count;
        upload->batches += record->batches;
        upload->edits += record->edits;
        struct batch_cursor first = batch_cursor_of(&run);
        if (batch_cursor_next(&first))
            note_label(upload_get_stream(upload, &view->agent), first.batch);
        batch_cursor_release(&first);
    }
    buf_release(&plain);
    return opened;
}

bool upload_restore(struct upload *upload, struct bytes stored, uint64_t now_ms, struct error *err)
{
    struct record view;
    if (!record_decode(stored, &view, err))
        return false;
    if (view.kind != RECORD_EVENTS)
        return error_set(err, ERR_FORMAT, 0, "the outbox holds a record of another kind than edits");
    struct upload_record *record = upload_record_new(upload, &view);
    if (!count_inside(upload, &view, record, err)) {
        upload->ahead_bytes -= record->stored.len;
        upload_record_free(record);
        return false;
    }
    record->persisted = true;
    record->since_ms = now_ms;
    struct stream *stream = upload_get_stream(upload, &view.agent);
    upload_make_mine(upload, stream);
    upload_insert_record(upload, stream, stream->record_count, record);
    return true;
}

static void add_pending(struct upload *upload, struct stream *stream, const struct local_batch *batch, uint64_t now_ms)
{
    if (batch->seq0 == 0)
        read_label(stream, batch);
    stream->pending = xgrow(stream->pending, &stream->pending_cap, stream->pending_count + 1, sizeof *stream->pending);
    struct pending *pending = &stream->pending[stream->pending_count++];
    *pending = (struct pending){.seq0 = batch->seq0,
                                .count = batch->count,
                                .digest = batch->digest,
                                .gesture = batch->gesture,
                                .since_ms = now_ms};
    buf_add_bytes(&pending->plain, batch->plain);
    upload->waiting++;
    upload->batches++;
    upload->edits += batch->gesture;
}

/* What is handed in, or at the relay, up to now. */
static uint64_t handed_next(const struct stream *stream)
{
    const struct pending *pending = stream->pending_count > 0 ? &stream->pending[stream->pending_count - 1] : NULL;
    if (pending)
        return pending_end(pending);
    uint64_t sealed = stream->record_count > 0 ? upload_record_end(stream->records[stream->record_count - 1]) : 0;
    return sealed > stream->relay_next ? sealed : stream->relay_next;
}

/* What is sealed of it, and not at the relay, goes first. */
static void lend(struct upload *upload, struct stream *stream)
{
    stream->lent = true;
    upload->lent++;
    upload_make_mine(upload, stream);
    if (upload->online && stream->record_count == 0 && stream->relay_next < stream->pending[0].seq0)
        upload_ask_journal(upload, stream);
}

static void take_lent(struct upload *upload, struct stream *stream, const struct local_batch *batch, uint64_t now_ms)
{
    if (batch->seq0 < handed_next(stream) || (stream->mine && !stream->lent))
        return;
    add_pending(upload, stream, batch, now_ms);
    if (!stream->lent)
        lend(upload, stream);
}

void upload_local(struct upload *upload, const struct local_batch *batch, uint64_t now_ms)
{
    struct stream *stream = upload_get_stream(upload, &batch->agent);
    if (batch->lent) {
        take_lent(upload, stream, batch, now_ms);
        return;
    }
    upload_make_mine(upload, stream);
    upload->packing.local_ms = now_ms;
    add_pending(upload, stream, batch, now_ms);
}

void upload_persisted(struct upload *upload, uint64_t ticket)
{
    upload_pack_persisted(upload, ticket);
    for (size_t i = 0; i < upload->stream_count; i++) {
        struct stream *stream = upload->streams[i];
        if (ticket == stream->member_ticket)
            stream->member_ticket = 0;
        for (size_t r = 0; stream->mine && r < stream->record_count; r++)
            if (stream->records[r]->ticket == ticket)
                stream->records[r]->persisted = true;
    }
}

/* --- the connection --- */

void upload_lost(struct upload *upload)
{
    for (size_t i = 0; i < upload->sent_count; i++)
        upload_unsend(upload, &upload->sent[i]);
    upload_pack_lost(upload);
    upload_post_drop(upload);
    upload->sent_count = 0;
    upload->in_flight_bytes = 0;
    upload->online = upload->caught_up = false;
    upload->base_stopped = upload->base_again = false;
    upload->ordinal = 0;
    upload->reoffer_ms = UINT64_MAX;
    for (size_t i = 0; i < upload->stream_count; i++) {
        struct stream *stream = upload->streams[i];
        upload_drop_fetched(upload, stream);
        stream->relay_next = 0;
        stream->relay_knows = stream->stopped = false;
        stream->paused_until_ms = stream->full_ordinal = 0;
    }
}

uint64_t upload_first_owed(const struct upload *upload, const struct stream *stream)
{
    for (size_t i = 0; i < stream->record_count; i++)
        if (!stream->records[i]->again)
            return stream->records[i]->seq0;
    if (stream->pending_count > 0)
        return stream->pending[0].seq0;
    return chain_next_seq(upload->config.chain, &stream->agent);
}

/*
 * What is here and not acknowledged is sent again, also where the vector says that the relay has such seqs: after a fork it
 * may be others' content. It compares, and acknowledges what it has.
 */
static void welcome_stream(struct upload *upload, struct stream *stream)
{
    if (!stream->mine)
        return;
    if (stream->relay_next < upload_first_owed(upload, stream))
        upload_ask_journal(upload, stream);
}

void upload_relay_has(struct upload *upload, const struct agent_id *agent, uint64_t next_seq)
{
    struct stream *stream = upload_get_stream(upload, agent);
    stream->relay_knows = true;
    if (next_seq > stream->relay_next)
        stream->relay_next = next_seq;
}

void upload_welcome(struct upload *upload, const struct vector_entry *vector, size_t count, uint64_t head,
                    uint64_t now_ms)
{
    upload->online = true;
    upload->hurry = true;
    for (size_t i = 0; i < count; i++)
        upload_relay_has(upload, &vector[i].agent, vector[i].next_seq);
    upload->relay_head = head;
    upload_base_welcome(upload, head);
    for (size_t i = 0; i < upload->stream_count; i++)
        welcome_stream(upload, upload->streams[i]);
    upload_lacking_welcome(upload, now_ms);
    upload->reoffer_ms = now_ms + 1 + random_below(&upload->random, UPLOAD_REOFFER_MS);
}

/* --- what there is --- */

static uint64_t stream_oldest_ms(const struct stream *stream)
{
    for (size_t i = 0; i < stream->record_count; i++)
        if (!stream->records[i]->again)
            return stream->records[i]->since_ms;
    return stream->pending_count > 0 ? stream->pending[0].since_ms : UINT64_MAX;
}

struct upload_counts upload_counts(const struct upload *upload)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < upload->stream_count && upload->batches > 0; i++) {
        uint64_t at = stream_oldest_ms(upload->streams[i]);
        oldest = at < oldest ? at : oldest;
    }
    struct upload_counts counts = {
        .edits = upload->edits,
        .batches = upload->batches,
        .oldest_ms = oldest == UINT64_MAX ? 0 : oldest,
        .base_done = upload_base_bytes(upload, upload->base_acked),
        .base_total = upload_base_bytes(upload, upload->base_chunks),
    };
    upload_lacking_counts(upload, &counts);
    return counts;
}

size_t upload_in_flight_bytes(const struct upload *upload)
{
    return upload->in_flight_bytes;
}

static bool is_healing(const struct stream *stream)
{
    bool again = stream->record_count > 0 && stream->records[0]->again;
    return !stream->stopped && (stream->fetching || stream->fetch_more || again);
}

bool upload_is_offering(const struct upload *upload)
{
    for (size_t i = 0; i < upload->stream_count; i++)
        if (is_healing(upload->streams[i]))
            return true;
    return upload->reoffer_ms != UINT64_MAX;
}

bool upload_is_answered(const struct upload *upload)
{
    return upload->in_flight_bytes == 0 && upload->ahead_bytes == 0;
}

uint64_t upload_counter(const struct upload *upload)
{
    return upload->next_counter;
}

uint64_t upload_relay_next(const struct upload *upload, const struct agent_id *agent)
{
    const struct stream *stream = upload_find_stream(upload, agent);
    return stream ? stream->relay_next : 0;
}

bool upload_is_full(const struct upload *upload)
{
    for (size_t i = 0; i < upload->stream_count; i++)
        if (upload->streams[i]->full)
            return true;
    return false;
}

bool upload_owes(const struct upload *upload, const struct agent_id *agent)
{
    const struct stream *stream = upload_find_stream(upload, agent);
    return stream && stream->mine && (stream->record_count > 0 || stream->pending_count > 0);
}

bool upload_relay_ahead(const struct upload *upload, bool (*skip)(void *self, const struct agent_id *agent), void *self,
                        struct agent_id *agent)
{
    for (size_t i = 0; i < upload->stream_count; i++) {
        const struct stream *stream = upload->streams[i];
        if (stream->relay_next <= chain_next_seq(upload->config.chain, &stream->agent) || skip(self, &stream->agent))
            continue;
        *agent = stream->agent;
        return true;
    }
    return false;
}
