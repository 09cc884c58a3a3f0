/*
 * rope_piece - the matter a rope is made of: sources of bytes, pieces of them, and what is counted in a piece.
 *
 * Internal to the rope (rope.h, rope_tree.h). A source is memory that is never written below the length any piece
 * knows; a piece is a run of one source together with its counts. Every piece holds a reference on its source.
 *
 *   Units      a code point is counted at its first byte: every byte that is not 10xxxxxx counts one. In valid UTF-8
 *              that is the number of code points; for other bytes it is merely consistent and additive, which is
 *              what sums over pieces cut at any byte need.
 *   Ownership  rope_piece_keep() and rope_piece_drop() count references; they may run on any thread.
 *   Bounds     a piece is 1 .. ROPE_PIECE_BYTES_MAX bytes long, so looking inside one costs about a microsecond.
 */
#ifndef WEFT_EDITOR_ROPE_PIECE_H
#define WEFT_EDITOR_ROPE_PIECE_H

#include <stdint.h>

#include "editor/base/bytes.h"

#ifdef WEFT_SMALL_NODES
enum { ROPE_PIECE_BYTES_MAX = 64 };
#else
enum { ROPE_PIECE_BYTES_MAX = 16 * 1024 };
#endif

enum rope_measure { ROPE_BYTES, ROPE_NEWLINES, ROPE_CODEPOINTS };
enum { ROPE_MEASURES = ROPE_CODEPOINTS + 1 };

struct rope_sums {
    uint64_t of[ROPE_MEASURES];
};

struct rope_sums rope_sums_of(struct bytes text);
static inline void rope_sums_count(struct rope_sums *sums, unsigned char byte)
{
    sums->of[ROPE_BYTES]++;
    sums->of[ROPE_NEWLINES] += byte == '\n';
    sums->of[ROPE_CODEPOINTS] += (signed char)byte >= -64; /* not 10xxxxxx */
}
static inline struct rope_sums rope_sums_add(struct rope_sums a, struct rope_sums b)
{
    for (size_t i = 0; i < ROPE_MEASURES; i++)
        a.of[i] += b.of[i];
    return a;
}
static inline struct rope_sums rope_sums_subtract(struct rope_sums a, struct rope_sums b)
{
    for (size_t i = 0; i < ROPE_MEASURES; i++)
        a.of[i] -= b.of[i];
    return a;
}

struct rope_source;

/* Takes ownership of `text`; one reference, for the caller. release may be NULL. */
struct rope_source *rope_source_of(struct bytes text, void (*release)(void *context, struct bytes text), void *context);
void rope_source_drop(struct rope_source *source); /* NULL is fine */

struct rope_piece {
    const unsigned char *data;
    struct rope_source *source;
    uint32_t of[ROPE_MEASURES]; /* of[ROPE_BYTES] > 0 */
};

/* A new reference on `source`, which `text` is a part of. */
struct rope_piece rope_piece_of(struct rope_source *source, struct bytes text);
struct rope_piece rope_piece_keep(struct rope_piece piece); /* one reference more */
void rope_piece_drop(struct rope_piece piece);
struct bytes rope_piece_text(const struct rope_piece *piece);
struct rope_sums rope_piece_sums(const struct rope_piece *piece);
/* The counts of the first `len` bytes. */
struct rope_sums rope_piece_sums_before(const struct rope_piece *piece, size_t len);
/* Where in the piece unit number `unit` (from 0) of a measure is. */
size_t rope_piece_find(const struct rope_piece *piece, enum rope_measure measure, uint32_t unit);
/* `piece` keeps its first `len` bytes; the rest is returned, with a reference of its own. 0 < len < its length. */
struct rope_piece rope_piece_split(struct rope_piece *piece, size_t len);
/* Its end moved in memory by bytes that have these sums: on, or back (then they are below zero). */
void rope_piece_adjust(struct rope_piece *piece, struct rope_sums sums);
/* When `next` continues `piece` in memory, `piece` swallows it (and its reference). */
bool rope_piece_join(struct rope_piece *piece, const struct rope_piece *next);

/*
 * Where new text goes: blocks that fill up from the front. Only the rope that started a block writes to it. Zero-initialised it
 * is ready.
 */
struct rope_ink {
    struct rope_source *block;
    unsigned char *free;       /* first unused byte of the block */
    unsigned char *floor;      /* what is in front of it others may have seen: it is never written again */
    const unsigned char *stop; /* the end of the block */
    size_t block_bytes;        /* size of the block before */
};

void rope_ink_release(struct rope_ink *ink);
/* Copies 1 .. ROPE_PIECE_BYTES_MAX bytes, which have these sums. */
struct rope_piece rope_ink_write(struct rope_ink *ink, struct bytes text, struct rope_sums sums);

/*
 * A page: the memory of a piece, and room behind it, that nobody else sees, so that text can be edited there (rope_finger.h). It
 * is what was written last in the ink, or memory of its own, into which text that is edited again is copied.
 */
#ifdef WEFT_SMALL_NODES
enum { ROPE_PAGE_BYTES_MAX = 24 };
#else
enum { ROPE_PAGE_BYTES_MAX = 4096 };
#endif

struct rope_page {
    unsigned char *start, *stop;
    bool in_ink;
};
/* A piece of a page of its own: the three texts, not all empty, which have these sums, and room. */
struct rope_piece rope_page_of(struct bytes front, struct bytes text, struct bytes back, struct rope_sums sums);
/* False: others may see the piece's memory, or some of its page. */
bool rope_piece_page(const struct rope_piece *piece, const struct rope_ink *ink, struct rope_page *page);

#endif
