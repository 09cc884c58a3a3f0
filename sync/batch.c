#include "sync/batch.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

enum { FLAGS_KNOWN = 0xff, KIND_MASK = 3 };

/* --- building --- */

void batch_release(struct batch *batch)
{
    free(batch->parents);
    free(batch->undo);
    buf_release(&batch->ops);
    buf_release(&batch->text);
    *batch = (struct batch){0};
}

void batch_copy(struct batch *out, const struct batch *batch)
{
    batch_clear(out);
    out->agent = batch->agent;
    out->seq0 = batch->seq0;
    out->flags = batch->flags;
    out->time_s = batch->time_s;
    memcpy(out->label, batch->label, sizeof out->label);
    for (size_t i = 0; i < batch->parent_count; i++)
        batch_add_parent(out, batch->parents[i]);
    for (size_t i = 0; i < batch->undo_count; i++)
        batch_add_undo(out, batch->undo[i]);
    out->count = batch->count;
    out->op_count = batch->op_count;
    buf_add_bytes(&out->ops, buf_view(&batch->ops));
    buf_add_bytes(&out->text, buf_view(&batch->text));
}

static int event_id_compare(const struct event_id *a, const struct event_id *b)
{
    int order = agent_id_compare(&a->agent, &b->agent);
    if (order != 0)
        return order;
    return (a->seq > b->seq) - (a->seq < b->seq);
}

void batch_add_parent(struct batch *batch, struct event_id parent)
{
    if (agent_id_equal(&parent.agent, &batch->agent)) {
        ensure(parent.seq + 1 == batch->seq0);
        batch->flags |= BATCH_FLAG_SELF;
        return;
    }
    batch->flags |= BATCH_FLAG_FOREIGN;
    batch->parents = xgrow(batch->parents, &batch->parent_cap, batch->parent_count + 1, sizeof *batch->parents);
    size_t at = batch->parent_count++;
    for (; at > 0 && event_id_compare(&batch->parents[at - 1], &parent) > 0; at--)
        batch->parents[at] = batch->parents[at - 1];
    batch->parents[at] = parent;
}

void batch_add_undo(struct batch *batch, struct event_span span)
{
    batch->flags |= BATCH_FLAG_UNDO;
    batch->undo = xgrow(batch->undo, &batch->undo_cap, batch->undo_count + 1, sizeof *batch->undo);
    batch->undo[batch->undo_count++] = span;
}

void batch_add_delete(struct batch *batch, uint64_t pos, uint64_t len)
{
    batch_add_op(batch, OP_DELETE, pos, len);
}

void batch_add_nop(struct batch *batch)
{
    batch_add_op(batch, OP_NOP, 0, 1);
}

void batch_end(struct batch *batch)
{
    if (batch->op_count == 1)
        batch->flags |= BATCH_FLAG_ONE;
}

/* --- going over the operations --- */

struct batch_ops batch_ops_of(const struct batch *batch)
{
    return (struct batch_ops){batch->ops.data, batch->ops.data + batch->ops.len, buf_view(&batch->text)};
}

/* Of bytes that were written here, or read before. */
static uint64_t next_number(struct batch_ops *ops)
{
    uint64_t number = *ops->at & 0x7f;
    for (int bits = 7; *ops->at++ & 0x80; bits += 7)
        number |= (uint64_t)(*ops->at & 0x7f) << bits;
    return number;
}

bool batch_next_op(struct batch_ops *ops, struct batch_op *op)
{
    if (ops->at == ops->end)
        return false;
    uint64_t coded = next_number(ops);
    *op = (struct batch_op){.kind = (enum op_kind)(coded & KIND_MASK), .len = coded >> BATCH_KIND_BITS};
    op->pos = op->kind == OP_NOP ? 0 : next_number(ops);
    if (op->kind == OP_INSERT) {
        op->text = bytes_slice(ops->text, 0, (size_t)op->len);
        ops->text = bytes_slice(ops->text, op->text.len, ops->text.len - op->text.len);
    }
    return true;
}

/* --- encoding --- */

static void batch_ensure_ops(const struct batch *batch)
{
    struct batch_ops ops = batch_ops_of(batch);
    struct batch_op op;
    while (batch->op_count > 1 && batch_next_op(&ops, &op))
        ensure(op.kind != OP_NOP);
}

