/* The recorded event graphs, and every way of replaying them. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "tests/support/history.h"

enum { OPS_MAX = 64, PARENTS_MAX = 16, TXNS_MAX = 256 };

struct txn {
    uint64_t first, end;
    uint64_t parents[PARENTS_MAX];
    size_t parent_count;
    struct agent_id agent;
    uint64_t seq;
    struct history_op ops[OPS_MAX];
    size_t op_count;
};

struct vector {
    cJSON *json;
    struct txn txns[TXNS_MAX];
    size_t count;
    const char *expected;
};

/* How a replay is cut up and ordered. */
struct manner {
    bool shattered;     /* every unit an operation of its own */
    bool fast_path;
    size_t update_each; /* update after so many transactions; 0: only at the end */
};

static uint64_t number_at(const cJSON *array, int index)
{
    return (uint64_t)cJSON_GetArrayItem(array, index)->valuedouble;
}

static void parse_op(const cJSON *json, struct history_op *op)
{
    const char *text = cJSON_GetArrayItem(json, 2)->valuestring;
    op->pos = number_at(json, 0);
    op->len = number_at(json, 1);
    op->kind = op->len > 0 ? OP_DELETE : OP_INSERT;
    op->text = bytes_of_string(text);
}

static void parse_txn(const cJSON *json, struct txn *txn)
{
    const cJSON *span = cJSON_GetObjectItem(json, "span"), *item;
    *txn = (struct txn){.first = number_at(span, 0), .end = number_at(span, 1)};
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(json, "parents"))
        txn->parents[txn->parent_count++] = (uint64_t)item->valuedouble;
    const char *name = cJSON_GetObjectItem(json, "agent")->valuestring;
    memcpy(txn->agent.bytes, name, strlen(name));
    txn->seq = (uint64_t)cJSON_GetObjectItem(json, "seqStart")->valuedouble;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(json, "ops"))
        parse_op(item, &txn->ops[txn->op_count++]);
}

static void parse_vector(const char *line, struct vector *vector)
{
    const cJSON *item;
    vector->json = cJSON_Parse(line);
    vector->count = 0;
    assert_non_null(vector->json);
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(vector->json, "txns"))
        parse_txn(item, &vector->txns[vector->count++]);
    vector->expected = cJSON_GetObjectItem(vector->json, "endContent")->valuestring;
}

/* Runs `each` on every vector; false when there is no data. */
static bool for_each_vector(void (*each)(const struct vector *vector, struct random *random), struct random *random)
{
    char *dir = support_data_dir();
    if (!dir)
        return false;
    char *path = xformat("%s/vectors/eventgraph.jsonl.gz", dir);
    struct buf text = {0};
    struct vector *vector = xcalloc(1, sizeof *vector);
    support_read_gz(path, &text);
    char *rest = NULL;
    for (char *line = strtok_r((char *)(uintptr_t)buf_string(&text), "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        parse_vector(line, vector);
        each(vector, random);
        cJSON_Delete(vector->json);
    }
    free(vector);
    buf_release(&text);
    free(path);
    free(dir);
    return true;
}

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
    uint64_t parents[PARENTS_MAX] = {0};
    for (size_t p = 0; p < txn->parent_count; p++)
        for (size_t t = 0; t < vector->count; t++)
            if (vector->txns[t].first <= txn->parents[p] && txn->parents[p] < vector->txns[t].end)
                parents[p] = lv_of[t] + (txn->parents[p] - vector->txns[t].first);
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
    uint64_t lv_of[TXNS_MAX] = {0};
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

static bool is_ready(const struct vector *vector, size_t index, const bool *done)
{
    const struct txn *txn = &vector->txns[index];
    for (size_t p = 0; p < txn->parent_count; p++)
        for (size_t t = 0; t < vector->count; t++)
            if (vector->txns[t].first <= txn->parents[p] && txn->parents[p] < vector->txns[t].end && !done[t])
                return false;
    return true;
}

/* Some order in which parents come first. */
static void random_extension(const struct vector *vector, struct random *random, size_t *order)
{
    bool done[TXNS_MAX] = {false};
    for (size_t i = 0; i < vector->count; i++) {
        size_t pick = (size_t)random_below(random, vector->count);
        while (done[pick] || !is_ready(vector, pick, done))
            pick = (pick + 1) % vector->count;
        done[pick] = true;
        order[i] = pick;
    }
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
    size_t order[TXNS_MAX];
    for (int i = 0; i < 4; i++) {
        random_extension(vector, random, order);
        replay(vector, order, (struct manner){.fast_path = i % 2 == 0, .update_each = i > 1 ? 3 : 0});
    }
}

/* One update over all that comes after a cut, for every cut. */
static void replay_cut_in_two(const struct vector *vector, size_t cut)
{
    struct history history;
    uint64_t lv_of[TXNS_MAX] = {0};
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
    struct random random = random_of(support_seed("walker_vectors", 5));
    if (for_each_vector(each, &random))
        return;
    fprintf(stderr, "no test data: skipped\n");
    skip();
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
