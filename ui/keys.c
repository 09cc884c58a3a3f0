#include "ui/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum { ESC = 0x1b, BEL = 0x07, BACKSPACE = 0x08, DEL = 0x7f, REPLACEMENT = 0xfffd };
enum { STRING_BYTES_MAX = 4096 /* a longer answer of the terminal is somebody typing: give the keys back */ };

#define PASTE_START "\x1b[200~"
#define PASTE_END "\x1b[201~"
enum { PASTE_MARK_LEN = 6 };

enum mode { MODE_KEYS, MODE_PASTE, MODE_STRING };

struct keys {
    struct buf bytes;  /* what was fed */
    size_t at;         /* how much of it is taken */
    uint64_t fed_ms;   /* when the last bytes came */
    uint64_t since_ms; /* ... and the first of those that were pending before them */
    struct buf paste;  /* the chunk handed out last, line ends made LF */
    enum mode mode;
    size_t string_len; /* of the terminal's answer being skipped */
    bool paste_first;  /* no chunk of this paste was handed out yet */
    bool paste_cr;     /* the last pasted byte was a CR: an LF now belongs to it */
    bool timed_out;    /* nothing followed: pending bytes are keys by themselves */
    unsigned char erase;
};

/* What a parser made of the bytes in front of it. */
enum outcome { NEED_MORE, EVENT, SKIP, ENTER_PASTE, ENTER_STRING };

struct parse {
    struct bytes bytes; /* all that is pending */
    bool complete;      /* no more will come: do not wait */
    unsigned char erase;
    size_t len;         /* out: bytes used; unless NEED_MORE at least 1 */
    struct input *input;
};

/* The numbers of one control sequence: `CSI 97:65;5:3u` is {97,5}, with the second sub-parameters {65,3}. */
enum { CSI_PARAMS_MAX = 8, CSI_VALUE_MAX = 0x1fffff };
struct csi {
    unsigned char prefix; /* '<', '=', '>', '?' or 0 */
    unsigned char final;
    bool intermediate;
    int count;
    uint32_t value[CSI_PARAMS_MAX];
    uint32_t sub[CSI_PARAMS_MAX];
};

struct keys *keys_new(void)
{
    struct keys *keys = xcalloc(1, sizeof *keys);
    keys->erase = DEL;
    return keys;
}

void keys_free(struct keys *keys)
{
    if (!keys)
        return;
    buf_release(&keys->bytes);
    buf_release(&keys->paste);
    free(keys);
}

void keys_set_erase(struct keys *keys, unsigned char erase)
{
    keys->erase = erase;
}

static struct bytes keys_pending(const struct keys *keys)
{
    struct bytes all = buf_view(&keys->bytes);
    return bytes_slice(all, keys->at, all.len - keys->at);
}

/* When the first pending byte came. Something was taken since the last feed: then that one brought it. */
static uint64_t keys_pending_since(const struct keys *keys)
{
    return keys->at > 0 ? keys->fed_ms : keys->since_ms;
}

void keys_feed(struct keys *keys, struct bytes bytes, uint64_t now_ms)
{
    ensure(bytes.len <= KEYS_FEED_MAX);
    if (bytes.len == 0)
        return;
    size_t left = keys->bytes.len - keys->at;
    keys->since_ms = left > 0 ? keys_pending_since(keys) : now_ms;
    keys->fed_ms = now_ms;
    if (keys->at > 0 && left > 0)
        memmove(keys->bytes.data, keys->bytes.data + keys->at, left);
    keys->bytes.len = left;
    keys->at = 0;
    buf_add_bytes(&keys->bytes, bytes);
    keys->timed_out = false;
}

/* ---- one spelling for one key ---- */

static uint32_t named_from_ascii(uint32_t code)
{
    switch (code) {
    case ESC:
        return KEY_ESC;
    case '\r':
        return KEY_ENTER;
    case '\t':
        return KEY_TAB;
    case DEL:
    case BACKSPACE:
        return KEY_BACKSPACE;
    default:
        return code;
    }
}

