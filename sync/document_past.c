#include "sync/document_past.h"

#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"
#include "sync/document_whole.h"

void log_list_release(struct log_list *list)
{
    free(list->items);
    *list = (struct log_list){0};
}

void blame_release(struct blame *blame)
{
    free(blame->items);
    *blame = (struct blame){0};
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- edits with what their marks say --- */

static const struct mark *mark_of(const struct document *document, const struct edit *edit)
{
    size_t i = marks_from(&document->marks, edit->lv);
    return i < document->marks.count && document->marks.items[i].lv == edit->lv ? &document->marks.items[i] : NULL;
}

static uint64_t time_of(const struct document *document, const struct edit *edit)
{
    const struct mark *mark = mark_of(document, edit);
    return mark ? mark->time_s : 0;
}

static const char *label_of(const struct document *document, const struct edit *edit)
{
    const struct mark *mark = mark_of(document, edit);
    return mark && mark->flags & BATCH_FLAG_LABEL ? (const char *)document->marks.labels.data + mark->label_at : NULL;
}

/* Who an agent's events are by: a branch's are by the one that forked. */
static struct agent_id author_of(const struct document *document, size_t agent)
{
    struct agent_fork fork;
    while (graph_fork_of(document->graph, agent, &fork))
        ensure(graph_find_agent(document->graph, &fork.from, &agent));
    return *graph_agent_id(document->graph, agent);
}

/* --- the log --- */

static void count_bytes(const struct document *document, const struct edit *edit, struct log_entry *entry)
{
    struct agent_span span = edit_span(edit);
    for (uint64_t lv, len; document_next_lvs(document, &span, &lv, &len);) {
        for (uint64_t end = lv + len; lv < end;) {
            struct op_piece op = oplog_piece(&document->log, lv, end);
            uint64_t bytes = op.len - oplog_void(&document->log, lv, lv + op.len);
            if (op.shape == SHAPE_INSERT)
                entry->inserted += bytes;
            else if (op.shape != SHAPE_NOP)
                entry->deleted += bytes;
            lv += op.len;
        }
    }
}

static struct log_entry entry_of(const struct document *document, const struct edit *edit)
{
    static const enum log_kind kinds[] = {[EDIT_GESTURE] = LOG_EDIT, [EDIT_UNDO] = LOG_UNDO, [EDIT_REDO] = LOG_REDO};
    struct log_entry entry = {.author = author_of(document, edit->agent),
                              .last = {*graph_agent_id(document->graph, edit->agent), edit->end - 1},
                              .kind = kinds[edit->kind],
                              .time_s = time_of(document, edit),
                              .label = label_of(document, edit)};
    count_bytes(document, edit, &entry);
    return entry;
}

void document_log(struct document *document, struct log_list *out)
{
    struct edits edits = {0};
    document_wake(document);
    edits_collect(document, NULL, 0, &edits);
    out->items = xgrow(out->items, &out->cap, edits.count, sizeof *out->items);
    out->count = edits.count;
    for (size_t i = 0; i < edits.count; i++)
        out->items[i] = entry_of(document, &edits.items[i]);
    edits_release(&edits);
}

/* --- which edit an event belongs to --- */

struct dated {
    struct edit edit;
    uint64_t time_s;
    const char *label;
};

struct dated_edits {
    struct dated *items; /* by (agent, seq) */
    size_t count;
};

static int dated_compare(const void *a, const void *b)
{
    const struct dated *left = a, *right = b;
    if (left->edit.agent != right->edit.agent)
        return left->edit.agent < right->edit.agent ? -1 : 1;
    return (left->edit.seq > right->edit.seq) - (left->edit.seq < right->edit.seq);
}

static struct dated_edits date_edits(const struct document *document, const struct edits *edits)
{
    struct dated_edits all = {xmalloc((edits->count + 1) * sizeof *all.items), edits->count};
    for (size_t i = 0; i < edits->count; i++)
        all.items[i] = (struct dated){edits->items[i], time_of(document, &edits->items[i]), label_of(document, &edits->items[i])};
    if (all.count > 1)
        qsort(all.items, all.count, sizeof *all.items, dated_compare);
    return all;
}

/* Every event belongs to one. */
static const struct dated *find_dated(const struct dated_edits *all, struct graph_author author)
{
    const struct dated wanted = {.edit = {.agent = author.agent, .seq = author.seq}};
    size_t low = 0, high = all->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (dated_compare(&all->items[middle], &wanted) <= 0)
            low = middle;
        else
            high = middle;
    }
    return &all->items[low];
}

/* The edit of an event, and of how many from there on. */
static const struct dated *edit_at(const struct document *document, const struct dated_edits *all, uint64_t lv, uint64_t *len)
{
    struct graph_author author = graph_author_of(document->graph, lv);
    const struct dated *dated = find_dated(all, author);
    *len = least(*len, least(author.len, dated->edit.end - author.seq));
    return dated;
}

/* --- the version of a moment --- */

static void inherit_times(struct dated_edits *all)
{
    for (size_t i = 1; i < all->count; i++)
        if (all->items[i].time_s == 0 && all->items[i].edit.agent == all->items[i - 1].edit.agent)
            all->items[i].time_s = all->items[i - 1].time_s;
}

