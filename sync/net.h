/*
 * net - the network thread of an editor: one document's session on one relay, kept connected.
 *
 * The thread owns the connection (sync/link.h), the session (sync/session.h) and the waiting between attempts. Calls
 * below are safe from any thread and return at once: they put a job into a queue and wake the thread. What the session
 * hands out comes back as events in order, through net_next(); net_fd() is readable while there are any.
 *
 *     UI or journal thread                              network thread
 *     net_local(), net_present(), net_persisted() ...   -> jobs -> session -> link
 *     net_fd() readable -> net_next()                   <- events <- session <- link
 *
 * While the relay is silent although it should not be, another connection is made beside the one that is open, and the one
 * that brings something first is used: a way that is free again is found within a second or two, whatever TCP makes of it.
 *
 *   Ownership  events belong to who takes them: net_event_free().
 *   Errors     a bad configuration fails net_start(); everything later is in the status, as one sentence.
 *   Bounds     more than NET_EVENTS_BYTES_MAX of untaken received records pause reading from the relay. Whether it is there
 *              is asked beside meanwhile, so that the status is right all the same.
 */
#ifndef WEFT_SYNC_NET_H
#define WEFT_SYNC_NET_H

#include "sync/link.h"
#include "sync/session.h"

enum {
    NET_EVENTS_BYTES_MAX = 4 << 20, /* not taken yet: then nothing more is read from the relay */
    NET_PROBE_MS = 1000,        /* while nothing is read the relay is asked so often, by connections beside, whether it is
                                   there */
    NET_PERSON_MS = 1500,       /* between tries at most, while somebody is at the keys */
    NET_PERSON_HERE_MS = 60000, /* that is: has done something within this time */
    NET_AWAY_MS = 600000,       /* or while the link has been away for less than this: who only watches is there as well */
};

struct net;

struct net_config {
    struct session_config session;  /* .seed may be 0: taken from randomness */
    const struct link_address *addresses; /* tried in turn */
    size_t address_count;
};

/*
 * The longest pause between two tries, when nothing was pressed for `untouched_ms` and the link has been away for `away_ms`:
 * so short that it is found to be back within a second or two, until nobody seems to wait for it any more.
 */
uint64_t net_pause_max_ms(uint64_t untouched_ms, uint64_t away_ms);

/* NULL and *err when the configuration does not hold together. Connecting never fails: it goes on in the background. */
MUST_USE struct net *net_start(const struct net_config *config, struct error *err);
/*
 * Says goodbye and ends the thread. What is unsent may leave within deadline_ms; returns true when nothing was left
 * unsent. Untaken events are dropped (they are in the relay's log; the journal's resume point has not passed them).
 * NULL is fine.
 */
bool net_stop(struct net *net, unsigned deadline_ms);

/* --- towards the relay; any thread --- */

void net_local(struct net *net, const struct local_batch *batch); /* copies */
void net_neighbour(struct net *net, const struct agent_id *agent, uint64_t next_seq); /* see session_neighbour() */
void net_persisted(struct net *net, uint64_t ticket);
void net_present(struct net *net, const struct session_view *view);
/* Answers NET_FETCH; see session_fetched(). */
void net_fetched(struct net *net, const struct agent_id *agent, const struct bytes *stored, size_t count, bool more);
void net_post_checkpoint(struct net *net, const struct checkpoint *checkpoint, const struct rope *text); /* copies */
void net_retry(struct net *net);         /* try to connect now, do not wait */
void net_pause(struct net *net, bool on); /* "work alone": disconnects and stays away until switched off */
/* Admin: asks the relay to close the document and forget its log; the status says REFUSE_CLOSED when it is done. */
void net_delete_document(struct net *net);

/* Admin: tells the relay, and by it everybody, where the document is from now on; NET_MOVED is the confirmation. */
void net_move_document(struct net *net, uint64_t moved_s, struct bytes place);

/* --- from it --- */

enum net_event_kind {
    NET_RECEIVED, /* journal it, add it to the document */
    NET_PERSIST,  /* put it into the journal's outbox, then net_persisted(outbox.ticket) */
    NET_ACKED,
    NET_MEMBER,
    NET_GENESIS,
    NET_BASE,
    NET_CHECKPOINT,
    NET_FETCH,
    NET_PEER,
    NET_ALARM,
    NET_MOVED,
    NET_STATUS,   /* the newest only: older ones that nobody took are replaced */
};

struct net_event {
    enum net_event_kind kind;
    union {
        struct received received;
        struct { struct outbox_record record; } persist;            /* record.stored is `bytes` below */
        struct { struct agent_id agent; uint64_t next_seq; struct resume_point resume; } acked;
        struct { struct member member; struct resume_point resume; } member; /* stored form in `bytes` */
        struct { struct genesis genesis; } genesis;                 /* stored form in `bytes` */
        struct { uint64_t done, total; } base;                      /* done == total: the text in `bytes` */
        struct { struct checkpoint *checkpoint; struct agent_id by; struct rope *text; } checkpoint; /* owned by the event */
        struct { struct agent_id agent; uint64_t from_seq; bool packs; } fetch;
        struct session_peer peer;
        struct { enum session_alarm alarm; struct agent_id agent; struct error why; } alarm;
        struct { uint64_t moved_s; } moved;                         /* where to: `bytes` */
        struct session_status status;
    };
    struct buf bytes;
    struct net_event *next;
};

int net_fd(const struct net *net);             /* for poll(); readable while events wait. Do not read it */
struct net_event *net_next(struct net *net);   /* NULL: none now */
void net_event_free(struct net_event *event);  /* NULL is fine */
bool net_has_next(struct net *net);
size_t net_event_cost(const struct net_event *event); /* about the bytes that it takes */
/* The status as it is now; what net_local() was given is counted when that returns. All times in it are of net_now_ms(). */
void net_status(struct net *net, struct session_status *out);
uint64_t net_now_ms(void);

#endif
