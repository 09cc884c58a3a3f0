#include "sync/document_collisions.h"

#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/least.h"
#include "editor/base/xalloc.h"
#include "sync/document_copies.h"
#include "sync/document_whole.h"

/* Units with ids in a row that stand in a row: a span of the tracker. */
struct block {
    uint64_t id, len;
    uint64_t place;       /* of the first among all units that ever were, counted from 1 */
    uint64_t at;          /* in the present text: how many are shown before it */
    uint64_t left, right; /* as in struct span */
    bool gone;
};

/* Events in a row, of one edit and one run of the graph, whose units are in one block. */
struct row {
    uint64_t lv, len;
    size_t edit;
    bool inserts, back; /* back: the last event deleted the first unit */
    uint64_t id;        /* of the first unit */
    uint64_t place;
    uint64_t block_end;   /* the place of the last unit of its block */
    uint64_t low, high; /* touched places; of what deletes, with the neighbours */
    uint64_t at;        /* in the present text */
    bool gone;
};

/* Two rows that collide, by the edits they are of: the lower one first. */
struct touch {
    size_t edits[2];
    size_t rows[2];
};

struct colliding {
    struct document *document;
    const struct tracker *whole;
    struct edits edits;
    struct log_list log;   /* of the same edits */
    struct lv_ranges span; /* the events that are asked for, ascending */
    struct block *blocks;  /* by id */
    size_t block_count, block_cap;
    uint64_t places;       /* units that ever were */
    struct row *rows;      /* by LV */
    size_t row_count, row_cap;
    struct touch *touches;
    size_t touch_count, touch_cap;
    uint64_t looks;
    bool cut;
};

