#include "sync/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/least.h"
#include "editor/base/varint.h"
#include "editor/base/xalloc.h"
#include "sync/packing.h"

enum {
    FLAGS,        /* of each batch */
    OPS,          /* of each batch: how many operations, less 1 */
    OP,           /* of each operation: len << 2 | kind, as in a batch */
    PLACE,        /* of each but a merge marker, signed: less where it is expected; four columns, by what the operation before
                     and this one do: insert or delete */
    TIME = PLACE + 4, /* where there is one, signed: less the one before */
    PARENTS,      /* with parents: how many */
    PARENT_AGENT, /* of each parent: number of its agent */
    PARENT_SEQ,   /* of each parent, signed: less the last seq named of that agent */
    SPANS,        /* with spans: how many */
    SPAN_AGENT,   /* of each span, */
    SPAN_SEQ,     /* the same as of a parent, */
    SPAN_LEN,     /* and its length */
    BUNDLE_COLUMNS,
};

enum { KIND_BITS = 2, KIND_MASK = 3 };
enum {
    BEYOND_MAX = 512,        /* by how much a batch may pass its bound before that is seen: a name, the rest of its head, its
                                size */
    PIECES_BYTES_MAX = 4096, /* that, and what columns take even when there is nothing in them */
};

/* An agent that is named. */
struct named {
    struct agent_id id;
    uint64_t seq; /* the last one named of it */
};

/* What both sides keep while they go over the batches. */
struct bundle {
    struct number_column columns[BUNDLE_COLUMNS];
    struct named *named;
    size_t named_count, named_cap;
    uint64_t expected; /* where the next operation most likely is */
    bool deleted;      /* the last one was a delete */
    uint64_t time_s;
    struct buf labels, text;
    struct reader label_reader, text_reader;
    size_t batch_at, batch_room; /* where the one that is unpacked begins, and what it may come to */
};

static void bundle_release(struct bundle *bundle)
{
    for (size_t i = 0; i < BUNDLE_COLUMNS; i++)
        number_column_release(&bundle->columns[i]);
    free(bundle->named);
    buf_release(&bundle->labels);
    buf_release(&bundle->text);
}

static struct named *add_named(struct bundle *bundle, const struct agent_id *id)
{
    bundle->named = xgrow(bundle->named, &bundle->named_cap, bundle->named_count + 1, sizeof *bundle->named);
    bundle->named[bundle->named_count] = (struct named){*id, 0};
    return &bundle->named[bundle->named_count++];
}

static size_t place_column(const struct bundle *bundle, enum op_kind kind)
{
    return PLACE + 2 * (size_t)bundle->deleted + (kind == OP_DELETE);
}

static void note_op(struct bundle *bundle, enum op_kind kind, uint64_t pos, uint64_t len)
{
    bundle->deleted = kind == OP_DELETE;
    bundle->expected = bundle->deleted ? pos : pos + len;
}

/*
 * What the columns of a bundle may be unpacked: what is held besides are its names, its parts as they are stored, and what comes
 * out. A number may be longer in a column than in a batch, not twice as long on the whole.
 */
static size_t columns_room(size_t len, size_t named, size_t plain_len)
{
    size_t most = len * BUNDLE_HELD_RATIO + BUNDLE_DECODE_BYTES;
    size_t held = len + named * sizeof(struct named) + plain_len + PIECES_BYTES_MAX;
    return held < most ? least(most - held, 2 * plain_len) : 0;
}

/* --- packing --- */

static void pack_name(struct bundle *bundle, size_t agent_column, const struct agent_id *id, uint64_t seq)
{
    size_t at = 0;
    while (at < bundle->named_count && !agent_id_equal(&bundle->named[at].id, id))
        at++;
    struct named *named = at < bundle->named_count ? &bundle->named[at] : add_named(bundle, id);
    number_column_add(&bundle->columns[agent_column], at);
    number_column_add_signed(&bundle->columns[agent_column + 1], (int64_t)(seq - named->seq));
    named->seq = seq;
}

