/* What was sealed here and is (or was) to be sent, and how far the relay's log has been read. */
#include "sync/journal_parts.h"

static enum journal_added find_sent(struct journal *journal, const struct journal_sent *sent, const struct digest *hash,
                                    uint64_t *id, struct error *err)
{
    struct db_stmt *stmt =
        db_use(journal->db, "SELECT id FROM outbox WHERE agent = ?1 AND seq0 = ?2 AND kind = ?3 AND hash = ?4");
    db_bind_bytes(stmt, 1, bytes_of(sent->agent.bytes, sizeof sent->agent.bytes));
    db_bind_u64(stmt, 2, sent->seq0);
    db_bind_int(stmt, 3, sent->kind);
    db_bind_bytes(stmt, 4, bytes_of(hash->bytes, sizeof hash->bytes));
    if (!db_one(stmt, err))
        return JOURNAL_FAILED;
    if (id)
        *id = db_column_u64(stmt, 0);
    db_end(stmt);
    return JOURNAL_KNOWN;
}

enum journal_added journal_outbox_put(struct journal *journal, const struct journal_sent *sent, uint64_t *id,
                                      struct error *err)
{
    ensure(sent->stored.len <= RECORD_BYTES_MAX);
    struct digest hash;
    crypto_blake2b(sent->stored, &hash);
    struct db_stmt *stmt = db_use(journal->db, "INSERT INTO outbox(kind, agent, seq0, count, hash, stored)"
                                               " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                                               " ON CONFLICT (agent, seq0, kind, hash) DO NOTHING");
    db_bind_int(stmt, 1, sent->kind);
    db_bind_bytes(stmt, 2, bytes_of(sent->agent.bytes, sizeof sent->agent.bytes));
    db_bind_u64(stmt, 3, sent->seq0);
    db_bind_u64(stmt, 4, sent->count);
    db_bind_bytes(stmt, 5, bytes_of(hash.bytes, sizeof hash.bytes));
    db_bind_bytes(stmt, 6, sent->stored);
    if (!db_run(stmt, err))
        return JOURNAL_FAILED;
    if (db_changes(journal->db) == 0)
        return find_sent(journal, sent, &hash, id, err);
    if (id)
        *id = db_last_id(journal->db);
    return JOURNAL_ADDED;
}

bool journal_outbox_ack(struct journal *journal, uint64_t id, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "UPDATE outbox SET acked = 1 WHERE id = ?1 AND acked = 0");
    db_bind_u64(stmt, 1, id);
    return db_run(stmt, err);
}

bool journal_outbox_ack_below(struct journal *journal, const struct agent_id *agent, uint64_t next_seq, bool members,
                              struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "UPDATE outbox SET acked = 1 WHERE acked = 0 AND agent = ?1"
                                               " AND ((count > 0 AND seq0 + count <= ?2) OR (count = 0 AND ?3))");
    db_bind_bytes(stmt, 1, bytes_of(agent->bytes, sizeof agent->bytes));
    db_bind_u64(stmt, 2, next_seq < INT64_MAX ? next_seq : INT64_MAX); /* the relay's word: any number */
    db_bind_int(stmt, 3, members);
    return db_run(stmt, err);
}

static bool read_sent(struct db_stmt *stmt, struct journal_sent *sent)
{
    *sent = (struct journal_sent){
        .id = db_column_u64(stmt, 0),
        .acked = db_column_int(stmt, 1) != 0,
        .kind = (unsigned)db_column_int(stmt, 2) & 0xff,
        .seq0 = db_column_u64(stmt, 4),
        .count = db_column_u64(stmt, 5),
        .stored = db_column_bytes(stmt, 6),
    };
    return db_column_into(stmt, 3, sent->agent.bytes, sizeof sent->agent.bytes) && sent->stored.len <= RECORD_BYTES_MAX;
}

