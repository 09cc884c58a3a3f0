/* Commands: text and selection in, patch and selection out. Cases are pictures: | is the caret, [ ] a selection. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/command.h"

/* "ab|c" -> "abc" with the caret at 2; "a[b|c" has its anchor at [. */
static void read_picture(const char *picture, struct buf *text, struct selection *selection)
{
    uint64_t anchor = UINT64_MAX;
    *selection = selection_at(0);
    for (; *picture; picture++) {
        if (*picture == '|')
            selection->head = text->len;
        else if (*picture == '[')
            anchor = text->len;
        else
            buf_add_byte(text, (unsigned char)*picture);
    }
    selection->anchor = anchor == UINT64_MAX ? selection->head : anchor;
}

static void write_picture(struct bytes text, struct selection selection, struct buf *out)
{
    for (size_t i = 0; i <= text.len; i++) {
        if (i == selection.anchor && !selection_is_empty(selection))
            buf_add_byte(out, '[');
        if (i == selection.head)
            buf_add_byte(out, '|');
        if (i < text.len)
            buf_add_byte(out, text.data[i]);
    }
}

struct options {
    bool extend;
    const char *argument;
    int indent_spaces;
    int64_t goal;
};

static void expect_with(enum command command, const char *before, const char *after, struct options options)
{
    struct buf text = {0}, result_text = {0}, picture = {0};
    struct command_in in = {.tab_width = 8, .page_lines = 3, .extend = options.extend,
                            .indent_spaces = options.indent_spaces};
    read_picture(before, &text, &in.selection);
    if (options.argument)
        in.argument = bytes_of_string(options.argument);
    struct rope *rope = rope_from_bytes(buf_view(&text));
    struct command_result result;
    in.text = rope;
    command_run(command, &in, &result);
    patch_apply(&result.patch, buf_view(&text), &result_text);
    write_picture(buf_view(&result_text), result.selection, &picture);
    assert_string_equal(buf_string(&picture), after);
    command_result_release(&result);
    rope_free(rope);
    buf_release(&text);
    buf_release(&result_text);
    buf_release(&picture);
}

static void expect(enum command command, const char *before, const char *after)
{
    expect_with(command, before, after, (struct options){0});
}

static void arrows_move_by_characters_as_people_see_them(void **state)
{
    (void)state;
    expect(COMMAND_RIGHT, "|abc", "a|bc");
    expect(COMMAND_RIGHT, "|e\xcc\x81x", "e\xcc\x81|x");
    expect(COMMAND_LEFT, "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9|x", "|\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9x");
    expect(COMMAND_RIGHT, "a|\r\nb", "a\r\n|b");
    expect(COMMAND_LEFT, "|a", "|a");
    expect(COMMAND_RIGHT, "a|", "a|");
}

static void an_arrow_drops_the_selection_at_its_side(void **state)
{
    (void)state;
    expect(COMMAND_LEFT, "a[bc|d", "a|bcd");
    expect(COMMAND_RIGHT, "a|bc[d", "abc|d");
    expect_with(COMMAND_RIGHT, "a[b|cd", "a[bc|d", (struct options){.extend = true});
}

static void up_and_down_keep_their_column_in_cells(void **state)
{
    (void)state;
    expect(COMMAND_DOWN, "abc|d\nxyzw", "abcd\nxyz|w");
    expect(COMMAND_DOWN, "abc|d\nx", "abcd\nx|");
    expect(COMMAND_DOWN, "\t|a\n12345678b", "\ta\n12345678|b");
    expect(COMMAND_UP, "\xe6\x97\xa5\xe6\x9c\xac\nabc|", "\xe6\x97\xa5|\xe6\x9c\xac\nabc");
    expect(COMMAND_UP, "ab|c", "|abc");
    expect(COMMAND_DOWN, "a|bc", "abc|");
    expect(COMMAND_DOWN, "ab|c\r\nx\r\n", "abc\r\nx|\r\n");
}

