/* The patch between two versions, and who made the difference. */
#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/least.h"
#include "editor/base/xalloc.h"
#include "sync/between.h"
#include "sync/document_dates.h"
#include "sync/document_past.h"
#include "sync/document_texts.h"
#include "sync/document_whole.h"

/* Which bytes some events deleted. */
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

/* What only the later text has. `before`: the text at which the tracker began. */
static void add_inserted(const struct document *document, const struct rope *before, const struct between_row *row,
                         struct buf *scratch, struct patch *out)
{
    buf_clear(scratch);
    if (row->id < TRACKER_BASE)
        document_read_units(document, row->id, row->len, scratch);
    else
        rope_append_to(before, row->id - TRACKER_BASE, row->len, scratch);
    patch_insert(out, buf_view(scratch));
}

/* Whether something comes back that was there when the tracker began. */
static bool asks_before(const struct between *between)
{
    for (size_t i = 0; i < between->count; i++)
        if (!between->items[i].in_from && between->items[i].id >= TRACKER_BASE)
            return true;
    return false;
}

static void make_patch(struct document *document, const struct between *between, struct known_cut *known, struct patch *out)
{
    struct buf scratch = {0};
    if (!known->text && asks_before(between))
        known->text = document_text_at_cut(document, known->cut);
    for (size_t i = 0; i < between->count; i++) {
        const struct between_row *row = &between->items[i];
        if (row->in_from && row->in_to)
            patch_retain(out, row->len);
        else if (row->in_from)
            patch_delete(out, row->len);
        else
            add_inserted(document, known->text, row, &scratch, out);
    }
    buf_release(&scratch);
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

/* A version lacks a byte because it has its deletion and the other one has not; or else because it lacks the event that wrote
   it. */
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

/* What the events did that only one of the versions has, and whose that is. */
static void find_changes(struct document *document, const struct between *between, const struct lv_list *from,
                         const struct lv_list *to, struct change_list *out)
{
    struct lv_ranges only_from = {0}, only_to = {0};
    struct deletions deletions = {0};
    graph_diff(document->graph, from, to, &only_from, &only_to);
    collect_deletions(between->tracker, &only_from, &deletions);
    collect_deletions(between->tracker, &only_to, &deletions);
    sort_deletions(&deletions);
    make_changes(document, between, &deletions, out);
    free(deletions.items);
    lv_ranges_release(&only_from);
    lv_ranges_release(&only_to);
}

/* `changes` may be NULL. */
static bool find_between(struct document *document, const struct version *from, const struct version *to, struct patch *out,
                         struct change_list *changes)
{
    struct lv_list a = {0}, b = {0};
    struct between between = {0};
    struct known_cut cut = {0};
    struct error ignored = {0};
    bool known = document_read_history(document, &ignored) && document_lvs(document, from, &a) && document_lvs(document, to, &b);
    patch_clear(out);
    if (known) {
        document_cut_below(document, &a, &b, &cut);
        between_find_from(document_aside(document), &cut.version, cut.len, &a, &b, &between);
        if (changes) /* while its tracker is there */
            find_changes(document, &between, &a, &b, changes);
        make_patch(document, &between, &cut, out);
    }
    known_cut_release(&cut);
    between_release(&between);
    lv_list_release(&a);
    lv_list_release(&b);
    return known;
}

bool document_patch_between(struct document *document, const struct version *from, const struct version *to, struct patch *out)
{
    return find_between(document, from, to, out, NULL);
}

bool document_changes(struct document *document, const struct version *from, const struct version *to, struct patch *patch,
                      struct change_list *out)
{
    out->count = 0;
    return find_between(document, from, to, patch, out);
}
