/*
 * peers - who else is in the document, from what they say of themselves.
 *
 * Presence is signed, so an agent that has a MEMBER is believed only under that member's key; a reader introduces
 * itself by a card, and the key seen first stays its own. An older message than one already heard changes nothing.
 *
 *   Units   ms, as handed in.
 *   Bounds  PEERS_MAX people; more are not followed.
 */
#ifndef WEFT_SYNC_PEERS_H
#define WEFT_SYNC_PEERS_H

#include "sync/message.h"
#include "sync/roster.h"

enum {
    PEERS_MAX = 256,
    PEERS_QUIET_MS = 5000, /* not heard for this long: drawn dim */
    PEERS_GONE_MS = 60000,
};

enum peer_state { PEER_HERE, PEER_QUIET, PEER_GONE };

struct session_peer {
    struct presence presence; /* the newest; name and device_key stay those of the last card or of MEMBER */
    enum peer_state state;
    bool introduced;          /* a card or MEMBER was seen: name and device_key mean something */
    bool writer;              /* a MEMBER with a grant was seen */
    uint64_t heard_ms;        /* when it was last heard */
};

struct peers {
    struct session_peer items[PEERS_MAX];
    size_t count;
    bool alone; /* the relay says nobody else is here */
};

/* The entry that changed, or NULL when the message is old, contradicts a known key, or nobody more can be followed. */
const struct session_peer *peers_hear(struct peers *peers, const struct roster *roster, const struct presence *presence,
                                      uint64_t now_ms);
/*
 * Brings one state up to date; the entry that changed, or NULL when none is left: call until then. Somebody gone is
 * forgotten by the next call. While we are offline nobody goes: they may well be there, we just cannot hear them.
 */
const struct session_peer *peers_age(struct peers *peers, bool online, uint64_t now_ms);
/* The relay says that nobody else is here: the next peers_age() calls tell. */
void peers_leave_all(struct peers *peers);
uint64_t peers_next_ms(const struct peers *peers, bool online); /* when peers_age() is wanted next */

#endif
