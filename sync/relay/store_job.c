#include "sync/relay/store_job.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

struct job *store_job_new(enum job_kind kind, const struct doc_id *doc, struct store_done done)
{
    struct job *job = xcalloc(1, sizeof *job);
    job->kind = kind;
    job->done = done;
    if (doc)
        job->doc = *doc;
    return job;
}

void store_jobs_init(struct job_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

void store_jobs_add(struct job_list *list, struct job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

void store_jobs_append(struct job_list *list, struct job_list *more)
{
    if (!more->first)
        return;
    *list->end = more->first;
    list->end = more->end;
    store_jobs_init(more);
}

struct job *store_jobs_pop(struct job_list *list)
{
    struct job *job = list->first;
    if (!job)
        return NULL;
    list->first = job->next;
    if (!list->first)
        list->end = &list->first;
    return job;
}

void store_job_free(struct job *job)
{
    buf_release(&job->body);
    free(job->agents);
    free(job->rows);
    free(job->row_ends);
    free(job->freed);
    free(job->sizes);
    free(job);
}

void store_jobs_free(struct job_list *list)
{
    for (struct job *job; (job = store_jobs_pop(list));)
        store_job_free(job);
}

bool store_job_fail(struct job *job, const struct error *err)
{
    job->reply.err = *err;
    job->reply.result = err->code == ERR_FULL ? STORE_FULL : STORE_FAILED;
    return false;
}

bool store_job_end(struct job *job, enum store_result result)
{
    job->reply.result = result;
    return true;
}
