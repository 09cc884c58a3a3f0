#include "sync/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/durable.h"
#include "sync/id.h"
#include "sync/wal_guard.h"

enum {
    AUTO_CHECKPOINT_PAGES = 1000,
    WAL_BYTES_KEPT = 8 << 20, /* a longer WAL is cut back to this when it starts over */
    OPEN_TRIES = 3,
};

struct db_stmt {
    struct db_stmt *next;
    struct db *db;
    char *sql;
    sqlite3_stmt *handle; /* NULL: preparing failed, `pending` says why */
    int pending;          /* the first failure before the step */
};

struct db {
    sqlite3 *handle;
    char *path; /* NULL: in memory */
    const char *what;
    bool manual_checkpoint;
    unsigned busy_ms;
    unsigned wal_pages;
    struct db_stmt *stmts; /* all that were used so far */
    /* For db_sync(), which may run on another thread: constant while the db is open, but for the flag. */
    int wal_fd;
    int guard_fd; /* the log, locked while this is open; -1: there was none, or in memory */
    atomic_flag directory_synced;
};

/* --- what went wrong, in our words --- */

static enum err code_of_errno(int sys)
{
    switch (sys) {
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    case ENOENT:
    case ENOTDIR:
        return ERR_MISSING;
    default:
        return ERR_IO;
    }
}

static enum err code_of(int rc, int sys)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        return code_of_errno(sys);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_SCHEMA:
    case SQLITE_ERROR:
        return ERR_FORMAT;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    default:
        return ERR_IO;
    }
}

static const char *reason_of(enum err code, int rc, int sys)
{
    if (code == ERR_FULL)
        return "the disk is full";
    if (code == ERR_BUSY)
        return "another process holds it locked; try again";
    if (code == ERR_MISSING)
        return "there is no such file";
    if ((rc & 0xff) == SQLITE_NOTADB)
        return "the file is not a database";
    if ((rc & 0xff) == SQLITE_CORRUPT)
        return "the file is damaged";
    return code == ERR_IO && sys ? strerror(sys) : sqlite3_errstr(rc);
}

static bool fail_with(const struct db *db, int rc, struct error *err)
{
    int sys = db->handle ? sqlite3_system_errno(db->handle) : 0;
    enum err code = code_of(rc, sys);
    return error_set(err, code, rc, "%s%s%s: %s", db->what, db->path ? " " : "", db->path ? db->path : "",
                     reason_of(code, rc, sys));
}

static bool fail(const struct db *db, struct error *err)
{
    return fail_with(db, sqlite3_extended_errcode(db->handle), err);
}

/* --- statements --- */

static int prepare(struct db *db, const char *sql, sqlite3_stmt **handle)
{
    return sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, handle, NULL);
}

static struct db_stmt *stmt_find(const struct db *db, const char *sql)
{
    struct db_stmt *stmt = db->stmts;
    while (stmt && strcmp(stmt->sql, sql) != 0)
        stmt = stmt->next;
    return stmt;
}

static struct db_stmt *stmt_add(struct db *db, const char *sql)
{
    struct db_stmt *stmt = xcalloc(1, sizeof *stmt);
    stmt->db = db;
    stmt->sql = xstrdup(sql);
    stmt->next = db->stmts;
    db->stmts = stmt;
    return stmt;
}

struct db_stmt *db_use(struct db *db, const char *sql)
{
    struct db_stmt *stmt = stmt_find(db, sql);
    if (!stmt)
        stmt = stmt_add(db, sql);
    if (stmt->handle)
        db_end(stmt);
    else
        stmt->pending = prepare(db, sql, &stmt->handle);
    return stmt;
}

static void note(struct db_stmt *stmt, int rc)
{
    if (stmt->pending == SQLITE_OK)
        stmt->pending = rc;
}

void db_bind_int(struct db_stmt *stmt, int at, int64_t value)
{
    note(stmt, sqlite3_bind_int64(stmt->handle, at, value));
}

void db_bind_u64(struct db_stmt *stmt, int at, uint64_t value)
{
    ensure(value <= INT64_MAX);
    db_bind_int(stmt, at, (int64_t)value);
}

