/*
 * trace - a recorded editing session (format `weft-trace 1`), with places in code points turned into bytes.
 *
 * Positions of a patch count in the text that its author saw. In plain ASCII they are bytes already; sequential
 * sessions are converted here, concurrent ones where their authors are played (trace_batches.h).
 */
#ifndef WEFT_TESTS_TRACE_H
#define WEFT_TESTS_TRACE_H

#include <stdint.h>

#include "editor/base/bytes.h"

struct trace_patch {
    uint64_t pos, deleted; /* bytes */
    struct bytes text;
};

struct trace_txn {
    size_t agent;
    size_t *parents;
    size_t parent_count;
    struct trace_patch *patches;
    size_t patch_count;
};

struct trace {
    char name[64];
    size_t agents;
    struct trace_txn *txns;
    size_t count, patches;
    struct trace_patch *patch_pool;
    size_t *parent_pool;
    struct buf file;       /* what the texts are views of */
    bool has_end;          /* the final text is given by its hash */
    uint64_t end_hash;
    bool in_codepoints;    /* places are not yet bytes */
    bool sequential;       /* each transaction's parent is the one before it */
};

/* Aborts with a message when the file cannot be read or understood. */
void trace_read(struct trace *trace, const char *path);
void trace_release(struct trace *trace);
uint64_t trace_hash(struct bytes text); /* FNV-1a, 64 bits */

#endif
