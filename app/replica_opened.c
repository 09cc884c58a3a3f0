/*
 * When the document was open last, for the index; and who was in it last, for a greeting.
 */
#include "app/replica_parts.h"

#include <stdlib.h>
#include <time.h>

#include "app/moment.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

/* --- for the index --- */

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

static void note_open_now(struct replica *replica)
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

void replica_note_opened(struct replica *replica)
{
    replica->noted_opened = true;
    note_open_now(replica);
}

/* What is open for weeks was not used weeks ago. A list that says minutes need not hear of fewer. */
void replica_note_closing(struct replica *replica)
{
    enum { WORTH_NOTING_S = 60 };
    if (replica->noted_opened && (uint64_t)time(NULL) >= replica->entry.opened_s + WORTH_NOTING_S)
        note_open_now(replica);
}

/* --- for a greeting --- */

/* One person's processes, and earlier runs, are agents of one device. */
static bool is_of_another_device(const void *self, const struct agent_id *agent)
{
    return replica_is_of_another_device(self, agent);
}

void replica_last_here(const struct replica *replica, struct buf *sentence)
{
    enum { NAME_CELLS = 24 };
    struct last_edit last = document_last_edit(replica->document, (struct agent_filter){replica, is_of_another_device});
    if (!last.time_s)
        return;
    unicode_safe_label(bytes_of_string(roster_find(&replica->members, &last.agent)->member.name), NAME_CELLS, sentence);
    buf_add_string(sentence, " was last here ");
    moment_add_needed(sentence, last.time_s, time(NULL));
}
