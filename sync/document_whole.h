/*
 * document_whole - every byte that was ever in the text, in one order, with the events that inserted and deleted it.
 *
 * A walk begins at a critical version and knows of the text there only how long it was: who asks what those bytes were needs
 * all that lies before. This tracker begins at the root. It is made at the first such question and kept; a later one adds
 * what came since. Inside of sync/document.h: for its files (sync/document_parts.h) alone.
 *
 *   Units      ids that stay: the LV of the event that inserted a byte; TRACKER_BASE + n for byte n of the base text.
 *   Ownership  of the document, until it is freed. The tracker handed out lives until the next call.
 *   Bounds     the first time a walk over all history, as slow as if nothing in it were critical; then what the events since
 *              take. Memory: as a walk over all history.
 */
#ifndef WEFT_SYNC_DOCUMENT_WHOLE_H
#define WEFT_SYNC_DOCUMENT_WHOLE_H

#include "sync/document_copies.h"

/* With all events; both of its versions are that of all. */
const struct tracker *document_whole(struct document *document);
/* The same, and what those bytes of it that an undo brought back were at first. */
const struct copies *document_whole_copies(struct document *document, const struct tracker **whole);
/* Appends what units with such ids are. */
void document_read_units(const struct document *document, uint64_t id, uint64_t len, struct buf *out);
/* Appends the bytes that some events in a row deleted, in the order of the text. */
void document_read_deleted(struct document *document, struct deleted deleted, struct buf *out);

#endif
