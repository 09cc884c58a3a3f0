/*
 * document - one shared text as a replica holds it: event graph, merge, undo. No I/O, no clock, no text of its own.
 *
 * The text lives in a rope that somebody else owns (editor/buffer.h). The document takes a local patch and gives the
 * batch that records it; it takes batches from elsewhere and gives the patch that brings the text up to date. Whoever
 * applies every patch it hands out, in order, to the base text, has the document's text.
 *
 *   local     patch -> document_record() -> ...any number... -> document_take() -> batches
 *                                                            (the text changes by this patch, before or after)
 *   remote    batch -> document_add()    -> ...any number... -> document_update() -> patch
 *
 *   Units      bytes. Versions are sets of event ids ("heads"): the events nobody in the version has as a parent.
 *   Ownership  opaque; document_free(). Patches and batches passed for output belong to the caller.
 *   Errors     only data from outside fails; the document is then unchanged. Runs out of range are no-ops by rule, on
 *              every replica and every path, and are counted (document_stats()).
 *   Bounds     BATCH_*_MAX; DOCUMENT_EVENTS_MAX; of what document_decode() takes, DOCUMENT_DECODE_RATIO_MAX.
 *   Threads    one thread owns a document.
 *   Source     Gentle & Kleppmann, "Collaborative Text Editing with Eg-walker: Better, Faster, Smaller", EuroSys 2025.
 */
#ifndef WEFT_SYNC_DOCUMENT_H
#define WEFT_SYNC_DOCUMENT_H

#include "editor/base/varint.h"
#include "editor/patch.h"
#include "editor/rope.h"
#include "sync/batch.h"

#define DOCUMENT_EVENTS_MAX ((uint64_t)1 << 58) /* 2^26 batches of BATCH_EVENTS_MAX */

/*
 * What document_decode() takes of memory: DOCUMENT_DECODE_RATIO_MAX times document_saved_len() and COMPRESSOR_BYTES. A document
 * comes to 12 to 28 times its columns, for a row of three bytes becomes a row of graph, author, operation and agent; what is
 * refused in the end may have come to more. Saved forms are sealed by who reads them: nobody else gets so far
 * (assets/doc/engine.md, What a decoder takes). What says that its columns are more than DOCUMENT_COLUMNS_BYTES_MAX is refused
 * before any of it is unpacked.
 */
enum { DOCUMENT_DECODE_RATIO_MAX = 96, DOCUMENT_COLUMNS_BYTES_MAX = 1 << 30 };

struct document;

/* Its own bytes and what its columns will be, as they say themselves: a matter of reading 30 numbers. */
uint64_t document_saved_len(struct bytes encoded);

/* `base` is the genesis text: the document keeps a snapshot of it (to bring deleted base text back on undo). */
struct document *document_new(const struct rope *base);
void document_free(struct document *document);
struct version {
    struct event_id *heads; /* sorted by (agent, seq); none: the base text */
    size_t count, cap;
};
void version_release(struct version *version);
void version_copy(struct version *out, const struct version *version);
void version_set(struct version *out, struct event_id head); /* what that event had seen, and it */
void version_sort(struct version *version);
bool version_equal(const struct version *a, const struct version *b);
void version_encode(const struct version *version, struct buf *out);
bool version_decode(struct reader *reader, struct version *version); /* at most 65536 heads */

/*
 * As document_new(), for who has a text and not how it came about (sync/ahead.h): the root stands for that version, so what is
 * written is what one would write who has all of it. At most BATCH_PARENTS_MAX heads, at least one. It is never saved.
 */
struct document *document_new_at(const struct rope *text, const struct version *version);

/* The version of all events that were added. */
void document_version(const struct document *document, struct version *out);
uint64_t document_len(const struct document *document);    /* bytes of the text after the last update */
uint64_t document_events(const struct document *document); /* how many events there are */
/* The next seq of an agent, 0 when unknown. */
uint64_t document_next_seq(const struct document *document, const struct agent_id *agent);
/* Whether every head of the version is here. */
bool document_knows(struct document *document, const struct version *version);
/* The same, and whether a batch may have them as its parents: none is an ancestor of another. */
bool document_may_follow(struct document *document, const struct version *version);

