/* System calls the way saving needs them, and what a file has besides its bytes. Saving itself is in test_file.c. */
#include "tests/support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "editor/file_io.h"
#include "editor/file_meta.h"
#include "tests/support/scratch.h"

static const char *in(void **state, const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", (const char *)*state, name);
    return path;
}

static int open_new(void **state, const char *name, mode_t mode)
{
    int fd = file_io_open(in(state, name), O_RDWR | O_CREAT | O_EXCL, mode);
    assert_true(fd >= 0);
    return fd;
}

static void expect_file(const char *path, const char *text)
{
    struct buf buf = {0};
    scratch_read(path, &buf);
    assert_string_equal(buf_string(&buf), text);
    buf_release(&buf);
}

/* --- names --- */

static void a_path_has_a_directory_and_a_name(void **state)
{
    (void)state;
    static const struct {
        const char *path, *dir, *name;
    } cases[] = {{"/a/b", "/a", "b"}, {"b", ".", "b"},     {"/b", "/", "b"},
                 {"a/b/c", "a/b", "c"}, {"a/", "a", ""}, {"/", "/", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *dir = file_io_dir_of(cases[i].path);
        assert_string_equal(dir, cases[i].dir);
        assert_string_equal(file_io_name_of(cases[i].path), cases[i].name);
        free(dir);
    }
}

/* --- opening --- */

static void a_descriptor_does_not_reach_other_programs(void **state)
{
    int fd = open_new(state, "file", 0600);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

static void a_missing_file_is_none_and_no_error(void **state)
{
    int fd = 99;
    struct stat st;
    struct error err = {0};
    assert_true(file_io_open_regular(in(state, "missing"), &fd, &st, &err));
    assert_int_equal(fd, -1);
    scratch_write(in(state, "file"), "text");
    assert_true(file_io_open_regular(in(state, "file"), &fd, &st, &err));
    assert_true(fd >= 0);
    struct file_stamp stamp = file_io_stamp(&st);
    assert_true(stamp.exists);
    assert_int_equal(stamp.size, 4);
    close(fd);
}

static void expect_refused(const char *path, const char *words)
{
    int fd = 99;
    struct stat st;
    struct error err = {0};
    assert_false(file_io_open_regular(path, &fd, &st, &err));
    assert_int_equal(fd, -1);
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, words));
    assert_non_null(strstr(err.text, path));
}

static void what_is_no_regular_file_is_not_opened(void **state)
{
    expect_refused(*state, "is a directory");
    assert_int_equal(mkfifo(in(state, "pipe"), 0600), 0);
    expect_refused(in(state, "pipe"), "is a pipe"); /* opening it would wait for a writer */
    expect_refused("/dev/null", "is a device");
}

/* --- bytes --- */

static void reading_appends_up_to_the_end_or_so_many_bytes(void **state)
{
    enum { LEN = 300000 }; /* more than is read at once */
    struct buf text = {0}, out = {0};
    memset(buf_extend(&text, LEN), 'x', LEN);
    scratch_write(in(state, "file"), buf_string(&text));
    int fd = file_io_open(in(state, "file"), O_RDONLY, 0);
    buf_add_string(&out, "there ");
    assert_true(file_io_read(fd, 5, &out));
    assert_string_equal(buf_string(&out), "there xxxxx");
    assert_true(file_io_read(fd, 0, &out));
    assert_int_equal(out.len, 11);
    assert_true(file_io_read(fd, SIZE_MAX, &out));
    assert_int_equal(out.len, 6 + LEN);
    assert_true(file_io_read(fd, 10, &out)); /* nothing is left */
    assert_int_equal(out.len, 6 + LEN);
    close(fd);
    assert_false(file_io_read(fd, 10, &out));
    assert_int_equal(errno, EBADF);
    assert_int_equal(out.len, 6 + LEN);
    buf_release(&text);
    buf_release(&out);
}

static void bytes_are_written_at_their_place(void **state)
{
    int fd = open_new(state, "file", 0600);
    assert_true(file_io_write(fd, 0, bytes_of_string("0123456789")));
    assert_true(file_io_write(fd, 4, bytes_of_string("abc")));
    assert_true(file_io_write(fd, 99, bytes_of("", 0)));
    assert_true(file_io_truncate(fd, 8));
    assert_true(file_io_sync(fd));
    expect_file(in(state, "file"), "0123abc7");
    close(fd);
    fd = file_io_open(in(state, "file"), O_RDONLY, 0);
    assert_false(file_io_write(fd, 0, bytes_of_string("x")));
    assert_int_equal(errno, EBADF);
    close(fd);
}

static void a_rope_is_written_whole(void **state)
{
    enum { LEN = 600000 };
    struct buf text = {0};
    memset(buf_extend(&text, LEN), 'y', LEN);
    struct rope *rope = rope_from_bytes(buf_view(&text));
    rope_insert(rope, LEN / 2, bytes_of_string("middle"));
    int fd = open_new(state, "file", 0600);
    assert_true(file_io_write_rope(fd, rope));
    buf_clear(&text);
    rope_append_to(rope, 0, rope_len(rope), &text);
    expect_file(in(state, "file"), buf_string(&text));
    close(fd);
    rope_free(rope);
    buf_release(&text);
}

static void a_copy_of_a_file_that_became_shorter_fails(void **state)
{
    scratch_write(in(state, "from"), "0123456789");
    int from = file_io_open(in(state, "from"), O_RDONLY, 0), to = open_new(state, "to", 0600);
    assert_true(file_io_copy(from, to, 4));
    expect_file(in(state, "to"), "0123");
    assert_true(file_io_copy(from, to, 10));
    expect_file(in(state, "to"), "0123456789");
    assert_false(file_io_copy(from, to, 11));
    assert_int_equal(errno, EIO);
    close(from);
    close(to);
}

