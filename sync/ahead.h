/*
 * ahead - a joiner's text while its history is still on the way: that of a checkpoint (sync/checkpoint.h), shown and edited at
 * once.
 *
 * Nobody has checked it yet, so nothing that is typed on it leaves this machine. Two documents stand side by side:
 *
 *     checkpoint --> ahead_document()     its root is the checkpoint's version (document_new_at()); the person types here
 *     the log    --> the history's        an ordinary document, which nobody sees
 *
 * The batches of the first are those that the second will have: positions are of the same text, the first one's parents are the
 * checkpoint's heads, and each follows the one before. So once the history knows that version, and says the same of it, they
 * are added to it as they stand, and only then get their digests, a row in the journal and a record. Until then they are kept as
 * notes.
 *
 *     ahead_compare() --> AHEAD_WAITS   the history does not reach there yet
 *                     --> AHEAD_RIGHT   ahead_batches() go into the history's document and chain; it takes over
 *                     --> AHEAD_WRONG   the checkpoint was false: ahead_write() makes one edit of the true text of what was typed
 *
 *   Ownership  ahead_free() frees the document too. The history's document, base and chain are the caller's.
 *   Errors     of a false checkpoint: *why is one clause, without a period.
 *   Bounds     those of a document.
 *   Threads    one thread owns it, and the history's document while it is compared.
 */
#ifndef WEFT_SYNC_AHEAD_H
#define WEFT_SYNC_AHEAD_H

#include "sync/chain.h"
#include "sync/checkpoint.h"
#include "sync/document.h"

struct ahead;

/* `text` is the checkpoint's. `by`: who wrote it. */
struct ahead *ahead_new(const struct checkpoint *checkpoint, const struct rope *text, const struct agent_id *by);
void ahead_free(struct ahead *ahead); /* NULL is fine */

struct document *ahead_document(struct ahead *ahead);
const struct agent_id *ahead_by(const struct ahead *ahead);
const struct checkpoint *ahead_checkpoint(const struct ahead *ahead);
const struct rope *ahead_text(const struct ahead *ahead);

/* What document_local() or document_undo() made on it; copied. The number of the first, counted from 0. */
size_t ahead_wrote(struct ahead *ahead, const struct batch_list *batches);
/* One that was written before weft was killed; in order. False: it does not follow what is there. */
MUST_USE bool ahead_restore(struct ahead *ahead, const struct batch *batch);
const struct batch_list *ahead_batches(const struct ahead *ahead);

enum ahead_state { AHEAD_WAITS, AHEAD_RIGHT, AHEAD_WRONG };
/* `base`: the history's. `complete`: all that there is has come. */
enum ahead_state ahead_compare(const struct ahead *ahead, struct document *history, const struct rope *base, struct chain *chain,
                               bool complete, struct error *why);
/*
 * What was typed, as one edit of the history's by that agent; its next document_update() has it. Where the history was ever at
 * the checkpoint's text, it is an edit of that; else of the text at the checkpoint's version, or of `now`, the newest, with which
 * the checkpoint's is compared line by line. There is nothing to update, and `base` is the history's.
 */
void ahead_write(struct ahead *ahead, struct document *history, const struct rope *base, const struct rope *now,
                 const struct agent_id *agent, struct edit_mark mark, struct batch_list *out);

#endif
