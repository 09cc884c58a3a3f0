/*
 * weave - runs of batches that need pieces of each other.
 *
 * Of two who type at once each one's batches build on the other's. Where what each wrote stands together, in a pack or in a row of a
 * journal, neither can be taken before the other one:
 *
 *      ana   0 -- 1 ------ 2 -- 3          a run, one signature: over the digest of 3
 *             \    \      / \
 *      ben     0 -- 1 -- 2 -- 3            another one, over that of its own 3
 *
 * So their digests are computed side by side, batch by batch, and nothing is added to the chain meanwhile. What can be computed to
 * its end is shown to the caller, who knows what a run has to end in; and what he accepts is taken if all that it builds on is.
 * Then it comes out in pieces, in an order in which each piece builds on what is in front of it.
 *
 *   Names      An event is one of the chain, or of a run that is here. Which of the two, where both have one of that name, and which
 *              of several branches, is tried way by way, one way for all names at once: who wrote in such a run knew of no fork,
 *              so his names are on one line each. What is accepted says which way it was.
 *   Ownership  the runs are the caller's and outlive the weave; weave_release(). Zero-initialised it is empty.
 *   Errors     none: what does not come to its end, or is not accepted, is left out.
 *   Bounds     WEAVE_RUNS_MAX runs. 40 bytes a batch, and 16 for each time a run begins to build on another one. The
 *              work is that of hashing all batches once for each way.
 *   Threads    one at a time. The chain is asked, never changed.
 */
#ifndef WEFT_SYNC_WEAVE_H
#define WEFT_SYNC_WEAVE_H

#include "sync/chain.h"

enum { WEAVE_RUNS_MAX = 65536 };

struct weave_run {
    struct batch_run batches; /* as read, without local names */
    uint64_t end;             /* the seq behind the last one */
};

struct weave_piece {
    size_t run;            /* which one it is of */
    struct batch_run part; /* consecutive batches of it: a view of its plaintext */
    struct digest last;    /* of the last of them */
};

struct weave {
    bool *taken; /* of each run */
    size_t taken_count;
    struct weave_piece *pieces; /* of those that are taken, in order */
    size_t piece_count, piece_cap;
};

/* Asked about a run's last digest; true: that is what it has to be. */
struct weave_judge {
    void *self;
    bool (*accepts)(void *self, size_t run, const struct digest *last);
};

/* `weave` is empty. True when one at least is taken. */
bool weave_runs(struct weave *weave, struct chain *chain, const struct doc_id *doc, const struct weave_run *runs, size_t count,
                struct weave_judge judge);
void weave_release(struct weave *weave);

#endif