struct edit_mark {
    bool gesture;      /* this patch begins a new undo group of its agent */
    uint64_t time_s;   /* 0: not recorded */
    const char *label; /* NULL or "disk" */
};

/*
 * Records a local patch against the present text. There must be nothing to update (document_update() first). It is in the
 * history then; the batches that say so are made when they are taken.
 */
void document_record(struct document *document, const struct agent_id *agent, const struct patch *patch, struct edit_mark mark);
/*
 * Appends to `out`, a list the caller owns (sync/batch.h), the batches of all that was recorded and not taken yet: at any moment,
 * and whatever was done meanwhile. Edits in a row with nothing to say of them (`mark`) come as one batch, or several for more
 * than BATCH_BYTES_MAX: to have each as its own, take after each. What else writes batches into a list puts these in front.
 */
void document_take(struct document *document, struct batch_list *out);
/* Both: the batches of what was recorded before, and of this. An empty patch gives none. */
void document_local(struct document *document, const struct agent_id *agent, const struct patch *patch,
                    struct edit_mark mark, struct batch_list *out);
/*
 * Records a patch against the text at an older version (a change by another program since the last save). The text is
 * brought up to date by the next document_update(). False when the version is not known or the patch does not fit it.
 */
MUST_USE bool document_local_at(struct document *document, const struct agent_id *agent, const struct version *at,
                                const struct patch *patch, struct edit_mark mark, struct batch_list *out,
                                struct error *err);

/*
 * Before the first batch of a branch of an agent that forked (sync/chain.h). Batches name agents by their local ids here, and
 * so do versions that come out; who passes them on gives them the names that others know.
 */
void document_fork(struct document *document, const struct agent_fork *fork);

enum document_added {
    DOCUMENT_ADDED,
    DOCUMENT_KNOWN,   /* all of it was there already */
    DOCUMENT_EARLY,   /* a parent or the agent's previous event is missing, or the history cannot be read now: offer it again */
    DOCUMENT_REFUSED, /* *err says why */
};
MUST_USE enum document_added document_add(struct document *document, const struct batch *batch, struct error *err);
/* Whether the text is that of this version, and there is nothing to update. */
bool document_is_at(const struct document *document, const struct version *version);
/*
 * How many steps (sync/walker_cost.h: about 100 ns each) document_update() will take at most; told from the graph before anything
 * is walked. Counting ends soon after `limit`.
 */
uint64_t document_update_cost(struct document *document, uint64_t limit);
/*
 * For a batch that is to be added: does what its merge would do before it comes to the batch, in portions of about so many steps,
 * while nothing of the text changes and the person types on. True: there is nothing of that to do (any more); added now, and
 * updated, it costs what it does itself. One batch at a time: another one with other parents ends the way of the one before. As
 * long as it is on its way, document_map() costs much, and anything else that looks at history makes it begin anew.
 */
bool document_approach(struct document *document, const struct batch *batch, uint64_t steps);
struct approach_state {
    uint64_t steps; /* done so far; 0: nothing is on its way */
    uint64_t least; /* that it takes in all, and more */
    unsigned percent;
};
struct approach_state document_approach_state(const struct document *document);
/* Merges all events added since the last update: the patch from the text as it was to that of document_version(). */
void document_update(struct document *document, struct patch *out);

/*
 * The patch from the text at a known older version to the present text (there must be nothing to update): for "what
 * changed since". False when the version is not known.
 */
bool document_patch_since(struct document *document, const struct version *since, struct patch *out);
/*
 * Brings places in the text at a known version into the present text, in front of what was inserted there since: for
 * other people's cursors. A place that is out of range becomes one in the text. False when the version is not known.
 */
bool document_map(struct document *document, const struct version *since, uint64_t *places, size_t count);
/* The patch from the base text to the text at a version: the text of any moment. */
bool document_patch_to(struct document *document, const struct version *version, struct patch *out);
/*
 * The patch from the text at one known version to that at another, whichever is older, or neither: what both have is retained.
 * It costs what a walk over the events after the last critical version below both does, not the age of the document; and
 * when text comes back that was there at that critical version, a walk to that from the nearest keyframe before it
 * (sync/keyframes.h; the first time, in a document without any, over all history before). False when one of them is not known.
 */
