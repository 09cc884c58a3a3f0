#include "app/replica_parts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/xalloc.h"

/* --- where things are --- */

static char *journals_dir(const struct replica *replica)
{
    return paths_state_file(&replica->env->paths, "docs");
}

static char *agents_dir(const struct replica *replica)
{
    return paths_state_file(&replica->env->paths, "agents");
}

/* NULL for a private replica: its journal is in memory. */
static char *journal_file(const struct replica *replica)
{
    if (replica->is_private)
        return NULL;
    char *dir = journals_dir(replica);
    char *path = journal_path(dir, &replica->entry.doc);
    free(dir);
    return path;
}

static struct journal *open_journal(struct replica *replica, enum journal_mode mode, struct error *err)
{
    struct seal_key key;
    device_journal_key(&replica->env->device, &replica->entry.doc, &key);
    char *path = journal_file(replica);
    struct journal_spec spec = {.path = path, .mode = mode, .doc = replica->entry.doc, .key = &key,
                                .now_s = (uint64_t)time(NULL)};
    struct journal *journal = journal_open(&spec, err);
    free(path);
    crypto_wipe(&key, sizeof key);
    return journal;
}

bool replica_open_index(struct replica *replica, enum doc_index_mode mode, struct doc_index **index, struct error *err)
{
    char *path = paths_state_file(&replica->env->paths, "index.db");
    struct stat st;
    bool missing = mode == DOC_INDEX_READ && stat(path, &st) != 0;
    if (missing) /* before anything was ever kept there is no device key either, and none is made for looking */
        error_set(err, ERR_MISSING, 0, "nothing is kept on this machine yet");
    *index = !missing && env_device(replica->env, err) ? doc_index_open(path, mode, &replica->env->device, err) : NULL;
    free(path);
    return *index != NULL;
}

bool replica_find_entry(struct replica *replica, bool *found, struct error *err)
{
    struct doc_index *index;
    *found = false;
    if (!replica_open_index(replica, DOC_INDEX_READ, &index, err)) {
        if (err->code != ERR_MISSING)
            return false;
        *err = (struct error){0};
        return true;
    }
    bool good = doc_index_find_path(index, replica->file.path, &replica->entry, found, err);
    doc_index_close(index);
    replica->indexed = good && *found;
    return good;
}

/* --- members --- */

void replica_add_member(struct replica *replica, const struct member *member, struct bytes stored)
{
    if (!replica->members)
        replica->members = xcalloc(1, sizeof *replica->members);
    struct members *members = replica->members;
    for (size_t i = 0; i < members->count; i++)
        if (agent_id_equal(&members->agents[i], &member->agent))
            return;
    size_t n = members->count + 1;
    members->stored = xgrow(members->stored, &members->cap_stored, n, sizeof *members->stored);
    members->agents = xgrow(members->agents, &members->cap_agents, n, sizeof *members->agents);
    members->open = xgrow(members->open, &members->cap_open, n, sizeof *members->open);
    members->stored[members->count] = (struct buf){0};
    buf_add_bytes(&members->stored[members->count], stored);
    members->agents[members->count] = member->agent;
    members->open[members->count] = *member;
    members->count = n;
}

/* --- restoring --- */

/* What reading rows gathers. */
struct row_reader {
    struct replica *replica;
    uint64_t broken; /* batches that could not be taken */
    bool news;       /* the document has events it had not */
};

static enum document_added add_batch(struct replica *replica, const struct batch *batch, struct bytes plain)
{
    struct digest digest;
    struct error err = {0};
    switch (chain_add(replica->chain, batch, plain, &digest)) {
    case CHAIN_EARLY:
        return DOCUMENT_EARLY;
    case CHAIN_FORKED:
        return DOCUMENT_REFUSED;
    case CHAIN_NEXT:
    case CHAIN_KNOWN:
        break;
    }
    enum document_added added = document_add(replica->document, batch, &err);
    if (added != DOCUMENT_EARLY)
        replica->batches_checked++;
    if (added == DOCUMENT_REFUSED)
        replica_note_fault(replica, &err);
    return added;
}

