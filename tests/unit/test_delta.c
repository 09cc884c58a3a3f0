/* The sum of many edits, and the text that such a sum is where there was none before. */
#include "tests/support/support.h"

#include <string.h>

#include "editor/base/least.h"
#include "editor/base/random.h"
#include "sync/delta.h"
#include "sync/gap_text.h"

/* --- delta --- */

static void expect_patch(struct delta *delta, const char *old, const char *new)
{
    struct patch patch = {0};
    struct buf text = {0};
    delta_patch(delta, &patch);
    patch_check(&patch);
    delta_check(delta);
    patch_apply(&patch, bytes_of_string(old), &text);
    assert_string_equal(buf_string(&text), new);
    assert_int_equal(delta_len(delta), text.len);
    patch_release(&patch);
    buf_release(&text);
}

static void no_edit_changes_nothing_and_one_is_its_own_sum(void **state)
{
    (void)state;
    struct delta delta = {0};
    struct buf inserted = {0};
    delta_begin(&delta, 5, &inserted);
    expect_patch(&delta, "abcde", "abcde");
    buf_add_string(&inserted, "-xy-");
    delta_insert(&delta, 5, 1, 2);
    expect_patch(&delta, "abcde", "abcdexy");
    delta_begin(&delta, 5, &inserted);
    delta_delete(&delta, 0, 5);
    expect_patch(&delta, "abcde", "");
    assert_int_equal(delta.edits, DELTA_ONE); /* for which no tree is needed */
    delta_release(&delta);
    buf_release(&inserted);
}

static void what_was_inserted_and_deleted_again_leaves_nothing(void **state)
{
    (void)state;
    struct delta delta = {0};
    struct patch patch = {0};
    struct buf inserted = {0};
    buf_add_string(&inserted, "xy");
    delta_begin(&delta, 3, &inserted);
    delta_insert(&delta, 1, 0, 2);
    delta_delete(&delta, 1, 2);
    delta_patch(&delta, &patch);
    assert_true(patch_is_empty(&patch));
    delta_delete(&delta, 0, 3);
    buf_add_string(&inserted, "z"); /* there may be more of it */
    delta_insert(&delta, 0, 2, 1);
    expect_patch(&delta, "abc", "z");
    delta_begin(&delta, 0, &inserted); /* used again, for an empty text */
    delta_insert(&delta, 0, 0, 1);
    delta_insert(&delta, 0, 1, 2);
    expect_patch(&delta, "", "yzx");
    delta_delete(&delta, 0, 3);
    expect_patch(&delta, "", "");
    patch_release(&patch);
    delta_release(&delta);
    buf_release(&inserted);
}

static void edit_both(struct random *random, struct delta *delta, struct buf *text, struct bytes letters, uint64_t most)
{
    uint64_t pos = random_below(random, text->len + 1), room = text->len - pos;
    struct patch patch = {0};
    struct buf after = {0};
    if (room > 0 && random_chance(random, 2)) {
        uint64_t len = 1 + random_below(random, room < most ? room : most);
        patch_replace(&patch, pos, len, bytes_of("", 0));
        delta_delete(delta, pos, len);
    } else {
        size_t at = (size_t)random_below(random, letters.len), left = letters.len - at;
        size_t len = 1 + (size_t)random_below(random, left < most ? left : most);
        patch_replace(&patch, pos, 0, bytes_slice(letters, at, len));
        delta_insert(delta, pos, at, len);
    }
    patch_apply(&patch, buf_view(text), &after);
    buf_release(text);
    *text = after;
    patch_release(&patch);
}

/* `count` bytes, of which neighbours are told apart. */
static void add_bytes(struct buf *out, unsigned first, unsigned kinds, int count)
{
    for (int i = 0; i < count; i++)
        buf_add_byte(out, (unsigned char)(first + (unsigned)i % kinds));
}

/* Edits of up to `most` bytes. */
static void expect_sum_of(struct random *random, struct delta *delta, const struct buf *inserted, const struct buf *old,
                          int edits, uint64_t most)
{
    struct buf text = {0}, before = {0};
    buf_add_bytes(&text, buf_view(old));
    buf_add_bytes(&before, buf_view(old));
    delta_begin(delta, text.len, inserted);
    for (int edit = 0; edit < edits; edit++)
        edit_both(random, delta, &text, buf_view(inserted), most);
    expect_patch(delta, buf_string(&before), buf_string(&text));
    delta_end(delta);
    buf_release(&text);
    buf_release(&before);
}

static void many_edits_sum_up_to_what_they_do_one_by_one(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("delta", 13));
    struct delta delta = {0};
    struct buf inserted = {0}, old = {0}, nothing = {0};
    add_bytes(&inserted, 'a', 13, 50);
    add_bytes(&old, 'A', 26, 42);
    for (uint64_t round = support_rounds(20); round > 0; round--) {
        uint64_t most = 1 + random_below(&random, 13);
        expect_sum_of(&random, &delta, &inserted, &old, 60, most);
        expect_sum_of(&random, &delta, &inserted, &nothing, 60, most);
    }
    delta_release(&delta);
    buf_release(&inserted);
    buf_release(&old);
}

/* As many as make a tree of several levels, with big leaves too. */
static void thousands_of_edits_sum_up_as_well(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("delta of thousands", 17));
    struct delta delta = {0};
    struct buf inserted = {0}, old = {0}, nothing = {0};
    add_bytes(&inserted, 'a', 13, 300);
    add_bytes(&old, 'A', 26, 1000);
    expect_sum_of(&random, &delta, &inserted, &old, 4000, 9);
    expect_sum_of(&random, &delta, &inserted, &nothing, 4000, 40); /* by chance more is put in than taken */
    delta_release(&delta);
    buf_release(&inserted);
    buf_release(&old);
}

