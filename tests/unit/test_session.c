/* The client's half of weft.1 against a relay played frame by frame: handshake, proof of life, presence. */
#include "tests/support/support.h"

#include <string.h>

#include "tests/support/session_room.h"

/* --- handshake --- */

static void a_challenge_is_answered_by_hello_and_resume(void **state)
{
    struct room *room = *state;
    struct digest digest;
    session_connected(room->session, &ROOM_RELAY, room->now_ms);
    struct handshake handshake = room_hear_knock(room);
    struct message challenge = room_make_challenge(&handshake, &handshake, &room->relay_key);
    room_says(room, &challenge);
    const struct message *hello = room_expect_kind(room, MESSAGE_HELLO);
    hello_digest(&handshake, &hello->hello.device_key, false, &digest);
    assert_true(crypto_verify_digest(&hello->hello.device_key, &digest, &hello->hello.device_proof));
    assert_true(crypto_verify_digest(&room->keys.read_key.public_key, &digest, &hello->hello.read_proof));
    room_expect_kind(room, MESSAGE_RESUME);
    assert_int_equal(room_status(room).state, SESSION_CONNECTING);
}

static void a_relay_of_another_protocol_is_refused_in_words(void **state)
{
    struct room *room = *state;
    struct message message = {.kind = MESSAGE_CHALLENGE};
    message.challenge.low = message.challenge.high = 2; /* whatever else it would want to say */
    session_connected(room->session, &ROOM_RELAY, room->now_ms);
    room_says(room, &message);
    assert_int_equal(room->dropped, 1);
    assert_int_equal(room_status(room).state, SESSION_REFUSED);
    assert_int_equal(room_status(room).refuse_code, REFUSE_PROTOCOL);
    assert_string_equal(room->why.text, "relay.example speaks weft.2, this is weft.1: update weft");
    assert_int_equal(room_status(room).retry_ms, SESSION_PROTOCOL_RETRY_MS);
}

static void so_is_one_that_says_it_before_there_is_a_connection(void **state)
{
    struct room *room = *state;
    struct error why = {0};
    message_no_protocol("relay.example", 2, &why);
    session_no_protocol(room->session, &why, room->now_ms);
    assert_int_equal(room_status(room).state, SESSION_REFUSED);
    assert_int_equal(room_status(room).refuse_code, REFUSE_PROTOCOL);
    assert_string_equal(room_status(room).why.text, "relay.example speaks weft.2, this is weft.1: update weft");
    assert_int_equal(room_status(room).retry_ms, SESSION_PROTOCOL_RETRY_MS);
    room_connect(room, (struct room_welcome){.peers = 1}); /* it was updated */
    assert_int_equal(room_status(room).state, SESSION_ONLINE);
}

static void only_the_owners_word_moves_the_document(void **state)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {0xdd};
    struct room *room = *state;
    struct sign_key other;
    struct digest digest;
    sign_key_from_seed(&other, seed);
    room_connect(room, (struct room_welcome){.peers = 1});
    struct message message = {.kind = MESSAGE_MOVED, .moved = {.moved_s = 77, .place = bytes_of_string("wss://new.example")}};
    moved_digest(&room->keys.doc, 77, message.moved.place, &digest);
    crypto_sign_digest(&other, &digest, &message.moved.proof);
    room_says(room, &message);
    assert_int_equal(room->moved_s, 0);
    crypto_sign_digest(&room->keys.admin_key, &digest, &message.moved.proof);
    message.moved.place = bytes_of_string("wss://evil.example");
    room_says(room, &message);
    assert_int_equal(room->moved_s, 0);
    message.moved.place = bytes_of_string("wss://new.example");
    room_says(room, &message);
    assert_int_equal(room->moved_s, 77);
    assert_string_equal(room->moved, "wss://new.example");
}

/* The session heard this challenge and ended the connection; it said nothing but KNOCK on it. */
static void expect_relay_refused(struct room *room, const char *why)
{
    assert_int_equal(room->dropped, 1);
    assert_null(room_hears(room));
    assert_int_equal(room_status(room).state, SESSION_REFUSED);
    assert_int_equal(room_status(room).refuse_code, REFUSE_AUTH);
    assert_non_null(strstr(room->why.text, why));
    room->dropped = 0;
}

static void pin_relay(struct room *room)
{
    struct sign_public *key = &room->relay_key.public_key;
    room->config.pinned = true;
    crypto_blake2b_128(bytes_of(key->bytes, sizeof key->bytes), room->config.relay_pin);
    room->config.token = bytes_of_string("secret token");
    room_restart(room);
}

