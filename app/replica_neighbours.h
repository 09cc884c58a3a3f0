/*
 * replica_neighbours - who else has a document or its file open on this machine: ringing them, and hearing them.
 */
#ifndef WEFT_APP_REPLICA_NEIGHBOURS_H
#define WEFT_APP_REPLICA_NEIGHBOURS_H

#include "app/env.h"

struct replica;

/* Before anything is written: the journal's thread rings them. Again is fine. */
void neighbours_open(struct replica *replica);
/* The file's path or the document has changed, or the index has the document now: those who have the same one are met. */
void neighbours_meet(struct replica *replica);
/* The same as another agent, of which nobody has heard before. */
void neighbours_meet_anew(struct replica *replica);
/* After the writer has stopped. Those who hear it know that whoever was here when they were opened has left. */
void neighbours_close(struct replica *replica);
void neighbours_handle(struct replica *replica, uint64_t now_ms);
void neighbours_ring(struct replica *replica, uint64_t place);       /* any thread: rows up to `place` are there */
void neighbours_tell(struct replica *replica);                       /* the index has something new about this document */
void neighbours_present(struct replica *replica, bool leaving);
/* Somebody took the last thing that was said. */
bool neighbours_listen(const struct replica *replica);
/* Somebody has the file at `path` (resolved) open, in another document than this replica's. */
bool neighbours_have_open(const struct replica *replica, const char *path);
/* Somebody has a document that the index has open. */
bool neighbours_are_in(const struct env *env, const struct doc_id *doc);
/* Rows were put into that document's journal by somebody who need not have it open. `path` (may be NULL): the file's. */
void neighbours_ring_folded(const struct env *env, const struct doc_id *doc, const char *path);
/*
 * Somebody else has this replica's file or document open. While that is so its path is given no other document: who has it
 * open would go on in the one the path does not show any more.
 */
bool neighbours_meet_us(const struct replica *replica);
uint64_t neighbours_next_ms(const struct replica *replica);

#endif
