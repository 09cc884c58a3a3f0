/*
 * file_io - system calls the way saving needs them: never cut short, never stopped by a signal, always looked at.
 *
 * Internal to file.h. Functions that return bool leave the reason in errno, unless they take a struct error.
 * A call that a signal interrupted is made again; close() alone is not, Linux has closed the file by then.
 */
#ifndef WEFT_EDITOR_FILE_IO_H
#define WEFT_EDITOR_FILE_IO_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "editor/base/error.h"
#include "editor/file.h"
#include "editor/rope.h"

struct file_stamp file_io_stamp(const struct stat *st);

int file_io_open(const char *path, int flags, mode_t mode); /* with O_CLOEXEC; -1 and errno */
/*
 * Opens a regular file for reading. *fd is -1 when there is no file. Anything but a regular file is refused in words,
 * and is not opened: opening a device may already do something.
 */
MUST_USE bool file_io_open_regular(const char *path, int *fd, struct stat *st, struct error *err);

/* Appends everything up to the end of the file, or up to `max` bytes. */
MUST_USE bool file_io_read(int fd, size_t max, struct buf *out);
MUST_USE bool file_io_write(int fd, uint64_t at, struct bytes bytes);
MUST_USE bool file_io_write_rope(int fd, const struct rope *text); /* from the start of the file on */
MUST_USE bool file_io_copy(int from, int to, uint64_t len);        /* the first len bytes; fewer there: EIO */
MUST_USE bool file_io_copy_at(int from, uint64_t from_at, int to, uint64_t to_at, uint64_t len);
MUST_USE bool file_io_truncate(int fd, uint64_t len);
MUST_USE bool file_io_sync(int fd);
MUST_USE bool file_io_sync_dir(const char *dir); /* file systems that cannot are not blamed */

char *file_io_dir_of(const char *path);        /* "/a" of "/a/b", "." of "b"; heap string */
const char *file_io_name_of(const char *path); /* "b" of "/a/b" */

/* A new file beside others, on the way to become one of them. */
struct file_temp {
    char *path;
    int fd; /* -1: closed, but the file is there */
};

/* `dir`/.NAME.weft-RANDOM, made with O_EXCL, where NAME is the file name of `path`. On false there is none. */
MUST_USE bool file_temp_create(struct file_temp *temp, const char *dir, const char *path, mode_t mode);
MUST_USE bool file_temp_close(struct file_temp *temp); /* false: the bytes may not have arrived */
void file_temp_discard(struct file_temp *temp);        /* closes and removes it */
void file_temp_forget(struct file_temp *temp);         /* closes it and leaves it be, wherever it is by now */

#endif
