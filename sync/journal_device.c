/* What concerns this device alone: its agents, its file, its cursor. */
#include <stdlib.h>
#include <string.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"
#include "sync/journal_parts.h"

/* --- agents --- */

bool journal_agent_add(struct journal *journal, const struct agent_id *agent, uint64_t now_s, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "INSERT INTO agent(agent, owner, started_s) VALUES (?1, ?1, ?2)"
                                               " ON CONFLICT (agent) DO NOTHING");
    db_bind_bytes(stmt, 1, bytes_of(agent->bytes, sizeof agent->bytes));
    db_bind_u64(stmt, 2, now_s);
    return db_run(stmt, err);
}

static bool read_agent(struct db_stmt *stmt, struct journal_agent *agent)
{
    agent->started_s = db_column_u64(stmt, 2);
    return db_column_into(stmt, 0, agent->agent.bytes, sizeof agent->agent.bytes) &&
           db_column_into(stmt, 1, agent->owner.bytes, sizeof agent->owner.bytes);
}

bool journal_agents(struct journal *journal, struct journal_agent **agents, size_t *count, struct error *err)
{
    struct journal_agent *items = NULL;
    size_t cap = 0;
    size_t n = 0;
    struct db_stmt *stmt = db_use(journal->db, "SELECT agent, owner, started_s FROM agent ORDER BY id");
    enum db_stepped stepped;
    while ((stepped = db_step(stmt, err)) == DB_ROW) {
        items = xgrow(items, &cap, n + 1, sizeof *items);
        if (read_agent(stmt, &items[n]))
            n++;
    }
    if (stepped == DB_FAILED) {
        free(items);
        return false;
    }
    *agents = items;
    *count = n;
    return true;
}

enum journal_claim journal_agent_claim(struct journal *journal, const struct agent_id *agent,
                                       const struct agent_id *owner, const struct agent_id *by, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "UPDATE agent SET owner = ?3 WHERE agent = ?1 AND owner = ?2");
    db_bind_bytes(stmt, 1, bytes_of(agent->bytes, sizeof agent->bytes));
    db_bind_bytes(stmt, 2, bytes_of(owner->bytes, sizeof owner->bytes));
    db_bind_bytes(stmt, 3, bytes_of(by->bytes, sizeof by->bytes));
    if (!db_run(stmt, err))
        return JOURNAL_CLAIM_FAILED;
    return db_changes(journal->db) == 1 ? JOURNAL_CLAIMED : JOURNAL_TAKEN;
}

/* --- saved states --- */

static void name_saved(struct journal *journal, const struct path_tag *tag)
{
    journal_name_begin(journal, "saved");
    journal_name_bytes(journal, tag->bytes, sizeof tag->bytes);
}

void journal_saved_encode(const struct journal_saved *saved, struct buf *out)
{
    buf_add_varint(out, saved->dev);
    buf_add_varint(out, saved->ino);
    buf_add_varint(out, saved->size);
    buf_add_zigzag(out, saved->mtime_ns);
    buf_add_varint(out, saved->time_s);
    buf_add(out, saved->hash.bytes, sizeof saved->hash.bytes);
    buf_add_sized(out, saved->version);
}

void journal_saved_decode(struct reader *reader, struct journal_saved *saved)
{
    saved->dev = read_varint(reader);
    saved->ino = read_varint(reader);
    saved->size = read_varint(reader);
    saved->mtime_ns = read_zigzag(reader);
    saved->time_s = read_varint_max(reader, INT64_MAX);
    read_into(reader, saved->hash.bytes, sizeof saved->hash.bytes);
    saved->version = read_sized(reader, JOURNAL_VERSION_BYTES_MAX);
}

static bool saved_decode(struct bytes encoded, struct journal_saved *saved)
{
    struct reader reader = reader_of(encoded);
    journal_saved_decode(&reader, saved);
    return reader_done(&reader);
}

bool journal_saved_put(struct journal *journal, const struct journal_saved *saved, struct error *err)
{
    ensure(saved->version.len <= JOURNAL_VERSION_BYTES_MAX);
    struct path_tag tag = journal_path_tag(journal, saved->path);
    buf_clear(&journal->plain);
    journal_saved_encode(saved, &journal->plain);
    name_saved(journal, &tag);
    struct db_stmt *stmt = db_use(journal->db, "INSERT INTO saved(path, sealed) VALUES (?1, ?2)");
    db_bind_bytes(stmt, 1, bytes_of(tag.bytes, sizeof tag.bytes));
    db_bind_bytes(stmt, 2, journal_seal(journal, buf_view(&journal->plain)));
    return db_run(stmt, err);
}

