/*
 * relay - stores what it cannot read and hands it on: the relay's half of weft.1 (sync/message.h).
 *
 * No I/O, no clock, no threads: frames, time and the store's answers are handed in, frames are handed out. A server
 * puts sockets around it (relay_server.h), a simulation puts queues around it.
 *
 *     KNOCK -> CHALLENGE;  HELLO -> proofs -> load or create;  RESUME -> WELCOME, RECORDS..., CAUGHT_UP;  then live
 *
 *   Uploads     checked (identity, grant, sequence), appended, acknowledged when durable, then handed on. What a
 * connection uploaded does not come back to it. Readers     every connection has a cursor (a place) in its document's
 * log and pulls from it whenever its link has room: from the short tail kept in memory, else from the store. There is
 * no queue of records per reader, so a slow one costs nothing and is never skipped; one that stands still or falls too
 * far behind is sent away with REFUSE_RESUME. All records waiting for a link leave in one frame. Records come in rising
 * order of places; the holes between are what the connection sent itself or said it has, and what a pack stands in for:
 * packed rows go once another device has resumed behind the pack, or after a day. Frames      PRESENCE is
 * encoded once and shared. RECORDS are encoded for each link: agents are numbered per connection, which costs a copy
 * (0.1 us a record beside 5 us for a send) and saves 15 of about 150 bytes on every wire. Pace        a connection that
 * sends faster than its limits, or faster than the disk takes it, is not read for a while (relay_reads()). Presence
 * beyond its rate is dropped. Trust       an uploaded record's signature covers a digest that is not sent, so it cannot
 * be checked here, not even by samples; identity is the connection's proven device key, and readers check every
 * signature. A REOFFER brings the digest and is checked. Of contents that begin at one number of an agent STORE_SIDES_MAX
 * are kept; to look for one costs no more than they do.
 *
 *   Ownership  opaque; relay_free() after the links are gone (it does not touch the port). The store must outlive it.
 *   Errors     a peer's mistakes end its connection (REFUSE) or its record (REJECT) with a sentence; nothing else
 * happens. Bounds     struct relay_limits.
 */
#ifndef WEFT_SYNC_RELAY_RELAY_H
#define WEFT_SYNC_RELAY_RELAY_H

#include "sync/message.h"
#include "sync/relay/relay_frame.h"
#include "sync/relay/store.h"

struct relay;
struct relay_connection;

enum {
    RELAY_TICK_MS = 250, /* relay_tick() at least this often while there are connections */
    RELAY_ADDRESS_BYTES_MAX = 64,
    RELAY_PIECE_BYTES = 256 * 1024, /* about as much goes into one RECORDS frame */
};

/* What the relay needs of the world. `link` is what the port gave to relay_accept(). */
struct relay_port {
    void *self;
    /* Takes over one reference to the frame. There is always room: how much may wait is the relay's business. */
    void (*send)(void *self, void *link, struct relay_frame *frame);
    /* Bytes sent on this link that have not left. */
    size_t (*queued)(void *self, void *link);
    /* Call relay_writable() once, soon, when the link has room; asking again before that changes nothing. */
    void (*want_write)(void *self, void *link);
    /* relay_reads() is true again. */
    void (*resumed)(void *self, void *link);
    /* End the link after what was sent, or after a few seconds. relay_gone() follows, but never from inside this call.
     */
    void (*close)(void *self, void *link, unsigned code, const char *reason);
    /* Unpredictable bytes, for challenges and log ids. */
    void (*random)(void *self, void *out, size_t len);
};

/* A token bucket: `rate` a second, at most `burst` saved up. rate 0: no limit. */
struct relay_rate {
    uint64_t rate, burst;
};

