/*
 * A full disk under the editor: a small file system of its own for the state directory, in a mount namespace that needs no
 * privileges. Where the kernel does not allow that the test is skipped and says so.
 */
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "tests/support/stage.h"

enum { LINE_BYTES = 70, LINES_A_PASTE = 400, PASTES_MAX = 100 };

#define NAMESPACE "unshare -Urm sh -c "
#define SMALL_DISK "mkdir -p \"$XDG_STATE_HOME\" && mount -t tmpfs -o size=2m,mode=0700 full \"$XDG_STATE_HOME\""

/*
 * The filler leaves room to begin; it goes when a file named `room` is there. After the editor, whatever ended it, the
 * journal is asked for its text: the disk is gone with this shell.
 */
static const char script[] =
    NAMESPACE "'" SMALL_DISK " || exit 77\n"
              "head -c 1200000 /dev/zero > \"$XDG_STATE_HOME/filler\"\n"
              "(while [ ! -e room ]; do sleep 0.05; done; rm \"$XDG_STATE_HOME/filler\"; touch made) &\n"
              "sh -c \"echo \\$\\$ > pid; exec \\\"$WEFT\\\" notes.md\"\n"
              "\"$WEFT\" cat notes.md > kept 2> /dev/null'";

static bool may_mount(struct stage *stage)
{
    struct vt *vt = stage_shell(stage, "ada", NAMESPACE "'" SMALL_DISK "' 2> /dev/null");
    return vt_close(vt) == 0;
}

/* What was pasted so far: whole lines, the newest number last. */
static void paste_lines(struct vt *vt, unsigned first, struct buf *text)
{
    struct buf keys = {0};
    size_t before = text->len;
    for (unsigned i = 0; i < LINES_A_PASTE; i++)
        buf_addf(text, "%-*u\n", LINE_BYTES, first + i);
    buf_addf(&keys, "\x1b[200~%s\x1b[201~", buf_string(text) + before);
    vt_type_bytes(vt, buf_view(&keys));
    buf_release(&keys);
}

static bool is_full_or_kept(struct vt *vt, void *context)
{
    char *last = context;
    return vt_find(vt, last, NULL, NULL) && (vt_find(vt, "DISK FULL", NULL, NULL) || vt_find(vt, "kept,", NULL, NULL));
}

/* Pastes until the status line says that the disk is full; returns how many lines that took. */
static unsigned fill(struct vt *vt, struct buf *text)
{
    for (unsigned n = 0; n < PASTES_MAX * LINES_A_PASTE; n += LINES_A_PASTE) {
        char last[32];
        snprintf(last, sizeof last, "%u", n + LINES_A_PASTE - 1);
        paste_lines(vt, n, text);
        vt_wait(vt, is_full_or_kept, last, VT_WAIT_MS);
        if (vt_wait_text(vt, "DISK FULL", 100))
            return n + LINES_A_PASTE;
    }
    fail_msg("the disk does not get full");
    return 0;
}

static void typing_goes_on_while_the_disk_is_full_and_all_of_it_is_kept_when_there_is_room(void **state)
{
    struct stage *stage = *state;
    struct buf text = {0};
    if (!may_mount(stage)) {
        print_message("skipped: this kernel lets nobody mount a file system of his own\n");
        skip();
    }
    struct vt *vt = stage_shell(stage, "ada", script);
    vt_expect(vt, "notes.md");
    fill(vt, &text);
    vt_expect(vt, "only in memory. Free space or Alt+S elsewhere.");
    vt_type(vt, "typed meanwhile");
    buf_add_string(&text, "typed meanwhile");
    vt_expect(vt, "typed meanwhile");
    stage_write(stage, "room", "");
    vt_expect_gone(vt, "DISK FULL");
    vt_expect(vt, "kept, ^S writes the file");
    char *pid = stage_read(stage, "pid");
    assert_int_equal(kill((pid_t)atoi(pid), SIGKILL), 0);
    (void)vt_close(vt);
    stage_expect_file(stage, "kept", buf_string(&text));
    buf_release(&text);
    free(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(typing_goes_on_while_the_disk_is_full_and_all_of_it_is_kept_when_there_is_room,
                                        stage_setup, stage_teardown),
    };
    return RUN_TESTS("disk full", tests);
}
