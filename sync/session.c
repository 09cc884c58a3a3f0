#include "sync/session.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

/* How far the talk with the relay has come. */
enum talk {
    TALK_NONE,      /* no connection */
    TALK_CHALLENGE, /* connected: the relay speaks first */
    TALK_WELCOME,   /* HELLO and RESUME are out */
    TALK_LIVE,
};

/* Frames the link had no room for. Only what must be said waits here: records wait in the upload. */
struct out_queue {
    struct buf *frames;
    size_t count, cap;
};

struct session {
    struct session_port port;
    struct doc_keys keys;
    struct device device;
    struct sign_key doc_key;
    struct signature certificate;
    struct agent_id self;
    char name[NAME_BYTES_MAX + 1];
    struct buf token;
    bool create, pinned;
    unsigned char relay_pin[CRYPTO_SHORT_HASH_BYTES];
    struct chain *chain;

    struct roster roster;
    struct inbox *inbox;
    struct upload *upload;
    struct peers peers;

    /* the document as it began */
    bool has_genesis, has_base;
    struct genesis genesis;
    struct buf genesis_stored;
    struct buf base;        /* a joiner's, while it arrives */
    struct rope *base_rope; /* the owner's, to be uploaded; or NULL */

    /* this connection */
    enum talk talk;
    struct agent_numbers numbers_in, numbers_out;
    struct out_queue out;
    struct sign_public relay_key;
    unsigned char nonce[32];
    bool caught_up;
    unsigned peer_count;
    struct resume_point last; /* the newest place received */
    struct resume_point safe; /* the newest in front of which nothing is missing */

    /* proof of life */
    uint64_t heard_ms, active_ms, ping_ms, offline_since_ms;
    uint64_t ping_nonce;      /* of the ping without an answer; 0: none */
    uint64_t ping_count;
    uint64_t waiting_since_ms; /* since when an answer is due and nothing came; 0: none is */
    unsigned rtt_ms;
    uint64_t ran_ms; /* when run() last looked at everything */

    /* what is missing */
    uint64_t gap_check_ms; /* when to look; UINT64_MAX: nothing is in doubt */
    uint64_t gap_since_ms; /* 0: nothing is missing */
    bool gap_told;

    /* presence */
    struct session_view view, shown; /* wanted, sent */
    bool card_due, show_due, ever_shown;
    uint64_t shown_ms, presence_counter;

    bool delete_due;
    unsigned refuse_code;
    uint64_t retry_ms;
    struct error why;
};

/* --- the connection ends --- */

static void out_clear(struct out_queue *out)
{
    for (size_t i = 0; i < out->count; i++)
        buf_release(&out->frames[i]);
    out->count = 0;
}

static void end_talk(struct session *session, uint64_t now_ms)
{
    if (session->talk == TALK_NONE)
        return;
    session->talk = TALK_NONE;
    session->caught_up = false;
    session->peer_count = 0;
    session->ping_nonce = 0;
    session->waiting_since_ms = 0;
    session->gap_check_ms = UINT64_MAX;
    session->offline_since_ms = now_ms;
    out_clear(&session->out);
    agent_numbers_clear(&session->numbers_in);
    agent_numbers_clear(&session->numbers_out);
    upload_lost(session->upload);
    inbox_forgive(session->inbox);
    buf_clear(&session->base);
    session->last = session->safe;
}

static void drop(struct session *session, const struct error *why, uint64_t now_ms)
{
    if (session->talk == TALK_NONE)
        return;
    session->why = *why;
    end_talk(session, now_ms);
    session->port.drop(session->port.self, why);
}

/* The end until somebody changes something: trying again by itself would not help. */
static void refuse(struct session *session, unsigned code, const struct error *why, uint64_t now_ms)
{
    session->refuse_code = code;
    drop(session, why, now_ms);
}

static void drop_broken(struct session *session, struct error *err, uint64_t now_ms)
{
    error_wrap(err, "the relay sent what cannot be read");
    drop(session, err, now_ms);
}

/* --- sending --- */

static bool has_room(void *self)
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

