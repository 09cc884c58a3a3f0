/*
 * relay_parts - what the parts of the relay core share. Not for use outside sync/relay/relay*.c.
 *
 *     relay.c             the whole: accept, tick, poll, stop
 *     relay_upkeep.c      what is forgotten in time: packed rows, old documents
 *     relay_figures.c     counts, metrics, health
 *     relay_talk.c        what a client says and is answered: proofs, presence, the owner's orders
 *     relay_connection.c  one connection: its life, sending, saying no, pace
 *     relay_document.c    one document: loading, the tail, leaving
 *     relay_upload.c      a record on its way in: checks, append, acknowledgement
 *     relay_feed.c        records on their way out: cursors, pieces, frames
 *
 * Lifetimes: store calls carry a pointer to the connection, document or upload that asked. A connection lives until its
 * link is gone and its last answer came; a document until it has neither connections nor questions.
 */
#ifndef WEFT_SYNC_RELAY_RELAY_PARTS_H
#define WEFT_SYNC_RELAY_RELAY_PARTS_H

#include "sync/relay/agents.h"
#include "sync/relay/limits.h"
#include "sync/relay/relay.h"

enum {
    ROOM_BYTES = 64 * 1024, /* a link with more than this queued gets no presence and no further piece */
    RETRY_MS = 1000,        /* when it may be over already */
    RETRY_LATER_MS = 5000,  /* when somebody has to go first */
    RETRY_FULL_MS = 10000,  /* when somebody has to make room */
};

/* REFUSE_CLOSED: the store knows that it was removed, not by whom. */
#define RELAY_CLOSED_TEXT "this document was closed, by its owner or by who runs the relay"

enum connection_state {
    CONNECTION_ACCEPTED, /* waits for KNOCK */
    CONNECTION_GREETED, /* CHALLENGE sent, waits for HELLO */
    CONNECTION_PROVING, /* the store is asked for the document's keys */
    CONNECTION_LOADING, /* proved; the document is being loaded */
    CONNECTION_JOINED,  /* waits for RESUME */
    CONNECTION_LIVE,    /* welcomed */
    CONNECTION_ENDED,   /* refused; waits for relay_gone() */
};

struct relay_connection {
    struct relay *relay;
    void *link;
    uint64_t id;
    struct relay_connection *next, **self_in_relay; /* of relay->connections, later of relay->departed */
    struct address *address;                        /* NULL: exempt */
    enum connection_state state;
    bool gone;        /* the link is; only answers are waited for */
    bool held;        /* not read until its pace allows */
    bool writer;      /* this device has a granted agent here */
    bool ack_due;     /* it is in relay->acks_due */
    bool wants_write; /* the port was asked for room */
    bool by_vector;   /* reading: the place of the resume was unknown here: all that exceeds the vector is sent */
    bool checking;    /* reading: the hash at the resume's place is being looked up */
    bool reading;     /* reading: a piece is being read from the store */
    bool caught_up;   /* reading: CAUGHT_UP was said */
    size_t asked;     /* store calls whose answer carries this connection */
    uint64_t since_ms, heard_ms;

    struct handshake handshake;
    struct {
        struct digest digest; /* what the proofs sign */
        struct signature read_proof;
        bool creates, token_fits;
    } hello;
    struct buf genesis; /* offered in HELLO, until it is used */
    struct sign_public device_key;

    struct relay_document *document;
    struct relay_connection *next_here, **self_here; /* connections of the document */
    struct agent_numbers numbers_in, numbers_out;
    struct bucket frames, presence;

    /* uploads */
    uint64_t ordinal, acked;
    uint64_t acked_place;    /* of that record, if all in front of it was sent; else 0 */
    unsigned doubts;         /* records whose like is here, or that came behind such: being compared, or appended after it */
    uint64_t first_doubt;    /* the ordinal of the first of them: none from it on is acknowledged */
    uint64_t acked_behind;   /* what else could be */
    struct relay_connection *next_due;
    size_t pending_bytes;
    struct {                    /* a checkpoint that is being uploaded */
        uint64_t agent_number, set, parts; /* so many of its texts have come */
    } checkpoint;

