/* What applying a patch takes in memory: edits that lie near each other become one, but not the whole text. What comes out is in
   test_rope_model.c. */
#include "editor/rope.h"

#include "tests/support/heap.h"
#include "tests/support/support.h"

enum { TEXT_LEN = 4 << 20, LITTLE = TEXT_LEN / 8 };

static struct rope *new_text(void)
{
    struct buf text = {0};
    for (size_t i = 0; i < TEXT_LEN; i++)
        buf_add(&text, "t", 1);
    struct rope *rope = rope_from_bytes(buf_view(&text));
    buf_release(&text);
    return rope;
}

/* A byte goes, or comes, after every so many. */
static struct patch edits_after_every(uint64_t kept, bool deletes)
{
    struct patch patch = {0};
    for (uint64_t at = 0; at + kept + 1 <= TEXT_LEN; at += kept + 1) {
        patch_retain(&patch, kept);
        if (deletes)
            patch_delete(&patch, 1);
        else
            patch_insert(&patch, bytes_of("i", 1));
    }
    return patch;
}

static void an_edit_of_many_near_each_other_is_never_held_whole(void **state)
{
    (void)state;
    for (int deletes = 0; deletes < 2; deletes++) {
        struct rope *rope = new_text();
        struct patch patch = edits_after_every(9, deletes);
        uint64_t edits = TEXT_LEN / 10;
        heap_begin();
        rope_apply(rope, &patch);
        long held = heap_now(), peak = heap_peak();
        heap_end();
        assert_in_range(peak - held, 0, LITTLE);
        assert_int_equal(rope_len(rope), deletes ? TEXT_LEN - edits : TEXT_LEN + edits);
        rope_check(rope);
        rope_free(rope);
        patch_release(&patch);
    }
}

static void a_snapshot_shares_what_lies_between_edits_that_are_far_apart(void **state)
{
    (void)state;
    struct rope *rope = new_text();
    struct patch patch = edits_after_every(8191, true);
    heap_begin();
    struct rope *before = rope_snapshot(rope);
    rope_apply(rope, &patch);
    long held = heap_now();
    heap_end();
    assert_in_range(held, 0, LITTLE);
    assert_int_equal(rope_len(before), TEXT_LEN);
    rope_free(before);
    rope_free(rope);
    patch_release(&patch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edit_of_many_near_each_other_is_never_held_whole),
        cmocka_unit_test(a_snapshot_shares_what_lies_between_edits_that_are_far_apart),
    };
    return RUN_TESTS("rope_apply", tests);
}
