#include "sync/certificate.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

static bool hash_key(X509 *certificate, struct digest *out)
{
    unsigned char *spki = NULL;
    unsigned hash_len = 0;
    int len = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki) : -1;
    static_assert(sizeof out->bytes == 32, "SHA-256");
    bool hashed = len > 0 && EVP_Digest(spki, (size_t)len, out->bytes, &hash_len, EVP_sha256(), NULL) == 1;
    OPENSSL_free(spki);
    return hashed;
}

/* A key with a passphrase is asked for nowhere: a server has nobody to ask. */
static int no_passphrase(char *out, int size, int writes, void *self)
{
    (void)out, (void)size, (void)writes, (void)self;
    return -1;
}

static bool check_loaded(SSL_CTX *context, const char *chain_path, const char *key_path, struct error *err)
{
    if (SSL_CTX_use_certificate_chain_file(context, chain_path) != 1)
        return error_set(err, ERR_FORMAT, 0, "%s is no certificate in PEM form", chain_path);
    if (SSL_CTX_use_PrivateKey_file(context, key_path, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(context) == 1)
        return true;
    bool differs = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
                   ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_TYPE_MISMATCH;
    if (differs)
        return error_set(err, ERR_AUTH, 0, "the key in %s is not that of the certificate in %s", key_path, chain_path);
    return error_set(err, ERR_FORMAT, 0, "%s is no key in PEM form, or it has a passphrase", key_path);
}

bool certificate_check(const char *chain_path, const char *key_path, struct error *err)
{
    if (access(chain_path, R_OK) != 0)
        return error_errno(err, "cannot read the certificate %s", chain_path);
    if (access(key_path, R_OK) != 0)
        return error_errno(err, "cannot read the certificate's key %s", key_path);
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context)
        return error_set(err, ERR_IO, 0, "cannot prepare TLS");
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    bool good = check_loaded(context, chain_path, key_path, err);
    SSL_CTX_free(context);
    ERR_clear_error();
    return good;
}

bool certificate_shown(void *tls, struct digest *out)
{
    return tls && hash_key(SSL_get_certificate(tls), out);
}

bool certificate_seen(void *tls, struct digest *out)
{
    X509 *certificate = tls ? SSL_get_peer_certificate(tls) : NULL;
    bool hashed = hash_key(certificate, out);
    X509_free(certificate);
    return hashed;
}
