#include "tests/support/heap.h"

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static bool counting;
static long now, peak;

#ifdef WEFT_SANITIZE /* sanitizers have a malloc() of their own, and tell of each call */

int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *)) __attribute__((weak));
size_t __sanitizer_get_allocated_size(const volatile void *got) __attribute__((weak));

static void on_malloc(const volatile void *got, size_t size)
{
    if (!counting || !got)
        return;
    now += (long)size;
    peak = now > peak ? now : peak;
}

static void on_free(const volatile void *old)
{
    if (counting && old)
        now -= (long)__sanitizer_get_allocated_size(old);
}

static void install_hooks(void)
{
    static bool installed;
    if (!installed && __sanitizer_install_malloc_and_free_hooks)
        installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0;
}

#else

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
#ifdef WEFT_SANITIZE
    install_hooks();
#endif
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

void heap_end_decode(size_t input, size_t besides)
{
    heap_end();
    if (peak < 0 || (size_t)peak <= HEAP_DECODE_RATIO * input + besides)
        return;
    fprintf(stderr, "%zu bytes were decoded with %ld of memory\n", input, peak);
    abort();
}
