#include "sync/roster.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/xalloc.h"

void roster_release(struct roster *roster)
{
    for (size_t i = 0; i < roster->count; i++) {
        buf_release(&roster->items[i]->stored);
        free(roster->items[i]);
    }
    free(roster->items);
    *roster = (struct roster){0};
}

/* The index of the first entry that is not in front of `agent`. */
static size_t lower_bound(const struct roster *roster, const struct agent_id *agent)
{
    size_t at;
    BISECT(at, roster->count, agent_id_compare(&roster->items[at]->member.agent, agent) < 0);
    return at;
}

const struct roster_entry *roster_find(const struct roster *roster, const struct agent_id *agent)
{
    size_t i = lower_bound(roster, agent);
    if (i == roster->count || !agent_id_equal(&roster->items[i]->member.agent, agent))
        return NULL;
    return roster->items[i];
}

bool roster_is_full(const struct roster *roster)
{
    return roster->count == ROSTER_MAX;
}

bool roster_add(struct roster *roster, const struct member *member, struct bytes stored)
{
    if (roster_is_full(roster) || roster_find(roster, &member->agent))
        return false;
    struct roster_entry *entry = xcalloc(1, sizeof *entry);
    entry->member = *member;
    buf_add_bytes(&entry->stored, stored);
    size_t at = lower_bound(roster, &member->agent);
    roster->items = xgrow(roster->items, &roster->cap, roster->count + 1, sizeof(struct roster_entry *));
    memmove(roster->items + at + 1, roster->items + at, (roster->count - at) * sizeof(struct roster_entry *));
    roster->items[at] = entry;
    roster->count++;
    return true;
}