void db_bind_bytes(struct db_stmt *stmt, int at, struct bytes value)
{
    /* A NULL pointer would bind NULL, which is something else than nothing. */
    const void *data = value.data ? (const void *)value.data : "";
    note(stmt, sqlite3_bind_blob64(stmt->handle, at, data, value.len, SQLITE_STATIC));
}

void db_bind_text(struct db_stmt *stmt, int at, const char *value)
{
    note(stmt, sqlite3_bind_text(stmt->handle, at, value, -1, SQLITE_STATIC));
}

void db_end(struct db_stmt *stmt)
{
    sqlite3_reset(stmt->handle);
    sqlite3_clear_bindings(stmt->handle);
    stmt->pending = SQLITE_OK;
}

static enum db_stepped step_failed(struct db_stmt *stmt, int rc, struct error *err)
{
    fail_with(stmt->db, rc, err);
    if (stmt->handle)
        db_end(stmt);
    return DB_FAILED;
}

enum db_stepped db_step(struct db_stmt *stmt, struct error *err)
{
    if (stmt->pending != SQLITE_OK)
        return step_failed(stmt, stmt->pending, err);
    int rc = sqlite3_step(stmt->handle);
    if (rc == SQLITE_ROW)
        return DB_ROW;
    if (rc != SQLITE_DONE)
        return step_failed(stmt, sqlite3_extended_errcode(stmt->db->handle), err);
    db_end(stmt);
    return DB_DONE;
}

bool db_run(struct db_stmt *stmt, struct error *err)
{
    enum db_stepped stepped;
    while ((stepped = db_step(stmt, err)) == DB_ROW)
        ;
    return stepped == DB_DONE;
}

bool db_one(struct db_stmt *stmt, struct error *err)
{
    switch (db_step(stmt, err)) {
    case DB_ROW:
        return true;
    case DB_DONE:
        return error_set(err, ERR_MISSING, 0, "%s has no such entry", stmt->db->what);
    case DB_FAILED:
        break;
    }
    return false;
}

int64_t db_column_int(struct db_stmt *stmt, int at)
{
    return sqlite3_column_int64(stmt->handle, at);
}

uint64_t db_column_u64(struct db_stmt *stmt, int at)
{
    int64_t value = db_column_int(stmt, at);
    return value < 0 ? 0 : (uint64_t)value;
}

struct bytes db_column_bytes(struct db_stmt *stmt, int at)
{
    const void *data = sqlite3_column_blob(stmt->handle, at);
    return bytes_of(data, data ? (size_t)sqlite3_column_bytes(stmt->handle, at) : 0);
}

const char *db_column_text(struct db_stmt *stmt, int at)
{
    return (const char *)sqlite3_column_text(stmt->handle, at);
}

bool db_column_is_null(struct db_stmt *stmt, int at)
{
    return sqlite3_column_type(stmt->handle, at) == SQLITE_NULL;
}

bool db_column_into(struct db_stmt *stmt, int at, void *out, size_t len)
{
    struct bytes value = db_column_bytes(stmt, at);
    if (value.len != len)
        return false;
    if (len)
        memcpy(out, value.data, len);
    return true;
}

bool db_exec(struct db *db, const char *sql, struct error *err)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK || fail(db, err);
}

uint64_t db_changes(const struct db *db)
{
    return (uint64_t)sqlite3_changes64(db->handle);
}

uint64_t db_work(const struct db *db)
{
    uint64_t steps = 0;
    for (sqlite3_stmt *stmt = NULL; (stmt = sqlite3_next_stmt(db->handle, stmt)) != NULL;)
        steps += (uint64_t)sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0);
    return steps;
}

uint64_t db_last_id(const struct db *db)
{
    return (uint64_t)sqlite3_last_insert_rowid(db->handle);
}

/* --- transactions --- */

bool db_begin(struct db *db, struct error *err)
{
    return db_run(db_use(db, "BEGIN IMMEDIATE"), err);
}

bool db_begin_read(struct db *db, struct error *err)
{
    return db_run(db_use(db, "BEGIN DEFERRED"), err);
}

bool db_commit(struct db *db, struct error *err)
{
    if (db_run(db_use(db, "COMMIT"), err))
        return true;
    db_rollback(db);
    return false;
}

