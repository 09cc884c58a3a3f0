#include "ui/frame.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

static const struct cell BLANK = {.text = {' '}, .len = 1, .width = 1};

void frame_release(struct frame *frame)
{
    free(frame->cells);
    *frame = (struct frame){0};
}

static size_t frame_cells(const struct frame *frame)
{
    return (size_t)frame->rows * (size_t)frame->cols;
}

static void frame_resize(struct frame *frame, int rows, int cols)
{
    ensure(rows >= 0 && rows <= FRAME_SIDE_MAX && cols >= 0 && cols <= FRAME_SIDE_MAX);
    if (frame->rows == rows && frame->cols == cols && frame->cells)
        return;
    frame->rows = rows;
    frame->cols = cols;
    frame->cells = xrealloc_array(frame->cells, frame_cells(frame), sizeof *frame->cells);
}

void frame_reset(struct frame *frame, int rows, int cols)
{
    frame_resize(frame, rows, cols);
    memset(&frame->cursor, 0, sizeof frame->cursor);
    size_t count = frame_cells(frame);
    for (size_t i = 0; i < count; i++)
        frame->cells[i] = BLANK;
}

void frame_copy(struct frame *out, const struct frame *frame)
{
    frame_resize(out, frame->rows, frame->cols);
    out->cursor = frame->cursor;
    if (frame_cells(frame))
        memcpy(out->cells, frame->cells, frame_cells(frame) * sizeof *frame->cells);
}

const struct cell *frame_row(const struct frame *frame, int row)
{
    ensure(row >= 0 && row < frame->rows);
    return frame->cells + (size_t)row * (size_t)frame->cols;
}

