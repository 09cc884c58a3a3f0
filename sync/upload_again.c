/* What the relay has lost, ours or not, comes from the journal and is offered again. */
#include "sync/upload_parts.h"

#include <stdlib.h>

void upload_drop_fetched(struct upload *upload, struct stream *stream)
{
    while (stream->record_count > 0 && stream->records[0]->again)
        upload_remove_record(upload, stream, 0);
    stream->fetching = stream->fetch_more = stream->disputed = false;
}

static void ask(struct upload *upload, struct stream *stream)
{
    stream->fetching = true;
    stream->fetch_more = false;
    upload->port.fetch(upload->port.self, &stream->agent, stream->fetch_from, !stream->disputed);
}

void upload_ask_journal(struct upload *upload, struct stream *stream)
{
    if (!stream->disputed)
        stream->fetch_from = stream->relay_next;
    ask(upload, stream);
}

void upload_ask_for_more(struct upload *upload, struct stream *stream)
{
    if (!stream->fetch_more)
        return;
    for (size_t i = 0; i < stream->record_count && stream->records[i]->again; i++)
        if (!stream->records[i]->sent)
            return;
    ask(upload, stream);
}

void upload_offer_again(struct upload *upload, const struct agent_id *agent, uint64_t seq0)
{
    struct stream *stream = upload_get_stream(upload, agent);
    bool busy = stream->fetching || stream->fetch_more || (!stream->mine && stream->record_count > 0);
    if (busy || upload->config.keys->access < ACCESS_WRITE)
        return;
    stream->disputed = true;
    stream->fetch_from = seq0;
    upload_ask_journal(upload, stream);
}

void upload_offer_forks(struct upload *upload)
{
    size_t count = 0;
    struct chain_head *heads = chain_heads(upload->config.chain, &count);
    for (size_t i = 0; i < count; i++) {
        uint64_t seq = chain_parts_at(upload->config.chain, &heads[i].agent);
        if (seq != UINT64_MAX)
            upload_offer_again(upload, &heads[i].agent, seq);
    }
    free(heads);
}

void upload_reoffer_lost(struct upload *upload, uint64_t now_ms)
{
    if (now_ms < upload->reoffer_ms)
        return;
    upload->reoffer_ms = UINT64_MAX;
    size_t count = 0;
    struct chain_head *heads = chain_heads(upload->config.chain, &count);
    for (size_t i = 0; i < count; i++) {
        struct stream *stream = upload_get_stream(upload, &heads[i].agent);
        if (!stream->mine && !stream->fetching && !stream->fetch_more && stream->relay_next < heads[i].next_seq)
            upload_ask_journal(upload, stream);
    }
    free(heads);
}

/* --- the journal's answer to fetch --- */

/* What is of use of a piece: what joins on to the records up to `next`, and ends behind `begin`. */
struct wanted {
    uint64_t begin, next;
    bool forked; /* a short record behind a long one may be another side of it: all of them are wanted */
};

/* Whether what a pack stands in for is in the piece as well: then that is offered. A pack may be what is disputed. */
static bool has_events_of(const struct bytes *stored, size_t count, const struct record *pack)
{
    struct record view;
    struct error err = {0};
    for (size_t i = 0; i < count; i++)
        if (record_decode(stored[i], &view, &err) && view.kind == RECORD_EVENTS && view.seq0 <= pack->seq0 &&
            view.seq0 + view.count > pack->seq0)
            return true;
    return false;
}

static bool useful(const struct stream *stream, struct bytes stored, const struct wanted *wanted, struct record *view)
{
    struct error err = {0};
    return record_decode(stored, view, &err) &&
           (view->kind == RECORD_EVENTS || (view->kind == RECORD_PACK && !stream->disputed)) &&
           agent_id_equal(&view->agent, &stream->agent) && view->seq0 <= wanted->next &&
           view->seq0 + view->count > (wanted->forked ? wanted->begin : wanted->next);
}

/* Records fetched so far stand in front of the stream's own. */
static size_t fetched_count(const struct stream *stream)
{
    size_t n = 0;
    while (n < stream->record_count && stream->records[n]->again)
        n++;
    return n;
}

void upload_fetched(struct upload *upload, const struct agent_id *agent, const struct bytes *stored, size_t count,
                    bool more)
{
    struct stream *stream = upload_find_stream(upload, agent);
    if (!stream || !stream->fetching)
        return;
    size_t at = fetched_count(stream), before = at;
    bool ahead = !stream->disputed && stream->relay_next > stream->fetch_from;
    uint64_t from = ahead ? stream->relay_next : stream->fetch_from;
    struct wanted wanted = {from, from, chain_is_forked(upload->config.chain, agent)};
    for (size_t i = 0; i < count; i++) {
        struct record view;
        if (!useful(stream, stored[i], &wanted, &view) ||
            (stream->disputed && view.kind == RECORD_PACK && has_events_of(stored, count, &view)) ||
            (at < stream->record_count && view.seq0 >= stream->records[at]->seq0))
            continue;
        struct upload_record *record = upload_record_new(upload, &view);
        record->persisted = record->again = true;
        wanted.next = upload_record_end(record) > wanted.next ? upload_record_end(record) : wanted.next;
        upload_insert_record(upload, stream, at++, record);
    }
    stream->fetch_from = wanted.next;
    stream->fetching = false;
    stream->fetch_more = more && (at > before || ahead); /* behind a gap nothing is of use */
    stream->disputed &= stream->fetch_more;
    upload_ask_for_more(upload, stream); /* at once where the relay has got all of this piece meanwhile */
}
