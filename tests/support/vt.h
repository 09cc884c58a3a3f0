/*
 * vt - a program in a pseudo-terminal, seen as a person sees it.
 *
 * Starts a program with a terminal (libvterm) attached: send keys, wait until something can be seen, look at rows,
 * cells and the cursor, resize the window, close it. What the program asks of its terminal (DA, DSR) is answered.
 * Nothing here sleeps: waiting means reading until a condition holds or a deadline has passed.
 *
 *     struct vt *vt = vt_spawn(&(struct vt_program){.argv = {weft, "notes.md"}, .rows = 24, .cols = 80});
 *     vt_expect(vt, "in file");                      waits for the text, fails the test with a picture of the screen
 *     vt_type(vt, "hello" VT_ENTER);
 *     vt_ctrl(vt, 's');
 *     vt_expect_row(vt, 0, "hello");
 *     assert_int_equal(vt_close(vt), 0);             exit status; -1 when it had to be killed
 *
 * Two programs that talk to each other: vt_link() them, so that waiting for one also reads from the other.
 * A terminal without a program, for code under test in this very process: vt_open(), vt_tty(), vt_pump().
 *
 *   Units      rows and columns count from 0; times are milliseconds; positions and text are what is visible.
 *   Ownership  vt_spawn() and vt_open() are ended with vt_close() (or vt_free()). Strings from vt_row() and vt_screen()
 *              live until the next call with that vt.
 *   Errors     what goes wrong fails the running test (cmocka's fail_msg), with the screen on stderr.
 *   Bounds     VT_WAIT_MS is the patience of the vt_expect functions: a limit for broken programs, not a pause.
 */
#ifndef WEFT_TESTS_VT_H
#define WEFT_TESTS_VT_H

#include <stdbool.h>
#include <sys/types.h>

#include "editor/base/bytes.h"

enum { VT_WAIT_MS = 30000, VT_ARGS_MAX = 32 };

/* Keys as a terminal sends them. */
#define VT_ESC "\x1b"
#define VT_ENTER "\r"
#define VT_TAB "\t"
#define VT_BACKSPACE "\x7f"
#define VT_UP "\x1b[A"
#define VT_DOWN "\x1b[B"
#define VT_RIGHT "\x1b[C"
#define VT_LEFT "\x1b[D"
#define VT_HOME "\x1b[H"
#define VT_END "\x1b[F"
#define VT_DELETE "\x1b[3~"
#define VT_PAGE_UP "\x1b[5~"
#define VT_PAGE_DOWN "\x1b[6~"
#define VT_SHIFT_RIGHT "\x1b[1;2C"
#define VT_SHIFT_LEFT "\x1b[1;2D"
#define VT_F1 "\x1bOP"
#define VT_F2 "\x1bOQ"
#define VT_F3 "\x1bOR"
#define VT_F4 "\x1bOS"
#define VT_F5 "\x1b[15~"
#define VT_F6 "\x1b[17~"
#define VT_F7 "\x1b[18~"
#define VT_F8 "\x1b[19~"
#define VT_F9 "\x1b[20~"
#define VT_F10 "\x1b[21~"
#define VT_F11 "\x1b[23~"
#define VT_F12 "\x1b[24~"
#define VT_ALT(key) "\x1b" key
#define VT_PASTE(text) "\x1b[200~" text "\x1b[201~"

struct vt_program {
    const char *argv[VT_ARGS_MAX]; /* argv[0] is a path, or a name to look for in PATH; ends with NULL */
    /*
     * "NAME=VALUE"; NULL ends. The program gets these, TERM=xterm-256color and LANG=C.UTF-8 unless set here, PATH, and
     * the sanitizers' options; nothing else of this process's environment.
     */
    const char *env[VT_ARGS_MAX];
    const char *dir;  /* where it runs; NULL: here */
    int rows, cols;   /* 0: 24 x 80 */
};

struct vt;

