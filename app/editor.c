#include "app/editor_parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "app/moment.h"
#include "editor/base/deadline.h"
#include "editor/base/memory.h"
#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

/* How long leaving or going to sleep may take to send what is unsent; the rest is sent when weft next runs. */
enum { QUIT_NET_MS = 300 };

struct window *editor_window(struct editor *editor)
{
    ensure(editor->count > 0);
    return &editor->windows[editor->current];
}

struct replica *editor_replica(struct editor *editor)
{
    return editor_window(editor)->replica;
}

/* --- messages --- */

void editor_say_kind(struct editor *editor, enum view_message_kind kind, const char *text)
{
    struct kept_message *kept = &editor->kept[editor->kept_count++ % MESSAGES_KEPT];
    struct buf clock = {0};
    free(kept->text);
    moment_add_clock(&clock, (uint64_t)time(NULL));
    snprintf(kept->time, sizeof kept->time, "%s", buf_string(&clock));
    buf_release(&clock);
    kept->text = paths_shorten(&editor->env->paths, text);
    kept->kind = kind;
    free(editor->message);
    editor->message = xstrdup(kept->text);
    editor->message_kind = kind;
    editor->message_ms = net_now_ms();
    editor->dirty = true;
}

void editor_say(struct editor *editor, const char *text)
{
    editor_say_kind(editor, VIEW_MESSAGE_PLAIN, text);
}

void editor_sayf(struct editor *editor, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    editor_say(editor, text);
}

static void replica_said(void *self, const char *text)
{
    editor_say(self, text);
}

static void replica_changed(void *self)
{
    struct editor *editor = self;
    editor->dirty = true;
}

struct replica_port editor_port(struct editor *editor)
{
    return (struct replica_port){.self = editor, .said = replica_said, .changed = replica_changed};
}

/* --- life --- */

static void signals_of(sigset_t *set)
{
    static const int numbers[] = {SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGCONT};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaddset(set, numbers[i]);
}

/*
 * Signals are held back from before the terminal is taken: one that ends us must not leave it raw, and a window that changes
 * right after it was measured must not stay half painted.
 */
static struct term *open_term(const struct term_options *options, sigset_t *signals, struct error *err)
{
    sigset_t before;
    signals_of(signals);
    sigprocmask(SIG_BLOCK, signals, &before);
    struct term *term = term_open(options, err);
    if (!term) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        struct error why = *err;
        if (why.code == ERR_IO)
            error_set(err, why.code, why.sys, "%s; `weft help scripts` tells what works without one", why.text);
    }
    return term;
}

struct editor *editor_new(struct env *env, const struct editor_options *options, struct error *err)
{
    sigset_t signals;
    const char *no_colour = getenv("NO_COLOR");
    struct term_options term_options = {.fd = options->terminal_fd, .type = getenv("TERM"),
                                        .colorterm = getenv("COLORTERM"), .no_colour = no_colour && *no_colour,
                                        .mouse = true};
    struct term *term = open_term(&term_options, &signals, err);
    if (!term)
        return NULL;
    memory_keep();
    struct editor *editor = xcalloc(1, sizeof *editor);
    editor->env = env;
    editor->term = term;
    editor->keys = keys_new();
    keys_set_erase(editor->keys, term_erase_byte(term));
    editor->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    ensure(editor->signal_fd >= 0);
    editor->line_numbers = env->config.line_numbers;
    editor->dirty = true;
    if (options->show_links)
        editor->panel_kind = PANEL_LINKS;
    if (options->shows_start)
        editor_fill_start(editor);
    editor->greets = options->greets;
    if (term_warning(term))
        editor_say_kind(editor, VIEW_MESSAGE_WARNING, term_warning(term));
    if (env->config_error.code != ERR_NONE) /* it is on stderr too, but there this screen is in front of it */
        editor_say_kind(editor, VIEW_MESSAGE_WARNING, env->config_error.text);
    return editor;
}

