#include "app/own_relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "editor/file.h"
#include "sync/relay/relay_server.h"
#include "sync/share_link.h"

/*
 * In STATE/relay: relay.db, its key, `socket`, `port` (chosen once), `reach` ("machine" or the network address), and `pid`, on
 * which the running relay holds a flock: however it ends, the lock goes with it.
 */
#define END_IDLE_S "86400" /* a day without anybody */

enum { PORT_FIRST = 7717, PORT_LAST = 7816, START_MS = 10000, STOP_MS = 5000, SMALL_BYTES = 256 };

struct place {
    char *dir, *pid, *port, *reach, *store, *socket;
};

static struct place place_of(const struct env *env)
{
    struct place place = {.dir = paths_state_file(&env->paths, "relay")};
    place.pid = xformat("%s/pid", place.dir);
    place.port = xformat("%s/port", place.dir);
    place.reach = xformat("%s/reach", place.dir);
    place.store = xformat("sqlite:%s/relay.db", place.dir);
    place.socket = xformat("%s/socket", place.dir);
    if (strlen(place.socket) >= sizeof ((struct sockaddr_un *)NULL)->sun_path)
        place.socket[0] = '\0'; /* none, then */
    return place;
}

static void place_release(struct place *place)
{
    free(place->dir);
    free(place->pid);
    free(place->port);
    free(place->reach);
    free(place->store);
    free(place->socket);
}

static bool read_word(const char *path, char out[SMALL_BYTES])
{
    struct buf text = {0};
    struct error err = {0};
    bool read = file_read_small(path, SMALL_BYTES - 1, &text, &err);
    size_t len = read ? strcspn(buf_string(&text), "\n") : 0;
    memcpy(out, read ? (const char *)text.data : "", len);
    out[len] = '\0';
    buf_release(&text);
    return len > 0;
}

/* --- is it there --- */

/* The process that holds the lock, or 0. */
static int running_pid(const struct place *place)
{
    char word[SMALL_BYTES];
    int fd = open(place->pid, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    bool is_free = flock(fd, LOCK_SH | LOCK_NB) == 0;
    close(fd);
    return !is_free && read_word(place->pid, word) ? atoi(word) : 0;
}

/* Links to a relay without a certificate are taken for private addresses only. */
static bool is_private(const char *address)
{
    struct share_host host;
    struct error err = {0};
    return share_host_parse(bytes_of_string(address), PORT_FIRST, &host, &err) && share_host_is_private(&host);
}

/* What was chosen. False: nothing yet, or an address that no link may name. */
static bool read_reach(const struct place *place, char reach[SMALL_BYTES])
{
    return read_word(place->reach, reach) && (strcmp(reach, "machine") == 0 || is_private(reach));
}

static char *address_of(const struct place *place)
{
    char port[SMALL_BYTES], reach[SMALL_BYTES];
    if (!read_word(place->port, port))
        return NULL;
    bool network = read_reach(place, reach) && strcmp(reach, "machine") != 0;
    return network ? xformat("ws://%s:%s,127.0.0.1:%s", reach, port, port) : xformat("ws://127.0.0.1:%s", port);
}

bool own_relay_status(struct env *env, struct own_relay_status *status, struct error *err)
{
    (void)err;
    struct place place = place_of(env);
    char port[SMALL_BYTES];
    *status = (struct own_relay_status){.pid = running_pid(&place)};
    status->running = status->pid != 0;
    status->port = read_word(place.port, port) ? atoi(port) : 0;
    status->address = address_of(&place);
    place_release(&place);
    return true;
}

bool own_relay_stop(struct env *env, struct error *err)
{
    struct place place = place_of(env);
    int pid = running_pid(&place);
    if (pid && kill(pid, SIGTERM) != 0 && errno != ESRCH) {
        place_release(&place);
        return error_errno(err, "cannot end process %d", pid);
    }
    enum { STEP_MS = 20 };
    for (int waited = 0; running_pid(&place) && waited < STOP_MS; waited += STEP_MS)
        poll(NULL, 0, STEP_MS);
    bool ended = running_pid(&place) == 0;
    place_release(&place);
    return ended || error_set(err, ERR_BUSY, 0, "process %d does not end", pid);
}

/* --- who may reach it --- */

/* This machine's first private IPv4 address; "" when there is none. */
static void network_address(char out[INET_ADDRSTRLEN])
{
    struct ifaddrs *all = NULL;
    out[0] = '\0';
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *one = all; one && !out[0]; one = one->ifa_next) {
        if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || (one->ifa_flags & IFF_LOOPBACK))
            continue;
        const struct sockaddr_in *address = (const struct sockaddr_in *)one->ifa_addr;
        inet_ntop(AF_INET, &address->sin_addr, out, INET_ADDRSTRLEN);
        if (!is_private(out))
            out[0] = '\0';
    }
    freeifaddrs(all);
}

