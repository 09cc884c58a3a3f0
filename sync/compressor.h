/*
 * compressor - bytes in fewer bytes. zstd is known to compressor_zstd.c alone.
 *
 *   Units      bytes. What comes out is one zstd frame that says how long its content is, without checksum or dictionary:
 *              what is kept is sealed by who keeps it.
 *   Ownership  opaque; compressor_free(). It keeps its working memory from one call to the next.
 *   Errors     compressor_unpack() takes bytes that are not trusted and adds nothing when they are no such frame.
 *   Bounds     content longer than COMPRESSOR_RATIO_MAX times its frame is not taken, so that a few bytes cannot ask for much
 *              memory, and such a frame is made longer; or as compressor_limit() says. Packing takes 0.02 to 0.2 us a byte; the
 *              longer the content, the less.
 *   Threads    one at a time.
 */
#ifndef WEFT_SYNC_COMPRESSOR_H
#define WEFT_SYNC_COMPRESSOR_H

#include <stdint.h>

#include "editor/base/bytes.h"

enum {
    COMPRESSOR_RATIO_MAX = 64,
    COMPRESSOR_BYTES = 256 * 1024, /* what unpacking needs to work with, however short the frame is */
    COMPRESSOR_PREFIX_MAX = 32 << 20,
};

struct compressor;

struct compressor *compressor_new(void);
void compressor_free(struct compressor *compressor);

/* Appends the frame. False, and nothing is appended: it would not be shorter. */
bool compressor_pack(struct compressor *compressor, struct bytes plain, struct buf *out);
/* Appends the content of what is exactly one frame. False, and nothing is appended: it is none, or beyond the ratio. */
MUST_USE bool compressor_unpack(struct compressor *compressor, struct bytes packed, struct buf *out);
/* How long the content is, as the frame says: 0 if it says nothing. Nothing is unpacked. */
uint64_t compressor_content_len(struct bytes packed);
/*
 * A frame for who has bytes already that have much in common with these: what is in them too takes next to nothing. Both sides
 * have to name the same, COMPRESSOR_PREFIX_MAX at most; they are not copied. Such a frame has a checksum, for other bytes are to
 * be noticed, and is appended also where it is longer. Only where there is a limit:
 */
void compressor_pack_after(struct compressor *compressor, struct bytes prefix, struct bytes plain, struct buf *out);
MUST_USE bool compressor_unpack_after(struct compressor *compressor, struct bytes prefix, struct bytes packed, struct buf *out);
/*
 * Instead of a ratio for each frame: what is unpacked from here on is no more than this many bytes, all together. Who packs says
 * it too (any number), and sees to it that his reader's limit is kept.
 */
void compressor_limit(struct compressor *compressor, size_t bytes);

#endif
