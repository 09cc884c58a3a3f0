/* Frames on real terminals: what libvterm sees, and which bytes went out. */
#include "tests/support/support.h"

#include <string.h>
#include <unistd.h>

#include "tests/support/vt.h"
#include "ui/term.h"

/* newterm() of ncurses 6.4 keeps 1.6 KB when it fails, once: the price of asking it whether it knows a terminal. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) // NOLINT(bugprone-reserved-identifier)
{
    return "leak:new_prescr\n";
}

struct rig {
    struct vt *vt;
    struct term *term;
    struct frame frame;
};

static struct rig rig_open(const char *type, int rows, int cols, bool no_colour)
{
    struct rig rig = {.vt = vt_open(rows, cols)};
    struct error err = {0};
    struct term_options options = {.fd = dup(vt_tty(rig.vt)), .type = type, .no_colour = no_colour, .mouse = true};
    rig.term = term_open(&options, &err);
    assert_string_equal(err.text, "");
    assert_non_null(rig.term);
    frame_reset(&rig.frame, rows, cols);
    return rig;
}

static bool all_is_written(struct vt *vt, void *context)
{
    (void)vt;
    return term_flush(context) != TERM_PENDING;
}

static void rig_show(struct rig *rig)
{
    term_draw(rig->term, &rig->frame);
    assert_true(vt_wait(rig->vt, all_is_written, rig->term, VT_WAIT_MS));
    vt_pump(rig->vt);
}

static void rig_put(struct rig *rig, int row, int col, const char *text, struct style style)
{
    frame_string(&rig->frame, (struct place){row, col, rig->frame.cols}, text, style);
}

static void rig_close(struct rig *rig)
{
    term_close(rig->term);
    frame_release(&rig->frame);
    vt_free(rig->vt);
}

static const struct style PLAIN = {INK_DEFAULT, INK_DEFAULT, 0};

static void a_frame_reaches_the_screen(void **state)
{
    (void)state;
    struct rig rig = rig_open("xterm-256color", 5, 20, false);
    rig_put(&rig, 0, 0, "hello", PLAIN);
    rig_put(&rig, 4, 15, "right", PLAIN);
    rig.frame.cursor.visible = true;
    rig.frame.cursor.row = 0;
    rig.frame.cursor.col = 5;
    rig_show(&rig);
    vt_expect_row(rig.vt, 0, "hello");
    vt_expect_row(rig.vt, 4, "               right");
    vt_expect_cursor(rig.vt, 0, 5);
    assert_true(vt_cursor_visible(rig.vt));
    assert_true(vt_alternate_screen(rig.vt));
    assert_true(vt_mouse_on(rig.vt));
    rig_close(&rig);
}

static void a_key_costs_a_byte(void **state)
{
    (void)state;
    struct rig rig = rig_open("xterm-256color", 5, 40, false);
    rig.frame.cursor.visible = true;
    rig_put(&rig, 0, 0, "hello", PLAIN);
    rig.frame.cursor.col = 5;
    rig_show(&rig);
    uint64_t before = term_bytes_written(rig.term);
    rig_put(&rig, 0, 5, "x", PLAIN);
    rig.frame.cursor.col = 6;
    rig_show(&rig);
    assert_true(term_bytes_written(rig.term) - before <= 2);
    vt_expect_row(rig.vt, 0, "hellox");
    before = term_bytes_written(rig.term);
    rig_show(&rig);
    assert_true(term_bytes_written(rig.term) == before);
    rig_close(&rig);
}

static void drawing_writes_nothing_before_the_flush(void **state)
{
    (void)state;
    struct rig rig = rig_open("xterm-256color", 5, 40, false);
    assert_int_equal(term_flush(rig.term), TERM_FLUSHED);
    vt_pump(rig.vt);
    vt_forget_output(rig.vt);
    rig_put(&rig, 0, 0, "later", PLAIN);
    term_draw(rig.term, &rig.frame);
    vt_pump(rig.vt);
    assert_int_equal(vt_output(rig.vt).len, 0);
    assert_int_equal(term_flush(rig.term), TERM_FLUSHED);
    vt_expect_row(rig.vt, 0, "later");
    rig_close(&rig);
}

static void colours_are_what_the_terminal_has(void **state)
{
    (void)state;
    struct style peer = {INK_PEER_TEXT, INK_PEER, 0};
    struct rig rig = rig_open("xterm-256color", 3, 20, false);
    rig_put(&rig, 0, 0, "x", peer);
    rig_put(&rig, 0, 1, "y", (struct style){INK_DEFAULT, INK_DEFAULT, ATTR_BOLD | ATTR_UNDERLINE | ATTR_REVERSE});
    rig_show(&rig);
    assert_int_equal(vt_cell(rig.vt, 0, 0).bg, theme_256(theme_dark()->inks[INK_PEER]));
    assert_int_equal(vt_cell(rig.vt, 0, 2).bg, VT_DEFAULT_COLOUR);
    struct vt_cell strong = vt_cell(rig.vt, 0, 1);
    assert_true(strong.bold && strong.underline && strong.reverse);
    rig_close(&rig);

    static const char *const eight[] = {"linux", "screen", "tmux", "xterm"};
    for (size_t i = 0; i < sizeof eight / sizeof *eight; i++) {
        rig = rig_open(eight[i], 3, 20, false);
        assert_int_equal(term_colours(rig.term), 8);
        rig_put(&rig, 0, 0, "x", peer);
        rig_put(&rig, 0, 1, "y", (struct style){INK_DEFAULT, INK_TINT, 0});
        rig_show(&rig);
        assert_int_equal(vt_cell(rig.vt, 0, 0).bg, theme_dark()->inks[INK_PEER].ansi);
        assert_int_equal(vt_cell(rig.vt, 0, 1).fg, 0); /* black on yellow, not white */
        rig_close(&rig);
    }
}

