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

/* --- what came before its parents --- */

static struct early *add_early(struct replica *replica)
{
    replica->early = xgrow(replica->early, &replica->early_cap, replica->early_count + 1, sizeof *replica->early);
    struct early *early = &replica->early[replica->early_count++];
    *early = (struct early){0};
    return early;
}

static void keep_batch(struct replica *replica, const struct batch *batch)
{
    for (size_t i = 0; i < replica->early_count; i++) {
        const struct early *early = &replica->early[i];
        if (early->linked && agent_id_equal(&early->batch.agent, &batch->agent) && early->batch.seq0 == batch->seq0)
            return; /* from the room and from the journal */
    }
    struct early *early = add_early(replica);
    early->linked = true;
    batch_copy(&early->batch, batch);
}

static void keep_row(struct replica *replica, const struct journal_row *row)
{
    struct early *early = add_early(replica);
    early->row = *row;
    buf_add_bytes(&early->body, row->body);
}

static void drop_early(struct replica *replica, size_t at)
{
    batch_release(&replica->early[at].batch);
    buf_release(&replica->early[at].body);
    replica->early_count--;
    memmove(replica->early + at, replica->early + at + 1, (replica->early_count - at) * sizeof *replica->early);
}

void replica_forget_early(struct replica *replica)
{
    while (replica->early_count > 0)
        drop_early(replica, replica->early_count - 1);
}

/* --- batches into the document --- */

static enum document_added add_batch(struct replica *replica, const struct batch *batch)
{
    struct error err = {0};
    enum document_added added = document_add(replica->document, batch, &err);
    if (added != DOCUMENT_EARLY)
        replica->batches_checked++;
    if (added == DOCUMENT_REFUSED) {
        replica_note_fault(replica, &err);
        replica_say(replica, "An edit that came in cannot be taken: %s", err.text);
    }
    return added;
}

bool replica_add_batches(struct replica *replica, const struct batch *batches, size_t count,
                         const struct agent_fork *fork)
{
    bool news = false;
    if (fork)
        document_fork(replica->document, fork);
    for (size_t i = 0; i < count; i++) {
        enum document_added added = add_batch(replica, &batches[i]);
        news |= added == DOCUMENT_ADDED;
        if (added == DOCUMENT_EARLY)
            keep_batch(replica, &batches[i]);
    }
    return news;
}

/* A row's batches, opened. */
struct opened {
    const struct journal_row *row;
    struct record record; /* of a RECEIVED row */
    struct buf plain;
    struct batch_list batches;
    struct bytes *plains;
    struct digest *digests;
};

static void opened_release(struct opened *opened)
{
    batch_list_release(&opened->batches);
    buf_release(&opened->plain);
    free(opened->plains);
    free(opened->digests);
}

static const struct member *find_member(const struct members *members, const struct agent_id *agent)
{
    for (size_t i = 0; members && i < members->count; i++)
        if (agent_id_equal(&members->agents[i], agent))
            return &members->open[i];
    return NULL;
}

/* A record from elsewhere carries its author's signature over the chain up to its last batch. */
static bool is_signed(struct replica *replica, const struct opened *opened, const struct digest *last)
{
    const struct member *member = find_member(replica->members, &opened->record.agent);
    replica->signatures_checked++;
    return member && record_verify(&opened->record, &replica->entry.doc, &member->doc_key, last);
}

static void note_row(struct replica *replica, const struct journal_row *row, const char *what)
{
    struct error err = {0};
    error_set(&err, ERR_AUTH, 0, "row %llu of the journal (events %llu to %llu) %s", (unsigned long long)row->place,
              (unsigned long long)row->seq0, (unsigned long long)(row->seq0 + row->count - 1), what);
    replica_note_fault(replica, &err);
}

/*
 * Which digest the row ends in: a LOCAL one says so itself; a RECEIVED one was checked when it came, so only where forks leave
 * a choice does its signature have to tell.
 */
static enum chain_link find_last(struct replica *replica, const struct opened *opened, unsigned *way,
                                 struct digest *last)
{
    size_t count = opened->batches.count;
    for (*way = 0; *way < CHAIN_WAYS_MAX; ++*way) {
        enum chain_link link = chain_check_run(replica->chain, opened->batches.items, opened->plains, count, *way,
                                               opened->digests);
        *last = opened->digests[count - 1];
        bool sure = opened->row->form == JOURNAL_LOCAL
                        ? digest_equal(last, &opened->row->digest)
                        : link == CHAIN_NEXT && !replica->audits && chain_forks(replica->chain) == 0;
        if (link == CHAIN_EARLY || link == CHAIN_NO_WAY || link == CHAIN_KNOWN || sure)
            return link;
        if (opened->row->form == JOURNAL_RECEIVED && is_signed(replica, opened, last))
            return link;
    }
    return CHAIN_NO_WAY;
}