static void send_message(void *self, const struct message *message)
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
    session->port.acked(session->port.self, agent, next_seq);
}

static void on_fetch(void *self, const struct agent_id *agent, uint64_t from_seq)
{
    struct session *session = self;
    session->port.fetch(session->port.self, agent, from_seq);
}

static void on_rejected(void *self, const struct agent_id *agent, unsigned code, struct bytes text)
{
    struct session *session = self;
    struct error err = {0};
    error_set(&err, ERR_AUTH, (int)code, "the relay does not take an edit: %.*s", (int)text.len, (const char *)text.data);
    session->port.alarm(session->port.self, code == REFUSE_FORKED ? ALARM_OWN_FORKED : ALARM_REJECTED, agent, &err);
}

static void advance(struct session *session)
{
    if (!inbox_has_hole(session->inbox))
        session->safe = session->last;
}

static void on_received(void *self, struct received *received)
{
    struct session *session = self;
    advance(session);
    received->resume = session->safe;
    upload_relay_has(session->upload, &received->agent, received->seq0 + received->count);
    session->port.received(session->port.self, received);
}

static void on_refused(void *self, const struct agent_id *agent, bool forked, const struct error *why)
{
    struct session *session = self;
    session->port.alarm(session->port.self, forked ? ALARM_FORKED : ALARM_RECORD_REFUSED, agent, why);
}

/* --- life --- */

static void copy_name(char out[NAME_BYTES_MAX + 1], const char *name)
{
    size_t len = name ? strnlen(name, NAME_BYTES_MAX) : 0;
    memcpy(out, name ? name : "", len);
    memset(out + len, 0, NAME_BYTES_MAX + 1 - len);
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
    struct inbox_port inbox_port = {session, on_received, on_refused};
    struct upload_port upload_port = {session, has_room, send_message, on_persist, on_acked, on_fetch, on_rejected};
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
    session->chain = config->chain;
    session->create = config->create;
    session->pinned = config->pinned;
    session->has_base = config->has_base || config->base;
    memcpy(session->relay_pin, config->relay_pin, sizeof session->relay_pin);
    copy_name(session->name, config->name);
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
    buf_release(&session->genesis_stored);
    buf_release(&session->base);
    doc_keys_wipe(&session->keys);
    device_wipe(&session->device);
    crypto_wipe(&session->doc_key, sizeof session->doc_key);
    free(session);
}

/* --- handshake --- */

static bool is_pinned_relay(const struct session *session, const struct sign_public *key)
{
    unsigned char hash[CRYPTO_SHORT_HASH_BYTES];
    crypto_blake2b_128(bytes_of(key->bytes, sizeof key->bytes), hash);
    return !session->pinned || memcmp(hash, session->relay_pin, sizeof hash) == 0;
}

static void send_hello(struct session *session)
{
    bool creates = session->create && session->has_genesis;
    struct digest digest;
    struct message hello = {.kind = MESSAGE_HELLO};

    hello.hello.low = MESSAGE_PROTOCOL_LOW;
    hello.hello.high = MESSAGE_PROTOCOL_HIGH;
    hello.hello.doc = session->keys.doc;
    hello.hello.device_key = session->doc_key.public_key;
    hello_digest(&session->relay_key, session->nonce, &session->keys.doc, &session->doc_key.public_key, creates, &digest);
    crypto_sign_digest(&session->doc_key, &digest, &hello.hello.device_proof);
    crypto_sign_digest(&session->keys.read_key, &digest, &hello.hello.read_proof);
    hello.hello.genesis = creates ? buf_view(&session->genesis_stored) : (struct bytes){0};
    hello.hello.token = creates ? buf_view(&session->token) : (struct bytes){0};
    send_message(session, &hello);
}

static void send_resume(struct session *session)
{
    size_t count = 0;
    struct chain_head *heads = chain_heads(session->chain, &count);
    count = count < MESSAGE_VECTOR_MAX ? count : MESSAGE_VECTOR_MAX;
    struct vector_entry *vector = xmalloc((count + 1) * sizeof *vector);
    for (size_t i = 0; i < count; i++)
        vector[i] = (struct vector_entry){heads[i].agent, heads[i].next_seq};
    struct message resume = {.kind = MESSAGE_RESUME};
    resume.resume.log = session->safe.log;
    resume.resume.place = session->safe.place;
    resume.resume.hash = session->safe.hash;
    resume.resume.vector = vector;
    resume.resume.vector_count = count;
    send_message(session, &resume);
    free(vector);
    free(heads);
}

