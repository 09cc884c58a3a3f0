#include "app/paths.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/file_system.h"
#include "editor/base/xalloc.h"
#include "editor/file.h"

/* Whether what is made at `path` would be made in the directory of somebody else. */
static bool is_anothers(const char *path)
{
    struct stat st;
    char *dir = xstrdup(path);
    bool there = false;
    for (char *slash; !(there = stat(dir, &st) == 0) && (slash = strrchr(dir, '/')) && slash != dir;)
        *slash = '\0';
    free(dir);
    return there && st.st_uid != geteuid() && st.st_uid != 0;
}

static char *below(const char *variable, const char *home, const char *fallback)
{
    const char *named = getenv(variable);
    /* The XDG specification: a relative path there is to be ignored. */
    char *path = named && named[0] == '/' ? xformat("%s/weft", named) : home ? xformat("%s/%s/weft", home, fallback) : NULL;
    const struct passwd *account = path && is_anothers(path) ? getpwuid(geteuid()) : NULL;
    if (account && account->pw_dir && account->pw_dir[0] == '/') {
        free(path);
        path = xformat("%s/%s/weft", account->pw_dir, fallback);
    }
    return path;
}

bool paths_init(struct paths *paths, struct error *err)
{
    const char *home = getenv("HOME");
    if (!home || home[0] != '/')
        home = NULL;
    *paths = (struct paths){.home = home && home[1] ? xstrdup(home) : NULL};
    paths->state = below("XDG_STATE_HOME", home, ".local/state");
    char *config_dir = below("XDG_CONFIG_HOME", home, ".config");
    if (!paths->state || !config_dir) {
        free(config_dir);
        paths_release(paths);
        return error_set(err, ERR_USAGE, 0, "cannot tell where to keep anything: HOME is not set; set HOME or "
                                            "XDG_STATE_HOME and XDG_CONFIG_HOME");
    }
    paths->config = xformat("%s/config.json", config_dir);
    free(config_dir);
    if (file_system_is_remote(paths->state)) {
        free(paths->state);
        paths->state = xformat("/var/tmp/weft-%u", (unsigned)geteuid());
        paths->state_moved = true;
    }
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    bool own = runtime && runtime[0] == '/' && !is_anothers(runtime);
    paths->runtime = own ? xformat("%s/weft", runtime) : xformat("%s/run", paths->state);
    return true;
}

void paths_release(struct paths *paths)
{
    free(paths->state);
    free(paths->config);
    free(paths->runtime);
    free(paths->home);
    *paths = (struct paths){0};
}

char *paths_state_file(const struct paths *paths, const char *name)
{
    return xformat("%s/%s", paths->state, name);
}

/* What may stand in front of a path in a sentence; anything else goes on with a longer one. */
static bool may_begin(const char *text, const char *at)
{
    return at == text || strchr(" \"'(", at[-1]) != NULL;
}

char *paths_shorten(const struct paths *paths, const char *text)
{
    struct buf out = {0};
    size_t len = paths->home ? strlen(paths->home) : 0;
    const char *from = text;
    for (const char *at; len && (at = strstr(from, paths->home));) {
        bool is_home = may_begin(text, at) && at[len] == '/';
        buf_add(&out, from, (size_t)(at - from));
        buf_add_string(&out, is_home ? "~" : paths->home);
        from = at + len;
    }
    buf_add_string(&out, from);
    char *copy = xstrdup(buf_string(&out));
    buf_release(&out);
    return copy;
}

bool paths_make_state(const struct paths *paths, struct error *err)
{
    if (!file_make_dirs(paths->state, err))
        return false;
    struct stat st;
    if (stat(paths->state, &st) != 0)
        return error_errno(err, "cannot look at %s", paths->state);
    if (st.st_uid != geteuid())
        return error_set(err, ERR_IO, 0, "%s belongs to another user; set XDG_STATE_HOME to a directory of your own",
                         paths->state);
    return true;
}
