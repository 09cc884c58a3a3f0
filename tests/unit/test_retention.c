/* How long journals are kept, with clocks and limits handed in. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/replica.h"
#include "app/retention.h"
#include "editor/base/xalloc.h"
#include "tests/support/scratch.h"

enum { DAY_S = 24 * 3600 };

static struct env env;

static int setup(void **state)
{
    struct error err = {0};
    int rc = scratch_setup(state);
    setenv("XDG_STATE_HOME", *state, 1);
    setenv("XDG_CONFIG_HOME", *state, 1);
    setenv("XDG_RUNTIME_DIR", *state, 1);
    return rc != 0 || !env_init(&env, "weft", &err);
}

static int teardown(void **state)
{
    env_release(&env);
    return scratch_teardown(state);
}

static struct replica *open_file(void **state, const char *name)
{
    struct error err = {0};
    char *path = scratch_file(*state, name);
    struct replica *replica =
        replica_open(&env, path, (struct bytes){0}, &(struct replica_options){.name = "ada"}, &err);
    if (!replica)
        fail_msg("%s", err.text);
    free(path);
    return replica;
}

static void type(struct replica *replica, const char *text)
{
    struct patch patch = {0};
    struct error err = {0};
    patch_insert(&patch, bytes_of_string(text));
    assert_true(replica_edit(replica, &patch, selection_at(0), EDIT_WHOLE, &err));
    patch_release(&patch);
}

static void save(struct replica *replica)
{
    struct error err = {0};
    if (!replica_save_now(replica, NULL, &err))
        fail_msg("%s", err.text);
}

static void close_one(struct replica *replica)
{
    struct error err = {0};
    if (!replica_close(replica, 0, NULL, &err))
        fail_msg("%s", err.text);
}

/* The document of a file that was edited, saved or not, and left. Where its journal is: heap string. */
static char *make(void **state, const char *name, const char *text, bool saved)
{
    struct replica *replica = open_file(state, name);
    type(replica, text);
    if (saved)
        save(replica);
    char *dir = paths_state_file(&env.paths, "docs");
    char *journal = journal_path(dir, &replica_entry(replica)->doc);
    free(dir);
    close_one(replica);
    assert_int_equal(access(journal, F_OK), 0);
    return journal;
}

static struct doc_index *open_index(void)
{
    struct error err = {0};
    char *path = paths_state_file(&env.paths, "index.db");
    assert_true(env_device(&env, &err));
    struct doc_index *index = doc_index_open(path, DOC_INDEX_CREATE, &env.device, &err);
    if (!index)
        fail_msg("%s", err.text);
    free(path);
    return index;
}

static uint64_t opened_of(void **state, const char *name)
{
    struct error err = {0};
    struct doc_index *index = open_index();
    struct doc_entry entry = {0};
    bool found;
    char *path = scratch_file(*state, name);
    assert_true(doc_index_find_path(index, path, &entry, &found, &err) && found);
    uint64_t opened_s = entry.opened_s;
    doc_entry_release(&entry);
    doc_index_close(index);
    free(path);
    return opened_s;
}

/* As if the index had last heard of it so long ago. */
static void age(void **state, const char *name, uint64_t seconds)
{
    struct error err = {0};
    struct doc_index *index = open_index();
    struct doc_entry entry = {0};
    bool found;
    char *path = scratch_file(*state, name);
    assert_true(doc_index_find_path(index, path, &entry, &found, &err) && found);
    assert_true(doc_index_touch(index, &entry.doc, entry.opened_s - seconds, &err));
    doc_entry_release(&entry);
    doc_index_close(index);
    free(path);
}

static size_t run(uint64_t days_later, uint64_t bytes_max)
{
    struct error err = {0};
    struct retention_place place = {0};
    struct retention retention = {.now_s = (uint64_t)time(NULL) + days_later * DAY_S,
                                  .seconds_max = (uint64_t)RETENTION_DAYS * DAY_S, .bytes_max = bytes_max,
                                  .documents_max = RETENTION_DOCUMENTS_A_RUN};
    size_t forgotten = 0;
    if (!retention_run(&env, &retention, &place, &forgotten, &err))
        fail_msg("%s", err.text);
    return forgotten;
}

static bool is_kept(const char *journal)
{
    return access(journal, F_OK) == 0;
}

static void nothing_kept_is_nothing_to_do(void **state)
{
    assert_int_equal(run(1000, 0), 0);
    char *index = scratch_file(*state, "weft");
    assert_int_not_equal(access(index, F_OK), 0);
    free(index);
}

static void what_is_in_its_file_goes_after_thirty_days(void **state)
{
    char *journal = make(state, "saved.md", "text", true);
    assert_int_equal(run(29, UINT64_MAX), 0);
    assert_true(is_kept(journal));
    assert_int_equal(run(31, UINT64_MAX), 1);
    assert_false(is_kept(journal));
    struct replica *again = open_file(state, "saved.md");
    assert_int_equal(rope_len(replica_buffer(again)->text), strlen("text"));
    close_one(again);
    free(journal);
}

