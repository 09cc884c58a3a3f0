#include "sync/document_past.h"

#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/least.h"
#include "editor/base/xalloc.h"
#include "sync/document_dates.h"
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
    struct log_entry entry = {.author = document_author(document, edit->agent),
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

/* --- the version of a moment --- */

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

/* Whether the edit was made by then; *len is cut to as many events as that is true of. */
static bool was_made(struct document *document, uint64_t lv, uint64_t time_s, uint64_t *len)
{
    return document_date_or_before(document, document_date(document, lv, len)) <= time_s;
}

void document_version_at(struct document *document, uint64_t time_s, struct version *out)
{
    struct moment moment = {0};
    document_wake(document);
    for (uint64_t lv = 0, len; lv < graph_len(document->graph); lv += len) {
        struct graph_run run = graph_run_of(document->graph, lv);
        len = run.end - lv;
        if (was_made(document, lv, time_s, &len) && was_written(&moment, &run, lv))
            take_events(&moment, &run, lv, lv + len);
    }
    reduce_to_heads(&moment);
    document_ids(document, &moment.ends, out);
    lv_ranges_release(&moment.written);
    lv_list_release(&moment.ends);
    lv_list_release(&moment.parents);
}

bool document_join(struct document *document, struct version *version)
{
    struct lv_list heads = {0};
    struct error ignored = {0};
    size_t kept = 0;
    bool known = document_read_history(document, &ignored) && document_lvs(document, version, &heads);
    for (size_t i = 0; i < heads.count; i++) {
        bool is_built_on = false;
        for (size_t later = i + 1; later < heads.count && !is_built_on; later++)
            is_built_on = graph_contains(document->graph, &heads.items[later], 1, heads.items[i]);
        if (!is_built_on)
            heads.items[kept++] = heads.items[i];
    }
    heads.count = kept;
    if (known)
        document_ids(document, &heads, version);
    lv_list_release(&heads);
    return known;
}

/* --- blame --- */

struct blaming {
    struct document *document;
    const struct copies *copies;
    struct blame *out;
    struct dated before; /* whose the last range is, unless it is of the base text */
};

/* `dated` NULL: of the base text. */
static void add_bytes(struct blaming *blaming, const struct dated *dated, uint64_t len)
{
    struct blame *out = blaming->out;
    struct blame_range *last = out->count ? &out->items[out->count - 1] : NULL;
    if (last && last->base == !dated && (!dated || dated_equal(&blaming->before, dated))) {
        last->len += len;
        return;
    }
    uint64_t at = last ? last->at + last->len : out->at;
    out->items = xgrow(out->items, &out->cap, out->count + 1, sizeof *out->items);
    struct blame_range *range = &out->items[out->count++];
    *range = (struct blame_range){.at = at, .len = len, .base = dated == NULL};
    if (!dated)
        return;
    blaming->before = *dated;
    range->author = document_author(blaming->document, dated->agent);
    range->time_s = dated->time_s;
    range->label = dated->label;
}

static void add_units(struct blaming *blaming, uint64_t id, uint64_t units)
{
    for (uint64_t done = 0, len; done < units; done += len) {
        len = units - done;
        uint64_t root = copies_root(blaming->copies, id + done, &len);
        if (root >= TRACKER_BASE) {
            add_bytes(blaming, NULL, len);
            continue;
        }
        struct dated dated = document_date(blaming->document, root, &len);
        add_bytes(blaming, &dated, len);
    }
}

void document_blame(struct document *document, uint64_t at, uint64_t len, struct blame *out)
{
    const struct tracker *whole;
    document_wake(document);
    ensure(document->merged == graph_len(document->graph));
    ensure(at <= document->len && len <= document->len - at);
    out->count = 0;
    out->at = at;
    if (len == 0)
        return;
    struct blaming blaming = {.document = document, .copies = document_whole_copies(document, &whole), .out = out};
    struct span_place place = spans_find(&whole->spans, SUM_SHOWN, at);
    for (const struct span *span; len > 0 && (span = spans_peek(&whole->spans, &place)); spans_next(&place)) {
        if (span->gone)
            continue;
        uint64_t units = least(span->len - place.offset, len);
        add_units(&blaming, span->id + place.offset, units);
        len -= units;
    }
}

const struct blame_range *blame_find(const struct blame *blame, uint64_t at)
{
    size_t index;
    BISECT(index, blame->count, blame->items[index].at + blame->items[index].len <= at);
    return index < blame->count ? &blame->items[index] : NULL;
}
