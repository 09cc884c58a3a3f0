#include "sync/relay/relay.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/relay/relay_parts.h"

enum {
    PURGE_MS = 60 * 1000,
    PACKS_PURGE_MS = 60 * 1000,
    PACK_AGE_S = 24 * 3600, /* after that nobody is waited for any more */
    RETAIN_MS = 3600 * 1000, /* how often it is looked for documents to forget */
    EXPIRE_MOST = 64,        /* of them at once: one transaction */
    CLOCK_SLACK_S = 600,
    LARGEST_MS = 60 * 1000, /* how old the figures of the largest documents may be */
};

struct relay *relay_new(const struct relay_options *options, struct store *store, const struct relay_port *port)
{
    struct relay *relay = xcalloc(1, sizeof *relay);
    relay->limits = options->limits;
    relay->retain_s = options->retain_s;
    relay->key = *options->key;
    relay->token = options->token ? xstrdup(options->token) : NULL;
    relay->store = store;
    relay->port = *port;
    return relay;
}

void relay_free(struct relay *relay)
{
    if (!relay)
        return;
    store_silence(relay->store);
    while (relay->arrivals)
        relay_arrival_free(relay->arrivals);
    while (relay->connections)
        relay_connection_free(relay->connections);
    while (relay->departed)
        relay_connection_free(relay->departed);
    for (size_t i = 0; i < DOCUMENT_SLOTS; i++)
        while (relay->slots[i])
            relay_document_free(relay->slots[i]);
    addresses_release(&relay->addresses);
    crypto_wipe(&relay->key, sizeof relay->key);
    free(relay->token);
    free(relay);
}

/* --- connections --- */

static struct relay_connection *connection_new(struct relay *relay, void *link)
{
    struct relay_connection *connection = xcalloc(1, sizeof *connection);
    connection->relay = relay;
    connection->link = link;
    connection->id = ++relay->next_id;
    connection->since_ms = connection->heard_ms = connection->left_ms = relay->now_ms;
    bucket_fill(&connection->frames, relay->limits.frames, relay->now_ms);
    bucket_fill(&connection->presence, relay->limits.presence, relay->now_ms);
    connection->next = relay->connections;
    connection->self_in_relay = &relay->connections;
    if (relay->connections)
        relay->connections->self_in_relay = &connection->next;
    relay->connections = connection;
    relay->counts.connections++;
    relay->counts.accepted++;
    return connection;
}

/* Why this link is not wanted; NULL: it is. */
static const char *accept_fault(struct relay *relay, struct address *address)
{
    const struct relay_limits *limits = &relay->limits;
    if (relay->stopping)
        return "the relay is shutting down";
    if (relay->counts.connections > limits->connections)
        return "the relay has as many connections as it may have";
    if (!address)
        return NULL;
    if (address->connections > limits->address_connections)
        return "too many connections from your address";
    if (!bucket_open(&address->refusals, limits->address_refusals, relay->now_ms))
        return "too many refused attempts from your address";
    if (!bucket_take(&address->accepts, limits->address_accepts, 1, relay->now_ms))
        return "too many new connections from your address";
    return NULL;
}

struct relay_connection *relay_accept(struct relay *relay, void *link, const struct relay_guest *guest, uint64_t now_ms)
{
    relay->now_ms = now_ms;
    struct relay_connection *connection = connection_new(relay, link);
    if (guest->certificate)
        connection->handshake.certificate = *guest->certificate;
    if (*guest->address) {
        connection->address = addresses_get(&relay->addresses, guest->address, &relay->limits, now_ms);
        connection->address->connections++;
    }
    const char *fault = accept_fault(relay, connection->address);
    if (fault)
        relay_connection_refuse(connection, relay->stopping ? REFUSE_STOPPING : REFUSE_LIMIT, RETRY_LATER_MS, fault);
    return connection;
}

/* --- time --- */

static bool waits_for_word(const struct relay_connection *connection)
{
    return connection->state == CONNECTION_ACCEPTED || connection->state == CONNECTION_GREETED ||
           connection->state == CONNECTION_JOINED;
}

