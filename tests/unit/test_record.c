/* Records: what is sealed comes back, and nothing else does. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/varint.h"
#include "sync/chain.h"
#include "sync/record.h"

/* A document with one device that writes. */
struct scene {
    struct doc_keys keys;
    struct device device;
    struct sign_key doc_key;
    struct agent_id ana;
};

static void scene_init(struct scene *scene)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {7};
    *scene = (struct scene){.ana = {{0xa7, 1, 2, 3}}};
    doc_keys_from_admin(&scene->keys, seed);
    device_from_seed(&scene->device, seed);
    device_doc_key(&scene->device, &scene->keys.doc, &scene->doc_key);
}

static void add_insert(struct batch_list *list, const struct agent_id *agent, uint64_t seq, const char *text)
{
    struct batch *batch = batch_list_add(list);
    batch->agent = *agent;
    batch->seq0 = seq;
    batch->flags = seq ? BATCH_FLAG_SELF : 0;
    batch_add_insert(batch, seq, bytes_of_string(text));
}

/* The digest that a fresh chain gives the last of these batches, and their plaintext for a record. */
static void chain_and_pack(const struct scene *scene, const struct batch_list *list, struct buf *plain,
                           struct digest *last)
{
    struct chain *chain = chain_new(&scene->keys.doc);
    struct buf one = {0};
    for (size_t i = 0; i < list->count; i++) {
        buf_clear(&one);
        batch_encode(&list->items[i], &one);
        chain_add(chain, &list->items[i], buf_view(&one), last);
        record_plain_add(plain, buf_view(&one));
    }
    buf_release(&one);
    chain_free(chain);
}

/* The first record of ana: texts[0..count), one batch each. */
static void seal_texts(const struct scene *scene, const char *const *texts, size_t count, struct buf *stored)
{
    struct batch_list list = {0};
    struct buf plain = {0};
    struct digest last;
    uint64_t events = 0;
    for (size_t i = 0; i < count; i++) {
        add_insert(&list, &scene->ana, events, texts[i]);
        events += strlen(texts[i]);
    }
    chain_and_pack(scene, &list, &plain, &last);
    record_seal(&(struct record_spec){.kind = RECORD_EVENTS,
                                      .agent = scene->ana,
                                      .sealer = scene->ana,
                                      .counter = 1,
                                      .count = events,
                                      .plain = buf_view(&plain),
                                      .last = &last,
                                      .keys = &scene->keys,
                                      .signer = &scene->doc_key},
                stored);
    buf_release(&plain);
    batch_list_release(&list);
}

/* All that a replica checks before it takes an EVENTS record of an agent it has heard nothing of. */
static bool accepts(const struct scene *scene, struct bytes stored, struct buf *plain, struct batch_run *run)
{
    struct record record;
    struct digest digests[8];
    struct error err = {0};
    struct chain *chain = chain_new(&scene->keys.doc);
    bool good = record_decode(stored, &record, &err) &&
                record_open_events(&record, &scene->keys, plain, run, &err) && run->count <= 8 &&
                chain_check_run(chain, run, 0, digests) == CHAIN_NEXT &&
                record_verify(&record, &scene->keys.doc, &scene->doc_key.public_key, &digests[run->count - 1]);
    assert_true(good || err.code != ERR_NONE || run->count > 0);
    chain_free(chain);
    return good;
}

static bool accepts_quietly(const struct scene *scene, struct bytes stored)
{
    struct batch_run run = {.count = 0};
    struct buf plain = {0};
    bool good = accepts(scene, stored, &plain, &run);
    buf_release(&plain);
    return good;
}

static const char *const two_words[] = {"warp", "weft"};

static void batches_come_back_as_they_were_sealed(void **state)
{
    (void)state;
    struct scene scene;
    struct buf stored = {0}, plain = {0};
    struct batch_run run = {.count = 0};
    scene_init(&scene);
    seal_texts(&scene, two_words, 2, &stored);
    assert_true(accepts(&scene, buf_view(&stored), &plain, &run));
    assert_int_equal(run.count, 2);
    struct batch_cursor cursor = batch_cursor_of(&run);
    assert_true(batch_cursor_next(&cursor) && batch_cursor_next(&cursor));
    assert_int_equal(cursor.batch->seq0, 4);
    assert_true(agent_id_equal(&cursor.batch->agent, &scene.ana));
    assert_true(bytes_equal(buf_view(&cursor.batch->text), bytes_of_string("weft")));
    assert_false(batch_cursor_next(&cursor));
    batch_cursor_release(&cursor);
    buf_release(&plain);
    buf_release(&stored);
}

