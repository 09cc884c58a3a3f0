/*
 * presence - where somebody is in a document right now: sealed and signed like a record, never stored.
 *
 * Stored nowhere, so what is lost is lost: the next one says it all again. In bytes (numbers are varints):
 *
 *   agent     16
 *   counter            of this agent's presences; with its id it is the nonce, and is never used twice
 *   sealed    sized    ciphertext and tag, under a key of its own derived from the content key
 *   signature 64       by the device's document key, over ("weft-presence-1", doc, agent, counter, sealed)
 *
 *   Plaintext: document key 32, flags, parts (1: a card, 2: a cursor), events seen, number of heads, each head's agent
 *   16 and seq; with a card: device key 32, certificate 64, sized name; with a cursor: cursor, anchor; sized marks, 8 bytes a
 *   head, or none where there is a card or with PRESENCE_UNSENT; 1 where the sender's machine keeps the room, else nothing. What
 *   follows is left to later versions.
 *
 *   A mark is the beginning of the digest (sync/chain.h) of the batch that holds the head: who has something else under this
 *   id finds out, whatever relays show to whom. Only of what the relay has acknowledged can that be held against it: marks
 *   beside PRESENCE_UNSENT are ignored.
 *
 *   Errors     ERR_FORMAT, ERR_AUTH. That the agent is this device's is for the caller to know: a writer's MEMBER
 *              record names the same doc_key, a reader has no record and is known by the card.
 *   Bounds     PRESENCE_*_MAX.
 */
#ifndef WEFT_SYNC_PRESENCE_H
#define WEFT_SYNC_PRESENCE_H

#include "sync/record.h"

enum {
    PRESENCE_BYTES_MAX = 512, /* all of it, at its longest */
    PRESENCE_HEADS_MAX = 6,
    PRESENCE_SELECTIONS_MAX = 4,
    PRESENCE_MARK_BYTES = 8,
};

enum presence_flags {
    PRESENCE_AWAY = 1,
    PRESENCE_LEAVING = 2,
    PRESENCE_VIEWER = 4,
    PRESENCE_HOST = 8,    /* shares a file of his: only his word, and only for words to people */
    PRESENCE_SCRIPT = 16, /* nobody sits there */
    PRESENCE_NO_BASE = 32, /* has read all the relay has, and the text the document began with was not there */
    PRESENCE_UNSENT = 64,  /* its heads speak of edits that the relay may not have */
    PRESENCE_UNSEEN = 128, /* a program that reads along, none of the people: only its PRESENCE_NO_BASE is meant */
};

struct presence {
    struct agent_id agent;
    uint64_t counter;              /* rises; an older one is dropped */
    unsigned flags;                /* unknown ones are passed on */
    struct sign_public doc_key;    /* who signs: the device in this document */
    bool has_card;                 /* first of a connection, and when PEERS changed: introduces a reader */
    struct sign_public device_key; /* card: who it is to people, certified */
    struct signature certificate;  /* card: device_certify() */
    char name[NAME_BYTES_MAX + 1]; /* card: unsafe to show as it is */
    struct event_id heads[PRESENCE_HEADS_MAX]; /* the version its positions speak of; more heads than fit: no cursor */
    size_t head_count;
    bool has_marks; /* of the heads, all of them acknowledged; never with a card, for there is no room */
    unsigned char marks[PRESENCE_HEADS_MAX][PRESENCE_MARK_BYTES];
    bool has_cursor;
    uint64_t cursor, anchor; /* bytes at that version; anchor == cursor: no selection */
    bool keeps_room;         /* the relay is the sender's own, on this machine: like PRESENCE_HOST only his word */
    uint64_t events_seen;    /* how many events the sender has merged: a hint for "behind" */
};

/* Appends the bytes. presence->doc_key is taken from `doc_key`. */
void presence_seal(const struct presence *presence, const struct doc_keys *keys, const struct sign_key *doc_key,
                   struct buf *out);
/* The content is authentic (content key, signature by doc_key, certificate when there is a card). */
MUST_USE bool presence_open(struct bytes sealed, const struct doc_keys *keys, struct presence *presence,
                            struct error *err);

#endif
