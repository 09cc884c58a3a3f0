/* The store's life and its queue: questions go in, become one transaction, and their answers come out. */
#include "sync/relay/store_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

enum {
    STORE_APPLICATION_ID = 0x77667472, /* "wftr" */
    STORE_BUSY_MS = 10000,
    STORE_BATCH_BYTES = 8 << 20, /* of appends in one transaction: bounds how long an answer waits for its neighbours */
};

/*
 * documents.head and records' primary key are the fence: an append names the place it expects to get, and one of the
 * two refuses when somebody else gave that place. An agent's number is its index in the document, so that a record's
 * row needs no second copy of the 16 bytes inside its body. packed_by is the place of the pack that repeats a row; packs
 * holds those that rows are still marked with.
 */
static const char *const store_schema[] = {
    "CREATE TABLE documents (id INTEGER PRIMARY KEY, doc BLOB NOT NULL UNIQUE, log BLOB NOT NULL,"
    " epoch INTEGER NOT NULL, head INTEGER NOT NULL, bytes INTEGER NOT NULL, created INTEGER NOT NULL,"
    " used INTEGER NOT NULL, removed INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE records (document INTEGER NOT NULL, place INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " agent INTEGER NOT NULL, seq0 INTEGER NOT NULL, count INTEGER NOT NULL, packed_by INTEGER,"
    " body BLOB NOT NULL, PRIMARY KEY (document, place)) WITHOUT ROWID;"
    "CREATE INDEX records_by_agent ON records (document, agent, seq0);"
    "CREATE TABLE agents (document INTEGER NOT NULL, number INTEGER NOT NULL, agent BLOB NOT NULL,"
    " next_seq INTEGER NOT NULL, device_key BLOB NOT NULL, grant_expiry INTEGER NOT NULL,"
    " member_hash BLOB NOT NULL, PRIMARY KEY (document, number)) WITHOUT ROWID;",
    "CREATE TABLE packs (document INTEGER NOT NULL, place INTEGER NOT NULL, agent INTEGER NOT NULL,"
    " time INTEGER NOT NULL, PRIMARY KEY (document, place)) WITHOUT ROWID;"
    "CREATE INDEX records_packed ON records (document, packed_by) WHERE packed_by IS NOT NULL;",
    "ALTER TABLE agents ADD COLUMN forked INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE documents ADD COLUMN moved BLOB;",
    "DROP INDEX records_by_agent; CREATE INDEX records_by_agent ON records (document, agent, seq0, kind);",
    "CREATE INDEX records_of_checkpoints ON records (document, kind, agent, seq0) WHERE kind IN (134, 138);",
};

static const struct db_options store_db_options = {
    .what = "the relay's store",
    .mode = DB_CREATE,
    .sync = DB_SYNC_FULL,
    .application_id = STORE_APPLICATION_ID,
    .schema = store_schema,
    .schema_count = sizeof store_schema / sizeof *store_schema,
    .busy_ms = STORE_BUSY_MS,
};

/* --- one transaction --- */

static bool job_run(struct store *store, struct job *job)
{
    switch (job->kind) {
    case JOB_FIND:
        return store_run_find(store, job);
    case JOB_CREATE:
        return store_run_create(store, job);
    case JOB_LOAD:
        return store_run_load(store, job);
    case JOB_APPEND:
        return store_run_append(store, job);
    case JOB_LOOKUP:
    case JOB_UNPACK:
        return store_run_lookup(store, job);
    case JOB_READ:
        return store_run_read(store, job);
    case JOB_REMOVE:
        return store_run_remove(store, job);
    case JOB_PURGE:
        return store_run_purge(store, job);
    case JOB_TOUCH:
        return store_run_touch(store, job);
    case JOB_EXPIRE:
        return store_run_expire(store, job);
    case JOB_MOVE:
        return store_run_move(store, job);
    case JOB_LARGEST:
        return store_run_largest(store, job);
    case JOB_CHECKPOINT:
        return store_run_checkpoint(store, job);
    }
    return false;
}

static bool job_writes(const struct job *job)
{
    switch (job->kind) {
    case JOB_CREATE:
    case JOB_APPEND:
    case JOB_REMOVE:
    case JOB_UNPACK:
    case JOB_PURGE:
    case JOB_TOUCH:
    case JOB_EXPIRE:
    case JOB_MOVE:
        return true;
    case JOB_FIND:
    case JOB_LOAD:
    case JOB_LOOKUP:
    case JOB_READ:
    case JOB_LARGEST:
    case JOB_CHECKPOINT:
        break;
    }
    return false;
}

static bool list_writes(const struct job_list *list)
{
    for (const struct job *job = list->first; job; job = job->next)
        if (job_writes(job))
            return true;
    return false;
}

static bool run_all(struct store *store, struct job_list *jobs, struct error *err)
{
    for (struct job *job = jobs->first; job; job = job->next)
        if (!job_run(store, job)) {
            *err = job->reply.err;
            return false;
        }
    return true;
}

