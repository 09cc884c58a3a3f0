#include "tests/bench/bench_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "tests/bench/bench_base.h"
#include "tests/bench/bench_room.h"
#include "tests/support/relay_peer.h"

enum {
    INPUT_BYTES = 1 << 18,
    MASK_BYTES = 4,
    BINARY = 0x82,
    CLOSE = 0x88,
    WINDOW = 256, /* records of one client that are sent and not acknowledged: who sends more is cut as a slow reader */
};

struct client {
    int fd;
    struct relay_peer peer;
    struct buf input;   /* received, not yet read */
    struct buf output;  /* made beforehand: all frames */
    size_t sent, records; /* bytes of the output, records in it (0: greetings) */
    struct message message;
    uint64_t acked, received;
    bool upgraded, challenged, caught_up;
};

/* --- WebSocket, as little of it as a client needs --- */

/* The mask is zeros: that is a mask, too. */
static void add_frame(struct buf *out, struct bytes payload)
{
    size_t width = payload.len < 126 ? 0 : payload.len < 65536 ? 2 : 8;
    static const unsigned char no_mask[MASK_BYTES] = {0};
    buf_add_byte(out, BINARY);
    buf_add_byte(out, (unsigned char)(0x80 | (width == 0 ? payload.len : width == 2 ? 126 : 127)));
    for (size_t i = width; i > 0; i--)
        buf_add_byte(out, (unsigned char)(payload.len >> (8 * (i - 1))));
    buf_add(out, no_mask, sizeof no_mask);
    buf_add_bytes(out, payload);
}

/* The length of the frame in front, its payload in *payload; 0: not all there. */
static size_t front_frame(struct bytes input, struct bytes *payload)
{
    if (input.len < 2)
        return 0;
    size_t width = input.data[1] == 126 ? 2 : input.data[1] == 127 ? 8 : 0;
    if (input.len < 2 + width)
        return 0;
    uint64_t len = width ? 0 : input.data[1];
    for (size_t i = 0; i < width; i++)
        len = len << 8 | input.data[2 + i];
    if (input.len - 2 - width < len)
        return 0;
    *payload = bytes_of(input.data + 2 + width, (size_t)len);
    return 2 + width + (size_t)len;
}

/* --- one client --- */

static void client_open(struct client *client, int port)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Protocol: weft.1\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&to, sizeof to) != 0)
        bench_fail("cannot connect to the relay");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
    buf_add(&client->output, request, sizeof request - 1);
    struct buf knock = {0};
    relay_peer_knock(&client->peer, &knock);
    add_frame(&client->output, buf_view(&knock));
    buf_release(&knock);
}

static void answer_challenge(struct client *client, struct bytes challenge, bool creates)
{
    struct buf genesis = {0}, hello = {0}, resume = {0};
    if (creates)
        relay_peer_genesis(&client->peer, &genesis);
    relay_peer_hello(&client->peer, challenge, buf_view(&genesis), "", &hello);
    relay_peer_resume(&client->peer, NULL, &resume);
    add_frame(&client->output, buf_view(&hello));
    add_frame(&client->output, buf_view(&resume));
    buf_release(&genesis);
    buf_release(&hello);
    buf_release(&resume);
    client->challenged = true;
}

static void take_message(struct client *client, struct bytes payload)
{
    struct error err = {0};
    struct message *message = &client->message;
    if (!message_decode(payload, MESSAGE_BY_RELAY, &client->peer.numbers_in, message, &err))
        bench_fail("the relay's frame: %s", err.text);
    if (message->kind == MESSAGE_ACK)
        client->acked = message->ack.ordinal;
    else if (message->kind == MESSAGE_RECORDS)
        client->received += message->records.count;
    else if (message->kind == MESSAGE_CAUGHT_UP)
        client->caught_up = true;
    else if (message->kind == MESSAGE_REFUSE)
        bench_fail("the relay refuses: %.*s", (int)message->refuse.text.len, (const char *)message->refuse.text.data);
    else if (message->kind == MESSAGE_REJECT)
        bench_fail("the relay rejects a record: %.*s", (int)message->reject.text.len,
                   (const char *)message->reject.text.data);
}

static size_t take_upgrade(struct client *client, struct bytes input)
{
    const unsigned char *end = memmem(input.data, input.len, "\r\n\r\n", 4);
    client->upgraded = end != NULL;
    return end ? (size_t)(end - input.data) + 4 : 0;
}

static size_t take_frame(struct client *client, struct bytes input, bool creates)
{
    struct bytes payload;
    size_t len = front_frame(input, &payload);
    if (len && input.data[0] == CLOSE)
        bench_fail("the relay closed");
    if (len && !client->challenged)
        answer_challenge(client, payload, creates);
    else if (len)
        take_message(client, payload);
    return len;
}

