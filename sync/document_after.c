#include "sync/document_after.h"

#include <stdlib.h>

#include "editor/base/xalloc.h"
#include "sync/document_parts.h"

struct after *after_new(uint64_t len, const struct version *saved, const struct asleep_agent *agents, size_t agent_count)
{
    struct after *after = xcalloc(1, sizeof *after);
    *after = (struct after){.document = document_new_of(len), .agents = agents, .agent_count = agent_count, .saved = saved};
    return after;
}

void after_free(struct after *after)
{
    if (!after)
        return;
    document_free(after->document);
    free(after);
}

/* How much of an agent lies before. */
static uint64_t saved_of(const struct after *after, const struct agent_id *agent)
{
    for (size_t i = 0; i < after->agent_count; i++)
        if (agent_id_equal(&after->agents[i].id, agent))
            return after->agents[i].next_seq;
    return 0;
}

uint64_t after_next_seq(const struct after *after, const struct agent_id *agent)
{
    return saved_of(after, agent) + document_next_seq(after->document, agent);
}

void after_version(const struct after *after, struct version *out)
{
    if (document_events(after->document) == 0) {
        version_copy(out, after->saved);
        return;
    }
    document_version(after->document, out);
    for (size_t i = 0; i < out->count; i++)
        out->heads[i].seq += saved_of(after, &out->heads[i].agent);
}

bool after_find(const struct after *after, const struct version *version, struct version *out)
{
    out->count = 0;
    if (version_equal(version, after->saved))
        return true;
    out->heads = xgrow(out->heads, &out->cap, version->count, sizeof *out->heads);
    for (size_t i = 0; i < version->count; i++) {
        uint64_t saved = saved_of(after, &version->heads[i].agent);
        if (version->heads[i].seq < saved)
            return false;
        out->heads[out->count++] = (struct event_id){version->heads[i].agent, version->heads[i].seq - saved};
    }
    return version->count > 0 && document_knows(after->document, out);
}

/* The parents of a batch, its agent's own one among them. */
static void parents_of(const struct batch *batch, struct version *out)
{
    out->heads = xgrow(out->heads, &out->cap, batch->parent_count + 1, sizeof *out->heads);
    for (size_t i = 0; i < batch->parent_count; i++)
        out->heads[out->count++] = batch->parents[i];
    if (batch->flags & BATCH_FLAG_SELF)
        out->heads[out->count++] = (struct event_id){batch->agent, batch->seq0 - 1};
    version_sort(out);
}

/* The same events by the numbers of here; what else a batch says is for who has the history. */
static void renumber(const struct after *after, const struct batch *batch, const struct version *parents, struct batch *out)
{
    batch_copy(out, batch);
    out->seq0 -= saved_of(after, &batch->agent);
    out->flags = 0;
    out->parent_count = out->undo_count = 0;
    for (size_t i = 0; i < parents->count; i++)
        batch_add_parent(out, parents->heads[i]);
}

enum document_added after_add(struct after *after, const struct batch *batch, struct error *err)
{
    struct version named = {0}, parents = {0};
    enum document_added added = DOCUMENT_EARLY;
    parents_of(batch, &named);
    if (after_find(after, &named, &parents)) {
        struct batch renumbered = {0};
        renumber(after, batch, &parents, &renumbered);
        added = document_add(after->document, &renumbered, err);
        batch_release(&renumbered);
    }
    version_release(&named);
    version_release(&parents);
    return added;
}

bool after_approach(struct after *after, const struct batch *batch, uint64_t steps, bool *there)
{
    struct version named = {0}, parents = {0};
    parents_of(batch, &named);
    bool found = after_find(after, &named, &parents);
    if (found) { /* nobody looks at what it does */
        struct batch renumbered = {.agent = batch->agent, .seq0 = batch->seq0 - saved_of(after, &batch->agent),
                                   .count = batch->count};
        for (size_t i = 0; i < parents.count; i++)
            batch_add_parent(&renumbered, parents.heads[i]);
        *there = document_approach(after->document, &renumbered, steps);
        batch_release(&renumbered);
    }
    version_release(&named);
    version_release(&parents);
    return found;
}

void after_is_in_text(struct after *after, uint64_t len)
{
    struct document *document = after->document;
    uint64_t first = document->merged, before = document->len;
    document->merged = graph_len(document->graph);
    document->len = len;
    if (document->merged > first)
        document_note_critical(document, first, before);
}
