/*
 * lv_list - local versions (LV) in a row: as a version (sync/graph.h), or as ranges of events.
 *
 *   Ownership  zero-initialised they are empty; lv_list_release(), lv_ranges_release().
 *   Bounds     sorting is linear where hardly anything is out of order.
 */
#ifndef WEFT_SYNC_LV_LIST_H
#define WEFT_SYNC_LV_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LV_NONE UINT64_MAX

/* Zero-initialised it is empty. As a version it is sorted and reduced. */
struct lv_list {
    uint64_t *items;
    size_t count, cap;
};
void lv_list_release(struct lv_list *list);
void lv_list_add(struct lv_list *list, uint64_t lv); /* at the end */
void lv_list_set(struct lv_list *list, const uint64_t *items, size_t count);
bool lv_list_is(const struct lv_list *list, const uint64_t *items, size_t count);
void lv_list_sort(struct lv_list *list); /* ascending, each once */
bool lv_list_has(const struct lv_list *list, uint64_t lv); /* of a sorted one */

struct lv_range {
    uint64_t first, end;
};
struct lv_ranges {
    struct lv_range *items;
    size_t count, cap;
};
void lv_ranges_release(struct lv_ranges *ranges);
void lv_ranges_add(struct lv_ranges *ranges, uint64_t first, uint64_t end); /* at the end; nothing when empty */
void lv_ranges_sort(struct lv_ranges *ranges);                              /* ascending; neighbours become one */
bool lv_ranges_have(const struct lv_ranges *ranges, uint64_t lv);           /* of sorted ones */

#endif
