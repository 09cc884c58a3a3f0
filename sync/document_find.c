/*
 * Which version has a given text: for a file that another replica of this document has written.
 *
 * There are exponentially many versions, but a replica passes through few: the events in the order in which they came to it. Our
 * own order is known. That of somebody else shows in the parents of what that agent wrote: before each of its events came
 * all that the event had seen, and what came between two of them is taken in our order. After the last one, all the rest.
 *
 * Along such a path a row of events by one operation changes the length by one each, so the length of the text tells which
 * of them it can be. Going back from the end, that is one or two walks over the newest events for each row.
 */
#include "sync/document_parts.h"

#include <stdlib.h>

#include "editor/base/least.h"
#include "editor/base/xalloc.h"

enum {
    ROWS_MAX = 128,  /* so many of the newest rows of a path are looked at */
    AGENTS_MAX = 8,  /* whose paths are followed: those who wrote last */
    PROOFS_MAX = 16, /* texts of the right length that are compared as a whole */
};

/* For an agent: the path is our own, the order in which events came here. */
static const size_t OUR_OWN = SIZE_MAX;

struct search {
    struct document *document;
    const struct rope *now, *wanted;
    struct lv_ranges fresh;  /* all events after the version the search begins at, ascending */
    struct lv_list since;    /* that version */
    struct lv_ranges path;   /* rows of events, in the order of the path */
    struct lv_list at;       /* the version that the path has reached */
    struct patch patch;
    unsigned proofs;
};

/* --- a path --- */

/* Events in a row are there as well. */
static void advance(const struct search *search, struct lv_list *at, uint64_t first, uint64_t last)
{
    struct graph_run run = graph_run_of(search->document->graph, first);
    size_t kept = 0;
    for (size_t i = 0; i < at->count; i++) {
        bool seen = first > run.first && at->items[i] == first - 1;
        for (size_t j = 0; j < run.parent_count && first == run.first; j++)
            seen = seen || at->items[i] == run.parents[j];
        if (!seen)
            at->items[kept++] = at->items[i];
    }
    at->count = kept;
    lv_list_add(at, last);
    lv_list_sort(at);
}

/* The next rows of the path: events in a row, each after the one before, of one operation. */
static void follow(struct search *search, uint64_t first, uint64_t end)
{
    while (first < end) {
        struct graph_run run = graph_run_of(search->document->graph, first);
        struct op_piece piece = oplog_piece(&search->document->log, first, run.end < end ? run.end : end);
        search->path.items = xgrow(search->path.items, &search->path.cap, search->path.count + 1, sizeof(struct lv_range));
        search->path.items[search->path.count++] = (struct lv_range){first, first + piece.len};
        advance(search, &search->at, first, first + piece.len - 1);
        first += piece.len;
    }
}

static void follow_missing(struct search *search, const struct lv_list *version)
{
    struct lv_ranges missing = {0}, more = {0};
    graph_diff(search->document->graph, version, &search->at, &missing, &more);
    lv_ranges_sort(&missing);
    for (size_t i = 0; i < missing.count; i++)
        follow(search, missing.items[i].first, missing.items[i].end);
    lv_ranges_release(&missing);
    lv_ranges_release(&more);
}

/* What one agent wrote in a row, after all that it had seen. */
static void follow_author(struct search *search, uint64_t first, uint64_t end)
{
    struct lv_list parents = {0};
    struct graph_run run = graph_run_of(search->document->graph, first);
    if (first == run.first)
        lv_list_set(&parents, run.parents, run.parent_count);
    else
        lv_list_add(&parents, first - 1);
    follow_missing(search, &parents);
    follow(search, first, end);
    lv_list_release(&parents);
}

static void make_path(struct search *search, size_t agent)
{
    const struct graph *graph = search->document->graph;
    search->path.count = 0;
    lv_list_set(&search->at, search->since.items, search->since.count);
    for (size_t i = 0; i < search->fresh.count && agent != OUR_OWN; i++) {
        for (uint64_t lv = search->fresh.items[i].first, end; lv < search->fresh.items[i].end; lv = end) {
            struct graph_author author = graph_author_of(graph, lv);
            end = least(least(lv + author.len, graph_run_of(graph, lv).end), search->fresh.items[i].end);
            if (author.agent == agent)
                follow_author(search, lv, end);
        }
    }
    follow_missing(search, graph_frontier(graph));
}

/* --- the text along a path --- */

/* Whether the patch makes the present text of the wanted one. What it deletes may be anything, so this is no proof yet. */
static bool may_become_now(const struct search *search)
{
    struct rope *now = rope_snapshot(search->wanted);
    rope_apply(now, &search->patch);
    bool may = rope_equal(now, search->now);
    rope_free(now);
    return may;
}

static uint64_t length_at(struct search *search, const struct lv_list *version)
{
    walker_since(search->document->walker, version, &search->patch);
    return rope_len(search->now) + patch_deleted(&search->patch) - patch_inserted(&search->patch);
}

