#include "sync/batch_run.h"

#include <stdlib.h>

/* --- going over it --- */

struct batch_cursor batch_cursor_of(const struct batch_run *run)
{
    return (struct batch_cursor){.run = run,
                                 .reader = reader_of(run->plain),
                                 .seq = run->seq0,
                                 .left = run->count,
                                 .local_at = run->local_at,
                                 .local_end = run->local_at};
}

void batch_cursor_release(struct batch_cursor *cursor)
{
    batch_release(&cursor->memory);
}

static void use_local_names(struct batch_cursor *cursor)
{
    struct batch *batch = &cursor->memory;
    const struct agent_id *names = cursor->run->local;
    size_t at = cursor->local_at;
    if (cursor->batch != batch)
        batch_copy(batch, cursor->batch);
    cursor->batch = batch;
    batch->agent = names[at++];
    for (size_t i = 0; i < batch->parent_count; i++)
        batch->parents[i].agent = names[at++];
    for (size_t i = 0; i < batch->undo_count; i++)
        batch->undo[i].agent = names[at++];
}

static bool decode_next(struct batch_cursor *cursor, struct error *err)
{
    const struct batch_run *run = cursor->run;
    cursor->plain = run->bare ? run->plain : read_sized(&cursor->reader, BATCH_BYTES_MAX);
    if (cursor->reader.failed)
        return error_set(err, ERR_FORMAT, 0, "the length of a batch cannot be read");
    return batch_decode(cursor->plain, &run->agent, cursor->seq, &cursor->memory, err);
}

bool batch_cursor_next(struct batch_cursor *cursor)
{
    const struct batch_run *run = cursor->run;
    struct error err = {0};
    if (cursor->left == 0)
        return false;
    cursor->left--;
    const struct batch *batch = run->given ? run->given : &cursor->memory;
    if (run->given) {
        cursor->plain = run->plain;
    } else {
        bool sound = decode_next(cursor, &err);
        ensure(sound); /* it was read before */
    }
    cursor->batch = batch;
    cursor->seq = batch->seq0 + batch->count;
    cursor->local_at = cursor->local_end;
    cursor->local_end += 1 + batch->parent_count + batch->undo_count;
    if (run->local)
        use_local_names(cursor);
    return true;
}

/* --- reading --- */

static bool read_all(struct batch_cursor *cursor, uint64_t events, size_t *count, struct error *err)
{
    uint64_t end = cursor->seq + events;
    while (reader_left(&cursor->reader) > 0 && cursor->seq < end) {
        if (*count == BATCH_RUN_MAX)
            return error_set(err, ERR_LIMIT, 0, "a record holds more than %d batches", BATCH_RUN_MAX);
        if (!decode_next(cursor, err))
            return false;
        cursor->seq += cursor->memory.count;
        ++*count;
    }
    if (*count > 0 && reader_done(&cursor->reader) && cursor->seq == end)
        return true;
    return error_set(err, ERR_FORMAT, 0, "batches do not fill the range of events that is named");
}

bool batch_run_read(struct bytes plain, const struct agent_id *agent, uint64_t seq0, uint64_t events, struct batch_run *run,
                    struct error *err)
{
    *run = (struct batch_run){.plain = plain, .agent = *agent, .seq0 = seq0};
    struct batch_cursor cursor = batch_cursor_of(run);
    bool good = read_all(&cursor, events, &run->count, err);
    batch_cursor_release(&cursor);
    if (!good)
        *run = (struct batch_run){.count = 0};
    return good;
}

bool batch_run_read_one(struct bytes plain, const struct agent_id *agent, uint64_t seq0, struct batch_run *run, struct error *err)
{
    struct batch batch = {0};
    bool good = batch_decode(plain, agent, seq0, &batch, err);
    batch_release(&batch);
    *run = good ? (struct batch_run){.plain = plain, .bare = true, .agent = *agent, .seq0 = seq0, .count = 1}
                : (struct batch_run){.count = 0};
    return good;
}

struct batch_run batch_run_of(const struct batch *batch, struct bytes plain)
{
    return (struct batch_run){
        .plain = plain, .bare = true, .agent = batch->agent, .seq0 = batch->seq0, .count = 1, .given = batch};
}

void batch_run_release(struct batch_run *run)
{
    free(run->local);
    *run = (struct batch_run){.count = 0};
}

void batch_run_drop(struct batch_run *run, size_t count)
{
    ensure(count <= run->count);
    struct batch_cursor cursor = batch_cursor_of(run);
    for (size_t i = 0; i < count; i++)
        (void)batch_cursor_next(&cursor);
    run->plain = run->bare && count > 0 ? bytes_slice(run->plain, run->plain.len, 0)
                                        : bytes_slice(run->plain, run->plain.len - reader_left(&cursor.reader),
                                                      reader_left(&cursor.reader));
    run->seq0 = cursor.seq;
    run->count -= count;
    run->local_at = run->local ? cursor.local_end : 0;
    batch_cursor_release(&cursor);
}
