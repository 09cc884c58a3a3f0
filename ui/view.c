#include "ui/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/bisect.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"
#include "editor/column.h"

enum {
    GUTTER_TEXT_MIN = 20,  /* narrower areas have no line numbers */
    MARGIN_ROWS = 2,       /* seen above and below the cursor */
    MARGIN_COLS = 4,       /* seen beside it */
    FLAG_CELLS_MAX = 24,
    ARROW_PEERS_MAX = 6,
};

#define ARROW_UP "\xe2\x86\x91"
#define ARROW_DOWN "\xe2\x86\x93"
#define ARROW_LEFT "\xe2\x86\x90"
#define ARROW_RIGHT "\xe2\x86\x92"

/* ---- walking along a line ---- */

enum { WINDOW_BYTES = 1024 };

/* Steps through a line sign by sign, reading the rope a window at a time. */
struct walk {
    const struct rope *rope;
    int tab_width;
    uint64_t text_len;
    uint64_t at;     /* where it stands */
    uint64_t column; /* cells from the line's start */
    uint64_t window_at;
    size_t window_len;
    unsigned char window[WINDOW_BYTES];
};

enum step_kind { STEP_ASCII, STEP_TAB, STEP_SIGN, STEP_LINE_END };

struct step {
    enum step_kind kind;
    struct bytes bytes; /* STEP_ASCII: a run of one-cell characters */
    int cells;
    struct sign sign;   /* STEP_SIGN */
};

static void walk_init(struct walk *walk, const struct view_text *text, uint64_t at)
{
    walk->rope = text->rope;
    walk->tab_width = text->tab_width > 0 ? text->tab_width : 8;
    walk->text_len = rope_len(text->rope);
    walk->at = at;
    walk->column = 0;
    walk->window_at = at;
    walk->window_len = 0;
}

/* To the start of another line; what the window holds of it is not read again. */
static void walk_go(struct walk *walk, uint64_t line_start)
{
    walk->at = line_start;
    walk->column = 0;
}

/* What stands here: a whole cluster at least, unless the text ends. */
static struct bytes walk_peek(struct walk *walk)
{
    uint64_t window_end = walk->window_at + walk->window_len;
    bool inside = walk->at >= walk->window_at && walk->at <= window_end;
    if (!inside || window_end - walk->at < CLUSTER_BYTES_MAX) {
        uint64_t left = walk->text_len - walk->at;
        if (!inside || window_end - walk->at < left) {
            walk->window_at = walk->at;
            walk->window_len = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
            rope_read(walk->rope, walk->at, walk->window_len, walk->window);
        }
    }
    size_t from = (size_t)(walk->at - walk->window_at);
    return bytes_of(walk->window + from, walk->window_len - from);
}

static size_t plain_run(struct bytes bytes, size_t max)
{
    size_t len = 0;
    size_t end = bytes.len < max ? bytes.len : max;
    while (len < end && bytes.data[len] >= 0x20 && bytes.data[len] < 0x7f)
        len++;
    /* The last one may carry marks of what follows, also of what the window does not show yet. */
    bool sure = len < bytes.len ? bytes.data[len] < 0x80 : bytes.len < CLUSTER_BYTES_MAX;
    return sure || len == 0 ? len : len - 1;
}

static bool is_line_end(struct bytes bytes)
{
    return bytes.len == 0 || bytes.data[0] == '\n' || (bytes.len > 1 && bytes.data[0] == '\r' && bytes.data[1] == '\n');
}

