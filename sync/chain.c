#include "sync/chain_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"
#include "sync/crypto.h"

static const struct digest no_digest; /* what the first batch of an agent has for a predecessor */

struct chain *chain_new(const struct doc_id *doc)
{
    struct chain *chain = xcalloc(1, sizeof *chain);
    pthread_mutex_init(&chain->lock, NULL);
    chain->doc = *doc;
    return chain;
}

static void free_branches(struct chain_branch **branches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(branches[i]->forks);
        free(branches[i]->entries);
        free(branches[i]);
    }
    free(branches);
}

void chain_free(struct chain *chain)
{
    if (!chain)
        return;
    free_branches(chain->agents, chain->count);
    free_branches(chain->forks, chain->fork_count);
    free(chain->names);
    pthread_mutex_destroy(&chain->lock);
    free(chain);
}

/* --- finding --- */

/* Where this agent stands or would stand. */
static size_t agent_index(const struct chain *chain, const struct agent_id *id)
{
    size_t at;
    BISECT(at, chain->count, agent_id_compare(&chain->agents[at]->id, id) < 0);
    return at;
}

struct chain_branch *chain_agent(const struct chain *chain, const struct agent_id *id)
{
    size_t at = agent_index(chain, id);
    return at < chain->count && agent_id_equal(&chain->agents[at]->id, id) ? chain->agents[at] : NULL;
}

struct chain_branch *chain_add_agent(struct chain *chain, const struct agent_id *id)
{
    struct chain_branch *known = chain_agent(chain, id);
    if (known)
        return known;
    size_t at = agent_index(chain, id);
    chain->agents = xgrow(chain->agents, &chain->cap, chain->count + 1, sizeof(struct chain_branch *));
    memmove(chain->agents + at + 1, chain->agents + at, (chain->count - at) * sizeof(struct chain_branch *));
    chain->count++;
    struct chain_branch *branch = xcalloc(1, sizeof *branch);
    branch->id = branch->agent = *id;
    return chain->agents[at] = branch;
}

bool chain_may_fork(const struct chain *chain, const struct chain_branch *from)
{
    const struct chain_branch *first = chain_agent(chain, &from->agent);
    return first && first->fork_count < CHAIN_AGENT_FORKS_MAX;
}

struct chain_branch *chain_add_fork(struct chain *chain, struct chain_branch *from, uint64_t seq,
                                    const struct agent_id *rival)
{
    struct chain_branch *branch = xcalloc(1, sizeof *branch), *first = chain_agent(chain, &from->agent);
    branch->agent = from->agent;
    branch->from = from;
    branch->rival = *rival;
    branch->seq0 = branch->next_seq = seq;
    first->forks = xgrow(first->forks, &first->fork_cap, first->fork_count + 1, sizeof(struct chain_branch *));
    first->forks[first->fork_count++] = branch;
    chain_add_name(chain, rival, branch);
    chain->forks = xgrow(chain->forks, &chain->fork_cap, chain->fork_count + 1, sizeof(struct chain_branch *));
    return chain->forks[chain->fork_count++] = branch;
}

void chain_append(struct chain *chain, struct chain_branch *branch, uint64_t seq0, uint64_t count,
                  const struct digest *digest)
{
    if (branch->from && branch->count == 0) {
        branch->id = chain_branch_id(digest);
        chain_add_name(chain, &branch->id, branch);
    }
    branch->entries = xgrow(branch->entries, &branch->cap, branch->count + 1, sizeof *branch->entries);
    branch->entries[branch->count++] = (struct chain_entry){seq0, *digest};
    branch->next_seq = seq0 + count;
}

bool chain_entry_at(const struct chain_branch *branch, uint64_t seq, size_t *index)
{
    if (!branch || seq < branch->seq0 || seq < branch->known_seq || seq >= branch->next_seq)
        return false;
    size_t low = branch->count - 1, high = branch->count; /* entries[low] begins at or before seq, entries[high] behind it */
    for (size_t step = 1; branch->entries[low].seq0 > seq; step *= 2) { /* mostly one of the newest is meant */
        high = low;
        low = low > step ? low - step : 0;
    }
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (branch->entries[middle].seq0 <= seq)
            low = middle;
        else
            high = middle;
    }
    *index = low;
    return true;
}

