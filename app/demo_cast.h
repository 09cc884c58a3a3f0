/*
 * demo_cast - the demo's processes and its one directory: the relay, YOU and LIN.
 *
 *   Files      everything is below one fresh directory (0700), the XDG directories of all three included: nothing of the
 *              person's own is read or written.
 *   Ownership  cast_free() ends every process that was started and removes the directory. Should the supervisor itself be
 *              killed, the kernel ends the processes; the directory then stays in the temporary directory.
 *   Errors     starting fails with one sentence. A pane that ends by itself is dark until it is started again.
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
    bool heard;         /* `state` is younger than the last order */
    bool alive;         /* it has said something since it was started */
    uint64_t killed_ms; /* when it was killed or has ended; 0: it runs */
};

struct cast {
    struct env *env;
    char *dir, *program;
    pid_t relay;
    int relay_fd; /* what the relay says; its end is the relay's end */
    int relay_port;
    struct cable *cable;
    struct store *store; /* the relay's, for looking; NULL until somebody looks */
    struct buf link;     /* YOU's edit link, once heard */
    struct pane_process panes[ACTORS];
};

/* The directory, plan.md, the relay and the cable. On failure everything is taken back. */
MUST_USE bool cast_open(struct cast *cast, struct env *env, struct error *err);
void cast_free(struct cast *cast);
/* YOU shares plan.md; LIN joins by YOU's link, which must have been heard. */
MUST_USE bool cast_start(struct cast *cast, enum actor actor, struct error *err);
void cast_kill(struct cast *cast, enum actor actor, uint64_t now_ms); /* -9 */
void cast_order(struct cast *cast, enum actor actor, struct pane_command command);
/* Takes what a pane has said; true when there is something new to draw. */
bool cast_hear(struct cast *cast, enum actor actor, uint64_t now_ms);
bool cast_relay_runs(const struct cast *cast);

/* `grep -c WORD` for real: how many lines below DIR/`prefix`* have it. -1: it cannot be run. */
int cast_grep(const struct cast *cast, const char *word, const char *prefix);
/* The newest records the relay has, newest first: sizes and last bytes, which is what it sees. Returns how many. */
size_t cast_seen(struct cast *cast, struct store_seen *out, size_t cap);

#endif
