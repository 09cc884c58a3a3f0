/*
 * past TRACE-FILE | KEYS PEOPLE - what it costs to ask a document about its past, on a recorded session; or of one person's keys,
 * or of two who type at once and hear each other after every BURST keys: into a text of 1 MB, a tenth of the keys takes back.
 *
 * Prints one row of Markdown a question: milliseconds of CPU, the least of RUNS for those that can be asked again. Then the
 * curve: what the text of an older version takes in a document that was saved and loaded, its history read before (weft cat --at), in
 * one that has nothing but its history, and there again; and the patch from now to then, the first time and again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/random.h"
#include "editor/rope.h"
#include "sync/document_past.h"
#include "tests/bench/bench_clock.h"
#include "tests/support/trace_batches.h"

enum { RUNS = 9, LAST = 200 /* so many batches come one by one */, TEXT_BYTES = 1000000, BURST = 20, PEOPLE_MAX = 2 };

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

/* --- the curve --- */

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "past: %s\n", what);
    exit(1);
}

static void measure_text(struct document *document, const struct bench *bench, const struct version *version, double *ms)
{
    double start = thread_ms();
    struct rope *text = document_text_at(document, bench->text, version);
    *ms = thread_ms() - start;
    must(text != NULL, "no such version");
    rope_free(text);
}

static void measure_patch(struct document *document, struct bench *bench, const struct version *version, double *ms)
{
    struct version now = {0};
    document_version(document, &now);
    double start = thread_ms();
    must(document_patch_between(document, &now, version, &bench->patch), "no such version");
    *ms = thread_ms() - start;
    version_release(&now);
}

/* As saved; *ms: reading the history. */
static struct document *loaded(struct bench *bench, struct bytes saved, double *ms)
{
    struct error err = {0};
    struct document *document = document_load(saved, bench->base, &err);
    must(document != NULL, err.text);
    document_update(document, &bench->patch);
    double start = thread_ms();
    must(document_read_history(document, &err), err.text);
    *ms = thread_ms() - start;
    return document;
}

static void curve_row(struct bench *bench, struct bytes saved, struct bytes history, unsigned permille)
{
    struct error err = {0};
    struct version then = {0};
    size_t count = bench->batches.list.count, index = count - 1 - count * permille / 1000;
    const struct batch *batch = &bench->batches.list.items[index];
    double read, text, first, again, patch, patch_again;
    version_set(&then, (struct event_id){batch->agent, batch->seq0 + batch->count - 1});
    struct document *document = loaded(bench, saved, &read);
    measure_text(document, bench, &then, &text);
    document_free(document);
    for (int asks_patch = 0; asks_patch < 2; asks_patch++) {
        must((document = document_decode(history, bench->base, &err)) != NULL, err.text);
        document_update(document, &bench->patch);
        for (int again_too = 0; again_too < 2; again_too++) {
            if (asks_patch)
                measure_patch(document, bench, &then, again_too ? &patch_again : &patch);
            else
                measure_text(document, bench, &then, again_too ? &again : &first);
        }
        document_free(document);
    }
    printf("| %g %% back | %.1f | %.2f | %.2f | %.2f | %.2f | %.2f |\n", permille / 10.0, read, text, first, again, patch,
           patch_again);
    version_release(&then);
}

static void measure_curve(struct bench *bench)
{
    static const unsigned permilles[] = {1, 10, 100, 500, 990};
    struct buf saved = {0}, history = {0};
    double start = thread_ms();
    document_save(bench->document, &saved);
    double save = thread_ms() - start;
    document_encode(bench->document, &history);
    printf("\n%llu events, %zu bytes of history, %zu saved in %.0f ms\n\n", (unsigned long long)document_events(bench->document),
           history.len, saved.len, save);
    printf("| %s | history read | text | text, nothing saved | again | patch, nothing saved | again |\n", bench->trace.name);
    puts("|---|---:|---:|---:|---:|---:|---:|");
    for (size_t i = 0; i < sizeof permilles / sizeof *permilles; i++)
        curve_row(bench, buf_view(&saved), buf_view(&history), permilles[i]);
    buf_release(&saved);
    buf_release(&history);
}

