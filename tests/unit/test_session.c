/* The client's half of weft.1 against a relay played by the test, frame by frame. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/session.h"

enum { OUT_MAX = 256, EVENTS_MAX = 4096 };

/* Somebody else who writes: his own chain, keys and counter. */
struct author {
    struct agent_id agent;
    struct device device;
    struct sign_key doc_key;
    struct chain *chain;
    uint64_t seq, counter;
    bool reader;
};

/* Whom the sessions here talk to: an authority vouches for its certificate, or there is none. */
static const struct session_relay PLAIN = {.name = "relay.example"};

struct room {
    struct doc_keys keys;
    struct device device;
    struct rope *base;
    struct buf genesis;
    struct sign_key relay_key;
    struct agent_id self;
    struct chain *chain;
    struct session *session;
    struct session_config config;
    uint64_t now_ms, seq;
    uint64_t ordinal; /* of the newest upload that was acknowledged */

    /* what the session sent, and the relay's side of the wire */
    struct buf out[OUT_MAX];
    size_t out_count, out_read;
    struct agent_numbers numbers_in, numbers_out;
    struct message heard;
    bool refuse_sends;

    /* what it handed out */
    uint64_t tickets[EVENTS_MAX];
    struct buf persisted[EVENTS_MAX];
    size_t ticket_count, ticket_read;
    bool auto_persist;
    struct buf text; /* inserted text of received batches, in order */
    struct resume_point resume;
    struct buf base_text;
    uint64_t moved_s;
    char moved[64];
    unsigned received, members, genesis_count, dropped, fetches, alarms, peers;
    enum session_alarm alarm;
    struct agent_id alarm_agent, fetch_agent;
    uint64_t fetch_from, acked;
    struct session_peer peer;
    struct error why;
};

/* --- the session's port --- */

static bool on_send(void *self, struct bytes frame)
{
    struct room *room = self;
    if (room->refuse_sends)
        return false;
    ensure(room->out_count < OUT_MAX);
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
    ensure(room->ticket_count < EVENTS_MAX);
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
    for (size_t i = 0; i < received->batches.count; i++)
        buf_add_bytes(&room->text, buf_view(&received->batches.items[i].text));
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

static void on_fetch(void *self, const struct agent_id *agent, uint64_t from_seq)
{
    struct room *room = self;
    room->fetches++;
    room->fetch_agent = *agent;
    room->fetch_from = from_seq;
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
                                 on_genesis, on_base, on_fetch, on_peer,    on_alarm, on_moved};
}

/* --- the room --- */

static void make_genesis(struct room *room, const char *base)
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

static int set_up(void **state)
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
    make_genesis(room, "base");
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

static void forget_out(struct room *room)
{
    for (size_t i = 0; i < room->out_count; i++)
        buf_release(&room->out[i]);
    room->out_count = room->out_read = 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;
    session_free(room->session);
    chain_free(room->chain);
    rope_free(room->base);
    buf_release(&room->genesis);
    buf_release(&room->text);
    buf_release(&room->base_text);
    forget_out(room);
    for (size_t i = 0; i < room->ticket_count; i++)
        buf_release(&room->persisted[i]);
    agent_numbers_release(&room->numbers_in);
    agent_numbers_release(&room->numbers_out);
    message_release(&room->heard);
    free(room);
    return 0;
}

/* A new session in place of the old, with the room's config as it is now. */
static void restart(struct room *room)
{
    session_free(room->session);
    room->session = start_session(room);
}

/* --- the relay's side --- */

static void relay_says(struct room *room, const struct message *message)
{
    struct buf frame = {0};
    message_encode(message, MESSAGE_BY_RELAY, &room->numbers_out, &frame);
    session_receive(room->session, buf_view(&frame), room->now_ms);
    buf_release(&frame);
}

/* The next frame of the session, decoded; NULL: there is none. */
static const struct message *relay_hears(struct room *room)
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

static const struct message *expect_kind(struct room *room, enum message_kind kind)
{
    const struct message *message;
    while ((message = relay_hears(room)))
        if (message->kind == kind)
            return message;
    fail_msg("the session did not send message %d", kind);
    return NULL;
}

static bool hears_none_of(struct room *room, enum message_kind kind)
{
    const struct message *message;
    while ((message = relay_hears(room)))
        if (message->kind == kind)
            return false;
    return true;
}

/* The handshake as the relay knows it after the session's KNOCK, which is taken. */
static struct handshake hear_knock(struct room *room)
{
    const struct message *knock = expect_kind(room, MESSAGE_KNOCK);
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

/* A CHALLENGE that names what `named` has, proved over `proved` with `key`. */
static struct message make_challenge(const struct handshake *named, const struct handshake *proved,
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

static void say_challenge(struct room *room)
{
    struct handshake handshake = hear_knock(room);
    struct message message = make_challenge(&handshake, &handshake, &room->relay_key);
    relay_says(room, &message);
}

struct welcome {
    uint64_t head;
    unsigned peers;
    struct vector_entry vector[4];
    size_t count;
};

static void say_welcome(struct room *room, struct welcome welcome)
{
    struct message message = {.kind = MESSAGE_WELCOME};
    message.welcome.protocol = 1;
    message.welcome.log.bytes[0] = 0x10;
    message.welcome.head = welcome.head ? welcome.head : 2; /* GENESIS and BASE */
    message.welcome.peers = welcome.peers ? welcome.peers : 1;
    message.welcome.vector = welcome.vector;
    message.welcome.vector_count = welcome.count;
    relay_says(room, &message);
}

static void say_caught_up(struct room *room)
{
    relay_says(room, &(struct message){.kind = MESSAGE_CAUGHT_UP, .caught_up = {1}});
}

static void connect_to(struct room *room, struct welcome welcome)
{
    forget_out(room);
    agent_numbers_clear(&room->numbers_in);
    agent_numbers_clear(&room->numbers_out);
    session_connected(room->session, &PLAIN, room->now_ms);
    say_challenge(room);
    say_welcome(room, welcome);
}

static void cut(struct room *room)
{
    session_disconnected(room->session, room->now_ms);
}

static void say_record(struct room *room, uint64_t place, struct bytes stored)
{
    struct place_record item = {place, stored};
    relay_says(room, &(struct message){.kind = MESSAGE_RECORDS, .records = {&item, 1}});
}

static void say_records(struct room *room, uint64_t place, const struct buf *stored, size_t count)
{
    struct place_record items[64];
    ensure(count <= 64);
    for (size_t i = 0; i < count; i++)
        items[i] = (struct place_record){place + i, buf_view(&stored[i])};
    relay_says(room, &(struct message){.kind = MESSAGE_RECORDS, .records = {items, count}});
}

static void say_ack(struct room *room, uint64_t ordinal)
{
    relay_says(room, &(struct message){.kind = MESSAGE_ACK, .ack = {.ordinal = ordinal}});
}

/* The record that has this ordinal is at `place`, and nothing in front of it is missing. */
static void say_ack_at(struct room *room, uint64_t ordinal, uint64_t place)
{
    relay_says(room, &(struct message){.kind = MESSAGE_ACK, .ack = {ordinal, place}});
}

static void say_peers(struct room *room, unsigned count)
{
    relay_says(room, &(struct message){.kind = MESSAGE_PEERS, .peers = {count}});
}

/* --- the person in front of the session --- */

static void persist_all(struct room *room)
{
    while (room->ticket_read < room->ticket_count)
        session_persisted(room->session, room->tickets[room->ticket_read++], room->now_ms);
}

/* `after`: somebody else's event that is here, as a parent; or NULL. */
static void type_after(struct room *room, const struct event_id *after, const char *text)
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
        persist_all(room);
    batch_release(&batch);
    buf_release(&plain);
}

static void type(struct room *room, const char *text)
{
    type_after(room, NULL, text);
}

static void pass_time(struct room *room, uint64_t ms)
{
    room->now_ms += ms;
    session_tick(room->session, room->now_ms);
    if (room->auto_persist)
        persist_all(room);
}

static struct session_status status_of(struct room *room)
{
    struct session_status status;
    session_status(room->session, room->now_ms, &status);
    return status;
}

/* --- the other author --- */

static void author_init(struct author *author, const struct room *room, unsigned char name)
{
    unsigned char seed[CRYPTO_SEED_BYTES] = {name};
    *author = (struct author){.agent = {{name}}, .chain = chain_new(&room->keys.doc)};
    device_from_seed(&author->device, seed);
    device_doc_key(&author->device, &room->keys.doc, &author->doc_key);
}

static void author_release(struct author *author)
{
    chain_free(author->chain);
}

static void author_member(struct author *author, const struct room *room, struct buf *stored)
{
    struct member member = {.agent = author->agent, .has_grant = !author->reader, .name = "ben"};
    if (member.has_grant)
        grant_make(&room->keys, &author->doc_key.public_key, 0, 0, &member.grant);
    member_seal(&member, &room->keys, &author->device, 0, stored);
}

/* One record of one batch; `after` (may be NULL) is a foreign parent the author's chain knows. */
static void author_record(struct author *author, const struct room *room, const struct event_id *after,
                          const char *text, struct buf *stored)
{
    struct batch batch = {.agent = author->agent, .seq0 = author->seq};
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

/* The author learns what another author wrote. */
static void author_reads(struct author *author, const struct room *room, const struct buf *stored)
{
    struct record record;
    struct error err = {0};
    struct buf plain = {0};
    struct batch_list batches = {0};
    struct bytes *plains = NULL;
    struct digest digest;

    ensure(record_decode(buf_view(stored), &record, &err));
    ensure(record_open_events(&record, &room->keys, &plain, &batches, &plains, &err));
    for (size_t i = 0; i < batches.count; i++)
        ensure(chain_add(author->chain, &batches.items[i], plains[i], &digest) == CHAIN_NEXT);
    batch_list_release(&batches);
    buf_release(&plain);
    free(plains);
}

/* The author's MEMBER reaches the session. */
static void join(struct room *room, struct author *author, unsigned char name)
{
    struct buf member = {0};
    author_init(author, room, name);
    author_member(author, room, &member);
    say_record(room, 2, buf_view(&member));
    buf_release(&member);
}

static void expect_text(struct room *room, const char *text)
{
    assert_string_equal(buf_string(&room->text), text);
}

/* --- handshake --- */

static void a_challenge_is_answered_by_hello_and_resume(void **state)
{
    struct room *room = *state;
    struct digest digest;
    session_connected(room->session, &PLAIN, room->now_ms);
    struct handshake handshake = hear_knock(room);
    struct message challenge = make_challenge(&handshake, &handshake, &room->relay_key);
    relay_says(room, &challenge);
    const struct message *hello = expect_kind(room, MESSAGE_HELLO);
    hello_digest(&handshake, &hello->hello.device_key, false, &digest);
    assert_true(crypto_verify_digest(&hello->hello.device_key, &digest, &hello->hello.device_proof));
    assert_true(crypto_verify_digest(&room->keys.read_key.public_key, &digest, &hello->hello.read_proof));
    expect_kind(room, MESSAGE_RESUME);
    assert_int_equal(status_of(room).state, SESSION_CONNECTING);
}

static void a_relay_of_another_protocol_is_refused_in_words(void **state)
{
    struct room *room = *state;
    struct message message = {.kind = MESSAGE_CHALLENGE};
    message.challenge.low = message.challenge.high = 2; /* whatever else it would want to say */
    session_connected(room->session, &PLAIN, room->now_ms);
    relay_says(room, &message);
    assert_int_equal(room->dropped, 1);
    assert_int_equal(status_of(room).state, SESSION_REFUSED);
    assert_int_equal(status_of(room).refuse_code, REFUSE_PROTOCOL);
    assert_string_equal(room->why.text, "relay.example speaks weft.2, this is weft.1: update weft");
    assert_int_equal(status_of(room).retry_ms, SESSION_PROTOCOL_RETRY_MS);
}

static void so_is_one_that_says_it_before_there_is_a_connection(void **state)
{
    struct room *room = *state;
    struct error why = {0};
    message_no_protocol("relay.example", 2, &why);
    session_no_protocol(room->session, &why, room->now_ms);
    assert_int_equal(status_of(room).state, SESSION_REFUSED);
    assert_int_equal(status_of(room).refuse_code, REFUSE_PROTOCOL);
    assert_string_equal(status_of(room).why.text, "relay.example speaks weft.2, this is weft.1: update weft");
    assert_int_equal(status_of(room).retry_ms, SESSION_PROTOCOL_RETRY_MS);
    connect_to(room, (struct welcome){.peers = 1}); /* it was updated */
    assert_int_equal(status_of(room).state, SESSION_ONLINE);
}

static void only_the_owners_word_moves_the_document(void **state)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {0xdd};
    struct room *room = *state;
    struct sign_key other;
    struct digest digest;
    sign_key_from_seed(&other, seed);
    connect_to(room, (struct welcome){.peers = 1});
    struct message message = {.kind = MESSAGE_MOVED, .moved = {.moved_s = 77, .place = bytes_of_string("wss://new.example")}};
    moved_digest(&room->keys.doc, 77, message.moved.place, &digest);
    crypto_sign_digest(&other, &digest, &message.moved.proof);
    relay_says(room, &message);
    assert_int_equal(room->moved_s, 0);
    crypto_sign_digest(&room->keys.admin_key, &digest, &message.moved.proof);
    message.moved.place = bytes_of_string("wss://evil.example");
    relay_says(room, &message);
    assert_int_equal(room->moved_s, 0);
    message.moved.place = bytes_of_string("wss://new.example");
    relay_says(room, &message);
    assert_int_equal(room->moved_s, 77);
    assert_string_equal(room->moved, "wss://new.example");
}

/* The session heard this challenge and ended the connection; it said nothing but KNOCK on it. */
static void expect_relay_refused(struct room *room, const char *why)
{
    assert_int_equal(room->dropped, 1);
    assert_null(relay_hears(room));
    assert_int_equal(status_of(room).state, SESSION_REFUSED);
    assert_int_equal(status_of(room).refuse_code, REFUSE_AUTH);
    assert_non_null(strstr(room->why.text, why));
    room->dropped = 0;
}

static void pin_relay(struct room *room)
{
    struct sign_public *key = &room->relay_key.public_key;
    room->config.pinned = true;
    crypto_blake2b_128(bytes_of(key->bytes, sizeof key->bytes), room->config.relay_pin);
    room->config.token = bytes_of_string("secret token");
    restart(room);
}

static void a_relay_with_another_key_than_the_pinned_one_hears_nothing(void **state)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {0xee};
    struct room *room = *state;
    pin_relay(room);
    sign_key_from_seed(&room->relay_key, seed);
    session_connected(room->session, &PLAIN, room->now_ms);
    say_challenge(room);
    expect_relay_refused(room, "not the relay the link names");
}

