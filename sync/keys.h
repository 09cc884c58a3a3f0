/*
 * keys - who may do what with a document, as keys: admin > write > read, one-way.
 *
 *   admin seed A (16 bytes) --> admin signing key; doc_id = BLAKE2b-128(admin public key)
 *        |
 *        v
 *   write seed W (16 bytes) --> write signing key: signs a device's grant to write
 *        |
 *        v
 *   read seed R (16 bytes)  --> read signing key (proves to a relay that one may read), content key (seals everything)
 *
 * A share link carries W or R (sync/share_link.h). GENESIS, signed by the admin key, publishes the write and read
 * public keys and a commitment to the content key, so nobody can put other keys in their place.
 *
 * A device has one long-lived seed. For every document it derives a signing key of its own, so that a relay cannot tell
 * that two documents are edited by one device; inside the sealed MEMBER record the device's real key certifies it.
 *
 *   Ownership  plain structs; doc_keys_wipe() / device_wipe() when done.
 *   Source     the link and seed tree follow the design of CryptPad's edit and view seeds.
 */
#ifndef WEFT_SYNC_KEYS_H
#define WEFT_SYNC_KEYS_H

#include "sync/crypto.h"

enum { KEY_SEED_BYTES = 16 };

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_ADMIN };

struct doc_keys {
    enum access access; /* what the seeds below allow */
    struct doc_id doc;
    unsigned char admin_seed[KEY_SEED_BYTES]; /* zeros below ACCESS_ADMIN */
    unsigned char write_seed[KEY_SEED_BYTES]; /* zeros below ACCESS_WRITE */
    unsigned char read_seed[KEY_SEED_BYTES];
    struct sign_key admin_key; /* with ACCESS_ADMIN */
    struct sign_key write_key; /* from ACCESS_WRITE */
    struct sign_key read_key;
    struct seal_key content_key;
};

/* A document's name: BLAKE2b-128 of its admin key. */
void doc_id_of_admin(const struct sign_public *admin, struct doc_id *out);
/* A new document's keys, from fresh randomness. */
void doc_keys_new(struct doc_keys *keys);
void doc_keys_from_admin(struct doc_keys *keys, const unsigned char admin_seed[KEY_SEED_BYTES]);
/*
 * From a link: the document is named beside the seed, for it cannot be derived from a write or read seed. It can from
 * an admin seed, which has the last word: keys->doc is then the derived name.
 */
void doc_keys_from_link(struct doc_keys *keys, const struct doc_id *doc, enum access access,
                        const unsigned char seed[KEY_SEED_BYTES]);
void doc_keys_wipe(struct doc_keys *keys);
/* The seed a link of this access carries; access <= keys->access. A view into *keys. */
const unsigned char *doc_keys_seed(const struct doc_keys *keys, enum access access);
/* A hash of the content key: what GENESIS commits to, for the cipher alone lets one ciphertext open under two keys. */
void doc_keys_commitment(const struct doc_keys *keys, struct digest *out);
/* The bytes to keep (secret: sealed, in the index) and back. *keys is zeros when it fails. */
void doc_keys_encode(const struct doc_keys *keys, struct buf *out);
MUST_USE bool doc_keys_decode(struct bytes encoded, struct doc_keys *keys, struct error *err);

struct device {
    unsigned char seed[CRYPTO_SEED_BYTES];
    struct sign_key key; /* the device's own identity, shown as a fingerprint to people */
};

/* From the seed file's 32 bytes. */
void device_from_seed(struct device *device, const unsigned char seed[CRYPTO_SEED_BYTES]);
void device_wipe(struct device *device);
/*
 * Reads `path` (0600, own uid; looser modes are refused with the reason), or makes it when it is missing. It appears
 * whole and synced or not at all, and two processes that start at once end up with one key. Its directory must exist.
 */
MUST_USE bool device_load(const char *path, struct device *device, struct error *err);
/* The signing key of this device in one document. */
void device_doc_key(const struct device *device, const struct doc_id *doc, struct sign_key *out);
/* The device's word that `doc_key` is its own: signs ("weft-device-1", doc, doc key). */
void device_certify(const struct device *device, const struct doc_id *doc, const struct sign_public *doc_key,
                    struct signature *out);
MUST_USE bool device_certified(const struct sign_public *device_key, const struct doc_id *doc,
                               const struct sign_public *doc_key, const struct signature *certificate);
/* The key that seals this document's journal on this device's disk. */
void device_journal_key(const struct device *device, const struct doc_id *doc, struct seal_key *out);
/* The key that seals what is not yet in a journal (sync/tail.h). */
void device_tail_key(const struct device *device, struct seal_key *out);
/* The key that seals the rows of the index (keys of documents, links). */
void device_index_key(const struct device *device, struct seal_key *out);
/* "8f3a 91c2 07de": the first six bytes of a hash of a device's public key, for people to compare. */
enum { FINGERPRINT_TEXT_BYTES = 15 };
void device_fingerprint(const struct sign_public *key, char out[FINGERPRINT_TEXT_BYTES]);

/*
 * The right to write: the write key signs ("weft-grant-1", document, device's document key, epoch, expiry).
 */
struct grant {
    uint64_t epoch;
    uint64_t expiry_s; /* seconds since 1970; 0: never */
    struct signature signature;
};
void grant_make(const struct doc_keys *keys, const struct sign_public *device_key, uint64_t epoch, uint64_t expiry_s,
                struct grant *out);
/* now_s 0: whether it ever held, for what was written long ago. */
MUST_USE bool grant_verify(const struct grant *grant, const struct doc_id *doc, const struct sign_public *write_public,
                           const struct sign_public *device_key, uint64_t now_s);

#endif
