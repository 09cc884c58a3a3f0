#include "app/file_kind.h"

#include <stdlib.h>
#include <string.h>

#include "editor/base/xalloc.h"
#include "editor/file.h"

/* Parts of a name that tell; each list ends with NULL. */
struct marks {
    const char *const *below, *const *contains, *const *ends;
};

static bool ends_with(const char *path, const char *end)
{
    size_t len = strlen(path), end_len = strlen(end);
    return len > end_len && strcmp(path + len - end_len, end) == 0;
}

static bool has_mark(const char *path, const struct marks *marks)
{
    for (const char *const *mark = marks->below; *mark; mark++)
        if (strncmp(path, *mark, strlen(*mark)) == 0)
            return true;
    for (const char *const *mark = marks->contains; *mark; mark++)
        if (strstr(path, *mark))
            return true;
    for (const char *const *mark = marks->ends; *mark; mark++)
        if (ends_with(path, *mark))
            return true;
    return false;
}

/* Inside ~/.ssh a key is called id_rsa, and /tmp may be a link. */
static bool resolved_has_mark(const char *path, const struct marks *marks)
{
    struct error err = {0};
    char *resolved = NULL;
    bool found = has_mark(path, marks) || (file_resolve(path, &resolved, &err) && has_mark(resolved, marks));
    free(resolved);
    return found;
}

static const char *const nothing[] = {NULL};

bool file_kind_is_short_lived(const char *path)
{
    static const char *const below[] = {"/tmp/", "/dev/shm/", "/var/tmp/", NULL};
    static const char *const contains[] = {"/.git/", "/crontab.", "/git-rebase-", NULL};
    static const char *const ends[] = {"_EDITMSG", NULL};
    return resolved_has_mark(path, &(struct marks){below, contains, ends});
}

bool file_kind_is_secret(const char *path)
{
    static const char *const contains[] = {"/.ssh/", "/.gnupg/", "/.password-store/", "/.weft/", "/shm/pass.", NULL};
    static const char *const ends[] = {".pem", ".key", ".gpg", ".kdbx", NULL};
    const char *sudo = getenv("SUDO_COMMAND");
    return (getenv("SUDO_USER") && sudo && strstr(sudo, "sudoedit")) ||
           resolved_has_mark(path, &(struct marks){nothing, contains, ends});
}
