/* The editor as a person uses it, alone and on one machine: typed into a pseudo-terminal, read off the screen. */
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/doc_index.h"
#include "tests/support/stage.h"

static void typed_text_is_saved_byte_for_byte(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "first\r\nsecond without end");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, "Gr\xc3\xbc\xc3\x9f" "e ");
    vt_expect(vt, "notes.md +");
    vt_expect(vt, "kept, ^S writes the file");
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved notes.md");
    vt_expect(vt, "in file");
    stage_expect_file(stage, "notes.md", "Gr\xc3\xbc\xc3\x9f" "e first\r\nsecond without end");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

/* More than anybody types between two looks at the terminal: `tmux send-keys`, or a paste where the terminal does not mark it. */
static void a_paste_without_marks_is_the_text_typed_and_one_undo_step(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "first\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    struct buf keys = {0}, text = {0};
    for (int i = 0; i < 60; i++) {
        buf_addf(&keys, "line %d of a paste that nobody marked, gr\xc3\xbc\xc3\x9f" "e\r", i);
        buf_addf(&text, "line %d of a paste that nobody marked, gr\xc3\xbc\xc3\x9f" "e\n", i);
    }
    buf_add_string(&text, "first\n");
    vt_type_bytes(vt, buf_view(&keys));
    vt_ctrl(vt, 's'); /* what follows the text comes after it */
    vt_expect(vt, "Saved notes.md: 61 lines.");
    stage_expect_file(stage, "notes.md", buf_string(&text));
    vt_ctrl(vt, 'z');
    vt_expect_row(vt, 0, "first");
    vt_ctrl(vt, 'z');
    vt_expect(vt, "No changes of yours left to undo.");
    buf_release(&keys);
    buf_release(&text);
    vt_signal(vt, SIGKILL);
    (void)vt_close(vt);
}

static void a_paste_without_marks_is_indented_as_typing_is_and_replaces_the_selection(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "  one two\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, VT_END VT_SHIFT_LEFT VT_SHIFT_LEFT VT_SHIFT_LEFT
            "three, and more than a person types at once\rfour, and more than a person types at once");
    vt_ctrl(vt, 's');
    stage_expect_file(stage, "notes.md", "  one three, and more than a person types at once\n"
                                         "  four, and more than a person types at once\n");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

static void opening_and_leaving_makes_nothing(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    assert_false(stage_exists(stage, "ada.state"));
    struct vt *other = stage_weft(stage, "ada", ARGS("new.md"));
    vt_expect(other, "new.md");
    vt_ctrl(other, 'q');
    assert_int_equal(vt_close(other), 0);
    assert_false(stage_exists(stage, "new.md"));
}

static void kill_9_loses_no_painted_key_and_keeps_cursor_and_undo(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, VT_DOWN VT_END " half-ty");
    vt_expect(vt, "two half-ty");
    vt_signal(vt, SIGKILL);
    assert_int_equal(vt_close(vt), 128 + SIGKILL);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "two half-ty");
    vt_expect(vt, "Restored");
    vt_expect_cursor(vt, 1, 11);
    vt_ctrl(vt, 'z');
    vt_ctrl(vt, 'z');
    vt_expect_row(vt, 1, "two");
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    char *file = stage_read(stage, "notes.md");
    assert_string_equal(file, "one\ntwo\n");
    free(file);
}

static void leaving_asks_what_is_to_become_of_unsaved_edits(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "a\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, "x");
    vt_expect(vt, "notes.md +");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "notes.md has 1 edit not in the file. [S]ave [K]eep for later [D]iscard Esc");
    vt_type(vt, VT_ESC);
    vt_expect_gone(vt, "[S]ave");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[K]eep");
    vt_type(vt, "k");
    assert_int_equal(vt_close(vt), 0);
    stage_expect_file(stage, "notes.md", "a\n");
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect_row(vt, 0, "xa");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[D]iscard");
    vt_type(vt, "d");
    assert_int_equal(vt_close(vt), 0);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect_row(vt, 0, "a");
    vt_expect(vt, "in file");
    vt_type(vt, "y");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[S]ave");
    vt_type(vt, "s");
    assert_int_equal(vt_close(vt), 0);
    stage_expect_file(stage, "notes.md", "ya\n");
}

