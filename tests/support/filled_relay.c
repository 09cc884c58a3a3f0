#include "tests/support/filled_relay.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/checkpoint.h"
#include "sync/relay/relay_server.h"
#include "sync/relay/store.h"
#include "tests/support/relay_peer.h"

/* --- filling --- */

static void keep_document(void *self, uint64_t tag, const struct store_reply *reply)
{
    (void)tag;
    ensure(reply->result == STORE_OK);
    if (self)
        *(struct store_document *)self = reply->document;
}

static void settle(struct store *store)
{
    store_commit(store);
    store_poll(store);
}

static void append(struct store *store, const struct store_document *document, struct store_row row,
                   const struct store_agent *member)
{
    struct store_append append = {.key = document->key, .epoch = document->epoch, .now_s = 1, .row = row, .member = member};
    store_append(store, &append, (struct store_done){keep_document, NULL, 0});
}

static void seal_genesis(const struct doc_keys *keys, struct buf *out)
{
    struct genesis genesis;
    struct rope *nothing = rope_new();
    genesis_make(keys, nothing, &genesis);
    genesis_seal(&genesis, keys, out);
    rope_free(nothing);
}

/* A document that is being filled. */
struct filler {
    struct store *store;
    struct store_document document;
    struct relay_peer ada;
    uint64_t place; /* the next one */
    struct buf stored;
};

static void append_next(struct filler *filler, unsigned kind, uint64_t seq0, uint64_t count, const struct store_agent *member)
{
    struct store_row row = {.place = filler->place++, .kind = kind, .agent_number = 1, .seq0 = seq0, .count = count,
                            .stored = buf_view(&filler->stored)};
    append(filler->store, &filler->document, row, member);
    buf_clear(&filler->stored);
    if (filler->place % 1024 == 0)
        settle(filler->store);
}

static void begin(struct filler *filler, const struct doc_keys *keys)
{
    struct log_id log = {{1}};
    seal_genesis(keys, &filler->stored);
    store_create(filler->store, &keys->doc, &log, buf_view(&filler->stored), 1, (struct store_done){keep_document, NULL, 0});
    settle(filler->store);
    store_load(filler->store, &keys->doc, (struct store_done){keep_document, &filler->document, 0});
    settle(filler->store);
    buf_clear(&filler->stored);
    filler->place = 2;
}

static void introduce_ada(struct filler *filler)
{
    struct store_agent agent = {.number = 1, .id = filler->ada.agent, .device_key = filler->ada.doc_key.public_key};
    relay_peer_member(&filler->ada, &filler->stored);
    record_hash(buf_view(&filler->stored), &agent.member_hash);
    append_next(filler, RECORD_MEMBER, 0, 0, &agent);
    settle(filler->store);
}

static struct rope *text_of(uint64_t records, bool evil)
{
    struct buf bytes = {0};
    for (uint64_t i = 0; i < records; i++)
        buf_add_byte(&bytes, 'x');
    buf_add_string(&bytes, evil ? "evil" : "");
    struct rope *text = rope_from_bytes(buf_view(&bytes));
    buf_release(&bytes);
    return text;
}

static void add_checkpoint(struct filler *filler, const struct filling *filling)
{
    enum { SET = 1 << 20 };
    struct rope *text = text_of(filling->checkpoint_at, filling->checkpoint == FILLED_FALSE_TEXT);
    struct relay_peer claimed = filler->ada;
    claimed.last.bytes[0] ^= filling->checkpoint == FILLED_FALSE_HISTORY;
    claimed.seq += filling->checkpoint == FILLED_FALSE_VERSION ? filling->records : 0;
    uint64_t parts = checkpoint_parts(rope_len(text));
    for (uint64_t part = 0; part <= parts; part++) {
        relay_peer_checkpoint(&claimed, text, SET, part, &filler->stored);
        append_next(filler, part < parts ? RECORD_CHECKPOINT_TEXT : RECORD_CHECKPOINT, SET, 0, NULL);
    }
    rope_free(text);
}

static void fill(const char *path, const struct doc_keys *keys, const struct filling *filling)
{
    struct error err = {0};
    struct filler filler = {.store = store_open(&(struct store_options){.path = path, .by_hand = true}, &err)};
    ensure(filler.store);
    relay_peer_init(&filler.ada, keys, 7);
    begin(&filler, keys);
    introduce_ada(&filler);
    for (uint64_t i = 0; i < filling->records; i++) {
        if (filling->checkpoint && i == filling->checkpoint_at)
            add_checkpoint(&filler, filling);
        relay_peer_events_at(&filler.ada, i, "x", &filler.stored);
        append_next(&filler, RECORD_EVENTS, i, 1, NULL);
    }
    settle(filler.store);
    store_free(filler.store);
    buf_release(&filler.stored);
    relay_peer_release(&filler.ada);
}

/* --- serving --- */

static void serve(const char *path, int out)
{
    struct error err = {0};
    struct relay_server_options options = relay_server_options_default();
    options.listen = "127.0.0.1:0";
    options.store = path;
    options.limits = relay_limits_none();
    struct relay_server *server = relay_server_start(&options, &err);
    int port = server ? relay_server_port(server) : 0;
    if (write(out, &port, sizeof port) == sizeof port)
        for (;;)
            pause();
    _exit(1);
}

static void start(struct filled_relay *relay, const struct doc_keys *keys, const struct filling *filling)
{
    int out[2], port = 0;
    ensure(pipe(out) == 0);
    relay->pid = fork();
    if (relay->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a test fails */
        if (filling)
            fill(relay->path, keys, filling);
        serve(relay->path, out[1]);
    }
    ensure(read(out[0], &port, sizeof port) == sizeof port && port > 0);
    close(out[0]);
    close(out[1]);
    relay->port = (unsigned)port;
}

struct filled_relay filled_relay_start(const char *path, const struct doc_keys *keys, const struct filling *filling)
{
    struct filled_relay relay = {.path = path};
    start(&relay, keys, filling);
    return relay;
}

void filled_relay_end(struct filled_relay *relay)
{
    kill(relay->pid, SIGKILL);
    waitpid(relay->pid, NULL, 0);
}

void filled_relay_again(struct filled_relay *relay)
{
    start(relay, NULL, NULL);
}
