#include "sync/certificate.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

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
