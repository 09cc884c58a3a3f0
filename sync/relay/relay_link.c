#include "sync/relay/relay_link.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

enum { GATHER_BYTES = 16 * 1024 };

/* A shared frame on this link's way out; raw: bytes that are no WebSocket message (handshake, pong, goodbye). */
struct outgoing {
    struct relay_frame *frame;
    bool raw;
};

struct relay_link {
    struct relay_links *links;
    struct relay_link *next, **self_here;
    struct relay_socket *socket;
    struct ws *ws;
    struct relay_connection *connection; /* NULL before the handshake */
    char address[RELAY_ADDRESS_BYTES_MAX];
    struct outgoing *queue; /* queue[first .. first + count) */
    size_t first, count, cap;
    size_t queued_bytes;
    size_t in_flight;    /* of the last write, until the socket has room again */
    struct buf held;     /* received while the relay did not read */
    bool reads;          /* the socket does */
    bool wants, resumed; /* what the core asked for */
    bool ending;         /* closes when the queue is empty */
    uint64_t since_ms;   /* opened; later: ending since */
};

/* --- the queue --- */

static void enqueue(struct relay_link *link, struct relay_frame *frame, bool raw)
{
    if (link->first > link->count) {
        memmove(link->queue, link->queue + link->first, link->count * sizeof *link->queue);
        link->first = 0;
    }
    link->queue = xgrow(link->queue, &link->cap, link->first + link->count + 1, sizeof *link->queue);
    link->queue[link->first + link->count++] = (struct outgoing){frame, raw};
    link->queued_bytes += relay_frame_payload(frame).len;
    relay_socket_want_write(link->socket);
}

static void dequeue(struct relay_link *link)
{
    struct outgoing *out = &link->queue[link->first++];
    link->queued_bytes -= relay_frame_payload(out->frame).len;
    relay_frame_drop(out->frame);
    if (--link->count == 0)
        link->first = 0;
}

static void enqueue_ws_out(struct relay_link *link)
{
    struct buf *out = ws_out(link->ws);
    if (out->len == 0)
        return;
    enqueue(link, relay_frame_new(buf_view(out)), true);
    buf_clear(out);
}

static size_t outgoing_head(const struct outgoing *out, unsigned char head[WS_FRAME_HEAD_MAX])
{
    return out->raw ? 0 : ws_frame_head(relay_frame_payload(out->frame).len, head);
}

/* As many small ones as fit into one write; at least one. Returns the bytes. */
static size_t gather(struct relay_link *link, unsigned char out[GATHER_BYTES])
{
    size_t len = 0;
    while (link->count > 0) {
        unsigned char head[WS_FRAME_HEAD_MAX];
        const struct outgoing *next = &link->queue[link->first];
        struct bytes payload = relay_frame_payload(next->frame);
        size_t head_len = outgoing_head(next, head);
        if (len + head_len + payload.len > GATHER_BYTES)
            break;
        memcpy(out + len, head, head_len);
        memcpy(out + len + head_len, payload.data, payload.len);
        len += head_len + payload.len;
        dequeue(link);
    }
    return len;
}

/* A large one goes as it is; its head stands in the room in front of the payload, the same for every reader. */
static void write_large(struct relay_link *link)
{
    unsigned char head[WS_FRAME_HEAD_MAX];
    const struct outgoing *next = &link->queue[link->first];
    size_t head_len = outgoing_head(next, head);
    unsigned char *data = relay_frame_data(next->frame) - head_len;
    size_t len = head_len + relay_frame_payload(next->frame).len;
    memcpy(data, head, head_len);
    link->in_flight = len;
    relay_socket_write(link->socket, data, len);
    dequeue(link);
}

static void write_some(struct relay_link *link)
{
    unsigned char gathered[GATHER_BYTES];
    size_t len = gather(link, gathered);
    if (len == 0) {
        write_large(link);
        return;
    }
    link->in_flight = len;
    relay_socket_write(link->socket, gathered, len);
}

/* True when everything left. */
static bool flush(struct relay_link *link)
{
    while (relay_socket_room(link->socket)) {
        link->in_flight = 0;
        if (link->count == 0)
            return true;
        write_some(link);
    }
    return false;
}

/* --- the end --- */

static void end(struct relay_link *link)
{
    enqueue_ws_out(link);
    if (!link->ending)
        link->since_ms = link->links->now_ms();
    link->ending = true;
    relay_socket_want_write(link->socket);
}

/* --- what comes in --- */

static void set_reading(struct relay_link *link, bool on)
{
    if (link->reads != on)
        relay_socket_read(link->socket, on);
    link->reads = on;
}

/* Behind a proxy the peer is whom the proxy names. */
static const char *peer_address(struct relay_link *link)
{
    struct bytes forwarded = ws_forwarded(link->ws);
    const char *proxy = link->links->behind_proxy;
    if (proxy && strcmp(proxy, link->address) == 0 && forwarded.len > 0 && forwarded.len < sizeof link->address) {
        memcpy(link->address, forwarded.data, forwarded.len);
        link->address[forwarded.len] = '\0';
    }
    return link->address;
}

static void answer_request(struct relay_link *link)
{
    struct relay *relay = link->links->relay;
    struct buf text = {0};
    if (bytes_equal(ws_target(link->ws), bytes_of_string("/healthz"))) {
        bool well = relay_health(relay, &text);
        ws_respond(link->ws, well ? "200 OK" : "503 Service Unavailable", "text/plain", buf_view(&text));
    } else if (bytes_equal(ws_target(link->ws), bytes_of_string("/metrics"))) {
        relay_metrics(relay, &text);
        ws_respond(link->ws, "200 OK", "text/plain; version=0.0.4", buf_view(&text));
    } else {
        ws_respond(link->ws, "404 Not Found", "text/plain",
                   bytes_of_string("This is a relay for weft, a collaborative editor: weft join LINK\n"));
    }
    buf_release(&text);
}

