/*
 * upload_parts - the inside of an upload, for the files that make it up and nobody else:
 *
 *   upload.c         what is handed in, the connection, and what there is
 *   upload_stream.c  one agent each: what of it waits
 *   upload_seal.c    batches become records, and their writers are introduced
 *   upload_base.c    the base text of a document that is created here
 *   upload_send.c    when a record is sent, and in which order
 *   upload_again.c   what the relay has lost, from the journal
 *   upload_lacking.c what the relay lacks and another one has to send
 *   upload_answer.c  what the relay says to what was sent
 *   upload_pack.c    what the relay has had for a while, put together
 *   upload_checkpoint.c  the text as it is, for who joins
 */
#ifndef WEFT_SYNC_UPLOAD_PARTS_H
#define WEFT_SYNC_UPLOAD_PARTS_H

#include "editor/base/random.h"
#include "sync/upload.h"

/* A batch that waits to be packed. */
struct pending {
    struct buf plain;
    uint64_t seq0, count;
    struct digest digest;
    bool gesture;
    uint64_t since_ms;
};

struct upload_record {
    uint64_t ticket;
    uint64_t seq0, count;
    uint64_t batches, edits; /* what it adds to the unacknowledged; 0 for a record that was acknowledged once */
    uint64_t since_ms;
    bool persisted, sent;
    bool again; /* was acknowledged once, or is somebody else's: not ours to report */
    struct buf stored;
};

/* One agent: what the relay has of it, and what it is to get. */
struct stream {
    struct agent_id agent;
    bool mine; /* handed in here: this replica owes it to the relay */
    bool lent; /* until it has this: then it is for the process that writes it again */
    uint64_t turn; /* of ours: those with a lower one are sent first; from 1 */
    uint64_t relay_next;
    bool relay_knows; /* its MEMBER is there, or on its way on this connection */
    bool fetching;    /* the journal was asked for what the relay lost, */
    bool fetch_more;  /* and has more of it, from fetch_from on: asked for when what it gave is sent */
    bool disputed;    /* or for what a pack says differently */
    uint64_t fetch_from;
    bool stopped;     /* the relay will not take it */
    bool full;        /* the relay has no room for it: told, and offered again after every pause */
    uint64_t full_ordinal; /* the newest that it had no room for; what was sent before it may be acknowledged after it */
    uint64_t paused_until_ms;
    char label[BATCH_LABEL_BYTES_MAX + 1]; /* of what it wrote first: "disk" */
    uint64_t member_ticket; /* sealed and not yet in the journal; 0: no */
    struct pending *pending;
    size_t pending_count, pending_cap;
    struct upload_record **records;
    size_t record_count, record_cap;
};

enum sent_kind { SENT_BASE, SENT_MEMBER, SENT_RECORD, SENT_PACK, SENT_CHECKPOINT };

/* One upload on this connection that has no answer yet. */
struct sent {
    enum sent_kind kind;
    uint64_t ordinal;
    size_t bytes;
    struct stream *stream;        /* of SENT_MEMBER and SENT_RECORD */
    struct upload_record *record; /* SENT_RECORD */
    uint64_t ticket;              /* SENT_PACK: which; SENT_CHECKPOINT: of which set */
};

/* A record that the relay has, to be put together with its neighbours. */
struct packable {
    struct agent_id agent;
    uint64_t seq0, count, batches;
    bool builds_on_others; /* its first batch has foreign parents: it may only begin a pack */
    bool is_pack;          /* it is one, of a few keys */
    size_t plain_len;      /* of what is in it: of a pack far more than it is stored in */
    struct buf stored;
};

/* What several of them became. */
struct pack {
    uint64_t ticket;
    struct agent_id agent;
    uint64_t seq0, count, batches;
    size_t plain_len;
    bool persisted, sent;
    struct buf stored;
};

struct packing {
    struct packable *old; /* of each agent in order */
    size_t old_count, old_cap, old_bytes;
    struct pack *packs;
    size_t pack_count, pack_cap;
    bool refused;         /* the relay does not take packs, on this connection */
    bool looked;          /* nothing has come since packs were made last */
    uint64_t local_ms;    /* when something was typed last */
};

/* A checkpoint that is being uploaded. */
struct posting {
    struct rope *text; /* NULL: none is */
    struct checkpoint checkpoint;
    uint64_t set, parts;
    uint64_t next; /* to be sealed and sent: a part of the text, or behind them the CHECKPOINT */
};

/* What is here of an agent, does not wait to be sent, and has not been seen at the relay. */
struct lacking {
    struct agent_id agent;
    uint64_t next_seq;         /* it is here up to there */
    uint64_t relay_next;       /* and was there up to here */
    uint64_t since_ms;         /* when that was so first */
    uint64_t ask_ms, wait_ms;  /* when the journal is asked for it, and how long that was put off */
};

struct upload {
    struct upload_config config;
    struct upload_port port;
    struct random random;
    struct stream **streams; /* by agent */
    size_t stream_count, stream_cap;
    struct sent *sent; /* by ordinal */
    size_t sent_count, sent_cap;
    bool online, caught_up, hurry;
    uint64_t ordinal; /* the newest used on this connection */
    uint64_t next_ticket, next_counter;
    uint64_t turns; /* given so far */
    size_t in_flight_bytes;
    size_t ahead_bytes;   /* sealed, not sent */
    size_t waiting;       /* batches and records in all streams: most of the time there is nothing to look for */
    uint64_t flushed_ms;  /* when batches were last packed */
    uint64_t reoffer_ms;  /* UINT64_MAX: done or not wanted */
    uint64_t base_chunks; /* of the document */
    uint64_t relay_head;  /* the newest place known of */
    uint64_t base_next, base_acked; /* of the base we upload ourselves */
    bool base_stopped, base_again; /* again: from its beginning, once nothing of it is on its way */
    uint64_t base_offered_ms;      /* when that was decided last; 0: never */
    uint64_t edits, batches;
    struct lacking *lacking;
    size_t lacking_count, lacking_cap;
    size_t lent; /* streams */
    struct packing packing;
    struct posting posting;
};

