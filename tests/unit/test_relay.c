/* The relay core between virtual links: who gets in, what is taken, what comes out, and what a restart keeps. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/checkpoint.h"
#include "sync/relay/relay.h"
#include "tests/support/relay_peer.h"

enum { LINKS_MAX = 8, INBOX_MAX = 4096 };

struct world;

/* One connection seen from outside: what the relay sent on it, message by message. */
struct link {
    struct world *world;
    struct relay_connection *connection;
    struct buf frames[INBOX_MAX];
    size_t count, read;
    size_t stuck; /* bytes that never leave: a reader who does not read */
    size_t queued;
    bool wants_write;
    unsigned closed; /* close code; 0: open */
    struct relay_peer *peer;
    struct message message; /* the one read last */
};

struct world {
    struct store *store;
    struct relay *relay;
    struct sign_key key;
    struct relay_limits limits;
    const char *token;
    uint64_t retain_s;
    uint64_t now;
    unsigned char nonce;
    struct doc_keys keys; /* of the one document */
    struct link links[LINKS_MAX];
    size_t link_count;
};

/* --- the port --- */

static void port_send(void *self, void *link_, struct relay_frame *frame)
{
    struct link *link = link_;
    (void)self;
    assert_true(link->count < INBOX_MAX);
    if (link->stuck)
        link->queued += relay_frame_payload(frame).len;
    buf_add_bytes(&link->frames[link->count++], relay_frame_payload(frame));
    relay_frame_drop(frame);
}

static size_t port_queued(void *self, void *link)
{
    (void)self;
    return ((struct link *)link)->queued;
}

static void port_want_write(void *self, void *link)
{
    (void)self;
    ((struct link *)link)->wants_write = true;
}

static void port_resumed(void *self, void *link)
{
    (void)self;
    assert_true(relay_reads(((struct link *)link)->connection));
}

static void port_close(void *self, void *link, unsigned code, const char *reason)
{
    (void)self;
    (void)reason;
    ((struct link *)link)->closed = code;
}

static void port_random(void *self, void *out, size_t len)
{
    memset(out, ++((struct world *)self)->nonce, len);
}

/* --- the world --- */

static void world_start(struct world *world)
{
    struct relay_port port = {.self = world,
                              .send = port_send,
                              .queued = port_queued,
                              .want_write = port_want_write,
                              .resumed = port_resumed,
                              .close = port_close,
                              .random = port_random};
    struct relay_options options = {
        .limits = world->limits, .key = &world->key, .token = world->token, .retain_s = world->retain_s};
    world->relay = relay_new(&options, world->store, &port);
    relay_tick(world->relay, world->now, 1000);
}

static int world_setup(void **state)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {42};
    struct world *world = xcalloc(1, sizeof *world);
    struct error err = {0};
    assert_true(crypto_start(&err));
    world->store = store_open(&(struct store_options){.path = ":memory:", .by_hand = true}, &err);
    assert_non_null(world->store);
    world->limits = relay_limits_default();
    world->now = 1000;
    sign_key_from_seed(&world->key, seed);
    doc_keys_new(&world->keys);
    world_start(world);
    *state = world;
    return 0;
}

static void link_release(struct link *link)
{
    for (size_t i = 0; i < link->count; i++)
        buf_release(&link->frames[i]);
    message_release(&link->message);
    *link = (struct link){0};
}

static int world_teardown(void **state)
{
    struct world *world = *state;
    relay_free(world->relay);
    store_free(world->store);
    for (size_t i = 0; i < world->link_count; i++)
        link_release(&world->links[i]);
    doc_keys_wipe(&world->keys);
    free(world);
    return 0;
}

static void world_restart(struct world *world, bool crash)
{
    if (crash)
        store_crash(world->store);
    relay_free(world->relay);
    for (size_t i = 0; i < world->link_count; i++)
        link_release(&world->links[i]);
    world->link_count = 0;
    world_start(world);
}

/* The disk does its work and every link that asked writes, until nothing moves. */
static void world_settle(struct world *world)
{
    for (bool moved = true; moved;) {
        store_commit(world->store);
        moved = relay_poll(world->relay, world->now) > 0;
        for (size_t i = 0; i < world->link_count; i++) {
            struct link *link = &world->links[i];
            if (!link->wants_write || !link->connection || link->queued > 0)
                continue;
            link->wants_write = false;
            relay_writable(link->connection, world->now);
            moved = true;
        }
    }
}

static struct link *connect_from(struct world *world, struct relay_peer *peer, const char *address)
{
    assert_true(world->link_count < LINKS_MAX);
    struct link *link = &world->links[world->link_count++];
    *link = (struct link){.world = world, .peer = peer};
    relay_peer_reconnect(peer);
    link->connection = relay_accept(world->relay, link, &(struct relay_guest){.address = address}, world->now);
    return link;
}

static void offer(struct link *link, struct bytes frame)
{
    assert_true(relay_reads(link->connection));
    relay_receive(link->connection, frame, link->world->now);
}

static void offer_buf(struct link *link, struct buf *frame)
{
    offer(link, buf_view(frame));
    buf_release(frame);
}

static void knock(struct link *link)
{
    struct buf frame = {0};
    relay_peer_knock(link->peer, &frame);
    offer_buf(link, &frame);
}

static void hello(struct link *link, bool creates, const char *token)
{
    struct buf genesis = {0}, frame = {0};
    knock(link);
    if (creates)
        relay_peer_genesis(link->peer, &genesis);
    relay_peer_hello(link->peer, buf_view(&link->frames[0]), buf_view(&genesis), token, &frame);
    link->read = 1;
    offer_buf(link, &frame);
    world_settle(link->world);
    buf_release(&genesis);
}

static void resume(struct link *link, const struct message *message)
{
    struct buf frame = {0};
    relay_peer_resume(link->peer, message, &frame);
    offer_buf(link, &frame);
    world_settle(link->world);
}

static struct link *join_as(struct world *world, struct relay_peer *peer, bool creates)
{
    struct link *link = connect_from(world, peer, "");
    hello(link, creates, "");
    resume(link, NULL);
    return link;
}

/* The next message the relay sent, or NULL. */
static const struct message *next(struct link *link)
{
    struct error err = {0};
    if (link->read == link->count)
        return NULL;
    struct bytes frame = buf_view(&link->frames[link->read++]);
    if (!message_decode(frame, MESSAGE_BY_RELAY, &link->peer->numbers_in, &link->message, &err))
        fail_msg("%s", err.text);
    return &link->message;
}

/* Skips to the next message of that kind. */
static const struct message *expect(struct link *link, enum message_kind kind)
{
    const struct message *message;
    while ((message = next(link)))
        if (message->kind == kind)
            return message;
    fail_msg("no message of kind %d", kind);
    return NULL;
}

static void expect_refused(struct link *link, enum refuse_code code)
{
    assert_int_equal(expect(link, MESSAGE_REFUSE)->refuse.code, code);
    assert_int_equal(link->closed, relay_close_code(code));
}

static void expect_rejected(struct link *link, uint64_t ordinal, enum refuse_code code)
{
    const struct message *message = expect(link, MESSAGE_REJECT);
    assert_int_equal(message->reject.ordinal, ordinal);
    assert_int_equal(message->reject.code, code);
}

static void expect_acked(struct link *link, uint64_t ordinal)
{
    const struct message *message = expect(link, MESSAGE_ACK);
    while (message->ack.ordinal < ordinal)
        message = expect(link, MESSAGE_ACK);
    assert_int_equal(message->ack.ordinal, ordinal);
}

/* Counts records of each kind in all messages that are left; the places rise. */
struct tally {
    size_t genesis, base, members, events, packs, frames;
    uint64_t last_place;
};

static void tally_record(struct tally *tally, const struct place_record *item)
{
    struct record record;
    struct error err = {0};
    assert_true(item->place > tally->last_place);
    tally->last_place = item->place;
    assert_true(record_decode(item->stored, &record, &err));
    tally->genesis += record.kind == RECORD_GENESIS;
    tally->base += record.kind == RECORD_BASE;
    tally->members += record.kind == RECORD_MEMBER;
    tally->events += record.kind == RECORD_EVENTS;
    tally->packs += record.kind == RECORD_PACK;
}

static struct tally tally_rest(struct link *link)
{
    struct tally tally = {0};
    for (const struct message *message; (message = next(link));) {
        if (message->kind != MESSAGE_RECORDS)
            continue;
        tally.frames++;
        for (size_t i = 0; i < message->records.count; i++)
            tally_record(&tally, &message->records.items[i]);
    }
    return tally;
}

static void upload(struct link *link, const struct buf *record)
{
    struct buf frame = {0};
    struct bytes stored = buf_view(record);
    relay_peer_records(link->peer, &stored, 1, &frame);
    offer_buf(link, &frame);
}

static void upload_member(struct link *link)
{
    struct buf record = {0};
    relay_peer_member(link->peer, &record);
    upload(link, &record);
    buf_release(&record);
}

static void upload_events(struct link *link, const char *text)
{
    struct buf record = {0};
    relay_peer_events(link->peer, text, &record);
    upload(link, &record);
    buf_release(&record);
}

static void link_cut(struct link *link)
{
    relay_gone(link->connection, link->world->now);
    link->connection = NULL;
}

/* --- coming in --- */

static void the_owner_creates_the_document_and_a_reader_gets_what_was_written(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, guest;
    struct doc_keys view;
    relay_peer_init(&owner, &world->keys, 1);
    relay_peer_link(&world->keys, ACCESS_READ, &view);
    relay_peer_init(&guest, &view, 2);

    struct link *a = join_as(world, &owner, true);
    assert_int_equal(expect(a, MESSAGE_WELCOME)->welcome.head, 1);
    upload_member(a);
    upload_events(a, "hello");
    world_settle(world);
    expect_acked(a, 2);

    struct link *b = join_as(world, &guest, false);
    const struct message *welcome = expect(b, MESSAGE_WELCOME);
    assert_int_equal(welcome->welcome.head, 3);
    assert_int_equal(welcome->welcome.peers, 2);
    assert_int_equal(welcome->welcome.vector_count, 1);
    assert_int_equal(welcome->welcome.vector[0].next_seq, 5);
    size_t start = b->read;
    assert_int_equal(expect(b, MESSAGE_CAUGHT_UP)->caught_up.head, 3);
    b->read = start;
    agent_numbers_clear(&guest.numbers_in);
    struct tally tally = tally_rest(b);
    assert_int_equal(tally.genesis, 1);
    assert_int_equal(tally.members, 1);
    assert_int_equal(tally.events, 1);
    relay_peer_release(&owner);
    relay_peer_release(&guest);
}

