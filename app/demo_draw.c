#include "app/demo_draw.h"

#include <stdio.h>
#include <string.h>

#include "ui/status.h"
#include "ui/view.h"

enum {
    TALL_ROWS = 20,    /* from here up messages wrap and more of the relay's records are shown */
    PANE_ROWS_MIN = 2, /* a line of text and the status */
};

static const struct style dim = {.fg = INK_DIM}, plain = {.fg = INK_DEFAULT},
                          title = {.fg = INK_TITLE, .attrs = ATTR_BOLD},
                          warning = {.fg = INK_WARNING, .attrs = ATTR_BOLD};

/* Of what they write, and of where they are in the other's text. */
static const unsigned actor_colours[ACTORS] = {[YOU] = 1, [LIN] = 0};

struct box {
    int row, col, rows, cols;
};

/* From the top: the cable, the panes, these. */
struct layout {
    int pane_rows, said_rows, seen_rows;
};

static struct layout layout_of(int rows)
{
    enum { LINES = 4 /* cable, proof, caption, keys */ };
    struct layout layout = {.said_rows = rows < TALL_ROWS ? 1 : 2, .seen_rows = rows < TALL_ROWS ? 1 : 2};
    layout.pane_rows = rows - LINES - layout.said_rows - layout.seen_rows;
    if (layout.pane_rows < PANE_ROWS_MIN)
        layout.pane_rows = PANE_ROWS_MIN;
    return layout;
}

/* --- a pane, drawn as a frame of its own and laid into the picture --- */

static void lay_in(struct frame *frame, const struct frame *part, struct box box)
{
    for (int r = 0; r < part->rows && box.row + r < frame->rows; r++)
        for (int c = 0; c < part->cols && box.col + c < frame->cols; c++)
            frame->cells[(box.row + r) * frame->cols + box.col + c] = part->cells[r * part->cols + c];
    if (part->cursor.visible && box.row + part->cursor.row < frame->rows && box.col + part->cursor.col < frame->cols) {
        frame->cursor = part->cursor;
        frame->cursor.row += box.row;
        frame->cursor.col += box.col;
    }
}

/* There are two people: whoever else is in a pane's room is the other one. */
static size_t fill_peers(const struct pane_state *state, unsigned colour, struct view_peer peers[DEMO_PEOPLE_MAX])
{
    for (size_t i = 0; i < state->people_count; i++) {
        const struct pane_person *person = &state->people[i];
        peers[i] = (struct view_peer){.name = person->name, .colour = colour, .anchor = person->anchor, .head = person->head,
                                      .has_cursor = person->has_cursor, .quiet = person->quiet,
                                      .flag = true, .can_edit = true};
    }
    return state->people_count;
}

static struct view_status status_of(const struct pane_state *state, const struct rope *text)
{
    uint64_t len = rope_len(text), head = state->selection.head < len ? state->selection.head : len;
    uint64_t line = rope_line_at(text, head), start = rope_line_start(text, line);
    enum view_link link = !state->online ? VIEW_LINK_OFFLINE
                          : state->unsent_s ? VIEW_LINK_UNSENT
                                            : VIEW_LINK_SENT;
    return (struct view_status){.file = "plan.md", .in_file = state->in_file, .kept = state->kept, .sharing = VIEW_SHARED,
                                .link = link, .unsent = state->unsent, .unsent_s = state->unsent_s,
                                .offline_kept = state->unsent, .line = line + 1,
                                .column = rope_codepoints_before(text, head) - rope_codepoints_before(text, start) + 1};
}

/* What the merge brought, in its author's colour. */
static void paint_marks(struct frame *part, const struct pane_state *state, unsigned colour,
                        const struct view_text *text, struct view_area area)
{
    uint64_t len = rope_len(text->rope);
    for (size_t i = 0; i < state->mark_count; i++) {
        const struct pane_mark *mark = &state->marks[i];
        for (uint64_t at = mark->from; at < mark->to && at < len; at = rope_cluster_next(text->rope, at)) {
            struct view_cell cell;
            if (!view_cell_of(text, area, at, &cell))
                continue;
            struct place place = {cell.row, cell.col, cell.col + 1};
            frame_paint_fg(part, place, INK_PEER_TEXT, 0);
            frame_paint_bg(part, place, (enum ink)(INK_PEER + colour), 0);
        }
    }
}

static void draw_alive(struct frame *part, const struct pane_state *state, enum actor actor)
{
    struct view_peer peers[DEMO_PEOPLE_MAX];
    unsigned colour = actor_colours[actor == YOU ? LIN : YOU];
    size_t count = fill_peers(state, colour, peers);
    struct rope *rope = rope_from_bytes(buf_view(&state->text));
    struct view_text text = {.rope = rope, .selection = state->selection, .tab_width = 8};
    struct view_area area = {0, 0, part->rows - 1, part->cols};
    struct view_cell caret;
    view_scroll_to(&text, area, &text.scroll);
    view_draw(part, area, &text, peers, count);
    paint_marks(part, state, colour, &text, area);
    struct view_status status = status_of(state, rope);
    status_draw(part, part->rows - 1, &status, peers, count);
    part->cursor.visible = actor == YOU && view_cell_of(&text, area, state->selection.head, &caret);
    if (part->cursor.visible) {
        part->cursor.row = caret.row;
        part->cursor.col = caret.col;
    }
    rope_free(rope);
}

static void draw_pane(struct frame *frame, struct box box, const struct demo_picture *picture, enum actor actor)
{
    struct frame part = {0};
    struct place middle = {box.rows / 2, box.cols / 2 - 4, box.cols};
    frame_reset(&part, box.rows, box.cols);
    switch (picture->shown[actor]) {
    case PANE_SHOWN: draw_alive(&part, picture->panes[actor], actor); break;
    case PANE_COMING: break;
    case PANE_DARK: frame_string(&part, middle, "kill -9", warning); break;
    }
    lay_in(frame, &part, box);
    frame_release(&part);
}

