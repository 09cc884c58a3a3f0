/*
 * Killed while its journal was still being made: what was behind the barrier is there afterwards, once.
 *
 * A file where the directory of journals is wanted keeps the journal from being made for as long as a test likes; the process
 * that types is a child that kills itself.
 */
#include "tests/support/support.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/replica_parts.h"
#include "editor/base/xalloc.h"
#include "tests/support/home.h"
#include "tests/support/scratch.h"

static unsigned most_patience_us; /* for the journal: the longest that was asked for, by this thread */

enum journal_waited __real_journal_writer_wait(struct journal_writer *writer, uint64_t ticket, unsigned timeout_us);
enum journal_waited __wrap_journal_writer_wait(struct journal_writer *writer, uint64_t ticket, unsigned timeout_us);
enum journal_waited __wrap_journal_writer_wait(struct journal_writer *writer, uint64_t ticket, unsigned timeout_us)
{
    most_patience_us = timeout_us > most_patience_us ? timeout_us : most_patience_us;
    return __real_journal_writer_wait(writer, ticket, timeout_us);
}

struct world {
    struct home *home;
    char *docs, *file;
};

static int setup(void **state)
{
    struct world *world = xcalloc(1, sizeof *world);
    int rc = home_setup((void **)&world->home);
    world->docs = xformat("%s/docs", world->home->state);
    world->file = scratch_file(world->home->dir, "notes.md");
    *state = world;
    return rc;
}

static int teardown(void **state)
{
    struct world *world = *state;
    home_teardown((void **)&world->home);
    free(world->docs);
    free(world->file);
    free(world);
    return 0;
}

/* The one tail there is, or NULL. */
static char *find_tail(struct world *world)
{
    char *tails = xformat("%s/tails", world->home->state), *found = NULL;
    DIR *dir = opendir(tails);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        assert_null(found);
        found = xformat("%s/%s", tails, entry->d_name);
    }
    if (dir)
        closedir(dir);
    free(tails);
    return found;
}

/* It goes a moment after the journal says that it has everything. */
static void wait_for_no_tail(struct world *world, struct replica *replica)
{
    uint64_t until_ms = net_now_ms() + HOME_PATIENCE_MS;
    for (char *tail; (tail = find_tail(world)) && net_now_ms() < until_ms; free(tail))
        replica_wait(replica, HOME_STEP_MS);
}

static void expect_no_tail(struct world *world)
{
    char *tail = find_tail(world);
    assert_null(tail);
}

static void block_journals(struct world *world)
{
    struct error err = {0};
    char *aside = xformat("%s.aside", world->docs);
    assert_true(env_device(&world->home->env, &err)); /* makes the state directory, too */
    (void)rename(world->docs, aside);
    scratch_write(world->docs, "a file where a directory is wanted");
    free(aside);
}

static void unblock_journals(struct world *world)
{
    char *aside = xformat("%s.aside", world->docs);
    assert_int_equal(unlink(world->docs), 0);
    (void)rename(aside, world->docs);
    free(aside);
}

/* In a child: types each word behind the one before, as a person would, and is killed behind the barrier of the last. */
static void type_and_die(struct world *world, const char *const *words)
{
    block_journals(world);
    pid_t child = fork();
    if (child == 0) {
        struct replica *replica = home_open(world->home, "notes.md");
        uint64_t at = 0;
        for (size_t i = 0; words[i]; at += strlen(words[i]), i++) {
            home_type(replica, at, words[i]);
            most_patience_us = 0;
            replica_barrier(replica);
            if (most_patience_us > 0)
                _exit(1); /* it would have waited for the journal */
        }
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    unblock_journals(world);
}

static void a_new_file_has_its_first_keys_after_a_kill(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    type_and_die(world, (const char *[]){"one ", "two", NULL});
    struct replica *replica = home_open(world->home, "notes.md");
    home_expect_text(replica, "one two");
    assert_int_equal(replica_buffer(replica)->selection.head, strlen("one two"));
    expect_no_tail(world);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDONE); /* one breath, one step */
    home_expect_text(replica, "");
    assert_int_equal(replica_undo(replica, UNDO_AGAIN, &err), REPLICA_UNDONE);
    home_wait(replica, NULL, home_is_kept);
    home_close(replica);
    replica = home_open(world->home, "notes.md");
    home_expect_text(replica, "one two");
    home_close(replica);
}

static void a_file_with_text_has_its_first_keys_in_their_place(void **state)
{
    struct world *world = *state;
    scratch_write(world->file, "of the file\n");
    type_and_die(world, (const char *[]){"typed ", "on top ", NULL});
    struct replica *replica = home_open(world->home, "notes.md");
    home_expect_text(replica, "typed on top of the file\n");
    assert_true(home_was_said(world->home, "Restored"));
    home_wait(replica, NULL, home_is_kept);
    home_close(replica);
    scratch_write(world->file, "of the file\n"); /* touched */
    replica = home_open(world->home, "notes.md");
    home_expect_text(replica, "typed on top of the file\n");
    home_close(replica);
}

