/* State directories that are copied or put back while weft runs: the real program goes on as somebody new, and loses nothing. */
#include "tests/support/support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "tests/support/stage.h"

/*
 * What `cp -r` makes of it, while whoever may be writing there. A file may go between cp's list and its reading (a log of
 * SQLite, where a process ends): such a copy is no copy, and whoever copies does it again.
 */
static void copy_state(struct stage *stage, const char *from, const char *to)
{
    enum { TRIES = 50 };
    char *command = xformat("rm -rf '%s/%s.state' && cp -r '%s/%s.state' '%s/%s.state'", stage_dir(stage), to,
                            stage_dir(stage), from, stage_dir(stage), to);
    int outcome = 1;
    for (int i = 0; outcome && i < TRIES; i++)
        outcome = system(command); /* NOLINT(cert-env33-c): paths of our own making */
    assert_int_equal(outcome, 0);
    free(command);
}

struct awaited {
    const char *const *words;
    struct vt *other;
};

static bool both_show(struct vt *vt, void *context)
{
    const struct awaited *awaited = context;
    vt_pump(awaited->other);
    char *mine = xstrdup(vt_row(vt, 0));
    const char *theirs = vt_row(awaited->other, 0);
    bool good = true;
    for (const char *const *word = awaited->words; *word; word++)
        good = good && strstr(mine, *word) != NULL && strstr(theirs, *word) != NULL;
    free(mine);
    return good;
}

/* Both have all these words in their first row (which also shows where the other one is). */
static void expect_both(struct vt *vt, struct vt *other, const char *const *words)
{
    struct awaited awaited = {words, other};
    assert_true(vt_wait(vt, both_show, &awaited, VT_WAIT_MS));
}

static void expect_text(struct stage *stage, const char *person, const char *link, const char *text)
{
    assert_string_equal(stage_run(stage, person, NULL, ARGS("cat", link)).out, text);
}

static void expect_nobody_forked(struct vt *vt)
{
    vt_type(vt, VT_ALT("2"));
    vt_expect(vt, "people here");
    assert_null(strstr(vt_screen(vt), "two different things"));
    vt_type(vt, VT_ESC);
    vt_expect_gone(vt, "people here"); /* seen, so that the next key is no Alt */
}

/* Whoever has a file of it is asked whether to write it. */
static void quit(struct vt *vt, bool has_file)
{
    vt_ctrl(vt, 'q');
    if (has_file) {
        vt_expect(vt, "[K]eep");
        vt_type(vt, "k");
    }
    assert_int_equal(vt_close(vt), 0);
}

static void a_state_directory_that_is_copied_while_weft_runs_forks_nobody(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "-\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    struct vt *ada = stage_weft(stage, "ada", ARGS("--name", "ada", "notes.md"));
    vt_expect(ada, "sent");
    vt_type(ada, "before ");
    vt_expect(ada, "sent");
    copy_state(stage, "ada", "twin");
    struct vt *twin = stage_weft(stage, "twin", ARGS("join", "--name", "twin", link));
    vt_link(ada, twin);
    vt_expect(twin, "before -");
    vt_type(ada, "hers ");
    vt_type(twin, VT_END " his");
    expect_both(ada, twin, ARGS("before ", "hers ", " his"));
    vt_type(twin, " more");
    vt_type(ada, "again ");
    expect_both(ada, twin, ARGS("before ", "hers ", "again ", " his more"));
    expect_nobody_forked(ada);
    expect_nobody_forked(twin);
    quit(ada, true);
    quit(twin, true);
    expect_text(stage, "ada", link, "before hers again - his more\n");
    expect_text(stage, "twin", link, "before hers again - his more\n");
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("verify", link)).status, 0);
    free(link);
}

static void an_old_state_directory_that_is_put_back_forks_nobody(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "-\n");
    char *link = stage_share(stage, "ada", "notes.md", "edit");
    struct vt *lin = stage_weft(stage, "lin", ARGS("join", "--name", "lin", link));
    struct vt *ada = stage_weft(stage, "ada", ARGS("--name", "ada", "notes.md"));
    vt_link(ada, lin);
    vt_type(ada, "old ");
    expect_both(ada, lin, ARGS("old "));
    copy_state(stage, "ada", "backup");
    vt_type(ada, "lost ");
    expect_both(ada, lin, ARGS("old ", "lost "));
    assert_int_equal(kill(vt_pid(ada), SIGKILL), 0);
    vt_free(ada);
    copy_state(stage, "backup", "ada");
    ada = stage_weft(stage, "ada", ARGS("--name", "ada", "notes.md"));
    vt_link(ada, lin);
    expect_both(ada, lin, ARGS("old ", "lost "));
    vt_type(ada, VT_END " new");
    vt_type(lin, "lins ");
    expect_both(ada, lin, ARGS("old ", "lost ", " new", "lins "));
    expect_nobody_forked(lin);
    quit(ada, true);
    quit(lin, false);
    expect_text(stage, "ada", link, "lins old lost - new\n");
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("verify", link)).status, 0);
    free(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_state_directory_that_is_copied_while_weft_runs_forks_nobody, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(an_old_state_directory_that_is_put_back_forks_nobody, stage_setup, stage_teardown),
    };
    return RUN_TESTS("copies", tests);
}
