#include "editor/base/varint.h"

#include <string.h>

void buf_add_varint(struct buf *buf, uint64_t value)
{
    unsigned char bytes[VARINT_BYTES_MAX];
    buf_add(buf, bytes, (size_t)(varint_put(bytes, value) - bytes));
}

void buf_add_zigzag(struct buf *buf, int64_t value)
{
    buf_add_varint(buf, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

void buf_add_u32(struct buf *buf, uint32_t value)
{
    unsigned char *out = buf_extend(buf, 4);
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(value >> (8 * i));
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
    unsigned char *out = buf_extend(buf, 8);
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)(value >> (8 * i));
}

void buf_add_sized(struct buf *buf, struct bytes bytes)
{
    buf_add_varint(buf, bytes.len);
    buf_add_bytes(buf, bytes);
}

struct reader reader_of(struct bytes bytes)
{
    return (struct reader){bytes.data, bytes.data ? bytes.data + bytes.len : NULL, false};
}

size_t reader_left(const struct reader *reader)
{
    return reader->failed ? 0 : (size_t)(reader->end - reader->at);
}

bool reader_done(const struct reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}

void reader_fail(struct reader *reader)
{
    reader->failed = true;
}

unsigned char read_byte(struct reader *reader)
{
    if (reader_left(reader) == 0) {
        reader_fail(reader);
        return 0;
    }
    return *reader->at++;
}

uint64_t read_varint(struct reader *reader)
{
    uint64_t value = 0;
    for (int i = 0; i < VARINT_BYTES_MAX; i++) {
        unsigned char byte = read_byte(reader);
        if (reader->failed)
            return 0;
        bool overflows = i == VARINT_BYTES_MAX - 1 && byte > 1;
        bool padded = i > 0 && byte == 0; /* a longer form of a smaller number */
        if (overflows || padded)
            break;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return value;
    }
    reader_fail(reader);
    return 0;
}

uint64_t read_varint_max(struct reader *reader, uint64_t max)
{
    uint64_t value = read_varint(reader);
    if (value > max) {
        reader_fail(reader);
        return 0;
    }
    return value;
}

int64_t read_zigzag(struct reader *reader)
{
    uint64_t coded = read_varint(reader);
    return (int64_t)(coded >> 1) ^ -(int64_t)(coded & 1);
}

uint32_t read_u32(struct reader *reader)
{
    struct bytes raw = read_bytes(reader, 4);
    uint32_t value = 0;
    for (size_t i = 0; i < raw.len; i++)
        value |= (uint32_t)raw.data[i] << (8 * i);
    return value;
}

struct bytes read_bytes(struct reader *reader, size_t len)
{
    if (reader_left(reader) < len) {
        reader_fail(reader);
        return (struct bytes){0};
    }
    struct bytes view = {reader->at, len};
    if (len > 0) /* of no bytes there is no place to go on from: nothing may be added to NULL */
        reader->at += len;
    return view;
}

struct bytes read_sized(struct reader *reader, size_t len_max)
{
    uint64_t len = read_varint_max(reader, len_max);
    return reader->failed ? (struct bytes){0} : read_bytes(reader, (size_t)len);
}

void read_into(struct reader *reader, void *out, size_t len)
{
    struct bytes raw = read_bytes(reader, len);
    if (reader->failed)
        memset(out, 0, len);
    else if (len)
        memcpy(out, raw.data, len);
}
