#include "sync/message.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

enum {
    RECORD_FLAG_SEALER = 1, /* sync/record.h: a second agent follows the first */
    LOG_ID_BYTES = 16,      /* of a log's digest, in a frame */
    VECTOR_ENTRY_BYTES_MIN = AGENT_ID_BYTES + 1,
    RECORD_FRAME_BYTES_MIN = 5, /* its size, format, kind, flags, an agent's number */
};

/* --- numbered agents --- */

void agent_numbers_release(struct agent_numbers *numbers)
{
    free(numbers->ids);
    free(numbers->slots);
    *numbers = (struct agent_numbers){0};
}

void agent_numbers_clear(struct agent_numbers *numbers)
{
    numbers->count = 0;
    if (numbers->slot_count)
        memset(numbers->slots, 0, numbers->slot_count * sizeof *numbers->slots);
}

/* Beyond MESSAGE_AGENTS_MAX an agent gets no number and is spelled out every time, on both sides. */
static void agent_numbers_add(struct agent_numbers *numbers, const struct agent_id *id)
{
    if (numbers->count == MESSAGE_AGENTS_MAX)
        return;
    numbers->ids = xgrow(numbers->ids, &numbers->cap, numbers->count + 1, sizeof *numbers->ids);
    numbers->ids[numbers->count++] = *id;
}

/* The slot that holds this agent's number, or the empty one where it belongs. There is always an empty one. */
static uint32_t *find_slot(const struct agent_numbers *numbers, const struct agent_id *id)
{
    uint64_t hash = 0; /* ids are random: any eight bytes will do */
    memcpy(&hash, id->bytes, sizeof hash);
    size_t mask = numbers->slot_count - 1;
    for (size_t at = (size_t)hash & mask;; at = (at + 1) & mask) {
        uint32_t number = numbers->slots[at];
        if (number == 0 || agent_id_equal(&numbers->ids[number - 1], id))
            return &numbers->slots[at];
    }
}

/* Twice as many slots as agents, counted in powers of two. */
static void grow_slots(struct agent_numbers *numbers)
{
    enum { SLOTS_FIRST = 16 };
    if (numbers->slot_count >= 2 * (numbers->count + 1))
        return;
    free(numbers->slots);
    numbers->slot_count = numbers->slot_count ? 2 * numbers->slot_count : SLOTS_FIRST;
    numbers->slots = xcalloc(numbers->slot_count, sizeof *numbers->slots);
    for (size_t i = 0; i < numbers->count; i++)
        *find_slot(numbers, &numbers->ids[i]) = (uint32_t)i + 1;
}

static void encode_agent(const struct agent_id *id, struct agent_numbers *numbers, struct buf *out)
{
    grow_slots(numbers);
    uint32_t *slot = find_slot(numbers, id);
    buf_add_varint(out, *slot);
    if (*slot)
        return;
    buf_add(out, id->bytes, sizeof id->bytes);
    size_t count = numbers->count;
    agent_numbers_add(numbers, id);
    if (numbers->count > count)
        *slot = (uint32_t)numbers->count;
}

static void decode_agent(struct reader *reader, struct agent_numbers *numbers, struct buf *stored)
{
    uint64_t number = read_varint_max(reader, numbers->count);
    struct agent_id id;
    if (number) {
        buf_add(stored, numbers->ids[number - 1].bytes, AGENT_ID_BYTES);
        return;
    }
    read_into(reader, id.bytes, sizeof id.bytes);
    buf_add(stored, id.bytes, sizeof id.bytes);
    if (!reader->failed)
        agent_numbers_add(numbers, &id);
}

/* --- records in frames: sized; format, kind, flags, agent's number, sealer's number with its flag, the rest as stored
 * --- */

