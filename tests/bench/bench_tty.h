/*
 * bench_tty - a program in a pseudo-terminal and the moment its text arrives: nothing between the bytes and the clock.
 *
 * tests/support/vt.h draws a screen and asks it; here only the printable text is kept, in the order it was written, so
 * that looking costs the same few microseconds for every program. Wait for text the file does not contain.
 *
 *   Units      ns of CLOCK_MONOTONIC, ms for patience.
 *   Ownership  tty_start() is ended with tty_end(); the program then has ended, too.
 *   Errors     a benchmark that cannot go on says why, shows what the program wrote last, and exits.
 */
#ifndef WEFT_TESTS_BENCH_TTY_H
#define WEFT_TESTS_BENCH_TTY_H

#include <stdint.h>
#include <sys/types.h>

enum { TTY_ARGS_MAX = 12, TTY_ROWS = 24, TTY_COLS = 80, TTY_PATIENCE_MS = 60000 };

struct tty;

/*
 * Runs argv (ends with NULL) in `dir` with a terminal of 24 x 80, HOME and the XDG directories below `home`, and nothing
 * else of this process's environment but PATH.
 */
struct tty *tty_start(const char *const *argv, const char *dir, const char *home);
void tty_end(struct tty *tty); /* SIGTERM, and SIGKILL to who does not listen */
pid_t tty_pid(const struct tty *tty);
uint64_t tty_started_ns(const struct tty *tty); /* just before it was forked */

/* After the fork, for a child without a terminal: the environment of tty_start(), and an end together with this process. */
void tty_become_child(const char *home);

void tty_send(struct tty *tty, const char *keys);
/* Until `text` has been written since the last call; gives when it was read. */
uint64_t tty_await(struct tty *tty, const char *text);
/* Reads until nothing came for `ms`, and forgets all of it. */
void tty_calm(struct tty *tty, unsigned ms);
/* The program leaves by itself after these keys. */
void tty_leave(struct tty *tty, const char *keys);

#endif
