/* What time brings: packing, pings, presence, silence, and asking for what is missing. */
#include "sync/session_parts.h"

#include <string.h>

#include "editor/base/deadline.h"

/*
 * Batches that travel together save envelopes; waiting for company costs whoever reads along. Alone nobody reads. Else
 * the relay's own answers set the pace as long as they come quickly: two keys pressed in one roll of the fingers are
 * both seen within a few ms, a flood of edits still fills records, and a slow relay or link is left the fixed pace.
 */
static uint64_t pace_ms(const struct session *session)
{
    if (session->peer_count <= 1)
        return SESSION_FLUSH_ALONE_MS;
    if (upload_is_answered(session->upload))
        return SESSION_FLUSH_ANSWERED_MS;
    return session->rtt_ms > SESSION_SLOW_RTT_MS ? SESSION_FLUSH_SLOW_MS : SESSION_FLUSH_MS;
}

bool session_wants_proof_soon(const struct session *session, uint64_t now_ms)
{
    return session->peer_count > 1 || (session->active_ms && now_ms - session->active_ms < SESSION_ACTIVE_MS);
}

static uint64_t ping_due_ms(const struct session *session, uint64_t now_ms)
{
    if (session->talk != TALK_LIVE || session->ping_nonce)
        return UINT64_MAX;
    uint64_t quiet_since = session->heard_ms > session->ping_ms ? session->heard_ms : session->ping_ms;
    /* On a long way the question leaves earlier, so that the answer is here in time. */
    uint64_t ahead_ms = session->rtt_ms < SESSION_PING_AHEAD_MS ? session->rtt_ms : SESSION_PING_AHEAD_MS;
    bool matters = session_wants_proof_soon(session, now_ms);
    uint64_t soon = quiet_since + (matters ? SESSION_PING_MS - ahead_ms : SESSION_PING_IDLE_MS);
    /* What others say proves that the relay is there, but not how far away: that is measured now and then in any case. */
    uint64_t rtt_stale = session->ping_ms + (matters ? SESSION_RTT_MS : SESSION_PING_IDLE_MS);
    return soon < rtt_stale ? soon : rtt_stale;
}

static void ping(struct session *session, uint64_t now_ms)
{
    if (now_ms < ping_due_ms(session, now_ms))
        return;
    session->ping_nonce = ++session->ping_count;
    session->ping_ms = now_ms;
    struct message message = {.kind = MESSAGE_PING, .ping = {session->ping_nonce}};
    session_send(session, &message);
}

static bool answer_is_due(const struct session *session)
{
    switch (session->talk) {
    case TALK_NONE:
        return false;
    case TALK_CHALLENGE:
    case TALK_WELCOME:
        return true;
    case TALK_LIVE:
        break;
    }
    return session->ping_nonce || upload_in_flight_bytes(session->upload) > 0;
}

static void watch_silence(struct session *session, uint64_t now_ms)
{
    struct error err = {0};
    if (!answer_is_due(session))
        session->waiting_since_ms = 0;
    else if (session->waiting_since_ms == 0)
        session->waiting_since_ms = now_ms;
    else if (now_ms - session->waiting_since_ms >= SESSION_DEAD_MS) {
        error_set(&err, ERR_OFFLINE, 0, "nothing was heard from the relay for %d s", SESSION_DEAD_MS / 1000);
        session_drop(session, &err, now_ms);
    }
}

/*
 * When the silence becomes too long: SESSION_SILENT_MS after the newest byte while it matters (from when it began to), and
 * after a question without an answer in any case.
 */
static uint64_t silent_at_ms(const struct session *session)
{
    uint64_t at_ms = UINT64_MAX;
    if (session->waiting_since_ms)
        at_ms = session->waiting_since_ms + SESSION_SILENT_MS;
    if (session->talk == TALK_LIVE && session->matters_since_ms) {
        uint64_t since = session->heard_ms > session->matters_since_ms ? session->heard_ms : session->matters_since_ms;
        at_ms = at_ms < since + SESSION_SILENT_MS ? at_ms : since + SESSION_SILENT_MS;
    }
    return at_ms;
}

bool session_is_silent(const struct session *session, uint64_t now_ms)
{
    return now_ms >= silent_at_ms(session);
}

