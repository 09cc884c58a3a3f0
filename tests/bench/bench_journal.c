/*
 * bench_journal - how long a key waits for the journal: give a row, wait for its commit, pause, again.
 *
 *     bench_journal DIR [KEYS] [PAUSE_MS] [LAYOUT_US]
 *
 * LAYOUT_US: how long the caller is busy between giving and waiting, as it is when it draws the frame; only what it then
 * still waits is counted.
 *
 * The pause is part of the measurement: at human pace caches and cores have gone cold between two keys.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "editor/base/xalloc.h"
#include "sync/journal_writer.h"

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double percentile_us(const uint64_t *sorted_ns, size_t count, unsigned percent)
{
    size_t at = count * percent / 100;
    return (double)sorted_ns[at < count ? at : count - 1] / 1e3;
}

static struct journal *open_journal(void *path, struct error *err)
{
    struct seal_key key = {{1}};
    struct journal_spec spec = {.path = path, .mode = JOURNAL_CREATE, .key = &key};
    return journal_open(&spec, err);
}

static void be_busy(uint64_t until_ns)
{
    while (now_ns() < until_ns)
        ;
}

static uint64_t key_press(struct journal_writer *writer, uint64_t seq, uint64_t layout_us)
{
    struct journal_local local = {.seq0 = seq, .count = 1, .plain = bytes_of_string("a canonical batch"), .path = "/a"};
    uint64_t start = now_ns();
    uint64_t ticket = journal_writer_local(writer, &local, true, (struct journal_done){0});
    be_busy(start + layout_us * 1000);
    if (journal_writer_wait(writer, ticket, 1000000) != JOURNAL_WAIT_DONE)
        abort();
    return now_ns() - start - layout_us * 1000;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    if (argc < 2 || !crypto_start(&err))
        return 2;
    size_t keys = argc > 2 ? strtoull(argv[2], NULL, 10) : 200;
    long pause_ms = argc > 3 ? strtol(argv[3], NULL, 10) : 50;
    uint64_t layout_us = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    char *path = xformat("%s/bench.journal", argv[1]);
    struct journal_writer_spec spec = {.self = path, .open = open_journal};
    struct journal_writer *writer = journal_writer_new(&spec, NULL);
    uint64_t *waited = xcalloc(keys, sizeof *waited);
    uint64_t first = key_press(writer, 0, layout_us);
    for (size_t i = 0; i < keys; i++) {
        struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
        waited[i] = key_press(writer, i + 1, layout_us);
    }
    qsort(waited, keys, sizeof *waited, by_size);
    printf("%zu keys, %ld ms apart: first %.0f us (makes the journal), p50 %.0f us, p90 %.0f us, p99 %.0f us, max %.0f "
           "us\n",
           keys, pause_ms, (double)first / 1e3, percentile_us(waited, keys, 50), percentile_us(waited, keys, 90),
           percentile_us(waited, keys, 99), percentile_us(waited, keys, 100));
    if (!journal_writer_stop(writer, 1000, &err) || !journal_forget(path, &err))
        fprintf(stderr, "%s\n", err.text);
    free(waited);
    free(path);
    return 0;
}
