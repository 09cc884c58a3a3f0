/* Checkpoints: a text and its version come back from their records, and nothing else is taken for them. */
#include "sync/checkpoint.h"

#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

struct scene {
    struct doc_keys keys;
    struct device device;
    struct sign_key doc_key;
    struct checkpoint_sealer sealer;
    struct checkpoint checkpoint; /* two heads */
};

static int set_up(void **state)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {7};
    struct scene *scene = xcalloc(1, sizeof *scene);
    doc_keys_from_admin(&scene->keys, seed);
    device_from_seed(&scene->device, seed);
    device_doc_key(&scene->device, &scene->keys.doc, &scene->doc_key);
    scene->sealer = (struct checkpoint_sealer){&scene->keys, &scene->doc_key, {{0xa7, 1}}, 40};
    scene->checkpoint.count = 2;
    scene->checkpoint.events = 77;
    for (unsigned char i = 0; i < 2; i++)
        scene->checkpoint.heads[i] = (struct checkpoint_head){{{{0xa0 + i}}, 300u * i}, {{i, 9}}};
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

/* Half of it packs well, half of it does not. */
static struct rope *text_of(uint64_t len)
{
    struct random random = random_of(1);
    struct buf bytes = {0};
    for (uint64_t i = 0; i < len; i++)
        buf_add_byte(&bytes, i < len / 2 ? "weft "[i % 5] : (unsigned char)random_below(&random, 256));
    struct rope *text = rope_from_bytes(buf_view(&bytes));
    buf_release(&bytes);
    return text;
}

static void decode(const struct buf *stored, struct record *record)
{
    struct error err = {0};
    if (!record_decode(buf_view(stored), record, &err))
        fail_msg("%s", err.text);
}

static void a_text_of_any_length_comes_back_from_its_parts(void **state)
{
    static const uint64_t lens[] = {0, 1, 1000, CHECKPOINT_CHUNK_BYTES, CHECKPOINT_CHUNK_BYTES + 1, 3 * CHECKPOINT_CHUNK_BYTES - 7};
    struct scene *scene = *state;
    for (size_t n = 0; n < sizeof lens / sizeof *lens; n++) {
        struct rope *text = text_of(lens[n]);
        struct buf stored = {0}, all = {0};
        struct checkpoint opened;
        struct record record;
        struct error err = {0};
        checkpoint_set_text(&scene->checkpoint, text);
        checkpoint_seal(&scene->sealer, &scene->checkpoint, &stored);
        decode(&stored, &record);
        assert_true(record_verify(&record, &scene->keys.doc, &scene->doc_key.public_key, NULL));
        assert_true(checkpoint_open(&record, &scene->keys, &opened, &err));
        assert_int_equal(opened.count, 2);
        assert_memory_equal(&opened, &scene->checkpoint, sizeof opened);
        for (uint64_t part = 0; part < checkpoint_parts(lens[n]); part++) {
            buf_clear(&stored);
            checkpoint_text_seal(&scene->sealer, text, part, &stored);
            decode(&stored, &record);
            assert_true(record_verify(&record, &scene->keys.doc, &scene->doc_key.public_key, NULL));
            assert_true(checkpoint_text_open(&record, &scene->keys, opened.text_len, part, &all, &err));
        }
        struct rope *back = rope_from_bytes(buf_view(&all));
        assert_true(rope_equal(text, back));
        assert_true(checkpoint_has_text(&opened, back));
        rope_free(back);
        rope_free(text);
        buf_release(&all);
        buf_release(&stored);
    }
}

static void another_text_of_the_same_length_is_not_that_of_a_checkpoint(void **state)
{
    struct scene *scene = *state;
    struct rope *text = rope_from_bytes(bytes_of_string("plan b")), *other = rope_from_bytes(bytes_of_string("plan c"));
    checkpoint_set_text(&scene->checkpoint, text);
    assert_true(checkpoint_has_text(&scene->checkpoint, text));
    assert_false(checkpoint_has_text(&scene->checkpoint, other));
    rope_free(text);
    rope_free(other);
}

static void the_version_is_that_of_the_heads(void **state)
{
    struct scene *scene = *state;
    struct version version = {0};
    checkpoint_version(&scene->checkpoint, &version);
    assert_int_equal(version.count, 2);
    assert_int_equal(version.heads[1].seq, 300);
    version_release(&version);
}

/* What a relay reads says where a record belongs, and cannot say something else than its counter. */
static void a_relay_reads_which_part_of_which_set_it_is(void **state)
{
    struct scene *scene = *state;
    struct rope *text = text_of(2 * CHECKPOINT_CHUNK_BYTES);
    struct buf stored = {0};
    struct record record;
    struct checkpoint_clear clear;
    struct error err = {0};
    checkpoint_text_seal(&scene->sealer, text, 1, &stored);
    decode(&stored, &record);
    assert_int_equal(record.counter, 41);
    assert_true(checkpoint_read_clear(&record, &clear, &err));
    assert_int_equal(clear.set, 40);
    assert_int_equal(clear.part, 1);
    record.counter = 42;
    assert_false(checkpoint_read_clear(&record, &clear, &err));
    assert_int_equal(err.code, ERR_FORMAT);
    record.counter = 3; /* below its set */
    assert_false(checkpoint_read_clear(&record, &clear, &err));
    rope_free(text);
    buf_release(&stored);
}

