/*
 * demo_story - what happens when in the demo: one table, played in 60 seconds, faster, or with a person at YOU's keys.
 */
#ifndef WEFT_APP_DEMO_STORY_H
#define WEFT_APP_DEMO_STORY_H

#include <stddef.h>
#include <stdint.h>

#include "app/demo_cast.h"

enum story_act {
    ACT_CAPTION, /* only the caption changes */
    ACT_TYPE,    /* `text`, key by key */
    ACT_REPLACE, /* finds `find`, types `text` over it */
    ACT_PASTE,   /* finds `find`, puts `text` there in one piece: a word that a grep could find */
    ACT_LINE_END, /* goes there: what follows begins a line of its own, apart from who types below */
    ACT_UNDO,
    ACT_SAVE,
    ACT_CUT,     /* F5, the cable is whole: cuts it */
    ACT_KILL,    /* F6 */
    ACT_MEND,    /* F5, the cable is cut: mends it */
    ACT_PROVE,   /* F7: hashes, grep */
    ACT_CARD,    /* what to do next; the end */
};

struct story_step {
    unsigned at_s;       /* when it is played */
    enum actor actor;
    enum story_act act;
    const char *text, *find;
    const char *caption; /* NULL: the one before stays */
    const char *hint;    /* of YOU's steps, what an idle person is told; NULL: a person is not asked for it */
};

extern const struct story_step story[];
extern const size_t story_steps;

#endif
