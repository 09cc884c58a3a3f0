/*
 * demo_draw - one frame of the demo: the cable, two panes, what the relay sees, a caption.
 */
#ifndef WEFT_APP_DEMO_DRAW_H
#define WEFT_APP_DEMO_DRAW_H

#include "app/demo_cast.h"
#include "ui/frame.h"

enum { DEMO_WIDE_COLS = 72 /* below: one pane, Tab switches */, DEMO_SEEN_MAX = 6, DEMO_PROOF_BYTES = 160 };

struct demo_picture {
    const struct pane_state *panes[ACTORS];
    bool dark[ACTORS]; /* killed */
    bool cut;
    struct store_seen seen[DEMO_SEEN_MAX];
    size_t seen_count;
    const char *caption, *hint; /* hint: NULL or what to press */
    char proof[DEMO_PROOF_BYTES];
    enum actor narrow_shows;
};

void demo_draw(struct frame *frame, int rows, int cols, const struct demo_picture *picture);

#endif
