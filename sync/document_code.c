/*
 * A document in bytes. Numbers are varints unless said otherwise.
 *
 *   magic    8 bytes  "weftdoc" and the format's version: 3; an older weft wrote 1, or 2 when an agent had forked.
 *                    4 and 5 have more in front: document_asleep.c
 *   base               length of the base text
 *   agents             count, then each: 16 bytes; except in version 1 then 0, or for a branch of an agent 1 + that
 *                    one's number (mostly below its own), the seq at which it begins, what the other side is called
 *                    there (16 bytes)
 *   the rest         columns: document_columns.c; in versions 1 and 2 rows: document_older.c
 */
#include "sync/document_code.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/packing.h"

enum { MAGIC_BYTES = 8 };

static const unsigned char magic[MAGIC_BYTES - 1] = {'w', 'e', 'f', 't', 'd', 'o', 'c'};

/* --- writing --- */

static void encode_fork(const struct document *document, size_t agent, struct buf *out)
{
    struct agent_fork fork;
    size_t from;
    if (!graph_fork_of(document->graph, agent, &fork)) {
        buf_add_varint(out, 0);
        return;
    }
    ensure(graph_find_agent(document->graph, &fork.from, &from));
    buf_add_varint(out, from + 1);
    buf_add_varint(out, fork.seq);
    buf_add(out, fork.rival.bytes, AGENT_ID_BYTES);
}

static void encode_agents(const struct document *document, struct buf *out)
{
    size_t count = graph_agents(document->graph);
    buf_add_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        buf_add(out, graph_agent_id(document->graph, i)->bytes, AGENT_ID_BYTES);
        encode_fork(document, i, out);
    }
}

void saved_write_magic(const struct document *document, unsigned version, struct buf *out)
{
    buf_add(out, magic, sizeof magic);
    buf_add_byte(out, (unsigned char)version);
    buf_add_varint(out, rope_len(document->base));
}

void document_encode(struct document *document, struct buf *out)
{
    document_wake(document);
    saved_write_magic(document, SAVED_COLUMNS, out);
    encode_agents(document, out);
    saved_write_columns(document, out);
}

void saved_write_mark_rest(const struct marks *marks, const struct mark *mark, struct buf *out)
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

/* --- reading --- */

bool saved_refuse(struct error *err, const char *what)
{
    return error_set(err, ERR_FORMAT, 0, "a saved document is damaged: %s", what);
}

bool saved_read_magic(struct reader *reader, const struct rope *base, unsigned *version, struct error *err)
{
    unsigned char found[MAGIC_BYTES - 1];
    read_into(reader, found, sizeof found);
    *version = read_byte(reader);
    if (memcmp(found, magic, sizeof magic) != 0)
        return saved_refuse(err, "it does not begin like one");
    if (*version < SAVED_ROWS || *version > SAVED_KEYFRAMES)
        return error_set(err, ERR_NEWER, 0, "a saved document was made by a newer weft");
    if (read_varint(reader) != rope_len(base) || reader->failed)
        return saved_refuse(err, "it belongs to another base text");
    return true;
}

/* The version of the format; 0: there is none. */
static unsigned skip_magic(struct reader *reader)
{
    read_bytes(reader, MAGIC_BYTES - 1);
    unsigned version = read_byte(reader);
    read_varint(reader);
    return reader->failed ? 0 : version;
}

/* An agent as it stands there. */
struct saved_agent {
    struct agent_id id;
    uint64_t from; /* 1 + the number of what it leaves; 0: it is no branch */
    uint64_t seq;
    struct agent_id rival;
};

static void read_agent(struct reader *reader, unsigned version, uint64_t count, struct saved_agent *agent)
{
    read_into(reader, agent->id.bytes, sizeof agent->id.bytes);
    agent->from = version > SAVED_ROWS ? read_varint_max(reader, count) : 0;
    if (agent->from == 0)
        return;
    agent->seq = read_varint_max(reader, BATCH_SEQ_MAX);
    read_into(reader, agent->rival.bytes, sizeof agent->rival.bytes);
}

/* All their names first, in their order: a name may have been heard before what the branch leaves. */
static bool add_agents(struct graph *graph, const struct saved_agent *agents, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (graph_agent(graph, &agents[i].id) != i)
            return false;
    for (size_t i = 0; i < count; i++) {
        const struct saved_agent *branch = &agents[i];
        if (branch->from > 0 &&
            !graph_branch(graph, &(struct agent_fork){branch->id, agents[branch->from - 1].id, branch->seq, branch->rival}))
            return false;
    }
    return true;
}

