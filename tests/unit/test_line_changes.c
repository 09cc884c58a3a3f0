/* Which lines a patch changes. */
#include "tests/support/support.h"

#include <string.h>

#include "app/line_changes.h"
#include "editor/base/random.h"

static struct rope *text_of(const char *text)
{
    return rope_from_bytes(bytes_of_string(text));
}

/* "1-3>1-2 ...": lines [1, 3) became [1, 2). */
static void expect(const char *old, uint64_t at, uint64_t deleted, const char *inserted, const char *expected)
{
    struct rope *from = text_of(old), *to = text_of(old);
    struct patch patch = {0};
    struct line_changes changes = {0};
    struct buf found = {0};
    patch_replace(&patch, at, deleted, bytes_of_string(inserted));
    rope_apply(to, &patch);
    line_changes_find(from, to, &patch, &changes);
    for (size_t i = 0; i < changes.count; i++)
        buf_addf(&found, "%llu-%llu>%llu-%llu ", (unsigned long long)changes.items[i].from,
                 (unsigned long long)changes.items[i].from_end, (unsigned long long)changes.items[i].to,
                 (unsigned long long)changes.items[i].to_end);
    assert_string_equal(buf_string(&found), expected);
    buf_release(&found);
    line_changes_release(&changes);
    patch_release(&patch);
    rope_free(from);
    rope_free(to);
}

static void a_changed_line_is_changed_as_a_whole(void **state)
{
    (void)state;
    expect("one\ntwo\nthree\n", 5, 1, "W", "1-2>1-2 ");
    expect("one\ntwo\nthree\n", 4, 0, "t", "1-2>1-2 ");
    expect("one\ntwo\nthree\n", 7, 1, "", "1-3>1-2 ");
    expect("one\ntwo\nthree\n", 5, 0, "\n", "1-2>1-3 ");
}

static void whole_lines_come_and_go_between_others(void **state)
{
    (void)state;
    expect("one\ntwo\nthree\n", 4, 0, "new\n", "1-1>1-2 ");
    expect("one\ntwo\nthree\n", 4, 4, "", "1-2>1-1 ");
    expect("one\ntwo\nthree\n", 14, 0, "four\n", "3-3>3-4 ");
    expect("one\ntwo\nthree\n", 0, 4, "", "0-1>0-0 ");
    expect("one\ntwo\n", 3, 4, "", "1-2>1-1 "); /* "\ntwo": what is left is the same line */
}

static void a_text_may_be_empty_or_lack_its_last_newline(void **state)
{
    (void)state;
    expect("", 0, 0, "one", "0-0>0-1 ");
    expect("", 0, 0, "one\n", "0-0>0-1 ");
    expect("one", 0, 3, "", "0-1>0-0 ");
    expect("one", 3, 0, "\n", "0-1>0-1 ");
    expect("one\n", 4, 0, "two", "1-1>1-2 ");
    expect("one\n", 0, 0, "", "");
}

static void what_is_typed_again_is_no_change(void **state)
{
    (void)state;
    expect("one\ntwo\nthree\n", 4, 4, "two\n", "");
    expect("one\ntwo\nthree\n", 4, 4, "two\nnew\n", "2-2>2-3 ");
}

/* Deletes and inserts that leave the line between them as it was. */
static void a_line_that_is_equal_within_a_change_is_no_change(void **state)
{
    (void)state;
    expect("a\nb\nc\n", 0, 3, "Xa\nb\nplates", "0-1>0-1 2-2>2-3 ");
    expect("a\nb\nc\n", 0, 6, "A\nb\nC", "0-1>0-1 2-3>2-3 ");
    expect("one\na\nb\nc\nd\ne\ntwo", 4, 9, "A\nb\nd\nE", "1-2>1-2 3-4>3-3 5-6>4-5 ");
    expect("a\nb\n", 0, 4, "c\nd\ne\n", "0-2>0-3 "); /* nothing is */
}

