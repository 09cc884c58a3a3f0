/*
 * origin - where a document comes from that goes on with another one's text: a note in its journal (app/replica_succession.c).
 *
 *   Ownership  origin_read() keeps what it has read; origin_release() in any case. Zero-initialised it is empty.
 *   Errors     as the journal's; ERR_FORMAT when the note is damaged.
 */
#ifndef WEFT_APP_ORIGIN_H
#define WEFT_APP_ORIGIN_H

#include "sync/journal.h"

struct origin {
    struct doc_id doc;  /* the former one */
    bool is_over;       /* nothing comes from there any more */
    uint64_t place;     /* the rows of its journal up to here have been looked at */
    struct bytes there; /* its version that has been brought over, as others name it */
    struct bytes here;  /* our version with the same text; likewise */
    struct buf encoded; /* what was read: there and here are views into it */
};

void origin_encode(const struct origin *origin, struct buf *out);
/* The note as it is, for telling whether it has changed; then all of it. *origin is zero. */
MUST_USE bool origin_read_encoded(struct journal *journal, struct buf *out, bool *found, struct error *err);
MUST_USE bool origin_read(struct journal *journal, struct origin *origin, bool *found, struct error *err);
/* In the caller's transaction; `encoded` comes from origin_encode(). */
MUST_USE bool origin_put(struct journal *journal, struct bytes encoded, struct error *err);
void origin_release(struct origin *origin);

#endif
