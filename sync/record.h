/*
 * record - what a log stores: sealed, signed, and readable only with the document's keys.
 *
 * A record carries 1..n whole consecutive batches of one agent (EVENTS), or one of the other things a document's log
 * holds. Its header is in the clear, for the relay must know whose seq range it stores; everything else is ciphertext.
 *
 * Stored form (numbers are varints):
 *
 *   format    1 byte   RECORD_FORMAT: version 1 in the high half, algorithm 1 in the low half (XChaCha20-Poly1305,
 *                      Ed25519, BLAKE2b)
 *   kind      1 byte   enum record_kind; RECORD_OPTIONAL (0x80) set: a weft that does not know it keeps and forwards it
 *   flags     1 byte   1: a sealer field follows the agent; 2: a clear part; 4, of a PACK: its plaintext is a bundle
 *                      (sync/bundle.h); others are refused
 *   agent     16       the author's agent (in frames a connection-local number stands here, sync/message.h)
 *   sealer    16       with flag 1: the agent of the process that sealed it (it took a dead agent over)
 *   epoch              key epoch; 0 until keys are rotated
 *   counter            of the sealing process; with the sealer's id it is the nonce, and is never used twice. Only what
 *                      is made again from rows that were sent has one that nobody counted, made from all that is in the
 *                      record: used twice it is for the same bytes throughout (record_counter_of_content())
 *   seq0, count        the events inside; 0 and 0 for other kinds
 *   clear              with flag 2: sized
 *   sealed             sized: ciphertext and tag
 *   signature 64
 *
 *   nonce     sealer id (16), counter (8, little endian)
 *   AAD       doc id, then every byte of the stored form in front of `sealed`
 *   signed    BLAKE2b-256("weft-record-1", doc id, all bytes in front of the signature (sized), digest of the last
 *             batch inside); zeros for the digest in kinds other than EVENTS and PACK. The digest is not sent: who
 *             checks it has the chain.
 *
 *   Plaintext by kind
 *   EVENTS      n times: sized canonical batch (sync/batch.h)                         signed by the agent's device key
 *   MEMBER      device key 32, its certificate 64, sized name; more is ignored; clear
 *               part: device's document key 32, 1 and grant (epoch, expiry, signature
 *               64) or 0                                                              signed by that document key
 *   GENESIS     base length, base root 32; clear part: admin, write, read public keys, commitment, 32 each
 *                                                                                     signed by the admin key
 *   BASE        chunk number, then the chunk's bytes                                  signed by the admin key
 *   PACK        as EVENTS: batches that were sent in EVENTS before, once more in one record. Only its first batch may
 *               have foreign parents: two packs that each need a piece of the other could never be read
 *   CHECKPOINT, CHECKPOINT_TEXT: sync/checkpoint.h                                    signed by the agent's device key
 *   EPOCH, CHAT, META: reserved
 *
 *   GENESIS and BASE have the zero agent and, for a sealer, 16 bytes derived from content key and plaintext.
 *
 *   Ownership  struct record is a view into the bytes it was decoded from.
 *   Errors     ERR_FORMAT for bytes that are no record, ERR_NEWER for a mandatory kind or format of a later weft,
 *              ERR_AUTH for a tag or signature that does not match, ERR_LIMIT beyond a bound.
 *   Bounds     RECORD_BYTES_MAX; decoding allocates nothing, opening at most the record's size, of a bundle what sync/bundle.h
 *              says and no more than RECORD_BYTES_MAX.
 */
#ifndef WEFT_SYNC_RECORD_H
#define WEFT_SYNC_RECORD_H

#include "sync/batch_run.h"
#include "sync/document.h"
#include "sync/keys.h"

enum {
    RECORD_FORMAT = 0x11,
    RECORD_OPTIONAL = 0x80,
    RECORD_BYTES_MAX = (1 << 20) + 4096,
    /* Three bytes, an id, four numbers, a sized tag with nothing in it, a signature. */
    RECORD_BYTES_MIN = 3 + AGENT_ID_BYTES + 4 + 1 + CRYPTO_TAG_BYTES + CRYPTO_SIGNATURE_BYTES,
    RECORD_CLEAR_BYTES_MAX = 512,
    RECORD_BATCHES_MAX = BATCH_RUN_MAX,
    RECORD_PACK_BYTES = 16384,  /* of plaintext: how much the outbox packs into one record */
    BASE_CHUNK_BYTES = 256 * 1024,
    BASE_BYTES_MAX = 64 << 20,  /* a larger text is edited alone, not shared */
    NAME_BYTES_MAX = 96,
};

enum record_kind {
    RECORD_GENESIS = 1,
    RECORD_BASE = 2,
    RECORD_MEMBER = 3,
    RECORD_EVENTS = 4,
    RECORD_PACK = 5,
    RECORD_CHECKPOINT = 6 | RECORD_OPTIONAL,
    RECORD_EPOCH = 7,
    RECORD_CHAT = 8 | RECORD_OPTIONAL,
    RECORD_META = 9 | RECORD_OPTIONAL,
    RECORD_CHECKPOINT_TEXT = 10 | RECORD_OPTIONAL,
};

