/*
 * deadline - points in time at which something is due: milliseconds of a monotonic clock, UINT64_MAX for never.
 */
#ifndef WEFT_EDITOR_BASE_DEADLINE_H
#define WEFT_EDITOR_BASE_DEADLINE_H

#include <stdint.h>

static inline uint64_t deadline_earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
