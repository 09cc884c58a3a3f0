/* Keys in front of the journal: painted before the commit, and there after a kill -9, once, whoever looks first. */
#include "tests/support/support.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/replica_parts.h"
#include "editor/base/xalloc.h"
#include "tests/support/home.h"
#include "tests/support/scratch.h"

/* --- what lies there --- */

static size_t tails(const struct home *home)
{
    char *path = xformat("%s/advance", home->state);
    DIR *dir = opendir(path);
    size_t count = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    free(path);
    return count;
}

static bool is_committed(const struct replica *replica)
{
    struct journal_writer_state state;
    journal_writer_state(replica->writer, &state);
    return state.committed == state.issued;
}

static bool is_ready(struct replica *a, struct replica *b)
{
    (void)b;
    return atomic_load(&a->advance.made) && is_committed(a) && home_is_kept(a, NULL);
}

/* What weft cat shows of it. */
static void expect_read(struct home *home, const char *expected)
{
    struct error err = {0};
    char *path = scratch_file(home->dir, "notes.md");
    struct replica_options options = {.port = home_port(home), .reads_only = true, .alone = true};
    struct replica *replica = replica_open(&home->env, path, (struct bytes){0}, &options, &err);
    if (!replica)
        fail_msg("%s", err.text);
    home_expect_text(replica, expected);
    assert_true(replica_close(replica, 0, NULL, &err));
    free(path);
}

/* --- who types --- */

/* A document that is kept, and the file ready that its next keys go into. */
static struct replica *begin(struct home *home)
{
    struct replica *replica = home_open(home, "notes.md");
    home_type(replica, 0, "kept ");
    replica_barrier(replica);
    home_wait(replica, NULL, home_is_kept);
    home_type(replica, 5, "journal ");
    home_wait(replica, NULL, is_ready);
    return replica;
}

/* Painted, and nothing else has happened: the journal's thread sleeps. */
static void type_painted(struct replica *replica, uint64_t at, const char *word)
{
    home_type(replica, at, word);
    replica_barrier(replica);
    if (is_committed(replica) || !replica_advance_hold(replica))
        _exit(1);
}

