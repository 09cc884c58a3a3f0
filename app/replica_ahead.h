/*
 * replica_ahead - joining, for the files that make up a replica: a text without its history, which comes later, and posting one
 * for others.
 */
#ifndef WEFT_APP_REPLICA_AHEAD_H
#define WEFT_APP_REPLICA_AHEAD_H

#include "sync/checkpoint.h"
#include "sync/document.h"

struct replica;

/* replica_ahead.c */
#define REPLICA_AHEAD_NOTE "ahead"
/* The text that the document begins with, also where another one is shown. */
struct rope *replica_first_text(const struct replica *replica);
/* The text becomes this one; caret and view stay with their lines. */
void replica_show_text(struct replica *replica, const struct rope *text);
/* That text has come while another one is shown. Takes the rope. */
void replica_set_first_text(struct replica *replica, struct rope *base);
/* A writer has said what the text is. Taken where there is none yet. */
void replica_take_checkpoint(struct replica *replica, const struct checkpoint *checkpoint, const struct agent_id *by,
                             const struct rope *text);
/* What the journal keeps of one, when the rows have been read and before the text is brought up. */
MUST_USE bool replica_restore_ahead(struct replica *replica, struct error *err);
/* In place of replica_commit(): kept, and not sent yet. */
void replica_ahead_commit(struct replica *replica, const struct batch_list *batches);
uint64_t replica_ahead_edits(const struct replica *replica);

/* replica_landing.c */
/* What comes from elsewhere goes into this document. While the worker reads it (replica->comparing) it is waited for. */
struct document *replica_history(struct replica *replica);
/* Has the two compared when the history has come that far; then that takes over. */
void replica_ahead_handle(struct replica *replica, uint64_t now_ms);
uint64_t replica_ahead_next_ms(const struct replica *replica);

/* replica_post.c */
MUST_USE bool replica_load_posted(struct replica *replica, struct error *err);
/* A CHECKPOINT that was checked: somebody has posted one. */
void replica_hear_posted(struct replica *replica, struct bytes stored);
/* Something was written, or the link is back: in a while, if nothing more comes, it may be time. */
void replica_post_soon(struct replica *replica, uint64_t now_ms);
void replica_post_handle(struct replica *replica, uint64_t now_ms);

/* replica_join.c */
/* Nothing of it is here: it all comes from the room, once it is online. The label is there. */
void replica_begin_joining(struct replica *replica);
/* "connection refused" of "cannot reach relay.example: connection refused". */
const char *replica_reason_of(const struct error *why);

#endif
