/* What the relay says: the handshake, and every message of a live connection. */
#include "sync/session_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

/* --- handshake --- */

/* Unpredictable to whoever has not this device's key, and never the same again: a relay's proof cannot be an old one. */
static void make_nonce(struct session *session, unsigned char out[MESSAGE_NONCE_BYTES])
{
    struct hasher hasher;
    struct digest digest;
    static_assert(sizeof digest.bytes == MESSAGE_NONCE_BYTES, "a digest is a nonce");
    hasher_init(&hasher, "weft-knock-1");
    hasher_add(&hasher, session->doc_key.seed, sizeof session->doc_key.seed);
    hasher_add(&hasher, session->self.bytes, sizeof session->self.bytes);
    hasher_add_u64(&hasher, session->seed);
    hasher_add_u64(&hasher, ++session->knocks);
    hasher_digest(&hasher, &digest);
    memcpy(out, digest.bytes, MESSAGE_NONCE_BYTES);
}

void session_knock(struct session *session)
{
    struct handshake *handshake = &session->handshake;
    struct message message = {.kind = MESSAGE_KNOCK};
    *handshake = (struct handshake){.client_low = MESSAGE_PROTOCOL_LOW,
                                    .client_high = MESSAGE_PROTOCOL_HIGH,
                                    .doc = session->keys.doc};
    make_nonce(session, handshake->client_nonce);
    message.knock.low = handshake->client_low;
    message.knock.high = handshake->client_high;
    message.knock.doc = handshake->doc;
    memcpy(message.knock.nonce, handshake->client_nonce, sizeof message.knock.nonce);
    session_send(session, &message);
}

static bool is_pinned_relay(const struct session *session, const struct sign_public *key)
{
    unsigned char hash[CRYPTO_SHORT_HASH_BYTES];
    crypto_blake2b_128(bytes_of(key->bytes, sizeof key->bytes), hash);
    return !session->pinned || memcmp(hash, session->relay_pin, sizeof hash) == 0;
}

/* Whoever stands in between with a certificate of his own can pass the relay's words on, but not change what they name. */
static bool shows_its_certificate(const struct session *session, const struct digest *named)
{
    static const struct digest none;
    return session->vouched || digest_equal(named, &none) || digest_equal(named, &session->seen_certificate);
}

/* Why this is not the relay to talk to; false: it is. */
static bool relay_fault(const struct session *session, const struct message *message, struct error *err)
{
    struct digest digest;
    challenge_digest(&session->handshake, &digest);
    if (!is_pinned_relay(session, &message->challenge.relay_key))
        error_set(err, ERR_AUTH, 0, "this is not the relay the link names (its key is another): nothing was sent to it; ask "
                                    "for a new link if the relay was set up anew");
    else if (!crypto_verify_digest(&message->challenge.relay_key, &digest, &message->challenge.proof))
        error_set(err, ERR_AUTH, 0, "the relay cannot prove that its key is its own: somebody else answers in its place; "
                                    "nothing was sent to it");
    else if (!shows_its_certificate(session, &message->challenge.certificate))
        error_set(err, ERR_AUTH, 0, "somebody stands between here and the relay (the certificate is not the relay's): nothing "
                                    "was sent");
    return err->code != ERR_NONE;
}

static void send_hello(struct session *session)
{
    bool creates = session->create && session->has_genesis;
    struct digest digest;
    struct message hello = {.kind = MESSAGE_HELLO};

    hello.hello.device_key = session->doc_key.public_key;
    hello_digest(&session->handshake, &session->doc_key.public_key, creates, &digest);
    crypto_sign_digest(&session->doc_key, &digest, &hello.hello.device_proof);
    crypto_sign_digest(&session->keys.read_key, &digest, &hello.hello.read_proof);
    hello.hello.genesis = creates ? buf_view(&session->genesis_stored) : (struct bytes){0};
    hello.hello.token = creates ? buf_view(&session->token) : (struct bytes){0};
    session_send(session, &hello);
}

/*
 * The vector says of which agents nothing need be sent. Of one whose writing the relay has not acknowledged it says nothing:
 * should somebody else have written under these numbers (our own copy), we must get to see it. For the same reason it says
 * nothing at all when the whole log is wanted.
 */