/* Looks at what comes next, at most `cells_max` cells of plain characters at once; stays where it is. */
static struct step walk_look(struct walk *walk, uint64_t cells_max)
{
    struct bytes bytes = walk_peek(walk);
    if (is_line_end(bytes))
        return (struct step){.kind = STEP_LINE_END};
    if (bytes.data[0] == '\t') {
        int cells = walk->tab_width - (int)(walk->column % (uint64_t)walk->tab_width);
        return (struct step){.kind = STEP_TAB, .bytes = bytes_slice(bytes, 0, 1), .cells = cells};
    }
    size_t run = plain_run(bytes, cells_max < WINDOW_BYTES ? (size_t)cells_max : WINDOW_BYTES);
    if (run > 0)
        return (struct step){.kind = STEP_ASCII, .bytes = bytes_slice(bytes, 0, run), .cells = (int)run};
    struct sign sign = sign_at(bytes);
    return (struct step){STEP_SIGN, bytes_slice(bytes, 0, sign.len), sign.cells, sign};
}

static void walk_take(struct walk *walk, const struct step *step)
{
    walk->at += step->bytes.len;
    walk->column += (uint64_t)step->cells;
}

/* Beyond the bound a byte is a column: lands on the start of a character at or behind the place that gives. */
static void walk_jump(struct walk *walk, uint64_t column)
{
    uint64_t end = rope_line_end(walk->rope, rope_line_at(walk->rope, walk->at));
    uint64_t step = column - walk->column;
    if (end - walk->at < step)
        step = end - walk->at;
    walk->at += step;
    walk->column += step;
    for (int i = 1; i < UTF8_BYTES_MAX && walk->at < end; i++) {
        if (!utf8_is_continuation((unsigned char)rope_byte(walk->rope, walk->at)))
            break;
        walk->at++;
    }
}

/* From a line's start to the last sign that begins at or in front of the column. */
static void walk_to_column(struct walk *walk, uint64_t column)
{
    uint64_t start = walk->at;
    while (walk->column < column) {
        if (walk->at - start >= COLUMN_SCAN_BYTES_MAX) {
            walk_jump(walk, column);
            return;
        }
        uint64_t left = column - walk->column;
        struct step step = walk_look(walk, left);
        if (step.kind == STEP_LINE_END || (uint64_t)step.cells > left)
            return;
        walk_take(walk, &step);
    }
}

/* Onwards to the sign that holds the place `at`, or until `column_max` is reached. */
static void walk_to_byte(struct walk *walk, uint64_t at, uint64_t column_max)
{
    while (walk->at < at && walk->column < column_max) {
        struct step step = walk_look(walk, at - walk->at);
        if (step.kind == STEP_LINE_END || walk->at + step.bytes.len > at)
            return;
        walk_take(walk, &step);
    }
}

/* ---- drawing ---- */

/* One line as it was drawn. */
struct row {
    uint64_t from;  /* first byte drawn */
    uint64_t to;    /* the line's end when `ended`, else the first byte cut off */
    uint64_t start; /* of the line */
    uint64_t end;   /* of the line: its newline, or the end of the text */
    int used;       /* cells behind which the row is free */
    bool ended;     /* the line's end is seen */
};

/* A name to show at a cursor. */
struct flag {
    const struct view_peer *peer;
    int row, x;
};

struct drawing {
    struct frame *frame;
    const struct view_text *text;
    int top, left, rows, cols; /* of the text, without line numbers */
    struct row *lines;         /* as many as are drawn */
    int line_count;
    int gutter;                /* cells left of the text */
    struct flag *flags;        /* to be put up when all rows are drawn */
    size_t flag_count;
    uint64_t *bytes_at;        /* for each cell of the row being drawn: the place it shows */
};

static struct place drawing_place(const struct drawing *drawing, int row, int from, int to)
{
    return (struct place){drawing->top + row, drawing->left + from,
                          drawing->left + (to < drawing->cols ? to : drawing->cols)};
}

static void note_bytes(struct drawing *drawing, int from, int to, uint64_t at, uint64_t step)
{
    for (int x = from < 0 ? 0 : from; x < to && x < drawing->cols; x++)
        drawing->bytes_at[x] = at + step * (uint64_t)(x - from);
}