void editor_add(struct editor *editor, struct replica *replica)
{
    ensure(editor->count < FILES_MAX);
    struct window *window = &editor->windows[editor->count++];
    *window = (struct window){.replica = replica, .touched = true, .caret_row = -1};
    replica_get_view(replica, &window->scroll.line, &window->scroll.column);
}

static void say_unsent(struct editor *editor, const char *label, uint64_t unsent)
{
    if (unsent)
        buf_addf(&editor->farewell, "%s: %llu edit%s not sent yet; kept here, sent when weft next runs.\n", label,
                 (unsigned long long)unsent, unsent == 1 ? "" : "s");
}

/*
 * The text of a commit message is not forgotten because the connection to this terminal broke; nor because two windows closed
 * in one moment, each leaving it to the other.
 */
static void keep_undecided(struct editor *editor, const struct window *window)
{
    struct replica_status status;
    replica_status(window->replica, net_now_ms(), &status);
    if (!status.in_file && (editor->exit_status >= 128 || !window->decided))
        replica_outlive(window->replica);
}

/* Where nobody could be asked, as when a signal ends it. */
static void say_private_lost(struct editor *editor, const struct window *window, const char *label)
{
    struct replica_status status;
    replica_status(window->replica, net_now_ms(), &status);
    if (!status.is_private || status.in_file || window->decided)
        return;
    unsigned long long edits = replica_edits_not_in_file(window->replica);
    if (edits)
        buf_addf(&editor->farewell, "weft: %s: %llu edit%s not in the file %s lost; PRIVATE: nothing is kept.\n", label, edits,
                 edits == 1 ? "" : "s", edits == 1 ? "is" : "are");
    else
        buf_addf(&editor->farewell, "weft: %s: the text is in no file and is lost; PRIVATE: nothing is kept.\n", label);
    editor->lost = true;
}

static void close_window(struct editor *editor, struct window *window)
{
    struct error err = {0};
    uint64_t unsent = 0;
    struct buf label = {0};
    unicode_safe_label(bytes_of_string(replica_label(window->replica)), 64, &label);
    replica_set_view(window->replica, window->scroll.line, window->scroll.column);
    editor_say_who_goes_on(editor, window->replica);
    say_private_lost(editor, window, buf_string(&label));
    keep_undecided(editor, window);
    if (!replica_close(window->replica, QUIT_NET_MS, &unsent, &err)) {
        buf_addf(&editor->farewell, "weft: %s: not everything could be kept: %s\n", buf_string(&label), err.text);
        editor->lost = true;
    }
    say_unsent(editor, buf_string(&label), unsent);
    buf_release(&label);
}

int editor_free(struct editor *editor)
{
    /* The terminal goes back first: the person has left, whatever is still written. */
    term_close(editor->term);
    for (size_t i = 0; i < editor->count; i++)
        close_window(editor, &editor->windows[i]);
    fputs(buf_string(&editor->farewell), stderr);
    buf_release(&editor->farewell);
    keys_free(editor->keys);
    close(editor->signal_fd);
    frame_release(&editor->frame);
    prompt_release(&editor->prompt);
    panel_release(&editor->panel);
    for (size_t i = 0; i < MESSAGES_KEPT; i++)
        free(editor->kept[i].text);
    free(editor->message);
    free(editor->save_path);
    free(editor->title);
    for (size_t i = 0; i < editor->recent_count; i++)
        free(editor->recents[i].path);
    if (editor->clip.data)
        crypto_wipe(editor->clip.data, editor->clip.len); /* a copied link is a secret */
    buf_release(&editor->clip);
    buf_release(&editor->joining);
    buf_release(&editor->needle);
    buf_release(&editor->paste);
    free(editor->typed);
    int status = editor->lost ? 1 : 0;
    free(editor);
    return status;
}

void editor_leave(struct editor *editor, int exit_status)
{
    editor->leaving = true;
    editor->exit_status = exit_status;
}

/* --- signals --- */

static void resume(struct editor *editor)
{
    term_resume(editor->term);
    term_resize(editor->term);
    term_redraw(editor->term);
    for (size_t i = 0; i < editor->count; i++)
        replica_set_away(editor->windows[i].replica, false);
    editor->dirty = true;
}

