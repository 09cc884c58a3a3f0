/*
 * chain - the hash chain over every agent's batches: what makes an id mean one content.
 *
 *   digest(batch) = BLAKE2b-256("weft-batch-1", doc, agent, seq0, digest of this agent's previous batch (zeros at
 *                               first), digests of the batches that hold its foreign parents, in order, canonical
 *                               plaintext)
 *
 * In bytes: the label's length as u64 and the label, doc 16, agent 16, seq0 u64, previous digest 32, number of foreign
 * parents u64, their digests 32 each, the plaintext's length as u64 and the plaintext; u64 little endian.
 *
 * Two replicas that agree on an agent's newest digest agree on everything that agent ever wrote and on what it had
 * seen. The same (agent, seq) with another digest is a fork of that agent: detected here, never silently merged.
 *
 *   Ownership  opaque; chain_new() / chain_free(). Plaintexts are not kept.
 *   Threads    every call takes the chain's own lock: the user interface adds what is typed while the network thread
 *              checks what arrives.
 *   Bounds     40 bytes a batch. A batch is found in logarithmic time; a new agent costs a move of those behind it.
 */
#ifndef WEFT_SYNC_CHAIN_H
#define WEFT_SYNC_CHAIN_H

#include "sync/batch.h"

struct chain;

struct chain *chain_new(const struct doc_id *doc);
void chain_free(struct chain *chain);

enum chain_link {
    CHAIN_NEXT,   /* follows what is there; *digest is what it will be */
    CHAIN_KNOWN,  /* already there with the same digest */
    CHAIN_EARLY,  /* the agent's previous batch or a parent is missing: offer it again later */
    CHAIN_FORKED, /* the id is taken by other content: the agent equivocates */
};

/* Where a batch would stand, without adding it. *digest counts for NEXT and KNOWN. `plain` is its canonical form. */
enum chain_link chain_check(struct chain *chain, const struct batch *batch, struct bytes plain, struct digest *digest);
/* The same, and adds it when it is CHAIN_NEXT. */
enum chain_link chain_add(struct chain *chain, const struct batch *batch, struct bytes plain, struct digest *digest);

/*
 * Several consecutive batches of one agent, of which none or all are to be added: chain_check_run() computes the
 * digests of batches[0..count) in a row, digests[i] for each, and adds nothing. CHAIN_NEXT when the first unknown one
 * follows what is there and all parents are known; CHAIN_KNOWN when all are there already. count > 0.
 */
enum chain_link chain_check_run(struct chain *chain, const struct batch *batches, const struct bytes *plains,
                                size_t count, struct digest *digests);

/*
 * The digest alone, by the rule above: behind `previous` (NULL: it is its agent's first), `parents` the digests of the
 * batches that hold its foreign parents, in their order. No chain is needed, and none is asked.
 */
void chain_digest(const struct doc_id *doc, const struct batch *batch, struct bytes plain,
                  const struct digest *previous, const struct digest *parents, struct digest *out);

/* The next seq of an agent: 0 when it is unknown. */
uint64_t chain_next_seq(struct chain *chain, const struct agent_id *agent);
/* The digest of the batch that holds this event; false when it is unknown. */
bool chain_find(struct chain *chain, const struct event_id *event, struct digest *digest);
/* The digest of the agent's newest batch; false when it is unknown. */
bool chain_newest(struct chain *chain, const struct agent_id *agent, struct digest *digest);

/*
 * Forgets an agent's batches from `next_seq` on, which is where one of them begins: they were checked, but nobody kept
 * them, and they have to be taken when they come again.
 */
void chain_cut(struct chain *chain, const struct agent_id *agent, uint64_t next_seq);

struct chain_head {
    struct agent_id agent;
    uint64_t next_seq;
    struct digest newest;
};
/* Every agent with its newest digest, sorted by agent. Heap array for the caller; *count is its length. */
struct chain_head *chain_heads(struct chain *chain, size_t *count);

/* All of it, for a checkpoint; and back. NULL and *err for bytes that are not such. */
void chain_encode(struct chain *chain, struct buf *out);
MUST_USE struct chain *chain_decode(const struct doc_id *doc, struct bytes encoded, struct error *err);

#endif
