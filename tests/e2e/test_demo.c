/* The demo: every row of its story is asserted here, as it plays itself and as a person plays it. */
#include "tests/support/support.h"

#include <dirent.h>
#include <ftw.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "tests/support/scratch.h"
#include "tests/support/stage.h"

/* --- what must not be left behind --- */

static size_t entries_that_begin_with(const char *path, const char *prefix)
{
    size_t count = 0;
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    if (dir)
        closedir(dir);
    return count;
}

/* Processes that were started in this stage: its directory is in their environment. */
static size_t processes_of(struct stage *stage)
{
    size_t count = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        char *path = xformat("/proc/%s/environ", entry->d_name);
        FILE *file = strspn(entry->d_name, "0123456789") ? fopen(path, "r") : NULL;
        struct buf variables = {0};
        for (int c; file && (c = fgetc(file)) != EOF;)
            buf_add_byte(&variables, (unsigned char)c);
        if (variables.len && memmem(variables.data, variables.len, stage_dir(stage), strlen(stage_dir(stage))))
            count++;
        if (file)
            fclose(file);
        buf_release(&variables);
        free(path);
    }
    if (proc)
        closedir(proc);
    return count;
}

/* Directory and processes alike, and nothing of the person's own was made. */
static void expect_nothing_left(struct stage *stage)
{
    assert_int_equal(entries_that_begin_with(stage_dir(stage), "weft-demo-"), 0);
    assert_int_equal(processes_of(stage), 0);
    assert_int_equal(entries_that_begin_with(stage_dir(stage), "ada."), 0);
}

/* --- it plays itself --- */

static void expect_good_end(const char *out)
{
    static const char *const lines[] = {
        "Launch on Thursday.\nLin brings the cake.\nI bring coffee.\n",
        "kill -9 in the middle of a word: text and cursor came back\n",
        "you  Back: sent 6, received 1.\n",
        "lin  Back: sent 1, received 6. 1 place changed by both of you.\n",
        "your words after your ^Z: gone\n",
        "Lin's Thursday after your ^Z: there\n",
        "  equal\n",
        "grep Thursday relay.db: 0  (plan.md: 1)\n",
    };
    const char *at = out;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *found = strstr(at, lines[i]);
        if (!found)
            fail_msg("\"%s\" is not where it should be in:\n%s", lines[i], out);
        at = found + strlen(lines[i]);
    }
}

static void the_fast_demo_needs_no_terminal_and_ends_well(void **state)
{
    struct stage *stage = *state;
    struct stage_result result = stage_run(stage, "ada", NULL, ARGS("demo", "--fast"));
    assert_int_equal(result.status, 0);
    assert_string_equal(result.err, "");
    expect_good_end(result.out);
    expect_nothing_left(stage);
}

/* The two panes side by side, from the row below the cable down. */
static void expect_panes(struct vt *vt, int row, const char *you, const char *lin)
{
    char *text = xformat("%-39s| %s", you, lin);
    vt_expect_row(vt, row, text);
    free(text);
}

static void the_demo_plays_itself_row_by_row(void **state)
{
    enum { CABLE = 0, PLAN = 1, DARK = 8 };
    struct stage *stage = *state;
    struct vt *vt = stage_weft(stage, "ada", ARGS("demo", "--play", "--speed", "5"));
    vt_expect(vt, "Two people, two processes, one relay that cannot read.");
    vt_expect_row_has(vt, CABLE, "YOU ================================ relay ===");
    expect_panes(vt, PLAN, "Launch on Friday.", "Launch on Friday.");
    vt_expect(vt, "Lin brings the cake. lin"); /* with Lin's name at her cursor */
    vt_expect(vt, "The relay sees: ");
    vt_expect(vt, " bytes ");
    vt_expect(vt, "Type anywhere. It is real.");
    expect_panes(vt, PLAN + 2, "I bring coffee.", "I bring coffee.");
    vt_expect(vt, "F5 cuts the cable.");
    vt_expect_row_has(vt, CABLE, "== cut ==");
    vt_expect(vt, "Cut. Lin makes it Thursday. Change the day too.");
    expect_panes(vt, PLAN, "Launch on Mon.", "Launch on Thursday.");
    vt_expect(vt, "plan.md +  shared  offline: 3 kept  +1   plan.md +  shared  offline: 1 kept  +1");
    vt_expect(vt, "F6: kill -9, in the middle of a word.");
    vt_expect_row_has(vt, PLAN + DARK, "kill -9");
    expect_panes(vt, PLAN, "Launch on Mon.", "Launch on Thursday."); /* nothing but the journal knows that */
    vt_expect(vt, "Back, with every letter, the cursor and undo.");
    expect_panes(vt, PLAN, "Launch on Monday.", "Launch on Thursday.");
    vt_expect_row_has(vt, CABLE, "== relay ==");
    vt_expect(vt, "Merged. New text glows in its author's colour.");
    vt_expect(vt, "Back: sent 6, received 1.");
    vt_expect(vt, "Back: sent 1, received 6.");
    vt_expect(vt, "^Z ^Z ^Z takes back yours only. Lin's words stay.");
    expect_panes(vt, PLAN, "Launch on Thursday. lin", "Launch on Thursday. you");
    vt_expect(vt, "F7: same text? Did the relay see a word of it?");
    vt_expect(vt, "  equal  grep Thursday relay.db: 0  plan.md: 1");
    vt_expect(vt, "Now yours:   weft share FILE   weft join   ^Q leaves");
    assert_int_equal(vt_close(vt), 0);
    expect_nothing_left(stage);
}

