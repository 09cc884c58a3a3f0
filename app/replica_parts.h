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
 *   replica_restored.h    and what of it is not in the file
 *   replica_lost.c        a document whose journal is gone or empty
 *   replica_rows.c        rows and batches into chain and document
 *   replica_arrived.c     what has come from the room, into journal and text
 *   replica_merge.c       whose turn it is to be merged: in portions what takes long, not at all what is absurd
 *   replica_held.c          and what is held
 *   replica_unmerged.c    opening a text whose newest rows take long to merge
 *   replica_tail.c        what is typed while the journal is being made
 *   replica_advance.c       and what is typed later, before the journal has committed it
 *   replica_left.c          folding what killed processes left of both
 *   replica_frames.c        how it stands there
 *   replica_writing.c     beginning to write and ceasing to: the journal's thread, and what it finds out
 *   replica_adopt.c       another document in the place of ours
 *   replica_succession.c  a document that goes on with another one's text: making it, and going over to it
 *   replica_former.c      what is typed into the one before it, brought over
 *   replica_base.c        the text a document began with: copied, or referred to where it is too large
 *   replica_checkpoint.c  a whole document in one piece, so that opening costs no replay of everything
 *   replica_tidy.c        the journal in less space, while nobody types
 *   replica_known.c       which document a file shows, and the index's word of it
 *   replica_file.c        the file: reading, opening again
 *   replica_save.c        and saving
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
 *   replica_revive.c      the own relay, started again when it has died
 *   replica_fetch.c       from the journal, what a relay has lost, or a process that is stopped does not send
 *   replica_away.c        while the link is lost, and what is told when it is back
 *   replica_move.c        to another relay, and following there
 *   replica_heir.c        what another process left unsent when it ended
 *   replica_forks.c       when an agent has written two things under one number
 *   replica_opened.c      when it was open last, for the index; who was in it last
 *   replica_newer.c       what only a newer weft can read
 *   replica_name.c        under which name others see this person in it
 *   replica_past.c        what it was, and who wrote what
 *   replica_version.c     finding a version by its name
 *   replica_neighbours.c  who else has it open on this machine, and ringing them
 *
 * Here is what a replica holds, and what all of them call. The others have headers by subject: replica_file.h, replica_journal.h,
 * replica_rows.h, replica_tail.h, replica_left.h, replica_frames.h, replica_tidy.h, replica_restored.h, replica_ahead.h,
 * replica_online.h, replica_succession.h, replica_neighbours.h.
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
#include "sync/journal_compact.h"
#include "sync/journal_writer.h"
#include "sync/roster.h"
#include "sync/tail.h"

struct neighbours;
struct opening;
struct restored;
struct tidying;
struct unmerged;

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
    const struct replica *replica; /* whose it is: for its own thread */
    struct device device;
    struct doc_keys keys;
    char *path; /* of the journal; NULL: there is no source */
    struct journal_checkpoint checkpoint; /* that was loaded; without what is in it */
};

