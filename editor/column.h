/*
 * column - where on its line a place is shown: bytes to terminal cells and back, without wrapping.
 *
 * The one rule for how wide things are, used by vertical motions here and by what draws: a tab fills to the next multiple of
 * the tab width; what must not reach a terminal as it is counts as its visible form (`^[`, `<U+202E>`, `<9B>`); a lone
 * combining mark gets one cell; everything else is cluster_width().
 *
 *   Units   cells from the line's start, 0-based. Bytes are places in the text.
 *   Bounds  linear in the distance from the line's start, at most COLUMN_SCAN_BYTES_MAX bytes: beyond that a byte counts
 *           as one cell, so that a line of a gigabyte costs no more than a long one.
 */
#ifndef WEFT_EDITOR_COLUMN_H
#define WEFT_EDITOR_COLUMN_H

#include "editor/rope.h"

enum { COLUMN_SCAN_BYTES_MAX = 1 << 16 };

/* The cell in which the cluster at `at` begins; `line_start` is where its line does. */
uint64_t column_of(const struct rope *text, uint64_t line_start, uint64_t at, int tab_width);
/* The place on the line whose cell range holds `column`, or the line's end when it is shorter. */
uint64_t column_find(const struct rope *text, uint64_t line_start, uint64_t line_end, uint64_t column, int tab_width);

#endif