static void word_motions_stop_at_words_and_punctuation(void **state)
{
    (void)state;
    expect(COMMAND_WORD_RIGHT, "|foo bar", "foo |bar");
    expect(COMMAND_WORD_RIGHT, "foo|(bar)", "foo(|bar)");
    expect(COMMAND_WORD_LEFT, "foo bar|", "foo |bar");
    expect(COMMAND_WORD_LEFT, "foo  |bar", "|foo  bar");
    expect(COMMAND_WORD_LEFT, "a\n|b", "a|\nb");
}

static void home_goes_to_the_text_first_and_then_to_the_edge(void **state)
{
    (void)state;
    expect(COMMAND_LINE_START, "x\n    ab|c", "x\n    |abc");
    expect(COMMAND_LINE_START, "x\n    |abc", "x\n|    abc");
    expect(COMMAND_LINE_START, "x\n|    abc", "x\n    |abc");
    expect(COMMAND_LINE_END, "|ab\r\nc", "ab|\r\nc");
}

static void pages_and_paragraphs_go_by_lines(void **state)
{
    (void)state;
    expect(COMMAND_PAGE_DOWN, "|1\n2\n3\n4\n5", "1\n2\n3\n|4\n5");
    expect(COMMAND_PAGE_UP, "1\n2\n3\n4\n|5", "1\n|2\n3\n4\n5");
    expect(COMMAND_PARAGRAPH_DOWN, "|a\nb\n\nc", "a\nb\n|\nc");
    expect(COMMAND_PARAGRAPH_UP, "a\n\nb\nc|", "a\n|\nb\nc");
    expect(COMMAND_PARAGRAPH_DOWN, "a\n\n|b\nc", "a\n\nb\nc|");
}

static void go_to_line_takes_columns_and_counts_from_the_end(void **state)
{
    (void)state;
    expect_with(COMMAND_GO_LINE, "|a\nbcd\ne", "a\n|bcd\ne", (struct options){.argument = "2"});
    expect_with(COMMAND_GO_LINE, "|a\nbcd\ne", "a\nbc|d\ne", (struct options){.argument = "2:3"});
    expect_with(COMMAND_GO_LINE, "|a\nbcd\ne", "a\nbcd\n|e", (struct options){.argument = "99"});
    expect_with(COMMAND_GO_LINE, "|a\nbcd\ne", "a\nbcd\n|e", (struct options){.argument = "-1"});
    expect_with(COMMAND_GO_LINE, "|a\nb", "|a\nb", (struct options){.argument = "x"});
    expect_with(COMMAND_GO_LINE, "|a\nb", "|a\nb", (struct options){.argument = "-9223372036854775808"});
}

static void find_selects_the_next_place_and_wraps(void **state)
{
    (void)state;
    expect_with(COMMAND_FIND, "|ab ab", "[ab| ab", (struct options){.argument = "ab"});
    expect_with(COMMAND_FIND, "[ab| ab", "ab [ab|", (struct options){.argument = "ab"});
    expect_with(COMMAND_FIND, "ab [ab|", "[ab| ab", (struct options){.argument = "ab"});
    expect_with(COMMAND_FIND_BACK, "ab [ab|", "[ab| ab", (struct options){.argument = "ab"});
    expect_with(COMMAND_FIND, "a|b", "a|b", (struct options){.argument = "zz"});
}

static void typing_replaces_the_selection(void **state)
{
    (void)state;
    expect_with(COMMAND_INSERT, "a|b", "aX|b", (struct options){.argument = "X"});
    expect_with(COMMAND_INSERT, "a[bc|d", "aX|d", (struct options){.argument = "X"});
}

