#include "sync/document_edits.h"

#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/least.h"
#include "editor/base/xalloc.h"

void edits_release(struct edits *edits)
{
    free(edits->items);
    free(edits->by_agent);
    free(edits->more);
    *edits = (struct edits){0};
}

struct agent_span edit_span(const struct edit *edit)
{
    return (struct agent_span){edit->agent, edit->seq, edit->end - edit->seq};
}

/* --- collecting --- */

enum { NOT_WANTED = SIZE_MAX };

static void add_edit(struct edits *edits, const struct document *document, size_t agent, uint64_t seq)
{
    edits->items = xgrow(edits->items, &edits->cap, edits->count + 1, sizeof *edits->items);
    struct edit *edit = &edits->items[edits->count++];
    *edit = (struct edit){.agent = agent, .seq = seq, .end = graph_next_seq(document->graph, agent)};
    ensure(graph_find(document->graph, agent, seq, &edit->lv, NULL));
}

static bool same_span(struct agent_span a, struct agent_span b)
{
    return a.agent == b.agent && a.seq == b.seq && a.len == b.len;
}

/* The batches of a large undo all say the same; those of an undo of several rows each one. After the first: the latest first. */
static void add_row(struct edits *edits, struct edit *edit, struct agent_span target)
{
    struct agent_span last = edit->more ? edits->more[edit->more - 1].target : edit->target;
    if (same_span(target, last))
        return;
    edits->more = xgrow(edits->more, &edits->more_cap, edits->more_count + 1, sizeof *edits->more);
    edits->more[edits->more_count++] = (struct edit_more){target, edit->more};
    edit->more = edits->more_count;
}

static void set_kind(const struct document *document, struct edits *edits, struct edit *edit, const struct mark *mark)
{
    if (!(mark->flags & BATCH_FLAG_UNDO))
        return;
    struct agent_span target = document->marks.undo[mark->undo_at];
    if (edit->kind != EDIT_GESTURE) {
        add_row(edits, edit, target);
        return;
    }
    edit->kind = mark->flags & BATCH_FLAG_REDO ? EDIT_REDO : EDIT_UNDO;
    edit->target = target;
}

/* An agent's first batch begins an edit even when it is not marked. */
static void begin_agent(const struct document *document, size_t agent, struct edits *edits, size_t *newest)
{
    uint64_t first = graph_first_seq(document->graph, agent);
    if (graph_next_seq(document->graph, agent) == first)
        return;
    newest[agent] = edits->count;
    add_edit(edits, document, agent, first);
}

static void take_mark(const struct document *document, const struct mark *mark, struct edits *edits, size_t *newest)
{
    struct graph_author author = graph_author_of(document->graph, mark->lv);
    size_t at = newest[author.agent];
    if (at == NOT_WANTED)
        return;
    ensure(at < edits->count);
    if (mark->flags & BATCH_FLAG_GESTURE && author.seq > edits->items[at].seq) {
        edits->items[at].end = author.seq;
        at = newest[author.agent] = edits->count;
        add_edit(edits, document, author.agent, author.seq);
    }
    set_kind(document, edits, &edits->items[at], mark);
}

static int edit_compare(const void *a, const void *b)
{
    const struct edit *left = a, *right = b;
    return (left->lv > right->lv) - (left->lv < right->lv);
}

static int ref_compare(const void *a, const void *b)
{
    const struct edit_ref *left = a, *right = b;
    if (left->agent != right->agent)
        return left->agent < right->agent ? -1 : 1;
    return (left->seq > right->seq) - (left->seq < right->seq);
}

static void sort_edits(struct edits *edits)
{
    free(edits->by_agent);
    edits->by_agent = xmalloc((edits->count + 1) * sizeof *edits->by_agent);
    if (edits->count > 1)
        qsort(edits->items, edits->count, sizeof *edits->items, edit_compare);
    for (size_t i = 0; i < edits->count; i++)
        edits->by_agent[i] = (struct edit_ref){edits->items[i].agent, edits->items[i].seq, i};
    if (edits->count > 1)
        qsort(edits->by_agent, edits->count, sizeof *edits->by_agent, ref_compare);
}