static enum outcome key_event(struct parse *parse, uint32_t code, unsigned mods)
{
    bool combined = (mods & (KEY_CTRL | KEY_ALT | KEY_SUPER)) != 0;
    if (combined && code >= 'A' && code <= 'Z') {
        code += 'a' - 'A';
        mods |= KEY_SHIFT;
    } else if (!combined && code < KEY_ESC) {
        if ((mods & KEY_SHIFT) && code >= 'a' && code <= 'z')
            code -= 'a' - 'A';
        mods = 0;
    }
    *parse->input = (struct input){.kind = INPUT_KEY, .key = {code, mods}};
    return EVENT;
}

/* Modifiers as xterm and kitty send them: one more than the bits. Locks, hyper and meta (16 and up) mean nothing. */
static unsigned mods_of(uint32_t value)
{
    return value ? (value - 1) & (KEY_SHIFT | KEY_ALT | KEY_CTRL | KEY_SUPER) : 0;
}

/* A key reported by its code point: kitty's `CSI u` and xterm's `CSI 27;m;k~`. */
static enum outcome codepoint_event(struct parse *parse, uint32_t code, unsigned mods)
{
    if (code < 0x20 && named_from_ascii(code) == code)
        return code >= 1 && code <= 26 ? key_event(parse, code + 'a' - 1, mods | KEY_CTRL) : SKIP;
    if (code >= UNICODE_INVALID || (code >= 0xd800 && code <= 0xdfff))
        return SKIP;
    return key_event(parse, named_from_ascii(code), mods);
}

static enum outcome control_event(struct parse *parse, unsigned char byte, unsigned mods)
{
    if (byte == BACKSPACE && parse->erase != BACKSPACE)
        return key_event(parse, 'h', mods | KEY_CTRL);
    uint32_t named = named_from_ascii(byte);
    if (named != byte)
        return key_event(parse, named, mods);
    if (byte == 0)
        return key_event(parse, ' ', mods | KEY_CTRL);
    uint32_t letter = byte <= 26 ? 'a' - 1 : '@';
    return key_event(parse, byte + letter, mods | KEY_CTRL);
}

/* ---- plain bytes ---- */

static size_t utf8_needed(unsigned char lead)
{
    return lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
}

static bool utf8_is_cut(struct bytes bytes)
{
    if (bytes.len >= utf8_needed(bytes.data[0]))
        return false;
    for (size_t i = 1; i < bytes.len; i++) {
        if (!utf8_is_continuation(bytes.data[i]))
            return false;
    }
    return true;
}

static enum outcome parse_character(struct parse *parse, struct bytes bytes, unsigned mods)
{
    unsigned char byte = bytes.data[0];
    if (byte < 0x20 || byte == DEL) {
        parse->len += 1;
        return control_event(parse, byte, mods);
    }
    if (!parse->complete && utf8_is_cut(bytes))
        return NEED_MORE;
    uint32_t code = 0;
    parse->len += utf8_decode(bytes, &code);
    if (code >= UNICODE_INVALID)
        code = REPLACEMENT;
    if (code >= 0x80 && code < 0xa0) /* a C1 control nobody has a key for */
        return SKIP;
    return key_event(parse, code, mods);
}

/* ---- control sequences ---- */

static uint32_t arrow_key(unsigned char final)
{
    switch (final) {
    case 'A':
        return KEY_UP;
    case 'B':
        return KEY_DOWN;
    case 'C':
        return KEY_RIGHT;
    case 'D':
        return KEY_LEFT;
    case 'H':
        return KEY_HOME;
    case 'F':
        return KEY_END;
    case 'P':
    case 'Q':
    case 'R':
    case 'S':
        return KEY_F1 + final - 'P';
    default:
        return 0;
    }
}

/* VT220 numbering, `CSI n ~`; the gaps are DEC's. */
static uint32_t tilde_key(uint32_t number)
{
    static const uint32_t editing[] = {0,       KEY_HOME,      KEY_INSERT, KEY_DELETE, KEY_END, KEY_PAGE_UP,
                                       KEY_PAGE_DOWN, KEY_HOME, KEY_END};
    static const unsigned char function[] = {1,  2,  3,  4,  5, 0,  6,  7, 8,  9,  10, 0,
                                             11, 12, 13, 14, 0, 15, 16, 0, 17, 18, 19, 20};
    if (number < sizeof editing / sizeof *editing)
        return editing[number];
    if (number < 11 || number >= 11 + sizeof function || !function[number - 11])
        return 0;
    return KEY_F1 + function[number - 11] - 1u;
}

