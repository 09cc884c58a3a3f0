/*
 * delta - many edits of a text, one after another at any place, summed up to one patch.
 *
 * The old text is one span; inserts and deletes cut it. What a merge does to the text in a million steps comes out as
 * one patch from the old text to the new one.
 *
 *   Units      bytes of the text as the edits before left it. Inserted text is named by where it begins in a text that
 *              the caller keeps (sync/oplog.h).
 *   Ownership  zero-initialised, then delta_begin(), which keeps memory; delta_release().
 *   Errors     none; positions beyond delta_len() are bugs (ensure).
 *   Bounds     O(log pieces) an edit, linear for the patch.
 */
#ifndef WEFT_SYNC_DELTA_H
#define WEFT_SYNC_DELTA_H

#include "editor/patch.h"
#include "sync/spans.h"

struct delta {
    struct spans spans;
};

void delta_release(struct delta *delta);
void delta_begin(struct delta *delta, uint64_t len);
uint64_t delta_len(const struct delta *delta); /* of the new text */
void delta_insert(struct delta *delta, uint64_t pos, size_t text_at, uint64_t len);
void delta_delete(struct delta *delta, uint64_t pos, uint64_t len);
void delta_patch(const struct delta *delta, struct bytes text, struct patch *out);

#endif
