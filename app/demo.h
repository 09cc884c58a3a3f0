/*
 * demo - one minute of weft on this machine alone: two people, a relay, a cable that can be cut, a kill -9.
 *
 *     supervisor (owns the terminal)
 *        |-- relay       this program, `relay --listen 127.0.0.1:0`
 *        |-- cable       a TCP proxy in the supervisor; F5 cuts and mends it
 *        |-- YOU         this program, a replica without a screen; F6 kills it with -9 and starts it again
 *        `-- LIN         another one, with other XDG directories: another person
 *
 * Only real parts; everything lies in one temporary directory that goes with the demo, and so do all processes.
 */
#ifndef WEFT_APP_DEMO_H
#define WEFT_APP_DEMO_H

#include "app/env.h"

enum { DEMO_PANE_FD = 3 /* a pane's end of its packet socket */ };

enum demo_mode {
    DEMO_PERSON, /* somebody at the keys */
    DEMO_PLAY,   /* plays itself in 60 seconds */
    DEMO_FAST,   /* without a screen, in a few seconds; prints how it ended */
};
/* The exit status. `speed`: how many times faster than told the story goes; 1 is right. DEMO_FAST has its own. */
int demo_run(struct env *env, enum demo_mode mode, unsigned speed);

/* A pane's process: `weft demo --pane NAME ...`. */
struct demo_pane {
    const char *name;
    const char *file, *relay; /* of who shares; NULL: joins by the link that comes over DEMO_PANE_FD */
};
int demo_pane_run(struct env *env, const struct demo_pane *pane);

#endif
