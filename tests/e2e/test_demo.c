/* The demo plays itself: what it claims at the end is asserted here. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/stage.h"

#define ARGS(...) ((const char *[]){__VA_ARGS__, NULL})

static int setup(void **state)
{
    *state = stage_new();
    return 0;
}

static int teardown(void **state)
{
    stage_free(*state);
    return 0;
}

static void expect_good_end(const char *out)
{
    assert_non_null(strstr(out, "equal"));
    assert_null(strstr(out, "DIFFERENT"));
    assert_non_null(strstr(out, "Lin brings the cake."));
    assert_non_null(strstr(out, "Lin's Thursday after your ^Z: there"));
    assert_non_null(strstr(out, "grep Thursday relay.db: 0"));
}

static void the_fast_demo_needs_no_terminal_and_ends_well(void **state)
{
    struct stage *stage = *state;
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("demo", "--fast"));
    assert_int_equal(result.status, 0);
    expect_good_end(result.out);
    assert_false(stage_exists(stage, "ada.state"));
    assert_false(stage_exists(stage, "ada.config"));
}

static void the_demo_plays_itself_on_the_screen(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = stage_weft(stage, "ada", ARGS("demo", "--play", "--speed", "12"));
    vt_expect(vt, "Type anywhere. It is real.");
    vt_expect(vt, "Lin brings the cake.");
    vt_expect(vt, "The relay sees: ");
    vt_expect(vt, " cut ");
    vt_expect(vt, "offline: ");
    vt_expect(vt, "kill -9");
    vt_expect_gone(vt, " cut ");
    vt_expect(vt, "grep Thursday relay.db: 0");
    assert_int_equal(vt_close(vt), 0);
    assert_false(stage_exists(stage, "ada.state"));
}

static void a_person_plays_you(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = stage_weft(stage, "ada", ARGS("demo"));
    vt_expect(vt, "Launch on Friday.");
    vt_expect(vt, "Lin brings the cake.");
    vt_type(vt, "I ");
    vt_expect(vt, "I Launch on Friday.");
    vt_type(vt, VT_F5);
    vt_expect(vt, " cut ");
    vt_expect(vt, "offline: ");
    vt_type(vt, VT_F6);
    vt_expect(vt, "kill -9");
    vt_expect(vt, "I Launch on Friday.");
    vt_type(vt, VT_ALT("5"));
    vt_expect_gone(vt, "offline: ");
    vt_type(vt, VT_F7);
    vt_expect(vt, "  equal  ");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

static void without_a_terminal_it_says_so(void **state)
{
    struct stage_result result = stage_run(*state, "ada", NULL, ARGS("demo"));
    assert_int_equal(result.status, 1);
    assert_string_equal(result.err, "weft demo: it needs a terminal; weft demo --fast plays without one\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_fast_demo_needs_no_terminal_and_ends_well),
        TEST(the_demo_plays_itself_on_the_screen),
        TEST(a_person_plays_you),
        TEST(without_a_terminal_it_says_so),
    };
    return RUN_TESTS("demo", tests);
}
