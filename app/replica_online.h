/*
 * replica_online - an open document and its room, for the files that make up a replica: going there, what comes from it, what a
 * relay has lost, being away, another relay, and the end of sharing.
 */
#ifndef WEFT_APP_REPLICA_ONLINE_H
#define WEFT_APP_REPLICA_ONLINE_H

#include "app/replica.h"

struct replica;

/* replica_online.c */
/* Online with everything that the journal has for the session; or not at all, and *err. Online or alone already: nothing. */
MUST_USE bool replica_go_online(struct replica *replica, struct error *err);
/* What is unsent may leave within deadline_ms; *all_sent is set where there was a connection. */
void replica_go_offline(struct replica *replica, unsigned deadline_ms, bool *all_sent);
/* Off at once, for a reason of this process's own; what is unsent is counted on. */
void replica_come_off(struct replica *replica);
/* On again. What does not work now is said once, and tried again until it does or nobody wants it; keys wait for little of it. */
void replica_come_back(struct replica *replica);
void replica_online_handle(struct replica *replica, uint64_t now_ms);
/* The session's, with what the journal's thread has yet to hand to it; caught up when it has been taken, too. Only while there is
   a `net`. */
void replica_net_status(struct replica *replica, struct session_status *out);
/* What a relay may ask of who creates a document there; appends nothing where none is configured. Wipe it. */
MUST_USE bool replica_read_token(struct replica *replica, struct buf *token, struct error *err);

/* replica_room.c */
/* Takes what has come, for a few ms and as far as the journal follows; the fd stays readable while there is more. */
void replica_room_handle(struct replica *replica, uint64_t now_ms);
/* Whether the journal has more to do than a key may have to wait for, or half of that. On the journal's thread too. */
bool replica_journal_is_behind(struct replica *replica, bool by_half);
uint64_t replica_room_next_ms(const struct replica *replica);

/* replica_revive.c */
void replica_revive_handle(struct replica *replica, uint64_t now_ms);
uint64_t replica_revive_next_ms(const struct replica *replica);
void replica_present_soon(struct replica *replica);

/* replica_arrived.c */
/* Into the journal, and in its turn into the text. Takes the event. */
void replica_arrive(struct replica *replica, struct net_event *event);
/*
 * So much waits for its turn that nothing more is taken: it stays with the relay until there is room. While the base text is
 * missing all is taken, for that may come behind what was written on it.
 */
bool replica_arrived_enough(const struct replica *replica);
/* As much of it as a key waits for; replica->text_due says that the text is behind. */
void replica_take_some_arrived(struct replica *replica);
/* What the journal was given and the document was not, into document and text. */
void replica_take_arrived(struct replica *replica);
/* The same for one that has not arrived: into journal and document. */
void replica_take_received(struct replica *replica, const struct received *received);

/* replica_fetch.c */
/*
 * Hands the session a piece of what the journal has of an agent from there on; of another process of ours that is not heard any
 * more, what it has not sealed as well.
 */
void replica_fetch(struct replica *replica, const struct agent_id *agent, uint64_t from_seq, bool packs);

/* replica_heir.c */
/* Another process at the same text has left, or may have: what it had not sent is looked for in a moment. */
void replica_heir_expect(struct replica *replica);
void replica_heir_handle(struct replica *replica, uint64_t now_ms);

/* replica_away.c */
/* Before such a patch changes the text: while the connection is lost, what both sides do is put together. */
void replica_note_away(struct replica *replica, const struct patch *patch, bool is_mine);
/* Off because its person wants it so, who knows: nothing is said before it is back. What had come until then is in the text. */
void replica_away_begin(struct replica *replica);
/* Coming back is told of what an earlier process typed, too; with whose changes it met is not known. */
void replica_away_begin_unnoted(struct replica *replica);
void replica_away_take_status(struct replica *replica, const struct session_status *status, uint64_t now_ms);
/* What waits now will have been sent when the connection is back. */
void replica_away_count(struct replica *replica);
/* Tells that it is back, once replica->back_ms has come. */
void replica_away_handle(struct replica *replica, uint64_t now_ms);

/* replica_move.c */
/* To the canonical address of another relay, with everything; back where it was when that cannot be. */
MUST_USE bool replica_move(struct replica *replica, const char *relay, struct error *err);
/* The owner's word was heard; replica->relocates says that there is somewhere to go, by replica_relocate(). */
void replica_follow(struct replica *replica, uint64_t moved_s, struct bytes place);
void replica_relocate(struct replica *replica);

/* replica_share.c */
/* Where nobody vouches for the relay, its key goes into the links: waits until it is known, for a moment. */
void replica_wait_for_pin(struct replica *replica);
/* Takes the room for closed, in this run. */
void replica_hear_closed(struct replica *replica);
/* Another process may have ended sharing, or moved it. */
void replica_look_at_index(struct replica *replica);

#endif
