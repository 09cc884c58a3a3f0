/*
 * journal - the log of one document on this device's disk.
 *
 * One SQLite file a document holds everything that was typed or received, in order of arrival. It is what makes kill -9
 * harmless, what several weft processes on one file meet in, and what is sent when the network comes back.
 *
 *   rows        batches made on this device (LOCAL, or many of them in one row: PACKED, see sync/journal_compact.h) and
 *               records from elsewhere (RECEIVED); place = order of arrival
 *   base        the text the document began with, in chunks
 *   outbox      records sealed and signed here, before they are first sent; kept after the relay's ack, to heal it
 *   relay       how far this replica has read the relay's log
 *   agents      who wrote here on this device, and who has taken over whose dead agent
 *   saved       every state of the file that was written by a save; imports: every change of it made by others
 *   view        where the cursor was
 *   checkpoint  the whole document ready to load, so that opening costs no replay of everything
 *
 * All content is sealed with the device's journal key (device_journal_key()): XChaCha20-Poly1305, random 24-byte nonce
 * in front, and as AAD the document, the table and the row's own key, so that rows cannot change places. In the clear
 * are agent ids, seq ranges, kinds, sizes. RECEIVED records and the outbox are sealed with the document's keys already
 * and stay as they are.
 *
 *   Units      places count from 1 and are never reused. Times are seconds since 1970, given by the caller.
 *   Ownership  structs passed in are copied; what a visitor is shown lives until it returns.
 *   Writing    every call is a transaction of its own unless journal_begin() came before.
 *   Errors     ERR_FULL, ERR_BUSY: nothing changed, try again. ERR_NEWER: a later weft's journal, untouched. ERR_AUTH:
 *              sealed with another key, or changed on disk. ERR_FORMAT: damaged.
 *   Bounds     JOURNAL_*_MAX, BATCH_BYTES_MAX, RECORD_BYTES_MAX.
 *   Threads    one thread at a time; journal_writer.h is the thread that usually has it.
 */
#ifndef WEFT_SYNC_JOURNAL_H
#define WEFT_SYNC_JOURNAL_H

#include "sync/crypto.h"
#include "sync/record.h"

struct journal;
struct rope;

enum {
    JOURNAL_CHUNK_BYTES = 256 * 1024, /* base and checkpoint parts */
    JOURNAL_PATH_BYTES_MAX = 4096,
    JOURNAL_VERSION_BYTES_MAX = 4096,
    JOURNAL_NOTE_BYTES_MAX = 1 << 20,
    JOURNAL_LOOK_BACK = 4096, /* rows of an agent; for journal_rows_of() and journal_outbox_of() */
    JOURNAL_BUSY_MS = 2000,
    JOURNAL_BASE_BYTES_MAX = 1 << 30, /* more than is shared: a text that no file holds has no other place */
};

enum journal_mode {
    JOURNAL_READ,   /* must exist; never changed: for `weft cat` */
    JOURNAL_WRITE,  /* must exist */
    JOURNAL_CREATE, /* made when it is missing */
};

struct journal_spec {
    const char *path; /* NULL: in memory only (--private) */
    enum journal_mode mode;
    struct doc_id doc;
    const struct seal_key *key; /* device_journal_key() */
    uint64_t now_s;             /* recorded when the journal is made */
    uint64_t base_len;          /* about so long will its base be: a long one makes large pages */
};

/* ERR_MISSING when it must exist and does not. */
MUST_USE struct journal *journal_open(const struct journal_spec *spec, struct error *err);
/* The same with the key that this device has for spec.doc: spec.key need not be set. */
MUST_USE struct journal *journal_open_on(const struct device *device, struct journal_spec spec, struct error *err);
void journal_close(struct journal *journal); /* NULL is fine */
/* "DIR/HEX.journal": heap string. */
char *journal_path(const char *dir, const struct doc_id *doc);
/* Bytes on disk. */
uint64_t journal_file_bytes(const char *path);
/*
 * A journal is made with its schema and named then: one of no bytes is what a full disk or another program has left of it.
 * *aside: it is called PATH.lost now (a heap string), as is what was in its log; NULL: it is not there, or not empty.
 * Of several processes one sets it aside; the others wait for that moment, and find it gone or what was made in its place.
 */
