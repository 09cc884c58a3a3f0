/* What the editor owes a person at the moments that surprise: leaving, suspending, others writing above, odd places. */
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "tests/support/stage.h"

enum { STARTS = 20 };

/* "line 1" to "line 60". */
static void write_lines(struct stage *stage)
{
    char text[60 * 16] = "";
    for (int i = 1; i <= 60; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "line %d\n", i);
    stage_write(stage, "notes.md", text);
}

static void what_cannot_be_kept_is_not_left_behind_unasked(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    /* No file may grow beyond 30 kB: the journal cannot be made, the text's own file can. */
    struct vt *vt = stage_shell(stage, "ada", "trap '' XFSZ; ulimit -f 60; exec \"$WEFT\" notes.md");
    vt_expect(vt, "in file");
    vt_type(vt, "abc");
    vt_expect(vt, "3 edits only in memory");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "3 edits of notes.md cannot be kept and would be lost.");
    vt_expect(vt, "[L]eave without them Esc");
    vt_type(vt, "k" VT_ESC);
    vt_expect_gone(vt, "[L]eave");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[S]ave elsewhere");
    vt_type(vt, "s");
    vt_expect(vt, "Write to file:");
    vt_ctrl(vt, 'w');
    vt_type(vt, "other.md" VT_ENTER);
    assert_int_equal(vt_close(vt), 1); /* the text is safe, its undo is not */
    stage_expect_file(stage, "other.md", "abctext\n");
    stage_expect_file(stage, "notes.md", "text\n");
    vt = stage_shell(stage, "ada", "trap '' XFSZ; ulimit -f 60; exec \"$WEFT\" notes.md");
    vt_expect(vt, "in file");
    vt_type(vt, "x");
    vt_expect(vt, "only in memory");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[L]eave without it Esc");
    vt_type(vt, "l");
    assert_int_equal(vt_close(vt), 1);
}

/* Looks without a pause: the moment right after is the one that is asked about. */
static void wait_until_raw(struct vt *vt)
{
    while (!vt_is_raw(vt))
        assert_false(vt_has_ended(vt));
}

static void who_is_told_to_end_while_it_starts_gives_the_terminal_back(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    for (int i = 0; i < STARTS; i++) {
        struct vt *vt = stage_shell(stage, "ada", "trap : TERM; \"$WEFT\" notes.md; echo ended; read answer");
        wait_until_raw(vt);
        kill(-vt_pid(vt), SIGTERM);
        vt_expect(vt, "ended");
        assert_false(vt_is_raw(vt));
        vt_free(vt);
    }
}

static void a_window_that_changes_while_it_starts_is_filled(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    for (int i = 0; i < STARTS; i++) {
        struct vt *vt = stage_weft_sized(stage, "ada", 10, 40, ARGS("notes.md"));
        wait_until_raw(vt);
        vt_resize(vt, 24, 80);
        vt_expect_row_has(vt, 23, "notes.md");
        vt_free(vt);
    }
}

static void saving_and_leaving_in_one_breath_asks_nothing(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, "x");
    vt_expect(vt, "notes.md +");
    vt_type(vt, "\x13\x11"); /* ^S ^Q */
    assert_int_equal(vt_close(vt), 0);
    stage_expect_file(stage, "notes.md", "xtext\n");
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, "x\x13y\x11"); /* what came after the save is asked about */
    vt_expect(vt, " not in the file. [S]ave");
    vt_type(vt, "s");
    assert_int_equal(vt_close(vt), 0);
    stage_expect_file(stage, "notes.md", "xxytext\n"); /* the cursor came back behind the first x */
}

static void suspending_without_a_shell_does_not_freeze(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, VT_ALT("z"));
    vt_expect(vt, "not suspended");
    vt_type(vt, "on ");
    vt_expect_row(vt, 0, "on text");
    vt_free(vt);
}

