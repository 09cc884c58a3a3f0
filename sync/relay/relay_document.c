/* One document in memory: loading it, its newest records, who is in it. */
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/relay/relay_parts.h"

enum { TAIL_BYTES = 1 << 20 }; /* whoever is further behind reads from the store */

/* --- the tail --- */

static void tail_drop_first(struct tail *tail)
{
    struct tail_row *row = &tail->rows[tail->first++];
    tail->bytes -= row->len;
    free(row->stored);
    if (--tail->count == 0)
        tail->first = 0;
}

static void tail_clear(struct tail *tail)
{
    while (tail->count > 0)
        tail_drop_first(tail);
}

static void tail_release(struct tail *tail)
{
    tail_clear(tail);
    free(tail->rows);
    *tail = (struct tail){0};
}

static void tail_add(struct tail *tail, struct tail_row row)
{
    if (tail->first > tail->count) { /* more room in front than rows: move up, so that the array stays small */
        memmove(tail->rows, tail->rows + tail->first, tail->count * sizeof *tail->rows);
        tail->first = 0;
    }
    tail->rows = xgrow(tail->rows, &tail->cap, tail->first + tail->count + 1, sizeof *tail->rows);
    tail->rows[tail->first + tail->count++] = row;
    tail->bytes += row.len;
}

const struct tail_row *relay_tail_find(const struct tail *tail, uint64_t place)
{
    if (tail->count == 0 || place < tail->rows[tail->first].place)
        return NULL;
    uint64_t at = place - tail->rows[tail->first].place;
    return at < tail->count ? &tail->rows[tail->first + at] : NULL;
}

void relay_document_trim(struct relay_document *document)
{
    struct tail *tail = &document->tail;
    uint64_t seen = document->durable;
    if (tail->count == 0)
        return;
    for (const struct relay_connection *reader = document->connections; reader; reader = reader->next_here)
        if (reader->caught_up && reader->cursor < seen)
            seen = reader->cursor;
    while (tail->count > 0 && tail->rows[tail->first].place <= seen)
        tail_drop_first(tail);
}

/* --- finding and loading --- */

static struct relay_document **slot_of(struct relay *relay, const struct doc_id *id)
{
    size_t low;
    memcpy(&low, id->bytes, sizeof low);
    return &relay->slots[low % DOCUMENT_SLOTS];
}

struct relay_document *relay_document_find(struct relay *relay, const struct doc_id *id)
{
    struct relay_document *document = *slot_of(relay, id);
    while (document && !doc_id_equal(&document->id, id))
        document = document->next;
    return document;
}

/* --- where it went --- */

void relay_document_tell_moved(const struct relay_document *document, struct relay_connection *connection)
{
    if (document->moved.len > 0)
        relay_connection_send_frame(connection, relay_frame_new(buf_view(&document->moved)));
}

static void on_moved(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay_document *document = self;
    (void)tag;
    for (struct relay_connection *to = document->connections; to && reply->result == STORE_OK; to = to->next_here)
        if (to->state == CONNECTION_LIVE && to->caught_up)
            relay_document_tell_moved(document, to);
    relay_document_answered(document);
}

void relay_document_move(struct relay_document *document, const struct message *message)
{
    struct agent_numbers none = {0};
    if (message->moved.moved_s <= document->moved_s)
        return; /* an old word, sent again by whoever heard it */
    document->moved_s = message->moved.moved_s;
    buf_clear(&document->moved);
    message_encode(message, MESSAGE_BY_RELAY, &none, &document->moved);
    document->asked++;
    store_move(document->relay->store, document->key, buf_view(&document->moved),
               (struct store_done){.call = on_moved, .self = document});
}

static void take_moved(struct relay_document *document, struct bytes moved)
{
    struct agent_numbers none = {0};
    struct message message = {0};
    struct error err = {0};
    if (moved.len > 0 && message_decode(moved, MESSAGE_BY_RELAY, &none, &message, &err)) {
        buf_add_bytes(&document->moved, moved);
        document->moved_s = message.moved.moved_s;
    }
    message_release(&message);
}

/* What the store says is there is durable by definition. */
static void take_state(struct relay_document *document, const struct store_document *stored)
{
    document->key = stored->key;
    document->epoch = stored->epoch;
    document->log = stored->log;
    document->head = document->durable = stored->head;
    document->bytes = stored->bytes;
    for (size_t i = 0; i < stored->agent_count; i++) {
        struct relay_agent *agent = agents_add(&document->agents, &stored->agents[i]);
        agent->durable = true;
        agent->durable_seq = agent->is.next_seq;
    }
    take_moved(document, stored->moved);
    document->state = DOCUMENT_READY;
}

