#include "sync/link.h"

#include <errno.h>
#include <libwebsockets.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "sync/certificate.h"
#include "sync/lookup.h"
#include "sync/message.h"

/* One outgoing frame, with the room libwebsockets wants in front of it. */
struct frame {
    struct frame *next;
    size_t len;
    unsigned char room[LWS_PRE]; /* the payload lies behind it */
};

/*
 * One connection. Callbacks find it through the wsi's opaque pointer; a connection the link has closed lives on,
 * without being heard, until libwebsockets is done with it.
 */
struct connection {
    struct connection *next;
    struct link *link;
    struct link_address address;
    struct lws *wsi;
    char place[LOOKUP_ADDRESS_BYTES]; /* where the address is, in numbers; LINK_UNIX: empty */
    bool open, ended;
    bool answered;       /* it ended because of what somebody there said, or did not say */
    bool beside;         /* an attempt while another one is open: how it ends is told to nobody */
    bool probe;          /* link_probe(): only whether somebody answers is told */
    bool abandoned;      /* link_close(): nothing of it is reported any more */
    bool wants_writable; /* link_send() said no */
    struct buf rx;       /* a message as far as it has come */
    struct frame *first, **last;
    size_t queued_bytes;
    struct error why;
};

/* A name that is being looked up, or just was. */
struct question {
    struct question *next;
    struct lookup *lookup;
};

struct link {
    struct link_port port;
    struct lws_context *context;
    struct connection *current; /* the open one; NULL: none, or abandoned */
    struct connection *all;
    struct link_address wanted;
    bool wants; /* a connection is being made: those of `all` that are neither open, ended nor abandoned */
    bool attempt_due;
    bool held;
    struct question *questions; /* one a host: a resolver that hangs is not asked the same again and again */
    struct lookup *places;      /* of `wanted`, one of these; NULL: a socket has none */
    size_t places_tried;
    uint64_t asked_ms;
    bool awaits_places;
    bool woken, stopped, overdue;
    struct random random;
    uint64_t timer_ms;
    lws_sorted_usec_list_t timer, again, farewell;
};

enum {
    FAREWELL_MS = 300, /* how long queued frames may take to leave after link_stop() */
    PROBE_MS = 1000,   /* how long a failed connection is looked into */
    ANSWERED_MAX = 2,  /* attempts that TCP has brought somewhere */
};

uint64_t link_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void link_address_name(const struct link_address *address, char out[LINK_NAME_BYTES])
{
    switch (address->scheme) {
    case LINK_UNIX:
        snprintf(out, LINK_NAME_BYTES, "%s", address->host);
        return;
    case LINK_TLS:
        snprintf(out, LINK_NAME_BYTES, address->port == 443 ? "%s" : "%s:%u", address->host, address->port);
        return;
    case LINK_PLAIN:
        snprintf(out, LINK_NAME_BYTES, "%s:%u", address->host, address->port);
        return;
    }
}

/* --- connections --- */

static struct connection *connection_new(struct link *link, const struct link_address *address)
{
    struct connection *connection = xcalloc(1, sizeof *connection);
    connection->link = link;
    connection->address = *address;
    connection->last = &connection->first;
    connection->next = link->all;
    link->all = connection;
    return connection;
}

static void drop_frames(struct connection *connection)
{
    while (connection->first) {
        struct frame *frame = connection->first;
        connection->first = frame->next;
        free(frame);
    }
    connection->last = &connection->first;
    connection->queued_bytes = 0;
}

static void connection_free(struct connection *connection)
{
    drop_frames(connection);
    buf_release(&connection->rx);
    free(connection);
}

static void free_ended(struct link *link)
{
    struct connection **at = &link->all;
    while (*at) {
        struct connection *connection = *at;
        if (connection->ended && connection != link->current) {
            *at = connection->next;
            connection_free(connection);
        } else {
            at = &connection->next;
        }
    }
}

/* --- what libwebsockets says, in our words --- */