static void note_what_matters(struct session *session, uint64_t now_ms)
{
    bool matters = session->talk == TALK_LIVE && session_wants_proof_soon(session, now_ms);
    if (!matters)
        session->matters_since_ms = 0;
    else if (session->matters_since_ms == 0)
        session->matters_since_ms = now_ms;
}

/* The relay has said that this is all, and some time has passed in which the owner may have been uploading it. */
static bool lacks_base(const struct session *session, uint64_t now_ms)
{
    return session->caught_up && !session->has_base && now_ms - session->base_heard_ms >= SESSION_GAP_MS;
}

/* Everybody reads what everybody shows, a signature each: the more people are here, the less often each one shows himself. */
static uint64_t presence_gap_ms(const struct session *session)
{
    uint64_t fair_ms = (uint64_t)session->peer_count * SESSION_PRESENCE_SHARE_MS;
    if (session->card_due || fair_ms < SESSION_PRESENCE_GAP_MS)
        return SESSION_PRESENCE_GAP_MS;
    return fair_ms < SESSION_PRESENCE_BEAT_MS ? fair_ms : SESSION_PRESENCE_BEAT_MS;
}

/* Nothing is on the line before the text that is waited for. Where the log itself has begun, none comes ahead of it. */
static bool awaits_ahead(const struct session *session)
{
    return session->coming.wanted && session->last.place == 0 && !session->caught_up;
}

static uint64_t presence_due_ms(const struct session *session)
{
    if (session->talk != TALK_LIVE || session->peer_count <= 1 || awaits_ahead(session))
        return UINT64_MAX;
    if (session->unseen && !lacks_base(session, session->ran_ms))
        return UINT64_MAX;
    bool soon = session->card_due || session->show_due;
    return session->shown_ms + (soon ? presence_gap_ms(session) : SESSION_PRESENCE_BEAT_MS);
}

/* Whether the version that is shown holds something that the relay has not acknowledged, or a neighbour has to send. */
static bool shows_unsent(const struct session *session)
{
    if (upload_counts(session->upload).batches > 0)
        return true;
    for (size_t i = 0; i < session->view.head_count; i++) {
        const struct event_id *head = &session->view.heads[i];
        bool is_agent = chain_next_seq(session->chain, &head->agent) > 0; /* else a branch, which only a relay brings */
        if (is_agent && upload_relay_next(session->upload, &head->agent) <= head->seq)
            return true;
    }
    return false;
}

static bool mark_of(const struct session *session, const struct event_id *head, unsigned char mark[PRESENCE_MARK_BYTES])
{
    struct digest digest;
    bool known = chain_find(session->chain, head, &digest);
    if (known)
        memcpy(mark, digest.bytes, PRESENCE_MARK_BYTES);
    return known;
}

void session_send_presence(struct session *session, unsigned flags, uint64_t now_ms)
{
    struct buf sealed = {0};
    bool unsent = shows_unsent(session);
    struct presence presence = {
        .agent = session->self,
        .counter = ++session->presence_counter,
        .flags = flags | (session->keys.access < ACCESS_WRITE ? PRESENCE_VIEWER : 0) |
                 (lacks_base(session, now_ms) ? PRESENCE_NO_BASE : 0) | (unsent ? PRESENCE_UNSENT : 0) |
                 (session->unseen ? PRESENCE_UNSEEN : 0),
        .doc_key = session->doc_key.public_key,
        .has_card = session->card_due,
        .device_key = session->device.key.public_key,
        .certificate = session->certificate,
        .head_count = session->view.head_count,
        .has_marks = session->view.head_count > 0 && !unsent, /* what the relay has not got it cannot give to others */
        .has_cursor = session->view.has_cursor,
        .cursor = session->view.cursor,
        .anchor = session->view.anchor,
        .keeps_room = session->view.keeps_room,
        .events_seen = session->view.events_seen,
    };
    memcpy(presence.name, session->name, sizeof presence.name);
    memcpy(presence.heads, session->view.heads, sizeof presence.heads);
    for (size_t i = 0; i < presence.head_count; i++)
        presence.has_marks &= mark_of(session, &presence.heads[i], presence.marks[i]);
    presence_seal(&presence, &session->keys, &session->doc_key, &sealed);
    struct message message = {.kind = MESSAGE_PRESENCE, .presence = {buf_view(&sealed)}};
    session_send(session, &message);
    buf_release(&sealed);
    session->shown = session->view;
    session->card_due = session->show_due = false;
    session->shown_ms = now_ms;
}