static void take_batch(struct row_reader *reader, const struct batch *batch, struct bytes plain)
{
    switch (add_batch(reader->replica, batch, plain)) {
    case DOCUMENT_ADDED:
        reader->news = true;
        break;
    case DOCUMENT_KNOWN:
        break;
    case DOCUMENT_EARLY:
        replica_keep_early(reader->replica, batch, plain);
        break;
    case DOCUMENT_REFUSED:
        reader->broken++;
        break;
    }
}

/* --- what came before its parents --- */

void replica_keep_early(struct replica *replica, const struct batch *batch, struct bytes plain)
{
    for (size_t i = 0; i < replica->early_count; i++)
        if (agent_id_equal(&replica->early[i].batch.agent, &batch->agent) &&
            replica->early[i].batch.seq0 == batch->seq0 && bytes_equal(buf_view(&replica->early[i].plain), plain))
            return; /* from the room and from the journal */
    replica->early = xgrow(replica->early, &replica->early_cap, replica->early_count + 1, sizeof *replica->early);
    struct early *early = &replica->early[replica->early_count++];
    *early = (struct early){0};
    batch_copy(&early->batch, batch);
    buf_add_bytes(&early->plain, plain);
}

static void drop_early(struct replica *replica, size_t at)
{
    batch_release(&replica->early[at].batch);
    buf_release(&replica->early[at].plain);
    replica->early_count--;
    memmove(replica->early + at, replica->early + at + 1, (replica->early_count - at) * sizeof *replica->early);
}

bool replica_take_early(struct replica *replica)
{
    bool news = false;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < replica->early_count;) {
            const struct early *early = &replica->early[i];
            enum document_added added = add_batch(replica, &early->batch, buf_view(&early->plain));
            if (added == DOCUMENT_EARLY) {
                i++;
                continue;
            }
            moved |= added == DOCUMENT_ADDED;
            drop_early(replica, i);
        }
        news |= moved;
    }
    return news;
}

void replica_forget_early(struct replica *replica)
{
    while (replica->early_count > 0)
        drop_early(replica, replica->early_count - 1);
}

/* The row names its batch's digest: what the chain makes of the content must be that. */
static bool digest_matches(struct row_reader *reader, const struct event_id *last, const struct digest *expected)
{
    struct digest digest;
    return !chain_find(reader->replica->chain, last, &digest) || digest_equal(&digest, expected);
}

static void check_local(struct row_reader *reader, const struct journal_row *row)
{
    struct event_id last = {row->agent, row->seq0 + row->count - 1};
    struct error err = {0};
    if (digest_matches(reader, &last, &row->digest))
        return;
    error_set(&err, ERR_AUTH, 0, "row %llu of the journal is not what its digest says", (unsigned long long)row->place);
    replica_note_fault(reader->replica, &err);
}

static const struct member *find_member(const struct members *members, const struct agent_id *agent)
{
    for (size_t i = 0; members && i < members->count; i++)
        if (agent_id_equal(&members->agents[i], agent))
            return &members->open[i];
    return NULL;
}

/* A record from elsewhere carries its author's signature over the chain up to its last batch. */
static void check_signature(struct row_reader *reader, const struct record *record)
{
    struct replica *replica = reader->replica;
    const struct member *member = find_member(replica->members, &record->agent);
    struct event_id last = {record->agent, record->seq0 + record->count - 1};
    struct digest digest;
    struct error err = {0};
    bool good = member && chain_find(replica->chain, &last, &digest) &&
                record_verify(record, &replica->entry.doc, &member->doc_key, &digest);
    replica->signatures_checked++;
    if (good)
        return;
    error_set(&err, ERR_AUTH, 0, "a record of events %llu to %llu is not signed by its author",
              (unsigned long long)record->seq0, (unsigned long long)last.seq);
    replica_note_fault(replica, &err);
}

static void read_local(struct row_reader *reader, const struct journal_row *row)
{
    struct batch batch = {0};
    struct error err = {0};
    if (batch_decode(row->body, &row->agent, row->seq0, &batch, &err)) {
        take_batch(reader, &batch, row->body);
        check_local(reader, row);
    } else {
        reader->broken++;
    }
    batch_release(&batch);
}