/* The cell where `text` begins. */
static struct vt_cell cell_of(struct vt *vt, const char *text)
{
    int row, col;
    vt_expect(vt, text);
    assert_true(vt_find(vt, text, &row, &col));
    return vt_cell(vt, row, col);
}

static void the_merge_glows_in_its_authors_colours(void **state)
{
    struct vt *vt = stage_weft(*state, "ada", ARGS("demo", "--play", "--speed", "5"));
    struct vt_cell you = cell_of(vt, "YOU ="), lin = cell_of(vt, "LIN");
    assert_int_not_equal(you.fg, lin.fg);
    vt_expect(vt, "== cut ==");
    vt_expect(vt, "Merged. New text");
    vt_expect_gone(vt, "you?"); /* the killed one has a successor */
    enum { ROW = 1, HALF = 41 };
    const char *line = vt_row(vt, ROW); /* which of the two words is first depends on ids */
    int thursday = (int)(strstr(line, "Thursday") - line), monday = (int)(strstr(line, "Monday") - line);
    enum { THIRD_LETTER = 2 }; /* the first may be under a cursor */
    assert_int_equal(vt_cell(vt, ROW, thursday + THIRD_LETTER).bg, lin.fg);
    assert_int_equal(vt_cell(vt, ROW, monday + THIRD_LETTER).bg, VT_DEFAULT_COLOUR);
    assert_int_equal(vt_cell(vt, ROW, HALF + monday + THIRD_LETTER).bg, you.fg);
    assert_int_equal(vt_cell(vt, ROW, HALF + thursday + THIRD_LETTER).bg, VT_DEFAULT_COLOUR);
    vt_ctrl(vt, 'c');
    assert_int_equal(vt_close(vt), 0);
}

/* --- a person plays --- */

static void a_person_plays_you(void **state)
{
    struct stage *stage = *state;
    struct vt *vt = stage_weft(stage, "ada", ARGS("demo", "--speed", "8"));
    vt_expect(vt, "Launch on Friday.");
    vt_expect(vt, "F5 cable   F6 kill -9   F7 compare   (or Alt+5 6 7)   ^Q leaves");
    vt_type(vt, "Ada sings.");
    expect_panes(vt, 3, "Ada sings.", "Ada sings. you"); /* on a line of their own, whoever was first */
    vt_expect(vt, "Lin brings the cake.");
    vt_expect(vt, "F5 cuts the cable.");
    vt_expect(vt, "Press F5 (or Alt+5): it cuts the cable.");
    vt_type(vt, VT_F5);
    vt_expect(vt, "== cut ==");
    vt_expect(vt, "Change the day too.");
    vt_type(vt, " Lou");
    vt_expect(vt, "Ada sings. Lou");
    vt_expect(vt, "offline: 4 kept");
    vt_expect(vt, "Press F6 (or Alt+6): kill -9, to your editor.");
    vt_type(vt, VT_F6);
    vt_expect_gone(vt, "Ada sings. Lou");
    vt_expect(vt, "Ada sings. Lou");
    vt_type(vt, "d."); /* where it was cut off */
    vt_expect(vt, "Ada sings. Loud.");
    vt_expect(vt, "Press F5 (or Alt+5): it mends the cable.");
    vt_type(vt, VT_ALT("5"));
    vt_expect(vt, "== relay ==");
    vt_expect(vt, "Back: sent 6, received 1.");
    expect_panes(vt, 1, "Launch on Thursday. lin", "Launch on Thursday.");
    vt_expect(vt, "Press ^Z a few times.");
    vt_ctrl(vt, 'z');
    vt_expect_gone(vt, "Loud.");
    vt_expect(vt, "Press F7 (or Alt+7): it compares, and searches.");
    vt_type(vt, VT_ALT("7"));
    vt_expect(vt, "  equal  grep Thursday relay.db: 0");
    vt_expect(vt, "Now yours:   weft share FILE   weft join   ^Q leaves");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
    expect_nothing_left(stage);
}

