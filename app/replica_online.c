/*
 * Going online and coming off: the session is handed everything that the journal has for it, at once or not at all.
 */
#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"
#include "app/replica_succession.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/addresses.h"
#include "app/own_relay.h"
#include "app/stored_list.h"
#include "editor/base/xalloc.h"

enum {
    GATHER_WAIT_MS = 15000, /* for the journal to have what was typed before going online; disks can be slow */
    RETURN_WAIT_MS = 250,   /* the same where nobody has asked for it: keys wait meanwhile, and it is tried again */
    AGAIN_FIRST_MS = 1000,
    AGAIN_MAX_MS = 30000,
    COUNTER_STEP_BITS = 24, /* a new session of the same agent seals with counters that no earlier one reached */
};

/* --- what the session needs from the journal --- */

struct unsealed {
    struct local_batch batch; /* its plain: below */
    struct buf plain;
    uint64_t place; /* in the journal */
};

struct gathered {
    struct agent_id *mine; /* the replica's own agents and those taken over */
    size_t mine_count;
    struct stored_list members, outbox;
    struct chain *chain;
    struct unsealed *unsealed;
    size_t unsealed_count, unsealed_cap;
    uint64_t next_seq, place; /* where sealing goes on, of the agent whose rows are read; of the row */
    struct journal_relay relay;
};

static void gathered_init(struct gathered *gathered, const struct replica *replica)
{
    *gathered = (struct gathered){.mine_count = replica->mine_count, .chain = replica->chain};
    gathered->mine = xcalloc(replica->mine_count + 1, sizeof *gathered->mine);
    for (size_t i = 0; i < replica->mine_count; i++)
        gathered->mine[i] = replica->mine[i];
}

static bool gather_outbox(void *self, const struct journal_sent *sent)
{
    struct gathered *gathered = self;
    bool ours = false;
    for (size_t i = 0; !ours && i < gathered->mine_count; i++)
        ours = agent_id_equal(&gathered->mine[i], &sent->agent);
    /* Another process of ours that is alive sends its own. */
    if (ours && sent->kind == RECORD_EVENTS)
        stored_list_add(&gathered->outbox, sent->stored);
    return true;
}

static bool gather_member(void *self, const struct journal_sent *sent)
{
    struct gathered *gathered = self;
    if (sent->kind == RECORD_MEMBER)
        stored_list_add(&gathered->members, sent->stored);
    return sent->seq0 == 0; /* they come before everything else */
}

static void gathered_clear(struct gathered *gathered)
{
    stored_list_release(&gathered->members);
    stored_list_release(&gathered->outbox);
    for (size_t i = 0; i < gathered->unsealed_count; i++)
        buf_release(&gathered->unsealed[i].plain);
    gathered->unsealed_count = 0;
}

static void gathered_release(struct gathered *gathered)
{
    gathered_clear(gathered);
    free(gathered->unsealed);
    free(gathered->mine);
}

static void gather_batch(void *self, const struct local_batch *batch)
{
    struct gathered *gathered = self;
    size_t n = gathered->unsealed_count++;
    gathered->unsealed = xgrow(gathered->unsealed, &gathered->unsealed_cap, n + 1, sizeof *gathered->unsealed);
    struct unsealed *unsealed = &gathered->unsealed[n];
    *unsealed = (struct unsealed){.batch = *batch, .place = gathered->place};
    buf_add_bytes(&unsealed->plain, batch->plain);
}

/* Batches that are in no outbox record yet. Behind one that cannot be told nothing of its agent is of use to the room. */
static bool gather_unsealed(void *self, const struct journal_row *row)
{
    struct gathered *gathered = self;
    gathered->place = row->place;
    return row->form == JOURNAL_RECEIVED ||
           replica_row_batches(gathered->chain, row, gathered->next_seq, (struct batch_taker){gathered, gather_batch});
}

/* Those of one row were packed in the order of their numbers. */
static int by_place(const void *a, const void *b)
{
    const struct unsealed *left = a, *right = b;
    uint64_t x = left->place, y = right->place;
    if (x == y) {
        x = left->batch.seq0;
        y = right->batch.seq0;
    }
    return (x > y) - (x < y);
}