static void take_signal(struct editor *editor, int number)
{
    switch (number) {
    case SIGWINCH:
        term_resize(editor->term);
        editor->dirty = true;
        break;
    case SIGTERM:
    case SIGHUP:
        editor_leave(editor, 128 + number);
        break;
    default: /* SIGINT: ^C is a key here. SIGCONT: what stopped us has drawn already */
        editor->dirty = true;
        break;
    }
}

/* False: nobody woke us within that time, so nobody had stopped us. */
static bool wait_until_woken(struct editor *editor)
{
    enum { STOPPED_BY_MS = 200 };
    struct signalfd_siginfo info;
    struct pollfd fd = {.fd = editor->signal_fd, .events = POLLIN};
    uint64_t until_ms = net_now_ms() + STOPPED_BY_MS;
    for (;;) {
        while (read(editor->signal_fd, &info, sizeof info) == sizeof info) {
            if (info.ssi_signo == SIGCONT)
                return true;
            take_signal(editor, (int)info.ssi_signo);
        }
        uint64_t now_ms = net_now_ms();
        if (now_ms >= until_ms)
            return false;
        (void)poll(&fd, 1, (int)(until_ms - now_ms)); /* interrupted or not: the clock decides */
    }
}

/*
 * The whole group stops, as for ^Z elsewhere: whoever started us (git, a script) waits with us. Where no shell watches the
 * group the system stops nobody, for nobody could go on.
 */
static bool waits_for_answer(struct replica *replica)
{
    struct replica_status status;
    replica_status(replica, net_now_ms(), &status);
    return status.shared && status.net.state == SESSION_ONLINE && status.net.unacked_batches > 0;
}

/* Nothing is sent while it sleeps, and others may build on what was typed last: another window on the same text does. */
static void send_last_words(struct editor *editor)
{
    enum { STEP_MS = 10 };
    uint64_t until_ms = net_now_ms() + QUIT_NET_MS;
    for (size_t i = 0; i < editor->count; i++)
        while (waits_for_answer(editor->windows[i].replica) && net_now_ms() < until_ms)
            replica_wait(editor->windows[i].replica, STEP_MS);
}

void editor_suspend(struct editor *editor)
{
    for (size_t i = 0; i < editor->count; i++) {
        replica_set_away(editor->windows[i].replica, true);
        replica_handle(editor->windows[i].replica);
    }
    send_last_words(editor);
    term_suspend(editor->term);
    free(editor->title);
    editor->title = NULL;
    signal(SIGTSTP, SIG_DFL);
    kill(0, SIGTSTP);
    bool stopped = wait_until_woken(editor);
    resume(editor);
    if (!stopped)
        editor_say(editor, "No shell has started weft here, so none would wake it: not suspended.");
}

static void take_signals(struct editor *editor)
{
    struct signalfd_siginfo info;
    while (read(editor->signal_fd, &info, sizeof info) == sizeof info)
        take_signal(editor, (int)info.ssi_signo);
}

/* --- the loop --- */

static void take_inputs(struct editor *editor)
{
    struct input input;
    while (!editor->leaving && keys_next(editor->keys, &input)) {
        editor_input(editor, &input);
        editor->dirty = true;
    }
    editor_press_typed(editor);
}

/* All there is, before any of it is looked at: a paste's end is told from its content by what follows it (ui/keys.h). */
static void read_terminal(struct editor *editor)
{
    unsigned char bytes[KEYS_FEED_MAX];
    size_t len = 0;
    while (len < sizeof bytes) {
        ssize_t got = read(term_fd(editor->term), bytes + len, sizeof bytes - len);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            editor_leave(editor, 128 + SIGHUP); /* the terminal is gone */
            return;
        }
        if (got < 0)
            break;
        len += (size_t)got;
    }
    if (len > 0) {
        editor->keys_at_ms = net_now_ms();
        keys_feed(editor->keys, bytes_of(bytes, len), editor->keys_at_ms);
        take_inputs(editor);
    }
}