/* Its owner was told that it is there, and others have written since. */
static void a_base_that_is_missing_comes_behind_what_was_written(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, guest;
    struct buf chunks[2] = {{0}}, text = {0};
    memset(buf_extend(&text, BASE_CHUNK_BYTES + 1), 'x', BASE_CHUNK_BYTES + 1);
    struct rope *base = rope_from_bytes(buf_view(&text));
    base_seal(&world->keys, base, 0, &chunks[0]);
    base_seal(&world->keys, base, 1, &chunks[1]);
    relay_peer_init(&owner, &world->keys, 1);
    relay_peer_init(&guest, &world->keys, 2);
    struct link *a = join_as(world, &owner, true);
    upload(a, &chunks[1]);
    expect_rejected(a, 1, REFUSE_ORDER); /* nobody has written: the first comes first */
    upload_member(a);
    for (int i = 0; i < 2; i++) { /* the second time they are known */
        upload(a, &chunks[0]);
        upload(a, &chunks[1]);
        world_settle(world);
    }
    expect_acked(a, 6);

    struct link *b = join_as(world, &guest, false);
    struct tally tally = tally_rest(b);
    assert_int_equal(tally.members, 1);
    assert_int_equal(tally.base, 2);
    rope_free(base);
    buf_release(&text);
    buf_release(&chunks[0]);
    buf_release(&chunks[1]);
    relay_peer_release(&owner);
    relay_peer_release(&guest);
}

/* What a client needs to resume behind what it has written itself. */
static void an_ack_says_the_place_and_nothing_of_ones_own_comes_back(void **state)
{
    enum { EDITS = 2000 };
    struct world *world = *state;
    struct relay_peer owner, guest;
    struct buf record = {0};
    struct message known = {.kind = MESSAGE_RESUME};
    world->limits = relay_limits_none();
    world_restart(world, false);
    relay_peer_init(&owner, &world->keys, 1);
    relay_peer_init(&guest, &world->keys, 2);
    struct link *a = join_as(world, &owner, true);
    memcpy(known.resume.log.bytes, expect(a, MESSAGE_WELCOME)->welcome.log.bytes, LOG_ID_BYTES);
    upload_member(a);
    world_settle(world);
    (void)tally_rest(a);
    for (int i = 0; i < EDITS; i++) {
        if (i == EDITS / 2) /* alone or not */
            join_as(world, &guest, false);
        buf_clear(&record);
        relay_peer_events(&owner, "x", &record);
        upload(a, &record);
        world_settle(world);
        for (const struct message *message; (message = next(a));) {
            assert_int_not_equal(message->kind, MESSAGE_RECORDS);
            if (message->kind == MESSAGE_ACK)
                known.resume.place = message->ack.place;
        }
    }
    assert_int_equal(known.resume.place, 2 + EDITS);
    record_hash(buf_view(&record), &known.resume.hash);

    /* He owes something: his vector does not speak of himself. */
    link_cut(a);
    a = connect_from(world, &owner, "");
    hello(a, false, "");
    uint64_t before = relay_counts(world->relay).records_out;
    resume(a, &known);
    assert_int_equal(relay_counts(world->relay).records_out, before);
    expect(a, MESSAGE_CAUGHT_UP);
    buf_release(&record);
    relay_peer_release(&owner);
    relay_peer_release(&guest);
}

static void a_wrong_read_key_is_refused(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, stranger;
    relay_peer_init(&owner, &world->keys, 1);
    join_as(world, &owner, true);
    relay_peer_init(&stranger, &world->keys, 2);
    unsigned char seed[CRYPTO_SEED_BYTES] = {5};
    sign_key_from_seed(&stranger.keys.read_key, seed);
    uint64_t sent = relay_counts(world->relay).records_out;
    struct link *link = connect_from(world, &stranger, "");
    hello(link, false, "");
    expect_refused(link, REFUSE_AUTH);
    assert_int_equal(relay_counts(world->relay).records_out, sent);
    /* Nor is a document opened for him: he may be anybody. */
    link_cut(world->links);
    world_settle(world);
    assert_int_equal(relay_counts(world->relay).documents, 0);
    link = connect_from(world, &stranger, "");
    hello(link, false, "");
    expect_refused(link, REFUSE_AUTH);
    assert_int_equal(relay_counts(world->relay).documents, 0);
    relay_peer_release(&owner);
    relay_peer_release(&stranger);
}

static void a_wrong_device_proof_is_refused(void **state)
{
    struct world *world = *state;
    struct relay_peer owner;
    relay_peer_init(&owner, &world->keys, 1);
    struct link *link = connect_from(world, &owner, "");
    owner.doc_key.secret[0] ^= 1;
    hello(link, true, "");
    expect_refused(link, REFUSE_AUTH);
    relay_peer_release(&owner);
}

static void an_unknown_document_is_refused_unless_it_is_created(void **state)
{
    struct world *world = *state;
    struct relay_peer owner;
    relay_peer_init(&owner, &world->keys, 1);
    struct link *link = connect_from(world, &owner, "");
    hello(link, false, "");
    expect_refused(link, REFUSE_NO_DOCUMENT);
    relay_peer_release(&owner);
}

static void creating_needs_the_token_and_joining_does_not(void **state)
{
    struct world *world = *state;
    world->token = "open sesame";
    world_restart(world, false);
    struct relay_peer owner;
    relay_peer_init(&owner, &world->keys, 1);
    struct link *link = connect_from(world, &owner, "");
    hello(link, true, "open");
    expect_refused(link, REFUSE_TOKEN);
    link = connect_from(world, &owner, "");
    hello(link, true, "open sesame");
    resume(link, NULL);
    expect(link, MESSAGE_WELCOME);
    link = join_as(world, &owner, false);
    expect(link, MESSAGE_WELCOME);
    relay_peer_release(&owner);
}

static void the_relay_proves_its_key_before_it_is_told_anything(void **state)
{
    struct world *world = *state;
    struct relay_peer owner;
    relay_peer_init(&owner, &world->keys, 1);
    struct link *link = connect_from(world, &owner, "");
    assert_int_equal(link->count, 0);
    knock(link);
    const struct message *challenge = expect(link, MESSAGE_CHALLENGE);
    struct handshake handshake = owner.handshake;
    struct digest digest;
    handshake.relay_low = challenge->challenge.low;
    handshake.relay_high = challenge->challenge.high;
    handshake.relay_key = world->key.public_key;
    memcpy(handshake.relay_nonce, challenge->challenge.nonce, sizeof handshake.relay_nonce);
    challenge_digest(&handshake, &digest);
    assert_memory_equal(&challenge->challenge.relay_key, &world->key.public_key, sizeof world->key.public_key);
    assert_true(crypto_verify_digest(&world->key.public_key, &digest, &challenge->challenge.proof));
    handshake.client_nonce[0] ^= 1; /* it is no answer to anybody else */
    challenge_digest(&handshake, &digest);
    assert_false(crypto_verify_digest(&world->key.public_key, &digest, &challenge->challenge.proof));
    relay_peer_release(&owner);
}

static void a_replayed_hello_is_refused(void **state)
{
    struct world *world = *state;
    struct relay_peer owner;
    struct buf genesis = {0}, frame = {0};
    relay_peer_init(&owner, &world->keys, 1);
    struct link *link = connect_from(world, &owner, "");
    knock(link);
    relay_peer_genesis(&owner, &genesis);
    relay_peer_hello(&owner, buf_view(&link->frames[0]), buf_view(&genesis), "", &frame);
    offer(link, buf_view(&frame));
    world_settle(world);
    assert_int_equal(link->closed, 0);
    struct link *again = connect_from(world, &owner, "");
    knock(again);
    offer_buf(again, &frame);
    expect_refused(again, REFUSE_AUTH);
    buf_release(&genesis);
    relay_peer_release(&owner);
}

static void nothing_large_is_taken_before_the_proofs(void **state)
{
    struct world *world = *state;
    struct relay_peer owner;
    relay_peer_init(&owner, &world->keys, 1);
    struct link *link = connect_from(world, &owner, "");
    assert_int_equal(relay_frame_bytes_max(link->connection), MESSAGE_HELLO_BYTES_MAX);
    unsigned char large[MESSAGE_HELLO_BYTES_MAX + 1] = {MESSAGE_HELLO};
    offer(link, bytes_of(large, sizeof large));
    expect_refused(link, REFUSE_MALFORMED);
    relay_peer_release(&owner);
}

static void whoever_says_nothing_is_sent_away(void **state)
{
    struct world *world = *state;
    struct relay_peer silent, half;
    relay_peer_init(&silent, &world->keys, 1);
    relay_peer_init(&half, &world->keys, 2);
    struct link *a = connect_from(world, &silent, "");
    struct link *b = connect_from(world, &half, "");
    hello(b, true, "");
    world->now += world->limits.hello_ms + 1;
    relay_tick(world->relay, world->now, 1000);
    assert_int_not_equal(a->closed, 0);
    assert_int_not_equal(b->closed, 0);
    relay_peer_release(&silent);
    relay_peer_release(&half);
}

static void two_who_create_at_once_meet_in_one_document(void **state)
{
    struct world *world = *state;
    struct relay_peer one, two;
    struct buf genesis = {0}, frame = {0};
    relay_peer_init(&one, &world->keys, 1);
    relay_peer_init(&two, &world->keys, 2);
    struct link *links[2] = {connect_from(world, &one, ""), connect_from(world, &two, "")};
    relay_peer_genesis(&one, &genesis);
    for (int i = 0; i < 2; i++) {
        knock(links[i]);
        relay_peer_hello(links[i]->peer, buf_view(&links[i]->frames[0]), buf_view(&genesis), "", &frame);
        links[i]->read = 1;
        offer_buf(links[i], &frame);
    }
    world_settle(world);
    resume(links[0], NULL);
    resume(links[1], NULL);
    assert_int_equal(expect(links[1], MESSAGE_WELCOME)->welcome.peers, 2);
    assert_int_equal(relay_counts(world->relay).created, 1);
    buf_release(&genesis);
    relay_peer_release(&one);
    relay_peer_release(&two);
}

