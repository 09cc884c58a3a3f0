/*
 * Sec-WebSocket-Accept. SHA-1 (RFC 3174) serves here only to echo a handshake; nothing is secured by it, so it is no
 * part of sync/crypto.h.
 */
#include <stdint.h>
#include <string.h>

#include "sync/relay/ws.h"

enum { SHA1_BYTES = 20, SHA1_BLOCK = 64, KEY_BYTES_MAX = 128 };

static uint32_t rotate(uint32_t word, unsigned by)
{
    return word << by | word >> (32 - by);
}

static uint32_t round_function(int t, uint32_t b, uint32_t c, uint32_t d)
{
    if (t < 20)
        return ((b & c) | (~b & d)) + 0x5a827999;
    if (t < 40)
        return (b ^ c ^ d) + 0x6ed9eba1;
    if (t < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    return (b ^ c ^ d) + 0xca62c1d6;
}

static uint32_t be32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void sha1_block(uint32_t state[5], const unsigned char block[SHA1_BLOCK])
{
    uint32_t w[80];
    for (int t = 0; t < 16; t++)
        w[t] = be32(block + (size_t)4 * t);
    for (int t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);

    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int t = 0; t < 80; t++) {
        uint32_t next = rotate(a, 5) + round_function(t, b, c, d) + e + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

/* Of less than KEY_BYTES_MAX bytes: padded as a whole, then block by block. */
static void sha1(struct bytes text, unsigned char out[SHA1_BYTES])
{
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    unsigned char padded[KEY_BYTES_MAX + SHA1_BLOCK] = {0};
    ensure(text.len < KEY_BYTES_MAX);
    memcpy(padded, text.data, text.len);
    padded[text.len] = 0x80;
    size_t len = (text.len + 8) / SHA1_BLOCK * SHA1_BLOCK + SHA1_BLOCK;
    padded[len - 2] = (unsigned char)(text.len * 8 >> 8);
    padded[len - 1] = (unsigned char)(text.len * 8);
    for (size_t at = 0; at < len; at += SHA1_BLOCK)
        sha1_block(state, padded + at);
    for (int i = 0; i < SHA1_BYTES; i++)
        out[i] = (unsigned char)(state[i / 4] >> (24 - i % 4 * 8));
}

/* 20 bytes are 26 2/3 characters: 27 and one '='. */
static void base64_20(const unsigned char in[SHA1_BYTES], char out[29])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0, o = 0; i < SHA1_BYTES; i += 3) {
        uint32_t last = i + 2 < SHA1_BYTES ? in[i + 2] : 0;
        uint32_t three = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | last;
        for (int shift = 18; shift >= 0; shift -= 6)
            out[o++] = digits[three >> shift & 63];
    }
    out[27] = '=';
    out[28] = '\0';
}

void ws_accept_key(struct bytes key, char out[29])
{
    unsigned char digest[SHA1_BYTES];
    struct buf text = {0};
    buf_add_bytes(&text, key);
    buf_add_string(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"); /* RFC 6455 1.3 */
    sha1(buf_view(&text), digest);
    buf_release(&text);
    base64_20(digest, out);
}