static int unix_socket(const char *path, struct sockaddr_storage *to, socklen_t *len)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t path_len = strlen(path);
    if (path_len >= sizeof name.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name.sun_path, path, path_len + 1);
    memcpy(to, &name, sizeof name);
    *len = sizeof name;
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int tcp_socket(const struct connection *connection, struct sockaddr_storage *to, socklen_t *len)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found = NULL;
    char port[16];
    snprintf(port, sizeof port, "%u", connection->address.port);
    if (getaddrinfo(connection->place, port, &hints, &found) != 0)
        return -1;
    memcpy(to, found->ai_addr, found->ai_addrlen);
    *len = found->ai_addrlen;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    freeaddrinfo(found);
    return fd;
}

static int connect_error(int fd, const struct sockaddr_storage *to, socklen_t to_len)
{
    struct pollfd done = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof error;
    if (connect(fd, (const struct sockaddr *)to, to_len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    if (poll(&done, 1, PROBE_MS) <= 0)
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

/*
 * Why a connection could not be made. libwebsockets 4.1 knows the system's error and keeps it to itself, so it is asked
 * for once more.
 */
static const char *unreachable_reason(const struct connection *connection)
{
    const struct link_address *address = &connection->address;
    struct sockaddr_storage to = {0};
    socklen_t len = 0;
    int fd = address->scheme == LINK_UNIX ? unix_socket(address->host, &to, &len) : tcp_socket(connection, &to, &len);
    if (fd < 0)
        return "it cannot be connected to";
    int error = connect_error(fd, &to, len);
    close(fd);
    switch (error) {
    case ECONNREFUSED:
        return "connection refused";
    case ENOENT:
        return "there is no such socket";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "there is no way to it";
    case 0:
    case ETIMEDOUT:
        return "it does not answer";
    default:
        return strerrordesc_np(error);
    }
}

/* Its messages are for its developers: these are the ones that people meet. */
static const char *reason_of(struct connection *connection, const char *said)
{
    static const struct {
        const char *part, *reason;
        bool answered;
    } table[] = {
        {"imeout", "it does not answer", false},
        {"imed out", "it does not answer", false},
        {"SSL", "the secure connection failed (its certificate is not the expected one, or not trusted)", true},
        {"HS:", "it is no weft relay", true},
        {"Closed before conn", "it closed the connection", true},
    };
    for (size_t i = 0; said && i < sizeof table / sizeof *table; i++) {
        if (!strstr(said, table[i].part))
            continue;
        connection->answered = table[i].answered;
        return table[i].reason;
    }
    return connection->beside || connection->probe ? "it cannot be connected to" : unreachable_reason(connection);
}

/*
 * Whoever refuses our subprotocol, or answers with another, names his own in this header. "weft.2" gives 2; 0: it is no
 * relay, or it says nothing.
 */
static unsigned protocol_named(struct lws *wsi)
{
    enum { NUMBER_MAX = 999999 };
    static const char family[] = "weft.";
    char name[64], *end;
    if (lws_hdr_copy(wsi, name, sizeof name, WSI_TOKEN_PROTOCOL) <= 0 || strncmp(name, family, strlen(family)) != 0)
        return 0;
    unsigned long number = strtoul(name + strlen(family), &end, 10);
    bool ours = number >= MESSAGE_PROTOCOL_LOW && number <= MESSAGE_PROTOCOL_HIGH;
    return *end == '\0' && !ours && number <= NUMBER_MAX ? (unsigned)number : 0;
}

static void note_protocol(struct connection *connection)
{
    char name[LINK_NAME_BYTES];
    unsigned theirs = protocol_named(connection->wsi);
    link_address_name(&connection->address, name);
    if (theirs)
        message_no_protocol(name, theirs, &connection->why);
}

static void end_connection(struct connection *connection, const char *what, const char *reason)
{
    char name[LINK_NAME_BYTES];
    if (connection->ended)
        return;
    link_address_name(&connection->address, name);
    if (connection->why.code == ERR_NONE)
        error_set(&connection->why, ERR_OFFLINE, 0, "%s %s: %s", what, name, reason);
    connection->open = false;
    connection->ended = true;
    drop_frames(connection);
    if (connection->wsi)
        lws_set_opaque_user_data(connection->wsi, NULL);
    connection->wsi = NULL;
}

/* --- frames --- */

static int receive(struct connection *connection, struct bytes piece)
{
    struct lws *wsi = connection->wsi;
    if (connection->abandoned)
        return 0;
    if (lws_is_first_fragment(wsi))
        buf_clear(&connection->rx);
    if (!lws_frame_is_binary(wsi) || connection->rx.len + piece.len > MESSAGE_BYTES_MAX) {
        end_connection(connection, "closed the connection to", "it sent what no weft relay sends");
        return -1;
    }
    buf_add_bytes(&connection->rx, piece);
    connection->link->port.heard(connection->link->port.self);
    if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0)
        connection->link->port.frame(connection->link->port.self, buf_view(&connection->rx));
    return connection->abandoned && !connection->first ? -1 : 0;
}

static void pop_frame(struct connection *connection)
{
    struct frame *frame = connection->first;
    connection->first = frame->next;
    if (!connection->first)
        connection->last = &connection->first;
    connection->queued_bytes -= frame->len;
    free(frame);
}

static int write_one(struct connection *connection)
{
    struct frame *frame = connection->first;
    if (frame) {
        int written = lws_write(connection->wsi, frame->room + LWS_PRE, frame->len, LWS_WRITE_BINARY);
        if (written < (int)frame->len)
            return -1;
        pop_frame(connection);
    }
    if (connection->first)
        lws_callback_on_writable(connection->wsi);
    else if (connection->abandoned)
        return -1;
    return 0;
}

static int writable(struct connection *connection)
{
    struct link *link = connection->link;
    if (write_one(connection) < 0)
        return -1;
    if (connection->wants_writable && !connection->abandoned && connection->queued_bytes < LINK_QUEUE_BYTES_MAX / 2) {
        connection->wants_writable = false;
        link->port.writable(link->port.self);
    }
    return 0;
}

static bool is_attempt(const struct connection *connection)
{
    return !connection->open && !connection->ended && !connection->abandoned;
}

static void abandon(struct connection *connection)
{
    connection->abandoned = true;
    drop_frames(connection);
    if (!connection->ended && connection->wsi)
        lws_set_timeout(connection->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

static void stop_trying(struct link *link)
{
    link->wants = link->attempt_due = link->awaits_places = false;
    lws_sul_schedule(link->context, 0, &link->again, NULL, LWS_SET_TIMER_USEC_CANCEL);
    for (struct connection *connection = link->all; connection; connection = connection->next)
        if (is_attempt(connection))
            abandon(connection);
}

static void note_answer(struct connection *connection)
{
    struct link *link = connection->link;
    if (connection->probe && link->held && link_is_open(link))
        link->port.heard(link->port.self);
}

static int established(struct connection *connection)
{
    struct link *link = connection->link;
    note_answer(connection);
    connection->open = true;
    connection->beside = false;
    if (connection->abandoned)
        return -1;
    stop_trying(link);
    if (link->current)
        abandon(link->current);
    link->current = connection;
    link->port.opened(link->port.self);
    return 0;
}

static int on_connection(struct connection *connection, enum lws_callback_reasons reason, void *in, size_t len)
{
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        return established(connection);
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return receive(connection, bytes_of(in, len));
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return writable(connection);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        note_protocol(connection);
        end_connection(connection, "cannot reach", reason_of(connection, in));
        if (connection->answered) /* it refused, so it is there */
            note_answer(connection);
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        end_connection(connection, "lost the connection to", "it was closed");
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        end_connection(connection, "cannot reach", "connection failed");
        return 0;
    default:
        return 0;
    }
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct link *link = lws_context_user(lws_get_context(wsi));
    if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED) {
        link->woken = true;
        return 0;
    }
    struct connection *connection = wsi ? lws_get_opaque_user_data(wsi) : NULL;
    (void)user;
    if (!connection)
        return 0;
    connection->wsi = wsi; /* while connecting, lws_client_connect_via_info() has not returned it yet */
    return on_connection(connection, reason, in, len);
}

static const struct lws_protocols protocols[] = {
    {.name = MESSAGE_SUBPROTOCOL, .callback = callback, .rx_buffer_size = 65536},
    {0},
};

/* --- names --- */

/* Those that are answered, or all of them. */
static void drop_questions(struct link *link, bool all)
{
    struct question **at = &link->questions;
    while (*at) {
        struct question *question = *at;
        if (all || lookup_state(question->lookup) != LOOKUP_PENDING) {
            *at = question->next;
            lookup_drop(question->lookup);
            free(question);
        } else {
            at = &question->next;
        }
    }
}

/* On the lookup's thread. */
static void on_answered(void *self)
{
    link_wake(self);
}

static struct lookup *ask(struct link *link, const char *host)
{
    for (struct question *question = link->questions; question; question = question->next)
        if (strcmp(lookup_host(question->lookup), host) == 0)
            return question->lookup;
    struct question *question = xcalloc(1, sizeof *question);
    question->lookup = lookup_start(host, on_answered, link);
    question->next = link->questions;
    link->questions = question;
    return question->lookup;
}

/* Anew for every connection that is wanted: addresses change. */
static void ask_places(struct link *link)
{
    drop_questions(link, false);
    link->places = ask(link, link->wanted.host);
    link->places_tried = 0;
    link->asked_ms = link_now_ms();
    link->awaits_places = true;
}

static void take_places(struct link *link)
{
    if (!link->awaits_places || lookup_state(link->places) == LOOKUP_PENDING)
        return;
    link->awaits_places = false;
    link->attempt_due = true;
}

/* --- life --- */

struct link *link_new(const struct link_port *port, bool tls, struct error *err)
{
    struct link *link = xcalloc(1, sizeof *link);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0, /* reads the system's certificates: 40 ms */
        .user = link,
        .fd_limit_per_thread = 16, /* else a table for as many as ulimit allows */
        .timeout_secs = LINK_CONNECT_MS / 1000,
        .connect_timeout_secs = LINK_CONNECT_MS / 1000,
        .ka_time = 60,
        .ka_probes = 3,
        .ka_interval = 10,
    };
    uint64_t seed;
    crypto_random(&seed, sizeof seed);
    link->random = random_of(seed);
    link->port = *port;
    lws_set_log_level(0, NULL);
    link->context = lws_create_context(&info);
    if (link->context)
        return link;
    error_set(err, ERR_IO, 0, "cannot prepare network connections: libwebsockets does not start");
    free(link);
    return NULL;
}

void link_free(struct link *link)
{
    if (!link)
        return;
    link_close(link, false);
    lws_sul_schedule(link->context, 0, &link->timer, NULL, LWS_SET_TIMER_USEC_CANCEL);
    lws_sul_schedule(link->context, 0, &link->farewell, NULL, LWS_SET_TIMER_USEC_CANCEL);
    drop_questions(link, true);
    lws_context_destroy(link->context);
    while (link->all) {
        struct connection *connection = link->all;
        link->all = connection->next;
        connection_free(connection);
    }
    free(link);
}

/* --- opening and closing --- */

static int tls_flags(const struct link_address *address)
{
    if (address->scheme != LINK_TLS)
        return 0;
    int flags = LCCSCF_USE_SSL;
    if (address->insecure)
        flags |= LCCSCF_ALLOW_SELFSIGNED | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK | LCCSCF_ALLOW_EXPIRED |
                 LCCSCF_ALLOW_INSECURE;
    return flags;
}

static void begin(struct connection *connection, const char *place)
{
    /* The relay and the session prove to each other that they live; libwebsockets need not. */
    static const lws_retry_bo_t no_pings = {.secs_since_valid_ping = 65000, .secs_since_valid_hangup = 65500};
    const struct link_address *to = &connection->address;
    char unix_path[LINK_HOST_BYTES_MAX + 2];
    bool is_unix = to->scheme == LINK_UNIX;

    snprintf(connection->place, sizeof connection->place, "%s", place);
    snprintf(unix_path, sizeof unix_path, "+%s", to->host);
    struct lws_client_connect_info info = {
        .context = connection->link->context,
        .address = is_unix ? unix_path : connection->place, /* libwebsockets would resolve a name here and now */
        .port = is_unix ? 0 : (int)to->port,
        .ssl_connection = tls_flags(to),
        .path = "/",
        .host = is_unix ? "localhost" : to->host,
        .protocol = MESSAGE_SUBPROTOCOL,
        .local_protocol_name = MESSAGE_SUBPROTOCOL,
        .opaque_user_data = connection,
        .retry_and_idle_policy = &no_pings,
    };
    struct lws *wsi = lws_client_connect_via_info(&info);
    if (!wsi)
        end_connection(connection, "cannot reach", "connection failed");
    else if (!connection->ended)
        connection->wsi = wsi;
}

static void attempt(struct link *link, const char *place)
{
    struct connection *connection = connection_new(link, &link->wanted);
    connection->beside = link->current != NULL;
    begin(connection, place);
}

/*
 * Whether it is up to whoever answers: attempts have got as far as that. One may wait in vain, where a word of it was damaged or
 * never passed on; the next one to go through does not. More would only be more for a relay that is slow or stands still.
 */
static bool is_answered(const struct link *link)
{
    unsigned answered = 0;
    for (const struct connection *connection = link->all; connection; connection = connection->next) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof peer;
        if (is_attempt(connection) && connection->wsi &&
            getpeername(lws_get_socket_fd(connection->wsi), (struct sockaddr *)&peer, &len) == 0)
            answered++;
    }
    return answered >= ANSWERED_MAX;
}

