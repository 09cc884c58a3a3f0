/* What a connection is told by its client, and what is answered: proofs, then records, presence and the owner's orders. */
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/relay/relay_parts.h"

/* --- saying no --- */

/* Somebody who guesses is slowed down, by address. */
static void refuse_proof(struct relay_connection *connection, enum refuse_code code, const char *text)
{
    struct relay *relay = connection->relay;
    if (connection->address)
        bucket_pay(&connection->address->refusals, relay->limits.address_refusals, 1, relay->now_ms);
    relay_connection_refuse(connection, code, 0, text);
}

static void refuse_error(struct relay_connection *connection, const struct error *err)
{
    relay_connection_refuse(connection, REFUSE_MALFORMED, 0, err->text);
}

static void refuse_store(struct relay_connection *connection, const struct store_reply *reply)
{
    switch (reply->result) {
    case STORE_CLOSED:
        relay_connection_refuse(connection, REFUSE_CLOSED, 0, RELAY_CLOSED_TEXT);
        return;
    case STORE_FULL:
        relay_connection_refuse(connection, REFUSE_FULL, RETRY_FULL_MS, "the relay's disk is full");
        return;
    case STORE_OK:
    case STORE_MISSING:
    case STORE_EXISTS:
    case STORE_OTHER:
    case STORE_CROWDED:
    case STORE_FENCED:
    case STORE_FAILED:
        break;
    }
    relay_connection_refuse(connection, REFUSE_LIMIT, RETRY_MS, "the relay's store does not answer; try again");
}

/* --- questions to the store --- */

static struct store_done answer_to(struct relay_connection *connection,
                                   void (*call)(void *self, uint64_t tag, const struct store_reply *reply))
{
    connection->asked++;
    return (struct store_done){.call = call, .self = connection};
}

/* --- KNOCK --- */

/* We are who we say, to this client, now, for this document. */
static void send_challenge(struct relay_connection *connection)
{
    const struct sign_key *key = &connection->relay->key;
    const struct handshake *handshake = &connection->handshake;
    struct message message = {.kind = MESSAGE_CHALLENGE};
    struct digest digest;
    challenge_digest(handshake, &digest);
    crypto_sign_digest(key, &digest, &message.challenge.proof);
    message.challenge.low = handshake->relay_low;
    message.challenge.high = handshake->relay_high;
    message.challenge.relay_key = handshake->relay_key;
    message.challenge.certificate = handshake->certificate;
    memcpy(message.challenge.nonce, handshake->relay_nonce, sizeof message.challenge.nonce);
    relay_connection_send(connection, &message);
}

static void refuse_protocol(struct relay_connection *connection)
{
    bool older = connection->handshake.client_high < MESSAGE_PROTOCOL_LOW;
    char *text = xformat("it speaks weft.%u, this is weft.%u: update %s", older ? MESSAGE_PROTOCOL_LOW : MESSAGE_PROTOCOL_HIGH,
                         older ? connection->handshake.client_high : connection->handshake.client_low,
                         older ? "weft" : "the relay");
    relay_connection_refuse(connection, REFUSE_PROTOCOL, 0, text);
    free(text);
}

static void receive_knock(struct relay_connection *connection, const struct message *message)
{
    struct relay *relay = connection->relay;
    struct handshake *handshake = &connection->handshake;
    handshake->client_low = message->knock.low;
    handshake->client_high = message->knock.high;
    handshake->doc = message->knock.doc;
    memcpy(handshake->client_nonce, message->knock.nonce, sizeof handshake->client_nonce);
    handshake->relay_low = MESSAGE_PROTOCOL_LOW;
    handshake->relay_high = MESSAGE_PROTOCOL_HIGH;
    handshake->relay_key = relay->key.public_key;
    relay->port.random(relay->port.self, handshake->relay_nonce, sizeof handshake->relay_nonce);
    if (handshake->client_low > MESSAGE_PROTOCOL_HIGH || handshake->client_high < MESSAGE_PROTOCOL_LOW) {
        refuse_protocol(connection);
        return;
    }
    connection->state = CONNECTION_GREETED;
    send_challenge(connection);
}