static void who_names_the_pinned_key_without_holding_it_hears_nothing(void **state)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {0xee};
    struct room *room = *state;
    struct sign_key own;
    pin_relay(room);
    sign_key_from_seed(&own, seed);
    session_connected(room->session, &PLAIN, room->now_ms);
    struct handshake handshake = hear_knock(room);
    struct message challenge = make_challenge(&handshake, &handshake, &own);
    relay_says(room, &challenge);
    expect_relay_refused(room, "cannot prove");
}

static void a_proof_of_another_connection_document_or_version_is_refused(void **state)
{
    struct room *room = *state;
    struct handshake before = {0};
    pin_relay(room);
    for (int what = 0; what < 4; what++) {
        session_connected(room->session, &PLAIN, room->now_ms);
        struct handshake now = hear_knock(room), proved = now;
        if (what == 1)
            proved = before; /* replayed, as it was said */
        if (what == 2)
            proved.doc.bytes[0] ^= 1;
        if (what == 3)
            proved.relay_high++; /* somebody in between talks it down */
        struct message challenge = make_challenge(&now, &proved, &room->relay_key);
        relay_says(room, &challenge);
        if (what > 0)
            expect_relay_refused(room, "cannot prove");
        else
            expect_kind(room, MESSAGE_HELLO);
        before = now;
        forget_out(room);
    }
}

static void a_certificate_that_is_not_the_relays_is_refused(void **state)
{
    struct room *room = *state;
    struct digest shown = {{1}}, other = {{2}};
    struct session_relay relay = {.name = "relay.example", .certificate = &shown};
    pin_relay(room);
    session_connected(room->session, &relay, room->now_ms);
    struct handshake handshake = hear_knock(room);
    handshake.certificate = other; /* the true relay's words, passed on by somebody with a certificate of his own */
    struct message challenge = make_challenge(&handshake, &handshake, &room->relay_key);
    relay_says(room, &challenge);
    expect_relay_refused(room, "stands between");
    forget_out(room);

    session_connected(room->session, &relay, room->now_ms);
    handshake = hear_knock(room);
    handshake.certificate = shown;
    challenge = make_challenge(&handshake, &handshake, &room->relay_key);
    relay_says(room, &challenge);
    expect_kind(room, MESSAGE_HELLO);
}

static void a_refusal_is_told_with_its_code(void **state)
{
    struct room *room = *state;
    session_connected(room->session, &PLAIN, room->now_ms);
    say_challenge(room);
    struct message refuse = {.kind = MESSAGE_REFUSE};
    refuse.refuse.code = REFUSE_NO_DOCUMENT;
    refuse.refuse.text = bytes_of_string("no such \x1b[31mdocument\n");
    relay_says(room, &refuse);
    assert_int_equal(status_of(room).state, SESSION_REFUSED);
    assert_string_equal(status_of(room).why.text, "relay.example says: no such ^[[31mdocument^J"); /* its words are data */
    assert_int_equal(status_of(room).refuse_code, REFUSE_NO_DOCUMENT);
}

static void noise_from_the_relay_ends_the_connection_only(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    session_receive(room->session, bytes_of_string("\xff noise"), room->now_ms);
    assert_int_equal(room->dropped, 1);
    assert_int_equal(status_of(room).state, SESSION_OFFLINE);
    connect_to(room, (struct welcome){.peers = 1});
    assert_int_equal(status_of(room).state, SESSION_ONLINE);
}

/* --- sending --- */

static void a_record_leaves_only_after_the_journal_has_it(void **state)
{
    struct room *room = *state;
    room->auto_persist = false;
    connect_to(room, (struct welcome){.peers = 1});
    type(room, "a");
    assert_true(hears_none_of(room, MESSAGE_RECORDS));
    assert_int_equal(room->ticket_count, 2); /* EVENTS and MEMBER */
    persist_all(room);
    const struct message *message = expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 2);
}

static void an_agents_first_record_is_its_member(void **state)
{
    struct room *room = *state;
    struct record record;
    struct error err = {0};
    connect_to(room, (struct welcome){.peers = 1});
    type(room, "a");
    const struct message *message = expect_kind(room, MESSAGE_RECORDS);
    assert_true(record_decode(message->records.items[0].stored, &record, &err));
    assert_int_equal(record.kind, RECORD_MEMBER);
    assert_true(record_decode(message->records.items[1].stored, &record, &err));
    assert_int_equal(record.kind, RECORD_EVENTS);
}

/* A change by another program is no person's: the others see whose disk it came from. */
static void a_change_on_disk_is_introduced_as_somebodys_disk(void **state)
{
    struct room *room = *state;
    struct agent_id disk = {{0x11}};
    struct batch batch = {.agent = disk, .flags = BATCH_FLAG_GESTURE | BATCH_FLAG_LABEL, .label = "disk"};
    struct local_batch local = {.agent = disk, .gesture = true};
    struct buf plain = {0};
    struct sign_public write_key = room->keys.write_key.public_key;
    struct record record;
    struct member member;
    struct error err = {0};
    batch_add_insert(&batch, 0, bytes_of_string("x"));
    batch_encode(&batch, &plain);
    assert_int_equal(chain_add(room->chain, &batch, buf_view(&plain), &local.digest), CHAIN_NEXT);
    local.count = batch.count;
    local.plain = buf_view(&plain);
    session_local(room->session, &local, room->now_ms);
    connect_to(room, (struct welcome){.peers = 1});
    persist_all(room);
    const struct message *message = expect_kind(room, MESSAGE_RECORDS);
    assert_true(record_decode(message->records.items[0].stored, &record, &err));
    assert_true(member_open(&record, &room->keys, &write_key, &member, &err));
    assert_true(agent_id_equal(&member.agent, &disk));
    char *expected = xformat("%s's disk", room->config.name);
    assert_string_equal(member.name, expected);
    free(expected);
    batch_release(&batch);
    buf_release(&plain);
}

static void an_acknowledged_record_is_reported_and_no_longer_counted(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    type(room, "abc");
    assert_int_equal(status_of(room).unacked_edits, 1);
    assert_int_equal(status_of(room).oldest_unacked_ms, room->now_ms);
    say_ack(room, 2);
    assert_int_equal(room->acked, 3);
    assert_int_equal(status_of(room).unacked_edits, 0);
    assert_int_equal(status_of(room).oldest_unacked_ms, 0);
}

static void a_key_after_a_pause_leaves_at_once_and_the_next_ones_together(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 2});
    pass_time(room, 1000);
    type(room, "a");
    expect_kind(room, MESSAGE_RECORDS);
    type(room, "b");
    type(room, "c");
    assert_true(hears_none_of(room, MESSAGE_RECORDS));
    assert_int_equal(session_next_ms(room->session), room->now_ms + SESSION_FLUSH_MS);
    pass_time(room, SESSION_FLUSH_MS);
    assert_int_equal(expect_kind(room, MESSAGE_RECORDS)->records.count, 1);
}

static void a_relay_that_answers_quickly_gets_the_next_key_quickly(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 2});
    pass_time(room, 1000);
    type(room, "a");
    expect_kind(room, MESSAGE_RECORDS);
    say_ack(room, 2);
    type(room, "b");
    assert_true(hears_none_of(room, MESSAGE_RECORDS));
    assert_int_equal(session_next_ms(room->session), room->now_ms + SESSION_FLUSH_ANSWERED_MS);
    pass_time(room, SESSION_FLUSH_ANSWERED_MS);
    expect_kind(room, MESSAGE_RECORDS);
}

static void alone_in_the_document_batches_wait_longer_until_somebody_joins(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    pass_time(room, 1000);
    type(room, "a");
    expect_kind(room, MESSAGE_RECORDS);
    type(room, "b");
    pass_time(room, 2 * (uint64_t)SESSION_FLUSH_MS);
    assert_true(hears_none_of(room, MESSAGE_RECORDS));
    say_peers(room, 2);
    persist_all(room);
    expect_kind(room, MESSAGE_RECORDS);
}

static void what_was_typed_offline_travels_in_one_record(void **state)
{
    struct room *room = *state;
    for (int i = 0; i < 100; i++)
        type(room, "x");
    assert_int_equal(room->ticket_count, 0);
    assert_int_equal(status_of(room).unacked_edits, 100);
    connect_to(room, (struct welcome){.peers = 1});
    persist_all(room);
    const struct message *message = expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 2);
    say_ack(room, 2);
    assert_int_equal(room->acked, 100);
    assert_int_equal(status_of(room).unacked_edits, 0);
}

static void a_thousand_edits_typed_offline_travel_in_few_records(void **state)
{
    struct room *room = *state;
    for (int i = 0; i < 1000; i++)
        type(room, "a few words ");
    connect_to(room, (struct welcome){.peers = 1});
    persist_all(room);
    assert_true(room->ticket_count <= 3); /* its MEMBER, and 16 KiB of edits each */
}

