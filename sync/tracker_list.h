/*
 * tracker_list - the tracker of a short block: the same two versions of a text, in a list instead of in trees.
 *
 * Where people type at once and hear each other, a walk goes through thousands of blocks of some dozen spans each, and the trees
 * of a tracker (sync/tracker.h) cost more there than they save. In a list a span keeps its number, and the places stand in a row
 * in the order of the text: who looks for a position goes along that, and what an event did is found in a row with an entry for
 * each event of the block:
 *
 *      place   <base 0..4>  <5 6 7>  <base 4..9>        event   5  6  7  8
 *      span         1          3          2             span    3  3  3  2     8 deleted base 6
 *
 * It does not know the order of concurrent inserts. Where that would have to be asked, or where there are too many spans, it
 * says so, and tracker_list_move_to() makes a tracker of it, which goes on.
 *
 *   Units      as in sync/tracker.h. Events are those of [first, first + TRACKER_LIST_EVENTS_MAX).
 *   Ownership  zero-initialised, then tracker_list_begin(), which keeps memory; tracker_list_release().
 *   Errors     none: the walker checks positions first.
 *   Bounds     an operation: linear in the spans, of which there are hardly more than TRACKER_LIST_SPANS_MAX (tracker_list.c)
 *              when the walker asks tracker_list_is_full() before each operation, and in the bytes of a span that it cuts, of
 *              which there are TRACKER_LIST_EVENTS_MAX at most: each event of them is told where it is now. A range of events:
 *              linear in these, in the spans that it cuts, and in the pieces into which what they deleted fell since.
 */
#ifndef WEFT_SYNC_TRACKER_LIST_H
#define WEFT_SYNC_TRACKER_LIST_H

#include "sync/tracker.h"

enum { TRACKER_LIST_EVENTS_MAX = 512 }; /* what a cut moves then is about what finding its place costs */

struct tracker_place;
struct tracker_done;

struct tracker_list {
    struct tracker_place *places; /* in the order of the text; the first one is before all and holds nothing */
    struct span *spans;           /* by number */
    uint32_t *place_of;           /* of the span with that number */
    size_t cap;                   /* of each of the three */
    uint32_t count;
    struct tracker_done *done; /* by event */
    size_t done_cap;
    uint64_t first, events;    /* of the block */
    uint64_t prepared, shown;  /* units in all */
    uint64_t steps;            /* as tracker.steps */
};

void tracker_list_release(struct tracker_list *list);
/* For events [first, end), in a text of `len` bytes; false, and nothing done: that is too much for a list. */
bool tracker_list_begin(struct tracker_list *list, uint64_t first, uint64_t end, uint64_t len);
bool tracker_list_is_full(const struct tracker_list *list);

/* As tracker_insert(); false, and nothing done: something concurrent stands there. */
bool tracker_list_insert(struct tracker_list *list, uint64_t lv, uint64_t pos, uint64_t len, uint64_t *at);
struct tracker_deleted tracker_list_delete(struct tracker_list *list, uint64_t lv, uint64_t pos, uint64_t len, bool back);
void tracker_list_retreat(struct tracker_list *list, uint64_t first, uint64_t end);
void tracker_list_advance(struct tracker_list *list, uint64_t first, uint64_t end);

/* A tracker that has just begun with no text takes over everything. */
void tracker_list_move_to(const struct tracker_list *list, struct tracker *tracker);

void tracker_list_check(const struct tracker_list *list);

#endif
