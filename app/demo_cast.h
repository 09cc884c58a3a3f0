/*
 * demo_cast - the demo's processes and its one directory: the relay, YOU and LIN.
 *
 *   Ownership  cast_free() ends every process that was started and removes the directory.
 */
#ifndef WEFT_APP_DEMO_CAST_H
#define WEFT_APP_DEMO_CAST_H

#include <sys/types.h>

#include "app/demo_cable.h"
#include "app/demo_wire.h"
#include "app/env.h"
#include "sync/relay/store.h"

enum actor { YOU, LIN, ACTORS };

struct pane_process {
    pid_t pid; /* 0: not running */
    int fd;    /* our end of its packet socket; -1: none */
    struct pane_state state;
    bool heard;
    uint64_t killed_ms; /* when it was killed; 0: it runs */
};

struct cast {
    struct env *env;
    char *dir, *program;
    pid_t relay;
    int relay_port;
    struct cable *cable;
    struct pane_process panes[ACTORS];
};

/* The directory, plan.md, the relay and the cable. On failure everything is taken back. */
MUST_USE bool cast_open(struct cast *cast, struct env *env, struct error *err);
void cast_free(struct cast *cast);
/* YOU shares plan.md; LIN joins by YOU's link, which must have been heard. */
MUST_USE bool cast_start(struct cast *cast, enum actor actor, struct error *err);
void cast_kill(struct cast *cast, enum actor actor, uint64_t now_ms); /* -9 */
void cast_order(struct cast *cast, enum actor actor, struct pane_command command);
/* Takes what a pane has said; true when its state is a new one. */
bool cast_hear(struct cast *cast, enum actor actor);
/* `grep -c WORD` over the relay's store, for real: how many lines of its files have it. -1: grep could not be run. */
int cast_grep(const struct cast *cast, const char *word);
/* The newest records the relay has, newest first: sizes and last bytes, which is what it sees. Returns how many. */
size_t cast_seen(const struct cast *cast, struct store_seen *out, size_t cap);

#endif