static void sealing_twice_gives_the_same_bytes(void **state)
{
    (void)state;
    struct scene scene;
    struct buf one = {0}, two = {0};
    scene_init(&scene);
    seal_texts(&scene, two_words, 2, &one);
    seal_texts(&scene, two_words, 2, &two);
    assert_true(bytes_equal(buf_view(&one), buf_view(&two)));
    buf_release(&one);
    buf_release(&two);
}

/* A letter put in and taken out a thousand times is the same plaintext at many places of an agent's history. */
static void a_counter_made_from_the_content_is_for_one_record(void **state)
{
    (void)state;
    enum { EDITS = 512 };
    struct scene scene;
    scene_init(&scene);
    struct rope *base = rope_from_bytes((struct bytes){0});
    struct document *document = document_new(base);
    struct batch_list list = {0};
    struct patch patch = {0};
    for (size_t i = 0; i < 1 + 2 * EDITS; i++) {
        patch_replace(&patch, 0, i % 2, bytes_of_string(i % 2 ? "" : "x"));
        document_local(document, &scene.ana, &patch, (struct edit_mark){0}, &list);
    }
    struct buf plains[2] = {{0}, {0}}, one = {0};
    for (size_t i = 1; i < list.count; i++) {
        buf_clear(&one);
        batch_encode(&list.items[i], &one);
        record_plain_add(&plains[(i - 1) / EDITS], buf_view(&one));
    }
    assert_true(bytes_equal(buf_view(&plains[0]), buf_view(&plains[1])));
    const struct digest last = {{1}}, other_last = {{2}};
    struct record_spec spec = {.kind = RECORD_EVENTS, .agent = scene.ana, .sealer = scene.ana, .seq0 = list.items[1].seq0,
                               .count = EDITS, .plain = buf_view(&plains[0]), .last = &last};
    uint64_t counter = record_counter_of_content(&spec);
    assert_true(counter >> 63);
    struct record_spec same = spec, others[] = {spec, spec, spec, spec, spec, spec, spec, spec};
    same.plain = buf_view(&plains[1]);
    same.counter = counter; /* it is what is asked for */
    assert_int_equal(record_counter_of_content(&same), counter);
    others[0].seq0 = list.items[1 + EDITS].seq0;
    others[1].count++;
    others[2].last = &other_last;
    others[3].agent.bytes[0]++;
    others[4].sealer.bytes[0]++;
    others[5].kind = RECORD_PACK;
    others[6].epoch++;
    others[7].plain.len--;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_not_equal(record_counter_of_content(&others[i]), counter);
    buf_release(&plains[0]);
    buf_release(&plains[1]);
    buf_release(&one);
    patch_release(&patch);
    batch_list_release(&list);
    document_free(document);
    rope_free(base);
}

/* On the wire the agent's 16 bytes become a number of one byte (sync/message.h). */
static void a_keystroke_is_at_most_110_bytes_on_the_wire(void **state)
{
    (void)state;
    struct scene scene;
    struct batch_list list = {0};
    struct buf plain = {0}, stored = {0};
    struct digest last = {{1}};
    scene_init(&scene);
    add_insert(&list, &scene.ana, 1000000, "x");
    struct buf one = {0};
    batch_encode(&list.items[0], &one);
    record_plain_add(&plain, buf_view(&one));
    record_seal(&(struct record_spec){.kind = RECORD_EVENTS,
                                      .agent = scene.ana,
                                      .sealer = scene.ana,
                                      .counter = 1000000,
                                      .seq0 = 1000000,
                                      .count = 1,
                                      .plain = buf_view(&plain),
                                      .last = &last,
                                      .keys = &scene.keys,
                                      .signer = &scene.doc_key},
                &stored);
    size_t wire = stored.len - AGENT_ID_BYTES + 1;
    print_message("a keystroke's record: %zu bytes stored, %zu in a frame\n", stored.len, wire);
    assert_true(wire <= 110);
    buf_release(&one);
    buf_release(&plain);
    buf_release(&stored);
    batch_list_release(&list);
}

