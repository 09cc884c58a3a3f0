#include "sync/weave.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"

static const size_t NOBODY = SIZE_MAX;

enum { WAYS_WITHOUT_FORKS = 2 };

/* A batch whose digest is known. */
struct known {
    uint64_t seq0;
    struct digest digest;
};

/* A run on its way to its end. */
struct strand {
    const struct weave_run *run;
    struct batch_cursor cursor;
    bool has_batch;      /* the cursor stands at one that is not known yet, */
    const unsigned char *batch_at; /* which begins here */
    struct known *known; /* room for all of it */
    size_t known_count;
    uint64_t next_seq;   /* of what is known */
    bool good;           /* it came to its end, is accepted, and so is all that it builds on */
    uint64_t needs;      /* the seq it waits for, of another strand or of this one's agent before it */
    size_t waiting;      /* the first one that waits for this; NOBODY */
    size_t next_waiting; /* the next one that waits for the same */
    size_t last_on;      /* on which one it was found to build last */
    struct weave_piece piece; /* that is being gathered */
};

/* `from` builds on `to`. */
struct edge {
    size_t from, to;
};

struct weaving {
    struct chain *chain;
    const struct doc_id *doc;
    struct strand *strands;
    size_t count;
    size_t *order; /* of the strands by agent and seq */
    unsigned way;
    size_t *ready; /* those that may go on: a stack */
    size_t ready_count;
    struct edge *edges;
    size_t edge_count, edge_cap;
    struct weave *out;
};

/* --- names --- */

static int compare_to(const struct strand *strand, const struct agent_id *agent, uint64_t seq)
{
    const struct batch_run *run = &strand->run->batches;
    int order = agent_id_compare(&run->agent, agent);
    return order != 0 ? order : (run->seq0 > seq) - (run->seq0 < seq);
}

/* The strand that has this event, known by now or not; NOBODY: none has. */
static size_t strand_of(const struct weaving *weaving, const struct event_id *event)
{
    size_t at;
    BISECT(at, weaving->count, compare_to(&weaving->strands[weaving->order[at]], &event->agent, event->seq) <= 0);
    if (at == 0)
        return NOBODY;
    const struct strand *strand = &weaving->strands[weaving->order[at - 1]];
    bool has = agent_id_equal(&strand->run->batches.agent, &event->agent) && event->seq < strand->run->end;
    return has ? weaving->order[at - 1] : NOBODY;
}

static bool find_known(const struct strand *strand, uint64_t seq, struct digest *digest)
{
    size_t at;
    if (seq < strand->run->batches.seq0 || seq >= strand->next_seq)
        return false;
    BISECT(at, strand->known_count, strand->known[at].seq0 <= seq);
    *digest = strand->known[at - 1].digest;
    return true;
}

enum found { FOUND, WAITS, LOST };

/* *on: the strand that has it. */
static enum found find_in_strands(struct weaving *weaving, size_t by, const struct event_id *event, struct digest *digest,
                                  size_t *where)
{
    struct strand *strand = &weaving->strands[by];
    size_t on = *where = strand_of(weaving, event);
    if (on == NOBODY)
        return LOST;
    if (on != by && on != strand->last_on) {
        weaving->edges = xgrow(weaving->edges, &weaving->edge_cap, weaving->edge_count + 1, sizeof *weaving->edges);
        weaving->edges[weaving->edge_count++] = (struct edge){by, on};
        strand->last_on = on;
    }
    return find_known(&weaving->strands[on], event->seq, digest) ? FOUND : WAITS;
}

/* Way 0: the chain's own, then what is in the runs; 1: the other way round; 2 and on: the chain's further branches first. */
static enum found find(struct weaving *weaving, size_t by, const struct event_id *event, struct digest *digest, size_t *on)
{
    unsigned way = weaving->way;
    if (way == 1) {
        enum found found = find_in_strands(weaving, by, event, digest, on);
        if (found != LOST)
            return found;
    }
    if ((way > 1 && chain_find_nth(weaving->chain, event, way - 1, digest)) || chain_find(weaving->chain, event, digest))
        return FOUND;
    return way == 1 ? LOST : find_in_strands(weaving, by, event, digest, on);
}

/* --- going on --- */

