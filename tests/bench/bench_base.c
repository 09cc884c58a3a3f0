#include "tests/bench/bench_base.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/xalloc.h"

uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

double bench_ms_since(uint64_t start_ns)
{
    return (double)(bench_now_ns() - start_ns) / 1e6;
}

void bench_pause_ms(unsigned ms)
{
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

void bench_fail(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

/* --- directories --- */

char *bench_dir_new(const char *below)
{
    mkdir(below, 0700);
    char *dir = xformat("%s/weft-bench-XXXXXX", below);
    if (!mkdtemp(dir))
        bench_fail("cannot make a directory below %s: %s", below, strerror(errno));
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void bench_dir_remove(char *dir)
{
    enum { FDS = 16 };
    nftw(dir, remove_one, FDS, FTW_DEPTH | FTW_PHYS);
    free(dir);
}

char *bench_dir_default(void)
{
    const struct passwd *user = getpwuid(geteuid());
    return xformat("%s/.cache", user ? user->pw_dir : "");
}

/* --- processes --- */

static FILE *open_proc(pid_t pid, const char *file)
{
    char *path = pid ? xformat("/proc/%d/%s", (int)pid, file) : xformat("/proc/self/%s", file);
    FILE *opened = fopen(path, "r");
    free(path);
    return opened;
}

double bench_rss_mb(pid_t pid)
{
    FILE *status = open_proc(pid, "status");
    char line[256];
    double kb = -1;
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtod(line + 6, NULL);
    if (status)
        fclose(status);
    return kb < 0 ? -1 : kb / 1024;
}

double bench_cpu_ms(pid_t pid)
{
    FILE *stat = open_proc(pid, "stat");
    char line[1024] = "";
    if (!stat)
        return -1;
    char *got = fgets(line, sizeof line, stat);
    fclose(stat);
    char *at = got ? strrchr(line, ')') : NULL; /* the name before it may contain anything */
    enum { FIELDS_BEFORE_TIMES = 12 };
    for (int i = 0; at && i < FIELDS_BEFORE_TIMES; i++)
        at = strchr(at + 1, ' ');
    if (!at)
        return -1;
    double user = strtod(at, &at), system = strtod(at, NULL);
    return (user + system) * 1000 / (double)sysconf(_SC_CLK_TCK);
}

/* The sum over all threads of what `read_one` finds in their file of this name. */
static uint64_t sum_of_threads(pid_t pid, const char *name, uint64_t (*read_one)(FILE *file))
{
    char *path = pid ? xformat("/proc/%d/task", (int)pid) : xstrdup("/proc/self/task");
    DIR *tasks = opendir(path);
    uint64_t sum = 0;
    for (struct dirent *task; tasks && (task = readdir(tasks));) {
        char *file_path = xformat("%s/%s/%s", path, task->d_name, name);
        FILE *file = task->d_name[0] != '.' ? fopen(file_path, "r") : NULL; /* a thread may have ended meanwhile */
        if (file) {
            sum += read_one(file);
            fclose(file);
        }
        free(file_path);
    }
    if (tasks)
        closedir(tasks);
    free(path);
    return sum;
}

/* "ran waited times", in ns */
static uint64_t read_wait(FILE *schedstat)
{
    unsigned long long waited = 0;
    return fscanf(schedstat, "%*u %llu", &waited) == 1 ? waited : 0;
}

uint64_t bench_cpu_wait_ns(pid_t pid)
{
    return sum_of_threads(pid, "schedstat", read_wait);
}

static uint64_t read_switches(FILE *status)
{
    char line[256];
    uint64_t sum = 0;
    while (fgets(line, sizeof line, status)) {
        const char *at = strstr(line, "voluntary_ctxt_switches:"); /* nonvoluntary_... too */
        if (at)
            sum += strtoull(strchr(at, ':') + 1, NULL, 10);
    }
    return sum;
}

uint64_t bench_switches(pid_t pid)
{
    return sum_of_threads(pid, "status", read_switches);
}