/*
 * Two processes of one person read each other in their journal, whatever the link does: of two records that need a piece of
 * each other neither could ever be read.
 */
static void only_the_first_batch_of_a_record_builds_on_others(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf records[2] = {{0}};
    struct record record;
    struct error err = {0};
    connect_to(room, (struct welcome){.peers = 1});
    author_init(&ben, room, 0xbe);
    author_member(&ben, room, &records[0]);
    author_record(&ben, room, NULL, "1", &records[1]);
    for (int i = 0; i < 2; i++)
        say_record(room, 3 + (uint64_t)i, buf_view(&records[i]));
    session_disconnected(room->session, room->now_ms);
    type(room, "a");
    type(room, "b");
    type_after(room, &(struct event_id){ben.agent, 0}, "c");
    type(room, "d");
    connect_to(room, (struct welcome){.peers = 1, .head = 4, .vector = {{ben.agent, 1}}, .count = 1});
    persist_all(room);
    const struct message *message = expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 3); /* its MEMBER first */
    assert_true(record_decode(message->records.items[1].stored, &record, &err));
    assert_int_equal(record.count, 2);
    assert_true(record_decode(message->records.items[2].stored, &record, &err));
    assert_int_equal(record.seq0, 2);
    assert_int_equal(record.count, 2);
    author_release(&ben);
    for (int i = 0; i < 2; i++)
        buf_release(&records[i]);
}

/* --- packs --- */

enum { PACKED = UPLOAD_PACK_RECORDS_MIN };

/* One letter a record, each acknowledged. */
static void type_apart_after(struct room *room, const struct event_id *after, int letters)
{
    for (int i = 0; i < letters; i++) {
        pass_time(room, SESSION_FLUSH_ALONE_MS);
        type_after(room, i == 0 ? after : NULL, "x");
        uint64_t ordinal = 0;
        for (const struct message *message; (message = relay_hears(room));)
            ordinal += message->kind == MESSAGE_RECORDS ? message->records.count : 0;
        say_ack(room, room->ordinal += ordinal);
        forget_out(room);
    }
}

static void type_apart(struct room *room, int letters)
{
    type_apart_after(room, NULL, letters);
}

/* The record in the next frame with any. */
static struct record hear_pack(struct room *room)
{
    struct record record;
    struct error err = {0};
    const struct message *message = expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 1);
    assert_true(record_decode(message->records.items[0].stored, &record, &err));
    assert_int_equal(record.kind, RECORD_PACK);
    return record;
}

static void expect_letters(struct room *room, const struct record *pack, size_t count)
{
    struct buf plain = {0};
    struct batch_list batches = {0};
    struct bytes *plains = NULL;
    struct digest *digests = xcalloc(count, sizeof *digests);
    struct error err = {0};
    assert_true(record_open_events(pack, &room->keys, &plain, &batches, &plains, &err));
    assert_int_equal(batches.count, count);
    assert_int_equal(chain_check_run(room->chain, batches.items, plains, count, 0, digests), CHAIN_KNOWN);
    struct sign_key doc_key;
    device_doc_key(&room->device, &room->keys.doc, &doc_key);
    assert_true(record_verify(pack, &room->keys.doc, &doc_key.public_key, &digests[count - 1]));
    free(digests);
    free(plains);
    batch_list_release(&batches);
    buf_release(&plain);
}

static void an_idle_author_packs_what_the_relay_has(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    type_apart(room, PACKED + 4);
    pass_time(room, UPLOAD_PACK_IDLE_MS - 1);
    assert_true(hears_none_of(room, MESSAGE_RECORDS));
    pass_time(room, 1);
    session_tick(room->session, room->now_ms);
    struct record pack = hear_pack(room);
    assert_int_equal(pack.seq0, 0);
    assert_int_equal(pack.count, PACKED + 4);
    expect_letters(room, &pack, PACKED + 4);
    assert_true(bytes_equal(pack.whole, buf_view(&room->persisted[room->ticket_count - 1])));
    say_ack(room, room->ordinal + 1);
    pass_time(room, UPLOAD_PACK_IDLE_MS * 3);
    assert_true(hears_none_of(room, MESSAGE_RECORDS));
    assert_int_equal(status_of(room).unacked_batches, 0);
}

static void a_pack_leaves_only_after_the_journal_has_it(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    type_apart(room, PACKED);
    room->auto_persist = false;
    pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    assert_true(hears_none_of(room, MESSAGE_RECORDS));
    persist_all(room);
    hear_pack(room);
}

static void a_few_records_are_left_as_they_are_until_there_are_more(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    type_apart(room, PACKED - 1);
    pass_time(room, UPLOAD_PACK_IDLE_MS * 2);
    session_tick(room->session, room->now_ms);
    assert_true(hears_none_of(room, MESSAGE_RECORDS));
    type_apart(room, 1);
    pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    assert_int_equal(hear_pack(room).count, PACKED);
}

/* Two packs that need a piece of each other could never be read. */
static void only_the_first_batch_of_a_pack_builds_on_others(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf records[3] = {{0}};
    connect_to(room, (struct welcome){.peers = 1});
    author_init(&ben, room, 0xbe);
    author_member(&ben, room, &records[0]);
    author_record(&ben, room, NULL, "1", &records[1]);
    author_record(&ben, room, NULL, "2", &records[2]);
    for (int i = 0; i < 3; i++)
        say_record(room, 3 + (uint64_t)i, buf_view(&records[i]));

    type_apart_after(room, &(struct event_id){ben.agent, 0}, PACKED);
    uint64_t second = room->seq;
    type_apart_after(room, &(struct event_id){ben.agent, 1}, PACKED + 2);
    pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    struct record pack = hear_pack(room);
    assert_int_equal(pack.seq0, 0);
    assert_int_equal(pack.count, second);
    pack = hear_pack(room);
    assert_int_equal(pack.seq0, second);
    assert_int_equal(pack.count, room->seq - second);
    author_release(&ben);
    for (int i = 0; i < 3; i++)
        buf_release(&records[i]);
}

static void a_relay_that_takes_no_packs_is_not_asked_again_and_edits_go_on(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    type_apart(room, PACKED);
    pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    hear_pack(room);
    struct message reject = {.kind = MESSAGE_REJECT, .reject = {room->ordinal + 1, REFUSE_FORBIDDEN, bytes_of_string("no")}};
    relay_says(room, &reject);
    room->ordinal++;
    assert_int_equal(room->alarms, 0);
    type_apart(room, PACKED);
    assert_int_equal(room->acked, 2 * PACKED);
    pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    assert_true(hears_none_of(room, MESSAGE_RECORDS));
}

static void a_pack_lost_with_the_connection_is_sent_again_byte_for_byte(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    type_apart(room, PACKED);
    pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    struct buf first = {0};
    buf_add_bytes(&first, hear_pack(room).whole);
    cut(room);
    connect_to(room, (struct welcome){.peers = 1, .vector = {{room->self, PACKED}}, .count = 1});
    session_tick(room->session, room->now_ms);
    assert_true(bytes_equal(hear_pack(room).whole, buf_view(&first)));
    buf_release(&first);
}

/* Kept although it tells nothing new: the resume point has to get behind it. */
static void a_pack_of_what_is_known_is_kept_if_its_author_signed_it(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf record = {0}, plain = {0}, pack = {0};
    struct record opened;
    struct digest last;
    struct error err = {0};
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "1", &record);
    say_record(room, 4, buf_view(&record));
    assert_true(record_decode(buf_view(&record), &opened, &err) && record_open(&opened, &room->keys, &plain, &err));
    assert_true(chain_newest(ben.chain, &ben.agent, &last));
    record_seal(&(struct record_spec){.kind = RECORD_PACK, .agent = ben.agent, .sealer = ben.agent, .counter = 99,
                                      .count = 1, .plain = buf_view(&plain), .last = &last, .keys = &room->keys,
                                      .signer = &ben.doc_key},
                &pack);
    pack.data[pack.len - 1] ^= 1;
    say_record(room, 5, buf_view(&pack));
    assert_int_equal(room->received, 1);
    pack.data[pack.len - 1] ^= 1;
    say_record(room, 6, buf_view(&pack));
    assert_int_equal(room->received, 2);
    assert_int_equal(room->resume.place, 6);
    expect_text(room, "1");
    assert_int_equal(room->alarms, 0);
    author_release(&ben);
    buf_release(&record);
    buf_release(&plain);
    buf_release(&pack);
}

/* Nobody else has written as we do: it is what we packed ourselves. */
static void a_pack_of_ours_that_comes_back_is_kept_and_no_fork(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    type_apart(room, PACKED);
    pass_time(room, UPLOAD_PACK_IDLE_MS);
    session_tick(room->session, room->now_ms);
    hear_pack(room);
    cut(room);
    connect_to(room, (struct welcome){.peers = 1});
    say_record(room, 3, buf_view(&room->persisted[0]));
    say_record(room, 4, buf_view(&room->persisted[room->ticket_count - 1]));
    assert_int_equal(room->received, 1);
    assert_int_equal(room->resume.place, 4);
    assert_int_equal(room->alarms, 0);
}

/* The author packed something else than he had written: what we have of him is given back to the relay. */
static void originals_of_a_disputed_pack_are_offered_again(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf first = {0}, second = {0}, canonical = {0}, plain = {0}, pack = {0};
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "1", &first);
    author_record(&ben, room, NULL, "2", &second);
    say_record(room, 4, buf_view(&first));
    say_record(room, 5, buf_view(&second));
    struct batch other = {.agent = ben.agent};
    struct digest last;
    batch_add_insert(&other, 0, bytes_of_string("XX"));
    batch_encode(&other, &canonical);
    chain_digest(&room->keys.doc, &other, buf_view(&canonical), NULL, NULL, &last);
    record_plain_add(&plain, buf_view(&canonical));
    record_seal(&(struct record_spec){.kind = RECORD_PACK, .agent = ben.agent, .sealer = ben.agent, .counter = 99,
                                      .count = 2, .plain = buf_view(&plain), .last = &last, .keys = &room->keys,
                                      .signer = &ben.doc_key},
                &pack);
    say_record(room, 6, buf_view(&pack));
    assert_int_equal(room->alarm, ALARM_FORKED);
    assert_int_equal(room->fetches, 1);
    assert_int_equal(room->fetch_from, 0);
    struct bytes answer[] = {buf_view(&pack), buf_view(&first), buf_view(&second)};
    session_fetched(room->session, &ben.agent, answer, 3, false, room->now_ms);
    persist_all(room); /* our own MEMBER, which a relay wants to see before */
    assert_true(bytes_equal(expect_kind(room, MESSAGE_REOFFER)->reoffer.stored, buf_view(&first)));
    assert_true(bytes_equal(expect_kind(room, MESSAGE_REOFFER)->reoffer.stored, buf_view(&second)));
    expect_text(room, "12XX"); /* both are kept, as two branches */
    batch_release(&other);
    author_release(&ben);
    struct buf *used[] = {&first, &second, &canonical, &plain, &pack};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buf_release(used[i]);
}

static void after_a_cut_the_same_bytes_are_sent_again(void **state)
{
    struct room *room = *state;
    struct buf first = {0};
    connect_to(room, (struct welcome){.peers = 1});
    type(room, "a");
    buf_add_bytes(&first, expect_kind(room, MESSAGE_RECORDS)->records.items[1].stored);
    cut(room);
    assert_int_equal(status_of(room).state, SESSION_OFFLINE);
    connect_to(room, (struct welcome){.peers = 1});
    const struct message *message = expect_kind(room, MESSAGE_RECORDS);
    assert_true(bytes_equal(message->records.items[1].stored, buf_view(&first)));
    buf_release(&first);
}

