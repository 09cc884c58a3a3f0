#include "tests/bench/bench_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "tests/bench/bench_base.h"

enum {
    WIRES_MAX = 64,
    PIECE_BYTES = 65536,
    LIMITED_BYTES = 1024, /* a piece where the line is slow */
    LINE_BYTES_MAX = 64 << 20,
    FILLERS_MAX = 2 * WIRES_MAX, /* more than the listener's queue holds: then the system drops who wants to connect */
    FILL_MS = 50,                /* so long a connection to this machine takes at most */
};

struct piece {
    struct piece *next;
    uint64_t due_ns;
    size_t len, sent;
    unsigned char data[];
};

/* One direction of one connection. */
struct line {
    int from, to;
    struct piece *first, *last;
    size_t waiting;
};

struct wire {
    bool live;
    bool lost; /* its packets vanish */
    struct line up, down;
};

struct proxy {
    int listener, port, relay_port, wake_fd;
    pthread_t thread;
    struct random random;  /* of the thread */
    struct wire wires[WIRES_MAX];
    pthread_mutex_t lock;  /* what follows */
    unsigned delay_ms, jitter_ms;
    uint64_t bytes_a_second; /* 0: no limit */
    bool held, cut_asked, refuses, swallows, garbles, ends;
    int fillers[FILLERS_MAX]; /* while it swallows */
    size_t filler_count;
    struct proxy_counts counts;
};

