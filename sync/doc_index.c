#include "sync/doc_index.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/db.h"

/* "wfi1" */
enum { APPLICATION_ID = 0x77666931, BUSY_MS = 10000, KEYS_BYTES_MAX = 1024 };

static const char *const schema[] = {
    "CREATE TABLE document("
    "  doc BLOB PRIMARY KEY, role INTEGER NOT NULL, state INTEGER NOT NULL, name TEXT, relay TEXT, relay_flags TEXT,"
    "  created_s INTEGER NOT NULL, opened_s INTEGER NOT NULL, shared_s INTEGER NOT NULL, keys BLOB NOT NULL);"
    "CREATE INDEX document_opened ON document(opened_s);"
    "CREATE TABLE path("
    "  path TEXT PRIMARY KEY, doc BLOB NOT NULL, dev INTEGER NOT NULL, ino INTEGER NOT NULL, content BLOB,"
    "  bound_s INTEGER NOT NULL);"
    "CREATE INDEX path_doc ON path(doc, bound_s);"
    "CREATE INDEX path_inode ON path(dev, ino, bound_s);",
};

struct doc_index {
    struct db *db;
    struct seal_key key;
    struct buf plain, sealed; /* scratch */
};

static struct bytes doc_bytes(const struct doc_id *doc)
{
    return bytes_of(doc->bytes, sizeof doc->bytes);
}

/* --- opening --- */

static struct db_options db_options_of(enum doc_index_mode mode)
{
    return (struct db_options){
        .what = "the index of documents",
        .mode = mode == DOC_INDEX_READ ? DB_READ : DB_CREATE,
        .sync = DB_SYNC_FULL, /* few and small writes, and a lost key is a lost document */
        .application_id = APPLICATION_ID,
        .schema = schema,
        .schema_count = sizeof schema / sizeof *schema,
        .busy_ms = BUSY_MS,
        .secure_delete = true,
    };
}

struct doc_index *doc_index_open(const char *path, enum doc_index_mode mode, const struct device *device,
                                 struct error *err)
{
    struct db_options options = db_options_of(mode);
    struct db *db = db_open(path, &options, err);
    if (!db)
        return NULL;
    struct doc_index *index = xcalloc(1, sizeof *index);
    index->db = db;
    device_index_key(device, &index->key);
    return index;
}

void doc_index_close(struct doc_index *index)
{
    if (!index)
        return;
    db_close(index->db);
    crypto_wipe(&index->key, sizeof index->key);
    if (index->plain.data)
        crypto_wipe(index->plain.data, index->plain.cap);
    buf_release(&index->plain);
    buf_release(&index->sealed);
    free(index);
}

/* --- sealing: `name` says what it is and whose, and is authenticated --- */

static struct bytes seal(struct doc_index *index, struct bytes name, struct bytes plain)
{
    unsigned char nonce[CRYPTO_NONCE_BYTES];
    crypto_random(nonce, sizeof nonce);
    buf_clear(&index->sealed);
    buf_add(&index->sealed, nonce, sizeof nonce);
    crypto_seal(&index->key, nonce, name, plain, &index->sealed);
    return buf_view(&index->sealed);
}

/* Into index->plain. */
static bool unseal(struct doc_index *index, struct bytes name, struct bytes sealed)
{
    buf_clear(&index->plain);
    if (sealed.len < CRYPTO_NONCE_BYTES + CRYPTO_TAG_BYTES || sealed.len > KEYS_BYTES_MAX)
        return false;
    struct bytes content = bytes_slice(sealed, CRYPTO_NONCE_BYTES, sealed.len - CRYPTO_NONCE_BYTES);
    return crypto_open(&index->key, sealed.data, name, content, &index->plain);
}

static struct bytes seal_keys(struct doc_index *index, const struct doc_entry *entry)
{
    buf_clear(&index->plain);
    doc_keys_encode(&entry->keys, &index->plain);
    return seal(index, doc_bytes(&entry->doc), buf_view(&index->plain));
}

static bool unseal_keys(struct doc_index *index, struct bytes sealed, struct doc_entry *entry, struct error *err)
{
    if (!unseal(index, doc_bytes(&entry->doc), sealed))
        return error_set(err, ERR_AUTH, 0, "the keys of \"%s\" were sealed with another device key",
                         entry->name ? entry->name : "a document");
    return doc_keys_decode(buf_view(&index->plain), &entry->keys, err);
}

