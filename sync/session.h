/*
 * session - the client's half of weft.1: one document over one connection at a time. No I/O, no clock, no threads.
 *
 * Bytes and the time are handed in, frames and verified batches are handed out through struct session_port. The session
 * outlives connections: what is typed while there is none is packed when one comes back. It checks everything that
 * arrives (keys, grants, signatures, hash chain) before it hands it on; what a relay says is never believed, only used.
 *
 *     document -> journal -> session_local() -> pack, seal -> port.persist() ------> session_persisted()
 *                                                             (journal's outbox)      -> port.send() ... port.acked()
 *     session_receive() -> decode, open, chain, signature -> port.received(), in causal order -> journal, document
 *
 *   Order      a record leaves only after session_persisted() named its ticket, so a crash resends identical bytes and
 *              a nonce is never used twice. Uploads: GENESIS (in HELLO), BASE, MEMBER, EVENTS.
 *   Units      times in ms of one monotonic clock that the caller reads; places count from 1.
 *   Ownership  the session copies what it is given (of the base rope a snapshot) except the chain, which outlives it.
 *              What the port is handed lives for the call only, unless it says otherwise.
 *   Threads    one thread owns a session (sync/net.h). The chain has its own lock. Port functions are called from
 *              within session functions and must not call back into the session; answers (persisted, fetched) come
 *              later.
 *   Errors     a relay that breaks the protocol loses the connection (port.drop); a record that does not verify ends
 *              what is taken of its agent until the next connection (port.alarm), which is made after SESSION_GAP_MS, each
 *              time later; others go on.
 *   Bounds     SESSION_*_MAX. Unacknowledged records of a person are kept in memory without bound: they are his own.
 *   Source     records.md 1, 3, 4 and trust.md 3 of the design notes; flush times behaviour.md 1.
 */
#ifndef WEFT_SYNC_SESSION_H
#define WEFT_SYNC_SESSION_H

#include "sync/checkpoint.h"
#include "sync/inbox.h"
#include "sync/message.h"
#include "sync/peers.h"
#include "sync/upload.h"

struct session;

enum {
    SESSION_FLUSH_MS = 20,                 /* batches typed within this time travel together */
    SESSION_FLUSH_ANSWERED_MS = 4,         /* the same when the relay has acknowledged all that was sent: it keeps up */
    SESSION_FLUSH_SLOW_MS = 50,            /* the same when a round trip takes longer than SESSION_SLOW_RTT_MS */
    SESSION_FLUSH_ALONE_MS = 250,          /* the same while nobody else is in the document */
    SESSION_SLOW_RTT_MS = 150,
    SESSION_PING_MS = 2000,                /* while others are here or a key was pressed within SESSION_ACTIVE_MS */
    SESSION_PING_AHEAD_MS = 1500,          /* how much sooner a ping leaves at most, where the way is long */
    SESSION_RTT_MS = 10000,                /* while it matters the round trip is measured at least this often */
    SESSION_PING_IDLE_MS = 25000,
    SESSION_ACTIVE_MS = 60000,
    SESSION_SILENT_MS = 3000,              /* without a byte while it matters: offline */
    SESSION_DEAD_MS = 10000,               /* the same: the connection is dropped, so that a new one is tried */
    SESSION_PRESENCE_GAP_MS = 50,          /* at most 20 a second */
    SESSION_PRESENCE_SHARE_MS = 10,        /* and of all who are here together at most about 100 */
    SESSION_PRESENCE_BEAT_MS = 2000,
    SESSION_GAP_MS = 5000,                 /* something is missing for this long: ask the relay for all that we lack */
    SESSION_GAP_ALARM_MS = 30000,          /* still missing: say so */
    SESSION_WHOLE_MS = 600000,             /* so often at most the whole log is asked for, whatever is here */
    SESSION_PROTOCOL_RETRY_MS = 20000,     /* a relay of another protocol may be another one by then */
    SESSION_RELAY_NAME_BYTES_MAX = 255,
};

enum session_alarm {
    ALARM_RECORD_REFUSED, /* a record of `agent` does not open, verify or decode: nothing more of it is taken for now */
    ALARM_FORKED,         /* `agent` has two contents under one id: both are taken; if it is ours, it must not write on */
    ALARM_WITHHELD,       /* the relay says there is more of `agent` and does not give it */
    ALARM_TWO_HISTORIES,  /* somebody has other content under an id of `agent` than the relay gives, though it was asked for
                             all */
    ALARM_OWN_FORKED,     /* the relay holds something else under one of our ids: this agent must not write on */
    ALARM_REJECTED,       /* the relay did not take a record of ours */
    ALARM_NEWER,          /* `agent` wrote with a newer weft what this one must know and does not: nothing may be written on it;
                             why->sys is the record's kind */
};

