#include "sync/document_undo_plan.h"

#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/least.h"
#include "editor/base/xalloc.h"

static void add_target(struct undo_targets *targets, struct undo_target target)
{
    targets->items = xgrow(targets->items, &targets->cap, targets->count + 1, sizeof *targets->items);
    targets->items[targets->count++] = target;
}

static void collect_inserted(struct undo_plan *plan, struct agent_span span)
{
    for (uint64_t lv, len; document_next_lvs(plan->document, &span, &lv, &len);) {
        for (uint64_t end = lv + len; lv < end;) {
            struct op_piece op = oplog_piece(&plan->document->log, lv, end);
            if (op.shape == SHAPE_INSERT)
                add_target(&plan->inserted, (struct undo_target){.id = op.lv, .len = op.len});
            lv += op.len;
        }
    }
}

/* What events in a row deleted. */
static void collect_deleted(const struct undo_plan *plan, uint64_t lv, uint64_t end, struct undo_targets *out)
{
    while (lv < end) {
        struct deleted deleted = deleted_by(plan->tracker, lv, end);
        if (deleted.len > 0)
            add_target(out, (struct undo_target){deleted.id, deleted.len, deleted.by, deleted.back, 1});
        lv += deleted.events;
    }
}

struct undo_target undo_target_from(const struct undo_target *target, uint64_t id, uint64_t end)
{
    uint64_t skipped = id - target->id;
    uint64_t by = target->back ? target->by - skipped : target->by + skipped;
    return (struct undo_target){id, end - id, by, target->back, target->times};
}

static bool span_has(struct agent_span span, struct graph_author author)
{
    return span.agent == author.agent && author.seq >= span.seq && author.seq - span.seq < span.len;
}

static bool is_ours(const struct undo_plan *plan, uint64_t lv)
{
    struct graph_author author = graph_author_of(plan->document->graph, lv);
    for (size_t i = 0; i < plan->span_count; i++)
        if (span_has(plan->spans[i], author))
            return true;
    return false;
}

size_t undo_row_of(const struct undo_plan *plan, uint64_t id, uint64_t *len)
{
    if (id >= TRACKER_BASE)
        return 0;
    struct graph_author author = graph_author_of(plan->document->graph, id);
    *len = least(*len, author.len);
    for (size_t i = 0; i < plan->span_count; i++) {
        struct agent_span span = plan->spans[i];
        bool has = span_has(span, author);
        if (has || (span.agent == author.agent && author.seq < span.seq))
            *len = least(*len, (has ? span.seq + span.len : span.seq) - author.seq);
        if (has)
            return i;
    }
    return 0;
}

/* Of what a batch of an undo deleted, what the events had written that it takes back. */
static void keep_unmade(struct undo_plan *plan, const struct undo_target *target, struct agent_span taken_back)
{
    for (uint64_t id = target->id, len; id < target->id + target->len && id < TRACKER_BASE; id += len) {
        struct graph_author author = graph_author_of(plan->document->graph, id);
        len = least(target->id + target->len - id, author.len);
        len = author.seq < taken_back.seq ? least(len, taken_back.seq - author.seq) : len;
        if (!span_has(taken_back, author))
            continue;
        len = least(len, taken_back.seq + taken_back.len - author.seq);
        add_target(&plan->unmade, undo_target_from(target, id, id + len));
    }
}

static void collect_unmade(struct undo_plan *plan, uint64_t from)
{
    const struct marks *marks = &plan->document->marks;
    struct undo_targets deleted = {0};
    for (size_t m = marks_from(marks, from); m < marks->count; m++) {
        const struct mark *mark = &marks->items[m];
        if (mark->undo_count == 0 || is_ours(plan, mark->lv))
            continue;
        deleted.count = 0;
        collect_deleted(plan, mark->lv, copies_end_of_batch(plan->document, m), &deleted);
        for (size_t i = 0; i < deleted.count; i++)
            keep_unmade(plan, &deleted.items[i], marks->undo[mark->undo_at]);
    }
    free(deleted.items);
}

/* A batch may say that it brings bytes back where there is no text: then they are nowhere. */
static void collect_copied(struct undo_plan *plan)
{
    for (size_t i = 0; i < plan->copies.count; i++) {
        const struct copy *copy = &plan->copies.items[i];
        for (uint64_t id = copy->id, end = id + copy->len, len; id < end; id += len) {
            struct id_entry entry = tracker_event(plan->tracker, id);
            uint64_t original;
            len = least(end - id, entry.len);
            if (entry.kind == ID_UNITS && copies_original(&plan->copies, id, &len, &original))
                add_target(&plan->copied, (struct undo_target){.id = original, .len = len, .by = id, .times = 1});
        }
    }
}

