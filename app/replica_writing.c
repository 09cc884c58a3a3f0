/*
 * Beginning to write, and ceasing to.
 *
 * Making a journal takes the disk as long as it likes: keys, directories, the index's entry, the database. So the journal's
 * thread does it, from copies it has of everything (struct opening), while the UI thread takes keys. What it found out it
 * tells, and the UI thread draws the conclusions at its next turn: that the document is in the index now, or that another
 * process has just begun one for the same file, to which what was typed here is then carried over.
 *
 * The order of lives, which replica_stop_writing() and its callers keep: neighbours are there before the writer and after
 * it (its thread rings them); the network may come and go while it runs (net_lock); the opening lives as long as the writer.
 */
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_left.h"
#include "app/replica_neighbours.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_succession.h"
#include "app/replica_tail.h"
#include "app/replica_tidy.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/file_system.h"
#include "editor/base/xalloc.h"

enum {
    OPEN_WAIT_MS = 3000,
    STOP_MS = 3000, /* for what is queued when the journal does not take it */
};

enum told { TOLD_NOTHING, TOLD_FAILED, TOLD_OPENED, TOLD_TAKEN };

struct opening {
    /* Constant, or the journal's thread's own until the writer has stopped. */
    const struct paths *paths;
    char *key_path, *index_path, *journals, *agents;
    bool is_private;
    struct device device;
    bool has_device;
    struct agent_id agent;
    struct agent_lock alive; /* of the agent */
    struct doc_entry entry;
    bool indexed;
    bool takes_path; /* the path shows this document, whatever it showed before */
    bool taken;      /* the path shows another document: */
    struct doc_id taken_by;
    int wake_fd;
    uint64_t base_len;
    /* Between the threads, under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t news;
    enum told told;
    struct doc_id other; /* TOLD_TAKEN: taken_by */
    bool drawn;          /* the UI thread's: it has drawn its conclusions */
};

/* --- the journal's thread --- */

static void wake(int fd)
{
    uint64_t one = 1;
    ssize_t wrote = write(fd, &one, sizeof one);
    (void)wrote; /* a full counter is as awake as can be */
}

static void tell(struct opening *opening, enum told told)
{
    pthread_mutex_lock(&opening->lock);
    opening->told = told;
    opening->other = opening->taken_by;
    pthread_cond_signal(&opening->news);
    pthread_mutex_unlock(&opening->lock);
    wake(opening->wake_fd);
}

/* Device key, directories, the agent's lock. */
static bool prepare_disk(struct opening *opening, struct error *err)
{
    if (!opening->has_device)
        opening->has_device = paths_make_state(opening->paths, err) &&
                              device_load(opening->key_path, &opening->device, err);
    if (!opening->has_device || opening->is_private)
        return opening->has_device;
    return file_make_dirs(opening->journals, err) && file_make_dirs(opening->agents, err) &&
           (opening->alive.path || agent_lock_hold(&opening->alive, opening->agents, &opening->agent, err));
}

static bool take_path(const struct opening *opening, struct doc_index *index, struct error *err)
{
    const struct doc_entry *entry = &opening->entry;
    return doc_index_bind_path(index, &entry->doc, entry->path, entry->dev, entry->ino, NULL, file_system_now_s(), err);
}

/* Whether another process has just begun a document for this file under another name of it (a hard link). */
static bool is_begun_by_link(struct opening *opening, struct doc_index *index, bool *begun, struct error *err)
{
    const struct doc_entry *entry = &opening->entry;
    struct doc_entry other = {0};
    struct file_stamp there = {0};
    struct error ignored = {0};
    bool found = false;
    *begun = false;
    if (!entry->path || !entry->ino)
        return true;
    bool good = doc_index_find_inode(index, entry->dev, entry->ino, &other, &found, err);
    bool differs = good && found && memcmp(&other.doc, &entry->doc, sizeof other.doc) != 0 &&
                   strcmp(other.path, entry->path) != 0;
    *begun = differs && file_stat(other.path, &there, &ignored) && there.exists && there.dev == entry->dev &&
             there.ino == entry->ino;
    if (*begun)
        opening->taken_by = other.doc;
    doc_entry_release(&other);
    return good;
}

