/*
 * document_edits - what events are to people: edits, in the order they came, and which of them were taken back since.
 *
 * The events of an agent from one batch that is marked as a gesture to before the next are one edit: a word typed, a paste, an
 * undo. Inside of sync/document.h: for its files (sync/document_parts.h) alone.
 *
 *   Units      local versions (LV), seqs; agents by their number in the graph.
 *   Ownership  zero-initialised, then edits_collect(); edits_release(). It holds nothing of the document.
 *   Bounds     O(n log n) for n edits and marks, whatever is asked and whoever wrote them.
 */
#ifndef WEFT_SYNC_DOCUMENT_EDITS_H
#define WEFT_SYNC_DOCUMENT_EDITS_H

#include "sync/document_parts.h"

enum edit_kind { EDIT_GESTURE, EDIT_UNDO, EDIT_REDO };

/* Events [seq, end) of one agent: the batches from one marked as a gesture to before the next. */
struct edit {
    enum edit_kind kind;
    size_t agent;
    uint64_t seq, end;
    uint64_t lv;              /* of its first event */
    struct agent_span target; /* what an undo or redo takes back: the first row of it */
    size_t more;              /* 1 + where in edits.more the next row is; 0: none */
};

/* A further row of what an edit takes back. */
struct edit_more {
    struct agent_span target;
    size_t more; /* as above */
};

struct edit_ref {
    size_t agent;
    uint64_t seq;
    size_t at; /* in edits.items */
};

struct edits {
    struct edit *items; /* by LV */
    size_t count, cap;
    struct edit_ref *by_agent; /* by agent and seq */
    struct edit_more *more;
    size_t more_count, more_cap;
};

enum { EDIT_NONE = SIZE_MAX };

/* By LV. `agents` NULL: everybody's. */
void edits_collect(const struct document *document, const struct agent_id *agents, size_t agent_count, struct edits *edits);
void edits_release(struct edits *edits);
struct agent_span edit_span(const struct edit *edit);

/* The edit that an agent's event belongs to; EDIT_NONE: none of these. */
size_t edits_find(const struct edits *edits, size_t agent, uint64_t seq);

/* Edits in the order in which they can be taken. Each is pushed once at most. */
struct edit_stack {
    size_t *items; /* the last one is there */
    size_t count;
    bool *has;   /* by edit: some of `items` were taken from the middle since */
    size_t kept; /* so many of the first ones are the writer's own, and stay when another's are forgotten */
};
/*
 * What was done, undone and redone, in order, leaves what can be taken back next, and what again. Both begin empty.
 *
 * A gesture ends what can be done again; but not what `writer` (EDIT_NONE: nobody) undid, where it is another agent's: that may
 * have been another window, which was not the writer's to look at until it was taken over. For the same reason a redo counts
 * whatever gestures came before it: who wrote it had none of them in between.
 */
void edits_replay(const struct edits *edits, size_t writer, struct edit_stack *back, struct edit_stack *again);
void edit_stack_release(struct edit_stack *stack);

#endif
