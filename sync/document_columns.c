/*
 * Graph, operations, marks and text of a document in columns (sync/packing.h): of one meaning all numbers together.
 *
 *   graph    a row is events of one agent and one run, so a row's seqs follow from those before
 *              len       events of the row, less 1
 *              agent
 *              parents   other parents << 1 | whether the agent's newest event is one; of each other one, ascending:
 *              back        how many rows lie between its row and this one
 *              behind      how many events of its row come after it
 *   ops      a run is a row of the oplog
 *              shape     a part of bytes, three shapes in each: digits to the base SHAPES, the first one the
 *                        highest; missing ones are 0
 *              len       events of the run, less 1
 *              pos       less where the agent's last operation ended, or when it has none, that before; signed. A
 *                        column for each pair (the run before deletes, this one does); none for SHAPE_NOP
 *   marks      step      LV less that of the mark before (or 0)
 *              flags
 *              time      of those with FLAG_TIME: seconds since the last time, signed
 *              rest      a part of bytes: labels and undo spans
 *   text     a part: the inserted bytes
 *
 * People who type at once each go on where they were, which is why a place is told from the agent's last one.
 */
#include "sync/document_code.h"

#include <limits.h>
#include <stdlib.h>

#include "editor/base/least.h"
#include "editor/base/xalloc.h"
#include "sync/column.h"
#include "sync/packing.h"

enum { GRAPH_LEN, GRAPH_AGENT, GRAPH_PARENTS, GRAPH_BACK, GRAPH_BEHIND, GRAPH_COLUMNS };
enum { OPS_LEN, OPS_POS, OPS_COLUMNS = OPS_POS + 4 };
enum { MARKS_STEP, MARKS_FLAG, MARKS_TIME, MARKS_COLUMNS };
enum { SHAPES = SHAPE_NOP + 1, SHAPES_A_BYTE = 3 };

/* --- rows of the graph --- */

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
    uint64_t op_end;     /* of the newest operation of all */
    size_t op_row;       /* where that is */
    bool op_deletes;
};

#define PLACE_NONE UINT64_MAX

static void rows_init(struct rows *rows, size_t agents)
{
    *rows = (struct rows){.last = xcalloc(agents + 1, sizeof *rows->last)};
    for (size_t i = 0; i < agents; i++)
        rows->last[i] = (struct agent_last){LV_NONE, PLACE_NONE};
}

static void rows_release(struct rows *rows)
{
    free(rows->items);
    free(rows->last);
}

static void rows_add(struct rows *rows, struct row row)
{
    rows->items = xgrow(rows->items, &rows->cap, rows->count + 1, sizeof *rows->items);
    rows->items[rows->count++] = row;
    rows->last[row.agent].lv = row.end - 1;
}

/* The agent of an event not before the last one that was asked for. */
static size_t rows_agent(struct rows *rows, uint64_t lv)
{
    while (rows->items[rows->op_row].end <= lv)
        rows->op_row++;
    return rows->items[rows->op_row].agent;
}

/* Where an operation that begins with this event is expected. */
static uint64_t rows_expect(struct rows *rows, uint64_t lv)
{
    uint64_t place = rows->last[rows_agent(rows, lv)].op_end;
    return place == PLACE_NONE ? rows->op_end : place;
}

/* An operation up to `end` is over; it was at `pos`. */
static void rows_note_op(struct rows *rows, enum op_shape shape, uint64_t pos, uint64_t len, uint64_t end)
{
    rows->op_end = saved_op_end(shape, pos, len);
    rows->op_deletes = shape != SHAPE_INSERT;
    rows->last[rows_agent(rows, end - 1)].op_end = rows->op_end;
}

static size_t pos_column(const struct rows *rows, enum op_shape shape)
{
    return OPS_POS + 2 * (size_t)rows->op_deletes + (shape != SHAPE_INSERT);
}

static void columns_release(struct number_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        number_column_release(&columns[i]);
}

static bool columns_done(const struct number_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!number_column_done(&columns[i]))
            return false;
    return true;
}

/* --- writing --- */

struct saver {
    const struct document *document;
    struct compressor *compressor;
    struct buf *out;
    struct rows rows;
};

static void write_parents(const struct rows *rows, struct number_column *columns, uint64_t own, const uint64_t *parents,
                          size_t count)
{
    size_t others = 0, hint = rows->count;
    for (size_t i = 0; i < count; i++) {
        if (parents[i] == own)
            continue;
        size_t index = column_find(rows->items, sizeof *rows->items, rows->count, parents[i], &hint);
        number_column_add(&columns[GRAPH_BACK], rows->count - 1 - index);
        number_column_add(&columns[GRAPH_BEHIND], rows->items[index].end - 1 - parents[i]);
        others++;
    }
    number_column_add(&columns[GRAPH_PARENTS], (uint64_t)others << 1 | (others < count));
}

