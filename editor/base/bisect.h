/*
 * bisect - where something stands, or would stand, in a row that is sorted by it.
 *
 *     size_t at;
 *     BISECT(at, roster->count, agent_id_compare(&roster->items[at]->member.agent, agent) < 0);
 *
 * `at` is then how many at the front come before: the first that does not, or where it would be put. `before` asks that of
 * number `at`; once it is false it is false for all behind.
 *
 *   Bounds   `before` is asked log2(count) + 1 times, of numbers below `count`.
 */
#ifndef WEFT_EDITOR_BASE_BISECT_H
#define WEFT_EDITOR_BASE_BISECT_H

#include <stddef.h>

#define BISECT(at, count, before)                                                                                      \
    for (size_t bisect_low = 0, bisect_high = (count);                                                                 \
         (at) = bisect_low + (bisect_high - bisect_low) / 2, bisect_low < bisect_high;)                                \
        if (before)                                                                                                    \
            bisect_low = (at) + 1;                                                                                     \
        else                                                                                                           \
            bisect_high = (at)

#endif