static void keys_work_before_they_are_asked_for(void **state)
{
    struct vt *vt = stage_weft(*state, "ada", ARGS("demo"));
    vt_expect(vt, "Lin brings the cake.");
    vt_type(vt, "x");
    expect_panes(vt, 3, "x", "x you");
    vt_type(vt, VT_ALT("6"));
    expect_panes(vt, 3, "", "x");
    expect_panes(vt, 3, "x", "x you");
    vt_type(vt, VT_F7);
    vt_expect(vt, "  equal  grep Launch relay.db: 0");
    vt_type(vt, VT_ALT("5"));
    vt_expect(vt, "== cut ==");
    vt_type(vt, VT_F7 "y");
    vt_expect(vt, "not equal yet");
    vt_type(vt, VT_F5);
    vt_expect(vt, "  equal  ");
    vt_type(vt, VT_PASTE("two\nlines"));
    expect_panes(vt, 4, "lines", "lines you");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

static void below_80_columns_tab_switches_the_pane(void **state)
{
    struct vt *vt = stage_weft_sized(*state, "ada", 20, 60, ARGS("demo"));
    vt_expect(vt, "F5 cable F6 kill -9 F7 compare (Alt+5 6 7) Tab Lin ^Q leave");
    vt_expect(vt, "Lin brings the cake. lin");
    vt_type(vt, VT_TAB);
    vt_expect_row(vt, 3, " you");
    vt_type(vt, "me"); /* who types sees their own */
    vt_expect_row(vt, 3, "me");
    vt_resize(vt, 24, 100);
    vt_expect(vt, "F5 cable   F6 kill -9   F7 compare");
    vt_type(vt, VT_HOME VT_TAB);
    vt_expect(vt, "        me");
    vt_resize(vt, 5, 20); /* much is cut off, nothing breaks */
    vt_expect(vt, "YOU ");
    vt_ctrl(vt, 'q');
    assert_int_equal(vt_close(vt), 0);
}

/* --- alone on this machine, and without a trace --- */

static struct buf remembered; /* nftw() hands nothing on */

static int remember(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type == FTW_F)
        buf_addf(&remembered, "%s %lld %lld.%09ld\n", path, (long long)st->st_size, (long long)st->st_mtim.tv_sec,
                 st->st_mtim.tv_nsec);
    return 0;
}

/* Every file of the stage with its size and time. */
static char *everything_in(struct stage *stage)
{
    buf_clear(&remembered);
    nftw(stage_dir(stage), remember, 16, FTW_PHYS);
    char *text = xstrdup(buf_string(&remembered));
    buf_release(&remembered);
    return text;
}

static void a_persons_own_journal_and_configuration_stay_as_they_are(void **state)
{
    struct stage *stage = *state;
    stage_write(stage, "plan.md", "mine\n");
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("config", "name", "Ada L.")).status, 0);
    assert_int_equal(stage_run(stage, "ada", "{\"at\": 0, \"insert\": \"x\"}\n", ARGS("apply", "plan.md")).status, 0);
    char *before = everything_in(stage);
    assert_int_equal(stage_run(stage, "ada", NULL, ARGS("demo", "--fast")).status, 0);
    char *after = everything_in(stage);
    assert_string_equal(before, after);
    assert_non_null(strstr(before, "ada.state"));
    free(before);
    free(after);
}

/* In a network of its own that has nothing but the loopback. False: this machine does not let us make one. */
static bool leave_the_network(void)
{
    struct ifreq loopback = {.ifr_name = "lo"};
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bool up = ioctl(fd, SIOCGIFFLAGS, &loopback) == 0;
    loopback.ifr_flags |= IFF_UP;
    up = up && ioctl(fd, SIOCSIFFLAGS, &loopback) == 0;
    close(fd);
    return up;
}

static void it_needs_no_network(void **state)
{
    enum { NOT_POSSIBLE = 77 };
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(leave_the_network() ? stage_run(*state, "ada", NULL, ARGS("demo", "--fast")).status : NOT_POSSIBLE);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_POSSIBLE)
        skip();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void however_it_ends_nothing_is_left(void **state)
{
    struct stage *stage = *state;
    for (int way = 0; way < 3; way++) {
        struct vt *vt = stage_weft(stage, "ada", ARGS("demo"));
        vt_expect(vt, "Lin brings the cake.");
        assert_true(processes_of(stage) >= 4); /* supervisor, relay, two people */
        switch (way) {
        case 0: vt_signal(vt, SIGTERM); break;
        case 1: vt_hang_up(vt); break;
        default: vt_ctrl(vt, 'q'); break;
        }
        static const int statuses[] = {128 + SIGTERM, 128 + SIGHUP, 0};
        assert_int_equal(vt_close(vt), statuses[way]);
        expect_nothing_left(stage);
    }
}

static void without_a_terminal_it_says_so(void **state)
{
    struct stage_result result = stage_run(*state, "ada", NULL, ARGS("demo"));
    assert_int_equal(result.status, 1);
    assert_string_equal(result.err, "weft demo: it needs a terminal; weft demo --fast plays without one\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_fast_demo_needs_no_terminal_and_ends_well),
        TEST(the_demo_plays_itself_row_by_row),
        TEST(the_merge_glows_in_its_authors_colours),
        TEST(a_person_plays_you),
        TEST(keys_work_before_they_are_asked_for),
        TEST(below_80_columns_tab_switches_the_pane),
        TEST(a_persons_own_journal_and_configuration_stay_as_they_are),
        TEST(it_needs_no_network),
        TEST(however_it_ends_nothing_is_left),
        TEST(without_a_terminal_it_says_so),
    };
    return RUN_TESTS("demo", tests);
}