static void a_name_typed_ahead_writes_over_nothing(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "a\n");
    stage_write(stage, "other.md", "other\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, "x");
    vt_expect(vt, "notes.md +");
    stage_write_to(vt, "other.md" VT_ENTER "play/y" VT_ENTER);
    vt_expect(vt, "Not saved: other.md is as it was.");
    stage_expect_file(stage, "other.md", "other\n");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[D]iscard");
    vt_type(vt, "a word with s, k and d"); /* answers nothing */
    vt_type(vt, VT_PASTE("d"));
    vt_type(vt, VT_ESC);
    vt_expect_gone(vt, "[D]iscard");
    vt_expect_row(vt, 0, "xa");
    stage_write_to(vt, "other.md" VT_ENTER);
    vt_expect(vt, "other.md exists. \"yes\" writes over it (a copy is kept as other.md~):");
    vt_type(vt, "yes" VT_ENTER);
    vt_expect(vt, "in file");
    stage_expect_file(stage, "other.md", "xa\n");
    stage_expect_file(stage, "other.md~", "other\n");
    stage_expect_file(stage, "notes.md", "a\n");
    vt_free(vt);
}

static bool no_selection(struct vt *vt, void *context)
{
    (void)context;
    return !vt_cell(vt, 0, 0).reverse && vt_cell(vt, 0, 0).bg == VT_DEFAULT_COLOUR;
}

static void keys_that_must_not_surprise(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'x');
    vt_expect(vt, "Nothing selected. ^K cuts the line, ^Q quits.");
    vt_ctrl(vt, 'c');
    vt_expect(vt, "Nothing selected. ^C copies a selection. To leave: ^Q. To stop a job: Esc.");
    vt_ctrl(vt, 'z');
    vt_expect(vt, "No changes of yours left to undo.");
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'k');
    vt_expect_row(vt, 0, "two");
    vt_ctrl(vt, 'u');
    vt_expect_row(vt, 0, "one");
    vt_ctrl(vt, 'g');
    vt_expect(vt, "Any key closes this");
    vt_type(vt, VT_ESC);
    vt_expect_gone(vt, "Any key closes this");
    vt_ctrl(vt, 'w');
    vt_expect(vt, "Find:");
    vt_type(vt, "two" VT_ENTER);
    vt_expect_cursor(vt, 1, 3);
    vt_type(vt, VT_ALT("g"));
    vt_expect(vt, "Go to line:");
    vt_type(vt, "1" VT_ENTER);
    vt_expect_cursor(vt, 0, 0);
    vt_type(vt, VT_SHIFT_RIGHT);
    vt_expect_cursor(vt, 0, 1);
    vt_type(vt, VT_ESC); /* lets go of the selection: seen, so that the next key is no Alt */
    vt_wait(vt, no_selection, NULL, VT_WAIT_MS);
    vt_type(vt, ":wq" VT_ENTER);
    vt_expect(vt, "vim keys? This is weft: ^S saves, ^Q quits.");
    vt_expect_row(vt, 0, "one");
    vt_type(vt, "x" VT_ESC ":q!" VT_ENTER "y"); /* so quickly that it comes as Alt+: */
    vt_expect_row(vt, 0, "oxyne");
    vt_type(vt, VT_BACKSPACE VT_BACKSPACE);
    vt_expect_row(vt, 0, "one");
    stage_write_to(vt, "nowhere/notes.md" VT_ENTER);
    vt_expect(vt, "Not saved: cannot use the directory");
    vt_ctrl(vt, 's');
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    stage_expect_file(stage, "notes.md", "one\ntwo\n");
}

