#include "app/demo_cast.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/demo.h"
#include "editor/base/xalloc.h"
#include "editor/file.h"

static const char *const actor_names[ACTORS] = {[YOU] = "you", [LIN] = "lin"};

/* --- starting programs --- */

/* In the child: dies with the supervisor, has directories of its own, and no terminal to disturb. */
static void become_member(const struct cast *cast, const char *who, pid_t supervisor)
{
    static const char *const variables[] = {"HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"};
    static const char *const dirs[] = {"", "/state", "/config", "/run"};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor)
        _exit(127);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        char *dir = xformat("%s/%s%s", cast->dir, who, dirs[i]);
        setenv(variables[i], dir, 1);
        free(dir);
    }
}

/* In the child: the standard streams; -1 is /dev/null. */
static void take_streams(int out)
{
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(out >= 0 ? out : null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
}

static void exec_relay(const struct cast *cast, int out, pid_t supervisor)
{
    char *store = xformat("sqlite:%s/relay.db", cast->dir);
    become_member(cast, "relay", supervisor);
    take_streams(out);
    execl(cast->program, cast->program, "relay", "--listen", "127.0.0.1:0", "--store", store, (char *)NULL);
    _exit(127);
}

/* The first line says where it listens; the pipe is kept, so that its end is noticed. */
static int read_port(int fd)
{
    char line[512];
    size_t len = 0;
    while (len < sizeof line - 1 && read(fd, line + len, 1) == 1 && line[len] != '\n')
        len++;
    line[len] = '\0';
    const char *at = strstr(line, "ws://127.0.0.1:");
    return at ? atoi(at + strlen("ws://127.0.0.1:")) : 0;
}

static bool start_relay(struct cast *cast, struct error *err)
{
    int out[2];
    pid_t supervisor = getpid();
    if (pipe2(out, O_CLOEXEC) != 0)
        return error_errno(err, "cannot start the relay");
    cast->relay_fd = out[0];
    cast->relay = fork();
    if (cast->relay == 0)
        exec_relay(cast, out[1], supervisor);
    close(out[1]);
    if (cast->relay < 0)
        return error_errno(err, "cannot start the relay");
    cast->relay_port = read_port(out[0]);
    return cast->relay_port > 0 || error_set(err, ERR_IO, 0, "%s relay did not start", cast->program);
}

static void exec_pane(const struct cast *cast, enum actor actor, int fd, pid_t supervisor)
{
    const char *name = actor_names[actor];
    char *file = xformat("%s/plan.md", cast->dir);
    char *relay = xformat("ws://127.0.0.1:%d", cable_port(cast->cable));
    become_member(cast, name, supervisor);
    take_streams(-1);
    if (fd == DEMO_PANE_FD)
        fcntl(fd, F_SETFD, 0);
    else
        dup2(fd, DEMO_PANE_FD);
    if (actor == YOU)
        execl(cast->program, cast->program, "demo", "--pane", name, "--file", file, "--relay", relay, (char *)NULL);
    else
        execl(cast->program, cast->program, "demo", "--pane", name, (char *)NULL);
    _exit(127);
}

bool cast_start(struct cast *cast, enum actor actor, struct error *err)
{
    struct pane_process *pane = &cast->panes[actor];
    pid_t supervisor = getpid();
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        return error_errno(err, "cannot start a pane");
    pane->pid = fork();
    if (pane->pid == 0)
        exec_pane(cast, actor, fds[1], supervisor);
    close(fds[1]);
    if (pane->pid < 0) {
        close(fds[0]);
        pane->pid = 0;
        return error_errno(err, "cannot start a pane");
    }
    pane->fd = fds[0];
    pane->heard = pane->alive = false;
    pane->killed_ms = 0;
    if (actor == LIN)
        cast_order(cast, LIN, (struct pane_command){.order = PANE_JOIN, .text = buf_view(&cast->link)});
    return true;
}

/* --- life --- */

static bool make_dir(struct cast *cast, struct error *err)
{
    const char *temporary = getenv("TMPDIR");
    cast->dir = xformat("%s/weft-demo-XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(cast->dir)) {
        error_errno(err, "cannot make %s", cast->dir);
        free(cast->dir);
        cast->dir = NULL; /* nothing of that name is ours to remove */
        return false;
    }
    char *file = xformat("%s/plan.md", cast->dir);
    bool good = file_write_private(file, bytes_of_string("Launch on Friday.\n"), err);
    free(file);
    return good;
}

bool cast_open(struct cast *cast, struct env *env, struct error *err)
{
    *cast = (struct cast){.env = env, .program = env_program_path(env), .relay_fd = -1};
    for (int i = 0; i < ACTORS; i++)
        cast->panes[i].fd = -1;
    if (make_dir(cast, err) && start_relay(cast, err) && (cast->cable = cable_new(cast->relay_port, err)))
        return true;
    cast_free(cast);
    return false;
}

static void end_process(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

void cast_kill(struct cast *cast, enum actor actor, uint64_t now_ms)
{
    struct pane_process *pane = &cast->panes[actor];
    end_process(&pane->pid);
    if (pane->fd >= 0)
        close(pane->fd);
    pane->fd = -1;
    pane->killed_ms = now_ms;
    pane->heard = pane->alive = false;
    pane_state_release(&pane->state); /* what is shown again must come from its journal */
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void cast_free(struct cast *cast)
{
    for (int i = 0; i < ACTORS; i++)
        cast_kill(cast, (enum actor)i, 0);
    store_free(cast->store);
    end_process(&cast->relay);
    if (cast->relay_fd >= 0)
        close(cast->relay_fd);
    cable_free(cast->cable);
    if (cast->dir)
        nftw(cast->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (cast->link.data)
        crypto_wipe(cast->link.data, cast->link.len);
    buf_release(&cast->link);
    free(cast->dir);
    free(cast->program);
    *cast = (struct cast){.relay_fd = -1};
}

/* --- talking --- */

void cast_order(struct cast *cast, enum actor actor, struct pane_command command)
{
    struct buf packet = {0};
    if (cast->panes[actor].fd < 0)
        return;
    pane_command_encode(&command, &packet);
    (void)!send(cast->panes[actor].fd, packet.data, packet.len, MSG_NOSIGNAL); /* its end is noticed by cast_hear() */
    cast->panes[actor].heard = false;
    buf_release(&packet);
}

bool cast_hear(struct cast *cast, enum actor actor, uint64_t now_ms)
{
    struct pane_process *pane = &cast->panes[actor];
    unsigned char packet[DEMO_PACKET_BYTES];
    bool news = false;
    ssize_t got = -1;
    while (pane->fd >= 0 && (got = recv(pane->fd, packet, sizeof packet, MSG_DONTWAIT)) > 0)
        news |= pane_state_decode(bytes_of(packet, (size_t)got), &pane->state);
    if (news)
        pane->heard = pane->alive = true;
    if (news && actor == YOU && cast->link.len == 0)
        buf_add_bytes(&cast->link, buf_view(&pane->state.link));
    bool ended = pane->fd >= 0 && (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR));
    if (ended) { /* by itself: as good as killed */
        cast_kill(cast, actor, now_ms);
        return true;
    }
    return news;
}

bool cast_relay_runs(const struct cast *cast)
{
    struct pollfd end = {.fd = cast->relay_fd};
    return poll(&end, 1, 0) == 0;
}

/* --- what the relay has --- */

static void exec_grep(const char *word, char *const *files, size_t count, int out)
{
    const char **argv = xcalloc(count + 8, sizeof *argv);
    static const char *const options[] = {"grep", "-r", "-a", "-c", "-F", "-h"};
    size_t n = 0;
    for (; n < sizeof options / sizeof *options; n++)
        argv[n] = options[n];
    argv[n++] = word;
    for (size_t i = 0; i < count; i++)
        argv[n++] = files[i];
    take_streams(out);
    execvp("grep", (char *const *)argv);
    _exit(127);
}

/* One count a line, a line a file. */
static int add_counts(FILE *counts)
{
    char line[32];
    int sum = -1;
    while (counts && fgets(line, sizeof line, counts))
        sum = (sum < 0 ? 0 : sum) + atoi(line);
    return sum;
}

static int grep_files(const char *word, char *const *files, size_t count)
{
    int out[2];
    if (pipe2(out, O_CLOEXEC) != 0)
        return -1;
    pid_t grep = fork();
    if (grep == 0)
        exec_grep(word, files, count, out[1]);
    close(out[1]);
    FILE *counts = fdopen(out[0], "r");
    int sum = add_counts(counts);
    if (counts)
        fclose(counts);
    if (grep > 0)
        waitpid(grep, NULL, 0);
    return sum;
}

int cast_grep(const struct cast *cast, const char *word, const char *prefix)
{
    glob_t found;
    char *pattern = xformat("%s/%s*", cast->dir, prefix);
    int sum = -1;
    if (glob(pattern, 0, NULL, &found) == 0) {
        sum = grep_files(word, found.gl_pathv, found.gl_pathc);
        globfree(&found);
    }
    free(pattern);
    return sum;
}

size_t cast_seen(struct cast *cast, struct store_seen *out, size_t cap)
{
    struct error err = {0};
    size_t count = 0;
    if (!cast->store) {
        char *path = xformat("%s/relay.db", cast->dir);
        cast->store = store_open(&(struct store_options){.path = path, .by_hand = true}, &err);
        free(path);
    }
    if (cast->store && !store_newest(cast->store, out, cap, &count, &err))
        count = 0; /* the relay is just writing: there will be another look */
    return count;
}