static void a_file_rewritten_meanwhile_gets_what_was_typed_beside_it(void **state)
{
    struct world *world = *state;
    scratch_write(world->file, "of the file\n");
    type_and_die(world, (const char *[]){"typed", NULL});
    scratch_write(world->file, "something else of another program\n");
    struct replica *replica = home_open(world->home, "notes.md");
    home_expect_text(replica, "something else of another program\n");
    home_close(replica);
    char *beside = xformat("%s.weft-recovered", world->file);
    struct buf recovered = {0};
    scratch_read(beside, &recovered);
    assert_string_equal(buf_string(&recovered), "typed");
    buf_release(&recovered);
    free(beside);
}

/* Killed between the journal's commit and the end of the tail: the tail says what the journal has already. */
static void what_the_journal_has_is_not_there_twice(void **state)
{
    struct world *world = *state;
    type_and_die(world, (const char *[]){"one ", "two", NULL});
    char *tail = find_tail(world), *copy = scratch_file(world->home->dir, "copy");
    assert_non_null(tail);
    assert_int_equal(link(tail, copy), 0);
    struct replica *replica = home_open(world->home, "notes.md");
    home_type(replica, strlen("one two"), " three");
    home_wait(replica, NULL, home_is_kept);
    home_close(replica);
    assert_int_equal(rename(copy, tail), 0);
    replica = home_open(world->home, "notes.md");
    home_expect_text(replica, "one two three");
    expect_no_tail(world);
    home_close(replica);
    free(tail);
    free(copy);
}

static void no_tail_is_left_once_the_journal_is_there(void **state)
{
    struct world *world = *state;
    struct replica *replica = home_open(world->home, "notes.md");
    home_type(replica, 0, "kept");
    replica_barrier(replica);
    home_wait(replica, NULL, home_is_kept);
    wait_for_no_tail(world, replica);
    expect_no_tail(world);
    home_close(replica);
    replica = home_open(world->home, "notes.md");
    home_expect_text(replica, "kept");
    home_close(replica);
}

