/*
 * oplog - what every event does: columns of operations by local version (LV, sync/graph.h), run-length coded.
 *
 * Typing at one place, deleting forward and backspacing become one run each. A delete of several bytes in one operation
 * stays one run, because it is valid or void as a whole:
 *
 *   A run of a batch is valid when it lies inside the text that its author saw: an insert needs pos <= length, a delete
 *   pos + len <= length. One that is not valid does nothing, for everybody. Which ones these are follows from the
 *   history alone; the walker finds out when it first replays them and notes them here.
 *
 *   Units      LVs; positions and lengths in bytes.
 *   Ownership  zero-initialised it is empty; oplog_release(). Texts are views that live until the next oplog_add_*().
 *   Errors     none: bounds are checked by who takes operations from outside.
 *   Bounds     look-ups O(log runs); 32 bytes a run besides the text. Positions below 2^60.
 */
#ifndef WEFT_SYNC_OPLOG_H
#define WEFT_SYNC_OPLOG_H

#include <assert.h>
#include <stdint.h>

#include "editor/base/bytes.h"
#include "sync/batch.h"
#include "sync/column.h"
#include "sync/graph.h"

enum op_shape {
    SHAPE_INSERT,      /* event n puts its byte at pos + n */
    SHAPE_DELETE,      /* one operation: every event deletes the byte at pos */
    SHAPE_DELETE_EACH, /* as many operations of one byte: every event deletes the byte at pos */
    SHAPE_BACKSPACE,   /* operations of one byte: event n deletes the byte at pos - n */
    SHAPE_NOP,
};

/* What a shape means for lengths, as masks: which one comes next a processor cannot foresee, so it is looked up. */
struct op_masks {
    uint64_t inserts, deletes; /* all bits: every event does */
    uint64_t back;             /* all bits: the last event is at the first place */
};
static const struct op_masks op_masks[] = {
    [SHAPE_INSERT] = {.inserts = UINT64_MAX},
    [SHAPE_DELETE] = {.deletes = UINT64_MAX},
    [SHAPE_DELETE_EACH] = {.deletes = UINT64_MAX},
    [SHAPE_BACKSPACE] = {.deletes = UINT64_MAX, .back = UINT64_MAX},
    [SHAPE_NOP] = {0},
};

enum { OPLOG_POS_BITS = 60 };

struct op_run { /* two a cache line: a walk goes over all of them */
    uint64_t first;
    uint64_t pos : OPLOG_POS_BITS;
    enum op_shape shape : 64 - OPLOG_POS_BITS;
    size_t text_at;     /* SHAPE_INSERT: where its bytes begin in oplog.text */
    int64_t net_before; /* bytes inserted less bytes deleted by all runs before, as if all were valid */
};
static_assert(sizeof(struct op_run) == 32, "two a cache line");

struct oplog {
    uint64_t len; /* events */
    struct op_run *runs;
    size_t count, cap;
    uint64_t typed_upto;      /* 1 + where an insert goes on with the last run, for who types; 0: look there */
    struct buf text;          /* every inserted byte, in the order of LVs */
    struct lv_ranges invalid; /* events without effect, ascending */
};

void oplog_release(struct oplog *log);
void oplog_add_insert(struct oplog *log, uint64_t pos, struct bytes text); /* typing on makes the last run longer */
/* Whether a byte at that place surely goes on with the last run; then it may be put there, which is worth no call. */
static inline bool oplog_may_type(const struct oplog *log, uint64_t pos)
{
    return log->typed_upto == pos + 1 && log->text.len < log->text.cap;
}
static inline void oplog_type(struct oplog *log, unsigned char byte)
{
    log->text.data[log->text.len++] = byte;
    log->typed_upto++;
    log->len++;
}
void oplog_add_delete(struct oplog *log, uint64_t pos, uint64_t len);
void oplog_add_nop(struct oplog *log);
/* Room for so many more runs, and for no more. */
void oplog_reserve(struct oplog *log, size_t runs);
/* A whole run as it was coded elsewhere; a backspace has len <= pos + 1. The caller adds the text of inserts later. */
void oplog_add_run(struct oplog *log, enum op_shape shape, uint64_t pos, uint64_t len, size_t text_at);
size_t oplog_runs(const struct oplog *log);
struct op_piece oplog_run(const struct oplog *log, size_t index); /* a whole run */

