#include "tests/support/session_room.h"

#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

const struct session_relay ROOM_RELAY = {.name = "relay.example"};

/* --- the session's port --- */

static bool on_send(void *self, struct bytes frame)
{
    struct room *room = self;
    if (room->refuse_sends)
        return false;
    ensure(room->out_count < ROOM_OUT_MAX);
    buf_add_bytes(&room->out[room->out_count++], frame);
    return true;
}

static void on_drop(void *self, const struct error *why)
{
    struct room *room = self;
    room->dropped++;
    room->why = *why;
}

static void on_persist(void *self, const struct outbox_record *record)
{
    struct room *room = self;
    ensure(room->ticket_count < ROOM_EVENTS_MAX);
    buf_add_bytes(&room->persisted[room->ticket_count], record->stored);
    room->tickets[room->ticket_count++] = record->ticket;
}

static void on_acked(void *self, const struct agent_id *agent, uint64_t next_seq, const struct resume_point *resume)
{
    ((struct room *)self)->resume = *resume;
    (void)agent;
    ((struct room *)self)->acked = next_seq;
}

static void on_received(void *self, struct received *received)
{
    struct room *room = self;
    room->received++;
    room->resume = received->resume;
    struct batch_cursor cursor = batch_cursor_of(&received->run);
    while (batch_cursor_next(&cursor))
        buf_add_bytes(&room->text, buf_view(&cursor.batch->text));
    batch_cursor_release(&cursor);
}

static void on_member(void *self, const struct member *member, struct bytes stored, const struct resume_point *resume)
{
    (void)member, (void)stored, (void)resume;
    ((struct room *)self)->members++;
}

static void on_genesis(void *self, const struct genesis *genesis, struct bytes stored)
{
    (void)genesis, (void)stored;
    ((struct room *)self)->genesis_count++;
}

static void on_base(void *self, uint64_t done, uint64_t total, struct bytes text)
{
    if (done == total)
        buf_add_bytes(&((struct room *)self)->base_text, text);
}

static void on_checkpoint(void *self, const struct checkpoint *checkpoint, const struct agent_id *by, const struct rope *text)
{
    struct room *room = self;
    room->checkpoints++;
    room->checkpoint = *checkpoint;
    room->checkpoint_by = *by;
    buf_clear(&room->checkpoint_text);
    rope_append_to(text, 0, rope_len(text), &room->checkpoint_text);
}

static void on_fetch(void *self, const struct agent_id *agent, uint64_t from_seq, bool packs)
{
    struct room *room = self;
    room->fetches++;
    room->fetch_agent = *agent;
    room->fetch_from = from_seq;
    room->fetch_packs = packs;
}

static void on_peer(void *self, const struct session_peer *peer)
{
    struct room *room = self;
    room->peers++;
    room->peer = *peer;
}

static void on_alarm(void *self, enum session_alarm alarm, const struct agent_id *agent, const struct error *why)
{
    struct room *room = self;
    room->alarms++;
    room->alarm = alarm;
    room->alarm_agent = *agent;
    room->why = *why;
}

static void on_moved(void *self, uint64_t moved_s, struct bytes place)
{
    struct room *room = self;
    room->moved_s = moved_s;
    snprintf(room->moved, sizeof room->moved, "%.*s", (int)place.len, (const char *)place.data);
}

static struct session_port port_of(struct room *room)
{
    return (struct session_port){room,       on_send, on_drop,  on_persist, on_acked, on_received, on_member,
                                 on_genesis, on_base, on_checkpoint, on_fetch, on_peer, on_alarm, on_moved};
}

/* --- the room --- */

void room_make_genesis(struct room *room, const char *base)
{
    struct genesis genesis;
    room->base = rope_from_bytes(bytes_of_string(base));
    genesis_make(&room->keys, room->base, &genesis);
    genesis_seal(&genesis, &room->keys, &room->genesis);
}