/* Puts one step at cell x; parts left of the window are blank. */
static void draw_step(struct drawing *drawing, int row, int x, const struct step *step, uint64_t at)
{
    static const struct style plain = {INK_DEFAULT, INK_DEFAULT, 0};
    struct place place = drawing_place(drawing, row, x < 0 ? 0 : x, drawing->cols);
    note_bytes(drawing, x, x + step->cells, at, step->kind == STEP_ASCII ? 1 : 0);
    if (step->kind == STEP_ASCII)
        frame_ascii(drawing->frame, place, step->bytes, plain);
    else if (step->kind == STEP_SIGN && x >= 0)
        frame_sign(drawing->frame, place, step->bytes, step->sign, plain);
}

static void draw_line_text(struct drawing *drawing, int row, uint64_t number, struct walk *walk)
{
    struct row *line = &drawing->lines[row];
    uint64_t left = drawing->text->scroll.column;
    uint64_t right = left + (uint64_t)drawing->cols;
    line->from = walk->at;
    while (walk->column < right) {
        struct step step = walk_look(walk, right - walk->column);
        if (step.kind == STEP_LINE_END)
            break;
        int x = walk->column < left ? -(int)(left - walk->column) : (int)(walk->column - left);
        draw_step(drawing, row, x, &step, walk->at);
        walk_take(walk, &step);
    }
    line->to = walk->at;
    struct bytes rest = walk_peek(walk);
    line->ended = is_line_end(rest);
    bool cr = rest.len > 0 && rest.data[0] == '\r';
    line->end = line->ended ? line->to + cr : rope_line_end(walk->rope, number);
    line->used = walk->column < left ? 0 : walk->column < right ? (int)(walk->column - left) : drawing->cols;
    note_bytes(drawing, line->used, drawing->cols, line->to, 0);
}

/* The first cell that shows `at` or what follows it. */
static int cell_at(const struct drawing *drawing, uint64_t at)
{
    size_t cell;
    BISECT(cell, (size_t)drawing->cols, drawing->bytes_at[cell] < at);
    return (int)cell;
}

static bool row_touches(const struct row *line, uint64_t from, uint64_t to)
{
    return from < to && from <= line->to && to > line->from;
}

/* The cells of a stretch on this row; one more for the line's end when that is in it. */
static struct place stretch(const struct drawing *drawing, int row, uint64_t from, uint64_t to)
{
    const struct row *line = &drawing->lines[row];
    int first = from <= line->from ? 0 : cell_at(drawing, from);
    int last = to > line->to ? line->used + line->ended : cell_at(drawing, to);
    return drawing_place(drawing, row, first, last);
}

static void paint_stretch(struct drawing *drawing, int row, uint64_t from, uint64_t to, enum ink bg)
{
    if (row_touches(&drawing->lines[row], from, to))
        frame_paint_bg(drawing->frame, stretch(drawing, row, from, to), bg, 0);
}

static unsigned role_attrs(enum view_role role)
{
    return role == VIEW_HEADING || role == VIEW_EMPHASIS ? ATTR_BOLD : role == VIEW_LINK ? ATTR_UNDERLINE : 0;
}

static size_t first_span(const struct view_span *spans, size_t count, uint64_t at)
{
    size_t first;
    BISECT(first, count, spans[first].to <= at);
    return first;
}

static void paint_spans(struct drawing *drawing, int row, const struct view_span *spans, size_t count)
{
    const struct row *line = &drawing->lines[row];
    for (size_t i = first_span(spans, count, line->from); i < count && spans[i].from < line->to; i++) {
        struct view_span span = spans[i];
        uint64_t to = span.to < line->to ? span.to : line->to;
        struct place place = stretch(drawing, row, span.from, to);
        if (span.role >= VIEW_MATCH)
            frame_paint_bg(drawing->frame, place, INK_ROLE + span.role, 0);
        else if (span.role != VIEW_PLAIN)
            frame_paint_fg(drawing->frame, place, INK_ROLE + span.role, role_attrs(span.role));
    }
}

