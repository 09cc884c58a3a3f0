/* batch_decode(): any bytes are refused or are exactly what batch_encode() makes of the result, and keep the bound on memory. */
#include <stdint.h>
#include <string.h>

#include "editor/base/ensure.h"
#include "sync/batch.h"
#include "tests/support/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte is the batch's first event number, the rest its canonical form. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct agent_id agent = {{7}};
    struct batch batch = {0};
    struct buf again = {0};
    struct error err = {0};

    heap_begin();
    bool decoded = size > 0 && batch_decode(bytes_of(data + 1, size - 1), &agent, data[0], &batch, &err);
    heap_end_decode(size, BATCH_DECODE_BYTES);
    if (decoded) {
        batch_encode(&batch, &again);
        ensure(bytes_equal(buf_view(&again), bytes_of(data + 1, size - 1)));
        ensure(batch.count > 0 && batch.op_count > 0);
    } else if (size > 0) {
        ensure(err.code != ERR_NONE && batch.op_count == 0);
    }
    buf_release(&again);
    batch_release(&batch);
    return 0;
}
