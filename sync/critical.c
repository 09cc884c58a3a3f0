#include "sync/critical.h"

#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"
#include "sync/column.h"

void critical_release(struct critical *critical)
{
    free(critical->ranges);
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

void critical_add(struct critical *critical, uint64_t first, uint64_t last, const uint64_t *parents,
                  size_t parent_count, const struct lv_list *frontier)
{
    critical_cut(critical, parent_count ? parents[0] : LV_NONE);
    if (frontier->count != 1)
        return;
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
