/* Documents: found, created, loaded, moved, forgotten. */
#include "sync/relay/store_parts.h"

#include "editor/base/xalloc.h"
#include "sync/record.h"

/* The document's row: its id, or 0. */
static bool find_document(struct store *store, struct job *job, uint64_t *id, bool *removed)
{
    struct error err = {0};
    *id = 0;
    *removed = false;
    struct db_stmt *stmt = db_use(store->db, "SELECT id, removed FROM documents WHERE doc = ?");
    db_bind_bytes(stmt, 1, bytes_of(job->doc.bytes, sizeof job->doc.bytes));
    enum db_stepped stepped = db_step(stmt, &err);
    if (stepped == DB_FAILED)
        return store_job_fail(job, &err);
    *id = stepped == DB_ROW ? db_column_u64(stmt, 0) : 0;
    *removed = stepped == DB_ROW && db_column_int(stmt, 1);
    db_end(stmt);
    return true;
}

bool store_run_find(struct store *store, struct job *job)
{
    struct error err = {0};
    uint64_t id;
    bool removed;
    if (!find_document(store, job, &id, &removed))
        return false;
    if (!id || removed)
        return store_job_end(job, removed ? STORE_CLOSED : STORE_MISSING);
    struct db_stmt *stmt = db_use(store->db, "SELECT body FROM records WHERE document = ? AND place = 1");
    db_bind_u64(stmt, 1, id);
    enum db_stepped stepped = db_step(stmt, &err);
    if (stepped == DB_FAILED)
        return store_job_fail(job, &err);
    if (stepped == DB_ROW)
        buf_add_bytes(&job->body, db_column_bytes(stmt, 0));
    db_end(stmt);
    job->reply.genesis = buf_view(&job->body);
    return store_job_end(job, STORE_OK);
}

bool store_run_create(struct store *store, struct job *job)
{
    struct error err = {0};
    uint64_t id;
    bool removed;
    if (!find_document(store, job, &id, &removed))
        return false;
    if (id)
        return store_job_end(job, removed ? STORE_CLOSED : STORE_EXISTS);
    struct db_stmt *stmt = db_use(store->db, "INSERT INTO documents (doc, log, epoch, head, bytes, created, used)"
                                             " VALUES (?, ?, 1, 1, ?, ?, ?)");
    db_bind_bytes(stmt, 1, bytes_of(job->doc.bytes, sizeof job->doc.bytes));
    db_bind_bytes(stmt, 2, bytes_of(job->log.bytes, sizeof job->log.bytes));
    db_bind_u64(stmt, 3, job->body.len);
    db_bind_u64(stmt, 4, job->now_s);
    db_bind_u64(stmt, 5, job->now_s);
    if (!db_run(stmt, &err))
        return store_job_fail(job, &err);
    struct store_row genesis = {.place = 1, .kind = RECORD_GENESIS, .stored = buf_view(&job->body)};
    if (!store_insert_row(store, db_last_id(store->db), &genesis, &err))
        return store_job_fail(job, &err);
    store->working.documents++;
    store->working.bytes += job->body.len;
    return store_job_end(job, STORE_OK);
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
        return store_job_fail(job, &err);
    }
    document->agents = job->agents;
    return stepped == DB_DONE || store_job_fail(job, &err);
}

bool store_run_load(struct store *store, struct job *job)
{
    struct error err = {0};
    struct store_document *document = &job->reply.document;
    struct db_stmt *stmt =
        db_use(store->db, "SELECT id, epoch, log, head, bytes, removed, moved FROM documents WHERE doc = ?");
    db_bind_bytes(stmt, 1, bytes_of(job->doc.bytes, sizeof job->doc.bytes));
    enum db_stepped stepped = db_step(stmt, &err);
    if (stepped == DB_FAILED)
        return store_job_fail(job, &err);
    if (stepped == DB_DONE)
        return store_job_end(job, STORE_MISSING);
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
        return store_job_end(job, STORE_CLOSED);
    if (!whole) {
        error_set(&err, ERR_FORMAT, 0, "the relay's store holds a damaged document");
        return store_job_fail(job, &err);
    }
    return load_agents(store, job) && store_job_end(job, STORE_OK);
}

static bool remove_rows(struct store *store, const char *sql, uint64_t id, struct error *err)
{
    struct db_stmt *stmt = db_use(store->db, sql);
    db_bind_u64(stmt, 1, id);
    return db_run(stmt, err);
}

