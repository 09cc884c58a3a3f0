/* Frames from either side, and presence. What is read must write back to the same bytes, and keeps the bound on memory. */
#include <stdint.h>

#include "sync/message.h"
#include "tests/support/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A number given twice to one agent is harmless and the only second form there is: a frame then writes back shorter. */
static void read_frame(struct bytes frame, enum message_sender sender)
{
    struct agent_numbers heard = {0}, sent = {0};
    struct message message = {0};
    struct buf again = {0};
    struct error err = {0};
    heap_begin();
    bool decoded = message_decode(frame, sender, &heard, &message, &err);
    heap_end_decode(frame.len, MESSAGE_DECODE_BYTES);
    if (decoded) {
        message_encode(&message, sender, &sent, &again);
        ensure(again.len <= frame.len);
        ensure(again.len < frame.len || bytes_equal(buf_view(&again), frame));
    } else {
        ensure(err.code != ERR_NONE && heard.count == 0);
    }
    agent_numbers_release(&heard);
    agent_numbers_release(&sent);
    message_release(&message);
    buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char seed[KEY_SEED_BYTES] = {3};
    static struct doc_keys keys; /* made once: key pairs cost more than a run */
    const struct doc_id doc = {{1}};
    if (!doc_id_equal(&keys.doc, &doc))
        doc_keys_from_link(&keys, &doc, ACCESS_READ, seed);
    read_frame(bytes_of(data, size), MESSAGE_BY_CLIENT);
    read_frame(bytes_of(data, size), MESSAGE_BY_RELAY);

    struct presence presence;
    struct error err = {0};
    heap_begin();
    bool opened = presence_open(bytes_of(data, size), &keys, &presence, &err);
    heap_end_decode(size, 0);
    ensure(opened || err.code != ERR_NONE);
    return 0;
}
