/*
 * history - graph, operations and walker together, below the admission rules of a document: agents may fork here.
 */
#ifndef WEFT_TESTS_HISTORY_H
#define WEFT_TESTS_HISTORY_H

#include "sync/walker.h"

struct history {
    struct graph *graph;
    struct oplog log;
    struct critical critical;
    struct walker *walker;
    uint64_t merged; /* events whose effect is in `text` */
    uint64_t updates; /* of what was long already */
    struct buf text;
};

void history_init(struct history *history, struct bytes base);
void history_release(struct history *history);

struct history_op {
    enum op_kind kind;
    uint64_t pos, len; /* len: of a delete */
    struct bytes text; /* of an insert */
};
uint64_t history_op_len(const struct history_op *op);
/* Events of one agent in a row; parents ascending. Gives the LV after the last. */
uint64_t history_add(struct history *history, const struct agent_id *agent, uint64_t seq, const uint64_t *parents,
                     size_t parent_count, const struct history_op *ops, size_t op_count);
/* Brings the text up to date, and checks all there is: of a short history always, of a long one now and then. */
void history_update(struct history *history);
/* Every invariant of graph, log and tracker; stops the program when one is broken. Takes as long as the history is. */
void history_check(struct history *history);
/* The text at a version, from `base`. */
void history_text_at(struct history *history, const struct lv_list *version, struct bytes base, struct buf *out);

#endif
