/* The file under an open text: changed, replaced, emptied, deleted, renamed by other programs, while a person types. */
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "tests/support/stage.h"

#define ARGS(...) ((const char *[]){__VA_ARGS__, NULL})
#define TEXT "one\ntwo\nthree\nfour\n"
#define OUTSIDE "one\ntwo\nTHREE\nfour\n"
#define MERGED_MESSAGE "Another program changed notes.md: +1 -1 lines merged. ^Z takes it back."

static int setup(void **state)
{
    *state = stage_new();
    return 0;
}

static int teardown(void **state)
{
    stage_free(*state);
    return 0;
}

static char *in_stage(struct stage *stage, const char *path)
{
    return xformat("%s/%s", stage_dir(stage), path);
}

static void remove_file(struct stage *stage, const char *path)
{
    char *full = in_stage(stage, path);
    assert_int_equal(unlink(full), 0);
    free(full);
}

static void rename_file(struct stage *stage, const char *from, const char *to)
{
    char *old = in_stage(stage, from), *new = in_stage(stage, to);
    assert_int_equal(rename(old, new), 0);
    free(old);
    free(new);
}

/* notes.md with TEXT, open, and something typed that is not in the file. */
static struct vt *open_and_type(struct stage *stage)
{
    stage_write(stage, "notes.md", TEXT);
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, "mine: ");
    vt_expect(vt, "kept, ^S writes the file");
    return vt;
}

/* ... after OUTSIDE has come in. */
static void expect_merged_once(struct stage *stage, struct vt *vt)
{
    vt_expect_row(vt, 0, "mine: one");
    vt_expect_row(vt, 1, "two");
    vt_expect_row(vt, 2, "THREE");
    vt_expect_row(vt, 3, "four");
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved notes.md");
    stage_expect_file(stage, "notes.md", "mine: " OUTSIDE);
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

/* --- how other programs write --- */

static void a_file_written_in_place_is_merged_as_one_undo_step(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = open_and_type(stage);
    stage_write(stage, "notes.md", OUTSIDE);
    vt_expect(vt, MERGED_MESSAGE);
    vt_ctrl(vt, 'z');
    vt_expect_row(vt, 2, "three");
    vt_expect_row(vt, 0, "mine: one");
    vt_ctrl(vt, 'y');
    expect_merged_once(stage, vt);
}

/* What many programs do, slowly: the empty file in between is no change anybody meant. */
static void a_file_truncated_and_written_later_is_merged_once(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = open_and_type(stage);
    stage_write(stage, "notes.md", "");
    assert_false(vt_wait_text(vt, "Another program", 300));
    vt_expect_row(vt, 0, "mine: one");
    stage_write(stage, "notes.md", OUTSIDE);
    vt_expect(vt, MERGED_MESSAGE);
    expect_merged_once(stage, vt);
}

static void a_file_that_stays_empty_is_empty_and_comes_back_with_undo(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = open_and_type(stage);
    stage_write(stage, "notes.md", "");
    vt_expect(vt, "Another program changed notes.md: +0 -4 lines merged. ^Z takes it back.");
    vt_expect_row(vt, 0, "mine:");
    vt_ctrl(vt, 'z');
    vt_expect_row(vt, 3, "four");
    vt_free(vt);
}

/* cp over, git checkout, most editors: another file takes the name. */
static void a_file_that_is_replaced_is_merged_once(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = open_and_type(stage);
    stage_write(stage, "other", OUTSIDE);
    rename_file(stage, "other", "notes.md");
    vt_expect(vt, MERGED_MESSAGE);
    expect_merged_once(stage, vt);
}

static void a_file_that_is_removed_and_written_anew_is_merged_once(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = open_and_type(stage);
    remove_file(stage, "notes.md");
    stage_write(stage, "notes.md", OUTSIDE);
    vt_expect(vt, MERGED_MESSAGE);
    expect_merged_once(stage, vt);
}

static void a_file_that_is_only_touched_changes_nothing(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = open_and_type(stage);
    stage_write(stage, "notes.md", TEXT);
    assert_false(vt_wait_text(vt, "Another program", 700));
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved notes.md");
    stage_expect_file(stage, "notes.md", "mine: " TEXT);
    vt_free(vt);
}

static void a_change_made_while_weft_was_away_is_merged_with_what_was_kept(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = open_and_type(stage);
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[K]eep");
    vt_type(vt, "k");
    assert_int_equal(vt_close(vt), 0);
    stage_write(stage, "notes.md", OUTSIDE);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, MERGED_MESSAGE);
    expect_merged_once(stage, vt);
}

