#include "editor/rope_piece.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

/* A small document pays for a small block, a long session for few of them. */
enum { INK_BYTES_FIRST = 1024, INK_BYTES_MAX = 256 * 1024 };

struct rope_source {
    atomic_uint refs;
    struct bytes text;
    void (*release)(void *context, struct bytes text);
    void *context;
    unsigned char *page; /* NULL, or its text, which may be written by who has the only reference */
};

/* --- counting --- */

/*
 * Eight-bit counters side by side, emptied before they can overflow: inner loops of constant length without branches,
 * which compilers turn into vector instructions.
 */
enum { LANES = 32, ROWS_MAX = 255, WORD = 8 };
#define EACH_BYTE UINT64_C(0x0101010101010101)

static uint64_t lanes_sum(const unsigned char lanes[LANES])
{
    uint64_t sum = 0;
    for (size_t i = 0; i < LANES; i++)
        sum += lanes[i];
    return sum;
}

static struct rope_sums count_rows(const unsigned char *data, size_t rows)
{
    unsigned char newlines[LANES] = {0};
    unsigned char heads[LANES] = {0};
    for (size_t row = 0; row < rows; row++, data += LANES) {
        for (size_t i = 0; i < LANES; i++)
            newlines[i] = (unsigned char)(newlines[i] + (data[i] == '\n'));
        for (size_t i = 0; i < LANES; i++)
            heads[i] = (unsigned char)(heads[i] + ((signed char)data[i] >= -64)); /* not 10xxxxxx */
    }
    return (struct rope_sums){{rows * LANES, lanes_sum(newlines), lanes_sum(heads)}};
}

/* How many of eight bytes have their highest bit set, all others being clear. */
static unsigned count_high_bits(uint64_t word)
{
    return (unsigned)((word >> 7) * EACH_BYTE >> 56);
}

/* The same for the first `len` bytes of a word, the others being 0. */
static struct rope_sums count_word(uint64_t word, size_t len)
{
    uint64_t other = word ^ EACH_BYTE * '\n'; /* a newline is 0 here: then nothing carries into its highest bit */
    uint64_t newlines = ~(((other & EACH_BYTE * 0x7f) + EACH_BYTE * 0x7f) | other) & EACH_BYTE * 0x80;
    uint64_t inner = word & ~(word << 1) & EACH_BYTE * 0x80; /* 10xxxxxx */
    return (struct rope_sums){{len, count_high_bits(newlines), len - count_high_bits(inner)}};
}

enum { HALF = WORD / 2, BITS = 8 };

/* The first byte is the lowest, whatever the machine: a compiler makes one load of it. */
static inline uint64_t half_at(const unsigned char *data)
{
    return data[0] | (uint64_t)data[1] << BITS | (uint64_t)data[2] << 2 * BITS | (uint64_t)data[3] << 3 * BITS;
}

static inline uint64_t word_at(const unsigned char *data)
{
    return half_at(data) | half_at(data + HALF) << HALF * BITS;
}

/* 1 to 7 bytes as the first ones of a word: looked at twice rather than in a loop of a length that nobody can foresee. */
static uint64_t short_word(const unsigned char *data, size_t len)
{
    if (len >= HALF)
        return half_at(data) | half_at(data + len - HALF) << (len - HALF) * BITS;
    return data[0] | (uint64_t)data[len / 2] << len / 2 * BITS | (uint64_t)data[len - 1] << (len - 1) * BITS;
}

struct rope_sums rope_sums_of(struct bytes text)
{
    struct rope_sums sums = {{0}};
    const unsigned char *at = text.data;
    size_t left = text.len;

    while (left >= LANES) {
        size_t rows = left / LANES < ROWS_MAX ? left / LANES : ROWS_MAX;
        sums = rope_sums_add(sums, count_rows(at, rows));
        at += rows * LANES;
        left -= rows * LANES;
    }
    for (; left >= WORD; left -= WORD, at += WORD)
        sums = rope_sums_add(sums, count_word(word_at(at), WORD));
    if (left == 0)
        return sums;
    uint64_t last = text.len < WORD ? short_word(at, left) : word_at(at + left - WORD) >> (WORD - left) * BITS;
    return rope_sums_add(sums, count_word(last, left));
}

/* --- sources --- */

