/*
 * past TRACE-FILE - what it costs to ask a document about its past, on a recorded session.
 *
 * Prints one row of Markdown a question: milliseconds of CPU, the least of RUNS for those that can be asked again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/rope.h"
#include "sync/document_past.h"
#include "tests/bench/bench_clock.h"
#include "tests/support/trace_batches.h"

enum { RUNS = 9, LAST = 200 }; /* so many batches come one by one */

struct bench {
    struct trace trace;
    struct trace_batches batches;
    struct rope *base, *text;
    struct document *document;
    struct patch patch;
};

static void row(const char *question, double ms)
{
    printf("| %s | %.4g |\n", question, ms);
}

static void update(struct bench *bench)
{
    document_update(bench->document, &bench->patch);
    rope_apply(bench->text, &bench->patch);
}

static void add(struct bench *bench, size_t first, size_t end)
{
    struct error err = {0};
    for (size_t i = first; i < end; i++) {
        if (document_add(bench->document, &bench->batches.list.items[i], &err) != DOCUMENT_ADDED) {
            fprintf(stderr, "past: a batch was not added: %s\n", err.text);
            exit(1);
        }
    }
}

/* The patch from the text as it is to that of a while ago, back and forth. */
static void measure_between(struct bench *bench, size_t batches_ago, const char *question)
{
    struct version now = {0}, then = {0};
    size_t count = bench->batches.list.count;
    const struct batch *batch = &bench->batches.list.items[count > batches_ago ? count - batches_ago : 0];
    version_set(&then, (struct event_id){batch->agent, batch->seq0});
    document_version(bench->document, &now);
    double least[2] = {1e9, 1e9};
    for (int run = 0; run < RUNS; run++) {
        double start = process_ms();
        if (!document_patch_between(bench->document, &then, &now, &bench->patch))
            exit(1);
        double middle = process_ms();
        if (!document_patch_between(bench->document, &now, &then, &bench->patch))
            exit(1);
        double end = process_ms();
        least[0] = middle - start < least[0] ? middle - start : least[0];
        least[1] = end - middle < least[1] ? end - middle : least[1];
        if (run == 0)
            printf("| %s: first forward, first back | %.4g, %.4g |\n", question, middle - start, end - middle);
    }
    printf("| %s: forward, back | %.4g, %.4g |\n", question, least[0], least[1]);
    version_release(&now);
    version_release(&then);
}

/* Who wrote what: the first question, then screens all over the text, with another update before each. */
static void measure_blame(struct bench *bench)
{
    enum { SCREEN_BYTES = 80 * 50, SCREENS = LAST };
    struct blame blame = {0};
    uint64_t len = rope_len(bench->text), screen = len < SCREEN_BYTES ? len : SCREEN_BYTES;
    double start = process_ms(), asked = 0;
    document_blame(bench->document, 0, screen, &blame);
    row("who wrote a screen, first", process_ms() - start);
    for (size_t i = 0; i < SCREENS; i++) {
        start = process_ms();
        document_blame(bench->document, (len - screen) / SCREENS * i, screen, &blame);
        asked += process_ms() - start;
    }
    row("who wrote a screen, then", asked / SCREENS);
    asked = 0;
    for (size_t left = SCREENS; left > 0; left--) {
        add(bench, bench->batches.list.count - left, bench->batches.list.count - left + 1);
        update(bench);
        uint64_t shown = rope_len(bench->text) < screen ? rope_len(bench->text) : screen;
        start = process_ms();
        document_blame(bench->document, rope_len(bench->text) - shown, shown, &blame);
        asked += process_ms() - start;
    }
    row("who wrote a screen, after another batch each time", asked / SCREENS);
    start = process_ms();
    document_blame(bench->document, 0, rope_len(bench->text), &blame);
    row("who wrote all of it", process_ms() - start);
    blame_release(&blame);
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    if (argc != 2) {
        fputs("past TRACE-FILE\n", stderr);
        return 2;
    }
    trace_read(&bench.trace, argv[1]);
    trace_batches_make(&bench.batches, &bench.trace);
    bench.base = rope_new();
    bench.text = rope_new();
    bench.document = document_new(bench.base);
    double start = process_ms();
    add(&bench, 0, bench.batches.list.count - LAST);
    update(&bench);
    printf("| %s | ms |\n|---|---:|\n", bench.trace.name);
    row("merging it all", process_ms() - start);
    measure_blame(&bench);
    measure_between(&bench, 100, "100 batches ago");
    measure_between(&bench, 10000, "10000 batches ago");
    return 0;
}
