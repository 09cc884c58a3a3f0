/*
 * own_relay - the relay `weft share` starts by itself when nobody named another: this user's, detached, one for all his
 * documents, on a TCP port chosen once and kept and a Unix socket. It ends when nobody has been in a document for a day; opening
 * one of them starts it again.
 */
#ifndef WEFT_APP_OWN_RELAY_H
#define WEFT_APP_OWN_RELAY_H

#include "app/env.h"

/*
 * Makes sure that it runs and gives its address ("ws://127.0.0.1:PORT[,...]"), heap string. The first time it asks who may
 * reach it, when `may_ask` and there is a terminal; else this machine only. NULL: *err says why.
 */
MUST_USE char *own_relay_ensure(struct env *env, bool may_ask, struct error *err);

/* When `relay` (a document's, may be NULL) is this own relay: makes sure that it runs. True when there is nothing to do. */
MUST_USE bool own_relay_revive(struct env *env, const char *relay, struct error *err);

/* Whether `relay` is this own relay, and its process has ended without being told to: it has left its socket behind. */
bool own_relay_has_died(struct env *env, const char *relay);

/* Whether `relay` (a document's, may be NULL) is this own relay. */
bool own_relay_is(struct env *env, const char *relay);
/*
 * The Unix socket of the own relay, where its owner is not counted as one of an address: heap string. NULL: `relay` is
 * another, or the path is too long for a socket.
 */
char *own_relay_socket(struct env *env, const char *relay);

struct own_relay_status {
    bool running;
    int pid, port;
    char *address; /* as it is told to others; owned */
};
MUST_USE bool own_relay_status(struct env *env, struct own_relay_status *status, struct error *err);
/* Ends it; true when none runs any more. */
MUST_USE bool own_relay_stop(struct env *env, struct error *err);

#endif