struct rope_source *rope_source_of(struct bytes text, void (*release)(void *context, struct bytes text), void *context)
{
    struct rope_source *source = xmalloc(sizeof *source);
    *source = (struct rope_source){.text = text, .release = release, .context = context};
    atomic_init(&source->refs, 1);
    return source;
}

void rope_source_drop(struct rope_source *source)
{
    if (!source || atomic_fetch_sub_explicit(&source->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (source->release)
        source->release(source->context, source->text);
    free(source);
}

/* --- pieces --- */

static void piece_set_sums(struct rope_piece *piece, struct rope_sums sums)
{
    for (size_t i = 0; i < ROPE_MEASURES; i++)
        piece->of[i] = (uint32_t)sums.of[i];
}

struct rope_piece rope_piece_of(struct rope_source *source, struct bytes text)
{
    ensure(text.len > 0 && text.len <= ROPE_PIECE_BYTES_MAX);
    struct rope_piece piece = {.data = text.data, .source = source};
    piece_set_sums(&piece, rope_sums_of(text));
    return rope_piece_keep(piece);
}

struct rope_piece rope_piece_keep(struct rope_piece piece)
{
    atomic_fetch_add_explicit(&piece.source->refs, 1, memory_order_relaxed);
    return piece;
}

void rope_piece_drop(struct rope_piece piece)
{
    rope_source_drop(piece.source);
}

struct bytes rope_piece_text(const struct rope_piece *piece)
{
    return bytes_of(piece->data, piece->of[ROPE_BYTES]);
}

struct rope_sums rope_piece_sums(const struct rope_piece *piece)
{
    return (struct rope_sums){{piece->of[ROPE_BYTES], piece->of[ROPE_NEWLINES], piece->of[ROPE_CODEPOINTS]}};
}

struct rope_sums rope_piece_sums_before(const struct rope_piece *piece, size_t len)
{
    struct bytes text = rope_piece_text(piece);
    ensure(len <= text.len);
    if (len <= text.len / 2)
        return rope_sums_of(bytes_of(text.data, len));
    struct rope_sums after = rope_sums_of(bytes_of(text.data + len, text.len - len));
    return rope_sums_subtract(rope_piece_sums(piece), after);
}

static bool byte_counts(unsigned char byte, enum rope_measure measure)
{
    switch (measure) {
    case ROPE_BYTES:
        return true;
    case ROPE_NEWLINES:
        return byte == '\n';
    case ROPE_CODEPOINTS:
        return !utf8_is_continuation(byte);
    }
    return false;
}

/* Long strides first: counting is fast, looking at single bytes is not. */
enum { FIND_STRIDE = 4096, FIND_NARROWER = 8 };

size_t rope_piece_find(const struct rope_piece *piece, enum rope_measure measure, uint32_t unit)
{
    size_t at = 0;

    ensure(unit < piece->of[measure]);
    if (piece->of[measure] == piece->of[ROPE_BYTES])
        return unit; /* every byte counts: plain ASCII, or bytes asked for */
    for (size_t stride = FIND_STRIDE; stride > LANES; stride /= FIND_NARROWER) {
        while (at + stride <= piece->of[ROPE_BYTES]) {
            struct rope_sums skipped = rope_sums_of(bytes_of(piece->data + at, stride));
            if (unit < skipped.of[measure])
                break;
            unit -= (uint32_t)skipped.of[measure];
            at += stride;
        }
    }
    while (!byte_counts(piece->data[at], measure) || unit-- > 0)
        at++;
    return at;
}

struct rope_piece rope_piece_split(struct rope_piece *piece, size_t len)
{
    ensure(len > 0 && len < piece->of[ROPE_BYTES]);
    struct rope_sums before = rope_piece_sums_before(piece, len);
    struct rope_piece rest = rope_piece_keep(*piece);
    rest.data += len;
    piece_set_sums(&rest, rope_sums_subtract(rope_piece_sums(piece), before));
    piece_set_sums(piece, before);
    return rest;
}

bool rope_piece_join(struct rope_piece *piece, const struct rope_piece *next)
{
    if (piece->source != next->source || piece->data + piece->of[ROPE_BYTES] != next->data)
        return false;
    if (piece->of[ROPE_BYTES] + next->of[ROPE_BYTES] > ROPE_PIECE_BYTES_MAX)
        return false;
    piece_set_sums(piece, rope_sums_add(rope_piece_sums(piece), rope_piece_sums(next)));
    rope_piece_drop(*next);
    return true;
}

void rope_piece_adjust(struct rope_piece *piece, struct rope_sums sums)
{
    for (size_t i = 0; i < ROPE_MEASURES; i++)
        piece->of[i] += (uint32_t)sums.of[i];
}

/* --- ink --- */

static void ink_block_release(void *block, struct bytes text)
{
    (void)text;
    free(block);
}

static void ink_start_block(struct rope_ink *ink, size_t needed)
{
    size_t size = ink->block_bytes ? ink->block_bytes * 2 : INK_BYTES_FIRST;
    if (size > INK_BYTES_MAX)
        size = INK_BYTES_MAX;
    if (size < needed)
        size = needed;
    rope_source_drop(ink->block);
    unsigned char *memory = xmalloc(size);
    *ink = (struct rope_ink){
        .block = rope_source_of(bytes_of(memory, size), ink_block_release, memory),
        .free = memory,
        .floor = memory,
        .stop = memory + size,
        .block_bytes = size,
    };
}

void rope_ink_release(struct rope_ink *ink)
{
    rope_source_drop(ink->block);
    *ink = (struct rope_ink){0};
}

struct rope_piece rope_ink_write(struct rope_ink *ink, struct bytes text, struct rope_sums sums)
{
    ensure(text.len > 0 && text.len <= ROPE_PIECE_BYTES_MAX && text.len == sums.of[ROPE_BYTES]);
    if (!ink->block || text.len > (size_t)(ink->stop - ink->free))
        ink_start_block(ink, text.len);
    memcpy(ink->free, text.data, text.len);
    struct rope_piece piece = {.data = ink->free, .source = ink->block};
    piece_set_sums(&piece, sums);
    ink->free += text.len;
    return rope_piece_keep(piece);
}

/* --- pages --- */

enum { PAGE_ROOM_MIN = 64 };

static size_t page_size(size_t len)
{
    size_t size = len + len / 2 + PAGE_ROOM_MIN;
    if (size > ROPE_PAGE_BYTES_MAX)
        size = ROPE_PAGE_BYTES_MAX;
    return size > len ? size : len;
}

static unsigned char *put(unsigned char *to, struct bytes text)
{
    if (text.len > 0)
        memcpy(to, text.data, text.len);
    return to + text.len;
}

struct rope_piece rope_page_of(struct bytes front, struct bytes text, struct bytes back, struct rope_sums sums)
{
    size_t size = page_size(sums.of[ROPE_BYTES]);
    struct rope_source *source = xmalloc(sizeof *source + size); /* the page is right behind */
    unsigned char *page = (unsigned char *)(source + 1);
    *source = (struct rope_source){.text = bytes_of(page, size), .page = page};
    atomic_init(&source->refs, 1);
    unsigned char *end = put(put(put(page, front), text), back);
    ensure(end > page && (size_t)(end - page) == sums.of[ROPE_BYTES] && end <= page + ROPE_PIECE_BYTES_MAX);
    struct rope_piece piece = {.data = page, .source = source};
    piece_set_sums(&piece, sums);
    return piece;
}

static bool is_last_in_ink(const struct rope_piece *piece, const struct rope_ink *ink)
{
    return piece->source == ink->block && piece->data + piece->of[ROPE_BYTES] == ink->free && piece->data >= ink->floor;
}

/* Acquire: whoever dropped the other reference is done reading before we write. */
bool rope_piece_page(const struct rope_piece *piece, const struct rope_ink *ink, struct rope_page *page)
{
    const struct rope_source *source = piece->source;
    if (is_last_in_ink(piece, ink)) {
        size_t left = (size_t)(ink->stop - piece->data);
        *page = (struct rope_page){.start = ink->free - piece->of[ROPE_BYTES], .in_ink = true};
        page->stop = page->start + (left < ROPE_PAGE_BYTES_MAX ? left : ROPE_PAGE_BYTES_MAX);
        return page->stop >= ink->free;
    }
    if (!source->page || atomic_load_explicit(&source->refs, memory_order_acquire) != 1)
        return false;
    *page = (struct rope_page){.start = source->page, .stop = source->page + source->text.len};
    return true;
}
