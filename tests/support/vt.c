#include "tests/support/vt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <vterm.h>

#include "tests/support/support.h"

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

enum { OUTPUT_BYTES_MAX = 256 << 20, READ_BYTES = 1 << 16, LOOK_BYTES = 32 };

struct vt {
    int master;
    int tty;         /* vt_open(): the other end; else -1 */
    pid_t pid;       /* 0: no program, or it was waited for */
    int status;      /* exit status as a shell says it */
    bool at_end;     /* the other side is closed */
    VTerm *vterm;
    VTermScreen *screen;
    struct buf output;     /* everything the program wrote */
    struct buf to_program; /* keys and answers that did not fit into the pty yet */
    struct buf text;       /* what vt_row() and vt_screen() handed out */
    struct buf title;
    const char *sought;    /* looked for while output is taken in; NULL: nothing, or it was seen */
    bool cursor_visible, alternate, mouse;
    struct vt *next; /* ring of linked terminals; alone: itself */
};

/* ---- the terminal ---- */

static int on_property(VTermProp prop, VTermValue *value, void *user)
{
    struct vt *vt = user;
    if (prop == VTERM_PROP_CURSORVISIBLE)
        vt->cursor_visible = value->boolean;
    else if (prop == VTERM_PROP_ALTSCREEN)
        vt->alternate = value->boolean;
    else if (prop == VTERM_PROP_MOUSE)
        vt->mouse = value->number != VTERM_PROP_MOUSE_NONE;
#if VTERM_VERSION_MAJOR == 0 && VTERM_VERSION_MINOR < 2
    else if (prop == VTERM_PROP_TITLE) {
        buf_clear(&vt->title);
        buf_add_string(&vt->title, value->string);
    }
#else
    else if (prop == VTERM_PROP_TITLE) {
        if (value->string.initial)
            buf_clear(&vt->title);
        buf_add(&vt->title, value->string.str, value->string.len);
    }
#endif
    return 1;
}

/* Answers to DA and DSR go back to the program as if typed. */
static void on_answer(const char *bytes, size_t len, void *user)
{
    struct vt *vt = user;
    buf_add(&vt->to_program, bytes, len);
}

static struct vt *vt_new(int rows, int cols)
{
    static const VTermScreenCallbacks callbacks = {.settermprop = on_property};
    struct vt *vt = xcalloc(1, sizeof *vt);
    vt->next = vt;
    vt->tty = -1;
    vt->cursor_visible = true;
    vt->vterm = vterm_new(rows, cols);
    vterm_set_utf8(vt->vterm, 1);
    vterm_output_set_callback(vt->vterm, on_answer, vt);
    vt->screen = vterm_obtain_screen(vt->vterm);
    vterm_screen_set_callbacks(vt->screen, &callbacks, vt);
    vterm_screen_enable_altscreen(vt->screen, 1);
    vterm_screen_reset(vt->screen, 1);
    return vt;
}

static struct winsize window_of(int rows, int cols)
{
    return (struct winsize){.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
}

static void set_flag(int fd, int flag)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | flag);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

struct vt *vt_open(int rows, int cols)
{
    struct vt *vt = vt_new(rows, cols);
    struct winsize window = window_of(rows, cols);
    if (openpty(&vt->master, &vt->tty, NULL, NULL, &window) != 0)
        fail_msg("cannot open a pseudo-terminal: %s", strerror(errno));
    set_flag(vt->master, O_NONBLOCK);
    return vt;
}

/* ---- the program ---- */

