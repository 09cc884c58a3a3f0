#include "sync/relay/relay_server.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/certificate.h"
#include "sync/relay/relay_admin.h"
#include "sync/relay/relay_link.h"

#define DEFAULT_LISTEN "127.0.0.1:7717"

enum {
    GOODBYE_MS = 1000, /* how long everybody's goodbye may take */
    TOKEN_BYTES_MAX = 256,
};

struct relay_server {
    char *store_path, *token, *behind_proxy, *address, *unix_path;
    char *tls_cert, *tls_key; /* NULL: no TLS */
    int port;
    int lock; /* of the store; -1: not held */
    struct device identity;
    struct store *store;
    struct relay *relay;
    struct relay_links links;
    struct relay_sockets *sockets;
    pthread_t thread;
    bool running; /* the thread is */
    atomic_bool stop_asked;
    atomic_uint_least64_t empty_ms; /* nobody has been in any document */
    bool leaving; /* everybody was told; on the loop's thread only */
    uint64_t leaving_ms;
};

struct relay_server_options relay_server_options_default(void)
{
    return (struct relay_server_options){.limits = relay_limits_default()};
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- on the loop's thread --- */

static void leave_if_done(struct relay_server *server)
{
    if (server->leaving && (server->links.count == 0 || now_ms() - server->leaving_ms > GOODBYE_MS))
        relay_sockets_stop(server->sockets);
}

/* What came so far is made durable and acknowledged, then everybody is told. */
static void leave(struct relay_server *server)
{
    server->leaving = true;
    server->leaving_ms = now_ms();
    store_commit(server->store);
    relay_poll(server->relay, now_ms());
    relay_stop(server->relay, now_ms());
    leave_if_done(server);
}

static void *on_opened(void *self, struct relay_socket *socket, const char *address)
{
    struct relay_server *server = self;
    return server->leaving ? NULL : relay_link_new(&server->links, socket, address);
}

static void on_received(void *self, void *link, struct bytes bytes)
{
    (void)self;
    relay_link_received(link, bytes);
}

static void on_writable(void *self, void *link)
{
    (void)self;
    relay_link_writable(link);
}

static void on_closed(void *self, void *link)
{
    relay_link_free(link);
    leave_if_done(self);
}

static void on_woken(void *self)
{
    struct relay_server *server = self;
    if (atomic_load(&server->stop_asked) && !server->leaving)
        leave(server);
    relay_poll(server->relay, now_ms());
}

static void on_tick(void *self)
{
    struct relay_server *server = self;
    relay_tick(server->relay, now_ms(), (uint64_t)time(NULL));
    atomic_store(&server->empty_ms, relay_empty_ms(server->relay));
    relay_links_tick(&server->links);
    leave_if_done(server);
}

static void *server_thread(void *argument)
{
    struct relay_server *server = argument;
    relay_tick(server->relay, now_ms(), (uint64_t)time(NULL));
    relay_sockets_run(server->sockets);
    return NULL;
}

/* From the store's thread. */
static void wake(void *self)
{
    struct relay_server *server = self;
    relay_sockets_wake(server->sockets);
}

/* --- starting --- */

/* "127.0.0.1:7717", "[::1]:7717", "*:7717"; ":0" is this machine only. */
static bool parse_listen(struct relay_server *server, const char *text, struct error *err)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    errno = 0;
    unsigned long port = colon && colon[1] ? strtoul(colon + 1, &end, 10) : 65536;
    if (!end || *end || errno || port > 65535)
        return error_set(err, ERR_USAGE, 0, "--listen %s: expected ADDRESS:PORT, for example " DEFAULT_LISTEN, text);
    size_t len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    server->port = (int)port;
    server->address = len ? xstrndup(text, len) : xstrdup("127.0.0.1");
    return relay_sockets_is_address(server->address) || /* said before the store is touched, and not blamed on that */
           error_set(err, ERR_USAGE, 0, "cannot listen on %s port %d: this is no address (write numbers, not a name)",
                     server->address, server->port);
}

/* Where the one that holds the lock says that it listens; it may not have come that far. */
static void refuse_store(const struct relay_server *server, struct error *err)
{
    char where[256];
    ssize_t len = pread(server->lock, where, sizeof where - 1, 0);
    where[len > 0 ? len : 0] = '\0';
    error_set(err, ERR_BUSY, EWOULDBLOCK, "another relay is using the store %s%s%s", server->store_path,
              len > 0 ? RELAY_SERVER_ELSEWHERE : "", where);
}

static bool lock_store(struct relay_server *server, struct error *err)
{
    struct stat there;
    if (stat(server->store_path, &there) == 0 && S_ISDIR(there.st_mode)) /* or the lock and the key would lie beside it */
        return error_set(err, ERR_IO, EISDIR, "the relay's store %s: %s", server->store_path, strerrordesc_np(EISDIR));
    char *path = xformat("%s.lock", server->store_path);
    server->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool held = server->lock >= 0 && flock(server->lock, LOCK_EX | LOCK_NB) == 0;
    if (!held && errno == EWOULDBLOCK)
        refuse_store(server, err);
    else if (!held)
        error_errno(err, "cannot lock the store with %s", path);
    if (held)
        (void)!ftruncate(server->lock, 0);
    free(path);
    return held;
}

