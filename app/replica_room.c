#include "app/replica_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/addresses.h"
#include "editor/patch_meet.h"
#include "app/own_relay.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum {
    GATHER_WAIT_MS = 3000, /* for the journal to have what was typed before going online */
    CLOSE_WAIT_MS = 5000,  /* for the relay to forget a closed document */
    COUNT_MS = 500,         /* how often a count of seconds is drawn anew */
    AWAY_NAME_CELLS = 16,   /* of a name, in the status line */
    BACK_MS = 400,          /* others come back in the same moment: what they bring is counted in */
    COUNTER_STEP_BITS = 24, /* a new session of the same agent seals with counters that no earlier one reached */
};

bool replica_is_shared(const struct replica *replica)
{
    return replica->entry.state == DOC_SHARED;
}

/* --- what the session needs from the journal --- */

struct unsealed {
    struct local_batch batch; /* its plain: below */
    struct buf plain;
    uint64_t place; /* in the journal */
};

struct gathered {
    const struct replica *replica; /* whose own and taken over agents count; NULL: any */
    struct buf *members, *outbox;
    size_t member_count, member_cap, outbox_count, outbox_cap;
    struct unsealed *unsealed;
    size_t unsealed_count, unsealed_cap;
};

static void gather(struct buf **items, size_t *count, size_t *cap, struct bytes stored)
{
    *items = xgrow(*items, cap, *count + 1, sizeof **items);
    (*items)[*count] = (struct buf){0};
    buf_add_bytes(&(*items)[(*count)++], stored);
}

static bool gather_outbox(void *self, const struct journal_sent *sent)
{
    struct gathered *gathered = self;
    bool ours = !gathered->replica;
    for (size_t i = 0; !ours && i < gathered->replica->mine_count; i++)
        ours = agent_id_equal(&gathered->replica->mine[i], &sent->agent);
    /* Another process of ours that is alive sends its own. */
    if (ours && sent->kind == RECORD_EVENTS)
        gather(&gathered->outbox, &gathered->outbox_count, &gathered->outbox_cap, sent->stored);
    return true;
}

static bool gather_member(void *self, const struct journal_sent *sent)
{
    struct gathered *gathered = self;
    if (sent->kind == RECORD_MEMBER)
        gather(&gathered->members, &gathered->member_count, &gathered->member_cap, sent->stored);
    return true;
}

static void gathered_release(struct gathered *gathered)
{
    for (size_t i = 0; i < gathered->member_count; i++)
        buf_release(&gathered->members[i]);
    for (size_t i = 0; i < gathered->outbox_count; i++)
        buf_release(&gathered->outbox[i]);
    for (size_t i = 0; i < gathered->unsealed_count; i++)
        buf_release(&gathered->unsealed[i].plain);
    free(gathered->members);
    free(gathered->outbox);
    free(gathered->unsealed);
}

/* Batches that are in no outbox record yet. */
static bool gather_unsealed(void *self, const struct journal_row *row)
{
    struct gathered *gathered = self;
    if (row->form != JOURNAL_LOCAL)
        return true;
    size_t n = gathered->unsealed_count++;
    gathered->unsealed = xgrow(gathered->unsealed, &gathered->unsealed_cap, n + 1, sizeof *gathered->unsealed);
    struct unsealed *unsealed = &gathered->unsealed[n];
    *unsealed = (struct unsealed){.batch = {.agent = row->agent, .seq0 = row->seq0, .count = row->count,
                                            .digest = row->digest, .gesture = true}, .place = row->place};
    buf_add_bytes(&unsealed->plain, row->body);
    return true;
}

static int by_place(const void *a, const void *b)
{
    uint64_t x = ((const struct unsealed *)a)->place, y = ((const struct unsealed *)b)->place;
    return (x > y) - (x < y);
}

static bool gather_all_unsealed(struct replica *replica, struct gathered *gathered, struct error *err)
{
    for (size_t i = 0; i < replica->mine_count; i++) {
        uint64_t next_seq = 0;
        struct journal_read read = {0};
        if (!journal_outbox_next_seq(replica->reader, &replica->mine[i], &next_seq, err) ||
            !journal_rows_of(replica->reader, &replica->mine[i], next_seq,
                             (struct journal_visitor){gathered, gather_unsealed}, &read, err))
            return false;
    }
    if (gathered->unsealed_count > 0)
        qsort(gathered->unsealed, gathered->unsealed_count, sizeof *gathered->unsealed, by_place);
    return true;
}

/* Of this process's agents: their MEMBER records, and what is sealed and not acknowledged. */
static bool gather_all(struct replica *replica, struct gathered *gathered, struct journal_relay *relay, struct error *err)
{
    for (size_t i = 0; i < replica->mine_count; i++)
        if (!journal_outbox_of(replica->reader, &replica->mine[i], 0,
                               (struct journal_sent_visitor){gathered, gather_member}, err))
            return false;
    if (replica->members)
        for (size_t i = 0; i < replica->members->count; i++)
            gather(&gathered->members, &gathered->member_count, &gathered->member_cap,
                   buf_view(&replica->members->stored[i]));
    return journal_outbox_unacked(replica->reader, (struct journal_sent_visitor){gathered, gather_outbox}, err) &&
           journal_relay_get(replica->reader, relay, err) && gather_all_unsealed(replica, gathered, err);
}

