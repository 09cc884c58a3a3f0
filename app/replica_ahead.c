/*
 * A joiner's text ahead of its history (sync/ahead.h): a checkpoint's, shown and edited before anything of the history is here.
 *
 * While it is so, replica->document is the one that is typed on, replica->base the checkpoint's text, and what comes from the
 * room goes into replica->history, which nobody sees. What is typed is not sent and has no rows: should the checkpoint be false,
 * nobody has built on it. The journal keeps it as notes:
 *
 *     ahead            the agent that wrote the checkpoint; the CHECKPOINT's plaintext
 *     ahead/text/N     chunk N of its text
 *     ahead/typed/N    agent, first seq, batch N in its canonical form
 *
 * When the history has the checkpoint's version, the two are compared, and one transaction turns the notes into rows
 * (replica_landing.c).
 */
#include "app/replica_ahead.h"
#include "app/replica_journal.h"
#include "app/replica_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum {
    CHUNKS_AT_ONCE = 8, /* of the text, in one transaction */
    NAME_CELLS = 16,    /* of a name, in a sentence */
};

#define NOTE REPLICA_AHEAD_NOTE

struct rope *replica_first_text(const struct replica *replica)
{
    return replica->ahead ? replica->history_base : replica->base;
}

void replica_set_first_text(struct replica *replica, struct rope *base)
{
    document_free(replica->history);
    rope_free(replica->history_base);
    replica->history = document_new(base);
    replica->history_base = base;
}

void replica_coming(const struct replica *replica, struct buf *remark)
{
    struct buf name = {0};
    if (replica->ahead) {
        unicode_safe_label(bytes_of_string(replica_name_of(replica, ahead_by(replica->ahead), "somebody")), NAME_CELLS, &name);
        buf_addf(remark, "unchecked: %s's copy", buf_string(&name));
    } else if (replica->joining) {
        buf_add_string(remark, "joining");
    } else if (replica->history_due) {
        buf_add_string(remark, "history coming");
    }
    buf_release(&name);
}

uint64_t replica_ahead_edits(const struct replica *replica)
{
    return replica->ahead ? ahead_batches(replica->ahead)->count : 0;
}

/* --- notes --- */

/* A piece of the text, or the word whose it is, or a batch; and all of them away again. */
struct note_job {
    char *name; /* of the first of them; with several a number follows */
    struct rope *text;
    uint64_t from, until; /* chunks of the text */
    struct buf value;
};

static void note_done(void *self, const struct journal_result *result)
{
    struct note_job *job = self;
    (void)result;
    free(job->name);
    rope_free(job->text);
    buf_release(&job->value);
    free(job);
}

static bool put_note(void *self, struct journal *journal, struct error *err)
{
    const struct note_job *job = self;
    return journal_note_put(journal, job->name, buf_view(&job->value), err);
}

static bool put_chunks(void *self, struct journal *journal, struct error *err)
{
    const struct note_job *job = self;
    bool good = true;
    for (uint64_t n = job->from; good && n < job->until; n++) {
        struct buf chunk = {0};
        char *name = xformat(NOTE "/text/%llu", (unsigned long long)n);
        uint64_t at = n * CHECKPOINT_CHUNK_BYTES, left = rope_len(job->text) - at;
        rope_append_to(job->text, at, left < CHECKPOINT_CHUNK_BYTES ? left : CHECKPOINT_CHUNK_BYTES, &chunk);
        good = journal_note_put(journal, name, buf_view(&chunk), err);
        free(name);
        buf_release(&chunk);
    }
    return good;
}

/* In this order: what is typed later is behind it. */
static void keep_checkpoint(struct replica *replica)
{
    const struct ahead *ahead = replica->ahead;
    uint64_t parts = checkpoint_parts(rope_len(ahead_text(ahead)));
    for (uint64_t from = 0; from < parts; from += CHUNKS_AT_ONCE) {
        struct note_job *job = xcalloc(1, sizeof *job);
        *job = (struct note_job){.text = rope_snapshot(ahead_text(ahead)), .from = from,
                                 .until = from + CHUNKS_AT_ONCE < parts ? from + CHUNKS_AT_ONCE : parts};
        journal_writer_run(replica->writer, put_chunks, job, (struct journal_done){note_done, job});
    }
    struct note_job *job = xcalloc(1, sizeof *job);
    job->name = xstrdup(NOTE);
    buf_add(&job->value, ahead_by(ahead)->bytes, AGENT_ID_BYTES);
    checkpoint_encode(ahead_checkpoint(ahead), &job->value);
    journal_writer_run(replica->writer, put_note, job, (struct journal_done){note_done, job});
}

void replica_ahead_commit(struct replica *replica, const struct batch_list *batches)
{
    size_t number = ahead_wrote(replica->ahead, batches);
    for (size_t i = 0; i < batches->count && replica->writer; i++) {
        const struct batch *batch = &batches->items[i];
        struct note_job *job = xcalloc(1, sizeof *job);
        job->name = xformat(NOTE "/typed/%zu", number + i);
        buf_add(&job->value, batch->agent.bytes, AGENT_ID_BYTES);
        buf_add_varint(&job->value, batch->seq0);
        batch_encode(batch, &job->value);
        replica->last_ticket = journal_writer_run(replica->writer, put_note, job, (struct journal_done){note_done, job});
    }
}

/* --- a checkpoint is here --- */