/* --- the lines around them --- */

/* The longest part that fits and ends at a space. */
static size_t words_that_fit(struct bytes text, int cols)
{
    if (text_cells(text) <= cols)
        return text.len;
    for (size_t len = text.len; len > 0; len--)
        if (text.data[len - 1] == ' ' && text_cells(bytes_of(text.data, len - 1)) <= cols)
            return len;
    return text.len;
}

static void draw_said(struct frame *frame, struct box box, const struct pane_state *state)
{
    struct bytes left = buf_view(&state->message);
    for (int row = 0; row < box.rows && left.len > 0; row++) {
        size_t len = row + 1 < box.rows ? words_that_fit(left, box.cols) : left.len;
        frame_text(frame, (struct place){box.row + row, box.col, box.col + box.cols}, bytes_of(left.data, len), plain);
        left = bytes_of(left.data + len, left.len - len);
    }
}

/* The cable between the two: who it connects, or that it does not. */
static void draw_cable(struct frame *frame, const struct demo_picture *picture)
{
    enum { NAME_COLS = 4 };
    int cols = frame->cols;
    bool narrow = cols < DEMO_WIDE_COLS;
    struct style style = picture->cut ? warning : dim;
    const char *centre = picture->cut ? " cut " : " relay ";
    for (int col = NAME_COLS; col < cols - NAME_COLS; col++)
        frame_string(frame, (struct place){0, col, cols}, "=", style);
    for (int i = 0; i < ACTORS; i++) {
        bool in_view = !narrow || picture->narrow_shows == (enum actor)i;
        struct place place = {0, i == YOU ? 0 : cols - NAME_COLS + 1, cols};
        struct style name = {.fg = (enum ink)(INK_PEER + actor_colours[i]), .attrs = ATTR_BOLD};
        frame_string(frame, place, i == YOU ? "YOU" : "LIN", in_view ? name : dim);
    }
    frame_string(frame, (struct place){0, (cols - (int)strlen(centre)) / 2, cols}, centre, style);
}

/* Whole records only, newest first, as many as there is room for. */
static void draw_seen(struct frame *frame, struct box box, const struct demo_picture *picture)
{
    char text[48];
    int row = 0, col = frame_string(frame, (struct place){box.row, 0, box.cols}, "The relay sees: ", dim), left = col;
    for (size_t i = 0; i < picture->seen_count; i++) {
        const struct store_seen *seen = &picture->seen[i];
        int len = snprintf(text, sizeof text, "%llu bytes %02x%02x...", (unsigned long long)seen->bytes, seen->tail[0],
                           seen->tail[1]);
        if (col + len > box.cols) {
            row++;
            col = left;
        }
        if (row >= box.rows)
            return;
        col = frame_string(frame, (struct place){box.row + row, col, box.cols}, text, dim) + 2;
    }
}

static void draw_proof(struct frame *frame, int row, const struct demo_picture *picture)
{
    char also[32];
    int col = frame_string(frame, (struct place){row, 0, frame->cols}, picture->proof, title);
    int len = snprintf(also, sizeof also, "  plan.md: %d", picture->in_file);
    if (picture->in_file > 0 && col + len <= frame->cols)
        frame_string(frame, (struct place){row, col, frame->cols}, also, dim);
}

static const char *keys_line(const struct demo_picture *picture, bool narrow)
{
    if (picture->hint)
        return picture->hint;
    if (picture->plays)
        return narrow ? "It plays itself.  Tab other pane  ^Q leaves" : "It plays itself.  ^Q leaves";
    return narrow ? "F5 cable F6 kill -9 F7 compare (Alt+5 6 7) Tab Lin ^Q leave"
                  : "F5 cable   F6 kill -9   F7 compare   (or Alt+5 6 7)   ^Q leaves";
}

static void draw_panes(struct frame *frame, const struct layout *layout, const struct demo_picture *picture)
{
    int cols = frame->cols, width = cols < DEMO_WIDE_COLS ? cols : (cols - 1) / 2;
    for (int i = 0; i < ACTORS; i++) {
        if (cols < DEMO_WIDE_COLS && picture->narrow_shows != (enum actor)i)
            continue;
        int col = cols < DEMO_WIDE_COLS || i == YOU ? 0 : cols - width;
        draw_pane(frame, (struct box){1, col, layout->pane_rows, width}, picture, (enum actor)i);
        draw_said(frame, (struct box){1 + layout->pane_rows, col, layout->said_rows, width}, picture->panes[i]);
    }
    for (int row = 1; cols >= DEMO_WIDE_COLS && row < layout->pane_rows; row++)
        frame_string(frame, (struct place){row, width, cols - width}, "|", dim);
}

void demo_draw(struct frame *frame, int rows, int cols, const struct demo_picture *picture)
{
    struct layout layout = layout_of(rows);
    frame_reset(frame, rows, cols);
    frame->cursor.visible = false;
    draw_panes(frame, &layout, picture);
    draw_cable(frame, picture);
    int row = 1 + layout.pane_rows + layout.said_rows;
    draw_seen(frame, (struct box){row, 0, layout.seen_rows, cols}, picture);
    row += layout.seen_rows;
    draw_proof(frame, row, picture);
    frame_string(frame, (struct place){row + 1, 0, cols}, picture->caption, title);
    frame_string(frame, (struct place){row + 2, 0, cols}, keys_line(picture, cols < DEMO_WIDE_COLS),
                 picture->hint ? warning : dim);
}
