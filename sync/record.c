#include "sync/record.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"
#include "sync/bundle.h"

enum {
    FLAG_SEALER = 1,
    FLAG_CLEAR = 2,
    FLAG_BUNDLE = 4,
    FLAGS_KNOWN = FLAG_SEALER | FLAG_CLEAR | FLAG_BUNDLE,
    /* All in front of `sealed`, at its longest: three bytes, two ids, four numbers, a sized clear part. */
    HEADER_BYTES_MAX = 3 + 2 * AGENT_ID_BYTES + 5 * VARINT_BYTES_MAX + RECORD_CLEAR_BYTES_MAX,
};

/* --- kinds --- */

bool record_kind_is_known(unsigned kind)
{
    switch ((enum record_kind)kind) {
    case RECORD_GENESIS:
    case RECORD_BASE:
    case RECORD_MEMBER:
    case RECORD_EVENTS:
    case RECORD_PACK:
    case RECORD_CHECKPOINT:
    case RECORD_EPOCH:
    case RECORD_CHAT:
    case RECORD_META:
    case RECORD_CHECKPOINT_TEXT:
        return true;
    }
    return false;
}

bool record_kind_has_events(unsigned kind)
{
    return kind == RECORD_EVENTS || kind == RECORD_PACK;
}

/* --- decoding --- */

static bool refuse(struct error *err, const char *what)
{
    return error_set(err, ERR_FORMAT, 0, "a record is not well-formed: %s", what);
}

static bool decode_kind(struct reader *reader, struct record *record, struct error *err)
{
    unsigned format = read_byte(reader);
    record->kind = read_byte(reader);
    if (reader->failed || format == 0 || record->kind == 0)
        return refuse(err, "its first bytes");
    if (format != RECORD_FORMAT)
        return error_set(err, ERR_NEWER, 0, "a record has format %u, which this weft does not know; update weft",
                         format);
    return true;
}

static bool kind_is_mandatory(unsigned kind)
{
    return !record_kind_is_known(kind) && !(kind & RECORD_OPTIONAL);
}

/* An absent sealer is the author; naming him twice would be a second form of the same record. */
static bool decode_agents(struct reader *reader, unsigned flags, struct record *record, struct error *err)
{
    read_into(reader, record->agent.bytes, AGENT_ID_BYTES);
    record->sealer = record->agent;
    if (!(flags & FLAG_SEALER))
        return true;
    read_into(reader, record->sealer.bytes, AGENT_ID_BYTES);
    return !agent_id_equal(&record->sealer, &record->agent) || refuse(err, "a sealer who is its author");
}

static bool decode_range(struct reader *reader, struct record *record, struct error *err)
{
    record->seq0 = read_varint_max(reader, BATCH_SEQ_MAX);
    record->count = read_varint_max(reader, BATCH_SEQ_MAX - record->seq0);
    bool fits = record_kind_has_events(record->kind) ? record->count > 0 : record->count == 0 && record->seq0 == 0;
    fits |= kind_is_mandatory(record->kind); /* what a later weft puts there is its business */
    return (fits && !reader->failed) || refuse(err, "the range of its events");
}

static bool decode_header(struct reader *reader, struct record *record, struct error *err)
{
    if (!decode_kind(reader, record, err))
        return false;
    unsigned flags = read_byte(reader);
    record->is_bundle = flags & FLAG_BUNDLE;
    if (flags & ~(unsigned)FLAGS_KNOWN || (record->is_bundle && record->kind != RECORD_PACK))
        return refuse(err, "its flags");
    if (!decode_agents(reader, flags, record, err))
        return false;
    record->epoch = read_varint(reader);
    record->counter = read_varint(reader);
    if (!decode_range(reader, record, err))
        return false;
    if (flags & FLAG_CLEAR)
        record->clear = read_sized(reader, RECORD_CLEAR_BYTES_MAX);
    return !(flags & FLAG_CLEAR) || record->clear.len > 0 || refuse(err, "its clear part");
}

static struct bytes bytes_until(struct bytes whole, const struct reader *reader)
{
    return bytes_of(whole.data, (size_t)(reader->at - whole.data));
}

bool record_decode(struct bytes stored, struct record *record, struct error *err)
{
    if (!record_decode_any(stored, record, err))
        return false;
    if (!kind_is_mandatory(record->kind))
        return true;
    return error_set(err, ERR_NEWER, (int)record->kind, "a record is of kind %u, which this weft must know and does not; "
                                                        "update weft", record->kind);
}