static void encode_record(struct bytes stored, struct agent_numbers *numbers, struct buf *out)
{
    struct reader reader = reader_of(stored);
    struct bytes head = read_bytes(&reader, 3);
    ensure(!reader.failed && stored.len <= RECORD_BYTES_MAX);
    struct buf framed = {0};
    buf_add_bytes(&framed, head);
    int agents = head.data[2] & RECORD_FLAG_SEALER ? 2 : 1;
    for (int i = 0; i < agents; i++) {
        struct agent_id id;
        read_into(&reader, id.bytes, sizeof id.bytes);
        encode_agent(&id, numbers, &framed);
    }
    ensure(!reader.failed);
    buf_add_bytes(&framed, read_bytes(&reader, reader_left(&reader)));
    buf_add_sized(out, buf_view(&framed));
    buf_release(&framed);
}

/* Appends the stored form; returns its length. What a record must look like beyond that is record_decode()'s business.
 */
static size_t decode_record(struct reader *reader, struct agent_numbers *numbers, struct buf *stored)
{
    size_t start = stored->len;
    struct bytes framed = read_sized(reader, RECORD_BYTES_MAX);
    struct reader record = reader_of(framed);
    struct bytes head = read_bytes(&record, 3);
    if (reader->failed || record.failed || head.data[0] != RECORD_FORMAT) {
        reader_fail(reader);
        return 0;
    }
    buf_add_bytes(stored, head);
    int agents = head.data[2] & RECORD_FLAG_SEALER ? 2 : 1;
    for (int i = 0; i < agents; i++)
        decode_agent(&record, numbers, stored);
    buf_add_bytes(stored, read_bytes(&record, reader_left(&record)));
    if (record.failed || stored->len - start > RECORD_BYTES_MAX)
        reader_fail(reader);
    return stored->len - start;
}

/* --- fields that several kinds share --- */

static void encode_log(const struct digest *log, struct buf *out)
{
    buf_add(out, log->bytes, LOG_ID_BYTES);
}

static void decode_log(struct reader *reader, struct digest *log)
{
    *log = (struct digest){{0}};
    read_into(reader, log->bytes, LOG_ID_BYTES);
}

static void encode_vector(const struct vector_entry *vector, size_t count, struct buf *out)
{
    ensure(count <= MESSAGE_VECTOR_MAX);
    buf_add_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        buf_add(out, vector[i].agent.bytes, AGENT_ID_BYTES);
        buf_add_varint(out, vector[i].next_seq);
    }
}

/* Into message->vector_items. */
static size_t decode_vector(struct reader *reader, struct message *message)
{
    size_t count = (size_t)read_varint_max(reader, MESSAGE_VECTOR_MAX);
    if (count > reader_left(reader) / VECTOR_ENTRY_BYTES_MIN)
        reader_fail(reader);
    if (reader->failed || count == 0)
        return 0;
    message->vector_items = xcalloc(count, sizeof *message->vector_items);
    for (size_t i = 0; i < count; i++) {
        read_into(reader, message->vector_items[i].agent.bytes, AGENT_ID_BYTES);
        message->vector_items[i].next_seq = read_varint(reader);
    }
    return count;
}

static void encode_text(struct bytes text, struct buf *out)
{
    ensure(text.len <= MESSAGE_TEXT_BYTES_MAX);
    buf_add_sized(out, text);
}

static unsigned decode_small(struct reader *reader)
{
    return (unsigned)read_varint_max(reader, UINT16_MAX);
}

/* --- one pair of functions for each kind with more than two fields --- */

static void encode_knock(const struct message *message, struct buf *out)
{
    buf_add_varint(out, message->knock.low);
    buf_add_varint(out, message->knock.high);
    buf_add(out, message->knock.doc.bytes, sizeof message->knock.doc.bytes);
    buf_add(out, message->knock.nonce, sizeof message->knock.nonce);
}

static void decode_knock(struct reader *reader, struct message *message)
{
    message->knock.low = decode_small(reader);
    message->knock.high = decode_small(reader);
    read_into(reader, message->knock.doc.bytes, sizeof message->knock.doc.bytes);
    read_into(reader, message->knock.nonce, sizeof message->knock.nonce);
}

