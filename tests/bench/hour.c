/*
 * hour - what an hour of typing costs on this disk.
 *
 *     hour TRACE [KEYS] [SITTINGS] [IDLE_S]
 *
 * Types the first KEYS transactions of a recorded session into a file of a fresh home directory, each as a key of its own, five a
 * second by the calendar (this program's own: an hour goes by in seconds), in so many sittings. Prints what the journal takes: after
 * each sitting while the editor is open and idle for IDLE_S seconds, and after it was closed; and what the open document takes of
 * the heap.
 */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/replica.h"
#include "editor/base/xalloc.h"
#include "sync/net.h"
#include "tests/support/trace.h"

enum { KEYS_A_SECOND = 5, KEYS_A_COMMIT = 32 };

static uint64_t keys_typed;

/* The calendar that edits are dated by. */
time_t time(time_t *out)
{
    time_t now = 1700000000 + (time_t)(keys_typed / KEYS_A_SECOND);
    if (out)
        *out = now;
    return now;
}

static void end(const char *what, const struct error *err)
{
    fprintf(stderr, "hour: %s: %s\n", what, err->text);
    exit(1);
}

static void said(void *self, const char *text)
{
    (void)self;
    printf("  said: %s\n", text);
}

static uint64_t journal_bytes(const struct env *env, const struct doc_id *doc)
{
    char *path = env_journal_path(env, doc);
    uint64_t bytes = journal_file_bytes(path);
    free(path);
    return bytes;
}

static void type(struct replica *replica, const struct trace_txn *txn)
{
    struct error err = {0};
    for (size_t i = 0; i < txn->patch_count; i++) {
        const struct trace_patch *part = &txn->patches[i];
        struct patch patch = {0};
        patch_retain(&patch, part->pos);
        patch_delete(&patch, part->deleted);
        patch_insert(&patch, part->text);
        struct selection after = selection_at(part->pos + part->text.len);
        if (!replica_edit(replica, &patch, after, part->deleted ? EDIT_ERASING : EDIT_TYPING, &err))
            end("a key", &err);
        patch_release(&patch);
    }
    keys_typed++;
    if (keys_typed % KEYS_A_COMMIT == 0)
        replica_barrier(replica);
    replica_handle(replica);
}

/* The size that stands behind `what` in the sums over all arenas, which come last. */
static size_t sum_of(const char *sums, const char *what)
{
    const char *at = strstr(sums, what), *size = at ? strstr(at, "size=\"") : NULL;
    if (!size)
        exit(1);
    return strtoull(size + strlen("size=\""), NULL, 10);
}

/* Of all threads: mallinfo2() tells of the first one alone, and the journal's pages are its thread's. */
static size_t heap_bytes(void)
{
    char *text = NULL;
    size_t len;
    malloc_trim(0);
    FILE *file = open_memstream(&text, &len);
    if (!file || malloc_info(0, file) != 0 || fclose(file) != 0)
        exit(1);
    const char *sums = text;
    for (const char *next; (next = strstr(sums, "</heap>"));)
        sums = next + 1;
    size_t held = sum_of(sums, "<system type=\"current\"") + sum_of(sums, "<total type=\"mmap\"") -
                  sum_of(sums, "<total type=\"fast\"") - sum_of(sums, "<total type=\"rest\"");
    free(text);
    return held;
}

static void be_idle(struct replica *replica, unsigned seconds)
{
    for (uint64_t until_ms = net_now_ms() + seconds * 1000; net_now_ms() < until_ms;)
        replica_wait(replica, 20);
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct trace trace;
    struct env env;
    char dir[] = "/tmp/hour.XXXXXX";
    if (argc < 2 || !mkdtemp(dir)) {
        fprintf(stderr, "usage: hour TRACE [KEYS] [SITTINGS] [IDLE_S]\n");
        return 2;
    }
    size_t keys = argc > 2 ? strtoull(argv[2], NULL, 10) : 18000, sittings = argc > 3 ? strtoull(argv[3], NULL, 10) : 4;
    unsigned idle_s = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 5;
    setenv("XDG_STATE_HOME", dir, 1);
    setenv("XDG_CONFIG_HOME", dir, 1);
    setenv("XDG_RUNTIME_DIR", dir, 1);
    if (!env_init(&env, "weft", &err))
        end("the environment", &err);
    trace_read(&trace, argv[1]);
    char *file = xformat("%s/notes.txt", dir);
    size_t own_heap = heap_bytes();
    keys = keys < trace.count ? keys : trace.count;
    for (size_t n = 0; n < sittings; n++) {
        struct replica_options options = {.port = {.said = said}, .name = "ada"};
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        struct replica *replica = replica_open(&env, file, (struct bytes){0}, &options, &err);
        if (!replica)
            end("opening", &err);
        clock_gettime(CLOCK_MONOTONIC, &to);
        for (size_t i = keys * n / sittings; i < keys * (n + 1) / sittings; i++)
            type(replica, &trace.txns[i]);
        if (!replica_save_now(replica, NULL, &err))
            end("saving", &err);
        struct doc_id doc = replica_entry(replica)->doc;
        size_t heap_typed = heap_bytes();
        uint64_t typed = journal_bytes(&env, &doc);
        be_idle(replica, idle_s);
        uint64_t idle = journal_bytes(&env, &doc);
        size_t heap_idle = heap_bytes(), text = (size_t)rope_len(replica_buffer(replica)->text);
        if (!replica_close(replica, 0, NULL, &err))
            end("closing", &err);
        printf("sitting %zu: opened in %.1f ms; %llu keys; journal %llu B when typed, %llu B idle, %llu B closed\n", n + 1,
               (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6,
               (unsigned long long)keys_typed, (unsigned long long)typed, (unsigned long long)idle,
               (unsigned long long)journal_bytes(&env, &doc));
        printf("    a text of %zu B; heap %zu B when typed, %zu B idle\n", text, heap_typed - own_heap, heap_idle - own_heap);
    }
    printf("(of the heap %zu B are this program's own)\n", own_heap);
    trace_release(&trace);
    env_release(&env);
    printf("left in %s\n", dir);
    free(file);
    return 0;
}
