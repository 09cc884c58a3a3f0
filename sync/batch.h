/*
 * batch - what one journal commit adds: a keystroke, a paste, an undo; and its one canonical form in bytes.
 *
 * A batch is a run of consecutive events of one agent. Its first event has the batch's parents; every further event
 * has the one before it. Event n of a delete of `len` at `pos` deletes the byte at `pos`; event n of an insert puts
 * its byte at pos + n. A batch without effect (a merge marker) is one OP_NOP of length 1.
 *
 * Canonical plaintext (the bytes that are hashed into the chain, sync/chain.h, and sealed into records, sync/record.h).
 * The agent and seq0 stand outside, in the record's header. Numbers are varints (editor/base/varint.h):
 *
 *   flags     1 byte   BATCH_FLAG_*
 *   parents            present with FLAG_FOREIGN: count (1..BATCH_PARENTS_MAX), then each: agent 16 bytes, seq;
 *                      strictly ascending by (agent, seq), none of the own agent. FLAG_SELF: (agent, seq0 - 1) is a
 *                      parent too. Neither flag: the root (only where nothing was written before, or in a foreign
 *                      branch)
 *   undo               with FLAG_UNDO: count (1..), then each: agent 16 bytes, seq, len. The first is the edit that
 *                      this batch takes back. The others say of the inserted bytes, in order, which deletes they take
 *                      back (so that a later undo knows them as the bytes they were): the deletes' targets forward,
 *                      but backward where the second event deletes one place before the first
 *   time               with FLAG_TIME: whole seconds since 1970; at the first batch of a gesture only
 *   label              with FLAG_LABEL: sized text, at most BATCH_LABEL_BYTES_MAX ("disk")
 *   ops                count (1..; 0 is kept for later versions), then each: len << 2 | kind, then pos (none for
 *                      OP_NOP). With FLAG_ONE there is one, and no count: most batches are keys. Older ones say 1
 *   text               the inserted bytes of all inserts, in order, to the end; their sum is exactly what is left
 *
 *   Units      positions and lengths in bytes of the text at the batch's parents (and after the ops before it).
 *   Ownership  a batch owns its arrays; zero-initialised it is empty; release with batch_release().
 *   Errors     batch_decode() refuses whatever is not the canonical form of some batch (ERR_FORMAT, ERR_LIMIT).
 *              Whether a position lies inside the text is not decided here: a run out of range is a no-op for
 *              everybody.
 *   Bounds     BATCH_*_MAX below; what batch_decode() allocates is at most 4 x its input, and BATCH_DECODE_BYTES besides:
 *              operations stay as they are written until somebody goes over them.
 */
#ifndef WEFT_SYNC_BATCH_H
#define WEFT_SYNC_BATCH_H

#include "editor/base/bytes.h"
#include "editor/base/error.h"
#include "editor/base/varint.h"
#include "sync/id.h"

enum {
    BATCH_PARENTS_MAX = 64, /* so many people who all type at once need no merge markers */
    BATCH_OPS_MAX = 65536,
    BATCH_UNDO_MAX = 65536,
    BATCH_LABEL_BYTES_MAX = 64,
    BATCH_BYTES_MAX = 1 << 20, /* of canonical plaintext; a larger edit becomes several batches */
    BATCH_DECODE_BYTES = 1024, /* what even the smallest arrays take */
};
#define BATCH_POS_MAX ((uint64_t)1 << 40)
#define BATCH_EVENTS_MAX ((uint64_t)1 << 32) /* in a batch: hardly a text is so long, and nobody uses up what a document can
                                                count */
#define BATCH_SEQ_MAX ((uint64_t)1 << 56) /* of any event: above it numbers are refused, so that sums cannot overflow */

enum op_kind { OP_INSERT, OP_DELETE, OP_NOP };
enum { BATCH_KIND_BITS = 2 /* of the number that comes first; the length is above */, BATCH_OP_BYTES_MAX = 2 * VARINT_BYTES_MAX };

struct batch_op {
    enum op_kind kind;
    uint64_t pos;
    uint64_t len;      /* events; > 0 */
    struct bytes text; /* OP_INSERT: its bytes, in batch.text */
};

struct event_span {
    struct agent_id agent;
    uint64_t seq;
    uint64_t len; /* > 0 */
};

