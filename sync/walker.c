#include "sync/walker.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"
#include "sync/delta.h"

/* Events in a row that are walked together: nobody's parent but the last, all of them old or all new. */
struct piece {
    uint64_t first, end;
    uint64_t critical_end;   /* its events before this one are critical versions of this walk */
    uint64_t weight;         /* about how many events come after it; decides which branch is visited first */
    const uint64_t *parents; /* of its first event, in the graph; NULL: the event before it */
    size_t parent_count;
    uint32_t waits; /* parents not yet visited, during a pass */
    uint32_t edges; /* first of the edges to its children, or NO_EDGE */
    bool fresh;     /* not in the old text: what it does goes out */
    bool critical;  /* all of its events are */
    bool has_child; /* while planning: its last event is somebody's parent */
};

struct edge {
    uint32_t child, next;
};

struct choice {
    uint64_t weight;
    uint32_t piece;
};

#define NO_EDGE UINT32_MAX

struct walker {
    struct graph *graph;
    struct oplog *log;
    struct critical *critical;
    uint64_t base_len;
    bool fast_path;
    uint64_t steps;

    struct tracker tracker;
    struct delta delta;
    bool summing;            /* the delta has begun: what happens to the text goes out */
    uint64_t start;          /* the critical version where the present block begins */
    struct lv_list prepared; /* the tracker's prepare version */
    uint64_t tracked_from;   /* the critical version at which the tracker begins */
    uint64_t tracked_end;    /* it holds all events after that and before this one; 0: nothing of use */
    size_t op_hint;          /* where in the log the last operation was */
    bool warm;               /* the next block goes on in the tracker as it is */

    struct piece *pieces; /* the plan, by LV */
    size_t count, cap;
    struct lv_list cuts;
    struct edge *edges;
    size_t edge_count, edge_cap;
    struct choice *ready; /* a stack: what can be visited next */
    size_t ready_count, ready_cap;

    struct lv_ranges old, fresh, gone; /* scratch */
    struct lv_list target;
};

struct walker *walker_new(struct graph *graph, struct oplog *log, struct critical *critical, uint64_t base_len)
{
    struct walker *walker = xcalloc(1, sizeof *walker);
    walker->graph = graph;
    walker->log = log;
    walker->critical = critical;
    walker->base_len = base_len;
    walker->fast_path = true;
    return walker;
}

void walker_free(struct walker *walker)
{
    if (!walker)
        return;
    tracker_release(&walker->tracker);
    delta_release(&walker->delta);
    lv_list_release(&walker->prepared);
    lv_list_release(&walker->cuts);
    lv_list_release(&walker->target);
    lv_ranges_release(&walker->old);
    lv_ranges_release(&walker->fresh);
    lv_ranges_release(&walker->gone);
    free(walker->pieces);
    free(walker->edges);
    free(walker->ready);
    free(walker);
}

void walker_set_fast_path(struct walker *walker, bool on)
{
    walker->fast_path = on;
}

uint64_t walker_steps(const struct walker *walker)
{
    return walker->steps;
}

/* --- the plan: pieces --- */

static struct piece *add_piece(struct walker *walker, uint64_t first, uint64_t end, bool fresh)
{
    walker->pieces = xgrow(walker->pieces, &walker->cap, walker->count + 1, sizeof *walker->pieces);
    struct piece *piece = &walker->pieces[walker->count++];
    *piece = (struct piece){.first = first, .end = end, .fresh = fresh, .edges = NO_EDGE};
    return piece;
}

static void add_range(struct walker *walker, struct lv_range range, bool fresh)
{
    while (range.first < range.end) {
        struct graph_run run = graph_run_of(walker->graph, range.first);
        uint64_t end = run.end < range.end ? run.end : range.end;
        struct piece *piece = add_piece(walker, range.first, end, fresh);
        if (range.first == run.first) {
            piece->parents = run.parents;
            piece->parent_count = run.parent_count;
        }
        range.first = end;
    }
}

/* Both lists are ascending; so is the plan. */
static void add_ranges(struct walker *walker, const struct lv_ranges *old, const struct lv_ranges *fresh)
{
    size_t i = 0, j = 0;
    walker->count = 0;
    while (i < old->count || j < fresh->count) {
        if (j == fresh->count || (i < old->count && old->items[i].first < fresh->items[j].first))
            add_range(walker, old->items[i++], false);
        else
            add_range(walker, fresh->items[j++], true);
    }
}

