/* Records on their way out: every reader pulls from its place, a piece at a time, whenever its link has room. */
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/checkpoint.h"
#include "sync/relay/relay_parts.h"

/* --- what the reader has --- */

/* A table by agent number - 1 that reaches up to this agent; what is new of it is 0. */
static uint64_t *reach(uint64_t *table, size_t *count, uint64_t agent_number)
{
    if (agent_number <= *count)
        return table;
    table = xrealloc_array(table, agent_number, sizeof *table);
    memset(table + *count, 0, (agent_number - *count) * sizeof *table);
    *count = agent_number;
    return table;
}

static void note_have(struct relay_connection *connection, uint64_t agent_number, uint64_t next_seq)
{
    connection->have = reach(connection->have, &connection->have_count, agent_number);
    if (next_seq > connection->have[agent_number - 1])
        connection->have[agent_number - 1] = next_seq;
}

void relay_feed_note_own(struct relay_connection *connection, uint64_t agent_number, uint64_t next_seq)
{
    if (!connection->caught_up)
        note_have(connection, agent_number, next_seq);
}

bool relay_feed_pass_own(struct relay_connection *reader, uint64_t place, size_t len)
{
    if (reader->state != CONNECTION_LIVE || !reader->caught_up || reader->reading || reader->cursor + 1 != place)
        return false;
    reader->cursor = place;
    reader->stream_at += len;
    return true;
}

/*
 * With a place that was right, the vector speaks only for the reader's own records: of others the same range could be
 * here with other content, and he must get to see that. (Of his own agents he names those only of which all he has was
 * acknowledged here.) Of an agent that has forked it says nothing.
 */
static bool has_already(const struct relay_connection *connection, const struct store_row *row)
{
    if (row->count == 0 || row->agent_number > connection->have_count)
        return false;
    const struct relay_agent *agent = agents_at(&connection->document->agents, row->agent_number);
    if (!agent || agent->is.forked || row->seq0 + row->count > connection->have[row->agent_number - 1])
        return false;
    return connection->by_vector ||
           crypto_equal(&agent->is.device_key, &connection->device_key, sizeof connection->device_key);
}

static void note_skipped(struct relay_connection *connection, const struct store_row *row)
{
    connection->skipped = reach(connection->skipped, &connection->skipped_count, row->agent_number);
    uint64_t *first = &connection->skipped[row->agent_number - 1];
    *first = *first ? *first : row->place;
}

/* The texts of checkpoints are for who has nothing else: he gets the newest one in front of everything. */
static bool is_passed_over(struct bytes stored)
{
    enum { KIND_AT = 1 };
    return stored.len > KIND_AT && stored.data[KIND_AT] == RECORD_CHECKPOINT_TEXT;
}

/* --- sending --- */

struct piece {
    struct place_record items[256];
    size_t count;
};

static void piece_send(struct piece *piece, struct relay_connection *connection)
{
    if (piece->count == 0)
        return;
    connection->relay->counts.records_out += piece->count;
    relay_connection_send(connection,
                          &(struct message){.kind = MESSAGE_RECORDS, .records = {piece->items, piece->count}});
    piece->count = 0;
}

static void piece_add(struct piece *piece, struct relay_connection *connection, uint64_t place, struct bytes stored)
{
    if (piece->count == sizeof piece->items / sizeof *piece->items)
        piece_send(piece, connection);
    piece->items[piece->count++] = (struct place_record){place, stored};
}

/* There is something to send behind the cursor and it is in memory. */
static void send_tail(struct relay_connection *connection)
{
    const struct relay_document *document = connection->document;
    struct piece piece = {.count = 0};
    size_t bytes = 0;
    const struct tail_row *row;
    while ((row = relay_tail_find(&document->tail, connection->cursor + 1))) {
        if (bytes > 0 && bytes + row->len > RELAY_PIECE_BYTES)
            break;
        connection->cursor = row->place;
        connection->stream_at += row->len;
        if (row->origin == connection->id || is_passed_over(bytes_of(row->stored, row->len)))
            continue;
        piece_add(&piece, connection, row->place, bytes_of(row->stored, row->len));
        bytes += row->len;
    }
    piece_send(&piece, connection);
}

/* What is read again is skipped again, and noted, or sent: a reader who has caught up skips nothing any more. */
static void read_again(struct relay_connection *reader, uint64_t place)
{
    for (size_t i = 0; i < reader->skipped_count; i++)
        if (reader->skipped[i] >= place)
            reader->skipped[i] = 0;
    if (reader->cursor >= place)
        reader->cursor = place - 1;
    relay_connection_want_write(reader);
}

