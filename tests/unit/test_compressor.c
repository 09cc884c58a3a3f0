/* Bytes in fewer bytes, and back; and that a few bytes cannot ask for much memory. */
#include "tests/support/support.h"

#include <string.h>

#include "editor/base/random.h"
#include "sync/compressor.h"

static int set_up(void **state)
{
    *state = compressor_new();
    return 0;
}

static int tear_down(void **state)
{
    compressor_free(*state);
    compressor_free(NULL);
    return 0;
}

/* Words as people write them: some come again and again. */
static void write_words(struct buf *out, size_t len)
{
    static const char *const words[] = {"warp ", "weft ", "and ", "a shuttle\n", "the loom, ", "thread by thread "};
    struct random random = random_of(9);
    while (out->len < len)
        buf_add_string(out, words[random_below(&random, sizeof words / sizeof *words)]);
    out->len = len;
}

static void what_was_packed_comes_back_behind_what_is_there(void **state)
{
    struct compressor *compressor = *state;
    static const size_t lens[] = {200, 5000, 600000, 5 << 20}; /* each way of packing */
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        struct buf plain = {0}, packed = {0}, back = {0};
        write_words(&plain, lens[i]);
        buf_add_string(&packed, "head");
        buf_add_string(&back, "front");
        assert_true(compressor_pack(compressor, buf_view(&plain), &packed));
        assert_in_range(packed.len, 5, plain.len);
        assert_memory_equal(packed.data, "head", 4);
        assert_true(compressor_unpack(compressor, bytes_of(packed.data + 4, packed.len - 4), &back));
        assert_memory_equal(back.data, "front", 5);
        assert_int_equal(back.len, 5 + plain.len);
        assert_memory_equal(back.data + 5, plain.data, plain.len);
        buf_release(&plain);
        buf_release(&packed);
        buf_release(&back);
    }
}

/* What both sides have: of the content only what is new is left, also where it stands in another order, and far in front. */
static void what_the_other_side_has_takes_next_to_nothing(void **state)
{
    struct compressor *compressor = *state;
    static const size_t lens[] = {3000, 600000, 5 << 20};
    compressor_limit(compressor, SIZE_MAX);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        struct buf prefix = {0}, plain = {0}, packed = {0}, back = {0};
        write_words(&prefix, lens[i]);
        buf_add_bytes(&plain, bytes_slice(buf_view(&prefix), lens[i] / 2, lens[i] - lens[i] / 2));
        buf_add_string(&plain, "what is new");
        buf_add_bytes(&plain, bytes_slice(buf_view(&prefix), 0, lens[i] / 2));
        compressor_pack_after(compressor, buf_view(&prefix), buf_view(&plain), &packed);
        assert_in_range(packed.len, 5, 1000);
        assert_true(compressor_unpack_after(compressor, buf_view(&prefix), buf_view(&packed), &back));
        assert_true(bytes_equal(buf_view(&back), buf_view(&plain)));
        prefix.data[lens[i] / 3] ^= 1;
        assert_false(compressor_unpack_after(compressor, buf_view(&prefix), buf_view(&packed), &back));
        assert_false(compressor_unpack(compressor, buf_view(&packed), &back));
        buf_release(&prefix);
        buf_release(&plain);
        buf_release(&packed);
        buf_release(&back);
    }
}

/* Nothing in common, and nothing to leave out: it is a frame all the same. */
static void what_has_nothing_in_common_is_a_frame_too(void **state)
{
    struct compressor *compressor = *state;
    struct buf packed = {0}, back = {0};
    compressor_limit(compressor, SIZE_MAX);
    compressor_pack_after(compressor, bytes_of(NULL, 0), bytes_of_string("q"), &packed);
    assert_true(compressor_unpack_after(compressor, bytes_of(NULL, 0), buf_view(&packed), &back));
    assert_true(bytes_equal(buf_view(&back), bytes_of_string("q")));
    buf_release(&packed);
    buf_release(&back);
}

static void expect_not_packed(struct compressor *compressor, struct bytes plain)
{
    struct buf out = {0};
    buf_add_string(&out, "there");
    assert_false(compressor_pack(compressor, plain, &out));
    assert_string_equal(buf_string(&out), "there");
    buf_release(&out);
}

static void what_would_not_be_shorter_is_left_as_it_is(void **state)
{
    struct compressor *compressor = *state;
    struct random random = random_of(4);
    struct buf noise = {0};
    for (int i = 0; i < 1000; i++)
        buf_add_byte(&noise, (unsigned char)random_below(&random, 256));
    expect_not_packed(compressor, bytes_of("", 0));
    expect_not_packed(compressor, bytes_of_string("x"));
    expect_not_packed(compressor, buf_view(&noise));
    buf_release(&noise);
}