static void pack_head(struct bundle *bundle, const struct batch *batch)
{
    number_column_add(&bundle->columns[FLAGS], batch->flags);
    if (batch->flags & BATCH_FLAG_FOREIGN)
        number_column_add(&bundle->columns[PARENTS], batch->parent_count);
    for (size_t i = 0; i < batch->parent_count; i++)
        pack_name(bundle, PARENT_AGENT, &batch->parents[i].agent, batch->parents[i].seq);
    if (batch->flags & BATCH_FLAG_UNDO)
        number_column_add(&bundle->columns[SPANS], batch->undo_count);
    for (size_t i = 0; i < batch->undo_count; i++) {
        pack_name(bundle, SPAN_AGENT, &batch->undo[i].agent, batch->undo[i].seq);
        number_column_add(&bundle->columns[SPAN_LEN], batch->undo[i].len);
    }
    if (batch->flags & BATCH_FLAG_TIME) {
        number_column_add_signed(&bundle->columns[TIME], (int64_t)(batch->time_s - bundle->time_s));
        bundle->time_s = batch->time_s;
    }
    if (batch->flags & BATCH_FLAG_LABEL)
        buf_add_sized(&bundle->labels, bytes_of_string(batch->label));
}

static void pack_batch(struct bundle *bundle, const struct batch *batch)
{
    pack_head(bundle, batch);
    number_column_add(&bundle->columns[OPS], batch->op_count - 1);
    struct batch_ops ops = batch_ops_of(batch);
    struct batch_op op;
    while (batch_next_op(&ops, &op)) {
        number_column_add(&bundle->columns[OP], op.len << KIND_BITS | (unsigned)op.kind);
        if (op.kind == OP_NOP)
            continue;
        number_column_add_signed(&bundle->columns[place_column(bundle, op.kind)], (int64_t)(op.pos - bundle->expected));
        note_op(bundle, op.kind, op.pos, op.len);
    }
    buf_add_bytes(&bundle->text, buf_view(&batch->text));
}

static bool pack_all(struct bundle *bundle, const struct agent_id *agent, uint64_t seq, struct bytes plain)
{
    struct reader reader = reader_of(plain);
    struct batch batch = {0};
    struct error ignored = {0};
    bool good = plain.len > 0;
    while (good && reader_left(&reader) > 0) {
        struct bytes one = read_sized(&reader, BUNDLE_BATCH_BYTES_MAX);
        good = !reader.failed && batch_decode(one, agent, seq, &batch, &ignored);
        if (good)
            pack_batch(bundle, &batch);
        seq += batch.count;
    }
    batch_release(&batch);
    return good;
}

static size_t columns_len(const struct bundle *bundle)
{
    size_t len = bundle->labels.len + bundle->text.len;
    for (size_t i = 0; i < BUNDLE_COLUMNS; i++)
        len += bundle->columns[i].low.len + bundle->columns[i].high.len;
    return len;
}

/* Whether so many bytes with such columns would be unpacked. */
static bool is_readable(size_t len, size_t named, size_t columns, size_t plain_len)
{
    return len >= (plain_len + BUNDLE_RATIO_MAX - 1) / BUNDLE_RATIO_MAX && columns <= columns_room(len, named, plain_len);
}

static void write_bundle(const struct bundle *bundle, size_t plain_len, struct buf *out)
{
    struct compressor *compressor = compressor_new();
    size_t before = out->len, columns = columns_len(bundle);
    compressor_limit(compressor, 0);
    buf_add_varint(out, plain_len);
    buf_add_varint(out, bundle->named_count);
    for (size_t i = 0; i < bundle->named_count; i++)
        buf_add(out, bundle->named[i].id.bytes, AGENT_ID_BYTES);
    packing_add_numbers(compressor, out, bundle->columns, BUNDLE_COLUMNS);
    packing_add_part(compressor, out, buf_view(&bundle->labels));
    packing_add_part(compressor, out, buf_view(&bundle->text));
    compressor_free(compressor);
    while (out->len - before < plain_len && !is_readable(out->len - before, bundle->named_count, columns, plain_len))
        buf_add_byte(out, 0);
}