/* --- upload.c --- */

/* Of ours: where that begins which was never acknowledged. */
uint64_t upload_first_owed(const struct upload *upload, const struct stream *stream);

/* --- upload_stream.c --- */

/* NULL: there is none. */
struct stream *upload_find_stream(const struct upload *upload, const struct agent_id *agent);
/* Made where there is none. */
struct stream *upload_get_stream(struct upload *upload, const struct agent_id *agent);
/* This replica owes it to the relay, in its turn: agents taken over as they were handed in, our own last. */
void upload_make_mine(struct upload *upload, struct stream *stream);
/* The next of ours after this turn (0: the first); NULL: there is none. */
struct stream *upload_next_turn(const struct upload *upload, uint64_t turn);
void upload_stream_free(struct stream *stream);
/* Counts it as sealed; free it, or insert it. */
struct upload_record *upload_record_new(struct upload *upload, const struct record *view);
void upload_record_free(struct upload_record *record);
/* Takes the record. */
void upload_insert_record(struct upload *upload, struct stream *stream, size_t at, struct upload_record *record);
/* The first n of those that wait: they are sealed, and counted there. */
void upload_drop_pending(struct upload *upload, struct stream *stream, size_t n);
/* Out of its stream and out of every count. */
void upload_remove_record(struct upload *upload, struct stream *stream, size_t at);

static inline uint64_t upload_record_end(const struct upload_record *record)
{
    return record->seq0 + record->count;
}

static inline uint64_t pending_end(const struct pending *pending)
{
    return pending->seq0 + pending->count;
}

/* --- upload_seal.c --- */

/* A record of ours with these batches; `last` is the digest of the last one. */
void upload_seal(struct upload *upload, const struct record_spec *what, struct buf *stored);
/* An agent that never had a MEMBER gets one. */
void upload_introduce(struct upload *upload, struct stream *stream);
/* What has waited for `pace_ms`, of all streams, as far as the window goes. */
void upload_seal_streams(struct upload *upload, uint64_t pace_ms, uint64_t now_ms);

/* --- upload_base.c --- */

/* Whether the places behind GENESIS are taken, or are about to be by what we have sent. */
bool upload_base_is_there(const struct upload *upload);
void upload_base_send(struct upload *upload);
void upload_base_rejected(struct upload *upload, unsigned code, struct bytes text, uint64_t now_ms);
/* The relay's log reaches up to `head`: what of the base is there need not be sent. */
void upload_base_welcome(struct upload *upload, uint64_t head);
/* How many bytes so many chunks of it are; 0 when it is not ours to send. */
uint64_t upload_base_bytes(const struct upload *upload, uint64_t chunks);

/* --- upload_send.c --- */

bool upload_window_open(struct upload *upload);
/* A relay takes an offer or a checkpoint from writers only, and may have lost that we are one: introduces us. False: not yet. */
bool upload_is_known_writer(struct upload *upload);
void upload_note_sent(struct upload *upload, struct sent sent);

/* --- upload_again.c --- */

void upload_ask_journal(struct upload *upload, struct stream *stream);
/* Whether all that was fetched is sent, and there is more: that is asked for. */
void upload_ask_for_more(struct upload *upload, struct stream *stream);
/* Other people's records that the relay has lost, once their time has come: whoever still has them may give them back. */
void upload_reoffer_lost(struct upload *upload, uint64_t now_ms);
/* What was fetched waits no longer: another connection begins. */
void upload_drop_fetched(struct upload *upload, struct stream *stream);

/* --- upload_lacking.c --- */

/* The vector has been taken: all that exceeds it is lacking. */
void upload_lacking_welcome(struct upload *upload, uint64_t now_ms);
/* Forgets what the relay has got, and offers what does not come. */
void upload_lacking_run(struct upload *upload, uint64_t now_ms);
uint64_t upload_lacking_next_ms(const struct upload *upload);
void upload_lacking_counts(const struct upload *upload, struct upload_counts *counts);

/* --- upload_answer.c --- */

/* As if it had not been sent. */
void upload_unsend(struct upload *upload, const struct sent *sent);

/* --- upload_pack.c --- */

void upload_pack_release(struct packing *packing);
/* The relay has this record of `agent` now. */
void upload_pack_add(struct upload *upload, const struct agent_id *agent, const struct upload_record *record);
/* Makes packs when it is time, and sends what may be sent. */
void upload_pack_run(struct upload *upload, uint64_t now_ms);
uint64_t upload_pack_next_ms(const struct upload *upload);
/* A pack that was made and not acknowledged. */
const struct pack *upload_pack_find(const struct upload *upload, uint64_t ticket);
void upload_pack_persisted(struct upload *upload, uint64_t ticket);
/* The relay has it, or does not want it; the connection is gone. */
void upload_pack_acked(struct upload *upload, uint64_t ticket);
void upload_pack_rejected(struct upload *upload, uint64_t ticket);
void upload_pack_lost(struct upload *upload);

/* --- upload_checkpoint.c --- */

/* Sends what may be sent of it, when nothing else waits. */
void upload_post_run(struct upload *upload);
void upload_post_drop(struct upload *upload);
/* The relay did not take a part of this set: it goes without. */
void upload_post_rejected(struct upload *upload, uint64_t set);

#endif
