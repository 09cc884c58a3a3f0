/*
 * certificate - which key a TLS connection's certificate is about, as one hash. The only door to OpenSSL.
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

/* `tls` is the library's SSL *, or NULL. */
MUST_USE bool certificate_shown(void *tls, struct digest *out); /* by this end */
MUST_USE bool certificate_seen(void *tls, struct digest *out);  /* from the other end */

#endif