/* `<` and `>` where a line goes on out of sight. */
static void draw_cut_marks(struct drawing *drawing, int row)
{
    const struct row *line = &drawing->lines[row];
    struct style style = {INK_GUTTER, INK_DEFAULT, ATTR_BOLD};
    if (line->from > line->start && drawing->text->scroll.column > 0)
        frame_string(drawing->frame, drawing_place(drawing, row, 0, 1), "<", style);
    if (!line->ended)
        frame_string(drawing->frame, drawing_place(drawing, row, drawing->cols - 1, drawing->cols), ">", style);
}

/* ---- other people ---- */

static struct style peer_style(const struct view_peer *peer)
{
    bool faint = peer->quiet || peer->away;
    return (struct style){INK_PEER_TEXT, (uint8_t)(INK_PEER + peer->colour % VIEW_PEER_COLOURS), faint ? ATTR_DIM : 0};
}

/* The first sign of the name. */
static struct bytes peer_letter(const struct view_peer *peer)
{
    struct bytes name = bytes_of_string(peer->name && peer->name[0] ? peer->name : "?");
    return bytes_slice(name, 0, sign_at(name).len);
}

static uint64_t clamp_place(const struct view_text *text, uint64_t at)
{
    uint64_t len = rope_len(text->rope);
    return at < len ? at : len;
}

static bool peer_is_drawn(const struct view_peer *peer)
{
    return peer->has_cursor && !peer->is_me;
}

static int draw_arrow(struct drawing *drawing, int row, int col, const char *arrow, const struct view_peer *peer)
{
    struct style style = peer_style(peer);
    int behind = frame_string(drawing->frame, drawing_place(drawing, row, col, drawing->cols), arrow, style);
    struct place place = {drawing->top + row, behind, drawing->left + drawing->cols};
    return frame_text(drawing->frame, place, peer_letter(peer), style) - drawing->left;
}

/* Free cells on a row, where a flag covers nothing. */
static bool cells_are_blank(const struct drawing *drawing, int row, int from, int to)
{
    if (row < 0 || row >= drawing->rows || from < 0 || to > drawing->cols)
        return false;
    const struct cell *cells = frame_row(drawing->frame, drawing->top + row) + drawing->left;
    for (int x = from; x < to; x++) {
        if (cells[x].len != 1 || cells[x].text[0] != ' ' || cells[x].style.bg != INK_DEFAULT)
            return false;
    }
    return true;
}

/* And none on either side, where it would read as a part of a word. */
static bool has_room_apart(const struct drawing *drawing, int row, int from, int to)
{
    return cells_are_blank(drawing, row, from, to) && cells_are_blank(drawing, row, from > 0 ? from - 1 : 0,
                                                                      to < drawing->cols ? to + 1 : to);
}

static void put_flag(struct drawing *drawing, int row, int x, const struct view_peer *peer)
{
    frame_string(drawing->frame, drawing_place(drawing, row, x, x + FLAG_CELLS_MAX), peer->name, peer_style(peer));
}

/*
 * Behind the cursor, whose cell is blank then, when it is at the line's end, else behind the line, else above or below the
 * cursor; else nowhere.
 */
static void draw_flag(struct drawing *drawing, struct flag flag)
{
    int row = flag.row;
    int x = flag.x;
    const struct view_peer *peer = flag.peer;
    struct row *line = &drawing->lines[row];
    int cells = text_cells(bytes_of_string(peer->name));
    if (cells > FLAG_CELLS_MAX)
        cells = FLAG_CELLS_MAX;
    bool at_end = x >= line->used;
    int behind = (at_end ? x : line->used) + 1;
    if (cells_are_blank(drawing, row, behind, behind + cells)) {
        if (at_end) /* its letter would stand between the text and the name */
            frame_string(drawing->frame, drawing_place(drawing, row, x, x + 1), " ", peer_style(peer));
        put_flag(drawing, row, behind, peer);
        line->used = behind + cells;
    } else if (has_room_apart(drawing, row - 1, x, x + cells)) {
        put_flag(drawing, row - 1, x, peer);
    } else if (has_room_apart(drawing, row + 1, x, x + cells)) {
        put_flag(drawing, row + 1, x, peer);
    }
}