static bool read_events(struct row_reader *reader, const struct record *record, struct error *err)
{
    struct buf plain = {0};
    struct batch_list batches = {0};
    struct bytes *plains = NULL;
    bool good = record_open_events(record, &reader->replica->entry.keys, &plain, &batches, &plains, err);
    for (size_t i = 0; good && i < batches.count; i++)
        take_batch(reader, &batches.items[i], plains[i]);
    if (good && reader->replica->audits)
        check_signature(reader, record);
    free(plains);
    batch_list_release(&batches);
    buf_release(&plain);
    return good;
}

bool replica_read_member(struct replica *replica, struct bytes stored, struct error *err)
{
    struct record genesis_record, record;
    struct genesis genesis;
    struct member member;
    bool good = record_decode(buf_view(&replica->genesis), &genesis_record, err) &&
                genesis_open(&genesis_record, &replica->entry.keys, &genesis, err) &&
                record_decode(stored, &record, err) &&
                member_open(&record, &replica->entry.keys, &genesis.write, &member, err);
    if (good)
        replica_add_member(replica, &member, stored);
    return good;
}

static void read_received(struct row_reader *reader, const struct journal_row *row)
{
    struct record record;
    struct error err = {0};
    bool good = record_decode(row->body, &record, &err);
    if (good && record.kind == RECORD_EVENTS)
        good = read_events(reader, &record, &err);
    else if (good && record.kind == RECORD_MEMBER)
        good = replica_read_member(reader->replica, row->body, &err);
    if (!good)
        reader->broken++;
}

static bool visit_row(void *self, const struct journal_row *row)
{
    struct row_reader *reader = self;
    if (row->form == JOURNAL_LOCAL)
        read_local(reader, row);
    else
        read_received(reader, row);
    return true;
}

/*
 * All rows above replica->place_read. When a document is opened everything is there, so what is still early then builds
 * on rows that are lost; later it may only be ahead of the room.
 */
static bool read_rows(struct replica *replica, struct journal *journal, bool *news, struct error *err)
{
    struct row_reader reader = {.replica = replica};
    struct journal_read read = {.last_place = replica->place_read};
    bool good = journal_rows(journal, 0, (struct journal_visitor){&reader, visit_row}, &read, err);
    *news = replica_take_early(replica) || reader.news;
    if (good)
        replica->place_read = read.last_place;
    unsigned long long unread = read.damaged + reader.broken;
    if (journal == replica->journal_found)
        unread += replica->early_count;
    if (unread) {
        struct error lost = {0};
        error_set(&lost, ERR_FORMAT, 0, "entries of the journal cannot be read");
        replica_note_fault(replica, &lost);
    }
    if (unread)
        replica_say(replica, "%llu entries of this document's journal cannot be read; the rest is here.", unread);
    return good;
}

static bool load_base(struct replica *replica, struct rope **base, struct error *err)
{
    struct buf text = {0};
    struct journal_base state;
    if (!journal_base_state(replica->journal_found, &state, err))
        return false;
    if (!state.known && replica->entry.role == DOC_GUEST) {
        replica->joining = true; /* the base had not come when this ended last */
        *base = rope_new();
        return true;
    }
    if (!journal_base_load(replica->journal_found, &text, err)) {
        buf_release(&text);
        return false;
    }
    *base = rope_from_bytes(buf_view(&text));
    buf_release(&text);
    return true;
}

/* The state of the file when weft last read or wrote it. Without one: the base. */
static bool load_saved(struct replica *replica, struct error *err)
{
    struct journal_saved saved = {0};
    struct buf memory = {0};
    bool found = false;
    if (!replica->file.path)
        return true;
    bool good = journal_saved_get(replica->journal_found, replica->file.path, &saved, &memory, &found, err);
    if (good && found) {
        struct reader reader = reader_of(saved.version);
        if (!version_decode(&reader, &replica->file.version) || !document_knows(replica->document, &replica->file.version))
            version_release(&replica->file.version);
        replica->file.hash = saved.hash;
        replica->file.hash_known = true;
        replica->file.stamp = (struct file_stamp){saved.dev, saved.ino, saved.size, saved.mtime_ns, saved.size != UINT64_MAX};
    }
    buf_release(&memory);
    return good;
}