/* --- where a run of batches goes --- */

/* A place between two batches of an agent: behind entries[index - 1] of a branch; 0: before all it wrote. */
struct spot {
    struct chain_branch *branch; /* NULL: the agent is unknown */
    size_t index;
};

static const struct digest *digest_before(const struct spot *spot)
{
    return spot->index > 0 ? &spot->branch->entries[spot->index - 1].digest : &no_digest;
}

/* Whether one of the branch's own batches ends right before seq. */
static bool ends_at(struct chain_branch *branch, uint64_t seq, struct spot *spot)
{
    size_t at;
    if (!chain_entry_at(branch, seq - 1, &at))
        return false;
    *spot = (struct spot){branch, at + 1};
    return seq == (at + 1 < branch->count ? branch->entries[at + 1].seq0 : branch->next_seq);
}

/* The places at which a batch of an agent may stand. */
struct spots {
    struct spot items[CHAIN_AGENT_FORKS_MAX + 1];
    unsigned count;
};

static void add_spot(struct chain_branch *branch, uint64_t seq, struct spots *out)
{
    if (ends_at(branch, seq, &out->items[out->count]))
        out->count++;
}

static void find_spots(const struct chain *chain, const struct agent_id *agent, uint64_t seq, struct spots *out)
{
    struct chain_branch *first = chain_agent(chain, agent);
    *out = (struct spots){.count = 0};
    if (seq == 0 && first && first->known_seq > 0)
        return;
    if (seq == 0)
        out->items[out->count++] = (struct spot){first, 0};
    else
        add_spot(first, seq, out);
    for (size_t i = 0; seq > 0 && first && i < first->fork_count; i++)
        add_spot(first->forks[i], seq, out);
}

/*
 * A way is a number whose digits, each to its own base, choose where the run stands and what each name in it means, in that
 * order. Every choice takes its digit off. False: there is nothing to choose from.
 */
static bool choose_spot(const struct chain *chain, const struct batch_run *run, unsigned *way, struct spot *spot)
{
    struct spots spots;
    find_spots(chain, &run->agent, run->seq0, &spots);
    if (spots.count == 0)
        return false;
    *spot = spots.items[*way % spots.count];
    *way /= spots.count;
    return true;
}

/* A name of which there is doubt: the branch to which the line leads that its events are on. */
struct meaning {
    struct event_id newest; /* of the events of that name in the run */
    struct chain_branch *line;
};

/* Of all such names in a run, sorted by name. */
struct meanings {
    struct meaning *items;
    size_t count, cap;
};

static void meanings_release(struct meanings *meanings)
{
    free(meanings->items);
    *meanings = (struct meanings){0};
}

static int compare_meanings(const void *a, const void *b)
{
    const struct meaning *left = a, *right = b;
    int order = agent_id_compare(&left->newest.agent, &right->newest.agent);
    return order != 0 ? order : (left->newest.seq < right->newest.seq) - (left->newest.seq > right->newest.seq);
}

static void find_names(const struct chain *chain, const struct batch_run *run, struct meanings *out)
{
    size_t kept = 0;
    struct batch_cursor cursor = batch_cursor_of(run);
    while (batch_cursor_next(&cursor))
        for (size_t p = 0; p < cursor.batch->parent_count; p++) {
            if (!chain_is_in_doubt(chain, &cursor.batch->parents[p].agent))
                continue;
            out->items = xgrow(out->items, &out->cap, out->count + 1, sizeof *out->items);
            out->items[out->count++] = (struct meaning){cursor.batch->parents[p], NULL};
        }
    batch_cursor_release(&cursor);
    if (out->count > 1)
        qsort(out->items, out->count, sizeof *out->items, compare_meanings);
    for (size_t i = 0; i < out->count; i++) /* the newest of each name comes first */
        if (kept == 0 || !agent_id_equal(&out->items[kept - 1].newest.agent, &out->items[i].newest.agent))
            out->items[kept++] = out->items[i];
    out->count = kept;
}