    /* reading */
    uint64_t cursor;    /* everything up to this place was sent, or need not be */
    uint64_t rewind;    /* a place to read on from again, when the piece that is being read has come; 0: none */
    uint64_t stream_at; /* document->stream_bytes at the cursor, as far as it counts for the lag */
    uint64_t *have;     /* by agent number - 1: what the reader has of it; until caught up */
    size_t have_count;
    uint64_t *skipped;  /* by agent number - 1: the first place that it was not sent, for it should have had it; 0: none */
    size_t skipped_count;
    unsigned peers_told;
    struct digest resume_hash;
    bool ahead_due;             /* a fresh reader: the newest checkpoint first, in front of the log */
    bool checks_grants;         /* who needs no GENESIS for it */
    struct store_row ahead;     /* of it, when some of it was sent: which, and up to where */

    /* is its link moving? */
    uint64_t sent_bytes, left_bytes, left_ms;
};

struct tail_row {
    uint64_t place;
    uint64_t origin; /* id of the connection that uploaded it */
    unsigned char *stored;
    size_t len;
};

/* The newest durable records, for readers that are almost there. Places follow one another. */
struct tail {
    struct tail_row *rows;
    size_t first, count, cap; /* rows[first .. first + count) */
    size_t bytes;
};

enum document_state { DOCUMENT_LOADING, DOCUMENT_READY, DOCUMENT_BROKEN };

struct relay_document {
    struct relay *relay;
    struct relay_document *next, **self_in_relay; /* of its slot */
    struct doc_id id;
    struct genesis genesis;
    enum document_state state;
    size_t asked;
    uint64_t key, epoch;
    struct log_id log;
    struct buf moved;       /* the owner's MOVED, as a frame; empty: it is here */
    uint64_t moved_s;
    uint64_t head, durable; /* newest place given, newest place on disk */
    uint64_t bytes;
    struct agents agents;
    struct relay_connection *connections;
    size_t connection_count;
    unsigned live; /* welcomed ones */
    unsigned fresh; /* of these, who is still being sent a checkpoint: others do not hear of them yet */
    struct tail tail;
    uint64_t stream_bytes; /* of all that became durable while it was open */
    struct bucket upload_bytes, upload_records;
    bool due;
    struct relay_document *next_due;
};

enum { DOCUMENT_SLOTS = 4096 };

/* One record that was handed to the store. */
struct relay_arrival {
    struct relay_arrival *next, **self_in_relay;
    struct relay_connection *connection;
    struct relay_document *document;
    uint64_t origin; /* the connection's id */
    uint64_t ordinal;
    uint64_t place; /* 0: only looked up */
    uint64_t agent_number;
    uint64_t next_seq; /* of the agent after it; 0: it moves nothing */
    bool member;
    bool doubt;            /* counted in connection->doubts */
    unsigned char *stored; /* for the tail; NULL when nobody else was there. Of a doubt: the record */
    size_t len;
};

struct relay {
    struct relay_limits limits;
    struct sign_key key;
    char *token;
    struct store *store;
    struct relay_port port;
    struct relay_connection *connections;
    struct relay_connection *departed; /* gone, but waited for */
    struct relay_arrival *arrivals;
    struct relay_document *slots[DOCUMENT_SLOTS];
    struct addresses addresses;
    struct relay_connection *acks_due;
    struct relay_document *documents_due;
    uint64_t next_id, now_ms, wall_s, purged_ms, packs_purged_ms;
    uint64_t retain_s;
    uint64_t inhabited_ms; /* when somebody was in a document last; 0: no tick yet */
    struct store_size largest[STORE_LARGEST_MAX]; /* for relay_metrics() */
    size_t largest_count;
    uint64_t largest_ms; /* when they were asked for; 0: never */
    uint64_t looked_ms, looked_s; /* when it was looked last for documents to forget, by both clocks; 0: never */
    size_t held;
    bool stopping;
    struct relay_counts counts;
};

