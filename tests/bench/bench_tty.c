#include "tests/bench/bench_tty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor/base/bytes.h"
#include "editor/base/xalloc.h"
#include "tests/bench/bench_base.h"

/* Where in an escape sequence the output is. */
enum escape { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_ONE_MORE, ESCAPE_CSI, ESCAPE_STRING };

struct tty {
    int master;
    pid_t pid;
    uint64_t started_ns;
    enum escape escape;
    struct buf shown; /* printable text since the last tty_await() or tty_calm() */
};

/* --- the program --- */

void tty_become_child(const char *home)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a benchmark that gives up leaves nobody behind */
    char *path = xstrdup(getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    clearenv();
    setenv("PATH", path, 1);
    setenv("TERM", "xterm-256color", 1);
    setenv("LANG", "C.UTF-8", 1);
    setenv("USER", "bench", 1);
    setenv("HOME", home, 1);
    static const char *const names[] = {"XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *value = xformat("%s/%s", home, names[i]);
        setenv(names[i], value, 1);
        free(value);
    }
    free(path);
}

struct tty *tty_start(const char *const *argv, const char *dir, const char *home)
{
    struct winsize window = {.ws_row = TTY_ROWS, .ws_col = TTY_COLS};
    struct tty *tty = xcalloc(1, sizeof *tty);
    char *args[TTY_ARGS_MAX + 1] = {NULL};
    for (size_t i = 0; i < TTY_ARGS_MAX && argv[i]; i++)
        args[i] = (char *)argv[i];
    ensure(args[0]);
    tty->started_ns = bench_now_ns();
    tty->pid = forkpty(&tty->master, NULL, NULL, &window);
    if (tty->pid == 0) {
        tty_become_child(home);
        if (chdir(dir) == 0)
            execvp(args[0], args);
        _exit(127);
    }
    if (tty->pid < 0)
        bench_fail("cannot start %s: %s", args[0], strerror(errno));
    fcntl(tty->master, F_SETFL, fcntl(tty->master, F_GETFL) | O_NONBLOCK);
    fcntl(tty->master, F_SETFD, FD_CLOEXEC);
    return tty;
}

pid_t tty_pid(const struct tty *tty)
{
    return tty->pid;
}

uint64_t tty_started_ns(const struct tty *tty)
{
    return tty->started_ns;
}

static void tty_free(struct tty *tty)
{
    close(tty->master);
    buf_release(&tty->shown);
    free(tty);
}

/* --- its output --- */

static enum escape after_escape(unsigned char byte)
{
    switch (byte) {
    case '[': return ESCAPE_CSI;
    case ']':
    case 'P': return ESCAPE_STRING;
    case '(':
    case ')': return ESCAPE_ONE_MORE;
    default: return ESCAPE_NONE;
    }
}

static void take_byte(struct tty *tty, unsigned char byte)
{
    enum { ESC = 0x1b, BEL = 0x07 };
    switch (tty->escape) {
    case ESCAPE_NONE:
        if (byte == ESC)
            tty->escape = ESCAPE_BEGUN;
        else if (byte >= ' ')
            buf_add_byte(&tty->shown, byte);
        return;
    case ESCAPE_BEGUN:
        tty->escape = after_escape(byte);
        return;
    case ESCAPE_ONE_MORE:
        tty->escape = ESCAPE_NONE;
        return;
    case ESCAPE_CSI:
        if (byte >= '@' && byte <= '~')
            tty->escape = ESCAPE_NONE;
        return;
    case ESCAPE_STRING: /* ends with BEL, or with ESC and a backslash */
        if (byte == BEL || byte == ESC)
            tty->escape = byte == ESC ? ESCAPE_BEGUN : ESCAPE_NONE;
        return;
    }
}

/* Waits at most ms, reads once. False: nothing came. */
static bool read_some(struct tty *tty, int ms)
{
    static unsigned char bytes[1 << 16];
    struct pollfd fd = {.fd = tty->master, .events = POLLIN};
    if (poll(&fd, 1, ms) <= 0)
        return false;
    ssize_t got = read(tty->master, bytes, sizeof bytes);
    for (ssize_t i = 0; i < got; i++)
        take_byte(tty, bytes[i]);
    return got > 0;
}

static bool has_shown(const struct tty *tty, const char *text)
{
    return memmem(tty->shown.data, tty->shown.len, text, strlen(text)) != NULL;
}

uint64_t tty_await(struct tty *tty, const char *text)
{
    uint64_t start_ns = bench_now_ns();
    for (;;) {
        bool got = read_some(tty, TTY_PATIENCE_MS);
        uint64_t now_ns = bench_now_ns();
        if (got && has_shown(tty, text)) {
            buf_clear(&tty->shown);
            return now_ns;
        }
        if (!got || now_ns - start_ns > TTY_PATIENCE_MS * 1000000ULL)
            bench_fail("\"%s\" was never shown; what was: %s", text, buf_string(&tty->shown));
    }
}

void tty_calm(struct tty *tty, unsigned ms)
{
    while (read_some(tty, (int)ms))
        continue;
    buf_clear(&tty->shown);
}

void tty_send(struct tty *tty, const char *keys)
{
    if (write(tty->master, keys, strlen(keys)) != (ssize_t)strlen(keys))
        bench_fail("a program does not read its keys");
}

/* --- the end --- */

/* Its output is read on: a program may wait for its terminal to take it. */
static bool has_ended(struct tty *tty, unsigned patience_ms)
{
    enum { STEP_MS = 10 };
    for (unsigned waited_ms = 0; waited_ms < patience_ms; waited_ms += STEP_MS) {
        if (waitpid(tty->pid, NULL, WNOHANG) == tty->pid)
            return true;
        if (!read_some(tty, STEP_MS))
            bench_pause_ms(1); /* the terminal closes a moment before its program can be waited for */
    }
    return false;
}

void tty_end(struct tty *tty)
{
    enum { LEAVING_MS = 5000 };
    kill(tty->pid, SIGTERM);
    if (!has_ended(tty, LEAVING_MS)) {
        kill(tty->pid, SIGKILL);
        waitpid(tty->pid, NULL, 0);
    }
    tty_free(tty);
}

void tty_leave(struct tty *tty, const char *keys)
{
    tty_send(tty, keys);
    if (!has_ended(tty, TTY_PATIENCE_MS))
        bench_fail("a program did not leave; it wrote: %s", buf_string(&tty->shown));
    tty_free(tty);
}
