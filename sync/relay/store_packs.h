/*
 * store_packs - which rows of the store's log a pack stands in for, and their end.
 *
 * A pack repeats rows of its agent under one signature. They are marked with its place when it is appended and are read
 * on until they are purged, so that whoever holds them can still compare. All calls belong into the caller's transaction.
 *
 *   Errors  of the database only; what a pack names wrongly is a pack that stands in for nothing.
 *   Bounds  STORE_PACK_SPAN_*, STORE_PURGE_PACKS (sync/relay/store.h).
 */
#ifndef WEFT_SYNC_RELAY_STORE_PACKS_H
#define WEFT_SYNC_RELAY_STORE_PACKS_H

#include "sync/db.h"
#include "sync/relay/store.h"

/* The pack's own row is there, its agent's next seq still as it was before. */
MUST_USE bool store_packs_mark(struct db *db, const struct store_append *append, struct error *err);
/* freed[0 .. *count), at most STORE_PURGE_PACKS: one entry a pack. */
MUST_USE bool store_packs_purge(struct db *db, const struct store_purge *purge, struct store_freed *freed, size_t *count,
                                struct error *err);
/* The row at this place is to stay. */
MUST_USE bool store_packs_keep(struct db *db, uint64_t key, uint64_t place, struct error *err);

#endif
