/*
 * chain_parts - the inside of struct chain, for the files that implement sync/chain.h; nobody else includes it.
 *
 *   chain.c        finding, linking, adding
 *   chain_asleep.c what older digests are left to, and getting them back
 *   chain_names.c  local ids and names
 *   chain_code.c   the whole in bytes, or its newest part
 */
#ifndef WEFT_SYNC_CHAIN_PARTS_H
#define WEFT_SYNC_CHAIN_PARTS_H

#include <pthread.h>

#include "sync/chain.h"

/* A batch ends where the next one of its branch begins, the newest one at next_seq. */
struct chain_entry {
    uint64_t seq0;
    struct digest digest;
};

struct chain_branch {
    struct agent_id id;    /* local */
    struct agent_id agent; /* who writes: the same as `id` for the branch that came first */
    struct chain_branch *from; /* what it leaves, at the batch that would begin at seq0; NULL: it came first */
    uint64_t seq0, next_seq;
    struct agent_id rival; /* of a branch that leaves another: see struct agent_fork */
    struct chain_entry *entries; /* ascending, without holes from seq0; of a branch that is asleep: from known_seq */
    uint64_t known_seq;          /* 0: all of it is here */
    size_t count, cap;
    struct chain_branch **forks; /* of the branch that came first: all others of its agent, in the order they came */
    size_t fork_count, fork_cap; /* at most CHAIN_AGENT_FORKS_MAX */
};

/* A name that a fork gave: its own id, or what the other side is called there. */
struct chain_name {
    struct agent_id id;
    struct chain_branch *fork;
};

struct chain {
    pthread_mutex_t lock;
    struct doc_id doc;
    bool asleep; /* there are branches with a known_seq; nobody had forked when it fell asleep */
    struct chain_source source;
    struct chain_branch **agents; /* the branches that came first, sorted by id */
    size_t count, cap;
    struct chain_branch **forks;  /* all others, in the order they came */
    size_t fork_count, fork_cap;
    struct chain_name *names;     /* two of each fork, sorted by id */
    size_t name_count, name_cap;
};

/* All branches of an agent that have something at one seq, in the order they came. */
struct chain_choices {
    struct chain_branch *branches[CHAIN_AGENT_FORKS_MAX + 1];
    unsigned count;
};

/*
 * All under the lock. chain_wake() lets go of it meanwhile, so it comes before anything is looked up. False: the older batches are
 * not to be had now.
 */
bool chain_wake(struct chain *chain);
/* Wakes it where what is asked for may be older than what is here: one event, all that a run builds on. */
void chain_need(struct chain *chain, const struct agent_id *agent, uint64_t seq);
void chain_need_run(struct chain *chain, const struct batch_run *run);
struct chain_branch *chain_agent(const struct chain *chain, const struct agent_id *agent); /* NULL: unknown */
struct chain_branch *chain_add_agent(struct chain *chain, const struct agent_id *agent);   /* known is fine */
/* Whether there is room for another fork of the agent of `from`. */
bool chain_may_fork(const struct chain *chain, const struct chain_branch *from);
/* There is room. Its id follows from its first batch. */
struct chain_branch *chain_add_fork(struct chain *chain, struct chain_branch *from, uint64_t seq,
                                    const struct agent_id *rival);
struct chain_branch *chain_branch(const struct chain *chain, const struct agent_id *local); /* by local id */
void chain_append(struct chain *chain, struct chain_branch *branch, uint64_t seq0, uint64_t count, const struct digest *digest);
size_t chain_first_entry(const struct chain_branch *branch, uint64_t seq); /* that begins at or after seq */
/* The index of the batch that holds seq; false when the branch has none. */
bool chain_entry_at(const struct chain_branch *branch, uint64_t seq, size_t *index);
struct agent_id chain_branch_id(const struct digest *first);
bool chain_is_branch(const struct chain *chain, const struct agent_id *local); /* one that leaves another */
/* The branches in which a name's event is. */
void chain_named_all(const struct chain *chain, const struct event_id *name, struct chain_choices *out);
/* Whether a name is one of an agent that forked, so that it may mean several events. */
bool chain_is_in_doubt(const struct chain *chain, const struct agent_id *name);
/* The branch that holds a name's event on the line of its agent's chain that leads to `line`; NULL: it is not on that. */
struct chain_branch *chain_named_on(const struct chain *chain, const struct event_id *name, struct chain_branch *line);
/* The n-th of them, from 0; NULL: there are not so many. */
struct chain_branch *chain_named(const struct chain *chain, const struct event_id *name, unsigned n);
/* Names of forks: there, and gone again. */
void chain_add_name(struct chain *chain, const struct agent_id *id, struct chain_branch *fork);
void chain_drop_names(struct chain *chain, const struct chain_branch *fork);

#endif
