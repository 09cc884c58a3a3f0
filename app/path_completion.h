/*
 * path_completion - what Tab does in a line that asks for a file: the rest of its name, as far as that is certain.
 *
 * The names are those in the directory that the path names so far. One that begins with a dot counts where a dot was typed; one
 * that is no UTF-8, or has a character that cannot be shown as it is, could not be typed and never counts.
 *
 *   Ownership  path_completion_release(); zero-initialised it is empty.
 *   Errors     a directory that cannot be read has no names.
 *   Bounds     of a directory with more than PATH_COMPLETION_NAMES_MAX entries nothing is completed: what is certain would take
 *              longer to find out than a key may take.
 */
#ifndef WEFT_APP_PATH_COMPLETION_H
#define WEFT_APP_PATH_COMPLETION_H

#include "editor/base/bytes.h"

enum { PATH_COMPLETION_NAMES_MAX = 50000 };

struct path_completion {
    struct buf more; /* to go behind the path; empty where nothing is certain */
    char **names;    /* all that it may become, sorted; a directory's ends in a slash */
    size_t count, cap;
    bool too_many;
};

void path_completion_find(struct path_completion *completion, const char *path);
void path_completion_release(struct path_completion *completion);

#endif