/* Asked once, before the editor takes the terminal. False: somebody else's relay is needed, or nothing was chosen. */
static bool ask_reach(char reach[SMALL_BYTES], struct error *err)
{
    char network[INET_ADDRSTRLEN], line[SMALL_BYTES];
    network_address(network);
    fputs("Who may reach it? [1] this machine (Enter)", stderr);
    if (network[0])
        fprintf(stderr, " [2] my network (%s)", network);
    char everyone = network[0] ? '3' : '2'; /* the numbers leave no gap */
    fprintf(stderr, " [%c] everyone: needs a relay\n> ", everyone);
    char answer = fgets(line, sizeof line, stdin) ? line[0] : '\0';
    bool here = answer == '1' || answer == '\n';
    if (here || (answer == '2' && network[0])) {
        snprintf(reach, SMALL_BYTES, "%s", here ? "machine" : network);
        return true;
    }
    if (answer == everyone)
        return error_set(err, ERR_USAGE, 0, "rent a machine, run `weft relay` there behind TLS, and use --relay wss://HOST; "
                                            "weft help relay says how");
    return error_set(err, ERR_USAGE, 0, "nothing chosen; --relay URL names a relay");
}

static bool choose_reach(const struct place *place, bool may_ask, char reach[SMALL_BYTES], struct error *err)
{
    if (read_reach(place, reach))
        return true;
    bool asks = may_ask && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    if (!asks)
        snprintf(reach, SMALL_BYTES, "machine");
    else if (!ask_reach(reach, err))
        return false;
    return file_write_private(place->reach, bytes_of_string(reach), err);
}

/* --- starting --- */

static bool port_is_free(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    inet_pton(AF_INET, host, &address.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return is_free;
}

/* Who asks whether a relay runs has the lock for a moment, one that could not listen until its process has ended. */
static bool take_lock(int lock)
{
    enum { STEP_MS = 20 };
    int waited = 0;
    while (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        if (waited >= STOP_MS)
            return false;
        poll(NULL, 0, STEP_MS);
        waited += STEP_MS;
    }
    return true;
}

/* In the grandchild: a process of its own, that holds the lock and says on `out` how it went. */
static _Noreturn void become_relay(const struct env *env, const struct place *place, const char *listen, int out)
{
    char pid[SMALL_BYTES];
    int lock = open(place->pid, O_RDWR | O_CREAT, 0600); /* stays open over exec: the lock lives as long as the relay */
    int null = open("/dev/null", O_RDWR);
    int len = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (lock < 0 || null < 0 || !take_lock(lock) || ftruncate(lock, 0) != 0 ||
        write(lock, pid, (size_t)len) != len)
        _exit(1);
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    /* What a shell or script had open, and where it stood, is not to be held for as long as the relay lives. */
    if (chdir("/") != 0)
        _exit(1);
    if (lock > STDERR_FILENO + 1)
        close_range(STDERR_FILENO + 1, (unsigned)lock - 1, 0);
    close_range((unsigned)lock + 1, ~0U, 0);
    char *program = env_program_path(env);
    execl(program, program, "relay", "--listen", listen, "--store", place->store, "--end-idle", END_IDLE_S,
          place->socket[0] ? "--unix" : (char *)NULL, place->socket, (char *)NULL);
    _exit(1);
}

/* The line it says when it serves, or why it does not. */
static bool hear_start(int fd, struct error *err)
{
    char line[512];
    size_t len = 0;
    while (len + 1 < sizeof line) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ssize_t got = poll(&ready, 1, START_MS) > 0 ? read(fd, line + len, sizeof line - 1 - len) : 0;
        if (got <= 0)
            break;
        len += (size_t)got;
        if (memchr(line, '\n', len))
            break;
    }
    line[len] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "weft relay on ", 14) == 0)
        return true;
    const char *elsewhere = strstr(line, RELAY_SERVER_ELSEWHERE "ws");
    return error_set(err, ERR_IO, 0, "a relay of your own could not be started: %s%s%s", line[0] ? line : "it said nothing",
                     elsewhere ? "; share with --relay " : "", elsewhere ? elsewhere + strlen(RELAY_SERVER_ELSEWHERE) : "");
}