static struct session *start_session(struct room *room)
{
    struct error err = {0};
    struct session_port port = port_of(room);
    struct session *session = session_new(&room->config, &port, room->now_ms, &err);
    if (!session)
        fail_msg("%s", err.text);
    return session;
}

int room_set_up(void **state)
{
    struct room *room = xcalloc(1, sizeof *room);
    struct error err = {0};
    unsigned char seed[CRYPTO_SEED_BYTES] = {9}, relay_seed[CRYPTO_SEED_BYTES] = {3};
    unsigned char admin_seed[KEY_SEED_BYTES] = {1};

    if (!crypto_start(&err))
        return -1;
    doc_keys_from_admin(&room->keys, admin_seed);
    device_from_seed(&room->device, seed);
    sign_key_from_seed(&room->relay_key, relay_seed);
    room_make_genesis(room, "base");
    room->self = (struct agent_id){{0x5e}};
    room->chain = chain_new(&room->keys.doc);
    room->now_ms = 1000000;
    room->auto_persist = true;
    room->config = (struct session_config){
        .keys = &room->keys,
        .device = &room->device,
        .self = room->self,
        .name = "ana",
        .chain = room->chain,
        .genesis = buf_view(&room->genesis),
        .has_base = true,
        .seed = 1,
    };
    room->session = start_session(room);
    *state = room;
    return 0;
}

void room_forget_out(struct room *room)
{
    for (size_t i = 0; i < room->out_count; i++)
        buf_release(&room->out[i]);
    room->out_count = room->out_read = 0;
}

int room_tear_down(void **state)
{
    struct room *room = *state;
    session_free(room->session);
    chain_free(room->chain);
    rope_free(room->base);
    buf_release(&room->genesis);
    buf_release(&room->text);
    buf_release(&room->checkpoint_text);
    buf_release(&room->base_text);
    room_forget_out(room);
    for (size_t i = 0; i < room->ticket_count; i++)
        buf_release(&room->persisted[i]);
    agent_numbers_release(&room->numbers_in);
    agent_numbers_release(&room->numbers_out);
    message_release(&room->heard);
    free(room);
    return 0;
}

void room_restart(struct room *room)
{
    session_free(room->session);
    room->session = start_session(room);
}

/* --- the relay's side --- */

void room_says(struct room *room, const struct message *message)
{
    struct buf frame = {0};
    message_encode(message, MESSAGE_BY_RELAY, &room->numbers_out, &frame);
    session_receive(room->session, buf_view(&frame), room->now_ms);
    buf_release(&frame);
}

const struct message *room_hears(struct room *room)
{
    struct error err = {0};
    if (room->out_read == room->out_count)
        return NULL;
    message_release(&room->heard);
    room->heard = (struct message){0};
    struct bytes frame = buf_view(&room->out[room->out_read++]);
    if (!message_decode(frame, MESSAGE_BY_CLIENT, &room->numbers_in, &room->heard, &err))
        fail_msg("%s", err.text);
    return &room->heard;
}

const struct message *room_expect_kind(struct room *room, enum message_kind kind)
{
    const struct message *message;
    while ((message = room_hears(room)))
        if (message->kind == kind)
            return message;
    fail_msg("the session did not send message %d", kind);
    return NULL;
}

bool room_hears_none_of(struct room *room, enum message_kind kind)
{
    const struct message *message;
    while ((message = room_hears(room)))
        if (message->kind == kind)
            return false;
    return true;
}

struct handshake room_hear_knock(struct room *room)
{
    const struct message *knock = room_expect_kind(room, MESSAGE_KNOCK);
    struct handshake handshake = {.client_low = knock->knock.low,
                                  .client_high = knock->knock.high,
                                  .relay_low = 1,
                                  .relay_high = 1,
                                  .doc = knock->knock.doc,
                                  .relay_key = room->relay_key.public_key};
    memcpy(handshake.client_nonce, knock->knock.nonce, sizeof handshake.client_nonce);
    memset(handshake.relay_nonce, 7, sizeof handshake.relay_nonce);
    return handshake;
}

