/*
 * agent_lock - whether the process behind an agent is still alive.
 *
 * Every writing process holds a flock on a side file of its agent, DIR/HEX.lock. The kernel lets go of it however the
 * process ends, kill -9 included, so no clock and no process number is needed. A missing file means dead: the process
 * left in order, or somebody swept up after it.
 *
 *   Ownership  the lock is released by agent_lock_release(); a forked child that does not exec must release nothing and
 *              keep nothing: it shares the lock for as long as it lives.
 *   Errors     the system's, in words.
 *   Source     flock(2): locks belong to the open file description.
 */
#ifndef WEFT_SYNC_AGENT_LOCK_H
#define WEFT_SYNC_AGENT_LOCK_H

#include "editor/base/error.h"
#include "sync/id.h"

struct agent_lock {
    struct agent_id agent;
    char *path; /* NULL: nothing held */
    int fd;
};

/* Makes the agent's file in `dir` (an existing directory) and locks it. It must be an agent that was never locked before. */
MUST_USE bool agent_lock_hold(struct agent_lock *lock, const char *dir, const struct agent_id *agent,
                              struct error *err);
/* The agent is dead from here on. Fine on a zeroed lock. */
void agent_lock_release(struct agent_lock *lock);

enum agent_life { AGENT_DEAD, AGENT_ALIVE };
/* What cannot be found out counts as alive: taking over a living agent would fork it. The own agent is alive. */
enum agent_life agent_lock_test(const char *dir, const struct agent_id *agent);
/* Removes the files of dead agents; returns how many. */
unsigned agent_lock_sweep(const char *dir);

#endif
