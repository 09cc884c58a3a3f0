/*
 * What the journal makes of bytes that are not what it wrote: the body of a LOCAL row after it was opened, and the sealed
 * form before. What decodes must encode to the same bytes, for there is one form of everything.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sync/journal_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_body(struct bytes input)
{
    struct local_body body;
    if (!local_body_decode(input, &body))
        return;
    struct buf again = {0};
    local_body_encode(&body, &again);
    ensure(bytes_equal(buf_view(&again), input));
    buf_release(&again);
}

/* Nobody without the key can make a sealed value: none may open. */
static void open_sealed(struct bytes input)
{
    struct journal journal = {.key = {{1}}};
    struct buf out = {0};
    journal_name_begin(&journal, "arrival");
    ensure(!journal_unseal(&journal, input, &out));
    ensure(out.len == 0);
    buf_release(&journal.name);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    decode_body(input);
    open_sealed(input);
    return 0;
}
