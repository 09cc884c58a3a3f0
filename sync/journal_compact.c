#include "sync/journal_compact.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/bundle.h"
#include "sync/journal_parts.h"

/* Rows that may become one. */
struct run {
    struct agent_id agent;
    uint64_t seq0, end;
    uint64_t first_place, place; /* of the first and the last one */
    size_t rows;
    struct digest last;
    struct buf plain; /* the batches, as in an EVENTS record */
    bool has_view;
    struct path_tag path;
    struct journal_view view; /* of the last row */
    bool full;                /* another one follows that belongs elsewhere */
};

static bool same_view(const struct run *run, const struct local_body *local)
{
    return run->has_view == local->has_view &&
           (!run->has_view || memcmp(run->path.bytes, local->path.bytes, sizeof run->path.bytes) == 0);
}

static bool has_foreign_parents(struct bytes plain)
{
    return plain.data[0] & BATCH_FLAG_FOREIGN;
}

static bool belongs(const struct run *run, const struct journal_row *row, const struct local_body *local)
{
    return run->rows == 0 ||
           (row->seq0 == run->end && row->place > run->place && same_view(run, local) && !has_foreign_parents(row->body) &&
            run->plain.len + row->body.len < JOURNAL_PACK_BYTES_MAX);
}

static void take_row(struct run *run, const struct journal_row *row, const struct local_body *local)
{
    if (run->rows == 0) {
        run->seq0 = row->seq0;
        run->first_place = row->place;
    }
    run->rows++;
    run->end = row->seq0 + row->count;
    run->place = row->place;
    run->last = row->digest;
    run->has_view = local->has_view;
    run->path = local->path;
    run->view = local->view;
    record_plain_add(&run->plain, row->body);
}

/* The first row that nobody has looked at. False and ERR_MISSING: there is none. */
static bool find_first(struct journal *journal, const struct journal_compaction *compaction, struct run *run, uint64_t *place,
                       struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT place, agent, seq0 FROM arrival WHERE place > ?1 AND place <= ?2"
                                               " AND form = 0 ORDER BY place LIMIT 1");
    db_bind_u64(stmt, 1, compaction->looked);
    db_bind_u64(stmt, 2, compaction->upto);
    if (!db_one(stmt, err))
        return false;
    *place = db_column_u64(stmt, 0);
    run->seq0 = db_column_u64(stmt, 2);
    bool sound = db_column_into(stmt, 1, run->agent.bytes, sizeof run->agent.bytes);
    db_end(stmt);
    return sound || error_set(err, ERR_FORMAT, 0, "a row of the journal names no agent");
}

/*
 * How far an agent's rows may be packed: to the end of its newest record, at least. Where it was told to be behind the row that
 * is looked at, that holds: sealing only goes on. Each row that is not sealed asks again, so it is one look.
 */
static bool find_sealed(struct journal *journal, struct journal_compaction *compaction, const struct run *run, struct error *err)
{
    struct error none = {0};
    if (agent_id_equal(&compaction->agent, &run->agent) && compaction->sealed_to >= run->seq0 + JOURNAL_PACK_ROWS_MAX)
        return true;
    struct db_stmt *stmt = db_use(journal->db, "SELECT seq0 + count FROM outbox WHERE agent = ?1 AND count > 0"
                                               " ORDER BY seq0 DESC LIMIT 1");
    db_bind_bytes(stmt, 1, bytes_of(run->agent.bytes, sizeof run->agent.bytes));
    bool found = db_one(stmt, &none);
    if (!found && none.code != ERR_MISSING) {
        *err = none;
        return false;
    }
    compaction->agent = run->agent;
    compaction->sealed_to = found ? db_column_u64(stmt, 0) : 0;
    if (found)
        db_end(stmt);
    return true;
}

/*
 * From run->seq0 on, as many as belong together. A damaged row ends it, and so does one beyond what may be packed: what follows
 * may be as long as all that somebody has just written, and is not to be looked at for each row again.
 */
