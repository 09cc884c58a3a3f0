/*
 * upload_parts - the inside of an upload, for the files that make it up and nobody else:
 *
 *   upload.c       streams of records from the journal to the relay, and what the relay says to them
 *   upload_pack.c  what the relay has had for a while, put together
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
    uint64_t turn; /* of ours: those with a lower one are sent first; from 1 */
    uint64_t relay_next;
    bool relay_knows; /* its MEMBER is there, or on its way on this connection */
    bool fetching;    /* the journal was asked for what the relay lost */
    bool disputed;    /* or for what a pack says differently, from fetch_from on */
    uint64_t fetch_from;
    bool stopped;     /* the relay will not take it */
    bool full;        /* the relay has no room for it: told, and offered again after every pause */
    uint64_t paused_until_ms;
    char label[BATCH_LABEL_BYTES_MAX + 1]; /* of what it wrote first: "disk" */
    uint64_t member_ticket; /* sealed and not yet in the journal; 0: no */
    struct pending *pending;
    size_t pending_count, pending_cap;
    struct upload_record **records;
    size_t record_count, record_cap;
};

enum sent_kind { SENT_BASE, SENT_MEMBER, SENT_RECORD, SENT_PACK };

/* One upload on this connection that has no answer yet. */
struct sent {
    enum sent_kind kind;
    uint64_t ordinal;
    size_t bytes;
    struct stream *stream;        /* of SENT_MEMBER and SENT_RECORD */
    struct upload_record *record; /* SENT_RECORD */
    uint64_t ticket;              /* SENT_PACK: which */
};

/* A record that the relay has, to be put together with its neighbours. */
struct packable {
    struct agent_id agent;
    uint64_t seq0, count, batches;
    bool builds_on_others; /* its first batch has foreign parents: it may only begin a pack */
    struct buf stored;
};

/* What several of them became. */
struct pack {
    uint64_t ticket;
    struct agent_id agent;
    uint64_t seq0, count;
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

struct upload {
    struct upload_config config;
    struct upload_port port;
    struct random random;
    struct stream **streams; /* by agent */
    size_t stream_count, stream_cap;
    struct sent *sent; /* by ordinal */
    size_t sent_count, sent_cap;
    bool online, hurry;
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
    struct packing packing;
};

/* --- upload.c --- */

bool upload_window_open(struct upload *upload);
void upload_note_sent(struct upload *upload, struct sent sent);
/* A record of ours with these batches; `last` is the digest of the last one. */
void upload_seal(struct upload *upload, const struct record_spec *what, struct buf *stored);

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

#endif