static void suspending_under_a_shell_gives_the_terminal_back_and_goes_on(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_shell(stage, "ada", "set -m; \"$WEFT\" notes.md; echo stopped; read answer; fg; exit $?");
    vt_expect(vt, "in file");
    vt_type(vt, "a");
    vt_expect_row(vt, 0, "atext");
    vt_type(vt, VT_ALT("z"));
    vt_expect(vt, "stopped");
    assert_false(vt_alternate_screen(vt));
    vt_type(vt, "go" VT_ENTER);
    vt_expect_row(vt, 0, "atext");
    vt_type(vt, "b");
    vt_expect_row(vt, 0, "abtext");
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved notes.md: 1 line.");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

/* What was typed in the last moment before is sent first: nobody knows for how long it sleeps. */
static void what_was_typed_before_suspending_is_with_the_relay(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    char *link = stage_share(stage, "ada", "notes.md", "view");
    struct vt *vt = stage_shell(stage, "ada", "set -m; \"$WEFT\" notes.md; echo stopped; read answer; fg; exit $?");
    vt_expect(vt, "sent");
    vt_type(vt, "a");
    vt_expect_row(vt, 0, "atext");
    vt_expect(vt, "sent");
    vt_type(vt, "last words " VT_ALT("z"));
    vt_expect(vt, "stopped");
    struct stage_result result = stage_run(stage, "lin", NULL, ARGS("cat", link));
    assert_string_equal(result.out, "alast words text\n");
    vt_type(vt, "go" VT_ENTER);
    vt_expect_row(vt, 0, "alast words text");
    vt_free(vt);
    free(link);
}

static void what_others_write_above_leaves_the_view_where_it_is(void **state)
{
    struct stage *stage = *state;
    write_lines(stage);
    struct vt *a = stage_weft(stage, "ada", ARGS("notes.md"));
    struct vt *b = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_link(a, b);
    vt_expect(a, "in file");
    vt_expect(b, "in file");
    vt_type(b, VT_ALT("g"));
    vt_type(b, "10" VT_ENTER);
    vt_expect_cursor(b, 9, 0);
    vt_type(a, "new 1" VT_ENTER "new 2" VT_ENTER);
    vt_expect(b, "Ln 12");
    vt_expect_cursor(b, 9, 0); /* the line being looked at did not move */
    vt_expect_row(b, 9, "line 10");
    /* Out of sight of the caret the first line stays the first. */
    for (int i = 0; i < 10; i++)
        vt_type(b, "\x1b[<65;1;1M");
    vt_expect_row_has(b, 0, "line 31");
    vt_type(a, "new 3" VT_ENTER);
    vt_expect(b, "Ln 13");
    vt_expect_row_has(b, 0, "line 31");
    /* Own edits move as ever. */
    vt_type(b, "x");
    vt_expect(b, "xline 10");
    vt_free(a);
    vt_free(b);
}

static void a_text_that_fits_is_seen_from_its_top(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo\n");
    struct vt *a = stage_weft(stage, "ada", ARGS("notes.md"));
    struct vt *b = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_link(a, b);
    vt_expect(a, "in file");
    vt_type(b, VT_DOWN);
    vt_expect_cursor(b, 1, 0);
    vt_type(a, "zero" VT_ENTER);
    vt_expect_row_has(b, 0, "zero");
    vt_expect_cursor(b, 2, 0);
    vt_free(a);
    vt_free(b);
}

static void a_file_that_is_open_is_not_opened_twice(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    stage_write(stage, "other.md", "other\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md", "other.md"));
    vt_expect_row(vt, 0, "text");
    vt_ctrl(vt, 'o');
    vt_type(vt, "./other.md" VT_ENTER);
    vt_expect_row(vt, 0, "other");
    vt_type(vt, VT_ALT("."));
    vt_expect_row(vt, 0, "text");
    vt_type(vt, VT_ALT("."));
    vt_expect_row(vt, 0, "other");
    vt_free(vt);
}

static void a_prompt_knows_the_home_directory(void **state)
{
    struct stage *stage = *state;
    char *home = NULL;
    assert_true(asprintf(&home, "%s/ada.home", stage_dir(stage)) > 0);
    mkdir(home, 0755);
    free(home);
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "new file");
    vt_type(vt, "text");
    stage_write_to(vt, "~/kept.md" VT_ENTER);
    vt_expect(vt, "Saved kept.md: 1 line.");
    vt_expect(vt, "in file");
    stage_expect_file(stage, "ada.home/kept.md", "text");
    stage_write_to(vt, "ada.home" VT_ENTER);
    vt_expect(vt, "is still here;");
    vt_free(vt);
}

