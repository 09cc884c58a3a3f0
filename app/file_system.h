/*
 * file_system - what kind of file system a directory is on, and what it knows of a file beyond POSIX. The one place that asks
 * the kernel for it.
 */
#ifndef WEFT_APP_FILE_SYSTEM_H
#define WEFT_APP_FILE_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether `path`, or the nearest directory above it that exists, is on a network file system: NFS, SMB, 9p, anything through
 * FUSE (sshfs). Shared memory for the database's WAL index cannot be relied on there. What cannot be found out is local.
 */
bool file_system_is_remote(const char *path);
/* The same of the number the kernel gives the kind (statfs's f_type). */
bool file_system_kind_is_remote(unsigned kind);

/* When the file was made, in seconds since 1970: renaming does not change it. 0: there is none, or it is not told. */
uint64_t file_system_birth_s(const char *path);
/*
 * Now, by the clock that births are told by. time() is that of the last tick: a file made since then would be younger
 * than what is told of it now.
 */
uint64_t file_system_now_s(void);

#endif
