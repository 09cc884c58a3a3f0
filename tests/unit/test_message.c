/* Frames of weft.1, and presence. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/varint.h"
#include "sync/message.h"

static struct bytes text_of(const char *text)
{
    return bytes_of_string(text);
}

/* --- one frame of every kind --- */

static const struct vector_entry vector[] = {{{{1}}, 5}, {{{2}}, UINT64_MAX}};

/* A record as far as frames look into it. */
static struct bytes shell_record(struct buf *out, unsigned char flags, unsigned char agent, const char *rest)
{
    buf_clear(out);
    buf_add_byte(out, RECORD_FORMAT);
    buf_add_byte(out, RECORD_EVENTS);
    buf_add_byte(out, flags);
    for (int i = 0; i < (flags & 1 ? 2 : 1); i++) {
        struct agent_id id = {{agent, (unsigned char)i}};
        buf_add(out, id.bytes, sizeof id.bytes);
    }
    buf_add_string(out, rest);
    while (out->len < (size_t)RECORD_BYTES_MIN + (flags & 1 ? AGENT_ID_BYTES : 0))
        buf_add_byte(out, 0);
    return buf_view(out);
}

enum { SAMPLES_MAX = 24 };

struct samples {
    struct {
        enum message_sender sender;
        struct message message;
    } items[SAMPLES_MAX];
    size_t count;
    struct buf stored[3];
    struct place_record records[3];
};

static void add_sample(struct samples *samples, enum message_sender sender, struct message message)
{
    assert_true(samples->count < SAMPLES_MAX);
    samples->items[samples->count].sender = sender;
    samples->items[samples->count++].message = message;
}

static void add_client_samples(struct samples *samples)
{
    const enum message_sender by = MESSAGE_BY_CLIENT;
    add_sample(samples, by,
               (struct message){.kind = MESSAGE_HELLO,
                                .hello = {{{8}}, {{7}}, {{6}}, text_of("genesis"), text_of("token")}});
    add_sample(
        samples, by,
        (struct message){.kind = MESSAGE_RESUME, .resume = {{{5}}, 77, {{4}}, vector, sizeof vector / sizeof *vector}});
    add_sample(samples, by, (struct message){.kind = MESSAGE_RESUME});
    add_sample(samples, by, (struct message){.kind = MESSAGE_RECORDS, .records = {samples->records, 3}});
    add_sample(samples, by,
               (struct message){.kind = MESSAGE_REOFFER, .reoffer = {buf_view(&samples->stored[2]), {{3}}}});
    add_sample(samples, by, (struct message){.kind = MESSAGE_DELETE, .delete_request = {{{2}}}});
    add_sample(samples, by, (struct message){.kind = MESSAGE_KNOCK, .knock = {1, 3, {{9}}, {2}}});
}

static void add_relay_samples(struct samples *samples)
{
    const enum message_sender by = MESSAGE_BY_RELAY;
    add_sample(samples, by, (struct message){.kind = MESSAGE_CHALLENGE, .challenge = {1, 1, {{1}}, {2}, {{3}}, {{4}}}});
    add_sample(samples, by,
               (struct message){.kind = MESSAGE_WELCOME,
                                .welcome = {1, {{7}}, 1234567, 3, vector, sizeof vector / sizeof *vector}});
    add_sample(samples, by,
               (struct message){.kind = MESSAGE_REFUSE, .refuse = {REFUSE_LIMIT, 60000, text_of("come back")}});
    add_sample(samples, by, (struct message){.kind = MESSAGE_RECORDS, .records = {samples->records, 3}});
    add_sample(samples, by, (struct message){.kind = MESSAGE_CAUGHT_UP, .caught_up = {99}});
    add_sample(samples, by, (struct message){.kind = MESSAGE_ACK, .ack = {UINT64_MAX, 1}});
    add_sample(samples, by,
               (struct message){.kind = MESSAGE_REJECT, .reject = {4, REFUSE_ORDER, text_of("out of order")}});
    add_sample(samples, by, (struct message){.kind = MESSAGE_PEERS, .peers = {12}});
}

