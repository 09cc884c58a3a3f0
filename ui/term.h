/*
 * term - the terminal: frames go out, nothing comes in (keys.h reads the bytes, the program polls term_fd()).
 *
 * Drawing has two steps, so that the journal's barrier fits between them: term_draw() compares the frame with what is
 * on the screen and prepares the bytes, term_flush() writes them. Nothing blocks: what the terminal does not take stays
 * pending, and term_flush() is called again when term_fd() is writable. Do not draw while bytes are pending; the next
 * frame has it all.
 *
 *   Terminals  TERM unset or unknown: taken for xterm-256color. Without cursor addressing (dumb): an error. 256, 8 and
 *              no colours; `no_colour` uses bold, underline and reverse only. Focus, mouse, paste marks, titles, OSC 52
 *              and synchronised output only where the terminal has xterm's alternate screen.
 *   Trust      cells hold nothing unsafe (frame.h); this file adds a second lock: a code point that is a control here,
 *              or that the C library cannot measure, is drawn as `?`.
 *   Widths     curses moves by wcwidth(). A cluster it would measure differently than the frame (emoji sequences,
 *              flags, newer characters) is drawn as its first character, underlined, in the frame's width.
 *   Errors     opening can fail. Later a terminal that is gone is TERM_GONE from term_flush().
 *   Bounds     TERM_COPY_BYTES_MAX for the clipboard.
 *   Threads    one thread; curses has one current screen a process. Only term_restore_now() may be called from a signal
 *              handler.
 *   Locale     opening sets LC_CTYPE to C.UTF-8 unless the process's is UTF-8 already: curses writes through it.
 */
#ifndef WEFT_UI_TERM_H
#define WEFT_UI_TERM_H

#include "editor/base/error.h"
#include "ui/frame.h"

enum { TERM_COPY_BYTES_MAX = 74994 /* what xterm takes: 100 000 characters of base64 */ };

struct term;

struct term_options {
    int fd;                    /* an open terminal of our own, given over; -1: /dev/tty */
    const char *type;          /* $TERM, may be NULL */
    const char *colorterm;     /* $COLORTERM, may be NULL */
    bool no_colour;            /* $NO_COLOR is set and not empty */
    bool mouse;
    const struct theme *theme; /* NULL: theme_dark() */
};

/* Raw mode, alternate screen, paste marks, focus and mouse reports. NULL after filling *err. */
struct term *term_open(const struct term_options *options, struct error *err);
/* What to tell about $TERM, in one sentence: it is not set, or names a terminal nobody here knows. NULL: all is well. */
const char *term_warning(const struct term *term);
void term_close(struct term *term); /* the terminal as it was found; NULL is fine */

int term_fd(const struct term *term);
int term_rows(const struct term *term);
int term_cols(const struct term *term);
int term_colours(const struct term *term);             /* 256, 8 or 0 */
unsigned char term_erase_byte(const struct term *term); /* for keys_set_erase() */
bool term_resize(struct term *term); /* asks the kernel for the size; true when it changed. On SIGWINCH */
void term_redraw(struct term *term); /* forgets what is on the screen: the next draw paints everything */

void term_draw(struct term *term, const struct frame *frame);
enum term_flushed { TERM_FLUSHED, TERM_PENDING, TERM_GONE };
MUST_USE enum term_flushed term_flush(struct term *term);
uint64_t term_bytes_written(const struct term *term);

/* These prepare bytes, term_flush() writes them. */
/* OSC 52, own text only; false: too long, or not with this terminal. */
bool term_copy(struct term *term, struct bytes text);
bool term_can_copy(const struct term *term);
void term_title(struct term *term, const char *title);

/* Alt+Z: the terminal goes back to the shell (now, without term_flush()) and is taken again. */
void term_suspend(struct term *term);
void term_resume(struct term *term);
/* For a crash: restores modes and screen with write(2) and tcsetattr(3) only. */
void term_restore_now(const struct term *term);

#endif
