/*
 * bytes - borrowed views of bytes, and a buffer that grows.
 *
 * `struct bytes` is a view: it owns nothing and is not NUL-terminated; who keeps it copies it. `struct buf` owns its
 * memory; zero-initialised it is empty and ready. Nothing here fails: sizes from outside are checked by the caller.
 */
#ifndef WEFT_EDITOR_BASE_BYTES_H
#define WEFT_EDITOR_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#include "editor/base/ensure.h"

struct bytes {
    const unsigned char *data;
    size_t len;
};

static inline struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){(const unsigned char *)data, len};
}
struct bytes bytes_of_string(const char *text); /* without the NUL */
bool bytes_equal(struct bytes a, struct bytes b);
struct bytes bytes_slice(struct bytes b, size_t from, size_t len); /* must lie inside b */

struct buf {
    unsigned char *data; /* NULL while empty */
    size_t len;
    size_t cap;
};

void buf_release(struct buf *buf);                                /* frees; leaves it empty and usable */
static inline void buf_clear(struct buf *buf) /* empties, keeps the memory */
{
    buf->len = 0;
}
void buf_reserve(struct buf *buf, size_t len);                    /* room for len more, and for no more than that */
void buf_grow(struct buf *buf, size_t len);                       /* for buf_extend() */
void buf_add_many(struct buf *buf, const void *data, size_t len); /* for buf_add() */

/* Adds len uninitialised bytes, returns where they start: somewhere also when there are none. */
static inline unsigned char *buf_extend(struct buf *buf, size_t len)
{
    if (len >= buf->cap - buf->len)
        buf_grow(buf, len);
    unsigned char *start = buf->data + buf->len;
    buf->len += len;
    return start;
}

static inline void buf_add_byte(struct buf *buf, unsigned char byte)
{
    *buf_extend(buf, 1) = byte;
}

static inline void buf_add(struct buf *buf, const void *data, size_t len)
{
    if (len == 1) /* a key: worth no call */
        buf_add_byte(buf, *(const unsigned char *)data);
    else
        buf_add_many(buf, data, len);
}

static inline void buf_add_bytes(struct buf *buf, struct bytes bytes)
{
    buf_add(buf, bytes.data, bytes.len);
}

void buf_add_string(struct buf *buf, const char *text);
void buf_addf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline struct bytes buf_view(const struct buf *buf)
{
    return (struct bytes){buf->data, buf->len};
}
/* The content as a NUL-terminated string that stays owned by buf and lives until its next change. */
const char *buf_string(struct buf *buf);

#endif