void db_rollback(struct db *db)
{
    struct error ignored;
    /* Failing here means that it is rolled back already, or that the disk is gone: then recovery does it. */
    if (db_in_transaction(db) && !db_exec(db, "ROLLBACK", &ignored))
        return;
}

bool db_in_transaction(const struct db *db)
{
    return !sqlite3_get_autocommit(db->handle);
}

/* --- opening --- */

static bool pragma_int(struct db *db, const char *sql, int64_t *value, struct error *err)
{
    struct db_stmt *stmt = db_use(db, sql);
    if (!db_one(stmt, err))
        return false;
    *value = db_column_int(stmt, 0);
    db_end(stmt);
    return true;
}

/* Before anything is in it: of a file that is there they change nothing. */
static bool choose_layout(struct db *db, const struct db_options *options, struct error *err)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA page_size = %u", options->page_bytes);
    return (!options->page_bytes || db_exec(db, sql, err)) &&
           (!options->shrinks || db_exec(db, "PRAGMA auto_vacuum = INCREMENTAL", err));
}

/* Runs with busy waiting of our own: switching to WAL does not ask SQLite's busy handler. */
static bool switch_to_wal(struct db *db, unsigned busy_ms, struct error *err)
{
    for (unsigned waited_ms = 0;; waited_ms++) {
        if (db_exec(db, "PRAGMA journal_mode = WAL", err))
            return true;
        if (err->code != ERR_BUSY || waited_ms >= busy_ms)
            return false;
        usleep(1000);
    }
}

static bool configure(struct db *db, const struct db_options *options, struct error *err)
{
    /* Set before the file is made: the switch to WAL writes its first page. */
    if (!db_exec(db, options->sync == DB_SYNC_FULL ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                 err) ||
        !db_exec(db, "PRAGMA temp_store = MEMORY", err) ||
        (options->secure_delete && !db_exec(db, "PRAGMA secure_delete = ON", err)))
        return false;
    if (options->mode == DB_READ)
        return true;
    if (!choose_layout(db, options, err))
        return false;
    if (!db->path)
        return true;
    char limit[64];
    snprintf(limit, sizeof limit, "PRAGMA journal_size_limit = %d", WAL_BYTES_KEPT);
    return db_exec(db, limit, err) && switch_to_wal(db, options->busy_ms, err);
}

struct version {
    int64_t application, number;
};

static bool read_numbers(struct db *db, struct version *version, struct error *err)
{
    return pragma_int(db, "PRAGMA application_id", &version->application, err) &&
           pragma_int(db, "PRAGMA user_version", &version->number, err);
}

/* Both of one moment: another process may be just making the file. */
static bool read_version(struct db *db, struct version *version, struct error *err)
{
    if (db_in_transaction(db))
        return read_numbers(db, version, err);
    if (!db_begin_read(db, err))
        return false;
    bool ok = read_numbers(db, version, err);
    db_rollback(db);
    return ok;
}

static bool is_blank(struct version version)
{
    return version.application == 0 && version.number == 0;
}

/* Whether this file is for us at all: asked before anything could change it. */
static bool accept_version(struct db *db, const struct db_options *options, struct version *version, struct error *err)
{
    if (!read_version(db, version, err))
        return false;
    if (is_blank(*version)) /* new, or its maker was killed before the first commit */
        return options->mode != DB_READ || error_set(err, ERR_MISSING, 0, "%s %s is empty", db->what, db->path);
    if (version->application != (int32_t)options->application_id)
        return error_set(err, ERR_FORMAT, 0, "%s %s: the file is something else", db->what, db->path);
    if (version->number < 0 || version->number > options->schema_count)
        return error_set(err, ERR_NEWER, 0, "%s %s was made by a newer weft; nothing in it was changed: update weft",
                         db->what, db->path);
    return true;
}

static bool stamp_version(struct db *db, const struct db_options *options, struct error *err)
{
    char sql[128];
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %u", (int32_t)options->application_id,
             options->schema_count);
    return db_exec(db, sql, err);
}

