/*
 * session_parts - the inside of a session, for the files that make it up and nobody else:
 *
 *   session.c          its life, its doors, what there is to see
 *   session_talk.c     what the relay says: handshake and the messages of a live connection
 *   session_records.c  records: the document's beginning, members, edits
 *   session_checkpoint.c  checkpoints, a joiner's and ours
 *   session_pulse.c    what time brings: proof of life, presence, asking for what is missing
 */
#ifndef WEFT_SYNC_SESSION_PARTS_H
#define WEFT_SYNC_SESSION_PARTS_H

#include "sync/session.h"

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

/* A checkpoint that comes in front of the log. */
struct coming {
    bool wanted;                   /* as long as none has come and none was in vain */
    struct checkpoint *checkpoint; /* NULL: not yet */
    struct agent_id by;
    uint64_t last;                 /* the checkpoint's counter: those of its parts are below it */
    uint64_t parts;                /* of its text that have come, */
    struct buf text;               /* and what they are */
};

struct session {
    struct session_port port;
    struct doc_keys keys;
    struct device device;
    struct sign_key doc_key;
    struct signature certificate;
    struct agent_id self;
    char name[NAME_BYTES_MAX + 1];
    bool create, pinned;
    unsigned char relay_pin[CRYPTO_SHORT_HASH_BYTES];
    struct buf token;
    struct chain *chain;

    struct roster roster;
    bool told_full; /* that it has no room left */
    struct inbox *inbox;
    struct upload *upload;
    struct peers peers;

    /* the document as it began */
    struct genesis genesis;
    bool has_genesis, has_base, unseen;
    struct buf genesis_stored;
    struct buf base;        /* a joiner's, while it arrives */
    bool base_have[BASE_BYTES_MAX / BASE_CHUNK_BYTES]; /* its chunks */
    uint64_t base_got;      /* bytes of them */
    uint64_t base_heard_ms; /* when one came, or could have */
    bool skipped;           /* edits came before there was a base to apply them to */
    struct coming coming;
    struct rope *base_rope; /* the owner's, to be uploaded; or NULL */

    /* this connection */
    enum talk talk;
    struct agent_numbers numbers_in, numbers_out;
    struct out_queue out;
    struct handshake handshake;
    char relay_name[SESSION_RELAY_NAME_BYTES_MAX + 1]; /* of the present connection, or of the newest one */
    bool relay_proved;              /* that it holds handshake.relay_key */
    bool vouched;                   /* an authority vouches for the relay's certificate, or there is none */
    struct digest seen_certificate; /* else: what the link saw of it */
    uint64_t seed, knocks;          /* for the nonces: one a connection */
    bool caught_up;
    bool was_silent; /* and no question was answered since: behind the first that is heard again may be more */
    unsigned peer_count;
    struct resume_point last; /* the newest place received */
    struct resume_point safe; /* the newest in front of which nothing is missing */

    /* proof of life */
    uint64_t heard_ms, active_ms, ping_ms, offline_since_ms;
    uint64_t ping_nonce;      /* of the ping without an answer; 0: none */
    uint64_t ping_count;
    uint64_t matters_since_ms; /* since when proof is wanted soon; 0: it is not */
    uint64_t waiting_since_ms; /* since when an answer is due and nothing came; 0: none is */
    unsigned rtt_ms;
    uint64_t ran_ms; /* when session_run() last looked at everything */

