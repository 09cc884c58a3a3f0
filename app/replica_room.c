/*
 * What the network thread reports, and what this replica shows of itself to those who are here.
 */
#include "app/replica_ahead.h"
#include "app/replica_file.h"
#include "app/replica_journal.h"
#include "app/replica_merge.h"
#include "app/replica_neighbours.h"
#include "app/replica_online.h"
#include "app/replica_parts.h"
#include "app/replica_rows.h"
#include "app/replica_unmerged.h"

#include <stdlib.h>
#include <string.h>

#include "app/addresses.h"
#include "editor/base/deadline.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum {
    TAKE_MS = 4,                /* a key waits for so much of what comes, */
    AHEAD_JOBS = 512,           /* and for so many rows in the journal: some 10 ms */
    AHEAD_BYTES = 1 << 20,
    LOOK_MS = 500,   /* how often the link is looked at while nothing is taken from it */
    COUNT_MS = 500,  /* how often a count of seconds is drawn anew */
    NAME_CELLS = 16, /* of a name, in a message */
};

static void keep_member(struct replica *replica, struct agent_id agent, uint64_t place, struct bytes stored)
{
    struct journal_received row = {.kind = RECORD_MEMBER, .agent = agent, .relay_place = place, .stored = stored};
    record_hash(row.stored, &row.hash);
    journal_writer_received(replica->writer, &row, (struct journal_done){0});
}

/* Who has come before the beginning of the document: a row of his could not be read without that. */
static void keep_members(struct replica *replica)
{
    for (size_t i = 0; i < replica->members.count; i++) {
        const struct roster_entry *entry = replica->members.items[i];
        keep_member(replica, entry->member.agent, 0, buf_view(&entry->stored));
    }
}

/* The name the host gave it, for the status line and as the suggestion when saving. */
static void take_genesis(struct replica *replica, const struct net_event *event)
{
    const struct genesis *genesis = &event->genesis.genesis;
    bool first = replica->genesis.len == 0;
    buf_clear(&replica->genesis);
    buf_add_bytes(&replica->genesis, buf_view(&event->bytes));
    if (genesis->name[0] && replica->joining) {
        if (!replica->file.path) {
            free(replica->label);
            replica->label = xstrdup(genesis->name);
        }
        free(replica->entry.name);
        replica->entry.name = xstrdup(genesis->name);
        replica_put_name(replica);
    }
    if (first)
        keep_members(replica);
}

static void take_base(struct replica *replica, const struct net_event *event)
{
    replica->base_done = event->base.done;
    replica->base_total = event->base.total;
    replica_touch(replica);
    if (event->base.done != event->base.total || !replica->joining)
        return;
    replica->joining = false;
    replica_take_base(replica, rope_from_bytes(buf_view(&event->bytes)));
    replica_file_rejoin(replica);
}

/* Passes an answer of the journal's thread on to the network's, if that is still there. */
struct persisted {
    struct replica *replica;
    uint64_t ticket;
};

static void outbox_committed(void *self, const struct journal_result *result)
{
    struct persisted *persisted = self;
    struct replica *replica = persisted->replica;
    pthread_mutex_lock(&replica->net_lock);
    if (result->ok && replica->net)
        net_persisted(replica->net, persisted->ticket);
    pthread_mutex_unlock(&replica->net_lock);
    free(persisted);
}

static void take_persist(struct replica *replica, const struct net_event *event)
{
    const struct outbox_record *record = &event->persist.record;
    struct journal_sent sent = {.kind = record->kind, .agent = record->agent, .seq0 = record->seq0,
                                .count = record->count, .stored = buf_view(&event->bytes)};
    struct persisted *persisted = xcalloc(1, sizeof *persisted);
    *persisted = (struct persisted){replica, record->ticket};
    journal_writer_outbox_put(replica->writer, &sent, (struct journal_done){outbox_committed, persisted});
}

struct acked {
    struct agent_id agent;
    uint64_t next_seq;
    struct journal_relay resume;
};

static bool ack_run(void *self, struct journal *journal, struct error *err)
{
    struct acked *acked = self;
    return journal_outbox_ack_below(journal, &acked->agent, acked->next_seq, true, err) &&
           (acked->resume.place == 0 || journal_relay_put(journal, &acked->resume, err));
}

static void free_done(void *self, const struct journal_result *result)
{
    (void)result;
    free(self);
}

