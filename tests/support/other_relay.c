#include "tests/support/other_relay.h"

#include "tests/support/support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/message.h"
#include "sync/relay/ws.h"

enum {
    OTHER_PROTOCOL = 2,
    LINGER_MS = 2000, /* so long a client may take to hang up */
    HEAD_BYTES = 4096,
};

struct other_relay {
    int fd, port;
    enum other_relay_says says;
    pthread_t thread;
    atomic_uint connections;
};

/* --- what it says --- */

static void add_frame(const struct message *message, struct buf *out)
{
    struct agent_numbers numbers = {0};
    struct buf payload = {0};
    unsigned char head[WS_FRAME_HEAD_MAX];
    message_encode(message, MESSAGE_BY_RELAY, &numbers, &payload);
    buf_add_bytes(out, bytes_of(head, ws_frame_head(payload.len, head)));
    buf_add_bytes(out, buf_view(&payload));
    buf_release(&payload);
    agent_numbers_release(&numbers);
}

/* Unproved: nobody gets as far as to look. */
static void add_challenge(struct buf *out)
{
    struct message message = {.kind = MESSAGE_CHALLENGE};
    message.challenge.low = message.challenge.high = OTHER_PROTOCOL;
    add_frame(&message, out);
}

static void add_refuse(struct buf *out)
{
    struct message message = {.kind = MESSAGE_REFUSE};
    message.refuse.code = REFUSE_PROTOCOL;
    message.refuse.text = bytes_of_string("it speaks weft.2, this is weft.1: update weft");
    add_frame(&message, out);
}

static void add_upgrade(const char *request, const char *subprotocol, struct buf *out)
{
    static const char field[] = "Sec-WebSocket-Key: ";
    const char *key = strcasestr(request, field);
    char accept[29] = "";
    if (key)
        ws_accept_key(bytes_of(key + strlen(field), strcspn(key + strlen(field), "\r")), accept);
    buf_addf(out,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
             accept, subprotocol);
}

static void answer(const struct other_relay *relay, const char *request, struct buf *out)
{
    switch (relay->says) {
    case OTHER_REFUSES_UPGRADE:
        buf_add_string(out, "HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Protocol: weft.2\r\nContent-Length: 0\r\n"
                            "Connection: close\r\n\r\n");
        return;
    case OTHER_UPGRADES_AS_OWN:
        add_upgrade(request, "weft.2", out);
        return;
    case OTHER_CHALLENGES:
        add_upgrade(request, "weft.1", out);
        add_challenge(out);
        return;
    case OTHER_REFUSES_KNOCK:
        add_upgrade(request, "weft.1", out);
        add_refuse(out);
        return;
    }
}

/* --- one connection --- */

static bool readable(int fd, int ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, ms) > 0;
}

/* True when the whole head has come. */
static bool read_head(int fd, char head[HEAD_BYTES])
{
    size_t len = 0;
    head[0] = '\0';
    while (!strstr(head, "\r\n\r\n") && len < HEAD_BYTES - 1 && readable(fd, LINGER_MS)) {
        ssize_t n = read(fd, head + len, HEAD_BYTES - 1 - len);
        if (n <= 0)
            return false;
        len += (size_t)n;
        head[len] = '\0';
    }
    return strstr(head, "\r\n\r\n") != NULL;
}

/* Until the client hangs up: what it still says must not make a reset of the end. */
static void linger(int fd)
{
    char rest[HEAD_BYTES];
    shutdown(fd, SHUT_WR);
    while (readable(fd, LINGER_MS) && read(fd, rest, sizeof rest) > 0)
        ;
}

static void serve(struct other_relay *relay, int fd)
{
    char head[HEAD_BYTES];
    struct buf out = {0};
    atomic_fetch_add(&relay->connections, 1);
    if (read_head(fd, head)) {
        answer(relay, head, &out);
        if (send(fd, out.data, out.len, MSG_NOSIGNAL) == (ssize_t)out.len)
            linger(fd);
    }
    buf_release(&out);
    close(fd);
}

static void *run(void *self)
{
    struct other_relay *relay = self;
    for (int fd; (fd = accept(relay->fd, NULL, NULL)) >= 0;)
        serve(relay, fd);
    return NULL;
}

/* --- life --- */

struct other_relay *other_relay_start(int port, enum other_relay_says says)
{
    struct other_relay *relay = xcalloc(1, sizeof *relay);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof at;
    int on = 1;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    relay->says = says;
    relay->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(relay->fd >= 0);
    assert_int_equal(setsockopt(relay->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(relay->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(relay->fd, 64), 0);
    assert_int_equal(getsockname(relay->fd, (struct sockaddr *)&at, &len), 0);
    relay->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&relay->thread, NULL, run, relay), 0);
    return relay;
}

int other_relay_port(const struct other_relay *relay)
{
    return relay->port;
}

unsigned other_relay_connections(const struct other_relay *relay)
{
    return atomic_load(&((struct other_relay *)relay)->connections);
}

void other_relay_stop(struct other_relay *relay)
{
    if (!relay)
        return;
    shutdown(relay->fd, SHUT_RDWR); /* wakes accept() */
    pthread_join(relay->thread, NULL);
    close(relay->fd);
    free(relay);
}