void relay_feed_rewind(struct relay_document *document, uint64_t agent_number)
{
    for (struct relay_connection *reader = document->connections; reader; reader = reader->next_here) {
        uint64_t place = agent_number <= reader->skipped_count ? reader->skipped[agent_number - 1] : 0;
        if (reader->state != CONNECTION_LIVE || place == 0)
            continue;
        if (!reader->reading)
            read_again(reader, place);
        else if (!reader->rewind || place < reader->rewind)
            reader->rewind = place;
    }
}

static void on_read(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay_connection *connection = self;
    struct piece piece = {.count = 0};
    (void)tag;
    connection->reading = false;
    if (!relay_connection_answered(connection))
        return;
    if (reply->result != STORE_OK || reply->row_count == 0) {
        relay_connection_refuse(connection, REFUSE_LIMIT, RETRY_MS, "the relay's store does not answer; try again");
        return;
    }
    for (size_t i = 0; i < reply->row_count; i++) {
        const struct store_row *row = &reply->rows[i];
        connection->cursor = row->place;
        if (has_already(connection, row))
            note_skipped(connection, row);
        else if (!is_passed_over(row->stored))
            piece_add(&piece, connection, row->place, row->stored);
    }
    piece_send(&piece, connection);
    if (connection->rewind)
        read_again(connection, connection->rewind);
    connection->rewind = 0;
    relay_connection_want_write(connection);
}

static void read_store(struct relay_connection *connection)
{
    connection->reading = true;
    connection->asked++;
    store_read(connection->relay->store, connection->document->key, connection->cursor, RELAY_PIECE_BYTES,
               (struct store_done){.call = on_read, .self = connection});
}

/* Place 0: out of the log's order, and no place to resume at. It all comes once more where it belongs, but for the texts. */
static void send_ahead(struct relay_connection *connection, const struct store_reply *reply)
{
    struct piece piece = {.count = 0};
    for (size_t i = 0; i < reply->row_count; i++) {
        const struct store_row *row = &reply->rows[i];
        if (row->kind == RECORD_GENESIS && connection->checks_grants)
            continue;
        if (row->kind == RECORD_CHECKPOINT)
            connection->ahead = (struct store_row){.kind = row->kind, .agent_number = row->agent_number, .seq0 = row->seq0};
        if (row->kind == RECORD_CHECKPOINT_TEXT)
            connection->ahead.place = row->place;
        piece_add(&piece, connection, 0, row->stored);
    }
    piece_send(&piece, connection);
}

/* How many are here: others count from when they have something to show, so that no greeting goes before it. */
static unsigned peers_for(const struct relay_connection *connection)
{
    const struct relay_document *document = connection->document;
    return document->live - document->fresh + connection->ahead_due;
}

static void end_ahead(struct relay_connection *connection)
{
    if (!connection->ahead_due)
        return;
    connection->ahead_due = false;
    connection->document->fresh--;
    relay_document_wake(connection->document);
}

static void on_ahead(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay_connection *connection = self;
    (void)tag;
    connection->reading = false;
    if (!relay_connection_answered(connection))
        return;
    if (reply->result == STORE_OK && reply->row_count > 0)
        send_ahead(connection, reply);
    else /* there is none, or no more of it: the log itself is to be had in any case */
        end_ahead(connection);
    relay_connection_want_write(connection);
}

static void read_ahead(struct relay_connection *connection)
{
    connection->reading = true;
    connection->asked++;
    store_checkpoint(connection->relay->store, connection->document->key,
                     connection->ahead.agent_number ? &connection->ahead : NULL, RELAY_PIECE_BYTES,
                     (struct store_done){.call = on_ahead, .self = connection});
}

static void catch_up(struct relay_connection *connection)
{
    connection->stream_at = connection->document->stream_bytes;
    if (connection->caught_up)
        return;
    connection->caught_up = true;
    free(connection->have);
    connection->have = NULL;
    connection->have_count = 0;
    /* First: who only wants what is newest would leave with what was newest when it moved. */
    relay_document_tell_moved(connection->document, connection);
    relay_connection_send(connection,
                          &(struct message){.kind = MESSAGE_CAUGHT_UP, .caught_up = {connection->document->durable}});
}

