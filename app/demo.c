#include "app/demo.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/demo_draw.h"
#include "app/demo_story.h"
#include "editor/base/xalloc.h"
#include "sync/net.h"
#include "ui/keys.h"
#include "ui/term.h"

enum {
    TYPE_GAP_MS = 90,      /* between two scripted keys */
    DARK_MS = 1500,        /* how long a killed pane stays dark */
    HINT_MS = 8000,
    STUCK_MS = 30000,      /* something that should follow does not: the demo says so and ends */
    CARD_MS = 4000,
    FAST_SPEED = 40,
    WAIT_MS = 50,
};

struct typing {
    const char *text; /* what is left; NULL: nothing */
    enum actor actor;
    uint64_t next_ms;
};

struct demo {
    struct cast cast;
    enum demo_mode mode;
    uint64_t speed;
    struct term *term; /* NULL: without a screen */
    struct keys *keys;
    struct frame frame;
    int signal_fd;

    size_t step;
    uint64_t story_ms;     /* how much of the story's time has gone */
    uint64_t now_ms, calm_since_ms;
    uint64_t asked_ms;     /* since when a person is waited for; 0: is not */
    bool person_did;       /* ... and has done it */
    struct typing typing;
    struct demo_picture picture;
    bool lin_started, dirty, leaving, proved, stuck, finished;
    uint64_t card_ms, seen_ms;
    bool equal;
    int grepped;
    char hashes[ACTORS][9];
};

/* --- is everything where it should be --- */

static bool same_text(const struct demo *demo)
{
    return bytes_equal(buf_view(&demo->cast.panes[YOU].state.text), buf_view(&demo->cast.panes[LIN].state.text));
}

static bool is_calm(const struct demo *demo)
{
    bool cut = cable_is_cut(demo->cast.cable);
    for (int i = 0; i < ACTORS; i++) {
        const struct pane_process *pane = &demo->cast.panes[i];
        if (!pane->heard || pane->state.online == cut || (!cut && !pane->state.caught_up))
            return false;
    }
    return cut || same_text(demo);
}

static void say_stuck(struct demo *demo, const char *what)
{
    fprintf(stderr, "weft demo: %s\n", what);
    demo->stuck = demo->leaving = true;
}

/* --- acts --- */

static void press(struct demo *demo, enum actor actor, uint32_t code, unsigned mods)
{
    cast_order(&demo->cast, actor, (struct pane_command){.order = PANE_KEY, .code = code, .mods = mods});
}

static void cut_or_mend(struct demo *demo, bool cut)
{
    cable_cut(demo->cast.cable, cut);
    for (int i = 0; i < ACTORS && !cut; i++)
        cast_order(&demo->cast, (enum actor)i, (struct pane_command){.order = PANE_RETRY});
}

static void kill_you(struct demo *demo)
{
    if (demo->cast.panes[YOU].killed_ms == 0)
        cast_kill(&demo->cast, YOU, demo->now_ms);
}

/* Both hashes as they are now: pressed in the middle of a merge, the line becomes right by itself. */
static void compare(struct demo *demo)
{
    for (int i = 0; i < ACTORS; i++)
        id_hex(demo->cast.panes[i].state.hash, 4, demo->hashes[i]);
    demo->equal = memcmp(demo->cast.panes[YOU].state.hash, demo->cast.panes[LIN].state.hash, DIGEST_BYTES) == 0;
    snprintf(demo->picture.proof, sizeof demo->picture.proof, "you %s  lin %s  %s     grep Thursday relay.db: %d",
             demo->hashes[YOU], demo->hashes[LIN], demo->equal ? "equal" : "not equal yet", demo->grepped);
}

static void prove(struct demo *demo)
{
    demo->grepped = cast_grep(&demo->cast, "Thursday");
    demo->proved = true;
    compare(demo);
}

