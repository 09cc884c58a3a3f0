/* Sending: what is ours in the order it was written, and what others wrote again. */
#include "sync/upload_parts.h"

#include "editor/base/deadline.h"
#include "editor/base/xalloc.h"

bool upload_window_open(struct upload *upload)
{
    return upload->in_flight_bytes < UPLOAD_WINDOW_BYTES && upload->port.has_room(upload->port.self);
}

void upload_note_sent(struct upload *upload, struct sent sent)
{
    sent.ordinal = ++upload->ordinal;
    upload->in_flight_bytes += sent.bytes;
    upload->sent = xgrow(upload->sent, &upload->sent_cap, upload->sent_count + 1, sizeof *upload->sent);
    upload->sent[upload->sent_count++] = sent;
}

enum { BUNDLE_MAX = 64 };

/* Records on their way into one frame. */
struct bundle {
    struct place_record items[BUNDLE_MAX];
    size_t count, bytes;
};

static void send_bundle(struct upload *upload, struct bundle *bundle)
{
    if (bundle->count == 0)
        return;
    struct message message = {.kind = MESSAGE_RECORDS, .records = {bundle->items, bundle->count}};
    upload->port.send(upload->port.self, &message);
    bundle->count = bundle->bytes = 0;
}

static void add_to_bundle(struct upload *upload, struct bundle *bundle, struct bytes stored)
{
    if (bundle->count == BUNDLE_MAX || (bundle->count > 0 && bundle->bytes + stored.len > UPLOAD_FRAME_BYTES))
        send_bundle(upload, bundle);
    bundle->items[bundle->count++] = (struct place_record){.stored = stored};
    bundle->bytes += stored.len;
}

static void send_own_member(struct upload *upload, struct stream *stream, struct bundle *bundle)
{
    const struct roster_entry *entry = roster_find(upload->config.roster, &stream->agent);
    if (!entry || stream->relay_knows)
        return;
    stream->relay_knows = true;
    add_to_bundle(upload, bundle, buf_view(&entry->stored));
    upload_note_sent(upload, (struct sent){.kind = SENT_MEMBER, .bytes = entry->stored.len, .stream = stream});
}

static void mark_sent(struct upload *upload, struct stream *stream, struct upload_record *record)
{
    record->sent = true;
    upload->ahead_bytes -= record->stored.len;
    struct sent sent = {.kind = SENT_RECORD, .bytes = record->stored.len, .stream = stream, .record = record};
    upload_note_sent(upload, sent);
}

static void send_stream(struct upload *upload, struct stream *stream)
{
    struct bundle bundle = {.count = 0};
    for (size_t i = 0; i < stream->record_count && upload_window_open(upload); i++) {
        struct upload_record *record = stream->records[i];
        if (record->sent)
            continue;
        if (!record->persisted || (stream->fetch_more && !record->again))
            break; /* those behind it must not overtake it, nor what is still to be fetched */
        send_own_member(upload, stream, &bundle);
        add_to_bundle(upload, &bundle, buf_view(&record->stored));
        mark_sent(upload, stream, record);
    }
    send_bundle(upload, &bundle);
}

static void send_reoffer(struct upload *upload, struct bytes stored, const struct digest *last)
{
    struct message message = {.kind = MESSAGE_REOFFER, .reoffer = {.stored = stored, .last = *last}};
    upload->port.send(upload->port.self, &message);
}

bool upload_is_known_writer(struct upload *upload)
{
    struct stream *own = upload_get_stream(upload, &upload->config.self);
    struct bundle bundle = {.count = 0};
    upload_introduce(upload, own);
    if (!own->member_ticket)
        send_own_member(upload, own, &bundle);
    send_bundle(upload, &bundle);
    return own->relay_knows;
}

/* A number that forked has a digest on each side: the signature says which one it was signed for. */
static bool signed_digest(const struct upload *upload, const struct sign_public *doc_key, struct bytes stored,
                          struct digest *last)
{
    struct record record;
    struct error err = {0};
    if (!record_decode(stored, &record, &err))
        return false;
    struct event_id newest = {record.agent, record.seq0 + record.count - 1};
    bool forked = chain_is_forked(upload->config.chain, &record.agent);
    for (unsigned n = 0; chain_find_nth(upload->config.chain, &newest, n, last); n++)
        if (!forked || record_verify(&record, &upload->config.keys->doc, doc_key, last))
            return true;
    return false;
}

