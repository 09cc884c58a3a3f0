/*
 * Rows of the journal, and batches from the room, into chain and document: checked, and kept until what they build on is there.
 */
#include "app/replica_ahead.h"
#include "app/replica_held.h"
#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"
#include "app/replica_unmerged.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/crypto.h"

enum {
    EARLY_MS = 4,              /* a key waits for so much of what was early and is not any more */
    OFFERED_MAX = 2000,        /* of them are looked at in a turn, whatever that takes: the first may take all the time there
                                  is */
    EARLY_BYTES_MAX = 4 << 20, /* no more rows are read while so much waits for something that is on its way */
};

/* --- members --- */

static bool read_member(struct roster *members, const struct doc_keys *keys, struct bytes genesis_stored, struct bytes stored,
                        struct error *err)
{
    struct record genesis_record, record;
    struct genesis genesis;
    struct member member;
    bool good = record_decode(genesis_stored, &genesis_record, err) && genesis_open(&genesis_record, keys, &genesis, err) &&
                record_decode(stored, &record, err) && member_open(&record, keys, &genesis.write, &member, err);
    if (good)
        (void)roster_add(members, &member, stored); /* the first word of an agent stays */
    return good;
}

bool replica_read_member(struct replica *replica, struct bytes stored, struct error *err)
{
    return read_member(&replica->members, &replica->entry.keys, buf_view(&replica->genesis), stored, err);
}

/* --- what came before its parents --- */

uint64_t replica_bytes_of(const struct batch *batch)
{
    return sizeof *batch + batch->parent_count * sizeof *batch->parents + batch->undo_count * sizeof *batch->undo +
           batch->ops.len + batch->text.len;
}

static uint64_t bytes_of_early(const struct early *early)
{
    return early->linked ? replica_bytes_of(&early->batch) : early->body.len;
}

static struct early *add_early(struct replica *replica)
{
    replica->early = xgrow(replica->early, &replica->early_cap, replica->early_count + 1, sizeof *replica->early);
    struct early *early = &replica->early[replica->early_count++];
    *early = (struct early){0};
    return early;
}

void replica_keep_early(struct replica *replica, const struct batch *batch)
{
    struct early *early = add_early(replica);
    early->linked = true;
    batch_copy(&early->batch, batch);
    replica->early_bytes += bytes_of_early(early);
}

static void keep_batch(struct replica *replica, const struct batch *batch)
{
    for (size_t i = 0; i < replica->early_count; i++) {
        const struct early *early = &replica->early[i];
        if (early->linked && agent_id_equal(&early->batch.agent, &batch->agent) && early->batch.seq0 == batch->seq0)
            return; /* from the room and from the journal */
    }
    replica_keep_early(replica, batch);
}

uint64_t replica_early_upto(const struct replica *replica, const struct agent_id *agent)
{
    uint64_t upto = replica_held_upto(replica, agent), unmerged = replica_unmerged_upto(replica, agent);
    upto = unmerged > upto ? unmerged : upto;
    for (size_t i = 0; i < replica->early_count; i++) {
        const struct early *early = &replica->early[i];
        if (early->linked && agent_id_equal(&early->batch.agent, agent) && early->batch.seq0 + early->batch.count > upto)
            upto = early->batch.seq0 + early->batch.count;
    }
    return upto;
}

static void keep_row(struct replica *replica, const struct journal_row *row)
{
    struct early *early = add_early(replica);
    early->row = *row;
    buf_add_bytes(&early->body, row->body);
    replica->early_bytes += bytes_of_early(early);
}

/* Leaves an empty place, which is like nothing that comes. */
static void drop_early(struct replica *replica, struct early *early)
{
    replica->early_bytes -= bytes_of_early(early);
    batch_release(&early->batch);
    buf_release(&early->body);
    *early = (struct early){0};
}

void replica_forget_early(struct replica *replica)
{
    while (replica->early_count > 0)
        drop_early(replica, &replica->early[--replica->early_count]);
}

