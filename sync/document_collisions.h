/*
 * document_collisions - which edits touched each other while neither writer knew of the other's: what a merge put together that
 * nobody has read as a whole.
 *
 * All bytes that were ever there stand in one order (sync/tracker.h), deleted ones too. A deleting event touches its byte. An
 * inserting one touches the two bytes between which it was typed and all that stands between them now: the byte before it in the
 * text that its author saw, and the next one that he knew of, deleted or not. Two events collide when they are of different
 * authors, neither is an ancestor of the other, and
 *
 *      both insert    one of the bytes stands between the two that the other was typed between
 *      both delete    the same byte, or two of which one stands right behind the other
 *      one of each    the deleted byte is touched by the insert: "b" was deleted of "abc", and something typed beside it
 *
 * Two edits collide when an event of the one does with an event of the other. Edits that were taken back do so too.
 *
 *   Units      bytes; seconds since 1970, by the clock of whoever wrote.
 *   Ownership  lists belong to the caller, zero-initialised, and are released by him. Labels live as long as the document.
 *   Errors     a version that is not known.
 *   Bounds     the first time a walk over all history (sync/document_whole.h). Then O(n log n) for n events; and for each run of
 *              the graph the rows of events that its author did not know are sorted by place and looked up, so two branches of n
 *              rows take O(n log n + what touches): COLLISION_LOOKS_MAX looks in all, and COLLISION_TOUCHES_MAX that touch. What
 *              is beyond is left out and said (`cut`); what is told then is the older part.
 *   Source     origins: Weidner & Kleppmann, "The Art of the Fugue", 2023.
 */
#ifndef WEFT_SYNC_DOCUMENT_COLLISIONS_H
#define WEFT_SYNC_DOCUMENT_COLLISIONS_H

#include "sync/document_past.h"

enum { COLLISION_SNIPPET_BYTES = 48, COLLISION_TOUCHES_MAX = 1 << 16, COLLISION_LOOKS_MAX = 1 << 25 };

/* The beginning of some bytes. It may end within a character. */
struct snippet {
    unsigned char bytes[COLLISION_SNIPPET_BYTES];
    size_t len;
    uint64_t of; /* so many there are */
};

struct collision_side {
    struct log_entry edit;             /* the whole edit, as the log has it */
    struct snippet inserted, deleted;  /* the rows of it that touch the other edit, in the order of the text */
};
struct collision {
    struct collision_side sides[2]; /* the one that came here first is the first */
    uint64_t at; /* in the present text: the first of these bytes that is still there; gone: where it would be */
    bool gone;   /* none of them is */
};
struct collision_list {
    struct collision *items; /* by when the first edits came here, then the second ones */
    size_t count, cap;
    bool cut; /* there may be more */
};

/*
 * Of the edits in `until` and not in `since`, as far as their events are; NULL: all. There must be nothing to update
 * (document_update()). False, and the list empty, when one of the versions is not known.
 */
bool document_collisions(struct document *document, const struct version *since, const struct version *until,
                         struct collision_list *out);
void collision_list_release(struct collision_list *list);

#endif