/* search->patch leads from the version, whose text is as long as the wanted one, to the present text. */
static bool is_wanted(struct search *search, const struct lv_list *version)
{
    if (!may_become_now(search) || search->proofs++ >= PROOFS_MAX)
        return false;
    struct rope *text = rope_snapshot(search->document->base);
    walker_to(search->document->walker, version, &search->patch);
    rope_apply(text, &search->patch);
    bool same = rope_equal(text, search->wanted);
    rope_free(text);
    return same;
}

/* The event of the row after which the text, `len` bytes long at its end, would have the right length. */
static bool find_in_row(const struct search *search, struct lv_range row, uint64_t len, uint64_t *lv)
{
    bool grows = oplog_piece(&search->document->log, row.first, row.end).shape == SHAPE_INSERT;
    uint64_t wanted = rope_len(search->wanted);
    uint64_t back = grows ? len - wanted : wanted - len; /* wraps where the row leads away from it */
    *lv = row.end - 1 - back;
    return back < row.end - row.first;
}

/* `at`: the version before the row; comes out as the version that was found. */
static bool row_has_it(struct search *search, struct lv_range row, struct lv_list *at)
{
    struct lv_list before = {0};
    uint64_t lv;
    lv_list_set(&before, at->items, at->count);
    advance(search, at, row.first, row.end - 1);
    bool may = find_in_row(search, row, length_at(search, at), &lv);
    if (may && lv != row.end - 1) {
        lv_list_set(at, before.items, before.count);
        advance(search, at, row.first, lv);
        may = length_at(search, at) == rope_len(search->wanted);
    }
    lv_list_release(&before);
    return may && is_wanted(search, at);
}

/* From the newest row backwards; search->at is the version when it is found. */
static bool path_has_it(struct search *search)
{
    struct lv_list before[ROWS_MAX] = {{0}};
    size_t skipped = search->path.count > ROWS_MAX ? search->path.count - ROWS_MAX : 0;
    size_t count = search->path.count - skipped;
    bool has = false;
    lv_list_set(&search->at, search->since.items, search->since.count);
    for (size_t i = 0; i < search->path.count; i++) {
        struct lv_range row = search->path.items[i];
        if (i >= skipped)
            lv_list_set(&before[i - skipped], search->at.items, search->at.count);
        advance(search, &search->at, row.first, row.end - 1);
    }
    for (size_t i = count; i-- > 0 && !has;) {
        has = row_has_it(search, search->path.items[skipped + i], &before[i]);
        if (has)
            lv_list_set(&search->at, before[i].items, before[i].count);
    }
    for (size_t i = 0; i < count; i++)
        lv_list_release(&before[i]);
    return has;
}

/* --- whose paths --- */

/* To the front of those who wrote last. */
static void note_agent(size_t agents[AGENTS_MAX], size_t *count, size_t agent)
{
    size_t i = 0;
    while (i < *count && agents[i] != agent)
        i++;
    if (i == *count && *count < AGENTS_MAX)
        (*count)++;
    for (i = i < AGENTS_MAX ? i : AGENTS_MAX - 1; i > 0; i--)
        agents[i] = agents[i - 1];
    agents[0] = agent;
}

static size_t newest_agents(const struct search *search, size_t agents[AGENTS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < search->fresh.count; i++) {
        for (uint64_t lv = search->fresh.items[i].first; lv < search->fresh.items[i].end;) {
            struct graph_author author = graph_author_of(search->document->graph, lv);
            note_agent(agents, &count, author.agent);
            lv += author.len;
        }
    }
    return count;
}

/* search->at is the version when it is found. */
static bool search_all(struct search *search)
{
    size_t agents[AGENTS_MAX];
    lv_list_set(&search->at, search->since.items, search->since.count);
    if (length_at(search, &search->at) == rope_len(search->wanted) && is_wanted(search, &search->at))
        return true;
    make_path(search, OUR_OWN);
    if (path_has_it(search))
        return true;
    size_t count = newest_agents(search, agents);
    for (size_t i = 0; i < count; i++) {
        make_path(search, agents[i]);
        if (path_has_it(search))
            return true;
    }
    return false;
}

bool document_find_text(struct document *document, const struct version *since, const struct rope *now,
                        const struct rope *text, struct version *out)
{
    struct error ignored = {0};
    if (!document_read_history(document, &ignored))
        return false;
    struct search search = {.document = document, .now = now, .wanted = text};
    struct lv_ranges older = {0};
    bool found = false;
    ensure(document->merged == graph_len(document->graph) && rope_len(now) == document->len);
    if (document_lvs(document, since, &search.since)) {
        graph_diff(document->graph, graph_frontier(document->graph), &search.since, &search.fresh, &older);
        lv_ranges_sort(&search.fresh);
        found = search_all(&search);
    }
    if (found)
        document_ids(document, &search.at, out);
    lv_ranges_release(&older);
    lv_ranges_release(&search.fresh);
    lv_ranges_release(&search.path);
    lv_list_release(&search.since);
    lv_list_release(&search.at);
    patch_release(&search.patch);
    return found;
}
