/*
 * file_kind - which files are not kept like others, told by their names.
 *
 *   Units   a path as it was typed: it is looked at with its links resolved, from the root on.
 */
#ifndef WEFT_APP_FILE_KIND_H
#define WEFT_APP_FILE_KIND_H

#include <stdbool.h>

/*
 * Written for a moment: a commit message, a crontab, what lies below /tmp, /var/tmp and /dev/shm. Journaled for crash safety,
 * forgotten on any normal exit.
 */
bool file_kind_is_short_lived(const char *path);
/* What should leave no trace at all: keys, password stores, what sudoedit hands over. */
bool file_kind_is_secret(const char *path);

#endif
