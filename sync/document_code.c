/*
 * A document in bytes. Numbers are varints unless said otherwise.
 *
 *   magic    8 bytes  "weftdoc" and the format's version: 1, or 2 when an agent has forked
 *   base               length of the base text
 *   agents             count, then each: 16 bytes; in version 2 then 0, or for a branch of an agent 1 + that one's number
 *                      (below its own), the seq at which it begins, what the other side is called there (16 bytes)
 *   graph              count of rows; each: len; agent << 2 | PARENTS_*; with PARENTS_SEVERAL their count; for each
 *                      parent how far it lies before the row's first event, ascending LVs. Seqs follow: every agent
 *                      counts from 0, a branch from where it begins.
 *   ops                count of runs; each: len << 3 | shape; zigzag(pos - where the run before ended), none for
 *                      SHAPE_NOP
 *   marks              count; each: LV less that of the mark before (or 0), flags; with FLAG_TIME zigzag(seconds since
 *                      the last time); with FLAG_LABEL the label, sized; with FLAG_UNDO count, then each: agent, seq,
 *                      len
 *   text               the inserted bytes, to the end
 *
 * Decoding makes a document of its own, so a failure leaves nothing behind. Every row costs at least two bytes of
 * input.
 */
#include "sync/document_parts.h"

#include <string.h>

enum { MAGIC_BYTES = 8, SHAPE_BITS = 3, SHAPE_MASK = 7, PARENT_BITS = 2, PARENT_MASK = 3 };
enum { PARENTS_NONE, PARENTS_PREVIOUS, PARENTS_ONE, PARENTS_SEVERAL };
enum { ROW_PARENTS_MAX = BATCH_PARENTS_MAX + 1 };

enum { VERSION_PLAIN = 1, VERSION_FORKS = 2 };

static const unsigned char magic[MAGIC_BYTES - 1] = {'w', 'e', 'f', 't', 'd', 'o', 'c'};

/* --- encoding --- */

static unsigned version_of(const struct document *document)
{
    struct agent_fork fork;
    for (size_t i = 0; i < graph_agents(document->graph); i++)
        if (graph_fork_of(document->graph, i, &fork))
            return VERSION_FORKS;
    return VERSION_PLAIN;
}

static void encode_fork(const struct document *document, size_t agent, struct buf *out)
{
    struct agent_fork fork;
    size_t from;
    if (!graph_fork_of(document->graph, agent, &fork)) {
        buf_add_varint(out, 0);
        return;
    }
    ensure(graph_find_agent(document->graph, &fork.from, &from) && from < agent);
    buf_add_varint(out, from + 1);
    buf_add_varint(out, fork.seq);
    buf_add(out, fork.rival.bytes, AGENT_ID_BYTES);
}

static void encode_agents(const struct document *document, unsigned version, struct buf *out)
{
    size_t count = graph_agents(document->graph);
    buf_add_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        buf_add(out, graph_agent_id(document->graph, i)->bytes, AGENT_ID_BYTES);
        if (version == VERSION_FORKS)
            encode_fork(document, i, out);
    }
}

static void encode_parents(struct buf *out, size_t agent, uint64_t first, const uint64_t *parents, size_t count)
{
    unsigned shape = count == 0 ? PARENTS_NONE : count == 1 ? PARENTS_ONE : PARENTS_SEVERAL;
    if (count == 1 && parents[0] + 1 == first)
        shape = PARENTS_PREVIOUS;
    buf_add_varint(out, (uint64_t)agent << PARENT_BITS | shape);
    if (shape == PARENTS_PREVIOUS)
        return;
    if (shape == PARENTS_SEVERAL)
        buf_add_varint(out, count);
    for (size_t i = 0; i < count; i++)
        buf_add_varint(out, first - parents[i]);
}

/* A row: events of one agent and one run. */
static uint64_t encode_row(const struct graph *graph, uint64_t lv, struct buf *out)
{
    struct graph_run run = graph_run_of(graph, lv);
    struct graph_author author = graph_author_of(graph, lv);
    uint64_t before = lv - 1, len = author.len < run.end - lv ? author.len : run.end - lv;
    buf_add_varint(out, len);
    if (run.first == lv)
        encode_parents(out, author.agent, lv, run.parents, run.parent_count);
    else
        encode_parents(out, author.agent, lv, &before, 1);
    return len;
}

