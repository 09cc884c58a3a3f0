/* How long journals are kept, with clocks and limits handed in. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/replica_parts.h"
#include "app/retention.h"
#include "editor/base/xalloc.h"
#include "tests/support/home.h"
#include "tests/support/scratch.h"

enum { DAY_S = 24 * 3600 };

/* The document of a file that was edited, saved or not, and left. Where its journal is: heap string. */
static char *make(struct home *home, const char *name, const char *text, bool saved)
{
    struct replica *replica = home_open(home, name);
    home_insert(replica, text);
    if (saved)
        home_save(replica, NULL);
    char *journal = env_journal_path(&home->env, &replica_entry(replica)->doc);
    home_close(replica);
    assert_int_equal(access(journal, F_OK), 0);
    return journal;
}

static struct doc_index *open_index(struct home *home)
{
    struct error err = {0};
    char *path = paths_state_file(&home->env.paths, "index.db");
    assert_true(env_device(&home->env, &err));
    struct doc_index *index = doc_index_open(path, DOC_INDEX_CREATE, &home->env.device, &err);
    if (!index)
        fail_msg("%s", err.text);
    free(path);
    return index;
}

static struct doc_entry entry_of(struct home *home, struct doc_index *index, const char *name)
{
    struct error err = {0};
    struct doc_entry entry = {0};
    bool found;
    char *path = scratch_file(home->dir, name);
    assert_true(doc_index_find_path(index, path, &entry, &found, &err) && found);
    free(path);
    return entry;
}

static uint64_t opened_of(struct home *home, const char *name)
{
    struct doc_index *index = open_index(home);
    struct doc_entry entry = entry_of(home, index, name);
    uint64_t opened_s = entry.opened_s;
    doc_entry_release(&entry);
    doc_index_close(index);
    return opened_s;
}

/* As if the index had last heard of it so long ago. */
static void age(struct home *home, const char *name, uint64_t seconds)
{
    struct error err = {0};
    struct doc_index *index = open_index(home);
    struct doc_entry entry = entry_of(home, index, name);
    assert_true(doc_index_touch(index, &entry.doc, entry.opened_s - seconds, &err));
    doc_entry_release(&entry);
    doc_index_close(index);
}

static size_t run(struct home *home, uint64_t days_later, uint64_t bytes_max)
{
    struct error err = {0};
    struct retention_place place = {0};
    struct retention retention = {.now_s = (uint64_t)time(NULL) + days_later * DAY_S,
                                  .seconds_max = (uint64_t)RETENTION_DAYS * DAY_S, .bytes_max = bytes_max,
                                  .documents_max = RETENTION_DOCUMENTS_A_RUN};
    size_t forgotten = 0;
    if (!retention_run(&home->env, &retention, &place, &forgotten, &err))
        fail_msg("%s", err.text);
    return forgotten;
}

static bool is_kept(const char *journal)
{
    return access(journal, F_OK) == 0;
}

static void nothing_kept_is_nothing_to_do(void **state)
{
    struct home *home = *state;
    assert_int_equal(run(home, 1000, 0), 0);
    assert_int_not_equal(access(home->state, F_OK), 0);
}

static void what_is_in_its_file_goes_after_thirty_days(void **state)
{
    struct home *home = *state;
    char *journal = make(home, "saved.md", "text", true);
    assert_int_equal(run(home, 29, UINT64_MAX), 0);
    assert_true(is_kept(journal));
    assert_int_equal(run(home, 31, UINT64_MAX), 1);
    assert_false(is_kept(journal));
    struct replica *again = home_open(home, "saved.md");
    assert_int_equal(rope_len(replica_buffer(again)->text), strlen("text"));
    home_close(again);
    free(journal);
}

static void what_is_in_no_file_stays_for_ever(void **state)
{
    struct home *home = *state;
    char *unsaved = make(home, "unsaved.md", "typed and left", false), *gone = make(home, "gone.md", "saved", true);
    char *file = scratch_file(home->dir, "gone.md");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(run(home, 10000, 0), 0);
    assert_true(is_kept(unsaved));
    assert_true(is_kept(gone));
    struct replica *again = home_open(home, "unsaved.md");
    assert_int_equal(rope_len(replica_buffer(again)->text), strlen("typed and left"));
    home_close(again);
    free(file);
    free(unsaved);
    free(gone);
}

static void a_shared_document_stays_until_it_is_unshared(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    struct replica *replica = home_open(home, "shared.md");
    home_insert(replica, "text");
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err)); /* nobody listens there: shared all the same */
    home_save(replica, NULL);
    home_close(replica);
    run(home, 31, UINT64_MAX); /* what was there before sharing may go */
    replica = home_open(home, "shared.md");
    assert_true(replica_is_shared(replica));
    assert_true(replica_unshare(replica, false, &err));
    home_close(replica);
    assert_int_equal(run(home, 31, UINT64_MAX), 1);
    replica = home_open(home, "shared.md");
    assert_false(replica_is_shared(replica));
    home_close(replica);
}

