/* Which document a file shows when it is opened again: every row of the table in app/replica_known.c. */
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/file_system.h"
#include "app/replica.h"
#include "editor/base/xalloc.h"
#include "tests/support/home.h"
#include "tests/support/scratch.h"

#define TEXT "one\ntwo\nthree\nfour\n"
#define ALIKE "one\ntwo\nTHREE\nfour\n"
#define DIFFERENT "all\nof\nthis\nis\nnew\n"

enum { STEP_MS = 10, PATIENCE_MS = 30000 };

/* --- a person's machine --- */

struct machine {
    struct home *home;
    bool shares; /* what is opened next */
};

static int setup(void **state)
{
    struct machine *machine = xcalloc(1, sizeof *machine);
    *state = machine;
    return home_setup((void **)&machine->home);
}

static int teardown(void **state)
{
    struct machine *machine = *state;
    int rc = home_teardown((void **)&machine->home);
    free(machine);
    return rc;
}

static bool was_said(struct machine *machine, const char *text)
{
    return home_was_said(machine->home, text);
}

static void expect_said(struct machine *machine, const char *text)
{
    if (!was_said(machine, text))
        fail_msg("not said: %s\nsaid: %s", text, buf_string(&machine->home->said));
}

/* --- files --- */

static void put(struct machine *machine, const char *name, const char *text)
{
    char *path = scratch_file(machine->home->dir, name);
    scratch_write(path, text);
    free(path);
}

typedef int path_call(const char *from, const char *to);

static void with_paths(struct machine *machine, path_call *call, const char *from, const char *to)
{
    char *a = scratch_file(machine->home->dir, from), *b = scratch_file(machine->home->dir, to);
    assert_int_equal(call(a, b), 0);
    free(a);
    free(b);
}

/* Another file, with another inode for certain, takes the name. */
static void replace(struct machine *machine, const char *name, const char *text)
{
    put(machine, "another", text);
    with_paths(machine, rename, "another", name);
}

static void remove_it(struct machine *machine, const char *name)
{
    char *path = scratch_file(machine->home->dir, name);
    assert_int_equal(unlink(path), 0);
    free(path);
}

static void make_dir(struct machine *machine, const char *name)
{
    char *path = scratch_file(machine->home->dir, name);
    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
}

/* --- replicas --- */

static struct replica *open_with(struct machine *machine, const char *name, bool reads_only)
{
    struct error err = {0};
    /* Alone, nobody's words are waited for that may be on their way; but so nothing is shared. */
    struct replica_options options = {
        .port = home_port(machine->home), .name = "ada", .alone = !machine->shares, .reads_only = reads_only};
    char *path = scratch_file(machine->home->dir, name);
    struct replica *replica = replica_open(&machine->home->env, path, (struct bytes){0}, &options, &err);
    if (!replica)
        fail_msg("%s", err.text);
    free(path);
    return replica;
}

static struct replica *open_it(struct machine *machine, const char *name)
{
    buf_clear(&machine->home->said);
    return open_with(machine, name, false);
}

static void expect_text(struct replica *replica, const char *expected)
{
    struct buf text = {0};
    for (uint64_t until_ms = net_now_ms() + PATIENCE_MS;;) {
        const struct rope *rope = replica_buffer(replica)->text;
        buf_clear(&text);
        rope_append_to(rope, 0, rope_len(rope), &text);
        if (strcmp(buf_string(&text), expected) == 0 || net_now_ms() > until_ms)
            break;
        replica_wait(replica, STEP_MS);
    }
    assert_string_equal(buf_string(&text), expected);
    buf_release(&text);
}

/* Where exactly words stay whose lines were all replaced is the merge's business. */
static void expect_merged(struct replica *replica, const char *typed, const char *disk)
{
    struct buf text = {0};
    for (uint64_t until_ms = net_now_ms() + PATIENCE_MS; net_now_ms() < until_ms; replica_wait(replica, STEP_MS)) {
        const struct rope *rope = replica_buffer(replica)->text;
        buf_clear(&text);
        rope_append_to(rope, 0, rope_len(rope), &text);
        if (text.len == strlen(typed) + strlen(disk))
            break;
    }
    assert_int_equal(text.len, strlen(typed) + strlen(disk));
    assert_non_null(strstr(buf_string(&text), typed));
    buf_release(&text);
}

static bool text_is(struct replica *replica, const char *expected)
{
    struct buf text = {0};
    const struct rope *rope = replica_buffer(replica)->text;
    rope_append_to(rope, 0, rope_len(rope), &text);
    bool same = strcmp(buf_string(&text), expected) == 0;
    buf_release(&text);
    return same;
}