/* --- batches into the document --- */

enum document_added replica_add_now(struct replica *replica, const struct batch *batch)
{
    struct error err = {0};
    enum document_added added = document_add(replica_history(replica), batch, &err);
    if (added != DOCUMENT_EARLY)
        replica->batches_checked++;
    if (added == DOCUMENT_REFUSED) {
        replica_note_unread(replica, &err);
        replica_say(replica, "An edit that came in cannot be taken: %s", err.text);
    }
    if (added == DOCUMENT_ADDED)
        replica->fresh_ops += batch->op_count;
    replica_merged(replica, batch, added == DOCUMENT_ADDED);
    return added;
}

/* DOCUMENT_EARLY: also when its turn comes later. */
static enum document_added add_in_turn(struct replica *replica, const struct batch *batch)
{
    switch (replica_merge_turn(replica, batch)) {
    case MERGE_HELD: return DOCUMENT_KNOWN;
    case MERGE_NOW: return replica_add_now(replica, batch);
    case MERGE_LATER: break;
    }
    replica->merging.pending = true;
    return DOCUMENT_EARLY;
}

bool replica_add_batch(struct replica *replica, const struct batch *batch)
{
    enum document_added added = add_in_turn(replica, batch);
    if (added == DOCUMENT_EARLY)
        keep_batch(replica, batch);
    return added == DOCUMENT_ADDED;
}

bool replica_add_batches(struct replica *replica, const struct batch_run *run, const struct agent_fork *fork)
{
    bool news = false;
    if (fork)
        document_fork(replica_history(replica), fork);
    struct batch_cursor cursor = batch_cursor_of(run);
    while (batch_cursor_next(&cursor))
        news |= replica_add_batch(replica, cursor.batch);
    batch_cursor_release(&cursor);
    return news;
}

/* A row's batches, opened. */
struct opened {
    const struct journal_row *row;
    struct record record; /* of a RECEIVED row */
    struct buf plain;
    struct batch_run run;
    struct digest *digests;
};

static void opened_release(struct opened *opened)
{
    batch_run_release(&opened->run);
    buf_release(&opened->plain);
    free(opened->digests);
}

/*
 * A record from elsewhere carries its author's signature over the chain up to its last batch. Who our own agents are is in
 * the outbox and need not be among the members: this device knows its key.
 */
static bool is_signed_by(const struct roster *members, const struct device *device, const struct doc_id *doc,
                         const struct record *record, const struct digest *last)
{
    const struct roster_entry *entry = roster_find(members, &record->agent);
    struct sign_key own;
    if (entry)
        return record_verify(record, doc, &entry->member.doc_key, last);
    device_doc_key(device, doc, &own);
    bool is_ours = record_verify(record, doc, &own.public_key, last);
    crypto_wipe(&own, sizeof own);
    return is_ours;
}

static bool is_signed(struct replica *replica, const struct opened *opened, const struct digest *last)
{
    replica->signatures_checked++;
    return is_signed_by(&replica->members, &replica->env->device, &replica->entry.doc, &opened->record, last);
}

static void note_row(struct replica *replica, const struct journal_row *row, const char *what)
{
    struct error err = {0};
    error_set(&err, ERR_AUTH, 0, "row %llu of the journal (events %llu to %llu) %s", (unsigned long long)row->place,
              (unsigned long long)row->seq0, (unsigned long long)(row->seq0 + row->count - 1), what);
    replica_note_unread(replica, &err);
}

/* Whether something that the agent wrote before waits: it may be a branch that is not here yet. */
static bool waits_before(const struct replica *replica, const struct agent_id *agent, uint64_t seq0)
{
    for (size_t i = 0; i < replica->early_count; i++) {
        const struct early *early = &replica->early[i];
        if (!early->linked && early->row.seq0 < seq0 && agent_id_equal(&early->row.agent, agent))
            return true;
    }
    return false;
}

