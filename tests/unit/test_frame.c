/* What a screen should look like: frames of cells, the colours they are drawn with, and lines broken at their width. */
#include "tests/support/support.h"

#include <string.h>

#include "ui/frame.h"
#include "ui/theme.h"
#include "ui/wrap.h"

static const struct style plain = {INK_DEFAULT, INK_DEFAULT, 0}, dim = {INK_DIM, INK_SELECTION, ATTR_UNDERLINE};

#define WIDE "\xe7\xb9\x94" /* two cells */

static char letter(struct style style)
{
    if (style.fg == INK_UNSAFE)
        return '!';
    return style.bg == INK_SELECTION ? '#' : style.fg == INK_DIM ? ':' : ' ';
}

static void expect_frame(const struct frame *frame, const char *golden)
{
    struct buf out = {0};
    frame_print(frame, &out);
    assert_string_equal(buf_string(&out), golden);
    buf_release(&out);
}

static void expect_styles(const struct frame *frame, const char *golden)
{
    struct buf out = {0};
    frame_print_styles(frame, letter, &out);
    assert_string_equal(buf_string(&out), golden);
    buf_release(&out);
}

/* --- life --- */

static void a_reset_frame_is_blank_whatever_it_was(void **state)
{
    (void)state;
    struct frame frame = {0};
    frame_reset(&frame, 2, 3);
    frame_string(&frame, (struct place){0, 0, 3}, "abc", dim);
    frame.cursor.row = 1;
    frame.cursor.visible = true;
    frame_reset(&frame, 2, 3);
    expect_styles(&frame, "\n\n");
    assert_false(frame.cursor.visible);
    assert_int_equal(frame.cursor.row, 0);
    frame_reset(&frame, 0, 0);
    expect_frame(&frame, "");
    assert_int_equal(frame_string(&frame, (struct place){0, 0, 3}, "abc", plain), 0);
    frame_reset(&frame, 1, FRAME_SIDE_MAX);
    assert_int_equal(frame_row(&frame, 0)[FRAME_SIDE_MAX - 1].width, 1);
    frame_release(&frame);
    assert_null(frame.cells);
}

static void a_copy_has_the_same_cells_and_cursor_and_is_its_own(void **state)
{
    (void)state;
    struct frame frame = {0}, copy = {0};
    frame_reset(&copy, 5, 5);
    frame_reset(&frame, 1, 4);
    frame_string(&frame, (struct place){0, 0, 4}, "a" WIDE, dim);
    frame.cursor.col = 3;
    frame_copy(&copy, &frame);
    for (int col = 0; col < 4; col++)
        assert_true(cell_equal(&frame_row(&frame, 0)[col], &frame_row(&copy, 0)[col]));
    assert_int_equal(copy.rows, 1);
    assert_int_equal(copy.cursor.col, 3);
    frame_string(&frame, (struct place){0, 0, 4}, "x", plain);
    expect_frame(&copy, "a" WIDE "\n");
    assert_false(cell_equal(&frame_row(&frame, 0)[0], &frame_row(&copy, 0)[0]));
    frame_release(&frame);
    frame_release(&copy);
}

/* --- text --- */

static void what_does_not_fit_is_clipped(void **state)
{
    (void)state;
    struct frame frame = {0};
    frame_reset(&frame, 2, 6);
    assert_int_equal(frame_string(&frame, (struct place){0, 2, 5}, "abcdef", plain), 5);
    assert_int_equal(frame_string(&frame, (struct place){1, 4, 99}, "xyz", plain), 6);
    frame_string(&frame, (struct place){2, 0, 6}, "below", plain);
    frame_string(&frame, (struct place){-1, 0, 6}, "above", plain);
    frame_string(&frame, (struct place){0, 6, 99}, "beside", plain);
    frame_string(&frame, (struct place){1, 3, 3}, "nowhere", plain);
    expect_frame(&frame, "  abc\n    xy\n");
    frame_release(&frame);
}