static void a_relay_with_another_key_than_the_pinned_one_hears_nothing(void **state)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {0xee};
    struct room *room = *state;
    pin_relay(room);
    sign_key_from_seed(&room->relay_key, seed);
    session_connected(room->session, &ROOM_RELAY, room->now_ms);
    room_say_challenge(room);
    expect_relay_refused(room, "not the relay the link names");
}

static void who_names_the_pinned_key_without_holding_it_hears_nothing(void **state)
{
    static const unsigned char seed[CRYPTO_SEED_BYTES] = {0xee};
    struct room *room = *state;
    struct sign_key own;
    pin_relay(room);
    sign_key_from_seed(&own, seed);
    session_connected(room->session, &ROOM_RELAY, room->now_ms);
    struct handshake handshake = room_hear_knock(room);
    struct message challenge = room_make_challenge(&handshake, &handshake, &own);
    room_says(room, &challenge);
    expect_relay_refused(room, "cannot prove");
}

static void a_proof_of_another_connection_document_or_version_is_refused(void **state)
{
    struct room *room = *state;
    struct handshake before = {0};
    pin_relay(room);
    for (int what = 0; what < 4; what++) {
        session_connected(room->session, &ROOM_RELAY, room->now_ms);
        struct handshake now = room_hear_knock(room), proved = now;
        if (what == 1)
            proved = before; /* replayed, as it was said */
        if (what == 2)
            proved.doc.bytes[0] ^= 1;
        if (what == 3)
            proved.relay_high++; /* somebody in between talks it down */
        struct message challenge = room_make_challenge(&now, &proved, &room->relay_key);
        room_says(room, &challenge);
        if (what > 0)
            expect_relay_refused(room, "cannot prove");
        else
            room_expect_kind(room, MESSAGE_HELLO);
        before = now;
        room_forget_out(room);
    }
}

static void a_certificate_that_is_not_the_relays_is_refused(void **state)
{
    struct room *room = *state;
    struct digest shown = {{1}}, other = {{2}};
    struct session_relay relay = {.name = "relay.example", .certificate = &shown};
    pin_relay(room);
    session_connected(room->session, &relay, room->now_ms);
    struct handshake handshake = room_hear_knock(room);
    handshake.certificate = other; /* the true relay's words, passed on by somebody with a certificate of his own */
    struct message challenge = room_make_challenge(&handshake, &handshake, &room->relay_key);
    room_says(room, &challenge);
    expect_relay_refused(room, "stands between");
    room_forget_out(room);

    session_connected(room->session, &relay, room->now_ms);
    handshake = room_hear_knock(room);
    handshake.certificate = shown;
    challenge = room_make_challenge(&handshake, &handshake, &room->relay_key);
    room_says(room, &challenge);
    room_expect_kind(room, MESSAGE_HELLO);
}

static void a_refusal_is_told_with_its_code(void **state)
{
    struct room *room = *state;
    session_connected(room->session, &ROOM_RELAY, room->now_ms);
    room_say_challenge(room);
    struct message refuse = {.kind = MESSAGE_REFUSE};
    refuse.refuse.code = REFUSE_NO_DOCUMENT;
    refuse.refuse.text = bytes_of_string("no such \x1b[31mdocument\n");
    room_says(room, &refuse);
    assert_int_equal(room_status(room).state, SESSION_REFUSED);
    assert_string_equal(room_status(room).why.text, "relay.example says: no such ^[[31mdocument^J"); /* its words are data */
    assert_int_equal(room_status(room).refuse_code, REFUSE_NO_DOCUMENT);
}

static void noise_from_the_relay_ends_the_connection_only(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    session_receive(room->session, bytes_of_string("\xff noise"), room->now_ms);
    assert_int_equal(room->dropped, 1);
    assert_int_equal(room_status(room).state, SESSION_OFFLINE);
    room_connect(room, (struct room_welcome){.peers = 1});
    assert_int_equal(room_status(room).state, SESSION_ONLINE);
}

/* --- proof of life --- */

static void an_idle_session_wants_no_tick_for_25_seconds(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_say_caught_up(room);
    room_pass_time(room, SESSION_GAP_MS);
    uint64_t wait_ms = session_next_ms(room->session) - room->now_ms;
    assert_in_range(wait_ms, SESSION_PING_IDLE_MS - SESSION_GAP_MS - 1, SESSION_PING_IDLE_MS);
    assert_true(room_status(room).idle);
}