static void without_colours_backgrounds_are_reverse(void **state)
{
    (void)state;
    struct rig rig = rig_open("xterm-256color", 3, 20, true);
    assert_int_equal(term_colours(rig.term), 0);
    rig_put(&rig, 0, 0, "x", (struct style){INK_PEER_TEXT, INK_PEER, 0});
    rig_put(&rig, 0, 1, "y", (struct style){INK_DEFAULT, INK_TINT, 0});
    rig_show(&rig);
    assert_true(vt_cell(rig.vt, 0, 0).reverse);
    assert_true(vt_cell(rig.vt, 0, 1).underline);
    assert_int_equal(vt_cell(rig.vt, 0, 0).bg, VT_DEFAULT_COLOUR);
    rig_close(&rig);
    rig = rig_open("vt100", 3, 20, false);
    rig_put(&rig, 0, 0, "plain", PLAIN);
    rig_show(&rig);
    vt_expect_row(rig.vt, 0, "plain");
    rig_close(&rig);
}

static void wide_and_combining_characters_keep_their_columns(void **state)
{
    (void)state;
    struct rig rig = rig_open("xterm-256color", 3, 20, false);
    rig_put(&rig, 0, 0, "\xe4\xb8\x96" "e\xcc\x81" "|", PLAIN);
    rig_show(&rig);
    vt_expect_row(rig.vt, 0, "\xe4\xb8\x96" "e\xcc\x81" "|");
    rig_put(&rig, 0, 0, "ab", PLAIN);
    rig_show(&rig);
    vt_expect_row(rig.vt, 0, "abe\xcc\x81" "|");
    rig_put(&rig, 0, 1, "\xe4\xb8\x96", PLAIN);
    rig_show(&rig);
    vt_expect_row(rig.vt, 0, "a\xe4\xb8\x96" "|");
    rig_close(&rig);
}

/* What curses cannot carry is drawn as a stand-in of the same width: what follows stays in its column. */
static void clusters_beyond_curses_never_shift_what_follows(void **state)
{
    (void)state;
    static const char *const clusters[] = {
        "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", /* a family */
        "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbb",                                         /* skin tone */
        "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa",                                         /* a flag */
        "\xe2\x9d\xa4\xef\xb8\x8f",                                                 /* selector 16 */
        "\xf0\x9f\xab\xa9",                                                         /* newer than the C library */
        "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab",                                     /* Hangul in parts */
        "\xe0\xa4\x95\xe0\xa4\xbf",                                                 /* letter and spacing mark */
        "Z\xcc\x80\xcc\x81\xcc\x82\xcc\x83\xcc\x84\xcc\x85\xcc\x86",                /* more marks than fit */
    };
    for (size_t i = 0; i < sizeof clusters / sizeof *clusters; i++) {
        struct rig rig = rig_open("xterm-256color", 3, 20, false);
        rig_put(&rig, 0, 0, clusters[i], PLAIN);
        rig_put(&rig, 0, 2, "|end", PLAIN);
        rig_show(&rig);
        int row = 0;
        int col = 0;
        assert_true(vt_find(rig.vt, "|end", &row, &col));
        assert_int_equal(col, 2);
        rig_close(&rig);
    }
}

