/*
 * million - opening a shared document with a long history: two people have typed a million events into a text of 1 MB.
 *
 *     million [EVENTS] [DIR]      DIR: kept, and not filled again when it is there
 *
 * Both type at once, a key a record, and hear of each other after every BURST keys. What one has is then put in order as an editor does
 * that is left open: a checkpoint, rows put together. Then as many keys come as an editor waits for at most before it does so again,
 * and it is killed. Prints what opening takes of time and heap right after the checkpoint, and after the kill: until the text is
 * there to be drawn, and with the first key typed into it. Then, of one in order, what the text of an older version takes.
 */
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/replica_journal.h"
#include "app/replica_parts.h"
#include "app/replica_past.h"
#include "app/replica_tidy.h"
#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/journal_compact.h"
#include "tests/bench/bench_base.h"
#include "tests/bench/bench_clock.h"

enum { TEXT_BYTES = 1000000, BURST = 20, RUNS = 5, ROWS_A_COMMIT = 2000, ROWS_AFTER = 64, EVENTS_A_ROW = 128 };

struct writer {
    struct agent_id agent;
    struct sign_key doc_key;
    struct device device;
    struct document *document;
    struct rope *text;
    uint64_t cursor, counter;
    struct batch_list burst; /* what the other one has not heard */
};

struct bench {
    char *dir, *file;
    struct env env;
    struct doc_keys keys;
    struct journal *journal;
    struct chain *chain;
    struct writer ada, joe; /* ada's is the journal */
    struct random random;
    uint64_t events, records;
};

static void end(const char *what, const struct error *err)
{
    fprintf(stderr, "million: %s: %s\n", what, err->text);
    exit(1);
}

static void must(bool good, const char *what, const struct error *err)
{
    if (!good)
        end(what, err);
}

/* Of this thread: what else runs on the machine does not count. */
static void said(void *self, const char *text)
{
    (void)self;
    printf("  said: %s\n", text);
}

static void write_file(const struct bench *bench)
{
    FILE *file = fopen(bench->file, "w");
    for (size_t written = 0, line = 1; file && written < TEXT_BYTES; line++) {
        int n = fprintf(file, "%08zu lorem ipsum dolor sit amet, consectetur\n", line);
        written += n > 0 ? (size_t)n : TEXT_BYTES;
    }
    if (!file || fclose(file) != 0)
        end("writing the text", &(struct error){.text = "no file"});
}

static struct replica *open_file(struct bench *bench, bool alone)
{
    struct error err = {0};
    struct replica_options options = {.port = {.said = said}, .name = "ada", .alone = alone};
    struct replica *replica = replica_open(&bench->env, bench->file, (struct bytes){0}, &options, &err);
    must(replica != NULL, "opening", &err);
    return replica;
}

/* A shared document whose relay is never reached. */
static void share(struct bench *bench)
{
    struct error err = {0};
    struct replica *replica = open_file(bench, true);
    replica_work_alone(replica, true);
    must(replica_share(replica, "ws://127.0.0.1:9", &err), "sharing", &err);
    must(replica_close(replica, 0, NULL, &err), "closing", &err);
}

static void open_journal(struct bench *bench)
{
    struct error err = {0};
    struct replica *replica = open_file(bench, true);
    bench->keys = replica->entry.keys;
    bench->ada.text = rope_snapshot(replica->buffer.text);
    bench->joe.text = rope_snapshot(replica->buffer.text);
    bench->ada.document = document_new(replica->buffer.text);
    bench->joe.document = document_new(replica->buffer.text);
    char *path = env_journal_path(&bench->env, &replica->entry.doc);
    struct journal_spec spec = {.path = path, .mode = JOURNAL_WRITE, .doc = replica->entry.doc};
    must(replica_close(replica, 0, NULL, &err), "closing", &err);
    bench->journal = journal_open_on(&bench->env.device, spec, &err);
    must(bench->journal != NULL, "the journal", &err);
    bench->chain = chain_new(&bench->keys.doc);
    free(path);
}

static void add_received(struct bench *bench, unsigned kind, const struct agent_id *agent, uint64_t seq0, uint64_t count,
                         const struct buf *stored)
{
    struct error err = {0};
    struct journal_received row = {.kind = kind, .agent = *agent, .seq0 = seq0, .count = count, .stored = buf_view(stored),
                                   .relay_place = ++bench->records};
    record_hash(row.stored, &row.hash);
    must(journal_add_received(bench->journal, &row, NULL, &err) == JOURNAL_ADDED, "a record", &err);
}

static void put_sent(struct bench *bench, unsigned kind, uint64_t seq0, uint64_t count, const struct buf *stored)
{
    struct error err = {0};
    struct journal_sent sent = {.kind = kind, .agent = bench->ada.agent, .seq0 = seq0, .count = count, .stored = buf_view(stored)};
    must(journal_outbox_put(bench->journal, &sent, NULL, &err) == JOURNAL_ADDED, "the outbox", &err);
    bench->records++;
}

