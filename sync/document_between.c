/* The patch between two versions, and who made the difference. */
#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"
#include "sync/between.h"
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

/* From unit `id` on, and not beyond `len` of them. They were deleted. */
static struct deleted find_deletion(const struct deletions *deletions, uint64_t id, uint64_t len)
{
    size_t at;
    BISECT(at, deletions->count, deletions->items[at].id + deletions->items[at].len <= id);
    ensure(at < deletions->count && deletions->items[at].id <= id);
    struct deleted deleted = deleted_from(deletions->items[at], id);
    deleted.len = deleted.len < len ? deleted.len : len;
    return deleted;
}

/* What only the later text has. Bytes of the text before the tracker began are told by who deleted them since. */
static void add_inserted(struct document *document, const struct deletions *deletions, const struct between_row *row,
                         struct buf *scratch, struct patch *out)
{
    buf_clear(scratch);
    if (row->id < TRACKER_BASE)
        document_read_units(document, row->id, row->len, scratch);
    for (uint64_t done = row->id < TRACKER_BASE ? row->len : 0; done < row->len;) {
        struct deleted deleted = find_deletion(deletions, row->id + done, row->len - done);
        document_read_deleted(document, deleted, scratch);
        done += deleted.len;
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

bool document_patch_between(struct document *document, const struct version *from, const struct version *to, struct patch *out)
{
    struct lv_list a = {0}, b = {0};
    struct lv_ranges only_from = {0}, only_to = {0};
    struct between between = {0};
    struct deletions deletions = {0};
    document_wake(document);
    bool known = document_lvs(document, from, &a) && document_lvs(document, to, &b);
    patch_clear(out);
    if (known) {
        between_find(aside(document), &a, &b, &between);
        graph_diff(document->graph, &a, &b, &only_from, &only_to);
        collect_deletions(between.tracker, &only_from, &deletions);
        sort_deletions(&deletions);
        make_patch(document, &between, &deletions, out);
    }
    free(deletions.items);
    between_release(&between);
    lv_ranges_release(&only_from);
    lv_ranges_release(&only_to);
    lv_list_release(&a);
    lv_list_release(&b);
    return known;
}
