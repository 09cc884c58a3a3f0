/* The tree of keys, the device's file, grants. */
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/keys.h"

static const unsigned char counting[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                           16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

/* The expected values come from a model of a dozen lines in Python (hashlib, OpenSSL's Ed25519). */
static void keys_are_those_of_an_independent_model(void **state)
{
    (void)state;
    struct doc_keys keys;
    struct digest commitment;
    doc_keys_from_admin(&keys, counting);
    doc_keys_commitment(&keys, &commitment);
    support_expect_hex(keys.doc.bytes, 16, "bea71ac1deb3d5aa607e11a60c36f67f");
    support_expect_hex(keys.write_seed, 16, "84c6790177d82f513eb84a58e807de60");
    support_expect_hex(keys.read_seed, 16, "c26bda4ccfda6ec8f4164db9f31a2b78");
    support_expect_hex(keys.write_key.public_key.bytes, 32,
                       "63688479f9dd07158cbbc98ae5c83f0617807a77ffba450683b82ec52db1c663");
    support_expect_hex(keys.read_key.public_key.bytes, 32,
                       "4a47d780d46cdfa71f02962f5e5934816240799f491410468f3ced7823d1d5ee");
    support_expect_hex(commitment.bytes, 32, "804ffbb6ecbdf7739d1e6f30ee7a32dd355cd78144e7a44f34163cf20dcc7b36");

    struct device device;
    struct sign_key doc_key;
    char fingerprint[FINGERPRINT_TEXT_BYTES];
    device_from_seed(&device, counting);
    device_doc_key(&device, &keys.doc, &doc_key);
    device_fingerprint(&device.key.public_key, fingerprint);
    support_expect_hex(device.key.public_key.bytes, 32,
                       "9e5ce2b881f98d4ab0cc73f76dfd7ed1e256f820b99d8a53dddcc7a955e206ef");
    support_expect_hex(doc_key.public_key.bytes, 32,
                       "c5d3dc7bc193dad57a56b17d3d1fc15fcad27d8165a79d547c6d7959fa8f040b");
    assert_string_equal(fingerprint, "932b ef7a cb8f");
}

static void each_link_gives_the_levels_below_it_and_none_above(void **state)
{
    (void)state;
    static const unsigned char zero[sizeof(struct sign_key)];
    struct doc_keys admin, writer, reader;
    doc_keys_new(&admin);
    doc_keys_from_link(&writer, &admin.doc, ACCESS_WRITE, doc_keys_seed(&admin, ACCESS_WRITE));
    doc_keys_from_link(&reader, &admin.doc, ACCESS_READ, doc_keys_seed(&writer, ACCESS_READ));

    assert_memory_equal(&writer.write_key, &admin.write_key, sizeof admin.write_key);
    assert_memory_equal(&writer.content_key, &admin.content_key, sizeof admin.content_key);
    assert_memory_equal(&reader.read_key, &admin.read_key, sizeof admin.read_key);
    assert_memory_equal(&reader.content_key, &admin.content_key, sizeof admin.content_key);

    assert_memory_equal(&writer.admin_key, zero, sizeof writer.admin_key);
    assert_memory_equal(writer.admin_seed, zero, sizeof writer.admin_seed);
    assert_memory_equal(&reader.write_key, zero, sizeof reader.write_key);
    assert_memory_equal(reader.write_seed, zero, sizeof reader.write_seed);
    doc_keys_wipe(&admin);
    assert_memory_equal(admin.admin_seed, zero, sizeof admin.admin_seed);
}

static void two_new_documents_share_nothing(void **state)
{
    (void)state;
    struct doc_keys one, two;
    struct digest a, b;
    doc_keys_new(&one);
    doc_keys_new(&two);
    doc_keys_commitment(&one, &a);
    doc_keys_commitment(&two, &b);
    assert_false(doc_id_equal(&one.doc, &two.doc));
    assert_false(digest_equal(&a, &b));
}

static void kept_keys_come_back_at_every_level(void **state)
{
    (void)state;
    struct doc_keys admin;
    doc_keys_new(&admin);
    for (int access = ACCESS_READ; access <= ACCESS_ADMIN; access++) {
        struct doc_keys keys, back;
        struct buf kept = {0};
        struct error err = {0};
        doc_keys_from_link(&keys, &admin.doc, (enum access)access, doc_keys_seed(&admin, (enum access)access));
        doc_keys_encode(&keys, &kept);
        assert_true(doc_keys_decode(buf_view(&kept), &back, &err));
        assert_memory_equal(&back, &keys, sizeof keys);
        buf_release(&kept);
    }
}

static void expect_not_keys(struct bytes kept, enum err code)
{
    struct doc_keys back;
    struct error err = {0};
    assert_false(doc_keys_decode(kept, &back, &err));
    assert_int_equal(err.code, code);
}

static void damaged_kept_keys_are_refused(void **state)
{
    (void)state;
    struct doc_keys keys;
    struct buf kept = {0};
    doc_keys_new(&keys);
    doc_keys_encode(&keys, &kept);
    for (size_t len = 0; len < kept.len; len++)
        expect_not_keys(bytes_slice(buf_view(&kept), 0, len), ERR_FORMAT);
    for (size_t at = 2; at < kept.len; at++) {
        kept.data[at] ^= 0x10;
        expect_not_keys(buf_view(&kept), ERR_FORMAT); /* the name no longer fits the admin seed */
        kept.data[at] ^= 0x10;
    }
    kept.data[0] = 2;
    expect_not_keys(buf_view(&kept), ERR_NEWER);
    kept.data[0] = 1;
    buf_add_byte(&kept, 0);
    expect_not_keys(buf_view(&kept), ERR_FORMAT);
    buf_release(&kept);
}

/* --- the device file --- */

struct folder {
    char *path, *file;
};

static int make_folder(void **state)
{
    struct folder *folder = xmalloc(sizeof *folder);
    folder->path = xstrdup("/tmp/weft-test-keys.XXXXXX");
    if (!mkdtemp(folder->path))
        return -1;
    folder->file = xformat("%s/device.key", folder->path);
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *folder = *state;
    unlink(folder->file);
    int failed = rmdir(folder->path); /* nothing else may be left in it */
    free(folder->file);
    free(folder->path);
    free(folder);
    return failed;
}

static void the_first_start_makes_a_private_key_file_and_later_ones_read_it(void **state)
{
    const struct folder *folder = *state;
    struct device first, second;
    struct error err = {0};
    struct stat st;
    assert_true(device_load(folder->file, &first, &err));
    assert_int_equal(stat(folder->file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, CRYPTO_SEED_BYTES);
    assert_true(device_load(folder->file, &second, &err));
    assert_memory_equal(&first, &second, sizeof first);
}

static void expect_refused(const char *file, enum err code, const char *reason)
{
    struct device device;
    struct error err = {0};
    assert_false(device_load(file, &device, &err));
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, reason));
}

