/* One open text: the buffer and who watches it, where its owner stands (selection), and where that is on the screen (column). */
#include "tests/support/support.h"

#include <string.h>

#include "editor/buffer.h"
#include "editor/column.h"
#include "editor/selection.h"

static struct patch patch_of(uint64_t at, uint64_t deleted, const char *text)
{
    struct patch patch = {0};
    patch_replace(&patch, at, deleted, bytes_of_string(text));
    return patch;
}

static void expect_text(const struct rope *rope, const char *text)
{
    struct buf buf = {0};
    rope_append_to(rope, 0, rope_len(rope), &buf);
    assert_string_equal(buf_string(&buf), text);
    buf_release(&buf);
}

/* --- buffer --- */

static void buffer_with(struct buffer *buffer, const char *text)
{
    buffer_init(buffer, rope_from_bytes(bytes_of_string(text)));
}

static void apply(struct buffer *buffer, uint64_t at, uint64_t deleted, const char *text, enum patch_origin origin)
{
    struct patch patch = patch_of(at, deleted, text);
    buffer_apply(buffer, &patch, origin);
    patch_release(&patch);
}

static void a_new_buffer_stands_at_the_start_with_nothing_selected(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_with(&buffer, "warp");
    expect_text(buffer_text(&buffer), "warp");
    assert_true(selection_is_empty(buffer.selection));
    assert_int_equal(buffer.selection.head, 0);
    assert_int_equal(buffer.selection.goal, SELECTION_NO_GOAL);
    buffer_release(&buffer);
    assert_null(buffer.text);
}

static void what_others_write_carries_the_selection_and_what_oneself_writes_leaves_it_to_the_caller(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_with(&buffer, "warp");
    buffer_select(&buffer, (struct selection){1, 3, 7});
    apply(&buffer, 0, 0, "xx", ORIGIN_REMOTE);
    expect_text(buffer_text(&buffer), "xxwarp");
    assert_int_equal(buffer.selection.anchor, 3);
    assert_int_equal(buffer.selection.head, 5);
    apply(&buffer, 0, 0, "yy", ORIGIN_SELF);
    expect_text(buffer_text(&buffer), "yyxxwarp");
    assert_int_equal(buffer.selection.anchor, 3);
    assert_int_equal(buffer.selection.head, 5);
    buffer_release(&buffer);
}

static void a_selection_is_brought_inside_the_text(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_with(&buffer, "warp");
    buffer_select(&buffer, (struct selection){UINT64_MAX, 5, 3});
    assert_int_equal(buffer.selection.anchor, 4);
    assert_int_equal(buffer.selection.head, 4);
    assert_int_equal(buffer.selection.goal, 3);
    buffer_select(&buffer, (struct selection){4, 0, SELECTION_NO_GOAL});
    assert_int_equal(buffer.selection.anchor, 4);
    assert_int_equal(buffer.selection.head, 0);
    buffer_release(&buffer);
}

/* Notes who was told, of what, and how long the text was then. */
struct witness {
    const struct buffer *buffer;
    char name;
    struct buf *heard;
};

static void note_change(void *self, const struct patch *patch, enum patch_origin origin)
{
    struct witness *witness = self;
    buf_addf(witness->heard, "%c%c%d:%d ", witness->name, origin == ORIGIN_SELF ? 's' : 'r',
             (int)patch_inserted(patch), (int)rope_len(buffer_text(witness->buffer)));
}

