/*
 * agent_index - the small numbers of agents, by their ids.
 *
 * Ids in order, in blocks; a block that is full is cut in two. Ids are chosen by whoever sends them, so nothing here depends on
 * how they are spread: a table with a known hash would.
 *
 *      blocks   [3 7 8 . .] [11 12 20 31 .] [40 . . . .]
 *
 *   Ownership  zero-initialised it is empty; agent_index_release().
 *   Bounds     n agents: look-ups O(log n); a new one O(n / AGENT_BLOCK_MAX) moves of a number at worst. 20 to 40 bytes each.
 */
#ifndef WEFT_SYNC_AGENT_INDEX_H
#define WEFT_SYNC_AGENT_INDEX_H

#include <stddef.h>

#include "sync/id.h"

#ifdef WEFT_SMALL_NODES
enum { AGENT_BLOCK_MAX = 4 };
#else
enum { AGENT_BLOCK_MAX = 128 };
#endif

struct agent_block;

struct agent_index {
    struct agent_block *blocks; /* in the order in which they came to be */
    uint32_t *order;            /* their numbers, in the order of the ids in them */
    size_t count, block_cap, order_cap;
};

void agent_index_release(struct agent_index *index);
bool agent_index_find(const struct agent_index *index, const struct agent_id *id, size_t *number);
/* An id that is not there; number < 2^32. */
void agent_index_add(struct agent_index *index, const struct agent_id *id, size_t number);
void agent_index_check(const struct agent_index *index, size_t agents); /* so many are there, in order; or the program stops */

#endif
