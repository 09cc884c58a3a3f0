/* Undo and redo: what taking back edits does to the text as it is now, and the batches that say so. */
#include <stdlib.h>

#include "editor/base/least.h"
#include "editor/base/xalloc.h"
#include "sync/document_dates.h"
#include "sync/document_undo_plan.h"
#include "sync/document_whole.h"

/* --- from targets to a patch --- */

enum step_kind { STEP_KEEP, STEP_REMOVE, STEP_RESTORE };

struct step {
    enum step_kind kind;
    struct undo_target what;
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

/* What the first of some units was at first; of those that follow, as many as nothing ever stood between. */
static uint64_t root_of(const struct undo_plan *plan, uint64_t id, uint64_t *len)
{
    uint64_t root = copies_root(&plan->copies, id, len);
    const struct span *span = tracker_find(plan->tracker, root);
    *len = least(*len, span->id + span->len - root);
    return root;
}

/* Whether a step's units stand for such that come after those of another root. */
static bool belongs_after(const struct undo_plan *plan, const struct step *step, uint64_t root)
{
    bool is_copy = step->root != step->what.id;
    return (is_copy || step->kind == STEP_RESTORE) && tracker_compare(plan->tracker, step->root, root) > 0;
}

/*
 * New bytes go to the left of everything deleted at their place, so what was brought back earlier may stand to the
 * left of what comes back now although it was to the right of it at first. Then this one goes before it.
 */
static size_t place_for(const struct undo_plan *plan, const struct steps *steps, uint64_t root)
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
static uint64_t step_over_shown(const struct undo_plan *plan, struct steps *steps, uint64_t id, uint64_t len)
{
    enum step_kind kind = undo_keeps(plan, id, &len) ? STEP_KEEP : STEP_REMOVE;
    uint64_t root = root_of(plan, id, &len);
    put_step(steps, steps->count, (struct step){kind, {.id = id, .len = len}, root});
    return len;
}

/* The same of a span that was deleted. */
static uint64_t step_over_deleted(const struct undo_plan *plan, struct steps *steps, uint64_t id, uint64_t len)
{
    const struct undo_target *target = undo_find_target(&plan->deleted, id, &len);
    if (!target || !undo_restores(plan, id, &len))
        return len;
    uint64_t root = root_of(plan, id, &len);
    struct step step = {STEP_RESTORE, undo_target_from(target, id, id + len), root};
    put_step(steps, place_for(plan, steps, root), step);
    return len;
}

static void step_over_span(const struct undo_plan *plan, struct steps *steps, const struct span *span)
{
    for (uint64_t done = 0; done < span->len;) {
        uint64_t id = span->id + done, left = span->len - done;
        done += span->gone ? step_over_deleted(plan, steps, id, left) : step_over_shown(plan, steps, id, left);
    }
}

static void collect_steps(const struct undo_plan *plan, struct steps *steps)
{
    struct span_place place = spans_start(&plan->tracker->spans);
    for (const struct span *span; (span = spans_peek(&plan->tracker->spans, &place)); spans_next(&place))
        step_over_span(plan, steps, span);
}

/* What comes back. The tracker knows only how long the text was where it began: what that was, all history has to say. */
static void read_restored(struct document *document, const struct undo_target *what, struct buf *out)
{
    if (what->id < TRACKER_BASE)
        document_read_units(document, what->id, what->len, out);
    else
        document_read_deleted(document, (struct deleted){.by = what->by, .len = what->len, .back = what->back}, out);
}

/* The id of an agent's deletes, the lowest first, that a restored row of units goes back to. */
static struct event_span deletes_of(const struct document *document, const struct undo_target *what)
{
    uint64_t first = what->back ? what->by - (what->len - 1) : what->by;
    struct graph_author author = graph_author_of(document->graph, first);
    return (struct event_span){*graph_agent_id(document->graph, author.agent), author.seq, what->len};
}

/* Readers of the batch see the direction by the rule of sync/batch.h; a row that it would misread goes byte by byte. */
static void write_restored(struct writer *writer, uint64_t pos, struct bytes text, struct undo_target what)
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
        const struct undo_target *what = &steps->items[i].what;
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

/* False: none of the events is here. */
static bool find_first(const struct document *document, const struct agent_span *spans, size_t count, uint64_t *first)
{
    *first = LV_NONE;
    for (size_t i = 0; i < count; i++) {
        struct agent_span span = spans[i];
        for (uint64_t lv, len; document_next_lvs(document, &span, &lv, &len);)
            *first = least(*first, lv);
    }
    return *first != LV_NONE;
}

static void find_steps(struct document *document, const struct agent_span *spans, size_t count, uint64_t first,
                       struct steps *steps)
{
    struct undo_plan plan = {.document = document, .spans = spans, .span_count = count};
    uint64_t base;
    plan.tracker = walker_track(document->walker, first, &base);
    undo_plan_collect(&plan, first);
    collect_steps(&plan, steps);
    undo_plan_release(&plan);
}

/* Says of a further row of events that it was taken back. */
static void note_taken_back(struct writer *writer, struct event_span span)
{
    struct patch nothing = {0};
    writer->undo = &span;
    writer_begin_at_head(writer);
    writer_end(writer, true);
    document_wrote(writer->document, &nothing);
    patch_release(&nothing);
}

static struct event_span named(const struct document *document, struct agent_span span)
{
    return (struct event_span){*graph_agent_id(document->graph, span.agent), span.seq, span.len};
}

/* The text changes by the first edit of the undo; those after it only say what it took back besides. */
static bool take_back(struct document *document, const struct agent_span *spans, size_t count, struct writer *writer,
                      struct patch *out)
{
    struct steps steps = {0};
    uint64_t first;
    if (!find_first(document, spans, count, &first))
        return false;
    find_steps(document, spans, count, first, &steps);
    struct event_span target = named(document, spans[0]);
    writer->undo = &target;
    writer_begin_at_head(writer);
    write_steps(writer, &steps, out);
    writer_end(writer, true);
    document_wrote(document, out);
    for (size_t i = 1; i < count; i++)
        note_taken_back(writer, named(document, spans[i]));
    document->undo_agent = graph_agent(document->graph, &writer->agent);
    document->undo_end = graph_next_seq(document->graph, document->undo_agent);
    free(steps.items);
    return true;
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
        struct agent_span span = edit_span(&edits.items[stack->items[stack->count - 1]]);
        found = take_back(document, &span, 1, &undo, out);
    }
    edit_stack_release(&back);
    edit_stack_release(&again);
    edits_release(&edits);
    return found ? DOCUMENT_UNDONE : DOCUMENT_UNDO_NOTHING;
}