/* Kitty's private-use numbers of the keypad; other functional keys have no meaning here. */
static uint32_t kitty_key(uint32_t code)
{
    static const char digits[] = "0123456789./*-+";
    static const uint32_t named[] = {KEY_ENTER,    '=',          ',',      KEY_LEFT, KEY_RIGHT,  KEY_UP,    KEY_DOWN,
                                     KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_HOME, KEY_END,  KEY_INSERT, KEY_DELETE};
    enum { KP_FIRST = 57399, KP_NAMED = KP_FIRST + 15, F13 = 57376, F35 = 57398 };
    if (code >= F13 && code <= F35)
        return KEY_F1 + 12 + (code - F13);
    if (code >= KP_FIRST && code < KP_NAMED)
        return (unsigned char)digits[code - KP_FIRST];
    if (code >= KP_NAMED && code < KP_NAMED + sizeof named / sizeof *named)
        return named[code - KP_NAMED];
    return code >= 0xe000 && code <= 0xf8ff ? 0 : code;
}

static enum outcome named_event(struct parse *parse, uint32_t code, unsigned mods)
{
    return code ? key_event(parse, code, mods) : SKIP;
}

static enum outcome kitty_event(struct parse *parse, const struct csi *csi)
{
    enum { RELEASED = 3 };
    if (csi->count == 0 || csi->sub[1] == RELEASED || csi->value[0] >= UNICODE_INVALID)
        return SKIP;
    uint32_t code = kitty_key(csi->value[0]);
    unsigned mods = mods_of(csi->value[1]);
    bool text = !(mods & (KEY_CTRL | KEY_ALT | KEY_SUPER));
    if (text && (mods & KEY_SHIFT) && csi->sub[0] && csi->sub[0] < UNICODE_INVALID)
        code = csi->sub[0];
    if (code >= KEY_ESC)
        return key_event(parse, code, mods);
    return code ? codepoint_event(parse, code, mods) : SKIP;
}

static enum outcome tilde_event(struct parse *parse, const struct csi *csi)
{
    enum { OTHER_KEY = 27, PASTE_BEGINS = 200, RELEASED = 3 };
    if (csi->sub[1] == RELEASED)
        return SKIP;
    if (csi->value[0] == OTHER_KEY && csi->count == 3)
        return codepoint_event(parse, csi->value[2], mods_of(csi->value[1]));
    if (csi->value[0] == PASTE_BEGINS)
        return ENTER_PASTE;
    return named_event(parse, tilde_key(csi->value[0]), mods_of(csi->value[1]));
}

static enum outcome mouse_event(struct parse *parse, uint32_t flags, uint32_t x, uint32_t y, bool released)
{
    static const enum mouse_button buttons[] = {MOUSE_LEFT, MOUSE_MIDDLE, MOUSE_RIGHT, MOUSE_NONE};
    enum { FLAG_SHIFT = 4, FLAG_ALT = 8, FLAG_CTRL = 16, FLAG_MOTION = 32, FLAG_WHEEL = 64, FLAG_EXTRA = 128 };
    if ((flags & FLAG_EXTRA) || ((flags & FLAG_WHEEL) && ((flags & 2) || released)))
        return SKIP; /* buttons 8 to 11, sideways wheels */
    struct mouse mouse = {.button = buttons[flags & 3], .row = y ? (int)y - 1 : 0, .col = x ? (int)x - 1 : 0};
    mouse.mods |= flags & FLAG_SHIFT ? KEY_SHIFT : 0u;
    mouse.mods |= flags & FLAG_ALT ? KEY_ALT : 0u;
    mouse.mods |= flags & FLAG_CTRL ? KEY_CTRL : 0u;
    if (flags & FLAG_WHEEL) {
        mouse.button = MOUSE_NONE;
        mouse.action = flags & 1 ? MOUSE_WHEEL_DOWN : MOUSE_WHEEL_UP;
    } else if (flags & FLAG_MOTION) {
        mouse.action = mouse.button == MOUSE_NONE ? MOUSE_MOVE : MOUSE_DRAG;
    } else {
        mouse.action = released || mouse.button == MOUSE_NONE ? MOUSE_RELEASE : MOUSE_PRESS;
    }
    *parse->input = (struct input){.kind = INPUT_MOUSE, .mouse = mouse};
    return EVENT;
}