static void batch_ensure_head(const struct batch *batch)
{
    enum { PLAIN = BATCH_FLAG_SELF | BATCH_FLAG_ONE };
    ensure((batch->flags & ~(unsigned)FLAGS_KNOWN) == 0 && batch->seq0 <= BATCH_SEQ_MAX);
    ensure(batch->op_count > 0 && batch->op_count <= BATCH_OPS_MAX && batch->count <= BATCH_EVENTS_MAX);
    ensure(!(batch->flags & BATCH_FLAG_ONE) || batch->op_count == 1);
    ensure(!(batch->flags & BATCH_FLAG_SELF) || batch->seq0 > 0);
    if ((batch->flags & ~(unsigned)PLAIN) == 0 && batch->parent_count + batch->undo_count == 0 && batch->label[0] == '\0')
        return; /* nearly every key */
    ensure(!(batch->flags & BATCH_FLAG_REDO) || batch->flags & BATCH_FLAG_UNDO);
    ensure(((batch->flags & BATCH_FLAG_FOREIGN) != 0) == (batch->parent_count > 0));
    ensure(((batch->flags & BATCH_FLAG_UNDO) != 0) == (batch->undo_count > 0));
    ensure(batch->parent_count <= BATCH_PARENTS_MAX && batch->undo_count <= BATCH_UNDO_MAX);
    ensure(((batch->flags & BATCH_FLAG_LABEL) != 0) == (batch->label[0] != '\0'));
    for (size_t i = 1; i < batch->parent_count; i++)
        ensure(event_id_compare(&batch->parents[i - 1], &batch->parents[i]) < 0);
}

static void encode_head(const struct batch *batch, struct buf *out)
{
    buf_add_byte(out, (unsigned char)batch->flags);
    if (batch->flags & BATCH_FLAG_FOREIGN)
        buf_add_varint(out, batch->parent_count);
    for (size_t i = 0; i < batch->parent_count; i++) {
        buf_add(out, batch->parents[i].agent.bytes, AGENT_ID_BYTES);
        buf_add_varint(out, batch->parents[i].seq);
    }
    if (batch->flags & BATCH_FLAG_UNDO)
        buf_add_varint(out, batch->undo_count);
    for (size_t i = 0; i < batch->undo_count; i++) {
        buf_add(out, batch->undo[i].agent.bytes, AGENT_ID_BYTES);
        buf_add_varint(out, batch->undo[i].seq);
        buf_add_varint(out, batch->undo[i].len);
    }
    if (batch->flags & BATCH_FLAG_TIME)
        buf_add_varint(out, batch->time_s);
    if (batch->flags & BATCH_FLAG_LABEL)
        buf_add_sized(out, bytes_of_string(batch->label));
}

void batch_encode(const struct batch *batch, struct buf *out)
{
    size_t start = out->len;
    batch_ensure_head(batch);
    batch_ensure_ops(batch);
    encode_head(batch, out);
    if (!(batch->flags & BATCH_FLAG_ONE))
        buf_add_varint(out, batch->op_count);
    buf_add_bytes(out, buf_view(&batch->ops));
    buf_add_bytes(out, buf_view(&batch->text));
    ensure(out->len - start <= BATCH_BYTES_MAX);
}

/* --- decoding --- */

static bool refuse(struct error *err, const char *what)
{
    return error_set(err, ERR_FORMAT, 0, "a batch is not well-formed: %s", what);
}

static bool decode_flags(struct reader *reader, struct batch *batch, struct error *err)
{
    batch->flags = read_byte(reader);
    if (batch->flags & BATCH_FLAG_SELF && batch->seq0 == 0)
        return refuse(err, "its first event names an earlier one of its own");
    if (batch->flags & BATCH_FLAG_REDO && !(batch->flags & BATCH_FLAG_UNDO))
        return refuse(err, "a redo takes nothing back");
    return true;
}

static bool decode_parents(struct reader *reader, struct batch *batch, struct error *err)
{
    if (!(batch->flags & BATCH_FLAG_FOREIGN))
        return true;
    uint64_t count = read_varint_max(reader, BATCH_PARENTS_MAX);
    if (count == 0)
        return refuse(err, "the number of its parents");
    for (uint64_t i = 0; i < count; i++) {
        struct event_id parent;
        read_into(reader, parent.agent.bytes, AGENT_ID_BYTES);
        parent.seq = read_varint_max(reader, BATCH_SEQ_MAX);
        if (reader->failed || agent_id_equal(&parent.agent, &batch->agent))
            return refuse(err, "its parents");
        if (i > 0 && event_id_compare(&batch->parents[i - 1], &parent) >= 0)
            return refuse(err, "the order of its parents");
        batch_add_parent(batch, parent);
    }
    return true;
}

static bool decode_undo(struct reader *reader, struct batch *batch, struct error *err)
{
    if (!(batch->flags & BATCH_FLAG_UNDO))
        return true;
    uint64_t count = read_varint_max(reader, BATCH_UNDO_MAX);
    if (count == 0)
        return refuse(err, "the number of spans it takes back");
    for (uint64_t i = 0; i < count; i++) {
        struct event_span span;
        read_into(reader, span.agent.bytes, AGENT_ID_BYTES);
        span.seq = read_varint_max(reader, BATCH_SEQ_MAX);
        span.len = read_varint_max(reader, BATCH_SEQ_MAX);
        if (reader->failed || span.len == 0)
            return refuse(err, "the spans it takes back");
        batch_add_undo(batch, span);
    }
    return true;
}