static bool gather_all_unsealed(struct gathered *gathered, struct journal *journal, struct error *err)
{
    for (size_t i = 0; i < gathered->mine_count; i++) {
        struct journal_read read = {0};
        if (!journal_outbox_next_seq(journal, &gathered->mine[i], &gathered->next_seq, err) ||
            !journal_rows_of(journal, &gathered->mine[i], gathered->next_seq, (struct journal_visitor){gathered, gather_unsealed},
                             &read, err))
            return false;
    }
    if (gathered->unsealed_count > 0)
        qsort(gathered->unsealed, gathered->unsealed_count, sizeof *gathered->unsealed, by_place);
    return true;
}

/* Of this process's agents: their MEMBER records, and what is sealed and not acknowledged, or not sealed yet. */
static bool gather_all(struct gathered *gathered, struct journal *journal, struct error *err)
{
    gathered_clear(gathered); /* of an earlier try */
    for (size_t i = 0; i < gathered->mine_count; i++)
        if (!journal_outbox_of(journal, &gathered->mine[i], 0, (struct journal_sent_visitor){gathered, gather_member}, err))
            return false;
    return journal_outbox_unacked(journal, (struct journal_sent_visitor){gathered, gather_outbox}, err) &&
           journal_relay_get(journal, &gathered->relay, err) && gather_all_unsealed(gathered, journal, err);
}

static void add_known_members(struct gathered *gathered, const struct replica *replica)
{
    for (size_t i = 0; i < replica->members.count; i++)
        stored_list_add(&gathered->members, buf_view(&replica->members.items[i]->stored));
}

/* A journal in memory is the writer's alone: its thread reads it. Whoever is last to let go of this frees it. */
struct gathering {
    struct gathered gathered;
    bool good;
    atomic_int owners;
};

static void gathering_drop(struct gathering *gathering)
{
    if (atomic_fetch_sub(&gathering->owners, 1) > 1)
        return;
    gathered_release(&gathering->gathered);
    free(gathering);
}

static bool gathering_run(void *self, struct journal *journal, struct error *err)
{
    struct gathering *gathering = self;
    gathering->good = gather_all(&gathering->gathered, journal, err);
    return gathering->good;
}

static void gathering_done(void *self, const struct journal_result *result)
{
    (void)result;
    gathering_drop(self);
}

/* Fills *gathered, which is still empty. */
static bool gather_in_memory(struct replica *replica, struct gathered *gathered, unsigned patience_ms, struct error *err)
{
    struct gathering *gathering = xcalloc(1, sizeof *gathering);
    gathered_init(&gathering->gathered, replica);
    atomic_init(&gathering->owners, 2);
    uint64_t ticket =
        journal_writer_run(replica->writer, gathering_run, gathering, (struct journal_done){gathering_done, gathering});
    bool good = journal_writer_outwait(replica->writer, ticket, patience_ms * 1000) == JOURNAL_WAIT_DONE && gathering->good;
    if (good) {
        struct gathered empty = *gathered;
        *gathered = gathering->gathered;
        gathering->gathered = empty;
    }
    gathering_drop(gathering);
    return good || error_set(err, ERR_BUSY, 0, "what was typed cannot be read again");
}

static void send_unsealed(struct replica *replica, const struct gathered *gathered)
{
    for (size_t i = 0; i < gathered->unsealed_count; i++) {
        struct local_batch batch = gathered->unsealed[i].batch;
        batch.plain = buf_view(&gathered->unsealed[i].plain);
        net_local(replica->net, &batch);
    }
}

bool replica_read_token(struct replica *replica, struct buf *token, struct error *err)
{
    const char *path = replica->token_file ? replica->token_file : replica->env->config.relay_token_file;
    if (!path)
        return true;
    if (!file_read_small(path, MESSAGE_TOKEN_BYTES_MAX, token, err))
        return error_wrap(err, "the relay's token");
    while (token->len && (token->data[token->len - 1] == '\n' || token->data[token->len - 1] == '\r'))
        token->len--;
    return true;
}

/* The own relay is nearest by its socket. */
static size_t list_places(struct replica *replica, const struct addresses *addresses, struct link_address *out)
{
    char *path = own_relay_socket(replica->env, replica->entry.relay);
    size_t count = 0;
    replica->keeps_room = own_relay_is(replica->env, replica->entry.relay);
    if (path) {
        out[count] = (struct link_address){.scheme = LINK_UNIX};
        snprintf(out[count++].host, sizeof out->host, "%s", path);
    }
    free(path);
    memcpy(out + count, addresses->items, addresses->count * sizeof *out);
    return count + addresses->count;
}

