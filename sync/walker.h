/*
 * walker - replays history: the patch that takes the text of one version to that of a later one.
 *
 * An event's position counts in what its author had seen. The walk goes over events, parents first, and brings the prepare
 * version of a tracker (sync/tracker.h) to just that before each: it retreats what the prepare version has and the event's
 * parents do not, advances what they have and it has not, and applies the event. What it does to the effect version goes out:
 *
 *      base --- 0 ------- 2        ana        apply 0 · retreat 0 · apply 1 · retreat 1 · advance 0 · apply 2
 *          \                                  or, a branch to its end before the next one,
 *           --- 1                  ben        apply 0 · apply 2 · retreat 2, 0 · apply 1
 *
 * A walk begins at the last critical version below everything it needs (sync/critical.h), and goes over the events since: first
 * silently over those that the old text has already, then over the new ones, summing up what they do to the text
 * (sync/delta.h). Where history passes through one event (a critical version), nothing before matters and the tracker is
 * dropped; events in a row of critical versions are applied as they are, without a tracker.
 *
 *      base --+-- old events (silently) --+-- new events ---- critical ---- critical -+- ...
 *             tracker: prepare and effect version                as they are          tracker, begun anew
 *
 * What is tracked at one stretch is a block. A short one that is not the last has a list in place of a tracker, for as long as
 * that suffices (sync/tracker_list.h). And where all that an update has to look at is two branches that know nothing of each
 * other, there is neither walk nor tracker (sync/apart.h).
 *
 * While people type at once hardly any version stays critical, and what lies since the last one becomes the whole
 * session. So the tracker is kept: a walk that begins where the one before it did goes on in it with the events that it
 * lacks, and only then with the new ones. Where it would have to be moved far again and again, because somebody does not hear
 * what the others write, there are several of them (sync/walker_stands.h).
 *
 * Which events those are, and in which order they are visited, is the plan (sync/walker_plan.h). Any order gives the same
 * text.
 *
 * A run of a batch that is out of range at its author's version does nothing (sync/oplog.h). The exact length of the
 * text at the beginning makes that the same verdict on every path.
 *
 *   Invariants (the numbers are those of assets/doc/engine.md, which names the tests)
 *     [14] spans are cut where history is, and do not stay in pieces for other reasons
 *     [15] any order of arrival and any way to cut it into updates gives the same text
 *     [16] so does a whole walk, one from a critical version, one in the kept tracker, one without a tracker (two who were
 *          apart, or a list in its place), and one without the fast path
 *     [18] where history is a line, its operations are the patch
 *     [25] a run out of range does nothing on every path
 *
 *   Units      local versions (LV), bytes.
 *   Ownership  graph, log and critical versions belong to the caller and outlive the walker. It keeps some memory from
 *              one walk to the next. It notes invalid runs in the log and text lengths in the critical versions.
 *   Bounds     two branches of k and m operations: O((k + m) log (k + m)); any graph at worst quadratic. In a kept
 *              tracker an update costs what its own events do, and what their authors did not know of each other; not
 *              what went before. Memory: the events since the last critical version.
 *   Source     Gentle & Kleppmann (sync/document.h), sections 3.2 to 3.6.
 */
#ifndef WEFT_SYNC_WALKER_H
#define WEFT_SYNC_WALKER_H

#include "editor/patch.h"
#include "sync/critical.h"
#include "sync/oplog.h"
#include "sync/tracker.h"

struct walker;

/* base_len: of the text at the root. */
struct walker *walker_new(struct graph *graph, struct oplog *log, struct critical *critical, uint64_t base_len);
void walker_free(struct walker *walker);
/* Off: everything goes through the tracker. The result is the same; for tests. */
void walker_set_fast_path(struct walker *walker, bool on);

/*
 * From the text of the events below LV `merged` to that of all events. They were walked before, or it is known what that would
 * have found: that all of them have an effect, and in `critical` how long the text was at the newest critical version. Where
 * more of it is needed, by these or the following, everything is walked once.
 */