static bool visit_sent(struct db_stmt *stmt, struct journal_sent_visitor visitor, struct error *err)
{
    enum db_stepped stepped;
    while ((stepped = db_step(stmt, err)) == DB_ROW) {
        struct journal_sent sent;
        /* A damaged row is passed over: the relay refuses the gap it leaves, which is how the person learns of it. */
        if (read_sent(stmt, &sent) && !visitor.sent(visitor.self, &sent)) {
            db_end(stmt);
            return true;
        }
    }
    return stepped == DB_DONE;
}

#define SENT_COLUMNS "id, acked, kind, agent, seq0, count, stored"

bool journal_outbox_unacked(struct journal *journal, struct journal_sent_visitor visitor, struct error *err)
{
    return visit_sent(db_use(journal->db, "SELECT " SENT_COLUMNS " FROM outbox WHERE acked = 0 ORDER BY id"), visitor,
                      err);
}

bool journal_outbox_of(struct journal *journal, const struct agent_id *agent, uint64_t seq,
                       struct journal_sent_visitor visitor, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT " SENT_COLUMNS " FROM outbox WHERE agent = ?1"
                                               " AND (seq0 + count > ?2 OR ?2 = 0) AND seq0 >= " JOURNAL_BEGIN_IN("outbox")
                                               " ORDER BY seq0, id");
    db_bind_bytes(stmt, 1, bytes_of(agent->bytes, sizeof agent->bytes));
    db_bind_u64(stmt, 2, seq < INT64_MAX ? seq : INT64_MAX);
    db_bind_int(stmt, 3, JOURNAL_LOOK_BACK);
    return visit_sent(stmt, visitor, err);
}

bool journal_outbox_next_seq(struct journal *journal, const struct agent_id *agent, uint64_t *next_seq,
                             struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT max(seq0 + count) FROM (SELECT seq0, count FROM outbox WHERE agent = ?1"
                                               " AND count > 0 ORDER BY seq0 DESC LIMIT ?2)");
    db_bind_bytes(stmt, 1, bytes_of(agent->bytes, sizeof agent->bytes));
    db_bind_int(stmt, 2, JOURNAL_LOOK_BACK); /* one that begins before all of these has no more batches than they are */
    if (!db_one(stmt, err))
        return false;
    *next_seq = db_column_u64(stmt, 0);
    db_end(stmt);
    return true;
}

/* --- the relay's log --- */

bool journal_relay_put(struct journal *journal, const struct journal_relay *relay, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "INSERT INTO relay(one, log, place, hash) VALUES (1, ?1, ?2, ?3)"
                                               " ON CONFLICT (one) DO UPDATE"
                                               " SET log = excluded.log, place = excluded.place, hash = excluded.hash"
                                               " WHERE log <> excluded.log OR place < excluded.place OR ?4");
    if (relay->place > INT64_MAX)
        return error_set(err, ERR_LIMIT, 0, "the relay's place is beyond all bounds");
    db_bind_bytes(stmt, 1, bytes_of(relay->log.bytes, sizeof relay->log.bytes));
    db_bind_u64(stmt, 2, relay->place);
    db_bind_bytes(stmt, 3, bytes_of(relay->hash.bytes, sizeof relay->hash.bytes));
    db_bind_int(stmt, 4, relay->rewound);
    return db_run(stmt, err);
}

bool journal_relay_get(struct journal *journal, struct journal_relay *relay, struct error *err)
{
    *relay = (struct journal_relay){0};
    struct db_stmt *stmt = db_use(journal->db, "SELECT log, place, hash FROM relay");
    if (!db_one(stmt, err))
        return err->code == ERR_MISSING;
    relay->place = db_column_u64(stmt, 1);
    if (!db_column_into(stmt, 0, relay->log.bytes, sizeof relay->log.bytes) ||
        !db_column_into(stmt, 2, relay->hash.bytes, sizeof relay->hash.bytes))
        *relay = (struct journal_relay){0}; /* damaged: reading the log from its start is always right */
    db_end(stmt);
    return true;
}
