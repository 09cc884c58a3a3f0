/*
 * A document in bytes as an older weft saved it: versions 1 and 2. They are read, for a trimmed journal has nothing
 * else, and never written. Numbers are varints unless said otherwise; what comes before is as in document_code.c.
 *
 *   graph              count of rows; each: len; agent << 2 | PARENTS_*; with PARENTS_SEVERAL their count; for each
 *                      parent how far it lies before the row's first event, ascending LVs
 *   ops                count of runs; each: len << 3 | shape; zigzag(pos - where the run before ended), none for
 *                      SHAPE_NOP
 *   marks              count; each: LV less that of the mark before (or 0), flags; with FLAG_TIME zigzag(seconds since
 *                      the last time); with FLAG_LABEL the label, sized; with FLAG_UNDO count, then each: agent, seq,
 *                      len
 *   text               the inserted bytes, to the end
 */
#include "sync/document_code.h"

enum { SHAPE_BITS = 3, SHAPE_MASK = 7, PARENT_BITS = 2, PARENT_MASK = 3 };
enum { PARENTS_NONE, PARENTS_PREVIOUS, PARENTS_ONE, PARENTS_SEVERAL };

/* Ascending LVs below `first` into parents[]. */
static bool decode_parents(struct reader *reader, unsigned shape, uint64_t first, uint64_t *parents, size_t *count)
{
    *count = shape == PARENTS_NONE ? 0 : 1;
    if (shape == PARENTS_PREVIOUS) {
        parents[0] = first - 1;
        return first > 0;
    }
    if (shape == PARENTS_SEVERAL)
        *count = (size_t)read_varint_max(reader, SAVED_PARENTS_MAX);
    for (size_t i = 0; i < *count; i++) {
        uint64_t distance = read_varint_max(reader, first);
        if (reader->failed || distance == 0)
            return false;
        parents[i] = first - distance;
        if (i > 0 && parents[i] <= parents[i - 1])
            return false;
    }
    return !reader->failed;
}

static bool decode_row(struct reader *reader, struct document *document, struct error *err)
{
    uint64_t first = graph_len(document->graph), parents[SAVED_PARENTS_MAX];
    size_t parent_count;
    uint64_t len = read_varint_max(reader, DOCUMENT_EVENTS_MAX - first);
    uint64_t coded = read_varint(reader), agent = coded >> PARENT_BITS;
    if (reader->failed || len == 0 || agent >= graph_agents(document->graph))
        return saved_refuse(err, "a row of its graph");
    if (!decode_parents(reader, coded & PARENT_MASK, first, parents, &parent_count))
        return saved_refuse(err, "the parents of a row");
    return saved_add_row(document, (size_t)agent, len, parents, parent_count, err);
}

static bool decode_graph(struct reader *reader, struct document *document, struct error *err)
{
    uint64_t count = read_varint(reader);
    for (uint64_t i = 0; i < count; i++)
        if (!decode_row(reader, document, err))
            return false;
    return !reader->failed || saved_refuse(err, "the number of its rows");
}

/* If it may stand there. *text_len: the bytes inserted so far. */
static bool add_op(struct document *document, enum op_shape shape, uint64_t pos, uint64_t len, uint64_t *text_len)
{
    struct oplog *log = &document->log;
    if (len == 0 || len > graph_len(document->graph) - log->len || pos > BATCH_POS_MAX + DOCUMENT_EVENTS_MAX)
        return false;
    if ((len > pos + 1 && shape == SHAPE_BACKSPACE) ||
        (len > 1 && shape == SHAPE_DELETE && !saved_is_in_a_row(document->graph, log->len, len)))
        return false;
    oplog_add_run(log, shape, pos, len, (size_t)*text_len);
    *text_len += len & op_masks[shape].inserts;
    return true;
}

/* *last: where the run before ended; *text_len: the bytes inserted so far. */
static bool decode_op(struct reader *reader, struct document *document, uint64_t *last, uint64_t *text_len)
{
    uint64_t coded = read_varint(reader), len = coded >> SHAPE_BITS, pos = 0;
    if (reader->failed || (coded & SHAPE_MASK) > SHAPE_NOP)
        return false;
    enum op_shape shape = (enum op_shape)(coded & SHAPE_MASK);
    if (shape != SHAPE_NOP)
        pos = *last + (uint64_t)read_zigzag(reader);
    if (reader->failed || !add_op(document, shape, pos, len, text_len))
        return false;
    *last = shape == SHAPE_NOP ? *last : saved_op_end(shape, pos, len);
    return true;
}

static bool decode_ops(struct reader *reader, struct document *document, uint64_t *text_len, struct error *err)
{
    uint64_t count = read_varint(reader), last = 0;
    for (uint64_t i = 0; i < count; i++)
        if (!decode_op(reader, document, &last, text_len))
            return saved_refuse(err, "one of its operations");
    if (reader->failed || document->log.len != graph_len(document->graph))
        return saved_refuse(err, "the number of its operations");
    return true;
}

static bool decode_mark(struct reader *reader, struct document *document, uint64_t *lv, uint64_t *time_s)
{
    uint64_t step = read_varint(reader);
    unsigned flags = read_byte(reader);
    struct mark *mark = reader->failed ? NULL : saved_add_mark(document, step, flags, lv);
    if (!mark)
        return false;
    if (flags & BATCH_FLAG_TIME)
        mark->time_s = *time_s += (uint64_t)read_zigzag(reader);
    return saved_read_mark_rest(reader, document, flags);
}

static bool decode_marks(struct reader *reader, struct document *document, struct error *err)
{
    uint64_t count = read_varint(reader), lv = 0, time_s = 0;
    for (uint64_t i = 0; i < count; i++)
        if (!decode_mark(reader, document, &lv, &time_s))
            return saved_refuse(err, "one of its marks");
    return !reader->failed || saved_refuse(err, "the number of its marks");
}

bool saved_read_older(struct reader *reader, struct document *document, struct error *err)
{
    uint64_t text_len = 0;
    if (!decode_graph(reader, document, err) || !decode_ops(reader, document, &text_len, err) ||
        !decode_marks(reader, document, err))
        return false;
    if (text_len != reader_left(reader))
        return saved_refuse(err, "the length of its text");
    buf_add_bytes(&document->log.text, read_bytes(reader, (size_t)text_len));
    return true;
}
