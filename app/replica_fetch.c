/*
 * What a relay that lost its tail needs again, read on the journal's thread: in pieces, so that it is never in memory as a whole
 * and no key waits for the reading of it.
 */
#include "app/replica_parts.h"

#include <stdlib.h>

#include "app/stored_list.h"
#include "editor/base/xalloc.h"

struct fetch {
    struct replica *replica;
    struct agent_id agent;
    uint64_t from_seq;
    bool packs; /* they are wanted too: else one alone could fill a piece that the records it is about belong into */
    struct stored_list stored;
    size_t bytes;
    bool more; /* there is, and it is for the next time */
};

enum { PIECE_BYTES = 256 << 10, PIECE_RECORDS = 1024 };

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
    return sent->kind != RECORD_EVENTS || fetch_record(fetch, sent->stored);
}

static bool fetch_row(void *self, const struct journal_row *row)
{
    struct fetch *fetch = self;
    bool wanted = row->form == JOURNAL_RECEIVED && (row->kind == RECORD_EVENTS || (fetch->packs && row->kind == RECORD_PACK));
    return !wanted || fetch_record(fetch, row->body);
}

static bool fetch_run(void *self, struct journal *journal, struct error *err)
{
    struct fetch *fetch = self;
    struct journal_read read = {0};
    stored_list_release(&fetch->stored);
    fetch->bytes = 0;
    fetch->more = false;
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
        net_fetched(replica->net, &fetch->agent, stored, result->ok ? fetch->stored.count : 0, fetch->more);
    pthread_mutex_unlock(&replica->net_lock);
    free(stored);
    stored_list_release(&fetch->stored);
    free(fetch);
}

void replica_fetch(struct replica *replica, const struct agent_id *agent, uint64_t from_seq, bool packs)
{
    struct fetch *fetch = xcalloc(1, sizeof *fetch);
    *fetch = (struct fetch){.replica = replica, .agent = *agent, .from_seq = from_seq, .packs = packs};
    journal_writer_run(replica->writer, fetch_run, fetch, (struct journal_done){fetch_done, fetch});
}