static int target_compare(const void *a, const void *b)
{
    const struct undo_target *left = a, *right = b;
    if (left->id != right->id)
        return left->id < right->id ? -1 : 1;
    return (left->by > right->by) - (left->by < right->by);
}

/* What is open goes on behind `end`, or ends there. */
static void close_targets(struct undo_targets *open, uint64_t end)
{
    size_t left = 0;
    for (size_t i = 0; i < open->count; i++)
        if (open->items[i].id + open->items[i].len > end)
            open->items[left++] = undo_target_from(&open->items[i], end, open->items[i].id + open->items[i].len);
    open->count = left;
}

/*
 * Sorts them, and cuts them where they overlap: several may have deleted the same units at once. Up to where the first of those
 * that are `open` ends or another one begins, nothing changes. `joined`: such become one, that happened so many times. Else each
 * stays, so more than UNDO_COPIES_MAX at once are passed over: n of them that overlap would be cut into the square of n.
 */
static void sort_targets(struct undo_targets *targets, bool joined)
{
    struct undo_targets open = {0}, cut = {0};
    size_t open_max = joined ? SIZE_MAX : UNDO_COPIES_MAX;
    if (targets->count > 1)
        qsort(targets->items, targets->count, sizeof *targets->items, target_compare);
    for (size_t next = 0; next < targets->count || open.count > 0;) {
        uint64_t at = open.count > 0 ? open.items[0].id : targets->items[next].id, end = UINT64_MAX;
        for (; next < targets->count && targets->items[next].id == at; next++)
            if (open.count < open_max)
                add_target(&open, targets->items[next]);
        if (next < targets->count)
            end = targets->items[next].id;
        for (size_t i = 0; i < open.count; i++)
            end = least(end, open.items[i].id + open.items[i].len);
        for (size_t i = 0; i < (joined ? 1 : open.count); i++) {
            struct undo_target piece = undo_target_from(&open.items[i], at, end);
            piece.times = joined ? (uint32_t)open.count : 1;
            add_target(&cut, piece);
        }
        close_targets(&open, end);
    }
    free(open.items);
    free(targets->items);
    *targets = cut;
}

void undo_plan_collect(struct undo_plan *plan, uint64_t from)
{
    for (size_t i = 0; i < plan->span_count; i++) {
        struct agent_span span = plan->spans[i];
        collect_inserted(plan, span);
        for (uint64_t lv, len; document_next_lvs(plan->document, &span, &lv, &len);)
            collect_deleted(plan, lv, lv + len, &plan->deleted);
    }
    plan->copies.marks_done = marks_from(&plan->document->marks, from);
    copies_collect(plan->document, plan->tracker, &plan->copies);
    collect_copied(plan);
    collect_unmade(plan, from);
    sort_targets(&plan->inserted, true);
    sort_targets(&plan->deleted, true);
    sort_targets(&plan->unmade, true);
    sort_targets(&plan->copied, false);
}

const struct undo_target *undo_find_target(const struct undo_targets *targets, uint64_t id, uint64_t *len)
{
    size_t at;
    BISECT(at, targets->count, targets->items[at].id + targets->items[at].len <= id);
    if (at == targets->count)
        return NULL;
    const struct undo_target *target = &targets->items[at];
    bool holds = target->id <= id;
    *len = least(*len, holds ? target->id + target->len - id : target->id - id);
    return holds ? target : NULL;
}

/* How many of such deleted a unit. */
static uint32_t times_in(const struct undo_targets *targets, uint64_t id, uint64_t *len)
{
    const struct undo_target *target = undo_find_target(targets, id, len);
    return target ? target->times : 0;
}

/* The state of a unit: the tracker stands at all events, so it tells how many deleted it. */
static uint32_t state_of(const struct undo_plan *plan, uint64_t id, uint64_t *len)
{
    const struct span *span = tracker_find(plan->tracker, id);
    *len = least(*len, span->id + span->len - id);
    return span->state;
}

static bool is_inserted(const struct undo_plan *plan, uint64_t id, uint64_t *len)
{
    return undo_find_target(&plan->inserted, id, len) != NULL;
}

/* How many others deleted a copy by taking back what had made it. What is no copy was deleted, whatever that was for. */
static uint32_t unmade_by(const struct undo_plan *plan, uint64_t id, uint64_t *len)
{
    uint64_t original;
    uint32_t times = times_in(&plan->unmade, id, len);
    return copies_original(&plan->copies, id, len, &original) ? times : 0;
}

/* Whether others deleted it, and not by that. */
static bool is_deleted_by_others(const struct undo_plan *plan, uint64_t id, uint64_t *len)
{
    uint32_t ours = times_in(&plan->deleted, id, len), unmade = unmade_by(plan, id, len);
    return state_of(plan, id, len) > SPAN_THERE + ours + unmade;
}