/* The vector may speak of others' content under the same numbers: only the relay can compare. */
static void resuming_gets_behind_what_we_wrote_ourselves(void **state)
{
    struct room *room = *state;
    struct digest hash;
    connect_to(room, (struct welcome){.peers = 1});
    type(room, "a");
    const struct message *message = expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 2);
    record_hash(message->records.items[1].stored, &hash);
    say_ack_at(room, 2, 4);
    assert_int_equal(room->resume.place, 4);
    assert_true(digest_equal(&room->resume.hash, &hash));
    pass_time(room, SESSION_FLUSH_ALONE_MS);
    type(room, "b"); /* is not acknowledged: no vector speaks for us */
    cut(room);
    forget_out(room);
    agent_numbers_clear(&room->numbers_in);
    agent_numbers_clear(&room->numbers_out);
    session_connected(room->session, &PLAIN, room->now_ms);
    say_challenge(room);
    message = expect_kind(room, MESSAGE_RESUME);
    assert_int_equal(message->resume.vector_count, 0);
    assert_int_equal(message->resume.place, 4);
    assert_true(digest_equal(&message->resume.hash, &hash));
}

static void resuming_does_not_pass_what_is_waited_for_by_an_acknowledgement(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf first = {0}, second = {0};
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "1", &first);
    author_record(&ben, room, NULL, "2", &second);
    say_record(room, 5, buf_view(&second));
    type(room, "a");
    say_ack_at(room, 2, 6);
    assert_int_equal(room->acked, 1);
    assert_true(room->resume.place < 5);
    author_release(&ben);
    buf_release(&first);
    buf_release(&second);
}

/* What an agent wrote that this process has taken over. */
static void type_as(struct room *room, const struct agent_id *agent, const char *text)
{
    struct agent_id self = room->self;
    uint64_t seq = room->seq;
    room->self = *agent;
    room->seq = 0;
    type(room, text);
    room->self = self;
    room->seq = seq;
}

static void what_was_taken_over_is_sent_in_the_order_in_which_it_was_written(void **state)
{
    struct room *room = *state;
    struct agent_id written[] = {{{0xee}}, {{0x11}}, room->self};
    struct record record;
    struct error err = {0};
    size_t seen = 0;
    for (size_t i = 0; i < 3; i++)
        type_as(room, &written[i], "x");
    connect_to(room, (struct welcome){.peers = 1});
    persist_all(room);
    for (const struct message *message; (message = relay_hears(room));)
        for (size_t i = 0; message->kind == MESSAGE_RECORDS && i < message->records.count; i++) {
            assert_true(record_decode(message->records.items[i].stored, &record, &err));
            if (record.kind == RECORD_EVENTS)
                assert_true(agent_id_equal(&record.agent, &written[seen++]));
        }
    assert_int_equal(seen, 3);
}

static void what_was_not_acknowledged_is_sent_again_whatever_the_vector_says(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    type(room, "a");
    cut(room);
    connect_to(room, (struct welcome){.peers = 1, .vector = {{room->self, 1}}, .count = 1});
    assert_int_equal(room->acked, 0);
    assert_int_equal(expect_kind(room, MESSAGE_RECORDS)->records.count, 1);
    say_ack(room, 1);
    assert_int_equal(room->acked, 1);
    assert_int_equal(status_of(room).unacked_batches, 0);
}

static void a_restart_sends_what_the_outbox_holds_byte_for_byte(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    type(room, "a");
    struct bytes outbox[] = {buf_view(&room->persisted[0])}, members[] = {buf_view(&room->persisted[1])};
    room->config.outbox = outbox;
    room->config.outbox_count = 1;
    room->config.members = members;
    room->config.member_count = 1;
    room->config.first_counter = session_counter(room->session);
    restart(room);
    assert_int_equal(status_of(room).unacked_edits, 1);
    connect_to(room, (struct welcome){.peers = 1});
    const struct message *message = expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 2);
    assert_true(bytes_equal(message->records.items[0].stored, members[0]));
    assert_true(bytes_equal(message->records.items[1].stored, outbox[0]));
}

static void a_relay_that_lost_its_tail_gets_acknowledged_records_again(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    type(room, "a");
    say_ack(room, 2);
    type(room, "b");
    cut(room);
    connect_to(room, (struct welcome){.peers = 1});
    assert_int_equal(room->fetches, 1);
    assert_int_equal(room->fetch_from, 0);
    persist_all(room);
    assert_true(hears_none_of(room, MESSAGE_RECORDS)); /* nothing overtakes what is being fetched */
    struct bytes answer[] = {buf_view(&room->persisted[0])};
    session_fetched(room->session, &room->self, answer, 1, false, room->now_ms);
    const struct message *message = expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(message->records.count, 3); /* MEMBER, the lost one, the new one */
    say_ack(room, 3);
    assert_int_equal(room->acked, 2);
}

static void other_peoples_lost_records_are_offered_again_after_a_while(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf member = {0}, record = {0};
    author_init(&ben, room, 0xbe);
    author_member(&ben, room, &member);
    author_record(&ben, room, NULL, "x", &record);
    connect_to(room, (struct welcome){.peers = 2});
    say_record(room, 2, buf_view(&member));
    say_record(room, 3, buf_view(&record));
    cut(room);
    connect_to(room, (struct welcome){.peers = 2});
    pass_time(room, UPLOAD_REOFFER_MS + 1);
    assert_int_equal(room->fetches, 1);
    assert_true(agent_id_equal(&room->fetch_agent, &ben.agent));
    struct bytes answer[] = {buf_view(&record)};
    session_fetched(room->session, &ben.agent, answer, 1, false, room->now_ms);
    persist_all(room);
    assert_true(bytes_equal(expect_kind(room, MESSAGE_REOFFER)->reoffer.stored, buf_view(&member)));
    assert_true(bytes_equal(expect_kind(room, MESSAGE_REOFFER)->reoffer.stored, buf_view(&record)));
    author_release(&ben);
    buf_release(&member);
    buf_release(&record);
}

static void unacknowledged_bytes_stay_within_the_window(void **state)
{
    struct room *room = *state;
    char *large = xmalloc(60001);
    size_t bytes = 0;
    const struct message *message;
    memset(large, 'x', 60000);
    large[60000] = '\0';
    connect_to(room, (struct welcome){.peers = 2});
    for (int i = 0; i < 40; i++) {
        type(room, large);
        pass_time(room, 100);
    }
    uint64_t ordinal = 0;
    while ((message = relay_hears(room)))
        for (size_t i = 0; message->kind == MESSAGE_RECORDS && i < message->records.count; i++, ordinal++)
            bytes += message->records.items[i].stored.len;
    assert_in_range(bytes, UPLOAD_WINDOW_BYTES / 2, UPLOAD_WINDOW_BYTES + 70000);
    say_ack(room, ordinal);
    persist_all(room);
    assert_non_null(expect_kind(room, MESSAGE_RECORDS));
    free(large);
}

static void a_full_link_is_asked_again_when_it_has_room(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    forget_out(room);
    room->refuse_sends = true;
    type(room, "a");
    assert_int_equal(room->out_count, 0);
    room->refuse_sends = false;
    session_writable(room->session, room->now_ms);
    expect_kind(room, MESSAGE_RECORDS);
}

static void not_now_means_the_same_record_after_a_pause(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    type(room, "a");
    expect_kind(room, MESSAGE_RECORDS);
    say_ack(room, 1);
    struct message reject = {.kind = MESSAGE_REJECT, .reject = {2, REFUSE_LIMIT, bytes_of_string("later")}};
    relay_says(room, &reject);
    assert_true(hears_none_of(room, MESSAGE_RECORDS));
    pass_time(room, UPLOAD_PAUSE_MS);
    expect_kind(room, MESSAGE_RECORDS);
    assert_int_equal(room->alarms, 0);
}

static void a_full_relay_is_told_once_in_its_words_until_it_has_room(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    type(room, "a");
    expect_kind(room, MESSAGE_RECORDS);
    say_ack(room, 1);
    for (uint64_t ordinal = 2; ordinal < 5; ordinal++) {
        struct message reject = {.kind = MESSAGE_REJECT, .reject = {ordinal, REFUSE_FULL, bytes_of_string("no room\n")}};
        relay_says(room, &reject);
        pass_time(room, UPLOAD_PAUSE_MS);
        expect_kind(room, MESSAGE_RECORDS);
    }
    assert_int_equal(room->alarms, 1);
    assert_int_equal(room->alarm, ALARM_REJECTED);
    assert_non_null(strstr(status_of(room).full.text, "does not take your edits: no room"));
    assert_null(strchr(status_of(room).full.text, '\n'));
    say_ack(room, 5);
    assert_int_equal(status_of(room).unacked_edits, 0);
    assert_string_equal(status_of(room).full.text, "");
}

static void an_id_that_the_relay_has_with_other_content_is_an_alarm(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    type(room, "a");
    struct message reject = {.kind = MESSAGE_REJECT, .reject = {2, REFUSE_FORKED, bytes_of_string("other content")}};
    relay_says(room, &reject);
    assert_int_equal(room->alarm, ALARM_OWN_FORKED);
    assert_true(agent_id_equal(&room->alarm_agent, &room->self));
}

static void the_owner_uploads_the_base_before_anything_else(void **state)
{
    struct room *room = *state;
    struct record record;
    struct error err = {0};
    room->config.create = true;
    room->config.base = room->base;
    restart(room);
    type(room, "a");
    session_connected(room->session, &PLAIN, room->now_ms);
    say_challenge(room);
    assert_true(bytes_equal(expect_kind(room, MESSAGE_HELLO)->hello.genesis, buf_view(&room->genesis)));
    say_welcome(room, (struct welcome){.head = 1, .peers = 1});
    persist_all(room);
    const struct message *message = expect_kind(room, MESSAGE_RECORDS);
    assert_true(record_decode(message->records.items[0].stored, &record, &err));
    assert_int_equal(record.kind, RECORD_BASE);
    assert_int_equal(status_of(room).base_done, 0);
    say_ack(room, 1);
    assert_int_equal(status_of(room).base_done, 4);
    assert_int_equal(status_of(room).base_total, 4);
}

static void nobody_writes_into_the_places_of_a_base_that_the_relay_lost(void **state)
{
    struct room *room = *state;
    struct buf base = {0};
    type(room, "a");
    connect_to(room, (struct welcome){.head = 1, .peers = 2});
    pass_time(room, 1000);
    assert_true(hears_none_of(room, MESSAGE_RECORDS));
    base_seal(&room->keys, room->base, 0, &base);
    say_record(room, 2, buf_view(&base)); /* the owner gave it again */
    persist_all(room);
    expect_kind(room, MESSAGE_RECORDS);
    buf_release(&base);
}

static void a_view_only_session_uploads_nothing(void **state)
{
    struct room *room = *state;
    struct doc_keys reader;
    doc_keys_from_link(&reader, &room->keys.doc, ACCESS_READ, doc_keys_seed(&room->keys, ACCESS_READ));
    room->config.keys = &reader;
    restart(room);
    connect_to(room, (struct welcome){.peers = 2});
    pass_time(room, 10000);
    assert_true(hears_none_of(room, MESSAGE_RECORDS));
    assert_int_equal(room->ticket_count, 0);
}

/* --- receiving --- */

/* An author who has joined, in the room's session. */
static void a_record_that_verifies_is_handed_out_once(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf record = {0};
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "hello", &record);
    say_record(room, 3, buf_view(&record));
    say_record(room, 4, buf_view(&record));
    expect_text(room, "hello");
    assert_int_equal(room->received, 1);
    assert_int_equal(room->resume.place, 3);
    assert_int_equal(room->alarms, 0);
    author_release(&ben);
    buf_release(&record);
}

