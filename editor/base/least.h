/*
 * least - the smaller of two numbers.
 */
#ifndef WEFT_EDITOR_BASE_LEAST_H
#define WEFT_EDITOR_BASE_LEAST_H

#include <stdint.h>

static inline uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