static void tab_completes_the_name_of_a_file_that_is_asked_for(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\n");
    stage_write(stage, "plans.md", "of plans\n");
    stage_write(stage, "plans.txt", "of texts\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'o');
    vt_type(vt, "pl\t");
    vt_expect(vt, "Open file: plans.");
    vt_type(vt, "\t");
    vt_expect(vt, "plans.md   plans.txt");
    vt_type(vt, "x\t");
    vt_expect(vt, "No file's name begins so.");
    vt_type(vt, VT_BACKSPACE "t\t");
    vt_expect(vt, "Open file: plans.txt");
    vt_type(vt, VT_ENTER);
    vt_expect_row(vt, 0, "of texts");
    stage_write_to(vt, "no\t");
    vt_expect(vt, "Write to file: notes.md");
    vt_type(vt, VT_ESC);
    vt_expect_gone(vt, "Write to file:");
    vt_ctrl(vt, 'f'); /* where no file is asked for it does nothing */
    vt_type(vt, "pl\t!");
    vt_expect(vt, "Find: pl!");
    vt_type(vt, VT_ESC);
    vt_expect_gone(vt, "Find:");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

static void two_processes_on_one_file_meet_in_the_journal(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "middle\n");
    struct vt *a = stage_weft(stage, "ada", ARGS("notes.md"));
    struct vt *b = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_link(a, b);
    vt_expect(a, "in file");
    vt_expect(b, "in file");
    vt_type(a, "left ");
    vt_expect_row(a, 0, "left middle");
    vt_expect_row_has(b, 0, "left middle");
    vt_type(b, VT_END " right");
    vt_expect_row_has(a, 0, "left middle right");
    vt_ctrl(a, 'z');
    vt_expect_gone(b, "left");
    vt_ctrl(b, 's');
    vt_expect(b, "Saved notes.md");
    stage_expect_file(stage, "notes.md", "middle right\n");
    vt_ctrl(b, 'q');
    assert_int_equal(vt_close(b), 0);
    vt_free(a);
}

static void a_change_by_another_program_is_merged_once(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo\nthree\nfour\n");
    struct vt *a = stage_weft(stage, "ada", ARGS("notes.md"));
    struct vt *b = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_link(a, b);
    vt_expect(a, "in file");
    vt_expect(b, "in file");
    vt_type(a, "unsaved ");
    vt_expect_row_has(b, 0, "unsaved one");
    stage_write(stage, "notes.md", "one\ntwo\nTHREE changed\nfour\n");
    vt_expect(a, "THREE changed");
    vt_expect(b, "THREE changed");
    vt_expect_row_has(a, 0, "unsaved one");
    vt_expect_row(a, 3, "four");
    vt_expect_row(b, 3, "four");
    vt_ctrl(a, 's');
    vt_expect(a, "Saved notes.md");
    stage_expect_file(stage, "notes.md", "unsaved one\ntwo\nTHREE changed\nfour\n");
    vt_free(a);
    vt_free(b);
}

static void a_deleted_file_is_kept_and_written_again(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    char *path = NULL;
    assert_true(asprintf(&path, "%s/notes.md", stage_dir(stage)) > 0);
    unlink(path);
    free(path);
    vt_expect(vt, "notes.md was deleted on disk. The text is kept; ^S writes it again.");
    vt_expect_row(vt, 0, "text");
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved notes.md");
    stage_expect_file(stage, "notes.md", "text\n");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

static void a_private_buffer_leaves_nothing(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "secret.txt", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("--private", "secret.txt"));
    vt_expect(vt, "PRIVATE");
    vt_type(vt, "MARKER");
    vt_expect_row(vt, 0, "MARKERtext");
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved secret.txt");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    stage_expect_file(stage, "secret.txt", "MARKERtext\n");
    assert_false(stage_exists(stage, "ada.state/weft"));
}

/* Nothing of it is kept, so nothing may be offered that says so. */
static void a_private_buffer_is_saved_or_discarded_and_nothing_else(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "server.pem", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("server.pem"));
    vt_expect(vt, "PRIVATE");
    vt_type(vt, "MARKER");
    vt_expect_row(vt, 0, "MARKERtext");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "server.pem has 6 edits not in the file; PRIVATE: nothing is kept. [S]ave");
    vt_expect(vt, "[D]iscard Esc");
    vt_type(vt, "k"); /* no answer */
    vt_type(vt, VT_ESC);
    vt_expect_gone(vt, "[D]iscard Esc");
    vt_type(vt, "S");
    vt_expect_row(vt, 0, "MARKERStext");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[D]iscard Esc");
    vt_type(vt, "d");
    assert_int_equal(vt_close(vt), 0);
    stage_expect_file(stage, "server.pem", "text\n");
    assert_false(stage_exists(stage, "ada.state/weft"));
    vt = stage_weft(stage, "ada", ARGS("server.pem"));
    vt_expect(vt, "PRIVATE");
    vt_type(vt, "MARKER");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[D]iscard Esc");
    vt_type(vt, "s");
    assert_int_equal(vt_close(vt), 0);
    stage_expect_file(stage, "server.pem", "MARKERtext\n");
}