bool bundle_pack(const struct agent_id *agent, uint64_t seq0, struct bytes plain, struct buf *out)
{
    struct bundle bundle = {0};
    size_t before = out->len;
    bool good = pack_all(&bundle, agent, seq0, plain);
    if (good)
        write_bundle(&bundle, plain.len, out);
    good = good && out->len - before < plain.len;
    if (!good)
        out->len = before;
    bundle_release(&bundle);
    return good;
}

/* --- unpacking --- */

static struct named *unpack_name(struct bundle *bundle, size_t agent_column)
{
    uint64_t at = number_column_next(&bundle->columns[agent_column]);
    uint64_t step = (uint64_t)number_column_next_signed(&bundle->columns[agent_column + 1]);
    if (at >= bundle->named_count)
        return NULL;
    bundle->named[at].seq += step;
    return &bundle->named[at];
}

/* Whether what was put out of the present batch may still be part of what comes out. */
static bool is_within(const struct bundle *bundle, const struct buf *out)
{
    return out->len - bundle->batch_at <= bundle->batch_room;
}

static bool unpack_names(struct bundle *bundle, size_t count_column, size_t agent_column, uint64_t most, struct buf *out)
{
    uint64_t count = number_column_next(&bundle->columns[count_column]);
    if (count > most)
        return false;
    buf_add_varint(out, count);
    for (uint64_t i = 0; i < count; i++) {
        const struct named *named = unpack_name(bundle, agent_column);
        if (!named || !is_within(bundle, out))
            return false;
        buf_add(out, named->id.bytes, AGENT_ID_BYTES);
        buf_add_varint(out, named->seq);
        if (agent_column == SPAN_AGENT)
            buf_add_varint(out, number_column_next(&bundle->columns[SPAN_LEN]));
    }
    return true;
}

static bool unpack_head(struct bundle *bundle, struct buf *out)
{
    uint64_t flags = number_column_next(&bundle->columns[FLAGS]);
    if (flags > UINT8_MAX)
        return false;
    buf_add_byte(out, (unsigned char)flags);
    if (flags & BATCH_FLAG_FOREIGN && !unpack_names(bundle, PARENTS, PARENT_AGENT, BATCH_PARENTS_MAX, out))
        return false;
    if (flags & BATCH_FLAG_UNDO && !unpack_names(bundle, SPANS, SPAN_AGENT, BATCH_UNDO_MAX, out))
        return false;
    if (flags & BATCH_FLAG_TIME)
        buf_add_varint(out, bundle->time_s += (uint64_t)number_column_next_signed(&bundle->columns[TIME]));
    if (flags & BATCH_FLAG_LABEL)
        buf_add_sized(out, read_sized(&bundle->label_reader, BATCH_LABEL_BYTES_MAX));
    return !bundle->label_reader.failed;
}

static bool unpack_op(struct bundle *bundle, uint64_t *text_len, struct buf *out)
{
    uint64_t coded = number_column_next(&bundle->columns[OP]), len = coded >> KIND_BITS;
    enum op_kind kind = (enum op_kind)(coded & KIND_MASK);
    if ((coded & KIND_MASK) > OP_NOP || len > BATCH_POS_MAX)
        return false;
    buf_add_varint(out, coded);
    if (kind == OP_NOP)
        return true;
    uint64_t pos = bundle->expected + (uint64_t)number_column_next_signed(&bundle->columns[place_column(bundle, kind)]);
    buf_add_varint(out, pos);
    note_op(bundle, kind, pos, len);
    if (kind == OP_INSERT)
        *text_len += len;
    return *text_len <= reader_left(&bundle->text_reader);
}

