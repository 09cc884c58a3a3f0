/* A joiner's text ahead of its history: shown at once, edited at once, kept, and what becomes of it when the history is here. */
#include "tests/support/support.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/replica_ahead.h"
#include "app/replica_parts.h"
#include "editor/base/xalloc.h"
#include "tests/support/filled_relay.h"
#include "tests/support/home.h"

enum {
    RECORDS = 4000, /* so many that a joiner can be looked at, and type, before they have come */
    BEHIND = 10,    /* of them after the checkpoint */
};

static struct filling filling_of(enum filled_checkpoint checkpoint)
{
    return (struct filling){.records = RECORDS, .checkpoint = checkpoint, .checkpoint_at = RECORDS - BEHIND};
}

/* A relay with such a document, and somebody who joins it. */
struct scene {
    struct home *home;
    struct doc_keys keys;
    char *path;
    struct filled_relay relay;
    struct replica *lin;
};

static struct replica *join(struct scene *scene, enum access access)
{
    struct error err = {0};
    struct share_link link = {.doc = scene->keys.doc, .access = access, .host_count = 1};
    struct replica_options options = {.port = home_port(scene->home), .name = "lin"};
    link.hosts[0].port = scene->relay.port;
    snprintf(link.hosts[0].name, sizeof link.hosts[0].name, "127.0.0.1");
    memcpy(link.seed, access == ACCESS_READ ? scene->keys.read_seed : scene->keys.write_seed, sizeof link.seed);
    struct replica *replica = replica_join(&scene->home->env, &link, NULL, &options, &err);
    if (!replica)
        fail_msg("%s", err.text);
    return replica;
}

static void begin_with(struct scene *scene, void **state, struct filling filling)
{
    *scene = (struct scene){.home = *state};
    scene->path = xformat("%s/relay.db", scene->home->dir);
    doc_keys_new(&scene->keys);
    scene->relay = filled_relay_start(scene->path, &scene->keys, &filling);
}

static void begin(struct scene *scene, void **state, enum filled_checkpoint checkpoint)
{
    begin_with(scene, state, filling_of(checkpoint));
}

static void end(struct scene *scene)
{
    filled_relay_end(&scene->relay);
    free(scene->path);
}

static bool shows_something(struct replica *replica, struct replica *other)
{
    (void)other;
    return rope_len(replica_buffer(replica)->text) > 0;
}

static bool has_caught_up(struct replica *replica, struct replica *other)
{
    (void)other;
    return replica_is_settled(replica);
}

/* No more than one event of the network at a time, so that what is seen first is seen. */
static void until_it_is_shown(struct replica *replica)
{
    uint64_t until_ms = net_now_ms() + HOME_PATIENCE_MS;
    while (!shows_something(replica, NULL) && net_now_ms() < until_ms)
        replica_wait(replica, 1);
    assert_true(shows_something(replica, NULL));
}

static void expect_row_of_x(const struct replica *replica, const char *before, uint64_t count)
{
    char *text = home_text(replica);
    size_t len = strlen(before);
    assert_int_equal(strlen(text), len + count);
    assert_memory_equal(text, before, len);
    assert_int_equal(strspn(text + len, "x"), count);
    free(text);
}

static void expect_remark(const struct replica *replica, const char *expected)
{
    home_expect_remark(replica, replica_coming, expected);
}

static void a_joiner_sees_and_edits_the_text_before_its_history_is_here(void **state)
{
    struct scene scene;
    struct replica_status status;
    struct error err = {0};
    begin(&scene, state, FILLED_TRUE);
    struct replica *lin = join(&scene, ACCESS_WRITE);
    until_it_is_shown(lin);
    assert_non_null(lin->ahead);
    assert_true(document_events(replica_history(lin)) < RECORDS - BEHIND);
    expect_row_of_x(lin, "", RECORDS - BEHIND);
    expect_remark(lin, "unchecked: peer 7's copy");
    home_insert(lin, "no ");
    home_insert(lin, "lin ");
    assert_int_equal(replica_undo(lin, UNDO_BACK, &err), REPLICA_UNDONE);
    home_type(lin, 3, "lin ");
    expect_row_of_x(lin, "no lin ", RECORDS - BEHIND);
    replica_status(lin, net_now_ms(), &status);
    assert_false(status.joining);
    assert_true(status.unsent_edits > 0); /* nobody has them */
    assert_false(replica_is_settled(lin));
    assert_non_null(lin->ahead);

    home_wait(lin, NULL, has_caught_up);
    expect_remark(lin, "");
    expect_row_of_x(lin, "no lin ", RECORDS);
    assert_int_equal(replica_undo(lin, UNDO_BACK, &err), REPLICA_UNDONE); /* what was typed then is taken back now */
    expect_row_of_x(lin, "no ", RECORDS);
    home_wait(lin, NULL, has_caught_up);

    home_close(lin);
    end(&scene);
}

