#include "editor/rope.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "tests/support/support.h"

static struct rope *rope_saying(const char *text)
{
    return rope_from_bytes(bytes_of_string(text));
}

static void type(struct rope *rope, uint64_t at, const char *text)
{
    rope_insert(rope, at, bytes_of_string(text));
    rope_check(rope);
}

static void expect_text(const struct rope *rope, const char *expected)
{
    struct buf text = {0};
    rope_append_to(rope, 0, rope_len(rope), &text);
    assert_string_equal(buf_string(&text), expected);
    buf_release(&text);
}

static void the_empty_text_has_one_line_and_nothing_in_it(void **state)
{
    (void)state;
    struct rope *rope = rope_new();
    assert_int_equal(rope_len(rope), 0);
    assert_int_equal(rope_lines(rope), 1);
    assert_int_equal(rope_codepoints(rope), 0);
    assert_int_equal(rope_line_start(rope, 0), 0);
    assert_int_equal(rope_line_end(rope, 0), 0);
    assert_int_equal(rope_line_at(rope, 0), 0);
    assert_int_equal(rope_codepoint_start(rope, 0), 0);
    assert_int_equal(rope_byte(rope, 0), -1);
    assert_int_equal(rope_chunk(rope, 0).len, 0);
    assert_int_equal(rope_chunk_before(rope, 0).len, 0);
    rope_check(rope);
    rope_free(rope);
    rope_free(NULL);
}

static void text_can_be_inserted_at_the_start_in_the_middle_and_at_the_end(void **state)
{
    (void)state;
    struct rope *rope = rope_saying("bd");
    type(rope, 0, "a");
    type(rope, 2, "c");
    type(rope, 4, "e");
    expect_text(rope, "abcde");
    type(rope, 3, "");
    expect_text(rope, "abcde");
    rope_free(rope);
}

static void deleting_everything_leaves_a_text_that_can_be_typed_into(void **state)
{
    (void)state;
    struct rope *rope = rope_saying("gone");
    rope_delete(rope, 0, 4);
    rope_check(rope);
    expect_text(rope, "");
    rope_delete(rope, 0, 0);
    type(rope, 0, "here");
    expect_text(rope, "here");
    rope_free(rope);
}

static void typing_one_byte_after_another_reads_as_one_run(void **state)
{
    (void)state;
    struct rope *rope = rope_saying("<>");
    for (uint64_t i = 0; i < 20; i++)
        type(rope, 1 + i, "x");
    expect_text(rope, "<xxxxxxxxxxxxxxxxxxxx>");
    assert_int_equal(rope_chunk(rope, 0).len, 22); /* with what it was typed into: both fit into a page */
    assert_int_equal(rope_chunk_before(rope, 22).len, 22);
    rope_free(rope);
}

static void deleting_what_was_typed_joins_the_text_around_it_again(void **state)
{
    (void)state;
    struct rope *rope = rope_saying("around");
    type(rope, 3, "typed");
    rope_delete(rope, 3, 5);
    rope_check(rope);
    assert_int_equal(rope_chunk(rope, 0).len, 6);
    rope_free(rope);
}

static void text_borrowed_from_a_rope_can_be_inserted_into_it(void **state)
{
    (void)state;
    struct rope *rope = rope_saying("");
    type(rope, 0, "again ");
    for (int i = 0; i < 5; i++)
        rope_insert(rope, rope_len(rope), rope_chunk(rope, 0));
    assert_int_equal(rope_len(rope) % 6, 0);
    for (uint64_t at = 0; at < rope_len(rope); at++)
        assert_int_equal(rope_byte(rope, at), "again "[at % 6]);
    rope_free(rope);
}

static void a_final_newline_begins_one_more_line(void **state)
{
    (void)state;
    struct rope *rope = rope_saying("one\ntwo\n");
    assert_int_equal(rope_lines(rope), 3);
    assert_int_equal(rope_line_start(rope, 1), 4);
    assert_int_equal(rope_line_end(rope, 1), 7);
    assert_int_equal(rope_line_start(rope, 2), 8);
    assert_int_equal(rope_line_end(rope, 2), 8);
    assert_int_equal(rope_line_at(rope, 3), 0);
    assert_int_equal(rope_line_at(rope, 4), 1);
    assert_int_equal(rope_line_at(rope, 8), 2);
    rope_free(rope);
}

static void code_points_are_counted_at_their_first_byte(void **state)
{
    (void)state;
    struct rope *rope = rope_saying("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z");
    assert_int_equal(rope_codepoints(rope), 5);
    assert_int_equal(rope_codepoints_before(rope, 3), 2);
    assert_int_equal(rope_codepoint_start(rope, 2), 3);
    assert_int_equal(rope_codepoint_start(rope, 3), 6);
    assert_int_equal(rope_codepoint_start(rope, 5), 11);
    assert_int_equal(rope_codepoints_before(rope, 8), 4); /* inside the emoji: it began in front */
    rope_free(rope);
}

