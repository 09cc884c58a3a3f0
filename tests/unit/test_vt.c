/* The harness of end-to-end tests, tried on small programs everybody has. */
#include "tests/support/support.h"

#include <stdio.h>

#include "tests/support/vt.h"

static struct vt *shell(const char *script)
{
    return vt_spawn(
        &(struct vt_program){.argv = {"sh", "-c", script}, .env = {"GREETING=hello"}, .rows = 6, .cols = 30});
}

static void a_program_is_seen_and_its_status_returned(void **state)
{
    (void)state;
    struct vt *vt = shell("echo \"$GREETING $TERM\"; exit 7");
    vt_expect_row(vt, 0, "hello xterm-256color");
    assert_int_equal(vt_close(vt), 7);
}

static void typed_keys_reach_the_program(void **state)
{
    (void)state;
    struct vt *vt = shell("read line; echo \"<$line>\"");
    vt_type(vt, "abc" VT_ENTER);
    vt_expect(vt, "<abc>");
    assert_int_equal(vt_close(vt), 0);
}

static void the_terminal_answers_what_it_is_asked(void **state)
{
    (void)state;
    struct vt *vt = shell("stty raw -echo; printf '\\033[6n'; head -c 6 | tr '\\033' E; stty sane");
    vt_expect(vt, "E[1;1R");
    vt_free(vt);
}

static void cells_have_colours_and_places(void **state)
{
    (void)state;
    struct vt *vt = shell("printf '\\033[1;31;42mx\\033[0m\\344\\270\\226y\\033[?25l'; read line");
    int row = 0;
    int col = 0;
    vt_expect(vt, "y");
    assert_true(vt_find(vt, "y", &row, &col));
    assert_int_equal(col, 3);
    struct vt_cell cell = vt_cell(vt, 0, 0);
    assert_true(cell.bold);
    assert_int_equal(cell.fg, 1);
    assert_int_equal(cell.bg, 2);
    assert_int_equal(vt_cell(vt, 0, 1).width, 2);
    assert_int_equal(vt_cell(vt, 0, 4).fg, VT_DEFAULT_COLOUR);
    assert_false(vt_cursor_visible(vt));
    vt_free(vt);
}

static void a_resize_is_told_to_the_program(void **state)
{
    (void)state;
    struct vt *vt = shell("trap 'stty size; exit' WINCH; echo ready; while :; do read line; done");
    vt_expect(vt, "ready");
    vt_resize(vt, 10, 50);
    vt_type(vt, VT_ENTER); /* wakes a shell that restarts its read */
    vt_expect(vt, "10 50");
    vt_free(vt);
}

static void a_closed_window_hangs_the_program_up(void **state)
{
    (void)state;
    struct vt *vt = shell("trap 'exit 3' HUP; echo ready; while :; do read line || sleep 0.01; done");
    vt_expect(vt, "ready");
    vt_hang_up(vt);
    assert_int_equal(vt_close(vt), 3);
}

static void linked_programs_are_read_together(void **state)
{
    (void)state;
    struct vt *busy = shell("i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done; read line");
    struct vt *other = shell("read line");
    vt_link(busy, other);
    vt_wait_text(other, "never", 100);
    vt_expect(busy, "2999");
    vt_free(busy);
    vt_free(other);
}

static void a_terminal_without_a_program_serves_this_process(void **state)
{
    (void)state;
    struct vt *vt = vt_open(5, 20);
    dprintf(vt_tty(vt), "\x1b]2;name\x07here");
    vt_expect_row(vt, 0, "here");
    assert_string_equal(vt_title(vt), "name");
    assert_true(vt_output_has(vt, "\x1b]2;"));
    vt_expect_cursor(vt, 0, 4);
    vt_free(vt);
}

/* Both have been written when the test first looks: a busy machine does that to it. */
static void what_was_there_for_a_moment_was_seen(void **state)
{
    (void)state;
    struct vt *vt = vt_open(5, 20);
    dprintf(vt_tty(vt), "a moment\x1b]2;%0200d\x07\x1b[H\x1b[Jlater", 0);
    vt_expect(vt, "a moment");
    assert_string_equal(vt_row(vt, 0), "later"); /* all that was written has been taken in */
    assert_false(vt_wait_text(vt, "a moment", 0));
    vt_free(vt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_seen_and_its_status_returned),
        cmocka_unit_test(typed_keys_reach_the_program),
        cmocka_unit_test(the_terminal_answers_what_it_is_asked),
        cmocka_unit_test(cells_have_colours_and_places),
        cmocka_unit_test(a_resize_is_told_to_the_program),
        cmocka_unit_test(a_closed_window_hangs_the_program_up),
        cmocka_unit_test(linked_programs_are_read_together),
        cmocka_unit_test(a_terminal_without_a_program_serves_this_process),
        cmocka_unit_test(what_was_there_for_a_moment_was_seen),
    };
    return RUN_TESTS("vt", tests);
}