MUST_USE bool journal_set_aside_empty(const char *path, char **aside, struct error *err);
/* Removes the files for good, with what was set aside of them. ERR_BUSY while another process (or this one) has it open. */
MUST_USE bool journal_forget(const char *path, struct error *err);
/* The same if its newest row is still this one, or there is none (0): what was looked at is what goes. Else ERR_BUSY. */
MUST_USE bool journal_forget_unchanged(const char *path, uint64_t newest_place, struct error *err);

struct journal_stats {
    uint64_t created_s;
    uint64_t newest_place; /* 0: no rows */
    uint64_t rows, unacked;
};
MUST_USE bool journal_stats(struct journal *journal, struct journal_stats *stats, struct error *err);

/* Grouping: between begin and commit all calls are one transaction. After a failed call inside: journal_rollback(). */
MUST_USE bool journal_begin(struct journal *journal, struct error *err);
MUST_USE bool journal_commit(struct journal *journal, struct error *err);
void journal_rollback(struct journal *journal);

/* Whether its files are still what is found under its path, and not empty: else nothing that goes into it is kept. */
MUST_USE bool journal_is_in_place(const struct journal *journal, struct error *err);
/* Makes what is committed survive a power cut. The one call for another thread. */
MUST_USE bool journal_sync(struct journal *journal, struct error *err);
/* NULL in memory. */
const char *journal_file_path(const struct journal *journal);
/* Pages waiting in the WAL. */
unsigned journal_wal_pages(const struct journal *journal);
/*
 * Copies them into the database over a connection of its own, so that nobody who writes has to wait. From any
 * thread.
 */
MUST_USE bool journal_checkpoint_wal(const char *path, struct error *err);

/* --- rows --- */

/* Where a person is in a text: bytes from its start. Rides along with every LOCAL row, so kill -9 keeps the cursor. */
struct journal_view {
    uint64_t cursor, anchor; /* equal: no selection */
    uint64_t top;            /* of the first line shown */
    uint64_t left_cells;
};
void journal_view_encode(const struct journal_view *view, struct buf *out);
void journal_view_decode(struct reader *reader, struct journal_view *view);

enum journal_form { JOURNAL_LOCAL, JOURNAL_RECEIVED, JOURNAL_PACKED };

enum journal_added {
    JOURNAL_ADDED,
    JOURNAL_KNOWN,  /* it was there already: nothing changed */
    JOURNAL_FAILED, /* *err says why */
};

struct journal_local {
    struct agent_id agent;
    uint64_t seq0, count;
    struct bytes plain;   /* one batch's canonical form */
    struct digest digest; /* the batch's, from the chain */
    const char *path;     /* whose view that is; NULL: no view */
    struct journal_view view;
};
/* Known with other content is ERR_FORMAT: an agent must never write one seq twice. *place (may be NULL) of the row. */
MUST_USE enum journal_added journal_add_local(struct journal *journal, const struct journal_local *local,
                                              uint64_t *place, struct error *err);
/* Whether these events of an agent are here, be it in one row with others of it (sync/journal_compact.h). */
MUST_USE bool journal_has_events(struct journal *journal, const struct agent_id *agent, uint64_t seq0, uint64_t count, bool *has,
                                 struct error *err);

struct journal_received {
    unsigned kind; /* enum record_kind */
    struct agent_id agent;
    uint64_t seq0, count;
    uint64_t relay_place; /* 0: not from a relay */
    struct digest hash;   /* record_hash() of `stored` */
    struct bytes stored;
};
MUST_USE enum journal_added journal_add_received(struct journal *journal, const struct journal_received *received,
                                                 uint64_t *place, struct error *err);

