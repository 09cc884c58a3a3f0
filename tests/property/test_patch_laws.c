/* The laws of the patch algebra (editor/patch.h), on random patches of random texts with characters of 1 to 4 bytes. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/patch.h"
#include "editor/patch_doubled.h"

enum { ROUNDS = 2000 };

/* Which parts a random patch may have. */
enum mix { MIX_ALL, MIX_INSERTS, MIX_DELETES };

static void add_random_text(struct buf *out, struct random *random, uint64_t chars_max)
{
    static const char *const chars[] = {"a", "b", "c", "\n", " ", "\xc3\xa9", "\xe6\xbc\xa2", "\xf0\x9f\x98\x80"};
    for (uint64_t n = random_below(random, chars_max + 1); n > 0; n--)
        buf_add_string(out, chars[random_below(random, sizeof chars / sizeof *chars)]);
}

static void random_insert(struct patch *patch, struct random *random)
{
    struct buf text = {0};
    add_random_text(&text, random, 3);
    patch_insert(patch, buf_view(&text));
    buf_release(&text);
}

/* Short steps over a short text, so that the parts of two patches meet often. They may cut characters: the laws don't
 * care. */
static void random_patch(struct patch *patch, struct random *random, uint64_t old_len, enum mix mix)
{
    patch_clear(patch);
    uint64_t left = old_len;
    for (uint64_t parts = random_below(random, 9); parts > 0; parts--) {
        uint64_t step = random_below(random, 5);
        step = step < left ? step : left;
        uint64_t kind = random_below(random, 3);
        if (kind == 0 && mix != MIX_DELETES) {
            random_insert(patch, random);
            continue;
        }
        if (kind == 1 && mix != MIX_INSERTS)
            patch_delete(patch, step);
        else
            patch_retain(patch, step);
        left -= step;
    }
    patch_check(patch);
    assert_true(patch_old_len(patch) <= old_len);
}

static void apply(const struct patch *patch, const struct buf *old, struct buf *out)
{
    patch_check(patch);
    buf_clear(out);
    patch_apply(patch, buf_view(old), out);
}

static void expect_same_text(const struct buf *a, const struct buf *b)
{
    assert_int_equal(a->len, b->len);
    assert_true(bytes_equal(buf_view(a), buf_view(b)));
}

/* One round's material; the next round overwrites it. */
struct world {
    struct random random;
    struct buf text, text_a, text_b, text_end, text_other;
    struct patch a, b, c, a_after, b_after, c_after, ab, bc, left, right;
};

static int set_up(void **state)
{
    struct world *world = test_calloc(1, sizeof *world);
    world->random = random_of(support_seed("patch laws", 0x5eed0001));
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    buf_release(&world->text);
    buf_release(&world->text_a);
    buf_release(&world->text_b);
    buf_release(&world->text_end);
    buf_release(&world->text_other);
    patch_release(&world->a);
    patch_release(&world->b);
    patch_release(&world->c);
    patch_release(&world->a_after);
    patch_release(&world->b_after);
    patch_release(&world->c_after);
    patch_release(&world->ab);
    patch_release(&world->bc);
    patch_release(&world->left);
    patch_release(&world->right);
    test_free(world);
    return 0;
}

static void start_round(struct world *world)
{
    buf_clear(&world->text);
    add_random_text(&world->text, &world->random, 12);
}

static void two_changes_give_one_text_in_either_order(void **state)
{
    struct world *w = *state;
    for (uint64_t round = support_rounds(ROUNDS); round > 0; round--) {
        start_round(w);
        random_patch(&w->a, &w->random, w->text.len, MIX_ALL);
        random_patch(&w->b, &w->random, w->text.len, MIX_ALL);
        patch_transform(&w->a_after, &w->a, &w->b, PATCH_LEFT);
        patch_transform(&w->b_after, &w->b, &w->a, PATCH_RIGHT);
        apply(&w->a, &w->text, &w->text_a);
        apply(&w->b_after, &w->text_a, &w->text_end);
        apply(&w->b, &w->text, &w->text_b);
        apply(&w->a_after, &w->text_b, &w->text_other);
        expect_same_text(&w->text_end, &w->text_other);
        patch_compose(&w->left, &w->a, &w->b_after);
        patch_compose(&w->right, &w->b, &w->a_after);
        assert_true(patch_equal(&w->left, &w->right));
    }
}