static void a_new_line_is_indented_and_ends_like_its_neighbours(void **state)
{
    (void)state;
    expect(COMMAND_NEWLINE, "  ab|c", "  ab\n  |c");
    expect(COMMAND_NEWLINE, "a|b\r\nc", "a\r\n|b\r\nc");
    expect(COMMAND_NEWLINE, "a\r\nb|", "a\r\nb\r\n|");
    expect(COMMAND_NEWLINE, " | ab", " \n | ab");
    expect(COMMAND_NEWLINE, "|", "\n|");
}

static void tab_indents_lines_or_inserts(void **state)
{
    (void)state;
    expect(COMMAND_TAB, "a|b", "a\t|b");
    expect_with(COMMAND_TAB, "a|b", "a   |b", (struct options){.indent_spaces = 4});
    expect(COMMAND_TAB, "[a\nb\n|c", "[\ta\n\tb\n|c");
    expect_with(COMMAND_TAB, "[a\n\nb|", "[  a\n\n  b|", (struct options){.indent_spaces = 2});
    expect(COMMAND_UNTAB, "[\ta\n\tb|", "[a\nb|");
    expect(COMMAND_UNTAB, "\ta|b", "a|b");
    expect(COMMAND_UNTAB, "    \ta|b", "a|b");
    expect_with(COMMAND_UNTAB, "  \ta|", "a|", (struct options){.indent_spaces = 4});
    expect_with(COMMAND_UNTAB, "   a|", "a|", (struct options){.indent_spaces = 4});
}

static void erasing_takes_characters_words_or_the_selection(void **state)
{
    (void)state;
    expect(COMMAND_DELETE_BACK, "ab|c", "a|c");
    expect(COMMAND_DELETE_BACK, "e\xcc\x81|x", "|x");
    expect(COMMAND_DELETE_BACK, "a\r\n|b", "a|b");
    expect(COMMAND_DELETE_FORWARD, "a|bc", "a|c");
    expect(COMMAND_DELETE_WORD_BACK, "foo bar|", "foo |");
    expect(COMMAND_DELETE_WORD_FORWARD, "|foo bar", "|bar");
    expect(COMMAND_DELETE_BACK, "a[bc|d", "a|d");
    expect(COMMAND_DELETE_BACK, "|a", "|a");
}

static void cutting_takes_the_selection_or_whole_lines(void **state)
{
    (void)state;
    expect(COMMAND_CUT, "a[bc|d", "a|d");
    expect(COMMAND_CUT, "a|b", "a|b");
    expect(COMMAND_CUT_LINE, "a\nb|b\nc", "a\n|c");
    expect(COMMAND_CUT_LINE, "a\n[b\nc|\nd", "a\n|d");
    expect(COMMAND_CUT_LINE, "a\nb|", "a\n|");
}

static void lines_move_without_joining_or_losing_an_end(void **state)
{
    (void)state;
    expect(COMMAND_LINE_DOWN, "a|\nb\nc", "b\na|\nc");
    expect(COMMAND_LINE_UP, "a\nb|\nc", "b|\na\nc");
    expect(COMMAND_LINE_DOWN, "a\nb|\nc", "a\nc\nb|");
    expect(COMMAND_LINE_UP, "a\nb|", "b|\na");
    expect(COMMAND_LINE_DOWN, "a|\r\nb", "b\r\na|");
    expect(COMMAND_LINE_UP, "|a\nb", "|a\nb");
    expect(COMMAND_LINE_DOWN, "a\n|b", "a\n|b");
}

static void every_command_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < COMMAND_COUNT; i++)
        assert_non_null(command_name((enum command)i));
    assert_null(command_name(COMMAND_COUNT));
}

static void a_selection_does_not_grow_by_what_others_type_at_its_edges(void **state)
{
    (void)state;
    struct patch patch = {0};
    patch_replace(&patch, 2, 0, bytes_of_string("XX"));
    struct selection moved = selection_map((struct selection){2, 5, 0}, &patch);
    assert_int_equal(moved.anchor, 4);
    assert_int_equal(moved.head, 7);
    moved = selection_map((struct selection){0, 2, 0}, &patch);
    assert_int_equal(moved.head, 2);
    moved = selection_map(selection_at(2), &patch);
    assert_int_equal(moved.head, 2); /* what others insert at the caret stays right of it */
    patch_clear(&patch);
    patch_replace(&patch, 0, 9, bytes_of_string("n"));
    moved = selection_map((struct selection){5, 2, 0}, &patch);
    assert_true(moved.anchor == moved.head);
    patch_release(&patch);
}

