/*
 * Random pairs of texts: the patch always leads from one to the other, the counts are right, a minimal script is found
 * (against the textbook table of longest common subsequences), small edits give small patches, cuts are between code
 * points.
 */
#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"
#include "editor/line_diff.h"
#include "tests/support/support.h"

static void random_text(struct random *random, size_t lines, struct buf *out)
{
    static const char *const words[] = {"a\n", "b\n", "\n", "ab", "\xc3\xa9\n", "\xe2\x82\xac", "\xf0\x9f\x98\x80\n",
                                        "a\n"};
    buf_clear(out);
    for (size_t i = 0; i < lines; i++)
        buf_add_string(out, words[random_below(random, sizeof words / sizeof *words)]);
}

/* A few edits of the kind that other programs make. */
static void edit_text(struct random *random, const struct buf *from, int edits, struct buf *to)
{
    static const char *const words[] = {"x", "new line\n", "\xc3\xa8", ""};
    struct rope *rope = rope_from_bytes(buf_view(from));
    while (edits-- > 0) {
        uint64_t at = rope_codepoint_start(rope, random_below(random, rope_codepoints(rope) + 1));
        uint64_t end = rope_codepoints_before(rope, at) + random_below(random, 3);
        end = end > rope_codepoints(rope) ? rope_codepoints(rope) : end;
        rope_delete(rope, at, rope_codepoint_start(rope, end) - at);
        rope_insert(rope, at, bytes_of_string(words[random_below(random, sizeof words / sizeof *words)]));
    }
    buf_clear(to);
    rope_append_to(rope, 0, rope_len(rope), to);
    rope_free(rope);
}

static size_t split_lines(struct bytes text, struct bytes *lines)
{
    size_t count = 0;
    for (size_t at = 0; at < text.len;) {
        const unsigned char *newline = memchr(text.data + at, '\n', text.len - at);
        size_t len = newline ? (size_t)(newline - text.data) + 1 - at : text.len - at;
        lines[count++] = bytes_slice(text, at, len);
        at += len;
    }
    return count;
}

/* How many lines two texts can have in common, in order. */
static size_t longest_common(struct bytes a, struct bytes b)
{
    enum { LINES_MAX = 400 };
    static size_t table[LINES_MAX + 1][LINES_MAX + 1];
    static struct bytes left[LINES_MAX], right[LINES_MAX];
    size_t n = split_lines(a, left);
    size_t m = split_lines(b, right);
    for (size_t i = n; i-- > 0;)
        for (size_t k = m; k-- > 0;) {
            size_t skip = table[i + 1][k] > table[i][k + 1] ? table[i + 1][k] : table[i][k + 1];
            table[i][k] = bytes_equal(left[i], right[k]) ? table[i + 1][k + 1] + 1 : skip;
        }
    size_t longest = table[0][0];
    memset(table, 0, sizeof table);
    return longest;
}

static bool begins_inside_sequence(struct bytes text, uint64_t at)
{
    return at < text.len && utf8_is_continuation(text.data[at]);
}

static void expect_cuts_between_code_points(const struct patch *patch, struct bytes from)
{
    uint64_t at = 0;
    for (size_t i = 0; i < patch->count; i++) {
        if (patch->parts[i].kind == PART_INSERT)
            assert_true(utf8_valid(patch_part_text(patch, &patch->parts[i])));
        else
            at += patch->parts[i].len;
        assert_false(begins_inside_sequence(from, at));
    }
}

static void diff_and_check(struct bytes from, struct bytes to, struct patch *patch, struct line_diff *summary)
{
    struct rope *a = rope_from_bytes(from);
    struct rope *b = rope_from_bytes(to);
    line_diff(a, b, patch, summary);
    rope_apply(a, patch);
    assert_true(rope_equal(a, b));
    rope_free(a);
    rope_free(b);
}

static void any_two_texts_lead_to_each_other_by_the_shortest_way(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("line diff, any texts", 1));
    struct buf from = {0}, to = {0};
    struct patch patch = {0};
    struct line_diff summary;

    for (uint64_t round = support_rounds(600); round > 0; round--) {
        random_text(&random, random_below(&random, random_chance(&random, 10) ? 300 : 20), &from);
        random_text(&random, random_below(&random, random_chance(&random, 10) ? 300 : 20), &to);
        struct bytes a = buf_view(&from);
        struct bytes b = buf_view(&to);
        size_t common = longest_common(a, b);
        diff_and_check(a, b, &patch, &summary);
        expect_cuts_between_code_points(&patch, a);
        assert_int_equal(summary.lines_common, common);
        assert_int_equal(summary.lines_common + summary.lines_removed, longest_common(a, a));
        assert_int_equal(summary.lines_common + summary.lines_added, longest_common(b, b));
    }
    patch_release(&patch);
    buf_release(&from);
    buf_release(&to);
}

static void small_edits_give_small_patches(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("line diff, small edits", 2));
    struct buf from = {0}, to = {0};
    struct patch patch = {0};
    struct line_diff summary;

    for (uint64_t i = 0; i < 2000; i++)
        buf_addf(&from, "line number %d, not like the others \xe2\x82\xac\n", (int)i);
    for (uint64_t round = support_rounds(100); round > 0; round--) {
        int edits = 1 + (int)random_below(&random, 5);
        edit_text(&random, &from, edits, &to);
        diff_and_check(buf_view(&from), buf_view(&to), &patch, &summary);
        expect_cuts_between_code_points(&patch, buf_view(&from));
        /* An edit changes two lines at worst (it may delete the newline between them) of some 40 bytes. */
        assert_true(patch_inserted(&patch) + patch_deleted(&patch) <= (uint64_t)edits * 200);
        assert_true(summary.common_percent >= 99);
    }
    patch_release(&patch);
    buf_release(&from);
    buf_release(&to);
}

static void bytes_that_are_no_text_survive_too(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("line diff, bytes", 3));
    struct buf from = {0}, to = {0};
    struct patch patch = {0};
    struct line_diff summary;

    for (uint64_t round = support_rounds(300); round > 0; round--) {
        buf_clear(&from);
        buf_clear(&to);
        for (uint64_t i = random_below(&random, 200); i > 0; i--)
            buf_add_byte(&from, "\n\x80\xc3\0\xff"[random_below(&random, 5)]);
        for (uint64_t i = random_below(&random, 200); i > 0; i--)
            buf_add_byte(&to, "\n\x80\xc3\0\xff"[random_below(&random, 5)]);
        diff_and_check(buf_view(&from), buf_view(&to), &patch, &summary);
    }
    patch_release(&patch);
    buf_release(&from);
    buf_release(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_two_texts_lead_to_each_other_by_the_shortest_way),
        cmocka_unit_test(small_edits_give_small_patches),
        cmocka_unit_test(bytes_that_are_no_text_survive_too),
    };
    return RUN_TESTS("line diff, random texts", tests);
}
