/* What an operator asks: by hand, answered at once. */
#include "sync/relay/store_parts.h"

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
