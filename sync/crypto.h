/*
 * crypto - the few primitives weft uses, in its own words. The only door to libsodium.
 *
 *   hash      BLAKE2b (RFC 7693), 16 or 32 bytes, over labelled parts
 *   seal      XChaCha20-Poly1305-IETF, 24-byte nonce, 16-byte tag
 *   sign      Ed25519 (RFC 8032), keys made from 32-byte seeds
 *   derive    keyed BLAKE2b with a label
 *
 *   Ownership  keys are plain structs; whoever holds one clears it with crypto_wipe() when done.
 *   Errors     a tag or signature that does not match is `false`, nothing more: there is nothing else to know.
 */
#ifndef WEFT_SYNC_CRYPTO_H
#define WEFT_SYNC_CRYPTO_H

#include <stdint.h>

#include "editor/base/bytes.h"
#include "editor/base/error.h"
#include "sync/id.h"

enum {
    CRYPTO_SEED_BYTES = 32,
    CRYPTO_KEY_BYTES = 32,
    CRYPTO_NONCE_BYTES = 24,
    CRYPTO_TAG_BYTES = 16,
    CRYPTO_SIGN_PUBLIC_BYTES = 32,
    CRYPTO_SIGNATURE_BYTES = 64,
    CRYPTO_SHORT_HASH_BYTES = 16,
};

struct seal_key {
    unsigned char bytes[CRYPTO_KEY_BYTES];
};

struct sign_public {
    unsigned char bytes[CRYPTO_SIGN_PUBLIC_BYTES];
};

struct sign_key {
    unsigned char seed[CRYPTO_SEED_BYTES];
    unsigned char secret[64]; /* the library's own form of it */
    struct sign_public public_key;
};

struct signature {
    unsigned char bytes[CRYPTO_SIGNATURE_BYTES];
};

/* Once, before anything else, from any thread. False: the system has no randomness to give. */
MUST_USE bool crypto_start(struct error *err);
void crypto_random(void *out, size_t len);
void crypto_wipe(void *secret, size_t len);
bool crypto_equal(const void *a, const void *b, size_t len); /* in constant time */

/* BLAKE2b-256 of plain bytes, no label: what `weft verify` prints of a text. */
void crypto_blake2b(struct bytes data, struct digest *out);
/* BLAKE2b-128, no label: names (of a document, of a relay) made from public keys. */
void crypto_blake2b_128(struct bytes data, unsigned char out[CRYPTO_SHORT_HASH_BYTES]);

/* crypto_blake2b() piece by piece. */
struct blake2b {
    _Alignas(64) unsigned char state[512];
};
void blake2b_init(struct blake2b *hash);
void blake2b_add(struct blake2b *hash, const void *data, size_t len);
void blake2b_digest(struct blake2b *hash, struct digest *out);

/* A hash over parts. The label comes first with its length, so that no two uses can be confused. */
struct hasher {
    struct blake2b hash;
};
void hasher_init(struct hasher *hasher, const char *label);
void hasher_add(struct hasher *hasher, const void *data, size_t len);
void hasher_add_u64(struct hasher *hasher, uint64_t value);      /* little endian */
void hasher_add_sized(struct hasher *hasher, struct bytes part); /* its length as u64, then the bytes */
void hasher_digest(struct hasher *hasher, struct digest *out);   /* ends it */

/*
 * out[0..out_len) from a secret and a label, one-way; both lengths are 16 to 64. `context` may be empty. Another label,
 * context or length gives an unrelated result.
 */
void crypto_derive(void *out, size_t out_len, const void *secret, size_t secret_len, const char *label,
                   struct bytes context);

/* Appends ciphertext and tag (plain.len + 16 bytes). A (key, nonce) pair is used once. No input may lie inside *out. */
void crypto_seal(const struct seal_key *key, const unsigned char nonce[CRYPTO_NONCE_BYTES], struct bytes aad,
                 struct bytes plain, struct buf *out);
/* Appends the plaintext; on false nothing was appended. No input may lie inside *out. */
MUST_USE bool crypto_open(const struct seal_key *key, const unsigned char nonce[CRYPTO_NONCE_BYTES], struct bytes aad,
                          struct bytes sealed, struct buf *out);

void sign_key_from_seed(struct sign_key *key, const unsigned char seed[CRYPTO_SEED_BYTES]);
/* Only digests are signed: what a signature is about is said by the label of the hasher that made the digest. */
void crypto_sign_digest(const struct sign_key *key, const struct digest *what, struct signature *out);
MUST_USE bool crypto_verify_digest(const struct sign_public *key, const struct digest *what,
                                   const struct signature *signature);

#endif
