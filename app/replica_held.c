/*
 * What is held: not merged, for that would take too long (app/replica_merge.c decides it), nor what builds on it. It is in the
 * journal, in memory too as far as there is room, and comes again with the next opening.
 *
 * Whether to hold is decided by this replica alone: the cost depends on what else came before. So it says whose edits they are,
 * that this copy lacks them, and how they are merged all the same. What this very device wrote is never held: it is this person's.
 *
 * Who is held is in a note of the journal, so that opening the document does not take what merging would have; the note has, too,
 * what is on its way for long. All windows of a person have one note: each takes out what it put in before and puts in what is so
 * now, in one transaction, and leaves what is another one's.
 *
 *     held     agent, first seq, why; and so on
 *
 * What a person wanted all the same is in it too (HELD_WANTED, and where that ends): it is not held again when it is merged anew,
 * nor because another window still holds it.
 */
#include "app/replica_ahead.h"
#include "app/replica_held.h"
#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"
#include "app/replica_unmerged.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

#define NOTE "held"

enum {
    HELD_MAX = 4096,          /* batches in memory, */
    HELD_BYTES_MAX = 8 << 20, /* and what they take */
    HELD_AGENTS_MAX = 4096,   /* whose batches are held */
    NOTED_MAX = 16384,        /* of all windows together, in the note */
    NAME_CELLS = 16,          /* of a name, in a sentence */
};

/* --- the note --- */

struct held_note {
    struct held_agent *before; /* what this window put in last */
    struct held_agent *now;
    size_t before_count, now_count;
};

static bool is_in(const struct held_agent *items, size_t count, const struct held_agent *one)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].from_seq == one->from_seq && (items[i].why == HELD_WANTED) == (one->why == HELD_WANTED) &&
            agent_id_equal(&items[i].agent, &one->agent))
            return true;
    return false;
}

static void add_to_note(struct buf *value, const struct held_agent *one)
{
    buf_add(value, one->agent.bytes, AGENT_ID_BYTES);
    buf_add_varint(value, one->from_seq);
    buf_add_byte(value, (unsigned char)one->why);
}

static bool read_noted(struct reader *reader, struct held_agent *one)
{
    *one = (struct held_agent){0};
    if (reader_left(reader) == 0)
        return false;
    read_into(reader, one->agent.bytes, sizeof one->agent.bytes);
    one->from_seq = read_varint(reader);
    unsigned why = read_byte(reader);
    one->why = (enum held_why)why;
    return !reader->failed && why <= HELD_WANTED;
}

/* What cannot be read is as if there were none: the next opening finds out again what takes long. */
static bool get_note(struct journal *journal, struct buf *value, struct error *err)
{
    bool found;
    if (journal_note_get(journal, NOTE, value, &found, err))
        return true;
    buf_clear(value);
    return err->code == ERR_AUTH || err->code == ERR_FORMAT;
}

static bool put_note(void *self, struct journal *journal, struct error *err)
{
    const struct held_note *note = self;
    struct buf old = {0}, value = {0};
    struct held_agent one;
    size_t count = note->now_count;
    bool good = get_note(journal, &old, err);
    for (size_t i = 0; i < note->now_count; i++)
        add_to_note(&value, &note->now[i]);
    for (struct reader reader = reader_of(buf_view(&old)); count < NOTED_MAX && read_noted(&reader, &one);) {
        if (is_in(note->before, note->before_count, &one) || is_in(note->now, note->now_count, &one))
            continue;
        add_to_note(&value, &one);
        count++;
    }
    good = good && journal_note_put(journal, NOTE, buf_view(&value), err);
    buf_release(&old);
    buf_release(&value);
    return good;
}

static void note_done(void *self, const struct journal_result *result)
{
    struct held_note *note = self;
    (void)result;
    free(note->before);
    free(note->now);
    free(note);
}

static struct held_agent *copy_of(const struct held_agent *items, size_t count)
{
    struct held_agent *copy = xcalloc(count + 1, sizeof *copy);
    if (count > 0)
        memcpy(copy, items, count * sizeof *copy);
    return copy;
}