static void a_signal_says_what_a_private_buffer_loses(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "secret.txt", "text\n");
    struct vt *vt = stage_shell(stage, "ada", "exec \"$WEFT\" --private secret.txt 2> said");
    vt_expect(vt, "PRIVATE");
    vt_type(vt, "a");
    vt_expect_row(vt, 0, "atext");
    vt_signal(vt, SIGTERM);
    assert_int_equal(vt_close(vt), 128 + SIGTERM);
    stage_expect_file(stage, "said", "weft: secret.txt: 1 edit not in the file is lost; PRIVATE: nothing is kept.\n");
    stage_expect_file(stage, "secret.txt", "text\n");
}

static void a_narrow_window_shows_every_choice_and_whole_messages(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft_sized(stage, "ada", 10, 40, ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'c');
    vt_expect_row(vt, 7, "Nothing selected. ^C copies a selection.");
    vt_expect_row(vt, 8, "To leave: ^Q. To stop a job: Esc.");
    vt_type(vt, "x");
    vt_expect_row(vt, 7, "");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[S]ave [K]eep for later [D]iscard Esc");
    vt_type(vt, "d");
    assert_int_equal(vt_close(vt), 0);
    vt = stage_weft_sized(stage, "ada", 10, 40, ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'c');
    vt_type(vt, VT_F12);
    vt_expect_row(vt, 7, "       a job: Esc.");
    vt_free(vt);
}

static void finding_again_offers_the_last_words_and_typing_replaces_them(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo\nthree\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'f');
    vt_type(vt, "two" VT_ENTER);
    vt_expect_cursor(vt, 1, 3);
    vt_ctrl(vt, 'f');
    vt_expect(vt, "Find: two");
    vt_type(vt, "thr" VT_ENTER);
    vt_expect_cursor(vt, 2, 3);
    vt_ctrl(vt, 'c');
    vt_ctrl(vt, 'f');
    vt_ctrl(vt, 'v');
    vt_type(vt, "ee");
    vt_expect(vt, "Find: three");
    vt_free(vt);
}

static void every_size_of_window_is_usable(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft_sized(stage, "ada", 5, 20, ARGS("notes.md"));
    vt_expect(vt, "notes");
    vt_type(vt, "abc");
    vt_expect_row(vt, 0, "abctext");
    vt_resize(vt, 2, 4);
    vt_resize(vt, 30, 120);
    vt_expect(vt, "kept, ^S writes the file");
    vt_type(vt, VT_END "!");
    vt_expect_row(vt, 0, "abctext!");
    vt_free(vt);
}

static void what_a_person_gets_wrong_is_said_in_one_sentence(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("shrae", "notes.md"));
    assert_int_equal(result.status, 2);
    assert_string_equal(result.err, "weft: no file \"shrae\"; did you mean \"weft share\"? (weft -- shrae creates it)\n");
    result = stage_run(stage, "ada", NULL, ARGS("--bogus", "notes.md"));
    assert_int_equal(result.status, 2);
    assert_non_null(strstr(result.err, "unknown option --bogus"));
    result = stage_run(stage, "ada", NULL, ARGS("notes.md"));
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.err, "terminal"));
    char *dir = NULL;
    assert_true(asprintf(&dir, "%s/folder", stage_dir(stage)) > 0);
    mkdir(dir, 0755);
    free(dir);
    struct vt *vt = stage_weft(stage, "ada", ARGS("folder"));
    assert_int_equal(vt_close(vt), 2);
    assert_false(stage_exists(stage, "ada.state"));
}

