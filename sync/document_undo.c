/* Undo and redo: what taking back an edit does to the text as it is now, and the batches that say so. */
#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"
#include "sync/document_whole.h"

/* --- what taking back an edit means --- */

/* Units [id, id + len) of the tracker that something is to happen to. */
struct target {
    uint64_t id, len;
    uint64_t deleted_by; /* to come back: the event that deleted unit `id` */
    bool back;           /* and the units after it by the events before that one */
};

struct targets {
    struct target *items; /* once collected: ascending, disjoint */
    size_t count, cap;
};

struct plan {
    const struct document *document;
    const struct tracker *tracker;
    const struct edit *edit;
    struct targets removed;  /* what the edit inserted: is to go, and so are its copies */
    struct targets restored; /* what it deleted: is to come back */
    struct copies copies;
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void add_target(struct targets *targets, struct target target)
{
    targets->items = xgrow(targets->items, &targets->cap, targets->count + 1, sizeof *targets->items);
    targets->items[targets->count++] = target;
}

static void collect_removed(struct plan *plan)
{
    struct agent_span span = edit_span(plan->edit);
    for (uint64_t lv, len; document_next_lvs(plan->document, &span, &lv, &len);) {
        for (uint64_t end = lv + len; lv < end;) {
            struct op_piece op = oplog_piece(&plan->document->log, lv, end);
            if (op.shape == SHAPE_INSERT)
                add_target(&plan->removed, (struct target){.id = op.lv, .len = op.len});
            lv += op.len;
        }
    }
}

static void collect_restored(struct plan *plan)
{
    struct agent_span span = edit_span(plan->edit);
    for (uint64_t lv, len; document_next_lvs(plan->document, &span, &lv, &len);) {
        for (uint64_t end = lv + len; lv < end;) {
            struct deleted deleted = deleted_by(plan->tracker, lv, end);
            if (deleted.len > 0)
                add_target(&plan->restored, (struct target){deleted.id, deleted.len, deleted.by, deleted.back});
            lv += deleted.events;
        }
    }
}

static int target_compare(const void *a, const void *b)
{
    const struct target *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

static void sort_targets(struct targets *targets)
{
    if (targets->count > 1)
        qsort(targets->items, targets->count, sizeof *targets->items, target_compare);
}

static void collect(struct plan *plan)
{
    collect_removed(plan);
    collect_restored(plan);
    sort_targets(&plan->removed);
    sort_targets(&plan->restored);
    plan->copies.marks_done = marks_from(&plan->document->marks, plan->edit->lv + 1);
    copies_collect(plan->document, plan->tracker, &plan->copies);
}

/* The target that holds a unit, or NULL; *len is cut to as many units as that answer is good for. */
static const struct target *find_target(const struct targets *targets, uint64_t id, uint64_t *len)
{
    size_t at;
    BISECT(at, targets->count, targets->items[at].id + targets->items[at].len <= id);
    if (at == targets->count)
        return NULL;
    const struct target *target = &targets->items[at];
    bool holds = target->id <= id;
    *len = least(*len, holds ? target->id + target->len - id : target->id - id);
    return holds ? target : NULL;
}

/* --- from targets to a patch --- */

enum step_kind { STEP_KEEP, STEP_REMOVE, STEP_RESTORE };

struct step {
    enum step_kind kind;
    struct target what;
    uint64_t root; /* what its first unit was at first */
};

struct steps {
    struct step *items;
    size_t count, cap;
};

static void put_step(struct steps *steps, size_t at, struct step step)
{
    steps->items = xgrow(steps->items, &steps->cap, steps->count + 1, sizeof *steps->items);
    for (size_t i = steps->count++; i > at; i--)
        steps->items[i] = steps->items[i - 1];
    steps->items[at] = step;
}

/* Whether a step's units stand for such that come after those of another root. */
static bool belongs_after(const struct plan *plan, const struct step *step, uint64_t root)
{
    bool is_copy = step->root != step->what.id;
    return (is_copy || step->kind == STEP_RESTORE) && tracker_compare(plan->tracker, step->root, root) > 0;
}

/*
 * New bytes go to the left of everything deleted at their place, so what was brought back earlier may stand to the
 * left of what comes back now although it was to the right of it at first. Then this one goes before it.
 */
static size_t place_for(const struct plan *plan, const struct steps *steps, uint64_t root)
{
    size_t found = steps->count;
    for (size_t i = steps->count; i > 0; i--) {
        const struct step *before = &steps->items[i - 1];
        if (before->kind == STEP_REMOVE)
            continue;
        if (!belongs_after(plan, before, root))
            break;
        found = i - 1;
    }
    return found;
}

/* The first units of [id, id + len) of a visible span; gives how many. */
static uint64_t step_over_shown(const struct plan *plan, struct steps *steps, uint64_t id, uint64_t len)
{
    uint64_t root = copies_root(&plan->copies, id, &len);
    enum step_kind kind = find_target(&plan->removed, root, &len) ? STEP_REMOVE : STEP_KEEP;
    put_step(steps, steps->count, (struct step){kind, {.id = id, .len = len}, root});
    return len;
}

/* The same of a span that one delete deleted. What the edit itself had inserted does not come back. */
static uint64_t step_over_deleted(const struct plan *plan, struct steps *steps, uint64_t id, uint64_t len)
{
    const struct target *target = find_target(&plan->restored, id, &len);
    if (!target)
        return len;
    uint64_t root = copies_root(&plan->copies, id, &len), offset = id - target->id;
    if (find_target(&plan->removed, root, &len))
        return len;
    uint64_t deleted_by = target->back ? target->deleted_by - offset : target->deleted_by + offset;
    struct step step = {STEP_RESTORE, {id, len, deleted_by, target->back}, root};
    put_step(steps, place_for(plan, steps, root), step);
    return len;
}

static void step_over_span(const struct plan *plan, struct steps *steps, const struct span *span)
{
    for (uint64_t done = 0; done < span->len;) {
        uint64_t id = span->id + done, left = span->len - done;
        if (!span->gone)
            done += step_over_shown(plan, steps, id, left);
        else if (span->state == SPAN_THERE + 1)
            done += step_over_deleted(plan, steps, id, left);
        else
            done += left; /* somebody else deleted it too */
    }
}

static void collect_steps(const struct plan *plan, struct steps *steps)
{
    struct span_place place = spans_start(&plan->tracker->spans);
    for (const struct span *span; (span = spans_peek(&plan->tracker->spans, &place)); spans_next(&place))
        step_over_span(plan, steps, span);
}

/* What comes back. The tracker knows only how long the text was where it began: what that was, all history has to say. */
static void read_restored(struct document *document, const struct target *what, struct buf *out)
{
    if (what->id < TRACKER_BASE)
        document_read_units(document, what->id, what->len, out);
    else
        document_read_deleted(document, (struct deleted){.by = what->deleted_by, .len = what->len, .back = what->back}, out);
}

/* The id of an agent's deletes, the lowest first, that a restored row of units goes back to. */
static struct event_span deletes_of(const struct document *document, const struct target *what)
{
    uint64_t first = what->back ? what->deleted_by - (what->len - 1) : what->deleted_by;
    struct graph_author author = graph_author_of(document->graph, first);
    return (struct event_span){*graph_agent_id(document->graph, author.agent), author.seq, what->len};
}

/* Readers of the batch see the direction by the rule of sync/batch.h; a row that it would misread goes byte by byte. */
static void write_restored(struct writer *writer, uint64_t pos, struct bytes text, struct target what)
{
    const struct document *document = writer->document;
    struct event_span span = deletes_of(document, &what);
    struct agent_span row = {.seq = span.seq, .len = span.len};
    ensure(graph_find_agent(document->graph, &span.agent, &row.agent));
    if (what.len < 2 || deletes_are_back(document, row) == what.back) {
        writer_restore(writer, pos, text, span, what.back);
        return;
    }
    for (uint64_t i = 0; i < what.len; i++) {
        struct event_span one = {span.agent, what.back ? span.seq + (what.len - 1 - i) : span.seq + i, 1};
        writer_restore(writer, pos + i, bytes_slice(text, (size_t)i, 1), one, false);
    }
}

static void write_steps(struct writer *writer, const struct steps *steps, struct patch *out)
{
    uint64_t pos = 0;
    struct buf text = {0};
    for (size_t i = 0; i < steps->count; i++) {
        const struct target *what = &steps->items[i].what;
        switch (steps->items[i].kind) {
        case STEP_KEEP:
            patch_retain(out, what->len);
            pos += what->len;
            break;
        case STEP_REMOVE:
            patch_delete(out, what->len);
            writer_delete(writer, pos, what->len);
            break;
        case STEP_RESTORE:
            buf_clear(&text);
            read_restored(writer->document, what, &text);
            patch_insert(out, buf_view(&text));
            write_restored(writer, pos, buf_view(&text), *what);
            pos += what->len;
            break;
        }
    }
    buf_release(&text);
}

static void find_steps(struct document *document, const struct edit *edit, struct steps *steps)
{
    struct plan plan = {.document = document, .edit = edit};
    uint64_t base;
    plan.tracker = walker_track(document->walker, edit->lv, &base);
    collect(&plan);
    collect_steps(&plan, steps);
    free(plan.removed.items);
    free(plan.restored.items);
    copies_release(&plan.copies);
}

static void take_back(struct document *document, const struct edit *edit, struct writer *writer, struct patch *out)
{
    struct steps steps = {0};
    find_steps(document, edit, &steps);
    struct event_span target = {*graph_agent_id(document->graph, edit->agent), edit->seq, edit->end - edit->seq};
    writer->undo = &target;
    writer_begin_at_head(writer);
    write_steps(writer, &steps, out);
    writer_end(writer, true);
    document_wrote(document, out);
    document->undo_agent = graph_agent(document->graph, &writer->agent);
    document->undo_end = graph_next_seq(document->graph, document->undo_agent);
    free(steps.items);
}

enum document_undone document_undo(struct document *document, const struct agent_id *agents, size_t agent_count,
                                   const struct agent_id *writer, enum undo_direction direction, uint64_t time_s,
                                   struct patch *out, struct batch_list *batches)
{
    document_wake(document);
    struct edits edits = {0};
    struct edit_stack back = {0}, again = {0};
    ensure(document->merged == graph_len(document->graph));
    patch_clear(out);
    edits_collect(document, agents, agent_count, &edits);
    edits_replay(&edits, &back, &again);
    const struct edit_stack *stack = direction == UNDO_BACK ? &back : &again;
    bool found = stack->count > 0;
    if (found) {
        struct writer undo = {.document = document, .agent = *writer, .out = batches, .redo = direction == UNDO_AGAIN,
                              .mark = {.gesture = true, .time_s = time_s}};
        struct edit edit = edits.items[stack->items[stack->count - 1]];
        take_back(document, &edit, &undo, out);
    }
    edit_stack_release(&back);
    edit_stack_release(&again);
    edits_release(&edits);
    return found ? DOCUMENT_UNDONE : DOCUMENT_UNDO_NOTHING;
}
