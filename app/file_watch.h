/*
 * file_watch - notices that somebody else touched one file: written, replaced, renamed, deleted. What the system offers for
 * that stays behind this header (file_watch_inotify.c); on another system it is one file to write.
 *
 * It only says "look": what changed is found out with file_stat(). Spurious wake-ups are normal, own saves included.
 */
#ifndef WEFT_APP_FILE_WATCH_H
#define WEFT_APP_FILE_WATCH_H

#include "editor/base/error.h"

struct file_watch;

/*
 * `path` is resolved: no symbolic links. A file that does not exist yet is noticed when it appears; what other files in
 * its directory live through wakes nobody.
 */
MUST_USE struct file_watch *file_watch_new(const char *path, struct error *err);
void file_watch_free(struct file_watch *watch);
int file_watch_fd(const struct file_watch *watch);
/*
 * Takes some of what was reported, in bounded time; true when the file was among it. The descriptor stays readable while
 * there is more.
 */
bool file_watch_happened(struct file_watch *watch);

/* Remembers which file is at the path now (file_watch_new() does so too), to find it again: it is held open, not read. */
void file_watch_hold(struct file_watch *watch);
/* Where the remembered file is now: a heap string, of a path that may be gone again. NULL: deleted, or not known. */
char *file_watch_find(const struct file_watch *watch);

#endif