bool record_decode_any(struct bytes stored, struct record *record, struct error *err)
{
    *record = (struct record){.whole = stored};
    if (stored.len > RECORD_BYTES_MAX)
        return error_set(err, ERR_LIMIT, 0, "a record has %zu bytes, more than %d", stored.len, RECORD_BYTES_MAX);
    struct reader reader = reader_of(stored);
    if (!decode_header(&reader, record, err))
        return false;
    record->aad_part = bytes_until(stored, &reader);
    record->sealed = read_sized(&reader, RECORD_BYTES_MAX);
    record->signed_part = bytes_until(stored, &reader);
    read_into(&reader, record->signature.bytes, CRYPTO_SIGNATURE_BYTES);
    if (!reader_done(&reader) || record->sealed.len < CRYPTO_TAG_BYTES)
        return refuse(err, "its length");
    return true;
}

void record_hash(struct bytes stored, struct digest *out)
{
    crypto_blake2b(stored, out);
}

/* --- signature and seal --- */

static void record_digest(struct bytes signed_part, const struct doc_id *doc, const struct digest *last,
                          struct digest *out)
{
    static const struct digest no_events;
    struct hasher hasher;
    hasher_init(&hasher, "weft-record-1");
    hasher_add(&hasher, doc->bytes, sizeof doc->bytes);
    hasher_add_sized(&hasher, signed_part);
    hasher_add(&hasher, last ? last->bytes : no_events.bytes, sizeof no_events.bytes);
    hasher_digest(&hasher, out);
}

bool record_verify(const struct record *record, const struct doc_id *doc, const struct sign_public *key,
                   const struct digest *last)
{
    struct digest digest;
    record_digest(record->signed_part, doc, last, &digest);
    return crypto_verify_digest(key, &digest, &record->signature);
}

struct sealing_context {
    unsigned char nonce[CRYPTO_NONCE_BYTES];
    unsigned char aad[DOC_ID_BYTES + HEADER_BYTES_MAX];
    size_t aad_len;
};

static struct bytes sealing_aad(const struct sealing_context *context)
{
    return bytes_of(context->aad, context->aad_len);
}

static void sealing_context_init(struct sealing_context *context, const struct doc_id *doc,
                                 const struct agent_id *sealer, uint64_t counter, struct bytes aad_part)
{
    static_assert(CRYPTO_NONCE_BYTES == AGENT_ID_BYTES + 8, "a nonce is the sealer's id and its counter");
    ensure(aad_part.len <= HEADER_BYTES_MAX);
    memcpy(context->nonce, sealer->bytes, AGENT_ID_BYTES);
    for (int i = 0; i < 8; i++)
        context->nonce[AGENT_ID_BYTES + i] = (unsigned char)(counter >> (8 * i));
    memcpy(context->aad, doc->bytes, DOC_ID_BYTES);
    memcpy(context->aad + DOC_ID_BYTES, aad_part.data, aad_part.len);
    context->aad_len = DOC_ID_BYTES + aad_part.len;
}

static bool open_sealed(const struct record *record, const struct doc_keys *keys, struct buf *plain, struct error *err)
{
    if (record->epoch != 0)
        return error_set(err, ERR_AUTH, 0, "a record is sealed with newer keys (epoch %llu) than this link has",
                         (unsigned long long)record->epoch);
    struct sealing_context context;
    sealing_context_init(&context, &keys->doc, &record->sealer, record->counter, record->aad_part);
    if (!crypto_open(&keys->content_key, context.nonce, sealing_aad(&context), record->sealed, plain))
        return error_set(err, ERR_AUTH, 0, "a record does not open with this document's key");
    return true;
}

bool record_open(const struct record *record, const struct doc_keys *keys, struct buf *plain, struct error *err)
{
    struct buf bundle = {0};
    if (!record->is_bundle)
        return open_sealed(record, keys, plain, err);
    bool good = open_sealed(record, keys, &bundle, err) &&
                (bundle_unpack(buf_view(&bundle), RECORD_BYTES_MAX, plain) || refuse(err, "the bundle of its batches"));
    buf_release(&bundle);
    return good;
}

