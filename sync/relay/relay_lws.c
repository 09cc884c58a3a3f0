/*
 * The relay's sockets on libwebsockets: raw byte streams with or without TLS, one port and perhaps a Unix socket. The
 * only server-side includer of the library.
 *
 * Quirks of 4.1 that shape this file: lws_cancel_service() is the one call allowed from other threads, and its callback
 * comes once for every protocol and vhost; lws_service() on libuv does not return, so the loop is ours (relay_loop.h)
 * and is stopped from inside; a partial write is kept by the library, and nothing may be written until it is gone.
 */
#include "sync/relay/relay_sockets.h"

#include <errno.h>
#include <libwebsockets.h>
#include <net/if.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/certificate.h"
#include "sync/relay/relay_loop.h"

enum {
    RECEIVE_BYTES = 4096, /* also how much can be there of a peer who has proved nothing */
    ADDRESS_BYTES = 64,
};

#define PROTOCOL_NAME "weft-relay"

/* The library keeps one per connection, zeroed. */
struct relay_socket {
    struct lws *wsi;
    void *link; /* NULL: not wanted, or closed */
};

struct relay_sockets {
    struct relay_sockets_events events;
    struct relay_loop *loop; /* NULL: the library's own */
    struct lws_context *context;
    struct lws_vhost *tcp, *local;
    char *tls_cert, *tls_key, *unix_path;
    unsigned tick_ms;
    lws_sorted_usec_list_t ticking;
    atomic_bool stop_asked, reload_asked;
    bool stopped;
};

static struct relay_sockets *sockets_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

/* --- events --- */

static void reload(struct relay_sockets *sockets)
{
    if (sockets->tls_cert)
        lws_tls_cert_updated(sockets->context, sockets->tls_cert, sockets->tls_key, NULL, 0, NULL, 0);
}

static void on_wake(struct relay_sockets *sockets)
{
    if (atomic_exchange(&sockets->reload_asked, false))
        reload(sockets);
    if (atomic_load(&sockets->stop_asked)) {
        sockets->stopped = true;
        if (sockets->loop)
            relay_loop_stop(sockets->loop);
        return;
    }
    sockets->events.woken(sockets->events.self);
}

static void on_tick(lws_sorted_usec_list_t *timer)
{
    struct relay_sockets *sockets = lws_container_of(timer, struct relay_sockets, ticking);
    lws_sul_schedule(sockets->context, 0, timer, on_tick, (lws_usec_t)sockets->tick_ms * 1000);
    sockets->events.tick(sockets->events.self);
}

static int on_open(struct relay_sockets *sockets, struct lws *wsi, struct relay_socket *socket)
{
    char address[ADDRESS_BYTES] = "";
    if (lws_get_vhost(wsi) != sockets->local && !lws_get_peer_simple(wsi, address, sizeof address))
        return -1;
    socket->wsi = wsi;
    socket->link = sockets->events.opened(sockets->events.self, socket, address);
    return socket->link ? 0 : -1;
}

static void on_close(struct relay_sockets *sockets, struct relay_socket *socket)
{
    void *link = socket->link;
    socket->link = NULL;
    if (link)
        sockets->events.closed(sockets->events.self, link);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct relay_socket *socket = user;
    if (!wsi)
        return 0;
    struct relay_sockets *sockets = sockets_of(wsi);
    switch ((int)reason) {
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        /* Once for every vhost; one of them is enough. */
        if (lws_get_vhost(wsi) == (sockets->tcp ? sockets->tcp : sockets->local))
            on_wake(sockets);
        return 0;
    case LWS_CALLBACK_RAW_ADOPT:
        return on_open(sockets, wsi, socket);
    case LWS_CALLBACK_RAW_RX:
        if (socket->link)
            sockets->events.received(sockets->events.self, socket->link, bytes_of(in, len));
        return 0;
    case LWS_CALLBACK_RAW_WRITEABLE:
        if (socket->link)
            sockets->events.writable(sockets->events.self, socket->link);
        return 0;
    case LWS_CALLBACK_RAW_CLOSE:
        on_close(sockets, socket);
        return 0;
    default: /* the library's enum, not ours */
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = PROTOCOL_NAME,
     .callback = on_event,
     .per_session_data_size = sizeof(struct relay_socket),
     .rx_buffer_size = RECEIVE_BYTES},
    {.name = NULL},
};