static bool choose_meanings(const struct chain *chain, const struct batch_run *run, unsigned *way, struct meanings *out)
{
    if (chain->fork_count > 0)
        find_names(chain, run, out);
    for (size_t i = 0; i < out->count; i++) {
        struct chain_choices choices;
        chain_named_all(chain, &out->items[i].newest, &choices);
        if (choices.count == 0)
            return false;
        out->items[i].line = choices.branches[*way % choices.count];
        *way /= choices.count;
    }
    return true;
}

/* NULL: no parent in the run has a name like this, of which there is doubt. */
static const struct meaning *find_meaning(const struct meanings *meanings, const struct agent_id *name)
{
    size_t at;
    BISECT(at, meanings->count, agent_id_compare(&meanings->items[at].newest.agent, name) < 0);
    bool found = at < meanings->count && agent_id_equal(&meanings->items[at].newest.agent, name);
    return found ? &meanings->items[at] : NULL;
}

static const struct chain_branch *parent_branch(const struct chain *chain, const struct meanings *meanings,
                                                const struct event_id *parent)
{
    const struct meaning *meaning = find_meaning(meanings, &parent->agent);
    return meaning ? chain_named_on(chain, parent, meaning->line) : chain_named(chain, parent, 0);
}

void chain_digest(const struct doc_id *doc, const struct batch *batch, struct bytes plain,
                  const struct digest *previous, const struct digest *parents, struct digest *out)
{
    struct hasher hasher;
    previous = previous ? previous : &no_digest;
    hasher_init(&hasher, "weft-batch-1");
    hasher_add(&hasher, doc->bytes, sizeof doc->bytes);
    hasher_add(&hasher, batch->agent.bytes, sizeof batch->agent.bytes);
    hasher_add_u64(&hasher, batch->seq0);
    hasher_add(&hasher, previous->bytes, sizeof previous->bytes);
    hasher_add_u64(&hasher, batch->parent_count);
    for (size_t i = 0; i < batch->parent_count; i++)
        hasher_add(&hasher, parents[i].bytes, sizeof parents[i].bytes);
    hasher_add_sized(&hasher, plain);
    hasher_digest(&hasher, out);
}

/* False when a parent is missing. */
static bool batch_digest(const struct chain *chain, const struct batch *batch, struct bytes plain,
                         const struct digest *previous, const struct meanings *meanings, struct digest *out)
{
    struct digest parents[BATCH_PARENTS_MAX];
    ensure(batch->parent_count <= BATCH_PARENTS_MAX);
    for (size_t i = 0; i < batch->parent_count; i++) {
        const struct chain_branch *branch = parent_branch(chain, meanings, &batch->parents[i]);
        size_t at;
        if (!chain_entry_at(branch, batch->parents[i].seq, &at))
            return false;
        parents[i] = branch->entries[at].digest;
    }
    chain_digest(&chain->doc, batch, plain, previous, parents, out);
    return true;
}

/* Steps over a batch that is there; false: it is new. */
static bool step_known(const struct chain *chain, struct spot *spot, uint64_t seq, const struct digest *digest)
{
    if (!spot->branch)
        return false;
    if (spot->index < spot->branch->count && digest_equal(&spot->branch->entries[spot->index].digest, digest)) {
        spot->index++;
        return true;
    }
    for (size_t i = 0; i < chain->fork_count; i++) {
        struct chain_branch *fork = chain->forks[i];
        if (fork->from == spot->branch && fork->seq0 == seq && fork->count > 0 &&
            digest_equal(&fork->entries[0].digest, digest)) {
            *spot = (struct spot){fork, 1};
            return true;
        }
    }
    return false;
}

static bool is_taken(const struct spot *spot)
{
    return spot->branch && spot->index < spot->branch->count;
}

