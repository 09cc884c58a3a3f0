/*
 * tracker - the text of a stretch of history as a transient CRDT: two versions of it at once.
 *
 * All units that were ever there stand in it in one order, deleted ones too. The *prepare* version is where the next
 * event counts its positions; the *effect* version is the text with everything applied so far. A walk moves the
 * prepare version with tracker_retreat() and tracker_advance() and applies each event once; what it gets back is the
 * event's effect on the text. The tracker begins at a critical version, of whose text it needs only the length: one
 * span stands for it.
 *
 * Concurrent inserts at one place are ordered as in FugueMax (YjsMod): runs do not interleave, ties go to the lower
 * (agent, seq).
 *
 *   Units      bytes. The id of an inserted byte is its local version, that of byte n of the beginning's text
 *              TRACKER_BASE + n.
 *   Ownership  zero-initialised it is empty; tracker_release(). tracker_begin() empties it in O(1) and keeps the
 *              memory.
 *   Errors     none: the walker checks positions against tracker_len() first.
 *   Bounds     O(log spans) for each span that an operation touches; among inserts that are concurrent at one place,
 *              linear in how many there are; logarithmic where all have the same neighbours.
 *   Source     Gentle & Kleppmann (sync/document.h), section 3; order: Weidner & Kleppmann, "The Art of the Fugue",
 *              2023.
 */
#ifndef WEFT_SYNC_TRACKER_H
#define WEFT_SYNC_TRACKER_H

#include "sync/graph.h"
#include "sync/id_index.h"
#include "sync/spans.h"

#define TRACKER_BASE ((uint64_t)1 << 62)
#define TRACKER_EDGE UINT64_MAX /* as an origin: the start or the end of the text */

struct tracker {
    struct spans spans;
    struct id_index index;
    const struct graph *graph; /* for ties */
    uint64_t looks;            /* at concurrent spans, so far: what the order of inserts at one place has cost */
};

void tracker_release(struct tracker *tracker);
void tracker_begin(struct tracker *tracker, const struct graph *graph, uint64_t len);

uint64_t tracker_len(const struct tracker *tracker);   /* of the prepare version */
uint64_t tracker_shown(const struct tracker *tracker); /* of the effect version */

/* Where in the text a position of the prepare version is: behind the byte before it. Beyond the end it is the end. */
uint64_t tracker_map(const struct tracker *tracker, uint64_t pos);

/* Events [lv, lv + len) insert at pos (<= tracker_len()). Gives where their bytes go in the text. */
uint64_t tracker_insert(struct tracker *tracker, uint64_t lv, uint64_t pos, uint64_t len);

struct tracker_deleted {
    uint64_t len; /* events consumed */
    uint64_t at;  /* in the text */
    bool shown;   /* whether the bytes were still there */
};
/*
 * Events [lv, lv + len) delete at pos (< tracker_len()), each the byte that is then there; with `back` each the byte
 * before the last one's. Consumes as many as one span allows: call again with the rest.
 */
struct tracker_deleted tracker_delete(struct tracker *tracker, uint64_t lv, uint64_t pos, uint64_t len, bool back);

/* Takes events that were applied out of the prepare version, or puts them back. Events without effect are skipped. */
void tracker_retreat(struct tracker *tracker, uint64_t first, uint64_t end);
void tracker_advance(struct tracker *tracker, uint64_t first, uint64_t end);

/* The order of two units in the text. < 0: a stands before b. */
int tracker_compare(const struct tracker *tracker, uint64_t a, uint64_t b);

void tracker_check(const struct tracker *tracker);

#endif
