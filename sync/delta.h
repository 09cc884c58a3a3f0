/*
 * delta - many edits of a text, one after another at any place, summed up to one patch.
 *
 * The old text is one span; inserts and deletes cut it. What a merge does to the text in a million steps comes out as
 * one patch from the old text to the new one. A single edit is its own sum and needs no tree: most keys of others are that.
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

enum delta_edits { DELTA_NONE, DELTA_ONE, DELTA_MANY };

struct delta_edit {
    uint64_t pos, len;
    size_t text_at; /* of an insert */
    bool deletes;
};

struct delta {
    enum delta_edits edits;
    uint64_t old_len;
    struct delta_edit only; /* DELTA_ONE */
    struct spans spans;     /* DELTA_MANY */
};

void delta_release(struct delta *delta);
void delta_begin(struct delta *delta, uint64_t len);
uint64_t delta_len(const struct delta *delta); /* of the new text */
void delta_insert(struct delta *delta, uint64_t pos, size_t text_at, uint64_t len);
void delta_delete(struct delta *delta, uint64_t pos, uint64_t len);
void delta_patch(const struct delta *delta, struct bytes text, struct patch *out);

#endif