static bool decode_marks(struct reader *reader, struct batch *batch, struct error *err)
{
    if (batch->flags & BATCH_FLAG_TIME)
        batch->time_s = read_varint(reader);
    if (!(batch->flags & BATCH_FLAG_LABEL))
        return true;
    struct bytes label = read_sized(reader, BATCH_LABEL_BYTES_MAX);
    if (label.len == 0 || memchr(label.data, '\0', label.len))
        return refuse(err, "its label");
    memcpy(batch->label, label.data, label.len);
    batch->label[label.len] = '\0';
    return true;
}

/* Passes over an operation. *text_len counts the bytes that inserts up to here have asked for. */
static bool decode_op(struct reader *reader, struct batch *batch, uint64_t op_count, uint64_t *text_len, struct error *err)
{
    uint64_t coded = read_varint(reader), len = coded >> BATCH_KIND_BITS;
    unsigned kind = coded & KIND_MASK;
    if (reader->failed || kind > OP_NOP || len == 0 || len > BATCH_POS_MAX)
        return refuse(err, "an operation");
    if (kind == OP_NOP && (op_count > 1 || len > 1))
        return refuse(err, "a merge marker that is not alone");
    if (kind != OP_NOP)
        (void)read_varint_max(reader, BATCH_POS_MAX);
    if (kind == OP_INSERT)
        *text_len += len;
    if (reader->failed || *text_len > reader_left(reader))
        return refuse(err, "an operation's place or text");
    batch->count += len;
    return true;
}

static bool decode_ops(struct reader *reader, struct batch *batch, struct error *err)
{
    uint64_t count = batch->flags & BATCH_FLAG_ONE ? 1 : read_varint_max(reader, BATCH_OPS_MAX);
    uint64_t text_len = 0;
    if (reader->failed)
        return refuse(err, "the number of its operations");
    if (count == 0)
        return error_set(err, ERR_NEWER, 0, "a batch is of a kind that this weft does not know; a newer one made it");
    const unsigned char *first = reader->at;
    for (uint64_t i = 0; i < count; i++)
        if (!decode_op(reader, batch, count, &text_len, err))
            return false;
    if (batch->count > BATCH_EVENTS_MAX)
        return refuse(err, "the number of its events");
    if (batch->count > BATCH_SEQ_MAX - batch->seq0)
        return refuse(err, "the number of its last event");
    if (text_len != reader_left(reader))
        return refuse(err, "the length of its text");
    batch->op_count = (size_t)count;
    size_t ops_len = (size_t)(reader->at - first);
    buf_reserve(&batch->ops, ops_len);
    buf_add_bytes(&batch->ops, bytes_of(first, ops_len));
    buf_reserve(&batch->text, (size_t)text_len);
    buf_add_bytes(&batch->text, read_bytes(reader, (size_t)text_len));
    return true;
}

static bool decode_all(struct reader *reader, struct batch *batch, struct error *err)
{
    return decode_flags(reader, batch, err) && decode_parents(reader, batch, err) && decode_undo(reader, batch, err) &&
           decode_marks(reader, batch, err) && decode_ops(reader, batch, err);
}

bool batch_decode(struct bytes plain, const struct agent_id *agent, uint64_t seq0, struct batch *batch,
                  struct error *err)
{
    batch_clear(batch);
    if (plain.len > BATCH_BYTES_MAX)
        return error_set(err, ERR_LIMIT, 0, "a batch has %zu bytes, more than %d", plain.len, BATCH_BYTES_MAX);
    if (seq0 > BATCH_SEQ_MAX)
        return error_set(err, ERR_LIMIT, 0, "a batch begins at an event number beyond any that can be reached");
    struct reader reader = reader_of(plain);
    batch->agent = *agent;
    batch->seq0 = seq0;
    if (decode_all(&reader, batch, err))
        return true;
    batch_clear(batch);
    return false;
}

/* --- lists --- */

void batch_list_release(struct batch_list *list)
{
    for (size_t i = 0; i < list->made; i++)
        batch_release(&list->items[i]);
    free(list->items);
    *list = (struct batch_list){0};
}

void batch_list_cut(struct batch_list *list, size_t count)
{
    ensure(count <= list->count);
    list->count = count;
}

void batch_list_move(struct batch_list *out, struct batch_list *from)
{
    for (size_t i = 0; i < from->count; i++) {
        struct batch *to = batch_list_add(out), before = *to; /* each list keeps the memory of its own */
        *to = from->items[i];
        from->items[i] = before;
    }
    batch_list_clear(from);
}

struct batch *batch_list_make(struct batch_list *list)
{
    list->items = xgrow(list->items, &list->cap, list->count + 1, sizeof *list->items);
    struct batch *batch = &list->items[list->count++];
    *batch = (struct batch){0};
    list->made = list->count;
    return batch;
}