/* --- entries --- */

static char *copy_text(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

void doc_entry_copy(struct doc_entry *out, const struct doc_entry *entry)
{
    *out = *entry;
    out->name = copy_text(entry->name);
    out->relay = copy_text(entry->relay);
    out->relay_flags = copy_text(entry->relay_flags);
    out->path = copy_text(entry->path);
}

void doc_entry_release(struct doc_entry *entry)
{
    free(entry->name);
    free(entry->relay);
    free(entry->relay_flags);
    free(entry->path);
    doc_keys_wipe(&entry->keys);
    *entry = (struct doc_entry){0};
}

static bool fits(const char *text, struct error *err)
{
    return !text || strlen(text) <= DOC_INDEX_TEXT_BYTES_MAX ||
           error_set(err, ERR_LIMIT, 0, "\"%.40s...\" is too long for the index of documents", text);
}

#define ENTRY_COLUMNS "d.doc, role, state, name, relay, relay_flags, created_s, opened_s, shared_s, keys"
#define PATH_COLUMNS "path, dev, ino, content, bound_s"
/* Its file: the path it was bound to last. */
#define NEWEST_PATH                                                                                                    \
    " LEFT JOIN path AS p ON p.path = (SELECT path FROM path WHERE doc = d.doc ORDER BY bound_s DESC, rowid DESC LIMIT 1)"

static void read_path(struct doc_index *index, struct db_stmt *stmt, struct doc_entry *entry)
{
    if (db_column_is_null(stmt, 10))
        return;
    entry->path = xstrdup(db_column_text(stmt, 10));
    entry->dev = (uint64_t)db_column_int(stmt, 11);
    entry->ino = (uint64_t)db_column_int(stmt, 12);
    entry->bound_s = db_column_u64(stmt, 14);
    /* A hash that does not open is one that is not known: the file is then compared, not trusted. */
    entry->content_known = unseal(index, bytes_of_string(entry->path), db_column_bytes(stmt, 13)) &&
                           index->plain.len == sizeof entry->content.bytes;
    if (entry->content_known)
        memcpy(entry->content.bytes, index->plain.data, sizeof entry->content.bytes);
}

static bool read_entry(struct doc_index *index, struct db_stmt *stmt, struct doc_entry *entry, struct error *err)
{
    *entry = (struct doc_entry){
        .role = db_column_int(stmt, 1) == DOC_HOST ? DOC_HOST : DOC_GUEST,
        .created_s = db_column_u64(stmt, 6),
        .opened_s = db_column_u64(stmt, 7),
        .shared_s = db_column_u64(stmt, 8),
    };
    int64_t state = db_column_int(stmt, 2);
    if (!db_column_into(stmt, 0, entry->doc.bytes, sizeof entry->doc.bytes) || state < 0 || state > DOC_UNSHARED)
        return error_set(err, ERR_FORMAT, 0, "an entry in the index of documents is damaged");
    entry->state = (enum doc_state)state;
    entry->name = copy_text(db_column_text(stmt, 3));
    entry->relay = copy_text(db_column_text(stmt, 4));
    entry->relay_flags = copy_text(db_column_text(stmt, 5));
    read_path(index, stmt, entry);
    return unseal_keys(index, db_column_bytes(stmt, 9), entry, err);
}

/* --- putting --- */

static bool run_with_path(struct doc_index *index, const char *sql, const struct doc_entry *entry, uint64_t now_s,
                          struct error *err)
{
    struct db_stmt *stmt = db_use(index->db, sql);
    db_bind_text(stmt, 1, entry->path);
    db_bind_bytes(stmt, 2, doc_bytes(&entry->doc));
    db_bind_int(stmt, 3, (int64_t)entry->dev); /* only ever compared: any 64 bits will do */
    db_bind_int(stmt, 4, (int64_t)entry->ino);
    if (entry->content_known)
        db_bind_bytes(
            stmt, 5,
            seal(index, bytes_of_string(entry->path), bytes_of(entry->content.bytes, sizeof entry->content.bytes)));
    db_bind_u64(stmt, 6, now_s);
    return db_run(stmt, err);
}

static bool bind_path(struct doc_index *index, const struct doc_entry *entry, uint64_t now_s, struct error *err)
{
    return run_with_path(index, "INSERT INTO path(path, doc, dev, ino, content, bound_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                                " ON CONFLICT (path) DO UPDATE SET doc = excluded.doc, dev = excluded.dev, ino = excluded.ino,"
                                " content = excluded.content, bound_s = excluded.bound_s", entry, now_s, err);
}

static bool put_document(struct doc_index *index, const struct doc_entry *entry, struct error *err)
{
    struct db_stmt *stmt =
        db_use(index->db, "INSERT INTO document(doc, role, state, name, relay, relay_flags, created_s, opened_s,"
                          " shared_s, keys) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
                          " ON CONFLICT (doc) DO UPDATE SET role = excluded.role, state = excluded.state,"
                          " name = excluded.name, relay = excluded.relay, relay_flags = excluded.relay_flags,"
                          " created_s = excluded.created_s, opened_s = excluded.opened_s,"
                          " shared_s = excluded.shared_s, keys = excluded.keys");
    db_bind_bytes(stmt, 1, doc_bytes(&entry->doc));
    db_bind_int(stmt, 2, entry->role);
    db_bind_int(stmt, 3, entry->state);
    db_bind_text(stmt, 4, entry->name);
    db_bind_text(stmt, 5, entry->relay);
    db_bind_text(stmt, 6, entry->relay_flags);
    db_bind_u64(stmt, 7, entry->created_s);
    db_bind_u64(stmt, 8, entry->opened_s);
    db_bind_u64(stmt, 9, entry->shared_s);
    db_bind_bytes(stmt, 10, seal_keys(index, entry));
    return db_run(stmt, err);
}

/* Who has the path: *other is set when it is another document than `doc`. */
static bool path_is_taken(struct doc_index *index, const char *path, const struct doc_id *doc, struct doc_id *other,
                          bool *taken, struct error *err)
{
    *taken = false;
    struct db_stmt *stmt = db_use(index->db, "SELECT doc FROM path WHERE path = ?1 AND doc <> ?2");
    db_bind_text(stmt, 1, path);
    db_bind_bytes(stmt, 2, doc_bytes(doc));
    if (!db_one(stmt, err))
        return err->code == ERR_MISSING;
    *taken = db_column_into(stmt, 0, other->bytes, sizeof other->bytes);
    db_end(stmt);
    return *taken || error_set(err, ERR_FORMAT, 0, "an entry in the index of documents is damaged");
}

static enum doc_index_put put_inside(struct doc_index *index, const struct doc_entry *entry, struct doc_id *other,
                                     struct error *err)
{
    bool taken = false;
    if (entry->path && !path_is_taken(index, entry->path, &entry->doc, other, &taken, err))
        return DOC_INDEX_FAILED;
    if (taken)
        return DOC_INDEX_TAKEN;
    if (!put_document(index, entry, err) || (entry->path && !bind_path(index, entry, entry->opened_s, err)))
        return DOC_INDEX_FAILED;
    return DOC_INDEX_PUT;
}

static bool entry_fits(const struct doc_entry *entry, struct error *err)
{
    return fits(entry->name, err) && fits(entry->relay, err) && fits(entry->relay_flags, err) && fits(entry->path, err);
}

static enum doc_index_put put_ended(struct doc_index *index, enum doc_index_put put, struct error *err)
{
    if (put != DOC_INDEX_PUT)
        db_rollback(index->db);
    else if (!db_commit(index->db, err))
        put = DOC_INDEX_FAILED;
    return put;
}

enum doc_index_put doc_index_put(struct doc_index *index, const struct doc_entry *entry, struct doc_id *other,
                                 struct error *err)
{
    if (!entry_fits(entry, err) || !db_begin(index->db, err))
        return DOC_INDEX_FAILED;
    return put_ended(index, put_inside(index, entry, other, err), err);
}

static bool hand_paths_on(struct doc_index *index, const struct doc_id *from, const struct doc_id *to, struct error *err)
{
    struct db_stmt *stmt = db_use(index->db, "UPDATE path SET doc = ?2 WHERE doc = ?1");
    db_bind_bytes(stmt, 1, doc_bytes(from));
    db_bind_bytes(stmt, 2, doc_bytes(to));
    return db_run(stmt, err);
}

enum doc_index_put doc_index_succeed(struct doc_index *index, const struct doc_id *former, const struct doc_entry *entry,
                                     struct doc_id *other, struct error *err)
{
    if (!entry_fits(entry, err) || !db_begin(index->db, err))
        return DOC_INDEX_FAILED;
    bool handed_on = hand_paths_on(index, former, &entry->doc, err);
    return put_ended(index, handed_on ? put_inside(index, entry, other, err) : DOC_INDEX_FAILED, err);
}

/* Borrows everything: not to be released. */
static struct doc_entry entry_of_file(const struct doc_id *doc, char *path, uint64_t dev, uint64_t ino,
                                      const struct digest *content)
{
    struct doc_entry entry = {.doc = *doc, .path = path, .dev = dev, .ino = ino, .content_known = content != NULL};
    if (content)
        entry.content = *content;
    return entry;
}

bool doc_index_bind_path(struct doc_index *index, const struct doc_id *doc, const char *path, uint64_t dev,
                         uint64_t ino, const struct digest *content, uint64_t now_s, struct error *err)
{
    if (!fits(path, err))
        return false;
    char *copy = xstrdup(path);
    struct doc_entry entry = entry_of_file(doc, copy, dev, ino, content);
    bool ok = bind_path(index, &entry, now_s, err);
    free(copy);
    return ok;
}

bool doc_index_note_file(struct doc_index *index, const struct doc_id *doc, const char *path, uint64_t dev, uint64_t ino,
                         const struct digest *content, uint64_t now_s, struct error *err)
{
    char *copy = xstrdup(path);
    struct doc_entry entry = entry_of_file(doc, copy, dev, ino, content);
    bool ok = run_with_path(index, "UPDATE path SET dev = ?3, ino = ?4, content = ?5, bound_s = ?6"
                                   " WHERE path = ?1 AND doc = ?2", &entry, now_s, err);
    free(copy);
    return ok;
}

bool doc_index_unbind_path(struct doc_index *index, const struct doc_id *doc, const char *path, struct error *err)
{
    struct db_stmt *stmt = db_use(index->db, "DELETE FROM path WHERE path = ?1 AND doc = ?2");
    db_bind_text(stmt, 1, path);
    db_bind_bytes(stmt, 2, doc_bytes(doc));
    return db_run(stmt, err);
}

bool doc_index_set_state(struct doc_index *index, const struct doc_id *doc, enum doc_state state, const char *relay,
                         uint64_t now_s, struct error *err)
{
    if (!fits(relay, err))
        return false;
    struct db_stmt *stmt = db_use(index->db, "UPDATE document SET state = ?2, relay = coalesce(?3, relay),"
                                             " shared_s = iif(?4 AND shared_s = 0, ?5, shared_s) WHERE doc = ?1");
    db_bind_bytes(stmt, 1, doc_bytes(doc));
    db_bind_int(stmt, 2, state);
    db_bind_text(stmt, 3, relay);
    db_bind_int(stmt, 4, state == DOC_SHARED);
    db_bind_u64(stmt, 5, now_s);
    return db_run(stmt, err);
}

bool doc_index_touch(struct doc_index *index, const struct doc_id *doc, uint64_t now_s, struct error *err)
{
    struct db_stmt *stmt = db_use(index->db, "UPDATE document SET opened_s = ?2 WHERE doc = ?1");
    db_bind_bytes(stmt, 1, doc_bytes(doc));
    db_bind_u64(stmt, 2, now_s);
    return db_run(stmt, err);
}

/* --- finding --- */

static bool find_one(struct doc_index *index, struct db_stmt *stmt, struct doc_entry *entry, bool *found,
                     struct error *err)
{
    *found = false;
    if (!db_one(stmt, err))
        return err->code == ERR_MISSING;
    struct doc_entry read;
    bool ok = read_entry(index, stmt, &read, err);
    db_end(stmt);
    if (!ok) {
        doc_entry_release(&read);
        return false;
    }
    doc_entry_release(entry);
    *entry = read;
    *found = true;
    return true;
}

bool doc_index_find_path(struct doc_index *index, const char *path, struct doc_entry *entry, bool *found,
                         struct error *err)
{
    struct db_stmt *stmt = db_use(index->db, "SELECT " ENTRY_COLUMNS ", " PATH_COLUMNS
                                             " FROM path AS p JOIN document AS d ON d.doc = p.doc WHERE p.path = ?1");
    db_bind_text(stmt, 1, path);
    return find_one(index, stmt, entry, found, err);
}

bool doc_index_find_doc(struct doc_index *index, const struct doc_id *doc, struct doc_entry *entry, bool *found,
                        struct error *err)
{
    struct db_stmt *stmt = db_use(index->db, "SELECT " ENTRY_COLUMNS ", " PATH_COLUMNS " FROM document AS d" NEWEST_PATH
                                             " WHERE d.doc = ?1");
    db_bind_bytes(stmt, 1, doc_bytes(doc));
    return find_one(index, stmt, entry, found, err);
}

bool doc_index_find_inode(struct doc_index *index, uint64_t dev, uint64_t ino, struct doc_entry *entry, bool *found,
                          struct error *err)
{
    struct db_stmt *stmt = db_use(index->db, "SELECT " ENTRY_COLUMNS ", " PATH_COLUMNS
                                             " FROM path AS p JOIN document AS d ON d.doc = p.doc"
                                             " WHERE dev = ?1 AND ino = ?2 ORDER BY bound_s DESC, p.rowid DESC LIMIT 1");
    db_bind_int(stmt, 1, (int64_t)dev);
    db_bind_int(stmt, 2, (int64_t)ino);
    return find_one(index, stmt, entry, found, err);
}

bool doc_index_recent(struct doc_index *index, size_t max, doc_index_visit *visit, void *self, struct error *err)
{
    struct db_stmt *stmt = db_use(index->db, "SELECT " ENTRY_COLUMNS ", " PATH_COLUMNS " FROM document AS d" NEWEST_PATH
                                             " ORDER BY opened_s DESC LIMIT ?1");
    db_bind_int(stmt, 1, max && max < INT64_MAX ? (int64_t)max : -1);
    enum db_stepped stepped = DB_ROW;
    bool more = true;
    while (more && (stepped = db_step(stmt, err)) == DB_ROW) {
        struct doc_entry entry;
        /* One that does not open (another device's key) must not hide the others. */
        if (read_entry(index, stmt, &entry, err))
            more = visit(self, &entry);
        doc_entry_release(&entry);
    }
    if (!more)
        db_end(stmt);
    return !more || stepped == DB_DONE;
}

bool doc_index_paths(struct doc_index *index, const struct doc_id *doc, doc_index_path_visit *visit, void *self,
                     struct error *err)
{
    struct db_stmt *stmt = db_use(index->db, "SELECT path, dev, ino FROM path WHERE doc = ?1 ORDER BY bound_s, rowid");
    db_bind_bytes(stmt, 1, doc_bytes(doc));
    enum db_stepped stepped = DB_ROW;
    bool more = true;
    while (more && (stepped = db_step(stmt, err)) == DB_ROW)
        more = visit(self, db_column_text(stmt, 0), (uint64_t)db_column_int(stmt, 1), (uint64_t)db_column_int(stmt, 2));
    if (!more)
        db_end(stmt);
    return !more || stepped == DB_DONE;
}

/* --- forgetting --- */

static bool forget_inside(struct doc_index *index, const struct doc_id *doc, struct error *err)
{
    struct db_stmt *stmt = db_use(index->db, "DELETE FROM path WHERE doc = ?1");
    db_bind_bytes(stmt, 1, doc_bytes(doc));
    if (!db_run(stmt, err))
        return false;
    stmt = db_use(index->db, "DELETE FROM document WHERE doc = ?1");
    db_bind_bytes(stmt, 1, doc_bytes(doc));
    return db_run(stmt, err);
}

bool doc_index_forget(struct doc_index *index, const struct doc_id *doc, struct error *err)
{
    if (!db_begin(index->db, err))
        return false;
    if (forget_inside(index, doc, err))
        return db_commit(index->db, err);
    db_rollback(index->db);
    return false;
}

bool doc_index_vacuum(struct doc_index *index, struct error *err)
{
    return db_vacuum(index->db, err);
}