struct moment {
    struct lv_ranges written; /* ascending */
    struct lv_list ends;      /* the last events of rows of them, ascending: the heads, and what somebody went on from */
    struct lv_list parents;
};

static bool was_written(const struct moment *moment, const struct graph_run *run, uint64_t first)
{
    if (first > run->first)
        return lv_ranges_have(&moment->written, first - 1);
    for (size_t i = 0; i < run->parent_count; i++)
        if (!lv_ranges_have(&moment->written, run->parents[i]))
            return false;
    return true;
}

static void take_events(struct moment *moment, const struct graph_run *run, uint64_t first, uint64_t end)
{
    struct lv_ranges *written = &moment->written;
    if (written->count > 0 && written->items[written->count - 1].end == first)
        written->items[written->count - 1].end = end;
    else
        lv_ranges_add(written, first, end);
    if (first > run->first)
        lv_list_add(&moment->parents, first - 1);
    for (size_t i = 0; first == run->first && i < run->parent_count; i++)
        lv_list_add(&moment->parents, run->parents[i]);
    lv_list_add(&moment->ends, end - 1);
}

/* The ends that are nobody's parent. */
static void reduce_to_heads(struct moment *moment)
{
    struct lv_list *ends = &moment->ends, *parents = &moment->parents;
    size_t heads = 0;
    lv_list_sort(parents);
    for (size_t i = 0, p = 0; i < ends->count; i++) {
        while (p < parents->count && parents->items[p] < ends->items[i])
            p++;
        if (p == parents->count || parents->items[p] != ends->items[i])
            ends->items[heads++] = ends->items[i];
    }
    ends->count = heads;
}

void document_version_at(struct document *document, uint64_t time_s, struct version *out)
{
    struct edits edits = {0};
    struct moment moment = {0};
    document_wake(document);
    edits_collect(document, NULL, 0, &edits);
    struct dated_edits all = date_edits(document, &edits);
    inherit_times(&all);
    for (uint64_t lv = 0, len; lv < graph_len(document->graph); lv += len) {
        struct graph_run run = graph_run_of(document->graph, lv);
        len = run.end - lv;
        if (edit_at(document, &all, lv, &len)->time_s <= time_s && was_written(&moment, &run, lv))
            take_events(&moment, &run, lv, lv + len);
    }
    reduce_to_heads(&moment);
    document_ids(document, &moment.ends, out);
    lv_ranges_release(&moment.written);
    lv_list_release(&moment.ends);
    lv_list_release(&moment.parents);
    free(all.items);
    edits_release(&edits);
}

/* --- blame --- */

struct blaming {
    const struct document *document;
    const struct dated_edits *all;
    const struct dated *before; /* whose the last range is; NULL: the base text's, or there is none */
    struct blame *out;
};

/* `dated` NULL: of the base text. */
static void add_bytes(struct blaming *blaming, const struct dated *dated, uint64_t len)
{
    struct blame *out = blaming->out;
    struct blame_range *last = out->count ? &out->items[out->count - 1] : NULL;
    if (last && blaming->before == dated) {
        last->len += len;
        return;
    }
    uint64_t at = last ? last->at + last->len : 0;
    out->items = xgrow(out->items, &out->cap, out->count + 1, sizeof *out->items);
    struct blame_range *range = &out->items[out->count++];
    *range = (struct blame_range){.at = at, .len = len, .base = dated == NULL};
    blaming->before = dated;
    if (!dated)
        return;
    range->author = author_of(blaming->document, dated->edit.agent);
    range->time_s = dated->time_s;
    range->label = dated->label;
}

static void add_span(struct blaming *blaming, const struct copies *copies, const struct span *span)
{
    for (uint64_t done = 0, len; done < span->len; done += len) {
        len = span->len - done;
        uint64_t root = copies_root(copies, span->id + done, &len);
        const struct dated *dated = root < TRACKER_BASE ? edit_at(blaming->document, blaming->all, root, &len) : NULL;
        add_bytes(blaming, dated, len);
    }
}

void document_blame(struct document *document, struct blame *out)
{
    struct edits edits = {0};
    struct copies copies = {0};
    document_wake(document);
    ensure(document->merged == graph_len(document->graph));
    out->count = 0;
    edits_collect(document, NULL, 0, &edits);
    struct dated_edits all = date_edits(document, &edits);
    struct blaming blaming = {.document = document, .all = &all, .out = out};
    const struct tracker *tracker = document_whole(document);
    copies_collect(document, tracker, &edits, LV_NONE, &copies);
    struct span_place place = spans_start(&tracker->spans);
    for (const struct span *span; (span = spans_peek(&tracker->spans, &place)); spans_next(&place))
        if (!span->gone)
            add_span(&blaming, &copies, span);
    copies_release(&copies);
    free(all.items);
    edits_release(&edits);
}

const struct blame_range *blame_find(const struct blame *blame, uint64_t at)
{
    size_t index;
    BISECT(index, blame->count, blame->items[index].at + blame->items[index].len <= at);
    return index < blame->count ? &blame->items[index] : NULL;
}
