/*
 * session_room - a session in a test: the relay it talks to and another author are played frame by frame.
 *
 *     room_connect(room, (struct room_welcome){.peers = 2});   the relay lets it in
 *     room_type(room, "a");                                     the person writes; the journal keeps it at once
 *     room_expect_kind(room, MESSAGE_RECORDS);                  what the relay hears of it
 *
 *   Units   times in ms of room->now_ms, which only room_pass_time() moves.
 *   Bounds  ROOM_OUT_MAX frames between two calls of room_forget_out(), ROOM_EVENTS_MAX records.
 *   Errors  what goes wrong fails the running test (cmocka).
 */
#ifndef WEFT_TESTS_SESSION_ROOM_H
#define WEFT_TESTS_SESSION_ROOM_H

#include "sync/session.h"

enum { ROOM_OUT_MAX = 256, ROOM_EVENTS_MAX = 4096 };

/* Somebody else who writes: his own chain, keys and counter. */
struct author {
    struct agent_id agent;
    struct device device;
    struct sign_key doc_key;
    struct chain *chain;
    uint64_t seq, counter;
    bool reader;
    unsigned flags; /* BATCH_FLAG_*, of its batches, besides those that the call asks for */
};

struct room {
    struct doc_keys keys;
    struct device device;
    struct rope *base;
    struct buf genesis;
    struct sign_key relay_key;
    struct agent_id self;
    struct chain *chain;
    struct session *session;
    struct session_config config;
    uint64_t now_ms, seq;
    uint64_t ordinal; /* of the newest upload that was acknowledged */

    /* what the session sent, and the relay's side of the wire */
    struct buf out[ROOM_OUT_MAX];
    size_t out_count, out_read;
    struct agent_numbers numbers_in, numbers_out;
    struct message heard;
    bool refuse_sends;

    /* what it handed out */
    uint64_t tickets[ROOM_EVENTS_MAX];
    struct buf persisted[ROOM_EVENTS_MAX];
    size_t ticket_count, ticket_read;
    bool auto_persist;
    struct buf text; /* inserted text of received batches, in order */
    struct resume_point resume;
    struct buf base_text, checkpoint_text;
    struct checkpoint checkpoint;
    struct agent_id checkpoint_by;
    unsigned checkpoints;
    uint64_t moved_s;
    char moved[64];
    unsigned received, members, genesis_count, dropped, fetches, alarms, peers;
    enum session_alarm alarm;
    struct agent_id alarm_agent, fetch_agent;
    uint64_t fetch_from, acked;
    bool fetch_packs;
    struct session_peer peer;
    struct error why;
};

/* Whom the sessions here talk to: an authority vouches for its certificate, or there is none. */
extern const struct session_relay ROOM_RELAY;

#define ROOM_TEST(test) cmocka_unit_test_setup_teardown(test, room_set_up, room_tear_down)
int room_set_up(void **state);
int room_tear_down(void **state);
/* A new session in place of the old, with the room's config as it is now. */
void room_restart(struct room *room);
void room_make_genesis(struct room *room, const char *base);

/* --- the relay's side --- */

struct room_welcome {
    uint64_t head;
    unsigned peers;
    struct vector_entry vector[4];
    size_t count;
};

void room_connect(struct room *room, struct room_welcome welcome);
void room_cut(struct room *room);
void room_says(struct room *room, const struct message *message);
/* The next frame of the session, decoded; NULL: there is none. */
const struct message *room_hears(struct room *room);
/* The next of this kind; what is before it is dropped. */
const struct message *room_expect_kind(struct room *room, enum message_kind kind);
bool room_hears_none_of(struct room *room, enum message_kind kind);
void room_forget_out(struct room *room);
/* The flags of the next presence. */
unsigned room_hear_presence_flags(struct room *room);
/* The handshake as the relay knows it after the session's KNOCK, which is taken. */
struct handshake room_hear_knock(struct room *room);
/* A CHALLENGE that names what `named` has, proved over `proved` with `key`. */
struct message room_make_challenge(const struct handshake *named, const struct handshake *proved,
                                   const struct sign_key *key);
void room_say_challenge(struct room *room);
void room_say_welcome(struct room *room, struct room_welcome welcome);
void room_say_caught_up(struct room *room);
void room_say_record(struct room *room, uint64_t place, struct bytes stored);
void room_say_records(struct room *room, uint64_t place, const struct buf *stored, size_t count);
void room_say_ack(struct room *room, uint64_t ordinal);
/* The record that has this ordinal is at `place`, and nothing in front of it is missing. */
void room_say_ack_at(struct room *room, uint64_t ordinal, uint64_t place);
void room_say_peers(struct room *room, unsigned count);

/* --- the person in front of the session --- */

void room_type(struct room *room, const char *text);
/* `after`: somebody else's event that is here, as a parent; or NULL. */
void room_type_after(struct room *room, const struct event_id *after, const char *text);
void room_persist_all(struct room *room);
void room_pass_time(struct room *room, uint64_t ms);
struct session_status room_status(struct room *room);
void room_expect_text(struct room *room, const char *text);

/* --- the other author --- */

void author_init(struct author *author, const struct room *room, unsigned char name);
void author_release(struct author *author);
void author_member(struct author *author, const struct room *room, struct buf *stored);
/* One record of one batch; `after` (may be NULL) is a foreign parent the author's chain knows. */
void author_record(struct author *author, const struct room *room, const struct event_id *after,
                   const char *text, struct buf *stored);
/* The author learns what another author wrote. */
void author_reads(struct author *author, const struct room *room, const struct buf *stored);
/* The author's MEMBER reaches the session. */
void room_join(struct room *room, struct author *author, unsigned char name);

#endif
