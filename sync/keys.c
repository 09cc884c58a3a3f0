#include "sync/keys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"
#include "sync/durable.h"

static_assert(sizeof(struct doc_id) == CRYPTO_SHORT_HASH_BYTES, "a document is named by a short hash");

enum { KEYS_FORMAT = 1 };

/* --- the document's tree of keys --- */

static void derive_seed(unsigned char out[KEY_SEED_BYTES], const unsigned char parent[KEY_SEED_BYTES],
                        const char *label)
{
    crypto_derive(out, KEY_SEED_BYTES, parent, KEY_SEED_BYTES, label, (struct bytes){0});
}

static void derive_sign_key(struct sign_key *out, const void *secret, size_t secret_len, const char *label,
                            struct bytes context)
{
    unsigned char seed[CRYPTO_SEED_BYTES];
    crypto_derive(seed, sizeof seed, secret, secret_len, label, context);
    sign_key_from_seed(out, seed);
    crypto_wipe(seed, sizeof seed);
}

/* Each level makes its own keys and the seed of the level below; nothing leads up. */

static void doc_keys_add_read(struct doc_keys *keys)
{
    derive_sign_key(&keys->read_key, keys->read_seed, KEY_SEED_BYTES, "weft-read-key-1", (struct bytes){0});
    crypto_derive(keys->content_key.bytes, sizeof keys->content_key.bytes, keys->read_seed, KEY_SEED_BYTES,
                  "weft-content-key-1", (struct bytes){0});
}

static void doc_keys_add_write(struct doc_keys *keys)
{
    derive_sign_key(&keys->write_key, keys->write_seed, KEY_SEED_BYTES, "weft-write-key-1", (struct bytes){0});
    derive_seed(keys->read_seed, keys->write_seed, "weft-read-seed-1");
    doc_keys_add_read(keys);
}

static void doc_keys_add_admin(struct doc_keys *keys)
{
    derive_sign_key(&keys->admin_key, keys->admin_seed, KEY_SEED_BYTES, "weft-admin-key-1", (struct bytes){0});
    doc_id_of_admin(&keys->admin_key.public_key, &keys->doc);
    derive_seed(keys->write_seed, keys->admin_seed, "weft-write-seed-1");
    doc_keys_add_write(keys);
}

void doc_id_of_admin(const struct sign_public *admin, struct doc_id *out)
{
    crypto_blake2b_128(bytes_of(admin->bytes, sizeof admin->bytes), out->bytes);
}

void doc_keys_new(struct doc_keys *keys)
{
    unsigned char seed[KEY_SEED_BYTES];
    crypto_random(seed, sizeof seed);
    doc_keys_from_admin(keys, seed);
    crypto_wipe(seed, sizeof seed);
}

void doc_keys_from_admin(struct doc_keys *keys, const unsigned char admin_seed[KEY_SEED_BYTES])
{
    *keys = (struct doc_keys){.access = ACCESS_ADMIN};
    memcpy(keys->admin_seed, admin_seed, KEY_SEED_BYTES);
    doc_keys_add_admin(keys);
}

void doc_keys_from_link(struct doc_keys *keys, const struct doc_id *doc, enum access access,
                        const unsigned char seed[KEY_SEED_BYTES])
{
    *keys = (struct doc_keys){.access = access, .doc = *doc};
    switch (access) {
    case ACCESS_ADMIN:
        memcpy(keys->admin_seed, seed, KEY_SEED_BYTES);
        doc_keys_add_admin(keys);
        break;
    case ACCESS_WRITE:
        memcpy(keys->write_seed, seed, KEY_SEED_BYTES);
        doc_keys_add_write(keys);
        break;
    case ACCESS_READ:
        memcpy(keys->read_seed, seed, KEY_SEED_BYTES);
        doc_keys_add_read(keys);
        break;
    }
}

void doc_keys_wipe(struct doc_keys *keys)
{
    crypto_wipe(keys, sizeof *keys);
}

const unsigned char *doc_keys_seed(const struct doc_keys *keys, enum access access)
{
    ensure(access <= keys->access);
    switch (access) {
    case ACCESS_ADMIN:
        return keys->admin_seed;
    case ACCESS_WRITE:
        return keys->write_seed;
    case ACCESS_READ:
        return keys->read_seed;
    }
    ensure(false);
    return NULL;
}

void doc_keys_commitment(const struct doc_keys *keys, struct digest *out)
{
    struct hasher hasher;
    hasher_init(&hasher, "weft-commitment-1");
    hasher_add(&hasher, keys->content_key.bytes, sizeof keys->content_key.bytes);
    hasher_digest(&hasher, out);
    crypto_wipe(&hasher, sizeof hasher);
}