static void take_challenge(struct session *session, const struct message *message, uint64_t now_ms)
{
    unsigned low = message->challenge.low, high = message->challenge.high;
    struct error err = {0};

    if (session->talk != TALK_CHALLENGE) {
        error_set(&err, ERR_FORMAT, 0, "a second challenge");
        drop_broken(session, &err, now_ms);
        return;
    }
    if (low > MESSAGE_PROTOCOL_HIGH || high < MESSAGE_PROTOCOL_LOW) {
        error_set(&err, ERR_NEWER, 0, "the relay speaks weft.%u, this is weft.%u: update %s", low, MESSAGE_PROTOCOL_HIGH,
                  low > MESSAGE_PROTOCOL_HIGH ? "weft" : "the relay");
        refuse(session, REFUSE_PROTOCOL, &err, now_ms);
        return;
    }
    if (!is_pinned_relay(session, &message->challenge.relay_key)) {
        error_set(&err, ERR_AUTH, 0, "the relay is not the one this link names (its key differs)");
        refuse(session, REFUSE_AUTH, &err, now_ms);
        return;
    }
    session->relay_key = message->challenge.relay_key;
    memcpy(session->nonce, message->challenge.nonce, sizeof session->nonce);
    session->talk = TALK_WELCOME;
    send_hello(session);
    send_resume(session);
}

static void set_peers(struct session *session, unsigned count)
{
    if (count > session->peer_count)
        session->card_due = true;
    if (count != session->peer_count)
        upload_hurry(session->upload);
    if (count <= 1)
        peers_leave_all(&session->peers);
    session->peer_count = count;
}

static void send_delete(struct session *session)
{
    struct digest digest;
    struct message message = {.kind = MESSAGE_DELETE};
    if (!session->delete_due || session->keys.access < ACCESS_ADMIN)
        return;
    delete_digest(&session->relay_key, session->nonce, &session->keys.doc, &digest);
    crypto_sign_digest(&session->keys.admin_key, &digest, &message.delete_request.proof);
    send_message(session, &message);
    session->delete_due = false;
}

static void take_welcome(struct session *session, const struct message *message, uint64_t now_ms)
{
    struct error err = {0};
    if (session->talk != TALK_WELCOME) {
        error_set(&err, ERR_FORMAT, 0, "a welcome out of turn");
        drop_broken(session, &err, now_ms);
        return;
    }
    session->talk = TALK_LIVE;
    session->refuse_code = 0;
    session->retry_ms = 0;
    session->why = (struct error){0};
    if (!digest_equal(&session->safe.log, &message->welcome.log))
        session->safe = (struct resume_point){.log = message->welcome.log};
    session->last = session->safe;
    set_peers(session, message->welcome.peers);
    session->card_due = true;
    upload_welcome(session->upload, message->welcome.vector, message->welcome.vector_count, message->welcome.head, now_ms);
    send_delete(session);
}

/* What a relay says when all is well but not now: the caller comes back by itself. */
static bool is_passing(unsigned code)
{
    return code == REFUSE_LIMIT || code == REFUSE_RESUME || code == REFUSE_STOPPING || code == REFUSE_ORDER;
}

static void take_refuse(struct session *session, const struct message *message, uint64_t now_ms)
{
    struct error err = {0};
    struct bytes text = message->refuse.text;
    unsigned code = message->refuse.code;

    error_set(&err, code == REFUSE_AUTH ? ERR_AUTH : ERR_OFFLINE, (int)code, "the relay says: %.*s", (int)text.len,
              (const char *)text.data);
    session->retry_ms = message->refuse.retry_ms;
    if (is_passing(code))
        drop(session, &err, now_ms);
    else
        refuse(session, code, &err, now_ms);
}

/* --- records --- */

