#include "sync/checkpoint.h"

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"

enum { FORM_PLAIN, FORM_PACKED };

uint64_t checkpoint_parts(uint64_t text_len)
{
    return (text_len + CHECKPOINT_CHUNK_BYTES - 1) / CHECKPOINT_CHUNK_BYTES;
}

/* --- what it says --- */

static void hash_text(const struct rope *text, struct digest *out)
{
    struct hasher hasher;
    hasher_init(&hasher, "weft-checkpoint-1");
    for (uint64_t at = 0; at < rope_len(text);) {
        struct bytes chunk = rope_chunk(text, at);
        hasher_add(&hasher, chunk.data, chunk.len);
        at += chunk.len;
    }
    hasher_digest(&hasher, out);
}

void checkpoint_set_text(struct checkpoint *checkpoint, const struct rope *text)
{
    checkpoint->text_len = rope_len(text);
    hash_text(text, &checkpoint->text_hash);
}

bool checkpoint_has_text(const struct checkpoint *checkpoint, const struct rope *text)
{
    struct digest hash;
    if (rope_len(text) != checkpoint->text_len)
        return false;
    hash_text(text, &hash);
    return digest_equal(&hash, &checkpoint->text_hash);
}

void checkpoint_version(const struct checkpoint *checkpoint, struct version *out)
{
    out->heads = xgrow(out->heads, &out->cap, checkpoint->count, sizeof *out->heads);
    out->count = checkpoint->count;
    for (size_t i = 0; i < checkpoint->count; i++)
        out->heads[i] = checkpoint->heads[i].event;
}

/* --- sealing --- */

static void seal(const struct checkpoint_sealer *sealer, unsigned kind, uint64_t number, struct checkpoint_clear clear,
                 struct bytes plain, struct buf *out)
{
    struct buf head = {0};
    buf_add_varint(&head, clear.set);
    buf_add_varint(&head, clear.part);
    record_seal(&(struct record_spec){.kind = kind,
                                      .agent = sealer->agent,
                                      .sealer = sealer->agent,
                                      .counter = sealer->set + number,
                                      .clear = buf_view(&head),
                                      .plain = plain,
                                      .keys = sealer->keys,
                                      .signer = sealer->signer},
                out);
    buf_release(&head);
}

static uint64_t part_len(uint64_t text_len, uint64_t part)
{
    uint64_t left = text_len - part * CHECKPOINT_CHUNK_BYTES;
    return left < CHECKPOINT_CHUNK_BYTES ? left : CHECKPOINT_CHUNK_BYTES;
}

void checkpoint_text_seal(const struct checkpoint_sealer *sealer, const struct rope *text, uint64_t part, struct buf *out)
{
    struct buf bytes = {0}, plain = {0};
    struct compressor *compressor = compressor_new();
    rope_append_to(text, part * CHECKPOINT_CHUNK_BYTES, part_len(rope_len(text), part), &bytes);
    buf_add_byte(&plain, FORM_PACKED);
    if (!compressor_pack(compressor, buf_view(&bytes), &plain)) {
        plain.data[0] = FORM_PLAIN;
        buf_add_bytes(&plain, buf_view(&bytes));
    }
    seal(sealer, RECORD_CHECKPOINT_TEXT, part, (struct checkpoint_clear){sealer->set, part}, buf_view(&plain), out);
    compressor_free(compressor);
    buf_release(&bytes);
    buf_release(&plain);
}

void checkpoint_encode(const struct checkpoint *checkpoint, struct buf *out)
{
    ensure(checkpoint->count > 0 && checkpoint->count <= BATCH_PARENTS_MAX);
    buf_add_varint(out, checkpoint->count);
    for (size_t i = 0; i < checkpoint->count; i++) {
        const struct checkpoint_head *head = &checkpoint->heads[i];
        buf_add(out, head->event.agent.bytes, AGENT_ID_BYTES);
        buf_add_varint(out, head->event.seq);
        buf_add(out, head->digest.bytes, sizeof head->digest.bytes);
    }
    buf_add_varint(out, checkpoint->events);
    buf_add_varint(out, checkpoint->text_len);
    buf_add(out, checkpoint->text_hash.bytes, sizeof checkpoint->text_hash.bytes);
}

void checkpoint_seal(const struct checkpoint_sealer *sealer, const struct checkpoint *checkpoint, struct buf *out)
{
    uint64_t parts = checkpoint_parts(checkpoint->text_len);
    struct buf plain = {0};
    checkpoint_encode(checkpoint, &plain);
    seal(sealer, RECORD_CHECKPOINT, parts, (struct checkpoint_clear){sealer->set, parts}, buf_view(&plain), out);
    buf_release(&plain);
}