static void silence_is_offline_after_3_seconds_while_it_matters(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_pass_time(room, SESSION_PING_MS);
    room_expect_kind(room, MESSAGE_PING);
    assert_int_equal(room_status(room).state, SESSION_ONLINE);
    room_pass_time(room, SESSION_SILENT_MS - SESSION_PING_MS - 1);
    assert_int_equal(room_status(room).state, SESSION_ONLINE);
    assert_int_equal(session_next_ms(room->session), room->now_ms + 1); /* it is looked at in time */
    room_pass_time(room, 1);
    assert_int_equal(room_status(room).state, SESSION_OFFLINE);
    assert_int_equal(room->dropped, 0);
    room_says(room, &(struct message){.kind = MESSAGE_PONG, .ping = {1}});
    assert_int_equal(room_status(room).state, SESSION_ONLINE);
    assert_int_equal(room_status(room).rtt_ms, SESSION_SILENT_MS - SESSION_PING_MS);
}

/* What others wrote meanwhile is behind it: "caught up" is not said before that can have come. */
static void after_a_silence_it_is_caught_up_when_a_question_was_answered(void **state)
{
    struct room *room = *state;
    struct message peers = {.kind = MESSAGE_PEERS, .peers = {2}};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_caught_up(room);
    assert_true(room_status(room).caught_up);
    room_pass_time(room, SESSION_PING_MS);
    room_pass_time(room, SESSION_SILENT_MS - SESSION_PING_MS);
    assert_int_equal(room_status(room).state, SESSION_OFFLINE);
    room_says(room, &peers);
    assert_int_equal(room_status(room).state, SESSION_ONLINE);
    assert_false(room_status(room).caught_up);
    room_says(room, &(struct message){.kind = MESSAGE_PONG, .ping = {1}});
    assert_true(room_status(room).caught_up);
}

/* A key that changes nothing. */
static void press(struct room *room)
{
    struct session_view view = {.has_cursor = true};
    session_present(room->session, &view, room->now_ms);
}

static void say_pong(struct room *room)
{
    uint64_t nonce = room_expect_kind(room, MESSAGE_PING)->ping.nonce;
    room_says(room, &(struct message){.kind = MESSAGE_PONG, .ping = {nonce}});
}

static void alone_and_untouched_it_is_idle_and_asked_every_25_seconds(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    room_say_caught_up(room);
    press(room); /* for a minute it matters */
    for (unsigned ms = 0; ms < SESSION_ACTIVE_MS - SESSION_PING_MS; ms += SESSION_PING_MS) {
        assert_false(room_status(room).idle);
        room_pass_time(room, SESSION_PING_MS);
        say_pong(room);
    }
    room_pass_time(room, SESSION_PING_MS);
    assert_true(room_status(room).idle);
    room_forget_out(room);
    room_pass_time(room, SESSION_PING_IDLE_MS - SESSION_PING_MS - 1);
    assert_true(room_hears_none_of(room, MESSAGE_PING));
    assert_int_equal(room_status(room).state, SESSION_ONLINE); /* silent for long, and it does not matter */
    room_pass_time(room, SESSION_PING_MS + 1);
    say_pong(room);
    assert_true(room_status(room).idle);
    room_pass_time(room, SESSION_PING_IDLE_MS - 2);
    room_forget_out(room);
    press(room); /* now it does: from here on, not from the last byte */
    assert_int_equal(room_status(room).state, SESSION_ONLINE);
    room_expect_kind(room, MESSAGE_PING);
    room_pass_time(room, SESSION_SILENT_MS - 1);
    assert_int_equal(room_status(room).state, SESSION_ONLINE);
    room_pass_time(room, 1);
    assert_int_equal(room_status(room).state, SESSION_OFFLINE);
}

static void a_long_way_is_not_taken_for_silence(void **state)
{
    enum { WAY_MS = 1200 };
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 2});
    for (int i = 0; i < 20; i++) {
        while (room_hears_none_of(room, MESSAGE_PING)) {
            room_pass_time(room, 100);
            assert_true(i == 0 || room_status(room).state == SESSION_ONLINE);
        }
        room_pass_time(room, WAY_MS);
        assert_true(i == 0 || room_status(room).state == SESSION_ONLINE);
        room_says(room, &(struct message){.kind = MESSAGE_PONG, .ping = {(uint64_t)i + 1}});
    }
}

static void a_part_of_a_frame_is_proof_of_life(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_type(room, "a");
    for (unsigned ms = 0; ms < 3 * SESSION_DEAD_MS; ms += SESSION_SILENT_MS - 1) {
        room_pass_time(room, SESSION_SILENT_MS - 1);
        session_heard(room->session, room->now_ms);
        assert_int_equal(room_status(room).state, SESSION_ONLINE);
    }
    assert_int_equal(room->dropped, 0);
    room_pass_time(room, SESSION_SILENT_MS);
    assert_int_equal(room_status(room).state, SESSION_OFFLINE);
}