static void act(struct demo *demo, const struct story_step *step)
{
    switch (step->act) {
    case ACT_CAPTION: break;
    case ACT_TYPE: demo->typing = (struct typing){step->text, step->actor, demo->now_ms}; break;
    case ACT_REPLACE:
        cast_order(&demo->cast, step->actor, (struct pane_command){.order = PANE_FIND, .text = bytes_of_string(step->find)});
        demo->typing = (struct typing){step->text, step->actor, demo->now_ms};
        break;
    case ACT_END: press(demo, step->actor, KEY_END, KEY_CTRL); break;
    case ACT_UNDO: press(demo, step->actor, 'z', KEY_CTRL); break;
    case ACT_CUT: cut_or_mend(demo, true); break;
    case ACT_MEND: cut_or_mend(demo, false); break;
    case ACT_KILL: kill_you(demo); break;
    case ACT_PROVE: prove(demo); break;
    case ACT_CARD: demo->card_ms = demo->now_ms; break;
    }
    demo->calm_since_ms = demo->now_ms;
}

/* --- the story goes on --- */

static void type_on(struct demo *demo)
{
    struct typing *typing = &demo->typing;
    while (typing->text && *typing->text && demo->now_ms >= typing->next_ms) {
        press(demo, typing->actor, *typing->text == '\n' ? (uint32_t)KEY_ENTER : (unsigned char)*typing->text, 0);
        typing->text++;
        typing->next_ms = demo->now_ms + TYPE_GAP_MS / demo->speed;
        demo->cast.panes[typing->actor].heard = false; /* calm only once it has answered */
    }
    if (typing->text && !*typing->text)
        typing->text = NULL;
}

/* A person at the keys does YOU's part; what is only there so that it plays itself is passed over. */
static bool person_does(const struct demo *demo, const struct story_step *step)
{
    return demo->mode == DEMO_PERSON && step->actor == YOU && step->act != ACT_CARD;
}

static bool may_go_on(struct demo *demo, const struct story_step *step)
{
    if (demo->typing.text || demo->cast.panes[YOU].killed_ms || demo->story_ms < step->at_s * 1000ull)
        return false;
    if (is_calm(demo))
        return true;
    if (demo->mode != DEMO_PERSON && demo->now_ms - demo->calm_since_ms > STUCK_MS)
        say_stuck(demo, "the two texts did not come together in time");
    return false;
}

static void go_on(struct demo *demo)
{
    if (demo->step == story_steps)
        return;
    const struct story_step *step = &story[demo->step];
    bool waits = person_does(demo, step);
    if (!waits && !may_go_on(demo, step))
        return;
    if (waits && demo->story_ms < step->at_s * 1000ull && !demo->person_did)
        return;
    if (step->caption)
        demo->picture.caption = step->caption;
    if (waits && step->hint && !demo->person_did) {
        if (!demo->asked_ms)
            demo->asked_ms = demo->now_ms;
        demo->picture.hint = demo->now_ms - demo->asked_ms > HINT_MS ? step->hint : NULL;
        return;
    }
    demo->asked_ms = 0;
    demo->person_did = false;
    demo->picture.hint = NULL;
    if (!waits)
        act(demo, step);
    if (demo->story_ms < step->at_s * 1000ull)
        demo->story_ms = step->at_s * 1000ull;
    demo->step++;
    demo->dirty = true;
}

/* The person did what the present step is about. */
static void person_did(struct demo *demo, enum story_act what)
{
    bool asked = demo->step < story_steps && demo->asked_ms;
    enum story_act wanted = asked ? story[demo->step].act : ACT_CARD;
    bool typed = what == ACT_TYPE && (wanted == ACT_TYPE || wanted == ACT_REPLACE);
    if (asked && (wanted == what || typed))
        demo->person_did = true;
}

/* --- keys --- */