bool journal_saved_newest(struct journal *journal, struct journal_saved *saved, struct buf *memory, bool *found,
                          struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT sealed, path FROM saved ORDER BY id DESC");
    enum db_stepped stepped;
    *found = false;
    while (!*found && (stepped = db_step(stmt, err)) == DB_ROW) {
        struct path_tag tag;
        *saved = (struct journal_saved){0};
        buf_clear(memory);
        if (!db_column_into(stmt, 1, tag.bytes, sizeof tag.bytes))
            continue;
        name_saved(journal, &tag);
        *found = journal_unseal(journal, db_column_bytes(stmt, 0), memory) && saved_decode(buf_view(memory), saved) &&
                 saved->time_s;
    }
    if (*found)
        db_end(stmt);
    return *found || stepped == DB_DONE;
}

enum saved_look { SAVED_GO_ON, SAVED_FOUND, SAVED_NONE };
typedef enum saved_look look_at_saved(const struct journal_saved *saved, const struct digest *hash);

/* From the newest row of the path on, until `look` has decided. A damaged row is an error only if it is the first. */
static bool search_saved(struct journal *journal, look_at_saved *look, const struct digest *hash,
                         struct journal_saved *saved, struct buf *memory, bool *found, struct error *err)
{
    const char *path = saved->path;
    struct path_tag tag = journal_path_tag(journal, path);
    struct db_stmt *stmt = db_use(journal->db, "SELECT sealed FROM saved WHERE path = ?1 ORDER BY id DESC");
    db_bind_bytes(stmt, 1, bytes_of(tag.bytes, sizeof tag.bytes));
    bool any = false;
    enum db_stepped stepped;
    *found = false;
    while ((stepped = db_step(stmt, err)) == DB_ROW) {
        *saved = (struct journal_saved){.path = path};
        buf_clear(memory);
        name_saved(journal, &tag);
        bool sound = journal_unseal(journal, db_column_bytes(stmt, 0), memory) && saved_decode(buf_view(memory), saved);
        enum saved_look looked = sound ? look(saved, hash) : SAVED_GO_ON;
        *found = looked == SAVED_FOUND;
        if (!sound && !any) {
            db_end(stmt);
            return error_set(err, ERR_AUTH, 0, "the journal's note of the last save is damaged");
        }
        if (looked != SAVED_GO_ON) {
            db_end(stmt);
            return true;
        }
        any = true;
    }
    return stepped == DB_DONE;
}

static enum saved_look is_written(const struct journal_saved *saved, const struct digest *hash)
{
    (void)hash;
    return saved->time_s ? SAVED_FOUND : SAVED_GO_ON;
}

bool journal_saved_get(struct journal *journal, const char *path, struct journal_saved *saved, struct buf *memory,
                       bool *found, struct error *err)
{
    *saved = (struct journal_saved){.path = path};
    return search_saved(journal, is_written, NULL, saved, memory, found, err);
}

static enum saved_look is_pending_with(const struct journal_saved *saved, const struct digest *hash)
{
    if (saved->time_s)
        return SAVED_NONE;
    return digest_equal(&saved->hash, hash) ? SAVED_FOUND : SAVED_GO_ON;
}

bool journal_saved_pending(struct journal *journal, const char *path, const struct digest *hash,
                           struct journal_saved *saved, struct buf *memory, bool *found, struct error *err)
{
    *saved = (struct journal_saved){.path = path};
    return search_saved(journal, is_pending_with, hash, saved, memory, found, err);
}

static enum saved_look is_written_with(const struct journal_saved *saved, const struct digest *hash)
{
    return saved->time_s && digest_equal(&saved->hash, hash) ? SAVED_FOUND : SAVED_GO_ON;
}

bool journal_saved_find(struct journal *journal, const char *path, const struct digest *hash,
                        struct journal_saved *saved, struct buf *memory, bool *found, struct error *err)
{
    *saved = (struct journal_saved){.path = path};
    return search_saved(journal, is_written_with, hash, saved, memory, found, err);
}

/* --- imports --- */

/* Keyed, for the hash of a file's bytes would let a thief of the disk test guesses. */
static struct digest import_id(const struct journal *journal, const struct journal_import *import)
{
    struct hasher hasher;
    struct digest id;
    hasher_init(&hasher, "weft-import-1");
    hasher_add(&hasher, journal->key.bytes, sizeof journal->key.bytes);
    hasher_add_sized(&hasher, import->version);
    hasher_add(&hasher, import->hash.bytes, sizeof import->hash.bytes);
    hasher_digest(&hasher, &id);
    return id;
}