void doc_keys_encode(const struct doc_keys *keys, struct buf *out)
{
    buf_add_byte(out, KEYS_FORMAT);
    buf_add_byte(out, (unsigned char)keys->access);
    buf_add(out, keys->doc.bytes, sizeof keys->doc.bytes);
    buf_add(out, doc_keys_seed(keys, keys->access), KEY_SEED_BYTES);
}

bool doc_keys_decode(struct bytes encoded, struct doc_keys *keys, struct error *err)
{
    struct reader reader = reader_of(encoded);
    unsigned char format = read_byte(&reader);
    uint64_t access = read_varint_max(&reader, ACCESS_ADMIN);
    struct doc_id doc;
    read_into(&reader, doc.bytes, sizeof doc.bytes);
    struct bytes seed = read_bytes(&reader, KEY_SEED_BYTES);
    *keys = (struct doc_keys){0};
    if (format > KEYS_FORMAT)
        return error_set(err, ERR_NEWER, 0, "the keys of this document were kept by a newer weft; update weft");
    if (format != KEYS_FORMAT || !reader_done(&reader))
        return error_set(err, ERR_FORMAT, 0, "the keys kept for this document cannot be read");
    doc_keys_from_link(keys, &doc, (enum access)access, seed.data);
    if (doc_id_equal(&keys->doc, &doc))
        return true;
    doc_keys_wipe(keys);
    return error_set(err, ERR_FORMAT, 0, "the keys kept for this document belong to another one");
}

/* --- the device --- */

void device_from_seed(struct device *device, const unsigned char seed[CRYPTO_SEED_BYTES])
{
    memmove(device->seed, seed, sizeof device->seed);
    derive_sign_key(&device->key, device->seed, sizeof device->seed, "weft-device-key-1", (struct bytes){0});
}

void device_wipe(struct device *device)
{
    crypto_wipe(device, sizeof *device);
}

/* Other people's eyes on the file mean other people's signatures under this device's name. */
static bool key_file_is_private(int fd, const char *path, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return error_errno(err, "cannot look at the key file %s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_AUTH, 0, "the key file %s is not a regular file", path);
    if (st.st_uid != geteuid())
        return error_set(err, ERR_AUTH, 0, "the key file %s belongs to another user", path);
    if (st.st_mode & 077)
        return error_set(err, ERR_AUTH, 0, "others may read the key file %s (mode %04o): chmod 600 it", path,
                         (unsigned)(st.st_mode & 07777));
    return true;
}

/* One byte more than a seed is asked for, so that a longer file shows. */
static bool read_seed(int fd, const char *path, unsigned char seed[CRYPTO_SEED_BYTES], struct error *err)
{
    unsigned char raw[CRYPTO_SEED_BYTES + 1];
    ssize_t got = read(fd, raw, sizeof raw);
    if (got == CRYPTO_SEED_BYTES)
        memcpy(seed, raw, CRYPTO_SEED_BYTES);
    crypto_wipe(raw, sizeof raw);
    if (got < 0)
        return error_errno(err, "cannot read the key file %s", path);
    if (got != CRYPTO_SEED_BYTES)
        return error_set(err, ERR_FORMAT, 0, "the key file %s is damaged: it should have %d bytes", path,
                         CRYPTO_SEED_BYTES);
    return true;
}

static bool device_read(const char *path, struct device *device, struct error *err)
{
    unsigned char seed[CRYPTO_SEED_BYTES];
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ELOOP)
        return error_set(err, ERR_AUTH, ELOOP, "the key file %s is a symbolic link", path);
    if (fd < 0)
        return error_errno(err, "cannot open the key file %s", path);
    bool good = key_file_is_private(fd, path, err) && read_seed(fd, path, seed, err);
    close(fd);
    if (good)
        device_from_seed(device, seed);
    crypto_wipe(seed, sizeof seed);
    return good;
}

static bool write_seed(int fd)
{
    unsigned char seed[CRYPTO_SEED_BYTES];
    crypto_random(seed, sizeof seed);
    bool written = durable_write(fd, bytes_of(seed, sizeof seed));
    crypto_wipe(seed, sizeof seed);
    return written;
}

/*
 * link() gives the finished file its name only where there is none yet: nobody can see it half-written, and of several
 * processes one wins. File systems without hard links have renameat2() for the same.
 */
static bool give_name(const char *temporary, const char *path)
{
    if (link(temporary, path) == 0 || errno == EEXIST)
        return true;
    return renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0 || errno == EEXIST;
}

