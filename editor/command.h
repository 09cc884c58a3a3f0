/*
 * command - what a key does to a text: pure functions from (text, selection, argument) to (patch, selection).
 *
 * A command changes nothing. Its result says what should change, where the person then stands, and what to tell them; the
 * caller applies and records it. Undo, redo, save, share, quit are no commands but requests, answered in app/.
 *
 *   Units      bytes for places; characters are grapheme clusters, lines end at a newline byte (CR LF counts as one end).
 *   Ownership  the caller owns the result: command_result_release().
 *   Bounds     linear in the lines touched, never in the whole text (search excepted).
 */
#ifndef WEFT_EDITOR_COMMAND_H
#define WEFT_EDITOR_COMMAND_H

#include "editor/rope.h"
#include "editor/selection.h"

enum command {
    /* motions: with `extend` they move the head and leave the anchor */
    COMMAND_LEFT,
    COMMAND_RIGHT,
    COMMAND_UP,
    COMMAND_DOWN,
    COMMAND_WORD_LEFT,
    COMMAND_WORD_RIGHT,
    COMMAND_LINE_START, /* first to the first character that is no blank, then to the edge */
    COMMAND_LINE_END,
    COMMAND_PAGE_UP,
    COMMAND_PAGE_DOWN,
    COMMAND_TEXT_START,
    COMMAND_TEXT_END,
    COMMAND_PARAGRAPH_UP, /* to the blank line above, or the start */
    COMMAND_PARAGRAPH_DOWN,
    COMMAND_SELECT_ALL,
    COMMAND_GO_LINE,   /* argument: "LINE" or "LINE:COLUMN", counted from 1; negative lines count from the end */
    COMMAND_FIND,      /* argument: plain text; from behind the selection, wraps. Selects what it finds */
    COMMAND_FIND_BACK, /* the same, towards the start */
    /* edits */
    COMMAND_INSERT, /* argument: text, replaces the selection */
    COMMAND_NEWLINE, /* with the line's indentation and its kind of line end */
    COMMAND_TAB,     /* several lines selected: indents them; else inserts a tab (or spaces) */
    COMMAND_TYPE,    /* argument: keys in a row, LF for Enter, HT for Tab; what typing them one by one comes to */
    COMMAND_UNTAB,   /* takes one indentation off the lines touched */
    COMMAND_DELETE_BACK,
    COMMAND_DELETE_FORWARD,
    COMMAND_DELETE_WORD_BACK,
    COMMAND_DELETE_WORD_FORWARD,
    COMMAND_COPY,
    COMMAND_CUT,
    COMMAND_CUT_LINE, /* the lines touched, their ends included */
    COMMAND_LINE_UP,  /* moves the lines touched */
    COMMAND_LINE_DOWN,
    COMMAND_COUNT
};

struct command_in {
    const struct rope *text;
    struct selection selection;
    bool extend;
    struct bytes argument;
    int tab_width;        /* cells; 1 .. 16 */
    int indent_spaces;    /* 0: tabs indent; else that many spaces */
    uint64_t page_lines;  /* how far a page goes; > 0 */
};

enum command_kind {
    COMMAND_KIND_MOTION,
    COMMAND_KIND_TYPING, /* one undo step together with the typing before it */
    COMMAND_KIND_ERASING, /* likewise with the erasing before it */
    COMMAND_KIND_BURST,   /* likewise with the burst before it; text that came faster than anybody types */
    COMMAND_KIND_EDIT,   /* an undo step of its own */
};

struct command_result {
    struct patch patch; /* empty: the text stays */
    struct selection selection;
    enum command_kind kind;
    bool copied;        /* `clip` goes to the clipboard */
    struct buf clip;
    const char *message; /* NULL, or a sentence for the message line (static) */
};

void command_run(enum command command, const struct command_in *in, struct command_result *result);
void command_result_release(struct command_result *result);
/* The stable name ("line-start") used by key maps and the palette; NULL beyond the table. */
const char *command_name(enum command command);

#endif
