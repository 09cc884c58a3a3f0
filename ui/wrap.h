/*
 * wrap - text longer than the window is wide, a line at a time.
 *
 *     struct bytes rest = bytes_of_string(message);
 *     while (rest.len > 0)
 *         draw(wrap_line(&rest, cols));
 *
 *   Units   cells as frame_text() takes them.
 *   Bounds  every call takes at least one sign, so the loop ends.
 */
#ifndef WEFT_UI_WRAP_H
#define WEFT_UI_WRAP_H

#include "editor/base/bytes.h"

/*
 * Takes the next line off `rest`: as much as fits into `cols` (at least 1) cells, up to a blank where there is one. The
 * blanks at the break belong to no line.
 */
struct bytes wrap_line(struct bytes *rest, int cols);
/* How many lines that makes; 0 for an empty text. */
int wrap_rows(struct bytes text, int cols);

#endif
