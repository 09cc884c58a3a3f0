/*
 * The plaintext of a presence, as somebody who has the document's keys can have made it: any bytes are refused, or what is
 * read is within its bounds. Only the signature is none, so that in the end all of them are refused.
 */
#include <stdint.h>
#include <string.h>

#include "editor/base/ensure.h"
#include "editor/base/varint.h"
#include "sync/presence.h"
#include "tests/support/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct agent_id agent = {{1}};

static void seal(const struct doc_keys *keys, struct bytes plain, struct buf *out)
{
    static const unsigned char signature[CRYPTO_SIGNATURE_BYTES];
    unsigned char nonce[CRYPTO_NONCE_BYTES] = {0}; /* behind the agent: counter 0 */
    struct seal_key key;
    struct buf sealed = {0};
    crypto_derive(key.bytes, sizeof key.bytes, keys->content_key.bytes, sizeof keys->content_key.bytes,
                  "weft-presence-key-1", (struct bytes){0});
    memcpy(nonce, agent.bytes, sizeof agent.bytes);
    crypto_seal(&key, nonce, bytes_of(keys->doc.bytes, sizeof keys->doc.bytes), plain, &sealed);
    buf_add(out, agent.bytes, sizeof agent.bytes);
    buf_add_varint(out, 0);
    buf_add_sized(out, buf_view(&sealed));
    buf_add(out, signature, sizeof signature);
    buf_release(&sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char seed[KEY_SEED_BYTES] = {3};
    static struct doc_keys keys; /* made once: key pairs cost more than a run */
    const struct doc_id doc = {{1}};
    if (!doc_id_equal(&keys.doc, &doc))
        doc_keys_from_link(&keys, &doc, ACCESS_READ, seed);
    struct buf sealed = {0};
    struct presence presence;
    struct error err = {0};
    seal(&keys, bytes_of(data, size), &sealed);
    heap_begin();
    bool opened = presence_open(buf_view(&sealed), &keys, &presence, &err);
    heap_end_decode(size, PRESENCE_BYTES_MAX);
    ensure(!opened);
    ensure(err.code == ERR_FORMAT || err.code == ERR_AUTH);
    ensure(presence.head_count <= PRESENCE_HEADS_MAX && presence.flags <= UINT8_MAX);
    ensure(presence.cursor <= BATCH_POS_MAX && presence.anchor <= BATCH_POS_MAX);
    ensure(memchr(presence.name, '\0', sizeof presence.name));
    buf_release(&sealed);
    return 0;
}
