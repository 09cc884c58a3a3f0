#include "sync/base64url.h"

#include <stdint.h>

static size_t encoded_len(size_t bytes)
{
    return (bytes * 4 + 2) / 3;
}

void base64url_add(struct buf *out, const void *data, size_t len)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *bytes = data;
    uint32_t pending = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < len; i++) {
        pending = pending << 8 | bytes[i];
        for (bits += 8; bits >= 6; bits -= 6)
            buf_add_byte(out, (unsigned char)letters[pending >> (bits - 6) & 63]);
    }
    if (bits > 0)
        buf_add_byte(out, (unsigned char)letters[pending << (6 - bits) & 63]);
}

static int letter_value(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_read(struct bytes text, void *out, size_t len)
{
    unsigned char *bytes = out;
    uint32_t pending = 0;
    unsigned bits = 0;
    if (text.len != encoded_len(len))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int value = letter_value(text.data[i]);
        if (value < 0)
            return false;
        pending = pending << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *bytes++ = (unsigned char)(pending >> bits);
        }
    }
    return (pending & ((1u << bits) - 1)) == 0;
}
