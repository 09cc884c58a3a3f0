#include "sync/document_undo_steps.h"

#include <stdlib.h>

#include "editor/base/least.h"
#include "editor/base/xalloc.h"
#include "sync/document_whole.h"

void steps_release(struct steps *steps)
{
    free(steps->items);
    buf_release(&steps->restored);
    *steps = (struct steps){0};
}

static void put_step(struct steps *steps, size_t at, struct step step)
{
    steps->items = xgrow(steps->items, &steps->cap, steps->count + 1, sizeof *steps->items);
    for (size_t i = steps->count++; i > at; i--)
        steps->items[i] = steps->items[i - 1];
    steps->items[at] = step;
}

void steps_add(struct steps *steps, struct step step)
{
    put_step(steps, steps->count, step);
}

/* --- in which order bytes stood --- */

/*
 * A copy stands where what it is a copy of stood. The walk knows what was made since it began; of what a byte from before that
 * is a copy only all history tells. That is asked for when it matters: `doubtful`, and what was collected is collected anew.
 */
struct collecting {
    const struct undo_plan *plan;
    const struct tracker *whole; /* NULL: not asked for */
    const struct copies *whole_copies;
    bool doubtful;
    unsigned looks; /* for the place of one that comes back */
    struct steps *steps;
};

static const struct tracker *tracker_of(const struct collecting *collecting)
{
    return collecting->whole ? collecting->whole : collecting->plan->tracker;
}

static const struct copies *copies_of(const struct collecting *collecting)
{
    return collecting->whole ? collecting->whole_copies : &collecting->plan->copies;
}

/* The id of a unit in the tracker of all history; of those that follow *len are in a row there as well. */
static uint64_t id_in_whole(const struct collecting *collecting, const struct undo_target *what, uint64_t *len)
{
    if (what->id < TRACKER_BASE)
        return what->id;
    uint64_t first = what->back ? what->by - (*len - 1) : what->by;
    struct deleted deleted = deleted_by(collecting->whole, first, first + *len);
    if (what->back && deleted.events < *len)
        deleted = deleted_by(collecting->whole, what->by, what->by + 1);
    ensure(deleted.len > 0);
    *len = least(*len, deleted.len);
    return deleted.id;
}

/* A unit that was there when the walk began, and still is, all history has under another id. */
static bool is_known(const struct collecting *collecting, const struct step *step)
{
    return !collecting->whole || step->what.id < TRACKER_BASE || step->kind == STEP_RESTORE;
}

/* Cuts a step to such units as were in a row each time that they were in the text, with nothing between them. */
static void cut_to_row(const struct collecting *collecting, struct step *step)
{
    uint64_t *len = &step->what.len, id;
    if (!is_known(collecting, step))
        return;
    id = collecting->whole ? id_in_whole(collecting, &step->what, len) : step->what.id;
    do {
        const struct span *span = tracker_find(tracker_of(collecting), id);
        *len = least(*len, span->id + span->len - id);
    } while (copies_original(copies_of(collecting), id, len, &id));
}

/* The mark of the undo's batch that an event is in; false: it is in none. */
static bool find_undo(const struct document *document, uint64_t lv, size_t *mark)
{
    const struct marks *marks = &document->marks;
    *mark = marks_from(marks, lv + 1);
    return (*mark)-- > 0 && marks->items[*mark].undo_count > 0 && copies_end_of_batch(document, *mark) > lv;
}

/*
 * When an event deleted something. An undo is one step to people, with all its batches (honest ones have few): what it deletes
 * was gone before it brought anything back.
 */
static uint64_t gone_by(const struct document *document, uint64_t by)
{
    const struct mark *marks = document->marks.items;
    size_t mark;
    if (!find_undo(document, by, &mark))
        return by + 1;
    for (int i = 0; i < UNDO_COPIES_MAX && mark > 0 && !(marks[mark].flags & BATCH_FLAG_GESTURE) &&
                    copies_end_of_batch(document, mark - 1) == marks[mark].lv; i++)
        mark--;
    return marks[mark].lv + 1;
}

/* A byte, or one that it stands for; and from when to when that was in the text, in numbers of events. */
struct life {
    uint64_t id, born, gone;
};

static uint64_t born(uint64_t id)
{
    return id < TRACKER_BASE ? id + 1 : 0;
}

static struct life life_of(const struct collecting *collecting, const struct step *step)
{
    uint64_t id = step->what.id;
    uint64_t gone = step->kind == STEP_RESTORE ? gone_by(collecting->plan->document, step->what.by) : UINT64_MAX;
    return (struct life){id, born(id), gone};
}

static bool have_met(const struct life *a, const struct life *b)
{
    return a->born < b->gone && b->born < a->gone;
}

/* Whether what the walk takes for the first may be a copy from before it began. */
static bool may_be_older(const struct document *document, uint64_t id)
{
    size_t mark;
    return id < TRACKER_BASE && find_undo(document, id, &mark) && document->marks.items[mark].undo_count > 1;
}