/* Both come to have one of these texts, without a relay. */
static void expect_together(struct replica *a, struct replica *b, const char *expected, const char *or)
{
    for (uint64_t until_ms = net_now_ms() + PATIENCE_MS; net_now_ms() < until_ms;) {
        if ((text_is(a, expected) && text_is(b, expected)) || (text_is(a, or) && text_is(b, or)))
            return;
        replica_wait(a, STEP_MS);
        replica_wait(b, STEP_MS);
    }
    struct buf texts = {0};
    struct replica *both[] = {a, b};
    for (size_t i = 0; i < 2; i++) {
        const struct rope *rope = replica_buffer(both[i])->text;
        rope_append_to(rope, 0, rope_len(rope), &texts);
        buf_add_string(&texts, "|");
    }
    fail_msg("neither \"%s\" nor \"%s\" in both: \"%s\"", expected, or, buf_string(&texts));
}

static void wait_for_question(struct replica *replica)
{
    for (uint64_t until_ms = net_now_ms() + PATIENCE_MS; replica_disk_question(replica, NULL) == DISK_QUESTION_NONE;) {
        assert_true(net_now_ms() < until_ms);
        replica_wait(replica, STEP_MS);
    }
}

static struct doc_id doc_of(struct replica *replica)
{
    return replica_entry(replica)->doc;
}

static void expect_doc(struct replica *replica, const struct doc_id *doc)
{
    struct doc_id now = doc_of(replica);
    assert_memory_equal(now.bytes, doc->bytes, sizeof now.bytes);
}

static void expect_another_doc(struct replica *replica, const struct doc_id *doc)
{
    struct doc_id now = doc_of(replica);
    assert_memory_not_equal(now.bytes, doc->bytes, sizeof now.bytes);
}

/* What weft left behind of "notes": the file has TEXT, saved from here. */
enum left { LEFT_SAVED, LEFT_UNSAVED /* and "mine: " was typed */, LEFT_SHARED /* and the text is shared */ };

static struct doc_id leave(struct machine *machine, const char *name, enum left left)
{
    struct error err = {0};
    put(machine, name, "two\nthree\nfour\n");
    machine->shares = left == LEFT_SHARED;
    struct replica *replica = open_it(machine, name);
    machine->shares = false;
    home_insert(replica, "one\n");
    home_save(replica, NULL);
    if (left == LEFT_UNSAVED)
        home_insert(replica, "mine: ");
    if (left == LEFT_SHARED)
        assert_true(replica_share(replica, "ws://127.0.0.1:9", &err)); /* nobody listens there: shared all the same */
    struct doc_id doc = doc_of(replica);
    home_close(replica);
    return doc;
}

/* --- the path is known --- */

static void a_known_path_as_it_was_left_shows_its_document(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    struct replica *replica = open_it(machine, "notes");
    expect_doc(replica, &doc);
    expect_text(replica, "mine: " TEXT);
    home_close(replica);
}

static void another_file_with_the_bytes_that_were_saved_shows_the_document(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_SAVED);
    replace(machine, "notes", TEXT);
    struct replica *replica = open_it(machine, "notes");
    expect_doc(replica, &doc);
    assert_int_equal(replica_undo(replica, UNDO_BACK, &(struct error){0}), REPLICA_UNDONE); /* its history is there */
    home_close(replica);
    with_paths(machine, rename, "notes", "plan"); /* and its number is known from now on */
    replica = open_it(machine, "plan");
    expect_doc(replica, &doc);
    home_close(replica);
}

static void wait_until_the_file_is_known(struct replica *replica)
{
    for (uint64_t until_ms = net_now_ms() + PATIENCE_MS; replica_looks_at_file(replica);) {
        assert_true(net_now_ms() < until_ms);
        replica_wait(replica, STEP_MS);
    }
}

/* Written by another replica of the document: a guest's, for one. */
static void a_file_with_a_later_version_is_known_by_it(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_SHARED);
    struct replica *replica = open_it(machine, "notes");
    home_insert(replica, "zero\n");
    home_insert(replica, "mine: ");
    home_close(replica);
    replace(machine, "notes", "zero\n" TEXT);
    replica = open_it(machine, "notes");
    wait_until_the_file_is_known(replica);
    expect_doc(replica, &doc);
    expect_text(replica, "mine: zero\n" TEXT);
    assert_false(was_said(machine, "merged"));
    home_close(replica);
}

/* git checkout of an older state: what was saved since is taken out again, as by any other program. */
static void a_file_with_an_older_version_is_a_change(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_SHARED);
    struct replica *replica = open_it(machine, "notes");
    home_insert(replica, "zero\n");
    home_save(replica, NULL);
    home_insert(replica, "mine: ");
    home_close(replica);
    replace(machine, "notes", TEXT);
    replica = open_it(machine, "notes");
    wait_until_the_file_is_known(replica);
    expect_doc(replica, &doc);
    expect_text(replica, "mine: " TEXT);
    expect_said(machine, "Another program changed notes: +0 -1 lines merged.");
    home_close(replica);
}

static void a_like_file_is_merged_into_what_was_not_saved(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    replace(machine, "notes", ALIKE);
    struct replica *replica = open_it(machine, "notes");
    expect_doc(replica, &doc);
    expect_text(replica, "mine: " ALIKE);
    home_close(replica);
}

