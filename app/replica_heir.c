/*
 * What another process of this person, at the same text, had not sent when it ended. Who begins to write takes such things over
 * (replica_writing.c); so does who goes on: what is typed here builds on it, and nobody else can read the one without the other.
 */
#include "app/replica_journal.h"
#include "app/replica_left.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"

enum { ENDING_MS = 1000 /* from a process's last word to its end */ };

struct search {
    const struct agent_id *agent;
    bool found;
};

static bool see_sealed(void *self, const struct journal_sent *sent)
{
    struct search *search = self;
    search->found |= sent->kind == RECORD_EVENTS && agent_id_equal(&sent->agent, search->agent);
    return !search->found;
}

static bool see_row(void *self, const struct journal_row *row)
{
    struct search *search = self;
    search->found |= row->form != JOURNAL_RECEIVED;
    return !search->found;
}

/* Whether something of this agent is not acknowledged. In doubt yes: sending it again changes nothing. */
static bool owes(struct replica *replica, const struct agent_id *agent)
{
    struct search search = {.agent = agent};
    struct journal_read read = {0};
    struct error ignored = {0};
    uint64_t sealed_to = 0;
    bool good = journal_outbox_unacked(replica->reader, (struct journal_sent_visitor){&search, see_sealed}, &ignored) &&
                journal_outbox_next_seq(replica->reader, agent, &sealed_to, &ignored) &&
                journal_rows_of(replica->reader, agent, sealed_to, (struct journal_visitor){&search, see_row}, &read, &ignored);
    return search.found || !good;
}

/* A session has to have all of an agent from the start, so there is a new one. */
static void connect_anew(struct replica *replica)
{
    if (replica->net_status.state == SESSION_ONLINE)
        replica->was_online = false; /* it is not lost, and nobody need hear that it is */
    replica_come_off(replica);
    replica_come_back(replica);
}

static void inherit(struct replica *replica)
{
    struct error err = {0};
    size_t had = replica->mine_count;
    bool owed = false;
    if (!replica_open_reader(replica, &err)) {
        replica_say(replica, "What another weft had not sent cannot be taken over: %s", err.text);
        return;
    }
    replica_fold_advance(replica->env, replica->port);
    replica_catch_up(replica); /* all that it wrote is in the text first */
    replica_claim_dead(replica, replica->reader);
    for (size_t i = had; i < replica->mine_count; i++)
        owed |= owes(replica, &replica->mine[i]);
    if (owed && replica->net)
        connect_anew(replica);
}

void replica_heir_expect(struct replica *replica)
{
    if (replica_is_shared(replica) && replica->writing && !replica->is_private && !replica->heir_ms)
        replica->heir_ms = net_now_ms() + ENDING_MS;
}

void replica_heir_handle(struct replica *replica, uint64_t now_ms)
{
    if (!replica->heir_ms || now_ms < replica->heir_ms)
        return;
    replica->heir_ms = 0;
    if (replica->joining || replica->ahead || replica->moving || replica->closing) /* its connection is needed first */
        replica_heir_expect(replica);
    else
        inherit(replica);
}
