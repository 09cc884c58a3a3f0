/* What a rope is made of: pieces of shared sources, and the tree that shares its nodes. How they read is in test_rope.c. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "editor/rope_node.h"
#include "editor/rope_piece.h"
#include "editor/rope_tree.h"

static void count_release(void *context, struct bytes text)
{
    unsigned *released = context;
    (void)text;
    ++*released;
}

static void expect_sums(struct rope_sums sums, uint64_t bytes, uint64_t newlines, uint64_t codepoints)
{
    assert_int_equal(sums.of[ROPE_BYTES], bytes);
    assert_int_equal(sums.of[ROPE_NEWLINES], newlines);
    assert_int_equal(sums.of[ROPE_CODEPOINTS], codepoints);
}

/* --- pieces --- */

static void sums_of_parts_add_up_wherever_a_text_is_cut(void **state)
{
    (void)state;
    static const char line[] = "warp \xe7\xb9\x94 weft\n\x80\xff\xc0\xbf \xf0\x9f\xa7\xb5\n"; /* also what is no UTF-8 */
    struct buf text = {0};
    for (int i = 0; i < 20; i++)
        buf_add_string(&text, line);
    uint64_t heads = 0;
    for (size_t i = 0; i < text.len; i++)
        heads += (text.data[i] & 0xc0) != 0x80;
    expect_sums(rope_sums_of(buf_view(&text)), text.len, 40, heads);
    for (size_t cut = 0; cut <= text.len; cut++) {
        struct rope_sums left = rope_sums_of(bytes_of(text.data, cut));
        struct rope_sums right = rope_sums_of(bytes_of(text.data + cut, text.len - cut));
        expect_sums(rope_sums_add(left, right), text.len, 40, heads);
        expect_sums(rope_sums_subtract(rope_sums_add(left, right), left), right.of[ROPE_BYTES],
                    right.of[ROPE_NEWLINES], right.of[ROPE_CODEPOINTS]);
    }
    expect_sums(rope_sums_of(bytes_of("", 0)), 0, 0, 0);
    buf_release(&text);
}

/* More of one kind than an eight-bit counter holds. */
static void long_rows_of_one_byte_are_counted_whole(void **state)
{
    (void)state;
    enum { LEN = 3 * 255 * 32 + 7 };
    char *text = xmalloc(LEN);
    memset(text, '\n', LEN);
    expect_sums(rope_sums_of(bytes_of(text, LEN)), LEN, LEN, LEN);
    memset(text, 0x80, LEN);
    expect_sums(rope_sums_of(bytes_of(text, LEN)), LEN, 0, 0);
    free(text);
}

static void a_unit_of_any_measure_is_found_in_a_piece(void **state)
{
    (void)state;
    static const char text[] = "a\n\xc3\xa9\n\nz\xe7\xb9\x94!";
    static const size_t newlines[] = {1, 4, 5}, codepoints[] = {0, 1, 2, 4, 5, 6, 7, 10};
    struct rope_source *source = rope_source_of(bytes_of_string(text), NULL, NULL);
    struct rope_piece piece = rope_piece_of(source, bytes_of_string(text));
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(rope_piece_find(&piece, ROPE_NEWLINES, i), newlines[i]);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(rope_piece_find(&piece, ROPE_CODEPOINTS, i), codepoints[i]);
    for (uint32_t i = 0; i < sizeof text - 1; i++) {
        assert_int_equal(rope_piece_find(&piece, ROPE_BYTES, i), i);
        struct rope_sums before = rope_piece_sums_before(&piece, i), expected = rope_sums_of(bytes_of(text, i));
        assert_memory_equal(&before, &expected, sizeof before);
    }
    rope_piece_drop(piece);
    rope_source_drop(source);
}

static void a_source_is_given_back_when_the_last_piece_of_it_goes(void **state)
{
    (void)state;
    unsigned released = 0;
    struct bytes text = bytes_of_string("warp\nweft");
    struct rope_source *source = rope_source_of(text, count_release, &released);
    struct rope_piece left = rope_piece_of(source, text);
    struct rope_piece right = rope_piece_split(&left, 5);
    struct rope_piece again = rope_piece_keep(right);
    assert_true(bytes_equal(rope_piece_text(&left), bytes_of_string("warp\n")));
    assert_true(bytes_equal(rope_piece_text(&right), bytes_of_string("weft")));
    expect_sums(rope_piece_sums(&left), 5, 1, 5);
    expect_sums(rope_piece_sums(&right), 4, 0, 4);
    rope_source_drop(source);
    rope_piece_drop(left);
    rope_piece_drop(right);
    assert_int_equal(released, 0);
    rope_piece_drop(again);
    assert_int_equal(released, 1);
    rope_source_drop(NULL);
}