static void again_came(lws_sorted_usec_list_t *timer)
{
    struct link *link = lws_container_of(timer, struct link, again);
    link->attempt_due = true;
    lws_cancel_service(link->context);
}

/* Where the next attempt goes. NULL: that is not known yet. */
static const char *next_place(struct link *link)
{
    const struct connection *open = link->current;
    if (!link->places)
        return ""; /* a socket */
    if (lookup_state(link->places) == LOOKUP_FOUND)
        return lookup_address(link->places, link->places_tried++ % lookup_count(link->places));
    /* Beside an open connection: to the same machine, for the name may take long. */
    bool same = open && strcmp(open->address.host, link->wanted.host) == 0;
    return same ? open->place : NULL;
}

/* An attempt that came to nothing before it was one. */
static void fail_attempt(struct link *link, const char *reason)
{
    end_connection(connection_new(link, &link->wanted), "cannot reach", reason);
}

/* What is to be done about a name that is not known where it is, or not yet. */
static void chase_places(struct link *link)
{
    enum lookup_state state = link->places ? lookup_state(link->places) : LOOKUP_FOUND;
    if (state == LOOKUP_FAILED && link->current)
        ask_places(link);
    else if (state == LOOKUP_FAILED)
        fail_attempt(link, lookup_reason(link->places));
    else if (state == LOOKUP_PENDING && !link->current && link_now_ms() - link->asked_ms >= LINK_CONNECT_MS)
        fail_attempt(link, "its name is still being looked up");
}

