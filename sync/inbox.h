/*
 * inbox - what arrives is checked here before anybody sees it.
 *
 * A record of EVENTS is opened, decoded, put against the hash chain and its author's signature. What builds on
 * something that is not here yet waits, within bounds, and comes out in causal order. Nothing is taken on the relay's
 * word.
 *
 *   Ownership  opaque; inbox_free(). Chain, keys and roster outlive it.
 *   Errors     a record that does not verify: INBOX_REFUSED, and nothing that builds on it until inbox_forgive(). Other
 *              records of its agent are taken: one may be the branch whose lack made the first one fit nowhere. While an
 *              earlier one of its agent waits, that may be it: then it waits as well.
 *              A branch more than are kept of one agent (sync/chain.h) is left out for good, and told like one refused.
 *              What an agent writes for whom the roster has no room is left out for good: its MEMBER is told (sync/session.h).
 *   Bounds     INBOX_EARLY_*_MAX: where more waits, whoever has the most of it is refused, and goes without until
 *              inbox_forgive(); others go on. A record whose author is far ahead of what is here is kept closed, and costs no key
 *              operation until its turn has come.
 */
#ifndef WEFT_SYNC_INBOX_H
#define WEFT_SYNC_INBOX_H

#include "sync/chain.h"
#include "sync/history.h"
#include "sync/roster.h"

enum {
    INBOX_EARLY_BYTES_MAX = 4 << 20,
    INBOX_EARLY_RECORDS_MAX = 65536,
    INBOX_BEHIND_MAX = 16, /* of them, such as fit nowhere: they may stand on a branch that waits itself */
};

/* Where to go on reading in one relay's log. All zero: from the beginning. */
struct resume_point {
    struct digest log;  /* which log: a relay that lost everything has another one */
    uint64_t place;
    struct digest hash; /* record_hash() of the record at `place` */
};

/* Verified EVENTS, or a PACK of them: one record and the batches in it, none of which was known. Or another record, without
   batches. */
struct received {
    unsigned kind;             /* enum record_kind */
    uint64_t place;            /* in the relay's log */
    struct digest hash;
    struct resume_point resume; /* to be kept with (after) this record: nothing before it is still waited for */
    struct agent_id agent;
    bool checked;              /* its own signature was; else that of a later record, which vouches for it */
    uint64_t seq0, count;      /* of the record; its first batches may have been known already */
    struct buf stored;         /* the record as received, for the journal */
    bool forked;               /* the first of the run begins a branch: document_fork() comes first */
    struct agent_fork fork;
    struct batch_run run;      /* the new batches, with the ids that agents have here (sync/chain.h); a view of `plain` */
    struct buf plain;
    struct digest *digests;    /* of each batch of the run */
};
void received_release(struct received *received);
void received_move(struct received *out, struct received *from); /* `from` becomes empty */

struct inbox_port {
    void *self;
    void (*received)(void *self, struct received *received); /* may received_move() it; .resume is its to fill */
    void (*refused)(void *self, const struct agent_id *agent, const struct error *why);
    /* A pack, signed by its author, was not what he had signed before: it was handed out as a branch. His originals are
       from seq0 on. */
    void (*disputed)(void *self, const struct agent_id *agent, uint64_t seq0);
};

struct inbox;

struct inbox *inbox_new(const struct doc_keys *keys, struct chain *chain, const struct roster *roster,
                        const struct inbox_port *port);
void inbox_free(struct inbox *inbox);

enum inbox_took {
    INBOX_TAKEN,   /* handed out */
    INBOX_KNOWN,   /* a duplicate, or left out for good: nothing to do */
    INBOX_EARLY,   /* waits for something */
    INBOX_REFUSED, /* to be told by inbox_tell_refused() */
};
/*
 * A frame of records is about to be taken, record by record, in this order: as far as one signature vouches for several
 * of them (sync/history.h), theirs need not be checked. Holds until the next call; count 0 ends it.
 */
void inbox_expect(struct inbox *inbox, const struct record *records, size_t count);
/* Signatures that were checked, for measuring. */
size_t inbox_signatures(const struct inbox *inbox);
/* One EVENTS or PACK record, decoded by record_decode(). */
enum inbox_took inbox_take(struct inbox *inbox, uint64_t place, const struct record *record, uint64_t now_ms);
/*
 * A record without events, of a kind that this weft has no use for: signed by a writer it is handed out as it is, without
 * batches, for the journal; a later weft may know what it is. False: it is not signed by a writer that is known here.
 */
bool inbox_take_other(struct inbox *inbox, uint64_t place, const struct record *record);
/* Hands out what waited and need wait no longer; call after records or members were taken. */
void inbox_settle(struct inbox *inbox);
/* A new connection: whoever was refused gets another chance, what waits is dropped (it comes again). */
void inbox_forgive(struct inbox *inbox);
/* Whether a record was refused that may fit on another connection, or with another branch. */
bool inbox_has_refused(const struct inbox *inbox);
bool inbox_has_untold(const struct inbox *inbox);
/* Whether one of the untold was signed for no place that is known here: what it builds on may be a branch that is not. */
bool inbox_lacks_branch(const struct inbox *inbox);
void inbox_tell_refused(struct inbox *inbox); /* port.refused(), once for each agent */
/* Whether a record of this agent was refused or left out. */
bool inbox_is_refused(const struct inbox *inbox, const struct agent_id *agent);
/* Whether some record waits or was refused: a resume point must not pass it. */
bool inbox_has_hole(const struct inbox *inbox);
/* Since when the oldest record waits; UINT64_MAX: none does. */
uint64_t inbox_waiting_since(const struct inbox *inbox);

#endif