/* How many ways the caller may try: each one hashes the run, looks up its parents and costs the caller a signature. */
static unsigned count_ways(const struct batch_run *run)
{
    enum { SIGNATURE_COST = 64 * 1024, BATCH_COST = 512, PARENT_COST = 256 }; /* as bytes hashed in that time */
    uint64_t cost = SIGNATURE_COST;
    struct batch_cursor cursor = batch_cursor_of(run);
    while (batch_cursor_next(&cursor))
        cost += cursor.plain.len + BATCH_COST + (uint64_t)cursor.batch->parent_count * PARENT_COST;
    batch_cursor_release(&cursor);
    return cost < CHAIN_WORK_BYTES ? (unsigned)(CHAIN_WORK_BYTES / cost) : 1;
}

/* The digests of a run that stands at a spot; steps over those batches that are there. False when a parent is missing. */
static bool digest_run(const struct chain *chain, const struct batch_run *run, const struct meanings *meanings,
                       struct spot *spot, size_t *known, struct digest *digests)
{
    const struct digest *previous = digest_before(spot);
    struct batch_cursor cursor = batch_cursor_of(run);
    size_t i = 0;
    for (; batch_cursor_next(&cursor); i++) {
        if (!batch_digest(chain, cursor.batch, cursor.plain, previous, meanings, &digests[i]))
            break;
        if (*known == i && step_known(chain, spot, cursor.batch->seq0, &digests[i]))
            ++*known;
        previous = &digests[i];
    }
    batch_cursor_release(&cursor);
    return i == run->count;
}

static enum chain_link link_run(const struct chain *chain, const struct batch_run *run, unsigned way, struct digest *digests)
{
    struct spot spot = {NULL, 0};
    struct meanings meanings = {0};
    size_t known = 0;
    if (way > 0 && way >= count_ways(run))
        return CHAIN_NO_WAY;
    bool found = choose_spot(chain, run, &way, &spot) && choose_meanings(chain, run, &way, &meanings) && way == 0 &&
                 digest_run(chain, run, &meanings, &spot, &known, digests);
    meanings_release(&meanings);
    if (way > 0)
        return CHAIN_NO_WAY;
    if (!found)
        return CHAIN_EARLY;
    if (known == run->count)
        return CHAIN_KNOWN;
    if (!is_taken(&spot))
        return !spot.branch && chain_is_branch(chain, &run->agent) ? CHAIN_NAMESAKE : CHAIN_NEXT;
    struct agent_id id = chain_branch_id(&digests[known]);
    if (chain_branch(chain, &id))
        return CHAIN_NAMESAKE;
    return chain_may_fork(chain, spot.branch) ? CHAIN_FORKED : CHAIN_CROWDED;
}

/* --- adding --- */

static struct agent_fork describe(const struct chain_branch *fork)
{
    return (struct agent_fork){fork->id, fork->from->id, fork->seq0, fork->rival};
}

/* Puts a batch at a spot where it is new. */
static void add_at(struct chain *chain, struct spot *spot, const struct batch *batch, const struct digest *digest,
                   struct chain_taken *taken)
{
    bool forks = is_taken(spot);
    if (forks) {
        struct agent_id rival = chain_branch_id(&spot->branch->entries[spot->index].digest);
        *spot = (struct spot){chain_add_fork(chain, spot->branch, batch->seq0, &rival), 0};
    } else if (!spot->branch) {
        spot->branch = chain_add_agent(chain, &batch->agent);
    }
    chain_append(chain, spot->branch, batch->seq0, batch->count, digest);
    spot->index++;
    if (forks) {
        taken->forked = true;
        taken->fork = describe(spot->branch);
    }
}

/* A span goes by its last event. NULL: it is not here, on this line. */
static const struct chain_branch *span_on(const struct chain *chain, const struct event_span *span, struct chain_branch *line)
{
    struct event_id last = {span->agent, span->seq + span->len - 1};
    return line ? chain_named_on(chain, &last, line) : chain_named(chain, &last, 0);
}

/* A name in a span means what it means as a parent. Where no parent has it, what came first has to do. */
static const struct chain_branch *span_branch(const struct chain *chain, const struct meanings *meanings,
                                              const struct event_span *span)
{
    const struct meaning *meaning = find_meaning(meanings, &span->agent);
    const struct chain_branch *branch = meaning ? span_on(chain, span, meaning->line) : NULL;
    return branch ? branch : span_on(chain, span, NULL);
}

