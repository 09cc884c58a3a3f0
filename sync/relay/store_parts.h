/*
 * store_parts - what the parts of the store on SQLite (sync/db.h) share: write-ahead log, synchronous=FULL, and a queue that
 * becomes one transaction each time the disk is ready for the next. Not for use outside sync/relay/store*.c.
 *
 *     store.c            its life; the queue: questions, transactions, answers
 *     store_documents.c  what a transaction does with documents: find, create, load, remove, move, touch, expire
 *     store_records.c    the same with their records: append, look up, read, purge
 *     store_job.h        a question and its answer, and queues of them
 *     store_packs.h      which records a pack stands in for
 *     store_checkpoints.c which checkpoints are kept, and the newest one for a reader
 *     store_operator.c   what an operator asks, answered at once
 *
 * Every store_run_x() does one question inside a transaction that its caller has begun: true when that may go on, whatever
 * the answer is; false when the database failed and all of it is void.
 */
#ifndef WEFT_SYNC_RELAY_STORE_PARTS_H
#define WEFT_SYNC_RELAY_STORE_PARTS_H

#include <pthread.h>

#include "sync/db.h"
#include "sync/relay/store_job.h"

struct store {
    struct db *db; /* the worker's, or the caller's when by hand */
    bool by_hand;
    void (*wake)(void *self);
    void *wake_self;
    struct store_totals working; /* while a transaction is open; belongs to whoever owns db */
    uint64_t data_version;       /* of the file when `working` was read: an operator's program may change it beside us */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t asked, idle;
    pthread_t thread;
    struct job_list queue, answered;
    bool busy, ending;
    size_t pending_bytes;
    struct store_totals totals;
    uint64_t caller; /* raised by store_silence(): answers to an older one are dropped */
};

/* --- store_documents.c --- */

bool store_run_find(struct store *store, struct job *job);
bool store_run_create(struct store *store, struct job *job);
bool store_run_load(struct store *store, struct job *job);
bool store_run_remove(struct store *store, struct job *job);
bool store_run_move(struct store *store, struct job *job);
bool store_run_touch(struct store *store, struct job *job);
bool store_run_expire(struct store *store, struct job *job);
bool store_run_largest(struct store *store, struct job *job);
bool store_read_totals(struct db *db, struct store_totals *totals, struct error *err);

/* --- store_records.c --- */

bool store_run_append(struct store *store, struct job *job);
bool store_run_lookup(struct store *store, struct job *job); /* JOB_UNPACK too */
bool store_run_read(struct store *store, struct job *job);
bool store_run_purge(struct store *store, struct job *job);
bool store_insert_row(struct store *store, uint64_t key, const struct store_row *row, struct error *err);
/* Answers with rows: place, kind, agent, seq0, count and body of the row that `stmt` is at; and when all are taken. */
void store_take_row(struct job *job, struct db_stmt *stmt, size_t *cap);
void store_point_rows(struct job *job);

/* --- store_checkpoints.c --- */

bool store_run_checkpoint(struct store *store, struct job *job);
/* The row of a CHECKPOINT has been appended. */
bool store_checkpoints_trim(struct store *store, struct job *job, struct error *err);

#endif