static void who_may_only_read_sees_it_as_well(void **state)
{
    struct scene scene;
    struct error err = {0};
    struct patch patch = {0};
    begin(&scene, state, FILLED_TRUE);
    struct replica *lin = join(&scene, ACCESS_READ);
    until_it_is_shown(lin);
    assert_non_null(lin->ahead);
    patch_insert(&patch, bytes_of_string("lin "));
    assert_false(replica_edit(lin, &patch, selection_at(4), EDIT_TYPING, &err));
    home_wait(lin, NULL, has_caught_up);
    expect_remark(lin, "");
    expect_row_of_x(lin, "", RECORDS);
    patch_release(&patch);
    home_close(lin);
    end(&scene);
}

static struct replica *open_again(struct scene *scene, bool alone)
{
    struct error err = {0};
    struct replica_options options = {.port = home_port(scene->home), .name = "lin", .alone = alone};
    struct replica *replica = replica_open_known(&scene->home->env, &scene->keys.doc, NULL, &options, &err);
    if (!replica)
        fail_msg("%s", err.text);
    return replica;
}

/* --- false ones --- */

/* What was typed on it stays, and reaches the others as an edit of what was really written. */
static void expect_found_out(void **state, enum filled_checkpoint checkpoint, const char *said)
{
    struct scene scene;
    begin(&scene, state, checkpoint);
    struct replica *lin = join(&scene, ACCESS_WRITE);
    until_it_is_shown(lin);
    assert_non_null(lin->ahead);
    home_insert(lin, "lin ");
    home_type(lin, 4, "was here ");
    home_wait(lin, NULL, has_caught_up);
    assert_true(home_was_said(scene.home, said));
    expect_remark(lin, "");
    expect_row_of_x(lin, "lin was here ", RECORDS);
    home_close(lin);

    lin = open_again(&scene, false); /* as the relay has it */
    home_wait(lin, NULL, has_caught_up);
    assert_null(lin->ahead);
    expect_row_of_x(lin, "lin was here ", RECORDS);
    home_close(lin);
    end(&scene);
}

static void a_false_text_is_found_out_and_nothing_typed_is_lost(void **state)
{
    expect_found_out(state, FILLED_FALSE_TEXT, "peer 7's copy of this text was false (its text is not what was written): this is what "
                                               "was written. What you typed is in it.");
}

static void a_copy_of_another_history_is_found_out(void **state)
{
    expect_found_out(state, FILLED_FALSE_HISTORY, "peer 7's copy of this text was false (it is of another history)");
}

static void a_version_that_nobody_wrote_is_found_out(void **state)
{
    expect_found_out(state, FILLED_FALSE_VERSION, "peer 7's copy of this text is of edits that the relay does not have");
}

/* Whoever writes a checkpoint has seen under which name we write. */
static void one_that_says_we_had_written_before_is_not_taken(void **state)
{
    struct scene scene;
    begin(&scene, state, FILLED_NONE);
    struct replica *lin = join(&scene, ACCESS_WRITE);
    struct rope *text = rope_from_bytes(bytes_of_string("mine"));
    struct checkpoint checkpoint = {.count = 1};
    checkpoint.heads[0].event = (struct event_id){lin->agent, 3};
    checkpoint_set_text(&checkpoint, text);
    replica_take_checkpoint(lin, &checkpoint, &lin->agent, text);
    assert_null(lin->ahead);
    home_wait(lin, NULL, has_caught_up);
    expect_row_of_x(lin, "", RECORDS);
    rope_free(text);
    home_close(lin);
    end(&scene);
}

/* --- two windows --- */

/* Both would bring in what the first one typed. */
static void another_window_waits_for_the_history(void **state)
{
    struct scene scene;
    begin(&scene, state, FILLED_TRUE);
    struct replica *lin = join(&scene, ACCESS_WRITE);
    until_it_is_shown(lin);
    assert_non_null(lin->ahead);
    home_insert(lin, "lin ");
    replica_barrier(lin);
    struct replica *other = open_again(&scene, false);
    assert_null(other->ahead);
    home_wait(lin, other, has_caught_up);
    home_wait(other, lin, has_caught_up);
    assert_null(other->ahead);
    expect_row_of_x(lin, "lin ", RECORDS);
    expect_row_of_x(other, "lin ", RECORDS);
    home_close(other);
    home_close(lin);
    end(&scene);
}