static void send_resume(struct session *session)
{
    size_t head_count = 0, count = 0;
    struct chain_head *heads = chain_heads(session->chain, &head_count);
    struct vector_entry *vector = xmalloc((head_count + 1) * sizeof *vector);
    for (size_t i = 0; i < head_count && count < MESSAGE_VECTOR_MAX && !session->whole; i++)
        if (!upload_owes(session->upload, &heads[i].agent))
            vector[count++] = (struct vector_entry){heads[i].agent, heads[i].next_seq};
    struct message resume = {.kind = MESSAGE_RESUME};
    if (!session->coming.wanted) /* a log of zeros asks for a checkpoint */
        resume.resume.log = session->safe.log;
    resume.resume.place = session->whole ? 0 : session->safe.place;
    resume.resume.hash = session->safe.hash;
    if (session->coming.wanted && session->safe.place == 0 && session->keys.access >= ACCESS_WRITE)
        resume.resume.hash = RESUME_CHECKS_GRANTS;
    resume.resume.vector = vector;
    resume.resume.vector_count = count;
    session_send(session, &resume);
    free(vector);
    free(heads);
}

static void keep_challenge(struct handshake *handshake, const struct message *message)
{
    handshake->relay_low = message->challenge.low;
    handshake->relay_high = message->challenge.high;
    handshake->relay_key = message->challenge.relay_key;
    handshake->certificate = message->challenge.certificate;
    memcpy(handshake->relay_nonce, message->challenge.nonce, sizeof handshake->relay_nonce);
}

