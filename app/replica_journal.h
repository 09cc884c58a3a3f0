/*
 * replica_journal - the journal of an open document, for the files that make up a replica: finding it, reading it, what it is
 * founded on, and beginning to write.
 */
#ifndef WEFT_APP_REPLICA_JOURNAL_H
#define WEFT_APP_REPLICA_JOURNAL_H

#include "app/replica.h"
#include "sync/journal_writer.h"

struct replica;

/* replica_journal.c */
/* The document's; in memory for a private replica. */
MUST_USE struct journal *replica_open_journal(struct replica *replica, enum journal_mode mode, struct error *err);
/* The connection for what this thread reads, and for claims. */
MUST_USE bool replica_open_reader(struct replica *replica, struct error *err);
/* What other processes of ours have written since; that it cannot be read is said. */
void replica_read_rows(struct replica *replica);
/* Whether the process behind that agent is alive; what cannot be found out counts as alive. */
bool replica_agent_lives(const struct replica *replica, const struct agent_id *agent);
/* Whether a process that has written to that journal is alive. */
MUST_USE bool replica_writer_lives(struct env *env, struct journal *journal, bool *lives, struct error *err);
/* Whether another process of ours has this document open and has written to it. */
bool replica_others_write(struct replica *replica);
/* A job that does nothing: whoever waits for it has waited for all before it. */
journal_run_fn replica_nothing;
/* Removes this document's journal and its place in the index, after the writer has stopped. */
void replica_forget(struct replica *replica);

/* replica_restore.c */
/* From replica->entry's journal: everything but the file itself. */
MUST_USE bool replica_restore(struct replica *replica, struct error *err);
/* Keeps where the cursor is, for the next opening. */
void replica_put_view(struct replica *replica);
/* The text of the file as the document has it at replica->file.version. */
void replica_rebuild_file_text(struct replica *replica);

/* replica_lost.c */
/* A journal that is gone, or has not a byte in it. Zero-initialised it is nothing. */
struct lost_journal {
    char *path;  /* where it should be */
    char *aside; /* what the empty one is called now; NULL: it is as it was */
    bool empty;
};
void lost_journal_release(struct lost_journal *lost);
enum replica_kept {
    REPLICA_KEPT,
    REPLICA_KEPT_NOTHING,    /* a journal was made, and nothing ever written to it */
    REPLICA_KEPT_LOST,
    REPLICA_KEPT_UNREADABLE, /* *err says why */
};
/*
 * As replica_restore(), when the index knows the document. An empty journal is set aside, unless this replica only reads; one
 * that another process is just making is waited for. *lost is to be released, whatever comes back.
 */
MUST_USE enum replica_kept replica_restore_kept(struct replica *replica, struct lost_journal *lost, struct error *err);
/* `what` is there instead, a sentence or two. */
void replica_say_lost(struct replica *replica, const struct lost_journal *lost, const char *what);
/* Of what lies on this disk, if a log of it was damaged and nobody has been told yet. */
void replica_say_damaged(struct replica *replica);

/* replica_base.c */
/*
 * What a journal without rows is given by replica_give_founding(), in bytes; false: it would be more than bytes_max.
 * replica_put_founding() puts it into a journal that has no base yet, in the caller's transaction.
 */
MUST_USE bool replica_encode_founding(struct replica *replica, size_t bytes_max, struct buf *out);
MUST_USE bool replica_put_founding(struct journal *journal, struct bytes founding, struct error *err);
/* The text the document began with. replica->base_lost: it is gone, and zeros stand for it. */
MUST_USE bool replica_load_base(struct replica *replica, struct rope **base, struct error *err);
/* All of a base text, in the caller's transaction. */
MUST_USE bool replica_put_base(struct journal *journal, const struct rope *base, struct error *err);
/* Puts the base text, when it has come, and the genesis into the journal. */
void replica_give_founding(struct replica *replica);
/* While the base is not in the journal: refers to the file as it is now, whose text replica->file.version is. */
void replica_refer_to_file(struct replica *replica);
/* The same for what is about to be written. The ticket is for replica_await_reference(), which may be called on the worker's
   thread; 0: there is nothing to wait for. */
uint64_t replica_refer_to_save(struct replica *replica, const char *path, const struct version *version,
                               const struct rope *text);
void replica_await_reference(struct replica *replica, uint64_t ticket);
/* With base_lost: what was typed goes into a file beside the file, and that is said. */
MUST_USE bool replica_recover_typed(struct replica *replica, struct error *err);
/* Writes a text to PATH.weft-recovered, or with a number behind when there is one already. *written: its path, a heap string. */
MUST_USE bool replica_write_beside(const char *path, const struct rope *text, char **written, struct error *err);

/* replica_writing.c */
/*
 * Idempotent. Never fails: what cannot be done now is tried again by the journal's thread. The neighbours are open by now,
 * or never will be.
 */
void replica_begin_writing(struct replica *replica);
/* The loop looks at everything once more. From any thread. */
void replica_wake(const struct replica *replica);
/* An agent that writes for this process, or wrote for one that is dead: its edits are undone and sent from here. */
void replica_add_mine(struct replica *replica, const struct agent_id *agent);
bool replica_is_mine(const struct replica *replica, const struct agent_id *agent);
/* Takes over what dead processes of this device left: their undo steps, and their unsent batches. */
void replica_claim_dead(struct replica *replica, struct journal *journal);
/* Begun, waits until the journal is open, 3 s at most: before what depends on which document the file's is. */
void replica_await_journal(struct replica *replica);
/* Draws the conclusions from what the journal's thread has told. */
void replica_writing_handle(struct replica *replica);
/* Ends the writer; the agent is another one from here on. False: not everything was kept. Fine when nothing was begun. */
bool replica_cease_writing(struct replica *replica, unsigned timeout_ms, struct error *err);
/* The same with patience, and says what was lost. */
void replica_stop_writing(struct replica *replica);

#endif
