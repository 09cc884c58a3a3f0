/*
 * What a keystroke's record costs on its way out and in, and a pack of them, and joining a long history of them.
 * Prints times; asserts nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sync/inbox.h"
#include "sync/message.h"

enum { ROUNDS = 2000 };

static double now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

struct writer {
    struct doc_keys keys;
    struct sign_key doc_key;
    struct agent_id agent;
    struct chain *chain;
    uint64_t seq, counter;
};

static void writer_init(struct writer *writer)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {7};
    struct device device;
    *writer = (struct writer){.agent = {{1}}};
    doc_keys_from_admin(&writer->keys, seed);
    device_from_seed(&device, seed);
    device_doc_key(&device, &writer->keys.doc, &writer->doc_key);
    writer->chain = chain_new(&writer->keys.doc);
}

/* One record of `batches` keystrokes: encoded, chained, sealed, signed. */
static void write_record(struct writer *writer, size_t batches, struct buf *stored)
{
    struct batch batch = {0};
    struct buf one = {0}, plain = {0};
    struct digest last = {{0}};
    uint64_t seq0 = writer->seq;
    for (size_t i = 0; i < batches; i++) {
        batch_clear(&batch);
        batch.agent = writer->agent;
        batch.seq0 = writer->seq++;
        batch.flags = batch.seq0 ? BATCH_FLAG_SELF : 0;
        batch_add_insert(&batch, batch.seq0, bytes_of_string("x"));
        buf_clear(&one);
        batch_encode(&batch, &one);
        ensure(chain_add(writer->chain, &batch, buf_view(&one), &last) == CHAIN_NEXT);
        record_plain_add(&plain, buf_view(&one));
    }
    record_seal(&(struct record_spec){.kind = RECORD_EVENTS,
                                      .agent = writer->agent,
                                      .sealer = writer->agent,
                                      .counter = writer->counter++,
                                      .seq0 = seq0,
                                      .count = batches,
                                      .plain = buf_view(&plain),
                                      .last = &last,
                                      .keys = &writer->keys,
                                      .signer = &writer->doc_key},
                stored);
    batch_release(&batch);
    buf_release(&one);
    buf_release(&plain);
}

struct reader_state {
    const struct writer *writer;
    struct chain *chain;
    bool verify; /* false: history, where one signature at the end vouches for all */
};

/* Decoded, opened, checked against the chain, verified, added. */
static void read_record(const struct reader_state *state, struct bytes stored)
{
    struct record record;
    struct buf plain = {0};
    struct batch_run run;
    struct error err = {0};
    ensure(record_decode(stored, &record, &err));
    ensure(record_open_events(&record, &state->writer->keys, &plain, &run, &err));
    struct digest last = {{0}};
    struct batch_cursor cursor = batch_cursor_of(&run);
    while (batch_cursor_next(&cursor))
        ensure(chain_add(state->chain, cursor.batch, cursor.plain, &last) == CHAIN_NEXT);
    ensure(!state->verify ||
           record_verify(&record, &state->writer->keys.doc, &state->writer->doc_key.public_key, &last));
    batch_cursor_release(&cursor);
    buf_release(&plain);
}

static void measure(size_t batches, int rounds)
{
    struct writer writer;
    struct buf *stored = calloc((size_t)rounds, sizeof *stored);
    ensure(stored);
    writer_init(&writer);
    double start = now_us();
    for (int i = 0; i < rounds; i++)
        write_record(&writer, batches, &stored[i]);
    double written = now_us();
    struct reader_state live = {&writer, chain_new(&writer.keys.doc), true};
    for (int i = 0; i < rounds; i++)
        read_record(&live, buf_view(&stored[i]));
    double read = now_us();
    struct reader_state history = {&writer, chain_new(&writer.keys.doc), false};
    for (int i = 0; i < rounds; i++)
        read_record(&history, buf_view(&stored[i]));
    double reread = now_us();
    printf("%5zu keystrokes a record: %6zu bytes, out %7.1f us, in %7.1f us, in as history %7.1f us\n", batches,
           stored[rounds - 1].len, (written - start) / rounds, (read - written) / rounds, (reread - read) / rounds);
    for (int i = 0; i < rounds; i++)
        buf_release(&stored[i]);
    free(stored);
    chain_free(live.chain);
    chain_free(history.chain);
    chain_free(writer.chain);
}

/* --- a join: records of one letter in the frames a relay makes, through the inbox --- */

static void count_received(void *self, struct received *received)
{
    *(size_t *)self += received->run.count;
}

static void stop_refused(void *self, const struct agent_id *agent, const struct error *why)
{
    (void)self, (void)agent;
    ensure(!why->text[0]);
}

static double join_ms(const struct writer *writer, const struct buf *stored, size_t count, bool history)
{
    enum { FRAME = 256 };
    struct record records[FRAME];
    struct roster roster = {0};
    struct member member = {.agent = writer->agent, .doc_key = writer->doc_key.public_key, .has_grant = true};
    struct error err = {0};
    size_t received = 0;
    struct chain *chain = chain_new(&writer->keys.doc);
    struct inbox_port port = {&received, count_received, stop_refused, NULL};
    ensure(roster_add(&roster, &member, (struct bytes){0}));
    struct inbox *inbox = inbox_new(&writer->keys, chain, &roster, &port);
    double start = now_us();
    for (size_t at = 0; at < count; at += FRAME) {
        size_t n = count - at < FRAME ? count - at : FRAME;
        for (size_t i = 0; i < n; i++)
            ensure(record_decode(buf_view(&stored[at + i]), &records[i], &err));
        if (history)
            inbox_expect(inbox, records, n);
        for (size_t i = 0; i < n; i++)
            ensure(inbox_take(inbox, at + i + 1, &records[i], 0) == INBOX_TAKEN);
    }
    double end = now_us();
    ensure(received == count);
    inbox_free(inbox);
    roster_release(&roster);
    chain_free(chain);
    return (end - start) / 1000;
}

static void measure_join(size_t count)
{
    struct writer writer;
    struct buf *stored = calloc(count, sizeof *stored);
    ensure(stored);
    writer_init(&writer);
    for (size_t i = 0; i < count; i++)
        write_record(&writer, 1, &stored[i]);
    double each = join_ms(&writer, stored, count, false), newest = join_ms(&writer, stored, count, true);
    printf("join of %zu records: every signature %.0f ms, the newest of each frame %.0f ms\n", count, each, newest);
    for (size_t i = 0; i < count; i++)
        buf_release(&stored[i]);
    free(stored);
    chain_free(writer.chain);
}

int main(void)
{
    struct error err = {0};
    if (!crypto_start(&err))
        return 1;
    measure(1, ROUNDS);
    measure(10, ROUNDS);
    measure(1000, ROUNDS / 20);
    measure_join(20000);
    return 0;
}