/* --- writing --- */

static void what_one_writes_reaches_the_other_and_does_not_come_back(void **state)
{
    struct world *world = *state;
    struct relay_peer ana, ben;
    relay_peer_init(&ana, &world->keys, 1);
    relay_peer_init(&ben, &world->keys, 2);
    struct link *a = join_as(world, &ana, true);
    struct link *b = join_as(world, &ben, false);
    tally_rest(a);
    tally_rest(b);
    upload_member(a);
    for (int i = 0; i < 10; i++)
        upload_events(a, "x");
    assert_null(next(b)); /* nothing before it is durable */
    world_settle(world);
    struct tally theirs = tally_rest(b), own = tally_rest(a);
    assert_int_equal(theirs.members, 1);
    assert_int_equal(theirs.events, 10);
    assert_int_equal(theirs.frames, 1); /* all that waited leaves in one frame */
    assert_int_equal(own.members + own.events, 0);
    relay_peer_release(&ana);
    relay_peer_release(&ben);
}

static void a_viewer_who_writes_is_refused(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, viewer;
    struct doc_keys view;
    relay_peer_init(&owner, &world->keys, 1);
    relay_peer_link(&world->keys, ACCESS_READ, &view);
    relay_peer_init(&viewer, &view, 2);
    join_as(world, &owner, true);
    struct link *link = join_as(world, &viewer, false);
    upload_member(link);
    expect_rejected(link, 1, REFUSE_FORBIDDEN);
    upload_events(link, "vandal");
    expect_rejected(link, 2, REFUSE_ORDER); /* he never became a member */
    relay_peer_release(&owner);
    relay_peer_release(&viewer);
}

static void nobody_writes_as_an_agent_of_another_device(void **state)
{
    struct world *world = *state;
    struct relay_peer ana, ben;
    struct buf record = {0};
    relay_peer_init(&ana, &world->keys, 1);
    relay_peer_init(&ben, &world->keys, 2);
    struct link *a = join_as(world, &ana, true);
    struct link *b = join_as(world, &ben, false);
    upload_member(a);
    world_settle(world);
    relay_peer_events(&ana, "forged", &record);
    upload(b, &record);
    expect_rejected(b, 1, REFUSE_FORBIDDEN);
    buf_clear(&record);
    relay_peer_member(&ana, &record);
    upload(b, &record);
    expect_rejected(b, 2, REFUSE_FORBIDDEN);
    buf_release(&record);
    relay_peer_release(&ana);
    relay_peer_release(&ben);
}

static void a_duplicate_is_acknowledged_and_stored_once(void **state)
{
    struct world *world = *state;
    struct relay_peer ana;
    struct buf member = {0}, events = {0};
    relay_peer_init(&ana, &world->keys, 1);
    struct link *link = join_as(world, &ana, true);
    relay_peer_member(&ana, &member);
    relay_peer_events(&ana, "once", &events);
    for (int i = 0; i < 3; i++) { /* the second pair meets the first on its way to the disk */
        upload(link, &member);
        upload(link, &events);
        if (i == 1)
            world_settle(world);
    }
    world_settle(world);
    expect_acked(link, 6);
    assert_int_equal(relay_counts(world->relay).records_in, 2);
    assert_int_equal(relay_counts(world->relay).duplicates, 4);
    buf_release(&member);
    buf_release(&events);
    relay_peer_release(&ana);
}

static void a_gap_is_rejected_and_the_connection_goes_on(void **state)
{
    struct world *world = *state;
    struct relay_peer ana;
    struct buf first = {0}, second = {0};
    relay_peer_init(&ana, &world->keys, 1);
    struct link *link = join_as(world, &ana, true);
    upload_member(link);
    relay_peer_events(&ana, "first", &first);
    relay_peer_events(&ana, "second", &second);
    upload(link, &second);
    expect_rejected(link, 2, REFUSE_ORDER);
    upload(link, &first);
    upload(link, &second);
    world_settle(world);
    expect_acked(link, 4);
    assert_int_equal(link->closed, 0);
    buf_release(&first);
    buf_release(&second);
    relay_peer_release(&ana);
}

static void a_writer_heals_the_relay_with_anothers_record(void **state)
{
    struct world *world = *state;
    struct relay_peer ana, ben, viewer;
    struct doc_keys view;
    struct buf member = {0}, events = {0}, frame = {0};
    relay_peer_init(&ana, &world->keys, 1);
    relay_peer_init(&ben, &world->keys, 2);
    relay_peer_link(&world->keys, ACCESS_READ, &view);
    relay_peer_init(&viewer, &view, 3);
    relay_peer_member(&ana, &member);
    relay_peer_events(&ana, "lost", &events);
    struct link *b = join_as(world, &ben, true);
    struct link *v = join_as(world, &viewer, false);
    upload_member(b);
    world_settle(world);

    struct message reoffer = {.kind = MESSAGE_REOFFER, .reoffer = {.stored = buf_view(&member)}};
    relay_peer_frame(&ben, &reoffer, &frame);
    offer_buf(b, &frame);
    reoffer.reoffer.stored = buf_view(&events);
    relay_peer_frame(&ben, &reoffer, &frame); /* without the digest its signature covers */
    offer_buf(b, &frame);
    reoffer.reoffer.last = ana.last;
    relay_peer_frame(&viewer, &reoffer, &frame);
    offer_buf(v, &frame);
    expect_rejected(v, 1, REFUSE_FORBIDDEN);
    relay_peer_frame(&ben, &reoffer, &frame);
    offer_buf(b, &frame);
    world_settle(world);
    expect_rejected(b, 3, REFUSE_FORBIDDEN);
    expect_acked(b, 4);
    struct tally tally = tally_rest(v);
    assert_int_equal(tally.events, 1);
    buf_release(&member);
    buf_release(&events);
    relay_peer_release(&ana);
    relay_peer_release(&ben);
    relay_peer_release(&viewer);
}

/* --- resuming --- */

/* A document with a member and `count` records; the owner's connection stays open. */
static struct link *written(struct world *world, struct relay_peer *owner, int count)
{
    relay_peer_init(owner, &world->keys, 1);
    struct link *link = join_as(world, owner, true);
    upload_member(link);
    for (int i = 0; i < count; i++)
        upload_events(link, "0123456789");
    world_settle(world);
    return link;
}

static struct message resume_at(struct world *world, struct relay_peer *reader, uint64_t place)
{
    struct link *link = join_as(world, reader, false);
    struct message message = {.kind = MESSAGE_RESUME, .resume = {.place = place}};
    message.resume.log = expect(link, MESSAGE_WELCOME)->welcome.log;
    for (const struct message *got; (got = next(link));)
        for (size_t i = 0; got->kind == MESSAGE_RECORDS && i < got->records.count; i++)
            if (got->records.items[i].place == place)
                record_hash(got->records.items[i].stored, &message.resume.hash);
    link_cut(link);
    return message;
}

static struct link *resume_as(struct world *world, struct relay_peer *peer, const struct message *message)
{
    struct link *link = connect_from(world, peer, "");
    hello(link, false, "");
    resume(link, message);
    expect(link, MESSAGE_WELCOME);
    return link;
}

/* Somebody joins with what he has by a vector, and says how many EVENTS he is sent. */
static size_t events_for(struct world *world, unsigned char name, const struct agent_id *agent, uint64_t next_seq)
{
    struct relay_peer reader;
    struct vector_entry have = {*agent, next_seq};
    struct message message = {.kind = MESSAGE_RESUME, .resume = {.vector = &have, .vector_count = 1}};
    relay_peer_init(&reader, &world->keys, name);
    struct link *link = resume_as(world, &reader, &message);
    world_settle(world);
    size_t events = tally_rest(link).events;
    link_cut(link);
    relay_peer_release(&reader);
    return events;
}

/* ana's machine was copied: the twin writes other things under her numbers. */
static void other_content_under_the_same_numbers_is_kept_and_comes_to_all(void **state)
{
    struct world *world = *state;
    struct relay_peer ana, twin, ben;
    relay_peer_init(&ana, &world->keys, 1);
    relay_peer_init(&twin, &world->keys, 1);
    relay_peer_init(&ben, &world->keys, 2);
    struct link *link = join_as(world, &ana, true);
    upload_member(link);
    upload_events(link, "truth");
    world_settle(world);
    assert_int_equal(events_for(world, 3, &ana.agent, 5), 0);
    struct link *reader = join_as(world, &ben, false);
    world_settle(world);
    assert_int_equal(tally_rest(reader).events, 1);
    struct buf other = {0}, more = {0};
    relay_peer_events(&twin, "other", &other);
    relay_peer_events(&twin, "s", &more);
    upload(link, &other);
    upload(link, &more); /* would fit behind "truth", and belongs behind "other" */
    world_settle(world);
    upload(link, &other);
    world_settle(world);
    expect_acked(link, 5);
    const struct message *message = expect(reader, MESSAGE_RECORDS);
    assert_true(bytes_equal(message->records.items[0].stored, buf_view(&other)));
    if (message->records.count == 1)
        message = expect(reader, MESSAGE_RECORDS);
    assert_true(bytes_equal(message->records.items[message->records.count - 1].stored, buf_view(&more)));
    assert_int_equal(tally_rest(reader).events, 0);
    assert_int_equal(events_for(world, 3, &ana.agent, 6), 3); /* what he has under these numbers is anybody's guess */
    world_restart(world, true);
    assert_int_equal(events_for(world, 3, &ana.agent, 6), 3);
    buf_release(&other);
    buf_release(&more);
    relay_peer_release(&ana);
    relay_peer_release(&twin);
    relay_peer_release(&ben);
}

/* The twin comes from another log. He is not sent "truth", for he says that he has it: until it turns out that he has not. */
static void who_was_not_sent_something_is_sent_it_when_it_turns_out_to_be_another(void **state)
{
    struct world *world = *state;
    struct relay_peer ana, twin;
    struct buf other = {0};
    relay_peer_init(&ana, &world->keys, 1);
    relay_peer_init(&twin, &world->keys, 1);
    struct link *link = join_as(world, &ana, true);
    upload_member(link);
    upload_events(link, "truth");
    world_settle(world);
    link_cut(link);
    struct vector_entry have = {ana.agent, 5};
    struct message message = {.kind = MESSAGE_RESUME, .resume = {.vector = &have, .vector_count = 1}};
    struct link *back = resume_as(world, &twin, &message);
    world_settle(world);
    assert_int_equal(tally_rest(back).events, 0);
    relay_peer_events(&twin, "other", &other);
    upload(back, &other);
    world_settle(world);
    assert_int_equal(tally_rest(back).events, 2); /* from there on, his own too */
    buf_release(&other);
    relay_peer_release(&ana);
    relay_peer_release(&twin);
}