/* No file may grow beyond this many bytes, as on a full disk. */
static void allow_bytes(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_cannot_be_folded_yet_is_said_and_stays(void **state)
{
    struct world *world = *state;
    type_and_die(world, (const char *[]){"typed", NULL});
    allow_bytes(0);
    struct replica *replica = home_open(world->home, "notes.md");
    assert_true(home_was_said(world->home, "cannot be taken over yet"));
    home_expect_text(replica, "");
    home_close(replica);
    char *tail = find_tail(world);
    assert_non_null(tail);
    free(tail);
    allow_bytes(RLIM_INFINITY);
    replica = home_open(world->home, "notes.md");
    home_expect_text(replica, "typed");
    expect_no_tail(world);
    home_close(replica);
}

/* --- who only reads --- */

static void expect_read(struct world *world, const char *expected)
{
    struct error err = {0};
    struct replica_audit audit;
    struct replica_status status;
    struct replica_options options = {.port = home_port(world->home), .reads_only = true, .alone = true, .audits = true};
    struct replica *replica = replica_open(&world->home->env, world->file, (struct bytes){0}, &options, &err);
    if (!replica)
        fail_msg("%s", err.text);
    home_expect_text(replica, expected);
    replica_status(replica, net_now_ms(), &status);
    assert_true(status.known);
    if (!replica_audit(replica, &audit, &err))
        fail_msg("%s", err.text);
    assert_true(audit.batches > 0);
    home_close(replica);
}

struct listed {
    struct world *world;
    size_t count;
};

static void note_listed(void *self, const struct doc_entry *entry, bool takes_path)
{
    struct listed *listed = self;
    assert_string_equal(entry->path, listed->world->file);
    assert_false(takes_path);
    listed->count++;
}

static void who_only_reads_has_the_first_keys_of_a_killed_process_and_folds_nothing(void **state)
{
    struct world *world = *state;
    char *index = xformat("%s/index.db", world->home->state);
    scratch_write(world->file, "of the file\n");
    type_and_die(world, (const char *[]){"typed ", "on top ", NULL});
    struct listed listed = {.world = world};
    for (int i = 0; i < 2; i++) {
        expect_read(world, "typed on top of the file\n");
        replica_visit_left(&world->home->env, &(struct replica_left_visitor){&listed, note_listed});
    }
    assert_int_equal(listed.count, 2);
    assert_int_equal(access(index, F_OK), -1);
    assert_int_equal(access(world->docs, F_OK), -1);
    char *tail = find_tail(world);
    assert_non_null(tail);
    struct replica *replica = home_open(world->home, "notes.md");
    home_expect_text(replica, "typed on top of the file\n");
    home_close(replica);
    free(tail);
    free(index);
}

/* With the tail as it was when the process was killed, beside whatever there is of the journal. */
static void who_only_reads_has_what_the_journal_lacks(void **state)
{
    struct world *world = *state;
    type_and_die(world, (const char *[]){"one ", "two", NULL});
    char *tail = find_tail(world), *copy = scratch_file(world->home->dir, "copy");
    assert_int_equal(link(tail, copy), 0);
    struct replica *replica = home_open(world->home, "notes.md");
    home_type(replica, strlen("one two"), " three");
    home_wait(replica, NULL, home_is_kept);
    home_close(replica);
    assert_int_equal(rename(copy, tail), 0);
    expect_read(world, "one two three"); /* there in both, and there once */
    assert_int_equal(access(tail, F_OK), 0);
    char *aside = xformat("%s.aside", world->docs);
    assert_int_equal(rename(world->docs, aside), 0); /* the index knows it, the journal is not made yet */
    expect_read(world, "one two");
    assert_int_equal(access(world->docs, F_OK), -1);
    free(aside);
    free(tail);
    free(copy);
}

static void who_only_reads_has_what_a_living_process_types(void **state)
{
    struct world *world = *state;
    block_journals(world);
    struct replica *replica = home_open(world->home, "notes.md");
    home_type(replica, 0, "typed");
    replica_barrier(replica);
    expect_read(world, "typed");
    home_type(replica, strlen("typed"), " on");
    replica_barrier(replica);
    expect_read(world, "typed on");
    unblock_journals(world);
    home_wait(replica, NULL, home_is_kept);
    expect_read(world, "typed on");
    home_close(replica);
}

struct others {
    struct doc_id not_this, doc;
    size_t count;
};

static bool find_other(void *self, const struct doc_entry *entry)
{
    struct others *others = self;
    if (!doc_id_equal(&entry->doc, &others->not_this)) {
        others->doc = entry->doc;
        others->count++;
    }
    return true;
}

static void a_file_that_has_another_document_by_now_keeps_that_and_nothing_is_lost(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    type_and_die(world, (const char *[]){"of the killed", NULL});
    char *tail = find_tail(world), *aside = scratch_file(world->home->dir, "aside");
    assert_int_equal(rename(tail, aside), 0);
    struct replica *replica = home_open(world->home, "notes.md");
    home_type(replica, 0, "of the other");
    home_wait(replica, NULL, home_is_kept);
    home_close(replica);
    assert_int_equal(rename(aside, tail), 0);
    replica = home_open(world->home, "notes.md");
    home_expect_text(replica, "of the other");
    assert_true(home_was_said(world->home, "is a document of its own now"));
    struct doc_id other = replica_entry(replica)->doc;
    home_close(replica);

    char *index_path = xformat("%s/index.db", world->home->state);
    struct doc_index *index = doc_index_open(index_path, DOC_INDEX_READ, &world->home->env.device, &err);
    struct others others = {.not_this = other};
    assert_non_null(index);
    assert_true(doc_index_recent(index, 0, find_other, &others, &err));
    doc_index_close(index);
    assert_int_equal(others.count, 1);
    struct replica_options options = {.port = home_port(world->home), .name = "ada"};
    replica = replica_open_known(&world->home->env, &others.doc, NULL, &options, &err);
    assert_non_null(replica);
    home_expect_text(replica, "of the killed");
    home_close(replica);
    free(index_path);
    free(tail);
    free(aside);
}

static void a_private_text_leaves_nothing(void **state)
{
    struct world *world = *state;
    struct error err = {0};
    struct replica_options options = {.port = home_port(world->home), .name = "ada", .is_private = true};
    struct replica *replica = replica_open(&world->home->env, world->file, (struct bytes){0}, &options, &err);
    assert_non_null(replica);
    home_type(replica, 0, "secret");
    replica_barrier(replica);
    assert_int_equal(access(world->home->state, F_OK), -1);
    home_close(replica);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_file_has_its_first_keys_after_a_kill),
        TEST(a_file_with_text_has_its_first_keys_in_their_place),
        TEST(a_file_rewritten_meanwhile_gets_what_was_typed_beside_it),
        TEST(what_the_journal_has_is_not_there_twice),
        TEST(no_tail_is_left_once_the_journal_is_there),
        TEST(what_cannot_be_folded_yet_is_said_and_stays),
        TEST(who_only_reads_has_the_first_keys_of_a_killed_process_and_folds_nothing),
        TEST(who_only_reads_has_what_the_journal_lacks),
        TEST(who_only_reads_has_what_a_living_process_types),
        TEST(a_file_that_has_another_document_by_now_keeps_that_and_nothing_is_lost),
        TEST(a_private_text_leaves_nothing),
    };
    return RUN_TESTS("replica_tail", tests);
}
