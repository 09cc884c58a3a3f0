/* Points in time as people write them. */
#include "tests/support/support.h"

#include <stdlib.h>

#include "app/moment.h"

/* Saturday, 28 November 2026, 12:00:00 in a place with summer time. */
enum { NOON = 1795863600 };

static int setup(void **state)
{
    (void)state;
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    return 0;
}

static void expect(const char *word, uint64_t expected)
{
    uint64_t found = 0;
    if (!moment_parse(word, NOON, &found))
        fail_msg("\"%s\" is not taken", word);
    assert_int_equal(found, expected);
}

static void a_moment_ends_with_what_it_names(void **state)
{
    (void)state;
    expect("2026-11-28", NOON + 12 * 3600 - 1);
    expect("2026-11-28 12:00", NOON + 59);
    expect("2026-11-28T12:00", NOON + 59);
    expect("2026-11-28 12:00:00", NOON);
    expect("2026-11-28T12:00:01", NOON + 1);
}

static void a_time_alone_is_of_today(void **state)
{
    (void)state;
    expect("12:00", NOON + 59);
    expect("00:00:00", NOON - 12 * 3600);
}

static void so_long_ago_is_before_now(void **state)
{
    (void)state;
    expect("0s", NOON);
    expect("90s", NOON - 90);
    expect("90m", NOON - 5400);
    expect("90m ago", NOON - 5400);
    expect("2h", NOON - 7200);
    expect("3d", NOON - 3 * 86400);
    expect("999999999h", 0);
    expect("999999d", 0);
}

static void summer_time_counts(void **state)
{
    (void)state;
    expect("2026-07-01 12:00:00", 1782900000);
}

static void what_is_no_moment_is_refused(void **state)
{
    (void)state;
    static const char *const words[] = {"", "s", "m5", "5", "5w", "5m ", "5m  ago", "5m ago ", "5 ago", "2026", "2026-13-01", "2026-02-30", "25:00", "12:61",
                                        "2026-11-28 12", "12:00 x", "1234567d", "0000001d", "198edb96:200", "1234567890s", "2026-03-29 02:30"};
    uint64_t found;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (moment_parse(words[i], NOON, &found))
            fail_msg("\"%s\" is taken for %llu", words[i], (unsigned long long)found);
}

static void what_is_printed_is_found_again(void **state)
{
    (void)state;
    struct buf text = {0};
    uint64_t found;
    moment_add(&text, NOON + 7);
    assert_string_equal(buf_string(&text), "2026-11-28 12:00");
    assert_true(moment_parse(buf_string(&text), NOON, &found));
    assert_true(found >= NOON + 7);
    buf_clear(&text);
    moment_add(&text, 0);
    assert_string_equal(buf_string(&text), "-");
    buf_release(&text);
}

static void expect_written(void (*add)(struct buf *out, uint64_t time_s), uint64_t time_s, const char *expected)
{
    struct buf out = {0};
    add(&out, time_s);
    assert_string_equal(buf_string(&out), expected);
    buf_release(&out);
}

static void expect_needed(uint64_t time_s, const char *expected)
{
    struct buf out = {0};
    moment_add_needed(&out, time_s, NOON);
    assert_string_equal(buf_string(&out), expected);
    buf_release(&out);
}

static void a_moment_is_written_as_the_place_asks_for(void **state)
{
    (void)state;
    enum { DAY_S = 24 * 3600, MAY_S = NOON - 209 * DAY_S };
    expect_written(moment_add_clock, NOON, "12:00");
    expect_written(moment_add_day, NOON, "28 November");
    expect_written(moment_add_listed, NOON, "28 Nov 12:00");
    expect_written(moment_add_day, MAY_S, "3 May");
    expect_written(moment_add_listed, MAY_S, " 3 May 13:00"); /* it is summer */
    expect_needed(NOON, "12:00");
    expect_needed(MAY_S, "3 May");
    expect_needed(NOON - 365 * (uint64_t)DAY_S, "28 November 2025");
    assert_true(moment_is_today(NOON + 3600, NOON));
    assert_false(moment_is_today(NOON + DAY_S, NOON));
    assert_false(moment_is_today(NOON - 365 * (uint64_t)DAY_S, NOON));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_moment_ends_with_what_it_names, setup),
        cmocka_unit_test_setup(a_time_alone_is_of_today, setup),
        cmocka_unit_test_setup(so_long_ago_is_before_now, setup),
        cmocka_unit_test_setup(summer_time_counts, setup),
        cmocka_unit_test_setup(what_is_no_moment_is_refused, setup),
        cmocka_unit_test_setup(what_is_printed_is_found_again, setup),
        cmocka_unit_test_setup(a_moment_is_written_as_the_place_asks_for, setup),
    };
    return RUN_TESTS("moment", tests);
}
