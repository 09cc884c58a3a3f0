/*
 * The store on SQLite (sync/db.h): write-ahead log, synchronous=FULL, and a queue that becomes one transaction each
 * time the disk is ready for the next.
 */
#include "sync/relay/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/db.h"
#include "sync/record.h"
#include "sync/relay/store_packs.h"

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

enum job_kind {
    JOB_FIND,
    JOB_CREATE,
    JOB_LOAD,
    JOB_APPEND,
    JOB_LOOKUP,
    JOB_UNPACK,
    JOB_READ,
    JOB_REMOVE,
    JOB_PURGE,
    JOB_TOUCH,
    JOB_EXPIRE,
    JOB_MOVE,
};

/* One call: the question, then (owned by it too) the answer. */
struct job {
    struct job *next;
    enum job_kind kind;
    uint64_t caller; /* store->caller when it was asked */
    struct store_done done;
    struct doc_id doc;
    struct log_id log;
    struct store_append append;
    struct store_agent member; /* append.member points here */
    struct digest hash;
    uint64_t now_s;
    size_t bytes_max;
    struct buf body; /* the bytes asked with; the bytes answered with */
    struct store_reply reply;
    struct store_agent *agents;
    struct store_row *rows;
    size_t *row_ends; /* rows point into body only when it no longer grows */
    struct store_purge purge;
    struct store_freed *freed;
};

struct job_list {
    struct job *first, **end;
};

struct store {
    struct db *db; /* the worker's, or the caller's when by hand */
    bool by_hand;
    void (*wake)(void *self);
    void *wake_self;
    struct store_totals working; /* while a transaction is open; belongs to whoever owns db */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t asked, idle;
    pthread_t thread;
    struct job_list queue, answered;
    bool busy, ending;
    size_t pending_bytes;
    struct store_totals totals;
    uint64_t caller; /* raised by store_silence(): answers to an older one are dropped */
};

/* --- lists of jobs --- */

