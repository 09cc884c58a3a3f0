/*
 * What a relay that lost its tail needs again, read on the journal's thread: in pieces, so that it is never in memory as a whole
 * and no key waits for the reading of it.
 *
 * What was sent and acknowledged long ago is in packed rows alone (sync/journal_compact.h): such a row becomes a record again.
 *
 * It may also lack what it never had: another window of this person, at the same text, was stopped before it could send. What is
 * typed here builds on it, so it is sent from here, too. The agent stays that window's: nothing is taken over (replica_heir.c).
 */
#include "app/replica_journal.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"

#include <stdlib.h>

#include "app/stored_list.h"
#include "editor/base/xalloc.h"

struct fetch {
    struct replica *replica;
    struct agent_id agent;
    uint64_t from_seq;
    bool packs; /* they are wanted too: else one alone could fill a piece that the records it is about belong into */
    bool forked; /* one side may have been sent from here, and another one received */
    struct stored_list stored;
    size_t bytes;
    bool more; /* there is, and it is for the next time */
    uint64_t next; /* what is in the piece reaches up to here without a gap */
    struct doc_keys keys;
    struct sign_key doc_key;
    bool may_lend;
    uint64_t sealed_to; /* where sealing goes on */
    struct agent_id *heard; /* other processes of ours, which send for themselves */
    size_t heard_count;
    struct lent *lent; /* of one that is not: what it has not sealed */
    size_t lent_count, lent_cap;
};

struct lent {
    struct local_batch batch; /* its plain: below */
    struct buf plain;
};

enum {
    PIECE_BYTES = 256 << 10,
    PIECE_RECORDS = 1024,
    HEARD_MS = 5000, /* a process that runs says so every two seconds */
};

/* False: the piece is full without it. */
static bool fetch_record(struct fetch *fetch, struct bytes stored)
{
    fetch->more = fetch->stored.count > 0 &&
                  (fetch->stored.count == PIECE_RECORDS || fetch->bytes + stored.len > PIECE_BYTES);
    if (fetch->more)
        return false;
    stored_list_add(&fetch->stored, stored);
    fetch->bytes += stored.len;
    return true;
}

static bool fetch_sent(void *self, const struct journal_sent *sent)
{
    struct fetch *fetch = self;
    uint64_t end = sent->seq0 + sent->count;
    if (sent->kind != RECORD_EVENTS || (!fetch->forked && end <= fetch->next))
        return true;
    if (!fetch->forked && sent->seq0 > fetch->next)
        return false; /* what is in front of it has gone from the outbox, and is in the rows */
    bool fits = fetch_record(fetch, sent->stored);
    fetch->next = fits && end > fetch->next ? end : fetch->next;
    return fits;
}

/* The batches of a packed row from there on, in a new record: what its agent wrote is signed by this device, whoever seals it. */
static bool seal_packed(const struct fetch *fetch, const struct journal_row *row, struct buf *stored)
{
    struct batch_run run;
    struct buf plain = {0};
    struct error ignored = {0}; /* damaged: it was said when the row was read */
    uint64_t from = UINT64_MAX;
    if (batch_run_read(row->body, &row->agent, row->seq0, row->count, &run, &ignored)) {
        struct batch_cursor cursor = batch_cursor_of(&run);
        while (batch_cursor_next(&cursor)) {
            if (cursor.batch->seq0 < fetch->next)
                continue;
            from = cursor.batch->seq0 < from ? cursor.batch->seq0 : from;
            record_plain_add(&plain, cursor.plain);
        }
        batch_cursor_release(&cursor);
    }
    if (plain.len > 0) {
        struct record_spec spec = {.kind = RECORD_EVENTS, .agent = row->agent, .sealer = row->agent, .seq0 = from,
                                   .count = row->seq0 + row->count - from, .plain = buf_view(&plain), .last = &row->digest,
                                   .keys = &fetch->keys, .signer = &fetch->doc_key};
        spec.counter = record_counter_of_content(&spec); /* the same bytes each time: a relay which has them knows them */
        record_seal(&spec, stored);
    }
    buf_release(&plain);
    return stored->len > 0;
}

static bool fetch_packed(void *self, const struct journal_row *row)
{
    struct fetch *fetch = self;
    uint64_t end = row->seq0 + row->count;
    struct buf stored = {0};
    if (row->form != JOURNAL_PACKED || end <= fetch->next)
        return true;
    if ((!fetch->forked && row->seq0 > fetch->next) || end > fetch->sealed_to) /* what is not sealed is sent by who seals it */
        return false;
    bool fits = seal_packed(fetch, row, &stored) && fetch_record(fetch, buf_view(&stored));
    fetch->next = fits ? end : fetch->next;
    buf_release(&stored);
    return fits;
}

/* From the outbox, and where that has a gap from the rows, as far as they go on without one. */
static bool fetch_own(struct fetch *fetch, struct journal *journal, struct error *err)
{
    uint64_t before;
    fetch->next = fetch->from_seq;
    if (!journal_outbox_next_seq(journal, &fetch->agent, &fetch->sealed_to, err))
        return false;
    do {
        struct journal_read read = {0};
        before = fetch->next;
        if (!journal_outbox_of(journal, &fetch->agent, fetch->next, (struct journal_sent_visitor){fetch, fetch_sent}, err))
            return false;
        fetch->next = fetch->forked ? fetch->from_seq : fetch->next; /* the rows may have another side */
        if (!fetch->more &&
            !journal_rows_of(journal, &fetch->agent, fetch->next, (struct journal_visitor){fetch, fetch_packed}, &read, err))
            return false;
    } while (!fetch->more && !fetch->forked && fetch->next > before);
    return true;
}