static void a_like_file_is_merged_into_a_shared_text(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_SHARED);
    replace(machine, "notes", ALIKE);
    struct replica *replica = open_it(machine, "notes");
    expect_doc(replica, &doc);
    expect_text(replica, ALIKE);
    home_close(replica);
}

static void a_like_file_begins_anew_where_nothing_was_unsaved(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_SAVED);
    replace(machine, "notes", ALIKE);
    struct replica *replica = open_it(machine, "notes");
    expect_another_doc(replica, &doc);
    expect_text(replica, ALIKE);
    home_close(replica);
}

static void a_shared_text_asks_about_a_file_that_is_different(void **state)
{
    struct machine *machine = *state;
    for (int same_inode = 0; same_inode < 2; same_inode++) {
        const char *name = same_inode ? "kept" : "replaced";
        struct doc_id doc = leave(machine, name, LEFT_SHARED);
        (same_inode ? put : replace)(machine, name, DIFFERENT);
        struct replica *replica = open_it(machine, name);
        wait_for_question(replica);
        expect_doc(replica, &doc);
        expect_text(replica, TEXT);
        home_close(replica);
    }
}

static void the_same_file_rewritten_is_merged_into_what_was_not_saved(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    put(machine, "notes", DIFFERENT);
    struct replica *replica = open_it(machine, "notes");
    expect_doc(replica, &doc);
    expect_merged(replica, "mine: ", DIFFERENT);
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_NONE);
    home_close(replica);
}

static void skip_unless_births_are_told(struct machine *machine)
{
    if (!file_system_birth_s(machine->home->dir))
        skip();
}

/* The index says that weft saw a file with the number that `name` has now at notes: so many seconds ago. */
static void claim_number(struct machine *machine, const struct doc_id *doc, const char *name, uint64_t ago_s)
{
    struct error err = {0};
    struct stat st;
    char *index_path = xformat("%s/index.db", machine->home->state), *notes = scratch_file(machine->home->dir, "notes");
    char *path = scratch_file(machine->home->dir, name);
    struct doc_index *index = doc_index_open(index_path, DOC_INDEX_CREATE, &machine->home->env.device, &err);
    assert_int_equal(stat(path, &st), 0);
    assert_true(doc_index_note_file(index, doc, notes, st.st_dev, st.st_ino, NULL, (uint64_t)time(NULL) - ago_s, &err));
    doc_index_close(index);
    free(index_path);
    free(notes);
    free(path);
}

/* rm, and a new file that happens to get the number of the old one. */
static void a_younger_file_with_the_same_number_is_asked_about(void **state)
{
    struct machine *machine = *state;
    skip_unless_births_are_told(machine);
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    put(machine, "notes", DIFFERENT);
    claim_number(machine, &doc, "notes", 10);
    struct replica *replica = open_it(machine, "notes");
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_DIFFERENT);
    expect_text(replica, "mine: " TEXT);
    home_close(replica);
}

static struct replica *open_replaced(struct machine *machine, struct doc_id *doc)
{
    struct buf question = {0};
    *doc = leave(machine, "notes", LEFT_UNSAVED);
    replace(machine, "notes", DIFFERENT);
    struct replica *replica = open_it(machine, "notes");
    assert_int_equal(replica_disk_question(replica, &question), DISK_QUESTION_DIFFERENT);
    assert_string_equal(buf_string(&question), "notes is another file now (0 % in common); 1 edit is kept of the one before");
    buf_clear(&question);
    replica_disk_answers(replica, &question);
    assert_string_equal(buf_string(&question), "[K]eep that text [M]erge [O]pen the file");
    expect_text(replica, "mine: " TEXT);
    buf_release(&question);
    return replica;
}

static void another_file_in_the_place_of_unsaved_edits_is_asked_about(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    struct doc_id doc;
    struct replica *replica = open_replaced(machine, &doc);
    expect_doc(replica, &doc);
    assert_true(replica_disk_answer(replica, DISK_MERGE, &err));
    expect_merged(replica, "mine: ", DIFFERENT);
    home_close(replica);
}

static void another_file_is_opened_and_the_unsaved_edits_stay_where_they_were(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    struct doc_id doc;
    struct replica *replica = open_replaced(machine, &doc);
    assert_true(replica_disk_answer(replica, DISK_OPEN_ALONE, &err));
    expect_text(replica, DIFFERENT);
    expect_another_doc(replica, &doc);
    home_close(replica);
    struct replica_options options = {.port = home_port(machine->home), .name = "ada"};
    replica = replica_open_known(&machine->home->env, &doc, NULL, &options, &err);
    assert_non_null(replica);
    expect_text(replica, "mine: " TEXT);
    home_close(replica);
}

