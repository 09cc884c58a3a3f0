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
 *   Bounds     look-ups O(log runs); 48 bytes a run besides the text.
 */
#ifndef WEFT_SYNC_OPLOG_H
#define WEFT_SYNC_OPLOG_H

#include <stdint.h>

#include "editor/base/bytes.h"
#include "sync/batch.h"
#include "sync/graph.h"

enum op_shape {
    SHAPE_INSERT,      /* event n puts its byte at pos + n */
    SHAPE_DELETE,      /* one operation: every event deletes the byte at pos */
    SHAPE_DELETE_EACH, /* as many operations of one byte: every event deletes the byte at pos */
    SHAPE_BACKSPACE,   /* operations of one byte: event n deletes the byte at pos - n */
    SHAPE_NOP,
};

struct op_run {
    uint64_t first;
    uint64_t pos;
    size_t text_at;     /* SHAPE_INSERT: where its bytes begin in oplog.text */
    int64_t net_before; /* bytes inserted less bytes deleted by all runs before, as if all were valid */
    enum op_shape shape;
};

struct oplog {
    uint64_t len; /* events */
    struct op_run *runs;
    size_t count, cap;
    struct buf text;          /* every inserted byte, in the order of LVs */
    struct lv_ranges invalid; /* events without effect, ascending */
    size_t invalid_runs;      /* how many of the batches' runs these were */
};

void oplog_release(struct oplog *log);
void oplog_add_insert(struct oplog *log, uint64_t pos, struct bytes text);
void oplog_add_delete(struct oplog *log, uint64_t pos, uint64_t len);
void oplog_add_nop(struct oplog *log);
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
/* From lv up to the end of its run, but not beyond `end`. lv < end <= log->len. */
struct op_piece oplog_piece(const struct oplog *log, uint64_t lv, uint64_t end);
/* The same for who asks again and again: *hint is which run it was, and is looked at first. */
struct op_piece oplog_piece_near(const struct oplog *log, size_t *hint, uint64_t lv, uint64_t end);
struct bytes oplog_text(const struct oplog *log, size_t text_at, uint64_t len);

/*
 * How many events from the start of a piece share one verdict in a text of `len` bytes, the operations before having
 * been applied; *valid is the verdict.
 */
uint64_t oplog_judge(const struct oplog *log, const struct op_piece *piece, uint64_t len, bool *valid);
void oplog_note_invalid(struct oplog *log, uint64_t first, uint64_t end); /* may be said again */
/* Bytes by which the valid events of [first, end) lengthen a text they are applied to one after another. */
int64_t oplog_net(const struct oplog *log, uint64_t first, uint64_t end);

/* How many events of [first, end) have no effect, as far as a walk has noted it. */
uint64_t oplog_void(const struct oplog *log, uint64_t first, uint64_t end);

void oplog_check(const struct oplog *log);

#endif
