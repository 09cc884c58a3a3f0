/* What a rope is made of: pieces of shared sources, and the tree that shares its nodes. How they read is in test_rope.c. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "editor/rope_leaf.h"
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

static struct rope_piece write_ink(struct rope_ink *ink, const char *text)
{
    return rope_ink_write(ink, bytes_of_string(text), rope_sums_of(bytes_of_string(text)));
}

static void what_was_written_last_in_the_ink_is_a_page(void **state)
{
    (void)state;
    struct rope_ink ink = {0};
    struct rope_page page;
    struct rope_piece first = write_ink(&ink, "warp\n");
    assert_true(rope_piece_page(&first, &ink, &page) && page.in_ink);
    assert_ptr_equal(page.start, first.data);
    assert_true(page.stop == page.start + ROPE_PAGE_BYTES_MAX || page.stop == ink.stop);
    struct rope_piece second = write_ink(&ink, "weft");
    expect_sums(rope_piece_sums(&second), 4, 0, 4);
    assert_false(rope_piece_page(&first, &ink, &page)); /* there is something behind it */
    assert_true(rope_piece_page(&second, &ink, &page));
    ink.floor = ink.free;
    assert_false(rope_piece_page(&second, &ink, &page)); /* a snapshot may have it */
    assert_true(rope_piece_join(&first, &second));       /* what is written in a row lies in a row */
    char much[ROPE_PIECE_BYTES_MAX];
    memset(much, 'x', sizeof much);
    struct rope_piece large = rope_ink_write(&ink, bytes_of(much, sizeof much), rope_sums_of(bytes_of(much, sizeof much)));
    assert_true(bytes_equal(rope_piece_text(&large), bytes_of(much, sizeof much)));
    assert_false(rope_piece_page(&large, &ink, &page)); /* longer than a page */
    assert_false(rope_piece_join(&first, &large));      /* no piece is longer than ROPE_PIECE_BYTES_MAX */
    rope_ink_release(&ink);
    assert_true(bytes_equal(rope_piece_text(&first), bytes_of_string("warp\nweft"))); /* a piece keeps its block */
    rope_piece_drop(first);
    rope_piece_drop(large);
}

static void a_page_is_written_only_by_who_is_alone_on_it(void **state)
{
    (void)state;
    struct rope_page page;
    struct rope_ink ink = {0};
    struct bytes front = bytes_of_string("warp "), text = bytes_of_string("and\n"), back = bytes_of_string("weft");
    struct rope_piece piece = rope_page_of(front, text, back, (struct rope_sums){{13, 1, 13}});
    assert_true(bytes_equal(rope_piece_text(&piece), bytes_of_string("warp and\nweft")));
    expect_sums(rope_piece_sums(&piece), 13, 1, 13);
    assert_true(rope_piece_page(&piece, &ink, &page));
    assert_ptr_equal(page.start, piece.data);
    assert_true(page.stop > page.start + 13); /* there is room */
    struct rope_piece other = rope_piece_keep(piece);
    assert_false(rope_piece_page(&piece, &ink, &page));
    rope_piece_drop(other);
    other = rope_piece_split(&piece, 5);
    assert_false(rope_piece_page(&piece, &ink, &page));
    rope_piece_drop(piece);
    assert_true(rope_piece_page(&other, &ink, &page)); /* what was in front is gone */
    assert_ptr_equal(page.start + 5, other.data);
    rope_piece_drop(other);
}

static void a_page_for_a_text_that_is_long_has_no_room(void **state)
{
    (void)state;
    struct rope_page page;
    struct rope_ink ink = {0};
    struct bytes none = {0};
    char much[ROPE_PIECE_BYTES_MAX];
    memset(much, 'x', sizeof much);
    struct rope_piece piece = rope_page_of(none, bytes_of(much, sizeof much), none, rope_sums_of(bytes_of(much, sizeof much)));
    assert_true(rope_piece_page(&piece, &ink, &page));
    assert_true(page.stop == page.start + sizeof much);
    rope_piece_drop(piece);
    unsigned released = 0;
    struct rope_source *source = rope_source_of(bytes_of(much, 5), count_release, &released);
    piece = rope_piece_of(source, bytes_of(much, 5));
    rope_source_drop(source);
    assert_false(rope_piece_page(&piece, &ink, &page)); /* somebody else's memory */
    rope_piece_drop(piece);
    assert_int_equal(released, 1);
}

/* --- leaves --- */

enum { LONG = ROPE_PIECE_BYTES_MAX };

/* A leaf of one piece of that many bytes, "abc..." again and again. */
static struct rope_node *leaf_of_alphabet(size_t len, char *memory)
{
    for (size_t i = 0; i < len; i++)
        memory[i] = (char)('a' + i % 26);
    struct rope_source *source = rope_source_of(bytes_of(memory, len), NULL, NULL);
    struct rope_node *leaf = rope_node_new(0);
    rope_entries_insert(leaf, 0, (union rope_entry){.piece = rope_piece_of(source, bytes_of(memory, len))});
    rope_source_drop(source);
    return leaf;
}

static struct rope_insertion insertion_of(struct rope_node *leaf, uint64_t at, const char *text)
{
    struct bytes bytes = bytes_of_string(text);
    return (struct rope_insertion){.leaf = leaf, .at = at, .text = bytes, .sums = rope_sums_of(bytes)};
}

