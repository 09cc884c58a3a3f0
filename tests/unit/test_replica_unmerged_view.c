/* Opening a text whose newest rows take long to merge: where the cursor is, and what is noted for who is away. */
#include "tests/support/late.h"
#include "tests/support/scratch.h"
#include "tests/support/support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/replica_journal.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_unmerged.h"
#include "editor/base/xalloc.h"

/* A person's place is behind the q, in a checkpoint; what scripts wrote everywhere since, none seeing another, is in none. */
static void leave_much(struct home *home)
{
    enum { ROWS = 100 };
    static const char *const letters[LATE_WINDOWS] = {"a", "b", "c"};
    struct replica_options script = {.scripted = true, .port = home_port(home), .name = "ada", .fresh_ops_max = LATE_NO_CHECKPOINT};
    struct replica *windows[LATE_WINDOWS];
    late_write_file(home);
    struct replica *replica = home_open(home, "notes.md");
    for (size_t i = 0; i < ROWS; i++)
        home_type(replica, LATE_PLACES, i + 1 < ROWS ? "-" : "q");
    replica_select(replica, selection_at(LATE_PLACES + 1));
    home_close(replica);
    for (size_t i = 0; i < LATE_WINDOWS; i++)
        windows[i] = home_open_with(home, "notes.md", &script);
    for (size_t i = 0; i < LATE_WINDOWS; i++)
        late_type_everywhere(windows[i], letters[i]);
    for (size_t i = 0; i < LATE_WINDOWS; i++)
        home_close(windows[i]);
}

static void expect_all(struct replica *replica)
{
    assert_int_equal(home_count(replica, 'a'), LATE_PLACES);
    assert_int_equal(home_count(replica, 'b'), LATE_PLACES);
    assert_int_equal(home_count(replica, 'c'), LATE_PLACES);
    assert_int_equal(home_count(replica, 'q'), 1);
}

/* --- where the cursor was when it was killed --- */

/* A process of its own opens it, types one k, and is killed. */
static void be_killed_after_a_key(struct home *home, bool all_is_merged, uint64_t at)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct replica *replica = late_open(home);
        if (all_is_merged)
            home_wait(replica, NULL, late_is_whole);
        home_type(replica, at, "k");
        replica_barrier(replica);
        kill(getpid(), SIGKILL);
    }
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static char letter_before_cursor(const struct replica *replica)
{
    uint64_t head = replica->buffer.selection.head;
    return head > 0 ? (char)rope_byte(replica->buffer.text, head - 1) : '\0';
}

/* No key is touched: nothing but the opening asks for the place. */
static void a_killed_one_opens_where_its_key_was(void **state)
{
    static const bool waited[] = {false, true};
    leave_much(*state);
    for (size_t i = 0; i < 2; i++) {
        be_killed_after_a_key(*state, waited[i], LATE_PLACES);
        for (size_t again = 0; again < 2; again++) {
            struct replica *replica = late_open(*state);
            assert_non_null(replica->unmerged);
            if (again) /* as where a way is slow, which is noted: the journal is the writer's then */
                replica_begin_writing(replica);
            home_wait(replica, NULL, late_is_whole);
            expect_all(replica);
            assert_int_equal(home_count(replica, 'k'), i + 1);
            assert_int_equal(letter_before_cursor(replica), 'k');
            assert_false(home_was_said(*state, "cannot"));
            home_close(replica);
        }
    }
}

/* The place is one of a text that is not there yet: nothing is typed into the midst of another one. */
static void until_then_the_cursor_is_at_the_top(void **state)
{
    leave_much(*state);
    be_killed_after_a_key(*state, true, LATE_PLACES);
    struct replica *replica = late_open(*state);
    assert_non_null(replica->unmerged);
    assert_int_equal(replica->buffer.selection.head, 0);
    replica_walk(replica, selection_at(1)); /* an arrow */
    assert_int_equal(replica->buffer.selection.head, 1);
    home_wait(replica, NULL, late_is_whole);
    assert_int_equal(letter_before_cursor(replica), 'k');
    home_close(replica);
    replica = late_open(*state);
    home_insert(replica, "T");
    replica_walk(replica, selection_at(1));
    home_wait(replica, NULL, late_is_whole);
    assert_int_equal(letter_before_cursor(replica), 'T'); /* where somebody types is where he is */
    home_close(replica);
}

static void where_the_text_shown_has_its_place_the_cursor_is_there(void **state)
{
    leave_much(*state);
    struct replica *replica = late_open(*state);
    assert_non_null(replica->unmerged);
    assert_true(replica->checkpoint_place > 0);
    assert_int_equal(letter_before_cursor(replica), 'q');
    home_wait(replica, NULL, late_is_whole);
    assert_int_equal(home_count(replica, 'c'), LATE_PLACES);
    assert_in_range(replica->buffer.selection.head, LATE_PLACES + 2, 3 * LATE_PLACES); /* with what came in front of it */
    char *all = home_text(replica);
    assert_in_range(replica->buffer.selection.head, strchr(all, 'q') - all + 1, strchr(all, 'q') - all + 1 + LATE_WINDOWS);
    free(all);
    home_close(replica);
}

/* --- working alone meanwhile --- */

/* What was kept here before is no news from others: it is not gathered to be told of when the link is back. */
static void rows_that_were_here_are_no_news(void **state)
{
    leave_much(*state);
    struct replica *replica = late_open(*state);
    assert_non_null(replica->unmerged);
    replica->was_online = true;
    replica_work_alone(replica, true);
    assert_true(replica->was_away && !replica->away_noted);
    home_insert(replica, "k");
    while (replica->unmerged) {
        replica_handle(replica);
        assert_in_range(replica->away_mine.count + replica->away_theirs.count, 0, 2);
    }
    expect_all(replica);
    home_insert(replica, "K"); /* and then it is noted as ever */
    assert_false(patch_is_empty(&replica->away_mine));
    assert_in_range(replica->away_mine.count, 1, 2);
    home_close(replica);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, home_setup, home_teardown)
        TEST(a_killed_one_opens_where_its_key_was),
        TEST(until_then_the_cursor_is_at_the_top),
        TEST(where_the_text_shown_has_its_place_the_cursor_is_there),
        TEST(rows_that_were_here_are_no_news),
    };
    return RUN_TESTS("replica_unmerged_view", tests);
}
