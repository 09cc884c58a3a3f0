#include "tests/support/picture.h"

#include <string.h>

#include "tests/support/vt.h"

enum { MARGIN = 10, BACK = 0x16181d, FORE = 0xd0d0d0, TRUE_COLOUR = 0x1000000, BASELINE = 14 };

/* xterm's palette: 16 named colours, a cube of 6 x 6 x 6, a ramp of greys. */
static unsigned palette(int index)
{
    static const unsigned named[16] = {0x000000, 0xcd3131, 0x0dbc79, 0xe5e510, 0x2472c8, 0xbc3fbc, 0x11a8cd, 0xe5e5e5,
                                       0x666666, 0xf14c4c, 0x23d18b, 0xf5f543, 0x3b8eea, 0xd670d6, 0x29b8db, 0xffffff};
    static const unsigned levels[6] = {0, 0x5f, 0x87, 0xaf, 0xd7, 0xff};
    enum { CUBE = 16, GREYS = 232 };
    if (index < CUBE)
        return named[index];
    if (index >= GREYS)
        return (8 + 10 * (unsigned)(index - GREYS)) * 0x010101;
    unsigned i = (unsigned)(index - CUBE);
    return levels[i / 36] << 16 | levels[i / 6 % 6] << 8 | levels[i % 6];
}

static unsigned rgb(int colour, unsigned normal)
{
    if (colour == VT_DEFAULT_COLOUR)
        return normal;
    return colour >= TRUE_COLOUR ? (unsigned)colour & 0xffffff : palette(colour);
}

struct look {
    unsigned fg, bg;
    bool bold, underline;
};

static struct look look_of(const struct vt_cell *cell, bool cursor)
{
    struct look look = {rgb(cell->fg, FORE), rgb(cell->bg, BACK), cell->bold, cell->underline};
    if (cell->reverse != cursor) {
        unsigned fg = look.fg;
        look.fg = look.bg;
        look.bg = fg;
    }
    return look;
}

static bool look_equal(struct look a, struct look b)
{
    return a.fg == b.fg && a.bg == b.bg && a.bold == b.bold && a.underline == b.underline;
}

static void write_escaped(const char *text, FILE *out)
{
    for (; *text; text++) {
        switch (*text) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        default: fputc(*text, out); break;
        }
    }
}

struct screen {
    struct vt *vt;
    int cursor_row, cursor_col; /* -1: hidden */
};

static struct look look_at(const struct screen *screen, int row, int col)
{
    struct vt_cell cell = vt_cell(screen->vt, row, col);
    return look_of(&cell, row == screen->cursor_row && col == screen->cursor_col);
}

/* Cells of one look from `col` on; returns where the next look begins. */
static int write_run(const struct screen *screen, int row, int col, FILE *out)
{
    struct look look = look_at(screen, row, col);
    int end = col, used = col; /* used: behind the last cell that is not blank */
    for (; end < vt_cols(screen->vt) && look_equal(look_at(screen, row, end), look); end++)
        if (strcmp(vt_cell(screen->vt, row, end).text, " ") != 0)
            used = end + 1;
    int x = MARGIN + col * PICTURE_CELL_WIDTH, y = MARGIN + row * PICTURE_CELL_HEIGHT;
    if (look.bg != BACK)
        fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#%06x\"/>\n", x, y,
                (end - col) * PICTURE_CELL_WIDTH, PICTURE_CELL_HEIGHT, look.bg);
    if (used == col)
        return end;
    fprintf(out, "<text x=\"%d\" y=\"%d\" textLength=\"%d\" fill=\"#%06x\"%s%s>", x, y + BASELINE,
            (used - col) * PICTURE_CELL_WIDTH, look.fg, look.bold ? " font-weight=\"bold\"" : "",
            look.underline ? " text-decoration=\"underline\"" : "");
    for (int c = col; c < used; c++)
        write_escaped(vt_cell(screen->vt, row, c).text, out);
    fputs("</text>\n", out);
    return end;
}

bool picture_write(struct vt *vt, const char *title, FILE *out)
{
    struct screen screen = {vt, -1, -1};
    int width = 2 * MARGIN + vt_cols(vt) * PICTURE_CELL_WIDTH, height = 2 * MARGIN + vt_rows(vt) * PICTURE_CELL_HEIGHT;
    if (vt_cursor_visible(vt))
        vt_cursor(vt, &screen.cursor_row, &screen.cursor_col);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" "
            "xml:space=\"preserve\" font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" "
            "font-size=\"15\">\n<title>%s</title>\n<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#%06x\"/>\n",
            width, height, width, height, title, width, height, BACK);
    for (int row = 0; row < vt_rows(vt); row++)
        for (int col = 0; col < vt_cols(vt);)
            col = write_run(&screen, row, col, out);
    fputs("</svg>\n", out);
    return fflush(out) == 0 && !ferror(out);
}
