/*
 * Somebody joins a document with a long history: a writer's copy of the text is there at once, and can be typed on, killed over, and
 * found out.
 */
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "sync/share_link.h"
#include "tests/support/filled_relay.h"
#include "tests/support/stage.h"

enum { RECORDS = 20000, BEHIND = 10 };

/* A relay with such a document; the person who wrote it is not there. */
struct scene {
    struct stage *stage;
    struct doc_keys keys;
    char *path, *link;
    struct filled_relay relay;
};

static void make_link(struct scene *scene)
{
    struct share_link link = {.doc = scene->keys.doc, .access = ACCESS_WRITE, .host_count = 1};
    struct buf text = {0};
    link.hosts[0].port = scene->relay.port;
    snprintf(link.hosts[0].name, sizeof link.hosts[0].name, "127.0.0.1");
    memcpy(link.seed, scene->keys.write_seed, sizeof link.seed);
    share_link_format(&link, &text);
    scene->link = xstrdup(buf_string(&text));
    buf_release(&text);
}

static void begin(struct scene *scene, void **state, enum filled_checkpoint checkpoint)
{
    struct filling filling = {.records = RECORDS, .checkpoint = checkpoint, .checkpoint_at = RECORDS - BEHIND};
    *scene = (struct scene){.stage = *state};
    doc_keys_new(&scene->keys);
    scene->path = xformat("%s/filled.db", stage_dir(scene->stage));
    scene->relay = filled_relay_start(scene->path, &scene->keys, &filling);
    make_link(scene);
}

static void end(struct scene *scene)
{
    filled_relay_end(&scene->relay);
    free(scene->path);
    free(scene->link);
}

/* Somebody who was never here has what was typed, and all that was written, and nothing else. */
static void expect_sent(struct scene *scene)
{
    struct vt *kim = stage_weft(scene->stage, "kim", ARGS("join", "--name", "kim", scene->link));
    vt_expect_row_has(kim, 0, "no xxxxx");
    vt_free(kim);
    struct stage_result cat = stage_run(scene->stage, "bo", NULL, ARGS("cat", scene->link));
    assert_int_equal(cat.status, 0);
    assert_int_equal(strlen(cat.out), RECORDS + strlen("no "));
    assert_memory_equal(cat.out, "no xxxxx", 8);
}

static void a_long_history_is_joined_at_once_and_a_kill_takes_nothing(void **state)
{
    struct scene scene;
    begin(&scene, state, FILLED_TRUE);
    struct vt *lin = stage_weft(scene.stage, "lin", ARGS("join", "--name", "lin", scene.link));
    vt_expect(lin, "unchecked: peer 7's copy");
    vt_expect_row_has(lin, 0, "xxxxx");
    vt_type(lin, "no ");
    vt_expect_row_has(lin, 0, "no xxxxx");
    vt_signal(lin, SIGKILL);
    vt_await_end(lin);
    vt_free(lin);
    lin = stage_weft(scene.stage, "lin", ARGS("join", "--name", "lin", scene.link));
    vt_expect_row_has(lin, 0, "no xxxxx");
    expect_sent(&scene);
    vt_expect_row_has(lin, 0, "no xxxxx");
    vt_free(lin);
    end(&scene);
}

static void a_false_copy_is_found_out_and_said(void **state)
{
    struct scene scene;
    begin(&scene, state, FILLED_FALSE_TEXT);
    struct vt *lin = stage_weft(scene.stage, "lin", ARGS("join", "--name", "lin", scene.link));
    vt_expect(lin, "unchecked: peer 7's copy");
    vt_type(lin, "no ");
    vt_expect(lin, "peer 7's copy of this text was false");
    vt_expect_row_has(lin, 0, "no xxxxx");
    expect_sent(&scene);
    vt_free(lin);
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_long_history_is_joined_at_once_and_a_kill_takes_nothing, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(a_false_copy_is_found_out_and_said, stage_setup, stage_teardown),
    };
    return RUN_TESTS("joining", tests);
}
