#include "ui/theme.h"

#include <stdlib.h>

enum { BLACK, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, WHITE };

const struct theme *theme_dark(void)
{
    static const struct theme theme = {{
        [INK_STATUS_TEXT] = {0xe4, 0xe4, 0xe4, WHITE},
        [INK_STATUS_BACK] = {0x30, 0x3a, 0x4a, BLUE},
        [INK_GUTTER] = {0x76, 0x76, 0x76, CYAN},
        [INK_SELECTION] = {0x26, 0x4f, 0x78, BLUE},
        [INK_UNSAFE] = {0xff, 0x87, 0x5f, RED},
        [INK_WARNING] = {0xff, 0x87, 0x5f, RED},
        [INK_DIM] = {0x8a, 0x8a, 0x8a, ANSI_DEFAULT},
        [INK_TITLE] = {0x87, 0xd7, 0xff, CYAN},
        [INK_ROLE + VIEW_PLAIN] = {0xd0, 0xd0, 0xd0, ANSI_DEFAULT},
        [INK_ROLE + VIEW_KEYWORD] = {0xc6, 0x78, 0xdd, MAGENTA},
        [INK_ROLE + VIEW_TYPE] = {0xe5, 0xc0, 0x7b, YELLOW},
        [INK_ROLE + VIEW_STRING] = {0x98, 0xc3, 0x79, GREEN},
        [INK_ROLE + VIEW_NUMBER] = {0xd1, 0x9a, 0x66, YELLOW},
        [INK_ROLE + VIEW_COMMENT] = {0x8a, 0x93, 0xa2, CYAN},
        [INK_ROLE + VIEW_FUNCTION] = {0x61, 0xaf, 0xef, BLUE},
        [INK_ROLE + VIEW_HEADING] = {0x87, 0xd7, 0xff, CYAN},
        [INK_ROLE + VIEW_LINK] = {0x56, 0xb6, 0xc2, CYAN},
        [INK_ROLE + VIEW_EMPHASIS] = {0xff, 0xff, 0xff, WHITE},
        [INK_ROLE + VIEW_ERROR] = {0xff, 0x87, 0x87, RED},
        [INK_ROLE + VIEW_MATCH] = {0x5f, 0x5f, 0x00, YELLOW},
        [INK_ROLE + VIEW_MATCH_HERE] = {0x87, 0x5f, 0x00, RED},
        [INK_ROLE + VIEW_MERGED] = {0x00, 0x5f, 0x00, GREEN},
        [INK_PEER_TEXT] = {0x00, 0x00, 0x00, BLACK},
        [INK_PEER + 0] = {0xff, 0xaf, 0x5f, YELLOW},
        [INK_PEER + 1] = {0x5f, 0xd7, 0xff, CYAN},
        [INK_PEER + 2] = {0xaf, 0xff, 0x5f, GREEN},
        [INK_PEER + 3] = {0xff, 0x87, 0xd7, MAGENTA},
        [INK_PEER + 4] = {0xff, 0xff, 0x5f, YELLOW},
        [INK_PEER + 5] = {0xaf, 0x87, 0xff, BLUE},
        [INK_PEER + 6] = {0xff, 0x5f, 0x5f, RED},
        [INK_PEER + 7] = {0x5f, 0xff, 0xd7, WHITE},
        /* Eight that are told apart among xterm's 256, too. */
        [INK_TINT + 0] = {0x75, 0x3a, 0x00, YELLOW},
        [INK_TINT + 1] = {0x00, 0x46, 0x78, CYAN},
        [INK_TINT + 2] = {0x2a, 0x50, 0x00, GREEN},
        [INK_TINT + 3] = {0x5f, 0x14, 0x46, MAGENTA},
        [INK_TINT + 4] = {0x50, 0x50, 0x00, YELLOW},
        [INK_TINT + 5] = {0x3a, 0x28, 0x78, BLUE},
        [INK_TINT + 6] = {0x5f, 0x14, 0x14, RED},
        [INK_TINT + 7] = {0x00, 0x50, 0x46, WHITE},
    }};
    return &theme;
}

/* The cube's steps are 0, 95, 135, 175, 215, 255. */
static int cube_step(int value)
{
    return value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40;
}

static int cube_value(int step)
{
    return step ? 55 + 40 * step : 0;
}

static int distance(struct theme_colour colour, int red, int green, int blue)
{
    int r = colour.red - red;
    int g = colour.green - green;
    int b = colour.blue - blue;
    return r * r + g * g + b * b;
}

int theme_256(struct theme_colour colour)
{
    int r = cube_step(colour.red);
    int g = cube_step(colour.green);
    int b = cube_step(colour.blue);
    int mean = (colour.red + colour.green + colour.blue) / 3;
    int grey = mean < 4 ? 0 : mean > 238 ? 23 : (mean - 3) / 10;
    int level = 8 + 10 * grey;
    int to_cube = distance(colour, cube_value(r), cube_value(g), cube_value(b));
    return distance(colour, level, level, level) < to_cube ? 232 + grey : 16 + 36 * r + 6 * g + b;
}
