#include "sync/document_parts.h"

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
    struct edit *edit = NULL;
    if (graph_next_seq(document->graph, agent) == 0)
        return;
    edit = add_edit(edits, document, agent, 0);
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

static void collect_edits(const struct document *document, const struct agent_id *agents, size_t agent_count,
                          struct edits *edits)
{
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

enum fate { FATE_REMOVE, FATE_RESTORE };

/* Units [id, id + len) of the tracker, and what becomes of them. */
struct target {
    uint64_t id, len;
    enum fate fate;
    uint64_t deleted_by; /* FATE_RESTORE: the event that deleted unit `id` */
    bool back;           /* and the units after it by the events before that one */
};

struct targets {
    struct target *items;
    size_t count, cap;
};

static void add_target(struct targets *targets, struct target target)
{
    targets->items = xgrow(targets->items, &targets->cap, targets->count + 1, sizeof *targets->items);
    targets->items[targets->count++] = target;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
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

/* The LVs of an agent's events, range by range: calls back for each. False when one is not here. */
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

/* What the edit inserted is to go. */
static void target_inserts(const struct document *document, const struct edit *edit, struct targets *targets)
{
    struct agent_span span = span_of(edit);
    for (uint64_t lv, len; next_lvs(document, &span, &lv, &len);) {
        for (uint64_t end = lv + len; lv < end;) {
            struct op_piece op = oplog_piece(&document->log, lv, end);
            if (op.shape == SHAPE_INSERT)
                add_target(targets, (struct target){op.lv, op.len, FATE_REMOVE, 0, false});
            lv += op.len;
        }
    }
}

/*
 * Bytes that an undo brought back are new ones, but to the person they are the same. So where some of [id, id + len) are to
 * go, what was brought back for them as [copy, copy + len) is to go too. With `back`, copy stands for the last of the ids.
 */
static void target_copies(struct targets *targets, uint64_t id, uint64_t len, uint64_t copy)
{
    size_t count = targets->count;
    for (size_t i = 0; i < count; i++) {
        struct target target = targets->items[i];
        uint64_t first = most(id, target.id), end = least(id + len, target.id + target.len);
        if (first < end)
            add_target(targets, (struct target){copy + (first - id), end - first, FATE_REMOVE, 0, false});
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
static void follow_span(const struct document *document, const struct tracker *tracker, struct agent_span span,
                        uint64_t copy, struct targets *targets)
{
    bool back = span_is_back(document, span);
    uint64_t done = 0, whole = span.len;
    for (uint64_t lv, len; next_lvs(document, &span, &lv, &len);) {
        for (uint64_t end = lv + len; lv < end;) {
            struct id_entry entry = id_index_get(&tracker->index, lv);
            uint64_t step = least(entry.len, end - lv);
            struct deleted deleted = deleted_units(&entry, step);
            if (is_delete(&entry))
                target_copies(targets, deleted.id, step, back ? copy + (whole - done - step) : copy + done);
            done += step;
            lv += step;
        }
    }
}

/* One batch of an undo: its spans after the first go along with the bytes that it inserts. */
static void follow_mark(const struct document *document, const struct tracker *tracker, const struct mark *mark,
                        struct targets *targets)
{
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
        follow_span(document, tracker, span, lv, targets);
        lv += span.len;
    }
}

static void follow_undos(const struct document *document, const struct tracker *tracker, const struct edits *edits,
                         const struct edit *edit, struct targets *targets)
{
    for (size_t i = 0; i < edits->count; i++) {
        const struct edit *undo = &edits->items[i];
        if (undo->kind == EDIT_GESTURE || undo->lv <= edit->lv)
            continue;
        struct agent_span span = span_of(undo);
        for (uint64_t lv, len; next_lvs(document, &span, &lv, &len);)
            for (size_t m = marks_from(&document->marks, lv);
                 m < document->marks.count && document->marks.items[m].lv < lv + len; m++)
                follow_mark(document, tracker, &document->marks.items[m], targets);
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

/* The first of `count` sorted targets that ends after id. */
static size_t target_from(const struct targets *targets, size_t count, uint64_t id)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (targets->items[middle].id + targets->items[middle].len <= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What the edit deleted is to come back, except what it had inserted itself (the first `own` targets, sorted). */
static void target_deleted(struct targets *targets, size_t own, struct deleted deleted)
{
    while (deleted.len > 0) {
        size_t next = target_from(targets, own, deleted.id);
        uint64_t own_from = next < own ? targets->items[next].id : UINT64_MAX;
        bool is_own = own_from <= deleted.id;
        uint64_t until = is_own ? own_from + targets->items[next].len : own_from;
        uint64_t len = least(deleted.len, until - deleted.id);
        if (!is_own)
            add_target(targets, (struct target){deleted.id, len, FATE_RESTORE, deleted.by, deleted.back});
        deleted.id += len;
        deleted.len -= len;
        deleted.by += deleted.back ? -len : len;
    }
}

static void target_deletes(const struct document *document, const struct tracker *tracker, const struct edit *edit,
                           struct targets *targets)
{
    size_t own = targets->count;
    struct agent_span span = span_of(edit);
    for (uint64_t lv, len; next_lvs(document, &span, &lv, &len);) {
        for (uint64_t end = lv + len; lv < end;) {
            struct id_entry entry = id_index_get(&tracker->index, lv);
            uint64_t step = least(entry.len, end - lv);
            if (is_delete(&entry))
                target_deleted(targets, own, deleted_units(&entry, step));
            lv += step;
        }
    }
}

/* --- from targets to a patch --- */

enum step_kind { STEP_KEEP, STEP_REMOVE, STEP_RESTORE };

struct step {
    enum step_kind kind;
    struct target what;
};

struct steps {
    struct step *items;
    size_t count, cap;
};

static void add_step(struct steps *steps, enum step_kind kind, struct target what)
{
    steps->items = xgrow(steps->items, &steps->cap, steps->count + 1, sizeof *steps->items);
    steps->items[steps->count++] = (struct step){kind, what};
}

/* Units [id, id + len) of a span; `target` is theirs, or NULL. Nobody else may have deleted what comes back. */
static void step_over(struct steps *steps, const struct span *span, uint64_t id, uint64_t len,
                      const struct target *target)
{
    struct target what = {.id = id, .len = len};
    if (!span->gone) {
        add_step(steps, target && target->fate == FATE_REMOVE ? STEP_REMOVE : STEP_KEEP, what);
    } else if (target && target->fate == FATE_RESTORE && span->state == SPAN_THERE + 1) {
        uint64_t offset = id - target->id;
        what.back = target->back;
        what.deleted_by = target->deleted_by + (target->back ? -offset : offset);
        add_step(steps, STEP_RESTORE, what);
    }
}

static void step_over_span(struct steps *steps, const struct span *span, const struct targets *targets)
{
    uint64_t id = span->id, end = span->id + span->len;
    while (id < end) {
        size_t next = target_from(targets, targets->count, id);
        const struct target *target = next < targets->count ? &targets->items[next] : NULL;
        if (target && target->id > id) {
            end = least(end, target->id);
            target = NULL;
        }
        uint64_t upto = target ? least(end, target->id + target->len) : end;
        step_over(steps, span, id, upto - id, target);
        id = upto;
        end = span->id + span->len;
    }
}

static void collect_steps(const struct tracker *tracker, const struct targets *targets, struct steps *steps)
{
    struct span_place place = spans_start(&tracker->spans);
    for (const struct span *span; (span = spans_peek(&tracker->spans, &place)); spans_next(&place))
        step_over_span(steps, span, targets);
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

static void read_units(const struct document *document, struct old_text *old, uint64_t id, uint64_t len, struct buf *out)
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
    struct targets targets = {0};
    const struct tracker *tracker = walker_track(document->walker, edit->lv, base);
    target_inserts(document, edit, &targets);
    follow_undos(document, tracker, edits, edit, &targets);
    sort_targets(&targets);
    target_deletes(document, tracker, edit, &targets);
    sort_targets(&targets);
    collect_steps(tracker, &targets, steps);
    free(targets.items);
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

uint64_t document_edits_since(const struct document *document, const struct version *since,
                              const struct agent_id *agents, size_t agent_count)
{
    struct edits edits = {0};
    struct lv_ranges after = {0};
    uint64_t count = 0;
    collect_edits(document, agents, agent_count, &edits);
    events_since(document, since, &after);
    for (size_t i = 0; i < edits.count; i++)
        count += edits.items[i].kind == EDIT_GESTURE && ranges_have(&after, edits.items[i].lv);
    lv_ranges_release(&after);
    free(edits.items);
    return count;
}