/* Under the lock that the journal's thread hands things on with. */
static void switch_net(struct replica *replica, struct net *net)
{
    pthread_mutex_lock(&replica->net_lock);
    replica->net = net;
    replica->held = false;
    replica->hands = (struct hands){.turn = replica->hands.turn + 1};
    pthread_mutex_unlock(&replica->net_lock);
}

/* Until the journal has handed on what is in hand. Returns whether it has. */
static bool await_hands(struct replica *replica, uint64_t until_ms)
{
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000), .tv_nsec = (long)(until_ms % 1000) * 1000000};
    int rc = 0;
    pthread_mutex_lock(&replica->net_lock);
    while (replica->hands.batches > 0 && rc == 0)
        rc = pthread_cond_timedwait(&replica->handed_on, &replica->net_lock, &until);
    bool empty = replica->hands.batches == 0;
    pthread_mutex_unlock(&replica->net_lock);
    return empty;
}

void replica_net_status(struct replica *replica, struct session_status *out)
{
    pthread_mutex_lock(&replica->net_lock); /* both at once: nothing is missed, or counted twice, on its way from here to there */
    net_status(replica->net, out);
    session_status_add(out, replica->hands.batches, replica->hands.since_ms);
    pthread_mutex_unlock(&replica->net_lock);
    out->caught_up = out->caught_up && !replica->arrived && !replica_is_merging(replica) && !net_has_next(replica->net);
}

/* Who joins by an admin link owns the document, but has nothing to create it from yet. */
static bool creates(const struct replica *replica)
{
    return replica->entry.keys.access == ACCESS_ADMIN && replica->genesis.len > 0 && !replica->joining;
}

static void add_token(struct replica *replica, struct buf *token)
{
    struct error err = {0};
    if (creates(replica) && !replica_read_token(replica, token, &err))
        replica_say(replica, "%s: that is only needed for sharing something new.", err.text);
}

static bool start_net(struct replica *replica, const struct gathered *gathered, struct error *err)
{
    const struct journal_relay *relay = &gathered->relay;
    struct addresses addresses;
    struct buf token = {0};
    if (!addresses_of_entry(&replica->entry, replica->insecure, &addresses, err))
        return false;
    add_token(replica, &token);
    struct link_address places[SHARE_LINK_HOSTS_MAX + 1];
    size_t place_count = list_places(replica, &addresses, places);
    struct bytes *members = stored_list_views(&gathered->members);
    struct bytes *outbox = stored_list_views(&gathered->outbox);
    struct net_config config = {
        .session = {.keys = &replica->entry.keys, .device = &replica->env->device, .self = replica->agent,
                    .name = replica_person(replica), .unseen = replica->unseen, .chain = replica->chain,
                    .genesis = buf_view(&replica->genesis), .create = creates(replica),
                    .base = creates(replica) ? replica->base : NULL, .token = buf_view(&token),
                    .has_base = !replica->joining, .pinned = addresses.pinned,
                    .wants_checkpoint = !replica->ahead && !replica->scripted,
                    .resume = {.log = relay->log, .place = relay->place, .hash = relay->hash},
                    .first_counter = replica->sessions << COUNTER_STEP_BITS, .members = members,
                    .member_count = gathered->members.count, .outbox = outbox, .outbox_count = gathered->outbox.count},
        .addresses = places,
        .address_count = place_count,
    };
    memcpy(config.session.relay_pin, addresses.relay_pin, sizeof config.session.relay_pin);
    struct net *net = net_start(&config, err);
    replica->sessions += net != NULL;
    replica->online_ms = net_now_ms();
    free(members);
    free(outbox);
    crypto_wipe(token.data, token.len);
    buf_release(&token);
    switch_net(replica, net);
    return net != NULL;
}

static bool set_not_kept(struct replica *replica, struct error *err)
{
    struct journal_writer_state state;
    journal_writer_state(replica->writer, &state);
    return error_set(err, ERR_BUSY, 0, "the journal does not take what was typed, and it goes through there%s%s",
                     state.failing ? ": " : "", state.failing ? state.why.text : "");
}

/* Everything typed so far has to be where it can be read again. */
static bool await_typed(struct replica *replica, unsigned patience_ms, struct error *err)
{
    replica_begin_writing(replica);
    uint64_t ticket = journal_writer_run(replica->writer, replica_nothing, NULL, (struct journal_done){0});
    if (journal_writer_outwait(replica->writer, ticket, patience_ms * 1000) != JOURNAL_WAIT_DONE)
        return set_not_kept(replica, err);
    replica_writing_handle(replica);
    return true;
}

