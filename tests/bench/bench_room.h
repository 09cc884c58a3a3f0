/*
 * bench_room - a relay in a process of its own, and people with all they have: directories, journals, network threads.
 *
 * The relay is this very program started again (room_serve()), with the limits that protect it from one address raised:
 * everybody here comes from 127.0.0.1. Everything lies below one fresh directory that room_close() removes.
 *
 *   Threads    the people share the thread that calls room_turn(); their network and journal threads are their own.
 *   Errors     as bench_base.h says.
 */
#ifndef WEFT_TESTS_BENCH_ROOM_H
#define WEFT_TESTS_BENCH_ROOM_H

#include <sys/types.h>

#include "app/replica.h"

enum { ROOM_PEOPLE_MAX = 64, ROOM_PATIENCE_MS = 120000 };

struct room_person {
    struct env env;
    struct replica *replica;
    struct patch patch; /* the last one typed; kept for its memory */
};

struct room {
    char *dir;
    pid_t relay;
    int relay_port, relay_lifeline;
    struct room_person people[ROOM_PEOPLE_MAX];
    size_t count;
};

/* The relay's process: serves below `dir`, at this port ("0": a free one), until its standard input ends. The exit status. */
int room_serve(const char *dir, const char *port);

void room_open(struct room *room, const char *below);
void room_close(struct room *room);
/* kill -9; and started again at the same port with what its store has. */
void room_kill_relay(struct room *room);
void room_restart_relay(struct room *room);
/* With the relay dead: its store is copied aside, or becomes that copy again. */
void room_back_up(struct room *room);
void room_restore(struct room *room);
/* Person 0 shares `text` by way of this port (the relay's, or a proxy's). */
void room_host(struct room *room, int port, struct bytes text);
/* One more person, who has the text when this returns; or has nothing yet. */
struct room_person *room_join(struct room *room, int port);
struct room_person *room_begin_joining(struct room *room, int port);

/* Sleeps until somebody has something to do, at most `ms`, and lets them do it. */
void room_turn(struct room *room, int ms);
/* Goes on for `ms`: the pause between two keys, during which everybody lives on. */
void room_linger(struct room *room, unsigned ms);
/* Until everybody's text has this length and all texts are equal. False: not within ROOM_PATIENCE_MS. */
bool room_converge(struct room *room, uint64_t len);
/* Until everything is acknowledged. */
bool room_settle(struct room *room);

uint64_t person_len(const struct room_person *person);
/* One local operation; without waiting for the journal. */
void person_type(struct room_person *person, struct bytes text);

#endif
