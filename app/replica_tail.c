/*
 * What is typed while the journal is being made: it goes into a tail (sync/tail.h), one write before it is painted, and the
 * tail goes when the journal has committed it. Whoever starts next after a kill -9 folds what was left (replica_left.c): index
 * entry, journal, rows, as the killed process would have made them.
 *
 * The first frame says what the journal is founded on (head), every further one is a row. A tail of this kind is there from the
 * first key to the first commit of all that was typed, never again; then there are those of replica_advance.c.
 *
 * Only a document that begins in this process has one, and only where no other process has the file open: of two that begin a
 * file's document at once one gives way (replica_adopt()), and what it had typed must not come back as its own.
 */
#include "app/replica_frames.h"
#include "app/replica_journal.h"
#include "app/replica_left.h"
#include "app/replica_neighbours.h"
#include "app/replica_parts.h"
#include "app/replica_tail.h"

#include <stdlib.h>

enum { FOUNDING_BYTES_MAX = 64 << 10 /* a larger text that no file holds waits for its journal */ };

static bool wants_tail(const struct replica *replica)
{
    const struct doc_entry *entry = &replica->entry;
    return !replica->is_private && !replica->scripted && replica->env->has_device && entry->state == DOC_PRIVATE &&
           entry->role == DOC_HOST && document_events(replica->document) == 0 && !neighbours_listen(replica);
}

static void put_head(struct replica *replica, struct bytes founding)
{
    const struct file_side *file = &replica->file;
    struct buf version = {0}, frame = {0};
    struct frames_head head = {.entry = replica->entry, .takes_path = replica->takes_path, .founding = founding};
    head.has_saved = replica->entry.path && file->path && file->text && file->hash_known;
    if (head.has_saved) {
        replica_encode_version(replica, &file->version, &version);
        head.saved = (struct journal_saved){.dev = file->stamp.dev, .ino = file->stamp.ino,
                                            .size = file->stamp.exists ? file->stamp.size : 0,
                                            .mtime_ns = file->stamp.mtime_ns, .time_s = replica->entry.opened_s,
                                            .hash = file->hash, .version = buf_view(&version)};
    }
    frames_put_founding(&head, &frame);
    tail_put(replica->tail, buf_view(&frame));
    crypto_wipe(frame.data, frame.len);
    buf_release(&frame);
    buf_release(&version);
}

void replica_tail_begin(struct replica *replica)
{
    struct buf founding = {0};
    if (wants_tail(replica) && replica_encode_founding(replica, FOUNDING_BYTES_MAX, &founding)) {
        struct seal_key key;
        char *dir = paths_state_file(&replica->env->paths, LEFT_FOUNDING_DIR);
        device_tail_key(&replica->env->device, &key);
        pthread_mutex_lock(&replica->tail_lock);
        replica->tail = tail_new(dir, &replica->agent, &key);
        replica->tail_ticket = 0;
        put_head(replica, buf_view(&founding));
        pthread_mutex_unlock(&replica->tail_lock);
        crypto_wipe(&key, sizeof key);
        free(dir);
    }
    buf_release(&founding);
}

void replica_put_row_frame(struct tail *tail, const struct journal_local *row)
{
    struct buf frame = {0};
    frames_put_row(row, &frame);
    tail_put(tail, buf_view(&frame));
    buf_release(&frame);
}

uint64_t replica_give_row(struct replica *replica, const struct journal_local *row, struct journal_done done)
{
    /* Under the lock: the row may be committed, and `done` have freed what it points to, before the ticket is back. */
    pthread_mutex_lock(&replica->tail_lock);
    if (replica->tail)
        replica_put_row_frame(replica->tail, row);
    replica_advance_put(replica, row);
    uint64_t ticket = journal_writer_local(replica->writer, row, true, done);
    replica->tail_ticket = ticket;
    pthread_mutex_unlock(&replica->tail_lock);
    return ticket;
}

bool replica_tail_hold(struct replica *replica)
{
    struct error ignored = {0}; /* the journal is waited for then, and says itself what is wrong with the disk */
    pthread_mutex_lock(&replica->tail_lock);
    bool held = replica->tail && tail_write(replica->tail, &ignored);
    pthread_mutex_unlock(&replica->tail_lock);
    return held;
}

void replica_tail_committed(struct replica *replica, uint64_t ticket)
{
    pthread_mutex_lock(&replica->tail_lock);
    bool all = replica->tail_ticket <= ticket;
    struct tail *tail = all ? replica->tail : NULL;
    if (all)
        replica->tail = NULL;
    pthread_mutex_unlock(&replica->tail_lock);
    tail_end(tail); /* without the lock: removing a file may take a busy disk longer than a key may wait */
}

struct tail *replica_tail_take(struct replica *replica)
{
    pthread_mutex_lock(&replica->tail_lock);
    struct tail *tail = replica->tail;
    replica->tail = NULL;
    pthread_mutex_unlock(&replica->tail_lock);
    return tail;
}

void replica_tail_leave(struct replica *replica, bool kept)
{
    struct tail *tail = replica_tail_take(replica);
    if (kept)
        tail_end(tail);
    else
        tail_free(tail);
}