static void send_unsealed(struct replica *replica, const struct gathered *gathered)
{
    for (size_t i = 0; i < gathered->unsealed_count; i++) {
        struct local_batch batch = gathered->unsealed[i].batch;
        batch.plain = buf_view(&gathered->unsealed[i].plain);
        net_local(replica->net, &batch);
    }
}

static struct bytes *views_of(const struct buf *items, size_t count)
{
    struct bytes *views = xmalloc((count + 1) * sizeof *views);
    for (size_t i = 0; i < count; i++)
        views[i] = buf_view(&items[i]);
    return views;
}

static bool read_token(struct replica *replica, struct buf *token, struct error *err)
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

static bool check_token(struct replica *replica, struct error *err)
{
    struct buf token = {0};
    bool good = read_token(replica, &token, err);
    crypto_wipe(token.data, token.len);
    buf_release(&token);
    return good;
}

/* The own relay is nearest by its socket. */
static size_t list_places(const struct replica *replica, const struct addresses *addresses, struct link_address *out)
{
    char *path = own_relay_socket(replica->env, replica->entry.relay);
    size_t count = 0;
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
}

/* What waits now will have been sent when the connection is back. */
static void count_away(struct replica *replica)
{
    struct session_status now;
    if (!replica->was_away)
        return;
    replica_net_status(replica, &now);
    if (now.unacked_edits > replica->sent_edits)
        replica->sent_edits = now.unacked_edits;
}

static bool start_net(struct replica *replica, const struct gathered *gathered, const struct journal_relay *relay,
                      struct error *err)
{
    struct addresses addresses;
    struct buf token = {0};
    if (!addresses_of_entry(&replica->entry, replica->insecure, &addresses, err))
        return false;
    /* Who joins by an admin link owns the document, but has nothing to create it from yet. */
    bool hosts = replica->entry.keys.access == ACCESS_ADMIN && replica->genesis.len > 0 && !replica->joining;
    struct error no_token = {0};
    if (hosts && !read_token(replica, &token, &no_token))
        replica_say(replica, "%s: that is only needed for sharing something new.", no_token.text);
    struct link_address places[SHARE_LINK_HOSTS_MAX + 1];
    size_t place_count = list_places(replica, &addresses, places);
    struct bytes *members = views_of(gathered->members, gathered->member_count);
    struct bytes *outbox = views_of(gathered->outbox, gathered->outbox_count);
    struct net_config config = {
        .session = {.keys = &replica->entry.keys, .device = &replica->env->device, .self = replica->agent,
                    .name = replica_person(replica), .unseen = replica->unseen, .chain = replica->chain, .genesis = buf_view(&replica->genesis),
                    .create = hosts, .base = hosts ? replica->base : NULL, .token = buf_view(&token),
                    .has_base = !replica->joining, .pinned = addresses.pinned,
                    .resume = {.log = relay->log, .place = relay->place, .hash = relay->hash},
                    .first_counter = replica->sessions++ << COUNTER_STEP_BITS, .members = members,
                    .member_count = gathered->member_count, .outbox = outbox, .outbox_count = gathered->outbox_count},
        .addresses = places,
        .address_count = place_count,
    };
    memcpy(config.session.relay_pin, addresses.relay_pin, sizeof config.session.relay_pin);
    struct net *net = net_start(&config, err);
    free(members);
    free(outbox);
    buf_release(&token);
    switch_net(replica, net);
    return net != NULL;
}

bool replica_go_online(struct replica *replica, struct error *err)
{
    struct gathered gathered = {.replica = replica};
    struct journal_relay relay = {0};
    if (replica->net || replica->work_alone)
        return true;
    replica_begin_writing(replica);
    /* Everything typed so far has to be where it can be read again. */
    uint64_t ticket = journal_writer_run(replica->writer, replica_nothing, NULL, (struct journal_done){0});
    if (journal_writer_wait(replica->writer, ticket, GATHER_WAIT_MS * 1000) != JOURNAL_WAIT_DONE)
        return error_set(err, ERR_BUSY, 0, "the journal does not take what was typed, so it cannot be shared now");
    replica_writing_handle(replica);
    /* A private replica has nothing from before: its journal began empty, in memory. */
    bool has_past = !replica->is_private;
    if (has_past && !replica_open_reader(replica, err))
        return false;
    /* All is read before anything starts, so that it is online with everything or not at all. */
    bool good = (!has_past || gather_all(replica, &gathered, &relay, err)) &&
                start_net(replica, &gathered, &relay, err);
    if (!replica->was_away && gathered.outbox_count + gathered.unsealed_count > 0)
        replica->was_away = replica->away_noted = true; /* what an earlier process typed is sent, but was not noted here */
    if (good) {
        send_unsealed(replica, &gathered);
        count_away(replica); /* of the session's statuses only the newest is there: that may be one of after they were sent */
    }
    gathered_release(&gathered);
    if (!good)
        return error_wrap(err, "cannot go online");
    replica->alone_edits = 0; /* the session counts them from here on */
    replica_watch_fd(replica, net_fd(replica->net));
    replica_present_soon(replica);
    return true;
}

