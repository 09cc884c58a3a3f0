/*
 * journal_compact - what a journal has already, in less space.
 *
 * A key is a row of a hundred and sixty bytes, most of them its digest, nonce, tag and place in two trees. Rows that a checkpoint
 * covers are read again only when somebody looks at the whole history, so what one agent wrote in a row becomes one row:
 *
 *     arrival   ana 0..1 | ana 1..2 | ... | ana 511..512      LOCAL, 512 rows, 85 kB
 *               ana 0..512                                    PACKED, 1 row, 0.8 kB: a bundle (sync/bundle.h), the last digest
 *
 * Nothing of a batch is lost: its bytes come out of the bundle, its digest follows from them, and the last digest vouches for
 * all. The packed row has the place of the last row it stands for, so places stay what they were to who has read up to one of
 * them. Where somebody else's events are parents a packed row begins: so whatever it needs was there before all of it.
 *
 * What the outbox has of packed rows, and the relay has acknowledged, goes: a relay that loses it is sent what the rows say,
 * sealed anew (app/replica_fetch.c). The newest record of an agent stays, for it says where sealing goes on.
 *
 *   Use        journal_compact() again and again, each a step of a few milliseconds in a transaction, until there is no more;
 *              what becomes free goes back to the file system step by step as well. A process that is killed between two steps,
 *              or in one, leaves a journal with all that was in it.
 *   Who        one of several processes or all of them: a step looks at what is there.
 *   Errors     those of the journal; then nothing of that step is done.
 */
#ifndef WEFT_SYNC_JOURNAL_COMPACT_H
#define WEFT_SYNC_JOURNAL_COMPACT_H

#include "sync/journal.h"

enum {
    JOURNAL_PACK_ROWS_MAX = 512, /* in one packed row */
    JOURNAL_PACK_ROWS_MIN = 16,  /* fewer gain little, and wait for more */
    JOURNAL_PACK_BYTES_MAX = 64 * 1024, /* of batches in one */
    JOURNAL_SHRINK_PAGES = 256,  /* given back in one step */
};

/* How far it has come; zeros: at the beginning. Kept from one time to the next, it spares looking at what did not fit
   together. */
struct journal_compaction {
    bool sealed;     /* of a document that is shared, or was: only what the outbox has, for the rest is sealed from its rows */
    uint64_t upto;   /* rows up to this place may be packed: a checkpoint covers them; 0: as far as the oldest one does */
    uint64_t looked; /* there is nothing to pack up to here, */
    uint64_t waits;  /* but from here on, once more is there; 0: nothing waits */
    struct agent_id agent; /* the one whose rows were looked at last, */
    uint64_t sealed_to;    /* and how far it was sealed then; 0: not asked */
    uint64_t stripped;     /* rows up to this place have nothing in the outbox that could go */
};

/* One step. *more: another one is to follow. */
MUST_USE bool journal_compact(struct journal *journal, struct journal_compaction *compaction, bool *more, struct error *err);
/* All steps at once, and the file rewritten without a trace of what is gone: for a journal that nobody writes to. `sealed`: as
   above. */
MUST_USE bool journal_compact_all(struct journal *journal, bool sealed, struct error *err);

#endif
