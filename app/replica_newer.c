/*
 * A newer weft has put something into the document that this one must know and does not: it may be read here, as far as it
 * can be, and nothing is written on top. Kept in the journal until a weft that knows it opens the document.
 */
#include "app/replica_parts.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

static const char note_name[] = "newer"; /* one byte: the kind of the record */

bool replica_load_newer(struct replica *replica, struct error *err)
{
    struct buf note = {0};
    bool found = false;
    bool good = journal_note_get(replica->journal_found, note_name, &note, &found, err);
    if (good && found && note.len == 1 && !record_kind_is_known(note.data[0]))
        replica->newer_kind = note.data[0];
    buf_release(&note);
    return good;
}

struct newer_job {
    unsigned char kind;
};

static bool put_note(void *self, struct journal *journal, struct error *err)
{
    const struct newer_job *job = self;
    return journal_note_put(journal, note_name, bytes_of(&job->kind, 1), err);
}

static void put_done(void *self, const struct journal_result *result)
{
    (void)result;
    free(self);
}

void replica_take_newer(struct replica *replica, unsigned kind)
{
    replica->newer_kind = kind;
    struct newer_job *job = xcalloc(1, sizeof *job);
    job->kind = (unsigned char)kind;
    if (replica->writer)
        journal_writer_run(replica->writer, put_note, job, (struct journal_done){put_done, job});
    else
        free(job);
}

bool replica_is_older(const struct replica *replica, struct error *err)
{
    if (!replica->newer_kind)
        return false;
    error_set(err, ERR_NEWER, 0, "A newer weft has written here what this one cannot read: update weft. Until then you can "
                                 "read, find, copy.");
    return true;
}