static void samples_init(struct samples *samples)
{
    *samples = (struct samples){0};
    shell_record(&samples->stored[0], 0, 0xaa, "first");
    shell_record(&samples->stored[1], 0, 0xaa, "second of the same agent");
    shell_record(&samples->stored[2], 1, 0xbb, "sealed by an heir");
    for (size_t i = 0; i < 3; i++)
        samples->records[i] = (struct place_record){100 + i, buf_view(&samples->stored[i])};
    add_client_samples(samples);
    add_relay_samples(samples);
    for (int sender = MESSAGE_BY_CLIENT; sender <= MESSAGE_BY_RELAY; sender++) {
        add_sample(samples, (enum message_sender)sender,
                   (struct message){.kind = MESSAGE_PRESENCE, .presence = {text_of("sealed")}});
        add_sample(samples, (enum message_sender)sender, (struct message){.kind = MESSAGE_PING, .ping = {1}});
        add_sample(samples, (enum message_sender)sender, (struct message){.kind = MESSAGE_PONG, .ping = {2}});
        add_sample(samples, (enum message_sender)sender,
                   (struct message){.kind = MESSAGE_MOVED, .moved = {7, text_of("wss://new"), {{5}}}});
    }
}

static void samples_release(struct samples *samples)
{
    for (size_t i = 0; i < 3; i++)
        buf_release(&samples->stored[i]);
}

static void encode_once(const struct message *message, enum message_sender sender, struct buf *frame)
{
    struct agent_numbers numbers = {0};
    buf_clear(frame);
    message_encode(message, sender, &numbers, frame);
    agent_numbers_release(&numbers);
}

static bool decode_once(struct bytes frame, enum message_sender sender, struct message *message)
{
    struct agent_numbers numbers = {0};
    struct error err = {0};
    bool good = message_decode(frame, sender, &numbers, message, &err);
    assert_true(good || (err.code != ERR_NONE && numbers.count == 0 && message->restored.len == 0));
    agent_numbers_release(&numbers);
    return good;
}

static void every_kind_survives_the_trip(void **state)
{
    (void)state;
    struct samples samples;
    struct buf frame = {0}, again = {0};
    struct message back = {0};
    samples_init(&samples);
    for (size_t i = 0; i < samples.count; i++) {
        encode_once(&samples.items[i].message, samples.items[i].sender, &frame);
        assert_true(decode_once(buf_view(&frame), samples.items[i].sender, &back));
        assert_int_equal(back.kind, samples.items[i].message.kind);
        encode_once(&back, samples.items[i].sender, &again);
        assert_true(bytes_equal(buf_view(&again), buf_view(&frame)));
    }
    message_release(&back);
    buf_release(&frame);
    buf_release(&again);
    samples_release(&samples);
}

static void fields_arrive_where_they_belong(void **state)
{
    (void)state;
    struct samples samples;
    struct buf frame = {0};
    struct message back = {0};
    samples_init(&samples);

    encode_once(&samples.items[0].message, MESSAGE_BY_CLIENT, &frame);
    assert_true(decode_once(buf_view(&frame), MESSAGE_BY_CLIENT, &back));
    assert_int_equal(back.hello.read_proof.bytes[0], 6);
    assert_true(bytes_equal(back.hello.genesis, text_of("genesis")));
    assert_true(bytes_equal(back.hello.token, text_of("token")));

    encode_once(&samples.items[1].message, MESSAGE_BY_CLIENT, &frame);
    assert_true(decode_once(buf_view(&frame), MESSAGE_BY_CLIENT, &back));
    assert_int_equal(back.resume.place, 77);
    assert_int_equal(back.resume.log.bytes[0], 5);
    ensure(back.resume.vector && back.resume.vector_count == 2);
    assert_true(back.resume.vector[1].next_seq == UINT64_MAX);

    message_release(&back);
    buf_release(&frame);
    samples_release(&samples);
}

