/*
 * document_undo_steps - what taking back some events does to the text as it is now: which bytes stay, go and come back; where.
 *
 * What comes back is put where it was at first. New bytes go to the left of everything deleted at their place, so what was
 * brought back earlier may stand to the left of what comes back now although it was to the right of it. In which order two stood
 * is known of those that were in the text at once; a copy goes by what it is a copy of, as far back as that takes. Inside of
 * sync/document.h: for sync/document_undo.c alone.
 *
 *   Units      of undo_target: ids of the walk's tracker; bytes of the text.
 *   Ownership  struct steps zero-initialised, then steps_find(); steps_release().
 *   Bounds     those of sync/document_undo_plan.h, and STEP_LOOKS_MAX looks for each row that comes back. The tracker of all
 *              history (sync/document_whole.h) is asked where a byte from before the walk may be a copy.
 */
#ifndef WEFT_SYNC_DOCUMENT_UNDO_STEPS_H
#define WEFT_SYNC_DOCUMENT_UNDO_STEPS_H

#include "sync/document_undo_plan.h"

/* So many steps before it, and copies of theirs, are asked how they stand to what comes back: more than people ever make. */
enum { STEP_LOOKS_MAX = 4096 };

enum step_kind { STEP_KEEP, STEP_REMOVE, STEP_RESTORE };

struct step {
    enum step_kind kind;
    struct undo_target what;
    size_t row; /* of the events, which one it goes for; a step that removes nothing: 0 */
};

/* In the order of the text, all of it. */
struct steps {
    struct step *items;
    size_t count, cap;
    struct buf restored; /* the bytes of those that restore, in order: the caller's */
};

/* `first`: the first of the events. */
void steps_find(struct document *document, const struct agent_span *spans, size_t count, uint64_t first, struct steps *out);
void steps_add(struct steps *steps, struct step step); /* at the end */
void steps_release(struct steps *steps);

#endif
