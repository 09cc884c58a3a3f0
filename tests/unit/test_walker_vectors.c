/*
 * The recorded event graphs, and every way of replaying them:
 *
 *   all at once                             every_graph_gives_its_text
 *   the graph where FugueMax and Fugue differ ("ifOGsycr_mLA")  the same: it is one of the recorded ones
 *   four random linear extensions           events_may_come_in_any_order
 *   a text that exists, the rest merged     events_may_be_cut_in_two_anywhere, at every place
 *   in portions of any size                 events_may_come_one_by_one
 *   runs joined and runs shattered          every other test joins them; runs_may_be_shattered_into_units
 *   with and without the fast path          each of the first four
 *   checkpoint and tail                     test_saved_vectors: documents, at critical versions and others
 *   the naive model, agents that go back and forth over their text, runs out of range: random graphs in test_walker_model
 */
#include "tests/support/support.h"

#include <stdlib.h>

#include "tests/support/vectors.h"

/* How a replay is cut up and ordered. */
struct manner {
    bool shattered;     /* every unit an operation of its own */
    bool fast_path;
    size_t update_each; /* update after so many transactions; 0: only at the end */
};

static int compare_lvs(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void add_shattered(struct history *history, const struct txn *txn, uint64_t *parents, size_t parent_count)
{
    uint64_t seq = txn->seq, last;
    for (size_t i = 0; i < txn->op_count; i++) {
        for (uint64_t unit = 0; unit < history_op_len(&txn->ops[i]); unit++) {
            struct history_op op = txn->ops[i];
            op.len = 1;
            if (op.kind == OP_INSERT) {
                op.pos += unit;
                op.text = bytes_slice(op.text, unit, 1);
            }
            last = history_add(history, &txn->agent, seq++, parents, parent_count, &op, 1) - 1;
            parents = &last;
            parent_count = 1;
        }
    }
}

/* Adds transactions in the given order; lv_of says where the events of each went. */
static void add_txn(struct history *history, const struct vector *vector, size_t index, uint64_t *lv_of, bool shattered)
{
    const struct txn *txn = &vector->txns[index];
    uint64_t parents[VECTOR_PARENTS_MAX] = {0};
    for (size_t p = 0; p < txn->parent_count; p++) {
        size_t parent = vector_txn_of(vector, txn->parents[p]);
        parents[p] = lv_of[parent] + (txn->parents[p] - vector->txns[parent].first);
    }
    qsort(parents, txn->parent_count, sizeof *parents, compare_lvs);
    lv_of[index] = graph_len(history->graph);
    if (shattered)
        add_shattered(history, txn, parents, txn->parent_count);
    else
        history_add(history, &txn->agent, txn->seq, parents, txn->parent_count, txn->ops, txn->op_count);
}

static void expect_text(const struct history *history, const char *expected)
{
    if (!bytes_equal(buf_view(&history->text), bytes_of_string(expected)))
        fail_msg("got \"%.*s\", not \"%s\"", (int)history->text.len, (const char *)history->text.data, expected);
}

static void replay(const struct vector *vector, const size_t *order, struct manner manner)
{
    struct history history;
    uint64_t lv_of[VECTOR_TXNS_MAX] = {0};
    history_init(&history, (struct bytes){0});
    walker_set_fast_path(history.walker, manner.fast_path);
    for (size_t i = 0; i < vector->count; i++) {
        add_txn(&history, vector, order ? order[i] : i, lv_of, manner.shattered);
        if (manner.update_each > 0 && i % manner.update_each == 0)
            history_update(&history);
    }
    history_update(&history);
    expect_text(&history, vector->expected);
    graph_check(history.graph);
    oplog_check(&history.log);
    history_release(&history);
}

static void replay_all_at_once(const struct vector *vector, struct random *random)
{
    (void)random;
    replay(vector, NULL, (struct manner){.fast_path = true});
    replay(vector, NULL, (struct manner){.fast_path = false});
}

static void replay_shattered(const struct vector *vector, struct random *random)
{
    (void)random;
    replay(vector, NULL, (struct manner){.fast_path = true, .shattered = true});
    replay(vector, NULL, (struct manner){.fast_path = false, .shattered = true, .update_each = 5});
}

static void replay_step_by_step(const struct vector *vector, struct random *random)
{
    replay(vector, NULL, (struct manner){.fast_path = true, .update_each = 1});
    replay(vector, NULL, (struct manner){.fast_path = false, .update_each = 1 + (size_t)random_below(random, 9)});
}

static void replay_in_other_orders(const struct vector *vector, struct random *random)
{
    size_t order[VECTOR_TXNS_MAX];
    for (int i = 0; i < 4; i++) {
        vector_random_order(vector, random, 0, order);
        replay(vector, order, (struct manner){.fast_path = i % 2 == 0, .update_each = i > 1 ? 3 : 0});
    }
}

/* One update over all that comes after a cut, for every cut. */
static void replay_cut_in_two(const struct vector *vector, size_t cut)
{
    struct history history;
    uint64_t lv_of[VECTOR_TXNS_MAX] = {0};
    history_init(&history, (struct bytes){0});
    for (size_t i = 0; i < vector->count; i++) {
        if (i == cut)
            history_update(&history);
        add_txn(&history, vector, i, lv_of, false);
    }
    history_update(&history);
    expect_text(&history, vector->expected);
    history_release(&history);
}

static void replay_at_every_cut(const struct vector *vector, struct random *random)
{
    (void)random;
    for (size_t cut = 0; cut <= vector->count; cut++)
        replay_cut_in_two(vector, cut);
}

static void check_with(void (*each)(const struct vector *vector, struct random *random))
{
    check_vectors("walker_vectors", each);
}

static void every_graph_gives_its_text(void **state)
{
    (void)state;
    check_with(replay_all_at_once);
}

static void runs_may_be_shattered_into_units(void **state)
{
    (void)state;
    check_with(replay_shattered);
}

static void events_may_come_one_by_one(void **state)
{
    (void)state;
    check_with(replay_step_by_step);
}

static void events_may_be_cut_in_two_anywhere(void **state)
{
    (void)state;
    check_with(replay_at_every_cut);
}

static void events_may_come_in_any_order(void **state)
{
    (void)state;
    check_with(replay_in_other_orders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_graph_gives_its_text),
        cmocka_unit_test(runs_may_be_shattered_into_units),
        cmocka_unit_test(events_may_come_one_by_one),
        cmocka_unit_test(events_may_be_cut_in_two_anywhere),
        cmocka_unit_test(events_may_come_in_any_order),
    };
    return RUN_TESTS("walker_vectors", tests);
}
