/*
 * keymap - which key does what: nano's and everybody's habits in one table.
 *
 * A key runs a command on the text (editor/command.h) or asks the editor for something. No function is reachable only by a
 * function key or the mouse.
 */
#ifndef WEFT_APP_KEYMAP_H
#define WEFT_APP_KEYMAP_H

#include "editor/command.h"
#include "ui/keys.h"

enum request {
    REQUEST_NONE,
    REQUEST_SAVE,
    REQUEST_SAVE_AS,
    REQUEST_QUIT,
    REQUEST_QUIT_FAILURE, /* exit status 1: tells git not to commit */
    REQUEST_UNDO,
    REQUEST_REDO,
    REQUEST_PASTE,
    REQUEST_OPEN,
    REQUEST_FIND,
    REQUEST_FIND_NEXT,
    REQUEST_FIND_PREVIOUS,
    REQUEST_GO_LINE,
    REQUEST_HELP,
    REQUEST_PEOPLE,
    REQUEST_LINKS,
    REQUEST_MESSAGES,
    REQUEST_FOLLOW,
    REQUEST_ALONE, /* work alone, or go back online */
    REQUEST_SHARE,
    REQUEST_MERGE_HELD,
    REQUEST_SUSPEND,
    REQUEST_NEXT_FILE,
    REQUEST_PREVIOUS_FILE,
    REQUEST_LINE_NUMBERS,
    REQUEST_REDRAW,
    REQUEST_ESCAPE, /* drops the selection, closes what is open */
};

enum binding_kind {
    BINDING_NONE,    /* the key does nothing */
    BINDING_TEXT,    /* it types itself */
    BINDING_COMMAND, /* .command, .extend */
    BINDING_REQUEST, /* .request */
};

struct binding {
    enum binding_kind kind;
    enum command command;
    bool extend;
    enum request request;
};

struct binding keymap_find(struct key key);

#endif