static void every_truncation_and_addition_is_refused(void **state)
{
    (void)state;
    struct samples samples;
    struct buf frame = {0};
    struct message back = {0};
    samples_init(&samples);
    for (size_t i = 0; i < samples.count; i++) {
        encode_once(&samples.items[i].message, samples.items[i].sender, &frame);
        for (size_t len = 0; len < frame.len; len++)
            assert_false(decode_once(bytes_slice(buf_view(&frame), 0, len), samples.items[i].sender, &back));
        buf_add_byte(&frame, 0);
        assert_false(decode_once(buf_view(&frame), samples.items[i].sender, &back));
    }
    message_release(&back);
    buf_release(&frame);
    samples_release(&samples);
}

static bool is_common(enum message_kind kind)
{
    return kind == MESSAGE_PRESENCE || kind == MESSAGE_PING || kind == MESSAGE_PONG || kind == MESSAGE_MOVED;
}

static void nobody_sends_what_is_the_others_to_send(void **state)
{
    (void)state;
    struct samples samples;
    struct buf frame = {0};
    struct message back = {0};
    samples_init(&samples);
    for (size_t i = 0; i < samples.count; i++) {
        bool client = samples.items[i].sender == MESSAGE_BY_CLIENT;
        encode_once(&samples.items[i].message, samples.items[i].sender, &frame);
        if (!is_common(samples.items[i].message.kind))
            assert_false(decode_once(buf_view(&frame), client ? MESSAGE_BY_RELAY : MESSAGE_BY_CLIENT, &back));
    }
    static const unsigned char unknown[] = {0x7f};
    assert_false(decode_once(bytes_of(unknown, sizeof unknown), MESSAGE_BY_RELAY, &back));
    message_release(&back);
    buf_release(&frame);
    samples_release(&samples);
}

/* --- records in frames --- */

static void an_agent_is_spelled_out_once_a_connection(void **state)
{
    (void)state;
    struct samples samples;
    struct agent_numbers sent = {0}, heard = {0};
    struct buf frame = {0};
    struct message back = {0};
    struct error err = {0};
    size_t first = 0;
    samples_init(&samples);
    const struct message message = {.kind = MESSAGE_RECORDS, .records = {samples.records, 3}};
    for (int round = 0; round < 3; round++) {
        buf_clear(&frame);
        message_encode(&message, MESSAGE_BY_RELAY, &sent, &frame);
        assert_true(message_decode(buf_view(&frame), MESSAGE_BY_RELAY, &heard, &back, &err));
        ensure(back.records.items && back.records.count == 3);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(back.records.items[i].place, 100 + i);
            assert_true(bytes_equal(back.records.items[i].stored, samples.records[i].stored));
        }
        if (round == 0)
            first = frame.len;
        else
            assert_int_equal(frame.len, first - (size_t)3 * AGENT_ID_BYTES);
    }
    assert_int_equal(sent.count, 3);
    assert_int_equal(heard.count, 3);

    agent_numbers_clear(&sent); /* a new connection */
    buf_clear(&frame);
    message_encode(&message, MESSAGE_BY_RELAY, &sent, &frame);
    assert_int_equal(frame.len, first);
    agent_numbers_release(&sent);
    agent_numbers_release(&heard);
    message_release(&back);
    buf_release(&frame);
    samples_release(&samples);
}

static void a_broken_frame_numbers_nobody(void **state)
{
    (void)state;
    struct samples samples;
    struct agent_numbers heard = {0};
    struct buf frame = {0};
    struct message back = {0};
    struct error err = {0};
    samples_init(&samples);
    encode_once(&(struct message){.kind = MESSAGE_RECORDS, .records = {samples.records, 3}}, MESSAGE_BY_CLIENT, &frame);
    assert_false(
        message_decode(bytes_slice(buf_view(&frame), 0, frame.len - 1), MESSAGE_BY_CLIENT, &heard, &back, &err));
    assert_int_equal(heard.count, 0);
    assert_true(message_decode(buf_view(&frame), MESSAGE_BY_CLIENT, &heard, &back, &err));
    assert_int_equal(heard.count, 3);
    agent_numbers_release(&heard);
    message_release(&back);
    buf_release(&frame);
    samples_release(&samples);
}

