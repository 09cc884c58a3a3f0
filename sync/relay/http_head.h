/*
 * http_head - the request line and header fields of one HTTP/1.1 request, read strictly (RFC 9112).
 *
 * Just enough for a relay that speaks WebSocket and answers two plain GETs. Folded lines, spaces around names, bare CR
 * and control characters are refused: what two programs could read in two ways is not read at all.
 *
 *   Ownership  a head is a view into the bytes it was parsed from.
 *   Bounds     HTTP_FIELDS_MAX fields; the caller bounds the bytes.
 */
#ifndef WEFT_SYNC_RELAY_HTTP_HEAD_H
#define WEFT_SYNC_RELAY_HTTP_HEAD_H

#include "editor/base/bytes.h"

enum { HTTP_FIELDS_MAX = 64 };

struct http_field {
    struct bytes name, value; /* the value without white space at its ends */
};

struct http_head {
    struct bytes method, target;
    struct http_field fields[HTTP_FIELDS_MAX];
    size_t field_count;
};

/* Length of the head at the start of `input`, the empty line included; 0 when it is not all there. */
size_t http_head_length(struct bytes input);
/* `text` is one whole head, the empty line included. False: not a request we understand. */
MUST_USE bool http_head_parse(struct bytes text, struct http_head *head);
/* The value of the only field of that name (any case); NULL when there is none, or more than one. */
const struct bytes *http_head_field(const struct http_head *head, const char *name);
/* The value of the last field of that name (any case); NULL when there is none. */
const struct bytes *http_head_last(const struct http_head *head, const char *name);
/* How many fields of that name there are. */
size_t http_head_count(const struct http_head *head, const char *name);
/* Whether a comma-separated list in any field of that name holds this word. */
bool http_head_lists(const struct http_head *head, const char *name, const char *word, bool any_case);

#endif