static void every_changed_bit_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    struct buf stored = {0};
    scene_init(&scene);
    seal_texts(&scene, two_words, 2, &stored);
    for (size_t bit = 0; bit < 8 * stored.len; bit++) {
        stored.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_false(accepts_quietly(&scene, buf_view(&stored)));
        stored.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_true(accepts_quietly(&scene, buf_view(&stored)));
    buf_release(&stored);
}

static void every_truncation_and_addition_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    struct buf stored = {0};
    scene_init(&scene);
    seal_texts(&scene, two_words, 2, &stored);
    for (size_t len = 0; len < stored.len; len++) {
        struct record record;
        struct error err = {0};
        assert_false(record_decode(bytes_slice(buf_view(&stored), 0, len), &record, &err));
        assert_int_not_equal(err.code, ERR_NONE);
    }
    buf_add_byte(&stored, 0);
    assert_false(accepts_quietly(&scene, buf_view(&stored)));
    buf_release(&stored);
}

/* Even where two documents had one content key, which they never have. */
static void a_record_does_not_open_in_another_document(void **state)
{
    (void)state;
    struct scene scene, elsewhere;
    struct buf stored = {0}, plain = {0};
    struct record record;
    struct error err = {0};
    scene_init(&scene);
    elsewhere = scene;
    elsewhere.keys.doc.bytes[0] ^= 1;
    seal_texts(&scene, two_words, 2, &stored);
    assert_true(record_decode(buf_view(&stored), &record, &err));
    assert_true(record_open(&record, &scene.keys, &plain, &err));
    buf_clear(&plain);
    assert_false(record_open(&record, &elsewhere.keys, &plain, &err));
    assert_int_equal(err.code, ERR_AUTH);
    assert_int_equal(plain.len, 0);
    buf_release(&plain);
    buf_release(&stored);
}

static void a_signature_holds_for_one_past_one_key_and_one_document(void **state)
{
    (void)state;
    struct scene scene;
    struct batch_list list = {0};
    struct buf plain = {0}, stored = {0};
    struct digest last, other_past;
    struct record record;
    struct error err = {0};
    const struct doc_id elsewhere = {{9}};
    scene_init(&scene);
    seal_texts(&scene, two_words, 2, &stored);
    add_insert(&list, &scene.ana, 0, "warp");
    add_insert(&list, &scene.ana, 4, "weft");
    chain_and_pack(&scene, &list, &plain, &last);
    other_past = last;
    other_past.bytes[31] ^= 1;
    assert_true(record_decode(buf_view(&stored), &record, &err));
    const struct sign_public *key = &scene.doc_key.public_key;
    assert_true(record_verify(&record, &scene.keys.doc, key, &last));
    assert_false(record_verify(&record, &scene.keys.doc, key, &other_past));
    assert_false(record_verify(&record, &scene.keys.doc, key, NULL));
    assert_false(record_verify(&record, &elsewhere, key, &last));
    assert_false(record_verify(&record, &scene.keys.doc, &scene.keys.write_key.public_key, &last));
    buf_release(&plain);
    buf_release(&stored);
    batch_list_release(&list);
}

/* What is sent once more is small, and what it stands in for comes out of it. */
static void a_pack_is_a_bundle_of_its_batches(void **state)
{
    enum { KEYS = 300 };
    (void)state;
    struct scene scene;
    struct batch_list keys = {0};
    struct batch_run back;
    struct buf plain = {0}, stored = {0}, again = {0};
    struct digest last;
    struct record record;
    struct error err = {0};
    scene_init(&scene);
    for (uint64_t i = 0; i < KEYS; i++)
        add_insert(&keys, &scene.ana, i, i % 6 ? "e" : " ");
    chain_and_pack(&scene, &keys, &plain, &last);
    struct record_spec spec = {.kind = RECORD_PACK, .agent = scene.ana, .sealer = scene.ana, .counter = 1, .count = KEYS,
                               .plain = buf_view(&plain), .last = &last, .keys = &scene.keys, .signer = &scene.doc_key};
    record_seal(&spec, &stored);
    assert_in_range(stored.len, 1, plain.len / 3);
    assert_true(record_decode(buf_view(&stored), &record, &err));
    assert_true(record.is_bundle);
    assert_true(record_verify(&record, &scene.keys.doc, &scene.doc_key.public_key, &last));
    assert_true(record_open_events(&record, &scene.keys, &again, &back, &err));
    assert_true(bytes_equal(buf_view(&again), buf_view(&plain)));
    assert_int_equal(back.count, KEYS);
    batch_list_release(&keys);
    buf_release(&plain);
    buf_release(&stored);
    buf_release(&again);
}