static void a_directory_is_synced_and_a_missing_one_is_told(void **state)
{
    assert_true(file_io_sync_dir(*state));
    assert_false(file_io_sync_dir(in(state, "missing")));
    assert_int_equal(errno, ENOENT);
}

/* --- temporary files --- */

static void a_temporary_file_is_hidden_named_after_its_file_and_nobody_elses(void **state)
{
    struct file_temp one, two;
    assert_true(file_temp_create(&one, *state, "/elsewhere/notes.md", 0640));
    assert_true(file_temp_create(&two, *state, "/elsewhere/notes.md", 0640));
    assert_string_not_equal(one.path, two.path);
    char *front = xformat("%s/.notes.md.weft-", (const char *)*state);
    assert_memory_equal(one.path, front, strlen(front));
    struct stat st;
    assert_int_equal(stat(one.path, &st), 0);
    assert_int_equal(st.st_mode & 07777 & ~0640, 0);
    char *path = xstrdup(one.path);
    file_temp_discard(&one);
    assert_int_equal(one.fd, -1);
    assert_int_equal(access(path, F_OK), -1);
    file_temp_discard(&one); /* once more is fine */
    free(path);
    path = xstrdup(two.path);
    assert_true(file_temp_close(&two));
    assert_int_equal(two.fd, -1);
    assert_true(file_temp_close(&two));
    file_temp_forget(&two);
    assert_int_equal(access(path, F_OK), 0); /* left be */
    free(path);
    free(front);
}

static void a_name_as_long_as_names_may_be_still_has_a_temporary_file(void **state)
{
    char name[NAME_MAX + 1];
    struct file_temp temp;
    memset(name, 'n', NAME_MAX);
    name[NAME_MAX] = '\0';
    assert_true(file_temp_create(&temp, *state, name, 0600));
    file_temp_discard(&temp);
}

static void where_none_can_be_made_there_is_none(void **state)
{
    struct file_temp temp = {NULL, -1};
    assert_false(file_temp_create(&temp, in(state, "missing"), "notes.md", 0600));
    assert_int_equal(errno, ENOENT);
    assert_null(temp.path);
}

/* --- file_meta --- */

static void expect_copied(int from, int to)
{
    struct stat st, now;
    assert_int_equal(fstat(from, &st), 0);
    assert_true(file_meta_copy(from, &st, to));
    assert_int_equal(fstat(to, &now), 0);
    assert_int_equal(now.st_mode, st.st_mode);
    assert_int_equal(now.st_uid, st.st_uid);
    assert_int_equal(now.st_gid, st.st_gid);
}

static void the_mode_is_given_over_with_all_its_bits(void **state)
{
    int from = open_new(state, "from", 0600), to = open_new(state, "to", 0600);
    static const mode_t modes[] = {0400, 0644, 0777, 04755, 02755, 0};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(fchmod(from, modes[i]), 0);
        expect_copied(from, to);
    }
    close(from);
    close(to);
}

static void attributes_are_given_over_and_none_is_left_that_was_not_there(void **state)
{
    char value[8] = "";
    int from = open_new(state, "from", 0600), to = open_new(state, "to", 0600);
    bool has_attributes = fsetxattr(from, "user.kept", "new", 3, 0) == 0;
    if (has_attributes) {
        assert_int_equal(fsetxattr(from, "user.empty", "", 0, 0), 0);
        assert_int_equal(fsetxattr(to, "user.kept", "longer", 6, 0), 0);
        assert_int_equal(fsetxattr(to, "user.extra", "x", 1, 0), 0);
        expect_copied(from, to);
        assert_int_equal(fgetxattr(to, "user.kept", value, sizeof value), 3);
        assert_memory_equal(value, "new", 3);
        assert_int_equal(fgetxattr(to, "user.empty", value, sizeof value), 0);
        assert_int_equal(fgetxattr(to, "user.extra", value, sizeof value), -1);
    }
    close(from);
    close(to);
    if (!has_attributes)
        skip(); /* this file system has none */
}

static void what_cannot_be_given_over_is_told(void **state)
{
    int from = open_new(state, "from", 0600);
    struct stat st;
    assert_int_equal(fstat(from, &st), 0);
    assert_false(file_meta_copy(from, &st, -1));
    close(from);
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_has_a_directory_and_a_name),
        SCRATCH_TEST(a_descriptor_does_not_reach_other_programs),
        SCRATCH_TEST(a_missing_file_is_none_and_no_error),
        SCRATCH_TEST(what_is_no_regular_file_is_not_opened),
        SCRATCH_TEST(reading_appends_up_to_the_end_or_so_many_bytes),
        SCRATCH_TEST(bytes_are_written_at_their_place),
        SCRATCH_TEST(a_rope_is_written_whole),
        SCRATCH_TEST(a_copy_of_a_file_that_became_shorter_fails),
        SCRATCH_TEST(a_directory_is_synced_and_a_missing_one_is_told),
        SCRATCH_TEST(a_temporary_file_is_hidden_named_after_its_file_and_nobody_elses),
        SCRATCH_TEST(a_name_as_long_as_names_may_be_still_has_a_temporary_file),
        SCRATCH_TEST(where_none_can_be_made_there_is_none),
        SCRATCH_TEST(the_mode_is_given_over_with_all_its_bits),
        SCRATCH_TEST(attributes_are_given_over_and_none_is_left_that_was_not_there),
        SCRATCH_TEST(what_cannot_be_given_over_is_told),
    };
    return RUN_TESTS("file_io", tests);
}