static bool gather(struct journal *journal, struct journal_compaction *compaction, struct run *run, struct error *err)
{
    if (compaction->sealed && !find_sealed(journal, compaction, run, err))
        return false;
    uint64_t end = compaction->sealed ? compaction->sealed_to : INT64_MAX;
    struct db_stmt *stmt = db_use(journal->db, "SELECT " JOURNAL_ROW_COLUMNS " FROM arrival WHERE agent = ?1 AND seq0 >= ?2"
                                               " AND seq0 < ?4 AND form = 0 ORDER BY seq0 LIMIT ?3");
    db_bind_bytes(stmt, 1, bytes_of(run->agent.bytes, sizeof run->agent.bytes));
    db_bind_u64(stmt, 2, run->seq0);
    db_bind_int(stmt, 3, JOURNAL_PACK_ROWS_MAX + 1);
    db_bind_u64(stmt, 4, end);
    enum db_stepped stepped = DB_DONE;
    while (!run->full && (stepped = db_step(stmt, err)) == DB_ROW) {
        struct journal_row row;
        struct local_body local;
        bool sound = journal_row_read(journal, stmt, &row, &local);
        if (sound && (row.place > compaction->upto || row.seq0 + row.count > end))
            break;
        run->full = !sound || run->rows == JOURNAL_PACK_ROWS_MAX || !belongs(run, &row, &local);
        if (!run->full)
            take_row(run, &row, &local);
    }
    db_end(stmt);
    return stepped != DB_FAILED;
}

static bool remove_rows(struct journal *journal, const struct run *run, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "DELETE FROM arrival WHERE agent = ?1 AND seq0 >= ?2 AND seq0 < ?3 AND form = 0"
                                               " AND place >= ?4 AND place <= ?5");
    db_bind_bytes(stmt, 1, bytes_of(run->agent.bytes, sizeof run->agent.bytes));
    db_bind_u64(stmt, 2, run->seq0);
    db_bind_u64(stmt, 3, run->end);
    db_bind_u64(stmt, 4, run->first_place);
    db_bind_u64(stmt, 5, run->place);
    if (!db_run(stmt, err))
        return false;
    return db_changes(journal->db) == run->rows ||
           error_set(err, ERR_FORMAT, 0, "rows of the journal are not one behind the other");
}

static bool add_packed(struct journal *journal, const struct run *run, const struct packed_body *body, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "INSERT INTO arrival(place, form, kind, agent, seq0, count, hash, "
                                               "relay_place, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, x'', 0, ?7)");
    db_bind_u64(stmt, 1, run->place);
    db_bind_int(stmt, 2, JOURNAL_PACKED);
    db_bind_int(stmt, 3, RECORD_EVENTS);
    db_bind_bytes(stmt, 4, bytes_of(run->agent.bytes, sizeof run->agent.bytes));
    db_bind_u64(stmt, 5, run->seq0);
    db_bind_u64(stmt, 6, run->end - run->seq0);
    db_bind_bytes(stmt, 7, journal_packed_seal(journal, &run->agent, run->seq0, run->end - run->seq0, body));
    return db_run(stmt, err);
}

/* Whether it will be read again as it is: a row with something else in it (a bug of ours) must not take others with it. */
static bool is_sound(const struct run *run)
{
    struct batch_run batches;
    struct error ignored = {0};
    return batch_run_read(buf_view(&run->plain), &run->agent, run->seq0, run->end - run->seq0, &batches, &ignored);
}

static bool pack(struct journal *journal, const struct run *run, struct error *err)
{
    struct buf bundle = {0};
    struct packed_body body = {.digest = run->last};
    body.is_bundle = bundle_pack(&run->agent, run->seq0, buf_view(&run->plain), &bundle);
    body.content = buf_view(body.is_bundle ? &bundle : &run->plain);
    bool good = (!run->has_view || journal_view_keep(journal, &run->path, &run->view, run->place, err)) &&
                remove_rows(journal, run, err) && add_packed(journal, run, &body, err);
    buf_release(&bundle);
    return good;
}

/* *rows: how many were looked at; 0: there are no more. */
static bool pack_next(struct journal *journal, struct journal_compaction *compaction, size_t *rows, struct error *err)
{
    struct run run = {0};
    struct error none = {0};
    uint64_t place = 0;
    *rows = 0;
    if (!find_first(journal, compaction, &run, &place, &none)) {
        if (none.code != ERR_MISSING)
            *err = none;
        return none.code == ERR_MISSING;
    }
    bool good = gather(journal, compaction, &run, err);
    bool packs = good && run.rows >= JOURNAL_PACK_ROWS_MIN && is_sound(&run);
    if (packs)
        good = pack(journal, &run, err);
    *rows = run.rows + 1;
    compaction->looked = place;
    if (!packs && !run.full && !compaction->waits)
        compaction->waits = place;
    buf_release(&run.plain);
    return good;
}

/* --- what was sent of packed rows --- */

