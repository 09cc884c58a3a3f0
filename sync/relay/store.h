/*
 * store - where a relay keeps its documents' logs: opaque records at dense places, and who may add to them.
 *
 * The store is asked and answers later: every call copies what it needs and returns at once; the answer comes through
 * `done` from inside store_poll(), on the thread that calls it. Answers of one document come in the order of the calls,
 * so whoever appends and then looks up sees what was appended. Whatever is queued while a commit runs becomes the next
 * commit: many writers share one fsync, and a lone one never waits for company.
 *
 * Two ways to run it:
 *   - on a thread of its own: `wake` (from that thread) says that store_poll() has something to deliver;
 *   - by hand (`by_hand`): nothing happens until store_commit(), which does all that is queued; a simulation decides
 * when the disk is done and what a crash loses (store_crash()).
 *
 * The operations are those of a shared, sharded log too (a fencing epoch, places given by the document's owner, paged
 * reads), so that another engine can stand behind the same calls.
 *
 *   Units      places count from 1 without holes; sizes in bytes of stored records; times in seconds since 1970.
 *   Ownership  opaque; store_free(). What a reply points to lives until `done` returns.
 *   Errors     enum store_result; reply->err says it in words. After a failed append every append of that document
 * asked before the failure was delivered fails as well: the caller loads the document again. Durability STORE_OK of
 * create, append and remove means: on the disk, fsynced.
 */
#ifndef WEFT_SYNC_RELAY_STORE_H
#define WEFT_SYNC_RELAY_STORE_H

#include "sync/crypto.h"
#include "sync/id.h"

struct store;

enum {
    LOG_ID_BYTES = 16,
    /* A pack stands in for rows only this near in front of it: who reads past their holes has to remember what builds
       on them until it comes, and takes no more than that (INBOX_EARLY_*_MAX). */
    STORE_PACK_SPAN_BYTES = 1 << 20,
    STORE_PACK_SPAN_PLACES = 16384,
    STORE_PURGE_PACKS = 256, /* in one store_purge() */
    STORE_LARGEST_MAX = 20,  /* of store_largest() */
    STORE_SIDES_MAX = 64,    /* rows of one kind looked at that begin at one seq of an agent */
    STORE_CHECKPOINTS_KEPT = 2, /* whole ones: a reader may be in the middle of the older one */
};

struct log_id {
    unsigned char bytes[LOG_ID_BYTES];
};

enum store_result {
    STORE_OK,
    STORE_MISSING, /* no such document */
    STORE_EXISTS,  /* create: it is there already. lookup: these very bytes are there */
    STORE_OTHER,   /* lookup: this range is there with other bytes */
    STORE_CROWDED, /* lookup: so many others begin there (STORE_SIDES_MAX) that one more is not to be kept */
    STORE_CLOSED,  /* the document was removed and stays so */
    STORE_FENCED,  /* somebody else gives this document's places now: load it again */
    STORE_FULL,    /* no room; what is there stays readable */
    STORE_FAILED,  /* the engine failed; whether an append is there is unknown: load again */
};

/* A writing agent, as far as routing needs it. */
struct store_agent {
    uint64_t number; /* 1..n in the order of their MEMBER records */
    struct agent_id id;
    uint64_t next_seq;
    struct sign_public device_key; /* signs its records */
    uint64_t grant_expiry_s;       /* 0: never */
    struct digest member_hash;     /* of its newest MEMBER record */
    bool forked;                   /* some of its seqs may be here with two contents */
};

struct store_row {
    uint64_t place;
    unsigned kind;
    uint64_t agent_number; /* 0: none (GENESIS, BASE) */
    uint64_t seq0, count;  /* of BASE: the number of its chunk, and 0; of checkpoints: the set, and 0 */
    struct bytes stored;
};

/* A document as it stands when it is loaded. */
struct store_document {
    uint64_t key;   /* the store's own name for it, for the calls below */
    uint64_t epoch; /* names the owner who may append */
    struct log_id log;
    uint64_t head;  /* newest place */
    uint64_t bytes; /* of stored records */
    const struct store_agent *agents;
    size_t agent_count;
    struct bytes moved; /* as store_move() was given it; empty: never */
};

/* What a purge took out of a document. */
struct store_freed {
    uint64_t key;
    uint64_t bytes;
};

struct store_size {
    struct doc_id doc;
    uint64_t bytes; /* of stored records */
};

struct store_reply {
    enum store_result result;
    struct error err;               /* when it is neither OK nor an expected outcome */
    struct bytes genesis;           /* store_find */
    struct store_document document; /* store_load */
    const struct store_row *rows;   /* store_read */
    size_t row_count;
    const struct store_freed *freed; /* store_purge; store_append of a CHECKPOINT */
    size_t freed_count;
    const struct store_size *sizes; /* store_largest */
    size_t size_count;
};

/* How an answer finds its way back. `tag` is the caller's. */
struct store_done {
    void (*call)(void *self, uint64_t tag, const struct store_reply *reply);
    void *self;
    uint64_t tag;
};

struct store_options {
    const char *path; /* a file, or ":memory:" (only by hand) */
    bool by_hand;
    void (*wake)(void *self); /* from the store's thread; may be called too often, never too rarely */
    void *wake_self;
};

/* The newest schema wins: a file of a later weft is refused with ERR_NEWER and left as it is. */
MUST_USE struct store *store_open(const struct store_options *options, struct error *err);
/* Ends what is queued (on its own thread) or drops it (by hand), makes no more calls, and closes. */
void store_free(struct store *store);

