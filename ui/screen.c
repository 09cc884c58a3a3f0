#include "ui/screen.h"

#include "ui/panel.h"
#include "ui/status.h"

/* A message leaves half of the window to the text; a prompt, which must be answered, one row. */
static int bottom_rows(const struct view_model *model, int rows, int cols)
{
    int wanted = 1, most = 1;
    if (model->prompt.label) {
        wanted = status_prompt_rows(&model->prompt, cols);
        most = rows - 2;
    } else if (model->message) {
        wanted = status_message_rows(model->message, cols);
        most = rows / 2;
    }
    wanted = wanted < most ? wanted : most;
    return wanted > 1 ? wanted : 1;
}

struct screen_layout screen_layout(const struct view_model *model, int rows, int cols)
{
    struct screen_layout layout = {.message_row = rows - 1, .message_rows = 1, .status_row = -1};
    int text_rows = rows;
    if (rows >= 2)
        layout.status_row = --text_rows;
    if (rows >= SCREEN_ROWS_FULL) {
        layout.message_rows = bottom_rows(model, rows, cols > 0 ? cols : 1);
        text_rows -= layout.message_rows;
        layout.message_row = text_rows;
    }
    layout.panel_rows = panel_rows(&model->panel, text_rows);
    text_rows -= layout.panel_rows;
    layout.panel_row = text_rows;
    layout.text = (struct view_area){0, 0, text_rows, cols};
    return layout;
}

static void draw_cursor(struct frame *frame, const struct view_model *model, struct view_area area)
{
    struct view_cell cell;
    frame->cursor.shape = CURSOR_BAR;
    frame->cursor.visible = view_cell_of(&model->text, area, model->text.selection.head, &cell);
    if (!frame->cursor.visible)
        return;
    frame->cursor.row = cell.row;
    frame->cursor.col = cell.col;
}

void screen_draw(struct frame *frame, int rows, int cols, const struct view_model *model)
{
    frame_reset(frame, rows, cols);
    if (rows < 1 || cols < 1)
        return;
    struct screen_layout layout = screen_layout(model, rows, cols);
    view_draw(frame, layout.text, &model->text, model->peers, model->peer_count);
    draw_cursor(frame, model, layout.text);
    panel_draw(frame, layout.panel_row, layout.panel_rows, &model->panel);
    bool message = model->message && model->message[0];
    bool shared_row = layout.message_row == layout.status_row;
    if (layout.status_row >= 0 && !(shared_row && (message || model->prompt.label)))
        status_draw(frame, layout.status_row, &model->status, model->peers, model->peer_count);
    if (model->prompt.label)
        status_draw_prompt(frame, layout.message_row, layout.message_rows, &model->prompt);
    else if (message && (rows > 1 || !shared_row))
        status_draw_message(frame, layout.message_row, layout.message_rows, model->message, model->message_kind);
}