/* To what it is a copy of. */
static bool go_back(struct collecting *collecting, struct life *life)
{
    const struct document *document = collecting->plan->document;
    uint64_t one = 1, id = life->id;
    if (++collecting->looks > STEP_LOOKS_MAX)
        return false;
    if (copies_original(copies_of(collecting), id, &one, &life->id)) {
        *life = (struct life){life->id, born(life->id), gone_by(document, copies_deleter(copies_of(collecting), id))};
        return true;
    }
    collecting->doubtful |= !collecting->whole && may_be_older(document, id);
    return false;
}

enum relation { STANDS_BEFORE, STANDS_AFTER, NEVER_MET };

static enum relation order_of(const struct collecting *collecting, uint64_t a, uint64_t b)
{
    return tracker_compare(tracker_of(collecting), a, b) > 0 ? STANDS_AFTER : STANDS_BEFORE;
}

/* By what they were at first. */
static enum relation relate_first(struct collecting *collecting, struct life a, struct life b)
{
    while (go_back(collecting, &a) || go_back(collecting, &b))
        continue;
    return order_of(collecting, a.id, b.id);
}

/*
 * How a step stands to one that is restored and comes after it in the walk. That is the right order when both were in the text at
 * once. Otherwise the later one is a copy, or nobody has seen in which order they stand.
 */
static enum relation relate(struct collecting *collecting, const struct step *step, const struct step *restored)
{
    struct life a = life_of(collecting, step), b = life_of(collecting, restored);
    uint64_t one = 1;
    if (have_met(&a, &b))
        return STANDS_BEFORE;
    if (collecting->whole) {
        a.id = id_in_whole(collecting, &step->what, &one);
        b.id = id_in_whole(collecting, &restored->what, &one);
        a.born = born(a.id);
        b.born = born(b.id);
    }
    bool is_copy = false;
    while (!have_met(&a, &b)) {
        bool a_is_later = a.born > b.born;
        if (!go_back(collecting, a_is_later ? &a : &b))
            return is_copy || !a_is_later ? relate_first(collecting, a, b) : NEVER_MET;
        is_copy |= a_is_later;
    }
    return order_of(collecting, a.id, b.id);
}

/* Before what belongs after it, and what was typed behind that. */
static size_t place_for(struct collecting *collecting, const struct step *restored)
{
    const struct steps *steps = collecting->steps;
    size_t found = steps->count;
    collecting->looks = 0;
    for (size_t i = steps->count; i > 0 && ++collecting->looks < STEP_LOOKS_MAX; i--) {
        const struct step *before = &steps->items[i - 1];
        enum relation relation = before->kind == STEP_REMOVE ? NEVER_MET : relate(collecting, before, restored);
        if (relation == STANDS_BEFORE)
            break;
        if (relation == STANDS_AFTER)
            found = i - 1;
    }
    return found;
}

/* --- collecting --- */

/* The first units of [id, id + len) of a visible span; gives how many. */
static uint64_t step_over_shown(struct collecting *collecting, uint64_t id, uint64_t len)
{
    bool stays = undo_keeps(collecting->plan, id, &len);
    size_t row = stays ? 0 : undo_row_of(collecting->plan, id, &len);
    struct step step = {stays ? STEP_KEEP : STEP_REMOVE, {.id = id, .len = len}, .row = row};
    cut_to_row(collecting, &step);
    put_step(collecting->steps, collecting->steps->count, step);
    return step.what.len;
}

/* The same of a span that was deleted. */
static uint64_t step_over_deleted(struct collecting *collecting, uint64_t id, uint64_t len)
{
    const struct undo_plan *plan = collecting->plan;
    const struct undo_target *target = undo_find_target(&plan->deleted, id, &len);
    if (!target || !undo_restores(plan, id, &len))
        return len;
    struct step step = {STEP_RESTORE, undo_target_from(target, id, id + len), .row = 0};
    cut_to_row(collecting, &step);
    step.what = undo_target_from(target, id, id + step.what.len);
    put_step(collecting->steps, place_for(collecting, &step), step);
    return step.what.len;
}

static void step_over_span(struct collecting *collecting, const struct span *span)
{
    for (uint64_t done = 0; done < span->len;) {
        uint64_t id = span->id + done, left = span->len - done;
        done += span->gone ? step_over_deleted(collecting, id, left) : step_over_shown(collecting, id, left);
    }
}

static void collect_steps(struct collecting *collecting)
{
    const struct spans *spans = &collecting->plan->tracker->spans;
    struct span_place place = spans_start(spans);
    for (const struct span *span; (span = spans_peek(spans, &place)); spans_next(&place))
        step_over_span(collecting, span);
}

void steps_find(struct document *document, const struct agent_span *spans, size_t count, uint64_t first, struct steps *out)
{
    struct undo_plan plan = {.document = document, .spans = spans, .span_count = count};
    uint64_t base;
    plan.tracker = walker_track(document->walker, first, &base);
    undo_plan_collect(&plan, first);
    struct collecting collecting = {.plan = &plan, .steps = out};
    collect_steps(&collecting);
    if (collecting.doubtful) {
        collecting.whole_copies = document_whole_copies(document, &collecting.whole);
        out->count = 0;
        collect_steps(&collecting);
    }
    undo_plan_release(&plan);
}
