/*
 * replica_parts - the inside of a replica, for the files that make it up and nobody else:
 *
 *   replica.c             its life, the text, the loop
 *   replica_open.c        opening a file
 *   replica_edit.c        edits and undo
 *   replica_status.c      what is so, and which version it is
 *   replica_index.c       the index's entry of the document
 *   replica_journal.c     where the journal is, and who else writes to it
 *   replica_restore.c     a document as the journal has it
 *   replica_lost.c        a document whose journal is gone or empty
 *   replica_rows.c        rows and batches into chain and document
 *   replica_tail.c        what is typed while the journal is being made
 *   replica_advance.c       and what is typed later, before the journal has committed it
 *   replica_writing.c     beginning to write and ceasing to: the journal's thread, and what it finds out
 *   replica_adopt.c       another document in the place of ours
 *   replica_succession.c  a document that goes on with another one's text: making it, and going over to it
 *   replica_former.c      what is typed into the one before it, brought over
 *   replica_base.c        the text a document began with: copied, or referred to where it is too large
 *   replica_checkpoint.c  a whole document in one piece, so that opening costs no replay of everything
 *   replica_tidy.c        the journal in less space, while nobody types
 *   replica_known.c       which document a file shows, and the index's word of it
 *   replica_file.c        the file: reading, saving, opening again
 *   replica_disk.c        changes of the file by other programs, and the questions about them
 *   replica_replaced.c    what a save took the place of, and other programs still write to
 *   replica_import.c      who of several processes merges such a change
 *   replica_share.c       sharing and its end
 *   replica_join.c        opening by a link or an id
 *   replica_ahead.c       a joiner's text while its history is still on the way
 *   replica_landing.c     the end of that: the history is here
 *   replica_post.c        the text as it is, for who joins
 *   replica_online.c      going online with what the journal has, and coming off
 *   replica_room.c        what the network thread reports
 *   replica_fetch.c       from the journal, what a relay has lost, or a process that is stopped does not send
 *   replica_away.c        while the link is lost, and what is told when it is back
 *   replica_move.c        to another relay, and following there
 *   replica_heir.c        what another process left unsent when it ended
 *   replica_forks.c       when an agent has written two things under one number
 *   replica_opened.c      when it was opened last, for the index; who was in it last
 *   replica_newer.c       what only a newer weft can read
 *   replica_name.c        under which name others see this person in it
 *   replica_neighbours.c  who else has it open on this machine, and ringing them
 */
#ifndef WEFT_APP_REPLICA_PARTS_H
#define WEFT_APP_REPLICA_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "app/file_watch.h"
#include "app/replica.h"
#include "app/worker.h"
#include "sync/agent_lock.h"
#include "sync/ahead.h"
#include "sync/journal_writer.h"
#include "sync/roster.h"
#include "sync/tail.h"

struct neighbours;
struct opening;
struct tidying;

/* How far an agent of ours has written; gone once the relay has acknowledged that far. */
struct owed {
    struct agent_id agent;
    uint64_t next_seq;
};

/* Batches that the journal has to commit before the network gets them. */
struct hands {
    uint64_t turn;     /* counts connections: what was made before one began, that one has from the journal */
    uint64_t batches;
    uint64_t since_ms; /* the oldest of them, or one before it */
};

/* What was typed last, to know whether the next key belongs to the same undo step. */
struct gesture {
    enum edit_kind kind;
    uint64_t at_ms;
    uint64_t caret;      /* where the last edit left it */
    bool after_space;    /* the last thing typed was white space */
    bool open;           /* there is one to go on with */
};

/* Where what a checkpoint leaves out is to be had: older digests of the chain (sync/chain.h), on whatever thread asks, and a
   history that cannot be read (sync/document.h). */
struct row_source {
    struct device device;
    struct doc_keys keys;
    char *path; /* of the journal; NULL: there is no source */
};

/* The rows in front of the journal (replica_advance.c): those of the tickets from `first` on, `rows` of them. */
struct advance {
    _Atomic(struct tail *) made; /* by the journal's thread; NULL: not yet */
    struct tail *tail;           /* the same once this thread has seen it */
    bool asked;
    uint64_t first, rows;
    enum {
        ADVANCE_GOES,   /* the journal's thread is woken for what it is given */
        ADVANCE_NOW,    /* not before what was typed in this turn is painted, */
        ADVANCE_BEFORE, /* or the next turn */
    } paused;
};

/* What came before something that it builds on. */
struct early {
    bool linked;             /* the hash chain has it, the document lacks its parents: `batch`. Else a row of the journal */
    struct batch batch;
    struct journal_row row;  /* its body is `body` */
    struct buf body;
};

