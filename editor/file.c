#include "editor/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/xalloc.h"
#include "editor/file_io.h"

enum { LOAD_TRIES_MAX = 4, LINKS_MAX = 40 /* as many as Linux follows */ };

bool file_stamp_equal(struct file_stamp a, struct file_stamp b)
{
    if (!a.exists || !b.exists)
        return a.exists == b.exists;
    return a.dev == b.dev && a.ino == b.ino && a.size == b.size && a.mtime_ns == b.mtime_ns;
}

bool file_stat(const char *path, struct file_stamp *stamp, struct error *err)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        *stamp = file_io_stamp(&st);
        return true;
    }
    if (errno != ENOENT)
        return error_errno(err, "cannot look at %s", path);
    *stamp = (struct file_stamp){0};
    return true;
}

/* --- loading --- */

/*
 * Files are read whole, so that nothing another program does to them later can change or take away the text under us: a
 * mapped file that is truncated is a bus error, and one rewritten in place is silently other text. A mapping would go
 * here, behind rope_from_memory(), for files too large for that; it needs a guard against both.
 */
static void loaded_release(void *memory, struct bytes text)
{
    (void)text;
    free(memory);
}

/* Reads to the end of the file; `guess` is how long it says it is (files in /proc say 0). */
static bool read_all(int fd, size_t guess, unsigned char **memory, size_t *len)
{
    size_t cap = guess + 1; /* one more, so that the end is met without growing */
    *len = 0;
    *memory = malloc(cap);
    while (*memory) {
        ssize_t got = read(fd, *memory + *len, cap - *len);
        if (got == 0)
            return true;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        *len += (size_t)got;
        if (*len < cap)
            continue;
        if (cap > FILE_EDIT_BYTES_MAX) {
            errno = EFBIG;
            break;
        }
        cap *= 2;
        unsigned char *grown = realloc(*memory, cap);
        if (!grown)
            break;
        *memory = grown;
    }
    int sys = errno;
    free(*memory);
    errno = sys;
    return false;
}

enum load { LOADED, LOAD_AGAIN, LOAD_FAILED };

/* Reads an open file, unless it changes while it is read. */
static enum load load_open(const char *path, int fd, const struct stat *st, struct rope **text, struct error *err)
{
    unsigned char *memory;
    size_t len;
    struct file_stamp after;
    struct file_stamp before = file_io_stamp(st);

    if (!read_all(fd, before.size, &memory, &len)) {
        error_errno(err, "cannot read %s", path);
        return LOAD_FAILED;
    }
    if (!file_stat(path, &after, err)) {
        free(memory);
        return LOAD_FAILED;
    }
    if (!file_stamp_equal(before, after) || (before.size > 0 && before.size != len)) {
        free(memory);
        return LOAD_AGAIN;
    }
    *text = rope_from_memory(bytes_of(memory, len), loaded_release, memory);
    return LOADED;
}

static enum load load_once(const char *path, struct rope **text, struct file_stamp *stamp, struct error *err)
{
    struct stat st;
    int fd;

    if (!file_io_open_regular(path, &fd, &st, err))
        return LOAD_FAILED;
    if (fd < 0) {
        *text = rope_new();
        *stamp = (struct file_stamp){0};
        return LOADED;
    }
    enum load load = LOAD_FAILED;
    *stamp = file_io_stamp(&st);
    if (stamp->size > FILE_EDIT_BYTES_MAX)
        error_set(err, ERR_LIMIT, 0, "%s is too large to edit (%" PRIu64 " bytes)", path, stamp->size);
    else
        load = load_open(path, fd, &st, text, err);
    close(fd);
    return load;
}

bool file_load(const char *path, struct rope **text, struct file_stamp *stamp, struct error *err)
{
    for (int tries = 0; tries < LOAD_TRIES_MAX; tries++) {
        enum load load = load_once(path, text, stamp, err);
        if (load != LOAD_AGAIN)
            return load == LOADED;
    }
    return error_set(err, ERR_BUSY, 0, "%s changes while it is being read: try again when it is at rest", path);
}

bool file_replaced_look(struct file_replaced *replaced, struct rope **text)
{
    struct stat st;
    unsigned char *memory;
    size_t len;
    if (replaced->fd < 0 || fstat(replaced->fd, &st) < 0 || file_stamp_equal(file_io_stamp(&st), replaced->stamp))
        return false;
    if (lseek(replaced->fd, 0, SEEK_SET) < 0 || !read_all(replaced->fd, (size_t)st.st_size, &memory, &len))
        return false;
    replaced->stamp = file_io_stamp(&st); /* of before it was read: what comes meanwhile is seen at the next look */
    *text = rope_from_memory(bytes_of(memory, len), loaded_release, memory);
    return true;
}

