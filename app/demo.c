#include "app/demo_parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/net.h"

enum {
    DARK_MS = 1500, /* how long a killed pane stays dark */
    RESTARTS_MAX = 1000, /* enough for anybody's F6, an end to a pane that cannot live */
    LOOK_MS = 300, /* between two looks at the relay's records */
    WAIT_MS = 50, /* the story's clock ticks at least this often */
    FAST_SPEED = 40,
    SPEED_MAX = 100,
};

/* --- keys --- */

/* Alt+5, 6, 7 are F5, F6, F7 for terminals that keep those for themselves. */
static uint32_t demo_key(struct key key)
{
    if (key.mods == KEY_ALT && key.code >= '5' && key.code <= '7')
        return KEY_F1 + (key.code - '1');
    return key.mods == 0 && key.code >= KEY_F1 + 4 && key.code <= KEY_F1 + 6 ? key.code : 0;
}

static bool leaves(const struct demo *demo, struct key key)
{
    bool stops = demo->mode == DEMO_PLAY && key.code == 'c'; /* nobody copies there */
    return key.mods == KEY_CTRL && (key.code == 'q' || stops);
}

static void edit(struct demo *demo, struct key key)
{
    bool undoes = key.code == 'z' && key.mods == KEY_CTRL;
    demo_press(demo, YOU, key);
    demo->picture.narrow_shows = YOU;
    demo->asking.undone |= undoes;
    demo->asking.typed |= !undoes;
}

static void take_key(struct demo *demo, struct key key)
{
    bool narrow = term_cols(demo->term) < DEMO_WIDE_COLS;
    demo->key_ms = demo->now_ms;
    demo->dirty = true;
    if (leaves(demo, key)) {
        demo->leaving = true;
    } else if (narrow && key.code == KEY_TAB && key.mods == 0) {
        demo->picture.narrow_shows = demo->picture.narrow_shows == YOU ? LIN : YOU;
    } else if (demo->mode == DEMO_PERSON) {
        switch (demo_key(key)) {
        case KEY_F1 + 4: demo_cut(demo, !cable_is_cut(demo->cast.cable)); break;
        case KEY_F1 + 5: demo_kill_you(demo); break;
        case KEY_F1 + 6:
            demo_prove(demo);
            demo->asking.proved = true;
            break;
        default: edit(demo, key); break;
        }
    }
}

static void take_paste(struct demo *demo, struct bytes text)
{
    demo->key_ms = demo->now_ms;
    demo->asking.typed |= demo->mode == DEMO_PERSON;
    for (size_t at = 0; demo->mode == DEMO_PERSON && at < text.len; at += DEMO_PASTE_BYTES) {
        size_t len = text.len - at < DEMO_PASTE_BYTES ? text.len - at : DEMO_PASTE_BYTES;
        cast_order(&demo->cast, YOU, (struct pane_command){.order = PANE_PASTE, .text = bytes_slice(text, at, len)});
    }
}

static void take_inputs(struct demo *demo)
{
    struct input input;
    while (!demo->leaving && keys_next(demo->keys, &input)) {
        if (input.kind == INPUT_KEY)
            take_key(demo, input.key);
        else if (input.kind == INPUT_PASTE)
            take_paste(demo, input.paste.text);
    }
}

static void read_terminal(struct demo *demo)
{
    unsigned char bytes[1 << 14];
    ssize_t got = read(term_fd(demo->term), bytes, sizeof bytes);
    if (got > 0) {
        keys_feed(demo->keys, bytes_of(bytes, (size_t)got), demo->now_ms);
        take_inputs(demo);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        demo->leaving = true; /* the terminal is gone */
        demo->status = 128 + SIGHUP;
    }
}

/* --- the screen --- */

static void paint(struct demo *demo)
{
    struct demo_picture *picture = &demo->picture;
    for (int i = 0; i < ACTORS; i++) {
        const struct pane_process *pane = &demo->cast.panes[i];
        picture->panes[i] = &pane->state;
        picture->shown[i] = pane->alive ? PANE_SHOWN : i == LIN && !demo->lin_started ? PANE_COMING : PANE_DARK;
    }
    picture->cut = cable_is_cut(demo->cast.cable);
    picture->plays = demo->mode == DEMO_PLAY;
    demo_draw(&demo->frame, term_rows(demo->term), term_cols(demo->term), picture);
    term_draw(demo->term, &demo->frame);
    demo->dirty = false;
}

static void show(struct demo *demo)
{
    enum term_flushed flushed = term_flush(demo->term);
    if (flushed == TERM_FLUSHED && demo->dirty) {
        paint(demo);
        flushed = term_flush(demo->term);
    }
    if (flushed == TERM_GONE) {
        demo->leaving = true;
        demo->status = 128 + SIGHUP;
    }
}

/* --- the loop --- */

static void look_at_relay(struct demo *demo)
{
    struct demo_picture *picture = &demo->picture;
    struct store_seen seen[DEMO_SEEN_MAX];
    if (demo->now_ms - demo->seen_ms < LOOK_MS)
        return;
    demo->seen_ms = demo->now_ms;
    size_t count = cast_seen(&demo->cast, seen, DEMO_SEEN_MAX);
    if (count == 0 || (count == picture->seen_count && seen[0].place == picture->seen[0].place))
        return;
    memcpy(picture->seen, seen, count * sizeof *seen);
    picture->seen_count = count;
    demo->dirty = true;
}