static void encode_graph(const struct document *document, struct buf *out)
{
    struct buf rows = {0};
    uint64_t count = 0;
    for (uint64_t lv = 0; lv < graph_len(document->graph); count++)
        lv += encode_row(document->graph, lv, &rows);
    buf_add_varint(out, count);
    buf_add_bytes(out, buf_view(&rows));
    buf_release(&rows);
}

/* Where the next operation most likely is. */
static uint64_t end_of(enum op_shape shape, uint64_t pos, uint64_t len)
{
    switch (shape) {
    case SHAPE_INSERT:
        return pos + len;
    case SHAPE_BACKSPACE:
        return pos + 1 - len;
    case SHAPE_DELETE:
    case SHAPE_DELETE_EACH:
    case SHAPE_NOP:
        return pos;
    }
    ensure(false);
    return pos;
}

static void encode_ops(const struct document *document, struct buf *out)
{
    uint64_t last = 0;
    buf_add_varint(out, oplog_runs(&document->log));
    for (size_t i = 0; i < oplog_runs(&document->log); i++) {
        struct op_piece run = oplog_run(&document->log, i);
        buf_add_varint(out, run.len << SHAPE_BITS | (unsigned)run.shape);
        if (run.shape == SHAPE_NOP)
            continue;
        buf_add_zigzag(out, (int64_t)(run.pos - last));
        last = end_of(run.shape, run.pos, run.len);
    }
}

static void encode_mark(const struct marks *marks, const struct mark *mark, struct buf *out)
{
    if (mark->flags & BATCH_FLAG_LABEL)
        buf_add_sized(out, bytes_of_string((const char *)marks->labels.data + mark->label_at));
    if (!(mark->flags & BATCH_FLAG_UNDO))
        return;
    buf_add_varint(out, mark->undo_count);
    for (size_t i = 0; i < mark->undo_count; i++) {
        const struct agent_span *span = &marks->undo[mark->undo_at + i];
        buf_add_varint(out, span->agent);
        buf_add_varint(out, span->seq);
        buf_add_varint(out, span->len);
    }
}

static void encode_marks(const struct document *document, struct buf *out)
{
    uint64_t last_lv = 0, last_time = 0;
    buf_add_varint(out, document->marks.count);
    for (size_t i = 0; i < document->marks.count; i++) {
        const struct mark *mark = &document->marks.items[i];
        buf_add_varint(out, mark->lv - last_lv);
        buf_add_byte(out, (unsigned char)mark->flags);
        if (mark->flags & BATCH_FLAG_TIME) {
            buf_add_zigzag(out, (int64_t)(mark->time_s - last_time));
            last_time = mark->time_s;
        }
        encode_mark(&document->marks, mark, out);
        last_lv = mark->lv;
    }
}

void document_encode(const struct document *document, struct buf *out)
{
    unsigned version = version_of(document);
    buf_add(out, magic, sizeof magic);
    buf_add_byte(out, (unsigned char)version);
    buf_add_varint(out, rope_len(document->base));
    encode_agents(document, version, out);
    encode_graph(document, out);
    encode_ops(document, out);
    encode_marks(document, out);
    buf_add_bytes(out, buf_view(&document->log.text));
}

/* --- decoding --- */

static bool refuse(struct error *err, const char *what)
{
    return error_set(err, ERR_FORMAT, 0, "a saved document is damaged: %s", what);
}

static bool decode_head(struct reader *reader, const struct rope *base, unsigned *version, struct error *err)
{
    unsigned char found[MAGIC_BYTES - 1];
    read_into(reader, found, sizeof found);
    *version = read_byte(reader);
    if (memcmp(found, magic, sizeof magic) != 0)
        return refuse(err, "it does not begin like one");
    if (*version < VERSION_PLAIN || *version > VERSION_FORKS)
        return error_set(err, ERR_NEWER, 0, "a saved document was made by a newer weft");
    if (read_varint(reader) != rope_len(base) || reader->failed)
        return refuse(err, "it belongs to another base text");
    return true;
}

