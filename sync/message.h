/*
 * message - what client and relay say to each other: subprotocol `weft.1`, one message a binary WebSocket frame.
 *
 * The subprotocol names the shape of KNOCK; lowest and highest protocol in it leave room for later ones. A relay that does
 * not speak it at all refuses the upgrade and names its own in Sec-WebSocket-Protocol.
 *
 *     client                                  relay
 *        |  KNOCK lo hi doc nonce ----------->   |   first thing on every connection
 *        |  <-- CHALLENGE lo hi key nonce proof  |   the relay proves that it holds its key, before it is told more
 *        |  HELLO device proofs [genesis token]->|   proves the right to read; genesis + token create the document
 *        |  RESUME log place hash vector -->     |   sent right behind HELLO
 *        |  <-- WELCOME log head vector peers    |   or REFUSE and the end
 *        |  <-- RECORDS ... CAUGHT_UP            |   what the resume lacks, in places' order
 *        |  RECORDS ------------------------->   |   MEMBER first, then what the relay's vector lacks
 *        |  <-- ACK ordinal                      |   durable up to there
 *        |  <-> PRESENCE, PING, PONG             |
 *
 * All that is proved on a connection (by the relay in CHALLENGE, by the client in HELLO and DELETE) is signed over its
 * handshake: both sides' versions and nonces, the relay's key and certificate, the document. So no proof is worth anything
 * on another connection, at another relay or for another document, and nobody in between can talk the version down.
 *
 * Every message is one kind byte and its fields in the order of struct message below; numbers are varints, keys and ids
 * are raw, texts and records are sized, a log is named by the first 16 bytes of its digest. Bytes left over are an error.
 * A record in a frame is its stored form (sync/record.h) with each agent id replaced: number 0, then the 16 bytes, the
 * first time on this connection and direction (it gets the next number, from 1); afterwards that number alone.
 *
 *   Ownership  struct message is a view into the frame, except that records are restored into `records` (owned; release
 *              with message_release()).
 *   Errors     ERR_FORMAT, ERR_LIMIT: the peer is told and the connection ends.
 *   Bounds     MESSAGE_*_MAX, checked before anything is allocated. A message that is decoded takes at most 8 x its frame and
 *              MESSAGE_DECODE_BYTES, with the agents that it numbers.
 */
#ifndef WEFT_SYNC_MESSAGE_H
#define WEFT_SYNC_MESSAGE_H

#include "sync/presence.h"
#include "sync/record.h"

#define MESSAGE_SUBPROTOCOL "weft.1"

enum {
    MESSAGE_PROTOCOL_LOW = 1,
    MESSAGE_PROTOCOL_HIGH = 1,
    MESSAGE_BYTES_MAX = RECORD_BYTES_MAX + 4096,
    MESSAGE_HELLO_BYTES_MAX = 4096, /* before the proofs are checked nothing larger is taken */
    MESSAGE_RECORDS_MAX = 4096,     /* in one frame */
    MESSAGE_DECODE_BYTES = 512,     /* what even the smallest tables take */
    MESSAGE_AGENTS_MAX = 65536,     /* numbered on one connection and direction */
    MESSAGE_VECTOR_MAX = 65536,
    MESSAGE_TEXT_BYTES_MAX = 256,
    MESSAGE_TOKEN_BYTES_MAX = 256,
    MESSAGE_NONCE_BYTES = 32,
};

enum message_kind {
    MESSAGE_KNOCK = 1,
    MESSAGE_CHALLENGE,
    MESSAGE_HELLO,
    MESSAGE_RESUME,
    MESSAGE_WELCOME,
    MESSAGE_REFUSE,
    MESSAGE_RECORDS,   /* client to relay: records; relay to client: places and records */
    MESSAGE_CAUGHT_UP,
    MESSAGE_ACK,
    MESSAGE_REJECT,    /* one uploaded record was not taken, and why; the connection goes on */
    MESSAGE_REOFFER,   /* another agent's record and its last digest: heals a relay that lost its tail */
    MESSAGE_PRESENCE,
    MESSAGE_PEERS,     /* how many connections the document has now */
    MESSAGE_PING,
    MESSAGE_PONG,
    MESSAGE_MOVED,     /* from the owner, who is believed by his signature; the relay keeps it and tells whoever comes */
    MESSAGE_DELETE,    /* admin-signed: close the document and forget its log */
};