/* All pieces say what `memory` says with the text at that place; and the insertion's piece has it where it says. */
static void expect_inserted(const struct rope_insertion *insertion, const char *memory, size_t len, size_t at)
{
    struct buf wanted = {0}, got = {0};
    buf_add(&wanted, memory, at);
    buf_add_bytes(&wanted, insertion->text);
    buf_add(&wanted, memory + at, len - at);
    for (size_t i = 0; i < insertion->leaf->count; i++) {
        if (i == insertion->i)
            assert_int_equal(got.len + insertion->at, at);
        buf_add_bytes(&got, rope_piece_text(&insertion->leaf->entries[i].piece));
    }
    assert_true(bytes_equal(buf_view(&got), buf_view(&wanted)));
    rope_node_check(insertion->leaf);
    buf_release(&wanted);
    buf_release(&got);
}

static void text_alone_cuts_a_piece_and_copies_nothing(void **state)
{
    (void)state;
    char memory[LONG];
    for (size_t at = 0; at <= LONG; at += LONG / 4) {
        struct rope_ink ink = {0};
        struct rope_node *leaf = leaf_of_alphabet(LONG, memory);
        struct rope_insertion insertion = insertion_of(leaf, at, "--");
        rope_leaf_put_alone(&insertion, &ink);
        assert_int_equal(leaf->count, at > 0 && at < LONG ? 3 : 2);
        assert_int_equal(insertion.at, 0);
        expect_inserted(&insertion, memory, LONG, at);
        rope_node_drop(leaf);
        rope_ink_release(&ink);
    }
}

static void text_in_a_page_takes_what_is_around_it_along(void **state)
{
    (void)state;
    char memory[LONG];
    for (size_t len = 2; len <= LONG; len += LONG / 2 - 1) {
        for (size_t i = 1; i < 8; i++) {
            struct rope_page page;
            struct rope_ink ink = {0};
            size_t at = len * i / 8;
            struct rope_node *leaf = leaf_of_alphabet(len, memory);
            struct rope_insertion insertion = insertion_of(leaf, at, "-");
            if (!rope_leaf_fits_in_page(&insertion)) {
                assert_true(at == 0 && len >= ROPE_PAGE_BYTES_MAX); /* the edge of a long piece */
                rope_node_drop(leaf);
                continue;
            }
            rope_leaf_put_in_page(&insertion);
            expect_inserted(&insertion, memory, len, at);
            assert_true(rope_piece_page(&leaf->entries[insertion.i].piece, &ink, &page));
            assert_true(leaf->entries[insertion.i].piece.of[ROPE_BYTES] <= ROPE_PAGE_BYTES_MAX);
            assert_true(leaf->count == 1 || len >= ROPE_PAGE_BYTES_MAX);
            rope_node_drop(leaf);
        }
    }
}

static void long_text_and_the_edges_of_long_pieces_do_not_fit_into_a_page(void **state)
{
    (void)state;
    char memory[LONG], much[ROPE_PAGE_BYTES_MAX];
    struct rope_node *leaf = leaf_of_alphabet(LONG, memory);
    struct rope_insertion insertion = insertion_of(leaf, LONG / 2, "-");
    assert_true(rope_leaf_fits_in_page(&insertion));
    insertion.at = 0;
    assert_false(rope_leaf_fits_in_page(&insertion));
    insertion.at = LONG;
    assert_false(rope_leaf_fits_in_page(&insertion));
    insertion.at = LONG / 2;
    memset(much, '-', sizeof much);
    insertion.text = bytes_of(much, ROPE_PAGE_BYTES_MAX / 2);
    assert_true(rope_leaf_fits_in_page(&insertion));
    insertion.text.len++;
    assert_false(rope_leaf_fits_in_page(&insertion));
    rope_node_drop(leaf);
    leaf = rope_node_new(0);
    insertion = insertion_of(leaf, 0, "-");
    assert_false(rope_leaf_fits_in_page(&insertion)); /* there is nothing to take along */
    rope_node_drop(leaf);
}

static void a_piece_becomes_a_page_as_it_is(void **state)
{
    (void)state;
    char memory[ROPE_PAGE_BYTES_MAX];
    struct rope_page page;
    struct rope_ink ink = {0};
    struct rope_node *leaf = leaf_of_alphabet(sizeof memory, memory);
    rope_leaf_make_page(leaf, 0);
    rope_node_check(leaf);
    assert_true(rope_piece_page(&leaf->entries[0].piece, &ink, &page));
    assert_true(bytes_equal(rope_piece_text(&leaf->entries[0].piece), bytes_of(memory, sizeof memory)));
    rope_node_drop(leaf);
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
        cmocka_unit_test(what_was_written_last_in_the_ink_is_a_page),
        cmocka_unit_test(a_page_is_written_only_by_who_is_alone_on_it),
        cmocka_unit_test(a_page_for_a_text_that_is_long_has_no_room),
        cmocka_unit_test(text_alone_cuts_a_piece_and_copies_nothing),
        cmocka_unit_test(text_in_a_page_takes_what_is_around_it_along),
        cmocka_unit_test(long_text_and_the_edges_of_long_pieces_do_not_fit_into_a_page),
        cmocka_unit_test(a_piece_becomes_a_page_as_it_is),
        cmocka_unit_test(a_tree_of_any_number_of_pieces_keeps_its_invariants),
        cmocka_unit_test(a_piece_is_found_by_bytes_newlines_and_code_points),
        cmocka_unit_test(trees_that_share_nodes_never_notice_each_others_edits),
        cmocka_unit_test(a_tree_shrinks_to_the_empty_text_and_grows_again),
    };
    return RUN_TESTS("rope_tree", tests);
}
