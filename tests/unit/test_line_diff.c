#include "editor/line_diff.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "tests/support/support.h"

/* The patch between two texts, which is applied and must give the second. */
struct scene {
    struct patch patch;
    struct line_diff summary;
};

static void scene_release(struct scene *scene)
{
    patch_release(&scene->patch);
}

static struct scene diff_ropes(struct rope *from, const struct rope *to)
{
    struct scene scene = {0};
    line_diff(from, to, &scene.patch, &scene.summary);
    rope_apply(from, &scene.patch);
    rope_check(from);
    assert_true(rope_equal(from, to));
    return scene;
}

static struct scene diff_bytes(struct bytes from, struct bytes to)
{
    struct rope *a = rope_from_bytes(from);
    struct rope *b = rope_from_bytes(to);
    struct scene scene = diff_ropes(a, b);
    rope_free(a);
    rope_free(b);
    return scene;
}

static struct scene diff(const char *from, const char *to)
{
    return diff_bytes(bytes_of_string(from), bytes_of_string(to));
}

static void expect_counts(const struct scene *scene, uint64_t added, uint64_t removed, uint64_t common)
{
    assert_int_equal(scene->summary.lines_added, added);
    assert_int_equal(scene->summary.lines_removed, removed);
    assert_int_equal(scene->summary.lines_common, common);
}

/* The parts, as text: `4 +"new" -3`. */
static void expect_patch(const struct scene *scene, const char *expected)
{
    struct buf text = {0};
    for (size_t i = 0; i < scene->patch.count; i++) {
        const struct part *part = &scene->patch.parts[i];
        buf_add_string(&text, i ? " " : "");
        switch (part->kind) {
        case PART_RETAIN:
            buf_addf(&text, "%d", (int)part->len);
            break;
        case PART_INSERT:
            buf_add_string(&text, "+\"");
            buf_add_bytes(&text, patch_part_text(&scene->patch, part));
            buf_add_string(&text, "\"");
            break;
        case PART_DELETE:
            buf_addf(&text, "-%d", (int)part->len);
            break;
        }
    }
    assert_string_equal(buf_string(&text), expected);
    buf_release(&text);
}

static void equal_texts_have_no_difference(void **state)
{
    (void)state;
    struct scene scene = diff("one\ntwo\n", "one\ntwo\n");
    assert_true(patch_is_empty(&scene.patch));
    expect_counts(&scene, 0, 0, 2);
    assert_int_equal(scene.summary.common_percent, 100);
    scene_release(&scene);
    scene = diff("", "");
    expect_counts(&scene, 0, 0, 0);
    assert_int_equal(scene.summary.common_percent, 100);
    assert_int_equal(scene.summary.kept_percent, 100);
    scene_release(&scene);
}