/*
 * Which digest the row ends in: a LOCAL or PACKED one says so itself; a RECEIVED one was checked when it came, so only where
 * forks leave a choice, or may once what waits is here, does its signature have to tell. What seems known may then be the same
 * content on another branch.
 */
static enum chain_link find_last(struct replica *replica, const struct opened *opened, unsigned *way,
                                 struct digest *last)
{
    size_t count = opened->run.count;
    bool forks = chain_forks(replica->chain) > 0 || waits_before(replica, &opened->row->agent, opened->row->seq0);
    for (*way = 0; *way < CHAIN_WAYS_MAX; ++*way) {
        enum chain_link link = chain_check_run(replica->chain, &opened->run, *way, opened->digests);
        if (link == CHAIN_EARLY || link == CHAIN_NO_WAY)
            return link; /* there are no digests */
        *last = opened->digests[count - 1];
        bool sure = opened->row->form != JOURNAL_RECEIVED
                        ? digest_equal(last, &opened->row->digest)
                        : link == CHAIN_NEXT && !replica->audits && !forks;
        if (sure || (link == CHAIN_KNOWN && !forks))
            return link;
        if (opened->row->form == JOURNAL_RECEIVED && is_signed(replica, opened, last))
            return link;
    }
    return CHAIN_NO_WAY;
}

/* Says what is wrong with a row that no way leads to, and takes its content the first way all the same: it is somebody's. */
static enum chain_link take_doubtful(struct replica *replica, const struct opened *opened, struct digest *last)
{
    bool local = opened->row->form != JOURNAL_RECEIVED;
    note_row(replica, opened->row, local ? "is not what its digest says" : "is not signed by its author");
    enum chain_link link = chain_check_run(replica->chain, &opened->run, 0, opened->digests);
    *last = opened->digests[opened->run.count - 1];
    return link == CHAIN_NEXT || link == CHAIN_KNOWN || link == CHAIN_EARLY ? link : CHAIN_NO_WAY;
}

enum row_took { ROW_NEWS, ROW_KNOWN, ROW_EARLY, ROW_BROKEN };

static enum row_took take_opened(struct replica *replica, struct opened *opened)
{
    struct digest last;
    struct chain_taken taken;
    unsigned way;
    enum chain_link link = find_last(replica, opened, &way, &last);
    if (link == CHAIN_NO_WAY && waits_before(replica, &opened->row->agent, opened->row->seq0))
        return ROW_EARLY;
    if (link == CHAIN_NO_WAY)
        link = take_doubtful(replica, opened, &last);
    if (link == CHAIN_EARLY)
        return ROW_EARLY;
    link = chain_take_run(replica->chain, &opened->run, way, &last, opened->digests, &taken);
    if (link != CHAIN_NEXT && link != CHAIN_FORKED && link != CHAIN_KNOWN)
        return ROW_BROKEN;
    bool news = replica_add_batches(replica, &opened->run, taken.forked ? &taken.fork : NULL);
    return news ? ROW_NEWS : ROW_KNOWN;
}

static bool open_row(const struct doc_keys *keys, const struct journal_row *row, struct opened *opened, struct error *err)
{
    opened->row = row;
    if (row->form == JOURNAL_RECEIVED)
        return record_decode(row->body, &opened->record, err) &&
               record_open_events(&opened->record, keys, &opened->plain, &opened->run, err);
    if (row->form == JOURNAL_PACKED)
        return batch_run_read(row->body, &row->agent, row->seq0, row->count, &opened->run, err);
    return batch_run_read_one(row->body, &row->agent, row->seq0, &opened->run, err);
}

static enum row_took take_row(struct replica *replica, const struct journal_row *row)
{
    struct opened opened = {0};
    struct error err = {0};
    enum row_took took = ROW_BROKEN;
    if (open_row(&replica->entry.keys, row, &opened, &err)) {
        opened.digests = xmalloc((opened.run.count + 1) * sizeof *opened.digests);
        took = take_opened(replica, &opened);
    }
    opened_release(&opened);
    return took;
}

