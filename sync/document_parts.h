/*
 * document_parts - the inside of struct document, for the files that implement sync/document.h; nobody else includes
 * it.
 *
 *   document.c        life, versions, adding batches, updating
 *   document_write.c  from patches to batches
 *   document_edits.h  what events are to people, which edits stand, how many and whose
 *   document_dates.h  which edit an event belongs to, and when it was made
 *   document_copies.h what bytes that were brought back were at first
 *   document_whole.h  every byte that ever was
 *   document_between.c the patch between two versions
 *   document_texts.h  the text at a version
 *   document_undo.c   undo, redo
 *   document_undo_plan.h what taking back means, byte by byte
 *   document_undo_steps.h and what that does to the text
 *   document_past.h   the log, blame, the version of a moment
 *   document_collisions.h edits that touched each other unseen
 *   document_find.c   which version has a text
 *   document_code.h   the whole in bytes
 *   document_asleep.c  the text first, the history when it is needed
 *   document_after.h   and what is written until then
 */
#ifndef WEFT_SYNC_DOCUMENT_PARTS_H
#define WEFT_SYNC_DOCUMENT_PARTS_H

#include "sync/document.h"
#include "sync/keyframes.h"
#include "sync/marks.h"
#include "sync/walker.h"

/* Where an agent's edits begin, by seq, with their marks. */
struct date {
    uint64_t seq;
    size_t mark;
};
struct dates_row {
    struct date *items;
    size_t count, cap;
};
struct dates {
    struct dates_row *agents; /* by their number in the graph */
    size_t count, cap;
    size_t marks_done; /* of the document's: those before are in here */
};
void dates_release(struct dates *dates);

/* Units [id, id + len) stand for those from `original` on, which may themselves stand for others. */
struct copy {
    uint64_t id, len, original;
    uint64_t by; /* the event that deleted unit `original` */
    bool back;   /* and those after it by the events before that one */
};
struct copies {
    struct copy *items; /* ascending, disjoint */
    size_t count, cap;
    size_t marks_done;  /* of the document's: those before are in here, or were not wanted */
};
void copies_release(struct copies *copies);

/* What was written here and nobody has taken yet (document_take()), in this order. */
struct untaken {
    struct batch_list batches;
    uint64_t from, upto; /* then events [from, upto): plain edits of one agent, each after the one before; the log has them */
};

struct document {
    struct graph *graph;
    struct oplog log;
    struct marks marks;
    struct critical critical;
    struct walker *walker;
    struct walker *whole; /* NULL, or keeps a tracker of all history (sync/document_whole.h) */
    struct copies copies; /* what was brought back, by the ids of that tracker */
    struct dates dates;   /* which edit an event belongs to (sync/document_dates.h) */
    struct walker *aside; /* NULL, or walks for questions about the past, so that merging goes on in its own tracker */
    struct keyframes keyframes; /* from where the texts of the past are made (sync/document_texts.h) */
    uint64_t keyframe_ops;      /* how far apart; 0: as is good for it. For tests */
    struct rope *base;
    struct version root;  /* what the base text is the text of: no heads, but for document_new_at() */
    uint64_t merged; /* events whose effect is in the text: those below this LV */
    uint64_t len;    /* of that text */
    /* The newest undo here: what its writer types right after it is an edit of its own, not more of the undo. */
    size_t undo_agent;
    uint64_t undo_end;
    struct asleep *asleep;  /* NULL: the history is here, as all above says */
    struct document_source source;
    const struct asleep *only; /* while it is replayed: batches that this one had; or NULL */
    struct patch *loaded;   /* the text as it was loaded, from the base text, until the next update gives it out; or NULL */
    struct untaken untaken;
    struct lv_list scratch;
    struct lv_list spare; /* the memory of a writer's parents, for the next one: every key has one */
};

/* False when a head is not here. Ascending. */
bool document_lvs(const struct document *document, const struct version *version, struct lv_list *out);
void document_ids(const struct document *document, const struct lv_list *heads, struct version *out);
/* The LVs of an agent's events, range by range. False at the end, or when one is not here. */
bool document_next_lvs(const struct document *document, struct agent_span *span, uint64_t *lv, uint64_t *len);