static void encode_challenge(const struct message *message, struct buf *out)
{
    buf_add_varint(out, message->challenge.low);
    buf_add_varint(out, message->challenge.high);
    buf_add(out, message->challenge.relay_key.bytes, sizeof message->challenge.relay_key.bytes);
    buf_add(out, message->challenge.nonce, sizeof message->challenge.nonce);
    buf_add(out, message->challenge.certificate.bytes, sizeof message->challenge.certificate.bytes);
    buf_add(out, message->challenge.proof.bytes, sizeof message->challenge.proof.bytes);
}

static void decode_challenge(struct reader *reader, struct message *message)
{
    message->challenge.low = decode_small(reader);
    message->challenge.high = decode_small(reader);
    read_into(reader, message->challenge.relay_key.bytes, sizeof message->challenge.relay_key.bytes);
    read_into(reader, message->challenge.nonce, sizeof message->challenge.nonce);
    read_into(reader, message->challenge.certificate.bytes, sizeof message->challenge.certificate.bytes);
    read_into(reader, message->challenge.proof.bytes, sizeof message->challenge.proof.bytes);
}

static void encode_hello(const struct message *message, struct buf *out)
{
    size_t start = out->len;
    buf_add(out, message->hello.device_key.bytes, sizeof message->hello.device_key.bytes);
    buf_add(out, message->hello.device_proof.bytes, sizeof message->hello.device_proof.bytes);
    buf_add(out, message->hello.read_proof.bytes, sizeof message->hello.read_proof.bytes);
    buf_add_sized(out, message->hello.genesis);
    buf_add_sized(out, message->hello.token);
    ensure(message->hello.token.len <= MESSAGE_TOKEN_BYTES_MAX && out->len - start < MESSAGE_HELLO_BYTES_MAX);
}

static void decode_hello(struct reader *reader, struct message *message)
{
    read_into(reader, message->hello.device_key.bytes, sizeof message->hello.device_key.bytes);
    read_into(reader, message->hello.device_proof.bytes, sizeof message->hello.device_proof.bytes);
    read_into(reader, message->hello.read_proof.bytes, sizeof message->hello.read_proof.bytes);
    message->hello.genesis = read_sized(reader, MESSAGE_HELLO_BYTES_MAX);
    message->hello.token = read_sized(reader, MESSAGE_TOKEN_BYTES_MAX);
}

static void encode_resume(const struct message *message, struct buf *out)
{
    encode_log(&message->resume.log, out);
    buf_add_varint(out, message->resume.place);
    buf_add(out, message->resume.hash.bytes, sizeof message->resume.hash.bytes);
    encode_vector(message->resume.vector, message->resume.vector_count, out);
}

static void decode_resume(struct reader *reader, struct message *message)
{
    decode_log(reader, &message->resume.log);
    message->resume.place = read_varint(reader);
    read_into(reader, message->resume.hash.bytes, sizeof message->resume.hash.bytes);
    message->resume.vector_count = decode_vector(reader, message);
    message->resume.vector = message->vector_items;
}

static void encode_welcome(const struct message *message, struct buf *out)
{
    buf_add_varint(out, message->welcome.protocol);
    encode_log(&message->welcome.log, out);
    buf_add_varint(out, message->welcome.head);
    buf_add_varint(out, message->welcome.peers);
    encode_vector(message->welcome.vector, message->welcome.vector_count, out);
}

static void decode_welcome(struct reader *reader, struct message *message)
{
    message->welcome.protocol = decode_small(reader);
    decode_log(reader, &message->welcome.log);
    message->welcome.head = read_varint(reader);
    message->welcome.peers = (unsigned)read_varint_max(reader, UINT32_MAX);
    message->welcome.vector_count = decode_vector(reader, message);
    message->welcome.vector = message->vector_items;
}

static void encode_refuse(const struct message *message, struct buf *out)
{
    buf_add_varint(out, message->refuse.code);
    buf_add_varint(out, message->refuse.retry_ms);
    encode_text(message->refuse.text, out);
}

static void decode_refuse(struct reader *reader, struct message *message)
{
    message->refuse.code = decode_small(reader);
    message->refuse.retry_ms = read_varint(reader);
    message->refuse.text = read_sized(reader, MESSAGE_TEXT_BYTES_MAX);
}

