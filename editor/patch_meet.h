/*
 * patch_meet - where two people's changes meet.
 *
 *   Units   bytes; a place is a stretch of the text between the two changes.
 */
#ifndef WEFT_EDITOR_PATCH_MEET_H
#define WEFT_EDITOR_PATCH_MEET_H

#include "editor/patch.h"

/*
 * How many of the places that `mine` changed are touched by `theirs`, which begins from the text that `mine` ended in: what was
 * inserted there, or stands on both sides of what was deleted, was changed again or added to at its very edge.
 */
size_t patch_meet(const struct patch *mine, const struct patch *theirs);

#endif