static void two_processes_merge_a_change_once(void **state)
{
    struct stage *stage = *state;
    struct vt *a = open_and_type(stage);
    struct vt *b = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_link(a, b);
    vt_expect_row(b, 0, "mine: one");
    stage_write(stage, "other", OUTSIDE);
    rename_file(stage, "other", "notes.md");
    vt_expect_row(a, 2, "THREE");
    vt_expect_row(b, 2, "THREE");
    vt_ctrl(b, 's');
    vt_expect(b, "Saved notes.md");
    vt_expect(a, "in file");
    vt_ctrl(b, 'q');
    assert_int_equal(vt_close(b), 0);
    vt_type(a, "more ");
    vt_ctrl(a, 's');
    vt_expect(a, "Saved notes.md");
    stage_expect_file(stage, "notes.md", "mine: more " OUTSIDE);
    vt_free(a);
}

/* --- gone --- */

static struct vt *come_back_without_the_file(struct stage *stage)
{
    struct vt *vt = open_and_type(stage);
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved notes.md");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    remove_file(stage, "notes.md");
    vt = stage_weft_sized(stage, "ada", 24, 120, ARGS("notes.md")); /* in one row, however long the month's name */
    vt_expect(vt, "notes.md is gone from disk; its text is kept (");
    vt_expect(vt, "). [R]estore [N]ew empty file  Esc");
    vt_expect_row(vt, 0, "mine: one");
    return vt;
}

static void a_file_gone_since_is_restored_when_asked_for(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = come_back_without_the_file(stage);
    vt_type(vt, "r");
    vt_expect(vt, "Saved notes.md");
    stage_expect_file(stage, "notes.md", "mine: " TEXT);
    vt_expect(vt, "in file");
    vt_free(vt);
}

static void a_file_gone_since_is_begun_anew_when_asked_for(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = come_back_without_the_file(stage);
    vt_type(vt, "n");
    vt_expect_row(vt, 0, "");
    vt_type(vt, "new text");
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved notes.md");
    stage_expect_file(stage, "notes.md", "new text");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect_row(vt, 0, "new text");
    vt_expect(vt, "in file");
    vt_free(vt);
}

static void a_file_gone_since_stays_gone_with_esc(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = come_back_without_the_file(stage);
    vt_type(vt, VT_ESC);
    vt_expect_gone(vt, "[R]estore");
    vt_expect_row(vt, 0, "mine: one");
    vt_expect(vt, "notes.md +");
    assert_false(stage_exists(stage, "notes.md"));
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved notes.md");
    stage_expect_file(stage, "notes.md", "mine: " TEXT);
    vt_free(vt);
}

/* A file that was never written is not gone. */
static void a_new_file_that_was_never_saved_is_restored_without_a_question(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = stage_weft(stage, "ada", ARGS("new.md"));
    vt_expect(vt, "new.md");
    vt_type(vt, "just typed");
    vt_expect(vt, "kept, ^S writes the file");
    vt_signal(vt, SIGKILL);
    assert_int_equal(vt_close(vt), 128 + SIGKILL);
    vt = stage_weft(stage, "ada", ARGS("new.md"));
    vt_expect(vt, "Restored");
    vt_expect_row(vt, 0, "just typed");
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved new.md");
    vt_free(vt);
}

/* --- shared --- */

