#include "sync/session_parts.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

/* --- the connection ends --- */

static void out_clear(struct out_queue *out)
{
    for (size_t i = 0; i < out->count; i++)
        buf_release(&out->frames[i]);
    out->count = 0;
}

void session_end_talk(struct session *session, uint64_t now_ms)
{
    if (session->talk == TALK_NONE)
        return;
    session->talk = TALK_NONE;
    session->caught_up = session->was_silent = false;
    session->peer_count = 0;
    session->ping_nonce = 0;
    session->waiting_since_ms = 0;
    session->matters_since_ms = 0;
    session->gap_check_ms = UINT64_MAX;
    session->awaited = session->doubted = (struct event_id){0}; /* who speaks of it will do so again */
    session->lag_by = (struct agent_id){{0}};
    session->offline_since_ms = now_ms;
    out_clear(&session->out);
    agent_numbers_clear(&session->numbers_in);
    agent_numbers_clear(&session->numbers_out);
    upload_lost(session->upload);
    inbox_forgive(session->inbox);
    session_forget_base(session);
    session_forget_ahead(session);
    session->last = session->safe;
}

void session_drop(struct session *session, const struct error *why, uint64_t now_ms)
{
    if (session->talk == TALK_NONE)
        return;
    session->why = *why;
    session_end_talk(session, now_ms);
    session->port.drop(session->port.self, why);
}

/* The end until somebody changes something: trying again by itself would not help. */
void session_refuse(struct session *session, unsigned code, const struct error *why, uint64_t now_ms)
{
    session->refuse_code = code;
    session_drop(session, why, now_ms);
}

void session_drop_broken(struct session *session, struct error *err, uint64_t now_ms)
{
    error_wrap(err, "the relay sent what cannot be read");
    session_drop(session, err, now_ms);
}

/* --- sending --- */

bool session_has_room(void *self)
{
    struct session *session = self;
    return session->talk != TALK_NONE && session->out.count == 0;
}

static void send_frame(struct session *session, struct buf *frame)
{
    if (session->out.count == 0 && session->port.send(session->port.self, buf_view(frame))) {
        buf_release(frame);
        return;
    }
    struct out_queue *out = &session->out;
    out->frames = xgrow(out->frames, &out->cap, out->count + 1, sizeof *out->frames);
    out->frames[out->count++] = *frame;
}

void session_send(void *self, const struct message *message)
{
    struct session *session = self;
    struct buf frame = {0};
    message_encode(message, MESSAGE_BY_CLIENT, &session->numbers_out, &frame);
    send_frame(session, &frame);
}

static void send_waiting(struct session *session)
{
    struct out_queue *out = &session->out;
    size_t n = 0;
    while (n < out->count && session->port.send(session->port.self, buf_view(&out->frames[n])))
        buf_release(&out->frames[n++]);
    out->count -= n;
    memmove(out->frames, out->frames + n, out->count * sizeof *out->frames);
}

/* --- what upload and inbox ask for, passed on --- */

static void on_persist(void *self, const struct outbox_record *record)
{
    struct session *session = self;
    session->port.persist(session->port.self, record);
}

static void on_acked(void *self, const struct agent_id *agent, uint64_t next_seq)
{
    struct session *session = self;
    session->port.acked(session->port.self, agent, next_seq, &session->safe);
}

static void on_fetch(void *self, const struct agent_id *agent, uint64_t from_seq, bool packs)
{
    struct session *session = self;
    session->port.fetch(session->port.self, agent, from_seq, packs);
}

/* A relay's words are shown to people, not obeyed. */
static void tell_full(struct session *session, struct bytes text, struct error *err)
{
    enum { WORDS_CELLS = 120 };
    struct buf words = {0};
    unicode_safe_label(text, WORDS_CELLS, &words);
    error_set(err, ERR_FULL, REFUSE_FULL, "the relay does not take your edits: %s", buf_string(&words));
    session->full = *err;
    buf_release(&words);
}

static void on_rejected(void *self, const struct agent_id *agent, unsigned code, struct bytes text)
{
    struct session *session = self;
    struct error err = {0};
    if (code == REFUSE_FULL)
        tell_full(session, text, &err);
    else
        error_set(&err, ERR_AUTH, (int)code, "the relay does not take an edit: %.*s", (int)text.len,
                  (const char *)text.data);
    session->port.alarm(session->port.self, code == REFUSE_FORKED ? ALARM_OWN_FORKED : ALARM_REJECTED, agent, &err);
}

void session_advance(struct session *session)
{
    if (!inbox_has_hole(session->inbox))
        session->safe = session->last;
}