static void hanging_up_keeps_the_text(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, "kept ");
    vt_expect_row(vt, 0, "kept text");
    vt_signal(vt, SIGTERM);
    assert_int_equal(vt_close(vt), 143);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect_row(vt, 0, "kept text");
    vt_hang_up(vt);
    assert_int_equal(vt_close(vt), 129);
}

/* Ada's index; `device` is the caller's to wipe. */
static struct doc_index *open_index(struct stage *stage, struct device *device)
{
    struct error err = {0};
    char *key = xformat("%s/ada.state/weft/device.key", stage_dir(stage));
    char *path = xformat("%s/ada.state/weft/index.db", stage_dir(stage));
    assert_true(device_load(key, device, &err));
    struct doc_index *index = doc_index_open(path, DOC_INDEX_CREATE, device, &err);
    if (!index)
        fail_msg("%s", err.text);
    free(key);
    free(path);
    return index;
}

static bool take_entry(void *self, const struct doc_entry *entry)
{
    doc_entry_copy(self, entry);
    return false;
}

/* When the only document was opened last; set to `set_s` where that is not 0. */
static uint64_t opened_s(struct stage *stage, uint64_t set_s)
{
    struct error err = {0};
    struct device device;
    struct doc_entry entry = {0};
    struct doc_index *index = open_index(stage, &device);
    assert_true(doc_index_recent(index, 1, take_entry, &entry, &err));
    uint64_t before_s = entry.opened_s;
    if (set_s)
        assert_true(doc_index_touch(index, &entry.doc, set_s, &err));
    doc_index_close(index);
    doc_entry_release(&entry);
    device_wipe(&device);
    return before_s;
}

/* "Keep for later" would be a lie there, so it is no choice; but nobody chose to be hung up on. */
static void a_short_lived_file_is_saved_or_discarded_and_kept_when_hung_up(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "COMMIT_EDITMSG", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("COMMIT_EDITMSG"));
    vt_expect(vt, "in file");
    vt_type(vt, "a ");
    vt_expect_row(vt, 0, "a text");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "COMMIT_EDITMSG has 2 edits not in the file. [S]ave [D]iscard Esc");
    vt_type(vt, "k"); /* no answer */
    vt_type(vt, VT_ESC);
    vt_expect_gone(vt, "[D]iscard Esc");
    vt_hang_up(vt);
    assert_int_equal(vt_close(vt), 129);
    vt = stage_weft(stage, "ada", ARGS("COMMIT_EDITMSG"));
    vt_expect(vt, "Restored 2 edits");
    vt_expect_row(vt, 0, "a text");
    vt_signal(vt, SIGTERM);
    assert_int_equal(vt_close(vt), 143);
    vt = stage_weft(stage, "ada", ARGS("COMMIT_EDITMSG"));
    vt_expect(vt, "Restored 2 edits");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[D]iscard Esc");
    vt_type(vt, "d");
    assert_int_equal(vt_close(vt), 0);
    assert_string_equal(stage_run(stage, "ada", NULL, ARGS("docs")).out, "");
    stage_expect_file(stage, "COMMIT_EDITMSG", "text\n");
}

/* Also from inside its directory, and when it is opened from another file. */
static void a_key_is_private_however_it_is_opened(void **state)
{
    struct stage *stage = *state;
    assert_int_equal(stage_script(stage, "ada", "mkdir .ssh; echo secret > .ssh/id_rsa; echo text > notes.md").status, 0);
    struct vt *vt = stage_shell(stage, "ada", "cd .ssh && exec \"$WEFT\" id_rsa");
    vt_expect(vt, "PRIVATE: not kept");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'o');
    vt_expect(vt, "Open");
    vt_type(vt, ".ssh/id_rsa" VT_ENTER);
    vt_expect(vt, "PRIVATE: not kept");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

static void looking_at_a_file_counts_as_opening_it(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "text\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, "x");
    vt_ctrl(vt, 's');
    vt_expect(vt, "Saved notes.md");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    uint64_t before_s = opened_s(stage, 1000000000);
    vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    assert_true(opened_s(stage, 0) >= before_s);
}