static struct vt *share_and_replace(struct stage *stage, const char *content)
{
    stage_write(stage, "notes.md", TEXT);
    free(stage_share(stage, "ada", "notes.md", "edit"));
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "shared");
    vt_expect(vt, "sent");
    stage_write(stage, "notes.md", content);
    vt_expect(vt, "notes.md on disk is nearly all different (0 % in common). [K]eep shared text");
    vt_expect(vt, "[M]erge for everybody [O]pen the file alone, unshared  (^S asks)");
    vt_type(vt, "typing goes on, ");
    vt_expect_row(vt, 0, "typing goes on, one");
    vt_expect(vt, "notes.md +");
    vt_ctrl(vt, 's');
    vt_expect(vt, "notes.md on disk is nearly all different (0 % in common). [K]eep shared text");
    vt_expect_gone(vt, "(^S asks)");
    vt_expect(vt, "[M]erge for everybody [O]pen the file alone, unshared");
    return vt;
}

static void a_shared_text_is_kept_when_asked_for(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = share_and_replace(stage, "x\n");
    vt_type(vt, "k");
    vt_expect(vt, "Saved notes.md");
    stage_expect_file(stage, "notes.md", "typing goes on, " TEXT);
    vt_free(vt);
}

static void a_different_file_is_merged_into_a_shared_text_when_asked_for(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = share_and_replace(stage, "x\n");
    vt_type(vt, "m");
    vt_expect(vt, "lines merged. ^Z takes it back.");
    vt_expect_gone(vt, "three");
    vt_ctrl(vt, 'z');
    vt_expect_row(vt, 2, "three");
    vt_free(vt);
}

static void a_different_file_is_opened_alone_and_the_shared_text_lives_on(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = share_and_replace(stage, "x\n");
    vt_type(vt, "o");
    vt_expect_row(vt, 0, "x");
    vt_expect_gone(vt, "shared");
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    stage_expect_file(stage, "notes.md", "x\n");
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect_row(vt, 0, "x");
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    struct stage_result docs = stage_run(stage, "ada", NULL, ARGS("docs"));
    assert_non_null(strstr(docs.out, "shared"));
}

static void an_emptied_file_never_empties_a_shared_text_unasked(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = share_and_replace(stage, "");
    vt_type(vt, VT_ESC);
    vt_expect_gone(vt, "[K]eep");
    vt_expect_row(vt, 3, "four");
    stage_write(stage, "notes.md", OUTSIDE); /* written at last: an ordinary change */
    vt_expect(vt, MERGED_MESSAGE);
    vt_expect_row(vt, 2, "THREE");
    vt_free(vt);
}

static void a_shared_file_that_is_gone_asks_at_opening(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", TEXT);
    free(stage_share(stage, "ada", "notes.md", "edit"));
    remove_file(stage, "notes.md");
    struct vt *vt = stage_weft_sized(stage, "ada", 24, 120, ARGS("notes.md"));
    vt_expect(vt, "notes.md is gone from disk; its shared text is kept (");
    vt_expect(vt, "). [R]estore [N]ew empty file, not shared  Esc");
    vt_type(vt, "n");
    vt_expect_row(vt, 0, "");
    vt_expect_gone(vt, "shared");
    vt_free(vt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_file_written_in_place_is_merged_as_one_undo_step),
        TEST(a_file_truncated_and_written_later_is_merged_once),
        TEST(a_file_that_stays_empty_is_empty_and_comes_back_with_undo),
        TEST(a_file_that_is_replaced_is_merged_once),
        TEST(a_file_that_is_removed_and_written_anew_is_merged_once),
        TEST(a_file_that_is_only_touched_changes_nothing),
        TEST(a_change_made_while_weft_was_away_is_merged_with_what_was_kept),
        TEST(two_processes_merge_a_change_once),
        TEST(a_file_gone_since_is_restored_when_asked_for),
        TEST(a_file_gone_since_is_begun_anew_when_asked_for),
        TEST(a_file_gone_since_stays_gone_with_esc),
        TEST(a_new_file_that_was_never_saved_is_restored_without_a_question),
        TEST(a_shared_text_is_kept_when_asked_for),
        TEST(a_different_file_is_merged_into_a_shared_text_when_asked_for),
        TEST(a_different_file_is_opened_alone_and_the_shared_text_lives_on),
        TEST(an_emptied_file_never_empties_a_shared_text_unasked),
        TEST(a_shared_file_that_is_gone_asks_at_opening),
    };
    return RUN_TESTS("disk", tests);
}