static void tell_forked(struct session *session, const struct agent_id *agent)
{
    struct error err = {0};
    error_set(&err, ERR_FORMAT, 0, "two contents exist under one of its ids; both are kept");
    session->port.alarm(session->port.self, ALARM_FORKED, agent, &err);
}

static void on_received(void *self, struct received *received)
{
    struct session *session = self;
    session_advance(session);
    received->resume = session->safe;
    upload_relay_has(session->upload, &received->agent, received->seq0 + received->count);
    struct agent_id agent = received->agent;
    uint64_t branch_seq0 = received->fork.seq;
    bool forked = received->forked, tells_news = received->run.count > 0;
    session->port.received(session->port.self, received);
    session->fork_found |= forked || (tells_news && chain_is_forked(session->chain, &agent));
    /* this log has another side of it than we had, and may not have ours */
    if (forked && (session->whole || !session->caught_up))
        upload_offer_again(session->upload, &agent, branch_seq0);
    if (forked || (tells_news && agent_id_equal(&agent, &session->self))) /* nobody else is to write as we do */
        tell_forked(session, &agent);
}

void session_on_refused(void *self, const struct agent_id *agent, const struct error *why)
{
    struct session *session = self;
    session->port.alarm(session->port.self, ALARM_RECORD_REFUSED, agent, why);
}

static void on_disputed(void *self, const struct agent_id *agent, uint64_t seq0)
{
    struct session *session = self;
    upload_offer_again(session->upload, agent, seq0);
}

/* --- life --- */

/* `out` has room for `max` bytes and a NUL. */
static void copy_name(char *out, size_t max, const char *name)
{
    size_t len = name ? strnlen(name, max) : 0;
    memcpy(out, name ? name : "", len);
    memset(out + len, 0, max + 1 - len);
}

static bool take_genesis_config(struct session *session, struct bytes stored, struct error *err)
{
    struct record record;
    if (stored.len == 0)
        return true;
    if (!record_decode(stored, &record, err) || !genesis_open(&record, &session->keys, &session->genesis, err))
        return error_wrap(err, "the kept beginning of this document");
    buf_add_bytes(&session->genesis_stored, stored);
    session->has_genesis = true;
    upload_set_base_len(session->upload, session->genesis.base_len);
    return true;
}

static bool take_member_config(struct session *session, struct bytes stored, struct error *err)
{
    struct record record;
    struct member member;
    if (!record_decode(stored, &record, err) ||
        !member_open(&record, &session->keys, &session->genesis.write, &member, err))
        return error_wrap(err, "a kept member record");
    roster_add(&session->roster, &member, stored);
    return true;
}

static bool take_config(struct session *session, const struct session_config *config, uint64_t now_ms,
                        struct error *err)
{
    if (!take_genesis_config(session, config->genesis, err))
        return false;
    if (config->member_count > 0 && !session->has_genesis)
        return error_set(err, ERR_FORMAT, 0, "members are kept of a document whose beginning is not");
    for (size_t i = 0; i < config->member_count; i++)
        if (!take_member_config(session, config->members[i], err))
            return false;
    for (size_t i = 0; i < config->outbox_count; i++)
        if (!upload_restore(session->upload, config->outbox[i], now_ms, err))
            return error_wrap(err, "an unsent record that is kept");
    return true;
}

static void make_parts(struct session *session, const struct session_config *config)
{
    struct inbox_port inbox_port = {session, on_received, session_on_refused, on_disputed};
    struct upload_port upload_port = {session,  session_has_room, session_send, on_persist,
                                      on_acked, on_fetch,         on_rejected};
    if (config->create && config->base)
        session->base_rope = rope_snapshot(config->base);
    struct upload_config upload_config = {
        .keys = &session->keys,
        .device = &session->device,
        .doc_key = &session->doc_key,
        .self = config->self,
        .name = session->name,
        .chain = config->chain,
        .roster = &session->roster,
        .base = session->base_rope,
        .first_counter = config->first_counter,
        .pack_records_min = config->pack_records_min,
        .seed = config->seed,
    };
    session->inbox = inbox_new(&session->keys, config->chain, &session->roster, &inbox_port);
    session->upload = upload_new(&upload_config, &upload_port);
}