static void take_acked(struct replica *replica, const struct net_event *event)
{
    for (size_t i = 0; i < replica->owed_count; i++) {
        const struct owed *owed = &replica->owed[i];
        if (agent_id_equal(&owed->agent, &event->acked.agent) && owed->next_seq <= event->acked.next_seq)
            replica->owed[i] = replica->owed[--replica->owed_count];
    }
    struct acked *acked = xcalloc(1, sizeof *acked);
    const struct resume_point *resume = &event->acked.resume;
    *acked = (struct acked){event->acked.agent, event->acked.next_seq, 
                             {.log = resume->log, .place = resume->place, .hash = resume->hash}};
    journal_writer_run(replica->writer, ack_run, acked, (struct journal_done){free_done, acked});
}

static void take_member(struct replica *replica, const struct net_event *event)
{
    const struct member *member = &event->member.member;
    struct bytes stored = buf_view(&event->bytes);
    (void)roster_add(&replica->members, member, stored);
    if (replica->genesis.len > 0)
        keep_member(replica, member->agent, event->member.resume.place, stored);
}

static void say_rejected(struct replica *replica, const struct error *why)
{
    if (why->code != ERR_FULL)
        replica_say(replica, "%s", why->text);
    else if (!replica->awaited)
        replica_say(replica, "%s; they stay here and are offered again", why->text);
}

static void take_alarm(struct replica *replica, const struct net_event *event)
{
    const struct error *why = &event->alarm.why;
    struct buf name = {0};
    replica_note_fault(replica, why);
    const char *unsafe = replica_name_of(replica, &event->alarm.agent, "somebody");
    unicode_safe_label(bytes_of_string(unsafe), NAME_CELLS, &name);
    switch (event->alarm.alarm) {
    case ALARM_RECORD_REFUSED:
        replica_say(replica, "Edits of %s are not taken: %s", buf_string(&name), why->text);
        break;
    case ALARM_FORKED:
        replica_take_fork(replica, &event->alarm.agent);
        break;
    case ALARM_WITHHELD:
        replica_say(replica, "The relay withholds edits of %s.", buf_string(&name));
        break;
    case ALARM_TWO_HISTORIES:
        replica_say(replica, "Somebody here has other edits of %s than the relay gives you: it shows two histories.",
                    buf_string(&name));
        break;
    case ALARM_OWN_FORKED:
        replica_say(replica, "The relay has something else under our own number: was an old backup restored? %s", why->text);
        break;
    case ALARM_REJECTED:
        say_rejected(replica, why);
        break;
    case ALARM_NEWER:
        replica_take_newer(replica, (unsigned)why->sys);
        break;
    }
    buf_release(&name);
}

/* Trusted when it is first used, as the person asked for; from then on no other will do. */
static void keep_pin(struct replica *replica, const struct session_status *status)
{
    struct error err = {0};
    if (!status->relay_proved || status->state != SESSION_ONLINE || replica->entry.role != DOC_HOST ||
        !addresses_want_pin(&replica->entry, replica->insecure))
        return;
    addresses_keep_pin(&replica->entry, &status->relay_key);
    if (!replica_put_entry(replica, &err))
        replica_say(replica, "The relay's key cannot be remembered: %s", err.text);
}

/* The end until somebody changes something; what cannot be sent is counted, and kept. */
static void say_refused(struct replica *replica, const struct session_status *status)
{
    struct error err = {0};
    unsigned long long edits = status->unacked_edits;
    replica->said_refused = status->refuse_code;
    if (replica_is_older(replica, &err))
        replica_say(replica, "%s", err.text);
    else if (edits > 0)
        replica_say(replica, "%s. Your %llu edit%s kept.", status->why.text, edits, edits == 1 ? " is" : "s are");
    else
        replica_say(replica, "%s. Your edits are kept.", status->why.text);
}

/* Who waits for it, or is about to end, looks at the status. */
static bool may_be_heard_closed(const struct replica *replica)
{
    return !replica->joining && !replica->awaited && !replica->closing;
}

/* What was typed since it was made is counted in: the session learns of it later. */
static void take_status(struct replica *replica, struct session_status *status, uint64_t now_ms)
{
    struct session_status now;
    bool was_online = replica->net_status.state == SESSION_ONLINE;
    replica_net_status(replica, &now);
    status->unacked_edits = now.unacked_edits;
    status->unacked_batches = now.unacked_batches;
    replica->net_status = *status;
    keep_pin(replica, status);
    replica_away_take_status(replica, status, now_ms);
    if (status->state == SESSION_ONLINE)
        replica->said_refused = 0;
    if (status->state == SESSION_ONLINE && !was_online)
        replica_post_soon(replica, now_ms);
    bool newly = status->state == SESSION_REFUSED && status->refuse_code != replica->said_refused;
    replica->closed_due |= newly && may_be_heard_closed(replica) && status->refuse_code == REFUSE_CLOSED;
    if (newly && !replica->closed_due && !replica->joining && !replica->awaited)
        say_refused(replica, status);
    replica_touch(replica);
}

