/*
 * When the text as it is goes to the relay, for who joins (sync/checkpoint.h): nobody types, the relay has acknowledged
 * everything, and there has been more written since the last one than the text is long; so a text is uploaded once for every time
 * it was written.
 *
 * Who wrote last does it. He may have left: then it is somebody else who has written in this run, some time later, or else, later
 * again, who has it open and may write. A script that is alone does it before it ends, for nobody else may come for a long time.
 * Whoever hears that one has been posted, and his own relay tells him soon, does not.
 */
#include "app/replica_ahead.h"
#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

enum {
    POST_EVENTS_MIN = 4096, /* fewer come in a frame or two, whatever the text is: nobody would wait any shorter */
    POST_MS = 10000,        /* after the newest edit, by who made it, and a random part of as much on top of it */
    POST_OTHER_MS = 60000,  /* the same by others who wrote, */
    POST_READER_MS = 120000, /* and by those who did not */
};

#define NOTE "checkpoint-events"

/* --- how far there is one --- */

static bool put_note(void *self, struct journal *journal, struct error *err)
{
    return journal_note_put(journal, NOTE, buf_view(self), err);
}

static void note_done(void *self, const struct journal_result *result)
{
    (void)result;
    buf_release(self);
    free(self);
}

static void note_posted(struct replica *replica, uint64_t events)
{
    replica->posted_events = events;
    if (!replica->writer)
        return;
    struct buf *value = xcalloc(1, sizeof *value);
    buf_add_varint(value, events);
    journal_writer_run(replica->writer, put_note, value, (struct journal_done){note_done, value});
}

bool replica_load_posted(struct replica *replica, struct error *err)
{
    struct buf value = {0};
    bool found = false;
    bool good = journal_note_get(replica->journal_found, NOTE, &value, &found, err);
    struct reader reader = reader_of(buf_view(&value));
    replica->posted_events = good && found ? read_varint(&reader) : 0;
    buf_release(&value);
    return good;
}

void replica_hear_posted(struct replica *replica, struct bytes stored)
{
    struct record record;
    struct checkpoint checkpoint;
    struct error ignored = {0};
    if (record_decode(stored, &record, &ignored) && checkpoint_open(&record, &replica->entry.keys, &checkpoint, &ignored))
        note_posted(replica, checkpoint.events);
}

/* --- when --- */

static bool pays(const struct replica *replica)
{
    uint64_t events = document_events(replica->document), len = document_len(replica->document);
    uint64_t least = len > POST_EVENTS_MIN ? len : POST_EVENTS_MIN;
    /* who says more would keep others from posting */
    uint64_t posted = replica->posted_events <= events ? replica->posted_events : 0;
    return events - posted >= least;
}

static bool wrote_last(const struct replica *replica)
{
    struct version now = {0};
    document_version(replica->document, &now);
    bool did = now.count > 0 && replica_is_mine(replica, &now.heads[now.count - 1].agent);
    version_release(&now);
    return did;
}

static bool has_written(const struct replica *replica)
{
    return document_next_seq(replica->document, &replica->agent) > 0;
}

/* A script that wrote nothing is no witness. */
static bool may_post(const struct replica *replica)
{
    return !replica->ahead && !replica->joining && !replica->unmerged && replica->entry.keys.access >= ACCESS_WRITE &&
           (!replica->scripted || has_written(replica));
}

void replica_post_soon(struct replica *replica, uint64_t now_ms)
{
    replica->post_ms = 0;
    if (!replica->net || !may_post(replica) || !pays(replica))
        return;
    uint64_t wait_ms = wrote_last(replica) ? POST_MS : has_written(replica) ? POST_OTHER_MS : POST_READER_MS, random;
    crypto_random(&random, sizeof random);
    replica->post_ms = now_ms + wait_ms + random % wait_ms;
}

/* --- posting --- */

/* Names of both sides of a fork would have to be told apart; such documents do without. */
static bool describe(struct replica *replica, struct checkpoint *checkpoint)
{
    struct version now = {0};
    document_version(replica->document, &now);
    bool good = chain_forks(replica->chain) == 0 && now.count > 0 && now.count <= BATCH_PARENTS_MAX &&
                rope_len(replica->buffer.text) <= BASE_BYTES_MAX;
    for (size_t i = 0; good && i < now.count; i++) {
        checkpoint->heads[i].event = now.heads[i];
        good = chain_find(replica->chain, &now.heads[i], &checkpoint->heads[i].digest);
    }
    checkpoint->count = now.count;
    checkpoint->events = document_events(replica->document);
    version_release(&now);
    return good;
}

static bool relay_has_all(struct replica *replica)
{
    struct session_status status;
    replica_net_status(replica, &status);
    return status.caught_up && status.unacked_batches == 0 && status.lacking_batches == 0 && !replica->arrived &&
           replica->early_count == 0 && !replica_is_merging(replica) && !replica->text_due;
}

static bool is_online(const struct replica *replica)
{
    return replica->net && replica->net_status.state == SESSION_ONLINE;
}

static bool post(struct replica *replica)
{
    struct checkpoint checkpoint = {0};
    if (!describe(replica, &checkpoint))
        return false;
    net_post_checkpoint(replica->net, &checkpoint, replica->buffer.text);
    note_posted(replica, checkpoint.events);
    return true;
}

bool replica_post_last(struct replica *replica)
{
    return is_online(replica) && replica->net_status.peers == 1 && has_written(replica) && may_post(replica) && pays(replica) &&
           relay_has_all(replica) && post(replica);
}

void replica_post_handle(struct replica *replica, uint64_t now_ms)
{
    if (!replica->post_ms || now_ms < replica->post_ms)
        return;
    replica->post_ms = 0;
    if (!is_online(replica) || !may_post(replica) || !pays(replica))
        return; /* the next edit, or coming back, asks for it again */
    if (!relay_has_all(replica)) {
        replica->post_ms = now_ms + POST_MS;
        return;
    }
    (void)post(replica);
}