static void every_watch_sees_every_patch_in_order_after_it_was_applied(void **state)
{
    (void)state;
    struct buffer buffer;
    struct buf heard = {0};
    buffer_with(&buffer, "warp");
    struct witness a = {&buffer, 'a', &heard}, b = {&buffer, 'b', &heard}, c = {&buffer, 'c', &heard};
    struct buffer_watch watches[] = {{note_change, &a, NULL}, {note_change, &b, NULL}, {note_change, &c, NULL}};
    for (size_t i = 0; i < 3; i++)
        buffer_watch_add(&buffer, &watches[i]);
    apply(&buffer, 4, 0, "x", ORIGIN_SELF);
    apply(&buffer, 2, 0, "", ORIGIN_SELF); /* which changes nothing, and nobody hears of it */
    buffer_watch_release(&buffer, &watches[1]);
    apply(&buffer, 0, 4, "yz", ORIGIN_REMOTE);
    assert_string_equal(buf_string(&heard), "cs1:5 bs1:5 as1:5 cr2:3 ar2:3 ");
    buffer_watch_release(&buffer, &watches[0]);
    buffer_watch_release(&buffer, &watches[2]);
    apply(&buffer, 0, 0, "w", ORIGIN_SELF);
    assert_string_equal(buf_string(&heard), "cs1:5 bs1:5 as1:5 cr2:3 ar2:3 ");
    buffer_release(&buffer);
    buf_release(&heard);
}

/* --- selection --- */

static void a_selection_has_a_start_and_an_end_whichever_way_it_was_made(void **state)
{
    (void)state;
    const struct selection forward = {2, 5, 0}, back = {5, 2, 0};
    assert_int_equal(selection_start(forward), 2);
    assert_int_equal(selection_end(forward), 5);
    assert_int_equal(selection_start(back), 2);
    assert_int_equal(selection_end(back), 5);
    assert_false(selection_is_empty(back));
    assert_true(selection_is_empty(selection_at(9)));
}

/* Of "0123456789", bytes 3 to 6 being selected from either end, or the caret at 3. */
static void what_others_do_moves_a_selection_and_never_turns_or_widens_it(void **state)
{
    (void)state;
    static const struct {
        uint64_t at, deleted;
        const char *text;
        uint64_t start, end, caret;
    } cases[] = {
        {0, 0, "xx", 5, 8, 5},  {0, 2, "", 1, 4, 1},    {3, 0, "xx", 5, 8, 3},   {6, 0, "xx", 3, 6, 3},
        {4, 0, "xx", 3, 8, 3},  {7, 3, "x", 3, 6, 3},   {4, 1, "", 3, 5, 3},     {1, 3, "", 1, 3, 1},
        {5, 4, "", 3, 5, 3},    {3, 3, "", 3, 3, 3},    {0, 10, "", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct patch patch = patch_of(cases[i].at, cases[i].deleted, cases[i].text);
        struct selection forward = selection_map((struct selection){3, 6, 9}, &patch);
        struct selection back = selection_map((struct selection){6, 3, 9}, &patch);
        struct selection caret = selection_map(selection_at(3), &patch);
        assert_int_equal(forward.anchor, cases[i].start);
        assert_int_equal(forward.head, cases[i].end);
        assert_int_equal(back.anchor, cases[i].end);
        assert_int_equal(back.head, cases[i].start);
        assert_int_equal(back.goal, 9);
        assert_int_equal(caret.head, cases[i].caret);
        assert_true(selection_is_empty(caret));
        patch_release(&patch);
    }
}

static void a_selection_whose_text_was_replaced_is_empty_behind_what_came(void **state)
{
    (void)state;
    struct patch patch = patch_of(2, 6, "new");
    struct selection selection = selection_map((struct selection){6, 3, 0}, &patch);
    assert_true(selection_is_empty(selection));
    assert_int_equal(selection.head, 2 + 3);
    patch_release(&patch);
}

/* --- column --- */

enum { TAB = 4 };

static void expect_cells(const char *line, const uint64_t *cells, size_t count)
{
    struct rope *rope = rope_from_bytes(bytes_of_string(line));
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(column_of(rope, 0, at, TAB), cells[i]);
        assert_int_equal(column_find(rope, 0, rope_len(rope), cells[i], TAB), at);
        at = rope_cluster_next(rope, at);
    }
    assert_int_equal(at, rope_len(rope));
    rope_free(rope);
}