static bool load_key(struct relay_server *server, const char *named, struct error *err)
{
    char *beside = xformat("%s.key", server->store_path);
    bool loaded = device_load(named ? named : beside, &server->identity, err);
    free(beside);
    return loaded;
}

static bool read_token(int fd, const char *path, char **token, struct error *err)
{
    char text[TOKEN_BYTES_MAX + 2] = "";
    struct stat file;
    if (fstat(fd, &file) != 0 || read(fd, text, sizeof text - 1) < 0)
        return error_errno(err, "cannot read the token in %s", path);
    if (file.st_mode & 077)
        return error_set(err, ERR_AUTH, 0, "others may read the token in %s: chmod 600 %s", path, path);
    text[strcspn(text, "\r\n")] = '\0';
    if (!*text || strlen(text) > TOKEN_BYTES_MAX)
        return error_set(err, ERR_USAGE, 0, "the first line of %s is to be the token, at most %d characters", path,
                         TOKEN_BYTES_MAX);
    *token = xstrdup(text);
    return true;
}

static bool load_token(struct relay_server *server, const char *path, struct error *err)
{
    if (!path)
        return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, "cannot read the token in %s", path);
    bool loaded = read_token(fd, path, &server->token, err);
    close(fd);
    return loaded;
}

static bool open_store(struct relay_server *server, struct error *err)
{
    server->store =
        store_open(&(struct store_options){.path = server->store_path, .wake = wake, .wake_self = server}, err);
    return server->store != NULL;
}

static bool open_sockets(struct relay_server *server, const struct relay_server_options *options, struct error *err)
{
    if (!options->tls_cert != !options->tls_key)
        return error_set(err, ERR_USAGE, 0, "--tls-cert and --tls-key belong together");
    if (server->tls_cert && !certificate_check(server->tls_cert, server->tls_key, err))
        return false;
    struct relay_sockets_options sockets = {.address = server->address,
                                            .port = server->port,
                                            .unix_path = server->unix_path,
                                            .tls_cert = server->tls_cert,
                                            .tls_key = server->tls_key,
                                            .tick_ms = RELAY_TICK_MS};
    struct relay_sockets_events events = {.self = server,
                                          .opened = on_opened,
                                          .received = on_received,
                                          .writable = on_writable,
                                          .closed = on_closed,
                                          .woken = on_woken,
                                          .tick = on_tick};
    server->sockets = relay_sockets_new(&sockets, &events, err);
    return server->sockets != NULL;
}

static void make_relay(struct relay_server *server, const struct relay_server_options *asked)
{
    const struct relay_limits *limits = &asked->limits;
    struct relay_options options = {
        .limits = *limits, .key = &server->identity.key, .token = server->token, .retain_s = asked->retain_s};
    struct relay_port port = relay_links_port(&server->links);
    server->relay = relay_new(&options, server->store, &port);
    server->links.relay = server->relay;
    server->links.behind_proxy = server->behind_proxy;
    server->links.handshake_ms = limits->hello_ms;
    server->links.now_ms = now_ms;
}

static void describe_address(const struct relay_server *server, struct buf *out)
{
    if (!server->address) {
        buf_addf(out, "%s", server->unix_path);
        return;
    }
    bool literal6 = strchr(server->address, ':') != NULL;
    buf_addf(out, "%s://%s%s%s:%d", server->tls_cert ? "wss" : "ws", literal6 ? "[" : "", server->address,
             literal6 ? "]" : "", relay_server_port(server));
}

/* For who finds the store locked. That it cannot be written is no reason not to serve: then it is not said. */
static void tell_address(const struct relay_server *server)
{
    struct buf where = {0};
    describe_address(server, &where);
    if (ftruncate(server->lock, 0) == 0)
        (void)!pwrite(server->lock, where.data, where.len, 0);
    buf_release(&where);
}

static bool start_thread(struct relay_server *server, struct error *err)
{
    int rc = pthread_create(&server->thread, NULL, server_thread, server);
    server->running = rc == 0;
    return server->running || error_set(err, ERR_IO, rc, "cannot start the relay's thread: %s", strerror(rc));
}

