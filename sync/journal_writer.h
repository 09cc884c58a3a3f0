/*
 * journal_writer - the thread that keeps what is typed, and the one that makes it survive a power cut.
 *
 *     UI thread       journal_writer_local() ---> queue ---> writer thread: BEGIN ... COMMIT ---> committed
 *     draws the frame                                        sync thread: fdatasync, <= 4 a second ---> kept
 *     journal_writer_wait(ticket, 20 ms), then write(2) to the terminal
 *
 * Jobs are done strictly in the order they were given. Whatever is queued when the thread is free becomes one
 * transaction (at most JOURNAL_GROUP_MAX jobs). When the disk is full, busy or fails, the jobs stay queued in order and
 * are tried again; the state says how many edits are in memory only, and why.
 *
 * So it is where somebody has removed or emptied the journal meanwhile: what was committed before is gone with it, and what
 * comes then is not called kept.
 *
 * A row that can never be kept (beyond a bound, an own seq written twice) ends alone, with an error for its `done`.
 *
 *   Ownership  jobs copy what they are given; every `done` is called once, also for what is given up at the end. The
 *              writer owns the journal it opens or is handed.
 *   Threads    every call from any thread, callbacks come on the writer's threads and must not call
 *              journal_writer_wait() or _stop().
 *   Lazily     nothing is opened, hence nothing made on disk, before the first job.
 *   Idle       no timers run: after a job one sync, and one WAL checkpoint when there is reason.
 */
#ifndef WEFT_SYNC_JOURNAL_WRITER_H
#define WEFT_SYNC_JOURNAL_WRITER_H

#include "sync/journal.h"

struct journal_writer;

enum {
    JOURNAL_GROUP_MAX = 64, /* jobs a transaction: a key waits for one of these at most */
    JOURNAL_SYNC_MS = 250,  /* at most one fdatasync in this time */
    JOURNAL_RETRY_MS = 250, /* after a failure, doubled up to ... */
    JOURNAL_RETRY_MS_MAX = 4000,
    JOURNAL_IDLE_MS = 2000,         /* without a job, before the WAL is copied back */
    JOURNAL_IDLE_WAL_PAGES = 1000,  /* and only if it is at least so long, or that was asked for; */
    JOURNAL_BUSY_WAL_PAGES = 16384, /* beyond this without waiting for idleness */
};

struct journal_writer_spec {
    void *self;
    /*
     * Called on the writer's thread at the first job, and again after a failure: makes keys, directories, index entry,
     * whatever the journal needs, and opens it. NULL and *err: tried again later.
     */
    struct journal *(*open)(void *self, struct error *err);
    /* After each transaction, on the writer's thread: ring doorbells, wake the UI. May be NULL. */
    void (*committed)(void *self, uint64_t ticket, uint64_t place);
    /* Everything up to `ticket` survives a power cut; on the sync thread. May be NULL. */
    void (*kept)(void *self, uint64_t ticket);
    /* The state's error or count of what is not kept has changed for the worse or is over. May be NULL. */
    void (*troubled)(void *self);
};

/* `journal` is taken when it is not NULL (it was opened to be read already); then spec->open is not called. */
struct journal_writer *journal_writer_new(const struct journal_writer_spec *spec, struct journal *journal);

/*
 * Does what is queued, syncs, closes. False: jobs were left undone because the disk would not take them (*err says
 * why); they are lost now unless the caller put them elsewhere first. `timeout_ms` bounds the retries. Frees the
 * writer.
 */
MUST_USE bool journal_writer_stop(struct journal_writer *writer, unsigned timeout_ms, struct error *err);

/*
 * What became of a job; called once on the writer's thread after its transaction has been committed or it has
 * failed.
 */
struct journal_result {
    uint64_t ticket;
    bool ok;
    enum journal_added added; /* rows and outbox */
    uint64_t place;           /* of the row; or the outbox id */
    const struct error *err;  /* when not ok */
};
struct journal_done {
    void (*done)(void *self, const struct journal_result *result); /* NULL: nobody asks */
    void *self;
};

/* Each gives the job's ticket: 1, 2, 3, ... `edit`: it counts as one in "N not kept". */
uint64_t journal_writer_local(struct journal_writer *writer, const struct journal_local *local, bool edit,
                              struct journal_done done);
uint64_t journal_writer_received(struct journal_writer *writer, const struct journal_received *received,
                                 struct journal_done done);
uint64_t journal_writer_outbox_put(struct journal_writer *writer, const struct journal_sent *sent,
                                   struct journal_done done);
uint64_t journal_writer_relay(struct journal_writer *writer, const struct journal_relay *relay);
uint64_t journal_writer_view(struct journal_writer *writer, const char *path, const struct journal_view *view,
                             struct bytes version);
uint64_t journal_writer_saved(struct journal_writer *writer, const struct journal_saved *saved,
                              struct journal_done done);
/*
 * Anything else, in its place in the order: claims, checkpoints, reading what other processes wrote. `run` is inside a
 * transaction, must not begin or commit, and may be called again: that transaction was rolled back, because the disk
 * would not take it (FULL, BUSY, IO) or another job of the group failed. Its other failures end this job alone.
 */
typedef bool journal_run_fn(void *self, struct journal *journal, struct error *err);
uint64_t journal_writer_run(struct journal_writer *writer, journal_run_fn *run, void *self, struct journal_done done);
/* What was written is to lie in the database once nothing more comes, however little that is; also from callbacks. */
void journal_writer_settle(struct journal_writer *writer);

/*
 * A caller who has put its job elsewhere for the moment, and is about to do something that should not wait for a CPU: the thread
 * begins nothing more, asleep or not, until journal_writer_go(), or until somebody waits for a job or stops it.
 */
void journal_writer_pause(struct journal_writer *writer);
void journal_writer_go(struct journal_writer *writer);

enum journal_waited {
    JOURNAL_WAIT_DONE, /* committed (or, for a job of journal_writer_run(), ended) */
    JOURNAL_WAIT_NOT_YET,
    JOURNAL_WAIT_FAILED, /* it is still queued, but the last try did not work: see the state */
};
/* Returns when the job is done, has failed once, or after timeout_us; 0: only looks. */
enum journal_waited journal_writer_wait(struct journal_writer *writer, uint64_t ticket, unsigned timeout_us);
/*
 * For who has the time: a lock that another process holds for longer than JOURNAL_BUSY_MS (it closes the journal on a slow disk)
 * is waited for as well. Only what waiting does not cure has failed.
 */
enum journal_waited journal_writer_outwait(struct journal_writer *writer, uint64_t ticket, unsigned timeout_us);
/* journal_writer_wait() for kept; a timeout in milliseconds. Asks for a sync at once. */
enum journal_waited journal_writer_wait_kept(struct journal_writer *writer, uint64_t ticket, unsigned timeout_ms);

struct journal_writer_state {
    uint64_t issued;                    /* newest ticket given */
    uint64_t committed;                 /* all up to this one survive kill -9 */
    uint64_t kept;                      /* all up to this one survive a power cut */
    uint64_t place;                     /* the newest row this writer has added */
    uint64_t queued_jobs, queued_bytes; /* callers with much to write wait while this is large */
    uint64_t edits_in_memory;           /* "12 edits only in memory" */
    bool failing;                       /* the last try did not work: */
    struct error why;
};
void journal_writer_state(struct journal_writer *writer, struct journal_writer_state *state);

#endif