struct session *session_new(const struct session_config *config, const struct session_port *port, uint64_t now_ms,
                            struct error *err)
{
    struct session *session = xcalloc(1, sizeof *session);
    session->port = *port;
    session->keys = *config->keys;
    session->device = *config->device;
    session->self = config->self;
    session->seed = config->seed;
    session->chain = config->chain;
    session->create = config->create;
    session->unseen = config->unseen;
    session->pinned = config->pinned;
    session->has_base = config->has_base || config->base;
    session->coming.wanted = config->wants_checkpoint && !session->has_base;
    memcpy(session->relay_pin, config->relay_pin, sizeof session->relay_pin);
    copy_name(session->name, NAME_BYTES_MAX, config->name);
    buf_add_bytes(&session->token, config->token);
    device_doc_key(&session->device, &session->keys.doc, &session->doc_key);
    device_certify(&session->device, &session->keys.doc, &session->doc_key.public_key, &session->certificate);
    if (session->has_base) /* else the log is read from its beginning, for the base is there */
        session->safe = session->last = config->resume;
    session->gap_check_ms = UINT64_MAX;
    session->offline_since_ms = now_ms;
    session->presence_counter = now_ms;
    make_parts(session, config);
    if (take_config(session, config, now_ms, err))
        return session;
    session_free(session);
    return NULL;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    out_clear(&session->out);
    free(session->out.frames);
    agent_numbers_release(&session->numbers_in);
    agent_numbers_release(&session->numbers_out);
    upload_free(session->upload);
    inbox_free(session->inbox);
    roster_release(&session->roster);
    rope_free(session->base_rope);
    buf_release(&session->token);
    buf_release(&session->move_place);
    buf_release(&session->genesis_stored);
    buf_release(&session->base);
    session_forget_ahead(session);
    doc_keys_wipe(&session->keys);
    device_wipe(&session->device);
    crypto_wipe(&session->doc_key, sizeof session->doc_key);
    free(session);
}

/* --- the doors --- */

void session_connected(struct session *session, const struct session_relay *relay, uint64_t now_ms)
{
    session_end_talk(session, now_ms);
    session->talk = TALK_CHALLENGE;
    session->heard_ms = session->ping_ms = now_ms;
    session->waiting_since_ms = now_ms;
    session->refuse_code = 0;
    session->relay_proved = false;
    copy_name(session->relay_name, SESSION_RELAY_NAME_BYTES_MAX, relay->name);
    session->vouched = relay->certificate == NULL;
    session->seen_certificate = relay->certificate ? *relay->certificate : (struct digest){{0}};
    session_knock(session);
}

void session_no_protocol(struct session *session, const struct error *why, uint64_t now_ms)
{
    session_end_talk(session, now_ms);
    session->refuse_code = REFUSE_PROTOCOL;
    session->retry_ms = SESSION_PROTOCOL_RETRY_MS;
    session->why = *why;
    session_run(session, now_ms);
}

void session_heard(struct session *session, uint64_t now_ms)
{
    session->heard_ms = now_ms;
    session->waiting_since_ms = 0;
}

void session_receive(struct session *session, struct bytes frame, uint64_t now_ms)
{
    struct message message = {0};
    struct error err = {0};

    if (session->talk == TALK_NONE)
        return;
    session_heard(session, now_ms);
    if (message_decode(frame, MESSAGE_BY_RELAY, &session->numbers_in, &message, &err))
        session_take_message(session, &message, now_ms);
    else
        session_drop_broken(session, &err, now_ms);
    message_release(&message);
    session_run(session, now_ms);
}

void session_writable(struct session *session, uint64_t now_ms)
{
    if (session->talk == TALK_NONE)
        return;
    send_waiting(session);
    session_run(session, now_ms);
}

void session_disconnected(struct session *session, uint64_t now_ms)
{
    session_end_talk(session, now_ms);
    session_run(session, now_ms);
}

void session_tick(struct session *session, uint64_t now_ms)
{
    session_run(session, now_ms);
}

void session_local(struct session *session, const struct local_batch *batch, uint64_t now_ms)
{
    session->active_ms = now_ms;
    upload_local(session->upload, batch, now_ms);
    session_run(session, now_ms);
}

void session_neighbour(struct session *session, const struct agent_id *agent, uint64_t next_seq, uint64_t now_ms)
{
    upload_note_here(session->upload, agent, next_seq, now_ms);
    session_run(session, now_ms);
}

void session_persisted(struct session *session, uint64_t ticket, uint64_t now_ms)
{
    upload_persisted(session->upload, ticket);
    session_run(session, now_ms);
}

void session_fetched(struct session *session, const struct agent_id *agent, const struct bytes *stored, size_t count,
                     bool more, uint64_t now_ms)
{
    upload_fetched(session->upload, agent, stored, count, more);
    session_run(session, now_ms);
}

