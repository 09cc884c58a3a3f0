/*
 * weft-bench TASK TRACE-FILE [--runs N] [--warmup W] [--budget-ms B]
 *
 * Measures the merge engine as the editor uses it, on a recorded session, and prints one line of JSON. Reading the
 * trace and turning code points into bytes are never timed.
 *
 *   local        every patch as a local edit: text and document, history kept; batches are there for the asking
 *   local_taken  the same, and the batches taken after every patch, as the editor does after every key
 *   local_wire   the same, and the batches taken and the bytes for the others made after every patch
 *   bulk         the whole history in one message, into an empty replica, to the text as one string
 *   load         the saved form, to a replica that can be edited, and its text
 *   load_text    the same to the text alone (this engine has no shorter way)
 *   size         nothing: the size of the saved form
 *   memory       nothing: what malloc() gave for bulk and for load, the most of it and what is held afterwards
 *   live         one message a transaction, each applied when it comes
 *   offline      two people apart: the other one's branch as one message, to the merged text
 *   keystroke    single keystrokes of another person in a long text
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "editor/base/memory.h"
#include "editor/base/xalloc.h"
#include "editor/rope.h"
#include "sync/document.h"
#include "tests/support/heap.h"
#include "tests/support/trace_batches.h"

enum { KEYSTROKE_WARMUP = 100 };

struct message {
    size_t at, len; /* in bench.wire */
};

struct memory {
    long peak, held; /* while it is read and its text made, as one string; of document and rope afterwards */
};

struct bench {
    const char *task;
    struct trace trace;
    struct trace_batches batches;
    struct buf wire;          /* messages, one after another */
    struct message *messages; /* one a transaction, or one in all */
    size_t message_count, message_cap;
    struct buf text;          /* the result */
    double *ms;
    size_t runs, run_cap;
    double *samples; /* microseconds or bytes, by task */
    size_t sample_count, sample_cap;
    uint64_t full_bytes;
    struct memory bulk, open; /* of the two saved forms */
    bool converged;
    long rss0_kb;
    int runs_wanted, warmup;
    double budget_ms;
};

/* A replica: the document and the text that its patches have made. */
struct peer {
    struct document *document;
    struct rope *base, *text;
    struct batch batch;
    struct patch patch;
};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static long rss_kb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void add_sample(struct bench *bench, double sample)
{
    bench->samples = xgrow(bench->samples, &bench->sample_cap, bench->sample_count + 1, sizeof *bench->samples);
    bench->samples[bench->sample_count++] = sample;
}

/* --- replicas --- */

static void peer_init(struct peer *peer)
{
    *peer = (struct peer){.base = rope_new(), .text = rope_new()};
    peer->document = document_new(peer->base);
}

static void peer_release(struct peer *peer)
{
    document_free(peer->document);
    rope_free(peer->base);
    rope_free(peer->text);
    batch_release(&peer->batch);
    patch_release(&peer->patch);
}

static void peer_update(struct peer *peer)
{
    document_update(peer->document, &peer->patch);
    rope_apply(peer->text, &peer->patch);
}

static void peer_add(struct peer *peer, const struct batch *batch)
{
    struct error err = {0};
    if (document_add(peer->document, batch, &err) != DOCUMENT_ADDED) {
        fprintf(stderr, "weft-bench: a batch of the trace was not added: %s\n", err.text);
        exit(1);
    }
}

/* A message is batches one after another: agent, first event, sized canonical form. */
static void peer_receive(struct peer *peer, struct bytes message)
{
    struct reader reader = reader_of(message);
    while (reader_left(&reader) > 0) {
        struct agent_id agent;
        struct error err = {0};
        read_into(&reader, agent.bytes, sizeof agent.bytes);
        uint64_t seq = read_varint(&reader);
        struct bytes plain = read_sized(&reader, BATCH_BYTES_MAX);
        ensure(!reader.failed && batch_decode(plain, &agent, seq, &peer->batch, &err));
        peer_add(peer, &peer->batch);
    }
    peer_update(peer);
}

