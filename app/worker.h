/*
 * worker - a thread for what takes too long between two keys: saving, checkpoints. Jobs run one after another; their `done`
 * runs on the thread that calls worker_handle().
 */
#ifndef WEFT_APP_WORKER_H
#define WEFT_APP_WORKER_H

#include <stdbool.h>

struct worker;

struct worker_job {
    void (*run)(void *self);  /* on the worker's thread */
    void (*done)(void *self); /* afterwards, on the owner's thread */
    void *self;
};

struct worker *worker_new(void);
/* Waits for the jobs that were given; their done() is called. NULL is fine. */
void worker_free(struct worker *worker);
void worker_give(struct worker *worker, struct worker_job job); /* the thread starts with the first job */
int worker_fd(const struct worker *worker); /* readable when there is something for worker_handle() */
void worker_handle(struct worker *worker);
/* Runs everything given so far to its end, done() included. */
void worker_drain(struct worker *worker);

#endif