/* --- without the events --- */

/* What a unit would be. */
enum fate {
    FATE_THERE,
    FATE_GONE,   /* others deleted it, or what stands for it in the text as it is */
    FATE_COPIED, /* others brought it back: the copy tells */
    FATE_VOID,   /* it is a copy that others unmade */
};

static enum fate fate_of(const struct undo_plan *plan, uint64_t id, uint64_t *len, unsigned *looks);

/* What the copies of a unit say of it: FATE_THERE, when nothing. */
static enum fate fate_of_copies(const struct undo_plan *plan, uint64_t id, uint64_t *len, unsigned *looks)
{
    enum fate fate = FATE_THERE;
    const struct undo_target *copy = undo_find_target(&plan->copied, id, len);
    if (!copy)
        return fate;
    const struct undo_target *end = plan->copied.items + plan->copied.count;
    for (uint64_t first = copy->id; copy < end && copy->id == first; copy++) {
        uint64_t unit = copy->by + (id - copy->id);
        enum fate of_copy = fate_of(plan, unit, len, looks);
        if (of_copy == FATE_COPIED || (of_copy != FATE_VOID && !is_inserted(plan, unit, len)))
            return FATE_COPIED;
        fate = of_copy == FATE_GONE ? FATE_GONE : fate;
    }
    return fate;
}

static enum fate fate_of(const struct undo_plan *plan, uint64_t id, uint64_t *len, unsigned *looks)
{
    if (++*looks > UNDO_LOOKS_MAX)
        return FATE_COPIED;
    enum fate fate = fate_of_copies(plan, id, len, looks);
    if (fate != FATE_THERE)
        return fate;
    if (is_deleted_by_others(plan, id, len))
        return FATE_GONE;
    return unmade_by(plan, id, len) > 0 ? FATE_VOID : FATE_THERE;
}

/*
 * The first unit there is now that the events made, and that stands for one. False: none. What others made stands for itself.
 */
static bool find_stand_in(const struct undo_plan *plan, uint64_t id, uint64_t *len, unsigned *looks, uint64_t *found)
{
    const struct undo_target *copy = ++*looks > UNDO_LOOKS_MAX ? NULL : undo_find_target(&plan->copied, id, len);
    if (!copy)
        return false;
    const struct undo_target *end = plan->copied.items + plan->copied.count;
    for (uint64_t first = copy->id; copy < end && copy->id == first; copy++) {
        *found = copy->by + (id - copy->id);
        uint64_t unit = *found;
        bool ours = is_inserted(plan, unit, len);
        if (ours && state_of(plan, unit, len) == SPAN_THERE)
            return true;
        if ((ours || unmade_by(plan, unit, len) > 0) && find_stand_in(plan, unit, len, looks, found))
            return true;
    }
    return false;
}

/*
 * From copy to original up to what was there first: whether that would be there, and no copy on the way stands where others had
 * deleted what it is a copy of. *base: the first unit that would have been made.
 */
static bool find_base(const struct undo_plan *plan, uint64_t id, uint64_t *len, uint64_t *base)
{
    bool void_here = is_inserted(plan, id, len), found = !void_here;
    *base = id;
    while (copies_original(&plan->copies, id, len, &id)) {
        bool ours = is_inserted(plan, id, len);
        if (void_here && is_deleted_by_others(plan, id, len))
            return false;
        void_here = ours || (void_here && unmade_by(plan, id, len) > 0);
        if (!found && !void_here) {
            *base = id;
            found = true;
        }
    }
    return !is_inserted(plan, id, len);
}

bool undo_keeps(const struct undo_plan *plan, uint64_t id, uint64_t *len)
{
    uint64_t base, stand_in;
    unsigned looks = 0;
    if (!find_base(plan, id, len, &base))
        return false;
    if (base == id)
        return true;
    return fate_of(plan, base, len, &looks) == FATE_THERE && find_stand_in(plan, base, len, &looks, &stand_in) && stand_in == id;
}

bool undo_restores(const struct undo_plan *plan, uint64_t id, uint64_t *len)
{
    uint64_t base, stand_in;
    unsigned looks = 0;
    return find_base(plan, id, len, &base) && base == id && fate_of(plan, id, len, &looks) == FATE_THERE &&
           !find_stand_in(plan, id, len, &looks, &stand_in);
}

void undo_plan_release(struct undo_plan *plan)
{
    free(plan->inserted.items);
    free(plan->deleted.items);
    free(plan->unmade.items);
    free(plan->copied.items);
    copies_release(&plan->copies);
}