static void begin(struct bench *bench, struct writer *writer, unsigned char seed, bool ours)
{
    struct error err = {0};
    struct buf stored = {0};
    unsigned char device[CRYPTO_SEED_BYTES] = {seed, 1};
    writer->agent.bytes[0] = seed;
    writer->cursor = TEXT_BYTES / (ours ? 3 : 2);
    device_from_seed(&writer->device, device);
    if (ours)
        writer->device = bench->env.device;
    device_doc_key(&writer->device, &bench->keys.doc, &writer->doc_key);
    struct member member = {.agent = writer->agent, .has_grant = true};
    grant_make(&bench->keys, &writer->doc_key.public_key, 0, 0, &member.grant);
    snprintf(member.name, sizeof member.name, "%s", ours ? "ada" : "joe");
    member_seal(&member, &bench->keys, &writer->device, ++writer->counter, &stored);
    if (ours) {
        must(journal_agent_add(bench->journal, &writer->agent, 1, &err), "an agent", &err);
        put_sent(bench, RECORD_MEMBER, 0, 0, &stored);
    } else {
        add_received(bench, RECORD_MEMBER, &writer->agent, 0, 0, &stored);
    }
    buf_release(&stored);
}

/* Into the chain and the journal, as one record. */
static void keep(struct bench *bench, struct writer *writer, const struct batch *batch)
{
    struct error err = {0};
    struct buf canonical = {0}, plain = {0}, stored = {0};
    struct digest digest;
    batch_encode(batch, &canonical);
    ensure(chain_add(bench->chain, batch, buf_view(&canonical), &digest) == CHAIN_NEXT);
    record_plain_add(&plain, buf_view(&canonical));
    record_seal(&(struct record_spec){.kind = RECORD_EVENTS, .agent = writer->agent, .sealer = writer->agent,
                                      .counter = ++writer->counter, .seq0 = batch->seq0, .count = batch->count,
                                      .plain = buf_view(&plain), .last = &digest, .keys = &bench->keys,
                                      .signer = &writer->doc_key}, &stored);
    if (writer == &bench->ada) {
        struct journal_local row = {.agent = batch->agent, .seq0 = batch->seq0, .count = batch->count,
                                    .plain = buf_view(&canonical), .digest = digest, .path = bench->file,
                                    .view = {.cursor = writer->cursor, .anchor = writer->cursor}};
        must(journal_add_local(bench->journal, &row, NULL, &err) == JOURNAL_ADDED, "a row", &err);
        put_sent(bench, RECORD_EVENTS, batch->seq0, batch->count, &stored);
    } else {
        add_received(bench, RECORD_EVENTS, &writer->agent, batch->seq0, batch->count, &stored);
    }
    bench->events += batch->count;
    buf_release(&canonical);
    buf_release(&plain);
    buf_release(&stored);
}

/* A letter, or now and then one of the last ones taken back. */
static void type_key(struct bench *bench, struct writer *writer)
{
    struct patch patch = {0};
    uint64_t len = rope_len(writer->text), number = bench->events + writer->burst.count;
    bool erases = random_below(&bench->random, 10) == 0 && writer->cursor > 0;
    writer->cursor = writer->cursor < len ? writer->cursor : len;
    const char letter[] = {(char)('a' + number % 26)};
    patch_retain(&patch, writer->cursor - erases);
    patch_delete(&patch, erases);
    patch_insert(&patch, bytes_of(letter, erases ? 0 : 1));
    writer->cursor = erases ? writer->cursor - 1 : writer->cursor + 1;
    struct edit_mark mark = {.gesture = number % 5 == 0, .time_s = 1700000000 + number / 10};
    document_local(writer->document, &writer->agent, &patch, mark, &writer->burst);
    rope_apply(writer->text, &patch);
    patch_release(&patch);
}

static void hear(struct writer *writer, struct writer *other)
{
    struct error err = {0};
    struct patch patch = {0};
    for (size_t i = 0; i < other->burst.count; i++)
        ensure(document_add(writer->document, &other->burst.items[i], &err) == DOCUMENT_ADDED);
    document_update(writer->document, &patch);
    rope_apply(writer->text, &patch);
    patch_release(&patch);
}

/* Now and then somebody goes elsewhere in the text. */
static void type_burst(struct bench *bench, struct writer *writer)
{
    if (random_below(&bench->random, 20) == 0)
        writer->cursor = random_below(&bench->random, rope_len(writer->text));
    for (int i = 0; i < BURST; i++)
        type_key(bench, writer);
}

