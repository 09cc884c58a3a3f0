#include "app/doorbell.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "editor/file.h"
#include "sync/id.h"

enum {
    NAME_TEXT = 2 * DOORBELL_NAME_BYTES + 1,
    ENTER_TRIES = 20,
    TICK_NS = 20000000, /* more than two changes of a directory may lie apart and have one time: the kernel's clock for files */
};

/* Who was in a directory when it was read. */
struct crowd {
    bool known;             /* it was read, and not so soon after a change that the next one could have the same time */
    struct timespec at;     /* when it had changed last, then */
    char (*names)[NAME_TEXT];
    size_t count, cap;
};

struct doorbell {
    int fd;
    char own[NAME_TEXT]; /* the name of our socket */
    pthread_mutex_t lock; /* around the rest, for who rings from another thread */
    char *dirs[DOORBELL_MEETINGS]; /* NULL: in none */
    struct crowd crowds[DOORBELL_MEETINGS];
};

static bool address_of(const char *dir, const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(address->sun_path, sizeof address->sun_path, "%s/%s", dir, name);
    return len > 0 && (size_t)len < sizeof address->sun_path;
}

/* --- entering and leaving --- */

static bool name_socket(const struct doorbell *bell, const struct sockaddr_un *address)
{
    struct sockaddr_un bound;
    for (size_t i = 0; i < DOORBELL_MEETINGS; i++)
        if (bell->dirs[i] && address_of(bell->dirs[i], bell->own, &bound))
            return link(bound.sun_path, address->sun_path) == 0;
    return bind(bell->fd, (const struct sockaddr *)address, sizeof *address) == 0;
}

/* The last one out removes the directory (leave()), also when we have just made it or found it and are not in it yet. */
static bool enter(const struct doorbell *bell, const char *dir)
{
    struct sockaddr_un address;
    if (!address_of(dir, bell->own, &address))
        return false;
    for (int i = 0; i < ENTER_TRIES; i++) {
        struct error err = {0};
        bool made = file_make_dirs(dir, &err);
        if (made && name_socket(bell, &address))
            return true;
        if ((made ? errno : err.sys) != ENOENT)
            return false;
    }
    return false;
}

/* Takes the string. */
static void leave(const struct doorbell *bell, char *dir)
{
    struct sockaddr_un address;
    if (dir && address_of(dir, bell->own, &address)) {
        unlink(address.sun_path);
        rmdir(dir); /* the last one out; fails while others are in */
    }
    free(dir);
}

/* A socket that has no name any more cannot get another one, so the old place is left last. */
void doorbell_move(struct doorbell *bell, size_t meeting, char *dir)
{
    char *old = bell->dirs[meeting];
    bool same = old && dir ? strcmp(old, dir) == 0 : old == dir;
    if (dir && (same || !enter(bell, dir))) {
        free(dir);
        dir = NULL;
    }
    if (same)
        return;
    pthread_mutex_lock(&bell->lock);
    bell->dirs[meeting] = dir;
    bell->crowds[meeting].known = false;
    pthread_mutex_unlock(&bell->lock);
    leave(bell, old);
}

const char *doorbell_dir(const struct doorbell *bell, size_t meeting)
{
    return bell->dirs[meeting];
}

struct doorbell *doorbell_new(const unsigned char id[DOORBELL_NAME_BYTES])
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return NULL;
    struct doorbell *bell = xcalloc(1, sizeof *bell);
    bell->fd = fd;
    id_hex(id, DOORBELL_NAME_BYTES, bell->own);
    pthread_mutex_init(&bell->lock, NULL);
    return bell;
}

void doorbell_free(struct doorbell *bell)
{
    if (!bell)
        return;
    for (size_t i = 0; i < DOORBELL_MEETINGS; i++) {
        leave(bell, bell->dirs[i]);
        free(bell->crowds[i].names);
    }
    close(bell->fd);
    pthread_mutex_destroy(&bell->lock);
    free(bell);
}

int doorbell_fd(const struct doorbell *bell)
{
    return bell->fd;
}

/* --- who is there --- */

/* What is not called like a socket of ours is none. */
static bool is_other(const struct doorbell *bell, const char *name)
{
    return name[0] != '.' && strlen(name) == NAME_TEXT - 1 && !(bell && strcmp(name, bell->own) == 0);
}