static void what_is_kept_is_measured_by_the_text_before(void **state)
{
    static const struct {
        const char *from, *to;
        int kept, common;
    } rows[] = {
        {"one\ntwo\n", "one\ntwo\n1\n2\n3\n4\n5\n6\n", 100, 25}, /* appended to */
        {"1\n2\n3\n4\n5\n6\none\ntwo\n", "one\ntwo\n", 25, 25}, /* cut */
        {"one\ntwo\n", "one\n3\n4\n5\n", 50, 25},
        {"one\ntwo\n", "three\n", 0, 0},
        {"", "one\n", 100, 0},
        {"one\n", "", 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct scene scene = diff(rows[i].from, rows[i].to);
        assert_int_equal(scene.summary.kept_percent, rows[i].kept);
        assert_int_equal(scene.summary.common_percent, rows[i].common);
        scene_release(&scene);
    }
}

static void from_nothing_everything_is_added(void **state)
{
    (void)state;
    struct scene scene = diff("", "one\ntwo");
    expect_patch(&scene, "+\"one\ntwo\"");
    expect_counts(&scene, 2, 0, 0);
    assert_int_equal(scene.summary.common_percent, 0);
    scene_release(&scene);
    scene = diff("one\ntwo", "");
    expect_patch(&scene, "-7");
    expect_counts(&scene, 0, 2, 0);
    scene_release(&scene);
}

static void a_word_that_changed_is_all_that_is_replaced(void **state)
{
    (void)state;
    struct scene scene = diff("one\nsome old words\nthree\n", "one\nsome new words\nthree\n");
    expect_patch(&scene, "9 +\"new\" -3");
    expect_counts(&scene, 1, 1, 2);
    assert_int_equal(scene.summary.common_percent, 66);
    scene_release(&scene);
}

static void lines_edited_in_a_row_are_patched_one_by_one(void **state)
{
    (void)state;
    struct scene scene = diff("x foo x\ny foo y\n", "x bar x\ny bar y\n");
    expect_patch(&scene, "2 +\"bar\" -3 5 +\"bar\" -3");
    scene_release(&scene);
}

static void lines_added_and_removed_apart_leave_what_is_between(void **state)
{
    (void)state;
    struct scene scene = diff("a\nb\nc\nd\ne\n", "a\nnew\nb\nc\nd\n");
    expect_patch(&scene, "2 +\"new\n\" 6 -2");
    expect_counts(&scene, 1, 1, 4);
    scene_release(&scene);
}

static void a_missing_final_newline_is_one_byte_of_difference(void **state)
{
    (void)state;
    struct scene scene = diff("one\ntwo", "one\ntwo\n");
    expect_patch(&scene, "7 +\"\n\"");
    scene_release(&scene);
}

static void a_code_point_is_replaced_whole(void **state)
{
    (void)state;
    struct scene scene = diff("caf\xc3\xa9 x\n", "caf\xc3\xa8 x\n"); /* the first byte is the same */
    expect_patch(&scene, "3 +\"\xc3\xa8\" -2");
    scene_release(&scene);
    scene = diff("\xf0\x9f\x98\x80\n", "\xf0\x9f\x99\x80\n"); /* first and last bytes are */
    expect_patch(&scene, "+\"\xf0\x9f\x99\x80\" -4");
    scene_release(&scene);
}

static void random_lines(struct random *random, size_t lines, unsigned kinds, struct buf *out)
{
    for (size_t i = 0; i < lines; i++)
        buf_addf(out, "%u\n", (unsigned)random_below(random, kinds));
}

static void texts_that_differ_everywhere_are_replaced_as_one_region(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("line diff, all different", 1));
    struct buf from = {0};
    struct buf to = {0};
    random_lines(&random, 20000, 1u << 31, &from);
    random_lines(&random, 20000, 1u << 31, &to);
    struct scene scene = diff_bytes(buf_view(&from), buf_view(&to));
    assert_true(scene.patch.count <= 3);
    expect_counts(&scene, 20000, 20000, 0);
    scene_release(&scene);
    buf_release(&from);
    buf_release(&to);
}

/* Long runs of equal lines between a few that differ: the slowest there is for the search. */
static void hostile_repetition_ends(void **state)
{
    (void)state;
    struct buf from = {0};
    struct buf to = {0};
    for (int i = 0; i < 400000; i++) {
        buf_addf(&from, i % 150 == 0 ? "%d a\n" : "\n", i);
        buf_addf(&to, i % 149 == 0 ? "%d b\n" : "\n", i);
    }
    struct scene scene = diff_bytes(buf_view(&from), buf_view(&to));
    assert_true(scene.summary.lines_common <= 400000);
    scene_release(&scene);
    buf_release(&from);
    buf_release(&to);
}

static void more_lines_than_are_matched_are_still_patched(void **state)
{
    (void)state;
    struct buf from = {0};
    struct buf to = {0};
    for (int i = 0; i <= LINE_DIFF_LINES_MAX; i++)
        buf_add_string(&from, "a\n");
    buf_add_string(&to, "b\n");
    struct scene scene = diff_bytes(buf_view(&from), buf_view(&to));
    expect_counts(&scene, 1, LINE_DIFF_LINES_MAX + 1, 0);
    scene_release(&scene);
    buf_release(&from);
    buf_release(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_have_no_difference),
        cmocka_unit_test(what_is_kept_is_measured_by_the_text_before),
        cmocka_unit_test(from_nothing_everything_is_added),
        cmocka_unit_test(a_word_that_changed_is_all_that_is_replaced),
        cmocka_unit_test(lines_edited_in_a_row_are_patched_one_by_one),
        cmocka_unit_test(lines_added_and_removed_apart_leave_what_is_between),
        cmocka_unit_test(a_missing_final_newline_is_one_byte_of_difference),
        cmocka_unit_test(a_code_point_is_replaced_whole),
        cmocka_unit_test(texts_that_differ_everywhere_are_replaced_as_one_region),
        cmocka_unit_test(hostile_repetition_ends),
        cmocka_unit_test(more_lines_than_are_matched_are_still_patched),
    };
    return RUN_TESTS("line diff", tests);
}