static void base_is_whole(struct session *session, uint64_t now_ms)
{
    struct digest root;
    struct error err = {0};
    struct rope *rope = rope_from_bytes(buf_view(&session->base));
    genesis_base_root(rope, &root);
    rope_free(rope);
    if (!digest_equal(&root, &session->genesis.base_root)) {
        error_set(&err, ERR_AUTH, 0, "the text this document began with is not the one its owner signed");
        refuse(session, REFUSE_AUTH, &err, now_ms);
        return;
    }
    session->has_base = true;
    session->port.base(session->port.self, session->base.len, session->base.len, buf_view(&session->base));
    buf_release(&session->base);
}

static void take_genesis(struct session *session, const struct record *record, uint64_t now_ms)
{
    struct error err = {0};
    if (session->has_genesis)
        return;
    if (!genesis_open(record, &session->keys, &session->genesis, &err) || session->genesis.base_len > BASE_BYTES_MAX) {
        error_wrap(&err, "the document on the relay does not fit this link");
        refuse(session, REFUSE_AUTH, &err, now_ms);
        return;
    }
    session->has_genesis = true;
    buf_add_bytes(&session->genesis_stored, record->whole);
    session->port.genesis(session->port.self, &session->genesis, record->whole);
}

/* The base of an empty document needs no record. */
static void settle_empty_base(struct session *session, uint64_t now_ms)
{
    if (session->has_genesis && !session->has_base && session->genesis.base_len == 0)
        base_is_whole(session, now_ms);
}

static bool open_base(struct session *session, const struct record *record, uint64_t *chunk, struct buf *bytes,
                      struct error *err)
{
    if (!session->has_genesis)
        return error_set(err, ERR_FORMAT, 0, "base text before the document's beginning");
    if (!record_verify(record, &session->keys.doc, &session->genesis.admin, NULL))
        return error_set(err, ERR_AUTH, 0, "base text that its owner did not sign");
    return base_open(record, &session->keys, chunk, bytes, err);
}

static bool add_base(struct session *session, uint64_t chunk, struct bytes bytes, struct error *err)
{
    uint64_t next = session->base.len / BASE_CHUNK_BYTES;
    if (chunk < next)
        return true; /* a duplicate */
    if (chunk > next || bytes.len > session->genesis.base_len - session->base.len)
        return error_set(err, ERR_FORMAT, 0, "base text out of order");
    buf_add_bytes(&session->base, bytes);
    return true;
}

static void take_base(struct session *session, const struct record *record, uint64_t now_ms)
{
    struct error err = {0};
    struct buf bytes = {0};
    uint64_t chunk = 0;

    if (session->has_base)
        return;
    bool added = open_base(session, record, &chunk, &bytes, &err) && add_base(session, chunk, buf_view(&bytes), &err);
    buf_release(&bytes);
    if (!added)
        drop_broken(session, &err, now_ms);
    else if (session->base.len == session->genesis.base_len)
        base_is_whole(session, now_ms);
    else
        session->port.base(session->port.self, session->base.len, session->genesis.base_len, (struct bytes){0});
}

static void take_member(struct session *session, const struct record *record, uint64_t now_ms)
{
    struct member member;
    struct error err = {0};

    (void)now_ms;
    upload_relay_has(session->upload, &record->agent, 0);
    if (roster_find(&session->roster, &record->agent))
        return;
    if (!member_open(record, &session->keys, &session->genesis.write, &member, &err)) {
        on_refused(session, &record->agent, false, &err);
        return;
    }
    if (roster_add(&session->roster, &member, record->whole))
        session->port.member(session->port.self, &member, record->whole, &session->safe);
}