struct journal_row {
    uint64_t place;
    enum journal_form form;
    unsigned kind; /* RECORD_EVENTS for LOCAL and PACKED */
    struct agent_id agent;
    uint64_t seq0, count;
    struct bytes body;    /* LOCAL: canonical plaintext; RECEIVED: the stored record; PACKED: as an EVENTS record's plaintext */
    struct digest digest; /* LOCAL: the batch's; PACKED: the last one's */
    struct digest hash;   /* RECEIVED: the record's */
    uint64_t relay_place;
};

/* Reading rows, outbox or agents. Return false to stop. The journal must not be changed meanwhile. */
struct journal_visitor {
    void *self;
    bool (*row)(void *self, const struct journal_row *row);
};
struct journal_read {
    uint64_t last_place; /* of the last row visited; unchanged when there was none */
    uint64_t damaged;    /* rows that do not open: skipped, never guessed at */
};
/* Rows with a place above read->last_place, in order of arrival; at most `rows_max` (0: all). */
MUST_USE bool journal_rows(struct journal *journal, uint64_t rows_max, struct journal_visitor visitor,
                           struct journal_read *read, struct error *err);
/*
 * Rows of one agent that hold events from `seq` on (0: records without events too), in order of seq. One that holds `seq` is
 * found among the JOURNAL_LOOK_BACK that begin last before it: a pack has a quarter as many batches at most.
 */
MUST_USE bool journal_rows_of(struct journal *journal, const struct agent_id *agent, uint64_t seq,
                              struct journal_visitor visitor, struct journal_read *read, struct error *err);
/* --- base and notes --- */

/*
 * The text the document began with, at most JOURNAL_BASE_BYTES_MAX. journal_base_begin() says how long it is; chunk n holds
 * bytes [n, n + 1) * JOURNAL_CHUNK_BYTES; the same chunk again changes nothing. It is complete when every chunk is
 * there.
 */
MUST_USE bool journal_base_begin(struct journal *journal, uint64_t len, struct error *err);
MUST_USE bool journal_base_put(struct journal *journal, uint64_t chunk, struct bytes bytes, struct error *err);
struct journal_base {
    bool known; /* journal_base_begin() has been called */
    bool complete;
    uint64_t len;
    uint64_t chunks; /* that are there */
};
MUST_USE bool journal_base_state(struct journal *journal, struct journal_base *base, struct error *err);
/* Appends all of it; ERR_MISSING while it is not complete. */
MUST_USE bool journal_base_load(struct journal *journal, struct buf *out, struct error *err);

/*
 * Small sealed things under a name of our own choosing: "genesis" (the stored record), "base-file" (a base too large to
 * copy), ... At most JOURNAL_NOTE_BYTES_MAX. Getting a missing one appends nothing and is *found == false.
 */
MUST_USE bool journal_note_put(struct journal *journal, const char *name, struct bytes value, struct error *err);
MUST_USE bool journal_note_get(struct journal *journal, const char *name, struct buf *out, bool *found,
                               struct error *err);

/* Removes that note, and all whose names go on with it and a slash. */
MUST_USE bool journal_notes_drop(struct journal *journal, const char *name, struct error *err);

/* --- outbox and relay --- */

struct journal_sent {
    uint64_t id;   /* 0 when putting */
    bool acked;    /* false when putting */
    unsigned kind; /* enum record_kind */
    struct agent_id agent;
    uint64_t seq0, count;
    struct bytes stored;
};
struct journal_sent_visitor {
    void *self;
    bool (*sent)(void *self, const struct journal_sent *sent);
};
/* *id (may be NULL) names it from here on. The same bytes again are JOURNAL_KNOWN. */
MUST_USE enum journal_added journal_outbox_put(struct journal *journal, const struct journal_sent *sent, uint64_t *id,
                                               struct error *err);
