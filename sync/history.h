/*
 * history - one signature for many records.
 *
 * History comes many records to a frame, and so does what is live to a reader who is behind. There the newest record of each
 * agent is enough: its signature is over the digest of its last batch, and that digest is made from the one
 * before it, and so on back to the first (sync/chain.h). What no checked signature reaches is not vouched for: whoever
 * takes it has to check it by itself.
 *
 *     frame -> history_vouch() -> record by record: chain, digest -> history_find(digest)? taken : signature
 *
 * Whoever asks has computed the digest from the content in his hands; a mistake here can cost work, never trust. A
 * record whose own signature was damaged on the way is taken like any other as soon as a later one vouches for what is
 * in it.
 *
 *   Ownership  zero-initialised it is empty; history_release().
 *   Bounds     of signatures: at most one for each record of the frame, also where somebody put forged ones behind good
 *              ones. Of memory: a small multiple of the frame.
 */
#ifndef WEFT_SYNC_HISTORY_H
#define WEFT_SYNC_HISTORY_H

#include "sync/chain.h"
#include "sync/roster.h"

struct vouched {
    struct digest last; /* of a record's last batch */
    bool itself;        /* the signature under this very record was checked */
};

struct history {
    struct vouched *items; /* in the order of the records */
    size_t count, next;    /* `next`: where the one asked for is likely to be */
    size_t signatures;     /* that were checked, in all */
};

void history_release(struct history *history);
/* Records of one frame, decoded, in order. What an earlier call found is forgotten. The chain is read, not changed. */
void history_vouch(struct history *history, const struct record *records, size_t count, const struct doc_keys *keys,
                   struct chain *chain, const struct roster *roster);
/* That the content which ends with this digest is signed by its author; NULL: nobody vouches. Lives until the next call. */
const struct vouched *history_find(struct history *history, const struct digest *last);

#endif