static void encode_header(const struct record_spec *spec, bool is_bundle, struct buf *out)
{
    bool foreign_sealer = !agent_id_equal(&spec->agent, &spec->sealer);
    buf_add_byte(out, RECORD_FORMAT);
    buf_add_byte(out, (unsigned char)spec->kind);
    buf_add_byte(out, (unsigned char)((foreign_sealer ? FLAG_SEALER : 0) | (spec->clear.len ? FLAG_CLEAR : 0) |
                                      (is_bundle ? FLAG_BUNDLE : 0)));
    buf_add(out, spec->agent.bytes, AGENT_ID_BYTES);
    if (foreign_sealer)
        buf_add(out, spec->sealer.bytes, AGENT_ID_BYTES);
    buf_add_varint(out, spec->epoch);
    buf_add_varint(out, spec->counter);
    buf_add_varint(out, spec->seq0);
    buf_add_varint(out, spec->count);
    if (spec->clear.len)
        buf_add_sized(out, spec->clear);
}

/* What record_decode() would refuse must not be sealed: nobody would take it. */
static void ensure_spec(const struct record_spec *spec)
{
    ensure(spec->kind > 0 && spec->kind <= UCHAR_MAX && (record_kind_is_known(spec->kind) || spec->kind & RECORD_OPTIONAL));
    ensure(record_kind_has_events(spec->kind) ? spec->count > 0 : spec->count == 0 && spec->seq0 == 0);
    ensure(spec->seq0 <= BATCH_SEQ_MAX && spec->count <= BATCH_SEQ_MAX - spec->seq0);
    ensure(spec->clear.len <= RECORD_CLEAR_BYTES_MAX);
    ensure((spec->last != NULL) == record_kind_has_events(spec->kind));
}

uint64_t record_counter_of_content(const struct record_spec *spec)
{
    struct hasher hasher;
    struct digest digest;
    uint64_t counter;
    hasher_init(&hasher, "weft-counter-1");
    hasher_add_u64(&hasher, spec->kind);
    hasher_add(&hasher, spec->agent.bytes, AGENT_ID_BYTES);
    hasher_add(&hasher, spec->sealer.bytes, AGENT_ID_BYTES);
    hasher_add_u64(&hasher, spec->epoch);
    hasher_add_u64(&hasher, spec->seq0);
    hasher_add_u64(&hasher, spec->count);
    hasher_add_sized(&hasher, spec->clear);
    hasher_add_sized(&hasher, spec->plain);
    if (spec->last)
        hasher_add(&hasher, spec->last->bytes, DIGEST_BYTES);
    hasher_digest(&hasher, &digest);
    memcpy(&counter, digest.bytes, sizeof counter);
    return counter | (uint64_t)1 << 63;
}

void record_seal(const struct record_spec *spec, struct buf *out)
{
    ensure_spec(spec);
    struct buf bundle = {0};
    bool is_bundle = spec->kind == RECORD_PACK && bundle_pack(&spec->agent, spec->seq0, spec->plain, &bundle);
    struct bytes plain = is_bundle ? buf_view(&bundle) : spec->plain;
    size_t start = out->len;
    encode_header(spec, is_bundle, out);
    struct sealing_context context;
    sealing_context_init(&context, &spec->keys->doc, &spec->sealer, spec->counter,
                         bytes_of(out->data + start, out->len - start));
    buf_add_varint(out, plain.len + CRYPTO_TAG_BYTES);
    crypto_seal(&spec->keys->content_key, context.nonce, sealing_aad(&context), plain, out);
    buf_release(&bundle);

    struct digest digest;
    struct signature signature;
    record_digest(bytes_of(out->data + start, out->len - start), &spec->keys->doc, spec->last, &digest);
    crypto_sign_digest(spec->signer, &digest, &signature);
    buf_add(out, signature.bytes, sizeof signature.bytes);
    ensure(out->len - start <= RECORD_BYTES_MAX);
}

static bool expect_kind(const struct record *record, unsigned kind, const char *name, struct error *err)
{
    if (record->kind == kind)
        return true;
    return error_set(err, ERR_FORMAT, 0, "a record of kind %u stands where %s should be", record->kind, name);
}

/* --- EVENTS --- */

void record_plain_add(struct buf *plain, struct bytes batch_plain)
{
    buf_add_sized(plain, batch_plain);
}

bool record_open_events(const struct record *record, const struct doc_keys *keys, struct buf *plain,
                        struct batch_run *run, struct error *err)
{
    size_t start = plain->len;
    *run = (struct batch_run){.count = 0};
    if (!record_kind_has_events(record->kind))
        return expect_kind(record, RECORD_EVENTS, "events", err);
    if (!record_open(record, keys, plain, err))
        return false;
    if (batch_run_read(bytes_of(plain->data + start, plain->len - start), &record->agent, record->seq0, record->count, run, err))
        return true;
    plain->len = start;
    return false;
}

