/*
 * base64url - bytes as letters that survive links and shells: A-Z a-z 0-9 - _ (RFC 4648, section 5), without padding.
 *
 * Only the one canonical form is read: `len` bytes are exactly base64url_len(len) letters, and the bits left over in
 * the last one are zero.
 */
#ifndef WEFT_SYNC_BASE64URL_H
#define WEFT_SYNC_BASE64URL_H

#include "editor/base/bytes.h"

void base64url_add(struct buf *out, const void *data, size_t len);
/* Fills out[0..len) from the whole of `text`; false, with `out` undefined, when it is not the form of `len` bytes. */
MUST_USE bool base64url_read(struct bytes text, void *out, size_t len);

#endif