/* --- any events --- */

enum document_undone document_undo_events(struct document *document, const struct event_span *events, size_t count,
                                          const struct agent_id *writer, uint64_t time_s, struct patch *out,
                                          struct batch_list *batches)
{
    document_wake(document);
    ensure(document->merged == graph_len(document->graph));
    patch_clear(out);
    struct agent_span *spans = xmalloc((count + 1) * sizeof *spans);
    size_t known = 0;
    for (size_t i = 0; i < count; i++) {
        size_t agent;
        if (events[i].len > 0 && graph_find_agent(document->graph, &events[i].agent, &agent))
            spans[known++] = (struct agent_span){agent, events[i].seq, events[i].len};
    }
    struct writer undo = {.document = document, .agent = *writer, .out = batches, .mark = {.gesture = true, .time_s = time_s}};
    bool found = take_back(document, spans, known, &undo, out);
    free(spans);
    return found ? DOCUMENT_UNDONE : DOCUMENT_UNDO_NOTHING;
}

/* The first of an agent's events that is not in a version: it has all before one that it has. */
static uint64_t first_after(struct document *document, size_t agent, const struct lv_list *version)
{
    uint64_t low = graph_first_seq(document->graph, agent), high = graph_next_seq(document->graph, agent);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2, lv;
        bool here = graph_find(document->graph, agent, middle, &lv, NULL);
        ensure(here);
        if (graph_contains(document->graph, version->items, version->count, lv))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool document_written_since(struct document *document, const struct version *since, struct agent_filter by,
                            struct event_span_list *out)
{
    struct lv_list version = {0};
    struct error ignored = {0};
    out->count = 0;
    bool known = document_read_history(document, &ignored) && document_lvs(document, since, &version);
    for (size_t agent = 0; known && agent < graph_agents(document->graph); agent++) {
        struct agent_id author = document_author(document, agent);
        uint64_t end = graph_next_seq(document->graph, agent);
        if (end == graph_first_seq(document->graph, agent) || !by.wants(by.self, &author))
            continue;
        uint64_t first = first_after(document, agent, &version);
        if (first == end)
            continue;
        out->items = xgrow(out->items, &out->cap, out->count + 1, sizeof *out->items);
        out->items[out->count++] = (struct event_span){*graph_agent_id(document->graph, agent), first, end - first};
    }
    lv_list_release(&version);
    return known;
}

void event_span_list_release(struct event_span_list *list)
{
    free(list->items);
    *list = (struct event_span_list){0};
}