static void many_agents_keep_their_numbers_and_those_beyond_the_bound_are_spelled_out(void **state)
{
    (void)state;
    struct agent_numbers sent = {0}, heard = {0};
    struct buf frame = {0}, stored = {0};
    struct message back = {0};
    struct error err = {0};
    for (uint32_t i = 0; i < MESSAGE_AGENTS_MAX + 3; i++) {
        shell_record(&stored, 0, 0, "x");
        memcpy(stored.data + 3, &i, sizeof i);
        struct place_record record = {0, buf_view(&stored)};
        struct message message = {.kind = MESSAGE_RECORDS, .records = {&record, 1}};
        for (int times = 0; times < 2; times++) {
            buf_clear(&frame);
            message_encode(&message, MESSAGE_BY_CLIENT, &sent, &frame);
            assert_true(message_decode(buf_view(&frame), MESSAGE_BY_CLIENT, &heard, &back, &err));
            ensure(back.records.items);
            assert_true(bytes_equal(back.records.items[0].stored, buf_view(&stored)));
        }
    }
    assert_int_equal(sent.count, MESSAGE_AGENTS_MAX);
    assert_int_equal(heard.count, MESSAGE_AGENTS_MAX);
    agent_numbers_release(&sent);
    agent_numbers_release(&heard);
    message_release(&back);
    buf_release(&frame);
    buf_release(&stored);
}

/* --- bounds --- */

static void expect_refused(const struct buf *frame, enum message_sender sender, enum err code)
{
    struct agent_numbers numbers = {0};
    struct message message = {0};
    struct error err = {0};
    assert_false(message_decode(buf_view(frame), sender, &numbers, &message, &err));
    assert_int_equal(err.code, code);
    agent_numbers_release(&numbers);
    message_release(&message);
}

static void counts_that_the_frame_cannot_hold_are_refused_unallocated(void **state)
{
    (void)state;
    struct buf frame = {0};
    buf_add_byte(&frame, MESSAGE_RECORDS);
    buf_add_varint(&frame, MESSAGE_RECORDS_MAX);
    expect_refused(&frame, MESSAGE_BY_CLIENT, ERR_FORMAT);
    buf_clear(&frame);
    buf_add_byte(&frame, MESSAGE_RECORDS);
    buf_add_varint(&frame, 0);
    expect_refused(&frame, MESSAGE_BY_CLIENT, ERR_FORMAT);
    buf_clear(&frame);
    buf_add_byte(&frame, MESSAGE_RESUME);
    memset(buf_extend(&frame, 16 + 1 + 32), 0, 16 + 1 + 32);
    buf_add_varint(&frame, MESSAGE_VECTOR_MAX);
    expect_refused(&frame, MESSAGE_BY_CLIENT, ERR_FORMAT);
    buf_release(&frame);
}

static void a_greeting_is_kept_short(void **state)
{
    (void)state;
    struct buf frame = {0};
    buf_add_byte(&frame, MESSAGE_HELLO);
    memset(buf_extend(&frame, MESSAGE_HELLO_BYTES_MAX), 0, MESSAGE_HELLO_BYTES_MAX);
    expect_refused(&frame, MESSAGE_BY_CLIENT, ERR_LIMIT);
    buf_release(&frame);
}

static void an_agent_number_that_was_never_given_is_refused(void **state)
{
    (void)state;
    static const unsigned char frame[] = {MESSAGE_RECORDS, 1, 5, RECORD_FORMAT, RECORD_EVENTS, 0, 1, 'x'};
    struct buf buf = {0};
    buf_add(&buf, frame, sizeof frame);
    expect_refused(&buf, MESSAGE_BY_CLIENT, ERR_FORMAT);
    buf_release(&buf);
}

/* --- sizes --- */