/* Parents and undo spans as they are called here. */
static void localize(const struct chain *chain, const struct batch *batch, const struct meanings *meanings,
                     struct agent_id *names)
{
    for (size_t i = 0; i < batch->parent_count; i++)
        *names++ = parent_branch(chain, meanings, &batch->parents[i])->id;
    for (size_t i = 0; i < batch->undo_count; i++) {
        const struct chain_branch *branch = span_branch(chain, meanings, &batch->undo[i]);
        *names++ = branch ? branch->id : batch->undo[i].agent;
    }
}

/* What somebody takes back of his own is on the side that he writes on. `names` are those of the spans. */
static void localize_own(const struct chain *chain, const struct batch *batch, struct chain_branch *side, struct agent_id *names)
{
    for (size_t i = 0; i < batch->undo_count; i++) {
        bool own = agent_id_equal(&batch->undo[i].agent, &batch->agent);
        const struct chain_branch *branch = own ? span_on(chain, &batch->undo[i], side) : NULL;
        names[i] = branch ? branch->id : names[i];
    }
}

/* How many names a run has (batch_run.h). */
static size_t count_names(const struct batch_run *run)
{
    struct batch_cursor cursor = batch_cursor_of(run);
    while (batch_cursor_next(&cursor))
        continue;
    batch_cursor_release(&cursor);
    return cursor.local_end;
}

static struct agent_id *name_run(const struct chain *chain, const struct batch_run *run, const struct meanings *meanings)
{
    struct agent_id *names = xcalloc(count_names(run), sizeof *names);
    struct batch_cursor cursor = batch_cursor_of(run);
    while (batch_cursor_next(&cursor))
        localize(chain, cursor.batch, meanings, names + cursor.local_at + 1);
    batch_cursor_release(&cursor);
    return names;
}

static void add_run(struct chain *chain, struct batch_run *run, unsigned way, const struct digest *digests, bool has_forks,
                    struct chain_taken *taken)
{
    struct spot spot = {NULL, 0};
    *taken = (struct chain_taken){.known = 0};
    struct meanings meanings = {0};
    bool found = choose_spot(chain, run, &way, &spot) && choose_meanings(chain, run, &way, &meanings);
    ensure(found); /* by link_run() */
    /* all, before anything is added that others could mean */
    struct agent_id *names = has_forks ? name_run(chain, run, &meanings) : NULL;
    meanings_release(&meanings);
    struct batch_cursor cursor = batch_cursor_of(run);
    for (size_t i = 0; batch_cursor_next(&cursor); i++) {
        if (taken->known == i && step_known(chain, &spot, cursor.batch->seq0, &digests[i]))
            taken->known++;
        else
            add_at(chain, &spot, cursor.batch, &digests[i], taken);
        if (!names)
            continue;
        names[cursor.local_at] = spot.branch->id;
        localize_own(chain, cursor.batch, spot.branch, names + cursor.local_at + 1 + cursor.batch->parent_count);
    }
    batch_cursor_release(&cursor);
    run->local = names;
}

static enum chain_link take_way(struct chain *chain, struct batch_run *run, unsigned way, const struct digest *last,
                                struct digest *digests, struct chain_taken *taken, bool *found)
{
    enum chain_link link = link_run(chain, run, way, digests);
    *found = link != CHAIN_EARLY && link != CHAIN_NO_WAY && digest_equal(&digests[run->count - 1], last);
    if (!*found || link == CHAIN_CROWDED || link == CHAIN_NAMESAKE)
        return link;
    add_run(chain, run, way, digests, chain->fork_count > 0 || link == CHAIN_FORKED, taken);
    return link;
}

static enum chain_link take_run(struct chain *chain, struct batch_run *run, unsigned way, const struct digest *last,
                                struct digest *digests, struct chain_taken *taken)
{
    bool found;
    enum chain_link link = take_way(chain, run, way, last, digests, taken, &found);
    for (unsigned other = 0; !found && other < CHAIN_WAYS_MAX; other++) {
        link = take_way(chain, run, other, last, digests, taken, &found);
        if (link == CHAIN_EARLY || link == CHAIN_NO_WAY)
            return link;
    }
    return found ? link : CHAIN_NO_WAY;
}

