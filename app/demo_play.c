#include "app/demo_parts.h"

#include <stdio.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/net.h"

enum {
    TYPE_GAP_MS = 90,  /* between two scripted keys */
    HINT_MS = 8000,    /* an idle person is told what to press */
    PAUSE_MS = 2000,   /* a person who has stopped typing for this long is done */
    AHEAD_MS = 3000,   /* and does not wait longer than this for the next step */
    STUCK_MS = 30000,  /* something that should follow does not: the demo says so and ends */
    CARD_MS = 4000,
};

#define WORD "Thursday"

/* --- acts --- */

void demo_press(struct demo *demo, enum actor actor, struct key key)
{
    cast_order(&demo->cast, actor, (struct pane_command){.order = PANE_KEY, .code = key.code, .mods = key.mods});
}

void demo_give_up(struct demo *demo, const char *why)
{
    if (!demo->leaving)
        demo->trouble = xstrdup(why);
    demo->leaving = true;
    demo->status = 1;
}

static void order_text(struct demo *demo, enum actor actor, enum pane_order order, const char *text)
{
    cast_order(&demo->cast, actor, (struct pane_command){.order = order, .text = bytes_of_string(text)});
}

void demo_cut(struct demo *demo, bool cut)
{
    cable_cut(demo->cast.cable, cut);
    for (int i = 0; i < ACTORS && !cut; i++)
        cast_order(&demo->cast, (enum actor)i, (struct pane_command){.order = PANE_RETRY});
    demo->dirty = true;
}

void demo_kill_you(struct demo *demo)
{
    struct findings *findings = &demo->findings;
    const struct pane_process *you = &demo->cast.panes[YOU];
    if (!you->alive)
        return;
    memcpy(findings->before_kill, you->state.hash, DIGEST_BYTES);
    findings->caret_before_kill = you->state.selection.head;
    findings->killed = true;
    findings->came_back = false;
    cast_kill(&demo->cast, YOU, demo->now_ms);
    demo->dirty = true;
}

/* Both hashes as they are now: pressed in the middle of a merge, the line becomes right by itself. */
static void compare(struct demo *demo)
{
    struct findings *findings = &demo->findings;
    const struct pane_process *panes = demo->cast.panes;
    if (!panes[YOU].alive || !panes[LIN].alive)
        return;
    for (int i = 0; i < ACTORS; i++)
        id_hex(panes[i].state.hash, HASH_SHOWN_BYTES, findings->hashes[i]);
    findings->equal = memcmp(panes[YOU].state.hash, panes[LIN].state.hash, DIGEST_BYTES) == 0;
    struct demo_picture *picture = &demo->picture;
    snprintf(picture->proof, sizeof picture->proof, "you %s...  lin %s...  %s  grep %s relay.db: %d",
             findings->hashes[YOU], findings->hashes[LIN], findings->equal ? "equal" : "not equal yet", findings->word,
             findings->in_relay);
    picture->in_file = findings->in_file;
}

static bool has_word(const struct buf *text, const char *word)
{
    return text->len && memmem(text->data, text->len, word, strlen(word));
}

