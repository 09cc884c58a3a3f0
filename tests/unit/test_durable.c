#include "tests/support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sync/durable.h"
#include "tests/support/scratch.h"

static void what_is_written_is_there(void **state)
{
    char *path = scratch_file(*state, "kept");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_true(durable_write(fd, bytes_of_string("first ")));
    assert_true(durable_write(fd, bytes_of_string("then")));
    assert_true(durable_write(fd, (struct bytes){0}));
    close(fd);
    char got[32] = {0};
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(got, 1, sizeof got - 1, file), 10);
    fclose(file);
    assert_string_equal(got, "first then");
    free(path);
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_false(durable_write(fd, bytes_of_string("x")));
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static void a_directory_is_what_stands_before_the_last_slash(void **state)
{
    static const char *const paths[][2] = {{"/a/b", "/a/"}, {"/b", "/"}, {"b", "."}, {"a/b/c", "a/b/"}};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char *directory = durable_directory(paths[i][0]);
        assert_string_equal(directory, paths[i][1]);
        free(directory);
    }
}

static void a_name_is_synced_where_there_is_its_directory(void **state)
{
    char *path = scratch_file(*state, "kept"), *elsewhere = scratch_file(*state, "none/kept");
    assert_true(durable_sync_name(path)); /* of a file that is gone: so it stays */
    assert_false(durable_sync_name(elsewhere));
    assert_int_equal(errno, ENOENT);
    free(path);
    free(elsewhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_there, scratch_setup, scratch_teardown),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(a_directory_is_what_stands_before_the_last_slash),
        cmocka_unit_test_setup_teardown(a_name_is_synced_where_there_is_its_directory, scratch_setup, scratch_teardown),
    };
    return RUN_TESTS("durable", tests);
}