static void early_records_come_out_in_causal_order_and_the_resume_point_waits(void **state)
{
    struct room *room = *state;
    struct author ben, cleo;
    struct buf first = {0}, second = {0}, answer = {0};
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    join(room, &cleo, 0xc1);
    author_record(&ben, room, NULL, "1", &first);
    author_record(&ben, room, NULL, "2", &second);
    author_reads(&cleo, room, &first);
    author_reads(&cleo, room, &second);
    author_record(&cleo, room, &(struct event_id){ben.agent, 1}, "3", &answer);

    say_record(room, 5, buf_view(&answer));
    say_record(room, 6, buf_view(&second));
    assert_int_equal(room->received, 0);
    say_record(room, 7, buf_view(&first));
    expect_text(room, "123");
    assert_int_equal(room->resume.place, 7);
    author_release(&ben);
    author_release(&cleo);
    buf_release(&first);
    buf_release(&second);
    buf_release(&answer);
}

static void every_flipped_bit_is_refused_and_others_go_on(void **state)
{
    struct room *room = *state;
    struct author ben, cleo;
    struct buf record = {0}, other = {0};
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    join(room, &cleo, 0xc1);
    author_record(&ben, room, NULL, "good", &record);
    author_record(&cleo, room, NULL, "other", &other);
    record.data[record.len - 1] ^= 1; /* in the signature */
    say_record(room, 4, buf_view(&record));
    assert_int_equal(room->dropped, 1); /* it could build on something else than what is here: all is asked for, once */
    connect_to(room, (struct welcome){.peers = 2});
    say_record(room, 4, buf_view(&record));
    assert_int_equal(room->alarms, 0);
    say_caught_up(room);
    assert_int_equal(room->dropped, 1);
    assert_int_equal(room->received, 0);
    assert_int_equal(room->alarms, 1);
    assert_int_equal(room->alarm, ALARM_RECORD_REFUSED);
    assert_true(agent_id_equal(&room->alarm_agent, &ben.agent));
    say_record(room, 5, buf_view(&other));
    expect_text(room, "other");
    assert_true(room->resume.place < 4);
    record.data[record.len - 1] ^= 1;
    cut(room);
    connect_to(room, (struct welcome){.peers = 2});
    say_record(room, 4, buf_view(&record)); /* a new connection, a new chance */
    expect_text(room, "othergood");
    author_release(&ben);
    author_release(&cleo);
    buf_release(&record);
    buf_release(&other);
}

static void no_altered_record_is_ever_accepted(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf member = {0}, record = {0};
    author_init(&ben, room, 0xbe);
    author_member(&ben, room, &member);
    author_record(&ben, room, NULL, "good", &record);
    for (size_t bit = 0; bit < record.len * 8; bit += 3) {
        record.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        connect_to(room, (struct welcome){.peers = 2});
        say_record(room, 2, buf_view(&member));
        say_record(room, 3, buf_view(&record));
        cut(room);
        record.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    assert_int_equal(room->received, 0);
    author_release(&ben);
    buf_release(&member);
    buf_release(&record);
}

/* A record without events, as some later weft would make it. */
static void strange_record(const struct author *author, const struct room *room, unsigned kind, struct buf *stored)
{
    struct hasher hasher;
    struct digest digest;
    struct record record;
    struct signature signature;
    struct error err = {0};
    record_seal(&(struct record_spec){.kind = kind | RECORD_OPTIONAL, .agent = author->agent, .sealer = author->agent,
                                      .counter = 50, .plain = bytes_of_string("?"), .keys = &room->keys,
                                      .signer = &author->doc_key},
                stored);
    stored->data[1] = (unsigned char)kind; /* and the signature over that */
    assert_true(record_decode_any(buf_view(stored), &record, &err));
    static const struct digest no_events;
    hasher_init(&hasher, "weft-record-1");
    hasher_add(&hasher, room->keys.doc.bytes, sizeof room->keys.doc.bytes);
    hasher_add_sized(&hasher, record.signed_part);
    hasher_add(&hasher, no_events.bytes, sizeof no_events.bytes);
    hasher_digest(&hasher, &digest);
    crypto_sign_digest(&author->doc_key, &digest, &signature);
    memcpy(stored->data + stored->len - sizeof signature.bytes, signature.bytes, sizeof signature.bytes);
}

enum { STRANGE = 0x21 };

static void an_unknown_optional_record_is_kept_if_a_writer_signed_it(void **state)
{
    struct room *room = *state;
    struct author ben, stranger;
    struct buf kept = {0}, forged = {0}, strangers = {0};
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    author_init(&stranger, room, 0xee);
    strange_record(&ben, room, STRANGE | RECORD_OPTIONAL, &kept);
    strange_record(&ben, room, STRANGE | RECORD_OPTIONAL, &forged);
    forged.data[forged.len - 1] ^= 1;
    strange_record(&stranger, room, STRANGE | RECORD_OPTIONAL, &strangers);
    say_record(room, 4, buf_view(&forged));
    say_record(room, 5, buf_view(&strangers));
    assert_int_equal(room->received, 0);
    say_record(room, 6, buf_view(&kept));
    assert_int_equal(room->received, 1);
    assert_int_equal(room->resume.place, 6);
    assert_int_equal(room->alarms, 0);
    assert_int_equal(status_of(room).state, SESSION_ONLINE);
    author_release(&ben);
    author_release(&stranger);
    struct buf *used[] = {&kept, &forged, &strangers};
    for (size_t i = 0; i < 3; i++)
        buf_release(used[i]);
}

static void an_unknown_mandatory_record_of_a_writer_says_update_weft(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf stored = {0};
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    strange_record(&ben, room, STRANGE, &stored);
    say_record(room, 4, buf_view(&stored));
    assert_int_equal(room->alarms, 1);
    assert_int_equal(room->alarm, ALARM_NEWER);
    assert_int_equal(room->why.sys, STRANGE);
    assert_int_equal(status_of(room).state, SESSION_REFUSED);
    assert_int_equal(status_of(room).refuse_code, REFUSE_PROTOCOL);
    assert_int_equal(status_of(room).retry_ms, 0); /* coming back would bring the same record */
    assert_non_null(strstr(status_of(room).why.text, "update weft"));
    author_release(&ben);
    buf_release(&stored);
}

/* A relay can make one up; it keeps nobody from writing. */
static void an_unknown_mandatory_record_that_nobody_signed_is_no_reason_to_stop_writing(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf stored = {0};
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    strange_record(&ben, room, STRANGE, &stored);
    stored.data[stored.len - 1] ^= 1;
    say_record(room, 4, buf_view(&stored));
    assert_int_equal(room->alarms, 0);
    assert_int_equal(status_of(room).state, SESSION_REFUSED);
    author_release(&ben);
    buf_release(&stored);
}

/* What the signature of a later record vouches for is taken as history; live, every signature has to be good. */
static void history_is_taken_on_its_newest_signature_and_live_records_each_on_its_own(void **state)
{
    struct room *room = *state;
    struct author author;
    struct buf stored[4] = {{0}}; /* who writes comes in the same frame */
    connect_to(room, (struct welcome){.peers = 2});
    author_init(&author, room, 0x21);
    author_member(&author, room, &stored[0]);
    for (int i = 0; i < 3; i++)
        author_record(&author, room, NULL, (char[]){(char)('a' + i), '\0'}, &stored[1 + i]);
    stored[2].data[stored[2].len - 1] ^= 1;
    say_records(room, 3, stored, 4);
    expect_text(room, "abc");
    assert_int_equal(room->alarms, 0);

    struct buf live[3] = {{0}};
    say_caught_up(room);
    for (int i = 0; i < 3; i++)
        author_record(&author, room, NULL, (char[]){(char)('d' + i), '\0'}, &live[i]);
    live[1].data[live[1].len - 1] ^= 1;
    say_records(room, 7, live, 3);
    expect_text(room, "abcd");
    assert_int_equal(room->dropped, 1); /* all is asked for again */
    for (int i = 0; i < 3; i++)
        buf_release(&live[i]);
    for (int i = 0; i < 4; i++)
        buf_release(&stored[i]);
    author_release(&author);
}

static void a_readers_record_is_refused(void **state)
{
    struct room *room = *state;
    struct author eve;
    struct buf member = {0}, record = {0};
    author_init(&eve, room, 0xee);
    eve.reader = true;
    author_member(&eve, room, &member);
    author_record(&eve, room, NULL, "no", &record);
    connect_to(room, (struct welcome){.peers = 2});
    say_record(room, 2, buf_view(&member));
    say_record(room, 3, buf_view(&record));
    assert_int_equal(room->received, 0);
    assert_int_equal(room->alarms, 1);
    assert_int_equal(room->alarm, ALARM_RECORD_REFUSED);
    author_release(&eve);
    buf_release(&member);
    buf_release(&record);
}

static void of_a_writer_who_gives_one_id_two_contents_both_are_taken_and_it_is_told(void **state)
{
    struct room *room = *state;
    struct author ben, twin;
    struct buf record = {0}, other = {0};
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    author_init(&twin, room, 0xbe);
    author_record(&ben, room, NULL, "one", &record);
    author_record(&twin, room, NULL, "two", &other);
    say_record(room, 3, buf_view(&record));
    say_record(room, 4, buf_view(&other));
    expect_text(room, "onetwo");
    assert_int_equal(room->alarm, ALARM_FORKED);
    say_record(room, 5, buf_view(&other));
    say_record(room, 6, buf_view(&record));
    expect_text(room, "onetwo");
    author_release(&ben);
    author_release(&twin);
    buf_release(&record);
    buf_release(&other);
}

static void say_twin(struct room *room, unsigned char name, uint64_t place, const char *text)
{
    struct author twin;
    struct buf record = {0};
    author_init(&twin, room, name);
    author_record(&twin, room, NULL, text, &record);
    say_record(room, place, buf_view(&record));
    author_release(&twin);
    buf_release(&record);
}

static void of_a_writer_who_forks_without_end_so_many_branches_are_kept_and_nobody_waits(void **state)
{
    enum { TWINS = 40 };
    struct room *room = *state;
    struct author eve, ben;
    char expected[TWINS + 2] = "";
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &eve, 0xee);
    join(room, &ben, 0xbe);
    say_caught_up(room);
    for (unsigned i = 0; i < TWINS; i++) {
        char letter[2] = {(char)('A' + i), 0};
        say_twin(room, 0xee, 4 + i, letter);
        if (i <= CHAIN_AGENT_FORKS_MAX)
            expected[i] = letter[0];
        expect_text(room, expected);
    }
    assert_int_equal(room->alarm, ALARM_RECORD_REFUSED);
    assert_int_equal(room->alarms, CHAIN_AGENT_FORKS_MAX + 1);
    say_twin(room, 0xbe, 4 + TWINS, "!");
    expected[CHAIN_AGENT_FORKS_MAX + 1] = '!';
    expect_text(room, expected);
    cut(room);
    connect_to(room, (struct welcome){.peers = 2});
    assert_int_equal(expect_kind(room, MESSAGE_RESUME)->resume.place, 4 + TWINS); /* nothing of it comes again */
    author_release(&eve);
    author_release(&ben);
}

static void a_joiner_gets_genesis_and_base(void **state)
{
    struct room *room = *state;
    struct buf base = {0};
    room->config.genesis = (struct bytes){0};
    room->config.has_base = false;
    restart(room);
    base_seal(&room->keys, room->base, 0, &base);
    connect_to(room, (struct welcome){.head = 2, .peers = 1});
    say_record(room, 1, buf_view(&room->genesis));
    say_record(room, 2, buf_view(&base));
    assert_int_equal(room->genesis_count, 1);
    assert_string_equal(buf_string(&room->base_text), "base");
    buf_release(&base);
}

/* A session that joins with nothing but a link, to a document of this base; it has heard GENESIS. */
static void join_without_base(struct room *room)
{
    room->config.genesis = (struct bytes){0};
    room->config.has_base = false;
    restart(room);
    connect_to(room, (struct welcome){.head = 2, .peers = 2});
    say_record(room, 1, buf_view(&room->genesis));
}

