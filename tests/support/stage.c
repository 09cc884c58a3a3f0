#include "tests/support/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "tests/support/support.h"

enum { PATIENCE_MS = 30000 };

static const char program_variable[] = "WEFT=" WEFT_PROGRAM;

struct stage {
    char *dir;
    struct buf out, err;
    struct stage_job jobs[STAGE_JOBS_MAX]; /* that nobody finished */
    size_t job_count;
    pid_t relay;
    int relay_port;
    const char *relay_options[STAGE_RELAY_OPTIONS_MAX + 1]; /* ends with NULL */
    char *relay_address;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * For mkdtemp(). Not below a temporary directory: files there are short-lived to weft, and most tests are about files that are
 * kept. Short, for sockets lie below it, and rows of the screen have to hold it.
 */
static char *dir_pattern(void)
{
    const char *named = getenv("WEFT_STAGE_DIR");
    if (named && *named)
        return xformat("%s/XXXXXX", named);
    const struct passwd *user = getpwuid(geteuid()); /* $HOME may itself be a temporary directory */
    char *cache = xformat("%s/.cache", user ? user->pw_dir : "");
    char *pattern = xformat("%s/weft-stage-XXXXXX", cache);
    mkdir(cache, 0700);
    free(cache);
    return pattern;
}

struct stage *stage_new(void)
{
    struct stage *stage = xcalloc(1, sizeof *stage);
    stage->dir = dir_pattern();
    if (!mkdtemp(stage->dir))
        fail_msg("cannot make %s: %s", stage->dir, strerror(errno));
    return stage;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void take_job_out(struct stage *stage, pid_t pid)
{
    for (size_t i = 0; i < stage->job_count; i++)
        if (stage->jobs[i].pid == pid)
            stage->jobs[i--] = stage->jobs[--stage->job_count];
}

/* A test that failed in between leaves them behind: with the locks they hold, and all they have started. */
static void end_jobs(struct stage *stage)
{
    for (size_t i = 0; i < stage->job_count; i++) {
        const struct stage_job *job = &stage->jobs[i];
        kill(job->pid, SIGKILL);
        kill(-job->pid, SIGKILL);
        waitpid(job->pid, NULL, 0);
        fclose(job->out);
        fclose(job->err);
    }
}

void stage_free(struct stage *stage)
{
    end_jobs(stage);
    if (stage->relay > 0)
        stage_relay_signal(stage, SIGKILL);
    nftw(stage->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(stage->dir);
    free(stage->relay_address);
    buf_release(&stage->out);
    buf_release(&stage->err);
    free(stage);
}

int stage_setup(void **state)
{
    *state = stage_new();
    return 0;
}

int stage_teardown(void **state)
{
    stage_free(*state);
    return 0;
}

const char *stage_dir(const struct stage *stage)
{
    return stage->dir;
}

/* --- files --- */

void stage_write(struct stage *stage, const char *path, const char *content)
{
    char *full = xformat("%s/%s", stage->dir, path);
    FILE *file = fopen(full, "w");
    if (!file || fputs(content, file) < 0 || fclose(file) != 0)
        fail_msg("cannot write %s: %s", full, strerror(errno));
    free(full);
}

char *stage_read(struct stage *stage, const char *path)
{
    char *full = xformat("%s/%s", stage->dir, path);
    struct buf content = {0};
    FILE *file = fopen(full, "r");
    for (int c; file && (c = fgetc(file)) != EOF;)
        buf_add_byte(&content, (unsigned char)c);
    if (file)
        fclose(file);
    free(full);
    char *text = xstrdup(buf_string(&content));
    buf_release(&content);
    return text;
}

bool stage_exists(struct stage *stage, const char *path)
{
    char *full = xformat("%s/%s", stage->dir, path);
    bool exists = access(full, F_OK) == 0;
    free(full);
    return exists;
}

void stage_expect_exists(struct stage *stage, const char *path)
{
    uint64_t until_ms = now_ms() + PATIENCE_MS;
    while (!stage_exists(stage, path)) {
        if (now_ms() >= until_ms)
            fail_msg("there is no %s", path);
        poll(NULL, 0, 10);
    }
}

void stage_expect_file(struct stage *stage, const char *path, const char *content)
{
    uint64_t until_ms = now_ms() + PATIENCE_MS;
    for (;;) {
        char *now = stage_read(stage, path);
        bool same = strcmp(now, content) == 0;
        if (same || now_ms() >= until_ms)
            assert_string_equal(now, content);
        free(now);
        if (same)
            return;
        poll(NULL, 0, 10);
    }
}

/* --- persons --- */

struct person_env {
    char *state, *config, *runtime, *home, *temporary;
};

static struct person_env person_env(const struct stage *stage, const char *person)
{
    struct person_env env = {
        .state = xformat("XDG_STATE_HOME=%s/%s.state", stage->dir, person),
        .config = xformat("XDG_CONFIG_HOME=%s/%s.config", stage->dir, person),
        .runtime = xformat("XDG_RUNTIME_DIR=%s/%s.run", stage->dir, person),
        .home = xformat("HOME=%s/%s.home", stage->dir, person),
        .temporary = xformat("TMPDIR=%s", stage->dir),
    };
    return env;
}

static void person_env_release(struct person_env *env)
{
    free(env->state);
    free(env->config);
    free(env->runtime);
    free(env->home);
    free(env->temporary);
}

struct vt *stage_weft_sized(struct stage *stage, const char *person, int rows, int cols, const char *const *args)
{
    struct person_env env = person_env(stage, person);
    char *name = xformat("USER=%s", person);
    struct vt_program program = {.argv = {WEFT_PROGRAM}, .dir = stage->dir, .rows = rows, .cols = cols,
                                 .env = {env.state, env.config, env.runtime, env.home, env.temporary, name}};
    for (size_t i = 0; args[i]; i++)
        program.argv[i + 1] = args[i];
    struct vt *vt = vt_spawn(&program);
    free(name);
    person_env_release(&env);
    return vt;
}

struct vt *stage_weft(struct stage *stage, const char *person, const char *const *args)
{
    return stage_weft_sized(stage, person, 24, 80, args);
}

struct vt *stage_shell(struct stage *stage, const char *person, const char *script)
{
    struct person_env env = person_env(stage, person);
    struct vt_program program = {.argv = {"/bin/sh", "-c", script}, .dir = stage->dir,
                                 .env = {env.state, env.config, env.runtime, env.home, env.temporary,
                                         program_variable}};
    struct vt *vt = vt_spawn(&program);
    person_env_release(&env);
    return vt;
}

/* --- without a terminal --- */

/* `argv` begins with the program and ends with NULL. */
static void run_program(struct stage *stage, const char *person, const char *const *argv, int in, int out, int err)
{
    struct person_env env = person_env(stage, person);
    char *const envp[] = {env.state,
                          env.config,
                          env.runtime,
                          env.home,
                          env.temporary,
                          xstrdup("LANG=C.UTF-8"),
                          xformat("PATH=%s", getenv("PATH")),
                          xformat("ASAN_OPTIONS=%s", getenv("ASAN_OPTIONS") ? getenv("ASAN_OPTIONS") : ""),
                          xstrdup(program_variable),
                          NULL};
    if (chdir(stage->dir) != 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    setsid();
    execve(argv[0], (char *const *)argv, envp);
    _exit(127);
}

static FILE *temporary(void)
{
    FILE *file = tmpfile();
    if (!file)
        fail_msg("tmpfile: %s", strerror(errno));
    return file;
}

static void take_output(FILE *file, struct buf *out)
{
    buf_clear(out);
    rewind(file);
    for (int c; (c = fgetc(file)) != EOF;)
        buf_add_byte(out, (unsigned char)c);
    fclose(file);
}

static int wait_for(pid_t child)
{
    uint64_t until_ms = now_ms() + 3 * PATIENCE_MS;
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (now_ms() >= until_ms) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            fail_msg("a program did not end by itself");
        }
        poll(NULL, 0, 5);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* `argv` begins with the program. */
static struct stage_job start_program(struct stage *stage, const char *person, const char *input, const char *const *argv)
{
    struct stage_job job = {.out = temporary(), .err = temporary()};
    FILE *in = temporary();
    fputs(input ? input : "", in);
    fflush(in);
    rewind(in);
    job.pid = fork();
    if (job.pid == 0)
        run_program(stage, person, argv, fileno(in), fileno(job.out), fileno(job.err));
    fclose(in);
    if (job.pid < 0 || stage->job_count == STAGE_JOBS_MAX)
        fail_msg("cannot start one more program");
    stage->jobs[stage->job_count++] = job;
    return job;
}

struct stage_job stage_start(struct stage *stage, const char *person, const char *input, const char *const *args)
{
    const char *argv[VT_ARGS_MAX] = {WEFT_PROGRAM};
    for (size_t i = 0; args[i]; i++)
        argv[i + 1] = args[i];
    return start_program(stage, person, input, argv);
}

struct stage_result stage_finish(struct stage *stage, struct stage_job job)
{
    take_job_out(stage, job.pid);
    int status = wait_for(job.pid);
    take_output(job.out, &stage->out);
    take_output(job.err, &stage->err);
    return (struct stage_result){status, buf_string(&stage->out), buf_string(&stage->err)};
}

void stage_write_to(struct vt *vt, const char *keys)
{
    vt_type(vt, VT_ALT("s"));
    vt_expect(vt, "Write to file:");
    vt_ctrl(vt, 'u');
    vt_type(vt, keys);
}

struct stage_result stage_run(struct stage *stage, const char *person, const char *input, const char *const *args)
{
    return stage_finish(stage, stage_start(stage, person, input, args));
}

struct stage_result stage_script(struct stage *stage, const char *person, const char *script)
{
    return stage_finish(stage, start_program(stage, person, NULL, (const char *[]){"/bin/sh", "-c", script, NULL}));
}

/* --- the relay --- */

void stage_relay_options(struct stage *stage, const char *const *options)
{
    for (size_t i = 0; options[i]; i++) {
        if (i == STAGE_RELAY_OPTIONS_MAX)
            fail_msg("too many options for the relay");
        stage->relay_options[i] = options[i];
    }
}

static void start_relay(struct stage *stage)
{
    int out[2];
    char *listen = xformat("127.0.0.1:%d", stage->relay_port);
    char *store = xformat("sqlite:%s/relay.db", stage->dir);
    if (pipe2(out, O_CLOEXEC) != 0)
        fail_msg("pipe: %s", strerror(errno));
    stage->relay = fork();
    if (stage->relay == 0) {
        /* All of a test comes from one address, and faster than people do. */
        const char *argv[8 + STAGE_RELAY_OPTIONS_MAX + 1] = {WEFT_PROGRAM, "relay", "--listen", listen, "--store", store,
                                                             "--address-accepts", "1000/10000"};
        memcpy(argv + 8, stage->relay_options, sizeof stage->relay_options);
        int null = open("/dev/null", O_RDONLY);
        run_program(stage, "relay", argv, null, out[1], 2);
    }
    close(out[1]);
    FILE *said = fdopen(out[0], "r");
    char line[512] = "";
    if (!fgets(line, sizeof line, said))
        fail_msg("the relay said nothing");
    const char *at = strstr(line, "ws://127.0.0.1:");
    if (!at)
        fail_msg("the relay said: %s", line);
    stage->relay_port = atoi(at + strlen("ws://127.0.0.1:"));
    fclose(said);
    free(listen);
    free(store);
    free(stage->relay_address);
    stage->relay_address = xformat("ws://127.0.0.1:%d", stage->relay_port);
}

const char *stage_relay(struct stage *stage)
{
    if (stage->relay <= 0)
        start_relay(stage);
    return stage->relay_address;
}

pid_t stage_relay_pid(const struct stage *stage)
{
    return stage->relay;
}

void stage_relay_signal(struct stage *stage, int signal)
{
    kill(stage->relay, signal);
    if (signal == SIGKILL || signal == SIGTERM) {
        wait_for(stage->relay);
        stage->relay = 0;
    }
}

void stage_relay_restart(struct stage *stage)
{
    if (stage->relay > 0)
        stage_relay_signal(stage, SIGKILL);
    start_relay(stage);
}

char *stage_share(struct stage *stage, const char *person, const char *path, const char *which)
{
    struct stage_result result = stage_run(stage, person, NULL, (const char *[]){"share", "--no-edit", path, "--relay",
                                                                                 stage_relay(stage), NULL});
    char *prefix = xformat("%s ", which);
    const char *at = strstr(result.out, prefix);
    if (result.status != 0 || !at)
        fail_msg("share failed (%d): %s%s", result.status, result.out, result.err);
    at += strlen(prefix);
    free(prefix);
    return xstrndup(at, strcspn(at, "\n"));
}