struct record {
    unsigned kind; /* enum record_kind, or an unknown optional one */
    struct agent_id agent, sealer;
    uint64_t epoch, counter, seq0, count;
    bool is_bundle;
    struct bytes clear, sealed;
    struct signature signature;
    struct bytes aad_part;    /* all bytes in front of `sealed` */
    struct bytes signed_part; /* all bytes in front of the signature */
    struct bytes whole;
};

/* EVENTS and PACK: records whose body is batches of their agent. */
bool record_kind_has_events(unsigned kind);

/* `stored` is exactly one record. No keys needed: this is what a relay does. */
MUST_USE bool record_decode(struct bytes stored, struct record *record, struct error *err);
/* The same, but a mandatory kind that this weft does not know will do: to see who signed it. */
MUST_USE bool record_decode_any(struct bytes stored, struct record *record, struct error *err);
bool record_kind_is_known(unsigned kind);
/* The hash by which resume names a record: BLAKE2b-256 over its stored bytes. */
void record_hash(struct bytes stored, struct digest *out);
/* Whether the signature is by `key`. `last` is the digest of the last batch inside (NULL: not EVENTS). */
MUST_USE bool record_verify(const struct record *record, const struct doc_id *doc, const struct sign_public *key,
                            const struct digest *last);
/* Appends the plaintext, of a bundle what is in it. */
MUST_USE bool record_open(const struct record *record, const struct doc_keys *keys, struct buf *plain,
                          struct error *err);

struct record_spec {
    unsigned kind;
    struct agent_id agent, sealer; /* equal unless a dead agent's batches are sealed by another process */
    uint64_t epoch, counter, seq0, count;
    struct bytes clear, plain;
    const struct digest *last; /* EVENTS: digest of the last batch inside; else NULL */
    const struct doc_keys *keys;
    const struct sign_key *signer;
};
/*
 * For what has no session that counts: a counter made from all else that is sealed, authenticated and signed, whatever
 * spec->counter is. Equal ones are for equal records, and those are the same bytes (Ed25519 signs without chance). Its highest
 * bit is set; a session's never is.
 */
uint64_t record_counter_of_content(const struct record_spec *spec);
/* Appends the stored form. */
void record_seal(const struct record_spec *spec, struct buf *out);

/* --- EVENTS --- */

/* Appends one batch's canonical form to a record's plaintext. */
void record_plain_add(struct buf *plain, struct bytes batch_plain);
/*
 * Opens an EVENTS record: its plaintext is appended to `plain`, and *run is the batches in it (a view, valid until `plain`
 * changes), which fill the header's range of events exactly. On failure nothing was appended and *run is empty.
 */
MUST_USE bool record_open_events(const struct record *record, const struct doc_keys *keys, struct buf *plain,
                                 struct batch_run *run, struct error *err);

/* --- GENESIS --- */

struct genesis {
    struct sign_public admin, write, read; /* clear: the relay checks proofs and grants against these */
    struct digest commitment;              /* clear: to the content key */
    uint64_t base_len;                     /* sealed, as what follows */
    struct digest base_root;
    char name[NAME_BYTES_MAX + 1];         /* what its owner calls it (the file's name); unsafe to show as it is */
};
void genesis_make(const struct doc_keys *keys, const struct rope *base, struct genesis *out);
void genesis_seal(const struct genesis *genesis, const struct doc_keys *keys, struct buf *out);
/* What a relay can read and check: the clear part, the admin key's hash against `doc`, the signature. */
MUST_USE bool genesis_check(const struct record *record, const struct doc_id *doc, struct genesis *out,
                            struct error *err);
/* All of it; also that the link's keys are the ones the genesis names and commits to. */
MUST_USE bool genesis_open(const struct record *record, const struct doc_keys *keys, struct genesis *out,
                           struct error *err);
/* base_root: a hash tree of chunk hashes, chunk n = bytes [n, n + 1) * BASE_CHUNK_BYTES. */
void genesis_base_root(const struct rope *base, struct digest *out);
void base_seal(const struct doc_keys *keys, const struct rope *base, uint64_t chunk, struct buf *out);
/* Appends the chunk. The signature is the caller's to check: record_verify() by genesis.admin. */
MUST_USE bool base_open(const struct record *record, const struct doc_keys *keys, uint64_t *chunk, struct buf *bytes,
                        struct error *err);

/* --- MEMBER --- */

struct member {
    struct agent_id agent;
    struct sign_public doc_key;    /* clear: this device in this document; signs its records */
    bool has_grant;                /* clear: false for a reader */
    struct grant grant;
    struct sign_public device_key; /* sealed: who it is to people; certifies doc_key */
    char name[NAME_BYTES_MAX + 1]; /* sealed: UTF-8 as the person gave it; unsafe to show as it is */
};
/* Seals agent, grant and name with this device's keys; doc_key and device_key are taken from it, not from *member. */
void member_seal(const struct member *member, const struct doc_keys *keys, const struct device *device,
                 uint64_t counter, struct buf *out);
/*
 * What a relay can check: the grant by the write key, the signature by the document key inside. Whether the grant has
 * expired by now is asked of grant_verify(): what was written before stays written.
 */
MUST_USE bool member_check(const struct record *record, const struct doc_id *doc,
                           const struct sign_public *write_public, struct member *out, struct error *err);
/* All of it: also the device's certificate and the name. */
MUST_USE bool member_open(const struct record *record, const struct doc_keys *keys,
                          const struct sign_public *write_public, struct member *out, struct error *err);

#endif
