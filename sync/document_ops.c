/*
 * The operations of a saved document in columns (document_columns.c says which): from the log, and into it.
 */
#include "sync/document_rows.h"

enum { OPS_LEN, OPS_POS, OPS_COLUMNS = SAVED_OPS_COLUMNS };
enum { SHAPES = SHAPE_NOP + 1, SHAPES_A_BYTE = 3 };
static_assert((int)OPS_COLUMNS == OPS_POS + 4, "a place for each pair");
static_assert(BATCH_POS_MAX + DOCUMENT_EVENTS_MAX < (uint64_t)1 << OPLOG_POS_BITS, "a position that is read fits");

static inline size_t pos_column(const struct places *places, bool deletes)
{
    return OPS_POS + 2 * (size_t)places->deletes + (size_t)deletes;
}

void saved_release_columns(struct number_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        number_column_release(&columns[i]);
}

bool saved_columns_done(const struct number_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!number_column_done(&columns[i]))
            return false;
    return true;
}

/* --- writing --- */

static void write_shapes(const struct oplog *log, struct compressor *compressor, struct buf *out)
{
    struct buf shapes = {0};
    for (size_t i = 0; i < oplog_runs(log); i += SHAPES_A_BYTE) {
        unsigned byte = 0;
        for (size_t j = i; j < i + SHAPES_A_BYTE; j++)
            byte = byte * SHAPES + (j < oplog_runs(log) ? (unsigned)oplog_run(log, j).shape : 0);
        buf_add_byte(&shapes, (unsigned char)byte);
    }
    packing_add_part(compressor, out, buf_view(&shapes));
    buf_release(&shapes);
}

void saved_write_ops(const struct oplog *log, const struct rows *rows, struct compressor *compressor, struct buf *out)
{
    struct number_column columns[OPS_COLUMNS] = {0};
    struct places places = places_of(rows);
    for (size_t i = 0; i < oplog_runs(log); i++) {
        struct op_piece run = oplog_run(log, i);
        number_column_add(&columns[OPS_LEN], run.len - 1);
        if (run.shape == SHAPE_NOP)
            continue;
        uint64_t expected = places_expect(&places, run.lv);
        number_column_add_signed(&columns[pos_column(&places, run.shape != SHAPE_INSERT)], (int64_t)(run.pos - expected));
        places_note(&places, saved_op_end(run.shape, run.pos, run.len), run.shape != SHAPE_INSERT, run.lv + run.len);
    }
    write_shapes(log, compressor, out);
    packing_add_numbers(compressor, out, columns, OPS_COLUMNS);
    saved_release_columns(columns, OPS_COLUMNS);
}

/* --- reading --- */

void saved_ops_release(struct saved_ops *ops)
{
    buf_release(&ops->shapes);
    saved_release_columns(ops->columns, OPS_COLUMNS);
}

bool saved_unpack_ops(struct saved_ops *ops, struct compressor *compressor, struct reader *reader, struct error *err)
{
    return (packing_read_part(compressor, reader, &ops->shapes) &&
            packing_read_numbers(compressor, reader, ops->columns, OPS_COLUMNS)) ||
           saved_refuse(err, "the columns of its operations");
}

/* The shapes of operations, one after another. */
struct shapes {
    struct reader reader;
    unsigned rest; /* the digits of the present byte that were not read yet, the next one as that of SHAPES * SHAPES */
    unsigned left; /* how many these are */
};

/* SHAPES: there is none. */
static inline unsigned next_shape(struct shapes *shapes)
{
    if (shapes->left == 0) {
        shapes->rest = read_byte(&shapes->reader);
        if (shapes->reader.failed || shapes->rest >= SHAPES * SHAPES * SHAPES)
            return SHAPES;
        shapes->left = SHAPES_A_BYTE;
    }
    unsigned shape = shapes->rest / (SHAPES * SHAPES);
    shapes->rest = shapes->rest % (SHAPES * SHAPES) * SHAPES;
    shapes->left--;
    return shape;
}

/* What is read next. */
struct op_reader {
    const struct graph *graph;
    struct number_column *columns;
    struct shapes shapes;
    struct places places;
    uint64_t lv, end; /* of the operation; of all */
    uint64_t text_at; /* bytes inserted so far */
    int64_t net;      /* less those deleted */
};