static void a_key_file_that_others_may_read_is_refused_with_the_reason(void **state)
{
    const struct folder *folder = *state;
    struct device device;
    struct error err = {0};
    static const mode_t loose[] = {0640, 0604, 0620, 0601, 0777};
    assert_true(device_load(folder->file, &device, &err));
    for (size_t i = 0; i < sizeof loose / sizeof *loose; i++) {
        assert_int_equal(chmod(folder->file, loose[i]), 0);
        expect_refused(folder->file, ERR_AUTH, "chmod 600");
    }
    assert_int_equal(chmod(folder->file, 0400), 0);
    assert_true(device_load(folder->file, &device, &err));
}

static void a_key_file_that_is_no_plain_file_is_refused(void **state)
{
    const struct folder *folder = *state;
    assert_int_equal(symlink("/dev/zero", folder->file), 0);
    expect_refused(folder->file, ERR_AUTH, "symbolic link");
    unlink(folder->file);
    assert_int_equal(mkfifo(folder->file, 0600), 0);
    expect_refused(folder->file, ERR_AUTH, "not a regular file");
}

static void a_key_file_of_another_length_is_damaged_not_replaced(void **state)
{
    const struct folder *folder = *state;
    struct device device;
    struct error err = {0};
    assert_true(device_load(folder->file, &device, &err));
    assert_int_equal(truncate(folder->file, 31), 0);
    expect_refused(folder->file, ERR_FORMAT, "damaged");
    assert_int_equal(truncate(folder->file, 33), 0);
    expect_refused(folder->file, ERR_FORMAT, "damaged");
    assert_int_equal(truncate(folder->file, 0), 0);
    expect_refused(folder->file, ERR_FORMAT, "damaged");
}

static void a_folder_that_is_not_there_is_an_error_not_a_key(void **state)
{
    const struct folder *folder = *state;
    char *file = xformat("%s/missing/device.key", folder->path);
    expect_refused(file, ERR_MISSING, "cannot make the key file");
    free(file);
}

enum { RACERS = 6 };

/* In the child: waits until the starting pipe is closed, loads, tells the public key. */
static _Noreturn void race(const struct folder *folder, int start, int result)
{
    struct device device;
    struct error err = {0};
    char byte;
    while (read(start, &byte, 1) > 0)
        continue;
    if (!device_load(folder->file, &device, &err))
        _exit(1);
    ssize_t told = write(result, device.key.public_key.bytes, CRYPTO_SIGN_PUBLIC_BYTES);
    _exit(told == CRYPTO_SIGN_PUBLIC_BYTES ? 0 : 2);
}

static void start_racers(const struct folder *folder, int result, pid_t racers[RACERS])
{
    int start[2];
    assert_int_equal(pipe(start), 0);
    for (int i = 0; i < RACERS; i++) {
        racers[i] = fork();
        assert_true(racers[i] >= 0);
        if (racers[i] == 0) {
            close(start[1]);
            race(folder, start[0], result);
        }
    }
    close(start[0]);
    close(start[1]);
}

