#include "app/worker.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"

struct worker_item {
    struct worker_job job;
    struct worker_item *next;
};

struct worker_queue {
    struct worker_item *first, **last;
};

struct worker {
    pthread_mutex_t lock;
    pthread_cond_t more; /* to the thread: there is work, or the end */
    pthread_cond_t less; /* to worker_drain(): a job is done */
    pthread_t thread;
    bool running, ending;
    unsigned open_jobs; /* given and not run yet */
    struct worker_queue given, ran;
    int fd;
};

static void queue_put(struct worker_queue *queue, struct worker_item *item)
{
    item->next = NULL;
    *queue->last = item;
    queue->last = &item->next;
}

static struct worker_item *queue_take(struct worker_queue *queue)
{
    struct worker_item *item = queue->first;
    if (item) {
        queue->first = item->next;
        if (!queue->first)
            queue->last = &queue->first;
    }
    return item;
}

struct worker *worker_new(void)
{
    struct worker *worker = xcalloc(1, sizeof *worker);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->more, NULL);
    pthread_cond_init(&worker->less, NULL);
    worker->given.last = &worker->given.first;
    worker->ran.last = &worker->ran.first;
    worker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ensure(worker->fd >= 0);
    return worker;
}

static void wake_owner(struct worker *worker)
{
    uint64_t one = 1;
    ssize_t wrote = write(worker->fd, &one, sizeof one);
    (void)wrote; /* a full counter is as awake as can be */
}

static void *worker_main(void *self)
{
    struct worker *worker = self;
    pthread_mutex_lock(&worker->lock);
    for (;;) {
        struct worker_item *item = queue_take(&worker->given);
        if (!item) {
            if (worker->ending)
                break;
            pthread_cond_wait(&worker->more, &worker->lock);
            continue;
        }
        pthread_mutex_unlock(&worker->lock);
        item->job.run(item->job.self);
        pthread_mutex_lock(&worker->lock);
        queue_put(&worker->ran, item);
        worker->open_jobs--;
        pthread_cond_signal(&worker->less);
        wake_owner(worker);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

void worker_give(struct worker *worker, struct worker_job job)
{
    struct worker_item *item = xcalloc(1, sizeof *item);
    item->job = job;
    pthread_mutex_lock(&worker->lock);
    queue_put(&worker->given, item);
    worker->open_jobs++;
    if (!worker->running) {
        worker->running = true;
        ensure(pthread_create(&worker->thread, NULL, worker_main, worker) == 0);
    }
    pthread_cond_signal(&worker->more);
    pthread_mutex_unlock(&worker->lock);
}

int worker_fd(const struct worker *worker)
{
    return worker->fd;
}

void worker_handle(struct worker *worker)
{
    uint64_t count;
    ssize_t got = read(worker->fd, &count, sizeof count);
    (void)got;
    for (;;) {
        pthread_mutex_lock(&worker->lock);
        struct worker_item *item = queue_take(&worker->ran);
        pthread_mutex_unlock(&worker->lock);
        if (!item)
            return;
        item->job.done(item->job.self);
        free(item);
    }
}

void worker_drain(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    while (worker->open_jobs > 0)
        pthread_cond_wait(&worker->less, &worker->lock);
    pthread_mutex_unlock(&worker->lock);
    worker_handle(worker);
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    worker_drain(worker);
    pthread_mutex_lock(&worker->lock);
    worker->ending = true;
    pthread_cond_signal(&worker->more);
    pthread_mutex_unlock(&worker->lock);
    if (worker->running)
        pthread_join(worker->thread, NULL);
    close(worker->fd);
    pthread_cond_destroy(&worker->more);
    pthread_cond_destroy(&worker->less);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}