/* Of agent number n, whose id has been read. */
static bool decode_fork(struct reader *reader, struct document *document, const struct agent_id *id, uint64_t n)
{
    uint64_t from = read_varint_max(reader, n);
    if (reader->failed || from == 0)
        return !reader->failed && graph_agent(document->graph, id) == n;
    struct agent_fork fork = {.branch = *id, .from = *graph_agent_id(document->graph, (size_t)from - 1)};
    fork.seq = read_varint_max(reader, BATCH_SEQ_MAX);
    read_into(reader, fork.rival.bytes, AGENT_ID_BYTES);
    return !reader->failed && graph_branch(document->graph, &fork) == n;
}

static bool decode_agents(struct reader *reader, struct document *document, unsigned version, struct error *err)
{
    uint64_t count = read_varint_max(reader, reader_left(reader) / AGENT_ID_BYTES);
    for (uint64_t i = 0; i < count; i++) {
        struct agent_id id;
        read_into(reader, id.bytes, sizeof id.bytes);
        bool taken = version == VERSION_FORKS ? decode_fork(reader, document, &id, i)
                                              : !reader->failed && graph_agent(document->graph, &id) == i;
        if (!taken)
            return refuse(err, "its agents");
    }
    return !reader->failed || refuse(err, "the number of its agents");
}

/* Ascending LVs below `first` into parents[]. */
static bool decode_parents(struct reader *reader, unsigned shape, uint64_t first, uint64_t *parents, size_t *count)
{
    *count = shape == PARENTS_NONE ? 0 : 1;
    if (shape == PARENTS_PREVIOUS) {
        parents[0] = first - 1;
        return first > 0;
    }
    if (shape == PARENTS_SEVERAL)
        *count = (size_t)read_varint_max(reader, ROW_PARENTS_MAX);
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
    uint64_t first = graph_len(document->graph), parents[ROW_PARENTS_MAX];
    size_t parent_count;
    uint64_t len = read_varint_max(reader, DOCUMENT_EVENTS_MAX - first);
    uint64_t coded = read_varint(reader), agent = coded >> PARENT_BITS;
    if (reader->failed || len == 0 || agent >= graph_agents(document->graph))
        return refuse(err, "a row of its graph");
    if (!decode_parents(reader, coded & PARENT_MASK, first, parents, &parent_count))
        return refuse(err, "the parents of a row");
    if (!document_has_past(document, (size_t)agent))
        return refuse(err, "a branch of an agent without its beginning");
    if (!document_admits(document, (size_t)agent, parents, parent_count, err))
        return false;
    document_append(document, (size_t)agent, len, parents, parent_count);
    return true;
}

static bool decode_graph(struct reader *reader, struct document *document, struct error *err)
{
    uint64_t count = read_varint(reader);
    for (uint64_t i = 0; i < count; i++)
        if (!decode_row(reader, document, err))
            return false;
    return !reader->failed || refuse(err, "the number of its rows");
}

/* One delete of several bytes is valid or void as a whole, so nothing may come between its events. */
static bool is_in_a_row(const struct graph *graph, uint64_t first, uint64_t len)
{
    return graph_run_of(graph, first).end - first >= len && graph_author_of(graph, first).len >= len;
}

/* *last: where the run before ended; *text_len: the bytes inserted so far. */
static bool decode_op(struct reader *reader, struct document *document, uint64_t *last, uint64_t *text_len)
{
    struct oplog *log = &document->log;
    uint64_t events = graph_len(document->graph);
    uint64_t coded = read_varint(reader), len = coded >> SHAPE_BITS, pos = 0;
    if (reader->failed || len == 0 || len > events - log->len || (coded & SHAPE_MASK) > SHAPE_NOP)
        return false;
    enum op_shape shape = (enum op_shape)(coded & SHAPE_MASK);
    if (shape != SHAPE_NOP) {
        pos = *last + (uint64_t)read_zigzag(reader);
        if (reader->failed || pos > BATCH_POS_MAX + DOCUMENT_EVENTS_MAX || (shape == SHAPE_BACKSPACE && len > pos + 1))
            return false;
        *last = end_of(shape, pos, len);
    }
    if (shape == SHAPE_DELETE && !is_in_a_row(document->graph, log->len, len))
        return false;
    oplog_add_run(log, shape, pos, len, (size_t)*text_len);
    *text_len += shape == SHAPE_INSERT ? len : 0;
    return true;
}