static void set_up_socket(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* --- one connection --- */

static void line_clear(struct line *line)
{
    for (struct piece *piece = line->first; piece;) {
        struct piece *next = piece->next;
        free(piece);
        piece = next;
    }
    line->first = line->last = NULL;
    line->waiting = 0;
}

/* Polled for neither: the system goes on to keep them open. */
static bool is_served(const struct wire *wire)
{
    return wire->live && !wire->lost;
}

static void wire_end(struct wire *wire)
{
    close(wire->up.from);
    close(wire->up.to);
    line_clear(&wire->up);
    line_clear(&wire->down);
    wire->live = false;
}

static uint64_t due_of_next(struct proxy *proxy, const struct line *line, size_t len)
{
    uint64_t extra_ms = proxy->jitter_ms ? random_below(&proxy->random, proxy->jitter_ms) : 0;
    uint64_t due_ns = bench_now_ns() + (proxy->delay_ms + extra_ms) * 1000000;
    uint64_t long_ns = proxy->bytes_a_second ? len * 1000000000 / proxy->bytes_a_second : 0;
    return (line->last && line->last->due_ns > due_ns ? line->last->due_ns : due_ns) + long_ns;
}

/* False: the other side has closed. */
static bool take_in(struct proxy *proxy, struct line *line, uint64_t *count)
{
    struct piece *piece = xmalloc(sizeof *piece + PIECE_BYTES);
    ssize_t got = read(line->from, piece->data, proxy->bytes_a_second ? LIMITED_BYTES : PIECE_BYTES);
    if (got <= 0) {
        free(piece);
        return got < 0 && errno == EAGAIN;
    }
    piece = xrealloc(piece, sizeof *piece + (size_t)got);
    *piece = (struct piece){.due_ns = due_of_next(proxy, line, (size_t)got), .len = (size_t)got};
    if (line->last)
        line->last->next = piece;
    else
        line->first = piece;
    line->last = piece;
    line->waiting += piece->len;
    *count += piece->len;
    return true;
}

static bool garble(const struct proxy *proxy, struct line *line)
{
    if (proxy->garbles && line->last)
        line->last->data[line->last->len - 1] ^= 0x20;
    return true;
}

static bool pass_on(struct line *line, uint64_t now_ns)
{
    while (line->first && line->first->due_ns <= now_ns) {
        struct piece *piece = line->first;
        ssize_t sent = send(line->to, piece->data + piece->sent, piece->len - piece->sent, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN;
        piece->sent += (size_t)sent;
        line->waiting -= (size_t)sent;
        if (piece->sent < piece->len)
            return true;
        line->first = piece->next;
        if (!line->first)
            line->last = NULL;
        free(piece);
    }
    return true;
}

static struct wire *free_wire(struct proxy *proxy)
{
    for (size_t i = 0; i < WIRES_MAX; i++)
        if (!proxy->wires[i].live)
            return &proxy->wires[i];
    return NULL;
}

static void welcome(struct proxy *proxy)
{
    int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    struct wire *wire = free_wire(proxy);
    struct sockaddr_in to = loopback(proxy->relay_port);
    int relay = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client < 0 || !wire || proxy->refuses || connect(relay, (struct sockaddr *)&to, sizeof to) != 0) {
        close(client);
        close(relay);
        return;
    }
    set_up_socket(client);
    set_up_socket(relay);
    *wire = (struct wire){.live = true, .up = {.from = client, .to = relay}, .down = {.from = relay, .to = client}};
    proxy->counts.connections++;
}

/* --- the loop --- */

static short wishes(const struct proxy *proxy, const struct line *in, const struct line *out, uint64_t now_ns)
{
    bool due = !proxy->held && out->first && out->first->due_ns <= now_ns;
    return (short)((in->waiting < LINE_BYTES_MAX ? POLLIN : 0) | (due ? POLLOUT : 0));
}

static int fill_polls(struct proxy *proxy, struct pollfd *fds)
{
    uint64_t now_ns = bench_now_ns(), next_ns = now_ns + 1000000000;
    fds[0] = (struct pollfd){.fd = proxy->swallows ? -1 : proxy->listener, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = proxy->wake_fd, .events = POLLIN};
    for (size_t i = 0; i < WIRES_MAX; i++) {
        struct wire *wire = &proxy->wires[i];
        int client = is_served(wire) ? wire->up.from : -1, relay = is_served(wire) ? wire->up.to : -1;
        fds[2 + 2 * i] = (struct pollfd){.fd = client, .events = wishes(proxy, &wire->up, &wire->down, now_ns)};
        fds[3 + 2 * i] = (struct pollfd){.fd = relay, .events = wishes(proxy, &wire->down, &wire->up, now_ns)};
        for (int way = 0; is_served(wire) && !proxy->held && way < 2; way++) {
            const struct piece *first = way ? wire->down.first : wire->up.first;
            if (first && first->due_ns > now_ns && first->due_ns < next_ns)
                next_ns = first->due_ns;
        }
    }
    return (int)((next_ns - now_ns + 999999) / 1000000);
}

static void serve_wire(struct proxy *proxy, struct wire *wire, const struct pollfd *client, const struct pollfd *relay)
{
    bool good = true;
    if (client->revents & (POLLIN | POLLHUP | POLLERR))
        good = take_in(proxy, &wire->up, &proxy->counts.up_bytes);
    if (good && relay->revents & (POLLIN | POLLHUP | POLLERR))
        good = take_in(proxy, &wire->down, &proxy->counts.down_bytes) && garble(proxy, &wire->down);
    uint64_t now_ns = bench_now_ns();
    if (good && !proxy->held)
        good = pass_on(&wire->up, now_ns) && pass_on(&wire->down, now_ns);
    if (!good)
        wire_end(wire);
}

static void serve(struct proxy *proxy, const struct pollfd *fds)
{
    uint64_t woken;
    if (fds[1].revents && read(proxy->wake_fd, &woken, sizeof woken) < 0)
        return;
    for (size_t i = 0; i < WIRES_MAX; i++) {
        struct wire *wire = &proxy->wires[i];
        if (wire->live && (proxy->cut_asked || proxy->refuses))
            wire_end(wire);
        else if (is_served(wire))
            serve_wire(proxy, wire, &fds[2 + 2 * i], &fds[3 + 2 * i]);
    }
    proxy->cut_asked = false;
    if (fds[0].revents && !proxy->swallows)
        welcome(proxy);
    proxy->counts.waiting_bytes = 0;
    for (size_t i = 0; i < WIRES_MAX; i++)
        proxy->counts.waiting_bytes += proxy->wires[i].up.waiting + proxy->wires[i].down.waiting;
}

static void *run(void *self)
{
    struct proxy *proxy = self;
    struct pollfd fds[2 + 2 * WIRES_MAX];
    pthread_mutex_lock(&proxy->lock);
    while (!proxy->ends) {
        int ms = fill_polls(proxy, fds);
        pthread_mutex_unlock(&proxy->lock);
        int ready = poll(fds, 2 + 2 * WIRES_MAX, ms);
        pthread_mutex_lock(&proxy->lock);
        if (ready >= 0)
            serve(proxy, fds);
    }
    pthread_mutex_unlock(&proxy->lock);
    return NULL;
}

/* --- a queue that is full --- */

static bool is_through(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    return poll(&wait, 1, FILL_MS) > 0;
}

/* Connections that nobody accepts, until the listener's queue is full. */
static void fill_queue(struct proxy *proxy)
{
    struct sockaddr_in to = loopback(proxy->port);
    bool through = true;
    while (through && proxy->filler_count < FILLERS_MAX) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fd, (struct sockaddr *)&to, sizeof to);
        through = is_through(fd);
        proxy->fillers[proxy->filler_count++] = fd;
    }
    if (through)
        bench_fail("the proxy's queue has no end");
}