enum refuse_code {
    REFUSE_PROTOCOL = 1, /* no common version: text names theirs */
    REFUSE_AUTH,         /* proofs do not fit the document's keys */
    REFUSE_NO_DOCUMENT,  /* nothing here under this id */
    REFUSE_TOKEN,        /* creating documents needs the relay's token */
    REFUSE_LIMIT,        /* a rate or size limit; retry_ms says when to come back */
    REFUSE_FULL,         /* the store or the document is full */
    REFUSE_MALFORMED,    /* what was sent cannot be read */
    REFUSE_FORBIDDEN,    /* not without a write grant */
    REFUSE_ORDER,        /* an agent's records must follow one another */
    REFUSE_RESUME,       /* too slow a reader: reconnect and resume from the place you have */
    REFUSE_CLOSED,       /* the document was closed: by its owner, or by who runs the relay */
    REFUSE_STOPPING,     /* the relay shuts down */
    REFUSE_FORKED,       /* this agent's seq is taken by another record */
};

/*
 * Fills *err (ERR_NEWER, and `theirs` as its system code): the one sentence for a relay that speaks no protocol of ours.
 * `relay` is how people know it, `theirs` the lowest it speaks, or its highest when that is below ours.
 */
void protocol_error(const char *relay, unsigned theirs, struct error *err);

/*
 * The one sentence for a relay that speaks no protocol of ours: ERR_NEWER, `theirs` as the error's system code. `relay` is
 * how people know it, `theirs` the lowest it speaks, or its highest when that is below ours. Returns false.
 */
bool message_no_protocol(const char *relay, unsigned theirs, struct error *err);

/* In RESUME: who may write has the key that grants are checked by, and needs no GENESIS in front of a checkpoint. */
extern const struct digest RESUME_CHECKS_GRANTS;

struct vector_entry {
    struct agent_id agent;
    uint64_t next_seq;
};

struct place_record {
    uint64_t place;      /* relay to client; 0 from clients, and of what comes ahead of the log (sync/checkpoint.h) */
    struct bytes stored; /* the record in its stored form */
};

/* What both sides know of a connection once KNOCK and CHALLENGE have gone: what every proof on it is bound to. */
struct handshake {
    unsigned client_low, client_high; /* protocols spoken */
    unsigned relay_low, relay_high;
    struct doc_id doc;
    unsigned char client_nonce[MESSAGE_NONCE_BYTES], relay_nonce[MESSAGE_NONCE_BYTES];
    struct sign_public relay_key;
    /*
     * SHA-256 of the SubjectPublicKeyInfo of the certificate the relay shows on this connection; zeros: it shows none
     * (plain, or a proxy in front of it does). Where no authority vouches for a certificate, this does.
     */
    struct digest certificate;
};

