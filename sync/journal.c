#include "sync/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/varint.h"
#include "editor/base/xalloc.h"
#include "sync/bundle.h"
#include "sync/db.h"
#include "sync/durable.h"
#include "sync/file_lock.h"
#include "sync/journal_parts.h"

/* "wfj1" */
enum { APPLICATION_ID = 0x77666a31, LOCAL_BODY_FORMAT = 1, PACKED_AS_BUNDLE = 1, PACKED_AS_IT_IS = 2 };

/* Two dozen tables and indexes, most of which hold a row or none, take a page each: small ones. But a long text in small pages is
   read half as fast. */
enum { PAGE_BYTES = 1024, LARGE_PAGE_BYTES = 4096, LARGE_BASE_BYTES = 1 << 20 };

/*
 * Only ever appended to. `arrival` is the log itself; rows of form LOCAL have an empty hash, so that (agent, seq0) is
 * unique among them; their digest is sealed with the content, for it would let a thief of the disk test guesses.
 */
static const char *const schema[] = {
    "CREATE TABLE journal("
    "  one INTEGER PRIMARY KEY CHECK (one = 1), doc BLOB NOT NULL, created_s INTEGER NOT NULL, proof BLOB NOT NULL,"
    "  base_len INTEGER);"
    "CREATE TABLE arrival("
    "  place INTEGER PRIMARY KEY, form INTEGER NOT NULL, kind INTEGER NOT NULL, agent BLOB NOT NULL,"
    "  seq0 INTEGER NOT NULL, count INTEGER NOT NULL, hash BLOB NOT NULL, relay_place INTEGER NOT NULL,"
    "  body BLOB NOT NULL);"
    "CREATE UNIQUE INDEX arrival_once ON arrival(agent, seq0, form, kind, hash);"
    "CREATE TABLE base(chunk INTEGER PRIMARY KEY, sealed BLOB NOT NULL);"
    "CREATE TABLE note(name TEXT PRIMARY KEY, sealed BLOB NOT NULL);"
    "CREATE TABLE outbox("
    "  id INTEGER PRIMARY KEY, acked INTEGER NOT NULL DEFAULT 0, kind INTEGER NOT NULL, agent BLOB NOT NULL,"
    "  seq0 INTEGER NOT NULL, count INTEGER NOT NULL, hash BLOB NOT NULL, stored BLOB NOT NULL);"
    "CREATE UNIQUE INDEX outbox_once ON outbox(agent, seq0, kind, hash);"
    "CREATE INDEX outbox_unacked ON outbox(id) WHERE acked = 0;"
    "CREATE TABLE relay(one INTEGER PRIMARY KEY CHECK (one = 1), log BLOB NOT NULL, place INTEGER NOT NULL,"
    "  hash BLOB NOT NULL);"
    "CREATE TABLE agent(id INTEGER PRIMARY KEY, agent BLOB NOT NULL UNIQUE, owner BLOB NOT NULL,"
    "  started_s INTEGER NOT NULL);"
    "CREATE TABLE saved(id INTEGER PRIMARY KEY, path BLOB NOT NULL, sealed BLOB NOT NULL);"
    "CREATE INDEX saved_path ON saved(path, id);"
    "CREATE TABLE import(id BLOB PRIMARY KEY, owner BLOB NOT NULL, done INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE view(path BLOB PRIMARY KEY, place INTEGER NOT NULL, sealed BLOB NOT NULL);"
    "CREATE TABLE checkpoint(id INTEGER PRIMARY KEY, place INTEGER NOT NULL, encoded_len INTEGER NOT NULL,"
    "  text_len INTEGER NOT NULL, has_text INTEGER NOT NULL);"
    "CREATE TABLE checkpoint_part(id INTEGER PRIMARY KEY, checkpoint INTEGER NOT NULL, part INTEGER NOT NULL,"
    "  sealed BLOB NOT NULL);"
    "CREATE UNIQUE INDEX checkpoint_part_once ON checkpoint_part(checkpoint, part);",
    /* Rows of form PACKED; and whether an older weft has dropped rows, which checkpoints then stand for. */
    "ALTER TABLE journal ADD COLUMN trimmed INTEGER NOT NULL DEFAULT 0;"
    "UPDATE journal SET trimmed = (SELECT coalesce(min(place), 1) > 1 FROM arrival);",
};

