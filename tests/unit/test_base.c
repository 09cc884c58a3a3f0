/* The primitives: numbers in bytes, buffers, errors. */
#include "tests/support/support.h"

#include <errno.h>
#include <string.h>

#include "editor/base/error.h"
#include "editor/base/random.h"
#include "editor/base/varint.h"

static void numbers_survive_the_trip_through_bytes(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
    struct buf buf = {0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        buf_clear(&buf);
        buf_add_varint(&buf, values[i]);
        buf_add_zigzag(&buf, (int64_t)values[i]);
        struct reader reader = reader_of(buf_view(&buf));
        assert_true(read_varint(&reader) == values[i]);
        assert_true(read_zigzag(&reader) == (int64_t)values[i]);
        assert_true(reader_done(&reader));
    }
    buf_release(&buf);
}

static void eight_bytes_begin_with_the_least(void **state)
{
    (void)state;
    struct buf buf = {0};
    buf_add_u64(&buf, 0x0102030405060708);
    assert_int_equal(buf.len, 8);
    support_expect_hex(buf.data, buf.len, "0807060504030201");
    buf_release(&buf);
}

static void a_longer_form_of_a_number_is_refused(void **state)
{
    (void)state;
    static const unsigned char padded[] = {0x80, 0x00};
    static const unsigned char overflowing[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    static const unsigned char unfinished[] = {0x80};
    struct reader reader = reader_of(bytes_of(padded, sizeof padded));
    read_varint(&reader);
    assert_true(reader.failed);
    reader = reader_of(bytes_of(overflowing, sizeof overflowing));
    read_varint(&reader);
    assert_true(reader.failed);
    reader = reader_of(bytes_of(unfinished, sizeof unfinished));
    read_varint(&reader);
    assert_true(reader.failed);
}

static void reading_past_the_end_fails_once_and_for_all(void **state)
{
    (void)state;
    struct reader reader = reader_of(bytes_of("ab", 2));
    assert_int_equal(read_u32(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(read_byte(&reader), 0);
    assert_int_equal(reader_left(&reader), 0);
    assert_false(reader_done(&reader));
}

static void an_error_gathers_context_in_front(void **state)
{
    (void)state;
    struct error err = {0};
    errno = ENOSPC;
    assert_false(error_errno(&err, "cannot write %s", "notes.md"));
    assert_int_equal(err.code, ERR_FULL);
    assert_string_equal(err.text, "cannot write notes.md: No space left on device");
    assert_false(error_wrap(&err, "save"));
    assert_string_equal(err.text, "save: cannot write notes.md: No space left on device");
}

static void a_seed_repeats_its_sequence(void **state)
{
    (void)state;
    struct random a = random_of(7), b = random_of(7);
    for (int i = 0; i < 100; i++)
        assert_true(random_next(&a) == random_next(&b));
    for (int i = 0; i < 100; i++)
        assert_true(random_below(&a, 10) < 10);
}

static void a_buffer_grows_and_reads_as_a_string(void **state)
{
    (void)state;
    struct buf buf = {0};
    for (int i = 0; i < 100; i++)
        buf_addf(&buf, "%d,", i);
    assert_int_equal(buf.len, 290);
    assert_memory_equal(buf_string(&buf), "0,1,2,", 6);
    assert_int_equal(strlen(buf_string(&buf)), 290);
    buf_release(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_survive_the_trip_through_bytes),
        cmocka_unit_test(eight_bytes_begin_with_the_least),
        cmocka_unit_test(a_longer_form_of_a_number_is_refused),
        cmocka_unit_test(reading_past_the_end_fails_once_and_for_all),
        cmocka_unit_test(an_error_gathers_context_in_front),
        cmocka_unit_test(a_seed_repeats_its_sequence),
        cmocka_unit_test(a_buffer_grows_and_reads_as_a_string),
    };
    return RUN_TESTS("base", tests);
}