/* The state of the file that belongs to the text: what was last read or written. */
struct file_side {
    char *path;                /* resolved; NULL: none */
    struct file_stamp stamp;
    struct digest hash;        /* of the bytes in the file */
    bool hash_known;
    struct rope *text;         /* those bytes; NULL: not known */
    struct version version;    /* of the document that those bytes are */
    struct version counted;    /* the last version seen here whose text the file has: edits not in the file count from it */
    bool origin_unknown;       /* they never were one: shared before they were saved; `version` is then a name of its own */
    bool text_guessed;         /* `text` stands for bytes that nobody knows any more */
    bool replaced;             /* while weft was away, by another file; `stamp` is of the one before */
    bool differs;              /* the file has bytes that are not in the document, by a person's choice or undecided */
    struct file_watch *watch;  /* NULL: not watched */
    uint64_t look_ms;          /* when to look at the file again; 0: no reason */
    struct file_stamp looked;  /* as it was at the last look: read once it stays so */
    struct file_stamp strange; /* bytes that are no version of the document, as far as is known here, */
    uint64_t strange_ms;       /* seen first at that time; */
    uint64_t behind_ms;        /* not everything that others wrote had come by then */
    bool saving;
    bool gone_said, trouble_said, copy_said;
    uint64_t last_open_s;      /* when the text of a file that is gone was open before; 0: not known */
    enum disk_question question;
    struct rope *other;        /* what is on disk, while there is a question */
    struct file_stamp other_stamp;
    struct digest other_hash;
    struct line_diff other_diff;
    bool merge_agreed;         /* a person wants these bytes merged, as different as they are: */
    struct digest agreed_hash;
};

/* A file that a save took the place of, see replica_replaced.c. */
struct replaced_file {
    struct file_replaced file;
    struct rope *text;       /* its bytes that are in the document */
    struct version version;  /* of the document that those bytes are */
    struct digest hash;      /* of them, where it was known: nothing but the time that a row is looked up depends on it */
    uint64_t since_ms, look_ms;
};
enum { REPLACED_MAX = 8 /* saves in a row whose files are held; the oldest goes */ };

struct replica {
    struct env *env;
    struct replica_port port;
    bool is_private, scripted, audits, short_lived, reads_only, insecure, work_alone, unseen, awaited;
    char *token_file, *label;

    /* who this is (replica_name.c) */
    char *person;              /* NULL: not asked for yet */
    const char *person_source; /* where the name comes from, once it was asked for */
    bool named;                /* `person` was chosen with --name, in this run or before */
    bool name_given, name_lasts, name_kept; /* something was chosen in this run; it is for later runs too; the journal has it */

    /* the document */
    struct doc_entry entry; /* keys, role, state; strings owned */
    bool indexed;           /* the index has the entry */
    bool takes_path;        /* the path showed another document until now */
    struct document *document;
    struct chain *chain;
    struct rope *base; /* the text at no events */
    uint64_t base_bytes_max; /* a larger one is not copied into the journal */
    atomic_bool base_kept;   /* it is all in the journal */
    bool base_referred;      /* it came from the file that the journal refers to */
    bool base_lost;          /* zeros stand for it */
    const struct rope *disk; /* while a document is restored: the file's bytes, when they have been read */
    struct file_stamp disk_stamp;
    struct ahead *ahead;     /* NULL, or whose `document` is, and whose text `base`; then */
    struct document *history; /* is the document that is to be, */
    struct rope *history_base; /* and the text at no events */
    bool comparing;          /* the worker has it */
    uint64_t ahead_missing_ms; /* since when nothing more comes, and its version has not; 0: not so */
    struct buffer buffer;
    struct buffer_watch watch;
    struct gesture gesture;
    struct journal_view view;
    uint64_t top_at;        /* of replica_set_top() */

    /* who writes */
    bool writing;              /* agent, opening and writer are there */
    struct opening *opening;   /* how the journal's thread opens the journal, and what it found out */
    struct agent_id agent;
    struct agent_id *mine;     /* own agent first, then those taken over */
    size_t mine_count, mine_cap;
    struct sign_key doc_key;   /* this device in this document */

    /* the journal */
    struct journal *journal_found; /* opened to restore, handed to the writer when writing begins */
    struct journal *reader;        /* for rows of other processes */
    uint64_t place_read;           /* rows up to here are in the document */
    uint64_t checkpoint_place;     /* rows up to here are in a checkpoint */
    struct row_source rows;
    struct tidying *tidying;       /* how far the journal has been put in order; NULL: not yet begun */
    uint64_t tidy_ms;              /* when that is to be thought of; 0: no reason */
    uint64_t tidy_place;           /* the newest row when that was decided */
    struct journal_writer *writer;
    uint64_t last_ticket;          /* of the last local batch */
    bool journal_made;             /* it has committed something */
    pthread_mutex_t tail_lock;     /* around the next two: the journal's thread removes the tail */
    struct tail *tail;             /* holds what is typed until the journal has it; NULL: none is needed any more */
    uint64_t tail_ticket;          /* of the last row in it */
    struct advance advance;
    struct early *early;           /* in the order they came; offered again whenever the document got something */
    size_t early_count, early_cap;
    struct buf genesis;            /* stored GENESIS; empty: never shared */
    struct roster members;         /* with their records as stored, for the next session */
    bool renew_due;                /* our own agent has forked: replica_go_on_as_another() */

    /* the document before this one, and the one after it (replica_succession.c) */
    bool succession_due;       /* to be looked at with the next turn; */
    uint64_t succession_ms;    /* or then; 0: no reason */
    bool may_have_former;      /* nobody has said that nothing comes from a former one any more */
    bool succession_said;

    /* what was checked */
    uint64_t batches_checked, signatures_checked, faults;
    struct error fault;            /* the first one */

