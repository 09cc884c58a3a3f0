/* bundle_unpack(): any bytes are refused, or come to no more than the ratio allows, and no more than that is held meanwhile. */
#include <stdint.h>

#include "editor/base/ensure.h"
#include "sync/bundle.h"
#include "tests/support/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf plain = {0};
    heap_begin();
    bool unpacked = bundle_unpack(bytes_of(data, size), BATCH_BYTES_MAX, &plain);
    heap_end_decode(size, BUNDLE_DECODE_BYTES + COMPRESSOR_BYTES);
    if (unpacked)
        ensure(plain.len > 0 && plain.len <= size * BUNDLE_RATIO_MAX);
    else
        ensure(plain.len == 0);
    buf_release(&plain);
    return 0;
}
