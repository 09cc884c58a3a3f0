#include "sync/crypto.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

static_assert(sizeof(crypto_generichash_blake2b_state) <= sizeof(struct hasher), "a hasher holds libsodium's state");
static_assert(sizeof(crypto_generichash_blake2b_state) <= sizeof(struct blake2b), "so does a plain hash");
static_assert(_Alignof(crypto_generichash_blake2b_state) <= 64, "and both are aligned for it");
static_assert(CRYPTO_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "XChaCha20 nonce");
static_assert(CRYPTO_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "XChaCha20 key");
static_assert(CRYPTO_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "Poly1305 tag");
static_assert(CRYPTO_SEED_BYTES == crypto_sign_SEEDBYTES, "Ed25519 seed");
static_assert(CRYPTO_SIGN_PUBLIC_BYTES == crypto_sign_PUBLICKEYBYTES, "Ed25519 public key");
static_assert(CRYPTO_SIGNATURE_BYTES == crypto_sign_BYTES, "Ed25519 signature");
static_assert(sizeof((struct sign_key){0}.secret) == crypto_sign_SECRETKEYBYTES, "Ed25519 secret");

bool crypto_start(struct error *err)
{
    if (sodium_init() < 0)
        return error_set(err, ERR_IO, 0, "the system gives no randomness for keys: libsodium does not start");
    return true;
}

void crypto_random(void *out, size_t len)
{
    randombytes_buf(out, len);
}

void crypto_wipe(void *secret, size_t len)
{
    sodium_memzero(secret, len);
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

/* --- hashing --- */

static crypto_generichash_blake2b_state *blake2b_state(struct blake2b *hash)
{
    return (crypto_generichash_blake2b_state *)(void *)hash->state;
}

void blake2b_init(struct blake2b *hash)
{
    ensure(crypto_generichash_blake2b_init(blake2b_state(hash), NULL, 0, DIGEST_BYTES) == 0);
}

void blake2b_add(struct blake2b *hash, const void *data, size_t len)
{
    if (len)
        ensure(crypto_generichash_blake2b_update(blake2b_state(hash), data, len) == 0);
}

void blake2b_digest(struct blake2b *hash, struct digest *out)
{
    ensure(crypto_generichash_blake2b_final(blake2b_state(hash), out->bytes, sizeof out->bytes) == 0);
}

void crypto_blake2b(struct bytes data, struct digest *out)
{
    ensure(crypto_generichash_blake2b(out->bytes, sizeof out->bytes, data.data, data.len, NULL, 0) == 0);
}

void crypto_blake2b_128(struct bytes data, unsigned char out[CRYPTO_SHORT_HASH_BYTES])
{
    ensure(crypto_generichash_blake2b(out, CRYPTO_SHORT_HASH_BYTES, data.data, data.len, NULL, 0) == 0);
}

void hasher_init(struct hasher *hasher, const char *label)
{
    blake2b_init(&hasher->hash);
    hasher_add_sized(hasher, bytes_of_string(label));
}

void hasher_add(struct hasher *hasher, const void *data, size_t len)
{
    blake2b_add(&hasher->hash, data, len);
}

static void put_u64(unsigned char out[8], uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)(value >> (8 * i));
}

void hasher_add_u64(struct hasher *hasher, uint64_t value)
{
    unsigned char raw[8];
    put_u64(raw, value);
    hasher_add(hasher, raw, sizeof raw);
}

void hasher_add_sized(struct hasher *hasher, struct bytes part)
{
    hasher_add_u64(hasher, part.len);
    hasher_add(hasher, part.data, part.len);
}

void hasher_digest(struct hasher *hasher, struct digest *out)
{
    blake2b_digest(&hasher->hash, out);
}

void crypto_derive(void *out, size_t out_len, const void *secret, size_t secret_len, const char *label,
                   struct bytes context)
{
    ensure(out_len >= crypto_generichash_blake2b_BYTES_MIN && out_len <= crypto_generichash_blake2b_BYTES_MAX);
    ensure(secret_len >= crypto_generichash_blake2b_KEYBYTES_MIN &&
           secret_len <= crypto_generichash_blake2b_KEYBYTES_MAX);
    struct hasher hasher;
    crypto_generichash_blake2b_state *state = blake2b_state(&hasher.hash);
    ensure(crypto_generichash_blake2b_init(state, secret, secret_len, out_len) == 0);
    hasher_add_sized(&hasher, bytes_of_string(label));
    hasher_add_sized(&hasher, context);
    ensure(crypto_generichash_blake2b_final(state, out, out_len) == 0);
    crypto_wipe(&hasher, sizeof hasher);
}

/* --- sealing --- */

void crypto_seal(const struct seal_key *key, const unsigned char nonce[CRYPTO_NONCE_BYTES], struct bytes aad,
                 struct bytes plain, struct buf *out)
{
    unsigned char *sealed = buf_extend(out, plain.len + CRYPTO_TAG_BYTES);
    ensure(crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, NULL, plain.data, plain.len, aad.data, aad.len, NULL,
                                                      nonce, key->bytes) == 0);
}

bool crypto_open(const struct seal_key *key, const unsigned char nonce[CRYPTO_NONCE_BYTES], struct bytes aad,
                 struct bytes sealed, struct buf *out)
{
    if (sealed.len < CRYPTO_TAG_BYTES)
        return false;
    size_t len_before = out->len;
    unsigned char *plain = buf_extend(out, sealed.len); /* the tag's room too: never nothing */
    bool good = crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed.data, sealed.len, aad.data,
                                                           aad.len, nonce, key->bytes) == 0;
    out->len = good ? len_before + sealed.len - CRYPTO_TAG_BYTES : len_before;
    return good;
}

/* --- signing --- */

void sign_key_from_seed(struct sign_key *key, const unsigned char seed[CRYPTO_SEED_BYTES])
{
    memmove(key->seed, seed, sizeof key->seed);
    ensure(crypto_sign_seed_keypair(key->public_key.bytes, key->secret, key->seed) == 0);
}

void crypto_sign_digest(const struct sign_key *key, const struct digest *what, struct signature *out)
{
    ensure(crypto_sign_detached(out->bytes, NULL, what->bytes, sizeof what->bytes, key->secret) == 0);
}

bool crypto_verify_digest(const struct sign_public *key, const struct digest *what, const struct signature *signature)
{
    return crypto_sign_verify_detached(signature->bytes, what->bytes, sizeof what->bytes, key->bytes) == 0;
}