/* The text of the file as weft last knew it, from the document: nothing else has to be kept for that. */
static void rebuild_saved_text(struct replica *replica)
{
    struct patch patch = {0};
    if (replica->file.hash_known && document_patch_to(replica->document, &replica->file.version, &patch)) {
        rope_free(replica->file.text);
        replica->file.text = rope_snapshot(replica->base);
        rope_apply(replica->file.text, &patch);
    }
    patch_release(&patch);
}

static bool load_view(struct replica *replica, struct error *err)
{
    uint64_t place;
    bool found = false;
    const char *path = replica->file.path ? replica->file.path : "";
    if (!journal_view_get(replica->journal_found, path, &replica->view, &place, &found, err))
        return false;
    if (found)
        buffer_select(&replica->buffer,
                      (struct selection){replica->view.anchor, replica->view.cursor, SELECTION_NO_GOAL});
    return true;
}

bool replica_restore(struct replica *replica, struct error *err)
{
    if (!env_device(replica->env, err))
        return false;
    replica->journal_found = open_journal(replica, replica->reads_only ? JOURNAL_READ : JOURNAL_WRITE, err);
    bool found = false, news;
    struct rope *base = NULL;
    if (!replica->journal_found || !load_base(replica, &base, err) ||
        !journal_note_get(replica->journal_found, "genesis", &replica->genesis, &found, err))
        return false;
    replica_begin_document(replica, base);
    if (!replica_load_checkpoint(replica, &found, err) || !read_rows(replica, replica->journal_found, &news, err))
        return false;
    replica_update_text(replica);
    if (!load_saved(replica, err))
        return false;
    rebuild_saved_text(replica);
    return load_view(replica, err);
}

/* --- beginning to write --- */

static void add_mine(struct replica *replica, const struct agent_id *agent)
{
    replica->mine = xgrow(replica->mine, &replica->mine_cap, replica->mine_count + 1, sizeof *replica->mine);
    replica->mine[replica->mine_count++] = *agent;
}

/* Directories, device key, the agent's lock. */
static bool prepare_disk(struct replica *replica, struct error *err)
{
    if (replica->is_private)
        return env_device_passing(replica->env, err);
    char *docs = journals_dir(replica), *agents = agents_dir(replica);
    bool good = env_device(replica->env, err) && file_make_dirs(docs, err) && file_make_dirs(agents, err) &&
                (replica->lock.path || agent_lock_hold(&replica->lock, agents, &replica->agent, err));
    free(docs);
    free(agents);
    return good;
}

/*
 * Another process made a document for this path a moment ago and this one has not written yet: that one it is. Its journal
 * may be about to be made; both then begin from the file's text, which both have just read.
 */
static bool adopt_entry(struct replica *replica, const struct doc_id *other, struct doc_index *index, struct error *err)
{
    bool found;
    if (!doc_index_find_doc(index, other, &replica->entry, &found, err) || !found)
        return false;
    struct selection selection = replica->buffer.selection;
    struct error restoring = {0};
    version_release(&replica->file.version);
    if (!replica_restore(replica, &restoring)) {
        if (restoring.code != ERR_MISSING) {
            *err = restoring;
            return false;
        }
        replica_begin_document(replica, rope_snapshot(replica->base));
    }
    buffer_select(&replica->buffer, selection);
    return true;
}

