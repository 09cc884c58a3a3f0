/*
 * relay_link - one socket between the relay core and the network: WebSocket in, frames out, and plain HTTP questions.
 *
 * Nothing here knows libwebsockets, and nothing decides: it translates. What is to be sent waits in a queue of shared
 * frames until the socket takes it; small ones that wait together leave in one write.
 */
#ifndef WEFT_SYNC_RELAY_RELAY_LINK_H
#define WEFT_SYNC_RELAY_RELAY_LINK_H

#include "sync/relay/relay.h"
#include "sync/relay/relay_sockets.h"
#include "sync/relay/ws.h"

enum { LINK_FAREWELL_MS = 3000 }; /* how long what was sent may take to leave after the end */

struct relay_link;

/* What all links of one server share. */
struct relay_links {
    struct relay *relay;
    const char *behind_proxy; /* NULL, or whose X-Forwarded-For is believed */
    uint64_t handshake_ms;    /* from the connection to the end of its request */
    uint64_t (*now_ms)(void);
    struct relay_link *first;
    size_t count;
};

/* The core's port; `self` is the links. */
struct relay_port relay_links_port(struct relay_links *links);
/* Deadlines. */
void relay_links_tick(struct relay_links *links);

struct relay_link *relay_link_new(struct relay_links *links, struct relay_socket *socket, const char *address);
void relay_link_received(struct relay_link *link, struct bytes bytes);
void relay_link_writable(struct relay_link *link);
void relay_link_free(struct relay_link *link); /* the socket is gone */

#endif