static enum outcome focus_event(struct parse *parse, bool in)
{
    *parse->input = (struct input){.kind = in ? INPUT_FOCUS_IN : INPUT_FOCUS_OUT};
    return EVENT;
}

/* rxvt: `CSI 5^` is Ctrl+PageUp, `CSI 5$` Shift+, `CSI 5@` both; `CSI a` is Shift+Up. */
static enum outcome rxvt_event(struct parse *parse, const struct csi *csi)
{
    switch (csi->final) {
    case '^':
        return named_event(parse, tilde_key(csi->value[0]), KEY_CTRL);
    case '$':
        return named_event(parse, tilde_key(csi->value[0]), KEY_SHIFT);
    case '@':
        return named_event(parse, tilde_key(csi->value[0]), KEY_SHIFT | KEY_CTRL);
    case 'a':
    case 'b':
    case 'c':
    case 'd':
        return csi->count ? SKIP : key_event(parse, arrow_key((unsigned char)(csi->final - 'a' + 'A')), KEY_SHIFT);
    default:
        return SKIP;
    }
}

static enum outcome csi_event(struct parse *parse, const struct csi *csi)
{
    if (csi->prefix == '<' && (csi->final == 'M' || csi->final == 'm') && csi->count == 3)
        return mouse_event(parse, csi->value[0], csi->value[1], csi->value[2], csi->final == 'm');
    if (csi->prefix || csi->intermediate)
        return SKIP; /* an answer: DA, DECRPM, kitty's flags */
    switch (csi->final) {
    case '~':
        return tilde_event(parse, csi);
    case 'u':
        return kitty_event(parse, csi);
    case 'Z':
        return key_event(parse, KEY_TAB, mods_of(csi->value[1]) | KEY_SHIFT);
    case 'I':
    case 'O':
        return csi->count ? SKIP : focus_event(parse, csi->final == 'I');
    case 'R': /* F3, or the cursor's place when asked for: we do not ask, and F3's first number is 1 */
        return csi->value[0] > 1 ? SKIP : key_event(parse, KEY_F1 + 2, mods_of(csi->value[1]));
    default:
        break;
    }
    uint32_t code = arrow_key(csi->final);
    if (!code)
        return rxvt_event(parse, csi);
    return csi->sub[1] == 3 /* released */ ? SKIP : key_event(parse, code, mods_of(csi->value[1]));
}

static void csi_read_params(struct csi *csi, struct bytes params)
{
    uint32_t value = 0;
    int sub = 0;
    csi->count = params.len ? 1 : 0;
    for (size_t i = 0; i < params.len; i++) {
        unsigned char byte = params.data[i];
        if (byte >= '0' && byte <= '9') {
            value = value * 10 + (byte - '0');
            value = value > CSI_VALUE_MAX ? CSI_VALUE_MAX : value;
            if (csi->count <= CSI_PARAMS_MAX && sub < 2)
                (sub ? csi->sub : csi->value)[csi->count - 1] = value;
        } else {
            value = 0;
            sub = byte == ':' ? sub + 1 : 0;
            csi->count += byte == ';';
        }
    }
    if (csi->count > CSI_PARAMS_MAX)
        csi->count = CSI_PARAMS_MAX;
}

static enum outcome parse_linux_function_key(struct parse *parse, struct bytes bytes)
{
    if (bytes.len < 4)
        return NEED_MORE;
    parse->len += 4;
    unsigned char which = bytes.data[3];
    return which >= 'A' && which <= 'E' ? key_event(parse, KEY_F1 + which - 'A', 0) : SKIP;
}

