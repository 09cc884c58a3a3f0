#include "editor/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "editor/base/xalloc.h"

enum { IO_PIECE_BYTES = 256 * 1024, TEMP_TRIES_MAX = 100, TEMP_NAME_BYTES_MAX = 200 };

#define RETRY_ON_SIGNAL(result, call)                                                                                  \
    do {                                                                                                               \
        (result) = (call);                                                                                             \
    } while ((result) < 0 && errno == EINTR)

struct file_stamp file_io_stamp(const struct stat *st)
{
    return (struct file_stamp){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .exists = true,
    };
}

/* --- opening --- */

int file_io_open(const char *path, int flags, mode_t mode)
{
    int fd;
    RETRY_ON_SIGNAL(fd, open(path, flags | O_CLOEXEC | O_NOCTTY, mode));
    return fd;
}

static bool refuse_kind(const char *path, mode_t mode, struct error *err)
{
    const char *kind = S_ISDIR(mode)    ? "a directory"
                       : S_ISFIFO(mode) ? "a pipe"
                       : S_ISSOCK(mode) ? "a socket"
                                        : "a device";
    return error_set(err, ERR_USAGE, 0, "%s is %s, not a file that can be edited", path, kind);
}

bool file_io_open_regular(const char *path, int *fd, struct stat *st, struct error *err)
{
    *fd = -1;
    if (stat(path, st) < 0)
        return errno == ENOENT ? true : error_errno(err, "cannot open %s", path);
    if (!S_ISREG(st->st_mode))
        return refuse_kind(path, st->st_mode, err);
    *fd = file_io_open(path, O_RDONLY | O_NONBLOCK, 0);
    if (*fd < 0)
        return errno == ENOENT ? true : error_errno(err, "cannot open %s", path);
    if (fstat(*fd, st) == 0 && S_ISREG(st->st_mode))
        return true;
    error_errno(err, "cannot open %s", path);
    close(*fd);
    *fd = -1;
    return false;
}

/* --- bytes --- */

bool file_io_read(int fd, size_t max, struct buf *out)
{
    for (size_t left = max; left > 0;) {
        size_t want = left < IO_PIECE_BYTES ? left : IO_PIECE_BYTES;
        unsigned char *into = buf_extend(out, want);
        ssize_t got;
        RETRY_ON_SIGNAL(got, read(fd, into, want));
        out->len -= want - (got > 0 ? (size_t)got : 0);
        if (got <= 0)
            return got == 0;
        left -= (size_t)got;
    }
    return true;
}

bool file_io_write(int fd, uint64_t at, struct bytes bytes)
{
    while (bytes.len > 0) {
        ssize_t written;
        RETRY_ON_SIGNAL(written, pwrite(fd, bytes.data, bytes.len, (off_t)at));
        if (written <= 0) {
            errno = written == 0 ? EIO : errno;
            return false;
        }
        at += (uint64_t)written;
        bytes = bytes_slice(bytes, (size_t)written, bytes.len - (size_t)written);
    }
    return true;
}

bool file_io_write_rope(int fd, const struct rope *text)
{
    struct buf buf = {0};
    uint64_t len = rope_len(text);
    bool written = true;

    for (uint64_t at = 0; written && at < len; at += buf.len) {
        uint64_t left = len - at;
        buf_clear(&buf);
        rope_append_to(text, at, left < IO_PIECE_BYTES ? left : IO_PIECE_BYTES, &buf);
        written = file_io_write(fd, at, buf_view(&buf));
    }
    int sys = errno;
    buf_release(&buf);
    errno = sys;
    return written;
}

bool file_io_copy_at(int from, uint64_t from_at, int to, uint64_t to_at, uint64_t len)
{
    unsigned char *piece = xmalloc(IO_PIECE_BYTES);
    bool copied = true;

    for (uint64_t at = 0; copied && at < len;) {
        size_t want = len - at < IO_PIECE_BYTES ? len - at : IO_PIECE_BYTES;
        ssize_t got;
        RETRY_ON_SIGNAL(got, pread(from, piece, want, (off_t)(from_at + at)));
        if (got == 0)
            errno = EIO; /* the file is shorter than it was */
        copied = got > 0 && file_io_write(to, to_at + at, bytes_of(piece, (size_t)got));
        at += got > 0 ? (uint64_t)got : 0;
    }
    int sys = errno;
    free(piece);
    errno = sys;
    return copied;
}

bool file_io_copy(int from, int to, uint64_t len)
{
    return file_io_copy_at(from, 0, to, 0, len);
}

bool file_io_truncate(int fd, uint64_t len)
{
    int result;
    RETRY_ON_SIGNAL(result, ftruncate(fd, (off_t)len));
    return result == 0;
}

bool file_io_sync(int fd)
{
    int result;
    RETRY_ON_SIGNAL(result, fsync(fd));
    return result == 0;
}

bool file_io_sync_dir(const char *dir)
{
    int fd = file_io_open(dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return errno == EACCES; /* a directory we may write but not read: nothing more can be done */
    bool synced = file_io_sync(fd) || errno == EINVAL || errno == ENOTSUP;
    int sys = errno;
    close(fd);
    errno = sys;
    return synced;
}

/* --- names and temporary files --- */

char *file_io_dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

const char *file_io_name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Not a secret: O_EXCL keeps us from using anybody's file, this only from trying often. */
static uint64_t random_suffix(unsigned attempt)
{
    uint64_t suffix;
    if (getrandom(&suffix, sizeof suffix, GRND_NONBLOCK) != sizeof suffix)
        suffix = ((uint64_t)getpid() << 32) + attempt;
    return suffix;
}

bool file_temp_create(struct file_temp *temp, const char *dir, const char *path, mode_t mode)
{
    const char *name = file_io_name_of(path);
    for (unsigned attempt = 0; attempt < TEMP_TRIES_MAX; attempt++) {
        temp->path = xformat("%s/.%.*s.weft-%016" PRIx64, dir, TEMP_NAME_BYTES_MAX, name, random_suffix(attempt));
        temp->fd = file_io_open(temp->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
        if (temp->fd >= 0)
            return true;
        int sys = errno;
        free(temp->path);
        temp->path = NULL;
        errno = sys;
        if (errno != EEXIST)
            break;
    }
    return false;
}

bool file_temp_close(struct file_temp *temp)
{
    int fd = temp->fd;
    temp->fd = -1;
    return fd < 0 || close(fd) == 0 || errno == EINTR;
}

void file_temp_forget(struct file_temp *temp)
{
    int sys = errno;
    if (temp->fd >= 0)
        close(temp->fd);
    free(temp->path);
    *temp = (struct file_temp){.fd = -1};
    errno = sys;
}

void file_temp_discard(struct file_temp *temp)
{
    int sys = errno;
    if (temp->path)
        unlink(temp->path);
    file_temp_forget(temp);
    errno = sys;
}