static void a_dead_connection_is_dropped(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 2});
    while (room->dropped == 0 && room->now_ms < 1100000)
        room_pass_time(room, session_next_ms(room->session) - room->now_ms);
    assert_in_range(room->now_ms - 1000000, SESSION_DEAD_MS, SESSION_DEAD_MS + SESSION_PING_MS + 1);
}

static void ticks_never_stand_still(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 3});
    room_type(room, "a");
    for (int i = 0; i < 200; i++) {
        uint64_t next_ms = session_next_ms(room->session);
        assert_true(next_ms > room->now_ms);
        if (next_ms == UINT64_MAX)
            break;
        room_pass_time(room, next_ms - room->now_ms);
    }
}

/* --- presence --- */

static struct session_view cursor_at(uint64_t cursor)
{
    return (struct session_view){.has_cursor = true, .cursor = cursor, .anchor = cursor};
}

static void show_cursor(struct room *room, uint64_t cursor)
{
    struct session_view view = cursor_at(cursor);
    session_present(room->session, &view, room->now_ms);
}

static void presence_waits_for_others_and_keeps_its_pace(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 1});
    show_cursor(room, 1);
    assert_true(room_hears_none_of(room, MESSAGE_PRESENCE));
    room_say_peers(room, 2);
    room_expect_kind(room, MESSAGE_PRESENCE);
    show_cursor(room, 2);
    show_cursor(room, 3);
    assert_true(room_hears_none_of(room, MESSAGE_PRESENCE));
    room_pass_time(room, SESSION_PRESENCE_GAP_MS);
    room_expect_kind(room, MESSAGE_PRESENCE);
    room_pass_time(room, SESSION_PRESENCE_BEAT_MS);
    room_expect_kind(room, MESSAGE_PRESENCE);
}

static void the_more_people_are_here_the_less_often_each_one_shows_himself(void **state)
{
    enum { PEOPLE = 50 };
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = PEOPLE});
    show_cursor(room, 1);
    room_expect_kind(room, MESSAGE_PRESENCE); /* with a card, which nobody waits for */
    show_cursor(room, 2);
    room_pass_time(room, SESSION_PRESENCE_GAP_MS);
    assert_true(room_hears_none_of(room, MESSAGE_PRESENCE));
    room_pass_time(room, PEOPLE * SESSION_PRESENCE_SHARE_MS - SESSION_PRESENCE_GAP_MS);
    room_expect_kind(room, MESSAGE_PRESENCE);
}

static void who_cannot_say_where_he_is_waits_for_the_beat(void **state)
{
    struct room *room = *state;
    struct session_view nowhere = {.events_seen = 1};
    room_connect(room, (struct room_welcome){.peers = 2});
    session_present(room->session, &nowhere, room->now_ms);
    room_expect_kind(room, MESSAGE_PRESENCE);
    nowhere.events_seen = 2;
    session_present(room->session, &nowhere, room->now_ms);
    room_pass_time(room, SESSION_PRESENCE_GAP_MS);
    assert_true(room_hears_none_of(room, MESSAGE_PRESENCE));
    nowhere.flags = PRESENCE_AWAY;
    session_present(room->session, &nowhere, room->now_ms);
    room_expect_kind(room, MESSAGE_PRESENCE);
}

static void a_newcomer_is_sent_a_card(void **state)
{
    struct room *room = *state;
    struct presence presence = {0};
    struct error err = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_expect_kind(room, MESSAGE_PRESENCE);
    room_pass_time(room, SESSION_PRESENCE_BEAT_MS);
    assert_true(presence_open(room_expect_kind(room, MESSAGE_PRESENCE)->presence.sealed, &room->keys, &presence, &err));
    assert_false(presence.has_card);
    room_pass_time(room, SESSION_PRESENCE_GAP_MS);
    room_say_peers(room, 3);
    assert_true(presence_open(room_expect_kind(room, MESSAGE_PRESENCE)->presence.sealed, &room->keys, &presence, &err));
    assert_true(presence.has_card);
    assert_string_equal(presence.name, "ana");
}

static void say_presence(struct room *room, const struct author *author, const struct sign_key *key, uint64_t counter)
{
    struct buf sealed = {0};
    struct presence presence = {.agent = author->agent, .counter = counter, .doc_key = key->public_key};
    presence_seal(&presence, &room->keys, key, &sealed);
    room_says(room, &(struct message){.kind = MESSAGE_PRESENCE, .presence = {buf_view(&sealed)}});
    buf_release(&sealed);
}