static void another_file_begins_anew_where_nothing_was_unsaved(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_SAVED);
    replace(machine, "notes", DIFFERENT);
    struct replica *replica = open_it(machine, "notes");
    expect_another_doc(replica, &doc);
    expect_text(replica, DIFFERENT);
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_NONE);
    home_close(replica);
}

/* --- the path is open elsewhere: what is typed there must be found again --- */

static void expect_refused(bool done, const struct error *err, const char *text)
{
    assert_false(done);
    assert_int_equal(err->code, ERR_BUSY);
    assert_string_equal(err->text, text);
}

/* In one document, with one text. */
static bool are_one(struct replica *a, struct replica *b)
{
    return doc_id_equal(&replica_entry(a)->doc, &replica_entry(b)->doc) &&
           rope_equal(replica_buffer(a)->text, replica_buffer(b)->text);
}

static void what_is_open_elsewhere_goes_over_into_what_is_shared(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    machine->shares = true;
    struct replica *replica = open_it(machine, "notes"), *other = open_with(machine, "notes", false);
    assert_true(replica_share(other, "ws://127.0.0.1:9", &err)); /* nobody listens there: shared all the same */
    expect_another_doc(other, &doc);
    home_insert(replica, "after ");
    expect_together(replica, other, "after mine: " TEXT, "after mine: " TEXT);
    home_wait(replica, other, are_one);
    assert_true(replica_is_shared(replica));
    home_close(replica);
    home_close(other);
}

static void what_was_unshared_and_is_open_elsewhere_is_shared_anew(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    struct doc_id doc = leave(machine, "notes", LEFT_SHARED);
    machine->shares = true;
    struct replica *replica = open_it(machine, "notes"), *other = open_with(machine, "notes", false);
    assert_true(replica_share(replica, NULL, &err)); /* shared already: no other document */
    expect_doc(replica, &doc);
    assert_true(replica_unshare(replica, false, &err));
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err));
    expect_another_doc(replica, &doc);
    home_wait(replica, other, are_one);
    home_close(other);
    home_close(replica);
}

static void what_is_open_under_another_name_of_the_file_goes_over_too(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    leave(machine, "notes", LEFT_UNSAVED);
    with_paths(machine, link, "notes", "plan");
    machine->shares = true;
    struct replica *replica = open_it(machine, "notes"), *other = open_with(machine, "plan", false);
    assert_true(replica_share(replica, "ws://127.0.0.1:9", &err));
    home_insert(other, "other ");
    home_wait(replica, other, are_one);
    expect_text(replica, "other mine: " TEXT);
    home_close(other);
    home_close(replica);
    other = open_it(machine, "plan");
    replica = open_with(machine, "notes", false);
    expect_text(other, "other mine: " TEXT);
    assert_true(are_one(other, replica));
    assert_int_equal(replica_disk_question(other, NULL), DISK_QUESTION_NONE);
    home_close(other);
    home_close(replica);
}

static void another_file_does_not_begin_anew_while_the_one_before_is_open_elsewhere(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_SAVED);
    struct replica *replica = open_it(machine, "notes"); /* and nothing is typed: nothing is written */
    replace(machine, "notes", DIFFERENT);
    struct replica *other = open_with(machine, "notes", false);
    expect_doc(other, &doc);
    expect_together(replica, other, DIFFERENT, DIFFERENT);
    home_insert(replica, "mine: ");
    expect_together(replica, other, "mine: " DIFFERENT, "mine: " DIFFERENT);
    home_close(replica);
    home_close(other);
}

static void another_file_is_not_opened_alone_while_the_one_before_is_open_elsewhere(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    struct doc_id doc;
    struct replica *replica = open_replaced(machine, &doc), *other = open_with(machine, "notes", false);
    expect_refused(replica_disk_answer(replica, DISK_OPEN_ALONE, &err), &err, "notes is open in another window of yours: "
                   "close it there first.");
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_DIFFERENT);
    expect_doc(replica, &doc);
    home_close(other);
    assert_true(replica_disk_answer(replica, DISK_OPEN_ALONE, &err));
    expect_another_doc(replica, &doc);
    expect_text(replica, DIFFERENT);
    home_close(replica);
}

static void a_file_that_is_gone_does_not_begin_anew_while_it_is_open_elsewhere(void **state)
{
    struct machine *machine = *state;
    struct error err = {0};
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    struct replica *other = open_it(machine, "notes");
    remove_it(machine, "notes");
    struct replica *replica = open_with(machine, "notes", false);
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_GONE);
    expect_refused(replica_disk_answer(replica, DISK_NEW_EMPTY, &err), &err, "notes is open in another window of yours: "
                   "close it there first.");
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_NONE);
    expect_doc(replica, &doc);
    expect_text(replica, "mine: " TEXT);
    home_close(other);
    home_close(replica);
}

static void a_file_that_is_gone_is_asked_about(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    remove_it(machine, "notes");
    struct replica *replica = open_it(machine, "notes");
    expect_doc(replica, &doc);
    assert_int_equal(replica_disk_question(replica, NULL), DISK_QUESTION_GONE);
    home_close(replica);
}