static void only_what_continues_in_memory_is_joined(void **state)
{
    (void)state;
    unsigned released = 0;
    static const char text[] = "abcdef";
    struct rope_source *source = rope_source_of(bytes_of(text, 6), count_release, &released);
    struct rope_source *other = rope_source_of(bytes_of(text, 6), NULL, NULL);
    struct rope_piece ab = rope_piece_of(source, bytes_of(text, 2)), cd = rope_piece_of(source, bytes_of(text + 2, 2));
    struct rope_piece ef = rope_piece_of(source, bytes_of(text + 4, 2)), foreign = rope_piece_of(other, bytes_of(text + 2, 2));
    assert_false(rope_piece_join(&ab, &ef));
    assert_false(rope_piece_join(&ab, &foreign)); /* it may go earlier than this source */
    assert_true(rope_piece_join(&ab, &cd));
    assert_true(bytes_equal(rope_piece_text(&ab), bytes_of(text, 4)));
    assert_true(rope_piece_join(&ab, &ef));
    rope_piece_drop(foreign);
    rope_source_drop(other);
    rope_source_drop(source);
    assert_int_equal(released, 0);
    rope_piece_drop(ab); /* which has the others' references too */
    assert_int_equal(released, 1);
}

static void what_is_typed_in_sequence_lies_in_sequence(void **state)
{
    (void)state;
    struct rope_ink ink = {0};
    struct rope_piece typed = rope_ink_write(&ink, bytes_of("w", 1));
    for (const char *letter = "arp and weft"; *letter; letter++) {
        struct rope_piece next = rope_ink_write(&ink, bytes_of(letter, 1));
        assert_true(rope_piece_join(&typed, &next));
    }
    assert_true(bytes_equal(rope_piece_text(&typed), bytes_of_string("warp and weft")));
    char much[ROPE_PIECE_BYTES_MAX];
    memset(much, 'x', sizeof much);
    struct rope_piece large = rope_ink_write(&ink, bytes_of(much, sizeof much));
    assert_true(bytes_equal(rope_piece_text(&large), bytes_of(much, sizeof much)));
    assert_false(rope_piece_join(&typed, &large)); /* no piece is longer than ROPE_PIECE_BYTES_MAX */
    rope_ink_release(&ink);
    assert_true(bytes_equal(rope_piece_text(&typed), bytes_of_string("warp and weft"))); /* a piece keeps its block */
    rope_piece_drop(typed);
    rope_piece_drop(large);
}

/* --- tree --- */

#define PIECE ((size_t)3)

/* `count` pieces of three bytes each: "aa\n", "bb\n" and so on. */
static struct rope_tree tree_of(size_t count, unsigned *released)
{
    static char text[26 * PIECE];
    struct rope_piece *pieces = xcalloc(count + 1, sizeof *pieces);
    for (size_t i = 0; i < 26; i++)
        memcpy(text + i * PIECE, (char[]){(char)('a' + i), (char)('a' + i), '\n'}, PIECE);
    struct rope_source *source = rope_source_of(bytes_of(text, sizeof text), released ? count_release : NULL, released);
    for (size_t i = 0; i < count; i++)
        pieces[i] = rope_piece_of(source, bytes_of(text + i % 26 * PIECE, PIECE));
    struct rope_tree tree = rope_tree_build(pieces, count);
    rope_source_drop(source);
    free(pieces);
    return tree;
}

static void read_tree(const struct rope_tree *tree, struct buf *out)
{
    buf_clear(out);
    while (out->len < tree->sums.of[ROPE_BYTES]) {
        struct rope_place place = rope_tree_seek(tree, ROPE_BYTES, out->len);
        assert_int_equal(place.before.of[ROPE_BYTES], out->len);
        buf_add_bytes(out, rope_piece_text(place.piece));
    }
}