static struct row write_row(const struct saver *saver, struct number_column *columns, uint64_t lv)
{
    struct graph_run run = graph_run_of(saver->document->graph, lv);
    struct graph_author author = graph_author_of(saver->document->graph, lv);
    uint64_t before = lv - 1, len = author.len < run.end - lv ? author.len : run.end - lv;
    bool begins = run.first == lv;
    number_column_add(&columns[GRAPH_LEN], len - 1);
    number_column_add(&columns[GRAPH_AGENT], author.agent);
    write_parents(&saver->rows, columns, saver->rows.last[author.agent].lv, begins ? run.parents : &before,
                  begins ? run.parent_count : 1);
    return (struct row){lv, lv + len, author.agent};
}

static void write_graph(struct saver *saver)
{
    struct number_column columns[GRAPH_COLUMNS] = {0};
    for (uint64_t lv = 0; lv < graph_len(saver->document->graph);) {
        struct row row = write_row(saver, columns, lv);
        rows_add(&saver->rows, row);
        lv = row.end;
    }
    packing_add_numbers(saver->compressor, saver->out, columns, GRAPH_COLUMNS);
    columns_release(columns, GRAPH_COLUMNS);
}

static void write_shapes(const struct saver *saver)
{
    const struct oplog *log = &saver->document->log;
    struct buf shapes = {0};
    for (size_t i = 0; i < oplog_runs(log); i += SHAPES_A_BYTE) {
        unsigned byte = 0;
        for (size_t j = i; j < i + SHAPES_A_BYTE; j++)
            byte = byte * SHAPES + (j < oplog_runs(log) ? (unsigned)oplog_run(log, j).shape : 0);
        buf_add_byte(&shapes, (unsigned char)byte);
    }
    packing_add_part(saver->compressor, saver->out, buf_view(&shapes));
    buf_release(&shapes);
}

static void write_ops(struct saver *saver)
{
    const struct oplog *log = &saver->document->log;
    struct number_column columns[OPS_COLUMNS] = {0};
    for (size_t i = 0; i < oplog_runs(log); i++) {
        struct op_piece run = oplog_run(log, i);
        number_column_add(&columns[OPS_LEN], run.len - 1);
        if (run.shape == SHAPE_NOP)
            continue;
        uint64_t expected = rows_expect(&saver->rows, run.lv);
        number_column_add_signed(&columns[pos_column(&saver->rows, run.shape)], (int64_t)(run.pos - expected));
        rows_note_op(&saver->rows, run.shape, run.pos, run.len, run.lv + run.len);
    }
    write_shapes(saver);
    packing_add_numbers(saver->compressor, saver->out, columns, OPS_COLUMNS);
    columns_release(columns, OPS_COLUMNS);
}

static void write_marks(const struct saver *saver)
{
    const struct marks *marks = &saver->document->marks;
    struct number_column columns[MARKS_COLUMNS] = {0};
    struct buf rest = {0};
    uint64_t last_lv = 0, last_time = 0;
    for (size_t i = 0; i < marks->count; i++) {
        const struct mark *mark = &marks->items[i];
        number_column_add(&columns[MARKS_STEP], mark->lv - last_lv);
        number_column_add(&columns[MARKS_FLAG], mark->flags);
        if (mark->flags & BATCH_FLAG_TIME) {
            number_column_add_signed(&columns[MARKS_TIME], (int64_t)(mark->time_s - last_time));
            last_time = mark->time_s;
        }
        saved_write_mark_rest(marks, mark, &rest);
        last_lv = mark->lv;
    }
    packing_add_numbers(saver->compressor, saver->out, columns, MARKS_COLUMNS);
    packing_add_part(saver->compressor, saver->out, buf_view(&rest));
    columns_release(columns, MARKS_COLUMNS);
    buf_release(&rest);
}

void saved_write_columns(const struct document *document, struct buf *out)
{
    struct saver saver = {.document = document, .compressor = compressor_new(), .out = out};
    rows_init(&saver.rows, graph_agents(document->graph));
    write_graph(&saver);
    write_ops(&saver);
    write_marks(&saver);
    packing_add_part(saver.compressor, out, buf_view(&document->log.text));
    rows_release(&saver.rows);
    compressor_free(saver.compressor);
}

/* --- reading --- */

