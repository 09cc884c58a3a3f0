#include "sync/document_parts.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"

/* Takes the rope. */
static struct document *new_with(struct rope *base, uint64_t len)
{
    struct document *document = xcalloc(1, sizeof *document);
    document->base = base;
    document->len = len;
    document->graph = graph_new();
    document->walker = walker_new(document->graph, &document->log, &document->critical, document->len);
    return document;
}

struct document *document_new(const struct rope *base)
{
    return new_with(rope_snapshot(base), rope_len(base));
}

struct document *document_new_of(uint64_t len)
{
    return new_with(rope_new(), len);
}

struct document *document_new_at(const struct rope *text, const struct version *version)
{
    struct document *document = document_new(text);
    ensure(version->count > 0 && version->count <= BATCH_PARENTS_MAX);
    version_copy(&document->root, version);
    return document;
}

void document_free(struct document *document)
{
    if (!document)
        return;
    document_asleep_free(document->asleep);
    if (document->loaded)
        patch_release(document->loaded);
    free(document->loaded);
    walker_free(document->walker);
    walker_free(document->whole);
    walker_free(document->aside);
    keyframes_release(&document->keyframes);
    copies_release(&document->copies);
    dates_release(&document->dates);
    critical_release(&document->critical);
    marks_release(&document->marks);
    oplog_release(&document->log);
    graph_free(document->graph);
    rope_free(document->base);
    version_release(&document->root);
    batch_list_release(&document->untaken.batches);
    lv_list_release(&document->scratch);
    lv_list_release(&document->spare);
    free(document);
}

void document_set_source(struct document *document, struct document_source source)
{
    document->source = source;
}

/* --- versions --- */

void document_version(const struct document *document, struct version *out)
{
    if (document->asleep)
        version_copy(out, document_asleep_version(document));
    else
        document_ids(document, graph_frontier(document->graph), out);
}

void document_ids(const struct document *document, const struct lv_list *heads, struct version *out)
{
    if (heads->count == 0) {
        version_copy(out, &document->root);
        return;
    }
    out->heads = xgrow(out->heads, &out->cap, heads->count, sizeof *out->heads);
    out->count = heads->count;
    for (size_t i = 0; i < heads->count; i++) {
        struct graph_author author = graph_author_of(document->graph, heads->items[i]);
        out->heads[i] = (struct event_id){*graph_agent_id(document->graph, author.agent), author.seq};
    }
    version_sort(out);
}

static bool find_event(const struct document *document, const struct event_id *id, uint64_t *lv)
{
    size_t agent;
    return graph_find_agent(document->graph, &id->agent, &agent) &&
           graph_find(document->graph, agent, id->seq, lv, NULL);
}

bool document_lvs(const struct document *document, const struct version *version, struct lv_list *out)
{
    out->count = 0;
    for (size_t i = 0; i < version->count && !version_equal(version, &document->root); i++) {
        uint64_t lv;
        if (!find_event(document, &version->heads[i], &lv))
            return false;
        lv_list_add(out, lv);
    }
    lv_list_sort(out);
    return true;
}

bool document_next_lvs(const struct document *document, struct agent_span *span, uint64_t *lv, uint64_t *len)
{
    if (span->len == 0 || !graph_find(document->graph, span->agent, span->seq, lv, len))
        return false;
    *len = *len < span->len ? *len : span->len;
    span->seq += *len;
    span->len -= *len;
    return true;
}

bool document_is_at(const struct document *document, const struct version *version)
{
    struct version now = {0};
    if (document->loaded || document->merged < graph_len(document->graph) || document_asleep_is_behind(document))
        return false;
    document_version(document, &now);
    bool is_at = version_equal(&now, version);
    version_release(&now);
    return is_at;
}

bool document_knows(struct document *document, const struct version *version)
{
    uint64_t lv;
    if (document->asleep)
        return document_asleep_knows(document, version);
    for (size_t i = 0; i < version->count && !version_equal(version, &document->root); i++)
        if (!find_event(document, &version->heads[i], &lv))
            return false;
    return true;
}

bool document_may_follow(struct document *document, const struct version *version)
{
    struct error ignored = {0};
    return document_read_history(document, &ignored) && document_lvs(document, version, &document->scratch) &&
           graph_is_reduced(document->graph, document->scratch.items, document->scratch.count);
}

uint64_t document_len(const struct document *document)
{
    return document->len;
}

uint64_t document_events(const struct document *document)
{
    return document->asleep ? document_asleep_events(document) : graph_len(document->graph);
}

