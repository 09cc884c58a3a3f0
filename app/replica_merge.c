/*
 * Whose turn it is to be merged.
 *
 * To merge a batch costs as much as its author had not seen of what others wrote, and as they had not seen of his: mostly microseconds,
 * but a key of somebody who was away for a year can take a second, and a hostile writer makes it take what he likes. So batches
 * are merged one by one, in the order in which they came, and before each is added its way is gone in portions
 * (document_approach()): a turn takes TURN_MS, then the keys of this person and the screen have theirs. What came after it waits
 * meanwhile, in the queue it came in or among what is early.
 *
 *     batch --> its way, in portions --> added, the text brought up to date
 *                  |
 *                  +--> more than merge_steps_max for this author --> held
 *
 * What is held is not merged, nor is what builds on it; it is in the journal, in memory too as far as there is room, and comes
 * again with the next opening. Whether to hold is
 * decided here and by this replica alone: the cost depends on what else came before. So it says whose edits they are, that this copy
 * lacks them, and how they are merged all the same. Who is held is in a note of the journal, so that opening the document does not
 * take what merging would have; the note has, too, what is on its way for long.
 *
 *     held     agent, first seq, why; and so on
 */
#include "app/replica_ahead.h"
#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

#define NOTE "held"

enum {
    PORTION_STEPS = 500,     /* some 0.05 ms, ten times that where caches miss: between them it is looked at the clock */
    STEPS_PER_EVENT = 1000,  /* of those that were merged: that much more is granted */
    SPENDERS = 4,            /* so many may take all that one may; after that, as one may have any number of agents, */
    MEAN = 100,              /* the hundredth of it is too much for who has written */
    NEWCOMER = 100,          /* fewer events than that */
    SLOW_MS = 200,           /* on its way for longer: it is said, and noted */
    HELD_MAX = 4096,         /* batches in memory, */
    HELD_BYTES_MAX = 8 << 20, /* and what they take */
    HELD_AGENTS_MAX = 4096,  /* whose batches are held */
    NAME_CELLS = 16,         /* of a name, in a sentence */
};

static struct event_id id_of(const struct batch *batch)
{
    return (struct event_id){batch->agent, batch->seq0};
}

static bool is_on_its_way(const struct merging *merging, const struct batch *batch)
{
    return merging->on && agent_id_equal(&merging->first.agent, &batch->agent) && merging->first.seq == batch->seq0;
}

static size_t find_spender(struct merging *merging, const struct agent_id *agent)
{
    for (size_t i = 0; i < merging->spender_count; i++)
        if (agent_id_equal(&merging->spenders[i].agent, agent))
            return i;
    merging->spenders = xgrow(merging->spenders, &merging->spender_cap, merging->spender_count + 1, sizeof *merging->spenders);
    merging->spenders[merging->spender_count] = (struct spender){.agent = *agent};
    return merging->spender_count++;
}

/* --- the note --- */

struct held_note {
    struct buf value;
};

static bool put_note(void *self, struct journal *journal, struct error *err)
{
    const struct held_note *note = self;
    return journal_note_put(journal, NOTE, buf_view(&note->value), err);
}

static void note_done(void *self, const struct journal_result *result)
{
    struct held_note *note = self;
    (void)result;
    buf_release(&note->value);
    free(note);
}

static void add_to_note(struct buf *value, const struct agent_id *agent, uint64_t seq, enum held_why why)
{
    buf_add(value, agent->bytes, AGENT_ID_BYTES);
    buf_add_varint(value, seq);
    buf_add_byte(value, (unsigned char)why);
}

static void keep_note(struct replica *replica, bool slow)
{
    const struct merging *merging = &replica->merging;
    if (!replica->writer)
        return;
    struct held_note *note = xcalloc(1, sizeof *note);
    for (size_t i = 0; i < merging->agent_count; i++)
        if (merging->agents[i].why != HELD_BEHIND) /* found out again when the rows are read */
            add_to_note(&note->value, &merging->agents[i].agent, merging->agents[i].from_seq, merging->agents[i].why);
    if (slow)
        add_to_note(&note->value, &merging->first.agent, merging->first.seq, HELD_SLOW);
    journal_writer_run(replica->writer, put_note, note, (struct journal_done){note_done, note});
}

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

