/*
 * replica_frames - what the frames of a tail (sync/tail.h) say, for the files that make up a replica.
 *
 * The first frame of a file is its head: which document the rows are of, and, where its journal is still being made, what that is
 * founded on. Every further one is a row.
 *
 *   Ownership  what is read points into its frame, but for the head's entry: frames_head_release().
 *   Errors     a frame that no weft wrote is ERR_FORMAT, one of a newer weft ERR_NEWER.
 *   Bounds     DOC_INDEX_TEXT_BYTES_MAX a name or path in a head, JOURNAL_PATH_BYTES_MAX a path in a row, BATCH_BYTES_MAX a
 *              batch.
 */
#ifndef WEFT_APP_REPLICA_FRAMES_H
#define WEFT_APP_REPLICA_FRAMES_H

#include "sync/doc_index.h"
#include "sync/journal.h"

/* Of a journal that is there (replica_advance.c): nothing but the entry's `doc` and `name`. */
struct frames_head {
    struct doc_entry entry;
    bool takes_path; /* the path shows this document, whatever it showed before */
    bool has_saved;
    struct journal_saved saved; /* of the entry's path */
    struct bytes founding;
};
void frames_head_release(struct frames_head *head);

/* The head of a file whose journal is still being made. Wipe it: the document's keys are in it. */
void frames_put_founding(const struct frames_head *head, struct buf *out);
/* *head is zero; to be released whatever comes out. */
MUST_USE bool frames_read_founding(struct bytes frame, struct frames_head *head, struct error *err);
/* The head of a file in front of a journal. */
void frames_put_document(const struct doc_id *doc, const char *name, struct buf *out);
MUST_USE bool frames_read_document(struct bytes frame, struct frames_head *head, struct error *err);

void frames_put_row(const struct journal_local *row, struct buf *out);
/* row->agent is the caller's. *path is what row->path points to: free it, whatever comes out. */
MUST_USE bool frames_read_row(struct bytes frame, struct journal_local *row, char **path, struct error *err);

#endif
