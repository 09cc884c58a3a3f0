#include "sync/history.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"

/* A batch of a run. */
struct link {
    uint64_t seq0;
    struct digest digest;
};

/* What one agent has in the frame, as far as it follows what is in the chain. */
struct run {
    struct agent_id agent;
    const struct member *member;
    uint64_t first_seq, next_seq;
    struct digest newest; /* of the batch in front of next_seq */
    struct link *links;
    size_t link_count, link_cap;
    bool broken;   /* something did not follow: what comes behind it is not of this run */
    bool verified; /* a signature was good, and everything in front of it is */
};

struct frame {
    const struct doc_keys *keys;
    struct chain *chain;
    struct run *runs;
    size_t run_count, run_cap;
    size_t *by_agent; /* runs, sorted by agent */
    size_t by_agent_cap;
    size_t *run_of;      /* by record; SIZE_MAX: of none */
    struct digest *last; /* by record, where it is of a run */
    /* one record, opened */
    struct buf plain;
    struct batch_run batches;
};

void history_release(struct history *history)
{
    free(history->items);
    *history = (struct history){0};
}

/* --- runs --- */

/* Where the run of this agent stands in by_agent, or would stand. */
static size_t lower_bound(const struct frame *frame, const struct agent_id *agent)
{
    size_t at;
    BISECT(at, frame->by_agent ? frame->run_count : 0, agent_id_compare(&frame->runs[frame->by_agent[at]].agent, agent) < 0);
    return at;
}

static struct run *find_run(const struct frame *frame, const struct agent_id *agent)
{
    size_t at = lower_bound(frame, agent);
    if (!frame->by_agent || at == frame->run_count)
        return NULL;
    struct run *run = &frame->runs[frame->by_agent[at]];
    return agent_id_equal(&run->agent, agent) ? run : NULL;
}

static struct run *add_run(struct frame *frame, const struct agent_id *agent, const struct member *member)
{
    size_t at = lower_bound(frame, agent);
    frame->by_agent =
        xgrow(frame->by_agent, &frame->by_agent_cap, frame->run_count + 1, sizeof *frame->by_agent);
    memmove(frame->by_agent + at + 1, frame->by_agent + at, (frame->run_count - at) * sizeof *frame->by_agent);
    frame->by_agent[at] = frame->run_count;
    frame->runs = xgrow(frame->runs, &frame->run_cap, frame->run_count + 1, sizeof *frame->runs);
    struct run *run = &frame->runs[frame->run_count++];
    *run = (struct run){.agent = *agent, .member = member};
    return run;
}

static struct run *get_run(struct frame *frame, const struct agent_id *agent, const struct roster *roster)
{
    struct run *run = find_run(frame, agent);
    const struct roster_entry *entry = run ? NULL : roster_find(roster, agent);
    if (run || !entry || !entry->member.has_grant)
        return run;
    run = add_run(frame, agent, &entry->member);
    run->first_seq = run->next_seq = chain_next_seq(frame->chain, agent);
    if (run->next_seq > 0)
        run->broken = chain_is_forked(frame->chain, agent) || !chain_newest(frame->chain, agent, &run->newest);
    return run;
}

static const struct digest *find_link(const struct run *run, uint64_t seq)
{
    if (seq < run->first_seq || seq >= run->next_seq)
        return NULL;
    size_t upto;
    BISECT(upto, run->link_count, run->links[upto].seq0 <= seq);
    return &run->links[upto - 1].digest;
}

static bool find_parent(const struct frame *frame, const struct event_id *parent, struct digest *out)
{
    const struct run *run = find_run(frame, &parent->agent);
    const struct digest *digest = run ? find_link(run, parent->seq) : NULL;
    if (digest)
        *out = *digest;
    return digest || chain_find(frame->chain, parent, out);
}