/* What else the device of this name says first, and what of it reaches the reader. */
static size_t events_after_fork(struct world *world, struct link *link, unsigned char name, unsigned n,
                                struct link *reader)
{
    struct relay_peer twin;
    struct buf other = {0};
    char text[16];
    snprintf(text, sizeof text, "other %u", n);
    relay_peer_init(&twin, &world->keys, name);
    relay_peer_events(&twin, text, &other);
    upload(link, &other);
    world_settle(world);
    buf_release(&other);
    relay_peer_release(&twin);
    return tally_rest(reader).events;
}

static void a_fork_brings_a_reader_what_he_was_not_sent_and_further_ones_bring_themselves(void **state)
{
    enum { RECORDS = 100, FORKS = 20 };
    struct world *world = *state;
    struct relay_peer owner, eve, ben;
    struct link *link = written(world, &owner, RECORDS);
    relay_peer_init(&eve, &world->keys, 3);
    relay_peer_init(&ben, &world->keys, 2);
    struct vector_entry have = {owner.agent, RECORDS * 10};
    struct message message = {.kind = MESSAGE_RESUME, .resume = {.vector = &have, .vector_count = 1}};
    struct link *reader = resume_as(world, &ben, &message), *evil = join_as(world, &eve, false);
    upload_member(evil);
    upload_events(evil, "mine");
    world_settle(world);
    assert_int_equal(tally_rest(reader).events, 1);
    for (unsigned n = 0; n < FORKS; n++) /* nothing of this agent was kept from him */
        assert_int_equal(events_after_fork(world, evil, 3, n, reader), 1);
    assert_int_equal(events_after_fork(world, link, 1, 0, reader), RECORDS + 1 + FORKS + 1);
    for (unsigned n = 1; n < FORKS; n++)
        assert_int_equal(events_after_fork(world, link, 1, n, reader), 1);
    relay_peer_release(&owner);
    relay_peer_release(&eve);
    relay_peer_release(&ben);
}

/* The n-th content under the first numbers of `peer`, which is uploaded. */
static void upload_side(struct world *world, struct link *link, unsigned n)
{
    struct relay_peer twin;
    struct buf side = {0};
    char text[16];
    snprintf(text, sizeof text, "side %03u", n);
    relay_peer_init(&twin, &world->keys, 1);
    relay_peer_events(&twin, text, &side);
    upload(link, &side);
    world_settle(world);
    buf_release(&side);
    relay_peer_release(&twin);
}

/* Whoever gives one number ever new contents fills neither the store nor its time; what he had written stays as it is. */
static void of_contents_under_one_number_so_many_are_kept_and_he_goes_on_behind(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, ben;
    struct buf first = {0};
    relay_peer_init(&owner, &world->keys, 1);
    relay_peer_init(&ben, &world->keys, 2);
    struct link *link = join_as(world, &owner, true);
    upload_member(link); /* ordinal 1 */
    relay_peer_events(&owner, "side 000", &first);
    upload(link, &first);
    for (unsigned n = 1; n < STORE_SIDES_MAX; n++)
        upload_side(world, link, n);
    world_settle(world);
    expect_acked(link, 1 + STORE_SIDES_MAX);
    upload_side(world, link, STORE_SIDES_MAX);
    expect_rejected(link, 2 + STORE_SIDES_MAX, REFUSE_FORKED);
    upload(link, &first); /* sent again: a duplicate, as ever */
    world_settle(world);
    expect_acked(link, 3 + STORE_SIDES_MAX);
    upload_events(link, "on");
    world_settle(world);
    expect_acked(link, 4 + STORE_SIDES_MAX);
    assert_int_equal(tally_rest(join_as(world, &ben, false)).events, STORE_SIDES_MAX + 1);
    buf_release(&first);
    relay_peer_release(&owner);
    relay_peer_release(&ben);
}

/* No ACK may speak for a record that is still being compared. */
static void nothing_behind_a_doubtful_record_is_acknowledged_before_it(void **state)
{
    struct world *world = *state;
    struct relay_peer ana, twin;
    struct buf other = {0}, more = {0};
    relay_peer_init(&ana, &world->keys, 1);
    relay_peer_init(&twin, &world->keys, 1);
    struct link *link = join_as(world, &ana, true);
    upload_member(link);
    upload_events(link, "truth");
    world_settle(world);
    expect_acked(link, 2);
    relay_peer_events(&twin, "other", &other);
    upload(link, &other);
    upload_member(link); /* known */
    store_commit(world->store); /* both are looked up; the first is to be appended now */
    store_poll(world->store);
    relay_tick(world->relay, world->now, world->now / 1000);
    for (const struct message *message; (message = next(link));)
        assert_true(message->kind != MESSAGE_ACK);
    world_settle(world);
    expect_acked(link, 4);
    buf_release(&other);
    buf_release(&more);
    relay_peer_release(&ana);
    relay_peer_release(&twin);
}

static void a_resume_at_a_known_place_brings_only_what_follows(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, reader;
    written(world, &owner, 10);
    relay_peer_init(&reader, &world->keys, 2);
    struct message message = resume_at(world, &reader, 7);
    struct tally tally = tally_rest(resume_as(world, &reader, &message));
    assert_int_equal(tally.genesis + tally.members, 0);
    assert_int_equal(tally.events, 5);
    relay_peer_release(&owner);
    relay_peer_release(&reader);
}

static void a_resume_whose_hash_does_not_fit_goes_by_the_vector(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, reader;
    written(world, &owner, 10);
    relay_peer_init(&reader, &world->keys, 2);
    struct message message = resume_at(world, &reader, 7);
    struct vector_entry has = {.agent = owner.agent, .next_seq = 80};
    message.resume.hash.bytes[0] ^= 1;
    message.resume.vector = &has;
    message.resume.vector_count = 1;
    struct tally tally = tally_rest(resume_as(world, &reader, &message));
    assert_int_equal(tally.genesis, 1);
    assert_int_equal(tally.members, 1);
    assert_int_equal(tally.events, 2);
    relay_peer_release(&owner);
    relay_peer_release(&reader);
}

static void a_place_beyond_the_head_is_ignored(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, reader;
    written(world, &owner, 3);
    relay_peer_init(&reader, &world->keys, 2);
    struct message message = resume_at(world, &reader, 5);
    message.resume.place = 500;
    assert_int_equal(tally_rest(resume_as(world, &reader, &message)).events, 3);
    relay_peer_release(&owner);
    relay_peer_release(&reader);
}

/* --- later wefts --- */

static void a_client_of_another_protocol_is_told_who_has_to_update(void **state)
{
    struct world *world = *state;
    struct relay_peer peer;
    struct buf frame = {0};
    relay_peer_init(&peer, &world->keys, 1);
    struct link *link = connect_from(world, &peer, "");
    struct message knock = {.kind = MESSAGE_KNOCK,
                            .knock = {.low = MESSAGE_PROTOCOL_HIGH + 1, .high = MESSAGE_PROTOCOL_HIGH + 1, .doc = world->keys.doc}};
    relay_peer_frame(&peer, &knock, &frame);
    offer_buf(link, &frame);
    struct bytes text = expect(link, MESSAGE_REFUSE)->refuse.text;
    assert_int_equal(link->message.refuse.code, REFUSE_PROTOCOL);
    assert_true(bytes_equal(text, bytes_of_string("it speaks weft.1, this is weft.2: update the relay")));
    relay_peer_release(&peer);
}

static void an_unknown_optional_record_is_stored_and_handed_on_and_a_mandatory_one_is_not(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, reader;
    struct buf strange = {0};
    struct record record;
    struct error err = {0};
    struct link *link = written(world, &owner, 1);
    relay_peer_init(&reader, &world->keys, 2);
    record_seal(&(struct record_spec){.kind = 0x21 | RECORD_OPTIONAL, .agent = owner.agent, .sealer = owner.agent,
                                      .counter = 77, .plain = bytes_of_string("?"), .keys = &owner.keys,
                                      .signer = &owner.doc_key},
                &strange);
    upload(link, &strange);
    world_settle(world);
    expect_acked(link, 3);
    struct link *r = join_as(world, &reader, false);
    bool found = false;
    for (const struct message *message; (message = next(r));)
        for (size_t i = 0; message->kind == MESSAGE_RECORDS && i < message->records.count; i++)
            found |= bytes_equal(message->records.items[i].stored, buf_view(&strange));
    assert_true(found);
    strange.data[1] = 0x21;
    assert_true(record_decode_any(buf_view(&strange), &record, &err));
    upload(link, &strange);
    world_settle(world);
    expect_rejected(link, 4, REFUSE_MALFORMED);
    upload_events(link, "and it goes on");
    world_settle(world);
    expect_acked(link, 5);
    buf_release(&strange);
    relay_peer_release(&owner);
    relay_peer_release(&reader);
}

/* --- packs --- */

enum { PACKED = 10 }; /* records of ten letters at places 3 to 12; their pack comes to place 13 */

struct packing {
    struct relay_peer owner, reader;
    struct link *link;
    struct buf records[PACKED], pack;
};

static void packing_init(struct packing *packing, struct world *world)
{
    *packing = (struct packing){.link = NULL};
    relay_peer_init(&packing->reader, &world->keys, 2);
    packing->link = written(world, &packing->owner, 0);
    for (int i = 0; i < PACKED; i++) {
        relay_peer_events(&packing->owner, "0123456789", &packing->records[i]);
        upload(packing->link, &packing->records[i]);
    }
    relay_peer_pack(&packing->owner, packing->records, PACKED, &packing->pack);
    world_settle(world);
    expect_acked(packing->link, 1 + PACKED);
}

static void packing_release(struct packing *packing)
{
    for (int i = 0; i < PACKED; i++)
        buf_release(&packing->records[i]);
    buf_release(&packing->pack);
    relay_peer_release(&packing->owner);
    relay_peer_release(&packing->reader);
}