static void encode_reject(const struct message *message, struct buf *out)
{
    buf_add_varint(out, message->reject.ordinal);
    buf_add_varint(out, message->reject.code);
    encode_text(message->reject.text, out);
}

static void decode_reject(struct reader *reader, struct message *message)
{
    message->reject.ordinal = read_varint(reader);
    message->reject.code = decode_small(reader);
    message->reject.text = read_sized(reader, MESSAGE_TEXT_BYTES_MAX);
}

static void encode_records(const struct message *message, enum message_sender sender, struct agent_numbers *numbers,
                           struct buf *out)
{
    ensure(message->records.count > 0 && message->records.count <= MESSAGE_RECORDS_MAX);
    buf_add_varint(out, message->records.count);
    for (size_t i = 0; i < message->records.count; i++) {
        if (sender == MESSAGE_BY_RELAY)
            buf_add_varint(out, message->records.items[i].place);
        encode_record(message->records.items[i].stored, numbers, out);
    }
}

/* The buffer of restored records moves while it grows, so their views are set when all are there. */
static void point_records(struct message *message, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        message->record_items[i].stored.data = message->restored.data + at;
        at += message->record_items[i].stored.len;
    }
    message->records.items = message->record_items;
    message->records.count = count;
}

static void decode_records(struct reader *reader, enum message_sender sender, struct agent_numbers *numbers,
                           struct message *message)
{
    size_t count = (size_t)read_varint_max(reader, MESSAGE_RECORDS_MAX);
    if (count == 0 || count > reader_left(reader) / RECORD_FRAME_BYTES_MIN)
        reader_fail(reader);
    if (reader->failed)
        return;
    message->record_items = xcalloc(count, sizeof *message->record_items);
    for (size_t i = 0; i < count && !reader->failed; i++) {
        struct place_record *item = &message->record_items[i];
        item->place = sender == MESSAGE_BY_RELAY ? read_varint(reader) : 0;
        item->stored.len = decode_record(reader, numbers, &message->restored);
    }
    if (!reader->failed)
        point_records(message, count);
}

static void decode_reoffer(struct reader *reader, struct agent_numbers *numbers, struct message *message)
{
    decode_record(reader, numbers, &message->restored);
    message->reoffer.stored = buf_view(&message->restored);
    read_into(reader, message->reoffer.last.bytes, sizeof message->reoffer.last.bytes);
}

/* --- all kinds --- */

static bool may_send(enum message_sender sender, enum message_kind kind)
{
    bool client = sender == MESSAGE_BY_CLIENT;
    switch (kind) {
    case MESSAGE_KNOCK:
    case MESSAGE_HELLO:
    case MESSAGE_RESUME:
    case MESSAGE_REOFFER:
    case MESSAGE_DELETE:
        return client;
    case MESSAGE_CHALLENGE:
    case MESSAGE_WELCOME:
    case MESSAGE_REFUSE:
    case MESSAGE_CAUGHT_UP:
    case MESSAGE_ACK:
    case MESSAGE_REJECT:
    case MESSAGE_PEERS:
        return !client;
    case MESSAGE_RECORDS:
    case MESSAGE_PRESENCE:
    case MESSAGE_PING:
    case MESSAGE_PONG:
    case MESSAGE_MOVED:
        return true;
    }
    return false;
}