static bool decode_ops(struct reader *reader, struct document *document, uint64_t *text_len, struct error *err)
{
    uint64_t count = read_varint(reader), last = 0;
    for (uint64_t i = 0; i < count; i++)
        if (!decode_op(reader, document, &last, text_len))
            return refuse(err, "one of its operations");
    if (reader->failed || document->log.len != graph_len(document->graph))
        return refuse(err, "the number of its operations");
    return true;
}

static bool decode_undo(struct reader *reader, struct document *document)
{
    uint64_t count = read_varint_max(reader, BATCH_UNDO_MAX);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t agent = read_varint(reader), seq = read_varint_max(reader, BATCH_SEQ_MAX);
        uint64_t len = read_varint_max(reader, BATCH_SEQ_MAX);
        if (reader->failed || agent >= graph_agents(document->graph) || len == 0)
            return false;
        marks_add_undo(&document->marks, (struct agent_span){(size_t)agent, seq, len});
    }
    return count > 0 && !reader->failed;
}

static bool decode_label(struct reader *reader, struct document *document)
{
    struct bytes label = read_sized(reader, BATCH_LABEL_BYTES_MAX);
    if (label.len == 0 || memchr(label.data, '\0', label.len))
        return false;
    marks_set_label(&document->marks, label);
    return true;
}

static bool decode_mark(struct reader *reader, struct document *document, uint64_t *lv, uint64_t *time_s)
{
    uint64_t step = read_varint_max(reader, graph_len(document->graph) - *lv);
    unsigned flags = read_byte(reader);
    bool first = document->marks.count == 0;
    *lv += step;
    if (reader->failed || (step == 0 && !first) || *lv >= graph_len(document->graph))
        return false;
    if (flags & ~(unsigned)MARK_FLAGS || flags == 0 || (flags & BATCH_FLAG_REDO && !(flags & BATCH_FLAG_UNDO)))
        return false;
    struct mark *mark = marks_add(&document->marks, *lv, flags);
    if (flags & BATCH_FLAG_TIME)
        mark->time_s = *time_s += (uint64_t)read_zigzag(reader);
    if (flags & BATCH_FLAG_LABEL && !decode_label(reader, document))
        return false;
    return !(flags & BATCH_FLAG_UNDO) || decode_undo(reader, document);
}

static bool decode_marks(struct reader *reader, struct document *document, struct error *err)
{
    uint64_t count = read_varint(reader), lv = 0, time_s = 0;
    for (uint64_t i = 0; i < count; i++)
        if (!decode_mark(reader, document, &lv, &time_s))
            return refuse(err, "one of its marks");
    return !reader->failed || refuse(err, "the number of its marks");
}

static bool decode_all(struct reader *reader, struct document *document, struct error *err)
{
    uint64_t text_len = 0;
    unsigned version;
    if (!decode_head(reader, document->base, &version, err) || !decode_agents(reader, document, version, err) ||
        !decode_graph(reader, document, err) || !decode_ops(reader, document, &text_len, err) ||
        !decode_marks(reader, document, err))
        return false;
    if (text_len != reader_left(reader))
        return refuse(err, "the length of its text");
    buf_add_bytes(&document->log.text, read_bytes(reader, (size_t)text_len));
    return true;
}

struct document *document_decode(struct bytes encoded, const struct rope *base, struct error *err)
{
    struct document *document = document_new(base);
    struct reader reader = reader_of(encoded);
    if (decode_all(&reader, document, err))
        return document;
    document_free(document);
    return NULL;
}
