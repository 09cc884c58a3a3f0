/* When to try again: at once, then later and later, never in step with others. */
#include "tests/support/support.h"

#include "sync/backoff.h"

static void the_first_retry_comes_at_once(void **state)
{
    struct backoff backoff;
    (void)state;
    backoff_init(&backoff, 1);
    assert_int_equal(backoff_next_ms(&backoff, 0), 0);
}

static void waits_stay_below_a_bound_that_doubles_up_to_a_minute(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct backoff backoff;
        uint64_t bound_ms = BACKOFF_FIRST_MS;
        backoff_init(&backoff, seed);
        (void)backoff_next_ms(&backoff, 0);
        for (int i = 0; i < 40; i++) {
            assert_in_range(backoff_next_ms(&backoff, 0), 0, bound_ms);
            bound_ms = bound_ms * 2 < BACKOFF_MAX_MS ? bound_ms * 2 : BACKOFF_MAX_MS;
        }
    }
}

static void waits_use_the_whole_range_below_the_bound(void **state)
{
    struct backoff backoff;
    uint64_t least = UINT64_MAX, most = 0;
    (void)state;
    backoff_init(&backoff, 7);
    for (int i = 0; i < 1000; i++) {
        uint64_t wait_ms = backoff_next_ms(&backoff, 0);
        if (i < 20)
            continue;
        least = wait_ms < least ? wait_ms : least;
        most = wait_ms > most ? wait_ms : most;
    }
    assert_true(least < BACKOFF_MAX_MS / 10);
    assert_true(most > BACKOFF_MAX_MS * 9 / 10);
}

static void what_the_relay_asks_for_is_waited(void **state)
{
    struct backoff backoff;
    (void)state;
    backoff_init(&backoff, 1);
    assert_int_equal(backoff_next_ms(&backoff, 7000), 7000);
}

static void a_welcome_begins_anew(void **state)
{
    struct backoff backoff;
    (void)state;
    backoff_init(&backoff, 1);
    for (int i = 0; i < 10; i++)
        (void)backoff_next_ms(&backoff, 0);
    backoff_reset(&backoff);
    assert_int_equal(backoff_next_ms(&backoff, 0), 0);
    assert_in_range(backoff_next_ms(&backoff, 0), 0, BACKOFF_FIRST_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_retry_comes_at_once),
        cmocka_unit_test(waits_stay_below_a_bound_that_doubles_up_to_a_minute),
        cmocka_unit_test(waits_use_the_whole_range_below_the_bound),
        cmocka_unit_test(what_the_relay_asks_for_is_waited),
        cmocka_unit_test(a_welcome_begins_anew),
    };
    return RUN_TESTS("backoff", tests);
}
