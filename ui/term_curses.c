/*
 * The only file that knows ncurses. Curses decides which bytes turn one screen into the next; it does not write them to
 * the terminal: its output is a file in memory, from which we take them, wrap them in synchronised output when they are
 * many, and write them ourselves without blocking. putp() and friends would go to stdout behind curses' back, so what
 * curses does not know (paste marks, OSC 52, DEC 2026) is written next to it as plain bytes.
 */
#include "ui/term.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

#define FALLBACK_TYPE "xterm-256color"
#define SYNC_BEGIN "\x1b[?2026h"
#define SYNC_END "\x1b[?2026l"
#define MODES_ON "\x1b[?2004h\x1b[?1004h"
#define MODES_OFF "\x1b[?1002l\x1b[?1006l\x1b[?1004l\x1b[?2004l"
#define MOUSE_ON "\x1b[?1002h\x1b[?1006h"
#define SHAPE_BAR "\x1b[6 q"
#define SHAPE_BLOCK "\x1b[2 q"
#define SHAPE_DEFAULT "\x1b[0 q"
#define TITLE_PUSH "\x1b[22;2t"
#define TITLE_POP "\x1b[23;2t"

enum {
    SYNC_BYTES_MIN = 256, /* a key's echo is not worth two more sequences */
    ROWS_FALLBACK = 24,
    COLS_FALLBACK = 80,
    PAIR_UNSET = -1,
    TITLE_CELLS_MAX = 80,
    RESTORE_BYTES_MAX = 512,
    WIDE_MAX = CELL_BYTES_MAX, /* code points in a cell */
};

struct colour_pair {
    int fg, bg; /* -1: the terminal's own */
};

struct term {
    char warning[160]; /* about $TERM; "": none. The name in it is shown by the frame, which shows nothing unsafe */
    int fd;
    int sink;       /* the file in memory that curses writes to */
    FILE *sink_out; /* over `sink` */
    FILE *none_in;  /* /dev/null: curses must never read */
    SCREEN *screen;
    struct termios found;
    bool modern;    /* has xterm's alternate screen, so it knows or ignores private modes */
    bool mouse;
    bool suspended;
    int rows, cols;
    int colours;
    const struct theme *theme;
    struct frame shown; /* what is on the screen, once everything is flushed */
    bool stale;         /* `shown` says nothing: paint all */
    struct buf out;
    size_t out_at;
    uint64_t written;
    bool title_set, cursor_visible, shape_known;
    enum cursor_shape shape;
    short pair_of[INK_COUNT][INK_COUNT];
    struct colour_pair *pairs; /* pair n is pairs[n - 1] */
    size_t pair_count, pair_cap;
    char restore[RESTORE_BYTES_MAX]; /* what puts the terminal right in an emergency */
    size_t restore_len;
};

/* ---- bytes ---- */

static void put_string(struct term *term, const char *bytes)
{
    buf_add_string(&term->out, bytes);
}

/* Moves what curses has written so far into the out buffer. */
static void take_curses_output(struct term *term)
{
    off_t len = lseek(term->sink, 0, SEEK_CUR);
    if (len <= 0)
        return;
    bool sync = term->modern && len >= SYNC_BYTES_MIN;
    if (sync)
        put_string(term, SYNC_BEGIN);
    unsigned char *to = buf_extend(&term->out, (size_t)len);
    ensure(pread(term->sink, to, (size_t)len, 0) == len);
    lseek(term->sink, 0, SEEK_SET);
    if (sync)
        put_string(term, SYNC_END);
}

