/*
 * file_meta - what a file has besides its bytes: owner, mode, access control lists and other extended attributes.
 *
 * Internal to file.h. POSIX access control lists are extended attributes on Linux (system.posix_acl_access), so one way
 * of copying serves all. File flags (chattr), birth time and holes are not kept.
 */
#ifndef WEFT_EDITOR_FILE_META_H
#define WEFT_EDITOR_FILE_META_H

#include <stdbool.h>
#include <sys/stat.h>

#include "editor/base/ensure.h"

/*
 * Makes the file `to` like the file `from`, of which `st` tells. False when anything could not be given over: what is
 * missing cannot be told from here, and `to` must not take the place of `from`.
 */
MUST_USE bool file_meta_copy(int from, const struct stat *st, int to);

#endif