static void a_wide_character_that_does_not_fit_whole_leaves_a_blank(void **state)
{
    (void)state;
    struct frame frame = {0};
    frame_reset(&frame, 1, 4);
    frame_string(&frame, (struct place){0, 0, 4}, "abcd", plain);
    assert_int_equal(frame_string(&frame, (struct place){0, 0, 3}, WIDE WIDE, dim), 3);
    expect_styles(&frame, WIDE " d\n###\n");
    const struct cell *row = frame_row(&frame, 0);
    assert_int_equal(row[0].width, 2);
    assert_int_equal(row[1].width, 0);
    assert_int_equal(row[1].len, 0);
    frame_release(&frame);
}

static void what_must_not_reach_a_terminal_is_put_in_a_visible_form(void **state)
{
    (void)state;
    static const char hostile[] = "a\x1b[\n\t\xe2\x80\xae\x9b\x7f";
    struct frame frame = {0};
    frame_reset(&frame, 1, 30);
    int end = frame_text(&frame, (struct place){0, 0, 30}, bytes_of_string(hostile), plain);
    expect_styles(&frame, "a^[[^J^I<U+202E><9B>^?\n !! !!!!!!!!!!!!!!!!!!\n");
    assert_int_equal(end, 22);
    assert_int_equal(text_cells(bytes_of_string(hostile)), 22);
    frame_release(&frame);
}

static void a_cell_keeps_the_first_code_points_of_a_longer_cluster(void **state)
{
    (void)state;
    struct buf text = {0};
    struct frame frame = {0};
    buf_add_string(&text, "e");
    for (int i = 0; i < 9; i++)
        buf_add_string(&text, "\xcc\x81");
    frame_reset(&frame, 1, 3);
    frame_text(&frame, (struct place){0, 0, 3}, buf_view(&text), plain);
    const struct cell *cell = frame_row(&frame, 0);
    assert_int_equal(cell->len, 1 + 4 * 2); /* five */
    assert_memory_equal(cell->text, text.data, cell->len);
    assert_int_equal(cell->style.fg, INK_UNSAFE); /* it says that something is left out */
    frame_release(&frame);
    buf_release(&text);
}

static void a_lone_mark_stands_on_a_blank_of_its_own(void **state)
{
    (void)state;
    struct frame frame = {0};
    frame_reset(&frame, 1, 3);
    frame_string(&frame, (struct place){0, 0, 3}, "a", plain);
    assert_int_equal(frame_string(&frame, (struct place){0, 1, 3}, "\xcc\x81", plain), 2);
    expect_frame(&frame, "a \xcc\x81\n");
    frame_release(&frame);
}

static void a_sign_is_a_cluster_or_one_code_point_made_visible(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        int cells;
        bool unsafe;
    } cases[] = {{"ab", 1, 1, false},       {"e\xcc\x81x", 3, 1, false}, {WIDE "x", 3, 2, false},
                 {"\xcc\x81", 2, 1, false}, {"\x1b[", 1, 2, true},       {"\xe2\x80\xaexy", 3, 8, true},
                 {"\x9b", 1, 4, true},      {"\r\n", 1, 2, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sign sign = sign_at(bytes_of_string(cases[i].text));
        assert_int_equal(sign.len, cases[i].len);
        assert_int_equal(sign.cells, cases[i].cells);
        assert_int_equal(sign.unsafe, cases[i].unsafe);
        struct frame frame = {0};
        frame_reset(&frame, 1, 10);
        int end = frame_sign(&frame, (struct place){0, 1, 10}, bytes_of_string(cases[i].text), sign, plain);
        assert_int_equal(end, 1 + sign.cells);
        frame_release(&frame);
    }
}

static void counting_cells_stops_behind_the_widest_frame(void **state)
{
    (void)state;
    struct buf text = {0};
    assert_int_equal(text_cells(bytes_of_string("")), 0);
    assert_int_equal(text_cells(bytes_of_string("ab" WIDE)), 4);
    for (int i = 0; i < FRAME_SIDE_MAX; i++)
        buf_add_string(&text, WIDE "aaaa");
    assert_in_range(text_cells(buf_view(&text)), FRAME_SIDE_MAX, 2 * FRAME_SIDE_MAX);
    buf_release(&text);
}

