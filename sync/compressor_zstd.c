#include "sync/compressor.h"

#include <stdlib.h>

#include <zstd.h>

#include "editor/base/xalloc.h"

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

bool compressor_pack(struct compressor *compressor, struct bytes plain, struct buf *out)
{
    size_t before = out->len, room = ZSTD_compressBound(plain.len);
    if (!compressor->packing)
        compressor->packing = ZSTD_createCCtx();
    ensure(compressor->packing);
    unsigned char *to = buf_extend(out, room);
    size_t len = ZSTD_compressCCtx(compressor->packing, to, room, plain.data, plain.len, level_for(plain.len));
    ensure(!ZSTD_isError(len));
    bool worth_it = len < plain.len && (compressor->limited || plain.len / COMPRESSOR_RATIO_MAX <= len);
    out->len = before + (worth_it ? len : 0);
    return worth_it;
}

static bool is_within(const struct compressor *compressor, unsigned long long len, size_t packed_len)
{
    return compressor->limited ? len <= compressor->left : len / COMPRESSOR_RATIO_MAX <= packed_len;
}

/* How long the content says it is; 0: it does not, or it is too long, or something else than one frame. */
static size_t content_len(const struct compressor *compressor, struct bytes packed)
{
    unsigned long long len = ZSTD_getFrameContentSize(packed.data, packed.len);
    if (len == ZSTD_CONTENTSIZE_UNKNOWN || len == ZSTD_CONTENTSIZE_ERROR ||
        !is_within(compressor, len, packed.len))
        return 0;
    return ZSTD_findFrameCompressedSize(packed.data, packed.len) == packed.len ? (size_t)len : 0;
}

bool compressor_unpack(struct compressor *compressor, struct bytes packed, struct buf *out)
{
    size_t before = out->len, len = content_len(compressor, packed);
    if (len == 0)
        return false;
    if (compressor->limited)
        compressor->left -= len;
    if (!compressor->unpacking)
        compressor->unpacking = ZSTD_createDCtx();
    ensure(compressor->unpacking);
    buf_reserve(out, len);
    unsigned char *to = buf_extend(out, len);
    bool good = ZSTD_decompressDCtx(compressor->unpacking, to, len, packed.data, packed.len) == len;
    out->len = before + (good ? len : 0);
    return good;
}

void compressor_limit(struct compressor *compressor, size_t bytes)
{
    compressor->limited = true;
    compressor->left = bytes;
}