static bool put_entry(struct replica *replica, struct error *err)
{
    if (replica->is_private)
        return true;
    struct doc_index *index;
    struct doc_id other;
    struct doc_entry *entry = &replica->entry;
    if (!replica_open_index(replica, DOC_INDEX_CREATE, &index, err))
        return false;
    uint64_t now_s = (uint64_t)time(NULL);
    entry->opened_s = now_s;
    if (!entry->created_s)
        entry->created_s = now_s;
    entry->dev = replica->file.stamp.dev;
    entry->ino = replica->file.stamp.ino;
    entry->content_known = replica->file.hash_known;
    entry->content = replica->file.hash;
    if (replica->takes_path && !doc_index_bind_path(index, &entry->doc, entry->path, entry->dev, entry->ino, NULL, now_s, err)) {
        doc_index_close(index);
        return false;
    }
    bool good = false;
    switch (doc_index_put(index, entry, &other, err)) {
    case DOC_INDEX_PUT:
        good = true;
        break;
    case DOC_INDEX_TAKEN:
        good = document_events(replica->document) == 0
                   ? adopt_entry(replica, &other, index, err)
                   : doc_index_bind_path(index, &entry->doc, entry->path, entry->dev, entry->ino, NULL, now_s, err);
        break;
    case DOC_INDEX_FAILED:
        break;
    }
    doc_index_close(index);
    replica->indexed = good;
    return good;
}

/* On the writer's thread, when begin_writing could not do it: the disk was full, or worse. */
static struct journal *writer_opens(void *self, struct error *err)
{
    struct replica *replica = self;
    if (!prepare_disk(replica, err) || (!replica->indexed && !put_entry(replica, err)))
        return NULL;
    return open_journal(replica, JOURNAL_CREATE, err);
}

static void wake(struct replica *replica)
{
    uint64_t one = 1;
    ssize_t wrote = write(replica->wake_fd, &one, sizeof one);
    (void)wrote; /* a full counter is as awake as can be */
}

static void writer_committed(void *self, uint64_t ticket, uint64_t place)
{
    (void)ticket;
    neighbours_ring(self, place);
}

static void writer_kept(void *self, uint64_t ticket)
{
    (void)ticket;
    wake(self);
}

static void writer_troubled(void *self)
{
    wake(self);
}

/* The first job in a new journal: the base text, and who writes. Runs on the writer's thread. */
struct founding {
    struct rope *base;
    struct agent_id agent;
    uint64_t now_s;
    struct buf genesis;
};

static bool found_journal(void *self, struct journal *journal, struct error *err)
{
    struct founding *founding = self;
    struct journal_base state;
    if (!journal_agent_add(journal, &founding->agent, founding->now_s, err) ||
        !journal_base_state(journal, &state, err))
        return false;
    if (founding->genesis.len && !journal_note_put(journal, "genesis", buf_view(&founding->genesis), err))
        return false;
    if (!founding->base || state.complete)
        return true;
    uint64_t len = rope_len(founding->base);
    struct buf chunk = {0};
    bool good = journal_base_begin(journal, len, err);
    for (uint64_t n = 0; good && n * JOURNAL_CHUNK_BYTES < len; n++) {
        uint64_t at = n * JOURNAL_CHUNK_BYTES, left = len - at;
        buf_clear(&chunk);
        rope_append_to(founding->base, at, left < JOURNAL_CHUNK_BYTES ? left : JOURNAL_CHUNK_BYTES, &chunk);
        good = journal_base_put(journal, n, buf_view(&chunk), err);
    }
    buf_release(&chunk);
    return good;
}

static void founding_done(void *self, const struct journal_result *result)
{
    struct founding *founding = self;
    (void)result;
    rope_free(founding->base);
    buf_release(&founding->genesis);
    free(founding);
}

void replica_give_founding(struct replica *replica)
{
    struct founding *founding = xcalloc(1, sizeof *founding);
    founding->base = replica->joining ? NULL : rope_snapshot(replica->base);
    founding->agent = replica->agent;
    founding->now_s = (uint64_t)time(NULL);
    buf_add_bytes(&founding->genesis, buf_view(&replica->genesis));
    journal_writer_run(replica->writer, found_journal, founding, (struct journal_done){founding_done, founding});
}

/* Takes over what dead processes of this device left: their undo steps, and their unsent batches. */
static void claim_dead(struct replica *replica, struct journal *journal)
{
    struct journal_agent *agents = NULL;
    size_t count = 0;
    struct error err = {0};
    char *dir = agents_dir(replica);
    if (!journal_agent_add(journal, &replica->agent, (uint64_t)time(NULL), &err) ||
        !journal_agents(journal, &agents, &count, &err))
        replica_say(replica, "Edits of an earlier run cannot be taken over: %s", err.text);
    for (size_t i = 0; i < count; i++) {
        const struct journal_agent *dead = &agents[i];
        if (agent_id_equal(&dead->agent, &replica->agent) || agent_lock_test(dir, &dead->owner) == AGENT_ALIVE)
            continue;
        if (journal_agent_claim(journal, &dead->agent, &dead->owner, &replica->agent, &err) == JOURNAL_CLAIMED)
            add_mine(replica, &dead->agent);
    }
    free(dir);
    free(agents);
}