/* Whether its link has taken nothing for too long although something waits. */
static bool stands_still(struct relay_connection *connection)
{
    const struct relay *relay = connection->relay;
    size_t queued = relay_connection_queued(connection);
    uint64_t left = connection->sent_bytes > queued ? connection->sent_bytes - queued : 0;
    if (queued == 0 || left != connection->left_bytes) {
        connection->left_bytes = left;
        connection->left_ms = relay->now_ms;
    }
    return relay->now_ms - connection->left_ms > relay->limits.reader_stall_ms;
}

static bool lags(const struct relay_connection *connection)
{
    size_t queued = relay_connection_queued(connection);
    if (!connection->caught_up || queued == 0)
        return false;
    return connection->document->stream_bytes - connection->stream_at + queued >
           connection->relay->limits.reader_lag_bytes;
}

static void send_away_slow(struct relay_connection *connection)
{
    connection->relay->counts.slow_readers++;
    relay_connection_refuse(connection, REFUSE_RESUME, RETRY_MS, "too slow a reader: resume from the place you have");
}

static void connection_tick(struct relay_connection *connection)
{
    const struct relay *relay = connection->relay;
    if (connection->state == CONNECTION_ENDED)
        return;
    if (waits_for_word(connection) && relay->now_ms - connection->since_ms > relay->limits.hello_ms)
        relay_connection_refuse(connection, REFUSE_AUTH, 0, "no word came in time");
    else if (!connection->held && relay->now_ms - connection->heard_ms > relay->limits.silence_ms)
        relay_connection_refuse(connection, REFUSE_RESUME, 0, "nothing was heard for too long");
    else if (stands_still(connection))
        send_away_slow(connection);
    else
        relay_connection_pace(connection);
}

static struct relay_document *document_by_key(struct relay *relay, uint64_t key)
{
    for (size_t i = 0; i < DOCUMENT_SLOTS; i++)
        for (struct relay_document *document = relay->slots[i]; document; document = document->next)
            if (document->state == DOCUMENT_READY && document->key == key)
                return document;
    return NULL;
}

static void on_purged(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay *relay = self;
    (void)tag;
    for (size_t i = 0; i < reply->freed_count; i++) {
        struct relay_document *document = document_by_key(relay, reply->freed[i].key);
        if (document)
            document->bytes -= reply->freed[i].bytes;
    }
    if (reply->freed_count == STORE_PURGE_PACKS)
        relay->packs_purged_ms = 0; /* there may be more */
}

void relay_purge(struct relay *relay, const struct store_purge *purge)
{
    store_purge(relay->store, purge, (struct store_done){.call = on_purged, .self = relay});
}

static void purge_old_packs(struct relay *relay)
{
    relay->packs_purged_ms = relay->now_ms;
    if (relay->wall_s > PACK_AGE_S)
        relay_purge(relay, &(struct store_purge){.place = INT64_MAX, .before_s = relay->wall_s - PACK_AGE_S});
}

static bool is_inhabited(const struct relay *relay)
{
    for (size_t i = 0; i < DOCUMENT_SLOTS; i++)
        for (const struct relay_document *document = relay->slots[i]; document; document = document->next)
            if (document->live > 0)
                return true;
    return false;
}

uint64_t relay_empty_ms(const struct relay *relay)
{
    return relay->now_ms > relay->inhabited_ms ? relay->now_ms - relay->inhabited_ms : 0;
}

static void on_expired(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay *relay = self;
    (void)tag;
    if (reply->result != STORE_OK)
        return;
    relay->counts.expired += reply->row_count;
    if (reply->row_count < EXPIRE_MOST)
        return;
    relay->looked_ms = relay->now_ms - RETAIN_MS; /* there may be more: go on with the next tick */
    relay->looked_s = relay->wall_s - RETAIN_MS / 1000;
}

/* The calendar and the running clock have moved alike: nobody has set the one in between. */
static bool clocks_agree(const struct relay *relay)
{
    uint64_t ran_s = (relay->now_ms - relay->looked_ms) / 1000;
    uint64_t passed_s = relay->wall_s > relay->looked_s ? relay->wall_s - relay->looked_s : 0;
    return passed_s <= ran_s + CLOCK_SLACK_S && passed_s + CLOCK_SLACK_S >= ran_s;
}

