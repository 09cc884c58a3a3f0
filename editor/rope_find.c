/*
 * Searching a rope for bytes. Windows of the text are copied side by side and memmem() looks through them: pieces may
 * be as small as one byte, and memmem() is linear however the text and the needle repeat themselves.
 */
#include "editor/rope.h"

#include <string.h>

/* A near hit costs a small window; a long way is gone in large ones. */
#ifdef WEFT_SMALL_NODES
enum { WINDOW_BYTES_FIRST = 8, WINDOW_BYTES_MAX = 64 };
#else
enum { WINDOW_BYTES_FIRST = 4 * 1024, WINDOW_BYTES_MAX = 256 * 1024 };
#endif

static uint64_t window_grow(uint64_t window)
{
    return window < WINDOW_BYTES_MAX ? window * 2 : window;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The first hit that begins in [from, from + starts), or UINT64_MAX. */
static uint64_t find_in_window(const struct rope *rope, struct bytes needle, uint64_t from, uint64_t starts,
                               struct buf *buf)
{
    uint64_t len = min_u64(starts + needle.len - 1, rope_len(rope) - from);
    buf_clear(buf);
    rope_append_to(rope, from, len, buf);
    const unsigned char *hit = memmem(buf->data, buf->len, needle.data, needle.len);
    return hit ? from + (uint64_t)(hit - buf->data) : UINT64_MAX;
}

uint64_t rope_find(const struct rope *rope, struct bytes needle, uint64_t from)
{
    uint64_t len = rope_len(rope);
    uint64_t hit = UINT64_MAX;
    struct buf buf = {0};

    ensure(from <= len);
    if (needle.len == 0)
        return from;
    for (uint64_t window = WINDOW_BYTES_FIRST + needle.len; hit == UINT64_MAX && needle.len <= len - from;) {
        uint64_t starts = min_u64(window, len - from);
        hit = find_in_window(rope, needle, from, starts, &buf);
        from += starts;
        window = window_grow(window);
    }
    buf_release(&buf);
    return hit;
}

static void reverse(unsigned char *data, size_t len)
{
    for (size_t i = 0; i < len / 2; i++) {
        unsigned char byte = data[i];
        data[i] = data[len - 1 - i];
        data[len - 1 - i] = byte;
    }
}

/* The last hit that begins in [from, from + starts): the first one in reversed bytes. */
static uint64_t find_back_in_window(const struct rope *rope, const struct buf *mirrored, uint64_t from, uint64_t starts,
                                    struct buf *buf)
{
    uint64_t len = min_u64(starts + mirrored->len - 1, rope_len(rope) - from);
    buf_clear(buf);
    rope_append_to(rope, from, len, buf);
    reverse(buf->data, buf->len);
    const unsigned char *hit = memmem(buf->data, buf->len, mirrored->data, mirrored->len);
    return hit ? from + len - (uint64_t)(hit - buf->data) - mirrored->len : UINT64_MAX;
}

uint64_t rope_find_back(const struct rope *rope, struct bytes needle, uint64_t before)
{
    uint64_t hit = UINT64_MAX;
    struct buf mirrored = {0}; /* the needle, reversed */
    struct buf buf = {0};

    ensure(before <= rope_len(rope));
    if (needle.len == 0)
        return before > 0 ? before - 1 : UINT64_MAX;
    buf_add_bytes(&mirrored, needle);
    reverse(mirrored.data, mirrored.len);
    for (uint64_t window = WINDOW_BYTES_FIRST + needle.len; hit == UINT64_MAX && before > 0;) {
        uint64_t starts = min_u64(window, before);
        before -= starts;
        hit = find_back_in_window(rope, &mirrored, before, starts, &buf);
        window = window_grow(window);
    }
    buf_release(&mirrored);
    buf_release(&buf);
    return hit;
}