static void a_joiner_takes_the_base_in_any_order(void **state)
{
    struct room *room = *state;
    struct buf base = {0}, chunks[3] = {{0}};
    memset(buf_extend(&base, 2 * BASE_CHUNK_BYTES + 5), 'x', 2 * BASE_CHUNK_BYTES + 5);
    base.data[BASE_CHUNK_BYTES] = 'y';
    rope_free(room->base);
    buf_clear(&room->genesis);
    make_genesis(room, buf_string(&base));
    join_without_base(room);
    for (uint64_t i = 0; i < 3; i++)
        base_seal(&room->keys, room->base, i, &chunks[i]);
    say_record(room, 2, buf_view(&chunks[2]));
    say_record(room, 3, buf_view(&chunks[0]));
    say_record(room, 4, buf_view(&chunks[2]));
    assert_int_equal(status_of(room).base_done, BASE_CHUNK_BYTES + 5);
    say_record(room, 5, buf_view(&chunks[1]));
    assert_true(bytes_equal(buf_view(&room->base_text), buf_view(&base)));
    assert_int_equal(room->dropped, 0);
    for (int i = 0; i < 3; i++)
        buf_release(&chunks[i]);
    buf_release(&base);
}

static void edits_in_front_of_the_base_are_read_once_it_is_here(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf base = {0}, record = {0}, member = {0};
    join_without_base(room);
    author_init(&ben, room, 0xbe);
    author_member(&ben, room, &member);
    author_record(&ben, room, NULL, "1", &record);
    base_seal(&room->keys, room->base, 0, &base);
    say_record(room, 2, buf_view(&member));
    say_record(room, 3, buf_view(&record));
    say_record(room, 4, buf_view(&base));
    assert_string_equal(buf_string(&room->base_text), "base");
    assert_int_equal(room->dropped, 1);
    forget_out(room);
    agent_numbers_clear(&room->numbers_in);
    agent_numbers_clear(&room->numbers_out);
    session_connected(room->session, &PLAIN, room->now_ms);
    say_challenge(room);
    assert_int_equal(expect_kind(room, MESSAGE_RESUME)->resume.place, 0);
    say_welcome(room, (struct welcome){.head = 4, .peers = 2});
    say_record(room, 3, buf_view(&record));
    say_record(room, 4, buf_view(&base));
    expect_text(room, "1");
    assert_int_equal(room->resume.place, 3);
    author_release(&ben);
    buf_release(&base);
    buf_release(&record);
    buf_release(&member);
}

static unsigned hear_presence_flags(struct room *room)
{
    struct presence presence = {0};
    struct error err = {0};
    assert_true(presence_open(expect_kind(room, MESSAGE_PRESENCE)->presence.sealed, &room->keys, &presence, &err));
    return presence.flags;
}

static void who_has_read_all_and_lacks_the_base_says_so(void **state)
{
    struct room *room = *state;
    struct buf base = {0};
    join_without_base(room);
    say_caught_up(room);
    forget_out(room);
    pass_time(room, SESSION_PRESENCE_BEAT_MS);
    assert_false(hear_presence_flags(room) & PRESENCE_NO_BASE); /* it may be on its way */
    pass_time(room, SESSION_GAP_MS);
    assert_true(hear_presence_flags(room) & PRESENCE_NO_BASE);
    base_seal(&room->keys, room->base, 0, &base);
    say_record(room, 2, buf_view(&base));
    pass_time(room, SESSION_PRESENCE_BEAT_MS);
    assert_false(hear_presence_flags(room) & PRESENCE_NO_BASE);
    buf_release(&base);
}

static void say_presence_with(struct room *room, const struct author *author, uint64_t counter, unsigned flags)
{
    struct buf sealed = {0};
    struct presence presence = {
        .agent = author->agent, .counter = counter, .flags = flags, .doc_key = author->doc_key.public_key};
    presence_seal(&presence, &room->keys, &author->doc_key, &sealed);
    relay_says(room, &(struct message){.kind = MESSAGE_PRESENCE, .presence = {buf_view(&sealed)}});
    buf_release(&sealed);
}

static void hear_base(struct room *room)
{
    struct record record;
    struct error err = {0};
    const struct message *message = expect_kind(room, MESSAGE_RECORDS);
    assert_true(record_decode(message->records.items[0].stored, &record, &err));
    assert_int_equal(record.kind, RECORD_BASE);
}

/* The owner took it to be there, for the relay had spoken of more places than it has. */
static void the_owner_offers_the_base_again_to_whoever_lacks_it(void **state)
{
    struct room *room = *state;
    struct author ben;
    room->config.create = true;
    room->config.base = room->base;
    restart(room);
    connect_to(room, (struct welcome){.head = 1000, .peers = 2});
    author_init(&ben, room, 0xbe);
    say_presence_with(room, &ben, 1, 0);
    assert_true(hears_none_of(room, MESSAGE_RECORDS));
    say_presence_with(room, &ben, 2, PRESENCE_NO_BASE);
    hear_base(room);
    say_presence_with(room, &ben, 3, PRESENCE_NO_BASE);
    say_ack(room, 1);
    say_presence_with(room, &ben, 4, PRESENCE_NO_BASE);
    assert_true(hears_none_of(room, MESSAGE_RECORDS)); /* nobody makes us say it all the time */
    room->now_ms += UPLOAD_BASE_AGAIN_MS;
    say_presence_with(room, &ben, 5, PRESENCE_NO_BASE);
    hear_base(room);
    author_release(&ben);
}

static void the_owner_begins_the_base_anew_where_the_relay_has_less_than_it_said(void **state)
{
    struct room *room = *state;
    struct buf base = {0};
    memset(buf_extend(&base, 2 * BASE_CHUNK_BYTES + 5), 'x', 2 * BASE_CHUNK_BYTES + 5);
    rope_free(room->base);
    buf_clear(&room->genesis);
    make_genesis(room, buf_string(&base));
    room->config.genesis = buf_view(&room->genesis);
    room->config.create = true;
    room->config.base = room->base;
    restart(room);
    connect_to(room, (struct welcome){.head = 3, .peers = 1});
    hear_base(room); /* its third part */
    struct message reject = {.kind = MESSAGE_REJECT, .reject = {1, REFUSE_ORDER, bytes_of_string("in order")}};
    relay_says(room, &reject);
    for (int i = 0; i < 3; i++)
        hear_base(room);
    assert_int_equal(room->alarms, 0);
    reject.reject.ordinal = 2;
    relay_says(room, &reject);
    assert_int_equal(room->alarm, ALARM_REJECTED);
    buf_release(&base);
}

static void a_base_its_owner_did_not_sign_is_refused(void **state)
{
    struct room *room = *state;
    struct buf base = {0};
    struct rope *other = rope_from_bytes(bytes_of_string("fake"));
    room->config.genesis = (struct bytes){0};
    room->config.has_base = false;
    restart(room);
    base_seal(&room->keys, other, 0, &base);
    connect_to(room, (struct welcome){.head = 2, .peers = 1});
    say_record(room, 1, buf_view(&room->genesis));
    say_record(room, 2, buf_view(&base)); /* signed by the admin's key, but not the text GENESIS names */
    assert_int_equal(room->base_text.len, 0);
    assert_int_equal(room->dropped, 1);
    rope_free(other);
    buf_release(&base);
}

/* One agent on two machines, and somebody who has seen only one of them. */
struct fork {
    struct author ben, copy, carol;
    struct buf member, carol_member, first, on_ben[2], on_copy[2], on_that;
};

static void fork_init(struct fork *fork, const struct room *room)
{
    struct buf same = {0};
    *fork = (struct fork){.first = {0}};
    author_init(&fork->ben, room, 0xbe);
    author_init(&fork->copy, room, 0xbe);
    author_init(&fork->carol, room, 0xca);
    author_member(&fork->ben, room, &fork->member);
    author_member(&fork->carol, room, &fork->carol_member);
    author_record(&fork->ben, room, NULL, "1", &fork->first);
    author_record(&fork->copy, room, NULL, "1", &same);
    assert_true(bytes_equal(buf_view(&fork->first), buf_view(&same)));
    for (int i = 0; i < 2; i++) {
        author_record(&fork->ben, room, NULL, "b", &fork->on_ben[i]);
        author_record(&fork->copy, room, NULL, "c", &fork->on_copy[i]);
    }
    author_reads(&fork->carol, room, &fork->first);
    author_reads(&fork->carol, room, &fork->on_copy[0]);
    author_reads(&fork->carol, room, &fork->on_copy[1]);
    author_record(&fork->carol, room, &(struct event_id){fork->copy.agent, 2}, "t", &fork->on_that);
    buf_release(&same);
}

static void fork_release(struct fork *fork)
{
    author_release(&fork->ben);
    author_release(&fork->copy);
    author_release(&fork->carol);
    buf_release(&fork->member);
    buf_release(&fork->carol_member);
    buf_release(&fork->first);
    buf_release(&fork->on_that);
    for (int i = 0; i < 2; i++) {
        buf_release(&fork->on_ben[i]);
        buf_release(&fork->on_copy[i]);
    }
}

static void a_record_that_fitted_nowhere_is_asked_for_again_when_its_branch_has_grown(void **state)
{
    struct room *room = *state;
    struct fork fork;
    fork_init(&fork, room);
    connect_to(room, (struct welcome){.peers = 2});
    const struct buf *first[] = {&fork.member,    &fork.first,        &fork.on_ben[0], &fork.on_ben[1],
                                 &fork.on_copy[0], &fork.carol_member, &fork.on_that};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        say_record(room, 3 + i, buf_view(first[i]));
    expect_text(room, "1bbc");
    unsigned before = room->dropped;
    cut(room);
    connect_to(room, (struct welcome){.peers = 2});
    say_record(room, 9, buf_view(&fork.on_that));
    say_record(room, 10, buf_view(&fork.on_copy[1]));
    assert_int_equal(room->dropped, before + 1);
    connect_to(room, (struct welcome){.peers = 2});
    say_record(room, 9, buf_view(&fork.on_that));
    expect_text(room, "1bbcct");
    fork_release(&fork);
}

static void who_forks_on_beside_a_record_that_fits_nowhere_does_not_keep_us_reconnecting(void **state)
{
    struct room *room = *state;
    struct author eve, ben;
    struct buf bad = {0};
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &eve, 0xee);
    join(room, &ben, 0xbe);
    say_caught_up(room);
    author_record(&ben, room, NULL, "x", &bad);
    bad.data[bad.len - 1] ^= 1;
    for (unsigned i = 0; i <= CHAIN_AGENT_FORKS_MAX; i++) {
        unsigned before = room->dropped;
        say_record(room, 4 + i, buf_view(&bad));
        if (room->dropped > before) { /* the whole log is asked for, once */
            assert_int_equal(before++, 0);
            connect_to(room, (struct welcome){.peers = 2});
            say_caught_up(room);
            say_record(room, 4, buf_view(&bad));
        }
        say_twin(room, 0xee, 5 + i, (char[]){(char)('A' + i), 0});
        pass_time(room, 1000);
        if (room->dropped > before) {
            connect_to(room, (struct welcome){.peers = 2});
            say_caught_up(room);
        } else {
            say_peers(room, 2);
        }
    }
    assert_in_range(room->dropped, 1, 3);
    assert_int_equal(room->text.len, CHAIN_AGENT_FORKS_MAX + 1);
    author_release(&eve);
    author_release(&ben);
    buf_release(&bad);
}

