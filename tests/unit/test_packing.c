/* Columns of numbers and of bytes: what goes in comes out, what is no column is refused. */
#include "tests/support/support.h"

#include <string.h>

#include "editor/base/random.h"
#include "sync/packing.h"

static struct compressor *compressor;

static int begin(void **state)
{
    (void)state;
    compressor = compressor_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    compressor_free(compressor);
    return 0;
}

static const uint64_t edges[] = {0, 1, 239, 240, 241, 495, 496, 65775, 65776, UINT32_MAX, UINT64_MAX - 240, UINT64_MAX};

static void numbers_come_back(void **state)
{
    (void)state;
    struct number_column written = {0}, read = {0};
    struct buf out = {0};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        number_column_add(&written, edges[i]);
    number_column_add_signed(&written, INT64_MIN);
    number_column_add_signed(&written, -1);
    packing_add_numbers(compressor, &out, &written, 1);
    struct reader reader = reader_of(buf_view(&out));
    assert_true(packing_read_numbers(compressor, &reader, &read, 1));
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        assert_int_equal(number_column_next(&read), edges[i]);
    assert_true(number_column_next_signed(&read) == INT64_MIN);
    assert_true(number_column_next_signed(&read) == -1);
    assert_true(number_column_done(&read) && reader_done(&reader));
    assert_int_equal(number_column_next(&read), 0);
    assert_false(number_column_done(&read));
    number_column_release(&written);
    number_column_release(&read);
    buf_release(&out);
}

/* However many at once, between the others one by one. */
static void numbers_are_taken_many_at_once(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("numbers taken", 5));
    struct number_column written = {0}, read = {0};
    struct buf out = {0};
    uint64_t numbers[500], taken[100];
    for (size_t i = 0; i < 500; i++) {
        numbers[i] = random_chance(&random, 4) ? random_next(&random) >> random_below(&random, 60) : random_below(&random, NUMBER_LONG);
        number_column_add(&written, numbers[i]);
    }
    packing_add_numbers(compressor, &out, &written, 1);
    struct reader reader = reader_of(buf_view(&out));
    assert_true(packing_read_numbers(compressor, &reader, &read, 1));
    for (size_t at = 0; at < 500;) {
        size_t wanted = (size_t)random_below(&random, 100), count = number_column_take(&read, taken, wanted);
        assert_int_equal(count, wanted < 500 - at ? wanted : 500 - at);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(taken[i], numbers[at++]);
        if (at < 500)
            assert_int_equal(number_column_next(&read), numbers[at++]);
    }
    assert_true(number_column_done(&read));
    assert_int_equal(number_column_take(&read, taken, 100), 0);
    number_column_release(&written);
    number_column_release(&read);
    buf_release(&out);
}

static void read_one(struct bytes low, struct bytes high, struct number_column *read)
{
    struct buf out = {0};
    packing_add_part(compressor, &out, low);
    packing_add_part(compressor, &out, high);
    struct reader reader = reader_of(buf_view(&out));
    assert_true(packing_read_numbers(compressor, &reader, read, 1));
    buf_release(&out);
}

/* low and high as they are; the one number in them is refused. */
static void expect_no_number(struct bytes low, struct bytes high)
{
    struct number_column read = {0}, taken = {0};
    uint64_t number = 1;
    read_one(low, high, &read);
    assert_int_equal(number_column_next(&read), 0);
    assert_false(number_column_done(&read));
    read_one(low, high, &taken);
    assert_int_equal(number_column_take(&taken, &number, 1), 1);
    assert_int_equal(number, 0);
    assert_false(number_column_done(&taken));
    number_column_release(&read);
    number_column_release(&taken);
}

static void a_number_has_one_form(void **state)
{
    (void)state;
    expect_no_number(bytes_of("\xf0", 1), bytes_of("", 0));
    expect_no_number(bytes_of("\xf1", 1), bytes_of("\0\1", 2));
    expect_no_number(bytes_of("\xf8", 1), bytes_of("\1\1\1\1\1\1\1\1\1", 9));
    expect_no_number(bytes_of("\xf7", 1), bytes_of("\xff\xff\xff\xff\xff\xff\xff\xff", 8));
    expect_no_number(bytes_of("\xff", 1), bytes_of("\1", 1));
}

