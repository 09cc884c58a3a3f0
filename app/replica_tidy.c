/*
 * What a journal takes, kept small while the editor is open: when nobody has typed for a while, a checkpoint is written, the rows
 * that it covers become few (sync/journal_compact.h), and the file gives back what is free.
 *
 * Encoding a document takes as long as its history is, so another one is made for it, on a thread of its own, from what the
 * journal has: nothing that a person sees waits for it, and what the checkpoint holds is what its rows say. The steps after that
 * are jobs of the journal's thread between the others; a key waits for one of them at most, a few milliseconds.
 *
 * Another process cannot get in between them so easily, for each holds the journal locked: while one writes, there are none.
 */
#include "app/replica_journal.h"
#include "app/replica_neighbours.h"
#include "app/replica_parts.h"
#include "app/replica_tail.h"
#include "app/replica_tidy.h"

#include <limits.h>
#include <stdlib.h>

#include "editor/base/memory.h"
#include "editor/base/xalloc.h"

enum {
    TIDY_ROWS = 64,       /* fewer are not worth it; */
    TIDY_EVENTS_A_ROW = 128, /* and one more for so many events, for it takes as long as the history is */
    TIDY_ROWS_MANY = 8192, /* so many are, even if somebody never stops typing, where no other process writes */
    TIDY_IDLE_MS = 10000, /* nothing came for so long */
    STEPS_AT_END = 48,    /* a person waits who has closed the window, */
    COMMIT_US = 1000000,  /* also for what the journal has not taken yet */
};

struct tidying {
    struct replica *replica;
    struct worker *worker;
    bool runs; /* the worker has a job, or the writer steps */
    bool gave_way; /* to a neighbour: steps are left to do */
    const struct document *slept; /* went to sleep with what is written; NULL: none did, and what it has is older */
    /* The worker's while it has a job. */
    struct doc_id doc;
    uint64_t place;
    struct encoded_checkpoint encoded;
    bool encodes;
    /* The writer's thread's. */
    struct journal_compaction compaction;
    struct journal_checkpoint written; /* the newest of ours; before the first step */
    atomic_uint steps_left; /* so many more may be asked for */
    atomic_bool stepping;
    bool more;
};

/* --- steps, on the journal's thread --- */

static void next_step(struct tidying *tidying);

static bool step_run(void *self, struct journal *journal, struct error *err)
{
    struct tidying *tidying = self;
    return journal_compact(journal, &tidying->compaction, &tidying->more, err);
}

static void step_done(void *self, const struct journal_result *result)
{
    struct tidying *tidying = self;
    bool goes_on = result->ok && tidying->more && atomic_load(&tidying->steps_left) > 0;
    if (goes_on) {
        next_step(tidying);
        return;
    }
    tidying->compaction.upto = 0; /* the next time as far as the checkpoint of that time */
    journal_writer_settle(tidying->replica->writer);
    atomic_store(&tidying->stepping, false);
}

static void next_step(struct tidying *tidying)
{
    atomic_fetch_sub(&tidying->steps_left, 1);
    journal_writer_run(tidying->replica->writer, step_run, tidying, (struct journal_done){step_done, tidying});
}

static void begin_steps(struct tidying *tidying, unsigned steps)
{
    if (atomic_exchange(&tidying->stepping, true))
        return;
    /* One that is not shared any more may be again, and by the relay's word alone it is at the next opening. */
    tidying->compaction.sealed = tidying->replica->entry.state != DOC_PRIVATE;
    tidying->gave_way = false;
    atomic_store(&tidying->steps_left, steps);
    next_step(tidying);
}

/* --- the checkpoint, on a thread of its own --- */

static void encode(struct tidying *tidying)
{
    struct error ignored = {0}; /* then there is none, and rows stay rows */
    struct replica *copy = replica_new(tidying->replica->env, &(struct replica_options){.reads_only = true, .alone = true});
    bool good = replica_find_doc(copy, &tidying->doc, &ignored) && replica_restore(copy, &ignored) && replica_has_all_rows(copy);
    tidying->encodes = good && replica_encode_checkpoint(copy, &tidying->encoded);
    tidying->place = copy->place_read;
    replica_free(copy);
}

static void encode_run(void *self)
{
    encode(self);
}

/*
 * Nobody has asked about the past for a while, so it goes: what is left is as large as its saved form. Not where others
 * write: who has not seen all of it writes beside it (sync/document_asleep.c), and to merge that, all would be read again.
 */
static void put_to_sleep(struct tidying *tidying)
{
    struct replica *replica = tidying->replica;
    struct buf saved = {0};
    if (!replica_is_shared(replica))
        replica_saved_document(&tidying->encoded, &saved);
    bool sleeps = saved.len > 0 && document_sleep(replica->document, buf_view(&saved));
    buf_release(&saved);
    tidying->slept = sleeps ? replica->document : NULL;
    if (!sleeps) {
        document_hold(replica->document); /* the checkpoint that it was loaded from goes */
        return;
    }
    replica_set_source(replica);
    chain_sleep(replica->chain);
}

/*
 * The checkpoint is in the journal, and all steps are done. A long history that has gone to sleep with it need not be in memory
 * as well; nor a connection that is opened when another process has written, nor a thread that keeps what it had of the heap. A
 * history that is held from an older checkpoint stays: the journal has it no longer, and the new one is of another version.
 */
static void let_go(struct replica *replica)
{
    struct tidying *tidying = replica->tidying;
    if (!tidying->written.found || tidying->gave_way)
        return;
    if (tidying->written.has_text && tidying->slept == replica->document) {
        replica->rows.checkpoint = tidying->written;
        document_let_go(replica->document);
    }
    struct journal_compaction compaction = tidying->compaction;
    replica_tidy_release(replica);
    replica->compaction = compaction;
    journal_close(replica->reader);
    replica->reader = NULL;
    memory_give_back();
}

