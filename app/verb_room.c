/*
 * weft links, unshare, sync: a shared file's room, without a screen.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/target.h"
#include "app/verb_list.h"
#include "app/verbs.h"
#include "editor/base/xalloc.h"

static bool one_file(const struct args *args, const char *verb)
{
    if (args->positional_count == 1)
        return true;
    fprintf(stderr, "weft %s: name one file: weft %s FILE\n", verb, verb);
    return false;
}

static int close_with(struct replica *replica, const char *verb, bool good, struct error *err)
{
    struct error closing = {0};
    bool closed = replica_close(replica, 1000, NULL, &closing);
    if (!good)
        return verb_fail(verb, err);
    return closed ? EXIT_OK : verb_fail(verb, &closing);
}

static bool print_link(const struct replica *replica, enum access access, const char *label)
{
    char *link = replica_link(replica, access);
    if (link)
        printf("%s %s\n", label, link);
    bool printed = link != NULL;
    if (link)
        crypto_wipe(link, strlen(link));
    free(link);
    return printed;
}

int verb_links_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    if (!one_file(args, "links"))
        return EXIT_USAGE;
    struct replica_options options = {.port = target_port("links"), .reads_only = true, .alone = true};
    struct replica *replica = replica_open(env, args->positional[0], (struct bytes){0}, &options, &err);
    if (!replica)
        return verb_fail("links", &err);
    bool good = replica_is_shared(replica);
    if (good) {
        print_link(replica, ACCESS_WRITE, "edit");
        print_link(replica, ACCESS_READ, "view");
    } else {
        error_set(&err, ERR_MISSING, 0, "%s is not shared; weft share %s shares it", args->positional[0], args->positional[0]);
    }
    return close_with(replica, "links", good, &err);
}

int verb_unshare_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    if (!one_file(args, "unshare"))
        return EXIT_USAGE;
    struct replica_options options = {.port = target_port("unshare"), .scripted = true};
    struct replica *replica = replica_open(env, args->positional[0], (struct bytes){0}, &options, &err);
    if (!replica)
        return verb_fail("unshare", &err);
    bool good = replica_unshare(replica, args_flag(args, "--close"), &err);
    if (good)
        printf("%s is not shared any more; its text is here.\n", replica_label(replica));
    return close_with(replica, "unshare", good, &err);
}

/* --- sync --- */

enum { SYNC_FILES_MAX = 64, SAVE_QUIET_MS = 500 /* the room is quiet for so long before the file is written */ };

struct synced {
    struct replica *replicas[SYNC_FILES_MAX];
    uint64_t events[SYNC_FILES_MAX];     /* when last looked */
    uint64_t changed_ms[SYNC_FILES_MAX]; /* 0: nothing to write */
    bool asked[SYNC_FILES_MAX];          /* the question about the file on disk has been told */
    size_t count;
};

static bool open_synced(struct env *env, const struct args *args, struct synced *synced, struct error *err)
{
    if (args->positional_count == 0 || args->positional_count > SYNC_FILES_MAX)
        return error_set(err, ERR_USAGE, 0, "name from 1 to %d shared files", SYNC_FILES_MAX);
    for (size_t i = 0; i < args->positional_count; i++) {
        struct replica_options options = {.port = target_port("sync"), .scripted = true};
        struct replica *replica = replica_open(env, args->positional[i], (struct bytes){0}, &options, err);
        if (!replica)
            return false;
        synced->replicas[synced->count++] = replica;
        if (!replica_is_shared(replica))
            return error_set(err, ERR_USAGE, 0, "%s is not shared", args->positional[i]);
        if (!replica_share(replica, NULL, err))
            return false;
    }
    return true;
}

/* A file that somebody must decide about in the editor is left alone, and that is said once. */
static bool must_not_write(struct synced *synced, size_t i)
{
    struct buf question = {0};
    bool asks = replica_disk_question(synced->replicas[i], &question) != DISK_QUESTION_NONE;
    if (asks && !synced->asked[i])
        fprintf(stderr, "weft sync: not written: %s\n", buf_string(&question));
    synced->asked[i] = asks;
    buf_release(&question);
    return asks;
}

/* Writes the file once the room has been quiet for a moment. */
static void keep_equal(struct synced *synced, size_t i, uint64_t now_ms)
{
    struct replica *replica = synced->replicas[i];
    struct replica_status status;
    struct error err = {0};
    replica_handle(replica);
    replica_status(replica, now_ms, &status);
    if (must_not_write(synced, i)) {
        synced->events[i] = UINT64_MAX; /* no document has so many: after the answer there is something to write */
        synced->changed_ms[i] = 0;
        return;
    }
    if (status.events != synced->events[i]) {
        synced->events[i] = status.events;
        synced->changed_ms[i] = now_ms;
    }
    bool due = synced->changed_ms[i] && now_ms - synced->changed_ms[i] >= SAVE_QUIET_MS;
    if (!due)
        return;
    if (status.saving || status.joining || replica_looks_at_file(replica)) {
        synced->changed_ms[i] = now_ms; /* not now, but soon */
        return;
    }
    synced->changed_ms[i] = 0;
    if (!status.in_file && !replica_save(replica, NULL, &err))
        verb_say("sync", err.text);
}

/* Before any thread is there, so that all of them have the signals blocked and this descriptor gets every one. */
static int watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

/* How long nothing can be due; -1: until something happens. */
static int quiet_ms(const struct synced *synced, uint64_t now_ms)
{
    uint64_t next_ms = UINT64_MAX;
    for (size_t i = 0; i < synced->count; i++) {
        uint64_t own_ms = replica_next_ms(synced->replicas[i]);
        uint64_t save_ms = synced->changed_ms[i] ? synced->changed_ms[i] + SAVE_QUIET_MS : UINT64_MAX;
        next_ms = own_ms < next_ms ? own_ms : next_ms;
        next_ms = save_ms < next_ms ? save_ms : next_ms;
    }
    if (next_ms == UINT64_MAX)
        return -1;
    return next_ms > now_ms ? (int)(next_ms - now_ms) : 0;
}

static int sync_until_told(struct synced *synced, int signals)
{
    for (size_t i = 0; i < synced->count; i++)
        keep_equal(synced, i, net_now_ms());
    for (;;) {
        struct pollfd fds[SYNC_FILES_MAX + 1] = {{.fd = signals, .events = POLLIN}};
        for (size_t i = 0; i < synced->count; i++)
            fds[i + 1] = (struct pollfd){.fd = replica_fd(synced->replicas[i]), .events = POLLIN};
        (void)poll(fds, synced->count + 1, quiet_ms(synced, net_now_ms()));
        struct signalfd_siginfo info;
        if ((fds[0].revents & POLLIN) && read(signals, &info, sizeof info) == sizeof info)
            return info.ssi_signo == SIGINT ? 130 : EXIT_OK;
        for (size_t i = 0; i < synced->count; i++)
            keep_equal(synced, i, net_now_ms());
    }
}

int verb_sync_run(struct env *env, const struct args *args)
{
    struct error err = {0};
    struct synced synced = {0};
    int signals = watch_signals();
    int status = open_synced(env, args, &synced, &err) ? sync_until_told(&synced, signals) : verb_fail("sync", &err);
    for (size_t i = 0; i < synced.count; i++)
        if (!replica_close(synced.replicas[i], 1000, NULL, &err))
            status = verb_fail("sync", &err);
    close(signals);
    return status;
}
