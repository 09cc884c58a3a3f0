#include "sync/walker_plan.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"
#include "sync/column.h"

struct walker_edge {
    uint32_t child, next;
};

struct walker_choice {
    uint64_t weight;
    uint32_t piece;
};

#define NO_EDGE UINT32_MAX

#ifdef WEFT_SMALL_NODES
enum { PATIENCE = 1, NEAR = 8 };
#else
enum {
    PATIENCE = 8, /* as many times the events of a short block so far may be moved over in it */
    NEAR = 256,   /* and so many in any case */
};
#endif

void walker_plan_release(struct walker_plan *plan)
{
    lv_list_release(&plan->cuts);
    free(plan->pieces);
    free(plan->edges);
    free(plan->ready);
    free(plan->seen);
    *plan = (struct walker_plan){0};
}

/* --- pieces --- */

static struct walker_piece *add_piece(struct walker_plan *plan, uint64_t first, uint64_t end, bool fresh)
{
    plan->pieces = xgrow(plan->pieces, &plan->cap, plan->count + 1, sizeof *plan->pieces);
    struct walker_piece *piece = &plan->pieces[plan->count++];
    *piece = (struct walker_piece){.first = first, .end = end, .fresh = fresh, .edges = NO_EDGE};
    return piece;
}

static void add_range(struct walker_plan *plan, struct lv_range range, bool fresh)
{
    size_t most = plan->count + graph_runs_in(plan->graph, range.first, range.end);
    plan->pieces = xgrow(plan->pieces, &plan->cap, most, sizeof *plan->pieces);
    while (range.first < range.end) {
        struct graph_run run = graph_run_of(plan->graph, range.first);
        uint64_t end = run.end < range.end ? run.end : range.end;
        struct walker_piece *piece = add_piece(plan, range.first, end, fresh);
        if (range.first == run.first) {
            piece->parents = run.parents;
            piece->parent_count = (uint32_t)run.parent_count;
        }
        range.first = end;
    }
}

/* Both lists are ascending; so is the plan. */
static void add_ranges(struct walker_plan *plan, const struct lv_ranges *old, const struct lv_ranges *fresh)
{
    size_t i = 0, j = 0;
    plan->count = 0;
    while (i < old->count || j < fresh->count) {
        if (j == fresh->count || (i < old->count && old->items[i].first < fresh->items[j].first))
            add_range(plan, old->items[i++], false);
        else
            add_range(plan, fresh->items[j++], true);
    }
}

const uint64_t *walker_plan_parents(const struct walker_piece *piece, size_t *count, uint64_t *before)
{
    *count = piece->parents ? piece->parent_count : 1;
    *before = piece->first - 1;
    return piece->parents ? piece->parents : before;
}

/* Which of the pieces from `low` on holds an event. */
static size_t piece_of(const struct walker_plan *plan, size_t low, size_t high, uint64_t lv)
{
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (plan->pieces[middle].first <= lv)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool is_below_plan(const struct walker_plan *plan, size_t low, uint64_t lv)
{
    return low == plan->count || lv < plan->pieces[low].first;
}

/* Pieces have to end where somebody went on from their middle; where a run ends, so does a piece. */
static void cut_at_parents(struct walker_plan *plan)
{
    plan->cuts.count = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct walker_piece *piece = &plan->pieces[i];
        for (size_t p = 0; p < piece->parent_count; p++)
            if (!is_below_plan(plan, 0, piece->parents[p]) && graph_parent_is_inside(plan->graph, &piece->parents[p]))
                lv_list_add(&plan->cuts, piece->parents[p] + 1);
    }
}

/*
 * A version is critical in this walk when it holds all events before it (it is then the only head), and all events
 * after it come from it (none of them has a parent before it, or none at all). This finds the second: up to where in a
 * piece.
 */
static void find_critical_ends(struct walker_plan *plan)
{
    uint64_t end = UINT64_MAX; /* one more than the least parent of all pieces after */
    for (size_t i = plan->count; i > 0; i--) {
        struct walker_piece *piece = &plan->pieces[i - 1];
        uint64_t before;
        size_t count;
        const uint64_t *parents = walker_plan_parents(piece, &count, &before);
        piece->critical_end = end < piece->end ? end : piece->end;
        uint64_t own = count ? parents[0] + 1 : 0;
        end = own < end ? own : end;
    }
}