uint64_t document_next_seq(const struct document *document, const struct agent_id *agent)
{
    size_t number;
    if (document->asleep)
        return document_asleep_next_seq(document, agent);
    return graph_find_agent(document->graph, agent, &number) ? graph_next_seq(document->graph, number) : 0;
}

/* --- adding --- */

bool document_has_past(const struct document *document, size_t agent)
{
    uint64_t lv;
    return graph_newest(document->graph, agent, &lv) || graph_next_seq(document->graph, agent) == 0;
}

static bool holds_own_past(struct document *document, size_t agent, const uint64_t *parents, size_t parent_count)
{
    uint64_t previous;
    if (!graph_newest(document->graph, agent, &previous)) {
        ensure(graph_next_seq(document->graph, agent) == 0);
        return true;
    }
    for (size_t i = 0; i < parent_count; i++)
        if (parents[i] == previous)
            return true;
    return graph_contains(document->graph, parents, parent_count, previous);
}

bool document_admits(struct document *document, size_t agent, const uint64_t *parents, size_t parent_count,
                     struct error *err)
{
    if (!graph_is_reduced(document->graph, parents, parent_count))
        return error_set(err, ERR_FORMAT, 0, "a batch names an event and one of its ancestors as its parents");
    if (!holds_own_past(document, agent, parents, parent_count))
        return error_set(err, ERR_FORMAT, 0, "a batch does not follow what its agent wrote before");
    return true;
}

void document_append(struct document *document, size_t agent, uint64_t count, const uint64_t *parents,
                     size_t parent_count)
{
    struct graph *graph = document->graph;
    uint64_t first = graph_add(graph, agent, graph_next_seq(graph, agent), count, parents, parent_count);
    critical_add(&document->critical, graph, first, first + count - 1, parents, parent_count);
}

static void append_op(struct oplog *log, const struct batch_op *op)
{
    switch (op->kind) {
    case OP_INSERT:
        oplog_add_insert(log, op->pos, op->text);
        break;
    case OP_DELETE:
        oplog_add_delete(log, op->pos, op->len);
        break;
    case OP_NOP:
        oplog_add_nop(log);
        break;
    }
}

static void append_marks(struct document *document, const struct batch *batch)
{
    if (!(batch->flags & MARK_FLAGS))
        return;
    struct mark *mark = marks_add(&document->marks, graph_len(document->graph), batch->flags);
    mark->time_s = batch->time_s;
    if (batch->flags & BATCH_FLAG_LABEL)
        marks_set_label(&document->marks, bytes_of_string(batch->label));
    for (size_t i = 0; i < batch->undo_count; i++) {
        size_t agent = graph_agent(document->graph, &batch->undo[i].agent);
        marks_add_undo(&document->marks, (struct agent_span){agent, batch->undo[i].seq, batch->undo[i].len});
    }
}

void document_append_batch(struct document *document, const struct batch *batch, const uint64_t *parents,
                           size_t parent_count)
{
    size_t agent = graph_agent(document->graph, &batch->agent);
    struct batch_ops ops = batch_ops_of(batch);
    struct batch_op op;
    append_marks(document, batch);
    while (batch_next_op(&ops, &op))
        append_op(&document->log, &op);
    document_append(document, agent, batch->count, parents, parent_count);
    ensure(document->log.len == graph_len(document->graph));
}

static bool follows_root(const struct document *document, const struct batch *batch)
{
    struct version parents = {.heads = batch->parents, .count = batch->parent_count};
    return !(batch->flags & BATCH_FLAG_SELF) && version_equal(&parents, &document->root);
}

/* The LVs of a batch's parents; false when one is missing. */
static bool find_parents(const struct document *document, const struct batch *batch, struct lv_list *out)
{
    uint64_t lv;
    out->count = 0;
    if (follows_root(document, batch))
        return true;
    if (batch->flags & BATCH_FLAG_SELF) {
        struct event_id previous = {batch->agent, batch->seq0 - 1};
        if (!find_event(document, &previous, &lv))
            return false;
        lv_list_add(out, lv);
    }
    for (size_t i = 0; i < batch->parent_count; i++) {
        if (!find_event(document, &batch->parents[i], &lv))
            return false;
        lv_list_add(out, lv);
    }
    lv_list_sort(out);
    return true;
}

void document_fork(struct document *document, const struct agent_fork *fork)
{
    struct error ignored = {0};
    if (document_read_history(document, &ignored))
        (void)graph_branch(document->graph, fork); /* the chain takes none that has the id of somebody who wrote */
    else
        document_asleep_fork(document, fork);
}

