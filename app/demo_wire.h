/*
 * demo_wire - what the demo's supervisor and its two panes say to each other, one message a packet.
 *
 *   Ownership  a decoded state owns its strings: pane_state_release(). Zero-initialised it is empty.
 *   Bounds     DEMO_PACKET_BYTES; a text that does not fit is cut for the picture (it is a demo of a few lines).
 */
#ifndef WEFT_APP_DEMO_WIRE_H
#define WEFT_APP_DEMO_WIRE_H

#include <stdint.h>

#include "editor/base/varint.h"
#include "editor/selection.h"

enum { DEMO_PACKET_BYTES = 32768, DEMO_PEOPLE_MAX = 4, DEMO_NAME_BYTES = 160 };

/* Supervisor to pane. */
enum pane_order {
    PANE_KEY = 1, /* a key as in ui/keys.h: code, mods */
    PANE_FIND,    /* selects the next place of `text` */
    PANE_RETRY,   /* the cable is back: do not wait for the next try */
    PANE_QUIT,
};

struct pane_command {
    enum pane_order order;
    uint32_t code;
    unsigned mods;
    struct bytes text; /* PANE_FIND */
};

struct pane_person {
    char name[DEMO_NAME_BYTES];
    unsigned colour;
    uint64_t anchor, head;
    bool has_cursor, quiet;
};

/* Pane to supervisor, whenever something changed. */
struct pane_state {
    struct buf text;
    struct selection selection;
    struct pane_person people[DEMO_PEOPLE_MAX];
    size_t people_count;
    bool online, caught_up, in_file, kept;
    uint64_t unsent, unsent_s;
    struct buf link;    /* the edit link, from who shares */
    struct buf message; /* the last thing said */
    unsigned char hash[32];
};
void pane_state_release(struct pane_state *state);

void pane_command_encode(const struct pane_command *command, struct buf *out);
bool pane_command_decode(struct bytes packet, struct pane_command *command); /* a view */
void pane_state_encode(const struct pane_state *state, struct buf *out);
bool pane_state_decode(struct bytes packet, struct pane_state *state);

#endif