static void encode_fields(const struct message *message, enum message_sender sender, struct agent_numbers *numbers,
                          struct buf *out)
{
    switch (message->kind) {
    case MESSAGE_KNOCK:
        encode_knock(message, out);
        break;
    case MESSAGE_CHALLENGE:
        encode_challenge(message, out);
        break;
    case MESSAGE_HELLO:
        encode_hello(message, out);
        break;
    case MESSAGE_RESUME:
        encode_resume(message, out);
        break;
    case MESSAGE_WELCOME:
        encode_welcome(message, out);
        break;
    case MESSAGE_REFUSE:
        encode_refuse(message, out);
        break;
    case MESSAGE_RECORDS:
        encode_records(message, sender, numbers, out);
        break;
    case MESSAGE_CAUGHT_UP:
        buf_add_varint(out, message->caught_up.head);
        break;
    case MESSAGE_ACK:
        buf_add_varint(out, message->ack.ordinal);
        buf_add_varint(out, message->ack.place);
        break;
    case MESSAGE_REJECT:
        encode_reject(message, out);
        break;
    case MESSAGE_REOFFER:
        encode_record(message->reoffer.stored, numbers, out);
        buf_add(out, message->reoffer.last.bytes, sizeof message->reoffer.last.bytes);
        break;
    case MESSAGE_PRESENCE:
        ensure(message->presence.sealed.len <= PRESENCE_BYTES_MAX);
        buf_add_sized(out, message->presence.sealed);
        break;
    case MESSAGE_PEERS:
        buf_add_varint(out, message->peers.count);
        break;
    case MESSAGE_PING:
    case MESSAGE_PONG:
        buf_add_varint(out, message->ping.nonce);
        break;
    case MESSAGE_MOVED:
        buf_add_varint(out, message->moved.moved_s);
        encode_text(message->moved.place, out);
        buf_add(out, message->moved.proof.bytes, sizeof message->moved.proof.bytes);
        break;
    case MESSAGE_DELETE:
        buf_add(out, message->delete_request.proof.bytes, sizeof message->delete_request.proof.bytes);
        break;
    }
}

static void decode_fields(struct reader *reader, enum message_sender sender, struct agent_numbers *numbers,
                          struct message *message)
{
    switch (message->kind) {
    case MESSAGE_KNOCK:
        decode_knock(reader, message);
        break;
    case MESSAGE_CHALLENGE:
        decode_challenge(reader, message);
        break;
    case MESSAGE_HELLO:
        decode_hello(reader, message);
        break;
    case MESSAGE_RESUME:
        decode_resume(reader, message);
        break;
    case MESSAGE_WELCOME:
        decode_welcome(reader, message);
        break;
    case MESSAGE_REFUSE:
        decode_refuse(reader, message);
        break;
    case MESSAGE_RECORDS:
        decode_records(reader, sender, numbers, message);
        break;
    case MESSAGE_CAUGHT_UP:
        message->caught_up.head = read_varint(reader);
        break;
    case MESSAGE_ACK:
        message->ack.ordinal = read_varint(reader);
        message->ack.place = read_varint(reader);
        break;
    case MESSAGE_REJECT:
        decode_reject(reader, message);
        break;
    case MESSAGE_REOFFER:
        decode_reoffer(reader, numbers, message);
        break;
    case MESSAGE_PRESENCE:
        message->presence.sealed = read_sized(reader, PRESENCE_BYTES_MAX);
        break;
    case MESSAGE_PEERS:
        message->peers.count = (unsigned)read_varint_max(reader, UINT32_MAX);
        break;
    case MESSAGE_PING:
    case MESSAGE_PONG:
        message->ping.nonce = read_varint(reader);
        break;
    case MESSAGE_MOVED:
        message->moved.moved_s = read_varint(reader);
        message->moved.place = read_sized(reader, MESSAGE_TEXT_BYTES_MAX);
        read_into(reader, message->moved.proof.bytes, sizeof message->moved.proof.bytes);
        break;
    case MESSAGE_DELETE:
        read_into(reader, message->delete_request.proof.bytes, sizeof message->delete_request.proof.bytes);
        break;
    }
}

void message_release(struct message *message)
{
    buf_release(&message->restored);
    free(message->vector_items);
    free(message->record_items);
    *message = (struct message){0};
}

/* Empty again; the room for restored records is kept, for frames come by the thousand. */
static void message_clear(struct message *message)
{
    struct buf restored = message->restored;
    buf_clear(&restored);
    message->restored = (struct buf){0};
    message_release(message);
    message->restored = restored;
}

