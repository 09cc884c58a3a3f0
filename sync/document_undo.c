#include "sync/document_parts.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "editor/base/xalloc.h"

/* --- edits: gestures, undos and redos of one person --- */

enum edit_kind { EDIT_GESTURE, EDIT_UNDO, EDIT_REDO };

/* Events [seq, end) of one agent: the batches from one marked as a gesture to before the next. */
struct edit {
    enum edit_kind kind;
    size_t agent;
    uint64_t seq, end;
    uint64_t lv;              /* of its first event */
    struct agent_span target; /* what an undo or redo takes back */
};

struct edits {
    struct edit *items;
    size_t count, cap;
};

static struct edit *add_edit(struct edits *edits, const struct document *document, size_t agent, uint64_t seq)
{
    edits->items = xgrow(edits->items, &edits->cap, edits->count + 1, sizeof *edits->items);
    struct edit *edit = &edits->items[edits->count++];
    *edit = (struct edit){.agent = agent, .seq = seq, .end = graph_next_seq(document->graph, agent)};
    ensure(graph_find(document->graph, agent, seq, &edit->lv, NULL));
    return edit;
}

static void set_kind(const struct document *document, struct edit *edit, const struct mark *mark)
{
    if (edit->kind != EDIT_GESTURE || !(mark->flags & BATCH_FLAG_UNDO))
        return;
    edit->kind = mark->flags & BATCH_FLAG_REDO ? EDIT_REDO : EDIT_UNDO;
    edit->target = document->marks.undo[mark->undo_at];
}

/* An agent's first batch begins an edit even when it is not marked. */
static void collect_agent(const struct document *document, size_t agent, struct edits *edits)
{
    uint64_t first = graph_first_seq(document->graph, agent);
    if (graph_next_seq(document->graph, agent) == first)
        return;
    struct edit *edit = add_edit(edits, document, agent, first);
    for (size_t i = marks_from(&document->marks, edit->lv); i < document->marks.count; i++) {
        const struct mark *mark = &document->marks.items[i];
        struct graph_author author = graph_author_of(document->graph, mark->lv);
        if (author.agent != agent)
            continue;
        if (mark->flags & BATCH_FLAG_GESTURE && author.seq > edit->seq) {
            edit->end = author.seq;
            edit = add_edit(edits, document, agent, author.seq);
        }
        set_kind(document, edit, mark);
    }
}

static int edit_compare(const void *a, const void *b)
{
    const struct edit *left = a, *right = b;
    return (left->lv > right->lv) - (left->lv < right->lv);
}

/* `agents` NULL: everybody's. */
static void collect_edits(const struct document *document, const struct agent_id *agents, size_t agent_count,
                          struct edits *edits)
{
    for (size_t agent = 0; !agents && agent < graph_agents(document->graph); agent++)
        collect_agent(document, agent, edits);
    for (size_t i = 0; i < agent_count; i++) {
        size_t agent;
        if (graph_find_agent(document->graph, &agents[i], &agent))
            collect_agent(document, agent, edits);
    }
    if (edits->count > 1)
        qsort(edits->items, edits->count, sizeof *edits->items, edit_compare);
}

struct stack {
    size_t *items; /* of edits */
    size_t count, cap;
};

static void stack_push(struct stack *stack, size_t edit)
{
    stack->items = xgrow(stack->items, &stack->cap, stack->count + 1, sizeof *stack->items);
    stack->items[stack->count++] = edit;
}

/* Takes the edit that `target` belongs to off the stack, which is nearly always the top one. */
static bool stack_take(struct stack *stack, const struct edits *edits, struct agent_span target)
{
    for (size_t i = stack->count; i > 0; i--) {
        const struct edit *edit = &edits->items[stack->items[i - 1]];
        if (edit->agent != target.agent || target.seq < edit->seq || target.seq >= edit->end)
            continue;
        stack->count--;
        for (size_t j = i - 1; j < stack->count; j++)
            stack->items[j] = stack->items[j + 1];
        return true;
    }
    return false;
}

/* What was done, undone and redone, in order, leaves what can be taken back next, and what again. */
static void replay_edits(const struct edits *edits, struct stack *back, struct stack *again)
{
    for (size_t i = 0; i < edits->count; i++) {
        const struct edit *edit = &edits->items[i];
        switch (edit->kind) {
        case EDIT_GESTURE:
            stack_push(back, i);
            again->count = 0;
            break;
        case EDIT_UNDO:
            if (stack_take(back, edits, edit->target))
                stack_push(again, i);
            break;
        case EDIT_REDO:
            if (stack_take(again, edits, edit->target))
                stack_push(back, i);
            break;
        }
    }
}

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