static void take_peer(struct replica *replica, struct session_peer *peer, uint64_t now_ms)
{
    const struct person *known = people_find(&replica->people, &peer->presence.agent);
    if (known && known->is_neighbour && (peer->state != PEER_HERE || peer->presence.flags & PRESENCE_LEAVING))
        replica_heir_expect(replica);
    chain_place_heads(replica->chain, peer->presence.heads, peer->presence.head_count);
    people_hear(&replica->people, peer, now_ms);
    replica->people_due = true;
}

static void take_other(struct replica *replica, struct net_event *event, uint64_t now_ms)
{
    switch (event->kind) {
    case NET_RECEIVED: break; /* replica_arrive() */
    case NET_PERSIST: take_persist(replica, event); break;
    case NET_ACKED: take_acked(replica, event); break;
    case NET_MEMBER: take_member(replica, event); break;
    case NET_GENESIS: take_genesis(replica, event); break;
    case NET_BASE: take_base(replica, event); break;
    case NET_CHECKPOINT:
        replica_take_checkpoint(replica, event->checkpoint.checkpoint, &event->checkpoint.by, event->checkpoint.text);
        break;
    case NET_FETCH: replica_fetch(replica, &event->fetch.agent, event->fetch.from_seq, event->fetch.packs); break;
    case NET_PEER: take_peer(replica, &event->peer, now_ms); break;
    case NET_ALARM: take_alarm(replica, event); break;
    case NET_MOVED: replica_follow(replica, event->moved.moved_s, buf_view(&event->bytes)); break;
    case NET_STATUS: take_status(replica, &event->status, now_ms); break;
    }
}

/* --- presence --- */

void replica_present_soon(struct replica *replica)
{
    replica->present_due = true;
}

static void present(struct replica *replica)
{
    struct version version = {0};
    struct session_view view = {.flags = replica->away ? PRESENCE_AWAY : 0, .keeps_room = replica->keeps_room};
    if (replica->entry.role == DOC_HOST)
        view.flags |= PRESENCE_HOST;
    replica_named_version(replica, &version);
    view.events_seen = document_events(replica->document);
    if (version.count <= PRESENCE_HEADS_MAX && !replica->joining && !replica->ahead) {
        for (size_t i = 0; i < version.count; i++)
            view.heads[i] = version.heads[i];
        view.head_count = version.count;
        view.has_cursor = true;
        view.cursor = replica->buffer.selection.head;
        view.anchor = replica->buffer.selection.anchor;
    }
    version_release(&version);
    if (replica->net)
        net_present(replica->net, &view);
    neighbours_present(replica, false);
    replica->present_due = false;
}

/* While something is unacknowledged the status line counts the seconds; everything else comes with an event. */
static bool counts_seconds(const struct replica *replica)
{
    const struct session_status *status = &replica->net_status;
    return replica->net && status->state == SESSION_ONLINE && status->unacked_edits + status->lacking_batches > 0;
}

/* Takes it. */
static void take_event(struct replica *replica, struct net_event *event, uint64_t now_ms)
{
    if (event->kind == NET_RECEIVED) {
        replica_arrive(replica, event);
        return;
    }
    take_other(replica, event, now_ms);
    net_event_free(event);
}

/* A journal that takes nothing at all is not waited for: others are seen all the same, and the status line says why. */
bool replica_journal_is_behind(struct replica *replica, bool by_half)
{
    struct journal_writer_state state;
    unsigned part = by_half ? 2 : 1;
    if (!replica->writer)
        return false;
    journal_writer_state(replica->writer, &state);
    return !state.failing && (state.queued_jobs > AHEAD_JOBS / part || state.queued_bytes > AHEAD_BYTES / part);
}

/*
 * A long history does not come into memory faster than it goes to the disk; it goes on when half of what waits is there. Nor
 * faster than into the text.
 */
static void hold_or_go_on(struct replica *replica)
{
    bool hold = replica_journal_is_behind(replica, replica->held);
    atomic_store(&replica->awaits_journal, hold);
    if (hold && !replica_journal_is_behind(replica, true)) { /* done before it could know that we wait */
        atomic_store(&replica->awaits_journal, false);
        hold = false;
    }
    hold |= replica_arrived_enough(replica);
    if (hold != replica->held)
        replica_watch_again(replica, net_fd(replica->net), !hold);
    replica->held = hold;
}