static enum outcome parse_x10_mouse(struct parse *parse, struct bytes bytes)
{
    if (bytes.len < 6)
        return NEED_MORE;
    parse->len += 6;
    const unsigned char *at = bytes.data + 3;
    if (at[0] < 32 || at[1] < 33 || at[2] < 33)
        return SKIP;
    return mouse_event(parse, at[0] - 32u, at[1] - 32u, at[2] - 32u, false);
}

/* Where parameters and intermediates end. `CSI 3$` is a whole key of rxvt; in `CSI ?1;2$y` the `$` goes before `y`. */
static size_t csi_scan(struct bytes bytes, size_t from, struct csi *csi)
{
    size_t at = from;
    bool single = !csi->prefix;
    while (at < bytes.len && bytes.data[at] >= 0x30 && bytes.data[at] <= 0x3f)
        single = bytes.data[at++] != ';' && single;
    if (at < bytes.len && bytes.data[at] == '$' && single && at > from)
        return at;
    while (at < bytes.len && bytes.data[at] >= 0x20 && bytes.data[at] <= 0x2f) {
        csi->intermediate = true;
        at++;
    }
    return at;
}

static enum outcome parse_csi(struct parse *parse, struct bytes bytes)
{
    size_t from = 2;
    struct csi csi = {0};
    if (bytes.len == from)
        return NEED_MORE;
    if (bytes.data[from] == '[')
        return parse_linux_function_key(parse, bytes);
    if (bytes.data[from] == 'M')
        return parse_x10_mouse(parse, bytes);
    if (bytes.data[from] >= '<' && bytes.data[from] <= '?')
        csi.prefix = bytes.data[from++];
    size_t end = csi_scan(bytes, from, &csi);
    if (end > KEYS_SEQUENCE_MAX) {
        parse->len += end;
        return SKIP;
    }
    if (end == bytes.len)
        return NEED_MORE;
    csi.final = bytes.data[end];
    bool broken_off = csi.final != '$' && (csi.final < 0x40 || csi.final > 0x7e);
    if (broken_off) { /* what interrupts it stands for itself */
        parse->len += end;
        return SKIP;
    }
    csi_read_params(&csi, bytes_slice(bytes, from, end - from));
    parse->len += end + 1;
    return csi_event(parse, &csi);
}

/* Application keypad: `ESC O j` is *, up to `ESC O y`, 9; `ESC O M` is Enter. */
static uint32_t ss3_key(unsigned char final)
{
    static const char keypad[] = "*+,-./0123456789";
    if (final >= 'j' && final <= 'y')
        return (unsigned char)keypad[final - 'j'];
    if (final == 'M')
        return KEY_ENTER;
    if (final == 'X')
        return '=';
    return arrow_key(final);
}

static enum outcome parse_ss3(struct parse *parse, struct bytes bytes)
{
    size_t at = 2;
    uint32_t mods = 0;
    for (; at < bytes.len && at < KEYS_SEQUENCE_MAX; at++) {
        unsigned char byte = bytes.data[at];
        if (byte != ';' && (byte < '0' || byte > '9'))
            break;
        mods = byte == ';' ? 0 : (mods * 10 + byte - '0') & 0xff;
    }
    if (at == bytes.len)
        return NEED_MORE;
    unsigned char final = bytes.data[at];
    if (final >= 'a' && final <= 'd') { /* rxvt: Ctrl + arrow */
        parse->len += at + 1;
        return key_event(parse, arrow_key((unsigned char)(final - 'a' + 'A')), KEY_CTRL);
    }
    uint32_t code = ss3_key(final);
    parse->len += code || (final >= 0x40 && final < DEL) ? at + 1 : at;
    return named_event(parse, code, mods_of(mods));
}

/* ---- escape: a sequence, an answer, Alt, or the key ---- */

/* An answer of the terminal begins with these; anything else after the introducer is Alt and a character. */
static bool string_begins(unsigned char introducer, unsigned char next)
{
    bool digit = next >= '0' && next <= '9';
    switch (introducer) {
    case ']':
        return digit;
    case 'P':
        return digit || next == '>' || next == '!' || next == '$' || next == '+' || next == '|';
    case '_':
        return next == 'G';
    default:
        return false;
    }
}