bool cell_equal(const struct cell *a, const struct cell *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static struct cell *row_cells(struct frame *frame, int row)
{
    return frame->cells + (size_t)row * (size_t)frame->cols;
}

/* The part of a place that is inside the frame; false when nothing is. */
static bool place_clip(const struct frame *frame, struct place *place)
{
    if (place->end > frame->cols)
        place->end = frame->cols;
    if (place->col < 0)
        place->col = 0;
    return place->row >= 0 && place->row < frame->rows && place->col < place->end;
}

static void cell_blank(struct cell *cell)
{
    struct style style = cell->style;
    *cell = BLANK;
    cell->style = style;
}

/* Whoever loses one half of a wide character to new content loses the other: both become blanks first. */
static void split_wide(struct cell *row, int cols, int from, int to)
{
    if (from > 0 && row[from].width == 0)
        cell_blank(&row[from - 1]);
    if (to < cols && row[to].width == 0)
        cell_blank(&row[to]);
}

/* ---- signs ---- */

/*
 * The width of characters that stand alone whatever surrounds them, unless a mark follows: ASCII, letters of Latin,
 * Greek and Cyrillic, kana, ideographs, Hangul syllables. 0 for all others. Two such neighbours are two clusters
 * without asking the tables, which makes most text of most people quick to draw.
 */
static int plain_width(uint32_t code)
{
    if (code < 0x7f)
        return code >= 0x20;
    if (code < 0x3041)
        return (code >= 0xc0 && code <= 0x24f) || (code >= 0x391 && code <= 0x3c9 && code != 0x3a2) ||
               (code >= 0x410 && code <= 0x44f);
    bool wide = code <= 0x3096 || (code >= 0x30a1 && code <= 0x30fa) || (code >= 0x4e00 && code <= 0x9fff) ||
                (code >= 0xac00 && code <= 0xd7a3);
    return wide ? 2 : 0;
}

static bool plain_sign(struct bytes text, struct sign *sign)
{
    uint32_t code;
    uint32_t next = ' ';
    size_t len = utf8_decode(text, &code);
    int cells = plain_width(code);
    if (cells == 0)
        return false;
    if (len < text.len)
        utf8_decode(bytes_slice(text, len, text.len - len), &next);
    *sign = (struct sign){.len = len, .cells = cells};
    return next < 0x80 || plain_width(next) > 0;
}

struct sign sign_at(struct bytes text)
{
    struct sign plain;
    if (plain_sign(text, &plain))
        return plain;
    struct bytes cluster = bytes_slice(text, 0, cluster_next(text));
    size_t safe = cluster_safe_len(cluster);
    if (safe == 0) {
        char shown[UNSAFE_TEXT_MAX + 1];
        uint32_t code;
        size_t len = utf8_decode(text, &code);
        return (struct sign){.len = len, .cells = (int)unicode_unsafe_text(code, shown), .unsafe = true, .code = code};
    }
    int cells = cluster_width(bytes_slice(cluster, 0, safe));
    return (struct sign){.len = safe, .cells = cells > 0 ? cells : 1};
}

static struct style unsafe_style(struct style style)
{
    style.fg = INK_UNSAFE;
    style.attrs |= ATTR_BOLD;
    return style;
}

/* The first code points of a cluster; false when some had to be left out. */
static bool cell_take(struct cell *cell, struct bytes cluster)
{
    enum { CODE_POINTS_MAX = CELL_BYTES_MAX / UTF8_BYTES_MAX };
    size_t at = 0;
    for (int taken = cell->len ? 1 : 0; at < cluster.len && taken < CODE_POINTS_MAX; taken++) {
        uint32_t code;
        size_t len = utf8_decode(bytes_slice(cluster, at, cluster.len - at), &code);
        memcpy(cell->text + cell->len, cluster.data + at, len);
        cell->len = (uint8_t)((cell->len + len) & 0x1f);
        at += len;
    }
    return at == cluster.len;
}

static int put_cluster(struct frame *frame, struct place place, struct bytes cluster, int cells, struct style style)
{
    if (place.col + cells > place.end) {
        frame_fill(frame, place, style);
        return place.end;
    }
    struct cell cell = {.width = (uint8_t)(cells & 7), .style = style};
    if (cells == 1 && cluster_width(cluster) == 0) /* a mark without a letter would land on whatever stands in front */
        cell.text[cell.len++] = ' ';
    if (!cell_take(&cell, cluster))
        cell.style = unsafe_style(style);
    struct cell *row = row_cells(frame, place.row);
    split_wide(row, frame->cols, place.col, place.col + cells);
    row[place.col] = cell;
    if (cells == 2)
        row[place.col + 1] = (struct cell){.style = cell.style};
    return place.col + cells;
}

static int put_unsafe(struct frame *frame, struct place place, uint32_t code, struct style style)
{
    char shown[UNSAFE_TEXT_MAX + 1];
    size_t len = unicode_unsafe_text(code, shown);
    return frame_ascii(frame, place, bytes_of(shown, len), unsafe_style(style));
}

static size_t ascii_run(struct bytes text)
{
    size_t len = 0;
    while (len < text.len && text.data[len] >= 0x20 && text.data[len] < 0x7f)
        len++;
    /* The last one may carry combining marks of what follows. */
    return len < text.len && len > 0 && text.data[len] >= 0x80 ? len - 1 : len;
}

/* ---- drawing ---- */

int frame_ascii(struct frame *frame, struct place place, struct bytes text, struct style style)
{
    if (!place_clip(frame, &place))
        return place.col;
    int count = text.len < (size_t)(place.end - place.col) ? (int)text.len : place.end - place.col;
    if (count == 0)
        return place.col;
    struct cell *row = row_cells(frame, place.row);
    split_wide(row, frame->cols, place.col, place.col + count);
    struct cell cell = BLANK;
    cell.style = style;
    for (int i = 0; i < count; i++) {
        row[place.col + i] = cell; /* then the letter: the other way round the copy waits for the byte */
        row[place.col + i].text[0] = (char)text.data[i];
    }
    return place.col + count;
}

static int put_sign(struct frame *frame, struct place place, struct bytes text, struct sign sign, struct style style)
{
    if (sign.unsafe)
        return put_unsafe(frame, place, sign.code, style);
    return put_cluster(frame, place, bytes_slice(text, 0, sign.len), sign.cells, style);
}

int frame_sign(struct frame *frame, struct place place, struct bytes text, struct sign sign, struct style style)
{
    return place_clip(frame, &place) ? put_sign(frame, place, text, sign, style) : place.col;
}

int frame_text(struct frame *frame, struct place place, struct bytes text, struct style style)
{
    if (!place_clip(frame, &place))
        return place.col;
    for (size_t at = 0; at < text.len && place.col < place.end;) {
        struct bytes rest = bytes_slice(text, at, text.len - at);
        size_t run = ascii_run(rest);
        if (run > 0) {
            place.col = frame_ascii(frame, place, bytes_slice(rest, 0, run), style);
            at += run;
            continue;
        }
        struct sign sign = sign_at(rest);
        place.col = put_sign(frame, place, rest, sign, style);
        at += sign.len;
    }
    return place.col;
}

int frame_string(struct frame *frame, struct place place, const char *text, struct style style)
{
    return frame_text(frame, place, bytes_of_string(text), style);
}

void frame_fill(struct frame *frame, struct place place, struct style style)
{
    if (!place_clip(frame, &place))
        return;
    struct cell *row = row_cells(frame, place.row);
    split_wide(row, frame->cols, place.col, place.end);
    struct cell cell = BLANK;
    cell.style = style;
    for (int col = place.col; col < place.end; col++)
        row[col] = cell;
}

/* Widens a place so that it holds wide characters whole. */
static bool place_clip_wide(const struct frame *frame, struct place *place)
{
    if (!place_clip(frame, place))
        return false;
    const struct cell *row = frame_row(frame, place->row);
    place->col -= place->col > 0 && row[place->col].width == 0;
    place->end += place->end < frame->cols && row[place->end].width == 0;
    return true;
}

void frame_paint_fg(struct frame *frame, struct place place, enum ink fg, unsigned attrs)
{
    if (!place_clip_wide(frame, &place))
        return;
    struct cell *row = row_cells(frame, place.row);
    for (int col = place.col; col < place.end; col++) {
        if (row[col].style.fg == INK_UNSAFE)
            continue;
        row[col].style.fg = (uint8_t)fg;
        row[col].style.attrs |= (uint8_t)attrs;
    }
}

void frame_paint_bg(struct frame *frame, struct place place, enum ink bg, unsigned attrs)
{
    if (!place_clip_wide(frame, &place))
        return;
    struct cell *row = row_cells(frame, place.row);
    for (int col = place.col; col < place.end; col++) {
        row[col].style.bg = (uint8_t)bg;
        row[col].style.attrs |= (uint8_t)attrs;
    }
}

int text_cells(struct bytes text)
{
    int cells = 0;
    for (size_t at = 0; at < text.len && cells < FRAME_SIDE_MAX;) {
        size_t run = ascii_run(bytes_slice(text, at, text.len - at));
        cells += (int)(run < FRAME_SIDE_MAX ? run : FRAME_SIDE_MAX);
        at += run;
        if (at == text.len)
            break;
        struct sign sign = sign_at(bytes_slice(text, at, text.len - at));
        cells += sign.cells;
        at += sign.len;
    }
    return cells;
}

/* ---- for tests ---- */

static void trim_blanks(struct buf *out, size_t from)
{
    while (out->len > from && out->data[out->len - 1] == ' ')
        out->len--;
}

static void print_row(const struct frame *frame, int row, struct buf *out)
{
    size_t from = out->len;
    const struct cell *cells = frame_row(frame, row);
    for (int col = 0; col < frame->cols; col++)
        buf_add(out, cells[col].text, cells[col].len);
    trim_blanks(out, from);
    buf_add_byte(out, '\n');
}

void frame_print(const struct frame *frame, struct buf *out)
{
    for (int row = 0; row < frame->rows; row++)
        print_row(frame, row, out);
}

void frame_print_styles(const struct frame *frame, char (*letter)(struct style style), struct buf *out)
{
    for (int row = 0; row < frame->rows; row++) {
        print_row(frame, row, out);
        size_t from = out->len;
        const struct cell *cells = frame_row(frame, row);
        for (int col = 0; col < frame->cols; col++)
            buf_add_byte(out, (unsigned char)letter(cells[col].style));
        trim_blanks(out, from);
        if (out->len > from)
            buf_add_byte(out, '\n');
    }
}