static void a_keystroke_is_at_most_110_bytes_in_its_frame(void **state)
{
    (void)state;
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {7};
    struct doc_keys keys;
    struct batch batch = {.agent = {{1}}, .seq0 = 5000, .flags = BATCH_FLAG_SELF};
    struct buf one = {0}, plain = {0}, stored = {0}, frame = {0};
    struct agent_numbers numbers = {0};
    struct digest last = {{0}};
    doc_keys_from_admin(&keys, seed);
    batch_add_insert(&batch, 60000, text_of("x"));
    batch_encode(&batch, &one);
    record_plain_add(&plain, buf_view(&one));
    record_seal(&(struct record_spec){.kind = RECORD_EVENTS,
                                      .agent = batch.agent,
                                      .sealer = batch.agent,
                                      .counter = 3000,
                                      .seq0 = 5000,
                                      .count = 1,
                                      .plain = buf_view(&plain),
                                      .last = &last,
                                      .keys = &keys,
                                      .signer = &keys.write_key},
                &stored);
    struct place_record item = {250000, buf_view(&stored)};
    const struct message message = {.kind = MESSAGE_RECORDS, .records = {&item, 1}};
    for (int sender = MESSAGE_BY_CLIENT; sender <= MESSAGE_BY_RELAY; sender++) {
        agent_numbers_clear(&numbers);
        message_encode(&message, (enum message_sender)sender, &numbers, &frame); /* names the agent */
        buf_clear(&frame);
        message_encode(&message, (enum message_sender)sender, &numbers, &frame);
        print_message("a keystroke's frame %s the relay: %zu bytes\n", sender == MESSAGE_BY_CLIENT ? "to" : "from",
                      frame.len);
        assert_true(frame.len <= 110);
    }
    agent_numbers_release(&numbers);
    batch_release(&batch);
    buf_release(&one);
    buf_release(&plain);
    buf_release(&stored);
    buf_release(&frame);
}

/* --- proofs --- */

static void proofs_depend_on_everything_in_the_handshake_and_on_their_purpose(void **state)
{
    (void)state;
    struct sign_public device = {{2}}, other = {{9}};
    struct handshake first = {.client_low = 1, .client_high = 1, .relay_low = 1, .relay_high = 1};
    struct handshake changed[9];
    struct digest digests[13];
    for (int i = 0; i < 9; i++)
        changed[i] = first;
    changed[0].client_low++;
    changed[1].client_high++;
    changed[2].relay_low++;
    changed[3].relay_high++;
    changed[4].doc.bytes[0]++;
    changed[5].client_nonce[31]++;
    changed[6].relay_nonce[31]++;
    changed[7].relay_key.bytes[0]++;
    changed[8].certificate.bytes[0]++;
    for (int i = 0; i < 9; i++)
        hello_digest(&changed[i], &device, false, &digests[i]);
    hello_digest(&first, &device, false, &digests[9]);
    hello_digest(&first, &device, true, &digests[10]);
    hello_digest(&first, &other, false, &digests[11]);
    delete_digest(&first, &digests[12]);
    for (int i = 0; i < 13; i++)
        for (int j = 0; j < i; j++)
            assert_false(digest_equal(&digests[i], &digests[j]));
    struct digest relay;
    challenge_digest(&first, &relay);
    for (int i = 0; i < 13; i++)
        assert_false(digest_equal(&digests[i], &relay));
}

/* --- presence --- */

struct scene {
    struct doc_keys keys;
    struct device device;
    struct sign_key doc_key;
};

static void scene_init(struct scene *scene)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {7};
    doc_keys_from_admin(&scene->keys, seed);
    device_from_seed(&scene->device, seed);
    device_doc_key(&scene->device, &scene->keys.doc, &scene->doc_key);
}

static struct presence full_presence(const struct scene *scene)
{
    struct presence presence = {
        .agent = {{1}},
        .counter = UINT64_MAX,
        .flags = PRESENCE_VIEWER,
        .has_card = true,
        .device_key = scene->device.key.public_key,
        .head_count = PRESENCE_HEADS_MAX,
        .has_cursor = true,
        .cursor = BATCH_POS_MAX,
        .anchor = BATCH_POS_MAX - 1,
        .keeps_room = true,
        .events_seen = UINT64_MAX,
    };
    device_certify(&scene->device, &scene->keys.doc, &scene->doc_key.public_key, &presence.certificate);
    memset(presence.name, 'n', NAME_BYTES_MAX);
    for (size_t i = 0; i < PRESENCE_HEADS_MAX; i++)
        presence.heads[i] = (struct event_id){{{(unsigned char)i}}, BATCH_SEQ_MAX};
    return presence;
}

