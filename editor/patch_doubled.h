/*
 * patch_doubled - the same text inserted by two changes that did not know of each other.
 *
 *   Units   bytes.
 */
#ifndef WEFT_EDITOR_PATCH_DOUBLED_H
#define WEFT_EDITOR_PATCH_DOUBLED_H

#include "editor/patch.h"

/*
 * `patch` and `mine` apply to the same text, `merged` is what `patch` does after `mine`: it inserts the same bytes in the same
 * order. `out`, none of the three, then deletes from the text that `merged` gives what `patch` inserted and `mine` had there
 * already. That is a whole insert that both have at one place, or lines of it: text with a line's end in it that stands in
 * mine's insert from one line's edge to another. Less is no sign of a common origin: a word inside other words stays.
 */
void patch_doubled(struct patch *out, const struct patch *patch, const struct patch *mine, const struct patch *merged);

#endif
