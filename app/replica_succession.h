/*
 * replica_succession - another document in the place of the one that is open, for the files that make up a replica: one that
 * goes on with its text, or one that another process began for the file.
 */
#ifndef WEFT_APP_REPLICA_SUCCESSION_H
#define WEFT_APP_REPLICA_SUCCESSION_H

#include "sync/doc_index.h"
#include "sync/journal.h"

struct replica;

/* replica_adopt.c */
/*
 * The file's document is this one, which another process began: it takes the place of ours, and what was typed here is
 * carried over as an edit of its base text.
 */
void replica_adopt(struct replica *replica, const struct doc_id *other);
/*
 * The file's document is this one from now on, which goes on with ours and is whole in index and journal. Everything typed here
 * is in our journal by now. Comes off the net. Takes the entry.
 */
void replica_go_over(struct replica *replica, struct doc_entry *next);
/* Where another window of this person has shared the document that is here now: says so and goes online. Else nothing. */
void replica_enter_room(struct replica *replica);

/* replica_succession.c */
/*
 * Makes a document whose beginning is our text as it is now, and gives it all paths of ours: journal first, index last. Its
 * `genesis` is sealed. DOC_INDEX_TAKEN: our path shows *other already. Nothing has changed here whatever comes out; on success
 * replica_go_over() is next, on FAILED *err says why. What was typed here is in our journal.
 */
MUST_USE enum doc_index_put replica_succeed(struct replica *replica, const struct doc_entry *next, struct bytes genesis,
                                            struct doc_id *other, struct error *err);
/* The document that our path shows by now, if it is another one: goes over to it, or adopts it. False: it cannot be read now. */
MUST_USE bool replica_follow_path(struct replica *replica, struct error *err);
/* At the next turn: has another document taken this one's place, and is there more of the one before it? */
void replica_look_for_successor(struct replica *replica);
void replica_succession_handle(struct replica *replica, uint64_t now_ms);
uint64_t replica_succession_next_ms(const struct replica *replica);
void replica_succession_again(struct replica *replica); /* in a quarter of a second, for what could not be done now */
/* The journal to read our document's rows and notes from; NULL: there is none yet, or *err. */
struct journal *replica_journal_here(struct replica *replica, struct error *err);

/* replica_former.c */
/* In a moment, for one look at much: is there more of the one before it? */
void replica_look_at_former(struct replica *replica);
/* What was typed into the document before this one, after this one had begun, is put into it, once among all processes. `came`:
   this process has just come from there, so what it typed is waited for whatever was said before. */
void replica_bring_over(struct replica *replica, bool came);
/*
 * How a place in the text of the former at `version` comes here: through *there, then through *here. False: not known, for not
 * all of the former is brought over.
 */
bool replica_patches_from_former(struct replica *replica, struct bytes version, struct patch *there, struct patch *here);

#endif