/* --- only the inode is known --- */

static void expect_renamed(struct machine *machine, const char *now, const struct doc_id *doc, const char *text)
{
    struct replica *replica = open_with(machine, now, true);
    expect_doc(replica, doc); /* for who only reads, too */
    expect_text(replica, text);
    home_close(replica);
    replica = open_it(machine, now);
    expect_doc(replica, doc);
    expect_text(replica, text);
    home_close(replica);
    buf_clear(&machine->home->said);
    replica = open_it(machine, now); /* told once */
    expect_doc(replica, doc);
    expect_text(replica, text);
    assert_false(was_said(machine, "history came along"));
    home_close(replica);
}

static void a_renamed_file_comes_with_its_history(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    with_paths(machine, rename, "notes", "plan");
    struct replica *replica = open_it(machine, "plan");
    expect_doc(replica, &doc);
    expect_said(machine, "plan was notes before: its history came along. Restored 1 edit of ");
    expect_text(replica, "mine: " TEXT);
    home_save(replica, NULL);
    home_close(replica);
    expect_renamed(machine, "plan", &doc, "mine: " TEXT);
    put(machine, "notes", TEXT);
    replica = open_it(machine, "notes"); /* the old name is free */
    expect_another_doc(replica, &doc);
    expect_text(replica, TEXT);
    home_close(replica);
}

/* Every save makes a new inode: the index has to hear of it. */
static void a_file_renamed_after_several_saves_comes_with_its_history(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_SAVED);
    for (int i = 0; i < 3; i++) {
        struct replica *replica = open_it(machine, "notes");
        home_insert(replica, "x");
        home_save(replica, NULL);
        home_insert(replica, "y");
        home_save(replica, NULL);
        home_close(replica);
    }
    with_paths(machine, rename, "notes", "plan");
    expect_renamed(machine, "plan", &doc, "yxyxyx" TEXT);
}

static void a_file_renamed_after_a_merge_comes_with_its_history(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    replace(machine, "notes", ALIKE);
    struct replica *replica = open_it(machine, "notes");
    expect_text(replica, "mine: " ALIKE);
    home_close(replica);
    with_paths(machine, rename, "notes", "plan");
    expect_renamed(machine, "plan", &doc, "mine: " ALIKE);
}

static void a_renamed_directory_brings_its_files_histories(void **state)
{
    struct machine *machine = *state;
    make_dir(machine, "old");
    struct doc_id doc = leave(machine, "old/notes", LEFT_UNSAVED);
    with_paths(machine, rename, "old", "new");
    struct replica *replica = open_it(machine, "new/notes");
    expect_doc(replica, &doc);
    expect_said(machine, "/old/notes before: its history came along.");
    expect_text(replica, "mine: " TEXT);
    home_close(replica);
}

static void a_renamed_file_that_is_alike_comes_with_its_history(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    with_paths(machine, rename, "notes", "plan");
    put(machine, "plan", ALIKE); /* in place: the same inode */
    struct replica *replica = open_it(machine, "plan");
    expect_doc(replica, &doc);
    expect_text(replica, "mine: " ALIKE);
    home_save(replica, NULL);
    home_close(replica);
    expect_renamed(machine, "plan", &doc, "mine: " ALIKE);
}

/* The clock of time(), which may be behind that of the file system. */
static bool clock_lags;
time_t __real_time(time_t *out);
time_t __wrap_time(time_t *out);
time_t __wrap_time(time_t *out)
{
    time_t now = __real_time(NULL) - (clock_lags ? 1 : 0);
    if (out)
        *out = now;
    return now;
}

static void a_file_made_since_the_last_tick_of_the_clock_is_known_when_renamed(void **state)
{
    struct machine *machine = *state;
    clock_lags = true;
    struct doc_id doc = leave(machine, "notes", LEFT_SAVED);
    clock_lags = false;
    with_paths(machine, rename, "notes", "plan");
    struct replica *replica = open_it(machine, "plan");
    expect_doc(replica, &doc);
    home_close(replica);
}

static void a_renamed_shared_file_is_still_shared(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_SHARED);
    with_paths(machine, rename, "notes", "plan");
    struct replica *replica = open_it(machine, "plan");
    expect_doc(replica, &doc);
    assert_true(replica_is_shared(replica));
    expect_said(machine, "plan was notes before: its history came along, and it is still shared.");
    home_close(replica);
}

/* File systems give the number of a file that is gone to the next one. */
static void the_number_of_a_file_that_is_gone_makes_no_history(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    with_paths(machine, rename, "notes", "plan");
    put(machine, "plan", DIFFERENT);
    struct replica *replica = open_with(machine, "plan", true);
    expect_another_doc(replica, &doc);
    expect_text(replica, DIFFERENT);
    home_close(replica);
    replica = open_it(machine, "plan");
    expect_another_doc(replica, &doc);
    expect_text(replica, DIFFERENT);
    home_close(replica);
}

