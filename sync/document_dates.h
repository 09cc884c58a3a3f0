/*
 * document_dates - which edit an event belongs to, who made it and when.
 *
 * An edit begins with an agent's first batch and with every one that is marked as a gesture (sync/document_edits.h). The
 * beginnings of each agent's are kept in a row and looked up; what came since the last question is added first. Inside
 * of sync/document.h: for its files (sync/document_parts.h) alone.
 *
 *   Units      local versions (LV), seqs; seconds since 1970 by the clock of whoever wrote.
 *   Ownership  zero-initialised it is empty; dates_release(). Labels live until the next batch is added.
 *   Bounds     O(log n) for n edits of that agent; 16 bytes an edit.
 */
#ifndef WEFT_SYNC_DOCUMENT_DATES_H
#define WEFT_SYNC_DOCUMENT_DATES_H

#include "sync/document_parts.h"

struct dated {
    size_t agent;
    uint64_t seq;      /* with which the edit begins: with the agent, its name */
    uint64_t time_s;   /* 0: not recorded */
    const char *label; /* NULL: none */
};

/* *len is cut to as many events as that is true of. */
struct dated document_date(struct document *document, uint64_t lv, uint64_t *len);
bool dated_equal(const struct dated *a, const struct dated *b); /* of one edit */
/* What has no time has that of its agent's edit before it. */
uint64_t document_date_or_before(struct document *document, struct dated dated);
/* Whose an agent's events are: a branch's are of the one that forked. */
struct agent_id document_author(const struct document *document, size_t agent);

#endif