/* --- HELLO --- */

static void join(struct relay_connection *connection, const struct genesis *genesis)
{
    struct relay *relay = connection->relay;
    struct relay_document *document = relay_document_find(relay, &connection->handshake.doc);
    buf_release(&connection->genesis);
    if (!document)
        document = relay_document_open(relay, &connection->handshake.doc, genesis);
    if (document->state == DOCUMENT_BROKEN) {
        relay_connection_refuse(connection, REFUSE_LIMIT, RETRY_MS,
                                "the relay is putting this document in order; try again");
        return;
    }
    if (document->connection_count >= relay->limits.document_connections) {
        relay_connection_refuse(connection, REFUSE_LIMIT, RETRY_LATER_MS, "too many people are in this document");
        return;
    }
    relay_document_join(document, connection);
    connection->state = CONNECTION_LOADING;
    if (document->state == DOCUMENT_READY)
        relay_connection_loaded(connection);
}

static bool proves_reading(const struct relay_connection *connection, const struct genesis *genesis)
{
    return crypto_verify_digest(&genesis->read, &connection->hello.digest, &connection->hello.read_proof);
}

/* Two reasons that say the same: an id is no secret, but whoever cannot read it learns nothing about the document. */
static void join_proved(struct relay_connection *connection, const struct genesis *genesis)
{
    if (proves_reading(connection, genesis))
        join(connection, genesis);
    else
        refuse_proof(connection, REFUSE_AUTH, "this link does not open that document");
}

static bool read_genesis(const struct relay_connection *connection, struct bytes stored, struct genesis *genesis,
                         struct error *err)
{
    struct record record;
    return record_decode(stored, &record, err) && genesis_check(&record, &connection->handshake.doc, genesis, err);
}

static void on_created(void *self, uint64_t tag, const struct store_reply *reply);
static void on_found(void *self, uint64_t tag, const struct store_reply *reply);

/* Why no new document is taken now; 0: it is. */
static enum refuse_code creation_fault(const struct relay_connection *connection, const char **text)
{
    const struct relay *relay = connection->relay;
    const struct relay_limits *limits = &relay->limits;
    struct store_totals totals = store_totals(relay->store);
    *text = "creating documents on this relay needs its token";
    if (!connection->hello.token_fits)
        return REFUSE_TOKEN;
    *text = "the relay is more than 80 % full and takes no new documents";
    if (limits->total_bytes && totals.bytes >= limits->total_bytes / 5 * 4)
        return REFUSE_FULL;
    *text = "the relay has as many documents as it may have";
    if (limits->documents && totals.documents >= limits->documents)
        return REFUSE_FULL;
    *text = "your address has created as many documents as it may in a day";
    if (connection->address && connection->address->documents >= limits->address_documents)
        return REFUSE_LIMIT;
    return 0;
}

static void create(struct relay_connection *connection)
{
    struct relay *relay = connection->relay;
    struct genesis genesis;
    struct error err = {0};
    struct log_id log;
    const char *text;
    if (!read_genesis(connection, buf_view(&connection->genesis), &genesis, &err)) {
        refuse_error(connection, &err);
        return;
    }
    if (!proves_reading(connection, &genesis)) {
        refuse_proof(connection, REFUSE_AUTH, "this link does not open that document");
        return;
    }
    enum refuse_code fault = creation_fault(connection, &text);
    if (fault) {
        refuse_proof(connection, fault, text);
        return;
    }
    relay->port.random(relay->port.self, log.bytes, sizeof log.bytes);
    store_create(relay->store, &connection->handshake.doc, &log, buf_view(&connection->genesis), relay->wall_s,
                 answer_to(connection, on_created));
}