static void take_events(struct session *session, uint64_t place, const struct record *record, uint64_t now_ms)
{
    struct error err = {0};
    switch (inbox_take(session->inbox, place, record, now_ms)) {
    case INBOX_TAKEN:
        break;
    case INBOX_REFUSED:
    case INBOX_KNOWN:
        upload_relay_has(session->upload, &record->agent, record->seq0 + record->count);
        break;
    case INBOX_EARLY:
        upload_relay_has(session->upload, &record->agent, record->seq0 + record->count);
        if (session->gap_check_ms == UINT64_MAX)
            session->gap_check_ms = now_ms + SESSION_GAP_MS;
        break;
    case INBOX_FULL:
        error_set(&err, ERR_LIMIT, 0, "the relay sends much that builds on edits it does not send");
        session->gap_since_ms = session->gap_since_ms ? session->gap_since_ms : now_ms;
        session->safe.place = 0;
        drop(session, &err, now_ms);
        break;
    }
}

static void take_record(struct session *session, const struct place_record *item, uint64_t now_ms)
{
    struct record record;
    struct error err = {0};

    if (!record_decode(item->stored, &record, &err)) {
        if (err.code == ERR_NEWER)
            refuse(session, REFUSE_PROTOCOL, &err, now_ms);
        else
            drop_broken(session, &err, now_ms);
        return;
    }
    session->last.place = item->place;
    record_hash(item->stored, &session->last.hash);
    switch (record.kind) {
    case RECORD_GENESIS:
        take_genesis(session, &record, now_ms);
        settle_empty_base(session, now_ms);
        break;
    case RECORD_BASE:
        take_base(session, &record, now_ms);
        break;
    case RECORD_MEMBER:
        if (session->has_genesis)
            take_member(session, &record, now_ms);
        break;
    case RECORD_EVENTS:
        if (session->has_base)
            take_events(session, item->place, &record, now_ms);
        break;
    default: /* kinds come from outside: an optional one that this weft has no use for */
        break;
    }
}

static void take_records(struct session *session, const struct message *message, uint64_t now_ms)
{
    for (size_t i = 0; i < message->records.count && session->talk == TALK_LIVE; i++) {
        take_record(session, &message->records.items[i], now_ms);
        if (session->talk == TALK_LIVE)
            inbox_settle(session->inbox);
    }
    if (session->talk == TALK_LIVE && session->has_base)
        advance(session);
}

/* --- the rest of what a relay says --- */

static void take_presence(struct session *session, struct bytes sealed, uint64_t now_ms)
{
    struct presence presence = {0};
    struct error err = {0};
    if (!presence_open(sealed, &session->keys, &presence, &err) || agent_id_equal(&presence.agent, &session->self))
        return; /* nothing is lost by an unreadable one: the next comes in two seconds */
    const struct session_peer *peer = peers_hear(&session->peers, &session->roster, &presence, now_ms);
    if (peer)
        session->port.peer(session->port.self, peer);
}

static void take_pong(struct session *session, uint64_t nonce, uint64_t now_ms)
{
    if (nonce != session->ping_nonce || nonce == 0)
        return;
    uint64_t rtt_ms = now_ms - session->ping_ms;
    session->rtt_ms = rtt_ms > 0 ? (unsigned)rtt_ms : 1;
    session->ping_nonce = 0;
}

static void send_pong(struct session *session, uint64_t nonce)
{
    struct message pong = {.kind = MESSAGE_PONG, .ping = {nonce}};
    if (session->out.count < 16) /* pings without end must not fill our memory */
        send_message(session, &pong);
}

static void take_live(struct session *session, const struct message *message, uint64_t now_ms)
{
    switch (message->kind) {
    case MESSAGE_RECORDS:
        take_records(session, message, now_ms);
        break;
    case MESSAGE_CAUGHT_UP:
        session->caught_up = true;
        session->gap_check_ms = now_ms + SESSION_GAP_MS;
        break;
    case MESSAGE_ACK:
        upload_ack(session->upload, message->ack.ordinal);
        break;
    case MESSAGE_REJECT:
        upload_reject(session->upload, message->reject.ordinal, message->reject.code, message->reject.text, now_ms);
        break;
    case MESSAGE_PRESENCE:
        take_presence(session, message->presence.sealed, now_ms);
        break;
    case MESSAGE_PEERS:
        set_peers(session, message->peers.count);
        break;
    case MESSAGE_MOVED:
        session->port.moved(session->port.self, message->moved.link);
        break;
    case MESSAGE_CHALLENGE:
    case MESSAGE_HELLO:
    case MESSAGE_RESUME:
    case MESSAGE_WELCOME:
    case MESSAGE_REFUSE:
    case MESSAGE_REOFFER:
    case MESSAGE_PING:
    case MESSAGE_PONG:
    case MESSAGE_DELETE:
        break; /* taken before, or refused by message_decode() */
    }
}