/* The next packed row. False and ERR_MISSING: there is none. */
static bool find_packed(struct journal *journal, const struct journal_compaction *compaction, struct run *run, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT place, agent, seq0, seq0 + count FROM arrival WHERE place > ?1 "
                                               "AND form = 2 ORDER BY place LIMIT 1");
    db_bind_u64(stmt, 1, compaction->stripped);
    if (!db_one(stmt, err))
        return false;
    run->place = db_column_u64(stmt, 0);
    run->seq0 = db_column_u64(stmt, 2);
    run->end = db_column_u64(stmt, 3);
    bool sound = db_column_into(stmt, 1, run->agent.bytes, sizeof run->agent.bytes);
    db_end(stmt);
    return sound || error_set(err, ERR_FORMAT, 0, "a row of the journal names no agent");
}

/* What does not fit between the row's ends, or is not acknowledged, stays. A pack that was is of no use any more. */
static bool strip(struct journal *journal, const struct run *run, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "DELETE FROM outbox WHERE agent = ?1 AND seq0 >= ?2 AND seq0 < ?3 AND count > 0"
                                               " AND (seq0 + count <= ?3 OR kind = ?4) AND acked = 1"
                                               " AND seq0 < (SELECT max(seq0) FROM outbox WHERE agent = ?1 AND count > 0)");
    db_bind_bytes(stmt, 1, bytes_of(run->agent.bytes, sizeof run->agent.bytes));
    db_bind_u64(stmt, 2, run->seq0);
    db_bind_u64(stmt, 3, run->end);
    db_bind_int(stmt, 4, RECORD_PACK);
    return db_run(stmt, err);
}

/* *rows: how many were looked at; 0: there are no more. */
static bool strip_next(struct journal *journal, struct journal_compaction *compaction, size_t *rows, struct error *err)
{
    enum { ROWS_A_STEP = 128 };
    struct run run = {0};
    struct error none = {0};
    uint64_t gone = 0;
    for (*rows = 0; *rows < ROWS_A_STEP && gone < JOURNAL_PACK_ROWS_MAX; ++*rows) {
        if (!find_packed(journal, compaction, &run, &none)) {
            if (none.code != ERR_MISSING)
                *err = none;
            return none.code == ERR_MISSING;
        }
        if (!strip(journal, &run, err))
            return false;
        gone += db_changes(journal->db);
        compaction->stripped = run.place;
    }
    return true;
}

/* As far as the oldest checkpoint that is kept. */
static bool find_end(struct journal *journal, struct journal_compaction *compaction, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT coalesce(min(place), 0) FROM checkpoint");
    if (!db_one(stmt, err))
        return false;
    compaction->upto = db_column_u64(stmt, 0);
    db_end(stmt);
    return true;
}

/* The next time: by then there may be more of what waits and of what is acknowledged. Any earlier it would be looked at again. */
static void begin_anew(struct journal_compaction *compaction)
{
    if (compaction->waits)
        compaction->looked = compaction->waits - 1;
    compaction->waits = compaction->stripped = 0;
}

static bool step(struct journal *journal, struct journal_compaction *compaction, bool *more, struct error *err)
{
    size_t rows = 1, looked_at = 0;
    bool good = compaction->upto > 0 || find_end(journal, compaction, err);
    while (good && rows > 0 && looked_at < JOURNAL_PACK_ROWS_MAX) {
        good = pack_next(journal, compaction, &rows, err);
        looked_at += rows;
    }
    if (good && rows == 0)
        good = strip_next(journal, compaction, &rows, err);
    if (good && rows == 0)
        begin_anew(compaction);
    *more = rows > 0;
    return good && (*more || db_shrink(journal->db, JOURNAL_SHRINK_PAGES, more, err));
}

bool journal_compact(struct journal *journal, struct journal_compaction *compaction, bool *more, struct error *err)
{
    struct journal_compaction before = *compaction;
    struct journal_step in;
    if (!journal_step_begin(journal, &in, err))
        return false;
    bool good = journal_step_end(journal, in, step(journal, compaction, more, err), err);
    if (!good)
        *compaction = before;
    else if (!*more) /* it is idle from here on */
        journal_release_memory(journal);
    return good;
}

bool journal_compact_all(struct journal *journal, bool sealed, struct error *err)
{
    struct journal_compaction compaction = {.sealed = sealed};
    bool more = true;
    while (more)
        if (!journal_compact(journal, &compaction, &more, err))
            return false;
    return db_vacuum(journal->db, err);
}