struct session_port {
    void *self;
    bool (*send)(void *self, struct bytes frame); /* false: no room, nothing taken; session_writable() when there is */
    void (*drop)(void *self, const struct error *why); /* close the connection; no more is sent or received on it */
    /* Put it into the journal's outbox, then session_persisted(ticket). */
    void (*persist)(void *self, const struct outbox_record *record);
    /* Everything of `agent` (ours or a claimed one) below next_seq is durable at the relay. `resume`: to be kept with that. */
    void (*acked)(void *self, const struct agent_id *agent, uint64_t next_seq, const struct resume_point *resume);
    /* Causal order: parents first. The callee may received_move() it. Records of kinds that are only kept have no batches. */
    void (*received)(void *self, struct received *received);
    /* A member's first record, verified; before any received() of its agent. */
    void (*member)(void *self, const struct member *member, struct bytes stored, const struct resume_point *resume);
    /* To a joiner: the document's genesis, verified, and how it is stored. */
    void (*genesis)(void *self, const struct genesis *genesis, struct bytes stored);
    /* To a joiner: the base text. done < total: progress, `text` is empty. Equal: all of it, as GENESIS names it. */
    void (*base)(void *self, uint64_t done, uint64_t total, struct bytes text);
    /* To a joiner who wants it, before any base(): the newest checkpoint, signed by a writer, its text whole. Whether it is true
       the history will say (sync/ahead.h). */
    void (*checkpoint)(void *self, const struct checkpoint *checkpoint, const struct agent_id *by, const struct rope *text);
    /*
     * The relay lacks records of `agent` (ours, or another's: a relay that lost its tail) from from_seq on. Answer with
     * session_fetched(): EVENTS records, and with `packs` PACKs too, as stored in journal or outbox that end beyond
     * from_seq, in order; nothing else, for a piece with nothing of use in it is the last one. `more`: there are, and they
     * are asked for when these are sent.
     */
    void (*fetch)(void *self, const struct agent_id *agent, uint64_t from_seq, bool packs);
    void (*peer)(void *self, const struct session_peer *peer); /* presence or state of somebody else changed */
    void (*alarm)(void *self, enum session_alarm alarm, const struct agent_id *agent, const struct error *why);
    /* The document's owner has moved it (verified): to `place`, at `moved_s`. Also the answer to session_move_document(). */
    void (*moved)(void *self, uint64_t moved_s, struct bytes place);
};

struct session_config {
    const struct doc_keys *keys;
    const struct device *device;
    struct agent_id self;         /* writes, seals; a viewer needs one too, for its presence */
    const char *name;             /* as the person gave it */
    bool unseen;                  /* nobody looks: no presence, unless the base text is missing and its owner has to hear that */
    struct chain *chain;          /* holds every batch this replica has; shared with the document's owner */
    struct bytes genesis;         /* stored GENESIS; empty for a first join */
    bool create;                  /* offer GENESIS in HELLO: the relay creates the document when it has none */
    const struct rope *base;      /* with create: uploaded as far as the relay lacks it. NULL: cannot */
    struct bytes token;           /* for creating, else empty */
    bool pinned;                  /* refuse any relay whose identity key does not hash to relay_pin */
    unsigned char relay_pin[CRYPTO_SHORT_HASH_BYTES]; /* crypto_blake2b_128() of the key */
    bool has_base;                /* the base text is here; without it a joiner gets it from the relay */
    bool wants_checkpoint;        /* without a base: there is nothing to show, and what a checkpoint says may be shown */
    struct resume_point resume;   /* as last kept in the journal */
    uint64_t first_counter;       /* above every counter `self` has sealed with in this document; 0: a fresh agent */
    const struct bytes *members;  /* stored MEMBER records the journal has, own ones included */
    size_t member_count;
    const struct bytes *outbox;   /* stored EVENTS records of the journal's outbox, not acknowledged, in order */
    size_t outbox_count;
    size_t pack_records_min;      /* so many records of ours make a pack; 0: UPLOAD_PACK_RECORDS_MIN */
    uint64_t seed;                /* for jitter and nonces; another one for every session of an agent */
};

/*
 * NULL and *err when the stored parts do not fit the keys. Batches of the own (or a claimed) agent that are in the
 * journal but in no outbox record are handed in by session_local() afterwards, in the order in which they were written: of
 * several agents, what came first is sent first.
 */
MUST_USE struct session *session_new(const struct session_config *config, const struct session_port *port,
                                     uint64_t now_ms, struct error *err);
void session_free(struct session *session);

/* --- the connection --- */

/* Who is at the other end of a new connection. */
struct session_relay {
    const char *name; /* for sentences: "relay.example" */
    /* SHA-256 of the SubjectPublicKeyInfo it shows, when no authority vouches for it; then the relay's own key has to. NULL:
       an authority does, or the connection is plain. */
    const struct digest *certificate;
};
void session_connected(struct session *session, const struct session_relay *relay, uint64_t now_ms);
/* Instead: whoever answered the attempt to connect speaks another protocol (`why`), as if it had said so on a connection. */
void session_no_protocol(struct session *session, const struct error *why, uint64_t now_ms);
void session_receive(struct session *session, struct bytes frame, uint64_t now_ms);
/*
 * A part of a frame has come: on a slow wire a large one takes long, and who sends it is not silent. Or the caller itself reads
 * nothing for now: then that is no silence either.
 */