static void peer_load(struct peer *peer, struct bytes saved)
{
    struct error err = {0};
    document_free(peer->document);
    peer->document = document_load(saved, peer->base, &err);
    ensure(peer->document);
    peer_update(peer);
}

static void peer_text(const struct peer *peer, struct buf *out)
{
    buf_clear(out);
    rope_append_to(peer->text, 0, rope_len(peer->text), out);
}

/* --- messages --- */

static void add_batch_bytes(struct buf *wire, struct buf *plain, const struct batch *batch)
{
    buf_clear(plain);
    batch_encode(batch, plain);
    buf_add(wire, batch->agent.bytes, AGENT_ID_BYTES);
    buf_add_varint(wire, batch->seq0);
    buf_add_sized(wire, buf_view(plain));
}

static void add_message(struct bench *bench, size_t from)
{
    bench->messages = xgrow(bench->messages, &bench->message_cap, bench->message_count + 1, sizeof *bench->messages);
    bench->messages[bench->message_count++] = (struct message){from, bench->wire.len - from};
}

/* The batches of transactions [from, upto) as one message. */
static void make_message(struct bench *bench, size_t from, size_t upto)
{
    struct buf plain = {0};
    size_t start = bench->wire.len;
    for (size_t i = bench->batches.first[from]; i < bench->batches.first[upto]; i++)
        add_batch_bytes(&bench->wire, &plain, &bench->batches.list.items[i]);
    add_message(bench, start);
    buf_release(&plain);
}

static struct bytes message_bytes(const struct bench *bench, size_t index)
{
    return bytes_slice(buf_view(&bench->wire), bench->messages[index].at, bench->messages[index].len);
}

/* The saved form of a replica that has transactions [0, upto), as one message. */
enum saved_form { SAVED_HISTORY, SAVED_TEXT_AND_HISTORY };

static void make_saved(struct bench *bench, size_t upto, enum saved_form form)
{
    struct peer peer;
    size_t start = bench->wire.len;
    peer_init(&peer);
    for (size_t i = 0; i < bench->batches.first[upto]; i++)
        peer_add(&peer, &bench->batches.list.items[i]);
    if (form == SAVED_HISTORY)
        document_encode(peer.document, &bench->wire);
    else
        document_save(peer.document, &bench->wire);
    add_message(bench, start);
    peer_release(&peer);
}

/* --- tasks: each runs once and gives its milliseconds --- */

enum local_form { LOCAL_RECORDED, LOCAL_TAKEN, LOCAL_WIRE };

static double run_local(struct bench *bench, enum local_form form)
{
    struct peer peer;
    struct agent_id agent = trace_agent(0);
    struct batch_list made = {0};
    struct buf plain = {0};
    peer_init(&peer);
    bench->sample_count = 0;
    double start = now_ms();
    for (size_t i = 0; i < bench->trace.patches; i++) {
        const struct trace_patch *patch = &bench->trace.patch_pool[i];
        patch_replace(&peer.patch, patch->pos, patch->deleted, patch->text);
        document_record(peer.document, &agent, &peer.patch, (struct edit_mark){.gesture = i == 0});
        rope_apply(peer.text, &peer.patch);
        if (form == LOCAL_RECORDED)
            continue;
        batch_list_clear(&made);
        document_take(peer.document, &made);
        if (form == LOCAL_TAKEN)
            continue;
        buf_clear(&plain);
        for (size_t b = 0; b < made.count; b++)
            batch_encode(&made.items[b], &plain);
        add_sample(bench, (double)plain.len);
    }
    double ms = now_ms() - start;
    peer_text(&peer, &bench->text);
    batch_list_release(&made);
    buf_release(&plain);
    peer_release(&peer);
    return ms;
}

static double run_load(struct bench *bench)
{
    struct peer peer;
    peer_init(&peer);
    double start = now_ms();
    peer_load(&peer, message_bytes(bench, 0));
    peer_text(&peer, &bench->text);
    double ms = now_ms() - start;
    peer_release(&peer);
    return ms;
}