/* What each of them is for, and its default: sync/relay/limit_list.h. */
struct relay_limits {
    struct relay_rate frames, presence;
    struct relay_rate document_bytes, document_records; /* the burst has room for a whole base text */
    uint64_t upload_window_bytes, store_window_bytes;
    uint64_t reader_lag_bytes, reader_stall_ms;
    uint64_t hello_ms; /* from accept to HELLO, and from there to RESUME */
    uint64_t silence_ms;
    uint64_t connections, document_connections, document_agents;
    uint64_t document_log_bytes;
    uint64_t total_bytes, documents; /* 0: no limit */
    /* The address "" (a Unix socket) is exempt from these. */
    uint64_t address_connections;
    struct relay_rate address_accepts, address_refusals;
    uint64_t address_documents;
};
struct relay_limits relay_limits_default(void);
/* No rate or count limits except those that bound memory: for benchmarks and simulations. */
struct relay_limits relay_limits_none(void);
/* Whether `option` ("--max-total") is one of them. */
bool relay_limits_know(const char *option);
/* Sets the limit of this option from what a person typed: "10G", "60/240", "5". */
MUST_USE bool relay_limits_set(struct relay_limits *limits, const char *option, const char *text, struct error *err);

struct relay_options {
    struct relay_limits limits;
    const struct sign_key *key; /* the relay's identity; copied */
    const char *token;          /* NULL, or what creating a document needs; copied */
    uint64_t retain_s;          /* documents nobody has been in for so long are forgotten; 0: never */
};

struct relay *relay_new(const struct relay_options *options, struct store *store, const struct relay_port *port);
/* Store calls still under way end without an answer. */
void relay_free(struct relay *relay);

/* Whom a new link leads to. */
struct relay_guest {
    const char *address;              /* the peer's, as text; "" is exempt from limits by address */
    const struct digest *certificate; /* SHA-256 of our certificate's SubjectPublicKeyInfo on this link; NULL: none shown */
};
/* A new link. Waits for its KNOCK, or sends REFUSE and closes: it never gives NULL, and relay_gone() is due for every one. */
struct relay_connection *relay_accept(struct relay *relay, void *link, const struct relay_guest *guest, uint64_t now_ms);
/* Whether the relay takes a frame from this connection now. When not: hold frames back until port.resumed(). */
bool relay_reads(const struct relay_connection *connection);
/* The largest frame it may send now: MESSAGE_HELLO_BYTES_MAX until its proofs are checked. */
size_t relay_frame_bytes_max(const struct relay_connection *connection);
/* One frame. relay_reads() is true (ensure). */
void relay_receive(struct relay_connection *connection, struct bytes frame, uint64_t now_ms);
/* The link has room, as asked by port.want_write(). */
void relay_writable(struct relay_connection *connection, uint64_t now_ms);
/* The link is gone; the connection may not be used any more. */
void relay_gone(struct relay_connection *connection, uint64_t now_ms);
/* Deadlines and paces. wall_s: seconds since 1970, for grants and bookkeeping only. */
void relay_tick(struct relay *relay, uint64_t now_ms, uint64_t wall_s);
/* For how long nobody has been in any document, as of the newest tick; counted from the first one. */
uint64_t relay_empty_ms(const struct relay *relay);
/* Lets the store deliver (store_poll()): acknowledgements go out, readers wake. Returns how many answers there were. */
size_t relay_poll(struct relay *relay, uint64_t now_ms);
/*
 * Sends REFUSE_STOPPING to everybody and takes nothing any more. For an orderly end: store_commit() and relay_poll()
 * first, so that what came is acknowledged.
 */
void relay_stop(struct relay *relay, uint64_t now_ms);

/* WebSocket close codes: 4000 + what HTTP would say. */
unsigned relay_close_code(enum refuse_code code);

struct relay_counts {
    uint64_t connections, documents; /* now */
    uint64_t accepted, refused, created;
    uint64_t frames_in, frames_out, bytes_in, bytes_out;
    uint64_t records_in, records_out, duplicates, rejected;
    uint64_t presence_in, presence_dropped;
    uint64_t slow_readers, expired;
};
struct relay_counts relay_counts(const struct relay *relay);
/* Prometheus' text format, appended. */
void relay_metrics(struct relay *relay, struct buf *out);
/* One line for a load balancer, appended; false when the relay should get no new connections. */
bool relay_health(struct relay *relay, struct buf *out);

#endif
