/*
 * The own relay of this user, while a document of it is open: where its process has died, it is started again. One that was told
 * to end, or ended because nobody needed it, stays ended; opening a document starts it then.
 */
#include "app/replica_online.h"
#include "app/replica_parts.h"

#include <stdlib.h>

#include "app/own_relay.h"
#include "editor/base/xalloc.h"

enum { REVIVE_AGAIN_MS = 10000 /* after it was tried */ };

struct revival {
    struct replica *replica;
    char *relay;
    bool died, good;
    struct error why;
};

/* Starting it is waited for, so not between two keys. */
static void revive_run(void *self)
{
    struct revival *revival = self;
    revival->died = own_relay_has_died(revival->replica->env, revival->relay);
    revival->good = revival->died && own_relay_revive(revival->replica->env, revival->relay, &revival->why);
}

static void revive_done(void *self)
{
    struct revival *revival = self;
    struct replica *replica = revival->replica;
    replica->revives = false;
    if (revival->good) {
        replica_say(replica, "The relay on this machine had died and was started again: nothing is lost.");
        replica_retry(replica);
    } else if (revival->died) {
        replica_say(replica, "The relay on this machine has died, and %s. What is typed is kept.", revival->why.text);
    }
    free(revival->relay);
    free(revival);
}

static bool wants_revival(const struct replica *replica)
{
    return replica->net && replica->keeps_room && replica->net_status.state == SESSION_OFFLINE && !replica->revives &&
           replica->was_reached;
}

void replica_revive_handle(struct replica *replica, uint64_t now_ms)
{
    if (replica->net_status.state == SESSION_ONLINE)
        replica->revive_ms = 0;
    if (!wants_revival(replica) || (replica->revive_ms && now_ms < replica->revive_ms + REVIVE_AGAIN_MS))
        return;
    struct revival *revival = xcalloc(1, sizeof *revival);
    *revival = (struct revival){.replica = replica, .relay = xstrdup(replica->entry.relay)};
    replica->revives = true;
    replica->revive_ms = now_ms;
    worker_give(replica->worker, (struct worker_job){revive_run, revive_done, revival});
}

uint64_t replica_revive_next_ms(const struct replica *replica)
{
    return wants_revival(replica) && replica->revive_ms ? replica->revive_ms + REVIVE_AGAIN_MS : UINT64_MAX;
}
