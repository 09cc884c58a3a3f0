/*
 * Checkpoints in the store: rows like others, at places of their own. seq0 of such a row is its set, so a set is the rows of one
 * agent with one seq0, and is whole when its CHECKPOINT is there. Two whole ones are kept; a new one takes out what is older.
 */
#include "sync/relay/store_parts.h"

#include <assert.h>

#include "editor/base/xalloc.h"
#include "sync/record.h"

/* The numbers stand in the partial index, and where it is to be used the same words have to. */
#define IS_CHECKPOINT "kind IN (134, 138)"
static_assert(RECORD_CHECKPOINT == 134 && RECORD_CHECKPOINT_TEXT == 138, "the schema names these");

/* --- trimming --- */

/* The place of the oldest whole one that is kept; 0: there are not so many. */
static bool find_oldest_kept(struct db *db, uint64_t key, uint64_t *place, struct error *err)
{
    struct db_stmt *stmt = db_use(db, "SELECT place FROM records WHERE document = ? AND kind = 134 AND " IS_CHECKPOINT
                                      " ORDER BY place DESC LIMIT 1 OFFSET ?");
    db_bind_u64(stmt, 1, key);
    db_bind_u64(stmt, 2, STORE_CHECKPOINTS_KEPT - 1);
    enum db_stepped stepped = db_step(stmt, err);
    *place = stepped == DB_ROW ? db_column_u64(stmt, 0) : 0;
    db_end(stmt);
    return stepped != DB_FAILED;
}

/* What lies before that and is no part of it or of a newer one: older ones, and such as were never finished. */
#define OLDER " FROM records WHERE document = ?1 AND " IS_CHECKPOINT " AND place < ?2 AND NOT EXISTS" \
              " (SELECT 1 FROM records AS head WHERE head.document = ?1 AND head.kind = 134 AND head." IS_CHECKPOINT \
              " AND head.place >= ?2 AND head.agent = records.agent AND head.seq0 = records.seq0)"

static bool remove_older(struct db *db, uint64_t key, uint64_t place, uint64_t *freed, struct error *err)
{
    struct db_stmt *stmt = db_use(db, "SELECT coalesce(sum(length(body)), 0)" OLDER);
    db_bind_u64(stmt, 1, key);
    db_bind_u64(stmt, 2, place);
    if (!db_one(stmt, err))
        return false;
    *freed = db_column_u64(stmt, 0);
    db_end(stmt);
    stmt = db_use(db, "DELETE" OLDER);
    db_bind_u64(stmt, 1, key);
    db_bind_u64(stmt, 2, place);
    if (!db_run(stmt, err))
        return false;
    stmt = db_use(db, "UPDATE documents SET bytes = bytes - ?2 WHERE id = ?1");
    db_bind_u64(stmt, 1, key);
    db_bind_u64(stmt, 2, *freed);
    return db_run(stmt, err);
}

bool store_checkpoints_trim(struct store *store, struct job *job, struct error *err)
{
    uint64_t key = job->append.key, place, freed = 0;
    if (!find_oldest_kept(store->db, key, &place, err) || (place > 0 && !remove_older(store->db, key, place, &freed, err)))
        return false;
    store->working.bytes -= freed;
    job->freed = xcalloc(1, sizeof *job->freed);
    *job->freed = (struct store_freed){key, freed};
    job->reply.freed = job->freed;
    job->reply.freed_count = 1;
    return true;
}

/* --- reading --- */

static bool read_rows(struct job *job, struct db_stmt *stmt, size_t *cap, bool all, struct error *err)
{
    enum db_stepped stepped;
    while ((stepped = db_step(stmt, err)) == DB_ROW) {
        if (!all && job->reply.row_count > 0 && job->body.len + db_column_bytes(stmt, 5).len > job->bytes_max)
            break;
        store_take_row(job, stmt, cap);
    }
    db_end(stmt);
    return stepped != DB_FAILED;
}

/* GENESIS, the newest MEMBER of who wrote it, and the newest CHECKPOINT itself: enough to read and check what follows. */
static bool read_front(struct store *store, struct job *job, size_t *cap, struct error *err)
{
    struct db_stmt *stmt = db_use(store->db, "SELECT agent, place FROM records WHERE document = ? AND kind = 134 AND "
                                             IS_CHECKPOINT " ORDER BY place DESC LIMIT 1");
    db_bind_u64(stmt, 1, job->append.key);
    enum db_stepped stepped = db_step(stmt, err);
    uint64_t agent = stepped == DB_ROW ? db_column_u64(stmt, 0) : 0, place = stepped == DB_ROW ? db_column_u64(stmt, 1) : 0;
    db_end(stmt);
    if (stepped != DB_ROW)
        return stepped != DB_FAILED;
    stmt = db_use(store->db, "SELECT place, kind, agent, seq0, count, body FROM records WHERE document = ?1 AND place IN"
                             " (1, ?2, (SELECT max(place) FROM records WHERE document = ?1 AND agent = ?3 AND seq0 = 0"
                             " AND kind = ?4)) ORDER BY place = ?2, place");
    db_bind_u64(stmt, 1, job->append.key);
    db_bind_u64(stmt, 2, place);
    db_bind_u64(stmt, 3, agent);
    db_bind_u64(stmt, 4, RECORD_MEMBER);
    return read_rows(job, stmt, cap, true, err);
}

static bool read_texts(struct store *store, struct job *job, size_t *cap, struct error *err)
{
    const struct store_row *wanted = &job->append.row;
    struct db_stmt *stmt = db_use(store->db, "SELECT place, kind, agent, seq0, count, body FROM records WHERE document = ?"
                                             " AND kind = 138 AND " IS_CHECKPOINT " AND agent = ? AND seq0 = ? AND place > ?"
                                             " ORDER BY place");
    db_bind_u64(stmt, 1, job->append.key);
    db_bind_u64(stmt, 2, wanted->agent_number);
    db_bind_u64(stmt, 3, wanted->seq0);
    db_bind_u64(stmt, 4, wanted->place);
    return read_rows(job, stmt, cap, false, err);
}

bool store_run_checkpoint(struct store *store, struct job *job)
{
    struct error err = {0};
    size_t cap = 0;
    bool front = job->append.row.agent_number == 0;
    if (!(front ? read_front(store, job, &cap, &err) : read_texts(store, job, &cap, &err)))
        return store_job_fail(job, &err);
    store_point_rows(job);
    return store_job_end(job, front && job->reply.row_count == 0 ? STORE_MISSING : STORE_OK);
}