/* What it does to the text: in place of `gone` bytes from `first` on come `inserted` ones. */
struct op_effect {
    uint64_t first, gone, inserted;
};

/* Of one that does not end with its row: one delete of several bytes is valid or void as a whole, so nothing may come between. */
static bool stays_whole(const struct op_reader *reader, enum op_shape shape, uint64_t len)
{
    return shape != SHAPE_DELETE || len == 1 || saved_is_in_a_row(reader->graph, reader->lv, len);
}

/* Of a row of the log all but its end, which is where the reader is then. False: nothing that may stand there. */
static inline bool next_op(struct op_reader *reader, struct op_run *run, struct op_effect *effect)
{
    unsigned shape = next_shape(&reader->shapes);
    uint64_t less = number_column_next(&reader->columns[OPS_LEN]), pos = 0;
    if (shape > SHAPE_NOP || less >= reader->end - reader->lv)
        return false;
    struct op_masks masks = op_masks[shape];
    uint64_t end = reader->lv + less + 1, back = less & masks.back;
    *effect = (struct op_effect){.gone = (less + 1) & masks.deletes, .inserted = (less + 1) & masks.inserts};
    if (shape != SHAPE_NOP) {
        struct number_column *column = &reader->columns[pos_column(&reader->places, effect->gone > 0)];
        pos = places_expect(&reader->places, reader->lv) + (uint64_t)number_column_next_signed(column);
        effect->first = pos - back;
        if (pos > BATCH_POS_MAX + DOCUMENT_EVENTS_MAX || back > pos ||
            (end > reader->places.row->end && !stays_whole(reader, (enum op_shape)shape, less + 1)))
            return false;
        places_note(&reader->places, effect->first + effect->inserted, effect->gone > 0, end);
    }
    *run = (struct op_run){reader->lv, pos, (enum op_shape)shape, (size_t)reader->text_at, reader->net};
    reader->lv = end;
    reader->text_at += effect->inserted;
    reader->net += (int64_t)(effect->inserted - effect->gone);
    return true;
}

/* Of a history that is a line. False: it is void, at least in part. */
static inline bool sum_up(struct delta *sum, const struct op_effect *effect, size_t text_at)
{
    uint64_t len = delta_len(sum);
    if (effect->first > len || effect->gone > len - effect->first)
        return false;
    delta_replace(sum, effect->first, effect->gone, text_at, effect->inserted);
    return true;
}

static bool ends_well(const struct saved_ops *saved, const struct op_reader *reader, const struct oplog *log, struct error *err)
{
    if (reader->shapes.rest != 0 || !reader_done(&reader->shapes.reader))
        return saved_refuse(err, "the shapes of its operations");
    if (reader->lv != reader->end || !saved_columns_done(saved->columns, OPS_COLUMNS))
        return saved_refuse(err, "the number of its operations");
    return reader->text_at == log->text.len || saved_refuse(err, "its text");
}

bool saved_read_ops(struct saved_ops *saved, struct document *document, const struct rows *rows, struct delta *sum,
                    bool *summed, struct error *err)
{
    struct oplog *log = &document->log;
    struct op_reader reader = {.graph = document->graph, .columns = saved->columns, .places = places_of(rows),
                               .shapes = {.reader = reader_of(buf_view(&saved->shapes))}, .end = graph_len(document->graph)};
    size_t runs = reader_left(&saved->columns[OPS_LEN].low_reader);
    if ((runs + SHAPES_A_BYTE - 1) / SHAPES_A_BYTE != saved->shapes.len)
        return saved_refuse(err, "the shapes of its operations");
    oplog_reserve(log, runs);
    for (; runs > 0; runs--) {
        struct op_run *run = &log->runs[log->count];
        struct op_effect effect;
        if (!next_op(&reader, run, &effect))
            return saved_refuse(err, "one of its operations");
        log->count++;
        if (*summed)
            *summed = reader.text_at <= log->text.len && sum_up(sum, &effect, run->text_at);
    }
    log->len = reader.lv;
    return ends_well(saved, &reader, log, err);
}