static void take_message(struct session *session, const struct message *message, uint64_t now_ms)
{
    struct error err = {0};
    if (message->kind == MESSAGE_CHALLENGE)
        take_challenge(session, message, now_ms);
    else if (message->kind == MESSAGE_WELCOME)
        take_welcome(session, message, now_ms);
    else if (message->kind == MESSAGE_REFUSE)
        take_refuse(session, message, now_ms);
    else if (message->kind == MESSAGE_PING)
        send_pong(session, message->ping.nonce);
    else if (message->kind == MESSAGE_PONG)
        take_pong(session, message->ping.nonce, now_ms);
    else if (session->talk == TALK_LIVE)
        take_live(session, message, now_ms);
    else if (message->kind != MESSAGE_PEERS && message->kind != MESSAGE_PRESENCE) {
        error_set(&err, ERR_FORMAT, 0, "records before the welcome");
        drop_broken(session, &err, now_ms);
    }
}

/* --- what is due --- */

static uint64_t pace_ms(const struct session *session)
{
    if (session->peer_count <= 1)
        return SESSION_FLUSH_ALONE_MS;
    return session->rtt_ms > SESSION_SLOW_RTT_MS ? SESSION_FLUSH_SLOW_MS : SESSION_FLUSH_MS;
}

static bool wants_proof_soon(const struct session *session, uint64_t now_ms)
{
    return session->peer_count > 1 || (session->active_ms && now_ms - session->active_ms < SESSION_ACTIVE_MS);
}

static uint64_t ping_due_ms(const struct session *session, uint64_t now_ms)
{
    if (session->talk != TALK_LIVE || session->ping_nonce)
        return UINT64_MAX;
    uint64_t quiet_since = session->heard_ms > session->ping_ms ? session->heard_ms : session->ping_ms;
    uint64_t soon = quiet_since + (wants_proof_soon(session, now_ms) ? SESSION_PING_MS : SESSION_PING_IDLE_MS);
    uint64_t rtt_stale = session->ping_ms + SESSION_PING_IDLE_MS; /* a round trip is measured now and then in any case */
    return soon < rtt_stale ? soon : rtt_stale;
}

static void ping(struct session *session, uint64_t now_ms)
{
    if (now_ms < ping_due_ms(session, now_ms))
        return;
    session->ping_nonce = ++session->ping_count;
    session->ping_ms = now_ms;
    struct message message = {.kind = MESSAGE_PING, .ping = {session->ping_nonce}};
    send_message(session, &message);
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
    return session->ping_nonce || upload_counts(session->upload).in_flight_bytes > 0;
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
        drop(session, &err, now_ms);
    }
}

static bool is_silent(const struct session *session, uint64_t now_ms)
{
    return session->waiting_since_ms && now_ms - session->waiting_since_ms >= SESSION_SILENT_MS;
}

static bool same_view(const struct session_view *a, const struct session_view *b)
{
    bool same = a->head_count == b->head_count && a->has_cursor == b->has_cursor && a->cursor == b->cursor &&
                a->anchor == b->anchor && a->events_seen == b->events_seen && a->flags == b->flags;
    for (size_t i = 0; same && i < a->head_count; i++)
        same = a->heads[i].seq == b->heads[i].seq && agent_id_equal(&a->heads[i].agent, &b->heads[i].agent);
    return same;
}

static uint64_t presence_due_ms(const struct session *session)
{
    if (session->talk != TALK_LIVE || session->peer_count <= 1)
        return UINT64_MAX;
    bool soon = session->card_due || session->show_due;
    return session->shown_ms + (soon ? SESSION_PRESENCE_GAP_MS : SESSION_PRESENCE_BEAT_MS);
}