static void a_members_presence_is_believed_under_its_own_key_only(void **state)
{
    struct room *room = *state;
    struct author ben;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    say_presence(room, &ben, &room->relay_key, 1);
    assert_int_equal(room->peers, 0);
    say_presence(room, &ben, &ben.doc_key, 2);
    assert_int_equal(room->peers, 1);
    assert_true(room->peer.writer);
    assert_string_equal(room->peer.presence.name, "ben");
    say_presence(room, &ben, &ben.doc_key, 1);
    assert_int_equal(room->peers, 1); /* an old one changes nothing */
    author_release(&ben);
}

static void somebody_not_heard_for_5_seconds_is_quiet_and_alone_means_gone(void **state)
{
    struct room *room = *state;
    struct author ben;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    say_presence(room, &ben, &ben.doc_key, 1);
    assert_int_equal(room->peer.state, PEER_HERE);
    room_pass_time(room, PEERS_QUIET_MS);
    assert_int_equal(room->peer.state, PEER_QUIET);
    room_say_peers(room, 1);
    assert_int_equal(room->peer.state, PEER_GONE);
    author_release(&ben);
}

static void edits_that_somebody_speaks_of_and_that_never_come_are_asked_for_and_told(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf sealed = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    room_say_caught_up(room);
    struct presence presence = {.agent = ben.agent, .counter = 1, .doc_key = ben.doc_key.public_key, .head_count = 1};
    presence.heads[0] = (struct event_id){ben.agent, 7};
    presence_seal(&presence, &room->keys, &ben.doc_key, &sealed);
    room_says(room, &(struct message){.kind = MESSAGE_PRESENCE, .presence = {buf_view(&sealed)}});
    room_pass_time(room, SESSION_GAP_MS);
    assert_int_equal(room->dropped, 1);
    room_connect(room, (struct room_welcome){.peers = 2});
    assert_int_equal(room_expect_kind(room, MESSAGE_RESUME)->resume.place, 0);
    room_say_caught_up(room);
    for (int i = 0; i < 13; i++) {
        room_pass_time(room, 2000);
        room_say_peers(room, 2);
    }
    assert_int_equal(room->dropped, 1);
    assert_int_equal(room->alarm, ALARM_WITHHELD);
    assert_true(agent_id_equal(&room->alarm_agent, &ben.agent));
    author_release(&ben);
    buf_release(&sealed);
}

/* What his version is; nothing of it is marked. */
static void say_heads(struct room *room, const struct author *author, uint64_t counter, const struct event_id *heads,
                      size_t count)
{
    struct buf sealed = {0};
    struct presence presence = {.agent = author->agent, .counter = counter, .doc_key = author->doc_key.public_key,
                                .head_count = count};
    memcpy(presence.heads, heads, count * sizeof *heads);
    presence_seal(&presence, &room->keys, &author->doc_key, &sealed);
    room_says(room, &(struct message){.kind = MESSAGE_PRESENCE, .presence = {buf_view(&sealed)}});
    buf_release(&sealed);
}

/* He says that there is an event of his that is not here. */
static void say_head(struct room *room, const struct author *author, uint64_t counter, unsigned flags)
{
    struct buf sealed = {0};
    struct presence presence = {.agent = author->agent, .counter = counter, .flags = flags,
                                .doc_key = author->doc_key.public_key, .head_count = 1};
    presence.heads[0] = (struct event_id){author->agent, 7};
    presence_seal(&presence, &room->keys, &author->doc_key, &sealed);
    room_says(room, &(struct message){.kind = MESSAGE_PRESENCE, .presence = {buf_view(&sealed)}});
    buf_release(&sealed);
}

/* His newest event, and what he has under it. */
static void say_mark_flags(struct room *room, const struct author *author, uint64_t counter, const struct digest *has,
                           unsigned flags)
{
    struct buf sealed = {0};
    struct presence presence = {.agent = author->agent, .counter = counter, .flags = flags,
                                .doc_key = author->doc_key.public_key, .head_count = 1, .has_marks = true};
    presence.heads[0] = (struct event_id){author->agent, author->seq - 1};
    memcpy(presence.marks[0], has->bytes, PRESENCE_MARK_BYTES);
    presence_seal(&presence, &room->keys, &author->doc_key, &sealed);
    room_says(room, &(struct message){.kind = MESSAGE_PRESENCE, .presence = {buf_view(&sealed)}});
    buf_release(&sealed);
}

static void say_mark(struct room *room, const struct author *author, uint64_t counter, const struct digest *has)
{
    say_mark_flags(room, author, counter, has, 0);
}

