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
 * seen. The same (agent, seq) with another digest is a fork of that agent (a restored machine, an equivocating writer, a
 * relay that serves two histories). Nothing of it is lost: the agent's batches are a tree, and both branches are kept.
 *
 *      ana  0..4 --- 5..9 ---- 10..11        here "ana": what came first
 *               \--- 5..6 ---- 7..8          here "4f9c...": the first 16 bytes of the digest of the batch 5..6
 *
 *   Names      Parents travel as (agent, seq), and whoever knew one branch only wrote (ana, 7), whichever it was. Where a
 *              batch belongs, and which parents it means, is one of several *ways*; each gives another digest, and the
 *              author's signature says which one it is. Who knows of a fork calls events behind it by their branch,
 *              (4f9c..., 7), both sides alike, so that is never in doubt, and is the same on all replicas.
 *   Lines      In one record a name stands for events on one line of its agent's chain: who did not know of a fork had seen
 *              one side of it, and who did calls its sides by two names. So a name has as many meanings as there are
 *              branches, however many of a record's batches use it, and whether a record keeps to this is the same for all
 *              who have what it builds on: nobody takes what another one refuses.
 *   Spans      of an undo: an own one is on the side its batch is on; another name means what it does as a parent in the record.
 *              Where none has it, the branch that came first is meant: that changes what an undo finds here, never the text.
 *   Locally    the branch that came first goes on under the agent's id (struct agent_fork). chain_take_run() gives batches
 *              these local ids, chain_name_*() turns local ids into names for others.
 *   Ownership  opaque; chain_new() / chain_free(). Plaintexts are not kept.
 *   Threads    every call takes the chain's own lock: the user interface adds what is typed while the network thread
 *              checks what arrives.
 *   Bounds     40 bytes a batch that is not asleep. A batch, an agent and a branch are found in logarithmic time; a new one
 *              costs a move of those behind it. An agent that forked costs a look at each of its own branches,
 *              CHAIN_AGENT_FORKS_MAX + 1 at most, whatever others do. All ways of a run together cost no more than hashing
 *              CHAIN_WORK_BYTES, and a call holds the lock for one way (chain_take_run(): unless the chain has changed since that was found).
 *   Limit      Ways that are left out because of that are the one case in which replicas part: who saw a record before the
 *              branches takes it, who saw them first may not find its way and refuses it, and says so. That needs a record
 *              whose author knew none of the forks of ten agents that forked once, or of three that forked sixteen times;
 *              of six that forked once if the record is as long as can be.
 *   Crowded    Of an agent with so many forks no further one is taken: CHAIN_CROWDED. Those in the log first are the ones
 *              that are kept, the same on all replicas that read that log. Where logs differ, so may the further text of an
 *              agent that forked seventeen times; nobody else's does, for nobody builds on what he did not take.
 *   Namesakes  Whoever forks on purpose can find out what his branch will be called and also write as an agent of that id. Of
 *              the two, the one first in the log is kept, with the same words as for the crowded: CHAIN_NAMESAKE.
 */
#ifndef WEFT_SYNC_CHAIN_H
#define WEFT_SYNC_CHAIN_H

#include "sync/batch_run.h"

enum {
    CHAIN_AGENT_FORKS_MAX = 16,
    CHAIN_WAYS_MAX = 1024, /* of a short run; fewer the longer it is */
    CHAIN_WORK_BYTES = 64 << 20,
    CHAIN_NEWEST_KEPT = 32, /* batches of an agent in chain_encode_newest() */
};

struct chain;

struct chain *chain_new(const struct doc_id *doc);
void chain_free(struct chain *chain);

enum chain_link {
    CHAIN_NEXT,   /* follows what is there; *digest is what it will be */
    CHAIN_KNOWN,  /* already there with the same digest */
    CHAIN_EARLY,  /* the agent's previous batch or a parent is missing: offer it again later */
    CHAIN_FORKED, /* its place is taken by other content: a new branch */
    CHAIN_CROWDED, /* the same, and one more than are kept of an agent: it is never added */
    CHAIN_NAMESAKE, /* a new branch or agent, and one that is there has its id: it is never added */
    CHAIN_NO_WAY, /* there are not so many ways, or they cost too much */
};

/*
 * One batch of our own, or of an agent of which no forks are known. Adds it when it is CHAIN_NEXT, and never a branch.
 * *digest counts for NEXT and KNOWN. `plain` is its canonical form.
 */
enum chain_link chain_add(struct chain *chain, const struct batch *batch, struct bytes plain, struct digest *digest);

/*
 * Several consecutive batches of one agent, of which none or all are to be added: computes their digests in a row, digests[i]
 * for each, and adds nothing. `way` counts from 0 to CHAIN_NO_WAY; without forks there is one way. The run is not empty.
 */
enum chain_link chain_check_run(struct chain *chain, const struct batch_run *run, unsigned way, struct digest *digests);