static void send_presence(struct session *session, unsigned flags, uint64_t now_ms)
{
    struct buf sealed = {0};
    struct presence presence = {
        .agent = session->self,
        .counter = ++session->presence_counter,
        .flags = flags | (session->keys.access < ACCESS_WRITE ? PRESENCE_VIEWER : 0),
        .doc_key = session->doc_key.public_key,
        .has_card = session->card_due,
        .device_key = session->device.key.public_key,
        .certificate = session->certificate,
        .head_count = session->view.head_count,
        .has_cursor = session->view.has_cursor,
        .cursor = session->view.cursor,
        .anchor = session->view.anchor,
        .events_seen = session->view.events_seen,
    };
    memcpy(presence.name, session->name, sizeof presence.name);
    memcpy(presence.heads, session->view.heads, sizeof presence.heads);
    presence_seal(&presence, &session->keys, &session->doc_key, &sealed);
    struct message message = {.kind = MESSAGE_PRESENCE, .presence = {buf_view(&sealed)}};
    send_message(session, &message);
    buf_release(&sealed);
    session->shown = session->view;
    session->card_due = session->show_due = false;
    session->shown_ms = now_ms;
}

static void show(struct session *session, uint64_t now_ms)
{
    if (now_ms < presence_due_ms(session) || !has_room(session))
        return;
    send_presence(session, session->view.flags, now_ms);
}

static void age_peers(struct session *session, uint64_t now_ms)
{
    const struct session_peer *changed;
    while ((changed = peers_age(&session->peers, session->talk == TALK_LIVE, now_ms)))
        session->port.peer(session->port.self, changed);
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
    error_set(&err, ERR_MISSING, 0, "the relay withholds edits: it has been asked for all it has, and something is missing");
    session->port.alarm(session->port.self, ALARM_WITHHELD, agent, &err);
    session->gap_told = true;
}

/* Something is missing although the relay had its time: ask for everything that exceeds our vector, in a new connection. */
static void watch_gap(struct session *session, uint64_t now_ms)
{
    struct error err = {0};
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
    session->safe.place = 0;
    error_set(&err, ERR_MISSING, 0, "edits are missing: asking the relay again");
    drop(session, &err, now_ms);
}

