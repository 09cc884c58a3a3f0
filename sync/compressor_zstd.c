#include "sync/compressor.h"

#include <stdlib.h>

#include <zstd.h>

#include "editor/base/xalloc.h"

enum { BLOCK_MOST = 16384, BLOCK_LEAST = 4 * COMPRESSOR_RATIO_MAX, WINDOW_LOG_MAX = 27 };

struct compressor { /* both are made when they are first needed */
    ZSTD_CCtx *packing;
    ZSTD_DCtx *unpacking;
    bool limited; /* all frames together, not each: */
    size_t left;  /* so many bytes may still be unpacked */
};

struct compressor *compressor_new(void)
{
    return xcalloc(1, sizeof(struct compressor));
}

void compressor_free(struct compressor *compressor)
{
    if (!compressor)
        return;
    ZSTD_freeCCtx(compressor->packing);
    ZSTD_freeDCtx(compressor->unpacking);
    free(compressor);
}

/* Somebody waits for it who wants to leave: the longer the content, the less may a byte take. */
static int level_for(size_t len)
{
    if (len <= (size_t)512 << 10)
        return 16;
    return len <= (size_t)4 << 20 ? 9 : 3;
}

static bool is_too_dense(const struct compressor *compressor, size_t plain_len, size_t len)
{
    return !compressor->limited && plain_len / COMPRESSOR_RATIO_MAX > len;
}

/*
 * The same frame in more bytes, for what is beyond the ratio: each block of it takes four bytes at least, so the shorter they are
 * the longer it is. Returns its length; that of the content, which is as good as none, where there is no room for it.
 */
static size_t pack_in_blocks(struct compressor *compressor, struct bytes plain, size_t block, unsigned char *to, size_t room)
{
    ZSTD_CCtx *packing = compressor->packing;
    ZSTD_outBuffer out = {to, room, 0};
    bool good = !ZSTD_isError(ZSTD_CCtx_reset(packing, ZSTD_reset_session_and_parameters)) &&
                !ZSTD_isError(ZSTD_CCtx_setParameter(packing, ZSTD_c_compressionLevel, level_for(plain.len))) &&
                !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(packing, plain.len));
    for (size_t at = 0; good && at < plain.len;) {
        size_t len = plain.len - at < block ? plain.len - at : block;
        ZSTD_inBuffer in = {plain.data + at, len, 0};
        at += len;
        good = ZSTD_compressStream2(packing, &out, &in, at < plain.len ? ZSTD_e_flush : ZSTD_e_end) == 0;
    }
    return good ? out.pos : plain.len;
}

static void begin_packing(struct compressor *compressor)
{
    if (!compressor->packing)
        compressor->packing = ZSTD_createCCtx();
    ensure(compressor->packing);
}

bool compressor_pack(struct compressor *compressor, struct bytes plain, struct buf *out)
{
    size_t before = out->len, room = ZSTD_compressBound(plain.len);
    begin_packing(compressor);
    unsigned char *to = buf_extend(out, room);
    size_t len = ZSTD_compressCCtx(compressor->packing, to, room, plain.data, plain.len, level_for(plain.len));
    ensure(!ZSTD_isError(len));
    for (size_t block = BLOCK_MOST; is_too_dense(compressor, plain.len, len) && block >= BLOCK_LEAST; block /= 2)
        len = pack_in_blocks(compressor, plain, block, to, room);
    bool worth_it = len < plain.len && !is_too_dense(compressor, plain.len, len);
    out->len = before + (worth_it ? len : 0);
    return worth_it;
}

/* So that what is farthest in front can still be named. */
static int window_log(size_t bytes)
{
    int log = 10;
    while (log < WINDOW_LOG_MAX && (size_t)1 << log < bytes)
        log++;
    return log;
}

void compressor_pack_after(struct compressor *compressor, struct bytes prefix, struct bytes plain, struct buf *out)
{
    size_t before = out->len, room = ZSTD_compressBound(plain.len), all = prefix.len + plain.len;
    ensure(prefix.len <= COMPRESSOR_PREFIX_MAX && compressor->limited);
    begin_packing(compressor);
    ZSTD_CCtx *packing = compressor->packing;
    ensure(!ZSTD_isError(ZSTD_CCtx_reset(packing, ZSTD_reset_session_and_parameters)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(packing, ZSTD_c_compressionLevel, level_for(all))) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(packing, ZSTD_c_windowLog, window_log(all))) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(packing, ZSTD_c_enableLongDistanceMatching, 1)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(packing, ZSTD_c_checksumFlag, 1)) &&
           !ZSTD_isError(ZSTD_CCtx_refPrefix(packing, prefix.data, prefix.len)));
    size_t len = ZSTD_compress2(packing, buf_extend(out, room), room, plain.data, plain.len);
    ensure(!ZSTD_isError(len));
    out->len = before + len;
}

static bool is_within(const struct compressor *compressor, unsigned long long len, size_t packed_len)
{
    return compressor->limited ? len <= compressor->left : len / COMPRESSOR_RATIO_MAX <= packed_len;
}

uint64_t compressor_content_len(struct bytes packed)
{
    unsigned long long len = ZSTD_getFrameContentSize(packed.data, packed.len);
    return len == ZSTD_CONTENTSIZE_UNKNOWN || len == ZSTD_CONTENTSIZE_ERROR ? 0 : len;
}

/* How long the content says it is; 0: it does not, or it is too long, or something else than one frame. */
static size_t content_len(const struct compressor *compressor, struct bytes packed)
{
    uint64_t len = compressor_content_len(packed);
    if (!is_within(compressor, len, packed.len))
        return 0;
    return ZSTD_findFrameCompressedSize(packed.data, packed.len) == packed.len ? (size_t)len : 0;
}

bool compressor_unpack_after(struct compressor *compressor, struct bytes prefix, struct bytes packed, struct buf *out)
{
    size_t before = out->len, len = content_len(compressor, packed);
    if (len == 0)
        return false;
    if (compressor->limited)
        compressor->left -= len;
    if (!compressor->unpacking)
        compressor->unpacking = ZSTD_createDCtx();
    ensure(compressor->unpacking && !ZSTD_isError(ZSTD_DCtx_refPrefix(compressor->unpacking, prefix.data, prefix.len)));
    buf_reserve(out, len);
    unsigned char *to = buf_extend(out, len);
    bool good = ZSTD_decompressDCtx(compressor->unpacking, to, len, packed.data, packed.len) == len;
    out->len = before + (good ? len : 0);
    return good;
}

bool compressor_unpack(struct compressor *compressor, struct bytes packed, struct buf *out)
{
    return compressor_unpack_after(compressor, (struct bytes){0}, packed, out);
}

void compressor_limit(struct compressor *compressor, size_t bytes)
{
    compressor->limited = true;
    compressor->left = bytes;
}
