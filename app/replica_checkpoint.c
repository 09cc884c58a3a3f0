#include "app/replica_journal.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"
#include "app/replica_tidy.h"

#include <stdio.h>
#include <stdlib.h>

#include "editor/base/xalloc.h"

enum {
    CHECKPOINT_ROWS = 1000,     /* fewer are replayed faster than a checkpoint is worth, */
    CHECKPOINT_ROWS_SMALL = 64, /* but of a document with fewer events than this it takes a few milliseconds, */
    SMALL_EVENTS = 50000,       /* and rows that one covers take less space */
    EVENTS_AN_OP = 64,          /* few rows with many operations are due too, one more for so many events: it takes as long as
                                   the history is; who types has rows first */
    HISTORY_APART = JOURNAL_CHUNK_BYTES, /* a shorter one is read faster than it is asked for */
};

/*
 * What is encoded (everything sized): the document, the newest part of its hash chain, and the MEMBER records, for those rows are
 * not read again. A long history stands apart, as the journal's checkpoint's text: it is not read to show the document.
 */
bool replica_encode_checkpoint(struct replica *replica, struct encoded_checkpoint *out)
{
    struct buf part = {0};
    struct error ignored = {0};
    if (!document_read_history(replica->document, &ignored))
        return false;
    document_save(replica->document, &part);
    size_t front = document_saved_front(buf_view(&part), replica->base);
    if (part.len - front < HISTORY_APART)
        front = part.len;
    buf_add_sized(&out->front, bytes_slice(buf_view(&part), 0, front));
    buf_add_bytes(&out->history, bytes_slice(buf_view(&part), front, part.len - front));
    buf_clear(&part);
    bool good = chain_encode_newest(replica->chain, &part);
    buf_add_sized(&out->front, buf_view(&part));
    buf_add_varint(&out->front, replica->members.count);
    for (size_t i = 0; i < replica->members.count; i++)
        buf_add_sized(&out->front, buf_view(&replica->members.items[i]->stored));
    buf_release(&part);
    return good;
}

void replica_saved_document(const struct encoded_checkpoint *encoded, struct buf *out)
{
    struct reader reader = reader_of(buf_view(&encoded->front));
    buf_add_bytes(out, read_sized(&reader, SIZE_MAX));
    buf_add_bytes(out, buf_view(&encoded->history));
}

void encoded_checkpoint_release(struct encoded_checkpoint *encoded)
{
    buf_release(&encoded->front);
    buf_release(&encoded->history);
}

/* --- loading --- */

static bool load_members(struct replica *replica, struct reader *reader, struct error *err)
{
    uint64_t count = read_varint(reader);
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        struct bytes stored = read_sized(reader, RECORD_BYTES_MAX);
        if (!reader->failed && !replica_read_member(replica, stored, err))
            return false;
    }
    return reader_done(reader) || error_set(err, ERR_FORMAT, 0, "the members of a checkpoint cannot be read");
}

void replica_source_release(struct row_source *source)
{
    crypto_wipe(&source->device, sizeof source->device);
    crypto_wipe(&source->keys, sizeof source->keys);
    free(source->path);
    source->path = NULL;
}

/* The document is replayed from its rows the next time. Where that cannot be noted now, this time's replay is repeated then. */
static void distrust(void *self)
{
    const struct row_source *source = self;
    struct error ignored = {0};
    struct journal_spec spec = {.path = source->path, .mode = JOURNAL_WRITE, .doc = source->keys.doc};
    struct journal *journal = journal_open_on(&source->device, spec, &ignored);
    bool noted = journal && journal_checkpoints_drop(journal, &ignored);
    (void)noted;
    journal_close(journal);
}

static bool is_newest(struct journal *journal, uint64_t id)
{
    struct journal_checkpoint newest;
    struct error ignored = {0};
    return journal_checkpoint_newest(journal, &newest, &ignored) && newest.found && newest.id == id;
}

/* What the checkpoint that was loaded has besides its front. Where no newer one has taken its place it is damaged. */
static bool read_saved_history(void *self, struct buf *out, struct error *err)
{
    const struct row_source *source = self;
    struct journal_spec spec = {.path = source->path, .mode = JOURNAL_READ, .doc = source->keys.doc};
    struct journal *journal = journal_open_on(&source->device, spec, err);
    bool good = journal && journal_checkpoint_text(journal, &source->checkpoint, out, err);
    if (journal && !good && err->code == ERR_AUTH && !is_newest(journal, source->checkpoint.id))
        error_set(err, ERR_MISSING, 0, "a newer one has taken its place");
    journal_close(journal);
    return good;
}

/* The program is about to stop, and the journal may not have what was typed: it goes beside the file. */
static void put_beside(void *self)
{
    const struct row_source *source = self;
    const struct replica *replica = source->replica;
    struct error err = {0};
    char *written = NULL;
    if (replica->reads_only || !replica->file.path)
        return;
    if (replica_write_beside(replica->file.path, replica->buffer.text, &written, &err))
        fprintf(stderr, "weft: the text as it was on the screen is in %s\n", written);
    else
        fprintf(stderr, "weft: the text as it was on the screen cannot be written: %s\n", err.text);
    free(written);
}

/* Nobody asks it while the keys change: no session runs yet. */
void replica_set_source(struct replica *replica)
{
    struct row_source *source = &replica->rows;
    replica_source_release(source);
    source->replica = replica;
    source->device = replica->env->device;
    source->keys = replica->entry.keys;
    source->keys.doc = replica->entry.doc;
    source->path = env_journal_path(replica->env, &replica->entry.doc);
    chain_set_source(replica->chain, (struct chain_source){source, replica_read_digests});
    document_set_source(replica->document, (struct document_source){source, distrust, replica_read_history, read_saved_history,
                                                               put_beside});
}