void walker_update(struct walker *walker, uint64_t merged, struct patch *out);
/*
 * How many steps that will take at most [23], told from the plan; no tracker is touched. Counting ends soon after `limit`: then
 * it is more than that. (An insert at a place where many others are concurrent looks at more spans than are counted.)
 */
uint64_t walker_cost(struct walker *walker, uint64_t merged, uint64_t limit);
/*
 * What an update does before it comes to events that are made in a version, in portions: brings the kept tracker forward to all
 * events there are, and to that version, in about so many steps a call. True: it is there; an update of nothing but events made
 * there, which comes before anything else, then costs what these do themselves. Everything is merged when it is called, and
 * between two calls anything may happen: what is written in between, in the text as it is then, is put in too; where the tracker
 * was used for something else, or an update merged anything, it begins anew.
 * (Nothing is gained by walker_map() until it is there.) Another version ends the approach to the one before.
 */
bool walker_approach(struct walker *walker, const uint64_t *version, size_t count, uint64_t steps);
void walker_approach_stop(struct walker *walker);
/*
 * walker_update() of events by somebody who had seen all that is merged, while an approach is on its way: they are put into the
 * text, which has `len` bytes, as they are, and the approach goes on where it was. False: they are not such, or none is; nothing
 * was done.
 */
bool walker_update_seen(struct walker *walker, uint64_t merged, uint64_t len, struct patch *out);
uint64_t walker_approach_steps(const struct walker *walker);   /* done so far on the way that it is on; 0: on none */
uint64_t walker_approach_least(const struct walker *walker);   /* that it takes in all, and more: known from its beginning [23] */
unsigned walker_approach_percent(const struct walker *walker); /* of that way, about */

/* The patch from any version. */
void walker_since(struct walker *walker, const struct lv_list *version, struct patch *out);
/* From the base text to that of a version. */
void walker_to(struct walker *walker, const struct lv_list *version, struct patch *out);
/* The same from the text of the version of a cut (sync/critical.h) that it has, `len` bytes: nothing before that is looked at. */
void walker_from(struct walker *walker, const struct lv_list *cut, uint64_t len, const struct lv_list *version,
                 struct patch *out);

/*
 * Brings positions in the text of a version into that of all events; each stays behind the byte before it, or where
 * that was, and one that is out of range goes to the end. Everything was walked before. False, and nothing done, when
 * the kept tracker begins elsewhere: then there is walker_since().
 */
bool walker_map(struct walker *walker, const struct lv_list *version, uint64_t *positions, size_t count);
/*
 * The tracker with everything from before event `from` on, both its versions being that of all events. *base is the
 * critical version at which it begins, LV_NONE for the root. Lives until the next call. Where the one before began there too, and
 * what followed was added, it goes on in that.
 */
const struct tracker *walker_track(struct walker *walker, uint64_t from, uint64_t *base);
/*
 * The tracker with the events of two versions and no others, from the last critical version below both on (*base, as above).
 * Its prepare version is `a`; walker_stand_at() gives it at any other version within. Lives until the next call.
 */
const struct tracker *walker_both(struct walker *walker, const struct lv_list *a, const struct lv_list *b, uint64_t *base);
/* The same from the version of a cut that both have, whose text has `len` bytes. */
const struct tracker *walker_both_from(struct walker *walker, const struct lv_list *cut, uint64_t len, const struct lv_list *a,
                                       const struct lv_list *b);
const struct tracker *walker_stand_at(struct walker *walker, const struct lv_list *version);
uint64_t walker_steps(const struct walker *walker);  /* events that went through a tracker so far */
uint64_t walker_work(const struct walker *walker);   /* spans put in, taken out or put back for that: steps */
uint64_t walker_looks(const struct walker *walker);  /* at spans that are concurrent at one place */
uint64_t walker_copies(const struct walker *walker); /* how often a tracker was copied (sync/walker_stands.h) */

/* What it keeps between two walks, and what the last one left: its sum and its last list; stops the program when an invariant
   is broken. */
void walker_check(struct walker *walker);

#endif