/* The cell of a peer's cursor on its row: -1 left of the window, `cols` right of it. */
static int peer_cell(const struct drawing *drawing, const struct row *line, uint64_t head)
{
    if (head < line->from)
        return -1;
    if (head >= line->to)
        return line->ended ? line->used : drawing->cols;
    return cell_at(drawing, head);
}

/* Returns the cell, -1 when the cursor is out of sight. */
static int draw_peer_cursor(struct drawing *drawing, int row, const struct view_peer *peer)
{
    const struct row *line = &drawing->lines[row];
    int x = peer_cell(drawing, line, clamp_place(drawing->text, peer->head));
    if (x < 0) {
        draw_arrow(drawing, row, 0, ARROW_LEFT, peer);
        return -1;
    }
    if (x >= drawing->cols) {
        draw_arrow(drawing, row, drawing->cols - 2, ARROW_RIGHT, peer);
        return -1;
    }
    struct style style = peer_style(peer);
    struct place place = drawing_place(drawing, row, x, x + 1);
    if (x >= line->used)
        frame_text(drawing->frame, place, peer_letter(peer), style);
    frame_paint_fg(drawing->frame, place, style.fg, style.attrs);
    frame_paint_bg(drawing->frame, place, style.bg, 0);
    return x;
}

/* Whoever is above the first or below the last row: an arrow and letters at that row's right end. */
static void draw_elsewhere(struct drawing *drawing, const struct view_peer *peers, size_t count, bool above)
{
    const struct row *last = &drawing->lines[drawing->line_count - 1];
    const struct view_peer *found[ARROW_PEERS_MAX];
    int cells = 0;
    size_t shown = 0;
    for (size_t i = 0; i < count && shown < ARROW_PEERS_MAX; i++) {
        uint64_t head = clamp_place(drawing->text, peers[i].head);
        bool outside = above ? head < drawing->lines[0].start : head > last->end;
        if (!peer_is_drawn(&peers[i]) || !outside)
            continue;
        found[shown++] = &peers[i];
        cells += 1 + text_cells(peer_letter(&peers[i]));
    }
    int col = drawing->cols - cells;
    int row = above ? 0 : drawing->rows - 1;
    for (size_t i = 0; i < shown; i++)
        col = draw_arrow(drawing, row, col, above ? ARROW_UP : ARROW_DOWN, found[i]);
}

/* ---- one row, all rows ---- */

static void draw_gutter(struct drawing *drawing, int row, uint64_t line)
{
    char number[32];
    if (drawing->gutter == 0)
        return;
    int width = drawing->gutter - 1;
    snprintf(number, sizeof number, "%*llu", width, (unsigned long long)line + 1);
    struct place place = {drawing->top + row, drawing->left - drawing->gutter, drawing->left - 1};
    frame_string(drawing->frame, place, number, (struct style){INK_GUTTER, INK_DEFAULT, 0});
}

static void draw_decorations(struct drawing *drawing, int row, const struct view_peer *peers, size_t count)
{
    const struct view_text *text = drawing->text;
    paint_spans(drawing, row, text->spans, text->span_count);
    paint_spans(drawing, row, text->marks, text->mark_count);
    for (size_t i = 0; i < count; i++) {
        uint64_t a = clamp_place(text, peers[i].anchor);
        uint64_t b = clamp_place(text, peers[i].head);
        if (peer_is_drawn(&peers[i]))
            paint_stretch(drawing, row, a < b ? a : b, a < b ? b : a, INK_TINT + peers[i].colour % VIEW_PEER_COLOURS);
    }
    uint64_t from = clamp_place(text, selection_start(text->selection));
    uint64_t to = clamp_place(text, selection_end(text->selection));
    paint_stretch(drawing, row, from, to, INK_SELECTION);
}