static enum db_mode db_mode_of(enum journal_mode mode)
{
    switch (mode) {
    case JOURNAL_READ:
        return DB_READ;
    case JOURNAL_WRITE:
        return DB_WRITE;
    case JOURNAL_CREATE:
        return DB_CREATE;
    }
    ensure(!"a mode");
    return DB_READ;
}

static struct db_options db_options_of(enum journal_mode mode, uint64_t base_len)
{
    return (struct db_options){
        .what = "the journal",
        .mode = db_mode_of(mode),
        .sync = DB_SYNC_NORMAL,
        .application_id = APPLICATION_ID,
        .schema = schema,
        .schema_count = sizeof schema / sizeof *schema,
        .busy_ms = JOURNAL_BUSY_MS,
        .manual_checkpoint = true,
        .page_bytes = base_len < LARGE_BASE_BYTES ? PAGE_BYTES : LARGE_PAGE_BYTES,
        .shrinks = true,
    };
}

/* --- names and sealing --- */

struct path_tag journal_path_tag(const struct journal *journal, const char *path)
{
    struct path_tag tag;
    crypto_derive(tag.bytes, sizeof tag.bytes, journal->key.bytes, sizeof journal->key.bytes, "weft-journal-path",
                  bytes_of_string(path));
    return tag;
}

void journal_name_begin(struct journal *journal, const char *table)
{
    buf_clear(&journal->name);
    buf_add(&journal->name, journal->doc.bytes, sizeof journal->doc.bytes);
    buf_add_sized(&journal->name, bytes_of_string(table));
}

void journal_name_u64(struct journal *journal, uint64_t value)
{
    buf_add_u64(&journal->name, value);
}

void journal_name_bytes(struct journal *journal, const void *data, size_t len)
{
    buf_add_sized(&journal->name, bytes_of(data, len));
}

struct bytes journal_seal(struct journal *journal, struct bytes plain)
{
    unsigned char nonce[CRYPTO_NONCE_BYTES];
    crypto_random(nonce, sizeof nonce);
    buf_clear(&journal->sealed);
    buf_add(&journal->sealed, nonce, sizeof nonce);
    crypto_seal(&journal->key, nonce, buf_view(&journal->name), plain, &journal->sealed);
    return buf_view(&journal->sealed);
}

bool journal_unseal(struct journal *journal, struct bytes sealed, struct buf *out)
{
    if (sealed.len < CRYPTO_NONCE_BYTES + CRYPTO_TAG_BYTES)
        return false;
    struct bytes content = bytes_slice(sealed, CRYPTO_NONCE_BYTES, sealed.len - CRYPTO_NONCE_BYTES);
    return crypto_open(&journal->key, sealed.data, buf_view(&journal->name), content, out);
}

/* --- opening --- */

static struct bytes proof_seal(struct journal *journal)
{
    journal_name_begin(journal, "journal");
    return journal_seal(journal, bytes_of_string("weft"));
}

static bool proof_opens(struct journal *journal, struct bytes sealed)
{
    journal_name_begin(journal, "journal");
    buf_clear(&journal->plain);
    return journal_unseal(journal, sealed, &journal->plain);
}

static bool check_owner(struct journal *journal, struct db_stmt *stmt, struct error *err)
{
    struct doc_id doc;
    if (!db_column_into(stmt, 0, doc.bytes, sizeof doc.bytes) || !doc_id_equal(&doc, &journal->doc))
        return error_set(err, ERR_AUTH, 0, "the journal %s is another document's", journal->path);
    if (!proof_opens(journal, db_column_bytes(stmt, 1)))
        return error_set(err, ERR_AUTH, 0, "the journal %s was sealed with another device key", journal->path);
    return true;
}