/* Whether what an agent wrote last is here; a branch that is to begin follows what it leaves. */
bool document_has_past(const struct document *document, size_t agent);
/* May these be the parents of an agent's next batch, whose past is here? Ascending LVs. */
bool document_admits(struct document *document, size_t agent, const uint64_t *parents, size_t parent_count,
                     struct error *err);
/* Events of an agent in a row were added to the log: puts them into the graph. */
void document_append(struct document *document, size_t agent, uint64_t count, const uint64_t *parents,
                     size_t parent_count);
/* An admitted batch: its operations, marks and events. */
void document_append_batch(struct document *document, const struct batch *batch, const uint64_t *parents,
                           size_t parent_count);

/*
 * Writes one edit of an agent as batches: as many as its size asks for, with merge markers before when there are more
 * heads than a batch may have parents. Every finished batch is appended to the document and to `out`.
 */
struct writer {
    struct document *document;
    struct agent_id agent;
    struct batch_list *out;
    struct edit_mark mark;         /* of the first batch */
    const struct event_span *undo; /* NULL, or what the edit takes back; the first undo span of each batch */
    bool redo;
    uint64_t seq;           /* of its next batch; after document_flush() alone: */
    bool recorded;          /* the document has these events already */
    struct batch *batch;    /* the one being written: the last of `out` */
    size_t size;            /* about what it comes to in bytes, never less */
    struct lv_list parents; /* of it */
};

void writer_begin(struct writer *writer, const uint64_t *parents, size_t parent_count);
void writer_begin_at_head(struct writer *writer); /* after all events; there is nothing to update */
void writer_delete(struct writer *writer, uint64_t pos, uint64_t len);
void writer_insert(struct writer *writer, uint64_t pos, struct bytes text);
/* Brings back the bytes that these events deleted; `back`: the last event deleted the first byte. */
void writer_restore(struct writer *writer, uint64_t pos, struct bytes text, struct event_span deletes, bool back);
void writer_end(struct writer *writer, bool even_if_empty);
/* Before the log goes, or something is written that is to come after them: events that nobody has taken become batches. */
void document_flush(struct document *document);
/* What was written at the head is in the text by this patch. */
void document_wrote(struct document *document, const struct patch *patch);
/* Events from `first` on were written at the head; the text had so many bytes before. */
void document_note_critical(struct document *document, uint64_t first, uint64_t len);
/* As document_new() for a text of which only the length is known: what asks for its bytes is not for it. */
struct document *document_new_of(uint64_t len);

/*
 * Before anything else is done with a document: reads the history of one that is asleep. What may be asked of it while it is
 * asleep (document->asleep) is below; document_asleep.c says what that is.
 */
void document_wake(struct document *document);
void document_asleep_free(struct asleep *asleep);
const struct version *document_asleep_version(const struct document *document);
bool document_asleep_at(const struct document *document, const struct version *version); /* asleep, and just there */
uint64_t document_asleep_events(const struct document *document);
uint64_t document_asleep_next_seq(const struct document *document, const struct agent_id *agent);
/* Whether a batch was in what was loaded. */
bool document_asleep_had(const struct asleep *asleep, const struct batch *batch);
/* A branch that begins. What its agent writes waits until the history is read. */
void document_asleep_fork(struct document *document, const struct agent_fork *fork);
bool document_asleep_is_branch(const struct document *document, const struct agent_id *agent);
/* document_approach() without the history. False: it has to be read. */
MUST_USE bool document_asleep_approach(struct document *document, const struct batch *batch, uint64_t steps, bool *there);
/* Whether every head of the version is here. */
bool document_asleep_knows(const struct document *document, const struct version *version);
/* A batch after the version is complete; and what was written so is in the text. */
void document_asleep_wrote(struct document *document, const struct batch *batch);
void document_asleep_in_text(struct document *document);
/* The next batch of an agent, from elsewhere; its parents are here. DOCUMENT_EARLY: it is not to be had without the history. */
MUST_USE enum document_added document_asleep_add(struct document *document, const struct batch *batch, struct error *err);
/* What was written since it was loaded, with batches from elsewhere; NULL: there are none, or it is not asleep. */
struct document *document_asleep_after(const struct document *document);
/* A version there, by its numbers (sync/document_after.h). */
MUST_USE bool document_asleep_find(const struct document *document, const struct version *version, struct version *out);
/* Something in there is not in the text yet. */
bool document_asleep_is_behind(const struct document *document);

#endif