static struct memory memory_of(struct bench *bench, size_t message)
{
    struct peer peer;
    struct memory memory;
    buf_release(&bench->text);
    heap_begin();
    peer_init(&peer);
    peer_load(&peer, message_bytes(bench, message));
    peer_text(&peer, &bench->text);
    memory.peak = heap_peak();
    patch_release(&peer.patch); /* an editor keeps none, and how long it was is the text's length once more */
    memory.held = heap_now() - (long)bench->text.cap;
    heap_end();
    peer_release(&peer);
    return memory;
}

static double run_memory(struct bench *bench)
{
    bench->bulk = memory_of(bench, 0);
    bench->open = memory_of(bench, 1);
    return 0;
}

static double run_live(struct bench *bench)
{
    struct peer peer;
    peer_init(&peer);
    double start = now_ms();
    for (size_t i = 0; i < bench->message_count; i++)
        peer_receive(&peer, message_bytes(bench, i));
    double ms = now_ms() - start;
    peer_text(&peer, &bench->text);
    peer_release(&peer);
    return ms;
}

/* Messages: saved form of T0 + T1, branch T2; then the other way round. */
static double run_offline(struct bench *bench)
{
    struct peer peer;
    struct buf other_text = {0};
    peer_init(&peer);
    peer_load(&peer, message_bytes(bench, 0));
    double start = now_ms();
    peer_receive(&peer, message_bytes(bench, 1));
    peer_text(&peer, &bench->text);
    double ms = now_ms() - start;
    peer_release(&peer);

    peer_init(&peer);
    peer_receive(&peer, message_bytes(bench, 2));
    peer_receive(&peer, message_bytes(bench, 1));
    peer_receive(&peer, message_bytes(bench, 3));
    peer_text(&peer, &other_text);
    bench->converged = bytes_equal(buf_view(&bench->text), buf_view(&other_text));
    buf_release(&other_text);
    peer_release(&peer);
    return ms;
}

static double run_keystroke(struct bench *bench)
{
    struct peer peer;
    double total = 0;
    peer_init(&peer);
    bench->sample_count = 0;
    peer_receive(&peer, message_bytes(bench, 0));
    for (size_t i = 1; i < bench->message_count; i++) {
        double start = now_ms();
        peer_receive(&peer, message_bytes(bench, i));
        double ms = now_ms() - start;
        total += ms;
        add_sample(bench, ms * 1000);
    }
    peer_text(&peer, &bench->text);
    peer_release(&peer);
    return total;
}

/* --- preparing --- */

static bool task_is(const struct bench *bench, const char *task)
{
    return strcmp(bench->task, task) == 0;
}

/* Makes the messages; gives why the task does not apply to this trace, or NULL. */
static const char *prepare(struct bench *bench)
{
    size_t count = bench->trace.count;
    if (task_is(bench, "local") || task_is(bench, "local_taken") || task_is(bench, "local_wire"))
        return bench->trace.sequential ? NULL : "only for sequential traces";
    trace_batches_make(&bench->batches, &bench->trace);
    if (task_is(bench, "bulk")) {
        make_saved(bench, count, SAVED_HISTORY);
    } else if (task_is(bench, "size") || task_is(bench, "memory")) {
        make_saved(bench, count, SAVED_HISTORY);
        make_saved(bench, count, SAVED_TEXT_AND_HISTORY);
    } else if (task_is(bench, "load") || task_is(bench, "load_text")) {
        make_saved(bench, count, SAVED_TEXT_AND_HISTORY);
    } else if (task_is(bench, "live") || task_is(bench, "keystroke")) {
        for (size_t i = 0; i < count; i++)
            make_message(bench, i, i + 1);
    } else if (task_is(bench, "offline")) {
        if (count != 3 || bench->trace.txns[2].parent_count != 1 || bench->trace.txns[2].parents[0] != 0)
            return "only for traces of a base and two branches";
        make_saved(bench, 2, SAVED_TEXT_AND_HISTORY);
        make_message(bench, 2, 3);
        make_message(bench, 0, 1);
        make_message(bench, 1, 2);
    } else {
        return "unknown task";
    }
    if (task_is(bench, "live") && bench->trace.sequential)
        return "only for concurrent traces";
    bench->full_bytes = bench->messages[0].len;
    return NULL;
}

