/*
 * people - who else is in the document, and where in this replica's text they stand.
 *
 * Somebody's cursor arrives as a place in a version of theirs. It is carried into the present text once, and from then on
 * through every patch; when their version is not known here yet, it waits until the events have come.
 *
 *   Units   bytes of the present text; ms of net_now_ms().
 *   Bounds  PEOPLE_MAX.
 */
#ifndef WEFT_APP_PEOPLE_H
#define WEFT_APP_PEOPLE_H

#include "editor/buffer.h"
#include "sync/document.h"
#include "sync/session.h"

enum { PEOPLE_MAX = 256, PEOPLE_NAME_CELLS = 32 };

struct person {
    struct session_peer peer;
    char name[PEOPLE_NAME_CELLS * 4 + 1]; /* safe to show */
    char letter[8];                       /* first cluster of the name, upper case; safe to show */
    int colour;                           /* 0 .. 6, stable for an agent while it is here */
    bool located;                         /* cursor and anchor are places in the present text */
    bool waiting;                         /* its version has not arrived here yet */
    uint64_t cursor, anchor;
    uint64_t moved_ms;                    /* when it last moved: the name flag shows for a while */
    bool is_neighbour;                    /* another process of this machine, met in the journal */
    bool is_script;                       /* a neighbour nobody sits at */
    bool key_changed;                     /* a known name came with another key */
};

struct people {
    struct person *items; /* moves when somebody comes */
    size_t count, cap;
    char host[PEOPLE_NAME_CELLS * 4 + 1]; /* who shares the file, also when gone since; safe to show; "": not heard of yet */
    char keeper[PEOPLE_NAME_CELLS * 4 + 1]; /* the same of him on whose machine the relay is; "": on nobody's that we know of */
};

void people_release(struct people *people);
void people_clear(struct people *people); /* what is known of the host stays, for it is the document's */
/* What the session (or a neighbour) says of somebody. Returns the entry, NULL when it is gone or there are too many. */
struct person *people_hear(struct people *people, const struct session_peer *peer, uint64_t now_ms);
void people_drop(struct people *people, const struct agent_id *agent);
/* Tries to place everybody who waits; call after events were added. Nothing is to be updated in the document. */
void people_locate(struct people *people, struct document *document);
/* Carries everybody through a change of the text. */
void people_map(struct people *people, const struct patch *patch);
struct person *people_find(struct people *people, const struct agent_id *agent);
/* Whether there is somebody, and everybody has said a name. */
bool people_are_named(const struct people *people);
/* Appends " Here: ada (line 2), lin and 3 more.": who is somewhere in the text with where; of no name, only how many. */
void people_add_here(const struct people *people, const struct rope *text, struct buf *out);

#endif
