#include "app/demo_story.h"

const struct story_step story[] = {
    {0, LIN, ACT_CAPTION, NULL, NULL, "Two people, two processes, one relay that cannot read.", NULL},
    {1, LIN, ACT_LINE_END, NULL, NULL, NULL, NULL},
    {2, LIN, ACT_TYPE, "\nLin brings the cake.", NULL, NULL, NULL},
    {6, LIN, ACT_CAPTION, NULL, NULL, "Type anywhere. It is real.", NULL},
    {7, YOU, ACT_TYPE, "I bring coffee.\n", NULL, NULL, "Type something; Lin sees it."},
    {15, YOU, ACT_CUT, NULL, NULL, "F5 cuts the cable.", "Press F5 (or Alt+5): it cuts the cable."},
    {18, LIN, ACT_PASTE, "Thursday", "Friday", "Cut. Lin makes it Thursday. Change the day too.", NULL},
    {20, YOU, ACT_REPLACE, "Mon", "Friday", NULL, "Change Friday too, or just type: all of it is kept."},
    {28, YOU, ACT_KILL, NULL, NULL, "F6: kill -9, in the middle of a word.", "Press F6 (or Alt+6): kill -9, to your editor."},
    {33, YOU, ACT_TYPE, "day", NULL, "Back, with every letter, the cursor and undo.", NULL},
    {36, YOU, ACT_MEND, NULL, NULL, "Back, with every letter. F5 mends the cable.", "Press F5 (or Alt+5): it mends the cable."},
    {38, LIN, ACT_CAPTION, NULL, NULL, "Merged. New text glows in its author's colour.", NULL},
    {44, YOU, ACT_UNDO, NULL, NULL, "^Z ^Z ^Z takes back yours only. Lin's words stay.", "Press ^Z a few times."},
    {45, YOU, ACT_UNDO, NULL, NULL, NULL, NULL},
    {46, YOU, ACT_UNDO, NULL, NULL, NULL, NULL},
    {48, YOU, ACT_SAVE, NULL, NULL, NULL, NULL},
    {50, YOU, ACT_PROVE, NULL, NULL, "F7: same text? Did the relay see a word of it?",
     "Press F7 (or Alt+7): it compares, and searches."},
    {56, YOU, ACT_CARD, NULL, NULL, "Now yours:   weft share FILE   weft join   ^Q leaves", NULL},
};
const size_t story_steps = sizeof story / sizeof *story;
