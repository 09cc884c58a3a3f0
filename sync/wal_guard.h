/*
 * wal_guard - the log beside a database is looked at before SQLite reads it, and a damaged one is mended (sync/wal.h).
 *
 * SQLite reads its log only when nobody else has the database open, so that is when it is looked at: every connection holds the
 * log locked (flock(2), which SQLite does not use; shared) for as long as it is open, and who gets it alone is the first.
 *
 *     PATH-wal                what SQLite reads
 *     PATH-wal.damaged[-N]    a log that was damaged, as it was found; 0400 when a person has been told, before that 0600
 *     PATH-wal.new            the mended one while it is made: only by who has the log alone
 *
 * A damaged log keeps its inode and gets that name; the mended one is made aside, synced, and takes its place in one step. A
 * process that is killed meanwhile leaves the damaged one to the next, who also removes what it had made.
 *
 *   Errors  ERR_BUSY: another process has been looking at it for longer than busy_ms. ERR_LIMIT: damaged, and longer than
 *           WAL_GUARD_BYTES_MAX. ERR_IO, ERR_FULL: it is damaged and could not be set aside. Then it is not to be opened, for
 *           SQLite would write over what is behind the damage.
 *   Threads any; one connection's guard belongs to one.
 */
#ifndef WEFT_SYNC_WAL_GUARD_H
#define WEFT_SYNC_WAL_GUARD_H

#include "editor/base/error.h"
#include "sync/wal.h"

enum { WAL_GUARD_BYTES_MAX = 1 << 28, WAL_DAMAGED_MAX = 9 /* that are kept of one database */ };

/* Before SQLite opens PATH. *fd: the log, locked; -1 where there is none yet, or none that this process may open. */
MUST_USE bool wal_guard_take(const char *path, unsigned busy_ms, int *fd, struct error *err);
/* When it has: the log that is there by now is the one that is locked. */
MUST_USE bool wal_guard_keep(const char *path, unsigned busy_ms, int *fd, struct error *err);

/* A log that was set aside. */
struct wal_damage {
    char *path; /* heap */
    bool told;
};
/* The damaged log of PATH with this number, from 0 on. False: there is none. */
MUST_USE bool wal_damage_get(const char *path, unsigned number, struct wal_damage *damage);
/* What became of it: reads it and mends it again, in memory. False and *err: it cannot be read. */
MUST_USE bool wal_damage_judge(const struct wal_damage *damage, struct wal_verdict *verdict, struct error *err);
/* A person has been told. */
void wal_damage_tell(const struct wal_damage *damage);
void wal_damage_release(struct wal_damage *damage);
/* Removes all of them, and what somebody who was killed had made; a missing one is fine. */
MUST_USE bool wal_damage_forget(const char *path, struct error *err);

#endif