/* --- fill and paint --- */

static void filling_and_drawing_over_half_a_wide_character_leave_no_half(void **state)
{
    (void)state;
    struct frame frame = {0};
    frame_reset(&frame, 3, 6);
    for (int row = 0; row < 3; row++)
        frame_string(&frame, (struct place){row, 0, 6}, WIDE WIDE WIDE, plain);
    frame_fill(&frame, (struct place){0, 1, 3}, dim);
    frame_ascii(&frame, (struct place){1, 3, 6}, bytes_of_string("xy"), plain);
    frame_string(&frame, (struct place){2, 1, 6}, WIDE, plain);
    expect_styles(&frame, "    " WIDE "\n ##\n" WIDE " xy\n " WIDE " " WIDE "\n");
    frame_release(&frame);
}

static void paint_changes_how_cells_look_and_not_what_they_say(void **state)
{
    (void)state;
    struct frame frame = {0};
    frame_reset(&frame, 1, 6);
    frame_string(&frame, (struct place){0, 0, 6}, "a" WIDE "\x01z", plain);
    for (int half = 1; half <= 2; half++) { /* of the wide one */
        frame_paint_bg(&frame, (struct place){0, half, half + 1}, INK_SELECTION, 0);
        expect_styles(&frame, "a" WIDE "^Az\n ##!!\n");
        frame_paint_bg(&frame, (struct place){0, half, half + 1}, INK_DEFAULT, 0);
        expect_styles(&frame, "a" WIDE "^Az\n   !!\n");
    }
    frame_paint_bg(&frame, (struct place){0, 1, 3}, INK_SELECTION, 0);
    frame_paint_fg(&frame, (struct place){0, -5, 99}, INK_DIM, ATTR_BOLD);
    expect_styles(&frame, "a" WIDE "^Az\n:##!!:\n"); /* what is unsafe stays in its own style */
    assert_true(frame_row(&frame, 0)[0].style.attrs & ATTR_BOLD);
    frame_paint_bg(&frame, (struct place){3, 0, 6}, INK_DIM, 0); /* outside: nothing */
    frame_release(&frame);
}

/* --- theme --- */

static int distance(struct theme_colour a, int red, int green, int blue)
{
    int r = a.red - red, g = a.green - green, b = a.blue - blue;
    return r * r + g * g + b * b;
}

/* From one of the 240 back to its distance from a colour. */
static int distance_of_256(struct theme_colour colour, int number)
{
    static const int steps[] = {0, 95, 135, 175, 215, 255};
    if (number >= 232) {
        int grey = 8 + 10 * (number - 232);
        return distance(colour, grey, grey, grey);
    }
    number -= 16;
    return distance(colour, steps[number / 36], steps[number / 6 % 6], steps[number % 6]);
}

static void the_nearest_of_256_colours_is_found(void **state)
{
    (void)state;
    enum { STEP = 17 };
    for (int red = 0; red < 256; red += STEP)
        for (int green = 0; green < 256; green += STEP)
            for (int blue = 0; blue < 256; blue += STEP) {
                struct theme_colour colour = {(uint8_t)red, (uint8_t)green, (uint8_t)blue, ANSI_DEFAULT};
                int found = theme_256(colour), nearest = 16;
                for (int number = 16; number < 256; number++)
                    if (distance_of_256(colour, number) < distance_of_256(colour, nearest))
                        nearest = number;
                assert_in_range(found, 16, 255);
                assert_int_equal(distance_of_256(colour, found), distance_of_256(colour, nearest));
            }
}

