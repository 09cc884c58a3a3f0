/* One agent each: what of it waits, and in which order. */
#include "sync/upload_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"

static size_t lower_bound(const struct upload *upload, const struct agent_id *agent)
{
    size_t at;
    BISECT(at, upload->stream_count, agent_id_compare(&upload->streams[at]->agent, agent) < 0);
    return at;
}

struct stream *upload_find_stream(const struct upload *upload, const struct agent_id *agent)
{
    size_t i = lower_bound(upload, agent);
    bool found = i < upload->stream_count && agent_id_equal(&upload->streams[i]->agent, agent);
    return found ? upload->streams[i] : NULL;
}

struct stream *upload_get_stream(struct upload *upload, const struct agent_id *agent)
{
    struct stream *stream = upload_find_stream(upload, agent);
    if (stream)
        return stream;
    size_t at = lower_bound(upload, agent);
    stream = xcalloc(1, sizeof *stream);
    stream->agent = *agent;
    upload->streams = xgrow(upload->streams, &upload->stream_cap, upload->stream_count + 1, sizeof(struct stream *));
    memmove(upload->streams + at + 1, upload->streams + at, (upload->stream_count - at) * sizeof(struct stream *));
    upload->streams[at] = stream;
    upload->stream_count++;
    return stream;
}

void upload_make_mine(struct upload *upload, struct stream *stream)
{
    if (stream->mine)
        return;
    stream->mine = true;
    stream->turn = agent_id_equal(&stream->agent, &upload->config.self) ? UINT64_MAX : ++upload->turns;
}

struct stream *upload_next_turn(const struct upload *upload, uint64_t turn)
{
    struct stream *next = NULL;
    for (size_t i = 0; i < upload->stream_count; i++) {
        struct stream *stream = upload->streams[i];
        if (stream->mine && stream->turn > turn && (!next || stream->turn < next->turn))
            next = stream;
    }
    return next;
}

void upload_record_free(struct upload_record *record)
{
    buf_release(&record->stored);
    free(record);
}

void upload_stream_free(struct stream *stream)
{
    for (size_t i = 0; i < stream->pending_count; i++)
        buf_release(&stream->pending[i].plain);
    for (size_t i = 0; i < stream->record_count; i++)
        upload_record_free(stream->records[i]);
    free(stream->pending);
    free(stream->records);
    free(stream);
}

void upload_insert_record(struct upload *upload, struct stream *stream, size_t at, struct upload_record *record)
{
    stream->records =
        xgrow(stream->records, &stream->record_cap, stream->record_count + 1, sizeof(struct upload_record *));
    memmove(stream->records + at + 1, stream->records + at,
            (stream->record_count - at) * sizeof(struct upload_record *));
    stream->records[at] = record;
    stream->record_count++;
    upload->waiting++;
}

void upload_drop_pending(struct upload *upload, struct stream *stream, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_release(&stream->pending[i].plain);
    upload->waiting -= n;
    stream->pending_count -= n;
    memmove(stream->pending, stream->pending + n, stream->pending_count * sizeof *stream->pending);
}

void upload_remove_record(struct upload *upload, struct stream *stream, size_t at)
{
    struct upload_record *record = stream->records[at];
    upload->edits -= record->edits;
    upload->batches -= record->batches;
    if (!record->sent)
        upload->ahead_bytes -= record->stored.len;
    upload_record_free(record);
    upload->waiting--;
    stream->record_count--;
    memmove(stream->records + at, stream->records + at + 1,
            (stream->record_count - at) * sizeof(struct upload_record *));
}

struct upload_record *upload_record_new(struct upload *upload, const struct record *view)
{
    struct upload_record *record = xcalloc(1, sizeof *record);
    record->ticket = upload->next_ticket++;
    record->seq0 = view->seq0;
    record->count = view->count;
    buf_add_bytes(&record->stored, view->whole);
    upload->ahead_bytes += record->stored.len;
    return record;
}
