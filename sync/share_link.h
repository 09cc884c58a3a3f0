/*
 * share_link - the link that lets somebody into a document, as text.
 *
 *     weft://HOST[:PORT][,HOST[:PORT]].../DOC#ACCESS.SEED[.PIN].CHECK
 *
 *   weft://       TLS, port 443 unless given;  weft+ws://  plain, port 80 unless given
 *   HOST          a name, an IPv4 address, or an IPv6 address in brackets; several are ways to one relay, tried in turn
 *   DOC           the document's 16 bytes, 22 letters (sync/base64url.h)
 *   ACCESS        r views, w edits, a administers
 *   SEED          the key, 22 letters. It and all behind # is never sent to a relay
 *   PIN           22 letters: BLAKE2b-128 of the relay's identity key; where no certificate vouches for the relay
 *   CHECK         4 letters: CRC-24 (RFC 4880) of all in front of its dot, as share_link_format() writes it. A changed
 *                 letter and two neighbours swapped are noticed for certain, other slips all but 1 in 2^24
 *
 * Reading is kind to how links travel: white space and line breaks inside, <>, quotes and brackets around, a trailing
 * .,) and a leading `weft join` are dropped; wss:// and https:// mean weft://, ws:// and http:// mean weft+ws://; hosts
 * may be in capitals. Reading is strict about the rest.
 *
 *   Ownership  a plain struct with a secret: share_link_wipe() when done.
 *   Errors     ERR_USAGE: not a link; ERR_FORMAT: a damaged one; ERR_NEWER: whole, but of a later kind. No error text
 *              contains any of the link.
 *   Bounds     SHARE_LINK_*_MAX.
 */
#ifndef WEFT_SYNC_SHARE_LINK_H
#define WEFT_SYNC_SHARE_LINK_H

#include "sync/keys.h"

enum {
    SHARE_LINK_HOSTS_MAX = 8,
    SHARE_LINK_HOST_BYTES_MAX = 253, /* the longest name DNS knows */
    SHARE_LINK_BYTES_MAX = 4096,     /* of text to read */
    SHARE_LINK_PORT_TLS = 443,
    SHARE_LINK_PORT_PLAIN = 80,
};

struct relay_pin {
    unsigned char bytes[CRYPTO_SHORT_HASH_BYTES];
};

struct share_host {
    char name[SHARE_LINK_HOST_BYTES_MAX + 1]; /* lower case; IPv6 without its brackets */
    unsigned port;                            /* 1 to 65535 */
};

struct share_link {
    bool tls;
    struct share_host hosts[SHARE_LINK_HOSTS_MAX];
    size_t host_count; /* > 0 */
    struct doc_id doc;
    enum access access;
    unsigned char seed[KEY_SEED_BYTES];
    bool pinned;
    struct relay_pin pin;
};

void share_link_wipe(struct share_link *link);
/* Appends the link; and the same in single quotes, as a shell wants it. */
void share_link_format(const struct share_link *link, struct buf *out);
void share_link_format_quoted(const struct share_link *link, struct buf *out);
/* *link is zeros when it fails. */
MUST_USE bool share_link_parse(struct bytes text, struct share_link *link, struct error *err);

/* One address of a relay, "HOST[:PORT]" as it stands in a link: for --relay. port_default when none is given. */
MUST_USE bool share_host_parse(struct bytes text, unsigned port_default, struct share_host *host, struct error *err);

/* Plain, to a relay that is neither pinned nor on this machine or a private network: only if the person insists. */
bool share_link_needs_insecure(const struct share_link *link);
/* Whether a host is this machine or in a private network: loopback, RFC 1918, link-local, RFC 6598, .local names. */
bool share_host_is_private(const struct share_host *host);
/* The keys a link gives. */
void share_link_keys(const struct share_link *link, struct doc_keys *keys);
void share_link_pin_of(const struct sign_public *relay_key, struct relay_pin *out);

#endif