/* Ben's writing was acknowledged by one log, his copy's by another, which we come to now: no vector shows that they differ. */
static void both_sides_of_a_fork_that_two_logs_acknowledged_come_together(void **state)
{
    struct room *room = *state;
    struct fork fork;
    fork_init(&fork, room);
    connect_to(room, (struct welcome){.peers = 2});
    const struct buf *here[] = {&fork.member, &fork.first, &fork.on_ben[0], &fork.on_ben[1]};
    const struct buf *there[] = {&fork.member,     &fork.first,        &fork.on_copy[0],
                                 &fork.on_copy[1], &fork.carol_member, &fork.on_that};
    for (size_t i = 0; i < 4; i++)
        say_record(room, 3 + i, buf_view(here[i]));
    say_caught_up(room);
    say_record(room, 7, buf_view(&fork.carol_member));
    say_record(room, 8, buf_view(&fork.on_that));
    assert_int_equal(room->dropped, 1);
    assert_int_equal(room->alarms, 0);

    forget_out(room);
    agent_numbers_clear(&room->numbers_in);
    agent_numbers_clear(&room->numbers_out);
    session_connected(room->session, &PLAIN, room->now_ms);
    say_challenge(room);
    const struct message *resume = expect_kind(room, MESSAGE_RESUME);
    assert_int_equal(resume->resume.place, 0);
    assert_int_equal(resume->resume.vector_count, 0);
    say_welcome(room, (struct welcome){.peers = 2, .vector = {{fork.ben.agent, 3}}, .count = 1});
    for (size_t i = 0; i < 6; i++)
        say_record(room, 3 + i, buf_view(there[i]));
    say_caught_up(room);
    expect_text(room, "1bbcct");
    assert_int_equal(room->alarm, ALARM_FORKED);

    struct bytes stored[] = {buf_view(&fork.on_ben[0]), buf_view(&fork.on_ben[1])};
    assert_true(agent_id_equal(&room->fetch_agent, &fork.ben.agent));
    assert_int_equal(room->fetch_from, 1);
    session_fetched(room->session, &fork.ben.agent, stored, 2, false, room->now_ms);
    persist_all(room);
    session_tick(room->session, room->now_ms);
    for (size_t i = 0; i < 2; i++)
        assert_true(bytes_equal(expect_kind(room, MESSAGE_REOFFER)->reoffer.stored, stored[i]));
    fork_release(&fork);
}

static void what_is_missing_is_asked_for_again_and_then_told(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf lost = {0}, record = {0};
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "1", &lost);
    author_record(&ben, room, NULL, "2", &record);
    say_record(room, 4, buf_view(&record));
    pass_time(room, SESSION_GAP_MS + 1);
    assert_int_equal(room->dropped, 1); /* to resume by the vector alone */
    connect_to(room, (struct welcome){.peers = 2});
    assert_int_equal(expect_kind(room, MESSAGE_RESUME)->resume.place, 0);
    say_record(room, 4, buf_view(&record));
    say_caught_up(room);
    for (int i = 0; i < 20 && room->alarms == 0; i++) {
        pass_time(room, 2000);
        relay_says(room, &(struct message){.kind = MESSAGE_PEERS, .peers = {2}});
    }
    assert_int_equal(room->alarm, ALARM_WITHHELD);
    author_release(&ben);
    buf_release(&lost);
    buf_release(&record);
}

/* --- proof of life --- */

static void an_idle_session_wants_no_tick_for_25_seconds(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    say_caught_up(room);
    pass_time(room, SESSION_GAP_MS);
    uint64_t wait_ms = session_next_ms(room->session) - room->now_ms;
    assert_in_range(wait_ms, SESSION_PING_IDLE_MS - SESSION_GAP_MS - 1, SESSION_PING_IDLE_MS);
    assert_true(status_of(room).idle);
}

static void silence_is_offline_after_3_seconds_while_it_matters(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 2});
    pass_time(room, SESSION_PING_MS);
    expect_kind(room, MESSAGE_PING);
    assert_int_equal(status_of(room).state, SESSION_ONLINE);
    pass_time(room, SESSION_SILENT_MS - SESSION_PING_MS - 1);
    assert_int_equal(status_of(room).state, SESSION_ONLINE);
    assert_int_equal(session_next_ms(room->session), room->now_ms + 1); /* it is looked at in time */
    pass_time(room, 1);
    assert_int_equal(status_of(room).state, SESSION_OFFLINE);
    assert_int_equal(room->dropped, 0);
    relay_says(room, &(struct message){.kind = MESSAGE_PONG, .ping = {1}});
    assert_int_equal(status_of(room).state, SESSION_ONLINE);
    assert_int_equal(status_of(room).rtt_ms, SESSION_SILENT_MS - SESSION_PING_MS);
}

/* A key that changes nothing. */
static void press(struct room *room)
{
    struct session_view view = {.has_cursor = true};
    session_present(room->session, &view, room->now_ms);
}

static void say_pong(struct room *room)
{
    uint64_t nonce = expect_kind(room, MESSAGE_PING)->ping.nonce;
    relay_says(room, &(struct message){.kind = MESSAGE_PONG, .ping = {nonce}});
}

static void alone_and_untouched_it_is_idle_and_asked_every_25_seconds(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    say_caught_up(room);
    press(room); /* for a minute it matters */
    for (unsigned ms = 0; ms < SESSION_ACTIVE_MS - SESSION_PING_MS; ms += SESSION_PING_MS) {
        assert_false(status_of(room).idle);
        pass_time(room, SESSION_PING_MS);
        say_pong(room);
    }
    pass_time(room, SESSION_PING_MS);
    assert_true(status_of(room).idle);
    forget_out(room);
    pass_time(room, SESSION_PING_IDLE_MS - SESSION_PING_MS - 1);
    assert_true(hears_none_of(room, MESSAGE_PING));
    assert_int_equal(status_of(room).state, SESSION_ONLINE); /* silent for long, and it does not matter */
    pass_time(room, SESSION_PING_MS + 1);
    say_pong(room);
    assert_true(status_of(room).idle);
    pass_time(room, SESSION_PING_IDLE_MS - 2);
    forget_out(room);
    press(room); /* now it does: from here on, not from the last byte */
    assert_int_equal(status_of(room).state, SESSION_ONLINE);
    expect_kind(room, MESSAGE_PING);
    pass_time(room, SESSION_SILENT_MS - 1);
    assert_int_equal(status_of(room).state, SESSION_ONLINE);
    pass_time(room, 1);
    assert_int_equal(status_of(room).state, SESSION_OFFLINE);
}

static void a_long_way_is_not_taken_for_silence(void **state)
{
    enum { WAY_MS = 1200 };
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 2});
    for (int i = 0; i < 20; i++) {
        while (hears_none_of(room, MESSAGE_PING)) {
            pass_time(room, 100);
            assert_true(i == 0 || status_of(room).state == SESSION_ONLINE);
        }
        pass_time(room, WAY_MS);
        assert_true(i == 0 || status_of(room).state == SESSION_ONLINE);
        relay_says(room, &(struct message){.kind = MESSAGE_PONG, .ping = {(uint64_t)i + 1}});
    }
}

static void a_dead_connection_is_dropped(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 2});
    while (room->dropped == 0 && room->now_ms < 1100000)
        pass_time(room, session_next_ms(room->session) - room->now_ms);
    assert_in_range(room->now_ms - 1000000, SESSION_DEAD_MS, SESSION_DEAD_MS + SESSION_PING_MS + 1);
}

static void ticks_never_stand_still(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 3});
    type(room, "a");
    for (int i = 0; i < 200; i++) {
        uint64_t next_ms = session_next_ms(room->session);
        assert_true(next_ms > room->now_ms);
        if (next_ms == UINT64_MAX)
            break;
        pass_time(room, next_ms - room->now_ms);
    }
}

/* --- presence --- */

static struct session_view cursor_at(uint64_t cursor)
{
    return (struct session_view){.has_cursor = true, .cursor = cursor, .anchor = cursor};
}

static void show_cursor(struct room *room, uint64_t cursor)
{
    struct session_view view = cursor_at(cursor);
    session_present(room->session, &view, room->now_ms);
}

static void presence_waits_for_others_and_keeps_its_pace(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 1});
    show_cursor(room, 1);
    assert_true(hears_none_of(room, MESSAGE_PRESENCE));
    say_peers(room, 2);
    expect_kind(room, MESSAGE_PRESENCE);
    show_cursor(room, 2);
    show_cursor(room, 3);
    assert_true(hears_none_of(room, MESSAGE_PRESENCE));
    pass_time(room, SESSION_PRESENCE_GAP_MS);
    expect_kind(room, MESSAGE_PRESENCE);
    pass_time(room, SESSION_PRESENCE_BEAT_MS);
    expect_kind(room, MESSAGE_PRESENCE);
}

static void a_newcomer_is_sent_a_card(void **state)
{
    struct room *room = *state;
    struct presence presence = {0};
    struct error err = {0};
    connect_to(room, (struct welcome){.peers = 2});
    expect_kind(room, MESSAGE_PRESENCE);
    pass_time(room, SESSION_PRESENCE_BEAT_MS);
    assert_true(presence_open(expect_kind(room, MESSAGE_PRESENCE)->presence.sealed, &room->keys, &presence, &err));
    assert_false(presence.has_card);
    pass_time(room, SESSION_PRESENCE_GAP_MS);
    say_peers(room, 3);
    assert_true(presence_open(expect_kind(room, MESSAGE_PRESENCE)->presence.sealed, &room->keys, &presence, &err));
    assert_true(presence.has_card);
    assert_string_equal(presence.name, "ana");
}

static void say_presence(struct room *room, const struct author *author, const struct sign_key *key, uint64_t counter)
{
    struct buf sealed = {0};
    struct presence presence = {.agent = author->agent, .counter = counter, .doc_key = key->public_key};
    presence_seal(&presence, &room->keys, key, &sealed);
    relay_says(room, &(struct message){.kind = MESSAGE_PRESENCE, .presence = {buf_view(&sealed)}});
    buf_release(&sealed);
}

static void a_members_presence_is_believed_under_its_own_key_only(void **state)
{
    struct room *room = *state;
    struct author ben;
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    say_presence(room, &ben, &room->relay_key, 1);
    assert_int_equal(room->peers, 0);
    say_presence(room, &ben, &ben.doc_key, 2);
    assert_int_equal(room->peers, 1);
    assert_true(room->peer.writer);
    assert_string_equal(room->peer.presence.name, "ben");
    say_presence(room, &ben, &ben.doc_key, 1);
    assert_int_equal(room->peers, 1); /* an old one changes nothing */
    author_release(&ben);
}

static void somebody_not_heard_for_5_seconds_is_quiet_and_alone_means_gone(void **state)
{
    struct room *room = *state;
    struct author ben;
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    say_presence(room, &ben, &ben.doc_key, 1);
    assert_int_equal(room->peer.state, PEER_HERE);
    pass_time(room, PEERS_QUIET_MS);
    assert_int_equal(room->peer.state, PEER_QUIET);
    say_peers(room, 1);
    assert_int_equal(room->peer.state, PEER_GONE);
    author_release(&ben);
}

static void edits_that_somebody_speaks_of_and_that_never_come_are_asked_for_and_told(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf sealed = {0};
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    say_caught_up(room);
    struct presence presence = {.agent = ben.agent, .counter = 1, .doc_key = ben.doc_key.public_key, .head_count = 1};
    presence.heads[0] = (struct event_id){ben.agent, 7};
    presence_seal(&presence, &room->keys, &ben.doc_key, &sealed);
    relay_says(room, &(struct message){.kind = MESSAGE_PRESENCE, .presence = {buf_view(&sealed)}});
    pass_time(room, SESSION_GAP_MS);
    assert_int_equal(room->dropped, 1);
    connect_to(room, (struct welcome){.peers = 2});
    assert_int_equal(expect_kind(room, MESSAGE_RESUME)->resume.place, 0);
    say_caught_up(room);
    for (int i = 0; i < 13; i++) {
        pass_time(room, 2000);
        say_peers(room, 2);
    }
    assert_int_equal(room->dropped, 1);
    assert_int_equal(room->alarm, ALARM_WITHHELD);
    assert_true(agent_id_equal(&room->alarm_agent, &ben.agent));
    author_release(&ben);
    buf_release(&sealed);
}

