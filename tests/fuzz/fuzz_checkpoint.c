/*
 * Bytes as the plaintext of a checkpoint's records, sealed and signed as a malicious writer could: first byte, how much of it is
 * the clear part. What is taken is sealed again, and comes back the same: one form only.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/checkpoint.h"
#include "tests/support/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct doc_id doc = {{1}};

/* The counter is what the clear part says, so that more than one input in 2^64 gets behind it. */
static void seal(const struct doc_keys *keys, unsigned kind, uint64_t counter, struct bytes clear, struct bytes plain,
                 struct buf *stored)
{
    record_seal(&(struct record_spec){.kind = kind,
                                      .agent = {{1}},
                                      .sealer = {{1}},
                                      .counter = counter,
                                      .clear = clear,
                                      .plain = plain,
                                      .keys = keys,
                                      .signer = &keys->read_key},
                stored);
}

static void read_head(const struct doc_keys *keys, uint64_t counter, struct bytes clear, struct bytes plain)
{
    struct buf stored = {0}, again = {0}, opened = {0};
    struct record record, second;
    struct checkpoint checkpoint;
    struct error err = {0};
    seal(keys, RECORD_CHECKPOINT, counter, clear, plain, &stored);
    ensure(record_decode(buf_view(&stored), &record, &err));
    heap_begin();
    bool taken = checkpoint_open(&record, keys, &checkpoint, &err);
    heap_end_decode(stored.len, 0);
    if (taken) {
        struct checkpoint_sealer sealer = {keys, &keys->read_key, {{1}}, counter - checkpoint_parts(checkpoint.text_len)};
        checkpoint_seal(&sealer, &checkpoint, &again);
        ensure(record_decode(buf_view(&again), &second, &err) && record_open(&second, keys, &opened, &err));
        ensure(opened.len == plain.len && memcmp(opened.data, plain.data, plain.len) == 0);
    }
    buf_release(&stored);
    buf_release(&again);
    buf_release(&opened);
}

static void read_text(const struct doc_keys *keys, uint64_t counter, struct bytes clear, struct bytes plain)
{
    struct buf stored = {0}, text = {0};
    struct record record;
    struct checkpoint_clear place;
    struct error err = {0};
    seal(keys, RECORD_CHECKPOINT_TEXT, counter, clear, plain, &stored);
    ensure(record_decode(buf_view(&stored), &record, &err));
    if (checkpoint_read_clear(&record, &place, &err)) {
        uint64_t len = place.part * CHECKPOINT_CHUNK_BYTES + (plain.len > 1 ? plain.len - 1 : 0);
        heap_begin();
        bool taken = checkpoint_text_open(&record, keys, len, place.part, &text, &err);
        heap_end_decode(stored.len, CHECKPOINT_CHUNK_BYTES + COMPRESSOR_BYTES);
        ensure(taken ? text.len <= CHECKPOINT_CHUNK_BYTES : text.len == 0);
    }
    buf_release(&stored);
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char seed[KEY_SEED_BYTES] = {3};
    static struct doc_keys keys; /* made once: three key pairs cost more than a run */
    if (size < 2 || size > RECORD_BYTES_MAX - 4096)
        return 0;
    if (!doc_id_equal(&keys.doc, &doc))
        doc_keys_from_link(&keys, &doc, ACCESS_READ, seed);
    struct bytes input = bytes_of(data + 1, size - 1);
    size_t clear_len = data[0] < input.len ? data[0] : input.len;
    struct bytes clear = bytes_slice(input, 0, clear_len), plain = bytes_slice(input, clear_len, input.len - clear_len);
    struct reader reader = reader_of(clear);
    uint64_t set = read_varint(&reader), part = read_varint(&reader);
    read_head(&keys, set + part, clear, plain);
    read_text(&keys, set + part, clear, plain);
    return 0;
}