static void attempt_if_due(struct link *link)
{
    if (!link->attempt_due)
        return;
    link->attempt_due = false;
    uint64_t wait_ms = LINK_AGAIN_MS - random_below(&link->random, LINK_AGAIN_MS / 4);
    lws_sul_schedule(link->context, 0, &link->again, again_came, (lws_usec_t)wait_ms * 1000);
    chase_places(link);
    const char *place = is_answered(link) ? NULL : next_place(link);
    if (place)
        attempt(link, place);
}

void link_open(struct link *link, const struct link_address *address)
{
    ensure(!link->wants);
    link->wanted = *address;
    link->wants = link->attempt_due = true;
    link->places = NULL;
    if (address->scheme != LINK_UNIX)
        ask_places(link);
}

void link_keep(struct link *link)
{
    ensure(link->current);
    stop_trying(link);
}

void link_close(struct link *link, bool flush)
{
    struct connection *connection = link->current;
    stop_trying(link);
    if (!connection)
        return;
    link->current = NULL;
    connection->abandoned = true;
    if (!flush)
        drop_frames(connection);
    if (!connection->ended)
        lws_callback_on_writable(connection->wsi); /* where it ends, once nothing is queued */
}

bool link_is_open(const struct link *link)
{
    return link->current && link->current->open;
}