static void draw_peers_on_row(struct drawing *drawing, int row, const struct view_peer *peers, size_t count)
{
    const struct row *line = &drawing->lines[row];
    for (size_t i = 0; i < count; i++) {
        uint64_t head = clamp_place(drawing->text, peers[i].head);
        if (!peer_is_drawn(&peers[i]) || head < line->start || head > line->end)
            continue;
        int x = draw_peer_cursor(drawing, row, &peers[i]);
        if (x >= 0 && peers[i].flag && peers[i].name)
            drawing->flags[drawing->flag_count++] = (struct flag){&peers[i], row, x};
    }
}

static void draw_row(struct drawing *drawing, int row, uint64_t line, const struct view_peer *peers, size_t count)
{
    draw_gutter(drawing, row, line);
    draw_decorations(drawing, row, peers, count);
    draw_cut_marks(drawing, row);
    draw_peers_on_row(drawing, row, peers, count);
}

static void draw_rows(struct drawing *drawing, const struct view_peer *peers, size_t count)
{
    const struct view_text *text = drawing->text;
    uint64_t line = text->scroll.line;
    uint64_t line_count = rope_lines(text->rope);
    struct walk walk;
    if (line >= line_count)
        return;
    walk_init(&walk, text, rope_line_start(text->rope, line));
    for (int row = 0; row < drawing->rows && line < line_count; row++, line++) {
        drawing->lines[row].start = walk.at;
        drawing->line_count = row + 1;
        walk_to_column(&walk, text->scroll.column);
        draw_line_text(drawing, row, line, &walk);
        draw_row(drawing, row, line, peers, count);
        walk_go(&walk, drawing->lines[row].end + 1);
    }
}

/* Cells the line numbers take at the left of the area; 0 when they are off or the area is too narrow for them. */
static int gutter_cells(const struct view_text *text, struct view_area area)
{
    int digits = 1;
    for (uint64_t lines = rope_lines(text->rope); lines >= 10; lines /= 10)
        digits++;
    int width = (digits < 3 ? 3 : digits) + 1;
    return text->line_numbers && area.cols >= GUTTER_TEXT_MIN + width ? width : 0;
}

void view_draw(struct frame *frame, struct view_area area, const struct view_text *text, const struct view_peer *peers,
               size_t peer_count)
{
    if (area.rows <= 0 || area.cols <= 0)
        return;
    int gutter = gutter_cells(text, area);
    struct drawing drawing = {.frame = frame,
                              .text = text,
                              .top = area.row,
                              .left = area.col + gutter,
                              .gutter = gutter,
                              .rows = area.rows,
                              .cols = area.cols - gutter};
    drawing.lines = xcalloc((size_t)area.rows, sizeof *drawing.lines);
    drawing.bytes_at = xcalloc((size_t)drawing.cols, sizeof *drawing.bytes_at);
    drawing.flags = xcalloc(peer_count + 1, sizeof *drawing.flags);
    draw_rows(&drawing, peers, peer_count);
    for (size_t i = 0; i < drawing.flag_count; i++)
        draw_flag(&drawing, drawing.flags[i]);
    if (drawing.line_count > 0) {
        draw_elsewhere(&drawing, peers, peer_count, true);
        draw_elsewhere(&drawing, peers, peer_count, false);
    }
    free(drawing.flags);
    free(drawing.bytes_at);
    free(drawing.lines);
}

/* ---- places and cells ---- */

/* Walks to the first sign of a line that is in the window. */
static void walk_to_window(struct walk *walk, const struct view_text *text, uint64_t line)
{
    walk_init(walk, text, rope_line_start(text->rope, line));
    walk_to_column(walk, text->scroll.column);
}

/* The cell, counted from the text's left edge, where a place on a visible line is drawn; -1 or `cols` when beside it.
 */
static int text_cell_of(const struct view_text *text, int cols, uint64_t line, uint64_t at)
{
    struct walk walk;
    walk_to_window(&walk, text, line);
    uint64_t left = text->scroll.column;
    if (at < walk.at)
        return -1;
    walk_to_byte(&walk, at, left + (uint64_t)cols);
    if (walk.column >= left + (uint64_t)cols)
        return cols;
    return walk.column < left ? 0 : (int)(walk.column - left);
}