static void a_dead_agents_batches_are_sealed_by_another_process(void **state)
{
    (void)state;
    struct scene scene;
    struct buf stored = {0}, plain = {0}, opened = {0};
    struct digest last = {{1}};
    struct record record;
    struct error err = {0};
    const struct agent_id heir = {{0x4e}};
    scene_init(&scene);
    buf_add_string(&plain, "sealed by the heir");
    record_seal(&(struct record_spec){.kind = RECORD_EVENTS,
                                      .agent = scene.ana,
                                      .sealer = heir,
                                      .counter = 5,
                                      .seq0 = 3,
                                      .count = 2,
                                      .plain = buf_view(&plain),
                                      .last = &last,
                                      .keys = &scene.keys,
                                      .signer = &scene.doc_key},
                &stored);
    assert_true(record_decode(buf_view(&stored), &record, &err));
    assert_true(agent_id_equal(&record.agent, &scene.ana) && agent_id_equal(&record.sealer, &heir));
    assert_int_equal(record.seq0, 3);
    assert_int_equal(record.count, 2);
    assert_int_equal(record.counter, 5);
    assert_true(record_open(&record, &scene.keys, &opened, &err));
    assert_true(bytes_equal(buf_view(&opened), buf_view(&plain)));
    buf_release(&stored);
    buf_release(&plain);
    buf_release(&opened);
}

/* --- forms that are not the one form --- */

static void expect_decode_fails(struct bytes stored, enum err code)
{
    struct record record;
    struct error err = {0};
    assert_false(record_decode(stored, &record, &err));
    assert_int_equal(err.code, code);
}

static void a_later_weft_is_named_and_optional_kinds_are_kept(void **state)
{
    (void)state;
    struct scene scene;
    struct buf stored = {0};
    struct record record;
    struct error err = {0};
    scene_init(&scene);
    record_seal(&(struct record_spec){.kind = 0x20 | RECORD_OPTIONAL,
                                      .agent = scene.ana,
                                      .sealer = scene.ana,
                                      .keys = &scene.keys,
                                      .signer = &scene.doc_key},
                &stored);
    assert_true(record_decode(buf_view(&stored), &record, &err));
    assert_int_equal(record.kind, 0x20 | RECORD_OPTIONAL);
    assert_true(record_verify(&record, &scene.keys.doc, &scene.doc_key.public_key, NULL));
    stored.data[1] = 0x20;
    expect_decode_fails(buf_view(&stored), ERR_NEWER);
    stored.data[1] = 0;
    expect_decode_fails(buf_view(&stored), ERR_FORMAT);
    stored.data[1] = 0x20 | RECORD_OPTIONAL;
    stored.data[0] = 0x21;
    expect_decode_fails(buf_view(&stored), ERR_NEWER);
    buf_release(&stored);
}

/* format, kind, flags, agent, [sealer], epoch, counter, seq0, count, [clear], sealed, signature */
static void add_shell(struct buf *out, unsigned char kind, unsigned char flags, const char *middle, size_t middle_len)
{
    static const unsigned char zeros[64];
    buf_clear(out);
    buf_add_byte(out, RECORD_FORMAT);
    buf_add_byte(out, kind);
    buf_add_byte(out, flags);
    buf_add(out, zeros, AGENT_ID_BYTES);
    buf_add(out, middle, middle_len);
    buf_add_sized(out, bytes_of(zeros, CRYPTO_TAG_BYTES));
    buf_add(out, zeros, CRYPTO_SIGNATURE_BYTES);
}