/* --- the public calls: each under the lock --- */

enum chain_link chain_check_run(struct chain *chain, const struct batch_run *run, unsigned way, struct digest *digests)
{
    ensure(run->count > 0 && !run->local);
    pthread_mutex_lock(&chain->lock);
    chain_need_run(chain, run);
    enum chain_link link = link_run(chain, run, way, digests);
    pthread_mutex_unlock(&chain->lock);
    return link;
}

enum chain_link chain_take_run(struct chain *chain, struct batch_run *run, unsigned way, const struct digest *last,
                               struct digest *digests, struct chain_taken *taken)
{
    ensure(run->count > 0 && !run->local);
    *taken = (struct chain_taken){.known = 0};
    pthread_mutex_lock(&chain->lock);
    chain_need_run(chain, run);
    enum chain_link link = take_run(chain, run, way, last, digests, taken);
    pthread_mutex_unlock(&chain->lock);
    return link;
}

enum chain_link chain_add(struct chain *chain, const struct batch *batch, struct bytes plain, struct digest *digest)
{
    unsigned way = 0;
    struct spot spot;
    struct batch_run run = batch_run_of(batch, plain);
    struct chain_taken taken;
    pthread_mutex_lock(&chain->lock);
    chain_need_run(chain, &run);
    enum chain_link link = link_run(chain, &run, 0, digest);
    if (link == CHAIN_NEXT && choose_spot(chain, &run, &way, &spot))
        add_at(chain, &spot, batch, digest, &taken);
    pthread_mutex_unlock(&chain->lock);
    return link;
}

size_t chain_forks(struct chain *chain)
{
    pthread_mutex_lock(&chain->lock);
    size_t count = chain->fork_count;
    pthread_mutex_unlock(&chain->lock);
    return count;
}

bool chain_is_forked(struct chain *chain, const struct agent_id *agent)
{
    pthread_mutex_lock(&chain->lock);
    const struct chain_branch *first = chain_agent(chain, agent);
    bool forked = first && first->fork_count > 0;
    pthread_mutex_unlock(&chain->lock);
    return forked;
}

uint64_t chain_parts_at(struct chain *chain, const struct agent_id *agent)
{
    uint64_t seq = UINT64_MAX;
    pthread_mutex_lock(&chain->lock);
    const struct chain_branch *first = chain_agent(chain, agent);
    for (size_t i = 0; first && i < first->fork_count; i++)
        seq = first->forks[i]->seq0 < seq ? first->forks[i]->seq0 : seq;
    pthread_mutex_unlock(&chain->lock);
    return seq;
}

static uint64_t next_seq_of(const struct chain_branch *first)
{
    uint64_t next_seq = first ? first->next_seq : 0;
    for (size_t i = 0; first && i < first->fork_count; i++)
        if (first->forks[i]->next_seq > next_seq)
            next_seq = first->forks[i]->next_seq;
    return next_seq;
}

uint64_t chain_next_seq(struct chain *chain, const struct agent_id *id)
{
    pthread_mutex_lock(&chain->lock);
    uint64_t next_seq = next_seq_of(chain_agent(chain, id));
    pthread_mutex_unlock(&chain->lock);
    return next_seq;
}

bool chain_reaches(struct chain *chain, const struct agent_id *agent, uint64_t seq)
{
    struct spots spots;
    pthread_mutex_lock(&chain->lock);
    chain_need(chain, agent, seq ? seq - 1 : 0);
    find_spots(chain, agent, seq, &spots);
    pthread_mutex_unlock(&chain->lock);
    return spots.count > 0;
}

bool chain_find_nth(struct chain *chain, const struct event_id *event, unsigned n, struct digest *digest)
{
    size_t at;
    pthread_mutex_lock(&chain->lock);
    chain_need(chain, &event->agent, event->seq);
    const struct chain_branch *branch = chain_named(chain, event, n);
    bool found = chain_entry_at(branch, event->seq, &at);
    if (found)
        *digest = branch->entries[at].digest;
    pthread_mutex_unlock(&chain->lock);
    return found;
}

