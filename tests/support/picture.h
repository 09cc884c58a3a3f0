/*
 * picture - a terminal's screen as an SVG image: every cell's text, colours and the cursor, as vt sees them.
 *
 *   Units      one cell is PICTURE_CELL_WIDTH x PICTURE_CELL_HEIGHT user units.
 *   Errors     false when the file does not take it all (errno says why).
 */
#ifndef WEFT_TESTS_PICTURE_H
#define WEFT_TESTS_PICTURE_H

#include <stdbool.h>
#include <stdio.h>

struct vt;

enum { PICTURE_CELL_WIDTH = 9, PICTURE_CELL_HEIGHT = 19 };

/* `title` is what somebody hears who does not see the image; no markup in it. */
bool picture_write(struct vt *vt, const char *title, FILE *out);

#endif