static bool take_checkpoint(struct replica *replica, const struct journal_checkpoint *checkpoint, struct error *err)
{
    struct reader reader = reader_of(buf_view(&checkpoint->encoded));
    struct bytes document_part = read_sized(&reader, SIZE_MAX), chain_part = read_sized(&reader, SIZE_MAX);
    if (reader.failed)
        return error_set(err, ERR_FORMAT, 0, "a checkpoint cannot be read");
    bool apart = checkpoint->has_text && checkpoint->text.len == 0;
    struct buf whole = {0};
    buf_add_bytes(&whole, document_part);
    buf_add_bytes(&whole, buf_view(&checkpoint->text));
    struct document *document = apart ? document_load_front(document_part, replica->base, err)
                                      : document_load(buf_view(&whole), replica->base, err);
    buf_release(&whole);
    struct chain *chain = document ? chain_decode(&replica->entry.doc, chain_part, err) : NULL;
    if (!chain || !load_members(replica, &reader, err)) {
        document_free(document);
        chain_free(chain);
        return false;
    }
    replica_take_loaded(replica, document, chain);
    replica_set_source(replica);
    replica->rows.checkpoint = (struct journal_checkpoint){.has_text = checkpoint->has_text, .id = checkpoint->id,
                                                           .place = checkpoint->place, .encoded_len = checkpoint->encoded_len,
                                                           .text_len = checkpoint->text_len};
    return true;
}

bool replica_load_checkpoint(struct replica *replica, bool *found, struct error *err)
{
    struct journal_checkpoint checkpoint;
    *found = false;
    replica->fresh_ops = 0;
    if (!journal_checkpoint_front(replica->journal_found, &checkpoint, err))
        return false;
    struct error damaged = {0};
    if (checkpoint.found && !replica->joining && !replica->audits) {
        *found = take_checkpoint(replica, &checkpoint, &damaged);
        /* A checkpoint is only a short cut: without it all rows are replayed. */
        replica->place_read = replica->checkpoint_place = *found ? checkpoint.place : 0;
    }
    journal_checkpoint_release(&checkpoint);
    return true;
}

/* --- writing --- */

struct checkpoint_job {
    uint64_t place; /* of the newest row when the document was encoded */
    struct buf front;
    struct rope *history; /* NULL: it is in front */
    struct journal_checkpoint *written; /* NULL, or which one it has become: for who waits for the writer */
};

static bool checkpoint_run(void *self, struct journal *journal, struct error *err)
{
    struct checkpoint_job *job = self;
    return journal_checkpoint_put(journal, job->place, buf_view(&job->front), job->history, err) &&
           (!job->written || journal_checkpoint_newest(journal, job->written, err));
}

static void checkpoint_done(void *self, const struct journal_result *result)
{
    struct checkpoint_job *job = self;
    if (job->written && !result->ok)
        job->written->found = false;
    buf_release(&job->front);
    rope_free(job->history);
    free(job);
}

void replica_put_checkpoint(struct replica *replica, uint64_t place, struct encoded_checkpoint *encoded,
                            struct journal_checkpoint *written)
{
    struct checkpoint_job *job = xcalloc(1, sizeof *job);
    struct rope *history = encoded->history.len ? rope_from_bytes(buf_view(&encoded->history)) : NULL;
    *job = (struct checkpoint_job){place, encoded->front, history, written};
    if (written)
        *written = (struct journal_checkpoint){0};
    encoded->front = (struct buf){0};
    replica->checkpoint_place = place;
    replica->fresh_ops = 0;
    journal_writer_run(replica->writer, checkpoint_run, job, (struct journal_done){checkpoint_done, job});
}

bool replica_has_all_rows(const struct replica *replica)
{
    return replica->unread == 0 && replica->early_count == 0 && replica->merging.agent_count == 0 && !replica->base_lost &&
           !replica->ahead && !replica->unmerged;
}

bool replica_has_many_ops(const struct replica *replica)
{
    return replica->fresh_ops >= replica->fresh_ops_max + document_events(replica->document) / EVENTS_AN_OP;
}

static bool is_due(struct replica *replica)
{
    struct journal_writer_state state;
    journal_writer_state(replica->writer, &state);
    uint64_t rows = state.place > replica->checkpoint_place ? state.place - replica->checkpoint_place : 0;
    bool small = document_events(replica->document) < SMALL_EVENTS;
    bool many = rows >= (small ? CHECKPOINT_ROWS_SMALL : CHECKPOINT_ROWS) || replica_has_many_ops(replica);
    return !state.failing && many;
}

/* In as many turns as that takes: what is not read would stay as rows. What is on its way into the document is not waited for. */
static void read_all_rows(struct replica *replica)
{
    uint64_t before;
    do {
        before = replica->place_read;
        replica->neighbour_rows_due = false;
        replica_read_rows(replica);
    } while (replica->neighbour_rows_due && replica->place_read > before);
}

/*
 * The document holds every row this process has read or written. Rows of other processes that it has not read may lie in
 * between, so it is brought up to date first; it may know more than its place says, never less.
 */
void replica_checkpoint(struct replica *replica)
{
    struct encoded_checkpoint encoded = {0};
    if (!replica->writer || replica->is_private || replica->joining || replica->ahead || replica->unmerged || !is_due(replica))
        return;
    read_all_rows(replica);
    if (replica_has_all_rows(replica) && replica_encode_checkpoint(replica, &encoded))
        replica_put_checkpoint(replica, replica->place_read, &encoded, NULL);
    encoded_checkpoint_release(&encoded);
}