static bool migrate_inside(struct db *db, const struct db_options *options, struct error *err)
{
    /* Read again under the write lock: another process may just have done it. */
    struct version version;
    if (!accept_version(db, options, &version, err))
        return false;
    for (unsigned n = (unsigned)version.number; n < options->schema_count; n++)
        if (!db_exec(db, options->schema[n], err))
            return false;
    return stamp_version(db, options, err) && db_commit(db, err);
}

static bool migrate(struct db *db, const struct db_options *options, struct error *err)
{
    if (!db_begin(db, err))
        return false;
    if (migrate_inside(db, options, err))
        return true;
    db_rollback(db);
    return false;
}

static int count_wal_pages(void *self, sqlite3 *handle, const char *name, int pages)
{
    struct db *db = self;
    db->wal_pages = (unsigned)pages;
    if (!db->manual_checkpoint && pages >= AUTO_CHECKPOINT_PAGES)
        sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK;
}

/* SQLite would make it 0644. With O_EXCL nobody can have it open yet, so closing it here drops nobody's locks. */
static bool make_private(const char *path, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno == EEXIST || error_errno(err, "cannot make %s", path);
}

static int open_flags(enum db_mode mode)
{
    switch (mode) {
    case DB_READ:
        return SQLITE_OPEN_READONLY;
    case DB_WRITE:
        return SQLITE_OPEN_READWRITE;
    case DB_CREATE:
        return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    }
    ensure(!"a mode");
    return 0;
}

static bool open_handle(struct db *db, const struct db_options *options, struct error *err)
{
    if (db->path && options->mode == DB_CREATE && !make_private(db->path, err))
        return false;
    int flags = (db->path ? open_flags(options->mode) : open_flags(DB_CREATE)) | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(db->path ? db->path : ":memory:", &db->handle, flags, NULL);
    if (rc != SQLITE_OK)
        return fail_with(db, rc, err);
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, (int)options->busy_ms);
    /* Until the file is known to be ours, closing it must not fold its WAL in. */
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return true;
}

/* SQLite makes the -wal with the first access, not with the pragma: a database put back from a backup has none yet. */
static bool make_wal(struct db *db, struct error *err)
{
    return db_exec(db, "SELECT count(*) FROM sqlite_schema", err);
}

static bool open_wal_fd(struct db *db, struct error *err)
{
    if (!make_wal(db, err))
        return false;
    char *wal = xformat("%s-wal", db->path);
    db->wal_fd = open(wal, O_RDONLY | O_CLOEXEC);
    bool ok = db->wal_fd >= 0 || error_errno(err, "%s", wal);
    free(wal);
    return ok;
}

static bool open_for_writing(struct db *db, const struct db_options *options, struct version version, struct error *err)
{
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    sqlite3_wal_hook(db->handle, count_wal_pages, db);
    if (!configure(db, options, err))
        return false;
    if (version.number != options->schema_count && !migrate(db, options, err))
        return false;
    return !db->path || open_wal_fd(db, err);
}

/* --- making --- */

static struct db *db_new(const char *path, const struct db_options *options)
{
    struct db *db = xcalloc(1, sizeof *db);
    db->path = path && strcmp(path, ":memory:") != 0 ? xstrdup(path) : NULL;
    db->what = options->what;
    db->manual_checkpoint = options->manual_checkpoint;
    db->busy_ms = options->busy_ms;
    db->wal_fd = -1;
    db->guard_fd = -1;
    atomic_flag_clear(&db->directory_synced);
    return db;
}

/* The pages of a new database, with its schema and in WAL mode. Ends with sqlite3_free(). */
static unsigned char *make_image(const struct db_options *options, size_t *len, struct error *err)
{
    enum { WRITE_VERSION_AT = 18, READ_VERSION_AT = 19, WAL_VERSION = 2 }; /* sqlite.org/fileformat2.html, 1.3 */
    struct db *db = db_new(NULL, options);
    sqlite3_int64 bytes = 0;
    bool made = open_handle(db, options, err) && choose_layout(db, options, err) && migrate(db, options, err);
    unsigned char *image = made ? sqlite3_serialize(db->handle, "main", &bytes, 0) : NULL;
    if (made && !image)
        error_set(err, ERR_IO, SQLITE_NOMEM, "%s cannot be made", db->what);
    db_close(db);
    if (image)
        image[WRITE_VERSION_AT] = image[READ_VERSION_AT] = WAL_VERSION;
    *len = (size_t)bytes;
    return image;
}