/* Who only looks has no screen to come back to: for him what is slow is as the rest. */
bool replica_restore_held(struct replica *replica, struct error *err)
{
    struct buf value = {0};
    bool found = false;
    bool good = replica->audits || journal_note_get(replica->journal_found, NOTE, &value, &found, err);
    struct reader reader = reader_of(buf_view(&value));
    while (good && found && reader_left(&reader) > 0) {
        struct agent_id agent;
        read_into(&reader, agent.bytes, sizeof agent.bytes);
        uint64_t seq = read_varint(&reader);
        unsigned why = read_byte(&reader);
        if (reader.failed)
            break;
        bool is_here = seq < document_next_seq(replica_history(replica), &agent);
        if (!is_here && (why <= HELD_BEHIND || !replica->reads_only))
            hold_agent(&replica->merging, &agent, seq, (enum held_why)why);
    }
    buf_release(&value);
    return good;
}

/* --- what is held --- */

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
    struct event_id id = id_of(batch);
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

static void note_upto(struct merging *merging, const struct batch *batch)
{
    uint64_t upto = batch->seq0 + batch->count;
    for (size_t i = held_index(merging, &batch->agent); is_of(merging, i, &batch->agent); i++)
        if (merging->agents[i].upto_seq < upto)
            merging->agents[i].upto_seq = upto;
}

static uint64_t bytes_of_batch(const struct batch *batch)
{
    return sizeof *batch + batch->parent_count * sizeof *batch->parents + batch->undo_count * sizeof *batch->undo +
           batch->ops.len + batch->text.len;
}

