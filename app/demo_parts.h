/*
 * demo_parts - the inside of the demo's supervisor:
 *
 *   demo.c        its life, the loop, keys and signals
 *   demo_play.c   the story: whose turn it is, and what is done then
 *
 * The other parts stand alone: demo_cast (processes), demo_cable, demo_wire, demo_story (the table), demo_draw, demo_pane.
 */
#ifndef WEFT_APP_DEMO_PARTS_H
#define WEFT_APP_DEMO_PARTS_H

#include "app/demo.h"
#include "app/demo_draw.h"
#include "app/demo_story.h"
#include "ui/keys.h"
#include "ui/term.h"

enum {
    HASH_SHOWN_BYTES = 2, /* "a91c" */
    BACK_BYTES = 80,
};

/* Scripted keys that are not pressed yet. */
struct typing {
    const char *text; /* what is left; NULL: nothing */
    enum actor actor;
    uint64_t next_ms;
};

/* A step that waits for a person, and what they have done since. */
struct asking {
    uint64_t since_ms; /* 0: nobody is waited for */
    bool typed, undone, proved;
};

/* What was seen on the way, for the lines at the end. */
struct findings {
    unsigned char before_kill[DIGEST_BYTES];
    uint64_t caret_before_kill;
    bool killed, came_back; /* with the same text and caret */
    char back[ACTORS][BACK_BYTES]; /* "Back: sent 3, received 1." */
    char hashes[ACTORS][2 * HASH_SHOWN_BYTES + 1];
    bool proved, equal;
    const char *word;      /* what was searched for; NULL: nothing yet */
    int in_relay, in_file; /* lines with it, by one and the same grep */
};

struct demo {
    struct cast cast;
    enum demo_mode mode;
    uint64_t speed;
    struct term *term; /* NULL: without a screen */
    struct keys *keys;
    struct frame frame;
    struct demo_picture picture;
    int signal_fd;

    uint64_t now_ms, key_ms; /* key_ms: of a person's last key */
    size_t step;
    uint64_t story_ms;       /* how much of the story's time has gone */
    uint64_t acted_ms;       /* when the last step was taken */
    struct typing typing;
    struct asking asking;
    bool saves;              /* ^S was pressed: the next step waits for the file */
    bool mends;              /* the cable is whole again: the next step waits until both have said that they are back */
    struct findings findings;
    uint64_t card_ms;        /* when the card was shown; 0: not yet */
    uint64_t seen_ms;        /* when the relay's records were last looked at */
    unsigned restarts;
    bool lin_started, dirty, leaving;
    char *trouble;           /* why it ends early; NULL: it does not */
    int status;              /* of the exit, so far */
};

/* demo_play.c */
void demo_give_up(struct demo *demo, const char *why); /* says it once the terminal is given back */
void demo_press(struct demo *demo, enum actor actor, struct key key);
void demo_cut(struct demo *demo, bool cut);
void demo_kill_you(struct demo *demo);
void demo_prove(struct demo *demo);
/* After anything was heard: what the findings say of it. */
void demo_notice(struct demo *demo);
/* Takes the next step when it is due. `passed_ms`: real time since the last call. */
void demo_play(struct demo *demo, uint64_t passed_ms);
bool demo_has_ended(const struct demo *demo); /* the card has been shown long enough; never with a person */
/* The lines at the end. The exit status. */
int demo_print_end(const struct demo *demo);

#endif