/* Where the trace does not say what comes out, and each edit follows the one before, the text says so without an engine. */
static void find_end(struct trace *trace)
{
    struct rope *text = rope_new();
    struct patch patch = {0};
    struct buf end = {0};
    for (size_t i = 0; i < trace->patches; i++) {
        const struct trace_patch *edit = &trace->patch_pool[i];
        patch_replace(&patch, edit->pos, edit->deleted, edit->text);
        rope_apply(text, &patch);
    }
    rope_append_to(text, 0, rope_len(text), &end);
    trace->end_hash = trace_hash(buf_view(&end));
    trace->has_end = true;
    buf_release(&end);
    patch_release(&patch);
    rope_free(text);
}

static double run_once(struct bench *bench)
{
    if (task_is(bench, "local"))
        return run_local(bench, LOCAL_RECORDED);
    if (task_is(bench, "local_taken"))
        return run_local(bench, LOCAL_TAKEN);
    if (task_is(bench, "local_wire"))
        return run_local(bench, LOCAL_WIRE);
    if (task_is(bench, "memory"))
        return run_memory(bench);
    if (task_is(bench, "live"))
        return run_live(bench);
    if (task_is(bench, "offline"))
        return run_offline(bench);
    if (task_is(bench, "keystroke"))
        return run_keystroke(bench);
    double ms = run_load(bench);
    return task_is(bench, "size") ? 0 : ms;
}

static void measure(struct bench *bench)
{
    for (int i = 0; i < bench->warmup; i++)
        run_once(bench);
    bench->rss0_kb = rss_kb();
    double begun = now_ms();
    for (int i = 0; i < bench->runs_wanted; i++) {
        double ms = run_once(bench);
        bench->ms = xgrow(bench->ms, &bench->run_cap, bench->runs + 1, sizeof *bench->ms);
        bench->ms[bench->runs++] = ms;
        if (task_is(bench, "size") || task_is(bench, "memory") || (bench->budget_ms > 0 && now_ms() - begun >= bench->budget_ms))
            break;
    }
}

/* --- printing --- */

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Of sorted numbers. */
static double percentile(const double *items, size_t count, double part)
{
    return count ? items[(size_t)(part * (double)(count - 1) + 0.5)] : 0;
}

static double median_ms(const struct bench *bench)
{
    double *sorted = xmemdup(bench->ms, bench->runs * sizeof *sorted);
    qsort(sorted, bench->runs, sizeof *sorted, compare_doubles);
    double median = percentile(sorted, bench->runs, 0.5);
    free(sorted);
    return median;
}

static void print_sizes(struct bench *bench)
{
    double sum = 0;
    for (size_t i = 0; i < bench->sample_count; i++)
        sum += bench->samples[i];
    qsort(bench->samples, bench->sample_count, sizeof *bench->samples, compare_doubles);
    double average = sum / (double)(bench->sample_count ? bench->sample_count : 1);
    printf(",\"bytes\":{\"avg\":%.1f,\"p50\":%.0f,\"p99\":%.0f}", average,
           percentile(bench->samples, bench->sample_count, 0.5), percentile(bench->samples, bench->sample_count, 0.99));
}

/* Prints what single keystrokes took, without the first ones; gives their median. */
static double print_keystrokes(struct bench *bench)
{
    size_t skipped = bench->sample_count > KEYSTROKE_WARMUP ? KEYSTROKE_WARMUP : 0;
    size_t count = bench->sample_count - skipped;
    double first = bench->sample_count ? bench->samples[0] : 0;
    double *sorted = bench->samples + skipped;
    qsort(sorted, count, sizeof *sorted, compare_doubles);
    printf(",\"us\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f,\"first\":%.3f}", percentile(sorted, count, 0.5),
           percentile(sorted, count, 0.99), percentile(sorted, count, 1), first);
    return percentile(sorted, count, 0.5);
}