bool store_read_totals(struct db *db, struct store_totals *totals, struct error *err)
{
    struct db_stmt *stmt = db_use(db, "SELECT count(*), coalesce(sum(bytes), 0) FROM documents WHERE removed = 0");
    if (db_step(stmt, err) != DB_ROW)
        return false;
    totals->documents = db_column_u64(stmt, 0);
    totals->bytes = db_column_u64(stmt, 1);
    db_end(stmt);
    return true;
}

bool store_run_largest(struct store *store, struct job *job)
{
    struct error err = {0};
    size_t count = 0;
    enum db_stepped stepped;
    struct db_stmt *stmt =
        db_use(store->db, "SELECT doc, bytes FROM documents WHERE removed = 0 ORDER BY bytes DESC, id LIMIT ?");
    job->sizes = xcalloc(STORE_LARGEST_MAX, sizeof *job->sizes);
    db_bind_u64(stmt, 1, STORE_LARGEST_MAX);
    while ((stepped = db_step(stmt, &err)) == DB_ROW) {
        struct store_size *size = &job->sizes[count];
        size->bytes = db_column_u64(stmt, 1);
        count += db_column_into(stmt, 0, size->doc.bytes, sizeof size->doc.bytes);
    }
    job->reply.sizes = job->sizes;
    job->reply.size_count = count;
    return stepped == DB_DONE ? store_job_end(job, STORE_OK) : store_job_fail(job, &err);
}

/* The document's row stays: it keeps clients that still hold the log from bringing it back. */
bool store_run_remove(struct store *store, struct job *job)
{
    struct error err = {0};
    uint64_t id;
    bool removed;
    if (!find_document(store, job, &id, &removed))
        return false;
    if (!id || removed)
        return store_job_end(job, removed ? STORE_CLOSED : STORE_MISSING);
    bool done = remove_rows(store, "UPDATE documents SET removed = 1, head = 0, bytes = 0 WHERE id = ?", id, &err) &&
                remove_rows(store, "DELETE FROM records WHERE document = ?", id, &err) &&
                remove_rows(store, "DELETE FROM agents WHERE document = ?", id, &err) &&
                remove_rows(store, "DELETE FROM packs WHERE document = ?", id, &err) &&
                store_read_totals(store->db, &store->working, &err);
    return done ? store_job_end(job, STORE_OK) : store_job_fail(job, &err);
}

bool store_run_move(struct store *store, struct job *job)
{
    struct error err = {0};
    struct db_stmt *stmt = db_use(store->db, "UPDATE documents SET moved = ? WHERE id = ? AND removed = 0");
    db_bind_bytes(stmt, 1, buf_view(&job->body));
    db_bind_u64(stmt, 2, job->append.key);
    return db_run(stmt, &err) ? store_job_end(job, STORE_OK) : store_job_fail(job, &err);
}

bool store_run_touch(struct store *store, struct job *job)
{
    struct error err = {0};
    struct db_stmt *stmt = db_use(store->db, "UPDATE documents SET used = max(used, ?) WHERE doc = ? AND removed = 0");
    db_bind_u64(stmt, 1, job->now_s);
    db_bind_bytes(stmt, 2, bytes_of(job->doc.bytes, sizeof job->doc.bytes));
    return db_run(stmt, &err) ? store_job_end(job, STORE_OK) : store_job_fail(job, &err);
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

bool store_run_expire(struct store *store, struct job *job)
{
    struct error err = {0};
    uint64_t id;
    enum db_stepped stepped = DB_DONE;
    while (job->reply.row_count < job->bytes_max && (stepped = find_expired(store, job->now_s, &id, &err)) == DB_ROW) {
        if (!remove_rows(store, "DELETE FROM documents WHERE id = ?", id, &err) ||
            !remove_rows(store, "DELETE FROM records WHERE document = ?", id, &err) ||
            !remove_rows(store, "DELETE FROM agents WHERE document = ?", id, &err) ||
            !remove_rows(store, "DELETE FROM packs WHERE document = ?", id, &err))
            return store_job_fail(job, &err);
        job->reply.row_count++;
    }
    return stepped != DB_FAILED && store_read_totals(store->db, &store->working, &err) ? store_job_end(job, STORE_OK)
                                                                                  : store_job_fail(job, &err);
}