static void take_challenge(struct session *session, const struct message *message, uint64_t now_ms)
{
    unsigned low = message->challenge.low, high = message->challenge.high;
    struct error err = {0};

    if (session->talk != TALK_CHALLENGE) {
        error_set(&err, ERR_FORMAT, 0, "a second challenge");
        session_drop_broken(session, &err, now_ms);
        return;
    }
    if (low > MESSAGE_PROTOCOL_HIGH || high < MESSAGE_PROTOCOL_LOW) {
        message_no_protocol(session->relay_name, low > MESSAGE_PROTOCOL_HIGH ? low : high, &err);
        session->retry_ms = SESSION_PROTOCOL_RETRY_MS;
        session_refuse(session, REFUSE_PROTOCOL, &err, now_ms);
        return;
    }
    keep_challenge(&session->handshake, message);
    if (relay_fault(session, message, &err)) {
        session_refuse(session, REFUSE_AUTH, &err, now_ms);
        return;
    }
    session->relay_proved = true;
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

void session_send_delete(struct session *session)
{
    struct digest digest;
    struct message message = {.kind = MESSAGE_DELETE};
    if (!session->delete_due || session->keys.access < ACCESS_ADMIN)
        return;
    delete_digest(&session->handshake, &digest);
    crypto_sign_digest(&session->keys.admin_key, &digest, &message.delete_request.proof);
    session_send(session, &message);
    session->delete_due = false;
}

void session_send_move(struct session *session)
{
    struct message message = {.kind = MESSAGE_MOVED};
    struct digest digest;
    if (session->move_place.len == 0 || session->keys.access < ACCESS_ADMIN)
        return;
    message.moved.moved_s = session->move_s;
    message.moved.place = buf_view(&session->move_place);
    moved_digest(&session->keys.doc, session->move_s, message.moved.place, &digest);
    crypto_sign_digest(&session->keys.admin_key, &digest, &message.moved.proof);
    session_send(session, &message);
    buf_clear(&session->move_place);
}

/* Only the owner's word counts; a relay that says something else wants people somewhere else. */
static void take_moved(struct session *session, const struct message *message)
{
    struct digest digest;
    moved_digest(&session->keys.doc, message->moved.moved_s, message->moved.place, &digest);
    if (session->has_genesis && crypto_verify_digest(&session->genesis.admin, &digest, &message->moved.proof))
        session->port.moved(session->port.self, message->moved.moved_s, message->moved.place);
}

static void take_welcome(struct session *session, const struct message *message, uint64_t now_ms)
{
    struct error err = {0};
    if (session->talk != TALK_WELCOME) {
        error_set(&err, ERR_FORMAT, 0, "a welcome out of turn");
        session_drop_broken(session, &err, now_ms);
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
    upload_welcome(session->upload, message->welcome.vector, message->welcome.vector_count, message->welcome.head,
                   now_ms);
    session_send_delete(session);
    session_send_move(session);
}

/* What a relay says when all is well but not now: the caller comes back by itself. */
static bool is_passing(unsigned code)
{
    return code == REFUSE_LIMIT || code == REFUSE_RESUME || code == REFUSE_STOPPING || code == REFUSE_ORDER;
}

static void take_refuse(struct session *session, const struct message *message, uint64_t now_ms)
{
    enum { WORDS_CELLS = 200 };
    struct error err = {0};
    struct buf words = {0};
    unsigned code = message->refuse.code;

    unicode_safe_label(message->refuse.text, WORDS_CELLS, &words); /* a relay's words are shown to people, not obeyed */
    error_set(&err, code == REFUSE_AUTH ? ERR_AUTH : ERR_OFFLINE, (int)code, "%s says: %s", session->relay_name,
              buf_string(&words));
    buf_release(&words);
    session->retry_ms = message->refuse.retry_ms;
    if (code == REFUSE_PROTOCOL && session->retry_ms < SESSION_PROTOCOL_RETRY_MS)
        session->retry_ms = SESSION_PROTOCOL_RETRY_MS;
    if (is_passing(code))
        session_drop(session, &err, now_ms);
    else
        session_refuse(session, code, &err, now_ms);
}

/* --- the rest of what a relay says --- */

/* A copy is nobody else, but may have written something else. Whoever reads can name our agent; our key only a copy has. */
static bool is_copy_of_us(const struct session *session, const struct presence *presence)
{
    const struct sign_public *ours = &session->doc_key.public_key;
    return memcmp(presence->doc_key.bytes, ours->bytes, sizeof ours->bytes) == 0;
}

static void take_presence(struct session *session, struct bytes sealed, uint64_t now_ms)
{
    struct presence presence = {0};
    struct error err = {0};
    if (!presence_open(sealed, &session->keys, &presence, &err))
        return; /* nothing is lost by an unreadable one: the next comes in two seconds */
    if (agent_id_equal(&presence.agent, &session->self)) {
        if (is_copy_of_us(session, &presence))
            session_compare(session, &presence, now_ms);
        return;
    }
    bool unseen = presence.flags & PRESENCE_UNSEEN;
    const struct session_peer *peer =
        unseen ? NULL : peers_hear(&session->peers, &session->roster, &presence, now_ms);
    if ((unseen || peer) && presence.flags & PRESENCE_NO_BASE)
        upload_offer_base(session->upload, now_ms);
    if (!peer)
        return;
    if (peer->state == PEER_GONE)
        session_await_no_more(session, &presence.agent);
    else if (peer->writer && !(presence.flags & PRESENCE_UNSENT))
        session_await(session, &presence, now_ms);
    if (peer->state != PEER_GONE && peer->writer)
        session_compare(session, &presence, now_ms);
    if (peer->state != PEER_GONE)
        session_note_lag(session, &presence, now_ms);
    session->port.peer(session->port.self, peer);
}

static void take_pong(struct session *session, uint64_t nonce, uint64_t now_ms)
{
    if (nonce != session->ping_nonce || nonce == 0)
        return;
    uint64_t rtt_ms = now_ms - session->ping_ms;
    session->rtt_ms = rtt_ms > 0 ? (unsigned)rtt_ms : 1;
    session->ping_nonce = 0;
    session->was_silent = false;
}

static void send_pong(struct session *session, uint64_t nonce)
{
    struct message pong = {.kind = MESSAGE_PONG, .ping = {nonce}};
    if (session->out.count < 16) /* pings without end must not fill our memory */
        session_send(session, &pong);
}

/* The resume point follows our own records too: else the relay would send them to whoever comes back owing it more. */
static void take_ack(struct session *session, uint64_t ordinal, uint64_t place)
{
    struct digest hash;
    if (place > session->last.place && upload_sent_hash(session->upload, ordinal, &hash)) {
        session->last.place = place;
        session->last.hash = hash;
        session_advance(session);
    }
    upload_ack(session->upload, ordinal);
}

static void take_live(struct session *session, const struct message *message, uint64_t now_ms)
{
    switch (message->kind) {
    case MESSAGE_RECORDS:
        session_take_records(session, message, now_ms);
        break;
    case MESSAGE_CAUGHT_UP:
        session->caught_up = true;
        upload_caught_up(session->upload);
        session->whole = false;
        session->base_heard_ms = now_ms;
        session->gap_check_ms = now_ms + SESSION_GAP_MS;
        break;
    case MESSAGE_ACK:
        take_ack(session, message->ack.ordinal, message->ack.place);
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
        take_moved(session, message);
        break;
    case MESSAGE_KNOCK:
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

void session_take_message(struct session *session, const struct message *message, uint64_t now_ms)
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
        session_drop_broken(session, &err, now_ms);
    }
}