/* Nobody builds on either side: what is said of the version is enough. */
static void who_has_something_else_under_one_number_has_all_asked_for_and_is_told(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf record = {0};
    struct digest digest;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "side", &record);
    room_say_record(room, 3, buf_view(&record));
    room_say_caught_up(room);
    assert_true(chain_newest(room->chain, &ben.agent, &digest));
    say_mark(room, &ben, 1, &digest);
    room_pass_time(room, SESSION_GAP_MS);
    assert_int_equal(room->dropped, 0); /* the same here */
    digest.bytes[PRESENCE_MARK_BYTES - 1] ^= 1;
    say_mark(room, &ben, 2, &digest);
    room_pass_time(room, SESSION_GAP_MS);
    assert_int_equal(room->dropped, 1);
    room_connect(room, (struct room_welcome){.peers = 2});
    const struct message *resume = room_expect_kind(room, MESSAGE_RESUME);
    assert_int_equal(resume->resume.place, 0);
    assert_int_equal(resume->resume.vector_count, 0); /* nothing is here that need not be sent */
    room_say_caught_up(room);
    for (uint64_t counter = 3; counter < 16; counter++) {
        room_pass_time(room, 2000);
        say_mark(room, &ben, counter, &digest);
    }
    assert_int_equal(room->dropped, 1); /* asked once */
    assert_int_equal(room->alarms, 1);
    assert_int_equal(room->alarm, ALARM_TWO_HISTORIES);
    assert_true(agent_id_equal(&room->alarm_agent, &ben.agent));
    author_release(&ben);
    buf_release(&record);
}

/* A copy of his machine writes, and has no way to send it yet. */
static void for_a_side_that_is_not_sent_yet_the_relay_is_not_to_blame(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf record = {0};
    struct digest digest;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "side", &record);
    room_say_record(room, 3, buf_view(&record));
    room_say_caught_up(room);
    assert_true(chain_newest(room->chain, &ben.agent, &digest));
    digest.bytes[0] ^= 1;
    for (uint64_t counter = 1; counter < 20; counter++) {
        say_mark_flags(room, &ben, counter, &digest, PRESENCE_UNSENT);
        room_pass_time(room, 2000);
    }
    assert_int_equal(room->alarms, 0);
    assert_int_equal(room->dropped, 0);
    say_mark(room, &ben, 20, &digest); /* it is sent now, and should come */
    room_pass_time(room, SESSION_GAP_MS);
    assert_int_equal(room->dropped, 1);
    author_release(&ben);
    buf_release(&record);
}

/* Both sides are here, and nobody builds on the second: the relay may have lost it, or another one had it. */
static void sides_that_somebody_lacks_are_offered_again(void **state)
{
    struct room *room = *state;
    struct author ben, copy;
    struct buf records[2] = {0};
    struct session_view view = {.head_count = 1};
    struct event_id heads[2];
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_init(&copy, room, 0xbe);
    author_record(&ben, room, NULL, "side", &records[0]);
    author_record(&copy, room, NULL, "other", &records[1]);
    room_say_caught_up(room);
    for (size_t i = 0; i < 2; i++)
        room_say_record(room, 3 + i, buf_view(&records[i]));
    assert_int_equal(room->fetches, 0);
    heads[0] = (struct event_id){ben.agent, 3};
    heads[1] = (struct event_id){ben.agent, 4}; /* which only one side has */
    chain_place_heads(room->chain, heads, 2);
    chain_name_heads(room->chain, heads, 2);
    memcpy(view.heads, heads, sizeof heads);
    view.head_count = 2;
    session_present(room->session, &view, room->now_ms);
    for (uint64_t counter = 1; counter <= SESSION_GAP_ALARM_MS / 2000; counter++) {
        assert_int_equal(room->fetches, 0);
        say_heads(room, &ben, counter, heads, 1);
        room_pass_time(room, 2000);
    }
    assert_int_equal(room->fetches, 1);
    assert_true(agent_id_equal(&room->fetch_agent, &ben.agent));
    assert_int_equal(room->fetch_from, 0);
    session_fetched(room->session, &ben.agent, NULL, 0, false, room->now_ms);
    for (uint64_t counter = 100; counter < 120; counter++) {
        say_heads(room, &ben, counter, heads, 1);
        room_pass_time(room, 2000);
    }
    assert_int_equal(room->fetches, 1); /* not for ever */
    assert_int_equal(room->dropped, 0);
    author_release(&ben);
    author_release(&copy);
    for (size_t i = 0; i < 2; i++)
        buf_release(&records[i]);
}

/* Of our own newest event, under our name, signed by `key`. */
static void say_own_mark(struct room *room, const struct sign_key *key, uint64_t counter, const struct digest *has)
{
    struct author copy = {.agent = room->self, .doc_key = *key, .seq = chain_next_seq(room->chain, &room->self)};
    say_mark(room, &copy, counter, has);
}