static void show(struct session *session, uint64_t now_ms)
{
    if (now_ms < presence_due_ms(session) || !session_has_room(session))
        return;
    session_send_presence(session, session->view.flags, now_ms);
}

static void age_peers(struct session *session, uint64_t now_ms)
{
    const struct session_peer *changed;
    while ((changed = peers_age(&session->peers, session->talk == TALK_LIVE, now_ms))) {
        if (changed->state == PEER_GONE)
            session_await_no_more(session, &changed->presence.agent);
        session->port.peer(session->port.self, changed);
    }
}

static bool skip_refused(void *self, const struct agent_id *agent)
{
    struct session *session = self;
    return inbox_is_refused(session->inbox, agent);
}

static bool something_is_missing(struct session *session, struct agent_id *agent, uint64_t now_ms)
{
    uint64_t since = inbox_waiting_since(session->inbox);
    bool stuck = since != UINT64_MAX && now_ms - since >= SESSION_GAP_MS;
    return (session->caught_up && upload_relay_ahead(session->upload, skip_refused, session, agent)) || stuck;
}

static void tell_withheld(struct session *session, const struct agent_id *agent)
{
    struct error err = {0};
    error_set(&err, ERR_MISSING, 0, "the relay withholds edits: asked for all it has, it left something out");
    session->port.alarm(session->port.self, ALARM_WITHHELD, agent, &err);
    session->gap_told = true;
}

void session_ask_again(struct session *session, uint64_t now_ms)
{
    struct error err = {0};
    session->safe.place = 0;
    error_set(&err, ERR_MISSING, 0, "edits are missing: asking the relay again");
    session_drop(session, &err, now_ms);
}

/* Something is missing although the relay had its time: a new connection asks for all that exceeds our vector. */
static void watch_gap(struct session *session, uint64_t now_ms)
{
    struct agent_id agent = {{0}};

    if (session->talk != TALK_LIVE || now_ms < session->gap_check_ms)
        return;
    session->gap_check_ms = UINT64_MAX;
    if (!something_is_missing(session, &agent, now_ms)) {
        session->gap_since_ms = 0;
        session->gap_told = false;
        if (inbox_waiting_since(session->inbox) != UINT64_MAX)
            session->gap_check_ms = now_ms + SESSION_GAP_MS;
        return;
    }
    if (session->gap_since_ms && now_ms - session->gap_since_ms < SESSION_GAP_ALARM_MS) {
        session->gap_check_ms = session->gap_since_ms + SESSION_GAP_ALARM_MS; /* asked already */
        return;
    }
    if (session->gap_since_ms && !session->gap_told)
        tell_withheld(session, &agent);
    session->gap_since_ms = now_ms;
    session_ask_again(session, now_ms);
}

/*
 * The tail of a log can be held back without a gap that shows. But who writes also says, signed, what his version is:
 * an event of it that does not arrive is asked for once, and then told.
 */
static bool is_awaiting(const struct session *session)
{
    static const struct agent_id nobody;
    struct digest digest;
    return !agent_id_equal(&session->awaited.agent, &nobody) && !chain_find(session->chain, &session->awaited, &digest);
}

void session_await(struct session *session, const struct presence *presence, uint64_t now_ms)
{
    struct digest digest;
    bool told_of_another = session->awaited_told && !agent_id_equal(&session->awaited_by, &presence->agent);
    if (is_awaiting(session) && !told_of_another)
        return;
    if (!is_awaiting(session))
        session->awaited = (struct event_id){0};
    for (size_t i = 0; i < presence->head_count; i++) {
        bool is_ours = agent_id_equal(&presence->heads[i].agent, &session->self);
        if (is_ours || chain_find(session->chain, &presence->heads[i], &digest))
            continue;
        session->awaited = presence->heads[i];
        session->awaited_by = presence->agent;
        session->awaited_since_ms = now_ms;
        session->awaited_told = false;
    }
}

/* Whether the event is here, and each time with another content than this. */
static bool is_other(const struct session *session, const struct event_id *event,
                     const unsigned char mark[PRESENCE_MARK_BYTES])
{
    struct digest digest;
    unsigned n = 0;
    while (chain_find_nth(session->chain, event, n, &digest)) {
        if (memcmp(digest.bytes, mark, PRESENCE_MARK_BYTES) == 0)
            return false;
        n++;
    }
    return n > 0;
}

