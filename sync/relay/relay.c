#include "sync/relay/relay.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/relay/relay_parts.h"

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
    struct relay_connection *connection = relay_connection_new(relay, link);
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

void relay_tick(struct relay *relay, uint64_t now_ms, uint64_t wall_s)
{
    relay->now_ms = now_ms;
    relay->wall_s = wall_s;
    for (struct relay_connection *connection = relay->connections; connection; connection = connection->next)
        connection_tick(connection);
    for (size_t i = 0; i < DOCUMENT_SLOTS; i++)
        for (struct relay_document *document = relay->slots[i]; document; document = document->next)
            relay_document_trim(document);
    if (relay->inhabited_ms == 0 || is_inhabited(relay))
        relay->inhabited_ms = now_ms;
    relay_upkeep(relay);
    relay_figures_upkeep(relay);
}

/* --- the store's answers --- */

static void send_acks(struct relay *relay)
{
    while (relay->acks_due) {
        struct relay_connection *connection = relay->acks_due;
        relay->acks_due = connection->next_due;
        connection->ack_due = false;
        if (connection->state == CONNECTION_LIVE)
            relay_connection_send(connection, &(struct message){.kind = MESSAGE_ACK,
                                                                .ack = {connection->acked, connection->acked_place}});
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
