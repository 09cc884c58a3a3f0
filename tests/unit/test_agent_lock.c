/* Who is alive: decided by the kernel, whatever way a process ended. */
#include "tests/support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sync/agent_lock.h"
#include "sync/crypto.h"
#include "sync/file_lock.h"
#include "tests/support/scratch.h"

static bool take(struct agent_lock *lock, const char *dir, struct error *err)
{
    struct agent_id agent;
    crypto_random(agent.bytes, sizeof agent.bytes);
    return agent_lock_hold(lock, dir, &agent, err);
}

static struct agent_lock take_ok(const char *dir)
{
    struct agent_lock lock;
    struct error err = {0};
    if (!take(&lock, dir, &err))
        fail_msg("%s", err.text);
    return lock;
}

static void an_agent_lives_until_its_lock_is_released(void **state)
{
    struct agent_lock lock = take_ok(*state);
    struct agent_id agent = lock.agent;
    assert_int_equal(agent_lock_test(*state, &agent), AGENT_ALIVE);
    agent_lock_release(&lock);
    assert_int_equal(agent_lock_test(*state, &agent), AGENT_DEAD);
    agent_lock_release(&lock); /* nothing held any more: fine */
}

static void every_agent_is_another_one(void **state)
{
    struct agent_lock a = take_ok(*state);
    struct agent_lock b = take_ok(*state);
    assert_false(agent_id_equal(&a.agent, &b.agent));
    agent_lock_release(&a);
    assert_int_equal(agent_lock_test(*state, &b.agent), AGENT_ALIVE);
    agent_lock_release(&b);
}

static pid_t start_holder(const char *dir, struct agent_id *agent)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        struct agent_lock lock;
        struct error err;
        if (!take(&lock, dir, &err) || write(fds[1], lock.agent.bytes, AGENT_ID_BYTES) != AGENT_ID_BYTES)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(fds[0], agent->bytes, AGENT_ID_BYTES), AGENT_ID_BYTES);
    close(fds[0]);
    close(fds[1]);
    return child;
}

static void a_killed_process_is_dead_at_once(void **state)
{
    struct agent_id agent;
    pid_t child = start_holder(*state, &agent);
    assert_int_equal(agent_lock_test(*state, &agent), AGENT_ALIVE);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(agent_lock_test(*state, &agent), AGENT_DEAD);
}

static void sweeping_removes_the_dead_and_leaves_the_living(void **state)
{
    struct agent_id dead;
    pid_t child = start_holder(*state, &dead);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    struct agent_lock living = take_ok(*state);
    char *other = scratch_file(*state, "not-a-lock");
    scratch_write(other, "");

    assert_int_equal(agent_lock_sweep(*state), 1);
    assert_int_equal(agent_lock_sweep(*state), 0);
    assert_int_equal(agent_lock_test(*state, &dead), AGENT_DEAD);
    assert_int_equal(agent_lock_test(*state, &living.agent), AGENT_ALIVE);
    assert_int_equal(access(other, F_OK), 0);
    agent_lock_release(&living);
    free(other);
}

static void a_directory_that_is_not_there_is_an_error_in_words(void **state)
{
    char *none = scratch_file(*state, "none");
    struct agent_lock lock;
    struct error err = {0};
    assert_false(take(&lock, none, &err));
    assert_int_equal(err.code, ERR_MISSING);
    assert_non_null(strstr(err.text, none));
    agent_lock_release(&lock);
    assert_int_equal(agent_lock_sweep(none), 0);
    free(none);
}

/* --- file_lock --- */

static int open_file(void **state)
{
    char *path = scratch_file(*state, "file");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    assert_true(fd >= 0);
    return fd;
}

static void a_lock_belongs_to_the_open_file_and_others_closing_it_do_not_end_it(void **state)
{
    int mine = open_file(state), other = open_file(state), third = open_file(state);
    assert_true(file_lock(mine, LOCK_EX));
    assert_false(file_lock(other, LOCK_EX | LOCK_NB));
    assert_int_equal(errno, EWOULDBLOCK);
    close(third);
    assert_false(file_lock(other, LOCK_SH | LOCK_NB));
    close(mine);
    assert_true(file_lock(other, LOCK_SH | LOCK_NB));
    mine = open_file(state);
    assert_true(file_lock(mine, LOCK_SH | LOCK_NB)); /* together */
    assert_false(file_lock(mine, LOCK_EX | LOCK_NB));
    close(mine);
    close(other);
    assert_false(file_lock(-1, LOCK_EX));
    assert_int_equal(errno, EBADF);
}

static volatile sig_atomic_t rings;
static int locked_fd;

/* The lock is let go only in the second signal: who was not interrupted by the first waits on. */
static void on_ring(int number)
{
    (void)number;
    if (++rings == 2)
        flock(locked_fd, LOCK_UN);
}

static void signals_do_not_end_the_wait(void **state)
{
    enum { STEP_US = 10000 };
    int other = open_file(state);
    struct sigaction ring = {.sa_handler = on_ring}, before;
    struct itimerval often = {{0, STEP_US}, {0, STEP_US}}, never = {{0, 0}, {0, 0}};
    locked_fd = open_file(state);
    rings = 0;
    assert_true(file_lock(locked_fd, LOCK_EX));
    sigaction(SIGALRM, &ring, &before);
    setitimer(ITIMER_REAL, &often, NULL);
    bool locked = file_lock(other, LOCK_EX);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    assert_true(locked);
    assert_true(rings >= 2);
    close(locked_fd);
    close(other);
}

static void a_file_that_was_removed_is_no_longer_linked(void **state)
{
    int fd = open_file(state);
    char *path = scratch_file(*state, "file"), *second = scratch_file(*state, "second");
    assert_true(file_is_linked(fd));
    assert_int_equal(link(path, second), 0);
    unlink(path);
    assert_true(file_is_linked(fd));
    unlink(second);
    assert_false(file_is_linked(fd));
    assert_false(file_is_linked(-1));
    close(fd);
    free(path);
    free(second);
}

int main(void)
{
#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(an_agent_lives_until_its_lock_is_released),
        SCRATCH_TEST(every_agent_is_another_one),
        SCRATCH_TEST(a_killed_process_is_dead_at_once),
        SCRATCH_TEST(sweeping_removes_the_dead_and_leaves_the_living),
        SCRATCH_TEST(a_directory_that_is_not_there_is_an_error_in_words),
        SCRATCH_TEST(a_lock_belongs_to_the_open_file_and_others_closing_it_do_not_end_it),
        SCRATCH_TEST(signals_do_not_end_the_wait),
        SCRATCH_TEST(a_file_that_was_removed_is_no_longer_linked),
    };
    return RUN_TESTS("agent_lock", tests);
}
