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
 *
 * What was in the text before is never held (app/replica_held.c): all that the version has which was saved last, or on the screen
 * last, is merged whatever it takes. Where that version is not known all the same, since some of it is held, it is not guessed
 * what the file has, for then all of that would come in twice, or be written over: nobody looks at the file, nor writes it, until
 * somebody merges what is held. Then there need be no rows to wait for, and what the relay sends does not wait.
 */
#include "app/replica_file.h"
#include "app/replica_held.h"
#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"
#include "app/replica_tidy.h"
#include "app/replica_unmerged.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"
#include "sync/document_past.h"

struct unmerged {
    uint64_t first, upto; /* places of its rows: after the first, up to the last */
    struct chain_head *heads; /* of the hash chain, with all of them */
    size_t head_count;
    struct event_span_list after; /* what nobody had in his text */
    bool had_some;                /* there is such a text */
    struct remembered *remembered;
    bool moved, saves;
    bool awaits; /* all rows have had their turn, and what is held is in the file */
};

/* --- beginning --- */

/* It writes, and what it writes in is here. */
static bool is_ours(const struct replica *replica)
{
    return !replica->reads_only && !replica->audits && !replica->joining && !replica->ahead && !replica->base_lost;
}

/* Who has no screen waits for the text; so does who puts what was typed elsewhere. */
static bool may_wait(const struct replica *replica)
{
    return is_ours(replica) && replica->opens && !replica->scripted;
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

static bool everybody(const void *self, const struct agent_id *agent)
{
    (void)self;
    (void)agent;
    return true;
}

/* While the document has all rows. */
static void note_had(struct replica *replica, struct unmerged *unmerged, const struct remembered *remembered)
{
    struct version had = {0};
    remembered_versions(replica, remembered, &had);
    unmerged->had_some = had.count > 0 && document_join(replica->document, &had) &&
                         document_written_since(replica->document, &had, (struct agent_filter){NULL, everybody}, &unmerged->after);
    version_release(&had);
}

static struct unmerged *unmerged_new(struct replica *replica)
{
    struct unmerged *unmerged = xcalloc(1, sizeof *unmerged);
    unmerged->first = unmerged->upto = replica->place_read;
    replica->unmerged = unmerged;
    replica->file.origin_unknown = true; /* nothing is known of the file yet */
    return unmerged;
}

bool replica_unmerged_begin(struct replica *replica, struct remembered *remembered)
{
    struct error ignored = {0}; /* a checkpoint that cannot be read is none: all rows come in turns then */
    if (!may_wait(replica) || !takes_long(replica))
        return false;
    struct unmerged *unmerged = unmerged_new(replica);
    note_had(replica, unmerged, remembered);
    unmerged->heads = chain_branches(replica->chain, &unmerged->head_count);
    bool loaded = begin_document_again(replica, &ignored);
    (void)loaded;
    unmerged->first = replica->place_read;
    unmerged->remembered = remembered_take(remembered);
    replica->merged_late = true;
    replica->neighbour_rows_due = replica->merging.pending = true;
    return true;
}

/* Something of it is held, and so it cannot be told what the file has. */
static bool lacks_saved(const struct replica *replica, const struct remembered *remembered)
{
    return replica->merging.agent_count > 0 && !remembered_is_known(replica, remembered);
}

bool replica_unmerged_await(struct replica *replica, struct remembered *remembered)
{
    if (!is_ours(replica) || !lacks_saved(replica, remembered))
        return false;
    struct unmerged *unmerged = unmerged_new(replica);
    unmerged->awaits = true;
    unmerged->remembered = remembered_take(remembered);
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
    if (unmerged->saves && replica->file.question != DISK_QUESTION_NONE)
        replica_say(replica, "%s is not written: it is not as it was left.%s", replica->label,
                    replica_key_hint(replica, " ^S asks what to do."));
    else if (unmerged->saves && !replica_save(replica, NULL, &err))
        replica_say(replica, "%s", err.text);
    replica->unmerged = unmerged;
    replica_unmerged_forget(replica);
    replica->succession_due = true; /* that waited too */
    replica_touch(replica);
}

/* A save that was asked for meanwhile would not have what the file has. */
static void begin_to_await(struct replica *replica, struct unmerged *unmerged)
{
    struct error err = {0};
    unmerged->awaits = true;
    if (unmerged->saves && !replica_unmerged_save(replica, &err))
        replica_say(replica, "%s", err.text);
    unmerged->saves = false;
    replica_touch(replica);
}

void replica_unmerged_handle(struct replica *replica)
{
    struct unmerged *unmerged = replica->unmerged;
    if (!unmerged || !replica->merging.live || replica->place_read < unmerged->upto || replica_is_merging(replica))
        return;
    if (!lacks_saved(replica, unmerged->remembered))
        end(replica);
    else if (!unmerged->awaits || unmerged->saves)
        begin_to_await(replica, unmerged);
}

/* --- from outside --- */

void replica_unmerged_moved(struct replica *replica)
{
    if (replica->unmerged)
        replica->unmerged->moved = true;
}

bool replica_unmerged_save(struct replica *replica, struct error *err)
{
    if (replica->unmerged->awaits && !replica_is_merging(replica))
        return replica_unmerged_refuse(replica, err);
    replica->unmerged->saves = true;
    replica_say(replica, "%s is written as soon as all edits that are kept of it are merged.", replica->label);
    return true;
}

bool replica_unmerged_refuse(const struct replica *replica, struct error *err)
{
    struct buf whose = {0};
    if (!replica->unmerged->awaits || !replica_name_held(replica, &whose))
        error_set(err, ERR_BUSY, 0, "Not saved: what is kept of %s is not all merged yet.", replica->label);
    else
        error_set(err, ERR_BUSY, 0, "Not saved: %s in %s and held here, so this text lacks what the file has.%s",
                  buf_string(&whose), replica->label, replica_key_hint(replica, " Alt+H merges them."));
    buf_release(&whose);
    return false;
}

bool replica_unmerged_comes(const struct replica *replica)
{
    return replica->unmerged && !replica->unmerged->awaits;
}

bool replica_unmerged_awaits(const struct replica *replica)
{
    return replica->unmerged && replica->unmerged->awaits;
}

bool replica_unmerged_had(const struct replica *replica, const struct event_id *event)
{
    const struct unmerged *unmerged = replica->unmerged;
    if (!unmerged || !unmerged->had_some || event->seq >= replica_unmerged_upto(replica, &event->agent))
        return false;
    for (size_t i = 0; i < unmerged->after.count; i++)
        if (agent_id_equal(&unmerged->after.items[i].agent, &event->agent))
            return event->seq < unmerged->after.items[i].seq;
    return true;
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
    event_span_list_release(&unmerged->after);
    free(unmerged->heads);
    free(unmerged);
}