static void client_read(struct client *client, bool creates)
{
    unsigned char *room = buf_extend(&client->input, INPUT_BYTES);
    ssize_t got = read(client->fd, room, INPUT_BYTES);
    client->input.len -= INPUT_BYTES - (got > 0 ? (size_t)got : 0);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        bench_fail("the relay hung up");
    struct bytes input = buf_view(&client->input);
    size_t used = 0, len = 1;
    while (len && used < input.len) {
        struct bytes rest = bytes_slice(input, used, input.len - used);
        len = client->upgraded ? take_frame(client, rest, creates) : take_upgrade(client, rest);
        used += len;
    }
    memmove(client->input.data, client->input.data + used, client->input.len - used);
    client->input.len -= used;
}

/* How much of the output may leave now: all frames are about equally long. */
static size_t window_bytes(const struct client *client)
{
    if (client->acked + WINDOW >= client->records)
        return client->output.len - client->sent;
    size_t upto = client->output.len / client->records * (size_t)(client->acked + WINDOW);
    return upto > client->sent ? upto - client->sent : 0;
}

static void client_write(struct client *client)
{
    size_t left = window_bytes(client);
    ssize_t sent = left ? send(client->fd, client->output.data + client->sent, left, MSG_NOSIGNAL) : 0;
    if (sent > 0)
        client->sent += (size_t)sent;
}

static void client_release(struct client *client)
{
    close(client->fd);
    relay_peer_release(&client->peer);
    buf_release(&client->input);
    buf_release(&client->output);
    message_release(&client->message);
}

/* --- all of them --- */

static void turn(struct client *clients, size_t count)
{
    struct pollfd fds[ROOM_PEOPLE_MAX];
    for (size_t i = 0; i < count; i++) {
        bool writes = window_bytes(&clients[i]) > 0;
        fds[i] = (struct pollfd){.fd = clients[i].fd, .events = (short)(POLLIN | (writes ? POLLOUT : 0))};
    }
    if (poll(fds, count, ROOM_PATIENCE_MS) <= 0)
        bench_fail("the relay keeps silent");
    for (size_t i = 0; i < count; i++) {
        if (fds[i].revents & POLLOUT)
            client_write(&clients[i]);
        if (fds[i].revents & ~POLLOUT)
            client_read(&clients[i], i == 0);
    }
}

static void come_in(struct client *client, int port, const struct doc_keys *keys, unsigned seed)
{
    relay_peer_init(&client->peer, keys, seed);
    client_open(client, port);
    while (!client->caught_up) {
        struct pollfd fd = {.fd = client->fd, .events = (short)(POLLIN | (client->sent < client->output.len ? POLLOUT : 0))};
        if (poll(&fd, 1, ROOM_PATIENCE_MS) != 1)
            bench_fail("the relay keeps silent");
        if (fd.revents & POLLOUT)
            client_write(client);
        if (fd.revents & ~POLLOUT)
            client_read(client, seed == 1);
    }
}

static void add_record(struct client *client, struct buf *record)
{
    struct buf frame = {0};
    struct bytes stored = buf_view(record);
    relay_peer_records(&client->peer, &stored, 1, &frame);
    add_frame(&client->output, buf_view(&frame));
    buf_release(&frame);
    buf_clear(record);
}

static void make_records(struct client *client, size_t count)
{
    struct buf record = {0};
    buf_clear(&client->output);
    client->sent = 0;
    client->records = count + 1;
    relay_peer_member(&client->peer, &record);
    add_record(client, &record);
    for (size_t i = 0; i < count; i++) {
        relay_peer_events(&client->peer, "x", &record);
        add_record(client, &record);
    }
    buf_release(&record);
}

static bool all_done(const struct client *clients, const struct load *load)
{
    for (size_t i = 0; i < load->people; i++)
        if (clients[i].acked < load->records + 1 || clients[i].received < (load->people - 1) * (load->records + 1))
            return false;
    return true;
}

void load_run(int relay_port, pid_t relay, struct load *load)
{
    struct doc_keys keys;
    struct client *clients = xcalloc(load->people, sizeof *clients);
    doc_keys_new(&keys);
    for (size_t i = 0; i < load->people; i++)
        come_in(&clients[i], relay_port, &keys, (unsigned)i + 1);
    for (size_t i = 0; i < load->people; i++) {
        clients[i].received = 0; /* the genesis record that others were greeted with */
        make_records(&clients[i], load->records);
    }
    double cpu_ms = bench_cpu_ms(relay);
    uint64_t start_ns = bench_now_ns();
    while (!all_done(clients, load))
        turn(clients, load->people);
    load->seconds = bench_ms_since(start_ns) / 1000;
    load->relay_cpu_ms = bench_cpu_ms(relay) - cpu_ms;
    for (size_t i = 0; i < load->people; i++) {
        load->acked += clients[i].acked;
        load->delivered += clients[i].received;
        client_release(&clients[i]);
    }
    free(clients);
}
