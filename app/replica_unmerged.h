/*
 * replica_unmerged - what the journal has beyond its checkpoint, where merging that takes longer than a start may: it is merged
 * in portions after the first screen (app/replica_unmerged.c). For the files that make up a replica.
 *
 *   Ownership  replica->unmerged, NULL once all is in the text; replica_unmerged_forget().
 *   Bounds     rows are read on as they are merged, so that few are in memory at a time (replica_read_rows_of()).
 *   Errors     what cannot be read is said as at every opening.
 */
#ifndef WEFT_APP_REPLICA_UNMERGED_H
#define WEFT_APP_REPLICA_UNMERGED_H

#include "editor/base/error.h"
#include "sync/id.h"

struct remembered;
struct replica;
struct version;

/*
 * All rows have been added to the document, nothing has been walked. True: that would take too long; the document is that of the
 * checkpoint again, and the rows come in turns. Takes what `remembered` has then.
 */
bool replica_unmerged_begin(struct replica *replica, struct remembered *remembered);
/*
 * The version that was saved is not known here, for some of it is held: then nothing is compared with the file nor written to it
 * until that is merged. True: so it is; takes what `remembered` has then.
 */
bool replica_unmerged_await(struct replica *replica, struct remembered *remembered);
/* Rows are still coming into the text by themselves. */
bool replica_unmerged_comes(const struct replica *replica);
/* All rows have had their turn, and what is held keeps the file from being looked at. */
bool replica_unmerged_awaits(const struct replica *replica);
/* A row that comes in its turn, and was in the text that was last saved or shown. */
bool replica_unmerged_had(const struct replica *replica, const struct event_id *event);
/* What is there at once is in the text: the cursor goes to where it was, as far as that is there. */
void replica_unmerged_show(struct replica *replica);
void replica_unmerged_handle(struct replica *replica);
/* The cursor is where the person has put it, and stays there. */
void replica_unmerged_moved(struct replica *replica);
/* The file is written as soon as all is in the text: until then it may have what the text lacks.
   False: it has what is held. */
MUST_USE bool replica_unmerged_save(struct replica *replica, struct error *err);
/* Nothing is written now; *err says why. Returns false. */
bool replica_unmerged_refuse(const struct replica *replica, struct error *err);
/* What comes after that of an agent is in no row that waits; 0: nothing waits. */
uint64_t replica_unmerged_upto(const struct replica *replica, const struct agent_id *agent);
/* How much of it is in the text. */
unsigned replica_unmerged_percent(const struct replica *replica);
bool replica_unmerged_saves(const struct replica *replica);
void replica_unmerged_forget(struct replica *replica);

/* replica_restore.c: what the journal says of the file and of the cursor. */
struct remembered *remembered_take(struct remembered *from); /* heap; `from` is empty then */
void remembered_free(struct remembered *remembered);
/* Where the text of the file is one that was saved: that is a version of the document as it is here. */
bool remembered_is_known(const struct replica *replica, const struct remembered *remembered);
/* Adds the heads of what was last saved and last on the screen, as far as they are known here. */
void remembered_versions(struct replica *replica, const struct remembered *remembered, struct version *out);
/* Without the cursor where that is not wanted. */
MUST_USE bool replica_take_remembered(struct replica *replica, const struct remembered *remembered, bool cursor, struct error *err);
/* Where the cursor was, if the text that is shown has what it stood in; otherwise at the top. */
void replica_guess_view(struct replica *replica, const struct remembered *remembered);

#endif
