/*
 * document_copies - what bytes that an undo brought back were at first.
 *
 * They are new bytes, but to people the same as before: an undo's batch says which deletes they take back (sync/batch.h), and
 * the deletes say which bytes those were. Inside of sync/document.h: for its files (sync/document_parts.h) alone.
 *
 *   Units      ids of a tracker (sync/tracker.h): LVs of inserts, and the bytes of the base text.
 *   Ownership  struct copies (sync/document_parts.h) zero-initialised, then copies_collect(); copies_release().
 *   Bounds     O(n log n) for n rows that are added; a look-up is logarithmic for each time they were brought back.
 */
#ifndef WEFT_SYNC_DOCUMENT_COPIES_H
#define WEFT_SYNC_DOCUMENT_COPIES_H

#include "sync/document_edits.h"

/*
 * Adds what the undos brought back whose marks are not done yet: the caller sets copies->marks_done to the first that is wanted,
 * or goes on where the last call ended. The tracker has what they brought back, and who deleted it.
 */
void copies_collect(const struct document *document, const struct tracker *tracker, struct copies *copies);
/* Where the batch of an undo ends that has this mark. */
uint64_t copies_end_of_batch(const struct document *document, size_t mark);
/* What a unit is a copy of, itself perhaps a copy; false: it is none. *len as below. */
bool copies_original(const struct copies *copies, uint64_t id, uint64_t *len, uint64_t *original);
/* The event that deleted what a unit is a copy of; it is one. */
uint64_t copies_deleter(const struct copies *copies, uint64_t id);
/* What a unit was at first; *len is cut to as many units as that answer is good for. */
uint64_t copies_root(const struct copies *copies, uint64_t id, uint64_t *len);

/* What the first of some events in a row deleted: a row of units, lowest id first. */
struct deleted {
    uint64_t events; /* so many of them the answer is about; > 0 */
    uint64_t len;    /* units; 0: these events delete nothing. Else there are as many as events */
    uint64_t id;
    uint64_t by;     /* the event that deleted unit `id` */
    bool back;       /* and the units after it by the events before that one */
};
/* first < end. */
struct deleted deleted_by(const struct tracker *tracker, uint64_t first, uint64_t end);
/* Whether events deleted from right to left: the rule of sync/batch.h, by what the operations say. */
bool deletes_are_back(const struct document *document, struct agent_span span);

#endif