static void the_terminal_is_called_after_the_file(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    assert_string_equal(vt_title(vt), "notes.md - weft");
    stage_write_to(vt, "other\033]2;.md" VT_ENTER);
    vt_expect(vt, "Saved ");
    assert_null(strchr(vt_title(vt), '\033'));
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

static void a_file_that_cannot_be_written_is_told_when_it_is_opened(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    char *path = xformat("%s/notes.md", stage_dir(stage));
    assert_int_equal(chmod(path, 0444), 0);
    bool is_root = geteuid() == 0; /* who may write everything, unless that is taken from him */
    struct vt *vt = stage_shell(stage, "ada", is_root ? "exec setpriv --bounding-set -dac_override \"$WEFT\" notes.md"
                                                      : "exec \"$WEFT\" notes.md");
    vt_expect(vt, "notes.md is read-only: ^S cannot write it, Alt+S saves under another name.");
    vt_type(vt, "x");
    vt_ctrl(vt, 's');
    vt_expect(vt, "Alt+S writes it elsewhere");
    vt_free(vt);
    free(path);
}

static void what_was_taken_back_is_not_counted_as_missing_in_the_file(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, "x");
    vt_expect(vt, "notes.md +");
    vt_ctrl(vt, 'z');
    vt_expect(vt, "in file");
    vt_type(vt, "y");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "notes.md has 1 edit not in the file.");
    vt_type(vt, "d");
    assert_int_equal(vt_close(vt), 0);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, VT_ALT("m"));
    vt_expect(vt, "No messages yet"); /* nothing was restored: nothing is missing */
    vt_free(vt);
}

static struct vt *open_notes(struct stage *stage, const char *path)
{
    struct vt *vt = stage_weft(stage, "ada", ARGS(path));
    vt_expect(vt, "notes.md");
    return vt;
}

/* Leaves without a question; what was typed stays in the other window, and its undo with it. */
static void expect_text_stays_in(struct vt *first, struct vt *second)
{
    vt_link(first, second);
    vt_type(first, "first ");
    vt_expect_row(second, 0, "first text");
    vt_ctrl(second, 'q');
    assert_int_equal(vt_close(second), 0);
    vt_type(first, "still ");
    vt_expect_row(first, 0, "first still text");
}

static void a_text_that_another_window_has_is_left_there_unasked(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *first = open_notes(stage, "notes.md"), *second = open_notes(stage, "notes.md");
    expect_text_stays_in(first, second);
    vt_ctrl(first, 'q'); /* the last one is asked */
    vt_expect(first, "not in the file. [S]ave [K]eep for later [D]iscard Esc");
    vt_type(first, "d");
    assert_int_equal(vt_close(first), 0);
    stage_expect_file(stage, "notes.md", "text\n");
}

/* And the last one out asks, rather than to forget. */
static void a_text_of_a_moment_is_left_to_the_other_window(void **state)
{
    struct stage *stage = *state;
    assert_int_equal(stage_script(stage, "ada", "mkdir .git && echo text > .git/notes.md").status, 0);
    struct vt *first = open_notes(stage, ".git/notes.md"), *second = open_notes(stage, ".git/notes.md");
    expect_text_stays_in(first, second);
    vt_ctrl(first, 'q');
    vt_expect(first, "not in the file. [S]ave [D]iscard Esc");
    vt_type(first, "s");
    assert_int_equal(vt_close(first), 0);
    stage_expect_file(stage, ".git/notes.md", "first still text\n");
}

static void nothing_is_discarded_that_a_window_has_opened_meanwhile(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *first = open_notes(stage, "notes.md");
    vt_type(first, "x");
    vt_expect(first, "notes.md +");
    vt_ctrl(first, 'q');
    vt_expect(first, "[D]iscard");
    struct vt *second = open_notes(stage, "notes.md");
    vt_link(first, second);
    vt_type(second, "second ");
    vt_expect(first, "second ");
    vt_type(first, "d");
    vt_expect(first, "notes.md is open in another window; left as it is.");
    vt_expect(second, "second ");
    vt_ctrl(first, 'q');
    assert_int_equal(vt_close(first), 0);
    vt_ctrl(second, 's');
    vt_expect(second, "Saved");
    char *file = stage_read(stage, "notes.md");
    assert_non_null(strstr(file, "second "));
    assert_non_null(strchr(file, 'x'));
    free(file);
    vt_ctrl(second, 'q');
    assert_int_equal(vt_close(second), 0);
}

static void a_script_is_no_window_that_a_text_could_be_left_to(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = open_notes(stage, "notes.md");
    vt_type(vt, "x");
    vt_expect(vt, "notes.md +");
    struct vt *script = stage_shell(stage, "ada", "exec \"$WEFT\" apply notes.md"); /* until its input ends */
    vt_link(vt, script);
    vt_type(script, "{\"at\": 0, \"insert\": \"script \"}\n");
    vt_expect_row_has(vt, 0, "script ");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[D]iscard Esc");
    vt_type(vt, "d");
    assert_int_equal(vt_close(vt), 0);
    vt_ctrl(script, 'd');
    assert_int_equal(vt_close(script), 0);
}

