/*
 * varint - numbers in bytes, one encoding each, and a reader that cannot overrun.
 *
 * Unsigned LEB128: seven bits a byte, low bits first, at most 10 bytes. Only the shortest form is accepted, so that equal
 * content has equal bytes (records are hashed). Signed numbers are zigzag-coded.
 *
 * A `struct reader` walks untrusted bytes. The first thing that does not fit sets `failed`; from then on every read gives
 * zero or an empty view, so a decoder may read a whole header and test once.
 */
#ifndef WEFT_EDITOR_BASE_VARINT_H
#define WEFT_EDITOR_BASE_VARINT_H

#include <stdint.h>

#include "editor/base/bytes.h"

enum { VARINT_BYTES_MAX = 10 };

/* Writes it, at most VARINT_BYTES_MAX bytes; gives where it ends. */
static inline unsigned char *varint_put(unsigned char *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (unsigned char)(value | 0x80);
    *to++ = (unsigned char)value;
    return to;
}

void buf_add_varint(struct buf *buf, uint64_t value);
void buf_add_zigzag(struct buf *buf, int64_t value);
void buf_add_u32(struct buf *buf, uint32_t value); /* little endian */
void buf_add_u64(struct buf *buf, uint64_t value); /* little endian */
void buf_add_sized(struct buf *buf, struct bytes bytes); /* varint length, then the bytes */

struct reader {
    const unsigned char *at;
    const unsigned char *end;
    bool failed;
};

struct reader reader_of(struct bytes bytes);
size_t reader_left(const struct reader *reader); /* bytes not yet read; 0 once failed */
bool reader_done(const struct reader *reader);   /* all read and nothing failed */
void reader_fail(struct reader *reader);

unsigned char read_byte(struct reader *reader);
uint64_t read_varint(struct reader *reader);
uint64_t read_varint_max(struct reader *reader, uint64_t max); /* a value above max fails */
int64_t read_zigzag(struct reader *reader);
uint32_t read_u32(struct reader *reader);
struct bytes read_bytes(struct reader *reader, size_t len);      /* a view into the input */
struct bytes read_sized(struct reader *reader, size_t len_max);  /* what buf_add_sized() wrote */
void read_into(struct reader *reader, void *out, size_t len);    /* zeroes `out` on failure */

#endif