/* A connection is a descriptor: as many as the system lets us have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static char *copy_of(const char *text)
{
    return text && *text ? xstrdup(text) : NULL;
}

static bool server_begin(struct relay_server *server, const struct relay_server_options *options, struct error *err)
{
    const char *where = options->listen ? options->listen : DEFAULT_LISTEN;
    if (!*where && !server->unix_path)
        return error_set(err, ERR_USAGE, 0, "the relay has nowhere to listen");
    if (*where && !parse_listen(server, where, err))
        return false;
    if (!crypto_start(err) || !load_token(server, options->token_path, err) || !lock_store(server, err) ||
        !open_store(server, err) || !load_key(server, options->key_path, err))
        return false;
    raise_descriptor_limit();
    make_relay(server, options);
    if (!open_sockets(server, options, err))
        return false;
    tell_address(server);
    return start_thread(server, err);
}

/* The store is idle before the sockets go, for it wakes them; the sockets go before the relay, for they tell it. */
static void server_free(struct relay_server *server)
{
    if (server->store)
        store_commit(server->store);
    relay_sockets_free(server->sockets);
    relay_free(server->relay);
    store_free(server->store);
    device_wipe(&server->identity);
    if (server->lock >= 0)
        close(server->lock);
    if (server->token)
        crypto_wipe(server->token, strlen(server->token));
    free(server->token);
    free(server->store_path);
    free(server->behind_proxy);
    free(server->address);
    free(server->unix_path);
    free(server->tls_cert);
    free(server->tls_key);
    free(server);
}

struct relay_server *relay_server_start(const struct relay_server_options *options, struct error *err)
{
    struct relay_server *server = xcalloc(1, sizeof *server);
    server->lock = -1;
    server->store_path = xstrdup(options->store);
    server->behind_proxy = copy_of(options->behind_proxy);
    server->unix_path = copy_of(options->unix_path);
    server->tls_cert = copy_of(options->tls_cert);
    server->tls_key = copy_of(options->tls_key);
    if (server_begin(server, options, err))
        return server;
    server_free(server);
    return NULL;
}

void relay_server_stop(struct relay_server *server)
{
    if (!server)
        return;
    if (server->running) {
        atomic_store(&server->stop_asked, true);
        relay_sockets_wake(server->sockets);
        pthread_join(server->thread, NULL);
    }
    server_free(server);
}

/* libwebsockets takes a certificate and a key that do not belong together without a word, and serves nobody then. */
bool relay_server_reload(struct relay_server *server, struct error *err)
{
    if (!server->tls_cert)
        return true;
    if (!certificate_check(server->tls_cert, server->tls_key, err))
        return false;
    relay_sockets_reload(server->sockets);
    return true;
}

/* --- about it --- */

int relay_server_port(const struct relay_server *server)
{
    return relay_sockets_port(server->sockets);
}

uint64_t relay_server_empty_ms(const struct relay_server *server)
{
    return atomic_load(&server->empty_ms);
}

struct sign_public relay_server_key(const struct relay_server *server)
{
    return server->identity.key.public_key;
}

void relay_server_describe(struct relay_server *server, struct buf *out)
{
    char size[RELAY_SIZE_TEXT_BYTES];
    struct store_totals totals = store_totals(server->store);
    relay_admin_size(totals.bytes, size);
    buf_add_string(out, "weft relay on ");
    describe_address(server, out);
    buf_addf(out, ", store %s, %llu document%s, %s.", server->store_path, (unsigned long long)totals.documents,
             totals.documents == 1 ? "" : "s", size);
    buf_add_string(out, server->token ? " Creating documents needs the token."
                                      : " Anyone who reaches it may create documents (--token-file).");
}

/* --- as a process --- */

static void reload(struct relay_server *server, FILE *out)
{
    struct error err = {0};
    if (!relay_server_reload(server, &err))
        fprintf(out, "weft relay: the certificate stays the old one: %s\n", err.text);
    else if (server->tls_cert)
        fprintf(out, "weft relay: new connections get the certificate that is in %s now\n", server->tls_cert);
    fflush(out);
}

static void wait_for_end(struct relay_server *server, const sigset_t *signals, uint64_t end_idle_ms, FILE *out)
{
    enum { LOOK_S = 60 }; /* at the most between two looks whether everybody has left for good */
    struct timespec look = {.tv_sec = LOOK_S};
    if (end_idle_ms && end_idle_ms < (uint64_t)LOOK_S * 1000)
        look = (struct timespec){.tv_sec = (time_t)(end_idle_ms / 1000), .tv_nsec = (long)(end_idle_ms % 1000) * 1000000};
    while (end_idle_ms == 0 || relay_server_empty_ms(server) < end_idle_ms) {
        int signal_number = sigtimedwait(signals, NULL, &look);
        if (signal_number == SIGHUP)
            reload(server, out);
        else if (signal_number > 0)
            return;
    }
}

/* Signals are blocked before any thread exists, so that all of them are and sigwait() gets every one. */
int relay_server_run(const struct relay_server_options *options, FILE *out, struct error *err)
{
    sigset_t signals;
    struct buf line = {0};
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    struct relay_server *server = relay_server_start(options, err);
    if (!server)
        return 1;
    relay_server_describe(server, &line);
    fprintf(out, "%s\n", buf_string(&line));
    fflush(out);
    buf_release(&line);
    wait_for_end(server, &signals, options->end_idle_ms, out);
    relay_server_stop(server);
    return 0;
}