void replica_note_held(struct replica *replica, bool slow)
{
    struct merging *merging = &replica->merging;
    if (!replica->writer)
        return;
    struct held_note *note = xcalloc(1, sizeof *note);
    note->now = xcalloc(merging->agent_count + merging->spender_count + 1, sizeof *note->now);
    for (size_t i = 0; i < merging->agent_count; i++)
        if (merging->agents[i].why != HELD_BEHIND) /* found out again when the rows are read */
            note->now[note->now_count++] = merging->agents[i];
    if (slow)
        note->now[note->now_count++] =
            (struct held_agent){.agent = merging->first.agent, .from_seq = merging->first.seq, .why = HELD_SLOW};
    for (size_t i = 0; i < merging->spender_count; i++)
        if (merging->spenders[i].wanted_upto > 0)
            note->now[note->now_count++] = (struct held_agent){
                .agent = merging->spenders[i].agent, .from_seq = merging->spenders[i].wanted_upto, .why = HELD_WANTED};
    note->before = merging->noted;
    note->before_count = merging->noted_count;
    merging->noted = copy_of(note->now, note->now_count);
    merging->noted_count = note->now_count;
    journal_writer_run(replica->writer, put_note, note, (struct journal_done){note_done, note});
}

/* --- whose --- */

/* Where this agent's stand or would stand: the first of them. */
static size_t held_index(const struct merging *merging, const struct agent_id *agent)
{
    size_t at;
    BISECT(at, merging->agent_count, agent_id_compare(&merging->agents[at].agent, agent) < 0);
    return at;
}

static bool is_of(const struct merging *merging, size_t at, const struct agent_id *agent)
{
    return at < merging->agent_count && agent_id_equal(&merging->agents[at].agent, agent);
}

/* Those who only build on something held are recognized without being known: by what their batches lack. */
static void make_room(struct merging *merging)
{
    size_t last = merging->agent_count;
    merging->agents_more = true;
    while (last > 0 && merging->agents[last - 1].why != HELD_BEHIND)
        last--;
    if (last == 0)
        return;
    memmove(merging->agents + last - 1, merging->agents + last, (merging->agent_count - last) * sizeof *merging->agents);
    merging->agent_count--;
}

static void hold_agent(struct merging *merging, const struct agent_id *agent, uint64_t seq, enum held_why why)
{
    if (merging->agent_count == HELD_AGENTS_MAX && why != HELD_BEHIND)
        make_room(merging);
    if (merging->agent_count == HELD_AGENTS_MAX) {
        merging->agents_more = true;
        return;
    }
    size_t at = held_index(merging, agent);
    merging->agents = xgrow(merging->agents, &merging->agent_cap, merging->agent_count + 1, sizeof *merging->agents);
    memmove(merging->agents + at + 1, merging->agents + at, (merging->agent_count - at) * sizeof *merging->agents);
    merging->agents[at] = (struct held_agent){.agent = *agent, .from_seq = seq, .why = why};
    merging->agent_count++;
}

static void remember_noted(struct merging *merging, const struct held_agent *one)
{
    merging->noted = xgrow(merging->noted, &merging->noted_cap, merging->noted_count + 1, sizeof *merging->noted);
    merging->noted[merging->noted_count++] = *one;
}

static bool is_wanted(const struct merging *merging, const struct held_agent *one)
{
    for (size_t i = 0; i < merging->spender_count; i++)
        if (agent_id_equal(&merging->spenders[i].agent, &one->agent))
            return one->from_seq < merging->spenders[i].wanted_upto;
    return false;
}

