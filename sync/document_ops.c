/*
 * The operations of a saved document in columns (document_columns.c says which): from the log, and into it.
 */
#include "sync/document_rows.h"

#include "editor/base/least.h"

enum { OPS_LEN, OPS_POS, OPS_COLUMNS = SAVED_OPS_COLUMNS };
enum { SHAPES = SHAPE_NOP + 1, SHAPES_A_BYTE = 3 };
static_assert((int)OPS_COLUMNS == OPS_POS + 4, "a place for each pair");
static_assert(BATCH_POS_MAX + DOCUMENT_EVENTS_MAX < (uint64_t)1 << OPLOG_POS_BITS, "a position that is read fits");

/* Of the four, by whether the operation before deletes and this one does. */
static inline size_t pos_column(bool before, bool deletes)
{
    return 2 * (size_t)before + (size_t)deletes;
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
    bool before = false;
    for (size_t i = 0; i < oplog_runs(log); i++) {
        struct op_piece run = oplog_run(log, i);
        number_column_add(&columns[OPS_LEN], run.len - 1);
        if (run.shape == SHAPE_NOP)
            continue;
        places = places_at(places, run.lv);
        bool deletes = run.shape != SHAPE_INSERT;
        number_column_add_signed(&columns[OPS_POS + pos_column(before, deletes)], (int64_t)(run.pos - places.expected));
        places = places_after(places, saved_op_end(run.shape, run.pos, run.len), run.lv + run.len);
        before = deletes;
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

/*
 * Operations are read in blocks, step by step: the shapes of all, their lengths, their places, what they do. A step goes over the
 * block in a loop that has all it needs in registers, and does not wait for what nobody could foresee in another one.
 */
enum { OPS_A_BLOCK = 32 * SHAPES_A_BYTE, OPS_PLACES = OPS_COLUMNS - OPS_POS };

struct op_block {
    size_t count;
    unsigned char shapes[OPS_A_BLOCK];
    uint64_t less[OPS_A_BLOCK];  /* events, less 1 */
    uint64_t ahead[OPS_A_BLOCK]; /* places, less where they are expected */
    struct op_effect {           /* on the text: in place of `gone` bytes from `first` on come `inserted` ones */
        uint64_t first, gone, inserted;
    } effects[OPS_A_BLOCK];
};

/* Numbers of a column that were taken out of it, for this block and the next ones. */
enum { TAKEN_NUMBERS = 62 /* 512 bytes with the rest */ };
struct taken {
    size_t at, count;
    uint64_t numbers[TAKEN_NUMBERS];
};

/* What is read next. */
struct op_reader {
    const struct graph *graph;
    struct number_column *columns;
    struct reader shapes;
    struct places places;
    bool deletes;     /* so does the operation before */
    uint64_t lv, end; /* of the operation; of all */
    uint64_t text_at; /* bytes inserted so far */
    int64_t net;      /* less those deleted */
};

/* The digits that no operation is left for are 0. */
static bool take_shapes(struct op_reader *reader, struct op_block *block)
{
    struct bytes bytes = read_bytes(&reader->shapes, (block->count + SHAPES_A_BYTE - 1) / SHAPES_A_BYTE);
    unsigned char *shapes = block->shapes, most = 0, rest = 0;
    for (size_t i = 0; i < bytes.len; i++, shapes += SHAPES_A_BYTE) {
        unsigned char byte = bytes.data[i];
        most = byte > most ? byte : most;
        shapes[0] = byte / (SHAPES * SHAPES);
        shapes[1] = byte / SHAPES % SHAPES;
        shapes[2] = byte % SHAPES;
    }
    for (size_t i = block->count; i < SHAPES_A_BYTE * bytes.len; i++)
        rest |= block->shapes[i];
    return !reader->shapes.failed && most < SHAPES * SHAPES * SHAPES && rest == 0;
}

static uint64_t take_more(struct number_column *column, struct taken *taken)
{
    taken->at = 0;
    taken->count = number_column_take(column, taken->numbers, TAKEN_NUMBERS);
    return taken->count > 0 ? taken->numbers[taken->at++] : number_column_next(column); /* there is none: that fails */
}

static OUT_OF_LINE void take_places(struct op_reader *reader, struct taken *taken, struct op_block *block)
{
    bool before = reader->deletes;
    for (size_t i = 0, count = block->count; i < count; i++) {
        if (block->shapes[i] == SHAPE_NOP)
            continue;
        bool deletes = block->shapes[i] != SHAPE_INSERT;
        size_t index = pos_column(before, deletes);
        struct taken *from = &taken[index];
        uint64_t number = from->at < from->count ? from->numbers[from->at++] : take_more(&reader->columns[OPS_POS + index], from);
        block->ahead[i] = (number >> 1) ^ (0 - (number & 1));
        before = deletes;
    }
    reader->deletes = before;
}

/* Of one that does not end with its row: one delete of several bytes is valid or void as a whole, so nothing may come between. */
static bool stays_whole(const struct graph *graph, uint64_t lv, enum op_shape shape, uint64_t len)
{
    return shape != SHAPE_DELETE || len == 1 || saved_is_in_a_row(graph, lv, len);
}

/* The next operation's row of the log, all but its end, and what it does. False: it may not stand there. */
static inline bool make_row(struct op_reader *reader, struct op_block *block, size_t i, struct op_run *run)
{
    enum op_shape shape = (enum op_shape)block->shapes[i];
    struct op_masks masks = op_masks[shape];
    uint64_t less = block->less[i], back = less & masks.back;
    uint64_t pos = shape == SHAPE_NOP ? 0 : reader->places.expected + block->ahead[i];
    struct op_effect effect = {pos - back, (less + 1) & masks.deletes, (less + 1) & masks.inserts};
    *run = (struct op_run){reader->lv, pos, shape, (size_t)reader->text_at, reader->net};
    block->effects[i] = effect;
    reader->lv += less + 1;
    reader->text_at += effect.inserted;
    reader->net += (int64_t)(effect.inserted - effect.gone);
    return back <= pos && pos <= BATCH_POS_MAX + DOCUMENT_EVENTS_MAX;
}

static inline uint64_t effect_end(const struct op_effect *effect)
{
    return effect->first + effect->inserted;
}

/* As many as end within the present row of the graph, mostly all of a block: *i becomes the first that does not. */
static OUT_OF_LINE bool make_rows_within(struct op_reader *reader, struct op_block *block, size_t *i, struct op_run *runs)
{
    struct op_reader now = *reader;
    uint64_t end = now.places.row->end;
    size_t at = *i;
    bool good = true;
    for (; at < block->count && block->less[at] < end - now.lv && block->shapes[at] != SHAPE_NOP; at++) {
        good &= make_row(&now, block, at, &runs[at]);
        now.places.expected = effect_end(&block->effects[at]);
    }
    if (at > *i)
        now.places = places_after(now.places, now.places.expected, now.lv);
    *reader = now;
    *i = at;
    return good;
}

/* One of any kind, wherever its row ends. */
static inline bool make_any_row(struct op_reader *reader, struct op_block *block, size_t i, struct op_run *run)
{
    enum op_shape shape = (enum op_shape)block->shapes[i];
    uint64_t lv = reader->lv, less = block->less[i];
    bool ends_here = less < reader->places.row->end - lv;
    if (less >= reader->end - lv || (!ends_here && !stays_whole(reader->graph, lv, shape, less + 1)) ||
        !make_row(reader, block, i, run))
        return false;
    if (shape != SHAPE_NOP)
        reader->places = places_after(reader->places, effect_end(&block->effects[i]), reader->lv);
    return true;
}

static bool make_rows(struct op_reader *reader, struct op_block *block, struct op_run *runs)
{
    for (size_t i = 0, first = 0; i < block->count; first = i) {
        if (reader->lv == reader->end)
            return false;
        reader->places = places_at(reader->places, reader->lv);
        bool is_long = reader->places.row->end - reader->lv >= OPS_A_BLOCK; /* else one by one is quicker */
        if (is_long && !make_rows_within(reader, block, &i, runs))
            return false;
        if (i == first && !make_any_row(reader, block, i++, &runs[first]))
            return false;
    }
    return true;
}

/* Of a history that is a line. False: some of it is void. */
static OUT_OF_LINE bool sum_up(struct delta *sum, const struct op_block *block, size_t text_at)
{
    for (size_t i = 0; i < block->count; i++) {
        const struct op_effect *effect = &block->effects[i];
        if (!delta_replace(sum, effect->first, effect->gone, text_at, effect->inserted))
            return false;
        text_at += effect->inserted;
    }
    return true;
}

static bool ends_well(const struct saved_ops *saved, const struct op_reader *reader, const struct taken *taken,
                      const struct oplog *log, struct error *err)
{
    bool all = reader->lv == reader->end && saved_columns_done(saved->columns, OPS_COLUMNS);
    for (size_t i = 0; i < OPS_PLACES; i++)
        all = all && taken[i].at == taken[i].count;
    if (!all)
        return saved_refuse(err, "the number of its operations");
    return reader->text_at == log->text.len || saved_refuse(err, "its text");
}

bool saved_read_ops(struct saved_ops *saved, struct document *document, const struct rows *rows, struct delta *sum,
                    bool *summed, struct error *err)
{
    struct oplog *log = &document->log;
    struct op_reader reader = {.graph = document->graph, .columns = saved->columns, .places = places_of(rows),
                               .shapes = reader_of(buf_view(&saved->shapes)), .end = graph_len(document->graph)};
    struct taken taken[OPS_PLACES];
    struct op_block block;
    size_t runs = reader_left(&saved->columns[OPS_LEN].low_reader);
    if ((runs + SHAPES_A_BYTE - 1) / SHAPES_A_BYTE != saved->shapes.len)
        return saved_refuse(err, "the shapes of its operations");
    for (size_t i = 0; i < OPS_PLACES; i++)
        taken[i].at = taken[i].count = 0;
    oplog_reserve(log, runs);
    while (log->count < runs) {
        size_t text_at = (size_t)reader.text_at;
        block.count = (size_t)least(runs - log->count, OPS_A_BLOCK);
        if (!take_shapes(&reader, &block))
            return saved_refuse(err, "the shapes of its operations");
        if (number_column_take(&saved->columns[OPS_LEN], block.less, block.count) < block.count)
            return saved_refuse(err, "the lengths of its operations");
        take_places(&reader, taken, &block);
        if (!make_rows(&reader, &block, &log->runs[log->count]))
            return saved_refuse(err, "one of its operations");
        log->count += block.count;
        *summed = *summed && reader.text_at <= log->text.len && sum_up(sum, &block, text_at);
    }
    log->len = reader.lv;
    return ends_well(saved, &reader, taken, log, err);
}
