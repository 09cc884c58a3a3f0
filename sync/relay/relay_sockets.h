/*
 * relay_sockets - what the relay needs of sockets, TLS and an event loop, in its own words. Implemented by relay_lws.c.
 *
 * Byte streams only: WebSocket is sync/relay/ws.h. Everything happens inside relay_sockets_run(), on the thread that
 * calls it, except the three functions that say so.
 *
 *   Ownership  opaque. A socket lives until `closed` was called for it.
 *   Errors     *err of relay_sockets_new(): what could not be listened on, and why.
 */
#ifndef WEFT_SYNC_RELAY_RELAY_SOCKETS_H
#define WEFT_SYNC_RELAY_RELAY_SOCKETS_H

#include <stdint.h>

#include "editor/base/bytes.h"
#include "editor/base/error.h"
#include "sync/id.h"

struct relay_sockets;
struct relay_socket;

struct relay_sockets_options {
    const char *address; /* NULL: no TCP port; "*": every address */
    int port;            /* 0: a free one */
    const char *unix_path;
    const char *tls_cert, *tls_key;
    unsigned tick_ms;
};

/* Called from inside relay_sockets_run(). `link` is what `opened` gave. */
struct relay_sockets_events {
    void *self;
    /* A new socket; address "" for the Unix socket. NULL: not wanted, it is closed and nothing more is said of it. */
    void *(*opened)(void *self, struct relay_socket *socket, const char *address);
    void (*received)(void *self, void *link, struct bytes bytes);
    void (*writable)(void *self, void *link); /* as asked by relay_socket_want_write() */
    void (*closed)(void *self, void *link);
    void (*woken)(void *self); /* after relay_sockets_wake(), at least once */
    void (*tick)(void *self);  /* every tick_ms */
};

/* Whether that is something to listen on: an address, "*", or the name of an interface. Not whether this machine has it. */
bool relay_sockets_is_address(const char *text);

MUST_USE struct relay_sockets *relay_sockets_new(const struct relay_sockets_options *options,
                                                 const struct relay_sockets_events *events, struct error *err);
/* Listens on nothing any more, closes what is open. */
void relay_sockets_free(struct relay_sockets *sockets);
int relay_sockets_port(const struct relay_sockets *sockets); /* 0: none */
void relay_sockets_run(struct relay_sockets *sockets);       /* until relay_sockets_stop() */

/* From any thread. */
void relay_sockets_wake(struct relay_sockets *sockets);
void relay_sockets_stop(struct relay_sockets *sockets);
void relay_sockets_reload(struct relay_sockets *sockets); /* the certificate */

void relay_socket_want_write(struct relay_socket *socket);
/* All of it is taken. From inside `writable`, and only while relay_socket_room(). */
void relay_socket_write(struct relay_socket *socket, unsigned char *data, size_t len);
bool relay_socket_room(const struct relay_socket *socket);
/* Whether `received` may be called. What was read already may still come once. */
void relay_socket_read(struct relay_socket *socket, bool on);
/* SHA-256 of the key in the certificate this socket shows. False: it shows none. */
bool relay_socket_certificate(const struct relay_socket *socket, struct digest *out);
/* `closed` follows, later. */
void relay_socket_close(struct relay_socket *socket);

#endif
