/* What branches are called: local ids here, names that everybody understands. */
#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"
#include "sync/chain_parts.h"

struct agent_id chain_branch_id(const struct digest *first)
{
    struct agent_id id;
    memcpy(id.bytes, first->bytes, sizeof id.bytes);
    return id;
}

/* Where this name stands or would stand: the first of its like. */
static size_t name_index(const struct chain *chain, const struct agent_id *id)
{
    size_t at;
    BISECT(at, chain->name_count, agent_id_compare(&chain->names[at].id, id) < 0);
    return at;
}

static struct chain_branch *fork_named(const struct chain *chain, const struct agent_id *id)
{
    size_t at = name_index(chain, id);
    return at < chain->name_count && agent_id_equal(&chain->names[at].id, id) ? chain->names[at].fork : NULL;
}

void chain_add_name(struct chain *chain, const struct agent_id *id, struct chain_branch *fork)
{
    size_t at = name_index(chain, id);
    chain->names = xgrow(chain->names, &chain->name_cap, chain->name_count + 1, sizeof *chain->names);
    memmove(chain->names + at + 1, chain->names + at, (chain->name_count - at) * sizeof *chain->names);
    chain->names[at] = (struct chain_name){*id, fork};
    chain->name_count++;
}

void chain_drop_names(struct chain *chain, const struct chain_branch *fork)
{
    size_t kept = 0;
    for (size_t i = 0; i < chain->name_count; i++)
        if (chain->names[i].fork != fork)
            chain->names[kept++] = chain->names[i];
    chain->name_count = kept;
}

bool chain_is_branch(const struct chain *chain, const struct agent_id *local)
{
    const struct chain_branch *fork = fork_named(chain, local);
    return fork && agent_id_equal(&fork->id, local);
}

struct chain_branch *chain_branch(const struct chain *chain, const struct agent_id *local)
{
    struct chain_branch *fork = fork_named(chain, local);
    return fork && agent_id_equal(&fork->id, local) ? fork : chain_agent(chain, local);
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
    struct chain_branch *fork = fork_named(chain, id);
    if (!fork)
        return (struct named){chain_agent(chain, id), 0, true};
    return (struct named){agent_id_equal(&fork->id, id) ? fork : fork->from, fork->seq0, false};
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

static void add_choice(const struct named *named, struct chain_branch *branch, uint64_t seq, struct chain_choices *out)
{
    size_t at;
    if (chain_entry_at(branch, seq, &at) && is_meant(named, branch, seq))
        out->branches[out->count++] = branch;
}

void chain_named_all(const struct chain *chain, const struct event_id *name, struct chain_choices *out)
{
    struct named named = find_name(chain, &name->agent);
    out->count = 0;
    if (!named.branch)
        return;
    add_choice(&named, named.branch, name->seq, out);
    const struct chain_branch *first = chain_agent(chain, &named.branch->agent);
    for (size_t i = 0; i < first->fork_count; i++)
        if (first->forks[i] != named.branch)
            add_choice(&named, first->forks[i], name->seq, out);
}

struct chain_branch *chain_named(const struct chain *chain, const struct event_id *name, unsigned n)
{
    struct chain_choices choices;
    chain_named_all(chain, name, &choices);
    return n < choices.count ? choices.branches[n] : NULL;
}

bool chain_is_in_doubt(const struct chain *chain, const struct agent_id *name)
{
    struct named named = find_name(chain, name);
    return named.branch && chain_agent(chain, &named.branch->agent)->fork_count > 0;
}

struct chain_branch *chain_named_on(const struct chain *chain, const struct event_id *name, struct chain_branch *line)
{
    struct named named = find_name(chain, &name->agent);
    size_t at;
    while (line && name->seq < line->seq0)
        line = line->from;
    return named.branch && chain_entry_at(line, name->seq, &at) && is_meant(&named, line, name->seq) ? line : NULL;
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
    const struct chain_branch *first = chain_agent(chain, &branch->agent);
    for (size_t i = 0; i < first->fork_count; i++) {
        const struct chain_branch *fork = first->forks[i];
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
