#include "sync/journal_writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "editor/base/deadline.h"
#include "editor/base/xalloc.h"

/* --- jobs --- */

struct job;
typedef bool perform_fn(struct job *job, struct journal *journal, struct error *err);

struct job {
    struct job *next;
    uint64_t ticket;
    perform_fn *perform;
    struct journal_done done;
    bool edit;
    union {
        struct journal_local local;
        struct journal_received received;
        struct journal_sent sent;
        struct journal_saved saved;
        struct journal_relay relay;
        struct {
            struct journal_view view;
            struct bytes version;
        } put;
        struct {
            journal_run_fn *call;
            void *self;
        } run;
    };
    char *path; /* copies, owned */
    unsigned char *data;
    size_t data_len;
    /* What became of it. */
    bool ended; /* failed for good: left out when its group is tried again */
    enum journal_added added;
    uint64_t place;
    struct error err;
};

static struct job *job_new(perform_fn *perform, struct journal_done done)
{
    struct job *job = xcalloc(1, sizeof *job);
    job->perform = perform;
    job->done = done;
    return job;
}

static void job_free(struct job *job)
{
    free(job->path);
    if (job->data)
        crypto_wipe(job->data, job->data_len);
    free(job->data);
    free(job);
}

static struct bytes job_copy(struct job *job, struct bytes bytes)
{
    if (!bytes.len)
        return bytes_of(NULL, 0);
    job->data = xmemdup(bytes.data, bytes.len);
    job->data_len = bytes.len;
    return bytes_of(job->data, bytes.len);
}

static const char *job_copy_path(struct job *job, const char *path)
{
    job->path = path ? xstrdup(path) : NULL;
    return job->path;
}

static uint64_t job_bytes(const struct job *job)
{
    return sizeof *job + job->data_len;
}

static bool perform_local(struct job *job, struct journal *journal, struct error *err)
{
    job->added = journal_add_local(journal, &job->local, &job->place, err);
    return job->added != JOURNAL_FAILED;
}

static bool perform_received(struct job *job, struct journal *journal, struct error *err)
{
    job->added = journal_add_received(journal, &job->received, &job->place, err);
    return job->added != JOURNAL_FAILED;
}

static bool perform_outbox_put(struct job *job, struct journal *journal, struct error *err)
{
    job->added = journal_outbox_put(journal, &job->sent, &job->place, err);
    return job->added != JOURNAL_FAILED;
}

static bool perform_relay(struct job *job, struct journal *journal, struct error *err)
{
    return journal_relay_put(journal, &job->relay, err);
}

static bool perform_view(struct job *job, struct journal *journal, struct error *err)
{
    return journal_view_put(journal, job->path, &job->put.view, job->put.version, err);
}

static bool perform_saved(struct job *job, struct journal *journal, struct error *err)
{
    return journal_saved_put(journal, &job->saved, err);
}

static bool perform_run(struct job *job, struct journal *journal, struct error *err)
{
    return job->run.call(job->run.self, journal, err);
}

static bool is_row(const struct job *job)
{
    return job->perform == perform_local || job->perform == perform_received;
}

/*
 * Whether trying again can help. The disk may get room; a database that is damaged may be put right, and what was typed
 * is not to be dropped meanwhile. What the journal refuses by its own rules (no system's code in the error), or a
 * caller's own function for reasons of its own, stays refused.
 */
static bool can_retry(const struct job *job, const struct error *err)
{
    switch (err->code) {
    case ERR_FULL:
    case ERR_BUSY:
    case ERR_IO:
        return true;
    case ERR_NONE:
    case ERR_FORMAT:
    case ERR_LIMIT:
    case ERR_AUTH:
    case ERR_OFFLINE:
    case ERR_NEWER:
    case ERR_MISSING:
    case ERR_USAGE:
        break;
    }
    return job->perform != perform_run && err->sys != 0;
}

/* --- the writer --- */

