/*
 * replica_past - the history of a replica's document: what it was, who wrote what, and taking that back (sync/document_past.h).
 *
 *   Ownership  lists and ropes belong to the caller.
 *   Errors     a name that nobody has is said in one sentence. Versions are the caller's to find (app/replica_version.h).
 *   Bounds     linear in the history, as there.
 */
#ifndef WEFT_APP_REPLICA_PAST_H
#define WEFT_APP_REPLICA_PAST_H

#include "app/replica.h"
#include "sync/document_collisions.h"

enum { REPLICA_AUTHOR_CELLS = 24 }; /* a longer name is cut */

/* The changes between two versions of this document, and the patch that they are. */
void replica_changes(const struct replica *replica, const struct version *from, const struct version *to, struct patch *patch,
                     struct change_list *out);
/* The text then: a new rope. The version is one of this document. */
struct rope *replica_text_at(const struct replica *replica, const struct version *version);

/* Before any of these: false and a sentence, its history cannot be read now. replica_find_version() has done it,
   but not for "now", whose text is at hand. */
MUST_USE bool replica_read_past(const struct replica *replica, struct error *err);
void replica_log(const struct replica *replica, struct log_list *out);
/* Of the edits between two versions of this document. */
void replica_collisions(const struct replica *replica, const struct version *since, const struct version *until,
                        struct collision_list *out);
void replica_blame(struct replica *replica, struct blame *out);
/* What somebody of that name has written since a version. False with a sentence: nobody of that name, or nothing since. */
MUST_USE bool replica_written_by(const struct replica *replica, const char *name, const struct version *since,
                                 struct event_span_list *out, struct error *err);
/* The patch that taking edits back would be: nothing is written. */
void replica_preview_undo(const struct replica *replica, const struct event_span_list *events, struct patch *out);
/* Whose an edit is: a name that is safe to show. Appended. `label` as the log has it. */
void replica_add_author(const struct replica *replica, const struct agent_id *author, const char *label, struct buf *out);

#endif