static void second_forms_of_one_record_are_refused(void **state)
{
    (void)state;
    struct buf shell = {0};
    struct record record;
    struct error err = {0};
    add_shell(&shell, RECORD_EVENTS, 0, "\0\0\0\1", 4);
    assert_true(record_decode(buf_view(&shell), &record, &err));
    add_shell(&shell, RECORD_EVENTS, 0, "\0\0\0\0", 4); /* no events */
    expect_decode_fails(buf_view(&shell), ERR_FORMAT);
    add_shell(&shell, RECORD_MEMBER, 0, "\0\0\0\1", 4); /* events where none belong */
    expect_decode_fails(buf_view(&shell), ERR_FORMAT);
    add_shell(&shell, RECORD_MEMBER, 0, "\0\0\1\0", 4);
    expect_decode_fails(buf_view(&shell), ERR_FORMAT);
    add_shell(&shell, RECORD_EVENTS, 4, "\0\0\0\1", 4); /* an unknown flag */
    expect_decode_fails(buf_view(&shell), ERR_FORMAT);
    add_shell(&shell, RECORD_EVENTS, 1, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1",
              20); /* the author seals, twice said */
    expect_decode_fails(buf_view(&shell), ERR_FORMAT);
    add_shell(&shell, RECORD_EVENTS, 2, "\0\0\0\1\0", 5); /* a clear part of nothing */
    expect_decode_fails(buf_view(&shell), ERR_FORMAT);
    add_shell(&shell, RECORD_EVENTS, 0, "\0\0\0\x81\0", 5); /* a number in a longer form */
    expect_decode_fails(buf_view(&shell), ERR_FORMAT);
    add_shell(&shell, RECORD_EVENTS, 0, "\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\1", 13); /* beyond the last seq */
    expect_decode_fails(buf_view(&shell), ERR_FORMAT);
    buf_release(&shell);
}

static void a_record_beyond_the_bound_is_refused_unread(void **state)
{
    (void)state;
    static unsigned char large[RECORD_BYTES_MAX + 1];
    expect_decode_fails(bytes_of(large, sizeof large), ERR_LIMIT);
}