/* --- reading --- */

static bool refuse(struct error *err, const char *what)
{
    return error_set(err, ERR_FORMAT, 0, "a checkpoint cannot be read: %s", what);
}

bool checkpoint_read_clear(const struct record *record, struct checkpoint_clear *out, struct error *err)
{
    struct reader reader = reader_of(record->clear);
    if (record->kind != RECORD_CHECKPOINT && record->kind != RECORD_CHECKPOINT_TEXT)
        return refuse(err, "it is of another kind");
    out->set = read_varint(&reader);
    out->part = read_varint_max(&reader, CHECKPOINT_PARTS_MAX);
    /* A sum would overflow where somebody chose such a counter. */
    if (!reader_done(&reader) || record->counter < out->set || record->counter - out->set != out->part)
        return refuse(err, "which of its parts this is");
    return true;
}

static bool read_heads(struct reader *reader, struct checkpoint *out)
{
    out->count = (size_t)read_varint_max(reader, BATCH_PARENTS_MAX);
    for (size_t i = 0; i < out->count; i++) {
        struct checkpoint_head *head = &out->heads[i];
        read_into(reader, head->event.agent.bytes, AGENT_ID_BYTES);
        head->event.seq = read_varint_max(reader, BATCH_SEQ_MAX - 1);
        read_into(reader, head->digest.bytes, sizeof head->digest.bytes);
        if (i > 0 && agent_id_compare(&out->heads[i - 1].event.agent, &head->event.agent) >= 0)
            return false;
    }
    return out->count > 0 && !reader->failed;
}

bool checkpoint_decode(struct bytes encoded, struct checkpoint *out)
{
    struct reader reader = reader_of(encoded);
    *out = (struct checkpoint){0};
    if (!read_heads(&reader, out))
        return false;
    out->events = read_varint_max(&reader, DOCUMENT_EVENTS_MAX);
    out->text_len = read_varint_max(&reader, BASE_BYTES_MAX);
    read_into(&reader, out->text_hash.bytes, sizeof out->text_hash.bytes);
    return reader_done(&reader);
}

bool checkpoint_open(const struct record *record, const struct doc_keys *keys, struct checkpoint *out, struct error *err)
{
    struct checkpoint_clear clear;
    struct buf plain = {0};
    if (record->kind != RECORD_CHECKPOINT)
        return refuse(err, "it is of another kind");
    if (!checkpoint_read_clear(record, &clear, err) || !record_open(record, keys, &plain, err))
        return false;
    bool good = checkpoint_decode(buf_view(&plain), out);
    buf_release(&plain);
    if (!good)
        return refuse(err, "what it says of its version and its text");
    return clear.part == checkpoint_parts(out->text_len) || refuse(err, "how many parts its text has");
}

/* Appends the part's text, of which there are `len` bytes at most. */
static bool unpack(struct bytes plain, size_t len, struct buf *text)
{
    struct bytes content = bytes_slice(plain, 1, plain.len - 1);
    if (plain.data[0] == FORM_PLAIN) {
        buf_add_bytes(text, content);
        return true;
    }
    if (plain.data[0] != FORM_PACKED || content.len >= CHECKPOINT_CHUNK_BYTES)
        return false;
    struct compressor *compressor = compressor_new();
    compressor_limit(compressor, len);
    buf_reserve(text, len);
    bool good = compressor_unpack(compressor, content, text);
    compressor_free(compressor);
    return good;
}

bool checkpoint_text_open(const struct record *record, const struct doc_keys *keys, uint64_t text_len, uint64_t part,
                          struct buf *text, struct error *err)
{
    struct checkpoint_clear clear;
    struct buf plain = {0};
    size_t before = text->len;
    if (record->kind != RECORD_CHECKPOINT_TEXT)
        return refuse(err, "it is of another kind");
    if (!checkpoint_read_clear(record, &clear, err) || !record_open(record, keys, &plain, err))
        return false;
    bool good = clear.part == part && part < checkpoint_parts(text_len) && plain.len > 1 &&
                unpack(buf_view(&plain), (size_t)part_len(text_len, part), text) &&
                text->len - before == part_len(text_len, part);
    buf_release(&plain);
    if (!good)
        text->len = before;
    return good || refuse(err, "a part of its text");
}