/* How many heads a further piece takes away: those of its parents that had no child, or the beginning. */
static size_t heads_taken(struct walker_plan *plan, size_t index, bool *start_has_child)
{
    uint64_t before;
    size_t count, taken = 0;
    const uint64_t *parents = walker_plan_parents(&plan->pieces[index], &count, &before);
    bool from_start = count == 0 || is_below_plan(plan, 0, parents[0]);
    if (from_start && !*start_has_child) {
        *start_has_child = true;
        taken++;
    }
    for (size_t p = 0; p < count; p++) {
        if (is_below_plan(plan, 0, parents[p]))
            continue;
        struct walker_piece *parent = &plan->pieces[piece_of(plan, 0, index, parents[p])];
        if (!parent->has_child && parents[p] == parent->end - 1) {
            parent->has_child = true;
            taken++;
        }
    }
    return taken;
}

static void find_critical(struct walker_plan *plan)
{
    bool start_has_child = false;
    size_t heads = 1;
    find_critical_ends(plan);
    for (size_t i = 0; i < plan->count; i++) {
        struct walker_piece *piece = &plan->pieces[i];
        heads += 1 - heads_taken(plan, i, &start_has_child);
        if (!piece->fresh || heads != 1 || piece->critical_end < piece->first)
            piece->critical_end = piece->first;
    }
}

/* The same where the walk leads to all events: what is critical then is known. */
static void look_up_critical(struct walker_plan *plan, const struct critical *critical)
{
    size_t hint = 0;
    for (size_t i = 0; i < plan->count; i++) {
        struct walker_piece *piece = &plan->pieces[i];
        const struct critical_range *range = piece->fresh ? critical_find_near(critical, piece->first, &hint) : NULL;
        uint64_t end = range ? range->last + 1 : 0;
        piece->critical_end = end < piece->first ? piece->first : end < piece->end ? end : piece->end;
    }
}

/* Where the first part of a piece ends. Pieces and parts are gone through in their order; *cut is the number of the next cut. */
static uint64_t part_end(const struct walker_plan *plan, const struct walker_piece *piece, size_t *cut)
{
    uint64_t end = piece->end;
    while (*cut < plan->cuts.count && plan->cuts.items[*cut] <= piece->first)
        (*cut)++;
    if (*cut < plan->cuts.count && plan->cuts.items[*cut] < end)
        end = plan->cuts.items[*cut];
    if (piece->first < piece->critical_end && piece->critical_end < end) /* where they cease to be critical */
        end = piece->critical_end;
    return end;
}

static size_t count_parts(const struct walker_plan *plan)
{
    size_t parts = 0, cut = 0;
    for (size_t i = 0; i < plan->count; i++) {
        struct walker_piece rest = plan->pieces[i];
        for (; rest.first < rest.end; parts++)
            rest.first = part_end(plan, &rest, &cut);
    }
    return parts;
}

/* Replaces the pieces by what the cuts make of them, in their own array: they are the most that a plan takes. */
static void cut_pieces(struct walker_plan *plan)
{
    size_t parts, cut = 0, moved;
    lv_list_sort(&plan->cuts);
    parts = count_parts(plan);
    moved = parts - plan->count;
    for (size_t i = 0; moved == 0 && i < parts; i++)
        plan->pieces[i].critical = plan->pieces[i].first < plan->pieces[i].critical_end;
    if (moved == 0)
        return;
    plan->pieces = xgrow(plan->pieces, &plan->cap, parts, sizeof *plan->pieces);
    memmove(plan->pieces + moved, plan->pieces, plan->count * sizeof *plan->pieces);
    plan->count = 0;
    for (size_t i = moved; i < parts; i++) {
        struct walker_piece rest = plan->pieces[i];
        while (rest.first < rest.end) {
            uint64_t end = part_end(plan, &rest, &cut);
            struct walker_piece *part = add_piece(plan, rest.first, end, rest.fresh);
            part->critical = rest.first < rest.critical_end;
            part->parents = rest.parents;
            part->parent_count = rest.parent_count;
            rest.parents = NULL;
            rest.first = end;
        }
    }
}

void walker_plan_make(struct walker_plan *plan, struct graph *graph, const struct lv_ranges *old,
                      const struct lv_ranges *fresh, const struct critical *critical)
{
    plan->graph = graph;
    add_ranges(plan, old, fresh);
    cut_at_parents(plan);
    if (critical)
        look_up_critical(plan, critical);
    else
        find_critical(plan);
    cut_pieces(plan);
    ensure(plan->count < NO_EDGE);
}

