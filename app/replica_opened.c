#include "app/replica_parts.h"

#include <stdlib.h>
#include <time.h>

#include "editor/base/xalloc.h"

struct opened_job {
    char *index_path;
    struct device device;
    struct doc_id doc;
    uint64_t now_s;
};

static void opened_run(void *self)
{
    struct opened_job *job = self;
    struct error ignored = {0}; /* the list of recent documents is a little out of order then, and nothing is forgotten for it */
    struct doc_index *index = doc_index_open(job->index_path, DOC_INDEX_CREATE, &job->device, &ignored);
    bool good = index && doc_index_touch(index, &job->doc, job->now_s, &ignored);
    (void)good;
    doc_index_close(index);
}

static void opened_done(void *self)
{
    struct opened_job *job = self;
    device_wipe(&job->device);
    free(job->index_path);
    free(job);
}

void replica_note_opened(struct replica *replica)
{
    struct error ignored = {0}; /* without the key nothing of it could be read */
    if (replica->is_private || !replica->indexed || !env_device(replica->env, &ignored))
        return;
    struct opened_job *job = xcalloc(1, sizeof *job);
    job->index_path = paths_state_file(&replica->env->paths, "index.db");
    job->device = replica->env->device;
    job->doc = replica->entry.doc;
    job->now_s = (uint64_t)time(NULL);
    replica->entry.opened_s = job->now_s; /* what is put into the index later says so too */
    worker_give(replica->worker, (struct worker_job){opened_run, opened_done, job});
}