static void take_events(struct replica *replica, uint64_t now_ms)
{
    uint64_t until_ms = net_now_ms() + TAKE_MS;
    while (replica->net && !replica_journal_is_behind(replica, replica->held) && net_now_ms() < until_ms &&
           !replica_arrived_enough(replica)) {
        struct net_event *event = net_next(replica->net);
        if (!event)
            break;
        take_event(replica, event, now_ms);
    }
    if (replica->net)
        hold_or_go_on(replica);
}

/* Once for all that has come: the text, where people are in it, and the screen. */
static void take_into_text(struct replica *replica)
{
    if (!replica->comparing && (!replica->joining || replica->ahead)) /* nothing is merged into a text that is not here */
        replica_take_some_arrived(replica);
    if (replica->neighbour_rows_due && !replica->comparing) {
        replica->neighbour_rows_due = false;
        replica_read_rows(replica);
    }
    bool merging = replica->merging.on; /* to locate people now would end its way */
    if (replica->text_due && !merging)
        replica_update_text(replica);
    else if (replica->people_due && !merging)
        people_locate(&replica->people, replica->document);
    if (replica->text_due || (replica->people_due && !merging))
        replica_touch(replica);
    replica->text_due = false;
    replica->people_due &= merging;
}

/* While the journal is behind, the newest status waits with all the rest; that the link is gone, or back, does not. */
static void look_at_link(struct replica *replica, uint64_t now_ms)
{
    struct session_status now;
    if (!replica->held || now_ms < replica->looked_ms + LOOK_MS)
        return;
    replica->looked_ms = now_ms;
    replica_net_status(replica, &now);
    if (now.state != replica->net_status.state)
        take_status(replica, &now, now_ms);
}

/* All that the relay had is in the text. */
static void look_at_history(struct replica *replica)
{
    struct session_status status;
    if (!replica->history_due || replica->joining || replica->ahead || !replica->net)
        return;
    replica_net_status(replica, &status);
    if (status.state != SESSION_ONLINE || !status.caught_up)
        return;
    replica->history_due = false;
    replica_touch(replica);
}

static void count_seconds(struct replica *replica, uint64_t now_ms)
{
    if (!counts_seconds(replica) || now_ms < replica->counted_ms + COUNT_MS)
        return;
    replica->counted_ms = now_ms;
    replica_touch(replica);
}

void replica_room_handle(struct replica *replica, uint64_t now_ms)
{
    take_events(replica, now_ms);
    look_at_link(replica, now_ms);
    if (replica->renew_due && !replica->ahead)
        replica_go_on_as_another(replica);
    if (replica->relocates)
        replica_relocate(replica);
    if (replica->closed_due)
        replica_hear_closed(replica);
    replica_heir_handle(replica, now_ms);
    replica_online_handle(replica, now_ms);
    take_into_text(replica);
    replica_unmerged_handle(replica);
    replica_ahead_handle(replica, now_ms);
    look_at_history(replica);
    replica_revive_handle(replica, now_ms);
    replica_post_handle(replica, now_ms);
    if (replica->present_due)
        present(replica);
    replica_away_handle(replica, now_ms);
    count_seconds(replica, now_ms);
}

uint64_t replica_room_next_ms(const struct replica *replica)
{
    uint64_t next_ms = counts_seconds(replica) ? replica->counted_ms + COUNT_MS : UINT64_MAX;
    if (replica->held)
        next_ms = deadline_earlier(next_ms, replica->looked_ms + LOOK_MS);
    if (replica->back_ms && !replica->held)
        next_ms = deadline_earlier(next_ms, replica->back_ms);
    if (replica->heir_ms)
        next_ms = deadline_earlier(next_ms, replica->heir_ms);
    if (replica->again_ms)
        next_ms = deadline_earlier(next_ms, replica->again_ms);
    if (replica->post_ms)
        next_ms = deadline_earlier(next_ms, replica->post_ms);
    next_ms = deadline_earlier(next_ms, replica_revive_next_ms(replica));
    next_ms = deadline_earlier(next_ms, replica_ahead_next_ms(replica));
    bool waits = replica->comparing || (replica->joining && !replica->ahead);
    return (replica->arrived || replica_is_merging(replica)) && !waits ? 0 : next_ms;
}