static bool is_doubting(const struct session *session)
{
    static const struct agent_id nobody;
    return !agent_id_equal(&session->doubted.agent, &nobody) &&
           is_other(session, &session->doubted, session->doubted_mark);
}

void session_compare(struct session *session, const struct presence *presence, uint64_t now_ms)
{
    bool may_come = !(presence->flags & PRESENCE_UNSENT); /* an earlier weft tells marks of the unsent too */
    if (!presence->has_marks || !may_come || is_doubting(session))
        return;
    session->doubted = (struct event_id){0};
    for (size_t i = 0; i < presence->head_count; i++) {
        if (!is_other(session, &presence->heads[i], presence->marks[i]))
            continue;
        session->doubted = presence->heads[i];
        memcpy(session->doubted_mark, presence->marks[i], PRESENCE_MARK_BYTES);
        session->doubted_by = presence->agent;
        session->doubted_since_ms = now_ms;
        session->doubted_told = false;
    }
}

static bool is_among(const struct event_id *event, const struct event_id *heads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (heads[i].seq == event->seq && agent_id_equal(&heads[i].agent, &event->agent))
            return true;
    return false;
}

/* All of his version is here, and not all of ours is there. */
static bool lags(const struct session *session, const struct presence *presence)
{
    struct digest digest;
    for (size_t i = 0; i < presence->head_count; i++)
        if (!chain_find(session->chain, &presence->heads[i], &digest))
            return false;
    for (size_t i = 0; i < session->view.head_count && presence->head_count > 0; i++)
        if (!is_among(&session->view.heads[i], presence->heads, presence->head_count))
            return true;
    return false;
}

void session_note_lag(struct session *session, const struct presence *presence, uint64_t now_ms)
{
    static const struct agent_id nobody;
    bool is_one = chain_forks(session->chain) > 0 && lags(session, presence);
    if (is_one && agent_id_equal(&session->lag_by, &nobody)) {
        session->lag_by = presence->agent;
        session->lag_since_ms = now_ms;
    } else if (!is_one && agent_id_equal(&session->lag_by, &presence->agent)) {
        session->lag_by = nobody;
    }
}

void session_await_no_more(struct session *session, const struct agent_id *agent)
{
    if (agent_id_equal(&session->awaited_by, agent))
        session->awaited = (struct event_id){0};
    if (agent_id_equal(&session->doubted_by, agent))
        session->doubted = (struct event_id){0};
    if (agent_id_equal(&session->lag_by, agent))
        session->lag_by = (struct agent_id){{0}};
}

static uint64_t ask_due_ms(const struct session *session)
{
    uint64_t due_ms = session->awaited_since_ms + SESSION_GAP_MS;
    if (!session->caught_up || !is_awaiting(session) || session->asked_ms > session->awaited_since_ms)
        return UINT64_MAX;
    uint64_t again_ms = session->asked_ms ? session->asked_ms + SESSION_GAP_ALARM_MS : 0;
    return due_ms > again_ms ? due_ms : again_ms;
}

static uint64_t tell_due_ms(const struct session *session)
{
    bool due = session->caught_up && !session->awaited_told && is_awaiting(session);
    return due ? session->awaited_since_ms + SESSION_GAP_ALARM_MS : UINT64_MAX;
}

static void watch_awaited(struct session *session, uint64_t now_ms)
{
    struct error err = {0};
    if (now_ms >= tell_due_ms(session)) {
        error_set(&err, ERR_MISSING, 0,
                  "edits that somebody has made do not arrive: the relay withholds them, or they cannot be sent");
        session->awaited_told = true;
        session->port.alarm(session->port.self, ALARM_WITHHELD, &session->awaited.agent, &err);
    }
    if (now_ms >= ask_due_ms(session)) {
        struct event_id awaited = session->awaited;
        session->asked_ms = now_ms;
        session_ask_again(session, now_ms);
        session->awaited = awaited; /* we hung up ourselves: its time goes on */
    }
}

/*
 * A record that fits nowhere may build on what this log holds and we have not asked for, because something else is here
 * under the same numbers: another log acknowledged that. Vectors cannot tell the two apart.
 */
