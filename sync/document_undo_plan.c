#include "sync/document_undo_plan.h"

#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

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

static void collect_copied(struct undo_plan *plan)
{
    for (size_t i = 0; i < plan->copies.count; i++) {
        const struct copy *copy = &plan->copies.items[i];
        uint64_t len = copy->len, original;
        if (copies_original(&plan->copies, copy->id, &len, &original))
            add_target(&plan->copied, (struct undo_target){.id = original, .len = len, .by = copy->id, .times = 1});
    }
}

static int target_compare(const void *a, const void *b)
{
    const struct undo_target *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
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
 * that are `open` ends or another one begins, nothing changes. `joined`: such become one, that happened so many times.
 */
static void sort_targets(struct undo_targets *targets, bool joined)
{
    struct undo_targets open = {0}, cut = {0};
    if (targets->count > 1)
        qsort(targets->items, targets->count, sizeof *targets->items, target_compare);
    for (size_t next = 0; next < targets->count || open.count > 0;) {
        uint64_t at = open.count > 0 ? open.items[0].id : targets->items[next].id, end = UINT64_MAX;
        while (next < targets->count && targets->items[next].id == at)
            add_target(&open, targets->items[next++]);
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

bool undo_is_ours_alone(const struct undo_plan *plan, uint64_t id, uint64_t *len)
{
    uint32_t ours = times_in(&plan->deleted, id, len);
    return state_of(plan, id, len) == SPAN_THERE + ours;
}

static bool is_unmade(const struct undo_plan *plan, uint64_t id, uint64_t *len)
{
    uint32_t others = times_in(&plan->unmade, id, len), ours = times_in(&plan->deleted, id, len);
    return others > 0 && state_of(plan, id, len) == SPAN_THERE + others + ours;
}

/*
 * A copy that is unmade does not stand for it, unless it has a copy itself that does; `depth` is how many lie between. No honest
 * row is as long as that.
 */
static bool is_copied(const struct undo_plan *plan, uint64_t id, uint64_t *len, unsigned depth)
{
    enum { ROW_MAX = 4096 };
    const struct undo_target *copy = undo_find_target(&plan->copied, id, len);
    if (!copy)
        return false;
    const struct undo_target *end = plan->copied.items + plan->copied.count;
    for (uint64_t first = copy->id; copy < end && copy->id == first; copy++) {
        uint64_t unit = copy->by + (id - copy->id);
        if (depth == ROW_MAX || !is_unmade(plan, unit, len) || is_copied(plan, unit, len, depth + 1))
            return true;
    }
    return false;
}

bool undo_is_wanted(const struct undo_plan *plan, uint64_t id, uint64_t *len)
{
    for (;;) {
        bool ours = undo_find_target(&plan->inserted, id, len);
        if (!copies_original(&plan->copies, id, len, &id))
            return !ours;
        if (!ours)
            continue;
        if (!undo_is_ours_alone(plan, id, len))
            return false; /* one of the events brought back what others had deleted */
    }
}

bool undo_is_copied(const struct undo_plan *plan, uint64_t id, uint64_t *len)
{
    return is_copied(plan, id, len, 0);
}

void undo_plan_release(struct undo_plan *plan)
{
    free(plan->inserted.items);
    free(plan->deleted.items);
    free(plan->unmade.items);
    free(plan->copied.items);
    copies_release(&plan->copies);
}