static bool import_insert(struct journal *journal, const struct digest *id, const struct agent_id *by,
                          struct error *err)
{
    struct db_stmt *stmt =
        db_use(journal->db, "INSERT INTO import(id, owner) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING");
    db_bind_bytes(stmt, 1, bytes_of(id->bytes, sizeof id->bytes));
    db_bind_bytes(stmt, 2, bytes_of(by->bytes, sizeof by->bytes));
    return db_run(stmt, err);
}

static bool import_inherit(struct journal *journal, const struct digest *id, const struct agent_id *by,
                           const struct agent_id *dead, struct error *err)
{
    struct db_stmt *stmt =
        db_use(journal->db, "UPDATE import SET owner = ?2 WHERE id = ?1 AND owner = ?3 AND done = 0");
    db_bind_bytes(stmt, 1, bytes_of(id->bytes, sizeof id->bytes));
    db_bind_bytes(stmt, 2, bytes_of(by->bytes, sizeof by->bytes));
    db_bind_bytes(stmt, 3, bytes_of(dead->bytes, sizeof dead->bytes));
    return db_run(stmt, err);
}

static bool import_look(struct journal *journal, const struct digest *id, struct agent_id *owner, bool *done,
                        struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT owner, done FROM import WHERE id = ?1");
    db_bind_bytes(stmt, 1, bytes_of(id->bytes, sizeof id->bytes));
    if (!db_one(stmt, err))
        return false;
    bool sound = db_column_into(stmt, 0, owner->bytes, sizeof owner->bytes);
    *done = db_column_int(stmt, 1) != 0;
    db_end(stmt);
    return sound || error_set(err, ERR_FORMAT, 0, "the journal's note of an import is damaged");
}

static enum journal_claim import_claim(struct journal *journal, const struct digest *id, const struct agent_id *by,
                                       const struct agent_id *dead, struct agent_id *owner, bool *done,
                                       struct error *err)
{
    if (!import_insert(journal, id, by, err))
        return JOURNAL_CLAIM_FAILED;
    bool mine = db_changes(journal->db) == 1;
    if (!mine && dead) {
        if (!import_inherit(journal, id, by, dead, err))
            return JOURNAL_CLAIM_FAILED;
        mine = db_changes(journal->db) == 1;
    }
    if (!import_look(journal, id, owner, done, err))
        return JOURNAL_CLAIM_FAILED;
    return mine ? JOURNAL_CLAIMED : JOURNAL_TAKEN;
}

enum journal_claim journal_import_claim(struct journal *journal, const struct journal_import *import,
                                        const struct agent_id *by, const struct agent_id *dead, struct agent_id *owner,
                                        bool *done, struct error *err)
{
    struct journal_step step;
    struct digest id = import_id(journal, import);
    struct agent_id has_it;
    if (!journal_step_begin(journal, &step, err))
        return JOURNAL_CLAIM_FAILED;
    enum journal_claim claim = import_claim(journal, &id, by, dead, &has_it, done, err);
    if (!journal_step_end(journal, step, claim != JOURNAL_CLAIM_FAILED, err))
        return JOURNAL_CLAIM_FAILED;
    if (owner)
        *owner = has_it;
    return claim;
}

bool journal_import_done(struct journal *journal, const struct journal_import *import, struct error *err)
{
    struct digest id = import_id(journal, import);
    struct db_stmt *stmt = db_use(journal->db, "UPDATE import SET done = 1 WHERE id = ?1");
    db_bind_bytes(stmt, 1, bytes_of(id.bytes, sizeof id.bytes));
    return db_run(stmt, err);
}

/* --- views --- */

/*
 * How far back the cursor is looked for: among this many of our rows, and not behind more rows of all kinds than
 * this.
 */
enum { VIEW_ROWS_BACK = 64, VIEW_PLACES_BACK = 65536 };

static void name_view(struct journal *journal, const struct path_tag *tag)
{
    journal_name_begin(journal, "view");
    journal_name_bytes(journal, tag->bytes, sizeof tag->bytes);
}