/* What a failed transaction said is not true: nobody hears it. */
static void fail_all(struct job_list *jobs, const struct error *err)
{
    for (struct job *job = jobs->first; job; job = job->next) {
        job->reply = (struct store_reply){0};
        store_job_fail(job, err);
    }
}

static bool refresh_totals(struct store *store, struct error *err)
{
    uint64_t version = db_data_version(store->db);
    if (version == store->data_version)
        return true;
    store->data_version = version;
    return store_read_totals(store->db, &store->working, err);
}

static void run_batch(struct store *store, struct job_list *jobs)
{
    struct error err = {0};
    bool writes = list_writes(jobs);
    bool begun = (writes ? db_begin(store->db, &err) : db_begin_read(store->db, &err)) && refresh_totals(store, &err);
    struct store_totals before = store->working;
    if (begun && run_all(store, jobs, &err) && db_commit(store->db, &err))
        return;
    db_rollback(store->db);
    store->working = before;
    fail_all(jobs, &err);
}

static size_t append_bytes(const struct job *job)
{
    return job->kind == JOB_APPEND ? job->append.row.stored.len : 0;
}

/* The next transaction's jobs, from the front of the queue. */
static void take_batch(struct store *store, struct job_list *batch)
{
    size_t bytes = 0;
    while (store->queue.first && bytes < STORE_BATCH_BYTES) {
        struct job *job = store_jobs_pop(&store->queue);
        bytes += append_bytes(job);
        store_jobs_add(batch, job);
    }
}

/* The lock is held, and given up while the disk works. */
static void do_batch(struct store *store)
{
    struct job_list batch;
    size_t bytes = 0;
    store_jobs_init(&batch);
    take_batch(store, &batch);
    pthread_mutex_unlock(&store->lock);
    run_batch(store, &batch);
    for (const struct job *job = batch.first; job; job = job->next)
        bytes += append_bytes(job);
    pthread_mutex_lock(&store->lock);
    store->pending_bytes -= bytes;
    store->totals = store->working;
    store_jobs_append(&store->answered, &batch);
}

