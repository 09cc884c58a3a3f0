/*
 * pair - what an hour of two people who type at once costs on each one's disk, and at their relay.
 *
 *     pair TRACE [KEYS] [KEYS_A_PAUSE]
 *
 * Ada and Joe are on two machines, over a relay on this one. Each types the first KEYS transactions of a recorded session, key by key
 * by turns: a key is typed when the other one's is on the screen, so each builds on the one before and is a record of its own. They
 * are dated five a second for each (this program's own calendar: an hour goes by in minutes). After KEYS_A_PAUSE of each both rest
 * for three seconds. Prints what is kept: in each journal, open after a rest and closed, and at the relay, where each has been back
 * once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/replica.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "editor/base/xalloc.h"
#include "sync/net.h"
#include "sync/relay/store.h"
#include "tests/support/filled_relay.h"
#include "tests/support/trace.h"

enum { KEYS_A_SECOND = 2 * 5, PAUSE_MS = 3000, TIDY_MS = 14000, PATIENCE_MS = 30000 };

static uint64_t keys_typed;

/* The calendar that edits are dated by. */
time_t time(time_t *out)
{
    time_t now = 1700000000 + (time_t)(keys_typed / KEYS_A_SECOND);
    if (out)
        *out = now;
    return now;
}

struct typist {
    struct env env;
    struct replica *replica;
};

struct pair {
    struct doc_keys keys;
    struct filled_relay relay;
    struct typist ada, joe; /* her text is in front of his */
    uint64_t ada_bytes;
};

static void end(const char *what, const struct error *err)
{
    fprintf(stderr, "pair: %s: %s\n", what, err->text);
    exit(1);
}

static void said(void *self, const char *text)
{
    (void)self;
    printf("  said: %s\n", text);
}

/* --- the room --- */