static void composing_is_applying_one_after_the_other(void **state)
{
    struct world *w = *state;
    for (uint64_t round = support_rounds(ROUNDS); round > 0; round--) {
        start_round(w);
        random_patch(&w->a, &w->random, w->text.len, MIX_ALL);
        apply(&w->a, &w->text, &w->text_a);
        random_patch(&w->b, &w->random, w->text_a.len, MIX_ALL);
        apply(&w->b, &w->text_a, &w->text_b);
        patch_compose(&w->ab, &w->a, &w->b);
        apply(&w->ab, &w->text, &w->text_end);
        expect_same_text(&w->text_b, &w->text_end);
    }
}

static void composing_does_not_depend_on_the_grouping(void **state)
{
    struct world *w = *state;
    for (uint64_t round = support_rounds(ROUNDS); round > 0; round--) {
        start_round(w);
        random_patch(&w->a, &w->random, w->text.len, MIX_ALL);
        apply(&w->a, &w->text, &w->text_a);
        random_patch(&w->b, &w->random, w->text_a.len, MIX_ALL);
        apply(&w->b, &w->text_a, &w->text_b);
        random_patch(&w->c, &w->random, w->text_b.len, MIX_ALL);
        patch_compose(&w->ab, &w->a, &w->b);
        patch_compose(&w->left, &w->ab, &w->c);
        patch_compose(&w->bc, &w->b, &w->c);
        patch_compose(&w->right, &w->a, &w->bc);
        patch_check(&w->left);
        assert_true(patch_equal(&w->left, &w->right));
    }
}

static void an_inverse_takes_the_change_back(void **state)
{
    struct world *w = *state;
    for (uint64_t round = support_rounds(ROUNDS); round > 0; round--) {
        start_round(w);
        random_patch(&w->a, &w->random, w->text.len, MIX_ALL);
        apply(&w->a, &w->text, &w->text_a);
        patch_invert(&w->b, &w->a, buf_view(&w->text));
        apply(&w->b, &w->text_a, &w->text_end);
        expect_same_text(&w->text, &w->text_end);
        patch_invert(&w->c, &w->b, buf_view(&w->text_a));
        assert_true(patch_equal(&w->a, &w->c));
    }
}

/* left = transform(compose(a, b), c), right = compose(transform(a, c), transform(b, transform(c, a))). */
static void transform_both_ways(struct world *w, enum patch_side side)
{
    patch_compose(&w->ab, &w->a, &w->b);
    patch_transform(&w->left, &w->ab, &w->c, side);
    patch_transform(&w->a_after, &w->a, &w->c, side);
    patch_transform(&w->c_after, &w->c, &w->a, side == PATCH_LEFT ? PATCH_RIGHT : PATCH_LEFT);
    patch_transform(&w->b_after, &w->b, &w->c_after, side);
    patch_compose(&w->right, &w->a_after, &w->b_after);
    patch_check(&w->left);
    patch_check(&w->right);
}

static void random_three(struct world *w, enum mix ab, enum mix c)
{
    start_round(w);
    random_patch(&w->a, &w->random, w->text.len, ab);
    apply(&w->a, &w->text, &w->text_a);
    random_patch(&w->b, &w->random, w->text_a.len, ab);
    random_patch(&w->c, &w->random, w->text.len, c);
}

static void transforming_by_steps_and_by_the_whole_agree(void **state)
{
    struct world *w = *state;
    for (uint64_t round = support_rounds(ROUNDS); round > 0; round--) {
        enum patch_side side = random_chance(&w->random, 2) ? PATCH_LEFT : PATCH_RIGHT;
        random_three(w, MIX_INSERTS, MIX_ALL);
        transform_both_ways(w, side);
        assert_true(patch_equal(&w->left, &w->right));
        random_three(w, MIX_ALL, MIX_DELETES);
        transform_both_ways(w, side);
        assert_true(patch_equal(&w->left, &w->right));
    }
}

