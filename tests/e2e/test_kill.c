/*
 * kill -9 of the whole editor at random moments: what had been painted is there afterwards, with cursor and undo history.
 *
 * A model knows the text after every single key. What stands on the screen when the program dies is one of those texts;
 * what it shows when it is started again must be that one or a later one, never an earlier one and nothing else.
 */
#include "tests/support/support.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/random.h"
#include "editor/base/xalloc.h"
#include "tests/support/stage.h"

enum { KILLS = 50, FIRST_KILLS = 50, OFFLINE_KILLS = 5 };
enum { TOKENS_MAX = 80, TOKEN_BYTES = 16, KEYS_MAX = 256, TEXT_BYTES_MAX = TOKENS_MAX * TOKEN_BYTES };
enum { LINE_BYTES_WANTED = 50, LINES_WANTED = 12, TEXT_ROWS = 20, STATUS_ROW = 23 };

/* --- the model --- */

/* Every token is one undo step, and no two are alike: a text tells which of them are in it. */
struct model {
    char tokens[TOKENS_MAX][TOKEN_BYTES];
    size_t count; /* in the text */
    size_t undone; /* taken back, behind those in the text */
};

static void model_text(const struct model *model, char out[TEXT_BYTES_MAX])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < model->count; i++)
        len += (size_t)snprintf(out + len, TEXT_BYTES_MAX - len, "%s", model->tokens[i]);
}

static size_t last_line_bytes(const struct model *model)
{
    char text[TEXT_BYTES_MAX];
    model_text(model, text);
    const char *newline = strrchr(text, '\n');
    return strlen(newline ? newline + 1 : text);
}

static int lines(const char *text)
{
    int count = 0;
    for (; (text = strchr(text, '\n')); text++)
        count++;
    return count;
}

/* --- one life of the editor --- */

struct life {
    struct stage *stage;
    struct random random;
    unsigned number; /* of tokens so far */
    char *file;      /* its name */
    struct vt *vt;
    struct model states[KEYS_MAX]; /* before the first key, after each */
    size_t count;
    char *in_file[KEYS_MAX]; /* what the file may hold: as found, and after each ^S */
    size_t in_file_count;
};

static struct model *now(struct life *life)
{
    return &life->states[life->count - 1];
}

static struct model *next(struct life *life)
{
    assert_true(life->count < KEYS_MAX);
    life->states[life->count] = life->states[life->count - 1];
    return &life->states[life->count++];
}

static void may_be_in_file(struct life *life, const char *text)
{
    assert_true(life->in_file_count < KEYS_MAX);
    life->in_file[life->in_file_count++] = xstrdup(text);
}

static void forget_in_file(struct life *life)
{
    for (size_t i = 0; i < life->in_file_count; i++)
        free(life->in_file[i]);
    life->in_file_count = 0;
}

/* The text on the screen as the model writes it, but for blanks at the ends of lines. */
static void screen_text(struct vt *vt, char out[TEXT_BYTES_MAX])
{
    size_t len = 0;
    for (int row = 0; row < TEXT_ROWS; row++) {
        const char *line = vt_row(vt, row);
        len += (size_t)snprintf(out + len, TEXT_BYTES_MAX - len, "%s%s", row ? "\n" : "", line);
        assert_true(len < TEXT_BYTES_MAX);
    }
    while (len > 0 && out[len - 1] == '\n')
        out[--len] = '\0';
}

static bool shows(struct vt *vt, const struct model *model)
{
    char seen[TEXT_BYTES_MAX], text[TEXT_BYTES_MAX], shown[TEXT_BYTES_MAX];
    model_text(model, text);
    size_t len = 0;
    for (const char *at = text; *at; at++) {
        while ((*at == '\n') && len > 0 && shown[len - 1] == ' ')
            len--;
        shown[len++] = *at;
    }
    while (len > 0 && (shown[len - 1] == ' ' || shown[len - 1] == '\n'))
        len--;
    shown[len] = '\0';
    screen_text(vt, seen);
    return strcmp(seen, shown) == 0;
}