static void fill(struct bench *bench, uint64_t upto)
{
    struct error err = {0};
    struct writer *ada = &bench->ada, *joe = &bench->joe;
    must(journal_begin(bench->journal, &err), "a transaction", &err);
    for (uint64_t rows = 0; bench->events < upto;) {
        type_burst(bench, ada);
        type_burst(bench, joe);
        for (size_t i = 0; i < BURST; i++) {
            keep(bench, ada, &ada->burst.items[i]);
            keep(bench, joe, &joe->burst.items[i]);
        }
        hear(ada, joe);
        hear(joe, ada);
        batch_list_clear(&ada->burst);
        batch_list_clear(&joe->burst);
        rows += (uint64_t)2 * BURST;
        if (rows % ROWS_A_COMMIT == 0)
            must(journal_commit(bench->journal, &err) && journal_begin(bench->journal, &err), "a transaction", &err);
    }
    must(journal_outbox_ack_below(bench->journal, &ada->agent, UINT64_MAX, true, &err) && journal_commit(bench->journal, &err),
         "a transaction", &err);
}

/* As an editor does that nobody types in. */
static void put_in_order(struct bench *bench)
{
    struct error err = {0};
    struct encoded_checkpoint encoded = {0};
    uint64_t start = bench_now_ns();
    struct replica *copy = replica_new(&bench->env, &(struct replica_options){.reads_only = true, .alone = true});
    must(replica_find_doc(copy, &bench->keys.doc, &err) && replica_restore(copy, &err), "reading all rows", &err);
    printf("all rows read in %.0f ms\n", bench_ms_since(start));
    must(copy->faults == 0 && copy->early_count == 0 && replica_encode_checkpoint(copy, &encoded), "a checkpoint", &copy->fault);
    struct rope *history = rope_from_bytes(buf_view(&encoded.history));
    must(journal_checkpoint_put(bench->journal, copy->place_read, buf_view(&encoded.front), history, &err) &&
             journal_view_put(bench->journal, bench->file, &(struct journal_view){.cursor = 1000, .anchor = 1000}, bytes_of(NULL, 0), &err) &&
             journal_compact_all(bench->journal, true, &err), "a checkpoint", &err);
    printf("a checkpoint of %zu B, and %zu B of history\n", encoded.front.len, encoded.history.len);
    replica_free(copy);
    rope_free(history);
    encoded_checkpoint_release(&encoded);
}

static void print_size(struct bench *bench, const char *when)
{
    struct error err = {0};
    struct journal_stats stats;
    must(journal_stats(bench->journal, &stats, &err), "figures", &err);
    char *path = env_journal_path(&bench->env, &bench->keys.doc);
    printf("%s: %llu events, a journal of %.1f MB, %llu rows\n", when, (unsigned long long)bench->events,
           (double)journal_file_bytes(path) / 1e6, (unsigned long long)stats.rows);
    free(path);
}

/* --- opening --- */

struct opened {
    double text_ms, cpu_ms, key_ms;
    size_t heap, peak_kb;
    uint64_t len;
};

static size_t peak_kb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss;
}

static void open_here(struct bench *bench, struct opened *out)
{
    struct error err = {0};
    struct patch patch = {0};
    size_t heap = mallinfo2().uordblks, peak = peak_kb();
    uint64_t start = bench_now_ns();
    double cpu = thread_ms();
    struct replica *replica = open_file(bench, true);
    out->text_ms = bench_ms_since(start);
    out->cpu_ms = thread_ms() - cpu;
    out->heap = mallinfo2().uordblks + mallinfo2().hblkhd - heap;
    out->peak_kb = peak_kb() - peak;
    out->len = rope_len(replica->buffer.text);
    start = bench_now_ns();
    patch_retain(&patch, out->len / 2);
    patch_insert(&patch, bytes_of_string("x"));
    must(replica_edit(replica, &patch, selection_at(out->len / 2 + 1), EDIT_TYPING, &err), "a key", &err);
    out->key_ms = bench_ms_since(start);
    patch_release(&patch);
}

/* In a process of its own, which is killed: so nothing of it stays, and no memory is warm. */
static struct opened open_once(struct bench *bench)
{
    int out[2];
    struct opened opened = {0};
    ensure(pipe(out) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        open_here(bench, &opened);
        fflush(stdout);
        _exit(write(out[1], &opened, sizeof opened) == sizeof opened ? 0 : 1);
    }
    close(out[1]);
    if (read(out[0], &opened, sizeof opened) != sizeof opened)
        end("opening", &(struct error){.text = "it did not end well"});
    close(out[0]);
    waitpid(pid, NULL, 0);
    return opened;
}

static int by_text(const void *a, const void *b)
{
    const struct opened *left = a, *right = b;
    return (left->text_ms > right->text_ms) - (left->text_ms < right->text_ms);
}

