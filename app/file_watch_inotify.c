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

/*
 * The directory tells when the name appears, goes or gets another file, the file itself when it is written. Asking the
 * directory for writes would wake us for every file in it, be it somebody's busy log. The directories above are asked only
 * whether they were renamed.
 */
enum {
    OF_DIRECTORY = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_MOVE_SELF,
    OF_FILE = IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF,
};

struct file_watch {
    int fd;
    int of_file; /* the watch of what has the name now, or had it last; -1: nothing yet */
    int held;    /* the file itself, for its names (O_PATH); -1: none */
    char *path;
    const char *name; /* of the file in its directory: the end of the path */
};

/* What has the name may be another file than before; one that has gone is still worth hearing of. */
static void watch_file(struct file_watch *watch)
{
    int of_file = inotify_add_watch(watch->fd, watch->path, OF_FILE);
    if (of_file < 0 || of_file == watch->of_file)
        return;
    if (watch->of_file >= 0)
        (void)inotify_rm_watch(watch->fd, watch->of_file); /* refused when its file is gone: so is the watch */
    watch->of_file = of_file;
}

/* One that may not be watched (its owner lets us through, no more) is left out. */
static void watch_above(int fd, const char *dir)
{
    char *above = xstrdup(dir);
    for (char *slash; (slash = strrchr(above, '/')) && slash != above;) {
        *slash = '\0';
        (void)inotify_add_watch(fd, above, IN_MOVE_SELF);
    }
    free(above);
}

struct file_watch *file_watch_new(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    ensure(slash);
    char *dir = slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0 || inotify_add_watch(fd, dir, OF_DIRECTORY) < 0) {
        error_errno(err, "changes of %s by other programs will not be noticed", path);
        if (fd >= 0)
            close(fd);
        free(dir);
        return NULL;
    }
    watch_above(fd, dir);
    free(dir);
    struct file_watch *watch = xcalloc(1, sizeof *watch);
    *watch = (struct file_watch){.fd = fd, .of_file = -1, .held = -1, .path = xstrdup(path)};
    watch->name = watch->path + (slash + 1 - path);
    watch_file(watch);
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

static bool is_about_us(struct file_watch *watch, const struct inotify_event *event)
{
    bool lost_some = (event->mask & IN_Q_OVERFLOW) != 0;
    bool named = event->len && strcmp(event->name, watch->name) == 0;
    bool written = event->wd == watch->of_file && !(event->mask & IN_IGNORED);
    bool moved = (event->mask & IN_MOVE_SELF) != 0; /* the file, or a directory it is in */
    if (lost_some || named)
        watch_file(watch);
    return lost_some || named || written || moved;
}

/* One read, not all there is: who writes faster than we read must not keep us here. */
bool file_watch_happened(struct file_watch *watch)
{
    _Alignas(struct inotify_event) char events[4096 + sizeof(struct inotify_event) + NAME_MAX + 1];
    bool happened = false;
    ssize_t got = read(watch->fd, events, sizeof events);
    for (char *at = events; got > 0 && at < events + got;) {
        const struct inotify_event *event = (const struct inotify_event *)at;
        happened |= is_about_us(watch, event);
        at += sizeof *event + event->len;
    }
    return happened;
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
