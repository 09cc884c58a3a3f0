#include "sync/presence.h"

#include <string.h>

#include "editor/base/varint.h"

enum { PART_CARD = 1, PART_CURSOR = 2, PARTS_KNOWN = PART_CARD | PART_CURSOR };

/* The clear fields in front of `sealed`, as the cipher and the signature need them. */
struct presence_head {
    struct agent_id agent;
    uint64_t counter;
};

/*
 * A key of its own: presences count from 0 by themselves, and under the records' key their nonces would be the
 * records'.
 */
static void presence_key(const struct doc_keys *keys, struct seal_key *out)
{
    crypto_derive(out->bytes, sizeof out->bytes, keys->content_key.bytes, sizeof keys->content_key.bytes,
                  "weft-presence-key-1", (struct bytes){0});
}

static void presence_nonce(const struct presence_head *head, unsigned char out[CRYPTO_NONCE_BYTES])
{
    memcpy(out, head->agent.bytes, AGENT_ID_BYTES);
    for (int i = 0; i < 8; i++)
        out[AGENT_ID_BYTES + i] = (unsigned char)(head->counter >> (8 * i));
}

static struct bytes presence_aad(const struct doc_keys *keys)
{
    return bytes_of(keys->doc.bytes, sizeof keys->doc.bytes); /* agent and counter are in the nonce */
}

static void presence_digest(const struct presence_head *head, const struct doc_id *doc, struct bytes sealed,
                            struct digest *out)
{
    struct hasher hasher;
    hasher_init(&hasher, "weft-presence-1");
    hasher_add(&hasher, doc->bytes, sizeof doc->bytes);
    hasher_add(&hasher, head->agent.bytes, sizeof head->agent.bytes);
    hasher_add_u64(&hasher, head->counter);
    hasher_add_sized(&hasher, sealed);
    hasher_digest(&hasher, out);
}

/* --- sealing --- */

static void encode_plain(const struct presence *presence, const struct sign_public *doc_key, struct buf *out)
{
    ensure(presence->head_count <= PRESENCE_HEADS_MAX && presence->flags <= UINT8_MAX);
    ensure(presence->cursor <= BATCH_POS_MAX && presence->anchor <= BATCH_POS_MAX);
    buf_add(out, doc_key->bytes, sizeof doc_key->bytes);
    buf_add_byte(out, (unsigned char)presence->flags);
    buf_add_byte(out, (presence->has_card ? PART_CARD : 0) | (presence->has_cursor ? PART_CURSOR : 0));
    buf_add_varint(out, presence->events_seen);
    buf_add_varint(out, presence->head_count);
    for (size_t i = 0; i < presence->head_count; i++) {
        buf_add(out, presence->heads[i].agent.bytes, AGENT_ID_BYTES);
        buf_add_varint(out, presence->heads[i].seq);
    }
    if (presence->has_card) {
        buf_add(out, presence->device_key.bytes, sizeof presence->device_key.bytes);
        buf_add(out, presence->certificate.bytes, sizeof presence->certificate.bytes);
        buf_add_sized(out, bytes_of(presence->name, strnlen(presence->name, NAME_BYTES_MAX)));
    }
    if (presence->has_cursor) {
        buf_add_varint(out, presence->cursor);
        buf_add_varint(out, presence->anchor);
    }
    bool has_marks = presence->has_marks && !presence->has_card;
    buf_add_sized(out, bytes_of(presence->marks, has_marks ? presence->head_count * PRESENCE_MARK_BYTES : 0));
    if (presence->keeps_room)
        buf_add_byte(out, 1);
}

void presence_seal(const struct presence *presence, const struct doc_keys *keys, const struct sign_key *doc_key,
                   struct buf *out)
{
    struct presence_head head = {presence->agent, presence->counter};
    struct seal_key key;
    unsigned char nonce[CRYPTO_NONCE_BYTES];
    struct buf plain = {0}, sealed = {0};
    presence_key(keys, &key);
    presence_nonce(&head, nonce);
    encode_plain(presence, &doc_key->public_key, &plain);
    crypto_seal(&key, nonce, presence_aad(keys), buf_view(&plain), &sealed);
    crypto_wipe(&key, sizeof key);

    struct digest digest;
    struct signature signature;
    presence_digest(&head, &keys->doc, buf_view(&sealed), &digest);
    crypto_sign_digest(doc_key, &digest, &signature);
    size_t start = out->len;
    buf_add(out, head.agent.bytes, sizeof head.agent.bytes);
    buf_add_varint(out, head.counter);
    buf_add_sized(out, buf_view(&sealed));
    buf_add(out, signature.bytes, sizeof signature.bytes);
    ensure(out->len - start <= PRESENCE_BYTES_MAX);
    buf_release(&plain);
    buf_release(&sealed);
}

