/*
 * id - the names of things that replicas share.
 *
 * An agent is one writing process: 16 random bytes, never reused. Its events are numbered from 0 without holes, so
 * (agent, seq) names one event everywhere. A document is named by the hash of its admin key. A digest binds a batch to its
 * content and to everything its agent wrote before (sync/chain.h).
 *
 * One (agent, seq) with two contents is a fork: the agent's writing branches. The branch that came first here goes on under
 * the agent's id here, every other one under an id of its own, which graph and document treat like any agent's.
 */
#ifndef WEFT_SYNC_ID_H
#define WEFT_SYNC_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { AGENT_ID_BYTES = 16, DOC_ID_BYTES = 16, DIGEST_BYTES = 32 };

struct agent_id {
    unsigned char bytes[AGENT_ID_BYTES];
};

struct doc_id {
    unsigned char bytes[DOC_ID_BYTES];
};

struct digest {
    unsigned char bytes[DIGEST_BYTES];
};

struct event_id {
    struct agent_id agent;
    uint64_t seq;
};

/* Where a branch leaves the writing of an agent that forked. */
struct agent_fork {
    struct agent_id branch; /* what it is called: the first bytes of its first batch's digest */
    struct agent_id from;   /* what it leaves: the agent, or a branch of it */
    uint64_t seq;           /* of the first event that differs */
    struct agent_id rival;  /* what the other side is called from there on, by the same rule */
};

/* Byte order (memcmp); decides ties between concurrent inserts, so it is part of the protocol. */
int agent_id_compare(const struct agent_id *a, const struct agent_id *b);
static inline bool agent_id_equal(const struct agent_id *a, const struct agent_id *b)
{
    uint64_t left[2], right[2]; /* two words: memcmp() would be a call */
    memcpy(left, a->bytes, sizeof left);
    memcpy(right, b->bytes, sizeof right);
    return left[0] == right[0] && left[1] == right[1];
}
bool doc_id_equal(const struct doc_id *a, const struct doc_id *b);
bool digest_equal(const struct digest *a, const struct digest *b);

/* Lower-case hex of the first `count` bytes and a NUL; out has room for 2 * count + 1. */
void id_hex(const unsigned char *bytes, int count, char *out);

#endif