static int compare_bytes(const void *a, const void *b)
{
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* Where the law's condition does not hold, inserts in a deleted stretch may change places and nothing else. */
static void transforming_by_steps_loses_and_invents_nothing(void **state)
{
    struct world *w = *state;
    for (uint64_t round = support_rounds(ROUNDS); round > 0; round--) {
        random_three(w, MIX_ALL, MIX_ALL);
        transform_both_ways(w, random_chance(&w->random, 2) ? PATCH_LEFT : PATCH_RIGHT);
        apply(&w->c, &w->text, &w->text_b);
        apply(&w->left, &w->text_b, &w->text_end);
        apply(&w->right, &w->text_b, &w->text_other);
        if (w->text_end.len)
            qsort(w->text_end.data, w->text_end.len, 1, compare_bytes);
        if (w->text_other.len)
            qsort(w->text_other.data, w->text_other.len, 1, compare_bytes);
        expect_same_text(&w->text_end, &w->text_other);
    }
}

/* Every old byte gets a value of its own, inserted bytes are 0xff: so the new text tells where each old byte went. */
static void a_place_goes_where_its_neighbours_go(void **state)
{
    enum { OLD_LEN = 40 };
    struct world *w = *state;
    for (uint64_t round = support_rounds(ROUNDS); round > 0; round--) {
        buf_clear(&w->text);
        for (int byte = 0; byte < OLD_LEN; byte++)
            buf_add_byte(&w->text, (unsigned char)byte);
        random_patch(&w->a, &w->random, OLD_LEN, MIX_ALL);
        if (w->a.text.len)
            memset(w->a.text.data, 0xff, w->a.text.len);
        apply(&w->a, &w->text, &w->text_a);
        for (size_t i = 0; i < w->text_a.len; i++) {
            unsigned char old = w->text_a.data[i];
            if (old == 0xff)
                continue;
            assert_int_equal(patch_map(&w->a, old, GRAVITY_RIGHT), i);
            assert_int_equal(patch_map(&w->a, old + 1u, GRAVITY_LEFT), i + 1);
        }
    }
}

static void places_keep_their_order(void **state)
{
    struct world *w = *state;
    for (uint64_t round = support_rounds(ROUNDS); round > 0; round--) {
        start_round(w);
        random_patch(&w->a, &w->random, w->text.len, MIX_ALL);
        apply(&w->a, &w->text, &w->text_a);
        uint64_t before = 0;
        for (uint64_t at = 0; at <= w->text.len; at++) {
            uint64_t left = patch_map(&w->a, at, GRAVITY_LEFT);
            uint64_t right = patch_map(&w->a, at, GRAVITY_RIGHT);
            assert_true(before <= left && left <= right && right <= w->text_a.len);
            before = right;
        }
        assert_int_equal(patch_map(&w->a, w->text.len, GRAVITY_RIGHT), w->text_a.len);
    }
}

/* The same change twice is the change once; beside no change at all nothing is doubled; only inserted bytes ever go. */
static void what_both_did_is_done_once(void **state)
{
    struct world *w = *state;
    for (uint64_t round = support_rounds(ROUNDS); round > 0; round--) {
        enum patch_side side = round % 2 ? PATCH_LEFT : PATCH_RIGHT;
        start_round(w);
        random_patch(&w->a, &w->random, w->text.len, MIX_ALL);
        random_patch(&w->b, &w->random, w->text.len, MIX_ALL);
        apply(&w->a, &w->text, &w->text_a);
        patch_transform(&w->a_after, &w->a, &w->a, side);
        patch_doubled(&w->c, &w->a, &w->a, &w->a_after);
        apply(&w->a_after, &w->text_a, &w->text_other);
        apply(&w->c, &w->text_other, &w->text_end);
        expect_same_text(&w->text_end, &w->text_a);
        patch_clear(&w->ab);
        patch_doubled(&w->c, &w->a, &w->ab, &w->a);
        assert_true(patch_is_empty(&w->c));
        patch_transform(&w->b_after, &w->b, &w->a, side);
        patch_doubled(&w->c, &w->b, &w->a, &w->b_after);
        patch_check(&w->c);
        assert_int_equal(patch_inserted(&w->c), 0);
        apply(&w->b_after, &w->text_a, &w->text_b);
        assert_true(patch_old_len(&w->c) <= w->text_b.len && patch_deleted(&w->c) <= patch_inserted(&w->b));
    }
}

#define LAW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAW(two_changes_give_one_text_in_either_order),    LAW(composing_is_applying_one_after_the_other),
        LAW(composing_does_not_depend_on_the_grouping),    LAW(an_inverse_takes_the_change_back),
        LAW(transforming_by_steps_and_by_the_whole_agree), LAW(transforming_by_steps_loses_and_invents_nothing),
        LAW(a_place_goes_where_its_neighbours_go),         LAW(places_keep_their_order),
        LAW(what_both_did_is_done_once),
    };
    return RUN_TESTS("patch laws", tests);
}