static void list_init(struct job_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_add(struct job_list *list, struct job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static void list_append(struct job_list *list, struct job_list *more)
{
    if (!more->first)
        return;
    *list->end = more->first;
    list->end = more->end;
    list_init(more);
}

static struct job *list_pop(struct job_list *list)
{
    struct job *job = list->first;
    if (!job)
        return NULL;
    list->first = job->next;
    if (!list->first)
        list->end = &list->first;
    return job;
}

static void job_free(struct job *job)
{
    buf_release(&job->body);
    free(job->agents);
    free(job->rows);
    free(job->row_ends);
    free(job->freed);
    free(job);
}

static void list_free(struct job_list *list)
{
    for (struct job *job; (job = list_pop(list));)
        job_free(job);
}

/* --- results --- */

static bool job_fail(struct job *job, const struct error *err)
{
    job->reply.err = *err;
    job->reply.result = err->code == ERR_FULL ? STORE_FULL : STORE_FAILED;
    return false;
}

static bool job_end(struct job *job, enum store_result result)
{
    job->reply.result = result;
    return true;
}

/* --- each kind of job: true when the transaction may go on, whatever the answer --- */

/* The document's row: its id, or 0. */
static bool find_document(struct store *store, struct job *job, uint64_t *id, bool *removed)
{
    struct error err = {0};
    struct db_stmt *stmt = db_use(store->db, "SELECT id, removed FROM documents WHERE doc = ?");
    db_bind_bytes(stmt, 1, bytes_of(job->doc.bytes, sizeof job->doc.bytes));
    enum db_stepped stepped = db_step(stmt, &err);
    if (stepped == DB_FAILED)
        return job_fail(job, &err);
    *id = stepped == DB_ROW ? db_column_u64(stmt, 0) : 0;
    *removed = stepped == DB_ROW && db_column_int(stmt, 1);
    db_end(stmt);
    return true;
}

static bool run_find(struct store *store, struct job *job)
{
    struct error err = {0};
    uint64_t id;
    bool removed;
    if (!find_document(store, job, &id, &removed))
        return false;
    if (!id || removed)
        return job_end(job, removed ? STORE_CLOSED : STORE_MISSING);
    struct db_stmt *stmt = db_use(store->db, "SELECT body FROM records WHERE document = ? AND place = 1");
    db_bind_u64(stmt, 1, id);
    enum db_stepped stepped = db_step(stmt, &err);
    if (stepped == DB_FAILED)
        return job_fail(job, &err);
    if (stepped == DB_ROW)
        buf_add_bytes(&job->body, db_column_bytes(stmt, 0));
    db_end(stmt);
    job->reply.genesis = buf_view(&job->body);
    return job_end(job, STORE_OK);
}

static bool insert_row(struct store *store, uint64_t key, const struct store_row *row, struct error *err)
{
    struct db_stmt *stmt = db_use(store->db, "INSERT INTO records (document, place, kind, agent, seq0, count, body)"
                                             " VALUES (?, ?, ?, ?, ?, ?, ?)");
    db_bind_u64(stmt, 1, key);
    db_bind_u64(stmt, 2, row->place);
    db_bind_u64(stmt, 3, row->kind);
    db_bind_u64(stmt, 4, row->agent_number);
    db_bind_u64(stmt, 5, row->seq0);
    db_bind_u64(stmt, 6, row->count);
    db_bind_bytes(stmt, 7, row->stored);
    return db_run(stmt, err);
}

static bool run_create(struct store *store, struct job *job)
{
    struct error err = {0};
    uint64_t id;
    bool removed;
    if (!find_document(store, job, &id, &removed))
        return false;
    if (id)
        return job_end(job, removed ? STORE_CLOSED : STORE_EXISTS);
    struct db_stmt *stmt = db_use(store->db, "INSERT INTO documents (doc, log, epoch, head, bytes, created, used)"
                                             " VALUES (?, ?, 1, 1, ?, ?, ?)");
    db_bind_bytes(stmt, 1, bytes_of(job->doc.bytes, sizeof job->doc.bytes));
    db_bind_bytes(stmt, 2, bytes_of(job->log.bytes, sizeof job->log.bytes));
    db_bind_u64(stmt, 3, job->body.len);
    db_bind_u64(stmt, 4, job->now_s);
    db_bind_u64(stmt, 5, job->now_s);
    if (!db_run(stmt, &err))
        return job_fail(job, &err);
    struct store_row genesis = {.place = 1, .kind = RECORD_GENESIS, .stored = buf_view(&job->body)};
    if (!insert_row(store, db_last_id(store->db), &genesis, &err))
        return job_fail(job, &err);
    store->working.documents++;
    store->working.bytes += job->body.len;
    return job_end(job, STORE_OK);
}

static bool load_agents(struct store *store, struct job *job)
{
    struct error err = {0};
    struct store_document *document = &job->reply.document;
    size_t cap = 0;
    enum db_stepped stepped;
    struct db_stmt *stmt = db_use(store->db, "SELECT number, agent, next_seq, device_key, grant_expiry, member_hash,"
                                             " forked FROM agents WHERE document = ? ORDER BY number");
    db_bind_u64(stmt, 1, document->key);
    while ((stepped = db_step(stmt, &err)) == DB_ROW) {
        job->agents = xgrow(job->agents, &cap, document->agent_count + 1, sizeof *job->agents);
        struct store_agent *agent = &job->agents[document->agent_count++];
        agent->number = db_column_u64(stmt, 0);
        agent->next_seq = db_column_u64(stmt, 2);
        agent->grant_expiry_s = db_column_u64(stmt, 4);
        agent->forked = db_column_int(stmt, 6) != 0;
        if (db_column_into(stmt, 1, agent->id.bytes, sizeof agent->id.bytes) &&
            db_column_into(stmt, 3, agent->device_key.bytes, sizeof agent->device_key.bytes) &&
            db_column_into(stmt, 5, agent->member_hash.bytes, sizeof agent->member_hash.bytes))
            continue;
        db_end(stmt);
        error_set(&err, ERR_FORMAT, 0, "the relay's store holds a damaged agent");
        return job_fail(job, &err);
    }
    document->agents = job->agents;
    return stepped == DB_DONE || job_fail(job, &err);
}

static bool run_load(struct store *store, struct job *job)
{
    struct error err = {0};
    struct store_document *document = &job->reply.document;
    struct db_stmt *stmt =
        db_use(store->db, "SELECT id, epoch, log, head, bytes, removed, moved FROM documents WHERE doc = ?");
    db_bind_bytes(stmt, 1, bytes_of(job->doc.bytes, sizeof job->doc.bytes));
    enum db_stepped stepped = db_step(stmt, &err);
    if (stepped == DB_FAILED)
        return job_fail(job, &err);
    if (stepped == DB_DONE)
        return job_end(job, STORE_MISSING);
    document->key = db_column_u64(stmt, 0);
    document->epoch = db_column_u64(stmt, 1);
    bool whole = db_column_into(stmt, 2, document->log.bytes, sizeof document->log.bytes);
    document->head = db_column_u64(stmt, 3);
    document->bytes = db_column_u64(stmt, 4);
    bool removed = db_column_int(stmt, 5);
    buf_add_bytes(&job->body, db_column_bytes(stmt, 6));
    document->moved = buf_view(&job->body);
    db_end(stmt);
    if (removed)
        return job_end(job, STORE_CLOSED);
    if (!whole) {
        error_set(&err, ERR_FORMAT, 0, "the relay's store holds a damaged document");
        return job_fail(job, &err);
    }
    return load_agents(store, job) && job_end(job, STORE_OK);
}

/* Moves the head on, if the place is the next one and the document still ours. */
static bool advance_head(struct store *store, const struct store_append *append, bool *advanced, struct error *err)
{
    struct db_stmt *stmt = db_use(store->db, "UPDATE documents SET head = ?1, bytes = bytes + ?2, used = ?3"
                                             " WHERE id = ?4 AND head = ?1 - 1 AND epoch = ?5 AND removed = 0");
    db_bind_u64(stmt, 1, append->row.place);
    db_bind_u64(stmt, 2, append->row.stored.len);
    db_bind_u64(stmt, 3, append->now_s);
    db_bind_u64(stmt, 4, append->key);
    db_bind_u64(stmt, 5, append->epoch);
    if (!db_run(stmt, err))
        return false;
    *advanced = db_changes(store->db) == 1;
    return true;
}

static bool put_member(struct store *store, uint64_t key, const struct store_agent *member, struct error *err)
{
    struct db_stmt *stmt =
        db_use(store->db, "INSERT INTO agents (document, number, agent, next_seq, device_key, grant_expiry,"
                          " member_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (document, number)"
                          " DO UPDATE SET grant_expiry = ?6, member_hash = ?7");
    db_bind_u64(stmt, 1, key);
    db_bind_u64(stmt, 2, member->number);
    db_bind_bytes(stmt, 3, bytes_of(member->id.bytes, sizeof member->id.bytes));
    db_bind_u64(stmt, 4, member->next_seq);
    db_bind_bytes(stmt, 5, bytes_of(member->device_key.bytes, sizeof member->device_key.bytes));
    db_bind_u64(stmt, 6, member->grant_expiry_s);
    db_bind_bytes(stmt, 7, bytes_of(member->member_hash.bytes, sizeof member->member_hash.bytes));
    return db_run(stmt, err);
}

static bool advance_agent(struct store *store, const struct store_append *append, struct error *err)
{
    struct db_stmt *stmt = db_use(store->db, "UPDATE agents SET next_seq = max(next_seq, ?), forked = max(forked, ?)"
                                             " WHERE document = ? AND number = ?");
    db_bind_u64(stmt, 1, append->row.seq0 + append->row.count);
    db_bind_int(stmt, 2, append->forked);
    db_bind_u64(stmt, 3, append->key);
    db_bind_u64(stmt, 4, append->row.agent_number);
    return db_run(stmt, err);
}

static bool run_append(struct store *store, struct job *job)
{
    struct error err = {0};
    const struct store_append *append = &job->append;
    bool advanced;
    if (!advance_head(store, append, &advanced, &err))
        return job_fail(job, &err);
    if (!advanced)
        return job_end(job, STORE_FENCED);
    if (!insert_row(store, append->key, &append->row, &err))
        return job_fail(job, &err);
    if (append->member && !put_member(store, append->key, append->member, &err))
        return job_fail(job, &err);
    if (append->row.kind == RECORD_PACK && !append->forked && !store_packs_mark(store->db, append, &err))
        return job_fail(job, &err);
    if (append->row.count > 0 && !advance_agent(store, append, &err))
        return job_fail(job, &err);
    store->working.bytes += append->row.stored.len;
    return job_end(job, STORE_OK);
}

static bool run_lookup(struct store *store, struct job *job)
{
    struct error err = {0};
    const struct store_row *wanted = &job->append.row;
    enum store_result result = STORE_MISSING;
    enum db_stepped stepped;
    uint64_t place = 0;
    struct db_stmt *stmt =
        db_use(store->db, "SELECT place, kind, count, body FROM records WHERE document = ? AND agent = ? AND seq0 = ?");
    db_bind_u64(stmt, 1, job->append.key);
    db_bind_u64(stmt, 2, wanted->agent_number);
    db_bind_u64(stmt, 3, wanted->seq0);
    while (result != STORE_EXISTS && (stepped = db_step(stmt, &err)) == DB_ROW) {
        struct digest hash;
        place = db_column_u64(stmt, 0);
        record_hash(db_column_bytes(stmt, 3), &hash);
        if (digest_equal(&hash, &job->hash))
            result = STORE_EXISTS;
        else if (wanted->count > 0 && db_column_u64(stmt, 1) == wanted->kind && db_column_u64(stmt, 2) == wanted->count)
            result = STORE_OTHER;
    }
    db_end(stmt);
    bool good = stepped != DB_FAILED;
    if (good && job->kind == JOB_UNPACK && result == STORE_EXISTS)
        good = store_packs_keep(store->db, job->append.key, place, &err);
    return good ? job_end(job, result) : job_fail(job, &err);
}

static bool run_purge(struct store *store, struct job *job)
{
    struct error err = {0};
    size_t count = 0;
    job->freed = xcalloc(STORE_PURGE_PACKS, sizeof *job->freed);
    if (!store_packs_purge(store->db, &job->purge, job->freed, &count, &err))
        return job_fail(job, &err);
    for (size_t i = 0; i < count; i++)
        store->working.bytes -= job->freed[i].bytes;
    job->reply.freed = job->freed;
    job->reply.freed_count = count;
    return job_end(job, STORE_OK);
}

static void take_row(struct job *job, struct db_stmt *stmt, size_t *cap)
{
    size_t at = job->reply.row_count++;
    if (at == *cap) {
        *cap = *cap ? *cap * 2 : 16;
        job->rows = xrealloc_array(job->rows, *cap, sizeof *job->rows);
        job->row_ends = xrealloc_array(job->row_ends, *cap, sizeof *job->row_ends);
    }
    buf_add_bytes(&job->body, db_column_bytes(stmt, 5));
    job->rows[at] = (struct store_row){
        .place = db_column_u64(stmt, 0),
        .kind = (unsigned)db_column_u64(stmt, 1),
        .agent_number = db_column_u64(stmt, 2),
        .seq0 = db_column_u64(stmt, 3),
        .count = db_column_u64(stmt, 4),
    };
    job->row_ends[at] = job->body.len;
}

static void point_rows(struct job *job)
{
    size_t from = 0;
    for (size_t i = 0; i < job->reply.row_count; i++) {
        job->rows[i].stored = bytes_slice(buf_view(&job->body), from, job->row_ends[i] - from);
        from = job->row_ends[i];
    }
    job->reply.rows = job->rows;
}

static bool run_read(struct store *store, struct job *job)
{
    struct error err = {0};
    size_t cap = 0;
    enum db_stepped stepped;
    struct db_stmt *stmt = db_use(store->db, "SELECT place, kind, agent, seq0, count, body FROM records"
                                             " WHERE document = ? AND place > ? ORDER BY place");
    db_bind_u64(stmt, 1, job->append.key);
    db_bind_u64(stmt, 2, job->append.row.place);
    while ((stepped = db_step(stmt, &err)) == DB_ROW) {
        if (job->reply.row_count > 0 && job->body.len + db_column_bytes(stmt, 5).len > job->bytes_max)
            break;
        take_row(job, stmt, &cap);
    }
    db_end(stmt);
    if (stepped == DB_FAILED)
        return job_fail(job, &err);
    point_rows(job);
    return job_end(job, STORE_OK);
}

static bool remove_rows(struct store *store, const char *sql, uint64_t id, struct error *err)
{
    struct db_stmt *stmt = db_use(store->db, sql);
    db_bind_u64(stmt, 1, id);
    return db_run(stmt, err);
}

static bool read_totals(struct db *db, struct store_totals *totals, struct error *err)
{
    struct db_stmt *stmt = db_use(db, "SELECT count(*), coalesce(sum(bytes), 0) FROM documents WHERE removed = 0");
    if (db_step(stmt, err) != DB_ROW)
        return false;
    totals->documents = db_column_u64(stmt, 0);
    totals->bytes = db_column_u64(stmt, 1);
    db_end(stmt);
    return true;
}

/* The document's row stays: it keeps clients that still hold the log from bringing it back. */
static bool run_remove(struct store *store, struct job *job)
{
    struct error err = {0};
    uint64_t id;
    bool removed;
    if (!find_document(store, job, &id, &removed))
        return false;
    if (!id || removed)
        return job_end(job, removed ? STORE_CLOSED : STORE_MISSING);
    bool done = remove_rows(store, "UPDATE documents SET removed = 1, head = 0, bytes = 0 WHERE id = ?", id, &err) &&
                remove_rows(store, "DELETE FROM records WHERE document = ?", id, &err) &&
                remove_rows(store, "DELETE FROM agents WHERE document = ?", id, &err) &&
                remove_rows(store, "DELETE FROM packs WHERE document = ?", id, &err) &&
                read_totals(store->db, &store->working, &err);
    return done ? job_end(job, STORE_OK) : job_fail(job, &err);
}

static bool run_move(struct store *store, struct job *job)
{
    struct error err = {0};
    struct db_stmt *stmt = db_use(store->db, "UPDATE documents SET moved = ? WHERE id = ? AND removed = 0");
    db_bind_bytes(stmt, 1, buf_view(&job->body));
    db_bind_u64(stmt, 2, job->append.key);
    return db_run(stmt, &err) ? job_end(job, STORE_OK) : job_fail(job, &err);
}

static bool run_touch(struct store *store, struct job *job)
{
    struct error err = {0};
    struct db_stmt *stmt = db_use(store->db, "UPDATE documents SET used = max(used, ?) WHERE doc = ? AND removed = 0");
    db_bind_u64(stmt, 1, job->now_s);
    db_bind_bytes(stmt, 2, bytes_of(job->doc.bytes, sizeof job->doc.bytes));
    return db_run(stmt, &err) ? job_end(job, STORE_OK) : job_fail(job, &err);
}

/* The least recently used one that is due. */
static enum db_stepped find_expired(struct store *store, uint64_t before_s, uint64_t *id, struct error *err)
{
    struct db_stmt *stmt =
        db_use(store->db, "SELECT id FROM documents WHERE removed = 0 AND used < ? ORDER BY used LIMIT 1");
    db_bind_u64(stmt, 1, before_s);
    enum db_stepped stepped = db_step(stmt, err);
    if (stepped != DB_ROW)
        return stepped;
    *id = db_column_u64(stmt, 0);
    db_end(stmt);
    return stepped;
}

static bool run_expire(struct store *store, struct job *job)
{
    struct error err = {0};
    uint64_t id;
    enum db_stepped stepped = DB_DONE;
    while (job->reply.row_count < job->bytes_max && (stepped = find_expired(store, job->now_s, &id, &err)) == DB_ROW) {
        if (!remove_rows(store, "DELETE FROM documents WHERE id = ?", id, &err) ||
            !remove_rows(store, "DELETE FROM records WHERE document = ?", id, &err) ||
            !remove_rows(store, "DELETE FROM agents WHERE document = ?", id, &err) ||
            !remove_rows(store, "DELETE FROM packs WHERE document = ?", id, &err))
            return job_fail(job, &err);
        job->reply.row_count++;
    }
    return stepped != DB_FAILED && read_totals(store->db, &store->working, &err) ? job_end(job, STORE_OK)
                                                                                  : job_fail(job, &err);
}

static bool job_run(struct store *store, struct job *job)
{
    switch (job->kind) {
    case JOB_FIND:
        return run_find(store, job);
    case JOB_CREATE:
        return run_create(store, job);
    case JOB_LOAD:
        return run_load(store, job);
    case JOB_APPEND:
        return run_append(store, job);
    case JOB_LOOKUP:
    case JOB_UNPACK:
        return run_lookup(store, job);
    case JOB_READ:
        return run_read(store, job);
    case JOB_REMOVE:
        return run_remove(store, job);
    case JOB_PURGE:
        return run_purge(store, job);
    case JOB_TOUCH:
        return run_touch(store, job);
    case JOB_EXPIRE:
        return run_expire(store, job);
    case JOB_MOVE:
        return run_move(store, job);
    }
    return false;
}

/* --- one transaction --- */

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
        job_fail(job, err);
    }
}

