/*
 * id_index - a walk's memory of where units are: id -> leaf of the span tree, delete -> the units it deleted.
 *
 * A B+-tree of entries that do not overlap, by key. Keys are the ids of a tracker (sync/tracker.h): local versions,
 * and the numbers of the base text's bytes.
 *
 *   Ownership  zero-initialised, then id_index_reset(); id_index_release(). Reset is O(1) and keeps the memory.
 *   Bounds     O(log entries). Fan-out is 4 with WEFT_SMALL_NODES.
 */
#ifndef WEFT_SYNC_ID_INDEX_H
#define WEFT_SYNC_ID_INDEX_H

#include <stddef.h>
#include <stdint.h>

enum id_kind {
    ID_NOTHING,      /* no entry */
    ID_UNITS,        /* units that are at `value` */
    ID_DELETES,      /* deletes of the units value, value + 1, ... */
    ID_DELETES_BACK, /* deletes of the units value, value - 1, ... */
};

struct id_entry {
    uint64_t key, len, value;
    enum id_kind kind;
};

struct id_leaf;
struct id_node;
struct id_near;

struct id_index {
    struct id_leaf *leaves;
    struct id_node *nodes;
    size_t leaf_cap, node_cap;
    uint32_t leaf_count, node_count;
    uint32_t root, depth;
    struct id_near *near; /* where the last look-up was */
};

void id_index_release(struct id_index *index);
void id_index_reset(struct id_index *index);
void id_index_copy(struct id_index *to, const struct id_index *from);
/* Keys [key, key + len) must be new; len < 2^32. */
void id_index_put(struct id_index *index, struct id_entry entry);
/* Units that are there are at another place now. */
void id_index_move(struct id_index *index, uint64_t key, uint64_t len, uint64_t value);
uint64_t id_index_entries_max(const struct id_index *index); /* there are not more */
/* What is known from `key` on: `len` keys of one kind (ID_NOTHING: up to the next entry). */
struct id_entry id_index_get(const struct id_index *index, uint64_t key);

/*
 * Beside each entry there is room for a number, 0 at first: for the caller to note where the units are that are deleted. Of the
 * entry that has the key, which must be there; until the next change.
 */
uint64_t *id_index_note(const struct id_index *index, uint64_t key);
/* Both at once; NULL: there is no entry. */
struct id_entry id_index_get_noted(const struct id_index *index, uint64_t key, uint64_t **note);

#endif