#define EXPECT_CELLS(line, ...)                                                                                        \
    do {                                                                                                               \
        const uint64_t cells[] = {__VA_ARGS__};                                                                        \
        expect_cells(line, cells, sizeof cells / sizeof *cells - 1);                                                   \
    } while (0)

/* The cell of each cluster, and of the end. */
static void every_cluster_takes_the_cells_in_which_it_is_shown(void **state)
{
    (void)state;
    EXPECT_CELLS("abc", 0, 1, 2, 3);
    EXPECT_CELLS("\ta\tb", 0, 4, 5, 8, 9);                       /* to the next multiple of the tab width */
    EXPECT_CELLS("\xe7\xb9\x94x", 0, 2, 3);                      /* a wide character */
    EXPECT_CELLS("e\xcc\x81x", 0, 1, 2);                         /* an accent on its letter */
    EXPECT_CELLS("\xcc\x81x", 0, 1, 2);                          /* a lone one */
    EXPECT_CELLS("\x1bx", 0, 2, 3);                              /* ^[ */
    EXPECT_CELLS("\xe2\x80\xaex", 0, 8, 9);                      /* <U+202E> */
    EXPECT_CELLS("\xc2\x9bx", 0, 8, 9);                          /* <U+009B> */
    EXPECT_CELLS("\x9bx", 0, 4, 5);                              /* <9B> */
}

static void a_column_inside_a_wide_thing_is_its_place_and_one_behind_the_line_is_its_end(void **state)
{
    (void)state;
    struct rope *rope = rope_from_bytes(bytes_of_string("xx\na\tb\nyy"));
    const uint64_t start = 3, end = 6;
    for (uint64_t column = 1; column < TAB; column++)
        assert_int_equal(column_find(rope, start, end, column, TAB), start + 1);
    assert_int_equal(column_find(rope, start, end, TAB, TAB), start + 2);
    assert_int_equal(column_find(rope, start, end, TAB + 1, TAB), end);
    assert_int_equal(column_find(rope, start, end, UINT64_MAX, TAB), end);
    assert_int_equal(column_find(rope, start, start, 5, TAB), start); /* an empty line */
    assert_int_equal(column_of(rope, start, start, TAB), 0);
    rope_free(rope);
}

static void far_along_a_line_a_byte_counts_as_one_cell(void **state)
{
    (void)state;
    struct buf line = {0};
    memset(buf_extend(&line, COLUMN_SCAN_BYTES_MAX), 'a', COLUMN_SCAN_BYTES_MAX);
    buf_add_string(&line, "\t\t\t\t");
    struct rope *rope = rope_from_bytes(buf_view(&line));
    assert_int_equal(column_of(rope, 0, line.len, TAB), line.len);
    assert_int_equal(column_find(rope, 0, line.len, COLUMN_SCAN_BYTES_MAX + 3, TAB), COLUMN_SCAN_BYTES_MAX + 3);
    assert_int_equal(column_find(rope, 0, line.len, UINT64_MAX, TAB), line.len);
    rope_free(rope);
    buf_release(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_buffer_stands_at_the_start_with_nothing_selected),
        cmocka_unit_test(what_others_write_carries_the_selection_and_what_oneself_writes_leaves_it_to_the_caller),
        cmocka_unit_test(a_selection_is_brought_inside_the_text),
        cmocka_unit_test(every_watch_sees_every_patch_in_order_after_it_was_applied),
        cmocka_unit_test(a_selection_has_a_start_and_an_end_whichever_way_it_was_made),
        cmocka_unit_test(what_others_do_moves_a_selection_and_never_turns_or_widens_it),
        cmocka_unit_test(a_selection_whose_text_was_replaced_is_empty_behind_what_came),
        cmocka_unit_test(every_cluster_takes_the_cells_in_which_it_is_shown),
        cmocka_unit_test(a_column_inside_a_wide_thing_is_its_place_and_one_behind_the_line_is_its_end),
        cmocka_unit_test(far_along_a_line_a_byte_counts_as_one_cell),
    };
    return RUN_TESTS("buffer", tests);
}