static void take_key(struct demo *demo, struct key key)
{
    bool quits = (key.code == 'q' && key.mods == KEY_CTRL) || (demo->mode == DEMO_PLAY && key.code == 'c' && key.mods == KEY_CTRL);
    uint32_t f = key.code >= '5' && key.code <= '7' && key.mods == KEY_ALT ? KEY_F1 + (key.code - '1') : key.code;
    demo->dirty = true;
    if (quits) {
        demo->leaving = true;
    } else if (key.code == KEY_TAB && term_cols(demo->term) < DEMO_WIDE_COLS) {
        demo->picture.narrow_shows = demo->picture.narrow_shows == YOU ? LIN : YOU;
    } else if (demo->mode == DEMO_PLAY) {
        return;
    } else if (f == KEY_F1 + 4) {
        bool cut = !cable_is_cut(demo->cast.cable);
        cut_or_mend(demo, cut);
        person_did(demo, cut ? ACT_CUT : ACT_MEND);
    } else if (f == KEY_F1 + 5) {
        kill_you(demo);
        person_did(demo, ACT_KILL);
    } else if (f == KEY_F1 + 6) {
        prove(demo);
        person_did(demo, ACT_PROVE);
    } else {
        press(demo, YOU, key.code, key.mods);
        person_did(demo, key.code == 'z' && key.mods == KEY_CTRL ? ACT_UNDO : ACT_TYPE);
    }
}

static void read_keys(struct demo *demo, bool ready)
{
    unsigned char bytes[4096];
    struct input input;
    if (ready) {
        ssize_t got = read(term_fd(demo->term), bytes, sizeof bytes);
        if (got <= 0)
            demo->leaving = true;
        else
            keys_feed(demo->keys, bytes_of(bytes, (size_t)got));
    } else if (keys_wait_ms(demo->keys) >= 0) {
        keys_timeout(demo->keys);
    }
    while (keys_next(demo->keys, &input))
        if (input.kind == INPUT_KEY)
            take_key(demo, input.key);
}

/* --- the loop --- */

static void look_at_relay(struct demo *demo)
{
    enum { LOOK_MS = 300 };
    if (!demo->term || demo->now_ms - demo->seen_ms < LOOK_MS)
        return;
    demo->seen_ms = demo->now_ms;
    demo->picture.seen_count = cast_seen(&demo->cast, demo->picture.seen, DEMO_SEEN_MAX);
    demo->dirty = true;
}

static void raise_the_dead(struct demo *demo)
{
    struct error err = {0};
    const struct pane_process *you = &demo->cast.panes[YOU];
    if (you->killed_ms && demo->now_ms - you->killed_ms >= DARK_MS / demo->speed && !cast_start(&demo->cast, YOU, &err))
        say_stuck(demo, err.text);
}

static void start_lin(struct demo *demo)
{
    struct error err = {0};
    const struct pane_state *you = &demo->cast.panes[YOU].state;
    if (demo->lin_started || you->link.len == 0 || !you->caught_up)
        return;
    demo->lin_started = true;
    if (!cast_start(&demo->cast, LIN, &err))
        say_stuck(demo, err.text);
}

