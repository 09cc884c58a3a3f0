/*
 * joining - how much must come, and how long it takes, until who joins can edit a text with a long history.
 *
 *     joining TRACE [KEYS]
 *
 * One person types a recorded session (its first KEYS edits) into an empty document that is shared; what several wrote at once is
 * typed as it was merged. He leaves a copy of the text at the relay. Then somebody joins over a line of 1 Mbit/s. Printed: that
 * copy's bytes at the relay; what had passed the line, with everything around it, when the joiner had the whole text and could
 * type; and when all was there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/replica_ahead.h"
#include "app/replica_parts.h"
#include "editor/base/xalloc.h"
#include "sync/db.h"
#include "tests/bench/bench_base.h"
#include "tests/bench/bench_proxy.h"
#include "tests/bench/bench_room.h"
#include "tests/support/trace_batches.h"

enum { LINE_BYTES_A_SECOND = 125000, KEYS_A_TURN = 32, STORE_ID = 0x77667472, SCHEMA_MAX = 1000 };

static size_t edits;

static void type(struct replica *host, const struct patch *patch)
{
    struct error err = {0};
    if (!replica_edit(host, patch, replica_buffer(host)->selection, EDIT_TYPING, &err))
        bench_fail("cannot type: %s", err.text);
    if (++edits % KEYS_A_TURN != 0)
        return;
    replica_barrier(host);
    replica_handle(host);
}

static void type_in_order(struct replica *host, const struct trace *trace, size_t keys)
{
    for (size_t i = 0; i < trace->patches && i < keys; i++) {
        const struct trace_patch *part = &trace->patch_pool[i];
        struct patch patch = {0};
        patch_replace(&patch, part->pos, part->deleted, part->text);
        type(host, &patch);
        patch_release(&patch);
    }
}

/* As who saw everybody's edits come in one after another would have it. */
static void type_as_merged(struct replica *host, struct trace *trace, size_t keys)
{
    struct trace_batches batches;
    struct rope *base = rope_new();
    struct document *document = document_new(base);
    trace_batches_make(&batches, trace);
    for (size_t i = 0; i < batches.list.count && i < keys; i++) {
        struct patch patch = {0};
        struct error err = {0};
        if (document_add(document, &batches.list.items[i], &err) != DOCUMENT_ADDED)
            bench_fail("the trace: %s", err.text);
        document_update(document, &patch);
        if (!patch_is_empty(&patch))
            type(host, &patch);
        patch_release(&patch);
    }
    trace_batches_release(&batches);
    document_free(document);
    rope_free(base);
}

/* The newest copy's, as the relay keeps it; 0: there is none. */
static uint64_t copy_bytes(const struct room *room)
{
    static const char *const unused[SCHEMA_MAX];
    char *path = xformat("%s/relay.db", room->dir);
    struct error err = {0};
    struct db_options options = {.what = "the store", .mode = DB_READ, .application_id = STORE_ID, .schema = unused,
                                 .schema_count = SCHEMA_MAX, .busy_ms = 5000};
    struct db *db = db_open(path, &options, &err);
    static const char *const question = "SELECT sum(length(body)), max(kind = 134) FROM records WHERE kind IN (134, 138)";
    struct db_stmt *stmt = db ? db_use(db, question) : NULL;
    if (!db || !db_one(stmt, &err))
        bench_fail("%s", err.text);
    uint64_t bytes = db_column_int(stmt, 1) ? db_column_u64(stmt, 0) : 0;
    db_end(stmt);
    db_close(db);
    free(path);
    return bytes;
}

static uint64_t leave_a_copy(struct room *room)
{
    struct replica *host = room->people[0].replica;
    uint64_t bytes = 0;
    if (!room_settle(room))
        bench_fail("what was typed does not arrive");
    replica_post_soon(host, net_now_ms());
    if (!host->post_ms)
        bench_fail("too little was typed for a copy");
    replica_post_handle(host, UINT64_MAX);
    for (uint64_t until_ms = net_now_ms() + ROOM_PATIENCE_MS; bytes == 0; bytes = copy_bytes(room)) {
        if (net_now_ms() >= until_ms)
            bench_fail("no copy arrives");
        room_turn(room, 20);
    }
    return bytes;
}

static uint64_t passed(struct proxy *proxy)
{
    struct proxy_counts counts = proxy_counts(proxy);
    return counts.up_bytes + counts.down_bytes - counts.waiting_bytes;
}

static bool can_be_edited(const struct room_person *person, const struct rope *text)
{
    return rope_len(text) > 0 && rope_equal(buffer_text(replica_buffer(person->replica)), text);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--serve") == 0)
        return room_serve(argv[2], argv[3]);
    if (argc < 2 || argc > 3) {
        fputs("usage: joining TRACE [KEYS]\n", stderr);
        return 2;
    }
    struct room room;
    struct trace trace;
    char *below = bench_dir_default();
    size_t keys = argc == 3 ? strtoull(argv[2], NULL, 10) : SIZE_MAX;
    trace_read(&trace, argv[1]);
    room_open(&room, below);
    room_host(&room, room.relay_port, (struct bytes){0});
    struct replica *host = room.people[0].replica;
    if (trace.sequential)
        type_in_order(host, &trace, keys);
    else
        type_as_merged(host, &trace, keys);
    uint64_t copy = leave_a_copy(&room);

    struct proxy *proxy = proxy_start(room.relay_port);
    struct rope *text = rope_snapshot(buffer_text(replica_buffer(host)));
    proxy_limit(proxy, LINE_BYTES_A_SECOND);
    uint64_t start_ns = bench_now_ns();
    struct room_person *guest = room_begin_joining(&room, proxy_port(proxy));
    while (!can_be_edited(guest, text))
        room_turn(&room, 1);
    bool ahead = guest->replica->ahead != NULL;
    uint64_t came = passed(proxy);
    double ms = bench_ms_since(start_ns);
    person_type(guest, bytes_of_string("!"));
    proxy_limit(proxy, 0);
    if (!room_converge(&room, rope_len(text) + 1))
        bench_fail("the texts are not equal in the end");
    printf("| %s, %zu edits | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %.2f | %.2f s |%s\n", trace.name, edits,
           rope_len(text), copy, came, (double)came / (double)copy, ms / 1e3,
           ahead ? "" : " (with the history, not ahead of it)");
    rope_free(text);
    room_close(&room);
    proxy_stop(proxy);
    trace_release(&trace);
    free(below);
    return 0;
}