static void expect_range_refused(const struct scene *scene, uint64_t count, struct bytes plain)
{
    struct buf stored = {0}, opened = {0};
    struct batch_run run;
    struct record record;
    struct error err = {0};
    struct digest last = {{0}};
    record_seal(&(struct record_spec){.kind = RECORD_EVENTS,
                                      .agent = scene->ana,
                                      .sealer = scene->ana,
                                      .count = count,
                                      .plain = plain,
                                      .last = &last,
                                      .keys = &scene->keys,
                                      .signer = &scene->doc_key},
                &stored);
    assert_true(record_decode(buf_view(&stored), &record, &err));
    assert_false(record_open_events(&record, &scene->keys, &opened, &run, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_int_equal(run.count, 0);
    assert_int_equal(opened.len, 0);
    buf_release(&stored);
    buf_release(&opened);
}

static void batches_that_do_not_fill_the_named_range_are_refused(void **state)
{
    (void)state;
    struct scene scene;
    struct batch_list list = {0};
    struct buf plain = {0};
    struct digest last;
    scene_init(&scene);
    add_insert(&list, &scene.ana, 0, "warp");
    add_insert(&list, &scene.ana, 4, "weft");
    chain_and_pack(&scene, &list, &plain, &last);
    expect_range_refused(&scene, 4, buf_view(&plain));
    expect_range_refused(&scene, 7, buf_view(&plain));
    expect_range_refused(&scene, 9, buf_view(&plain));
    expect_range_refused(&scene, 8, (struct bytes){0});
    expect_range_refused(&scene, 8, bytes_slice(buf_view(&plain), 0, plain.len - 1));
    buf_release(&plain);
    batch_list_release(&list);
}

static void records_of_other_keys_epochs_are_refused_as_such(void **state)
{
    (void)state;
    struct scene scene;
    struct buf stored = {0}, plain = {0};
    struct record record;
    struct error err = {0};
    scene_init(&scene);
    record_seal(&(struct record_spec){.kind = RECORD_CHAT,
                                      .agent = scene.ana,
                                      .sealer = scene.ana,
                                      .epoch = 1,
                                      .keys = &scene.keys,
                                      .signer = &scene.doc_key},
                &stored);
    assert_true(record_decode(buf_view(&stored), &record, &err));
    assert_false(record_open(&record, &scene.keys, &plain, &err));
    assert_int_equal(err.code, ERR_AUTH);
    buf_release(&stored);
    buf_release(&plain);
}

/* --- GENESIS and BASE --- */

static struct rope *random_text(size_t len)
{
    struct random random = random_of(11);
    unsigned char *text = malloc(len ? len : 1);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = (unsigned char)random_next(&random);
    struct rope *rope = rope_from_bytes(bytes_of(text, len));
    free(text);
    return rope;
}

static void a_genesis_comes_back_and_names_the_links_keys(void **state)
{
    (void)state;
    struct scene scene;
    struct rope *base = random_text(1000);
    struct genesis made, checked, opened;
    struct buf stored = {0};
    struct record record;
    struct error err = {0};
    scene_init(&scene);
    genesis_make(&scene.keys, base, &made);
    genesis_seal(&made, &scene.keys, &stored);
    assert_true(record_decode(buf_view(&stored), &record, &err));
    assert_true(genesis_check(&record, &scene.keys.doc, &checked, &err));
    assert_memory_equal(&checked.write, &scene.keys.write_key.public_key, sizeof checked.write);
    assert_int_equal(checked.base_len, 0); /* a relay does not learn it */
    for (int access = ACCESS_READ; access <= ACCESS_ADMIN; access++) {
        struct doc_keys keys;
        doc_keys_from_link(&keys, &scene.keys.doc, (enum access)access,
                           doc_keys_seed(&scene.keys, (enum access)access));
        assert_true(genesis_open(&record, &keys, &opened, &err));
        assert_memory_equal(&opened.base_root, &made.base_root, sizeof made.base_root);
        assert_int_equal(opened.base_len, 1000);
    }
    buf_release(&stored);
    rope_free(base);
}

static void a_genesis_of_another_document_or_key_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    struct rope *base = rope_new();
    struct genesis genesis;
    struct doc_keys stranger, guess;
    struct buf stored = {0};
    struct record record;
    struct error err = {0};
    scene_init(&scene);
    doc_keys_new(&stranger);
    genesis_make(&scene.keys, base, &genesis);
    genesis_seal(&genesis, &scene.keys, &stored);
    assert_true(record_decode(buf_view(&stored), &record, &err));
    assert_false(genesis_check(&record, &stranger.doc, &genesis, &err));
    assert_int_equal(err.code, ERR_AUTH);
    doc_keys_from_link(&guess, &scene.keys.doc, ACCESS_READ, stranger.read_seed);
    assert_false(genesis_open(&record, &guess, &genesis, &err));
    assert_int_equal(err.code, ERR_AUTH);
    doc_keys_from_link(&guess, &scene.keys.doc, ACCESS_WRITE, stranger.write_seed);
    assert_false(genesis_open(&record, &guess, &genesis, &err));
    buf_release(&stored);
    rope_free(base);
}

/* The relay hands out a document of its own making under our document's name. */
static void a_genesis_signed_by_somebody_else_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    struct rope *base = rope_new();
    struct genesis genesis;
    struct doc_keys evil;
    struct buf stored = {0};
    struct record record;
    struct error err = {0};
    scene_init(&scene);
    doc_keys_new(&evil);
    genesis_make(&scene.keys, base, &genesis);
    evil.doc = scene.keys.doc;
    genesis_seal(&genesis, &evil, &stored);
    assert_true(record_decode(buf_view(&stored), &record, &err));
    assert_false(genesis_check(&record, &scene.keys.doc, &genesis, &err));
    assert_int_equal(err.code, ERR_AUTH);
    buf_release(&stored);
    rope_free(base);
}

static void every_changed_bit_of_a_genesis_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    struct rope *base = rope_new();
    struct genesis genesis;
    struct buf stored = {0};
    scene_init(&scene);
    genesis_make(&scene.keys, base, &genesis);
    genesis_seal(&genesis, &scene.keys, &stored);
    for (size_t bit = 0; bit < 8 * stored.len; bit++) {
        struct record record;
        struct error err = {0};
        stored.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_false(record_decode(buf_view(&stored), &record, &err) &&
                     genesis_open(&record, &scene.keys, &genesis, &err));
        stored.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    buf_release(&stored);
    rope_free(base);
}

static void a_base_travels_in_chunks(void **state)
{
    (void)state;
    struct scene scene;
    struct rope *base = random_text(2 * BASE_CHUNK_BYTES + 5);
    struct buf text = {0}, stored = {0};
    scene_init(&scene);
    for (uint64_t chunk = 0; chunk < 3; chunk++) {
        struct record record;
        struct error err = {0};
        uint64_t number;
        buf_clear(&stored);
        base_seal(&scene.keys, base, chunk, &stored);
        assert_true(record_decode(buf_view(&stored), &record, &err));
        assert_true(record_verify(&record, &scene.keys.doc, &scene.keys.admin_key.public_key, NULL));
        assert_true(base_open(&record, &scene.keys, &number, &text, &err));
        assert_int_equal(number, chunk);
    }
    struct rope *arrived = rope_from_bytes(buf_view(&text));
    assert_true(rope_equal(arrived, base));
    rope_free(arrived);
    rope_free(base);
    buf_release(&text);
    buf_release(&stored);
}