static void a_cluster_is_whole_across_the_borders_of_pieces(void **state)
{
    (void)state;
    static const char family[] = "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7"; /* woman, joiner, girl */
    enum { FAR = 20000 }; /* longer than a piece: to delete it leaves two pieces that do not join */
    struct buf text = {0};
    buf_add_string(&text, "[");
    for (size_t i = 0; i < sizeof family - 1; i++) {
        buf_add_byte(&text, (unsigned char)family[i]);
        memset(buf_extend(&text, FAR), '-', FAR);
    }
    buf_add_string(&text, "]");
    struct rope *rope = rope_from_bytes(buf_view(&text));
    for (size_t i = 0; i < sizeof family - 1; i++)
        rope_delete(rope, 2 + i, FAR);
    buf_release(&text);
    assert_int_equal(rope_chunk(rope, 1).len, 1);
    assert_int_equal(rope_cluster_next(rope, 0), 1);
    assert_int_equal(rope_cluster_next(rope, 1), 12);
    assert_int_equal(rope_cluster_prev(rope, 12), 1);
    assert_int_equal(rope_cluster_prev(rope, 0), 0);
    assert_int_equal(rope_cluster_next(rope, 13), 13);
    rope_free(rope);
}

static void a_snapshot_and_its_rope_do_not_see_each_others_edits(void **state)
{
    (void)state;
    struct rope *rope = rope_saying("text");
    type(rope, 4, " A");
    struct rope *snapshot = rope_snapshot(rope);
    type(rope, 6, "BC");
    type(snapshot, 6, "xy");
    rope_delete(rope, 0, 1);
    expect_text(rope, "ext ABC");
    expect_text(snapshot, "text Axy");
    rope_free(rope);
    rope_check(snapshot);
    expect_text(snapshot, "text Axy");
    rope_free(snapshot);
}

static void note_release(void *context, struct bytes text)
{
    size_t *released = context;
    *released += text.len;
}

static void borrowed_memory_is_given_back_when_the_last_rope_lets_go(void **state)
{
    (void)state;
    size_t released = 0;
    struct rope *rope = rope_from_memory(bytes_of_string("memory"), note_release, &released);
    struct rope *snapshot = rope_snapshot(rope);
    rope_delete(rope, 0, 6);
    rope_free(rope);
    assert_int_equal(released, 0);
    rope_free(snapshot);
    assert_int_equal(released, 6);
}

static void needles_are_found_forwards_and_backwards(void **state)
{
    (void)state;
    struct rope *rope = rope_saying("abcabc");
    struct bytes needle = bytes_of_string("bc");
    assert_int_equal(rope_find(rope, needle, 0), 1);
    assert_int_equal(rope_find(rope, needle, 2), 4);
    assert_true(rope_find(rope, needle, 5) == UINT64_MAX);
    assert_int_equal(rope_find_back(rope, needle, 6), 4);
    assert_int_equal(rope_find_back(rope, needle, 4), 1);
    assert_true(rope_find_back(rope, needle, 1) == UINT64_MAX);
    assert_int_equal(rope_find(rope, bytes_of_string(""), 3), 3);
    assert_true(rope_find(rope, bytes_of_string("abcabca"), 0) == UINT64_MAX);
    rope_free(rope);
}

static void equal_texts_are_equal_however_they_were_made(void **state)
{
    (void)state;
    struct rope *a = rope_saying("same text");
    struct rope *b = rope_saying("sXe text");
    assert_false(rope_equal(a, b));
    rope_delete(b, 1, 1);
    type(b, 1, "am");
    assert_true(rope_equal(a, b));
    rope_delete(b, 0, 1);
    type(b, 0, "S");
    assert_false(rope_equal(a, b));
    rope_free(a);
    rope_free(b);
}

static void a_patch_is_applied_and_undone_by_its_inverse(void **state)
{
    (void)state;
    struct rope *rope = rope_saying("one two three");
    struct patch patch = {0};
    struct patch inverse = {0};
    patch_retain(&patch, 4);
    patch_insert(&patch, bytes_of_string("2"));
    patch_delete(&patch, 3);
    patch_retain(&patch, 1);
    patch_insert(&patch, bytes_of_string("and "));
    rope_invert(rope, &patch, &inverse);
    rope_apply(rope, &patch);
    rope_check(rope);
    expect_text(rope, "one 2 and three");
    rope_apply(rope, &inverse);
    rope_check(rope);
    expect_text(rope, "one two three");
    patch_release(&patch);
    patch_release(&inverse);
    rope_free(rope);
}