/*
 * GENESIS and BASE are sealed before any agent exists, with author zero. A nonce made from the content, under the
 * secret key, cannot meet another content, even if somebody sealed two of them for one document by mistake.
 */
static struct agent_id sealer_from_content(const struct doc_keys *keys, const char *label, struct bytes plain)
{
    struct agent_id sealer;
    crypto_derive(sealer.bytes, sizeof sealer.bytes, keys->content_key.bytes, sizeof keys->content_key.bytes, label,
                  plain);
    return sealer;
}

/* --- GENESIS --- */

static struct digest chunk_digest(const struct rope *base, uint64_t chunk)
{
    uint64_t at = chunk * BASE_CHUNK_BYTES;
    uint64_t left = rope_len(base) - at;
    uint64_t end = at + (left < BASE_CHUNK_BYTES ? left : BASE_CHUNK_BYTES);
    struct hasher hasher;
    struct digest digest;
    hasher_init(&hasher, "weft-base-chunk-1");
    hasher_add_u64(&hasher, chunk);
    while (at < end) {
        struct bytes piece = rope_chunk(base, at);
        size_t len = piece.len < end - at ? piece.len : (size_t)(end - at);
        hasher_add(&hasher, piece.data, len);
        at += len;
    }
    hasher_digest(&hasher, &digest);
    return digest;
}

static struct digest pair_digest(const struct digest *left, const struct digest *right)
{
    struct hasher hasher;
    struct digest digest;
    hasher_init(&hasher, "weft-base-pair-1");
    hasher_add(&hasher, left->bytes, sizeof left->bytes);
    hasher_add(&hasher, right->bytes, sizeof right->bytes);
    hasher_digest(&hasher, &digest);
    return digest;
}

/* Neighbours are paired, level by level; one left over moves up as it is. An empty text is one empty chunk. */
void genesis_base_root(const struct rope *base, struct digest *out)
{
    uint64_t chunks = (rope_len(base) + BASE_CHUNK_BYTES - 1) / BASE_CHUNK_BYTES;
    size_t count = chunks ? (size_t)chunks : 1;
    struct digest *level = xcalloc(count, sizeof *level);
    for (size_t i = 0; i < count; i++)
        level[i] = chunk_digest(base, i);
    while (count > 1) {
        for (size_t i = 0; i + 1 < count; i += 2)
            level[i / 2] = pair_digest(&level[i], &level[i + 1]);
        if (count % 2)
            level[count / 2] = level[count - 1];
        count = (count + 1) / 2;
    }
    *out = level[0];
    free(level);
}

void genesis_make(const struct doc_keys *keys, const struct rope *base, struct genesis *out)
{
    ensure(keys->access == ACCESS_ADMIN);
    *out = (struct genesis){
        .admin = keys->admin_key.public_key,
        .write = keys->write_key.public_key,
        .read = keys->read_key.public_key,
        .base_len = rope_len(base),
    };
    doc_keys_commitment(keys, &out->commitment);
    genesis_base_root(base, &out->base_root);
}

void genesis_seal(const struct genesis *genesis, const struct doc_keys *keys, struct buf *out)
{
    ensure(keys->access == ACCESS_ADMIN);
    struct buf clear = {0}, plain = {0};
    buf_add(&clear, genesis->admin.bytes, sizeof genesis->admin.bytes);
    buf_add(&clear, genesis->write.bytes, sizeof genesis->write.bytes);
    buf_add(&clear, genesis->read.bytes, sizeof genesis->read.bytes);
    buf_add(&clear, genesis->commitment.bytes, sizeof genesis->commitment.bytes);
    buf_add_varint(&plain, genesis->base_len);
    buf_add(&plain, genesis->base_root.bytes, sizeof genesis->base_root.bytes);
    buf_add_sized(&plain, bytes_of_string(genesis->name));
    record_seal(&(struct record_spec){.kind = RECORD_GENESIS,
                                      .sealer = sealer_from_content(keys, "weft-genesis-nonce-1", buf_view(&plain)),
                                      .clear = buf_view(&clear),
                                      .plain = buf_view(&plain),
                                      .keys = keys,
                                      .signer = &keys->admin_key},
                out);
    buf_release(&clear);
    buf_release(&plain);
}

