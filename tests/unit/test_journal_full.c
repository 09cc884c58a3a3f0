/* A disk that is really full: a tmpfs of one megabyte in a mount namespace of its own. Skipped where that is not allowed. */
#include "tests/support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/journal_writer.h"
#include "tests/support/scratch.h"

enum { ROW_BYTES = 1500, NOT_ALLOWED = 77, LONG_US = 20 * 1000 * 1000 };

/* In the child a failed expectation ends it: cmocka's own would jump into the parent's copy of the test. */
#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static bool put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return good;
}

/* Who is not root may mount in a user namespace only; and there make a file only as somebody who is known outside. */
static bool leave_as_user(void)
{
    char user[32], group[32];
    snprintf(user, sizeof user, "0 %u 1", (unsigned)geteuid());
    snprintf(group, sizeof group, "0 %u 1", (unsigned)getegid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && put("/proc/self/uid_map", user) &&
           put("/proc/self/setgroups", "deny") && put("/proc/self/gid_map", group);
}

static void mount_small_disk(const char *dir)
{
    if (unshare(CLONE_NEWNS) != 0 && !leave_as_user())
        _exit(NOT_ALLOWED);
    if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 || mount("tmpfs", dir, "tmpfs", 0, "size=1m") != 0)
        _exit(NOT_ALLOWED);
}

/* Half of the disk: what is in the log then has room in the database when it is copied there. */
static void put_ballast(const char *path)
{
    static const char block[512 * 1024];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    EXPECT(fd >= 0 && write(fd, block, sizeof block) == (ssize_t)sizeof block);
    close(fd);
}

static struct journal *open_journal(void *path, struct error *err)
{
    struct seal_key key = {{1}};
    struct journal_spec spec = {.path = path, .mode = JOURNAL_CREATE, .key = &key, .now_s = 1};
    return journal_open(&spec, err);
}

static uint64_t type(struct journal_writer *writer, uint64_t row)
{
    char text[ROW_BYTES];
    memset(text, 'a' + (int)(row % 26), sizeof text);
    struct journal_local local = {.seq0 = row * ROW_BYTES, .count = ROW_BYTES, .plain = bytes_of(text, sizeof text)};
    return journal_writer_local(writer, &local, true, (struct journal_done){0});
}

static bool check_order(void *self, const struct journal_row *row)
{
    uint64_t *rows = self;
    EXPECT(row->seq0 == *rows * ROW_BYTES && row->body.data[0] == 'a' + *rows % 26);
    (*rows)++;
    return true;
}

static uint64_t count_rows(char *path)
{
    struct error err = {0};
    struct journal_read read = {0};
    struct journal *journal = open_journal(path, &err);
    uint64_t rows = 0;
    EXPECT(journal);
    EXPECT(journal_rows(journal, 0, (struct journal_visitor){&rows, check_order}, &read, &err) && read.damaged == 0);
    journal_close(journal);
    return rows;
}

static void type_beyond_the_disk(const char *dir)
{
    mount_small_disk(dir);
    char *path = scratch_file(dir, "a.journal");
    char *ballast = scratch_file(dir, "ballast");
    put_ballast(ballast);
    struct journal_writer_spec spec = {.self = path, .open = open_journal};
    struct journal_writer *writer = journal_writer_new(&spec, NULL);
    uint64_t rows = 0;
    while (journal_writer_wait(writer, type(writer, rows++), LONG_US) == JOURNAL_WAIT_DONE)
        EXPECT(rows < 10000);
    struct journal_writer_state state;
    journal_writer_state(writer, &state);
    EXPECT(state.failing && state.why.code == ERR_FULL && state.edits_in_memory == 1);
    for (int i = 0; i < 10; i++)
        EXPECT(journal_writer_wait(writer, type(writer, rows++), LONG_US) == JOURNAL_WAIT_FAILED);
    journal_writer_state(writer, &state);
    EXPECT(state.edits_in_memory == 11);

    EXPECT(unlink(ballast) == 0);
    struct error err = {0};
    EXPECT(journal_writer_stop(writer, 20000, &err));
    EXPECT(count_rows(path) == rows);
    fprintf(stderr, "full after %u rows; with room again all %u are there\n", (unsigned)rows - 11, (unsigned)rows);
    free(ballast);
    free(path);
    _exit(0);
}

static void a_full_disk_costs_no_edit_and_no_order(void **state)
{
    pid_t child = fork();
    if (child == 0)
        type_beyond_the_disk(*state);
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NOT_ALLOWED) {
        print_message("skipped: mounting a tmpfs is not allowed here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    struct error err;
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_disk_costs_no_edit_and_no_order, scratch_setup, scratch_teardown),
    };
    return RUN_TESTS("journal_full", tests);
}