/* After ESC only what we or terminfo send: CSI ... letter, OSC 52 and 2, charset choices, keypad modes. */
static size_t sequence_len(const unsigned char *at, size_t left)
{
    size_t len = 2;
    if (left < 3)
        return 0;
    if (at[1] == '[') {
        while (len < left && (at[len] < 0x40 || at[len] > 0x7e))
            len++;
        return len < left && strchr("ABCDHJKLMPXdfhlmqrtG@bu", at[len]) ? len + 1 : 0;
    }
    if (at[1] == '(' || at[1] == ')')
        return 3;
    return at[1] && strchr("=>78M", at[1]) ? 2 : 0;
}

static void expect_only_known_sequences(struct bytes out)
{
    for (size_t at = 0; at < out.len;) {
        unsigned char byte = out.data[at];
        if (byte == 0x1b) {
            size_t len = sequence_len(out.data + at, out.len - at);
            assert_true(len > 0);
            at += len;
            /* In linux and screen the end of attributes is also the first charset: `CSI m SI`. */
            at += at < out.len && out.data[at - 1] == 'm' && out.data[at] == 0x0f;
            continue;
        }
        assert_true(byte >= 0x20 || byte == '\r' || byte == '\n' || byte == '\b' || byte == '\t');
        assert_true(byte != 0x7f);
        assert_false(byte == 0xc2 && at + 1 < out.len && out.data[at + 1] < 0xa0); /* C1 as UTF-8 */
        at++;
    }
}

static void hostile_text_reaches_no_terminal(void **state)
{
    (void)state;
    static const char *const hostile[] = {
        "\x1b]52;c;aGFja2Vk\x07", "\x1b]0;title\x07",   "\x1b[2J\x1b[H", "\x1bP+q\x1b\\", "\x9b" "2J", "\xc2\x9b" "2J",
        "\xe2\x80\xae" "evil",    "\x07\x08\x0c\x0e\x0f", "\x1b" "c",      "\x7f\r\n\t",     "\xff\xfe", "\xe2\x80\x8b",
    };
    static const char *const types[] = {"xterm-256color", "linux", "screen", "tmux"};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        struct rig rig = rig_open(types[t], 14, 60, false);
        rig_show(&rig);
        vt_forget_output(rig.vt);
        for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
            rig_put(&rig, (int)i, 0, hostile[i], PLAIN);
        rig_show(&rig);
        expect_only_known_sequences(vt_output(rig.vt));
        assert_false(vt_output_has(rig.vt, "\x1b]"));
        assert_false(vt_output_has(rig.vt, "\x1bP"));
        assert_false(vt_output_has(rig.vt, "\xe2\x80\xae"));
        vt_expect_row(rig.vt, 0, "^[]52;c;aGFja2Vk^G");
        vt_expect_row(rig.vt, 2, "^[[2J^[[H");
        vt_expect_row(rig.vt, 4, "<9B>2J");
        vt_expect_row(rig.vt, 6, "<U+202E>evil");
        rig_close(&rig);
    }
}

/* A frame made by a bug: the terminal side has a lock of its own. */
static void a_cell_with_a_control_in_it_is_drawn_as_a_question_mark(void **state)
{
    (void)state;
    struct rig rig = rig_open("xterm-256color", 3, 20, false);
    rig_show(&rig);
    vt_forget_output(rig.vt);
    rig.frame.cells[0] = (struct cell){.text = "\x1b", .len = 1, .width = 1};
    rig.frame.cells[1] = (struct cell){.text = "\xc2\x9b", .len = 2, .width = 1};
    rig.frame.cells[2] = (struct cell){.text = "\xff", .len = 1, .width = 1};
    rig_show(&rig);
    expect_only_known_sequences(vt_output(rig.vt));
    vt_expect_row(rig.vt, 0, "???");
    rig_close(&rig);
}

