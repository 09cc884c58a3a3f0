/* bundle_unpack(): any bytes are refused, or come to no more than the ratio allows. */
#include <stdint.h>

#include "editor/base/ensure.h"
#include "sync/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf plain = {0};
    if (bundle_unpack(bytes_of(data, size), BATCH_BYTES_MAX, &plain))
        ensure(plain.len > 0 && plain.len <= size * BUNDLE_RATIO_MAX);
    else
        ensure(plain.len == 0);
    buf_release(&plain);
    return 0;
}
