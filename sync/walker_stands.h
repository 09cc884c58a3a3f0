/*
 * walker_stands - where the trackers of a walk stand: which version each has prepared, and which of them goes on.
 *
 * An event is applied in the version in which its author made it; to bring a tracker (sync/tracker.h) there costs what that
 * version and the one before it differ in. Mostly that is little. But when two write at once, one of them never hears of the
 * other, and every key comes by itself, then each key of the deaf one is made in a text without anything of the other's:
 *
 *      deaf      a0 ---- a1 ---- a2 ---- a3          one tracker:  a3 needs b0 b1 b2 taken out, b3 needs them put back
 *                  \       \       \       \         two of them:  one stays with the deaf one, at a2; the other one at b2
 *      hears         b0 ---- b1 ---- b2 ---- b3                    gets a3 when b3 needs it
 *
 * So when moving has cost several times what is in the tracker, it is copied, and from then on the copy that is nearest goes to
 * the next event. All of them hold all events; only what they have prepared differs. One that is not asked for any more is
 * dropped.
 *
 * Nothing here touches a tracker: where they stand follows from the graph and from the order of the events alone. So the cost of
 * a walk can be told before it, by moving a copy of the stands.
 *
 *   Units      local versions; distances in events.
 *   Ownership  zero-initialised it is empty; walker_stands_release().
 *   Errors     none.
 *   Bounds     WALKER_STANDS_MAX. A move looks at a few times as many runs of the graph as the nearest stand is away.
 */
#ifndef WEFT_SYNC_WALKER_STANDS_H
#define WEFT_SYNC_WALKER_STANDS_H

#include "sync/graph.h"

enum { WALKER_STANDS_MAX = 4 };

struct walker_stand {
    struct lv_list version;
    uint64_t used; /* how many events there were when it moved last */
    bool live;
};

struct walker_stands {
    struct walker_stand items[WALKER_STANDS_MAX];
    uint64_t events; /* that are in the trackers */
    uint64_t moved;  /* how far, since one was copied last */
    struct lv_list wanted; /* scratch */
    struct lv_ranges leave, enter, spare_leave, spare_enter;
};

void walker_stands_release(struct walker_stands *stands);
/* One stand, number 0, at a version, with nothing in it yet. */
void walker_stands_begin(struct walker_stands *stands, const uint64_t *version, size_t count);
void walker_stands_copy(struct walker_stands *to, const struct walker_stands *from);
/* Whether one of them is just there. */
bool walker_stands_are_at(const struct walker_stands *stands, const uint64_t *version, size_t count);

/* How to come to a version. The ranges live until the next move. */
struct walker_move {
    size_t from; /* the stand that is nearest */
    size_t to;   /* the one that moves: another one when it is to become a copy of `from` first */
    const struct lv_ranges *leave, *enter; /* newest first: what is taken out of it; what is put in, to be gone through
                                              backwards */
};
struct walker_move walker_stands_move(struct walker_stands *stands, struct graph *graph, const uint64_t *version,
                                      size_t count);
/* The next `events` events were applied at a stand, the last of them `last`; every other stand got them too. */
void walker_stands_add(struct walker_stands *stands, size_t stand, uint64_t last, uint64_t events);
/* All of them got the next events without any of them moving. */
void walker_stands_saw(struct walker_stands *stands, uint64_t events);

#endif
