/* The patch between two versions, and who made the difference. */
#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/least.h"
#include "editor/base/xalloc.h"
#include "sync/between.h"
#include "sync/document_dates.h"
#include "sync/document_past.h"
#include "sync/document_whole.h"

/* What the events did that only one of the versions has. */
struct deletions {
    struct deleted *items; /* once sorted: by id, disjoint */
    size_t count, cap;
};

static int deleted_compare(const void *a, const void *b)
{
    const struct deleted *left = a, *right = b;
    if (left->id != right->id)
        return left->id < right->id ? -1 : 1;
    return (left->by > right->by) - (left->by < right->by);
}

/* Without its first bytes. */
static struct deleted deleted_from(struct deleted deleted, uint64_t id)
{
    uint64_t skipped = id - deleted.id;
    deleted.by = deleted.back ? deleted.by - skipped : deleted.by + skipped;
    deleted.len -= skipped;
    deleted.id = id;
    return deleted;
}

/* Several may have deleted the same byte: one of them is enough. */
static void sort_deletions(struct deletions *deletions)
{
    size_t kept = 0;
    uint64_t end = 0;
    if (deletions->count > 1)
        qsort(deletions->items, deletions->count, sizeof *deletions->items, deleted_compare);
    for (size_t i = 0; i < deletions->count; i++) {
        struct deleted deleted = deletions->items[i];
        if (deleted.id + deleted.len <= end)
            continue;
        if (deleted.id < end)
            deleted = deleted_from(deleted, end);
        end = deleted.id + deleted.len;
        deletions->items[kept++] = deleted;
    }
    deletions->count = kept;
}

static void collect_deletions(const struct tracker *tracker, const struct lv_ranges *events, struct deletions *out)
{
    for (size_t i = 0; i < events->count; i++) {
        for (uint64_t lv = events->items[i].first; lv < events->items[i].end;) {
            struct deleted deleted = deleted_by(tracker, lv, events->items[i].end);
            if (deleted.len > 0) {
                out->items = xgrow(out->items, &out->cap, out->count + 1, sizeof *out->items);
                out->items[out->count++] = deleted;
            }
            lv += deleted.events;
        }
    }
}

/* Whether units [id, id + *len) were deleted, and by what; *len is cut to as many as that answer is good for. */
static bool find_deletion(const struct deletions *deletions, uint64_t id, uint64_t *len, struct deleted *found)
{
    size_t at;
    BISECT(at, deletions->count, deletions->items[at].id + deletions->items[at].len <= id);
    if (at == deletions->count)
        return false;
    const struct deleted *deleted = &deletions->items[at];
    if (deleted->id > id) {
        *len = least(*len, deleted->id - id);
        return false;
    }
    *found = deleted_from(*deleted, id);
    *len = found->len = least(*len, found->len);
    return true;
}

/* What only the later text has. Bytes of the text before the tracker began are told by who deleted them since. */
static void add_inserted(struct document *document, const struct deletions *deletions, const struct between_row *row,
                         struct buf *scratch, struct patch *out)
{
    buf_clear(scratch);
    if (row->id < TRACKER_BASE)
        document_read_units(document, row->id, row->len, scratch);
    for (uint64_t done = row->id < TRACKER_BASE ? row->len : 0, len; done < row->len; done += len) {
        struct deleted deleted;
        len = row->len - done;
        bool found = find_deletion(deletions, row->id + done, &len, &deleted);
        ensure(found);
        document_read_deleted(document, deleted, scratch);
    }
    patch_insert(out, buf_view(scratch));
}

static void make_patch(struct document *document, const struct between *between, const struct deletions *deletions,
                       struct patch *out)
{
    struct buf scratch = {0};
    for (size_t i = 0; i < between->count; i++) {
        const struct between_row *row = &between->items[i];
        if (row->in_from && row->in_to)
            patch_retain(out, row->len);
        else if (row->in_from)
            patch_delete(out, row->len);
        else
            add_inserted(document, deletions, row, &scratch, out);
    }
    buf_release(&scratch);
}

static struct walker *aside(struct document *document)
{
    if (!document->aside)
        document->aside = walker_new(document->graph, &document->log, &document->critical, rope_len(document->base));
    return document->aside;
}

/* --- who made the difference --- */

void change_list_release(struct change_list *list)
{
    free(list->items);
    *list = (struct change_list){0};
}

struct changing {
    struct document *document;
    const struct deletions *deletions;
    uint64_t from_at, to_at;
    struct dated before; /* whose the last change is */
    struct change_list *out;
};