static void upload_pack(struct world *world, struct packing *packing)
{
    upload(packing->link, &packing->pack);
    world_settle(world);
    expect_acked(packing->link, 2 + PACKED);
}

/* What somebody gets who begins from nothing. */
static struct tally tally_of_joiner(struct world *world, struct relay_peer *joiner)
{
    struct link *link = join_as(world, joiner, false);
    struct tally tally = tally_rest(link);
    link_cut(link);
    return tally;
}

static void expect_joiner_gets(struct world *world, size_t events, size_t packs)
{
    struct relay_peer joiner;
    relay_peer_init(&joiner, &world->keys, 5);
    struct tally tally = tally_of_joiner(world, &joiner);
    assert_int_equal(tally.events, events);
    assert_int_equal(tally.packs, packs);
    relay_peer_release(&joiner);
}

static void what_a_pack_stands_in_for_goes_when_another_has_compared_it(void **state)
{
    struct world *world = *state;
    struct packing packing;
    packing_init(&packing, world);
    struct message mine = resume_at(world, &packing.owner, 12), before = resume_at(world, &packing.reader, 12);
    upload_pack(world, &packing);
    expect_joiner_gets(world, PACKED, 1);
    assert_int_equal(tally_rest(resume_as(world, &packing.reader, &before)).packs, 1); /* and hears of it only now */
    link_cut(packing.link);
    tally_rest(resume_as(world, &packing.owner, &mine)); /* its own device does not count */
    expect_joiner_gets(world, PACKED, 1);

    world_restart(world, false);
    uint64_t bytes = store_totals(world->store).bytes;
    struct message behind = resume_at(world, &packing.reader, 13);
    resume_as(world, &packing.reader, &behind);
    expect_joiner_gets(world, 0, 1);
    size_t gone = 0;
    for (int i = 0; i < PACKED; i++)
        gone += packing.records[i].len;
    assert_int_equal(store_totals(world->store).bytes, bytes - gone);
    packing_release(&packing);
}

static void what_a_pack_stands_in_for_goes_after_a_day(void **state)
{
    enum { DAY_S = 24 * 3600 };
    struct world *world = *state;
    struct packing packing;
    packing_init(&packing, world);
    upload_pack(world, &packing);
    relay_tick(world->relay, world->now += 60 * 1000, 1000 + DAY_S);
    world_settle(world);
    expect_joiner_gets(world, PACKED, 1);
    relay_tick(world->relay, world->now += 60 * 1000, 1001 + DAY_S);
    world_settle(world);
    expect_joiner_gets(world, 0, 1);
    packing_release(&packing);
}

/* Wherever a reader was when the rows went, he gets the rest, and nothing is missing. */
static void a_reader_resumes_at_any_place_of_a_packed_log(void **state)
{
    struct world *world = *state;
    struct packing packing;
    struct message at[PACKED];
    packing_init(&packing, world);
    for (int i = 0; i < PACKED; i++) {
        at[i] = resume_at(world, &packing.reader, 3 + (uint64_t)i);
        world_restart(world, false);
    }
    packing.link = join_as(world, &packing.owner, false);
    upload(packing.link, &packing.pack);
    world_settle(world);
    relay_tick(world->relay, world->now += 60 * 1000, (uint64_t)10 * 24 * 3600);
    world_settle(world);
    for (int i = 0; i < PACKED; i++) {
        struct vector_entry has = {.agent = packing.owner.agent, .next_seq = 10 * (1 + (uint64_t)i)};
        at[i].resume.vector = &has;
        at[i].resume.vector_count = 1;
        struct tally tally = tally_rest(resume_as(world, &packing.reader, &at[i]));
        assert_int_equal(tally.events, 0);
        assert_int_equal(tally.packs, i + 1 < PACKED); /* with the last one he has everything in it */
        world_restart(world, false);
    }
    packing_release(&packing);
}

static void only_the_authors_device_packs(void **state)
{
    struct world *world = *state;
    struct packing packing;
    packing_init(&packing, world);
    struct link *link = join_as(world, &packing.reader, false);
    upload_member(link);
    upload(link, &packing.pack);
    world_settle(world);
    expect_rejected(link, 2, REFUSE_FORBIDDEN);
    expect_joiner_gets(world, PACKED, 0);
    packing_release(&packing);
}

static void a_pack_of_what_is_not_here_is_out_of_order(void **state)
{
    struct world *world = *state;
    struct packing packing;
    packing_init(&packing, world);
    struct buf later[2] = {{0}}, pack = {0};
    relay_peer_events(&packing.owner, "x", &later[0]);
    relay_peer_events(&packing.owner, "y", &later[1]);
    relay_peer_pack(&packing.owner, &later[1], 1, &pack);
    upload(packing.link, &pack);
    world_settle(world);
    expect_rejected(packing.link, 2 + PACKED, REFUSE_ORDER);
    for (int i = 0; i < 2; i++)
        buf_release(&later[i]);
    buf_release(&pack);
    packing_release(&packing);
}

/* Whoever offers an original again, although it is here, says that the pack is not the same. */
static void originals_that_are_offered_again_stay(void **state)
{
    struct world *world = *state;
    struct packing packing;
    struct buf frame = {0};
    packing_init(&packing, world);
    upload_pack(world, &packing);
    struct link *link = join_as(world, &packing.reader, false);
    upload_member(link);
    struct message reoffer = {.kind = MESSAGE_REOFFER, .reoffer = {.stored = buf_view(&packing.records[PACKED - 1])}};
    reoffer.reoffer.last = packing.owner.last;
    relay_peer_frame(&packing.reader, &reoffer, &frame);
    offer_buf(link, &frame);
    world_settle(world);
    expect_acked(link, 2);
    relay_tick(world->relay, world->now += 60 * 1000, (uint64_t)10 * 24 * 3600);
    world_settle(world);
    expect_joiner_gets(world, 1, 1);
    packing_release(&packing);
}

/* A relay that lost its tail gets it from another writer's pack. */
static void a_pack_heals_a_relay(void **state)
{
    struct world *world = *state;
    struct packing packing;
    struct buf frame = {0};
    relay_peer_init(&packing.reader, &world->keys, 2);
    packing.link = written(world, &packing.owner, 0);
    for (int i = 0; i < PACKED; i++) {
        packing.records[i] = (struct buf){0};
        relay_peer_events(&packing.owner, "0123456789", &packing.records[i]);
        if (i < 4)
            upload(packing.link, &packing.records[i]);
    }
    packing.pack = (struct buf){0};
    relay_peer_pack(&packing.owner, packing.records, PACKED, &packing.pack);
    struct link *link = join_as(world, &packing.reader, false);
    upload_member(link);
    struct message reoffer = {.kind = MESSAGE_REOFFER,
                              .reoffer = {.stored = buf_view(&packing.pack), .last = packing.owner.last}};
    for (int twice = 0; twice < 2; twice++) {
        relay_peer_frame(&packing.reader, &reoffer, &frame);
        offer_buf(link, &frame);
        world_settle(world);
        expect_acked(link, 2 + (uint64_t)twice);
    }
    expect_joiner_gets(world, 4, 1);
    packing_release(&packing);
}

static void after_a_restart_everything_acknowledged_is_there(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, reader;
    struct link *link = written(world, &owner, 5);
    expect_acked(link, 6);
    upload_events(link, "never durable");
    world_restart(world, true);
    struct link *again = connect_from(world, &owner, "");
    hello(again, false, "");
    resume(again, NULL);
    const struct message *welcome = expect(again, MESSAGE_WELCOME);
    assert_int_equal(welcome->welcome.head, 7);
    assert_int_equal(welcome->welcome.vector[0].next_seq, 50);
    relay_peer_init(&reader, &world->keys, 2);
    assert_int_equal(tally_rest(join_as(world, &reader, false)).events, 5);
    relay_peer_release(&owner);
    relay_peer_release(&reader);
}

static void a_welcome_names_only_what_is_durable(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, reader;
    struct link *link = written(world, &owner, 1);
    relay_peer_init(&reader, &world->keys, 2);
    struct link *other = connect_from(world, &reader, "");
    hello(other, false, "");
    upload_events(link, "on its way");
    struct buf frame = {0};
    relay_peer_resume(&reader, NULL, &frame);
    offer_buf(other, &frame);
    const struct message *welcome = expect(other, MESSAGE_WELCOME);
    assert_int_equal(welcome->welcome.head, 3);
    assert_int_equal(welcome->welcome.vector[0].next_seq, 10);
    world_settle(world);
    assert_int_equal(tally_rest(other).events, 2); /* and then it comes */
    relay_peer_release(&owner);
    relay_peer_release(&reader);
}

/* --- pace and limits --- */

static void a_reader_who_does_not_read_is_told_to_resume(void **state)
{
    struct world *world = *state;
    world->limits.reader_lag_bytes = 2000;
    world_restart(world, false);
    struct relay_peer owner, slow;
    struct link *a = written(world, &owner, 1);
    relay_peer_init(&slow, &world->keys, 2);
    struct link *b = join_as(world, &slow, false);
    tally_rest(b);
    b->stuck = 1;
    b->queued = 1;
    for (int i = 0; i < 20 && !b->closed; i++) {
        upload_events(a, "0123456789012345678901234567890123456789");
        world_settle(world);
    }
    expect_refused(b, REFUSE_RESUME);
    assert_int_equal(a->closed, 0);
    assert_int_equal(relay_counts(world->relay).slow_readers, 1);
    relay_peer_release(&owner);
    relay_peer_release(&slow);
}

static void a_link_that_stands_still_is_given_up(void **state)
{
    struct world *world = *state;
    struct relay_peer owner;
    struct link *link = written(world, &owner, 1);
    link->queued = 10;
    relay_tick(world->relay, world->now, 1000);
    world->now += world->limits.reader_stall_ms + 1;
    relay_tick(world->relay, world->now, 1000);
    expect_refused(link, REFUSE_RESUME);
    relay_peer_release(&owner);
}

static void who_uploads_faster_than_the_disk_is_not_read_for_a_while(void **state)
{
    struct world *world = *state;
    world->limits.upload_window_bytes = 300;
    world_restart(world, false);
    struct relay_peer owner;
    struct link *link = written(world, &owner, 0);
    int sent = 0;
    while (relay_reads(link->connection) && sent < 100) {
        upload_events(link, "0123456789");
        sent++;
    }
    assert_true(sent >= 2 && sent < 10);
    world_settle(world);
    assert_true(relay_reads(link->connection));
    relay_peer_release(&owner);
}