void session_delete_document(struct session *session, uint64_t now_ms)
{
    session->delete_due = true;
    if (session->talk == TALK_LIVE)
        session_send_delete(session);
    session_run(session, now_ms);
}

void session_move_document(struct session *session, uint64_t moved_s, struct bytes place, uint64_t now_ms)
{
    ensure(place.len > 0 && place.len <= MESSAGE_TEXT_BYTES_MAX);
    buf_clear(&session->move_place);
    buf_add_bytes(&session->move_place, place);
    session->move_s = moved_s;
    if (session->talk == TALK_LIVE)
        session_send_move(session);
    session_run(session, now_ms);
}

/* Without a place to show, at a version of too many heads to name, there is nothing new until the beat. */
static bool same_view(const struct session_view *a, const struct session_view *b)
{
    if (!a->has_cursor && !b->has_cursor)
        return a->flags == b->flags;
    bool same = a->head_count == b->head_count && a->has_cursor == b->has_cursor && a->cursor == b->cursor &&
                a->anchor == b->anchor && a->events_seen == b->events_seen && a->keeps_room == b->keeps_room &&
                a->flags == b->flags;
    for (size_t i = 0; same && i < a->head_count; i++)
        same = a->heads[i].seq == b->heads[i].seq && agent_id_equal(&a->heads[i].agent, &b->heads[i].agent);
    return same;
}

void session_present(struct session *session, const struct session_view *view, uint64_t now_ms)
{
    session->view = *view;
    session->active_ms = now_ms;
    session->show_due = !session->ever_shown || !same_view(view, &session->shown);
    session->ever_shown = true;
    session_run(session, now_ms);
}

void session_leave(struct session *session, uint64_t now_ms)
{
    if (session->talk != TALK_LIVE)
        return;
    upload_hurry(session->upload);
    session_run(session, now_ms);
    if (session->talk == TALK_LIVE && session->peer_count > 1 && !session->unseen)
        session_send_presence(session, session->view.flags | PRESENCE_LEAVING, now_ms);
}

/* --- what there is to see --- */

uint64_t session_counter(const struct session *session)
{
    return upload_counter(session->upload);
}

static enum session_state state_of(const struct session *session, uint64_t now_ms)
{
    if (session->refuse_code)
        return SESSION_REFUSED;
    if (session->talk == TALK_NONE || session_is_silent(session, now_ms))
        return SESSION_OFFLINE;
    return session->talk == TALK_LIVE ? SESSION_ONLINE : SESSION_CONNECTING;
}

static void base_status(const struct session *session, const struct upload_counts *counts, struct session_status *out)
{
    out->base_done = counts->base_done;
    out->base_total = counts->base_total;
    if (session->has_base)
        return;
    out->base_done = session->base_got;
    out->base_total = session->has_genesis ? session->genesis.base_len : 0;
}

void session_status(const struct session *session, uint64_t now_ms, struct session_status *out)
{
    struct upload_counts counts = upload_counts(session->upload);
    *out = (struct session_status){
        .state = state_of(session, now_ms),
        .caught_up = session->caught_up && !session->was_silent,
        .offering = upload_is_offering(session->upload),
        .posting = upload_is_posting(session->upload),
        .unacked_edits = counts.edits,
        .unacked_batches = counts.batches,
        .oldest_unacked_ms = counts.oldest_ms,
        .lacking_batches = counts.lacking,
        .lacking_since_ms = counts.lacking_since_ms,
        .last_heard_ms = session->heard_ms,
        .rtt_ms = session->rtt_ms,
        .peers = session->peer_count,
        .refuse_code = session->refuse_code,
        .retry_ms = session->retry_ms,
        .relay_proved = session->relay_proved,
        .relay_key = session->handshake.relay_key,
        .why = session->why,
    };
    if (upload_is_full(session->upload))
        out->full = session->full;
    base_status(session, &counts, out);
    out->idle = out->state == SESSION_ONLINE && !session_wants_proof_soon(session, now_ms);
    if (out->state != SESSION_OFFLINE)
        return;
    out->offline_since_ms = session->talk == TALK_NONE ? session->offline_since_ms : session->heard_ms;
    if (session->talk != TALK_NONE)
        error_set(&out->why, ERR_OFFLINE, 0, "the relay is silent");
}

void session_status_add(struct session_status *status, uint64_t batches, uint64_t since_ms)
{
    if (batches == 0)
        return;
    status->unacked_batches += batches;
    status->unacked_edits += batches;
    if (!status->oldest_unacked_ms || since_ms < status->oldest_unacked_ms)
        status->oldest_unacked_ms = since_ms;
}
