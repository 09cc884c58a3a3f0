/* Records: appended at the next place, looked up, read in order, and removed when a pack stands in for them. */
#include "sync/relay/store_parts.h"

#include "editor/base/xalloc.h"
#include "sync/record.h"
#include "sync/relay/store_packs.h"

bool store_insert_row(struct store *store, uint64_t key, const struct store_row *row, struct error *err)
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

bool store_run_append(struct store *store, struct job *job)
{
    struct error err = {0};
    const struct store_append *append = &job->append;
    bool advanced;
    if (!advance_head(store, append, &advanced, &err))
        return store_job_fail(job, &err);
    if (!advanced)
        return store_job_end(job, STORE_FENCED);
    if (!store_insert_row(store, append->key, &append->row, &err))
        return store_job_fail(job, &err);
    if (append->member && !put_member(store, append->key, append->member, &err))
        return store_job_fail(job, &err);
    if (append->row.kind == RECORD_PACK && !append->forked && !store_packs_mark(store->db, append, &err))
        return store_job_fail(job, &err);
    if (append->row.kind == RECORD_CHECKPOINT && !store_checkpoints_trim(store, job, &err))
        return store_job_fail(job, &err);
    if (append->row.count > 0 && !advance_agent(store, append, &err))
        return store_job_fail(job, &err);
    store->working.bytes += append->row.stored.len;
    return store_job_end(job, STORE_OK);
}

/* The row that `stmt` is at, compared with what is looked for. */
static enum store_result compare(const struct job *job, struct db_stmt *stmt)
{
    const struct store_row *wanted = &job->append.row;
    struct digest hash;
    if (db_column_u64(stmt, 2) == job->bytes_max) { /* else its bytes need not be read */
        record_hash(db_column_bytes(stmt, 3), &hash);
        if (digest_equal(&hash, &job->hash))
            return STORE_EXISTS;
    }
    return wanted->count > 0 && db_column_u64(stmt, 1) == wanted->count ? STORE_OTHER : STORE_MISSING;
}

static bool look_up(struct store *store, const struct job *job, enum store_result *result, uint64_t *place,
                    struct error *err)
{
    const struct store_row *wanted = &job->append.row;
    enum db_stepped stepped = DB_DONE;
    unsigned seen = 0;
    struct db_stmt *stmt =
        db_use(store->db, "SELECT place, count, length(body), body FROM records"
                          " WHERE document = ? AND agent = ? AND seq0 = ? AND kind = ? ORDER BY place");
    db_bind_u64(stmt, 1, job->append.key);
    db_bind_u64(stmt, 2, wanted->agent_number);
    db_bind_u64(stmt, 3, wanted->seq0);
    db_bind_u64(stmt, 4, wanted->kind);
    *result = STORE_MISSING;
    while (*result != STORE_EXISTS && seen < STORE_SIDES_MAX && (stepped = db_step(stmt, err)) == DB_ROW) {
        enum store_result compared = compare(job, stmt);
        *place = db_column_u64(stmt, 0);
        if (compared != STORE_MISSING)
            *result = compared;
        seen++;
    }
    db_end(stmt);
    if (*result != STORE_EXISTS && wanted->count > 0 && seen == STORE_SIDES_MAX)
        *result = STORE_CROWDED;
    return stepped != DB_FAILED;
}

bool store_run_lookup(struct store *store, struct job *job)
{
    struct error err = {0};
    enum store_result result;
    uint64_t place = 0;
    bool good = look_up(store, job, &result, &place, &err);
    if (good && job->kind == JOB_UNPACK && result == STORE_EXISTS)
        good = store_packs_keep(store->db, job->append.key, place, &err);
    return good ? store_job_end(job, result) : store_job_fail(job, &err);
}

bool store_run_purge(struct store *store, struct job *job)
{
    struct error err = {0};
    size_t count = 0;
    job->freed = xcalloc(STORE_PURGE_PACKS, sizeof *job->freed);
    if (!store_packs_purge(store->db, &job->purge, job->freed, &count, &err))
        return store_job_fail(job, &err);
    for (size_t i = 0; i < count; i++)
        store->working.bytes -= job->freed[i].bytes;
    job->reply.freed = job->freed;
    job->reply.freed_count = count;
    return store_job_end(job, STORE_OK);
}

void store_take_row(struct job *job, struct db_stmt *stmt, size_t *cap)
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

void store_point_rows(struct job *job)
{
    size_t from = 0;
    for (size_t i = 0; i < job->reply.row_count; i++) {
        job->rows[i].stored = bytes_slice(buf_view(&job->body), from, job->row_ends[i] - from);
        from = job->row_ends[i];
    }
    job->reply.rows = job->rows;
}

bool store_run_read(struct store *store, struct job *job)
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
        store_take_row(job, stmt, &cap);
    }
    db_end(stmt);
    if (stepped == DB_FAILED)
        return store_job_fail(job, &err);
    store_point_rows(job);
    return store_job_end(job, STORE_OK);
}
