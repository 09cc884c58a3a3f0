#include "sync/chain.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"
#include "sync/crypto.h"

/* A batch ends where the agent's next one begins, the newest one at next_seq. */
struct chain_entry {
    uint64_t seq0;
    struct digest digest;
};

struct chain_agent {
    struct agent_id id;
    uint64_t next_seq;
    struct chain_entry *entries; /* ascending, without holes from seq 0 */
    size_t count, cap;
};

struct chain {
    pthread_mutex_t lock;
    struct doc_id doc;
    struct chain_agent *agents; /* sorted by id */
    size_t count, cap;
};

static const struct digest no_digest; /* what the first batch of an agent has for a predecessor */

struct chain *chain_new(const struct doc_id *doc)
{
    struct chain *chain = xcalloc(1, sizeof *chain);
    pthread_mutex_init(&chain->lock, NULL);
    chain->doc = *doc;
    return chain;
}

void chain_free(struct chain *chain)
{
    if (!chain)
        return;
    for (size_t i = 0; i < chain->count; i++)
        free(chain->agents[i].entries);
    free(chain->agents);
    pthread_mutex_destroy(&chain->lock);
    free(chain);
}

/* --- finding --- */

/* Where this agent stands or would stand. */
static size_t agent_index(const struct chain *chain, const struct agent_id *id)
{
    size_t low = 0, high = chain->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (agent_id_compare(&chain->agents[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct chain_agent *find_agent(const struct chain *chain, const struct agent_id *id)
{
    size_t at = agent_index(chain, id);
    bool there = at < chain->count && agent_id_equal(&chain->agents[at].id, id);
    return there ? &chain->agents[at] : NULL;
}

static struct chain_agent *find_or_add_agent(struct chain *chain, const struct agent_id *id)
{
    struct chain_agent *known = find_agent(chain, id);
    if (known)
        return known;
    size_t at = agent_index(chain, id);
    chain->agents = xgrow(chain->agents, &chain->cap, chain->count + 1, sizeof *chain->agents);
    memmove(chain->agents + at + 1, chain->agents + at, (chain->count - at) * sizeof *chain->agents);
    chain->count++;
    chain->agents[at] = (struct chain_agent){.id = *id};
    return &chain->agents[at];
}

/* The batch that holds seq: the last one that begins at or before it. NULL when it is not there. */
static const struct chain_entry *find_entry(const struct chain_agent *agent, uint64_t seq)
{
    if (!agent || seq >= agent->next_seq)
        return NULL;
    size_t low = 0, high = agent->count; /* entries[low] begins at or before seq, entries[high] behind it */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (agent->entries[middle].seq0 <= seq)
            low = middle;
        else
            high = middle;
    }
    return &agent->entries[low];
}

/* --- linking --- */

void chain_digest(const struct doc_id *doc, const struct batch *batch, struct bytes plain,
                  const struct digest *previous, const struct digest *parents, struct digest *out)
{
    struct hasher hasher;
    previous = previous ? previous : &no_digest;
    hasher_init(&hasher, "weft-batch-1");
    hasher_add(&hasher, doc->bytes, sizeof doc->bytes);
    hasher_add(&hasher, batch->agent.bytes, sizeof batch->agent.bytes);
    hasher_add_u64(&hasher, batch->seq0);
    hasher_add(&hasher, previous->bytes, sizeof previous->bytes);
    hasher_add_u64(&hasher, batch->parent_count);
    for (size_t i = 0; i < batch->parent_count; i++)
        hasher_add(&hasher, parents[i].bytes, sizeof parents[i].bytes);
    hasher_add_sized(&hasher, plain);
    hasher_digest(&hasher, out);
}

/* False when a parent is missing. */
static bool batch_digest(const struct chain *chain, const struct batch *batch, struct bytes plain,
                         const struct digest *previous, struct digest *out)
{
    struct digest parents[BATCH_PARENTS_MAX];
    ensure(batch->parent_count <= BATCH_PARENTS_MAX);
    for (size_t i = 0; i < batch->parent_count; i++) {
        const struct event_id *parent = &batch->parents[i];
        const struct chain_entry *entry = find_entry(find_agent(chain, &parent->agent), parent->seq);
        if (!entry)
            return false;
        parents[i] = entry->digest;
    }
    chain_digest(&chain->doc, batch, plain, previous, parents, out);
    return true;
}

/*
 * A batch whose first seq is taken: the one that took it, or something else. A parent that is not here makes it
 * something else as well, for the stored batch had all of its parents.
 */
static enum chain_link link_taken(const struct chain *chain, const struct chain_agent *agent, const struct batch *batch,
                                  struct bytes plain, struct digest *digest)
{
    const struct chain_entry *entry = find_entry(agent, batch->seq0);
    if (entry->seq0 != batch->seq0)
        return CHAIN_FORKED;
    const struct digest *previous = entry == agent->entries ? &no_digest : &entry[-1].digest;
    bool same = batch_digest(chain, batch, plain, previous, digest) && digest_equal(digest, &entry->digest);
    return same ? CHAIN_KNOWN : CHAIN_FORKED;
}

static const struct digest *newest_of(const struct chain_agent *agent)
{
    return agent && agent->count ? &agent->entries[agent->count - 1].digest : &no_digest;
}

static enum chain_link link_run(const struct chain *chain, const struct batch *batches, const struct bytes *plains,
                                size_t count, struct digest *digests)
{
    const struct chain_agent *agent = find_agent(chain, &batches[0].agent);
    const struct digest *previous = newest_of(agent);
    uint64_t next_seq = agent ? agent->next_seq : 0;
    enum chain_link link = CHAIN_KNOWN;

    for (size_t i = 0; i < count; i++) {
        const struct batch *batch = &batches[i];
        ensure(batch->count > 0 && batch->count <= UINT64_MAX - batch->seq0);
        ensure(i == 0 || (agent_id_equal(&batch->agent, &batches[0].agent) &&
                          batch->seq0 == batches[i - 1].seq0 + batches[i - 1].count));
        if (batch->seq0 < next_seq) {
            if (link_taken(chain, agent, batch, plains[i], &digests[i]) != CHAIN_KNOWN)
                return CHAIN_FORKED;
            continue;
        }
        if (batch->seq0 > next_seq || !batch_digest(chain, batch, plains[i], previous, &digests[i]))
            return CHAIN_EARLY;
        link = CHAIN_NEXT;
        previous = &digests[i];
        next_seq = batch->seq0 + batch->count;
    }
    return link;
}

static void append(struct chain *chain, const struct batch *batch, const struct digest *digest)
{
    struct chain_agent *agent = find_or_add_agent(chain, &batch->agent);
    agent->entries = xgrow(agent->entries, &agent->cap, agent->count + 1, sizeof *agent->entries);
    agent->entries[agent->count++] = (struct chain_entry){batch->seq0, *digest};
    agent->next_seq = batch->seq0 + batch->count;
}

/* --- the public calls: each under the lock --- */

enum chain_link chain_check_run(struct chain *chain, const struct batch *batches, const struct bytes *plains,
                                size_t count, struct digest *digests)
{
    ensure(count > 0);
    pthread_mutex_lock(&chain->lock);
    enum chain_link link = link_run(chain, batches, plains, count, digests);
    pthread_mutex_unlock(&chain->lock);
    return link;
}

enum chain_link chain_check(struct chain *chain, const struct batch *batch, struct bytes plain, struct digest *digest)
{
    return chain_check_run(chain, batch, &plain, 1, digest);
}

enum chain_link chain_add(struct chain *chain, const struct batch *batch, struct bytes plain, struct digest *digest)
{
    pthread_mutex_lock(&chain->lock);
    enum chain_link link = link_run(chain, batch, &plain, 1, digest);
    if (link == CHAIN_NEXT)
        append(chain, batch, digest);
    pthread_mutex_unlock(&chain->lock);
    return link;
}

uint64_t chain_next_seq(struct chain *chain, const struct agent_id *id)
{
    pthread_mutex_lock(&chain->lock);
    const struct chain_agent *agent = find_agent(chain, id);
    uint64_t next_seq = agent ? agent->next_seq : 0;
    pthread_mutex_unlock(&chain->lock);
    return next_seq;
}

bool chain_find(struct chain *chain, const struct event_id *event, struct digest *digest)
{
    pthread_mutex_lock(&chain->lock);
    const struct chain_entry *entry = find_entry(find_agent(chain, &event->agent), event->seq);
    if (entry)
        *digest = entry->digest;
    pthread_mutex_unlock(&chain->lock);
    return entry != NULL;
}

bool chain_newest(struct chain *chain, const struct agent_id *id, struct digest *digest)
{
    pthread_mutex_lock(&chain->lock);
    const struct chain_agent *agent = find_agent(chain, id);
    if (agent)
        *digest = *newest_of(agent);
    pthread_mutex_unlock(&chain->lock);
    return agent != NULL;
}

void chain_cut(struct chain *chain, const struct agent_id *id, uint64_t next_seq)
{
    pthread_mutex_lock(&chain->lock);
    struct chain_agent *agent = find_agent(chain, id);
    while (agent && agent->count > 0 && agent->entries[agent->count - 1].seq0 >= next_seq)
        agent->next_seq = agent->entries[--agent->count].seq0;
    if (agent && agent->count == 0) {
        free(agent->entries);
        size_t behind = (size_t)(chain->agents + chain->count - agent) - 1;
        memmove(agent, agent + 1, behind * sizeof *agent);
        chain->count--;
    }
    pthread_mutex_unlock(&chain->lock);
}

struct chain_head *chain_heads(struct chain *chain, size_t *count)
{
    pthread_mutex_lock(&chain->lock);
    struct chain_head *heads = xcalloc(chain->count, sizeof *heads);
    for (size_t i = 0; i < chain->count; i++) {
        const struct chain_agent *agent = &chain->agents[i];
        heads[i] = (struct chain_head){agent->id, agent->next_seq, *newest_of(agent)};
    }
    *count = chain->count;
    pthread_mutex_unlock(&chain->lock);
    return heads;
}

/* --- checkpoints --- */

static void encode_agent(const struct chain_agent *agent, struct buf *out)
{
    buf_add(out, agent->id.bytes, sizeof agent->id.bytes);
    buf_add_varint(out, agent->next_seq);
    buf_add_varint(out, agent->count);
    for (size_t i = 0; i < agent->count; i++) {
        uint64_t end = i + 1 < agent->count ? agent->entries[i + 1].seq0 : agent->next_seq;
        buf_add_varint(out, end - agent->entries[i].seq0);
        buf_add(out, agent->entries[i].digest.bytes, sizeof agent->entries[i].digest.bytes);
    }
}

void chain_encode(struct chain *chain, struct buf *out)
{
    pthread_mutex_lock(&chain->lock);
    buf_add_varint(out, chain->count);
    for (size_t i = 0; i < chain->count; i++)
        encode_agent(&chain->agents[i], out);
    pthread_mutex_unlock(&chain->lock);
}

static void decode_agent(struct reader *reader, struct chain *chain)
{
    struct agent_id id;
    read_into(reader, id.bytes, sizeof id.bytes);
    if (find_agent(chain, &id))
        reader_fail(reader);
    struct chain_agent *agent = find_or_add_agent(chain, &id);
    uint64_t next_seq = read_varint(reader);
    /* An entry takes more than a digest's bytes: more entries than that cannot be there, so nothing is allocated for them. */
    uint64_t count = read_varint_max(reader, reader_left(reader) / sizeof(struct digest));
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        uint64_t len = read_varint_max(reader, next_seq - agent->next_seq);
        if (len == 0)
            reader_fail(reader);
        agent->entries = xgrow(agent->entries, &agent->cap, agent->count + 1, sizeof *agent->entries);
        struct chain_entry *entry = &agent->entries[agent->count++];
        entry->seq0 = agent->next_seq;
        read_into(reader, entry->digest.bytes, sizeof entry->digest.bytes);
        agent->next_seq += len;
    }
    if (agent->next_seq != next_seq)
        reader_fail(reader);
}

struct chain *chain_decode(const struct doc_id *doc, struct bytes encoded, struct error *err)
{
    struct chain *chain = chain_new(doc);
    struct reader reader = reader_of(encoded);
    uint64_t count = read_varint(&reader);
    for (uint64_t i = 0; i < count && !reader.failed; i++)
        decode_agent(&reader, chain);
    if (reader_done(&reader))
        return chain;
    chain_free(chain);
    error_set(err, ERR_FORMAT, 0, "the hash chain of a checkpoint cannot be read");
    return NULL;
}
