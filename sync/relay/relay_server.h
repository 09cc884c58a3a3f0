/*
 * relay_server - the relay as a process or a thread: sockets, TLS, clock and disk around sync/relay/relay.h.
 *
 * One TCP port speaks WebSocket (subprotocol weft.1), /healthz and /metrics; a Unix socket can be added. Everything but
 * the store runs on one thread.
 *
 *   Errors     one sentence in *err. While it runs, what goes wrong with one connection ends that connection.
 *   Files      the store and, beside it, its key (0600) and its lock: one relay a store.
 */
#ifndef WEFT_SYNC_RELAY_RELAY_SERVER_H
#define WEFT_SYNC_RELAY_RELAY_SERVER_H

#include <stdio.h>

#include "sync/relay/relay.h"

struct relay_server;

struct relay_server_options {
    const char *listen;             /* ADDR:PORT; NULL: 127.0.0.1:7717; port 0: a free one; "": no TCP port */
    const char *unix_path;          /* NULL, or also listen there; made 0600, removed at the end */
    const char *store;              /* path of the store's file */
    const char *key_path;           /* NULL: the store's path + ".key" */
    const char *tls_cert, *tls_key; /* both or none; PEM; read again by relay_server_reload() */
    const char *behind_proxy;       /* NULL, or the address whose X-Forwarded-For is believed */
    const char *token_path;         /* NULL, or a file whose first line creating documents needs; 0600 or stricter */
    uint64_t retain_s;              /* documents nobody has been in for so long are forgotten; 0: never */
    uint64_t end_idle_ms;           /* relay_server_run() ends when nobody was in a document for so long; 0: never */
    struct relay_limits limits;
};
struct relay_server_options relay_server_options_default(void);

/* Behind what is said of a store that another relay has, where that one told: its URL, or the path of its socket. */
#define RELAY_SERVER_ELSEWHERE ", on "

/* Listens and serves on a thread of its own. NULL: *err says why. */
MUST_USE struct relay_server *relay_server_start(const struct relay_server_options *options, struct error *err);
/* For how long nobody has been in any document. */
uint64_t relay_server_empty_ms(const struct relay_server *server);
/* The TCP port it got; 0 without one. */
int relay_server_port(const struct relay_server *server);
/* The relay's public key, as links pin it. */
struct sign_public relay_server_key(const struct relay_server *server);
/* "weft relay on ws://127.0.0.1:7717, store /path, 12 documents, 34 MB. ...", appended without a newline. */
void relay_server_describe(struct relay_server *server, struct buf *out);
/*
 * Reads the certificate again, for new connections; from any thread. False: it cannot be used, *err says why, and the old one
 * stays. True without TLS too.
 */
MUST_USE bool relay_server_reload(struct relay_server *server, struct error *err);
/* Lets what was acknowledged be so, says goodbye to everybody, and frees. NULL is fine. */
void relay_server_stop(struct relay_server *server);

/*
 * `weft relay`: starts, prints the description line to `out` and flushes it, serves until SIGTERM or SIGINT, reloads on
 * SIGHUP and prints a line how that went. Returns the exit status; 1 with *err filled when it could not start.
 */
int relay_server_run(const struct relay_server_options *options, FILE *out, struct error *err);

#endif
