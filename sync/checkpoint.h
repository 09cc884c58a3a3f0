/*
 * checkpoint - a document's text at one version, for whoever joins: shown and edited at once, its history read behind.
 *
 * Without it a joiner shows nothing before every batch that was ever written has come. A writer seals what he sees, and says
 * of which version that is; who believes him does so until the history has come and says the same (sync/ahead.h).
 *
 *     CHECKPOINT_TEXT 0 .. n - 1     the text, CHECKPOINT_CHUNK_BYTES of it each, the last one the rest
 *     CHECKPOINT                     the version, how long the text is and its hash; comes last: with it the set is whole
 *
 * All of a set are records (sync/record.h) of one agent, by its device key, with consecutive counters. In the clear is what a
 * relay has to know to keep a set together:
 *
 *     set       number   counter of the set's first record
 *     part      number   CHECKPOINT_TEXT: which, from 0; CHECKPOINT: how many there are
 *
 * Plaintext of CHECKPOINT (numbers are varints):
 *
 *     heads              count (1..BATCH_PARENTS_MAX), then each: agent 16, seq, digest 32 of the batch that holds it;
 *                        ascending by agent, one of each
 *     events             how many the version has, as its writer counts them; a hint for who decides on the next checkpoint
 *     text               its length, then BLAKE2b-256("weft-checkpoint-1", text)
 *
 * Plaintext of CHECKPOINT_TEXT: a byte, 0 or 1, then the bytes as they are, or packed (sync/compressor.h) where that is shorter.
 *
 * A head's digest says everything that its writer and all he had seen ever wrote (sync/chain.h), so the heads' digests say of
 * which history the text is; those of all other agents would say nothing more.
 *
 *   Ownership  values; nothing is kept.
 *   Errors     ERR_FORMAT, ERR_LIMIT for what no writer of a weft seals; ERR_AUTH for what does not open. Signatures are the
 *              caller's to check: record_verify() by the agent's device key, without a digest.
 *   Bounds     a text of BASE_BYTES_MAX; opening a part takes twice its record, a part of the text and COMPRESSOR_BYTES at most.
 */
#ifndef WEFT_SYNC_CHECKPOINT_H
#define WEFT_SYNC_CHECKPOINT_H

#include "sync/compressor.h"
#include "sync/record.h"

enum {
    CHECKPOINT_CHUNK_BYTES = 256 * 1024,
    CHECKPOINT_PARTS_MAX = BASE_BYTES_MAX / CHECKPOINT_CHUNK_BYTES,
};

struct checkpoint_head {
    struct event_id event;
    struct digest digest; /* of the batch that holds it */
};

struct checkpoint {
    struct checkpoint_head heads[BATCH_PARENTS_MAX];
    size_t count;
    uint64_t events;
    uint64_t text_len;
    struct digest text_hash;
};

/* What a relay can read. */
struct checkpoint_clear {
    uint64_t set, part;
};

/* How many parts a text of that length has. */
uint64_t checkpoint_parts(uint64_t text_len);
/* Fills in length and hash. */
void checkpoint_set_text(struct checkpoint *checkpoint, const struct rope *text);
bool checkpoint_has_text(const struct checkpoint *checkpoint, const struct rope *text);
void checkpoint_version(const struct checkpoint *checkpoint, struct version *out);

/* As in the plaintext, for who keeps it. False: it is not that. */
void checkpoint_encode(const struct checkpoint *checkpoint, struct buf *out);
MUST_USE bool checkpoint_decode(struct bytes encoded, struct checkpoint *checkpoint);

/* Who seals: record n of a set has the counter set + n. */
struct checkpoint_sealer {
    const struct doc_keys *keys;
    const struct sign_key *signer;
    struct agent_id agent;
    uint64_t set;
};
void checkpoint_text_seal(const struct checkpoint_sealer *sealer, const struct rope *text, uint64_t part, struct buf *out);
void checkpoint_seal(const struct checkpoint_sealer *sealer, const struct checkpoint *checkpoint, struct buf *out);

/* A record of either kind. No keys needed. */
MUST_USE bool checkpoint_read_clear(const struct record *record, struct checkpoint_clear *out, struct error *err);
MUST_USE bool checkpoint_open(const struct record *record, const struct doc_keys *keys, struct checkpoint *out,
                              struct error *err);
/* Appends the bytes of that part of a text of that length. On failure nothing is appended. */
MUST_USE bool checkpoint_text_open(const struct record *record, const struct doc_keys *keys, uint64_t text_len, uint64_t part,
                                   struct buf *text, struct error *err);

#endif
