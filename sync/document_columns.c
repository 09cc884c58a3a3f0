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
#include "sync/document_rows.h"

#include <limits.h>
#include <stdlib.h>

#include "editor/base/least.h"
#include "editor/base/xalloc.h"
#include "sync/column.h"
#include "sync/packing.h"

enum { GRAPH_LEN, GRAPH_AGENT, GRAPH_PARENTS, GRAPH_BACK, GRAPH_BEHIND, GRAPH_COLUMNS };
enum { MARKS_STEP, MARKS_FLAG, MARKS_TIME, MARKS_COLUMNS };

/* --- rows of the graph --- */

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
    saved_release_columns(columns, GRAPH_COLUMNS);
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
    saved_release_columns(columns, MARKS_COLUMNS);
    buf_release(&rest);
}

void saved_write_columns(const struct document *document, struct buf *out)
{
    struct saver saver = {.document = document, .compressor = compressor_new(), .out = out};
    rows_init(&saver.rows, graph_agents(document->graph));
    write_graph(&saver);
    saved_write_ops(&document->log, &saver.rows, saver.compressor, out);
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
    return saved_columns_done(columns, GRAPH_COLUMNS) || saved_refuse(err, "the number of its rows");
}

static bool read_graph(struct loader *loader, struct error *err)
{
    struct number_column columns[GRAPH_COLUMNS] = {0};
    bool good = packing_read_numbers(loader->compressor, loader->reader, columns, GRAPH_COLUMNS)
                    ? read_rows(loader, columns, err)
                    : saved_refuse(err, "the columns of its graph");
    saved_release_columns(columns, GRAPH_COLUMNS);
    graph_fit(loader->document->graph);
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
    return (saved_columns_done(columns, MARKS_COLUMNS) && reader_done(&reader)) ||
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
    saved_release_columns(columns, MARKS_COLUMNS);
    buf_release(&rest);
    struct marks *marks = &loader->document->marks;
    marks->items = xfit(marks->items, &marks->cap, marks->count, sizeof *marks->items);
    return good;
}

static bool read_text(const struct loader *loader, struct error *err)
{
    return (packing_read_part(loader->compressor, loader->reader, &loader->document->log.text) &&
            reader_done(loader->reader)) ||
           saved_refuse(err, "its text");
}

/* What a walk would do and find out, which is then not needed. */
static void take_sum(struct document *document, const struct delta *sum)
{
    document->loaded = xcalloc(1, sizeof *document->loaded);
    delta_patch(sum, document->loaded);
    document->len = delta_len(sum);
    document->merged = graph_len(document->graph);
    critical_note(&document->critical, 0, rope_len(document->base));
}

static bool read_columns(struct loader *loader, enum saved_text text, struct error *err)
{
    struct document *document = loader->document;
    struct saved_ops ops = {0};
    struct delta sum = {0};
    bool summed = false;
    bool good = read_graph(loader, err) && saved_unpack_ops(&ops, loader->compressor, loader->reader, err) &&
                read_marks(loader, err) && read_text(loader, err);
    if (good) {
        summed = text == SAVED_TEXT_TOO && graph_runs(document->graph) == 1;
        delta_begin(&sum, rope_len(document->base), &document->log.text);
        good = saved_read_ops(&ops, document, &loader->rows, &sum, &summed, err);
    }
    if (good && summed)
        take_sum(document, &sum);
    delta_release(&sum);
    saved_ops_release(&ops);
    return good;
}

bool saved_read_columns(struct reader *reader, struct document *document, enum saved_text text, struct error *err)
{
    struct loader loader = {
        .document = document, .compressor = compressor_new(), .reader = reader, .room = reader_left(reader) / 2};
    rows_init(&loader.rows, graph_agents(document->graph));
    bool good = read_columns(&loader, text, err);
    rows_release(&loader.rows);
    compressor_free(loader.compressor);
    return good;
}