/* The rows in front of the journal (replica_advance.c): those of the tickets from `first` on, `rows` of them. */
struct advance {
    _Atomic(struct tail *) made; /* by the journal's thread; NULL: not yet */
    struct tail *tail;           /* the same once this thread has seen it */
    bool asked;
    uint64_t first, rows;        /* the ticket of the first row in it, and how many of them follow each other */
    uint64_t long_row;           /* the ticket of the last row that is waited for */
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

/*
 * What takes long to merge is merged in portions, and what would take too long is held (replica_merge.c). Agents by the names
 * they have here.
 */
struct held_agent {
    struct agent_id agent;
    uint64_t from_seq; /* what it wrote from there on; */
    uint64_t upto_seq; /* what has come of that ends before this one; 0: nothing has */
    enum held_why {
        HELD_COSTLY, /* it would take too long */
        HELD_BEHIND, /* it builds on something that is held */
        HELD_SLOW,   /* it was on its way when weft ended: it goes on when there is a screen */
        HELD_WANTED, /* in the note alone: a person wanted what ends before from_seq, whatever it takes */
    } why;
};
struct spender {
    struct agent_id agent;
    uint64_t steps, events; /* what merging its batches took, in this run, where it took more than a portion */
    bool is_new;            /* has hardly written anything yet */
    bool granted;           /* a person wants them, whatever it takes, in this run; */
    uint64_t wanted_upto;   /* and in all others what ends before this one; 0: nothing */
};
struct merging {
    bool live;           /* there is a loop: what takes long may wait for its next turn */
    uint64_t until_ms;   /* of this turn */
    bool pending;        /* something waits for the next one: among what is early, */
    bool on;             /* or is on its way: */
    const struct document *document;
    struct event_id first;
    uint64_t since_ms, steps;
    unsigned percent;
    bool said;           /* for so long that the status line says so */
    struct spender *spenders;
    size_t spender_count, spender_cap;
    size_t spender;      /* whose is on its way */
    uint64_t spent;      /* steps for everybody's, over what is granted for their events */
    struct held_agent *agents; /* sorted by agent */
    size_t agent_count, agent_cap;
    bool agents_more;    /* there was no room for all: whatever lacks something is held as well */
    struct batch *held;  /* in the order they came; in the hash chain, and in the journal */
    size_t held_count, held_cap;
    uint64_t held_bytes;
    struct held_agent *noted;  /* what this window has put into the note */
    size_t noted_count, noted_cap;
    bool held_more;      /* there was no room for all: the others are in the journal alone */
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
    bool noted_opened;      /* and was told when it was opened */
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
    uint64_t neighbour_wrote_ms;   /* when rows of another process were last read; 0: never */
    uint64_t checkpoint_place;     /* rows up to here are in a checkpoint */
    uint64_t fresh_ops_max;        /* so many are worth a checkpoint: */
    uint64_t fresh_ops;            /* operations in the document that are in none: to open it again they are merged again */
    struct row_source rows;
    struct tidying *tidying;       /* how far the journal has been put in order; NULL: not yet begun */
    struct journal_compaction compaction; /* the same, while nothing is under way */
    uint64_t tidy_ms;              /* when that is to be thought of; 0: no reason */
    uint64_t tidy_place;           /* the newest row when that was decided */
    struct restored *restored;     /* counts what is not in the file, of a long history; NULL: not asked for */
    struct journal_writer *writer;
    uint64_t last_ticket;          /* of the last local batch */
    bool journal_made;             /* it has committed something */
    bool trouble_said;             /* why it commits nothing any more */
    pthread_mutex_t tail_lock;     /* around the next two: the journal's thread removes the tail */
    struct tail *tail;             /* holds what is typed until the journal has it; NULL: none is needed any more */
    uint64_t tail_ticket;          /* of the last row in it */
    struct advance advance;
    struct early *early;           /* in the order they came; offered again whenever the document got something */
    size_t early_count, early_cap;
    uint64_t early_bytes;
    struct merging merging;
    uint64_t open_steps_max;       /* what takes more steps is merged after the text was shown */
    bool opens;                    /* for somebody who looks at a screen: it may be shown before all is merged */
    struct unmerged *unmerged;     /* what comes into the text after it was shown; NULL: nothing, */
    bool merged_late;              /* any more */
    uint64_t merge_steps_max;      /* for what one agent wrote (config: merge_ms); more is held */
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
    uint64_t unread;           /* of the faults: what there is in the journal and could not be taken from it */
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
    size_t arrived_bytes;      /* what they take */
    struct batch_cursor arrived_at; /* of the first of them, where it is begun: the batch whose turn comes next */
    bool arrived_begun;
    bool text_due, people_due, neighbour_rows_due; /* what replica_room_handle() has left to do */
    bool joining;              /* the base text has not arrived */
    bool history_due;          /* it was joined in this run, and what the relay had by then has not all come */
    bool revives;              /* the worker starts the own relay again; */
    uint64_t revive_ms;        /* when that was tried last; 0: not since it was there */
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
/* After document_add(): brings the text up to date; without where people are in it, and with it. */
void replica_change_text(struct replica *replica, struct patch *patch);
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
/* The same of something that the journal has, and the document has not: no checkpoint stands for it. */
void replica_note_unread(struct replica *replica, const struct error *why);

/* replica_opened.c */
/* The index is told once more, if it was told of the opening. */
void replica_note_closing(struct replica *replica);

/* replica_forks.c */
/* What its member record calls an agent (not safe to show as it is); `unknown` when there is none. */
const char *replica_name_of(const struct replica *replica, const struct agent_id *agent, const char *unknown);
/* Where its member record is here, and names another device; who has none is this device's own. */
bool replica_is_of_another_device(const struct replica *replica, const struct agent_id *agent);
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

#endif
