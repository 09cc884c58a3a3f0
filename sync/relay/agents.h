/*
 * agents - the writing agents of one document, numbered 1..n in the order of their MEMBER records, found by id.
 */
#ifndef WEFT_SYNC_RELAY_AGENTS_H
#define WEFT_SYNC_RELAY_AGENTS_H

#include "sync/relay/store.h"

struct relay_agent {
    struct store_agent is; /* is.next_seq: accepted, perhaps not durable */
    uint64_t durable_seq;  /* what readers and vectors are told */
    bool durable;          /* its MEMBER record is on the disk */
};

/* Zero-initialised it is empty. */
struct agents {
    struct relay_agent *items; /* number - 1 */
    size_t count, cap;
    uint32_t *slots; /* numbers; 0: free */
    size_t slot_count;
};

void agents_release(struct agents *agents);
/* NULL when unknown; the pointer lives until the next agents_add(). */
struct relay_agent *agents_find(const struct agents *agents, const struct agent_id *id);
struct relay_agent *agents_at(const struct agents *agents, uint64_t number); /* NULL for 0 and beyond the last */
/* is->number must be the next one (ensure). */
struct relay_agent *agents_add(struct agents *agents, const struct store_agent *is);

#endif
