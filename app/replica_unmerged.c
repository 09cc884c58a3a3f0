/*
 * Opening a text whose newest rows take long to merge.
 *
 * What the journal has beyond its checkpoint is merged when a document is opened. Mostly that is a few milliseconds. Where it would
 * take longer (told before anything is walked, document_update_cost()), the text of the checkpoint is shown, and the rows come
 * into it in turns, as another window's do: in portions, each author within what one may take, keys in between.
 *
 *     journal      checkpoint | row row row row row | typed meanwhile
 *                             |                     |
 *     first        document   |  hash chain, all    |
 *     then         document ---> rows in turns ---> all of it is in the text: the file is looked at, and where the cursor was
 *
 * All rows were read once: the hash chain has them, so the session with the relay begins with all that is kept here. What is typed
 * meanwhile is an edit of the text that is shown, and is merged like one of another window; undo takes back what was typed since.
 * What the file has may be newer than the text is: so nothing is compared with the file, nor written to it, until all is there, and
 * who asks for that meanwhile has it done then. Who leaves meanwhile loses nothing. What the relay sends waits for it.
 */
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"
#include "app/replica_tidy.h"
#include "app/replica_unmerged.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

struct unmerged {
    uint64_t first, upto; /* places of its rows: after the first, up to the last */
    struct chain_head *heads; /* of the hash chain, with all of them */
    size_t head_count;
    struct remembered *remembered;
    bool moved, saves;
};

/* --- beginning --- */

/* Who has no screen waits for the text; so does who puts what was typed elsewhere. */
static bool may_wait(const struct replica *replica)
{
    return replica->opens && !replica->scripted && !replica->reads_only && !replica->audits && !replica->joining &&
           !replica->ahead && !replica->base_lost;
}

/* A branch of an agent that forked is told to the document when the hash chain finds it, and that has been. */
static bool takes_long(struct replica *replica)
{
    uint64_t max = replica->open_steps_max;
    return chain_forks(replica->chain) == 0 && document_update_cost(replica->document, max) >= max;
}

/* The document as the checkpoint has it, with the hash chain as it is. */
static bool begin_document_again(struct replica *replica, struct error *err)
{
    struct chain *whole = replica->chain;
    bool found;
    replica_forget_early(replica);
    document_free(replica->document);
    replica->document = document_new(replica->base);
    replica->chain = chain_new(&replica->entry.doc);
    replica->place_read = replica->checkpoint_place = 0;
    bool good = replica_load_checkpoint(replica, &found, err);
    chain_free(replica->chain);
    replica->chain = whole;
    return good;
}

bool replica_unmerged_begin(struct replica *replica, struct remembered *remembered)
{
    struct error ignored = {0}; /* a checkpoint that cannot be read is none: all rows come in turns then */
    if (!may_wait(replica) || !takes_long(replica))
        return false;
    struct unmerged *unmerged = xcalloc(1, sizeof *unmerged);
    unmerged->upto = replica->place_read;
    unmerged->heads = chain_branches(replica->chain, &unmerged->head_count);
    bool loaded = begin_document_again(replica, &ignored);
    (void)loaded;
    unmerged->first = replica->place_read;
    unmerged->remembered = remembered_take(remembered);
    replica->unmerged = unmerged;
    replica->merged_late = true;
    replica->file.origin_unknown = true; /* nothing is known of the file yet */
    replica->neighbour_rows_due = replica->merging.pending = true;
    return true;
}

void replica_unmerged_show(struct replica *replica)
{
    replica_guess_view(replica, replica->unmerged->remembered);
}

/* --- all is in the text --- */

static void look_at_file(struct replica *replica, const struct unmerged *unmerged)
{
    struct rope *disk = NULL;
    struct file_stamp stamp = {0};
    struct error err = {0};
    bool read = replica->file.path && file_load(replica->file.path, &disk, &stamp, &err);
    replica->disk = read ? disk : NULL;
    replica->disk_stamp = stamp;
    bool good = replica_take_remembered(replica, unmerged->remembered, !unmerged->moved, &err);
    replica->disk = NULL;
    if (read)
        replica_file_reconcile(replica, disk, stamp); /* takes it */
    if (!good || (replica->file.path && !read))
        replica_say(replica, "%s", err.text);
    if (replica->file.path)
        replica_file_watch(replica);
}

static void end(struct replica *replica)
{
    struct unmerged *unmerged = replica->unmerged;
    struct error err = {0};
    replica_update_text(replica); /* still of what was here before */
    replica->unmerged = NULL;
    replica->file.origin_unknown = false;
    replica->file.stamp = (struct file_stamp){0};
    look_at_file(replica, unmerged);
    if (unmerged->saves && replica->file.question == DISK_QUESTION_NONE && !replica_save(replica, NULL, &err))
        replica_say(replica, "%s", err.text);
    replica->unmerged = unmerged;
    replica_unmerged_forget(replica);
    replica->succession_due = true; /* that waited too */
    replica_touch(replica);
}

void replica_unmerged_handle(struct replica *replica)
{
    const struct unmerged *unmerged = replica->unmerged;
    if (unmerged && replica->merging.live && replica->place_read >= unmerged->upto && !replica_is_merging(replica))
        end(replica);
}

/* --- from outside --- */

void replica_unmerged_moved(struct replica *replica)
{
    if (replica->unmerged)
        replica->unmerged->moved = true;
}

void replica_unmerged_save(struct replica *replica)
{
    replica->unmerged->saves = true;
    replica_say(replica, "%s is written as soon as all edits that are kept of it are merged.", replica->label);
}

bool replica_unmerged_saves(const struct replica *replica)
{
    return replica->unmerged && replica->unmerged->saves;
}

uint64_t replica_unmerged_upto(const struct replica *replica, const struct agent_id *agent)
{
    const struct unmerged *unmerged = replica->unmerged;
    for (size_t i = 0; unmerged && i < unmerged->head_count; i++)
        if (agent_id_equal(&unmerged->heads[i].agent, agent))
            return unmerged->heads[i].next_seq;
    return 0;
}

unsigned replica_unmerged_percent(const struct replica *replica)
{
    enum { ALL = 100 };
    const struct unmerged *unmerged = replica->unmerged;
    uint64_t all = unmerged->upto - unmerged->first, done = replica->place_read - unmerged->first;
    return all == 0 || done >= all ? ALL - 1 : (unsigned)(done * ALL / all);
}

void replica_unmerged_forget(struct replica *replica)
{
    struct unmerged *unmerged = replica->unmerged;
    if (!unmerged)
        return;
    replica->unmerged = NULL;
    remembered_free(unmerged->remembered);
    free(unmerged->heads);
    free(unmerged);
}