static bool put_entry(struct opening *opening, struct doc_index *index, struct error *err)
{
    struct doc_id other;
    if (!opening->takes_path && !is_begun_by_link(opening, index, &opening->taken, err))
        return false;
    if (opening->taken)
        return error_set(err, ERR_BUSY, 0, "another weft has just begun to keep %s", opening->entry.path);
    if (opening->takes_path && opening->entry.path && !take_path(opening, index, err))
        return false;
    switch (doc_index_put(index, &opening->entry, &other, err)) {
    case DOC_INDEX_PUT:
        return true;
    case DOC_INDEX_TAKEN:
        opening->taken_by = other;
        opening->taken = true;
        return error_set(err, ERR_BUSY, 0, "another weft has just begun to keep %s", opening->entry.path);
    case DOC_INDEX_FAILED:
        break;
    }
    return false;
}

static bool enter(struct opening *opening, struct error *err)
{
    struct doc_index *index = doc_index_open(opening->index_path, DOC_INDEX_CREATE, &opening->device, err);
    opening->indexed = index && put_entry(opening, index, err);
    doc_index_close(index);
    return opening->indexed;
}

static struct journal *create_journal(const struct opening *opening, struct error *err)
{
    char *path = opening->is_private ? NULL : journal_path(opening->journals, &opening->entry.doc);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_CREATE, .doc = opening->entry.doc, .now_s = (uint64_t)time(NULL),
                                .base_len = opening->base_len};
    struct journal *journal = journal_open_on(&opening->device, spec, err);
    free(path);
    return journal;
}

static struct journal *writer_opens(void *self, struct error *err)
{
    struct replica *replica = self;
    struct opening *opening = replica->opening;
    opening->taken = false;
    bool ready = prepare_disk(opening, err) && (opening->is_private || opening->indexed || enter(opening, err));
    struct journal *journal = ready ? create_journal(opening, err) : NULL;
    tell(opening, journal ? TOLD_OPENED : opening->taken ? TOLD_TAKEN : TOLD_FAILED);
    return journal;
}

void replica_wake(const struct replica *replica)
{
    wake(replica->wake_fd);
}

static void writer_committed(void *self, uint64_t ticket, uint64_t place)
{
    struct replica *replica = self;
    replica_tail_committed(replica, ticket);
    neighbours_ring(replica, place);
    if (atomic_load(&replica->awaits_journal) && !replica_journal_is_behind(replica, true) &&
        atomic_exchange(&replica->awaits_journal, false))
        replica_wake(replica);
}

static void writer_kept(void *self, uint64_t ticket)
{
    struct replica *replica = self;
    (void)ticket;
    replica_wake(replica);
}

static void writer_troubled(void *self)
{
    struct replica *replica = self;
    replica_wake(replica);
}

/* --- the opening's life --- */

static struct opening *opening_new(struct replica *replica)
{
    struct opening *opening = xcalloc(1, sizeof *opening);
    struct env *env = replica->env;
    struct error err = {0};
    opening->paths = &env->paths;
    opening->key_path = paths_state_file(&env->paths, "device.key");
    opening->index_path = paths_state_file(&env->paths, "index.db");
    opening->journals = paths_state_file(&env->paths, "docs");
    opening->agents = paths_state_file(&env->paths, "agents");
    opening->is_private = replica->is_private;
    opening->has_device = replica->is_private ? env_device_passing(env, &err) : env_device(env, &err);
    if (opening->has_device) /* else the journal's thread tries again, and says why */
        opening->device = env->device;
    opening->agent = replica->agent;
    opening->indexed = replica->indexed;
    /* Only a document that began as this file's text may turn out to be the one another process began. */
    opening->takes_path = replica->takes_path || replica->entry.state == DOC_SHARED || replica->entry.role == DOC_GUEST;
    doc_entry_copy(&opening->entry, &replica->entry);
    opening->wake_fd = replica->wake_fd;
    opening->base_len = replica->base ? rope_len(replica->base) : 0;
    pthread_mutex_init(&opening->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&opening->news, &attr);
    pthread_condattr_destroy(&attr);
    return opening;
}