static bool device_create(const char *path, struct error *err)
{
    char *temporary = xformat("%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC); /* O_EXCL and 0600 */
    if (fd < 0) {
        error_errno(err, "cannot make the key file %s", path);
        free(temporary);
        return false;
    }
    bool made = write_seed(fd) && give_name(temporary, path);
    if (!made)
        error_errno(err, "cannot make the key file %s", path);
    close(fd);
    unlink(temporary);
    if (made && !durable_sync_name(path))
        made = error_errno(err, "cannot keep the key file %s", path);
    free(temporary);
    return made;
}

bool device_load(const char *path, struct device *device, struct error *err)
{
    struct error first = {0};
    if (device_read(path, device, &first))
        return true;
    if (first.code == ERR_MISSING)
        return device_create(path, err) && device_read(path, device, err);
    *err = first;
    return false;
}

static struct bytes doc_context(const struct doc_id *doc)
{
    return bytes_of(doc->bytes, sizeof doc->bytes);
}

void device_doc_key(const struct device *device, const struct doc_id *doc, struct sign_key *out)
{
    derive_sign_key(out, device->seed, sizeof device->seed, "weft-device-doc-key-1", doc_context(doc));
}

static void certificate_digest(const struct doc_id *doc, const struct sign_public *doc_key, struct digest *out)
{
    struct hasher hasher;
    hasher_init(&hasher, "weft-device-1");
    hasher_add(&hasher, doc->bytes, sizeof doc->bytes);
    hasher_add(&hasher, doc_key->bytes, sizeof doc_key->bytes);
    hasher_digest(&hasher, out);
}

void device_certify(const struct device *device, const struct doc_id *doc, const struct sign_public *doc_key,
                    struct signature *out)
{
    struct digest digest;
    certificate_digest(doc, doc_key, &digest);
    crypto_sign_digest(&device->key, &digest, out);
}

bool device_certified(const struct sign_public *device_key, const struct doc_id *doc, const struct sign_public *doc_key,
                      const struct signature *certificate)
{
    struct digest digest;
    certificate_digest(doc, doc_key, &digest);
    return crypto_verify_digest(device_key, &digest, certificate);
}

void device_journal_key(const struct device *device, const struct doc_id *doc, struct seal_key *out)
{
    crypto_derive(out->bytes, sizeof out->bytes, device->seed, sizeof device->seed, "weft-journal-key-1",
                  doc_context(doc));
}

void device_tail_key(const struct device *device, struct seal_key *out)
{
    crypto_derive(out->bytes, sizeof out->bytes, device->seed, sizeof device->seed, "weft-tail-key-1", (struct bytes){0});
}

void device_index_key(const struct device *device, struct seal_key *out)
{
    crypto_derive(out->bytes, sizeof out->bytes, device->seed, sizeof device->seed, "weft-index-key-1",
                  (struct bytes){0});
}

void device_fingerprint(const struct sign_public *key, char out[FINGERPRINT_TEXT_BYTES])
{
    struct hasher hasher;
    struct digest digest;
    char hex[13];
    hasher_init(&hasher, "weft-fingerprint-1");
    hasher_add(&hasher, key->bytes, sizeof key->bytes);
    hasher_digest(&hasher, &digest);
    id_hex(digest.bytes, 6, hex);
    snprintf(out, FINGERPRINT_TEXT_BYTES, "%.4s %.4s %.4s", hex, hex + 4, hex + 8);
}

/* --- grants --- */

static void grant_digest(const struct grant *grant, const struct doc_id *doc, const struct sign_public *device_key,
                         struct digest *out)
{
    struct hasher hasher;
    hasher_init(&hasher, "weft-grant-1");
    hasher_add(&hasher, doc->bytes, sizeof doc->bytes);
    hasher_add(&hasher, device_key->bytes, sizeof device_key->bytes);
    hasher_add_u64(&hasher, grant->epoch);
    hasher_add_u64(&hasher, grant->expiry_s);
    hasher_digest(&hasher, out);
}

void grant_make(const struct doc_keys *keys, const struct sign_public *device_key, uint64_t epoch, uint64_t expiry_s,
                struct grant *out)
{
    ensure(keys->access >= ACCESS_WRITE);
    *out = (struct grant){.epoch = epoch, .expiry_s = expiry_s};
    struct digest digest;
    grant_digest(out, &keys->doc, device_key, &digest);
    crypto_sign_digest(&keys->write_key, &digest, &out->signature);
}

bool grant_verify(const struct grant *grant, const struct doc_id *doc, const struct sign_public *write_public,
                  const struct sign_public *device_key, uint64_t now_s)
{
    if (grant->expiry_s && now_s >= grant->expiry_s)
        return false;
    struct digest digest;
    grant_digest(grant, doc, device_key, &digest);
    return crypto_verify_digest(write_public, &digest, &grant->signature);
}
