/*
 * demo_wire - what the demo's supervisor and its two panes say to each other, one message a packet.
 *
 *   Ownership  a decoded state owns its strings: pane_state_release(). Zero-initialised it is empty.
 *   Bounds     DEMO_PACKET_BYTES; a pane takes no more text than DEMO_TEXT_BYTES (it is a demo of a few lines).
 */
#ifndef WEFT_APP_DEMO_WIRE_H
#define WEFT_APP_DEMO_WIRE_H

#include <stdint.h>

#include "editor/base/varint.h"
#include "editor/selection.h"

enum {
    DEMO_PACKET_BYTES = 32768,
    DEMO_TEXT_BYTES = 24576,
    DEMO_PASTE_BYTES = 16384, /* a longer paste goes in pieces */
    DEMO_PEOPLE_MAX = 4,
    DEMO_NAME_BYTES = 160,
    DEMO_MARKS_MAX = 16,
};

/* Supervisor to pane. */
enum pane_order {
    PANE_KEY = 1, /* a key as in ui/keys.h: code, mods */
    PANE_PASTE,   /* `text` over the selection, in one edit */
    PANE_FIND,    /* selects the next place of `text` */
    PANE_RETRY,   /* the cable is back: do not wait for the next try */
    PANE_JOIN,    /* `text` is the link; the first order to who joins. Not an argument: those can be read by everybody */
};

struct pane_command {
    enum pane_order order;
    uint32_t code;
    unsigned mods;
    struct bytes text; /* PANE_PASTE, PANE_FIND, PANE_JOIN */
};

struct pane_person {
    char name[DEMO_NAME_BYTES];
    uint64_t anchor, head;
    bool has_cursor, quiet;
};

/* What a merge brought a moment ago. */
struct pane_mark {
    uint64_t from, to; /* bytes */
};

/* Pane to supervisor, whenever something changed. */
struct pane_state {
    struct buf text;
    struct selection selection;
    struct pane_person people[DEMO_PEOPLE_MAX];
    size_t people_count;
    struct pane_mark marks[DEMO_MARKS_MAX];
    size_t mark_count;
    bool online, caught_up, in_file, kept;
    uint64_t unsent, unsent_s;
    struct buf link;    /* the edit link, from who shares */
    struct buf message; /* what was said a moment ago */
    unsigned char hash[32];
};
void pane_state_release(struct pane_state *state);

void pane_command_encode(const struct pane_command *command, struct buf *out);
bool pane_command_decode(struct bytes packet, struct pane_command *command); /* a view */
void pane_state_encode(const struct pane_state *state, struct buf *out);
bool pane_state_decode(struct bytes packet, struct pane_state *state);

#endif