static bool cursor_is_at_the_end(struct vt *vt, const struct model *model)
{
    char text[TEXT_BYTES_MAX];
    int row, col;
    model_text(model, text);
    vt_cursor(vt, &row, &col);
    return row == lines(text) && col == (int)last_line_bytes(model);
}

static void fail_here(struct life *life, const char *what)
{
    char text[TEXT_BYTES_MAX];
    vt_print(life->vt);
    for (size_t i = 0; i < life->count; i++) {
        model_text(&life->states[i], text);
        fprintf(stderr, "state %zu: \"%s\"\n", i, text);
    }
    fail_msg("%s: %s", life->file, what);
}

/* --- keys --- */

/* One key after another, or all in one write, as it comes over a slow or a fast line. */
static void type_token(struct life *life)
{
    char token[TOKEN_BYTES];
    snprintf(token, sizeof token, "w%u ", life->number++);
    struct model *before = now(life);
    size_t at = before->count;
    assert_true(at < TOKENS_MAX);
    for (size_t i = 0; token[i]; i++) {
        struct model *state = next(life);
        state->count = at + 1;
        state->undone = 0;
        snprintf(state->tokens[at], TOKEN_BYTES, "%.*s", (int)i + 1, token);
    }
    vt_type(life->vt, token);
}

static void paste_token(struct life *life)
{
    char token[TOKEN_BYTES];
    bool wraps = last_line_bytes(now(life)) > LINE_BYTES_WANTED;
    snprintf(token, sizeof token, "[%u]%s", life->number++, wraps ? "\n" : "");
    struct model *state = next(life);
    assert_true(state->count < TOKENS_MAX);
    snprintf(state->tokens[state->count], TOKEN_BYTES, "%s", token);
    state->count++;
    state->undone = 0;
    char *keys = xformat(VT_PASTE("%s"), token);
    vt_type(life->vt, keys);
    free(keys);
}

static void undo(struct life *life)
{
    struct model *state = next(life);
    state->count--;
    state->undone++;
    vt_ctrl(life->vt, 'z');
}

static void redo(struct life *life)
{
    struct model *state = next(life);
    state->count++;
    state->undone--;
    vt_ctrl(life->vt, 'y');
}

static void save(struct life *life)
{
    char text[TEXT_BYTES_MAX];
    model_text(now(life), text);
    may_be_in_file(life, text);
    vt_ctrl(life->vt, 's');
}

static void press_something(struct life *life)
{
    const struct model *state = now(life);
    bool long_line = last_line_bytes(state) > LINE_BYTES_WANTED;
    switch (random_below(&life->random, 8)) {
    case 0:
        paste_token(life);
        break;
    case 1:
        if (state->count)
            undo(life);
        break;
    case 2:
        if (state->undone)
            redo(life);
        break;
    case 3:
        save(life);
        break;
    default:
        if (long_line)
            paste_token(life);
        else
            type_token(life);
    }
}

/* --- living and dying --- */

static bool shows_the_newest(struct vt *vt, void *context)
{
    struct life *life = context;
    return shows(vt, now(life)) && cursor_is_at_the_end(vt, now(life));
}

static bool has_changed(struct vt *vt, void *context)
{
    return !shows(vt, context);
}

static bool never(struct vt *vt, void *context)
{
    (void)vt;
    (void)context;
    return false;
}

static bool is_another_text(const struct model *a, const struct model *b)
{
    char text_a[TEXT_BYTES_MAX], text_b[TEXT_BYTES_MAX];
    model_text(a, text_a);
    model_text(b, text_b);
    return strcmp(text_a, text_b) != 0;
}

/* Some are killed the moment something new is painted, some in the middle of anything. */
static void die_somewhere(struct life *life, const struct model *before)
{
    if (random_chance(&life->random, 3)) {
        if (is_another_text(now(life), before))
            vt_wait(life->vt, has_changed, (void *)before, VT_WAIT_MS);
    } else {
        for (uint64_t spins = random_below(&life->random, 2000000); spins; spins--)
            __asm__ volatile("");
    }
    vt_signal(life->vt, SIGKILL);
    vt_wait(life->vt, never, NULL, VT_WAIT_MS); /* until its terminal has been read to the end */
}

