/* What waits has so much room; who goes without when it is full. */
#include "sync/inbox_parts.h"

#include <stdlib.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"

/* What waits of one agent. */
struct share {
    struct agent_id agent;
    size_t bytes, records;
};

static int compare_by_agent(const void *a, const void *b)
{
    return agent_id_compare(&((const struct share *)a)->agent, &((const struct share *)b)->agent);
}

static int compare_by_bytes(const void *a, const void *b)
{
    const struct share *left = a, *right = b;
    return (left->bytes < right->bytes) - (left->bytes > right->bytes);
}

/* One for each agent that waits, the newcomer's among them; the most first. */
static struct share *find_shares(const struct inbox *inbox, const struct share *newcomer, size_t *count)
{
    struct share *shares = xcalloc(inbox->waiting_count + 1, sizeof *shares);
    for (size_t i = 0; i < inbox->waiting_count; i++)
        shares[i] = (struct share){inbox->waiting[i].agent, inbox_waiting_bytes(inbox->waiting[i].stored.len), 1};
    shares[inbox->waiting_count] = *newcomer;
    qsort(shares, inbox->waiting_count + 1, sizeof *shares, compare_by_agent);
    *count = 0;
    for (size_t i = 0; i <= inbox->waiting_count; i++) {
        struct share *last = *count > 0 ? &shares[*count - 1] : NULL;
        if (last && agent_id_equal(&last->agent, &shares[i].agent)) {
            last->bytes += shares[i].bytes;
            last->records++;
        } else {
            shares[(*count)++] = shares[i];
        }
    }
    qsort(shares, *count, sizeof *shares, compare_by_bytes);
    return shares;
}

static bool is_among(const struct share *shares, size_t count, const struct agent_id *agent)
{
    size_t at;
    BISECT(at, count, agent_id_compare(&shares[at].agent, agent) < 0);
    return at < count && agent_id_equal(&shares[at].agent, agent);
}

static void lose_agent(struct inbox *inbox, const struct agent_id *agent)
{
    struct error err = {0};
    error_set(&err, ERR_LIMIT, 0, "much of it builds on edits that are not here");
    if (roster_find(inbox->roster, agent)) /* anybody could be named by a relay */
        (void)inbox_refuse(inbox, agent, &err);
    else
        inbox->lost = true;
}

/* All that waits of these, sorted by agent: it comes again, on the next connection. */
static void lose(struct inbox *inbox, const struct share *shares, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < inbox->waiting_count; i++) {
        struct waiting *waiting = &inbox->waiting[i];
        if (!is_among(shares, count, &waiting->agent)) {
            inbox->waiting[kept++] = *waiting;
            continue;
        }
        inbox->waiting_bytes -= inbox_waiting_bytes(waiting->stored.len);
        inbox->behind_count -= waiting->is_behind;
        buf_release(&waiting->stored);
    }
    inbox->waiting_count = kept;
    for (size_t i = 0; i < count; i++)
        lose_agent(inbox, &shares[i].agent);
}

/* A quarter of the room becomes free, so that it is not looked for whom it lies at with every record. */
bool inbox_make_room(struct inbox *inbox, const struct agent_id *agent, size_t bytes)
{
    const size_t bytes_end = INBOX_EARLY_BYTES_MAX - INBOX_EARLY_BYTES_MAX / 4;
    const size_t records_end = INBOX_EARLY_RECORDS_MAX - INBOX_EARLY_RECORDS_MAX / 4;
    size_t count, gone = 0, bytes_left = inbox->waiting_bytes + bytes, records_left = inbox->waiting_count + 1;
    struct share *shares = find_shares(inbox, &(struct share){*agent, bytes, 1}, &count);
    while (gone < count && (bytes_left > bytes_end || records_left > records_end)) {
        bytes_left -= shares[gone].bytes;
        records_left -= shares[gone++].records;
    }
    qsort(shares, gone, sizeof *shares, compare_by_agent);
    bool stays = !is_among(shares, gone, agent);
    lose(inbox, shares, gone);
    free(shares);
    return stays;
}
