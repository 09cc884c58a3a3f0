/* Which key a certificate is about: both ends of a connection compute it, and files that cannot be served are told. */
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "editor/base/xalloc.h"
#include "sync/certificate.h"
#include "tests/support/scratch.h"

enum { DAY_S = 24 * 60 * 60 };

static EVP_PKEY *key_new(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_non_null(key);
    return key;
}

/* A certificate of its own for this key; each has another serial number. */
static X509 *certificate_of(EVP_PKEY *key, long serial)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"relay.example", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), DAY_S);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, NULL) > 0);
    return certificate;
}

/* --- both ends --- */

/* A connection in memory: client and server hand each other bytes until both are through. */
struct wire {
    SSL_CTX *contexts[2];
    SSL *client, *server;
};

static void wire_init(struct wire *wire, EVP_PKEY *key, X509 *certificate)
{
    BIO *client_end, *server_end;
    wire->contexts[0] = SSL_CTX_new(TLS_client_method());
    wire->contexts[1] = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(wire->contexts[1], certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(wire->contexts[1], key), 1);
    wire->client = SSL_new(wire->contexts[0]);
    wire->server = SSL_new(wire->contexts[1]);
    assert_int_equal(BIO_new_bio_pair(&client_end, 0, &server_end, 0), 1);
    SSL_set_bio(wire->client, client_end, client_end);
    SSL_set_bio(wire->server, server_end, server_end);
    SSL_set_connect_state(wire->client);
    SSL_set_accept_state(wire->server);
}

static void wire_release(struct wire *wire)
{
    SSL_free(wire->client);
    SSL_free(wire->server);
    for (int i = 0; i < 2; i++)
        SSL_CTX_free(wire->contexts[i]);
}

static void shake_hands(struct wire *wire)
{
    enum { TURNS_MAX = 20 };
    for (int turn = 0; turn < TURNS_MAX; turn++) {
        bool client_is_through = SSL_do_handshake(wire->client) == 1;
        if (SSL_do_handshake(wire->server) == 1 && client_is_through)
            return;
    }
    fail_msg("no connection came about");
}

/* The hash that both ends have of a connection with this certificate. */
static void connect_with(EVP_PKEY *key, long serial, struct digest *out)
{
    struct wire wire;
    struct digest seen;
    X509 *certificate = certificate_of(key, serial);
    wire_init(&wire, key, certificate);
    assert_false(certificate_seen(wire.client, &seen)); /* nothing was shown yet */
    shake_hands(&wire);
    assert_true(certificate_shown(wire.server, out));
    assert_true(certificate_seen(wire.client, &seen));
    assert_true(digest_equal(out, &seen));
    assert_false(certificate_shown(wire.client, &seen)); /* a client has none */
    assert_false(certificate_seen(wire.server, &seen));
    wire_release(&wire);
    X509_free(certificate);
}

static void both_ends_have_the_same_hash_of_the_key_and_a_renewed_certificate_keeps_it(void **state)
{
    (void)state;
    EVP_PKEY *key = key_new(), *other_key = key_new();
    struct digest hash, renewed, other, expected;
    unsigned char *spki = NULL;
    connect_with(key, 1, &hash);
    connect_with(key, 2, &renewed);
    connect_with(other_key, 1, &other);
    assert_true(digest_equal(&hash, &renewed));
    assert_false(digest_equal(&hash, &other));
    int len = i2d_PUBKEY(key, &spki); /* DER SubjectPublicKeyInfo, as RFC 7469 has it */
    assert_int_equal(EVP_Digest(spki, (size_t)len, expected.bytes, NULL, EVP_sha256(), NULL), 1);
    assert_true(digest_equal(&hash, &expected));
    OPENSSL_free(spki);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
}

static void without_tls_there_is_nothing_to_hash(void **state)
{
    (void)state;
    struct digest hash;
    assert_false(certificate_shown(NULL, &hash));
    assert_false(certificate_seen(NULL, &hash));
}

/* --- files --- */

static void write_pem(const char *path, EVP_PKEY *key, const char *passphrase, X509 *certificate)
{
    FILE *file = fopen(path, "w");
    const EVP_CIPHER *cipher = passphrase ? EVP_aes_128_cbc() : NULL;
    assert_non_null(file);
    assert_true(!certificate || PEM_write_X509(file, certificate));
    assert_true(!key || PEM_write_PrivateKey(file, key, cipher, (const unsigned char *)passphrase,
                                             passphrase ? (int)strlen(passphrase) : 0, NULL, NULL));
    assert_int_equal(fclose(file), 0);
}

static void expect_refused(const char *chain, const char *key, enum err code, const char *named)
{
    struct error err = {0};
    assert_false(certificate_check(chain, key, &err));
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, named));
}

static void files_that_cannot_be_served_with_are_told_by_name(void **state)
{
    char *chain = scratch_file(*state, "chain.pem"), *key_path = scratch_file(*state, "key.pem");
    EVP_PKEY *key = key_new(), *other = key_new();
    X509 *certificate = certificate_of(key, 1);
    struct error err = {0};
    expect_refused(chain, key_path, ERR_MISSING, chain);
    scratch_write(chain, "no certificate");
    expect_refused(chain, key_path, ERR_MISSING, key_path);
    scratch_write(key_path, "no key");
    expect_refused(chain, key_path, ERR_FORMAT, chain);
    write_pem(chain, NULL, NULL, certificate);
    expect_refused(chain, key_path, ERR_FORMAT, key_path);
    write_pem(key_path, other, NULL, NULL);
    expect_refused(chain, key_path, ERR_AUTH, key_path);
    write_pem(key_path, key, "secret", NULL);
    expect_refused(chain, key_path, ERR_FORMAT, "passphrase"); /* a server has nobody to ask */
    write_pem(key_path, key, NULL, NULL);
    assert_true(certificate_check(chain, key_path, &err));
    assert_int_equal(err.code, ERR_NONE);
    X509_free(certificate);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    free(chain);
    free(key_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_have_the_same_hash_of_the_key_and_a_renewed_certificate_keeps_it),
        cmocka_unit_test(without_tls_there_is_nothing_to_hash),
        cmocka_unit_test_setup_teardown(files_that_cannot_be_served_with_are_told_by_name, scratch_setup, scratch_teardown),
    };
    return RUN_TESTS("certificate", tests);
}