static void the_root_of_a_base_changes_with_every_chunk_and_not_with_its_pieces(void **state)
{
    (void)state;
    enum { LEN = 4 * BASE_CHUNK_BYTES + 17 };
    struct rope *base = random_text(LEN);
    struct digest root, other;
    genesis_base_root(base, &root);
    for (uint64_t at = 0; at < LEN; at += BASE_CHUNK_BYTES) {
        int byte = rope_byte(base, at);
        unsigned char changed = (unsigned char)(byte ^ 1), back = (unsigned char)byte;
        struct rope *edited = rope_snapshot(base);
        rope_delete(edited, at, 1);
        rope_insert(edited, at, bytes_of(&changed, 1));
        genesis_base_root(edited, &other);
        assert_false(digest_equal(&root, &other));
        rope_delete(edited, at, 1);
        rope_insert(edited, at, bytes_of(&back, 1));
        genesis_base_root(edited, &other);
        assert_true(digest_equal(&root, &other));
        rope_free(edited);
    }
    rope_free(base);

    struct rope *empty = rope_new();
    genesis_base_root(empty, &other);
    assert_false(digest_equal(&root, &other));
    rope_free(empty);
}

/* Two texts sealed under one document's keys by mistake must not share a nonce. */
static void two_bases_under_one_key_have_two_nonces(void **state)
{
    (void)state;
    struct scene scene;
    struct rope *ropes[] = {random_text(100), random_text(101)};
    struct buf stored[2] = {{0}};
    struct record records[2];
    struct error err = {0};
    scene_init(&scene);
    for (int i = 0; i < 2; i++) {
        base_seal(&scene.keys, ropes[i], 0, &stored[i]);
        assert_true(record_decode(buf_view(&stored[i]), &records[i], &err));
    }
    assert_false(agent_id_equal(&records[0].sealer, &records[1].sealer));
    for (int i = 0; i < 2; i++) {
        buf_release(&stored[i]);
        rope_free(ropes[i]);
    }
}

/* --- MEMBER --- */

static void seal_member(const struct scene *scene, bool may_write, const char *name, struct buf *stored)
{
    struct member member = {.agent = scene->ana, .has_grant = may_write};
    if (may_write)
        grant_make(&scene->keys, &scene->doc_key.public_key, 0, 0, &member.grant);
    snprintf(member.name, sizeof member.name, "%s", name);
    member_seal(&member, &scene->keys, &scene->device, 0, stored);
}

static bool member_accepted(const struct scene *scene, struct bytes stored, struct member *member, struct error *err)
{
    struct record record;
    return record_decode(stored, &record, err) &&
           member_open(&record, &scene->keys, &scene->keys.write_key.public_key, member, err);
}

static void a_member_comes_back_with_keys_grant_and_name(void **state)
{
    (void)state;
    struct scene scene;
    struct buf stored = {0};
    struct member member = {0};
    struct error err = {0};
    scene_init(&scene);
    seal_member(&scene, true, "Ada L.", &stored);
    assert_true(member_accepted(&scene, buf_view(&stored), &member, &err));
    assert_true(agent_id_equal(&member.agent, &scene.ana));
    assert_memory_equal(&member.doc_key, &scene.doc_key.public_key, sizeof member.doc_key);
    assert_memory_equal(&member.device_key, &scene.device.key.public_key, sizeof member.device_key);
    assert_true(member.has_grant);
    assert_string_equal(member.name, "Ada L.");

    buf_clear(&stored);
    seal_member(&scene, false, "", &stored);
    assert_true(member_accepted(&scene, buf_view(&stored), &member, &err));
    assert_false(member.has_grant);
    assert_string_equal(member.name, "");
    buf_release(&stored);
}