/*
 * The digest alone, by the rule above: behind `previous` (NULL: it is its agent's first), `parents` the digests of the
 * batches that hold its foreign parents, in their order. No chain is needed, and none is asked.
 */
void chain_digest(const struct doc_id *doc, const struct batch *batch, struct bytes plain,
                  const struct digest *previous, const struct digest *parents, struct digest *out);

struct chain_taken {
    size_t known;           /* the first so many batches were there already */
    bool forked;            /* the one behind them begins the branch `fork` */
    struct agent_fork fork;
};
/*
 * Adds what is new of such a run the way that ends in the digest `last`, whose truth the caller has checked. `way` is the
 * one he found: it is tried first. Where anybody has forked, the run gets local ids (run->local). CHAIN_NEXT, _FORKED, _KNOWN;
 * CHAIN_NO_WAY when no way ends so, CHAIN_EARLY when there is none yet, CHAIN_CROWDED, CHAIN_NAMESAKE: nothing is changed then.
 */
enum chain_link chain_take_run(struct chain *chain, struct batch_run *run, unsigned way, const struct digest *last,
                               struct digest *digests, struct chain_taken *taken);

/*
 * A chain that was decoded from its newest batches is *asleep*: digests are long and cannot be packed, and older ones are rarely
 * asked for. They follow from the batches, which the journal has. When one is needed (a record that builds on something old, or
 * that is known already; a count) the source is asked to put all batches into `whole`, which is empty. It runs on the thread that
 * asked, without the chain's lock: others go on meanwhile. `whole` may get more than is known here, forks too: of what is known
 * the older part is taken. False: not now; what was asked for is then not known (CHAIN_EARLY).
 */
struct chain_source {
    void *self;
    bool (*read)(void *self, struct chain *whole);
};
void chain_set_source(struct chain *chain, struct chain_source source);
/* All but the newest batches of each agent are left to the source, unless somebody has forked. */
void chain_sleep(struct chain *chain);

/* How many branches there are besides the agents. */
size_t chain_forks(struct chain *chain);
/* Of this agent (its own id, not a branch's)? */
bool chain_is_forked(struct chain *chain, const struct agent_id *agent);

/* The lowest seq at which branches of this agent (its own id) part; UINT64_MAX: it has not forked. */
uint64_t chain_parts_at(struct chain *chain, const struct agent_id *agent);

/* From local ids to names that everybody understands: the parents and undo spans of a batch of ours, the heads of a version
   (both are sorted again). */
void chain_name_batch(struct chain *chain, struct batch *batch);
void chain_name_heads(struct chain *chain, struct event_id *heads, size_t count);
/* And back, as far as they are known here; in doubt the branch that came first. */
void chain_place_heads(struct chain *chain, struct event_id *heads, size_t count);

/* The next seq of an agent, of its longest branch if it forked: 0 when it is unknown. */
uint64_t chain_next_seq(struct chain *chain, const struct agent_id *agent);
/* Whether a batch of the agent ends right before `seq`, in any branch. */
bool chain_reaches(struct chain *chain, const struct agent_id *agent, uint64_t seq);
/* The digest of the batch that holds this event; false when it is unknown. */
bool chain_find(struct chain *chain, const struct event_id *event, struct digest *digest);
/* The same of the n-th branch that has such an event, from 0. */
bool chain_find_nth(struct chain *chain, const struct event_id *event, unsigned n, struct digest *digest);
/* The digest of the agent's newest batch; false when it is unknown. */
bool chain_newest(struct chain *chain, const struct agent_id *agent, struct digest *digest);

/*
 * Forgets an agent's (or branch's: a local id) batches from `next_seq` on, which is where one of them begins: they were
 * checked, but nobody kept them, and they have to be taken when they come again.
 */
void chain_cut(struct chain *chain, const struct agent_id *agent, uint64_t next_seq);

/* How many batches of an agent (or branch: a local id) begin at [seq, end). */
uint64_t chain_count(struct chain *chain, const struct agent_id *agent, uint64_t seq, uint64_t end);

struct chain_head {
    struct agent_id agent;
    uint64_t next_seq;
    struct digest newest; /* of the branch that came first */
};
/* Every agent with its newest digest, sorted by agent. Heap array for the caller; *count is its length. */
struct chain_head *chain_heads(struct chain *chain, size_t *count);
/* The same of every single branch, by local ids; those that leave another one before it. */
struct chain_head *chain_branches(struct chain *chain, size_t *count);

/*
 * All of it; or of each agent the newest batches and how far it has come, for a checkpoint: of a chain with forks all. False: it
 * has forks and the rest of it cannot be had. And back; NULL and *err for bytes that are not such.
 */
void chain_encode(struct chain *chain, struct buf *out);
MUST_USE bool chain_encode_newest(struct chain *chain, struct buf *out);
MUST_USE struct chain *chain_decode(const struct doc_id *doc, struct bytes encoded, struct error *err);

#endif
