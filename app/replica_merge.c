/*
 * Whose turn it is to be merged.
 *
 * To merge a batch costs as much as its author had not seen of what others wrote, and as they had not seen of his: mostly microseconds,
 * but a key of somebody who was away for a year can take a second, and a hostile writer makes it take what he likes. So batches
 * are merged one by one, in the order in which they came, and before each is added its way is gone in portions
 * (document_approach()): a turn takes TURN_MS, then the keys of this person and the screen have theirs. What came after it and was
 * written by somebody who has seen all that is in the text here goes in front of it; the rest waits meanwhile, among what is early.
 *
 *     batch --> its way, in portions --> added, the text brought up to date
 *                  |
 *                  +--> more than merge_steps_max for this author --> held
 *
 * What is held and what is said of it: app/replica_held.c.
 */
#include "app/replica_ahead.h"
#include "app/replica_held.h"
#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_parts.h"
#include "app/replica_unmerged.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

enum {
    PORTION_STEPS = 500,     /* some 0.05 ms, ten times that where caches miss: between them it is looked at the clock */
    STEPS_PER_EVENT = 1000,  /* of those that were merged: that much more is granted */
    SPENDERS = 4,            /* so many may take all that one may; after that, as one may have any number of agents, */
    MEAN = 100,              /* the hundredth of it is too much for who has written */
    NEWCOMER = 100,          /* fewer events than that */
    SLOW_MS = 200,           /* on its way for longer: it is said, and noted */
    SPENDERS_MAX = 1024,     /* are counted one by one */
};

static struct event_id id_of(const struct batch *batch)
{
    return (struct event_id){batch->agent, batch->seq0};
}

static bool is_on_its_way(const struct merging *merging, const struct batch *batch)
{
    return merging->on && agent_id_equal(&merging->first.agent, &batch->agent) && merging->first.seq == batch->seq0;
}

/* --- who took how much --- */

static size_t cheapest_spender(const struct merging *merging)
{
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < merging->spender_count; i++) {
        const struct spender *spender = &merging->spenders[i];
        bool stays = spender->granted || spender->wanted_upto > 0 || (merging->on && i == merging->spender);
        if (!stays && (least == SIZE_MAX || spender->steps < merging->spenders[least].steps))
            least = i;
    }
    return least;
}

/* Where there are too many, who took least is forgotten: what all took together is not. */
static size_t place_for_spender(struct merging *merging)
{
    size_t least = merging->spender_count >= SPENDERS_MAX ? cheapest_spender(merging) : SIZE_MAX;
    if (least != SIZE_MAX)
        return least;
    merging->spenders = xgrow(merging->spenders, &merging->spender_cap, merging->spender_count + 1, sizeof *merging->spenders);
    return merging->spender_count++;
}

static size_t find_spender(struct merging *merging, const struct agent_id *agent)
{
    for (size_t i = 0; i < merging->spender_count; i++)
        if (agent_id_equal(&merging->spenders[i].agent, agent))
            return i;
    size_t at = place_for_spender(merging);
    merging->spenders[at] = (struct spender){.agent = *agent};
    return at;
}

void replica_merge_want(struct replica *replica, const struct agent_id *agent, uint64_t upto_seq)
{
    size_t at = find_spender(&replica->merging, agent); /* may move them */
    struct spender *spender = &replica->merging.spenders[at];
    if (spender->wanted_upto < upto_seq)
        spender->wanted_upto = upto_seq;
}

void replica_merge_grant(struct replica *replica, const struct agent_id *agent, uint64_t upto_seq)
{
    replica_merge_want(replica, agent, upto_seq);
    size_t at = find_spender(&replica->merging, agent);
    replica->merging.spenders[at].granted = true;
}

/* --- what it costs --- */

/* Somebody wanted it in an earlier run, or it was in the text before: it is not taken out again. */
static bool was_granted(const struct replica *replica, const struct spender *spender)
{
    const struct event_id *first = &replica->merging.first;
    return spender->granted || first->seq < spender->wanted_upto || replica_unmerged_had(replica, first);
}

/* What this device wrote itself is merged, whatever it takes. */
static bool is_absurd(const struct replica *replica, const struct approach_state *state)
{
    const struct merging *merging = &replica->merging;
    const struct spender *spender = &merging->spenders[merging->spender];
    uint64_t steps = state->steps > state->least ? state->steps : state->least, max = replica->merge_steps_max;
    if (merging->spent > max * SPENDERS && spender->is_new)
        max /= MEAN;
    return spender->steps + steps > max + STEPS_PER_EVENT * spender->events && !was_granted(replica, spender) &&
           replica_is_of_another_device(replica, &spender->agent);
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
        replica_offer_held(replica, true);
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
        replica_note_held(replica, true);
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
            merging->on = false;
            merging->spent += state.steps; /* of the time of all, though it was for nothing */
            replica_hold_costly(replica, batch);
            return MERGE_HELD;
        }
        show_way(replica, &state);
    } while (net_now_ms() < merging->until_ms);
    return MERGE_LATER;
}

/* Then it is to the text what a key typed here is, and goes in front of what is on its way. */
static bool has_seen_all(const struct replica *replica, const struct batch *batch)
{
    struct version seen = {0};
    seen.heads = xgrow(NULL, &seen.cap, batch->parent_count + 1, sizeof *seen.heads);
    for (size_t i = 0; i < batch->parent_count; i++)
        seen.heads[seen.count++] = batch->parents[i];
    if (batch->flags & BATCH_FLAG_SELF)
        seen.heads[seen.count++] = (struct event_id){batch->agent, batch->seq0 - 1};
    version_sort(&seen);
    bool all = document_is_at(replica->document, &seen);
    version_release(&seen);
    return all;
}

enum merge_turn replica_merge_turn(struct replica *replica, const struct batch *batch)
{
    struct merging *merging = &replica->merging;
    if (replica_hold_behind(replica, batch))
        return MERGE_HELD;
    if (!merging->live || replica->ahead)
        return MERGE_NOW;
    if (merging->on && merging->document != replica->document)
        merging->on = false; /* another document is in its place */
    if (merging->on && !is_on_its_way(merging, batch))
        return has_seen_all(replica, batch) ? MERGE_NOW : MERGE_LATER;
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
        replica_note_held(replica, false);
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
