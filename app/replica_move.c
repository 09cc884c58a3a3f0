/*
 * A document that goes to another relay: its owner takes it there and tells the old one, guests hear of it and follow.
 */
#include "app/replica_neighbours.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/addresses.h"
#include "editor/base/xalloc.h"

enum {
    SETTLE_MS = 20000, /* for the new relay to have everything */
    TELL_MS = 3000,    /* for the old one to be there, and then to confirm */
    STEP_MS = 50,
};

/* Where a document is, taken out of its entry and put back. */
struct whereabouts {
    char *relay, *flags;
};

static struct whereabouts whereabouts_of(const struct doc_entry *entry)
{
    return (struct whereabouts){entry->relay ? xstrdup(entry->relay) : NULL,
                                entry->relay_flags ? xstrdup(entry->relay_flags) : NULL};
}

/* Takes `from`. */
static void put_back(struct doc_entry *entry, struct whereabouts from)
{
    free(entry->relay);
    free(entry->relay_flags);
    entry->relay = from.relay;
    entry->relay_flags = from.flags;
}

static void whereabouts_release(struct whereabouts *from)
{
    free(from->relay);
    free(from->flags);
}

static void leave(struct replica *replica)
{
    replica_come_off(replica);   /* what is unsent goes where it goes next */
    replica->was_online = false; /* it is not lost, and nobody need hear that it is */
    replica->was_reached = false;
}

/* --- the owner --- */

static bool settle(struct replica *replica, struct error *err)
{
    struct replica_status status;
    for (uint64_t until_ms = net_now_ms() + SETTLE_MS; !replica_has_sent_own(replica);) {
        replica_status(replica, net_now_ms(), &status);
        if (status.net.state == SESSION_REFUSED || net_now_ms() >= until_ms) {
            *err = status.net.why;
            if (err->code == ERR_NONE)
                error_set(err, ERR_OFFLINE, 0, "the relay does not take everything in time");
            return false;
        }
        replica_wait(replica, STEP_MS);
    }
    return true;
}

/* What others wrote while nobody was here, if the old relay is there to give it. */
static void fetch_from_old_relay(struct replica *replica)
{
    struct error ignored = {0};
    struct replica_status status = {0};
    replica->moving = true;
    bool online = replica_go_online(replica, &ignored);
    for (uint64_t until_ms = net_now_ms() + TELL_MS; online && net_now_ms() < until_ms;) {
        replica_wait(replica, STEP_MS);
        replica_status(replica, net_now_ms(), &status);
        online = !status.net.caught_up && !status.net.why.text[0];
    }
    replica->moving = false;
}

/* What was acknowledged by the old relay comes from the journal. What the new one does not take now is offered again later. */
static void hand_over(struct replica *replica)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    for (uint64_t until_ms = net_now_ms() + SETTLE_MS; status.net.offering && net_now_ms() < until_ms;) {
        replica_wait(replica, STEP_MS);
        replica_status(replica, net_now_ms(), &status);
    }
}

/* True when the old relay has confirmed that it knows. */
static bool tell_old_relay(struct replica *replica, uint64_t moved_s, struct bytes place)
{
    struct error err = {0};
    struct replica_status status;
    bool asked = false;
    replica->moved_heard_s = 0;
    if (!replica_go_online(replica, &err))
        return false;
    for (uint64_t until_ms = net_now_ms() + TELL_MS; net_now_ms() < until_ms && replica->moved_heard_s < moved_s;) {
        replica_wait(replica, STEP_MS);
        replica_status(replica, net_now_ms(), &status);
        if (asked || status.net.state != SESSION_ONLINE || !status.net.caught_up)
            continue;
        net_move_document(replica->net, moved_s, place);
        asked = true;
        until_ms = net_now_ms() + TELL_MS;
    }
    return replica->moved_heard_s >= moved_s;
}

/* Everything is at the new relay, and the entry says so; now the old one hears of it. */
static bool tell(struct replica *replica, struct whereabouts old, uint64_t moved_s)
{
    struct whereabouts new = whereabouts_of(&replica->entry);
    struct buf place = {0};
    addresses_place(&replica->entry, &place);
    leave(replica);
    put_back(&replica->entry, old);
    replica->moving = true;
    bool told = place.len <= MESSAGE_TEXT_BYTES_MAX && tell_old_relay(replica, moved_s, buf_view(&place));
    replica->moving = false;
    leave(replica);
    put_back(&replica->entry, new);
    buf_release(&place);
    return told;
}

bool replica_move(struct replica *replica, const char *relay, struct error *err)
{
    struct doc_entry *entry = &replica->entry;
    if (entry->keys.access != ACCESS_ADMIN)
        return error_set(err, ERR_AUTH, 0, "only who shared %s can move it to another relay", replica->label);
    uint64_t now_s = (uint64_t)time(NULL), before_s = addresses_moved_s(entry);
    uint64_t moved_s = now_s > before_s ? now_s : before_s + 1;
    struct whereabouts old = whereabouts_of(entry);
    fetch_from_old_relay(replica);
    leave(replica);
    addresses_move(entry, relay, moved_s);
    if (!replica_go_online(replica, err) || !settle(replica, err)) {
        leave(replica);
        put_back(entry, old);
        replica_come_back(replica);
        return error_wrap(err, "%s stays where it was", replica->label);
    }
    hand_over(replica);
    replica_wait_for_pin(replica);
    if (!tell(replica, old, moved_s))
        replica_say(replica, "The old relay could not be told: give the new links to everybody.");
    if (!replica_put_entry(replica, err))
        return error_wrap(err, "where the document is now cannot be remembered");
    neighbours_tell(replica);
    replica_come_back(replica);
    return true;
}

/* --- everybody else --- */

void replica_follow(struct replica *replica, uint64_t moved_s, struct bytes place)
{
    struct doc_entry *entry = &replica->entry;
    struct addresses addresses;
    struct error err = {0};
    replica->moved_heard_s = moved_s;
    if (replica->moving || moved_s <= addresses_moved_s(entry))
        return;
    struct whereabouts old = whereabouts_of(entry);
    char *text = xstrndup((const char *)place.data, place.len);
    addresses_move(entry, text, moved_s);
    free(text);
    if (!addresses_of_entry(entry, replica->insecure, &addresses, &err)) {
        put_back(entry, old);
        replica_say(replica, "The owner has moved this document, and weft does not go there: %s", err.text);
        return;
    }
    replica->relocates = !old.relay || strcmp(old.relay, entry->relay) != 0;
    whereabouts_release(&old);
    if (!replica_put_entry(replica, &err))
        replica_say(replica, "Where the document is now cannot be remembered: %s", err.text);
}

void replica_relocate(struct replica *replica)
{
    char *name = addresses_name(&replica->entry);
    replica->relocates = false;
    leave(replica);
    replica_say(replica, "%s was moved to %s by its owner: it goes on there.", replica->label, name);
    free(name);
    replica_come_back(replica);
}
