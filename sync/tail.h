/*
 * tail - what is typed before its journal has it: one file per process, folded into the journal by somebody else after a kill -9.
 *
 * A new journal costs the disk several syncs, which may take as long as the disk likes, and a commit a thread that has to be
 * woken; a key must wait for neither. So a process puts its batches into DIR/HEX.tail (HEX: its agent), one write before they are
 * painted, and removes the file, or begins it again, once the journal has committed them. After a kill -9 the next start finds
 * the file of a dead process and folds it in; rows of a journal are known by (agent, seq), so folding what the journal has
 * already changes nothing.
 *
 * A file is a run of frames: length (u32, little endian), nonce (24), ciphertext with its tag. The tag covers the agent and
 * the frame's number, so it is the checksum as well, and frames cannot change places. What a frame says is its writer's
 * business (app/replica_frames.h). A last frame that is cut off was never painted and counts as absent. A length
 * of 0 ends the run: what follows is of a run before (tail_restart()), all of which is in the journal.
 *
 *   Liveness   the file is locked (flock) as long as its process lives; the kernel lets go of it however that ends.
 *   Ownership  a tail owns its descriptor and its memory; frames are copied.
 *   Errors     the system's, in words. After a failed tail_write() the file is as before, and the next one tries again.
 *   Bounds     TAIL_BYTES_MAX a file, TAIL_FRAME_BYTES_MAX a frame.
 *   Durability survives kill -9, not a power cut: nothing is synced. After one a file may be newer than its journal: what does
 *              not follow what the journal has is set aside (tail_set_aside()), under a name that only tail_visit_aside() looks
 *              at.
 *   Threads    one at a time.
 */
#ifndef WEFT_SYNC_TAIL_H
#define WEFT_SYNC_TAIL_H

#include "sync/batch.h"
#include "sync/crypto.h"

enum {
    TAIL_FRAME_BYTES_MAX = BATCH_BYTES_MAX + (64 << 10),
    TAIL_BYTES_MAX = 16 << 20,
    TAIL_WAIT_MS = 5000, /* for who folds or looks at a dead process's file just now; all files of one visit together */
};

struct tail;

/* Makes nothing on disk. `dir` itself may be missing, its parent must not. Its `key`: device_tail_key(). */
struct tail *tail_new(const char *dir, const struct agent_id *agent, const struct seal_key *key);
/* Adds a frame to what the next tail_write() writes. Beyond the bounds the tail gives up: tail_write() fails from then on. */
void tail_put(struct tail *tail, struct bytes frame);
/* One write of everything put since the last one; the first makes the file. Nothing put: nothing done. */
MUST_USE bool tail_write(struct tail *tail, struct error *err);
/* Makes the file, so that no tail_write() has to. */
MUST_USE bool tail_make(struct tail *tail, struct error *err);
/* All that was put is elsewhere: what is put from now on takes its place, from the file's beginning. */
void tail_restart(struct tail *tail);
/* Removes the file: everything in it is elsewhere. Frees. NULL is fine. */
void tail_end(struct tail *tail);
/* Frees and leaves the file to whoever finds it: this process is as good as dead. NULL is fine. */
void tail_free(struct tail *tail);
/* Whether this agent has a tail: its process lives, or nobody has folded what it left. */
bool tail_exists(const char *dir, const struct agent_id *agent);

/* What a dead process has left. */
struct tail_left {
    struct agent_id agent;
    const char *path;
    const struct bytes *frames; /* in order; at least one, but of what was set aside */
    size_t count;
    bool damaged; /* more followed that cannot be opened */
};
enum tail_trouble {
    TAIL_BUSY,       /* somebody else still has it; what is in it is not folded */
    TAIL_UNREADABLE, /* not even its first frame opens: it was set aside, and `path` is where it is now */
};
struct tail_visitor {
    void *self;
    /* True: all of it is elsewhere now, the file goes. False: it stays for another time, or was set aside. */
    bool (*fold)(void *self, const struct tail_left *left);
    /* What else says of an agent whether its process is dead. NULL: nothing does. */
    bool (*is_dead)(void *self, const struct agent_id *agent);
    /* Of an agent that is dead by is_dead(). May be NULL. */
    void (*trouble)(void *self, enum tail_trouble trouble, const char *path);
};
/* For the visitor: the file keeps what is in it under another name, `*path` (heap). False: it is where it was. */
MUST_USE bool tail_set_aside(const char *tail_path, char **path, struct error *err);
/*
 * Every file of a dead process, each locked meanwhile, so that of several who look at once one folds. The others wait for that
 * one where is_dead() says that the lock is not the writer's: what it folds is in the journal when this returns. Files of which
 * not even the first frame opens are set aside once their agent is dead by is_dead(), and left alone before; empty ones go. A
 * missing directory holds none.
 */
void tail_visit_dead(const char *dir, const struct seal_key *key, struct tail_visitor visitor);
/*
 * For who only looks: every file, a living process's too, as it is now. Nothing is locked, changed or removed, whatever the
 * visitor returns.
 */
void tail_visit_all(const char *dir, const struct seal_key *key, struct tail_visitor visitor);
/* Every file that was set aside. True: it goes. Where its `count` is 0 nothing of it can be read. */
struct tail_aside_visitor {
    void *self;
    bool (*aside)(void *self, const struct tail_left *left);
};
void tail_visit_aside(const char *dir, const struct seal_key *key, struct tail_aside_visitor visitor);

#endif