static void read_crowd(const struct doorbell *bell, const char *dir, struct crowd *crowd)
{
    DIR *stream = opendir(dir);
    crowd->count = 0;
    if (!stream)
        return;
    for (const struct dirent *entry; crowd->count < DOORBELL_OTHERS_MAX && (entry = readdir(stream));) {
        if (!is_other(bell, entry->d_name))
            continue;
        crowd->names = xgrow(crowd->names, &crowd->cap, crowd->count + 1, sizeof *crowd->names);
        memcpy(crowd->names[crowd->count++], entry->d_name, NAME_TEXT);
    }
    closedir(stream);
}

/* Whether another change from now on must give the directory another time. */
static bool is_settled(struct timespec changed)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age_ns = (int64_t)(now.tv_sec - changed.tv_sec) * 1000000000 + (now.tv_nsec - changed.tv_nsec);
    return age_ns > TICK_NS;
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Under the lock. */
static const struct crowd *look(struct doorbell *bell, size_t meeting)
{
    struct crowd *crowd = &bell->crowds[meeting];
    const char *dir = bell->dirs[meeting];
    struct stat st;
    bool there = dir && stat(dir, &st) == 0;
    if (!there) {
        crowd->known = false;
        crowd->count = 0;
    } else if (!crowd->known || !is_same_time(st.st_mtim, crowd->at)) {
        crowd->known = is_settled(st.st_mtim);
        crowd->at = st.st_mtim;
        read_crowd(bell, dir, crowd);
    }
    return crowd;
}

static bool has(const struct crowd *crowd, const char *name)
{
    for (size_t i = 0; i < crowd->count; i++)
        if (strcmp(crowd->names[i], name) == 0)
            return true;
    return false;
}

bool doorbell_is_alone(struct doorbell *bell)
{
    bool alone = true;
    pthread_mutex_lock(&bell->lock);
    for (size_t i = 0; i < DOORBELL_MEETINGS && alone; i++)
        alone = look(bell, i)->count == 0;
    pthread_mutex_unlock(&bell->lock);
    return alone;
}

static bool is_in(const char *dir, const char *name)
{
    struct sockaddr_un address;
    return dir && address_of(dir, name, &address) && access(address.sun_path, F_OK) == 0;
}

/* Whether somebody listens at that socket. */
static bool is_alive(const char *dir, const char *name)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool alive = fd >= 0 && address_of(dir, name, &address) && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return alive;
}

bool doorbell_anyone_in(const struct doorbell *bell, const char *dir, const char *but)
{
    struct crowd crowd = {0};
    bool met = false;
    if (dir)
        read_crowd(bell, dir, &crowd);
    for (size_t i = 0; i < crowd.count && !met; i++)
        met = !is_in(but, crowd.names[i]) && is_alive(dir, crowd.names[i]);
    free(crowd.names);
    return met;
}

/* --- ringing --- */

static enum doorbell_rung ring_one(const struct doorbell *bell, const char *dir, const char *name, struct bytes message)
{
    struct sockaddr_un address;
    if (!address_of(dir, name, &address))
        return DOORBELL_NOBODY;
    if (sendto(bell->fd, message.data, message.len, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof address) >= 0)
        return DOORBELL_HEARD;
    if (errno == ECONNREFUSED)
        unlink(address.sun_path);
    return errno == EAGAIN ? DOORBELL_FULL : DOORBELL_NOBODY;
}

static bool is_in_later(const struct doorbell *bell, size_t meeting, const char *name)
{
    for (size_t i = meeting + 1; i < DOORBELL_MEETINGS; i++)
        if (has(&bell->crowds[i], name))
            return true;
    return false;
}

enum doorbell_rung doorbell_ring(struct doorbell *bell, struct bytes message)
{
    enum doorbell_rung most = DOORBELL_NOBODY;
    pthread_mutex_lock(&bell->lock);
    for (size_t meeting = DOORBELL_MEETINGS; meeting-- > 0;) {
        const struct crowd *crowd = look(bell, meeting);
        for (size_t i = 0; i < crowd->count; i++) {
            if (is_in_later(bell, meeting, crowd->names[i]))
                continue; /* it was rung there */
            enum doorbell_rung rung = ring_one(bell, bell->dirs[meeting], crowd->names[i], message);
            most = rung > most ? rung : most;
        }
    }
    pthread_mutex_unlock(&bell->lock);
    return most;
}

size_t doorbell_hear(struct doorbell *bell, unsigned char *out, size_t size)
{
    ssize_t got = recv(bell->fd, out, size, MSG_DONTWAIT);
    return got > 0 ? (size_t)got : 0;
}