static enum row_took retry(struct replica *replica, size_t at)
{
    struct early *early = &replica->early[at];
    if (!early->linked) {
        struct journal_row row = early->row;
        struct buf body = early->body; /* the list may grow meanwhile */
        row.body = buf_view(&body);
        return take_row(replica, &row);
    }
    switch (add_in_turn(replica, &early->batch)) {
    case DOCUMENT_ADDED: return ROW_NEWS;
    case DOCUMENT_EARLY: return ROW_EARLY;
    case DOCUMENT_KNOWN:
    case DOCUMENT_REFUSED: break;
    }
    return ROW_KNOWN;
}

/* Offers them once, in their order, or until `until_ms`, but for that one of them has to have moved. */
static bool offer_early(struct replica *replica, uint64_t until_ms, bool *news)
{
    bool moved = false, over = false;
    size_t kept = 0;
    for (size_t i = 0; i < replica->early_count; i++) { /* those that come meanwhile are behind them */
        over |= replica->merging.live && i >= OFFERED_MAX && net_now_ms() >= until_ms;
        enum row_took took = over ? ROW_EARLY : retry(replica, i);
        if (took == ROW_EARLY) {
            struct early early = replica->early[i];
            replica->early[i] = (struct early){0};
            replica->early[kept++] = early;
            continue;
        }
        moved |= took != ROW_BROKEN; /* into the document, or into the chain */
        *news |= took == ROW_NEWS;
        drop_early(replica, &replica->early[i]);
        over = moved && net_now_ms() >= until_ms;
    }
    replica->early_count = kept;
    replica->merging.pending |= over && kept > 0;
    return moved && !over;
}

bool replica_take_early(struct replica *replica)
{
    bool news = false;
    uint64_t until_ms = replica->merging.live ? net_now_ms() + EARLY_MS : UINT64_MAX;
    while (replica->early_count > 0 && offer_early(replica, until_ms, &news))
        ;
    return news;
}

/* --- a row for a session --- */

/* The way that ends in the digest that the row names. */
static bool find_digests(struct chain *chain, const struct journal_row *row, const struct batch_run *run, struct digest *digests)
{
    enum chain_link link = CHAIN_NEXT;
    bool found = false;
    for (unsigned way = 0; !found && link != CHAIN_EARLY && link != CHAIN_NO_WAY && way < CHAIN_WAYS_MAX; way++) {
        link = chain_check_run(chain, run, way, digests);
        found = link != CHAIN_EARLY && link != CHAIN_NO_WAY && digest_equal(&digests[run->count - 1], &row->digest);
    }
    return found;
}

static bool unpack_row(struct chain *chain, const struct journal_row *row, uint64_t next_seq, struct batch_taker taker)
{
    struct batch_run run;
    struct error ignored = {0}; /* damaged: it was said when the row was read */
    bool good = batch_run_read(row->body, &row->agent, row->seq0, row->count, &run, &ignored);
    struct digest *digests = xcalloc(run.count + 1, sizeof *digests);
    good = good && find_digests(chain, row, &run, digests);
    struct batch_cursor cursor = batch_cursor_of(&run);
    for (size_t i = 0; good && batch_cursor_next(&cursor); i++)
        if (cursor.batch->seq0 >= next_seq)
            taker.take(taker.self, &(struct local_batch){.agent = row->agent, .seq0 = cursor.batch->seq0,
                                                         .count = cursor.batch->count, .plain = cursor.plain,
                                                         .digest = digests[i], .gesture = true});
    batch_cursor_release(&cursor);
    free(digests);
    return good;
}

