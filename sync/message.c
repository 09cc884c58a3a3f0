#include "sync/message.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

enum {
    RECORD_FLAG_SEALER = 1, /* sync/record.h: a second agent follows the first */
    LOG_ID_BYTES = 16,      /* of a log's digest, in a frame */
    VECTOR_ENTRY_BYTES_MIN = AGENT_ID_BYTES + 1,
    RECORD_HEAD_BYTES = 3,  /* format, kind, flags */
    RECORD_FRAMED_BYTES_MIN = RECORD_BYTES_MIN - AGENT_ID_BYTES + 1, /* a number instead of an id */
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
    struct bytes head = read_bytes(&reader, RECORD_HEAD_BYTES);
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
    struct bytes head = read_bytes(&record, RECORD_HEAD_BYTES);
    if (reader->failed || framed.len < RECORD_FRAMED_BYTES_MIN || head.data[0] != RECORD_FORMAT) {
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

/* --- a pair of functions for each kind --- */

/* A frame as it is written, and as it is read: whose it is, and how agents are numbered on this connection. */
struct frame_out {
    struct buf *bytes;
    enum message_sender sender;
    struct agent_numbers *numbers;
};

struct frame_in {
    struct reader reader;
    enum message_sender sender;
    struct agent_numbers *numbers;
};

static void encode_knock(const struct message *message, struct frame_out *frame)
{
    buf_add_varint(frame->bytes, message->knock.low);
    buf_add_varint(frame->bytes, message->knock.high);
    buf_add(frame->bytes, message->knock.doc.bytes, sizeof message->knock.doc.bytes);
    buf_add(frame->bytes, message->knock.nonce, sizeof message->knock.nonce);
}

static void decode_knock(struct frame_in *frame, struct message *message)
{
    message->knock.low = decode_small(&frame->reader);
    message->knock.high = decode_small(&frame->reader);
    read_into(&frame->reader, message->knock.doc.bytes, sizeof message->knock.doc.bytes);
    read_into(&frame->reader, message->knock.nonce, sizeof message->knock.nonce);
}

static void encode_challenge(const struct message *message, struct frame_out *frame)
{
    buf_add_varint(frame->bytes, message->challenge.low);
    buf_add_varint(frame->bytes, message->challenge.high);
    buf_add(frame->bytes, message->challenge.relay_key.bytes, sizeof message->challenge.relay_key.bytes);
    buf_add(frame->bytes, message->challenge.nonce, sizeof message->challenge.nonce);
    buf_add(frame->bytes, message->challenge.certificate.bytes, sizeof message->challenge.certificate.bytes);
    buf_add(frame->bytes, message->challenge.proof.bytes, sizeof message->challenge.proof.bytes);
}

static void decode_challenge(struct frame_in *frame, struct message *message)
{
    message->challenge.low = decode_small(&frame->reader);
    message->challenge.high = decode_small(&frame->reader);
    read_into(&frame->reader, message->challenge.relay_key.bytes, sizeof message->challenge.relay_key.bytes);
    read_into(&frame->reader, message->challenge.nonce, sizeof message->challenge.nonce);
    read_into(&frame->reader, message->challenge.certificate.bytes, sizeof message->challenge.certificate.bytes);
    read_into(&frame->reader, message->challenge.proof.bytes, sizeof message->challenge.proof.bytes);
}

static void encode_hello(const struct message *message, struct frame_out *frame)
{
    size_t start = frame->bytes->len;
    buf_add(frame->bytes, message->hello.device_key.bytes, sizeof message->hello.device_key.bytes);
    buf_add(frame->bytes, message->hello.device_proof.bytes, sizeof message->hello.device_proof.bytes);
    buf_add(frame->bytes, message->hello.read_proof.bytes, sizeof message->hello.read_proof.bytes);
    buf_add_sized(frame->bytes, message->hello.genesis);
    buf_add_sized(frame->bytes, message->hello.token);
    ensure(message->hello.token.len <= MESSAGE_TOKEN_BYTES_MAX && frame->bytes->len - start < MESSAGE_HELLO_BYTES_MAX);
}

static void decode_hello(struct frame_in *frame, struct message *message)
{
    read_into(&frame->reader, message->hello.device_key.bytes, sizeof message->hello.device_key.bytes);
    read_into(&frame->reader, message->hello.device_proof.bytes, sizeof message->hello.device_proof.bytes);
    read_into(&frame->reader, message->hello.read_proof.bytes, sizeof message->hello.read_proof.bytes);
    message->hello.genesis = read_sized(&frame->reader, MESSAGE_HELLO_BYTES_MAX);
    message->hello.token = read_sized(&frame->reader, MESSAGE_TOKEN_BYTES_MAX);
}

const struct digest RESUME_CHECKS_GRANTS = {{1}};

static void encode_resume(const struct message *message, struct frame_out *frame)
{
    encode_log(&message->resume.log, frame->bytes);
    buf_add_varint(frame->bytes, message->resume.place);
    buf_add(frame->bytes, message->resume.hash.bytes, sizeof message->resume.hash.bytes);
    encode_vector(message->resume.vector, message->resume.vector_count, frame->bytes);
}

static void decode_resume(struct frame_in *frame, struct message *message)
{
    decode_log(&frame->reader, &message->resume.log);
    message->resume.place = read_varint(&frame->reader);
    read_into(&frame->reader, message->resume.hash.bytes, sizeof message->resume.hash.bytes);
    message->resume.vector_count = decode_vector(&frame->reader, message);
    message->resume.vector = message->vector_items;
}

static void encode_welcome(const struct message *message, struct frame_out *frame)
{
    buf_add_varint(frame->bytes, message->welcome.protocol);
    encode_log(&message->welcome.log, frame->bytes);
    buf_add_varint(frame->bytes, message->welcome.head);
    buf_add_varint(frame->bytes, message->welcome.peers);
    encode_vector(message->welcome.vector, message->welcome.vector_count, frame->bytes);
}

static void decode_welcome(struct frame_in *frame, struct message *message)
{
    message->welcome.protocol = decode_small(&frame->reader);
    decode_log(&frame->reader, &message->welcome.log);
    message->welcome.head = read_varint(&frame->reader);
    message->welcome.peers = (unsigned)read_varint_max(&frame->reader, UINT32_MAX);
    message->welcome.vector_count = decode_vector(&frame->reader, message);
    message->welcome.vector = message->vector_items;
}

static void encode_refuse(const struct message *message, struct frame_out *frame)
{
    buf_add_varint(frame->bytes, message->refuse.code);
    buf_add_varint(frame->bytes, message->refuse.retry_ms);
    encode_text(message->refuse.text, frame->bytes);
}

static void decode_refuse(struct frame_in *frame, struct message *message)
{
    message->refuse.code = decode_small(&frame->reader);
    message->refuse.retry_ms = read_varint(&frame->reader);
    message->refuse.text = read_sized(&frame->reader, MESSAGE_TEXT_BYTES_MAX);
}

static void encode_reject(const struct message *message, struct frame_out *frame)
{
    buf_add_varint(frame->bytes, message->reject.ordinal);
    buf_add_varint(frame->bytes, message->reject.code);
    encode_text(message->reject.text, frame->bytes);
}

static void decode_reject(struct frame_in *frame, struct message *message)
{
    message->reject.ordinal = read_varint(&frame->reader);
    message->reject.code = decode_small(&frame->reader);
    message->reject.text = read_sized(&frame->reader, MESSAGE_TEXT_BYTES_MAX);
}

static void encode_records(const struct message *message, struct frame_out *frame)
{
    ensure(message->records.count > 0 && message->records.count <= MESSAGE_RECORDS_MAX);
    buf_add_varint(frame->bytes, message->records.count);
    for (size_t i = 0; i < message->records.count; i++) {
        if (frame->sender == MESSAGE_BY_RELAY)
            buf_add_varint(frame->bytes, message->records.items[i].place);
        encode_record(message->records.items[i].stored, frame->numbers, frame->bytes);
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

static void decode_records(struct frame_in *frame, struct message *message)
{
    struct reader *reader = &frame->reader;
    size_t count = (size_t)read_varint_max(reader, MESSAGE_RECORDS_MAX);
    if (count == 0 || count > reader_left(reader) / RECORD_FRAMED_BYTES_MIN)
        reader_fail(reader);
    if (reader->failed)
        return;
    message->record_items = xcalloc(count, sizeof *message->record_items);
    for (size_t i = 0; i < count && !reader->failed; i++) {
        struct place_record *item = &message->record_items[i];
        item->place = frame->sender == MESSAGE_BY_RELAY ? read_varint(reader) : 0;
        item->stored.len = decode_record(reader, frame->numbers, &message->restored);
    }
    if (!reader->failed)
        point_records(message, count);
}

static void encode_reoffer(const struct message *message, struct frame_out *frame)
{
    encode_record(message->reoffer.stored, frame->numbers, frame->bytes);
    buf_add(frame->bytes, message->reoffer.last.bytes, sizeof message->reoffer.last.bytes);
}

static void decode_reoffer(struct frame_in *frame, struct message *message)
{
    decode_record(&frame->reader, frame->numbers, &message->restored);
    message->reoffer.stored = buf_view(&message->restored);
    read_into(&frame->reader, message->reoffer.last.bytes, sizeof message->reoffer.last.bytes);
}

static void encode_caught_up(const struct message *message, struct frame_out *frame)
{
    buf_add_varint(frame->bytes, message->caught_up.head);
}

static void decode_caught_up(struct frame_in *frame, struct message *message)
{
    message->caught_up.head = read_varint(&frame->reader);
}

static void encode_ack(const struct message *message, struct frame_out *frame)
{
    buf_add_varint(frame->bytes, message->ack.ordinal);
    buf_add_varint(frame->bytes, message->ack.place);
}

static void decode_ack(struct frame_in *frame, struct message *message)
{
    message->ack.ordinal = read_varint(&frame->reader);
    message->ack.place = read_varint(&frame->reader);
}

static void encode_presence(const struct message *message, struct frame_out *frame)
{
    ensure(message->presence.sealed.len <= PRESENCE_BYTES_MAX);
    buf_add_sized(frame->bytes, message->presence.sealed);
}

static void decode_presence(struct frame_in *frame, struct message *message)
{
    message->presence.sealed = read_sized(&frame->reader, PRESENCE_BYTES_MAX);
}

static void encode_peers(const struct message *message, struct frame_out *frame)
{
    buf_add_varint(frame->bytes, message->peers.count);
}

static void decode_peers(struct frame_in *frame, struct message *message)
{
    message->peers.count = (unsigned)read_varint_max(&frame->reader, UINT32_MAX);
}

/* A PONG too. */
static void encode_ping(const struct message *message, struct frame_out *frame)
{
    buf_add_varint(frame->bytes, message->ping.nonce);
}

static void decode_ping(struct frame_in *frame, struct message *message)
{
    message->ping.nonce = read_varint(&frame->reader);
}

static void encode_moved(const struct message *message, struct frame_out *frame)
{
    buf_add_varint(frame->bytes, message->moved.moved_s);
    encode_text(message->moved.place, frame->bytes);
    buf_add(frame->bytes, message->moved.proof.bytes, sizeof message->moved.proof.bytes);
}

static void decode_moved(struct frame_in *frame, struct message *message)
{
    message->moved.moved_s = read_varint(&frame->reader);
    message->moved.place = read_sized(&frame->reader, MESSAGE_TEXT_BYTES_MAX);
    read_into(&frame->reader, message->moved.proof.bytes, sizeof message->moved.proof.bytes);
}

static void encode_delete(const struct message *message, struct frame_out *frame)
{
    buf_add(frame->bytes, message->delete_request.proof.bytes, sizeof message->delete_request.proof.bytes);
}

static void decode_delete(struct frame_in *frame, struct message *message)
{
    read_into(&frame->reader, message->delete_request.proof.bytes, sizeof message->delete_request.proof.bytes);
}

/* --- all kinds --- */

enum { BY_CLIENT = 1, BY_RELAY = 2, BY_BOTH = BY_CLIENT | BY_RELAY };

static const struct kind {
    int senders;
    void (*encode)(const struct message *message, struct frame_out *frame);
    void (*decode)(struct frame_in *frame, struct message *message);
} kinds[] = {
    [MESSAGE_KNOCK] = {BY_CLIENT, encode_knock, decode_knock},
    [MESSAGE_CHALLENGE] = {BY_RELAY, encode_challenge, decode_challenge},
    [MESSAGE_HELLO] = {BY_CLIENT, encode_hello, decode_hello},
    [MESSAGE_RESUME] = {BY_CLIENT, encode_resume, decode_resume},
    [MESSAGE_WELCOME] = {BY_RELAY, encode_welcome, decode_welcome},
    [MESSAGE_REFUSE] = {BY_RELAY, encode_refuse, decode_refuse},
    [MESSAGE_RECORDS] = {BY_BOTH, encode_records, decode_records},
    [MESSAGE_CAUGHT_UP] = {BY_RELAY, encode_caught_up, decode_caught_up},
    [MESSAGE_ACK] = {BY_RELAY, encode_ack, decode_ack},
    [MESSAGE_REJECT] = {BY_RELAY, encode_reject, decode_reject},
    [MESSAGE_REOFFER] = {BY_CLIENT, encode_reoffer, decode_reoffer},
    [MESSAGE_PRESENCE] = {BY_BOTH, encode_presence, decode_presence},
    [MESSAGE_PEERS] = {BY_RELAY, encode_peers, decode_peers},
    [MESSAGE_PING] = {BY_BOTH, encode_ping, decode_ping},
    [MESSAGE_PONG] = {BY_BOTH, encode_ping, decode_ping},
    [MESSAGE_MOVED] = {BY_BOTH, encode_moved, decode_moved},
    [MESSAGE_DELETE] = {BY_CLIENT, encode_delete, decode_delete},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static bool may_send(enum message_sender sender, enum message_kind kind)
{
    int by = sender == MESSAGE_BY_CLIENT ? BY_CLIENT : BY_RELAY;
    return (size_t)kind < KINDS && (kinds[kind].senders & by) != 0;
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
    kinds[message->kind].encode(message, &(struct frame_out){out, sender, numbers});
    ensure(out->len - start <= MESSAGE_BYTES_MAX);
}

bool message_decode(struct bytes frame, enum message_sender sender, struct agent_numbers *numbers,
                    struct message *message, struct error *err)
{
    const char *peer = sender == MESSAGE_BY_RELAY ? "relay" : "client";
    message_clear(message);
    struct frame_in in = {reader_of(frame), sender, numbers};
    message->kind = (enum message_kind)read_byte(&in.reader);
    if (in.reader.failed || !may_send(sender, message->kind))
        return error_set(err, ERR_FORMAT, 0, "the %s sent a message of kind %d, which is not its to send", peer,
                         (int)message->kind);
    if (frame.len > (message->kind == MESSAGE_HELLO ? MESSAGE_HELLO_BYTES_MAX : MESSAGE_BYTES_MAX))
        return error_set(err, ERR_LIMIT, 0, "the %s sent a message of %zu bytes, more than is allowed", peer,
                         frame.len);
    size_t known_agents = numbers->count;
    kinds[message->kind].decode(&in, message);
    if (reader_done(&in.reader))
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