static void the_clipboard_gets_base64(void **state)
{
    (void)state;
    struct rig rig = rig_open("xterm-256color", 3, 20, false);
    assert_true(term_copy(rig.term, bytes_of_string("hello")));
    assert_true(term_copy(rig.term, bytes_of_string("hell")));
    assert_true(term_copy(rig.term, bytes_of_string("hel")));
    rig_show(&rig);
    assert_true(vt_output_has(rig.vt, "\x1b]52;c;aGVsbG8=\x07"));
    assert_true(vt_output_has(rig.vt, "\x1b]52;c;aGVsbA==\x07"));
    assert_true(vt_output_has(rig.vt, "\x1b]52;c;aGVs\x07"));
    rig_close(&rig);
    rig = rig_open("linux", 3, 20, false);
    assert_false(term_copy(rig.term, bytes_of_string("hello")));
    rig_close(&rig);
}

static void the_title_is_made_safe(void **state)
{
    (void)state;
    struct rig rig = rig_open("xterm-256color", 3, 20, false);
    term_title(rig.term, "a\x07" "b\x1b");
    rig_show(&rig);
    assert_string_equal(vt_title(rig.vt), "a^Gb^[");
    rig_close(&rig);
}

static void closing_gives_the_terminal_back(void **state)
{
    (void)state;
    struct rig rig = rig_open("xterm-256color", 5, 20, false);
    rig_put(&rig, 0, 0, "secret", PLAIN);
    rig_show(&rig);
    term_close(rig.term);
    vt_pump(rig.vt);
    assert_false(vt_alternate_screen(rig.vt));
    assert_false(vt_mouse_on(rig.vt));
    assert_true(vt_cursor_visible(rig.vt));
    assert_true(vt_output_has(rig.vt, "\x1b[?2004l"));
    assert_true(vt_output_has(rig.vt, "\x1b[?1004l"));
    assert_false(vt_find(rig.vt, "secret", NULL, NULL));
    frame_release(&rig.frame);
    vt_free(rig.vt);

    rig = rig_open("linux", 5, 20, false); /* no second screen: what was seen is wiped */
    rig_put(&rig, 0, 0, "secret", PLAIN);
    rig_show(&rig);
    vt_expect_row(rig.vt, 0, "secret");
    term_close(rig.term);
    vt_pump(rig.vt);
    assert_false(vt_find(rig.vt, "secret", NULL, NULL));
    frame_release(&rig.frame);
    vt_free(rig.vt);
}

static void an_emergency_restore_is_enough(void **state)
{
    (void)state;
    struct rig rig = rig_open("xterm-256color", 5, 20, false);
    rig_put(&rig, 0, 0, "secret", PLAIN);
    rig_show(&rig);
    term_restore_now(rig.term);
    vt_pump(rig.vt);
    assert_false(vt_alternate_screen(rig.vt));
    assert_false(vt_mouse_on(rig.vt));
    assert_true(vt_cursor_visible(rig.vt));
    rig_close(&rig);
}

static void after_a_suspension_the_screen_is_drawn_anew(void **state)
{
    (void)state;
    struct rig rig = rig_open("xterm-256color", 5, 20, false);
    rig_put(&rig, 0, 0, "text", PLAIN);
    rig_show(&rig);
    term_suspend(rig.term);
    vt_pump(rig.vt);
    assert_false(vt_alternate_screen(rig.vt));
    term_resume(rig.term);
    rig_show(&rig);
    assert_true(vt_alternate_screen(rig.vt));
    assert_true(vt_mouse_on(rig.vt));
    vt_expect_row(rig.vt, 0, "text");
    rig_close(&rig);
}

static void the_window_may_change_its_size(void **state)
{
    (void)state;
    struct rig rig = rig_open("xterm-256color", 5, 20, false);
    rig_put(&rig, 4, 0, "last", PLAIN);
    rig_show(&rig);
    static const int sizes[][2] = {{10, 40}, {1, 1}, {5, 20}, {3, 200}, {60, 3}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int rows = sizes[i][0];
        vt_resize(rig.vt, rows, sizes[i][1]);
        assert_true(term_resize(rig.term));
        assert_false(term_resize(rig.term));
        assert_int_equal(term_rows(rig.term), rows);
        frame_reset(&rig.frame, rows, sizes[i][1]);
        rig_put(&rig, rows - 1, 0, "x", PLAIN);
        rig_show(&rig);
        vt_expect_row(rig.vt, rows - 1, "x");
    }
    rig_close(&rig);
}

static void an_unknown_terminal_is_taken_for_xterm(void **state)
{
    (void)state;
    static const char *const types[] = {"no-such-terminal", "", NULL};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct rig rig = rig_open(types[i], 3, 20, false);
        assert_int_equal(term_colours(rig.term), 256);
        rig_put(&rig, 0, 0, "x", PLAIN);
        rig_show(&rig);
        vt_expect_row(rig.vt, 0, "x");
        rig_close(&rig);
    }
}