void replica_begin_writing(struct replica *replica)
{
    if (replica->writing)
        return;
    replica->writing = true;
    add_mine(replica, &replica->agent);
    struct error err = {0};
    bool ready = prepare_disk(replica, &err) && (replica->indexed || put_entry(replica, &err));
    bool founded = replica->journal_found != NULL;
    if (ready && founded)
        claim_dead(replica, replica->journal_found);
    struct journal_writer_spec spec = {.self = replica, .open = writer_opens, .committed = writer_committed,
                                       .kept = writer_kept, .troubled = writer_troubled};
    replica->writer = journal_writer_new(&spec, replica->journal_found);
    replica->journal_found = NULL;
    replica_give_founding(replica);
    if (!founded && replica->file.path)
        replica_put_saved(replica);
}

void replica_stop_writing(struct replica *replica)
{
    struct error err = {0};
    enum { STOP_MS = 3000 };
    if (replica->writer && !journal_writer_stop(replica->writer, STOP_MS, &err))
        replica_say(replica, "Not everything could be kept: %s", err.text);
    replica->writer = NULL;
    journal_close(replica->journal_found);
    journal_close(replica->reader);
    replica->journal_found = NULL;
    replica->reader = NULL;
    replica->writing = false;
    replica->mine_count = 0;
    replica->last_ticket = 0;
    replica->journal_made = false;
    replica->place_read = 0;
    agent_lock_release(&replica->lock);
    crypto_random(&replica->agent, sizeof replica->agent);
}

/* --- rows of other processes --- */

bool replica_nothing(void *self, struct journal *journal, struct error *err)
{
    (void)self;
    (void)journal;
    (void)err;
    return true;
}

bool replica_open_reader(struct replica *replica, struct error *err)
{
    if (!replica->reader && !replica->is_private && env_device(replica->env, err))
        replica->reader = open_journal(replica, JOURNAL_WRITE, err);
    return replica->reader != NULL;
}

void replica_read_rows(struct replica *replica)
{
    struct error err = {0};
    bool news = false;
    if (replica->joining || !replica->indexed)
        return;
    if (!replica_open_reader(replica, &err) || !read_rows(replica, replica->reader, &news, &err)) {
        replica_say(replica, "What another weft wrote cannot be read now: %s", err.text);
        return;
    }
    if (news)
        replica_update_text(replica);
}

void replica_catch_up(struct replica *replica)
{
    replica_read_rows(replica);
}

void replica_put_name(struct replica *replica)
{
    struct doc_index *index;
    struct doc_id other;
    struct error err = {0};
    replica_give_founding(replica);
    if (replica->is_private || !replica_open_index(replica, DOC_INDEX_CREATE, &index, &err))
        return;
    if (doc_index_put(index, &replica->entry, &other, &err) == DOC_INDEX_FAILED)
        replica_say(replica, "The name of this document is not kept: %s", err.text);
    doc_index_close(index);
}

void replica_forget(struct replica *replica)
{
    struct doc_index *index;
    struct error err = {0};
    if (replica->is_private || !replica->indexed)
        return;
    journal_close(replica->reader);
    journal_close(replica->journal_found);
    replica->reader = replica->journal_found = NULL;
    char *path = journal_file(replica);
    if (!journal_forget(path, &err))
        replica_say(replica, "The journal of %s could not be removed: %s", replica->label, err.text);
    free(path);
    if (!replica_open_index(replica, DOC_INDEX_CREATE, &index, &err))
        return;
    if (!doc_index_forget(index, &replica->entry.doc, &err))
        replica_say(replica, "%s", err.text);
    doc_index_close(index);
}