enum {
    BATCH_FLAG_SELF = 1,     /* the agent's previous event is a parent */
    BATCH_FLAG_FOREIGN = 2,  /* other agents' events are parents */
    BATCH_FLAG_GESTURE = 4,  /* first batch of what a person sees as one edit: where undo stops */
    BATCH_FLAG_UNDO = 8,     /* takes back the spans in `undo` */
    BATCH_FLAG_TIME = 16,
    BATCH_FLAG_LABEL = 32,
    BATCH_FLAG_REDO = 64,    /* with FLAG_UNDO: what is taken back is itself an undo */
    BATCH_FLAG_ONE = 128,    /* it has one operation and does not say how many */
};

struct batch {
    struct agent_id agent;
    uint64_t seq0;
    uint64_t count; /* events: the sum of the ops' lengths */
    unsigned flags;
    struct event_id *parents; /* foreign ones only, sorted */
    size_t parent_count, parent_cap;
    struct event_span *undo;
    size_t undo_count, undo_cap;
    uint64_t time_s;
    char label[BATCH_LABEL_BYTES_MAX + 1];
    struct buf ops; /* as they are written: batch_next_op() */
    size_t op_count;
    struct buf text;
};

/* Goes over the operations of a batch, in order. It is a view of the batch, which must not change meanwhile. */
struct batch_ops {
    const unsigned char *at, *end;
    struct bytes text; /* what the operations that are left insert */
};
struct batch_ops batch_ops_of(const struct batch *batch);
bool batch_next_op(struct batch_ops *ops, struct batch_op *op);

void batch_release(struct batch *batch);
static inline void batch_clear(struct batch *batch) /* empty again, memory kept */
{
    batch->agent = (struct agent_id){{0}};
    batch->seq0 = batch->count = batch->time_s = 0;
    batch->flags = 0;
    batch->parent_count = batch->undo_count = batch->op_count = 0;
    batch->label[0] = '\0';
    buf_clear(&batch->ops);
    buf_clear(&batch->text);
}
void batch_copy(struct batch *out, const struct batch *batch);
void batch_add_parent(struct batch *batch, struct event_id parent); /* keeps the order; own agent: sets FLAG_SELF */
void batch_add_undo(struct batch *batch, struct event_span span);
/* What decoding would refuse must not be encoded: it would be hashed, sealed and then accepted by nobody. */
static inline void batch_add_op(struct batch *batch, enum op_kind kind, uint64_t pos, uint64_t len)
{
    ensure(len > 0 && len <= BATCH_POS_MAX && pos <= BATCH_POS_MAX);
    unsigned char *end = varint_put(buf_extend(&batch->ops, BATCH_OP_BYTES_MAX), len << BATCH_KIND_BITS | (unsigned)kind);
    if (kind != OP_NOP)
        end = varint_put(end, pos);
    batch->ops.len = (size_t)(end - batch->ops.data);
    batch->op_count++;
    batch->count += len;
}
static inline void batch_add_insert(struct batch *batch, uint64_t pos, struct bytes text)
{
    batch_add_op(batch, OP_INSERT, pos, text.len);
    buf_add_bytes(&batch->text, text);
}
void batch_add_delete(struct batch *batch, uint64_t pos, uint64_t len);
void batch_add_nop(struct batch *batch);
void batch_end(struct batch *batch); /* nothing more is added: sets FLAG_ONE if it is so */

/* Appends the canonical plaintext. The batch must be well-formed (ensure). */
void batch_encode(const struct batch *batch, struct buf *out);
/* The whole of `plain` is one batch of `agent` that begins at seq0. *batch is overwritten; on failure it is empty. */
MUST_USE bool batch_decode(struct bytes plain, const struct agent_id *agent, uint64_t seq0, struct batch *batch,
                           struct error *err);

/* Batches in the order they were made. Zero-initialised it is empty. What is cut off leaves its memory to later ones. */
struct batch_list {
    struct batch *items;
    size_t count, cap;
    size_t made; /* items that may own memory */
};
void batch_list_release(struct batch_list *list);
static inline void batch_list_clear(struct batch_list *list)
{
    list->count = 0;
}
void batch_list_cut(struct batch_list *list, size_t count); /* keeps the first `count` */
void batch_list_move(struct batch_list *out, struct batch_list *from); /* to the end of the other; `from` becomes empty */
struct batch *batch_list_make(struct batch_list *list); /* for batch_list_add() */
static inline struct batch *batch_list_add(struct batch_list *list) /* an empty batch at the end; valid until the next add */
{
    if (list->count == list->made)
        return batch_list_make(list);
    struct batch *batch = &list->items[list->count++];
    batch_clear(batch);
    return batch;
}

#endif