struct journal_writer {
    struct journal_writer_spec spec;
    pthread_mutex_t lock;
    pthread_cond_t work;    /* the writer thread: jobs, stopping */
    pthread_cond_t synced;  /* the sync thread: something to sync, stopping */
    pthread_cond_t waiting; /* callers: committed, kept or failing has changed */
    pthread_t writer_thread, sync_thread;
    bool started;

    /* Under the lock. Only the writer thread takes jobs off, and only when they are done. */
    struct job *first, **end;
    struct journal_writer_state state; /* .why and .failing are put together when asked for */
    bool write_failing, sync_failing;
    struct error write_error, sync_error;
    bool stopping, writer_ended;
    bool paused; /* no job is begun */
    bool sync_now;
    uint64_t give_up_ms; /* when stopping */
    uint64_t committed_ms;
    uint64_t sync_sleeps_until_ms; /* 0: the sync thread is awake */
    unsigned wal_pages;
    bool settles; /* they are to be copied back, however few */

    struct journal *journal; /* the writer thread's; set once under the lock; others use it for journal_sync() only */
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct timespec at_us(uint64_t from_now_us)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    uint64_t ns = (uint64_t)at.tv_nsec + from_now_us % 1000000 * 1000;
    at.tv_sec += (time_t)(from_now_us / 1000000 + ns / 1000000000);
    at.tv_nsec = (long)(ns % 1000000000);
    return at;
}

static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

/* Waits on a condition at most until `until_ms`; UINT64_MAX: without an end. */
static void wait_until(struct journal_writer *writer, pthread_cond_t *cond, uint64_t until_ms)
{
    if (until_ms == UINT64_MAX) {
        pthread_cond_wait(cond, &writer->lock);
        return;
    }
    uint64_t now = now_ms();
    if (until_ms <= now)
        return;
    struct timespec at = at_us((until_ms - now) * 1000);
    pthread_cond_timedwait(cond, &writer->lock, &at);
}

/* --- the writer thread --- */

struct group {
    struct job *jobs[JOURNAL_GROUP_MAX];
    size_t count;
};

static void group_collect(const struct journal_writer *writer, struct group *group)
{
    group->count = 0;
    for (struct job *job = writer->first; job && group->count < JOURNAL_GROUP_MAX; job = job->next)
        group->jobs[group->count++] = job;
}

/* The job that failed, or NULL. */
static struct job *group_perform(struct journal *journal, const struct group *group, struct error *err)
{
    for (size_t i = 0; i < group->count; i++) {
        struct job *job = group->jobs[i];
        if (!job->ended && !job->perform(job, journal, err))
            return job;
    }
    return NULL;
}

/* All of the group in one transaction; jobs that can never succeed are put aside and the rest is done without them. */
static bool group_commit(struct journal *journal, const struct group *group, struct error *err)
{
    for (;;) {
        *err = (struct error){0};
        if (!journal_begin(journal, err))
            return false;
        struct job *failed = group_perform(journal, group, err);
        if (!failed)
            return journal_commit(journal, err);
        journal_rollback(journal);
        if (can_retry(failed, err))
            return false;
        failed->ended = true;
        failed->err = *err;
    }
}

static bool ensure_open(struct journal_writer *writer, struct error *err)
{
    if (writer->journal)
        return true;
    struct journal *journal = writer->spec.open(writer->spec.self, err);
    if (!journal)
        return false;
    pthread_mutex_lock(&writer->lock);
    writer->journal = journal;
    pthread_mutex_unlock(&writer->lock);
    return true;
}

/* Under the lock: takes the group off the queue and says that it is done. */
static void group_retire(struct journal_writer *writer, const struct group *group)
{
    struct job *last = group->jobs[group->count - 1];
    writer->first = last->next;
    if (!writer->first)
        writer->end = &writer->first;
    struct journal_writer_state *state = &writer->state;
    for (size_t i = 0; i < group->count; i++) {
        const struct job *job = group->jobs[i];
        state->queued_jobs--;
        state->queued_bytes -= job_bytes(job);
        state->edits_in_memory -= job->edit;
        if (is_row(job) && !job->ended && job->place > state->place)
            state->place = job->place;
    }
    state->committed = last->ticket;
    writer->committed_ms = now_ms();
    writer->wal_pages = journal_wal_pages(writer->journal);
}