static void expect_part_again(struct bytes plain, size_t stored_max)
{
    struct buf out = {0}, back = {0};
    packing_add_part(compressor, &out, plain);
    assert_true(out.len <= stored_max);
    struct reader reader = reader_of(buf_view(&out));
    assert_true(packing_read_part(compressor, &reader, &back) && reader_done(&reader));
    assert_true(bytes_equal(buf_view(&back), plain));
    buf_release(&out);
    buf_release(&back);
}

static void a_part_is_packed_where_that_is_shorter(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("packing", 1));
    struct buf text = {0}, noise = {0};
    expect_part_again(bytes_of("", 0), 1);
    for (int i = 0; i < 5000; i++) {
        buf_addf(&text, "line %u\n", (unsigned)random_below(&random, 50));
        buf_add_byte(&noise, (unsigned char)random_below(&random, 256));
    }
    expect_part_again(buf_view(&text), text.len / 4);
    expect_part_again(buf_view(&noise), noise.len + 3);
    buf_release(&text);
    buf_release(&noise);
}

/* More than the ratio is stored in more bytes, so nobody who reads must take a few bytes' word for megabytes. */
static void a_part_never_unpacks_to_more_than_its_bytes_may_ask_for(void **state)
{
    (void)state;
    enum { LEN = 1 << 20 };
    struct buf zeros = {0}, out = {0};
    memset(buf_extend(&zeros, LEN), 0, LEN);
    expect_part_again(buf_view(&zeros), LEN / (COMPRESSOR_RATIO_MAX / 3));
    /* zstd's frame of a mebibyte of zeros: one block that repeats a byte eight times over */
    buf_add(&out, "\x28\xb5\x2f\xfd\xa0\x00\x00\x10\x00", 9);
    for (int i = 0; i < 8; i++)
        buf_add(&out, i < 7 ? "\x02\x00\x10\x00" : "\x03\x00\x10\x00", 4);
    buf_clear(&zeros);
    assert_false(compressor_unpack(compressor, buf_view(&out), &zeros));
    assert_int_equal(zeros.len, 0);
    buf_release(&zeros);
    buf_release(&out);
}

static void what_is_no_frame_is_refused(void **state)
{
    (void)state;
    struct buf plain = {0}, packed = {0}, out = {0};
    for (int i = 0; i < 100; i++)
        buf_addf(&plain, "%d ", i);
    assert_true(compressor_pack(compressor, buf_view(&plain), &packed));
    for (size_t cut = 0; cut < packed.len; cut++)
        assert_false(compressor_unpack(compressor, bytes_slice(buf_view(&packed), 0, cut), &out));
    buf_add_byte(&packed, 0);
    assert_false(compressor_unpack(compressor, buf_view(&packed), &out));
    packed.len--;
    struct buf twice = {0};
    buf_add_bytes(&twice, buf_view(&packed));
    buf_add_bytes(&twice, buf_view(&packed));
    assert_false(compressor_unpack(compressor, buf_view(&twice), &out));
    assert_int_equal(out.len, 0);
    assert_true(compressor_unpack(compressor, buf_view(&packed), &out));
    assert_true(bytes_equal(buf_view(&out), buf_view(&plain)));
    buf_release(&twice);
    buf_release(&plain);
    buf_release(&packed);
    buf_release(&out);
}

static void a_part_longer_than_the_bytes_is_refused(void **state)
{
    (void)state;
    struct buf out = {0};
    struct reader reader = reader_of(bytes_of("\x08\x01\x02", 3));
    assert_false(packing_read_part(compressor, &reader, &out));
    assert_true(reader.failed);
    reader = reader_of(bytes_of("\x05\x01\x02", 3));
    assert_false(packing_read_part(compressor, &reader, &out));
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_come_back, begin, end),
        cmocka_unit_test_setup_teardown(numbers_are_taken_many_at_once, begin, end),
        cmocka_unit_test_setup_teardown(a_number_has_one_form, begin, end),
        cmocka_unit_test_setup_teardown(a_part_is_packed_where_that_is_shorter, begin, end),
        cmocka_unit_test_setup_teardown(a_part_never_unpacks_to_more_than_its_bytes_may_ask_for, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_frame_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_part_longer_than_the_bytes_is_refused, begin, end),
    };
    return RUN_TESTS("packing", tests);
}
