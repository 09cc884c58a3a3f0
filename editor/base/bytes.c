#include "editor/base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

struct bytes bytes_of_string(const char *text)
{
    return (struct bytes){(const unsigned char *)text, strlen(text)};
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

struct bytes bytes_slice(struct bytes b, size_t from, size_t len)
{
    ensure(from <= b.len && len <= b.len - from);
    return (struct bytes){b.data ? b.data + from : NULL, len};
}

void buf_release(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}

void buf_reserve(struct buf *buf, size_t len)
{
    if (len < buf->cap - buf->len)
        return;
    buf->cap = buf->len + len + 1; /* as buf_grow() */
    buf->data = xrealloc(buf->data, buf->cap);
}

/* One more than asked for: also an empty extension of an empty buffer points somewhere. */
void buf_grow(struct buf *buf, size_t len)
{
    buf->data = xgrow(buf->data, &buf->cap, buf->len + len + 1, 1);
}

OUT_OF_LINE void buf_add_many(struct buf *buf, const void *data, size_t len)
{
    if (len > 0)
        memcpy(buf_extend(buf, len), data, len);
}

void buf_add_string(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_addf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    ensure(n >= 0);
    unsigned char *start = buf_extend(buf, (size_t)n + 1);
    va_start(args, fmt);
    vsnprintf((char *)start, (size_t)n + 1, fmt, args);
    va_end(args);
    buf->len--; /* the NUL that vsnprintf wrote is not content */
}

const char *buf_string(struct buf *buf)
{
    buf_add_byte(buf, '\0');
    buf->len--;
    return (const char *)buf->data;
}
