/* Keys in front of the journal: painted before the commit, and there after a kill -9, once, whoever looks first. */
#include "tests/support/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/replica_parts.h"
#include "app/replica_tail.h"
#include "app/retention.h"
#include "app/verbs.h"
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
    struct replica_options options = {.port = home_port(home), .reads_only = true, .alone = true};
    struct replica *replica = home_open_with(home, "notes.md", &options);
    home_expect_text(replica, expected);
    assert_true(replica_close(replica, 0, NULL, &err));
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
    home_wait(replica, NULL, is_ready);
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

/* As another program that writes into the journal, and takes its time. */
static sqlite3 *lock_journal(const struct home *home, const struct replica *replica)
{
    sqlite3 *db;
    char *path = env_journal_path(&home->env, &replica_entry(replica)->doc);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 1000);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    free(path);
    return db;
}

/* Beside somebody who has it open too; behind a paste; and behind what the journal's thread has to do else. */
static void type_beside_a_locked_journal_and_die(struct home *home)
{
    pid_t child = fork();
    if (child == 0) {
        struct replica *replica = begin(home), *other = home_open(home, "notes.md");
        char paste[10001];
        memset(paste, 'p', sizeof paste - 1);
        paste[sizeof paste - 1] = '\0';
        home_wait(replica, other, see_each_other);
        home_wait(replica, NULL, is_ready);
        sqlite3 *db = lock_journal(home, replica);
        home_type(replica, 13, "one ");
        replica_barrier(replica);
        journal_writer_run(replica->writer, nothing, NULL, (struct journal_done){0});
        home_type(replica, 17, "two ");
        replica_barrier(replica);
        home_type(replica, 21, paste);
        replica_barrier(replica);
        home_type(replica, 21, "three ");
        replica_barrier(replica);
        if (is_committed(replica) || sqlite3_get_autocommit(db))
            _exit(1);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void what_was_painted_while_the_journal_was_locked_is_there_after_a_kill(void **state)
{
    struct home *home = *state;
    write_file(home);
    type_beside_a_locked_journal_and_die(home);
    struct replica *replica = home_open(home, "notes.md");
    char *text = home_text(replica);
    assert_ptr_equal(strstr(text, "kept journal one two three ppp"), text);
    assert_int_equal(strlen(text), strlen("kept journal one two three of the file\n") + 10000);
    free(text);
    home_close(replica);
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

/* --- several who fold --- */

/* The path of the only file there. */
static char *only_tail(const struct home *home)
{
    char *dir_path = xformat("%s/advance", home->state), *path = NULL;
    DIR *dir = opendir(dir_path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            path = xformat("%s/%s", dir_path, entry->d_name);
    closedir(dir);
    free(dir_path);
    assert_non_null(path);
    return path;
}

/* As another process that starts at the same time, and folds it. */
static int lock_tail(const struct home *home)
{
    char *path = only_tail(home);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
    free(path);
    return fd;
}

static bool has_all(struct replica *a, struct replica *b)
{
    (void)b;
    char *text = home_text(a);
    bool has = strstr(text, ALL) != NULL;
    free(text);
    return has;
}

/* Somebody who folds a file, and is done when the lock was asked for in vain so often. */
static struct {
    int fd;
    unsigned vain_tries_left;
} folding = {.fd = -1};

bool __real_file_lock(int fd, int how);
bool __wrap_file_lock(int fd, int how);
bool __wrap_file_lock(int fd, int how)
{
    bool locked = __real_file_lock(fd, how);
    if (locked || folding.fd < 0 || --folding.vain_tries_left > 0)
        return locked;
    close(folding.fd);
    folding.fd = -1;
    return false;
}

static void who_folds_is_waited_for(void **state)
{
    struct home *home = *state;
    write_file(home);
    type_and_die(home);
    folding.vain_tries_left = 10;
    folding.fd = lock_tail(home);
    struct replica *replica = home_open(home, "notes.md");
    assert_int_equal(folding.fd, -1);
    home_expect_text(replica, ALL);
    home_close(replica);
}

static void expect_file(const struct home *home, const char *expected)
{
    char *path = scratch_file(home->dir, "notes.md");
    struct buf text = {0};
    scratch_read(path, &text);
    assert_string_equal(buf_string(&text), expected);
    buf_release(&text);
    free(path);
}

/* Who was waited for long enough is told of, and what it folds is read in by all who have the document open. */
static void what_is_folded_later_is_seen_by_who_has_it_open(void **state)
{
    struct home *home = *state;
    write_file(home);
    type_and_die(home);
    int fd = lock_tail(home);
    struct replica *replica = home_open(home, "notes.md");
    home_expect_text(replica, "kept journal of the file\n");
    assert_true(home_was_said(home, "Another weft is still taking over what a killed weft had kept"));
    close(fd);
    replica_fold_left(&home->env, home_port(home));
    assert_int_equal(tails(home), 0);
    home_wait(replica, NULL, has_all);
    home_save(replica, NULL);
    expect_file(home, ALL);
    home_close(replica);
}

static void what_beginning_to_write_folds_is_read_in(void **state)
{
    struct home *home = *state;
    write_file(home);
    type_and_die(home);
    char *path = only_tail(home), *away = xformat("%s/away", home->dir);
    assert_int_equal(rename(path, away), 0);
    struct replica *replica = home_open(home, "notes.md");
    home_expect_text(replica, "kept journal of the file\n");
    assert_int_equal(rename(away, path), 0);
    home_type(replica, 0, "new ");
    home_wait(replica, NULL, has_all);
    home_expect_text(replica, "new " ALL);
    home_close(replica);
    free(path);
    free(away);
}

/* --- a journal that has less than it had --- */

static void find_document(struct home *home, struct doc_entry *entry)
{
    struct error err = {0};
    bool found = false;
    char *index_path = paths_state_file(&home->env.paths, "index.db"), *path = scratch_file(home->dir, "notes.md");
    assert_true(env_device(&home->env, &err));
    struct doc_index *index = doc_index_open(index_path, DOC_INDEX_READ, &home->env.device, &err);
    assert_true(index && doc_index_find_path(index, path, entry, &found, &err) && found);
    doc_index_close(index);
    free(index_path);
    free(path);
}

/* What a power cut does: the newest commit was not synced, and is gone; the page of the tail was written back. */
static void lose_newest_row(struct home *home)
{
    struct doc_entry entry = {0};
    find_document(home, &entry);
    char *path = env_journal_path(&home->env, &entry.doc);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM arrival WHERE place = (SELECT max(place) FROM arrival)", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_close(db);
    doc_entry_release(&entry);
    free(path);
}

static bool print_aside(void *self, const struct replica_aside *aside)
{
    assert_non_null(aside->doc);
    buf_addf(self, "%s: %llu \"%.*s\" in %s", aside->name, (unsigned long long)aside->edits, (int)aside->typed.len,
             (const char *)aside->typed.data, aside->path);
    return false;
}

static void expect_aside(struct home *home, const char *path)
{
    struct buf found = {0};
    char *expected = xformat("notes.md: 2 \"one two \" in %s", path);
    replica_visit_aside(&home->env, &(struct replica_aside_visitor){&found, print_aside});
    assert_string_equal(buf_string(&found), expected);
    free(expected);
    buf_release(&found);
}

static void what_does_not_follow_the_journal_is_set_aside(void **state)
{
    struct home *home = *state;
    static const char *const texts[] = {"kept of the file\n", "new kept of the file\n", "new new kept of the file\n"};
    write_file(home);
    type_and_die(home);
    char *path = only_tail(home), *aside = xformat("%s.aside", path);
    lose_newest_row(home);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct replica *replica = home_open(home, "notes.md");
        home_expect_text(replica, texts[i]);
        assert_int_equal(replica->early_count, 0); /* no hole in anybody's chain */
        assert_int_equal(replica->faults, 0);
        assert_int_equal(access(path, F_OK), -1);
        expect_aside(home, aside);
        assert_int_equal(home_was_said(home, "Of notes.md the journal lost its newest edits"), i == 0);
        assert_int_equal(home_was_said(home, aside), i == 0);
        buf_clear(&home->said);
        home_type(replica, 0, "new ");
        home_close(replica);
    }
    free(path);
    free(aside);
}

static size_t run_retention(struct home *home)
{
    struct error err = {0};
    struct retention_place place = {0};
    struct retention retention = {.now_s = UINT64_MAX, .documents_max = RETENTION_DOCUMENTS_A_RUN};
    size_t forgotten = 0;
    if (!retention_run(&home->env, &retention, &place, &forgotten, &err))
        fail_msg("%s", err.text);
    return forgotten;
}

/* Nobody is there to answer. What is said instead is appended. */
static int run_forget(struct home *home, const char *option, struct buf *said)
{
    struct error err = {0};
    struct args args = {0};
    char *path = scratch_file(home->dir, "notes.md"), *file = scratch_file(home->dir, "said");
    const char *const words[] = {path, option};
    assert_true(args_parse(&args, "forget", verb_find("forget")->options, option ? 2 : 1, words, &err));
    int in = dup(STDIN_FILENO), out = dup(STDERR_FILENO);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC), to = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(in >= 0 && out >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(to, STDERR_FILENO) >= 0);
    int status = verb_find("forget")->run(&home->env, &args);
    assert_true(dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0);
    close(in);
    close(out);
    close(null);
    close(to);
    scratch_read(file, said);
    args_release(&args);
    free(path);
    free(file);
    return status;
}

/* All of the text is in the file, which says nothing of what was set aside. */
static void what_was_set_aside_is_forgotten_when_a_person_says_so(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct buf said = {0};
    struct doc_entry entry = {0};
    write_file(home);
    type_and_die(home);
    char *path = only_tail(home), *aside = xformat("%s.aside", path), *file = scratch_file(home->dir, "notes.md");
    lose_newest_row(home);
    find_document(home, &entry);
    char *journal = env_journal_path(&home->env, &entry.doc);
    struct replica *replica = home_open(home, "notes.md");
    home_save(replica, NULL);
    home_close(replica);
    assert_true(replica_has_aside(&home->env, &entry.doc));
    assert_false(replica_has_aside(&home->env, &(struct doc_id){{1}}));

    assert_int_equal(run_retention(home), 0);
    assert_int_equal(access(journal, F_OK), 0);
    struct replica_options options = {.port = home_port(home), .name = "ada", .short_lived = true};
    replica = replica_open(&home->env, file, (struct bytes){0}, &options, &err);
    assert_non_null(replica);
    home_close(replica);
    assert_int_equal(access(journal, F_OK), 0);
    assert_int_not_equal(run_forget(home, NULL, &said), EXIT_OK);
    assert_non_null(strstr(buf_string(&said), "has edits that were set aside and are in no file; weft docs shows them, --force "));
    assert_int_equal(access(journal, F_OK), 0);
    assert_int_equal(access(aside, F_OK), 0);

    assert_int_equal(run_forget(home, "--force", &said), EXIT_OK);
    assert_int_equal(access(journal, F_OK), -1);
    assert_int_equal(access(aside, F_OK), -1);
    assert_false(replica_has_aside(&home->env, &entry.doc));
    doc_entry_release(&entry);
    buf_release(&said);
    free(journal);
    free(file);
    free(path);
    free(aside);
}

/* Without anything that was set aside the same documents go. */
static void what_is_in_its_file_is_forgotten_unasked(void **state)
{
    struct home *home = *state;
    struct buf said = {0};
    for (int i = 0; i < 2; i++) {
        write_file(home);
        type_and_die(home);
        struct replica *replica = home_open(home, "notes.md");
        home_save(replica, NULL);
        home_close(replica);
        if (i == 0)
            assert_int_equal(run_retention(home), 1);
        else
            assert_int_equal(run_forget(home, NULL, &said), EXIT_OK);
    }
    buf_release(&said);
}

/* Also a journal that no index knows is not a forgotten one. */
static void an_index_made_anew_loses_nothing(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct doc_entry entry = {0};
    write_file(home);
    type_and_die(home);
    find_document(home, &entry);
    char *index_path = paths_state_file(&home->env.paths, "index.db");
    struct doc_index *index = doc_index_open(index_path, DOC_INDEX_CREATE, &home->env.device, &err);
    assert_true(index && doc_index_forget(index, &entry.doc, &err));
    replica_fold_left(&home->env, home_port(home));
    assert_int_equal(tails(home), 0);
    assert_int_equal(doc_index_put(index, &entry, &(struct doc_id){{0}}, &err), DOC_INDEX_PUT);
    doc_index_close(index);
    expect_read(home, ALL);
    doc_entry_release(&entry);
    free(index_path);
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
        HOME_TEST(what_was_painted_while_the_journal_was_locked_is_there_after_a_kill),
        HOME_TEST(what_was_forgotten_does_not_come_back),
        HOME_TEST(what_cannot_be_folded_yet_stays),
        HOME_TEST(who_folds_is_waited_for),
        HOME_TEST(what_is_folded_later_is_seen_by_who_has_it_open),
        HOME_TEST(what_beginning_to_write_folds_is_read_in),
        HOME_TEST(what_does_not_follow_the_journal_is_set_aside),
        HOME_TEST(what_was_set_aside_is_forgotten_when_a_person_says_so),
        HOME_TEST(what_is_in_its_file_is_forgotten_unasked),
        HOME_TEST(an_index_made_anew_loses_nothing),
    };
    return RUN_TESTS("replica_advance", tests);
}
