/*
 * document_past - what a document remembers for people: who did what and when, who wrote which bytes, and which version a moment
 * was. The text of a version is document_patch_to() (sync/document.h).
 *
 *   Units      bytes; seconds since 1970, by the clock of whoever wrote.
 *   Ownership  lists belong to the caller, zero-initialised, and are released by him. Labels live as long as the document.
 *   Errors     none.
 *   Bounds     the log, and the version of a moment: linear in what was ever written. Blame merges all history once; it
 *              takes as much memory as that while it runs.
 *   Source     the tracker of a walk holds every byte with the event that inserted it (Gentle & Kleppmann, sync/document.h,
 *              section 3); an undo's batches say which bytes they bring back (sync/batch.h).
 */
#ifndef WEFT_SYNC_DOCUMENT_PAST_H
#define WEFT_SYNC_DOCUMENT_PAST_H

#include "sync/document.h"

enum log_kind { LOG_EDIT, LOG_UNDO, LOG_REDO };

/* One edit: what one undo takes back. */
struct log_entry {
    struct agent_id author;      /* the agent; where it forked, the one that forked and not the branch */
    struct event_id last;        /* its last event, by its local id: version_set() makes the version after it */
    enum log_kind kind;
    uint64_t time_s;             /* when it began; 0: not recorded */
    const char *label;           /* "disk"; NULL: none */
    uint64_t inserted, deleted;  /* bytes; what does nothing because it is out of range does not count */
};
struct log_list {
    struct log_entry *items;
    size_t count, cap;
};
/* Every edit in the order in which it came here: after all that it builds on. */
void document_log(struct document *document, struct log_list *out);
void log_list_release(struct log_list *list);

/*
 * All that was written until then, by what the writers' clocks said, as far as all it builds on was too. What has no time
 * counts as written when its agent's edit before it was, or at the beginning.
 */
void document_version_at(struct document *document, uint64_t time_s, struct version *out);

/* Bytes [at, at + len) of the present text that came with one edit. */
struct blame_range {
    uint64_t at, len;
    bool base;              /* they are of the text at the beginning, and the rest is zero */
    struct agent_id author; /* as in the log. What an undo brought back is its first writer's */
    uint64_t time_s;        /* when that edit began; 0: not recorded */
    const char *label;
};
struct blame {
    struct blame_range *items; /* in the order of the text, without holes */
    size_t count, cap;
};
/* There must be nothing to update (document_update()). */
void document_blame(struct document *document, struct blame *out);
void blame_release(struct blame *blame);
/* The range that holds a byte; NULL: there is no such byte. */
const struct blame_range *blame_find(const struct blame *blame, uint64_t at);

#endif
