/* A relay of another version: everybody is told in one sentence, nothing is lost, and it heals when the relay is updated. */
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "editor/base/xalloc.h"
#include "tests/support/other_relay.h"
#include "tests/support/stage.h"

enum {
    WATCH_MS = 6000,  /* how long somebody types at a relay that cannot be talked to */
    TRIES_MAX = 2,    /* so often it is tried meanwhile: the pause is 20 to 30 s */
    RETRY_MS = 45000, /* by then it has been tried again */
};

struct scene {
    struct stage *stage;
    char *link;    /* of ada's notes.md, made while the relay was one of ours */
    char *address; /* "127.0.0.1:PORT" */
    char *words;   /* "127.0.0.1:PORT speaks weft.2, this is weft.1: update weft" */
    int port;
    struct other_relay *other;
};

static int setup(void **state)
{
    struct scene *scene = xcalloc(1, sizeof *scene);
    scene->stage = stage_new();
    stage_write(scene->stage, "notes.md", "one\n");
    scene->link = stage_share(scene->stage, "ada", "notes.md", "edit");
    scene->address = xstrdup(stage_relay(scene->stage) + strlen("ws://"));
    scene->port = atoi(strrchr(scene->address, ':') + 1);
    scene->words = xformat("%s speaks weft.2, this is weft.1: update weft", scene->address);
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    other_relay_stop(scene->other);
    stage_free(scene->stage);
    free(scene->link);
    free(scene->address);
    free(scene->words);
    free(scene);
    return 0;
}

/* The relay's operator replaces it by one of another version. */
static void replace_relay(struct scene *scene, enum other_relay_says says)
{
    if (stage_relay_pid(scene->stage) > 0)
        stage_relay_signal(scene->stage, SIGTERM);
    other_relay_stop(scene->other);
    scene->other = other_relay_start(scene->port, says);
}

static void take_ours_again(struct scene *scene)
{
    other_relay_stop(scene->other);
    scene->other = NULL;
    stage_relay_restart(scene->stage);
}

/* --- without a screen --- */

static void expect_words(struct stage_result result, const char *verb, const char *words)
{
    char *line = xformat("weft %s: %s\n", verb, words);
    assert_string_equal(result.err, line);
    assert_string_equal(result.out, "");
    assert_int_equal(result.status, 1);
    free(line);
}

static void expect_verbs_say(struct scene *scene, const char *words)
{
    char *relay = xformat("ws://%s", scene->address), *not_shared = xformat("%s; other.md is not shared", words);
    stage_write(scene->stage, "other.md", "two\n");
    expect_words(stage_run(scene->stage, "lin", NULL, ARGS("cat", scene->link)), "cat", words);
    expect_words(stage_run(scene->stage, "lin", NULL, ARGS("verify", scene->link)), "verify", words);
    expect_words(stage_run(scene->stage, "lin", "{\"at\": 0, \"insert\": \"x\"}\n", ARGS("apply", scene->link)), "apply",
                 words);
    expect_words(stage_run(scene->stage, "bo", NULL, ARGS("share", "--no-edit", "--name", "ada", "other.md", "--relay", relay)),
                 "share", not_shared);
    free(relay);
    free(not_shared);
}

static void verbs_say_which_relay_speaks_what(void **state)
{
    static const enum other_relay_says places[] = {OTHER_REFUSES_UPGRADE, OTHER_UPGRADES_AS_OWN, OTHER_CHALLENGES};
    struct scene *scene = *state;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        replace_relay(scene, places[i]);
        expect_verbs_say(scene, scene->words);
    }
}

static void what_the_relay_itself_says_of_it_is_passed_on(void **state)
{
    struct scene *scene = *state;
    char *words = xformat("%s says: it speaks weft.2, this is weft.1: update weft", scene->address);
    replace_relay(scene, OTHER_REFUSES_KNOCK);
    expect_verbs_say(scene, words);
    free(words);
}

/* --- with one --- */

static void a_guest_reads_why_the_text_cannot_come(void **state)
{
    struct scene *scene = *state;
    replace_relay(scene, OTHER_CHALLENGES);
    struct vt *lin = stage_weft_sized(scene->stage, "lin", 24, 160, ARGS("join", "--name", "lin", scene->link));
    char *sentence = xformat("The text cannot come: %s.", scene->words);
    vt_expect(lin, sentence);
    take_ours_again(scene);
    if (!vt_wait_text(lin, "one", RETRY_MS)) /* it comes by itself */
        vt_expect_row(lin, 0, "one");
    vt_ctrl(lin, 'q');
    vt_free(lin);
    free(sentence);
}

static void type_for_a_while(struct vt *vt)
{
    for (unsigned ms = 0; ms < WATCH_MS; ms += 500) {
        vt_type(vt, "x");
        vt_wait_text(vt, "nothing shows this", 500);
    }
}

static void the_text_is_kept_until_the_relay_is_one_of_ours_again(void **state)
{
    struct scene *scene = *state;
    char *kept = xformat("%s. Your edits are kept.", scene->words);
    replace_relay(scene, OTHER_REFUSES_UPGRADE);
    struct vt *ada = stage_weft_sized(scene->stage, "ada", 24, 160, ARGS("--name", "ada", "notes.md"));
    vt_expect(ada, kept);
    type_for_a_while(ada);
    vt_expect(ada, "offline: 12 kept");
    vt_expect_row(ada, 0, "xxxxxxxxxxxxone");
    assert_in_range(other_relay_connections(scene->other), 1, TRIES_MAX);
    take_ours_again(scene);
    if (!vt_wait_text(ada, "shared  sent", RETRY_MS))
        vt_expect(ada, "shared  sent");
    assert_string_equal(stage_run(scene->stage, "lin", NULL, ARGS("cat", scene->link)).out, "xxxxxxxxxxxxone\n");
    vt_free(ada);
    free(kept);
}

/* She is in the middle of something when it is replaced. */
static void edits_that_wait_are_counted_in_the_sentence(void **state)
{
    struct scene *scene = *state;
    char *kept = xformat("%s. Your 3 edits are kept.", scene->words);
    struct vt *ada = stage_weft_sized(scene->stage, "ada", 24, 160, ARGS("--name", "ada", "notes.md"));
    vt_expect(ada, "shared  sent");
    stage_relay_signal(scene->stage, SIGTERM);
    vt_expect(ada, "offline: 0 kept");
    vt_type(ada, "abc");
    vt_expect(ada, "offline: 3 kept");
    replace_relay(scene, OTHER_CHALLENGES);
    vt_expect(ada, kept);
    vt_type(ada, "d");
    vt_expect(ada, "offline: 4 kept");
    vt_free(ada); /* killed: the next one has them all */
    assert_string_equal(stage_run(scene->stage, "ada", NULL, ARGS("cat", "notes.md")).out, "abcdone\n");
    free(kept);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_guest_reads_why_the_text_cannot_come),
        TEST(verbs_say_which_relay_speaks_what),
        TEST(what_the_relay_itself_says_of_it_is_passed_on),
        TEST(the_text_is_kept_until_the_relay_is_one_of_ours_again),
        TEST(edits_that_wait_are_counted_in_the_sentence),
    };
    return RUN_TESTS("protocol", tests);
}