struct message {
    enum message_kind kind;
    union {
        struct {
            unsigned low, high;
            struct doc_id doc;
            unsigned char nonce[MESSAGE_NONCE_BYTES];
        } knock;
        struct {
            unsigned low, high;
            struct sign_public relay_key;
            unsigned char nonce[MESSAGE_NONCE_BYTES];
            struct digest certificate;
            struct signature proof; /* by relay_key, over challenge_digest() */
        } challenge;
        struct {
            struct sign_public device_key; /* the device's key in this document */
            struct signature device_proof; /* over hello_digest() */
            struct signature read_proof;   /* by the document's read key, over hello_digest() */
            struct bytes genesis;          /* empty, or the stored GENESIS record: create the document if it is missing */
            struct bytes token;            /* empty, or what the relay's operator asks for creating */
        } hello;
        struct {
            struct digest log;   /* zeros: never been here. The first 16 bytes count */
            uint64_t place;      /* highest place received without a hole; 0: none */
            struct digest hash;  /* record_hash() of the record there; of place 0: zeros, or RESUME_CHECKS_GRANTS */
            const struct vector_entry *vector;
            size_t vector_count;
        } resume;
        struct {
            unsigned protocol;
            struct digest log;
            uint64_t head;       /* the newest place */
            unsigned peers;      /* connections of this document, this one included */
            const struct vector_entry *vector;
            size_t vector_count;
        } welcome;
        struct { unsigned code; uint64_t retry_ms; struct bytes text; } refuse;
        struct { const struct place_record *items; size_t count; } records;
        struct { uint64_t head; } caught_up;
        /*
         * Records uploaded on this connection, counted from 1; REOFFERs count too. `place`: that of the record `ordinal`, if
         * all in front of it was sent on this connection or came by it; else 0.
         */
        struct { uint64_t ordinal, place; } ack;
        struct { uint64_t ordinal; unsigned code; struct bytes text; } reject;
        struct { struct bytes stored; struct digest last; } reoffer;
        struct { struct bytes sealed; } presence;
        struct { unsigned count; } peers;
        struct { uint64_t nonce; } ping; /* and PONG */
        struct {
            uint64_t moved_s;       /* seconds since 1970: of two notices the newer one counts */
            struct bytes place;     /* where the document is now, as the index keeps it; at most MESSAGE_TEXT_BYTES_MAX */
            struct signature proof; /* by the admin key, over moved_digest() */
        } moved;
        struct { struct signature proof; } delete_request; /* by the admin key, over delete_digest() */
    };
    /* Owned by the message. */
    struct buf restored;
    struct vector_entry *vector_items;
    struct place_record *record_items;
};

/*
 * The agents numbered so far on one connection in one direction; one table encodes or decodes, never both.
 * Zero-initialised it is empty. After MESSAGE_AGENTS_MAX of them further agents are spelled out every time.
 */
struct agent_numbers {
    struct agent_id *ids; /* number n is ids[n - 1] */
    size_t count, cap;
    uint32_t *slots;      /* for encoding: a hash table of numbers, 0 is empty */
    size_t slot_count;
};
void agent_numbers_release(struct agent_numbers *numbers);
void agent_numbers_clear(struct agent_numbers *numbers);

void message_release(struct message *message);
enum message_sender { MESSAGE_BY_CLIENT, MESSAGE_BY_RELAY };
/*
 * Reads one frame. `sender` is who made it: kinds and layouts of the other side are refused. `numbers` is the table of
 * that direction; it grows only when the whole frame is well-formed. *message is overwritten (initialise it with {0}).
 * Records are put back into their stored form and not looked into: record_decode() is the caller's next step.
 */
MUST_USE bool message_decode(struct bytes frame, enum message_sender sender, struct agent_numbers *numbers,
                             struct message *message, struct error *err);
/* Appends one frame. `message` is well-formed (ensure). */
void message_encode(const struct message *message, enum message_sender sender, struct agent_numbers *numbers,
                    struct buf *out);

/* What the relay's proof in CHALLENGE signs: ("weft-relay-1", handshake). */
void challenge_digest(const struct handshake *handshake, struct digest *out);
/* What both proofs of HELLO sign: ("weft-auth-1", handshake, device key, whether it creates). */
void hello_digest(const struct handshake *handshake, const struct sign_public *device_key, bool creates,
                  struct digest *out);
/* What a MOVED signs: ("weft-moved-1", doc, time, place). Not bound to a connection: it is kept and told on. */
void moved_digest(const struct doc_id *doc, uint64_t moved_s, struct bytes place, struct digest *out);
/* What a DELETE signs: ("weft-delete-1", handshake). */
void delete_digest(const struct handshake *handshake, struct digest *out);

#endif
