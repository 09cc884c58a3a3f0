#include "sync/peers.h"

#include <string.h>

static struct session_peer *find(struct peers *peers, const struct agent_id *agent)
{
    for (size_t i = 0; i < peers->count; i++)
        if (agent_id_equal(&peers->items[i].presence.agent, agent))
            return &peers->items[i];
    return NULL;
}

static bool same_key(const struct sign_public *a, const struct sign_public *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* What the newest message leaves out stays as the last card said it. */
static void keep_introduction(const struct session_peer *old, struct presence *presence)
{
    if (presence->has_card || !old->introduced)
        return;
    presence->device_key = old->presence.device_key;
    memcpy(presence->name, old->presence.name, sizeof presence->name);
}

static void introduce_member(struct session_peer *peer, const struct member *member)
{
    peer->writer = member->has_grant;
    if (peer->presence.has_card)
        return;
    peer->introduced = true;
    peer->presence.device_key = member->device_key;
    memcpy(peer->presence.name, member->name, sizeof peer->presence.name);
}

const struct session_peer *peers_hear(struct peers *peers, const struct roster *roster, const struct presence *presence,
                                      uint64_t now_ms)
{
    const struct roster_entry *member = roster_find(roster, &presence->agent);
    if (member && !same_key(&member->member.doc_key, &presence->doc_key))
        return NULL;
    struct session_peer *peer = find(peers, &presence->agent);
    if (peer && (presence->counter <= peer->presence.counter || !same_key(&peer->presence.doc_key, &presence->doc_key)))
        return NULL;
    if (!peer) {
        if (peers->count == PEERS_MAX || (presence->flags & PRESENCE_LEAVING))
            return NULL;
        peer = &peers->items[peers->count++];
        *peer = (struct session_peer){0};
    }
    struct presence newest = *presence;
    keep_introduction(peer, &newest);
    peer->presence = newest;
    peer->introduced |= presence->has_card;
    if (member)
        introduce_member(peer, &member->member);
    peer->heard_ms = now_ms;
    peer->state = presence->flags & PRESENCE_LEAVING ? PEER_GONE : PEER_HERE;
    return peer;
}

static enum peer_state state_at(const struct peers *peers, const struct session_peer *peer, bool online,
                                uint64_t now_ms)
{
    uint64_t silent_ms = now_ms - peer->heard_ms;
    if (online && (peers->alone || silent_ms >= PEERS_GONE_MS))
        return PEER_GONE;
    return silent_ms >= PEERS_QUIET_MS ? PEER_QUIET : PEER_HERE;
}

static void forget_gone(struct peers *peers)
{
    size_t kept = 0;
    for (size_t i = 0; i < peers->count; i++)
        if (peers->items[i].state != PEER_GONE)
            peers->items[kept++] = peers->items[i];
    peers->count = kept;
}

const struct session_peer *peers_age(struct peers *peers, bool online, uint64_t now_ms)
{
    forget_gone(peers);
    for (size_t i = 0; i < peers->count; i++) {
        struct session_peer *peer = &peers->items[i];
        enum peer_state state = state_at(peers, peer, online, now_ms);
        if (state != peer->state) {
            peer->state = state;
            return peer;
        }
    }
    peers->alone = false;
    return NULL;
}

void peers_leave_all(struct peers *peers)
{
    peers->alone = true;
}

uint64_t peers_next_ms(const struct peers *peers, bool online)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < peers->count; i++) {
        const struct session_peer *peer = &peers->items[i];
        if (peer->state == PEER_QUIET && !online)
            continue;
        uint64_t at = peer->heard_ms + (peer->state == PEER_HERE ? PEERS_QUIET_MS : PEERS_GONE_MS);
        if (at < next)
            next = at;
    }
    return next;
}
