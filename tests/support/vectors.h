/*
 * vectors - the recorded event graphs of the shared test data, each with the text that it must give.
 *
 * A transaction is a row of events of one agent. Agents fork themselves here without saying so: an event need not have its
 * agent's previous one in its past.
 *
 *   Units      local versions and seqs count events; a parent is a local version of the recording.
 *   Ownership  a vector lives until for_each_vector() goes on; texts are views into it.
 */
#ifndef WEFT_TESTS_VECTORS_H
#define WEFT_TESTS_VECTORS_H

#include "editor/base/random.h"
#include "tests/support/history.h"

enum { VECTOR_OPS_MAX = 64, VECTOR_PARENTS_MAX = 16, VECTOR_TXNS_MAX = 256 };

struct txn {
    uint64_t first, end;
    uint64_t parents[VECTOR_PARENTS_MAX];
    size_t parent_count;
    struct agent_id agent;
    uint64_t seq;
    struct history_op ops[VECTOR_OPS_MAX];
    size_t op_count;
};

struct cJSON;

struct vector {
    struct cJSON *json;
    struct txn txns[VECTOR_TXNS_MAX];
    size_t count;
    const char *expected;
};

/* Runs `each` on every vector; false when there is no data. */
bool for_each_vector(void (*each)(const struct vector *vector, struct random *random), struct random *random);
/* The same from a seed of that name; skips the test when there is no data. */
void check_vectors(const char *seed_name, void (*each)(const struct vector *vector, struct random *random));
/* Which transaction holds an event. */
size_t vector_txn_of(const struct vector *vector, uint64_t lv);
/* Some order of all transactions in which parents come first; the first `fixed` of `order` are given and stay. */
void vector_random_order(const struct vector *vector, struct random *random, size_t fixed, size_t *order);

#endif