static void feed_records(struct relay_connection *connection)
{
    const struct relay_document *document = connection->document;
    if (connection->checking || connection->reading)
        return;
    if (connection->ahead_due) {
        read_ahead(connection);
        return;
    }
    if (connection->cursor < document->durable) {
        if (!relay_tail_find(&document->tail, connection->cursor + 1)) {
            read_store(connection);
            return;
        }
        send_tail(connection);
    }
    if (connection->cursor >= document->durable)
        catch_up(connection);
    else
        relay_connection_want_write(connection);
}

void relay_feed_run(struct relay_connection *connection)
{
    if (connection->state != CONNECTION_LIVE)
        return;
    if (relay_connection_queued(connection) > ROOM_BYTES) {
        relay_connection_want_write(connection);
        return;
    }
    if (connection->peers_told != peers_for(connection)) {
        connection->peers_told = peers_for(connection);
        relay_connection_send(connection, &(struct message){.kind = MESSAGE_PEERS, .peers = {connection->peers_told}});
    }
    feed_records(connection);
}

/* --- RESUME --- */

/* Whoever resumes behind a pack has compared it with what it stands in for. */
static void acknowledge_packs(const struct relay_connection *connection, uint64_t place)
{
    struct store_purge purge = {.key = connection->document->key,
                                .place = place,
                                .before_s = INT64_MAX,
                                .not_by = connection->device_key};
    relay_purge(connection->relay, &purge);
}

static void place_known(struct relay_connection *connection, uint64_t place, struct bytes stored)
{
    struct digest hash;
    record_hash(stored, &hash);
    if (!digest_equal(&hash, &connection->resume_hash))
        return;
    connection->by_vector = false;
    connection->cursor = place;
    acknowledge_packs(connection, place);
}

static void on_place_read(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay_connection *connection = self;
    connection->checking = false;
    if (!relay_connection_answered(connection))
        return;
    if (reply->result == STORE_OK && reply->row_count > 0 && reply->rows[0].place == tag)
        place_known(connection, tag, reply->rows[0].stored);
    relay_connection_want_write(connection);
}

static void check_place(struct relay_connection *connection, const struct message *message)
{
    static const struct digest never;
    const struct relay_document *document = connection->document;
    uint64_t place = message->resume.place;
    connection->by_vector = true;
    connection->resume_hash = message->resume.hash;
    connection->ahead_due = digest_equal(&message->resume.log, &never) && message->resume.place == 0 &&
                            message->resume.vector_count == 0;
    connection->checks_grants = digest_equal(&message->resume.hash, &RESUME_CHECKS_GRANTS);
    connection->document->fresh += connection->ahead_due;
    bool here = memcmp(message->resume.log.bytes, document->log.bytes, LOG_ID_BYTES) == 0 && place > 0 &&
                place <= document->durable;
    if (!here)
        return;
    connection->checking = true;
    connection->asked++;
    store_read(connection->relay->store, document->key, place - 1, 1,
               (struct store_done){.call = on_place_read, .self = connection, .tag = place});
}

static void take_vector(struct relay_connection *connection, const struct message *message)
{
    for (size_t i = 0; i < message->resume.vector_count; i++) {
        const struct vector_entry *entry = &message->resume.vector[i];
        const struct relay_agent *agent = agents_find(&connection->document->agents, &entry->agent);
        if (agent)
            note_have(connection, agent->is.number, entry->next_seq);
    }
}

/* Only what is durable: a client may forget what the relay says it has. */
static void send_welcome(struct relay_connection *connection)
{
    const struct relay_document *document = connection->document;
    struct vector_entry *vector = xcalloc(document->agents.count + 1, sizeof *vector);
    size_t count = 0;
    for (size_t i = 0; i < document->agents.count; i++) {
        const struct relay_agent *agent = &document->agents.items[i];
        if (agent->durable)
            vector[count++] = (struct vector_entry){agent->is.id, agent->durable_seq};
    }
    struct message welcome = {.kind = MESSAGE_WELCOME,
                              .welcome = {.protocol = MESSAGE_PROTOCOL_HIGH,
                                          .head = document->durable,
                                          .peers = connection->peers_told,
                                          .vector = vector,
                                          .vector_count = count}};
    memcpy(welcome.welcome.log.bytes, document->log.bytes, LOG_ID_BYTES);
    relay_connection_send(connection, &welcome);
    free(vector);
}

void relay_feed_resume(struct relay_connection *connection, const struct message *message)
{
    struct relay_document *document = connection->document;
    connection->state = CONNECTION_LIVE;
    document->live++;
    take_vector(connection, message);
    check_place(connection, message);
    connection->peers_told = peers_for(connection);
    send_welcome(connection);
    relay_document_wake(document);
}