static bool introduces_string(unsigned char byte)
{
    return byte == ']' || byte == 'P' || byte == '_';
}

/* DCS, SOS, PM and APC; ESC P is Alt+P as well, and so on: which it is, shows at the terminator. */
static bool may_begin_string(unsigned char byte)
{
    return byte == 'P' || byte == 'X' || byte == '^' || byte == '_';
}

enum string_end { STRING_ENDS, STRING_GOES_ON, STRING_IS_NONE };

/* bytes[0..1] may begin a string: *len is how long it is when it ends here. */
static enum string_end string_end(struct bytes bytes, size_t *len)
{
    size_t at = 2;
    while (at < bytes.len && at < STRING_BYTES_MAX && bytes.data[at] >= 0x20 && bytes.data[at] != DEL)
        at++;
    size_t left = bytes.len - at;
    *len = at + 2;
    if (left > 0 && at == 2) /* with nothing in it, it is two keys with Alt */
        return STRING_IS_NONE;
    if (left >= 2)
        return bytes.data[at] == ESC && bytes.data[at + 1] == '\\' ? STRING_ENDS : STRING_IS_NONE;
    bool cut = left == 0 || bytes.data[at] == ESC;
    return cut && at < STRING_BYTES_MAX ? STRING_GOES_ON : STRING_IS_NONE;
}

static enum outcome parse_alt(struct parse *parse, struct bytes bytes)
{
    parse->len += 1;
    return parse_character(parse, bytes_slice(bytes, 1, bytes.len - 1), KEY_ALT);
}

static enum outcome parse_alt_or_string(struct parse *parse, struct bytes bytes)
{
    size_t len = 0;
    enum string_end end = string_end(bytes, &len);
    if (end == STRING_GOES_ON && !parse->complete)
        return NEED_MORE;
    if (end != STRING_ENDS)
        return parse_alt(parse, bytes);
    parse->len += len;
    return SKIP;
}

static enum outcome escape_key(struct parse *parse)
{
    parse->len += 1;
    return key_event(parse, KEY_ESC, 0);
}

/* bytes[0] is ESC and something follows. */
static enum outcome parse_sequence(struct parse *parse, struct bytes bytes)
{
    unsigned char second = bytes.data[1];
    bool prefix_only = bytes.len == 2 && (second == '[' || second == 'O' || introduces_string(second));
    if (prefix_only)
        return parse->complete ? parse_alt(parse, bytes) : NEED_MORE;
    if (second == '[')
        return parse_csi(parse, bytes);
    if (second == 'O')
        return parse_ss3(parse, bytes);
    if (introduces_string(second) && string_begins(second, bytes.data[2])) {
        parse->len += 2;
        return ENTER_STRING;
    }
    return may_begin_string(second) ? parse_alt_or_string(parse, bytes) : parse_alt(parse, bytes);
}

/* ESC ESC: rxvt and others send Alt+Up as ESC, then the whole sequence of Up. */
static enum outcome parse_double_escape(struct parse *parse, struct bytes bytes)
{
    if (bytes.len == 2)
        return parse->complete ? escape_key(parse) : NEED_MORE;
    if (bytes.data[2] != '[' && bytes.data[2] != 'O')
        return escape_key(parse);
    if (bytes.len == 3)
        return parse->complete ? escape_key(parse) : NEED_MORE;
    parse->len = 1;
    enum outcome outcome = parse_sequence(parse, bytes_slice(bytes, 1, bytes.len - 1));
    if (outcome == EVENT && parse->input->kind == INPUT_KEY)
        parse->input->key.mods |= KEY_ALT;
    return outcome;
}

static enum outcome parse_next(struct parse *parse)
{
    struct bytes bytes = parse->bytes;
    if (bytes.len == 0)
        return NEED_MORE;
    if (bytes.data[0] != ESC)
        return parse_character(parse, bytes, 0);
    if (bytes.len == 1)
        return parse->complete ? escape_key(parse) : NEED_MORE;
    if (bytes.data[1] == ESC)
        return parse_double_escape(parse, bytes);
    return parse_sequence(parse, bytes);
}