static void who_talks_too_much_is_not_read_until_it_is_paid(void **state)
{
    struct world *world = *state;
    struct relay_peer owner;
    struct link *link = written(world, &owner, 0);
    struct buf ping = {0};
    relay_peer_frame(&owner, &(struct message){.kind = MESSAGE_PING, .ping = {7}}, &ping);
    uint64_t sent = 0;
    for (; relay_reads(link->connection) && sent < 1000; sent++)
        offer(link, buf_view(&ping));
    assert_int_equal(sent, world->limits.frames.burst);
    assert_int_equal(expect(link, MESSAGE_PONG)->ping.nonce, 7);
    world->now += 1000;
    relay_tick(world->relay, world->now, 1000);
    assert_true(relay_reads(link->connection));
    buf_release(&ping);
    relay_peer_release(&owner);
}

static void presence_reaches_the_others_and_its_surplus_is_dropped(void **state)
{
    struct world *world = *state;
    struct relay_peer ana, ben;
    relay_peer_init(&ana, &world->keys, 1);
    relay_peer_init(&ben, &world->keys, 2);
    struct link *a = join_as(world, &ana, true);
    struct link *b = join_as(world, &ben, false);
    tally_rest(a);
    tally_rest(b);
    struct buf presence = {0};
    relay_peer_frame(&ana, &(struct message){.kind = MESSAGE_PRESENCE, .presence = {bytes_of_string("here I am")}},
                     &presence);
    for (int i = 0; i < 100; i++)
        offer(a, buf_view(&presence));
    size_t heard = 0;
    for (const struct message *message; (message = next(b));)
        heard +=
            message->kind == MESSAGE_PRESENCE && bytes_equal(message->presence.sealed, bytes_of_string("here I am"));
    assert_int_equal(heard, world->limits.presence.burst);
    assert_null(next(a));
    buf_release(&presence);
    relay_peer_release(&ana);
    relay_peer_release(&ben);
}

static void everybody_hears_how_many_are_here(void **state)
{
    struct world *world = *state;
    struct relay_peer ana, ben;
    relay_peer_init(&ana, &world->keys, 1);
    relay_peer_init(&ben, &world->keys, 2);
    struct link *a = join_as(world, &ana, true);
    struct link *b = join_as(world, &ben, false);
    assert_int_equal(expect(a, MESSAGE_PEERS)->peers.count, 2);
    link_cut(b);
    world_settle(world);
    assert_int_equal(expect(a, MESSAGE_PEERS)->peers.count, 1);
    relay_peer_release(&ana);
    relay_peer_release(&ben);
}

static void one_address_has_its_share_of_connections(void **state)
{
    struct world *world = *state;
    world->limits.address_connections = 2;
    world_restart(world, false);
    struct relay_peer peer;
    relay_peer_init(&peer, &world->keys, 1);
    connect_from(world, &peer, "10.0.0.1");
    struct link *second = connect_from(world, &peer, "10.0.0.1");
    struct link *third = connect_from(world, &peer, "10.0.0.1");
    struct link *other = connect_from(world, &peer, "10.0.0.2");
    assert_int_equal(second->closed, 0);
    expect_refused(third, REFUSE_LIMIT);
    assert_int_equal(other->closed, 0);
    link_cut(second);
    link_cut(third);
    assert_int_equal(connect_from(world, &peer, "10.0.0.1")->closed, 0);
    relay_peer_release(&peer);
}

static void a_full_document_takes_no_more(void **state)
{
    struct world *world = *state;
    world->limits.document_log_bytes = 2000;
    world_restart(world, false);
    struct relay_peer owner;
    struct link *link = written(world, &owner, 0);
    for (int i = 0; i < 20; i++)
        upload_events(link, "0123456789");
    world_settle(world);
    assert_int_equal(expect(link, MESSAGE_REJECT)->reject.code, REFUSE_FULL);
    assert_true(store_totals(world->store).bytes <= 2000);
    relay_peer_release(&owner);
}

/* What bounds all that grows with the number of writers (assets/doc/speed.md, How the cost grows). */
static void a_document_has_so_many_writers_and_whoever_comes_then_is_told(void **state)
{
    struct world *world = *state;
    assert_int_equal(world->limits.document_agents, 16384);
    world->limits.document_agents = 3;
    world_restart(world, false);
    struct relay_peer owner, others[3];
    written(world, &owner, 1);
    for (unsigned i = 0; i < 3; i++) {
        relay_peer_init(&others[i], &world->keys, 2 + i);
        struct link *link = join_as(world, &others[i], false);
        upload_member(link);
        upload_events(link, "x");
        world_settle(world);
        if (i < 2) {
            expect(link, MESSAGE_ACK);
            continue;
        }
        const struct message *message = expect(link, MESSAGE_REJECT);
        assert_int_equal(message->reject.code, REFUSE_FULL);
        assert_true(bytes_equal(message->reject.text, bytes_of_string("this document has as many writers as the relay allows")));
    }
    struct link *link = join_as(world, &others[0], false); /* who is one of them goes on writing */
    upload_events(link, "y");
    world_settle(world);
    expect(link, MESSAGE_ACK);
    relay_peer_release(&owner);
    for (unsigned i = 0; i < 3; i++)
        relay_peer_release(&others[i]);
}

static void a_relay_that_is_four_fifths_full_takes_no_new_documents(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, stranger;
    written(world, &owner, 10);
    world->limits.total_bytes = store_totals(world->store).bytes * 5 / 4;
    world_restart(world, false);
    struct doc_keys other;
    doc_keys_new(&other);
    relay_peer_init(&stranger, &other, 2);
    struct link *link = connect_from(world, &stranger, "");
    hello(link, true, "");
    expect_refused(link, REFUSE_FULL);
    link = join_as(world, &owner, false);
    assert_int_equal(link->closed, 0);
    relay_peer_release(&owner);
    relay_peer_release(&stranger);
}

/* --- documents nobody is in --- */

/* Both clocks move on, hour by hour, and the relay does what is due. */
static void pass_hours(struct world *world, uint64_t *wall_s, unsigned hours)
{
    enum { HOUR_S = 3600 };
    for (unsigned i = 0; i < hours; i++) {
        world->now += (uint64_t)HOUR_S * 1000;
        *wall_s += HOUR_S;
        relay_tick(world->relay, world->now, *wall_s);
        world_settle(world);
    }
}

static void a_document_nobody_was_in_is_forgotten_and_its_owner_may_bring_it_again(void **state)
{
    struct world *world = *state;
    struct relay_peer owner;
    uint64_t wall_s = 1000000000;
    world->retain_s = 48 * 3600;
    world->limits.silence_ms = UINT64_MAX; /* nobody pings here */
    world_restart(world, false);
    relay_tick(world->relay, world->now, wall_s);
    relay_peer_init(&owner, &world->keys, 1);
    struct link *link = join_as(world, &owner, true);
    pass_hours(world, &wall_s, 60); /* he only reads: that counts */
    link_cut(link);
    pass_hours(world, &wall_s, 47);
    assert_int_equal(store_totals(world->store).documents, 1);
    pass_hours(world, &wall_s, 3);
    assert_int_equal(store_totals(world->store).documents, 0);
    assert_int_equal(relay_counts(world->relay).expired, 1);
    link = join_as(world, &owner, true);
    expect(link, MESSAGE_WELCOME);
    assert_int_equal(link->closed, 0);
    relay_peer_release(&owner);
}

static void an_empty_relay_counts_how_long_it_is_so(void **state)
{
    struct world *world = *state;
    struct relay_peer owner;
    uint64_t wall_s = 1000000000;
    const uint64_t hour_ms = 3600 * 1000;
    world->limits.silence_ms = UINT64_MAX;
    world_restart(world, false);
    relay_tick(world->relay, world->now, wall_s);
    pass_hours(world, &wall_s, 5);
    assert_int_equal(relay_empty_ms(world->relay), 5 * hour_ms);
    relay_peer_init(&owner, &world->keys, 1);
    struct link *link = connect_from(world, &owner, ""); /* a connection alone is nobody yet */
    pass_hours(world, &wall_s, 1);
    assert_int_equal(relay_empty_ms(world->relay), 6 * hour_ms);
    link_cut(link);
    link = join_as(world, &owner, true);
    pass_hours(world, &wall_s, 30);
    assert_int_equal(relay_empty_ms(world->relay), 0);
    link_cut(link);
    pass_hours(world, &wall_s, 24);
    assert_int_equal(relay_empty_ms(world->relay), 24 * hour_ms);
    relay_peer_release(&owner);
}

static void a_clock_that_is_set_forward_forgets_nothing(void **state)
{
    struct world *world = *state;
    struct relay_peer owner;
    uint64_t wall_s = 1000000000;
    world->retain_s = 48 * 3600;
    world_restart(world, false);
    relay_tick(world->relay, world->now, wall_s);
    relay_peer_init(&owner, &world->keys, 1);
    link_cut(join_as(world, &owner, true));
    world_settle(world);
    wall_s += (uint64_t)10 * 365 * 24 * 3600;
    pass_hours(world, &wall_s, 1);
    assert_int_equal(store_totals(world->store).documents, 1);
    relay_peer_release(&owner);
}

/* --- limits as they are typed --- */