static void a_copy_of_us_is_believed_under_our_own_key_only(void **state)
{
    struct room *room = *state;
    struct sign_key doc_key;
    struct digest digest;
    device_doc_key(&room->device, &room->keys.doc, &doc_key);
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_caught_up(room);
    room_type(room, "abc");
    assert_true(chain_newest(room->chain, &room->self, &digest));
    digest.bytes[0] ^= 1;
    say_own_mark(room, &room->relay_key, 1, &digest);
    room_pass_time(room, SESSION_GAP_MS);
    assert_int_equal(room->dropped, 0); /* whoever reads along could have said it */
    say_own_mark(room, &doc_key, 2, &digest);
    room_pass_time(room, SESSION_GAP_MS);
    assert_int_equal(room->dropped, 1);
}

/* The relay has had no time to show it since. */
static void what_somebody_else_had_before_a_cut_is_not_told_after_it(void **state)
{
    struct room *room = *state;
    struct author ben;
    struct buf record = {0};
    struct digest digest;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_record(&ben, room, NULL, "side", &record);
    room_say_record(room, 3, buf_view(&record));
    room_say_caught_up(room);
    assert_true(chain_newest(room->chain, &ben.agent, &digest));
    digest.bytes[0] ^= 1;
    say_mark(room, &ben, 1, &digest);
    room_cut(room);
    room_pass_time(room, SESSION_GAP_ALARM_MS);
    room_connect(room, (struct room_welcome){.peers = 2});
    say_mark(room, &ben, 2, &digest);
    room_say_caught_up(room);
    room_pass_time(room, 1);
    assert_int_equal(room->alarms, 0);
    assert_int_equal(room->dropped, 0);
    author_release(&ben);
    buf_release(&record);
}

static void what_is_told_of_a_version_has_the_marks_of_its_heads(void **state)
{
    struct room *room = *state;
    struct session_view view = {.head_count = 1};
    struct presence presence;
    struct error err = {0};
    struct digest digest;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_type(room, "abc");
    room_pass_time(room, SESSION_PRESENCE_GAP_MS); /* the card */
    room_forget_out(room);
    view.heads[0] = (struct event_id){room->self, 2};
    session_present(room->session, &view, room->now_ms);
    room_pass_time(room, SESSION_PRESENCE_GAP_MS);
    assert_true(presence_open(room_expect_kind(room, MESSAGE_PRESENCE)->presence.sealed, &room->keys, &presence, &err));
    assert_false(presence.has_marks); /* the relay does not have it */
    room_say_ack(room, 2);
    room_forget_out(room);
    room_pass_time(room, SESSION_PRESENCE_BEAT_MS);
    assert_true(presence_open(room_expect_kind(room, MESSAGE_PRESENCE)->presence.sealed, &room->keys, &presence, &err));
    assert_true(presence.has_marks);
    assert_true(chain_newest(room->chain, &room->self, &digest));
    assert_memory_equal(presence.marks[0], digest.bytes, PRESENCE_MARK_BYTES);
}

static void wait_for_alarm(struct room *room)
{
    for (unsigned waited = 0; waited < 2 * SESSION_GAP_ALARM_MS; waited += 2000) {
        room_pass_time(room, 2000);
        if (room->dropped > 0)
            return;
        room_say_peers(room, 2);
    }
}

static void a_viewers_word_of_edits_moves_nobody_and_hides_no_writers(void **state)
{
    struct room *room = *state;
    struct author ben, viewer;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    author_init(&viewer, room, 0x77);
    room_say_caught_up(room);
    say_head(room, &viewer, 1, PRESENCE_VIEWER);
    wait_for_alarm(room);
    assert_int_equal(room->dropped, 0);
    assert_int_equal(room->alarms, 0);
    say_head(room, &ben, 1, 0);
    wait_for_alarm(room);
    assert_int_equal(room->dropped, 1); /* to ask again */
    author_release(&ben);
    author_release(&viewer);
}

static void edits_that_are_not_sent_yet_or_whose_writer_has_left_are_not_awaited(void **state)
{
    struct room *room = *state;
    struct author ben;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_join(room, &ben, 0xbe);
    room_say_caught_up(room);
    say_head(room, &ben, 1, PRESENCE_UNSENT);
    wait_for_alarm(room);
    say_head(room, &ben, 2, 0);
    say_head(room, &ben, 3, PRESENCE_LEAVING);
    wait_for_alarm(room);
    assert_int_equal(room->dropped, 0);
    assert_int_equal(room->alarms, 0);
    author_release(&ben);
}