static void turn(struct demo *demo)
{
    struct pollfd fds[CABLE_FDS_MAX + 2 + ACTORS];
    size_t cable = cable_fds(demo->cast.cable, fds), n = cable;
    for (int i = 0; i < ACTORS; i++)
        fds[n++] = (struct pollfd){.fd = demo->cast.panes[i].fd, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = demo->signal_fd, .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = demo->term ? term_fd(demo->term) : -1, .events = POLLIN};
    (void)poll(fds, n, WAIT_MS / (int)(demo->speed > WAIT_MS ? WAIT_MS : demo->speed));
    uint64_t before_ms = demo->now_ms;
    demo->now_ms = net_now_ms();
    bool running = demo->lin_started && !demo->asked_ms && !demo->cast.panes[YOU].killed_ms;
    if (running)
        demo->story_ms += (demo->now_ms - before_ms) * demo->speed;
    cable_handle(demo->cast.cable, fds, cable);
    for (int i = 0; i < ACTORS; i++)
        demo->dirty |= cast_hear(&demo->cast, (enum actor)i);
    if (demo->proved && demo->dirty)
        compare(demo);
    demo->leaving |= fds[cable + ACTORS].revents != 0;
    if (demo->term)
        read_keys(demo, fds[cable + ACTORS + 1].revents != 0);
    start_lin(demo);
    raise_the_dead(demo);
    type_on(demo);
    if (demo->lin_started && demo->cast.panes[LIN].heard)
        go_on(demo);
    else if (demo->now_ms - demo->calm_since_ms > STUCK_MS)
        say_stuck(demo, "the two did not meet in time");
    look_at_relay(demo);
    if (demo->card_ms && demo->mode != DEMO_PERSON && demo->now_ms - demo->card_ms >= CARD_MS / demo->speed)
        demo->finished = demo->leaving = true;
}

static void paint(struct demo *demo)
{
    struct demo_picture *picture = &demo->picture;
    for (int i = 0; i < ACTORS; i++) {
        picture->panes[i] = &demo->cast.panes[i].state;
        picture->dark[i] = demo->cast.panes[i].killed_ms != 0;
    }
    picture->cut = cable_is_cut(demo->cast.cable);
    demo_draw(&demo->frame, term_rows(demo->term), term_cols(demo->term), picture);
    term_draw(demo->term, &demo->frame);
    if (term_flush(demo->term) == TERM_GONE)
        demo->leaving = true;
    demo->dirty = false;
}

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
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
    if (demo->term)
        demo->keys = keys_new();
    return demo->term != NULL;
}

/* What was seen, for who reads it afterwards: a shell, a test. */
static int print_end(const struct demo *demo)
{
    const struct buf *text = &demo->cast.panes[YOU].state.text;
    bool thursday = text->len && memmem(text->data, text->len, "Thursday", 8);
    if (!demo->proved)
        return demo->stuck ? 1 : 0;
    printf("%.*s", (int)text->len, text->len ? (const char *)text->data : "");
    printf("you %s  lin %s  %s\n", demo->hashes[YOU], demo->hashes[LIN], demo->equal ? "equal" : "DIFFERENT");
    printf("Lin's Thursday after your ^Z: %s\n", thursday ? "there" : "GONE");
    printf("grep Thursday relay.db: %d\n", demo->grepped);
    return demo->equal && thursday && demo->grepped == 0 ? 0 : 1;
}

static void play(struct demo *demo)
{
    while (!demo->leaving) {
        turn(demo);
        if (demo->term && term_resize(demo->term))
            demo->dirty = true;
        if (demo->term && demo->dirty)
            paint(demo);
    }
}

int demo_run(struct env *env, enum demo_mode mode, unsigned speed)
{
    struct error err = {0};
    struct demo *demo = xcalloc(1, sizeof *demo);
    demo->mode = mode;
    demo->speed = mode == DEMO_FAST ? FAST_SPEED : speed;
    demo->picture.caption = "Starting a relay and two people.";
    demo->now_ms = demo->calm_since_ms = net_now_ms();
    demo->signal_fd = block_signals();
    bool opened = cast_open(&demo->cast, env, &err);
    bool good = opened && (mode == DEMO_FAST || open_screen(demo, &err)) && cast_start(&demo->cast, YOU, &err);
    if (good)
        play(demo);
    term_close(demo->term);
    int status = good && (demo->finished || mode != DEMO_PERSON) ? print_end(demo) : good ? 0 : 1;
    if (!good)
        fprintf(stderr, "weft demo: %s\n", err.text);
    if (opened)
        cast_free(&demo->cast);
    keys_free(demo->keys);
    frame_release(&demo->frame);
    close(demo->signal_fd);
    free(demo);
    return status;
}
