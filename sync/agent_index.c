#include "sync/agent_index.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/ensure.h"
#include "editor/base/xalloc.h"

struct agent_entry {
    struct agent_id id;
    uint32_t number;
};

struct agent_block {
    size_t count;
    struct agent_entry entries[AGENT_BLOCK_MAX];
};

void agent_index_release(struct agent_index *index)
{
    free(index->blocks);
    free(index->order);
    *index = (struct agent_index){0};
}

static struct agent_block *block_at(const struct agent_index *index, size_t at)
{
    return &index->blocks[index->order[at]];
}

/* The last block that begins at or before the id; the first one does. */
static size_t block_for(const struct agent_index *index, const struct agent_id *id)
{
    size_t low = 0, high = index->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (agent_id_compare(&block_at(index, middle)->entries[0].id, id) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* How many of a block's entries come before the id. */
static size_t place_in(const struct agent_block *block, const struct agent_id *id)
{
    size_t low = 0, high = block->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (agent_id_compare(&block->entries[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool agent_index_find(const struct agent_index *index, const struct agent_id *id, size_t *number)
{
    if (index->count == 0)
        return false;
    const struct agent_block *block = block_at(index, block_for(index, id));
    size_t at = place_in(block, id);
    if (at == block->count || !agent_id_equal(&block->entries[at].id, id))
        return false;
    *number = block->entries[at].number;
    return true;
}

static void add_block(struct agent_index *index, size_t at)
{
    index->blocks = xgrow(index->blocks, &index->block_cap, index->count + 1, sizeof *index->blocks);
    index->order = xgrow(index->order, &index->order_cap, index->count + 1, sizeof *index->order);
    memmove(index->order + at + 1, index->order + at, (index->count - at) * sizeof *index->order);
    index->order[at] = (uint32_t)index->count;
    index->blocks[index->count++].count = 0;
}

static void cut_block(struct agent_index *index, size_t at)
{
    add_block(index, at + 1);
    struct agent_block *block = block_at(index, at), *after = block_at(index, at + 1);
    after->count = block->count / 2;
    block->count -= after->count;
    memcpy(after->entries, block->entries + block->count, after->count * sizeof *after->entries);
}

void agent_index_add(struct agent_index *index, const struct agent_id *id, size_t number)
{
    ensure(number < UINT32_MAX);
    if (index->count == 0)
        add_block(index, 0);
    size_t at = block_for(index, id);
    if (block_at(index, at)->count == AGENT_BLOCK_MAX) {
        cut_block(index, at);
        at = block_for(index, id);
    }
    struct agent_block *block = block_at(index, at);
    size_t place = place_in(block, id);
    memmove(block->entries + place + 1, block->entries + place, (block->count - place) * sizeof *block->entries);
    block->entries[place] = (struct agent_entry){*id, (uint32_t)number};
    block->count++;
}

void agent_index_check(const struct agent_index *index, size_t agents)
{
    const struct agent_id *before = NULL;
    for (size_t i = 0; i < index->count; i++) {
        const struct agent_block *block = block_at(index, i);
        ensure(block->count > 0 && block->count <= AGENT_BLOCK_MAX && block->count <= agents);
        agents -= block->count;
        for (size_t at = 0; at < block->count; at++) {
            ensure(!before || agent_id_compare(before, &block->entries[at].id) < 0);
            before = &block->entries[at].id;
        }
    }
    ensure(agents == 0);
}
