#include "tests/support/naive.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"

enum { START = -1, END = -2, DELETERS_MAX = 64, UNITS_MAX = NAIVE_EVENTS_MAX + 64 };

/* A byte that was there at some time. Event -3 and below: of the base text. */
struct unit {
    int event;
    int left, right; /* events of the origins */
    unsigned char byte;
    size_t deleters[DELETERS_MAX];
    size_t deleter_count;
};

struct list {
    struct unit units[UNITS_MAX];
    size_t count;
};

struct naive *naive_new(const char *base)
{
    struct naive *naive = xcalloc(1, sizeof *naive);
    naive->base_len = strlen(base);
    ensure(naive->base_len <= sizeof naive->base);
    memcpy(naive->base, base, naive->base_len);
    return naive;
}

void naive_free(struct naive *naive)
{
    free(naive);
}

static void set_before(struct naive *naive, size_t event)
{
    const struct naive_event *e = &naive->events[event];
    for (size_t p = 0; p < e->parent_count; p++) {
        naive->before[event][e->parents[p]] = true;
        for (size_t a = 0; a < event; a++)
            naive->before[event][a] |= naive->before[e->parents[p]][a];
    }
}

size_t naive_add(struct naive *naive, unsigned char agent, uint64_t seq, const size_t *parents, size_t parent_count,
                 enum naive_kind kind, uint64_t pos, const char *text, size_t len)
{
    size_t first = naive->count;
    for (size_t i = 0; i < len; i++) {
        size_t index = naive->count++;
        ensure(index < NAIVE_EVENTS_MAX);
        struct naive_event *event = &naive->events[index];
        *event = (struct naive_event){kind, agent, seq + i, {0}, 0, pos, 0, first, len};
        if (kind == NAIVE_INSERT) {
            event->pos = pos + i;
            event->byte = (unsigned char)text[i];
        }
        event->parent_count = i == 0 ? parent_count : 1;
        for (size_t p = 0; p < event->parent_count; p++)
            event->parents[p] = i == 0 ? parents[p] : index - 1;
        set_before(naive, index);
    }
    return naive->count;
}

bool naive_holds(const struct naive *naive, size_t a, size_t b)
{
    return a == b || naive->before[a][b];
}

/* --- what the author of an event saw --- */

static bool is_known(const struct naive *naive, const struct unit *unit, size_t event)
{
    return unit->event < END || naive->before[event][unit->event];
}

static bool is_there(const struct naive *naive, const struct unit *unit, size_t event)
{
    if (!is_known(naive, unit, event))
        return false;
    for (size_t d = 0; d < unit->deleter_count; d++)
        if (naive->before[event][unit->deleters[d]])
            return false;
    return true;
}

static size_t length_at(const struct naive *naive, const struct list *list, size_t event)
{
    size_t len = 0;
    for (size_t i = 0; i < list->count; i++)
        len += is_there(naive, &list->units[i], event);
    return len;
}

/* Where the byte number pos of what the author saw is in the list. */
static size_t index_at(const struct naive *naive, const struct list *list, size_t event, uint64_t pos)
{
    for (size_t i = 0; i < list->count; i++)
        if (is_there(naive, &list->units[i], event) && pos-- == 0)
            return i;
    ensure(false);
    return 0;
}

/* --- applying --- */

static int index_of(const struct list *list, int event)
{
    if (event == START)
        return -1;
    if (event == END)
        return (int)list->count;
    for (size_t i = 0; i < list->count; i++)
        if (list->units[i].event == event)
            return (int)i;
    ensure(false);
    return 0;
}

static bool comes_first(const struct naive *naive, size_t a, int b)
{
    const struct naive_event *left = &naive->events[a], *right = &naive->events[b];
    return left->agent != right->agent ? left->agent < right->agent : left->seq < right->seq;
}

static size_t place_for(const struct naive *naive, const struct list *list, const struct unit *unit, size_t event)
{
    int left = index_of(list, unit->left), right = index_of(list, unit->right), after = left + 1;
    size_t at = (size_t)after, found = at;
    bool scanning = false;
    for (;; at++) {
        if (!scanning)
            found = at;
        if ((int)at == right || at == list->count)
            return found;
        const struct unit *other = &list->units[at];
        int other_left = index_of(list, other->left), other_right = index_of(list, other->right);
        if (other_left < left)
            return found;
        if (other_left > left)
            continue;
        if (other_right == right) {
            if (comes_first(naive, event, other->event))
                return found;
            scanning = false;
        } else {
            scanning = other_right < right;
        }
    }
}

