/* Any text as a link and as an address. What is read as a link writes to one that reads as the same. */
#include <stdint.h>

#include "sync/share_link.h"
#include "tests/support/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_read(const struct share_link *link)
{
    struct share_link again;
    struct error err = {0};
    struct buf text = {0}, text_again = {0};
    share_link_format_quoted(link, &text);
    ensure(share_link_parse(buf_view(&text), &again, &err));
    share_link_format_quoted(&again, &text_again);
    ensure(bytes_equal(buf_view(&text), buf_view(&text_again)));
    ensure(share_link_needs_insecure(link) == share_link_needs_insecure(&again));
    buf_release(&text);
    buf_release(&text_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct share_link link;
    struct share_host host;
    struct error err = {0};
    heap_begin();
    bool parsed = share_link_parse(bytes_of(data, size), &link, &err);
    heap_end_decode(size, SHARE_LINK_BYTES_MAX);
    if (parsed)
        write_and_read(&link);
    else
        ensure(err.code != ERR_NONE);
    if (share_host_parse(bytes_of(data, size), 7717, &host, &err))
        share_host_is_private(&host);
    return 0;
}