bool view_cell_of(const struct view_text *text, struct view_area area, uint64_t at, struct view_cell *cell)
{
    at = clamp_place(text, at);
    uint64_t line = rope_line_at(text->rope, at);
    int gutter = gutter_cells(text, area);
    if (line < text->scroll.line || line - text->scroll.line >= (uint64_t)(area.rows > 0 ? area.rows : 0))
        return false;
    int x = text_cell_of(text, area.cols - gutter, line, at);
    if (x < 0 || x >= area.cols - gutter)
        return false;
    *cell = (struct view_cell){area.row + (int)(line - text->scroll.line), area.col + gutter + x};
    return true;
}

uint64_t view_byte_at(const struct view_text *text, struct view_area area, struct view_cell cell)
{
    int row = cell.row > area.row ? cell.row - area.row : 0;
    int x = cell.col - area.col - gutter_cells(text, area);
    uint64_t line = text->scroll.line + (uint64_t)row;
    if (line >= rope_lines(text->rope))
        return rope_len(text->rope);
    struct walk walk;
    walk_to_window(&walk, text, line);
    uint64_t column = text->scroll.column + (uint64_t)(x > 0 ? x : 0);
    while (walk.column < column) {
        struct step step = walk_look(&walk, column - walk.column);
        if (step.kind == STEP_LINE_END || walk.column + (uint64_t)step.cells > column)
            break;
        walk_take(&walk, &step);
    }
    return walk.at;
}

/* ---- scrolling ---- */

static uint64_t scroll_lines(uint64_t top, uint64_t line, uint64_t lines, int rows)
{
    uint64_t margin = rows > 3 * MARGIN_ROWS ? MARGIN_ROWS : 0;
    uint64_t height = rows > 0 ? (uint64_t)rows : 1;
    uint64_t last_top = lines > height ? lines - height : 0;
    if (line < top + margin)
        return line > margin ? line - margin : 0;
    if (line + margin < top + height)
        return top;
    uint64_t wanted = line + margin + 1 - height;
    return wanted < last_top ? wanted : last_top > top ? last_top : top;
}

/* Sideways the window moves by half its width at once: a line being typed is not redrawn whole for every key. */
static uint64_t scroll_columns(const struct view_text *text, int cols, uint64_t line, uint64_t at, uint64_t left)
{
    struct view_text moved = *text;
    int margin = cols > 4 * MARGIN_COLS ? MARGIN_COLS : 1;
    uint64_t half = (uint64_t)cols / 2;
    moved.scroll.column = left;
    int x = text_cell_of(&moved, cols, line, at);
    if (x >= (left > 0 ? margin : 0) && x < cols - margin)
        return left;
    uint64_t column = column_of(text->rope, rope_line_start(text->rope, line), at, text->tab_width);
    if (column + (uint64_t)margin < (uint64_t)cols)
        return 0;
    /* Wide text behind the scan's bound takes more cells than columns: come closer until it is in sight. */
    for (uint64_t before = half;; before /= 2) {
        moved.scroll.column = column > before ? column - before : 0;
        if (before == 0 || text_cell_of(&moved, cols, line, at) < cols - margin)
            return moved.scroll.column;
    }
}

void view_scroll_to(const struct view_text *text, struct view_area area, struct view_scroll *scroll)
{
    uint64_t at = clamp_place(text, text->selection.head);
    uint64_t line = rope_line_at(text->rope, at);
    int cols = area.cols - gutter_cells(text, area);
    scroll->line = scroll_lines(scroll->line, line, rope_lines(text->rope), area.rows);
    scroll->column = scroll_columns(text, cols > 0 ? cols : 1, line, at, scroll->column);
}

void view_scroll_clamp(const struct view_text *text, struct view_scroll *scroll)
{
    uint64_t lines = rope_lines(text->rope);
    if (scroll->line >= lines)
        scroll->line = lines - 1;
}
