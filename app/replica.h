/*
 * replica - one open document: its text, its history, its place on this disk, its file, its room.
 *
 * This is where the parts meet. A local patch goes buffer -> document -> batch -> journal -> room; what comes from the room,
 * from other processes on this machine or from the disk goes document -> patch -> buffer. Editors, `weft apply`, `weft sync`
 * and the demo all hold replicas; none of them knows how one works inside.
 *
 *     keys, scripts -> replica_edit() --> buffer, document --batches--> journal_writer --committed--> net
 *     net, doorbell, watch -> replica_handle() --> journal_writer, document --patch--> buffer --> port->changed
 *
 *   Threads    everything here is called on one thread (the UI's). replica_fd() is readable when there is something to do.
 *   Time       `now_ms` is net_now_ms(), monotonic; the calendar is read here and nowhere below.
 *   Ownership  replica_close() ends it. The env outlives it.
 *   Errors     opening and joining fail with one sentence. Afterwards trouble is shown by replica_status(), and nothing typed
 *              is dropped.
 */
#ifndef WEFT_APP_REPLICA_H
#define WEFT_APP_REPLICA_H

#include "app/env.h"
#include "app/people.h"
#include "editor/buffer.h"
#include "editor/command.h"
#include "editor/file.h"
#include "editor/line_diff.h"
#include "sync/doc_index.h"
#include "sync/journal.h"
#include "sync/net.h"
#include "sync/share_link.h"

struct replica;

struct replica_port {
    void *self;
    void (*said)(void *self, const char *text); /* one sentence for the message line */
    void (*changed)(void *self);                /* text, people or status are no longer what was drawn */
};

struct replica_options {
    struct replica_port port;
    bool is_private;        /* nothing on disk but the file itself: the journal is in memory */
    bool reads_only;        /* for looking: the journal is read once, nothing is written */
    const char *name;       /* how others see this person; NULL: as kept with the document, else from the configuration; "": from
                               that */
    bool name_lasts;        /* and so from now on, whenever this document is opened */
    const char *token_file; /* for creating documents at a relay */
    bool insecure;
    bool alone;             /* open a shared file without going online */
    bool unseen;            /* only reads along: others do not see it among the people */
    bool scripted;          /* nobody sits there: the cursor kept for the file stays where a person left it */
    bool awaited;           /* who opens it waits for its room, and says himself why the relay does not let it in */
    bool audits;            /* with reads_only: every row is read again and every signature checked, for replica_audit() */
    bool short_lived;       /* kept only until it is closed in order */
    uint64_t base_bytes_max; /* a larger file is referred to by its journal, not copied; 0: BASE_BYTES_MAX */
    uint64_t open_steps_max; /* of merging before the text is shown; 0: as many as take some 20 ms */
    uint64_t fresh_ops_max;  /* operations that are in no checkpoint before one is worth it; 0: some thousands */
};

/* `path` NULL: an unnamed buffer with `text` (may be empty). Nothing is made on disk before the first edit. */
MUST_USE struct replica *replica_open(struct env *env, const char *path, struct bytes text,
                                      const struct replica_options *options, struct error *err);
/*
 * Opens the document of a link: what the journal has of it at once, the rest when the relay gives it. `save_as` (may be NULL) is
 * its file here: none yet, or one that shows this document.
 */
MUST_USE struct replica *replica_join(struct env *env, const struct share_link *link, const char *save_as,
                                      const struct replica_options *options, struct error *err);
/* Opens a document this device knows by its id (recent ones, joined ones without a file); `save_as` as above. */
MUST_USE struct replica *replica_open_known(struct env *env, const struct doc_id *doc, const char *save_as,
                                            const struct replica_options *options, struct error *err);
/*
 * What killed processes had typed and not in a journal yet goes into its journal, which is made for that where it was not;
 * trouble is told to the port. Opening does it by itself; for who asks the index without opening anything.
 */