/*
 * Gives the nameless file its name, unless somebody has taken that meanwhile. It has no descriptor any more when
 * others can find it there: closing one would drop the locks of this process. Not everywhere there is a way: then it is
 * not made here.
 */
static void name_whole(int fd, const char *path)
{
    unsigned char random[8];
    char from[64], hex[2 * sizeof random + 1];
    sqlite3_randomness(sizeof random, random);
    id_hex(random, sizeof random, hex);
    snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    char *aside = xformat("%s.%s.new", path, hex);
    bool aside_is_there = linkat(AT_FDCWD, from, AT_FDCWD, aside, AT_SYMLINK_FOLLOW) == 0;
    close(fd);
    bool named = aside_is_there && link(aside, path) == 0;
    (void)named; /* it is there now, whoever made it; or SQLite will make it, or say why not */
    if (aside_is_there)
        unlink(aside);
    free(aside);
}

static bool is_there(const char *path, const char *suffix)
{
    char *name = xformat("%s%s", path, suffix);
    bool there = access(name, F_OK) == 0;
    free(name);
    return there;
}

/*
 * A file that is not there yet comes into being whole: written without a name, synced once, then named. Nobody ever
 * waits for who makes it. SQLite by itself syncs five times while it has the file locked, which on a slow disk is
 * longer than anybody's busy_ms.
 *
 * Where the log of another database is left (somebody removed the database alone), SQLite makes it: it throws such a
 * log away beside an empty file, but would replay it over one that has pages.
 */
static bool make_whole(const char *path, const struct db_options *options, struct error *err)
{
    if (is_there(path, "") || is_there(path, "-wal") || is_there(path, "-journal"))
        return true;
    char *dir = durable_directory(path);
    int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    free(dir);
    if (fd < 0) /* not on this file system, or nowhere here: SQLite makes it, or says why not */
        return true;
    size_t len;
    unsigned char *image = make_image(options, &len, err);
    bool ok = image && (durable_write(fd, bytes_of(image, len)) || error_errno(err, "cannot make %s %s", options->what, path));
    sqlite3_free(image);
    if (ok)
        name_whole(fd, path);
    else
        close(fd);
    return ok;
}

/* --- opening, from the beginning to the end --- */

static bool open_once(struct db *db, const struct db_options *options, struct error *err)
{
    struct version version;
    if (db->path && !wal_guard_take(db->path, options->busy_ms, &db->guard_fd, err))
        return error_wrap(err, "%s cannot be opened", db->what);
    if (db->path && options->mode == DB_CREATE && !make_whole(db->path, options, err))
        return false;
    if (!open_handle(db, options, err) || !accept_version(db, options, &version, err))
        return false;
    if (options->mode == DB_READ && db->path)
        return configure(db, options, err);
    return open_for_writing(db, options, version, err);
}