static enum term_flushed write_some(struct term *term)
{
    ssize_t n = write(term->fd, term->out.data + term->out_at, term->out.len - term->out_at);
    if (n > 0) {
        term->out_at += (size_t)n;
        term->written += (uint64_t)n;
        return TERM_FLUSHED;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? TERM_PENDING : TERM_GONE;
}

enum term_flushed term_flush(struct term *term)
{
    while (term->out_at < term->out.len) {
        enum term_flushed result = write_some(term);
        if (result != TERM_FLUSHED)
            return result;
    }
    buf_clear(&term->out);
    term->out_at = 0;
    return TERM_FLUSHED;
}

/* ---- opening ---- */

static bool make_raw(struct term *term)
{
    struct termios raw = term->found;
    cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    return tcsetattr(term->fd, TCSADRAIN, &raw) == 0;
}

static bool open_tty(struct term *term, const struct term_options *options, struct error *err)
{
    term->fd = options->fd >= 0 ? options->fd : open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (term->fd < 0)
        return error_errno(err, "cannot open the terminal");
    if (tcgetattr(term->fd, &term->found) != 0)
        return error_errno(err, "this is no terminal");
    /* Our own open file: the shell's standard input stays blocking. */
    int flags = fcntl(term->fd, F_GETFL);
    if (flags < 0 || fcntl(term->fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return error_errno(err, "cannot set up the terminal");
    return true;
}

static bool open_sink(struct term *term, struct error *err)
{
    term->sink = memfd_create("screen", MFD_CLOEXEC);
    int dup_fd = term->sink >= 0 ? fcntl(term->sink, F_DUPFD_CLOEXEC, 0) : -1;
    term->sink_out = dup_fd >= 0 ? fdopen(dup_fd, "w") : NULL;
    term->none_in = fopen("/dev/null", "re");
    if (!term->sink_out || !term->none_in)
        return error_errno(err, "cannot set up the screen");
    return true;
}

static void use_utf8(void)
{
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0 && !setlocale(LC_CTYPE, "C.UTF-8"))
        setlocale(LC_CTYPE, "C.utf8");
}

/* newterm() installs handlers for signals that are not its business. */
static SCREEN *quiet_newterm(struct term *term, const char *type)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
    enum { COUNT = sizeof signals / sizeof *signals };
    struct sigaction kept[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        sigaction(signals[i], NULL, &kept[i]);
    SCREEN *screen = newterm(type, term->sink_out, term->none_in);
    for (size_t i = 0; i < COUNT; i++)
        sigaction(signals[i], &kept[i], NULL);
    return screen;
}

static const char *terminal_type(const struct term_options *options)
{
    const char *type = options->type && options->type[0] ? options->type : FALLBACK_TYPE;
    bool rich = options->colorterm && options->colorterm[0];
    return rich && strcmp(type, "xterm") == 0 ? FALLBACK_TYPE : type;
}

static const char *capability(const char *name)
{
    const char *value = tigetstr(name);
    return value == (char *)-1 || !value ? "" : value;
}

static bool open_screen(struct term *term, const struct term_options *options, struct error *err)
{
    const char *type = terminal_type(options);
    if (!options->type || !options->type[0])
        snprintf(term->warning, sizeof term->warning, "TERM is not set: this is taken for %s. If the screen looks broken: "
                                                      "^Q, and set TERM.", FALLBACK_TYPE);
    term->screen = quiet_newterm(term, type);
    if (!term->screen) {
        snprintf(term->warning, sizeof term->warning, "The terminal \"%.40s\" is unknown here: taken for %s. If the screen "
                                                      "looks broken: ^Q, and set TERM.", type, FALLBACK_TYPE);
        term->screen = quiet_newterm(term, FALLBACK_TYPE);
    }
    if (!term->screen)
        return error_set(err, ERR_MISSING, 0,
                         "the terminal \"%.40s\" is unknown here, and so is %s: install ncurses-base, or set TERM",
                         type, FALLBACK_TYPE);
    set_term(term->screen);
    if (!capability("cup")[0])
        return error_set(err, ERR_USAGE, 0,
                         "the terminal \"%.40s\" cannot place its cursor: set TERM to what it really is, "
                         "for example TERM=%s",
                         type, FALLBACK_TYPE);
    return true;
}

const char *term_warning(const struct term *term)
{
    return term->warning[0] ? term->warning : NULL;
}

static void set_up_curses(struct term *term)
{
    nonl();
    leaveok(stdscr, FALSE);
    idcok(stdscr, TRUE);
    idlok(stdscr, FALSE);
    scrollok(stdscr, FALSE);
    typeahead(-1);
    term->modern = strstr(capability("rmcup"), "1049") != NULL;
}

static void set_up_colours(struct term *term, bool no_colour)
{
    for (size_t i = 0; i < INK_COUNT; i++) {
        for (size_t k = 0; k < INK_COUNT; k++)
            term->pair_of[i][k] = PAIR_UNSET;
    }
    int known = tigetnum("colors");
    if (no_colour || known < 8 || !has_colors() || start_color() != OK)
        return;
    use_default_colors();
    term->colours = known >= 256 ? 256 : 8;
}

static void restore_add(struct term *term, const char *bytes)
{
    /* Padding ($<5>) is for terminals of another age: leave it out. */
    for (; *bytes && term->restore_len < sizeof term->restore; bytes++) {
        const char *pad = bytes[0] == '$' && bytes[1] == '<' ? strchr(bytes, '>') : NULL;
        if (pad)
            bytes = pad;
        else
            term->restore[term->restore_len++] = *bytes;
    }
}

static void prepare_restore(struct term *term)
{
    if (term->modern)
        restore_add(term, SYNC_END MODES_OFF SHAPE_DEFAULT);
    restore_add(term, capability("sgr0"));
    restore_add(term, capability("op"));
    restore_add(term, capability("cnorm"));
    if (!capability("rmcup")[0]) /* no other screen to go back to: what was seen here must not stay */
        restore_add(term, capability("clear"));
    restore_add(term, capability("rmkx"));
    restore_add(term, capability("rmcup"));
    restore_add(term, "\r");
}

static void ask_size(struct term *term)
{
    struct winsize size = {0};
    bool known = ioctl(term->fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0;
    term->rows = known ? size.ws_row : ROWS_FALLBACK;
    term->cols = known ? size.ws_col : COLS_FALLBACK;
    term->rows = term->rows < FRAME_SIDE_MAX ? term->rows : FRAME_SIDE_MAX;
    term->cols = term->cols < FRAME_SIDE_MAX ? term->cols : FRAME_SIDE_MAX;
}

static void take_terminal(struct term *term)
{
    make_raw(term);
    if (term->modern) {
        put_string(term, MODES_ON);
        put_string(term, term->mouse ? MOUSE_ON : "");
    }
    term->shape_known = false;
    term_redraw(term);
}

struct term *term_open(const struct term_options *options, struct error *err)
{
    struct term *term = xcalloc(1, sizeof *term);
    term->fd = term->sink = -1;
    term->theme = options->theme ? options->theme : theme_dark();
    term->mouse = options->mouse;
    term->cursor_visible = true;
    use_utf8();
    if (!open_tty(term, options, err) || !open_sink(term, err) || !open_screen(term, options, err))
        goto fail;
    set_up_curses(term);
    set_up_colours(term, options->no_colour);
    prepare_restore(term);
    ask_size(term);
    resize_term(term->rows, term->cols);
    take_terminal(term);
    return term;

fail:
    term->suspended = true; /* nothing was taken, so there is nothing to give back */
    term_close(term);
    return NULL;
}

/* ---- leaving ---- */

/* Blocking for once: what is written now is the last thing the person sees of us. */
static void write_blocking(struct term *term)
{
    int flags = fcntl(term->fd, F_GETFL);
    fcntl(term->fd, F_SETFL, flags & ~O_NONBLOCK);
    enum term_flushed result = term_flush(term);
    (void)result; /* a terminal that is gone needs no restoring */
    fcntl(term->fd, F_SETFL, flags);
}

void term_suspend(struct term *term)
{
    if (term->suspended)
        return;
    set_term(term->screen);
    if (term->title_set)
        put_string(term, TITLE_POP);
    endwin();
    take_curses_output(term);
    buf_add(&term->out, term->restore, term->restore_len);
    write_blocking(term);
    tcsetattr(term->fd, TCSADRAIN, &term->found);
    term->title_set = false;
    term->suspended = true;
}

void term_resume(struct term *term)
{
    if (!term->suspended)
        return;
    term->suspended = false;
    take_terminal(term);
    term_resize(term);
}

void term_close(struct term *term)
{
    if (!term)
        return;
    term_suspend(term);
    if (term->screen)
        delscreen(term->screen);
    if (term->sink_out)
        fclose(term->sink_out);
    if (term->none_in)
        fclose(term->none_in);
    if (term->sink >= 0)
        close(term->sink);
    if (term->fd >= 0)
        close(term->fd);
    frame_release(&term->shown);
    buf_release(&term->out);
    free(term->pairs);
    free(term);
}

void term_restore_now(const struct term *term)
{
    if (term->suspended)
        return;
    ssize_t ignored = write(term->fd, term->restore, term->restore_len);
    (void)ignored;
    tcsetattr(term->fd, TCSANOW, &term->found);
}

/* ---- facts ---- */

int term_fd(const struct term *term)
{
    return term->fd;
}

int term_rows(const struct term *term)
{
    return term->rows;
}

int term_cols(const struct term *term)
{
    return term->cols;
}

int term_colours(const struct term *term)
{
    return term->colours;
}

unsigned char term_erase_byte(const struct term *term)
{
    return term->found.c_cc[VERASE];
}

uint64_t term_bytes_written(const struct term *term)
{
    return term->written;
}

void term_redraw(struct term *term)
{
    term->stale = true;
}

bool term_resize(struct term *term)
{
    int rows = term->rows;
    int cols = term->cols;
    ask_size(term);
    if (rows == term->rows && cols == term->cols)
        return false;
    set_term(term->screen);
    resize_term(term->rows, term->cols);
    term_redraw(term);
    return true;
}

/* ---- colours ---- */

static int colour_of(const struct term *term, unsigned ink)
{
    if (ink == INK_DEFAULT)
        return -1;
    struct theme_colour colour = term->theme->inks[ink];
    return term->colours == 256 ? theme_256(colour) : colour.ansi;
}

/* On eight colours a background is a strong one: text of the default colour, or of the same, would drown in it. */
static int readable_on(int fg, int bg)
{
    bool bright = bg == COLOR_GREEN || bg == COLOR_YELLOW || bg == COLOR_CYAN || bg == COLOR_WHITE;
    if (bg < 0 || (fg >= 0 && fg != bg))
        return fg;
    return bright ? COLOR_BLACK : COLOR_WHITE;
}

static short pair_number(struct term *term, struct colour_pair wanted)
{
    for (size_t i = 0; i < term->pair_count; i++) {
        if (term->pairs[i].fg == wanted.fg && term->pairs[i].bg == wanted.bg)
            return (short)(i + 1);
    }
    int most = COLOR_PAIRS < 32767 ? COLOR_PAIRS : 32767;
    if ((int)term->pair_count + 1 >= most)
        return 0;
    term->pairs = xgrow(term->pairs, &term->pair_cap, term->pair_count + 1, sizeof *term->pairs);
    term->pairs[term->pair_count++] = wanted;
    init_pair((short)term->pair_count, (short)wanted.fg, (short)wanted.bg);
    return (short)term->pair_count;
}

static short pair_of(struct term *term, struct style style)
{
    if (term->colours == 0 || (style.fg == INK_DEFAULT && style.bg == INK_DEFAULT))
        return 0;
    short *pair = &term->pair_of[style.fg][style.bg];
    if (*pair == PAIR_UNSET) {
        struct colour_pair wanted = {colour_of(term, style.fg), colour_of(term, style.bg)};
        if (term->colours == 8)
            wanted.fg = readable_on(wanted.fg, wanted.bg);
        *pair = pair_number(term, wanted);
    }
    return *pair;
}

static attr_t attrs_of(const struct term *term, struct style style)
{
    attr_t attrs = A_NORMAL;
    attrs |= style.attrs & ATTR_BOLD ? A_BOLD : 0;
    attrs |= style.attrs & ATTR_REVERSE ? A_REVERSE : 0;
    attrs |= style.attrs & ATTR_UNDERLINE ? A_UNDERLINE : 0;
    attrs |= style.attrs & ATTR_DIM ? A_DIM : 0;
    if (term->colours > 0)
        return attrs;
    /* Without colours a background becomes reverse, a tint an underline. */
    if (style.bg >= INK_TINT)
        attrs |= A_UNDERLINE;
    else if (style.bg != INK_DEFAULT)
        attrs ^= A_REVERSE;
    return attrs;
}

/* ---- cells ---- */

struct look {
    attr_t attrs;
    short pair;
};

static void carry(cchar_t *out, const wchar_t *text, size_t count, struct look look)
{
    wchar_t terminated[CCHARW_MAX + 1] = {0};
    ensure(count <= CCHARW_MAX);
    memcpy(terminated, text, count * sizeof *text);
    setcchar(out, terminated, look.attrs, look.pair, NULL);
}

static size_t cell_code_points(const struct cell *cell, wchar_t out[WIDE_MAX])
{
    struct bytes text = bytes_of(cell->text, cell->len);
    size_t count = 0;
    for (size_t at = 0; at < text.len;) {
        uint32_t code;
        at += utf8_decode(bytes_slice(text, at, text.len - at), &code);
        bool control = code < 0x20 || (code >= 0x7f && code < 0xa0) || code >= UNICODE_INVALID;
        out[count++] = control ? L'?' : (wchar_t)code;
    }
    return count;
}

static bool is_regional_indicator(wchar_t code)
{
    return code >= 0x1f1e6 && code <= 0x1f1ff;
}

/* How curses will move over these; -1 when it cannot say. */
static int curses_width(const wchar_t *text, size_t count)
{
    int cells = 0;
    for (size_t i = 0; i < count; i++) {
        int width = wcwidth(text[i]);
        if (width < 0 || is_regional_indicator(text[i]))
            return -1;
        cells += width;
    }
    return cells;
}

/* One curses cell for each spacing character with the marks that follow it; their widths are known to add up. */
static int carry_parts(cchar_t *out, const wchar_t *text, size_t count, struct look look)
{
    int made = 0;
    for (size_t from = 0; from < count;) {
        size_t to = from + 1;
        while (to < count && wcwidth(text[to]) == 0)
            to++;
        size_t len = to - from < CCHARW_MAX ? to - from : CCHARW_MAX;
        carry(&out[made++], text + from, len, look);
        from = to;
    }
    return made;
}

/* The first character, underlined, in as many cells as the frame has given it. */
static int carry_stand_in(cchar_t *out, const wchar_t *text, int cells, struct look look)
{
    int width = wcwidth(text[0]);
    wchar_t base = is_regional_indicator(text[0]) ? L'A' + (text[0] - 0x1f1e6) : text[0];
    if (width < 1 || width > cells)
        base = L'?';
    look.attrs |= A_UNDERLINE;
    carry(&out[0], &base, 1, look);
    if (cells == 1 || wcwidth(base) == 2)
        return 1;
    wchar_t second =
        is_regional_indicator(text[0]) && is_regional_indicator(text[1]) ? L'A' + (text[1] - 0x1f1e6) : L' ';
    carry(&out[1], &second, 1, look);
    return 2;
}

/* Turns a cell into curses cells (at most two) of the same width; returns how many. */
static int carry_cell(struct term *term, const struct cell *cell, cchar_t out[CELL_BYTES_MAX])
{
    wchar_t text[WIDE_MAX + 1] = {0};
    struct look look = {attrs_of(term, cell->style), pair_of(term, cell->style)};
    size_t count = cell_code_points(cell, text);
    bool starts = count > 0 && wcwidth(text[0]) > 0;
    if (starts && curses_width(text, count) == cell->width)
        return carry_parts(out, text, count, look);
    return carry_stand_in(out, text, cell->width, look);
}

/* ---- drawing ---- */

static void draw_cells(struct term *term, int row, const struct cell *cells, int from, int to)
{
    enum { BATCH = 256 };
    cchar_t batch[BATCH + CELL_BYTES_MAX];
    int filled = 0;
    int start = from;
    for (int col = from; col < to; col++) {
        if (cells[col].width == 0)
            continue;
        if (filled >= BATCH) {
            mvadd_wchnstr(row, start, batch, filled);
            filled = 0;
            start = col;
        }
        filled += carry_cell(term, &cells[col], batch + filled);
    }
    if (filled > 0)
        mvadd_wchnstr(row, start, batch, filled);
}

/* Draws what differs, wide characters whole, old and new ones. */
static void draw_changes(struct term *term, int row, const struct cell *now, const struct cell *before)
{
    int from = 0;
    int to = term->cols;
    while (from < to && cell_equal(&now[from], &before[from]))
        from++;
    while (to > from && cell_equal(&now[to - 1], &before[to - 1]))
        to--;
    if (from == to)
        return;
    while (from > 0 && (now[from].width == 0 || before[from].width == 0))
        from--;
    while (to < term->cols && (now[to].width == 0 || before[to].width == 0))
        to++;
    draw_cells(term, row, now, from, to);
}

static void draw_rows(struct term *term, const struct frame *frame)
{
    size_t row_bytes = (size_t)term->cols * sizeof(struct cell);
    for (int row = 0; row < term->rows; row++) {
        const struct cell *now = frame_row(frame, row);
        if (term->stale)
            draw_cells(term, row, now, 0, term->cols);
        else if (memcmp(now, frame_row(&term->shown, row), row_bytes) != 0)
            draw_changes(term, row, now, frame_row(&term->shown, row));
        else
            continue;
        memcpy(term->shown.cells + (size_t)row * (size_t)term->cols, now, row_bytes);
    }
}

static void place_cursor(struct term *term, const struct frame *frame)
{
    bool visible = frame->cursor.visible;
    if (visible != term->cursor_visible)
        curs_set(visible);
    term->cursor_visible = visible;
    if (!visible)
        return;
    move(frame->cursor.row, frame->cursor.col);
    if (term->modern && (!term->shape_known || term->shape != frame->cursor.shape))
        put_string(term, frame->cursor.shape == CURSOR_BAR ? SHAPE_BAR : SHAPE_BLOCK);
    term->shape = frame->cursor.shape;
    term->shape_known = true;
}

void term_draw(struct term *term, const struct frame *frame)
{
    ensure(frame->rows == term->rows && frame->cols == term->cols);
    if (term->suspended)
        return;
    set_term(term->screen);
    if (term->stale) {
        frame_copy(&term->shown, frame);
        clearok(curscr, TRUE);
    }
    draw_rows(term, frame);
    place_cursor(term, frame);
    term->stale = false;
    wnoutrefresh(stdscr);
    doupdate();
    take_curses_output(term);
}

/* ---- clipboard, title ---- */

static void add_base64(struct buf *out, struct bytes bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < bytes.len; at += 3) {
        size_t left = bytes.len - at;
        uint32_t bits = (uint32_t)bytes.data[at] << 16;
        bits |= left > 1 ? (uint32_t)bytes.data[at + 1] << 8 : 0;
        bits |= left > 2 ? bytes.data[at + 2] : 0;
        buf_add_byte(out, (unsigned char)digits[bits >> 18]);
        buf_add_byte(out, (unsigned char)digits[bits >> 12 & 63]);
        buf_add_byte(out, (unsigned char)(left > 1 ? digits[bits >> 6 & 63] : '='));
        buf_add_byte(out, (unsigned char)(left > 2 ? digits[bits & 63] : '='));
    }
}

bool term_can_copy(const struct term *term)
{
    return term->modern;
}

bool term_copy(struct term *term, struct bytes text)
{
    if (!term_can_copy(term) || term->suspended || text.len > TERM_COPY_BYTES_MAX)
        return false;
    put_string(term, "\x1b]52;c;");
    add_base64(&term->out, text);
    put_string(term, "\x07");
    return true;
}

void term_title(struct term *term, const char *title)
{
    if (!term->modern || term->suspended)
        return;
    if (!term->title_set)
        put_string(term, TITLE_PUSH);
    term->title_set = true;
    put_string(term, "\x1b]2;");
    unicode_safe_label(bytes_of_string(title), TITLE_CELLS_MAX, &term->out);
    put_string(term, "\x07");
}
