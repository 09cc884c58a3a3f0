#include "sync/document_dates.h"

#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"

void dates_release(struct dates *dates)
{
    for (size_t i = 0; i < dates->count; i++)
        free(dates->agents[i].items);
    free(dates->agents);
    *dates = (struct dates){0};
}

static struct dates_row *row_of(struct dates *dates, size_t agent)
{
    if (agent >= dates->count) {
        dates->agents = xgrow(dates->agents, &dates->cap, agent + 1, sizeof *dates->agents);
        for (; dates->count <= agent; dates->count++)
            dates->agents[dates->count] = (struct dates_row){0};
    }
    return &dates->agents[agent];
}

static void add_mark(struct document *document, size_t index)
{
    const struct mark *mark = &document->marks.items[index];
    struct graph_author author = graph_author_of(document->graph, mark->lv);
    if (!(mark->flags & BATCH_FLAG_GESTURE) && author.seq != graph_first_seq(document->graph, author.agent))
        return;
    struct dates_row *row = row_of(&document->dates, author.agent);
    row->items = xgrow(row->items, &row->cap, row->count + 1, sizeof *row->items);
    row->items[row->count++] = (struct date){author.seq, index};
}

static struct dates_row *catch_up(struct document *document, size_t agent)
{
    while (document->dates.marks_done < document->marks.count)
        add_mark(document, document->dates.marks_done++);
    return row_of(&document->dates, agent);
}

/* How many of an agent's edits begin at or before an event of it. */
static size_t begun_at(const struct dates_row *row, uint64_t seq)
{
    size_t at;
    BISECT(at, row->count, row->items[at].seq <= seq);
    return at;
}

struct dated document_date(struct document *document, uint64_t lv, uint64_t *len)
{
    struct graph_author author = graph_author_of(document->graph, lv);
    const struct dates_row *row = catch_up(document, author.agent);
    size_t begun = begun_at(row, author.seq);
    uint64_t left = author.len;
    if (begun < row->count && row->items[begun].seq - author.seq < left)
        left = row->items[begun].seq - author.seq;
    *len = *len < left ? *len : left;
    struct dated dated = {author.agent, graph_first_seq(document->graph, author.agent), 0, NULL};
    if (begun == 0)
        return dated;
    const struct mark *mark = &document->marks.items[row->items[begun - 1].mark];
    dated.seq = row->items[begun - 1].seq;
    dated.time_s = mark->time_s;
    if (mark->flags & BATCH_FLAG_LABEL)
        dated.label = (const char *)document->marks.labels.data + mark->label_at;
    return dated;
}

bool dated_equal(const struct dated *a, const struct dated *b)
{
    return a->agent == b->agent && a->seq == b->seq;
}

uint64_t document_date_or_before(struct document *document, struct dated dated)
{
    const struct dates_row *row = catch_up(document, dated.agent);
    for (size_t i = begun_at(row, dated.seq); i > 0 && dated.time_s == 0; i--)
        dated.time_s = document->marks.items[row->items[i - 1].mark].time_s;
    return dated.time_s;
}

struct agent_id document_author(const struct document *document, size_t agent)
{
    struct agent_fork fork;
    while (graph_fork_of(document->graph, agent, &fork))
        ensure(graph_find_agent(document->graph, &fork.from, &agent));
    return *graph_agent_id(document->graph, agent);
}