/* What was gathered goes out: whatever goes on now may build on it. */
static void end_piece(struct weaving *weaving, struct strand *strand)
{
    struct weave *out = weaving->out;
    struct weave_piece piece = strand->piece;
    if (piece.part.count == 0)
        return;
    const unsigned char *end = strand->has_batch ? strand->batch_at : strand->cursor.reader.at;
    if (!piece.part.bare)
        piece.part.plain.len = (size_t)(end - piece.part.plain.data);
    out->pieces = xgrow(out->pieces, &out->piece_cap, out->piece_count + 1, sizeof *out->pieces);
    out->pieces[out->piece_count++] = piece;
    strand->piece.part.count = 0;
}

static void add_known(struct strand *strand, const struct digest *digest)
{
    const struct batch *batch = strand->cursor.batch;
    struct weave_piece *piece = &strand->piece;
    if (piece->part.count == 0) {
        piece->part = strand->run->batches;
        piece->part.count = 0;
        piece->part.seq0 = batch->seq0;
        if (!piece->part.bare)
            piece->part.plain.data = strand->batch_at;
    }
    piece->part.count++;
    piece->last = *digest;
    strand->known[strand->known_count++] = (struct known){batch->seq0, *digest};
    strand->next_seq = batch->seq0 + batch->count;
    strand->has_batch = false;
}

static void wait_for(struct weaving *weaving, size_t at, size_t on, uint64_t seq)
{
    struct strand *strand = &weaving->strands[at];
    strand->needs = seq;
    strand->next_waiting = weaving->strands[on].waiting;
    weaving->strands[on].waiting = at;
}

/* Those that have waited for what is known by now. */
static void wake(struct weaving *weaving, size_t on)
{
    struct strand *strand = &weaving->strands[on];
    size_t *link = &strand->waiting;
    while (*link != NOBODY) {
        struct strand *waiting = &weaving->strands[*link];
        if (waiting->needs < strand->next_seq) {
            weaving->ready[weaving->ready_count++] = *link;
            *link = waiting->next_waiting;
        } else {
            link = &waiting->next_waiting;
        }
    }
}

/* What stands in front of the batch, and what it builds on. FOUND: *digest is its own. */
static enum found digest_batch(struct weaving *weaving, size_t at, struct digest *digest, size_t *on, uint64_t *seq)
{
    struct strand *strand = &weaving->strands[at];
    const struct batch *batch = strand->cursor.batch;
    struct digest parents[BATCH_PARENTS_MAX], previous;
    struct event_id before = {strand->run->batches.agent, batch->seq0 - 1};
    enum found found = FOUND;
    if (strand->known_count > 0)
        previous = strand->known[strand->known_count - 1].digest;
    else if (batch->seq0 > 0) {
        *seq = before.seq;
        found = find(weaving, at, &before, &previous, on);
    }
    ensure(batch->parent_count <= BATCH_PARENTS_MAX);
    for (size_t i = 0; found == FOUND && i < batch->parent_count; i++) {
        *seq = batch->parents[i].seq;
        found = find(weaving, at, &batch->parents[i], &parents[i], on);
    }
    if (found == FOUND)
        chain_digest(weaving->doc, batch, strand->cursor.plain, batch->seq0 > 0 ? &previous : NULL, parents, digest);
    return found;
}

/* As far as it comes. */
static void go_on(struct weaving *weaving, size_t at)
{
    struct strand *strand = &weaving->strands[at];
    struct digest digest;
    size_t on = NOBODY;
    uint64_t seq = 0;
    enum found found = FOUND;
    while (found == FOUND) {
        strand->batch_at = strand->has_batch ? strand->batch_at : strand->cursor.reader.at;
        strand->has_batch = strand->has_batch || batch_cursor_next(&strand->cursor);
        if (!strand->has_batch)
            break;
        found = digest_batch(weaving, at, &digest, &on, &seq);
        if (found == FOUND)
            add_known(strand, &digest);
    }
    end_piece(weaving, strand);
    if (found == WAITS)
        wait_for(weaving, at, on, seq);
    wake(weaving, at);
}

/* --- what is taken --- */

static int compare_edges(const void *a, const void *b)
{
    const struct edge *left = a, *right = b;
    return (left->to > right->to) - (left->to < right->to);
}

/* What builds on a strand that is not good is not good either. */
static void drop_what_builds_on_bad(struct weaving *weaving)
{
    if (weaving->edge_count > 0)
        qsort(weaving->edges, weaving->edge_count, sizeof *weaving->edges, compare_edges);
    size_t *bad = weaving->ready, count = 0; /* nobody is ready any more */
    for (size_t i = 0; i < weaving->count; i++)
        if (!weaving->strands[i].good)
            bad[count++] = i;
    while (count > 0) {
        size_t to = bad[--count], first;
        BISECT(first, weaving->edge_count, weaving->edges[first].to < to);
        for (size_t e = first; e < weaving->edge_count && weaving->edges[e].to == to; e++) {
            struct strand *from = &weaving->strands[weaving->edges[e].from];
            if (from->good)
                bad[count++] = weaving->edges[e].from;
            from->good = false;
        }
    }
}