/* Who only looks has no screen to come back to: for him what is slow is as the rest. */
bool replica_restore_held(struct replica *replica, struct error *err)
{
    struct buf value = {0};
    struct held_agent one;
    bool good = replica->audits || get_note(replica->journal_found, &value, err);
    for (struct reader reader = reader_of(buf_view(&value)); good && read_noted(&reader, &one);)
        if (one.why == HELD_WANTED)
            replica_merge_want(replica, &one.agent, one.from_seq);
    for (struct reader reader = reader_of(buf_view(&value)); good && read_noted(&reader, &one);) {
        bool is_here = one.from_seq < document_next_seq(replica_history(replica), &one.agent);
        if (!is_here && !is_wanted(&replica->merging, &one) && (one.why <= HELD_BEHIND || !replica->reads_only))
            hold_agent(&replica->merging, &one.agent, one.from_seq, one.why);
        remember_noted(&replica->merging, &one); /* from now on it is for this window, too, to take out */
    }
    buf_release(&value);
    return good;
}

static bool is_held(const struct merging *merging, const struct event_id *event)
{
    for (size_t i = held_index(merging, &event->agent); is_of(merging, i, &event->agent); i++)
        if (event->seq >= merging->agents[i].from_seq)
            return true;
    return false;
}

/* Something that it builds on is not here. Where some who are held are not known, it is taken to be held. */
static bool lacks_something(struct replica *replica, const struct batch *batch)
{
    struct document *document = replica_history(replica);
    bool lacks = batch->seq0 > document_next_seq(document, &batch->agent);
    for (size_t i = 0; !lacks && i < batch->parent_count; i++)
        lacks = batch->parents[i].seq >= document_next_seq(document, &batch->parents[i].agent);
    return lacks;
}

/* Its author's earlier ones, or something that it builds on. */
static bool belongs_to_held(struct replica *replica, const struct batch *batch)
{
    struct merging *merging = &replica->merging;
    struct event_id id = {batch->agent, batch->seq0};
    if (merging->agent_count == 0)
        return false;
    if (is_held(merging, &id))
        return true;
    for (size_t i = 0; i < batch->parent_count; i++) {
        if (!is_held(merging, &batch->parents[i]))
            continue;
        hold_agent(merging, &batch->agent, batch->seq0, HELD_BEHIND);
        return true;
    }
    return merging->agents_more && lacks_something(replica, batch);
}

/* --- the batches --- */

static void note_upto(struct merging *merging, const struct batch *batch)
{
    uint64_t upto = batch->seq0 + batch->count;
    for (size_t i = held_index(merging, &batch->agent); is_of(merging, i, &batch->agent); i++)
        if (merging->agents[i].upto_seq < upto)
            merging->agents[i].upto_seq = upto;
}

static void keep(struct merging *merging, const struct batch *batch)
{
    note_upto(merging, batch);
    for (size_t i = 0; i < merging->held_count; i++)
        if (agent_id_equal(&merging->held[i].agent, &batch->agent) && merging->held[i].seq0 == batch->seq0)
            return; /* from the room and from the journal */
    uint64_t bytes = replica_bytes_of(batch);
    if (merging->held_count == HELD_MAX || merging->held_bytes + bytes > HELD_BYTES_MAX) {
        merging->held_more = true;
        return;
    }
    merging->held_bytes += bytes;
    merging->held = xgrow(merging->held, &merging->held_cap, merging->held_count + 1, sizeof *merging->held);
    struct batch *held = &merging->held[merging->held_count++];
    *held = (struct batch){0};
    batch_copy(held, batch);
}

static const struct held_agent *whose_it_is(const struct merging *merging)
{
    for (size_t i = 0; i < merging->agent_count; i++)
        if (merging->agents[i].why == HELD_COSTLY)
            return &merging->agents[i];
    return NULL;
}

static void name_of(const struct replica *replica, const struct agent_id *agent, struct buf *out)
{
    unicode_safe_label(bytes_of_string(replica_name_of(replica, agent, "somebody")), NAME_CELLS, out);
}

bool replica_hold_behind(struct replica *replica, const struct batch *batch)
{
    if (!belongs_to_held(replica, batch))
        return false;
    keep(&replica->merging, batch);
    return true;
}