static void every_ink_has_a_colour_and_every_peer_one_of_his_own(void **state)
{
    (void)state;
    static const struct theme_colour unset;
    const struct theme *theme = theme_dark();
    for (int ink = INK_DEFAULT + 1; ink < INK_COUNT; ink++) {
        assert_in_range(theme->inks[ink].ansi + 1, ANSI_DEFAULT + 1, 8);
        assert_true(ink == INK_PEER_TEXT || memcmp(&theme->inks[ink], &unset, sizeof unset) != 0);
    }
    for (int a = 0; a < VIEW_PEER_COLOURS; a++)
        for (int b = 0; b < a; b++) {
            assert_int_not_equal(theme_256(theme->inks[INK_PEER + a]), theme_256(theme->inks[INK_PEER + b]));
            assert_int_not_equal(theme_256(theme->inks[INK_TINT + a]), theme_256(theme->inks[INK_TINT + b]));
        }
}

/* --- wrap --- */

/* The lines, each followed by "|". */
static void expect_lines(const char *text, int cols, const char *lines)
{
    struct buf out = {0};
    int rows = 0;
    for (struct bytes rest = bytes_of_string(text); rest.len > 0; rows++) {
        buf_add_bytes(&out, wrap_line(&rest, cols));
        buf_add_string(&out, "|");
    }
    assert_string_equal(buf_string(&out), lines);
    assert_int_equal(wrap_rows(bytes_of_string(text), cols), rows);
    buf_release(&out);
}

static void a_line_is_broken_at_a_blank_that_belongs_to_no_line(void **state)
{
    (void)state;
    expect_lines("", 5, "");
    expect_lines("warp", 5, "warp|");
    expect_lines("warp weft", 4, "warp|weft|");
    expect_lines("warp weft", 8, "warp|weft|");
    expect_lines("warp weft", 9, "warp weft|");
    expect_lines("warp    weft", 5, "warp |weft|");
    expect_lines("a b c d", 3, "a b|c d|");
    expect_lines("warp ", 4, "warp|");
}

static void a_word_longer_than_the_line_is_cut(void **state)
{
    (void)state;
    expect_lines("abcdefgh", 3, "abc|def|gh|");
    expect_lines("a bcdefgh", 3, "a|bcd|efg|h|");
}

static void every_line_takes_at_least_one_sign(void **state)
{
    (void)state;
    expect_lines(WIDE "a" WIDE, 1, WIDE "|a|" WIDE "|");
    expect_lines(WIDE WIDE WIDE, 5, WIDE WIDE "|" WIDE "|");
    expect_lines("\xe2\x80\xae\x1b", 1, "\xe2\x80\xae|\x1b|"); /* eight cells, and two */
    expect_lines("e\xcc\x81" "e\xcc\x81", 1, "e\xcc\x81|e\xcc\x81|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reset_frame_is_blank_whatever_it_was),
        cmocka_unit_test(a_copy_has_the_same_cells_and_cursor_and_is_its_own),
        cmocka_unit_test(what_does_not_fit_is_clipped),
        cmocka_unit_test(a_wide_character_that_does_not_fit_whole_leaves_a_blank),
        cmocka_unit_test(what_must_not_reach_a_terminal_is_put_in_a_visible_form),
        cmocka_unit_test(a_cell_keeps_the_first_code_points_of_a_longer_cluster),
        cmocka_unit_test(a_lone_mark_stands_on_a_blank_of_its_own),
        cmocka_unit_test(a_sign_is_a_cluster_or_one_code_point_made_visible),
        cmocka_unit_test(counting_cells_stops_behind_the_widest_frame),
        cmocka_unit_test(filling_and_drawing_over_half_a_wide_character_leave_no_half),
        cmocka_unit_test(paint_changes_how_cells_look_and_not_what_they_say),
        cmocka_unit_test(the_nearest_of_256_colours_is_found),
        cmocka_unit_test(every_ink_has_a_colour_and_every_peer_one_of_his_own),
        cmocka_unit_test(a_line_is_broken_at_a_blank_that_belongs_to_no_line),
        cmocka_unit_test(a_word_longer_than_the_line_is_cut),
        cmocka_unit_test(every_line_takes_at_least_one_sign),
    };
    return RUN_TESTS("frame", tests);
}
