/*
 * sim - several people, a relay and everything that can go wrong between them, in one thread and from one seed.
 *
 * Replicas are the real document, chain, journal and session; the relay is the real core on the real store. Network,
 * disks and time are played: frames take their time, connections are cut, disks do their work later, processes die
 * between any two steps and come back with what their journal holds, the relay loses what it had not committed or is
 * put back to an old backup, and an evil one changes, drops, repeats and swaps what it passes on, or shows two groups two
 * histories of one log. A whole machine is copied while it runs, and both go on under one agent until they find out. The
 * owner moves the document to another relay while people write. People come later, see a checkpoint and write on it before they have
 * its history; some checkpoints are false. Somebody hostile writes what is dear to merge, and far beyond the text, and is
 * copied; the others merge in portions, as the editor does, and hold what takes too long.
 *
 * Everybody types tokens, `<3.17>`, and sometimes deletes whole ones. In the end all faults stop, everybody reconnects,
 * and
 *
 *   - all texts are equal;
 *   - every token whose batch a journal had committed, and that nobody deleted, is there exactly once;
 *   - no token is there twice, and nothing is there that nobody typed;
 *   - every document passes document_check() and everything is acknowledged.
 *
 * test_sim runs all mixes of tests/sim/test_sim.c, so many seeds of each. $WEFT_SIM_MIX=views-copies runs that mix alone, all
 * seeds to the end, and says which fail; $WEFT_SIM_SEEDS=2000 of them, from 1 or from $WEFT_SEED on.
 */
#ifndef WEFT_TESTS_SIM_H
#define WEFT_TESTS_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "editor/base/bytes.h"

struct sim_options {
    const char *name;
    unsigned replicas;   /* 2..8 */
    unsigned edits;      /* of each */
    unsigned base_bytes; /* of the text the document begins with */
    bool cuts;           /* connections end at any time, some people stay away for a while */
    bool client_crashes;
    bool relay_crashes;
    bool restores;       /* the relay is put back to an old backup */
    bool evil;           /* the relay changes, drops, repeats and swaps frames */
    bool views;          /* from some moment on the relay shows every second replica another history, which ends with the faults */
    bool moves;          /* the first replica moves the document to another relay */
    bool undo;
    bool copies;         /* the last replica is a copy of another one, made while that ran */
    bool checkpoints;    /* people post what they see, or something else; all but the first come at any time, and type on that */
    bool hostile;        /* the first replica wishes the others ill; with `copies` it is the one that is copied */
    size_t pack_records_min; /* not 0: people pause, so that they pack their records, this many at least; days go by */
    struct sim_seen *seen;   /* NULL, or where it is counted */
};

struct sim_seen {
    unsigned packs_made;
    unsigned packs_read; /* that told a reader something: what they stand in for was gone */
    unsigned posted, right, wrong; /* checkpoints; those that somebody showed until its history said so */
    unsigned typed_ahead;          /* tokens */
    unsigned portions, held, void_runs; /* where somebody is hostile */
};

/* What happened, for the reader of a failing test; appended to `report` when it went wrong. */
bool sim_run(uint64_t seed, const struct sim_options *options, struct buf *report);

#endif