struct loader {
    struct document *document;
    struct compressor *compressor;
    struct reader *reader;
    struct rows rows;
    uint64_t text_len; /* bytes inserted so far */
    size_t room;       /* for so many rows there is room from the beginning; what claims more, densely packed, has to have them */
};

/* An event of a row before this one. */
static bool read_parent(const struct rows *rows, struct number_column *columns, uint64_t *lv)
{
    uint64_t back = number_column_next(&columns[GRAPH_BACK]), behind = number_column_next(&columns[GRAPH_BEHIND]);
    if (back >= rows->count)
        return false;
    const struct row *row = &rows->items[rows->count - 1 - (size_t)back];
    *lv = row->end - 1 - behind;
    return behind < row->end - row->first;
}

/* Ascending LVs into parents[]. */
static bool read_parents(const struct rows *rows, struct number_column *columns, uint64_t own, uint64_t *parents,
                         size_t *count)
{
    uint64_t coded = number_column_next(&columns[GRAPH_PARENTS]), others = coded >> 1;
    bool own_left = coded & 1;
    *count = 0;
    if (others + own_left > SAVED_PARENTS_MAX || (own_left && own == LV_NONE))
        return false;
    for (uint64_t i = 0; i < others; i++) {
        uint64_t lv;
        if (!read_parent(rows, columns, &lv) || lv == own)
            return false;
        if (own_left && own < lv) {
            parents[(*count)++] = own;
            own_left = false;
        }
        if (*count > 0 && lv <= parents[*count - 1])
            return false;
        parents[(*count)++] = lv;
    }
    if (own_left && *count > 0 && own <= parents[*count - 1])
        return false;
    if (own_left)
        parents[(*count)++] = own;
    return true;
}

static bool read_row(struct loader *loader, struct number_column *columns, struct error *err)
{
    uint64_t first = graph_len(loader->document->graph), parents[SAVED_PARENTS_MAX];
    uint64_t less = number_column_next(&columns[GRAPH_LEN]), agent = number_column_next(&columns[GRAPH_AGENT]);
    size_t parent_count;
    if (less >= DOCUMENT_EVENTS_MAX - first || agent >= graph_agents(loader->document->graph))
        return saved_refuse(err, "a row of its graph");
    if (!read_parents(&loader->rows, columns, loader->rows.last[agent].lv, parents, &parent_count))
        return saved_refuse(err, "the parents of a row");
    if (!saved_add_row(loader->document, (size_t)agent, less + 1, parents, parent_count, err))
        return false;
    rows_add(&loader->rows, (struct row){first, first + less + 1, (size_t)agent});
    return true;
}

static bool read_rows(struct loader *loader, struct number_column *columns, struct error *err)
{
    size_t count = least(reader_left(&columns[GRAPH_LEN].low_reader), loader->room);
    size_t others = least(reader_left(&columns[GRAPH_BACK].low_reader), loader->room);
    graph_reserve(loader->document->graph, count, count + others);
    loader->rows.items = xgrow(loader->rows.items, &loader->rows.cap, count, sizeof *loader->rows.items);
    while (reader_left(&columns[GRAPH_LEN].low_reader) > 0)
        if (!read_row(loader, columns, err))
            return false;
    return columns_done(columns, GRAPH_COLUMNS) || saved_refuse(err, "the number of its rows");
}

static bool read_graph(struct loader *loader, struct error *err)
{
    struct number_column columns[GRAPH_COLUMNS] = {0};
    bool good = packing_read_numbers(loader->compressor, loader->reader, columns, GRAPH_COLUMNS)
                    ? read_rows(loader, columns, err)
                    : saved_refuse(err, "the columns of its graph");
    columns_release(columns, GRAPH_COLUMNS);
    graph_fit(loader->document->graph);
    return good;
}

/* The shapes of operations, one after another. */
struct shapes {
    struct reader reader;
    unsigned rest; /* the digits of the present byte that were not read yet, the next one as that of SHAPES * SHAPES */
    unsigned left; /* how many these are */
};

/* SHAPES: there is none. */
static unsigned next_shape(struct shapes *shapes)
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

static bool read_op(struct loader *loader, struct number_column *columns, unsigned coded_shape)
{
    uint64_t lv = loader->document->log.len, len = number_column_next(&columns[OPS_LEN]) + 1, pos = 0, row_end = 0;
    if (coded_shape > SHAPE_NOP || lv >= graph_len(loader->document->graph))
        return false;
    enum op_shape shape = (enum op_shape)coded_shape;
    if (shape != SHAPE_NOP) {
        pos = rows_expect(&loader->rows, lv) +
              (uint64_t)number_column_next_signed(&columns[pos_column(&loader->rows, shape)]);
        row_end = loader->rows.items[loader->rows.op_row].end;
    }
    if (!saved_add_op(loader->document, shape, pos, len, row_end, &loader->text_len))
        return false;
    if (shape != SHAPE_NOP)
        rows_note_op(&loader->rows, shape, pos, len, lv + len);
    return true;
}

