/* What branches are called: local ids here, names that everybody understands. */
#include <stdlib.h>
#include <string.h>

#include "sync/chain_parts.h"

struct agent_id chain_branch_id(const struct digest *first)
{
    struct agent_id id;
    memcpy(id.bytes, first->bytes, sizeof id.bytes);
    return id;
}

struct chain_branch *chain_branch(const struct chain *chain, const struct agent_id *local)
{
    for (size_t i = 0; i < chain->fork_count; i++)
        if (agent_id_equal(&chain->forks[i]->id, local))
            return chain->forks[i];
    return chain_agent(chain, local);
}

/* --- from names --- */

/* A name means the events of `branch` from seq on, and all branches that leave it behind that. */
struct named {
    struct chain_branch *branch;
    uint64_t seq;
    bool whole; /* the agent itself: all of its branches */
};

static struct named find_name(const struct chain *chain, const struct agent_id *id)
{
    for (size_t i = 0; i < chain->fork_count; i++) {
        struct chain_branch *fork = chain->forks[i];
        if (agent_id_equal(&fork->id, id))
            return (struct named){fork, fork->seq0, false};
        if (agent_id_equal(&fork->rival, id))
            return (struct named){fork->from, fork->seq0, false};
    }
    return (struct named){chain_agent(chain, id), 0, true};
}

static bool is_meant(const struct named *named, const struct chain_branch *branch, uint64_t seq)
{
    if (named->whole)
        return agent_id_equal(&branch->agent, &named->branch->agent);
    if (branch == named->branch)
        return seq >= named->seq;
    while (branch && branch->from != named->branch)
        branch = branch->from;
    return branch && branch->seq0 > named->seq;
}

struct chain_branch *chain_named(const struct chain *chain, const struct event_id *name, unsigned n)
{
    struct named named = find_name(chain, &name->agent);
    size_t at;
    if (!named.branch)
        return NULL;
    if (chain_entry_at(named.branch, name->seq, &at) && is_meant(&named, named.branch, name->seq) && n-- == 0)
        return named.branch;
    for (size_t i = 0; i < chain->fork_count; i++) {
        struct chain_branch *fork = chain->forks[i];
        if (fork != named.branch && chain_entry_at(fork, name->seq, &at) && is_meant(&named, fork, name->seq) && n-- == 0)
            return fork;
    }
    return NULL;
}

unsigned chain_count_named(const struct chain *chain, const struct event_id *name)
{
    unsigned count = 0;
    if (chain->fork_count == 0)
        return chain_named(chain, name, 0) != NULL;
    while (chain_named(chain, name, count))
        count++;
    return count;
}

/* --- to names --- */

/* The nearest fork at or before an event of a local branch says what it is called. */
static struct agent_id name_of(const struct chain *chain, const struct event_id *event)
{
    const struct chain_branch *branch = chain_branch(chain, &event->agent), *nearest = NULL;
    if (!branch)
        return event->agent;
    while (branch->from && event->seq < branch->seq0)
        branch = branch->from;
    for (size_t i = 0; i < chain->fork_count; i++) {
        const struct chain_branch *fork = chain->forks[i];
        if (fork->from == branch && fork->seq0 <= event->seq && (!nearest || fork->seq0 > nearest->seq0))
            nearest = fork;
    }
    return nearest ? nearest->rival : branch->id;
}

static int compare_events(const void *a, const void *b)
{
    const struct event_id *left = a, *right = b;
    int order = agent_id_compare(&left->agent, &right->agent);
    return order != 0 ? order : (left->seq > right->seq) - (left->seq < right->seq);
}

static void name_heads(const struct chain *chain, struct event_id *heads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        heads[i].agent = name_of(chain, &heads[i]);
    if (count > 1)
        qsort(heads, count, sizeof *heads, compare_events);
}

void chain_name_heads(struct chain *chain, struct event_id *heads, size_t count)
{
    pthread_mutex_lock(&chain->lock);
    if (chain->fork_count > 0)
        name_heads(chain, heads, count);
    pthread_mutex_unlock(&chain->lock);
}

void chain_place_heads(struct chain *chain, struct event_id *heads, size_t count)
{
    pthread_mutex_lock(&chain->lock);
    for (size_t i = 0; i < count && chain->fork_count > 0; i++) {
        const struct chain_branch *branch = chain_named(chain, &heads[i], 0);
        heads[i].agent = branch ? branch->id : heads[i].agent;
    }
    pthread_mutex_unlock(&chain->lock);
}

void chain_name_batch(struct chain *chain, struct batch *batch)
{
    pthread_mutex_lock(&chain->lock);
    if (chain->fork_count > 0) {
        name_heads(chain, batch->parents, batch->parent_count);
        for (size_t i = 0; i < batch->undo_count; i++) {
            struct event_span *span = &batch->undo[i];
            span->agent = name_of(chain, &(struct event_id){span->agent, span->seq + span->len - 1});
        }
    }
    pthread_mutex_unlock(&chain->lock);
}