struct message room_make_challenge(const struct handshake *named, const struct handshake *proved,
                                   const struct sign_key *key)
{
    struct message message = {.kind = MESSAGE_CHALLENGE};
    struct digest digest;
    message.challenge.low = named->relay_low;
    message.challenge.high = named->relay_high;
    message.challenge.relay_key = named->relay_key;
    message.challenge.certificate = named->certificate;
    memcpy(message.challenge.nonce, named->relay_nonce, sizeof message.challenge.nonce);
    challenge_digest(proved, &digest);
    crypto_sign_digest(key, &digest, &message.challenge.proof);
    return message;
}

void room_say_challenge(struct room *room)
{
    struct handshake handshake = room_hear_knock(room);
    struct message message = room_make_challenge(&handshake, &handshake, &room->relay_key);
    room_says(room, &message);
}

void room_say_welcome(struct room *room, struct room_welcome welcome)
{
    struct message message = {.kind = MESSAGE_WELCOME};
    message.welcome.protocol = 1;
    message.welcome.log.bytes[0] = 0x10;
    message.welcome.head = welcome.head ? welcome.head : 2; /* GENESIS and BASE */
    message.welcome.peers = welcome.peers ? welcome.peers : 1;
    message.welcome.vector = welcome.vector;
    message.welcome.vector_count = welcome.count;
    room_says(room, &message);
}

void room_say_caught_up(struct room *room)
{
    room_says(room, &(struct message){.kind = MESSAGE_CAUGHT_UP, .caught_up = {1}});
}

void room_connect(struct room *room, struct room_welcome welcome)
{
    room_forget_out(room);
    agent_numbers_clear(&room->numbers_in);
    agent_numbers_clear(&room->numbers_out);
    session_connected(room->session, &ROOM_RELAY, room->now_ms);
    room_say_challenge(room);
    room_say_welcome(room, welcome);
}

void room_cut(struct room *room)
{
    session_disconnected(room->session, room->now_ms);
}

void room_say_record(struct room *room, uint64_t place, struct bytes stored)
{
    struct place_record item = {place, stored};
    room_says(room, &(struct message){.kind = MESSAGE_RECORDS, .records = {&item, 1}});
}

void room_say_records(struct room *room, uint64_t place, const struct buf *stored, size_t count)
{
    struct place_record items[64];
    ensure(count <= 64);
    for (size_t i = 0; i < count; i++)
        items[i] = (struct place_record){place + i, buf_view(&stored[i])};
    room_says(room, &(struct message){.kind = MESSAGE_RECORDS, .records = {items, count}});
}

void room_say_ack(struct room *room, uint64_t ordinal)
{
    room_says(room, &(struct message){.kind = MESSAGE_ACK, .ack = {.ordinal = ordinal}});
}

void room_say_ack_at(struct room *room, uint64_t ordinal, uint64_t place)
{
    room_says(room, &(struct message){.kind = MESSAGE_ACK, .ack = {ordinal, place}});
}

void room_say_peers(struct room *room, unsigned count)
{
    room_says(room, &(struct message){.kind = MESSAGE_PEERS, .peers = {count}});
}

unsigned room_hear_presence_flags(struct room *room)
{
    struct presence presence = {0};
    struct error err = {0};
    assert_true(presence_open(room_expect_kind(room, MESSAGE_PRESENCE)->presence.sealed, &room->keys, &presence, &err));
    return presence.flags;
}

/* --- the person in front of the session --- */

void room_persist_all(struct room *room)
{
    while (room->ticket_read < room->ticket_count)
        session_persisted(room->session, room->tickets[room->ticket_read++], room->now_ms);
}