void replica_fold_left(struct env *env, struct replica_port port);
/* For who only looks: what processes, dead or alive, have typed and not in a journal yet. */
struct replica_left_visitor {
    void *self;
    void (*entry)(void *self, const struct doc_entry *entry, bool takes_path /* whatever the index has for it */);
};
void replica_visit_left(struct env *env, const struct replica_left_visitor *visitor);
/* What a killed process had typed and could be put into no journal: what came before it was lost, or it cannot be read. */
struct replica_aside {
    const char *path;         /* of the file that has it */
    const struct doc_id *doc; /* NULL: nothing of it can be read */
    const char *name;         /* of the document; not safe to show */
    uint64_t edits;
    struct bytes typed;       /* what they put in, one after the other; not safe to show */
};
struct replica_aside_visitor {
    void *self;
    bool (*aside)(void *self, const struct replica_aside *aside); /* true: it is removed */
};
void replica_visit_aside(struct env *env, const struct replica_aside_visitor *visitor);
/* Whether there is any of that document: whoever forgets it would lose what is nowhere else. */
bool replica_has_aside(struct env *env, const struct doc_id *doc);
/* What is short-lived is kept all the same: a signal ended weft, and nobody was asked. Before replica_close(). */
void replica_outlive(struct replica *replica);
/*
 * Before a script ends: the text goes to the relay for who joins, where enough was written and nobody else is there who would
 * see to that. True: it is on its way, and worth a longer wait.
 */
MUST_USE bool replica_post_last(struct replica *replica);
/*
 * Keeps everything and ends it. Unsent edits, and such a text, may leave within net_ms. *unsent_edits (may be NULL) is how many
 * did not. False: the journal did not take everything (*err), edits are lost.
 */
bool replica_close(struct replica *replica, unsigned net_ms, uint64_t *unsent_edits, struct error *err);

/* The document of the file at `path` (resolved), as replica_open() would find it: also by another name of that file. */
MUST_USE bool replica_index_find(struct env *env, struct doc_index *index, const char *path, struct doc_entry *entry,
                                 bool *found, struct error *err);

/* Whether a weft has the document open: one that shares $XDG_RUNTIME_DIR with us, or any that has written to it. */
bool replica_is_open_anywhere(struct env *env, const struct doc_id *doc);

/* --- the loop --- */

int replica_fd(const struct replica *replica);       /* for poll() */
void replica_handle(struct replica *replica);        /* does what there is to do; never blocks for long */
uint64_t replica_next_ms(const struct replica *replica); /* when to call it although the fd is quiet; UINT64_MAX: no need */
/*
 * Before what was typed is shown: it is on this disk afterwards, so that a kill -9 does it no harm. One write to a file beside
 * the journal does for nearly every key. Where that does not do, the journal is waited for, 20 ms at most: longer than the 2 ms
 * that a key may take, for a commit takes a tenth of a millisecond, so only an overloaded machine notices, and there what was on
 * the screen before a kill -9 is worth more than a frame that comes a little earlier. A journal that is still being made (4 ms on
 * an idle disk, 150 on a busy one) is waited for half a second at most.
 */
void replica_barrier(struct replica *replica);
/* It is shown: what waited for that goes on. */
void replica_shown(struct replica *replica);

/* --- text --- */

const struct buffer *replica_buffer(const struct replica *replica);
const char *replica_path(const struct replica *replica);  /* resolved; NULL: none yet */
const char *replica_label(const struct replica *replica); /* what to call it: file name, or the shared name; not yet safe */
void replica_select(struct replica *replica, struct selection selection);
/* The same for who only walks: where a text is still being merged that chooses no place, and ends where the cursor was. */
void replica_walk(struct replica *replica, struct selection selection);
void replica_set_view(struct replica *replica, uint64_t top, uint64_t left_cells); /* kept with the cursor */
/* A place the view begins at, carried through every change of the text until it is set anew. */
void replica_set_top(struct replica *replica, uint64_t at);
uint64_t replica_top(const struct replica *replica);
void replica_get_view(const struct replica *replica, uint64_t *top, uint64_t *left_cells);

enum edit_kind {
    EDIT_TYPING,  /* joins the typing before it into one undo step, word by word; a save ends the step */
    EDIT_ERASING, /* likewise */
    EDIT_BURST,   /* joins the burst right before it: a paste comes in several where the terminal does not mark it */
    EDIT_WHOLE,   /* an undo step of its own */
};
/* How what a command did counts. */
enum edit_kind edit_kind_of(enum command_kind kind);
/*
 * Applies a patch to the text and records it. False with a sentence in *err when this replica may not write (a view link):
 * nothing was changed.
 */
MUST_USE bool replica_edit(struct replica *replica, const struct patch *patch, struct selection after,
                           enum edit_kind kind, struct error *err);
