/*
 * Bytes as a stored record: decoded as a relay does it; and, with the signature and tag taken on trust, the rest as its
 * plaintext, as a malicious member with all keys could have sealed it. Opening it keeps the bound on memory.
 */
#include <stdint.h>
#include <stdlib.h>

#include "editor/base/xalloc.h"
#include "sync/bundle.h"
#include "sync/record.h"
#include "tests/support/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct doc_id doc = {{1}};

static void read_as_relay(struct bytes stored)
{
    struct record record;
    struct genesis genesis;
    struct member member;
    struct error err = {0};
    if (!record_decode(stored, &record, &err))
        return;
    ensure(record.whole.len == record.signed_part.len + CRYPTO_SIGNATURE_BYTES);
    ensure(record.aad_part.len + record.sealed.len < record.signed_part.len);
    if (genesis_check(&record, &doc, &genesis, &err) ||
        member_check(&record, &doc, &(struct sign_public){{2}}, &member, &err))
        ensure(record.kind == RECORD_GENESIS || record.kind == RECORD_MEMBER);
}

static void read_as_events(const struct doc_keys *keys, unsigned kind, struct bytes plain)
{
    struct buf stored = {0}, opened = {0};
    struct batch_run run;
    struct record record;
    struct error err = {0};
    struct digest last = {{0}};
    record_seal(&(struct record_spec){.kind = kind,
                                      .count = plain.len ? plain.data[0] + 1u : 1,
                                      .plain = plain,
                                      .last = &last,
                                      .keys = keys,
                                      .signer = &keys->read_key},
                &stored);
    ensure(record_decode(buf_view(&stored), &record, &err));
    size_t count = 0;
    heap_begin();
    bool good = record_open_events(&record, keys, &opened, &run, &err);
    struct batch_cursor cursor = batch_cursor_of(&run);
    while (batch_cursor_next(&cursor))
        count++;
    batch_cursor_release(&cursor);
    heap_end_decode(stored.len, BATCH_DECODE_BYTES + (record.is_bundle ? BUNDLE_DECODE_BYTES + COMPRESSOR_BYTES : 0));
    ensure(count == run.count && (count > 0) == good);
    buf_release(&opened);
    buf_release(&stored);
}

/* The plaintexts of GENESIS, BASE and MEMBER, with whatever clear part came along. */
static void read_as_others(const struct doc_keys *keys, struct bytes clear, struct bytes plain)
{
    static const unsigned kinds[] = {RECORD_GENESIS, RECORD_BASE, RECORD_MEMBER};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct buf stored = {0}, bytes = {0};
        struct record record;
        struct genesis genesis;
        struct member member;
        struct error err = {0};
        uint64_t chunk;
        record_seal(
            &(struct record_spec){
                .kind = kinds[i], .clear = clear, .plain = plain, .keys = keys, .signer = &keys->read_key},
            &stored);
        ensure(record_decode(buf_view(&stored), &record, &err));
        bool opened = genesis_open(&record, keys, &genesis, &err) || base_open(&record, keys, &chunk, &bytes, &err) ||
                      member_open(&record, keys, &keys->read_key.public_key, &member, &err);
        ensure(opened || err.code != ERR_NONE);
        buf_release(&bytes);
        buf_release(&stored);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char seed[KEY_SEED_BYTES] = {3};
    static struct doc_keys keys; /* made once: three key pairs cost more than a run */
    struct bytes input = bytes_of(data, size);
    read_as_relay(input);
    if (size == 0 || size > BATCH_BYTES_MAX)
        return 0;
    if (!doc_id_equal(&keys.doc, &doc))
        doc_keys_from_link(&keys, &doc, ACCESS_READ, seed);
    read_as_events(&keys, data[0] & 1 ? RECORD_PACK : RECORD_EVENTS, bytes_slice(input, 1, size - 1));
    size_t clear_len = data[0] < size ? data[0] : size;
    read_as_others(&keys, bytes_slice(input, 0, clear_len), bytes_slice(input, clear_len, size - clear_len));
    return 0;
}