static void run_batch(struct store *store, struct job_list *jobs)
{
    struct error err = {0};
    struct store_totals before = store->working;
    bool writes = list_writes(jobs);
    bool begun = writes ? db_begin(store->db, &err) : db_begin_read(store->db, &err);
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
        struct job *job = list_pop(&store->queue);
        bytes += append_bytes(job);
        list_add(batch, job);
    }
}

/* The lock is held, and given up while the disk works. */
static void do_batch(struct store *store)
{
    struct job_list batch;
    size_t bytes = 0;
    list_init(&batch);
    take_batch(store, &batch);
    pthread_mutex_unlock(&store->lock);
    run_batch(store, &batch);
    for (const struct job *job = batch.first; job; job = job->next)
        bytes += append_bytes(job);
    pthread_mutex_lock(&store->lock);
    store->pending_bytes -= bytes;
    store->totals = store->working;
    list_append(&store->answered, &batch);
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
    if (!read_totals(store->db, &store->working, err))
        return false;
    store->totals = store->working;
    if (store->by_hand)
        return true;
    int rc = pthread_create(&store->thread, NULL, store_thread, store);
    return rc == 0 || error_set(err, ERR_IO, rc, "cannot start the store's thread: %s", strerror(rc));
}

static void store_destroy(struct store *store)
{
    list_free(&store->queue);
    list_free(&store->answered);
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
    list_init(&store->queue);
    list_init(&store->answered);
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

static struct job *job_new(enum job_kind kind, const struct doc_id *doc, struct store_done done)
{
    struct job *job = xcalloc(1, sizeof *job);
    job->kind = kind;
    job->done = done;
    if (doc)
        job->doc = *doc;
    return job;
}

static void ask(struct store *store, struct job *job)
{
    pthread_mutex_lock(&store->lock);
    job->caller = store->caller;
    store->pending_bytes += append_bytes(job);
    list_add(&store->queue, job);
    if (!store->busy)
        pthread_cond_signal(&store->asked);
    pthread_mutex_unlock(&store->lock);
}

void store_find(struct store *store, const struct doc_id *doc, struct store_done done)
{
    ask(store, job_new(JOB_FIND, doc, done));
}

void store_create(struct store *store, const struct doc_id *doc, const struct log_id *log, struct bytes genesis,
                  uint64_t now_s, struct store_done done)
{
    struct job *job = job_new(JOB_CREATE, doc, done);
    job->log = *log;
    job->now_s = now_s;
    buf_add_bytes(&job->body, genesis);
    ask(store, job);
}

void store_load(struct store *store, const struct doc_id *doc, struct store_done done)
{
    ask(store, job_new(JOB_LOAD, doc, done));
}

void store_append(struct store *store, const struct store_append *append, struct store_done done)
{
    struct job *job = job_new(JOB_APPEND, NULL, done);
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
    struct job *job = job_new(kind, NULL, done);
    job->append.key = key;
    job->append.row = *row;
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
    struct job *job = job_new(JOB_PURGE, NULL, done);
    job->purge = *purge;
    ask(store, job);
}

void store_read(struct store *store, uint64_t key, uint64_t after, size_t bytes_max, struct store_done done)
{
    struct job *job = job_new(JOB_READ, NULL, done);
    job->append.key = key;
    job->append.row.place = after;
    job->bytes_max = bytes_max;
    ask(store, job);
}

void store_remove(struct store *store, const struct doc_id *doc, struct store_done done)
{
    ask(store, job_new(JOB_REMOVE, doc, done));
}

void store_move(struct store *store, uint64_t key, struct bytes moved, struct store_done done)
{
    struct job *job = job_new(JOB_MOVE, NULL, done);
    job->append.key = key;
    buf_add_bytes(&job->body, moved);
    ask(store, job);
}

void store_touch(struct store *store, const struct doc_id *doc, uint64_t now_s)
{
    struct job *job = job_new(JOB_TOUCH, doc, (struct store_done){.call = NULL});
    job->now_s = now_s;
    ask(store, job);
}

void store_expire(struct store *store, uint64_t before_s, size_t most, struct store_done done)
{
    struct job *job = job_new(JOB_EXPIRE, NULL, done);
    job->now_s = before_s;
    job->bytes_max = most;
    ask(store, job);
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
    for (struct job *job; (job = list_pop(&store->answered)); count++) {
        bool wanted = job->caller == store->caller;
        pthread_mutex_unlock(&store->lock);
        if (wanted)
            deliver(job);
        job_free(job);
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
    list_free(&store->queue);
    list_free(&store->answered);
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

/* --- for the operator --- */

bool store_list(struct store *store, bool (*each)(void *self, const struct store_entry *entry), void *self,
                struct error *err)
{
    ensure(store->by_hand);
    enum db_stepped stepped;
    struct db_stmt *stmt = db_use(store->db, "SELECT doc, head, bytes, created, used, (SELECT count(*) FROM agents"
                                             " WHERE document = id) FROM documents WHERE removed = 0"
                                             " ORDER BY bytes DESC, id");
    while ((stepped = db_step(stmt, err)) == DB_ROW) {
        struct store_entry entry = {
            .head = db_column_u64(stmt, 1),
            .bytes = db_column_u64(stmt, 2),
            .created_s = db_column_u64(stmt, 3),
            .used_s = db_column_u64(stmt, 4),
            .agents = db_column_u64(stmt, 5),
        };
        if (db_column_into(stmt, 0, entry.doc.bytes, sizeof entry.doc.bytes) && !each(self, &entry))
            break;
    }
    db_end(stmt);
    return stepped != DB_FAILED;
}

bool store_newest(struct store *store, struct store_seen *out, size_t cap, size_t *count, struct error *err)
{
    ensure(store->by_hand);
    enum db_stepped stepped = DB_DONE;
    struct db_stmt *stmt = db_use(store->db, "SELECT place, length(body), substr(body, -4) FROM records"
                                             " ORDER BY document DESC, place DESC");
    for (*count = 0; *count < cap && (stepped = db_step(stmt, err)) == DB_ROW;) {
        struct store_seen *seen = &out[*count];
        seen->place = db_column_u64(stmt, 0);
        seen->bytes = db_column_u64(stmt, 1);
        *count += db_column_into(stmt, 2, seen->tail, sizeof seen->tail);
    }
    db_end(stmt);
    return stepped != DB_FAILED;
}

bool store_backup(struct store *store, const char *path, struct error *err)
{
    ensure(store->by_hand);
    return db_backup(store->db, path, err);
}
