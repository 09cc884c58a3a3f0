/*
 * view_model - what app/ tells ui/ to draw: plain facts, no behaviour.
 *
 * The program fills one struct view_model a frame and hands it to screen_draw() (ui/screen.h). Nothing here is computed
 * by ui/: no clock is read, no age is counted, no flag fades by itself.
 *
 *   Units      places are bytes in the document; lines, columns and scroll count from 0 unless a name says otherwise.
 *   Ownership  every pointer is borrowed for the time of one draw; strings are NUL-terminated UTF-8 or whatever came
 *              from elsewhere: ui/ shows control characters visibly, so nothing needs cleaning before.
 *   Bounds     VIEW_PEERS_SHOWN names in the status line, VIEW_PEERS_SHOWN_WIDE in a wide window; lists may be of any length,
 *              only what is visible is looked at.
 */
#ifndef WEFT_EDITOR_VIEW_MODEL_H
#define WEFT_EDITOR_VIEW_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "editor/rope.h"
#include "editor/selection.h"

enum { VIEW_PEER_COLOURS = 8, VIEW_PEERS_SHOWN = 2, VIEW_PEERS_SHOWN_WIDE = 8 };

/* What a stretch of text is, for its colour. */
enum view_role {
    VIEW_PLAIN,
    VIEW_KEYWORD,
    VIEW_TYPE,
    VIEW_STRING,
    VIEW_NUMBER,
    VIEW_COMMENT,
    VIEW_FUNCTION,
    VIEW_HEADING,
    VIEW_LINK,
    VIEW_EMPHASIS,
    VIEW_ERROR,
    VIEW_MATCH,       /* found by a search: a background, the foreground stays */
    VIEW_MATCH_HERE,  /* the match the cursor is at */
    VIEW_MERGED,      /* changed by a merge a moment ago */
    VIEW_ROLE_COUNT
};

struct view_span {
    uint64_t from, to; /* from < to */
    enum view_role role;
};

/* The first line and the first cell column that are visible. view_scroll_to() keeps it right. */
struct view_scroll {
    uint64_t line;
    uint64_t column;
};

struct view_text {
    const struct rope *rope;
    struct selection selection; /* places beyond the text's end are taken as its end, here and for peers */
    struct view_scroll scroll;
    int tab_width; /* cells, 1 .. 16 */
    bool line_numbers;
    /* Sorted by `from`, not overlapping. Backgrounds (VIEW_MATCH and below) may come in a list of their own. */
    const struct view_span *spans;
    size_t span_count;
    const struct view_span *marks;
    size_t mark_count;
};

struct view_peer {
    const char *name;
    unsigned colour;    /* 0 .. VIEW_PEER_COLOURS - 1 */
    uint64_t anchor, head;
    bool has_cursor;    /* in this document, at a place we know */
    bool flag;          /* show the name at the cursor now; app/ lets it fade */
    bool can_edit;      /* false: a viewer */
    bool is_me;
    bool away;          /* suspended */
    bool quiet;         /* not heard for 5 s: dim, with `?` */
    uint64_t away_s;    /* seconds since the last key; 0: active */
    uint64_t quiet_s;   /* seconds since anything was heard; shown when `quiet` */
    uint64_t line;      /* counted from 1; 0: unknown */
    const char *fingerprint; /* of the key, shown at first meeting; NULL: not shown */
    const char *warning;     /* "another key than before"; NULL: none */
};

enum view_sharing { VIEW_ALONE, VIEW_SHARED, VIEW_ONLY };

enum view_link {
    VIEW_LINK_SENT,    /* everything is acknowledged, with proof within the last 3 s */
    VIEW_LINK_IDLE,    /* the same, but proof is only asked for now and then */
    VIEW_LINK_UNSENT,  /* something is not acknowledged for 1 s */
    VIEW_LINK_OFFLINE, /* nothing heard for 3 s */
};

struct view_status {
    const char *file;      /* as shown: "notes.md", "src/notes.md" */
    bool in_file;          /* what is on the screen is in the file on disk */
    bool new_file;         /* and the file is not there yet: nothing was written to it */
    bool nowhere;          /* and in none, for it has no file and nothing is in it */
    bool kept;             /* the journal has it, fsynced */
    bool private;          /* journal in memory only */
    enum view_sharing sharing;
    enum view_link link;   /* unless VIEW_ALONE */
    const char *coming;    /* instead of "sent": "joining", "history coming", "unchecked: ada's copy", "merging 40 %", "eve's
                              edits held"; NULL: all is here */
    bool connecting;       /* for the first time: nobody knows yet whether it is offline */
    uint64_t unsent;       /* edits (gestures) not acknowledged */
    uint64_t unsent_s;     /* age of the oldest of them */
    uint64_t offline_kept; /* edits kept while offline */
    const char *link_why;  /* why it is offline, or nothing is sent: "ada's machine is away"; NULL: not known */
    uint64_t in_memory;    /* edits that the journal does not take; 0: it takes them */
    bool disk_full;        /* that is why */
    uint64_t line, column; /* counted from 1, as people read them */
    uint64_t rtt_ms;       /* shown above 200 */
};

struct view_prompt {
    const char *label; /* "Find:" ; NULL: no prompt */
    const char *typed;  /* NULL: one key answers, nothing is typed */
    size_t cursor;      /* bytes into `typed` */
    bool typed_is_old;  /* a suggestion: the first key typed replaces it */
};

enum view_line_kind { VIEW_LINE_TEXT, VIEW_LINE_TITLE, VIEW_LINE_STRONG, VIEW_LINE_DIM, VIEW_LINE_WARNING };

struct view_panel_line {
    const char *text;
    enum view_line_kind kind;
    int colour;    /* a peer's colour for the first `coloured` bytes, or -1 */
    size_t coloured;
    int hang;      /* cells by which the line goes on indented when it is longer than the window is wide */
};

/* A list below the text: help, people, links, messages, documents (built by ui/panel.h or by app/). */
struct view_panel {
    const struct view_panel_line *lines;
    size_t count;    /* 0: no panel */
    size_t scroll;   /* first line shown */
    int64_t chosen;  /* highlighted line, or -1 */
};

enum view_message_kind { VIEW_MESSAGE_PLAIN, VIEW_MESSAGE_WARNING };

struct view_model {
    struct view_text text;
    const struct view_peer *peers;
    size_t peer_count; /* this person too, with is_me */
    struct view_status status;
    const char *message; /* NULL or "": none */
    enum view_message_kind message_kind;
    struct view_prompt prompt;
    struct view_panel panel;
};

#endif