static void set_environment(const struct vt_program *program)
{
    static const char *const inherited[] = {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LD_LIBRARY_PATH"};
    char *kept[sizeof inherited / sizeof *inherited];
    for (size_t i = 0; i < sizeof inherited / sizeof *inherited; i++) {
        const char *value = getenv(inherited[i]);
        kept[i] = value ? xstrdup(value) : NULL;
    }
    clearenv();
    for (size_t i = 0; i < sizeof inherited / sizeof *inherited; i++) {
        if (kept[i])
            setenv(inherited[i], kept[i], 1);
    }
    setenv("TERM", "xterm-256color", 1);
    setenv("LANG", "C.UTF-8", 1);
    for (size_t i = 0; i < VT_ARGS_MAX && program->env[i]; i++)
        putenv(xstrdup(program->env[i]));
}

static _Noreturn void run_program(const struct vt_program *program)
{
    char *argv[VT_ARGS_MAX + 1] = {NULL};
    for (size_t i = 0; i < VT_ARGS_MAX && program->argv[i]; i++)
        argv[i] = xstrdup(program->argv[i]);
    set_environment(program);
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    if (program->dir && chdir(program->dir) != 0) {
        dprintf(STDERR_FILENO, "vt: cannot go to %s: %s\n", program->dir, strerror(errno));
        _exit(127);
    }
    execvp(argv[0], argv);
    dprintf(STDERR_FILENO, "vt: cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

struct vt *vt_spawn(const struct vt_program *program)
{
    int rows = program->rows ? program->rows : 24;
    int cols = program->cols ? program->cols : 80;
    struct vt *vt = vt_new(rows, cols);
    struct winsize window = window_of(rows, cols);
    fflush(NULL);
    vt->pid = forkpty(&vt->master, NULL, NULL, &window);
    if (vt->pid == 0)
        run_program(program);
    if (vt->pid < 0)
        fail_msg("cannot start %s: %s", program->argv[0], strerror(errno));
    set_flag(vt->master, O_NONBLOCK);
    return vt;
}

int vt_tty(const struct vt *vt)
{
    return vt->tty;
}

pid_t vt_pid(const struct vt *vt)
{
    return vt->pid;
}

void vt_link(struct vt *a, struct vt *b)
{
    struct vt *after_a = a->next;
    a->next = b->next;
    b->next = after_a;
}

static void vt_unlink(struct vt *vt)
{
    struct vt *before = vt;
    while (before->next != vt)
        before = before->next;
    before->next = vt->next;
    vt->next = vt;
}

/* ---- moving bytes ---- */

static void vt_write_pending(struct vt *vt)
{
    while (vt->to_program.len > 0 && !vt->at_end) {
        ssize_t n = write(vt->master, vt->to_program.data, vt->to_program.len);
        if (n <= 0)
            return;
        memmove(vt->to_program.data, vt->to_program.data + n, vt->to_program.len - (size_t)n);
        vt->to_program.len -= (size_t)n;
    }
}

/*
 * While a text is sought, in pieces so small that hardly two frames are in one: what was on the screen for a moment was on the
 * screen, though this process was not given the CPU in that moment.
 */
static void vt_take(struct vt *vt, const char *bytes, size_t len)
{
    ensure(vt->output.len + len <= OUTPUT_BYTES_MAX);
    buf_add(&vt->output, bytes, len);
    while (vt->sought && len > LOOK_BYTES) {
        vterm_input_write(vt->vterm, bytes, LOOK_BYTES);
        if (vt_find(vt, vt->sought, NULL, NULL))
            vt->sought = NULL;
        bytes += LOOK_BYTES;
        len -= LOOK_BYTES;
    }
    vterm_input_write(vt->vterm, bytes, len);
}

static void vt_read_ready(struct vt *vt)
{
    static _Thread_local char bytes[READ_BYTES];
    for (;;) {
        ssize_t n = read(vt->master, bytes, sizeof bytes);
        if (n > 0) {
            vt_take(vt, bytes, (size_t)n);
            continue;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) /* EIO: nobody has the terminal open any more */
            vt->at_end = true;
        return;
    }
}

void vt_pump(struct vt *vt)
{
    struct vt *each = vt;
    do {
        if (!each->at_end)
            vt_read_ready(each);
        vt_write_pending(each);
        each = each->next;
    } while (each != vt);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until something can be read or written, or the time is over. */
static void vt_poll(struct vt *vt, int ms)
{
    enum { LINKED_MAX = 64 };
    struct pollfd fds[LINKED_MAX];
    nfds_t count = 0;
    struct vt *each = vt;
    do {
        ensure(count < LINKED_MAX);
        short events = (short)(POLLIN | (each->to_program.len ? POLLOUT : 0));
        fds[count++] = (struct pollfd){.fd = each->at_end ? -1 : each->master, .events = events};
        each = each->next;
    } while (each != vt);
    poll(fds, count, ms);
}

bool vt_wait(struct vt *vt, vt_condition *condition, void *context, int ms)
{
    int64_t deadline = now_ms() + ms;
    for (;;) {
        vt_pump(vt);
        if (condition(vt, context))
            return true;
        int64_t left = deadline - now_ms();
        if (left <= 0 || vt->at_end)
            return false;
        vt_poll(vt, (int)left);
    }
}

/* ---- the end ---- */

static void vt_reap(struct vt *vt, int flags)
{
    int status;
    if (vt->pid <= 0 || waitpid(vt->pid, &status, flags) != vt->pid)
        return;
    vt->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    vt->pid = 0;
}

static bool ended(struct vt *vt, void *context)
{
    (void)context;
    vt_reap(vt, WNOHANG);
    return vt->pid == 0;
}

bool vt_has_ended(struct vt *vt)
{
    vt_pump(vt);
    return ended(vt, NULL);
}

/* The terminal closes a moment before its program can be waited for. */
static bool vt_wait_end(struct vt *vt, int ms)
{
    int64_t deadline = now_ms() + ms;
    while (!vt_wait(vt, ended, NULL, 50)) {
        if (now_ms() > deadline)
            return false;
        vt_poll(vt, 1);
    }
    return true;
}

static void vt_destroy(struct vt *vt)
{
    vt_unlink(vt);
    if (vt->tty >= 0)
        close(vt->tty);
    if (vt->master >= 0)
        close(vt->master);
    vterm_free(vt->vterm);
    buf_release(&vt->output);
    buf_release(&vt->to_program);
    buf_release(&vt->text);
    buf_release(&vt->title);
    free(vt);
}

int vt_await_end(struct vt *vt)
{
    if (vt_wait_end(vt, VT_WAIT_MS))
        return vt->status;
    vt_print(vt);
    return -1;
}

int vt_close(struct vt *vt)
{
    int status = vt_await_end(vt);
    vt_free(vt);
    return status;
}

void vt_free(struct vt *vt)
{
    if (!vt)
        return;
    if (vt->pid > 0) {
        kill(vt->pid, SIGKILL);
        vt_reap(vt, 0);
    }
    vt_destroy(vt);
}

void vt_signal(struct vt *vt, int signal)
{
    if (vt->pid > 0)
        kill(vt->pid, signal);
}

void vt_hang_up(struct vt *vt)
{
    vt_pump(vt);
    close(vt->master);
    vt->master = -1;
    vt->at_end = true;
}

/* ---- doing ---- */

void vt_type_bytes(struct vt *vt, struct bytes keys)
{
    buf_add_bytes(&vt->to_program, keys);
    vt_write_pending(vt);
}

void vt_type(struct vt *vt, const char *keys)
{
    vt_type_bytes(vt, bytes_of_string(keys));
}

void vt_ctrl(struct vt *vt, char letter)
{
    unsigned char byte = (unsigned char)letter & 0x1f;
    vt_type_bytes(vt, bytes_of(&byte, 1));
}

void vt_click(struct vt *vt, int row, int col)
{
    char bytes[64];
    snprintf(bytes, sizeof bytes, "\x1b[<0;%d;%dM\x1b[<0;%d;%dm", col + 1, row + 1, col + 1, row + 1);
    vt_type(vt, bytes);
}

void vt_resize(struct vt *vt, int rows, int cols)
{
    struct winsize window = window_of(rows, cols);
    vt_pump(vt);
    vterm_set_size(vt->vterm, rows, cols);
    ioctl(vt->master, TIOCSWINSZ, &window);
}

/* ---- looking ---- */

int vt_rows(const struct vt *vt)
{
    int rows = 0;
    int cols = 0;
    vterm_get_size(vt->vterm, &rows, &cols);
    return rows;
}

int vt_cols(const struct vt *vt)
{
    int rows = 0;
    int cols = 0;
    vterm_get_size(vt->vterm, &rows, &cols);
    return cols;
}

static int colour_number(const VTermColor *colour)
{
    if (VTERM_COLOR_IS_DEFAULT_FG(colour) || VTERM_COLOR_IS_DEFAULT_BG(colour))
        return VT_DEFAULT_COLOUR;
    if (VTERM_COLOR_IS_INDEXED(colour))
        return colour->indexed.idx;
    return 0x1000000 | colour->rgb.red << 16 | colour->rgb.green << 8 | colour->rgb.blue;
}

struct vt_cell vt_cell(struct vt *vt, int row, int col)
{
    VTermScreenCell cell = {0};
    struct vt_cell out = {.width = 1};
    vterm_screen_get_cell(vt->screen, (VTermPos){.row = row, .col = col}, &cell);
    size_t len = 0;
    bool right_half = cell.chars[0] == UINT32_MAX;
    for (int i = 0; !right_half && i < VTERM_MAX_CHARS_PER_CELL && cell.chars[i]; i++)
        len += utf8_encode(cell.chars[i], (unsigned char *)out.text + len);
    if (len == 0 && !right_half)
        out.text[0] = ' ';
    out.width = right_half ? 0 : cell.width;
    out.fg = colour_number(&cell.fg);
    out.bg = colour_number(&cell.bg);
    out.bold = cell.attrs.bold;
    out.underline = cell.attrs.underline != VTERM_UNDERLINE_OFF;
    out.reverse = cell.attrs.reverse;
    return out;
}

static void row_text(struct vt *vt, int row, struct buf *out)
{
    size_t start = out->len;
    for (int col = 0; col < vt_cols(vt); col++)
        buf_add_string(out, vt_cell(vt, row, col).text);
    while (out->len > start && out->data[out->len - 1] == ' ')
        out->len--;
}

const char *vt_row(struct vt *vt, int row)
{
    buf_clear(&vt->text);
    if (row >= 0 && row < vt_rows(vt))
        row_text(vt, row, &vt->text);
    return buf_string(&vt->text);
}

const char *vt_screen(struct vt *vt)
{
    buf_clear(&vt->text);
    for (int row = 0; row < vt_rows(vt); row++) {
        row_text(vt, row, &vt->text);
        buf_add_byte(&vt->text, '\n');
    }
    return buf_string(&vt->text);
}

/* The column whose text begins `bytes` bytes into the row. */
static int column_of_byte(struct vt *vt, int row, size_t bytes)
{
    size_t passed = 0;
    int col = 0;
    while (col < vt_cols(vt) && passed < bytes)
        passed += strlen(vt_cell(vt, row, col++).text);
    while (col < vt_cols(vt) && vt_cell(vt, row, col).width == 0)
        col++;
    return col;
}

bool vt_find(struct vt *vt, const char *text, int *row, int *col)
{
    for (int at = 0; at < vt_rows(vt); at++) {
        const char *line = vt_row(vt, at);
        const char *found = strstr(line, text);
        if (!found)
            continue;
        if (row)
            *row = at;
        if (col)
            *col = column_of_byte(vt, at, (size_t)(found - line));
        return true;
    }
    return false;
}

void vt_cursor(struct vt *vt, int *row, int *col)
{
    VTermPos pos = {0};
    vterm_state_get_cursorpos(vterm_obtain_state(vt->vterm), &pos);
    *row = pos.row;
    *col = pos.col;
}

bool vt_cursor_visible(const struct vt *vt)
{
    return vt->cursor_visible;
}

bool vt_alternate_screen(const struct vt *vt)
{
    return vt->alternate;
}

bool vt_mouse_on(const struct vt *vt)
{
    return vt->mouse;
}

bool vt_is_raw(const struct vt *vt)
{
    struct termios modes;
    return tcgetattr(vt->master, &modes) == 0 && !(modes.c_lflag & ICANON);
}

const char *vt_title(const struct vt *vt)
{
    return buf_string((struct buf *)&vt->title);
}

struct bytes vt_output(const struct vt *vt)
{
    return buf_view(&vt->output);
}

void vt_forget_output(struct vt *vt)
{
    buf_clear(&vt->output);
}

bool vt_output_has(const struct vt *vt, const char *bytes)
{
    return vt->output.len > 0 && memmem(vt->output.data, vt->output.len, bytes, strlen(bytes)) != NULL;
}

void vt_print(struct vt *vt)
{
    int row = 0;
    int col = 0;
    vt_cursor(vt, &row, &col);
    fprintf(stderr, "---- %d x %d, cursor at row %d, column %d%s\n%s----\n", vt_rows(vt), vt_cols(vt), row, col,
            vt->at_end ? ", program has ended" : "", vt_screen(vt));
}

/* ---- expecting ---- */

struct expected {
    const char *text;
    int row, col;
};

static bool text_is_there(struct vt *vt, void *context)
{
    const struct expected *expected = context;
    return vt_find(vt, expected->text, NULL, NULL);
}

static bool text_is_gone(struct vt *vt, void *context)
{
    return !text_is_there(vt, context);
}

static bool row_is(struct vt *vt, void *context)
{
    const struct expected *expected = context;
    return strcmp(vt_row(vt, expected->row), expected->text) == 0;
}

static bool row_has(struct vt *vt, void *context)
{
    const struct expected *expected = context;
    return strstr(vt_row(vt, expected->row), expected->text) != NULL;
}

static bool cursor_is(struct vt *vt, void *context)
{
    const struct expected *expected = context;
    int row = 0;
    int col = 0;
    vt_cursor(vt, &row, &col);
    return row == expected->row && col == expected->col;
}

static bool text_was_seen(struct vt *vt, void *context)
{
    if (vt->sought && text_is_there(vt, context))
        vt->sought = NULL;
    return !vt->sought;
}

bool vt_wait_text(struct vt *vt, const char *text, int ms)
{
    vt->sought = text;
    bool seen = vt_wait(vt, text_was_seen, &(struct expected){.text = text}, ms);
    vt->sought = NULL;
    return seen;
}

static bool both_were_seen(struct vt *vt, void *context)
{
    struct vt *other = context;
    return text_was_seen(vt, &(struct expected){.text = vt->sought}) &&
           text_was_seen(other, &(struct expected){.text = other->sought});
}

void vt_expect_both(struct vt *a, const char *in_a, struct vt *b, const char *in_b)
{
    a->sought = in_a;
    b->sought = in_b;
    bool seen = vt_wait(a, both_were_seen, b, VT_WAIT_MS);
    bool missing_in_a = a->sought && !vt_find(a, in_a, NULL, NULL);
    a->sought = b->sought = NULL;
    if (seen)
        return;
    vt_print(a);
    vt_print(b);
    fail_msg("never seen on the %s screen: %s", missing_in_a ? "first" : "second", missing_in_a ? in_a : in_b);
}

void vt_expect(struct vt *vt, const char *text)
{
    if (vt_wait_text(vt, text, VT_WAIT_MS))
        return;
    vt_print(vt);
    fail_msg("never seen on the screen: %s", text);
}

void vt_expect_gone(struct vt *vt, const char *text)
{
    if (vt_wait(vt, text_is_gone, &(struct expected){.text = text}, VT_WAIT_MS))
        return;
    vt_print(vt);
    fail_msg("still on the screen: %s", text);
}

void vt_expect_row(struct vt *vt, int row, const char *text)
{
    if (vt_wait(vt, row_is, &(struct expected){.text = text, .row = row}, VT_WAIT_MS))
        return;
    vt_print(vt);
    fail_msg("row %d is \"%s\", not \"%s\"", row, vt_row(vt, row), text);
}

void vt_expect_row_has(struct vt *vt, int row, const char *text)
{
    if (vt_wait(vt, row_has, &(struct expected){.text = text, .row = row}, VT_WAIT_MS))
        return;
    vt_print(vt);
    fail_msg("row %d is \"%s\", without \"%s\"", row, vt_row(vt, row), text);
}

void vt_expect_cursor(struct vt *vt, int row, int col)
{
    if (vt_wait(vt, cursor_is, &(struct expected){.row = row, .col = col}, VT_WAIT_MS))
        return;
    vt_print(vt);
    fail_msg("the cursor is not at row %d, column %d", row, col);
}