struct vt *vt_spawn(const struct vt_program *program);
struct vt *vt_open(int rows, int cols); /* no program: vt_tty() is for the test */
int vt_tty(const struct vt *vt);        /* vt_open() only: the terminal's other end, owned by the vt */
pid_t vt_pid(const struct vt *vt);
void vt_link(struct vt *a, struct vt *b);

/* Waits for the program's end. The exit status, 128 + signal, or -1 when it did not end. What it wrote can still be asked. */
int vt_await_end(struct vt *vt);
/* The same, and frees everything; what does not end is killed. */
int vt_close(struct vt *vt);
void vt_free(struct vt *vt);            /* kills the program if it runs; NULL is fine */
void vt_signal(struct vt *vt, int signal);
void vt_hang_up(struct vt *vt);         /* the window is closed: SIGHUP and end of input */
bool vt_has_ended(struct vt *vt);       /* reads what is left, does not wait */

/* ---- doing ---- */
void vt_type(struct vt *vt, const char *keys); /* a NUL-terminated string of bytes, see the macros above */
void vt_ctrl(struct vt *vt, char letter);      /* vt_ctrl(vt, 's') */
void vt_type_bytes(struct vt *vt, struct bytes keys);
void vt_click(struct vt *vt, int row, int col); /* press and release of the left button, SGR */
void vt_resize(struct vt *vt, int rows, int cols);
/* Reads what there is now, without waiting. */
void vt_pump(struct vt *vt);

/* ---- waiting ---- */
typedef bool vt_condition(struct vt *vt, void *context);
/* Until the condition holds: true. False when it does not within that time, or the program has ended without it. */
bool vt_wait(struct vt *vt, vt_condition *condition, void *context, int ms);
/* Somewhere on one row, if only for a moment: it may be gone again when this returns. */
bool vt_wait_text(struct vt *vt, const char *text, int ms);

/* The same with VT_WAIT_MS; they fail the test and print the screen. */
void vt_expect(struct vt *vt, const char *text);
/* Two that are linked, in any order: the message of one does not wait until that of the other has come. */
void vt_expect_both(struct vt *a, const char *in_a, struct vt *b, const char *in_b);
void vt_expect_gone(struct vt *vt, const char *text);
void vt_expect_row(struct vt *vt, int row, const char *text);    /* the whole row, trailing blanks cut off */
void vt_expect_row_has(struct vt *vt, int row, const char *text);
void vt_expect_cursor(struct vt *vt, int row, int col);

/* ---- looking ---- */
enum { VT_DEFAULT_COLOUR = -1 };
struct vt_cell {
    char text[32];     /* UTF-8; "" for the right half of a wide character, " " for an empty cell */
    int width;
    int fg, bg;        /* 0 .. 255, VT_DEFAULT_COLOUR, or 0x1000000 + 0xrrggbb */
    bool bold, underline, reverse;
};

int vt_rows(const struct vt *vt);
int vt_cols(const struct vt *vt);
const char *vt_row(struct vt *vt, int row);  /* trailing blanks cut off */
const char *vt_screen(struct vt *vt);        /* all rows, each with a newline */
bool vt_find(struct vt *vt, const char *text, int *row, int *col); /* row, col may be NULL; col counts cells */
struct vt_cell vt_cell(struct vt *vt, int row, int col);
void vt_cursor(struct vt *vt, int *row, int *col);
bool vt_cursor_visible(const struct vt *vt);
bool vt_alternate_screen(const struct vt *vt);
bool vt_mouse_on(const struct vt *vt);
bool vt_is_raw(const struct vt *vt); /* the program has taken the terminal: keys reach it one by one */
const char *vt_title(const struct vt *vt);
/* Every byte the program has written so far, in order. vt_forget_output() empties it. */
struct bytes vt_output(const struct vt *vt);
void vt_forget_output(struct vt *vt);
bool vt_output_has(const struct vt *vt, const char *bytes);
void vt_print(struct vt *vt); /* the screen on stderr, for a person */

#endif