static void insert(const struct naive *naive, struct list *list, size_t event)
{
    const struct naive_event *e = &naive->events[event];
    struct unit unit = {.event = (int)event, .left = START, .right = END, .byte = e->byte};
    size_t next = 0;
    if (e->pos > 0) {
        size_t before = index_at(naive, list, event, e->pos - 1);
        unit.left = list->units[before].event;
        next = before + 1;
    }
    while (next < list->count && !is_known(naive, &list->units[next], event))
        next++;
    if (next < list->count)
        unit.right = list->units[next].event;
    size_t at = place_for(naive, list, &unit, event);
    memmove(list->units + at + 1, list->units + at, (list->count - at) * sizeof *list->units);
    list->units[at] = unit;
    list->count++;
}

static void delete(const struct naive *naive, struct list *list, size_t event)
{
    struct unit *unit = &list->units[index_at(naive, list, event, naive->events[event].pos)];
    ensure(unit->deleter_count < DELETERS_MAX);
    unit->deleters[unit->deleter_count++] = event;
}

/* An operation is valid as a whole or not at all, by what its author saw when it began. */
static bool is_valid(const struct naive *naive, const struct list *list, size_t first)
{
    const struct naive_event *e = &naive->events[first];
    size_t len = length_at(naive, list, first);
    return e->kind == NAIVE_INSERT ? e->pos <= len : e->pos + e->op_len <= len;
}

static void replay(const struct naive *naive, struct list *list)
{
    bool valid = false;
    for (size_t event = 0; event < naive->count; event++) {
        const struct naive_event *e = &naive->events[event];
        if (e->op_first == event)
            valid = e->kind != NAIVE_NOTHING && is_valid(naive, list, event);
        if (valid && e->kind == NAIVE_INSERT)
            insert(naive, list, event);
        if (valid && e->kind == NAIVE_DELETE)
            delete(naive, list, event);
    }
}

static bool version_holds(const struct naive *naive, const size_t *version, size_t count, size_t event)
{
    for (size_t i = 0; i < count; i++)
        if (naive_holds(naive, version[i], event))
            return true;
    return false;
}

static bool is_shown(const struct naive *naive, const struct unit *unit, const size_t *version, size_t count)
{
    if (unit->event >= 0 && !version_holds(naive, version, count, (size_t)unit->event))
        return false;
    for (size_t d = 0; d < unit->deleter_count; d++)
        if (version_holds(naive, version, count, unit->deleters[d]))
            return false;
    return true;
}

static struct list *replay_all(const struct naive *naive)
{
    struct list *list = xcalloc(1, sizeof *list);
    for (size_t i = 0; i < naive->base_len; i++)
        list->units[list->count++] =
            (struct unit){.event = END - 1 - (int)i, .left = START, .right = END, .byte = naive->base[i]};
    replay(naive, list);
    return list;
}

size_t naive_text(const struct naive *naive, const size_t *version, size_t count, unsigned char *out)
{
    struct list *list = replay_all(naive);
    size_t len = 0;
    for (size_t i = 0; i < list->count; i++)
        if (is_shown(naive, &list->units[i], version, count))
            out[len++] = list->units[i].byte;
    free(list);
    return len;
}

size_t naive_units(const struct naive *naive, const size_t *version, size_t count, int *out)
{
    struct list *list = replay_all(naive);
    size_t len = 0;
    for (size_t i = 0; i < list->count; i++) {
        int event = list->units[i].event;
        if (is_shown(naive, &list->units[i], version, count))
            out[len++] = event < 0 ? event - END : event;
    }
    free(list);
    return len;
}

void naive_touches(const struct naive *naive, struct naive_touch *out)
{
    struct list *list = replay_all(naive);
    for (size_t event = 0; event < naive->count; event++)
        out[event] = (struct naive_touch){-1, -1, -1};
    for (size_t i = 0; i < list->count; i++) {
        const struct unit *unit = &list->units[i];
        if (unit->event >= 0)
            out[unit->event] = (struct naive_touch){(long)i, index_of(list, unit->left), index_of(list, unit->right)};
        for (size_t d = 0; d < unit->deleter_count; d++)
            out[unit->deleters[d]] = (struct naive_touch){(long)i, (long)i, (long)i};
    }
    free(list);
}