size_t edits_find(const struct edits *edits, size_t agent, uint64_t seq)
{
    const struct edit_ref wanted = {.agent = agent, .seq = seq};
    size_t after;
    BISECT(after, edits->count, ref_compare(&edits->by_agent[after], &wanted) <= 0);
    if (after == 0 || edits->by_agent[after - 1].agent != agent)
        return EDIT_NONE;
    size_t at = edits->by_agent[after - 1].at;
    return seq < edits->items[at].end ? at : EDIT_NONE;
}

static void begin_agents(const struct document *document, const struct agent_id *agents, size_t agent_count,
                         struct edits *edits, size_t *newest)
{
    for (size_t agent = 0; agent < graph_agents(document->graph); agent++) {
        newest[agent] = NOT_WANTED;
        if (!agents)
            begin_agent(document, agent, edits, newest);
    }
    for (size_t i = 0; i < agent_count; i++) {
        size_t agent;
        if (graph_find_agent(document->graph, &agents[i], &agent) && newest[agent] == NOT_WANTED)
            begin_agent(document, agent, edits, newest);
    }
}

void edits_collect(const struct document *document, const struct agent_id *agents, size_t agent_count, struct edits *edits)
{
    size_t *newest = xmalloc((graph_agents(document->graph) + 1) * sizeof *newest); /* by agent: of its edits; or NOT_WANTED */
    edits->count = edits->more_count = 0;
    begin_agents(document, agents, agent_count, edits, newest);
    uint64_t from = graph_len(document->graph);
    for (size_t i = 0; i < edits->count; i++)
        from = edits->items[i].lv < from ? edits->items[i].lv : from;
    for (size_t i = marks_from(&document->marks, from); i < document->marks.count; i++)
        take_mark(document, &document->marks.items[i], edits, newest);
    sort_edits(edits);
    free(newest);
}

/* --- what stands --- */

void edit_stack_release(struct edit_stack *stack)
{
    free(stack->items);
    free(stack->has);
    *stack = (struct edit_stack){0};
}

static void stack_begin(struct edit_stack *stack, const struct edits *edits)
{
    stack->items = xcalloc(edits->count + 1, sizeof *stack->items);
    stack->has = xcalloc(edits->count + 1, sizeof *stack->has);
}

static void stack_push(struct edit_stack *stack, size_t edit)
{
    stack->items[stack->count++] = edit;
    stack->has[edit] = true;
}

/* The last one is there, or none. */
static void stack_tidy(struct edit_stack *stack)
{
    while (stack->count > 0 && !stack->has[stack->items[stack->count - 1]])
        stack->count--;
    stack->kept = least(stack->kept, stack->count);
}

/* An agent's gesture: what the writer undid stays, unless he made it. No item is looked at twice. */
static void stack_forget(struct edit_stack *stack, const struct edits *edits, size_t agent, size_t writer)
{
    bool own = agent == writer;
    size_t kept = own ? 0 : stack->kept;
    for (size_t i = kept; i < stack->count; i++) {
        size_t edit = stack->items[i];
        if (!own && stack->has[edit] && edits->items[edit].agent == writer)
            stack->items[kept++] = edit;
        else
            stack->has[edit] = false;
    }
    stack->count = stack->kept = kept;
    stack_tidy(stack);
}

/* Takes the edits that `target` speaks of off the stack: one, or all of a row. False: none of them was there. */
static bool stack_take(struct edit_stack *stack, const struct edits *edits, struct agent_span target)
{
    bool took = false;
    for (uint64_t seq = target.seq; seq - target.seq < target.len;) {
        size_t edit = edits_find(edits, target.agent, seq);
        if (edit == EDIT_NONE)
            break;
        took = took || stack->has[edit];
        stack->has[edit] = false;
        seq = edits->items[edit].end;
    }
    stack_tidy(stack);
    return took;
}

/* The same of all rows that an edit takes back. */
static bool stack_take_all(struct edit_stack *stack, const struct edits *edits, const struct edit *edit)
{
    bool took = stack_take(stack, edits, edit->target);
    for (size_t at = edit->more; at > 0; at = edits->more[at - 1].more)
        took = stack_take(stack, edits, edits->more[at - 1].target) || took;
    return took;
}