/* The file was removed (db_remove() in another process) between opening and locking it: what we write would be lost. */
static bool was_removed(struct db *db)
{
    int moved = 0;
    return db->path && sqlite3_file_control(db->handle, NULL, SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

struct db *db_open(const char *path, const struct db_options *options, struct error *err)
{
    ensure(options->what && options->application_id);
    for (int tries = 0; tries < OPEN_TRIES; tries++) {
        struct db *db = db_new(path, options);
        bool opened = open_once(db, options, err) &&
                      (!db->path || wal_guard_keep(path, options->busy_ms, &db->guard_fd, err));
        if (opened && !was_removed(db))
            return db;
        db_close(db);
        if (!opened)
            return NULL;
    }
    error_set(err, ERR_BUSY, 0, "%s %s is being removed", options->what, path);
    return NULL;
}

static void stmts_release(struct db *db)
{
    while (db->stmts) {
        struct db_stmt *stmt = db->stmts;
        db->stmts = stmt->next;
        sqlite3_finalize(stmt->handle);
        free(stmt->sql);
        free(stmt);
    }
}

void db_close(struct db *db)
{
    if (!db)
        return;
    stmts_release(db);
    if (db->wal_fd >= 0)
        close(db->wal_fd);
    int rc = sqlite3_close(db->handle);
    ensure(rc == SQLITE_OK);
    if (db->guard_fd >= 0)
        close(db->guard_fd);
    free(db->path);
    free(db);
}

bool db_in_memory(const struct db *db)
{
    return !db->path;
}

/* --- the files --- */

uint64_t db_data_version(struct db *db)
{
    struct error ignored;
    int64_t version = 0;
    return pragma_int(db, "PRAGMA data_version", &version, &ignored) ? (uint64_t)version : 0;
}

static bool sync_directory(const char *path, struct error *err)
{
    if (durable_sync_name(path))
        return true;
    char *dir = durable_directory(path);
    error_errno(err, "cannot sync %s", dir);
    free(dir);
    return false;
}

/*
 * In WAL mode every commit is in the WAL, or was moved by a checkpoint, which syncs both files itself. So syncing the
 * WAL is enough; once the names of new files need it too.
 */
bool db_sync(struct db *db, struct error *err)
{
    if (db->wal_fd < 0)
        return true;
    if (!atomic_flag_test_and_set(&db->directory_synced) && !sync_directory(db->path, err)) {
        atomic_flag_clear(&db->directory_synced);
        return false;
    }
    return fdatasync(db->wal_fd) == 0 || error_errno(err, "cannot sync %s %s", db->what, db->path);
}

/* The WAL goes where the database goes; one that is emptied stays, and so does its WAL. */
static bool has_files(const struct db *db)
{
    struct stat file, named, known;
    char *wal = xformat("%s-wal", db->path);
    bool seen = stat(db->path, &file) == 0 && stat(wal, &named) == 0 && fstat(db->wal_fd, &known) == 0;
    bool gone = !seen && (errno == ENOENT || errno == ENOTDIR);
    free(wal);
    if (!seen) /* who may not look does not know, and the files that are open are written to all the same */
        return !gone;
    return file.st_size > 0 && named.st_dev == known.st_dev && named.st_ino == known.st_ino;
}

bool db_is_in_place(const struct db *db, struct error *err)
{
    return db->wal_fd < 0 || has_files(db) ||
           error_set(err, ERR_IO, 0, "%s %s was removed or emptied by somebody else", db->what, db->path);
}

unsigned db_wal_pages(const struct db *db)
{
    return db->wal_pages;
}

bool db_checkpoint(struct db *db, struct error *err)
{
    int pages = 0, copied = 0;
    int rc = sqlite3_wal_checkpoint_v2(db->handle, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
    if (rc == SQLITE_OK && pages == copied) {
        /* then there is nothing to copy left, and it is a matter of a moment or not at all */
        sqlite3_busy_timeout(db->handle, 0);
        rc = sqlite3_wal_checkpoint_v2(db->handle, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        sqlite3_busy_timeout(db->handle, (int)db->busy_ms);
    }
    /* Busy: somebody else is at it. */
    return rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY || fail(db, err);
}

static uint64_t file_bytes(const char *path, const char *suffix)
{
    struct stat st;
    char *name = xformat("%s%s", path, suffix);
    uint64_t bytes = stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
    free(name);
    return bytes;
}

uint64_t db_file_bytes(const char *path)
{
    return file_bytes(path, "") + file_bytes(path, "-wal");
}

uint64_t db_page_bytes(struct db *db)
{
    struct error ignored;
    int64_t count = 0;
    int64_t size = 0;
    if (!pragma_int(db, "PRAGMA page_count", &count, &ignored) || !pragma_int(db, "PRAGMA page_size", &size, &ignored))
        return 0;
    return (uint64_t)count * (uint64_t)size;
}

bool db_shrink(struct db *db, unsigned pages_max, bool *more, struct error *err)
{
    int64_t mode = 0, free_pages = 0;
    enum { INCREMENTAL = 2 };
    char sql[64];
    *more = false;
    if (!pragma_int(db, "PRAGMA auto_vacuum", &mode, err) || !pragma_int(db, "PRAGMA freelist_count", &free_pages, err))
        return false;
    if (mode != INCREMENTAL || free_pages == 0)
        return true;
    snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%u)", pages_max);
    *more = free_pages > pages_max;
    return db_exec(db, sql, err);
}

void db_release_memory(struct db *db)
{
    sqlite3_db_release_memory(db->handle);
}

bool db_vacuum(struct db *db, struct error *err)
{
    if (!db_exec(db, "VACUUM", err))
        return false;
    /* The old pages live on in the WAL until it is cut to nothing. */
    int rc = sqlite3_wal_checkpoint_v2(db->handle, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc == SQLITE_OK || fail(db, err);
}

void db_limit_pages(struct db *db, unsigned pages)
{
    struct error err;
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA max_page_count = %u", pages ? pages : 1073741823u);
    ensure(db_exec(db, sql, &err));
}

/* --- backup --- */

static bool copy_all(struct db *from, struct db *to, struct error *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to->handle, "main", from->handle, "main");
    if (!backup)
        return fail(to, err);
    int rc = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
    return rc == SQLITE_DONE || fail_with(to, rc, err);
}

static bool copy_to(struct db *db, const char *path, struct error *err)
{
    struct db_options options = {.what = "the backup", .mode = DB_CREATE, .application_id = 1};
    struct db *copy = db_new(path, &options);
    bool ok = open_handle(copy, &options, err) && copy_all(db, copy, err);
    db_close(copy);
    return ok;
}

bool db_backup(struct db *db, const char *path, struct error *err)
{
    char *part = xformat("%s.part", path);
    unlink(part);
    bool ok = copy_to(db, part, err);
    if (ok && rename(part, path) != 0)
        ok = error_errno(err, "cannot name the backup %s", path);
    if (ok)
        ok = sync_directory(path, err);
    else
        unlink(part);
    free(part);
    return ok;
}

/* --- removing --- */

/* Leaving WAL mode needs the file for oneself alone: this is how SQLite tells whether anybody has it open. */
static bool lock_alone(struct db *db, struct error *err)
{
    struct db_stmt *stmt = db_use(db, "PRAGMA journal_mode = DELETE");
    if (!db_one(stmt, err))
        return false;
    const char *mode = db_column_text(stmt, 0);
    bool alone = mode && strcmp(mode, "delete") == 0;
    db_end(stmt);
    if (!alone)
        return error_set(err, ERR_BUSY, 0, "%s is open in another process", db->path);
    return db_exec(db, "BEGIN EXCLUSIVE", err);
}

static bool remove_file(const char *path, const char *suffix, struct error *err)
{
    char *name = xformat("%s%s", path, suffix);
    bool ok = unlink(name) == 0 || errno == ENOENT || error_errno(err, "cannot remove %s", name);
    free(name);
    return ok;
}

static bool has_answer(struct db *db, const char *question, uint64_t answer, struct error *err)
{
    struct db_stmt *stmt = db_use(db, question);
    if (!db_one(stmt, err))
        return false;
    bool same = db_column_u64(stmt, 0) == answer;
    db_end(stmt);
    return same || error_set(err, ERR_BUSY, 0, "%s was changed meanwhile", db->path);
}

static bool remove_files(const char *path, struct error *err)
{
    return remove_file(path, "-wal", err) && remove_file(path, "-shm", err) && wal_damage_forget(path, err) &&
           remove_file(path, "", err);
}

bool db_remove_if(const char *path, const char *question, uint64_t answer, struct error *err)
{
    struct db_options options = {.what = "the database", .mode = DB_WRITE, .application_id = 1};
    struct db *db = db_new(path, &options);
    bool ok = open_handle(db, &options, err) && lock_alone(db, err) && has_answer(db, question, answer, err) &&
              remove_files(path, err);
    db_close(db);
    return ok;
}

bool db_remove(const char *path, struct error *err)
{
    struct db_options options = {.what = "the database", .mode = DB_WRITE, .application_id = 1};
    struct db *db = db_new(path, &options);
    bool free_to_go = open_handle(db, &options, err) && lock_alone(db, err);
    if (!free_to_go)
        free_to_go = err->code == ERR_FORMAT || err->code == ERR_MISSING; /* damaged or gone: nobody works with it */
    bool ok = free_to_go && remove_files(path, err);
    db_close(db);
    return ok;
}
