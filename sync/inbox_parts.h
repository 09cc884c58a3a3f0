/*
 * inbox_parts - the inside of an inbox, for the files that make it up and nobody else:
 *
 *   inbox.c       record by record: opened, checked, handed out, or waiting
 *   inbox_room.c  when more waits than there is room for
 */
#ifndef WEFT_SYNC_INBOX_PARTS_H
#define WEFT_SYNC_INBOX_PARTS_H

#include "sync/inbox.h"

/* A record that waits: closed, as it came. */
struct waiting {
    uint64_t place, since_ms;
    struct agent_id agent;
    uint64_t seq0;
    bool needs_event; /* what it waits for is `needs`; else its own agent's earlier events, or its MEMBER */
    bool is_behind;   /* else: earlier records of its agent wait, and one may be the branch whose lack makes it fit nowhere */
    struct event_id needs;
    struct buf stored;
};

struct refused {
    struct agent_id agent;
    struct error why;
    bool told;
    bool hole; /* what was refused is missing; else it was left out for good */
    bool fits_nowhere;
};

struct inbox {
    const struct doc_keys *keys;
    struct chain *chain;
    const struct roster *roster;
    struct inbox_port port;
    struct waiting *waiting; /* in the order they came */
    size_t waiting_count, waiting_cap, waiting_bytes, behind_count;
    struct refused *refused;
    size_t refused_count, refused_cap, hole_count;
    bool lost; /* something of an agent without a MEMBER had no room: it is missing, and nobody to be told of */
    struct history history; /* what is vouched for in the frame being taken */
    size_t signatures;      /* checked one by one */
};

/* What a record of so many bytes takes while it waits. */
static inline size_t inbox_waiting_bytes(size_t stored)
{
    return stored + sizeof(struct waiting);
}

/* Nothing more of the agent waits on this connection; it is told. */
enum inbox_took inbox_refuse(struct inbox *inbox, const struct agent_id *agent, const struct error *why);

/*
 * The room is full: whoever fills it with what builds on nothing here is the one who goes without, and not whoever comes
 * next. So the agents of whom the most waits lose all of it, and are refused. False: the newcomer, a record of so many bytes,
 * is of one of them.
 */
bool inbox_make_room(struct inbox *inbox, const struct agent_id *agent, size_t bytes);

#endif