static bool identify(struct journal *journal, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT doc, proof FROM journal");
    if (!db_one(stmt, err))
        return false;
    bool ours = check_owner(journal, stmt, err);
    db_end(stmt);
    return ours;
}

static bool introduce(struct journal *journal, uint64_t now_s, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "INSERT INTO journal(one, doc, created_s, proof) VALUES (1, ?1, ?2, ?3)"
                                               " ON CONFLICT (one) DO NOTHING");
    db_bind_bytes(stmt, 1, bytes_of(journal->doc.bytes, sizeof journal->doc.bytes));
    db_bind_u64(stmt, 2, now_s);
    db_bind_bytes(stmt, 3, proof_seal(journal));
    return db_run(stmt, err);
}

struct journal *journal_open(const struct journal_spec *spec, struct error *err)
{
    struct db_options options = db_options_of(spec->mode, spec->base_len);
    struct db *db = db_open(spec->path, &options, err);
    if (!db)
        return NULL;
    struct journal *journal = xcalloc(1, sizeof *journal);
    journal->db = db;
    journal->path = spec->path ? xstrdup(spec->path) : NULL;
    journal->doc = spec->doc;
    journal->key = *spec->key;
    if (identify(journal, err))
        return journal;
    bool fresh = err->code == ERR_MISSING && spec->mode == JOURNAL_CREATE;
    if (fresh && introduce(journal, spec->now_s, err) && identify(journal, err))
        return journal;
    journal_close(journal);
    return NULL;
}

struct journal *journal_open_on(const struct device *device, struct journal_spec spec, struct error *err)
{
    struct seal_key key;
    device_journal_key(device, &spec.doc, &key);
    spec.key = &key;
    struct journal *journal = journal_open(&spec, err);
    crypto_wipe(&key, sizeof key);
    return journal;
}

static void release_scratch(struct journal *journal)
{
    if (journal->plain.data)
        crypto_wipe(journal->plain.data, journal->plain.cap);
    if (journal->unpacked.data)
        crypto_wipe(journal->unpacked.data, journal->unpacked.cap);
    buf_release(&journal->name);
    buf_release(&journal->plain);
    buf_release(&journal->sealed);
    buf_release(&journal->unpacked);
}

void journal_release_memory(struct journal *journal)
{
    release_scratch(journal);
    db_release_memory(journal->db);
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    db_close(journal->db);
    free(journal->path);
    crypto_wipe(&journal->key, sizeof journal->key);
    release_scratch(journal);
    free(journal);
}

/* --- the file --- */

char *journal_path(const char *dir, const struct doc_id *doc)
{
    char hex[2 * DOC_ID_BYTES + 1];
    id_hex(doc->bytes, DOC_ID_BYTES, hex);
    return xformat("%s/%s.journal", dir, hex);
}

uint64_t journal_file_bytes(const char *path)
{
    return db_file_bytes(path);
}

static char *lost_path(const char *path)
{
    return xformat("%s.lost", path);
}

static bool is_empty_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size == 0;
}

static bool has_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0;
}

/*
 * Whoever takes a journal's name away has its directory locked, and whoever finds none waits for that: what is found to be
 * empty is then what is moved, and nobody makes a new one meanwhile, whose log would be taken for that of the empty one.
 * -1 on failure; close() unlocks.
 */