/* Under the lock. Not for every key: a sync thread that wakes soon by itself would only be in the way of the caller. */
static void wake_sync_thread(struct journal_writer *writer)
{
    if (writer->sync_sleeps_until_ms > writer->committed_ms + JOURNAL_SYNC_MS)
        pthread_cond_signal(&writer->synced);
}

static void job_report(const struct job *job, const struct error *given_up)
{
    if (!job->done.done)
        return;
    struct journal_result result = {.ticket = job->ticket, .added = job->added, .place = job->place};
    result.err = job->ended ? &job->err : given_up;
    result.ok = !result.err;
    job->done.done(job->done.self, &result);
}

static void group_report(const struct group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        job_report(group->jobs[i], NULL);
        job_free(group->jobs[i]);
    }
}

/* Entered and left with the lock held; without it in between, so that callbacks may give new jobs. */
static void group_done(struct journal_writer *writer, const struct group *group)
{
    bool recovered = writer->write_failing;
    writer->write_failing = false;
    group_retire(writer, group);
    uint64_t ticket = writer->state.committed;
    uint64_t place = writer->state.place;
    pthread_cond_broadcast(&writer->waiting);
    wake_sync_thread(writer);
    pthread_mutex_unlock(&writer->lock);

    group_report(group);
    if (writer->spec.committed)
        writer->spec.committed(writer->spec.self, ticket, place);
    if (recovered && writer->spec.troubled)
        writer->spec.troubled(writer->spec.self);
    pthread_mutex_lock(&writer->lock);
}

static void group_failed(struct journal_writer *writer, const struct error *err)
{
    writer->write_failing = true;
    writer->write_error = *err;
    pthread_cond_broadcast(&writer->waiting);
    if (!writer->spec.troubled)
        return;
    pthread_mutex_unlock(&writer->lock);
    writer->spec.troubled(writer->spec.self);
    pthread_mutex_lock(&writer->lock);
}

/* Under the lock. How long to wait after the n-th failure in a row. */
static void wait_for_retry(struct journal_writer *writer, unsigned failures)
{
    unsigned ms = JOURNAL_RETRY_MS;
    for (unsigned i = 1; i < failures && ms < JOURNAL_RETRY_MS_MAX; i++)
        ms *= 2;
    if (writer->stopping && ms > JOURNAL_RETRY_MS / 10)
        ms = JOURNAL_RETRY_MS / 10;
    bool stopping = writer->stopping;
    uint64_t until = now_ms() + ms;
    while (now_ms() < until && writer->stopping == stopping) /* new jobs wake it too: they must not hasten the retry */
        wait_until(writer, &writer->work, until);
}

static bool has_given_up(const struct journal_writer *writer)
{
    return writer->stopping && writer->write_failing && now_ms() >= writer->give_up_ms;
}

/* Under the lock: one group, or its failure. Returns whether it was done. */
static bool write_group(struct journal_writer *writer)
{
    struct group group;
    struct error err = {0};
    group_collect(writer, &group);
    pthread_mutex_unlock(&writer->lock);
    bool ok = ensure_open(writer, &err) && journal_is_in_place(writer->journal, &err) &&
              group_commit(writer->journal, &group, &err);
    pthread_mutex_lock(&writer->lock);
    if (ok)
        group_done(writer, &group);
    else
        group_failed(writer, &err);
    return ok;
}

