/*
 * link - one WebSocket connection from this editor to a relay. The only door to libwebsockets on the client's side.
 *
 * A link is an event loop for one thread: link_run() sleeps in it and calls the port back; connection after connection
 * can be opened on it, one at a time. It knows nothing of what the frames mean.
 *
 * Where packets vanish nothing says so, and the system asks again ever more rarely. So a connection is attempted anew every
 * LINK_AGAIN_MS, for LINK_CONNECT_MS in all, as long as nobody has answered on the level of TCP, and once more when somebody
 * did and says nothing; the attempt that is through first is the connection, the others end.
 *
 *   Units      times in ms of link_now_ms(), a monotonic clock.
 *   Threads    everything belongs to the thread that calls link_run(), except link_wake().
 *   Errors     a failed or ended connection is one port.closed() with one sentence; ERR_NEWER when what answered is a relay
 *              that speaks no protocol of ours (message_no_protocol()). Names are looked up beside the thread
 *              (sync/lookup.h): nothing waits for a resolver but the connection that wants its answer.
 *   Bounds     frames from the relay up to MESSAGE_BYTES_MAX; queued outgoing bytes LINK_QUEUE_BYTES_MAX; a handshake
 *              takes at most LINK_CONNECT_MS, a name before it as much; LINK_CONNECT_MS / LINK_AGAIN_MS attempts at once, and a
 *              probe.
 */
#ifndef WEFT_SYNC_LINK_H
#define WEFT_SYNC_LINK_H

#include "editor/base/bytes.h"
#include "editor/base/error.h"
#include "sync/id.h"

#include <stdint.h>

enum {
    LINK_QUEUE_BYTES_MAX = 2 << 20,
    LINK_CONNECT_MS = 10000,
    LINK_AGAIN_MS = 2000, /* between two attempts; up to a quarter less, so that many do not ask in step */
    LINK_HOST_BYTES_MAX = 255,
};

enum link_scheme { LINK_TLS, LINK_PLAIN, LINK_UNIX };

struct link_address {
    enum link_scheme scheme;
    char host[LINK_HOST_BYTES_MAX + 1]; /* LINK_UNIX: the socket's path */
    unsigned port;
    /*
     * LINK_TLS: take any certificate, because the person asked for it or because the relay's own key vouches for it
     * (link_certificate() and sync/session.h).
     */
    bool insecure;
};

/* "relay.example" or "relay.example:7717", a socket's path: for messages. */
enum { LINK_NAME_BYTES = LINK_HOST_BYTES_MAX + 32 };
void link_address_name(const struct link_address *address, char out[LINK_NAME_BYTES]);

struct link_port {
    void *self;
    void (*opened)(void *self);
    void (*frame)(void *self, struct bytes frame);
    void (*heard)(void *self);                        /* a part of a frame has come: the other side lives */
    void (*writable)(void *self);                     /* after link_send() said no: there is room again */
    void (*closed)(void *self, const struct error *why); /* also when opening failed; once a connection */
    void (*woken)(void *self);                        /* link_wake() was called, or the time of link_timer() has come */
};

struct link;

/* `tls`: whether LINK_TLS addresses will be opened. It takes 40 ms then. */
MUST_USE struct link *link_new(const struct link_port *port, bool tls, struct error *err);
void link_free(struct link *link);

/*
 * Begins a connection; there must be none that is being made. port.opened() or port.closed() follows, never before this
 * returns. While one is open, another is made beside it, for as long as it takes: port.opened() then says that it has taken
 * the place of the old one, which is gone without a word; port.closed() speaks of the old one, and ends both. While its name
 * is being looked up again, it goes to where the open one goes.
 *
 * A name may stand for several addresses: they are tried in turn, the next one at once where nobody answers.
 */
void link_open(struct link *link, const struct link_address *address);
/* Makes none beside the open one any more. */
void link_keep(struct link *link);
/* Ends the connection soon, after what is queued has left when `flush`; port.closed() is not called for it any more. */
void link_close(struct link *link, bool flush);
bool link_is_open(const struct link *link);
/* The open connection's certificate, when nobody vouches for it (`insecure`). False: an authority does, or there is none. */
bool link_certificate(const struct link *link, struct digest *out);
bool link_send(struct link *link, struct bytes frame); /* false: the queue is full, nothing was taken */
void link_hold(struct link *link, bool on);  /* stop or go on reading */
/*
 * While the link is held nothing that comes on it shows that the relay lives. This asks by a connection of its own, which ends
 * with the answer: port.heard(). Without an answer nothing comes. One at a time: while one is asked it does nothing.
 */
void link_probe(struct link *link);

/* Calls port.woken() at `at_ms` at the latest; UINT64_MAX: no timer. The newest call holds. */
void link_timer(struct link *link, uint64_t at_ms);
/* Runs until link_stop() was called from within a port function. */
void link_run(struct link *link);
void link_stop(struct link *link);
void link_wake(struct link *link); /* any thread */
uint64_t link_now_ms(void);

#endif