/* --- opening --- */

static bool refuse(struct error *err)
{
    return error_set(err, ERR_FORMAT, 0, "somebody's place in the text cannot be read");
}

static void decode_heads(struct reader *reader, struct presence *presence)
{
    presence->head_count = (size_t)read_varint_max(reader, PRESENCE_HEADS_MAX);
    for (size_t i = 0; i < presence->head_count; i++) {
        read_into(reader, presence->heads[i].agent.bytes, AGENT_ID_BYTES);
        presence->heads[i].seq = read_varint_max(reader, BATCH_SEQ_MAX);
    }
}

static void decode_card(struct reader *reader, struct presence *presence)
{
    read_into(reader, presence->device_key.bytes, sizeof presence->device_key.bytes);
    read_into(reader, presence->certificate.bytes, sizeof presence->certificate.bytes);
    struct bytes name = read_sized(reader, NAME_BYTES_MAX);
    if (name.len == 0)
        return;
    if (memchr(name.data, '\0', name.len))
        reader_fail(reader);
    memcpy(presence->name, name.data, name.len);
}

/* An older weft ends in front of them. */
static void decode_marks(struct reader *reader, struct presence *presence)
{
    if (reader_done(reader))
        return;
    struct bytes marks = read_sized(reader, sizeof presence->marks);
    presence->has_marks = marks.len > 0 && marks.len == presence->head_count * PRESENCE_MARK_BYTES;
    if (presence->has_marks)
        memcpy(presence->marks, marks.data, marks.len);
}

static bool decode_plain(struct bytes plain, struct presence *presence)
{
    struct reader reader = reader_of(plain);
    read_into(&reader, presence->doc_key.bytes, sizeof presence->doc_key.bytes);
    presence->flags = read_byte(&reader);
    unsigned parts = read_byte(&reader);
    presence->events_seen = read_varint(&reader);
    decode_heads(&reader, presence);
    presence->has_card = parts & PART_CARD;
    presence->has_cursor = parts & PART_CURSOR;
    if (presence->has_card)
        decode_card(&reader, presence);
    if (presence->has_cursor) {
        presence->cursor = read_varint_max(&reader, BATCH_POS_MAX);
        presence->anchor = read_varint_max(&reader, BATCH_POS_MAX);
    }
    decode_marks(&reader, presence);
    presence->keeps_room = !reader_done(&reader) && read_byte(&reader) == 1;
    return !reader.failed && !(parts & ~(unsigned)PARTS_KNOWN);
}

static bool open_plain(const struct presence_head *head, const struct doc_keys *keys, struct bytes sealed,
                       struct presence *presence, struct error *err)
{
    struct seal_key key;
    unsigned char nonce[CRYPTO_NONCE_BYTES];
    struct buf plain = {0};
    presence_key(keys, &key);
    presence_nonce(head, nonce);
    bool good = crypto_open(&key, nonce, presence_aad(keys), sealed, &plain);
    if (!good)
        error_set(err, ERR_AUTH, 0, "somebody's place in the text does not open with this document's key");
    else
        good = decode_plain(buf_view(&plain), presence) || refuse(err);
    crypto_wipe(&key, sizeof key);
    buf_release(&plain);
    return good;
}

bool presence_open(struct bytes sealed, const struct doc_keys *keys, struct presence *presence, struct error *err)
{
    struct reader reader = reader_of(sealed);
    struct presence_head head;
    struct signature signature;
    struct digest digest;
    read_into(&reader, head.agent.bytes, sizeof head.agent.bytes);
    head.counter = read_varint(&reader);
    struct bytes content = read_sized(&reader, PRESENCE_BYTES_MAX);
    read_into(&reader, signature.bytes, sizeof signature.bytes);
    *presence = (struct presence){.agent = head.agent, .counter = head.counter};
    if (!reader_done(&reader))
        return refuse(err);
    if (!open_plain(&head, keys, content, presence, err))
        return false;
    presence_digest(&head, &keys->doc, content, &digest);
    if (!crypto_verify_digest(&presence->doc_key, &digest, &signature))
        return error_set(err, ERR_AUTH, 0, "somebody's place in the text is not signed by the key it names");
    if (presence->has_card &&
        !device_certified(&presence->device_key, &keys->doc, &presence->doc_key, &presence->certificate))
        return error_set(err, ERR_AUTH, 0, "somebody's key is not certified by the device it names");
    return true;
}