/* The rest of a key sequence has had its time: what is there stands for itself. Other deadlines do not shorten it. */
static void take_late_keys(struct editor *editor)
{
    if (editor->paste.len > 0 && net_now_ms() >= editor->keys_at_ms + PASTE_PAUSE_MS)
        editor_flush_paste(editor);
    if (net_now_ms() < keys_deadline_ms(editor->keys))
        return;
    keys_timeout(editor->keys);
    take_inputs(editor);
}

static void take_pause(struct editor *editor)
{
    take_late_keys(editor);
    editor_prompt_pause(editor);
}

static int wait_ms(struct editor *editor, uint64_t now_ms)
{
    uint64_t at_ms = editor_next_draw_ms(editor, now_ms);
    for (size_t i = 0; i < editor->count; i++)
        at_ms = deadline_earlier(at_ms, replica_next_ms(editor->windows[i].replica));
    at_ms = deadline_earlier(at_ms, prompt_next_ms(&editor->prompt));
    if (editor->paste.len > 0)
        at_ms = deadline_earlier(at_ms, editor->keys_at_ms + PASTE_PAUSE_MS);
    at_ms = deadline_earlier(at_ms, keys_deadline_ms(editor->keys));
    if (at_ms == UINT64_MAX)
        return -1;
    enum { WAIT_MAX_MS = 3600 * 1000 };
    return at_ms <= now_ms ? 0 : at_ms - now_ms > WAIT_MAX_MS ? WAIT_MAX_MS : (int)(at_ms - now_ms);
}

static void paint(struct editor *editor)
{
    editor->dirty = false;
    editor_draw(editor);
    /* What is typed is on the disk before it is seen. */
    for (size_t i = 0; i < editor->count; i++)
        replica_barrier(editor->windows[i].replica);
    if (term_flush(editor->term) == TERM_GONE)
        editor_leave(editor, 128 + SIGHUP);
    for (size_t i = 0; i < editor->count; i++)
        replica_shown(editor->windows[i].replica);
}

/* One round: sleeps until something happens, and answers it. */
static void turn(struct editor *editor)
{
    struct pollfd fds[2 + FILES_MAX];
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = term_fd(editor->term), .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = editor->signal_fd, .events = POLLIN};
    for (size_t i = 0; i < editor->count; i++)
        fds[n++] = (struct pollfd){.fd = replica_fd(editor->windows[i].replica), .events = POLLIN};
    bool pending = term_flush(editor->term) == TERM_PENDING;
    if (pending)
        fds[0].events |= POLLOUT;
    uint64_t now_ms = net_now_ms();
    int timeout = wait_ms(editor, now_ms);
    int ready = poll(fds, n, editor->dirty && !pending ? 0 : timeout);
    if (ready > 0 && (fds[0].revents & (POLLIN | POLLHUP | POLLERR)))
        read_terminal(editor);
    else
        take_pause(editor);
    if (ready > 0 && (fds[1].revents & POLLIN))
        take_signals(editor);
    for (size_t i = 0; i < editor->count; i++)
        replica_handle(editor->windows[i].replica);
    editor_greet(editor);
    editor_save_ended(editor);
    editor_ask_pending(editor);
    if (editor_next_draw_ms(editor, now_ms) <= net_now_ms())
        editor->dirty = true;
    if (editor->dirty && !pending && !editor->leaving)
        paint(editor);
}

/* Once for each file, behind its first frame. */
static void note_opened(struct editor *editor)
{
    for (; editor->noted < editor->count; editor->noted++)
        replica_note_opened(editor->windows[editor->noted].replica);
}

int editor_run(struct editor *editor)
{
    editor_ask_pending(editor);
    paint(editor);
    while (!editor->leaving) {
        note_opened(editor);
        turn(editor);
    }
    if (editor->paste.len > 0)
        editor_flush_paste(editor); /* the terminal went away in the middle of it */
    return editor->exit_status;
}
