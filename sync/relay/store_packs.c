#include "sync/relay/store_packs.h"

/* What a pack finds of its range. */
struct covered {
    uint64_t events;      /* in whole rows that nothing else stands in for */
    uint64_t first_place; /* of the first of them; 0: there is none */
    uint64_t known;       /* the agent's next seq before it */
};

static bool find_covered(struct db *db, const struct store_append *append, struct covered *out, struct error *err)
{
    const struct store_row *row = &append->row;
    struct db_stmt *stmt = db_use(db, "SELECT next_seq FROM agents WHERE document = ? AND number = ?");
    db_bind_u64(stmt, 1, append->key);
    db_bind_u64(stmt, 2, row->agent_number);
    if (!db_one(stmt, err))
        return false;
    out->known = db_column_u64(stmt, 0);
    db_end(stmt);
    stmt = db_use(db, "SELECT coalesce(sum(count), 0), coalesce(min(place), 0) FROM records WHERE document = ?1"
                             " AND agent = ?2 AND seq0 >= ?3 AND seq0 < ?4 AND seq0 + count <= ?4 AND count > 0"
                             " AND place < ?5 AND packed_by IS NULL");
    db_bind_u64(stmt, 1, append->key);
    db_bind_u64(stmt, 2, row->agent_number);
    db_bind_u64(stmt, 3, row->seq0);
    db_bind_u64(stmt, 4, row->seq0 + row->count);
    db_bind_u64(stmt, 5, row->place);
    if (!db_one(stmt, err))
        return false;
    out->events = db_column_u64(stmt, 0);
    out->first_place = db_column_u64(stmt, 1);
    db_end(stmt);
    return true;
}

/* Whether few enough bytes lie between the first row that would go and the pack. */
static bool is_near(struct db *db, const struct store_append *append, uint64_t first, bool *near, struct error *err)
{
    *near = append->row.place - first <= STORE_PACK_SPAN_PLACES;
    if (!*near)
        return true;
    struct db_stmt *stmt = db_use(db, "SELECT coalesce(sum(length(body)), 0) FROM records WHERE document = ?"
                                             " AND place >= ? AND place < ?");
    db_bind_u64(stmt, 1, append->key);
    db_bind_u64(stmt, 2, first);
    db_bind_u64(stmt, 3, append->row.place);
    if (!db_one(stmt, err))
        return false;
    *near = db_column_u64(stmt, 0) <= STORE_PACK_SPAN_BYTES;
    db_end(stmt);
    return true;
}

static bool mark_packed(struct db *db, const struct store_append *append, struct error *err)
{
    const struct store_row *row = &append->row;
    struct db_stmt *stmt =
        db_use(db, "UPDATE records SET packed_by = ?5 WHERE document = ?1 AND agent = ?2 AND seq0 >= ?3"
                          " AND seq0 < ?4 AND seq0 + count <= ?4 AND count > 0 AND place < ?5 AND packed_by IS NULL");
    db_bind_u64(stmt, 1, append->key);
    db_bind_u64(stmt, 2, row->agent_number);
    db_bind_u64(stmt, 3, row->seq0);
    db_bind_u64(stmt, 4, row->seq0 + row->count);
    db_bind_u64(stmt, 5, row->place);
    if (!db_run(stmt, err))
        return false;
    stmt = db_use(db, "INSERT INTO packs (document, place, agent, time) VALUES (?, ?, ?, ?)");
    db_bind_u64(stmt, 1, append->key);
    db_bind_u64(stmt, 2, row->place);
    db_bind_u64(stmt, 3, row->agent_number);
    db_bind_u64(stmt, 4, append->now_s);
    return db_run(stmt, err);
}