/* --- the order of pieces between two critical versions --- */

static void add_edge(struct walker_plan *plan, size_t parent, size_t child)
{
    plan->edges = xgrow(plan->edges, &plan->edge_cap, plan->edge_count + 1, sizeof *plan->edges);
    plan->edges[plan->edge_count] = (struct walker_edge){(uint32_t)child, plan->pieces[parent].edges};
    plan->pieces[parent].edges = (uint32_t)plan->edge_count++;
}

static void link_piece(struct walker_plan *plan, size_t index)
{
    uint64_t before;
    size_t count;
    const uint64_t *parents = walker_plan_parents(&plan->pieces[index], &count, &before);
    size_t near = index - plan->low; /* mostly it is not far back */
    plan->pieces[index].waits = 0;
    if (plan->is_short)
        walker_seen_piece(plan->seen, index - plan->low);
    for (size_t p = 0; p < count; p++) {
        if (is_below_plan(plan, plan->low, parents[p]))
            continue;
        const struct walker_piece *block = &plan->pieces[plan->low];
        size_t parent = plan->low + column_find(block, sizeof *block, index - plan->low, parents[p], &near);
        add_edge(plan, parent, index);
        plan->pieces[index].waits += plan->pieces[parent].fresh == plan->pieces[index].fresh;
        if (plan->is_short)
            walker_seen_parent(plan->seen, index - plan->low, parent - plan->low);
    }
}

/* What comes before a block in the warm tracker may be anywhere; before every other one there is one version only. */
static void link_pieces(struct walker_plan *plan, bool warm)
{
    plan->edge_count = 0;
    plan->is_short = !warm && plan->high - plan->low <= WALKER_SEEN_MAX;
    if (plan->is_short && !plan->seen)
        plan->seen = xmalloc(sizeof *plan->seen);
    if (plan->is_short)
        walker_seen_begin(plan->seen, plan->high - plan->low);
    plan->moved = plan->visited = 0;
    for (size_t i = plan->low; i < plan->high; i++)
        link_piece(plan, i);
}

/* Events that can be reached by several ways count several times; only the comparison matters. */
static void weigh_pieces(struct walker_plan *plan)
{
    for (size_t i = plan->high; i > plan->low; i--) {
        struct walker_piece *piece = &plan->pieces[i - 1];
        piece->weight = piece->end - piece->first;
        for (uint32_t e = piece->edges; e != NO_EDGE; e = plan->edges[e].next) {
            uint64_t more = plan->pieces[plan->edges[e].child].weight;
            piece->weight = more > UINT64_MAX - piece->weight ? UINT64_MAX : piece->weight + more;
        }
    }
}

static int choice_compare(const void *a, const void *b)
{
    const struct walker_choice *left = a, *right = b;
    if (left->weight != right->weight)
        return left->weight < right->weight ? 1 : -1;
    return left->piece < right->piece ? 1 : -1;
}

static void push_ready(struct walker_plan *plan, size_t index)
{
    plan->ready = xgrow(plan->ready, &plan->ready_cap, plan->ready_count + 1, sizeof *plan->ready);
    plan->ready[plan->ready_count++] = (struct walker_choice){plan->pieces[index].weight, (uint32_t)index};
}

/* Of what became ready together, mostly two, the lightest comes on top. */
static void sort_ready(struct walker_plan *plan, size_t from)
{
    struct walker_choice *choices = plan->ready + from;
    size_t count = plan->ready_count - from;
    if (count > 2)
        qsort(choices, count, sizeof *choices, choice_compare);
    if (count != 2 || choice_compare(&choices[0], &choices[1]) <= 0)
        return;
    struct walker_choice lighter = choices[0];
    choices[0] = choices[1];
    choices[1] = lighter;
}

static void push_children(struct walker_plan *plan, const struct walker_piece *piece)
{
    size_t from = plan->ready_count;
    for (uint32_t e = piece->edges; e != NO_EDGE; e = plan->edges[e].next) {
        struct walker_piece *child = &plan->pieces[plan->edges[e].child];
        if (child->fresh == piece->fresh && --child->waits == 0)
            push_ready(plan, plan->edges[e].child);
    }
    sort_ready(plan, from);
}

