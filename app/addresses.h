/*
 * addresses - where a document's relay is, as text a person gives, as the index keeps it, as the link client wants it, and
 * as a share link carries it.
 *
 *   text    ws://HOST[:PORT][,HOST[:PORT]]...   plain: this machine and private networks, else only with `insecure`
 *           wss://...                           TLS. https://, weft:// mean the same; http://, weft+ws:// mean ws://
 *   flags   words: "moved=SECONDS" is when its owner moved it there, and
 *           "pin=HEX": the relay's identity key hashes to this; NULL: not pinned
 *
 * A pin is there where no authority vouches for the relay although strangers may stand in between: behind a certificate that
 * nobody known has signed, or plain over a public network. Both need `insecure` from whoever shares, once; the relay's key is
 * then remembered and goes into the links, so that guests need not be insecure. It takes the certificate's place: with a pin
 * any certificate is taken, for the relay's own key names the right one (sync/message.h). To loopback and private addresses
 * links stay short.
 */
#ifndef WEFT_APP_ADDRESSES_H
#define WEFT_APP_ADDRESSES_H

#include "sync/doc_index.h"
#include "sync/link.h"
#include "sync/share_link.h"

struct addresses {
    struct link_address items[SHARE_LINK_HOSTS_MAX];
    size_t count;
    bool pinned;
    unsigned char relay_pin[CRYPTO_SHORT_HASH_BYTES];
};

/* *written (may be NULL): the canonical text, heap string. */
MUST_USE bool addresses_parse(const char *text, bool insecure, struct addresses *out, char **written, struct error *err);
MUST_USE bool addresses_of_entry(const struct doc_entry *entry, bool insecure, struct addresses *out, struct error *err);
/* The entry's relay and flags become the link's. */
void addresses_keep_link(struct doc_entry *entry, const struct share_link *link);
/*
 * Whether links of this document need the relay's key and do not have it: nobody vouches for the relay, the person said
 * `insecure`. addresses_keep_pin() remembers it.
 */
bool addresses_want_pin(const struct doc_entry *entry, bool insecure);
void addresses_keep_pin(struct doc_entry *entry, const struct sign_public *relay_key);
/* A share link to the entry's document with at most the entry's own access. Heap string with a secret. */
char *addresses_link(const struct doc_entry *entry, enum access access);
/* The entry's relay becomes `place`: a canonical text and perhaps " pin=HEX" behind it, as addresses_place() gives it. What is
   wrong with it addresses_of_entry() says. */
void addresses_move(struct doc_entry *entry, const char *place, uint64_t moved_s);
void addresses_place(const struct doc_entry *entry, struct buf *out);
uint64_t addresses_moved_s(const struct doc_entry *entry); /* 0: never */
/* "relay.example", for sentences: the first host, with its port where it is unusual. Heap string. */
char *addresses_name(const struct doc_entry *entry);

#endif