static void print_bytes(struct bench *bench, double *median)
{
    if (task_is(bench, "local_wire"))
        print_sizes(bench);
    else if (task_is(bench, "size"))
        printf(",\"bytes\":{\"full\":%llu,\"full_with_text\":%zu}", (unsigned long long)bench->full_bytes,
               bench->messages[1].len);
    else if (task_is(bench, "memory"))
        printf(",\"bytes\":{\"text\":%zu,\"bulk_peak\":%ld,\"bulk_held\":%ld,\"open_peak\":%ld,\"open_held\":%ld}",
               bench->text.len, bench->bulk.peak, bench->bulk.held, bench->open.peak, bench->open.held);
    else if (task_is(bench, "bulk"))
        printf(",\"bytes\":%llu", (unsigned long long)bench->full_bytes);
    else if (task_is(bench, "live"))
        printf(",\"bytes\":%.1f", (double)bench->wire.len / (double)(bench->message_count ? bench->message_count : 1));
    else if (task_is(bench, "offline"))
        printf(",\"bytes\":%zu,\"converged\":%s", bench->messages[1].len, bench->converged ? "true" : "false");
    else if (task_is(bench, "keystroke")) {
        printf(",\"bytes\":%zu", bench->message_count > 1 ? bench->messages[1].len : 0);
        *median = print_keystrokes(bench) / 1000;
    }
}

static size_t codepoints(struct bytes text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += (text.data[i] & 0xc0) != 0x80;
    return count;
}

static void print_result(struct bench *bench)
{
    double median = median_ms(bench);
    uint64_t hash = trace_hash(buf_view(&bench->text));
    const char *ok = !bench->trace.has_end ? "null" : hash == bench->trace.end_hash ? "true" : "false";
    printf("{\"engine\":\"weft\",\"task\":\"%s\",\"trace\":\"%s\",\"ms\":[", bench->task, bench->trace.name);
    for (size_t i = 0; i < bench->runs; i++)
        printf("%s%.4f", i ? "," : "", bench->ms[i]);
    printf("]");
    print_bytes(bench, &median);
    printf(",\"median_ms\":%.4f,\"ops\":%zu,\"len\":%zu", median, bench->trace.patches,
           codepoints(buf_view(&bench->text)));
    printf(",\"check\":\"%016llx\",\"ok\":%s,\"rss0_kb\":%ld,\"rss_kb\":%ld}\n", (unsigned long long)hash, ok,
           bench->rss0_kb, rss_kb());
}

static void release(struct bench *bench)
{
    trace_batches_release(&bench->batches);
    trace_release(&bench->trace);
    buf_release(&bench->wire);
    buf_release(&bench->text);
    free(bench->messages);
    free(bench->samples);
    free(bench->ms);
}

static bool parse_options(struct bench *bench, int argc, char **argv)
{
    for (int i = 3; i < argc; i += 2) {
        if (i + 1 >= argc)
            return false;
        if (strcmp(argv[i], "--runs") == 0)
            bench->runs_wanted = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--warmup") == 0)
            bench->warmup = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--budget-ms") == 0)
            bench->budget_ms = atof(argv[i + 1]);
        else
            return false;
    }
    return bench->runs_wanted > 0;
}

int main(int argc, char **argv)
{
    struct bench bench = {.task = argc > 1 ? argv[1] : "", .runs_wanted = 5, .warmup = 1};
    if (argc < 3 || !parse_options(&bench, argc, argv)) {
        fprintf(stderr, "usage: weft-bench TASK TRACE-FILE [--runs N] [--warmup W] [--budget-ms B]\n");
        return 2;
    }
    memory_keep(); /* as the editor does */
    trace_read(&bench.trace, argv[2]);
    const char *skipped = prepare(&bench);
    if (skipped) {
        printf("{\"engine\":\"weft\",\"task\":\"%s\",\"trace\":\"%s\",\"skip\":\"%s\"}\n", bench.task, bench.trace.name,
               skipped);
    } else {
        if (!bench.trace.has_end && bench.trace.sequential)
            find_end(&bench.trace);
        measure(&bench);
        print_result(&bench);
    }
    release(&bench);
    return 0;
}