static int lock_directory(const char *path, struct error *err)
{
    char *dir = durable_directory(path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || !file_lock(fd, LOCK_EX)) {
        error_errno(err, "cannot lock %s", dir);
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    free(dir);
    return fd;
}

static void unlock_directory(int lock)
{
    if (lock >= 0)
        close(lock);
}

static bool move_log(const char *path, const char *to, struct error *err)
{
    char *log = xformat("%s-wal", path), *log_to = xformat("%s-wal", to);
    bool good = rename(log, log_to) == 0 || errno == ENOENT || error_errno(err, "cannot set %s aside", log);
    free(log);
    free(log_to);
    return good;
}

/* The log last: of a file that has been filled meanwhile (where SQLite makes it, see sync/db.h) it stays. */
static bool move_empty(const char *path, const char *to, bool *moved, struct error *err)
{
    if (rename(path, to) != 0)
        return error_errno(err, "cannot set the empty journal %s aside", path);
    *moved = is_empty_file(to);
    if (*moved)
        return move_log(path, to, err);
    return renameat2(AT_FDCWD, to, AT_FDCWD, path, RENAME_NOREPLACE) == 0 ||
           error_errno(err, "the journal %s is %s now and cannot be put back", path, to);
}

bool journal_set_aside_empty(const char *path, char **aside, struct error *err)
{
    struct error locking = {0};
    *aside = NULL;
    if (has_bytes(path))
        return true;
    int lock = lock_directory(path, &locking);
    bool moved = false, good = true;
    char *to = lost_path(path);
    if (is_empty_file(path)) /* and not set aside just now by another process, which has made its own */
        good = lock >= 0 ? move_empty(path, to, &moved, err)
                         : error_set(err, locking.code, locking.sys, "cannot set the empty journal %s aside: %s", path,
                                     locking.text);
    unlock_directory(lock);
    if (good && moved)
        *aside = to;
    else
        free(to);
    return good;
}

/* `question` NULL: whatever is in it. Where the directory cannot be locked, nothing empty is set aside either. */
static bool forget(const char *path, const char *question, uint64_t answer, struct error *err)
{
    struct error locking = {0};
    int lock = lock_directory(path, &locking);
    char *lost = lost_path(path);
    bool removed = (question ? db_remove_if(path, question, answer, err) : db_remove(path, err)) && db_remove(lost, err);
    unlock_directory(lock);
    free(lost);
    return removed || error_wrap(err, "cannot forget");
}

bool journal_forget(const char *path, struct error *err)
{
    return forget(path, NULL, 0, err);
}

bool journal_forget_unchanged(const char *path, uint64_t newest_place, struct error *err)
{
    return forget(path, "SELECT coalesce(max(place), 0) FROM arrival", newest_place, err);
}

const char *journal_file_path(const struct journal *journal)
{
    return journal->path;
}

unsigned journal_wal_pages(const struct journal *journal)
{
    return db_wal_pages(journal->db);
}

bool journal_is_in_place(const struct journal *journal, struct error *err)
{
    return db_is_in_place(journal->db, err);
}

bool journal_sync(struct journal *journal, struct error *err)
{
    return db_sync(journal->db, err);
}

bool journal_checkpoint_wal(const char *path, struct error *err)
{
    struct db_options options = db_options_of(JOURNAL_WRITE, 0);
    struct db *db = db_open(path, &options, err);
    bool ok = db && db_checkpoint(db, err);
    db_close(db);
    return ok;
}

bool journal_stats(struct journal *journal, struct journal_stats *stats, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT created_s, (SELECT max(place) FROM arrival),"
                                               " (SELECT count(*) FROM arrival),"
                                               " (SELECT count(*) FROM outbox WHERE acked = 0) FROM journal");
    if (!db_one(stmt, err))
        return false;
    stats->created_s = db_column_u64(stmt, 0);
    stats->newest_place = db_column_u64(stmt, 1);
    stats->rows = db_column_u64(stmt, 2);
    stats->unacked = db_column_u64(stmt, 3);
    db_end(stmt);
    return true;
}

/* --- transactions --- */

bool journal_begin(struct journal *journal, struct error *err)
{
    return db_begin(journal->db, err);
}

bool journal_commit(struct journal *journal, struct error *err)
{
    return db_commit(journal->db, err);
}