/* --- killed --- */

static void type_and_be_killed(struct scene *scene)
{
    struct replica *lin = join(scene, ACCESS_WRITE);
    until_it_is_shown(lin);
    ensure(lin->ahead);
    home_insert(lin, "lin ");
    home_type(lin, 4, "was here ");
    replica_barrier(lin);
    kill(getpid(), SIGKILL);
}

static void kill_nine_takes_nothing_typed_ahead_of_the_history(void **state)
{
    struct scene scene;
    int status = 0;
    begin(&scene, state, FILLED_TRUE);
    pid_t child = fork();
    if (child == 0)
        type_and_be_killed(&scene);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    struct replica *lin = open_again(&scene, true); /* without the relay: from the journal alone */
    assert_non_null(lin->ahead);
    expect_row_of_x(lin, "lin was here ", RECORDS - BEHIND);
    home_insert(lin, "and ");
    home_wait(lin, NULL, home_is_kept);
    home_close(lin);
    lin = open_again(&scene, false);
    expect_row_of_x(lin, "and lin was here ", RECORDS - BEHIND);
    home_wait(lin, NULL, has_caught_up);
    expect_row_of_x(lin, "and lin was here ", RECORDS);
    home_close(lin);
    lin = open_again(&scene, true); /* and now it is a document like any other */
    assert_null(lin->ahead);
    expect_row_of_x(lin, "and lin was here ", RECORDS);
    home_close(lin);
    end(&scene);
}

/* Of a time long ago: it is shown at once all the same, and what is typed on it goes where it belongs. */
static void one_from_long_ago_is_shown_until_the_rest_has_come(void **state)
{
    enum { EARLY = 20 };
    struct scene scene;
    begin_with(&scene, state, (struct filling){.records = RECORDS, .checkpoint = FILLED_TRUE, .checkpoint_at = EARLY});
    struct replica *lin = join(&scene, ACCESS_WRITE);
    until_it_is_shown(lin);
    assert_non_null(lin->ahead);
    expect_row_of_x(lin, "", EARLY);
    home_insert(lin, "lin ");
    home_wait(lin, NULL, has_caught_up);
    assert_null(lin->ahead);
    expect_row_of_x(lin, "lin ", RECORDS);
    expect_remark(lin, "");
    home_close(lin);
    end(&scene);
}

/* --- posting --- */

static bool has_posted(struct replica *replica, struct replica *other)
{
    (void)other;
    return replica->post_ms == 0 && replica->posted_events > 0;
}

static bool both_are_there(struct replica *replica, struct replica *other)
{
    return replica->net_status.peers == 2 && other->net_status.peers == 2;
}

static bool is_alone(struct replica *replica, struct replica *other)
{
    (void)other;
    return replica->net_status.peers == 1;
}

/* Somebody else's machine. */
static struct replica *join_elsewhere(struct scene *scene, void **machine)
{
    assert_int_equal(home_setup(machine), 0);
    struct scene there = *scene;
    there.home = *machine;
    return join(&there, ACCESS_WRITE);
}

static void who_has_written_more_than_the_text_is_long_posts_it(void **state)
{
    enum { LEN = 4000 };
    struct scene scene = {.home = *state};
    struct error err = {0};
    struct patch patch = {0};
    void *machine;
    char line[LEN + 1];
    scene.path = xformat("%s/relay.db", scene.home->dir);
    doc_keys_new(&scene.keys);
    scene.relay = filled_relay_start(scene.path, &scene.keys, &(struct filling){.records = 3});
    memset(line, 'y', LEN);
    line[LEN] = '\0';
    struct replica *lin = join(&scene, ACCESS_WRITE);
    home_wait(lin, NULL, has_caught_up);
    home_insert(lin, line);
    assert_int_equal(lin->post_ms, 0); /* so little comes at once anyway */
    patch_replace(&patch, 0, LEN - 10, (struct bytes){0});
    assert_true(replica_edit(lin, &patch, selection_at(0), EDIT_WHOLE, &err));
    uint64_t in_ms = lin->post_ms - net_now_ms();
    assert_in_range(in_ms, 9000, 20000); /* when nothing more is typed */
    lin->post_ms = 1;
    home_wait(lin, NULL, has_posted);
    assert_int_equal(lin->posted_events, document_events(lin->document));
    home_insert(lin, "little more");
    assert_int_equal(lin->post_ms, 0);
    home_wait(lin, NULL, has_caught_up);

    struct replica *kim = join_elsewhere(&scene, &machine);
    home_wait(kim, NULL, has_caught_up);
    assert_int_equal(kim->posted_events, lin->posted_events); /* it is in the log; who joins gets it first */
    home_close(kim);
    home_close(lin);
    patch_release(&patch);
    home_teardown(&machine);
    end(&scene);
}

