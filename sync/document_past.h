/*
 * document_past - what a document remembers for people: who did what and when, who wrote which bytes, and which version a moment
 * was. The text of a version is document_patch_to() (sync/document.h).
 *
 *   Units      bytes; seconds since 1970, by the clock of whoever wrote.
 *   Ownership  lists belong to the caller, zero-initialised, and are released by him. Labels live as long as the document.
 *   Errors     none.
 *   Bounds     the log, and the version of a moment: linear in what was ever written. The first blame walks over all history,
 *              and takes memory for that until the document is freed; then it costs what it tells, and what came since.
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

/* All that these versions have together: what others build on is no head. False: one of them is not known. */
bool document_join(struct document *document, struct version *version);

/* Bytes [at, at + len) of the present text that came with one edit. */
struct blame_range {
    uint64_t at, len;
    bool base;              /* they are of the text at the beginning, and the rest is zero */
    struct agent_id author; /* as in the log. What an undo brought back is its first writer's */
    uint64_t time_s;        /* when that edit began; 0: not recorded */
    const char *label;
};
struct blame {
    struct blame_range *items; /* in the order of the text, without holes; neighbours are of different edits */
    size_t count, cap;
    uint64_t at; /* where the first one begins */
};
/* Bytes [at, at + len) of the text, say those on a screen. There must be nothing to update (document_update()). */
void document_blame(struct document *document, uint64_t at, uint64_t len, struct blame *out);
void blame_release(struct blame *blame);
/* The range that holds a byte; NULL: there is no such byte. */
const struct blame_range *blame_find(const struct blame *blame, uint64_t at);

/* Bytes that only one of two versions has, with the edit that made the difference. Those of one edit in a row. */
struct change {
    bool inserted;              /* `to` has them; else `from` has */
    bool wrote;                 /* that edit inserted them; else it deleted them */
    uint64_t from_at, to_at;    /* where they are in the text that has them, and where they would be in the other */
    uint64_t len;
    struct agent_id author;     /* as in the log */
    uint64_t time_s;
    const char *label;
};
struct change_list {
    struct change *items; /* in the order of the texts */
    size_t count, cap;
};
/*
 * The changes from one known version to another, and the patch that they are (document_patch_between()). Where several deleted
 * the same bytes, one of them is named. False when a version is not known.
 */
bool document_changes(struct document *document, const struct version *from, const struct version *to, struct patch *patch,
                      struct change_list *out);
void change_list_release(struct change_list *list);

#endif