static void the_longest_presence_fits_and_comes_back(void **state)
{
    (void)state;
    struct scene scene;
    struct buf sealed = {0};
    struct presence back;
    struct error err = {0};
    scene_init(&scene);
    struct presence presence = full_presence(&scene);
    presence_seal(&presence, &scene.keys, &scene.doc_key, &sealed);
    print_message("the longest presence: %zu bytes\n", sealed.len);
    assert_true(sealed.len <= PRESENCE_BYTES_MAX);
    assert_true(presence_open(buf_view(&sealed), &scene.keys, &back, &err));
    assert_memory_equal(&back.doc_key, &scene.doc_key.public_key, sizeof back.doc_key);
    assert_true(back.counter == UINT64_MAX && back.events_seen == UINT64_MAX && back.cursor == BATCH_POS_MAX);
    assert_int_equal(back.flags, PRESENCE_VIEWER);
    assert_int_equal(back.head_count, PRESENCE_HEADS_MAX);
    assert_true(back.heads[5].seq == BATCH_SEQ_MAX);
    assert_string_equal(back.name, presence.name);
    assert_true(back.keeps_room);

    buf_clear(&sealed);
    presence = (struct presence){.agent = {{1}}, .has_cursor = true, .cursor = 100, .anchor = 100, .head_count = 1};
    presence_seal(&presence, &scene.keys, &scene.doc_key, &sealed);
    print_message("a cursor that moves: %zu bytes\n", sealed.len);
    assert_true(presence_open(buf_view(&sealed), &scene.keys, &back, &err));
    assert_false(back.has_card || back.keeps_room);
    buf_release(&sealed);
}

/* A presence whose plaintext is this, as presence_seal() makes it. */
static void seal_plain(const struct scene *scene, const struct agent_id *agent, struct bytes plain, struct buf *out)
{
    const struct doc_keys *keys = &scene->keys;
    unsigned char nonce[CRYPTO_NONCE_BYTES] = {0}; /* behind the agent: counter 0 */
    struct seal_key key;
    struct buf sealed = {0};
    struct hasher hasher;
    struct digest digest;
    struct signature signature;
    crypto_derive(key.bytes, sizeof key.bytes, keys->content_key.bytes, sizeof keys->content_key.bytes,
                  "weft-presence-key-1", (struct bytes){0});
    memcpy(nonce, agent->bytes, AGENT_ID_BYTES);
    crypto_seal(&key, nonce, bytes_of(keys->doc.bytes, sizeof keys->doc.bytes), plain, &sealed);
    hasher_init(&hasher, "weft-presence-1");
    hasher_add(&hasher, keys->doc.bytes, sizeof keys->doc.bytes);
    hasher_add(&hasher, agent->bytes, AGENT_ID_BYTES);
    hasher_add_u64(&hasher, 0);
    hasher_add_sized(&hasher, buf_view(&sealed));
    hasher_digest(&hasher, &digest);
    crypto_sign_digest(&scene->doc_key, &digest, &signature);
    buf_clear(out);
    buf_add(out, agent->bytes, AGENT_ID_BYTES);
    buf_add_varint(out, 0);
    buf_add_sized(out, buf_view(&sealed));
    buf_add(out, signature.bytes, sizeof signature.bytes);
    buf_release(&sealed);
}

/* One head and a cursor: what there was before marks. */
static void plain_without_marks(const struct scene *scene, struct buf *out)
{
    static const unsigned char head[AGENT_ID_BYTES] = {9};
    buf_add(out, scene->doc_key.public_key.bytes, sizeof scene->doc_key.public_key.bytes);
    buf_add_byte(out, 0);
    buf_add_byte(out, 2);
    buf_add_varint(out, 5);
    buf_add_varint(out, 1);
    buf_add(out, head, sizeof head);
    buf_add_varint(out, 4);
    buf_add_varint(out, 3);
    buf_add_varint(out, 3);
}