/* For tests, which put one aside at a time; a relay acknowledges up to a seq. */
MUST_USE bool journal_outbox_ack(struct journal *journal, uint64_t id, struct error *err);
/* All of one agent are acked whose events lie below next_seq; with `members`, its MEMBER too. */
MUST_USE bool journal_outbox_ack_below(struct journal *journal, const struct agent_id *agent, uint64_t next_seq,
                                       bool members, struct error *err);
/* Not yet acked, in the order they were put. */
MUST_USE bool journal_outbox_unacked(struct journal *journal, struct journal_sent_visitor visitor, struct error *err);
/*
 * Of one agent, acked or not, that hold events from `seq` on (0: MEMBER too): what a relay that lost its tail is
 * sent.
 */
MUST_USE bool journal_outbox_of(struct journal *journal, const struct agent_id *agent, uint64_t seq,
                                struct journal_sent_visitor visitor, struct error *err);
/* Where sealing goes on: the first seq of the agent that no EVENTS record in the outbox covers. */
MUST_USE bool journal_outbox_next_seq(struct journal *journal, const struct agent_id *agent, uint64_t *next_seq,
                                      struct error *err);

struct journal_relay {
    struct digest log; /* zeros: never been there */
    uint64_t place;    /* everything up to here is in the rows */
    struct digest hash;
    bool rewound; /* putting: the log has lost its tail, so the place goes back */
};
/* Within one log the place only grows, unless rewound: another process of this device may be ahead. */
MUST_USE bool journal_relay_put(struct journal *journal, const struct journal_relay *relay, struct error *err);
MUST_USE bool journal_relay_get(struct journal *journal, struct journal_relay *relay, struct error *err);

/* --- agents --- */

struct journal_agent {
    struct agent_id agent;
    struct agent_id owner; /* who writes and seals for it: itself, or who took it over last */
    uint64_t started_s;
};
/* Once a process, before its first row, with its lock held (sync/agent_lock.h). Again is fine. */
MUST_USE bool journal_agent_add(struct journal *journal, const struct agent_id *agent, uint64_t now_s,
                                struct error *err);
/* Heap array of *count, oldest first. */
MUST_USE bool journal_agents(struct journal *journal, struct journal_agent **agents, size_t *count, struct error *err);

enum journal_claim {
    JOURNAL_CLAIMED, /* it is yours, and nobody else's */
    JOURNAL_TAKEN,   /* somebody else was first */
    JOURNAL_CLAIM_FAILED,
};
/*
 * Takes over an agent whose owner is dead: it changes hands only if `owner` still has it, so of several processes that
 * saw the same death exactly one gets it. An owner that dies later loses what it had claimed in the same way.
 */
MUST_USE enum journal_claim journal_agent_claim(struct journal *journal, const struct agent_id *agent,
                                                const struct agent_id *owner, const struct agent_id *by,
                                                struct error *err);

/* --- the file --- */

struct journal_saved {
    const char *path; /* as it is known to the index */
    uint64_t dev, ino, size;
    int64_t mtime_ns;
    uint64_t time_s;      /* 0: about to be written, perhaps never was: only journal_saved_pending() looks at it */
    struct digest hash;   /* of the file's bytes */
    struct bytes version; /* of the document in it: version_encode() */
};
/* All but the path, for whoever keeps it where there is no journal yet; read, its version is a view. */
void journal_saved_encode(const struct journal_saved *saved, struct buf *out);
void journal_saved_decode(struct reader *reader, struct journal_saved *saved);
MUST_USE bool journal_saved_put(struct journal *journal, const struct journal_saved *saved, struct error *err);
/* The newest of that path. saved->path is the caller's own; `memory` is overwritten and holds saved->version. */
MUST_USE bool journal_saved_get(struct journal *journal, const char *path, struct journal_saved *saved,
                                struct buf *memory, bool *found, struct error *err);

/* The newest of whatever path, written for certain; saved->path is NULL. */
MUST_USE bool journal_saved_newest(struct journal *journal, struct journal_saved *saved, struct buf *memory, bool *found,
                                   struct error *err);
