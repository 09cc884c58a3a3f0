#include "sync/critical.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"
#include "sync/column.h"

void critical_release(struct critical *critical)
{
    free(critical->ranges);
    free(critical->meets);
    *critical = (struct critical){0};
}

/* Nothing above `lv` stays critical; LV_NONE: nothing at all. */
static void critical_cut(struct critical *critical, uint64_t lv)
{
    if (lv == LV_NONE) {
        critical->count = 0;
        return;
    }
    while (critical->count > 0 && critical->ranges[critical->count - 1].first > lv)
        critical->count--;
    if (critical->count > 0 && critical->ranges[critical->count - 1].last > lv)
        critical->ranges[critical->count - 1].last = lv;
}

/*
 * Who goes on from less than a meet ends it, and those after it. If all his parents are before a meet, they are that version or
 * less; of the meets above them the lowest is the only one that can be that version.
 */
static void cut_meets(struct critical *critical, const struct graph *graph, const uint64_t *parents, size_t count)
{
    while (critical->meet_count > 0) {
        uint64_t meet = critical->meets[critical->meet_count - 1];
        struct graph_run run = graph_run_of(graph, meet);
        bool is_above = count == 0 || meet > parents[count - 1];
        if (!is_above || (run.parent_count == count && memcmp(run.parents, parents, count * sizeof *parents) == 0))
            return;
        critical->meet_count--;
    }
}

void critical_add(struct critical *critical, const struct graph *graph, uint64_t first, uint64_t last, const uint64_t *parents,
                  size_t parent_count)
{
    critical_cut(critical, parent_count ? parents[0] : LV_NONE);
    cut_meets(critical, graph, parents, parent_count);
    if (graph_frontier(graph)->count != 1)
        return;
    if (parent_count > 1) {
        critical->meets = xgrow(critical->meets, &critical->meet_cap, critical->meet_count + 1, sizeof *critical->meets);
        critical->meets[critical->meet_count++] = first;
    }
    struct critical_range *top = critical->count ? &critical->ranges[critical->count - 1] : NULL;
    if (top && top->last + 1 == first) {
        top->last = last;
        return;
    }
    critical->ranges = xgrow(critical->ranges, &critical->cap, critical->count + 1, sizeof *critical->ranges);
    critical->ranges[critical->count++] = (struct critical_range){first, last, UINT64_MAX};
}

/* How many ranges begin at or before lv. */
static size_t ranges_upto(const struct critical *critical, uint64_t lv)
{
    size_t at;
    BISECT(at, critical->count, critical->ranges[at].first <= lv);
    return at;
}

void critical_note(struct critical *critical, uint64_t first, uint64_t len_before)
{
    size_t upto = ranges_upto(critical, first);
    if (upto > 0 && critical->ranges[upto - 1].first == first)
        critical->ranges[upto - 1].len_before = len_before;
}

const struct critical_range *critical_find_near(const struct critical *critical, uint64_t lv, size_t *hint)
{
    if (critical->count == 0 || lv < critical->ranges[0].first)
        return NULL;
    return &critical->ranges[column_find(critical->ranges, sizeof *critical->ranges, critical->count, lv, hint)];
}

const struct critical_range *critical_find(const struct critical *critical, uint64_t lv)
{
    size_t upto = ranges_upto(critical, lv);
    return upto > 0 ? &critical->ranges[upto - 1] : NULL;
}

const struct critical_range *critical_find_from(const struct critical *critical, uint64_t lv)
{
    size_t at;
    BISECT(at, critical->count, critical->ranges[at].last < lv);
    return at < critical->count ? &critical->ranges[at] : NULL;
}

/* --- cuts --- */

uint64_t critical_cut_upto(const struct critical *critical, uint64_t events)
{
    size_t upto;
    uint64_t cut = 0;
    const struct critical_range *range = events > 0 ? critical_find(critical, events - 1) : NULL;
    if (range)
        cut = events - 1 < range->last ? events : range->last + 1;
    BISECT(upto, critical->meet_count, critical->meets[upto] <= events);
    return upto > 0 && critical->meets[upto - 1] > cut ? critical->meets[upto - 1] : cut;
}

uint64_t critical_cut_from(const struct critical *critical, uint64_t events)
{
    size_t at;
    uint64_t cut = UINT64_MAX;
    if (events == 0)
        return 0;
    const struct critical_range *range = critical_find_from(critical, events - 1);
    if (range)
        cut = events - 1 > range->first ? events : range->first + 1;
    BISECT(at, critical->meet_count, critical->meets[at] < events);
    return at < critical->meet_count && critical->meets[at] < cut ? critical->meets[at] : cut;
}

void critical_cut_version(const struct critical *critical, const struct graph *graph, uint64_t cut, struct lv_list *out)
{
    const struct critical_range *range = cut > 0 ? critical_find(critical, cut - 1) : NULL;
    uint64_t last = cut - 1;
    if (cut == 0 || (range && last <= range->last)) {
        lv_list_set(out, &last, cut > 0);
        return;
    }
    struct graph_run run = graph_run_of(graph, cut);
    ensure(run.first == cut);
    lv_list_set(out, run.parents, run.parent_count);
}
