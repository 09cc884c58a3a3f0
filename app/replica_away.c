/*
 * While the link is lost: whose machine that is, and what is told when it is back.
 */
#include "app/replica_ahead.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_unmerged.h"

#include <stdio.h>
#include <string.h>

#include "editor/patch_meet.h"
#include "editor/base/unicode.h"

enum {
    NAME_CELLS = 16, /* of a name, in the status line */
    BACK_MS = 1000,  /* others come back in the same moment, on slow disks a little later: what they bring is counted in */
    BACK_LOOK_MS = 300,  /* where more is on its way it is looked at again, */
    BACK_MORE_MS = 2000, /* but not for long: in a busy room there is always more, and who was here may stay away */
};

void replica_away(const struct replica *replica, struct buf *sentence)
{
    const char *keeper = replica->entry.role == DOC_GUEST ? replica->people.keeper : "";
    const struct session_status *status = &replica->net_status;
    if (status->state == SESSION_REFUSED && status->refuse_code == REFUSE_FULL) /* tried again by itself */
        buf_add_string(sentence, replica_reason_of(&status->why));
    if (status->state == SESSION_ONLINE && status->full.text[0])
        buf_add_string(sentence, replica_reason_of(&status->full));
    if (status->state != SESSION_OFFLINE)
        return;
    if (keeper[0]) {
        unicode_safe_label(bytes_of_string(keeper), NAME_CELLS, sentence);
        buf_add_string(sentence, "'s machine is away");
    } else if (!replica->was_reached && status->why.text[0]) { /* a wrong address, maybe: the links do not work yet */
        buf_addf(sentence, "not reached yet: %s", replica_reason_of(&status->why));
    }
}

static void compose_onto(struct patch *all, const struct patch *next)
{
    struct patch both = {0};
    patch_compose(&both, all, next);
    patch_release(all);
    *all = both;
}

/*
 * Mine is what this machine did. It ends where theirs begins, and theirs where somebody types here again. While rows that were
 * here before one went away come into the text, in thousands of pieces, nothing is noted: they are no news, and what is typed in
 * between is a place of a text without the rest of them.
 */
void replica_note_away(struct replica *replica, const struct patch *patch, bool is_mine)
{
    bool theirs_came = !patch_is_empty(&replica->away_theirs);
    bool of_this_machine = is_mine || !replica->net || replica->net_status.state != SESSION_ONLINE;
    if (!replica->was_away || replica->away_noted || replica_unmerged_comes(replica) || patch_is_empty(patch))
        return;
    if (!of_this_machine)
        compose_onto(&replica->away_theirs, patch);
    else if (!theirs_came)
        compose_onto(&replica->away_mine, patch);
    else
        replica->away_noted = true;
}

static void forget_away(struct replica *replica)
{
    patch_clear(&replica->away_mine);
    patch_clear(&replica->away_theirs);
    replica->away_noted = false;
}

/* Somebody who was here is not back yet, or speaks of a version that has not come; or something has come since the last look. */
static bool more_is_on_its_way(struct replica *replica)
{
    const struct people *people = &replica->people;
    unsigned peers = replica->net_status.peers;
    bool more = peers < replica->peers_before || peers != replica->back_peers ||
                replica->received_edits != replica->back_received;
    for (size_t i = 0; i < people->count; i++)
        more |= people->items[i].waiting && people->items[i].peer.state == PEER_HERE;
    replica->back_peers = peers;
    replica->back_received = replica->received_edits;
    return more;
}

static void begin(struct replica *replica)
{
    replica->was_away = true;
    replica->received_edits = 0;
    replica->sent_edits = 0;
    forget_away(replica);
}

/* What is not back yet is away still: that goes on. Who was never online has nothing to be away from. */
static bool begins(struct replica *replica)
{
    replica->back_ms = 0;
    if (replica->was_away || !replica->was_online)
        return false;
    begin(replica);
    return true;
}

void replica_away_begin(struct replica *replica)
{
    (void)begins(replica);
}

void replica_away_begin_unnoted(struct replica *replica)
{
    begin(replica);
    replica->away_noted = true;
}

static void say_offline(struct replica *replica)
{
    if (!begins(replica))
        return;
    if (replica->entry.keys.access == ACCESS_READ)
        replica_say(replica, "Offline. You can read on: what others write comes when the link is back.");
    else
        replica_say(replica, "Offline. Type on: all is kept here and sent when the link is back.");
}

static void tell_back(struct replica *replica)
{
    char places[64] = "";
    unsigned long long sent = replica->sent_edits, received = replica->received_edits;
    size_t met = patch_meet(&replica->away_mine, &replica->away_theirs);
    if (met > 0)
        snprintf(places, sizeof places, " %zu place%s changed by both of you.", met, met == 1 ? "" : "s");
    if (replica->entry.keys.access == ACCESS_READ)
        replica_say(replica, "Back: received %llu.", received);
    else
        replica_say(replica, "Back: sent %llu, received %llu.%s", sent, received, places);
}

static void say_back(struct replica *replica)
{
    if (!replica->scripted)
        tell_back(replica);
    forget_away(replica);
    replica->was_away = false;
    replica->back_ms = 0;
    replica->sent_edits = 0;
    replica->peers_before = replica->net_status.peers;
}

void replica_away_count(struct replica *replica)
{
    struct session_status now;
    if (!replica->was_away)
        return;
    replica_net_status(replica, &now);
    if (now.unacked_edits > replica->sent_edits)
        replica->sent_edits = now.unacked_edits;
}

void replica_away_take_status(struct replica *replica, const struct session_status *status, uint64_t now_ms)
{
    if (status->state == SESSION_OFFLINE)
        say_offline(replica);
    replica_away_count(replica);
    bool settled = status->state == SESSION_ONLINE && status->caught_up && status->unacked_batches == 0;
    replica->was_reached |= status->state == SESSION_ONLINE;
    replica->was_online |= settled;
    if (settled && !replica->was_away)
        replica->peers_before = status->peers;
    if (!settled || !replica->was_away || replica->back_ms)
        return;
    replica->back_ms = now_ms + BACK_MS;
    replica->back_last_ms = replica->back_ms + BACK_MORE_MS;
    replica->back_peers = status->peers;
    replica->back_received = replica->received_edits;
}

void replica_away_handle(struct replica *replica, uint64_t now_ms)
{
    bool taken = !replica->arrived && (!replica->net || !net_has_next(replica->net)); /* all that is counted in */
    if (!replica->back_ms || now_ms < replica->back_ms || !taken)
        return;
    if (now_ms < replica->back_last_ms && more_is_on_its_way(replica))
        replica->back_ms = now_ms + BACK_LOOK_MS;
    else
        say_back(replica);
}