bool chain_find(struct chain *chain, const struct event_id *event, struct digest *digest)
{
    return chain_find_nth(chain, event, 0, digest);
}

static struct chain_head head_of(const struct chain_branch *branch)
{
    return (struct chain_head){branch->id, branch->next_seq,
                               branch->count ? branch->entries[branch->count - 1].digest : no_digest};
}

bool chain_newest(struct chain *chain, const struct agent_id *id, struct digest *digest)
{
    pthread_mutex_lock(&chain->lock);
    const struct chain_branch *branch = chain_agent(chain, id);
    if (branch)
        *digest = head_of(branch).newest;
    pthread_mutex_unlock(&chain->lock);
    return branch != NULL;
}

static void drop_branch(struct chain_branch **branches, size_t *count, const struct chain_branch *branch)
{
    size_t at = 0;
    while (at < *count && branches[at] != branch)
        at++;
    if (at == *count)
        return;
    --*count;
    memmove(branches + at, branches + at + 1, (*count - at) * sizeof(struct chain_branch *));
}

static bool is_left(const struct chain_branch *first, const struct chain_branch *branch)
{
    for (size_t i = 0; i < first->fork_count; i++)
        if (first->forks[i]->from == branch)
            return true;
    return false;
}

static void forget_branch(struct chain *chain, struct chain_branch *branch)
{
    struct chain_branch *first = chain_agent(chain, &branch->agent);
    if (is_left(first, branch))
        return;
    drop_branch(first->forks, &first->fork_count, branch);
    drop_branch(chain->forks, &chain->fork_count, branch);
    drop_branch(chain->agents, &chain->count, branch);
    chain_drop_names(chain, branch);
    free(branch->forks);
    free(branch->entries);
    free(branch);
}

void chain_cut(struct chain *chain, const struct agent_id *id, uint64_t next_seq)
{
    pthread_mutex_lock(&chain->lock);
    chain_need(chain, id, next_seq ? next_seq - 1 : 0);
    struct chain_branch *branch = chain_branch(chain, id);
    if (branch && branch->known_seq > 0 && next_seq <= branch->known_seq)
        branch = NULL; /* nothing that old is taken back without being read */
    while (branch && branch->count > 0 && branch->entries[branch->count - 1].seq0 >= next_seq)
        branch->next_seq = branch->entries[--branch->count].seq0;
    if (branch && branch->count == 0)
        forget_branch(chain, branch);
    pthread_mutex_unlock(&chain->lock);
}

uint64_t chain_count(struct chain *chain, const struct agent_id *agent, uint64_t seq, uint64_t end)
{
    pthread_mutex_lock(&chain->lock);
    chain_need(chain, agent, seq);
    const struct chain_branch *branch = chain_branch(chain, agent);
    uint64_t count = branch && seq < end ? chain_first_entry(branch, end) - chain_first_entry(branch, seq) : 0;
    pthread_mutex_unlock(&chain->lock);
    return count;
}

struct chain_head *chain_heads(struct chain *chain, size_t *count)
{
    pthread_mutex_lock(&chain->lock);
    struct chain_head *heads = xcalloc(chain->count, sizeof *heads);
    for (size_t i = 0; i < chain->count; i++) {
        heads[i] = head_of(chain->agents[i]);
        heads[i].next_seq = next_seq_of(chain->agents[i]);
    }
    *count = chain->count;
    pthread_mutex_unlock(&chain->lock);
    return heads;
}

struct chain_head *chain_branches(struct chain *chain, size_t *count)
{
    pthread_mutex_lock(&chain->lock);
    struct chain_head *heads = xcalloc(chain->count + chain->fork_count, sizeof *heads);
    *count = 0;
    for (size_t i = chain->fork_count; i-- > 0;)
        heads[(*count)++] = head_of(chain->forks[i]);
    for (size_t i = 0; i < chain->count; i++)
        heads[(*count)++] = head_of(chain->agents[i]);
    pthread_mutex_unlock(&chain->lock);
    return heads;
}
