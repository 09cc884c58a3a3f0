/* Who is alive: decided by the kernel, whatever way a process ended. */
#include "tests/support/support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sync/agent_lock.h"
#include "sync/crypto.h"
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

int main(void)
{
#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(an_agent_lives_until_its_lock_is_released),
        SCRATCH_TEST(every_agent_is_another_one),
        SCRATCH_TEST(a_killed_process_is_dead_at_once),
        SCRATCH_TEST(sweeping_removes_the_dead_and_leaves_the_living),
        SCRATCH_TEST(a_directory_that_is_not_there_is_an_error_in_words),
    };
    return RUN_TESTS("agent_lock", tests);
}