static bool unpack_batch(struct bundle *bundle, struct buf *out)
{
    uint64_t text_len = 0;
    if (!unpack_head(bundle, out))
        return false;
    uint64_t ops = number_column_next(&bundle->columns[OPS]);
    if (ops >= BATCH_OPS_MAX)
        return false;
    if (!(out->data[bundle->batch_at] & BATCH_FLAG_ONE))
        buf_add_varint(out, ops + 1);
    else if (ops > 0)
        return false;
    for (uint64_t i = 0; i <= ops; i++)
        if (!unpack_op(bundle, &text_len, out) || !is_within(bundle, out))
            return false;
    if (text_len > bundle->batch_room - (out->len - bundle->batch_at))
        return false;
    buf_add_bytes(out, read_bytes(&bundle->text_reader, (size_t)text_len));
    return true;
}

/* How long a batch is stands in front of it. */
static void put_size(struct buf *out, size_t batch_at)
{
    struct buf size = {0};
    size_t len = out->len - batch_at;
    buf_add_varint(&size, len);
    buf_extend(out, size.len);
    memmove(out->data + batch_at + size.len, out->data + batch_at, len);
    memcpy(out->data + batch_at, size.data, size.len);
    buf_release(&size);
}

/* Into `out` at once, where there is room for all of it: the batch at hand may be all of it. */
static bool unpack_batches(struct bundle *bundle, size_t plain_len, struct buf *out)
{
    size_t before = out->len;
    bool good = true;
    buf_reserve(out, plain_len + BEYOND_MAX);
    while (good && reader_left(&bundle->columns[FLAGS].low_reader) > 0) {
        bundle->batch_at = out->len;
        bundle->batch_room = least(plain_len - (out->len - before), BUNDLE_BATCH_BYTES_MAX);
        good = unpack_batch(bundle, out) && is_within(bundle, out);
        if (good)
            put_size(out, bundle->batch_at);
        good = good && out->len - before <= plain_len;
    }
    for (size_t i = 0; good && i < BUNDLE_COLUMNS; i++)
        good = number_column_done(&bundle->columns[i]);
    return good && out->len - before == plain_len && reader_done(&bundle->label_reader) && reader_done(&bundle->text_reader);
}

static bool read_agents(struct reader *reader, struct bundle *bundle)
{
    uint64_t count = read_varint_max(reader, reader_left(reader) / AGENT_ID_BYTES);
    bundle->named = xcalloc((size_t)count + 1, sizeof *bundle->named);
    bundle->named_cap = (size_t)count + 1;
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        struct agent_id id;
        read_into(reader, id.bytes, sizeof id.bytes);
        add_named(bundle, &id);
    }
    return !reader->failed;
}

static bool read_columns(struct reader *reader, size_t room, struct bundle *bundle)
{
    struct compressor *compressor = compressor_new();
    compressor_limit(compressor, room);
    bool good = packing_read_numbers(compressor, reader, bundle->columns, BUNDLE_COLUMNS) &&
                packing_read_part(compressor, reader, &bundle->labels) &&
                packing_read_part(compressor, reader, &bundle->text);
    bundle->label_reader = reader_of(buf_view(&bundle->labels));
    bundle->text_reader = reader_of(buf_view(&bundle->text));
    compressor_free(compressor);
    return good;
}

static bool is_fill(struct bytes rest)
{
    size_t zeros = 0;
    while (zeros < rest.len && rest.data[zeros] == 0)
        zeros++;
    return zeros == rest.len;
}

bool bundle_unpack(struct bytes packed, size_t plain_max, struct buf *out)
{
    struct bundle bundle = {0};
    struct reader reader = reader_of(packed);
    size_t before = out->len;
    uint64_t plain_len = read_varint_max(&reader, plain_max);
    bool good = !reader.failed && plain_len > packed.len && plain_len <= (uint64_t)packed.len * BUNDLE_RATIO_MAX &&
                read_agents(&reader, &bundle);
    size_t room = good ? columns_room(packed.len, bundle.named_count, (size_t)plain_len) : 0;
    good = good && room > 0 && read_columns(&reader, room, &bundle) &&
                is_fill(read_bytes(&reader, reader_left(&reader))) && unpack_batches(&bundle, (size_t)plain_len, out);
    if (!good)
        out->len = before;
    bundle_release(&bundle);
    return good;
}
