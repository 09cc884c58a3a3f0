/*
 * tracker - the text of a stretch of history as a transient CRDT: two versions of it at once.
 *
 * All units that were ever there stand in it in one order, deleted ones too. The *prepare* version is what the author of the
 * next event had seen: there the event's position is looked up. The *effect* version is the text with everything applied so
 * far: there it is counted anew. A walk moves the prepare version with tracker_retreat() and tracker_advance() and applies
 * each event once; what it gets back is the event's effect on the text. Ana (0, 2) and ben (1) type into "hat", unseen by each
 * other; (x) is a unit that is not in the prepare version, and every unit here is in the effect version:
 *
 *      begin                   h  a  t
 *      insert 0: "s" at 3      h  a  t  s          gives 3
 *      retreat 0               h  a  t (s)
 *      insert 1: "c" at 0      c  h  a  t (s)      gives 0
 *      retreat 1              (c) h  a  t (s)
 *      advance 0              (c) h  a  t  s
 *      insert 2: "!" at 4     (c) h  a  t  s  !    gives 5: what was 4 for ana
 *
 * The tracker begins at a critical version, of whose text it needs only the length: one span, the placeholder, stands for it.
 *
 * A unit's state in the prepare version is a count: 0, not inserted yet; 1, there; 1 + n, deleted by n of the events. So
 * retreat is one less and advance one more for inserts and deletes alike, in any order. In the effect version a unit is there
 * or gone, and what is gone stays so.
 *
 * Concurrent inserts at one place. A unit's *left origin* is the unit it was typed behind, its *right origin* the next one that
 * its author knew of, deleted or not; what stands between the two is concurrent to it. What hangs on a unit (has it as left
 * origin, and so on) stands behind it and goes where it goes:
 *
 *      ana types "ab", ben "xy"        -  a  b  x  y  -        b hangs on a, y on x: never  - a x b y -
 *
 * Of units with one left origin the one whose right origin stands further right comes first, then the lower one of
 * graph_compare(): the order of FugueMax (YjsMod).
 *
 *   Invariants (the numbers are those of assets/doc/engine.md; tracker_check() walks 8 to 10)
 *     [8]  the sums of each node are those of the spans below it
 *     [9]  the index finds every span in the leaf where it is
 *     [10] what the prepare version has as deleted is gone from the effect version
 *     [11] retreat and advance undo each other
 *     [12] the prepare version is as long as the text that the event's author saw
 *     [22] the order of two units never changes
 *
 *   Units      bytes. The id of an inserted byte is its local version, that of byte n of the beginning's text
 *              TRACKER_BASE + n.
 *   Ownership  zero-initialised it is empty; tracker_release(). tracker_begin() empties it in O(1) and keeps the
 *              memory. It stays where it is once it has begun: its trees point to it.
 *   Errors     none: the walker checks positions against tracker_len() first.
 *   Bounds     O(log spans) for each span that an operation touches. Among inserts that are concurrent at one place it is so
 *              too, where they have the same neighbours or where who typed them went backwards; else linear in how many
 *              there are.
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
    struct id_index units;   /* in which leaf a unit is */
    struct id_index deletes; /* what events deleted */
    const struct graph *graph; /* for ties */
    uint64_t looks;            /* at concurrent spans, so far: what the order of inserts at one place has cost */
    uint64_t steps;            /* spans put in, deleted, taken out of the prepare version or put back, so far */
    uint64_t after;            /* the unit behind which the last insert went; TRACKER_EDGE: at the start */
};

void tracker_release(struct tracker *tracker);
void tracker_begin(struct tracker *tracker, const struct graph *graph, uint64_t len);

uint64_t tracker_len(const struct tracker *tracker);   /* of the prepare version */
uint64_t tracker_shown(const struct tracker *tracker); /* of the effect version */

/* It never had more spans than that, nor parts in which they were put in; and moving whole operations gives it no more. */
uint64_t tracker_spans_max(const struct tracker *tracker);

/* Where in the text a position of the prepare version is: behind the byte before it. Beyond the end it is the end. */
uint64_t tracker_map(const struct tracker *tracker, uint64_t pos);

/* Events [lv, lv + len) insert at pos (<= tracker_len()); len <= SPAN_LEN_MAX. Gives where their bytes go in the text. */
uint64_t tracker_insert(struct tracker *tracker, uint64_t lv, uint64_t pos, uint64_t len);

struct tracker_deleted {
    uint64_t len; /* events consumed */
    uint64_t id;  /* the first of the units that they delete */
    uint64_t at;  /* in the text */
    bool shown;   /* whether the bytes were still there */
};
/*
 * Events [lv, lv + len) delete at pos (< tracker_len()), each the byte that is then there; with `back` each the byte
 * before the last one's. Consumes as many as one span allows: call again with the rest.
 */
struct tracker_deleted tracker_delete(struct tracker *tracker, uint64_t lv, uint64_t pos, uint64_t len, bool back);

/*
 * The same of events that were made in the text of all that the tracker holds: positions count in the effect version, and the
 * prepare version, whatever it is, stays as it is: tracker_advance() puts them in. pos <= tracker_shown(), < for deletes.
 */
void tracker_insert_shown(struct tracker *tracker, uint64_t lv, uint64_t pos, uint64_t len);
struct tracker_deleted tracker_delete_shown(struct tracker *tracker, uint64_t lv, uint64_t pos, uint64_t len, bool back);

/* Takes events that were applied out of the prepare version, or puts them back. Events without effect are skipped. */
void tracker_retreat(struct tracker *tracker, uint64_t first, uint64_t end);
void tracker_advance(struct tracker *tracker, uint64_t first, uint64_t end);
/*
 * The same (`by` -1 or 1) until tracker->steps has reached `steps` or everything is done, which gives true: *first is then how
 * far it came. Until it has come to the end the prepare version is none of the history's.
 */
bool tracker_move_some(struct tracker *tracker, uint64_t *first, uint64_t end, int by, uint64_t steps);

/*
 * A second tracker of the same events, prepared elsewhere (sync/walker_stands.h): a copy, to which everything is then
 * repeated that the first one applies. The repeated event stays out of the prepare version: tracker_advance() puts it in.
 */
void tracker_copy(struct tracker *to, const struct tracker *from);
/* The insert that was the last thing applied in `from`. */
void tracker_repeat_insert(struct tracker *to, const struct tracker *from, uint64_t lv, uint64_t len);
/* Any delete. */
void tracker_repeat_delete(struct tracker *to, const struct tracker_deleted *deleted, uint64_t lv, bool back);

/* What was tracked elsewhere (sync/tracker_list.h): a span behind all others; that events from `lv` on deleted these units, one
   after the other. */
void tracker_append(struct tracker *tracker, const struct span *span);
void tracker_append_deletes(struct tracker *tracker, uint64_t lv, uint64_t first, uint64_t len, bool back);

/* What an event did, and how many from there on did the same: events that insert are ID_UNITS, of themselves. */
struct id_entry tracker_event(const struct tracker *tracker, uint64_t lv);
/* The span that holds a unit. */
const struct span *tracker_find(const struct tracker *tracker, uint64_t id);
/* The order of two units in the text. < 0: a stands before b. */
int tracker_compare(const struct tracker *tracker, uint64_t a, uint64_t b);

void tracker_check(const struct tracker *tracker);

#endif
