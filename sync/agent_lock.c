#include "sync/agent_lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/crypto.h"
#include "sync/file_lock.h"

#define LOCK_SUFFIX ".lock"

static char *lock_path(const char *dir, const struct agent_id *agent)
{
    char hex[2 * AGENT_ID_BYTES + 1];
    id_hex(agent->bytes, AGENT_ID_BYTES, hex);
    return xformat("%s/%s" LOCK_SUFFIX, dir, hex);
}

static bool make_file(struct agent_lock *lock, const char *dir, struct error *err)
{
    lock->path = lock_path(dir, &lock->agent);
    lock->fd = open(lock->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (lock->fd >= 0)
        return true;
    error_errno(err, "cannot make %s", lock->path);
    free(lock->path);
    lock->path = NULL;
    return false;
}

bool agent_lock_hold(struct agent_lock *lock, const char *dir, const struct agent_id *agent, struct error *err)
{
    *lock = (struct agent_lock){.fd = -1};
    for (;;) {
        lock->agent = *agent;
        if (!make_file(lock, dir, err))
            return false;
        /* Waits at most for a tester's or sweeper's glance at it. */
        if (!file_lock(lock->fd, LOCK_EX)) {
            error_errno(err, "cannot lock %s", lock->path);
            agent_lock_release(lock);
            return false;
        }
        /* A sweeper may have taken the file for a dead one between its making and its locking. */
        if (file_is_linked(lock->fd))
            return true;
        agent_lock_release(lock);
    }
}

void agent_lock_release(struct agent_lock *lock)
{
    if (!lock->path)
        return;
    unlink(lock->path); /* before the lock goes: nobody can see the file unlocked and another's */
    close(lock->fd);
    free(lock->path);
    *lock = (struct agent_lock){.fd = -1};
}

enum agent_life agent_lock_test(const char *dir, const struct agent_id *agent)
{
    char *path = lock_path(dir, agent);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool missing = fd < 0 && errno == ENOENT;
    free(path);
    if (fd < 0)
        return missing ? AGENT_DEAD : AGENT_ALIVE;
    /* Shared: two who test at once must not take each other for the owner. */
    bool free_to_take = file_lock(fd, LOCK_SH | LOCK_NB);
    close(fd);
    return free_to_take ? AGENT_DEAD : AGENT_ALIVE;
}

static bool is_lock_name(const char *name)
{
    size_t hex = (size_t)2 * AGENT_ID_BYTES;
    return strlen(name) == hex + strlen(LOCK_SUFFIX) && strspn(name, "0123456789abcdef") == hex &&
           strcmp(name + hex, LOCK_SUFFIX) == 0;
}

static bool sweep_one(const char *dir, const char *name)
{
    char *path = xformat("%s/%s", dir, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool dead = fd >= 0 && file_lock(fd, LOCK_EX | LOCK_NB);
    bool removed = dead && unlink(path) == 0;
    if (fd >= 0)
        close(fd);
    free(path);
    return removed;
}

unsigned agent_lock_sweep(const char *dir)
{
    DIR *stream = opendir(dir);
    if (!stream)
        return 0;
    unsigned removed = 0;
    for (struct dirent *entry; (entry = readdir(stream));)
        if (is_lock_name(entry->d_name) && sweep_one(dir, entry->d_name))
            removed++;
    closedir(stream);
    return removed;
}
