/*
 * theme - the few colours everything is drawn with.
 *
 * Drawing names an ink, never a colour. A theme says what each ink is: as red, green, blue for terminals with 256
 * colours or more, and as one of the 8 ANSI colours for the others. INK_DEFAULT is the terminal's own colour, always.
 */
#ifndef WEFT_UI_THEME_H
#define WEFT_UI_THEME_H

#include <stdbool.h>
#include <stdint.h>

#include "editor/view_model.h"

enum ink {
    INK_DEFAULT,
    INK_STATUS_TEXT,
    INK_STATUS_BACK,
    INK_GUTTER,
    INK_SELECTION, /* background */
    INK_UNSAFE,    /* control characters made visible */
    INK_WARNING,
    INK_DIM,
    INK_TITLE,
    INK_ROLE,                                    /* + enum view_role: a foreground, from VIEW_MATCH on a background */
    INK_PEER_TEXT = INK_ROLE + VIEW_ROLE_COUNT,  /* on the next ones */
    INK_PEER,                                    /* + a peer's colour: cursor and flag, background */
    INK_TINT = INK_PEER + VIEW_PEER_COLOURS,     /* + a peer's colour: selection, background */
    INK_COUNT = INK_TINT + VIEW_PEER_COLOURS
};

enum { ANSI_DEFAULT = -1 };

struct theme_colour {
    uint8_t red, green, blue;
    int8_t ansi; /* 0 .. 7, or ANSI_DEFAULT */
};

struct theme {
    struct theme_colour inks[INK_COUNT];
};

const struct theme *theme_dark(void);  /* for light text on a dark ground */
/* The nearest of xterm's 256 colours: 16 to 231, the cube, and 232 to 255, the greys. (0 to 15 are the user's own.) */
int theme_256(struct theme_colour colour);

#endif
