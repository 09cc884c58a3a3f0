/* The primitives: numbers in bytes, buffers, errors, memory, assertions. */
#include "tests/support/support.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor/base/bisect.h"
#include "editor/base/bytes.h"
#include "editor/base/deadline.h"
#include "editor/base/ensure.h"
#include "editor/base/error.h"
#include "editor/base/least.h"
#include "editor/base/random.h"
#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

static void the_smaller_of_two_numbers_is_the_least(void **state)
{
    (void)state;
    assert_int_equal(least(3, 4), 3);
    assert_int_equal(least(4, 3), 3);
    assert_int_equal(least(UINT64_MAX, UINT64_MAX), UINT64_MAX);
    assert_int_equal(least(UINT64_MAX, 0), 0);
}

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

static void a_view_is_equal_by_its_bytes_and_a_part_of_it_lies_inside(void **state)
{
    (void)state;
    const struct bytes word = bytes_of_string("weft"), empty = {0};
    assert_int_equal(word.len, 4);
    assert_true(bytes_equal(word, bytes_of("weft!", 4)));
    assert_false(bytes_equal(word, bytes_of("weft!", 5)));
    assert_false(bytes_equal(word, bytes_of("warp", 4)));
    assert_true(bytes_equal(empty, bytes_of("x", 0)));
    assert_true(bytes_equal(bytes_slice(word, 1, 2), bytes_of_string("ef")));
    assert_true(bytes_equal(bytes_slice(word, 4, 0), empty));
}

static void a_cleared_buffer_keeps_its_memory_and_a_released_one_is_ready_again(void **state)
{
    (void)state;
    struct buf buf = {0};
    assert_string_equal(buf_string(&buf), "");
    buf_add_string(&buf, "warp");
    buf_add(&buf, NULL, 0);
    const unsigned char *memory = buf.data;
    buf_clear(&buf);
    buf_add_byte(&buf, 'w');
    assert_ptr_equal(buf.data, memory);
    assert_true(bytes_equal(buf_view(&buf), bytes_of_string("w")));
    buf_release(&buf);
    assert_null(buf.data);
    buf_add_string(&buf, "weft");
    assert_string_equal(buf_string(&buf), "weft");
    buf_release(&buf);
}

static void what_the_system_says_is_told_by_what_a_caller_can_do_about_it(void **state)
{
    (void)state;
    static const struct {
        int sys;
        enum err code;
    } cases[] = {{ENOSPC, ERR_FULL}, {EDQUOT, ERR_FULL}, {ENOENT, ERR_MISSING}, {EIO, ERR_IO}, {EACCES, ERR_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        errno = cases[i].sys;
        error_errno(&err, "cannot");
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(err.sys, cases[i].sys);
    }
}

static void a_sentence_too_long_is_cut(void **state)
{
    (void)state;
    struct error err = {0};
    char *words = xformat("%0*d", 2 * (int)sizeof err.text, 7);
    error_set(&err, ERR_IO, 0, "%s", words);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    error_wrap(&err, "%s", "notes.md");
    assert_memory_equal(err.text, "notes.md: 000", 13);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    free(words);
}

static void an_array_grows_by_doubling_and_keeps_what_is_in_it(void **state)
{
    (void)state;
    uint32_t *items = NULL;
    size_t cap = 0, grown = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        size_t before = cap;
        items = xgrow(items, &cap, i + 1, sizeof *items);
        grown += cap != before;
        items[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    assert_in_range(grown, 1, 11);
    free(items);
}

static void small_allocations_are_never_null(void **state)
{
    (void)state;
    void *none = xmalloc(0), *zeros = xcalloc(3, 5), *copy = xmemdup("weft", 5);
    char *text = xstrndup("warp and weft", 4);
    assert_non_null(none);
    assert_memory_equal(zeros, (unsigned char[15]){0}, 15);
    assert_string_equal(copy, "weft");
    assert_string_equal(text, "warp");
    free(none);
    free(zeros);
    free(copy);
    free(text);
}

static void a_place_in_a_sorted_row_is_found_for_whatever_is_in_it_or_not(void **state)
{
    (void)state;
    enum { COUNT_MAX = 20 };
    static const int row[COUNT_MAX] = {1, 3, 3, 3, 4, 9, 10, 10, 12, 13, 14, 15, 20, 21, 22, 22, 23, 28, 29, 30};
    for (size_t count = 0; count <= COUNT_MAX; count++)
        for (int wanted = 0; wanted <= 31; wanted++) {
            size_t at, upto, expected = 0, asked = 0;
            while (expected < count && row[expected] < wanted)
                expected++;
            BISECT(at, count, (asked++, row[at] < wanted));
            assert_int_equal(at, expected);
            assert_true((1U << asked) <= 4 * (count + 1));
            while (expected < count && row[expected] <= wanted)
                expected++;
            BISECT(upto, count, row[upto] <= wanted);
            assert_int_equal(upto, expected);
        }
}

static void of_two_deadlines_never_is_the_later(void **state)
{
    (void)state;
    assert_int_equal(deadline_earlier(5, 3), 3);
    assert_int_equal(deadline_earlier(3, 5), 3);
    assert_int_equal(deadline_earlier(UINT64_MAX, 7), 7);
    assert_true(deadline_earlier(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
}

/* Also in release builds: whoever goes on with a broken structure spreads the damage. */
static void a_broken_invariant_stops_the_program_and_says_which(void **state)
{
    (void)state;
    int out[2], status;
    char said[256] = "";
    assert_int_equal(pipe(out), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(out[1], STDERR_FILENO);
        ensure(said[0] == 'x');
        _exit(0);
    }
    close(out[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_true(read(out[0], said, sizeof said - 1) > 0);
    assert_non_null(strstr(said, "test_base.c:"));
    assert_non_null(strstr(said, "said[0] == 'x' does not hold"));
    close(out[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smaller_of_two_numbers_is_the_least),
        cmocka_unit_test(numbers_survive_the_trip_through_bytes),
        cmocka_unit_test(eight_bytes_begin_with_the_least),
        cmocka_unit_test(a_longer_form_of_a_number_is_refused),
        cmocka_unit_test(reading_past_the_end_fails_once_and_for_all),
        cmocka_unit_test(an_error_gathers_context_in_front),
        cmocka_unit_test(a_seed_repeats_its_sequence),
        cmocka_unit_test(a_buffer_grows_and_reads_as_a_string),
        cmocka_unit_test(a_view_is_equal_by_its_bytes_and_a_part_of_it_lies_inside),
        cmocka_unit_test(a_cleared_buffer_keeps_its_memory_and_a_released_one_is_ready_again),
        cmocka_unit_test(what_the_system_says_is_told_by_what_a_caller_can_do_about_it),
        cmocka_unit_test(a_sentence_too_long_is_cut),
        cmocka_unit_test(an_array_grows_by_doubling_and_keeps_what_is_in_it),
        cmocka_unit_test(small_allocations_are_never_null),
        cmocka_unit_test(a_place_in_a_sorted_row_is_found_for_whatever_is_in_it_or_not),
        cmocka_unit_test(of_two_deadlines_never_is_the_later),
        cmocka_unit_test(a_broken_invariant_stops_the_program_and_says_which),
    };
    return RUN_TESTS("base", tests);
}