/* ---- answers of the terminal ---- */

/* Skips what belongs to the answer. Text in it is printable: a control ends it, so typing can never vanish for long. */
static void string_skip(struct keys *keys)
{
    struct bytes bytes = keys_pending(keys);
    size_t at = 0;
    while (at < bytes.len && bytes.data[at] >= 0x20 && bytes.data[at] != DEL && keys->string_len < STRING_BYTES_MAX) {
        keys->string_len++;
        at++;
    }
    keys->at += at;
    bytes = keys_pending(keys);
    if (bytes.len == 0)
        return;
    bool terminator = bytes.len >= 2 && bytes.data[0] == ESC && bytes.data[1] == '\\';
    if (bytes.len == 1 && bytes.data[0] == ESC && !keys->timed_out)
        return;
    keys->at += terminator ? 2 : bytes.data[0] == BEL ? 1 : 0;
    keys->mode = MODE_KEYS;
}

static bool string_is_waiting(const struct keys *keys)
{
    return keys->mode == MODE_STRING;
}

/* ---- pastes ---- */

static size_t find_mark(struct bytes bytes, size_t from, const char *mark)
{
    if (from >= bytes.len)
        return SIZE_MAX;
    const unsigned char *found = memmem(bytes.data + from, bytes.len - from, mark, PASTE_MARK_LEN);
    return found ? (size_t)(found - bytes.data) : SIZE_MAX;
}

/* Bytes at the end that may be the beginning of an end marker. */
static size_t mark_cut_at_end(struct bytes bytes)
{
    size_t most = bytes.len < PASTE_MARK_LEN - 1 ? bytes.len : PASTE_MARK_LEN - 1;
    for (size_t len = most; len > 0; len--) {
        if (memcmp(bytes.data + bytes.len - len, PASTE_END, len) == 0)
            return len;
    }
    return 0;
}

/* An end marker is the pasted text's own when a second one follows without a start between them. */
static bool end_is_forged(struct bytes bytes, size_t end)
{
    size_t again = find_mark(bytes, end + PASTE_MARK_LEN, PASTE_END);
    if (again == SIZE_MAX)
        return false;
    size_t behind = end + PASTE_MARK_LEN;
    return find_mark(bytes_slice(bytes, 0, again), behind, PASTE_START) == SIZE_MAX;
}

static void paste_add(struct keys *keys, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = bytes.data[i];
        if (byte != '\n' || !keys->paste_cr)
            buf_add_byte(&keys->paste, byte == '\r' ? '\n' : byte);
        keys->paste_cr = byte == '\r';
    }
}

static bool paste_next(struct keys *keys, struct input *input)
{
    struct bytes bytes = keys_pending(keys);
    buf_clear(&keys->paste);
    size_t end = find_mark(bytes, 0, PASTE_END);
    while (end != SIZE_MAX && end_is_forged(bytes, end)) {
        paste_add(keys, bytes_slice(bytes, 0, end));
        keys->at += end + PASTE_MARK_LEN;
        bytes = keys_pending(keys);
        end = find_mark(bytes, 0, PASTE_END);
    }
    bool last = end != SIZE_MAX;
    size_t take = last ? end : bytes.len - mark_cut_at_end(bytes);
    paste_add(keys, bytes_slice(bytes, 0, take));
    keys->at += last ? take + PASTE_MARK_LEN : take;
    if (!last && keys->paste.len == 0)
        return false;
    *input = (struct input){.kind = INPUT_PASTE};
    input->paste.text = buf_view(&keys->paste);
    input->paste.first = keys->paste_first;
    input->paste.last = last;
    keys->paste_first = false;
    keys->mode = last ? MODE_KEYS : MODE_PASTE;
    return true;
}

/* ---- the machine ---- */

static void keys_enter(struct keys *keys, enum mode mode)
{
    keys->mode = mode;
    keys->string_len = 0;
    keys->paste_first = true;
    keys->paste_cr = false;
}

