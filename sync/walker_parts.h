/*
 * walker_parts - the inside of struct walker, for the files that implement sync/walker.h; nobody else includes it.
 *
 *   walker.c           the walk
 *   walker_approach.c  the part of it that may be done before, in portions
 */
#ifndef WEFT_SYNC_WALKER_PARTS_H
#define WEFT_SYNC_WALKER_PARTS_H

#include "sync/apart.h"
#include "sync/delta.h"
#include "sync/tracker_list.h"
#include "sync/walker.h"
#include "sync/walker_cost.h"
#include "sync/walker_plan.h"
#include "sync/walker_stands.h"

/*
 * The kept tracker: where it begins, where the walk that it was made for had to begin, and where it ends.
 *
 *      base ----- from ----- - - - ----- must ----- old events ----- end ----- old events ----- merged ----- new events
 *                 |----- the tracker holds what is after `from` -----|----- it lacks these -----|
 *
 * A walk must begin at the last critical version below all that it needs: walker_set_start() makes it walker->start. It can go on
 * in the kept tracker if from <= start <= must: then that has all it needs, and no more below than there was reason for.
 * Else the tracker is made anew, from `start` or, if walker_lower() says so, from about `low_by` events lower.
 */
struct walker_kept {
    uint64_t from, must; /* critical versions; LV_NONE is the root */
    uint64_t end;        /* the event after its last one; 0: there is nothing that is of use to a walk */
    uint64_t low_by;     /* how many events below `must` the last one was to begin, also when that is gone */
};

/* How far an approach has come; walker_approach.c says what that is. */
struct approach {
    bool on;
    struct lv_list target; /* the version to be at; */
    uint64_t from, must;   /* of the tracker, where it has to be made: as in struct walker_kept */
    uint64_t first, at;    /* it began with that event; those before `at` are in the trackers, or passed over */
    bool tracking;         /* there is a tracker; else history is a line here, */
    uint64_t len;          /* and the text that long before `at` */
    bool moving;           /* a tracker is on its way: */
    size_t stand;
    struct lv_ranges leave, enter; /* what is left of that, the next one last */
    bool last;             /* to the target: what is written meanwhile is put in where it shows */
    struct lv_list heads;  /* the version of all events before `at`, or that it is not known: HEADS_UNKNOWN of them */
    uint64_t way, gone;    /* events to be moved over on that last way, and how many were */
    uint64_t turn;         /* walker->turn when it was left last: it goes on where it was only if nobody has raised that since */
    uint64_t ops;          /* passed over without a tracker: steps, too */
    uint64_t work;         /* walker_work() when it began */
};

struct walker {
    struct graph *graph;
    struct oplog *log;
    struct critical *critical;
    uint64_t base_len;
    bool fast_path;
    uint64_t steps;

    struct tracker *trackers[WALKER_STANDS_MAX]; /* one for each stand; NULL: never needed */
    struct tracker *tracker;                     /* of the stand that the present piece is applied at */
    struct walker_stands stands;
    size_t stand;
    /* Counts what may take an approach off its way, which has no other guard: uses of the trackers (each begins with
       walker_use_stand(), which raises it) and merges, with a tracker or without one (walker_update() raises it for both). What
       goes into the text without a walk was written by who has seen all that is merged, and need not raise it. */
    uint64_t turn;
    struct tracker_list list; /* in place of the tracker, in a short block that is not the last one */
    bool listed;
    uint64_t copies;
    struct delta delta;
    bool summing;            /* the delta has begun: what happens to the text goes out */
    uint64_t start;            /* the critical version at which a walk begins; on its way, the present block */
    const struct lv_list *cut; /* or, of several heads, that of the cut; else NULL */
    /* Where an approach is on the trackers hold what is before approach.at and are on the move: they are its alone, kept.end is
       0, and a walk makes them anew, or needs none. */
    struct walker_kept kept;
    struct lv_list seen;     /* the version of all events before `seen_end`; 0: not known */
    uint64_t seen_end;
    size_t op_hint;          /* where in the log the last operation was */
    bool warm;               /* the next block goes on in the tracker as it is */

    uint64_t apart_from;     /* where branches began that were merged without a tracker */
    bool were_apart;         /* there were such ones */
    uint64_t apart_steps;    /* what that has cost so far */

    struct walker_plan plan;
    struct walker_cost cost;
    struct approach approach;
    struct lv_ranges old, fresh, gone, leave, enter; /* scratch */
};

/* Operations of the present stand's tracker; one that is not summed up only changes trackers. */
void walker_track_op(struct walker *walker, const struct op_piece *op);
/* The same for an operation that was made in the text of all that the trackers hold; no version changes by that. */
void walker_track_shown(struct walker *walker, const struct op_piece *op);
/* The present stand; when it is another one than `from`, as a copy of that. */
void walker_use_stand(struct walker *walker, size_t stand, size_t from);
/* Begins the trackers anew at walker->start, where the text has `len` bytes. */
void walker_begin_block(struct walker *walker, uint64_t len);
/* Sets walker->start to the last critical version at or before lv. NULL: that is the root. */
const struct critical_range *walker_set_start(struct walker *walker, uint64_t lv);
bool walker_is_measured(const struct critical_range *range); /* or the text was loaded, not made */
/*
 * Where a tracker should begin that has to begin at walker->start, and how many events lower that is. Where the kept one begins
 * too late its successor begins a little lower than it must, and twice as much lower each time that happens again: so people each
 * of whom has seen less than the one before do not have it made anew for every one of them. It goes over twice as many events as
 * it must, at most.
 */
struct walker_low {
    uint64_t from, by;
};
struct walker_low walker_lower(const struct walker *walker);
/* The length of the text at a critical version that is measured, or at the root. */
uint64_t walker_len_at(const struct walker *walker, uint64_t critical);
/* Whether a walk from walker->start whose old text is that of the events before `merged` can go on in the kept tracker. */
bool walker_is_warm(const struct walker *walker, uint64_t merged);
/* Notes the version of all events, if anybody may have seen it. */
void walker_see_all(struct walker *walker);
void walker_approach_release(struct approach *approach);

#endif