bool link_certificate(const struct link *link, struct digest *out)
{
    return link_is_open(link) && link->current->address.scheme == LINK_TLS && link->current->address.insecure &&
           certificate_seen(lws_get_ssl(link->current->wsi), out);
}

bool link_send(struct link *link, struct bytes bytes)
{
    struct connection *connection = link->current;
    if (!connection || !connection->open)
        return false;
    if (connection->queued_bytes > 0 && connection->queued_bytes + bytes.len > LINK_QUEUE_BYTES_MAX) {
        connection->wants_writable = true;
        return false;
    }
    struct frame *frame = xmalloc(sizeof *frame + bytes.len);
    frame->next = NULL;
    frame->len = bytes.len;
    memcpy(frame->room + LWS_PRE, bytes.data, bytes.len);
    *connection->last = frame;
    connection->last = &frame->next;
    connection->queued_bytes += bytes.len;
    lws_callback_on_writable(connection->wsi);
    return true;
}

static bool is_probing(const struct link *link)
{
    for (const struct connection *connection = link->all; connection; connection = connection->next)
        if (connection->probe && !connection->ended)
            return true;
    return false;
}

void link_probe(struct link *link)
{
    if (!link_is_open(link) || is_probing(link))
        return;
    struct connection *connection = connection_new(link, &link->current->address);
    connection->probe = connection->abandoned = true;
    begin(connection, link->current->place);
}