/* In a child: is killed behind the barrier of the last word, before the journal has any of them. */
static void type_and_die(struct home *home)
{
    pid_t child = fork();
    if (child == 0) {
        struct replica *replica = begin(home);
        type_painted(replica, 13, "one ");
        type_painted(replica, 17, "two ");
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void write_file(struct home *home)
{
    char *path = scratch_file(home->dir, "notes.md");
    scratch_write(path, "of the file\n");
    free(path);
}

#define ALL "kept journal one two of the file\n"

static void what_was_painted_is_there_after_a_kill(void **state)
{
    struct home *home = *state;
    write_file(home);
    type_and_die(home);
    assert_int_equal(tails(home), 1);
    for (int i = 0; i < 3; i++) { /* there, and there once */
        struct replica *replica = home_open(home, "notes.md");
        home_expect_text(replica, ALL);
        assert_int_equal(replica_buffer(replica)->selection.head, 21);
        assert_int_equal(tails(home), 0);
        home_close(replica);
    }
}

static void who_only_reads_sees_it_and_folds_nothing(void **state)
{
    struct home *home = *state;
    write_file(home);
    type_and_die(home);
    expect_read(home, ALL);
    expect_read(home, ALL);
    assert_int_equal(tails(home), 1);
    struct replica *replica = home_open(home, "notes.md");
    home_expect_text(replica, ALL);
    home_close(replica);
}

static void who_only_reads_sees_what_a_living_process_has_painted(void **state)
{
    struct home *home = *state;
    write_file(home);
    struct replica *replica = begin(home);
    type_painted(replica, 13, "one ");
    expect_read(home, "kept journal one of the file\n");
    type_painted(replica, 17, "two ");
    expect_read(home, ALL);
    replica_shown(replica);
    home_wait(replica, NULL, is_ready);
    expect_read(home, ALL);
    home_close(replica);
    assert_int_equal(tails(home), 0);
    expect_read(home, ALL);
}

/* Whoever does not paint, and forgets: the next turn but one wakes the journal's thread. */
static void what_is_not_shown_is_committed_all_the_same(void **state)
{
    struct home *home = *state;
    write_file(home);
    struct replica *replica = begin(home);
    type_painted(replica, 13, "one ");
    assert_int_equal(replica_next_ms(replica), 0);
    replica_handle(replica);
    replica_handle(replica);
    for (uint64_t until_ms = net_now_ms() + HOME_PATIENCE_MS; !is_committed(replica);) {
        assert_true(net_now_ms() < until_ms);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    home_close(replica);
}

static bool nothing(void *self, struct journal *journal, struct error *err)
{
    (void)self;
    (void)journal;
    (void)err;
    return true;
}

/* Rows may build on what another job puts into the journal, and that is not in the tail. */
static void behind_anything_else_the_journal_is_waited_for(void **state)
{
    struct home *home = *state;
    write_file(home);
    struct replica *replica = begin(home);
    home_type(replica, 13, "one ");
    journal_writer_run(replica->writer, nothing, NULL, (struct journal_done){0});
    home_type(replica, 17, "two ");
    assert_false(replica_advance_hold(replica));
    replica_barrier(replica);
    assert_true(is_committed(replica));
    type_painted(replica, 21, "three ");
    home_close(replica);
}

static void a_paste_is_waited_for(void **state)
{
    struct home *home = *state;
    char *paste = xcalloc(1, 10001);
    memset(paste, 'p', 10000);
    write_file(home);
    struct replica *replica = begin(home);
    home_type(replica, 13, "one ");
    home_type(replica, 17, paste);
    assert_false(replica_advance_hold(replica));
    home_type(replica, 17, "two ");
    assert_false(replica_advance_hold(replica));
    replica_barrier(replica);
    assert_true(is_committed(replica));
    type_painted(replica, 21, "three ");
    home_close(replica);
    free(paste);
}

static bool see_each_other(struct replica *a, struct replica *b)
{
    return a->people.count > 0 && b->people.count > 0;
}

/* Who has the document open does not look for tails: it is rung when something is in the journal. */
static void where_others_are_the_journal_is_waited_for(void **state)
{
    struct home *home = *state;
    write_file(home);
    struct replica *a = begin(home), *b = home_open(home, "notes.md");
    home_wait(a, b, see_each_other);
    home_type(a, 13, "one ");
    assert_false(replica_advance_hold(a));
    replica_barrier(a);
    assert_true(is_committed(a));
    home_close(b);
    home_close(a);
}

static void what_was_forgotten_does_not_come_back(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    write_file(home);
    type_and_die(home);
    char *index_path = paths_state_file(&home->env.paths, "index.db"), *path = scratch_file(home->dir, "notes.md");
    struct doc_entry entry = {0};
    bool found = false;
    assert_true(env_device(&home->env, &err));
    struct doc_index *index = doc_index_open(index_path, DOC_INDEX_CREATE, &home->env.device, &err);
    assert_non_null(index);
    assert_true(doc_index_find_path(index, path, &entry, &found, &err) && found);
    assert_true(doc_index_forget(index, &entry.doc, &err));
    doc_index_close(index);
    char *journal = env_journal_path(&home->env, &entry.doc);
    assert_true(journal_forget(journal, &err));
    struct replica *replica = home_open(home, "notes.md");
    home_expect_text(replica, "of the file\n");
    assert_int_equal(access(journal, F_OK), -1);
    assert_int_equal(tails(home), 0);
    home_close(replica);
    doc_entry_release(&entry);
    free(journal);
    free(index_path);
    free(path);
}

/* It stays for another time, and that is said. */
static void what_cannot_be_folded_yet_stays(void **state)
{
    struct home *home = *state;
    write_file(home);
    type_and_die(home);
    char *docs = xformat("%s/docs", home->state), *aside = xformat("%s.aside", docs);
    assert_int_equal(rename(docs, aside), 0);
    replica_fold_left(&home->env, home_port(home));
    assert_true(home_was_said(home, "The last that a killed weft had kept of notes.md cannot be taken over yet: "));
    assert_int_equal(tails(home), 1);
    assert_int_equal(rename(aside, docs), 0);
    replica_fold_left(&home->env, home_port(home));
    assert_int_equal(tails(home), 0);
    expect_read(home, ALL);
    free(docs);
    free(aside);
}

int main(void)
{
#define HOME_TEST(test) cmocka_unit_test_setup_teardown(test, home_setup, home_teardown)
    const struct CMUnitTest tests[] = {
        HOME_TEST(what_was_painted_is_there_after_a_kill),
        HOME_TEST(who_only_reads_sees_it_and_folds_nothing),
        HOME_TEST(who_only_reads_sees_what_a_living_process_has_painted),
        HOME_TEST(what_is_not_shown_is_committed_all_the_same),
        HOME_TEST(behind_anything_else_the_journal_is_waited_for),
        HOME_TEST(a_paste_is_waited_for),
        HOME_TEST(where_others_are_the_journal_is_waited_for),
        HOME_TEST(what_was_forgotten_does_not_come_back),
        HOME_TEST(what_cannot_be_folded_yet_stays),
    };
    return RUN_TESTS("replica_advance", tests);
}