/* Events [lv, lv + len) of one run, as they look from `lv` on. */
struct op_piece {
    enum op_shape shape;
    uint64_t lv, len;
    uint64_t pos;
    size_t text_at;
    uint64_t op_first, op_len; /* SHAPE_DELETE: the whole operation it belongs to */
};
/* Notes them as invalid: an operation that was cut in two is judged, and noted, as a whole. */
void oplog_note_piece(struct oplog *log, const struct op_piece *op);
/* From lv up to the end of its run, but not beyond `end`. lv < end <= log->len. */
struct op_piece oplog_piece(const struct oplog *log, uint64_t lv, uint64_t end);
struct bytes oplog_text(const struct oplog *log, size_t text_at, uint64_t len);

/* The event that inserted byte `text_at` of the log's text. */
uint64_t oplog_typed(const struct oplog *log, size_t text_at);

void oplog_note_invalid(struct oplog *log, uint64_t first, uint64_t end); /* may be said again */
/* Bytes by which the valid events of [first, end) lengthen a text they are applied to one after another. */
int64_t oplog_net(const struct oplog *log, uint64_t first, uint64_t end);

/* How many runs the events of [first, end) lie in. */
size_t oplog_ops(const struct oplog *log, uint64_t first, uint64_t end);
/* Whether an event, or how many events of [first, end), have no effect, as far as a walk has noted it. */
bool oplog_is_void(const struct oplog *log, uint64_t lv);
uint64_t oplog_void_events(const struct oplog *log); /* how many were noted */
uint64_t oplog_void(const struct oplog *log, uint64_t first, uint64_t end);

void oplog_check(const struct oplog *log);

/* --- what a walk asks of every operation; here, so that it becomes part of the walk --- */

/* oplog_piece() for who asks again and again: *hint is which run it was, and is looked at first. */
static inline struct op_piece oplog_piece_near(const struct oplog *log, size_t *hint, uint64_t lv, uint64_t end)
{
    ensure(lv < end && end <= log->len);
    bool begins = *hint < log->count && log->runs[*hint].first == lv; /* mostly they are asked for one after the other */
    size_t index = begins ? *hint : column_find(log->runs, sizeof *log->runs, log->count, lv, hint);
    const struct op_run *run = &log->runs[index];
    uint64_t run_end = index + 1 < log->count ? run[1].first : log->len;
    uint64_t offset = lv - run->first;
    struct op_piece piece = {.shape = run->shape, .lv = lv, .pos = run->pos, .text_at = run->text_at};
    piece.len = (end < run_end ? end : run_end) - lv;
    piece.op_first = run->first;
    piece.op_len = run_end - run->first;
    if (offset == 0) /* mostly; which shape it is nobody could tell before */
        return piece;
    if (run->shape == SHAPE_INSERT) {
        piece.pos += offset;
        piece.text_at += (size_t)offset;
    } else if (run->shape == SHAPE_BACKSPACE) {
        piece.pos -= offset;
    }
    return piece;
}

/*
 * How many events from the start of a piece share one verdict in a text of `len` bytes, the operations before having
 * been applied; *valid is the verdict.
 */
static inline uint64_t oplog_judge(const struct oplog *log, const struct op_piece *piece, uint64_t len, bool *valid)
{
    if (piece->lv == piece->op_first && piece->op_len <= len && piece->pos <= len - piece->op_len) { /* valid whatever it is */
        *valid = true;
        return piece->len;
    }
    switch (piece->shape) {
    case SHAPE_NOP:
        *valid = true;
        return piece->len;
    case SHAPE_INSERT: /* each further byte goes where the one before made the text longer: all or none */
        *valid = piece->pos <= len;
        return piece->len;
    case SHAPE_DELETE: /* in its middle, the verdict was given at its start */
        if (piece->lv != piece->op_first)
            *valid = !oplog_is_void(log, piece->op_first);
        else
            *valid = piece->op_len <= len && piece->pos <= len - piece->op_len;
        return piece->len;
    case SHAPE_DELETE_EACH: /* valid until the text ends */
        *valid = piece->pos < len;
        return *valid && len - piece->pos < piece->len ? len - piece->pos : piece->len;
    case SHAPE_BACKSPACE: /* void until it has come down to the end of the text */
        *valid = piece->pos < len;
        return !*valid && piece->pos + 1 - len < piece->len ? piece->pos + 1 - len : piece->len;
    }
    ensure(false);
    return 0;
}

/* The next events of [lv, end) that are all valid or all void in a text of `len` bytes; those that are void are noted. */
static inline struct op_piece oplog_next(struct oplog *log, size_t *hint, uint64_t lv, uint64_t end, uint64_t len, bool *valid)
{
    struct op_piece op = oplog_piece_near(log, hint, lv, end);
    op.len = oplog_judge(log, &op, len, valid);
    *hint += op.lv + op.len == op.op_first + op.op_len; /* mostly the next one is asked for next */
    if (!*valid)
        oplog_note_piece(log, &op);
    return op;
}

#endif
