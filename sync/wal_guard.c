#include "sync/wal_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "sync/durable.h"
#include "sync/file_lock.h"

enum {
    CHUNK_BYTES = 1 << 18,
    SECOND_LOOK_US = 20000,
};

static char *log_path(const char *path)
{
    return xformat("%s-wal", path);
}

/* One name is enough: whoever makes it has the log alone. */
static char *new_path(const char *log)
{
    return xformat("%s.new", log);
}

static char *damaged_path(const char *path, unsigned number)
{
    return number == 0 ? xformat("%s-wal.damaged", path) : xformat("%s-wal.damaged-%u", path, number + 1);
}

/* --- reading and writing --- */

/* Fewer at the end of the file. */
static bool read_at(int fd, uint64_t at, unsigned char *out, size_t len, size_t *got)
{
    for (*got = 0; *got < len;) {
        ssize_t n = pread(fd, out + *got, len - *got, (off_t)(at + *got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        *got += (size_t)n;
    }
    return true;
}

/* Whether each frame follows from the one before, up to the end. What cannot be read does not. */
static bool reads_through(int fd)
{
    unsigned char header[WAL_HEADER_BYTES];
    struct wal_reading reading;
    size_t got;
    if (!read_at(fd, 0, header, sizeof header, &got) || (got > 0 && got < sizeof header))
        return false;
    if (got == 0)
        return true;
    if (!wal_read_header(&reading, header))
        return false;
    size_t frame_bytes = WAL_FRAME_HEADER_BYTES + (size_t)reading.page_bytes, many = CHUNK_BYTES / frame_bytes;
    unsigned char *chunk = xmalloc(many * frame_bytes);
    bool good = true, more = true;
    for (uint64_t at = WAL_HEADER_BYTES; good && more; at += got) {
        good = read_at(fd, at, chunk, many * frame_bytes, &got);
        more = got == many * frame_bytes;
        for (size_t n = 0; good && n < got; n += frame_bytes)
            good = got - n >= frame_bytes && wal_read_frame(&reading, chunk + n);
    }
    free(chunk);
    return good;
}

static bool read_log(int fd, const char *path, struct buf *log, struct error *err)
{
    struct stat st;
    size_t got;
    if (fstat(fd, &st) != 0)
        return error_errno(err, "cannot read %s", path);
    if (st.st_size > WAL_GUARD_BYTES_MAX)
        return error_set(err, ERR_LIMIT, 0, "%s is damaged, and too long to be mended; nothing in it was changed", path);
    buf_clear(log);
    if (!read_at(fd, 0, buf_extend(log, (size_t)st.st_size), (size_t)st.st_size, &got))
        return error_errno(err, "cannot read %s", path);
    log->len = got;
    return true;
}

/* --- setting aside --- */

static bool same_file(const char *path, int fd)
{
    struct stat named, open;
    return stat(path, &named) == 0 && fstat(fd, &open) == 0 && named.st_ino == open.st_ino && named.st_dev == open.st_dev;
}

/* The damaged one gets a second name: a free one, or the last. It may have it already, of somebody who was killed here. */
static bool name_damaged(const char *path, const char *log, int fd)
{
    bool there = false;
    for (unsigned number = 0; number < WAL_DAMAGED_MAX && !there; number++) {
        char *aside = damaged_path(path, number);
        there = same_file(aside, fd) || link(log, aside) == 0;
        if (!there && errno == EEXIST && number + 1 == WAL_DAMAGED_MAX)
            there = unlink(aside) == 0 && link(log, aside) == 0;
        free(aside);
    }
    return there;
}

static bool write_new(const char *path, struct bytes content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool good = durable_write(fd, content);
    return close(fd) == 0 && good;
}

static bool replace(const char *path, const char *log, int fd, struct bytes mended, struct error *err)
{
    char *fresh = new_path(log);
    bool good = write_new(fresh, mended) && name_damaged(path, log, fd) && rename(fresh, log) == 0 && durable_sync_name(path);
    if (!good) {
        error_errno(err, "the log %s is damaged and cannot be set aside; nothing in it was changed", log);
        unlink(fresh);
    }
    free(fresh);
    return good;
}

/* Somebody writes it who does not lock it (an older weft): then SQLite does not read it now, and half a frame is no damage. */
static bool is_still(int fd, const struct buf *log)
{
    struct buf again = {0};
    struct error ignored;
    usleep(SECOND_LOOK_US);
    bool same = read_log(fd, "", &again, &ignored) && bytes_equal(buf_view(log), buf_view(&again));
    buf_release(&again);
    return same;
}

/* Of somebody who was killed when he had made it: it is no log of anything. */
static bool remove_new(const char *log, struct error *err)
{
    char *fresh = new_path(log);
    bool good = unlink(fresh) == 0 || errno == ENOENT || error_errno(err, "cannot remove %s", fresh);
    free(fresh);
    return good;
}

/* *replaced: there is another log now. */
static bool look(const char *path, const char *log, int fd, bool *replaced, struct error *err)
{
    struct buf content = {0}, found = {0};
    struct error ignored; /* a directory that may only be read: there nothing is made either */
    *replaced = false;
    (void)remove_new(log, &ignored);
    if (reads_through(fd))
        return true;
    bool good = read_log(fd, log, &content, err);
    if (good) {
        buf_add_bytes(&found, buf_view(&content));
        *replaced = wal_mend(&content).state != WAL_WHOLE && is_still(fd, &found);
        good = !*replaced || replace(path, log, fd, buf_view(&content), err);
    }
    buf_release(&content);
    buf_release(&found);
    return good;
}

/* --- the lock --- */

static bool wait_shared(int fd, unsigned busy_ms)
{
    for (unsigned waited_ms = 0; !file_lock(fd, LOCK_SH | LOCK_NB); waited_ms++) {
        if (errno != EWOULDBLOCK || waited_ms >= busy_ms)
            return false;
        usleep(1000);
    }
    return true;
}

enum taken { TAKEN, AGAIN, NONE, FAILED };

/* Once; AGAIN: it was another file by the time that it was locked. */
static enum taken take(const char *path, const char *log, unsigned busy_ms, bool looks, int *fd, struct error *err)
{
    bool replaced = false, good = true;
    *fd = open(log, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return NONE;
    if (looks && file_lock(*fd, LOCK_EX | LOCK_NB)) {
        if (same_file(log, *fd))
            good = look(path, log, *fd, &replaced, err);
    }
    if (good && !replaced && !wait_shared(*fd, busy_ms))
        good = error_set(err, ERR_BUSY, errno, "the log %s is being looked at by another process; try again", log);
    if (good && !replaced && same_file(log, *fd))
        return TAKEN;
    close(*fd);
    *fd = -1;
    return good ? AGAIN : FAILED;
}

static bool take_any(const char *path, unsigned busy_ms, bool looks, int *fd, struct error *err)
{
    enum { TRIES = 100 }; /* whoever makes it another file each time ends it in between */
    char *log = log_path(path);
    enum taken taken = AGAIN;
    for (unsigned tries = 0; taken == AGAIN && tries < TRIES; tries++)
        taken = take(path, log, busy_ms, looks, fd, err);
    if (taken == AGAIN)
        error_set(err, ERR_BUSY, 0, "the log %s is replaced again and again; try again", log);
    free(log);
    return taken == TAKEN || taken == NONE;
}

bool wal_guard_take(const char *path, unsigned busy_ms, int *fd, struct error *err)
{
    return take_any(path, busy_ms, true, fd, err);
}

bool wal_guard_keep(const char *path, unsigned busy_ms, int *fd, struct error *err)
{
    char *log = log_path(path);
    bool kept = *fd >= 0 && same_file(log, *fd);
    free(log);
    if (kept)
        return true;
    if (*fd >= 0)
        close(*fd);
    return take_any(path, busy_ms, false, fd, err);
}

/* --- what was set aside --- */

bool wal_damage_get(const char *path, unsigned number, struct wal_damage *damage)
{
    struct stat st;
    char *aside = damaged_path(path, number);
    bool there = stat(aside, &st) == 0;
    if (there)
        *damage = (struct wal_damage){aside, !(st.st_mode & S_IWUSR)};
    else
        free(aside);
    return there;
}

bool wal_damage_judge(const struct wal_damage *damage, struct wal_verdict *verdict, struct error *err)
{
    struct buf log = {0};
    int fd = open(damage->path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 ? read_log(fd, damage->path, &log, err) : error_errno(err, "cannot read %s", damage->path);
    if (good)
        *verdict = wal_mend(&log);
    if (fd >= 0)
        close(fd);
    buf_release(&log);
    return good;
}

void wal_damage_tell(const struct wal_damage *damage)
{
    bool marked = chmod(damage->path, S_IRUSR) == 0;
    (void)marked; /* else it is told again */
}

void wal_damage_release(struct wal_damage *damage)
{
    free(damage->path);
    damage->path = NULL;
}

bool wal_damage_forget(const char *path, struct error *err)
{
    bool good = true;
    for (unsigned number = 0; number < WAL_DAMAGED_MAX; number++) {
        char *aside = damaged_path(path, number);
        good = (unlink(aside) == 0 || errno == ENOENT || error_errno(err, "cannot remove %s", aside)) && good;
        free(aside);
    }
    char *log = log_path(path);
    good = remove_new(log, err) && good;
    free(log);
    return good;
}
