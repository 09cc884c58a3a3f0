/*
 * relay_peer - the least of a client that a relay can be tested with: it proves, writes records and reads answers.
 *
 * No retries, no journal, no clock. What it writes is well-formed and properly signed unless a test spoils it.
 */
#ifndef WEFT_TESTS_RELAY_PEER_H
#define WEFT_TESTS_RELAY_PEER_H

#include "sync/chain.h"
#include "sync/message.h"

struct relay_peer {
    struct doc_keys keys; /* its link: may be a read link */
    struct device device;
    struct sign_key doc_key;
    struct agent_id agent;
    struct chain *chain;
    uint64_t seq, counter;
    struct digest last;                           /* of its newest batch */
    struct handshake handshake;                   /* of the present connection */
    struct agent_numbers numbers_in, numbers_out; /* of the present connection */
};

/* `seed` makes device and agent; the same seed is the same person again. */
void relay_peer_init(struct relay_peer *peer, const struct doc_keys *keys, unsigned seed);
void relay_peer_release(struct relay_peer *peer);
/* A new connection: nobody is numbered. */
void relay_peer_reconnect(struct relay_peer *peer);
/* The keys a link with this access carries. */
void relay_peer_link(const struct doc_keys *admin, enum access access, struct doc_keys *out);

/* Stored records, appended. */
void relay_peer_genesis(const struct relay_peer *peer, struct buf *out);
void relay_peer_member(struct relay_peer *peer, struct buf *out); /* with a grant when its link has one to give */
void relay_peer_events(struct relay_peer *peer, const char *text, struct buf *out); /* one batch: inserts at 0 */
void relay_peer_events_at(struct relay_peer *peer, uint64_t at, const char *text, struct buf *out);
/* One record with the content of these, which are the peer's and follow one another. */
void relay_peer_pack(struct relay_peer *peer, const struct buf *records, size_t count, struct buf *out);

/* Of a text and its version, a text of the last one the peer wrote: record `part`, or behind all parts the CHECKPOINT. */
void relay_peer_checkpoint(struct relay_peer *peer, const struct rope *text, uint64_t set, uint64_t part, struct buf *out);

/* Frames, appended. KNOCK comes first; `challenge` is the relay's answer to it, whose proof is checked. */
void relay_peer_knock(struct relay_peer *peer, struct buf *out);
void relay_peer_hello(struct relay_peer *peer, struct bytes challenge, struct bytes genesis, const char *token,
                      struct buf *out);
void relay_peer_resume(struct relay_peer *peer, const struct message *resume,
                       struct buf *out); /* NULL: nothing known */
void relay_peer_records(struct relay_peer *peer, const struct bytes *stored, size_t count, struct buf *out);
void relay_peer_frame(struct relay_peer *peer, const struct message *message, struct buf *out);

#endif
