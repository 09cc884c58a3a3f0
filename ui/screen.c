#include "ui/screen.h"

#include "ui/panel.h"
#include "ui/status.h"

struct screen_layout screen_layout(const struct view_model *model, int rows, int cols)
{
    struct screen_layout layout = {.message_row = -1, .status_row = -1};
    int text_rows = rows;
    if (rows >= 2)
        layout.status_row = --text_rows;
    layout.message_row = rows >= SCREEN_ROWS_FULL ? --text_rows : rows - 1;
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
        status_draw_prompt(frame, layout.message_row, &model->prompt);
    else if (message && (rows > 1 || !shared_row))
        status_draw_message(frame, layout.message_row, model->message, model->message_kind);
}
