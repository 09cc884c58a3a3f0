/*
 * What is here and the relay lacks, although it does not wait here to be sent: another process of ours has it to send, or the
 * relay has lost it. What is written here may build on it, and nobody else can read the one without the other.
 */
#include "sync/upload_parts.h"

#include <stdlib.h>

#include "editor/base/deadline.h"
#include "editor/base/xalloc.h"

/* What is lent counts as ours while it waits. */
static uint64_t relay_next(const struct upload *upload, const struct lacking *lacking)
{
    const struct stream *stream = upload_find_stream(upload, &lacking->agent);
    return !stream ? 0 : stream->lent ? UINT64_MAX : stream->relay_next;
}

/* What waits here is counted there. */
static uint64_t end_of(const struct upload *upload, const struct lacking *lacking)
{
    const struct stream *stream = upload_find_stream(upload, &lacking->agent);
    uint64_t owed = stream && stream->mine ? upload_first_owed(upload, stream) : UINT64_MAX;
    return owed < lacking->next_seq ? owed : lacking->next_seq;
}

static struct lacking *find(struct upload *upload, const struct agent_id *agent)
{
    for (size_t i = 0; i < upload->lacking_count; i++)
        if (agent_id_equal(&upload->lacking[i].agent, agent))
            return &upload->lacking[i];
    return NULL;
}

static void add(struct upload *upload, const struct agent_id *agent, uint64_t next_seq, uint64_t now_ms)
{
    struct lacking lacking = {.agent = *agent, .next_seq = next_seq, .since_ms = now_ms,
                              .ask_ms = now_ms + UPLOAD_LACKING_MS, .wait_ms = UPLOAD_LACKING_MS};
    lacking.relay_next = relay_next(upload, &lacking);
    if (lacking.relay_next >= next_seq)
        return;
    upload->lacking =
        xgrow(upload->lacking, &upload->lacking_cap, upload->lacking_count + 1, sizeof *upload->lacking);
    upload->lacking[upload->lacking_count++] = lacking;
}

void upload_note_here(struct upload *upload, const struct agent_id *agent, uint64_t next_seq, uint64_t now_ms)
{
    const struct stream *stream = upload_find_stream(upload, agent);
    struct lacking *known = find(upload, agent);
    if (known && next_seq > known->next_seq)
        known->next_seq = next_seq;
    else if (!known && (!stream || !stream->mine))
        add(upload, agent, next_seq, now_ms);
}

void upload_lacking_welcome(struct upload *upload, uint64_t now_ms)
{
    size_t count = 0;
    struct chain_head *heads = chain_heads(upload->config.chain, &count);
    upload->lacking_count = 0;
    for (size_t i = 0; i < count; i++)
        add(upload, &heads[i].agent, heads[i].next_seq, now_ms);
    free(heads);
}

/* Whoever has it to send may be slow: as long as something of it comes, he is not stuck. */
static void follow(struct lacking *lacking, uint64_t next, uint64_t now_ms)
{
    if (next == lacking->relay_next)
        return;
    lacking->relay_next = next;
    lacking->since_ms = now_ms;
    lacking->wait_ms = UPLOAD_LACKING_MS;
    lacking->ask_ms = now_ms + lacking->wait_ms;
}

/* What is sealed is in the journal, whoever sealed it, and the same bytes twice are one record to the relay. */
static void offer(struct upload *upload, struct lacking *lacking, uint64_t now_ms)
{
    struct stream *stream = upload_get_stream(upload, &lacking->agent);
    if (!stream->fetching && !stream->fetch_more && stream->record_count == 0)
        upload_ask_journal(upload, stream);
    lacking->wait_ms = lacking->wait_ms < UPLOAD_LACKING_MAX_MS / 2 ? 2 * lacking->wait_ms : UPLOAD_LACKING_MAX_MS;
    lacking->ask_ms = now_ms + lacking->wait_ms;
}

/* What was lent is sent: the rest, if there is more by now, is for the process that writes it. */
static void take_back_lent(struct upload *upload, uint64_t now_ms)
{
    for (size_t i = 0; i < upload->stream_count && upload->lent > 0; i++) {
        struct stream *stream = upload->streams[i];
        if (!stream->lent || stream->pending_count > 0 || stream->record_count > 0 || stream->fetching)
            continue;
        stream->lent = stream->mine = false;
        upload->lent--;
        upload_note_here(upload, &stream->agent, chain_next_seq(upload->config.chain, &stream->agent), now_ms);
    }
}

void upload_lacking_run(struct upload *upload, uint64_t now_ms)
{
    take_back_lent(upload, now_ms);
    for (size_t i = 0; i < upload->lacking_count;) {
        struct lacking *lacking = &upload->lacking[i];
        uint64_t next = relay_next(upload, lacking);
        if (next >= end_of(upload, lacking)) {
            *lacking = upload->lacking[--upload->lacking_count];
            continue;
        }
        follow(lacking, next, now_ms);
        if (now_ms >= lacking->ask_ms)
            offer(upload, lacking, now_ms);
        i++;
    }
}

uint64_t upload_lacking_next_ms(const struct upload *upload)
{
    uint64_t next_ms = UINT64_MAX;
    for (size_t i = 0; i < upload->lacking_count; i++)
        next_ms = deadline_earlier(next_ms, upload->lacking[i].ask_ms);
    return next_ms;
}

/* Who may only read writes nothing that could build on it. */
void upload_lacking_counts(const struct upload *upload, struct upload_counts *counts)
{
    if (!upload->online || upload->config.keys->access < ACCESS_WRITE)
        return;
    for (size_t i = 0; i < upload->lacking_count; i++) {
        const struct lacking *lacking = &upload->lacking[i];
        uint64_t next = relay_next(upload, lacking), end = end_of(upload, lacking);
        if (next >= end)
            continue;
        uint64_t batches = chain_count(upload->config.chain, &lacking->agent, next, end);
        counts->lacking += batches ? batches : 1; /* the rest of a batch, or a branch's */
        if (!counts->lacking_since_ms || lacking->since_ms < counts->lacking_since_ms)
            counts->lacking_since_ms = lacking->since_ms;
    }
}
