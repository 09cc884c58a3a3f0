/*
 * view - a text in its window: which bytes are seen in which cells.
 *
 * Lines are not wrapped; a long one is scrolled sideways together with all others. The rule for widths is column.h's:
 * tabs go to the next tab stop, control characters show as text, CR in front of LF is part of the line's end. Beyond
 * COLUMN_SCAN_BYTES_MAX bytes of a line a byte counts as one column for scrolling, so a frame looks at a bounded piece
 * of a line however long it is.
 *
 * Other people: their cursor is a cell in their colour (at a line's end with their letter), their selection a tint,
 * their name a flag where it covers no text, an arrow with their letter at the edge when they are elsewhere.
 *
 *   Units      areas are cells of the frame, line numbers included; places are bytes of the text.
 *   Errors     none. Places beyond the text's end count as its end.
 *   Bounds     a draw costs rows x (columns + COLUMN_SCAN_BYTES_MAX when scrolled sideways) + peers + visible spans.
 */
#ifndef WEFT_UI_VIEW_H
#define WEFT_UI_VIEW_H

#include "editor/view_model.h"
#include "ui/frame.h"

struct view_area {
    int row, col, rows, cols;
};

struct view_cell {
    int row, col; /* of the frame */
};

void view_draw(struct frame *frame, struct view_area area, const struct view_text *text, const struct view_peer *peers,
               size_t peer_count);

/* The smallest change of *scroll that shows the head of the selection with some text around it. */
void view_scroll_to(const struct view_text *text, struct view_area area, struct view_scroll *scroll);
/* Keeps *scroll inside the text; for wheels and page keys. */
void view_scroll_clamp(const struct view_text *text, struct view_scroll *scroll);

/* Where a place is drawn; false when it is scrolled out. */
bool view_cell_of(const struct view_text *text, struct view_area area, uint64_t at, struct view_cell *cell);
/* The place a cell shows: for clicks. Cells behind a line's end give its end, cells below the text the text's end. */
uint64_t view_byte_at(const struct view_text *text, struct view_area area, struct view_cell cell);

#endif