static void measure(struct bench *bench, const char *when)
{
    struct opened opened[RUNS];
    for (int i = 0; i < RUNS; i++)
        opened[i] = open_once(bench);
    qsort(opened, RUNS, sizeof opened[0], by_text);
    const struct opened *middle = &opened[RUNS / 2];
    printf("| %s | %.1f ms | %.1f ms | %.1f ms | %.1f MB | %.1f MB | %.1f MB |\n", when, middle->text_ms, middle->cpu_ms, middle->key_ms,
           (double)middle->heap / 1e6, (double)middle->peak_kb / 1e3, (double)middle->len / 1e6);
}

/* --- the past --- */

/* From the open document to the text: the history is read, the version found, the text made. */
static void print_past(struct bench *bench, const char *what, uint64_t back)
{
    struct error err = {0};
    struct version version = {0};
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct replica *replica = open_file(bench, true);
        document_version(replica->document, &version);
        for (size_t i = 0; i < version.count; i++)
            version.heads[i].seq -= version.heads[i].seq * back / 100;
        double start = thread_ms();
        must(!back || replica_read_past(replica, &err), "its history", &err);
        double read = thread_ms();
        struct rope *text = replica_text_at(replica, &version);
        printf("| %s | %.1f ms | %.1f ms | %.1f MB |\n", what, read - start, thread_ms() - read, (double)rope_len(text) / 1e6);
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    ensure(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void measure_past(struct bench *bench)
{
    printf("| the text (weft cat --at) | of this CPU: its history read | the text made | text |\n|---|---:|---:|---:|\n");
    print_past(bench, "now", 0);
    print_past(bench, "1 % back", 1);
    print_past(bench, "half way", 50);
    print_past(bench, "99 % back", 99);
}

static void copy_journal(struct bench *bench, const char *from, const char *to)
{
    char *path = env_journal_path(&bench->env, &bench->keys.doc);
    char *command = xformat("cp '%s%s' '%s%s'; rm -f '%s%s-wal' '%s%s-shm'", path, from, path, to, path, to, path, to);
    ensure(system(command) == 0);
    free(command);
    free(path);
}

static void make(struct bench *bench, uint64_t events)
{
    struct error err = {0};
    write_file(bench);
    share(bench);
    open_journal(bench);
    begin(bench, &bench->ada, 0xaa, true);
    begin(bench, &bench->joe, 0xbb, false);
    uint64_t start = bench_now_ns();
    fill(bench, events);
    printf("filled in %.0f s\n", bench_ms_since(start) / 1e3);
    print_size(bench, "typed");
    put_in_order(bench);
    print_size(bench, "in order");
    char *path = env_journal_path(&bench->env, &bench->keys.doc);
    must(journal_checkpoint_wal(path, &err), "the log", &err);
    copy_journal(bench, "", ".in-order");
    fill(bench, events + ROWS_AFTER + events / EVENTS_A_ROW);
    print_size(bench, "killed");
    must(journal_checkpoint_wal(path, &err), "the log", &err);
    journal_close(bench->journal);
    copy_journal(bench, "", ".killed");
    free(path);
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct bench bench = {0};
    struct stat there;
    char fresh[] = "/var/tmp/million.XXXXXX";
    uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    bool keeps = argc > 2;
    bench.dir = xstrdup(keeps ? argv[2] : mkdtemp(fresh));
    bool filled = stat(bench.dir, &there) == 0 && keeps;
    setenv("XDG_STATE_HOME", bench.dir, 1);
    setenv("XDG_CONFIG_HOME", bench.dir, 1);
    setenv("XDG_RUNTIME_DIR", bench.dir, 1);
    must(keeps ? filled || mkdir(bench.dir, 0700) == 0 : true, "the directory", &(struct error){.text = "cannot be made"});
    must(env_init(&bench.env, "weft", &err), "the environment", &err);
    bench.file = xformat("%s/notes.txt", bench.dir);
    bench.random = random_of(1);
    if (filled) {
        struct replica *replica = open_file(&bench, true);
        bench.keys = replica->entry.keys;
        must(replica_close(replica, 0, NULL, &err), "closing", &err);
    } else {
        make(&bench, events);
    }
    printf("| opened | until the text is there | of this CPU | the first key | heap | at most | text |\n|---|---:|---:|---:|---:|---:|---:|\n");
    copy_journal(&bench, ".in-order", "");
    measure(&bench, "after the checkpoint");
    copy_journal(&bench, ".killed", "");
    measure(&bench, "after a kill");
    copy_journal(&bench, ".in-order", "");
    measure_past(&bench);
    env_release(&bench.env);
    if (!keeps) {
        char *command = xformat("rm -rf '%s'", bench.dir);
        ensure(system(command) == 0);
        free(command);
    }
    free(bench.dir);
    free(bench.file);
    return 0;
}