static void limit_messages(struct relay_link *link)
{
    if (link->connection && !link->ending)
        ws_limit(link->ws, relay_frame_bytes_max(link->connection));
}

static struct relay_connection *accept_link(struct relay_link *link)
{
    struct relay_links *links = link->links;
    struct digest certificate;
    bool shown = relay_socket_certificate(link->socket, &certificate);
    struct relay_guest guest = {peer_address(link), shown ? &certificate : NULL};
    return relay_accept(links->relay, link, &guest, links->now_ms());
}

static void on_event(struct relay_link *link, enum ws_event event)
{
    struct relay_links *links = link->links;
    switch (event) {
    case WS_NEED:
        break;
    case WS_REQUEST:
        answer_request(link);
        end(link);
        break;
    case WS_UPGRADED:
        enqueue_ws_out(link);
        link->connection = accept_link(link);
        break;
    case WS_MESSAGE:
        relay_receive(link->connection, ws_message(link->ws), links->now_ms());
        break;
    case WS_END:
        end(link);
        break;
    }
    limit_messages(link);
}

static bool relay_takes(const struct relay_link *link)
{
    return !link->ending && (!link->connection || relay_reads(link->connection));
}

static void take(struct relay_link *link, struct bytes *input)
{
    while (relay_takes(link) && input->len > 0)
        on_event(link, ws_read(link->ws, input));
    enqueue_ws_out(link);
}

void relay_link_received(struct relay_link *link, struct bytes bytes)
{
    if (link->held.len == 0)
        take(link, &bytes);
    if (link->ending)
        return;
    buf_add_bytes(&link->held, bytes);
    set_reading(link, link->held.len == 0 && relay_takes(link));
}

static void take_held(struct relay_link *link)
{
    struct buf held = link->held;
    struct bytes input = buf_view(&held);
    link->held = (struct buf){0};
    take(link, &input);
    if (!link->ending) {
        buf_add_bytes(&link->held, input);
        set_reading(link, link->held.len == 0 && relay_takes(link));
    }
    buf_release(&held);
}

/* --- what goes out --- */

void relay_link_writable(struct relay_link *link)
{
    if (link->resumed) {
        link->resumed = false;
        take_held(link);
    }
    if (!flush(link)) {
        relay_socket_want_write(link->socket);
        return;
    }
    if (link->ending) {
        relay_socket_close(link->socket);
        return;
    }
    if (link->wants) {
        link->wants = false;
        relay_writable(link->connection, link->links->now_ms());
        if (!flush(link) || link->wants)
            relay_socket_want_write(link->socket);
    }
}

/* --- the port --- */

static void port_send(void *self, void *link, struct relay_frame *frame)
{
    (void)self;
    enqueue(link, frame, false);
}

static size_t port_queued(void *self, void *link_)
{
    const struct relay_link *link = link_;
    (void)self;
    return link->queued_bytes + link->in_flight;
}

static void port_want_write(void *self, void *link_)
{
    struct relay_link *link = link_;
    (void)self;
    link->wants = true;
    relay_socket_want_write(link->socket);
}

static void port_resumed(void *self, void *link_)
{
    struct relay_link *link = link_;
    (void)self;
    link->resumed = true;
    relay_socket_want_write(link->socket);
}

static void port_close(void *self, void *link_, unsigned code, const char *reason)
{
    struct relay_link *link = link_;
    (void)self;
    ws_close(link->ws, code, reason);
    end(link);
}

static void port_random(void *self, void *out, size_t len)
{
    (void)self;
    crypto_random(out, len);
}

struct relay_port relay_links_port(struct relay_links *links)
{
    return (struct relay_port){.self = links,
                               .send = port_send,
                               .queued = port_queued,
                               .want_write = port_want_write,
                               .resumed = port_resumed,
                               .close = port_close,
                               .random = port_random};
}

/* --- life --- */

struct relay_link *relay_link_new(struct relay_links *links, struct relay_socket *socket, const char *address)
{
    struct relay_link *link = xcalloc(1, sizeof *link);
    link->links = links;
    link->socket = socket;
    link->ws = ws_new(MESSAGE_SUBPROTOCOL);
    link->reads = true;
    link->since_ms = links->now_ms();
    strncpy(link->address, address, sizeof link->address - 1);
    link->next = links->first;
    link->self_here = &links->first;
    if (links->first)
        links->first->self_here = &link->next;
    links->first = link;
    links->count++;
    return link;
}

void relay_link_free(struct relay_link *link)
{
    if (link->connection)
        relay_gone(link->connection, link->links->now_ms());
    *link->self_here = link->next;
    if (link->next)
        link->next->self_here = link->self_here;
    link->links->count--;
    while (link->count > 0)
        dequeue(link);
    free(link->queue);
    buf_release(&link->held);
    ws_free(link->ws);
    free(link);
}

void relay_links_tick(struct relay_links *links)
{
    uint64_t now = links->now_ms();
    for (struct relay_link *link = links->first; link; link = link->next) {
        bool late = link->ending ? now - link->since_ms > LINK_FAREWELL_MS
                                 : !link->connection && now - link->since_ms > links->handshake_ms;
        if (late)
            relay_socket_close(link->socket);
    }
}
