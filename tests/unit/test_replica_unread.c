/* A journal that is damaged where nobody looks until the past is asked for: the text is there, and nothing of it gets lost. */
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/replica_file.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_past.h"
#include "app/replica_version.h"
#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/db.h"
#include "tests/support/home.h"
#include "tests/support/scratch.h"

enum { LONG = 400000, LINE = 80, KEYS = 1100 };

/* Long enough for its history to stand apart from the text. */
static char *leave_long_history(struct home *home, struct doc_id *doc)
{
    struct random random = random_of(7);
    struct buf noise = {0};
    struct replica *replica = home_open(home, "notes.md");
    for (size_t i = 1; i <= LONG; i++)
        buf_add_byte(&noise, (unsigned char)(i % LINE == 0 ? '\n' : ' ' + (int)random_below(&random, 95)));
    home_insert(replica, buf_string(&noise));
    for (int i = 0; i < KEYS; i++) {
        home_type(replica, (uint64_t)i, "k");
        if (i % 64 == 0)
            replica_barrier(replica);
        replica_handle(replica);
    }
    *doc = replica_entry(replica)->doc;
    char *text = home_text(replica);
    home_save(replica, NULL);
    home_close(replica);
    buf_release(&noise);
    return text;
}

/* Plain access to the database, as a disk that forgets has it. */
static void change_journal(struct home *home, const struct doc_id *doc, const char *sql)
{
    struct db_options options = {
        .what = "damaging", .mode = DB_WRITE, .application_id = 0x77666a31, .schema_count = 2, .busy_ms = 1000};
    struct error err = {0};
    char *path = env_journal_path(&home->env, doc);
    struct db *db = db_open(path, &options, &err);
    if (!db || !db_exec(db, sql, &err))
        fail_msg("%s", err.text);
    db_close(db);
    free(path);
}

/* The checkpoint's last part and the oldest row: neither is asked for to show the text. */
static void damage(struct home *home, const struct doc_id *doc)
{
    change_journal(home, doc, "UPDATE checkpoint_part SET sealed = zeroblob(60)"
                              " WHERE part > 0 AND part = (SELECT max(part) FROM checkpoint_part);"
                              "UPDATE arrival SET body = CAST(body || x'00' AS BLOB)"
                              " WHERE place = (SELECT min(place) FROM arrival)");
}

static void mend(struct home *home, const struct doc_id *doc)
{
    change_journal(home, doc, "UPDATE arrival SET body = substr(body, 1, length(body) - 1)"
                              " WHERE place = (SELECT min(place) FROM arrival)");
}

static void write_file(struct home *home, const char *text)
{
    char *path = scratch_file(home->dir, "notes.md");
    scratch_write(path, text);
    free(path);
}

static void expect_file(struct home *home, const char *expected)
{
    char *path = scratch_file(home->dir, "notes.md");
    struct buf content = {0};
    scratch_read(path, &content);
    assert_string_equal(buf_string(&content), expected);
    buf_release(&content);
    free(path);
}

static bool is_merged(struct replica *replica, struct replica *none)
{
    (void)none;
    struct buf text = {0};
    const struct rope *rope = replica_buffer(replica)->text;
    rope_append_to(rope, 0, rope_len(rope), &text);
    bool has = strstr(buf_string(&text), "[other program]") != NULL;
    buf_release(&text);
    return has;
}

static void wait_until_said(struct home *home, struct replica *replica, const char *words)
{
    for (uint64_t end_ms = net_now_ms() + HOME_PATIENCE_MS; !home_was_said(home, words); replica_wait(replica, HOME_STEP_MS))
        if (net_now_ms() > end_ms)
            fail_msg("it was said: %s", buf_string(&home->said));
}

/* --- a row that cannot be read --- */

static void type_ks(struct replica *replica, int count)
{
    for (int i = 0; i < count; i++) {
        home_type(replica, 0, "k");
        replica_handle(replica);
    }
    home_wait(replica, NULL, home_is_kept);
}

/* Nothing builds on the newest row: all others are taken, and a checkpoint of them would say that it had been read as well. */
static void no_checkpoint_stands_for_a_row_that_cannot_be_read(void **state)
{
    enum { FEW = 10, ENOUGH = 200 };
    struct home *home = *state;
    struct replica *replica = home_open(home, "notes.md");
    type_ks(replica, FEW);
    struct doc_id doc = replica_entry(replica)->doc;
    home_close(replica);
    change_journal(home, &doc, "UPDATE arrival SET body = CAST(body || x'00' AS BLOB)"
                               " WHERE place = (SELECT max(place) FROM arrival)");
    for (int i = 0; i < 2; i++) {
        buf_clear(&home->said);
        replica = home_open(home, "notes.md");
        assert_true(home_was_said(home, "1 entries of this document's journal cannot be read; the rest is here."));
        assert_int_equal(replica->early_count, 0);
        type_ks(replica, ENOUGH);
        home_close(replica);
    }
}

/* --- asking for the past --- */