static void a_relay_learns_key_and_grant_but_no_name(void **state)
{
    (void)state;
    struct scene scene;
    struct buf stored = {0};
    struct record record;
    struct member member;
    struct error err = {0};
    scene_init(&scene);
    seal_member(&scene, true, "MARKER", &stored);
    assert_true(record_decode(buf_view(&stored), &record, &err));
    assert_true(member_check(&record, &scene.keys.doc, &scene.keys.write_key.public_key, &member, &err));
    assert_true(member.has_grant);
    assert_string_equal(member.name, "");
    assert_null(memmem(stored.data, stored.len, "MARKER", 6));
    assert_null(memmem(stored.data, stored.len, scene.device.key.public_key.bytes, CRYPTO_SIGN_PUBLIC_BYTES));
    buf_release(&stored);
}

static void a_reader_cannot_make_himself_a_writer(void **state)
{
    (void)state;
    struct scene scene, reader;
    struct buf stored = {0};
    struct member member;
    struct error err = {0};
    scene_init(&scene);
    reader = scene;
    reader.keys.write_key = reader.keys.read_key; /* the strongest key a reader has */
    seal_member(&reader, true, "eve", &stored);
    assert_false(member_accepted(&scene, buf_view(&stored), &member, &err));
    assert_int_equal(err.code, ERR_AUTH);
    buf_release(&stored);
}

static void every_changed_bit_of_a_member_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    struct buf stored = {0};
    scene_init(&scene);
    seal_member(&scene, true, "Ada", &stored);
    for (size_t bit = 0; bit < 8 * stored.len; bit++) {
        struct member member;
        struct error err = {0};
        stored.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_false(member_accepted(&scene, buf_view(&stored), &member, &err));
        stored.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    buf_release(&stored);
}

static void kinds_do_not_stand_for_each_other(void **state)
{
    (void)state;
    struct scene scene;
    struct buf stored = {0}, plain = {0};
    struct record record;
    struct genesis genesis;
    struct batch_run run;
    struct error err = {0};
    uint64_t chunk;
    scene_init(&scene);
    seal_member(&scene, true, "Ada", &stored);
    assert_true(record_decode(buf_view(&stored), &record, &err));
    assert_false(genesis_open(&record, &scene.keys, &genesis, &err));
    assert_false(base_open(&record, &scene.keys, &chunk, &plain, &err));
    assert_false(record_open_events(&record, &scene.keys, &plain, &run, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_int_equal(plain.len, 0);
    buf_release(&plain);
    buf_release(&stored);
}

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_come_back_as_they_were_sealed),
        cmocka_unit_test(sealing_twice_gives_the_same_bytes),
        cmocka_unit_test(a_counter_made_from_the_content_is_for_one_record),
        cmocka_unit_test(a_keystroke_is_at_most_110_bytes_on_the_wire),
        cmocka_unit_test(every_changed_bit_is_refused),
        cmocka_unit_test(every_truncation_and_addition_is_refused),
        cmocka_unit_test(a_record_does_not_open_in_another_document),
        cmocka_unit_test(a_signature_holds_for_one_past_one_key_and_one_document),
        cmocka_unit_test(a_pack_is_a_bundle_of_its_batches),
        cmocka_unit_test(a_dead_agents_batches_are_sealed_by_another_process),
        cmocka_unit_test(a_later_weft_is_named_and_optional_kinds_are_kept),
        cmocka_unit_test(second_forms_of_one_record_are_refused),
        cmocka_unit_test(a_record_beyond_the_bound_is_refused_unread),
        cmocka_unit_test(batches_that_do_not_fill_the_named_range_are_refused),
        cmocka_unit_test(records_of_other_keys_epochs_are_refused_as_such),
        cmocka_unit_test(a_genesis_comes_back_and_names_the_links_keys),
        cmocka_unit_test(a_genesis_of_another_document_or_key_is_refused),
        cmocka_unit_test(a_genesis_signed_by_somebody_else_is_refused),
        cmocka_unit_test(every_changed_bit_of_a_genesis_is_refused),
        cmocka_unit_test(a_base_travels_in_chunks),
        cmocka_unit_test(the_root_of_a_base_changes_with_every_chunk_and_not_with_its_pieces),
        cmocka_unit_test(two_bases_under_one_key_have_two_nonces),
        cmocka_unit_test(a_member_comes_back_with_keys_grant_and_name),
        cmocka_unit_test(a_relay_learns_key_and_grant_but_no_name),
        cmocka_unit_test(a_reader_cannot_make_himself_a_writer),
        cmocka_unit_test(every_changed_bit_of_a_member_is_refused),
        cmocka_unit_test(kinds_do_not_stand_for_each_other),
    };
    return RUN_TESTS("record", tests);
}