void replica_go_offline(struct replica *replica, unsigned deadline_ms, bool *all_sent)
{
    struct net *net = replica->net;
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

void replica_work_alone(struct replica *replica, bool alone)
{
    struct error err = {0};
    struct replica_status status;
    bool all_sent;
    replica->work_alone = alone;
    replica_status(replica, net_now_ms(), &status);
    if (alone) {
        replica_go_offline(replica, 0, &all_sent);
        replica->alone_edits = status.net.unacked_edits;
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
    if (!away)
        replica_look_at_index(replica); /* who was stopped may have been told in vain */
    replica_present_soon(replica);
}

/* --- sharing --- */

static bool put_state(struct replica *replica, enum doc_state state, struct error *err)
{
    struct doc_index *index;
    if (!replica_open_index(replica, DOC_INDEX_CREATE, &index, err))
        return false;
    bool good = doc_index_set_state(index, &replica->entry.doc, state, replica->entry.relay, (uint64_t)time(NULL), err);
    doc_index_close(index);
    if (good)
        replica->entry.state = state;
    return good;
}

/* What is in the file was never a state of the new document. */
static void forget_file_version(struct file_side *file)
{
    struct event_id nowhere = {.seq = 0};
    crypto_random(&nowhere.agent, sizeof nowhere.agent);
    version_set(&file->version, nowhere);
    file->origin_unknown = true;
}

/* A new document whose beginning is the text as it is now: what was written before stays in the old one, here. */
static void begin_shared_document(struct replica *replica, const char *relay)
{
    worker_drain(replica->worker); /* a save speaks of versions of the document that ends here */
    struct rope *now = rope_snapshot(replica->buffer.text);
    struct selection selection = replica->buffer.selection;
    bool in_file = replica_same_text(now, replica->file.text);
    char *path = replica->file.path;
    replica_stop_writing(replica);
    neighbours_close(replica);
    doc_entry_release(&replica->entry);
    doc_keys_new(&replica->entry.keys);
    replica->entry = (struct doc_entry){.doc = replica->entry.keys.doc, .keys = replica->entry.keys, .role = DOC_HOST,
                                        .state = DOC_SHARED, .name = xstrdup(replica->label), .relay = xstrdup(relay),
                                        .shared_s = (uint64_t)time(NULL), .path = path ? xstrdup(path) : NULL};
    replica->indexed = false;
    replica->takes_path = path != NULL;
    replica_begin_document(replica, now);
    buffer_select(&replica->buffer, selection);
    replica->file.origin_unknown = false;
    if (in_file)
        version_release(&replica->file.version);
    else
        forget_file_version(&replica->file);
    struct genesis genesis;
    genesis_make(&replica->entry.keys, replica->base, &genesis);
    snprintf(genesis.name, sizeof genesis.name, "%s", replica->label);
    buf_clear(&replica->genesis);
    genesis_seal(&genesis, &replica->entry.keys, &replica->genesis);
    neighbours_open(replica);
}

void replica_wait_for_pin(struct replica *replica)
{
    enum { PIN_WAIT_MS = 3000, STEP_MS = 50 };
    uint64_t until_ms = net_now_ms() + PIN_WAIT_MS;
    while (replica->net && addresses_want_pin(&replica->entry, replica->insecure) && net_now_ms() < until_ms)
        replica_wait(replica, STEP_MS);
    if (addresses_want_pin(&replica->entry, replica->insecure))
        replica_say(replica, "The relay does not answer yet: links made now do not name its key, and guests need --insecure.");
}

/* Where it is; or at another relay, when one is named. */
static bool share_again(struct replica *replica, const char *relay, struct error *err)
{
    struct addresses checked;
    char *written = NULL;
    if (!relay)
        return replica_go_online(replica, err);
    if (!addresses_parse(relay, replica->insecure, &checked, &written, err))
        return false;
    bool same = replica->entry.relay && strcmp(written, replica->entry.relay) == 0;
    bool good = same ? replica_go_online(replica, err) : replica_move(replica, written, err);
    free(written);
    return good;
}

bool replica_share(struct replica *replica, const char *relay, struct error *err)
{
    struct addresses checked;
    char *written = NULL;
    if (replica_is_shared(replica)) {
        replica->work_alone = false;
        return share_again(replica, relay, err);
    }
    if (rope_len(replica->buffer.text) > BASE_BYTES_MAX)
        return error_set(err, ERR_LIMIT, 0, "%s is too large to share: %llu MiB, and 64 MiB is the most; it can be edited alone",
                         replica->label, (unsigned long long)(rope_len(replica->buffer.text) >> 20));
    if (!check_token(replica, err) || !addresses_parse(relay, replica->insecure, &checked, &written, err))
        return false;
    begin_shared_document(replica, written);
    free(written);
    if (!replica_go_online(replica, err))
        return false;
    replica_wait_for_pin(replica);
    return true;
}

bool replica_unshare(struct replica *replica, bool close_for_all, struct error *err)
{
    bool all_sent;
    if (!replica_is_shared(replica))
        return error_set(err, ERR_MISSING, 0, "%s is not shared", replica->label);
    if (close_for_all && replica->entry.keys.access != ACCESS_ADMIN)
        return error_set(err, ERR_AUTH, 0, "only who shared %s can close it for everybody", replica->label);
    if (close_for_all) {
        if (!replica_go_online(replica, err))
            return false;
        net_delete_document(replica->net);
        struct session_status status;
        uint64_t until_ms = net_now_ms() + CLOSE_WAIT_MS;
        do {
            replica_wait(replica, 100);
            net_status(replica->net, &status);
        } while (status.refuse_code != REFUSE_CLOSED && net_now_ms() < until_ms);
        if (status.refuse_code != REFUSE_CLOSED)
            return error_set(err, ERR_OFFLINE, 0, "the relay did not confirm that %s is closed: %s; try again when it can be "
                                                  "reached", replica->label, status.why.text);
    }
    replica_go_offline(replica, 1000, &all_sent);
    if (!put_state(replica, DOC_UNSHARED, err))
        return false;
    neighbours_tell(replica);
    return true;
}

void replica_look_at_index(struct replica *replica)
{
    struct doc_index *index;
    struct doc_entry entry = {0};
    struct error err = {0};
    bool found = false, all_sent;
    if (!replica->indexed || !replica_open_index(replica, DOC_INDEX_READ, &index, &err))
        return;
    bool read = doc_index_find_doc(index, &replica->entry.doc, &entry, &found, &err);
    doc_index_close(index);
    if (read && found && entry.state == DOC_UNSHARED && replica_is_shared(replica)) {
        replica_go_offline(replica, 0, &all_sent);
        replica->entry.state = DOC_UNSHARED;
        replica_say(replica, "%s is not shared any more: weft unshare ended it. The text stays here.", replica->label);
        replica_touch(replica);
    }
    bool elsewhere = entry.relay && replica->entry.relay && strcmp(entry.relay, replica->entry.relay) != 0;
    if (read && found && entry.state == DOC_SHARED && replica_is_shared(replica) && elsewhere) {
        struct buf place = {0};
        addresses_place(&entry, &place);
        replica_follow(replica, addresses_moved_s(&entry), buf_view(&place));
        buf_release(&place);
    }
    doc_entry_release(&entry);
}

char *replica_link(const struct replica *replica, enum access access)
{
    if (!replica->entry.relay || replica->entry.keys.access < access)
        return NULL;
    return addresses_link(&replica->entry, access);
}

/* --- joining --- */

static bool find_known(struct replica *replica, const struct share_link *link, bool *found, struct error *err)
{
    struct doc_index *index;
    *found = false;
    if (replica->is_private)
        return true;
    if (!replica_open_index(replica, DOC_INDEX_CREATE, &index, err))
        return false;
    bool good = doc_index_find_doc(index, &link->doc, &replica->entry, found, err);
    doc_index_close(index);
    return good;
}

static bool entry_of_link(struct replica *replica, const struct share_link *link, bool *found, struct error *err)
{
    bool good = find_known(replica, link, found, err);
    struct doc_keys keys;
    share_link_keys(link, &keys);
    if (good && (!*found || keys.access > replica->entry.keys.access))
        replica->entry.keys = keys;
    crypto_wipe(&keys, sizeof keys);
    replica->entry.doc = link->doc;
    replica->entry.state = DOC_SHARED;
    if (!*found)
        replica->entry.role = DOC_GUEST;
    addresses_keep_link(&replica->entry, link);
    return good;
}

/* What failed halfway: nothing of it goes on, and what it made in index and journal goes with it. */
static struct replica *end_failed(struct replica *replica, bool made)
{
    bool all_sent;
    replica_go_offline(replica, 0, &all_sent);
    replica_stop_writing(replica);
    if (made)
        replica_forget(replica);
    replica_free(replica);
    return NULL;
}

struct replica *replica_join(struct env *env, const struct share_link *link, const char *save_as,
                             const struct replica_options *options, struct error *err)
{
    struct replica *replica = replica_new(env, options);
    bool found = false;
    bool good = (!save_as || file_resolve(save_as, &replica->file.path, err)) &&
                entry_of_link(replica, link, &found, err);
    if (good && found) {
        replica->indexed = true;
        if (!replica->file.path && replica->entry.path)
            replica->file.path = xstrdup(replica->entry.path);
        good = replica_restore(replica, err);
    } else if (good) {
        replica->joining = true;
        replica->entry.path = save_as ? xstrdup(replica->file.path) : NULL;
        replica_begin_document(replica, rope_new());
    }
    if (good) {
        replica->label = xstrdup(replica->entry.name ? replica->entry.name : "shared text");
        neighbours_open(replica);
        good = (!found || replica_file_reopen(replica, err)) && replica_go_online(replica, err);
    }
    return good ? replica : end_failed(replica, !found);
}

struct replica *replica_open_known(struct env *env, const struct doc_id *doc, const struct replica_options *options,
                                   struct error *err)
{
    struct replica *replica = replica_new(env, options);
    struct doc_index *index;
    bool found = false;
    bool good = replica_open_index(replica, DOC_INDEX_READ, &index, err);
    if (good) {
        good = doc_index_find_doc(index, doc, &replica->entry, &found, err);
        doc_index_close(index);
        if (good && !found)
            good = error_set(err, ERR_MISSING, 0, "this document is not kept here");
    }
    if (good) {
        replica->indexed = true;
        replica->file.path = replica->entry.path ? xstrdup(replica->entry.path) : NULL;
        replica->label = xstrdup(replica->entry.name ? replica->entry.name : "shared text");
        good = replica_restore(replica, err);
    }
    if (good) {
        neighbours_open(replica);
        good = replica_file_reopen(replica, err);
    }
    if (good && replica_is_shared(replica))
        good = replica_go_online(replica, err);
    return good ? replica : end_failed(replica, false);
}

/* --- what the network thread reports --- */

/* The name the host gave it, for the status line and as the suggestion when saving. */
static void take_genesis(struct replica *replica, const struct net_event *event)
{
    const struct genesis *genesis = &event->genesis.genesis;
    buf_clear(&replica->genesis);
    buf_add_bytes(&replica->genesis, buf_view(&event->bytes));
    if (genesis->name[0] && replica->joining) {
        free(replica->label);
        replica->label = xstrdup(genesis->name);
        free(replica->entry.name);
        replica->entry.name = xstrdup(genesis->name);
        replica_put_name(replica);
    }
}

static void take_base(struct replica *replica, const struct net_event *event)
{
    replica->base_done = event->base.done;
    replica->base_total = event->base.total;
    replica_touch(replica);
    if (event->base.done != event->base.total || !replica->joining)
        return;
    replica->joining = false;
    replica_take_base(replica, rope_from_bytes(buf_view(&event->bytes)));
}

static void journal_received(struct replica *replica, const struct received *received)
{
    struct journal_received row = {.kind = received->kind, .agent = received->agent, .seq0 = received->seq0,
                                   .count = received->count, .relay_place = received->place, .hash = received->hash,
                                   .stored = buf_view(&received->stored)};
    struct journal_relay relay = {.log = received->resume.log, .place = received->resume.place,
                                  .hash = received->resume.hash};
    journal_writer_received(replica->writer, &row, (struct journal_done){0});
    journal_writer_relay(replica->writer, &relay);
}

void replica_take_received(struct replica *replica, const struct received *received)
{
    journal_received(replica, received);
    replica->signatures_checked += received->checked; /* by the session, which lets out nothing that none vouches for */
    size_t early_before = replica->early_count;
    uint64_t before = document_events(replica->document);
    bool news = replica_add_batches(replica, received->batches.items, received->batches.count,
                                    received->forked ? &received->fork : NULL);
    if (replica->early_count > early_before) /* what it builds on may be in rows of another process, read in a moment */
        replica->neighbour_rows_due = true;
    if (replica->early_count > 0)
        news |= replica_take_early(replica);
    if (document_events(replica->document) > before)
        replica->received_edits += received->batches.count;
    replica->text_due |= news;
}

/* Passes an answer of the journal's thread on to the network's, if that is still there. */
struct persisted {
    struct replica *replica;
    uint64_t ticket;
};

static void outbox_committed(void *self, const struct journal_result *result)
{
    struct persisted *persisted = self;
    struct replica *replica = persisted->replica;
    pthread_mutex_lock(&replica->net_lock);
    if (result->ok && replica->net)
        net_persisted(replica->net, persisted->ticket);
    pthread_mutex_unlock(&replica->net_lock);
    free(persisted);
}

static void take_persist(struct replica *replica, const struct net_event *event)
{
    const struct outbox_record *record = &event->persist.record;
    struct journal_sent sent = {.kind = record->kind, .agent = record->agent, .seq0 = record->seq0,
                                .count = record->count, .stored = buf_view(&event->bytes)};
    struct persisted *persisted = xcalloc(1, sizeof *persisted);
    *persisted = (struct persisted){replica, record->ticket};
    journal_writer_outbox_put(replica->writer, &sent, (struct journal_done){outbox_committed, persisted});
}

struct acked {
    struct agent_id agent;
    uint64_t next_seq;
    struct journal_relay resume;
};

static bool ack_run(void *self, struct journal *journal, struct error *err)
{
    struct acked *acked = self;
    return journal_outbox_ack_below(journal, &acked->agent, acked->next_seq, true, err) &&
           (acked->resume.place == 0 || journal_relay_put(journal, &acked->resume, err));
}

static void free_done(void *self, const struct journal_result *result)
{
    (void)result;
    free(self);
}

static void take_acked(struct replica *replica, const struct net_event *event)
{
    for (size_t i = 0; i < replica->owed_count; i++) {
        const struct owed *owed = &replica->owed[i];
        if (agent_id_equal(&owed->agent, &event->acked.agent) && owed->next_seq <= event->acked.next_seq)
            replica->owed[i] = replica->owed[--replica->owed_count];
    }
    struct acked *acked = xcalloc(1, sizeof *acked);
    const struct resume_point *resume = &event->acked.resume;
    *acked = (struct acked){event->acked.agent, event->acked.next_seq, 
                             {.log = resume->log, .place = resume->place, .hash = resume->hash}};
    journal_writer_run(replica->writer, ack_run, acked, (struct journal_done){free_done, acked});
}

static void take_member(struct replica *replica, const struct net_event *event)
{
    const struct member *member = &event->member.member;
    struct journal_received row = {.kind = RECORD_MEMBER, .agent = member->agent, .relay_place = event->member.resume.place,
                                   .stored = buf_view(&event->bytes)};
    record_hash(row.stored, &row.hash);
    replica_add_member(replica, member, row.stored);
    journal_writer_received(replica->writer, &row, (struct journal_done){0});
}

/* What a relay that lost its tail needs again, read on the journal's thread. */
struct fetch {
    struct replica *replica;
    struct agent_id agent;
    uint64_t from_seq;
    struct gathered gathered;
};

static bool fetch_sent(void *self, const struct journal_sent *sent)
{
    struct fetch *fetch = self;
    return gather_outbox(&fetch->gathered, sent);
}

static bool fetch_row(void *self, const struct journal_row *row)
{
    struct fetch *fetch = self;
    struct gathered *gathered = &fetch->gathered;
    if (row->form == JOURNAL_RECEIVED && record_kind_has_events(row->kind))
        gather(&gathered->outbox, &gathered->outbox_count, &gathered->outbox_cap, row->body);
    return true;
}

static bool fetch_run(void *self, struct journal *journal, struct error *err)
{
    struct fetch *fetch = self;
    struct journal_read read = {0};
    gathered_release(&fetch->gathered);
    fetch->gathered = (struct gathered){0};
    return journal_outbox_of(journal, &fetch->agent, fetch->from_seq, (struct journal_sent_visitor){fetch, fetch_sent},
                             err) &&
           (fetch->gathered.outbox_count > 0 ||
            journal_rows_of(journal, &fetch->agent, fetch->from_seq, (struct journal_visitor){fetch, fetch_row}, &read, err));
}

static void fetch_done(void *self, const struct journal_result *result)
{
    struct fetch *fetch = self;
    struct replica *replica = fetch->replica;
    struct bytes *stored = views_of(fetch->gathered.outbox, fetch->gathered.outbox_count);
    pthread_mutex_lock(&replica->net_lock);
    if (replica->net)
        net_fetched(replica->net, &fetch->agent, stored, result->ok ? fetch->gathered.outbox_count : 0, false);
    pthread_mutex_unlock(&replica->net_lock);
    free(stored);
    gathered_release(&fetch->gathered);
    free(fetch);
}

static void take_fetch(struct replica *replica, const struct net_event *event)
{
    struct fetch *fetch = xcalloc(1, sizeof *fetch);
    *fetch = (struct fetch){.replica = replica, .agent = event->fetch.agent, .from_seq = event->fetch.from_seq};
    journal_writer_run(replica->writer, fetch_run, fetch, (struct journal_done){fetch_done, fetch});
}

static void take_alarm(struct replica *replica, const struct net_event *event)
{
    const struct error *why = &event->alarm.why;
    struct buf name = {0};
    replica_note_fault(replica, why);
    const char *unsafe = replica_name_of(replica, &event->alarm.agent, "somebody");
    unicode_safe_label(bytes_of_string(unsafe), AWAY_NAME_CELLS, &name);
    switch (event->alarm.alarm) {
    case ALARM_RECORD_REFUSED:
        replica_say(replica, "Edits of %s are not taken: %s", buf_string(&name), why->text);
        break;
    case ALARM_FORKED:
        replica_take_fork(replica, &event->alarm.agent);
        break;
    case ALARM_WITHHELD:
        replica_say(replica, "The relay withholds edits of %s.", buf_string(&name));
        break;
    case ALARM_OWN_FORKED:
        replica_say(replica, "The relay has something else under our own number: was an old backup restored? %s", why->text);
        break;
    case ALARM_REJECTED:
        replica_say(replica, "%s", why->text);
        break;
    case ALARM_NEWER:
        replica_take_newer(replica, (unsigned)why->sys);
        break;
    }
    buf_release(&name);
}

/* Whose machine the relay is on: of a relay in a private network, whoever began the document. "" when nobody knows. */
static const char *relay_keeper(const struct replica *replica)
{
    struct addresses addresses;
    struct error err = {0};
    if (replica->entry.role != DOC_GUEST || !replica->members || replica->members->count == 0 ||
        !addresses_of_entry(&replica->entry, replica->insecure, &addresses, &err))
        return "";
    return addresses_are_private(&replica->entry) ? replica->members->open[0].name : "";
}

void replica_away(const struct replica *replica, struct buf *sentence)
{
    const char *keeper = relay_keeper(replica);
    if (keeper[0] && replica->net_status.state == SESSION_OFFLINE) {
        unicode_safe_label(bytes_of_string(keeper), AWAY_NAME_CELLS, sentence);
        buf_add_string(sentence, "'s machine is away");
    }
}

/* "connection refused" of "cannot reach relay.example: connection refused". */
static const char *reason_of(const struct error *why)
{
    const char *colon = strstr(why->text, ": ");
    return colon ? colon + 2 : why->text;
}

void replica_joining(const struct replica *replica, struct buf *sentence)
{
    const struct session_status *status = &replica->net_status;
    if (!replica->joining)
        return;
    if (status->state == SESSION_REFUSED) {
        buf_addf(sentence, "The text cannot come: %s.%s", status->why.text, replica_key_hint(replica, " ^Q leaves."));
    } else if (replica->net && status->state == SESSION_OFFLINE && status->why.text[0]) {
        char *relay = addresses_name(&replica->entry);
        buf_addf(sentence, "The text has not come yet: %s cannot be reached (%s). It comes when the link is back%s.",
                 relay, reason_of(&status->why), replica_key_hint(replica, "; ^Q leaves"));
        free(relay);
    } else if (replica->base_total > 0) {
        buf_addf(sentence, "The text is on its way: %llu of %llu kB.", (unsigned long long)replica->base_done / 1000,
                 (unsigned long long)replica->base_total / 1000);
    } else {
        buf_add_string(sentence, replica->net ? "The text is on its way." : "The text has not come yet, and this works alone.");
    }
}

static void compose_onto(struct patch *all, const struct patch *next)
{
    struct patch both = {0};
    patch_compose(&both, all, next);
    patch_release(all);
    *all = both;
}

/* Mine is what this machine did. It ends where theirs begins, and theirs where somebody types here again. */
void replica_note_away(struct replica *replica, const struct patch *patch, bool is_mine)
{
    bool theirs_came = !patch_is_empty(&replica->away_theirs);
    bool of_this_machine = is_mine || replica->net_status.state != SESSION_ONLINE;
    if (!replica->was_away || replica->away_noted || patch_is_empty(patch))
        return;
    if (!of_this_machine)
        compose_onto(&replica->away_theirs, patch);
    else if (!theirs_came)
        compose_onto(&replica->away_mine, patch);
    else
        replica->away_noted = true;
}

static void forget_away(struct replica *replica)
{
    patch_clear(&replica->away_mine);
    patch_clear(&replica->away_theirs);
    replica->away_noted = false;
}

static void say_offline(struct replica *replica)
{
    replica->back_ms = 0;
    if (replica->was_away || !replica->was_online)
        return;
    replica->was_away = true;
    replica->received_edits = 0;
    replica->sent_edits = 0;
    forget_away(replica);
    replica_say(replica, "Offline. Type on: all is kept here and sent when the link is back.");
}

static void say_back(struct replica *replica)
{
    char places[64] = "";
    size_t met = patch_meet(&replica->away_mine, &replica->away_theirs);
    if (met > 0)
        snprintf(places, sizeof places, " %zu place%s changed by both of you.", met, met == 1 ? "" : "s");
    if (!replica->scripted)
        replica_say(replica, "Back: sent %llu, received %llu.%s", (unsigned long long)replica->sent_edits,
                    (unsigned long long)replica->received_edits, places);
    forget_away(replica);
    replica->was_away = false;
    replica->back_ms = 0;
    replica->sent_edits = 0;
}

/* Trusted when it is first used, as the person asked for; from then on no other will do. */
static void keep_pin(struct replica *replica, const struct session_status *status)
{
    struct error err = {0};
    if (!status->relay_proved || status->state != SESSION_ONLINE || replica->entry.role != DOC_HOST ||
        !addresses_want_pin(&replica->entry, replica->insecure))
        return;
    addresses_keep_pin(&replica->entry, &status->relay_key);
    if (!replica_put_entry(replica, &err))
        replica_say(replica, "The relay's key cannot be remembered: %s", err.text);
}

/* The end until somebody changes something; what cannot be sent is counted, and kept. */
static void say_refused(struct replica *replica, const struct session_status *status)
{
    struct error err = {0};
    unsigned long long edits = status->unacked_edits;
    replica->said_refused = status->refuse_code;
    if (replica_is_older(replica, &err))
        replica_say(replica, "%s", err.text);
    else if (edits > 0)
        replica_say(replica, "%s. Your %llu edit%s kept.", status->why.text, edits, edits == 1 ? " is" : "s are");
    else
        replica_say(replica, "%s. Your edits are kept.", status->why.text);
}

/* What was typed since it was made is counted in: the session learns of it later. */
static void take_status(struct replica *replica, struct session_status *status, uint64_t now_ms)
{
    struct session_status now;
    replica_net_status(replica, &now);
    status->unacked_edits = now.unacked_edits;
    status->unacked_batches = now.unacked_batches;
    replica->net_status = *status;
    keep_pin(replica, status);
    if (status->state == SESSION_OFFLINE)
        say_offline(replica);
    count_away(replica);
    bool settled = status->state == SESSION_ONLINE && status->caught_up && status->unacked_batches == 0;
    replica->was_online |= settled;
    if (settled && replica->was_away && !replica->back_ms)
        replica->back_ms = now_ms + BACK_MS;
    if (status->state == SESSION_ONLINE)
        replica->said_refused = 0;
    bool newly = status->state == SESSION_REFUSED && status->refuse_code != replica->said_refused;
    if (newly && !replica->joining && !replica->awaited)
        say_refused(replica, status);
    replica_touch(replica);
}

static void take_event(struct replica *replica, struct net_event *event, uint64_t now_ms)
{
    switch (event->kind) {
    case NET_RECEIVED: replica_take_received(replica, &event->received); break;
    case NET_PERSIST: take_persist(replica, event); break;
    case NET_ACKED: take_acked(replica, event); break;
    case NET_MEMBER: take_member(replica, event); break;
    case NET_GENESIS: take_genesis(replica, event); break;
    case NET_BASE: take_base(replica, event); break;
    case NET_FETCH: take_fetch(replica, event); break;
    case NET_PEER:
        chain_place_heads(replica->chain, event->peer.presence.heads, event->peer.presence.head_count);
        people_hear(&replica->people, &event->peer, now_ms);
        replica->people_due = true;
        break;
    case NET_ALARM: take_alarm(replica, event); break;
    case NET_MOVED: replica_follow(replica, event->moved.moved_s, buf_view(&event->bytes)); break;
    case NET_STATUS: take_status(replica, &event->status, now_ms); break;
    }
}

/* --- presence --- */

void replica_present_soon(struct replica *replica)
{
    replica->present_due = true;
}

static void present(struct replica *replica)
{
    struct version version = {0};
    struct session_view view = {.flags = replica->away ? PRESENCE_AWAY : 0};
    replica_named_version(replica, &version);
    view.events_seen = document_events(replica->document);
    if (version.count <= PRESENCE_HEADS_MAX && !replica->joining) {
        for (size_t i = 0; i < version.count; i++)
            view.heads[i] = version.heads[i];
        view.head_count = version.count;
        view.has_cursor = true;
        view.cursor = replica->buffer.selection.head;
        view.anchor = replica->buffer.selection.anchor;
    }
    version_release(&version);
    if (replica->net)
        net_present(replica->net, &view);
    neighbours_present(replica, false);
    replica->present_due = false;
}

/* While something is unacknowledged the status line counts the seconds; everything else comes with an event. */
static bool counts_seconds(const struct replica *replica)
{
    return replica->net && replica->net_status.state == SESSION_ONLINE && replica->net_status.unacked_edits > 0;
}

void replica_room_handle(struct replica *replica, uint64_t now_ms)
{
    if (replica->net) {
        for (struct net_event *event; (event = net_next(replica->net));) {
            take_event(replica, event, now_ms);
            net_event_free(event);
        }
    }
    if (replica->renew_due)
        replica_go_on_as_another(replica);
    if (replica->relocates)
        replica_relocate(replica);
    if (replica->neighbour_rows_due) {
        replica->neighbour_rows_due = false;
        replica_read_rows(replica);
    }
    if (replica->text_due)
        replica_update_text(replica);
    else if (replica->people_due)
        people_locate(&replica->people, replica->document);
    if (replica->text_due || replica->people_due)
        replica_touch(replica);
    replica->text_due = replica->people_due = false;
    if (replica->present_due)
        present(replica);
    if (replica->back_ms && now_ms >= replica->back_ms)
        say_back(replica);
    if (counts_seconds(replica) && now_ms >= replica->counted_ms + COUNT_MS) {
        replica->counted_ms = now_ms;
        replica_touch(replica);
    }
}

uint64_t replica_room_next_ms(const struct replica *replica)
{
    uint64_t counts_ms = counts_seconds(replica) ? replica->counted_ms + COUNT_MS : UINT64_MAX;
    return replica->back_ms && replica->back_ms < counts_ms ? replica->back_ms : counts_ms;
}