/* The first state that is on the screen: repeated ones look alike. */
static size_t painted(struct life *life)
{
    for (size_t i = 0; i < life->count; i++)
        if (shows(life->vt, &life->states[i]))
            return i;
    fail_here(life, "what is painted was never the text");
    return 0;
}

struct restart {
    struct life *life;
    size_t at_least, is;
};

static bool shows_a_later_state(struct vt *vt, void *context)
{
    struct restart *restart = context;
    struct life *life = restart->life;
    if (!strstr(vt_row(vt, STATUS_ROW), life->file))
        return false;
    for (size_t i = restart->at_least; i < life->count; i++) {
        restart->is = i;
        if (shows(vt, &life->states[i]) && cursor_is_at_the_end(vt, &life->states[i]))
            return true;
    }
    return false;
}

static void expect_whole_file(struct life *life)
{
    char *content = stage_read(life->stage, life->file);
    bool known = false;
    for (size_t i = 0; !known && i < life->in_file_count; i++)
        known = strcmp(content, life->in_file[i]) == 0;
    if (!known)
        fail_msg("%s holds \"%s\", which was never saved", life->file, content);
    forget_in_file(life);
    may_be_in_file(life, content);
    free(content);
}

static void start(struct life *life)
{
    life->vt = stage_weft(life->stage, "ada", ARGS(life->file));
}

static void start_again(struct life *life)
{
    struct restart restart = {.life = life, .at_least = painted(life)};
    assert_int_equal(vt_close(life->vt), 128 + SIGKILL);
    expect_whole_file(life);
    start(life);
    if (!vt_wait(life->vt, shows_a_later_state, &restart, VT_WAIT_MS)) {
        fprintf(stderr, "state %zu was painted\n", restart.at_least);
        fail_here(life, "a painted key is lost, or the cursor");
    }
    struct model is = life->states[restart.is];
    is.undone = 0; /* what could be done again is not asked for after a restart: alike texts hide how they came about */
    life->states[0] = is;
    life->count = 1;
}

static void take_all_back(struct life *life)
{
    while (now(life)->count) {
        undo(life);
        if (!vt_wait(life->vt, shows_the_newest, life, VT_WAIT_MS))
            fail_here(life, "the undo history is lost");
        life->states[0] = *now(life);
        life->count = 1;
    }
}

static void begin_file(struct life *life, unsigned number)
{
    free(life->file);
    life->file = xformat("notes%u.md", number);
    life->states[0] = (struct model){0};
    life->count = 1;
    forget_in_file(life);
    may_be_in_file(life, "");
    start(life);
    vt_expect_row_has(life->vt, STATUS_ROW, life->file);
}

static bool is_long(const struct model *model)
{
    char text[TEXT_BYTES_MAX];
    model_text(model, text);
    return lines(text) > LINES_WANTED || model->count > TOKENS_MAX / 2;
}

/*
 * A new file each time, killed the moment the first key is on the screen, or in the milliseconds after it while more is typed:
 * its journal is being made then.
 */
static void kill_9_right_after_the_first_key_loses_nothing_that_was_painted(void **state)
{
    struct life life = {.stage = *state, .random = random_of(support_seed("kill first", (uint64_t)time(NULL)))};
    unsigned files = 0;
    for (uint64_t kills = support_rounds(FIRST_KILLS); kills; kills--) {
        begin_file(&life, files++);
        struct model before = *now(&life);
        if (random_chance(&life.random, 2))
            type_token(&life);
        else
            paste_token(&life);
        vt_wait(life.vt, has_changed, &before, VT_WAIT_MS);
        if (random_chance(&life.random, 2)) {
            type_token(&life);
            for (uint64_t spins = random_below(&life.random, 3000000); spins; spins--)
                __asm__ volatile("");
        }
        vt_signal(life.vt, SIGKILL);
        vt_wait(life.vt, never, NULL, VT_WAIT_MS);
        start_again(&life);
        take_all_back(&life);
        vt_free(life.vt);
    }
    forget_in_file(&life);
    free(life.file);
}