void link_hold(struct link *link, bool on)
{
    link->held = on;
    if (link_is_open(link))
        lws_rx_flow_control(link->current->wsi, on ? 0 : 1);
}

/* --- the loop --- */

static void timer_came(lws_sorted_usec_list_t *timer)
{
    struct link *link = lws_container_of(timer, struct link, timer);
    link->timer_ms = UINT64_MAX;
    link->woken = true;
    /* lws runs ripe timers in front of its poll(), in the same call: without this it would sleep on. */
    lws_cancel_service(link->context);
}

void link_timer(struct link *link, uint64_t at_ms)
{
    link->timer_ms = at_ms;
    if (at_ms == UINT64_MAX) {
        lws_sul_schedule(link->context, 0, &link->timer, NULL, LWS_SET_TIMER_USEC_CANCEL);
        return;
    }
    uint64_t now_ms = link_now_ms();
    uint64_t wait_ms = at_ms > now_ms ? at_ms - now_ms : 0;
    lws_sul_schedule(link->context, 0, &link->timer, timer_came, (lws_usec_t)wait_ms * 1000 + 999);
}

static void farewell_came(lws_sorted_usec_list_t *timer)
{
    struct link *link = lws_container_of(timer, struct link, farewell);
    link->overdue = true;
    lws_cancel_service(link->context);
}

/* Of an address that nobody answers at the next one is tried at once. */
static bool has_other_place(const struct link *link, const struct connection *connection)
{
    return !link->current && !connection->answered && link->places && lookup_state(link->places) == LOOKUP_FOUND &&
           link->places_tried < lookup_count(link->places);
}

/* The open connection that has ended; without one, an attempt that came to nothing: the first end is that of all. */
static struct connection *what_ended(const struct link *link)
{
    if (link->current)
        return link->current->ended ? link->current : NULL;
    for (struct connection *connection = link->all; connection; connection = connection->next)
        if (link->wants && connection->ended && !connection->abandoned)
            return connection;
    return NULL;
}

static void report_end(struct link *link)
{
    struct connection *connection = what_ended(link);
    if (!connection)
        return;
    if (has_other_place(link, connection)) {
        connection->abandoned = link->attempt_due = true;
        return;
    }
    struct error why = connection->why;
    link->current = NULL;
    stop_trying(link);
    link->port.closed(link->port.self, &why);
}

static bool has_farewells(const struct link *link)
{
    for (const struct connection *connection = link->all; connection; connection = connection->next)
        if (!connection->ended && connection->first)
            return true;
    return false;
}

void link_run(struct link *link)
{
    while (!link->stopped) {
        take_places(link);
        attempt_if_due(link);
        report_end(link);
        free_ended(link);
        if (link->woken) {
            link->woken = false;
            link->port.woken(link->port.self);
            continue; /* it may have asked for something that is done above */
        }
        if (!link->stopped && !link->attempt_due && lws_service(link->context, 0) < 0)
            break;
    }
    lws_sul_schedule(link->context, 0, &link->farewell, farewell_came, (lws_usec_t)FAREWELL_MS * 1000);
    while (has_farewells(link) && !link->overdue && lws_service(link->context, 0) >= 0)
        ;
}

void link_stop(struct link *link)
{
    link->stopped = true;
}

void link_wake(struct link *link)
{
    lws_cancel_service(link->context);
}