enum replica_undone { REPLICA_UNDONE, REPLICA_NOTHING_TO_UNDO, REPLICA_UNDO_REFUSED };
enum replica_undone replica_undo(struct replica *replica, enum undo_direction direction, struct error *err);
/* Takes back any edits (document_undo_events()): it is the last edit of this replica then. */
MUST_USE bool replica_undo_events(struct replica *replica, const struct event_span_list *events, struct error *err);

/* --- the file --- */

/*
 * Writes the file (its own, or `path`, which becomes its own) on a worker thread; the answer is a sentence through said(),
 * and replica_status().saving meanwhile. False: it cannot be tried (no name yet, a save is running).
 */
MUST_USE bool replica_save(struct replica *replica, const char *path, struct error *err);
/* The same and waits: for verbs without a screen. */
MUST_USE bool replica_save_now(struct replica *replica, const char *path, struct error *err);
/*
 * Whether the text may be written to `path`, by name; else *err says why not. Saving asks this by itself. Not while another
 * weft has that file open with another document (of those that share $XDG_RUNTIME_DIR with us). And not by a guest who
 * is offline with unsent edits, where the file is alike and so may be the host's own: words that come into it before they come
 * by the room are merged there as a change by another program, and stand there twice once they have come by the room as well.
 */
MUST_USE bool replica_may_save(struct replica *replica, const char *path, struct error *err);
/* The file has changed, or may have: what that means is not decided yet. */
bool replica_looks_at_file(const struct replica *replica);
/* Reads what other processes of ours have put into the journal, and merges it, now. */
void replica_catch_up(struct replica *replica);
/* One recorded patch back to what is in the file. ERR_BUSY: the text is open elsewhere, and may be another window's. */
MUST_USE bool replica_discard(struct replica *replica, struct error *err);

/* A change of the file that is not merged unasked (behaviour.md 4). */
enum disk_question { DISK_QUESTION_NONE, DISK_QUESTION_DIFFERENT, DISK_QUESTION_GONE };
enum disk_answer { DISK_KEEP_SHARED, DISK_MERGE, DISK_OPEN_ALONE, DISK_RESTORE, DISK_NEW_EMPTY };
/* The sentence (NULL: not asked for) is what is so, without a period and without the answers. */
enum disk_question replica_disk_question(const struct replica *replica, struct buf *sentence);
/* "[K]eep ... [M]erge ...": where a key is an answer, and nowhere else. */
void replica_disk_answers(const struct replica *replica, struct buf *answers);
/* No answer: the text stays as it is, and the file too. What is asked about a file that is there is asked again later. */
void replica_disk_leave(struct replica *replica);
/*
 * False where the answer cannot be followed: *err says why. While another weft has the file open its path is given no other
 * document; that is then as if there had been no answer.
 */
MUST_USE bool replica_disk_answer(struct replica *replica, enum disk_answer answer, struct error *err);

/* --- the room --- */

/*
 * Puts the text as it is now into a new shared document at `relay` and goes online; or goes back online when it is shared
 * already. `relay` is "ws://HOST:PORT" or like; NULL: the one it has. A document that is shared at another relay is moved to
 * this one, with its keys and all that is in it: that waits for the new relay to have everything. Other windows of this person
 * that have the file open go over into the new document by themselves, with what is typed there meanwhile.
 */
MUST_USE bool replica_share(struct replica *replica, const char *relay, struct error *err);
MUST_USE bool replica_unshare(struct replica *replica, bool close_for_all, struct error *err);
bool replica_is_shared(const struct replica *replica);
/* The links of a shared document; heap string, wipe and free. NULL: not shared, or this link may not give that access. */
char *replica_link(const struct replica *replica, enum access access);
void replica_set_away(struct replica *replica, bool away);
void replica_work_alone(struct replica *replica, bool alone);
/* While the text of a joined document has not come: what is so, a sentence. Appends nothing when it is here. */
void replica_joining(const struct replica *replica, struct buf *sentence);
/* To who joins: "joining"; "unchecked: ada's copy", while he sees a text whose history has not come yet; "history coming", where
   he sees the text as far as that has come. Safe to show. Else appends nothing. */
void replica_coming(const struct replica *replica, struct buf *remark);
/* "merging 40 %" while something takes long; "ada's edits held" where something would take too long. Safe to show. Else
   nothing. */