static void a_part_is_taken_only_for_what_it_is(void **state)
{
    struct scene *scene = *state;
    uint64_t len = CHECKPOINT_CHUNK_BYTES + 10;
    struct rope *text = text_of(len);
    struct buf stored = {0}, all = {0};
    struct record record;
    struct checkpoint checkpoint;
    struct error err = {0};
    checkpoint_text_seal(&scene->sealer, text, 1, &stored);
    decode(&stored, &record);
    assert_false(checkpoint_text_open(&record, &scene->keys, len, 0, &all, &err));
    assert_false(checkpoint_text_open(&record, &scene->keys, len + 1, 1, &all, &err));
    assert_false(checkpoint_text_open(&record, &scene->keys, CHECKPOINT_CHUNK_BYTES, 1, &all, &err));
    assert_false(checkpoint_open(&record, &scene->keys, &checkpoint, &err));
    assert_int_equal(all.len, 0);
    assert_true(checkpoint_text_open(&record, &scene->keys, len, 1, &all, &err));
    assert_int_equal(all.len, 10);
    rope_free(text);
    buf_release(&stored);
    buf_release(&all);
}

/* As a malicious writer could have sealed it. */
static void seal_plain(struct scene *scene, unsigned kind, const char *clear, size_t clear_len, struct bytes plain, struct buf *out)
{
    record_seal(&(struct record_spec){.kind = kind,
                                      .agent = scene->sealer.agent,
                                      .sealer = scene->sealer.agent,
                                      .counter = 0,
                                      .clear = bytes_of(clear, clear_len),
                                      .plain = plain,
                                      .keys = &scene->keys,
                                      .signer = &scene->doc_key},
                out);
}

static bool opens(struct scene *scene, struct bytes plain)
{
    struct buf stored = {0};
    struct record record;
    struct checkpoint checkpoint;
    struct error err = {0};
    seal_plain(scene, RECORD_CHECKPOINT, "\0\0", 2, plain, &stored);
    decode(&stored, &record);
    bool good = checkpoint_open(&record, &scene->keys, &checkpoint, &err);
    assert_true(good || err.code == ERR_FORMAT);
    buf_release(&stored);
    return good;
}

static void add_head(struct buf *plain, unsigned char agent)
{
    static const struct digest digest = {{1}};
    struct agent_id id = {{agent}};
    buf_add(plain, id.bytes, sizeof id.bytes);
    buf_add_varint(plain, 5);
    buf_add(plain, digest.bytes, sizeof digest.bytes);
}

static void build(struct buf *plain, unsigned heads, unsigned char first, unsigned char second, uint64_t len, unsigned more)
{
    static const struct digest hash = {{2}};
    buf_clear(plain);
    buf_add_varint(plain, heads);
    if (heads > 0)
        add_head(plain, first);
    if (heads > 1)
        add_head(plain, second);
    buf_add_varint(plain, 10);
    buf_add_varint(plain, len);
    buf_add(plain, hash.bytes, sizeof hash.bytes);
    for (unsigned i = 0; i < more; i++)
        buf_add_byte(plain, 0);
}

static void only_the_canonical_form_is_taken(void **state)
{
    struct buf plain = {0};
    build(&plain, 2, 1, 2, 0, 0);
    assert_true(opens(*state, buf_view(&plain)));
    for (size_t len = 0; len < plain.len; len++)
        assert_false(opens(*state, bytes_of(plain.data, len)));
    build(&plain, 2, 2, 1, 0, 0); /* not ascending */
    assert_false(opens(*state, buf_view(&plain)));
    build(&plain, 2, 1, 1, 0, 0); /* one agent twice */
    assert_false(opens(*state, buf_view(&plain)));
    build(&plain, 0, 0, 0, 0, 0); /* of no events: that is the base */
    assert_false(opens(*state, buf_view(&plain)));
    build(&plain, 1, 1, 0, 0, 1); /* bytes left over */
    assert_false(opens(*state, buf_view(&plain)));
    build(&plain, 1, 1, 0, 1, 0); /* a text, and no parts */
    assert_false(opens(*state, buf_view(&plain)));
    build(&plain, 1, 1, 0, (uint64_t)BASE_BYTES_MAX + 1, 0);
    assert_false(opens(*state, buf_view(&plain)));
    buf_release(&plain);
}

static void a_part_that_is_no_text_is_refused(void **state)
{
    static const char *const plains[] = {"", "\1", "\1abc", "\2abc"};
    static const size_t lens[] = {0, 1, 4, 4};
    struct scene *scene = *state;
    for (size_t i = 0; i < 4; i++) {
        struct buf stored = {0}, text = {0};
        struct record record;
        struct error err = {0};
        seal_plain(scene, RECORD_CHECKPOINT_TEXT, "\0\0", 2, bytes_of(plains[i], lens[i]), &stored);
        decode(&stored, &record);
        assert_false(checkpoint_text_open(&record, &scene->keys, 3, 0, &text, &err));
        assert_int_equal(text.len, 0);
        buf_release(&text);
        buf_release(&stored);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_text_of_any_length_comes_back_from_its_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_text_of_the_same_length_is_not_that_of_a_checkpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_version_is_that_of_the_heads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_relay_reads_which_part_of_which_set_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_part_is_taken_only_for_what_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_the_canonical_form_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_part_that_is_no_text_is_refused, set_up, tear_down),
    };
    return RUN_TESTS("checkpoint", tests);
}