static void raise_the_dead(struct demo *demo)
{
    struct error err = {0};
    for (int i = 0; i < ACTORS; i++) {
        const struct pane_process *pane = &demo->cast.panes[i];
        if (!pane->killed_ms || demo->now_ms - pane->killed_ms < DARK_MS / demo->speed)
            continue;
        if (++demo->restarts > RESTARTS_MAX)
            demo_give_up(demo, "a pane ends again and again");
        else if (!cast_start(&demo->cast, (enum actor)i, &err))
            demo_give_up(demo, err.text);
    }
}

static void take_signals(struct demo *demo)
{
    struct signalfd_siginfo info;
    while (read(demo->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGWINCH) {
            demo->dirty |= demo->term && term_resize(demo->term);
        } else {
            demo->leaving = true;
            demo->status = 128 + (int)info.ssi_signo;
        }
    }
}

static void hear(struct demo *demo)
{
    bool news = false;
    for (int i = 0; i < ACTORS; i++)
        news |= cast_hear(&demo->cast, (enum actor)i, demo->now_ms);
    if (news)
        demo_notice(demo);
    demo->dirty |= news;
    if (!cast_relay_runs(&demo->cast))
        demo_give_up(demo, "the relay has ended");
}

static int wait_ms(const struct demo *demo)
{
    uint64_t ms = demo->speed < WAIT_MS ? WAIT_MS / demo->speed : 1, now_ms = net_now_ms();
    uint64_t keys_ms = demo->keys ? keys_deadline_ms(demo->keys) : UINT64_MAX;
    uint64_t left_ms = keys_ms > now_ms ? keys_ms - now_ms : 0;
    return (int)(left_ms < ms ? left_ms : ms);
}

static void turn(struct demo *demo)
{
    struct pollfd fds[CABLE_FDS_MAX + ACTORS + 2];
    size_t cable = cable_fds(demo->cast.cable, fds), n = cable;
    for (int i = 0; i < ACTORS; i++)
        fds[n++] = (struct pollfd){.fd = demo->cast.panes[i].fd, .events = POLLIN};
    struct pollfd *signals = &fds[n++], *terminal = &fds[n++];
    *signals = (struct pollfd){.fd = demo->signal_fd, .events = POLLIN};
    *terminal = (struct pollfd){.fd = demo->term ? term_fd(demo->term) : -1, .events = POLLIN};
    int ready = poll(fds, n, wait_ms(demo));
    uint64_t before_ms = demo->now_ms;
    demo->now_ms = net_now_ms();
    if (ready > 0) {
        cable_handle(demo->cast.cable, fds, cable);
        if (signals->revents)
            take_signals(demo);
        if (terminal->revents)
            read_terminal(demo);
    } else if (demo->keys && demo->now_ms >= keys_deadline_ms(demo->keys)) {
        keys_timeout(demo->keys);
        take_inputs(demo);
    }
    hear(demo);
    raise_the_dead(demo);
    demo_play(demo, demo->now_ms - before_ms);
    if (demo->term) {
        look_at_relay(demo);
        show(demo);
    }
    demo->leaving |= demo_has_ended(demo);
}

/* --- life --- */

static int block_signals(void)
{
    sigset_t set;
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool open_screen(struct demo *demo, struct error *err)
{
    const char *no_colour = getenv("NO_COLOR");
    struct term_options options = {.fd = -1, .type = getenv("TERM"), .colorterm = getenv("COLORTERM"),
                                   .no_colour = no_colour && *no_colour};
    demo->term = term_open(&options, err);
    if (!demo->term)
        return false;
    demo->keys = keys_new();
    keys_set_erase(demo->keys, term_erase_byte(demo->term));
    return true;
}

static bool begin(struct demo *demo, struct env *env, struct error *err)
{
    demo->now_ms = demo->acted_ms = net_now_ms();
    demo->picture.caption = "Starting a relay and two people.";
    demo->signal_fd = block_signals();
    ensure(demo->signal_fd >= 0);
    if (!cast_open(&demo->cast, env, err))
        return false;
    return (demo->mode == DEMO_FAST || open_screen(demo, err)) && cast_start(&demo->cast, YOU, err);
}

/* The terminal goes back first; then it can be written on. */
static void end(struct demo *demo)
{
    term_close(demo->term);
    if (demo->trouble)
        fprintf(stderr, "weft demo: %s\n", demo->trouble);
    else if (demo_has_ended(demo) && demo->status == 0)
        demo->status = demo_print_end(demo);
    cast_free(&demo->cast);
    keys_free(demo->keys);
    frame_release(&demo->frame);
    close(demo->signal_fd);
    free(demo->trouble);
}

int demo_run(struct env *env, enum demo_mode mode, unsigned speed)
{
    struct error err = {0};
    struct demo demo = {.mode = mode, .speed = mode == DEMO_FAST ? FAST_SPEED : speed < SPEED_MAX ? speed : SPEED_MAX};
    if (!begin(&demo, env, &err))
        demo_give_up(&demo, err.text);
    while (!demo.leaving)
        turn(&demo);
    end(&demo);
    return demo.status;
}
