#include "tests/bench/bench_room.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/relay/relay_server.h"
#include "tests/bench/bench_base.h"

/* --- the relay --- */

int room_serve(const char *dir, const char *port)
{
    struct error err = {0};
    struct relay_server_options options = relay_server_options_default();
    char *store = xformat("%s/relay.db", dir);
    char *listen = xformat("127.0.0.1:%s", port);
    options.listen = listen;
    options.store = store;
    options.limits = relay_limits_none();
    struct relay_server *server = crypto_start(&err) ? relay_server_start(&options, &err) : NULL;
    if (!server)
        bench_fail("the relay: %s", err.text);
    printf("%d\n", relay_server_port(server));
    fflush(stdout);
    while (getchar() != EOF)
        ;
    relay_server_stop(server);
    free(listen);
    free(store);
    return 0;
}

static void become_relay(const char *dir, const char *port, const int in[2], const int out[2])
{
    if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0)
        _exit(126);
    execl("/proc/self/exe", "relay", "--serve", dir, port, (char *)NULL);
    _exit(127);
}

static void start_relay(struct room *room)
{
    int in[2], out[2];
    char line[32] = "";
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        bench_fail("no pipes");
    char *port = xformat("%d", room->relay_port); /* 0 the first time */
    room->relay = fork();
    if (room->relay == 0)
        become_relay(room->dir, port, in, out);
    free(port);
    close(in[0]);
    close(out[1]);
    FILE *said = fdopen(out[0], "r");
    if (room->relay < 0 || !said || !fgets(line, sizeof line, said))
        bench_fail("the relay did not start");
    fclose(said);
    room->relay_port = (int)strtol(line, NULL, 10);
    room->relay_lifeline = in[1];
}

void room_open(struct room *room, const char *below)
{
    *room = (struct room){.dir = bench_dir_new(below)};
    start_relay(room);
}

void room_kill_relay(struct room *room)
{
    kill(room->relay, SIGKILL);
    waitpid(room->relay, NULL, 0);
    close(room->relay_lifeline);
}

void room_restart_relay(struct room *room)
{
    start_relay(room);
}

/* A database that nobody has open is all its files. */
static const char *const store_files[] = {"relay.db", "relay.db-wal", "relay.db-shm"};
enum { STORE_FILES = 3 };

static void copy_file(const char *from, const char *to)
{
    char piece[1 << 16];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (ssize_t got; in >= 0 && (got = read(in, piece, sizeof piece)) > 0;)
        if (write(out, piece, (size_t)got) != got)
            bench_fail("cannot write %s", to);
    close(in);
    close(out);
}

static void copy_store(const struct room *room, const char *from_suffix, const char *to_suffix)
{
    for (size_t i = 0; i < STORE_FILES; i++) {
        char *from = xformat("%s/%s%s", room->dir, store_files[i], from_suffix);
        char *to = xformat("%s/%s%s", room->dir, store_files[i], to_suffix);
        copy_file(from, to);
        free(from);
        free(to);
    }
}

void room_back_up(struct room *room)
{
    copy_store(room, "", ".old");
}

void room_restore(struct room *room)
{
    copy_store(room, ".old", "");
}

static void person_release(struct room_person *person)
{
    struct error err = {0};
    if (person->replica)
        replica_close(person->replica, 0, NULL, &err);
    env_release(&person->env);
    patch_release(&person->patch);
}

void room_close(struct room *room)
{
    for (size_t i = 0; i < room->count; i++)
        person_release(&room->people[i]);
    close(room->relay_lifeline);
    waitpid(room->relay, NULL, 0);
    bench_dir_remove(room->dir);
}

/* --- people --- */

static struct room_person *add_person(struct room *room)
{
    struct error err = {0};
    ensure(room->count < ROOM_PEOPLE_MAX);
    struct room_person *person = &room->people[room->count];
    person->env.program = "realtime";
    person->env.paths = (struct paths){.state = xformat("%s/%zu", room->dir, room->count),
                                       .config = xformat("%s/%zu.json", room->dir, room->count),
                                       .runtime = xformat("%s/%zu/run", room->dir, room->count)};
    config_defaults(&person->env.config);
    if (!crypto_start(&err) || !env_device(&person->env, &err))
        bench_fail("person %zu: %s", room->count, err.text);
    room->count++;
    return person;
}

static struct replica_options options_of_person(void)
{
    return (struct replica_options){.name = "somebody"};
}

