/*
 * limit TRACE-FILE [RUNS]: a bare gap buffer replays one person's recorded session: bytes moved and nothing else, no
 * history, no snapshots, no lines. What `weft-bench local` of the same trace takes is a multiple of this, and cannot be
 * less.
 *
 * One line of JSON as weft-bench prints it: engine, task, trace, ms of every run, the median, whether the text is
 * right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"
#include "tests/support/trace.h"

enum { GAP_MIN = 4096, RUNS_MAX = 1000 };

/* [0, gap) text, [gap, gap + len) room, then the rest of the text. */
struct gap_buffer {
    unsigned char *bytes;
    size_t size, gap, len;
};

static void move_gap(struct gap_buffer *buffer, size_t to)
{
    unsigned char *gap = buffer->bytes + buffer->gap;
    if (to < buffer->gap)
        memmove(gap + buffer->len - (buffer->gap - to), buffer->bytes + to, buffer->gap - to);
    else
        memmove(gap, gap + buffer->len, to - buffer->gap);
    buffer->gap = to;
}

static void widen_gap(struct gap_buffer *buffer, size_t need)
{
    size_t more = need + buffer->size + GAP_MIN, after = buffer->size - buffer->gap - buffer->len;
    buffer->bytes = xrealloc(buffer->bytes, buffer->size + more);
    unsigned char *end = buffer->bytes + buffer->gap + buffer->len;
    memmove(end + more, end, after);
    buffer->size += more;
    buffer->len += more;
}

static void replace(struct gap_buffer *buffer, const struct trace_patch *patch)
{
    ensure(patch->pos + patch->deleted <= buffer->size - buffer->len);
    if (buffer->gap != patch->pos)
        move_gap(buffer, (size_t)patch->pos);
    buffer->len += (size_t)patch->deleted;
    if (buffer->len < patch->text.len)
        widen_gap(buffer, patch->text.len);
    if (patch->text.len > 0)
        memcpy(buffer->bytes + buffer->gap, patch->text.data, patch->text.len);
    buffer->gap += patch->text.len;
    buffer->len -= patch->text.len;
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Milliseconds of one replay; *right: its text is the trace's. */
static double run_once(const struct trace *trace, bool *right)
{
    struct gap_buffer buffer = {0};
    widen_gap(&buffer, 0);
    double start = now_ms();
    for (size_t i = 0; i < trace->patches; i++)
        replace(&buffer, &trace->patch_pool[i]);
    double ms = now_ms() - start;
    move_gap(&buffer, buffer.size - buffer.len);
    *right = !trace->has_end || trace_hash(bytes_of(buffer.bytes, buffer.gap)) == trace->end_hash;
    free(buffer.bytes);
    return ms;
}

static int compare_ms(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    double ms[RUNS_MAX];
    int runs = argc == 3 ? atoi(argv[2]) : 9;
    if (argc < 2 || argc > 3 || runs < 1 || runs > RUNS_MAX) {
        fprintf(stderr, "usage: limit TRACE-FILE [RUNS]\n");
        return 2;
    }
    struct trace trace;
    bool right = false;
    trace_read(&trace, argv[1]);
    if (!trace.sequential) {
        printf(
            "{\"engine\":\"gap-buffer\",\"task\":\"local\",\"trace\":\"%s\",\"skip\":\"only for sequential traces\"}\n",
            trace.name);
        trace_release(&trace);
        return 0;
    }
    run_once(&trace, &right); /* warm */
    printf("{\"engine\":\"gap-buffer\",\"task\":\"local\",\"trace\":\"%s\",\"ms\":[", trace.name);
    for (int i = 0; i < runs; i++) {
        ms[i] = run_once(&trace, &right);
        printf("%s%.4f", i ? "," : "", ms[i]);
    }
    qsort(ms, (size_t)runs, sizeof *ms, compare_ms);
    printf("],\"median_ms\":%.4f,\"ops\":%zu,\"ok\":%s}\n", ms[runs / 2], trace.patches, right ? "true" : "false");
    trace_release(&trace);
    return right ? 0 : 1;
}
