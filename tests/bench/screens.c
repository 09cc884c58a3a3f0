/*
 * screens - what a person waits for, in real terminals: weft beside nano and micro, and two people over a relay.
 *
 *     screens [--quick] [--json] [--dir DIR] [--weft PROGRAM] [SCENARIO...]      no name: all of them
 *
 *   open      from the start of the program to its first full screen: a small file, 1 MB, 100 MB
 *   keys      from a key's byte written to the pseudo-terminal to the byte on the screen, in a file of 1 MB; what weft
 *             shows is in its journal by then, nano and micro keep nothing
 *   remote    from a key's byte on ada's terminal to the byte on lin's, through a relay process on loopback
 *   idle      how often the threads of an editor nobody touches wake up in a minute
 *
 * A key for which somebody on its way had to wait for a CPU is counted like any other; the note says what the figure is
 * without those, because on a shared machine that is most of what one sees. nano and micro are measured where they are
 * installed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor/base/bytes.h"
#include "editor/base/xalloc.h"
#include "tests/bench/bench_base.h"
#include "tests/bench/bench_cli.h"
#include "tests/bench/bench_tty.h"

enum {
    ROUNDS_MAX = 3,
    LINE_KEYS = 60,        /* then a new line is begun, as people do */
    CALM_MS = 60,
    SETTLE_MS = 700,       /* after opening: nothing is written any more */
    DISTURBED_NS = 200000, /* waits for a CPU that are worth a mention; every hand-over between threads is a short one */
};
static const size_t MEGABYTE = 1000000;

/* --- the editors --- */

enum editor_name { WEFT, NANO, MICRO, EDITORS };

static const struct {
    const char *name, *program, *leave;
} editors[EDITORS] = {{"weft", WEFT_PROGRAM, "\x11"}, {"nano", "nano", "\x18"}, {"micro", "micro", "\x11"}};

static bool is_installed(enum editor_name which)
{
    char *command = xformat("command -v %s >/dev/null 2>&1", editors[which].program);
    bool found = which == WEFT || system(command) == 0;
    free(command);
    return found;
}

static struct tty *start_editor(const struct bench *bench, enum editor_name which, const char *dir, const char *home,
                                const char *file, size_t line)
{
    char *place = xformat(which == NANO ? "+%zu" : "+%zu:1", line);
    const char *program = which == WEFT && bench->weft ? bench->weft : editors[which].program;
    struct tty *tty = tty_start((const char *[]){program, place, file, NULL}, dir, home);
    free(place);
    return tty;
}

/* --- texts: letters that are typed (z, q, j) are not in them, and every line has a number --- */

static char *line_mark(size_t line)
{
    return xformat("%08zu", line);
}