bool replica_row_batches(struct chain *chain, const struct journal_row *row, uint64_t next_seq, struct batch_taker taker)
{
    ensure(row->form != JOURNAL_RECEIVED);
    if (row->form == JOURNAL_PACKED)
        return unpack_row(chain, row, next_seq, taker);
    taker.take(taker.self, &(struct local_batch){.agent = row->agent, .seq0 = row->seq0, .count = row->count, .plain = row->body,
                                                 .digest = row->digest, .gesture = true});
    return true;
}

/* --- rows of a journal --- */

/* What reading rows gathers. */
struct row_reader {
    struct replica *replica;
    uint64_t broken; /* batches that could not be taken */
    bool news;       /* the document has events it had not */
    struct event_id written; /* what comes next of an agent that another process writes with; seq 0: none */
};

/* It is for that process to send; whether it has is of interest to who builds on it. */
static void tell_written(struct row_reader *reader)
{
    if (reader->written.seq > 0)
        net_neighbour(reader->replica->net, &reader->written.agent, reader->written.seq);
    reader->written.seq = 0;
}

static void note_written(struct row_reader *reader, const struct journal_row *row)
{
    const struct replica *replica = reader->replica;
    if (!replica->net || row->form == JOURNAL_RECEIVED || replica_is_mine(replica, &row->agent))
        return;
    if (!agent_id_equal(&reader->written.agent, &row->agent))
        tell_written(reader);
    reader->written = (struct event_id){row->agent, row->seq0 + row->count};
}

static void read_events(struct row_reader *reader, const struct journal_row *row)
{
    note_written(reader, row);
    switch (take_row(reader->replica, row)) {
    case ROW_NEWS:
        reader->news = true;
        break;
    case ROW_KNOWN:
        break;
    case ROW_EARLY:
        keep_row(reader->replica, row);
        break;
    case ROW_BROKEN:
        reader->broken++;
        break;
    }
}

/* What waits is in memory: the rest is read when what is on its way has come. */
bool replica_early_is_full(const struct replica *replica)
{
    return replica->merging.live && replica->merging.on && replica->early_bytes >= EARLY_BYTES_MAX;
}

static bool has_time(const struct replica *replica)
{
    return !replica->merging.live || net_now_ms() < replica->merging.until_ms;
}

/* In the next turn. */
static void read_on_later(struct replica *replica)
{
    replica->neighbour_rows_due = replica->merging.pending = true;
}

static bool visit_row(void *self, const struct journal_row *row)
{
    struct row_reader *reader = self;
    struct replica *replica = reader->replica;
    struct error err = {0};
    if (row->form != JOURNAL_RECEIVED || record_kind_has_events(row->kind))
        read_events(reader, row);
    else if (row->kind == RECORD_MEMBER && !replica_read_member(replica, row->body, &err))
        reader->broken++;
    if (has_time(replica) && !replica_early_is_full(replica))
        return true;
    read_on_later(replica);
    return false;
}

/*
 * All rows above replica->place_read. When a document is opened everything is there, so what is still early then builds
 * on rows that are lost; later it may only be ahead of the room.
 */
bool replica_read_rows_of(struct replica *replica, struct journal *journal, bool *news, struct error *err)
{
    struct row_reader reader = {.replica = replica};
    struct journal_read read = {.last_place = replica->place_read};
    if (replica->merging.live)
        replica->merging.until_ms = net_now_ms() + EARLY_MS;
    bool waits = replica_early_is_full(replica);
    bool good = waits || journal_rows(journal, 0, (struct journal_visitor){&reader, visit_row}, &read, err);
    if (waits)
        read_on_later(replica);
    tell_written(&reader);
    *news = replica_take_early(replica) || reader.news;
    if (good)
        replica->place_read = read.last_place;
    if (*news && journal == replica->reader)
        replica->neighbour_wrote_ms = net_now_ms();
    unsigned long long unread = read.damaged + reader.broken;
    if (journal == replica->journal_found)
        unread += replica->early_count;
    if (unread) {
        struct error lost = {0};
        error_set(&lost, ERR_FORMAT, 0, "entries of the journal cannot be read");
        replica_note_unread(replica, &lost);
    }
    if (unread && !replica->unmerged) /* said when it was opened */
        replica_say(replica, "%llu entries of this document's journal cannot be read; the rest is here.", unread);
    return good;
}

