/*
 * store_job - one question to the store (sync/relay/store.h) on its way through the queue, with the answer that comes back.
 * A job belongs to the list it is in, or to whoever took it from there. Nothing here locks.
 */
#ifndef WEFT_SYNC_RELAY_STORE_JOB_H
#define WEFT_SYNC_RELAY_STORE_JOB_H

#include "sync/relay/store.h"

enum job_kind {
    JOB_FIND,
    JOB_CREATE,
    JOB_LOAD,
    JOB_APPEND,
    JOB_LOOKUP,
    JOB_UNPACK,
    JOB_READ,
    JOB_REMOVE,
    JOB_PURGE,
    JOB_TOUCH,
    JOB_EXPIRE,
    JOB_MOVE,
    JOB_LARGEST,
    JOB_CHECKPOINT,
};

/* One call: the question, then (owned by it too) the answer. */
struct job {
    struct job *next;
    enum job_kind kind;
    uint64_t caller; /* the store's when it was asked: who is silenced since is not answered */
    struct store_done done;
    struct doc_id doc;
    struct log_id log;
    struct store_append append;
    struct store_agent member; /* append.member points here */
    struct digest hash;
    uint64_t now_s;
    size_t bytes_max; /* of a look-up: the length of what is looked for */
    struct buf body; /* the bytes asked with; the bytes answered with */
    struct store_reply reply;
    struct store_agent *agents;
    struct store_row *rows;
    size_t *row_ends; /* rows point into body only when it no longer grows */
    struct store_purge purge;
    struct store_freed *freed;
    struct store_size *sizes;
};

struct job_list {
    struct job *first, **end;
};

/* An empty question. `doc` may be NULL. Never NULL; end it with store_job_free(). */
struct job *store_job_new(enum job_kind kind, const struct doc_id *doc, struct store_done done);
void store_job_free(struct job *job);

/* The engine failed: the answer says so. Returns false. */
bool store_job_fail(struct job *job, const struct error *err);
/* An answer. Returns true. */
bool store_job_end(struct job *job, enum store_result result);

/* First in, first out. A list must not be moved in memory while it is empty: its end points into it. */
void store_jobs_init(struct job_list *list);
void store_jobs_add(struct job_list *list, struct job *job);
void store_jobs_append(struct job_list *list, struct job_list *more); /* all of `more`, which is empty then */
struct job *store_jobs_pop(struct job_list *list); /* the oldest; NULL: there is none */
void store_jobs_free(struct job_list *list);       /* and every job in it */

#endif