/* One that was about to be written after the newest of that path, and has these bytes. */
MUST_USE bool journal_saved_pending(struct journal *journal, const char *path, const struct digest *hash,
                                    struct journal_saved *saved, struct buf *memory, bool *found, struct error *err);
/* The newest of that path whose file had these bytes. */
MUST_USE bool journal_saved_find(struct journal *journal, const char *path, const struct digest *hash,
                                 struct journal_saved *saved, struct buf *memory, bool *found, struct error *err);

/*
 * A change of the file by another program is imported once, by whoever claims it: `version` is that of the saved state
 * it was found against, `hash` that of the file's new bytes. A claim whose owner died before journal_import_done() may
 * be taken over (`dead`: that owner, else NULL). *owner (may be NULL) is who has it now; *done whether it is finished.
 */
struct journal_import {
    struct bytes version;
    struct digest hash;
};
MUST_USE enum journal_claim journal_import_claim(struct journal *journal, const struct journal_import *import,
                                                 const struct agent_id *by, const struct agent_id *dead,
                                                 struct agent_id *owner, bool *done, struct error *err);
/* In the transaction that adds the import's rows. */
MUST_USE bool journal_import_done(struct journal *journal, const struct journal_import *import, struct error *err);

/*
 * The newest of the view put here and those that rode with rows. `version` (NULL: not asked for) is that of the text it is a
 * place in, in whatever form; what rode with a row has none: it is a place in the text that row left. *place: of that row, or the
 * newest when it was put.
 */
MUST_USE bool journal_view_put(struct journal *journal, const char *path, const struct journal_view *view, struct bytes version,
                               struct error *err);
/* Whose rows are asked for; those of others only where there are none. NULL: anybody's. */
struct journal_view_of {
    void *self;
    bool (*is_one)(void *self, const struct agent_id *agent);
};
MUST_USE bool journal_view_get(struct journal *journal, const char *path, const struct journal_view_of *whose,
                               struct journal_view *view, struct buf *version, uint64_t *place, bool *found, struct error *err);

/* --- checkpoints --- */

/*
 * `encoded` (document_save()) and the text (NULL: there is none besides; app/replica_checkpoint.c puts what is not needed at once
 * there) are the document with all rows up to `place`. It takes the place of the one before, in one transaction: one that turns
 * out damaged costs a longer replay, nothing else. The one before stays where there is such a text, for then a replay of
 * everything is long; and in a journal from which an older weft has dropped rows that checkpoints cover.
 */
MUST_USE bool journal_checkpoint_put(struct journal *journal, uint64_t place, struct bytes encoded,
                                     const struct rope *text, struct error *err);
/* What was put turned out to be useless: all rows are replayed the next time. Not where rows have been dropped. */
MUST_USE bool journal_checkpoints_drop(struct journal *journal, struct error *err);
/* The newest that opens. *has_text as it was put. *found == false: replay from the base. */
struct journal_checkpoint {
    bool found, has_text;
    uint64_t id, place, encoded_len, text_len;
    struct buf encoded, text; /* owned: journal_checkpoint_release() */
};
MUST_USE bool journal_checkpoint_get(struct journal *journal, struct journal_checkpoint *checkpoint, struct error *err);
/*
 * The same without its text, which may be long: journal_checkpoint_text() appends that, as long as no newer one has taken its
 * place; of a journal from which rows have been dropped it is here at once. ERR_AUTH: it is gone, or damaged.
 */
MUST_USE bool journal_checkpoint_front(struct journal *journal, struct journal_checkpoint *checkpoint, struct error *err);
/* Which one that is, and nothing of what it holds. */
MUST_USE bool journal_checkpoint_newest(struct journal *journal, struct journal_checkpoint *checkpoint, struct error *err);
MUST_USE bool journal_checkpoint_text(struct journal *journal, const struct journal_checkpoint *checkpoint, struct buf *out,
                                      struct error *err);
void journal_checkpoint_release(struct journal_checkpoint *checkpoint);

#endif
