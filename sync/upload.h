/*
 * upload - what this replica owes the relay: packed, sealed, sent in order, and kept until it is acknowledged.
 *
 * Every writing agent of ours is a stream: batches that wait to be packed, then records. A record is sealed only while
 * there is a relay to take it (so that what was typed offline travels in few records), is sent only when the journal
 * has it, and is dropped only when the relay has it. After a welcome the relay's vector decides where each stream goes
 * on; what the relay has lost although it was acknowledged is fetched from the journal and sent again, also for other
 * people's agents.
 *
 * A process of ours that is stopped cannot send, and what others write on top of its edits nobody else can read. So another one
 * may lend it its connection: it seals what is in no record yet. Should the first one wake in that moment and seal the same
 * batches, there are two records of them: the relay keeps both, and to readers the second is known.
 *
 *     pending --pack--> sealed --persisted--> ready --window--> sent --ack--> old --idle--> PACK --ack--> gone
 *
 * A record for every twentieth of a second is what others need to see somebody typing, and much to store: a hundred
 * bytes around each. When nothing was typed for a while, what the relay has of this session is sent once more as one
 * record, a PACK, which stands in for the many (sync/relay/store.h).
 *
 *   Ownership  opaque; upload_free(). Keys, chain, roster and base outlive it.
 *   Bounds     UPLOAD_WINDOW_BYTES sent and not acknowledged, and as much again sealed ahead.
 */
#ifndef WEFT_SYNC_UPLOAD_H
#define WEFT_SYNC_UPLOAD_H

#include "sync/chain.h"
#include "sync/checkpoint.h"
#include "sync/message.h"
#include "sync/roster.h"

enum {
    UPLOAD_WINDOW_BYTES = 1 << 20,
    UPLOAD_FRAME_BYTES = 64 * 1024, /* records are bundled into frames of about this size */
    UPLOAD_PAUSE_MS = 5000,         /* after the relay said "not now" */
    UPLOAD_PACK_IDLE_MS = 2000,     /* nothing typed for so long: what the relay has of us is put together */
    UPLOAD_PACK_BATCHES_MAX = 1024, /* in one pack */
    UPLOAD_PACK_RECORDS_MIN = 16,   /* fewer gain little */
    UPLOAD_PACK_BYTES_MAX = 256 * 1024, /* of plaintext in one pack */
    UPLOAD_PACK_WAITING_MAX = 1 << 20,  /* bytes of records kept for it; the oldest stay as they are */
    UPLOAD_BASE_AGAIN_MS = 60000, /* so long after the base text was offered anew it is not done again */
    UPLOAD_REOFFER_MS = 3000,       /* others' records are offered after a random part of this: they may come first */
    UPLOAD_LACKING_MS = 5000,       /* what somebody else has to send, and nothing of it comes, is offered from here, */
    UPLOAD_LACKING_MAX_MS = 20000,  /* and again after twice as long, up to this */
};

struct local_batch {
    struct agent_id agent; /* the own one or one this process took over */
    uint64_t seq0, count;
    struct bytes plain;    /* canonical form (sync/batch.h) */
    struct digest digest;  /* as the chain has it */
    bool gesture;          /* begins an edit: what people count */
    bool lent;             /* of another process of ours, which is alive and does not send it: sent in its stead, once */
};

/* A record of ours that is to be in the journal's outbox before it is sent. */
struct outbox_record {
    uint64_t ticket;      /* for session_persisted() */
    unsigned kind;        /* RECORD_MEMBER, RECORD_EVENTS or RECORD_PACK */
    struct agent_id agent;
    uint64_t seq0, count; /* 0 and 0 for MEMBER */
    struct bytes stored;
};

struct upload_port {
    void *self;
    bool (*has_room)(void *self);
    void (*send)(void *self, const struct message *message); /* always takes it; asked after has_room() */
    void (*persist)(void *self, const struct outbox_record *record);
    void (*acked)(void *self, const struct agent_id *agent, uint64_t next_seq);
    void (*fetch)(void *self, const struct agent_id *agent, uint64_t from_seq, bool packs);
    /* The relay did not take a record of ours, and will not; REFUSE_FULL: unless room is made, told once until it is. */
    void (*rejected)(void *self, const struct agent_id *agent, unsigned code, struct bytes text);
};

struct upload_config {
    const struct doc_keys *keys;
    const struct device *device;
    const struct sign_key *doc_key;
    struct agent_id self;
    const char *name;         /* lives as long as the upload */
    struct chain *chain;
    struct roster *roster;    /* own MEMBER records are added */
    const struct rope *base;  /* NULL: none to upload */
    uint64_t first_counter;
    size_t pack_records_min; /* 0: UPLOAD_PACK_RECORDS_MIN */
    uint64_t seed;
};

struct upload;

struct upload *upload_new(const struct upload_config *config, const struct upload_port *port);
void upload_free(struct upload *upload);
/* A record of the journal's outbox that is not acknowledged; in order. */
MUST_USE bool upload_restore(struct upload *upload, struct bytes stored, uint64_t now_ms, struct error *err);