    /* the file */
    struct file_side file;
    struct replaced_file replaced[REPLACED_MAX];
    size_t replaced_count;
    struct worker *worker;

    /* the room */
    pthread_mutex_t net_lock;  /* around `net` and `hands`: the journal's thread hands things on to it */
    pthread_cond_t handed_on;  /* nothing is in `hands` any more */
    struct net *net;
    struct hands hands;
    bool held;                  /* what comes from the network waits until the journal has taken what it was given; */
    atomic_bool awaits_journal; /* the same, for the journal's thread, which wakes us then */
    uint64_t sessions;         /* begun by this agent */
    uint64_t online_ms;        /* when the newest one was */
    struct owed *owed;         /* written here and not acknowledged by the relay */
    size_t owed_count, owed_cap;
    uint64_t alone_edits;      /* unacknowledged while there is no connection at all (`net` is NULL) */
    uint64_t again_ms, again_wait_ms; /* when going online is tried again, and what that waits; 0: no need */
    uint64_t heir_ms;          /* when to look for what another process left; 0: nobody has gone */
    struct net_event *arrived, **arrived_end; /* given to the journal, and not to the document yet */
    size_t arrived_count;
    uint64_t add_ms;           /* while more is coming: when they are */
    bool text_due, people_due, neighbour_rows_due; /* what replica_room_handle() has left to do */
    bool joining;              /* the base text has not arrived */
    unsigned newer_kind;       /* of a record that this weft must know and does not; 0: none */
    bool moving;               /* the owner, telling the old relay: he need not follow himself */
    bool closing;              /* the relay is asked to forget it, and its answer waited for */
    bool relocates;            /* the owner has moved it: go there */
    bool closed_due;           /* the relay says that there is no room any more: leave it */
    uint64_t moved_heard_s;    /* the newest word of that */
    uint64_t base_done, base_total;
    uint64_t posted_events;    /* of the newest checkpoint known of */
    uint64_t post_ms;          /* when it is time for another one; 0: it is not */
    struct people people;
    bool present_due, away;
    uint64_t counted_ms;       /* when seconds were last counted on the screen */
    uint64_t looked_ms;        /* when the link was last looked at although nothing is taken from it */
    struct session_status net_status;
    bool keeps_room;           /* the relay is this user's own, on this machine */
    unsigned said_refused;     /* the refusal that was said; 0: none since it was online */
    bool was_reached;           /* the relay, in this run: a session was welcomed */
    bool was_online;            /* and everything of ours was acknowledged */
    bool was_away;             /* edits were made offline, here or before this process: coming back is told */
    uint64_t back_ms;          /* when that is told, if nothing more is on its way by then; 0: not back yet */
    uint64_t back_last_ms;     /* when it is told in any case */
    uint64_t back_received;    /* received_edits and connections when that was last looked at */
    unsigned back_peers;
    unsigned peers_before;     /* connections in the room before it was lost, this one included */
    uint64_t received_edits, sent_edits; /* since the connection was lost */
    struct patch away_mine, away_theirs; /* what was typed since then; and what came on top of it when it was back */
    bool away_noted;            /* no more of that is noted */

    /* neighbours and the loop */
    struct neighbours *neighbours;
    int epoll_fd, wake_fd;
};

