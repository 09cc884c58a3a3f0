/* An editor nobody touches sleeps: no thread of it looks around now and then. */
#include "tests/support/support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "tests/support/stage.h"

enum {
    WINDOW_MS = 5000,
    WINDOWS_MAX = 12,
    SWITCHES_MAX = 4, /* in one window: room for one event that comes once in a while, none for a clock that ticks */
};

static unsigned long switches_of_thread(const char *tasks, const char *thread)
{
    char *path = xformat("%s/%s/status", tasks, thread), line[256];
    FILE *status = fopen(path, "r");
    unsigned long sum = 0;
    while (status && fgets(line, sizeof line, status)) {
        const char *at = strstr(line, "voluntary_ctxt_switches:"); /* and the nonvoluntary ones */
        if (at)
            sum += strtoul(strchr(at, ':') + 1, NULL, 10);
    }
    if (status)
        fclose(status);
    free(path);
    return sum;
}

static unsigned long switches(pid_t pid)
{
    char *tasks = xformat("/proc/%d/task", (int)pid);
    DIR *dir = opendir(tasks);
    unsigned long sum = 0;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            sum += switches_of_thread(tasks, entry->d_name);
    closedir(dir);
    free(tasks);
    return sum;
}

static bool never(struct vt *vt, void *context)
{
    (void)vt;
    (void)context;
    return false;
}

/*
 * What the start brings (a notice that fades, a file that is looked at again, a first proof of life) takes a while, and
 * longer on a busy machine: of a minute, one window has to be quiet. Who polls has none.
 */
static void expect_sleep(struct vt *vt)
{
    unsigned long before = switches(vt_pid(vt)), woke = 0;
    for (int i = 0; i < WINDOWS_MAX; i++) {
        vt_wait(vt, never, NULL, WINDOW_MS);
        unsigned long now = switches(vt_pid(vt));
        woke = now - before;
        before = now;
        if (woke <= SWITCHES_MAX)
            return;
    }
    fail_msg("never asleep: its threads woke up %lu times in the last %d ms", woke, WINDOW_MS);
}

static void an_editor_nobody_touches_sleeps(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one line\n");
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "in file");
    vt_type(vt, "x");
    vt_expect(vt, "kept");
    expect_sleep(vt);
    vt_free(vt);
}

static void alone_in_a_shared_text_it_sleeps_between_proofs_of_life(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "notes.md", "one line\n");
    free(stage_share(stage, "ada", "notes.md", "edit"));
    struct vt *vt = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(vt, "shared");
    expect_sleep(vt);
    vt_free(vt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_editor_nobody_touches_sleeps, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(alone_in_a_shared_text_it_sleeps_between_proofs_of_life, stage_setup, stage_teardown),
    };
    return RUN_TESTS("idle", tests);
}