static void marks_may_be_missing_and_more_may_follow_them(void **state)
{
    static const struct agent_id agent = {{1}};
    static const unsigned char mark[PRESENCE_MARK_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};
    (void)state;
    struct scene scene;
    struct buf plain = {0}, sealed = {0};
    struct presence back;
    struct error err = {0};
    scene_init(&scene);
    plain_without_marks(&scene, &plain);
    seal_plain(&scene, &agent, buf_view(&plain), &sealed);
    assert_true(presence_open(buf_view(&sealed), &scene.keys, &back, &err)); /* of an older weft */
    assert_true(back.has_cursor && back.cursor == 3 && back.head_count == 1);
    assert_false(back.has_marks);

    buf_add_sized(&plain, bytes_of(mark, sizeof mark));
    buf_add(&plain, "later", 5);
    seal_plain(&scene, &agent, buf_view(&plain), &sealed);
    assert_true(presence_open(buf_view(&sealed), &scene.keys, &back, &err));
    assert_true(back.has_marks);
    assert_memory_equal(back.marks[0], mark, sizeof mark);
    buf_release(&plain);
    buf_release(&sealed);
}

static void a_presence_that_was_touched_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    struct buf sealed = {0};
    struct presence back;
    struct error err = {0};
    scene_init(&scene);
    struct presence presence = full_presence(&scene);
    presence.name[3] = '\0';
    presence_seal(&presence, &scene.keys, &scene.doc_key, &sealed);
    for (size_t bit = 0; bit < 8 * sealed.len; bit++) {
        sealed.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_false(presence_open(buf_view(&sealed), &scene.keys, &back, &err));
        sealed.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (size_t len = 0; len < sealed.len; len++)
        assert_false(presence_open(bytes_slice(buf_view(&sealed), 0, len), &scene.keys, &back, &err));
    struct doc_keys elsewhere = scene.keys;
    elsewhere.doc.bytes[0] ^= 1;
    assert_false(presence_open(buf_view(&sealed), &elsewhere, &back, &err));
    assert_true(presence_open(buf_view(&sealed), &scene.keys, &back, &err));
    buf_release(&sealed);
}

/* A reader holds the content key: he can seal, but not show somebody else's card. */
static void a_card_of_somebody_else_is_refused(void **state)
{
    (void)state;
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {8};
    struct scene scene;
    struct device eve;
    struct sign_key eve_key;
    struct buf sealed = {0};
    struct presence back;
    struct error err = {0};
    scene_init(&scene);
    device_from_seed(&eve, seed);
    device_doc_key(&eve, &scene.keys.doc, &eve_key);
    struct presence presence = full_presence(&scene);
    presence_seal(&presence, &scene.keys, &eve_key, &sealed);
    assert_false(presence_open(buf_view(&sealed), &scene.keys, &back, &err));
    assert_int_equal(err.code, ERR_AUTH);
    buf_release(&sealed);
}

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_survives_the_trip),
        cmocka_unit_test(fields_arrive_where_they_belong),
        cmocka_unit_test(every_truncation_and_addition_is_refused),
        cmocka_unit_test(nobody_sends_what_is_the_others_to_send),
        cmocka_unit_test(an_agent_is_spelled_out_once_a_connection),
        cmocka_unit_test(a_broken_frame_numbers_nobody),
        cmocka_unit_test(many_agents_keep_their_numbers_and_those_beyond_the_bound_are_spelled_out),
        cmocka_unit_test(counts_that_the_frame_cannot_hold_are_refused_unallocated),
        cmocka_unit_test(a_greeting_is_kept_short),
        cmocka_unit_test(an_agent_number_that_was_never_given_is_refused),
        cmocka_unit_test(a_keystroke_is_at_most_110_bytes_in_its_frame),
        cmocka_unit_test(proofs_depend_on_everything_in_the_handshake_and_on_their_purpose),
        cmocka_unit_test(the_longest_presence_fits_and_comes_back),
        cmocka_unit_test(marks_may_be_missing_and_more_may_follow_them),
        cmocka_unit_test(a_presence_that_was_touched_is_refused),
        cmocka_unit_test(a_card_of_somebody_else_is_refused),
    };
    return RUN_TESTS("message", tests);
}
