/* A chain whose older digests are left to its source: going to sleep, and waking. */
#include "sync/chain_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"

void chain_set_source(struct chain *chain, struct chain_source source)
{
    pthread_mutex_lock(&chain->lock);
    chain->source = source;
    pthread_mutex_unlock(&chain->lock);
}

size_t chain_first_entry(const struct chain_branch *branch, uint64_t seq)
{
    size_t at;
    BISECT(at, branch->count, branch->entries[at].seq0 < seq);
    return at;
}

/* What is before the oldest batch that is known here: the first `index` entries of `branch`, and those of what it leaves. */
struct older {
    const struct chain_branch *branch;
    size_t index;
};

static bool is_oldest_known(const struct chain_branch *known, const struct chain_branch *branch, size_t *index)
{
    return chain_entry_at(branch, known->known_seq, index) && branch->entries[*index].seq0 == known->known_seq &&
           digest_equal(&branch->entries[*index].digest, &known->entries[0].digest);
}

/*
 * In `whole`, which is read from more than was known when the other part was saved: if its agent has forked since, ours may be
 * any of its branches. The digest tells, and vouches for all before it. The forks themselves come here as they came there.
 */
static bool find_older(const struct chain *whole, const struct chain_branch *known, struct older *out)
{
    const struct chain_branch *first = chain_agent(whole, &known->id);
    bool found = is_oldest_known(known, first, &out->index);
    out->branch = first;
    for (size_t i = 0; !found && first && i < first->fork_count; i++) {
        out->branch = first->forks[i];
        found = is_oldest_known(known, out->branch, &out->index);
    }
    return found;
}

/* What `older` leaves, up to where it does. False: it leaves nothing. */
static bool go_back(struct older *older)
{
    uint64_t seq = older->branch->seq0;
    older->branch = older->branch->from;
    older->index = older->branch ? chain_first_entry(older->branch, seq) : 0;
    return older->branch != NULL;
}

static void add_older(struct chain_branch *branch, struct older older)
{
    size_t count = older.index;
    for (struct older at = older; go_back(&at);)
        count += at.index;
    branch->entries = xgrow(branch->entries, &branch->cap, branch->count + count, sizeof *branch->entries);
    memmove(branch->entries + count, branch->entries, branch->count * sizeof *branch->entries);
    branch->count += count;
    do {
        count -= older.index;
        memcpy(branch->entries + count, older.branch->entries, older.index * sizeof *branch->entries);
    } while (go_back(&older));
    branch->known_seq = 0;
}

static bool take_older(struct chain *chain, const struct chain *whole)
{
    struct older older;
    for (size_t i = 0; i < chain->count; i++)
        if (chain->agents[i]->known_seq > 0 && !find_older(whole, chain->agents[i], &older))
            return false;
    for (size_t i = 0; i < chain->count; i++)
        if (chain->agents[i]->known_seq > 0 && find_older(whole, chain->agents[i], &older))
            add_older(chain->agents[i], older);
    chain->asleep = false;
    return true;
}

bool chain_wake(struct chain *chain)
{
    struct chain_source source = chain->source;
    if (!chain->asleep || !source.read)
        return !chain->asleep;
    struct chain *whole = chain_new(&chain->doc);
    pthread_mutex_unlock(&chain->lock);
    bool read = source.read(source.self, whole);
    pthread_mutex_lock(&chain->lock);
    bool awake = !chain->asleep || (read && take_older(chain, whole)); /* another thread may have been faster */
    chain_free(whole);
    return awake;
}

static void forget_older(struct chain_branch *branch)
{
    size_t older = branch->count > CHAIN_NEWEST_KEPT ? branch->count - CHAIN_NEWEST_KEPT : 0;
    if (older == 0)
        return;
    struct chain_entry *newest = xmemdup(branch->entries + older, CHAIN_NEWEST_KEPT * sizeof *newest);
    free(branch->entries);
    branch->entries = newest;
    branch->count = branch->cap = CHAIN_NEWEST_KEPT;
    branch->known_seq = newest[0].seq0;
}

void chain_sleep(struct chain *chain)
{
    pthread_mutex_lock(&chain->lock);
    bool may = chain->fork_count == 0 && chain->source.read;
    for (size_t i = 0; may && i < chain->count; i++) {
        forget_older(chain->agents[i]);
        chain->asleep |= chain->agents[i]->known_seq > 0;
    }
    pthread_mutex_unlock(&chain->lock);
}

void chain_need(struct chain *chain, const struct agent_id *agent, uint64_t seq)
{
    const struct chain_branch *branch = chain->asleep ? chain_agent(chain, agent) : NULL;
    if (branch && seq < branch->known_seq && !chain_wake(chain))
        return; /* then it is not found */
}

void chain_need_run(struct chain *chain, const struct batch_run *run)
{
    if (!chain->asleep)
        return;
    struct batch_cursor cursor = batch_cursor_of(run);
    while (chain->asleep && batch_cursor_next(&cursor)) {
        chain_need(chain, &run->agent, cursor.batch->seq0 ? cursor.batch->seq0 - 1 : 0);
        for (size_t p = 0; p < cursor.batch->parent_count; p++)
            chain_need(chain, &cursor.batch->parents[p].agent, cursor.batch->parents[p].seq);
    }
    batch_cursor_release(&cursor);
}