static void on_created(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay_connection *connection = self;
    struct genesis genesis;
    struct error err = {0};
    (void)tag;
    if (!relay_connection_answered(connection))
        return;
    if (reply->result == STORE_EXISTS) { /* somebody was faster: theirs counts */
        store_find(connection->relay->store, &connection->handshake.doc, answer_to(connection, on_found));
        return;
    }
    if (reply->result != STORE_OK) {
        refuse_store(connection, reply);
        return;
    }
    connection->relay->counts.created++;
    if (connection->address)
        connection->address->documents++;
    bool readable = read_genesis(connection, buf_view(&connection->genesis), &genesis, &err);
    ensure(readable);
    join(connection, &genesis);
}

static void on_found(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay_connection *connection = self;
    struct genesis genesis;
    struct error err = {0};
    (void)tag;
    if (!relay_connection_answered(connection))
        return;
    if (reply->result == STORE_MISSING && connection->hello.creates)
        create(connection);
    else if (reply->result == STORE_MISSING)
        refuse_proof(connection, REFUSE_NO_DOCUMENT, "there is no such document on this relay");
    else if (reply->result != STORE_OK)
        refuse_store(connection, reply);
    else if (read_genesis(connection, reply->genesis, &genesis, &err))
        join_proved(connection, &genesis);
    else
        relay_connection_refuse(connection, REFUSE_LIMIT, 0, "the relay's copy of this document is damaged");
}

static bool token_fits(const struct relay *relay, struct bytes token)
{
    return !relay->token || (token.len == strlen(relay->token) && crypto_equal(token.data, relay->token, token.len));
}

static void receive_hello(struct relay_connection *connection, const struct message *message)
{
    struct relay *relay = connection->relay;
    connection->hello.read_proof = message->hello.read_proof;
    connection->hello.creates = message->hello.genesis.len > 0;
    connection->hello.token_fits = token_fits(relay, message->hello.token);
    connection->device_key = message->hello.device_key;
    buf_add_bytes(&connection->genesis, message->hello.genesis);
    hello_digest(&connection->handshake, &connection->device_key, connection->hello.creates, &connection->hello.digest);
    if (!crypto_verify_digest(&connection->device_key, &connection->hello.digest, &message->hello.device_proof)) {
        refuse_proof(connection, REFUSE_AUTH, "the device's proof does not fit its key");
        return;
    }
    struct relay_document *document = relay_document_find(relay, &connection->handshake.doc);
    if (document) {
        join_proved(connection, &document->genesis);
        return;
    }
    connection->state = CONNECTION_PROVING;
    store_find(relay->store, &connection->handshake.doc, answer_to(connection, on_found));
}

/* --- live --- */

static void receive_presence(struct relay_connection *connection, const struct message *message)
{
    struct relay *relay = connection->relay;
    relay->counts.presence_in++;
    if (message->presence.sealed.len > PRESENCE_BYTES_MAX ||
        !bucket_take(&connection->presence, relay->limits.presence, 1, relay->now_ms)) {
        relay->counts.presence_dropped++;
        return;
    }
    struct agent_numbers none = {0};
    struct buf encoded = {0};
    message_encode(&(struct message){.kind = MESSAGE_PRESENCE, .presence = {message->presence.sealed}},
                   MESSAGE_BY_RELAY, &none, &encoded);
    struct relay_frame *frame = relay_frame_new(buf_view(&encoded));
    for (struct relay_connection *to = connection->document->connections; to; to = to->next_here) {
        if (to == connection || to->state != CONNECTION_LIVE)
            continue;
        if (relay_connection_queued(to) > ROOM_BYTES)
            relay->counts.presence_dropped++;
        else
            relay_connection_send_frame(to, relay_frame_share(frame));
    }
    relay_frame_drop(frame);
    buf_release(&encoded);
}

static void on_removed(void *self, uint64_t tag, const struct store_reply *reply)
{
    struct relay_document *document = self;
    (void)tag;
    if (reply->result == STORE_OK || reply->result == STORE_CLOSED)
        relay_document_break(document, REFUSE_CLOSED, 0, RELAY_CLOSED_TEXT);
    relay_document_answered(document);
}