void message_encode(const struct message *message, enum message_sender sender, struct agent_numbers *numbers,
                    struct buf *out)
{
    ensure(may_send(sender, message->kind));
    size_t start = out->len;
    buf_add_byte(out, (unsigned char)message->kind);
    encode_fields(message, sender, numbers, out);
    ensure(out->len - start <= MESSAGE_BYTES_MAX);
}

bool message_decode(struct bytes frame, enum message_sender sender, struct agent_numbers *numbers,
                    struct message *message, struct error *err)
{
    const char *peer = sender == MESSAGE_BY_RELAY ? "relay" : "client";
    message_clear(message);
    struct reader reader = reader_of(frame);
    message->kind = (enum message_kind)read_byte(&reader);
    if (reader.failed || !may_send(sender, message->kind))
        return error_set(err, ERR_FORMAT, 0, "the %s sent a message of kind %d, which is not its to send", peer,
                         (int)message->kind);
    if (frame.len > (message->kind == MESSAGE_HELLO ? MESSAGE_HELLO_BYTES_MAX : MESSAGE_BYTES_MAX))
        return error_set(err, ERR_LIMIT, 0, "the %s sent a message of %zu bytes, more than is allowed", peer,
                         frame.len);
    size_t known_agents = numbers->count;
    decode_fields(&reader, sender, numbers, message);
    if (reader_done(&reader))
        return true;
    numbers->count = known_agents;
    int kind = (int)message->kind;
    message_clear(message);
    return error_set(err, ERR_FORMAT, 0, "the %s sent a message of kind %d that cannot be read", peer, kind);
}

bool message_no_protocol(const char *relay, unsigned theirs, struct error *err)
{
    return error_set(err, ERR_NEWER, (int)theirs, "%s speaks weft.%u, this is weft.%d: update %s", relay, theirs,
                     MESSAGE_PROTOCOL_HIGH, theirs > MESSAGE_PROTOCOL_HIGH ? "weft" : "the relay");
}

/* --- proofs --- */

static void hash_handshake(struct hasher *hasher, const char *label, const struct handshake *handshake)
{
    hasher_init(hasher, label);
    hasher_add_sized(hasher, bytes_of_string(MESSAGE_SUBPROTOCOL));
    hasher_add_u64(hasher, handshake->client_low);
    hasher_add_u64(hasher, handshake->client_high);
    hasher_add_u64(hasher, handshake->relay_low);
    hasher_add_u64(hasher, handshake->relay_high);
    hasher_add(hasher, handshake->doc.bytes, sizeof handshake->doc.bytes);
    hasher_add(hasher, handshake->client_nonce, sizeof handshake->client_nonce);
    hasher_add(hasher, handshake->relay_nonce, sizeof handshake->relay_nonce);
    hasher_add(hasher, handshake->relay_key.bytes, sizeof handshake->relay_key.bytes);
    hasher_add(hasher, handshake->certificate.bytes, sizeof handshake->certificate.bytes);
}

void challenge_digest(const struct handshake *handshake, struct digest *out)
{
    struct hasher hasher;
    hash_handshake(&hasher, "weft-relay-1", handshake);
    hasher_digest(&hasher, out);
}

void hello_digest(const struct handshake *handshake, const struct sign_public *device_key, bool creates,
                  struct digest *out)
{
    struct hasher hasher;
    hash_handshake(&hasher, "weft-auth-1", handshake);
    hasher_add(&hasher, device_key->bytes, sizeof device_key->bytes);
    hasher_add_u64(&hasher, creates);
    hasher_digest(&hasher, out);
}

void moved_digest(const struct doc_id *doc, uint64_t moved_s, struct bytes place, struct digest *out)
{
    struct hasher hasher;
    hasher_init(&hasher, "weft-moved-1");
    hasher_add(&hasher, doc->bytes, sizeof doc->bytes);
    hasher_add_u64(&hasher, moved_s);
    hasher_add_sized(&hasher, place);
    hasher_digest(&hasher, out);
}

void delete_digest(const struct handshake *handshake, struct digest *out)
{
    struct hasher hasher;
    hash_handshake(&hasher, "weft-delete-1", handshake);
    hasher_digest(&hasher, out);
}
