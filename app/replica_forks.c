/*
 * An agent has forked: two contents under one number. Nobody need mean harm: a machine was put back to an older state, or
 * copied while weft ran, and both go on. Everything is kept and merged (sync/chain.h); people are told whose writing it is.
 * When it is our own, this process goes on as another agent, for what it wrote next would be the next fork.
 */
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"

#include <string.h>

#include "editor/base/xalloc.h"

bool replica_wrote_twice(const struct replica *replica, const struct sign_public *doc_key)
{
    bool found = false;
    for (size_t i = 0; chain_forks(replica->chain) > 0 && i < replica->members.count; i++) {
        const struct member *member = &replica->members.items[i]->member;
        found |= memcmp(&member->doc_key, doc_key, sizeof *doc_key) == 0 && chain_is_forked(replica->chain, &member->agent);
    }
    return found;
}

const char *replica_name_of(const struct replica *replica, const struct agent_id *agent, const char *unknown)
{
    const struct roster_entry *entry = roster_find(&replica->members, agent);
    return entry && entry->member.name[0] ? entry->member.name : unknown;
}

bool replica_is_of_another_device(const struct replica *replica, const struct agent_id *agent)
{
    const struct roster_entry *entry = roster_find(&replica->members, agent);
    const struct sign_public *own = &replica->env->device.key.public_key;
    return entry && memcmp(&entry->member.device_key, own, sizeof *own) != 0;
}

static bool is_ours(const struct replica *replica, const struct agent_id *agent)
{
    for (size_t i = 0; i < replica->mine_count; i++)
        if (agent_id_equal(&replica->mine[i], agent))
            return true;
    return false;
}

void replica_take_fork(struct replica *replica, const struct agent_id *agent)
{
    if (is_ours(replica, agent))
        replica_say(replica, "This weft was copied while it ran, or put back to an older state, and wrote on twice: both "
                             "are kept and merged. Look the text over.");
    else
        replica_say(replica, "%s wrote two different things from one state (a copied or restored machine?): both are kept and "
                             "merged. F2 shows who.", replica_name_of(replica, agent, "Somebody"));
    if (replica->writing && !replica->is_private && agent_id_equal(agent, &replica->agent))
        replica->renew_due = true;
    replica_touch(replica);
}

void replica_go_on_as_another(struct replica *replica)
{
    struct error err = {0};
    bool online = replica->net != NULL;
    uint64_t place_read = replica->place_read, checkpoint_place = replica->checkpoint_place;
    replica->renew_due = false;
    replica_come_off(replica);
    neighbours_present(replica, true); /* while it is still who they know */
    replica_stop_writing(replica);
    neighbours_close(replica);
    replica->place_read = place_read;
    replica->checkpoint_place = checkpoint_place;
    if (replica_open_reader(replica, &err)) {
        replica->journal_found = replica->reader;
        replica->reader = NULL;
    } else {
        replica_say(replica, "The journal cannot be opened again: %s", err.text);
    }
    neighbours_open(replica);
    replica_begin_writing(replica); /* and takes over what it was */
    if (online)
        replica_come_back(replica);
}