static bool genesis_decode_clear(struct bytes clear, struct genesis *out)
{
    struct reader reader = reader_of(clear);
    *out = (struct genesis){0};
    read_into(&reader, out->admin.bytes, sizeof out->admin.bytes);
    read_into(&reader, out->write.bytes, sizeof out->write.bytes);
    read_into(&reader, out->read.bytes, sizeof out->read.bytes);
    read_into(&reader, out->commitment.bytes, sizeof out->commitment.bytes);
    return reader_done(&reader);
}

bool genesis_check(const struct record *record, const struct doc_id *doc, struct genesis *out, struct error *err)
{
    if (!expect_kind(record, RECORD_GENESIS, "a document's genesis", err))
        return false;
    if (!genesis_decode_clear(record->clear, out))
        return refuse(err, "the keys of a genesis");
    struct doc_id named;
    doc_id_of_admin(&out->admin, &named);
    if (!doc_id_equal(&named, doc))
        return error_set(err, ERR_AUTH, 0, "a genesis belongs to another document");
    if (!record_verify(record, doc, &out->admin, NULL))
        return error_set(err, ERR_AUTH, 0, "a genesis is not signed by its document's admin key");
    return true;
}

static bool keys_are_named_by(const struct doc_keys *keys, const struct genesis *genesis)
{
    struct digest commitment;
    doc_keys_commitment(keys, &commitment);
    return digest_equal(&commitment, &genesis->commitment) &&
           crypto_equal(&keys->read_key.public_key, &genesis->read, sizeof genesis->read) &&
           (keys->access < ACCESS_WRITE ||
            crypto_equal(&keys->write_key.public_key, &genesis->write, sizeof genesis->write));
}

static bool genesis_decode_plain(struct bytes plain, struct genesis *out, struct error *err)
{
    struct reader reader = reader_of(plain);
    out->base_len = read_varint(&reader);
    read_into(&reader, out->base_root.bytes, sizeof out->base_root.bytes);
    struct bytes name = read_sized(&reader, NAME_BYTES_MAX);
    if (!reader_done(&reader) || memchr(name.data ? (const void *)name.data : "", '\0', name.len))
        return refuse(err, "the text a genesis names");
    memcpy(out->name, name.data ? (const void *)name.data : "", name.len);
    out->name[name.len] = '\0';
    if (out->base_len > BASE_BYTES_MAX)
        return error_set(err, ERR_LIMIT, 0, "the shared text had %llu bytes at its start, more than %d",
                         (unsigned long long)out->base_len, BASE_BYTES_MAX);
    return true;
}

bool genesis_open(const struct record *record, const struct doc_keys *keys, struct genesis *out, struct error *err)
{
    if (!genesis_check(record, &keys->doc, out, err))
        return false;
    if (!keys_are_named_by(keys, out))
        return error_set(err, ERR_AUTH, 0, "the link's key is not a key of this document");
    struct buf plain = {0};
    bool opened = record_open(record, keys, &plain, err) && genesis_decode_plain(buf_view(&plain), out, err);
    buf_release(&plain);
    return opened;
}

/* --- BASE --- */

void base_seal(const struct doc_keys *keys, const struct rope *base, uint64_t chunk, struct buf *out)
{
    ensure(keys->access == ACCESS_ADMIN);
    uint64_t at = chunk * BASE_CHUNK_BYTES;
    ensure(rope_len(base) <= BASE_BYTES_MAX && at < rope_len(base));
    uint64_t left = rope_len(base) - at;
    struct buf plain = {0};
    buf_add_varint(&plain, chunk);
    rope_append_to(base, at, left < BASE_CHUNK_BYTES ? left : BASE_CHUNK_BYTES, &plain);
    record_seal(&(struct record_spec){.kind = RECORD_BASE,
                                      .sealer = sealer_from_content(keys, "weft-base-nonce-1", buf_view(&plain)),
                                      .counter = chunk,
                                      .plain = buf_view(&plain),
                                      .keys = keys,
                                      .signer = &keys->admin_key},
                out);
    buf_release(&plain);
}

bool base_open(const struct record *record, const struct doc_keys *keys, uint64_t *chunk, struct buf *bytes,
               struct error *err)
{
    if (!expect_kind(record, RECORD_BASE, "a piece of the base text", err))
        return false;
    struct buf plain = {0};
    if (!record_open(record, keys, &plain, err))
        return false;
    struct reader reader = reader_of(buf_view(&plain));
    *chunk = read_varint_max(&reader, BASE_BYTES_MAX / BASE_CHUNK_BYTES - 1);
    struct bytes content = read_bytes(&reader, reader_left(&reader));
    bool good = !reader.failed && content.len > 0 && content.len <= BASE_CHUNK_BYTES;
    if (good)
        buf_add_bytes(bytes, content);
    buf_release(&plain);
    return good || refuse(err, "a piece of the base text");
}