static void processes_that_start_at_once_end_up_with_one_key(void **state)
{
    const struct folder *folder = *state;
    for (int round = 0; round < 10; round++) {
        int result[2];
        pid_t racers[RACERS];
        unsigned char first[CRYPTO_SIGN_PUBLIC_BYTES], other[CRYPTO_SIGN_PUBLIC_BYTES];
        assert_int_equal(pipe(result), 0);
        start_racers(folder, result[1], racers);
        for (int i = 0; i < RACERS; i++) {
            int status;
            assert_int_equal(waitpid(racers[i], &status, 0), racers[i]);
            assert_int_equal(status, 0);
            assert_int_equal(read(result[0], i ? other : first, sizeof first), sizeof first);
            assert_memory_equal(i ? other : first, first, sizeof first);
        }
        close(result[0]);
        close(result[1]);
        unlink(folder->file);
    }
}

/* --- what the device signs --- */

static void a_device_looks_like_another_one_in_every_document(void **state)
{
    (void)state;
    struct device device;
    struct doc_id one = {{1}}, two = {{2}};
    struct sign_key key_one, key_two;
    struct seal_key journal_one, journal_two;
    device_from_seed(&device, counting);
    device_doc_key(&device, &one, &key_one);
    device_doc_key(&device, &two, &key_two);
    assert_memory_not_equal(&key_one.public_key, &key_two.public_key, sizeof key_one.public_key);
    device_journal_key(&device, &one, &journal_one);
    device_journal_key(&device, &two, &journal_two);
    assert_memory_not_equal(&journal_one, &journal_two, sizeof journal_one);
}

static void a_certificate_holds_for_one_device_document_and_key(void **state)
{
    (void)state;
    struct device device, stranger;
    unsigned char seed[CRYPTO_SEED_BYTES] = {9};
    struct doc_id doc = {{1}}, elsewhere = {{2}};
    struct sign_key key, other;
    struct signature certificate;
    device_from_seed(&device, counting);
    device_from_seed(&stranger, seed);
    device_doc_key(&device, &doc, &key);
    device_doc_key(&stranger, &doc, &other);
    device_certify(&device, &doc, &key.public_key, &certificate);
    assert_true(device_certified(&device.key.public_key, &doc, &key.public_key, &certificate));
    assert_false(device_certified(&stranger.key.public_key, &doc, &key.public_key, &certificate));
    assert_false(device_certified(&device.key.public_key, &elsewhere, &key.public_key, &certificate));
    assert_false(device_certified(&device.key.public_key, &doc, &other.public_key, &certificate));
}

static void a_grant_holds_for_one_document_device_and_time(void **state)
{
    (void)state;
    struct doc_keys keys;
    struct device device;
    struct sign_key doc_key;
    struct grant grant;
    doc_keys_new(&keys);
    device_from_seed(&device, counting);
    device_doc_key(&device, &keys.doc, &doc_key);
    grant_make(&keys, &doc_key.public_key, 3, 1000, &grant);

    const struct sign_public *by = &keys.write_key.public_key, *to = &doc_key.public_key;
    assert_true(grant_verify(&grant, &keys.doc, by, to, 0));
    assert_true(grant_verify(&grant, &keys.doc, by, to, 999));
    assert_false(grant_verify(&grant, &keys.doc, by, to, 1000));
    assert_false(grant_verify(&grant, &(struct doc_id){{7}}, by, to, 0));
    assert_false(grant_verify(&grant, &keys.doc, &keys.read_key.public_key, to, 0)); /* a reader cannot grant */
    assert_false(grant_verify(&grant, &keys.doc, by, by, 0));

    struct grant changed = grant;
    changed.epoch = 4;
    assert_false(grant_verify(&changed, &keys.doc, by, to, 0));
    changed = grant;
    changed.expiry_s = 0;
    assert_false(grant_verify(&changed, &keys.doc, by, to, 0));

    grant_make(&keys, &doc_key.public_key, 0, 0, &grant);
    assert_true(grant_verify(&grant, &keys.doc, by, to, UINT64_MAX));
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_those_of_an_independent_model),
        cmocka_unit_test(each_link_gives_the_levels_below_it_and_none_above),
        cmocka_unit_test(two_new_documents_share_nothing),
        cmocka_unit_test(kept_keys_come_back_at_every_level),
        cmocka_unit_test(damaged_kept_keys_are_refused),
        WITH_FOLDER(the_first_start_makes_a_private_key_file_and_later_ones_read_it),
        WITH_FOLDER(a_key_file_that_others_may_read_is_refused_with_the_reason),
        WITH_FOLDER(a_key_file_that_is_no_plain_file_is_refused),
        WITH_FOLDER(a_key_file_of_another_length_is_damaged_not_replaced),
        WITH_FOLDER(a_folder_that_is_not_there_is_an_error_not_a_key),
        WITH_FOLDER(processes_that_start_at_once_end_up_with_one_key),
        cmocka_unit_test(a_device_looks_like_another_one_in_every_document),
        cmocka_unit_test(a_certificate_holds_for_one_device_document_and_key),
        cmocka_unit_test(a_grant_holds_for_one_document_device_and_time),
    };
    return RUN_TESTS("keys", tests);
}