/* Nobody else may come for a long time. Where somebody is there it is left to him. */
static void a_script_that_is_alone_posts_before_it_ends(void **state)
{
    enum { LONG = 5000 };
    struct scene scene;
    struct error err = {0};
    void *machine;
    char typed[LONG + 1];
    begin_with(&scene, state, (struct filling){.records = 3});
    memset(typed, 'z', LONG);
    typed[LONG] = '\0';
    struct replica *lin = join(&scene, ACCESS_WRITE);
    home_wait(lin, NULL, has_caught_up);
    assert_false(replica_post_last(lin)); /* it has written nothing */
    struct replica *kim = join_elsewhere(&scene, &machine);
    home_wait(kim, lin, both_are_there);
    home_insert(lin, typed);
    home_wait(lin, NULL, has_caught_up);
    assert_false(replica_post_last(lin));
    home_close(kim);
    home_teardown(&machine);
    home_wait(lin, NULL, is_alone);
    assert_true(replica_post_last(lin));
    assert_true(replica_close(lin, 10000, NULL, &err));

    kim = join_elsewhere(&scene, &machine);
    until_it_is_shown(kim);
    assert_non_null(kim->ahead);
    home_wait(kim, NULL, has_caught_up);
    home_close(kim);
    home_teardown(&machine);
    end(&scene);
}

static void who_has_it_open_and_wrote_nothing_posts_it_later(void **state)
{
    enum { LONG = 5000 };
    struct scene scene;
    void *machine;
    begin_with(&scene, state, (struct filling){.records = LONG});
    struct replica *lin = join(&scene, ACCESS_WRITE);
    home_wait(lin, NULL, has_caught_up);
    uint64_t in_ms = lin->post_ms - net_now_ms();
    assert_in_range(in_ms, 100000, 240000);
    lin->post_ms = 1;
    home_wait(lin, NULL, has_posted);
    assert_int_equal(lin->posted_events, LONG);
    expect_row_of_x(lin, "", LONG);
    for (int i = 0; i < 2; i++) { /* it is sent behind the first key at the latest, so in front of the second */
        home_insert(lin, "l");
        home_wait(lin, NULL, has_caught_up);
    }
    struct replica *kim = join_elsewhere(&scene, &machine);
    until_it_is_shown(kim);
    assert_non_null(kim->ahead);
    expect_row_of_x(kim, "", LONG);
    home_wait(kim, NULL, has_caught_up);
    expect_row_of_x(kim, "ll", LONG);
    home_close(kim);
    home_close(lin);
    home_teardown(&machine);
    end(&scene);
}

/* A view link gives nobody the right to say what the text is. */
static void who_may_only_read_posts_none(void **state)
{
    struct scene scene;
    begin_with(&scene, state, (struct filling){.records = 5000});
    struct replica *lin = join(&scene, ACCESS_READ);
    home_wait(lin, NULL, has_caught_up);
    assert_int_equal(lin->post_ms, 0);
    home_close(lin);
    end(&scene);
}

int main(void)
{
    struct error err;
    if (!crypto_start(&err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_joiner_sees_and_edits_the_text_before_its_history_is_here, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(who_may_only_read_sees_it_as_well, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(a_false_text_is_found_out_and_nothing_typed_is_lost, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(a_copy_of_another_history_is_found_out, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(a_version_that_nobody_wrote_is_found_out, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(one_that_says_we_had_written_before_is_not_taken, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(another_window_waits_for_the_history, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(who_has_written_more_than_the_text_is_long_posts_it, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(one_from_long_ago_is_shown_until_the_rest_has_come, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(a_script_that_is_alone_posts_before_it_ends, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(who_has_it_open_and_wrote_nothing_posts_it_later, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(who_may_only_read_posts_none, home_setup, home_teardown),
        cmocka_unit_test_setup_teardown(kill_nine_takes_nothing_typed_ahead_of_the_history, home_setup, home_teardown),
    };
    return RUN_TESTS("replica_ahead", tests);
}