/* What was typed here and there takes more memory than its bytes. */
static void compact_text(struct replica *replica)
{
    struct rope **file = &replica->file.text;
    bool as_in_file = *file && replica_same_text(*file, replica->buffer.text);
    if (!rope_compact(replica->buffer.text) || !as_in_file)
        return;
    rope_free(*file);
    *file = rope_snapshot(replica->buffer.text);
}

static void encode_done(void *self)
{
    struct tidying *tidying = self;
    struct replica *replica = tidying->replica;
    bool same = replica->writer && doc_id_equal(&tidying->doc, &replica->entry.doc);
    tidying->runs = false;
    if (tidying->encodes && same && tidying->place > replica->checkpoint_place) {
        replica_advance_rest(replica);
        put_to_sleep(tidying);
        compact_text(replica);
        replica_put_checkpoint(replica, tidying->place, &tidying->encoded, &tidying->written);
        replica_put_view(replica); /* where the cursor was before the checkpoint nobody can tell without the history */
        begin_steps(tidying, UINT_MAX);
    }
    encoded_checkpoint_release(&tidying->encoded);
}

static struct tidying *tidying_of(struct replica *replica)
{
    if (replica->tidying)
        return replica->tidying;
    struct tidying *tidying = xcalloc(1, sizeof *tidying);
    tidying->replica = replica;
    tidying->compaction = replica->compaction;
    tidying->worker = worker_new();
    replica_watch_fd(replica, worker_fd(tidying->worker));
    return replica->tidying = tidying;
}

static void begin(struct replica *replica)
{
    struct tidying *tidying = tidying_of(replica);
    tidying->runs = true;
    tidying->doc = replica->entry.doc;
    worker_give(tidying->worker, (struct worker_job){encode_run, encode_done, tidying});
}

/* --- when --- */

static bool may_tidy(const struct replica *replica)
{
    const struct tidying *tidying = replica->tidying;
    return replica->writer && replica->indexed && !replica->is_private && !replica->joining && !replica->ahead &&
           !replica->unmerged && !replica->base_referred &&
           !(tidying && (tidying->runs || atomic_load(&tidying->stepping)));
}

/* When no other process has written for a while. */
static uint64_t idle_from_ms(const struct replica *replica)
{
    return replica->neighbour_wrote_ms && neighbours_listen(replica) ? replica->neighbour_wrote_ms + TIDY_IDLE_MS : 0;
}

/* A neighbour has begun to write: the step that runs is the last one for now. */
static void give_way(struct tidying *tidying, uint64_t now_ms)
{
    if (tidying->gave_way || !atomic_load(&tidying->stepping) || idle_from_ms(tidying->replica) <= now_ms)
        return;
    atomic_store(&tidying->steps_left, 1); /* the journal's thread may be about to count one down */
    tidying->gave_way = true;
}

void replica_tidy_handle(struct replica *replica, uint64_t now_ms)
{
    struct journal_writer_state state;
    if (replica->tidying) {
        worker_handle(replica->tidying->worker);
        give_way(replica->tidying, now_ms);
    }
    if (!may_tidy(replica))
        return;
    if (replica->tidying)
        let_go(replica);
    journal_writer_state(replica->writer, &state);
    uint64_t rows = state.place > replica->checkpoint_place ? state.place - replica->checkpoint_place : 0;
    bool many = rows >= TIDY_ROWS + document_events(replica->document) / TIDY_EVENTS_A_ROW || replica_has_many_ops(replica);
    if (state.failing || !(many || (replica->tidying && replica->tidying->gave_way))) {
        replica->tidy_ms = 0;
    } else if (!replica->tidy_ms || state.place != replica->tidy_place) {
        replica->tidy_ms = now_ms + (rows < TIDY_ROWS_MANY ? TIDY_IDLE_MS : 0);
        replica->tidy_place = state.place;
    }
    if (replica->tidy_ms && replica->tidy_ms < idle_from_ms(replica))
        replica->tidy_ms = idle_from_ms(replica);
    if (replica->tidy_ms && now_ms >= replica->tidy_ms) {
        replica->tidy_ms = 0;
        if (many)
            begin(replica);
        else
            begin_steps(replica->tidying, UINT_MAX);
    }
}

uint64_t replica_tidy_next_ms(const struct replica *replica)
{
    return replica->tidy_ms && may_tidy(replica) ? replica->tidy_ms : UINT64_MAX;
}

/* --- the end --- */

void replica_tidy_end(struct replica *replica)
{
    struct tidying *tidying = replica->tidying;
    if (tidying) {
        worker_drain(tidying->worker);
        atomic_store(&tidying->steps_left, STEPS_AT_END);
    }
}

void replica_tidy_last(struct replica *replica)
{
    replica_tidy_end(replica);
    /* What is queued still is waited for in any case; a checkpoint of less than all would leave the rest as rows. */
    if (replica->last_ticket > 0 &&
        journal_writer_wait(replica->writer, replica->last_ticket, COMMIT_US) != JOURNAL_WAIT_DONE)
        return;
    replica_checkpoint(replica);
    if (replica->last_ticket > 0 && replica->checkpoint_place > 0 && replica->indexed && !replica->is_private && !replica->ahead)
        begin_steps(tidying_of(replica), STEPS_AT_END);
}

void replica_tidy_release(struct replica *replica)
{
    struct tidying *tidying = replica->tidying;
    replica->compaction = (struct journal_compaction){0}; /* of that journal */
    if (!tidying)
        return;
    worker_free(tidying->worker);
    encoded_checkpoint_release(&tidying->encoded);
    free(tidying);
    replica->tidying = NULL;
}