void replica_merging(const struct replica *replica, struct buf *remark);
/* Merges what is held all the same. False: nothing is. */
bool replica_merge_held(struct replica *replica);
/* Offline: "ada's machine is away" where ada has said that the relay is there, or why it was never reached. Online: why the relay
   takes nothing, "the relay is full". Safe to show. Where none of that is known appends nothing. */
void replica_away(const struct replica *replica, struct buf *sentence);
/* "ada was last here 10:41", by the newest edit from another device; safe to show. Else appends nothing. */
void replica_last_here(const struct replica *replica, struct buf *sentence);
void replica_retry(struct replica *replica); /* offline: tries to connect now */
/* Whether this device has written two different things under one number: both are in the text. */
bool replica_wrote_twice(const struct replica *replica, const struct sign_public *doc_key);
const struct people *replica_people(const struct replica *replica);

/* --- what is so --- */

struct replica_status {
    bool in_file;           /* the file on disk has this text */
    bool known;             /* this device keeps a journal of it */
    bool shared, view_only, is_private, joining, saving, alone;
    bool short_lived;       /* closed in order it will be forgotten */
    /* the journal */
    bool kept;              /* fsynced */
    uint64_t journal_jobs;  /* done so far: while this rises the journal works, however slowly */
    uint64_t edits_in_memory;  /* the journal does not take them */
    bool disk_full;
    struct error trouble;   /* why, when edits_in_memory is not 0 */
    /* the room; meaningful when shared */
    struct session_status net;
    uint64_t unsent_edits;  /* not acknowledged by the relay: ours, and what another window or a relay's loss leaves missing below
                               them */
    uint64_t unsent_age_ms; /* of the oldest of them; 0: none */
    /* numbers */
    uint64_t events;
    uint64_t taken, merge_steps; /* these change with whatever comes in and is merged: events, and of the one on its way */
    struct file_stamp stamp;
};
/* Costs the same whatever was ever written: asked for every frame. */
void replica_status(struct replica *replica, uint64_t now_ms, struct replica_status *out);
/*
 * Keys, pastes and commands that the file lacks, for a text that is not in the file; 0: there is no edit at all. Looks over
 * the whole history: for questions and messages, not for every frame.
 */
uint64_t replica_edits_not_in_file(const struct replica *replica);
/* The version and BLAKE2b-256 of the text, for `weft verify` and the demo. */
void replica_version(const struct replica *replica, struct version *version, struct digest *text_hash);
/* The index is told that the document is open now, on another thread, and at its closing again: how long an unshared one is kept
   counts from there. */
void replica_note_opened(struct replica *replica);
const struct doc_entry *replica_entry(const struct replica *replica);
const char *replica_person(const struct replica *replica); /* how others see this person */
bool replica_name_is_found(const struct replica *replica); /* nobody chose it for weft: it is git's or the login */
const char *replica_person_source(const struct replica *replica); /* "--name", "the configuration", "git config", "login" */
/* The text that is in the file as far as weft knows; NULL: not known. Borrowed. */
const struct rope *replica_saved_text(const struct replica *replica);
/*
 * What was checked of the history: hash chain of every batch, and signatures: under every record from elsewhere for a replica
 * opened with `audits`; for one that got everything from a relay just now, enough of them to vouch for every batch. False and
 * *err: something is wrong.
 */
struct replica_audit {
    uint64_t batches, signatures, agents;
};
MUST_USE bool replica_audit(const struct replica *replica, struct replica_audit *audit, struct error *err);
/*
 * Everything typed here is acknowledged (by the relay when shared, else by the journal) and what had come is in the text; the
 * relay has all that it builds on, too.
 */
bool replica_is_settled(struct replica *replica);
/* Sleeps until there is something to do, at most `ms`, and does it: the loop of verbs without a screen. */
void replica_wait(struct replica *replica, int ms);
/* For who polls more than its fd: how long that may take, at most `ms`; 0 while something is being merged. */
int replica_wait_ms(const struct replica *replica, uint64_t now_ms, int ms);
/* Whether a person has the document open in another weft on this machine. Waits for an answer, 300 ms at most. */
bool replica_has_neighbours(struct replica *replica);
/*
 * Whether the text stays in front of somebody when this replica closes: another weft that lives has this journal open, and is
 * not known to be a script. A stopped one counts; it is waited for as above.
 */
bool replica_is_open_elsewhere(struct replica *replica);

#endif