bool journal_view_put(struct journal *journal, const char *path, const struct journal_view *view, struct bytes version,
                      struct error *err)
{
    struct path_tag tag = journal_path_tag(journal, path);
    struct buf *plain = &journal->plain;
    buf_clear(plain);
    journal_view_encode(view, plain);
    buf_add_bytes(plain, version);
    name_view(journal, &tag);
    struct db_stmt *stmt = db_use(journal->db, "INSERT INTO view(path, place, sealed)"
                                               " VALUES (?1, coalesce((SELECT max(place) FROM arrival), 0), ?2)"
                                               " ON CONFLICT (path) DO UPDATE"
                                               " SET place = excluded.place, sealed = excluded.sealed");
    db_bind_bytes(stmt, 1, bytes_of(tag.bytes, sizeof tag.bytes));
    db_bind_bytes(stmt, 2, journal_seal(journal, buf_view(plain)));
    return db_run(stmt, err);
}

bool journal_view_keep(struct journal *journal, const struct path_tag *path, const struct journal_view *view, uint64_t place,
                       struct error *err)
{
    struct buf *plain = &journal->plain;
    buf_clear(plain);
    journal_view_encode(view, plain);
    name_view(journal, path);
    struct db_stmt *stmt = db_use(journal->db, "INSERT INTO view(path, place, sealed) VALUES (?1, ?2, ?3)"
                                               " ON CONFLICT (path) DO UPDATE SET place = excluded.place,"
                                               " sealed = excluded.sealed WHERE place < excluded.place");
    db_bind_bytes(stmt, 1, bytes_of(path->bytes, sizeof path->bytes));
    db_bind_u64(stmt, 2, place);
    db_bind_bytes(stmt, 3, journal_seal(journal, buf_view(plain)));
    return db_run(stmt, err);
}

struct view_found {
    struct path_tag tag;
    const struct journal_view_of *whose;
    struct journal_view view;
    struct buf *version;
    uint64_t place;
    bool found;
    bool of_others; /* the newest of all; one of those that are asked for is better */
};

static bool view_decode(struct bytes encoded, struct view_found *found)
{
    struct reader reader = reader_of(encoded);
    journal_view_decode(&reader, &found->view);
    if (found->version)
        buf_add_bytes(found->version, read_bytes(&reader, reader_left(&reader)));
    return !reader.failed;
}

static bool view_from_table(struct journal *journal, struct view_found *found, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT place, sealed FROM view WHERE path = ?1");
    db_bind_bytes(stmt, 1, bytes_of(found->tag.bytes, sizeof found->tag.bytes));
    if (!db_one(stmt, err))
        return err->code == ERR_MISSING;
    found->place = db_column_u64(stmt, 0);
    buf_clear(&journal->plain);
    name_view(journal, &found->tag);
    found->found = journal_unseal(journal, db_column_bytes(stmt, 1), &journal->plain) &&
                   view_decode(buf_view(&journal->plain), found);
    db_end(stmt);
    return true;
}

static bool view_in_row(struct journal *journal, struct db_stmt *stmt, struct view_found *found)
{
    struct journal_row row;
    struct local_body local;
    if (!journal_row_read(journal, stmt, &row, &local) || !local.has_view ||
        memcmp(local.path.bytes, found->tag.bytes, PATH_TAG_BYTES) != 0)
        return false;
    bool asked_for = !found->whose || found->whose->is_one(found->whose->self, &row.agent);
    if (!asked_for && found->of_others)
        return false;
    found->of_others = !asked_for;
    found->view = local.view;
    if (found->version)
        buf_clear(found->version);
    found->place = row.place;
    found->found = true;
    return asked_for;
}

static bool view_from_rows(struct journal *journal, struct view_found *found, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT " JOURNAL_ROW_COLUMNS " FROM arrival WHERE form = 0"
                                               " AND place > max(?1, (SELECT max(place) FROM arrival) - ?2)"
                                               " ORDER BY place DESC LIMIT ?3");
    db_bind_u64(stmt, 1, found->place);
    db_bind_int(stmt, 2, VIEW_PLACES_BACK);
    db_bind_int(stmt, 3, VIEW_ROWS_BACK);
    enum db_stepped stepped;
    while ((stepped = db_step(stmt, err)) == DB_ROW) {
        if (view_in_row(journal, stmt, found)) {
            db_end(stmt);
            return true;
        }
    }
    return stepped == DB_DONE;
}

bool journal_view_get(struct journal *journal, const char *path, const struct journal_view_of *whose, struct journal_view *view,
                      struct buf *version, uint64_t *place, bool *found, struct error *err)
{
    struct view_found newest = {.tag = journal_path_tag(journal, path), .whose = whose, .version = version};
    if (version)
        buf_clear(version);
    if (!view_from_table(journal, &newest, err) || !view_from_rows(journal, &newest, err))
        return false;
    *view = newest.view;
    *place = newest.place;
    *found = newest.found;
    return true;
}
