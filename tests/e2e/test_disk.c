/* The file under an open text: changed, replaced, emptied, deleted, renamed by other programs, while a person types. */
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/env.h"
#include "editor/base/xalloc.h"
#include "sync/doc_index.h"
#include "tests/support/stage.h"

#define TEXT "one\ntwo\nthree\nfour\n"
#define OUTSIDE "one\ntwo\nTHREE\nfour\n"
#define MERGED_MESSAGE "Another program changed notes.md: +1 -1 lines merged. ^Z takes it back."

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

/* --- renamed --- */

static void a_renamed_file_is_followed(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = open_and_type(stage);
    char *folder = in_stage(stage, "folder");
    assert_int_equal(mkdir(folder, 0755), 0);
    rename_file(stage, "notes.md", "plan.md");
    vt_expect(vt, "notes.md was renamed: it is");
    vt_expect(vt, "plan.md +");
    rename_file(stage, "plan.md", "folder/plan.txt"); /* and once more, elsewhere */
    vt_expect(vt, "plan.md was renamed: it is");
    vt_expect(vt, "plan.txt +");
    stage_write(stage, "folder/plan.txt", OUTSIDE);
    vt_expect(vt, "Another program changed plan.txt: +1 -1 lines merged.");
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved plan.txt");
    stage_expect_file(stage, "folder/plan.txt", "mine: " OUTSIDE);
    assert_false(stage_exists(stage, "notes.md"));
    assert_false(stage_exists(stage, "plan.md"));
    vt_type(vt, "more ");
    vt_expect(vt, "kept, ^S writes the file");
    vt_signal(vt, SIGKILL);
    assert_int_equal(vt_close(vt), 128 + SIGKILL);
    vt = stage_weft(stage, "ada", ARGS("folder/plan.txt")); /* its history has come along */
    vt_expect_row(vt, 0, "mine: more one");
    vt_expect(vt, "Restored 5 edits of ");
    vt_free(vt);
    free(folder);
}

static void a_file_moved_to_the_trash_is_deleted(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = open_and_type(stage);
    char *trash = in_stage(stage, "Trash"), *files = in_stage(stage, "Trash/files");
    assert_int_equal(mkdir(trash, 0755), 0);
    assert_int_equal(mkdir(files, 0755), 0);
    rename_file(stage, "notes.md", "Trash/files/notes.md");
    vt_expect(vt, "notes.md was deleted on disk. The text is kept; ^S writes it again.");
    vt_free(vt);
    free(trash);
    free(files);
}

/* --- leaving and coming back --- */

static void what_is_restored_is_said_with_its_time(void **state)
{
    struct stage *stage = *state;
    time_t before = time(NULL), after;
    struct tm local;
    char hour_before[16], hour_after[16];
    struct vt *vt = open_and_type(stage);
    after = time(NULL);
    vt_signal(vt, SIGKILL);
    assert_int_equal(vt_close(vt), 128 + SIGKILL);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "Restored 6 edits of "); /* one for each key */
    vt_expect(vt, " not yet in notes.md. ^S writes them.");
    strftime(hour_before, sizeof hour_before, "%H:", localtime_r(&before, &local));
    strftime(hour_after, sizeof hour_after, "%H:", localtime_r(&after, &local));
    assert_true(vt_find(vt, hour_before, NULL, NULL) || vt_find(vt, hour_after, NULL, NULL));
    vt_free(vt);
}

static void discarding_is_one_step_that_can_be_taken_back(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = open_and_type(stage);
    vt_type(vt, VT_DOWN VT_END " and mine");
    vt_expect_row(vt, 1, "two and mine");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "not in the file. [S]ave [K]eep for later [D]iscard Esc");
    vt_type(vt, "d");
    assert_int_equal(vt_close(vt), 0);
    stage_expect_file(stage, "notes.md", TEXT);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_expect_row(vt, 0, "one");
    vt_ctrl(vt, 'z');
    vt_expect_row(vt, 0, "mine: one");
    vt_expect_row(vt, 1, "two and mine");
    vt_free(vt);
}