void edits_replay(const struct edits *edits, size_t writer, struct edit_stack *back, struct edit_stack *again)
{
    struct edit_stack undone = {0}; /* and not done again: what `again` has, and what was forgotten there */
    stack_begin(back, edits);
    stack_begin(again, edits);
    stack_begin(&undone, edits);
    for (size_t i = 0; i < edits->count; i++) {
        const struct edit *edit = &edits->items[i];
        switch (edit->kind) {
        case EDIT_GESTURE:
            stack_push(back, i);
            stack_forget(again, edits, edit->agent, writer);
            break;
        case EDIT_UNDO: {
            bool took_undone = stack_take_all(again, edits, edit); /* of a row: what was undone in it cannot be done again */
            stack_take_all(&undone, edits, edit);
            if (stack_take_all(back, edits, edit) || took_undone) {
                stack_push(again, i);
                stack_push(&undone, i);
            }
            break;
        }
        case EDIT_REDO:
            stack_take_all(again, edits, edit);
            if (stack_take_all(&undone, edits, edit))
                stack_push(back, i);
            break;
        }
    }
    edit_stack_release(&undone);
}

/* --- counting --- */

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
    if (lv_ranges_have(ranges, edit->lv))
        return edit->seq;
    ensure(graph_find(document->graph, edit->agent, edit->end - 1, &lv, &len));
    if (!lv_ranges_have(ranges, lv))
        return edit->end; /* who has seen the last one has seen all */
    uint64_t low = edit->seq, high = edit->end - 1;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        ensure(graph_find(document->graph, edit->agent, middle, &lv, &len));
        if (lv_ranges_have(ranges, lv))
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* What the edit takes back or does again, in the end: a gesture. Itself, where that is not here. */
static size_t gesture_of(const struct edits *edits, size_t edit)
{
    while (edits->items[edit].kind != EDIT_GESTURE) {
        struct agent_span target = edits->items[edit].target;
        size_t before = edits_find(edits, target.agent, target.seq);
        if (before == EDIT_NONE || before >= edit)
            break; /* what is taken back was there before */
        edit = before;
    }
    return edit;
}

/* The gestures that stand: not taken back, or done again. */
static bool *find_standing(const struct edits *edits)
{
    struct edit_stack back = {0}, again = {0};
    bool *stands = xcalloc(edits->count + 1, sizeof *stands);
    edits_replay(edits, EDIT_NONE, &back, &again);
    for (size_t i = 0; i < back.count; i++)
        if (back.has[back.items[i]])
            stands[gesture_of(edits, back.items[i])] = true;
    edit_stack_release(&back);
    edit_stack_release(&again);
    return stands;
}

/* Gestures before the ranges that were taken back, or done again, in them. */
static uint64_t count_turned(const struct edits *edits, const struct lv_ranges *after)
{
    bool *turned = xcalloc(edits->count + 1, sizeof *turned);
    uint64_t count = 0;
    for (size_t i = 0; i < edits->count; i++) {
        bool of_another = edits->items[i].kind != EDIT_GESTURE && lv_ranges_have(after, edits->items[i].lv);
        size_t root = of_another ? gesture_of(edits, i) : i;
        if (root != i && !lv_ranges_have(after, edits->items[root].lv))
            turned[root] = !turned[root];
    }
    for (size_t i = 0; i < edits->count; i++)
        count += turned[i];
    free(turned);
    return count;
}

uint64_t document_edits_since(struct document *document, const struct version *since, struct batch_counter counter)
{
    if (document_asleep_at(document, since))
        return 0;
    document_wake(document);
    struct edits edits = {0};
    struct lv_ranges after = {0};
    edits_collect(document, NULL, 0, &edits);
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
    edits_release(&edits);
    return count;
}

uint64_t document_newest_s(struct document *document, const struct version *since)
{
    struct error ignored = {0};
    if (!document_read_history(document, &ignored))
        return 0;
    struct lv_ranges after = {0};
    uint64_t newest_s = 0;
    events_since(document, since, &after);
    for (size_t i = 0; i < document->marks.count; i++) {
        const struct mark *mark = &document->marks.items[i];
        if (mark->time_s > newest_s && lv_ranges_have(&after, mark->lv))
            newest_s = mark->time_s;
    }
    lv_ranges_release(&after);
    return newest_s;
}

struct last_edit document_last_edit(struct document *document, struct agent_filter filter)
{
    struct error ignored = {0};
    struct last_edit last = {.time_s = 0};
    if (!document_read_history(document, &ignored))
        return last;
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
