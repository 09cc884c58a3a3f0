/* A disk that loses bits in the journal's log, which holds the newest keys: they are there again, or it is said that not. */
#include "tests/support/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "tests/support/scratch.h"
#include "tests/support/stage.h"

enum { LINES = 12, LOG_HEADER = 32, FRAME_HEADER = 24 };

/* The log of the only document that ada has. */
static char *log_of(struct stage *stage)
{
    char *dir_path = xformat("%s/ada.state/weft/docs", stage_dir(stage)), *found = NULL;
    DIR *dir = opendir(dir_path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        const char *suffix = strstr(entry->d_name, ".journal-wal");
        if (suffix && strcmp(suffix, ".journal-wal") == 0)
            found = xformat("%s/%s", dir_path, entry->d_name);
    }
    closedir(dir);
    free(dir_path);
    assert_non_null(found);
    return found;
}

/* The editor keeps the log from being put away by those who write beside it, each a commit or more; then it is killed. */
static void write_and_kill(struct stage *stage)
{
    stage_write(stage, "notes.md", "one\n");
    struct vt *ada = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_type(ada, "first ");
    vt_expect(ada, "first one");
    vt_expect(ada, "kept");
    for (int i = 0; i < LINES; i++) {
        char *edit = xformat("{\"at\": \"end\", \"insert\": \"line %d.\\n\"}\n", i), *line = xformat("line %d.", i);
        assert_int_equal(stage_run(stage, "ada", edit, ARGS("apply", "--no-save", "notes.md")).status, 0);
        vt_expect(ada, line);
        free(edit);
        free(line);
    }
    vt_signal(ada, SIGKILL);
    vt_free(ada);
}

static uint32_t number_at(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The log's frames; those of an older log behind it do not count. */
struct frames {
    struct buf log;
    size_t bytes, count;
};

static unsigned char *frame_at(const struct frames *frames, size_t n)
{
    return frames->log.data + LOG_HEADER + n * frames->bytes;
}

static void read_frames(const char *path, struct frames *frames)
{
    *frames = (struct frames){0};
    scratch_read(path, &frames->log);
    frames->bytes = FRAME_HEADER + (size_t)number_at(frames->log.data + 8);
    size_t count = (frames->log.len - LOG_HEADER) / frames->bytes;
    while (frames->count < count && memcmp(frame_at(frames, frames->count) + 8, frames->log.data + 16, 8) == 0)
        frames->count++;
}

static bool is_written_again(const struct frames *frames, size_t n)
{
    for (size_t later = n + 1; later < frames->count; later++)
        if (number_at(frame_at(frames, later)) == number_at(frame_at(frames, n)))
            return true;
    return false;
}

/* Of the frames at three quarters of the log: one whose page is written again, or all that is in several. */
static void damage(struct stage *stage, bool headers, size_t many)
{
    char *path = log_of(stage);
    struct frames frames;
    read_frames(path, &frames);
    size_t from = frames.count * 3 / 4;
    assert_true(frames.count > 20);
    while (!headers && !is_written_again(&frames, from))
        assert_true(from-- > 0);
    for (size_t n = from; n < from + many; n++)
        for (size_t i = headers ? 0 : FRAME_HEADER; i < 200; i++)
            frame_at(&frames, n)[i] ^= 0x5a;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, frames.log.data, frames.log.len, 0), (ssize_t)frames.log.len);
    close(fd);
    buf_release(&frames.log);
    free(path);
}

static void damaged_pages_are_had_again_and_it_is_told_once(void **state)
{
    struct stage *stage = *state;
    write_and_kill(stage);
    damage(stage, false, 1);
    struct stage_result verified = stage_run(stage, "ada", NULL, ARGS("verify", "notes.md"));
    assert_non_null(strstr(verified.out, "damaged and mended, nothing is lost; what was damaged is kept as "));
    assert_non_null(strstr(verified.out, ": all right\n"));
    assert_int_equal(verified.status, 0);
    struct vt *ada = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(ada, "line 0.");
    vt_expect(ada, "line 11.");
    vt_ctrl(ada, 'q');
    vt_expect(ada, "eep for later");
    vt_type(ada, "k");
    vt_close(ada);
    ada = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(ada, "line 11.");
    vt_type(ada, "\x1bm"); /* all messages */
    vt_expect_gone(ada, "was damaged");
    vt_free(ada);
}

static void what_is_lost_is_told_and_the_rest_goes_on(void **state)
{
    struct stage *stage = *state;
    write_and_kill(stage);
    damage(stage, true, 4);
    struct vt *ada = stage_weft(stage, "ada", ARGS("notes.md"));
    vt_expect(ada, "The journal of notes.md was damaged, or the machine stopped");
    vt_expect(ada, "line 0.");
    assert_false(vt_find(ada, "line 11.", NULL, NULL));
    vt_type(ada, "!");
    vt_expect(ada, "!");
    vt_expect(ada, "kept");
    vt_signal(ada, SIGKILL);
    vt_free(ada);
    struct stage_result verified = stage_run(stage, "ada", NULL, ARGS("verify", "notes.md"));
    assert_non_null(strstr(verified.out, "damaged, or the machine stopped before it was written: the last "));
    assert_non_null(strstr(verified.out, ": what is here is right\n"));
    assert_int_equal(verified.status, 1);
    assert_non_null(strchr(stage_run(stage, "ada", NULL, ARGS("cat", "notes.md")).out, '!'));
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("forget", "--force", "notes.md")).status, 0);
    assert_int_equal(stage_script(stage, "ada", "ls \"$XDG_STATE_HOME/weft/docs\" | grep -c damaged").status, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(damaged_pages_are_had_again_and_it_is_told_once, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(what_is_lost_is_told_and_the_rest_goes_on, stage_setup, stage_teardown),
    };
    return RUN_TESTS("damage", tests);
}