static void a_shared_text_is_saved_or_kept_never_discarded(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", TEXT);
    free(stage_share(stage, "ada", "notes.md", "edit"));
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "sent");
    vt_type(vt, "mine: ");
    vt_expect(vt, "notes.md +");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "notes.md has 6 edits not in the file. [S]ave [K]eep for later Esc");
    vt_type(vt, "d");
    assert_false(vt_wait_text(vt, "in file", 600)); /* no answer, however long it stands alone */
    vt_type(vt, VT_ESC);
    vt_expect_gone(vt, "[K]eep");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[K]eep");
    vt_type(vt, "k");
    assert_int_equal(vt_close(vt), 0);
    stage_expect_file(stage, "notes.md", TEXT);
}

static void unsent_edits_are_told_on_leaving_and_sent_when_weft_next_runs(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", TEXT);
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "sent");
    stage_relay_signal(stage, SIGKILL);
    vt_expect(vt, "offline");
    vt_type(vt, "x");
    vt_expect(vt, "offline: 1 kept");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[K]eep for later");
    vt_type(vt, "k");
    vt_expect(vt, "notes.md: 1 edit not sent yet; kept here, sent when weft next runs.");
    assert_int_equal(vt_close(vt), 0);
    stage_relay_restart(stage);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "sent");
    struct stage_result cat = stage_run(stage, "lin", NULL, ARGS("cat", link));
    assert_string_equal(cat.out, "x" TEXT);
    vt_free(vt);
    free(link);
}

/* Larger than what a journal copies: it refers to the file, and nothing waits for that. */
static void what_was_typed_into_65_mib_survives_a_kill_and_a_save(void **state)
{
    enum { LINES = 65 << 14, LINE_BYTES = 64 };
    struct stage *stage = *state;
    char *path = in_stage(stage, "large.txt");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < LINES; i++)
        fprintf(file, "%0*d\n", LINE_BYTES - 1, i);
    assert_int_equal(fclose(file), 0);
    struct vt *vt = stage_weft(stage, "ada", ARGS("large.txt"));
    vt_expect(vt, "in file");
    vt_type(vt, "before ");
    vt_expect(vt, "kept, ^S writes the file");
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved large.txt");
    vt_type(vt, "behind ");
    vt_expect(vt, "kept, ^S writes the file");
    vt_signal(vt, SIGKILL);
    assert_int_equal(vt_close(vt), 128 + SIGKILL);
    vt = stage_weft(stage, "ada", ARGS("large.txt"));
    vt_expect_row_has(vt, 0, "before behind 000");
    vt_expect(vt, "Restored 7 edits of ");
    vt_ctrl(vt, 'z');
    vt_expect_row_has(vt, 0, "before 000");
    vt_ctrl(vt, 'z');
    vt_expect_row_has(vt, 0, "00000000");
    vt_free(vt);
    free(path);
}

static bool take_doc(void *self, const struct doc_entry *entry)
{
    struct doc_entry *newest = self;
    newest->doc = entry->doc;
    return false;
}

/* The index says when a document was opened; here: that this is long ago. */
static void opened_long_ago(struct stage *stage, const char *person)
{
    struct error err = {0};
    struct env env;
    char *state = xformat("%s/%s.state", stage_dir(stage), person);
    setenv("XDG_STATE_HOME", state, 1);
    setenv("HOME", stage_dir(stage), 1);
    assert_true(env_init(&env, "weft", &err) && env_device(&env, &err));
    char *path = paths_state_file(&env.paths, "index.db");
    struct doc_index *index = doc_index_open(path, DOC_INDEX_CREATE, &env.device, &err);
    assert_non_null(index);
    struct doc_entry entry = {0};
    assert_true(doc_index_recent(index, 1, take_doc, &entry, &err));
    assert_true(doc_index_touch(index, &entry.doc, (uint64_t)time(NULL) - 3 * 24 * 3600, &err));
    doc_index_close(index);
    free(path);
    free(state);
    env_release(&env);
}