void journal_rollback(struct journal *journal)
{
    db_rollback(journal->db);
}

bool journal_step_begin(struct journal *journal, struct journal_step *step, struct error *err)
{
    step->own = !db_in_transaction(journal->db);
    return !step->own || db_begin(journal->db, err);
}

bool journal_step_end(struct journal *journal, struct journal_step step, bool ok, struct error *err)
{
    if (!step.own)
        return ok;
    if (ok)
        return db_commit(journal->db, err);
    db_rollback(journal->db);
    return false;
}

/* --- the body of a LOCAL row --- */

void journal_view_encode(const struct journal_view *view, struct buf *out)
{
    buf_add_varint(out, view->cursor);
    buf_add_varint(out, view->anchor);
    buf_add_varint(out, view->top);
    buf_add_varint(out, view->left_cells);
}

void journal_view_decode(struct reader *reader, struct journal_view *view)
{
    view->cursor = read_varint(reader);
    view->anchor = read_varint(reader);
    view->top = read_varint(reader);
    view->left_cells = read_varint(reader);
}

void local_body_encode(const struct local_body *body, struct buf *out)
{
    buf_add_byte(out, LOCAL_BODY_FORMAT);
    buf_add(out, body->digest.bytes, sizeof body->digest.bytes);
    buf_add_byte(out, body->has_view);
    if (body->has_view) {
        buf_add(out, body->path.bytes, sizeof body->path.bytes);
        journal_view_encode(&body->view, out);
    }
    buf_add_bytes(out, body->plain);
}

bool local_body_decode(struct bytes encoded, struct local_body *body)
{
    *body = (struct local_body){0};
    struct reader reader = reader_of(encoded);
    if (read_byte(&reader) != LOCAL_BODY_FORMAT)
        return false;
    read_into(&reader, body->digest.bytes, sizeof body->digest.bytes);
    unsigned char has_view = read_byte(&reader);
    body->has_view = has_view == 1;
    if (body->has_view) {
        read_into(&reader, body->path.bytes, sizeof body->path.bytes);
        journal_view_decode(&reader, &body->view);
    }
    size_t len = reader_left(&reader);
    body->plain = read_bytes(&reader, len);
    return !reader.failed && has_view <= 1 && len > 0 && len <= BATCH_BYTES_MAX;
}

/* --- the body of a PACKED row --- */

static void name_packed(struct journal *journal, const struct agent_id *agent, uint64_t seq0, uint64_t count)
{
    journal_name_begin(journal, "packed");
    journal_name_bytes(journal, agent->bytes, sizeof agent->bytes);
    journal_name_u64(journal, seq0);
    journal_name_u64(journal, count);
}

struct bytes journal_packed_seal(struct journal *journal, const struct agent_id *agent, uint64_t seq0, uint64_t count,
                                 const struct packed_body *body)
{
    buf_clear(&journal->plain);
    buf_add_byte(&journal->plain, body->is_bundle ? PACKED_AS_BUNDLE : PACKED_AS_IT_IS);
    buf_add(&journal->plain, body->digest.bytes, sizeof body->digest.bytes);
    buf_add_bytes(&journal->plain, body->content);
    name_packed(journal, agent, seq0, count);
    return journal_seal(journal, buf_view(&journal->plain));
}

static bool open_packed_row(struct journal *journal, struct journal_row *row)
{
    buf_clear(&journal->plain);
    buf_clear(&journal->unpacked);
    name_packed(journal, &row->agent, row->seq0, row->count);
    if (!journal_unseal(journal, row->body, &journal->plain))
        return false;
    struct reader reader = reader_of(buf_view(&journal->plain));
    unsigned format = read_byte(&reader);
    read_into(&reader, row->digest.bytes, sizeof row->digest.bytes);
    struct bytes content = read_bytes(&reader, reader_left(&reader));
    if (reader.failed || (format != PACKED_AS_BUNDLE && format != PACKED_AS_IT_IS))
        return false;
    bool good = format == PACKED_AS_IT_IS || bundle_unpack(content, RECORD_BYTES_MAX, &journal->unpacked);
    row->body = format == PACKED_AS_IT_IS ? content : buf_view(&journal->unpacked);
    return good;
}