/* The next connection is read before this one is told: it may leave. */
static void tell_loaded(struct relay_document *document)
{
    for (struct relay_connection *connection = document->connections, *next; connection; connection = next) {
        next = connection->next_here;
        relay_connection_loaded(connection);
    }
}

static void on_loaded(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay_document *document = self;
    (void)tag;
    if (reply->result == STORE_OK) {
        take_state(document, &reply->document);
        tell_loaded(document);
    } else if (reply->result == STORE_CLOSED) {
        relay_document_break(document, REFUSE_CLOSED, 0, RELAY_CLOSED_TEXT);
    } else {
        relay_document_break(document, REFUSE_LIMIT, RETRY_MS, "the relay's store does not answer; try again");
    }
    relay_document_answered(document);
}

struct relay_document *relay_document_open(struct relay *relay, const struct doc_id *id, const struct genesis *genesis)
{
    struct relay_document *document = xcalloc(1, sizeof *document);
    struct relay_document **slot = slot_of(relay, id);
    document->relay = relay;
    document->id = *id;
    document->genesis = *genesis;
    document->asked = 1;
    bucket_fill(&document->upload_bytes, relay->limits.document_bytes, relay->now_ms);
    bucket_fill(&document->upload_records, relay->limits.document_records, relay->now_ms);
    document->next = *slot;
    document->self_in_relay = slot;
    if (*slot)
        (*slot)->self_in_relay = &document->next;
    *slot = document;
    relay->counts.documents++;
    if (relay->retain_s)
        store_touch(relay->store, id, relay->wall_s);
    store_load(relay->store, id, (struct store_done){.call = on_loaded, .self = document});
    return document;
}

/* --- leaving --- */

static void forget_due(struct relay_document *document)
{
    struct relay_document **at = &document->relay->documents_due;
    while (*at && *at != document)
        at = &(*at)->next_due;
    if (*at)
        *at = document->next_due;
}

void relay_document_free(struct relay_document *document)
{
    forget_due(document);
    *document->self_in_relay = document->next;
    if (document->next)
        document->next->self_in_relay = document->self_in_relay;
    document->relay->counts.documents--;
    agents_release(&document->agents);
    buf_release(&document->moved);
    tail_release(&document->tail);
    free(document);
}

static void free_if_idle(struct relay_document *document)
{
    if (document->asked == 0 && !document->connections)
        relay_document_free(document);
}

void relay_document_answered(struct relay_document *document)
{
    ensure(document->asked > 0);
    document->asked--;
    free_if_idle(document);
}

void relay_document_join(struct relay_document *document, struct relay_connection *connection)
{
    connection->document = document;
    connection->next_here = document->connections;
    connection->self_here = &document->connections;
    if (document->connections)
        document->connections->self_here = &connection->next_here;
    document->connections = connection;
    document->connection_count++;
}

void relay_document_leave(struct relay_connection *connection)
{
    struct relay_document *document = connection->document;
    if (!document)
        return;
    connection->document = NULL;
    *connection->self_here = connection->next_here;
    if (connection->next_here)
        connection->next_here->self_here = connection->self_here;
    document->connection_count--;
    if (connection->state == CONNECTION_LIVE) {
        document->live--;
        document->fresh -= connection->ahead_due;
        relay_document_wake(document);
    }
    free_if_idle(document);
}

void relay_document_break(struct relay_document *document, enum refuse_code code, uint64_t retry_ms, const char *text)
{
    document->state = DOCUMENT_BROKEN;
    ensure(document->asked > 0); /* or the last one to leave would take the document along */
    while (document->connections)
        relay_connection_refuse(document->connections, code, retry_ms, text);
}

/* --- news --- */

void relay_document_wake(struct relay_document *document)
{
    for (struct relay_connection *reader = document->connections; reader; reader = reader->next_here)
        relay_connection_want_write(reader);
}

void relay_document_durable(struct relay_document *document, uint64_t place, uint64_t origin, unsigned char *stored,
                            size_t len)
{
    struct relay *relay = document->relay;
    document->durable = place;
    document->stream_bytes += len;
    if (stored) {
        tail_add(&document->tail, (struct tail_row){place, origin, stored, len});
        while (document->tail.bytes > TAIL_BYTES && document->tail.count > 1)
            tail_drop_first(&document->tail);
    } else {
        tail_clear(&document->tail); /* its places follow one another, or it is empty */
    }
    if (document->due)
        return;
    document->due = true;
    document->next_due = relay->documents_due;
    relay->documents_due = document;
}