static bool read_runs(struct loader *loader, struct bytes coded_shapes, struct number_column *columns, struct error *err)
{
    struct shapes shapes = {.reader = reader_of(coded_shapes)};
    size_t runs = reader_left(&columns[OPS_LEN].low_reader);
    oplog_reserve(&loader->document->log, runs < coded_shapes.len * SHAPES_A_BYTE ? runs : coded_shapes.len * SHAPES_A_BYTE);
    while (reader_left(&columns[OPS_LEN].low_reader) > 0)
        if (!read_op(loader, columns, next_shape(&shapes)))
            return saved_refuse(err, "one of its operations");
    if (shapes.rest != 0 || !reader_done(&shapes.reader))
        return saved_refuse(err, "the shapes of its operations");
    bool complete = loader->document->log.len == graph_len(loader->document->graph);
    return (complete && columns_done(columns, OPS_COLUMNS)) || saved_refuse(err, "the number of its operations");
}

static bool read_ops(struct loader *loader, struct error *err)
{
    struct number_column columns[OPS_COLUMNS] = {0};
    struct buf shapes = {0};
    bool good = packing_read_part(loader->compressor, loader->reader, &shapes) &&
                        packing_read_numbers(loader->compressor, loader->reader, columns, OPS_COLUMNS)
                    ? read_runs(loader, buf_view(&shapes), columns, err)
                    : saved_refuse(err, "the columns of its operations");
    columns_release(columns, OPS_COLUMNS);
    buf_release(&shapes);
    return good;
}

static bool read_mark(struct document *document, struct number_column *columns, struct reader *rest, uint64_t *lv,
                      uint64_t *time_s)
{
    uint64_t step = number_column_next(&columns[MARKS_STEP]), flags = number_column_next(&columns[MARKS_FLAG]);
    struct mark *mark = flags <= UINT_MAX ? saved_add_mark(document, step, (unsigned)flags, lv) : NULL;
    if (!mark)
        return false;
    if (flags & BATCH_FLAG_TIME)
        mark->time_s = *time_s += (uint64_t)number_column_next_signed(&columns[MARKS_TIME]);
    return saved_read_mark_rest(rest, document, (unsigned)flags);
}

static bool read_all_marks(struct document *document, struct number_column *columns, struct bytes rest,
                           struct error *err)
{
    struct reader reader = reader_of(rest);
    uint64_t lv = 0, time_s = 0;
    while (reader_left(&columns[MARKS_STEP].low_reader) > 0)
        if (!read_mark(document, columns, &reader, &lv, &time_s))
            return saved_refuse(err, "one of its marks");
    return (columns_done(columns, MARKS_COLUMNS) && reader_done(&reader)) ||
           saved_refuse(err, "the number of its marks");
}

static bool read_marks(struct loader *loader, struct error *err)
{
    struct number_column columns[MARKS_COLUMNS] = {0};
    struct buf rest = {0};
    bool good = packing_read_numbers(loader->compressor, loader->reader, columns, MARKS_COLUMNS) &&
                        packing_read_part(loader->compressor, loader->reader, &rest)
                    ? read_all_marks(loader->document, columns, buf_view(&rest), err)
                    : saved_refuse(err, "the columns of its marks");
    columns_release(columns, MARKS_COLUMNS);
    buf_release(&rest);
    struct marks *marks = &loader->document->marks;
    marks->items = xfit(marks->items, &marks->cap, marks->count, sizeof *marks->items);
    return good;
}

static bool read_text(const struct loader *loader, struct error *err)
{
    struct buf *text = &loader->document->log.text;
    return (packing_read_part(loader->compressor, loader->reader, text) && text->len == loader->text_len &&
            reader_done(loader->reader)) ||
           saved_refuse(err, "its text");
}

bool saved_read_columns(struct reader *reader, struct document *document, struct error *err)
{
    struct loader loader = {
        .document = document, .compressor = compressor_new(), .reader = reader, .room = reader_left(reader) / 2};
    rows_init(&loader.rows, graph_agents(document->graph));
    bool good =
        read_graph(&loader, err) && read_ops(&loader, err) && read_marks(&loader, err) && read_text(&loader, err);
    rows_release(&loader.rows);
    compressor_free(loader.compressor);
    return good;
}