/* --- adding rows --- */

static void name_row(struct journal *journal, const struct agent_id *agent, uint64_t seq0, uint64_t count)
{
    journal_name_begin(journal, "arrival");
    journal_name_bytes(journal, agent->bytes, sizeof agent->bytes);
    journal_name_u64(journal, seq0);
    journal_name_u64(journal, count);
}

static struct bytes seal_local(struct journal *journal, const struct journal_local *local)
{
    struct local_body body = {.digest = local->digest, .plain = local->plain, .view = local->view};
    body.has_view = local->path != NULL;
    if (body.has_view)
        body.path = journal_path_tag(journal, local->path);
    buf_clear(&journal->plain);
    local_body_encode(&body, &journal->plain);
    name_row(journal, &local->agent, local->seq0, local->count);
    return journal_seal(journal, buf_view(&journal->plain));
}

struct arrival {
    enum journal_form form;
    unsigned kind;
    const struct agent_id *agent;
    uint64_t seq0, count, relay_place;
    struct bytes hash, body;
};

static enum journal_added insert(struct journal *journal, const struct arrival *arrival, uint64_t *place,
                                 struct error *err)
{
    struct db_stmt *stmt = db_use(
        journal->db, "INSERT INTO arrival(form, kind, agent, seq0, count, hash, relay_place, body)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (agent, seq0, form, kind, hash) DO NOTHING");
    db_bind_int(stmt, 1, arrival->form);
    db_bind_int(stmt, 2, arrival->kind);
    db_bind_bytes(stmt, 3, bytes_of(arrival->agent->bytes, sizeof arrival->agent->bytes));
    db_bind_u64(stmt, 4, arrival->seq0);
    db_bind_u64(stmt, 5, arrival->count);
    db_bind_bytes(stmt, 6, arrival->hash);
    db_bind_u64(stmt, 7, arrival->relay_place);
    db_bind_bytes(stmt, 8, arrival->body);
    if (!db_run(stmt, err))
        return JOURNAL_FAILED;
    if (db_changes(journal->db) == 0)
        return JOURNAL_KNOWN;
    if (place)
        *place = db_last_id(journal->db);
    return JOURNAL_ADDED;
}

/* The row that is there already: its place, and for a LOCAL one whether it says the same. */
static bool find_local(struct journal *journal, const struct journal_local *local, uint64_t *place, bool *same,
                       struct error *err)
{
    struct db_stmt *stmt =
        db_use(journal->db,
               "SELECT place, count, body FROM arrival WHERE agent = ?1 AND seq0 = ?2 AND form = 0 AND hash = x''");
    db_bind_bytes(stmt, 1, bytes_of(local->agent.bytes, sizeof local->agent.bytes));
    db_bind_u64(stmt, 2, local->seq0);
    if (!db_one(stmt, err))
        return false;
    *place = db_column_u64(stmt, 0);
    struct local_body body = {0};
    name_row(journal, &local->agent, local->seq0, db_column_u64(stmt, 1));
    buf_clear(&journal->plain);
    *same = db_column_u64(stmt, 1) == local->count &&
            journal_unseal(journal, db_column_bytes(stmt, 2), &journal->plain) &&
            local_body_decode(buf_view(&journal->plain), &body) && bytes_equal(body.plain, local->plain);
    db_end(stmt);
    return true;
}

static enum journal_added known_local(struct journal *journal, const struct journal_local *local, uint64_t *place,
                                      struct error *err)
{
    uint64_t there = 0;
    bool same = false;
    if (!find_local(journal, local, &there, &same, err))
        return JOURNAL_FAILED;
    if (place)
        *place = there;
    if (same)
        return JOURNAL_KNOWN;
    error_set(err, ERR_FORMAT, 0, "event %llu of this agent is in the journal already, with other content",
              (unsigned long long)local->seq0);
    return JOURNAL_FAILED;
}