void session_heard(struct session *session, uint64_t now_ms);
void session_writable(struct session *session, uint64_t now_ms);
void session_disconnected(struct session *session, uint64_t now_ms);
/* Call when session_next_ms() has come; more often does no harm. */
void session_tick(struct session *session, uint64_t now_ms);
/* When session_tick() is wanted next; UINT64_MAX: not before something else happens. */
uint64_t session_next_ms(const struct session *session);

/* --- what this replica writes --- */

/* A batch that the journal has committed. Batches of one agent come in order, without holes. */
void session_local(struct session *session, const struct local_batch *batch, uint64_t now_ms);
/*
 * What another process of ours has written, up to next_seq, is in the journal and in the document here. That one has it to send;
 * but what is written here builds on it, so it counts as lacking until the relay has it.
 */
void session_neighbour(struct session *session, const struct agent_id *agent, uint64_t next_seq, uint64_t now_ms);
void session_persisted(struct session *session, uint64_t ticket, uint64_t now_ms);
/*
 * Answers port.fetch(): stored records of that agent in order. `more`: there are further ones, for which port.fetch() is called
 * once these are sent. An empty answer means there is nothing. Records that nobody asked for are ignored.
 */
void session_fetched(struct session *session, const struct agent_id *agent, const struct bytes *stored, size_t count,
                     bool more, uint64_t now_ms);

/*
 * The text as it is, for who joins: `checkpoint` (its heads and events) is all that was written, and acknowledged. Sent when
 * nothing else waits, once; if it cannot be, not at all.
 */
void session_post_checkpoint(struct session *session, const struct checkpoint *checkpoint, const struct rope *text,
                             uint64_t now_ms);

/* With ACCESS_ADMIN: asks the relay to close the document for all and forget its log, now or once it is online. */
void session_delete_document(struct session *session, uint64_t now_ms);

/* With ACCESS_ADMIN: tells the relay and everybody there that the document is at `place` from now on, now or once it is
   online. At most MESSAGE_TEXT_BYTES_MAX. */
void session_move_document(struct session *session, uint64_t moved_s, struct bytes place, uint64_t now_ms);

/* --- presence --- */

struct session_view {
    struct event_id heads[PRESENCE_HEADS_MAX]; /* the version that cursor and anchor speak of */
    size_t head_count;
    bool has_cursor;
    uint64_t cursor, anchor; /* bytes at that version */
    uint64_t events_seen;
    bool keeps_room;         /* the relay is this person's own, on this machine */
    unsigned flags;          /* PRESENCE_AWAY, PRESENCE_HOST; the rest is the session's business */
};
/* Where this person is now. Counts as a key pressed. Sent when it differs from what was sent, not too often. */
void session_present(struct session *session, const struct session_view *view, uint64_t now_ms);
/* Says goodbye, flushes what waits for its time. The connection stays until the caller closes it. */
void session_leave(struct session *session, uint64_t now_ms);

/* The counter a later session of the same agent begins with. */
uint64_t session_counter(const struct session *session);

/* --- for the status line --- */

enum session_state {
    SESSION_OFFLINE,    /* no connection, or one that is silent while it matters */
    SESSION_CONNECTING, /* connected, not welcomed yet */
    SESSION_ONLINE,
    SESSION_REFUSED,    /* the relay said no; `code` and `why` say what; trying again is the caller's decision */
};

struct session_status {
    enum session_state state;
    bool idle;                 /* online, but proof is only sought every 25 s: the word is `idle`, not `sent` */
    bool caught_up;            /* everything the relay had at the welcome is here; after a silence: at its next answer */
    bool offering;             /* the relay lacks something that another one had, and gets it */
    bool posting;              /* a checkpoint of ours is on its way there */
    uint64_t unacked_edits;    /* gestures */
    uint64_t unacked_batches;
    uint64_t oldest_unacked_ms; /* when the oldest of them was made; 0: none */
    uint64_t lacking_batches;   /* here, not among those, and not at the relay: lost there, or another process's to send */
    uint64_t lacking_since_ms;  /* since when nothing of one of them has come there; 0: there are none */
    uint64_t base_done, base_total; /* upload or download of the base text, bytes; equal: nothing to do */
    uint64_t last_heard_ms;
    uint64_t offline_since_ms; /* with SESSION_OFFLINE */
    unsigned rtt_ms;           /* 0: not measured yet */
    unsigned peers;            /* connections in the document, this one included; 0 when unknown */
    unsigned refuse_code;      /* enum refuse_code, or 0 */
    uint64_t retry_ms;         /* with SESSION_REFUSED: not before this much time has passed; 0: no word. With
                                  REFUSE_PROTOCOL: 0 says that trying again is of no use */
    bool relay_proved;         /* relay_key is that of the relay of the present connection, or of the newest one */
    struct sign_public relay_key;
    struct error why;          /* why it is not online, one sentence; empty when it is */
    struct error full;         /* why the relay has no room for what is unsent, one sentence; empty when it has */
};
void session_status(const struct session *session, uint64_t now_ms, struct session_status *out);
/* Counts batches in that the session has not been given yet, an edit each; the oldest was made at `since_ms`. */
void session_status_add(struct session_status *status, uint64_t batches, uint64_t since_ms);

#endif