/* --- sockets --- */

void relay_socket_want_write(struct relay_socket *socket)
{
    lws_callback_on_writable(socket->wsi);
}

bool relay_socket_room(const struct relay_socket *socket)
{
    return !lws_partial_buffered(socket->wsi);
}

void relay_socket_write(struct relay_socket *socket, unsigned char *data, size_t len)
{
    if (lws_write(socket->wsi, data, len, LWS_WRITE_RAW) < 0)
        relay_socket_close(socket);
}

void relay_socket_read(struct relay_socket *socket, bool on)
{
    lws_rx_flow_control(socket->wsi, on);
}

bool relay_socket_certificate(const struct relay_socket *socket, struct digest *out)
{
    return certificate_shown(lws_get_ssl(socket->wsi), out);
}

void relay_socket_close(struct relay_socket *socket)
{
    lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

/* --- listening --- */

static struct lws_context *context_new(struct relay_sockets *sockets)
{
    void *loops[] = {sockets->loop ? relay_loop_handle(sockets->loop) : NULL};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
        .user = sockets,
        .pt_serv_buf_size = RECEIVE_BYTES,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | (sockets->tls_cert ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0) |
                   (sockets->loop ? LWS_SERVER_OPTION_LIBUV : 0),
        .foreign_loops = sockets->loop ? loops : NULL,
    };
    return lws_create_context(&info);
}

static struct lws_context_creation_info vhost_info(const struct relay_sockets *sockets)
{
    return (struct lws_context_creation_info){
        .protocols = protocols,
        .listen_accept_role = "raw-skt",
        .listen_accept_protocol = PROTOCOL_NAME,
        /* Without DO_SSL_GLOBAL_INIT here too the certificate is silently ignored. */
        .options = LWS_SERVER_OPTION_ADOPT_APPLY_LISTEN_ACCEPT_CONFIG | LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
                   (sockets->tls_cert ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0),
        .ssl_cert_filepath = sockets->tls_cert,
        .ssl_private_key_filepath = sockets->tls_key,
        .alpn = "http/1.1",
    };
}

/* What the system says to the same wish. libwebsockets keeps it to itself; 0: nothing is wrong with it. */
static int listen_fault(const struct addrinfo *where)
{
    int one = 1, fault = 0;
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, where->ai_addr, where->ai_addrlen) != 0 || listen(fd, 1) != 0)
        fault = errno;
    close(fd);
    return fault;
}

/* NULL: that is no address. */
static struct addrinfo *numeric_address(const char *address, int port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE}, *where = NULL;
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    return getaddrinfo(strcmp(address, "*") == 0 ? NULL : address, service, &hints, &where) == 0 ? where : NULL;
}

bool relay_sockets_is_address(const char *text)
{
    struct addrinfo *where = numeric_address(text, 0);
    bool is_address = where || if_nametoindex(text) != 0;
    if (where)
        freeaddrinfo(where);
    return is_address;
}

static const char *listen_reason(const char *address, int port)
{
    struct addrinfo *where = numeric_address(address, port);
    if (!where)
        return "nothing can listen there";
    int fault = listen_fault(where);
    freeaddrinfo(where);
    switch (fault) {
    case EADDRINUSE:
        return "another program listens there already";
    case EADDRNOTAVAIL:
        return "this machine has no such address";
    case EACCES:
        return "ports below 1024 need more rights";
    case 0:
        return "libwebsockets cannot use it";
    default:
        return strerrordesc_np(fault);
    }
}

static bool listen_tcp(struct relay_sockets *sockets, const struct relay_sockets_options *options, struct error *err)
{
    struct lws_context_creation_info info = vhost_info(sockets);
    info.vhost_name = "tcp";
    info.port = options->port;
    info.iface = strcmp(options->address, "*") == 0 ? NULL : options->address;
    if (info.iface && !strchr(info.iface, ':'))
        info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
    sockets->tcp = lws_create_vhost(sockets->context, &info);
    if (sockets->tcp && lws_get_vhost_listen_port(sockets->tcp) > 0)
        return true;
    return error_set(err, ERR_IO, 0, "cannot listen on %s port %d: %s", options->address, options->port,
                     listen_reason(options->address, options->port));
}

