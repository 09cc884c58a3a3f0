#include "sync/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "editor/base/xalloc.h"

bool durable_write(int fd, struct bytes bytes)
{
    for (size_t at = 0; at < bytes.len;) {
        ssize_t wrote = write(fd, bytes.data + at, bytes.len - at);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return false;
        at += (size_t)wrote;
    }
    return fsync(fd) == 0;
}

char *durable_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
}

bool durable_sync_name(const char *path)
{
    char *directory = durable_directory(path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0)
        close(fd);
    free(directory);
    errno = why;
    return synced;
}