static void what_asks_for_the_past_says_why_it_is_not_to_be_had(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct version version = {0};
    struct doc_id doc;
    char *text = leave_long_history(home, &doc);
    damage(home, &doc);
    struct replica *replica = home_open(home, "notes.md");
    home_expect_text(replica, text);
    assert_false(replica_read_past(replica, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "the history cannot be read from the journal now"));
    assert_non_null(strstr(err.text, "edit by edit")); /* what was tried, and why that failed */
    err = (struct error){0};
    assert_false(replica_find_version(replica, "base", &version, &err));
    assert_non_null(strstr(err.text, "cannot be read"));
    struct event_span_list edits = {0};
    err = (struct error){0};
    assert_true(replica_find_version(replica, "now", &version, &err)); /* which needs no history, and its text none */
    struct rope *now_text = replica_text_at(replica, &version);
    assert_true(rope_equal(now_text, replica_buffer(replica)->text));
    rope_free(now_text);
    assert_false(replica_written_by(replica, "ada", &version, &edits, &err));
    assert_non_null(strstr(err.text, "cannot be read"));
    err = (struct error){0};
    assert_int_equal(replica_undo(replica, UNDO_BACK, &err), REPLICA_UNDO_REFUSED);
    assert_non_null(strstr(err.text, "cannot be read"));
    home_type(replica, 0, "typed on ");
    home_wait(replica, NULL, home_is_kept);
    home_close(replica);
    replica = home_open(home, "notes.md");
    char *now = home_text(replica);
    assert_int_equal(strncmp(now, "typed on ", 9), 0);
    assert_string_equal(now + 9, text);
    home_close(replica);
    version_release(&version);
    free(now);
    free(text);
}

/* --- another program's change --- */

/* What is in the file is neither merged into the wrong place nor written over; once the journal can be read it is merged. */
static void another_programs_change_waits_for_the_history(void **state)
{
    struct home *home = *state;
    struct doc_id doc;
    char *text = leave_long_history(home, &doc);
    char *changed = xformat("%s[other program]\n", text);
    struct replica *replica = home_open(home, "notes.md");
    home_type(replica, 0, "typed on ");
    home_wait(replica, NULL, home_is_kept);
    damage(home, &doc);
    write_file(home, changed);
    replica_look_now(replica);
    wait_until_said(home, replica, "is not merged yet: the history cannot be read from the journal now");
    home_type(replica, 0, "more ");
    home_wait(replica, NULL, home_is_kept);
    char *now = home_text(replica);
    assert_int_equal(strncmp(now, "more typed on ", 14), 0);
    assert_string_equal(now + 14, text);
    expect_file(home, changed);
    mend(home, &doc);
    home_wait(replica, NULL, is_merged);
    free(now);
    now = home_text(replica);
    assert_int_equal(strncmp(now, "more typed on ", 14), 0);
    assert_string_equal(now + 14, changed);
    home_close(replica);
    free(now);
    free(text);
    free(changed);
}

/* The same, where it was changed while no weft was open and there is something that is not in the file. */
static void a_change_found_when_it_opens_waits_for_the_history(void **state)
{
    struct home *home = *state;
    struct doc_id doc;
    char *text = leave_long_history(home, &doc);
    char *changed = xformat("%s[other program]\n", text);
    struct replica *replica = home_open(home, "notes.md");
    home_type(replica, 0, "typed on ");
    home_close(replica);
    damage(home, &doc);
    write_file(home, changed);
    replica = home_open(home, "notes.md");
    wait_until_said(home, replica, "is not merged yet: the history cannot be read from the journal now");
    char *now = home_text(replica);
    assert_int_equal(strncmp(now, "typed on ", 9), 0);
    assert_string_equal(now + 9, text);
    expect_file(home, changed);
    home_type(replica, 0, "more ");
    mend(home, &doc);
    home_wait(replica, NULL, is_merged);
    home_close(replica);
    free(now);
    free(text);
    free(changed);
}

/* --- two documents of one file --- */

/* A window that has typed into a document of its own finds that another one was faster, and that one's history is damaged. */
static void what_was_typed_comes_along_into_a_document_whose_history_is_damaged(void **state)
{
    struct home *home = *state;
    struct doc_id doc;
    write_file(home, "");
    struct replica *late = home_open(home, "notes.md");
    char *text = leave_long_history(home, &doc);
    damage(home, &doc);
    home_type(late, 0, "late ");
    for (uint64_t end_ms = net_now_ms() + HOME_PATIENCE_MS; !doc_id_equal(&replica_entry(late)->doc, &doc);) {
        assert_true(net_now_ms() < end_ms);
        replica_wait(late, HOME_STEP_MS);
    }
    char *now = home_text(late);
    assert_int_equal(strlen(now), strlen(text) + 5);
    assert_non_null(strstr(now, "late "));
    home_wait(late, NULL, home_is_kept);
    home_close(late);
    struct replica *again = home_open(home, "notes.md");
    home_expect_text(again, now);
    home_close(again);
    free(now);
    free(text);
}

/* --- the last resort --- */

/* What asks for the history without having read it first stops the program: but not before the text is beside the file. */
static void who_stops_leaves_the_text_beside_the_file(void **state)
{
    struct home *home = *state;
    struct doc_id doc;
    char *text = leave_long_history(home, &doc);
    damage(home, &doc);
    pid_t pid = fork();
    if (pid == 0) {
        struct log_list log = {0};
        struct replica *replica = home_open(home, "notes.md");
        home_type(replica, 0, "typed ");
        if (!freopen("/dev/null", "w", stderr))
            _exit(2);
        replica_log(replica, &log);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    char *path = scratch_file(home->dir, "notes.md.weft-recovered");
    struct buf beside = {0};
    scratch_read(path, &beside);
    assert_int_equal(strncmp(buf_string(&beside), "typed ", 6), 0);
    assert_string_equal(buf_string(&beside) + 6, text);
    expect_file(home, text);
    free(path);
    buf_release(&beside);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_checkpoint_stands_for_a_row_that_cannot_be_read, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(what_asks_for_the_past_says_why_it_is_not_to_be_had, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(another_programs_change_waits_for_the_history, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(a_change_found_when_it_opens_waits_for_the_history, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(what_was_typed_comes_along_into_a_document_whose_history_is_damaged, home_setup,
                                        home_teardown),
        cmocka_unit_test_setup_teardown(who_stops_leaves_the_text_beside_the_file, home_setup, home_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
