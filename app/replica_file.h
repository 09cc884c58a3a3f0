/*
 * replica_file - the file that shows an open document, for the files that make up a replica: reading and saving it, what other
 * programs do to it, and which document it shows.
 */
#ifndef WEFT_APP_REPLICA_FILE_H
#define WEFT_APP_REPLICA_FILE_H

#include "editor/file.h"
#include "editor/line_diff.h"
#include "editor/rope.h"
#include "sync/doc_index.h"
#include "sync/journal.h"

struct file_side;
struct replica;

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
/* Reads the file of a document that was restored, decides what it means, watches it. A document without one: nothing. */
MUST_USE bool replica_file_reopen(struct replica *replica, struct error *err);
/* Watches the file, and looks at it once: it may have changed since it was read. */
void replica_file_watch(struct replica *replica);
/* A new, unshared document that begins with these bytes of the file. Nothing may be writing. Takes the rope. */
void replica_begin_anew(struct replica *replica, struct rope *disk, struct file_stamp stamp);

/* What is in the file never was a state of the document: its version gets a name of its own. */
void replica_file_is_no_version(struct file_side *file);

/* replica_save.c */
/* The file is called so from now on: by saving under another name, or because somebody renamed it. */
void replica_move_file(struct replica *replica, const char *path, bool leaves_old);

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

#endif