/* Whether the document is there: its GENESIS record, nothing large. STORE_OK, _MISSING, _CLOSED. */
void store_find(struct store *store, const struct doc_id *doc, struct store_done done);
/* Its GENESIS becomes place 1. STORE_OK, _EXISTS, _CLOSED, _FULL. */
void store_create(struct store *store, const struct doc_id *doc, const struct log_id *log, struct bytes genesis,
                  uint64_t now_s, struct store_done done);
/* Takes the document over: everything needed to go on with it. */
void store_load(struct store *store, const struct doc_id *doc, struct store_done done);

struct store_append {
    uint64_t key, epoch;
    uint64_t now_s;
    struct store_row row;             /* row.place: the head at load plus one, and so on; numbers below 2^63 */
    const struct store_agent *member; /* with a MEMBER record: the agent it introduces or renews; else NULL */
    bool forked;                      /* its agent has forked: noted, and a pack of it stands in for nothing */
};
/*
 * A row of kind PACK repeats rows of its agent. If it covers whole ones, without a hole, and they are near enough, they
 * are marked as packed in the same transaction, and a later store_purge() removes them; else it is a row like any other.
 * With a row of kind CHECKPOINT a set (sync/checkpoint.h) is whole: in the same transaction go those before the newest
 * STORE_CHECKPOINTS_KEPT, and what was never finished before these; reply->freed says what that gave.
 */
void store_append(struct store *store, const struct store_append *append, struct store_done done);
/*
 * What is there of an agent's range: STORE_EXISTS (the same bytes by record_hash()), STORE_OTHER (the same seq0 and
 * count with other bytes, count > 0), STORE_CROWDED (count > 0), STORE_MISSING (neither). Of row->stored the length counts,
 * its bytes are not looked at. Answered after everything appended before is durable. Reads the bytes of rows of that length
 * only, STORE_SIDES_MAX at most.
 */
void store_lookup(struct store *store, uint64_t key, const struct store_row *row, const struct digest *hash,
                  struct store_done done);
/* The same; and a row that is there and was marked as packed stays for good: somebody says the pack is not the same. */
void store_unpack(struct store *store, uint64_t key, const struct store_row *row, const struct digest *hash,
                  struct store_done done);
struct store_purge {
    uint64_t key;              /* 0: in every document */
    uint64_t place;            /* of packs up to here */
    uint64_t before_s;         /* and appended before this */
    struct sign_public not_by; /* and not by agents of this device; zeros: by any */
};
/*
 * Removes the rows that such packs stand in for, STORE_PURGE_PACKS packs at a time; reply->freed says what it gave (full:
 * there may be more). Places are not given again.
 */
void store_purge(struct store *store, const struct store_purge *purge, struct store_done done);
/* Rows after a place, in order: as many as fit into bytes_max, but at least one when there is one. */
void store_read(struct store *store, uint64_t key, uint64_t after, size_t bytes_max, struct store_done done);
/*
 * What a reader who has nothing shows first. `from` NULL: GENESIS, the MEMBER of who wrote the newest whole checkpoint, and its
 * CHECKPOINT; STORE_MISSING: there is none. Then, with that one's agent_number and seq0 and the place of the last text that came
 * (0: none did): its texts behind that, as many as fit into bytes_max, but at least one when there is one.
 */
void store_checkpoint(struct store *store, uint64_t key, const struct store_row *from, size_t bytes_max, struct store_done done);
/* Forgets the log and remembers that it was closed. */
void store_remove(struct store *store, const struct doc_id *doc, struct store_done done);

/* Keeps the owner's word of where the document is now, instead of an older one. STORE_OK. */
void store_move(struct store *store, uint64_t key, struct bytes moved, struct store_done done);
/* Somebody was in the document at now_s: what store_expire() goes by, beside appends. No answer. */
void store_touch(struct store *store, const struct doc_id *doc, uint64_t now_s);
/* Forgets every document last used before `before_s`, `most` at a time; none is remembered as closed: its owner can bring it
   again. STORE_OK; reply->row_count is how many went. */
void store_expire(struct store *store, uint64_t before_s, size_t most, struct store_done done);

/* The largest documents, STORE_LARGEST_MAX at most, in falling order; reads one row of every document. */
void store_largest(struct store *store, struct store_done done);

/* Delivers answers; returns how many. */
size_t store_poll(struct store *store);
/* By hand: does all that is queued, in one transaction. On a thread: waits until all that is queued is done. */
void store_commit(struct store *store);
/* By hand: what a crash loses. Queued work and undelivered answers are forgotten. */
void store_crash(struct store *store);
/* The caller of everything so far goes away: work goes on, answers are dropped. */
void store_silence(struct store *store);
/* Bytes of appends that are not durable yet. */
size_t store_pending_bytes(struct store *store);

struct store_totals {
    uint64_t documents, bytes;
};
/* As of the newest transaction here; what another program did to the file since (store_remove()) is seen by the next. */
struct store_totals store_totals(struct store *store);

/* --- for the operator: by hand only, answered at once; a relay may be running on the same file --- */

struct store_entry {
    struct doc_id doc;
    uint64_t head, bytes, agents;
    uint64_t created_s, used_s; /* used: the newest append */
};
/* Every document that is open, largest first. `each` returns false to stop. */
MUST_USE bool store_list(struct store *store, bool (*each)(void *self, const struct store_entry *entry), void *self,
                         struct error *err);
/* By hand only: the newest records of all documents, newest first, as an operator sees them: size and last bytes. */
struct store_seen {
    uint64_t place, bytes;
    unsigned char tail[4];
};
MUST_USE bool store_newest(struct store *store, struct store_seen *out, size_t cap, size_t *count, struct error *err);
/* A consistent copy of the whole store while it runs. `path` must not exist. */
MUST_USE bool store_backup(struct store *store, const char *path, struct error *err);

#endif