/* He says that there is an event of his that is not here. */
static void say_head(struct room *room, const struct author *author, uint64_t counter, unsigned flags)
{
    struct buf sealed = {0};
    struct presence presence = {.agent = author->agent, .counter = counter, .flags = flags,
                                .doc_key = author->doc_key.public_key, .head_count = 1};
    presence.heads[0] = (struct event_id){author->agent, 7};
    presence_seal(&presence, &room->keys, &author->doc_key, &sealed);
    relay_says(room, &(struct message){.kind = MESSAGE_PRESENCE, .presence = {buf_view(&sealed)}});
    buf_release(&sealed);
}

static void wait_for_alarm(struct room *room)
{
    for (unsigned waited = 0; waited < 2 * SESSION_GAP_ALARM_MS; waited += 2000) {
        pass_time(room, 2000);
        if (room->dropped > 0)
            return;
        say_peers(room, 2);
    }
}

static void a_viewers_word_of_edits_moves_nobody_and_hides_no_writers(void **state)
{
    struct room *room = *state;
    struct author ben, viewer;
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    author_init(&viewer, room, 0x77);
    say_caught_up(room);
    say_head(room, &viewer, 1, PRESENCE_VIEWER);
    wait_for_alarm(room);
    assert_int_equal(room->dropped, 0);
    assert_int_equal(room->alarms, 0);
    say_head(room, &ben, 1, 0);
    wait_for_alarm(room);
    assert_int_equal(room->dropped, 1); /* to ask again */
    author_release(&ben);
    author_release(&viewer);
}

static void edits_that_are_not_sent_yet_or_whose_writer_has_left_are_not_awaited(void **state)
{
    struct room *room = *state;
    struct author ben;
    connect_to(room, (struct welcome){.peers = 2});
    join(room, &ben, 0xbe);
    say_caught_up(room);
    say_head(room, &ben, 1, PRESENCE_UNSENT);
    wait_for_alarm(room);
    say_head(room, &ben, 2, 0);
    say_head(room, &ben, 3, PRESENCE_LEAVING);
    wait_for_alarm(room);
    assert_int_equal(room->dropped, 0);
    assert_int_equal(room->alarms, 0);
    author_release(&ben);
}

static void presence_says_whether_the_relay_has_what_it_speaks_of(void **state)
{
    struct room *room = *state;
    connect_to(room, (struct welcome){.peers = 2});
    say_caught_up(room);
    type(room, "a");
    struct session_view view = {.head_count = 1, .heads = {{room->self, 0}}};
    forget_out(room);
    session_present(room->session, &view, room->now_ms);
    pass_time(room, SESSION_PRESENCE_BEAT_MS);
    assert_true(hear_presence_flags(room) & PRESENCE_UNSENT);
    say_ack(room, 2);
    forget_out(room);
    pass_time(room, SESSION_PRESENCE_BEAT_MS);
    assert_false(hear_presence_flags(room) & PRESENCE_UNSENT);
}

static void leaving_says_goodbye(void **state)
{
    struct room *room = *state;
    struct presence presence = {0};
    struct error err = {0};
    connect_to(room, (struct welcome){.peers = 2});
    expect_kind(room, MESSAGE_PRESENCE);
    session_leave(room->session, room->now_ms);
    assert_true(presence_open(expect_kind(room, MESSAGE_PRESENCE)->presence.sealed, &room->keys, &presence, &err));
    assert_true(presence.flags & PRESENCE_LEAVING);
}

static void who_only_reads_along_is_not_seen(void **state)
{
    struct room *room = *state;
    room->config.unseen = true;
    restart(room);
    connect_to(room, (struct welcome){.peers = 2});
    show_cursor(room, 1);
    pass_time(room, SESSION_PRESENCE_BEAT_MS);
    session_leave(room->session, room->now_ms);
    assert_true(hears_none_of(room, MESSAGE_PRESENCE));
}

static void who_only_reads_along_still_tells_that_the_base_is_missing(void **state)
{
    struct room *room = *state;
    room->config.unseen = true;
    join_without_base(room);
    say_caught_up(room);
    forget_out(room);
    pass_time(room, SESSION_GAP_MS + SESSION_PRESENCE_BEAT_MS);
    assert_true(hear_presence_flags(room) & PRESENCE_NO_BASE);
}

#define ROOM_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOM_TEST(a_challenge_is_answered_by_hello_and_resume),
        ROOM_TEST(a_relay_of_another_protocol_is_refused_in_words),
        ROOM_TEST(so_is_one_that_says_it_before_there_is_a_connection),
        ROOM_TEST(a_relay_with_another_key_than_the_pinned_one_hears_nothing),
        ROOM_TEST(only_the_owners_word_moves_the_document),
        ROOM_TEST(who_names_the_pinned_key_without_holding_it_hears_nothing),
        ROOM_TEST(a_proof_of_another_connection_document_or_version_is_refused),
        ROOM_TEST(a_certificate_that_is_not_the_relays_is_refused),
        ROOM_TEST(a_refusal_is_told_with_its_code),
        ROOM_TEST(noise_from_the_relay_ends_the_connection_only),
        ROOM_TEST(a_record_leaves_only_after_the_journal_has_it),
        ROOM_TEST(an_agents_first_record_is_its_member),
        ROOM_TEST(a_change_on_disk_is_introduced_as_somebodys_disk),
        ROOM_TEST(an_acknowledged_record_is_reported_and_no_longer_counted),
        ROOM_TEST(a_key_after_a_pause_leaves_at_once_and_the_next_ones_together),
        ROOM_TEST(a_relay_that_answers_quickly_gets_the_next_key_quickly),
        ROOM_TEST(alone_in_the_document_batches_wait_longer_until_somebody_joins),
        ROOM_TEST(what_was_typed_offline_travels_in_one_record),
        ROOM_TEST(a_thousand_edits_typed_offline_travel_in_few_records),
        ROOM_TEST(only_the_first_batch_of_a_record_builds_on_others),
        ROOM_TEST(an_idle_author_packs_what_the_relay_has),
        ROOM_TEST(a_pack_leaves_only_after_the_journal_has_it),
        ROOM_TEST(a_few_records_are_left_as_they_are_until_there_are_more),
        ROOM_TEST(only_the_first_batch_of_a_pack_builds_on_others),
        ROOM_TEST(a_relay_that_takes_no_packs_is_not_asked_again_and_edits_go_on),
        ROOM_TEST(a_pack_lost_with_the_connection_is_sent_again_byte_for_byte),
        ROOM_TEST(a_pack_of_what_is_known_is_kept_if_its_author_signed_it),
        ROOM_TEST(a_pack_of_ours_that_comes_back_is_kept_and_no_fork),
        ROOM_TEST(originals_of_a_disputed_pack_are_offered_again),
        ROOM_TEST(after_a_cut_the_same_bytes_are_sent_again),
        ROOM_TEST(resuming_gets_behind_what_we_wrote_ourselves),
        ROOM_TEST(resuming_does_not_pass_what_is_waited_for_by_an_acknowledgement),
        ROOM_TEST(what_was_taken_over_is_sent_in_the_order_in_which_it_was_written),
        ROOM_TEST(what_was_not_acknowledged_is_sent_again_whatever_the_vector_says),
        ROOM_TEST(a_restart_sends_what_the_outbox_holds_byte_for_byte),
        ROOM_TEST(a_relay_that_lost_its_tail_gets_acknowledged_records_again),
        ROOM_TEST(other_peoples_lost_records_are_offered_again_after_a_while),
        ROOM_TEST(unacknowledged_bytes_stay_within_the_window),
        ROOM_TEST(a_full_link_is_asked_again_when_it_has_room),
        ROOM_TEST(not_now_means_the_same_record_after_a_pause),
        ROOM_TEST(an_id_that_the_relay_has_with_other_content_is_an_alarm),
        ROOM_TEST(the_owner_uploads_the_base_before_anything_else),
        ROOM_TEST(nobody_writes_into_the_places_of_a_base_that_the_relay_lost),
        ROOM_TEST(a_view_only_session_uploads_nothing),
        ROOM_TEST(a_record_that_verifies_is_handed_out_once),
        ROOM_TEST(early_records_come_out_in_causal_order_and_the_resume_point_waits),
        ROOM_TEST(every_flipped_bit_is_refused_and_others_go_on),
        ROOM_TEST(no_altered_record_is_ever_accepted),
        ROOM_TEST(an_unknown_optional_record_is_kept_if_a_writer_signed_it),
        ROOM_TEST(an_unknown_mandatory_record_of_a_writer_says_update_weft),
        ROOM_TEST(an_unknown_mandatory_record_that_nobody_signed_is_no_reason_to_stop_writing),
        ROOM_TEST(history_is_taken_on_its_newest_signature_and_live_records_each_on_its_own),
        ROOM_TEST(a_readers_record_is_refused),
        ROOM_TEST(of_a_writer_who_gives_one_id_two_contents_both_are_taken_and_it_is_told),
        ROOM_TEST(of_a_writer_who_forks_without_end_so_many_branches_are_kept_and_nobody_waits),
        ROOM_TEST(a_joiner_gets_genesis_and_base),
        ROOM_TEST(a_joiner_takes_the_base_in_any_order),
        ROOM_TEST(edits_in_front_of_the_base_are_read_once_it_is_here),
        ROOM_TEST(who_has_read_all_and_lacks_the_base_says_so),
        ROOM_TEST(the_owner_offers_the_base_again_to_whoever_lacks_it),
        ROOM_TEST(the_owner_begins_the_base_anew_where_the_relay_has_less_than_it_said),
        ROOM_TEST(a_base_its_owner_did_not_sign_is_refused),
        ROOM_TEST(a_record_that_fitted_nowhere_is_asked_for_again_when_its_branch_has_grown),
        ROOM_TEST(who_forks_on_beside_a_record_that_fits_nowhere_does_not_keep_us_reconnecting),
        ROOM_TEST(both_sides_of_a_fork_that_two_logs_acknowledged_come_together),
        ROOM_TEST(what_is_missing_is_asked_for_again_and_then_told),
        ROOM_TEST(an_idle_session_wants_no_tick_for_25_seconds),
        ROOM_TEST(silence_is_offline_after_3_seconds_while_it_matters),
        ROOM_TEST(alone_and_untouched_it_is_idle_and_asked_every_25_seconds),
        ROOM_TEST(a_long_way_is_not_taken_for_silence),
        ROOM_TEST(a_dead_connection_is_dropped),
        ROOM_TEST(ticks_never_stand_still),
        ROOM_TEST(presence_waits_for_others_and_keeps_its_pace),
        ROOM_TEST(a_newcomer_is_sent_a_card),
        ROOM_TEST(a_members_presence_is_believed_under_its_own_key_only),
        ROOM_TEST(somebody_not_heard_for_5_seconds_is_quiet_and_alone_means_gone),
        ROOM_TEST(edits_that_somebody_speaks_of_and_that_never_come_are_asked_for_and_told),
        ROOM_TEST(a_viewers_word_of_edits_moves_nobody_and_hides_no_writers),
        ROOM_TEST(edits_that_are_not_sent_yet_or_whose_writer_has_left_are_not_awaited),
        ROOM_TEST(presence_says_whether_the_relay_has_what_it_speaks_of),
        ROOM_TEST(a_full_relay_is_told_once_in_its_words_until_it_has_room),
        ROOM_TEST(leaving_says_goodbye),
        ROOM_TEST(who_only_reads_along_is_not_seen),
        ROOM_TEST(who_only_reads_along_still_tells_that_the_base_is_missing),
    };
    return RUN_TESTS("session", tests);
}