static uint64_t whole_due_ms(const struct session *session)
{
    return session->whole_ms ? session->whole_ms + SESSION_WHOLE_MS : 0;
}

static bool ask_for_whole(struct session *session, uint64_t now_ms)
{
    if (!inbox_lacks_branch(session->inbox) || now_ms < whole_due_ms(session))
        return false;
    session->whole = true;
    session->whole_ms = now_ms;
    session_ask_again(session, now_ms);
    return true;
}

static uint64_t doubt_due_ms(const struct session *session)
{
    if (!session->caught_up || !is_doubting(session))
        return UINT64_MAX;
    uint64_t ask_ms = session->doubted_since_ms + SESSION_GAP_MS;
    if (ask_ms < whole_due_ms(session))
        ask_ms = whole_due_ms(session);
    uint64_t say_ms = session->doubted_told ? UINT64_MAX : session->doubted_since_ms + SESSION_GAP_ALARM_MS;
    return deadline_earlier(ask_ms, say_ms);
}

/*
 * Two sides of a fork that two logs have acknowledged, or a relay that shows two histories: nothing need build on either for
 * somebody to say what he has. Whoever has another side than the log gets the log's by asking for all of it, and offers his;
 * when both are in one log, both are everywhere.
 */
static void watch_doubted(struct session *session, uint64_t now_ms)
{
    struct error err = {0};
    if (now_ms < doubt_due_ms(session))
        return;
    if (!session->doubted_told && now_ms >= session->doubted_since_ms + SESSION_GAP_ALARM_MS) {
        error_set(&err, ERR_FORMAT, 0,
                  "somebody here has other edits under one number, and the relay does not give them: it shows two "
                  "histories");
        session->doubted_told = true;
        session->port.alarm(session->port.self, ALARM_TWO_HISTORIES, &session->doubted.agent, &err);
    }
    if (now_ms < whole_due_ms(session))
        return;
    struct event_id doubted = session->doubted;
    session->whole = true;
    session->whole_ms = now_ms;
    session_ask_again(session, now_ms);
    if (!agent_id_equal(&session->doubted_by, &session->self)) /* a copy of us is not heard leaving: it is to say it again */
        session->doubted = doubted; /* we hung up ourselves: its time goes on */
}

static uint64_t lag_due_ms(const struct session *session)
{
    static const struct agent_id nobody;
    if (agent_id_equal(&session->lag_by, &nobody) || !session->caught_up)
        return UINT64_MAX;
    enum { DOUBLINGS_MAX = 10 };
    unsigned doublings = session->forks_offers < DOUBLINGS_MAX ? session->forks_offers : DOUBLINGS_MAX;
    uint64_t due_ms = session->lag_since_ms + SESSION_GAP_ALARM_MS;
    uint64_t again_ms = doublings > 0 ? session->forks_offered_ms + ((uint64_t)SESSION_WHOLE_MS << (doublings - 1)) : 0;
    return due_ms > again_ms ? due_ms : again_ms;
}

/*
 * Where a log lacks a side of a fork, whoever has it beside the other one sees nothing new there, and whoever lacks it has
 * nothing to compare. But that he lacks something, his version says. (So does that of somebody who has not moved for a while:
 * what is there already is offered in vain.)
 */
static void watch_lag(struct session *session, uint64_t now_ms)
{
    if (now_ms < lag_due_ms(session))
        return;
    session->lag_by = (struct agent_id){{0}};
    session->forks_offered_ms = now_ms;
    session->forks_offers++;
    upload_offer_forks(session->upload);
}

/*
 * While something of ours is not acknowledged, it may yet turn out that our own agent has forked, and that a refused record
 * builds on the other branch: it is told when that remains so.
 */
static void tell_refused(struct session *session, uint64_t now_ms)
{
    if (!inbox_has_untold(session->inbox)) {
        session->tell_ms = 0;
        return;
    }
    bool reading = session->whole && now_ms - session->whole_ms < SESSION_GAP_ALARM_MS;
    if (reading || ask_for_whole(session, now_ms))
        return;
    if (!session->tell_ms)
        session->tell_ms = upload_counts(session->upload).batches > 0 ? now_ms + SESSION_GAP_MS : now_ms;
    if (now_ms >= session->tell_ms)
        inbox_tell_refused(session->inbox);
}

