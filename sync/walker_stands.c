#include "sync/walker_stands.h"

#include "editor/base/ensure.h"

#ifdef WEFT_SMALL_NODES
enum { PATIENCE = 1, NEAR = 2, IDLE_LEAST = 16 };
#else
enum {
    PATIENCE = 8,     /* as many times the events that are there may be moved over before a tracker is copied */
    NEAR = 32,        /* nobody is copied for less */
    IDLE_LEAST = 256, /* events for which an idle stand is kept in any case */
};
#endif

void walker_stands_release(struct walker_stands *stands)
{
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++)
        lv_list_release(&stands->items[i].version);
    lv_list_release(&stands->wanted);
    lv_ranges_release(&stands->leave);
    lv_ranges_release(&stands->enter);
    lv_ranges_release(&stands->spare_leave);
    lv_ranges_release(&stands->spare_enter);
}

void walker_stands_begin(struct walker_stands *stands, const uint64_t *version, size_t count)
{
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++)
        stands->items[i].live = i == 0;
    lv_list_set(&stands->items[0].version, version, count);
    stands->items[0].used = stands->events = stands->moved = 0;
}

void walker_stands_copy(struct walker_stands *to, const struct walker_stands *from)
{
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++) {
        const struct walker_stand *stand = &from->items[i];
        to->items[i].live = stand->live;
        to->items[i].used = stand->used;
        if (stand->live)
            lv_list_set(&to->items[i].version, stand->version.items, stand->version.count);
    }
    to->events = from->events;
    to->moved = from->moved;
}

static uint64_t events_in(const struct lv_ranges *ranges)
{
    uint64_t events = 0;
    for (size_t i = 0; i < ranges->count; i++)
        events += ranges->items[i].end - ranges->items[i].first;
    return events;
}

static bool find_exact(const struct walker_stands *stands, const uint64_t *version, size_t count, size_t *found)
{
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++) {
        if (stands->items[i].live && lv_list_is(&stands->items[i].version, version, count)) {
            *found = i;
            return true;
        }
    }
    return false;
}

bool walker_stands_are_at(const struct walker_stands *stands, const uint64_t *version, size_t count)
{
    size_t found;
    return find_exact(stands, version, count, &found);
}

static size_t live_ones(const struct walker_stands *stands)
{
    size_t count = 0;
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++)
        count += stands->items[i].live;
    return count;
}

static void swap(struct lv_ranges *a, struct lv_ranges *b)
{
    struct lv_ranges other = *a;
    *a = *b;
    *b = other;
}

/* The nearest stand that is at most `limit` events away, the ranges being what it is away. */
static bool find_within(struct walker_stands *stands, struct graph *graph, uint64_t limit, size_t *found,
                        uint64_t *away)
{
    bool any = false;
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++) {
        if (!stands->items[i].live || !graph_diff_within(graph, &stands->items[i].version, &stands->wanted, limit,
                                                         &stands->spare_leave, &stands->spare_enter))
            continue;
        uint64_t events = events_in(&stands->spare_leave) + events_in(&stands->spare_enter);
        if (any && events >= *away)
            continue;
        any = true;
        *found = i;
        *away = events;
        swap(&stands->leave, &stands->spare_leave);
        swap(&stands->enter, &stands->spare_enter);
    }
    return any;
}

/* With several of them the far ones are not worth a look at all that they are away. */
static size_t find_nearest(struct walker_stands *stands, struct graph *graph, uint64_t *away)
{
    size_t found = 0;
    uint64_t limit = live_ones(stands) > 1 ? NEAR : UINT64_MAX;
    while (!find_within(stands, graph, limit, &found, away))
        limit = limit > UINT64_MAX / NEAR ? UINT64_MAX : limit * NEAR;
    return found;
}

/* Room for a copy: a place that is free, else that of the stand that has been idle for longest, but not `kept`. */
static size_t room_for_copy(const struct walker_stands *stands, size_t kept)
{
    size_t room = kept;
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++) {
        if (!stands->items[i].live)
            return i;
        if (i != kept && (room == kept || stands->items[i].used < stands->items[room].used))
            room = i;
    }
    return room;
}

/* A stand costs something with every event; making it again costs what is there. */
static void drop_idle(struct walker_stands *stands, size_t kept)
{
    for (size_t i = 0; i < WALKER_STANDS_MAX; i++) {
        struct walker_stand *stand = &stands->items[i];
        if (i != kept && stand->live && stands->events - stand->used > stand->used + IDLE_LEAST)
            stand->live = false;
    }
}

struct walker_move walker_stands_move(struct walker_stands *stands, struct graph *graph, const uint64_t *version,
                                      size_t count)
{
    struct walker_move move = {.leave = &stands->leave, .enter = &stands->enter};
    uint64_t away = 0;
    stands->leave.count = stands->enter.count = 0;
    if (!find_exact(stands, version, count, &move.from)) {
        lv_list_set(&stands->wanted, version, count);
        move.from = find_nearest(stands, graph, &away);
    }
    move.to = move.from;
    stands->moved += away;
    if (away > NEAR && stands->moved / PATIENCE > stands->events) {
        move.to = room_for_copy(stands, move.from);
        stands->moved = 0;
    }
    struct walker_stand *stand = &stands->items[move.to];
    stand->live = true;
    stand->used = stands->events;
    lv_list_set(&stand->version, version, count);
    drop_idle(stands, move.to);
    return move;
}

void walker_stands_add(struct walker_stands *stands, size_t stand, uint64_t last, uint64_t events)
{
    ensure(stands->items[stand].live);
    stands->events += events;
    stands->items[stand].used = stands->events;
    lv_list_set(&stands->items[stand].version, &last, 1);
}

void walker_stands_saw(struct walker_stands *stands, uint64_t events)
{
    stands->events += events;
}
