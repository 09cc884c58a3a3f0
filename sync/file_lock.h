/*
 * file_lock - a file that says by its lock whether a process lives (sync/agent_lock.h, sync/tail.h).
 *
 * The lock is flock(2)'s: it belongs to the open file, ends with the process whatever ends that, and is not lost by others'
 * close(). Whoever finds a file unlocked may remove it, so its maker looks after locking whether the file is still there.
 *
 *   Errors  errno, as flock(2) sets it.
 */
#ifndef WEFT_SYNC_FILE_LOCK_H
#define WEFT_SYNC_FILE_LOCK_H

#include <stdbool.h>

#include "editor/base/error.h"

/* `how` as for flock(2): LOCK_EX, LOCK_SH, each with LOCK_NB where nobody is to be waited for. Signals do not end the wait. */
MUST_USE bool file_lock(int fd, int how);
/* The open file still has a name. */
MUST_USE bool file_is_linked(int fd);

#endif
