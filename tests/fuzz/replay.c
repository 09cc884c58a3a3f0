/*
 * The driver of fuzz targets in ordinary builds: runs the target on every file of the directories and files given, then on
 * every one-byte truncation and a few single-byte changes of each, so that a corpus also guards its neighbourhood.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t runs;

static void replay_bytes(const uint8_t *data, size_t size)
{
    /* A fresh exact-size copy: reading one byte too far is then seen by the sanitizer. */
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    runs++;
}

static void replay_neighbours(uint8_t *data, size_t size)
{
    size_t step = size > 512 ? size / 512 : 1;
    for (size_t cut = 0; cut < size; cut += step)
        replay_bytes(data, cut);
    static const uint8_t flips[] = {0x01, 0x80, 0xff};
    for (size_t at = 0; at < size; at += step) {
        for (size_t i = 0; i < sizeof flips; i++) {
            data[at] ^= flips[i];
            replay_bytes(data, size);
            data[at] ^= flips[i];
        }
    }
}

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    enum { FILE_BYTES_MAX = 1 << 22 };
    uint8_t *data = malloc(FILE_BYTES_MAX);
    if (!data)
        abort();
    size_t size = fread(data, 1, FILE_BYTES_MAX, file);
    fclose(file);
    replay_bytes(data, size);
    replay_neighbours(data, size);
    free(data);
    return 0;
}

static int replay_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        perror(path);
        return 1;
    }
    if (!S_ISDIR(st.st_mode))
        return replay_file(path);
    DIR *dir = opendir(path);
    if (!dir) {
        perror(path);
        return 1;
    }
    int failed = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        failed |= replay_file(file);
    }
    closedir(dir);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= replay_path(argv[i]);
    printf("%zu inputs replayed\n", runs);
    return failed || runs == 0;
}