/* --- keys --- */

struct typist {
    struct agent_id agent;
    struct document *document;
    struct rope *text;
    uint64_t cursor;
    struct batch_list burst;
};

static void type_key(struct typist *typist, struct random *random, uint64_t number)
{
    struct patch patch = {0};
    const char letter[] = {(char)('a' + number % 26)};
    bool erases = random_chance(random, 10) && typist->cursor > 0;
    typist->cursor = typist->cursor < rope_len(typist->text) ? typist->cursor : rope_len(typist->text);
    patch_replace(&patch, typist->cursor - erases, erases, bytes_of(letter, erases ? 0 : 1));
    typist->cursor = erases ? typist->cursor - 1 : typist->cursor + 1;
    document_local(typist->document, &typist->agent, &patch, (struct edit_mark){.gesture = number % 5 == 0}, &typist->burst);
    rope_apply(typist->text, &patch);
    patch_release(&patch);
}

static void hear(struct typist *typist, const struct typist *other)
{
    struct error err = {0};
    struct patch patch = {0};
    for (size_t i = 0; i < other->burst.count; i++)
        must(document_add(typist->document, &other->burst.items[i], &err) == DOCUMENT_ADDED, "a batch was not added");
    document_update(typist->document, &patch);
    rope_apply(typist->text, &patch);
    patch_release(&patch);
}

/* Now and then somebody goes elsewhere in the text. */
static void type_all(struct bench *bench, uint64_t keys, size_t people)
{
    struct typist typists[PEOPLE_MAX] = {0};
    struct random random = random_of(1);
    for (size_t i = 0; i < people; i++)
        typists[i] = (struct typist){.agent = {{(unsigned char)(1 + i)}}, .document = document_new(bench->base),
                                     .text = rope_snapshot(bench->base), .cursor = TEXT_BYTES / (2 + i)};
    for (uint64_t typed = 0; typed < keys;) {
        for (size_t i = 0; i < people; i++) {
            if (random_chance(&random, 20))
                typists[i].cursor = random_below(&random, rope_len(typists[i].text));
            for (int key = 0; key < BURST; key++)
                type_key(&typists[i], &random, typed++);
        }
        for (size_t i = 0; i < people; i++)
            for (size_t other = 0; other < people; other++)
                if (other != i)
                    hear(&typists[i], &typists[other]);
        for (size_t i = 0; i < people; i++) {
            for (size_t b = 0; b < typists[i].burst.count; b++)
                batch_copy(batch_list_add(&bench->batches.list), &typists[i].burst.items[b]);
            batch_list_clear(&typists[i].burst);
        }
    }
    bench->document = typists[0].document;
    bench->text = typists[0].text;
}

static int measure_keys(uint64_t keys, size_t people)
{
    struct bench bench = {0};
    struct buf text = {0};
    snprintf(bench.trace.name, sizeof bench.trace.name, "%s", people == 1 ? "one person" : "two at once");
    for (size_t line = 1; text.len < TEXT_BYTES; line++)
        buf_addf(&text, "%08zu lorem ipsum dolor sit amet, consectetur\n", line);
    bench.base = rope_from_bytes(buf_view(&text));
    type_all(&bench, keys, people);
    measure_curve(&bench);
    return 0;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    if (argc == 3 && atoi(argv[2]) >= 1 && atoi(argv[2]) <= PEOPLE_MAX)
        return measure_keys(strtoull(argv[1], NULL, 10), (size_t)atoi(argv[2]));
    if (argc != 2) {
        fputs("past TRACE-FILE | KEYS 1|2\n", stderr);
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
    measure_curve(&bench);
    return 0;
}