/*
 * Bytes that an undo brought back are new ones, but to the person they are the same as before: units [id, id + len)
 * stand for those from `original` on, which may themselves stand for others.
 */
struct copy {
    uint64_t id, len, original;
};

struct copies {
    struct copy *items;
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

static void add_target(struct targets *targets, struct target target)
{
    targets->items = xgrow(targets->items, &targets->cap, targets->count + 1, sizeof *targets->items);
    targets->items[targets->count++] = target;
}

static void add_copy(struct copies *copies, struct copy copy)
{
    copies->items = xgrow(copies->items, &copies->cap, copies->count + 1, sizeof *copies->items);
    copies->items[copies->count++] = copy;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Units that one entry's deletes [lv, lv + len) deleted, lowest id first. */
struct deleted {
    uint64_t id, len;
    uint64_t by; /* the event that deleted unit `id` */
    bool back;
};

static struct deleted deleted_units(const struct id_entry *entry, uint64_t len)
{
    if (entry->kind == ID_DELETES_BACK)
        return (struct deleted){entry->value - (len - 1), len, entry->key + (len - 1), true};
    return (struct deleted){entry->value, len, entry->key, false};
}

static bool is_delete(const struct id_entry *entry)
{
    return entry->kind == ID_DELETES || entry->kind == ID_DELETES_BACK;
}

/* The LVs of an agent's events, range by range. False at the end, or when one is not here. */
static bool next_lvs(const struct document *document, struct agent_span *span, uint64_t *lv, uint64_t *len)
{
    if (span->len == 0 || !graph_find(document->graph, span->agent, span->seq, lv, len))
        return false;
    *len = least(*len, span->len);
    span->seq += *len;
    span->len -= *len;
    return true;
}

static struct agent_span span_of(const struct edit *edit)
{
    return (struct agent_span){edit->agent, edit->seq, edit->end - edit->seq};
}

static void collect_removed(struct plan *plan)
{
    struct agent_span span = span_of(plan->edit);
    for (uint64_t lv, len; next_lvs(plan->document, &span, &lv, &len);) {
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
    struct agent_span span = span_of(plan->edit);
    for (uint64_t lv, len; next_lvs(plan->document, &span, &lv, &len);) {
        for (uint64_t end = lv + len; lv < end;) {
            struct id_entry entry = id_index_get(&plan->tracker->index, lv);
            uint64_t step = least(entry.len, end - lv);
            struct deleted deleted = deleted_units(&entry, step);
            if (is_delete(&entry))
                add_target(&plan->restored, (struct target){deleted.id, step, deleted.by, deleted.back});
            lv += step;
        }
    }
}

/* Whether events deleted from right to left: the rule of sync/batch.h, by what the operations say. */
static bool span_is_back(const struct document *document, struct agent_span span)
{
    uint64_t first, second;
    if (span.len < 2 || !graph_find(document->graph, span.agent, span.seq, &first, NULL) ||
        !graph_find(document->graph, span.agent, span.seq + 1, &second, NULL))
        return false;
    struct op_piece a = oplog_piece(&document->log, first, first + 1);
    struct op_piece b = oplog_piece(&document->log, second, second + 1);
    return b.pos + 1 == a.pos;
}

/* One span of an undo: the bytes from event `copy` on stand for what these deletes deleted. */
static void collect_span_copies(struct plan *plan, struct agent_span span, uint64_t copy)
{
    bool back = span_is_back(plan->document, span);
    uint64_t left = span.len;
    for (uint64_t lv, len; next_lvs(plan->document, &span, &lv, &len);) {
        for (uint64_t end = lv + len; lv < end;) {
            struct id_entry entry = id_index_get(&plan->tracker->index, lv);
            uint64_t step = least(entry.len, end - lv);
            uint64_t at = back ? copy + (left - step) : copy;
            if (is_delete(&entry))
                add_copy(&plan->copies, (struct copy){at, step, deleted_units(&entry, step).id});
            copy += back ? 0 : step;
            left -= step;
            lv += step;
        }
    }
}

/* One batch of an undo: its spans after the first go along with the bytes that it inserts. */
static void collect_mark_copies(struct plan *plan, const struct mark *mark)
{
    const struct document *document = plan->document;
    uint64_t lv = mark->lv, end = graph_len(document->graph);
    for (size_t i = 1; i < mark->undo_count; i++) {
        struct agent_span span = document->marks.undo[mark->undo_at + i];
        while (lv < end) {
            struct op_piece op = oplog_piece(&document->log, lv, end);
            if (op.shape == SHAPE_INSERT)
                break;
            lv += op.len;
        }
        if (span.len > end - lv)
            return;
        collect_span_copies(plan, span, lv);
        lv += span.len;
    }
}

static void collect_copies(struct plan *plan, const struct edits *edits)
{
    const struct marks *marks = &plan->document->marks;
    for (size_t i = 0; i < edits->count; i++) {
        const struct edit *undo = &edits->items[i];
        if (undo->kind == EDIT_GESTURE || undo->lv <= plan->edit->lv)
            continue;
        struct agent_span span = span_of(undo);
        for (uint64_t lv, len; next_lvs(plan->document, &span, &lv, &len);)
            for (size_t m = marks_from(marks, lv); m < marks->count && marks->items[m].lv < lv + len; m++)
                collect_mark_copies(plan, &marks->items[m]);
    }
}

static int first_compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static_assert(offsetof(struct target, id) == 0 && offsetof(struct copy, id) == 0, "what is sorted begins with its id");

static void sort_by_id(void *items, size_t count, size_t size)
{
    if (count > 1)
        qsort(items, count, size, first_compare);
}

static void collect(struct plan *plan, const struct edits *edits)
{
    collect_removed(plan);
    collect_restored(plan);
    collect_copies(plan, edits);
    sort_by_id(plan->removed.items, plan->removed.count, sizeof *plan->removed.items);
    sort_by_id(plan->restored.items, plan->restored.count, sizeof *plan->restored.items);
    sort_by_id(plan->copies.items, plan->copies.count, sizeof *plan->copies.items);
}

/* The target that holds a unit, or NULL; *len is cut to as many units as that answer is good for. */
static const struct target *find_target(const struct targets *targets, uint64_t id, uint64_t *len)
{
    size_t low = 0, high = targets->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (targets->items[middle].id + targets->items[middle].len <= id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == targets->count)
        return NULL;
    const struct target *target = &targets->items[low];
    bool holds = target->id <= id;
    *len = least(*len, holds ? target->id + target->len - id : target->id - id);
    return holds ? target : NULL;
}

static const struct copy *find_copy(const struct copies *copies, uint64_t id, uint64_t *len)
{
    size_t low = 0, high = copies->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (copies->items[middle].id + copies->items[middle].len <= id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == copies->count)
        return NULL;
    const struct copy *copy = &copies->items[low];
    bool holds = copy->id <= id;
    *len = least(*len, holds ? copy->id + copy->len - id : copy->id - id);
    return holds ? copy : NULL;
}

/* What a unit was at first; *len is cut as in find_target(). An original is older than its copy, so this ends. */
static uint64_t root_of(const struct copies *copies, uint64_t id, uint64_t *len)
{
    for (;;) {
        const struct copy *copy = find_copy(copies, id, len);
        uint64_t original = copy ? copy->original + (id - copy->id) : id;
        bool is_older = original >= TRACKER_BASE || original < id;
        if (!copy || !is_older)
            return id;
        id = original;
    }
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
    uint64_t root = root_of(&plan->copies, id, &len);
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
    uint64_t root = root_of(&plan->copies, id, &len), offset = id - target->id;
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

/* The text at the critical version where the tracker began, read from left to right: the base text under a patch. */
struct old_text {
    const struct rope *base;
    struct patch patch;
    size_t part;
    uint64_t base_at, text_at; /* where the part begins in the base and in the old text */
};

static bool part_is_before(const struct old_text *old, uint64_t at)
{
    if (old->part >= old->patch.count)
        return false;
    const struct part *part = &old->patch.parts[old->part];
    return part->kind == PART_DELETE || old->text_at + part->len <= at;
}

static void skip_parts(struct old_text *old, uint64_t at)
{
    for (; part_is_before(old, at); old->part++) {
        const struct part *part = &old->patch.parts[old->part];
        old->base_at += part->kind == PART_INSERT ? 0 : part->len;
        old->text_at += part->kind == PART_DELETE ? 0 : part->len;
    }
}

static void read_old_text(struct old_text *old, uint64_t at, uint64_t len, struct buf *out)
{
    while (len > 0) {
        skip_parts(old, at);
        const struct part *part = old->part < old->patch.count ? &old->patch.parts[old->part] : NULL;
        uint64_t offset = at - old->text_at, step = part ? least(len, part->len - offset) : len;
        if (part && part->kind == PART_INSERT)
            buf_add_bytes(out, bytes_slice(patch_part_text(&old->patch, part), (size_t)offset, (size_t)step));
        else
            rope_append_to(old->base, old->base_at + offset, step, out);
        at += step;
        len -= step;
    }
}

static void read_units(const struct document *document, struct old_text *old, uint64_t id, uint64_t len,
                       struct buf *out)
{
    if (id >= TRACKER_BASE) {
        read_old_text(old, id - TRACKER_BASE, len, out);
        return;
    }
    for (uint64_t end = id + len; id < end;) {
        struct op_piece op = oplog_piece(&document->log, id, end);
        ensure(op.shape == SHAPE_INSERT);
        buf_add_bytes(out, oplog_text(&document->log, op.text_at, op.len));
        id += op.len;
    }
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
    if (what.len < 2 || span_is_back(document, row) == what.back) {
        writer_restore(writer, pos, text, span, what.back);
        return;
    }
    for (uint64_t i = 0; i < what.len; i++) {
        struct event_span one = {span.agent, what.back ? span.seq + (what.len - 1 - i) : span.seq + i, 1};
        writer_restore(writer, pos + i, bytes_slice(text, (size_t)i, 1), one, false);
    }
}

static void write_steps(struct writer *writer, const struct steps *steps, struct old_text *old, struct patch *out)
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
            read_units(writer->document, old, what->id, what->len, &text);
            patch_insert(out, buf_view(&text));
            write_restored(writer, pos, buf_view(&text), *what);
            pos += what->len;
            break;
        }
    }
    buf_release(&text);
}

static void find_steps(struct document *document, const struct edits *edits, const struct edit *edit,
                       struct steps *steps, uint64_t *base)
{
    struct plan plan = {.document = document, .edit = edit};
    plan.tracker = walker_track(document->walker, edit->lv, base);
    collect(&plan, edits);
    collect_steps(&plan, steps);
    free(plan.removed.items);
    free(plan.restored.items);
    free(plan.copies.items);
}

static void take_back(struct document *document, const struct edits *edits, const struct edit *edit,
                      struct writer *writer, struct patch *out)
{
    struct steps steps = {0};
    struct old_text old = {.base = document->base};
    struct lv_list base = {0};
    uint64_t start;
    find_steps(document, edits, edit, &steps, &start);
    if (start != LV_NONE) {
        lv_list_add(&base, start);
        walker_to(document->walker, &base, &old.patch);
    }
    struct event_span target = {*graph_agent_id(document->graph, edit->agent), edit->seq, edit->end - edit->seq};
    writer->undo = &target;
    writer_begin_at_head(writer);
    write_steps(writer, &steps, &old, out);
    writer_end(writer, true);
    document_wrote(document, out);
    document->undo_agent = graph_agent(document->graph, &writer->agent);
    document->undo_end = graph_next_seq(document->graph, document->undo_agent);
    patch_release(&old.patch);
    lv_list_release(&base);
    free(steps.items);
}

enum document_undone document_undo(struct document *document, const struct agent_id *agents, size_t agent_count,
                                   const struct agent_id *writer, enum undo_direction direction, uint64_t time_s,
                                   struct patch *out, struct batch_list *batches)
{
    struct edits edits = {0};
    struct stack back = {0}, again = {0};
    ensure(document->merged == graph_len(document->graph));
    patch_clear(out);
    collect_edits(document, agents, agent_count, &edits);
    replay_edits(&edits, &back, &again);
    const struct stack *stack = direction == UNDO_BACK ? &back : &again;
    bool found = stack->count > 0;
    if (found) {
        struct writer undo = {.document = document, .agent = *writer, .out = batches, .redo = direction == UNDO_AGAIN,
                              .mark = {.gesture = true, .time_s = time_s}};
        struct edit edit = edits.items[stack->items[stack->count - 1]];
        take_back(document, &edits, &edit, &undo, out);
    }
    free(back.items);
    free(again.items);
    free(edits.items);
    return found ? DOCUMENT_UNDONE : DOCUMENT_UNDO_NOTHING;
}

/* --- counting --- */

static bool ranges_have(const struct lv_ranges *ranges, uint64_t lv)
{
    size_t low = 0, high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges->items[middle].end <= lv)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ranges->count && ranges->items[low].first <= lv;
}