void room_type_after(struct room *room, const struct event_id *after, const char *text)
{
    struct batch batch = {.agent = room->self, .seq0 = room->seq, .flags = BATCH_FLAG_GESTURE};
    struct buf plain = {0};
    struct local_batch local = {.agent = room->self, .seq0 = room->seq, .gesture = true};

    if (room->seq > 0)
        batch.flags |= BATCH_FLAG_SELF;
    if (after)
        batch_add_parent(&batch, *after);
    batch_add_insert(&batch, 0, bytes_of_string(text));
    batch_encode(&batch, &plain);
    ensure(chain_add(room->chain, &batch, buf_view(&plain), &local.digest) == CHAIN_NEXT);
    local.count = batch.count;
    local.plain = buf_view(&plain);
    room->seq += batch.count;
    session_local(room->session, &local, room->now_ms);
    if (room->auto_persist)
        room_persist_all(room);
    batch_release(&batch);
    buf_release(&plain);
}

void room_type(struct room *room, const char *text)
{
    room_type_after(room, NULL, text);
}

void room_pass_time(struct room *room, uint64_t ms)
{
    room->now_ms += ms;
    session_tick(room->session, room->now_ms);
    if (room->auto_persist)
        room_persist_all(room);
}

struct session_status room_status(struct room *room)
{
    struct session_status status;
    session_status(room->session, room->now_ms, &status);
    return status;
}

/* --- the other author --- */

void author_init(struct author *author, const struct room *room, unsigned char name)
{
    unsigned char seed[CRYPTO_SEED_BYTES] = {name};
    *author = (struct author){.agent = {{name}}, .chain = chain_new(&room->keys.doc)};
    device_from_seed(&author->device, seed);
    device_doc_key(&author->device, &room->keys.doc, &author->doc_key);
}

void author_release(struct author *author)
{
    chain_free(author->chain);
}

void author_member(struct author *author, const struct room *room, struct buf *stored)
{
    struct member member = {.agent = author->agent, .has_grant = !author->reader, .name = "ben"};
    if (member.has_grant)
        grant_make(&room->keys, &author->doc_key.public_key, 0, 0, &member.grant);
    member_seal(&member, &room->keys, &author->device, 0, stored);
}

void author_record(struct author *author, const struct room *room, const struct event_id *after,
                   const char *text, struct buf *stored)
{
    struct batch batch = {.agent = author->agent, .seq0 = author->seq, .flags = author->flags};
    struct buf plain = {0}, canonical = {0};
    struct digest digest;

    if (author->seq > 0)
        batch.flags |= BATCH_FLAG_SELF;
    if (after)
        batch_add_parent(&batch, *after);
    batch_add_insert(&batch, 0, bytes_of_string(text));
    batch_encode(&batch, &canonical);
    ensure(chain_add(author->chain, &batch, buf_view(&canonical), &digest) == CHAIN_NEXT);
    record_plain_add(&plain, buf_view(&canonical));
    struct record_spec spec = {
        .kind = RECORD_EVENTS,
        .agent = author->agent,
        .sealer = author->agent,
        .counter = ++author->counter,
        .seq0 = author->seq,
        .count = batch.count,
        .plain = buf_view(&plain),
        .last = &digest,
        .keys = &room->keys,
        .signer = &author->doc_key,
    };
    record_seal(&spec, stored);
    author->seq += batch.count;
    batch_release(&batch);
    buf_release(&plain);
    buf_release(&canonical);
}

void author_reads(struct author *author, const struct room *room, const struct buf *stored)
{
    struct record record;
    struct error err = {0};
    struct buf plain = {0};
    struct batch_run run;
    struct digest digest;

    ensure(record_decode(buf_view(stored), &record, &err));
    ensure(record_open_events(&record, &room->keys, &plain, &run, &err));
    struct batch_cursor cursor = batch_cursor_of(&run);
    while (batch_cursor_next(&cursor))
        ensure(chain_add(author->chain, cursor.batch, cursor.plain, &digest) == CHAIN_NEXT);
    batch_cursor_release(&cursor);
    buf_release(&plain);
}

void room_join(struct room *room, struct author *author, unsigned char name)
{
    struct buf member = {0};
    author_init(author, room, name);
    author_member(author, room, &member);
    room_say_record(room, 2, buf_view(&member));
    buf_release(&member);
}

void room_expect_text(struct room *room, const char *text)
{
    assert_string_equal(buf_string(&room->text), text);
}
