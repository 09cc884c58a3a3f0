#include "sync/lv_list.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"

void lv_list_release(struct lv_list *list)
{
    free(list->items);
    *list = (struct lv_list){0};
}

void lv_list_add(struct lv_list *list, uint64_t lv)
{
    list->items = xgrow(list->items, &list->cap, list->count + 1, sizeof *list->items);
    list->items[list->count++] = lv;
}

void lv_list_set(struct lv_list *list, const uint64_t *items, size_t count)
{
    list->items = xgrow(list->items, &list->cap, count, sizeof *list->items);
    list->count = count;
    if (count)
        memmove(list->items, items, count * sizeof *items);
}

bool lv_list_is(const struct lv_list *list, const uint64_t *items, size_t count)
{
    return list->count == count && (count == 0 || memcmp(list->items, items, count * sizeof *items) == 0);
}

static int lv_compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* By inserting, which is quick where hardly anything is out of order. False: a lot is, and some of it still. */
static bool sort_nearly(struct lv_list *list)
{
    size_t moves = 0, moves_max = 1 + 4 * list->count;
    for (size_t i = 1; i < list->count; i++) {
        uint64_t item = list->items[i];
        size_t at = i;
        for (; at > 0 && list->items[at - 1] > item && moves < moves_max; at--, moves++)
            list->items[at] = list->items[at - 1];
        list->items[at] = item;
    }
    return moves < moves_max;
}

void lv_list_sort(struct lv_list *list)
{
    size_t kept = 0;
    if (!sort_nearly(list))
        qsort(list->items, list->count, sizeof *list->items, lv_compare);
    for (size_t i = 0; i < list->count; i++)
        if (kept == 0 || list->items[kept - 1] != list->items[i])
            list->items[kept++] = list->items[i];
    list->count = kept;
}

bool lv_list_has(const struct lv_list *list, uint64_t lv)
{
    size_t at;
    BISECT(at, list->count, list->items[at] < lv);
    return at < list->count && list->items[at] == lv;
}

void lv_ranges_release(struct lv_ranges *ranges)
{
    free(ranges->items);
    *ranges = (struct lv_ranges){0};
}

void lv_ranges_add(struct lv_ranges *ranges, uint64_t first, uint64_t end)
{
    if (first == end)
        return;
    ranges->items = xgrow(ranges->items, &ranges->cap, ranges->count + 1, sizeof *ranges->items);
    ranges->items[ranges->count++] = (struct lv_range){first, end};
}

void lv_ranges_sort(struct lv_ranges *ranges)
{
    size_t kept = 0;
    if (ranges->count > 1) /* a range begins with its first LV, so its order is theirs */
        qsort(ranges->items, ranges->count, sizeof *ranges->items, lv_compare);
    for (size_t i = 0; i < ranges->count; i++) {
        if (kept > 0 && ranges->items[kept - 1].end == ranges->items[i].first)
            ranges->items[kept - 1].end = ranges->items[i].end;
        else
            ranges->items[kept++] = ranges->items[i];
    }
    ranges->count = kept;
}

bool lv_ranges_have(const struct lv_ranges *ranges, uint64_t lv)
{
    size_t at;
    BISECT(at, ranges->count, ranges->items[at].end <= lv);
    return at < ranges->count && ranges->items[at].first <= lv;
}