/* What all events have more than a version. */
static void events_since(const struct document *document, const struct version *since, struct lv_ranges *out)
{
    struct lv_list version = {0};
    struct lv_ranges none = {0};
    if (since && !document_lvs(document, since, &version))
        version.count = 0;
    graph_diff(document->graph, graph_frontier(document->graph), &version, out, &none);
    lv_ranges_sort(out);
    lv_ranges_release(&none);
    lv_list_release(&version);
}

/* Where the events of an edit that are in the ranges begin; its end when none of them is. */
static uint64_t first_in(const struct document *document, const struct lv_ranges *ranges, const struct edit *edit)
{
    uint64_t lv, len;
    if (ranges_have(ranges, edit->lv))
        return edit->seq;
    ensure(graph_find(document->graph, edit->agent, edit->end - 1, &lv, &len));
    if (!ranges_have(ranges, lv))
        return edit->end; /* who has seen the last one has seen all */
    uint64_t low = edit->seq, high = edit->end - 1;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        ensure(graph_find(document->graph, edit->agent, middle, &lv, &len));
        if (ranges_have(ranges, lv))
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* What the edit takes back or does again, in the end: a gesture. Itself, where that is not here. */
static size_t gesture_of(const struct edits *edits, size_t edit)
{
    for (size_t i = edit; edits->items[edit].kind != EDIT_GESTURE && i-- > 0;) {
        struct agent_span target = edits->items[edit].target;
        const struct edit *at = &edits->items[i];
        if (at->agent == target.agent && target.seq >= at->seq && target.seq < at->end)
            edit = i;
    }
    return edit;
}

/* The gestures that stand: not taken back, or done again. */
static bool *find_standing(const struct edits *edits)
{
    struct stack back = {0}, again = {0};
    bool *stands = xcalloc(edits->count + 1, sizeof *stands);
    replay_edits(edits, &back, &again);
    for (size_t i = 0; i < back.count; i++)
        stands[gesture_of(edits, back.items[i])] = true;
    free(back.items);
    free(again.items);
    return stands;
}

/* Gestures before the ranges that were taken back, or done again, in them. */
static uint64_t count_turned(const struct edits *edits, const struct lv_ranges *after)
{
    bool *turned = xcalloc(edits->count + 1, sizeof *turned);
    uint64_t count = 0;
    for (size_t i = 0; i < edits->count; i++) {
        size_t root = edits->items[i].kind != EDIT_GESTURE && ranges_have(after, edits->items[i].lv) ? gesture_of(edits, i) : i;
        if (root != i && !ranges_have(after, edits->items[root].lv))
            turned[root] = !turned[root];
    }
    for (size_t i = 0; i < edits->count; i++)
        count += turned[i];
    free(turned);
    return count;
}

uint64_t document_edits_since(const struct document *document, const struct version *since, struct batch_counter counter)
{
    struct edits edits = {0};
    struct lv_ranges after = {0};
    collect_edits(document, NULL, 0, &edits);
    events_since(document, since, &after);
    bool *stands = find_standing(&edits);
    uint64_t count = count_turned(&edits, &after);
    for (size_t i = 0; i < edits.count; i++) {
        const struct edit *edit = &edits.items[i];
        const struct agent_id *agent = graph_agent_id(document->graph, edit->agent);
        if (stands[i] && edit->kind == EDIT_GESTURE)
            count += counter.count(counter.self, agent, first_in(document, &after, edit), edit->end);
    }
    free(stands);
    lv_ranges_release(&after);
    free(edits.items);
    return count;
}

uint64_t document_newest_s(const struct document *document, const struct version *since)
{
    struct lv_ranges after = {0};
    uint64_t newest_s = 0;
    events_since(document, since, &after);
    for (size_t i = 0; i < document->marks.count; i++) {
        const struct mark *mark = &document->marks.items[i];
        if (mark->time_s > newest_s && ranges_have(&after, mark->lv))
            newest_s = mark->time_s;
    }
    lv_ranges_release(&after);
    return newest_s;
}

struct last_edit document_last_edit(const struct document *document, struct agent_filter filter)
{
    struct last_edit last = {.time_s = 0};
    for (size_t i = 0; i < document->marks.count; i++) {
        const struct mark *mark = &document->marks.items[i];
        if (mark->time_s <= last.time_s || mark->flags & BATCH_FLAG_LABEL)
            continue;
        size_t author = graph_author_of(document->graph, mark->lv).agent;
        const struct agent_id *agent = graph_agent_id(document->graph, author);
        if (filter.wants(filter.self, agent))
            last = (struct last_edit){*agent, mark->time_s};
    }
    return last;
}