/* More than a checkpoint's worth of keys: the second opening loads it, the third one what came after it as well. */
static void a_long_history_opens_from_its_checkpoint_with_undo(void **state)
{
    struct stage *stage = *state;
    enum { LINES = 120 };
    stage_write(stage, "notes.md", "");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    for (int i = 0; i < LINES; i++) { /* seen line by line: all at once they were one edit */
        char place[16];
        vt_type(vt, "nine keys" VT_ENTER);
        snprintf(place, sizeof place, "Ln %d,", i + 2);
        vt_expect(vt, place);
    }
    for (int round = 0; round < 2; round++) {
        vt_ctrl(vt, 'q');
        vt_expect(vt, "[K]eep");
        vt_type(vt, "k");
        assert_int_equal(vt_close(vt), 0);
        vt = stage_weft(stage, "ada", ARGS("notes.md"));
        vt_expect(vt, "Ln 121");
        vt_type(vt, round == 0 ? "after " : "");
    }
    vt_expect(vt, "after");
    vt_ctrl(vt, 'z');
    vt_expect_gone(vt, "after");
    vt_ctrl(vt, 'z'); /* the last line's Enter, from before the checkpoint */
    vt_expect(vt, "Ln 120");
    vt_free(vt);
}

static void files_are_opened_at_the_place_that_is_named(void **state)
{
    static const struct {
        const char *args[4];
        int row, col;
    } openings[] = {
        {{"notes.md:2"}, 1, 0},   {{"notes.md:2:3"}, 1, 2}, {{"notes.md:2:3:"}, 1, 2}, {{"+3", "notes.md"}, 2, 0},
        {{"+3:2", "notes.md"}, 2, 1}, {{"--", "log"}, 1, 0},  {{"./log"}, 1, 0},         {{"notes.md:99"}, 3, 0},
    };
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one\ntwo\nthree\n");
    stage_write(stage, "log", "a file\nnamed like a verb to come\n");
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++) {
        struct vt *vt = stage_weft(stage, "ada", openings[i].args);
        bool is_log = strstr(openings[i].args[0], "log") || strcmp(openings[i].args[0], "--") == 0;
        vt_expect_row(vt, 0, is_log ? "a file" : "one");
        if (is_log)
            vt_type(vt, VT_DOWN);
        vt_expect_cursor(vt, openings[i].row, openings[i].col);
        vt_ctrl(vt, 'q');
        assert_int_equal(vt_close(vt), 0);
    }
}

static void a_dash_reads_standard_input(void **state)
{
    struct stage *stage = *state;
    char *home = xformat("HOME=%s/ada.home", stage_dir(stage));
    struct vt_program program = {.argv = {"sh", "-c", "printf 'from a pipe\\n' | " WEFT_PROGRAM " -"}, .env = {home},
                                 .dir = stage_dir(stage)};
    struct vt *vt = vt_spawn(&program);
    vt_expect_row(vt, 0, "from a pipe");
    vt_type(vt, "x");
    vt_expect_row(vt, 0, "xfrom a pipe");
    vt_ctrl(vt, 's');
    vt_type(vt, "piped.md" VT_ENTER);
    stage_expect_file(stage, "piped.md", "xfrom a pipe\n");
    vt_expect(vt, "Saved piped.md");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    free(home);
}

