/* Batches that wait become sealed records, and whoever wrote them is introduced. */
#include "sync/upload_parts.h"

#include <stdio.h>
#include <string.h>

#include "editor/base/xalloc.h"

static bool builds_on_others(const struct pending *batch)
{
    return batch->plain.len > 0 && (batch->plain.data[0] & BATCH_FLAG_FOREIGN) != 0;
}

/*
 * How many of the batches that wait go into one record. Only the first of them may build on what others wrote: two processes
 * of one person see each other through their journal while no relay does, and of two records that each need a piece of the
 * other nobody could ever read either.
 */
static size_t pack_size(const struct stream *stream)
{
    size_t bytes = 0, n = 0;
    while (n < stream->pending_count && n < RECORD_BATCHES_MAX) {
        bytes += stream->pending[n].plain.len + VARINT_BYTES_MAX;
        if (n > 0 && (bytes > RECORD_PACK_BYTES || builds_on_others(&stream->pending[n])))
            break;
        n++;
    }
    return n;
}

void upload_seal(struct upload *upload, const struct record_spec *what, struct buf *stored)
{
    struct record_spec spec = *what;
    spec.sealer = upload->config.self;
    spec.counter = upload->next_counter++;
    spec.keys = upload->config.keys;
    spec.signer = upload->config.doc_key;
    record_seal(&spec, stored);
}

static void seal_pending(struct upload *upload, const struct stream *stream, size_t n, struct buf *stored)
{
    struct buf plain = {0};
    const struct pending *last = &stream->pending[n - 1];
    for (size_t i = 0; i < n; i++)
        record_plain_add(&plain, buf_view(&stream->pending[i].plain));
    struct record_spec spec = {
        .kind = RECORD_EVENTS,
        .agent = stream->agent,
        .seq0 = stream->pending[0].seq0,
        .count = last->seq0 + last->count - stream->pending[0].seq0,
        .plain = buf_view(&plain),
        .last = &last->digest,
    };
    upload_seal(upload, &spec, stored);
    buf_release(&plain);
}

static void pack(struct upload *upload, struct stream *stream)
{
    size_t n = pack_size(stream);
    const struct pending *first = stream->pending, *last = &stream->pending[n - 1];
    struct upload_record *record = xcalloc(1, sizeof *record);
    record->ticket = upload->next_ticket++;
    record->seq0 = first->seq0;
    record->count = last->seq0 + last->count - first->seq0;
    record->since_ms = first->since_ms;
    record->batches = n;
    for (size_t i = 0; i < n; i++)
        record->edits += stream->pending[i].gesture;
    seal_pending(upload, stream, n, &record->stored);
    upload_drop_pending(upload, stream, n);
    upload->ahead_bytes += record->stored.len;
    upload_insert_record(upload, stream, stream->record_count, record);
    struct outbox_record out = {record->ticket, RECORD_EVENTS, stream->agent,
                                record->seq0,   record->count, buf_view(&record->stored)};
    upload->port.persist(upload->port.self, &out);
}

/*
 * The nonce of a MEMBER is (agent, counter). Our own agent's 0 is used for nothing else; of an agent that another
 * process began we cannot know what it sealed, so a counter is drawn that it cannot have reached.
 */
static uint64_t member_counter(const struct upload *upload, const struct stream *stream)
{
    uint64_t counter = 0;
    if (!agent_id_equal(&stream->agent, &upload->config.self)) {
        crypto_random(&counter, sizeof counter);
        counter |= (uint64_t)1 << 63;
    }
    return counter;
}

/* "ada", or "ada's disk". */
static void name_member(const struct upload *upload, const struct stream *stream, char name[NAME_BYTES_MAX + 1])
{
    char ending[sizeof stream->label + 3] = "";
    if (stream->label[0])
        snprintf(ending, sizeof ending, "'s %s", stream->label);
    size_t ending_len = strlen(ending), room = NAME_BYTES_MAX - ending_len;
    size_t len = strnlen(upload->config.name, NAME_BYTES_MAX);
    while (len > room) /* never in the middle of a character */
        do
            len--;
        while (len > 0 && ((unsigned char)upload->config.name[len] & 0xc0) == 0x80);
    memcpy(name, upload->config.name, len);
    memcpy(name + len, ending, ending_len + 1);
}

void upload_introduce(struct upload *upload, struct stream *stream)
{
    const struct upload_config *config = &upload->config;
    struct member member = {.agent = stream->agent,
                            .doc_key = config->doc_key->public_key,
                            .has_grant = true,
                            .device_key = config->device->key.public_key};
    struct buf stored = {0};

    if (stream->member_ticket || roster_find(config->roster, &stream->agent))
        return;
    grant_make(config->keys, &member.doc_key, 0, 0, &member.grant);
    name_member(upload, stream, member.name);
    member_seal(&member, config->keys, config->device, member_counter(upload, stream), &stored);
    if (roster_add(config->roster, &member, buf_view(&stored))) {
        stream->member_ticket = upload->next_ticket++;
        struct outbox_record out = {stream->member_ticket, RECORD_MEMBER, stream->agent, 0, 0, buf_view(&stored)};
        upload->port.persist(upload->port.self, &out);
    }
    buf_release(&stored);
}

static bool pack_due(const struct upload *upload, uint64_t pace_ms, uint64_t now_ms)
{
    return upload->hurry || now_ms >= upload->flushed_ms + pace_ms || upload->flushed_ms == 0;
}

/* The relay has something under these numbers: it may be this, sent by another process of ours, and is about to be seen. */
static bool may_be_there(const struct upload *upload, const struct stream *stream)
{
    return !upload->caught_up && stream->relay_next > stream->pending[0].seq0;
}

/* False: something of it is left. */
static bool seal_stream(struct upload *upload, struct stream *stream)
{
    while (stream->pending_count > 0 && upload->ahead_bytes < UPLOAD_WINDOW_BYTES && !may_be_there(upload, stream))
        pack(upload, stream);
    return stream->pending_count == 0;
}

/*
 * In the order in which it is sent: a process that finds the records in the outbox sends them as they stand there, and what it
 * has yet to seal after them. What was written last must not come to stand in front of what it builds on.
 */
void upload_seal_streams(struct upload *upload, uint64_t pace_ms, uint64_t now_ms)
{
    if (!pack_due(upload, pace_ms, now_ms))
        return;
    upload->hurry = false;
    bool held = false;
    for (struct stream *stream = NULL; (stream = upload_next_turn(upload, stream ? stream->turn : 0));) {
        if (stream->pending_count > 0)
            upload->flushed_ms = now_ms;
        if (!held && !seal_stream(upload, stream))
            held = !stream->stopped;
        if (stream->record_count > 0)
            upload_introduce(upload, stream);
    }
}
