/*
 * marks - what batches say besides their operations: where an edit begins, what is taken back, when, a label.
 *
 *   Units      local versions (LV); agents by their number in the graph.
 *   Ownership  zero-initialised it is empty; marks_release(). Only batches that say something have a mark.
 */
#ifndef WEFT_SYNC_MARKS_H
#define WEFT_SYNC_MARKS_H

#include "sync/batch.h"
#include "sync/graph.h"

/* A row of an agent's events, like struct event_span. */
struct agent_span {
    size_t agent;
    uint64_t seq, len;
};

enum { MARK_FLAGS = BATCH_FLAG_GESTURE | BATCH_FLAG_UNDO | BATCH_FLAG_TIME | BATCH_FLAG_LABEL | BATCH_FLAG_REDO };

struct mark {
    uint64_t lv;     /* of the batch's first event */
    unsigned flags;  /* those of MARK_FLAGS that it has */
    uint64_t time_s;
    size_t label_at; /* in marks.labels, with its NUL */
    size_t undo_at, undo_count;
};

struct marks {
    struct mark *items; /* by LV */
    size_t count, cap;
    struct agent_span *undo;
    size_t undo_count, undo_cap;
    struct buf labels;
};

void marks_release(struct marks *marks);
/* At the end; its undo spans are those that marks_add_undo() adds until the next one. */
struct mark *marks_add(struct marks *marks, uint64_t lv, unsigned flags);
void marks_add_undo(struct marks *marks, struct agent_span span);
void marks_set_label(struct marks *marks, struct bytes label); /* of the last mark; no NUL in it */
/* The first mark at or after lv; marks->count: none. */
size_t marks_from(const struct marks *marks, uint64_t lv);

#endif