/* One step in MODE_KEYS: true when an event came out; *more tells whether going on makes sense. */
static bool keys_step(struct keys *keys, struct input *input, bool *more)
{
    struct parse parse = {
        .bytes = keys_pending(keys), .complete = keys->timed_out, .erase = keys->erase, .input = input};
    enum outcome outcome = parse_next(&parse);
    *more = outcome != NEED_MORE;
    if (outcome == NEED_MORE)
        return false;
    ensure(parse.len > 0 && parse.len <= parse.bytes.len);
    keys->at += parse.len;
    if (outcome == ENTER_PASTE)
        keys_enter(keys, MODE_PASTE);
    if (outcome == ENTER_STRING)
        keys_enter(keys, MODE_STRING);
    return outcome == EVENT;
}

bool keys_next(struct keys *keys, struct input *input)
{
    for (;;) {
        bool more = true;
        switch (keys->mode) {
        case MODE_PASTE:
            return paste_next(keys, input);
        case MODE_STRING:
            string_skip(keys);
            if (string_is_waiting(keys))
                return false;
            break;
        case MODE_KEYS:
            if (keys_step(keys, input, &more))
                return true;
            break;
        }
        if (!more)
            return false;
    }
}

uint64_t keys_deadline_ms(const struct keys *keys)
{
    struct bytes bytes = keys_pending(keys);
    if (keys->mode == MODE_PASTE || bytes.len == 0 || bytes.data[0] != ESC)
        return UINT64_MAX;
    unsigned char last = bytes.data[bytes.len - 1];
    bool alt_sequence = bytes.len == 3 && bytes.data[1] == ESC;
    if (bytes.len == 1 || (bytes.len == 2 && last == ESC))
        return keys->fed_ms + KEYS_ESC_MS;
    if ((bytes.len == 2 || alt_sequence) && (last == '[' || last == 'O' || introduces_string(last)))
        return keys->fed_ms + KEYS_PREFIX_MS;
    size_t len = 0;
    bool string_goes_on = may_begin_string(bytes.data[1]) && string_end(bytes, &len) == STRING_GOES_ON;
    uint64_t soon_ms = keys->fed_ms + KEYS_ESC_MS, latest_ms = keys_pending_since(keys) + KEYS_STRING_MS;
    return !string_goes_on ? UINT64_MAX : soon_ms < latest_ms ? soon_ms : latest_ms;
}

void keys_timeout(struct keys *keys)
{
    keys->timed_out = keys_deadline_ms(keys) != UINT64_MAX;
}

/* ---- names ---- */

bool key_equal(struct key a, struct key b)
{
    return a.code == b.code && a.mods == b.mods;
}

static const char *named_key_name(uint32_t code)
{
    static const char *const names[] = {"Esc", "Enter", "Tab",  "Backspace", "Insert", "Delete", "Up",
                                        "Down", "Left", "Right", "Home",      "End",    "PageUp", "PageDown"};
    size_t index = code - KEY_ESC;
    return code >= KEY_ESC && index < sizeof names / sizeof *names ? names[index] : NULL;
}

static void key_base_name(uint32_t code, char out[static UNSAFE_TEXT_MAX + 1])
{
    const char *named = named_key_name(code);
    if (named)
        snprintf(out, UNSAFE_TEXT_MAX + 1, "%s", named);
    else if (code >= KEY_F1 && code <= KEY_F35)
        snprintf(out, UNSAFE_TEXT_MAX + 1, "F%u", (unsigned)(code - KEY_F1 + 1));
    else if (code == ' ')
        snprintf(out, UNSAFE_TEXT_MAX + 1, "Space");
    else if (unicode_is_unsafe(code))
        unicode_unsafe_text(code, out);
    else
        out[utf8_encode(code, (unsigned char *)out)] = '\0';
}

const char *key_name(struct key key, char out[])
{
    char base[UNSAFE_TEXT_MAX + 1];
    key_base_name(key.code, base);
    snprintf(out, KEY_NAME_MAX, "%s%s%s%s%s", key.mods & KEY_SUPER ? "Super+" : "", key.mods & KEY_CTRL ? "Ctrl+" : "",
             key.mods & KEY_ALT ? "Alt+" : "", key.mods & KEY_SHIFT ? "Shift+" : "", base);
    return out;
}