static void add_text(struct patch *patch, const struct rope *text)
{
    for (uint64_t at = 0; at < rope_len(text);) {
        struct bytes chunk = rope_chunk(text, at);
        patch_insert(patch, chunk);
        at += chunk.len;
    }
}

void replica_show_text(struct replica *replica, const struct rope *text)
{
    struct patch patch = {0};
    struct line_diff summary;
    if (rope_len(replica->buffer.text) == 0)
        add_text(&patch, text);
    else
        line_diff(replica->buffer.text, text, &patch, &summary);
    buffer_apply(&replica->buffer, &patch, ORIGIN_REMOTE);
    replica->view.cursor = replica->buffer.selection.head;
    replica->view.anchor = replica->buffer.selection.anchor;
    patch_release(&patch);
}

static void enter(struct replica *replica, struct ahead *ahead)
{
    replica->history = replica->document;
    replica->history_base = replica->base;
    replica->ahead = ahead;
    replica->document = ahead_document(ahead);
    replica->base = rope_snapshot(ahead_text(ahead));
    replica_show_text(replica, ahead_text(ahead));
}

/* Who knows under which name we write could say that we had written before. */
static bool speaks_of_us(const struct replica *replica, const struct checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->count; i++)
        if (replica_is_mine(replica, &checkpoint->heads[i].event.agent) ||
            agent_id_equal(&replica->agent, &checkpoint->heads[i].event.agent))
            return true;
    return false;
}

/* Two of a person's windows that typed ahead would each bring in what the other one had typed. One that is at it goes on; others
   wait. */
static bool others_write(const struct replica *replica, struct journal *journal)
{
    struct journal_agent *agents = NULL;
    size_t count = 0;
    struct error ignored = {0};
    bool others = journal && !journal_agents(journal, &agents, &count, &ignored); /* what cannot be found out counts as one */
    for (size_t i = 0; i < count && !others; i++)
        others = !agent_id_equal(&agents[i].owner, &replica->agent) && replica_agent_lives(replica, &agents[i].owner);
    free(agents);
    return others;
}

void replica_take_checkpoint(struct replica *replica, const struct checkpoint *checkpoint, const struct agent_id *by,
                             const struct rope *text)
{
    if (!replica->joining || replica->ahead || speaks_of_us(replica, checkpoint) || others_write(replica, replica->reader))
        return;
    enter(replica, ahead_new(checkpoint, text, by));
    buffer_select(&replica->buffer, selection_at(0));
    if (replica->writer)
        keep_checkpoint(replica);
    replica_touch(replica);
}

/* --- as the journal has it --- */

static bool get_note(struct journal *journal, const char *kind, uint64_t number, struct buf *out, bool *found, struct error *err)
{
    char *name = xformat(NOTE "/%s/%llu", kind, (unsigned long long)number);
    bool good = journal_note_get(journal, name, out, found, err);
    free(name);
    return good;
}

static bool load_text(struct journal *journal, uint64_t len, struct buf *text, bool *found, struct error *err)
{
    *found = true;
    for (uint64_t n = 0; *found && n < checkpoint_parts(len); n++)
        if (!get_note(journal, "text", n, text, found, err))
            return false;
    return true;
}

/* Up to the first that is not there, or does not follow. */
static bool load_typed(struct journal *journal, struct ahead *ahead, struct error *err)
{
    bool more = true;
    for (uint64_t n = 0; more; n++) {
        struct buf note = {0};
        struct batch batch = {0};
        struct agent_id agent;
        struct error ignored = {0};
        if (!get_note(journal, "typed", n, &note, &more, err))
            return false;
        struct reader reader = reader_of(buf_view(&note));
        read_into(&reader, agent.bytes, sizeof agent.bytes);
        uint64_t seq0 = read_varint(&reader);
        more = more && batch_decode(read_bytes(&reader, reader_left(&reader)), &agent, seq0, &batch, &ignored) &&
               ahead_restore(ahead, &batch);
        batch_release(&batch);
        buf_release(&note);
    }
    return true;
}

static bool load(struct replica *replica, struct bytes note, struct ahead **out, struct error *err)
{
    struct journal *journal = replica->journal_found;
    struct reader reader = reader_of(note);
    struct checkpoint checkpoint;
    struct agent_id by;
    struct buf text = {0};
    bool found = false;
    read_into(&reader, by.bytes, sizeof by.bytes);
    if (!checkpoint_decode(read_bytes(&reader, reader_left(&reader)), &checkpoint) || speaks_of_us(replica, &checkpoint))
        return error_set(err, ERR_FORMAT, 0, "a checkpoint that the journal keeps cannot be read");
    bool good = load_text(journal, checkpoint.text_len, &text, &found, err);
    struct rope *rope = rope_from_bytes(buf_view(&text));
    if (good && found && checkpoint_has_text(&checkpoint, rope)) {
        *out = ahead_new(&checkpoint, rope, &by);
        good = load_typed(journal, *out, err);
    }
    rope_free(rope);
    buf_release(&text);
    return good;
}

bool replica_restore_ahead(struct replica *replica, struct error *err)
{
    struct buf note = {0};
    struct ahead *ahead = NULL;
    bool found = false;
    bool good = replica->audits || journal_note_get(replica->journal_found, NOTE, &note, &found, err);
    if (good && found && (replica->reads_only || !others_write(replica, replica->journal_found)))
        good = load(replica, buf_view(&note), &ahead, err);
    buf_release(&note);
    if (good && ahead)
        enter(replica, ahead);
    else
        ahead_free(ahead);
    return good;
}
