/* What the relay says to what was sent: it has it, or does not take it. */
#include "sync/upload_parts.h"

#include <string.h>

static size_t index_of(const struct stream *stream, const struct upload_record *record)
{
    size_t i = 0;
    while (stream->records[i] != record)
        i++;
    return i;
}

static void record_acked(struct upload *upload, const struct sent *sent)
{
    struct stream *stream = sent->stream;
    struct upload_record *record = sent->record;
    uint64_t end = upload_record_end(record);
    bool again = record->again;
    stream->full &= sent->ordinal < stream->full_ordinal;
    if (stream->mine && !stream->lent && !again)
        upload_pack_add(upload, &stream->agent, record);
    upload_remove_record(upload, stream, index_of(stream, record));
    if (end > stream->relay_next)
        stream->relay_next = end;
    if (!again)
        upload->port.acked(upload->port.self, &stream->agent, end);
}

/* Returns whether nothing of ours in front of seq0 waits. */
static bool is_first_owed(const struct stream *stream, uint64_t seq0)
{
    uint64_t first = stream->pending_count > 0 ? stream->pending[0].seq0 : UINT64_MAX;
    if (stream->record_count > 0)
        first = stream->records[0]->seq0;
    return first != UINT64_MAX && first >= seq0;
}

void upload_caught_up(struct upload *upload)
{
    upload->caught_up = true;
}

void upload_is_there(struct upload *upload, const struct agent_id *agent, uint64_t seq0, uint64_t next_seq)
{
    struct stream *stream = upload_find_stream(upload, agent);
    if (!stream || !stream->mine || !is_first_owed(stream, seq0))
        return;
    size_t waiting = upload->waiting;
    while (stream->record_count > 0 && !stream->records[0]->sent && upload_record_end(stream->records[0]) <= next_seq)
        upload_remove_record(upload, stream, 0);
    while (stream->record_count == 0 && stream->pending_count > 0 && pending_end(&stream->pending[0]) <= next_seq) {
        upload->batches--;
        upload->edits -= stream->pending[0].gesture;
        upload_drop_pending(upload, stream, 1);
    }
    if (upload->waiting < waiting && stream->record_count == 0)
        upload->port.acked(upload->port.self, agent, next_seq);
}

static void take_ack(struct upload *upload, const struct sent *sent)
{
    upload->in_flight_bytes -= sent->bytes;
    switch (sent->kind) {
    case SENT_BASE:
        upload->base_acked++;
        break;
    case SENT_MEMBER:
        break;
    case SENT_RECORD:
        record_acked(upload, sent);
        break;
    case SENT_PACK:
        upload_pack_acked(upload, sent->ticket);
        break;
    case SENT_CHECKPOINT:
        break;
    }
}

static bool stored_form(const struct upload *upload, const struct sent *sent, struct bytes *stored)
{
    switch (sent->kind) {
    case SENT_BASE:
    case SENT_CHECKPOINT:
        return false; /* too large to be kept for this */
    case SENT_MEMBER: {
        const struct roster_entry *entry = roster_find(upload->config.roster, &sent->stream->agent);
        *stored = entry ? buf_view(&entry->stored) : (struct bytes){0};
        return entry;
    }
    case SENT_RECORD:
        *stored = buf_view(&sent->record->stored);
        return true;
    case SENT_PACK: {
        const struct pack *pack = upload_pack_find(upload, sent->ticket);
        *stored = pack ? buf_view(&pack->stored) : (struct bytes){0};
        return pack;
    }
    }
    return false;
}

bool upload_sent_hash(const struct upload *upload, uint64_t ordinal, struct digest *hash)
{
    struct bytes stored;
    for (size_t i = 0; i < upload->sent_count && upload->sent[i].ordinal <= ordinal; i++) {
        if (upload->sent[i].ordinal != ordinal || !stored_form(upload, &upload->sent[i], &stored))
            continue;
        record_hash(stored, hash);
        return true;
    }
    return false;
}

void upload_ack(struct upload *upload, uint64_t ordinal)
{
    size_t n = 0;
    while (n < upload->sent_count && upload->sent[n].ordinal <= ordinal)
        take_ack(upload, &upload->sent[n++]);
    upload->sent_count -= n;
    memmove(upload->sent, upload->sent + n, upload->sent_count * sizeof *upload->sent);
}

/* "Not now": the record and those behind it, which the relay refuses as out of order, are sent again after a pause. */
static bool is_passing(unsigned code)
{
    return code == REFUSE_LIMIT || code == REFUSE_FULL || code == REFUSE_ORDER;
}

void upload_unsend(struct upload *upload, const struct sent *sent)
{
    if (sent->kind == SENT_MEMBER)
        sent->stream->relay_knows = false;
    if (sent->kind == SENT_RECORD) {
        sent->record->sent = false;
        upload->ahead_bytes += sent->record->stored.len;
    }
}

/* Room may be made, so it goes on being offered; but that can take days, and nobody else would say what the matter is. */
static void tell_full(struct upload *upload, const struct sent *sent, struct bytes text)
{
    struct stream *stream = sent->stream;
    bool told = upload_is_full(upload);
    stream->full = stream->mine;
    stream->full_ordinal = sent->ordinal;
    if (stream->mine && !told)
        upload->port.rejected(upload->port.self, &stream->agent, REFUSE_FULL, text);
}

static void take_reject(struct upload *upload, const struct sent *sent, unsigned code, struct bytes text,
                        uint64_t now_ms)
{
    upload->in_flight_bytes -= sent->bytes;
    if (sent->kind == SENT_BASE) {
        upload_base_rejected(upload, code, text, now_ms);
        return;
    }
    if (sent->kind == SENT_PACK) {
        upload_pack_rejected(upload, sent->ticket);
        return;
    }
    if (sent->kind == SENT_CHECKPOINT) {
        upload_post_rejected(upload, sent->ticket);
        return;
    }
    upload_unsend(upload, sent);
    if (is_passing(code)) {
        sent->stream->paused_until_ms = now_ms + UPLOAD_PAUSE_MS;
        if (code == REFUSE_FULL)
            tell_full(upload, sent, text);
        return;
    }
    bool was_stopped = sent->stream->stopped;
    sent->stream->stopped = true;
    if (sent->stream->mine && !was_stopped)
        upload->port.rejected(upload->port.self, &sent->stream->agent, code, text);
}

void upload_reject(struct upload *upload, uint64_t ordinal, unsigned code, struct bytes text, uint64_t now_ms)
{
    for (size_t i = 0; i < upload->sent_count; i++) {
        struct sent sent = upload->sent[i];
        if (sent.ordinal != ordinal)
            continue;
        upload->sent_count--;
        memmove(upload->sent + i, upload->sent + i + 1, (upload->sent_count - i) * sizeof sent);
        take_reject(upload, &sent, code, text, now_ms);
        return;
    }
}