/* --- MEMBER --- */

static void member_encode_clear(const struct member *member, struct buf *out)
{
    buf_add(out, member->doc_key.bytes, sizeof member->doc_key.bytes);
    buf_add_byte(out, member->has_grant);
    if (!member->has_grant)
        return;
    buf_add_varint(out, member->grant.epoch);
    buf_add_varint(out, member->grant.expiry_s);
    buf_add(out, member->grant.signature.bytes, sizeof member->grant.signature.bytes);
}

static bool member_decode_clear(struct bytes clear, struct member *out)
{
    struct reader reader = reader_of(clear);
    read_into(&reader, out->doc_key.bytes, sizeof out->doc_key.bytes);
    out->has_grant = read_varint_max(&reader, 1) == 1;
    if (out->has_grant) {
        out->grant.epoch = read_varint(&reader);
        out->grant.expiry_s = read_varint(&reader);
        read_into(&reader, out->grant.signature.bytes, sizeof out->grant.signature.bytes);
    }
    return reader_done(&reader);
}

void member_seal(const struct member *member, const struct doc_keys *keys, const struct device *device,
                 uint64_t counter, struct buf *out)
{
    struct sign_key doc_key;
    struct signature certificate;
    device_doc_key(device, &keys->doc, &doc_key);
    device_certify(device, &keys->doc, &doc_key.public_key, &certificate);
    struct member own = *member;
    own.doc_key = doc_key.public_key;

    struct buf clear = {0}, plain = {0};
    member_encode_clear(&own, &clear);
    buf_add(&plain, device->key.public_key.bytes, sizeof device->key.public_key.bytes);
    buf_add(&plain, certificate.bytes, sizeof certificate.bytes);
    buf_add_sized(&plain, bytes_of(member->name, strnlen(member->name, NAME_BYTES_MAX)));
    record_seal(&(struct record_spec){.kind = RECORD_MEMBER,
                                      .agent = member->agent,
                                      .sealer = member->agent,
                                      .counter = counter,
                                      .clear = buf_view(&clear),
                                      .plain = buf_view(&plain),
                                      .keys = keys,
                                      .signer = &doc_key},
                out);
    crypto_wipe(&doc_key, sizeof doc_key);
    buf_release(&clear);
    buf_release(&plain);
}

bool member_check(const struct record *record, const struct doc_id *doc, const struct sign_public *write_public,
                  struct member *out, struct error *err)
{
    if (!expect_kind(record, RECORD_MEMBER, "a member", err))
        return false;
    *out = (struct member){.agent = record->agent};
    if (!member_decode_clear(record->clear, out))
        return refuse(err, "the keys of a member");
    if (out->has_grant && !grant_verify(&out->grant, doc, write_public, &out->doc_key, 0))
        return error_set(err, ERR_AUTH, 0, "a member's right to write is not signed by the document's write key");
    if (!record_verify(record, doc, &out->doc_key, NULL))
        return error_set(err, ERR_AUTH, 0, "a member's record is not signed by its own key");
    return true;
}

/* What follows the name is a later weft's business: a person's certificate over several devices (records.md 1). */
static bool member_decode_plain(struct bytes plain, const struct doc_id *doc, struct member *out, struct error *err)
{
    struct reader reader = reader_of(plain);
    struct signature certificate;
    read_into(&reader, out->device_key.bytes, sizeof out->device_key.bytes);
    read_into(&reader, certificate.bytes, sizeof certificate.bytes);
    struct bytes name = read_sized(&reader, NAME_BYTES_MAX);
    if (reader.failed || (name.len > 0 && memchr(name.data, '\0', name.len)))
        return refuse(err, "a member's name");
    if (name.len > 0)
        memcpy(out->name, name.data, name.len);
    if (!device_certified(&out->device_key, doc, &out->doc_key, &certificate))
        return error_set(err, ERR_AUTH, 0, "a member's key is not certified by its device");
    return true;
}

bool member_open(const struct record *record, const struct doc_keys *keys, const struct sign_public *write_public,
                 struct member *out, struct error *err)
{
    if (!member_check(record, &keys->doc, write_public, out, err))
        return false;
    struct buf plain = {0};
    bool opened = record_open(record, keys, &plain, err) && member_decode_plain(buf_view(&plain), &keys->doc, out, err);
    buf_release(&plain);
    return opened;
}
