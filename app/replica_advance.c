/*
 * Keys in advance of the journal. A commit takes a tenth of a millisecond, and the thread that does it has to be woken and waited
 * for; a write to a file takes a tenth of that. So a key's row is put into a tail (sync/tail.h) by this thread itself before it
 * is painted, and committed behind that. What the screen promises is the same: the row is on this disk, and survives kill -9.
 *
 *      key --> row --> tail_write() --> frame to the terminal --> journal's thread: BEGIN ... COMMIT
 *
 * The tail is begun again whenever the journal has everything, so it holds what the journal lacks and little more. It stands for
 * the journal only where it holds all that the journal lacks: the rows in it are those of tickets `first` to `first + rows - 1`,
 * and everything in front of those is committed. Else the journal is waited for: behind a change by another program, or what came
 * from a room a moment ago.
 *
 * After a kill -9 the next start folds the rows into the journal before anything is opened (replica_left.c); so does another
 * process before it takes over what a dead one wrote. Who only reads (weft cat, verify, log) reads them behind the journal's.
 * Where others have the document open on this machine the journal is waited for: they would be here, and not look, when a row is
 * in the tail alone.
 *
 * Waiting has an end, for a person types; and another program may have the journal's lock for longer than that. Then the rows go
 * into the tail whatever else the journal lacks: what they build on is there again when the relay is asked, or the other program
 * has put it in.
 */
#include "app/replica_frames.h"
#include "app/replica_left.h"
#include "app/replica_neighbours.h"
#include "app/replica_parts.h"
#include "app/replica_tail.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

enum { ROW_BYTES_MAX = 4096 /* a longer one is a paste: it is waited for, twice on the disk would cost more than that spares */ };

/* The journal's thread makes the file: a busy disk may take its time for that. */
struct make_job {
    struct replica *replica;
    struct tail *tail;
};

static bool make(void *self, struct journal *journal, struct error *err)
{
    struct make_job *job = self;
    (void)journal;
    return tail_make(job->tail, err);
}

static void made(void *self, const struct journal_result *result)
{
    struct make_job *job = self;
    if (result->ok)
        atomic_store(&job->replica->advance.made, job->tail);
    else
        tail_end(job->tail);
    free(job);
}

static void ask_for_tail(struct replica *replica)
{
    struct advance *advance = &replica->advance;
    struct seal_key key;
    bool wanted = !advance->asked && !replica->is_private && !replica->scripted && replica->indexed && replica->env->has_device;
    if (!wanted)
        return;
    advance->asked = true;
    struct make_job *job = xcalloc(1, sizeof *job);
    char *dir = paths_state_file(&replica->env->paths, LEFT_ADVANCE_DIR);
    device_tail_key(&replica->env->device, &key);
    job->replica = replica;
    job->tail = tail_new(dir, &replica->agent, &key);
    journal_writer_run(replica->writer, make, job, (struct journal_done){made, job});
    crypto_wipe(&key, sizeof key);
    free(dir);
}

/* What is asked for comes with the first row after it was made. */
static struct tail *tail_of(struct replica *replica)
{
    struct advance *advance = &replica->advance;
    ask_for_tail(replica);
    if (!advance->tail)
        advance->tail = atomic_load(&advance->made);
    return advance->tail;
}

/* With that row, ticket `first`. The file stays as it is until all in front of it is committed. */
static void begin_again(struct replica *replica, uint64_t first)
{
    struct advance *advance = &replica->advance;
    struct buf head = {0};
    tail_restart(advance->tail);
    frames_put_document(&replica->entry.doc, replica->label, &head);
    tail_put(advance->tail, buf_view(&head));
    buf_release(&head);
    advance->first = first;
    advance->rows = 0;
}

/* Where nobody else waits for the row, the journal's thread does: it is painted first. */
static void let_it_be_painted(struct replica *replica)
{
    if (replica->net || neighbours_listen(replica))
        return;
    journal_writer_pause(replica->writer);
    replica->advance.paused = ADVANCE_NOW;
}

void replica_advance_put(struct replica *replica, const struct journal_local *row)
{
    struct advance *advance = &replica->advance;
    struct tail *tail = tail_of(replica);
    struct journal_writer_state state;
    if (!tail)
        return;
    journal_writer_state(replica->writer, &state);
    if (state.committed == state.issued || !advance->rows)
        begin_again(replica, state.issued + 1);
    replica_put_row_frame(tail, row);
    advance->rows++;
    if (row->plain.len > ROW_BYTES_MAX)
        advance->long_row = state.issued + 1;
    else
        let_it_be_painted(replica);
}

void replica_advance_rest(struct replica *replica)
{
    struct advance *advance = &replica->advance;
    struct journal_writer_state state;
    if (!advance->tail || !replica->writer)
        return;
    journal_writer_state(replica->writer, &state);
    if (state.committed != state.issued)
        return;
    tail_restart(advance->tail);
    advance->rows = 0; /* the next one begins again */
}

void replica_advance_go(struct replica *replica)
{
    if (replica->advance.paused != ADVANCE_GOES)
        journal_writer_go(replica->writer);
    replica->advance.paused = ADVANCE_GOES;
}

void replica_advance_handle(struct replica *replica)
{
    if (replica->advance.paused == ADVANCE_BEFORE)
        replica_advance_go(replica);
    else if (replica->advance.paused == ADVANCE_NOW)
        replica->advance.paused = ADVANCE_BEFORE;
}

uint64_t replica_advance_next_ms(const struct replica *replica)
{
    return replica->advance.paused == ADVANCE_GOES ? UINT64_MAX : 0;
}

bool replica_advance_hold(struct replica *replica)
{
    const struct advance *advance = &replica->advance;
    struct journal_writer_state state;
    if (!advance->rows || replica->last_ticket != advance->first + advance->rows - 1 || neighbours_listen(replica))
        return false;
    journal_writer_state(replica->writer, &state);
    return state.committed >= advance->long_row && replica_advance_keep(replica);
}

bool replica_advance_keep(struct replica *replica)
{
    const struct advance *advance = &replica->advance;
    struct journal_writer_state state;
    struct error ignored = {0}; /* the journal is waited for then, and says itself what is wrong with the disk */
    if (!advance->rows)
        return false;
    journal_writer_state(replica->writer, &state);
    return state.committed + 1 >= advance->first && tail_write(advance->tail, &ignored);
}

void replica_advance_leave(struct replica *replica, bool kept)
{
    struct tail *tail = atomic_load(&replica->advance.made);
    if (kept)
        tail_end(tail);
    else
        tail_free(tail);
    atomic_store(&replica->advance.made, NULL);
    replica->advance.tail = NULL;
    replica->advance.asked = false;
    replica->advance.paused = ADVANCE_GOES;
    replica->advance.first = replica->advance.rows = replica->advance.long_row = 0;
}