/* --- the text from nothing --- */

static void expect_text(struct gap_text *text, const struct buf *expected)
{
    struct patch patch = {0};
    gap_text_check(text);
    gap_text_patch(text, &patch);
    assert_int_equal(text->len, expected->len);
    assert_int_equal(patch.text.len, expected->len);
    assert_int_equal(patch.count, expected->len > 0);
    if (expected->len > 0)
        assert_memory_equal(patch.text.data, expected->data, expected->len);
    patch_release(&patch);
}

static void replace(struct buf *text, uint64_t pos, uint64_t gone, struct bytes with)
{
    struct patch patch = {0};
    struct buf after = {0};
    patch_replace(&patch, pos, gone, with);
    patch_apply(&patch, buf_view(text), &after);
    buf_release(text);
    *text = after;
    patch_release(&patch);
}

/* A paste takes many leaves, and one delete goes over all of them. */
static void a_text_is_put_in_and_taken_out_at_once(void **state)
{
    (void)state;
    struct gap_text text = {0};
    struct buf source = {0}, expected = {0};
    add_bytes(&source, 1, 251, 20000);
    gap_text_begin(&text);
    expect_text(&text, &expected);
    gap_text_replace(&text, 0, 0, buf_view(&source), 0, source.len);
    gap_text_replace(&text, 7000, 0, buf_view(&source), 3, 9000);
    replace(&expected, 0, 0, buf_view(&source));
    replace(&expected, 7000, 0, bytes_slice(buf_view(&source), 3, 9000));
    expect_text(&text, &expected);
    gap_text_replace(&text, 1, expected.len - 2, buf_view(&source), 0, 0);
    replace(&expected, 1, expected.len - 2, bytes_of("", 0));
    expect_text(&text, &expected);
    gap_text_replace(&text, 0, 2, buf_view(&source), 0, 0);
    gap_text_replace(&text, 0, 0, buf_view(&source), source.len - 1, 1); /* the last byte of all there is to copy from */
    buf_clear(&expected);
    buf_add_byte(&expected, source.data[source.len - 1]);
    expect_text(&text, &expected);
    gap_text_release(&text);
    buf_release(&source);
    buf_release(&expected);
}

/* From one edit to the next the gap moves by any number of bytes, either way, at the edges of a leaf too. */
static void the_gap_moves_by_any_number_of_bytes(void **state)
{
    (void)state;
    enum { BYTES = 300, STEPS = 280 /* more than GAP_TEXT_FAR */ };
    struct gap_text text = {0};
    struct buf source = {0}, expected = {0};
    add_bytes(&source, 1, 251, 3 * BYTES);
    gap_text_begin(&text);
    gap_text_replace(&text, 0, 0, buf_view(&source), 0, BYTES);
    replace(&expected, 0, 0, bytes_slice(buf_view(&source), 0, BYTES));
    for (uint64_t step = 0; step <= STEPS; step++) {
        for (uint64_t pos = 0; pos + step <= BYTES; pos += 1 + step) {
            gap_text_replace(&text, pos, 0, buf_view(&source), (size_t)(BYTES + pos), 1);
            gap_text_replace(&text, pos + step, 0, buf_view(&source), (size_t)(BYTES - 1 + pos), 1);
            replace(&expected, pos, 0, bytes_slice(buf_view(&source), (size_t)(BYTES + pos), 1));
            replace(&expected, pos + step, 0, bytes_slice(buf_view(&source), (size_t)(BYTES - 1 + pos), 1));
            expect_text(&text, &expected);
            gap_text_replace(&text, step / 2, 2, buf_view(&source), 0, 0);
            replace(&expected, step / 2, 2, bytes_of("", 0));
        }
        expect_text(&text, &expected);
    }
    gap_text_release(&text);
    buf_release(&source);
    buf_release(&expected);
}

/* More than a part, a part, and less than one, in the leaf at hand and beyond it. */
static void inserts_of_any_length_are_copied(void **state)
{
    (void)state;
    struct gap_text text = {0};
    struct buf source = {0}, expected = {0};
    add_bytes(&source, 1, 251, 200);
    gap_text_begin(&text);
    for (size_t len = 0; len <= 100; len++) {
        uint64_t pos = expected.len / 3, gone = least(len / 2, expected.len - pos);
        gap_text_replace(&text, pos, gone, buf_view(&source), source.len - len, len);
        replace(&expected, pos, gone, bytes_slice(buf_view(&source), source.len - len, len));
        expect_text(&text, &expected);
    }
    gap_text_release(&text);
    buf_release(&source);
    buf_release(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_edit_changes_nothing_and_one_is_its_own_sum),
        cmocka_unit_test(what_was_inserted_and_deleted_again_leaves_nothing),
        cmocka_unit_test(many_edits_sum_up_to_what_they_do_one_by_one),
        cmocka_unit_test(thousands_of_edits_sum_up_as_well),
        cmocka_unit_test(a_text_is_put_in_and_taken_out_at_once),
        cmocka_unit_test(the_gap_moves_by_any_number_of_bytes),
        cmocka_unit_test(inserts_of_any_length_are_copied),
    };
    return RUN_TESTS("delta", tests);
}