static void *store_thread(void *argument)
{
    struct store *store = argument;
    pthread_mutex_lock(&store->lock);
    while (!store->ending || store->queue.first) {
        if (!store->queue.first) {
            store->busy = false;
            pthread_cond_broadcast(&store->idle);
            pthread_cond_wait(&store->asked, &store->lock);
            continue;
        }
        store->busy = true;
        do_batch(store);
        if (store->wake) {
            pthread_mutex_unlock(&store->lock);
            store->wake(store->wake_self);
            pthread_mutex_lock(&store->lock);
        }
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

/* --- open, close --- */

static bool store_begin(struct store *store, struct error *err)
{
    if (!refresh_totals(store, err))
        return false;
    store->totals = store->working;
    if (store->by_hand)
        return true;
    int rc = pthread_create(&store->thread, NULL, store_thread, store);
    return rc == 0 || error_set(err, ERR_IO, rc, "cannot start the store's thread: %s", strerror(rc));
}

static void store_destroy(struct store *store)
{
    store_jobs_free(&store->queue);
    store_jobs_free(&store->answered);
    db_close(store->db);
    pthread_cond_destroy(&store->asked);
    pthread_cond_destroy(&store->idle);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

struct store *store_open(const struct store_options *options, struct error *err)
{
    struct db *db = db_open(options->path, &store_db_options, err);
    if (!db)
        return NULL;
    struct store *store = xcalloc(1, sizeof *store);
    store->db = db;
    store->by_hand = options->by_hand;
    store->wake = options->wake;
    store->wake_self = options->wake_self;
    store_jobs_init(&store->queue);
    store_jobs_init(&store->answered);
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->asked, NULL);
    pthread_cond_init(&store->idle, NULL);
    if (store_begin(store, err))
        return store;
    store_destroy(store);
    return NULL;
}

void store_free(struct store *store)
{
    if (!store)
        return;
    if (!store->by_hand) {
        pthread_mutex_lock(&store->lock);
        store->ending = true;
        pthread_cond_signal(&store->asked);
        pthread_mutex_unlock(&store->lock);
        pthread_join(store->thread, NULL);
    }
    store_destroy(store);
}

/* --- asking --- */

static void ask(struct store *store, struct job *job)
{
    pthread_mutex_lock(&store->lock);
    job->caller = store->caller;
    store->pending_bytes += append_bytes(job);
    store_jobs_add(&store->queue, job);
    if (!store->busy)
        pthread_cond_signal(&store->asked);
    pthread_mutex_unlock(&store->lock);
}

void store_find(struct store *store, const struct doc_id *doc, struct store_done done)
{
    ask(store, store_job_new(JOB_FIND, doc, done));
}

void store_create(struct store *store, const struct doc_id *doc, const struct log_id *log, struct bytes genesis,
                  uint64_t now_s, struct store_done done)
{
    struct job *job = store_job_new(JOB_CREATE, doc, done);
    job->log = *log;
    job->now_s = now_s;
    buf_add_bytes(&job->body, genesis);
    ask(store, job);
}

void store_load(struct store *store, const struct doc_id *doc, struct store_done done)
{
    ask(store, store_job_new(JOB_LOAD, doc, done));
}

void store_append(struct store *store, const struct store_append *append, struct store_done done)
{
    struct job *job = store_job_new(JOB_APPEND, NULL, done);
    job->append = *append;
    buf_add_bytes(&job->body, append->row.stored);
    job->append.row.stored = buf_view(&job->body);
    if (append->member) {
        job->member = *append->member;
        job->append.member = &job->member;
    }
    ask(store, job);
}

static void ask_for_row(struct store *store, enum job_kind kind, uint64_t key, const struct store_row *row,
                        const struct digest *hash, struct store_done done)
{
    struct job *job = store_job_new(kind, NULL, done);
    job->append.key = key;
    job->append.row = *row;
    job->bytes_max = row->stored.len;
    job->append.row.stored = (struct bytes){0};
    job->hash = *hash;
    ask(store, job);
}

void store_lookup(struct store *store, uint64_t key, const struct store_row *row, const struct digest *hash,
                  struct store_done done)
{
    ask_for_row(store, JOB_LOOKUP, key, row, hash, done);
}

void store_unpack(struct store *store, uint64_t key, const struct store_row *row, const struct digest *hash,
                  struct store_done done)
{
    ask_for_row(store, JOB_UNPACK, key, row, hash, done);
}

void store_purge(struct store *store, const struct store_purge *purge, struct store_done done)
{
    struct job *job = store_job_new(JOB_PURGE, NULL, done);
    job->purge = *purge;
    ask(store, job);
}

void store_read(struct store *store, uint64_t key, uint64_t after, size_t bytes_max, struct store_done done)
{
    struct job *job = store_job_new(JOB_READ, NULL, done);
    job->append.key = key;
    job->append.row.place = after;
    job->bytes_max = bytes_max;
    ask(store, job);
}

void store_checkpoint(struct store *store, uint64_t key, const struct store_row *from, size_t bytes_max, struct store_done done)
{
    struct job *job = store_job_new(JOB_CHECKPOINT, NULL, done);
    job->append.key = key;
    if (from)
        job->append.row = (struct store_row){.agent_number = from->agent_number, .seq0 = from->seq0, .place = from->place};
    job->bytes_max = bytes_max;
    ask(store, job);
}

void store_remove(struct store *store, const struct doc_id *doc, struct store_done done)
{
    ask(store, store_job_new(JOB_REMOVE, doc, done));
}

void store_move(struct store *store, uint64_t key, struct bytes moved, struct store_done done)
{
    struct job *job = store_job_new(JOB_MOVE, NULL, done);
    job->append.key = key;
    buf_add_bytes(&job->body, moved);
    ask(store, job);
}

void store_touch(struct store *store, const struct doc_id *doc, uint64_t now_s)
{
    struct job *job = store_job_new(JOB_TOUCH, doc, (struct store_done){.call = NULL});
    job->now_s = now_s;
    ask(store, job);
}

void store_expire(struct store *store, uint64_t before_s, size_t most, struct store_done done)
{
    struct job *job = store_job_new(JOB_EXPIRE, NULL, done);
    job->now_s = before_s;
    job->bytes_max = most;
    ask(store, job);
}

void store_largest(struct store *store, struct store_done done)
{
    ask(store, store_job_new(JOB_LARGEST, NULL, done));
}

/* --- answers --- */

static void deliver(const struct job *job)
{
    if (job->done.call)
        job->done.call(job->done.self, job->done.tag, &job->reply);
}

size_t store_poll(struct store *store)
{
    size_t count = 0;
    pthread_mutex_lock(&store->lock);
    for (struct job *job; (job = store_jobs_pop(&store->answered)); count++) {
        bool wanted = job->caller == store->caller;
        pthread_mutex_unlock(&store->lock);
        if (wanted)
            deliver(job);
        store_job_free(job);
        pthread_mutex_lock(&store->lock);
    }
    pthread_mutex_unlock(&store->lock);
    return count;
}

void store_commit(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    if (store->by_hand) {
        while (store->queue.first)
            do_batch(store);
    } else {
        while (store->queue.first || store->busy)
            pthread_cond_wait(&store->idle, &store->lock);
    }
    pthread_mutex_unlock(&store->lock);
}

void store_crash(struct store *store)
{
    ensure(store->by_hand);
    store_jobs_free(&store->queue);
    store_jobs_free(&store->answered);
    store->pending_bytes = 0;
}

void store_silence(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    store->caller++;
    pthread_mutex_unlock(&store->lock);
}

size_t store_pending_bytes(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    size_t bytes = store->pending_bytes;
    pthread_mutex_unlock(&store->lock);
    return bytes;
}

struct store_totals store_totals(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    struct store_totals totals = store->totals;
    pthread_mutex_unlock(&store->lock);
    return totals;
}
