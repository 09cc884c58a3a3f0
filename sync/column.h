/*
 * column - where in a run-length coded column a local version is.
 *
 * A column is an array of runs, each of which begins with the LV of its first event, a uint64_t, ascending. Who asks goes
 * over a column mostly in its order, from wherever: the search begins at the last answer and steps away from it, each step
 * twice as long as the one before, then halves.
 */
#ifndef WEFT_SYNC_COLUMN_H
#define WEFT_SYNC_COLUMN_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t column_first(const void *runs, size_t run_bytes, size_t index)
{
    return *(const uint64_t *)(const void *)((const char *)runs + index * run_bytes);
}

/* The last of `count` runs that begins at or before lv; the first one does. *hint, any number, becomes the answer. */
static inline size_t column_find(const void *runs, size_t run_bytes, size_t count, uint64_t lv, size_t *hint)
{
    size_t low = *hint < count ? *hint : count - 1, high, step = 1;
    if (column_first(runs, run_bytes, low) <= lv) {
        for (high = low + 1; high < count && column_first(runs, run_bytes, high) <= lv; step *= 2) {
            low = high;
            high = step < count - high ? high + step : count;
        }
    } else {
        for (high = low; low > 0 && column_first(runs, run_bytes, low) > lv; step *= 2) {
            high = low;
            low = step < low ? low - step : 0;
        }
    }
    while (high - low > 1) { /* runs[low] begins at or before lv, runs[high] behind it */
        size_t middle = low + (high - low) / 2;
        if (column_first(runs, run_bytes, middle) <= lv)
            low = middle;
        else
            high = middle;
    }
    return *hint = low;
}

#endif