static void opening_free(struct opening *opening)
{
    if (!opening)
        return;
    agent_lock_release(&opening->alive);
    device_wipe(&opening->device);
    doc_entry_release(&opening->entry);
    free(opening->key_path);
    free(opening->index_path);
    free(opening->journals);
    free(opening->agents);
    pthread_mutex_destroy(&opening->lock);
    pthread_cond_destroy(&opening->news);
    free(opening);
}

/* --- beginning --- */

void replica_add_mine(struct replica *replica, const struct agent_id *agent)
{
    replica->mine = xgrow(replica->mine, &replica->mine_cap, replica->mine_count + 1, sizeof *replica->mine);
    replica->mine[replica->mine_count++] = *agent;
}

bool replica_is_mine(const struct replica *replica, const struct agent_id *agent)
{
    for (size_t i = 0; i < replica->mine_count; i++)
        if (agent_id_equal(&replica->mine[i], agent))
            return true;
    return false;
}

void replica_claim_dead(struct replica *replica, struct journal *journal)
{
    struct journal_agent *agents = NULL;
    size_t count = 0;
    struct error err = {0};
    const char *dir = replica->opening->agents;
    replica_fold_advance(replica->env, replica->port); /* what it had typed last comes along */
    if (!journal_agent_add(journal, &replica->agent, (uint64_t)time(NULL), &err) ||
        !journal_agents(journal, &agents, &count, &err))
        replica_say(replica, "Edits of an earlier run cannot be taken over: %s", err.text);
    for (size_t i = 0; i < count; i++) {
        const struct journal_agent *dead = &agents[i];
        if (agent_id_equal(&dead->agent, &replica->agent) || agent_lock_test(dir, &dead->owner) == AGENT_ALIVE ||
            replica_advance_left(replica->env, &dead->owner))
            continue;
        if (journal_agent_claim(journal, &dead->agent, &dead->owner, &replica->agent, &err) == JOURNAL_CLAIMED)
            replica_add_mine(replica, &dead->agent);
    }
    free(agents);
}

/* What the index is to say of the document. */
static void complete_entry(struct replica *replica)
{
    struct doc_entry *entry = &replica->entry;
    entry->opened_s = (uint64_t)time(NULL);
    if (!entry->created_s)
        entry->created_s = entry->opened_s;
    replica_describe_file(replica);
}

/* A copy of this machine has written on as our agent: the hash chain has that, and it waits to be merged. */
static bool is_overtaken(struct replica *replica)
{
    return !replica->is_private && !replica->ahead && replica->document && replica->chain &&
           chain_next_seq(replica->chain, &replica->agent) > document_next_seq(replica->document, &replica->agent);
}

void replica_begin_writing(struct replica *replica)
{
    if (replica->writing && is_overtaken(replica))
        replica_go_on_as_another(replica); /* which begins anew */
    if (replica->writing)
        return;
    replica->writing = true;
    replica_add_mine(replica, &replica->agent);
    complete_entry(replica);
    replica->opening = opening_new(replica);
    struct error err = {0};
    struct journal *found = replica->journal_found;
    bool founded = found != NULL;
    replica->journal_found = NULL;
    if (found && !prepare_disk(replica->opening, &err)) {
        journal_close(found); /* an agent must not write while it looks dead: the journal's thread tries again */
        found = NULL;
    }
    if (found)
        replica_claim_dead(replica, found);
    struct journal_writer_spec spec = {.self = replica, .open = writer_opens, .committed = writer_committed,
                                       .kept = writer_kept, .troubled = writer_troubled};
    replica->opening->drawn = found != NULL;
    replica->writer = journal_writer_new(&spec, found);
    replica_give_founding(replica);
    if (!founded && replica->file.path)
        replica_put_saved(replica);
    if (!founded)
        replica_tail_begin(replica);
    replica_keep_name(replica);
}

/* --- drawing the conclusions --- */