/* A socket that a killed relay left behind is in the way; who holds the store's lock may remove it. */
static bool listen_unix(struct relay_sockets *sockets, const char *path, struct error *err)
{
    struct lws_context_creation_info info = vhost_info(sockets);
    struct stat there;
    if (lstat(path, &there) == 0 && S_ISSOCK(there.st_mode))
        unlink(path);
    info.vhost_name = "unix";
    info.iface = path;
    info.options |= LWS_SERVER_OPTION_UNIX_SOCK;
    info.options &= ~(uint64_t)LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.ssl_cert_filepath = info.ssl_private_key_filepath = NULL;
    sockets->local = lws_create_vhost(sockets->context, &info);
    if (sockets->local && chmod(path, 0600) == 0)
        return true;
    return error_set(err, ERR_IO, 0, "cannot listen on the socket %s", path);
}

static bool begin(struct relay_sockets *sockets, const struct relay_sockets_options *options, struct error *err)
{
    sockets->context = context_new(sockets);
    if (!sockets->context && sockets->loop) { /* its plugin for libuv is a package of its own */
        relay_loop_free(sockets->loop);
        sockets->loop = NULL;
        sockets->context = context_new(sockets);
    }
    if (!sockets->context)
        return error_set(err, ERR_IO, 0, "cannot start libwebsockets");
    if (options->address && !listen_tcp(sockets, options, err))
        return false;
    if (options->unix_path && !listen_unix(sockets, options->unix_path, err))
        return false;
    lws_sul_schedule(sockets->context, 0, &sockets->ticking, on_tick, (lws_usec_t)sockets->tick_ms * 1000);
    return true;
}

static char *copy_of(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

struct relay_sockets *relay_sockets_new(const struct relay_sockets_options *options,
                                        const struct relay_sockets_events *events, struct error *err)
{
    ensure(options->address || options->unix_path);
    lws_set_log_level(0, NULL);
    struct relay_sockets *sockets = xcalloc(1, sizeof *sockets);
    sockets->events = *events;
    sockets->tick_ms = options->tick_ms;
    sockets->tls_cert = copy_of(options->tls_cert);
    sockets->tls_key = copy_of(options->tls_key);
    sockets->unix_path = copy_of(options->unix_path);
    sockets->loop = relay_loop_new();
    if (begin(sockets, options, err))
        return sockets;
    relay_sockets_free(sockets);
    return NULL;
}

/* On a loop of ours destroying takes two steps: the handles close while the loop runs out, then the rest goes. */
void relay_sockets_free(struct relay_sockets *sockets)
{
    if (!sockets)
        return;
    if (sockets->context) {
        lws_sul_cancel(&sockets->ticking);
        lws_context_destroy(sockets->context);
        if (sockets->loop) {
            relay_loop_run(sockets->loop);
            lws_context_destroy(sockets->context);
        }
    }
    relay_loop_free(sockets->loop);
    if (sockets->unix_path && sockets->local)
        unlink(sockets->unix_path);
    free(sockets->tls_cert);
    free(sockets->tls_key);
    free(sockets->unix_path);
    free(sockets);
}

int relay_sockets_port(const struct relay_sockets *sockets)
{
    return sockets->tcp ? lws_get_vhost_listen_port(sockets->tcp) : 0;
}

void relay_sockets_run(struct relay_sockets *sockets)
{
    if (sockets->loop)
        relay_loop_run(sockets->loop);
    while (!sockets->stopped && lws_service(sockets->context, 0) >= 0)
        ;
}

void relay_sockets_wake(struct relay_sockets *sockets)
{
    lws_cancel_service(sockets->context);
}

void relay_sockets_stop(struct relay_sockets *sockets)
{
    atomic_store(&sockets->stop_asked, true);
    relay_sockets_wake(sockets);
}

void relay_sockets_reload(struct relay_sockets *sockets)
{
    atomic_store(&sockets->reload_asked, true);
    relay_sockets_wake(sockets);
}