/*
 * Documents nobody has been in for long. Those that are open are touched first, in the same queue, so that none of them can
 * be meant. A clock that was set forward makes everything look old, so then nothing is forgotten this time.
 */
static void retain(struct relay *relay)
{
    if (relay->retain_s == 0 || (relay->looked_ms && relay->now_ms - relay->looked_ms < RETAIN_MS))
        return;
    bool due = relay->looked_ms && clocks_agree(relay) && relay->wall_s > relay->retain_s;
    relay->looked_ms = relay->now_ms;
    relay->looked_s = relay->wall_s;
    for (size_t i = 0; i < DOCUMENT_SLOTS; i++)
        for (struct relay_document *document = relay->slots[i]; document; document = document->next)
            store_touch(relay->store, &document->id, relay->wall_s);
    if (due)
        store_expire(relay->store, relay->wall_s - relay->retain_s, EXPIRE_MOST,
                     (struct store_done){.call = on_expired, .self = relay});
}

static void on_largest(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay *relay = self;
    (void)tag;
    if (reply->result != STORE_OK)
        return;
    relay->largest_count = reply->size_count;
    memcpy(relay->largest, reply->sizes, reply->size_count * sizeof *reply->sizes);
}

/* Whether anybody is in them or not; so many that whoever collects figures is not flooded. */
static void ask_for_largest(struct relay *relay)
{
    if (relay->largest_ms && relay->now_ms - relay->largest_ms < LARGEST_MS)
        return;
    relay->largest_ms = relay->now_ms;
    store_largest(relay->store, (struct store_done){.call = on_largest, .self = relay});
}

void relay_tick(struct relay *relay, uint64_t now_ms, uint64_t wall_s)
{
    relay->now_ms = now_ms;
    relay->wall_s = wall_s;
    for (struct relay_connection *connection = relay->connections; connection; connection = connection->next)
        connection_tick(connection);
    for (size_t i = 0; i < DOCUMENT_SLOTS; i++)
        for (struct relay_document *document = relay->slots[i]; document; document = document->next)
            relay_document_trim(document);
    retain(relay);
    ask_for_largest(relay);
    if (relay->inhabited_ms == 0 || is_inhabited(relay))
        relay->inhabited_ms = now_ms;
    if (now_ms >= relay->purged_ms + PURGE_MS) {
        relay->purged_ms = now_ms;
        addresses_purge(&relay->addresses, now_ms);
    }
    if (now_ms >= relay->packs_purged_ms + PACKS_PURGE_MS)
        purge_old_packs(relay);
}

/* --- the store's answers --- */

static void send_acks(struct relay *relay)
{
    while (relay->acks_due) {
        struct relay_connection *connection = relay->acks_due;
        relay->acks_due = connection->next_due;
        connection->ack_due = false;
        if (connection->state == CONNECTION_LIVE)
            relay_connection_send(connection, &(struct message){.kind = MESSAGE_ACK, .ack = {connection->acked, connection->acked_place}});
    }
}

static void cut_slow_readers(struct relay_document *document)
{
    document->asked++; /* the last reader must not take the document along */
    for (struct relay_connection *reader = document->connections, *next; reader; reader = next) {
        next = reader->next_here;
        if (reader->state == CONNECTION_LIVE && lags(reader))
            send_away_slow(reader);
    }
    relay_document_answered(document);
}

static void wake_documents(struct relay *relay)
{
    while (relay->documents_due) {
        struct relay_document *document = relay->documents_due;
        relay->documents_due = document->next_due;
        document->due = false;
        relay_document_wake(document);
        cut_slow_readers(document);
    }
}

static void pace_held(struct relay *relay)
{
    if (relay->held == 0)
        return;
    for (struct relay_connection *connection = relay->connections; connection; connection = connection->next)
        if (connection->held && connection->state == CONNECTION_LIVE)
            relay_connection_pace(connection);
}