/* Says what is wrong with a row that no way leads to, and takes its content the first way all the same: it is somebody's. */
static enum chain_link take_doubtful(struct replica *replica, const struct opened *opened, struct digest *last)
{
    bool local = opened->row->form == JOURNAL_LOCAL;
    note_row(replica, opened->row, local ? "is not what its digest says" : "is not signed by its author");
    enum chain_link link = chain_check_run(replica->chain, opened->batches.items, opened->plains,
                                           opened->batches.count, 0, opened->digests);
    *last = opened->digests[opened->batches.count - 1];
    return link == CHAIN_FORKED || link == CHAIN_CROWDED ? CHAIN_NO_WAY : link;
}

enum row_took { ROW_NEWS, ROW_KNOWN, ROW_EARLY, ROW_BROKEN };

static enum row_took take_opened(struct replica *replica, const struct opened *opened)
{
    struct digest last;
    struct chain_taken taken;
    size_t count = opened->batches.count;
    unsigned way;
    enum chain_link link = find_last(replica, opened, &way, &last);
    if (link == CHAIN_NO_WAY)
        link = take_doubtful(replica, opened, &last);
    if (link == CHAIN_EARLY)
        return ROW_EARLY;
    link = chain_take_run(replica->chain, opened->batches.items, opened->plains, count, way, &last, opened->digests,
                          &taken);
    if (link == CHAIN_EARLY || link == CHAIN_NO_WAY || link == CHAIN_CROWDED)
        return ROW_BROKEN;
    bool news = replica_add_batches(replica, opened->batches.items, count, taken.forked ? &taken.fork : NULL);
    return news ? ROW_NEWS : ROW_KNOWN;
}

static bool open_row(struct replica *replica, const struct journal_row *row, struct opened *opened, struct error *err)
{
    if (row->form == JOURNAL_RECEIVED)
        return record_decode(row->body, &opened->record, err) &&
               record_open_events(&opened->record, &replica->entry.keys, &opened->plain, &opened->batches,
                                  &opened->plains, err);
    opened->plains = xmalloc(sizeof *opened->plains);
    opened->plains[0] = row->body;
    return batch_decode(row->body, &row->agent, row->seq0, batch_list_add(&opened->batches), err);
}

static enum row_took take_row(struct replica *replica, const struct journal_row *row)
{
    struct opened opened = {.row = row};
    struct error err = {0};
    enum row_took took = ROW_BROKEN;
    if (open_row(replica, row, &opened, &err)) {
        opened.digests = xmalloc((opened.batches.count + 1) * sizeof *opened.digests);
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
    switch (add_batch(replica, &early->batch)) {
    case DOCUMENT_ADDED: return ROW_NEWS;
    case DOCUMENT_EARLY: return ROW_EARLY;
    case DOCUMENT_KNOWN:
    case DOCUMENT_REFUSED: break;
    }
    return ROW_KNOWN;
}

bool replica_take_early(struct replica *replica)
{
    bool news = false;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < replica->early_count;) {
            enum row_took took = retry(replica, i);
            if (took == ROW_EARLY) {
                i++;
                continue;
            }
            moved |= took != ROW_BROKEN; /* into the document, or into the chain */
            news |= took == ROW_NEWS;
            drop_early(replica, i);
        }
    }
    return news;
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

