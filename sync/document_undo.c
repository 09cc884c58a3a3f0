/* Undo and redo: what taking back edits does to the text as it is now, and the batches that say so. */
#include <stdlib.h>

#include "editor/base/least.h"
#include "editor/base/xalloc.h"
#include "sync/document_dates.h"
#include "sync/document_undo_steps.h"
#include "sync/document_whole.h"

/* What comes back. The tracker knows only how long the text was where it began: what that was, all history has to say. */
static void read_restored(struct document *document, struct steps *steps)
{
    for (size_t i = 0; i < steps->count; i++) {
        const struct undo_target *what = &steps->items[i].what;
        if (steps->items[i].kind != STEP_RESTORE)
            continue;
        if (what->id < TRACKER_BASE)
            document_read_units(document, what->id, what->len, &steps->restored);
        else
            document_read_deleted(document, (struct deleted){.by = what->by, .len = what->len, .back = what->back},
                                  &steps->restored);
    }
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

/* What all steps do to the text. */
static void add_steps(const struct steps *steps, struct patch *out)
{
    size_t text_at = 0;
    for (size_t i = 0; i < steps->count; i++) {
        size_t len = (size_t)steps->items[i].what.len;
        switch (steps->items[i].kind) {
        case STEP_KEEP:
            patch_retain(out, len);
            break;
        case STEP_REMOVE:
            patch_delete(out, len);
            break;
        case STEP_RESTORE:
            patch_insert(out, bytes_slice(buf_view(&steps->restored), text_at, len));
            text_at += len;
            break;
        }
    }
}

/* The part of them that belongs to one row of the events, those before it done: with the first, all that comes back comes. */
static void take_steps_of(const struct steps *all, size_t row, struct steps *out)
{
    out->count = 0;
    out->restored = all->restored;
    for (size_t i = 0; i < all->count; i++) {
        struct step step = all->items[i];
        if (step.kind == STEP_REMOVE && step.row < row)
            continue;
        bool later = step.kind == STEP_REMOVE ? step.row > row : row > 0;
        step.kind = later ? STEP_KEEP : step.kind;
        steps_add(out, step);
    }
}

static void write_steps(struct writer *writer, const struct steps *steps)
{
    uint64_t pos = 0;
    size_t text_at = 0;
    for (size_t i = 0; i < steps->count; i++) {
        const struct undo_target *what = &steps->items[i].what;
        switch (steps->items[i].kind) {
        case STEP_KEEP:
            pos += what->len;
            break;
        case STEP_REMOVE:
            writer_delete(writer, pos, what->len);
            break;
        case STEP_RESTORE:
            write_restored(writer, pos, bytes_slice(buf_view(&steps->restored), text_at, (size_t)what->len), *what);
            text_at += (size_t)what->len;
            pos += what->len;
            break;
        }
    }
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

static struct event_span named(const struct document *document, struct agent_span span)
{
    return (struct event_span){*graph_agent_id(document->graph, span.agent), span.seq, span.len};
}

/* The batches of one row of the events say that it was taken back: also when nothing of it was left. */
static void take_row_back(struct writer *writer, struct event_span row, const struct steps *steps)
{
    struct patch patch = {0};
    add_steps(steps, &patch);
    writer->undo = &row;
    writer_begin_at_head(writer);
    write_steps(writer, steps);
    writer_end(writer, true);
    document_wrote(writer->document, &patch);
    patch_release(&patch);
}

/* Which rows have something to remove. */
static bool *rows_that_remove(const struct steps *steps, size_t count)
{
    bool *remove = xcalloc(count + 1, sizeof *remove);
    for (size_t i = 0; i < steps->count; i++)
        if (steps->items[i].kind == STEP_REMOVE)
            remove[steps->items[i].row] = true;
    return remove;
}

/*
 * Each row in batches of its own: what they delete they delete for that row, and a copy that the row had made is then as good as
 * never made.
 */
static void take_rows_back(struct writer *writer, const struct agent_span *spans, size_t count, const struct steps *steps)
{
    struct steps of_row = {0};
    bool *remove = rows_that_remove(steps, count);
    for (size_t row = 0; row < count; row++) {
        of_row.count = 0;
        if (row == 0 || remove[row])
            take_steps_of(steps, row, &of_row);
        take_row_back(writer, named(writer->document, spans[row]), &of_row);
    }
    free(remove);
    free(of_row.items);
}

static bool take_back(struct document *document, const struct agent_span *spans, size_t count, struct writer *writer,
                      struct patch *out)
{
    struct steps steps = {0};
    uint64_t first;
    if (!find_first(document, spans, count, &first))
        return false;
    steps_find(document, spans, count, first, &steps);
    read_restored(document, &steps);
    add_steps(&steps, out);
    take_rows_back(writer, spans, count, &steps);
    document->undo_agent = graph_agent(document->graph, &writer->agent);
    document->undo_end = graph_next_seq(document->graph, document->undo_agent);
    steps_release(&steps);
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
    size_t own;
    if (!graph_find_agent(document->graph, writer, &own))
        own = EDIT_NONE;
    edits_replay(&edits, own, &back, &again);
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