static void kill_9_at_any_moment_loses_nothing_that_was_painted(void **state)
{
    struct life life = {.stage = *state, .random = random_of(support_seed("kill", (uint64_t)time(NULL)))};
    unsigned files = 0;
    begin_file(&life, files++);
    for (uint64_t kills = support_rounds(KILLS); kills; kills--) {
        struct model before = *now(&life);
        for (uint64_t actions = random_below(&life.random, 8) + 1; actions; actions--) {
            press_something(&life);
            if (random_chance(&life.random, 3))
                vt_wait(life.vt, shows_the_newest, &life, VT_WAIT_MS);
        }
        die_somewhere(&life, &before);
        start_again(&life);
        if (!is_long(now(&life)) && !random_chance(&life.random, 4))
            continue;
        take_all_back(&life);
        vt_free(life.vt);
        begin_file(&life, files++);
    }
    vt_free(life.vt);
    forget_in_file(&life);
    free(life.file);
}

/* --- shared and offline --- */

static void kill_9_while_offline_loses_nothing_and_all_of_it_arrives(void **state)
{
    struct stage *stage = *state;
    struct life life = {.stage = stage, .random = random_of(support_seed("kill offline", (uint64_t)time(NULL)))};
    stage_write(stage, "shared.md", "");
    char *link = stage_share(stage, "ada", "shared.md", "edit");
    stage_relay_signal(stage, SIGKILL);
    life.file = xstrdup("shared.md");
    life.count = 1;
    may_be_in_file(&life, "");
    start(&life);
    vt_expect(life.vt, "offline");
    for (uint64_t kills = support_rounds(OFFLINE_KILLS); kills; kills--) {
        struct model before = *now(&life);
        type_token(&life);
        if (random_chance(&life.random, 2))
            paste_token(&life);
        die_somewhere(&life, &before);
        start_again(&life);
    }
    take_all_back(&life);
    type_token(&life);
    vt_expect(life.vt, "offline");
    if (!vt_wait(life.vt, shows_the_newest, &life, VT_WAIT_MS))
        fail_here(&life, "typing does not go on");
    stage_relay_restart(stage);
    vt_expect(life.vt, "sent");
    char text[TEXT_BYTES_MAX];
    model_text(now(&life), text);
    struct stage_result there = stage_run(stage, "lin", NULL, ARGS("cat", link));
    assert_string_equal(there.out, text);
    vt_free(life.vt);
    forget_in_file(&life);
    free(life.file);
    free(link);
}

/* --- two windows --- */

/* What is typed beside it by a window that is still open is no place of the one that was killed. */
static void a_killed_window_stands_where_it_stood_and_not_where_another_one_does(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "two.md", "first\nsecond\nthird\n");
    struct vt *one = stage_weft(stage, "ada", ARGS("two.md"));
    vt_expect(one, "third");
    vt_type(one, "1");
    vt_expect(one, "1first");
    vt_expect(one, "kept");
    struct vt *other = stage_weft(stage, "ada", ARGS("two.md:3"));
    vt_expect(other, "1first");
    vt_type(one, "2");
    vt_expect(other, "12first");
    vt_signal(one, SIGKILL);
    vt_free(one);
    vt_type(other, "3");
    vt_expect(other, "3third");
    vt_expect(other, "kept");
    one = stage_weft(stage, "ada", ARGS("two.md"));
    vt_expect(one, "3third");
    vt_expect_cursor(one, 0, 2);
    vt_free(one);
    vt_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_killed_window_stands_where_it_stood_and_not_where_another_one_does, stage_setup,
                                        stage_teardown),
        cmocka_unit_test_setup_teardown(kill_9_at_any_moment_loses_nothing_that_was_painted, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(kill_9_right_after_the_first_key_loses_nothing_that_was_painted, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(kill_9_while_offline_loses_nothing_and_all_of_it_arrives, stage_setup, stage_teardown),
    };
    return RUN_TESTS("kill", tests);
}
