/* wal_mend(): any bytes; what it leaves is whole, and no longer than what came. */
#include <stdint.h>

#include "editor/base/ensure.h"
#include "sync/wal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf log = {0};
    buf_add(&log, data, size);
    struct wal_verdict verdict = wal_mend(&log);
    ensure(log.len <= size && (verdict.state == WAL_CUT) == (verdict.lost > 0));
    if (verdict.state == WAL_WHOLE)
        ensure(bytes_equal(buf_view(&log), bytes_of(data, size)));
    ensure(wal_mend(&log).state == WAL_WHOLE);
    buf_release(&log);
    return 0;
}