static void run(struct session *session, uint64_t now_ms)
{
    session->ran_ms = now_ms;
    if (session->talk == TALK_LIVE) {
        upload_run(session->upload, pace_ms(session), now_ms);
        show(session, now_ms);
        ping(session, now_ms);
        watch_gap(session, now_ms);
    }
    age_peers(session, now_ms);
    watch_silence(session, now_ms);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t silence_next_ms(const struct session *session)
{
    uint64_t since_ms = session->waiting_since_ms;
    if (since_ms == 0)
        return UINT64_MAX;
    return session->ran_ms < since_ms + SESSION_SILENT_MS ? since_ms + SESSION_SILENT_MS : since_ms + SESSION_DEAD_MS;
}

uint64_t session_next_ms(const struct session *session)
{
    uint64_t next = peers_next_ms(&session->peers, session->talk == TALK_LIVE);
    if (session->talk == TALK_NONE)
        return next;
    next = earlier(next, silence_next_ms(session));
    if (session->talk != TALK_LIVE)
        return next;
    next = earlier(next, upload_next_ms(session->upload, pace_ms(session)));
    next = earlier(next, earlier(ping_due_ms(session, session->ran_ms), session->gap_check_ms));
    return session->out.count == 0 ? earlier(next, presence_due_ms(session)) : next;
}

/* --- the doors --- */

void session_connected(struct session *session, uint64_t now_ms)
{
    end_talk(session, now_ms);
    session->talk = TALK_CHALLENGE;
    session->heard_ms = session->ping_ms = now_ms;
    session->waiting_since_ms = now_ms;
    session->refuse_code = 0;
}

void session_receive(struct session *session, struct bytes frame, uint64_t now_ms)
{
    struct message message = {0};
    struct error err = {0};

    if (session->talk == TALK_NONE)
        return;
    session->heard_ms = now_ms;
    session->waiting_since_ms = 0;
    if (message_decode(frame, MESSAGE_BY_RELAY, &session->numbers_in, &message, &err))
        take_message(session, &message, now_ms);
    else
        drop_broken(session, &err, now_ms);
    message_release(&message);
    run(session, now_ms);
}

void session_writable(struct session *session, uint64_t now_ms)
{
    if (session->talk == TALK_NONE)
        return;
    send_waiting(session);
    run(session, now_ms);
}

void session_disconnected(struct session *session, uint64_t now_ms)
{
    end_talk(session, now_ms);
    run(session, now_ms);
}

void session_tick(struct session *session, uint64_t now_ms)
{
    run(session, now_ms);
}

void session_local(struct session *session, const struct local_batch *batch, uint64_t now_ms)
{
    session->active_ms = now_ms;
    upload_local(session->upload, batch, now_ms);
    run(session, now_ms);
}

void session_persisted(struct session *session, uint64_t ticket, uint64_t now_ms)
{
    upload_persisted(session->upload, ticket);
    run(session, now_ms);
}

void session_fetched(struct session *session, const struct agent_id *agent, const struct bytes *stored, size_t count,
                     bool more, uint64_t now_ms)
{
    upload_fetched(session->upload, agent, stored, count, more);
    run(session, now_ms);
}

void session_delete_document(struct session *session, uint64_t now_ms)
{
    session->delete_due = true;
    if (session->talk == TALK_LIVE)
        send_delete(session);
    run(session, now_ms);
}

void session_present(struct session *session, const struct session_view *view, uint64_t now_ms)
{
    session->view = *view;
    session->active_ms = now_ms;
    session->show_due = !session->ever_shown || !same_view(view, &session->shown);
    session->ever_shown = true;
    run(session, now_ms);
}

void session_leave(struct session *session, uint64_t now_ms)
{
    if (session->talk != TALK_LIVE)
        return;
    upload_hurry(session->upload);
    run(session, now_ms);
    if (session->talk == TALK_LIVE && session->peer_count > 1)
        send_presence(session, session->view.flags | PRESENCE_LEAVING, now_ms);
}

/* --- what there is to see --- */

size_t session_peers(const struct session *session, struct session_peer *out, size_t cap)
{
    size_t count = session->peers.count < cap ? session->peers.count : cap;
    memcpy(out, session->peers.items, count * sizeof *out);
    return count;
}

uint64_t session_counter(const struct session *session)
{
    return upload_counter(session->upload);
}

static enum session_state state_of(const struct session *session, uint64_t now_ms)
{
    if (session->refuse_code)
        return SESSION_REFUSED;
    if (session->talk == TALK_NONE || is_silent(session, now_ms))
        return SESSION_OFFLINE;
    return session->talk == TALK_LIVE ? SESSION_ONLINE : SESSION_CONNECTING;
}

static void base_status(const struct session *session, const struct upload_counts *counts, struct session_status *out)
{
    out->base_done = counts->base_done;
    out->base_total = counts->base_total;
    if (session->has_base)
        return;
    out->base_done = session->base.len;
    out->base_total = session->has_genesis ? session->genesis.base_len : 0;
}

void session_status(const struct session *session, uint64_t now_ms, struct session_status *out)
{
    struct upload_counts counts = upload_counts(session->upload);
    *out = (struct session_status){
        .state = state_of(session, now_ms),
        .caught_up = session->caught_up,
        .unacked_edits = counts.edits,
        .unacked_batches = counts.batches,
        .oldest_unacked_ms = counts.oldest_ms,
        .last_heard_ms = session->heard_ms,
        .rtt_ms = session->rtt_ms,
        .peers = session->peer_count,
        .refuse_code = session->refuse_code,
        .retry_ms = session->retry_ms,
        .why = session->why,
    };
    base_status(session, &counts, out);
    out->idle = out->state == SESSION_ONLINE && !wants_proof_soon(session, now_ms);
    if (out->state != SESSION_OFFLINE)
        return;
    out->offline_since_ms = session->talk == TALK_NONE ? session->offline_since_ms : session->waiting_since_ms;
    if (session->talk != TALK_NONE)
        error_set(&out->why, ERR_OFFLINE, 0, "the relay is silent");
}