size_t relay_poll(struct relay *relay, uint64_t now_ms)
{
    relay->now_ms = now_ms;
    size_t answers = store_poll(relay->store);
    if (answers == 0)
        return 0;
    send_acks(relay);
    wake_documents(relay);
    pace_held(relay);
    return answers;
}

void relay_stop(struct relay *relay, uint64_t now_ms)
{
    relay->now_ms = now_ms;
    relay->stopping = true;
    for (struct relay_connection *connection = relay->connections; connection; connection = connection->next)
        relay_connection_refuse(connection, REFUSE_STOPPING, RETRY_MS, "the relay is shutting down");
}

/* --- figures --- */

struct relay_counts relay_counts(const struct relay *relay)
{
    return relay->counts;
}

static void metric(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    buf_addf(out, "# HELP weft_relay_%s %s\n# TYPE weft_relay_%s %s\nweft_relay_%s %llu\n", name, help, name, type,
             name, (unsigned long long)value);
}

static void document_metrics(const struct relay *relay, struct buf *out)
{
    buf_addf(out,
             "# HELP weft_relay_document_bytes Size of the log of each of the %d largest documents, a minute ago at most.\n"
             "# TYPE weft_relay_document_bytes gauge\n",
             STORE_LARGEST_MAX);
    for (size_t i = 0; i < relay->largest_count; i++) {
        char hex[2 * DOC_ID_BYTES + 1];
        id_hex(relay->largest[i].doc.bytes, DOC_ID_BYTES, hex);
        buf_addf(out, "weft_relay_document_bytes{document=\"%s\"} %llu\n", hex,
                 (unsigned long long)relay->largest[i].bytes);
    }
}

void relay_metrics(struct relay *relay, struct buf *out)
{
    const struct relay_counts *counts = &relay->counts;
    struct store_totals totals = store_totals(relay->store);
    metric(out, "connections", "gauge", "Connections now.", counts->connections);
    metric(out, "documents_open", "gauge", "Documents somebody is in now.", counts->documents);
    metric(out, "documents", "gauge", "Documents in the store.", totals.documents);
    metric(out, "store_bytes", "gauge", "Bytes of records in the store.", totals.bytes);
    metric(out, "store_pending_bytes", "gauge", "Bytes of records not durable yet.", store_pending_bytes(relay->store));
    metric(out, "accepted_total", "counter", "Connections accepted.", counts->accepted);
    metric(out, "refused_total", "counter", "Connections sent away.", counts->refused);
    metric(out, "created_total", "counter", "Documents created.", counts->created);
    metric(out, "frames_in_total", "counter", "Messages received.", counts->frames_in);
    metric(out, "frames_out_total", "counter", "Messages sent.", counts->frames_out);
    metric(out, "bytes_in_total", "counter", "Bytes of messages received.", counts->bytes_in);
    metric(out, "bytes_out_total", "counter", "Bytes of messages sent.", counts->bytes_out);
    metric(out, "records_in_total", "counter", "Records appended.", counts->records_in);
    metric(out, "records_out_total", "counter", "Records handed on.", counts->records_out);
    metric(out, "duplicates_total", "counter", "Records that were here already.", counts->duplicates);
    metric(out, "rejected_total", "counter", "Records not taken.", counts->rejected);
    metric(out, "presence_in_total", "counter", "Presence messages received.", counts->presence_in);
    metric(out, "presence_dropped_total", "counter", "Presence messages not handed on.", counts->presence_dropped);
    metric(out, "expired_total", "counter", "Documents forgotten because nobody was in them.", counts->expired);
    metric(out, "slow_readers_total", "counter", "Readers told to resume.", counts->slow_readers);
    document_metrics(relay, out);
}

bool relay_health(struct relay *relay, struct buf *out)
{
    struct store_totals totals = store_totals(relay->store);
    bool full = relay->limits.total_bytes && totals.bytes >= relay->limits.total_bytes;
    buf_add_string(out, relay->stopping ? "stopping\n" : full ? "full\n" : "ok\n");
    return !relay->stopping && !full;
}