/* replica.c */
void replica_say(struct replica *replica, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* What a key does, for the end of a message: nothing where nobody sits who could press it. */
const char *replica_key_hint(const struct replica *replica, const char *hint);
void replica_touch(struct replica *replica);
struct replica *replica_new(struct env *env, const struct replica_options *options);
void replica_free(struct replica *replica);
void replica_watch_fd(struct replica *replica, int fd);
/* The same for one that is watched already, or is not for a while. */
void replica_watch_again(struct replica *replica, int fd, bool on);
/* Starts from a base text: document, chain, buffer. Takes the rope. */
void replica_begin_document(struct replica *replica, struct rope *base);
/* The base text of a joined document has come. Takes the rope; the chain stays. */
void replica_take_base(struct replica *replica, struct rope *base);
/* A document loaded in one piece takes the place of the present, empty one; its text is brought up by the next
   replica_update_text(). Both are taken. */
void replica_take_loaded(struct replica *replica, struct document *document, struct chain *chain);
/*
 * Brings the hash chain back to what the document holds. The session's thread checks ahead of it: what it had checked
 * when it was stopped, and nobody took, has to be taken when it comes again. Not while a session runs.
 */
void replica_cut_chain(struct replica *replica);
/* After document_add(): brings the text up to date. */
void replica_update_text(struct replica *replica);
/* The same; `patch` becomes what that changed. */
void replica_update_text_by(struct replica *replica, struct patch *patch);

/* replica_open.c */
/* What a document with that file is called: the file's name. Heap string. */
char *replica_label_of_path(const char *path);

/* replica_edit.c */
/* Journals and sends batches that document_local() or document_undo() made. */
void replica_commit(struct replica *replica, const struct batch_list *batches);
/* A batch on its way: into the chain now, to the network once the journal has it. */
struct outgoing {
    struct replica *replica;
    uint64_t turn; /* the connection it is for; 0: for none, there was none */
    struct local_batch batch;
    struct buf plain;
};
struct outgoing *replica_outgoing(struct replica *replica, const struct batch *batch);
/* On the journal's thread. Frees it. */
void replica_hand_on(struct outgoing *outgoing, bool committed);

/*
 * All that a fresh agent wrote, on its way into the journal in one transaction of the caller's. `owner` is this process: who dies
 * later leaves the agent with its own.
 */
struct outgoing_rows {
    struct agent_id agent, owner;
    struct outgoing **items;
    size_t count;
};
struct outgoing_rows outgoing_rows_of(struct replica *replica, const struct agent_id *agent, const struct batch_list *batches);
/* Both on the journal's thread. */
MUST_USE bool outgoing_rows_put(const struct outgoing_rows *rows, struct journal *journal, uint64_t now_s, struct error *err);
void outgoing_rows_hand_on(struct outgoing_rows *rows, bool committed); /* and frees them */

/* replica_status.c */
/* The version of the text as others understand it (sync/chain.h). */
void replica_named_version(const struct replica *replica, struct version *out);
/* Encodes a version of this document by the names that others understand, and back: false when it is not known here. */
void replica_encode_version(const struct replica *replica, const struct version *version, struct buf *out);
MUST_USE bool replica_decode_version(const struct replica *replica, struct bytes encoded, struct version *version);
bool replica_same_text(const struct rope *a, const struct rope *b);
/* replica_is_settled(), but for what the relay lacks of others, or has lost: that is offered in its time. */
bool replica_has_sent_own(struct replica *replica);
/* Something that came in or was kept is not authentic; the first such reason is kept for replica_audit(). */
void replica_note_fault(struct replica *replica, const struct error *why);

/* replica_forks.c */
/* What its member record calls an agent (not safe to show as it is); `unknown` when there is none. */
const char *replica_name_of(const struct replica *replica, const struct agent_id *agent, const char *unknown);
/* The session says that an agent has forked. */
void replica_take_fork(struct replica *replica, const struct agent_id *agent);
/* Ceases to write and begins again under a fresh agent, which takes over the old one's edits, unsent ones too. */
void replica_go_on_as_another(struct replica *replica);

/* replica_index.c */
MUST_USE bool replica_open_index(struct replica *replica, enum doc_index_mode mode, struct doc_index **index,
                                 struct error *err);
/* replica->entry is what it has for that document; sets replica->indexed. ERR_MISSING: it is not kept here. */
MUST_USE bool replica_find_doc(struct replica *replica, const struct doc_id *doc, struct error *err);
/* The index gets the entry as it is now. */
MUST_USE bool replica_put_entry(struct replica *replica, struct error *err);
/* Keeps the entry's name and genesis in index and journal. */
void replica_put_name(struct replica *replica);

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
 * As replica_restore(), when the index knows the document. An empty journal is set aside, unless this replica only reads; one that
 * another process is just making is waited for. *lost is to be released, whatever comes back.
 */
MUST_USE enum replica_kept replica_restore_kept(struct replica *replica, struct lost_journal *lost, struct error *err);
/* `what` is there instead, a sentence or two. */
void replica_say_lost(struct replica *replica, const struct lost_journal *lost, const char *what);

/* replica_join.c */
/* Nothing of it is here: it all comes from the room, once it is online. The label is there. */
void replica_begin_joining(struct replica *replica);

/* replica_rows.c */
/* All rows above replica->place_read. Early ones are kept; *news: the text is behind. */
MUST_USE bool replica_read_rows_of(struct replica *replica, struct journal *journal, bool *news, struct error *err);
/* What the journal does not have yet, read from where it waits; what it has is known already. */
MUST_USE bool replica_read_left(struct replica *replica, struct journal *left, struct error *err);
/* To the document, with what is known of a branch that begins with the first of them; what is early there is kept. Batches of
   the hash chain, with the ids that agents have here. True when the document got something. */
bool replica_add_batches(struct replica *replica, const struct batch *batches, size_t count,
                         const struct agent_fork *fork);
/* Offers what was early again until nothing moves any more; true when the document got something. */
bool replica_take_early(struct replica *replica);
void replica_forget_early(struct replica *replica);
/* A stored MEMBER record, checked against the genesis and added. */
MUST_USE bool replica_read_member(struct replica *replica, struct bytes stored, struct error *err);
/*
 * `take` is shown every batch of a LOCAL or PACKED row from next_seq on, as a session is handed it: of what is packed the digests
 * follow from the chain. False: they do not, so the chain lacks what came before; nothing was shown. From any thread.
 */
struct batch_taker {
    void *self;
    void (*take)(void *self, const struct local_batch *batch);
};
MUST_USE bool replica_row_batches(struct chain *chain, const struct journal_row *row, uint64_t next_seq, struct batch_taker taker);
/* chain_source's and document_source's: `self` is a struct row_source. */
bool replica_read_digests(void *self, struct chain *whole);
bool replica_read_history(void *self, struct document *whole);

/* replica_known.c */
/* The document that the index has for the file; *entry as for doc_index_find_path(), its path as the index has it. */
MUST_USE bool replica_find_path(struct replica *replica, struct doc_entry *entry, bool *found, struct error *err);
MUST_USE bool replica_find_entry(struct replica *replica, bool *found, struct error *err);
/* The index has the document by another path than the file's: it was renamed, or is a hard link. */
bool replica_has_other_name(const struct replica *replica);
/* Whether the file at the path, `now`, is another one than weft last saw there, `known`, for all that a number tells. */
bool replica_is_another_file(const struct replica *replica, struct file_stamp known, struct file_stamp now);
/* The entry says what the file is like now. */
void replica_describe_file(struct replica *replica);
/* The path by which index and journal know the file. */
const char *replica_known_path(const struct replica *replica);
/* Then index and journal learn the file's path, and the sentence is what to say of that. Begins to write. Else nothing. */
void replica_take_name(struct replica *replica, struct buf *sentence);
/* The index's path of this document is the file's; `leaves` (may be NULL) is none of its paths any more. False: it was said. */
bool replica_bind_path(struct replica *replica, const char *leaves);
/* The index learns what replica->file says of the file, on another thread. */
void replica_note_file(struct replica *replica);

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

/* replica_adopt.c */
/*
 * The file's document is this one, which another process began: it takes the place of ours, and what was typed here is
 * carried over as an edit of its base text.
 */
void replica_adopt(struct replica *replica, const struct doc_id *other);
/*
 * The file's document is this one from now on, which goes on with ours and is whole in index and journal. Everything typed here is in
 * our journal by now. Comes off the net. Takes the entry.
 */
void replica_go_over(struct replica *replica, struct doc_entry *next);
/* Where another window of this person has shared the document that is here now: says so and goes online. Else nothing. */
void replica_enter_room(struct replica *replica);

/* replica_succession.c */
/*
 * Makes a document whose beginning is our text as it is now, and gives it all paths of ours: journal first, index last. Its
 * `genesis` is sealed. DOC_INDEX_TAKEN: our path shows *other already. Nothing has changed here whatever comes out; on success
 * replica_go_over() is next, on FAILED *err says why. What was typed here is in our journal.
 */
MUST_USE enum doc_index_put replica_succeed(struct replica *replica, const struct doc_entry *next, struct bytes genesis,
                                            struct doc_id *other, struct error *err);
/* The document that our path shows by now, if it is another one: goes over to it, or adopts it. False: it cannot be read now. */
MUST_USE bool replica_follow_path(struct replica *replica, struct error *err);
/* At the next turn: has another document taken this one's place, and is there more of the one before it? */
void replica_look_for_successor(struct replica *replica);
void replica_succession_handle(struct replica *replica, uint64_t now_ms);
uint64_t replica_succession_next_ms(const struct replica *replica);
void replica_succession_again(struct replica *replica); /* in a quarter of a second, for what could not be done now */
/* The journal to read our document's rows and notes from; NULL: there is none yet, or *err. */
struct journal *replica_journal_here(struct replica *replica, struct error *err);

/* replica_former.c */
/* In a moment, for one look at much: is there more of the one before it? */
void replica_look_at_former(struct replica *replica);
/* What was typed into the document before this one, after this one had begun, is put into it, once among all processes. `came`:
   this process has just come from there, so what it typed is waited for whatever was said before. */
void replica_bring_over(struct replica *replica, bool came);
/*
 * How a place in the text of the former at `version` comes here: through *there, then through *here. False: not known, for not all
 * of the former is brought over.
 */
bool replica_patches_from_former(struct replica *replica, struct bytes version, struct patch *there, struct patch *here);

/* replica_tail.c */
/* In the course of beginning to write, when the journal has been given its founding and has still to be made. */
void replica_tail_begin(struct replica *replica);
/* Gives the journal's thread an edit, and the tail if there is one. The ticket. */
uint64_t replica_give_row(struct replica *replica, const struct journal_local *row, struct journal_done done);
/* True: every row since the beginning is in the tail's file, so kill -9 does it no harm. */
MUST_USE bool replica_tail_hold(struct replica *replica);
/* On the journal's thread: it has committed so far. */
void replica_tail_committed(struct replica *replica, uint64_t ticket);
/* The writer has stopped. What it did not keep stays in the tail's file for the next start. */
void replica_tail_leave(struct replica *replica, bool kept);
/* Takes the tail away from the replica: for the caller to end once what is in it is elsewhere. May be NULL. */
struct tail *replica_tail_take(struct replica *replica);

/* What a tail holds of that document, as a journal in memory. NULL: there is no such tail. */
struct journal *replica_left_journal(struct env *env, const struct doc_id *doc);
/* A row as a frame, and what was one into a journal. */
void replica_put_row_frame(struct tail *tail, const struct journal_local *row);
MUST_USE bool replica_fold_row(struct journal *journal, const struct agent_id *agent, struct bytes frame, struct error *err);
/* Whether what the agent had written in front of that row is in the journal. */
MUST_USE bool replica_row_follows(struct journal *journal, const struct agent_id *agent, struct bytes frame, bool *follows,
                                  struct error *err);
/* Whom folding belongs to. With replica_left_is_dead() and replica_left_trouble() as a visitor's `self`. */
struct folding {
    struct env *env;
    struct replica_port port;
};
bool replica_left_is_dead(void *self, const struct agent_id *agent);
void replica_left_trouble(void *self, enum tail_trouble trouble, const char *path);
void replica_left_say(const struct folding *folding, char *sentence); /* frees it */
/* tail_visit_dead() or tail_visit_all(), with this device's key. */
typedef void replica_tail_visit(const char *dir, const struct seal_key *key, struct tail_visitor visitor);
void replica_visit_tails(struct env *env, const char *dir, replica_tail_visit *visit, struct tail_visitor visitor);

/* replica_advance.c */
/* The row that is given to the journal's thread next. */
void replica_advance_put(struct replica *replica, const struct journal_local *row);
/* True: all that the journal has not committed is in the tail's file, so kill -9 does it no harm. */
MUST_USE bool replica_advance_hold(struct replica *replica);
/* It is painted, or was waited for: the journal's thread goes on. Again is free. */
void replica_advance_go(struct replica *replica);
/* At each turn: what was not painted in the one before need not be waited for. */
void replica_advance_handle(struct replica *replica);
uint64_t replica_advance_next_ms(const struct replica *replica);
/* The writer has stopped; as replica_tail_leave(). */
void replica_advance_leave(struct replica *replica, bool kept);
/* What killed processes had in front of the journals goes into them. */
void replica_fold_advance(struct env *env, struct replica_port port);
/* Whether this agent's process, dead by its lock, is still ending, or has left what nobody has folded yet. */
bool replica_advance_left(const struct env *env, const struct agent_id *agent);
/* As replica_left_journal(): rows alone, without what the journal is founded on. */
struct journal *replica_advance_journal(struct env *env, const struct doc_id *doc);

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

/* replica_checkpoint.c */
/* Loads the newest checkpoint into document, chain, buffer and members; *found == false: there is none that opens. */
MUST_USE bool replica_load_checkpoint(struct replica *replica, bool *found, struct error *err);
/* Gives the writer a checkpoint of all rows so far, when enough of them have come since the last one; before it ends. */
void replica_checkpoint(struct replica *replica);
void replica_source_release(struct row_source *source);
/* The rows in the journal become what chain and document ask when they need what was left out. */
void replica_set_source(struct replica *replica);

/* replica_tidy.c */
/* While nobody types: a checkpoint, rows it covers put together, room given back. */
void replica_tidy_handle(struct replica *replica, uint64_t now_ms);
uint64_t replica_tidy_next_ms(const struct replica *replica);
/* Before the writer ends: what is left to do is bounded from here on, for a person waits. */
void replica_tidy_end(struct replica *replica);
/* The same with a last checkpoint, and what follows from it. */
void replica_tidy_last(struct replica *replica);
void replica_tidy_release(struct replica *replica); /* the writer has ended */
/* The document as a replica that was restored from its journal has it, in bytes for a checkpoint. False: it is not to be trusted. */
MUST_USE bool replica_encode_checkpoint(struct replica *replica, struct buf *out);
/* Into the journal, as of the rows up to `place`; the bytes are taken. */
void replica_put_checkpoint(struct replica *replica, uint64_t place, struct buf *encoded);

/* replica_file.c */
void replica_file_loaded(struct replica *replica, struct rope *text, struct file_stamp stamp);
void replica_file_handle(struct replica *replica, uint64_t now_ms);
uint64_t replica_file_next_ms(const struct replica *replica);
void replica_file_release(struct file_side *file);
void replica_hash_text(const struct rope *text, struct digest *out);
/* Decides what a file, read with that stamp, means when a document is opened again. Takes the rope. */
void replica_file_reconcile(struct replica *replica, struct rope *disk, struct file_stamp stamp);
/* The base has come again for a document that has a file: which version that has, nobody knows any more. */
void replica_file_rejoin(struct replica *replica);
void replica_put_saved(struct replica *replica);
/* The file is called so from now on: by saving under another name, or because somebody renamed it. */
void replica_move_file(struct replica *replica, const char *path, bool leaves_old);
/* Reads the file of a document that was restored, decides what it means, watches it. A document without one: nothing. */
MUST_USE bool replica_file_reopen(struct replica *replica, struct error *err);
/* Watches the file, and looks at it once: it may have changed since it was read. */
void replica_file_watch(struct replica *replica);
/* A new, unshared document that begins with these bytes of the file. Nothing may be writing. Takes the rope. */
void replica_begin_anew(struct replica *replica, struct rope *disk, struct file_stamp stamp);

/* What is in the file never was a state of the document: its version gets a name of its own. */
void replica_file_is_no_version(struct file_side *file);

/* replica_disk.c */
/* At least half of their lines are the same ones. */
bool replica_are_alike(const struct rope *a, const struct rope *b);
/* What the file's new bytes, read with that stamp, mean for the text. Takes the rope. */
void replica_disk_changed(struct replica *replica, struct rope *disk, struct file_stamp stamp);
/* The document is another one: what was asked about the file is found out again. */
void replica_file_ask_again(struct replica *replica);
/* Looks at the file now, without merging anything. True: what is in it is in the document. */
bool replica_file_is_known(struct replica *replica);
/* Looks at the file without waiting for it to be stable, until it is clear what is in it. */
void replica_look_now(struct replica *replica);

/* replica_replaced.c */
/*
 * Before replica->file says what was saved to `path`: `taken` is what that took the place of, and is held from now on. True: as
 * with replica_look_at_replaced(). It may turn out that the file is another document's: that is the replica's then, and none held.
 */
bool replica_hold_replaced(struct replica *replica, const char *path, struct file_replaced *taken);
/* True: another program has written to what is held, and the text or what is known of the file's has changed by it. */
bool replica_look_at_replaced(struct replica *replica);
void replica_drop_replaced(struct replica *replica);
/* The last look: what it finds is in the file, or kept for the next run. */
void replica_end_replaced(struct replica *replica);
void replica_replaced_handle(struct replica *replica, uint64_t now_ms);
uint64_t replica_replaced_next_ms(const struct replica *replica);

/* replica_import.c */
/* Everything this process wrote so far is in the journal. False: it does not take it, *err says why. */
MUST_USE bool replica_flush(struct replica *replica, struct error *err);
enum import_turn { TURN_OURS, TURN_TAKEN /* and done */, TURN_LATER };
/* Whose turn it is to bring in what *import names. Nothing else may be pending for it here: after replica_flush(). */
enum import_turn replica_claim_import(struct replica *replica, const struct journal_import *import, struct error *err);
/* Takes over the newest state of the file that the journal knows. False: not now; *err says why when something failed. */
MUST_USE bool replica_catch_up_file(struct replica *replica, struct error *err);
/*
 * These bytes in the file are a save of ours that was killed between writing the file and noting it: replica->file then
 * knows them. Taken for a change by another program, what was typed would come in twice.
 */
bool replica_take_pending_save(struct replica *replica, const struct digest *hash);
struct import {
    const struct rope *disk; /* the file's bytes */
    bool replaced;           /* they were: no file has them by name, so that they are no state of it that is told to others */
    struct file_stamp stamp;
    struct digest hash;
};
enum imported {
    IMPORT_DONE,  /* merged here; *summary is filled */
    IMPORT_KNOWN, /* it is in the document already: another process of ours has merged it, or others typed it */
    IMPORT_LATER, /* nothing has changed: another process is at it, or *err says what failed */
};
/* Merges a change of the file, once among all processes. Brings replica->file.version up; its text is the caller's. */
enum imported replica_import(struct replica *replica, const struct import *import, struct line_diff *summary,
                             struct error *err);

/* replica_share.c */
/* Where nobody vouches for the relay, its key goes into the links: waits until it is known, for a moment. */
void replica_wait_for_pin(struct replica *replica);
/* Takes the room for closed, in this run. */
void replica_hear_closed(struct replica *replica);
/* Another process may have ended sharing, or moved it. */
void replica_look_at_index(struct replica *replica);

/* replica_ahead.c */
#define REPLICA_AHEAD_NOTE "ahead"
/* The text that the document begins with, also where another one is shown. */
struct rope *replica_first_text(const struct replica *replica);
/* The text becomes this one; caret and view stay with their lines. */
void replica_show_text(struct replica *replica, const struct rope *text);
/* That text has come while another one is shown. Takes the rope. */
void replica_set_first_text(struct replica *replica, struct rope *base);
/* A writer has said what the text is. Taken where there is none yet. */
void replica_take_checkpoint(struct replica *replica, const struct checkpoint *checkpoint, const struct agent_id *by,
                             const struct rope *text);
/* What the journal keeps of one, when the rows have been read and before the text is brought up. */
MUST_USE bool replica_restore_ahead(struct replica *replica, struct error *err);
/* In place of replica_commit(): kept, and not sent yet. */
void replica_ahead_commit(struct replica *replica, const struct batch_list *batches);
uint64_t replica_ahead_edits(const struct replica *replica);

/* replica_landing.c */
/* What comes from elsewhere goes into this document. While the worker reads it (replica->comparing) it is waited for. */
struct document *replica_history(struct replica *replica);
/* Has the two compared when the history has come that far; then that takes over. */
void replica_ahead_handle(struct replica *replica, uint64_t now_ms);
uint64_t replica_ahead_next_ms(const struct replica *replica);

/* replica_post.c */
MUST_USE bool replica_load_posted(struct replica *replica, struct error *err);
/* A CHECKPOINT that was checked: somebody has posted one. */
void replica_hear_posted(struct replica *replica, struct bytes stored);
/* Something was written, or the link is back: in a while, if nothing more comes, it may be time. */
void replica_post_soon(struct replica *replica, uint64_t now_ms);
void replica_post_handle(struct replica *replica, uint64_t now_ms);

/* replica_online.c */
/* Online with everything that the journal has for the session; or not at all, and *err. Online or alone already: nothing. */
MUST_USE bool replica_go_online(struct replica *replica, struct error *err);
/* What is unsent may leave within deadline_ms; *all_sent is set where there was a connection. */
void replica_go_offline(struct replica *replica, unsigned deadline_ms, bool *all_sent);
/* Off at once, for a reason of this process's own; what is unsent is counted on. */
void replica_come_off(struct replica *replica);
/* On again. What does not work now is said once, and tried again until it does or nobody wants it; keys wait for little of it. */
void replica_come_back(struct replica *replica);
void replica_online_handle(struct replica *replica, uint64_t now_ms);
/* The session's, with what the journal's thread has yet to hand to it; caught up when it has been taken, too. Only while there is
   a `net`. */
void replica_net_status(struct replica *replica, struct session_status *out);
/* What a relay may ask of who creates a document there; appends nothing where none is configured. Wipe it. */
MUST_USE bool replica_read_token(struct replica *replica, struct buf *token, struct error *err);

/* replica_room.c */
/* Takes what has come, for a few ms and as far as the journal follows; the fd stays readable while there is more. */
void replica_room_handle(struct replica *replica, uint64_t now_ms);
/* Whether the journal has more to do than a key may have to wait for, or half of that. On the journal's thread too. */
bool replica_journal_is_behind(struct replica *replica, bool by_half);
uint64_t replica_room_next_ms(const struct replica *replica);
void replica_present_soon(struct replica *replica);
/* Into journal and document; replica->text_due says that the text is behind. */
void replica_take_received(struct replica *replica, const struct received *received);
/* What the journal was given and the document was not, into document and text. */
void replica_take_arrived(struct replica *replica);

/* replica_fetch.c */
/*
 * Hands the session a piece of what the journal has of an agent from there on; of another process of ours that is not heard any
 * more, what it has not sealed as well.
 */
void replica_fetch(struct replica *replica, const struct agent_id *agent, uint64_t from_seq, bool packs);

/* replica_heir.c */
/* Another process at the same text has left, or may have: what it had not sent is looked for in a moment. */
void replica_heir_expect(struct replica *replica);
void replica_heir_handle(struct replica *replica, uint64_t now_ms);

/* replica_join.c */
/* "connection refused" of "cannot reach relay.example: connection refused". */
const char *replica_reason_of(const struct error *why);

/* replica_away.c */
/* Before such a patch changes the text: while the connection is lost, what both sides do is put together. */
void replica_note_away(struct replica *replica, const struct patch *patch, bool is_mine);
/* Off because its person wants it so, who knows: nothing is said before it is back. What had come until then is in the text. */
void replica_away_begin(struct replica *replica);
/* Coming back is told of what an earlier process typed, too; with whose changes it met is not known. */
void replica_away_begin_unnoted(struct replica *replica);
void replica_away_take_status(struct replica *replica, const struct session_status *status, uint64_t now_ms);
/* What waits now will have been sent when the connection is back. */
void replica_away_count(struct replica *replica);
/* Tells that it is back, once replica->back_ms has come. */
void replica_away_handle(struct replica *replica, uint64_t now_ms);

/* replica_newer.c */
/* What the journal says about it, when the document is opened. */
MUST_USE bool replica_load_newer(struct replica *replica, struct error *err);
/* A writer has put a record of this mandatory kind into the document. */
void replica_take_newer(struct replica *replica, unsigned kind);
/* Whether nothing may be written for that reason; *err says so. */
bool replica_is_older(const struct replica *replica, struct error *err);

/* replica_name.c */
/* What this run was told; at the very first. */
void replica_choose_name(struct replica *replica, const struct replica_options *options);
/* What the journal remembers, where this run was told nothing. */
MUST_USE bool replica_load_name(struct replica *replica, struct error *err);
/* Writing has begun: what is to last is in the journal from now on. */
void replica_keep_name(struct replica *replica);

/* replica_move.c */
/* To the canonical address of another relay, with everything; back where it was when that cannot be. */
MUST_USE bool replica_move(struct replica *replica, const char *relay, struct error *err);
/* The owner's word was heard; replica->relocates says that there is somewhere to go, by replica_relocate(). */
void replica_follow(struct replica *replica, uint64_t moved_s, struct bytes place);
void replica_relocate(struct replica *replica);

/* replica_neighbours.c */
/* Before anything is written: the journal's thread rings them. Again is fine. */
void neighbours_open(struct replica *replica);
/* The file's path or the document has changed, or the index has the document now: those who have the same one are met. */
void neighbours_meet(struct replica *replica);
/* The same as another agent, of which nobody has heard before. */
void neighbours_meet_anew(struct replica *replica);
/* After the writer has stopped. Those who hear it know that whoever was here when they were opened has left. */
void neighbours_close(struct replica *replica);
void neighbours_handle(struct replica *replica, uint64_t now_ms);
void neighbours_ring(struct replica *replica, uint64_t place);       /* any thread: rows up to `place` are there */
void neighbours_tell(struct replica *replica);                       /* the index has something new about this document */
void neighbours_present(struct replica *replica, bool leaving);
/* Somebody took the last thing that was said. */
bool neighbours_listen(const struct replica *replica);
/* Somebody has the file at `path` (resolved) open, in another document than this replica's. */
bool neighbours_have_open(const struct replica *replica, const char *path);
/* Somebody has a document that the index has open. */
bool neighbours_are_in(const struct env *env, const struct doc_id *doc);
/* Rows were put into that document's journal by somebody who need not have it open. `path` (may be NULL): the file's. */
void neighbours_ring_folded(const struct env *env, const struct doc_id *doc, const char *path);
/*
 * Somebody else has this replica's file or document open. While that is so its path is given no other document: who has it
 * open would go on in the one the path does not show any more.
 */
bool neighbours_meet_us(const struct replica *replica);
uint64_t neighbours_next_ms(const struct replica *replica);

#endif