/* Whoever goes on forking or sending what nobody can take must not keep everybody reconnecting. */
static uint64_t may_ask_ms(const struct session *session)
{
    enum { DOUBLINGS_MAX = 10 };
    unsigned doublings = session->refused_asks < DOUBLINGS_MAX ? session->refused_asks : DOUBLINGS_MAX;
    return session->refused_asks > 0 ? session->refused_asked_ms + ((uint64_t)SESSION_GAP_MS << doublings) : 0;
}

static void ask_for_refused(struct session *session, uint64_t now_ms)
{
    session->fork_found = false;
    session->refused_since_ms = 0;
    session->refused_asks++;
    session->refused_asked_ms = now_ms;
    session_ask_again(session, now_ms);
}

/* Bytes may have been damaged on the way: another copy of them may be right. */
static uint64_t refused_due_ms(const struct session *session)
{
    uint64_t due_ms = session->refused_since_ms + SESSION_GAP_MS, may_ms = may_ask_ms(session);
    if (!inbox_has_refused(session->inbox))
        return UINT64_MAX;
    return !session->refused_since_ms ? 0 : due_ms > may_ms ? due_ms : may_ms;
}

static void watch_refused(struct session *session, uint64_t now_ms)
{
    if (!inbox_has_refused(session->inbox))
        session->refused_since_ms = 0;
    else if (!session->refused_since_ms)
        session->refused_since_ms = now_ms;
    if (now_ms >= refused_due_ms(session))
        ask_for_refused(session, now_ms);
}

/* At once the first time. */
static uint64_t forks_due_ms(const struct session *session)
{
    return session->fork_found ? may_ask_ms(session) : UINT64_MAX;
}

/* A record that fitted nowhere was not kept; a branch that has come since may be what it builds on. */
static void watch_forks(struct session *session, uint64_t now_ms)
{
    session->fork_found = session->fork_found && inbox_has_refused(session->inbox);
    if (now_ms < forks_due_ms(session)) {
        tell_refused(session, now_ms);
        return;
    }
    ask_for_refused(session, now_ms);
}

void session_run(struct session *session, uint64_t now_ms)
{
    session->ran_ms = now_ms;
    note_what_matters(session, now_ms);
    if (session->talk == TALK_LIVE)
        watch_forks(session, now_ms);
    if (session->talk == TALK_LIVE) {
        upload_run(session->upload, pace_ms(session), now_ms);
        show(session, now_ms);
        ping(session, now_ms);
        watch_gap(session, now_ms);
        watch_awaited(session, now_ms);
    }
    if (session->talk == TALK_LIVE)
        watch_refused(session, now_ms);
    if (session->talk == TALK_LIVE)
        watch_doubted(session, now_ms);
    if (session->talk == TALK_LIVE)
        watch_lag(session, now_ms);
    age_peers(session, now_ms);
    watch_silence(session, now_ms);
    session->was_silent |= session->talk == TALK_LIVE && session_is_silent(session, now_ms);
}

static uint64_t silence_next_ms(const struct session *session)
{
    uint64_t since_ms = session->waiting_since_ms, silent_ms = silent_at_ms(session);
    if (session->ran_ms < silent_ms)
        return silent_ms;
    return since_ms ? since_ms + SESSION_DEAD_MS : UINT64_MAX;
}

uint64_t session_next_ms(const struct session *session)
{
    uint64_t next = peers_next_ms(&session->peers, session->talk == TALK_LIVE);
    if (session->talk == TALK_NONE)
        return next;
    next = deadline_earlier(next, silence_next_ms(session));
    if (session->talk != TALK_LIVE)
        return next;
    next = deadline_earlier(next, deadline_earlier(ask_due_ms(session), tell_due_ms(session)));
    next = deadline_earlier(next, deadline_earlier(forks_due_ms(session), refused_due_ms(session)));
    next = deadline_earlier(next, deadline_earlier(doubt_due_ms(session), lag_due_ms(session)));
    next = deadline_earlier(next, session->tell_ms && inbox_has_untold(session->inbox) ? session->tell_ms : UINT64_MAX);
    next = deadline_earlier(next, upload_next_ms(session->upload, pace_ms(session)));
    next = deadline_earlier(next, deadline_earlier(ping_due_ms(session, session->ran_ms), session->gap_check_ms));
    return session->out.count == 0 ? deadline_earlier(next, presence_due_ms(session)) : next;
}
