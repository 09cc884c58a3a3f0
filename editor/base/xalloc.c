#include "editor/base/xalloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/ensure.h"

static void *xalloc_checked(void *memory)
{
    if (!memory) {
        fputs("weft: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *xmalloc(size_t size)
{
    return xalloc_checked(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
    return xalloc_checked(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *old, size_t size)
{
    return xalloc_checked(realloc(old, size ? size : 1));
}

void *xrealloc_array(void *old, size_t count, size_t size)
{
    ensure(size == 0 || count <= SIZE_MAX / size);
    return xrealloc(old, count * size);
}

void *xmemdup(const void *data, size_t size)
{
    void *copy = xmalloc(size);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

char *xstrdup(const char *text)
{
    return xmemdup(text, strlen(text) + 1);
}

char *xstrndup(const char *text, size_t len)
{
    size_t n = strnlen(text, len);
    char *copy = xmalloc(n + 1);
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *xformat(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    ensure(n >= 0);
    char *text = xmalloc((size_t)n + 1);
    va_start(args, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return text;
}

void *xgrow_more(void *items, size_t *cap, size_t needed, size_t size)
{
    size_t grown = *cap ? *cap : 8;
    while (grown < needed)
        grown *= 2;
    *cap = grown;
    return xrealloc_array(items, grown, size);
}

void *xfit(void *items, size_t *cap, size_t count, size_t size)
{
    if (count == 0 || count == *cap)
        return items;
    *cap = count;
    return xrealloc_array(items, count, size);
}