/* Nobody keeps it, so a failure does not take it along unasked; what is kept needs no question. */
static void leaving_with_a_failure_asks_about_what_nobody_keeps(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "COMMIT_EDITMSG", "text\n");
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("COMMIT_EDITMSG"));
    vt_expect(vt, "in file");
    vt_type(vt, "x");
    vt_expect(vt, "COMMIT_EDITMSG +");
    vt_type(vt, VT_ALT("q"));
    vt_expect(vt, "COMMIT_EDITMSG has 1 edit not in the file. [S]ave [D]iscard Esc");
    vt_type(vt, "s");
    assert_int_equal(vt_close(vt), 1);
    stage_expect_file(stage, "COMMIT_EDITMSG", "xtext\n");
    vt = open_notes(stage, "notes.md");
    vt_type(vt, "x");
    vt_expect(vt, "notes.md +");
    vt_type(vt, VT_ALT("q"));
    assert_int_equal(vt_close(vt), 1);
    vt = open_notes(stage, "notes.md");
    vt_expect_row(vt, 0, "xtext");
    vt_free(vt);
}

static void a_buffer_without_a_file_is_asked_about_as_such(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = stage_shell(stage, "ada", "echo piped | \"$WEFT\" -");
    vt_expect_row(vt, 0, "piped");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "new buffer is not in any file. [S]ave [K]eep for later");
    vt_free(vt);
}

static void a_paste_without_end_is_shown_and_kept(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, "\x1b[200~half of it ");
    vt_expect_row(vt, 0, "half of it text");
    vt_type(vt, "and the rest \x1b[201~!");
    vt_expect_row(vt, 0, "half of it and the rest !text");
    vt_type(vt, "\x1b[200~lost? ");
    vt_signal(vt, SIGTERM);
    assert_int_equal(vt_close(vt), 128 + SIGTERM);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "half of it and the rest !");
    vt_free(vt);
}

static void working_alone_counts_what_waits(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    free(stage_share(stage, "ada", "notes.md", "edit"));
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "sent");
    vt_type(vt, VT_ALT("a"));
    vt_expect(vt, "Working alone");
    vt_type(vt, "abc");
    vt_expect(vt, "offline: 3 kept");
    vt_type(vt, VT_ALT("a"));
    vt_expect(vt, "Back: sent 3, received 0.");
    vt_type(vt, VT_ALT("a"));
    vt_type(vt, "d");
    vt_expect(vt, "offline: 1 kept");
    vt_ctrl(vt, 'q');
    vt_type(vt, "k");
    vt_expect(vt, "notes.md: 1 edit not sent yet; kept here, sent when weft next runs.");
    assert_int_equal(vt_close(vt), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_cannot_be_kept_is_not_left_behind_unasked),
        TEST(who_is_told_to_end_while_it_starts_gives_the_terminal_back),
        TEST(a_window_that_changes_while_it_starts_is_filled),
        TEST(saving_and_leaving_in_one_breath_asks_nothing),
        TEST(suspending_without_a_shell_does_not_freeze),
        TEST(suspending_under_a_shell_gives_the_terminal_back_and_goes_on),
        TEST(what_was_typed_before_suspending_is_with_the_relay),
        TEST(what_others_write_above_leaves_the_view_where_it_is),
        TEST(a_text_that_fits_is_seen_from_its_top),
        TEST(a_file_that_is_open_is_not_opened_twice),
        TEST(a_prompt_knows_the_home_directory),
        TEST(the_terminal_is_called_after_the_file),
        TEST(a_file_that_cannot_be_written_is_told_when_it_is_opened),
        TEST(what_was_taken_back_is_not_counted_as_missing_in_the_file),
        TEST(a_text_that_another_window_has_is_left_there_unasked),
        TEST(a_text_of_a_moment_is_left_to_the_other_window),
        TEST(nothing_is_discarded_that_a_window_has_opened_meanwhile),
        TEST(a_script_is_no_window_that_a_text_could_be_left_to),
        TEST(leaving_with_a_failure_asks_about_what_nobody_keeps),
        TEST(a_buffer_without_a_file_is_asked_about_as_such),
        TEST(a_paste_without_end_is_shown_and_kept),
        TEST(working_alone_counts_what_waits),
    };
    return RUN_TESTS("manners", tests);
}
