#include "sync/upload_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

/* --- streams --- */

static size_t lower_bound(const struct upload *upload, const struct agent_id *agent)
{
    size_t low = 0, high = upload->stream_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (agent_id_compare(&upload->streams[middle]->agent, agent) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct stream *find_stream(const struct upload *upload, const struct agent_id *agent)
{
    size_t i = lower_bound(upload, agent);
    bool found = i < upload->stream_count && agent_id_equal(&upload->streams[i]->agent, agent);
    return found ? upload->streams[i] : NULL;
}

static struct stream *get_stream(struct upload *upload, const struct agent_id *agent)
{
    struct stream *stream = find_stream(upload, agent);
    if (stream)
        return stream;
    size_t at = lower_bound(upload, agent);
    stream = xcalloc(1, sizeof *stream);
    stream->agent = *agent;
    upload->streams = xgrow(upload->streams, &upload->stream_cap, upload->stream_count + 1, sizeof(struct stream *));
    memmove(upload->streams + at + 1, upload->streams + at, (upload->stream_count - at) * sizeof(struct stream *));
    upload->streams[at] = stream;
    upload->stream_count++;
    return stream;
}

/* Agents we took over come in the order in which they were handed in; our own is the last. */
static void make_mine(struct upload *upload, struct stream *stream)
{
    if (stream->mine)
        return;
    stream->mine = true;
    stream->turn = agent_id_equal(&stream->agent, &upload->config.self) ? UINT64_MAX : ++upload->turns;
}

static void record_free(struct upload_record *record)
{
    buf_release(&record->stored);
    free(record);
}

static void stream_free(struct stream *stream)
{
    for (size_t i = 0; i < stream->pending_count; i++)
        buf_release(&stream->pending[i].plain);
    for (size_t i = 0; i < stream->record_count; i++)
        record_free(stream->records[i]);
    free(stream->pending);
    free(stream->records);
    free(stream);
}

static void insert_record(struct upload *upload, struct stream *stream, size_t at, struct upload_record *record)
{
    stream->records =
        xgrow(stream->records, &stream->record_cap, stream->record_count + 1, sizeof(struct upload_record *));
    memmove(stream->records + at + 1, stream->records + at,
            (stream->record_count - at) * sizeof(struct upload_record *));
    stream->records[at] = record;
    stream->record_count++;
    upload->waiting++;
}

/* Takes a record out of its stream and out of every count. */
static void remove_record(struct upload *upload, struct stream *stream, size_t at)
{
    struct upload_record *record = stream->records[at];
    upload->edits -= record->edits;
    upload->batches -= record->batches;
    if (!record->sent)
        upload->ahead_bytes -= record->stored.len;
    record_free(record);
    upload->waiting--;
    stream->record_count--;
    memmove(stream->records + at, stream->records + at + 1,
            (stream->record_count - at) * sizeof(struct upload_record *));
}

static struct upload_record *record_new(struct upload *upload, const struct record *view)
{
    struct upload_record *record = xcalloc(1, sizeof *record);
    record->ticket = upload->next_ticket++;
    record->seq0 = view->seq0;
    record->count = view->count;
    buf_add_bytes(&record->stored, view->whole);
    upload->ahead_bytes += record->stored.len;
    return record;
}

static uint64_t record_end(const struct upload_record *record)
{
    return record->seq0 + record->count;
}

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

void upload_set_base_len(struct upload *upload, uint64_t base_len)
{
    upload->base_chunks = (base_len + BASE_CHUNK_BYTES - 1) / BASE_CHUNK_BYTES;
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
        stream_free(upload->streams[i]);
    upload_pack_release(&upload->packing);
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
    struct batch_list batches = {0};
    struct bytes *plains = NULL;
    bool opened = record_open_events(view, upload->config.keys, &plain, &batches, &plains, err);
    if (opened) {
        record->batches = batches.count;
        record->edits = batches.count;
        upload->batches += record->batches;
        upload->edits += record->edits;
        note_label(get_stream(upload, &view->agent), &batches.items[0]);
    }
    batch_list_release(&batches);
    buf_release(&plain);
    free(plains);
    return opened;
}

bool upload_restore(struct upload *upload, struct bytes stored, uint64_t now_ms, struct error *err)
{
    struct record view;
    if (!record_decode(stored, &view, err))
        return false;
    if (view.kind != RECORD_EVENTS)
        return error_set(err, ERR_FORMAT, 0, "the outbox holds a record of another kind than edits");
    struct upload_record *record = record_new(upload, &view);
    if (!count_inside(upload, &view, record, err)) {
        upload->ahead_bytes -= record->stored.len;
        record_free(record);
        return false;
    }
    record->persisted = true;
    record->since_ms = now_ms;
    struct stream *stream = get_stream(upload, &view.agent);
    make_mine(upload, stream);
    insert_record(upload, stream, stream->record_count, record);
    return true;
}

void upload_local(struct upload *upload, const struct local_batch *batch, uint64_t now_ms)
{
    struct stream *stream = get_stream(upload, &batch->agent);
    make_mine(upload, stream);
    if (batch->seq0 == 0)
        read_label(stream, batch);
    upload->packing.local_ms = now_ms;
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

/* --- packing --- */

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

static void drop_pending(struct upload *upload, struct stream *stream, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_release(&stream->pending[i].plain);
    upload->waiting -= n;
    stream->pending_count -= n;
    memmove(stream->pending, stream->pending + n, stream->pending_count * sizeof *stream->pending);
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
    drop_pending(upload, stream, n);
    upload->ahead_bytes += record->stored.len;
    insert_record(upload, stream, stream->record_count, record);
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

/* An agent that never had a MEMBER gets one. */
static void introduce(struct upload *upload, struct stream *stream)
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

static void pack_streams(struct upload *upload, uint64_t pace_ms, uint64_t now_ms)
{
    if (!pack_due(upload, pace_ms, now_ms))
        return;
    upload->hurry = false;
    for (size_t i = 0; i < upload->stream_count; i++) {
        struct stream *stream = upload->streams[i];
        if (stream->pending_count > 0)
            upload->flushed_ms = now_ms;
        while (stream->pending_count > 0 && upload->ahead_bytes < UPLOAD_WINDOW_BYTES)
            pack(upload, stream);
        if (stream->mine && stream->record_count > 0)
            introduce(upload, stream);
    }
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

/* --- sending --- */

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

static bool base_is_owed(const struct upload *upload)
{
    return upload->config.base && upload->base_next < upload->base_chunks && !upload->base_stopped;
}

/* Whether the places behind GENESIS are taken, or are about to be by what we have sent. */
static bool base_is_there(const struct upload *upload)
{
    bool sent = upload->config.base && !base_is_owed(upload);
    return sent || upload->relay_head > upload->base_chunks;
}

static bool base_is_on_its_way(const struct upload *upload)
{
    for (size_t i = 0; i < upload->sent_count; i++)
        if (upload->sent[i].kind == SENT_BASE)
            return true;
    return false;
}

/* False: that was done a moment ago, and did not help. */
static bool offer_base(struct upload *upload, uint64_t now_ms)
{
    if (upload->base_again)
        return true;
    if (upload->base_offered_ms && now_ms - upload->base_offered_ms < UPLOAD_BASE_AGAIN_MS)
        return false;
    upload->base_offered_ms = now_ms;
    upload->base_again = true;
    return true;
}

void upload_offer_base(struct upload *upload, uint64_t now_ms)
{
    if (upload->config.base && upload->online && !base_is_on_its_way(upload))
        (void)offer_base(upload, now_ms);
}

static void begin_base_again(struct upload *upload)
{
    if (!upload->base_again || base_is_on_its_way(upload))
        return;
    upload->base_again = upload->base_stopped = false;
    upload->base_next = upload->base_acked = 0;
}

static void send_base(struct upload *upload)
{
    begin_base_again(upload);
    while (base_is_owed(upload) && upload_window_open(upload)) {
        struct buf stored = {0};
        base_seal(upload->config.keys, upload->config.base, upload->base_next++, &stored);
        struct place_record item = {.stored = buf_view(&stored)};
        struct message message = {.kind = MESSAGE_RECORDS, .records = {&item, 1}};
        upload->port.send(upload->port.self, &message);
        upload_note_sent(upload, (struct sent){.kind = SENT_BASE, .bytes = stored.len});
        buf_release(&stored);
    }
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
        if (!record->persisted)
            break; /* those behind it must not overtake it */
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

/* A relay takes an offer from writers only, and may have lost that we are one. */
static bool is_known_writer(struct upload *upload)
{
    struct stream *own = get_stream(upload, &upload->config.self);
    struct bundle bundle = {.count = 0};
    introduce(upload, own);
    if (!own->member_ticket)
        send_own_member(upload, own, &bundle);
    send_bundle(upload, &bundle);
    return own->relay_knows;
}

static void reoffer_stream(struct upload *upload, struct stream *stream)
{
    const struct roster_entry *entry = roster_find(upload->config.roster, &stream->agent);
    if (!entry || !is_known_writer(upload))
        return;
    for (size_t i = 0; i < stream->record_count && upload_window_open(upload); i++) {
        struct upload_record *record = stream->records[i];
        struct event_id newest = {stream->agent, record_end(record) - 1};
        struct digest last = {{0}};
        if (record->sent)
            continue;
        if (!stream->relay_knows) {
            send_reoffer(upload, buf_view(&entry->stored), &last);
            upload_note_sent(upload, (struct sent){.kind = SENT_MEMBER, .bytes = entry->stored.len, .stream = stream});
            stream->relay_knows = true;
        }
        if (!chain_find(upload->config.chain, &newest, &last))
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

static void drop_fetched(struct upload *upload, struct stream *stream)
{
    while (stream->record_count > 0 && stream->records[0]->again)
        remove_record(upload, stream, 0);
}

static void ask_journal(struct upload *upload, struct stream *stream)
{
    stream->fetching = true;
    if (!stream->disputed)
        stream->fetch_from = stream->relay_next;
    upload->port.fetch(upload->port.self, &stream->agent, stream->fetch_from);
}

void upload_offer_again(struct upload *upload, const struct agent_id *agent, uint64_t seq0)
{
    struct stream *stream = get_stream(upload, agent);
    if (stream->mine || stream->fetching || stream->record_count > 0 || upload->config.keys->access < ACCESS_WRITE)
        return;
    stream->disputed = true;
    stream->fetch_from = seq0;
    ask_journal(upload, stream);
}

/* Other people's records that the relay has lost: whoever still has them may give them back. */
static void reoffer_lost(struct upload *upload, uint64_t now_ms)
{
    if (now_ms < upload->reoffer_ms)
        return;
    upload->reoffer_ms = UINT64_MAX;
    size_t count = 0;
    struct chain_head *heads = chain_heads(upload->config.chain, &count);
    for (size_t i = 0; i < count; i++) {
        struct stream *stream = get_stream(upload, &heads[i].agent);
        if (!stream->mine && !stream->fetching && stream->relay_next < heads[i].next_seq)
            ask_journal(upload, stream);
    }
    free(heads);
}

static void run_stream(struct upload *upload, struct stream *stream, uint64_t now_ms)
{
    if (!may_send(stream, now_ms))
        return;
    if (stream->mine)
        send_stream(upload, stream);
    else
        reoffer_stream(upload, stream);
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

/* The next of ours after this turn; NULL: there is none. */
static struct stream *next_turn(const struct upload *upload, uint64_t turn)
{
    struct stream *next = NULL;
    for (size_t i = 0; i < upload->stream_count; i++) {
        struct stream *stream = upload->streams[i];
        if (stream->mine && stream->turn > turn && (!next || stream->turn < next->turn))
            next = stream;
    }
    return next;
}

static void run_streams(struct upload *upload, uint64_t now_ms)
{
    for (size_t i = 0; i < upload->stream_count; i++)
        if (!upload->streams[i]->mine)
            run_stream(upload, upload->streams[i], now_ms);
    struct stream *stream = NULL;
    while ((stream = next_turn(upload, stream ? stream->turn : 0)) && !is_held(upload, stream))
        run_stream(upload, stream, now_ms);
}

void upload_run(struct upload *upload, uint64_t pace_ms, uint64_t now_ms)
{
    if (!upload->online || upload->config.keys->access < ACCESS_WRITE)
        return;
    send_base(upload);
    if (!base_is_there(upload))
        return;
    if (upload->waiting > 0)
        pack_streams(upload, pace_ms, now_ms);
    reoffer_lost(upload, now_ms);
    if (upload->waiting > 0)
        run_streams(upload, now_ms);
    upload_pack_run(upload, now_ms);
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
    if (!upload->online || upload->config.keys->access < ACCESS_WRITE || !base_is_there(upload))
        return UINT64_MAX;
    uint64_t next = upload->reoffer_ms, pack_ms = upload_pack_next_ms(upload);
    next = pack_ms < next ? pack_ms : next;
    for (size_t i = 0; i < upload->stream_count && upload->waiting > 0; i++) {
        uint64_t at = stream_next_ms(upload, upload->streams[i], pace_ms);
        if (at < next)
            next = at;
    }
    return next;
}

/* --- answers --- */

static size_t index_of(const struct stream *stream, const struct upload_record *record)
{
    size_t i = 0;
    while (stream->records[i] != record)
        i++;
    return i;
}

static void record_acked(struct upload *upload, struct stream *stream, struct upload_record *record)
{
    uint64_t end = record_end(record);
    bool again = record->again;
    stream->full = false;
    if (stream->mine && !again)
        upload_pack_add(upload, &stream->agent, record);
    remove_record(upload, stream, index_of(stream, record));
    if (end > stream->relay_next)
        stream->relay_next = end;
    if (!again)
        upload->port.acked(upload->port.self, &stream->agent, end);
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
        record_acked(upload, sent->stream, sent->record);
        break;
    case SENT_PACK:
        upload_pack_acked(upload, sent->ticket);
        break;
    }
}

static bool stored_form(const struct upload *upload, const struct sent *sent, struct bytes *stored)
{
    switch (sent->kind) {
    case SENT_BASE:
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

static void unsend(struct upload *upload, const struct sent *sent)
{
    if (sent->kind == SENT_MEMBER)
        sent->stream->relay_knows = false;
    if (sent->kind == SENT_RECORD) {
        sent->record->sent = false;
        upload->ahead_bytes += sent->record->stored.len;
    }
}

/* Out of order: it has less of it than it had said. */
static void base_rejected(struct upload *upload, unsigned code, struct bytes text, uint64_t now_ms)
{
    if (upload->base_stopped || (code == REFUSE_ORDER && offer_base(upload, now_ms)))
        return;
    upload->base_stopped = true;
    upload->port.rejected(upload->port.self, &upload->config.self, code, text);
}

/* Room may be made, so it goes on being offered; but that can take days, and nobody else would say what the matter is. */
static void tell_full(struct upload *upload, struct stream *stream, struct bytes text)
{
    bool told = upload_is_full(upload);
    stream->full = stream->mine;
    if (stream->mine && !told)
        upload->port.rejected(upload->port.self, &stream->agent, REFUSE_FULL, text);
}

static void take_reject(struct upload *upload, const struct sent *sent, unsigned code, struct bytes text,
                        uint64_t now_ms)
{
    upload->in_flight_bytes -= sent->bytes;
    if (sent->kind == SENT_BASE) {
        base_rejected(upload, code, text, now_ms);
        return;
    }
    if (sent->kind == SENT_PACK) {
        upload_pack_rejected(upload, sent->ticket);
        return;
    }
    unsend(upload, sent);
    if (is_passing(code)) {
        sent->stream->paused_until_ms = now_ms + UPLOAD_PAUSE_MS;
        if (code == REFUSE_FULL)
            tell_full(upload, sent->stream, text);
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

/* --- the journal's answer to fetch --- */

static bool useful(const struct stream *stream, struct bytes stored, uint64_t from, struct record *view)
{
    struct error err = {0};
    return record_decode(stored, view, &err) &&
           (view->kind == RECORD_EVENTS || (view->kind == RECORD_PACK && !stream->disputed)) &&
           agent_id_equal(&view->agent, &stream->agent) && view->seq0 <= from && view->seq0 + view->count > from;
}

/* Records fetched so far stand in front of the stream's own. */
static size_t fetched_count(const struct stream *stream)
{
    size_t n = 0;
    while (n < stream->record_count && stream->records[n]->again)
        n++;
    return n;
}

void upload_fetched(struct upload *upload, const struct agent_id *agent, const struct bytes *stored, size_t count,
                    bool more)
{
    struct stream *stream = find_stream(upload, agent);
    if (!stream || !stream->fetching)
        return;
    size_t at = fetched_count(stream);
    uint64_t start = stream->disputed ? stream->fetch_from : stream->relay_next;
    uint64_t from = at > 0 ? record_end(stream->records[at - 1]) : start;
    for (size_t i = 0; i < count; i++) {
        struct record view;
        if (!useful(stream, stored[i], from, &view) ||
            (at < stream->record_count && view.seq0 >= stream->records[at]->seq0))
            continue;
        struct upload_record *record = record_new(upload, &view);
        record->persisted = record->again = true;
        from = record_end(record);
        insert_record(upload, stream, at++, record);
    }
    stream->fetching = more;
    stream->disputed &= more;
}

/* --- the connection --- */

void upload_lost(struct upload *upload)
{
    for (size_t i = 0; i < upload->sent_count; i++)
        unsend(upload, &upload->sent[i]);
    upload_pack_lost(upload);
    upload->sent_count = 0;
    upload->in_flight_bytes = 0;
    upload->online = false;
    upload->base_stopped = upload->base_again = false;
    upload->ordinal = 0;
    upload->reoffer_ms = UINT64_MAX;
    for (size_t i = 0; i < upload->stream_count; i++) {
        struct stream *stream = upload->streams[i];
        drop_fetched(upload, stream);
        stream->relay_next = 0;
        stream->relay_knows = stream->fetching = stream->disputed = stream->stopped = false;
        stream->paused_until_ms = 0;
    }
}

static uint64_t first_owed(const struct upload *upload, const struct stream *stream)
{
    if (stream->record_count > 0)
        return stream->records[0]->seq0;
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
    if (stream->relay_next < first_owed(upload, stream))
        ask_journal(upload, stream);
}

void upload_relay_has(struct upload *upload, const struct agent_id *agent, uint64_t next_seq)
{
    struct stream *stream = get_stream(upload, agent);
    stream->relay_knows = true;
    if (next_seq > stream->relay_next)
        stream->relay_next = next_seq;
}

static void welcome_base(struct upload *upload, uint64_t head)
{
    /* GENESIS is place 1. */
    uint64_t there = head > 1 ? head - 1 : 0;
    upload->base_next = there < upload->base_chunks ? there : upload->base_chunks;
    upload->base_acked = upload->base_next;
}

void upload_welcome(struct upload *upload, const struct vector_entry *vector, size_t count, uint64_t head,
                    uint64_t now_ms)
{
    upload->online = true;
    upload->hurry = true;
    for (size_t i = 0; i < count; i++)
        upload_relay_has(upload, &vector[i].agent, vector[i].next_seq);
    upload->relay_head = head;
    welcome_base(upload, head);
    for (size_t i = 0; i < upload->stream_count; i++)
        welcome_stream(upload, upload->streams[i]);
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

static uint64_t base_bytes(const struct upload *upload, uint64_t chunks)
{
    uint64_t total = upload->config.base ? rope_len(upload->config.base) : 0;
    return chunks * BASE_CHUNK_BYTES < total ? chunks * BASE_CHUNK_BYTES : total;
}

struct upload_counts upload_counts(const struct upload *upload)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < upload->stream_count && upload->batches > 0; i++) {
        uint64_t at = stream_oldest_ms(upload->streams[i]);
        oldest = at < oldest ? at : oldest;
    }
    return (struct upload_counts){
        .edits = upload->edits,
        .batches = upload->batches,
        .oldest_ms = oldest == UINT64_MAX ? 0 : oldest,
        .base_done = base_bytes(upload, upload->base_acked),
        .base_total = base_bytes(upload, upload->base_chunks),
    };
}

size_t upload_in_flight_bytes(const struct upload *upload)
{
    return upload->in_flight_bytes;
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
    const struct stream *stream = find_stream(upload, agent);
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
    const struct stream *stream = find_stream(upload, agent);
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