static void inserts_on_both_sides_of_a_line_leave_it(void **state)
{
    (void)state;
    struct rope *from = text_of("a\nb\nc\n"), *to = rope_snapshot(from);
    struct patch patch = {0};
    struct line_changes changes = {0};
    patch_insert(&patch, bytes_of_string("X"));
    patch_retain(&patch, 3);
    patch_insert(&patch, bytes_of_string("\nplates"));
    rope_apply(to, &patch);
    line_changes_find(from, to, &patch, &changes);
    assert_int_equal(changes.count, 2);
    const struct line_change expected[] = {{0, 1, 0, 1}, {2, 2, 2, 3}};
    assert_memory_equal(changes.items, expected, sizeof expected);
    line_changes_release(&changes);
    patch_release(&patch);
    rope_free(from);
    rope_free(to);
}

/* --- at random --- */

static void add_lines(const struct rope *text, uint64_t first, uint64_t end, struct buf *out)
{
    uint64_t start = line_start(text, first);
    rope_append_to(text, start, line_start(text, end) - start, out);
}

/* The lines of `from` with every change put in are those of `to`. */
static void check(const struct rope *from, const struct rope *to, const struct line_changes *changes)
{
    struct buf made = {0}, expected = {0};
    uint64_t at = 0, to_at = 0;
    for (size_t i = 0; i < changes->count; i++) {
        const struct line_change *change = &changes->items[i];
        assert_true(change->from >= at && change->from_end >= change->from && change->to_end >= change->to);
        assert_int_equal(change->from - at, change->to - to_at);
        assert_true(i == 0 || change->from > at);
        add_lines(from, at, change->from, &made);
        add_lines(to, change->to, change->to_end, &made);
        at = change->from_end;
        to_at = change->to_end;
    }
    assert_int_equal(line_count(from) - at, line_count(to) - to_at);
    add_lines(from, at, line_count(from), &made);
    rope_append_to(to, 0, rope_len(to), &expected);
    assert_true(bytes_equal(buf_view(&made), buf_view(&expected)));
    buf_release(&made);
    buf_release(&expected);
}

static void random_text(struct random *random, size_t most, struct buf *out)
{
    for (uint64_t len = random_below(random, most + 1); len > 0; len--)
        buf_add_byte(out, random_chance(random, 3) ? '\n' : (unsigned char)('a' + random_below(random, 2)));
}

static void the_changes_put_in_give_the_new_text(void **state)
{
    (void)state;
    struct random random = random_of(support_seed("line-changes", 5));
    for (uint64_t round = support_rounds(3000); round > 0; round--) {
        struct buf old = {0}, text = {0};
        struct patch patch = {0};
        struct line_changes changes = {0};
        random_text(&random, 30, &old);
        for (uint64_t left = old.len; left > 0;) {
            uint64_t len = 1 + random_below(&random, left < 8 ? left : 8);
            buf_clear(&text);
            random_text(&random, 4, &text);
            if (random_chance(&random, 3))
                patch_insert(&patch, buf_view(&text));
            if (random_chance(&random, 3))
                patch_delete(&patch, len);
            else
                patch_retain(&patch, len);
            left -= len;
        }
        struct rope *from = rope_from_bytes(buf_view(&old)), *to = rope_snapshot(from);
        rope_apply(to, &patch);
        line_changes_find(from, to, &patch, &changes);
        check(from, to, &changes);
        line_changes_release(&changes);
        patch_release(&patch);
        buf_release(&old);
        buf_release(&text);
        rope_free(from);
        rope_free(to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_changed_line_is_changed_as_a_whole),
        cmocka_unit_test(whole_lines_come_and_go_between_others),
        cmocka_unit_test(a_text_may_be_empty_or_lack_its_last_newline),
        cmocka_unit_test(what_is_typed_again_is_no_change),
        cmocka_unit_test(a_line_that_is_equal_within_a_change_is_no_change),
        cmocka_unit_test(inserts_on_both_sides_of_a_line_leave_it),
        cmocka_unit_test(the_changes_put_in_give_the_new_text),
    };
    return RUN_TESTS("line_changes", tests);
}