static void *writer_main(void *self)
{
    struct journal_writer *writer = self;
    unsigned failures = 0;
    pthread_mutex_lock(&writer->lock);
    while ((writer->first || !writer->stopping) && !has_given_up(writer)) {
        if (!writer->first || (writer->paused && !writer->stopping)) {
            wait_until(writer, &writer->work, UINT64_MAX);
            continue;
        }
        failures = write_group(writer) ? 0 : failures + 1;
        if (failures && !has_given_up(writer))
            wait_for_retry(writer, failures);
    }
    writer->writer_ended = true;
    pthread_cond_signal(&writer->synced);
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* --- the sync thread --- */

static bool sync_wanted(const struct journal_writer *writer)
{
    return writer->journal && writer->state.kept < writer->state.committed && journal_file_path(writer->journal);
}

static bool checkpoint_wanted(const struct journal_writer *writer)
{
    return writer->journal && journal_file_path(writer->journal) &&
           (writer->wal_pages >= JOURNAL_IDLE_WAL_PAGES || writer->settles);
}

static uint64_t checkpoint_due_ms(const struct journal_writer *writer)
{
    return writer->wal_pages >= JOURNAL_BUSY_WAL_PAGES ? 0 : writer->committed_ms + JOURNAL_IDLE_MS;
}

/* Entered and left with the lock held. */
static void sync_once(struct journal_writer *writer)
{
    struct error err = {0};
    uint64_t ticket = writer->state.committed;
    bool failed_before = writer->sync_failing;
    writer->sync_now = false;
    pthread_mutex_unlock(&writer->lock);
    bool ok = journal_sync(writer->journal, &err);
    pthread_mutex_lock(&writer->lock);
    writer->sync_failing = !ok;
    if (ok)
        writer->state.kept = ticket;
    else
        writer->sync_error = err;
    pthread_cond_broadcast(&writer->waiting);
    pthread_mutex_unlock(&writer->lock);
    if (ok && writer->spec.kept)
        writer->spec.kept(writer->spec.self, ticket);
    bool changed = ok == failed_before;
    if (changed && writer->spec.troubled)
        writer->spec.troubled(writer->spec.self);
    pthread_mutex_lock(&writer->lock);
}

static void checkpoint_once(struct journal_writer *writer)
{
    struct error ignored = {0}; /* what does not work now is tried again after the next commit */
    const char *path = journal_file_path(writer->journal);
    writer->wal_pages = 0;
    writer->settles = false;
    pthread_mutex_unlock(&writer->lock);
    bool done = journal_checkpoint_wal(path, &ignored);
    (void)done;
    pthread_mutex_lock(&writer->lock);
}

static void *sync_main(void *self)
{
    struct journal_writer *writer = self;
    uint64_t next_sync_ms = 0;
    pthread_mutex_lock(&writer->lock);
    while (!writer->writer_ended) {
        uint64_t until = UINT64_MAX;
        if (sync_wanted(writer))
            until = writer->sync_now ? 0 : next_sync_ms;
        if (sync_wanted(writer) && until <= now_ms()) {
            next_sync_ms = now_ms() + JOURNAL_SYNC_MS;
            sync_once(writer);
        } else if (checkpoint_wanted(writer) && checkpoint_due_ms(writer) <= now_ms()) {
            checkpoint_once(writer);
        } else {
            if (checkpoint_wanted(writer))
                until = deadline_earlier(until, checkpoint_due_ms(writer));
            writer->sync_sleeps_until_ms = until;
            wait_until(writer, &writer->synced, until);
            writer->sync_sleeps_until_ms = 0;
        }
    }
    if (sync_wanted(writer))
        sync_once(writer);
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* --- starting and stopping --- */

struct journal_writer *journal_writer_new(const struct journal_writer_spec *spec, struct journal *journal)
{
    struct journal_writer *writer = xcalloc(1, sizeof *writer);
    writer->spec = *spec;
    writer->journal = journal;
    writer->end = &writer->first;
    pthread_mutex_init(&writer->lock, NULL);
    cond_init(&writer->work);
    cond_init(&writer->synced);
    cond_init(&writer->waiting);
    return writer;
}

/* Signals are the main thread's business. */
static void start_threads(struct journal_writer *writer)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&writer->writer_thread, NULL, writer_main, writer);
    ensure(rc == 0);
    rc = pthread_create(&writer->sync_thread, NULL, sync_main, writer);
    ensure(rc == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    writer->started = true;
}

static void ask_to_stop(struct journal_writer *writer, unsigned timeout_ms)
{
    pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    writer->give_up_ms = now_ms() + timeout_ms;
    pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->lock);
}