bool document_patch_between(struct document *document, const struct version *from, const struct version *to, struct patch *out);
/*
 * The text at a version, a rope for the caller: from the present text `now` where little was written since, else from the nearest
 * keyframe before it (sync/keyframes.h; the base where there is none), so it costs what lies between it and one of the two,
 * whichever is less. There must be nothing to update. NULL when it is not known.
 */
MUST_USE struct rope *document_text_at(struct document *document, const struct rope *now, const struct version *version);
/*
 * A version that has just this text, not older than `since`: what a replica of the document may have written into a file. `now`
 * is the present text; there must be nothing to update. Looks at a bounded number of versions, those that the
 * writers of the newest events went through last. False: none of them, or `since` is not known.
 */
MUST_USE bool document_find_text(struct document *document, const struct version *since, const struct rope *now,
                                 const struct rope *text, struct version *out);

/*
 * Undo and redo, per person. A person's edits are those of `agents` (the own agent, and those of earlier runs it took
 * over); an edit is a gesture: the batches from one marked `gesture` to before the next. Undo takes back the newest
 * edit not yet taken back; redo takes back the newest undo, as long as nothing was typed since. Taking back removes
 * what the edit inserted and is still there, and restores what it deleted unless somebody else deleted it as well.
 * Recorded as ordinary events of `writer` with undo spans, so it converges and survives restarts (batches carry what
 * is needed).
 *
 * *out is the patch for the text. An edit of which nothing is left gives an empty patch and still counts as taken back
 * (a NOP batch records it). DOCUMENT_UNDO_NOTHING: there was no edit to take back.
 */
enum document_undone { DOCUMENT_UNDONE, DOCUMENT_UNDO_NOTHING };
enum undo_direction { UNDO_BACK, UNDO_AGAIN };
enum document_undone document_undo(struct document *document, const struct agent_id *agents, size_t agent_count,
                                   const struct agent_id *writer, enum undo_direction direction, uint64_t time_s,
                                   struct patch *out, struct batch_list *batches);
/*
 * The same of any events, whoever wrote them: some of one's own edits, or all that somebody wrote since a version. They are taken
 * back as one, as if they had not been written: what one of them deleted and another one brought back is left alone. What others
 * deleted too does not come back, and what others typed stays. `events` are whole edits; rows of the same agent do not overlap.
 * It is the writer's undo: redo does all of it again, where these are edits of the same person. To take it back, pass its events.
 */
enum document_undone document_undo_events(struct document *document, const struct event_span *events, size_t count,
                                          const struct agent_id *writer, uint64_t time_s, struct patch *out,
                                          struct batch_list *batches);
struct event_span_list {
    struct event_span *items;
    size_t count, cap;
};
void event_span_list_release(struct event_span_list *list);
struct agent_filter {
    const void *self;
    bool (*wants)(const void *self, const struct agent_id *agent);
};
/* What the wanted agents wrote after a version, branches of them too: a row of each that did. False when the version is not
   known. */
bool document_written_since(struct document *document, const struct version *since, struct agent_filter by,
                            struct event_span_list *out);

/* How many batches of an agent begin at [seq, end): the hash chain knows. */
struct batch_counter {
    void *self;
    uint64_t (*count)(void *self, const struct agent_id *agent, uint64_t seq, uint64_t end);
};
/*
 * How many batches (keys, pastes, commands) everybody has made after `since` (not known: since the beginning) and not taken
 * back. That something older was taken back counts as one.
 */
uint64_t document_edits_since(struct document *document, const struct version *since, struct batch_counter counter);

/* When the newest edit after `since` was made, as far as edits say so; 0: not known, or there is none. */
uint64_t document_newest_s(struct document *document, const struct version *since);

/* Who made the newest edit and when, as far as edits say so, among those whose agents are wanted; a change by another program
   is nobody's. */
struct last_edit {
    struct agent_id agent;
    uint64_t time_s; /* 0: there is none */
};
struct last_edit document_last_edit(struct document *document, struct agent_filter filter);

