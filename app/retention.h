/*
 * retention - how long journals of unshared documents are kept.
 *
 * An unshared document keeps its history for 30 days after it was opened last, and all of them together 256 MB: then what is
 * in its file already is forgotten, the longest unused first. A document with edits that are in no file, or that were set aside
 * (replica_visit_aside()), is never forgotten, whatever its age: its journal is compacted (sync/journal_compact.h), and nothing
 * of it is lost. A shared one stays until `weft unshare`.
 *
 *   Processes  a document that any weft has open is left alone: its journal cannot be removed then, and one that was written
 *              to after it was looked at is not removed either.
 *   Time       given by the caller, seconds since 1970.
 *   Cost       a document that may go has to be read, so at most documents_max of them are looked at in one run, and the
 *              next one goes on where it stopped: many with edits in no file do not keep the others.
 *   Doubt      the index says when a document was opened last; one whose journal is younger than that stays.
 */
#ifndef WEFT_APP_RETENTION_H
#define WEFT_APP_RETENTION_H

#include "app/env.h"
#include "sync/doc_index.h"

enum { RETENTION_DAYS = 30, RETENTION_MEGABYTES = 256, RETENTION_DOCUMENTS_A_RUN = 16 };

struct retention {
    uint64_t now_s, seconds_max, bytes_max;
    size_t documents_max;
};
/* The document that a run looked at last; {0}: it came to the end. */
struct retention_place {
    uint64_t opened_s;
    struct doc_id doc;
};
/* Goes on behind *place, and brings it forward. *forgotten is how many went. Nothing kept on this machine yet is success. */
MUST_USE bool retention_run(struct env *env, const struct retention *retention, struct retention_place *place,
                            size_t *forgotten, struct error *err);
/*
 * Whether all of a document's text is in a file: in the one it belongs to, or, where that shows another document now, in it
 * when this was saved last. False and *err: it cannot be read.
 */
MUST_USE bool retention_is_in_file(struct env *env, const struct doc_entry *entry, bool *in_file, struct error *err);
/* With the figures above, once a day: for the end of a process, when nobody waits. Failures wait for the next time. */
void retention_at_exit(struct env *env, uint64_t now_s);

#endif