enum journal_added journal_add_local(struct journal *journal, const struct journal_local *local, uint64_t *place,
                                     struct error *err)
{
    ensure(local->plain.len > 0 && local->plain.len <= BATCH_BYTES_MAX && local->count > 0);
    struct arrival arrival = {
        .form = JOURNAL_LOCAL,
        .kind = RECORD_EVENTS,
        .agent = &local->agent,
        .seq0 = local->seq0,
        .count = local->count,
        .body = seal_local(journal, local),
    };
    enum journal_added added = insert(journal, &arrival, place, err);
    return added == JOURNAL_KNOWN ? known_local(journal, local, place, err) : added;
}

bool journal_has_events(struct journal *journal, const struct agent_id *agent, uint64_t seq0, uint64_t count, bool *has,
                        struct error *err)
{
    *has = false;
    struct db_stmt *stmt = db_use(journal->db, "SELECT seq0 + count FROM arrival WHERE agent = ?1 AND seq0 <= ?2 AND kind = ?3"
                                               " ORDER BY seq0 DESC LIMIT 1");
    db_bind_bytes(stmt, 1, bytes_of(agent->bytes, sizeof agent->bytes));
    db_bind_u64(stmt, 2, seq0);
    db_bind_int(stmt, 3, RECORD_EVENTS);
    if (!db_one(stmt, err))
        return err->code == ERR_MISSING;
    *has = db_column_u64(stmt, 0) >= seq0 + count;
    db_end(stmt);
    return true;
}

static bool find_received(struct journal *journal, const struct journal_received *received, uint64_t *place,
                          struct error *err)
{
    struct db_stmt *stmt =
        db_use(journal->db,
               "SELECT place FROM arrival WHERE agent = ?1 AND seq0 = ?2 AND form = 1 AND kind = ?3 AND hash = ?4");
    db_bind_bytes(stmt, 1, bytes_of(received->agent.bytes, sizeof received->agent.bytes));
    db_bind_u64(stmt, 2, received->seq0);
    db_bind_int(stmt, 3, received->kind);
    db_bind_bytes(stmt, 4, bytes_of(received->hash.bytes, sizeof received->hash.bytes));
    if (!db_one(stmt, err))
        return false;
    *place = db_column_u64(stmt, 0);
    db_end(stmt);
    return true;
}

/* Numbers of a record are its author's: checked here, before the database's signed integers see them. */
static bool received_fits(const struct journal_received *received, struct error *err)
{
    if (received->stored.len > RECORD_BYTES_MAX)
        return error_set(err, ERR_LIMIT, 0, "a record of %zu bytes is too large to keep", received->stored.len);
    if (received->seq0 > DOCUMENT_EVENTS_MAX || received->count > DOCUMENT_EVENTS_MAX ||
        received->relay_place > INT64_MAX)
        return error_set(err, ERR_LIMIT, 0, "a record's sequence numbers are beyond all bounds");
    return true;
}

enum journal_added journal_add_received(struct journal *journal, const struct journal_received *received,
                                        uint64_t *place, struct error *err)
{
    if (!received_fits(received, err))
        return JOURNAL_FAILED;
    struct arrival arrival = {
        .form = JOURNAL_RECEIVED,
        .kind = received->kind,
        .agent = &received->agent,
        .seq0 = received->seq0,
        .count = received->count,
        .relay_place = received->relay_place,
        .hash = bytes_of(received->hash.bytes, sizeof received->hash.bytes),
        .body = received->stored,
    };
    enum journal_added added = insert(journal, &arrival, place, err);
    if (added == JOURNAL_KNOWN && place && !find_received(journal, received, place, err))
        return JOURNAL_FAILED;
    return added;
}

