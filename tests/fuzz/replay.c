/*
 * replay [--few] FILE|DIRECTORY...: the driver of fuzz targets in ordinary builds. Runs the target on every file, then on all of
 * its neighbours: cut off at every length, one byte more, and every single byte changed: each bit of it, and the values
 * at which numbers end. Of files of more than WHOLE_BYTES_MAX not every byte, and with --few (for a target that takes
 * milliseconds) fewer values and not every byte of more than 512.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WHOLE_BYTES_MAX = 2048, FEW_BYTES_MAX = 512, FILE_BYTES_MAX = 1 << 22 };

static size_t runs;
static int few;

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

static void replay_changed(uint8_t *data, size_t size, size_t at, uint8_t value)
{
    uint8_t old = data[at];
    if (value == old)
        return;
    data[at] = value;
    replay_bytes(data, size);
    data[at] = old;
}

/* `data` has room for one byte more. */
static void replay_neighbours(uint8_t *data, size_t size)
{
    static const uint8_t few_flips[] = {0x01, 0x80, 0xff}, ends[] = {0x00, 0x7f, 0x80, 0xff};
    size_t whole = few ? FEW_BYTES_MAX : WHOLE_BYTES_MAX, step = size > whole ? size / whole : 1;
    data[size] = 0;
    replay_bytes(data, size + 1);
    for (size_t cut = 0; cut < size; cut += step)
        replay_bytes(data, cut);
    for (size_t at = 0; at < size; at += step) {
        for (size_t i = 0; few && i < sizeof few_flips; i++)
            replay_changed(data, size, at, data[at] ^ few_flips[i]);
        for (int bit = 0; !few && bit < 8; bit++)
            replay_changed(data, size, at, (uint8_t)(data[at] ^ 1u << bit));
        for (size_t i = 0; !few && i < sizeof ends; i++)
            replay_changed(data, size, at, ends[i]);
    }
}

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    uint8_t *data = malloc(FILE_BYTES_MAX + 1);
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
    few = argc > 1 && strcmp(argv[1], "--few") == 0;
    for (int i = 1 + few; i < argc; i++)
        failed |= replay_path(argv[i]);
    printf("%zu inputs replayed\n", runs);
    return failed || runs == 0;
}
