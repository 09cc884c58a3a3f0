#include "sync/document_copies.h"

#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/least.h"
#include "editor/base/xalloc.h"

void copies_release(struct copies *copies)
{
    free(copies->items);
    *copies = (struct copies){0};
}

struct deleted deleted_by(const struct tracker *tracker, uint64_t first, uint64_t end)
{
    struct id_entry entry = tracker_event(tracker, first);
    uint64_t count = least(entry.len, end - first);
    if (entry.kind == ID_DELETES)
        return (struct deleted){count, count, entry.value, entry.key, false};
    if (entry.kind == ID_DELETES_BACK)
        return (struct deleted){count, count, entry.value - (count - 1), entry.key + (count - 1), true};
    return (struct deleted){.events = count};
}

bool deletes_are_back(const struct document *document, struct agent_span span)
{
    uint64_t first, second;
    if (span.len < 2 || !graph_find(document->graph, span.agent, span.seq, &first, NULL) ||
        !graph_find(document->graph, span.agent, span.seq + 1, &second, NULL))
        return false;
    struct op_piece a = oplog_piece(&document->log, first, first + 1);
    struct op_piece b = oplog_piece(&document->log, second, second + 1);
    return b.pos + 1 == a.pos;
}

/* --- collecting --- */

struct gathering {
    const struct document *document;
    const struct tracker *tracker;
    struct copies *copies;
};

static void add_copy(struct copies *copies, struct copy copy)
{
    copies->items = xgrow(copies->items, &copies->cap, copies->count + 1, sizeof *copies->items);
    copies->items[copies->count++] = copy;
}

/* One span of an undo: the bytes from event `copy` on stand for what these deletes deleted. */
static void collect_span_copies(struct gathering *gathering, struct agent_span span, uint64_t copy)
{
    bool back = deletes_are_back(gathering->document, span);
    uint64_t left = span.len;
    for (uint64_t lv, len; document_next_lvs(gathering->document, &span, &lv, &len);) {
        for (uint64_t end = lv + len; lv < end;) {
            struct deleted deleted = deleted_by(gathering->tracker, lv, end);
            uint64_t at = back ? copy + (left - deleted.events) : copy;
            if (deleted.len > 0)
                add_copy(gathering->copies, (struct copy){at, deleted.len, deleted.id, deleted.by, deleted.back});
            copy += back ? 0 : deleted.events;
            left -= deleted.events;
            lv += deleted.events;
        }
    }
}

/*
 * One batch of an undo, which ends before `end`: each of its spans after the first speaks of as many bytes of one insert, in
 * order. Spans that say more than was inserted are somebody's invention, and the rest of them goes unheard: there are never more
 * copies than inserted bytes.
 */
static void collect_mark_copies(struct gathering *gathering, const struct mark *mark, uint64_t end)
{
    const struct document *document = gathering->document;
    uint64_t lv = mark->lv;
    for (size_t i = 1; i < mark->undo_count; i++) {
        struct agent_span span = document->marks.undo[mark->undo_at + i];
        struct op_piece op = {.shape = SHAPE_NOP};
        for (; lv < end; lv += op.len) {
            op = oplog_piece(&document->log, lv, end);
            if (op.shape == SHAPE_INSERT)
                break;
        }
        if (lv >= end || span.len > op.len)
            return;
        collect_span_copies(gathering, span, lv);
        lv += span.len;
    }
}

static int copy_compare(const void *a, const void *b)
{
    const struct copy *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

/* An undo's batch ends where its agent's next one is marked, and where the row of its events does. */
uint64_t copies_end_of_batch(const struct document *document, size_t mark)
{
    const struct marks *marks = &document->marks;
    uint64_t lv = marks->items[mark].lv, end = lv + graph_author_of(document->graph, lv).len;
    return mark + 1 < marks->count && marks->items[mark + 1].lv < end ? marks->items[mark + 1].lv : end;
}

/* Later marks have higher events, and so have their copies. */
void copies_collect(const struct document *document, const struct tracker *tracker, struct copies *copies)
{
    struct gathering gathering = {document, tracker, copies};
    size_t before = copies->count;
    for (; copies->marks_done < document->marks.count; copies->marks_done++) {
        const struct mark *mark = &document->marks.items[copies->marks_done];
        if (mark->undo_count > 1)
            collect_mark_copies(&gathering, mark, copies_end_of_batch(document, copies->marks_done));
    }
    if (copies->count - before > 1)
        qsort(copies->items + before, copies->count - before, sizeof *copies->items, copy_compare);
}

/* --- looking up --- */

static const struct copy *find_copy(const struct copies *copies, uint64_t id, uint64_t *len)
{
    size_t at;
    BISECT(at, copies->count, copies->items[at].id + copies->items[at].len <= id);
    if (at == copies->count)
        return NULL;
    const struct copy *copy = &copies->items[at];
    bool holds = copy->id <= id;
    *len = least(*len, holds ? copy->id + copy->len - id : copy->id - id);
    return holds ? copy : NULL;
}

/* An original is older than its copy: what says otherwise is somebody's invention, and going back from copy to copy ends. */
static bool is_older(uint64_t original, uint64_t copy)
{
    return original >= TRACKER_BASE || original < copy;
}

bool copies_original(const struct copies *copies, uint64_t id, uint64_t *len, uint64_t *original)
{
    const struct copy *copy = find_copy(copies, id, len);
    if (!copy || !is_older(copy->original, copy->id))
        return false;
    *original = copy->original + (id - copy->id);
    return true;
}

uint64_t copies_deleter(const struct copies *copies, uint64_t id)
{
    uint64_t one = 1;
    const struct copy *copy = find_copy(copies, id, &one);
    ensure(copy);
    return copy->back ? copy->by - (id - copy->id) : copy->by + (id - copy->id);
}

uint64_t copies_root(const struct copies *copies, uint64_t id, uint64_t *len)
{
    while (copies_original(copies, id, len, &id))
        continue;
    return id;
}