static void weft_alone_shows_six_keys_and_what_was_opened_before(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = stage_weft(stage, "ada", (const char *[]){NULL});
    vt_expect(vt, "^S save  ^Q quit  ^Z undo mine  ^F find  ^O open  ^G or F1 help");
    vt_expect(vt, "new buffer          empty ");
    assert_false(stage_exists(stage, "ada.state"));
    vt_type(vt, "no file yet");
    vt_expect_row(vt, 0, "no file yet");
    vt_expect_gone(vt, "^S save");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[K]eep for later");
    vt_type(vt, "k");
    assert_int_equal(vt_close(vt), 0);
    stage_write(stage, "notes.md", "one\n");
    vt = stage_weft(stage, "ada", (const char *[]){"notes.md", NULL});
    vt_type(vt, "x");
    vt_expect_row(vt, 0, "xone");
    vt_ctrl(vt, 'q');
    vt_type(vt, "k");
    assert_int_equal(vt_close(vt), 0);
    vt = stage_weft_sized(stage, "ada", 24, 120, (const char *[]){NULL});
    vt_expect(vt, "/notes.md");
    vt_expect(vt, "new buffer");
    vt_expect(vt, "^O with 1 opens the first of them again. weft docs lists all that is kept.");
    int row, col;
    assert_true(vt_find(vt, "[2]", &row, &col)); /* both were opened in one second: either may be first */
    bool buffer_second = strstr(vt_row(vt, row), "new buffer") != NULL;
    vt_ctrl(vt, 'o');
    vt_type(vt, buffer_second ? "[2]" VT_ENTER : "[1]" VT_ENTER);
    vt_expect_row(vt, 0, "no file yet");
    vt_ctrl(vt, 'o');
    vt_type(vt, buffer_second ? "1" VT_ENTER : "2" VT_ENTER); /* no file has that name */
    vt_expect_row(vt, 0, "xone");
    vt_free(vt);
}

static void of_a_long_path_the_start_shows_the_end(void **state)
{
    struct stage *stage = *state;
    char *folder = xformat("%s/a-folder-whose-name-is-as-long-as-this", stage_dir(stage));
    assert_int_equal(mkdir(folder, 0700), 0);
    stage_write(stage, "a-folder-whose-name-is-as-long-as-this/notes.md", "one\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("a-folder-whose-name-is-as-long-as-this/notes.md"));
    vt_expect_row(vt, 0, "one");
    vt_type(vt, "x");
    vt_expect_row(vt, 0, "xone");
    vt_ctrl(vt, 'q');
    vt_expect(vt, "[K]eep for later");
    vt_type(vt, "k");
    assert_int_equal(vt_close(vt), 0);
    vt = stage_weft(stage, "ada", (const char *[]){NULL});
    vt_expect(vt, "  .../a-folder-whose-name-is-as-long-as-this/notes.md");
    vt_free(vt);
    free(folder);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(typed_text_is_saved_byte_for_byte),
        TEST(a_paste_without_marks_is_the_text_typed_and_one_undo_step),
        TEST(a_paste_without_marks_is_indented_as_typing_is_and_replaces_the_selection),
        TEST(opening_and_leaving_makes_nothing),
        TEST(kill_9_loses_no_painted_key_and_keeps_cursor_and_undo),
        TEST(leaving_asks_what_is_to_become_of_unsaved_edits),
        TEST(a_name_typed_ahead_writes_over_nothing),
        TEST(keys_that_must_not_surprise),
        TEST(tab_completes_the_name_of_a_file_that_is_asked_for),
        TEST(two_processes_on_one_file_meet_in_the_journal),
        TEST(a_change_by_another_program_is_merged_once),
        TEST(a_deleted_file_is_kept_and_written_again),
        TEST(a_private_buffer_leaves_nothing),
        TEST(a_private_buffer_is_saved_or_discarded_and_nothing_else),
        TEST(a_signal_says_what_a_private_buffer_loses),
        TEST(a_narrow_window_shows_every_choice_and_whole_messages),
        TEST(finding_again_offers_the_last_words_and_typing_replaces_them),
        TEST(every_size_of_window_is_usable),
        TEST(what_a_person_gets_wrong_is_said_in_one_sentence),
        TEST(hanging_up_keeps_the_text),
        TEST(a_short_lived_file_is_saved_or_discarded_and_kept_when_hung_up),
        TEST(a_key_is_private_however_it_is_opened),
        TEST(looking_at_a_file_counts_as_opening_it),
        TEST(a_long_history_opens_from_its_checkpoint_with_undo),
        TEST(files_are_opened_at_the_place_that_is_named),
        TEST(a_dash_reads_standard_input),
        TEST(weft_alone_shows_six_keys_and_what_was_opened_before),
        TEST(of_a_long_path_the_start_shows_the_end),
    };
    return RUN_TESTS("editor", tests);
}