/* ... although they are alike: what was shared under the number is not to be taken for it. */
static void the_number_of_a_file_that_was_made_before_the_new_one_makes_no_history(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_SHARED);
    remove_it(machine, "notes");
    put(machine, "plan", TEXT);
    skip_unless_births_are_told(machine);
    claim_number(machine, &doc, "plan", 10);
    struct replica *replica = open_with(machine, "plan", true);
    expect_another_doc(replica, &doc);
    home_close(replica);
    claim_number(machine, &doc, "plan", 0);
    replica = open_with(machine, "plan", true);
    expect_doc(replica, &doc);
    home_close(replica);
}

static void a_hard_link_is_the_same_document(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    with_paths(machine, link, "notes", "plan");
    struct replica *replica = open_it(machine, "plan");
    expect_doc(replica, &doc);
    expect_said(machine, "plan and notes are one file: one text, one history.");
    expect_text(replica, "mine: " TEXT);
    home_save(replica, NULL);
    home_close(replica);
    replica = open_it(machine, "notes");
    expect_doc(replica, &doc);
    expect_text(replica, "mine: " TEXT);
    assert_false(was_said(machine, "one file"));
    home_close(replica);
}

/* Both names are open before anything is kept: the one that is second to be typed in joins the first. */
static void two_names_of_one_file_typed_in_at_once_are_one_document(void **state)
{
    struct machine *machine = *state;
    put(machine, "notes", TEXT);
    with_paths(machine, link, "notes", "plan");
    struct replica *a = open_it(machine, "notes"), *b = open_with(machine, "plan", false);
    home_insert(a, "a ");
    replica_barrier(a);
    while (!replica_is_settled(a))
        replica_wait(a, STEP_MS);
    home_insert(b, "b ");
    for (uint64_t until_ms = net_now_ms() + PATIENCE_MS; memcmp(&replica_entry(a)->doc, &replica_entry(b)->doc, sizeof(struct doc_id)) != 0;) {
        assert_true(net_now_ms() < until_ms);
        replica_wait(b, STEP_MS);
        replica_wait(a, STEP_MS);
    }
    expect_together(a, b, "a b " TEXT, "b a " TEXT);
    struct doc_id doc = doc_of(a);
    home_close(b);
    home_close(a);
    b = open_it(machine, "plan");
    expect_doc(b, &doc);
    home_close(b);
}

/* What an editor does that renames the old file to keep it: the document stays with the name. */
static void a_backup_made_by_renaming_does_not_take_the_document_away(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    with_paths(machine, rename, "notes", "notes~");
    put(machine, "notes", ALIKE);
    struct replica *replica = open_it(machine, "notes~");
    expect_another_doc(replica, &doc);
    expect_text(replica, TEXT);
    home_close(replica);
    replica = open_it(machine, "notes");
    expect_doc(replica, &doc);
    expect_text(replica, "mine: " ALIKE);
    home_close(replica);
}

/* --- nothing is known --- */

static void a_copy_is_another_document(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_SAVED);
    put(machine, "copy", TEXT);
    struct replica *replica = open_it(machine, "copy");
    expect_another_doc(replica, &doc);
    home_close(replica);
    remove_it(machine, "notes"); /* nor when the first one is gone */
    replica = open_it(machine, "copy");
    expect_another_doc(replica, &doc);
    home_close(replica);
}

static void a_symbolic_link_is_the_path_it_leads_to(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    with_paths(machine, symlink, "notes", "link");
    struct replica *replica = open_it(machine, "link");
    expect_doc(replica, &doc);
    expect_text(replica, "mine: " TEXT);
    home_close(replica);
}

/* --- while it is open --- */

static void a_private_text_saved_under_another_name_leaves_the_old_one(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    struct replica *replica = open_it(machine, "notes");
    char *plan = scratch_file(machine->home->dir, "plan");
    home_save(replica, plan);
    struct replica *other = open_with(machine, "plan", true); /* the index knows it at once */
    expect_doc(other, &doc);
    home_close(other);
    home_close(replica);
    replica = open_it(machine, "plan");
    expect_doc(replica, &doc);
    home_close(replica);
    replica = open_it(machine, "notes");
    expect_another_doc(replica, &doc);
    expect_text(replica, TEXT);
    home_close(replica);
    free(plan);
}

static void a_shared_text_saved_under_another_name_is_found_by_both(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_SHARED);
    struct replica *replica = open_it(machine, "notes");
    char *plan = scratch_file(machine->home->dir, "plan");
    home_save(replica, plan);
    home_close(replica);
    replica = open_it(machine, "plan");
    expect_doc(replica, &doc);
    home_close(replica);
    replica = open_it(machine, "notes");
    expect_doc(replica, &doc);
    home_close(replica);
    free(plan);
}