static void typist_init(struct typist *typist, const char *dir, const char *name)
{
    static const char *const homes[] = {"XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "HOME"};
    struct error err = {0};
    char *home = xformat("%s/%s", dir, name);
    for (size_t i = 0; i < sizeof homes / sizeof *homes; i++)
        setenv(homes[i], home, 1);
    if (!env_init(&typist->env, "weft", &err))
        end("the environment", &err);
    free(home);
}

static bool is_settled(const struct typist *typist)
{
    return replica_is_settled(typist->replica);
}

static void wait_settled(const struct typist *typist)
{
    for (uint64_t until_ms = net_now_ms() + PATIENCE_MS; !is_settled(typist); replica_wait(typist->replica, 10))
        if (net_now_ms() > until_ms)
            end("waiting", &(struct error){.text = "it has not all that the other one has"});
}

static void join(const struct pair *pair, struct typist *typist, const char *name)
{
    struct error err = {0};
    struct share_link link = {.doc = pair->keys.doc, .access = ACCESS_WRITE, .host_count = 1};
    struct replica_options options = {.port = {.said = said}, .name = name};
    link.hosts[0].port = pair->relay.port;
    snprintf(link.hosts[0].name, sizeof link.hosts[0].name, "127.0.0.1");
    memcpy(link.seed, pair->keys.write_seed, sizeof link.seed);
    typist->replica = replica_join(&typist->env, &link, NULL, &options, &err);
    if (!typist->replica)
        end("joining", &err);
    wait_settled(typist);
}

static void leave(struct typist *typist)
{
    struct error err = {0};
    if (!replica_close(typist->replica, 0, NULL, &err))
        end("closing", &err);
    typist->replica = NULL;
}

static void rest(const struct pair *pair, uint64_t ms)
{
    for (uint64_t until_ms = net_now_ms() + ms; net_now_ms() < until_ms;) {
        replica_wait(pair->ada.replica, 5);
        replica_wait(pair->joe.replica, 5);
    }
}

/* --- typing --- */

static uint64_t text_bytes(const struct typist *typist)
{
    return rope_len(replica_buffer(typist->replica)->text);
}

/* Returns how much longer the text is. */
static int64_t type(const struct typist *typist, const struct trace_txn *txn, uint64_t offset)
{
    struct error err = {0};
    int64_t longer = 0;
    for (size_t i = 0; i < txn->patch_count; i++) {
        const struct trace_patch *part = &txn->patches[i];
        struct patch patch = {0};
        patch_retain(&patch, offset + part->pos);
        patch_delete(&patch, part->deleted);
        patch_insert(&patch, part->text);
        struct selection after = selection_at(offset + part->pos + part->text.len);
        if (!replica_edit(typist->replica, &patch, after, part->deleted ? EDIT_ERASING : EDIT_TYPING, &err))
            end("a key", &err);
        patch_release(&patch);
        longer += (int64_t)part->text.len - (int64_t)part->deleted;
    }
    keys_typed++;
    replica_barrier(typist->replica);
    replica_handle(typist->replica);
    return longer;
}

/* Until the other one has it on his screen. */
static void wait_heard(const struct typist *by, const struct typist *other)
{
    uint64_t events = document_events(by->replica->document);
    for (uint64_t until_ms = net_now_ms() + PATIENCE_MS; document_events(other->replica->document) != events; replica_wait(other->replica, 1)) {
        if (net_now_ms() > until_ms)
            end("waiting", &(struct error){.text = "a key did not come"});
        replica_wait(by->replica, 0);
    }
}

static void type_both(struct pair *pair, const struct trace_txn *txn)
{
    int64_t longer = type(&pair->ada, txn, 0);
    pair->ada_bytes = (uint64_t)((int64_t)pair->ada_bytes + longer);
    wait_heard(&pair->ada, &pair->joe);
    (void)type(&pair->joe, txn, pair->ada_bytes);
    wait_heard(&pair->joe, &pair->ada);
}

/* --- what is kept --- */

static uint64_t journal_bytes(const struct pair *pair, const struct typist *typist)
{
    char *path = env_journal_path(&typist->env, &pair->keys.doc);
    uint64_t bytes = journal_file_bytes(path);
    free(path);
    return bytes;
}

static void print_relay(const struct pair *pair)
{
    struct error err = {0};
    struct store *store = store_open(&(struct store_options){.path = pair->relay.path, .by_hand = true}, &err);
    if (!store)
        end("the relay's store", &err);
    printf("relay: records of %llu B\n", (unsigned long long)store_totals(store).bytes);
    store_free(store);
}

static void print_journals(const struct pair *pair, const char *when)
{
    printf("%s: journals of %llu B (ada) and %llu B (joe)\n", when, (unsigned long long)journal_bytes(pair, &pair->ada),
           (unsigned long long)journal_bytes(pair, &pair->joe));
}

int main(int argc, char **argv)
{
    struct trace trace;
    struct pair pair = {.ada_bytes = 0};
    struct filling filling = {.records = 1};
    char dir[] = "/tmp/pair.XXXXXX";
    struct error err = {0};
    if (argc < 2 || !crypto_start(&err) || !mkdtemp(dir)) {
        fprintf(stderr, "usage: pair TRACE [KEYS] [KEYS_A_PAUSE]\n");
        return 2;
    }
    size_t keys = argc > 2 ? strtoull(argv[2], NULL, 10) : 18000, pause = argc > 3 ? strtoull(argv[3], NULL, 10) : 600;
    trace_read(&trace, argv[1]);
    keys = keys < trace.count ? keys : trace.count;
    char *store = xformat("%s/relay.db", dir);
    doc_keys_new(&pair.keys);
    pair.relay = filled_relay_start(store, &pair.keys, &filling);
    typist_init(&pair.ada, dir, "ada");
    typist_init(&pair.joe, dir, "joe");
    join(&pair, &pair.ada, "ada");
    join(&pair, &pair.joe, "joe");
    for (size_t i = 0; i < keys; i++) {
        type_both(&pair, &trace.txns[i]);
        if ((i + 1) % pause == 0)
            rest(&pair, PAUSE_MS);
    }
    print_journals(&pair, "typed");
    rest(&pair, TIDY_MS);
    print_journals(&pair, "after a rest");
    printf("%zu keys each, a text of %llu B\n", keys, (unsigned long long)text_bytes(&pair.ada));
    leave(&pair.ada);
    leave(&pair.joe);
    print_journals(&pair, "closed");
    join(&pair, &pair.ada, "ada"); /* behind the other one's packs: he has compared them */
    join(&pair, &pair.joe, "joe");
    rest(&pair, PAUSE_MS);
    leave(&pair.ada);
    leave(&pair.joe);
    print_journals(&pair, "opened and closed");
    filled_relay_end(&pair.relay);
    print_relay(&pair);
    trace_release(&trace);
    env_release(&pair.ada.env);
    env_release(&pair.joe.env);
    printf("left in %s\n", dir);
    free(store);
    return 0;
}
