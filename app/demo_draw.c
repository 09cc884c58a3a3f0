#include "app/demo_draw.h"

#include <stdio.h>
#include <string.h>

#include "ui/status.h"
#include "ui/view.h"

static const struct style dim = {.fg = INK_DIM}, title = {.fg = INK_TITLE, .attrs = ATTR_BOLD},
                                 warning = {.fg = INK_WARNING, .attrs = ATTR_BOLD};

/* --- a pane, drawn as a frame of its own and laid into the picture --- */

static void lay_in(struct frame *frame, const struct frame *part, int row, int col)
{
    for (int r = 0; r < part->rows && row + r < frame->rows; r++)
        for (int c = 0; c < part->cols && col + c < frame->cols; c++)
            frame->cells[(row + r) * frame->cols + col + c] = part->cells[r * part->cols + c];
}

static size_t fill_peers(const struct pane_state *state, struct view_peer peers[DEMO_PEOPLE_MAX])
{
    for (size_t i = 0; i < state->people_count; i++) {
        const struct pane_person *person = &state->people[i];
        peers[i] = (struct view_peer){.name = person->name, .colour = person->colour, .anchor = person->anchor,
                                      .head = person->head, .has_cursor = person->has_cursor, .quiet = person->quiet,
                                      .flag = true, .can_edit = true};
    }
    return state->people_count;
}

static struct view_status status_of(const struct pane_state *state, const struct rope *text)
{
    uint64_t line = rope_line_at(text, state->selection.head);
    enum view_link link = !state->online ? VIEW_LINK_OFFLINE
                          : state->unsent_s ? VIEW_LINK_UNSENT
                                            : VIEW_LINK_SENT;
    return (struct view_status){.file = "plan.md", .in_file = state->in_file, .kept = state->kept, .sharing = VIEW_SHARED,
                                .link = link, .unsent = state->unsent, .unsent_s = state->unsent_s,
                                .offline_kept = state->unsent, .line = line + 1,
                                .column = state->selection.head - rope_line_start(text, line) + 1};
}

static void draw_alive(struct frame *part, const struct pane_state *state, bool has_caret)
{
    struct view_peer peers[DEMO_PEOPLE_MAX];
    size_t count = fill_peers(state, peers);
    struct rope *rope = rope_from_bytes(buf_view(&state->text));
    struct view_text text = {.rope = rope, .selection = state->selection, .tab_width = 8};
    struct view_area area = {0, 0, part->rows - 1, part->cols};
    view_scroll_to(&text, area, &text.scroll);
    view_draw(part, area, &text, peers, count);
    struct view_status status = status_of(state, rope);
    status_draw(part, part->rows - 1, &status, peers, count);
    struct view_cell caret;
    part->cursor.visible = has_caret && view_cell_of(&text, area, state->selection.head, &caret);
    if (part->cursor.visible) {
        part->cursor.row = caret.row;
        part->cursor.col = caret.col;
    }
    rope_free(rope);
}

struct box {
    int row, col, rows, cols;
};

static void draw_pane(struct frame *frame, struct box box, const struct demo_picture *picture, enum actor actor)
{
    struct frame part = {0};
    frame_reset(&part, box.rows, box.cols);
    if (picture->dark[actor])
        frame_string(&part, (struct place){box.rows / 2, box.cols / 2 - 4, box.cols}, "kill -9", warning);
    else
        draw_alive(&part, picture->panes[actor], actor == YOU);
    lay_in(frame, &part, box.row, box.col);
    if (actor == YOU && part.cursor.visible) {
        frame->cursor = part.cursor;
        frame->cursor.row += box.row;
        frame->cursor.col += box.col;
    }
    frame_release(&part);
}

/* --- the lines around them --- */

/* YOU =========== relay =========== LIN */
static void draw_cable(struct frame *frame, const struct demo_picture *picture)
{
    int cols = frame->cols, middle = cols / 2;
    struct style style = picture->cut ? warning : dim;
    const char *centre = picture->cut ? " cut " : " relay ";
    for (int col = 4; col < cols - 4; col++)
        frame_string(frame, (struct place){0, col, cols}, "=", style);
    frame_string(frame, (struct place){0, 0, cols}, "YOU ", title);
    frame_string(frame, (struct place){0, cols - 4, cols}, " LIN", title);
    frame_string(frame, (struct place){0, middle - (int)strlen(centre) / 2, cols}, centre, style);
}

static void draw_seen(struct frame *frame, int row, const struct demo_picture *picture)
{
    char text[32];
    int col = frame_string(frame, (struct place){row, 0, frame->cols}, "The relay sees: ", dim);
    for (size_t i = 0; i < picture->seen_count; i++) {
        const struct store_seen *seen = &picture->seen[i];
        snprintf(text, sizeof text, "%llu bytes %02x%02x...  ", (unsigned long long)seen->bytes, seen->tail[0], seen->tail[1]);
        col = frame_string(frame, (struct place){row, col, frame->cols}, text, dim);
    }
}

static void draw_last_said(struct frame *frame, struct box box, const struct pane_state *state)
{
    frame_text(frame, (struct place){box.row + box.rows, box.col, box.col + box.cols}, buf_view(&state->message), dim);
}

void demo_draw(struct frame *frame, int rows, int cols, const struct demo_picture *picture)
{
    enum { AROUND = 6 /* cable, messages, relay, proof, caption, keys */ };
    frame_reset(frame, rows, cols);
    int height = rows > AROUND + 2 ? rows - AROUND : 2;
    draw_cable(frame, picture);
    if (cols < DEMO_WIDE_COLS) {
        struct box box = {1, 0, height, cols};
        draw_pane(frame, box, picture, picture->narrow_shows);
        draw_last_said(frame, box, picture->panes[picture->narrow_shows]);
    } else {
        int width = (cols - 1) / 2;
        for (int i = 0; i < ACTORS; i++) {
            struct box box = {1, i * (cols - width), height, width};
            draw_pane(frame, box, picture, (enum actor)i);
            draw_last_said(frame, box, picture->panes[i]);
        }
    }
    draw_seen(frame, height + 2, picture);
    frame_string(frame, (struct place){height + 3, 0, cols}, picture->proof, title);
    frame_string(frame, (struct place){height + 4, 0, cols}, picture->caption, title);
    frame_string(frame, (struct place){height + 5, 0, cols},
                 picture->hint ? picture->hint : "F5 cable  F6 kill -9  F7 compare (Alt+5 6 7)  Tab other pane  ^Q leaves",
                 picture->hint ? warning : dim);
}