void collision_list_release(struct collision_list *list)
{
    free(list->items);
    *list = (struct collision_list){0};
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* --- all units in their order --- */

static int block_compare(const void *a, const void *b)
{
    const struct block *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

static void collect_blocks(struct colliding *colliding)
{
    const struct spans *spans = &colliding->whole->spans;
    struct span_place place = spans_start(spans);
    uint64_t at = 0;
    for (const struct span *span; (span = spans_peek(spans, &place)); spans_next(&place)) {
        colliding->blocks =
            xgrow(colliding->blocks, &colliding->block_cap, colliding->block_count + 1, sizeof *colliding->blocks);
        colliding->blocks[colliding->block_count++] =
            (struct block){span->id, span->len, colliding->places + 1, at, span->left, span->right, span->gone};
        colliding->places += span->len;
        at += span->gone ? 0 : span->len;
    }
    if (colliding->block_count > 1)
        qsort(colliding->blocks, colliding->block_count, sizeof *colliding->blocks, block_compare);
}

static const struct block *block_of(const struct colliding *colliding, uint64_t id)
{
    size_t after;
    BISECT(after, colliding->block_count, colliding->blocks[after].id <= id);
    ensure(after > 0);
    const struct block *block = &colliding->blocks[after - 1];
    ensure(id - block->id < block->len);
    return block;
}

/* Of an origin. `edge` is where the text ends on that side. */
static uint64_t place_of(const struct colliding *colliding, uint64_t id, uint64_t edge)
{
    if (id == TRACKER_EDGE)
        return edge;
    const struct block *block = block_of(colliding, id);
    return block->place + (id - block->id);
}

/* --- events by rows --- */

static struct row *add_row(struct colliding *colliding, const struct block *block, uint64_t id)
{
    colliding->rows = xgrow(colliding->rows, &colliding->row_cap, colliding->row_count + 1, sizeof *colliding->rows);
    struct row *row = &colliding->rows[colliding->row_count++];
    *row = (struct row){.id = id, .place = block->place + (id - block->id), .gone = block->gone,
                        .block_end = block->place + block->len - 1};
    row->at = block->at + (block->gone ? 0 : id - block->id);
    return row;
}

static uint64_t add_inserts(struct colliding *colliding, uint64_t lv, uint64_t end, size_t edit)
{
    const struct block *block = block_of(colliding, lv);
    struct row *row = add_row(colliding, block, lv);
    row->lv = lv;
    row->len = least(end - lv, block->id + block->len - lv);
    row->edit = edit;
    row->inserts = true;
    row->low = lv == block->id ? place_of(colliding, block->left, 0) : row->place - 1;
    row->high = place_of(colliding, block->right, colliding->places + 1);
    return row->len;
}

static void add_deletes(struct colliding *colliding, struct deleted deleted, size_t edit)
{
    for (uint64_t done = 0, len; done < deleted.len; done += len) {
        const struct block *block = block_of(colliding, deleted.id + done);
        len = least(deleted.len - done, block->id + block->len - (deleted.id + done));
        struct row *row = add_row(colliding, block, deleted.id + done);
        row->lv = deleted.back ? deleted.by - done - (len - 1) : deleted.by + done;
        row->len = len;
        row->edit = edit;
        row->back = deleted.back;
        row->low = row->place - 1;
        row->high = row->place + len;
    }
}

/* The event at lv and those after it that are of the same edit. Gives how many were looked at. */
static uint64_t add_events(struct colliding *colliding, uint64_t lv, uint64_t end)
{
    struct graph_author author = graph_author_of(colliding->document->graph, lv);
    size_t edit = edits_find(&colliding->edits, author.agent, author.seq);
    ensure(edit != EDIT_NONE);
    end = least(end, lv + least(author.len, colliding->edits.items[edit].end - author.seq));
    if (tracker_event(colliding->whole, lv).kind == ID_UNITS)
        return add_inserts(colliding, lv, end, edit);
    struct deleted deleted = deleted_by(colliding->whole, lv, end);
    add_deletes(colliding, deleted, edit);
    return deleted.events;
}

static int row_compare(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    return (left->lv > right->lv) - (left->lv < right->lv);
}

static void collect_rows(struct colliding *colliding)
{
    for (size_t i = 0; i < colliding->span.count; i++) {
        struct lv_range range = colliding->span.items[i];
        for (uint64_t lv = range.first; lv < range.end;) {
            uint64_t end = least(range.end, graph_run_of(colliding->document->graph, lv).end);
            lv += add_events(colliding, lv, end);
        }
    }
    if (colliding->row_count > 1)
        qsort(colliding->rows, colliding->row_count, sizeof *colliding->rows, row_compare);
}

/* --- which of them touch --- */

/* The last event of a row whose unit is at one of these places; there is one. */
static uint64_t last_within(const struct row *row, uint64_t low, uint64_t high)
{
    uint64_t first = most(low, row->place) - row->place;
    uint64_t last = least(high, row->place + row->len - 1) - row->place;
    return row->back ? row->lv + (row->len - 1 - first) : row->lv + last;
}

static bool have_common(uint64_t low, uint64_t high, uint64_t other_low, uint64_t other_high)
{
    return low <= other_high && other_low <= high;
}

/*
 * The last of the inserts that touches one of the deletes. In the middle of a row a unit's left neighbour is the one before, so
 * what was deleted before the row is touched by its first event alone.
 */
static bool inserts_touch_deletes(const struct row *row, const struct row *deletes, uint64_t *lv)
{
    uint64_t last = deletes->place + deletes->len - 1;
    if (!have_common(row->low, row->high, deletes->place, last))
        return false;
    *lv = last < row->place ? row->lv : row->lv + least(row->len - 1, last + 1 - row->place);
    return true;
}

static bool inserts_touch_inserts(const struct row *row, const struct row *other, uint64_t *lv)
{
    *lv = row->lv + row->len - 1;
    if (row->place < other->place)
        return other->place < row->high || other->low < row->place + row->len - 1;
    if (row->place < other->high)
        return true;
    *lv = row->lv;
    return row->low < other->place + other->len - 1;
}

static bool deletes_touch(const struct row *row, const struct row *other, uint64_t *lv)
{
    if (!have_common(row->place, row->place + row->len - 1, other->low, other->high))
        return false;
    *lv = last_within(row, other->low, other->high);
    return true;
}

/* Whether one of the events of a row touches one of another row; *lv is the last one of the first row that does. */
static bool rows_touch(const struct row *row, const struct row *other, uint64_t *lv)
{
    if (!row->inserts)
        return deletes_touch(row, other, lv);
    return other->inserts ? inserts_touch_inserts(row, other, lv) : inserts_touch_deletes(row, other, lv);
}

static const struct agent_id *author_of(const struct colliding *colliding, const struct row *row)
{
    return &colliding->log.items[row->edit].author;
}

static void add_touch(struct colliding *colliding, size_t a, size_t b)
{
    if (colliding->touch_count == COLLISION_TOUCHES_MAX) {
        colliding->cut = true;
        return;
    }
    size_t edits[2] = {colliding->rows[a].edit, colliding->rows[b].edit};
    bool turned = edits[1] < edits[0];
    colliding->touches =
        xgrow(colliding->touches, &colliding->touch_cap, colliding->touch_count + 1, sizeof *colliding->touches);
    colliding->touches[colliding->touch_count++] =
        (struct touch){{edits[turned], edits[!turned]}, {turned ? b : a, turned ? a : b}};
}

static int row_place_compare(const void *a, const void *b)
{
    const struct row *left = *(const struct row *const *)a, *right = *(const struct row *const *)b;
    if (left->place != right->place)
        return left->place < right->place ? -1 : 1;
    return row_compare(left, right);
}

/* The first row with an event at or after this one. */
static size_t row_from(const struct colliding *colliding, uint64_t lv)
{
    size_t at;
    BISECT(at, colliding->row_count, colliding->rows[at].lv + colliding->rows[at].len <= lv);
    return at;
}

/* False once all looks were had. */
static bool may_look(struct colliding *colliding, uint64_t looks)
{
    colliding->looks += looks;
    if (colliding->looks > COLLISION_LOOKS_MAX)
        colliding->cut = true;
    return !colliding->cut;
}

/* --- what nobody knew of whom --- */

struct row_refs {
    const struct row **items;
    size_t count, cap;
};

struct running {
    struct lv_list heads, parents;    /* of all events before a run; of the run */
    struct lv_ranges unknown, known;  /* ascending: events before the run that its author did not know */
    struct row_refs others, own;      /* rows of these; of the run */
};

static void add_ref(struct row_refs *refs, const struct row *row)
{
    refs->items = xgrow(refs->items, &refs->cap, refs->count + 1, sizeof(const struct row *));
    refs->items[refs->count++] = row;
}

static void add_refs(struct colliding *colliding, struct lv_range events, struct row_refs *refs)
{
    for (size_t i = row_from(colliding, events.first);
         i < colliding->row_count && colliding->rows[i].lv < events.end && may_look(colliding, 1); i++)
        add_ref(refs, &colliding->rows[i]);
}

/* Two rows of which the author of `own` may have known the beginning of the other. */
static void look_at(struct colliding *colliding, const struct running *running, const struct row *other, const struct row *own)
{
    uint64_t lv;
    if (!agent_id_equal(author_of(colliding, own), author_of(colliding, other)) && rows_touch(other, own, &lv) &&
        lv_ranges_have(&running->unknown, lv))
        add_touch(colliding, (size_t)(other - colliding->rows), (size_t)(own - colliding->rows));
}

static void look_at_all(struct colliding *colliding, const struct running *running)
{
    for (size_t i = 0; i < running->own.count; i++)
        for (size_t j = 0; j < running->others.count && may_look(colliding, 1); j++)
            look_at(colliding, running, running->others.items[j], running->own.items[i]);
}

static bool reaches(const struct row *row, const struct row *other)
{
    return have_common(row->low, row->high, other->place, other->place + other->len - 1);
}

/* The first of sorted rows that may have a unit at or behind a place: its block does. */
static size_t ref_from(const struct row_refs *refs, uint64_t place)
{
    size_t at;
    BISECT(at, refs->count, refs->items[at]->block_end < place);
    return at;
}

/* What touches stands within what one of the two reaches: first what the own rows reach, then what only the others do. */
static void look_by_place(struct colliding *colliding, struct running *running)
{
    struct row_refs *own = &running->own, *others = &running->others;
    qsort(own->items, own->count, sizeof(const struct row *), row_place_compare);
    qsort(others->items, others->count, sizeof(const struct row *), row_place_compare);
    for (size_t i = 0; i < own->count; i++) {
        const struct row *row = own->items[i];
        for (size_t j = ref_from(others, row->low);
             j < others->count && others->items[j]->place <= row->high && may_look(colliding, 1); j++)
            if (reaches(row, others->items[j]))
                look_at(colliding, running, others->items[j], row);
    }
    for (size_t i = 0; i < others->count; i++) {
        const struct row *other = others->items[i];
        for (size_t j = ref_from(own, other->low);
             j < own->count && own->items[j]->place <= other->high && may_look(colliding, 1); j++)
            if (!reaches(own->items[j], other))
                look_at(colliding, running, other, own->items[j]);
    }
}

/* The heads when the run has come. */
static void pass(struct running *running, const struct graph_run *run)
{
    size_t kept = 0;
    for (size_t i = 0, p = 0; i < running->heads.count; i++) {
        while (p < run->parent_count && run->parents[p] < running->heads.items[i])
            p++;
        if (p == run->parent_count || run->parents[p] != running->heads.items[i])
            running->heads.items[kept++] = running->heads.items[i];
    }
    running->heads.count = kept;
    lv_list_add(&running->heads, run->end - 1);
}

/* All rows of a run: its events knew the same of all that came before it. */
static void look_from(struct colliding *colliding, struct running *running, const struct graph_run *run)
{
    enum { FEW = 4 }; /* where there are so few, sorting costs more */
    struct graph *graph = colliding->document->graph;
    running->own.count = running->others.count = 0;
    add_refs(colliding, (struct lv_range){run->first, run->end}, &running->own);
    if (running->own.count == 0)
        return;
    uint64_t visits = graph_visits(graph);
    lv_list_set(&running->parents, run->parents, run->parent_count);
    graph_diff(graph, &running->heads, &running->parents, &running->unknown, &running->known);
    lv_ranges_sort(&running->unknown);
    for (size_t i = 0; i < running->unknown.count && may_look(colliding, 1); i++)
        add_refs(colliding, running->unknown.items[i], &running->others);
    if (!may_look(colliding, graph_visits(graph) - visits))
        return;
    if (running->own.count <= FEW || running->others.count <= FEW)
        look_at_all(colliding, running);
    else
        look_by_place(colliding, running);
}

static void find_touches(struct colliding *colliding)
{
    struct running running = {0};
    struct graph_run run;
    for (uint64_t lv = 0; lv < graph_len(colliding->document->graph) && may_look(colliding, running.heads.count); lv = run.end) {
        run = graph_run_of(colliding->document->graph, lv);
        look_from(colliding, &running, &run);
        pass(&running, &run);
    }
    lv_list_release(&running.heads);
    lv_list_release(&running.parents);
    lv_ranges_release(&running.unknown);
    lv_ranges_release(&running.known);
    free(running.others.items);
    free(running.own.items);
}

/* --- what is told of them --- */

static int touch_compare(const void *a, const void *b)
{
    const struct touch *left = a, *right = b;
    for (int side = 0; side < 2; side++)
        if (left->edits[side] != right->edits[side])
            return left->edits[side] < right->edits[side] ? -1 : 1;
    return 0;
}

static void add_snippet(const struct colliding *colliding, const struct row *row, struct snippet *snippet)
{
    struct buf bytes = {0};
    uint64_t room = sizeof snippet->bytes - snippet->len;
    snippet->of += row->len;
    document_read_units(colliding->document, row->id, least(row->len, room), &bytes);
    for (size_t i = 0; i < bytes.len; i++)
        snippet->bytes[snippet->len++] = bytes.data[i];
    buf_release(&bytes);
}

static void see_place(const struct row *row, uint64_t *place, struct collision *collision)
{
    bool better = row->gone == collision->gone ? row->place < *place : !row->gone;
    if (!better)
        return;
    *place = row->place;
    collision->at = row->at;
    collision->gone = row->gone;
}

/* One side of touches of the same two edits. `rows` has room for all. */
static void tell_side(const struct colliding *colliding, const struct touch *touches, size_t count, int side,
                      const struct row **rows, uint64_t *place, struct collision *collision)
{
    struct collision_side *out = &collision->sides[side];
    out->edit = colliding->log.items[touches->edits[side]];
    for (size_t i = 0; i < count; i++)
        rows[i] = &colliding->rows[touches[i].rows[side]];
    if (count > 1)
        qsort(rows, count, sizeof(const struct row *), row_place_compare);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && rows[i] == rows[i - 1])
            continue;
        see_place(rows[i], place, collision);
        add_snippet(colliding, rows[i], rows[i]->inserts ? &out->inserted : &out->deleted);
    }
}