void file_replaced_release(struct file_replaced *replaced)
{
    if (replaced->fd >= 0)
        close(replaced->fd);
    *replaced = (struct file_replaced){.fd = -1};
}

/* --- names --- */

/* What a link at `path` says, seen from where `path` is looked up; NULL when there is no link. */
static char *follow_link(const char *path)
{
    char target[PATH_MAX];
    ssize_t len = readlink(path, target, sizeof target - 1);
    if (len <= 0)
        return NULL;
    target[len] = '\0';
    if (target[0] == '/')
        return xstrdup(target);
    char *dir = file_io_dir_of(path);
    char *joined = xformat("%s/%s", dir, target);
    free(dir);
    return joined;
}

/* The path of a file that does not exist, in a directory that does. */
static bool resolve_new(const char *path, char **resolved, struct error *err)
{
    const char *name = file_io_name_of(path);
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return error_set(err, ERR_USAGE, 0, "%s names a directory, not a file", path);
    char *dir = file_io_dir_of(path);
    char *real = realpath(dir, NULL);
    if (real)
        *resolved = xformat("%s/%s", strcmp(real, "/") == 0 ? "" : real, name);
    else
        error_errno(err, "cannot use the directory %s", dir);
    free(dir);
    free(real);
    return real != NULL;
}

static bool resolve_missing(const char *path, char **resolved, struct error *err)
{
    char *at = xstrdup(path);
    char *next = follow_link(at);
    for (int links = 0; next && links < LINKS_MAX; links++) {
        free(at);
        at = next;
        next = follow_link(at);
    }
    bool good =
        next ? error_set(err, ERR_USAGE, ELOOP, "%s is a circle of links", path) : resolve_new(at, resolved, err);
    free(at);
    free(next);
    return good;
}

bool file_resolve(const char *path, char **resolved, struct error *err)
{
    if (*path == '\0')
        return error_set(err, ERR_USAGE, 0, "a file needs a name");
    *resolved = realpath(path, NULL);
    if (*resolved)
        return true;
    if (errno != ENOENT)
        return error_errno(err, "cannot find %s", path);
    return resolve_missing(path, resolved, err);
}

/* --- small files --- */

static bool make_dir(const char *path, struct error *err)
{
    struct stat st;
    if (mkdir(path, 0700) == 0)
        return true;
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return true;
    return error_errno(err, "cannot make the directory %s", path);
}

bool file_make_dirs(const char *path, struct error *err)
{
    char *partial = xstrdup(path);
    bool made = true;
    for (char *slash = strchr(partial + 1, '/'); made && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        made = make_dir(partial, err);
        *slash = '/';
    }
    made = made && make_dir(partial, err);
    free(partial);
    return made;
}

bool file_read_small(const char *path, size_t bytes_max, struct buf *out, struct error *err)
{
    struct stat st;
    int fd;
    size_t len_before = out->len;

    if (!file_io_open_regular(path, &fd, &st, err))
        return false;
    if (fd < 0) {
        errno = ENOENT;
        return error_errno(err, "cannot open %s", path);
    }
    bool good = file_io_read(fd, bytes_max + 1, out);
    if (!good)
        error_errno(err, "cannot read %s", path);
    close(fd);
    if (good && out->len - len_before > bytes_max)
        good = error_set(err, ERR_LIMIT, 0, "%s is larger than the %zu bytes it may have", path, bytes_max);
    if (!good)
        out->len = len_before;
    return good;
}

bool file_write_private(const char *path, struct bytes content, struct error *err)
{
    struct file_temp temp;
    char *dir = file_io_dir_of(path);
    bool good = file_temp_create(&temp, dir, path, 0600);
    if (good) {
        good = file_io_write(temp.fd, 0, content) && file_io_sync(temp.fd) && file_temp_close(&temp) &&
               rename(temp.path, path) == 0;
        if (good)
            file_temp_forget(&temp);
        else
            file_temp_discard(&temp);
        good = good && file_io_sync_dir(dir);
    }
    if (!good)
        error_errno(err, "cannot write %s", path);
    free(dir);
    return good;
}
