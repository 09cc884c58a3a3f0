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
    ACT_END,     /* goes to the end of the text */
    ACT_UNDO,
    ACT_CUT,     /* F5, the cable is whole: cuts it */
    ACT_KILL,    /* F6 */
    ACT_MEND,    /* F5, the cable is cut: mends it */
    ACT_PROVE,   /* F7: hashes, grep */
    ACT_CARD,    /* what to do next; the end */
};

struct story_step {
    unsigned at_s;        /* when it is played */
    enum actor actor;
    enum story_act act;
    const char *text, *find;
    const char *caption;  /* NULL: the one before stays */
    const char *hint;     /* what a person is asked to press, after 8 s; NULL: it goes on by itself */
};

extern const struct story_step story[];
extern const size_t story_steps;

#endif
