/*
 * spans - a sequence of spans in a B+-tree that knows three sums of everything below each node.
 *
 * The merge keeps its text in it (sync/tracker.h). A span is a row of units with consecutive ids; its state says in which of
 * the two versions of a walk the units are there:
 *
 *   prepared   units there in the prepare version (state SPAN_THERE): where the next event counts its positions
 *   shown      units there in the effect version (not gone): what the text is
 *   known      units that the prepare version knows at all (state not SPAN_NOT_YET), deleted or not
 *
 *                [12 10 15 | 7 7 7]               sums of each child: sync/sum_tree.h
 *               /                  \
 *      <a 4><b 8><c 3>            <d 7>            leaves: spans in text order
 *
 * A leaf has its spans in one array, and in two more how many units of each are prepared and shown: who looks for a position
 * goes over these.
 *
 *   Units      as the ids: bytes.
 *   Ownership  zero-initialised it is empty; spans_release(). spans_reset() empties it in O(1) and keeps the memory.
 *              Leaves have numbers, not addresses: a place stays right until the next change of the tree.
 *   Errors     none; a place or position that is not in the tree is a bug (ensure).
 *   Bounds     O(log spans) each; a look-up in the leaf of the one before it does without going down. Leaves are small with
 *              WEFT_SMALL_NODES. A span has at most SPAN_LEN_MAX units.
 */
#ifndef WEFT_SYNC_SPANS_H
#define WEFT_SYNC_SPANS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "editor/base/ensure.h"
#include "sync/sum_tree.h"

#ifdef WEFT_SMALL_NODES
enum { SPANS_LEAF_MAX = 4 };
#else
enum { SPANS_LEAF_MAX = 32 };
#endif

enum { SPAN_NOT_YET = 0, SPAN_THERE = 1 /* 1 + n: deleted n times */ };
enum { SPAN_STATE_BITS = 31 };

#define SPAN_LEN_MAX ((uint64_t)1 << 31)

struct span {
    uint64_t id;
    uint64_t left;  /* origin-left of the first unit; of every other one, the unit before it */
    uint64_t right; /* origin-right of all units */
    uint32_t len;
    uint32_t state : SPAN_STATE_BITS;
    bool gone : 1;
};
static_assert(sizeof(struct span) == 32, "two a cache line");

enum span_sum { SUM_PREPARED, SUM_SHOWN, SUM_KNOWN };

/* Between two units: before unit `offset` of span `at`; offset may be the span's length, at the leaf's count. */
struct span_place {
    uint32_t leaf, at;
    uint64_t offset;
};

struct span_leaf;

struct spans {
    struct sum_tree tree;
    struct span_leaf *leaves;
    size_t leaf_cap;
    /* Called for units with ids in a row that move to another leaf because one was split; may be NULL. The place is that of the
     * first one's span. */
    void (*moved)(void *self, uint64_t id, uint64_t len, struct span_place place);
    void *self;
};

void spans_release(struct spans *spans);
void spans_reset(struct spans *spans); /* also what makes a zero-initialised one ready */
void spans_copy(struct spans *to, const struct spans *from); /* all but whom it tells of moves */

struct span_place spans_start(const struct spans *spans);
struct span_place spans_end(const struct spans *spans); /* behind the last span */
/* The place before unit number `pos` of those that `sum` counts (SUM_PREPARED or SUM_SHOWN); pos < the total. */
struct span_place spans_find(const struct spans *spans, enum span_sum sum, uint64_t pos);
/*
 * The place before a unit, if that is in this leaf, any number; it is looked for from span `at`, any number, on. False: it is
 * not, and the place is what it was.
 */
bool spans_find_id(const struct spans *spans, uint32_t leaf, uint32_t at, uint64_t id, struct span_place *place);
/* How many units are shown before a place. */
uint64_t spans_shown_before(const struct spans *spans, struct span_place place);
/* < 0: a stands before b. Both must be in normal form: on a unit. */
int spans_compare(const struct spans *spans, struct span_place a, struct span_place b);

/* The span at a place; a place at the end of a span or leaf moves on to the next one first. NULL: the end. */
const struct span *spans_peek(const struct spans *spans, struct span_place *place);
/* The unit right before a place that came from spans_start() or from moving on; false: the place is the start. */
bool spans_unit_before(const struct spans *spans, struct span_place place, uint64_t *id);
/* Moves past the span (call after spans_peek()). */
void spans_next(struct span_place *place);
/*
 * The last span below the node that is `level` above the leaf of a place (0: in that leaf), with its place; NULL: there
 * is no such node. No leaf may be empty.
 */
const struct span *spans_last_below(const struct spans *spans, struct span_place *place, uint32_t level);
/*
 * The parts of that node are its children, of a leaf its spans: in which of them the place is, how many there are, and where the
 * last span of one is. For who looks for something by halves.
 */
uint32_t spans_part(const struct spans *spans, struct span_place place, uint32_t level);
uint32_t spans_parts(const struct spans *spans, struct span_place place, uint32_t level);
struct span_place spans_last_in_part(const struct spans *spans, struct span_place place, uint32_t level, uint32_t part);
/* The span before the one that a place is at, with its place; NULL: there is none. */
const struct span *spans_previous(const struct spans *spans, struct span_place *place);
/* The first known span at or after the place, with its place; NULL: there is none. */
const struct span *spans_next_known(const struct spans *spans, struct span_place *place);

/* Puts a span at a place (cutting the one that is there); gives where it went. */
struct span_place spans_insert(struct spans *spans, struct span_place place, const struct span *span);
/*
 * Makes the span that ends at a place longer by `len` units, when it ends with unit `id - 1`, is in the same state and
 * has the same right origin: a run typed on.
 */
bool spans_append(struct spans *spans, struct span_place place, const struct span *span);
/* Makes units [place, place + len) of one span a span of their own; gives its place. */
struct span_place spans_isolate(struct spans *spans, struct span_place place, uint64_t len);
void spans_set(struct spans *spans, struct span_place place, uint32_t state, bool gone); /* of the whole span */
uint64_t spans_total(const struct spans *spans, enum span_sum sum);

void spans_check(const struct spans *spans);

#endif
