#include "app/demo_cast.h"

#include <fcntl.h>
#include <ftw.h>
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
#include "sync/relay/store.h"

static const char *const actor_names[ACTORS] = {[YOU] = "you", [LIN] = "lin"};

/* --- starting programs --- */

/* In the child: dies with the supervisor, has directories of its own, and no terminal to disturb. */
static void become_member(const struct cast *cast, const char *who)
{
    static const char *const variables[] = {"XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        char *dir = xformat("%s/%s%zu", cast->dir, who, i);
        setenv(variables[i], dir, 1);
        free(dir);
    }
}

static bool start_relay(struct cast *cast, struct error *err)
{
    int out[2];
    char *store = xformat("sqlite:%s/relay.db", cast->dir), line[256] = "";
    if (pipe2(out, O_CLOEXEC) != 0) {
        free(store);
        return error_errno(err, "cannot start the relay");
    }
    cast->relay = fork();
    if (cast->relay == 0) {
        become_member(cast, "relay");
        dup2(out[1], STDOUT_FILENO);
        execl(cast->program, cast->program, "relay", "--listen", "127.0.0.1:0", "--store", store, (char *)NULL);
        _exit(127);
    }
    free(store);
    close(out[1]);
    FILE *said = fdopen(out[0], "r");
    const char *at = said && fgets(line, sizeof line, said) ? strstr(line, "ws://127.0.0.1:") : NULL;
    if (said)
        fclose(said);
    cast->relay_port = at ? atoi(at + strlen("ws://127.0.0.1:")) : 0;
    return cast->relay_port > 0 || error_set(err, ERR_IO, 0, "the relay did not start: %s", line[0] ? line : "it said nothing");
}

static void exec_pane(const struct cast *cast, enum actor actor, int fd)
{
    char *file = xformat("%s/plan.md", cast->dir);
    char *relay = xformat("ws://127.0.0.1:%d", cable_port(cast->cable));
    struct buf link = cast->panes[YOU].state.link;
    int null = open("/dev/null", O_RDWR);
    become_member(cast, actor_names[actor]);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    dup2(fd, DEMO_PANE_FD);
    if (actor == YOU)
        execl(cast->program, cast->program, "demo", "--pane", actor_names[actor], "--file", file, "--relay", relay, (char *)NULL);
    else
        execl(cast->program, cast->program, "demo", "--pane", actor_names[actor], "--link", buf_string(&link), (char *)NULL);
    _exit(127);
}

bool cast_start(struct cast *cast, enum actor actor, struct error *err)
{
    struct pane_process *pane = &cast->panes[actor];
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        return error_errno(err, "cannot start a pane");
    pane->pid = fork();
    if (pane->pid == 0)
        exec_pane(cast, actor, fds[1]);
    close(fds[1]);
    if (pane->pid < 0) {
        close(fds[0]);
        pane->pid = 0;
        return error_errno(err, "cannot start a pane");
    }
    pane->fd = fds[0];
    pane->heard = false;
    pane->killed_ms = 0;
    return true;
}

/* --- life --- */

static bool make_dir(struct cast *cast, struct error *err)
{
    const char *temporary = getenv("TMPDIR");
    const char *below = temporary && *temporary ? temporary : "/tmp";
    cast->dir = xformat("%s/weft-demo-XXXXXX", below);
    if (!mkdtemp(cast->dir))
        return error_errno(err, "cannot make %s", cast->dir);
    char *file = xformat("%s/plan.md", cast->dir);
    bool good = file_write_private(file, bytes_of_string("Launch on Friday.\n"), err);
    free(file);
    return good;
}

bool cast_open(struct cast *cast, struct env *env, struct error *err)
{
    *cast = (struct cast){.env = env, .program = env_program_path(env)};
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
    for (int i = 0; i < ACTORS; i++) {
        cast_kill(cast, (enum actor)i, 0);
        pane_state_release(&cast->panes[i].state);
    }
    end_process(&cast->relay);
    cable_free(cast->cable);
    if (cast->dir)
        nftw(cast->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(cast->dir);
    free(cast->program);
    *cast = (struct cast){0};
}

/* --- talking --- */

void cast_order(struct cast *cast, enum actor actor, struct pane_command command)
{
    struct buf packet = {0};
    if (cast->panes[actor].fd < 0)
        return;
    pane_command_encode(&command, &packet);
    (void)!send(cast->panes[actor].fd, packet.data, packet.len, MSG_NOSIGNAL);
    buf_release(&packet);
}

bool cast_hear(struct cast *cast, enum actor actor)
{
    struct pane_process *pane = &cast->panes[actor];
    unsigned char packet[DEMO_PACKET_BYTES];
    bool news = false;
    for (ssize_t got; pane->fd >= 0 && (got = recv(pane->fd, packet, sizeof packet, MSG_DONTWAIT)) > 0;)
        news |= pane_state_decode(bytes_of(packet, (size_t)got), &pane->state);
    pane->heard |= news;
    return news;
}

/* --- what the relay has --- */

int cast_grep(const struct cast *cast, const char *word)
{
    char *command = xformat("cat '%s'/relay.db* | grep -a -c '%s'", cast->dir, word), line[32];
    FILE *grep = popen(command, "r");
    free(command);
    if (!grep)
        return -1;
    int count = fgets(line, sizeof line, grep) ? atoi(line) : -1;
    pclose(grep);
    return count;
}

size_t cast_seen(const struct cast *cast, struct store_seen *out, size_t cap)
{
    char *path = xformat("%s/relay.db", cast->dir);
    struct error err = {0};
    size_t count = 0;
    struct store *store = store_open(&(struct store_options){.path = path, .by_hand = true}, &err);
    free(path);
    if (store && !store_newest(store, out, cap, &count, &err))
        count = 0; /* the relay is just writing: there will be another look */
    store_free(store);
    return count;
}
