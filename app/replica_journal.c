/*
 * Where the journal is, and who else writes to it.
 */
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/xalloc.h"

/* NULL for a private replica: its journal is in memory. */
static char *journal_file(const struct replica *replica)
{
    return replica->is_private ? NULL : env_journal_path(replica->env, &replica->entry.doc);
}

struct journal *replica_open_journal(struct replica *replica, enum journal_mode mode, struct error *err)
{
    char *path = journal_file(replica);
    struct journal_spec spec = {.path = path, .mode = mode, .doc = replica->entry.doc, .now_s = (uint64_t)time(NULL)};
    struct journal *journal = journal_open_on(&replica->env->device, spec, err);
    free(path);
    return journal;
}

/* --- other processes --- */

bool replica_agent_lives(const struct replica *replica, const struct agent_id *agent)
{
    char *dir = paths_state_file(&replica->env->paths, "agents");
    bool lives = agent_lock_test(dir, agent) == AGENT_ALIVE;
    free(dir);
    return lives;
}

bool replica_writer_lives(struct env *env, struct journal *journal, bool *lives, struct error *err)
{
    struct journal_agent *agents = NULL;
    size_t count = 0;
    char *dir = paths_state_file(&env->paths, "agents");
    bool good = journal_agents(journal, &agents, &count, err);
    *lives = false;
    for (size_t i = 0; good && i < count && !*lives; i++)
        *lives = agent_lock_test(dir, &agents[i].owner) == AGENT_ALIVE;
    free(agents);
    free(dir);
    return good;
}

bool replica_others_write(struct replica *replica)
{
    struct error err = {0};
    bool lives = false;
    return replica->journal_found && replica_writer_lives(replica->env, replica->journal_found, &lives, &err) && lives;
}

/* Only where there is a reason to ask: the last one out removes it. */
static bool has_wal(const char *path)
{
    char *wal = xformat("%s-wal", path);
    bool has = access(wal, F_OK) == 0;
    free(wal);
    return has;
}

static bool is_written(struct env *env, const struct doc_id *doc)
{
    struct error ignored = {0}; /* what cannot be read is not said to be open */
    char *path = env_journal_path(env, doc);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_READ, .doc = *doc};
    struct journal *journal = has_wal(path) && env_device(env, &ignored) ? journal_open_on(&env->device, spec, &ignored) : NULL;
    bool lives = false;
    bool asked = journal && replica_writer_lives(env, journal, &lives, &ignored);
    journal_close(journal);
    free(path);
    return asked && lives;
}

bool replica_is_open_anywhere(struct env *env, const struct doc_id *doc)
{
    return neighbours_are_in(env, doc) || is_written(env, doc);
}

bool replica_nothing(void *self, struct journal *journal, struct error *err)
{
    (void)self;
    (void)journal;
    (void)err;
    return true;
}

bool replica_open_reader(struct replica *replica, struct error *err)
{
    if (!replica->reader && !replica->is_private && env_device(replica->env, err))
        replica->reader = replica_open_journal(replica, JOURNAL_WRITE, err);
    return replica->reader != NULL;
}

void replica_read_rows(struct replica *replica)
{
    struct error err = {0};
    bool news = false;
    if (replica->joining || !replica->indexed)
        return;
    if (!replica_open_reader(replica, &err) || !replica_read_rows_of(replica, replica->reader, &news, &err)) {
        replica_say(replica, "What another weft wrote cannot be read now: %s", err.text);
        return;
    }
    if (news)
        replica_update_text(replica);
}

/* All of it, however long it takes: what is decided next is about a text that has it. */
void replica_catch_up(struct replica *replica)
{
    bool live = replica->merging.live;
    replica->merging.live = false;
    replica_read_rows(replica);
    replica->merging.live = live;
}

void replica_forget(struct replica *replica)
{
    struct doc_index *index;
    struct error err = {0};
    if (replica->is_private || !replica->indexed)
        return;
    journal_close(replica->reader);
    journal_close(replica->journal_found);
    replica->reader = replica->journal_found = NULL;
    char *path = journal_file(replica);
    if (!journal_forget(path, &err))
        replica_say(replica, "The journal of %s could not be removed: %s", replica->label, err.text);
    free(path);
    if (!replica_open_index(replica, DOC_INDEX_CREATE, &index, &err))
        return;
    if (!doc_index_forget(index, &replica->entry.doc, &err))
        replica_say(replica, "%s", err.text);
    doc_index_close(index);
}
