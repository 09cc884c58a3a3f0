/*
 * db - SQLite in our words: one file, prepared statements, transactions. The only door to sqlite3.h.
 *
 * Used by the journal (sync/journal.h), the index (sync/doc_index.h) and the relay's store (sync/relay/store.h). Every
 * database is in WAL mode: readers never wait for the writer, and a killed process loses nothing that was committed.
 *
 *   Durability  DB_SYNC_NORMAL: a commit survives kill -9; it survives a power cut once db_sync() has returned after
 *               it. DB_SYNC_FULL: it survives both when db_commit() returns.
 *   Statements  db_use() gives the prepared form of a piece of SQL, made at the first use and kept until db_close().
 *               Failures while preparing or binding wait in the statement and come out of db_step(), so that callers
 *               test once.
 *   Writing     always inside db_begin() ... db_commit(), or as one statement on its own. db_begin() takes the write
 *               lock at once: a transaction that read first and wrote later could meet SQLITE_BUSY_SNAPSHOT, which no
 *               timeout cures.
 *   Errors      ERR_FULL: disk or quota full, nothing was changed, the same connection goes on once there is room.
 *               ERR_BUSY: locked longer than busy_ms. ERR_IO, ERR_MISSING: the system. ERR_FORMAT: damaged, or not one
 *               of ours. ERR_NEWER: made by a later weft; not a byte of it was changed.
 *   Threads     one thread at a time uses a db; db_sync() alone may be called from another one.
 *   Making      a missing file is made aside, with its schema, and named when it is synced: others see all of it or nothing,
 *               and wait for nobody.
 *   Damage      a log with a damaged frame is mended or cut before SQLite reads it, and kept as PATH-wal.damaged:
 *               sync/wal_guard.h finds that and says what is lost. db_remove() removes it too.
 *   Files       PATH, PATH-wal, PATH-shm; for a moment PATH.HEX.new. The database and its -shm are never opened or closed
 *               outside SQLite while a connection is open: POSIX drops all of a process's locks on a file when any
 *               descriptor of it is closed. The -wal carries no locks, so db_sync() may use a descriptor of its own.
 *               Never on a network file system.
 */
#ifndef WEFT_SYNC_DB_H
#define WEFT_SYNC_DB_H

#include <stdint.h>

#include "editor/base/bytes.h"
#include "editor/base/error.h"

struct db;
struct db_stmt;

enum db_mode {
    DB_READ,   /* must exist; nothing is changed, not even by closing */
    DB_WRITE,  /* must exist */
    DB_CREATE, /* made (0600) when it is missing */
};
enum db_durability { DB_SYNC_NORMAL, DB_SYNC_FULL };

struct db_options {
    const char *what; /* for sentences: "the journal", "the relay's store" */
    enum db_mode mode;
    enum db_durability sync;
    uint32_t application_id;   /* tells our files from others' and from each other; not 0 */
    const char *const *schema; /* schema[n] brings version n to n + 1; only ever appended to */
    unsigned schema_count;
    unsigned busy_ms;       /* how long to wait for another process's transaction */
    bool manual_checkpoint; /* the owner calls db_checkpoint(); else SQLite does every 1000 pages */
    bool secure_delete;     /* deleted content is overwritten with zeros */
    unsigned page_bytes;    /* of a file that is made; 0: SQLite's own choice */
    bool shrinks;           /* a file that is made can give pages back piece by piece: db_shrink() */
};

/* NULL or ":memory:" as path: in memory only. NULL and *err on failure. */
MUST_USE struct db *db_open(const char *path, const struct db_options *options, struct error *err);
void db_close(struct db *db); /* NULL is fine; an open transaction is rolled back */
bool db_in_memory(const struct db *db);

/* --- statements --- */

/*
 * The kept statement for `sql` (one statement), reset and without bindings. Never NULL. While it is being stepped the
 * same text is not to be used a second time.
 */
struct db_stmt *db_use(struct db *db, const char *sql);
/* Parameters count from 1. Bytes and text are borrowed until the statement ends. */
void db_bind_int(struct db_stmt *stmt, int at, int64_t value);
void db_bind_u64(struct db_stmt *stmt, int at, uint64_t value);       /* at most INT64_MAX (ensure) */
void db_bind_bytes(struct db_stmt *stmt, int at, struct bytes value); /* a blob, also when empty */
void db_bind_text(struct db_stmt *stmt, int at, const char *value);   /* NULL binds NULL */