static void presence_says_whether_the_relay_has_what_it_speaks_of(void **state)
{
    struct room *room = *state;
    room_connect(room, (struct room_welcome){.peers = 2});
    room_say_caught_up(room);
    room_type(room, "a");
    struct session_view view = {.head_count = 1, .heads = {{room->self, 0}}};
    room_forget_out(room);
    session_present(room->session, &view, room->now_ms);
    room_pass_time(room, SESSION_PRESENCE_BEAT_MS);
    assert_true(room_hear_presence_flags(room) & PRESENCE_UNSENT);
    room_say_ack(room, 2);
    room_forget_out(room);
    room_pass_time(room, SESSION_PRESENCE_BEAT_MS);
    assert_false(room_hear_presence_flags(room) & PRESENCE_UNSENT);
}

static void leaving_says_goodbye(void **state)
{
    struct room *room = *state;
    struct presence presence = {0};
    struct error err = {0};
    room_connect(room, (struct room_welcome){.peers = 2});
    room_expect_kind(room, MESSAGE_PRESENCE);
    session_leave(room->session, room->now_ms);
    assert_true(presence_open(room_expect_kind(room, MESSAGE_PRESENCE)->presence.sealed, &room->keys, &presence, &err));
    assert_true(presence.flags & PRESENCE_LEAVING);
}

static void who_only_reads_along_is_not_seen(void **state)
{
    struct room *room = *state;
    room->config.unseen = true;
    room_restart(room);
    room_connect(room, (struct room_welcome){.peers = 2});
    show_cursor(room, 1);
    room_pass_time(room, SESSION_PRESENCE_BEAT_MS);
    session_leave(room->session, room->now_ms);
    assert_true(room_hears_none_of(room, MESSAGE_PRESENCE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOM_TEST(a_challenge_is_answered_by_hello_and_resume),
        ROOM_TEST(a_relay_of_another_protocol_is_refused_in_words),
        ROOM_TEST(so_is_one_that_says_it_before_there_is_a_connection),
        ROOM_TEST(a_relay_with_another_key_than_the_pinned_one_hears_nothing),
        ROOM_TEST(only_the_owners_word_moves_the_document),
        ROOM_TEST(who_names_the_pinned_key_without_holding_it_hears_nothing),
        ROOM_TEST(a_proof_of_another_connection_document_or_version_is_refused),
        ROOM_TEST(a_certificate_that_is_not_the_relays_is_refused),
        ROOM_TEST(a_refusal_is_told_with_its_code),
        ROOM_TEST(noise_from_the_relay_ends_the_connection_only),
        ROOM_TEST(an_idle_session_wants_no_tick_for_25_seconds),
        ROOM_TEST(silence_is_offline_after_3_seconds_while_it_matters),
        ROOM_TEST(after_a_silence_it_is_caught_up_when_a_question_was_answered),
        ROOM_TEST(alone_and_untouched_it_is_idle_and_asked_every_25_seconds),
        ROOM_TEST(a_long_way_is_not_taken_for_silence),
        ROOM_TEST(a_part_of_a_frame_is_proof_of_life),
        ROOM_TEST(a_dead_connection_is_dropped),
        ROOM_TEST(ticks_never_stand_still),
        ROOM_TEST(presence_waits_for_others_and_keeps_its_pace),
        ROOM_TEST(the_more_people_are_here_the_less_often_each_one_shows_himself),
        ROOM_TEST(who_cannot_say_where_he_is_waits_for_the_beat),
        ROOM_TEST(a_newcomer_is_sent_a_card),
        ROOM_TEST(a_members_presence_is_believed_under_its_own_key_only),
        ROOM_TEST(somebody_not_heard_for_5_seconds_is_quiet_and_alone_means_gone),
        ROOM_TEST(edits_that_somebody_speaks_of_and_that_never_come_are_asked_for_and_told),
        ROOM_TEST(who_has_something_else_under_one_number_has_all_asked_for_and_is_told),
        ROOM_TEST(for_a_side_that_is_not_sent_yet_the_relay_is_not_to_blame),
        ROOM_TEST(sides_that_somebody_lacks_are_offered_again),
        ROOM_TEST(a_copy_of_us_is_believed_under_our_own_key_only),
        ROOM_TEST(what_somebody_else_had_before_a_cut_is_not_told_after_it),
        ROOM_TEST(what_is_told_of_a_version_has_the_marks_of_its_heads),
        ROOM_TEST(a_viewers_word_of_edits_moves_nobody_and_hides_no_writers),
        ROOM_TEST(edits_that_are_not_sent_yet_or_whose_writer_has_left_are_not_awaited),
        ROOM_TEST(presence_says_whether_the_relay_has_what_it_speaks_of),
        ROOM_TEST(leaving_says_goodbye),
        ROOM_TEST(who_only_reads_along_is_not_seen),
    };
    return RUN_TESTS("session", tests);
}
