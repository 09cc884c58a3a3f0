#include "tests/support/heap.h"

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static bool counting;
static long now, peak;

#ifndef WEFT_SANITIZE /* sanitizers have a malloc() of their own: everything is 0 then */

/* glibc's own, under the names that it keeps for programs with a malloc() of their own. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *old);

static void *count(void *got)
{
    if (counting && got) {
        now += (long)malloc_usable_size(got);
        peak = now > peak ? now : peak;
    }
    return got;
}

static void uncount(void *old)
{
    if (counting && old)
        now -= (long)malloc_usable_size(old);
}

void *malloc(size_t size)
{
    return count(__libc_malloc(size));
}

void *calloc(size_t items, size_t size)
{
    return count(__libc_calloc(items, size));
}

void *realloc(void *old, size_t size)
{
    long before = now;
    uncount(old);
    void *got = __libc_realloc(old, size);
    if (!got && size > 0)
        now = before; /* the old one is still there */
    return count(got);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return count(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    *out = count(__libc_memalign(alignment, size));
    return *out ? 0 : ENOMEM;
}

void free(void *old)
{
    uncount(old);
    __libc_free(old);
}

#endif

void heap_begin(void)
{
    now = peak = 0;
    counting = true;
}

void heap_end(void)
{
    counting = false;
}

long heap_now(void)
{
    return now;
}

long heap_peak(void)
{
    return peak;
}

void heap_peak_reset(void)
{
    peak = now;
}
