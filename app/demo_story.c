#include "app/demo_story.h"

const struct story_step story[] = {
    {0, LIN, ACT_CAPTION, NULL, NULL, "Two people, two processes, one relay that cannot read them.", NULL},
    {1, LIN, ACT_END, NULL, NULL, NULL, NULL},
    {2, LIN, ACT_TYPE, "Lin brings the cake.\n", NULL, NULL, NULL},
    {6, YOU, ACT_END, NULL, NULL, "Type anywhere. It is real.", NULL},
    {7, YOU, ACT_TYPE, "I bring coffee. ", NULL, NULL, "Type something."},
    {15, YOU, ACT_CUT, NULL, NULL, "F5 cuts the cable.", "F5 cuts the cable."},
    {18, LIN, ACT_REPLACE, "Thursday", "Friday", "Cut. Both go on. Change the day too.", NULL},
    {20, YOU, ACT_REPLACE, "Monday", "Friday", NULL, "Change Friday to another day."},
    {25, YOU, ACT_END, NULL, NULL, NULL, NULL},
    {26, YOU, ACT_TYPE, "Tomor", NULL, NULL, NULL},
    {28, YOU, ACT_KILL, NULL, NULL, "F6: kill -9 in the middle of a word.", "F6 kills your editor, for real."},
    {36, YOU, ACT_MEND, NULL, NULL, "Back, with every letter. F5 mends the cable.", "F5 mends the cable."},
    {44, YOU, ACT_UNDO, NULL, NULL, "^Z takes back what you did. Lin's words stay.", "^Z, three times."},
    {45, YOU, ACT_UNDO, NULL, NULL, NULL, NULL},
    {46, YOU, ACT_UNDO, NULL, NULL, NULL, NULL},
    {50, YOU, ACT_PROVE, NULL, NULL, "F7: are both texts the same? Did the relay see a word?", "F7 compares, and searches the relay."},
    {56, YOU, ACT_CARD, NULL, NULL, "weft share FILE     weft join     ^Q leaves", NULL},
};
const size_t story_steps = sizeof story / sizeof *story;