static void take_opened(struct replica *replica)
{
    struct error err = {0};
    if (!replica->is_private && !env_device(replica->env, &err)) /* it was made a moment ago */
        replica_say(replica, "%s", err.text);
    replica->opening->drawn = true;
    if (replica->is_private)
        return;
    replica->indexed = true;
    replica->takes_path = false;
    const char *path = replica->file.path;
    if (path && (!replica->opening->entry.path || strcmp(path, replica->opening->entry.path) != 0))
        (void)replica_bind_path(replica, replica->opening->entry.path); /* saved under another name meanwhile, or renamed */
    replica_note_file(replica);
    neighbours_meet(replica);
    replica_look_for_successor(replica); /* nobody could tell us until now */
    replica_touch(replica);
}

static enum told what_was_told(struct opening *opening)
{
    pthread_mutex_lock(&opening->lock);
    enum told told = opening->told;
    pthread_mutex_unlock(&opening->lock);
    return told;
}

static void take_taken(struct replica *replica)
{
    struct opening *opening = replica->opening;
    pthread_mutex_lock(&opening->lock);
    struct doc_id other = opening->other;
    pthread_mutex_unlock(&opening->lock);
    replica_adopt(replica, &other);
}

/* Once, until it is over. A full disk is in the status line, with what helps. */
static void say_trouble(struct replica *replica)
{
    struct journal_writer_state state;
    if (!replica->writer)
        return;
    journal_writer_state(replica->writer, &state);
    bool failing = state.failing && state.why.code != ERR_FULL && state.edits_in_memory > 0;
    if (failing && !replica->trouble_said)
        replica_say(replica, "What you type is not kept on this machine: %s", state.why.text);
    replica->trouble_said = failing;
}

void replica_writing_handle(struct replica *replica)
{
    say_trouble(replica);
    if (!replica->opening || replica->opening->drawn)
        return;
    switch (what_was_told(replica->opening)) {
    case TOLD_NOTHING:
    case TOLD_FAILED: /* it tries again; the writer's state says why */
        break;
    case TOLD_OPENED:
        take_opened(replica);
        break;
    case TOLD_TAKEN:
        take_taken(replica);
        break;
    }
}

void replica_await_journal(struct replica *replica)
{
    struct opening *opening = replica->opening;
    struct timespec until;
    if (!opening || opening->drawn)
        return;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += OPEN_WAIT_MS / 1000;
    pthread_mutex_lock(&opening->lock);
    while (opening->told == TOLD_NOTHING && pthread_cond_timedwait(&opening->news, &opening->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&opening->lock);
    replica_writing_handle(replica);
    replica_begin_writing(replica); /* in the document it turned out to be */
}

/* --- ceasing --- */

bool replica_cease_writing(struct replica *replica, unsigned timeout_ms, struct error *err)
{
    bool kept = true;
    replica_tidy_end(replica);
    if (replica->writer) {
        kept = journal_writer_stop(replica->writer, timeout_ms, err);
        replica->writer = NULL;
        replica_tail_leave(replica, kept);
        replica_advance_leave(replica, kept);
    }
    if (replica->opening && !replica->opening->drawn && what_was_told(replica->opening) == TOLD_OPENED)
        replica->indexed = !replica->is_private;
    replica_tidy_release(replica);
    opening_free(replica->opening);
    journal_close(replica->journal_found);
    journal_close(replica->reader);
    replica->opening = NULL;
    replica->journal_found = replica->reader = NULL;
    replica->writing = false;
    replica->mine_count = 0;
    replica->last_ticket = 0;
    replica->journal_made = false;
    replica->place_read = replica->checkpoint_place = 0;
    replica->owed_count = 0;
    crypto_random(&replica->agent, sizeof replica->agent);
    return kept;
}

void replica_stop_writing(struct replica *replica)
{
    struct error err = {0};
    worker_drain(replica->worker); /* a save speaks with the writer */
    if (!replica_cease_writing(replica, STOP_MS, &err))
        replica_say(replica, "Not everything could be kept: %s", err.text);
}
