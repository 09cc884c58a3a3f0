/*
 * durable - bytes and names that are there after a power cut.
 *
 * A file that is to be kept is written whole, synced, and given its name; and the name lasts once its directory is synced.
 *
 *   Ownership  the caller's descriptors stay open.
 *   Errors     false, and errno says why. A write that a signal interrupts goes on.
 */
#ifndef WEFT_SYNC_DURABLE_H
#define WEFT_SYNC_DURABLE_H

#include "editor/base/bytes.h"
#include "editor/base/error.h"

/* All of it, from where the file stands, and onto the disk. */
MUST_USE bool durable_write(int fd, struct bytes bytes);
/* "/a/" of "/a/b", "." of "b"; heap string. */
char *durable_directory(const char *path);
/* The name of a file that is there now, or is not any more. */
MUST_USE bool durable_sync_name(const char *path);

#endif