enum db_stepped { DB_ROW, DB_DONE, DB_FAILED };
/* After DB_DONE and DB_FAILED the statement has ended. Who stops earlier calls db_end(): an open read holds the WAL. */
MUST_USE enum db_stepped db_step(struct db_stmt *stmt, struct error *err);
void db_end(struct db_stmt *stmt);
/* Steps to the end; rows are ignored. */
MUST_USE bool db_run(struct db_stmt *stmt, struct error *err);

/* For questions with one answer: true at its row (then db_end()). No row is ERR_MISSING. */
MUST_USE bool db_one(struct db_stmt *stmt, struct error *err);

/* Columns count from 0; views live until the next step. */
int64_t db_column_int(struct db_stmt *stmt, int at);
uint64_t db_column_u64(struct db_stmt *stmt, int at); /* 0 for what is negative */
struct bytes db_column_bytes(struct db_stmt *stmt, int at);
const char *db_column_text(struct db_stmt *stmt, int at); /* NULL when NULL */
bool db_column_is_null(struct db_stmt *stmt, int at);
/* Copies a blob of exactly `len` bytes; false when it has another length. */
MUST_USE bool db_column_into(struct db_stmt *stmt, int at, void *out, size_t len);

/* Several statements of fixed SQL, no results. */
MUST_USE bool db_exec(struct db *db, const char *sql, struct error *err);
uint64_t db_changes(const struct db *db); /* rows changed by the last INSERT, UPDATE or DELETE */
uint64_t db_work(const struct db *db); /* what its statements have done so far, in steps of SQLite's machine: to see what grows */
uint64_t db_last_id(const struct db *db); /* rowid of the last INSERT */

/* --- transactions --- */

MUST_USE bool db_begin(struct db *db, struct error *err);      /* BEGIN IMMEDIATE */
MUST_USE bool db_begin_read(struct db *db, struct error *err); /* one snapshot for several reads */
/* On failure nothing was committed and the transaction is over. */
MUST_USE bool db_commit(struct db *db, struct error *err);
void db_rollback(struct db *db); /* fine when there is none: SQLite ends it by itself on some errors */
bool db_in_transaction(const struct db *db);

/* --- the files --- */

/* Changes whenever another connection has committed since the last call; costs no disk access. */
uint64_t db_data_version(struct db *db);
/*
 * Makes everything committed before the call survive a power cut. From any thread while the db is open. Nothing to do
 * in memory.
 */
MUST_USE bool db_sync(struct db *db, struct error *err);
/*
 * Whether what is committed is found again under the path: somebody may have removed, moved, replaced or emptied the files,
 * which this connection would not notice. In memory: true. Two stat(2), no locks. The thread that uses the db.
 */
MUST_USE bool db_is_in_place(const struct db *db, struct error *err);
/* Gives back what is kept in memory to be faster the next time: up to 2 MB of pages. For who will be idle. */
void db_release_memory(struct db *db);
/* Pages in the WAL after this connection's last commit. */
unsigned db_wal_pages(const struct db *db);
/*
 * Copies the WAL into the database as far as no reader needs it; writers are not held up. A writer's key press waits
 * for nothing if this runs on another connection. Where nobody reads or writes just then, the WAL is cut to nothing.
 */
MUST_USE bool db_checkpoint(struct db *db, struct error *err);
/* Bytes of PATH and its -wal; 0 when they are missing. */
uint64_t db_file_bytes(const char *path);
/* Bytes of the database's pages, in memory too. */
uint64_t db_page_bytes(struct db *db);
/*
 * A consistent copy to a new file while others read and write. An existing file is replaced only when it is
 * complete.
 */
MUST_USE bool db_backup(struct db *db, const char *path, struct error *err);
/*
 * Gives at most so many freed pages back to the file system, inside a transaction as well; *more: there are others. Nothing in a
 * file that was not made with `shrinks`.
 */
MUST_USE bool db_shrink(struct db *db, unsigned pages_max, bool *more, struct error *err);
/* Gives freed pages back to the file system and leaves no trace of deleted rows. */
MUST_USE bool db_vacuum(struct db *db, struct error *err);
/*
 * Removes PATH, -wal and -shm, whatever their content. ERR_BUSY while any connection of any process is open; a missing
 * file is fine.
 */
MUST_USE bool db_remove(const char *path, struct error *err);
/* The same, if the question still has this answer once nobody else can change anything; else ERR_BUSY. */
MUST_USE bool db_remove_if(const char *path, const char *question, uint64_t answer, struct error *err);
/* Tests only: no file may grow beyond this many pages; writes then fail with ERR_FULL. 0: no limit again. */
void db_limit_pages(struct db *db, unsigned pages);

#endif