/* A word of the story that is in the text now: not to find one that nobody has written would prove nothing. */
static const char *word_to_search(const struct demo *demo)
{
    static const char *const words[] = {WORD, "Launch", "brings", "Friday"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (has_word(&demo->cast.panes[YOU].state.text, words[i]))
            return words[i];
    return WORD;
}

void demo_prove(struct demo *demo)
{
    const char *word = word_to_search(demo);
    demo->findings.word = word;
    demo->findings.in_relay = cast_grep(&demo->cast, word, "relay.db");
    demo->findings.in_file = cast_grep(&demo->cast, word, "plan.md");
    demo->findings.proved = true;
    compare(demo);
    demo->dirty = true;
}

void demo_notice(struct demo *demo)
{
    struct findings *findings = &demo->findings;
    const struct pane_process *you = &demo->cast.panes[YOU];
    for (int i = 0; i < ACTORS; i++) {
        struct bytes said = buf_view(&demo->cast.panes[i].state.message);
        if (said.len > 5 && memcmp(said.data, "Back:", 5) == 0)
            snprintf(findings->back[i], sizeof findings->back[i], "%.*s", (int)said.len, (const char *)said.data);
    }
    if (findings->killed && you->alive && !findings->came_back)
        findings->came_back = memcmp(findings->before_kill, you->state.hash, DIGEST_BYTES) == 0 &&
                              findings->caret_before_kill == you->state.selection.head;
    if (findings->proved)
        compare(demo);
}

static void take(struct demo *demo, const struct story_step *step)
{
    switch (step->act) {
    case ACT_CAPTION: break;
    case ACT_TYPE: demo->typing = (struct typing){step->text, step->actor, demo->now_ms}; break;
    case ACT_REPLACE:
        order_text(demo, step->actor, PANE_FIND, step->find);
        demo->typing = (struct typing){step->text, step->actor, demo->now_ms};
        break;
    case ACT_PASTE:
        order_text(demo, step->actor, PANE_FIND, step->find);
        order_text(demo, step->actor, PANE_PASTE, step->text);
        break;
    case ACT_LINE_END: demo_press(demo, step->actor, (struct key){KEY_END, 0}); break;
    case ACT_UNDO: demo_press(demo, step->actor, (struct key){'z', KEY_CTRL}); break;
    case ACT_SAVE:
        demo_press(demo, step->actor, (struct key){'s', KEY_CTRL});
        demo->saves = true;
        break;
    case ACT_CUT: demo_cut(demo, true); break;
    case ACT_MEND:
        demo_cut(demo, false);
        demo->mends = true;
        break;
    case ACT_KILL: demo_kill_you(demo); break;
    case ACT_PROVE: demo_prove(demo); break;
    case ACT_CARD: demo->card_ms = demo->now_ms; break;
    }
}

static void type_on(struct demo *demo)
{
    struct typing *typing = &demo->typing;
    while (typing->text && *typing->text && demo->now_ms >= typing->next_ms) {
        uint32_t code = *typing->text == '\n' ? (uint32_t)KEY_ENTER : (unsigned char)*typing->text;
        demo_press(demo, typing->actor, (struct key){code, 0});
        typing->text++;
        typing->next_ms = demo->now_ms + TYPE_GAP_MS / demo->speed;
    }
    if (typing->text && !*typing->text)
        typing->text = NULL;
}

/* --- whose turn it is --- */

static bool same_text(const struct demo *demo)
{
    return memcmp(demo->cast.panes[YOU].state.hash, demo->cast.panes[LIN].state.hash, DIGEST_BYTES) == 0;
}

/* Everything ordered has been done, and everybody knows what there is to know. */
static bool is_calm(const struct demo *demo)
{
    bool cut = cable_is_cut(demo->cast.cable);
    for (int i = 0; i < ACTORS; i++) {
        const struct pane_process *pane = &demo->cast.panes[i];
        if (!pane->heard || pane->state.online == cut || (!cut && !pane->state.caught_up))
            return false;
    }
    const struct findings *findings = &demo->findings;
    bool saving = demo->saves && !demo->cast.panes[YOU].state.in_file;
    bool mending = demo->mends && (!findings->back[YOU][0] || !findings->back[LIN][0]);
    return !demo->typing.text && !saving && !mending && (cut || same_text(demo));
}

static bool person_has_done(const struct demo *demo, const struct story_step *step)
{
    const struct asking *asking = &demo->asking;
    bool paused = demo->now_ms - demo->key_ms >= PAUSE_MS / demo->speed;
    switch (step->act) {
    case ACT_TYPE:
    case ACT_REPLACE:
    case ACT_PASTE: return asking->typed && paused;
    case ACT_CUT: return cable_is_cut(demo->cast.cable);
    case ACT_MEND: return !cable_is_cut(demo->cast.cable);
    case ACT_KILL: return demo->findings.killed && demo->cast.panes[YOU].alive;
    case ACT_UNDO: return asking->undone && paused;
    case ACT_PROVE: return asking->proved;
    case ACT_CAPTION:
    case ACT_LINE_END:
    case ACT_SAVE:
    case ACT_CARD: return true;
    }
    return true;
}

static void next_step(struct demo *demo)
{
    /* What a person did before being asked counts, up to the step before. */
    if (demo->asking.since_ms)
        demo->asking = (struct asking){0};
    demo->picture.hint = NULL;
    demo->acted_ms = demo->now_ms;
    demo->dirty = true;
    demo->step++;
    if (demo->mode != DEMO_PERSON || demo->step == story_steps)
        return;
    uint64_t next_ms = story[demo->step].at_s * 1000ull;
    if (demo->story_ms + AHEAD_MS < next_ms)
        demo->story_ms = next_ms - AHEAD_MS;
}

static void show_caption(struct demo *demo, const struct story_step *step)
{
    if (step->caption && demo->picture.caption != step->caption) {
        demo->picture.caption = step->caption;
        demo->dirty = true;
    }
}

/* Waits for as long as it takes; the story's clock stands still meanwhile. */
static void ask_person(struct demo *demo, const struct story_step *step)
{
    if (!demo->asking.since_ms)
        demo->asking.since_ms = demo->now_ms;
    show_caption(demo, step);
    uint64_t idle_since_ms = demo->key_ms > demo->asking.since_ms ? demo->key_ms : demo->asking.since_ms;
    const char *hint = demo->now_ms - idle_since_ms >= HINT_MS / demo->speed ? step->hint : NULL;
    if (demo->picture.hint != hint) {
        demo->picture.hint = hint;
        demo->dirty = true;
    }
    if (person_has_done(demo, step))
        next_step(demo);
}

static void go_on(struct demo *demo)
{
    const struct story_step *step = &story[demo->step];
    bool persons = demo->mode == DEMO_PERSON && step->actor == YOU && step->act != ACT_CARD;
    if (persons && !step->hint) {
        next_step(demo); /* is only there so that it plays itself */
    } else if (demo->story_ms < step->at_s * 1000ull) {
        return;
    } else if (persons) {
        ask_person(demo, step);
    } else if (is_calm(demo)) {
        show_caption(demo, step);
        take(demo, step);
        next_step(demo);
    } else if (demo->mode != DEMO_PERSON && demo->now_ms - demo->acted_ms > STUCK_MS) {
        demo_give_up(demo, "the two texts did not come together in time");
    }
}

/* LIN comes when there is a link and YOU's text is at the relay. */
static void start_lin(struct demo *demo)
{
    struct error err = {0};
    if (demo->cast.link.len == 0 || !demo->cast.panes[YOU].state.caught_up) {
        if (demo->now_ms - demo->acted_ms > STUCK_MS)
            demo_give_up(demo, "the text did not reach the relay in time");
        return;
    }
    demo->lin_started = true;
    demo->acted_ms = demo->now_ms;
    if (!cast_start(&demo->cast, LIN, &err))
        demo_give_up(demo, err.text);
}

void demo_play(struct demo *demo, uint64_t passed_ms)
{
    if (!demo->lin_started) {
        start_lin(demo);
        return;
    }
    type_on(demo);
    if (!demo->asking.since_ms && demo->cast.panes[YOU].alive && demo->cast.panes[LIN].alive)
        demo->story_ms += passed_ms * demo->speed;
    if (demo->step < story_steps)
        go_on(demo);
}

bool demo_has_ended(const struct demo *demo)
{
    return demo->mode != DEMO_PERSON && demo->card_ms && demo->now_ms - demo->card_ms >= CARD_MS / demo->speed;
}

/* --- the end --- */

int demo_print_end(const struct demo *demo)
{
    const struct findings *findings = &demo->findings;
    const struct buf *text = &demo->cast.panes[YOU].state.text;
    bool thursday = has_word(text, WORD), mine = has_word(text, "Mon");
    fwrite(text->data, 1, text->len, stdout);
    printf("kill -9 in the middle of a word: %s\n", findings->came_back ? "text and cursor came back" : "SOMETHING IS LOST");
    for (int i = 0; i < ACTORS; i++)
        printf("%s  %s\n", i == YOU ? "you" : "lin", findings->back[i][0] ? findings->back[i] : "NEVER BACK");
    printf("your words after your ^Z: %s\n", mine ? "STILL THERE" : "gone");
    printf("Lin's " WORD " after your ^Z: %s\n", thursday ? "there" : "GONE");
    printf("you %s...  lin %s...  %s\n", findings->hashes[YOU], findings->hashes[LIN],
           findings->equal ? "equal" : "DIFFERENT");
    printf("grep %s relay.db: %d  (plan.md: %d)\n", findings->word ? findings->word : WORD, findings->in_relay,
           findings->in_file);
    bool good = findings->came_back && findings->back[YOU][0] && findings->back[LIN][0] && thursday && !mine &&
                findings->equal && findings->in_relay == 0 && findings->in_file > 0;
    return good ? 0 : 1;
}