/* And whoever else has got into it. */
static void empty_queue(struct proxy *proxy)
{
    while (proxy->filler_count > 0)
        close(proxy->fillers[--proxy->filler_count]);
    fcntl(proxy->listener, F_SETFL, O_NONBLOCK);
    for (int fd; (fd = accept(proxy->listener, NULL, NULL)) >= 0;)
        close(fd);
    fcntl(proxy->listener, F_SETFL, 0);
}

/* --- from outside --- */

struct proxy *proxy_start(int relay_port)
{
    struct proxy *proxy = xcalloc(1, sizeof *proxy);
    struct sockaddr_in here = loopback(0);
    socklen_t len = sizeof here;
    proxy->relay_port = relay_port;
    proxy->random = random_of(1);
    pthread_mutex_init(&proxy->lock, NULL);
    proxy->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(proxy->listener, (struct sockaddr *)&here, len) != 0 || listen(proxy->listener, WIRES_MAX) != 0 ||
        getsockname(proxy->listener, (struct sockaddr *)&here, &len) != 0)
        bench_fail("the proxy cannot listen");
    proxy->port = ntohs(here.sin_port);
    if (pthread_create(&proxy->thread, NULL, run, proxy) != 0)
        bench_fail("the proxy has no thread");
    return proxy;
}

static void unlock_and_wake(struct proxy *proxy)
{
    pthread_mutex_unlock(&proxy->lock);
    if (eventfd_write(proxy->wake_fd, 1) != 0)
        bench_fail("the proxy cannot be woken");
}

void proxy_stop(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->ends = true;
    unlock_and_wake(proxy);
    pthread_join(proxy->thread, NULL);
    for (size_t i = 0; i < WIRES_MAX; i++)
        if (proxy->wires[i].live)
            wire_end(&proxy->wires[i]);
    if (proxy->swallows)
        empty_queue(proxy);
    close(proxy->listener);
    close(proxy->wake_fd);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

int proxy_port(const struct proxy *proxy)
{
    return proxy->port;
}

void proxy_delay(struct proxy *proxy, unsigned delay_ms, unsigned jitter_ms)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->delay_ms = delay_ms;
    proxy->jitter_ms = jitter_ms;
    unlock_and_wake(proxy);
}

void proxy_limit(struct proxy *proxy, uint64_t bytes_a_second)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->bytes_a_second = bytes_a_second;
    unlock_and_wake(proxy);
}

void proxy_hold(struct proxy *proxy, bool on)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->held = on;
    unlock_and_wake(proxy);
}

void proxy_cut(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->cut_asked = true;
    unlock_and_wake(proxy);
}

void proxy_refuse(struct proxy *proxy, bool on)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->refuses = on;
    unlock_and_wake(proxy);
}

void proxy_swallow(struct proxy *proxy, bool on)
{
    pthread_mutex_lock(&proxy->lock);
    for (size_t i = 0; on && i < WIRES_MAX; i++)
        proxy->wires[i].lost = proxy->wires[i].live;
    proxy->swallows = on;
    if (on)
        fill_queue(proxy);
    else
        empty_queue(proxy);
    unlock_and_wake(proxy);
}

void proxy_garble(struct proxy *proxy, bool on)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->garbles = on;
    unlock_and_wake(proxy);
}

struct proxy_counts proxy_counts(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    struct proxy_counts counts = proxy->counts;
    pthread_mutex_unlock(&proxy->lock);
    return counts;
}
