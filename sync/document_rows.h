/*
 * document_rows - what the columns of a saved document (sync/document_columns.c) are told from: the rows of its graph, and where
 * each agent's last operation ended. Nobody else includes it.
 */
#ifndef WEFT_SYNC_DOCUMENT_ROWS_H
#define WEFT_SYNC_DOCUMENT_ROWS_H

#include "sync/document_code.h"
#include "sync/delta.h"
#include "sync/packing.h"

/* Events of one agent and one run. */
struct row {
    uint64_t first, end;
    size_t agent;
};

/* The rows so far, and what each agent did last. */
struct rows {
    struct row *items;
    size_t count, cap;
    struct agent_last {
        uint64_t lv;     /* its newest event; LV_NONE: it has none */
        uint64_t op_end; /* where its newest operation ended; PLACE_NONE: it has none */
    } * last;            /* by agent */
};

#define PLACE_NONE UINT64_MAX

/*
 * Where operations are expected, asked in their order: where the agent's last one ended, or when it has none, that before. It is
 * a value, so that who asks for every operation has it in registers.
 */
struct places {
    const struct rows *rows;
    const struct row *row; /* of the operation */
    uint64_t op_end;       /* of the newest operation of all */
    uint64_t expected;     /* of the row's agent; what it has noted itself is in its row's agent_last when the row is left */
};

static inline uint64_t places_of_agent(const struct places *places)
{
    uint64_t op_end = places->rows->last[places->row->agent].op_end;
    return op_end == PLACE_NONE ? places->op_end : op_end;
}

static inline struct places places_of(const struct rows *rows)
{
    return (struct places){.rows = rows, .row = rows->items};
}

/* Goes on to the row of an event, which may be the present one. */
static inline struct places places_at(struct places places, uint64_t lv)
{
    if (lv < places.row->end)
        return places;
    while (places.row->end <= lv)
        places.row++;
    places.expected = places_of_agent(&places);
    return places;
}

/* The operation is over with event `end` - 1; it ended at `op_end`. */
static inline struct places places_after(struct places places, uint64_t op_end, uint64_t end)
{
    places = places_at(places, end - 1);
    places.op_end = places.expected = places.rows->last[places.row->agent].op_end = op_end;
    return places;
}

/* The operations of a log as columns. `rows` are all there are. */
void saved_write_ops(const struct oplog *log, const struct rows *rows, struct compressor *compressor, struct buf *out);

/* The same columns, unpacked; zero-initialised they are empty. */
enum { SAVED_OPS_COLUMNS = 5 };
struct saved_ops {
    struct buf shapes;
    struct number_column columns[SAVED_OPS_COLUMNS];
};
void saved_ops_release(struct saved_ops *ops);
MUST_USE bool saved_unpack_ops(struct saved_ops *ops, struct compressor *compressor, struct reader *reader, struct error *err);
/*
 * Into the log of a document that has its graph and all text of inserts. *summed: the history is a line, and what it does to
 * the text is added to `sum` at once; it becomes false when some of that is void, and the sum is worth nothing then.
 */
MUST_USE bool saved_read_ops(struct saved_ops *ops, struct document *document, const struct rows *rows, struct delta *sum,
                             bool *summed, struct error *err);

void saved_release_columns(struct number_column *columns, size_t count);
bool saved_columns_done(const struct number_column *columns, size_t count);

#endif
