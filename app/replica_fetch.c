/*
 * What a relay that lost its tail needs again, read on the journal's thread.
 */
#include "app/replica_parts.h"

#include <stdlib.h>

#include "app/stored_list.h"
#include "editor/base/xalloc.h"

struct fetch {
    struct replica *replica;
    struct agent_id agent;
    uint64_t from_seq;
    struct stored_list stored;
};

static bool fetch_sent(void *self, const struct journal_sent *sent)
{
    struct fetch *fetch = self;
    if (sent->kind == RECORD_EVENTS)
        stored_list_add(&fetch->stored, sent->stored);
    return true;
}

static bool fetch_row(void *self, const struct journal_row *row)
{
    struct fetch *fetch = self;
    if (row->form == JOURNAL_RECEIVED && record_kind_has_events(row->kind))
        stored_list_add(&fetch->stored, row->body);
    return true;
}

static bool fetch_run(void *self, struct journal *journal, struct error *err)
{
    struct fetch *fetch = self;
    struct journal_read read = {0};
    stored_list_release(&fetch->stored);
    return journal_outbox_of(journal, &fetch->agent, fetch->from_seq, (struct journal_sent_visitor){fetch, fetch_sent},
                             err) &&
           (fetch->stored.count > 0 ||
            journal_rows_of(journal, &fetch->agent, fetch->from_seq, (struct journal_visitor){fetch, fetch_row}, &read, err));
}

static void fetch_done(void *self, const struct journal_result *result)
{
    struct fetch *fetch = self;
    struct replica *replica = fetch->replica;
    struct bytes *stored = stored_list_views(&fetch->stored);
    pthread_mutex_lock(&replica->net_lock);
    if (replica->net)
        net_fetched(replica->net, &fetch->agent, stored, result->ok ? fetch->stored.count : 0, false);
    pthread_mutex_unlock(&replica->net_lock);
    free(stored);
    stored_list_release(&fetch->stored);
    free(fetch);
}

void replica_fetch(struct replica *replica, const struct agent_id *agent, uint64_t from_seq)
{
    struct fetch *fetch = xcalloc(1, sizeof *fetch);
    *fetch = (struct fetch){.replica = replica, .agent = *agent, .from_seq = from_seq};
    journal_writer_run(replica->writer, fetch_run, fetch, (struct journal_done){fetch_done, fetch});
}