bool replica_read_left(struct replica *replica, struct journal *left, struct error *err)
{
    struct row_reader reader = {.replica = replica};
    struct journal_read read = {0};
    bool good = journal_rows(left, 0, (struct journal_visitor){&reader, visit_row}, &read, err);
    replica_take_early(replica);
    return good;
}

/* --- what a checkpoint has left out --- */

/* Rows go into a chain alone, or with a document; what is early waits for the others. */
struct digesting {
    const struct row_source *source;
    struct buf genesis;    /* as the journal has it; */
    struct roster members; /* whose signatures tell sides of a fork apart: of the rows so far */
    bool forks;            /* there are some, be it only in rows that are yet to come; */
    bool all_read;         /* and none is */
    struct chain *chain;
    struct document *document; /* NULL: only the digests are asked for */
    struct early *early;
    size_t early_count, early_cap;
};

/* As waits_before(). */
static bool has_before(const struct digesting *digesting, const struct journal_row *row)
{
    bool found = false;
    for (size_t i = 0; i < digesting->early_count && !found; i++)
        found = digesting->early[i].row.seq0 < row->seq0 && agent_id_equal(&digesting->early[i].row.agent, &row->agent);
    return found;
}

/*
 * The way that leads to the digest that the row names. A RECEIVED one names none: where forks leave a choice its signature
 * tells, as when it was taken (find_last()), or it would stand on another side here than in the text that people see.
 */
static enum chain_link find_way(const struct digesting *digesting, const struct opened *opened, unsigned *way)
{
    const struct row_source *source = digesting->source;
    const struct digest *last = &opened->digests[opened->run.count - 1];
    bool names = opened->row->form != JOURNAL_RECEIVED, waits = has_before(digesting, opened->row);
    bool doubt = digesting->forks || waits || chain_forks(digesting->chain) > 0;
    enum chain_link link = CHAIN_NEXT;
    for (*way = 0; *way < CHAIN_WAYS_MAX && link != CHAIN_NO_WAY; ++*way) {
        link = chain_check_run(digesting->chain, &opened->run, *way, opened->digests);
        if (link == CHAIN_EARLY)
            return link;
        if (link != CHAIN_NO_WAY &&
            (names ? digest_equal(last, &opened->row->digest)
                   : !doubt || is_signed_by(&digesting->members, &source->device, &source->keys.doc, &opened->record, last)))
            return link;
    }
    if (names)
        return CHAIN_NO_WAY;
    if (waits || !digesting->all_read)
        return CHAIN_EARLY;
    *way = 0; /* as take_doubtful(): it is somebody's */
    return chain_check_run(digesting->chain, &opened->run, 0, opened->digests);
}

/* What the document refuses it has refused before; whether all is there that should be, it finds out itself. */
static void add_taken(const struct digesting *digesting, const struct opened *opened, const struct chain_taken *taken)
{
    struct error ignored = {0};
    if (taken->forked)
        document_fork(digesting->document, &taken->fork);
    bool takes = true;
    struct batch_cursor cursor = batch_cursor_of(&opened->run);
    for (size_t i = 0; takes && batch_cursor_next(&cursor); i++)
        takes = i < taken->known || document_add(digesting->document, cursor.batch, &ignored) != DOCUMENT_REFUSED;
    batch_cursor_release(&cursor);
}

