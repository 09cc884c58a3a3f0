/*
 * frame - what a screen should look like: rows of cells. Made without a terminal, compared as text in tests.
 *
 * frame_text() is the one function that puts strings on the screen. Whatever the string is (text, a name, a file's
 * name, a message from elsewhere), a code point that must not reach a terminal is put as its visible form (`^[`,
 * `<U+202E>`, `<9B>`) in a style of its own, so no cell ever holds one: the terminal side can trust frames.
 *
 *   Units      rows, columns: cells from the top left, from 0. A wide character owns two cells: its own and an empty
 *              one.
 *   Ownership  a frame owns its cells. Zero-initialised it is 0 x 0; frame_release() frees.
 *   Errors     none: what does not fit is clipped.
 *   Bounds     a cell holds CELL_BYTES_MAX bytes, the five code points a curses cell can carry; longer clusters keep
 *              their first code points. At most FRAME_SIDE_MAX rows or columns.
 */
#ifndef WEFT_UI_FRAME_H
#define WEFT_UI_FRAME_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "editor/base/bytes.h"
#include "ui/theme.h"

enum { CELL_BYTES_MAX = 20, FRAME_SIDE_MAX = 4096 };

enum attr { ATTR_BOLD = 1, ATTR_REVERSE = 2, ATTR_UNDERLINE = 4, ATTR_DIM = 8 };

struct style {
    uint8_t fg, bg; /* enum ink */
    uint8_t attrs;  /* of enum attr */
};

struct cell {
    char text[CELL_BYTES_MAX]; /* not NUL-terminated; bytes behind `len` are zero */
    uint8_t len : 5;
    uint8_t width : 3; /* 1 or 2; 0 with len 0: the right half of the wide one before */
    struct style style;
};
static_assert(sizeof(struct cell) == 24, "a frame of 200 x 50 stays below 256 KiB");

enum cursor_shape { CURSOR_BAR, CURSOR_BLOCK };

struct frame {
    int rows, cols;
    struct cell *cells; /* row by row */
    struct {
        int row, col;
        bool visible;
        enum cursor_shape shape;
    } cursor;
};

void frame_release(struct frame *frame);
/* Makes it rows x cols, all blank; keeps its memory where it can. */
void frame_reset(struct frame *frame, int rows, int cols);
void frame_copy(struct frame *out, const struct frame *frame);
const struct cell *frame_row(const struct frame *frame, int row);
bool cell_equal(const struct cell *a, const struct cell *b);

/* Where on a row to draw: from column `col`, nothing at or behind `end`. Outside the frame: clipped. */
struct place {
    int row, col, end;
};

/*
 * Puts text, neutralised and cut into clusters. Newlines and tabs are controls here: who lays out text deals with them
 * before. Returns the column behind what was put; a wide character that does not fit whole leaves a blank.
 */
int frame_text(struct frame *frame, struct place place, struct bytes text, struct style style);
int frame_string(struct frame *frame, struct place place, const char *text, struct style style);

/* What frame_text() puts next: a cluster, or one code point in its visible form. `text` is not empty. */
struct sign {
    size_t len;    /* bytes of the text */
    int cells;     /* 1 or 2; more for a visible form */
    bool unsafe;
    uint32_t code; /* when unsafe */
};
struct sign sign_at(struct bytes text);
/* Puts the one sign that sign_at() found at the start of `text`. */
int frame_sign(struct frame *frame, struct place place, struct bytes text, struct sign sign, struct style style);

/* A run of one-cell ASCII characters the caller has checked (0x20 .. 0x7e): the fast road of frame_text(). */
int frame_ascii(struct frame *frame, struct place place, struct bytes text, struct style style);
void frame_fill(struct frame *frame, struct place place, struct style style); /* blanks up to place.end */

/* Changes how cells look, not what they say. A wide character is painted whole. */
void frame_paint_fg(struct frame *frame, struct place place, enum ink fg, unsigned attrs);
void frame_paint_bg(struct frame *frame, struct place place, enum ink bg, unsigned attrs);

/* How many cells frame_text() would take; it stops counting behind FRAME_SIDE_MAX. */
int text_cells(struct bytes text);

/*
 * For tests: the characters, a line a row, trailing blanks cut off. frame_print_styles() adds below each row the
 * letters that `letter` gives for the cells' styles, unless all of them are blanks.
 */
void frame_print(const struct frame *frame, struct buf *out);
void frame_print_styles(const struct frame *frame, char (*letter)(struct style style), struct buf *out);

#endif