/* Rows lie side by side, so if whole ones inside the range have as many events as it has, they cover it exactly. */
bool store_packs_mark(struct db *db, const struct store_append *append, struct error *err)
{
    struct covered covered;
    bool near = false;
    if (!find_covered(db, append, &covered, err))
        return false;
    uint64_t end = append->row.seq0 + append->row.count;
    uint64_t there = (end < covered.known ? end : covered.known) - append->row.seq0;
    if (covered.known <= append->row.seq0 || covered.events != there)
        return true;
    return is_near(db, append, covered.first_place, &near, err) && (!near || mark_packed(db, append, err));
}

struct packed {
    uint64_t key, place;
};

static bool find_packs(struct db *db, const struct store_purge *purge, struct packed *out, size_t *count,
                       struct error *err)
{
    enum db_stepped stepped;
    struct db_stmt *stmt =
        purge->key ? db_use(db, "SELECT p.document, p.place FROM packs p JOIN agents a ON a.document = p.document"
                                       " AND a.number = p.agent WHERE p.document = ?4 AND p.place <= ?1 AND p.time < ?2"
                                       " AND a.device_key <> ?3 ORDER BY p.place LIMIT ?5")
                   : db_use(db, "SELECT p.document, p.place FROM packs p JOIN agents a ON a.document = p.document"
                                       " AND a.number = p.agent WHERE ?4 = 0 AND p.place <= ?1 AND p.time < ?2"
                                       " AND a.device_key <> ?3 LIMIT ?5");
    db_bind_u64(stmt, 1, purge->place);
    db_bind_u64(stmt, 2, purge->before_s);
    db_bind_bytes(stmt, 3, bytes_of(purge->not_by.bytes, sizeof purge->not_by.bytes));
    db_bind_u64(stmt, 4, purge->key);
    db_bind_u64(stmt, 5, STORE_PURGE_PACKS);
    for (*count = 0; (stepped = db_step(stmt, err)) == DB_ROW; ++*count)
        out[*count] = (struct packed){db_column_u64(stmt, 0), db_column_u64(stmt, 1)};
    db_end(stmt);
    return stepped != DB_FAILED;
}

static bool run_packed(struct db *db, const char *sql, const struct packed *pack, struct error *err)
{
    struct db_stmt *stmt = db_use(db, sql);
    db_bind_u64(stmt, 1, pack->key);
    db_bind_u64(stmt, 2, pack->place);
    return db_run(stmt, err);
}

static bool purge_pack(struct db *db, const struct packed *pack, uint64_t *freed, struct error *err)
{
    struct db_stmt *stmt = db_use(db, "SELECT coalesce(sum(length(body)), 0) FROM records WHERE document = ?"
                                             " AND packed_by = ?");
    db_bind_u64(stmt, 1, pack->key);
    db_bind_u64(stmt, 2, pack->place);
    if (!db_one(stmt, err))
        return false;
    *freed = db_column_u64(stmt, 0);
    db_end(stmt);
    stmt = db_use(db, "UPDATE documents SET bytes = bytes - ?2 WHERE id = ?1");
    db_bind_u64(stmt, 1, pack->key);
    db_bind_u64(stmt, 2, *freed);
    return db_run(stmt, err) &&
           run_packed(db, "DELETE FROM records WHERE document = ? AND packed_by = ?", pack, err) &&
           run_packed(db, "DELETE FROM packs WHERE document = ? AND place = ?", pack, err);
}

bool store_packs_purge(struct db *db, const struct store_purge *purge, struct store_freed *freed, size_t *count,
                       struct error *err)
{
    struct packed packs[STORE_PURGE_PACKS];
    if (!find_packs(db, purge, packs, count, err))
        return false;
    for (size_t i = 0; i < *count; i++) {
        freed[i].key = packs[i].key;
        if (!purge_pack(db, &packs[i], &freed[i].bytes, err))
            return false;
    }
    return true;
}

bool store_packs_keep(struct db *db, uint64_t key, uint64_t place, struct error *err)
{
    struct packed row = {key, place};
    return run_packed(db, "UPDATE records SET packed_by = NULL WHERE document = ? AND place = ?", &row, err);
}