    /* what is missing */
    uint64_t gap_check_ms; /* when to look; UINT64_MAX: nothing is in doubt */
    uint64_t gap_since_ms; /* 0: nothing is missing */
    struct event_id awaited; /* somebody's presence speaks of it and it is not here; the zero agent: none */
    struct agent_id awaited_by; /* who that is */
    uint64_t awaited_since_ms, asked_ms;
    bool gap_told, awaited_told;
    struct event_id doubted; /* somebody has something else under this id than we; the zero agent: nobody */
    unsigned char doubted_mark[PRESENCE_MARK_BYTES];
    struct agent_id doubted_by;
    uint64_t doubted_since_ms;
    bool doubted_told;
    struct agent_id lag_by; /* who lacks something of our version; the zero agent: nobody */
    uint64_t lag_since_ms;
    uint64_t forks_offered_ms; /* all sides of all forks were offered for that; 0: never */
    unsigned forks_offers;     /* how often: every time it waits twice as long */
    uint64_t tell_ms; /* when a refused record is told; 0: none is to be */
    bool fork_found; /* what was refused for want of a branch may fit now */
    uint64_t refused_since_ms; /* a record was refused on this connection; 0: none */
    unsigned refused_asks; /* how often the relay was asked again for such: every time it waits twice as long */
    uint64_t refused_asked_ms;
    bool whole;        /* the whole log is being asked for, until it has been read once */
    uint64_t whole_ms; /* when that was decided last; 0: never */

    /* presence */
    struct session_view view, shown; /* wanted, sent */
    uint64_t shown_ms, presence_counter;
    bool card_due, show_due, ever_shown;

    struct error full; /* what the relay said when it had no room */
    bool delete_due;
    struct buf move_place; /* to be told; empty: nothing */
    uint64_t move_s;
    unsigned refuse_code;
    uint64_t retry_ms;
    struct error why;
};

/* --- session.c --- */

void session_end_talk(struct session *session, uint64_t now_ms);
/* Hangs up: something is wrong with this connection. */
void session_drop(struct session *session, const struct error *why, uint64_t now_ms);
/* The same, because the relay broke the protocol; adds that to *err. */
void session_drop_broken(struct session *session, struct error *err, uint64_t now_ms);
/* The end until somebody changes something: trying again by itself would not help. */
void session_refuse(struct session *session, unsigned code, const struct error *why, uint64_t now_ms);
bool session_has_room(void *self);                              /* `self`: the session; of struct upload_port */
void session_send(void *self, const struct message *message); /* the same; always takes it */
/* The resume point follows what has come, unless something in front of it is missing. */
void session_advance(struct session *session);
void session_on_refused(void *self, const struct agent_id *agent, const struct error *why);

/* --- session_talk.c --- */

/* The first word on a new connection. */
void session_knock(struct session *session);
void session_take_message(struct session *session, const struct message *message, uint64_t now_ms);
void session_send_delete(struct session *session);
void session_send_move(struct session *session);

/* --- session_records.c --- */

/* What has come of a joiner's base text: the next connection brings it from its beginning. */
void session_forget_base(struct session *session);
void session_take_records(struct session *session, const struct message *message, uint64_t now_ms);

/* --- session_checkpoint.c --- */

/* A record at place 0. */
void session_take_ahead(struct session *session, const struct record *record);
/* What has come of one: the next connection brings it from its beginning. */
void session_forget_ahead(struct session *session);
/* It is not wanted any more. */
void session_do_without_ahead(struct session *session);

/* --- session_pulse.c --- */

/* Does whatever is due: after everything that happened, and when time has passed. */
void session_run(struct session *session, uint64_t now_ms);
/* A new connection gets all that exceeds our vector, whatever place we have reached. */
void session_ask_again(struct session *session, uint64_t now_ms);
void session_send_presence(struct session *session, unsigned flags, uint64_t now_ms);
/* A writer's presence speaks of edits that the relay has: they should be here soon. */
void session_await(struct session *session, const struct presence *presence, uint64_t now_ms);
/* A writer's presence says what he has under the ids of his version, unless the relay does not have all of it yet. */
void session_compare(struct session *session, const struct presence *presence, uint64_t now_ms);
/* Anybody's presence says what he lacks: it may be a side of a fork that the relay has not. */
void session_note_lag(struct session *session, const struct presence *presence, uint64_t now_ms);
/* He has left: what he spoke of is not awaited any more, nor doubted. */
void session_await_no_more(struct session *session, const struct agent_id *agent);
bool session_wants_proof_soon(const struct session *session, uint64_t now_ms);
bool session_is_silent(const struct session *session, uint64_t now_ms);

#endif