static void a_document_that_is_open_is_left_alone(void **state)
{
    struct home *home = *state;
    char *journal = make(home, "open.md", "text", true);
    struct replica *replica = home_open(home, "open.md");
    assert_int_equal(run(home, 31, UINT64_MAX), 0);
    assert_true(is_kept(journal));
    home_insert(replica, "more ");
    home_close(replica);
    replica = home_open(home, "open.md");
    assert_int_equal(rope_len(replica_buffer(replica)->text), strlen("more text"));
    home_close(replica);
    free(journal);
}

static void beyond_the_bytes_the_longest_unused_goes_first(void **state)
{
    struct home *home = *state;
    char *older = make(home, "older.md", "text", true), *newer = make(home, "newer.md", "text", true);
    uint64_t both = journal_file_bytes(older) + journal_file_bytes(newer);
    assert_int_equal(run(home, 0, both), 0);
    assert_int_equal(run(home, 0, both - 1), 1);
    assert_int_equal(is_kept(older) + is_kept(newer), 1);
    free(older);
    free(newer);
}

static void opening_tells_the_index(void **state)
{
    struct home *home = *state;
    free(make(home, "daily.md", "text", true));
    age(home, "daily.md", 31 * DAY_S);
    assert_true(opened_of(home, "daily.md") + DAY_S < (uint64_t)time(NULL));
    struct replica *replica = home_open(home, "daily.md");
    replica_note_opened(replica);
    home_close(replica);
    assert_true(opened_of(home, "daily.md") + DAY_S > (uint64_t)time(NULL));
}

/* It is used until it is closed; `weft cat` and the like do not count. */
static void closing_tells_the_index_too(void **state)
{
    struct home *home = *state;
    free(make(home, "daily.md", "text", true));
    struct replica *replica = home_open(home, "daily.md");
    replica_note_opened(replica);
    worker_drain(replica->worker);
    age(home, "daily.md", 31 * DAY_S);
    replica->entry.opened_s -= 31 * DAY_S;
    home_close(replica);
    assert_true(opened_of(home, "daily.md") + DAY_S > (uint64_t)time(NULL));
    age(home, "daily.md", 31 * DAY_S);
    home_close(home_open(home, "daily.md"));
    assert_true(opened_of(home, "daily.md") + DAY_S < (uint64_t)time(NULL));
}

static void what_was_written_to_lately_stays_whatever_the_index_says(void **state)
{
    struct home *home = *state;
    char *journal = make(home, "daily.md", "text", true);
    age(home, "daily.md", 31 * DAY_S);
    assert_int_equal(run(home, 0, UINT64_MAX), 0);
    assert_true(is_kept(journal));
    assert_true(opened_of(home, "daily.md") + DAY_S > (uint64_t)time(NULL)); /* put right */
    assert_int_equal(run(home, 31, UINT64_MAX), 1);
    free(journal);
}

/* Deleted, and begun anew with nothing: what it was is in no file any more. */
static void what_an_empty_file_took_the_place_of_stays(void **state)
{
    struct home *home = *state;
    struct error err = {0};
    char *journal = make(home, "gone.md", "the only copy", true), *file = scratch_file(home->dir, "gone.md");
    assert_int_equal(unlink(file), 0);
    struct replica *replica = home_open(home, "gone.md");
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_GONE);
    assert_true(replica_disk_answer(replica, DISK_NEW_EMPTY, &err));
    home_insert(replica, "new");
    home_save(replica, NULL);
    home_close(replica);
    assert_int_equal(run(home, 31, UINT64_MAX), 1); /* the new one */
    assert_true(is_kept(journal));
    free(file);
    free(journal);
}

static void many_that_stay_do_not_keep_the_others(void **state)
{
    struct home *home = *state;
    uint64_t later_s = (uint64_t)time(NULL) + 31 * DAY_S;
    for (int i = 0; i < RETENTION_DOCUMENTS_A_RUN; i++) {
        char name[32];
        snprintf(name, sizeof name, "unsaved%d.md", i);
        free(make(home, name, "typed and left", false));
        age(home, name, DAY_S);
    }
    char *journal = make(home, "saved.md", "text", true);
    retention_at_exit(&home->env, later_s);
    assert_true(is_kept(journal)); /* not looked at yet */
    retention_at_exit(&home->env, later_s);
    assert_false(is_kept(journal));
    struct replica *unsaved = home_open(home, "unsaved0.md");
    assert_int_equal(rope_len(replica_buffer(unsaved)->text), strlen("typed and left"));
    home_close(unsaved);
    free(journal);
}

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_kept_is_nothing_to_do, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(what_is_in_its_file_goes_after_thirty_days, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(what_is_in_no_file_stays_for_ever, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(a_shared_document_stays_until_it_is_unshared, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(a_document_that_is_open_is_left_alone, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(beyond_the_bytes_the_longest_unused_goes_first, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(opening_tells_the_index, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(closing_tells_the_index_too, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(what_was_written_to_lately_stays_whatever_the_index_says, home_setup,
                                        home_teardown),
        cmocka_unit_test_setup_teardown(what_an_empty_file_took_the_place_of_stays, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(many_that_stay_do_not_keep_the_others, home_setup, home_teardown),
    };
    return RUN_TESTS("retention", tests);
}