static void a_terminal_that_cannot_is_refused_with_a_sentence(void **state)
{
    (void)state;
    struct vt *vt = vt_open(3, 20);
    struct error err = {0};
    assert_null(term_open(&(struct term_options){.fd = dup(vt_tty(vt)), .type = "dumb"}, &err));
    assert_non_null(strstr(err.text, "cannot place its cursor"));
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_null(term_open(&(struct term_options){.fd = fds[0]}, &err));
    assert_non_null(strstr(err.text, "no terminal"));
    close(fds[1]);
    vt_free(vt);
}

static void a_terminal_that_does_not_read_never_blocks_us(void **state)
{
    (void)state;
    struct rig rig = rig_open("xterm-256color", 50, 200, false);
    bool pending = false;
    for (int round = 0; round < 20 && !pending; round++) {
        char line[256];
        memset(line, 'a' + round, sizeof line - 1);
        line[sizeof line - 1] = '\0';
        for (int row = 0; row < 50; row++)
            rig_put(&rig, row, 0, line, PLAIN);
        term_draw(rig.term, &rig.frame);
        pending = term_flush(rig.term) == TERM_PENDING;
    }
    assert_true(pending);
    assert_true(vt_wait(rig.vt, all_is_written, rig.term, VT_WAIT_MS));
    vt_pump(rig.vt);
    assert_true(vt_output_has(rig.vt, "\x1b[?2026h"));
    rig_close(&rig);
}

static void a_random_walk_of_frames_ends_where_the_last_one_says(void **state)
{
    (void)state;
    uint64_t seed = support_seed("a_random_walk_of_frames_ends_where_the_last_one_says", 3);
    static const char *const bits[] = {"a", "bc ", "\xe4\xb8\x96", "e\xcc\x81", "    ", "\x1b", "\xf0\x9f\x91\x8d"};
    struct rig rig = rig_open("xterm-256color", 6, 24, false);
    struct buf golden = {0};
    for (uint64_t round = 0; round < support_rounds(300); round++) {
        for (int i = 0; i < 4; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            struct style style = {INK_DEFAULT, (uint8_t)(seed >> 40 & 1 ? INK_TINT : INK_DEFAULT), 0};
            /* The last two columns stay free of marks: libvterm 0.1.4 puts a mark behind the last cell on the next row.
             */
            int row = (int)(seed >> 33 & 0xff) % 6;
            int col = (int)(seed >> 45 & 0xff) % 22;
            rig_put(&rig, row, col, bits[(seed >> 57) % 7], style);
        }
        rig_show(&rig);
        buf_clear(&golden);
        frame_print(&rig.frame, &golden);
        assert_string_equal(vt_screen(rig.vt), buf_string(&golden));
    }
    buf_release(&golden);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_reaches_the_screen),
        cmocka_unit_test(a_key_costs_a_byte),
        cmocka_unit_test(drawing_writes_nothing_before_the_flush),
        cmocka_unit_test(colours_are_what_the_terminal_has),
        cmocka_unit_test(without_colours_backgrounds_are_reverse),
        cmocka_unit_test(wide_and_combining_characters_keep_their_columns),
        cmocka_unit_test(clusters_beyond_curses_never_shift_what_follows),
        cmocka_unit_test(hostile_text_reaches_no_terminal),
        cmocka_unit_test(a_cell_with_a_control_in_it_is_drawn_as_a_question_mark),
        cmocka_unit_test(the_clipboard_gets_base64),
        cmocka_unit_test(the_title_is_made_safe),
        cmocka_unit_test(closing_gives_the_terminal_back),
        cmocka_unit_test(an_emergency_restore_is_enough),
        cmocka_unit_test(after_a_suspension_the_screen_is_drawn_anew),
        cmocka_unit_test(the_window_may_change_its_size),
        cmocka_unit_test(an_unknown_terminal_is_taken_for_xterm),
        cmocka_unit_test(a_terminal_that_cannot_is_refused_with_a_sentence),
        cmocka_unit_test(a_terminal_that_does_not_read_never_blocks_us),
        cmocka_unit_test(a_random_walk_of_frames_ends_where_the_last_one_says),
    };
    return RUN_TESTS("term", tests);
}