static void a_tree_of_any_number_of_pieces_keeps_its_invariants(void **state)
{
    (void)state;
    enum { COUNT_MAX = 3 * ROPE_FANOUT * ROPE_FANOUT };
    for (size_t count = 0; count < COUNT_MAX; count++) {
        struct rope_tree tree = tree_of(count, NULL);
        rope_tree_check(&tree);
        expect_sums(tree.sums, count * PIECE, count, count * PIECE);
        rope_tree_release(&tree);
    }
}

static void a_piece_is_found_by_bytes_newlines_and_code_points(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct rope_tree tree = tree_of(COUNT, NULL);
    for (uint64_t i = 0; i < COUNT; i++) {
        static const enum rope_measure measures[] = {ROPE_BYTES, ROPE_NEWLINES, ROPE_CODEPOINTS};
        const uint64_t units[] = {i * PIECE + 1, i, i * PIECE + 2};
        for (size_t m = 0; m < 3; m++) {
            struct rope_place place = rope_tree_seek(&tree, measures[m], units[m]);
            assert_int_equal(rope_piece_text(place.piece).data[0], 'a' + i % 26);
            expect_sums(place.before, i * PIECE, i, i * PIECE);
        }
    }
    rope_tree_release(&tree);
}

/* Each is edited; what it shared with the other stays as it was for the other. */
static void trees_that_share_nodes_never_notice_each_others_edits(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    unsigned released = 0;
    struct random random = random_of(support_seed("rope_tree", 21));
    struct rope_tree tree = tree_of(COUNT, &released);
    struct buf kept = {0}, now = {0}, expected = {0};
    read_tree(&tree, &kept);
    buf_add_bytes(&expected, buf_view(&kept));
    struct rope_tree shared = rope_tree_share(&tree);
    for (int edit = 0; edit < 150; edit++) {
        uint64_t at = random_below(&random, expected.len), len = 1 + random_below(&random, 5);
        len = len < expected.len - at ? len : expected.len - at;
        rope_tree_delete(&tree, at, len);
        rope_tree_insert(&tree, at, bytes_of("X", 1));
        memmove(expected.data + at + 1, expected.data + at + len, expected.len - at - len);
        expected.data[at] = 'X';
        expected.len -= (size_t)len - 1;
        rope_tree_check(&tree);
    }
    read_tree(&tree, &now);
    assert_true(bytes_equal(buf_view(&now), buf_view(&expected)));
    rope_tree_check(&shared);
    read_tree(&shared, &now);
    assert_true(bytes_equal(buf_view(&now), buf_view(&kept)));
    rope_tree_release(&tree);
    assert_int_equal(released, 0);
    rope_tree_release(&shared);
    assert_int_equal(released, 1);
    buf_release(&kept);
    buf_release(&now);
    buf_release(&expected);
}

static void a_tree_shrinks_to_the_empty_text_and_grows_again(void **state)
{
    (void)state;
    struct rope_tree tree = tree_of(100, NULL);
    while (tree.sums.of[ROPE_BYTES] > 0) {
        rope_tree_delete(&tree, tree.sums.of[ROPE_BYTES] / 2, 1);
        rope_tree_check(&tree);
    }
    expect_sums(tree.sums, 0, 0, 0);
    rope_tree_insert(&tree, 0, bytes_of("x\n", 2));
    rope_tree_check(&tree);
    expect_sums(tree.sums, 2, 1, 2);
    rope_tree_release(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_parts_add_up_wherever_a_text_is_cut),
        cmocka_unit_test(long_rows_of_one_byte_are_counted_whole),
        cmocka_unit_test(a_unit_of_any_measure_is_found_in_a_piece),
        cmocka_unit_test(a_source_is_given_back_when_the_last_piece_of_it_goes),
        cmocka_unit_test(only_what_continues_in_memory_is_joined),
        cmocka_unit_test(what_is_typed_in_sequence_lies_in_sequence),
        cmocka_unit_test(a_tree_of_any_number_of_pieces_keeps_its_invariants),
        cmocka_unit_test(a_piece_is_found_by_bytes_newlines_and_code_points),
        cmocka_unit_test(trees_that_share_nodes_never_notice_each_others_edits),
        cmocka_unit_test(a_tree_shrinks_to_the_empty_text_and_grows_again),
    };
    return RUN_TESTS("rope_tree", tests);
}