void room_host(struct room *room, int port, struct bytes text)
{
    struct error err = {0};
    struct replica_options options = options_of_person();
    struct room_person *host = add_person(room);
    char *relay = xformat("ws://127.0.0.1:%d", port);
    host->replica = replica_open(&host->env, NULL, text, &options, &err);
    if (!host->replica || !replica_share(host->replica, relay, &err) || !room_settle(room))
        bench_fail("the host: %s", err.text);
    free(relay);
}

struct room_person *room_begin_joining(struct room *room, int port)
{
    struct error err = {0};
    struct share_link link;
    struct replica_options options = options_of_person();
    char *text = replica_link(room->people[0].replica, ACCESS_WRITE);
    struct room_person *person = add_person(room);
    if (!text || !share_link_parse(bytes_of_string(text), &link, &err))
        bench_fail("the link: %s", err.text);
    free(text);
    link.hosts[0].port = (unsigned)port;
    person->replica = replica_join(&person->env, &link, NULL, &options, &err);
    share_link_wipe(&link);
    if (!person->replica)
        bench_fail("a guest: %s", err.text);
    return person;
}

struct room_person *room_join(struct room *room, int port)
{
    struct room_person *person = room_begin_joining(room, port);
    if (!room_settle(room))
        bench_fail("a guest does not get everything");
    return person;
}

uint64_t person_len(const struct room_person *person)
{
    return rope_len(buffer_text(replica_buffer(person->replica)));
}

void person_type(struct room_person *person, struct bytes text)
{
    struct error err = {0};
    uint64_t at = replica_buffer(person->replica)->selection.head;
    patch_replace(&person->patch, at, 0, text);
    if (!replica_edit(person->replica, &person->patch, selection_at(at + text.len), EDIT_TYPING, &err))
        bench_fail("cannot type: %s", err.text);
}

/* --- the loop --- */

static int wait_ms(const struct room *room, int ms)
{
    uint64_t now_ms = net_now_ms(), until_ms = now_ms + (uint64_t)ms;
    for (size_t i = 0; i < room->count; i++) {
        uint64_t next_ms = room->people[i].replica ? replica_next_ms(room->people[i].replica) : UINT64_MAX;
        until_ms = next_ms < until_ms ? next_ms : until_ms;
    }
    return until_ms > now_ms ? (int)(until_ms - now_ms) : 0;
}

void room_turn(struct room *room, int ms)
{
    struct pollfd fds[ROOM_PEOPLE_MAX];
    for (size_t i = 0; i < room->count; i++) {
        struct replica *replica = room->people[i].replica;
        fds[i] = (struct pollfd){.fd = replica ? replica_fd(replica) : -1, .events = POLLIN};
    }
    (void)poll(fds, room->count, ms > 0 ? wait_ms(room, ms) : 0); /* an interruption is a turn with nothing to do */
    for (size_t i = 0; i < room->count; i++)
        if (fds[i].revents || (room->people[i].replica && replica_next_ms(room->people[i].replica) <= net_now_ms()))
            replica_handle(room->people[i].replica);
}

void room_linger(struct room *room, unsigned ms)
{
    uint64_t until_ms = net_now_ms() + ms;
    for (uint64_t now_ms; (now_ms = net_now_ms()) < until_ms;)
        room_turn(room, (int)(until_ms - now_ms));
}

static bool all_equal(const struct room *room, uint64_t len)
{
    for (size_t i = 0; i < room->count; i++)
        if (person_len(&room->people[i]) != len)
            return false;
    const struct rope *first = buffer_text(replica_buffer(room->people[0].replica));
    for (size_t i = 1; i < room->count; i++)
        if (!rope_equal(first, buffer_text(replica_buffer(room->people[i].replica))))
            return false;
    return true;
}

bool room_converge(struct room *room, uint64_t len)
{
    uint64_t until_ms = net_now_ms() + ROOM_PATIENCE_MS;
    while (!all_equal(room, len)) {
        if (net_now_ms() >= until_ms)
            return false;
        room_turn(room, 1000);
    }
    return true;
}

static bool all_settled(const struct room *room)
{
    for (size_t i = 0; i < room->count; i++)
        if (room->people[i].replica && !replica_is_settled(room->people[i].replica))
            return false;
    return true;
}

bool room_settle(struct room *room)
{
    enum { STEP_MS = 20 };
    uint64_t until_ms = net_now_ms() + ROOM_PATIENCE_MS;
    while (!all_settled(room)) {
        if (net_now_ms() >= until_ms)
            return false;
        room_turn(room, STEP_MS);
    }
    return true;
}
