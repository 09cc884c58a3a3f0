/*
 * inbox_parts - the inside of an inbox, for the files that make it up and nobody else:
 *
 *   inbox.c        record by record: opened, checked, handed out, or waiting
 *   inbox_weave.c  records that wait for each other
 */
#ifndef WEFT_SYNC_INBOX_PARTS_H
#define WEFT_SYNC_INBOX_PARTS_H

#include "sync/inbox.h"

/* A record that waits: closed, as it came. */
struct waiting {
    uint64_t place, since_ms;
    struct agent_id agent;
    uint64_t seq0, end;
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
    struct history history; /* what is vouched for in the frame being taken */
    size_t signatures;      /* checked one by one */
    bool waits_anew;        /* something has come since it was looked at what waits for each other */
};

/* The record's batches; what is in `out` is to be released in either case. */
MUST_USE bool inbox_open_record(struct inbox *inbox, const struct record *record, struct received *out, struct error *err);
/* Whether the author signed what ends in this digest. */
bool inbox_is_signed(struct inbox *inbox, const struct record *record, const struct member *member, const struct digest *last,
                     bool *checked);
/* Out of the line; its bytes are the caller's. */
struct waiting inbox_take_waiting(struct inbox *inbox, size_t i);
/* What is new of opened batches that end in this digest goes to the chain and to the reader; INBOX_KNOWN: nothing was. */
enum inbox_took inbox_hand_out(struct inbox *inbox, struct received *received, unsigned way, const struct digest *last);

#endif