/* Columns in which all numbers are alike, or by turns: a reader takes no more than COMPRESSOR_RATIO_MAX times the frame. */
static void what_would_be_all_too_short_is_made_longer(void **state)
{
    static const size_t lens[] = {6000, 20001, 300000, 2 << 20};
    struct compressor *compressor = *state;
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++)
        for (size_t turns = 1; turns <= 3; turns++) {
            struct buf same = {0}, packed = {0}, back = {0};
            for (size_t at = 0; at < lens[i]; at++)
                buf_add_byte(&same, (unsigned char)('x' + at % turns));
            assert_true(compressor_pack(compressor, buf_view(&same), &packed));
            assert_in_range(packed.len, lens[i] / COMPRESSOR_RATIO_MAX, lens[i] / (COMPRESSOR_RATIO_MAX / 3));
            assert_true(compressor_unpack(compressor, buf_view(&packed), &back));
            assert_true(bytes_equal(buf_view(&back), buf_view(&same)));
            buf_release(&same);
            buf_release(&packed);
            buf_release(&back);
        }
}

static void expect_not_unpacked(struct compressor *compressor, struct bytes packed)
{
    struct buf out = {0};
    buf_add_string(&out, "there");
    assert_false(compressor_unpack(compressor, packed, &out));
    assert_string_equal(buf_string(&out), "there");
    buf_release(&out);
}

static void what_is_not_exactly_one_frame_is_refused(void **state)
{
    struct compressor *compressor = *state;
    struct buf plain = {0}, packed = {0};
    write_words(&plain, 2000);
    assert_true(compressor_pack(compressor, buf_view(&plain), &packed));
    for (size_t len = 0; len < packed.len; len++)
        expect_not_unpacked(compressor, bytes_of(packed.data, len));
    size_t len = packed.len;
    buf_add_byte(&packed, 0);
    expect_not_unpacked(compressor, buf_view(&packed));
    packed.len = len;
    buf_add(&packed, "\x50\x2a\x4d\x18\0\0\0\0", 8); /* one that zstd would skip */
    expect_not_unpacked(compressor, buf_view(&packed));
    packed.len = len;
    assert_true(compressor_pack(compressor, buf_view(&plain), &packed)); /* a second one behind it */
    expect_not_unpacked(compressor, buf_view(&packed));
    expect_not_unpacked(compressor, bytes_of_string("no frame at all"));
    expect_not_unpacked(compressor, (struct bytes){0});
    buf_release(&plain);
    buf_release(&packed);
}

/* zstd's magic; a frame of one segment whose length is in 8 bytes: 2^40, in a block of one byte repeated. */
static void a_few_bytes_that_promise_much_are_refused(void **state)
{
    static const unsigned char bomb[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 0x03, 0, 0, 'x'};
    expect_not_unpacked(*state, bytes_of(bomb, sizeof bomb));
}

/* Three frames: two are within the limit, whatever the ratio of each; the third is not. */
static void a_limit_holds_for_all_that_is_unpacked(void **state)
{
    struct compressor *compressor = *state;
    struct buf same = {0}, packed = {0}, back = {0};
    memset(buf_extend(&same, 100000), 'x', 100000);
    compressor_limit(compressor, 250000);
    assert_true(compressor_pack(compressor, buf_view(&same), &packed));
    assert_true(packed.len < same.len / COMPRESSOR_RATIO_MAX);
    assert_true(compressor_unpack(compressor, buf_view(&packed), &back));
    assert_true(compressor_unpack(compressor, buf_view(&packed), &back));
    assert_false(compressor_unpack(compressor, buf_view(&packed), &back));
    assert_int_equal(back.len, 2 * same.len);
    buf_release(&same);
    buf_release(&packed);
    buf_release(&back);
}

static void damage_is_refused_or_leaves_as_many_bytes(void **state)
{
    struct compressor *compressor = *state;
    struct buf plain = {0}, packed = {0}, back = {0};
    write_words(&plain, 2000);
    assert_true(compressor_pack(compressor, buf_view(&plain), &packed));
    for (size_t i = 0; i < packed.len; i++) {
        packed.data[i] ^= 0x10;
        buf_clear(&back);
        if (!compressor_unpack(compressor, buf_view(&packed), &back))
            assert_int_equal(back.len, 0);
        assert_in_range(back.len, 0, packed.len * (COMPRESSOR_RATIO_MAX + 1));
        packed.data[i] ^= 0x10;
    }
    assert_true(compressor_unpack(compressor, buf_view(&packed), &back)); /* what failed spoilt nothing */
    buf_release(&plain);
    buf_release(&packed);
    buf_release(&back);
}

#define COMPRESSOR_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMPRESSOR_TEST(what_was_packed_comes_back_behind_what_is_there),
        COMPRESSOR_TEST(what_the_other_side_has_takes_next_to_nothing),
        COMPRESSOR_TEST(what_has_nothing_in_common_is_a_frame_too),
        COMPRESSOR_TEST(what_would_not_be_shorter_is_left_as_it_is),
        COMPRESSOR_TEST(what_would_be_all_too_short_is_made_longer),
        COMPRESSOR_TEST(what_is_not_exactly_one_frame_is_refused),
        COMPRESSOR_TEST(a_few_bytes_that_promise_much_are_refused),
        COMPRESSOR_TEST(a_limit_holds_for_all_that_is_unpacked),
        COMPRESSOR_TEST(damage_is_refused_or_leaves_as_many_bytes),
    };
    return RUN_TESTS("compressor", tests);
}
