#include "sync/sum_tree.h"

#include <string.h>

#include "editor/base/random.h"
#include "tests/support/support.h"

enum { FIRST, SECOND, LEAVES_MAX = 600 };

/* The leaves in their order, with what each holds. */
struct model {
    struct sum_tree tree;
    uint32_t order[LEAVES_MAX];
    struct sums held[LEAVES_MAX]; /* by leaf */
    uint32_t count;
};

static struct sums held_by(const void *self, uint32_t leaf)
{
    const struct model *model = self;
    return model->held[leaf];
}

static void model_reset(struct model *model, unsigned kinds)
{
    sum_tree_reset(&model->tree, kinds);
    memset(model->held, 0, sizeof model->held);
    model->order[0] = sum_tree_first(&model->tree);
    model->count = 1;
}

static void add(struct model *model, uint32_t leaf, struct sums more)
{
    sum_tree_add(&model->tree, leaf, &more);
    sums_add(&model->held[leaf], &more);
}

static void split(struct model *model, uint32_t at)
{
    uint32_t leaf = model->order[at];
    struct sums moved = {{0}};
    for (unsigned kind = 0; kind < model->tree.kinds; kind++)
        moved.of[kind] = model->held[leaf].of[kind] / 2;
    uint32_t other = sum_tree_split(&model->tree, leaf, &moved);
    assert_int_equal(other, model->count);
    sums_subtract(&model->held[leaf], &moved);
    model->held[other] = moved;
    memmove(model->order + at + 2, model->order + at + 1, (model->count - at - 1) * sizeof *model->order);
    model->order[at + 1] = other;
    model->count++;
}

static void expect_order(const struct model *model)
{
    uint32_t leaf = sum_tree_first(&model->tree);
    for (uint32_t at = 0; at < model->count; at++, leaf = sum_tree_next(&model->tree, leaf)) {
        assert_int_equal(leaf, model->order[at]);
        assert_int_equal(sum_tree_compare(&model->tree, leaf, leaf), 0);
        if (at == 0)
            continue;
        assert_true(sum_tree_compare(&model->tree, model->order[at - 1], leaf) < 0);
        assert_true(sum_tree_compare(&model->tree, leaf, model->order[0]) > 0);
    }
    assert_int_equal(leaf, SUM_TREE_NONE);
    leaf = sum_tree_last(&model->tree);
    for (uint32_t at = model->count; at-- > 0; leaf = sum_tree_previous(&model->tree, leaf))
        assert_int_equal(leaf, model->order[at]);
    assert_int_equal(leaf, SUM_TREE_NONE);
}

static void expect_units(const struct model *model, unsigned kind)
{
    uint64_t pos = 0, inside;
    for (uint32_t at = 0; at < model->count; at++) {
        uint32_t leaf = model->order[at];
        uint64_t held = model->held[leaf].of[kind];
        assert_int_equal(sum_tree_before(&model->tree, kind, leaf), pos);
        if (held == 0)
            continue;
        assert_int_equal(sum_tree_find(&model->tree, kind, pos, &inside), leaf);
        assert_int_equal(inside, 0);
        assert_int_equal(sum_tree_find(&model->tree, kind, pos + held - 1, &inside), leaf);
        assert_int_equal(inside, held - 1);
        assert_int_equal(sum_tree_before(&model->tree, kind, leaf), pos); /* of the leaf looked at last */
        pos += held;
    }
    assert_int_equal(model->tree.total.of[kind], pos);
}

static void expect_next_with(const struct model *model, unsigned kind)
{
    uint32_t next = SUM_TREE_NONE;
    for (uint32_t at = model->count; at-- > 0;) {
        assert_int_equal(sum_tree_next_with(&model->tree, kind, model->order[at]), next);
        if (model->held[model->order[at]].of[kind] > 0)
            next = model->order[at];
    }
}

static void an_empty_tree_has_one_leaf(void **state)
{
    static struct model model;
    (void)state;
    model_reset(&model, 1);
    expect_order(&model);
    expect_units(&model, FIRST);
    sum_tree_check(&model.tree, held_by, &model);
    sum_tree_release(&model.tree);
}

