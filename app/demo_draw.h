/*
 * demo_draw - one frame of the demo: the cable, two panes, what the relay sees, a caption.
 *
 *     YOU ================== relay ================== LIN
 *     Launch on Friday.         | Launch on Friday. you
 *     plan.md   shared   sent   | plan.md   shared   sent
 *     (what either was told)    | (what either was told)
 *     The relay sees: 91 bytes 8f3a...  115 bytes de97...
 *     you a91c...  lin a91c...  equal  grep Thursday relay.db: 0
 *     F5 cuts the cable.
 *     F5 cable  F6 kill -9  F7 compare   (Alt+5 6 7)   ^Q leaves
 */
#ifndef WEFT_APP_DEMO_DRAW_H
#define WEFT_APP_DEMO_DRAW_H

#include "app/demo_cast.h"
#include "ui/frame.h"

enum { DEMO_WIDE_COLS = 80 /* below: one pane, Tab switches */, DEMO_SEEN_MAX = 16, DEMO_PROOF_BYTES = 160 };

enum pane_shown {
    PANE_SHOWN,
    PANE_COMING, /* has not been started yet */
    PANE_DARK,   /* killed */
};

struct demo_picture {
    const struct pane_state *panes[ACTORS];
    enum pane_shown shown[ACTORS];
    bool cut;
    bool plays; /* nobody is asked for keys */
    struct store_seen seen[DEMO_SEEN_MAX]; /* newest first */
    size_t seen_count;
    const char *caption, *hint; /* hint: NULL or what to press */
    char proof[DEMO_PROOF_BYTES]; /* "": nothing was compared yet */
    int in_file; /* lines of plan.md in which the same grep finds the word: it is able to find it */
    enum actor narrow_shows;
};

void demo_draw(struct frame *frame, int rows, int cols, const struct demo_picture *picture);

#endif