/* Tells those who asked about jobs that will never be done. Returns whether there were any. */
static bool drop_rest(struct journal_writer *writer, const struct error *why)
{
    bool any = writer->first != NULL;
    while (writer->first) {
        struct job *job = writer->first;
        writer->first = job->next;
        job_report(job, why);
        job_free(job);
    }
    return any;
}

static void writer_free(struct journal_writer *writer)
{
    journal_close(writer->journal);
    pthread_mutex_destroy(&writer->lock);
    pthread_cond_destroy(&writer->work);
    pthread_cond_destroy(&writer->synced);
    pthread_cond_destroy(&writer->waiting);
    free(writer);
}

bool journal_writer_stop(struct journal_writer *writer, unsigned timeout_ms, struct error *err)
{
    if (writer->started) {
        ask_to_stop(writer, timeout_ms);
        pthread_join(writer->writer_thread, NULL);
        pthread_join(writer->sync_thread, NULL);
    }
    bool lost = drop_rest(writer, &writer->write_error);
    if (lost)
        *err = writer->write_error;
    else if (writer->sync_failing)
        *err = writer->sync_error;
    bool ok = !lost && !writer->sync_failing;
    writer_free(writer);
    return ok;
}

/* --- giving jobs --- */

static uint64_t submit(struct journal_writer *writer, struct job *job)
{
    pthread_mutex_lock(&writer->lock);
    ensure(!writer->writer_ended);
    uint64_t ticket = ++writer->state.issued;
    job->ticket = ticket;
    *writer->end = job;
    writer->end = &job->next;
    writer->state.queued_jobs++;
    writer->state.queued_bytes += job_bytes(job);
    writer->state.edits_in_memory += job->edit;
    if (!writer->started)
        start_threads(writer);
    if (!writer->paused)
        pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->lock);
    return ticket;
}

/* Under the lock. */
static void go(struct journal_writer *writer)
{
    if (writer->paused && writer->first)
        pthread_cond_signal(&writer->work);
    writer->paused = false;
}

void journal_writer_pause(struct journal_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->paused = true;
    pthread_mutex_unlock(&writer->lock);
}

void journal_writer_go(struct journal_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    go(writer);
    pthread_mutex_unlock(&writer->lock);
}

uint64_t journal_writer_local(struct journal_writer *writer, const struct journal_local *local, bool edit,
                              struct journal_done done)
{
    struct job *job = job_new(perform_local, done);
    job->edit = edit;
    job->local = *local;
    job->local.plain = job_copy(job, local->plain);
    job->local.path = job_copy_path(job, local->path);
    return submit(writer, job);
}

uint64_t journal_writer_received(struct journal_writer *writer, const struct journal_received *received,
                                 struct journal_done done)
{
    struct job *job = job_new(perform_received, done);
    job->received = *received;
    job->received.stored = job_copy(job, received->stored);
    return submit(writer, job);
}

uint64_t journal_writer_outbox_put(struct journal_writer *writer, const struct journal_sent *sent,
                                   struct journal_done done)
{
    struct job *job = job_new(perform_outbox_put, done);
    job->sent = *sent;
    job->sent.stored = job_copy(job, sent->stored);
    return submit(writer, job);
}

uint64_t journal_writer_relay(struct journal_writer *writer, const struct journal_relay *relay)
{
    struct job *job = job_new(perform_relay, (struct journal_done){0});
    job->relay = *relay;
    return submit(writer, job);
}

