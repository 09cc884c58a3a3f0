#include "app/demo_cable.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "editor/base/xalloc.h"

/* Both ends of one connection; -1: the place is free. */
struct pair {
    int ends[2];
};

struct cable {
    int listener, port, relay_port;
    bool cut;
    struct pair pairs[CABLE_PAIRS_MAX];
};

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

struct cable *cable_new(int relay_port, struct error *err)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        error_errno(err, "cannot listen on this machine");
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    struct cable *cable = xcalloc(1, sizeof *cable);
    cable->listener = fd;
    cable->port = ntohs(address.sin_port);
    cable->relay_port = relay_port;
    for (size_t i = 0; i < CABLE_PAIRS_MAX; i++)
        cable->pairs[i] = (struct pair){{-1, -1}};
    return cable;
}

static void end_pair(struct pair *pair)
{
    for (int i = 0; i < 2; i++)
        if (pair->ends[i] >= 0)
            close(pair->ends[i]);
    *pair = (struct pair){{-1, -1}};
}

void cable_free(struct cable *cable)
{
    if (!cable)
        return;
    for (size_t i = 0; i < CABLE_PAIRS_MAX; i++)
        end_pair(&cable->pairs[i]);
    close(cable->listener);
    free(cable);
}

int cable_port(const struct cable *cable)
{
    return cable->port;
}

bool cable_is_cut(const struct cable *cable)
{
    return cable->cut;
}

void cable_cut(struct cable *cable, bool cut)
{
    cable->cut = cut;
    for (size_t i = 0; cut && i < CABLE_PAIRS_MAX; i++)
        end_pair(&cable->pairs[i]);
}

static void accept_one(struct cable *cable)
{
    int in = accept4(cable->listener, NULL, NULL, SOCK_CLOEXEC), on = 1;
    struct sockaddr_in relay = loopback(cable->relay_port);
    struct pair *pair = NULL;
    for (size_t i = 0; i < CABLE_PAIRS_MAX && !pair; i++)
        if (cable->pairs[i].ends[0] < 0)
            pair = &cable->pairs[i];
    int out = in >= 0 && pair && !cable->cut ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (out < 0 || connect(out, (struct sockaddr *)&relay, sizeof relay) != 0) {
        if (in >= 0)
            close(in);
        if (out >= 0)
            close(out);
        return;
    }
    setsockopt(in, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(out, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *pair = (struct pair){{in, out}};
}

/* The few bytes of a demo always fit into the other end's buffer; blocking there for a moment would do no harm. */
static void pass_on(struct pair *pair, int from)
{
    unsigned char bytes[1 << 16];
    ssize_t got = read(pair->ends[from], bytes, sizeof bytes);
    for (ssize_t sent = 0; got > 0 && sent < got;) {
        ssize_t n = send(pair->ends[1 - from], bytes + sent, (size_t)(got - sent), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            got = -1;
        else
            sent += n;
    }
    if (got <= 0)
        end_pair(pair);
}

size_t cable_fds(const struct cable *cable, struct pollfd fds[CABLE_FDS_MAX])
{
    size_t count = 0;
    fds[count++] = (struct pollfd){.fd = cable->listener, .events = POLLIN};
    for (size_t i = 0; i < CABLE_PAIRS_MAX; i++)
        for (int end = 0; end < 2; end++)
            if (cable->pairs[i].ends[end] >= 0)
                fds[count++] = (struct pollfd){.fd = cable->pairs[i].ends[end], .events = POLLIN};
    return count;
}

static void handle_fd(struct cable *cable, int fd)
{
    if (fd == cable->listener) {
        accept_one(cable);
        return;
    }
    for (size_t i = 0; i < CABLE_PAIRS_MAX; i++)
        for (int end = 0; end < 2; end++)
            if (cable->pairs[i].ends[end] == fd) {
                pass_on(&cable->pairs[i], end);
                return;
            }
}

void cable_handle(struct cable *cable, const struct pollfd *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i].revents)
            handle_fd(cable, fds[i].fd);
}