/* A piece's parents; `before` is room for the one of a piece that begins inside its run. */
static const uint64_t *parents_of(const struct piece *piece, size_t *count, uint64_t *before)
{
    *count = piece->parents ? piece->parent_count : 1;
    *before = piece->first - 1;
    return piece->parents ? piece->parents : before;
}

/* Which of the pieces from `low` on holds an event. */
static size_t piece_of(const struct walker *walker, size_t low, size_t high, uint64_t lv)
{
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (walker->pieces[middle].first <= lv)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool is_below_plan(const struct walker *walker, size_t low, uint64_t lv)
{
    return low == walker->count || lv < walker->pieces[low].first;
}

/* Pieces have to end where somebody went on from their middle; where a run ends, so does a piece. */
static void cut_at_parents(struct walker *walker)
{
    walker->cuts.count = 0;
    for (size_t i = 0; i < walker->count; i++) {
        uint64_t before;
        size_t count;
        const uint64_t *parents = parents_of(&walker->pieces[i], &count, &before);
        for (size_t p = 0; p < count; p++)
            if (!is_below_plan(walker, 0, parents[p]) && graph_run_of(walker->graph, parents[p]).end != parents[p] + 1)
                lv_list_add(&walker->cuts, parents[p] + 1);
    }
}

/* And where they begin or cease to be critical. */
static void cut_at_critical_end(struct walker *walker, const struct piece *piece)
{
    if (piece->first < piece->critical_end && piece->critical_end < piece->end)
        lv_list_add(&walker->cuts, piece->critical_end);
}

/*
 * A version is critical in this walk when it holds all events before it (it is then the only head), and all events
 * after it come from it (none of them has a parent before it, or none at all). This finds the second: up to where in a
 * piece.
 */
static void find_critical_ends(struct walker *walker)
{
    uint64_t end = UINT64_MAX; /* one more than the least parent of all pieces after */
    for (size_t i = walker->count; i > 0; i--) {
        struct piece *piece = &walker->pieces[i - 1];
        uint64_t before;
        size_t count;
        const uint64_t *parents = parents_of(piece, &count, &before);
        piece->critical_end = end < piece->end ? end : piece->end;
        uint64_t own = count ? parents[0] + 1 : 0;
        end = own < end ? own : end;
    }
}

/* How many heads a further piece takes away: those of its parents that had no child, or the beginning. */
static size_t heads_taken(struct walker *walker, size_t index, bool *start_has_child)
{
    uint64_t before;
    size_t count, taken = 0;
    const uint64_t *parents = parents_of(&walker->pieces[index], &count, &before);
    bool from_start = count == 0 || is_below_plan(walker, 0, parents[0]);
    if (from_start && !*start_has_child) {
        *start_has_child = true;
        taken++;
    }
    for (size_t p = 0; p < count; p++) {
        if (is_below_plan(walker, 0, parents[p]))
            continue;
        struct piece *parent = &walker->pieces[piece_of(walker, 0, index, parents[p])];
        if (!parent->has_child && parents[p] == parent->end - 1) {
            parent->has_child = true;
            taken++;
        }
    }
    return taken;
}

static void find_critical(struct walker *walker)
{
    bool start_has_child = false;
    size_t heads = 1;
    find_critical_ends(walker);
    for (size_t i = 0; i < walker->count; i++) {
        struct piece *piece = &walker->pieces[i];
        heads += 1 - heads_taken(walker, i, &start_has_child);
        if (!piece->fresh || heads != 1 || piece->critical_end < piece->first)
            piece->critical_end = piece->first;
        cut_at_critical_end(walker, piece);
    }
}

/* The same where the walk leads to all events: what is critical then is known. */
static void look_up_critical(struct walker *walker)
{
    for (size_t i = 0; i < walker->count; i++) {
        struct piece *piece = &walker->pieces[i];
        const struct critical_range *range = piece->fresh ? critical_find(walker->critical, piece->first) : NULL;
        uint64_t end = range ? range->last + 1 : 0;
        piece->critical_end = end < piece->first ? piece->first : end < piece->end ? end : piece->end;
        cut_at_critical_end(walker, piece);
    }
}

/* Replaces the pieces by what the cuts make of them. */
static void cut_pieces(struct walker *walker)
{
    size_t whole = walker->count;
    lv_list_sort(&walker->cuts);
    for (size_t i = 0, cut = 0; i < whole; i++) {
        struct piece piece = walker->pieces[i];
        while (piece.first < piece.end) {
            while (cut < walker->cuts.count && walker->cuts.items[cut] <= piece.first)
                cut++;
            uint64_t end = piece.end;
            if (cut < walker->cuts.count && walker->cuts.items[cut] < end)
                end = walker->cuts.items[cut];
            struct piece *part = add_piece(walker, piece.first, end, piece.fresh);
            part->critical = piece.first < piece.critical_end;
            part->parents = piece.parents;
            part->parent_count = piece.parent_count;
            piece.parents = NULL;
            piece.first = end;
        }
    }
    walker->count -= whole;
    for (size_t i = 0; i < walker->count; i++)
        walker->pieces[i] = walker->pieces[i + whole];
}

enum goal { GOAL_ALL, GOAL_VERSION }; /* where the walk leads: to all events or only to those of a version */

static void make_plan(struct walker *walker, const struct lv_ranges *old, const struct lv_ranges *fresh, enum goal goal)
{
    add_ranges(walker, old, fresh);
    cut_at_parents(walker);
    if (goal == GOAL_ALL)
        look_up_critical(walker);
    else
        find_critical(walker);
    cut_pieces(walker);
}

/* --- applying events --- */

/* An operation that was cut in two is judged, and noted, as a whole. */
static void note_invalid(struct walker *walker, const struct op_piece *op)
{
    if (op->shape != SHAPE_DELETE)
        oplog_note_invalid(walker->log, op->lv, op->lv + op->len);
    else if (op->lv == op->op_first)
        oplog_note_invalid(walker->log, op->lv, op->lv + op->op_len);
}

/* The next events of [lv, end) that are all valid or all void. */
static struct op_piece next_op(struct walker *walker, uint64_t lv, uint64_t end, uint64_t len, bool *valid)
{
    struct op_piece op = oplog_piece_near(walker->log, &walker->op_hint, lv, end);
    op.len = oplog_judge(walker->log, &op, len, valid);
    if (!*valid)
        note_invalid(walker, &op);
    return op;
}

static void sum_insert(struct walker *walker, uint64_t at, const struct op_piece *op)
{
    if (walker->summing)
        delta_insert(&walker->delta, at, op->text_at, op->len);
}

static void track_deletes(struct walker *walker, struct op_piece op)
{
    bool back = op.shape == SHAPE_BACKSPACE;
    while (op.len > 0) {
        struct tracker_deleted deleted = tracker_delete(&walker->tracker, op.lv, op.pos, op.len, back);
        if (walker->summing && deleted.shown)
            delta_delete(&walker->delta, deleted.at, deleted.len);
        op.lv += deleted.len;
        op.len -= deleted.len;
        op.pos -= back ? deleted.len : 0;
    }
}

static void track_op(struct walker *walker, const struct op_piece *op)
{
    switch (op->shape) {
    case SHAPE_INSERT:
        sum_insert(walker, tracker_insert(&walker->tracker, op->lv, op->pos, op->len), op);
        break;
    case SHAPE_DELETE:
    case SHAPE_DELETE_EACH:
    case SHAPE_BACKSPACE:
        track_deletes(walker, *op);
        break;
    case SHAPE_NOP:
        break;
    }
}

static void track_events(struct walker *walker, uint64_t first, uint64_t end)
{
    while (first < end) {
        bool valid;
        struct op_piece op = next_op(walker, first, end, tracker_len(&walker->tracker), &valid);
        if (valid)
            track_op(walker, &op);
        first += op.len;
        walker->steps += op.len;
    }
}

/* Retreats and advances, until the tracker stands where the next event was made. */
static void prepare(struct walker *walker, const uint64_t *version, size_t count)
{
    if (lv_list_is(&walker->prepared, version, count))
        return;
    struct lv_ranges *leave = &walker->gone, *enter = &walker->fresh;
    lv_list_set(&walker->target, version, count);
    graph_diff(walker->graph, &walker->prepared, &walker->target, leave, enter);
    for (size_t i = 0; i < leave->count; i++)
        tracker_retreat(&walker->tracker, leave->items[i].first, leave->items[i].end);
    for (size_t i = enter->count; i > 0; i--)
        tracker_advance(&walker->tracker, enter->items[i - 1].first, enter->items[i - 1].end);
    lv_list_set(&walker->prepared, version, count);
}

static void visit(struct walker *walker, const struct piece *piece)
{
    uint64_t before;
    size_t count;
    const uint64_t *parents = parents_of(piece, &count, &before);
    if (piece->critical)
        critical_note(walker->critical, piece->first, tracker_shown(&walker->tracker));
    prepare(walker, parents, count);
    track_events(walker, piece->first, piece->end);
    uint64_t last = piece->end - 1;
    lv_list_set(&walker->prepared, &last, 1);
}

static void apply_op(struct walker *walker, const struct op_piece *op)
{
    switch (op->shape) {
    case SHAPE_INSERT:
        delta_insert(&walker->delta, op->pos, op->text_at, op->len);
        break;
    case SHAPE_DELETE:
    case SHAPE_DELETE_EACH:
        delta_delete(&walker->delta, op->pos, op->len);
        break;
    case SHAPE_BACKSPACE:
        delta_delete(&walker->delta, op->pos - (op->len - 1), op->len);
        break;
    case SHAPE_NOP:
        break;
    }
}

/* The fast path: every event was made in the very text that it is applied to. */
static void apply_as_they_are(struct walker *walker, const struct piece *piece)
{
    critical_note(walker->critical, piece->first, delta_len(&walker->delta));
    for (uint64_t lv = piece->first; lv < piece->end;) {
        bool valid;
        struct op_piece op = next_op(walker, lv, piece->end, delta_len(&walker->delta), &valid);
        if (valid)
            apply_op(walker, &op);
        lv += op.len;
    }
}

/* --- the order of pieces between two critical versions --- */

static void add_edge(struct walker *walker, size_t parent, size_t child)
{
    walker->edges = xgrow(walker->edges, &walker->edge_cap, walker->edge_count + 1, sizeof *walker->edges);
    walker->edges[walker->edge_count] = (struct edge){(uint32_t)child, walker->pieces[parent].edges};
    walker->pieces[parent].edges = (uint32_t)walker->edge_count++;
}

static void link_pieces(struct walker *walker, size_t low, size_t high)
{
    walker->edge_count = 0;
    for (size_t i = low; i < high; i++) {
        uint64_t before;
        size_t count;
        const uint64_t *parents = parents_of(&walker->pieces[i], &count, &before);
        for (size_t p = 0; p < count; p++)
            if (!is_below_plan(walker, low, parents[p]))
                add_edge(walker, piece_of(walker, low, i, parents[p]), i);
    }
}

/* Events that can be reached by several ways count several times; only the comparison matters. */
static void weigh_pieces(struct walker *walker, size_t low, size_t high)
{
    for (size_t i = high; i > low; i--) {
        struct piece *piece = &walker->pieces[i - 1];
        piece->weight = piece->end - piece->first;
        for (uint32_t e = piece->edges; e != NO_EDGE; e = walker->edges[e].next) {
            uint64_t more = walker->pieces[walker->edges[e].child].weight;
            piece->weight = more > UINT64_MAX - piece->weight ? UINT64_MAX : piece->weight + more;
        }
    }
}

static int choice_compare(const void *a, const void *b)
{
    const struct choice *left = a, *right = b;
    if (left->weight != right->weight)
        return left->weight < right->weight ? 1 : -1;
    return left->piece < right->piece ? 1 : -1;
}

static void push_ready(struct walker *walker, size_t index)
{
    walker->ready = xgrow(walker->ready, &walker->ready_cap, walker->ready_count + 1, sizeof *walker->ready);
    walker->ready[walker->ready_count++] = (struct choice){walker->pieces[index].weight, (uint32_t)index};
}

/* Of what became ready together, the lightest comes on top. */
static void sort_ready(struct walker *walker, size_t from)
{
    if (walker->ready_count - from > 1)
        qsort(walker->ready + from, walker->ready_count - from, sizeof *walker->ready, choice_compare);
}

static void count_waits(struct walker *walker, size_t low, size_t high, bool fresh)
{
    for (size_t i = low; i < high; i++)
        walker->pieces[i].waits = 0;
    for (size_t i = low; i < high; i++)
        for (uint32_t e = walker->pieces[i].edges; e != NO_EDGE; e = walker->edges[e].next)
            walker->pieces[walker->edges[e].child].waits += walker->pieces[i].fresh == fresh;
}

static void push_children(struct walker *walker, const struct piece *piece)
{
    size_t from = walker->ready_count;
    for (uint32_t e = piece->edges; e != NO_EDGE; e = walker->edges[e].next) {
        struct piece *child = &walker->pieces[walker->edges[e].child];
        if (child->fresh == piece->fresh && --child->waits == 0)
            push_ready(walker, walker->edges[e].child);
    }
    sort_ready(walker, from);
}

/* Visits all old or all fresh pieces of a block, each after its parents, branch by branch. */
static void walk_pass(struct walker *walker, size_t low, size_t high, bool fresh)
{
    count_waits(walker, low, high, fresh);
    walker->ready_count = 0;
    for (size_t i = low; i < high; i++)
        if (walker->pieces[i].fresh == fresh && walker->pieces[i].waits == 0)
            push_ready(walker, i);
    sort_ready(walker, 0);
    while (walker->ready_count > 0) {
        const struct piece *piece = &walker->pieces[walker->ready[--walker->ready_count].piece];
        visit(walker, piece);
        push_children(walker, piece);
    }
}

static void begin_sum(struct walker *walker, uint64_t len)
{
    delta_begin(&walker->delta, len);
    walker->summing = true;
}

static void begin_block(struct walker *walker, uint64_t len)
{
    tracker_begin(&walker->tracker, walker->graph, len);
    lv_list_set(&walker->prepared, &walker->start, walker->start != LV_NONE);
    walker->tracked_from = walker->start;
    walker->tracked_end = 0;
}

/* Pieces [low, high) in a tracker that begins with a text of `len` bytes, or in the warm one. */
static void walk_block(struct walker *walker, size_t low, size_t high, uint64_t len)
{
    if (!walker->warm)
        begin_block(walker, len);
    walker->warm = false;
    if (low < high)
        walker->tracked_end = walker->pieces[high - 1].end;
    link_pieces(walker, low, high);
    weigh_pieces(walker, low, high);
    if (!walker->summing) {
        walk_pass(walker, low, high, false);
        begin_sum(walker, tracker_shown(&walker->tracker));
    }
    walk_pass(walker, low, high, true);
}

static bool is_fast(const struct walker *walker, size_t index)
{
    return walker->fast_path && walker->pieces[index].critical;
}

static void walk_plan(struct walker *walker, uint64_t len)
{
    for (size_t low = 0, high; low < walker->count; low = high) {
        high = low + 1;
        if (is_fast(walker, low)) {
            apply_as_they_are(walker, &walker->pieces[low]);
            walker->warm = false;
        } else {
            while (high < walker->count && !is_fast(walker, high))
                high++;
            walk_block(walker, low, high, walker->summing ? delta_len(&walker->delta) : len);
        }
        walker->start = walker->pieces[high - 1].end - 1;
    }
}

/* --- from where to where --- */

static void walk(struct walker *walker, uint64_t len, const struct lv_ranges *old, const struct lv_ranges *fresh,
                 enum goal goal, struct patch *out)
{
    make_plan(walker, old, fresh, goal);
    walker->summing = false;
    if (old->count == 0)
        begin_sum(walker, len);
    walk_plan(walker, len);
    if (walker->summing)
        delta_patch(&walker->delta, buf_view(&walker->log->text), out);
    else
        patch_clear(out);
    walker->warm = false;
}

/* Walks everything for what it finds out on the way: lengths at critical versions, operations without effect. */
static void measure(struct walker *walker)
{
    struct patch text = {0};
    walker->start = LV_NONE;
    walker->warm = false;
    walker->old.count = walker->fresh.count = 0;
    lv_ranges_add(&walker->fresh, 0, graph_len(walker->graph));
    walk(walker, walker->base_len, &walker->old, &walker->fresh, GOAL_ALL, &text);
    patch_release(&text);
}

/* Sets walker->start to the last critical version at or before lv, and gives the length of its text. */
static uint64_t find_start(struct walker *walker, uint64_t lv)
{
    const struct critical_range *range = lv == LV_NONE ? NULL : critical_find(walker->critical, lv);
    walker->start = LV_NONE;
    if (!range)
        return walker->base_len;
    if (range->len_before == UINT64_MAX) /* the text was loaded, not made */
        measure(walker);
    walker->start = lv < range->last ? lv : range->last;
    int64_t net = oplog_net(walker->log, range->first, walker->start + 1);
    return range->len_before + (uint64_t)net;
}

static uint64_t event_after(uint64_t lv)
{
    return lv == LV_NONE ? 0 : lv + 1;
}

/* Whether a walk from walker->start whose old text is that of the events before `merged` can go on in the kept tracker.
 */
static bool is_warm(const struct walker *walker, uint64_t merged)
{
    return walker->tracked_end > 0 && walker->tracked_end <= merged && walker->tracked_from == walker->start;
}

void walker_update(struct walker *walker, uint64_t merged, struct patch *out)
{
    uint64_t len = find_start(walker, merged > 0 ? merged - 1 : LV_NONE);
    uint64_t first = event_after(walker->start);
    walker->warm = is_warm(walker, merged);
    if (walker->warm) {
        first = walker->tracked_end;
        len = tracker_shown(&walker->tracker);
    }
    walker->old.count = walker->fresh.count = 0;
    lv_ranges_add(&walker->old, first, merged);
    lv_ranges_add(&walker->fresh, merged, graph_len(walker->graph));
    walk(walker, len, &walker->old, &walker->fresh, GOAL_ALL, out);
}

void walker_since(struct walker *walker, const struct lv_list *version, struct patch *out)
{
    struct lv_list start = {0};
    uint64_t len = find_start(walker, version->count ? version->items[version->count - 1] : LV_NONE);
    lv_list_set(&start, &walker->start, walker->start != LV_NONE);
    graph_diff(walker->graph, version, &start, &walker->old, &walker->gone);
    graph_diff(walker->graph, graph_frontier(walker->graph), version, &walker->fresh, &walker->gone);
    lv_ranges_sort(&walker->old);
    lv_ranges_sort(&walker->fresh);
    walk(walker, len, &walker->old, &walker->fresh, GOAL_ALL, out);
    lv_list_release(&start);
}

/* All events that the warm tracker lacks. */
static void catch_up(struct walker *walker)
{
    walker->old.count = walker->fresh.count = 0;
    lv_ranges_add(&walker->old, walker->tracked_end, graph_len(walker->graph));
    make_plan(walker, &walker->old, &walker->fresh, GOAL_ALL);
    walker->summing = false;
    walker->warm = true;
    walk_block(walker, 0, walker->count, 0);
}

bool walker_map(struct walker *walker, const struct lv_list *version, uint64_t *positions, size_t count)
{
    find_start(walker, version->count ? version->items[version->count - 1] : LV_NONE);
    if (!is_warm(walker, graph_len(walker->graph)))
        return false;
    catch_up(walker);
    prepare(walker, version->items, version->count);
    for (size_t i = 0; i < count; i++)
        positions[i] = tracker_map(&walker->tracker, positions[i]);
    return true;
}

void walker_to(struct walker *walker, const struct lv_list *version, struct patch *out)
{
    const struct lv_list root = {0};
    walker->start = LV_NONE;
    graph_diff(walker->graph, version, &root, &walker->fresh, &walker->gone);
    lv_ranges_sort(&walker->fresh);
    walker->old.count = 0;
    walk(walker, walker->base_len, &walker->old, &walker->fresh, GOAL_VERSION, out);
    walker->tracked_end = 0;
}

const struct tracker *walker_track(struct walker *walker, uint64_t from, uint64_t *base)
{
    uint64_t len = find_start(walker, from > 0 ? from - 1 : LV_NONE);
    *base = walker->start;
    walker->old.count = walker->fresh.count = 0;
    lv_ranges_add(&walker->old, event_after(walker->start), graph_len(walker->graph));
    make_plan(walker, &walker->old, &walker->fresh, GOAL_ALL);
    walker->summing = false;
    walk_block(walker, 0, walker->count, len);
    const struct lv_list *all = graph_frontier(walker->graph);
    prepare(walker, all->items, all->count);
    return &walker->tracker;
}