static bool append_batch(const struct frame *frame, struct run *run, const struct batch *batch, struct bytes plain)
{
    struct digest parents[BATCH_PARENTS_MAX], digest;
    for (size_t i = 0; i < batch->parent_count; i++)
        if (!find_parent(frame, &batch->parents[i], &parents[i]))
            return false;
    chain_digest(&frame->keys->doc, batch, plain, run->next_seq > 0 ? &run->newest : NULL, parents, &digest);
    run->links = xgrow(run->links, &run->link_cap, run->link_count + 1, sizeof *run->links);
    run->links[run->link_count++] = (struct link){batch->seq0, digest};
    run->next_seq = batch->seq0 + batch->count;
    run->newest = digest;
    return true;
}

static bool open_record(struct frame *frame, const struct record *record)
{
    struct error err = {0};
    buf_clear(&frame->plain);
    return record_open_events(record, frame->keys, &frame->plain, &frame->batches, &err);
}

/* What does not follow is left to whoever takes it, and so is all of its agent behind it. */
static bool append_record(struct frame *frame, struct run *run, const struct record *record)
{
    if (record->seq0 != run->next_seq || !open_record(frame, record))
        return false;
    struct batch_cursor cursor = batch_cursor_of(&frame->batches);
    bool follows = true;
    while (follows && batch_cursor_next(&cursor))
        follows = append_batch(frame, run, cursor.batch, cursor.plain);
    batch_cursor_release(&cursor);
    return follows;
}

static void chain_records(struct frame *frame, const struct record *records, size_t count, const struct roster *roster)
{
    for (size_t i = 0; i < count; i++) {
        frame->run_of[i] = SIZE_MAX;
        struct run *run = record_kind_has_events(records[i].kind) ? get_run(frame, &records[i].agent, roster) : NULL;
        if (!run || run->broken || records[i].seq0 < run->next_seq) /* known already: it is only compared */
            continue;
        run->broken = !append_record(frame, run, &records[i]);
        if (run->broken)
            continue;
        frame->run_of[i] = (size_t)(run - frame->runs);
        frame->last[i] = run->newest;
    }
}

/* --- signatures --- */

/* From the newest record back: the first good signature of an agent covers all in front of it. */
static void verify_runs(struct history *history, struct frame *frame, const struct record *records, size_t count)
{
    history->items = xrealloc_array(history->items, count + 1, sizeof *history->items);
    size_t free_from = count;
    for (size_t i = count; i-- > 0;) {
        if (frame->run_of[i] == SIZE_MAX)
            continue;
        struct run *run = &frame->runs[frame->run_of[i]];
        bool itself = !run->verified;
        if (itself) {
            history->signatures++;
            run->verified = record_verify(&records[i], &frame->keys->doc, &run->member->doc_key, &frame->last[i]);
        }
        if (run->verified)
            history->items[--free_from] = (struct vouched){frame->last[i], itself};
    }
    history->count = count - free_from;
    memmove(history->items, history->items + free_from, history->count * sizeof *history->items);
}

void history_vouch(struct history *history, const struct record *records, size_t count, const struct doc_keys *keys,
                   struct chain *chain, const struct roster *roster)
{
    struct frame frame = {.keys = keys, .chain = chain};
    history->count = history->next = 0;
    if (count == 0)
        return;
    frame.run_of = xcalloc(count + 1, sizeof *frame.run_of);
    frame.last = xcalloc(count + 1, sizeof *frame.last);
    chain_records(&frame, records, count, roster);
    verify_runs(history, &frame, records, count);
    for (size_t i = 0; i < frame.run_count; i++)
        free(frame.runs[i].links);
    free(frame.runs);
    free(frame.by_agent);
    free(frame.run_of);
    free(frame.last);
    buf_release(&frame.plain);
}

const struct vouched *history_find(struct history *history, const struct digest *last)
{
    for (size_t n = 0; n < history->count; n++) {
        size_t at = (history->next + n) % history->count;
        if (!digest_equal(&history->items[at].last, last))
            continue;
        history->next = at + 1;
        return &history->items[at];
    }
    return NULL;
}
