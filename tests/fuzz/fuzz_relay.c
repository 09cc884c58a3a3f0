/*
 * The relay core under arbitrary frames, from a stranger and from a proved writer. The first byte says which; then come
 * frames, each behind two bytes of length. Whatever they hold, the relay answers or says goodbye.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sync/relay/relay.h"
#include "tests/support/relay_peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct store *store;
    struct relay *relay;
    struct relay_connection *connection;
    struct buf challenge;
    bool wants_write;
};

static void port_send(void *self, void *link, struct relay_frame *frame)
{
    struct world *world = self;
    (void)link;
    if (world->challenge.len == 0)
        buf_add_bytes(&world->challenge, relay_frame_payload(frame));
    relay_frame_drop(frame);
}

static size_t port_queued(void *self, void *link)
{
    (void)self;
    (void)link;
    return 0;
}

static void port_want_write(void *self, void *link)
{
    struct world *world = self;
    (void)link;
    world->wants_write = true;
}

static void port_resumed(void *self, void *link)
{
    (void)self;
    (void)link;
}

static void port_close(void *self, void *link, unsigned code, const char *reason)
{
    (void)self;
    (void)link;
    (void)code;
    (void)reason;
}

static void port_random(void *self, void *out, size_t len)
{
    (void)self;
    memset(out, 7, len);
}

static void settle(struct world *world)
{
    for (bool moved = true; moved;) {
        store_commit(world->store);
        moved = relay_poll(world->relay, 1000) > 0 || world->wants_write;
        if (world->wants_write) {
            world->wants_write = false;
            relay_writable(world->connection, 1000);
        }
    }
}

static void receive(struct world *world, struct bytes frame)
{
    if (relay_reads(world->connection))
        relay_receive(world->connection, frame, 1000);
    settle(world);
}

static void receive_buf(struct world *world, struct buf *frame)
{
    receive(world, buf_view(frame));
    buf_release(frame);
}

static void world_open(struct world *world)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {1};
    struct error err = {0};
    struct sign_key key;
    if (!crypto_start(&err))
        abort();
    sign_key_from_seed(&key, seed);
    world->store = store_open(&(struct store_options){.path = ":memory:", .by_hand = true}, &err);
    ensure(world->store);
    struct relay_port port = {.self = world,
                              .send = port_send,
                              .queued = port_queued,
                              .want_write = port_want_write,
                              .resumed = port_resumed,
                              .close = port_close,
                              .random = port_random};
    struct relay_options options = {.limits = relay_limits_none(), .key = &key};
    world->relay = relay_new(&options, world->store, &port);
    world->connection = relay_accept(world->relay, world, &(struct relay_guest){.address = ""}, 1000);
}

/* A writer who is inside, with one record of his in the log. */
static void come_in(struct world *world)
{
    static const unsigned char admin_seed[KEY_SEED_BYTES] = {2};
    struct doc_keys keys;
    struct relay_peer peer;
    struct buf genesis = {0}, member = {0}, frame = {0};
    doc_keys_from_admin(&keys, admin_seed);
    relay_peer_init(&peer, &keys, 1);
    relay_peer_genesis(&peer, &genesis);
    relay_peer_knock(&peer, &frame);
    receive_buf(world, &frame);
    relay_peer_hello(&peer, buf_view(&world->challenge), buf_view(&genesis), "", &frame);
    receive_buf(world, &frame);
    relay_peer_resume(&peer, NULL, &frame);
    receive_buf(world, &frame);
    relay_peer_member(&peer, &member);
    struct bytes stored = buf_view(&member);
    relay_peer_records(&peer, &stored, 1, &frame);
    receive_buf(world, &frame);
    buf_release(&genesis);
    buf_release(&member);
    relay_peer_release(&peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.store = NULL};
    if (size == 0)
        return 0;
    world_open(&world);
    if (data[0] & 1)
        come_in(&world);
    for (size_t at = 1; at + 2 <= size;) {
        size_t len = (size_t)data[at] << 8 | data[at + 1];
        at += 2;
        len = len < size - at ? len : size - at;
        receive(&world, bytes_of(data + at, len));
        at += len;
    }
    relay_gone(world.connection, 1000);
    relay_free(world.relay);
    store_free(world.store);
    buf_release(&world.challenge);
    return 0;
}