/* Whether it is here or waits, as far as a document tells that is asleep. */
static bool is_told_asleep(const struct document *document, const struct batch *batch, enum document_added *added)
{
    struct version parents = {.heads = batch->parents, .count = batch->parent_count};
    uint64_t next = document_asleep_next_seq(document, &batch->agent);
    ensure(batch->count > 0);
    *added = batch->seq0 + batch->count <= next ? DOCUMENT_KNOWN : DOCUMENT_EARLY;
    return *added == DOCUMENT_KNOWN || batch->seq0 > next || !document_asleep_knows(document, &parents);
}

static bool may_go_on_asleep(const struct document *document, const struct batch *batch)
{
    return batch->seq0 >= document_asleep_next_seq(document, &batch->agent) &&
           !document_asleep_is_branch(document, &batch->agent);
}

/* Without its history, where that will do. False: it has to be read. */
static bool add_asleep(struct document *document, const struct batch *batch, enum document_added *added, struct error *err)
{
    if (is_told_asleep(document, batch, added))
        return true;
    if (!may_go_on_asleep(document, batch))
        return false;
    *added = document_asleep_add(document, batch, err);
    return *added != DOCUMENT_EARLY;
}

enum document_added document_add(struct document *document, const struct batch *batch, struct error *err)
{
    enum document_added added;
    if (document->asleep && add_asleep(document, batch, &added, err))
        return added;
    if (!document_read_history(document, err))
        return DOCUMENT_EARLY;
    uint64_t next = document_next_seq(document, &batch->agent);
    ensure(batch->count > 0);
    if (document->only && !document_asleep_had(document->only, batch))
        return DOCUMENT_KNOWN;
    if (batch->seq0 + batch->count <= next)
        return DOCUMENT_KNOWN;
    if (batch->seq0 > next || !find_parents(document, batch, &document->scratch))
        return DOCUMENT_EARLY;
    if (batch->seq0 < next) {
        error_set(err, ERR_FORMAT, 0, "a batch repeats some of its agent's events and adds others");
        return DOCUMENT_REFUSED;
    }
    if (batch->count > DOCUMENT_EVENTS_MAX - graph_len(document->graph)) {
        error_set(err, ERR_LIMIT, 0, "the document would have more events than it can hold");
        return DOCUMENT_REFUSED;
    }
    size_t agent = graph_agent(document->graph, &batch->agent);
    if (!document_has_past(document, agent))
        return DOCUMENT_EARLY;
    if (!document_admits(document, agent, document->scratch.items, document->scratch.count, err))
        return DOCUMENT_REFUSED;
    document_append_batch(document, batch, document->scratch.items, document->scratch.count);
    return DOCUMENT_ADDED;
}

/* --- what comes before adding --- */

/* Whether it would be added; its parents are then in document->scratch. */
static bool is_next(struct document *document, const struct batch *batch)
{
    size_t agent;
    bool known = graph_find_agent(document->graph, &batch->agent, &agent);
    return batch->seq0 == document_next_seq(document, &batch->agent) && find_parents(document, batch, &document->scratch) &&
           (!known || document_has_past(document, agent)) &&
           graph_is_reduced(document->graph, document->scratch.items, document->scratch.count);
}

/* The same. */
static bool approach_asleep(struct document *document, const struct batch *batch, uint64_t steps, bool *there)
{
    enum document_added ignored;
    *there = true;
    if (is_told_asleep(document, batch, &ignored))
        return true;
    return may_go_on_asleep(document, batch) && document_asleep_approach(document, batch, steps, there);
}

bool document_approach(struct document *document, const struct batch *batch, uint64_t steps)
{
    struct error ignored = {0}; /* document_add() says so, in a moment */
    bool there;
    if (document->asleep && approach_asleep(document, batch, steps, &there))
        return there;
    if (!document_read_history(document, &ignored))
        return true;
    if (document->loaded || document->only || document->merged < graph_len(document->graph) || !is_next(document, batch))
        return true;
    return walker_approach(document->walker, document->scratch.items, document->scratch.count, steps);
}

struct approach_state document_approach_state(const struct document *document)
{
    const struct document *after = document_asleep_after(document);
    const struct walker *walker = after ? after->walker : document->walker;
    return (struct approach_state){walker_approach_steps(walker), walker_approach_least(walker), walker_approach_percent(walker)};
}

/* --- texts --- */