static void begin_pass(struct walker_plan *plan, bool fresh)
{
    plan->ready_count = 0;
    for (size_t i = plan->low; i < plan->high; i++)
        if (plan->pieces[i].fresh == fresh && plan->pieces[i].waits == 0)
            push_ready(plan, i);
    sort_ready(plan, 0);
}

/* The next piece of the pass, after all its parents in it. NULL: there is none. */
static const struct walker_piece *next_of_pass(struct walker_plan *plan)
{
    if (plan->ready_count == 0)
        return NULL;
    const struct walker_piece *piece = &plan->pieces[plan->ready[--plan->ready_count].piece];
    push_children(plan, piece);
    return piece;
}

static bool is_fast(const struct walker_plan *plan, size_t index)
{
    return plan->fast_path && plan->pieces[index].critical;
}

/* Up to the next piece that is applied as it is. */
static void begin_block(struct walker_plan *plan, bool warm)
{
    while (plan->high < plan->count && !is_fast(plan, plan->high))
        plan->high++;
    link_pieces(plan, warm);
    weigh_pieces(plan);
    begin_pass(plan, plan->summing);
    plan->stage = plan->summing ? STAGE_FRESH : STAGE_OLD;
}

void walker_plan_start(struct walker_plan *plan, struct walker_way way)
{
    plan->fast_path = way.fast_path;
    plan->warm = way.warm;
    plan->summing = way.summing;
    plan->stage = STAGE_BLOCK;
    plan->is_short = false;
    plan->low = plan->high = 0;
}

/* Where a block or a fast piece begins. False: it is a block in the warm tracker, nothing has to be done for it. */
static bool go_to_next(struct walker_plan *plan, const struct walker_piece **piece, enum walker_stop *stop)
{
    bool warm = plan->warm;
    plan->warm = false;
    plan->low = plan->high;
    *stop = WALKER_END;
    if (plan->low == plan->count)
        return true;
    *piece = &plan->pieces[plan->low];
    *stop = is_fast(plan, plan->low) ? WALKER_FAST : WALKER_BLOCK;
    if (*stop == WALKER_FAST)
        plan->high++;
    else
        begin_block(plan, warm);
    return !warm || *stop == WALKER_FAST;
}

enum walker_stop walker_plan_go(struct walker_plan *plan, const struct walker_piece **piece)
{
    enum walker_stop stop;
    for (;;) {
        if (plan->stage == STAGE_BLOCK) {
            if (go_to_next(plan, piece, &stop))
                return stop;
            continue;
        }
        *piece = next_of_pass(plan);
        if (*piece)
            return WALKER_PIECE;
        bool was_old = plan->stage == STAGE_OLD;
        plan->stage = was_old ? STAGE_FRESH : STAGE_BLOCK;
        if (was_old) {
            plan->summing = true;
            begin_pass(plan, true);
            return WALKER_SUM;
        }
    }
}

/* Pieces that follow each other become one range. */
static void add_set(struct walker_plan *plan, const struct walker_set *set, struct lv_ranges *out)
{
    out->items = xgrow(out->items, &out->cap, WALKER_SEEN_MAX, sizeof *out->items);
    struct lv_range *range = out->items;
    for (size_t i = plan->seen->words; i > 0; i--) {
        for (uint64_t word = set->words[i - 1]; word != 0;) {
            size_t at = plan->low + (i - 1) * WALKER_WORD_BITS + walker_set_take(&word);
            uint64_t first = plan->pieces[at].first, end = plan->pieces[at].end;
            plan->moved += end - first;
            if (range > out->items && range[-1].first == end)
                range[-1].first = first;
            else
                *range++ = (struct lv_range){first, end};
        }
    }
    out->count = (size_t)(range - out->items);
}

/* Where one of them does not hear the others there have to be several stands, sooner or later. */
static bool move_is_told(const struct walker_plan *plan)
{
    return plan->is_short && plan->moved / PATIENCE <= plan->visited + NEAR;
}

bool walker_plan_move(struct walker_plan *plan, const struct walker_piece *piece, struct lv_ranges *leave,
                      struct lv_ranges *enter)
{
    struct walker_set left, entered;
    plan->is_short = move_is_told(plan);
    if (!plan->is_short)
        return false;
    walker_seen_move(plan->seen, (size_t)(piece - plan->pieces) - plan->low, &left, &entered);
    add_set(plan, &left, leave);
    add_set(plan, &entered, enter);
    plan->visited += piece->end - piece->first;
    return true;
}