static void receive_delete(struct relay_connection *connection, const struct message *message)
{
    struct relay *relay = connection->relay;
    struct relay_document *document = connection->document;
    struct digest digest;
    delete_digest(&connection->handshake, &digest);
    if (!crypto_verify_digest(&document->genesis.admin, &digest, &message->delete_request.proof)) {
        refuse_proof(connection, REFUSE_FORBIDDEN, "only the owner of a document can close it");
        return;
    }
    document->asked++;
    store_remove(relay->store, &document->id, (struct store_done){.call = on_removed, .self = document});
}

static void receive_moved(struct relay_connection *connection, const struct message *message)
{
    struct relay_document *document = connection->document;
    struct digest digest;
    moved_digest(&document->id, message->moved.moved_s, message->moved.place, &digest);
    if (crypto_verify_digest(&document->genesis.admin, &digest, &message->moved.proof))
        relay_document_move(document, message);
    else
        refuse_proof(connection, REFUSE_FORBIDDEN, "only the owner of a document can move it");
}

static void receive_live(struct relay_connection *connection, const struct message *message)
{
    if (message->kind == MESSAGE_RECORDS) {
        relay_upload_records(connection, message);
        return;
    }
    bucket_pay(&connection->frames, connection->relay->limits.frames, 1, connection->relay->now_ms);
    if (message->kind == MESSAGE_REOFFER)
        relay_upload_reoffer(connection, message);
    else if (message->kind == MESSAGE_PRESENCE)
        receive_presence(connection, message);
    else if (message->kind == MESSAGE_PING)
        relay_connection_send(connection, &(struct message){.kind = MESSAGE_PONG, .ping = {message->ping.nonce}});
    else if (message->kind == MESSAGE_MOVED)
        receive_moved(connection, message);
    else if (message->kind == MESSAGE_DELETE)
        receive_delete(connection, message);
    else
        relay_connection_refuse(connection, REFUSE_MALFORMED, 0, "this message has no place here");
}

static void dispatch(struct relay_connection *connection, const struct message *message)
{
    switch (connection->state) {
    case CONNECTION_ACCEPTED:
        if (message->kind == MESSAGE_KNOCK)
            receive_knock(connection, message);
        else
            relay_connection_refuse(connection, REFUSE_MALFORMED, 0, "KNOCK comes first");
        break;
    case CONNECTION_GREETED:
        if (message->kind == MESSAGE_HELLO)
            receive_hello(connection, message);
        else
            relay_connection_refuse(connection, REFUSE_MALFORMED, 0, "HELLO follows CHALLENGE");
        break;
    case CONNECTION_JOINED:
        if (message->kind == MESSAGE_RESUME)
            relay_feed_resume(connection, message);
        else
            relay_connection_refuse(connection, REFUSE_MALFORMED, 0, "RESUME follows HELLO");
        break;
    case CONNECTION_LIVE:
        receive_live(connection, message);
        break;
    case CONNECTION_PROVING:
    case CONNECTION_LOADING:
    case CONNECTION_ENDED:
        break;
    }
}

void relay_receive(struct relay_connection *connection, struct bytes frame, uint64_t now_ms)
{
    struct relay *relay = connection->relay;
    struct message message = {0};
    struct error err = {0};
    ensure(relay_reads(connection));
    relay->now_ms = now_ms;
    relay->counts.frames_in++;
    relay->counts.bytes_in += frame.len;
    connection->heard_ms = now_ms;
    if (frame.len > relay_frame_bytes_max(connection)) {
        relay_connection_refuse(connection, REFUSE_MALFORMED, 0, "this message is too large");
        return;
    }
    if (message_decode(frame, MESSAGE_BY_CLIENT, &connection->numbers_in, &message, &err))
        dispatch(connection, &message);
    else
        refuse_error(connection, &err);
    message_release(&message);
    relay_connection_pace(connection);
}

void relay_writable(struct relay_connection *connection, uint64_t now_ms)
{
    connection->relay->now_ms = now_ms;
    connection->wants_write = false;
    relay_feed_run(connection);
}