/* Puts the text that was loaded before a patch of it. */
static void give_out_loaded(struct document *document, struct patch *patch)
{
    struct patch since = {0};
    patch_move(&since, patch);
    if (patch_is_empty(&since))
        patch_move(patch, document->loaded);
    else
        patch_compose(patch, document->loaded, &since);
    patch_release(document->loaded);
    free(document->loaded);
    document->loaded = NULL;
    patch_release(&since);
}

uint64_t document_update_cost(struct document *document, uint64_t limit)
{
    struct document *after = document_asleep_after(document);
    if (after)
        return document_update_cost(after, limit);
    return document->asleep ? 0 : walker_cost(document->walker, document->merged, limit);
}

void document_update(struct document *document, struct patch *out)
{
    struct document *after = document_asleep_after(document);
    if (after) {
        document_update(after, out);
        document->len = after->len;
    } else if (document->asleep) {
        patch_clear(out);
        patch_retain(out, document->len);
    } else {
        if (!walker_update_seen(document->walker, document->merged, document->len, out))
            walker_update(document->walker, document->merged, out);
        document->merged = graph_len(document->graph);
        document->len = document->len + patch_inserted(out) - patch_deleted(out);
    }
    if (document->loaded)
        give_out_loaded(document, out);
}

/* By what was written since it was loaded, for a version of that. False: the history has to be asked. */
static bool patch_since_asleep(const struct document *document, const struct version *since, struct patch *out)
{
    struct version version = {0};
    bool is_at = document_asleep_at(document, since);
    bool found = is_at || (document_asleep_find(document, since, &version) &&
                           document_patch_since(document_asleep_after(document), &version, out));
    if (is_at) {
        patch_clear(out);
        patch_retain(out, document->len);
    }
    version_release(&version);
    return found;
}

bool document_patch_since(struct document *document, const struct version *since, struct patch *out)
{
    struct error ignored = {0};
    if (patch_since_asleep(document, since, out))
        return true;
    if (!document_read_history(document, &ignored))
        return false;
    ensure(document->merged == graph_len(document->graph));
    if (!document_lvs(document, since, &document->scratch))
        return false;
    walker_since(document->walker, &document->scratch, out);
    return true;
}

/* Without a tracker at hand. */
static void map_by_patch(struct document *document, const struct lv_list *since, uint64_t *places, size_t count)
{
    struct patch patch = {0};
    walker_since(document->walker, since, &patch);
    for (size_t i = 0; i < count; i++) {
        uint64_t place = patch_map(&patch, places[i], GRAVITY_LEFT);
        places[i] = place < document->len ? place : document->len;
    }
    patch_release(&patch);
}

static bool map_asleep(const struct document *document, const struct version *since, uint64_t *places, size_t count)
{
    struct version version = {0};
    bool is_at = document_asleep_at(document, since);
    bool found = is_at || (document_asleep_find(document, since, &version) &&
                           document_map(document_asleep_after(document), &version, places, count));
    for (size_t i = 0; is_at && i < count; i++)
        places[i] = places[i] < document->len ? places[i] : document->len;
    version_release(&version);
    return found;
}

bool document_map(struct document *document, const struct version *since, uint64_t *places, size_t count)
{
    struct error ignored = {0};
    if (map_asleep(document, since, places, count))
        return true;
    if (!document_read_history(document, &ignored))
        return false;
    ensure(document->merged == graph_len(document->graph));
    if (!document_lvs(document, since, &document->scratch))
        return false;
    if (!walker_map(document->walker, &document->scratch, places, count))
        map_by_patch(document, &document->scratch, places, count);
    return true;
}

bool document_patch_to(struct document *document, const struct version *version, struct patch *out)
{
    struct error ignored = {0};
    if (!document_read_history(document, &ignored) || !document_lvs(document, version, &document->scratch))
        return false;
    walker_to(document->walker, &document->scratch, out);
    return true;
}

struct document_stats document_stats(struct document *document)
{
    document_wake(document);
    return (struct document_stats){
        .events = graph_len(document->graph),
        .runs = graph_runs(document->graph),
        .agents = graph_agents(document->graph),
        .void_events = oplog_void_events(&document->log),
        .walked_events = walker_steps(document->walker),
    };
}

void document_check(struct document *document)
{
    document_wake(document);
    graph_check(document->graph);
    oplog_check(&document->log);
    walker_check(document->walker);
    ensure(document->log.len == graph_len(document->graph));
    ensure(document->merged <= document->log.len);
    for (size_t i = 1; i < document->marks.count; i++)
        ensure(document->marks.items[i - 1].lv < document->marks.items[i].lv);
}