static void any_changes_agree_with_a_list_of_leaves(void **state)
{
    static struct model model;
    struct random random = random_of(support_seed("sum_tree", 3));
    (void)state;
    for (uint64_t round = support_rounds(4); round > 0; round--) {
        model_reset(&model, SUM_TREE_KINDS);
        while (model.count < LEAVES_MAX) {
            uint32_t at = (uint32_t)random_below(&random, model.count), leaf = model.order[at];
            uint64_t held = model.held[leaf].of[SECOND];
            if (random_chance(&random, 3))
                split(&model, at);
            else if (random_chance(&random, 3))
                add(&model, leaf, (struct sums){{[SECOND] = 0 - random_below(&random, held + 1)}});
            else
                add(&model, leaf, (struct sums){{random_below(&random, 9), random_below(&random, 9), 1}});
            if (random_chance(&random, 5) && model.tree.total.of[FIRST] > 0) {
                uint64_t inside;
                (void)sum_tree_find(&model.tree, FIRST, random_below(&random, model.tree.total.of[FIRST]), &inside);
            }
            if (random_chance(&random, 20))
                sum_tree_check(&model.tree, held_by, &model);
        }
        expect_order(&model);
        for (unsigned kind = 0; kind < SUM_TREE_KINDS; kind++) {
            expect_units(&model, kind);
            expect_next_with(&model, kind);
        }
    }
    sum_tree_release(&model.tree);
}

static void the_last_leaf_below_a_node_closes_what_is_below_it(void **state)
{
    static struct model model;
    (void)state;
    model_reset(&model, 1);
    while (model.tree.depth < 2)
        split(&model, model.count - 1);
    uint32_t leaf = sum_tree_first(&model.tree);
    assert_int_equal(sum_tree_last_below(&model.tree, leaf, 0), leaf);
    uint32_t last = sum_tree_last_below(&model.tree, leaf, 1);
    assert_true(sum_tree_compare(&model.tree, leaf, last) < 0);
    assert_true(sum_tree_compare(&model.tree, last, sum_tree_last_below(&model.tree, leaf, 2)) < 0);
    assert_int_equal(sum_tree_last_below(&model.tree, leaf, 2), model.order[model.count - 1]);
    sum_tree_release(&model.tree);
}

/* From one that has less, or more, than what it takes the place of; and what happens to either afterwards is its own. */
static void a_copy_is_as_what_it_was_made_of(void **state)
{
    enum { SMALL = 3, LARGE = 200 };
    static struct model model, copy;
    struct random random = random_of(support_seed("sum_tree_copy", 3));
    (void)state;
    static const uint32_t sizes[] = {LARGE, SMALL, LARGE};
    for (size_t round = 0; round < sizeof sizes / sizeof *sizes; round++) {
        model_reset(&model, 2);
        while (model.count < sizes[round]) {
            uint32_t at = (uint32_t)random_below(&random, model.count);
            add(&model, model.order[at], (struct sums){{random_below(&random, 9), 1}});
            split(&model, at);
        }
        add(&model, model.order[0], (struct sums){{7, 0}}); /* which no node above knows yet */
        struct sum_tree tree = copy.tree;
        copy = model;
        copy.tree = tree;
        sum_tree_copy(&copy.tree, &model.tree);
        expect_order(&copy);
        expect_units(&copy, FIRST);
        expect_units(&copy, SECOND);
        sum_tree_check(&copy.tree, held_by, &copy);
        split(&copy, 0);
        expect_order(&model);
        expect_units(&model, FIRST);
    }
    sum_tree_release(&model.tree);
    sum_tree_release(&copy.tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_tree_has_one_leaf),
        cmocka_unit_test(any_changes_agree_with_a_list_of_leaves),
        cmocka_unit_test(the_last_leaf_below_a_node_closes_what_is_below_it),
        cmocka_unit_test(a_copy_is_as_what_it_was_made_of),
    };
    return RUN_TESTS("sum_tree", tests);
}