static bool decode_agents(struct reader *reader, struct document *document, unsigned version, struct error *err)
{
    uint64_t count = read_varint_max(reader, reader_left(reader) / AGENT_ID_BYTES);
    struct saved_agent *agents = xcalloc((size_t)count + 1, sizeof *agents);
    for (uint64_t i = 0; i < count && !reader->failed; i++)
        read_agent(reader, version, count, &agents[i]);
    bool good = !reader->failed && add_agents(document->graph, agents, (size_t)count);
    free(agents);
    return good || saved_refuse(err, "its agents");
}

/* What the rest of it, parts and nothing else, says of its own length. More than UINT64_MAX is as bad as that. */
static uint64_t columns_len(struct reader reader)
{
    uint64_t len = 0;
    while (reader_left(&reader) > 0 && !reader.failed) {
        uint64_t part = packing_part_len(&reader);
        len = part > UINT64_MAX - len ? UINT64_MAX : len + part;
    }
    return len;
}

uint64_t document_saved_len(struct bytes encoded)
{
    struct reader reader = reader_of(encoded);
    uint64_t len, version = skip_magic(&reader);
    for (; (version == SAVED_ASLEEP || version == SAVED_KEYFRAMES) && !reader.failed; version = skip_magic(&reader))
        (void)read_sized(&reader, SIZE_MAX);
    uint64_t agents = read_varint_max(&reader, reader_left(&reader) / AGENT_ID_BYTES);
    for (struct saved_agent agent; agents > 0 && !reader.failed; agents--)
        read_agent(&reader, (unsigned)version, UINT64_MAX, &agent);
    len = version == SAVED_COLUMNS && !reader.failed ? columns_len(reader) : encoded.len;
    return len > UINT64_MAX - encoded.len ? UINT64_MAX : len + encoded.len;
}

/* Past what stands in front of a history, the text before the keyframes, each once at most; *version becomes the history's. */
static bool read_in_front(struct reader *reader, struct document *document, unsigned *version, struct error *err)
{
    while (*version >= SAVED_ASLEEP) {
        unsigned in_front = *version;
        struct bytes bytes = read_sized(reader, SIZE_MAX); /* of the text: it follows from the rest */
        if (in_front == SAVED_KEYFRAMES)
            keyframes_read(&document->keyframes, bytes);
        if (!saved_read_magic(reader, document->base, version, err))
            return false;
        if (*version >= SAVED_ASLEEP && *version <= in_front)
            return saved_refuse(err, "it stands in front of itself");
    }
    return true;
}

bool saved_read_all(struct bytes encoded, struct document *document, enum saved_text text, struct error *err)
{
    struct reader reader = reader_of(encoded);
    unsigned version;
    if (!saved_read_magic(&reader, document->base, &version, err))
        return false;
    if (!read_in_front(&reader, document, &version, err) || !decode_agents(&reader, document, version, err))
        return false;
    if (version == SAVED_COLUMNS && columns_len(reader) > DOCUMENT_COLUMNS_BYTES_MAX)
        return error_set(err, ERR_LIMIT, 0, "a saved document is more than %d MB unpacked", DOCUMENT_COLUMNS_BYTES_MAX / 1000000);
    return version == SAVED_COLUMNS ? saved_read_columns(&reader, document, text, err)
                                    : saved_read_older(&reader, document, err);
}

struct document *document_decode(struct bytes encoded, const struct rope *base, struct error *err)
{
    struct document *document = document_new(base);
    bool good = saved_read_all(encoded, document, SAVED_TEXT_TOO, err);
    keyframes_release(&document->keyframes);
    if (good)
        return document;
    document_free(document);
    return NULL;
}

/* --- what may stand in a document --- */

bool saved_add_row(struct document *document, size_t agent, uint64_t len, const uint64_t *parents, size_t parent_count,
                   struct error *err)
{
    if (!document_has_past(document, agent))
        return saved_refuse(err, "a branch of an agent without its beginning");
    if (!document_admits(document, agent, parents, parent_count, err))
        return false;
    document_append(document, agent, len, parents, parent_count);
    return true;
}

bool saved_is_in_a_row(const struct graph *graph, uint64_t first, uint64_t len)
{
    return graph_run_of(graph, first).end - first >= len && graph_author_of(graph, first).len >= len;
}

struct mark *saved_add_mark(struct document *document, uint64_t step, unsigned flags, uint64_t *lv)
{
    bool first = document->marks.count == 0;
    if ((step == 0 && !first) || step >= graph_len(document->graph) - *lv)
        return NULL;
    if (flags & ~(unsigned)MARK_FLAGS || flags == 0 || (flags & BATCH_FLAG_REDO && !(flags & BATCH_FLAG_UNDO)))
        return NULL;
    *lv += step;
    return marks_add(&document->marks, *lv, flags);
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

bool saved_read_mark_rest(struct reader *reader, struct document *document, unsigned flags)
{
    if (flags & BATCH_FLAG_LABEL && !decode_label(reader, document))
        return false;
    return !(flags & BATCH_FLAG_UNDO) || decode_undo(reader, document);
}
