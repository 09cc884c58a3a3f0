#include "tests/support/scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor/base/xalloc.h"

int scratch_setup(void **state)
{
    const char *base = getenv("TMPDIR");
    char *dir = xformat("%s/weft-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(dir)) {
        perror(dir);
        free(dir);
        return -1;
    }
    *state = dir;
    return 0;
}

/* Calls `visit` for every file below `dir`, then for `dir` itself; stops when it returns true. */
static bool walk(const char *dir, bool (*visit)(const char *path, const char *needle), const char *needle)
{
    DIR *stream = opendir(dir);
    if (!stream)
        return visit(dir, needle);
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(stream));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *path = scratch_file(dir, entry->d_name);
        found = walk(path, visit, needle);
        free(path);
    }
    closedir(stream);
    return found || visit(dir, needle);
}

static bool remove_one(const char *path, const char *needle)
{
    (void)needle;
    remove(path);
    return false;
}

int scratch_teardown(void **state)
{
    walk(*state, remove_one, NULL);
    free(*state);
    return 0;
}

char *scratch_file(const char *dir, const char *name)
{
    return xformat("%s/%s", dir, name);
}

void scratch_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(path);
        abort();
    }
}

void scratch_read(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        abort();
    }
    buf_clear(out);
    char piece[4096];
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
        buf_add(out, piece, got);
    fclose(file);
}

static bool file_contains(const char *path, const char *needle)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    struct buf content = {0};
    scratch_read(path, &content);
    bool found = content.len && memmem(content.data, content.len, needle, strlen(needle));
    buf_release(&content);
    return found;
}

bool scratch_contains(const char *dir, const char *needle)
{
    return walk(dir, file_contains, needle);
}
