/*
 * selection - what a person points at: two places in a text, and where vertical motion wants to go.
 */
#ifndef WEFT_EDITOR_SELECTION_H
#define WEFT_EDITOR_SELECTION_H

#include "editor/patch.h"

enum { SELECTION_NO_GOAL = -1 };

struct selection {
    uint64_t anchor;  /* bytes; where it began */
    uint64_t head;    /* bytes; the caret. Equal to anchor: nothing is selected */
    int64_t goal;     /* cells: the column that up and down aim at; SELECTION_NO_GOAL: the caret's own */
};

struct selection selection_at(uint64_t at); /* nothing selected */
bool selection_is_empty(struct selection selection);
uint64_t selection_start(struct selection selection); /* the lesser of the two */
uint64_t selection_end(struct selection selection);

/*
 * Carries a selection through a patch that somebody else made: the caret keeps left of text inserted exactly there, and a
 * selection does not grow by text inserted at its edges.
 */
struct selection selection_map(struct selection selection, const struct patch *patch);

#endif