static void tell(struct colliding *colliding, struct collision_list *out)
{
    const struct row **rows = xmalloc((colliding->touch_count + 1) * sizeof(const struct row *));
    out->cut = colliding->cut;
    if (colliding->touch_count > 1)
        qsort(colliding->touches, colliding->touch_count, sizeof *colliding->touches, touch_compare);
    for (size_t first = 0, end; first < colliding->touch_count; first = end) {
        const struct touch *touches = &colliding->touches[first];
        for (end = first + 1; end < colliding->touch_count && touch_compare(touches, &colliding->touches[end]) == 0;)
            end++;
        out->items = xgrow(out->items, &out->cap, out->count + 1, sizeof *out->items);
        struct collision *collision = &out->items[out->count++];
        *collision = (struct collision){.gone = true};
        uint64_t place = UINT64_MAX;
        for (int side = 0; side < 2; side++)
            tell_side(colliding, touches, end - first, side, rows, &place, collision);
    }
    free(rows);
}

/* --- the whole --- */

static bool set_span(struct document *document, const struct version *since, const struct version *until, struct lv_ranges *span)
{
    struct lv_list from = {0}, to = {0};
    struct lv_ranges older = {0};
    bool known = (!since || document_lvs(document, since, &from)) && (!until || document_lvs(document, until, &to));
    if (known)
        graph_diff(document->graph, until ? &to : graph_frontier(document->graph), &from, span, &older);
    lv_ranges_sort(span);
    lv_list_release(&from);
    lv_list_release(&to);
    lv_ranges_release(&older);
    return known;
}

static void colliding_release(struct colliding *colliding)
{
    edits_release(&colliding->edits);
    log_list_release(&colliding->log);
    lv_ranges_release(&colliding->span);
    free(colliding->blocks);
    free(colliding->rows);
    free(colliding->touches);
}

bool document_collisions(struct document *document, const struct version *since, const struct version *until,
                         struct collision_list *out)
{
    struct colliding colliding = {.document = document};
    struct error ignored = {0};
    out->count = 0;
    out->cut = false;
    if (!document_read_history(document, &ignored))
        return false;
    ensure(document->merged == graph_len(document->graph));
    bool known = set_span(document, since, until, &colliding.span);
    if (known && colliding.span.count > 0) {
        colliding.whole = document_whole(document);
        edits_collect(document, NULL, 0, &colliding.edits);
        document_log(document, &colliding.log);
        collect_blocks(&colliding);
        collect_rows(&colliding);
        find_touches(&colliding);
        tell(&colliding, out);
    }
    colliding_release(&colliding);
    return known;
}