static void a_shared_file_says_so_once_in_a_while(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", TEXT);
    free(stage_share(stage, "ada", "notes.md", "edit"));
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "sent");
    assert_false(vt_find(vt, "is shared since", NULL, NULL));
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    opened_long_ago(stage, "ada");
    vt = stage_weft_sized(stage, "ada", 24, 120, ARGS("notes.md"));
    vt_expect(vt, "notes.md is shared since ");
    vt_expect(vt, "(2 links). Online now; Alt+A works alone, weft unshare stops it.");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    vt = stage_weft_sized(stage, "ada", 24, 120, ARGS("notes.md"));
    vt_expect(vt, "sent");
    vt_type(vt, VT_ALT("m"));
    vt_expect(vt, "No messages yet");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
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
    vt_expect(vt, "notes.md on disk is nearly all different (0 % in common): ^S asks what to do.");
    assert_null(strstr(vt_screen(vt), "[M]erge")); /* m would be typed */
    vt_type(vt, "typing goes on, ");
    vt_expect_row(vt, 0, "typing goes on, one");
    vt_expect(vt, "notes.md +");
    vt_ctrl(vt, 's');
    vt_expect(vt, "notes.md on disk is nearly all different (0 % in common). [K]eep shared text");
    vt_expect_gone(vt, "^S asks");
    vt_expect(vt, "[M]erge for everybody [O]pen the file alone, unshared");
    return vt;
}

static void quitting_says_that_the_file_is_different_from_the_shared_text(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = share_and_replace(stage, "x\n");
    vt_type(vt, VT_ESC);
    vt_expect_gone(vt, "[M]erge");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "notes.md on disk is different from the shared text. [S]ave [K]eep for later Esc");
    vt_type(vt, "k");
    assert_int_equal(vt_close(vt), 0);
    stage_expect_file(stage, "notes.md", "x\n");
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

/* Whoever removes a journal that is open gets no new one, which would begin in the middle: what is on the screen stays, that it is
   not kept is said, and it can be written to the file. */
static void a_journal_that_is_removed_costs_nothing_on_the_screen(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, "x");
    vt_expect(vt, "kept");
    stage_script(stage, "ada", "rm -f ada.state/weft/docs/*.journal*");
    vt_type(vt, "y");
    vt_expect(vt, "was removed or emptied by somebody else");
    vt_expect_row(vt, 0, "xyone");
    vt_ctrl(vt, 's');
    stage_expect_file(stage, "notes.md", "xyone\n");
    vt_expect(vt, "notes.md    NOT KEPT: 1 edit only in memory.");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 1); /* and says that the history was not kept */
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect_row(vt, 0, "xyone");
    vt_free(vt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
        TEST(a_file_written_in_place_is_merged_as_one_undo_step),
        TEST(a_file_truncated_and_written_later_is_merged_once),
        TEST(a_file_that_stays_empty_is_empty_and_comes_back_with_undo),
        TEST(a_file_that_is_replaced_is_merged_once),
        TEST(a_file_that_is_removed_and_written_anew_is_merged_once),
        TEST(a_journal_that_is_removed_costs_nothing_on_the_screen),
        TEST(a_file_that_is_only_touched_changes_nothing),
        TEST(a_change_made_while_weft_was_away_is_merged_with_what_was_kept),
        TEST(two_processes_merge_a_change_once),
        TEST(a_file_gone_since_is_restored_when_asked_for),
        TEST(a_file_gone_since_is_begun_anew_when_asked_for),
        TEST(a_file_gone_since_stays_gone_with_esc),
        TEST(a_new_file_that_was_never_saved_is_restored_without_a_question),
        TEST(a_renamed_file_is_followed),
        TEST(a_file_moved_to_the_trash_is_deleted),
        TEST(what_is_restored_is_said_with_its_time),
        TEST(discarding_is_one_step_that_can_be_taken_back),
        TEST(a_shared_text_is_saved_or_kept_never_discarded),
        TEST(unsent_edits_are_told_on_leaving_and_sent_when_weft_next_runs),
        TEST(what_was_typed_into_65_mib_survives_a_kill_and_a_save),
        TEST(a_shared_file_says_so_once_in_a_while),
        TEST(quitting_says_that_the_file_is_different_from_the_shared_text),
        TEST(a_shared_text_is_kept_when_asked_for),
        TEST(a_different_file_is_merged_into_a_shared_text_when_asked_for),
        TEST(a_different_file_is_opened_alone_and_the_shared_text_lives_on),
        TEST(an_emptied_file_never_empties_a_shared_text_unasked),
        TEST(a_shared_file_that_is_gone_asks_at_opening),
    };
    return RUN_TESTS("disk", tests);
}