/* The same keys one after the other. */
static void type_one_by_one(struct rope *text, struct command_in *in, const char *keys)
{
    struct command_result result;
    in->text = text;
    for (size_t i = 0; keys[i]; i++) {
        in->argument = bytes_of(&keys[i], 1);
        command_run(keys[i] == '\n' ? COMMAND_NEWLINE : keys[i] == '\t' ? COMMAND_TAB : COMMAND_INSERT, in, &result);
        rope_apply(text, &result.patch);
        in->selection = result.selection;
        command_result_release(&result);
    }
}

static void expect_typed_alike(const char *before, const char *keys, int indent_spaces)
{
    struct buf text = {0};
    struct command_in in = {.tab_width = 8, .page_lines = 3, .indent_spaces = indent_spaces};
    read_picture(before, &text, &in.selection);
    struct rope *one_by_one = rope_from_bytes(buf_view(&text)), *at_once = rope_snapshot(one_by_one);
    struct command_in burst = in;
    burst.text = at_once;
    burst.argument = bytes_of_string(keys);
    struct command_result result;
    command_run(COMMAND_TYPE, &burst, &result);
    assert_int_equal(result.kind, COMMAND_KIND_BURST);
    rope_apply(at_once, &result.patch);
    type_one_by_one(one_by_one, &in, keys);
    assert_true(rope_equal(at_once, one_by_one));
    assert_true(result.selection.head == in.selection.head && result.selection.anchor == in.selection.anchor);
    command_result_release(&result);
    rope_free(one_by_one);
    rope_free(at_once);
    buf_release(&text);
}

static void a_burst_of_keys_comes_to_what_the_keys_do(void **state)
{
    (void)state;
    static const char *const before[] = {"|", "ab|c", "\tif (x)|\n", "  one\r\n  t|wo\r\nthree", "a[bcd|e", "  |  x"};
    static const char *const keys[] = {"plain text", "\tx = 1;\n\ty = 2;\n}\n", "\n\n\n", "a\tb\n \tc\nd", "\t\t\n"};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            for (int spaces = 0; spaces <= 4; spaces += 4)
                expect_typed_alike(before[i], keys[k], spaces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrows_move_by_characters_as_people_see_them),
        cmocka_unit_test(an_arrow_drops_the_selection_at_its_side),
        cmocka_unit_test(up_and_down_keep_their_column_in_cells),
        cmocka_unit_test(word_motions_stop_at_words_and_punctuation),
        cmocka_unit_test(home_goes_to_the_text_first_and_then_to_the_edge),
        cmocka_unit_test(pages_and_paragraphs_go_by_lines),
        cmocka_unit_test(go_to_line_takes_columns_and_counts_from_the_end),
        cmocka_unit_test(find_selects_the_next_place_and_wraps),
        cmocka_unit_test(typing_replaces_the_selection),
        cmocka_unit_test(a_new_line_is_indented_and_ends_like_its_neighbours),
        cmocka_unit_test(tab_indents_lines_or_inserts),
        cmocka_unit_test(erasing_takes_characters_words_or_the_selection),
        cmocka_unit_test(cutting_takes_the_selection_or_whole_lines),
        cmocka_unit_test(lines_move_without_joining_or_losing_an_end),
        cmocka_unit_test(every_command_has_a_name),
        cmocka_unit_test(a_selection_does_not_grow_by_what_others_type_at_its_edges),
        cmocka_unit_test(a_burst_of_keys_comes_to_what_the_keys_do),
    };
    return RUN_TESTS("command", tests);
}
