#include "app/path_completion.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "editor/base/unicode.h"
#include "editor/base/xalloc.h"

void path_completion_release(struct path_completion *completion)
{
    for (size_t i = 0; i < completion->count; i++)
        free(completion->names[i]);
    free(completion->names);
    buf_release(&completion->more);
    *completion = (struct path_completion){0};
}

static bool can_be_typed(struct bytes name)
{
    if (!utf8_valid(name))
        return false;
    for (size_t at = 0; at < name.len;) {
        uint32_t code;
        at += utf8_decode(bytes_slice(name, at, name.len - at), &code);
        if (unicode_is_unsafe(code))
            return false;
    }
    return true;
}

static bool counts(const char *name, const char *begins)
{
    bool is_dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    return !is_dots && (name[0] != '.' || begins[0] == '.') && strncmp(name, begins, strlen(begins)) == 0 &&
           can_be_typed(bytes_of_string(name));
}

static bool is_directory(DIR *dir, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
        return entry->d_type == DT_DIR;
    return fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static void add_name(struct path_completion *completion, DIR *dir, const struct dirent *entry)
{
    completion->names = xgrow(completion->names, &completion->cap, completion->count + 1, sizeof *completion->names);
    completion->names[completion->count++] = xformat("%s%s", entry->d_name, is_directory(dir, entry) ? "/" : "");
}

static void read_names(struct path_completion *completion, DIR *dir, const char *begins)
{
    const struct dirent *entry;
    size_t seen = 0;
    while (!completion->too_many && (entry = readdir(dir))) {
        completion->too_many = ++seen > PATH_COMPLETION_NAMES_MAX;
        if (counts(entry->d_name, begins))
            add_name(completion, dir, entry);
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* How much the first and the last of sorted names have in common, all of them have; whole characters. */
static size_t common_len(const struct path_completion *completion)
{
    const char *first = completion->names[0], *last = completion->names[completion->count - 1];
    size_t len = 0;
    while (first[len] && first[len] == last[len])
        len++;
    while (len > 0 && utf8_is_continuation((unsigned char)first[len]))
        len--;
    return len;
}

void path_completion_find(struct path_completion *completion, const char *path)
{
    const char *slash = strrchr(path, '/'), *begins = slash ? slash + 1 : path;
    char *directory = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
    DIR *dir = opendir(directory);
    free(directory);
    if (!dir)
        return;
    read_names(completion, dir, begins);
    closedir(dir);
    if (completion->count == 0 || completion->too_many)
        return;
    qsort(completion->names, completion->count, sizeof *completion->names, compare);
    size_t len = common_len(completion), typed = strlen(begins);
    if (len > typed)
        buf_add(&completion->more, completion->names[0] + typed, len - typed);
}