static void read_events(struct row_reader *reader, const struct journal_row *row)
{
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

static bool visit_row(void *self, const struct journal_row *row)
{
    struct row_reader *reader = self;
    struct error err = {0};
    if (row->form == JOURNAL_LOCAL || record_kind_has_events(row->kind))
        read_events(reader, row);
    else if (row->kind == RECORD_MEMBER && !replica_read_member(reader->replica, row->body, &err))
        reader->broken++;
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

/* The state of the file when weft last read or wrote it. Without one: the base. */
static bool load_saved(struct replica *replica, struct error *err)
{
    struct journal_saved saved = {0};
    struct buf memory = {0};
    bool found = false;
    if (!replica->file.path)
        return true;
    bool good = journal_saved_get(replica->journal_found, replica->file.path, &saved, &memory, &found, err);
    if (good && !found && replica_has_other_name(replica))
        good = journal_saved_get(replica->journal_found, replica->entry.path, &saved, &memory, &found, err);
    if (good && found) {
        replica->file.origin_unknown = !replica_decode_version(replica, saved.version, &replica->file.version);
        replica->file.hash = saved.hash;
        replica->file.hash_known = true;
        replica->file.stamp = (struct file_stamp){saved.dev, saved.ino, saved.size, saved.mtime_ns, saved.ino != 0};
    }
    buf_release(&memory);
    return good;
}

/* From the document: nothing else has to be kept for that. */
void replica_rebuild_file_text(struct replica *replica)
{
    struct patch patch = {0};
    if (replica->file.hash_known && document_patch_to(replica->document, &replica->file.version, &patch)) {
        rope_free(replica->file.text);
        replica->file.text = rope_snapshot(replica->base);
        rope_apply(replica->file.text, &patch);
    }
    patch_release(&patch);
}

/* A cursor that rode with an edit is a place in the text as that edit left it. */
static bool note_version(void *self, const struct journal_row *row)
{
    struct version *version = self;
    if (row->form == JOURNAL_LOCAL && row->count > 0) {
        version->heads = xgrow(version->heads, &version->cap, 1, sizeof *version->heads);
        version->heads[version->count++] = (struct event_id){row->agent, row->seq0 + row->count - 1};
    }
    return false;
}

/* What others wrote after it was kept moves the cursor, as it did on the screen. */
static bool carry_view(struct replica *replica, uint64_t place, struct error *err)
{
    struct version version = {0};
    struct patch since = {0};
    struct journal_read read = {.last_place = place - 1};
    bool good = journal_rows(replica->journal_found, 1, (struct journal_visitor){&version, note_version}, &read, err);
    if (good && version.count && document_patch_since(replica->document, &version, &since)) {
        struct selection kept = {replica->view.anchor, replica->view.cursor, SELECTION_NO_GOAL};
        struct selection now = selection_map(kept, &since);
        replica->view.cursor = now.head;
        replica->view.anchor = now.anchor;
    }
    patch_release(&since);
    version_release(&version);
    return good;
}

static bool load_view(struct replica *replica, struct error *err)
{
    uint64_t place;
    bool found = false;
    const char *path = replica->file.path ? replica->file.path : "";
    if (!journal_view_get(replica->journal_found, path, &replica->view, &place, &found, err) ||
        (!found && replica_has_other_name(replica) &&
         !journal_view_get(replica->journal_found, replica->entry.path, &replica->view, &place, &found, err)))
        return false;
    if (found && place > 0 && !carry_view(replica, place, err))
        return false;
    if (found)
        buffer_select(&replica->buffer,
                      (struct selection){replica->view.anchor, replica->view.cursor, SELECTION_NO_GOAL});
    return true;
}

/* From replica->journal_found. */
static bool restore(struct replica *replica, struct error *err)
{
    bool found = false, news;
    struct rope *base = NULL;
    if (!replica->journal_found || !replica_load_base(replica, &base, err) ||
        !journal_note_get(replica->journal_found, "genesis", &replica->genesis, &found, err) ||
        !replica_load_newer(replica, err))
        return false;
    replica_begin_document(replica, base);
    return replica_load_checkpoint(replica, &found, err) && read_rows(replica, replica->journal_found, &news, err);
}

/* What the journal does not have yet, read from where it waits; what it has is known already. */
static bool read_left(struct replica *replica, struct journal *left, struct error *err)
{
    struct row_reader reader = {.replica = replica};
    struct journal_read read = {0};
    bool good = journal_rows(left, 0, (struct journal_visitor){&reader, visit_row}, &read, err);
    replica_take_early(replica);
    return good;
}

/* The same for who only reads, and so has folded nothing. */
static bool restore_with_left(struct replica *replica, struct error *err)
{
    struct journal *left = replica_left_journal(replica->env, &replica->entry.doc);
    bool good = restore(replica, err);
    if (good && left)
        good = read_left(replica, left, err);
    bool begins_there = !good && left && err->code == ERR_MISSING;
    if (begins_there) { /* there is no journal yet, or nothing in it */
        *err = (struct error){0};
        journal_close(replica->journal_found);
        replica->journal_found = left;
        return restore(replica, err);
    }
    journal_close(left);
    return good;
}

bool replica_restore(struct replica *replica, struct error *err)
{
    if (!env_device(replica->env, err))
        return false;
    replica->journal_found = open_journal(replica, replica->reads_only ? JOURNAL_READ : JOURNAL_WRITE, err);
    if (!(replica->reads_only ? restore_with_left(replica, err) : restore(replica, err)))
        return false;
    replica_update_text(replica);
    if (!load_saved(replica, err))
        return false;
    replica_rebuild_file_text(replica);
    return load_view(replica, err);
}

/* --- other processes --- */

bool replica_agent_lives(const struct replica *replica, const struct agent_id *agent)
{
    char *dir = paths_state_file(&replica->env->paths, "agents");
    bool lives = agent_lock_test(dir, agent) == AGENT_ALIVE;
    free(dir);
    return lives;
}

bool replica_others_write(struct replica *replica)
{
    struct journal_agent *agents = NULL;
    size_t count = 0;
    struct error err = {0};
    bool any = false;
    if (!replica->journal_found || !journal_agents(replica->journal_found, &agents, &count, &err))
        return false;
    for (size_t i = 0; i < count && !any; i++)
        any = replica_agent_lives(replica, &agents[i].owner);
    free(agents);
    return any;
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

bool replica_put_entry(struct replica *replica, struct error *err)
{
    struct doc_index *index;
    struct doc_id other;
    if (replica->is_private)
        return true;
    if (!replica_open_index(replica, DOC_INDEX_CREATE, &index, err))
        return false;
    bool good = doc_index_put(index, &replica->entry, &other, err) != DOC_INDEX_FAILED;
    doc_index_close(index);
    return good;
}

void replica_put_name(struct replica *replica)
{
    struct error err = {0};
    replica_give_founding(replica);
    if (!replica_put_entry(replica, &err))
        replica_say(replica, "The name of this document is not kept: %s", err.text);
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