static bool choose(struct weaving *weaving, struct weave_judge judge)
{
    struct weave *out = weaving->out;
    bool any = false;
    size_t kept = 0;
    for (size_t i = 0; i < weaving->count; i++) {
        struct strand *strand = &weaving->strands[i];
        bool whole = strand->next_seq == strand->run->end && strand->known_count > 0;
        strand->good = whole && judge.accepts(judge.self, i, &strand->known[strand->known_count - 1].digest);
    }
    drop_what_builds_on_bad(weaving);
    for (size_t i = 0; i < weaving->count; i++)
        any |= out->taken[i] = weaving->strands[i].good;
    for (size_t i = 0; i < out->piece_count; i++)
        if (out->taken[out->pieces[i].run])
            out->pieces[kept++] = out->pieces[i];
    out->piece_count = kept;
    return any;
}

/* --- all of it --- */

static void begin(struct weaving *weaving, const struct weave_run *runs)
{
    weaving->ready_count = weaving->edge_count = 0;
    for (size_t i = weaving->count; i-- > 0;) {
        struct strand *strand = &weaving->strands[i];
        struct known *known = strand->known;
        batch_cursor_release(&strand->cursor);
        *strand = (struct strand){.run = &runs[i], .cursor = batch_cursor_of(&runs[i].batches), .known = known,
                                  .next_seq = runs[i].batches.seq0, .waiting = NOBODY, .next_waiting = NOBODY,
                                  .last_on = NOBODY, .piece = {.run = i}};
        weaving->ready[weaving->ready_count++] = i; /* the first one comes first */
    }
}

static void sort(struct weaving *weaving)
{
    const struct strand *strands = weaving->strands;
    size_t *order = weaving->order;
    for (size_t i = 0; i < weaving->count; i++) {
        const struct batch_run *run = &strands[i].run->batches;
        size_t at;
        BISECT(at, i, compare_to(&strands[order[at]], &run->agent, run->seq0) <= 0);
        memmove(order + at + 1, order + at, (i - at) * sizeof *order);
        order[at] = i;
    }
}

static void weaving_init(struct weaving *weaving, const struct weave_run *runs, size_t count)
{
    weaving->count = count;
    weaving->strands = xcalloc(count, sizeof *weaving->strands);
    weaving->order = xcalloc(count, sizeof *weaving->order);
    weaving->ready = xcalloc(count, sizeof *weaving->ready);
    for (size_t i = 0; i < count; i++) {
        weaving->strands[i].run = &runs[i];
        weaving->strands[i].known = xcalloc(runs[i].batches.count, sizeof(struct known));
    }
    sort(weaving);
}

static void weaving_release(struct weaving *weaving)
{
    for (size_t i = 0; i < weaving->count; i++) {
        batch_cursor_release(&weaving->strands[i].cursor);
        free(weaving->strands[i].known);
    }
    free(weaving->strands);
    free(weaving->order);
    free(weaving->ready);
    free(weaving->edges);
}

bool weave_runs(struct weave *weave, struct chain *chain, const struct doc_id *doc, const struct weave_run *runs, size_t count,
                struct weave_judge judge)
{
    ensure(count <= WEAVE_RUNS_MAX);
    struct weaving weaving = {.chain = chain, .doc = doc, .out = weave};
    unsigned ways = WAYS_WITHOUT_FORKS + (chain_forks(chain) > 0 ? CHAIN_AGENT_FORKS_MAX : 0);
    bool any = false;
    weave->taken = xcalloc(count + 1, sizeof *weave->taken);
    weave->taken_count = count;
    weaving_init(&weaving, runs, count);
    for (weaving.way = 0; !any && weaving.way < ways; weaving.way++) {
        weave->piece_count = 0;
        begin(&weaving, runs);
        while (weaving.ready_count > 0)
            go_on(&weaving, weaving.ready[--weaving.ready_count]);
        any = choose(&weaving, judge);
    }
    weaving_release(&weaving);
    return any;
}

void weave_release(struct weave *weave)
{
    free(weave->taken);
    free(weave->pieces);
    *weave = (struct weave){0};
}
