/*
 * certificate - which key a TLS connection's certificate is about, as one hash; and whether one can be used. The only door to
 * OpenSSL.
 *
 * Both ends of a connection can compute it: the server of the certificate it shows, the client of the one it sees. When they
 * differ, somebody stands in between.
 *
 *   Units   SHA-256 of the DER SubjectPublicKeyInfo, as in RFC 7469 pins: a renewed certificate with the same key is equal.
 *   Errors  false: there is no TLS here, or no certificate.
 */
#ifndef WEFT_SYNC_CERTIFICATE_H
#define WEFT_SYNC_CERTIFICATE_H

#include <stdbool.h>

#include "editor/base/error.h"
#include "sync/id.h"

/* Whether these files (PEM, a chain and its key) can be served with: ERR_MISSING, ERR_IO, ERR_FORMAT, ERR_AUTH when the key is
   that of another certificate. */
MUST_USE bool certificate_check(const char *chain_path, const char *key_path, struct error *err);

/* `tls` is the library's SSL *, or NULL. */
MUST_USE bool certificate_shown(void *tls, struct digest *out); /* by this end */
MUST_USE bool certificate_seen(void *tls, struct digest *out);  /* from the other end */

#endif