static void reoffer_stream(struct upload *upload, struct stream *stream)
{
    const struct roster_entry *entry = roster_find(upload->config.roster, &stream->agent);
    if (!entry || !upload_is_known_writer(upload))
        return;
    for (size_t i = 0; i < stream->record_count && upload_window_open(upload); i++) {
        struct upload_record *record = stream->records[i];
        struct digest last = {{0}};
        if (record->sent)
            continue;
        if (!stream->relay_knows) {
            send_reoffer(upload, buf_view(&entry->stored), &last);
            upload_note_sent(upload, (struct sent){.kind = SENT_MEMBER, .bytes = entry->stored.len, .stream = stream});
            stream->relay_knows = true;
        }
        if (!signed_digest(upload, &entry->member.doc_key, buf_view(&record->stored), &last))
            break;
        send_reoffer(upload, buf_view(&record->stored), &last);
        mark_sent(upload, stream, record);
    }
}

static bool may_send(struct stream *stream, uint64_t now_ms)
{
    if (now_ms >= stream->paused_until_ms)
        stream->paused_until_ms = 0;
    return stream->record_count > 0 && !stream->fetching && !stream->stopped && !stream->member_ticket &&
           stream->paused_until_ms == 0;
}

static void run_stream(struct upload *upload, struct stream *stream, uint64_t now_ms)
{
    if (!may_send(stream, now_ms))
        return;
    if (stream->mine)
        send_stream(upload, stream);
    else
        reoffer_stream(upload, stream);
    upload_ask_for_more(upload, stream);
}

static bool has_unsent(const struct stream *stream)
{
    for (size_t i = 0; i < stream->record_count; i++)
        if (!stream->records[i]->sent)
            return true;
    return stream->pending_count > 0;
}

/*
 * What we took over was written before anything of our own, which may build on it, and the agents of one device mostly wrote
 * one after the other. What was written first goes first: others wait for what they lack, but where such an agent has
 * forked they may take the other branch for it.
 */
static bool is_held(const struct upload *upload, const struct stream *held)
{
    for (size_t i = 0; i < upload->stream_count; i++) {
        const struct stream *stream = upload->streams[i];
        if (stream->mine && stream->turn < held->turn && !stream->stopped && has_unsent(stream))
            return true;
    }
    return false;
}

static void run_streams(struct upload *upload, uint64_t now_ms)
{
    for (size_t i = 0; i < upload->stream_count; i++)
        if (!upload->streams[i]->mine)
            run_stream(upload, upload->streams[i], now_ms);
    struct stream *stream = NULL;
    while ((stream = upload_next_turn(upload, stream ? stream->turn : 0)) && !is_held(upload, stream))
        run_stream(upload, stream, now_ms);
}

void upload_run(struct upload *upload, uint64_t pace_ms, uint64_t now_ms)
{
    if (!upload->online || upload->config.keys->access < ACCESS_WRITE)
        return;
    upload_base_send(upload);
    if (!upload_base_is_there(upload))
        return;
    if (upload->waiting > 0)
        upload_seal_streams(upload, pace_ms, now_ms);
    upload_reoffer_lost(upload, now_ms);
    upload_lacking_run(upload, now_ms);
    if (upload->waiting > 0)
        run_streams(upload, now_ms);
    upload_pack_run(upload, now_ms);
    upload_post_run(upload);
}

void upload_hurry(struct upload *upload)
{
    upload->hurry = true;
}

static uint64_t stream_next_ms(const struct upload *upload, const struct stream *stream, uint64_t pace_ms)
{
    if (stream->record_count > 0 && stream->paused_until_ms)
        return stream->paused_until_ms;
    bool blocked = upload->ahead_bytes >= UPLOAD_WINDOW_BYTES;
    return stream->pending_count > 0 && !blocked ? upload->flushed_ms + pace_ms : UINT64_MAX;
}

uint64_t upload_next_ms(const struct upload *upload, uint64_t pace_ms)
{
    if (!upload->online || upload->config.keys->access < ACCESS_WRITE || !upload_base_is_there(upload))
        return UINT64_MAX;
    uint64_t next = deadline_earlier(upload->reoffer_ms, upload_pack_next_ms(upload));
    next = deadline_earlier(next, upload_lacking_next_ms(upload));
    for (size_t i = 0; i < upload->stream_count && upload->waiting > 0; i++) {
        uint64_t at = stream_next_ms(upload, upload->streams[i], pace_ms);
        if (at < next)
            next = at;
    }
    return next;
}
