#include "sync/relay/agents.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"

void agents_release(struct agents *agents)
{
    free(agents->items);
    free(agents->slots);
    *agents = (struct agents){0};
}

/* Ids are random when they are honest; one who chooses his to collide slows down his own document. */
static size_t slot_of(const struct agents *agents, const struct agent_id *id)
{
    uint64_t low, high;
    memcpy(&low, id->bytes, 8);
    memcpy(&high, id->bytes + 8, 8);
    return (size_t)((low ^ high * 0x9e3779b97f4a7c15u) & (agents->slot_count - 1));
}

static void put(struct agents *agents, const struct agent_id *id, uint32_t number)
{
    size_t slot = slot_of(agents, id);
    while (agents->slots[slot])
        slot = (slot + 1) & (agents->slot_count - 1);
    agents->slots[slot] = number;
}

static void grow(struct agents *agents)
{
    agents->slot_count = agents->slot_count ? agents->slot_count * 2 : 16;
    free(agents->slots);
    agents->slots = xcalloc(agents->slot_count, sizeof *agents->slots);
    for (size_t i = 0; i < agents->count; i++)
        put(agents, &agents->items[i].is.id, (uint32_t)i + 1);
}

struct relay_agent *agents_find(const struct agents *agents, const struct agent_id *id)
{
    if (agents->count == 0)
        return NULL;
    for (size_t slot = slot_of(agents, id); agents->slots[slot]; slot = (slot + 1) & (agents->slot_count - 1)) {
        struct relay_agent *agent = &agents->items[agents->slots[slot] - 1];
        if (agent_id_equal(&agent->is.id, id))
            return agent;
    }
    return NULL;
}

struct relay_agent *agents_at(const struct agents *agents, uint64_t number)
{
    return number > 0 && number <= agents->count ? &agents->items[number - 1] : NULL;
}

struct relay_agent *agents_add(struct agents *agents, const struct store_agent *is)
{
    ensure(is->number == agents->count + 1);
    if (2 * (agents->count + 1) > agents->slot_count)
        grow(agents);
    agents->items = xgrow(agents->items, &agents->cap, agents->count + 1, sizeof *agents->items);
    struct relay_agent *agent = &agents->items[agents->count++];
    *agent = (struct relay_agent){.is = *is};
    put(agents, &is->id, (uint32_t)is->number);
    return agent;
}
