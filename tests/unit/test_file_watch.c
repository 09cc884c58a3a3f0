/* What wakes an editor about its file, and what does not. */
#include "tests/support/support.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/file_watch.h"
#include "tests/support/scratch.h"

struct fixture {
    char *mine, *other;
    struct file_watch *watch;
};

static struct fixture watch_in(const char *dir)
{
    struct error err = {0};
    struct fixture fixture = {.mine = scratch_file(dir, "mine"), .other = scratch_file(dir, "other")};
    scratch_write(fixture.mine, "one");
    scratch_write(fixture.other, "one");
    fixture.watch = file_watch_new(fixture.mine, &err);
    assert_non_null(fixture.watch);
    return fixture;
}

static void fixture_release(struct fixture *fixture)
{
    file_watch_free(fixture->watch);
    free(fixture->mine);
    free(fixture->other);
}

/* The kernel reports before the call that caused it returns: nothing has to be waited for. */
static bool is_readable(const struct fixture *fixture)
{
    struct pollfd fd = {.fd = file_watch_fd(fixture->watch), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

static bool took_it(struct fixture *fixture)
{
    bool happened = false;
    while (is_readable(fixture))
        happened |= file_watch_happened(fixture->watch);
    return happened;
}

static void another_file_written_in_the_directory_wakes_nobody(void **state)
{
    struct fixture fixture = watch_in(*state);
    int fd = open(fixture.other, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "more", 4), 4);
    close(fd);
    assert_false(is_readable(&fixture));
    fixture_release(&fixture);
}

static void a_directory_above_that_is_renamed_is_noticed_and_the_file_found(void **state)
{
    struct error err = {0};
    char *above = scratch_file(*state, "above"), *moved = scratch_file(*state, "moved");
    char *dir = scratch_file(above, "dir"), *path = scratch_file(dir, "mine");
    char *dir_moved = scratch_file(above, "other"), *expected = scratch_file(moved, "other/mine");
    assert_int_equal(mkdir(above, 0700), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
    scratch_write(path, "one");
    struct fixture fixture = {.watch = file_watch_new(path, &err)};
    assert_non_null(fixture.watch);
    assert_int_equal(rename(dir, dir_moved), 0);
    assert_true(took_it(&fixture));
    assert_int_equal(rename(above, moved), 0);
    assert_true(took_it(&fixture));
    char *found = file_watch_find(fixture.watch);
    assert_string_equal(found, expected);
    fixture_release(&fixture);
    free(found);
    free(above);
    free(moved);
    free(dir);
    free(path);
    free(dir_moved);
    free(expected);
}

static void the_file_written_touched_replaced_removed_or_made_again_is_noticed(void **state)
{
    struct fixture fixture = watch_in(*state);
    int fd = open(fixture.mine, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "more", 4), 4);
    assert_true(took_it(&fixture)); /* while the writer still has it open */
    close(fd);
    assert_true(took_it(&fixture));
    assert_int_equal(chmod(fixture.mine, 0600), 0);
    assert_true(took_it(&fixture));
    assert_int_equal(rename(fixture.other, fixture.mine), 0);
    assert_true(took_it(&fixture));
    scratch_write(fixture.mine, "the new file, written");
    assert_true(took_it(&fixture));
    assert_int_equal(unlink(fixture.mine), 0);
    assert_true(took_it(&fixture));
    scratch_write(fixture.mine, "again");
    assert_true(took_it(&fixture));
    scratch_write(fixture.mine, "and written");
    assert_true(took_it(&fixture));
    fixture_release(&fixture);
}

static void a_flood_of_changes_is_taken_in_pieces(void **state)
{
    struct fixture fixture = watch_in(*state);
    for (int i = 0; i < 500; i++) { /* equal events in a row would become one */
        assert_int_equal(chmod(fixture.mine, 0600), 0);
        assert_int_equal(truncate(fixture.mine, i), 0);
    }
    assert_true(file_watch_happened(fixture.watch));
    assert_true(is_readable(&fixture));
    assert_true(took_it(&fixture));
    assert_false(is_readable(&fixture));
    fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_file_written_in_the_directory_wakes_nobody, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(a_directory_above_that_is_renamed_is_noticed_and_the_file_found, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(the_file_written_touched_replaced_removed_or_made_again_is_noticed, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(a_flood_of_changes_is_taken_in_pieces, scratch_setup, scratch_teardown),
    };
    return RUN_TESTS("file_watch", tests);
}