static bool gather(struct replica *replica, struct gathered *gathered, unsigned patience_ms, struct error *err)
{
    bool good = replica->is_private ? gather_in_memory(replica, gathered, patience_ms, err)
                                    : replica_open_reader(replica, err) && gather_all(gathered, replica->reader, err);
    if (good)
        add_known_members(gathered, replica);
    return good;
}

static bool go_online(struct replica *replica, unsigned patience_ms, struct error *err)
{
    struct gathered gathered;
    if (replica->net || replica->work_alone)
        return true;
    if (!await_typed(replica, patience_ms, err))
        return false;
    /* All is read before anything starts, so that it is online with everything or not at all. */
    gathered_init(&gathered, replica);
    bool good = gather(replica, &gathered, patience_ms, err) && start_net(replica, &gathered, err);
    if (good && !replica->was_away && gathered.outbox.count + gathered.unsealed_count > 0)
        replica_away_begin_unnoted(replica);
    if (good) {
        send_unsealed(replica, &gathered);
        /* of the session's statuses only the newest is there: that may be one of after they were sent */
        replica_away_count(replica);
    }
    gathered_release(&gathered);
    if (!good)
        return error_wrap(err, "cannot go online");
    replica->alone_edits = 0; /* the session counts them from here on */
    replica->again_ms = replica->again_wait_ms = 0;
    replica_watch_fd(replica, net_fd(replica->net));
    replica_present_soon(replica);
    return true;
}

bool replica_go_online(struct replica *replica, struct error *err)
{
    return go_online(replica, GATHER_WAIT_MS, err);
}

void replica_go_offline(struct replica *replica, unsigned deadline_ms, bool *all_sent)
{
    struct net *net = replica->net;
    replica_take_arrived(replica);
    uint64_t until_ms = net_now_ms() + deadline_ms, now_ms;
    bool handed_on = !net || await_hands(replica, until_ms);
    switch_net(replica, NULL);
    now_ms = net_now_ms();
    if (net)
        *all_sent = net_stop(net, now_ms < until_ms ? (unsigned)(until_ms - now_ms) : 0) && handed_on;
    if (replica->document) /* an opening that failed has none */
        replica_cut_chain(replica);
    people_clear(&replica->people);
}

void replica_come_off(struct replica *replica)
{
    struct replica_status status;
    bool all_sent;
    replica_status(replica, net_now_ms(), &status);
    replica_go_offline(replica, 0, &all_sent);
    replica->alone_edits = status.net.unacked_edits;
}

void replica_come_back(struct replica *replica)
{
    struct error err = {0};
    bool is_first = replica->again_wait_ms == 0;
    if (!replica_is_shared(replica) || go_online(replica, RETURN_WAIT_MS, &err)) {
        replica->again_ms = replica->again_wait_ms = 0;
        return;
    }
    if (is_first)
        replica_say(replica, "%s. It is tried again.", err.text);
    replica->again_wait_ms = is_first ? AGAIN_FIRST_MS : 2 * replica->again_wait_ms;
    if (replica->again_wait_ms > AGAIN_MAX_MS)
        replica->again_wait_ms = AGAIN_MAX_MS;
    replica->again_ms = net_now_ms() + replica->again_wait_ms;
    replica_touch(replica);
}

void replica_online_handle(struct replica *replica, uint64_t now_ms)
{
    if (replica->again_ms && now_ms >= replica->again_ms)
        replica_come_back(replica);
}

void replica_work_alone(struct replica *replica, bool alone)
{
    struct error err = {0};
    replica->work_alone = alone;
    if (alone) {
        replica_come_off(replica);
        replica_away_begin(replica);
    }
    if (!alone && replica_is_shared(replica) && !replica_go_online(replica, &err))
        replica_say(replica, "%s", err.text);
    replica_touch(replica);
}

void replica_retry(struct replica *replica)
{
    if (replica->net)
        net_retry(replica->net);
}

void replica_set_away(struct replica *replica, bool away)
{
    replica->away = away;
    if (!away) { /* who was stopped may have been told in vain */
        replica_look_at_index(replica);
        replica_look_for_successor(replica);
    }
    replica_present_soon(replica);
}