/* All of it in one compact message: columns, run-length coded; what is needed to merge, undo and time-travel. */
void document_encode(struct document *document, struct buf *out);
/* The same from bytes that are not trusted. `base` as for document_new(). NULL and *err on failure. */
MUST_USE struct document *document_decode(struct bytes encoded, const struct rope *base, struct error *err);

/*
 * The same with the text in front, so that a document opens at once however long its history is: document_load() reads the
 * text, and the history waits until something is asked for but document_version(), _is_at(), _len(), _events(), _next_seq(),
 * _knows(), _update() and _local(); or _add(), _map() and _patch_since() of what was written by those who had seen all that was
 * saved. The first document_update() gives the text; it comes before anything else.
 *
 * Only for bytes that were sealed by who loads them: what stands in front is not compared with the history, and where that then
 * cannot be read, the source has to help. Bytes from elsewhere go to document_decode(), which takes both forms.
 */
void document_save(struct document *document, struct buf *out);
MUST_USE struct document *document_load(struct bytes saved, const struct rope *base, struct error *err);

/*
 * The front alone, the first document_saved_front() bytes of what was saved: the history stays where it is until it is asked for,
 * and is had from the source then. document_hold() has it now, for who is about to put something else in its place; false: it is
 * gone.
 */
size_t document_saved_front(struct bytes saved, const struct rope *base);
MUST_USE struct document *document_load_front(struct bytes front, const struct rope *base, struct error *err);
bool document_hold(struct document *document);
/* The other way: what it went to sleep with is where the source finds it, and need not be in memory. Nothing when it is awake. */
void document_let_go(struct document *document);

/*
 * Where the batches of a loaded document are besides: its saved history turns out to be unreadable in the middle of an undo or a
 * merge, when there is no way back. That it was sealed by us does not exclude that we wrote it wrongly.
 *
 *   distrust   the saved form is not to be loaded again, for its history cannot be read and the batches are all there
 *   replay     adds all batches there are to `whole`, each after its parents, document_fork() where a branch begins; those that
 *              the saved version had not are passed over. False: they are not to be had
 *   history    appends what was saved behind the front (may be NULL). False: it is not there any more, or damaged (ERR_AUTH);
 *              the batches are replayed then
 *   lost       the program is about to stop (may be NULL): the last chance to put the text somewhere
 *
 * Without a source, or where its batches do not come to the saved version and text either, the history is not to be had:
 * document_read_history() says so and why, and nothing is lost by it. What takes an error, or says false when a version is not
 * known, fails then as well. What can do neither, say an undo or the log, asks for the history all the same and stops the
 * program: who calls that has read the history first.
 */
struct document_source {
    void *self;
    void (*distrust)(void *self);
    bool (*replay)(void *self, struct document *whole, struct error *err);
    bool (*history)(void *self, struct buf *out, struct error *err);
    void (*lost)(void *self);
};
void document_set_source(struct document *document, struct document_source source);
/*
 * Reads the history of one that is asleep. False and ERR_IO: it cannot be had now, say because the journal's directory is gone or
 * no file can be opened. The document sleeps on: it takes what is typed as before, and this may be tried again. document_add()
 * tries it itself, and what a branch writes waits (DOCUMENT_EARLY); document_newest_s() and document_last_edit() find nothing
 * then.
 */
MUST_USE bool document_read_history(struct document *document, struct error *err);
/*
 * `saved` is what document_save() made of this document, or of another replica's that had the same batches: it goes to sleep
 * (again), so that it takes the memory of its saved form. That has to be of the present version, or, where the document is
 * asleep, of one that it went through: what was written since stays. False: it is of another one, and nothing is changed.
 */
bool document_sleep(struct document *document, struct bytes saved);

struct document_stats {
    uint64_t events, runs, agents;
    uint64_t void_events;   /* that do nothing, of those that were merged: the same wherever the same events were */
    uint64_t walked_events; /* here, so far */
};
struct document_stats document_stats(struct document *document);
/* Walks every invariant of graph, logs and kept tracker; stops the program when one is broken. Wakes it. For tests. */
void document_check(struct document *document);

#endif