/* --- relay_upkeep.c --- */
/* Rows that packs stand in for go; what that gives back is counted. */
void relay_purge(struct relay *relay, const struct store_purge *purge);
/* Called with every tick: does what is due. */
void relay_upkeep(struct relay *relay);

/* --- relay_figures.c --- */
/* The same: asks for what the store has to be asked for. */
void relay_figures_upkeep(struct relay *relay);

/* --- relay_connection.c --- */
struct relay_connection *relay_connection_new(struct relay *relay, void *link); /* never NULL */
/* Sends a message to one connection. */
void relay_connection_send(struct relay_connection *connection, const struct message *message);
void relay_connection_send_frame(struct relay_connection *connection, struct relay_frame *frame);
size_t relay_connection_queued(const struct relay_connection *connection);
void relay_connection_want_write(struct relay_connection *connection);
/* Says why, and ends the connection. */
void relay_connection_refuse(struct relay_connection *connection, enum refuse_code code, uint64_t retry_ms,
                             const char *text);
/* Whether it is still to be served after an answer came; frees it when it was waited for only. */
bool relay_connection_answered(struct relay_connection *connection);
/* The document is ready or will not be. */
void relay_connection_loaded(struct relay_connection *connection);
/* Computes `held` anew. */
void relay_connection_pace(struct relay_connection *connection);
void relay_connection_free(struct relay_connection *connection);

/* --- relay_document.c --- */
struct relay_document *relay_document_find(struct relay *relay, const struct doc_id *id);
struct relay_document *relay_document_open(struct relay *relay, const struct doc_id *id, const struct genesis *genesis);
void relay_document_join(struct relay_document *document, struct relay_connection *connection);
void relay_document_leave(struct relay_connection *connection);
void relay_document_free(struct relay_document *document);
/* An answer for the document came: frees it when nothing needs it any more. */
void relay_document_answered(struct relay_document *document);
/* Everybody is sent away; whoever comes back loads it anew. Only while an answer for the document is being handled. */
void relay_document_break(struct relay_document *document, enum refuse_code code, uint64_t retry_ms, const char *text);
/* The owner says where the document is now: kept, and told to everybody. */
void relay_document_move(struct relay_document *document, const struct message *message);
/* Tells one of them, if it has moved. */
void relay_document_tell_moved(const struct relay_document *document, struct relay_connection *connection);
/* A record became durable: to the tail (`stored` is taken over; NULL: nobody else is here) and to whoever is due. */
void relay_document_durable(struct relay_document *document, uint64_t place, uint64_t origin, unsigned char *stored,
                            size_t len);
/* Everybody looks whether there is something for him. */
void relay_document_wake(struct relay_document *document);
void relay_document_trim(struct relay_document *document);
const struct tail_row *relay_tail_find(const struct tail *tail, uint64_t place);

/* --- relay_upload.c --- */
void relay_arrival_free(struct relay_arrival *arrival);
void relay_upload_records(struct relay_connection *connection, const struct message *message);
void relay_upload_reoffer(struct relay_connection *connection, const struct message *message);

/* --- relay_feed.c --- */
void relay_feed_resume(struct relay_connection *connection, const struct message *message);
void relay_feed_run(struct relay_connection *connection);
/*
 * A record of the reader's own became durable at this place. If he has all in front of it he is behind it now: then true.
 */
bool relay_feed_pass_own(struct relay_connection *reader, uint64_t place, size_t len);
/* The agent has forked: whoever was not sent something of it reads on from there again. */
void relay_feed_rewind(struct relay_document *document, uint64_t agent_number);
/* Own uploads need not come back from the store. */
void relay_feed_note_own(struct relay_connection *connection, uint64_t agent_number, uint64_t next_seq);

#endif
