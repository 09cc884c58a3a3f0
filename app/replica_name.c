/*
 * Under which name others see this person in this document: what was chosen for it with --name, now or earlier; else what the
 * configuration, git or the login says. What a person chose is kept in the document's journal.
 */
#include "app/replica_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

static const char note_name[] = "person"; /* the name; empty: whatever is found */

void replica_choose_name(struct replica *replica, const struct replica_options *options)
{
    if (!options->name)
        return;
    replica->name_given = true;
    replica->name_lasts = options->name_lasts;
    replica->named = options->name[0] != '\0';
    replica->person = replica->named ? xstrdup(options->name) : NULL;
}

static struct bytes chosen(const struct replica *replica)
{
    return bytes_of_string(replica->named ? replica->person : "");
}

bool replica_load_name(struct replica *replica, struct error *err)
{
    struct buf note = {0};
    bool found = false;
    if (!journal_note_get(replica->journal_found, note_name, &note, &found, err)) {
        buf_release(&note);
        return false;
    }
    if (note.len && !replica->name_given) {
        free(replica->person);
        replica->person = xstrndup((const char *)note.data, note.len);
        replica->named = replica->name_lasts = true;
    }
    replica->name_kept = found && bytes_equal(buf_view(&note), chosen(replica));
    buf_release(&note);
    return true;
}

static bool put_note(void *self, struct journal *journal, struct error *err)
{
    const struct buf *name = self;
    return journal_note_put(journal, note_name, buf_view(name), err);
}

static void put_done(void *self, const struct journal_result *result)
{
    struct buf *name = self;
    (void)result;
    buf_release(name);
    free(name);
}

void replica_keep_name(struct replica *replica)
{
    if (!replica->name_lasts || replica->name_kept || replica->is_private)
        return;
    struct buf *name = xcalloc(1, sizeof *name);
    buf_add_bytes(name, chosen(replica));
    replica->name_kept = true;
    journal_writer_run(replica->writer, put_note, name, (struct journal_done){put_done, name});
}

const char *replica_person(const struct replica *replica)
{
    struct replica *mutable = (struct replica *)replica; /* asked for the first time: git is slow, so not before */
    if (!mutable->person)
        mutable->person = config_person(&replica->env->config, &mutable->person_source);
    return replica->person;
}

bool replica_name_is_found(const struct replica *replica)
{
    const char *name = replica->env->config.name;
    return !replica->named && !(name && name[0]);
}

const char *replica_person_source(const struct replica *replica)
{
    if (replica->named)
        return "--name";
    (void)replica_person(replica);
    return replica->person_source;
}
