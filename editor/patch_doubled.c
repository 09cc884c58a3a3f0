#include "editor/patch_doubled.h"

#include <string.h>

/* A part of a patch, and where in the old text it stands. */
struct place {
    const struct patch *patch;
    size_t index;
    uint64_t at;
};

static const struct part *part_at(const struct place *place)
{
    return place->index < place->patch->count ? &place->patch->parts[place->index] : NULL;
}

/* To what is inserted in front of the byte at `at` of the old text; NULL: nothing is. `at` does not go back. */
static const struct part *insert_at(struct place *place, uint64_t at)
{
    const struct part *part;
    while ((part = part_at(place)) && (part->kind == PART_INSERT ? place->at < at : place->at + part->len <= at)) {
        place->at += part->kind == PART_INSERT ? 0 : part->len;
        place->index++;
    }
    return part && part->kind == PART_INSERT && place->at == at ? part : NULL;
}

static bool is_line_end(struct bytes text, size_t at)
{
    return text.data[at] == '\n';
}

/* Whether the stretch of `all` that equals `some` begins and ends at the edges of lines. */
static bool stands_alone(struct bytes all, size_t at, struct bytes some)
{
    size_t end = at + some.len;
    bool begins = at == 0 || is_line_end(all, at - 1) || is_line_end(some, 0);
    bool ends = end == all.len || is_line_end(all, end) || is_line_end(some, some.len - 1);
    return begins && ends;
}

static bool has_whole_lines(struct bytes text)
{
    size_t ends = 0;
    for (size_t i = 0; i < text.len; i++)
        ends += is_line_end(text, i);
    return ends > 0 && ends < text.len;
}

static bool is_known(struct bytes text, struct bytes mine)
{
    if (bytes_equal(text, mine))
        return true;
    if (!has_whole_lines(text) || text.len > mine.len)
        return false;
    const unsigned char *from = mine.data, *found;
    while ((found = memmem(from, mine.len - (size_t)(from - mine.data), text.data, text.len))) {
        if (stands_alone(mine, (size_t)(found - mine.data), text))
            return true;
        from = found + 1;
    }
    return false;
}

/* The inserts of `patch`, one behind the other: retained where they are new, deleted where `mine` has them. */
static void judge_inserts(struct patch *out, const struct patch *patch, const struct patch *mine)
{
    struct place theirs = {.patch = mine};
    uint64_t at = 0;
    for (size_t i = 0; i < patch->count; i++) {
        const struct part *part = &patch->parts[i];
        if (part->kind != PART_INSERT) {
            at += part->len;
            continue;
        }
        const struct part *same = insert_at(&theirs, at);
        if (same && is_known(patch_part_text(patch, part), patch_part_text(mine, same)))
            patch_delete(out, part->len);
        else
            patch_retain(out, part->len);
    }
}

/* What stands at a place of the inserts, and how far it goes, `max` at most. */
static uint64_t judged_run(const struct patch *judged, size_t *index, uint64_t *used, uint64_t max, bool *known)
{
    *known = false;
    if (*index == judged->count)
        return max; /* a patch that ends early retains the rest */
    const struct part *part = &judged->parts[*index];
    uint64_t len = part->len - *used < max ? part->len - *used : max;
    *known = part->kind == PART_DELETE;
    *used += len;
    if (*used == part->len) {
        *used = 0;
        (*index)++;
    }
    return len;
}

void patch_doubled(struct patch *out, const struct patch *patch, const struct patch *mine, const struct patch *merged)
{
    struct patch judged = {0};
    size_t index = 0;
    uint64_t used = 0;
    ensure(out != patch && out != mine && out != merged && patch_inserted(patch) == patch_inserted(merged));
    patch_clear(out);
    judge_inserts(&judged, patch, mine);
    for (size_t i = 0; i < merged->count; i++) {
        const struct part *part = &merged->parts[i];
        if (part->kind == PART_RETAIN)
            patch_retain(out, part->len);
        for (uint64_t left = part->kind == PART_INSERT ? part->len : 0, len; left > 0; left -= len) {
            bool known;
            len = judged_run(&judged, &index, &used, left, &known);
            if (known)
                patch_delete(out, len);
            else
                patch_retain(out, len);
        }
    }
    patch_release(&judged);
}