static void limits_are_read_as_a_person_types_them(void **state)
{
    static const struct {
        const char *option, *text;
        bool good;
    } cases[] = {
        {"--max-total", "10G", true},          {"--max-total", "0", true},
        {"--max-total", "", false},            {"--max-total", "10Q", false},
        {"--max-total", "100k", true},         {"--max-total", "10q", false},
        {"--document-bytes", "2m/72m", true},  {"--max-total", "1kk", false},
        {"--max-total", "-1", false},          {"--max-total", "99999999999999999999", false},
        {"--document-size", "0", false},       {"--document-size", "1K", true},
        {"--connection-messages", "60", true}, {"--connection-messages", "60/240", true},
        {"--connection-messages", "60/", false}, {"--connection-messages", "60/30", false},
        {"--connection-messages", "1K", false}, {"--document-bytes", "2M/72M", true},
        {"--hello-time", "5", true},           {"--hello-time", "0", false},
        {"--hello-time", "86401", false},      {"--hello-time", "5s", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct relay_limits limits = relay_limits_default();
        struct error err = {0};
        if (relay_limits_set(&limits, cases[i].option, cases[i].text, &err) != cases[i].good)
            fail_msg("%s %s: %s", cases[i].option, cases[i].text, err.text);
        assert_int_equal(err.code, cases[i].good ? ERR_NONE : ERR_USAGE);
    }
    struct relay_limits limits = relay_limits_default();
    struct error err = {0};
    assert_int_equal(limits.total_bytes, (uint64_t)10 << 30);
    assert_int_equal(limits.hello_ms, 5000);
    assert_int_equal(limits.frames.burst, 240);
    assert_true(relay_limits_set(&limits, "--document-bytes", "3M/4M", &err));
    assert_int_equal(limits.document_bytes.rate, 3 << 20);
    assert_int_equal(limits.document_bytes.burst, 4 << 20);
    assert_true(relay_limits_set(&limits, "--max-total", "3g", &err));
    assert_int_equal(limits.total_bytes, (uint64_t)3 << 30);
    assert_false(relay_limits_know("--listen"));
}

/* --- the end of a document --- */

static void delete_with(struct link *link, const struct sign_key *key)
{
    struct message message = {.kind = MESSAGE_DELETE};
    struct digest digest;
    struct buf frame = {0};
    delete_digest(&link->peer->handshake, &digest);
    crypto_sign_digest(key, &digest, &message.delete_request.proof);
    relay_peer_frame(link->peer, &message, &frame);
    offer_buf(link, &frame);
    world_settle(link->world);
}

static void only_the_owner_closes_a_document_and_then_it_stays_closed(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, guest;
    relay_peer_init(&guest, &world->keys, 2);
    struct link *a = written(world, &owner, 3);
    struct link *b = join_as(world, &guest, false);
    delete_with(b, &guest.doc_key);
    expect_refused(b, REFUSE_FORBIDDEN);
    delete_with(a, &world->keys.admin_key);
    expect_refused(a, REFUSE_CLOSED);
    struct link *again = connect_from(world, &owner, "");
    hello(again, true, "");
    expect_refused(again, REFUSE_CLOSED);
    assert_int_equal(relay_counts(world->relay).documents, 0);
    relay_peer_release(&owner);
    relay_peer_release(&guest);
}

static void move_with(struct link *link, uint64_t moved_s, const char *place, const struct sign_key *key)
{
    struct message message = {.kind = MESSAGE_MOVED, .moved = {.moved_s = moved_s, .place = bytes_of_string(place)}};
    struct digest digest;
    struct buf frame = {0};
    moved_digest(&link->peer->keys.doc, moved_s, message.moved.place, &digest);
    crypto_sign_digest(key, &digest, &message.moved.proof);
    relay_peer_frame(link->peer, &message, &frame);
    offer_buf(link, &frame);
    world_settle(link->world);
}

static void expect_moved(struct link *link, const char *place)
{
    assert_true(bytes_equal(expect(link, MESSAGE_MOVED)->moved.place, bytes_of_string(place)));
}

static void whoever_comes_hears_where_the_document_went(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, guest;
    struct doc_keys guest_keys;
    relay_peer_link(&world->keys, ACCESS_WRITE, &guest_keys);
    relay_peer_init(&owner, &world->keys, 1);
    relay_peer_init(&guest, &guest_keys, 2);
    struct link *owners = join_as(world, &owner, true), *guests = join_as(world, &guest, false);
    move_with(owners, 5, "wss://new", &world->keys.admin_key);
    expect_moved(owners, "wss://new"); /* confirmed */
    expect_moved(guests, "wss://new");
    move_with(owners, 4, "wss://old", &world->keys.admin_key); /* an old word changes nothing */
    world_restart(world, true);
    guests = join_as(world, &guest, false);
    expect_moved(guests, "wss://new");
    expect(guests, MESSAGE_CAUGHT_UP); /* behind it: nobody takes what was here for the newest */
    move_with(guests, 6, "wss://evil", &guest.doc_key);
    expect_refused(guests, REFUSE_FORBIDDEN);
    relay_peer_release(&owner);
    relay_peer_release(&guest);
    doc_keys_wipe(&guest_keys);
}

static void a_stopping_relay_says_goodbye(void **state)
{
    struct world *world = *state;
    struct relay_peer owner;
    struct buf text = {0};
    struct link *link = written(world, &owner, 1);
    assert_true(relay_health(world->relay, &text));
    relay_stop(world->relay, world->now);
    expect_refused(link, REFUSE_STOPPING);
    assert_false(relay_health(world->relay, &text));
    relay_metrics(world->relay, &text);
    assert_non_null(strstr(buf_string(&text), "weft_relay_records_in_total 2\n"));
    buf_release(&text);
    relay_peer_release(&owner);
}

/* Who collects figures sees which documents fill the store, whether anybody is in them or not. */
static void metrics_name_the_largest_documents(void **state)
{
    struct world *world = *state;
    struct relay_peer owner;
    struct buf text = {0};
    char hex[2 * DOC_ID_BYTES + 1];
    struct link *link = written(world, &owner, 1);
    link_cut(link);
    world->now += 61000;
    relay_tick(world->relay, world->now, 1);
    store_commit(world->store);
    relay_poll(world->relay, world->now);
    relay_metrics(world->relay, &text);
    id_hex(world->keys.doc.bytes, DOC_ID_BYTES, hex);
    char *line = xformat("weft_relay_document_bytes{document=\"%s\"} %llu\n", hex,
                         (unsigned long long)store_totals(world->store).bytes);
    assert_non_null(strstr(buf_string(&text), line));
    assert_non_null(strstr(buf_string(&text), "weft_relay_documents_open 0\n"));
    free(line);
    buf_release(&text);
    relay_peer_release(&owner);
}

static void links_may_go_while_the_disk_works(void **state)
{
    struct world *world = *state;
    struct relay_peer owner;
    struct link *link = written(world, &owner, 1);
    upload_events(link, "last words");
    link_cut(link);
    struct link *again = connect_from(world, &owner, "");
    struct buf frame = {0};
    knock(again);
    relay_peer_hello(&owner, buf_view(&again->frames[0]), (struct bytes){0}, "", &frame);
    offer_buf(again, &frame);
    link_cut(again);
    world_settle(world);
    assert_int_equal(relay_counts(world->relay).connections, 0);
    assert_int_equal(relay_counts(world->relay).documents, 0);
    relay_peer_release(&owner);
}

#define RELAY_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

/* --- checkpoints --- */

static void upload_checkpoint_part(struct link *link, const struct rope *text, uint64_t set, uint64_t part)
{
    struct buf record = {0};
    relay_peer_checkpoint(link->peer, text, set, part, &record);
    upload(link, &record);
    buf_release(&record);
}

/* All parts that a text has, and the CHECKPOINT. */
static void upload_checkpoint(struct link *link, const struct rope *text, uint64_t set)
{
    for (uint64_t part = 0; part <= checkpoint_parts(rope_len(text)); part++)
        upload_checkpoint_part(link, text, set, part);
    world_settle(link->world);
}

/* The kinds of all records that are left, in the order they came: G, M, C, t, e. */
static void kinds_rest(struct link *link, char *out, bool ahead)
{
    for (const struct message *message; (message = next(link));) {
        for (size_t i = 0; message->kind == MESSAGE_RECORDS && i < message->records.count; i++) {
            unsigned kind = message->records.items[i].stored.data[1];
            if ((message->records.items[i].place == 0) == ahead)
                *out++ = kind == RECORD_GENESIS ? 'G' : kind == RECORD_MEMBER ? 'M' : kind == RECORD_CHECKPOINT ? 'C'
                       : kind == RECORD_CHECKPOINT_TEXT ? 't' : 'e';
        }
    }
    *out = '\0';
}

/* Of three, each told by how many parts it has. */
static void a_fresh_reader_gets_the_newest_checkpoint_before_everything(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, guest, other;
    struct buf bytes = {0};
    char kinds[64];
    memset(buf_extend(&bytes, 3 * CHECKPOINT_CHUNK_BYTES), 'x', 3 * CHECKPOINT_CHUNK_BYTES);
    struct rope *text = rope_from_bytes(buf_view(&bytes)), *small = rope_from_bytes(bytes_of_string("small"));
    relay_peer_init(&owner, &world->keys, 1);
    relay_peer_init(&guest, &world->keys, 2);
    relay_peer_init(&other, &world->keys, 3);
    struct link *a = join_as(world, &owner, true);
    struct link *c = join_as(world, &other, false);
    upload_member(a);
    upload_events(a, "hello");
    upload_checkpoint(a, small, 100);
    upload_checkpoint(a, text, 200);
    upload_checkpoint_part(a, small, 300, 0); /* never finished */
    world_settle(world);

    struct link *b = join_as(world, &guest, false);
    size_t from = b->read;
    struct message again = {0};
    kinds_rest(b, kinds, true);
    assert_string_equal(kinds, "GMCttt");
    b->read = from;
    agent_numbers_clear(&guest.numbers_in);
    kinds_rest(b, kinds, false);
    assert_string_equal(kinds, "GMeCC"); /* its place in the log is no news to anybody */
    kinds_rest(c, kinds, false);
    assert_string_equal(kinds, "GMeCC"); /* nor is its text to who is there */
    again.kind = MESSAGE_RESUME;
    link_cut(b);
    b = connect_from(world, &guest, "");
    hello(b, false, "");
    again.resume.hash = RESUME_CHECKS_GRANTS; /* has the key that GENESIS would tell him */
    resume(b, &again);
    kinds_rest(b, kinds, true);
    assert_string_equal(kinds, "MCttt");
    link_cut(b);
    b = connect_from(world, &guest, "");
    hello(b, false, "");
    again.resume.log.bytes[0] = 1; /* has been at some relay, and has what he wants */
    resume(b, &again);
    kinds_rest(b, kinds, true);
    assert_string_equal(kinds, "");
    rope_free(text);
    rope_free(small);
    buf_release(&bytes);
    relay_peer_release(&owner);
    relay_peer_release(&guest);
    relay_peer_release(&other);
}

/* Else they would greet him, and he had to wait for that. */
static void others_hear_of_a_fresh_reader_behind_his_checkpoint(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, guest;
    struct rope *small = rope_from_bytes(bytes_of_string("small"));
    relay_peer_init(&owner, &world->keys, 1);
    relay_peer_init(&guest, &world->keys, 2);
    struct link *a = join_as(world, &owner, true);
    upload_member(a);
    upload_checkpoint(a, small, 100);
    tally_rest(a);
    for (int round = 0; round < 2; round++) {
        struct link *b = connect_from(world, &guest, "");
        hello(b, false, "");
        b->queued = 1; /* his line is busy */
        resume(b, NULL);
        assert_int_equal(expect(b, MESSAGE_WELCOME)->welcome.peers, 2);
        assert_null(next(a));
        if (round == 1) {
            b->queued = 0;
            world_settle(world);
            assert_int_equal(expect(a, MESSAGE_PEERS)->peers.count, 2);
        }
        link_cut(b); /* the first one before anybody heard of him */
        world_settle(world);
        if (round == 1)
            assert_int_equal(expect(a, MESSAGE_PEERS)->peers.count, 1);
        assert_null(next(a));
    }
    rope_free(small);
    relay_peer_release(&owner);
    relay_peer_release(&guest);
}

/* Everything that the relay has sent on this link until so many texts of a checkpoint were there. */
static size_t bytes_until_texts(struct link *link, uint64_t texts)
{
    size_t bytes = buf_view(&link->frames[0]).len; /* CHALLENGE, which was taken before */
    for (const struct message *message; texts > 0 && (message = next(link));) {
        bytes += link->frames[link->read - 1].len;
        for (size_t i = 0; message->kind == MESSAGE_RECORDS && i < message->records.count; i++)
            texts -= message->records.items[i].stored.data[1] == RECORD_CHECKPOINT_TEXT;
    }
    assert_int_equal(texts, 0);
    return bytes;
}

/* A text that cannot be packed, so that what stands around it is what is measured. */
static struct rope *noise(uint64_t len)
{
    struct random random = random_of(3);
    struct buf bytes = {0};
    for (uint64_t i = 0; i < len; i++)
        buf_add_byte(&bytes, (unsigned char)random_below(&random, 256));
    struct rope *text = rope_from_bytes(buf_view(&bytes));
    buf_release(&bytes);
    return text;
}

static void a_joiner_has_the_text_after_its_size_and_a_fifth(void **state)
{
    enum { EDITS = 2000, SMALL = 10000, LARGE = 600000 };
    static const uint64_t lens[] = {SMALL, LARGE};
    struct world *world = *state;
    struct relay_peer owner, guest;
    world->limits = relay_limits_none();
    world_restart(world, false);
    relay_peer_init(&owner, &world->keys, 1);
    relay_peer_init(&guest, &world->keys, 2);
    struct link *a = join_as(world, &owner, true);
    upload_member(a);
    for (int i = 0; i < EDITS; i++) {
        upload_events(a, "one of many edits, none of which has to be read first");
        if (i % 100 == 0)
            world_settle(world);
    }
    for (size_t i = 0; i < 2; i++) {
        struct rope *text = noise(lens[i]);
        upload_checkpoint(a, text, 1000000 * (i + 1));
        struct link *b = join_as(world, &guest, false);
        size_t ahead = bytes_until_texts(b, checkpoint_parts(lens[i])), all = ahead;
        while (next(b))
            all += b->frames[b->read - 1].len;
        print_message("a text of %llu bytes: there after %zu bytes, its history after %zu\n", (unsigned long long)lens[i], ahead, all);
        assert_true(ahead <= lens[i] + lens[i] / 5);
        assert_true(all > ahead + (size_t)EDITS * 150);
        link_cut(b);
        rope_free(text);
    }
    relay_peer_release(&owner);
    relay_peer_release(&guest);
}

static void a_checkpoint_is_taken_whole_and_in_order_from_a_writer(void **state)
{
    struct world *world = *state;
    struct relay_peer owner, guest;
    struct buf record = {0};
    struct rope *small = rope_from_bytes(bytes_of_string("small"));
    relay_peer_init(&owner, &world->keys, 1);
    relay_peer_init(&guest, &world->keys, 2);
    struct link *a = join_as(world, &owner, true), *b = join_as(world, &guest, false);
    relay_peer_events(&guest, "never sent", &record);
    upload_checkpoint_part(b, small, 100, 0); /* who is not introduced */
    expect_rejected(b, 1, REFUSE_ORDER);
    upload_member(a);
    upload_events(a, "hello");
    upload_checkpoint_part(a, small, 100, 1); /* the word that it is whole, without the text */
    expect_rejected(a, 3, REFUSE_ORDER);
    upload_checkpoint_part(a, small, 100, 0);
    upload_checkpoint_part(a, small, 200, 1); /* of another set */
    expect_rejected(a, 5, REFUSE_ORDER);
    upload_checkpoint_part(a, small, 100, 1);
    world_settle(world);
    expect_acked(a, 6);
    buf_clear(&record);
    relay_peer_checkpoint(&owner, small, 300, 0, &record);
    record.data[record.len - 1] ^= 1;
    upload(a, &record);
    expect_rejected(a, 7, REFUSE_FORBIDDEN);
    rope_free(small);
    buf_release(&record);
    relay_peer_release(&owner);
    relay_peer_release(&guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELAY_TEST(the_owner_creates_the_document_and_a_reader_gets_what_was_written),
        RELAY_TEST(a_base_that_is_missing_comes_behind_what_was_written),
        RELAY_TEST(an_ack_says_the_place_and_nothing_of_ones_own_comes_back),
        RELAY_TEST(a_wrong_read_key_is_refused),
        RELAY_TEST(a_wrong_device_proof_is_refused),
        RELAY_TEST(an_unknown_document_is_refused_unless_it_is_created),
        RELAY_TEST(creating_needs_the_token_and_joining_does_not),
        RELAY_TEST(a_fresh_reader_gets_the_newest_checkpoint_before_everything),
        RELAY_TEST(others_hear_of_a_fresh_reader_behind_his_checkpoint),
        RELAY_TEST(a_joiner_has_the_text_after_its_size_and_a_fifth),
        RELAY_TEST(a_checkpoint_is_taken_whole_and_in_order_from_a_writer),
        RELAY_TEST(the_relay_proves_its_key_before_it_is_told_anything),
        RELAY_TEST(a_replayed_hello_is_refused),
        RELAY_TEST(nothing_large_is_taken_before_the_proofs),
        RELAY_TEST(whoever_says_nothing_is_sent_away),
        RELAY_TEST(two_who_create_at_once_meet_in_one_document),
        RELAY_TEST(what_one_writes_reaches_the_other_and_does_not_come_back),
        RELAY_TEST(a_viewer_who_writes_is_refused),
        RELAY_TEST(nobody_writes_as_an_agent_of_another_device),
        RELAY_TEST(a_duplicate_is_acknowledged_and_stored_once),
        RELAY_TEST(a_gap_is_rejected_and_the_connection_goes_on),
        RELAY_TEST(other_content_under_the_same_numbers_is_kept_and_comes_to_all),
        RELAY_TEST(who_was_not_sent_something_is_sent_it_when_it_turns_out_to_be_another),
        RELAY_TEST(a_fork_brings_a_reader_what_he_was_not_sent_and_further_ones_bring_themselves),
        RELAY_TEST(of_contents_under_one_number_so_many_are_kept_and_he_goes_on_behind),
        RELAY_TEST(nothing_behind_a_doubtful_record_is_acknowledged_before_it),
        RELAY_TEST(a_writer_heals_the_relay_with_anothers_record),
        RELAY_TEST(a_resume_at_a_known_place_brings_only_what_follows),
        RELAY_TEST(a_resume_whose_hash_does_not_fit_goes_by_the_vector),
        RELAY_TEST(a_place_beyond_the_head_is_ignored),
        RELAY_TEST(a_client_of_another_protocol_is_told_who_has_to_update),
        RELAY_TEST(an_unknown_optional_record_is_stored_and_handed_on_and_a_mandatory_one_is_not),
        RELAY_TEST(what_a_pack_stands_in_for_goes_when_another_has_compared_it),
        RELAY_TEST(what_a_pack_stands_in_for_goes_after_a_day),
        RELAY_TEST(a_reader_resumes_at_any_place_of_a_packed_log),
        RELAY_TEST(only_the_authors_device_packs),
        RELAY_TEST(a_pack_of_what_is_not_here_is_out_of_order),
        RELAY_TEST(originals_that_are_offered_again_stay),
        RELAY_TEST(a_pack_heals_a_relay),
        RELAY_TEST(after_a_restart_everything_acknowledged_is_there),
        RELAY_TEST(a_welcome_names_only_what_is_durable),
        RELAY_TEST(a_reader_who_does_not_read_is_told_to_resume),
        RELAY_TEST(a_link_that_stands_still_is_given_up),
        RELAY_TEST(who_uploads_faster_than_the_disk_is_not_read_for_a_while),
        RELAY_TEST(who_talks_too_much_is_not_read_until_it_is_paid),
        RELAY_TEST(presence_reaches_the_others_and_its_surplus_is_dropped),
        RELAY_TEST(everybody_hears_how_many_are_here),
        RELAY_TEST(one_address_has_its_share_of_connections),
        RELAY_TEST(a_full_document_takes_no_more),
        RELAY_TEST(a_document_has_so_many_writers_and_whoever_comes_then_is_told),
        RELAY_TEST(a_relay_that_is_four_fifths_full_takes_no_new_documents),
        RELAY_TEST(only_the_owner_closes_a_document_and_then_it_stays_closed),
        RELAY_TEST(whoever_comes_hears_where_the_document_went),
        RELAY_TEST(a_stopping_relay_says_goodbye),
        RELAY_TEST(metrics_name_the_largest_documents),
        RELAY_TEST(links_may_go_while_the_disk_works),
        RELAY_TEST(a_document_nobody_was_in_is_forgotten_and_its_owner_may_bring_it_again),
        RELAY_TEST(a_clock_that_is_set_forward_forgets_nothing),
        RELAY_TEST(an_empty_relay_counts_how_long_it_is_so),
        cmocka_unit_test(limits_are_read_as_a_person_types_them),
    };
    return RUN_TESTS("relay", tests);
}