static bool fetch_row(void *self, const struct journal_row *row)
{
    struct fetch *fetch = self;
    bool wanted = row->form == JOURNAL_RECEIVED && (row->kind == RECORD_EVENTS || (fetch->packs && row->kind == RECORD_PACK));
    return !wanted || fetch_record(fetch, row->body);
}

static void lend_batch(void *self, const struct local_batch *batch)
{
    struct fetch *fetch = self;
    fetch->lent = xgrow(fetch->lent, &fetch->lent_cap, fetch->lent_count + 1, sizeof *fetch->lent);
    struct lent *lent = &fetch->lent[fetch->lent_count++];
    *lent = (struct lent){.batch = *batch};
    lent->batch.lent = true;
    buf_add_bytes(&lent->plain, batch->plain);
}

/* Behind one that cannot be told, for its row has not been read here yet, nothing is lent: it is asked for again. */
static bool lend_row(void *self, const struct journal_row *row)
{
    struct fetch *fetch = self;
    return row->form == JOURNAL_RECEIVED ||
           replica_row_batches(fetch->replica->chain, row, fetch->sealed_to, (struct batch_taker){fetch, lend_batch});
}

static void forget_lent(struct fetch *fetch)
{
    for (size_t i = 0; i < fetch->lent_count; i++)
        buf_release(&fetch->lent[i].plain);
    fetch->lent_count = 0;
}

static bool is_heard(const struct fetch *fetch, const struct agent_id *process)
{
    for (size_t i = 0; i < fetch->heard_count; i++)
        if (agent_id_equal(&fetch->heard[i], process))
            return true;
    return false;
}

/* Whether the agent is another process's of ours that does not seem to run. */
static bool is_stuck(const struct fetch *fetch, struct journal *journal)
{
    struct journal_agent *agents = NULL;
    size_t count = 0;
    struct error ignored = {0};
    bool stuck = false;
    if (!fetch->may_lend || !journal_agents(journal, &agents, &count, &ignored))
        return false;
    for (size_t i = 0; i < count; i++)
        stuck |= agent_id_equal(&agents[i].agent, &fetch->agent) && !is_heard(fetch, &agents[i].owner);
    free(agents);
    return stuck;
}

static bool lend(struct fetch *fetch, struct journal *journal, struct error *err)
{
    struct journal_read read = {0};
    forget_lent(fetch); /* of an earlier try */
    return !is_stuck(fetch, journal) ||
           (journal_outbox_next_seq(journal, &fetch->agent, &fetch->sealed_to, err) &&
            journal_rows_of(journal, &fetch->agent, fetch->sealed_to, (struct journal_visitor){fetch, lend_row}, &read, err));
}

static bool fetch_run(void *self, struct journal *journal, struct error *err)
{
    struct fetch *fetch = self;
    struct journal_read read = {0};
    stored_list_release(&fetch->stored);
    fetch->bytes = 0;
    fetch->more = false;
    return fetch_own(fetch, journal, err) &&
           ((fetch->stored.count > 0 && !fetch->forked) || fetch->more ||
            journal_rows_of(journal, &fetch->agent, fetch->from_seq, (struct journal_visitor){fetch, fetch_row}, &read, err)) &&
           lend(fetch, journal, err);
}

static void fetch_done(void *self, const struct journal_result *result)
{
    struct fetch *fetch = self;
    struct replica *replica = fetch->replica;
    struct bytes *stored = stored_list_views(&fetch->stored);
    pthread_mutex_lock(&replica->net_lock);
    if (replica->net)
        net_fetched(replica->net, &fetch->agent, stored, result->ok ? fetch->stored.count : 0, fetch->more);
    for (size_t i = 0; replica->net && result->ok && i < fetch->lent_count; i++) {
        fetch->lent[i].batch.plain = buf_view(&fetch->lent[i].plain);
        net_local(replica->net, &fetch->lent[i].batch);
    }
    pthread_mutex_unlock(&replica->net_lock);
    free(stored);
    stored_list_release(&fetch->stored);
    forget_lent(fetch);
    free(fetch->lent);
    free(fetch->heard);
    crypto_wipe(&fetch->doc_key, sizeof fetch->doc_key);
    crypto_wipe(&fetch->keys, sizeof fetch->keys);
    free(fetch);
}

/* Who came online a moment ago has not heard everybody yet, and who has no doorbell never will. */
static void note_heard(const struct replica *replica, struct fetch *fetch)
{
    uint64_t now_ms = net_now_ms();
    fetch->may_lend &= replica->neighbours && now_ms - replica->online_ms >= HEARD_MS;
    fetch->heard = xcalloc(replica->people.count + 1, sizeof *fetch->heard);
    for (size_t i = 0; i < replica->people.count; i++) {
        const struct person *person = &replica->people.items[i];
        if (person->is_neighbour && now_ms - person->peer.heard_ms < HEARD_MS)
            fetch->heard[fetch->heard_count++] = person->peer.presence.agent;
    }
}

void replica_fetch(struct replica *replica, const struct agent_id *agent, uint64_t from_seq, bool packs)
{
    struct fetch *fetch = xcalloc(1, sizeof *fetch);
    *fetch = (struct fetch){.replica = replica, .agent = *agent, .from_seq = from_seq, .packs = packs,
                            .forked = chain_is_forked(replica->chain, agent), .may_lend = !replica_is_mine(replica, agent),
                            .keys = replica->entry.keys};
    device_doc_key(&replica->env->device, &replica->entry.doc, &fetch->doc_key);
    note_heard(replica, fetch);
    journal_writer_run(replica->writer, fetch_run, fetch, (struct journal_done){fetch_done, fetch});
}
