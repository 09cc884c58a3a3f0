/* One connection: its life, sending, saying no, pace. */
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/relay/relay_parts.h"

/* --- life --- */

static void list_remove(struct relay_connection *connection)
{
    *connection->self_in_relay = connection->next;
    if (connection->next)
        connection->next->self_in_relay = connection->self_in_relay;
}

static void list_add(struct relay_connection **list, struct relay_connection *connection)
{
    connection->next = *list;
    connection->self_in_relay = list;
    if (*list)
        (*list)->self_in_relay = &connection->next;
    *list = connection;
}

struct relay_connection *relay_connection_new(struct relay *relay, void *link)
{
    struct relay_connection *connection = xcalloc(1, sizeof *connection);
    connection->relay = relay;
    connection->link = link;
    connection->id = ++relay->next_id;
    connection->since_ms = connection->heard_ms = connection->left_ms = relay->now_ms;
    bucket_fill(&connection->frames, relay->limits.frames, relay->now_ms);
    bucket_fill(&connection->presence, relay->limits.presence, relay->now_ms);
    list_add(&relay->connections, connection);
    relay->counts.connections++;
    relay->counts.accepted++;
    return connection;
}

void relay_connection_free(struct relay_connection *connection)
{
    list_remove(connection);
    buf_release(&connection->genesis);
    agent_numbers_release(&connection->numbers_in);
    agent_numbers_release(&connection->numbers_out);
    free(connection->have);
    free(connection->skipped);
    free(connection);
}

void relay_gone(struct relay_connection *connection, uint64_t now_ms)
{
    struct relay *relay = connection->relay;
    relay->now_ms = now_ms;
    relay_document_leave(connection);
    if (connection->held)
        relay->held--;
    connection->state = CONNECTION_ENDED;
    connection->gone = true;
    if (connection->address)
        connection->address->connections--;
    relay->counts.connections--;
    list_remove(connection);
    list_add(&relay->departed, connection);
    if (connection->asked == 0)
        relay_connection_free(connection);
}

/* --- sending --- */

void relay_connection_send_frame(struct relay_connection *connection, struct relay_frame *frame)
{
    struct relay *relay = connection->relay;
    size_t len = relay_frame_payload(frame).len;
    connection->sent_bytes += len;
    relay->counts.frames_out++;
    relay->counts.bytes_out += len;
    relay->port.send(relay->port.self, connection->link, frame);
}

void relay_connection_send(struct relay_connection *connection, const struct message *message)
{
    struct buf encoded = {0};
    message_encode(message, MESSAGE_BY_RELAY, &connection->numbers_out, &encoded);
    relay_connection_send_frame(connection, relay_frame_new(buf_view(&encoded)));
    buf_release(&encoded);
}

size_t relay_connection_queued(const struct relay_connection *connection)
{
    const struct relay_port *port = &connection->relay->port;
    return port->queued(port->self, connection->link);
}

void relay_connection_want_write(struct relay_connection *connection)
{
    const struct relay_port *port = &connection->relay->port;
    if (connection->wants_write || connection->state != CONNECTION_LIVE)
        return;
    connection->wants_write = true;
    port->want_write(port->self, connection->link);
}

/* --- saying no --- */

unsigned relay_close_code(enum refuse_code code)
{
    switch (code) {
    case REFUSE_PROTOCOL:
        return 4426;
    case REFUSE_AUTH:
    case REFUSE_TOKEN:
        return 4401;
    case REFUSE_NO_DOCUMENT:
        return 4404;
    case REFUSE_LIMIT:
        return 4429;
    case REFUSE_FULL:
        return 4507;
    case REFUSE_MALFORMED:
        return 4400;
    case REFUSE_FORBIDDEN:
        return 4403;
    case REFUSE_ORDER:
    case REFUSE_FORKED:
        return 4409;
    case REFUSE_RESUME:
        return 4408;
    case REFUSE_CLOSED:
        return 4410;
    case REFUSE_STOPPING:
        return 1001;
    }
    return 4400;
}

static struct bytes message_text(const char *text)
{
    return bytes_of(text, strnlen(text, MESSAGE_TEXT_BYTES_MAX));
}

void relay_connection_refuse(struct relay_connection *connection, enum refuse_code code, uint64_t retry_ms,
                             const char *text)
{
    struct relay *relay = connection->relay;
    if (connection->state == CONNECTION_ENDED)
        return;
    relay_connection_send(connection,
                          &(struct message){.kind = MESSAGE_REFUSE, .refuse = {code, retry_ms, message_text(text)}});
    relay->counts.refused++;
    relay_document_leave(connection);
    connection->state = CONNECTION_ENDED;
    relay_connection_pace(connection);
    relay->port.close(relay->port.self, connection->link, relay_close_code(code), text);
}

/* --- pace --- */

static bool upload_paced(const struct relay_connection *connection)
{
    struct relay *relay = connection->relay;
    struct relay_document *document = connection->document;
    return connection->pending_bytes > relay->limits.upload_window_bytes ||
           store_pending_bytes(relay->store) > relay->limits.store_window_bytes ||
           !bucket_open(&document->upload_bytes, relay->limits.document_bytes, relay->now_ms) ||
           !bucket_open(&document->upload_records, relay->limits.document_records, relay->now_ms);
}

static bool must_hold(struct relay_connection *connection)
{
    switch (connection->state) {
    case CONNECTION_PROVING:
    case CONNECTION_LOADING:
    case CONNECTION_ENDED:
        return true;
    case CONNECTION_ACCEPTED:
    case CONNECTION_GREETED:
    case CONNECTION_JOINED:
        return false;
    case CONNECTION_LIVE:
        return !bucket_open(&connection->frames, connection->relay->limits.frames, connection->relay->now_ms) ||
               upload_paced(connection);
    }
    return true;
}

void relay_connection_pace(struct relay_connection *connection)
{
    struct relay *relay = connection->relay;
    bool hold = must_hold(connection);
    if (hold == connection->held)
        return;
    connection->held = hold;
    if (hold) {
        relay->held++;
        return;
    }
    relay->held--;
    relay->port.resumed(relay->port.self, connection->link);
}

bool relay_reads(const struct relay_connection *connection)
{
    return !connection->held;
}

size_t relay_frame_bytes_max(const struct relay_connection *connection)
{
    bool proved = connection->state == CONNECTION_JOINED || connection->state == CONNECTION_LIVE;
    return proved ? MESSAGE_BYTES_MAX : MESSAGE_HELLO_BYTES_MAX;
}

/* --- answers of the store --- */

bool relay_connection_answered(struct relay_connection *connection)
{
    ensure(connection->asked > 0);
    connection->asked--;
    if (!connection->gone)
        return connection->state != CONNECTION_ENDED;
    if (connection->asked == 0)
        relay_connection_free(connection);
    return false;
}

/* --- the document is there --- */

static bool is_writer(const struct relay_connection *connection)
{
    const struct agents *agents = &connection->document->agents;
    for (size_t i = 0; i < agents->count; i++)
        if (crypto_equal(&agents->items[i].is.device_key, &connection->device_key, sizeof connection->device_key))
            return true;
    return false;
}

void relay_connection_loaded(struct relay_connection *connection)
{
    if (connection->state != CONNECTION_LOADING)
        return;
    connection->state = CONNECTION_JOINED;
    connection->since_ms = connection->relay->now_ms;
    connection->writer = is_writer(connection);
    relay_connection_pace(connection);
}
