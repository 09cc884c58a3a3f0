/*
 * document_after - what is written on a document that is asleep, merged without its history.
 *
 * Whoever has seen all that was saved goes on from there. So what he and others write then is merged as if the saved text were
 * the base of a document of its own, in which everybody begins anew:
 *
 *     saved   ... ana 4998  ana 4999  ben 320          the version { ana 4999, ben 320 }, a text of so many bytes
 *     after       ana 5000  ana 5001                   here  ana 0  ana 1       ana 0 and ben 0 follow the root
 *                 ben 321   ben 322                          ben 0  ben 1
 *
 * A batch that builds on less than all that was saved, or on something in it, is not for here: the history has to be read. Inside
 * of sync/document.h: for its files (sync/document_parts.h) alone.
 *
 *   Ownership  after_free(); what it was made of is borrowed.
 *   Bounds     a batch costs what it costs any document, and a look at AFTER_AGENTS_MAX agents for each of its parents.
 */
#ifndef WEFT_SYNC_DOCUMENT_AFTER_H
#define WEFT_SYNC_DOCUMENT_AFTER_H

#include "sync/document.h"

enum {
    AFTER_AGENTS_MAX = 256,    /* that have written before: with more of them the history is read */
    AFTER_BATCHES_MAX = 16384, /* then it is read: in it a key takes a hundredth of the memory */
};

struct asleep_agent {
    struct agent_id id;
    uint64_t next_seq;
};

struct after {
    struct document *document; /* of what was written since, by other numbers */
    const struct asleep_agent *agents;
    size_t agent_count;
    const struct version *saved;
};

/* `len`: of the text at the version `saved`, whose agents these are. */
struct after *after_new(uint64_t len, const struct version *saved, const struct asleep_agent *agents, size_t agent_count);
void after_free(struct after *after); /* NULL is fine */

/* DOCUMENT_ADDED or _REFUSED as document_add(); _EARLY: it is not for here. The agent's next event is the batch's first. */
MUST_USE enum document_added after_add(struct after *after, const struct batch *batch, struct error *err);
/* document_approach(). False: it is not for here. */
MUST_USE bool after_approach(struct after *after, const struct batch *batch, uint64_t steps, bool *there);
/* What was added last is in the text already, which has `len` bytes by it. */
void after_is_in_text(struct after *after, uint64_t len);

uint64_t after_next_seq(const struct after *after, const struct agent_id *agent);
/* The version of all that is here. */
void after_version(const struct after *after, struct version *out);
/* A version by the numbers of after->document. False: it is not one of here. */
MUST_USE bool after_find(const struct after *after, const struct version *version, struct version *out);

#endif