uint64_t journal_writer_view(struct journal_writer *writer, const char *path, const struct journal_view *view,
                             struct bytes version)
{
    struct job *job = job_new(perform_view, (struct journal_done){0});
    job_copy_path(job, path);
    job->put.view = *view;
    job->put.version = job_copy(job, version);
    return submit(writer, job);
}

uint64_t journal_writer_saved(struct journal_writer *writer, const struct journal_saved *saved,
                              struct journal_done done)
{
    struct job *job = job_new(perform_saved, done);
    job->saved = *saved;
    job->saved.version = job_copy(job, saved->version);
    job->saved.path = job_copy_path(job, saved->path);
    return submit(writer, job);
}

uint64_t journal_writer_run(struct journal_writer *writer, journal_run_fn *run, void *self, struct journal_done done)
{
    struct job *job = job_new(perform_run, done);
    job->run.call = run;
    job->run.self = self;
    return submit(writer, job);
}

void journal_writer_settle(struct journal_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->settles = true;
    pthread_cond_signal(&writer->synced);
    pthread_mutex_unlock(&writer->lock);
}

/* --- waiting and looking --- */

/* Under the lock. */
static bool has_failed(const struct journal_writer *writer, bool outwaits)
{
    return writer->write_failing && !(outwaits && writer->write_error.code == ERR_BUSY);
}

static enum journal_waited wait_committed(struct journal_writer *writer, uint64_t ticket, unsigned timeout_us, bool outwaits)
{
    struct timespec until = at_us(timeout_us);
    pthread_mutex_lock(&writer->lock);
    if (timeout_us > 0)
        go(writer);
    int rc = timeout_us > 0 ? 0 : ETIMEDOUT;
    while (writer->state.committed < ticket && !has_failed(writer, outwaits) && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&writer->waiting, &writer->lock, &until);
    enum journal_waited waited = writer->state.committed >= ticket ? JOURNAL_WAIT_DONE
                                 : has_failed(writer, outwaits)   ? JOURNAL_WAIT_FAILED
                                                                  : JOURNAL_WAIT_NOT_YET;
    pthread_mutex_unlock(&writer->lock);
    return waited;
}

enum journal_waited journal_writer_wait(struct journal_writer *writer, uint64_t ticket, unsigned timeout_us)
{
    return wait_committed(writer, ticket, timeout_us, false);
}

enum journal_waited journal_writer_outwait(struct journal_writer *writer, uint64_t ticket, unsigned timeout_us)
{
    return wait_committed(writer, ticket, timeout_us, true);
}

enum journal_waited journal_writer_wait_kept(struct journal_writer *writer, uint64_t ticket, unsigned timeout_ms)
{
    struct timespec until = at_us((uint64_t)timeout_ms * 1000);
    pthread_mutex_lock(&writer->lock);
    go(writer);
    writer->sync_now = true;
    pthread_cond_signal(&writer->synced);
    int rc = 0;
    while (writer->state.kept < ticket && !writer->write_failing && !writer->sync_failing && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&writer->waiting, &writer->lock, &until);
        writer->sync_now = writer->state.kept < ticket;
        pthread_cond_signal(&writer->synced);
    }
    bool failing = writer->write_failing || writer->sync_failing;
    enum journal_waited waited = writer->state.kept >= ticket ? JOURNAL_WAIT_DONE
                                 : failing                    ? JOURNAL_WAIT_FAILED
                                                              : JOURNAL_WAIT_NOT_YET;
    pthread_mutex_unlock(&writer->lock);
    return waited;
}

void journal_writer_state(struct journal_writer *writer, struct journal_writer_state *state)
{
    pthread_mutex_lock(&writer->lock);
    *state = writer->state;
    state->failing = writer->write_failing || writer->sync_failing;
    state->why = writer->write_failing ? writer->write_error : writer->sync_error;
    pthread_mutex_unlock(&writer->lock);
}