static size_t write_text(const char *dir, const char *name, size_t bytes)
{
    char *path = xformat("%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    size_t lines = 0;
    for (size_t written = 0; file && written < bytes; lines++) {
        int n = fprintf(file, "%08zu lorem ipsum dolor sit amet, consectetur\n", lines + 1);
        written += n > 0 ? (size_t)n : bytes;
    }
    if (!file || fclose(file) != 0)
        bench_fail("cannot write %s", path);
    free(path);
    return lines;
}

/* --- open --- */

static double open_once(const struct bench *bench, enum editor_name which, const char *dir, const char *home,
                        const char *file)
{
    enum { LAST_ROW = 16 }; /* all editors show so many lines of it */
    char *mark = line_mark(LAST_ROW);
    struct tty *tty = start_editor(bench, which, dir, home, file, 1);
    uint64_t shown_ns = tty_await(tty, mark);
    double ms = (double)(shown_ns - tty_started_ns(tty)) / 1e6;
    tty_calm(tty, CALM_MS);
    tty_leave(tty, editors[which].leave);
    free(mark);
    return ms;
}

static void open_size(struct bench *bench, const char *dir, const char *what, size_t bytes, size_t times)
{
    struct samples samples[EDITORS] = {{0}};
    char *home = xformat("%s/home", dir);
    write_text(dir, "opened", bytes);
    for (size_t i = 0; i <= times; i++)
        for (enum editor_name which = WEFT; which < EDITORS; which++) {
            if (!is_installed(which))
                continue;
            double ms = open_once(bench, which, dir, home, "opened");
            if (i > 0) /* the first time fills caches and makes directories */
                samples_add(&samples[which], (uint64_t)(ms * 1e6));
        }
    double nano_ms = samples_percentile_ms(&samples[NANO], 50), micro_ms = samples_percentile_ms(&samples[MICRO], 50);
    double weft_ms = samples_percentile_ms(&samples[WEFT], 50);
    char *name = xformat("start to first screen, %s, median", what);
    report_at_most(&bench->report, name, 2 * nano_ms, weft_ms, "ms");
    report_note(&bench->report, "nano %.1f, micro %.1f; x nano %.2f, x micro %.2f; %zu times each", nano_ms, micro_ms,
                weft_ms / nano_ms, weft_ms / micro_ms, times);
    for (enum editor_name which = WEFT; which < EDITORS; which++)
        samples_release(&samples[which]);
    free(name);
    free(home);
}

/* Of somebody who never had weft before: keys, directories and databases are made. */
static void open_new_person(struct bench *bench, const char *dir, size_t times)
{
    struct samples samples = {0};
    write_text(dir, "opened", 2000);
    for (size_t i = 0; i < times; i++) {
        char *home = xformat("%s/new-%zu", dir, i);
        samples_add(&samples, (uint64_t)(open_once(bench, WEFT, dir, home, "opened") * 1e6));
        free(home);
    }
    report_figure(&bench->report, "start to first screen, the first time ever, median", samples_percentile_ms(&samples, 50),
                  "ms");
    samples_release(&samples);
}

static void run_open(struct bench *bench)
{
    char *dir = bench_dir_new(bench->dir);
    open_size(bench, dir, "2 kB", 2000, bench_scaled(bench, 25, 5));
    open_new_person(bench, dir, bench_scaled(bench, 9, 3));
    open_size(bench, dir, "1 MB", MEGABYTE, bench_scaled(bench, 15, 3));
    open_size(bench, dir, "100 MB", 100 * MEGABYTE, bench_scaled(bench, 5, 1));
    bench_dir_remove(dir);
}

/* --- keys --- */

/* Keys at one pace; each round has its own samples, so that one bad minute is one round. */
struct keys {
    struct samples all[ROUNDS_MAX], calm[ROUNDS_MAX];
    size_t rounds;
};

static double median_of_rounds(struct samples *rounds, size_t count, unsigned percent)
{
    struct samples each = {0};
    for (size_t i = 0; i < count; i++)
        samples_add(&each, (uint64_t)(samples_percentile_ms(&rounds[i], percent) * 1e6));
    double median_ms = samples_percentile_ms(&each, 50);
    samples_release(&each);
    return median_ms;
}

static double keys_ms(struct keys *keys, unsigned percent)
{
    return median_of_rounds(keys->all, keys->rounds, percent);
}

static double keys_calm_ms(struct keys *keys, unsigned percent)
{
    return median_of_rounds(keys->calm, keys->rounds, percent);
}

static void keys_release(struct keys *keys)
{
    for (size_t i = 0; i < keys->rounds; i++) {
        samples_release(&keys->all[i]);
        samples_release(&keys->calm[i]);
    }
}

static double disturbed_percent(const struct keys *keys)
{
    size_t all = 0, calm = 0;
    for (size_t i = 0; i < keys->rounds; i++) {
        all += keys->all[i].count;
        calm += keys->calm[i].count;
    }
    return all ? 100.0 * (double)(all - calm) / (double)all : 0;
}

/* Who takes part in a key's way: the terminal it is typed on, the one it is awaited on (the same, or another's). */
struct way {
    struct tty *from, *to;
    pid_t also; /* the relay; 0: nobody */
};

static uint64_t way_wait_ns(const struct way *way)
{
    uint64_t ns = bench_cpu_wait_ns(tty_pid(way->from)) + bench_cpu_wait_ns(0);
    if (way->to != way->from)
        ns += bench_cpu_wait_ns(tty_pid(way->to));
    return ns + (way->also ? bench_cpu_wait_ns(way->also) : 0);
}

/* The line goes (^K), an empty one comes in its place: what was typed is nowhere left to be painted again. */
static void new_line(const struct way *way)
{
    tty_send(way->from, "\x0b\r\x1b[A");
    tty_calm(way->from, CALM_MS);
    tty_calm(way->to, CALM_MS);
}

static void type_keys(const struct way *way, size_t count, unsigned pause_ms, struct samples *all, struct samples *calm)
{
    static const char *const letters[] = {"z", "q", "j"};
    for (size_t i = 0; i < count; i++) {
        if (i % LINE_KEYS == LINE_KEYS - 1)
            new_line(way);
        const char *letter = letters[i % 3];
        uint64_t wait_ns = way_wait_ns(way), start_ns = bench_now_ns();
        tty_send(way->from, letter);
        uint64_t took_ns = tty_await(way->to, letter) - start_ns;
        samples_add(all, took_ns);
        if (way_wait_ns(way) - wait_ns < (way->also ? (uint64_t)3 : 1) * DISTURBED_NS)
            samples_add(calm, took_ns);
        bench_pause_ms(pause_ms);
        tty_calm(way->from, 0);
        tty_calm(way->to, 0);
    }
}

enum { PACES = 2, PLACES = 3 };
static const unsigned paces_ms[PACES] = {2, 100};

/* Gives what memory the editor has in the end. */
static double type_in_editor(struct bench *bench, enum editor_name which, const char *dir, size_t line, size_t number,
                             struct keys keys[PACES])
{
    char *home = xformat("%s/home", dir), *mark = line_mark(line);
    char *name = xformat("f%zu", number); /* a new one each time: what was typed before is kept for the old one */
    write_text(dir, name, MEGABYTE);
    struct tty *tty = start_editor(bench, which, dir, home, name, line);
    struct way way = {.from = tty, .to = tty};
    struct samples first = {0};
    tty_await(tty, mark);
    tty_calm(tty, SETTLE_MS);
    type_keys(&way, 3, 100, &first, &first); /* the first makes the journal */
    for (size_t pace = 0; pace < PACES; pace++) {
        size_t at = keys[pace].rounds++;
        size_t count = paces_ms[pace] < 50 ? bench_scaled(bench, 300, 200) : bench_scaled(bench, 60, 30);
        keys[pace].all[at] = keys[pace].calm[at] = (struct samples){0};
        new_line(&way);
        type_keys(&way, count, paces_ms[pace], &keys[pace].all[at], &keys[pace].calm[at]);
    }
    double rss_mb = bench_rss_mb(tty_pid(tty));
    tty_end(tty);
    samples_release(&first);
    free(mark);
    free(home);
    free(name);
    return rss_mb;
}

static void report_keys(struct bench *bench, const char *place, size_t pace, struct keys keys[EDITORS][PACES])
{
    char *name = xformat("a key to the screen, 1 MB, %s, %u ms apart, p99", place, paces_ms[pace]);
    struct keys *weft = &keys[WEFT][pace], *nano = &keys[NANO][pace], *micro = &keys[MICRO][pace];
    double p50 = keys_ms(weft, 50);
    report_at_most(&bench->report, name, 2, keys_ms(weft, 99), "ms");
    report_note(&bench->report,
                "p50 %.3f, max %.2f, p99 without waits for a CPU %.3f (%.0f %% waited); nano p50 %.3f p99 %.3f, micro p50 %.3f "
                "p99 %.3f; p50 x nano %.2f, x micro %.2f",
                p50, keys_ms(weft, 100), keys_calm_ms(weft, 99), disturbed_percent(weft), keys_ms(nano, 50),
                keys_ms(nano, 99), keys_ms(micro, 50), keys_ms(micro, 99), p50 / keys_ms(nano, 50),
                p50 / keys_ms(micro, 50));
    free(name);
}

static void run_keys(struct bench *bench)
{
    static const char *const places[PLACES] = {"at the start", "in the middle", "at the end"};
    static struct keys keys[PLACES][EDITORS][PACES];
    double rss_mb[EDITORS] = {0};
    char *dir = bench_dir_new(bench->dir);
    size_t lines = write_text(dir, "lines", MEGABYTE), files = 0;
    const size_t at[PLACES] = {1, lines / 2, lines};
    memset(keys, 0, sizeof keys);
    for (size_t round = 0; round < bench_scaled(bench, ROUNDS_MAX, 1); round++)
        for (size_t place = 0; place < PLACES; place++)
            for (enum editor_name which = WEFT; which < EDITORS; which++)
                if (is_installed(which))
                    rss_mb[which] = type_in_editor(bench, which, dir, at[place], files++, keys[place][which]);
    for (size_t pace = 0; pace < PACES; pace++)
        for (size_t place = 0; place < PLACES; place++)
            report_keys(bench, places[place], pace, keys[place]);
    report_at_most(&bench->report, "memory of an editor with 1 MB", 30, rss_mb[WEFT], "MB");
    report_note(&bench->report, "VmRSS after typing; nano %.1f, micro %.1f", rss_mb[NANO], rss_mb[MICRO]);
    for (size_t place = 0; place < PLACES; place++)
        for (enum editor_name which = WEFT; which < EDITORS; which++)
            for (size_t pace = 0; pace < PACES; pace++)
                keys_release(&keys[place][which][pace]);
    bench_dir_remove(dir);
}

/* --- rooms: a relay process, ada who shares a file, lin who has joined --- */

struct screens_room {
    char *dir, *ada_home, *lin_home, *alone_home, *relay_url;
    pid_t relay;
};

/* A program without a terminal; the file is what it says. */
static pid_t start_tool(const struct bench *bench, const char *dir, const char *home, const char *const *args, FILE **said)
{
    int out[2];
    const char *argv[TTY_ARGS_MAX + 1] = {bench->weft ? bench->weft : editors[WEFT].program};
    for (size_t i = 0; args[i]; i++)
        argv[i + 1] = args[i];
    if (pipe2(out, O_CLOEXEC) != 0)
        bench_fail("no pipe");
    pid_t pid = fork();
    if (pid == 0) {
        tty_become_child(home);
        if (dup2(out[1], STDOUT_FILENO) >= 0 && chdir(dir) == 0)
            execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    close(out[1]);
    *said = fdopen(out[0], "r");
    if (pid < 0 || !*said)
        bench_fail("cannot start %s %s", argv[0], args[0]);
    return pid;
}

/* The word that begins with `prefix` in what a program says first. Heap string. */
static char *read_word(FILE *said, const char *prefix)
{
    char line[1024];
    while (fgets(line, sizeof line, said)) {
        char *at = strstr(line, prefix);
        if (at)
            return xstrndup(at, strcspn(at, ", \n"));
    }
    bench_fail("a program did not say %s", prefix);
}

static char *share(const struct screens_room *room, const struct bench *bench, const char *home, const char *file)
{
    FILE *said;
    pid_t pid = start_tool(bench, room->dir, home,
                           (const char *[]){"share", "--no-edit", file, "--relay", room->relay_url, NULL}, &said);
    char *link = read_word(said, "weft+ws:");
    fclose(said);
    waitpid(pid, NULL, 0);
    return link;
}

static void screens_room_open(struct screens_room *room, const struct bench *bench)
{
    FILE *said;
    char *dir = bench_dir_new(bench->dir);
    char *store = xformat("sqlite:%s/relay.db", dir), *relay_home = xformat("%s/relay", dir);
    *room = (struct screens_room){.dir = dir, .ada_home = xformat("%s/ada", dir), .lin_home = xformat("%s/lin", dir),
                                  .alone_home = xformat("%s/alone", dir)};
    room->relay = start_tool(bench, dir, relay_home,
                             (const char *[]){"relay", "--listen", "127.0.0.1:0", "--store", store, NULL}, &said);
    room->relay_url = read_word(said, "ws://");
    fclose(said);
    free(store);
    free(relay_home);
}

static void screens_room_close(struct screens_room *room)
{
    kill(room->relay, SIGTERM);
    waitpid(room->relay, NULL, 0);
    free(room->ada_home);
    free(room->lin_home);
    free(room->alone_home);
    free(room->relay_url);
    bench_dir_remove(room->dir);
}

static struct tty *start_weft(const struct bench *bench, const char *dir, const char *home, const char *const *args)
{
    const char *argv[TTY_ARGS_MAX + 1] = {bench->weft ? bench->weft : editors[WEFT].program};
    for (size_t i = 0; args[i]; i++)
        argv[i + 1] = args[i];
    return tty_start(argv, dir, home);
}

/* Both see each other when this returns. */
static void start_two(const struct screens_room *room, const struct bench *bench, struct tty **ada, struct tty **lin)
{
    write_text(room->dir, "shared", 10000);
    char *link = share(room, bench, room->ada_home, "shared");
    *ada = start_weft(bench, room->dir, room->ada_home, (const char *[]){"--name", "ada", "shared", NULL});
    *lin = start_weft(bench, room->dir, room->lin_home, (const char *[]){"join", "--name", "lin", link, NULL});
    tty_await(*ada, "lin");
    tty_await(*lin, "ada");
    tty_calm(*ada, SETTLE_MS);
    tty_calm(*lin, SETTLE_MS);
    free(link);
}

/* --- remote --- */

static void report_remote(struct bench *bench, unsigned pace_ms, struct keys *keys)
{
    char *name = xformat("a key to the other's screen, %u ms apart, median", pace_ms);
    report_at_most(&bench->report, name, 5, keys_ms(keys, 50), "ms");
    report_note(&bench->report, "through a relay that makes it durable first");
    free(name);
    name = xformat("a key to the other's screen, %u ms apart, p99", pace_ms);
    report_at_most(&bench->report, name, 10, keys_ms(keys, 99), "ms");
    report_note(&bench->report, "max %.2f; without waits for a CPU p50 %.3f, p99 %.3f (%.0f %% waited)", keys_ms(keys, 100),
                keys_calm_ms(keys, 50), keys_calm_ms(keys, 99), disturbed_percent(keys));
    free(name);
}

static void run_remote(struct bench *bench)
{
    static const unsigned remote_paces_ms[] = {2, 20, 100};
    struct screens_room room;
    struct tty *ada, *lin;
    static struct keys keys[3];
    memset(keys, 0, sizeof keys);
    screens_room_open(&room, bench);
    start_two(&room, bench, &ada, &lin);
    struct way way = {.from = ada, .to = lin, .also = room.relay};
    for (size_t round = 0; round < bench_scaled(bench, ROUNDS_MAX, 1); round++)
        for (size_t pace = 0; pace < 3; pace++) {
            size_t count = remote_paces_ms[pace] < 50 ? bench_scaled(bench, 400, 200) : bench_scaled(bench, 100, 60);
            size_t at = keys[pace].rounds++;
            new_line(&way);
            type_keys(&way, count, remote_paces_ms[pace], &keys[pace].all[at], &keys[pace].calm[at]);
        }
    for (size_t pace = 0; pace < 3; pace++) {
        report_remote(bench, remote_paces_ms[pace], &keys[pace]);
        keys_release(&keys[pace]);
    }
    tty_end(ada);
    tty_end(lin);
    screens_room_close(&room);
}

/* --- idle --- */

struct idler {
    const char *what;
    struct tty *tty;
    double at_most; /* wake-ups a minute; 0: no limit */
    uint64_t before;
};

static void watch_idlers(struct bench *bench, struct idler *idlers, size_t count)
{
    /* The notice of the start has faded, files have been looked at again, and a minute ago is when somebody was there. */
    enum { BEGIN_MS = 70000 };
    unsigned seconds = (unsigned)bench_scaled(bench, 60, 15);
    for (size_t i = 0; i < count; i++)
        tty_calm(idlers[i].tty, CALM_MS);
    bench_pause_ms(BEGIN_MS);
    for (size_t i = 0; i < count; i++)
        idlers[i].before = bench_switches(tty_pid(idlers[i].tty));
    bench_pause_ms(seconds * 1000);
    for (size_t i = 0; i < count; i++) {
        uint64_t woke = bench_switches(tty_pid(idlers[i].tty)) - idlers[i].before;
        double a_minute = (double)woke * 60 / seconds;
        char *name = xformat("wake-ups a minute of %s", idlers[i].what);
        if (idlers[i].at_most > 0)
            report_at_most(&bench->report, name, idlers[i].at_most, a_minute, "");
        else
            report_figure(&bench->report, name, a_minute, "");
        report_note(&bench->report, "all its threads, in %u s", seconds);
        free(name);
    }
}

static void run_idle(struct bench *bench)
{
    struct screens_room room;
    struct idler idlers[6];
    size_t count = 0;
    screens_room_open(&room, bench);
    write_text(room.dir, "mine", 10000);
    write_text(room.dir, "solo", 10000);
    struct tty *ada, *lin;
    start_two(&room, bench, &ada, &lin);
    free(share(&room, bench, room.alone_home, "solo"));
    struct tty *alone = start_weft(bench, room.dir, room.alone_home, (const char *[]){"solo", NULL});
    for (enum editor_name which = WEFT; which < EDITORS; which++)
        if (is_installed(which))
            idlers[count++] = (struct idler){.what = which == WEFT ? "weft, not shared" : editors[which].name,
                                             .tty = start_editor(bench, which, room.dir, room.alone_home, "mine", 1),
                                             .at_most = which == WEFT ? 6 : 0};
    idlers[count++] = (struct idler){.what = "weft, shared, nobody else there", .tty = alone};
    idlers[count++] = (struct idler){.what = "weft, shared, somebody there", .tty = ada};
    idlers[count++] = (struct idler){.what = "weft, joined, somebody there", .tty = lin};
    watch_idlers(bench, idlers, count);
    for (size_t i = 0; i < count; i++)
        tty_end(idlers[i].tty);
    screens_room_close(&room);
}

int main(int argc, char **argv)
{
    static const struct scenario scenarios[] = {
        {"open", run_open}, {"keys", run_keys}, {"remote", run_remote}, {"idle", run_idle}, {NULL, NULL},
    };
    struct bench bench = {0};
    return bench_main(argc, argv, scenarios, &bench);
}
