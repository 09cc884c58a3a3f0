#include "tests/support/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "editor/base/xalloc.h"
#include "tests/support/support.h"

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

bool for_each_vector(void (*each)(const struct vector *vector, struct random *random), struct random *random)
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

void check_vectors(const char *seed_name, void (*each)(const struct vector *vector, struct random *random))
{
    struct random random = random_of(support_seed(seed_name, 5));
    if (for_each_vector(each, &random))
        return;
    fprintf(stderr, "no test data: skipped\n");
    skip();
}

size_t vector_txn_of(const struct vector *vector, uint64_t lv)
{
    size_t txn = 0;
    while (vector->txns[txn].end <= lv)
        txn++;
    return txn;
}

static bool is_ready(const struct vector *vector, size_t index, const bool *done)
{
    const struct txn *txn = &vector->txns[index];
    for (size_t p = 0; p < txn->parent_count; p++)
        if (!done[vector_txn_of(vector, txn->parents[p])])
            return false;
    return true;
}

void vector_random_order(const struct vector *vector, struct random *random, size_t fixed, size_t *order)
{
    bool done[VECTOR_TXNS_MAX] = {false};
    for (size_t i = 0; i < fixed; i++)
        done[order[i]] = true;
    for (size_t i = fixed; i < vector->count; i++) {
        size_t pick = (size_t)random_below(random, vector->count);
        while (done[pick] || !is_ready(vector, pick, done))
            pick = (pick + 1) % vector->count;
        done[pick] = true;
        order[i] = pick;
    }
}