/* --- reading rows --- */

static bool open_local_row(struct journal *journal, struct journal_row *row, struct local_body *local)
{
    buf_clear(&journal->plain);
    name_row(journal, &row->agent, row->seq0, row->count);
    if (!journal_unseal(journal, row->body, &journal->plain) || !local_body_decode(buf_view(&journal->plain), local))
        return false;
    row->digest = local->digest;
    row->body = local->plain;
    return true;
}

bool journal_row_read(struct journal *journal, struct db_stmt *stmt, struct journal_row *row, struct local_body *local)
{
    *local = (struct local_body){0};
    int64_t form = db_column_int(stmt, 1);
    int64_t kind = db_column_int(stmt, 2);
    *row = (struct journal_row){
        .place = db_column_u64(stmt, 0),
        .form = form == JOURNAL_LOCAL ? JOURNAL_LOCAL : form == JOURNAL_PACKED ? JOURNAL_PACKED : JOURNAL_RECEIVED,
        .kind = (unsigned)kind,
        .seq0 = db_column_u64(stmt, 4),
        .count = db_column_u64(stmt, 5),
        .relay_place = db_column_u64(stmt, 7),
        .body = db_column_bytes(stmt, 8),
    };
    if (!db_column_into(stmt, 3, row->agent.bytes, sizeof row->agent.bytes) || kind < 0 || kind > 255)
        return false;
    if (form == JOURNAL_LOCAL)
        return open_local_row(journal, row, local);
    if (form == JOURNAL_PACKED)
        return open_packed_row(journal, row);
    return form == JOURNAL_RECEIVED && db_column_into(stmt, 6, row->hash.bytes, sizeof row->hash.bytes) &&
           row->body.len <= RECORD_BYTES_MAX;
}

static bool visit_rows(struct journal *journal, struct db_stmt *stmt, struct journal_visitor visitor,
                       struct journal_read *read, struct error *err)
{
    enum db_stepped stepped;
    while ((stepped = db_step(stmt, err)) == DB_ROW) {
        struct journal_row row;
        struct local_body local;
        bool sound = journal_row_read(journal, stmt, &row, &local);
        read->last_place = row.place;
        if (!sound)
            read->damaged++;
        else if (!visitor.row(visitor.self, &row)) {
            db_end(stmt);
            return true;
        }
    }
    return stepped == DB_DONE;
}

bool journal_rows(struct journal *journal, uint64_t rows_max, struct journal_visitor visitor, struct journal_read *read,
                  struct error *err)
{
    struct db_stmt *stmt =
        db_use(journal->db, "SELECT " JOURNAL_ROW_COLUMNS " FROM arrival WHERE place > ?1 ORDER BY place LIMIT ?2");
    db_bind_u64(stmt, 1, read->last_place);
    db_bind_int(stmt, 2, rows_max && rows_max < INT64_MAX ? (int64_t)rows_max : -1);
    return visit_rows(journal, stmt, visitor, read, err);
}

/* No index answers "holds events from here on" where records overlap; but what holds `seq` begins not far before it. */
bool journal_rows_of(struct journal *journal, const struct agent_id *agent, uint64_t seq,
                     struct journal_visitor visitor, struct journal_read *read, struct error *err)
{
    struct db_stmt *stmt = db_use(journal->db, "SELECT " JOURNAL_ROW_COLUMNS " FROM arrival WHERE agent = ?1"
                                               " AND (seq0 + count > ?2 OR ?2 = 0) AND seq0 >= " JOURNAL_BEGIN_IN("arrival")
                                               " ORDER BY seq0, place");
    db_bind_bytes(stmt, 1, bytes_of(agent->bytes, sizeof agent->bytes));
    db_bind_u64(stmt, 2, seq);
    db_bind_int(stmt, 3, JOURNAL_LOOK_BACK);
    return visit_rows(journal, stmt, visitor, read, err);
}