/* One letter in every ten is replaced or taken out, some are let alone for longer. */
static void make_many_small_edits(struct patch *patch, size_t edits)
{
    for (size_t i = 0; i < edits; i++) {
        patch_retain(patch, i % 1000 == 999 ? 700 : 9);
        patch_insert(patch, i % 3 == 2 ? bytes_of(NULL, 0) : bytes_of_string("new"));
        patch_delete(patch, i % 3);
    }
}

static size_t chunks_of(const struct rope *rope)
{
    size_t chunks = 0;
    for (uint64_t at = 0; at < rope_len(rope); at += rope_chunk(rope, at).len)
        chunks++;
    return chunks;
}

static void a_patch_of_many_small_edits_does_not_leave_as_many_pieces(void **state)
{
    (void)state;
    enum { EDITS = 10000 };
    struct buf old = {0}, new = {0};
    struct patch patch = {0};
    make_many_small_edits(&patch, EDITS);
    while (old.len < patch_old_len(&patch) + 1000)
        buf_add_string(&old, "so\nmany l\xc3\xa9tters ");
    struct rope *rope = rope_from_bytes(buf_view(&old));
    rope_apply(rope, &patch);
    rope_check(rope);
    patch_apply(&patch, buf_view(&old), &new);
    struct rope *wanted = rope_from_bytes(buf_view(&new));
    assert_true(rope_equal(rope, wanted));
    assert_true(chunks_of(rope) < EDITS / 2);
    rope_free(rope);
    rope_free(wanted);
    patch_release(&patch);
    buf_release(&old);
    buf_release(&new);
}

static void who_works_at_one_place_leaves_no_crumbs_there(void **state)
{
    (void)state;
    struct buf text = {0};
    while (text.len < 100000)
        buf_add_string(&text, "so\nmany l\xc3\xa9tters ");
    struct rope *rope = rope_from_bytes(buf_view(&text));
    size_t before = chunks_of(rope);
    for (uint64_t i = 0; i < 50; i++) {
        type(rope, 50000 + i * 7 % 9, "one ");
        rope_delete(rope, 50000 + i * 5 % 9, 3);
    }
    rope_check(rope);
    assert_int_equal(rope_len(rope), text.len + 50);
    assert_true(chunks_of(rope) < before + 25);
    rope_free(rope);
    buf_release(&text);
}

static void a_megabyte_keeps_its_lines_through_a_thousand_scattered_edits(void **state)
{
    (void)state;
    struct buf text = {0};
    for (int i = 0; i < 1 << 16; i++)
        buf_add_string(&text, "fifteen letters\n");
    struct rope *rope = rope_from_bytes(buf_view(&text));
    assert_int_equal(rope_lines(rope), (1 << 16) + 1);
    for (uint64_t i = 0; i < 1000; i++)
        rope_insert(rope, rope_line_start(rope, i * 61), bytes_of_string("new\n"));
    rope_check(rope);
    assert_int_equal(rope_lines(rope), (1 << 16) + 1001);
    for (uint64_t i = 0; i < 1000; i++)
        rope_delete(rope, rope_line_start(rope, i * 60), 4);
    rope_check(rope);
    struct rope *original = rope_from_bytes(buf_view(&text));
    assert_true(rope_equal(rope, original));
    rope_free(original);
    rope_free(rope);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_empty_text_has_one_line_and_nothing_in_it),
        cmocka_unit_test(text_can_be_inserted_at_the_start_in_the_middle_and_at_the_end),
        cmocka_unit_test(deleting_everything_leaves_a_text_that_can_be_typed_into),
        cmocka_unit_test(typing_one_byte_after_another_reads_as_one_run),
        cmocka_unit_test(deleting_what_was_typed_joins_the_text_around_it_again),
        cmocka_unit_test(text_borrowed_from_a_rope_can_be_inserted_into_it),
        cmocka_unit_test(a_final_newline_begins_one_more_line),
        cmocka_unit_test(code_points_are_counted_at_their_first_byte),
        cmocka_unit_test(a_cluster_is_whole_across_the_borders_of_pieces),
        cmocka_unit_test(a_snapshot_and_its_rope_do_not_see_each_others_edits),
        cmocka_unit_test(borrowed_memory_is_given_back_when_the_last_rope_lets_go),
        cmocka_unit_test(needles_are_found_forwards_and_backwards),
        cmocka_unit_test(equal_texts_are_equal_however_they_were_made),
        cmocka_unit_test(a_patch_is_applied_and_undone_by_its_inverse),
        cmocka_unit_test(a_patch_of_many_small_edits_does_not_leave_as_many_pieces),
        cmocka_unit_test(who_works_at_one_place_leaves_no_crumbs_there),
        cmocka_unit_test(a_megabyte_keeps_its_lines_through_a_thousand_scattered_edits),
    };
    return RUN_TESTS("rope", tests);
}
