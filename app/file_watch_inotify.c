#include "app/file_watch.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/xalloc.h"

struct file_watch {
    int fd;
    char *path;
    const char *name; /* of the file in its directory */
    int held;         /* the file itself, for its names (O_PATH); -1: none */
};

struct file_watch *file_watch_new(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    ensure(slash);
    char *dir = slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    uint32_t mask = IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ATTRIB;
    if (fd < 0 || inotify_add_watch(fd, dir, mask) < 0) {
        error_errno(err, "changes of %s by other programs will not be noticed", path);
        if (fd >= 0)
            close(fd);
        free(dir);
        return NULL;
    }
    free(dir);
    struct file_watch *watch = xcalloc(1, sizeof *watch);
    watch->fd = fd;
    watch->path = xstrdup(path);
    watch->name = strrchr(watch->path, '/') + 1;
    watch->held = -1;
    file_watch_hold(watch);
    return watch;
}

void file_watch_free(struct file_watch *watch)
{
    if (!watch)
        return;
    close(watch->fd);
    if (watch->held >= 0)
        close(watch->held);
    free(watch->path);
    free(watch);
}

int file_watch_fd(const struct file_watch *watch)
{
    return watch->fd;
}

bool file_watch_happened(struct file_watch *watch)
{
    _Alignas(struct inotify_event) char events[4096 + sizeof(struct inotify_event) + NAME_MAX + 1];
    bool happened = false;
    for (;;) {
        ssize_t got = read(watch->fd, events, sizeof events);
        if (got <= 0)
            return happened;
        for (char *at = events; at < events + got;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            bool lost_some = (event->mask & IN_Q_OVERFLOW) != 0;
            if (lost_some || (event->len && strcmp(event->name, watch->name) == 0))
                happened = true;
            at += sizeof *event + event->len;
        }
    }
}

void file_watch_hold(struct file_watch *watch)
{
    struct stat there, held;
    bool same = stat(watch->path, &there) == 0 && watch->held >= 0 && fstat(watch->held, &held) == 0 &&
                there.st_dev == held.st_dev && there.st_ino == held.st_ino;
    if (same)
        return;
    if (watch->held >= 0)
        close(watch->held);
    watch->held = open(watch->path, O_PATH | O_CLOEXEC);
}

/* Linux knows what an open file is called now: /proc/self/fd, with " (deleted)" behind the name of one that is not. */
char *file_watch_find(const struct file_watch *watch)
{
    char link[64], path[PATH_MAX + sizeof " (deleted)"];
    struct stat held;
    if (watch->held < 0 || fstat(watch->held, &held) < 0 || held.st_nlink == 0)
        return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", watch->held);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len <= 0 || path[0] != '/')
        return NULL;
    return xstrndup(path, (size_t)len);
}
