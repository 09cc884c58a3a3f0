#include "editor/file_meta.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "editor/base/bytes.h"
#include "editor/base/xalloc.h"

/* The names of all attributes, each ending with a NUL. The kernel's own bound makes asking for the size first needless.
 */
static bool names_of(int fd, struct buf *names)
{
    unsigned char *into = buf_extend(names, XATTR_LIST_MAX);
    ssize_t len = flistxattr(fd, (char *)into, XATTR_LIST_MAX);
    names->len = len > 0 ? (size_t)len : 0;
    return len >= 0 || errno == ENOTSUP;
}

static bool value_of(int fd, const char *name, struct buf *value)
{
    buf_clear(value);
    unsigned char *into = buf_extend(value, XATTR_SIZE_MAX);
    ssize_t len = fgetxattr(fd, name, into, XATTR_SIZE_MAX);
    value->len = len > 0 ? (size_t)len : 0;
    return len >= 0;
}

static const char *name_at(const struct buf *names, size_t at)
{
    return at < names->len ? (const char *)names->data + at : NULL;
}

static bool names_have(const struct buf *names, const char *wanted)
{
    size_t at = 0;
    for (const char *name; (name = name_at(names, at)); at += strlen(name) + 1)
        if (strcmp(name, wanted) == 0)
            return true;
    return false;
}

/* A directory may have given a new file attributes (a default access control list) that the old one does not have. */
static bool remove_extra(int to, const struct buf *wanted)
{
    struct buf names = {0};
    bool good = names_of(to, &names);
    size_t at = 0;
    for (const char *name; good && (name = name_at(&names, at)); at += strlen(name) + 1)
        good = names_have(wanted, name) || fremovexattr(to, name) == 0;
    buf_release(&names);
    return good;
}

/* Setting some attributes is a privilege even where they are right already (security labels). */
static bool copy_value(int from, int to, const char *name)
{
    struct buf value = {0};
    struct buf there = {0};
    bool good = value_of(from, name, &value);
    if (good && !(value_of(to, name, &there) && bytes_equal(buf_view(&value), buf_view(&there))))
        good = fsetxattr(to, name, value.data, value.len, 0) == 0;
    buf_release(&value);
    buf_release(&there);
    return good;
}

static bool copy_attributes(int from, int to)
{
    struct buf names = {0};
    bool good = names_of(from, &names) && remove_extra(to, &names);
    size_t at = 0;
    for (const char *name; good && (name = name_at(&names, at)); at += strlen(name) + 1)
        good = copy_value(from, to, name);
    buf_release(&names);
    return good;
}

static bool copy_owner(const struct stat *st, int to)
{
    struct stat now;
    if (fstat(to, &now) < 0)
        return false;
    if (now.st_uid == st->st_uid && now.st_gid == st->st_gid)
        return true;
    return fchown(to, st->st_uid, st->st_gid) == 0;
}

bool file_meta_copy(int from, const struct stat *st, int to)
{
    struct stat now;
    /* The owner first, changing it takes mode bits away; the mode last. */
    if (!copy_owner(st, to) || !copy_attributes(from, to) || fchmod(to, st->st_mode & 07777) < 0)
        return false;
    return fstat(to, &now) == 0 && now.st_mode == st->st_mode && now.st_uid == st->st_uid && now.st_gid == st->st_gid;
}