static enum chain_link digest_row(const struct digesting *digesting, const struct journal_row *row)
{
    struct opened opened = {0};
    struct chain_taken taken;
    struct error ignored = {0};
    enum chain_link link = CHAIN_NO_WAY;
    if (open_row(&digesting->source->keys, row, &opened, &ignored)) {
        size_t count = opened.run.count;
        opened.digests = xmalloc((count + 1) * sizeof *opened.digests);
        unsigned way;
        link = find_way(digesting, &opened, &way);
        struct digest last = opened.digests[count - 1];
        bool takes = link == CHAIN_NEXT || link == CHAIN_FORKED;
        if (takes)
            link = chain_take_run(digesting->chain, &opened.run, way, &last, opened.digests, &taken);
        if (takes && digesting->document && (link == CHAIN_NEXT || link == CHAIN_FORKED))
            add_taken(digesting, &opened, &taken);
    }
    opened_release(&opened);
    return link;
}

static bool visit_digest(void *self, const struct journal_row *row)
{
    struct digesting *digesting = self;
    struct error ignored = {0};
    bool has_events = row->form != JOURNAL_RECEIVED || record_kind_has_events(row->kind);
    if (!has_events && row->kind == RECORD_MEMBER) /* one that is none vouches for nothing */
        (void)read_member(&digesting->members, &digesting->source->keys, buf_view(&digesting->genesis), row->body, &ignored);
    if (!has_events || digest_row(digesting, row) != CHAIN_EARLY)
        return true;
    digesting->early = xgrow(digesting->early, &digesting->early_cap, digesting->early_count + 1, sizeof *digesting->early);
    struct early *early = &digesting->early[digesting->early_count++];
    *early = (struct early){.row = *row};
    buf_add_bytes(&early->body, row->body);
    early->row.body = buf_view(&early->body);
    return true;
}

/* Those whose turn has come; the others stay, in their order. Returns whether there were any. */
static bool digest_early(struct digesting *digesting)
{
    size_t kept = 0, before = digesting->early_count;
    for (size_t i = 0; i < before; i++) {
        if (digest_row(digesting, &digesting->early[i].row) == CHAIN_EARLY)
            digesting->early[kept++] = digesting->early[i];
        else
            buf_release(&digesting->early[i].body);
    }
    digesting->early_count = kept;
    return kept < before;
}

/* On any thread, so with a journal of its own. What is wrong with the rows shows in what comes out. */
static bool read_source(const struct row_source *source, struct chain *chain, struct document *document, bool forks,
                        struct error *err)
{
    struct journal_read read = {0};
    struct digesting digesting = {.source = source, .chain = chain, .document = document, .forks = forks};
    struct journal_spec spec = {.path = source->path, .mode = JOURNAL_READ, .doc = source->keys.doc};
    struct journal *journal = journal_open_on(&source->device, spec, err);
    bool found, good = journal && journal_note_get(journal, "genesis", &digesting.genesis, &found, err) &&
                       journal_rows(journal, 0, (struct journal_visitor){&digesting, visit_digest}, &read, err);
    while (good && digest_early(&digesting))
        ;
    digesting.all_read = true;
    while (good && digest_early(&digesting))
        ;
    for (size_t i = 0; i < digesting.early_count; i++)
        buf_release(&digesting.early[i].body);
    free(digesting.early);
    roster_release(&digesting.members);
    buf_release(&digesting.genesis);
    journal_close(journal);
    return good;
}

bool replica_read_digests(void *self, struct chain *whole)
{
    struct error ignored = {0};
    return read_source(self, whole, NULL, false, &ignored);
}

/*
 * A packed row stands where the last of its rows stood, so what builds on one of the first may come before it: whether there
 * are forks is found out beforehand. (Who asks for digests alone knew of none when his chain fell asleep, and what is packed
 * was there then.)
 */
bool replica_read_history(void *self, struct document *whole, struct error *err)
{
    const struct row_source *source = self;
    struct chain *before = chain_new(&source->keys.doc), *chain = chain_new(&source->keys.doc);
    bool good = read_source(source, before, NULL, false, err) && read_source(source, chain, whole, chain_forks(before) > 0, err);
    chain_free(before);
    chain_free(chain);
    return good;
}