static void hold(struct merging *merging, const struct batch *batch)
{
    note_upto(merging, batch);
    for (size_t i = 0; i < merging->held_count; i++)
        if (agent_id_equal(&merging->held[i].agent, &batch->agent) && merging->held[i].seq0 == batch->seq0)
            return; /* from the room and from the journal */
    uint64_t bytes = bytes_of_batch(batch);
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

static void hold_costly(struct replica *replica, const struct batch *batch)
{
    struct merging *merging = &replica->merging;
    struct buf name = {0};
    hold_agent(merging, &batch->agent, batch->seq0, HELD_COSTLY);
    hold(merging, batch);
    merging->on = false;
    keep_note(replica, false);
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

/* Offers them again, as what is early, those that are in the journal alone by reading that again. */
static void offer_held(struct replica *replica, bool keep_costly)
{
    struct merging *merging = &replica->merging;
    size_t kept = 0;
    for (size_t i = 0; keep_costly && i < merging->agent_count; i++)
        if (merging->agents[i].why == HELD_COSTLY)
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
    for (size_t i = 0; i < merging->agent_count; i++) { /* also those who build on it: it is what they take long for */
        size_t spender = find_spender(merging, &merging->agents[i].agent);
        merging->spenders[spender].granted = true;
    }
    offer_held(replica, false);
    if (!replica->reads_only)
        replica_begin_writing(replica); /* so that it is not held again when the document is opened the next time */
    keep_note(replica, false);
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
    *merging = (struct merging){0};
}

/* --- what it costs --- */

static bool is_absurd(const struct replica *replica, const struct approach_state *state)
{
    const struct merging *merging = &replica->merging;
    const struct spender *spender = &merging->spenders[merging->spender];
    uint64_t steps = state->steps > state->least ? state->steps : state->least, max = replica->merge_steps_max;
    if (merging->spent > max * SPENDERS && spender->is_new)
        max /= MEAN;
    return !spender->granted && spender->steps + steps > max + STEPS_PER_EVENT * spender->events;
}

/* --- the turn --- */

void replica_merge_begin_turn(struct replica *replica, uint64_t until_ms)
{
    struct merging *merging = &replica->merging;
    merging->until_ms = until_ms;
    if (merging->live)
        return;
    merging->live = true;
    if (merging->agent_count > 0) /* what was slow when weft ended goes on now, or comes again */
        offer_held(replica, true);
}

/* Whoever builds on what a person wanted has it in his way. */
static bool builds_on_granted(const struct merging *merging, const struct batch *batch)
{
    for (size_t i = 0; i < merging->spender_count; i++)
        for (size_t j = 0; merging->spenders[i].granted && j < batch->parent_count; j++)
            if (agent_id_equal(&merging->spenders[i].agent, &batch->parents[j].agent))
                return true;
    return false;
}

static void begin_way(struct replica *replica, const struct batch *batch)
{
    struct merging *merging = &replica->merging;
    merging->on = true;
    merging->document = replica->document;
    merging->first = id_of(batch);
    merging->spender = find_spender(merging, &batch->agent);
    merging->spenders[merging->spender].is_new = batch->seq0 < NEWCOMER;
    merging->spenders[merging->spender].granted |= builds_on_granted(merging, batch);
    merging->since_ms = net_now_ms();
    merging->percent = 0;
    merging->said = false;
}

static void show_way(struct replica *replica, const struct approach_state *state)
{
    struct merging *merging = &replica->merging;
    if (net_now_ms() < merging->since_ms + SLOW_MS)
        return;
    if (!merging->said)
        keep_note(replica, true);
    if (!merging->said || state->percent != merging->percent)
        replica_touch(replica);
    merging->said = true;
    merging->percent = state->percent;
}

static enum merge_turn go_on(struct replica *replica, const struct batch *batch)
{
    struct merging *merging = &replica->merging;
    do {
        if (document_approach(replica->document, batch, PORTION_STEPS))
            return MERGE_NOW;
        struct approach_state state = document_approach_state(replica->document);
        if (!merging->on)
            begin_way(replica, batch);
        merging->steps = state.steps;
        if (is_absurd(replica, &state)) {
            hold_costly(replica, batch);
            return MERGE_HELD;
        }
        show_way(replica, &state);
    } while (net_now_ms() < merging->until_ms);
    return MERGE_LATER;
}

enum merge_turn replica_merge_turn(struct replica *replica, const struct batch *batch)
{
    struct merging *merging = &replica->merging;
    if (belongs_to_held(replica, batch)) {
        hold(merging, batch);
        return MERGE_HELD;
    }
    if (!merging->live || replica->ahead)
        return MERGE_NOW;
    if (merging->on && merging->document != replica->document)
        merging->on = false; /* another document is in its place */
    if (merging->on && !is_on_its_way(merging, batch))
        return MERGE_LATER;
    return go_on(replica, batch);
}

static void end_way(struct replica *replica, const struct batch *batch)
{
    struct merging *merging = &replica->merging;
    struct spender *spender = &merging->spenders[merging->spender];
    uint64_t granted = STEPS_PER_EVENT * batch->count;
    spender->steps += merging->steps;
    spender->events += batch->count;
    if (!spender->granted && merging->steps > granted)
        merging->spent += merging->steps - granted;
    merging->on = false;
    if (merging->said)
        keep_note(replica, false);
    replica_touch(replica);
}

void replica_merged(struct replica *replica, const struct batch *batch, bool news)
{
    struct patch patch = {0};
    if (is_on_its_way(&replica->merging, batch))
        end_way(replica, batch);
    if (!news || !replica->merging.live || replica->ahead)
        return;
    replica_change_text(replica, &patch);
    replica->people_due = true;
    patch_release(&patch);
}

bool replica_is_merging(const struct replica *replica)
{
    return replica->merging.on || replica->merging.pending;
}

void replica_merging(const struct replica *replica, struct buf *remark)
{
    const struct merging *merging = &replica->merging;
    const struct held_agent *held = whose_it_is(merging);
    struct buf name = {0};
    if (merging->on && merging->said) {
        buf_addf(remark, "merging %u %%", merging->percent);
    } else if (held) {
        name_of(replica, &held->agent, &name);
        buf_addf(remark, "%s's edits held", buf_string(&name));
    }
    buf_release(&name);
}
