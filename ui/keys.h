/*
 * keys - from the raw bytes a terminal sends to what a person did.
 *
 * The program reads the terminal and feeds the bytes; keys_next() gives one event after the other. A sequence cut in
 * two by the network waits for its rest. Only an escape byte that stays alone is told from the Esc key by time:
 * keys_deadline_ms() says how long the program should wait for more, and keys_timeout() that it has.
 *
 * Understood: UTF-8, C0 controls, xterm, VT220, rxvt and Linux console keys with modifiers, `CSI u` (kitty, fixterms),
 * modifyOtherKeys, Alt as an ESC prefix, bracketed paste, SGR and X10 mouse, focus. Answers of the terminal (DA, DSR,
 * mode and colour reports, OSC, DCS, SOS, PM, APC) are swallowed; so is every sequence nobody knows. A string that looks
 * like no answer goes only when its terminator follows without a pause, and soon; else it is Alt+P, Alt+_ and what was
 * typed then.
 *
 * One key, one spelling: a control or Alt combination names the unshifted ASCII letter (^A is 'a' + KEY_CTRL,
 * Alt+Shift+A is 'a' + KEY_ALT + KEY_SHIFT); text keys carry no Shift ('A' is 'A'); Tab, Enter, Esc and Backspace are
 * named keys in every encoding.
 *
 * A paste comes as chunks: `paste.first` and `paste.last` mark its ends, line ends are LF. While bytes that were fed
 * hold one more end marker without a new start, an end marker is taken for pasted text's own (and dropped): text that
 * carries the marker cannot turn the rest of itself into key presses. Feed all that can be read before asking for
 * events.
 *
 *   Units      mouse rows and columns count from 0. Milliseconds are those of any clock that never goes back.
 *   Ownership  a paste's text is borrowed: it lives until the next call.
 *   Errors     none: any bytes are fine. A byte that is no UTF-8 becomes U+FFFD.
 *   Bounds     KEYS_FEED_MAX bytes a feed, fed when keys_next() has said false; a sequence longer than
 *              KEYS_SEQUENCE_MAX is dropped.
 *   Source     ECMA-48; xterm's ctlseqs; the kitty keyboard protocol.
 */
#ifndef WEFT_UI_KEYS_H
#define WEFT_UI_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "editor/base/bytes.h"

enum {
    KEYS_FEED_MAX = 1 << 16,
    KEYS_SEQUENCE_MAX = 128,
    KEYS_ESC_MS =
        40, /* a lone ESC byte is the Esc key after this; below what a person notices, above a terminal's pause */
    KEYS_STRING_MS = 80, /* ... and what may be a string, from its beginning on: else fast typing would hold itself back */
    KEYS_PREFIX_MS = 1000, /* ESC [ and ESC O, which may also be Alt+[ and Alt+O typed by hand */
};

/* Keys without a character; they lie above Unicode, so that one number names any key. */
enum key_named {
    KEY_ESC = 0x120000,
    KEY_ENTER,
    KEY_TAB,
    KEY_BACKSPACE,
    KEY_INSERT,
    KEY_DELETE,
    KEY_UP,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_F1 = 0x120100, /* KEY_F1 + n - 1 is the n-th function key */
    KEY_F35 = KEY_F1 + 34,
};

enum key_mods { KEY_SHIFT = 1, KEY_ALT = 2, KEY_CTRL = 4, KEY_SUPER = 8 };

struct key {
    uint32_t code; /* a code point or an enum key_named */
    unsigned mods; /* of enum key_mods */
};

enum mouse_action { MOUSE_PRESS, MOUSE_RELEASE, MOUSE_DRAG, MOUSE_MOVE, MOUSE_WHEEL_UP, MOUSE_WHEEL_DOWN };
enum mouse_button { MOUSE_NONE, MOUSE_LEFT, MOUSE_MIDDLE, MOUSE_RIGHT };

struct mouse {
    enum mouse_action action;
    enum mouse_button button;
    unsigned mods;
    int row, col;
};

enum input_kind { INPUT_KEY, INPUT_PASTE, INPUT_MOUSE, INPUT_FOCUS_IN, INPUT_FOCUS_OUT };

struct input {
    enum input_kind kind;
    struct key key;
    struct mouse mouse;
    struct {
        struct bytes text; /* may be empty, also in the first and last chunk */
        bool first, last;
    } paste;
};

struct keys;

struct keys *keys_new(void);
void keys_free(struct keys *keys);
/* The byte the Backspace key sends (termios' VERASE). When it is 0x08, ^H is Backspace; otherwise ^H is 'h' + KEY_CTRL.
 */
void keys_set_erase(struct keys *keys, unsigned char erase);

/* At most KEYS_FEED_MAX bytes, read at `now_ms`; what was fed earlier must have been taken with keys_next() first. */
void keys_feed(struct keys *keys, struct bytes bytes, uint64_t now_ms);
/* The next event; false when more bytes are needed. */
MUST_USE bool keys_next(struct keys *keys, struct input *input);

/* Until when to wait for more bytes before calling keys_timeout(); UINT64_MAX: as long as it takes. */
uint64_t keys_deadline_ms(const struct keys *keys);
/* That time has come: what is pending is a key by itself. Ask keys_next() afterwards. */
void keys_timeout(struct keys *keys);

/* "Ctrl+Shift+Left", "Alt+g", "F3": for help, logs and tests. Returns `out`. */
enum { KEY_NAME_MAX = 48 };
const char *key_name(struct key key, char out[]);
bool key_equal(struct key a, struct key b);

#endif
