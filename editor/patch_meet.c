#include "editor/patch_meet.h"

/* From and to in the text between the two; a place where something was deleted, or will be inserted, is empty. */
struct stretch {
    uint64_t from, to;
};

/* The next changed stretch from part *i on, *at being where that part begins. `kind` is the one that has a length there. */
static bool next_stretch(const struct patch *patch, size_t *i, uint64_t *at, enum part_kind kind, struct stretch *out)
{
    while (*i < patch->count && patch->parts[*i].kind == PART_RETAIN)
        *at += patch->parts[(*i)++].len;
    if (*i == patch->count)
        return false;
    out->from = *at;
    for (; *i < patch->count && patch->parts[*i].kind != PART_RETAIN; (*i)++)
        if (patch->parts[*i].kind == kind)
            *at += patch->parts[*i].len;
    out->to = *at;
    return true;
}

size_t patch_meet(const struct patch *mine, const struct patch *theirs)
{
    size_t count = 0, i = 0, j = 0;
    uint64_t mine_at = 0, theirs_at = 0;
    struct stretch a, b;
    bool more = next_stretch(theirs, &j, &theirs_at, PART_DELETE, &b);
    while (more && next_stretch(mine, &i, &mine_at, PART_INSERT, &a)) {
        while (more && b.to < a.from)
            more = next_stretch(theirs, &j, &theirs_at, PART_DELETE, &b);
        count += more && b.from <= a.to;
    }
    return count;
}
