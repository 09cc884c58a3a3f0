/*
 * screen - a whole frame from what the program knows.
 *
 *     text (view.h), as high as possible
 *     panel, when there is one: at most two thirds of the text's rows, below it
 *     message or prompt: one row, always there from SCREEN_ROWS_FULL rows up, so that the text never jumps; more rows for
 *       one that is longer than the window is wide
 *     status: the last row
 *
 * Windows lower than SCREEN_ROWS_FULL show message and prompt in the status line's place; one row is all text.
 */
#ifndef WEFT_UI_SCREEN_H
#define WEFT_UI_SCREEN_H

#include "editor/view_model.h"
#include "ui/frame.h"
#include "ui/view.h"

enum { SCREEN_ROWS_FULL = 4 };

struct screen_layout {
    struct view_area text;
    int panel_row, panel_rows;
    int message_row, message_rows; /* of message and prompt */
    int status_row;  /* -1: none */
};

/* Where things are; `text` is what view_scroll_to() and view_byte_at() need. */
struct screen_layout screen_layout(const struct view_model *model, int rows, int cols);
/* Resets the frame to rows x cols and draws everything. */
void screen_draw(struct frame *frame, int rows, int cols, const struct view_model *model);

#endif