static void a_file_renamed_while_open_frees_the_old_name(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_UNSAVED);
    struct replica *replica = open_it(machine, "notes");
    with_paths(machine, rename, "notes", "plan");
    while (!was_said(machine, "notes was renamed: it is "))
        replica_wait(replica, STEP_MS);
    put(machine, "notes", DIFFERENT);
    struct replica *other = open_with(machine, "plan", true);
    expect_doc(other, &doc);
    home_close(other);
    home_close(replica);
    replica = open_it(machine, "notes");
    expect_another_doc(replica, &doc);
    expect_text(replica, DIFFERENT);
    home_close(replica);
}

/* Whoever opens the new name is in the same text, and hears what is typed there. */
static void expect_met(struct machine *machine, struct replica *replica, const char *name, const char *text)
{
    struct doc_id doc = doc_of(replica);
    struct replica *other = open_with(machine, name, false);
    expect_doc(other, &doc);
    expect_text(other, text);
    home_insert(other, "theirs, ");
    char *both = xformat("theirs, %s", text);
    expect_together(replica, other, both, both);
    home_insert(replica, "and mine, ");
    char *all = xformat("and mine, %s", both);
    expect_together(replica, other, all, all);
    home_close(other);
    free(both);
    free(all);
}

static void who_opens_the_new_name_of_a_file_renamed_while_open_is_met(void **state)
{
    struct machine *machine = *state;
    leave(machine, "notes", LEFT_UNSAVED);
    struct replica *replica = open_it(machine, "notes");
    with_paths(machine, rename, "notes", "plan");
    while (!was_said(machine, "notes was renamed: it is "))
        replica_wait(replica, STEP_MS);
    expect_met(machine, replica, "plan", "mine: " TEXT);
    home_close(replica);
}

static void who_opens_the_name_that_a_text_was_saved_under_is_met(void **state)
{
    struct machine *machine = *state;
    leave(machine, "notes", LEFT_UNSAVED);
    struct replica *replica = open_it(machine, "notes");
    char *plan = scratch_file(machine->home->dir, "plan");
    home_save(replica, plan);
    expect_met(machine, replica, "plan", "mine: " TEXT);
    home_close(replica);
    free(plan);
}

/* Typed and saved under another name before the journal was there. */
static void who_opens_the_name_that_a_new_text_was_saved_under_is_met(void **state)
{
    struct machine *machine = *state;
    put(machine, "notes", TEXT);
    struct replica *replica = open_it(machine, "notes");
    home_insert(replica, "mine: ");
    char *plan = scratch_file(machine->home->dir, "plan");
    home_save(replica, plan);
    while (!replica_is_settled(replica) || !replica_entry(replica)->path || strcmp(replica_entry(replica)->path, plan) != 0)
        replica_wait(replica, STEP_MS);
    expect_met(machine, replica, "plan", "mine: " TEXT);
    home_close(replica);
    free(plan);
}

static void who_opens_a_hard_link_is_met(void **state)
{
    struct machine *machine = *state;
    leave(machine, "notes", LEFT_UNSAVED);
    struct replica *replica = open_it(machine, "notes");
    with_paths(machine, link, "notes", "plan");
    expect_met(machine, replica, "plan", "mine: " TEXT);
    home_close(replica);
}

static void a_directory_renamed_while_open_is_followed(void **state)
{
    struct machine *machine = *state;
    make_dir(machine, "above");
    make_dir(machine, "above/old");
    leave(machine, "above/old/notes", LEFT_UNSAVED);
    struct replica *replica = open_it(machine, "above/old/notes");
    with_paths(machine, rename, "above", "moved");
    while (!was_said(machine, "notes was renamed: it is "))
        replica_wait(replica, STEP_MS);
    home_save(replica, NULL);
    expect_met(machine, replica, "moved/old/notes", "mine: " TEXT);
    home_close(replica);
}

/* --- a file that somebody else has open --- */

/* Another person on this machine who shares the runtime directory: a guest, for one. */
static void begin_other(struct machine *machine, struct machine *other)
{
    struct error err = {0};
    char *state = scratch_file(machine->home->dir, "other");
    *other = (struct machine){.home = xcalloc(1, sizeof *other->home)};
    other->home->dir = machine->home->dir;
    setenv("XDG_STATE_HOME", state, 1);
    assert_true(env_init(&other->home->env, "weft", &err));
    free(state);
}

static void end_other(struct machine *other)
{
    env_release(&other->home->env);
    buf_release(&other->home->said);
    free(other->home);
}

static void a_file_that_another_weft_has_open_is_not_written_over(void **state)
{
    struct machine *machine = *state, other;
    struct error err = {0};
    begin_other(machine, &other);
    leave(machine, "notes", LEFT_SHARED);
    struct replica *host = open_it(machine, "notes");
    struct replica *guest = open_with(&other, "copy", false);
    home_insert(guest, "guest's\n" TEXT);
    char *notes = scratch_file(machine->home->dir, "notes");
    assert_false(replica_may_save(guest, notes, &err));
    assert_false(replica_save_now(guest, notes, &err));
    assert_string_equal(err.text, "Not saved: notes is open in another weft, which writes it. Save under another name.");
    err = (struct error){0};
    assert_false(replica_save(guest, notes, &err));
    home_save(guest, NULL); /* its own */
    home_save(host, NULL);
    expect_text(host, TEXT);
    home_close(host);
    home_save(guest, notes); /* nobody has it open any more */
    home_close(guest);
    free(notes);
    end_other(&other);
}