void upload_local(struct upload *upload, const struct local_batch *batch, uint64_t now_ms);
/*
 * Events of this agent, which this replica does not owe, are here up to next_seq, and did not come by the relay: another process
 * of ours has them to send. They count as lacking until the relay has them.
 */
void upload_note_here(struct upload *upload, const struct agent_id *agent, uint64_t next_seq, uint64_t now_ms);
void upload_persisted(struct upload *upload, uint64_t ticket);
void upload_fetched(struct upload *upload, const struct agent_id *agent, const struct bytes *stored, size_t count,
                    bool more);

/* --- the connection --- */

void upload_welcome(struct upload *upload, const struct vector_entry *vector, size_t count, uint64_t head,
                    uint64_t now_ms);
void upload_lost(struct upload *upload);
/*
 * How long the document's base is, once GENESIS says so. Its chunks belong to the places right behind GENESIS: whoever
 * has something to upload waits until they are there. (A relay put back to its first seconds would else never get
 * them.)
 */
void upload_set_base_len(struct upload *upload, uint64_t base_len);
/*
 * Somebody who has read all of the log lacks the base text, whatever the relay said to us: it is offered from its beginning
 * again. The relay compares, and takes what it has not.
 */
void upload_offer_base(struct upload *upload, uint64_t now_ms);
/* The relay's log reaches up to this place. */
void upload_relay_reaches(struct upload *upload, uint64_t place);
/* It has given us all that it had when it let us in. */
void upload_caught_up(struct upload *upload);
/*
 * A record of these events of ours, signed and with our content, came by the relay: another process has sent them. What of them
 * still waits here need not be sent.
 */
void upload_is_there(struct upload *upload, const struct agent_id *agent, uint64_t seq0, uint64_t next_seq);
/* The relay has, and gave us, events of this agent up to next_seq (0: its MEMBER). */
void upload_relay_has(struct upload *upload, const struct agent_id *agent, uint64_t next_seq);
/* Somebody's pack says something else than his records from seq0 on: they are offered to the relay again, so that they
   stay. */
void upload_offer_again(struct upload *upload, const struct agent_id *agent, uint64_t seq0);
/* The same of all sides of every agent that has forked: vectors do not tell whether a relay has them. */
void upload_offer_forks(struct upload *upload);
/* The hash of what was uploaded as that, as the relay stores it; false: it is not known (any more). */
bool upload_sent_hash(const struct upload *upload, uint64_t ordinal, struct digest *hash);
void upload_ack(struct upload *upload, uint64_t ordinal);
void upload_reject(struct upload *upload, uint64_t ordinal, unsigned code, struct bytes text, uint64_t now_ms);
/*
 * The text of a version (of *checkpoint its heads and events) that the relay has all of, for who joins, behind everything that
 * waits; instead of one that is on its way. Copied. Nothing is done where the relay lacks something, or has no MEMBER of ours; a
 * connection that ends, or a relay that does not take it, ends it too: the next one that is made does as well.
 */
void upload_post(struct upload *upload, const struct checkpoint *checkpoint, const struct rope *text);
bool upload_is_posting(const struct upload *upload); /* some of it is yet to be sent or acknowledged */
/* Packs what has waited for `pace_ms` and sends what may be sent. */
void upload_run(struct upload *upload, uint64_t pace_ms, uint64_t now_ms);
/* The next upload_run() packs at once. */
void upload_hurry(struct upload *upload);
uint64_t upload_next_ms(const struct upload *upload, uint64_t pace_ms);

/* --- what there is --- */

struct upload_counts {
    uint64_t edits, batches; /* not acknowledged */
    uint64_t oldest_ms;      /* when the oldest of them was handed in; 0: none */
    uint64_t base_done, base_total; /* bytes acknowledged of the base text */
    uint64_t lacking;        /* batches that are here, not among those, and not at the relay; while online, for writers */
    uint64_t lacking_since_ms; /* since when nothing of one of them has come; 0: there are none */
};
struct upload_counts upload_counts(const struct upload *upload);
size_t upload_in_flight_bytes(const struct upload *upload); /* sent and not acknowledged */
bool upload_is_offering(const struct upload *upload);       /* what the relay lacks of what it was to have is yet to come to it */
bool upload_is_answered(const struct upload *upload);       /* no record is sealed or sent and not acknowledged */
uint64_t upload_counter(const struct upload *upload);
/* The newest that the relay is known to have of an agent; 0: nothing. */
uint64_t upload_relay_next(const struct upload *upload, const struct agent_id *agent);
/* Whether the relay has no room for what waits here. */
bool upload_is_full(const struct upload *upload);
/* Whether something of this agent waits to be sent or acknowledged. */
bool upload_owes(const struct upload *upload, const struct agent_id *agent);
/* An agent of which the relay has more than the chain, passing over `skip(self, agent)`; false: there is none. */
bool upload_relay_ahead(const struct upload *upload, bool (*skip)(void *self, const struct agent_id *agent), void *self,
                        struct agent_id *agent);

#endif
