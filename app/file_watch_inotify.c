#include "app/file_watch.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "editor/base/xalloc.h"

struct file_watch {
    int fd;
    char *name; /* of the file in its directory */
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
    watch->name = xstrdup(slash + 1);
    return watch;
}

void file_watch_free(struct file_watch *watch)
{
    if (!watch)
        return;
    close(watch->fd);
    free(watch->name);
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