static void what_is_in_no_file_stays_for_ever(void **state)
{
    char *unsaved = make(state, "unsaved.md", "typed and left", false), *gone = make(state, "gone.md", "saved", true);
    char *file = scratch_file(*state, "gone.md");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(run(10000, 0), 0);
    assert_true(is_kept(unsaved));
    assert_true(is_kept(gone));
    struct replica *again = open_file(state, "unsaved.md");
    assert_int_equal(rope_len(replica_buffer(again)->text), strlen("typed and left"));
    close_one(again);
    free(file);
    free(unsaved);
    free(gone);
}

static void a_shared_document_stays_until_it_is_unshared(void **state)
{
    struct error err = {0};
    struct replica *replica = open_file(state, "shared.md");
    type(replica, "text");
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err)); /* nobody listens there: shared all the same */
    save(replica);
    close_one(replica);
    run(31, UINT64_MAX); /* what was there before sharing may go */
    replica = open_file(state, "shared.md");
    assert_true(replica_is_shared(replica));
    assert_true(replica_unshare(replica, false, &err));
    close_one(replica);
    assert_int_equal(run(31, UINT64_MAX), 1);
    replica = open_file(state, "shared.md");
    assert_false(replica_is_shared(replica));
    close_one(replica);
}

static void a_document_that_is_open_is_left_alone(void **state)
{
    char *journal = make(state, "open.md", "text", true);
    struct replica *replica = open_file(state, "open.md");
    assert_int_equal(run(31, UINT64_MAX), 0);
    assert_true(is_kept(journal));
    type(replica, "more ");
    close_one(replica);
    replica = open_file(state, "open.md");
    assert_int_equal(rope_len(replica_buffer(replica)->text), strlen("more text"));
    close_one(replica);
    free(journal);
}

static void beyond_the_bytes_the_longest_unused_goes_first(void **state)
{
    char *older = make(state, "older.md", "text", true), *newer = make(state, "newer.md", "text", true);
    uint64_t both = journal_file_bytes(older) + journal_file_bytes(newer);
    assert_int_equal(run(0, both), 0);
    assert_int_equal(run(0, both - 1), 1);
    assert_int_equal(is_kept(older) + is_kept(newer), 1);
    free(older);
    free(newer);
}

static void opening_tells_the_index(void **state)
{
    free(make(state, "daily.md", "text", true));
    age(state, "daily.md", 31 * DAY_S);
    assert_true(opened_of(state, "daily.md") + DAY_S < (uint64_t)time(NULL));
    struct replica *replica = open_file(state, "daily.md");
    replica_note_opened(replica);
    close_one(replica);
    assert_true(opened_of(state, "daily.md") + DAY_S > (uint64_t)time(NULL));
}

static void what_was_written_to_lately_stays_whatever_the_index_says(void **state)
{
    char *journal = make(state, "daily.md", "text", true);
    age(state, "daily.md", 31 * DAY_S);
    assert_int_equal(run(0, UINT64_MAX), 0);
    assert_true(is_kept(journal));
    assert_true(opened_of(state, "daily.md") + DAY_S > (uint64_t)time(NULL)); /* put right */
    assert_int_equal(run(31, UINT64_MAX), 1);
    free(journal);
}

/* Deleted, and begun anew with nothing: what it was is in no file any more. */
static void what_an_empty_file_took_the_place_of_stays(void **state)
{
    struct error err = {0};
    char *journal = make(state, "gone.md", "the only copy", true), *file = scratch_file(*state, "gone.md");
    assert_int_equal(unlink(file), 0);
    struct replica *replica = open_file(state, "gone.md");
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_GONE);
    assert_true(replica_disk_answer(replica, DISK_NEW_EMPTY, &err));
    type(replica, "new");
    save(replica);
    close_one(replica);
    assert_int_equal(run(31, UINT64_MAX), 1); /* the new one */
    assert_true(is_kept(journal));
    free(file);
    free(journal);
}

static void many_that_stay_do_not_keep_the_others(void **state)
{
    uint64_t later_s = (uint64_t)time(NULL) + 31 * DAY_S;
    for (int i = 0; i < RETENTION_DOCUMENTS_A_RUN; i++) {
        char name[32];
        snprintf(name, sizeof name, "unsaved%d.md", i);
        free(make(state, name, "typed and left", false));
        age(state, name, DAY_S);
    }
    char *journal = make(state, "saved.md", "text", true);
    retention_at_exit(&env, later_s);
    assert_true(is_kept(journal)); /* not looked at yet */
    retention_at_exit(&env, later_s);
    assert_false(is_kept(journal));
    struct replica *unsaved = open_file(state, "unsaved0.md");
    assert_int_equal(rope_len(replica_buffer(unsaved)->text), strlen("typed and left"));
    close_one(unsaved);
    free(journal);
}

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_kept_is_nothing_to_do, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_in_its_file_goes_after_thirty_days, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_in_no_file_stays_for_ever, setup, teardown),
        cmocka_unit_test_setup_teardown(a_shared_document_stays_until_it_is_unshared, setup, teardown),
        cmocka_unit_test_setup_teardown(a_document_that_is_open_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(beyond_the_bytes_the_longest_unused_goes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(opening_tells_the_index, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_written_to_lately_stays_whatever_the_index_says, setup, teardown),
        cmocka_unit_test_setup_teardown(what_an_empty_file_took_the_place_of_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(many_that_stay_do_not_keep_the_others, setup, teardown),
    };
    return RUN_TESTS("retention", tests);
}
