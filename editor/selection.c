#include "editor/selection.h"

struct selection selection_at(uint64_t at)
{
    return (struct selection){at, at, SELECTION_NO_GOAL};
}

bool selection_is_empty(struct selection selection)
{
    return selection.anchor == selection.head;
}

uint64_t selection_start(struct selection selection)
{
    return selection.anchor < selection.head ? selection.anchor : selection.head;
}

uint64_t selection_end(struct selection selection)
{
    return selection.anchor < selection.head ? selection.head : selection.anchor;
}

struct selection selection_map(struct selection selection, const struct patch *patch)
{
    if (selection_is_empty(selection)) {
        selection.head = selection.anchor = patch_map(patch, selection.head, GRAVITY_LEFT);
        return selection;
    }
    bool forward = selection.anchor < selection.head;
    uint64_t start = patch_map(patch, selection_start(selection), GRAVITY_RIGHT);
    uint64_t end = patch_map(patch, selection_end(selection), GRAVITY_LEFT);
    selection.anchor = forward ? start : end;
    selection.head = forward ? end : start;
    return selection;
}