static void a_file_that_was_open_in_a_weft_that_was_killed_is_written(void **state)
{
    struct machine *machine = *state;
    leave(machine, "notes", LEFT_SAVED);
    pid_t child = fork();
    if (child == 0) {
        (void)open_it(machine, "notes");
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    struct replica *replica = open_it(machine, "other");
    home_insert(replica, "text");
    char *notes = scratch_file(machine->home->dir, "notes");
    home_save(replica, notes);
    home_close(replica);
    free(notes);
}

static void a_neighbour_s_file_of_the_same_text_is_written(void **state)
{
    struct machine *machine = *state;
    struct doc_id doc = leave(machine, "notes", LEFT_SHARED);
    struct replica *a = open_it(machine, "notes"), *b = open_with(machine, "notes", false);
    char *plan = scratch_file(machine->home->dir, "plan"), *notes = scratch_file(machine->home->dir, "notes");
    home_save(b, plan);
    home_save(b, notes);
    expect_doc(b, &doc);
    home_close(a);
    home_close(b);
    free(plan);
    free(notes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_known_path_as_it_was_left_shows_its_document),
        TEST(another_file_with_the_bytes_that_were_saved_shows_the_document),
        TEST(a_file_with_a_later_version_is_known_by_it),
        TEST(a_file_with_an_older_version_is_a_change),
        TEST(a_like_file_is_merged_into_what_was_not_saved),
        TEST(a_like_file_is_merged_into_a_shared_text),
        TEST(a_like_file_begins_anew_where_nothing_was_unsaved),
        TEST(a_shared_text_asks_about_a_file_that_is_different),
        TEST(the_same_file_rewritten_is_merged_into_what_was_not_saved),
        TEST(a_younger_file_with_the_same_number_is_asked_about),
        TEST(another_file_in_the_place_of_unsaved_edits_is_asked_about),
        TEST(another_file_is_opened_and_the_unsaved_edits_stay_where_they_were),
        TEST(another_file_begins_anew_where_nothing_was_unsaved),
        TEST(what_is_open_elsewhere_goes_over_into_what_is_shared),
        TEST(what_was_unshared_and_is_open_elsewhere_is_shared_anew),
        TEST(what_is_open_under_another_name_of_the_file_goes_over_too),
        TEST(another_file_does_not_begin_anew_while_the_one_before_is_open_elsewhere),
        TEST(another_file_is_not_opened_alone_while_the_one_before_is_open_elsewhere),
        TEST(a_file_that_is_gone_does_not_begin_anew_while_it_is_open_elsewhere),
        TEST(a_file_that_is_gone_is_asked_about),
        TEST(a_renamed_file_comes_with_its_history),
        TEST(a_file_renamed_after_several_saves_comes_with_its_history),
        TEST(a_file_renamed_after_a_merge_comes_with_its_history),
        TEST(a_renamed_directory_brings_its_files_histories),
        TEST(a_renamed_file_that_is_alike_comes_with_its_history),
        TEST(a_file_made_since_the_last_tick_of_the_clock_is_known_when_renamed),
        TEST(a_renamed_shared_file_is_still_shared),
        TEST(the_number_of_a_file_that_is_gone_makes_no_history),
        TEST(the_number_of_a_file_that_was_made_before_the_new_one_makes_no_history),
        TEST(a_hard_link_is_the_same_document),
        TEST(two_names_of_one_file_typed_in_at_once_are_one_document),
        TEST(a_backup_made_by_renaming_does_not_take_the_document_away),
        TEST(a_copy_is_another_document),
        TEST(a_symbolic_link_is_the_path_it_leads_to),
        TEST(a_private_text_saved_under_another_name_leaves_the_old_one),
        TEST(a_shared_text_saved_under_another_name_is_found_by_both),
        TEST(a_file_renamed_while_open_frees_the_old_name),
        TEST(who_opens_the_new_name_of_a_file_renamed_while_open_is_met),
        TEST(who_opens_the_name_that_a_text_was_saved_under_is_met),
        TEST(who_opens_the_name_that_a_new_text_was_saved_under_is_met),
        TEST(who_opens_a_hard_link_is_met),
        TEST(a_directory_renamed_while_open_is_followed),
        TEST(a_file_that_another_weft_has_open_is_not_written_over),
        TEST(a_file_that_was_open_in_a_weft_that_was_killed_is_written),
        TEST(a_neighbour_s_file_of_the_same_text_is_written),
    };
    return RUN_TESTS("replica and index", tests);
}