/* The bytes at the places that have been reached. */
static void add_change(struct changing *changing, struct dated dated, bool inserted, bool wrote, uint64_t len)
{
    struct change_list *out = changing->out;
    struct change *last = out->count ? &out->items[out->count - 1] : NULL;
    bool touches = last && last->from_at + (last->inserted ? 0 : last->len) == changing->from_at &&
                   last->to_at + (last->inserted ? last->len : 0) == changing->to_at;
    if (touches && last->inserted == inserted && last->wrote == wrote && dated_equal(&changing->before, &dated)) {
        last->len += len;
    } else {
        out->items = xgrow(out->items, &out->cap, out->count + 1, sizeof *out->items);
        out->items[out->count++] = (struct change){inserted, wrote, changing->from_at, changing->to_at, len,
                                                   document_author(changing->document, dated.agent), dated.time_s, dated.label};
    }
    changing->before = dated;
    changing->from_at += inserted ? 0 : len;
    changing->to_at += inserted ? len : 0;
}

/* A version lacks a byte because it has its deletion and the other one has not; or else because it lacks the event that wrote it. */
static void add_row_changes(struct changing *changing, const struct between_row *row)
{
    for (uint64_t done = 0, len; done < row->len; done += len) {
        struct deleted deleted;
        len = row->len - done;
        bool wrote = !find_deletion(changing->deletions, row->id + done, &len, &deleted);
        if (!wrote && deleted.back)
            len = 1; /* the events go the other way than the bytes */
        struct dated dated = document_date(changing->document, wrote ? row->id + done : deleted.by, &len);
        add_change(changing, dated, row->in_to, wrote, len);
    }
}

static void make_changes(struct document *document, const struct between *between, const struct deletions *deletions,
                         struct change_list *out)
{
    struct changing changing = {.document = document, .deletions = deletions, .out = out};
    for (size_t i = 0; i < between->count; i++) {
        const struct between_row *row = &between->items[i];
        if (!row->in_from || !row->in_to) {
            add_row_changes(&changing, row);
            continue;
        }
        changing.from_at += row->len;
        changing.to_at += row->len;
    }
}

/* --- from outside --- */

/* `changes` may be NULL. */
static bool find_between(struct document *document, const struct version *from, const struct version *to, struct patch *out,
                         struct change_list *changes)
{
    struct lv_list a = {0}, b = {0};
    struct lv_ranges only_from = {0}, only_to = {0};
    struct between between = {0};
    struct deletions deletions = {0};
    struct error ignored = {0};
    bool known = document_read_history(document, &ignored) && document_lvs(document, from, &a) && document_lvs(document, to, &b);
    patch_clear(out);
    if (known) {
        between_find(aside(document), &a, &b, &between);
        graph_diff(document->graph, &a, &b, &only_from, &only_to);
        collect_deletions(between.tracker, &only_from, &deletions);
        if (changes)
            collect_deletions(between.tracker, &only_to, &deletions);
        sort_deletions(&deletions);
        make_patch(document, &between, &deletions, out);
        if (changes)
            make_changes(document, &between, &deletions, changes);
    }
    free(deletions.items);
    between_release(&between);
    lv_ranges_release(&only_from);
    lv_ranges_release(&only_to);
    lv_list_release(&a);
    lv_list_release(&b);
    return known;
}

bool document_patch_between(struct document *document, const struct version *from, const struct version *to, struct patch *out)
{
    return find_between(document, from, to, out, NULL);
}

/* Whether fewer events lie between the present and that version than a walk from the beginning to it would see. */
static bool is_near(struct document *document, const struct lv_list *version)
{
    enum { NEAR = 4 }; /* what is taken back is asked for twice, and may bring back what only all of the history knows */
    struct lv_ranges since = {0}, none = {0};
    uint64_t events = 0, all = graph_len(document->graph);
    graph_diff(document->graph, graph_frontier(document->graph), version, &since, &none);
    for (size_t i = 0; i < since.count; i++)
        events += since.items[i].end - since.items[i].first;
    lv_ranges_release(&since);
    lv_ranges_release(&none);
    return events < (all - events) / NEAR;
}

struct rope *document_text_at(struct document *document, const struct rope *now, const struct version *version)
{
    struct version present = {0};
    struct patch patch = {0};
    struct error ignored = {0};
    if (document_is_at(document, version))
        return rope_snapshot(now);
    if (!document_read_history(document, &ignored))
        return NULL;
    ensure(document->merged == graph_len(document->graph) && rope_len(now) == document->len);
    bool known = document_lvs(document, version, &document->scratch);
    bool back = known && is_near(document, &document->scratch);
    document_version(document, &present);
    known = known && (back ? document_patch_between(document, &present, version, &patch) : document_patch_to(document, version, &patch));
    struct rope *text = known ? rope_snapshot(back ? now : document->base) : NULL;
    if (known)
        rope_apply(text, &patch);
    version_release(&present);
    patch_release(&patch);
    return text;
}

bool document_changes(struct document *document, const struct version *from, const struct version *to, struct patch *patch,
                      struct change_list *out)
{
    out->count = 0;
    return find_between(document, from, to, patch, out);
}
