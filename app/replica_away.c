/*
 * While the link is lost: whose machine that is, and what is told when it is back.
 */
#include "app/replica_parts.h"

#include <stdio.h>
#include <string.h>

#include "editor/patch_meet.h"
#include "editor/base/unicode.h"

enum {
    NAME_CELLS = 16, /* of a name, in the status line */
    BACK_MS = 1000,  /* others come back in the same moment, on slow disks a little later: what they bring is counted in */
};

void replica_away(const struct replica *replica, struct buf *sentence)
{
    const char *keeper = replica->entry.role == DOC_GUEST ? replica->people.keeper : "";
    const struct session_status *status = &replica->net_status;
    if (status->state != SESSION_OFFLINE)
        return;
    if (keeper[0]) {
        unicode_safe_label(bytes_of_string(keeper), NAME_CELLS, sentence);
        buf_add_string(sentence, "'s machine is away");
    } else if (!replica->was_online && status->why.text[0]) { /* a wrong address, maybe: the links do not work yet */
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

/* Mine is what this machine did. It ends where theirs begins, and theirs where somebody types here again. */
void replica_note_away(struct replica *replica, const struct patch *patch, bool is_mine)
{
    bool theirs_came = !patch_is_empty(&replica->away_theirs);
    bool of_this_machine = is_mine || replica->net_status.state != SESSION_ONLINE;
    if (!replica->was_away || replica->away_noted || patch_is_empty(patch))
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

static void say_offline(struct replica *replica)
{
    replica->back_ms = 0;
    if (replica->was_away || !replica->was_online)
        return;
    replica->was_away = true;
    replica->received_edits = 0;
    replica->sent_edits = 0;
    forget_away(replica);
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
    replica->was_online |= settled;
    if (settled && replica->was_away && !replica->back_ms)
        replica->back_ms = now_ms + BACK_MS;
}

void replica_away_handle(struct replica *replica, uint64_t now_ms)
{
    bool taken = !replica->net || !net_has_next(replica->net); /* all that is counted in */
    if (replica->back_ms && now_ms >= replica->back_ms && taken)
        say_back(replica);
}