static bool start(struct env *env, const struct place *place, const char *listen, struct error *err)
{
    int out[2];
    if (pipe2(out, O_CLOEXEC) != 0)
        return error_errno(err, "cannot start a relay");
    pid_t child = fork();
    if (child == 0) { /* its child belongs to nobody's terminal and is nobody's to wait for */
        setsid();
        if (fork() == 0)
            become_relay(env, place, listen, out[1]);
        _exit(0);
    }
    close(out[1]);
    int status;
    bool forked = child > 0 && waitpid(child, &status, 0) == child;
    bool good = forked ? hear_start(out[0], err) : error_errno(err, "cannot start a relay");
    close(out[0]);
    return good;
}

static bool start_at(struct env *env, const struct place *place, const char *host, int port, struct error *err)
{
    char *listen = xformat("%s:%d", host, port);
    bool good = start(env, place, listen, err);
    free(listen);
    return good;
}

/*
 * The first port that nobody has. Others on this machine may be looking for one at this moment: who finds it taken after all
 * looks further.
 */
static bool start_somewhere(struct env *env, const struct place *place, const char *host, struct error *err)
{
    for (int port = PORT_FIRST; port <= PORT_LAST; port++) {
        char word[SMALL_BYTES];
        if (!port_is_free(host, port))
            continue;
        snprintf(word, sizeof word, "%d", port);
        if (!file_write_private(place->port, bytes_of_string(word), err))
            return false;
        if (start_at(env, place, host, port, err))
            return true;
        unlink(place->port); /* no link names it */
        if (port_is_free(host, port))
            return false;
        *err = (struct error){0};
    }
    return error_set(err, ERR_BUSY, 0, "no free port from %d to %d", PORT_FIRST, PORT_LAST);
}

static bool ensure_running(struct env *env, const struct place *place, bool may_ask, struct error *err)
{
    char reach[SMALL_BYTES], port[SMALL_BYTES];
    if (running_pid(place))
        return true;
    if (!choose_reach(place, may_ask, reach, err))
        return false;
    const char *host = strcmp(reach, "machine") == 0 ? "127.0.0.1" : "0.0.0.0";
    if (read_word(place->port, port)) /* chosen once: links that were given out name it */
        return start_at(env, place, host, atoi(port), err);
    return start_somewhere(env, place, host, err);
}

/* Two who share at once start one relay: the second waits, and finds it running. */
static int take_turn(struct env *env, const struct place *place, struct error *err)
{
    if (!paths_make_state(&env->paths, err) || !file_make_dirs(place->dir, err))
        return -1;
    char *path = xformat("%s/turn", place->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        error_errno(err, "cannot lock %s", path);
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

char *own_relay_ensure(struct env *env, bool may_ask, struct error *err)
{
    struct place place = place_of(env);
    int turn = take_turn(env, &place, err);
    char *address = turn >= 0 && ensure_running(env, &place, may_ask, err) ? address_of(&place) : NULL;
    if (turn >= 0)
        close(turn);
    place_release(&place);
    return address;
}

static bool is_own_relay(const struct place *place, const char *relay)
{
    char *own = relay ? address_of(place) : NULL;
    bool is_own = own && strcmp(relay, own) == 0;
    free(own);
    return is_own;
}

bool own_relay_is(struct env *env, const char *relay)
{
    struct place place = place_of(env);
    bool is_own = is_own_relay(&place, relay);
    place_release(&place);
    return is_own;
}

char *own_relay_socket(struct env *env, const char *relay)
{
    struct place place = place_of(env);
    char *path = is_own_relay(&place, relay) && place.socket[0] ? xstrdup(place.socket) : NULL;
    place_release(&place);
    return path;
}

bool own_relay_has_died(struct env *env, const char *relay)
{
    struct place place = place_of(env);
    bool died = is_own_relay(&place, relay) && !running_pid(&place) && place.socket[0] && access(place.socket, F_OK) == 0;
    place_release(&place);
    return died;
}

bool own_relay_revive(struct env *env, const char *relay, struct error *err)
{
    bool is_own = own_relay_is(env, relay);
    char *address = is_own ? own_relay_ensure(env, false, err) : NULL;
    bool good = !is_own || address;
    free(address);
    return good;
}