void replica_hold_costly(struct replica *replica, const struct batch *batch)
{
    struct merging *merging = &replica->merging;
    struct buf name = {0};
    hold_agent(merging, &batch->agent, batch->seq0, HELD_COSTLY);
    keep(merging, batch);
    replica_note_held(replica, false);
    name_of(replica, &batch->agent, &name);
    replica_say(replica, "Edits of %s would take too long to merge: they wait, and this copy lacks them.%s", buf_string(&name),
                replica_key_hint(replica, " Alt+H merges them all the same."));
    buf_release(&name);
    replica_touch(replica);
}

uint64_t replica_held_upto(const struct replica *replica, const struct agent_id *agent)
{
    const struct merging *merging = &replica->merging;
    uint64_t upto = 0;
    for (size_t i = held_index(merging, agent); is_of(merging, i, agent); i++)
        if (merging->agents[i].upto_seq > upto)
            upto = merging->agents[i].upto_seq;
    return upto;
}

/* Those that are in the journal alone come by reading that again. */
void replica_offer_held(struct replica *replica, bool keep_costly)
{
    struct merging *merging = &replica->merging;
    size_t kept = 0;
    for (size_t i = 0; keep_costly && i < merging->agent_count; i++)
        if (merging->agents[i].why == HELD_COSTLY && replica_is_of_another_device(replica, &merging->agents[i].agent))
            merging->agents[kept++] = merging->agents[i];
    merging->agent_count = kept;
    for (size_t i = 0; i < merging->held_count; i++) {
        replica_keep_early(replica, &merging->held[i]);
        batch_release(&merging->held[i]);
    }
    if (merging->held_more) {
        replica->place_read = 0;
        replica->neighbour_rows_due = true;
    }
    merging->held_count = 0;
    merging->held_bytes = 0;
    merging->held_more = merging->agents_more = false;
    merging->pending = true;
    replica_touch(replica);
}

bool replica_merge_held(struct replica *replica)
{
    struct merging *merging = &replica->merging;
    if (!whose_it_is(merging))
        return false;
    for (size_t i = 0; i < merging->agent_count; i++) /* also those who build on it: it is what they take long for */
        replica_merge_grant(replica, &merging->agents[i].agent, merging->agents[i].upto_seq);
    replica_offer_held(replica, false);
    if (!replica->reads_only)
        replica_begin_writing(replica); /* so that it is not held again when the document is opened the next time */
    replica_note_held(replica, false);
    return true;
}

void replica_forget_held(struct replica *replica)
{
    struct merging *merging = &replica->merging;
    for (size_t i = 0; i < merging->held_count; i++)
        batch_release(&merging->held[i]);
    free(merging->held);
    free(merging->agents);
    free(merging->spenders);
    free(merging->noted);
    *merging = (struct merging){0};
}

/* --- saying it --- */

static size_t costly_count(const struct merging *merging)
{
    size_t count = 0;
    for (size_t i = 0; i < merging->agent_count; i++)
        count += merging->agents[i].why == HELD_COSTLY;
    return count;
}

bool replica_name_held(const struct replica *replica, struct buf *out)
{
    const struct held_agent *held = whose_it_is(&replica->merging);
    size_t others = costly_count(&replica->merging);
    struct buf name = {0};
    if (!held)
        return false;
    name_of(replica, &held->agent, &name);
    if (--others == 0)
        buf_addf(out, "%s's edits are", buf_string(&name));
    else
        buf_addf(out, "Edits of %s and %zu other%s are", buf_string(&name), others, others == 1 ? "" : "s");
    buf_release(&name);
    return true;
}

void replica_merging(const struct replica *replica, struct buf *remark)
{
    const struct merging *merging = &replica->merging;
    const struct held_agent *held = whose_it_is(merging);
    struct buf name = {0};
    if (merging->on && merging->said) {
        buf_addf(remark, "merging %u %%", merging->percent);
    } else if (replica_unmerged_comes(replica)) {
        buf_addf(remark, "merging %u %%", replica_unmerged_percent(replica));
    } else if (held) {
        name_of(replica, &held->agent, &name);
        buf_addf(remark, "%s's edits held", buf_string(&name));
    }
    buf_release(&name);
}
