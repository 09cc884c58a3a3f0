/* The doorbell: who is in one directory rings everybody else there once, whoever comes, goes or dies. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/doorbell.h"
#include "editor/base/xalloc.h"
#include "tests/support/scratch.h"

static struct doorbell *bell_in(unsigned char id, const char *first, const char *second)
{
    unsigned char bytes[DOORBELL_NAME_BYTES] = {id};
    struct doorbell *bell = doorbell_new(bytes);
    assert_non_null(bell);
    doorbell_move(bell, 0, first ? xstrdup(first) : NULL);
    doorbell_move(bell, 1, second ? xstrdup(second) : NULL);
    return bell;
}

static enum doorbell_rung ring(struct doorbell *bell, const char *text)
{
    return doorbell_ring(bell, bytes_of_string(text));
}

static void expect_heard(struct doorbell *bell, const char *text)
{
    unsigned char message[64];
    size_t len = doorbell_hear(bell, message, sizeof message);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(message, text, len);
}

static void expect_silence(struct doorbell *bell)
{
    unsigned char message[64];
    assert_int_equal(doorbell_hear(bell, message, sizeof message), 0);
}

/* As if what the directory changed by lay so far back that its time is believed. */
static void let_settle(const char *dir)
{
    struct timespec long_ago[2];
    clock_gettime(CLOCK_REALTIME, &long_ago[0]);
    long_ago[0].tv_sec -= 10;
    long_ago[1] = long_ago[0];
    assert_int_equal(utimensat(AT_FDCWD, dir, long_ago, 0), 0);
}

static void who_meets_in_two_directories_is_rung_once(void **state)
{
    char *one = scratch_file(*state, "one"), *two = scratch_file(*state, "two");
    struct doorbell *a = bell_in(1, one, two), *b = bell_in(2, one, two), *c = bell_in(3, NULL, two), *d = bell_in(4, one, NULL);
    assert_int_equal(ring(a, "hello"), DOORBELL_HEARD);
    struct doorbell *const others[] = {b, c, d};
    for (size_t i = 0; i < 3; i++) {
        expect_heard(others[i], "hello");
        expect_silence(others[i]);
    }
    expect_silence(a);
    doorbell_free(a);
    for (size_t i = 0; i < 3; i++)
        doorbell_free(others[i]);
    assert_int_equal(access(one, F_OK) & access(two, F_OK), -1); /* the last one out has removed them */
    free(one);
    free(two);
}

/* What is known of a directory holds until it changes, and no longer: also for a change right after it was read. */
static void whoever_comes_and_goes_is_noticed_at_once(void **state)
{
    char *dir = scratch_file(*state, "dir");
    struct doorbell *a = bell_in(1, dir, NULL);
    for (int round = 0; round < 40; round++) {
        if (round % 4 == 3)
            let_settle(dir);
        assert_true(doorbell_is_alone(a));
        assert_int_equal(ring(a, "x"), DOORBELL_NOBODY);
        struct doorbell *b = bell_in(2, dir, NULL);
        assert_false(doorbell_is_alone(a));
        assert_int_equal(ring(a, "hello"), DOORBELL_HEARD);
        expect_heard(b, "hello");
        if (round % 4 == 2)
            let_settle(dir);
        doorbell_free(b);
    }
    doorbell_free(a);
    free(dir);
}

static void who_died_is_swept_away_and_who_does_not_listen_is_told_apart(void **state)
{
    char *dir = scratch_file(*state, "dir"), *socket = scratch_file(*state, "dir/020000000000"), *aside = scratch_file(*state, "aside");
    struct doorbell *a = bell_in(1, dir, NULL), *b = bell_in(2, dir, NULL);
    assert_int_equal(link(socket, aside), 0);
    for (int i = 0; i < 100000 && ring(a, "hello") == DOORBELL_HEARD; i++)
        continue;
    assert_int_equal(ring(a, "hello"), DOORBELL_FULL);
    assert_true(doorbell_anyone_in(a, dir, NULL));
    doorbell_free(b);
    assert_int_equal(link(aside, socket), 0); /* as after a kill -9: the name is there, and nobody behind it */
    assert_false(doorbell_is_alone(a));
    assert_false(doorbell_anyone_in(a, dir, NULL));
    assert_int_equal(ring(a, "hello"), DOORBELL_NOBODY);
    assert_true(doorbell_is_alone(a));
    assert_int_equal(access(socket, F_OK), -1);
    doorbell_free(a);
    free(dir);
    free(socket);
    free(aside);
}

static void a_bell_goes_from_place_to_place_with_its_name(void **state)
{
    char *here = scratch_file(*state, "here"), *there = scratch_file(*state, "there");
    struct doorbell *a = bell_in(1, here, NULL), *b = bell_in(2, there, NULL);
    assert_true(doorbell_is_alone(a));
    doorbell_move(a, 0, xstrdup(there));
    assert_string_equal(doorbell_dir(a, 0), there);
    assert_false(doorbell_is_alone(a));
    assert_int_equal(ring(b, "hello"), DOORBELL_HEARD);
    expect_heard(a, "hello");
    assert_true(doorbell_anyone_in(a, there, NULL));
    assert_false(doorbell_anyone_in(a, there, there)); /* everybody there is left out */
    assert_false(doorbell_anyone_in(NULL, here, NULL));
    char *much_too_long = xcalloc(1, 200);
    memset(much_too_long, 'x', 199);
    doorbell_move(a, 1, much_too_long);
    assert_null(doorbell_dir(a, 1));
    doorbell_free(a);
    doorbell_free(b);
    doorbell_free(NULL);
    free(here);
    free(there);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_meets_in_two_directories_is_rung_once),
        TEST(whoever_comes_and_goes_is_noticed_at_once),
        TEST(who_died_is_swept_away_and_who_does_not_listen_is_told_apart),
        TEST(a_bell_goes_from_place_to_place_with_its_name),
    };
    return RUN_TESTS("doorbell", tests);
}
