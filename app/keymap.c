#include "app/keymap.h"

#include <stddef.h>

struct keymap_entry {
    struct key key;
    bool is_request, extend;
    int action; /* enum request or enum command */
};

#define DO(code, mods, command) {{code, mods}, false, false, command}
#define ASK(code, mods, request) {{code, mods}, true, false, request}
/* A motion, and with Shift the same motion that selects. */
#define MOVE(code, mods, command) {{code, mods}, false, false, command}, {{code, (mods) | KEY_SHIFT}, false, true, command}

static const struct keymap_entry entries[] = {
    MOVE(KEY_LEFT, 0, COMMAND_LEFT),
    MOVE(KEY_RIGHT, 0, COMMAND_RIGHT),
    MOVE(KEY_UP, 0, COMMAND_UP),
    MOVE(KEY_DOWN, 0, COMMAND_DOWN),
    MOVE(KEY_LEFT, KEY_CTRL, COMMAND_WORD_LEFT),
    MOVE(KEY_RIGHT, KEY_CTRL, COMMAND_WORD_RIGHT),
    MOVE(KEY_LEFT, KEY_ALT, COMMAND_WORD_LEFT), /* what macOS terminals send */
    MOVE(KEY_RIGHT, KEY_ALT, COMMAND_WORD_RIGHT),
    MOVE(KEY_UP, KEY_CTRL, COMMAND_PARAGRAPH_UP),
    MOVE(KEY_DOWN, KEY_CTRL, COMMAND_PARAGRAPH_DOWN),
    MOVE(KEY_HOME, 0, COMMAND_LINE_START),
    MOVE(KEY_END, 0, COMMAND_LINE_END),
    MOVE(KEY_HOME, KEY_CTRL, COMMAND_TEXT_START),
    MOVE(KEY_END, KEY_CTRL, COMMAND_TEXT_END),
    MOVE(KEY_PAGE_UP, 0, COMMAND_PAGE_UP),
    MOVE(KEY_PAGE_DOWN, 0, COMMAND_PAGE_DOWN),
    DO('e', KEY_CTRL, COMMAND_LINE_END),
    DO('a', KEY_CTRL, COMMAND_SELECT_ALL),

    DO(KEY_ENTER, 0, COMMAND_NEWLINE),
    DO('j', KEY_CTRL, COMMAND_NEWLINE), /* pasted without brackets */
    DO(KEY_TAB, 0, COMMAND_TAB),
    DO(KEY_TAB, KEY_SHIFT, COMMAND_UNTAB),
    DO(KEY_BACKSPACE, 0, COMMAND_DELETE_BACK),
    DO(KEY_BACKSPACE, KEY_SHIFT, COMMAND_DELETE_BACK),
    DO('h', KEY_CTRL, COMMAND_DELETE_BACK),
    DO(KEY_DELETE, 0, COMMAND_DELETE_FORWARD),
    DO('d', KEY_CTRL, COMMAND_DELETE_FORWARD),
    DO(KEY_BACKSPACE, KEY_ALT, COMMAND_DELETE_WORD_BACK),
    DO(KEY_BACKSPACE, KEY_CTRL, COMMAND_DELETE_WORD_BACK),
    DO(KEY_DELETE, KEY_CTRL, COMMAND_DELETE_WORD_FORWARD),
    DO(KEY_DELETE, KEY_ALT, COMMAND_DELETE_WORD_FORWARD),
    DO('x', KEY_CTRL, COMMAND_CUT),
    DO('c', KEY_CTRL, COMMAND_COPY),
    DO('k', KEY_CTRL, COMMAND_CUT_LINE),
    DO(KEY_DELETE, KEY_SHIFT, COMMAND_CUT),
    DO(KEY_INSERT, KEY_CTRL, COMMAND_COPY),
    DO(KEY_UP, KEY_ALT, COMMAND_LINE_UP),
    DO(KEY_DOWN, KEY_ALT, COMMAND_LINE_DOWN),

    ASK('v', KEY_CTRL, REQUEST_PASTE),
    ASK('u', KEY_CTRL, REQUEST_PASTE),
    ASK(KEY_INSERT, KEY_SHIFT, REQUEST_PASTE),
    ASK('s', KEY_CTRL, REQUEST_SAVE),
    ASK('s', KEY_ALT, REQUEST_SAVE_AS),
    ASK('q', KEY_CTRL, REQUEST_QUIT),
    ASK('q', KEY_ALT, REQUEST_QUIT_FAILURE),
    ASK('z', KEY_CTRL, REQUEST_UNDO),
    ASK('y', KEY_CTRL, REQUEST_REDO),
    ASK('z', KEY_CTRL | KEY_SHIFT, REQUEST_REDO),
    ASK('o', KEY_CTRL, REQUEST_OPEN),
    ASK('f', KEY_CTRL, REQUEST_FIND),
    ASK('w', KEY_CTRL, REQUEST_FIND),
    ASK('n', KEY_ALT, REQUEST_FIND_NEXT),
    ASK('n', KEY_ALT | KEY_SHIFT, REQUEST_FIND_PREVIOUS),
    ASK('g', KEY_ALT, REQUEST_GO_LINE),
    ASK('g', KEY_CTRL, REQUEST_HELP),
    ASK(KEY_F1, 0, REQUEST_HELP),
    ASK(KEY_F1 + 1, 0, REQUEST_PEOPLE),
    ASK('p', KEY_ALT, REQUEST_PEOPLE),
    ASK(KEY_F1 + 2, 0, REQUEST_LINKS),
    ASK('l', KEY_ALT, REQUEST_LINKS),
    ASK('1', KEY_ALT, REQUEST_HELP), /* for terminals that keep the function keys to themselves */
    ASK('2', KEY_ALT, REQUEST_PEOPLE),
    ASK('3', KEY_ALT, REQUEST_LINKS),
    ASK(KEY_F1 + 11, 0, REQUEST_MESSAGES),
    ASK('m', KEY_ALT, REQUEST_MESSAGES),
    ASK('f', KEY_ALT, REQUEST_FOLLOW),
    ASK('a', KEY_ALT, REQUEST_ALONE),
    ASK('h', KEY_ALT, REQUEST_MERGE_HELD),
    ASK('z', KEY_ALT, REQUEST_SUSPEND),
    ASK('.', KEY_ALT, REQUEST_NEXT_FILE),
    ASK(',', KEY_ALT, REQUEST_PREVIOUS_FILE),
    ASK('#', KEY_ALT, REQUEST_LINE_NUMBERS),
    ASK('l', KEY_CTRL, REQUEST_REDRAW),
    ASK(KEY_ESC, 0, REQUEST_ESCAPE),
};
enum { ENTRIES = sizeof entries / sizeof *entries };

struct binding keymap_find(struct key key)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        const struct keymap_entry *entry = &entries[i];
        if (!key_equal(entry->key, key))
            continue;
        if (entry->is_request)
            return (struct binding){.kind = BINDING_REQUEST, .request = (enum request)entry->action};
        return (struct binding){.kind = BINDING_COMMAND, .command = (enum command)entry->action, .extend = entry->extend};
    }
    bool types = key.code < 0x110000 && key.code >= 0x20 && (key.mods & ~(unsigned)KEY_SHIFT) == 0;
    return (struct binding){.kind = types ? BINDING_TEXT : BINDING_NONE};
}
